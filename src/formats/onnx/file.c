/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes an ONNX file apart into operators, tensors and names. */
#include "formats/onnx/file.h"

#include "core/file.h"
#include "core/memory.h"
#include "formats/onnx/onnx.h"
#include "formats/onnx/fields.h"

#include <stdlib.h>
#include <string.h>

static int fail_cut(const struct rn_onnx *f, const char *what,
                    struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': not a whole ONNX file: %s is cut short or no message",
                   f->path, what);
}

/* For a message that holds what it should: each field of `m` in turn. */
#define FOR_FIELDS(more, m, field) \
    while (((more) = rn_pb_next(&(m), &(field))) > 0)

/* ----------------------------------------------------------------- names */

/* A place where a name stands, and where its value goes. Names within a
 * function are another's in each call. */
struct end {
    struct rn_pb name;
    uint32_t at;    /* in rn_onnx.ends */
    uint32_t scope; /* 0: the graph; else the call's number */
};

struct ends {
    struct end *at;
    size_t count, room;
    uint64_t looked; /* fields of functions gone through */
};

/* The field-th name in a list of them that is `name`; -1 when none is. */
static int place_of(struct rn_pb m, uint32_t number, struct rn_pb name,
                    uint64_t *looked)
{
    struct rn_pb_field field;

    for (int i = 0; rn_pb_next(&m, &field) > 0;) {
        ++*looked;
        if (field.number != number)
            continue;
        if (rn_pb_same(field.bytes, name))
            return i;
        i++;
    }
    return -1;
}

/* The i-th name in a list; false when it has fewer. */
static bool name_at(struct rn_pb m, uint32_t number, int i, struct rn_pb *name)
{
    struct rn_pb_field field;

    while (rn_pb_next(&m, &field) > 0)
        if (field.number == number && i-- == 0) {
            *name = field.bytes;
            return true;
        }
    return false;
}

/* What a name within a function's call is outside of it, and in which call it
 * is at home. */
static struct rn_pb outer_name(const struct rn_onnx_call *call,
                               struct rn_pb name, uint32_t *scope,
                               uint64_t *looked)
{
    const struct rn_pb none = {NULL, 0};

    while (call && name.size > 0) {
        int in = place_of(call->function, ONNX_FUNCTION_INPUT, name, looked);
        int out = place_of(call->function, ONNX_FUNCTION_OUTPUT, name, looked);

        if (in >= 0 && !name_at(call->message, ONNX_NODE_INPUT, in, &name))
            return none; /* left out */
        if (in < 0 &&
            (out < 0 || !name_at(call->message, ONNX_NODE_OUTPUT, out, &name)))
            break;
        call = call->parent;
    }
    *scope = call ? call->number : 0;
    return name;
}

static int add_end(const struct rn_onnx *f, struct ends *ends,
                   const struct rn_onnx_call *call, struct rn_pb name,
                   struct rn_error *err)
{
    uint32_t scope = 0;

    if (ends->count >= RN_ONNX_NAMES)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': more than %d names, which no network has",
                       f->path, RN_ONNX_NAMES);
    if (!rn_grow(&ends->at, &ends->room, ends->count, sizeof(*ends->at)))
        return rn_fail_memory(err, sizeof(*ends->at), "a name");
    name = outer_name(call, name, &scope, &ends->looked);
    if (ends->looked > RN_ONNX_LOOKED)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': functions of more names than any network has",
                       f->path);
    ends->at[ends->count] = (struct end){name, (uint32_t)ends->count, scope};
    ends->count++;
    return RN_OK;
}

static int by_name(const void *a, const void *b)
{
    const struct end *x = a, *y = b;
    size_t least = x->name.size < y->name.size ? x->name.size : y->name.size;
    int order = least ? memcmp(x->name.at, y->name.at, least) : 0;

    if (order)
        return order;
    if (x->name.size != y->name.size)
        return x->name.size > y->name.size ? 1 : -1;
    return (x->scope > y->scope) - (x->scope < y->scope);
}

