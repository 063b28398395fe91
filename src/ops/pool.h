/* SPDX-License-Identifier: BSD-2-Clause */
/* Pools over windows, forward and backward. */
#ifndef RN_OPS_POOL_H
#define RN_OPS_POOL_H

#include "ops/elementwise.h"
#include "ops/pool_kernels.h"

struct rn_pool rn_pool_of(struct rn_shape in, struct rn_shape out,
                          struct rn_window window);

/** Of the input's planes; where may be NULL (inference); x may be pending. */
void rn_max_pool(const struct rn_pool *pool, const struct rn_planes *in,
                 const struct rn_operand *x, void *y, uint8_t *where);
void rn_max_pool_backward(const struct rn_pool *pool,
                          const struct rn_planes *in, const void *dy,
                          const void *dy2, const uint8_t *where, void *dx);

/** A kernel of pool_kernels.h on every plane of any window's pool. */
void rn_pool_windows(const struct rn_node *node, int n, struct rn_shape in,
                     int threads, enum rn_dtype type, const void *x, void *y,
                     void (*run)(const struct rn_pool_plane *p, const void *x,
                                 void *y));

/** Pools of any window; the padding is not seen by the largest. x is written.
 */
void rn_max_pool_window(const struct rn_node *node, int n, struct rn_shape in,
                        int threads, enum rn_dtype type, const void *x,
                        void *y);
void rn_avg_pool_window(const struct rn_node *node, int n, struct rn_shape in,
                        int threads, enum rn_dtype type, const void *x,
                        void *y);
void rn_avg_pool_window_backward(const struct rn_node *node, int n,
                                 struct rn_shape in, int threads,
                                 enum rn_dtype type, const void *dy, void *dx);

void rn_global_average(const struct rn_planes *planes, const void *x,
                       void *mean);
void rn_global_average_backward(const struct rn_planes *planes, const void *dy,
                                void *dx);

#endif
