/* SPDX-License-Identifier: BSD-2-Clause */
/* PNG by libpng, the only file that includes it. Read, every kind ends as 8-bit
 * RGB or RGBA; of 16 bits the upper eight are kept, as Pillow does. Of several
 * frames the first counts. Gamma and colour profiles are left alone. */
#include "data/pictures/image.h"

#include "core/file.h"
#include "core/memory.h"

#include <png.h>
#include <stdio.h>
#include <string.h>

#define SIGNATURE ((size_t)8)
#define CHUNK     ((size_t)12) /* size, name, checksum */

struct state {
    struct rn_picture *picture;
    struct rn_error *err;
    int rc;
    size_t at; /* bytes read */
    png_structp png;
    png_infop info;
};

/* --------------------------------------------------- the library's calls */

static void on_error(png_structp png, png_const_charp text)
{
    struct state *s = png_get_error_ptr(png);
    bool checksum = strstr(text, "CRC error") != NULL;

    s->rc = rn_fail(s->err, RN_ERR_DATA, "'%s': PNG: %s%s", s->picture->name,
                    checksum ? "a checksum is wrong: " : "", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void on_read(png_structp png, png_bytep to, size_t size)
{
    struct state *s = png_get_io_ptr(png);

    if (size > s->picture->size - s->at)
        png_error(png, "the file is truncated");
    memcpy(to, s->picture->bytes + s->at, size);
    s->at += size;
}

/* ----------------------------------------------------------- orientation */

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *found = c ? strchr(digits, c | 0x20) : NULL;

    return found ? (int)(found - digits) : -1;
}

/* ImageMagick's way before PNG had a chunk for it: a line with the name, one
 * with the length, then hexadecimal lines. The head is enough: directories
 * come first. */
static int orientation_of_text(const char *text)
{
    uint8_t block[4096];
    size_t digits = 0;

    for (int line = 0; line < 3; line++) {
        text = strchr(text, '\n');
        if (!text)
            return 0;
        text++;
    }
    for (; *text && digits < 2 * sizeof(block); text++) {
        int digit = hex_digit(*text);

        if (digit < 0)
            continue;
        block[digits / 2] = digits % 2
                                ? (uint8_t)(block[digits / 2] << 4 | digit)
                                : (uint8_t)digit;
        digits++;
    }
    return rn_exif_orientation(block, digits / 2);
}

static int exif_orientation(const struct state *s, png_textp text, int count)
{
    png_bytep exif;
    png_uint_32 size;

    if (png_get_eXIf_1(s->png, s->info, &size, &exif))
        return rn_exif_orientation(exif, size);
    for (int i = 0; i < count; i++)
        if (strcmp(text[i].key, "Raw profile type exif") == 0 ||
            strcmp(text[i].key, "Raw profile type APP1") == 0)
            return orientation_of_text(text[i].text);
    return 0;
}

/* Of several XMP packets Pillow keeps the last. */
static int xmp_orientation(png_textp text, int count)
{
    while (count--)
        if (strcmp(text[count].key, "XML:com.adobe.xmp") == 0)
            return rn_xmp_orientation(text[count].text,
                                      strlen(text[count].text));
    return 0;
}

static int orientation(const struct state *s)
{
    png_textp text = NULL;
    int count = 0, found;

    png_get_text(s->png, s->info, &text, &count);
    found = exif_orientation(s, text, count);
    return found ? found : xmp_orientation(text, count);
}

/* ---------------------------------------------------------------- pixels */

static void to_8_bit_colour(struct state *s)
{
    png_set_expand(s->png); /* palette, fewer than 8 bits, transparency */
    png_set_strip_16(s->png);
    png_set_gray_to_rgb(s->png);
}

static void read_rows(struct state *s)
{
    int passes = png_set_interlace_handling(s->png);
    size_t height = png_get_image_height(s->png, s->info), stride;

    png_read_update_info(s->png, s->info);
    stride = png_get_rowbytes(s->png, s->info);
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < height; y++)
            png_read_row(s->png, s->picture->image.pixels + y * stride, NULL);
}

static bool has_alpha(const struct state *s)
{
    return (png_get_color_type(s->png, s->info) & PNG_COLOR_MASK_ALPHA) ||
           png_get_valid(s->png, s->info, PNG_INFO_tRNS);
}

