/* SPDX-License-Identifier: BSD-2-Clause */
/* Products of bfloat16, whose weights lie in pairs of input channels. For the
 * files that are compiled once per instruction set. */
#ifndef RN_OPS_CONV_PAIRS_H
#define RN_OPS_CONV_PAIRS_H

#include "ops/conv/strip.h"

#ifdef RN_KERNELS_BF16
/** sum + x . w of two channels, the odd one first, as VDPBF16PS has it. */
INLINE vec add_pair(vec sum, uint32_t x, vecu w)
{
#ifdef __AVX512BF16__
    return (vec)_mm512_dpbf16_ps((__m512)sum,
                                 (__m512bh)_mm512_set1_epi32((int)x),
                                 (__m512bh)w);
#else
    uint32_t even = x << 16, odd = x & 0xffff0000u;
    float first, second;

    memcpy(&first, &odd, sizeof(first));
    memcpy(&second, &even, sizeof(second));
    sum = fill(first) * (vec)(w & 0xffff0000u) + sum;
    return fill(second) * (vec)(w << 16) + sum;
#endif
}

/** a, b += x . w of a pair of inputs, pixels `apart` from one another; w[B][2],
 *  those of the second block of outputs `second` behind. */
INLINE void add_pairs(int pixels, int outs, const element *x, size_t apart,
                      const element *w, size_t second, vec a[STRIP],
                      vec b[STRIP])
{
    vecu w0, w1;

    memcpy(&w0, w, sizeof(w0));
    memcpy(&w1, outs == 2 ? w + second : w, sizeof(w1));
#pragma GCC unroll 16
    for (int t = 0; t < pixels; t++) {
        uint32_t pair;

        memcpy(&pair, x + (size_t)t * apart, sizeof(pair));
        a[t] = add_pair(a[t], pair, w0);
        if (outs == 2)
            b[t] = add_pair(b[t], pair, w1);
    }
}

/** The same of one block of input channels: x[pixel][B], pairs of w `step`
 *  apart. */
INLINE void add_block(int pixels, int outs, const element *x, const element *w,
                      size_t step, size_t second, vec a[STRIP], vec b[STRIP])
{
    for (int i = 0; i < B; i += 2, w += step)
        add_pairs(pixels, outs, x + i, B, w, second, a, b);
}
#endif

#endif
