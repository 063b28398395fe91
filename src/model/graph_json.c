/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/graph_json.h"

#include "core/count.h"
#include "core/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Longest name of a node; its parameters' are longer. */
#define NAME_MAX_BYTES 139

/* A node as the file describes it: all that a builder call wants. */
struct described {
    const char *name;
    int input[2];
    int channels, groups, bias, before, ceil, count_padding;
    int kernel[2], stride[2], dilation[2]; /* down, across */
    int padding[4];                        /* top, left, bottom, right */
    float eps, low, high, slope;
    int size; /* and the rest of LRN's */
    float alpha, beta, k;
    int function;
    float a, b;
    struct rn_selection selection;
};

/* What an operation has beside its inputs. */
enum {
    CHANNELS = 1,
    WINDOW = 2,
    PADDING = 4,
    GROUPS = 8,
    EDGES = 16,
    EPS = 32,
    SUBSAMPLE = 64,
    LOW = 128,
    HIGH = 256,
    SLOPE = 512,
    LRN = 1024,
    FUNCTION = 2048,
    SELECTION = 4096,
    QUANTIZE = 8192,
};

#define AT(field) offsetof(struct described, field)

static const struct field {
    unsigned has;
    const char *key;
    enum { INTS, SIGNED, SWITCH, REAL, WORD } type;
    int count; /* of INTS; one stands alone */
    size_t place;
} fields[] = {
    /* clang-format off */
    {CHANNELS,  "channels",      INTS,   1, AT(channels)},
    {WINDOW,    "kernel",        INTS,   2, AT(kernel)},
    {WINDOW,    "stride",        INTS,   2, AT(stride)},
    {WINDOW,    "dilation",      INTS,   2, AT(dilation)},
    {PADDING,   "padding",       INTS,   4, AT(padding)},
    {GROUPS,    "groups",        INTS,   1, AT(groups)},
    {GROUPS,    "bias",          SWITCH, 1, AT(bias)},
    {EDGES,     "ceil",          SWITCH, 1, AT(ceil)},
    {EDGES,     "count_padding", SWITCH, 1, AT(count_padding)},
    {EPS,       "eps",           REAL,   1, AT(eps)},
    {SUBSAMPLE, "stride",        INTS,   2, AT(stride)},
    {SUBSAMPLE, "before",        INTS,   1, AT(before)},
    {LOW,       "low",           REAL,   1, AT(low)},
    {HIGH,      "high",          REAL,   1, AT(high)},
    {SLOPE,     "slope",         REAL,   1, AT(slope)},
    {LRN,       "size",          INTS,   1, AT(size)},
    {LRN,       "alpha",         REAL,   1, AT(alpha)},
    {LRN,       "beta",          REAL,   1, AT(beta)},
    {LRN,       "k",             REAL,   1, AT(k)},
    {FUNCTION,  "function",      WORD,   1, AT(function)},
    {FUNCTION,  "a",             REAL,   1, AT(a)},
    {FUNCTION,  "b",             REAL,   1, AT(b)},
    {QUANTIZE,  "unit",          REAL,   1, AT(a)},
    {QUANTIZE,  "zero",          REAL,   1, AT(b)},
    {SELECTION, "first",         INTS,   1, AT(selection.first)},
    {SELECTION, "inner",         INTS,   1, AT(selection.inner)},
    {SELECTION, "step",          SIGNED, 1, AT(selection.step)},
    {SELECTION, "outer",         SIGNED, 1, AT(selection.outer)},
    /* clang-format on */
};

static struct rn_window window_of(const struct described *d)
{
    return (struct rn_window){
        .kh = d->kernel[0],
        .kw = d->kernel[1],
        .stride = d->stride[0],
        .stride_w = d->stride[1],
        .dilate_h = d->dilation[0] - 1,
        .dilate_w = d->dilation[1] - 1,
        .top = d->padding[0],
        .left = d->padding[1],
        .bottom = d->padding[2],
        .right = d->padding[3],
    };
}

static struct rn_pool_options pool_of(const struct described *d)
{
    return (struct rn_pool_options){window_of(d), d->ceil != 0,
                                    d->count_padding != 0};
}

typedef int builder(struct rn_graph *g, const struct described *d);

static int add_conv(struct rn_graph *g, const struct described *d)
{
    return rn_graph_conv_groups(g, d->input[0], d->name, d->channels,
                                window_of(d), d->groups, d->bias != 0);
}

