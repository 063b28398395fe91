/* SPDX-License-Identifier: BSD-2-Clause */
/* JPEG by libjpeg-turbo, the only file that includes it. Exact DCT and smooth
 * upsampling, the library's defaults, as Pillow uses them. */
#include "data/pictures/image.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
/* behind jpeglib.h */
#include <jerror.h>

/* What the library may hold itself: a progressive picture's coefficients are
 * two bytes each, three a pixel. */
#define MAX_MEMORY ((long)1 << 30)
/* A progressive picture has ten scans; a hostile one thousands, each of
 * which costs as much as decoding the whole picture. */
#define MAX_SCANS 200
#define META_APP  (JPEG_APP0 + 1) /* EXIF, XMP */

struct state {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    struct rn_picture *picture;
    struct rn_error *err;
    int rc;
    jmp_buf escape;
};

/* --------------------------------------------------- the library's calls */

static void fail(struct state *s, const char *reason)
{
    s->rc = rn_fail(s->err, RN_ERR_DATA, "'%s': JPEG: %s", s->picture->name,
                    reason);
    longjmp(s->escape, 1);
}

static void on_error(j_common_ptr info)
{
    struct state *s = info->client_data;
    char text[JMSG_LENGTH_MAX];

    if (info->err->msg_code == JERR_NO_BACKING_STORE)
        fail(s, "decoding it takes more than 1 GB");
    info->err->format_message(info, text);
    fail(s, text);
}

/* Damage that can be decoded around is a warning; Pillow, too, is silent. */
static void on_message(j_common_ptr info, int level)
{
    (void)info;
    (void)level;
}

static void on_progress(j_common_ptr info)
{
    struct state *s = info->client_data;

    if (s->info.input_scan_number > MAX_SCANS)
        fail(s, "too many scans");
}

static void ignore(j_decompress_ptr info)
{
    (void)info;
}

/* All bytes are there from the start: asking for more is past their end. */
static boolean on_end(j_decompress_ptr info)
{
    fail(info->client_data, "the file is truncated");
    return FALSE;
}

static void skip(j_decompress_ptr info, long bytes)
{
    if (bytes <= 0)
        return;
    if ((size_t)bytes > info->src->bytes_in_buffer)
        on_end(info);
    info->src->next_input_byte += bytes;
    info->src->bytes_in_buffer -= (size_t)bytes;
}

/* ---------------------------------------------------------------- pixels */

static bool begins(const struct jpeg_marker_struct *m, const char *name,
                   size_t length)
{
    return m->data_length >= length && memcmp(m->data, name, length) == 0;
}

/* Of several blocks Pillow takes the first of EXIF (others go on with it, and
 * the orientation stands at its beginning) and the last of XMP. */
static int orientation(const struct state *s)
{
    static const char exif[] = "Exif\0", xmp[] = "http://ns.adobe.com/xap/1.0/";

    jpeg_saved_marker_ptr m, first = NULL, last = NULL;
    int found = 0;

    for (m = s->info.marker_list; m; m = m->next) {
        if (begins(m, exif, sizeof(exif)))
            first = first ? first : m;
        else if (begins(m, xmp, sizeof(xmp)))
            last = m;
    }
    if (first)
        found = rn_exif_orientation(first->data, first->data_length);
    if (!found && last)
        found = rn_xmp_orientation(last->data, last->data_length);
    return found;
}

/* a * b / 255, rounded */
static unsigned times(unsigned a, unsigned b)
{
    return (a * b + 127) / 255;
}

/* Adobe stores ink inverted, 255 being none; there is no other CMYK in
 * practice, and Pillow takes all for Adobe's. */
static void from_cmyk(const uint8_t *cmyk, size_t pixels, uint8_t *rgb)
{
    for (size_t i = 0; i < pixels; i++, cmyk += 4, rgb += 3)
        for (int c = 0; c < 3; c++)
            rgb[c] = (uint8_t)(cmyk[3] - times(255u - cmyk[c], cmyk[3]));
}

