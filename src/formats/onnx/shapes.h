/* SPDX-License-Identifier: BSD-2-Clause */
/* What the operators that compute nothing of a picture share: shapes.c has
 * their table. */
#ifndef RN_FORMATS_ONNX_SHAPES_H
#define RN_FORMATS_ONNX_SHAPES_H

#include "formats/onnx/import.h"

#define RN_ONNX_DIMS 4 /* dimensions of a picture, batch included */

/** Dimension number `axis` from the front, or -1. */
int rn_onnx_axis_of(int64_t axis, int dims);
/** Sizes of a value, the number of images among them; how many. */
int rn_onnx_sizes_of(const struct rn_onnx_import *in,
                     const struct rn_onnx_value *v,
                     int64_t out[RN_TENSOR_DIMS]);
/** Input 0 as a copy that is settled. */
int rn_onnx_settled_copy(struct rn_onnx_import *in, struct rn_onnx_value *out);

/* lists.c: constants and lists of sizes */
rn_onnx_operator rn_onnx_read_constant, rn_onnx_read_constant_of_shape,
    rn_onnx_read_shape, rn_onnx_read_gather, rn_onnx_read_list_concat,
    rn_onnx_read_list_arithmetic;
/* slices.c, resize.c */
rn_onnx_operator rn_onnx_read_slice, rn_onnx_read_resize;

#endif
