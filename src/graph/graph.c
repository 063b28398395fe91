/* SPDX-License-Identifier: BSD-2-Clause */
#include "graph/build.h"

#include "core/count.h"
#include "core/memory.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* He's models and torchvision: the paper states neither. */
#define BN_EPS      1e-5f
#define BN_MOMENTUM 0.1f

const char *rn_op_name(enum rn_op op)
{
    static const char *const names[RN_OP_COUNT] = {
        [RN_OP_INPUT] = "input",
        [RN_OP_CONV] = "conv",
        [RN_OP_BATCH_NORM] = "batch_norm",
        [RN_OP_RELU] = "relu",
        [RN_OP_ADD] = "add",
        [RN_OP_MAX_POOL] = "max_pool",
        [RN_OP_GLOBAL_AVG_POOL] = "global_avg_pool",
        [RN_OP_LINEAR] = "linear",
        [RN_OP_SUBSAMPLE_PAD] = "subsample_pad",
        [RN_OP_AVG_POOL] = "avg_pool",
        [RN_OP_CONCAT] = "concat",
        [RN_OP_MULTIPLY] = "multiply",
        [RN_OP_SIGMOID] = "sigmoid",
        [RN_OP_CLIP] = "clip",
        [RN_OP_LEAKY_RELU] = "leaky_relu",
        [RN_OP_LRN] = "lrn",
        [RN_OP_SOFTMAX] = "softmax",
        [RN_OP_ZERO_PAD] = "zero_pad",
        [RN_OP_LOG_SOFTMAX] = "log_softmax",
        [RN_OP_ACTIVATION] = "activation",
        [RN_OP_PRELU] = "prelu",
        [RN_OP_SELECT] = "select",
        [RN_OP_QUANTIZE] = "quantize",
    };

    return (unsigned)op < RN_OP_COUNT ? names[op] : "unknown";
}

const char *rn_function_name(enum rn_function function)
{
    static const char *const names[RN_FUNCTION_COUNT] = {
        [RN_FUNCTION_ELU] = "elu",
        [RN_FUNCTION_SELU] = "selu",
        [RN_FUNCTION_CELU] = "celu",
        [RN_FUNCTION_GELU] = "gelu",
        [RN_FUNCTION_GELU_TANH] = "gelu_tanh",
        [RN_FUNCTION_MISH] = "mish",
        [RN_FUNCTION_SOFTPLUS] = "softplus",
        [RN_FUNCTION_SOFTSIGN] = "softsign",
        [RN_FUNCTION_HARD_SIGMOID] = "hard_sigmoid",
        [RN_FUNCTION_HARD_SWISH] = "hard_swish",
        [RN_FUNCTION_THRESHOLD] = "threshold",
        [RN_FUNCTION_TANH] = "tanh",
        [RN_FUNCTION_ERF] = "erf",
        [RN_FUNCTION_EXP] = "exp",
        [RN_FUNCTION_LOG] = "log",
        [RN_FUNCTION_SQRT] = "sqrt",
        [RN_FUNCTION_POWER] = "power",
        [RN_FUNCTION_ABSOLUTE] = "absolute",
    };

    return (unsigned)function < RN_FUNCTION_COUNT ? names[function] : "unknown";
}

struct rn_graph *rn_graph_create(void)
{
    struct rn_graph *g = rn_alloc(1, sizeof(*g));

    if (g)
        g->output = -1;
    return g;
}

void rn_graph_destroy(struct rn_graph *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n_nodes; i++)
        rn_free(g->nodes[i].name);
    for (size_t i = 0; i < g->n_params; i++)
        rn_free(g->params[i].name);
    rn_slab_free(&g->values);
    rn_free(g->nodes);
    rn_free(g->params);
    rn_free(g);
}

/* ------------------------------------------------------------- pieces */

struct rn_node rn_node_new(enum rn_op op, int a, int b)
{
    struct rn_node node = {
        .op = op, .input = {a, b}, .param = {-1, -1, -1, -1}};

    return node;
}

const struct rn_node *rn_node_source(struct rn_graph *g, int input,
                                     const char *name)
{
    if (g->error.code != RN_OK)
        return NULL;
    if (input >= 0 && (size_t)input < g->n_nodes)
        return &g->nodes[input];
    rn_fail(&g->error, RN_ERR_ARG, "'%s' reads value %d of a graph of %zu",
            name, input, g->n_nodes);
    return NULL;
}

