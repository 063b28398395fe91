/* SPDX-License-Identifier: BSD-2-Clause */
/* Maxout: of several pieces of channels the largest. */
#ifndef RN_OPS_MAXOUT_H
#define RN_OPS_MAXOUT_H

#include "ops/elementwise.h"

/** Channel k of y, of so many `channels`, is the largest of x's k, k +
 * channels, …: x has so many `pieces` of them. The first of equal ones; NaN
 * wins. `where` gets each number's piece, laid out as y is; NULL: nobody asks.
 * `planes` are y's. */
void rn_maxout(const struct rn_planes *planes, int channels, int pieces,
               const void *x, void *y, uint8_t *where);
/** dx is dy where the piece was largest, and 0 elsewhere. */
void rn_maxout_backward(const struct rn_planes *planes, int channels,
                        int pieces, const void *dy, const uint8_t *where,
                        void *dx);

#endif
