/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations that move values between channels or pixels. */
#ifndef RN_OPS_CHANNELS_H
#define RN_OPS_CHANNELS_H

#include "ops/elementwise.h"

/** y's channels are those of a, then those of b; of the same pixels. */
void rn_concat(int n, struct rn_shape a, struct rn_shape b, int threads,
               const float *from_a, const float *from_b, float *y);

/** Some of x's channels; each of them is there. */
void rn_select(const struct rn_selection *selection, int n, struct rn_shape in,
               struct rn_shape out, int threads, const float *x, float *y);

/** Local response normalisation across channels. */
void rn_lrn(const struct rn_lrn *lrn, int n, struct rn_shape shape, int threads,
            const float *x, float *y);

/** x with zeros around, `top` rows and `left` columns of them first. */
void rn_zero_pad(int n, struct rn_shape in, struct rn_shape out, int top,
                 int left, int threads, const float *x, float *y);

#endif