static void read_rows(struct state *s)
{
    size_t width = s->info.output_width;
    uint8_t *to = s->picture->image.pixels;

    JSAMPARRAY line = NULL;

    if (s->info.out_color_space == JCS_CMYK)
        line = s->info.mem->alloc_sarray((j_common_ptr)&s->info, JPOOL_IMAGE,
                                         4 * s->info.output_width, 1);
    while (s->info.output_scanline < s->info.output_height) {
        JSAMPROW row = line ? line[0] : to;

        jpeg_read_scanlines(&s->info, &row, 1);
        if (line)
            from_cmyk(line[0], width, to);
        to += 3 * width;
    }
}

static void describe(struct state *s)
{
    struct rn_picture_kind *kind = &s->picture->kind;

    kind->orientation = orientation(s);
    kind->flags = (s->info.num_components == 1 ? RN_KIND_GREY : 0) |
                  (s->info.num_components == 4 ? RN_KIND_CMYK : 0) |
                  (s->info.progressive_mode ? RN_KIND_PROGRESSIVE : 0);
}

static void choose_colours(struct state *s)
{
    if (s->info.num_components != 1 && s->info.num_components != 3 &&
        s->info.num_components != 4)
        fail(s, "neither one, three nor four colour components");
    s->info.out_color_space = s->info.num_components == 4 ? JCS_CMYK : JCS_RGB;
}

/* EXIF's orientations from this one on lay the picture on its side. */
#define FIRST_SIDEWAYS 5

/* The library makes a half, a quarter or an eighth from fewer coefficients. */
static void reduce(struct state *s)
{
    const struct rn_picture *p = s->picture;
    int w = (int)s->info.image_width, h = (int)s->info.image_height;
    bool sideways = p->kind.orientation >= FIRST_SIDEWAYS;

    s->info.scale_num = 1;
    if (p->reduce)
        s->info.scale_denom =
            (unsigned)p->reduce(p->user, sideways ? h : w, sideways ? w : h);
    jpeg_calc_output_dimensions(&s->info);
}

static void create(struct state *s)
{
    jpeg_create_decompress(&s->info);
    s->info.mem->max_memory_to_use = MAX_MEMORY;
    s->progress.progress_monitor = on_progress;
    s->info.progress = &s->progress;
    s->source = (struct jpeg_source_mgr){
        .next_input_byte = s->picture->bytes,
        .bytes_in_buffer = s->picture->size,
        .init_source = ignore,
        .fill_input_buffer = on_end,
        .skip_input_data = skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = ignore,
    };
    s->info.src = &s->source;
}

static void decode(struct state *s)
{
    create(s);
    jpeg_save_markers(&s->info, META_APP, 0xffff);
    jpeg_read_header(&s->info, TRUE);
    describe(s);
    choose_colours(s);
    s->rc = rn_picture_check(s->picture, s->info.image_width,
                             s->info.image_height, s->err);
    if (s->rc)
        return;
    reduce(s);
    s->rc = rn_picture_start(s->picture, s->info.output_width,
                             s->info.output_height, s->err);
    if (s->rc)
        return;
    jpeg_start_decompress(&s->info);
    read_rows(s);
    jpeg_finish_decompress(&s->info);
}

/* The one place that errors of the library jump back to. */
static void guard(struct state *s)
{
    if (setjmp(s->escape) == 0)
        decode(s);
}

int rn_jpeg_decode(struct rn_picture *p, struct rn_error *err)
{
    struct state s = {.picture = p, .err = err};

    s.info.err = jpeg_std_error(&s.errors);
    s.errors.error_exit = on_error;
    s.errors.emit_message = on_message;
    s.info.client_data = &s;
    guard(&s);
    jpeg_destroy_decompress(&s.info);
    return s.rc;
}
