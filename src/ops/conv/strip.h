/* SPDX-License-Identifier: BSD-2-Clause */
/* The one inner loop of matrix products: a strip of pixels by one or two
 * blocks of output channels, its sums in registers. For the files that are
 * compiled once per instruction set. */
#ifndef RN_OPS_CONV_STRIP_H
#define RN_OPS_CONV_STRIP_H

#include "ops/conv/ahead.h"
#include "ops/vector.h"

#include <stdbool.h>
#include <stddef.h>

/* The longest strip: two blocks' sums, their weights and an input fill the 32
 * registers of AVX-512, or the 16 before it. */
#if RN_KERNELS_BLOCK == 16
enum { STRIP = 14 };
#else
enum { STRIP = 6 };
#endif

/* A function for every length and one or two blocks of outputs, so that the
 * sums stay in registers: NAME_lengths[outs - 1][pixels - 1](s) calls
 * STRIP(pixels, outs, s) with constants. */
/* clang-format off */
#define LENGTH(n, name, strip, type)           \
    static void name##_one_##n(const type *s)  \
    {                                          \
        strip(n, 1, s);                        \
    }                                          \
    static void name##_two_##n(const type *s)  \
    {                                          \
        strip(n, 2, s);                        \
    }
#define UP_TO_6(to, ...)                                                  \
    to(1, __VA_ARGS__) to(2, __VA_ARGS__) to(3, __VA_ARGS__)              \
    to(4, __VA_ARGS__) to(5, __VA_ARGS__) to(6, __VA_ARGS__)
#define ENTRY(n, name) name##_##n,
#if RN_KERNELS_BLOCK == 16
#define EVERY_LENGTH(to, ...)                                             \
    UP_TO_6(to, __VA_ARGS__)                                              \
    to(7, __VA_ARGS__) to(8, __VA_ARGS__) to(9, __VA_ARGS__)              \
    to(10, __VA_ARGS__) to(11, __VA_ARGS__) to(12, __VA_ARGS__)           \
    to(13, __VA_ARGS__) to(14, __VA_ARGS__)
#else
#define EVERY_LENGTH(to, ...) UP_TO_6(to, __VA_ARGS__)
#endif
#define LENGTHS(name, strip, type)                                        \
    EVERY_LENGTH(LENGTH, name, strip, type)                               \
    static void (*const name##_lengths[2][STRIP])(const type *s) = {      \
        {EVERY_LENGTH(ENTRY, name##_one)},                                \
        {EVERY_LENGTH(ENTRY, name##_two)},                                \
    }
/* clang-format on */

/* Pixels of float32 that a cache line has. */
enum { LINE_PIXELS = RN_LINE / (B * (int)sizeof(float)) };

/** What a strip is the product of; distances in floats. */
struct factors {
    const float *x; /* [blocks][pixel][B] */
    size_t x_block;
    size_t blocks;
    const float *w;         /* [blocks * B] rows of B, `step` apart */
    size_t step, out_block; /* the second block of outputs' is so far off */
    struct rn_ahead ahead;
    const float *later; /* some pixels to fetch, [blocks][pixel][B] as x */
    int later_pixels;
};

INLINE void fetch_weights(struct rn_ahead *ahead)
{
    for (int i = 0; i < ahead->lines; i++) {
        __builtin_prefetch(ahead->at[0], 0, 2);
        __builtin_prefetch(ahead->at[1], 0, 2);
        ahead->at[0] += RN_LINE;
        ahead->at[1] += RN_LINE;
    }
}

/** This strip's next block, and of what comes later. */
INLINE void fetch_inputs(int pixels, const float *next, int later_pixels,
                         const float *later)
{
#pragma GCC unroll 16
    for (int t = 0; t < pixels; t += LINE_PIXELS)
        __builtin_prefetch(next + t * B);
    for (int t = 0; t < later_pixels; t += LINE_PIXELS)
        __builtin_prefetch(later + t * B, 0, 2);
}

/** a, b += x . w, channel after channel. With `apart`, blocks of x lie too far
 *  from one another for the hardware to foresee where the next one is. */
INLINE void add_products(int pixels, int outs, bool apart,
                         const struct factors *f, vec a[STRIP], vec b[STRIP])
{
    const float *x = f->x, *next = x + f->x_block, *w = f->w, *later = f->later;
    struct rn_ahead ahead = f->ahead;

    for (size_t c = 0; c < f->blocks; c++, x = next, next += f->x_block) {
        fetch_weights(&ahead);
        if (apart) {
            fetch_inputs(pixels, next, f->later_pixels, later);
            later += f->x_block;
        }
        for (int i = 0; i < B; i++, w += f->step) {
            vec w0 = load(w), w1 = outs == 2 ? load(w + f->out_block) : w0;
#pragma GCC unroll 16
            for (int t = 0; t < pixels; t++) {
                vec v = fill(x[t * B + i]);

                a[t] += v * w0;
                if (outs == 2)
                    b[t] += v * w1;
            }
        }
    }
}

#endif
