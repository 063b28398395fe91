/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * The weight gradient of any convolution, directly. Pixels are cut into parts
 * and parts are joined in an order fixed by the shapes: the same bits on any
 * number of threads, which oneDNN's do not promise.
 */
#ifndef RN_OPS_CONV_WEIGHT_GRADIENT_H
#define RN_OPS_CONV_WEIGHT_GRADIENT_H

#include "ops/conv/conv.h"
#include "ops/conv/direct_kernels.h"

struct rn_weight_gradient {
    struct rn_conv_config config;
    const struct rn_direct_kernels *kernels;
    size_t block;
    size_t in_blocks, out_blocks;
    /* Of a group of channels that is run, see ops/conv/groups.h: all of them where
     * there is but one. */
    size_t group_ins, group_outs, group_pairs;
    /* A chunk is what is summed before other weights have their turn: whole
     * images, or rows of one. */
    size_t images, rows;
    size_t chunks, chunk_rows; /* of the batch; of an image */
    size_t inputs; /* per block of outputs: input blocks, or groups of taps */
    size_t near_inputs; /* of them that take their turns together */
    size_t pairs;   /* of blocks of outputs; a group's last may be one alone */
    size_t places;  /* plain input: taps of a group */
    size_t groups;  /* of chunks, each with weights of its own until the end */
    size_t weights; /* floats of all weights */
    /* Plain input: a chunk's pixels with their padding, per thread. */
    size_t padded_h, padded_w;
};

void rn_weight_gradient_plan(struct rn_weight_gradient *g,
                             const struct rn_conv_config *config);
size_t rn_weight_gradient_scratch_floats(const struct rn_weight_gradient *g);
void rn_weight_gradient_run(const struct rn_weight_gradient *g,
                            const struct rn_conv_args *args);

#endif
