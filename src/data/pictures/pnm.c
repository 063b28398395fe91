/* SPDX-License-Identifier: BSD-2-Clause */
/* Portable bitmaps, greymaps and pixmaps (.pbm, .pgm, .ppm), as text (P1 to P3)
 * and as bytes (P4 to P6), by a reader of our own: they are their own
 * description. Values are scaled as Pillow scales them. */
#include "data/pictures/image.h"

#include <math.h>
#include <string.h>

#define MOST_VALUE 65535

struct reader {
    struct rn_picture *picture;
    size_t at;
    int kind; /* 1 to 6 */
    unsigned most;
};

static int fail(const struct reader *r, const char *what, struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA, "'%s': PNM: %s", r->picture->name, what);
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_space(struct reader *r)
{
    const struct rn_picture *p = r->picture;

    while (r->at < p->size &&
           (is_space(p->bytes[r->at]) || p->bytes[r->at] == '#')) {
        if (p->bytes[r->at] == '#')
            while (r->at < p->size && p->bytes[r->at] != '\n' &&
                   p->bytes[r->at] != '\r')
                r->at++;
        r->at += r->at < p->size;
    }
}

/* Digits, behind white space and comments. */
static int read_number(struct reader *r, unsigned limit, unsigned *value,
                       struct rn_error *err)
{
    const struct rn_picture *p = r->picture;
    size_t first;

    skip_space(r);
    *value = 0;
    for (first = r->at; r->at < p->size && p->bytes[r->at] >= '0' &&
                        p->bytes[r->at] <= '9' && *value <= limit;
         r->at++)
        *value = *value * 10 + (unsigned)(p->bytes[r->at] - '0');
    if (r->at == p->size && r->at == first)
        return fail(r, "the file is truncated", err);
    if (r->at == first)
        return fail(r, "something else where a number should be", err);
    if (*value > limit)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': PNM: a number of %u or more, expected at most %u",
                       p->name, *value, limit);
    return RN_OK;
}

/* A bit is one character; others may follow without white space. */
static int read_bit(struct reader *r, unsigned *value, struct rn_error *err)
{
    const struct rn_picture *p = r->picture;

    skip_space(r);
    if (r->at == p->size)
        return fail(r, "the file is truncated", err);
    *value = (unsigned)p->bytes[r->at++] - '0';
    return *value <= 1 ? RN_OK : fail(r, "a bit that is neither 0 nor 1", err);
}

static int channels(const struct reader *r)
{
    return r->kind % 3 ? 1 : 3;
}

/* Of grey with more than 8 bits Pillow makes 16, of which the upper 8 count
 * here as in other formats; of colours it makes 8. */
static uint8_t scaled(const struct reader *r, unsigned value)
{
    bool deep = r->most > 255 && channels(r) == 1;
    double whole = (double)value / r->most * (deep ? MOST_VALUE : 255);
    long rounded = lrint(whole);

    return (uint8_t)(deep ? rounded >> 8 : rounded);
}

static void put(const struct reader *r, size_t i, uint8_t value)
{
    if (channels(r) == 3)
        r->picture->image.pixels[i] = value;
    else
        memset(r->picture->image.pixels + 3 * i, value, 3);
}

static int read_text(struct reader *r, size_t count, struct rn_error *err)
{
    int rc = RN_OK;

    for (size_t i = 0; i < count && !rc; i++) {
        unsigned value = 0;

        if (r->kind == 1)
            rc = read_bit(r, &value, err);
        else
            rc = read_number(r, r->most, &value, err);
        if (!rc)
            put(r, i,
                r->kind == 1 ? (uint8_t)(255 * !value) : scaled(r, value));
    }
    return rc;
}

/* Rows of bits are filled up to whole bytes. */
static void read_bits(const struct reader *r, size_t stride)
{
    size_t width = (size_t)r->picture->image.width;

    for (size_t y = 0; y < (size_t)r->picture->image.height; y++)
        for (size_t x = 0; x < width; x++) {
            uint8_t byte = r->picture->bytes[r->at + y * stride + x / 8];

            put(r, y * width + x, byte >> (7 - x % 8) & 1 ? 0 : 255);
        }
}

static void read_values(const struct reader *r, size_t count)
{
    const uint8_t *from = r->picture->bytes + r->at;
    bool two = r->most > 255;

    for (size_t i = 0; i < count; i++) {
        unsigned value =
            two ? (unsigned)from[2 * i] << 8 | from[2 * i + 1] : from[i];

        put(r, i, scaled(r, value < r->most ? value : r->most));
    }
}

static int read_bytes(struct reader *r, size_t count, struct rn_error *err)
{
    size_t stride = ((size_t)r->picture->image.width + 7) / 8;
    size_t bytes = r->kind == 4 ? stride * (size_t)r->picture->image.height
                                : count * (r->most > 255 ? 2 : 1);

    if (bytes > r->picture->size - r->at)
        return fail(r, "the file is truncated", err);
    if (r->kind == 4)
        read_bits(r, stride);
    else
        read_values(r, count);
    return RN_OK;
}

/* Width, height and, but of bits, the largest value; bytes begin behind one
 * more character of white space. */
static int read_header(struct reader *r, unsigned size[2], struct rn_error *err)
{
    int rc = read_number(r, RN_IMAGE_MAX_SIDE, &size[0], err);

    if (!rc)
        rc = read_number(r, RN_IMAGE_MAX_SIDE, &size[1], err);
    if (!rc && r->kind % 3 != 1)
        rc = read_number(r, MOST_VALUE, &r->most, err);
    if (rc)
        return rc;
    if (r->most == 0)
        return fail(r, "a largest value of 0", err);
    if (r->at == r->picture->size || !is_space(r->picture->bytes[r->at]))
        return fail(r, "the file is truncated", err);
    r->at++;
    return RN_OK;
}

int rn_pnm_decode(struct rn_picture *p, struct rn_error *err)
{
    struct reader r = {p, 2, p->bytes[1] - '0', 1};
    unsigned size[2];
    size_t count;
    int rc = read_header(&r, size, err);

    if (rc)
        return rc;
    p->kind.flags = (channels(&r) == 1 ? RN_KIND_GREY : 0) |
                    (r.most > 255 ? RN_KIND_DEEP : 0);
    rc = rn_picture_start(p, size[0], size[1], err);
    if (rc)
        return rc;
    count = (size_t)size[0] * size[1] * (size_t)channels(&r);
    return r.kind <= 3 ? read_text(&r, count, err) : read_bytes(&r, count, err);
}
