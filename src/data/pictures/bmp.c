/* SPDX-License-Identifier: BSD-2-Clause */
/* Windows' and OS/2's bitmaps, by a reader of our own: no library of its size
 * reads them all, and there is little to read. 1, 4, 8, 16, 24 and 32 bits,
 * run lengths, bit fields, rows from either end. As in Pillow, the fourth byte
 * of 32 bits is opacity only where bit fields say so. */
#include "data/pictures/image.h"

#include "core/count.h"
#include "core/memory.h"

#include <string.h>

enum { FILE_HEADER = 14, OLD_HEADER = 12, NEW_HEADER = 40, MASKS = 4 };
enum { PLAIN = 0, RUNS8 = 1, RUNS4 = 2, BIT_FIELDS = 3 };

#define MOST_COLOURS 256

struct bitmap {
    struct rn_picture *picture;
    size_t width, height;
    bool top_down;
    unsigned bits, compression;
    uint32_t mask[MASKS]; /* red, green, blue, opacity; of 16 and 32 bits */
    size_t at;            /* where the pixels begin */
    uint8_t colours[MOST_COLOURS][3]; /* black beyond those there are */
    bool grey;                        /* colour i is i of 255 */
};

static int fail(const struct bitmap *b, const char *what, struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA, "'%s': BMP: %s", b->picture->name, what);
}

static int fail_cut(const struct bitmap *b, struct rn_error *err)
{
    return fail(b, "the file is truncated", err);
}

static bool inside(const struct bitmap *b, size_t at, size_t size)
{
    return at <= b->picture->size && size <= b->picture->size - at;
}

static uint32_t number(const struct bitmap *b, size_t at, int bytes)
{
    uint32_t value = 0;

    while (bytes--)
        value = value << 8 | b->picture->bytes[at + (size_t)bytes];
    return value;
}

/* ---------------------------------------------------------------- headers */

/* What 16 and 32 bits mean where no masks say it; those of 24 are always
 * these. */
static void usual_masks(struct bitmap *b)
{
    static const uint32_t five[MASKS] = {0x7c00, 0x3e0, 0x1f, 0},
                          eight[MASKS] = {0xff0000, 0xff00, 0xff, 0};

    memcpy(b->mask, b->bits == 16 ? five : eight, sizeof(b->mask));
}

/* A mask is one run of ones; of none there may be. */
static bool is_run(uint32_t mask)
{
    uint32_t low = mask & (0 - mask);

    return ((mask + low) & mask) == 0;
}

/* Behind a header of 40 bytes, or in a longer one, where opacity follows from
 * 56 bytes on. */
static int read_masks(struct bitmap *b, size_t header, struct rn_error *err)
{
    int count = header >= 56 && header != 64 ? 4 : 3;
    bool none = true;

    if (!inside(b, FILE_HEADER + NEW_HEADER, 4 * (size_t)count))
        return fail_cut(b, err);
    b->mask[3] = 0;
    for (int i = 0; i < count; i++) {
        b->mask[i] = number(b, FILE_HEADER + NEW_HEADER + 4 * (size_t)i, 4);
        none = none && !b->mask[i];
        if (!is_run(b->mask[i]) || (b->bits == 16 && b->mask[i] > 0xffff))
            return fail(b, "bit fields with gaps, or past their pixels", err);
    }
    if (none) {
        usual_masks(b);
        b->mask[3] = b->bits == 32 && count == 4 ? 0xff000000 : 0;
    }
    return RN_OK;
}

static int read_colours(struct bitmap *b, size_t at, size_t count, size_t step,
                        struct rn_error *err)
{
    if (!count)
        count = (size_t)1 << b->bits;
    if (!inside(b, at, 0) || count > (b->picture->size - at) / step)
        return fail_cut(b, err);
    b->grey = true;
    for (size_t i = 0; i < count && i < MOST_COLOURS; i++) {
        const uint8_t *blue = b->picture->bytes + at + i * step;
        size_t value = count == 2 ? 255 * i : i;

        for (int c = 0; c < 3; c++) {
            b->colours[i][c] = blue[2 - c];
            b->grey = b->grey && blue[c] == value;
        }
    }
    for (size_t i = count; b->grey && i < MOST_COLOURS; i++)
        memset(b->colours[i], (int)i, 3);
    return RN_OK;
}

