/* SPDX-License-Identifier: BSD-2-Clause */
/* Graphs as JSON: node by node, its attributes by the operations' lists. */
#include "model/graph_json.h"

#include "core/memory.h"
#include "graph/operation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Longest name of a node; its parameters' are longer. */
#define NAME_MAX_BYTES 139

/* ------------------------------------------------------------- writing */

/* One number stands alone, unless it is a list's. */
static json_t *ints_json(const int *values, int count, bool list)
{
    json_t *all;

    if (!list)
        return json_integer(*values);
    all = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(all, json_integer(values[i]));
    if (json_array_size(all) == (size_t)count)
        return all;
    json_decref(all);
    return NULL;
}

static json_t *attribute_json(const struct rn_attribute *a,
                              const struct rn_node *n)
{
    int numbers[RN_ATTRIBUTE_NUMBERS], count = rn_attribute_count(a->type);

    if (a->type == RN_ATTRIBUTE_REAL)
        return json_real((double)rn_attribute_real(a, n));
    rn_attribute_get(a, n, numbers);
    if (a->type == RN_ATTRIBUTE_FUNCTION)
        return json_string(rn_function_name((enum rn_function)numbers[0]));
    if (a->type == RN_ATTRIBUTE_SWITCH)
        return json_boolean(numbers[0]);
    return ints_json(numbers, count, count > 1);
}

/* JSON has no infinite limits: those that are optional are infinite. */
static bool is_left_out(const struct rn_attribute *a, const struct rn_node *n)
{
    return a->optional && !isfinite(rn_attribute_real(a, n));
}

static json_t *node_json(const struct rn_node *n)
{
    const struct rn_operation *o = rn_operation_of(n->op);
    json_t *inputs = ints_json(n->input, n->n_inputs, o->inputs_most > 1);
    json_t *node = json_pack("{s:s, s:s, s:o}", "op", o->name, "name", n->name,
                             "input", inputs);

    for (size_t i = 0; node && i < o->n_attributes; i++) {
        const struct rn_attribute *a = &o->attributes[i];

        if (is_left_out(a, n) ||
            json_object_set_new(node, a->name, attribute_json(a, n)) == 0)
            continue;
        json_decref(node);
        node = NULL;
    }
    return node;
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
    int *inputs; /* of the node being read */
    size_t inputs_capacity;
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

/* Of all types but reals. */
static bool get_numbers(const json_t *value, enum rn_attribute_type type,
                        int *out)
{
    switch (type) {
    case RN_ATTRIBUTE_SIGNED:
        return get_signed(value, out);
    case RN_ATTRIBUTE_FUNCTION:
        return get_function(json_string_value(value), out);
    case RN_ATTRIBUTE_SWITCH:
        *out = json_is_true(value);
        return json_is_boolean(value);
    default:
        return get_ints(value, out, rn_attribute_count(type));
    }
}

static bool read_attribute(const json_t *value, const struct rn_attribute *a,
                           struct rn_node *n)
{
    int numbers[RN_ATTRIBUTE_NUMBERS];
    float real = (float)json_number_value(value);

    if (a->type == RN_ATTRIBUTE_REAL) {
        rn_attribute_set_real(a, n, real);
        return json_is_number(value) && isfinite(real);
    }
    if (!get_numbers(value, a->type, numbers))
        return false;
    rn_attribute_set(a, n, numbers);
    return true;
}

static bool name_ok(const char *name)
{
    size_t length = name ? strlen(name) : 0;

    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
            return false;
    return length > 0 && length <= NAME_MAX_BYTES;
}

static int fail_member(struct reader *r, const char *name, const char *key)
{
    return rn_fail(r->err, RN_ERR_DATA,
                   "layer '%s': \"%s\" is missing or not what it should be",
                   name, key);
}

static bool is_member(const struct rn_operation *o, const char *key)
{
    for (size_t i = 0; i < o->n_attributes; i++)
        if (strcmp(key, o->attributes[i].name) == 0)
            return true;
    return strcmp(key, "op") == 0 || strcmp(key, "name") == 0 ||
           strcmp(key, "input") == 0;
}

/* A member that nobody reads may be one that changes what is computed. */
static int check_members(struct reader *r, const json_t *node,
                         const struct rn_operation *o, const char *name)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)node, key, value)
    {
        if (!is_member(o, key))
            return rn_fail(r->err, RN_ERR_DATA,
                           "layer '%s': \"%.60s\" is not known here: a newer "
                           "program wrote it",
                           name, key);
    }
    return RN_OK;
}