/* Give equal names one number, the empty one none. */
static int number_names(struct rn_onnx *f, struct ends *ends,
                        struct rn_error *err)
{
    f->ends = rn_alloc(ends->count, sizeof(*f->ends));
    f->names = rn_alloc(ends->count, sizeof(*f->names));
    if (!f->ends || !f->names)
        return rn_fail_memory(err, ends->count * sizeof(*f->names), "names");
    if (ends->count > 0)
        qsort(ends->at, ends->count, sizeof(*ends->at), by_name);
    for (size_t i = 0; i < ends->count; i++) {
        const struct end *e = &ends->at[i];

        if (e->name.size == 0) {
            f->ends[e->at] = RN_ONNX_NONE;
            continue;
        }
        if (i == 0 || by_name(&ends->at[i - 1], e) != 0)
            f->names[f->n_values++] = e->name;
        f->ends[e->at] = (uint32_t)f->n_values - 1;
    }
    return RN_OK;
}

/* ------------------------------------------------------------- operators */

/* Its names and attributes; what it reads goes among the ends. */
static int read_front(struct rn_onnx *f, struct rn_onnx_node *n,
                      struct ends *ends, struct rn_error *err)
{
    struct rn_pb_field field;
    struct rn_pb m = n->message;
    int more, rc = RN_OK, attributes = 0;

    FOR_FIELDS(more, m, field)
    {
        if (field.number == ONNX_NODE_INPUT) {
            n->inputs++;
            rc = add_end(f, ends, n->call, field.bytes, err);
        } else if (field.number == ONNX_NODE_NAME) {
            n->name = field.bytes;
        } else if (field.number == ONNX_NODE_OP) {
            n->op = field.bytes;
        } else if (field.number == ONNX_NODE_DOMAIN) {
            n->domain = field.bytes;
        } else if (field.number == ONNX_NODE_ATTRIBUTE) {
            attributes++;
        }
        if (rc)
            return rc;
    }
    if (more < 0)
        return fail_cut(f, "an operator", err);
    return attributes <= RN_ONNX_ATTRIBUTES
               ? RN_OK
               : rn_fail(err, RN_ERR_DATA,
                         "'%s': an operator of more than %d attributes",
                         f->path, RN_ONNX_ATTRIBUTES);
}

static int read_outputs(struct rn_onnx *f, struct rn_onnx_node *n,
                        struct ends *ends, struct rn_error *err)
{
    struct rn_pb_field field;
    struct rn_pb m = n->message;
    int rc = RN_OK;

    while (!rc && rn_pb_next(&m, &field) > 0)
        if (field.number == ONNX_NODE_OUTPUT) {
            n->outputs++;
            rc = add_end(f, ends, n->call, field.bytes, err);
        }
    return rc;
}

static int read_node(struct rn_onnx *f, struct rn_pb message,
                     const struct rn_onnx_call *call, struct ends *ends,
                     struct rn_error *err)
{
    struct rn_onnx_node n = {.message = message,
                             .call = call,
                             .opset = call ? call->opset : f->opset};

    if (f->n_nodes >= RN_ONNX_NODES)
        return rn_fail(err, RN_ERR_DATA, "'%s': more than %d operators",
                       f->path, RN_ONNX_NODES);
    n.first_input = (uint32_t)ends->count;
    int rc = read_front(f, &n, ends, err);
    n.first_output = (uint32_t)ends->count;
    if (!rc)
        rc = read_outputs(f, &n, ends, err);
    if (!rc && !rn_grow(&f->nodes, &f->nodes_room, f->n_nodes, sizeof(n)))
        rc = rn_fail_memory(err, sizeof(n), "an operator");
    if (!rc)
        f->nodes[f->n_nodes++] = n;
    return rc;
}

/* The attribute of that name in an operator's message, or in a function's;
 * *reference is the name of the function's that it is, or empty. */
static bool find_attribute(struct rn_pb m, uint32_t number, struct rn_pb name,
                           struct rn_onnx_attribute *out,
                           struct rn_pb *reference)
{
    struct rn_pb_field field, inner;

