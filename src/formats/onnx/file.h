/* SPDX-License-Identifier: BSD-2-Clause */
/* An ONNX file taken apart: operators, tensors and the names that join them.
 * What they mean is graph.c's. All text points into the file's bytes. */
#ifndef RN_FORMATS_ONNX_FILE_H
#define RN_FORMATS_ONNX_FILE_H

#include "core/memory.h"
#include "core/dtype.h"
#include "core/protobuf.h"
#include "core/safetensors.h"

/* Most operators, names at their ends, and attributes of one. ResNet-1202 has
 * 5,000 operators and 20,000 names. */
#define RN_ONNX_NODES      30000
#define RN_ONNX_NAMES      300000
#define RN_ONNX_ATTRIBUTES 100
/* Most functions, and calls within each other. */
#define RN_ONNX_FUNCTIONS 2000
#define RN_ONNX_DEPTH     16
/* Most names of functions' inputs and outputs, and other fields of theirs, that
 * are gone through for the names within. */
#define RN_ONNX_LOOKED 1000000000

/* A tensor: in the file, in one beside it, or a single number throughout. */
struct rn_onnx_tensor {
    struct rn_pb name;
    enum rn_dtype dtype;
    int dims;
    uint64_t dim[RN_TENSOR_DIMS];
    uint64_t count;
    struct rn_pb message; /* all of it, for numbers in fields of their own */
    struct rn_pb raw;     /* the numbers as they lie in memory, or */
    bool in_fields;       /* packed as the protocol has them, or */
    bool external;        /* in another file: */
    struct rn_pb location;
    uint64_t offset;
};

/* An operator that the file has as a function of others, which stand in its
 * place. */
struct rn_onnx_call {
    struct rn_pb message;  /* the operator's */
    struct rn_pb function; /* the function's */
    const struct rn_onnx_call
        *parent;     /* whose function it stands in, or NULL */
    uint32_t number; /* from 1 on */
    int64_t opset;
};

/* A function that the file defines. */
struct rn_onnx_definition {
    struct rn_pb message, name, domain, overload;
};

struct rn_onnx_attribute {
    struct rn_pb name, text; /* `text` also of a tensor: its message */
    int64_t integer;
    float number;
    struct rn_pb message; /* for lists */
};

/* One operator. Its ends are numbers of values: a name's is the same
 * wherever it stands; the empty name's is RN_ONNX_NONE. */
struct rn_onnx_node {
    struct rn_pb message, op, name, domain;
    uint32_t first_input, inputs;    /* in rn_onnx.ends */
    uint32_t first_output, outputs;  /* likewise */
    const struct rn_onnx_call *call; /* it stands in, or NULL */
    int64_t opset;
};
#define RN_ONNX_NONE UINT32_MAX

/* Declared sizes; 0 where a size is a name or not told. */
struct rn_onnx_shape {
    bool known;
    int dims;
    int64_t dim[RN_TENSOR_DIMS];
};

struct rn_onnx {
    const char *path;   /* borrowed, for messages and files beside it */
    uint8_t *file;      /* owned; NULL when the caller has the bytes */
    struct rn_pb graph; /* GraphProto */
    struct rn_pb producer;
    struct rn_pb description; /* of the model, when we wrote it; at NULL */
    int64_t opset;
    struct rn_onnx_node *nodes;
    size_t n_nodes, nodes_room;
    struct rn_slab calls;
    uint32_t n_calls;
    struct rn_onnx_definition *functions;
    size_t n_functions, functions_room;
    uint32_t *ends;      /* values, of nodes */
    struct rn_pb *names; /* by value */
    size_t n_values;
    struct rn_onnx_tensor *tensors;
    uint32_t *tensor_values; /* the value each is */
    size_t n_tensors, tensors_room;
    uint32_t input, output; /* values; the first output, until another is
                               chosen */
    uint32_t first_output, n_outputs; /* in ends */
    struct rn_onnx_shape shape;       /* of the input */
    int64_t type;                     /* likewise, TensorProto's */
};

/** Read and check a file's structure. `path` is borrowed until closing. */
int rn_onnx_open(struct rn_onnx *f, const char *path, struct rn_error *err);
/** The same on bytes in memory (borrowed; fuzzing). */
int rn_onnx_parse(struct rn_onnx *f, const uint8_t *bytes, size_t size,
                  const char *path, struct rn_error *err);
/** Also after a failure, and on a zeroed struct. */
void rn_onnx_close(struct rn_onnx *f);

/** Declared type (TensorProto's; 0: not told) and sizes of output i. */
void rn_onnx_output_type(const struct rn_onnx *f, uint32_t i, int64_t *type,
                         struct rn_onnx_shape *shape);

/** A tensor's message taken apart, its size checked against its numbers. */
int rn_onnx_tensor(const struct rn_onnx *f, struct rn_pb message,
                   struct rn_onnx_tensor *t, struct rn_error *err);
/** Its numbers, t->count of them, as float32 or as integers (the types that
 *  are). */
int rn_onnx_floats(const struct rn_onnx *f, const struct rn_onnx_tensor *t,
                   float *out, struct rn_error *err);
int rn_onnx_integers(const struct rn_onnx *f, const struct rn_onnx_tensor *t,
                     int64_t *out, struct rn_error *err);

/** An attribute by name; false when the operator has none. */
bool rn_onnx_attribute(const struct rn_onnx_node *node, const char *name,
                       struct rn_onnx_attribute *out);
/** A list attribute's integers into out, which has room for `most`; how many,
 *  or -1 for more. */
int rn_onnx_list(const struct rn_onnx_attribute *a, int64_t *out, int most);

#endif
