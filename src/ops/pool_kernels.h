/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * Pools of any window over one plane: `hw` pixels of one block of channels of
 * one image, [hw][B]. Compiled as kernels.h says.
 */
#ifndef RN_OPS_POOL_KERNELS_H
#define RN_OPS_POOL_KERNELS_H

#include "core/dtype.h"

#include <stdbool.h>

/** One direction. Window o has taps at o * stride - before + k * step; taps
 *  outside 0..size-1 are padding up to size + after, and nothing beyond. With
 *  `shared` it has its share of the size, rounded outwards. */
struct rn_pool_axis {
    int size, windows, taps, stride, step, before, after;
    bool shared;
};

struct rn_pool_plane {
    struct rn_pool_axis y, x;
    bool count_padding; /* the mean is over padding's zeros, too */
};

struct rn_pool_kernels {
    void (*largest)(const struct rn_pool_plane *p, const void *x, void *y);
    void (*mean)(const struct rn_pool_plane *p, const void *x, void *y);
    void (*mean_backward)(const struct rn_pool_plane *p, const void *dy,
                          void *dx);
};

/** For rn_isa() and activations of that type, RN_F32 or RN_BF16. */
const struct rn_pool_kernels *rn_pool_kernels_get(enum rn_dtype type);

#endif
