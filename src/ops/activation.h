/* SPDX-License-Identifier: BSD-2-Clause */
/* What networks of others put behind a layer, besides ReLU. Padding stays
 * zero. */
#ifndef RN_OPS_ACTIVATION_H
#define RN_OPS_ACTIVATION_H

#include "ops/elementwise.h"

/** Sigmoid, clip, leaky ReLU, rounding or a function, as the node says; y may
 * be x. */
void rn_activate(const struct rn_node *node, int n, int threads, const float *x,
                 float *y);
/** dx = dy times the slope of the node's function at x, which is not a
 *  rounding; dx may be dy. */
void rn_activate_backward(const struct rn_node *node, int n, int threads,
                          const float *x, const float *dy, float *dx);
/** `slopes` has one for each channel. */
void rn_prelu(int n, struct rn_shape shape, int threads, const float *slopes,
              const float *x, float *y);
/** dx = dy, times the channel's slope where x is not above 0; dx may be dy. */
void rn_prelu_backward(int n, struct rn_shape shape, int threads,
                       const float *slopes, const float *x, const float *dy,
                       float *dx);
/** The gradients of the slopes: sums of x * dy where x is below 0. */
void rn_prelu_slopes(int n, struct rn_shape shape, int threads, const float *x,
                     const float *dy, float *slopes);

/** y = a * b; with `per_channel` b has one pixel, of float32. */
void rn_multiply(const struct rn_planes *planes, const void *a, const void *b,
                 bool per_channel, void *y);
/** The gradient of such a pixel: sums over the others of a * dy. */
void rn_multiply_sums(const struct rn_planes *planes, const void *a,
                      const void *dy, float *sums);

/** Over the channels of each pixel; `logarithms` of what softmax gives. */
void rn_softmax_channels(const struct rn_planes *planes, int channels,
                         bool logarithms, const float *x, float *y);

#endif
