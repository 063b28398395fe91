/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3), or F(2x2, 3x3) where
 * there are few tiles, all three passes, on blocked activations. A point's sums
 * over channels or tiles are taken by one thread in an order fixed by the
 * shapes: the same bits on any number of threads.
 */
#ifndef RN_OPS_CONV_WINOGRAD_H
#define RN_OPS_CONV_WINOGRAD_H

#include "ops/conv/conv.h"
#include "ops/conv/winograd_kernels.h"

struct rn_winograd {
    struct rn_conv_config config;
    const struct rn_wino_kernels *kernels;
    size_t block, tile, points;
    struct rn_shape from, to;     /* of what is read and what tiles cover */
    size_t in_blocks, out_blocks; /* channel blocks read and made */
    int reach;                    /* a patch starts so far before its tile */
    size_t columns, rows, tiles;  /* of one image; of the batch */
    size_t chunk;                 /* tiles between transform and back */
    bool together; /* all threads on one chunk, else each on its own */
    size_t slice;  /* pairs of output blocks whose weights are there at once */
    size_t u_point, v_point, m_point; /* floats between points */
};

/** Whether it can compute this, and by rule or the caller's wish should. */
bool rn_winograd_takes(const struct rn_conv_config *config);

void rn_winograd_plan(struct rn_winograd *w,
                      const struct rn_conv_config *config);
size_t rn_winograd_scratch_floats(const struct rn_winograd *w);
/** Transformed weights, and making them from plain OIHW (inference). */
size_t rn_winograd_packed_floats(const struct rn_winograd *w);
void rn_winograd_pack(const struct rn_winograd *w, const float *oihw,
                      float *packed);
void rn_winograd_run(const struct rn_winograd *w,
                     const struct rn_conv_args *args);

#endif
