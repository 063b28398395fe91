/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * What an algorithm for convolutions is: a file that ends in a row, and the row
 * in conv.c's table. Nothing else knows its name.
 */
#ifndef RN_OPS_CONV_ALGORITHM_H
#define RN_OPS_CONV_ALGORITHM_H

#include "ops/conv/conv.h"

/** What a convolution wants of the plan that it is part of. */
struct rn_conv_needs {
    size_t scratch_bytes;
    size_t packed_bytes; /* of the weights as the pass reads them */
    bool pack;           /* rn_conv_pack() comes before a run */
    char name[64];       /* for people */
};

struct rn_conv_algorithm {
    enum rn_dtype input, weights, output; /* the types it computes with */
    bool groups;                          /* knows groups of channels */
    bool any_window;  /* and windows that are not rn_window_regular() */
    bool normed;      /* and makes diff_dst on the way */
    bool trains_relu; /* its ReLU leaves NaN as it is, so that training sees
                         what is broken */
    /** Whether it can compute this and, by rule, should. */
    bool (*applies)(const struct rn_conv_config *config);
    /** The algorithm's own description of a convolution, zeroed before it is
     *  made. */
    size_t plan_bytes;
    int (*make)(void *plan, const struct rn_conv_config *config, bool dry,
                struct rn_conv_needs *needs, struct rn_error *err);
    /** NULL where there is nothing to release; takes half-made ones. */
    void (*release)(void *plan);
    /** NULL where `needs` never asks for it. */
    int (*pack)(void *plan, const float *from, void *packed,
                struct rn_error *err);
    /** Whether two plans read weights of one layout; NULL: those whose names
     *  and sizes are equal do. */
    bool (*reads_same)(const void *plan, const void *other);
    int (*run)(void *plan, const struct rn_conv_args *args,
               struct rn_error *err);
    /** How run(), in training after pack(), shares its work out among the
     * threads of its configuration: phase by phase what it does, by the same
     * functions. rn_conv_shares_unknown() where others do that. */
    void (*shares)(const void *plan, struct rn_shares *shares);
};

extern const struct rn_conv_algorithm rn_conv_winograd, rn_conv_winograd_bf16,
    rn_conv_fc, rn_conv_fc_back, rn_conv_product, rn_conv_product_bf16,
    rn_conv_product_turned, rn_conv_product_turned_bf16,
    rn_conv_data_gradient_bf16, rn_conv_weight_gradient,
    rn_conv_weight_gradient_bf16, rn_conv_first_bf16, rn_conv_first_bf16_values,
    rn_conv_windows_bf16, rn_conv_weight_gradient_rows, rn_conv_product_any,
    rn_conv_product_any_bf16, rn_conv_data_gradient, rn_conv_plain,
    rn_conv_onednn, rn_conv_onednn_bf16, rn_conv_winograd_int8,
    rn_conv_winograd_int8_wide, rn_conv_product_int8, rn_conv_product_int8_wide,
    rn_conv_first_int8, rn_conv_first_int8_wide;

/** Number i of the table; NULL behind the last. */
const struct rn_conv_algorithm *rn_conv_algorithm_at(size_t i);

void rn_conv_shares_unknown(const void *plan, struct rn_shares *shares);

/** This thread's share of the bias's gradient, where there is a bias: the
 *  outputs', summed over images and pixels, a block of outputs by one thread.
 */
void rn_conv_bias_gradient(const struct rn_conv_config *config,
                           const struct rn_conv_args *args, int me, int team);
void rn_conv_bias_gradient_shares(const struct rn_conv_config *config,
                                  struct rn_shares *shares);

/** Describe an algorithm of our own: "NAME:INSTRUCTIONS". */
void rn_conv_describe(struct rn_conv_needs *needs, const char *name);

#endif