/* A value of one image is indexed with int. */
bool rn_shape_ok(struct rn_graph *g, const char *name, struct rn_shape s)
{
    size_t count;

    if (s.c < 1 || s.h < 1 || s.w < 1)
        rn_fail(&g->error, RN_ERR_ARG,
                "'%s' would make %dx%dx%d, expected at least 1x1x1", name, s.c,
                s.h, s.w);
    else if (!rn_size_mul((size_t)s.c, (size_t)s.h, &count) ||
             !rn_size_mul(count, (size_t)s.w, &count) || count > INT_MAX)
        rn_fail(&g->error, RN_ERR_ARG,
                "'%s' would make %dx%dx%d, more than 2^31 values", name, s.c,
                s.h, s.w);
    return g->error.code == RN_OK;
}

bool rn_shape_equal(struct rn_shape a, struct rn_shape b)
{
    return a.c == b.c && a.h == b.h && a.w == b.w;
}

int rn_node_append(struct rn_graph *g, const struct rn_node *node,
                   const char *name)
{
    struct rn_node *slot;

    if (!rn_shape_ok(g, name, node->shape))
        return -1;
    if (g->n_nodes >= INT_MAX || !rn_grow(&g->nodes, &g->nodes_capacity,
                                          g->n_nodes, sizeof(*g->nodes))) {
        rn_fail_memory(&g->error, sizeof(*g->nodes), name);
        return -1;
    }
    slot = &g->nodes[g->n_nodes];
    *slot = *node;
    slot->name = rn_strdup(name);
    if (!slot->name) {
        rn_fail_memory(&g->error, strlen(name), name);
        return -1;
    }
    g->output = (int)g->n_nodes;
    return (int)g->n_nodes++;
}

/* Append parameter NAME.SUFFIX of shape dim[0..dims-1], zeroed; returns its
 * number, -1 after a failure. */
static int append_param(struct rn_graph *g, const char *name,
                        const char *suffix, enum rn_param_kind kind, int dims,
                        const size_t *dim)
{
    struct rn_param p = {.kind = kind, .dims = dims, .count = 1};
    char full[RN_NAME_SIZE];

    if (g->error.code != RN_OK)
        return -1;
    if (snprintf(full, sizeof(full), "%s.%s", name, suffix) >=
        (int)sizeof(full)) {
        rn_fail(&g->error, RN_ERR_ARG, "name '%.80s…' is too long", name);
        return -1;
    }
    for (int i = 0; i < dims; i++) {
        p.dim[i] = dim[i];
        if (!rn_size_mul(p.count, dim[i], &p.count))
            p.count = SIZE_MAX; /* which the allocation refuses */
    }
    if (rn_grow(&g->params, &g->params_capacity, g->n_params,
                sizeof(*g->params))) {
        p.name = rn_strdup(full);
        p.data = rn_slab_alloc(&g->values, p.count, sizeof(*p.data));
    }
    if (!p.name || !p.data) {
        rn_free(p.name);
        rn_fail(&g->error, RN_ERR_MEMORY, "cannot allocate %zu floats for '%s'",
                p.count, full);
        return -1;
    }
    g->params[g->n_params] = p;
    return (int)g->n_params++;
}

/* One parameter per channel. */
static int channel_param(struct rn_graph *g, const char *name,
                         const char *suffix, enum rn_param_kind kind,
                         int channels)
{
    const size_t dim = (size_t)channels;

    return append_param(g, name, suffix, kind, 1, &dim);
}

/* positive(…, "channels") for sizes a caller chooses. */
static bool positive(struct rn_graph *g, const char *name, int value,
                     const char *what)
{
    if (value > 0)
        return true;
    rn_fail(&g->error, RN_ERR_ARG, "'%s' has %d %s, expected at least 1", name,
            value, what);
    return false;
}

/* Weights used once per pixel of the output. */
static bool set_macs(struct rn_graph *g, const char *name, struct rn_node *node)
{
    size_t macs = g->params[node->param[RN_P_WEIGHT]].count;

    if (rn_size_mul(macs, (size_t)node->shape.h, &macs) &&
        rn_size_mul(macs, (size_t)node->shape.w, &macs)) {
        node->macs = macs;
        return true;
    }
    rn_fail(&g->error, RN_ERR_ARG, "'%s' has more multiply-adds than counts",
            name);
    return false;
}

/* ----------------------------------------------------------- builders */

int rn_graph_input(struct rn_graph *g, struct rn_shape shape)
{
    struct rn_node node = rn_node_new(RN_OP_INPUT, -1, -1);

    if (g->error.code != RN_OK)
        return -1;
    node.shape = shape;
    return rn_node_append(g, &node, "input");
}

int rn_graph_conv(struct rn_graph *g, int input, const char *name, int channels,
                  struct rn_window window, bool bias)
{
    return rn_graph_conv_groups(g, input, name, channels, window, 1, bias);
}

static bool groups_fit(struct rn_graph *g, const char *name, int in, int out,
                       int groups)
{
    if (groups >= 1 && in % groups == 0 && out % groups == 0)
        return true;
    rn_fail(&g->error, RN_ERR_ARG, "'%s' has %d to %d channels in %d groups",
            name, in, out, groups);
    return false;
}

