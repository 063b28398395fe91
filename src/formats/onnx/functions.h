/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions of single elements that ONNX has as operators. */
#ifndef RN_FORMATS_ONNX_FUNCTIONS_H
#define RN_FORMATS_ONNX_FUNCTIONS_H

#include "core/protobuf.h"
#include "graph/graph.h"

struct rn_onnx_function {
    const char *op;
    enum rn_function function;
    /* Names of the attributes that are its numbers, NULL where they are always
     * the same, and what they are when left out. */
    const char *a, *b;
    float a_else, b_else;
    int opset; /* which has it first; 0: those we write have it */
};

/** Operator `op`, and that function; NULL where there is none. */
const struct rn_onnx_function *rn_onnx_function_called(struct rn_pb op);
const struct rn_onnx_function *rn_onnx_function_of(enum rn_function function);

#endif
