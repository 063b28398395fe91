/* SPDX-License-Identifier: BSD-2-Clause */
/* "synthetic:CxHxW:CLASSES[:COUNT]": images made up, the same for the same
 * text on every machine. A class is a coarse pattern of grey levels under
 * noise, so that a network can learn them. */
#include "data/sets/sets.h"

#include "core/memory.h"
#include "core/random.h"

#include <limits.h>
#include <string.h>

#define DEFAULT_COUNT 1000
#define TEST_SHARE    5 /* one test image for so many training images */
#define MAX_SIDE      65535
#define GRID          4 /* cells of the pattern in each direction */
#define CONTRAST      96
#define NOISE         64

/* rn_random_key.epoch: noise of a part has the part's number. */
#define EPOCH_PATTERN 2

struct numbers {
    long c, h, w, classes, count;
};

/* A decimal number of at most ten digits at *s, which moves behind it. */
static bool number(const char **s, long least, long most, long *value)
{
    int digits = 0;

    *value = 0;
    for (; **s >= '0' && **s <= '9' && digits < 10; (*s)++, digits++)
        *value = *value * 10 + (**s - '0');
    return digits > 0 && *value >= least && *value <= most;
}

static bool mark(const char **s, char c)
{
    if (**s != c)
        return false;
    (*s)++;
    return true;
}

static bool parse(const char *s, struct numbers *n)
{
    n->count = DEFAULT_COUNT;
    return mark(&s, ':') && number(&s, 1, MAX_SIDE, &n->c) && mark(&s, 'x') &&
           number(&s, 1, MAX_SIDE, &n->h) && mark(&s, 'x') &&
           number(&s, 1, MAX_SIDE, &n->w) && mark(&s, ':') &&
           number(&s, 1, UINT16_MAX, &n->classes) &&
           (!*s || (mark(&s, ':') && number(&s, 1, INT_MAX, &n->count) && !*s));
}

/* Grey level of a cell of the class's pattern, -CONTRAST/2 .. CONTRAST/2. */
static void pattern(int label, int channel, int channels, int cell[GRID * GRID])
{
    const struct rn_random_key key = {0, RN_RANDOM_SYNTHETIC, EPOCH_PATTERN};
    uint64_t index = (uint64_t)label * (uint64_t)channels + (uint64_t)channel;
    uint32_t bits[4];

    for (int i = 0; i < GRID * GRID; i++) {
        if (i % 4 == 0)
            rn_random4(&key, index * GRID * GRID / 4 + (uint64_t)i / 4, bits);
        cell[i] =
            (int)rn_random_below(bits[i % 4], CONTRAST + 1) - CONTRAST / 2;
    }
}

/* One plane: the pattern around 128, with a byte of uniform noise a pixel. */
static void plane(const struct rn_shape *s, const int cell[GRID * GRID],
                  const struct rn_random_key *key, uint64_t first, uint8_t *out)
{
    uint8_t noise[16] = {0};

    for (int y = 0; y < s->h; y++) {
        const int *row = cell + y * GRID / s->h * GRID;

        for (int x = 0; x < s->w; x++) {
            size_t i = (size_t)y * (size_t)s->w + (size_t)x;

            if (i % 16 == 0) {
                uint32_t bits[4];

                rn_random4(key, first + i / 16, bits);
                for (int b = 0; b < 16; b++)
                    noise[b] = (uint8_t)(bits[b / 4] >> 8 * (b % 4));
            }
            out[i] = (uint8_t)(128 + row[x * GRID / s->w] +
                               noise[i % 16] * NOISE / 256 - NOISE / 2);
        }
    }
}

static void fill(struct rn_data *data, int which)
{
    const struct rn_shape *s = &data->shape;
    const struct rn_random_key key = {0, RN_RANDOM_SYNTHETIC, (uint32_t)which};
    struct rn_images *part = &data->part[which ? RN_PART_TEST : RN_PART_TRAIN];
    size_t pixels = rn_shape_pixels(*s), blocks = (pixels + 15) / 16;
    int cell[GRID * GRID];

    for (size_t i = 0; i < (size_t)part->count; i++) {
        int label = (int)(i % (size_t)data->classes);

        part->labels[i] = (uint16_t)label;
        for (int c = 0; c < s->c; c++) {
            size_t p = i * (size_t)s->c + (size_t)c;

            pattern(label, c, s->c, cell);
            plane(s, cell, &key, p * blocks, part->pixels + p * pixels);
        }
    }
}

int rn_read_synthetic(struct rn_data *data, const char *spec,
                      struct rn_error *err)
{
    struct numbers n;
    size_t image, bytes, tests;
    int rc;

    if (!parse(spec + strlen("synthetic"), &n))
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' is not understood, expected "
                       "synthetic:CxHxW:CLASSES[:COUNT] with sizes and classes "
                       "of 1 to %d and a count of at least 1",
                       spec, MAX_SIDE);
    image = (size_t)n.c * (size_t)n.h * (size_t)n.w;
    tests = n.count < TEST_SHARE ? 1 : (size_t)n.count / TEST_SHARE;
    if (image > RN_DATA_MAX_IMAGE ||
        !rn_size_mul((size_t)n.count + tests, image, &bytes) ||
        bytes > RN_DATA_MAX_BYTES)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' is too large: %ld training and %zu test images of "
                       "%zu bytes, expected at most %zu bytes in all and %zu "
                       "an image",
                       spec, n.count, tests, image, RN_DATA_MAX_BYTES,
                       RN_DATA_MAX_IMAGE);
    data->format = "synthetic";
    data->shape = (struct rn_shape){(int)n.c, (int)n.h, (int)n.w};
    data->classes = (int)n.classes;
    rc = rn_reader_allocate(data, 0, (size_t)n.count, err);
    if (!rc)
        rc = rn_reader_allocate(data, 1, tests, err);
    if (rc)
        return rc;
    fill(data, 0);
    fill(data, 1);
    return RN_OK;
}