static int check_kind(const struct bitmap *b, struct rn_error *err)
{
    static const struct {
        unsigned compression, bits;
    } known[] = {{PLAIN, 1},       {PLAIN, 4},      {PLAIN, 8},
                 {PLAIN, 16},      {PLAIN, 24},     {PLAIN, 32},
                 {RUNS8, 8},       {RUNS4, 4},      {BIT_FIELDS, 16},
                 {BIT_FIELDS, 24}, {BIT_FIELDS, 32}};

    for (size_t i = 0; i < COUNT(known); i++)
        if (known[i].compression == b->compression && known[i].bits == b->bits)
            return RN_OK;
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': BMP: %u bits a pixel, compressed by method %u, which "
                   "is not known",
                   b->picture->name, b->bits, b->compression);
}

static void read_old(struct bitmap *b)
{
    b->width = number(b, FILE_HEADER + 4, 2);
    b->height = number(b, FILE_HEADER + 6, 2);
    b->bits = number(b, FILE_HEADER + 10, 2);
}

/* Heights below zero are of pictures whose first row is the top one. */
static void read_new(struct bitmap *b)
{
    uint32_t height = number(b, FILE_HEADER + 8, 4);

    b->width = number(b, FILE_HEADER + 4, 4);
    b->top_down = height >> 31;
    b->height = b->top_down ? 0 - height : height;
    b->bits = number(b, FILE_HEADER + 14, 2);
    b->compression = number(b, FILE_HEADER + 16, 4);
}

static int read_header(struct bitmap *b, struct rn_error *err)
{
    size_t header, colours = 0;
    int rc;

    if (!inside(b, 0, FILE_HEADER + OLD_HEADER))
        return fail_cut(b, err);
    header = number(b, FILE_HEADER, 4);
    if (header != OLD_HEADER && header < NEW_HEADER)
        return fail(b, "a header of an unknown kind", err);
    if (!inside(b, FILE_HEADER, header))
        return fail_cut(b, err);
    if (header == OLD_HEADER)
        read_old(b);
    else
        read_new(b);
    rc = check_kind(b, err);
    if (rc)
        return rc;
    if (header != OLD_HEADER)
        colours = number(b, FILE_HEADER + 32, 4);
    b->at = number(b, 10, 4);
    usual_masks(b);
    if (b->compression == BIT_FIELDS && b->bits != 24)
        return read_masks(b, header, err);
    return b->bits > 8 ? RN_OK
                       : read_colours(b, FILE_HEADER + header, colours,
                                      header == OLD_HEADER ? 3 : 4, err);
}

/* ----------------------------------------------------------------- pixels */

static uint8_t *row_of(const struct bitmap *b, size_t y, size_t bytes)
{
    size_t from_top = b->top_down ? y : b->height - 1 - y;

    return b->picture->image.pixels + from_top * b->width * bytes;
}

/* Rows end on multiples of four bytes. */
static size_t stride(const struct bitmap *b)
{
    return (b->width * b->bits + 31) / 32 * 4;
}

static void unpack_indices(const struct bitmap *b, const uint8_t *row,
                           uint8_t *to)
{
    unsigned mask = (1u << b->bits) - 1;

    for (size_t x = 0; x < b->width; x++, to += 3) {
        size_t bit = x * b->bits;
        unsigned value = row[bit / 8] >> (8 - b->bits - bit % 8) & mask;

        memcpy(to, b->colours[value], 3);
    }
}

/* The part of a pixel under a mask, as a share of 255. */
static uint8_t under(uint32_t pixel, uint32_t mask)
{
    uint32_t low = mask & (0 - mask);

    if (!mask)
        return 0;
    return (uint8_t)((uint64_t)((pixel & mask) / low) * 255 / (mask / low));
}

static void unpack_fields(const struct bitmap *b, const uint8_t *row,
                          uint8_t *to)
{
    size_t bytes = b->bits / 8, out = b->picture->alpha ? 4 : 3;

    for (size_t x = 0; x < b->width; x++, row += bytes, to += out) {
        uint32_t pixel = 0;

        for (size_t i = bytes; i--;)
            pixel = pixel << 8 | row[i];
        for (size_t c = 0; c < out; c++)
            to[c] = under(pixel, b->mask[c]);
    }
}