int rn_graph_conv_groups(struct rn_graph *g, int input, const char *name,
                         int channels, struct rn_window window, int groups,
                         bool bias)
{
    const struct rn_node *in = rn_node_source(g, input, name);
    struct rn_node node = rn_node_new(RN_OP_CONV, input, -1);

    if (!in || !positive(g, name, channels, "channels") ||
        !groups_fit(g, name, in->shape.c, channels, groups))
        return -1;
    node.groups = groups;
    node.shape.c = channels;
    if (!rn_window_shape(g, name, &in->shape, &window, false, &node.shape) ||
        !rn_shape_ok(g, name, node.shape))
        return -1;
    node.window = window;

    const size_t oihw[4] = {(size_t)channels, (size_t)(in->shape.c / groups),
                            (size_t)window.kh, (size_t)window.kw};
    node.param[RN_P_WEIGHT] =
        append_param(g, name, "weight", RN_PARAM_WEIGHT, 4, oihw);
    if (bias)
        node.param[RN_P_BIAS] =
            channel_param(g, name, "bias", RN_PARAM_BIAS, channels);
    if (g->error.code != RN_OK || !set_macs(g, name, &node))
        return -1;
    return rn_node_append(g, &node, name);
}

int rn_graph_batch_norm(struct rn_graph *g, int input, const char *name)
{
    static const struct {
        int place;
        const char *suffix;
        enum rn_param_kind kind;
    } params[] = {
        {RN_P_WEIGHT, "weight", RN_PARAM_BN_WEIGHT},
        {RN_P_BIAS, "bias", RN_PARAM_BN_BIAS},
        {RN_P_MEAN, "running_mean", RN_PARAM_RUNNING_MEAN},
        {RN_P_VAR, "running_var", RN_PARAM_RUNNING_VAR},
    };
    const struct rn_node *in = rn_node_source(g, input, name);
    struct rn_node node = rn_node_new(RN_OP_BATCH_NORM, input, -1);

    if (!in)
        return -1;
    node.shape = in->shape;
    node.eps = BN_EPS;
    node.momentum = BN_MOMENTUM;
    for (size_t i = 0; i < COUNT(params); i++)
        node.param[params[i].place] = channel_param(
            g, name, params[i].suffix, params[i].kind, node.shape.c);
    if (g->error.code != RN_OK)
        return -1;
    return rn_node_append(g, &node, name);
}

int rn_graph_relu(struct rn_graph *g, int input, const char *name)
{
    const struct rn_node *in = rn_node_source(g, input, name);
    struct rn_node node = rn_node_new(RN_OP_RELU, input, -1);

    if (!in)
        return -1;
    node.shape = in->shape;
    return rn_node_append(g, &node, name);
}

int rn_graph_add(struct rn_graph *g, int a, int b, const char *name)
{
    const struct rn_node *x = rn_node_source(g, a, name);
    const struct rn_node *y = rn_node_source(g, b, name);
    struct rn_node node = rn_node_new(RN_OP_ADD, a, b);

    if (!x || !y)
        return -1;
    node.shape = x->shape;
    if (rn_shape_equal(x->shape, y->shape))
        return rn_node_append(g, &node, name);
    rn_fail(&g->error, RN_ERR_ARG,
            "'%s' adds '%s' of %dx%dx%d and '%s' of %dx%dx%d", name, x->name,
            x->shape.c, x->shape.h, x->shape.w, y->name, y->shape.c, y->shape.h,
            y->shape.w);
    return -1;
}

static int pool(struct rn_graph *g, enum rn_op op, int input, const char *name,
                const struct rn_pool_options *options)
{
    const struct rn_node *in = rn_node_source(g, input, name);
    struct rn_node node = rn_node_new(op, input, -1);

    if (!in)
        return -1;
    node.window = options->window;
    node.ceil = options->ceil;
    node.count_padding = options->count_padding;
    node.shape.c = in->shape.c;
    if (!rn_window_shape(g, name, &in->shape, &node.window, node.ceil,
                         &node.shape))
        return -1;
    if (rn_window_sees(&node.window, &in->shape, &node.shape))
        return rn_node_append(g, &node, name);
    rn_fail(&g->error, RN_ERR_ARG,
            "'%s' has a window of %dx%d and pad %d, so some see no pixel", name,
            node.window.kh, node.window.kw, node.window.pad);
    return -1;
}

int rn_graph_max_pool(struct rn_graph *g, int input, const char *name,
                      struct rn_window window)
{
    const struct rn_pool_options options = {.window = window};

    return pool(g, RN_OP_MAX_POOL, input, name, &options);
}

