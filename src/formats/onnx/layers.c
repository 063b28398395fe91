/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of operators that compute something of a picture. */
#include "formats/onnx/layers.h"

#include "core/count.h"
#include "formats/onnx/functions.h"

static const struct {
    const char *op;
    rn_onnx_operator *read;
} layers[] = {
    {"Conv", rn_onnx_read_conv},
    {"BatchNormalization", rn_onnx_read_batch_norm},
    {"Relu", rn_onnx_read_relu},
    {"Sigmoid", rn_onnx_read_sigmoid},
    {"Clip", rn_onnx_read_clip},
    {"LeakyRelu", rn_onnx_read_leaky_relu},
    {"Dropout", rn_onnx_read_dropout},
    {"PRelu", rn_onnx_read_prelu},
    {"Neg", rn_onnx_read_negative},
    {"Reciprocal", rn_onnx_read_reciprocal},
    {"Max", rn_onnx_read_max},
    {"Min", rn_onnx_read_min},
    {"QuantizeLinear", rn_onnx_read_quantize},
    {"DequantizeLinear", rn_onnx_read_dequantize},
    {"Split", rn_onnx_read_split},
    {"Gather", rn_onnx_read_channel_gather},
    {"LRN", rn_onnx_read_lrn},
    {"Softmax", rn_onnx_read_softmax},
    {"LogSoftmax", rn_onnx_read_softmax},
    {"MaxPool", rn_onnx_read_max_pool},
    {"AveragePool", rn_onnx_read_average_pool},
    {"GlobalAveragePool", rn_onnx_read_global_average},
    {"GlobalMaxPool", rn_onnx_read_global_max},
    {"ReduceMean", rn_onnx_read_reduce_mean},
    {"ReduceMax", rn_onnx_read_reduce_max},
    {"Gemm", rn_onnx_read_gemm},
    {"MatMul", rn_onnx_read_matmul},
    {"Pad", rn_onnx_read_pad},
    {"Sum", rn_onnx_read_add},
    {"Add", rn_onnx_read_add},
    {"Sub", rn_onnx_read_sub},
    {"Mul", rn_onnx_read_mul},
    {"Div", rn_onnx_read_div},
    {"Concat", rn_onnx_read_concat},
};

rn_onnx_operator *rn_onnx_layer(struct rn_pb op)
{
    for (size_t i = 0; i < COUNT(layers); i++)
        if (rn_pb_is(op, layers[i].op))
            return layers[i].read;
    if (rn_onnx_is_qlinear(op))
        return rn_onnx_read_qlinear;
    return rn_onnx_function_called(op) ? rn_onnx_read_function : NULL;
}
