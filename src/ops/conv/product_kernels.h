/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * The inner loops of convolutions as matrix products. product_kernels.c is
 * compiled once per instruction set and type of activations. Distances are in
 * numbers.
 */
#ifndef RN_OPS_CONV_PRODUCT_KERNELS_H
#define RN_OPS_CONV_PRODUCT_KERNELS_H

#include "core/dtype.h"
#include "ops/conv/ahead.h"

#include <stdbool.h>
#include <stddef.h>

/** A strip of neighbouring pixels, of one or two blocks of output channels. */
struct rn_product_strip {
    const void *x; /* [block][pixel][B] */
    size_t x_block;
    size_t blocks;  /* of inputs to sum over */
    const void *w;  /* [block][B in][B out]; of bfloat16
                       [block][B in / 2][B out][2] */
    size_t w_block; /* between two blocks of outputs, as y_block */
    void *y;        /* [pixel][B] */
    size_t y_block;
    const float *bias; /* [1 or 2][B], or NULL */
    bool add;          /* to what is in y */
    bool relu;
    struct rn_ahead ahead;
    const void *later; /* some pixels of a later strip to fetch early */
    int later_pixels;
};

/** A strip of a row of outputs from rows of interleaved channels: a row of
 * pixel t's window is the run of numbers at x + t * x_pixel. */
struct rn_product_first {
    const void *x;
    size_t x_row, x_pixel;
    size_t rows, pairs; /* of a window; of numbers in a row of it */
    const void *w;      /* [row][pair][B out][2] */
    size_t w_block;     /* between two blocks of outputs, as y_block */
    void *y;            /* [pixel][B] */
    size_t y_block;
    const float *bias; /* [1 or 2][B], or NULL */
    bool add, relu;    /* as above */
};

/** Pixels [first, first + pixels) of an output of rows of `out_w`. */
struct rn_product_rows {
    const void *plane; /* of the input, [h][w][B] */
    int h, w, out_w;
    int stride, across; /* down and across */
    int top, left;      /* output 0, 0 sees this pixel */
    int first, pixels;
};

struct rn_product_kernels {
    /** `outs` blocks of outputs, 1 or 2, of at most `strip` pixels. */
    void (*multiply)(int pixels, int outs, const struct rn_product_strip *s);
    /** The same of interleaved images; NULL in kernels of float32. */
    void (*first)(int pixels, int outs, const struct rn_product_first *s);
    /** What one tap sees of one block: to[pixel][B], zeros outside. */
    void (*gather)(const struct rn_product_rows *rows, void *to);
    /** A block of weights [B in][B out] -> [B out][B in]; NULL in kernels of
     *  bfloat16. */
    void (*turn)(const float *w, float *to);
    int strip;
};

/** For rn_isa() and activations of that type, RN_F32 or RN_BF16. */
const struct rn_product_kernels *rn_product_kernels_get(enum rn_dtype type);

#endif