static int read_attributes(struct reader *r, const json_t *node,
                           const struct rn_operation *o, const char *name,
                           struct rn_node *n)
{
    int rc = check_members(r, node, o, name);

    for (size_t i = 0; !rc && i < o->n_attributes; i++) {
        const struct rn_attribute *a = &o->attributes[i];
        const json_t *value = json_object_get(node, a->name);

        if (!value && a->optional)
            continue;
        if (!read_attribute(value, a, n))
            rc = fail_member(r, name, a->name);
    }
    return rc;
}

/* The values that a node reads; each has to be of a node before it. */
static int read_inputs(struct reader *r, const json_t *node,
                       const struct rn_operation *o, const char *name,
                       int *count)
{
    const json_t *value = json_object_get(node, "input");
    bool list = o->inputs_most > 1;
    size_t n = list ? json_array_size(value) : 1;

    if (n < (size_t)o->inputs_least || n > (size_t)o->inputs_most)
        return fail_member(r, name, "input");
    for (size_t i = 0; i < n; i++) {
        if (!rn_grow(&r->inputs, &r->inputs_capacity, i, sizeof(*r->inputs)))
            return rn_fail_memory(r->err, n * sizeof(*r->inputs), name);
        if (!get_int(list ? json_array_get(value, i) : value, &r->inputs[i]))
            return fail_member(r, name, "input");
        if ((size_t)r->inputs[i] >= r->g->n_nodes)
            return rn_fail(
                r->err, RN_ERR_DATA,
                "layer '%s' reads value %d, but only %zu come before "
                "it",
                name, r->inputs[i], r->g->n_nodes);
    }
    *count = (int)n;
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
    const char *op_name = json_string_value(json_object_get(node, "op"));
    const char *name = json_string_value(json_object_get(node, "name"));
    enum rn_op op = RN_OP_INPUT;
    struct rn_node n;
    int count = 0, rc;

    if (!name_ok(name))
        return rn_fail(r->err, RN_ERR_DATA,
                       "layer %zu has no name, or one of no use",
                       r->g->n_nodes);
    /* The input is no node of the file's. */
    if (!op_name || !rn_operation_find(op_name, &op) || op == RN_OP_INPUT)
        return rn_fail(r->err, RN_ERR_DATA,
                       "layer '%s': there is no operation '%.40s' here", name,
                       op_name ? op_name : "");
    n = rn_node_new(op);
    rc = read_inputs(r, node, rn_operation_of(op), name, &count);
    if (!rc)
        rc = read_attributes(r, node, rn_operation_of(op), name, &n);
    if (!rc && rn_graph_append(r->g, &n, r->inputs, count, name) < 0)
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
    struct reader r = {.err = err};
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
    r.g->room = floats; /* before memory is taken for parameters */
    if (rn_graph_input(r.g, input) < 0)
        rc = fail_build(&r);
    for (size_t i = 0; !rc && i < n; i++)
        rc = read_node(&r, json_array_get(nodes, i));
    if (!rc)
        rc = check_names(&r);
    if (!rc)
        rc = set_output(&r, output);
    rn_free(r.inputs);
    if (rc)
        rn_graph_destroy(r.g);
    else
        *out = r.g;
    return rc;
}
