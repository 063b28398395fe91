/* SPDX-License-Identifier: BSD-2-Clause */
/* Which attributes ONNX's operators have, of every version of theirs. Others
 * are refused by name: they would say something of what is computed. */
#include "formats/onnx/fields.h"

#include "core/count.h"
#include "formats/onnx/import.h"

#define WINDOW "auto_pad:s dilations:I kernel_shape:I pads:I strides:I "
#define OLD    "consumed_inputs:I "
#define PAIR   OLD "axis:i broadcast:i"
#define REDUCE "axes:I keepdims:i noop_with_empty_axes:i"

/* Name and type: i an integer, f a number, s a text, t a tensor, capitals lists
 * of them. */
static const struct {
    const char *op, *attributes;
} known[] = {
    {"Conv", WINDOW "group:i"},
    {"MaxPool", WINDOW "ceil_mode:i storage_order:i"},
    {"AveragePool", WINDOW "ceil_mode:i count_include_pad:i"},
    {"BatchNormalization",
     OLD "epsilon:f momentum:f training_mode:i is_test:i spatial:i"},
    {"LRN", "alpha:f beta:f bias:f size:i"},
    {"Softmax", "axis:i"},
    {"LogSoftmax", "axis:i"},
    {"Concat", "axis:i"},
    {"Gather", "axis:i"},
    {"Flatten", "axis:i"},
    {"Split", "axis:i split:I num_outputs:i"},
    {"ReduceMean", REDUCE},
    {"ReduceMax", REDUCE},
    {"ReduceSum", REDUCE},
    {"Gemm", "alpha:f beta:f transA:i transB:i broadcast:i"},
    {"MatMul", ""},
    {"GlobalAveragePool", ""},
    {"GlobalMaxPool", ""},
    {"Identity", ""},
    {"Pad", "mode:s pads:I paddings:I value:f"},
    {"Constant", "value:t value_int:i value_ints:I value_float:f "
                 "value_floats:F value_string:s value_strings:S"},
    {"ConstantOfShape", "value:t"},
    {"Shape", "start:i end:i"},
    {"Dropout", OLD "ratio:f seed:i is_test:i"},
    {"Cast", "to:i saturate:i round_mode:s"},
    {"Reshape", OLD "allowzero:i shape:I"},
    {"Squeeze", "axes:I"},
    {"Unsqueeze", "axes:I"},
    {"Transpose", "perm:I"},
    {"Slice", "axes:I starts:I ends:I"},
    {"Add", PAIR},
    {"Sub", PAIR},
    {"Mul", PAIR},
    {"Div", PAIR},
    {"Pow", PAIR},
    {"PRelu", OLD},
    {"Relu", OLD},
    {"Sigmoid", OLD},
    {"Tanh", OLD},
    {"Exp", OLD},
    {"Log", OLD},
    {"Sqrt", OLD},
    {"Abs", OLD},
    {"Neg", OLD},
    {"Reciprocal", OLD},
    {"Sum", OLD},
    {"Max", OLD},
    {"Min", OLD},
    {"Clip", OLD "min:f max:f"},
    {"LeakyRelu", OLD "alpha:f"},
    {"Elu", OLD "alpha:f"},
    {"Selu", OLD "alpha:f gamma:f"},
    {"Celu", "alpha:f"},
    {"ThresholdedRelu", "alpha:f"},
    {"Gelu", "approximate:s"},
    {"HardSigmoid", OLD "alpha:f beta:f"},
    {"HardSwish", ""},
    {"Softplus", ""},
    {"Softsign", ""},
    {"Mish", ""},
    {"Erf", ""},
    {"QuantizeLinear",
     "axis:i block_size:i output_dtype:i precision:i saturate:i"},
    {"DequantizeLinear", "axis:i block_size:i output_dtype:i"},
    {"QLinearConv", WINDOW "group:i channels_last:i"},
    {"QLinearMatMul", ""},
    {"QGemm", "alpha:f transA:i transB:i"},
    {"QLinearAdd", ""},
    {"QLinearMul", ""},
    {"QLinearConcat", "axis:i"},
    {"QLinearSigmoid", ""},
    {"QLinearLeakyRelu", "alpha:f"},
    {"QLinearSoftmax", "axis:i opset:i"},
    {"QLinearAveragePool",
     WINDOW "ceil_mode:i count_include_pad:i channels_last:i"},
    {"QLinearGlobalAveragePool", "channels_last:i"},
};

/* The letter of an attribute's declared type; 0: not told, as long ago. */
static char type_letter(uint64_t type)
{
    static const char letters[] = "\0fist\0FIS";

    return type < sizeof(letters) ? letters[type] : '?';
}

static int check_attribute(struct rn_onnx_import *in, struct rn_pb m,
                           const char *words)
{
    struct rn_pb_field field;
    struct rn_pb name = {m.at, 0};
    uint64_t type = 0;

    while (rn_pb_next(&m, &field) > 0)
        if (field.number == ONNX_ATTRIBUTE_NAME && field.type == RN_PB_BYTES)
            name = field.bytes;
        else if (field.number == ONNX_ATTRIBUTE_TYPE)
            type = field.value;
    const char *word = rn_pb_word(name, words);
    char letter = type_letter(type);
    if (!word)
        return rn_onnx_fail(in,
                            "has the attribute '%.*s', which is not known "
                            "here",
                            RN_PB_SHOW(name));
    if (letter && word[name.size + 1] != letter)
        return rn_onnx_fail(in, "has '%.*s' as another type of number",
                            RN_PB_SHOW(name));
    return RN_OK;
}

int rn_onnx_known(struct rn_onnx_import *in)
{
    struct rn_pb m = in->node->message;
    struct rn_pb_field field;
    size_t i = 0;
    int rc = RN_OK;

    while (i < COUNT(known) && !rn_pb_is(in->node->op, known[i].op))
        i++;
    while (i < COUNT(known) && !rc && rn_pb_next(&m, &field) > 0)
        if (field.number == ONNX_NODE_ATTRIBUTE && field.type == RN_PB_BYTES)
            rc = check_attribute(in, field.bytes, known[i].attributes);
    return rc;
}