static int add_batch_norm(struct rn_graph *g, const struct described *d)
{
    int v = rn_graph_batch_norm(g, d->input[0], d->name);

    if (v >= 0)
        g->nodes[v].eps = d->eps;
    return v;
}

static int add_relu(struct rn_graph *g, const struct described *d)
{
    return rn_graph_relu(g, d->input[0], d->name);
}

static int add_add(struct rn_graph *g, const struct described *d)
{
    return rn_graph_add(g, d->input[0], d->input[1], d->name);
}

static int add_max_pool(struct rn_graph *g, const struct described *d)
{
    const struct rn_pool_options o = pool_of(d);

    return rn_graph_max_pool_with(g, d->input[0], d->name, &o);
}

static int add_avg_pool(struct rn_graph *g, const struct described *d)
{
    const struct rn_pool_options o = pool_of(d);

    return rn_graph_avg_pool(g, d->input[0], d->name, &o);
}

static int add_global_avg_pool(struct rn_graph *g, const struct described *d)
{
    return rn_graph_global_avg_pool(g, d->input[0], d->name);
}

static int add_linear(struct rn_graph *g, const struct described *d)
{
    return rn_graph_linear(g, d->input[0], d->name, d->channels);
}

static int add_subsample_pad(struct rn_graph *g, const struct described *d)
{
    return rn_graph_subsample_pad(g, d->input[0], d->name, d->channels,
                                  d->before, d->stride[0]);
}

static int add_concat(struct rn_graph *g, const struct described *d)
{
    return rn_graph_concat(g, d->input[0], d->input[1], d->name);
}

static int add_multiply(struct rn_graph *g, const struct described *d)
{
    return rn_graph_multiply(g, d->input[0], d->input[1], d->name);
}

static int add_sigmoid(struct rn_graph *g, const struct described *d)
{
    return rn_graph_sigmoid(g, d->input[0], d->name);
}

static int add_clip(struct rn_graph *g, const struct described *d)
{
    return rn_graph_clip(g, d->input[0], d->name, d->low, d->high);
}

static int add_leaky_relu(struct rn_graph *g, const struct described *d)
{
    return rn_graph_leaky_relu(g, d->input[0], d->name, d->slope);
}

static int add_activation(struct rn_graph *g, const struct described *d)
{
    return rn_graph_activation(g, d->input[0], d->name,
                               (enum rn_function)d->function, d->a, d->b);
}

static int add_quantize(struct rn_graph *g, const struct described *d)
{
    return rn_graph_quantize(g, d->input[0], d->name, d->a, d->b, d->low,
                             d->high);
}

static int add_prelu(struct rn_graph *g, const struct described *d)
{
    return rn_graph_prelu(g, d->input[0], d->name);
}

static int add_select(struct rn_graph *g, const struct described *d)
{
    return rn_graph_select(g, d->input[0], d->name, d->channels, d->selection);
}

static int add_lrn(struct rn_graph *g, const struct described *d)
{
    const struct rn_lrn lrn = {d->size, d->alpha, d->beta, d->k};

    return rn_graph_lrn(g, d->input[0], d->name, lrn);
}

static int add_softmax(struct rn_graph *g, const struct described *d)
{
    return rn_graph_softmax(g, d->input[0], d->name);
}

static int add_log_softmax(struct rn_graph *g, const struct described *d)
{
    return rn_graph_log_softmax(g, d->input[0], d->name);
}

static int add_zero_pad(struct rn_graph *g, const struct described *d)
{
    const int *p = d->padding;

    return rn_graph_zero_pad(g, d->input[0], d->name, p[0], p[1], p[2], p[3]);
}

