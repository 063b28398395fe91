/* SPDX-License-Identifier: BSD-2-Clause */
/* A graph's arrays: nodes and parameters appended to them, found, counted. */
#include "graph/build.h"

#include "core/file.h"
#include "core/memory.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

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

    if (!g)
        return NULL;
    g->output = -1;
    g->room = UINT64_MAX;
    return g;
}

void rn_graph_destroy(struct rn_graph *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n_nodes; i++) {
        rn_free(g->nodes[i].name);
        rn_free(g->nodes[i].input);
    }
    for (size_t i = 0; i < g->n_params; i++)
        rn_free(g->params[i].name);
    rn_slab_free(&g->values);
    rn_free(g->nodes);
    rn_free(g->params);
    rn_free(g);
}

/* ------------------------------------------------------------- pieces */

const struct rn_node *rn_node_input(const struct rn_graph *g,
                                    const struct rn_node *node, int k)
{
    return &g->nodes[node->input[k]];
}

bool rn_node_reads(const struct rn_node *node, int v)
{
    for (int k = 0; k < node->n_inputs; k++)
        if (node->input[k] == v)
            return true;
    return false;
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

bool rn_check_positive(struct rn_graph *g, const char *name, int value,
                       const char *what)
{
    if (value > 0)
        return true;
    rn_fail(&g->error, RN_ERR_ARG, "'%s' has %d %s, expected at least 1", name,
            value, what);
    return false;
}

int rn_param_append(struct rn_graph *g, const char *name, const char *suffix,
                    enum rn_param_kind kind, int dims, const size_t *dim)
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
    if (p.count > g->room) {
        rn_fail(&g->error, RN_ERR_DATA,
                "layer '%s' has more parameters than the file", name);
        return -1;
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
    if (g->room != UINT64_MAX)
        g->room -= p.count;
    g->params[g->n_params] = p;
    return (int)g->n_params++;
}

int rn_param_channels(struct rn_graph *g, const char *name, const char *suffix,
                      enum rn_param_kind kind, int channels)
{
    const size_t dim = (size_t)channels;

    return rn_param_append(g, name, suffix, kind, 1, &dim);
}

/* ------------------------------------------------------------------ nodes */

struct rn_node rn_node_new(enum rn_op op)
{
    const struct rn_operation *o = rn_operation_of(op);
    struct rn_node node = {.op = op, .param = {-1, -1, -1, -1}};

    for (size_t i = 0; i < o->n_attributes; i++) {
        const struct rn_attribute *a = &o->attributes[i];

        if (a->type == RN_ATTRIBUTE_REAL) {
            rn_attribute_set_real(a, &node, a->otherwise);
        } else if (rn_attribute_count(a->type) == 1) {
            const int numbers[RN_ATTRIBUTE_NUMBERS] = {(int)a->otherwise};

            rn_attribute_set(a, &node, numbers);
        }
    }
    return node;
}

/* Whether so many values are read, each of which is there. */
static bool check_inputs(struct rn_graph *g, const struct rn_operation *o,
                         const int *inputs, int n_inputs, const char *name)
{
    if (n_inputs < o->inputs_least || n_inputs > o->inputs_most) {
        rn_fail(&g->error, RN_ERR_ARG,
                "'%s' (%s) reads %d values, not %d to %d", name, o->name,
                n_inputs, o->inputs_least, o->inputs_most);
        return false;
    }
    for (int k = 0; k < n_inputs; k++) {
        if (inputs[k] >= 0 && (size_t)inputs[k] < g->n_nodes)
            continue;
        rn_fail(&g->error, RN_ERR_ARG, "'%s' reads value %d of a graph of %zu",
                name, inputs[k], g->n_nodes);
        return false;
    }
    return true;
}

static bool count_macs(struct rn_graph *g, const char *name, enum rn_cost cost,
                       struct rn_node *node)
{
    size_t macs;

    if (cost == RN_COST_NONE)
        return true;
    macs = g->params[node->param[RN_P_WEIGHT]].count;
    if (rn_size_mul(macs, rn_shape_pixels(node->shape), &macs)) {
        node->macs = macs;
        return true;
    }
    rn_fail(&g->error, RN_ERR_ARG, "'%s' has more multiply-adds than counts",
            name);
    return false;
}

/* The node into the graph's list, with copies of its inputs and name. */
static int take_node(struct rn_graph *g, const struct rn_node *node,
                     const char *name)
{
    struct rn_node *slot;

    if (g->n_nodes >= INT_MAX || !rn_grow(&g->nodes, &g->nodes_capacity,
                                          g->n_nodes, sizeof(*g->nodes))) {
        rn_fail_memory(&g->error, sizeof(*g->nodes), name);
        return -1;
    }
    slot = &g->nodes[g->n_nodes];
    *slot = *node;
    slot->name = rn_strdup(name);
    slot->input = rn_alloc((size_t)node->n_inputs + 2, sizeof(*slot->input));
    if (!slot->name || !slot->input) {
        rn_free(slot->name);
        rn_free(slot->input);
        rn_fail_memory(&g->error, strlen(name), name);
        return -1;
    }
    for (int k = 0; k < node->n_inputs + 2; k++)
        slot->input[k] = k < node->n_inputs ? node->input[k] : -1;
    g->output = (int)g->n_nodes;
    return (int)g->n_nodes++;
}

int rn_graph_append(struct rn_graph *g, const struct rn_node *node,
                    const int *inputs, int n_inputs, const char *name)
{
    const struct rn_operation *o = rn_operation_of(node->op);
    struct rn_node n = *node;
    int failed = -1;

    if (g->error.code != RN_OK || !check_inputs(g, o, inputs, n_inputs, name))
        return failed;
    n.input = (int *)(uintptr_t)inputs; /* until it is copied */
    n.n_inputs = n_inputs;
    if (!o->shape(g, name, &n) || !rn_shape_ok(g, name, n.shape) ||
        !count_macs(g, name, o->cost, &n))
        return failed;
    return take_node(g, &n, name);
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

uint64_t rn_graph_checksum(const struct rn_graph *g, uint64_t sum)
{
    for (size_t i = 0; i < g->n_params; i++) {
        const struct rn_param *p = &g->params[i];

        sum = rn_checksum(sum, p->name, strlen(p->name));
        sum = rn_checksum(sum, p->data, p->count * sizeof(*p->data));
    }
    return sum;
}

static uint64_t sum_layer(const struct rn_node *n, uint64_t sum)
{
    const uint64_t own = rn_node_sum_whole(n);

    sum = rn_checksum(sum, &own, sizeof(own));
    sum = rn_checksum(sum, n->input, (size_t)n->n_inputs * sizeof(*n->input));
    sum = rn_checksum(sum, n->param, sizeof(n->param));
    sum = rn_checksum(sum, &n->quant.scale, sizeof(n->quant.scale));
    return rn_checksum(sum, &n->quant.zero, sizeof(n->quant.zero));
}

uint64_t rn_graph_sum_layers(const struct rn_graph *g, uint64_t sum)
{
    const int answers[] = {g->output, (int)g->kind};

    for (size_t i = 0; i < g->n_nodes; i++)
        sum = sum_layer(&g->nodes[i], sum);
    return rn_checksum(sum, answers, sizeof(answers));
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

    for (size_t i = 0; i < rn_graph_trunk(g); i++)
        sum += g->nodes[i].macs;
    return sum;
}
