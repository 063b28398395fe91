/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * The inner loops of a weight gradient without transforms: the outer product
 * of an input pixel's channels and an output pixel's gradients, summed over
 * pixels in registers. direct_kernels.c is compiled once per instruction set.
 */
#ifndef RN_OPS_CONV_DIRECT_KERNELS_H
#define RN_OPS_CONV_DIRECT_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

/** Pixels to sum over: images of rows. Distances are in floats. */
struct rn_pixels {
    const float *x, *dy; /* of the first pixel */
    size_t images, rows, columns;
    size_t x_image, x_row, x_column;
    size_t dy_image, dy_row; /* neighbouring columns are B apart */
    size_t dy_block;         /* between two blocks of output channels */
    /* Fetched beside each pixel is what lies so far behind it; 0: nothing. */
    ptrdiff_t x_next, dy_next;
};

enum { RN_INPUTS_MOST = 27 };

/** Some inputs: number i lies at x + at[i] and its sums go to dw + to[i] * B.
 *  With `threes`, number i is the i % 3-th neighbour of number i - i % 3. The
 *  rest of at[] is zero: read, too, and forgotten. */
struct rn_inputs {
    size_t at[RN_INPUTS_MOST], to[RN_INPUTS_MOST];
    int count;
    bool threes;
};

/** Where the sums go: [input][B], a second block of outputs behind. */
struct rn_sums_to {
    float *dw;
    size_t block;
    bool first; /* written, else added to */
};

struct rn_direct_kernels {
    /** A block of B input channels by one or two blocks of outputs. */
    void (*channels)(const struct rn_pixels *pixels, int blocks,
                     const struct rn_sums_to *to);
    /** Inputs anywhere by one or two blocks of outputs. */
    void (*anywhere)(const struct rn_pixels *pixels,
                     const struct rn_inputs *inputs, int blocks,
                     const struct rn_sums_to *to);
    /** Sum of dy over the pixels: the gradient of one block's bias. */
    void (*bias)(const struct rn_pixels *pixels, float *db);
    /** Inputs at most, on their own and in threes, for one and two blocks. */
    int places[2][2];
};

/** For rn_isa(). */
const struct rn_direct_kernels *rn_direct_kernels_get(void);

#endif