    while (rn_pb_next(&m, &field) > 0) {
        struct rn_pb a = field.bytes;

        if (field.number != number)
            continue;
        *out = (struct rn_onnx_attribute){.message = a};
        *reference = (struct rn_pb){NULL, 0};
        while (rn_pb_next(&a, &inner) > 0) {
            if (inner.number == ONNX_ATTRIBUTE_NAME)
                out->name = inner.bytes;
            else if (inner.number == ONNX_ATTRIBUTE_I)
                out->integer = (int64_t)inner.value;
            else if (inner.number == ONNX_ATTRIBUTE_F)
                out->number = rn_pb_float(inner.value);
            else if (inner.number == ONNX_ATTRIBUTE_S ||
                     inner.number == ONNX_ATTRIBUTE_T)
                out->text = inner.bytes;
            else if (inner.number == ONNX_ATTRIBUTE_REFERENCE)
                *reference = inner.bytes;
        }
        if (rn_pb_same(out->name, name))
            return true;
    }
    return false;
}

bool rn_onnx_attribute(const struct rn_onnx_node *node, const char *name,
                       struct rn_onnx_attribute *out)
{
    const struct rn_onnx_call *call = node->call;
    struct rn_pb wanted = {(const uint8_t *)name, strlen(name)}, reference;
    bool found = find_attribute(node->message, ONNX_NODE_ATTRIBUTE, wanted, out,
                                &reference);

    for (; found && reference.size > 0 && call; call = call->parent) {
        wanted = reference;
        found = find_attribute(call->message, ONNX_NODE_ATTRIBUTE, wanted, out,
                               &reference);
        if (!found && find_attribute(call->function, ONNX_FUNCTION_ATTRIBUTE,
                                     wanted, out, &reference))
            return reference.size == 0;
    }
    return found && reference.size == 0;
}

int rn_onnx_list(const struct rn_onnx_attribute *a, int64_t *out, int most)
{
    struct rn_pb m = a->message;
    struct rn_pb_field field;
    int n = 0;

    while (rn_pb_next(&m, &field) > 0) {
        uint64_t value;

        if (field.number != ONNX_ATTRIBUTE_INTS)
            continue;
        while (rn_pb_number(&field, RN_PB_VARINT, &value) > 0) {
            if (n == most)
                return -1;
            out[n++] = (int64_t)value;
        }
    }
    return n;
}

/* ----------------------------------------------------- inputs and outputs */

static void read_shape(struct rn_pb message, struct rn_onnx_shape *out)
{
    struct rn_pb_field field, inner;

    out->known = true;
    while (rn_pb_next(&message, &field) > 0) {
        struct rn_pb dim = field.bytes;
        int64_t size = 0;

        if (field.number != ONNX_SHAPE_DIM)
            continue;
        while (rn_pb_next(&dim, &inner) > 0)
            if (inner.number == ONNX_DIM_VALUE)
                size = (int64_t)inner.value;
        if (out->dims < RN_TENSOR_DIMS)
            out->dim[out->dims] = size;
        out->dims++;
    }
}

/* The first field of that number within a message; empty without one. */
static struct rn_pb inner_message(struct rn_pb message, uint32_t number)
{
    struct rn_pb_field field;

    while (rn_pb_next(&message, &field) > 0)
        if (field.number == number && field.type == RN_PB_BYTES)
            return field.bytes;
    return (struct rn_pb){0};
}

/* What a graph declares of an input or output: *type is TensorProto's, 0 where
 * none is told. */
static void read_declared(struct rn_pb value, int64_t *type,
                          struct rn_onnx_shape *shape)
{
    struct rn_pb tensor =
        inner_message(inner_message(value, ONNX_VALUE_TYPE), ONNX_TYPE_TENSOR);
    struct rn_pb sizes = inner_message(tensor, ONNX_TENSOR_TYPE_SHAPE);
    struct rn_pb_field field;

    *type = 0;
    *shape = (struct rn_onnx_shape){0};
    if (sizes.at)
        read_shape(sizes, shape);
    while (rn_pb_next(&tensor, &field) > 0)
        if (field.number == ONNX_TENSOR_TYPE_ELEMENT)
            *type = (int64_t)field.value;
}

void rn_onnx_output_type(const struct rn_onnx *f, uint32_t i, int64_t *type,
                         struct rn_onnx_shape *shape)
{
    struct rn_pb m = f->graph;
    struct rn_pb_field field;

    *type = 0;
    *shape = (struct rn_onnx_shape){0};
    while (rn_pb_next(&m, &field) > 0) {
        if (field.number != ONNX_GRAPH_OUTPUT || i-- != 0)
            continue;
        read_declared(field.bytes, type, shape);
        return;
    }
}

