/* SPDX-License-Identifier: BSD-2-Clause */
/* Passes over whole values in 8 bits: shared out among threads. */
#ifndef RN_OPS_INT8_H
#define RN_OPS_INT8_H

#include "ops/elementwise.h"

/** `count` numbers to 8 bits, and back to float32. */
void rn_int8_narrow(const float *x, uint8_t *y, size_t count, struct rn_quant q,
                    int threads);
void rn_int8_widen(const uint8_t *x, float *y, size_t count, struct rn_quant q,
                   int threads);
/** A max pool of any window: the output has the input's scale. */
void rn_int8_max_pool(const struct rn_node *node, int n, struct rn_shape in,
                      int threads, const uint8_t *x, uint8_t *y);
/** Means over planes of 8 bits, in float32. */
void rn_int8_average(const struct rn_planes *planes, const uint8_t *x,
                     float *mean, struct rn_quant q);

#endif
