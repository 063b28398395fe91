/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations that move values between channels or pixels. */
#ifndef RN_OPS_CHANNELS_H
#define RN_OPS_CHANNELS_H

#include "ops/elementwise.h"

/** How many blocks of channels some lie in, `first` of others before them. */
size_t rn_concat_blocks(int first, int channels);
/** x's channels into y, whose channels first.. they become; of the same
 *  pixels, and both of that type. They bring zeros behind them, to the end of a
 *  block: those before come first. */
void rn_concat(int n, struct rn_shape in, struct rn_shape out, int first,
               int threads, enum rn_dtype type, const void *x, void *y);

/** Some of x's channels; each of them is there. Both have that type. */
void rn_select(const struct rn_selection *selection, int n, struct rn_shape in,
               struct rn_shape out, int threads, enum rn_dtype type,
               const void *x, void *y);

/** Local response normalisation across channels. */
void rn_lrn(const struct rn_lrn *lrn, int n, struct rn_shape shape, int threads,
            const float *x, float *y);

/** Its gradient, of sums over RN_LRN_FEW channels at most. */
void rn_lrn_backward(const struct rn_lrn *lrn, int n, struct rn_shape shape,
                     int threads, const float *x, const float *dy, float *dx);
#define RN_LRN_FEW 33

/** x with zeros around, `top` rows and `left` columns of them first. */
void rn_zero_pad(int n, struct rn_shape in, struct rn_shape out, int top,
                 int left, int threads, const float *x, float *y);

#endif
