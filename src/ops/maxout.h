/* SPDX-License-Identifier: BSD-2-Clause */
/* Maxout: of several pieces of channels the largest. */
#ifndef RN_OPS_MAXOUT_H
#define RN_OPS_MAXOUT_H

#include "graph/graph.h"

/** Channel k of y, of out.c, is the largest of x's k, k + out.c, …: x has so
 *  many `pieces` of them. The first of equal ones; NaN wins. `where` gets each
 *  number's piece, laid out as y is; NULL: nobody asks. */
void rn_maxout(int n, struct rn_shape out, int pieces, int threads,
               const float *x, float *y, uint8_t *where);
/** dx is dy where the piece was largest, and 0 elsewhere. */
void rn_maxout_backward(int n, struct rn_shape out, int pieces, int threads,
                        const float *dy, const uint8_t *where, float *dx);

#endif
