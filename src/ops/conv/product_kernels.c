/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled once per instruction set and type of activations, like kernels.c. */
#include "ops/conv/product_kernels.h"

#include "ops/conv/pairs.h"
#include "ops/conv/strip.h"

/* Pixels of activations that a cache line has. */
enum { ACTIVATION_PIXELS = RN_LINE / (B * (int)sizeof(element)) };

INLINE void start(int pixels, const float *bias, bool add, const element *y,
                  vec sums[STRIP])
{
    vec first = bias ? load(bias) : fill(0);

    /* The strip after this one, usually. */
#pragma GCC unroll 16
    for (int t = 0; t < pixels; t += ACTIVATION_PIXELS)
        __builtin_prefetch(y + (pixels + t) * B, 1);
#pragma GCC unroll 16
    for (int t = 0; t < pixels; t++)
        sums[t] = add ? get(y, t * B) + first : first;
}

INLINE void finish(int pixels, bool relu, const vec sums[STRIP], element *y)
{
#pragma GCC unroll 16
    for (int t = 0; t < pixels; t++)
        put(y, t * B, relu ? relu_of(sums[t]) : sums[t]);
}

#ifdef RN_KERNELS_BF16
INLINE void sum_products(int pixels, int outs,
                         const struct rn_product_strip *s, vec a[STRIP],
                         vec b[STRIP])
{
    const element *x = s->x, *next = x + s->x_block, *w = s->w;
    const element *later = s->later;
    struct rn_ahead ahead = s->ahead;

    for (size_t c = 0; c < s->blocks;
         c++, x = next, next += s->x_block, w += B * B) {
        fetch_weights(&ahead);
#pragma GCC unroll 16
        for (int t = 0; t < pixels; t += ACTIVATION_PIXELS)
            __builtin_prefetch(next + t * B);
        for (int t = 0; t < s->later_pixels; t += ACTIVATION_PIXELS)
            __builtin_prefetch(later + t * B, 0, 2);
        later += s->x_block;
        add_block(pixels, outs, x, w, 2 * B, s->w_block, a, b);
    }
}
#else
INLINE void sum_products(int pixels, int outs,
                         const struct rn_product_strip *s, vec a[STRIP],
                         vec b[STRIP])
{
    struct factors f = {.x = s->x,
                        .x_block = s->x_block,
                        .blocks = s->blocks,
                        .w = s->w,
                        .step = B,
                        .out_block = s->w_block,
                        .ahead = s->ahead,
                        .later = s->later,
                        .later_pixels = s->later_pixels};

    add_products(pixels, outs, true, &f, a, b);
}
#endif

INLINE void multiply_strip(int pixels, int outs,
                           const struct rn_product_strip *s)
{
    element *y = s->y, *second = y + s->y_block;
    vec a[STRIP], b[STRIP];

    start(pixels, s->bias, s->add, y, a);
    if (outs == 2)
        start(pixels, s->bias ? s->bias + B : NULL, s->add, second, b);
    sum_products(pixels, outs, s, a, b);
    finish(pixels, s->relu, a, y);
    if (outs == 2)
        finish(pixels, s->relu, b, second);
}

LENGTHS(product, multiply_strip, struct rn_product_strip);

static void multiply(int pixels, int outs, const struct rn_product_strip *s)
{
    product_lengths[outs - 1][pixels - 1](s);
}

#ifdef RN_KERNELS_BF16
INLINE void first_strip(int pixels, int outs, const struct rn_product_first *s)
{
    element *y = s->y, *second = y + s->y_block;
    const element *x = s->x, *w = s->w;
    vec a[STRIP], b[STRIP];

    start(pixels, s->bias, s->add, y, a);
    if (outs == 2)
        start(pixels, s->bias ? s->bias + B : NULL, s->add, second, b);
    for (size_t k = 0; k < s->rows; k++, x += s->x_row)
        for (size_t i = 0; i < s->pairs; i++, w += 2 * B)
            add_pairs(pixels, outs, x + 2 * i, s->x_pixel, w, s->w_block, a, b);
    finish(pixels, s->relu, a, y);
    if (outs == 2)
        finish(pixels, s->relu, b, second);
}

LENGTHS(first, first_strip, struct rn_product_first);

