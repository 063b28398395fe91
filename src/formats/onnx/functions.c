/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of functions that ONNX calls by names of their own. */
#include "formats/onnx/functions.h"

#include "core/count.h"

#include <stddef.h>

static const struct rn_onnx_function functions[] = {
    /* clang-format off */
    {"Elu",             RN_FUNCTION_ELU,          "alpha", NULL,    1, 0, 0},
    {"Selu",            RN_FUNCTION_SELU,         "alpha", "gamma",
     1.67326319217681884765625f, 1.05070102214813232421875f, 0},
    {"Celu",            RN_FUNCTION_CELU,         "alpha", NULL,    1, 0, 0},
    {"Gelu",            RN_FUNCTION_GELU,         NULL,    NULL,    0, 0, 20},
    {"Gelu",            RN_FUNCTION_GELU_TANH,    NULL,    NULL,    0, 0, 20},
    {"Mish",            RN_FUNCTION_MISH,         NULL,    NULL,    0, 0, 18},
    {"Softplus",        RN_FUNCTION_SOFTPLUS,     NULL,    NULL,    0, 0, 0},
    {"Softsign",        RN_FUNCTION_SOFTSIGN,     NULL,    NULL,    0, 0, 0},
    {"HardSigmoid",     RN_FUNCTION_HARD_SIGMOID, "alpha", "beta",
     0.2f, 0.5f, 0},
    {"HardSwish",       RN_FUNCTION_HARD_SWISH,   NULL,    NULL,
     1.0f / 6, 0.5f, 0},
    {"ThresholdedRelu", RN_FUNCTION_THRESHOLD,    "alpha", NULL,    1, 0, 0},
    {"Tanh",            RN_FUNCTION_TANH,         NULL,    NULL,    0, 0, 0},
    {"Erf",             RN_FUNCTION_ERF,          NULL,    NULL,    0, 0, 0},
    {"Exp",             RN_FUNCTION_EXP,          NULL,    NULL,    0, 0, 0},
    {"Log",             RN_FUNCTION_LOG,          NULL,    NULL,    0, 0, 0},
    {"Sqrt",            RN_FUNCTION_SQRT,         NULL,    NULL,    0, 0, 0},
    {"Pow",             RN_FUNCTION_POWER,        NULL,    NULL,    0, 0, 0},
    {"Abs",             RN_FUNCTION_ABSOLUTE,     NULL,    NULL,    0, 0, 0},
    /* clang-format on */
};

const struct rn_onnx_function *rn_onnx_function_called(struct rn_pb op)
{
    for (size_t i = 0; i < COUNT(functions); i++)
        if (rn_pb_is(op, functions[i].op))
            return &functions[i];
    return NULL;
}

const struct rn_onnx_function *rn_onnx_function_of(enum rn_function function)
{
    for (size_t i = 0; i < COUNT(functions); i++)
        if (functions[i].function == function)
            return &functions[i];
    return NULL;
}
