/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled once per instruction set, like kernels.c. */
#include "ops/conv/direct_kernels.h"

#include "ops/vector.h"

/* Sums kept in registers: 16 of AVX-512's 32, 8 or 12 of 16 before it. */
#if RN_KERNELS_BLOCK == 16
enum { PAIR = 8, SINGLE = 16 };
#else
enum { PAIR = 4, SINGLE = 8 };
#endif
/* Of inputs anywhere there are no more than registers for their addresses;
 * three neighbours share one. */
#if RN_KERNELS_BLOCK == 16
enum { ALONE = 7, THREES = 27, THREES_PAIR = 12 };
#else
enum { ALONE = 6, THREES = 9, THREES_PAIR = 6 };
#endif
enum { MOST = RN_INPUTS_MOST };

/** Into the second-level cache, which is where they are needed next. */
INLINE void fetch_pixel(const struct rn_pixels *p, const float *x,
                        const float *dy, int blocks)
{
    __builtin_prefetch(x + p->x_next, 0, 2);
    __builtin_prefetch(dy + p->dy_next, 0, 2);
    if (blocks == 2)
        __builtin_prefetch(dy + p->dy_block + p->dy_next, 0, 2);
}

/** One more pixel of `inputs` inputs in groups of `near` neighbours, each group
 *  `x` behind what from[] says. */
INLINE void add_pixel(const float *const *from, size_t x, int near, int inputs,
                      const vec *d, int blocks, vec a[MOST], vec b[MOST])
{
#pragma GCC unroll 32
    for (int i = 0; i < inputs; i++) {
        vec v = fill(from[i / near][x + (size_t)(i % near)]);

        a[i] += v * d[0];
        if (blocks == 2)
            b[i] += v * d[1];
    }
}

/** `inputs` inputs by one or two blocks, in groups of `near` neighbours, group
 *  g at x0 + at[g * near]. */
INLINE void sum(const struct rn_pixels *p, const float *x0, const size_t *at,
                int near, int inputs, int blocks, bool ahead, vec a[MOST],
                vec b[MOST])
{
#pragma GCC unroll 32
    for (int i = 0; i < inputs; i++)
        a[i] = b[i] = fill(0);
    for (size_t n = 0; n < p->images; n++)
        for (size_t r = 0; r < p->rows; r++) {
            const float *row = x0 + n * p->x_image + r * p->x_row;
            const float *dy = p->dy + n * p->dy_image + r * p->dy_row;
            const float *end = dy + p->columns * B, *from[MOST];
#pragma GCC unroll 32
            for (int g = 0; g * near < inputs; g++)
                from[g] = row + at[g * near];
            for (size_t x = 0; dy < end; dy += B, x += p->x_column) {
                vec d[2] = {load(dy), fill(0)};

                if (blocks == 2)
                    d[1] = load(dy + p->dy_block);
                if (ahead)
                    fetch_pixel(p, row + x, dy, blocks);
                add_pixel(from, x, near, inputs, d, blocks, a, b);
            }
        }
}

INLINE void put_sums(const vec sums[MOST], int count, float *dw, bool first)
{
    for (int i = 0; i < count; i++)
        store(dw + i * B, first ? sums[i] : sums[i] + load(dw + i * B));
}

static void channels(const struct rn_pixels *p, int blocks,
                     const struct rn_sums_to *to)
{
    static const size_t first[1] = {0};
    bool ahead = p->x_next != 0 || p->dy_next != 0;
    vec a[MOST], b[MOST];

    if (blocks == 1) {
        if (ahead)
            sum(p, p->x, first, SINGLE, SINGLE, 1, true, a, b);
        else
            sum(p, p->x, first, SINGLE, SINGLE, 1, false, a, b);
        put_sums(a, SINGLE, to->dw, to->first);
        return;
    }
    for (int i = 0; i < B; i += PAIR) {
        if (i == 0 && ahead)
            sum(p, p->x, first, PAIR, PAIR, 2, true, a, b);
        else
            sum(p, p->x + i, first, PAIR, PAIR, 2, false, a, b);
        put_sums(a, PAIR, to->dw + i * B, to->first);
        put_sums(b, PAIR, to->dw + to->block + i * B, to->first);
    }
}

INLINE void put_anywhere(const vec sums[MOST], int places,
                         const struct rn_inputs *in, float *dw, bool first)
{
#pragma GCC unroll 32
    for (int i = 0; i < places; i++)
        if (i < in->count)
            put_sums(sums + i, 1, dw + in->to[i] * B, first);
}

INLINE void anywhere_some(const struct rn_pixels *p, const struct rn_inputs *in,
                          int near, int places, int blocks,
                          const struct rn_sums_to *to)
{
    vec a[MOST], b[MOST];

    sum(p, p->x, in->at, near, places, blocks, false, a, b);
    put_anywhere(a, places, in, to->dw, to->first);
    if (blocks == 2)
        put_anywhere(b, places, in, to->dw + to->block, to->first);
}

static void anywhere(const struct rn_pixels *p, const struct rn_inputs *in,
                     int blocks, const struct rn_sums_to *to)
{
    if (in->threes && blocks == 1 && in->count > THREES_PAIR)
        anywhere_some(p, in, 3, THREES, 1, to);
    else if (in->threes && blocks == 1)
        anywhere_some(p, in, 3, THREES_PAIR, 1, to);
    else if (in->threes)
        anywhere_some(p, in, 3, THREES_PAIR, 2, to);
    else if (blocks == 1)
        anywhere_some(p, in, 1, ALONE, 1, to);
    else
        anywhere_some(p, in, 1, ALONE, 2, to);
}

static void bias(const struct rn_pixels *p, float *db)
{
    vec total = fill(0);

    for (size_t n = 0; n < p->images; n++)
        for (size_t r = 0; r < p->rows; r++)
            for (size_t c = 0; c < p->columns; c++)
                total += load(p->dy + n * p->dy_image + r * p->dy_row + c * B);
    store(db, total);
}

extern const struct rn_direct_kernels RN_DIRECT_KERNELS_NAME;
const struct rn_direct_kernels RN_DIRECT_KERNELS_NAME = {
    .channels = channels,
    .anywhere = anywhere,
    .bias = bias,
    .places = {{ALONE, ALONE}, {THREES, THREES_PAIR}},
};