static const struct kind {
    builder *add;
    int inputs;
    unsigned has;
} kinds[RN_OP_COUNT] = {
    [RN_OP_CONV] = {add_conv, 1, CHANNELS | WINDOW | PADDING | GROUPS},
    [RN_OP_BATCH_NORM] = {add_batch_norm, 1, EPS},
    [RN_OP_RELU] = {add_relu, 1, 0},
    [RN_OP_ADD] = {add_add, 2, 0},
    [RN_OP_MAX_POOL] = {add_max_pool, 1, WINDOW | PADDING | EDGES},
    [RN_OP_GLOBAL_AVG_POOL] = {add_global_avg_pool, 1, 0},
    [RN_OP_LINEAR] = {add_linear, 1, CHANNELS},
    [RN_OP_SUBSAMPLE_PAD] = {add_subsample_pad, 1, CHANNELS | SUBSAMPLE},
    [RN_OP_AVG_POOL] = {add_avg_pool, 1, WINDOW | PADDING | EDGES},
    [RN_OP_CONCAT] = {add_concat, 2, 0},
    [RN_OP_MULTIPLY] = {add_multiply, 2, 0},
    [RN_OP_SIGMOID] = {add_sigmoid, 1, 0},
    [RN_OP_CLIP] = {add_clip, 1, LOW | HIGH},
    [RN_OP_LEAKY_RELU] = {add_leaky_relu, 1, SLOPE},
    [RN_OP_LRN] = {add_lrn, 1, LRN},
    [RN_OP_ACTIVATION] = {add_activation, 1, FUNCTION},
    [RN_OP_QUANTIZE] = {add_quantize, 1, QUANTIZE | LOW | HIGH},
    [RN_OP_PRELU] = {add_prelu, 1, 0},
    [RN_OP_SELECT] = {add_select, 1, CHANNELS | SELECTION},
    [RN_OP_SOFTMAX] = {add_softmax, 1, 0},
    [RN_OP_ZERO_PAD] = {add_zero_pad, 1, PADDING},
    [RN_OP_LOG_SOFTMAX] = {add_log_softmax, 1, 0},
};

/* ------------------------------------------------------------- writing */

static void describe(const struct rn_node *n, struct described *d)
{
    const struct rn_window *w = &n->window;

    *d = (struct described){
        .name = n->name,
        .input = {n->input[0], n->input[1]},
        .channels = n->shape.c,
        .groups = n->groups,
        .bias = n->param[RN_P_BIAS] >= 0,
        .before = n->before,
        .ceil = n->ceil,
        .count_padding = n->count_padding,
        .kernel = {w->kh, w->kw},
        .stride = {w->stride, rn_window_stride_w(w)},
        .dilation = {w->dilate_h + 1, w->dilate_w + 1},
        .padding = {rn_window_top(w), rn_window_left(w), w->pad + w->bottom,
                    w->pad + w->right},
        .eps = n->eps,
        .low = n->low,
        .high = n->high,
        .slope = n->slope,
        .size = n->lrn.size,
        .alpha = n->lrn.alpha,
        .beta = n->lrn.beta,
        .k = n->lrn.k,
        .function = (int)n->function,
        .a = n->a,
        .b = n->b,
        .selection = n->selection,
    };
}

static json_t *ints_json(const int *values, int count)
{
    json_t *list;

    if (count == 1)
        return json_integer(*values);
    list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_integer(values[i]));
    if (json_array_size(list) == (size_t)count)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *field_json(const struct field *f, const struct described *d)
{
    const void *from = (const char *)d + f->place;
    if (f->type == INTS || f->type == SIGNED)
        return ints_json(from, f->count);
    if (f->type == WORD)
        return json_string(
            rn_function_name((enum rn_function) * (const int *)from));
    if (f->type == SWITCH)
        return json_boolean(*(const int *)from);
    return json_real((double)*(const float *)from);
}

/* JSON has no infinite limits: they are left out. */
static unsigned members_of(enum rn_op op, const struct described *d)
{
    unsigned has = kinds[op].has;

    if (!isfinite(d->low))
        has &= ~(unsigned)LOW;
    if (!isfinite(d->high))
        has &= ~(unsigned)HIGH;
    return has;
}

static json_t *node_json(const struct rn_node *n)
{
    struct described d;

    describe(n, &d);
    const unsigned has = members_of(n->op, &d);
    json_t *inputs = ints_json(d.input, kinds[n->op].inputs);
    json_t *o = json_pack("{s:s, s:s, s:o}", "op", rn_op_name(n->op), "name",
                          d.name, "input", inputs);
    for (size_t i = 0; o && i < COUNT(fields); i++) {
        if (!(has & fields[i].has) ||
            json_object_set_new(o, fields[i].key, field_json(&fields[i], &d)) ==
                0)
            continue;
        json_decref(o);
        o = NULL;
    }
    return o;
}

json_t *rn_graph_json(const struct rn_graph *g)
{
    json_t *list = json_array();

    for (size_t i = 1; i < g->n_nodes; i++)
        json_array_append_new(list, node_json(&g->nodes[i]));
    if (json_array_size(list) == g->n_nodes - 1)
        return list;
    json_decref(list);
    return NULL;
}

