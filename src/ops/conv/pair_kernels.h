/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * What training's bfloat16 convolutions do beside products (product_kernels.h):
 * numbers side by side in pairs, as dot products of two read them.
 * pair_kernels.c is compiled once per instruction set.
 */
#ifndef RN_OPS_CONV_PAIR_KERNELS_H
#define RN_OPS_CONV_PAIR_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

/** Rows of pairs of pixels [B][2]; distances are in numbers. */
struct rn_pair_rows {
    const void *x, *dy;
    size_t x_row, dy_row;
    size_t rows, pairs; /* of a row */
};

struct rn_pair_kernels {
    /** Pixels [pixels][B] -> pairs of them [pixels / 2][B][2]; beside the last
     *  of an odd number are zeros. */
    void (*interleave)(const void *x, size_t pixels, void *to);
    /** dw[B in][B out] (+)= x . dy, summed over the pixels of such pairs. */
    void (*accumulate)(const struct rn_pair_rows *rows, bool first, float *dw);
    /** sums[B] (+)= dy[pixels][B]. */
    void (*sum)(const void *dy, size_t pixels, bool first, float *sums);
    /** A block of the store's weights [B in][B out], rounded, to pairs of
     *  inputs [B in / 2][B out][2], `step` numbers apart. */
    void (*pack)(const float *w, size_t step, void *to);
    /** The same to pairs of outputs: [B out / 2][B in][2]. */
    void (*pack_turned)(const float *w, void *to);
};

/** For rn_isa(). */
const struct rn_pair_kernels *rn_pair_kernels_get(void);

#endif