static int read_plain(const struct bitmap *b, struct rn_error *err)
{
    size_t out = b->picture->alpha ? 4 : 3;

    if (!inside(b, b->at, stride(b) * b->height))
        return fail_cut(b, err);
    for (size_t y = 0; y < b->height; y++) {
        const uint8_t *row = b->picture->bytes + b->at + y * stride(b);

        if (b->bits <= 8)
            unpack_indices(b, row, row_of(b, y, out));
        else
            unpack_fields(b, row, row_of(b, y, out));
    }
    return RN_OK;
}

/* ------------------------------------------------------------ run lengths */

/* Where the next pixel goes; what is skipped is of colour 0, and what is past
 * a row's end left out. */
struct pen {
    const struct bitmap *bitmap;
    size_t x, y;
};

static void put(struct pen *pen, unsigned colour)
{
    const struct bitmap *b = pen->bitmap;

    if (pen->x < b->width && pen->y < b->height)
        memcpy(row_of(b, pen->y, 3) + 3 * pen->x, b->colours[colour], 3);
    pen->x++;
}

/* Pixel i of those in `bytes`. */
static unsigned pixel_of(const struct bitmap *b, const uint8_t *bytes, size_t i)
{
    if (b->compression == RUNS8)
        return bytes[i];
    return i % 2 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4;
}

static void put_run(struct pen *pen, size_t count, const uint8_t *colour)
{
    for (size_t i = 0; i < count; i++)
        put(pen, pixel_of(pen->bitmap, colour,
                          pen->bitmap->compression == RUNS8 ? 0 : i % 2));
}

/* Pixels as they are, filled up to an even number of bytes; how many bytes, or
 * 0 when they are not all there. */
static size_t put_pixels(struct pen *pen, size_t count, size_t at)
{
    const struct bitmap *b = pen->bitmap;
    size_t bytes = b->compression == RUNS8 ? count : (count + 1) / 2;

    if (!inside(b, at, bytes))
        return 0;
    for (size_t i = 0; i < count; i++)
        put(pen, pixel_of(b, b->picture->bytes + at, i));
    return bytes + bytes % 2;
}

enum { END_OF_ROW, END_OF_PICTURE, SKIP };

/* Two bytes are a count and a colour; or a zero and one of these, or else a
 * number of pixels that follow. */
static int read_runs(const struct bitmap *b, struct rn_error *err)
{
    struct pen pen = {b, 0, 0};
    size_t at = b->at, used;

    while (pen.y < b->height && inside(b, at, 2)) {
        const uint8_t *code = b->picture->bytes + at;

        at += 2;
        if (code[0]) {
            put_run(&pen, code[0], code + 1);
        } else if (code[1] == END_OF_ROW) {
            pen.x = 0;
            pen.y++;
        } else if (code[1] == END_OF_PICTURE) {
            return RN_OK;
        } else if (code[1] == SKIP) {
            if (!inside(b, at, 2))
                break;
            pen.x += code[2];
            pen.y += code[3];
            at += 2;
        } else {
            used = put_pixels(&pen, code[1], at);
            if (!used)
                break;
            at += used;
        }
        if (pen.y == b->height - 1 && pen.x >= b->width)
            return RN_OK;
    }
    return pen.y >= b->height ? RN_OK : fail_cut(b, err);
}

static void fill(const struct bitmap *b)
{
    for (size_t i = 0; i < b->width * b->height; i++)
        memcpy(b->picture->image.pixels + 3 * i, b->colours[0], 3);
}

int rn_bmp_decode(struct rn_picture *p, struct rn_error *err)
{
    struct bitmap b = {.picture = p};
    int rc = read_header(&b, err);

    if (rc)
        return rc;
    p->alpha = b.bits > 8 && b.mask[3];
    p->kind.flags =
        (p->alpha ? RN_KIND_ALPHA : 0) | (b.bits > 8 ? 0
                                          : b.grey   ? RN_KIND_GREY
                                                     : RN_KIND_PALETTE);
    rc = rn_picture_start(p, b.width, b.height, err);
    if (rc)
        return rc;
    if (b.compression != RUNS8 && b.compression != RUNS4)
        return read_plain(&b, err);
    fill(&b);
    return read_runs(&b, err);
}