int rn_graph_max_pool_with(struct rn_graph *g, int input, const char *name,
                           const struct rn_pool_options *options)
{
    return pool(g, RN_OP_MAX_POOL, input, name, options);
}

int rn_graph_avg_pool(struct rn_graph *g, int input, const char *name,
                      const struct rn_pool_options *options)
{
    return pool(g, RN_OP_AVG_POOL, input, name, options);
}

int rn_graph_global_avg_pool(struct rn_graph *g, int input, const char *name)
{
    const struct rn_node *in = rn_node_source(g, input, name);
    struct rn_node node = rn_node_new(RN_OP_GLOBAL_AVG_POOL, input, -1);

    if (!in)
        return -1;
    node.shape = (struct rn_shape){in->shape.c, 1, 1};
    return rn_node_append(g, &node, name);
}

int rn_graph_linear(struct rn_graph *g, int input, const char *name, int outs)
{
    const struct rn_node *in = rn_node_source(g, input, name);
    struct rn_node node = rn_node_new(RN_OP_LINEAR, input, -1);

    if (!in || !positive(g, name, outs, "outputs"))
        return -1;
    node.shape = (struct rn_shape){outs, 1, 1};

    /* No overflow: a value has at most INT_MAX numbers. */
    const size_t dim[2] = {(size_t)outs, rn_shape_size(in->shape)};
    node.param[RN_P_WEIGHT] =
        append_param(g, name, "weight", RN_PARAM_WEIGHT, 2, dim);
    node.param[RN_P_BIAS] = channel_param(g, name, "bias", RN_PARAM_BIAS, outs);
    if (g->error.code != RN_OK || !set_macs(g, name, &node))
        return -1;
    return rn_node_append(g, &node, name);
}

int rn_graph_prelu(struct rn_graph *g, int input, const char *name)
{
    const struct rn_node *in = rn_node_source(g, input, name);
    struct rn_node node = rn_node_new(RN_OP_PRELU, input, -1);

    if (!in)
        return -1;
    node.shape = in->shape;
    node.param[RN_P_WEIGHT] =
        channel_param(g, name, "weight", RN_PARAM_SLOPE, in->shape.c);
    return g->error.code == RN_OK ? rn_node_append(g, &node, name) : -1;
}

int rn_graph_subsample_pad(struct rn_graph *g, int input, const char *name,
                           int channels, int before, int stride)
{
    const struct rn_node *in = rn_node_source(g, input, name);
    struct rn_node node = rn_node_new(RN_OP_SUBSAMPLE_PAD, input, -1);

    if (!in || !positive(g, name, stride, "as stride"))
        return -1;
    if (channels < in->shape.c) {
        rn_fail(&g->error, RN_ERR_ARG, "'%s' cannot pad %d channels to %d",
                name, in->shape.c, channels);
        return -1;
    }
    if (before < 0 || before > channels - in->shape.c) {
        rn_fail(&g->error, RN_ERR_ARG,
                "'%s' cannot put %d zero channels before %d of %d", name,
                before, in->shape.c, channels);
        return -1;
    }
    node.before = before;
    /* A window of one pixel: ceil(size / stride) of them. */
    node.window = (struct rn_window)RN_WINDOW(1, 1, stride, 0);
    node.shape.c = channels;
    if (!rn_window_shape(g, name, &in->shape, &node.window, false, &node.shape))
        return -1;
    return rn_node_append(g, &node, name);
}

/* ------------------------------------------------------------- counts */

bool rn_param_trainable(const struct rn_param *p)
{
    return p->kind != RN_PARAM_RUNNING_MEAN && p->kind != RN_PARAM_RUNNING_VAR;
}

bool rn_param_updated(const struct rn_param *p)
{
    return rn_param_trainable(p) && !p->frozen;
}

struct rn_param *rn_graph_param(const struct rn_graph *g, const char *name)
{
    for (size_t i = 0; i < g->n_params; i++)
        if (strcmp(g->params[i].name, name) == 0)
            return &g->params[i];
    return NULL;
}

uint64_t rn_graph_params(const struct rn_graph *g)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < g->n_params; i++)
        if (rn_param_trainable(&g->params[i]))
            sum += g->params[i].count;
    return sum;
}

uint64_t rn_node_params(const struct rn_graph *g, const struct rn_node *node)
{
    uint64_t sum = 0;

    for (int i = 0; i < 4; i++) {
        const struct rn_param *p;

        if (node->param[i] < 0)
            continue;
        p = &g->params[node->param[i]];
        if (rn_param_trainable(p))
            sum += p->count;
    }
    return sum;
}

uint64_t rn_graph_macs(const struct rn_graph *g)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < g->n_nodes; i++)
        sum += g->nodes[i].macs;
    return sum;
}
