/* SPDX-License-Identifier: BSD-2-Clause */
/* The gate of highway networks: h and t are the first and the second half of
 * z's channels, T = 1 / (1 + e^-t). */
#ifndef RN_OPS_HIGHWAY_H
#define RN_OPS_HIGHWAY_H

#include "ops/elementwise.h"

/** y = x + T * (max(0, h) - x); `planes` are x's, of so many channels. */
void rn_highway(const struct rn_planes *planes, int channels, const void *z,
                const void *x, void *y);
/** Gradients of z and x, of y's: dy + dy2, where dy2 may be NULL. dx may be dy
 *  or dy2. */
void rn_highway_backward(const struct rn_planes *planes, int channels,
                         const void *z, const void *x, const void *dy,
                         const void *dy2, void *dz, void *dx);

#endif
