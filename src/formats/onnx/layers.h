/* SPDX-License-Identifier: BSD-2-Clause */
/* What the operators that become layers share (parameters.c, arithmetic.c,
 * elements.c, windows.c, linear.c), and their functions for the table. */
#ifndef RN_FORMATS_ONNX_LAYERS_H
#define RN_FORMATS_ONNX_LAYERS_H

#include "formats/onnx/import.h"

/* Operators: layers.c has the table. */
rn_onnx_operator rn_onnx_read_add, rn_onnx_read_average_pool,
    rn_onnx_read_batch_norm, rn_onnx_read_clip, rn_onnx_read_concat,
    rn_onnx_read_conv, rn_onnx_read_div, rn_onnx_read_dropout,
    rn_onnx_read_function, rn_onnx_read_gemm, rn_onnx_read_global_average,
    rn_onnx_read_global_max, rn_onnx_read_leaky_relu, rn_onnx_read_lrn,
    rn_onnx_read_matmul, rn_onnx_read_max, rn_onnx_read_max_pool,
    rn_onnx_read_min, rn_onnx_read_mul, rn_onnx_read_negative, rn_onnx_read_pad,
    rn_onnx_read_prelu, rn_onnx_read_reciprocal, rn_onnx_read_reduce_max,
    rn_onnx_read_reduce_mean, rn_onnx_read_relu, rn_onnx_read_sigmoid,
    rn_onnx_read_softmax, rn_onnx_read_sub;

/** The largest of several values that the network computes, a maxout. */
int rn_onnx_read_largest(struct rn_onnx_import *in);

/** The parameter of a node in that place. */
struct rn_param *rn_onnx_param(struct rn_onnx_import *in, int node, int place);
/** The same number throughout. */
void rn_onnx_fill(struct rn_param *p, float value);
/** Whether a constant is a list of so many numbers, one a channel. */
bool rn_onnx_is_vector(const struct rn_onnx_value *v, int count);
/** Numbers of input i, one a channel, into a parameter; without the input
 *  `otherwise` throughout. It has been checked. */
int rn_onnx_load_vector(struct rn_onnx_import *in, uint32_t i,
                        struct rn_param *p, float otherwise);
/** Input i, if it is there, must be such a list; its numbers are counted. */
int rn_onnx_check_vector(struct rn_onnx_import *in, uint32_t i, int count);

/* x * scale + shift for each channel. */
struct rn_onnx_affine {
    const float *scale, *shift; /* NULL: 1, 0 */
    int c;
};

/** Whether a constant is one number, or one for each of c channels. */
bool rn_onnx_fits_channels(const struct rn_onnx_value *constant,
                           const struct rn_onnx_value *picture, int c);
/** The first output is a picture times and plus numbers. */
int rn_onnx_apply_affine(struct rn_onnx_import *in,
                         struct rn_onnx_value *picture,
                         const struct rn_onnx_affine *a);
/** Each channel times -1. */
int rn_onnx_make_negative(struct rn_onnx_import *in,
                          const struct rn_onnx_value *picture,
                          struct rn_onnx_affine *a);
/** The first output is what the builder makes of the first input. */
int rn_onnx_read_simple(struct rn_onnx_import *in,
                        int (*build)(struct rn_graph *, int, const char *));

#endif
