/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * Winograd's F(4x4, 3x3) in whole numbers: the transforms of bytes fit 16 bits,
 * sums of their products are kept modulo 2^32, and what the way back divides by
 * comes out exactly. winograd_int8_kernels.c is compiled once per instruction
 * set, with and without dot products of 16-bit numbers; all of them make the
 * bits of the sums of product_int8_kernels.h.
 *
 * Lavin and Gray's matrices for the points 0, 1, -1, 2, -2 and infinity, the
 * weights' rows without fractions: times 24, 12, 12, 24, 24 and 6, so that none
 * adds up to more than 7 weights.
 */
#ifndef RN_OPS_CONV_WINOGRAD_INT8_KERNELS_H
#define RN_OPS_CONV_WINOGRAD_INT8_KERNELS_H

#include "ops/conv/product_int8_kernels.h"

/** Outputs a side of a tile, and points a side. */
enum { RN_INT8_TILE = 4, RN_INT8_SIDE = 6, RN_INT8_POINTS = 36 };

/** Most input channels of one sum. The way back multiplies by 24 * 24, that is
 *  64 * 9, and so a sum modulo 2^32 tells a result modulo 2^26. Sums of bytes
 *  less 128, by 9 weights a channel, are within that up to here. */
enum { RN_INT8_WINO_DEPTH = 227 };

/** A tile in a plane of h x w pixels: its first pixel, of the patch of inputs
 *  (perhaps outside) or of the outputs, of which it has rows x columns. */
struct rn_int8_place {
    int y, x, h, w;
    int rows, columns;
};

/** Up to `strip` tiles by one or two blocks of outputs, at one point. */
struct rn_int8_wino_product {
    const int16_t *v; /* [block][...][tile][B] */
    size_t v_block;   /* numbers between blocks */
    size_t blocks;
    const int16_t *u; /* [block][B in / 2][2][B out][2] */
    int32_t *m;       /* [2][...][tile][B] */
    size_t m_block;   /* numbers between the two */
    struct rn_ahead ahead;
};

/** Points of one tile and block of outputs on their way back. */
struct rn_int8_wino_sums {
    const int32_t *m;          /* [part][point][...][B] */
    size_t m_point;            /* numbers between points */
    size_t parts;              /* of the input channels: sums of their own */
    const int32_t *correction; /* 128 times a channel's weights */
    struct rn_int8_out out;
};

struct rn_int8_wino_kernels {
    /** A patch of a plane of bytes, `zero` outside, to its points less those of
     *  a patch of 128: numbers `stride` apart. */
    void (*input)(const uint8_t *x, const struct rn_int8_place *at, int zero,
                  int16_t *points, size_t stride);
    /** The 9 weights of an input and an output channel to their points. */
    void (*weights)(const int w[9], int16_t points[RN_INT8_POINTS]);
    void (*multiply)(int tiles, int outs, const struct rn_int8_wino_product *p);
    /** A tile to a plane of outputs, bytes or float32. The last row of points
     *  is for the fourth row of outputs alone, and so is the last column. */
    void (*output)(const struct rn_int8_wino_sums *s,
                   const struct rn_int8_place *at, void *y);
    int strip;
    const char *name; /* for people */
};

/** For rn_isa(). */
const struct rn_int8_wino_kernels *rn_int8_wino_kernels_get(void);

#endif