static int flags(const struct state *s)
{
    int colour = png_get_color_type(s->png, s->info);
    bool deep = png_get_bit_depth(s->png, s->info) == 16;
    bool interlaced = png_get_interlace_type(s->png, s->info) != 0;

    return (deep ? RN_KIND_DEEP : 0) | (has_alpha(s) ? RN_KIND_ALPHA : 0) |
           (colour & PNG_COLOR_MASK_COLOR ? 0 : RN_KIND_GREY) |
           (colour & PNG_COLOR_MASK_PALETTE ? RN_KIND_PALETTE : 0) |
           (interlaced ? RN_KIND_PROGRESSIVE : 0);
}

/* Whether an animation's frames (APNG), which the library passes over, stand
 * beside the picture; it is the first of them if it has a frame's head. */
static bool has_frames(const struct rn_picture *p)
{
    png_uint_32 frames = 0, own = 0;
    size_t at = SIGNATURE;

    while (p->size - at >= CHUNK) {
        const uint8_t *name = p->bytes + at + 4;
        size_t size = png_get_uint_32(p->bytes + at);

        if (size > p->size - at - CHUNK || memcmp(name, "IDAT", 4) == 0)
            break;
        if (memcmp(name, "acTL", 4) == 0 && size >= 4)
            frames = png_get_uint_32(name + 4);
        if (memcmp(name, "fcTL", 4) == 0)
            own = 1;
        at += CHUNK + size;
    }
    return frames > own;
}

static void decode(struct state *s)
{
    png_read_info(s->png, s->info);
    s->picture->alpha = has_alpha(s);
    s->picture->kind.flags = flags(s);
    if (has_frames(s->picture))
        s->picture->kind.flags |= RN_KIND_SEVERAL;
    s->rc = rn_picture_start(s->picture, png_get_image_width(s->png, s->info),
                             png_get_image_height(s->png, s->info), s->err);
    if (s->rc)
        return;
    to_8_bit_colour(s);
    read_rows(s);
    png_read_end(s->png, s->info);
    s->picture->kind.orientation = orientation(s);
}

/* The one place that errors of the library jump back to. */
static void guard(struct state *s)
{
    if (setjmp(png_jmpbuf(s->png)) == 0)
        decode(s);
}

int rn_png_decode(struct rn_picture *p, struct rn_error *err)
{
    struct state s = {.picture = p, .err = err};

    s.png =
        png_create_read_struct(PNG_LIBPNG_VER_STRING, &s, on_error, on_warning);
    if (s.png)
        s.info = png_create_info_struct(s.png);
    if (s.info) {
        png_set_read_fn(s.png, &s, on_read);
        /* Sizes are checked in decode(), with a message of our own. */
        png_set_user_limits(s.png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
        png_set_crc_action(s.png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
        guard(&s);
    } else {
        s.rc = rn_fail(err, RN_ERR_MEMORY, "'%s': out of memory", p->name);
    }
    png_destroy_read_struct(&s.png, &s.info, NULL);
    return s.rc;
}

/* -------------------------------------------------------------- encoding */

int rn_png_encode(const struct rn_image *image, uint8_t **bytes, size_t *size,
                  struct rn_error *err)
{
    png_image png = {.version = PNG_IMAGE_VERSION,
                     .width = (png_uint_32)image->width,
                     .height = (png_uint_32)image->height,
                     .format = PNG_FORMAT_RGB};
    png_alloc_size_t room = PNG_IMAGE_PNG_SIZE_MAX(png);
    uint8_t *buffer = rn_alloc(room, 1);

    *bytes = NULL;
    if (!buffer)
        return rn_fail_memory(err, room, "a PNG file");
    if (!png_image_write_to_memory(&png, buffer, &room, 0, image->pixels, 0,
                                   NULL)) {
        rn_free(buffer);
        return rn_fail(err, RN_ERR_DATA, "PNG: %s", png.message);
    }
    *bytes = buffer;
    *size = room;
    return RN_OK;
}

int rn_image_save(const struct rn_image *image, const char *path,
                  struct rn_error *err)
{
    uint8_t *bytes;
    size_t size = 0;
    int rc = rn_png_encode(image, &bytes, &size, err);

    if (!rc)
        rc = rn_file_write(path, bytes, size, err);
    rn_free(bytes);
    return rc;
}

int rn_image_encode(const struct rn_image *image, uint8_t **bytes, size_t *size,
                    struct rn_error *err)
{
    *size = 0;
    return rn_png_encode(image, bytes, size, err);
}
