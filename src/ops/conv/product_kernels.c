/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled once per instruction set, like kernels.c. */
#include "ops/conv/product_kernels.h"

#include "ops/conv/strip.h"

INLINE void start(int pixels, const float *bias, bool add, const float *y,
                  vec sums[STRIP])
{
    vec first = bias ? load(bias) : fill(0);

    /* The strip after this one, usually. */
#pragma GCC unroll 16
    for (int t = 0; t < pixels; t += RN_LINE / B)
        __builtin_prefetch(y + (pixels + t) * B, 1);
#pragma GCC unroll 16
    for (int t = 0; t < pixels; t++)
        sums[t] = add ? load(y + t * B) + first : first;
}

INLINE void finish(int pixels, bool relu, const vec sums[STRIP], float *y)
{
#pragma GCC unroll 16
    for (int t = 0; t < pixels; t++)
        store(y + t * B, relu ? relu_of(sums[t]) : sums[t]);
}

INLINE void multiply_strip(int pixels, int outs,
                           const struct rn_product_strip *s)
{
    vec a[STRIP], b[STRIP];
    struct factors f = {.x = s->x,
                        .x_block = s->x_block,
                        .blocks = s->blocks,
                        .w = s->w,
                        .step = B,
                        .out_block = s->w_block,
                        .ahead = s->ahead,
                        .later = s->later,
                        .later_pixels = s->later_pixels};

    start(pixels, s->bias, s->add, s->y, a);
    if (outs == 2)
        start(pixels, s->bias ? s->bias + B : NULL, s->add, s->y + s->y_block,
              b);
    add_products(pixels, outs, true, &f, a, b);
    finish(pixels, s->relu, a, s->y);
    if (outs == 2)
        finish(pixels, s->relu, b, s->y + s->y_block);
}

/* A function for every length, so that the sums stay in registers. */
#define LENGTH(n)                                         \
    static void one_##n(const struct rn_product_strip *s) \
    {                                                     \
        multiply_strip(n, 1, s);                          \
    }                                                     \
    static void two_##n(const struct rn_product_strip *s) \
    {                                                     \
        multiply_strip(n, 2, s);                          \
    }
/* clang-format off */
LENGTH(1) LENGTH(2) LENGTH(3) LENGTH(4) LENGTH(5) LENGTH(6)
#if RN_KERNELS_BLOCK == 16
LENGTH(7) LENGTH(8) LENGTH(9) LENGTH(10) LENGTH(11) LENGTH(12) LENGTH(13)
LENGTH(14)
#endif
    /* clang-format on */

    static void (*const lengths[2][STRIP])(const struct rn_product_strip *s) = {
#if RN_KERNELS_BLOCK == 16
        {one_1, one_2, one_3, one_4, one_5, one_6, one_7, one_8, one_9, one_10,
         one_11, one_12, one_13, one_14},
        {two_1, two_2, two_3, two_4, two_5, two_6, two_7, two_8, two_9, two_10,
         two_11, two_12, two_13, two_14},
#else
        {one_1, one_2, one_3, one_4, one_5, one_6},
        {two_1, two_2, two_3, two_4, two_5, two_6},
#endif
};

static void multiply(int pixels, int outs, const struct rn_product_strip *s)
{
    lengths[outs - 1][pixels - 1](s);
}

static void zeros(float *to, int pixels)
{
    for (int i = 0; i < pixels; i++)
        store(to + i * B, fill(0));
}

/** `count` pixels of a row of the output, the first in column `x`. */
INLINE void gather_row(const struct rn_product_rows *r, int y, int x, int count,
                       float *to)
{
    int row = y * r->stride + r->top, column = x * r->stride + r->left;
    int begin = 0, end = row < 0 || row >= r->h ? 0 : count;

    while (begin < end && column + begin * r->stride < 0)
        begin++;
    while (begin < end && column + (end - 1) * r->stride >= r->w)
        end--;
    zeros(to, begin);
    for (int i = begin; i < end; i++) {
        const float *from =
            r->plane + ((ptrdiff_t)row * r->w + column + i * r->stride) * B;

        /* The next tap or block, for this one's rows are no more foreseen by
         * the hardware. */
        __builtin_prefetch(from + (ptrdiff_t)r->h * r->w * B);
        store(to + i * B, load(from));
    }
    zeros(to + end * B, count - end);
}

static void gather(const struct rn_product_rows *r, float *to)
{
    int x = r->first % r->out_w;

    for (int y = r->first / r->out_w, left = r->pixels; left > 0; y++, x = 0) {
        int count = r->out_w - x < left ? r->out_w - x : left;

        gather_row(r, y, x, count, to);
        to += count * B;
        left -= count;
    }
}

extern const struct rn_product_kernels RN_PRODUCT_KERNELS_NAME;
const struct rn_product_kernels RN_PRODUCT_KERNELS_NAME = {
    .multiply = multiply,
    .gather = gather,
    .strip = STRIP,
};