/* ------------------------------------------------------------- reading */

struct reader {
    struct rn_graph *g;
    uint64_t floats; /* that parameters may still have */
    struct rn_error *err;
};

static bool get_int(const json_t *value, int *out)
{
    json_int_t v = json_integer_value(value);

    if (!json_is_integer(value) || v < 0 || v > INT32_MAX)
        return false;
    *out = (int)v;
    return true;
}

static bool get_ints(const json_t *value, int *out, int count)
{
    if (count == 1)
        return get_int(value, out);
    if (json_array_size(value) != (size_t)count)
        return false;
    for (int i = 0; i < count; i++)
        if (!get_int(json_array_get(value, (size_t)i), &out[i]))
            return false;
    return true;
}

static bool get_signed(const json_t *value, int *out)
{
    json_int_t v = json_integer_value(value);

    *out = (int)v;
    return json_is_integer(value) && v >= -INT32_MAX && v <= INT32_MAX;
}

static bool get_function(const char *name, int *out)
{
    *out = 0;
    while (*out < RN_FUNCTION_COUNT &&
           (!name ||
            strcmp(name, rn_function_name((enum rn_function) * out)) != 0))
        ++*out;
    return *out < RN_FUNCTION_COUNT;
}

static bool get_field(const json_t *value, const struct field *f,
                      struct described *d)
{
    void *to = (char *)d + f->place;
    if (f->type == INTS)
        return get_ints(value, to, f->count);
    if (f->type == SIGNED)
        return get_signed(value, to);
    if (f->type == WORD)
        return get_function(json_string_value(value), to);
    if (f->type == SWITCH) {
        *(int *)to = json_is_true(value);
        return json_is_boolean(value);
    }
    *(float *)to = (float)json_number_value(value);
    return json_is_number(value) && isfinite(*(float *)to);
}

static bool name_ok(const char *name)
{
    size_t length = name ? strlen(name) : 0;

    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
            return false;
    return length > 0 && length <= NAME_MAX_BYTES;
}

/* The operation of that name; none of ours is called input. */
static enum rn_op find_op(const char *name)
{
    int op = RN_OP_COUNT - 1;

    while (op > RN_OP_INPUT &&
           (!name || strcmp(name, rn_op_name((enum rn_op)op)) != 0))
        op--;
    return (enum rn_op)op;
}

static int fail_member(struct reader *r, const struct described *d,
                       const char *key)
{
    return rn_fail(r->err, RN_ERR_DATA,
                   "layer '%s': \"%s\" is missing or not what it should be",
                   d->name, key);
}

static bool is_member(const struct kind *kind, const char *key)
{
    for (size_t i = 0; i < COUNT(fields); i++)
        if ((kind->has & fields[i].has) && strcmp(key, fields[i].key) == 0)
            return true;
    return strcmp(key, "op") == 0 || strcmp(key, "name") == 0 ||
           strcmp(key, "input") == 0;
}

/* A member that nobody reads may be one that changes what is computed. */
static int check_members(struct reader *r, const json_t *node,
                         const struct kind *kind, const char *name)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)node, key, value)
    {
        if (!is_member(kind, key))
            return rn_fail(r->err, RN_ERR_DATA,
                           "layer '%s': \"%.60s\" is not known here: a newer "
                           "program wrote it",
                           name, key);
    }
    return RN_OK;
}

static int read_members(struct reader *r, const json_t *node,
                        const struct kind *kind, struct described *d)
{
    d->input[1] = -1;
    d->low = -INFINITY;
    d->high = INFINITY;
    if (!get_ints(json_object_get(node, "input"), d->input, kind->inputs))
        return fail_member(r, d, "input");
    int rc = check_members(r, node, kind, d->name);
    if (rc)
        return rc;
    for (size_t i = 0; i < COUNT(fields); i++) {
        const struct field *f = &fields[i];
        const json_t *value = json_object_get(node, f->key);
        bool optional = f->has == LOW || f->has == HIGH;

        if (!(kind->has & f->has) || (!value && optional))
            continue;
        if (!get_field(value, f, d))
            return fail_member(r, d, f->key);
    }
    return RN_OK;
}

/* Whether the file holds the numbers that the node's parameters would have,
 * before memory is taken for them. Its input is known to exist. */
