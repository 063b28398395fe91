/* SPDX-License-Identifier: BSD-2-Clause */
/* Passes over whole activations: planes shared out among threads. */
#ifndef RN_OPS_ELEMENTWISE_H
#define RN_OPS_ELEMENTWISE_H

#include "graph/graph.h"
#include "ops/kernels.h"

/** An activation [n][blocks][hw][B]. */
struct rn_planes {
    size_t n, blocks, hw;
    int block, threads;
};

struct rn_planes rn_planes_of(int n, struct rn_shape shape, int threads);
size_t rn_planes_floats(const struct rn_planes *p);

/** The share of `items` that is thread number `thread` of `threads`. */
struct rn_range {
    size_t begin, end;
};
struct rn_range rn_range_of(size_t items, int thread, int threads);

/** y = relu(p + q); scale and shift are [blocks * B]. */
void rn_apply(const struct rn_planes *planes, const struct rn_operand *p,
              const struct rn_operand *q, bool relu, float *y);

/** g = dy + dy2 where y > 0 (everywhere when y is NULL). */
void rn_mask(const struct rn_planes *planes, const float *dy, const float *dy2,
             const float *y, float *g);

/** Plain [n][c][h][w] -> blocked, zeros in the padding. */
void rn_block_images(const struct rn_planes *planes, int channels,
                     const float *images, float *blocked);

/** Every stride-th pixel; `before` zero channels precede x's, and the others
 *  follow (shortcut option A). */
void rn_subsample_pad(int n, struct rn_shape in, struct rn_shape out,
                      int before, int stride, int threads, const float *x,
                      float *y);
void rn_subsample_pad_backward(int n, struct rn_shape in, struct rn_shape out,
                               int before, int stride, int threads,
                               const float *dy, float *dx);

#endif
