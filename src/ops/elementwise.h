/* SPDX-License-Identifier: BSD-2-Clause */
/* Passes over whole activations: planes shared out among threads. */
#ifndef RN_OPS_ELEMENTWISE_H
#define RN_OPS_ELEMENTWISE_H

#include "graph/graph.h"
#include "ops/kernels.h"
#include "ops/shares.h"

/** An activation [n][blocks][hw][B], of float32 or bfloat16. */
struct rn_planes {
    size_t n, blocks, hw;
    int block, threads;
    enum rn_dtype type;
};

/** Of float32. */
struct rn_planes rn_planes_of(int n, struct rn_shape shape, int threads);
/** Of numbers of that type. */
struct rn_planes rn_planes_typed(int n, struct rn_shape shape, int threads,
                                 enum rn_dtype type);
size_t rn_planes_number(const struct rn_planes *p);
/** Numbers of all planes, padding too. */
size_t rn_planes_count(const struct rn_planes *p);
/** Plane number i of an activation; NULL of none. */
const void *rn_plane_at(const struct rn_planes *p, const void *x, size_t i);
void *rn_plane_to(const struct rn_planes *p, void *x, size_t i);
/** The number of plane i where images are so many planes apart, as they are
 *  within a value of more channels; 0: one behind the other. */
size_t rn_plane_among(const struct rn_planes *p, size_t planes, size_t i);

/** The planes of a value of `times` as many channels as the value of these
 *  planes, which has `channels`; and where plane i lies among them. */
struct rn_planes rn_planes_times(const struct rn_planes *p, int channels,
                                 int times);
struct rn_channel_part rn_plane_part(const struct rn_planes *p, int channels,
                                     size_t i);

/** y = relu(p + q); scale and shift are [blocks * B]. */
void rn_apply(const struct rn_planes *planes, const struct rn_operand *p,
              const struct rn_operand *q, bool relu, void *y);

/** g = dy + dy2 where y > 0 (everywhere when y is NULL). */
void rn_mask(const struct rn_planes *planes, const void *dy, const void *dy2,
             const void *y, void *g);

/** `count` numbers of that type from float32, rounded to nearest, and back. */
void rn_narrow(enum rn_dtype type, const float *x, void *y, size_t count,
               int threads);
void rn_widen(enum rn_dtype type, const void *x, float *y, size_t count,
              int threads);

/** In pieces of so many numbers, and how many of those. */
#define RN_CONVERT_TURN ((size_t)8192)
size_t rn_convert_turns(size_t count);
/** Numbers of the piece that begins with number `first`. */
size_t rn_convert_turn(size_t first, size_t count);

/** Plain [n][c][h][w] -> blocked, zeros in the padding. */
void rn_block_images(const struct rn_planes *planes, int channels,
                     const float *images, float *blocked);

/** Every stride-th pixel; `before` zero channels precede x's, and the others
 *  follow (shortcut option A). */
void rn_subsample_pad(int n, struct rn_shape in, struct rn_shape out,
                      int before, int stride, int threads, enum rn_dtype type,
                      const void *x, void *y);
void rn_subsample_pad_backward(int n, struct rn_shape in, struct rn_shape out,
                               int before, int stride, int threads,
                               enum rn_dtype type, const void *dy, void *dx);

#endif
