/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * Convolutions as plans ask for them. The algorithms are rows of a table in
 * conv.c, a file each.
 *
 * Activations are blocked (ops/layout.h). Only the images of a first
 * convolution of at most three channels are plain [n][c][h][w]; for such a
 * convolution every step takes its input as it came from the loader.
 */
#ifndef RN_OPS_CONV_CONV_H
#define RN_OPS_CONV_CONV_H

#include "core/dtype.h"
#include "core/error.h"
#include "graph/graph.h"
#include "ops/batch_norm.h"
#include "ops/conv/weights.h"
#include "ops/layout.h"
#include "ops/shares.h"

#include <stdbool.h>

const char *rn_onednn_version(void);

/** Whether a convolution of so many input channels reads plain images. */
bool rn_conv_plain_input(int channels);
/** Whether a window makes more pixels than it reads: such convolutions read no
 *  plain images, for oneDNN has plain C alone for them. */
bool rn_conv_window_grows(const struct rn_window *window);

enum rn_conv_pass {
    RN_CONV_FORWARD,          /* src, weights, bias -> dst */
    RN_CONV_BACKWARD_DATA,    /* diff_dst, weights -> diff_src */
    RN_CONV_BACKWARD_WEIGHTS, /* src, diff_dst -> diff_weights, diff_bias */
    RN_CONV_PASSES
};

/** A convolution of one pass. */
struct rn_conv_config {
    int n;
    struct rn_shape in, out;
    struct rn_window window;
    int groups; /* weights are [out][in / groups][kh][kw]; 0 is 1 */
    enum rn_conv_pass pass;
    int threads;
    bool bias;
    bool train;   /* forward: weights as the store has them; else any layout,
                     packed by rn_conv_pack() from plain OIHW */
    bool sum;     /* dst += before relu (inference) */
    bool relu;    /* in training where rn_conv_trains_relu() */
    bool exact;   /* no Winograd */
    int winograd; /* 0: where it pays; 2, 4: that one where it can */
    bool plain_input;
    bool normed; /* backward data: makes diff_dst on the way */
    /* Types of numbers that it reads and makes; backward those of the values
     * whose gradients they are. */
    enum rn_dtype input, weights, output;
};

/** Whether both compute the same, in the same way. */
bool rn_conv_config_equal(const struct rn_conv_config *a,
                          const struct rn_conv_config *b);

struct rn_conv;

/** Whether there is an algorithm for it. */
bool rn_conv_exists(const struct rn_conv_config *config);

/** Whether training may have it apply the ReLU behind it. */
bool rn_conv_trains_relu(const struct rn_conv_config *config);

/** Choose an algorithm; with `dry` nothing can be run, only asked. */
int rn_conv_create(struct rn_conv **out, const struct rn_conv_config *config,
                   bool dry, struct rn_error *err);
void rn_conv_destroy(struct rn_conv *conv);
const struct rn_conv_config *rn_conv_config(const struct rn_conv *conv);
/** For people: "winograd jit_wino_4x3:avx512_core". */
const char *rn_conv_algorithm(const struct rn_conv *conv);
size_t rn_conv_scratch_bytes(const struct rn_conv *conv);

/** Bytes of the weights in the layout the pass reads. */
size_t rn_conv_packed_bytes(const struct rn_conv *conv);
/** Whether rn_conv_pack() must be called before a run: always in inference
 *  (from plain OIHW), in training (from the store's) when the pass reads
 * another layout or type. */
bool rn_conv_needs_pack(const struct rn_conv *conv);
/** In 8 bits `from` has whole numbers. */
int rn_conv_pack(struct rn_conv *conv, const float *from, void *packed,
                 struct rn_error *err);

/** Whether both read packed weights in the same layout. */
bool rn_conv_reads_same(const struct rn_conv *a, const struct rn_conv *b);

/** What a convolution in 8 bits (weights RN_I8) needs besides,
 *  channel after channel, padded as outputs are: its sums of products, begun
 *  with `start`, are multiplied by `scale`, the bias is added, and what is in
 *  dst times sum_scale. Output of RN_U8 is then rounded to low..255. With
 *  own_scale the value is 8 bits before that addition, too: rounded to 0..255,
 *  then times own_scale plus own_shift. */
struct rn_conv_bytes {
    const int32_t *start;
    const float *scale;
    int zero; /* of the input: what padding is */
    float sum_scale, low;
    float own_scale, own_shift; /* 0: not rounded */
    float image_scale; /* of plain images, which the convolution rounds */
};

/** What a backward pass to the data makes diff_dst of, pixels before it reads
 *  them: the gradient of the batch norm behind the convolution, whose sums are
 *  taken. */
struct rn_conv_norm {
    const struct rn_batch_norm *bn;
    struct rn_bn_backward in;
    void *dz; /* diff_dst; may be in.dy */
};

/** Activations and their gradients have the configuration's types; so have
 *  weights, unless they are packed. */
struct rn_conv_args {
    const void *src;     /* forward, backward weights */
    const void *weights; /* forward, backward data; packed if need be */
    const float *bias;   /* forward */
    void *dst;           /* forward's output */
    const void *diff_dst;
    void *diff_src;
    float *diff_weights, *diff_bias;
    void *scratch;
    const struct rn_conv_bytes *bytes; /* in 8 bits, else NULL */
    const struct rn_conv_norm *norm;   /* of a normed one, else NULL */
};
int rn_conv_run(struct rn_conv *conv, const struct rn_conv_args *args,
                struct rn_error *err);
/** Add to a tally how a run shares its work out. */
void rn_conv_shares(const struct rn_conv *conv, struct rn_shares *shares);

#endif
