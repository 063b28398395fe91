/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * The inner loops of convolutions in 8 bits: products of values 0 to 255 and
 * weights -128 to 127 are summed up in int32, exactly, and on the way out
 * become 8 bits again, or float32. product_int8_kernels.c is compiled once per
 * instruction set, with and without dot products of bytes; all of them make the
 * same bits. Sums wrap around, which no sum of at most RN_INT8_DEPTH products
 * notices.
 */
#ifndef RN_OPS_CONV_PRODUCT_INT8_KERNELS_H
#define RN_OPS_CONV_PRODUCT_INT8_KERNELS_H

#include "graph/quantization.h"
#include "ops/conv/ahead.h"
#include "ops/conv/conv.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What becomes of sums, channel after channel: sum * scale + bias, each
 *  rounded to float32, and with `add` what is there * sum_scale added; then in
 *  8 bits rounded to nearest, ties to even, and kept within low..255; or in
 *  float32 no less than 0 with `relu`. With `between` what is to be added to is
 *  8 bits, too: rounded and kept within 0..255, then times own_scale plus
 *  own_shift. */
struct rn_int8_out {
    const int32_t *start; /* what sums begin with: minus the input's zero point
                             times all weights */
    const float *scale, *bias;
    float sum_scale;
    float own_scale, own_shift;
    float low;
    bool add, between, relu;
    bool wide; /* the output is float32, in place of bytes */
};

/** That of a convolution's channels from `channel` on. */
struct rn_int8_out rn_int8_out_of(const struct rn_conv_config *c,
                                  const struct rn_conv_args *args,
                                  size_t channel);

/** A strip of neighbouring pixels by one or two blocks of output channels. */
struct rn_int8_strip {
    const uint8_t *x; /* [block][...][pixel][B] */
    size_t x_block;
    size_t blocks;       /* of inputs, */
    const int32_t *taps; /* each read at these places: bytes behind x */
    size_t n_taps;
    size_t row_taps; /* unless 0: the last of so many has nothing in its last
                        four channels */
    const int8_t *w; /* [block][tap][B in / 4][B out][4] */
    size_t w_block;  /* between two blocks of outputs */
    void *y;         /* [pixel][B] */
    size_t y_block;  /* bytes between two blocks of outputs */
    struct rn_int8_out out;
    struct rn_ahead ahead;
};

struct rn_int8_product_kernels {
    /** `outs` blocks of outputs, 1 or 2, of at most `strip` pixels. */
    void (*multiply)(int pixels, int outs, const struct rn_int8_strip *s);
    int strip;
    const char *name; /* for people */
};

/** For rn_isa(). */
const struct rn_int8_product_kernels *rn_int8_product_kernels_get(void);

#endif
