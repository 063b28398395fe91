/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * Loops over values in 8 bits, 0 to 255 with a scale and a zero point.
 * int8_kernels.c is compiled once per instruction set; all have the same bits.
 */
#ifndef RN_OPS_INT8_KERNELS_H
#define RN_OPS_INT8_KERNELS_H

#include "graph/graph.h"
#include "ops/pool_kernels.h"

#include <stddef.h>
#include <stdint.h>

struct rn_int8_kernels {
    /** x / scale + zero to nearest, ties to even, within 0..255. */
    void (*narrow)(const float *x, uint8_t *y, size_t count, struct rn_quant q);
    /** (x - zero) * scale. */
    void (*widen)(const uint8_t *x, float *y, size_t count, struct rn_quant q);
    /** Largest of each window of a plane [hw][B]. */
    void (*largest)(const struct rn_pool_plane *p, const void *x, void *y);
    /** Mean of a plane, in float32: exact sums, rounded twice. */
    void (*average)(const uint8_t *x, size_t hw, float *mean,
                    struct rn_quant q);
};

/** For rn_isa(). */
const struct rn_int8_kernels *rn_int8_kernels_get(void);

#endif
