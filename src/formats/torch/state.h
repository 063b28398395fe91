/* SPDX-License-Identifier: BSD-2-Clause */
/* A state dictionary: named tensors from a file of any of these formats,
 * which its content tells:
 *  - PyTorch's zip files and older pickle files (.pth, .pt, .th),
 *  - safetensors,
 *  - the JSON index of a sharded safetensors file. */
#ifndef RN_FORMATS_TORCH_STATE_H
#define RN_FORMATS_TORCH_STATE_H

#include "core/error.h"
#include "core/dtype.h"
#include "core/safetensors.h"
#include "graph/graph.h"

struct rn_state_tensor {
    char *name; /* as in the file */
    enum rn_dtype dtype;
    int dims;
    uint64_t dim[RN_TENSOR_DIMS];
    uint64_t count;  /* elements; never more than the file has */
    uint32_t source; /* for the format's own reader */
    uint32_t order;  /* place in the file */
};

/* What a module's attributes say beside its tensors. */
struct rn_state_layer {
    char *name;
    enum rn_op op; /* CONV, BATCH_NORM, MAX_POOL; INPUT: does nothing */
    int stride, padding, kernel, groups;
    double eps;
};

struct rn_state;

/* What a format knows of its file. */
struct rn_state_format {
    const char *name; /* "PyTorch zip file" */
    int (*read)(struct rn_state *state, const struct rn_state_tensor *t,
                float *out, struct rn_error *err);
    void (*close)(void *source);
};

struct rn_state {
    char *path; /* for messages */
    const struct rn_state_format *format;
    void *source;                    /* the format's */
    struct rn_state_tensor *tensors; /* ordered by name */
    size_t count, room;
    char *description; /* of the model, when we wrote the file; or NULL */
    /* The holder, or beginning of names, that the caller wants; borrowed. NULL
     * when there is none, or when it has been found. */
    const char *wanted;
    char architecture[64]; /* the network's name as the file has it, or "" */
    /* Layers of a whole module, whose attributes say what tensors do not. */
    struct rn_state_layer *layers;
    size_t n_layers, layers_room;
    char note[500]; /* which of several holders was taken; or "" */
};

/* Longest name of a tensor. */
#define RN_STATE_NAME 1000

/** Open a file; `holder` names one of several dictionaries of tensors, or is a
 *  beginning of names ("encoder_q") that alone is read and cut off; NULL: the
 *  likeliest dictionary. RN_ERR_DATA when it is of none of the formats, not
 *  what its format says, or without such a holder. */
int rn_state_open(struct rn_state *state, const char *path, const char *holder,
                  struct rn_error *err);
/** Also after a failed open, and on a zeroed struct. */
void rn_state_close(struct rn_state *state);
/** NULL when there is none of that name. */
const struct rn_state_tensor *rn_state_find(const struct rn_state *state,
                                            const char *name);
/** Whether it is a linear layer's weight by its sizes, a convolution of 1x1 in
 *  its place among them. */
bool rn_state_is_matrix(const struct rn_state_tensor *t);
/** The elements as float32, row-major, t->count of them. */
int rn_state_read(struct rn_state *state, const struct rn_state_tensor *t,
                  float *out, struct rn_error *err);
/** "F16 [64,3,7,7]" into buf, cut to its size. */
const char *rn_state_shape_text(const struct rn_state_tensor *t, char *buf,
                                size_t size);

/* For the formats' readers. */

/** A zeroed state of that path. */
int rn_state_start(struct rn_state *state, const char *path,
                   struct rn_error *err);
/** Append a tensor; its name is copied. */
int rn_state_add(struct rn_state *state, const struct rn_state_tensor *t,
                 const char *name, size_t name_size, struct rn_error *err);
/** Order the tensors; RN_ERR_DATA when two have one name. */
int rn_state_finish(struct rn_state *state, struct rn_error *err);

#endif