/* -------------------------------------------------------------- the graph */

/* Inputs and outputs of the graph, and tensors: their places among ends. */
struct parts {
    struct ends ends;
    struct rn_pb inputs[2]; /* messages of those that are no tensors */
    size_t first_input, n_inputs;
    size_t output, n_outputs;
    size_t first_tensor;
};

static int read_tensors(struct rn_onnx *f, struct parts *p,
                        struct rn_error *err)
{
    struct rn_pb m = f->graph;
    struct rn_pb_field field;
    int rc = RN_OK;

    p->first_tensor = p->ends.count;
    while (!rc && rn_pb_next(&m, &field) > 0) {
        struct rn_onnx_tensor t;

        if (field.number == ONNX_GRAPH_SPARSE)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': it has sparse tensors, which are not read",
                           f->path);
        if (field.number != ONNX_GRAPH_INITIALIZER)
            continue;
        rc = rn_onnx_tensor(f, field.bytes, &t, err);
        if (!rc &&
            !rn_grow(&f->tensors, &f->tensors_room, f->n_tensors, sizeof(t)))
            rc = rn_fail_memory(err, sizeof(t), "a tensor");
        if (rc)
            break;
        f->tensors[f->n_tensors++] = t;
        rc = add_end(f, &p->ends, NULL, t.name, err);
    }
    return rc;
}

/* The names of inputs (or outputs), each an end. */
static int read_values(struct rn_onnx *f, struct parts *p, uint32_t number,
                       size_t *first, size_t *count, struct rn_error *err)
{
    struct rn_pb m = f->graph;
    struct rn_pb_field field;
    int rc = RN_OK;

    *first = p->ends.count;
    while (!rc && rn_pb_next(&m, &field) > 0)
        if (field.number == number) {
            rc = add_end(f, &p->ends, NULL,
                         inner_message(field.bytes, ONNX_VALUE_NAME), err);
            ++*count;
        }
    return rc;
}

static void read_opset(int64_t *opset, struct rn_pb message)
{
    struct rn_pb_field field;
    struct rn_pb domain = {0};
    int64_t version = 0;

    while (rn_pb_next(&message, &field) > 0) {
        if (field.number == ONNX_OPSET_DOMAIN)
            domain = field.bytes;
        else if (field.number == ONNX_OPSET_VERSION)
            version = (int64_t)field.value;
    }
    if (rn_pb_is(domain, "") || rn_pb_is(domain, "ai.onnx"))
        *opset = version;
}

/* The version of the operators that a function is made of: its own, else the
 * model's. */
static int64_t function_opset(const struct rn_onnx *f, struct rn_pb function)
{
    int64_t opset = f->opset;
    struct rn_pb_field field;

    while (rn_pb_next(&function, &field) > 0)
        if (field.number == ONNX_FUNCTION_OPSET)
            read_opset(&opset, field.bytes);
    return opset;
}

/* The function that an operator's message calls; empty for none. */
static struct rn_pb called_function(const struct rn_onnx *f, struct rn_pb m)
{
    const struct rn_pb none = {NULL, 0};

    if (f->n_functions == 0)
        return none;
    struct rn_pb op = inner_message(m, ONNX_NODE_OP);
    struct rn_pb domain = inner_message(m, ONNX_NODE_DOMAIN);
    struct rn_pb overload = inner_message(m, ONNX_NODE_OVERLOAD);
    for (size_t i = 0; i < f->n_functions; i++) {
        const struct rn_onnx_definition *d = &f->functions[i];

        if (rn_pb_same(d->name, op) && rn_pb_same(d->domain, domain) &&
            rn_pb_same(d->overload, overload))
            return d->message;
    }
    return none;
}

/* Messages of operators that are still to be read: of the graph, and of the
 * functions called, each within the one before it. */
struct frame {
    struct rn_pb rest;
    const struct rn_onnx_call *call;
};

static int enter_function(struct rn_onnx *f, struct frame *stack, int *depth,
                          struct rn_pb message, struct rn_pb function,
                          struct rn_error *err)
{
    const struct rn_onnx_call *parent = stack[*depth].call;