static void first(int pixels, int outs, const struct rn_product_first *s)
{
    first_lengths[outs - 1][pixels - 1](s);
}
#endif

static void zeros(element *to, int pixels)
{
    memset(to, 0, (size_t)pixels * B * sizeof(*to));
}

/** `count` pixels of a row of the output, the first in column `x`. */
INLINE void gather_row(const struct rn_product_rows *r, int y, int x, int count,
                       element *to)
{
    int row = y * r->stride + r->top, column = x * r->across + r->left;
    int begin = 0, end = row < 0 || row >= r->h ? 0 : count;

    while (begin < end && column + begin * r->across < 0)
        begin++;
    while (begin < end && column + (end - 1) * r->across >= r->w)
        end--;
    zeros(to, begin);
    if (r->across == 1 && begin < end)
        memcpy(to + begin * B,
               (const element *)r->plane +
                   ((ptrdiff_t)row * r->w + column + begin) * B,
               (size_t)(end - begin) * B * sizeof(*to));
    for (int i = begin; r->across > 1 && i < end; i++) {
        const element *from =
            (const element *)r->plane +
            ((ptrdiff_t)row * r->w + column + i * r->across) * B;

        /* The next tap or block, for this one's rows are no more foreseen by
         * the hardware. */
        __builtin_prefetch(from + (ptrdiff_t)r->h * r->w * B);
        memcpy(to + i * B, from, B * sizeof(*to));
    }
    zeros(to + end * B, count - end);
}

static void gather(const struct rn_product_rows *r, void *rows)
{
    int x = r->first % r->out_w;
    element *to = rows;

    for (int y = r->first / r->out_w, left = r->pixels; left > 0; y++, x = 0) {
        int count = r->out_w - x < left ? r->out_w - x : left;

        gather_row(r, y, x, count, to);
        to += count * B;
        left -= count;
    }
}

#ifndef RN_KERNELS_BF16
/* Lane j of row i and lane j + s of row i - s, where i has the bit s and j has
 * not, change places. */
/* clang-format off */
#define UPPER(j, s) ((j) & (s) ? B + (j) - (s) : (j))
#define LOWER(j, s) ((j) & (s) ? B + (j) : (j) + (s))
#define EIGHT(of, j, s)                                               \
    of(j, s), of(j + 1, s), of(j + 2, s), of(j + 3, s), of(j + 4, s), \
    of(j + 5, s), of(j + 6, s), of(j + 7, s)
#if RN_KERNELS_BLOCK == 16
#define LANES(of, s) EIGHT(of, 0, s), EIGHT(of, 8, s)
#else
#define LANES(of, s) EIGHT(of, 0, s)
#endif
#define EXCHANGE(s)                                                   \
    INLINE void exchange_##s(vec rows[B])                             \
    {                                                                 \
        _Pragma("GCC unroll 16")                                      \
        for (int i = 0; i < B; i++) {                                 \
            vec a = rows[i & ~s], b = rows[i | s];                    \
                                                                      \
            if (i & s)                                                \
                continue;                                             \
            rows[i] = __builtin_shufflevector(a, b, LANES(UPPER, s)); \
            rows[i | s] =                                             \
                __builtin_shufflevector(a, b, LANES(LOWER, s));       \
        }                                                             \
    }
/* clang-format on */
EXCHANGE(1)
EXCHANGE(2)
EXCHANGE(4)
#if RN_KERNELS_BLOCK == 16
EXCHANGE(8)
#endif

static void turn(const float *w, float *to)
{
    vec rows[B];

#pragma GCC unroll 16
    for (int i = 0; i < B; i++)
        rows[i] = load(w + i * B);
    exchange_1(rows);
    exchange_2(rows);
    exchange_4(rows);
#if RN_KERNELS_BLOCK == 16
    exchange_8(rows);
#endif
#pragma GCC unroll 16
    for (int i = 0; i < B; i++)
        store(to + i * B, rows[i]);
}
#endif

extern const struct rn_product_kernels RN_PRODUCT_KERNELS_NAME;
const struct rn_product_kernels RN_PRODUCT_KERNELS_NAME = {
    .multiply = multiply,
#ifdef RN_KERNELS_BF16
    .first = first,
#else
    .turn = turn,
#endif
    .gather = gather,
    .strip = STRIP,
};
