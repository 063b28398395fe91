/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * The inner loops of Winograd's F(4x4, 3x3) (A. Lavin, S. Gray, "Fast
 * Algorithms for Convolutional Neural Networks", 2016): a tile of 4x4 outputs
 * from a 6x6 patch through 36 points, each point a matrix product over
 * channels: 36 multiplications where direct convolution takes 144. Of
 * F(2x2, 5x5), whose points these are, too, and it takes 100. And of F(2x2, 3x3):
 * 16 points where it takes 36.
 *
 * winograd_kernels.c is compiled once per instruction set, size and type of
 * activations: what is void *; all else is float32. "Point stride" is the
 * distance in numbers between the same place of neighbouring points. Points and
 * weights may be bfloat16, too, their products' sums float32.
 */
#ifndef RN_OPS_CONV_WINOGRAD_KERNELS_H
#define RN_OPS_CONV_WINOGRAD_KERNELS_H

#include "core/dtype.h"
#include "ops/conv/ahead.h"

#include <stdbool.h>
#include <stddef.h>

enum { RN_WINO_POINTS_MOST = 36 };

/** A plane [h][w][B] and the place of a tile's first pixel in it, which may
 *  lie outside: pixels there read as zero and are not written. */
struct rn_wino_place {
    int h, w, y, x;
    /* The first of the pixels, without their neighbours, of a tile that comes
     * later: fetched early. It may lie anywhere. */
    const void *later;
};

/** What happens to a tile of outputs on its way out. */
struct rn_wino_finish {
    const float *bias; /* [B] or NULL */
    bool sum;          /* add what is there */
    bool relu;
};

/** One point of some tiles and two blocks of outputs; distances in numbers. */
struct rn_wino_product {
    const void *v; /* [block][tile][B] */
    size_t v_block;
    size_t blocks; /* of inputs */
    const void *u; /* [block][B in][2][B out]; of bfloat16
                      [block][B in / 2][2][B out][2] */
    float *m;       /* [2][tile][B] */
    size_t m_block;
    bool add; /* to what is in m */
    struct rn_ahead ahead;
};

struct rn_wino_kernels {
    /** Patch of x -> points. */
    void (*input)(const void *x, const struct rn_wino_place *at, float *points,
                  size_t stride);
    /** The same to points of bfloat16; NULL in kernels of float32. */
    void (*input_rounded)(const void *x, const struct rn_wino_place *at,
                          void *points, size_t stride);
    /** Tile of an output's gradient -> points. */
    void (*gradient)(const void *dy, const struct rn_wino_place *at,
                     float *points, size_t stride);
    /** Points -> tile of outputs. */
    void (*output)(const float *points, size_t stride,
                   const struct rn_wino_place *at,
                   const struct rn_wino_finish *finish, void *y);
    /** Weights of a window [side * side][B][B], input channel i -> points of B
     *  output channels. `at` is the distance between them in floats. */
    void (*weights)(const float *w, size_t at, float *points, size_t stride);
    /** Points of B output channels -> gradient of a window's weights. */
    void (*weights_gradient)(const float *points, size_t stride, float *w,
                             size_t at);
    /** m (+)= v . u, of at most `strip` tiles. An odd number of them reads and
     *  writes one more. */
    void (*multiply)(int tiles, const struct rn_wino_product *product);
    /** The same of bfloat16; NULL in kernels of float32. */
    void (*multiply_rounded)(int tiles, const struct rn_wino_product *product);
    /** One point, one block of input and two of output channels:
     *  du[B][2][B] (+)= sum over tiles of v[tile][B] x dy[2][tile][B]. */
    void (*accumulate)(const float *v, const float *dy, size_t dy_block,
                       size_t tiles, bool first, float *du);
    int tile;   /* outputs a side */
    int side;   /* weights a side */
    int points; /* (tile + side - 1) squared */
    int strip;  /* tiles that multiply() takes at once */
};

/** For rn_isa() and activations of that type, RN_F32 or RN_BF16: tiles of 4x4 and
 *  of 2x2 of 3x3 windows, of 2x2 of 5x5 ones. */
const struct rn_wino_kernels *rn_wino4x3_kernels_get(enum rn_dtype type);
const struct rn_wino_kernels *rn_wino2x3_kernels_get(enum rn_dtype type);
const struct rn_wino_kernels *rn_wino2x5_kernels_get(enum rn_dtype type);

#endif
