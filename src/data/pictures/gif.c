/* SPDX-License-Identifier: BSD-2-Clause */
/* GIF by giflib, the only file that includes it. Of several frames the first
 * counts, laid on the screen as Pillow lays it: what the frame leaves free is
 * transparent, or of colour 0 where no colour is. */
#include "data/pictures/image.h"

#include "core/memory.h"

#include <gif_lib.h>
#include <string.h>

#define COLOURS 256

struct state {
    struct rn_picture *picture;
    struct rn_error *err;
    size_t at; /* bytes read */
    GifFileType *gif;
    int transparent; /* colour, or NO_TRANSPARENT_COLOR */
};

static int on_read(GifFileType *gif, GifByteType *to, int size)
{
    struct state *s = gif->UserData;
    size_t left = s->picture->size - s->at;
    size_t count = size < 0 ? 0 : (size_t)size;

    count = count < left ? count : left;
    memcpy(to, s->picture->bytes + s->at, count);
    s->at += count;
    return (int)count;
}

static int fail(const struct state *s, const char *text)
{
    return rn_fail(s->err, RN_ERR_DATA, "'%s': GIF: %s", s->picture->name,
                   text);
}

static int fail_library(const struct state *s)
{
    int code = s->gif->Error;
    const char *why = GifErrorString(code);

    if (s->at == s->picture->size &&
        (code == D_GIF_ERR_READ_FAILED || code == D_GIF_ERR_EOF_TOO_SOON))
        why = "the file is truncated";
    return fail(s, why ? why : "damaged data");
}

/* ----------------------------------------------------------------- blocks */

static int read_extension(struct state *s)
{
    GraphicsControlBlock control;
    GifByteType *bytes;
    int code;

    if (DGifGetExtension(s->gif, &code, &bytes) != GIF_OK)
        return fail_library(s);
    if (code == GRAPHICS_EXT_FUNC_CODE && bytes &&
        DGifExtensionToGCB(bytes[0], bytes + 1, &control) == GIF_OK)
        s->transparent = control.TransparentColor;
    while (bytes)
        if (DGifGetExtensionNext(s->gif, &bytes) != GIF_OK)
            return fail_library(s);
    return RN_OK;
}

/* Up to the next frame, whose description is then read, or the end. */
static int find_frame(struct state *s, bool *found)
{
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    int rc = RN_OK;

    *found = false;
    while (!rc && !*found && type != TERMINATE_RECORD_TYPE) {
        if (DGifGetRecordType(s->gif, &type) != GIF_OK)
            return fail_library(s);
        if (type == EXTENSION_RECORD_TYPE)
            rc = read_extension(s);
        if (type == IMAGE_DESC_RECORD_TYPE) {
            if (DGifGetImageDesc(s->gif) != GIF_OK)
                return fail_library(s);
            *found = true;
        }
    }
    return rc;
}

/* ----------------------------------------------------------------- pixels */

static bool is_grey(const ColorMapObject *map)
{
    for (int i = 0; map && i < map->ColorCount; i++)
        if (map->Colors[i].Red != i || map->Colors[i].Green != i ||
            map->Colors[i].Blue != i)
            return false;
    return true;
}

/* The frame's colours, or else all frames', as RGB and opacity. Those that are
 * not there are black; of a greyscale, or where there are none, grey. */
static void find_colours(const struct state *s, uint8_t colours[COLOURS][4])
{
    const ColorMapObject *map = s->gif->Image.ColorMap;
    bool grey;

    map = map ? map : s->gif->SColorMap;
    grey = is_grey(map);
    s->picture->kind.flags |= grey ? RN_KIND_GREY : RN_KIND_PALETTE;
    for (int i = 0; i < COLOURS; i++) {
        memset(colours[i], grey ? i : 0, 3);
        if (map && i < map->ColorCount) {
            colours[i][0] = map->Colors[i].Red;
            colours[i][1] = map->Colors[i].Green;
            colours[i][2] = map->Colors[i].Blue;
        }
        colours[i][3] = i == s->transparent ? 0 : 255;
    }
}

