/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled once per instruction set, like kernels.c. */
#include "ops/direct_kernels.h"

#include "ops/vector.h"

/* Sums kept in registers: 16 of AVX-512's 32, 8 or 12 of 16 before it. */
#if RN_KERNELS_BLOCK == 16
enum { PAIR = 8, SINGLE = 16, PLACES = 7 };
#else
enum { PAIR = 4, SINGLE = 8, PLACES = 6 };
#endif
enum { MOST = 16 };
/* Pixels from memory to the first-level cache; shorter rows end too soon. */
enum { AHEAD = 24, ROW_LEAST = 3 * AHEAD };

INLINE void fetch_pixel(const struct rn_pixels *p, const float *x,
                        const float *dy, int blocks)
{
    __builtin_prefetch(x + AHEAD * p->x_column);
    __builtin_prefetch(dy + AHEAD * B);
    if (blocks == 2)
        __builtin_prefetch(dy + p->dy_block + AHEAD * B);
}

/** `inputs` inputs by one or two blocks; at == NULL: neighbours. */
INLINE void sum(const struct rn_pixels *p, const float *x0, const size_t *at,
                int inputs, int blocks, bool ahead, vec a[MOST], vec b[MOST])
{
#pragma GCC unroll 16
    for (int i = 0; i < inputs; i++)
        a[i] = b[i] = fill(0);
    for (size_t n = 0; n < p->images; n++)
        for (size_t r = 0; r < p->rows; r++) {
            const float *x = x0 + n * p->x_image + r * p->x_row;
            const float *dy = p->dy + n * p->dy_image + r * p->dy_row;
            const float *end = dy + p->columns * B;
            for (; dy < end; dy += B, x += p->x_column) {
                vec d0 = load(dy), d1 = fill(0);
                if (blocks == 2)
                    d1 = load(dy + p->dy_block);
                if (ahead)
                    fetch_pixel(p, x, dy, blocks);
#pragma GCC unroll 16
                for (int i = 0; i < inputs; i++) {
                    vec v = fill(x[at ? at[i] : (size_t)i]);
                    a[i] += v * d0;
                    if (blocks == 2)
                        b[i] += v * d1;
                }
            }
        }
}

INLINE void put(const vec sums[MOST], int count, float *dw, bool first)
{
    for (int i = 0; i < count; i++)
        store(dw + i * B, first ? sums[i] : sums[i] + load(dw + i * B));
}

static void channels(const struct rn_pixels *p, int blocks,
                     const struct rn_sums_to *to)
{
    vec a[MOST], b[MOST];
    if (blocks == 1) {
        sum(p, p->x, NULL, SINGLE, 1, false, a, b);
        put(a, SINGLE, to->dw, to->first);
        return;
    }
    for (int i = 0; i < B; i += PAIR) {
        if (i == 0 && p->columns >= ROW_LEAST)
            sum(p, p->x, NULL, PAIR, 2, true, a, b);
        else
            sum(p, p->x + i, NULL, PAIR, 2, false, a, b);
        put(a, PAIR, to->dw + i * B, to->first);
        put(b, PAIR, to->dw + to->block + i * B, to->first);
    }
}

static void anywhere(const struct rn_pixels *p, const size_t *at, int count,
                     int blocks, const struct rn_sums_to *to)
{
    vec a[MOST], b[MOST];
    if (blocks == 1) {
        sum(p, p->x, at, PLACES, 1, false, a, b);
        put(a, count, to->dw, to->first);
        return;
    }
    sum(p, p->x, at, PLACES, 2, false, a, b);
    put(a, count, to->dw, to->first);
    put(b, count, to->dw + to->block, to->first);
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
    .places = PLACES,
};
