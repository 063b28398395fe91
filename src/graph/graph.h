/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * A network as data. Every node computes one value; node i reads values of
 * nodes before it, so array order is a valid order of execution. Parameters
 * are plain float32 under their names (torchvision's): convolutions OIHW,
 * fc [out][in]. That form is the truth in files.
 */
#ifndef RN_GRAPH_GRAPH_H
#define RN_GRAPH_GRAPH_H

#include "core/error.h"
#include "core/memory.h"

#include <stdbool.h>
#include <stdint.h>

enum rn_op {
    RN_OP_INPUT,
    RN_OP_CONV,
    RN_OP_BATCH_NORM,
    RN_OP_RELU,
    RN_OP_ADD,
    RN_OP_MAX_POOL,
    RN_OP_GLOBAL_AVG_POOL,
    RN_OP_LINEAR,
    /** Shortcut option A: every stride-th pixel, zero channels added (He et
     *  al. 2016, section 3.3). */
    RN_OP_SUBSAMPLE_PAD,
    RN_OP_COUNT
};

/** "conv", "batch_norm", … as printed. */
const char *rn_op_name(enum rn_op op);

struct rn_shape {
    int c, h, w;
};

enum rn_param_kind {
    RN_PARAM_WEIGHT,       /* convolution OIHW or fc [out][in] */
    RN_PARAM_BIAS,         /* [out] */
    RN_PARAM_BN_WEIGHT,    /* gamma [c] */
    RN_PARAM_BN_BIAS,      /* beta [c] */
    RN_PARAM_RUNNING_MEAN, /* [c] */
    RN_PARAM_RUNNING_VAR,  /* [c], unbiased */
};

struct rn_param {
    char *name;
    enum rn_param_kind kind;
    int dims;
    size_t dim[4];
    size_t count;
    float *data;
};

/* Places in rn_node.param; -1 where there is none. */
enum { RN_P_WEIGHT = 0, RN_P_BIAS = 1, RN_P_MEAN = 2, RN_P_VAR = 3 };

struct rn_window {
    int kh, kw, stride, pad;
};

struct rn_node {
    enum rn_op op;
    char *name;
    int input[2]; /* values read; -1 where there is none */
    int param[4];
    struct rn_window window; /* conv, max pool; stride of subsample_pad */
    int before;            /* subsample_pad: zero channels before the input's */
    float eps, momentum;   /* batch norm; momentum is the new value's share */
    struct rn_shape shape; /* of the value */
    uint64_t macs;         /* convolutions and fc, one image */
};

struct rn_graph {
    struct rn_node *nodes;
    size_t n_nodes, nodes_capacity;
    struct rn_param *params;
    size_t n_params, params_capacity;
    struct rn_slab values; /* the parameters' data */
    int output;            /* value of the logits */
    /* First failure of a builder call; later calls then do nothing. */
    struct rn_error error;
};

struct rn_graph *rn_graph_create(void);
void rn_graph_destroy(struct rn_graph *g);

/* Builder calls append a node and return its value, or -1 after a failure,
 * which stays in g->error: build first, check g->error.code once. */
int rn_graph_input(struct rn_graph *g, struct rn_shape shape);
/** Weight NAME.weight, with `bias` also NAME.bias. */
int rn_graph_conv(struct rn_graph *g, int input, const char *name, int channels,
                  struct rn_window window, bool bias);
int rn_graph_batch_norm(struct rn_graph *g, int input, const char *name);
int rn_graph_relu(struct rn_graph *g, int input, const char *name);
int rn_graph_add(struct rn_graph *g, int a, int b, const char *name);
int rn_graph_max_pool(struct rn_graph *g, int input, const char *name,
                      struct rn_window window);
int rn_graph_global_avg_pool(struct rn_graph *g, int input, const char *name);
int rn_graph_linear(struct rn_graph *g, int input, const char *name, int outs);
/** `before` of the zero channels precede the input's, the others follow. */
int rn_graph_subsample_pad(struct rn_graph *g, int input, const char *name,
                           int channels, int before, int stride);

/** Whether a parameter is learned (running statistics are not). */
bool rn_param_trainable(const struct rn_param *p);
/** The parameter of that name, or NULL. */
struct rn_param *rn_graph_param(const struct rn_graph *g, const char *name);
/** Learned parameters of all, or of one node. */
uint64_t rn_graph_params(const struct rn_graph *g);
uint64_t rn_node_params(const struct rn_graph *g, const struct rn_node *node);
uint64_t rn_graph_macs(const struct rn_graph *g);

#endif