static int read_row(struct state *s, uint8_t *indices, size_t y,
                    uint8_t colours[COLOURS][4])
{
    const GifImageDesc *frame = &s->gif->Image;
    struct rn_image *image = &s->picture->image;
    size_t bytes = s->picture->alpha ? 4 : 3;
    uint8_t *to =
        image->pixels + ((y + (size_t)frame->Top) * (size_t)image->width +
                         (size_t)frame->Left) *
                            bytes;

    if (DGifGetLine(s->gif, indices, frame->Width) != GIF_OK)
        return fail_library(s);
    for (int x = 0; x < frame->Width; x++, to += bytes)
        memcpy(to, colours[indices[x]], bytes);
    return RN_OK;
}

/* Interlaced rows come in four passes. */
static int read_rows(struct state *s, uint8_t *indices,
                     uint8_t colours[COLOURS][4])
{
    static const struct {
        int first, step;
    } passes[] = {{0, 8}, {4, 8}, {2, 4}, {1, 2}}, all = {0, 1};
    const GifImageDesc *frame = &s->gif->Image;
    int rc = RN_OK;

    for (int pass = 0; !rc && pass < (frame->Interlace ? 4 : 1); pass++) {
        int first = frame->Interlace ? passes[pass].first : all.first;
        int step = frame->Interlace ? passes[pass].step : all.step;

        for (int y = first; !rc && y < frame->Height; y += step)
            rc = read_row(s, indices, (size_t)y, colours);
    }
    return rc;
}

static void fill(struct rn_picture *p, const uint8_t *colour)
{
    size_t bytes = p->alpha ? 4 : 3;
    size_t pixels = (size_t)p->image.width * (size_t)p->image.height;

    for (size_t i = 0; i < pixels; i++)
        memcpy(p->image.pixels + i * bytes, colour, bytes);
}

static size_t larger(GifWord a, GifWord b)
{
    return (size_t)(a > b ? a : b);
}

static int read_frame(struct state *s)
{
    const GifImageDesc *frame = &s->gif->Image;
    struct rn_picture *p = s->picture;
    uint8_t colours[COLOURS][4], *indices;
    int rc;

    if (frame->Width < 1 || frame->Height < 1 || frame->Left < 0 ||
        frame->Top < 0)
        return fail(s, "a frame without pixels");
    find_colours(s, colours);
    p->alpha = s->transparent != NO_TRANSPARENT_COLOR;
    p->kind.flags |= (p->alpha ? RN_KIND_ALPHA : 0) |
                     (frame->Interlace ? RN_KIND_PROGRESSIVE : 0);
    rc = rn_picture_start(p, larger(s->gif->SWidth, frame->Left + frame->Width),
                          larger(s->gif->SHeight, frame->Top + frame->Height),
                          s->err);
    if (rc)
        return rc;
    fill(p, colours[p->alpha ? s->transparent : 0]);
    indices = rn_alloc((size_t)frame->Width, 1);
    if (!indices)
        return rn_fail_memory(s->err, (size_t)frame->Width, p->name);
    rc = read_rows(s, indices, colours);
    rn_free(indices);
    return rc;
}

/* What is wrong behind the first frame does not matter. */
static bool has_more(struct state *s)
{
    struct rn_error *err = s->err;
    bool found;

    s->err = NULL;
    find_frame(s, &found);
    s->err = err;
    return found;
}

static int decode(struct state *s)
{
    bool found;
    int rc = find_frame(s, &found);

    if (!rc && !found)
        rc = fail(s, "there is no frame in it");
    if (!rc)
        rc = read_frame(s);
    if (!rc && has_more(s))
        s->picture->kind.flags |= RN_KIND_SEVERAL;
    return rc;
}

int rn_gif_decode(struct rn_picture *p, struct rn_error *err)
{
    struct state s = {
        .picture = p, .err = err, .transparent = NO_TRANSPARENT_COLOR};
    int code = 0, rc;

    s.gif = DGifOpen(&s, on_read, &code);
    if (!s.gif)
        return fail(&s, s.at == p->size ? "the file is truncated"
                                        : "damaged header");
    rc = decode(&s);
    DGifCloseFile(s.gif, &code);
    return rc;
}
