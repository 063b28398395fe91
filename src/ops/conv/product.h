/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * Forward convolutions without transforms, as matrix products: 1x1 ones read
 * their input where it is, others gather the pixels that a window sees into
 * rows first. A sum is taken by one thread in an order fixed by the shapes:
 * the same bits on any number of threads.
 */
#ifndef RN_OPS_CONV_PRODUCT_H
#define RN_OPS_CONV_PRODUCT_H

#include "ops/conv/conv.h"
#include "ops/conv/product_kernels.h"

struct rn_product {
    struct rn_conv_config config;
    const struct rn_product_kernels *kernels;
    size_t block, in_blocks, out_blocks;
    size_t pairs;         /* of blocks of outputs; the last may be one alone */
    size_t steps;         /* blocks of inputs by taps: what is summed over */
    size_t depth;         /* steps whose weights are there at once */
    bool gathers;         /* rows before products */
    size_t pixels;        /* of an image's outputs */
    size_t strips;        /* of an image */
    size_t chunk, chunks; /* strips that meet a pair's weights; of them */
    size_t chunk_pixels;  /* at most */
};

/** Whether it can compute this and, by rule, should. */
bool rn_product_takes(const struct rn_conv_config *config);

/** Weights as the store has them, in training and inference. */
void rn_product_plan(struct rn_product *p, const struct rn_conv_config *config);
size_t rn_product_scratch_floats(const struct rn_product *p);
void rn_product_run(const struct rn_product *p,
                    const struct rn_conv_args *args);

#endif
