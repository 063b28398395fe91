/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers of the ONNX format (onnx.proto): fields by message, and types. */
#ifndef RN_FORMATS_ONNX_FIELDS_H
#define RN_FORMATS_ONNX_FIELDS_H

enum { /* ModelProto */
       ONNX_MODEL_IR_VERSION = 1,
       ONNX_MODEL_PRODUCER = 2,
       ONNX_MODEL_PRODUCER_VERSION = 3,
       ONNX_MODEL_GRAPH = 7,
       ONNX_MODEL_OPSET = 8,
       ONNX_MODEL_METADATA = 14,
       ONNX_MODEL_FUNCTION = 25,
};

enum { /* FunctionProto */
       ONNX_FUNCTION_NAME = 1,
       ONNX_FUNCTION_INPUT = 4,
       ONNX_FUNCTION_OUTPUT = 5,
       ONNX_FUNCTION_NODE = 7,
       ONNX_FUNCTION_OPSET = 9,
       ONNX_FUNCTION_DOMAIN = 10,
       ONNX_FUNCTION_ATTRIBUTE = 11, /* with what it is when left out */
       ONNX_FUNCTION_OVERLOAD = 13,
};

enum { /* OperatorSetIdProto */
       ONNX_OPSET_DOMAIN = 1,
       ONNX_OPSET_VERSION = 2,
};

enum { /* StringStringEntryProto */
       ONNX_ENTRY_KEY = 1,
       ONNX_ENTRY_VALUE = 2,
};

enum { /* GraphProto */
       ONNX_GRAPH_NODE = 1,
       ONNX_GRAPH_NAME = 2,
       ONNX_GRAPH_INITIALIZER = 5,
       ONNX_GRAPH_INPUT = 11,
       ONNX_GRAPH_OUTPUT = 12,
       ONNX_GRAPH_SPARSE = 15,
};

enum { /* NodeProto */
       ONNX_NODE_INPUT = 1,
       ONNX_NODE_OUTPUT = 2,
       ONNX_NODE_NAME = 3,
       ONNX_NODE_OP = 4,
       ONNX_NODE_ATTRIBUTE = 5,
       ONNX_NODE_DOMAIN = 7,
       ONNX_NODE_OVERLOAD = 8,
};

enum { /* AttributeProto */
       ONNX_ATTRIBUTE_NAME = 1,
       ONNX_ATTRIBUTE_F = 2,
       ONNX_ATTRIBUTE_I = 3,
       ONNX_ATTRIBUTE_S = 4,
       ONNX_ATTRIBUTE_T = 5,
       ONNX_ATTRIBUTE_FLOATS = 7,
       ONNX_ATTRIBUTE_INTS = 8,
       ONNX_ATTRIBUTE_TYPE = 20,
       ONNX_ATTRIBUTE_REFERENCE = 21, /* name of the function's */
};

enum { /* AttributeProto.type */
       ONNX_TYPE_FLOAT = 1,
       ONNX_TYPE_INT = 2,
       ONNX_TYPE_STRING = 3,
       ONNX_TYPE_INTS = 7,
};

enum { /* TensorProto */
       ONNX_TENSOR_DIMS = 1,
       ONNX_TENSOR_TYPE = 2,
       ONNX_TENSOR_SEGMENT = 3,
       ONNX_TENSOR_FLOATS = 4,
       ONNX_TENSOR_INT32S = 5,
       ONNX_TENSOR_INT64S = 7,
       ONNX_TENSOR_NAME = 8,
       ONNX_TENSOR_RAW = 9,
       ONNX_TENSOR_DOUBLES = 10,
       ONNX_TENSOR_UINT64S = 11,
       ONNX_TENSOR_EXTERNAL = 13,
       ONNX_TENSOR_LOCATION = 14,
};

enum { /* TensorProto.data_type */
       ONNX_FLOAT = 1,
       ONNX_UINT8 = 2,
       ONNX_INT8 = 3,
       ONNX_UINT16 = 4,
       ONNX_INT16 = 5,
       ONNX_INT32 = 6,
       ONNX_INT64 = 7,
       ONNX_BOOL = 9,
       ONNX_FLOAT16 = 10,
       ONNX_DOUBLE = 11,
       ONNX_UINT32 = 12,
       ONNX_UINT64 = 13,
       ONNX_BFLOAT16 = 16,
};

enum { /* ValueInfoProto, TypeProto and what is within */
       ONNX_VALUE_NAME = 1,
       ONNX_VALUE_TYPE = 2,
       ONNX_TYPE_TENSOR = 1,
       ONNX_TENSOR_TYPE_ELEMENT = 1,
       ONNX_TENSOR_TYPE_SHAPE = 2,
       ONNX_SHAPE_DIM = 1,
       ONNX_DIM_VALUE = 1,
       ONNX_DIM_NAME = 2,
};

#endif