    if (*depth + 1 >= RN_ONNX_DEPTH || f->n_calls >= RN_ONNX_NODES)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': function '%.*s' calls itself, or more than %d "
                       "deep",
                       f->path,
                       RN_PB_SHOW(inner_message(function, ONNX_FUNCTION_NAME)),
                       RN_ONNX_DEPTH);
    struct rn_onnx_call *call = rn_slab_alloc(&f->calls, 1, sizeof(*call));
    if (!call)
        return rn_fail_memory(err, sizeof(*call), "a function's call");
    *call = (struct rn_onnx_call){
        .message = message,
        .function = function,
        .parent = parent,
        .number = ++f->n_calls,
        .opset = function_opset(f, function),
    };
    stack[++*depth] = (struct frame){function, call};
    return RN_OK;
}

static int read_nodes(struct rn_onnx *f, struct parts *p, struct rn_error *err)
{
    struct frame stack[RN_ONNX_DEPTH] = {{f->graph, NULL}};
    int depth = 0, rc = RN_OK;

    while (depth >= 0 && !rc) {
        struct frame *top = &stack[depth];
        struct rn_pb_field field;
        int more = rn_pb_next(&top->rest, &field);
        uint32_t number = top->call ? ONNX_FUNCTION_NODE : ONNX_GRAPH_NODE;

        if (more < 0)
            return fail_cut(f, top->call ? "a function" : "the graph", err);
        if (more == 0) {
            depth--;
            continue;
        }
        if (field.number != number)
            continue;
        struct rn_pb function = called_function(f, field.bytes);
        rc = function.at
                 ? enter_function(f, stack, &depth, field.bytes, function, err)
                 : read_node(f, field.bytes, top->call, &p->ends, err);
    }
    return rc;
}

static int by_value(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Tensors' values in order, so that inputs that have one are found; two
 * tensors of one name are refused. */
static int order_tensors(const struct rn_onnx *f, uint32_t **out,
                         struct rn_error *err)
{
    uint32_t *values = *out = rn_alloc(f->n_tensors, sizeof(*values));

    if (!values)
        return rn_fail_memory(err, f->n_tensors * sizeof(*values), "tensors");
    if (f->n_tensors > 0) {
        memcpy(values, f->tensor_values, f->n_tensors * sizeof(*values));
        qsort(values, f->n_tensors, sizeof(*values), by_value);
    }
    for (size_t i = 0; i < f->n_tensors; i++)
        if (values[i] == RN_ONNX_NONE || (i && values[i] == values[i - 1]))
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': two of its tensors have one name, or one "
                           "has none",
                           f->path);
    return RN_OK;
}

/* The one input that no tensor stands for. Older files declare all. */
static int choose_input(struct rn_onnx *f, const struct parts *p,
                        const uint32_t *values, struct rn_error *err)
{
    struct rn_pb m = f->graph;
    struct rn_pb_field field;
    size_t at = p->first_input, found = 0;

    while (rn_pb_next(&m, &field) > 0) {
        if (field.number != ONNX_GRAPH_INPUT)
            continue;
        uint32_t value = f->ends[at++];
        if (value == RN_ONNX_NONE ||
            bsearch(&value, values, f->n_tensors, sizeof(value), by_value))
            continue;
        if (found++ == 0) {
            f->input = value;
            read_declared(field.bytes, &f->type, &f->shape);
        }
    }
    return found == 1 ? RN_OK
                      : rn_fail(err, RN_ERR_DATA,
                                "'%s': the network has %zu inputs, expected "
                                "one picture",
                                f->path, found);
}

static int read_parts(struct rn_onnx *f, struct parts *p, struct rn_error *err)
{
    int rc = read_nodes(f, p, err);

    if (!rc)
        rc = read_tensors(f, p, err);
    if (!rc)
        rc = read_values(f, p, ONNX_GRAPH_INPUT, &p->first_input, &p->n_inputs,
                         err);
    if (!rc)
        rc = read_values(f, p, ONNX_GRAPH_OUTPUT, &p->output, &p->n_outputs,
                         err);
    if (!rc && p->n_outputs == 0)
        rc = rn_fail(err, RN_ERR_DATA, "'%s': the network has no output",
                     f->path);
    if (!rc)
        rc = number_names(f, &p->ends, err);
    if (rc)
        return rc;
    f->tensor_values = f->ends + p->first_tensor;
    f->first_output = (uint32_t)p->output;
    f->n_outputs = (uint32_t)p->n_outputs;
    f->output = f->ends[p->output];
    if (f->output == RN_ONNX_NONE)
        return rn_fail(err, RN_ERR_DATA, "'%s': its output has no name",
                       f->path);
    uint32_t *values = NULL;
    rc = order_tensors(f, &values, err);
    if (!rc)
        rc = choose_input(f, p, values, err);
    rn_free(values);
    return rc;
}