static int take_floats(struct reader *r, const struct kind *kind,
                       const struct described *d)
{
    const struct rn_shape *in = &r->g->nodes[d->input[0]].shape;
    uint64_t need = 0, channels = (uint64_t)d->channels;
    bool fits = true;

    if (kind->add == add_batch_norm)
        need = 4 * (uint64_t)in->c;
    if (kind->add == add_prelu)
        need = (uint64_t)in->c;
    if (kind->add == add_conv)
        fits = !__builtin_mul_overflow(
            channels * (uint64_t)(in->c / (d->groups ? d->groups : 1)),
            (uint64_t)d->kernel[0] * (uint64_t)d->kernel[1], &need);
    if (kind->add == add_linear)
        fits = !__builtin_mul_overflow(channels, rn_shape_size(*in), &need);
    if (!fits || need > r->floats)
        return rn_fail(r->err, RN_ERR_DATA,
                       "layer '%s' has more parameters than the file", d->name);
    r->floats -= need;
    return RN_OK;
}

/* What a builder call of numbers from a file found. */
static int fail_build(struct reader *r)
{
    int code = r->g->error.code;

    return rn_fail(r->err, code == RN_ERR_ARG ? RN_ERR_DATA : code, "%.400s",
                   r->g->error.msg);
}

static int read_node(struct reader *r, const json_t *node)
{
    struct described d = {0};
    const char *op_name = json_string_value(json_object_get(node, "op"));

    d.name = json_string_value(json_object_get(node, "name"));
    if (!name_ok(d.name))
        return rn_fail(r->err, RN_ERR_DATA,
                       "layer %zu has no name, or one of no use",
                       r->g->n_nodes);
    const enum rn_op op = find_op(op_name);
    const struct kind *kind = &kinds[op];
    if (op == RN_OP_INPUT)
        return rn_fail(r->err, RN_ERR_DATA,
                       "layer '%s': there is no operation '%.40s' here", d.name,
                       op_name ? op_name : "");
    int rc = read_members(r, node, kind, &d);
    for (int i = 0; !rc && i < kind->inputs; i++)
        if ((size_t)d.input[i] >= r->g->n_nodes)
            rc = rn_fail(r->err, RN_ERR_DATA,
                         "layer '%s' reads value %d, but only %zu come before "
                         "it",
                         d.name, d.input[i], r->g->n_nodes);
    if (!rc)
        rc = take_floats(r, kind, &d);
    if (!rc && kind->add(r->g, &d) < 0)
        rc = fail_build(r);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Parameters are found by their names. */
static int check_names(struct reader *r)
{
    size_t n = r->g->n_nodes;
    const char **names = rn_alloc(n, sizeof(*names));
    int rc = RN_OK;

    if (!names)
        return rn_fail_memory(r->err, n * sizeof(*names), "a list of names");
    for (size_t i = 0; i < n; i++)
        names[i] = r->g->nodes[i].name;
    qsort(names, n, sizeof(*names), by_name);
    for (size_t i = 1; !rc && i < n; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            rc = rn_fail(r->err, RN_ERR_DATA, "two layers are called '%s'",
                         names[i]);
    rn_free(names);
    return rc;
}

static int set_output(struct reader *r, int output)
{
    if (output < 1 || (size_t)output >= r->g->n_nodes)
        return rn_fail(r->err, RN_ERR_DATA,
                       "value %d is the output of a network of %zu layers",
                       output, r->g->n_nodes);
    r->g->output = output;
    return RN_OK;
}

int rn_graph_from_json(struct rn_graph **out, const json_t *nodes,
                       struct rn_shape input, int output, uint64_t floats,
                       struct rn_error *err)
{
    struct reader r = {.floats = floats, .err = err};
    size_t n = json_array_size(nodes);
    int rc = RN_OK;

    *out = NULL;
    if (!json_is_array(nodes) || n > RN_GRAPH_NODES_MAX)
        return rn_fail(err, RN_ERR_DATA,
                       "%zu layers, or no list of them, expected at most %d", n,
                       RN_GRAPH_NODES_MAX);
    r.g = rn_graph_create();
    if (!r.g)
        return rn_fail_memory(err, sizeof(*r.g), "a graph");
    if (rn_graph_input(r.g, input) < 0)
        rc = fail_build(&r);
    for (size_t i = 0; !rc && i < n; i++)
        rc = read_node(&r, json_array_get(nodes, i));
    if (!rc)
        rc = check_names(&r);
    if (!rc)
        rc = set_output(&r, output);
    if (rc)
        rn_graph_destroy(r.g);
    else
        *out = r.g;
    return rc;
}
