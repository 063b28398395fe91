/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * One row of outputs in bfloat16 where a row of a window is one run of numbers:
 * what first.c and windows.c share.
 */
#ifndef RN_OPS_CONV_ROW_H
#define RN_OPS_CONV_ROW_H

#include "ops/conv/product_kernels.h"

#include <stddef.h>
#include <stdint.h>

struct rn_conv_row {
    /** Distances, window and what is done to the outputs;
     * rn_conv_row_multiply() sets the pointers. */
    struct rn_product_first strip;
    const uint16_t *x, *weights;
    const float *bias; /* of all outputs, or NULL */
    uint16_t *y;       /* of the first block of outputs */
    size_t pixels, strips, block, out_blocks;
};

void rn_conv_row_multiply(const struct rn_product_kernels *kernels,
                          const struct rn_conv_row *row);

#endif