/* -------------------------------------------------------------- the model */

static int add_function(struct rn_onnx *f, struct rn_pb message,
                        struct rn_error *err)
{
    if (f->n_functions >= RN_ONNX_FUNCTIONS)
        return rn_fail(err, RN_ERR_DATA, "'%s': more than %d functions",
                       f->path, RN_ONNX_FUNCTIONS);
    if (!rn_grow(&f->functions, &f->functions_room, f->n_functions,
                 sizeof(*f->functions)))
        return rn_fail_memory(err, sizeof(*f->functions), "a function");
    f->functions[f->n_functions++] = (struct rn_onnx_definition){
        .message = message,
        .name = inner_message(message, ONNX_FUNCTION_NAME),
        .domain = inner_message(message, ONNX_FUNCTION_DOMAIN),
        .overload = inner_message(message, ONNX_FUNCTION_OVERLOAD),
    };
    return RN_OK;
}

static void read_metadata(struct rn_onnx *f, struct rn_pb message)
{
    if (rn_pb_is(inner_message(message, ONNX_ENTRY_KEY), RN_ONNX_DESCRIPTION))
        f->description = inner_message(message, ONNX_ENTRY_VALUE);
}

static int read_model(struct rn_onnx *f, struct rn_pb m, struct rn_error *err)
{
    struct parts parts = {0};
    struct rn_pb_field field;
    int more, rc = RN_OK;

    FOR_FIELDS(more, m, field)
    {
        if (field.number == ONNX_MODEL_GRAPH)
            f->graph = field.bytes;
        else if (field.number == ONNX_MODEL_OPSET)
            read_opset(&f->opset, field.bytes);
        else if (field.number == ONNX_MODEL_FUNCTION &&
                 (rc = add_function(f, field.bytes, err)))
            return rc;
        else if (field.number == ONNX_MODEL_PRODUCER)
            f->producer = field.bytes;
        else if (field.number == ONNX_MODEL_METADATA)
            read_metadata(f, field.bytes);
    }
    if (more < 0)
        return fail_cut(f, "the model", err);
    if (!f->graph.at || f->opset < 1)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': no ONNX file: it has no graph, or no version of "
                       "the operators",
                       f->path);
    rc = read_parts(f, &parts, err);
    rn_free(parts.ends.at);
    return rc;
}

bool rn_onnx_is(const char *path, const uint8_t *bytes, size_t size)
{
    /* The first field as writers have it: the format's version. A length of
     * a safetensors header may begin with the same byte. */
    const uint8_t first = ONNX_MODEL_IR_VERSION << 3 | RN_PB_VARINT;

    (void)path;
    return size > 2 && bytes[0] == first && !rn_st_begins(bytes, size);
}

int rn_onnx_parse(struct rn_onnx *f, const uint8_t *bytes, size_t size,
                  const char *path, struct rn_error *err)
{
    memset(f, 0, sizeof(*f));
    f->path = path;
    return read_model(f, (struct rn_pb){bytes, size}, err);
}

int rn_onnx_open(struct rn_onnx *f, const char *path, struct rn_error *err)
{
    uint8_t *bytes;
    size_t size;

    memset(f, 0, sizeof(*f));
    int rc = rn_file_read(path, INT32_MAX, &bytes, &size, err);
    if (rc)
        return rc;
    rc = rn_onnx_parse(f, bytes, size, path, err);
    f->file = bytes;
    return rc;
}

void rn_onnx_close(struct rn_onnx *f)
{
    rn_free(f->nodes);
    rn_free(f->functions);
    rn_slab_free(&f->calls);
    rn_free(f->ends);
    rn_free(f->names);
    rn_free(f->tensors);
    rn_free(f->file);
    memset(f, 0, sizeof(*f));
}
