/* SPDX-License-Identifier: BSD-2-Clause */
/* Weights in 8 bits: their scales, and what rounding them does to means. */
#ifndef RN_QUANTIZE_WEIGHTS_H
#define RN_QUANTIZE_WEIGHTS_H

#include "graph/graph.h"
#include "quantize/ranges.h"

/** A scale for each output channel of weights [outs][row], the one with the
 *  least square error of some. */
void rn_weight_scales(const float *weights, size_t outs, size_t row,
                      float *scales);

/** What the rounding of each output channel's weights adds to its mean:
 *  (rounded - exact) times the means of the input, [inputs] of them, each for
 *  row / inputs weights. Windows that reach over the edge are neglected. */
void rn_weight_shift(const float *exact, const float *rounded, size_t outs,
                     size_t row, size_t inputs, const struct rn_stats *input,
                     double *shift);

#endif
