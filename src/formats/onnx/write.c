/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes a graph as an ONNX model. */
#include "formats/onnx/onnx.h"

#include "core/count.h"
#include "core/file.h"
#include "core/memory.h"
#include "model/file.h"
#include "formats/onnx/fields.h"
#include "formats/onnx/functions.h"
#include "core/protobuf.h"
#include "graph/operation.h"
#include "graph/quantization.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define IR_VERSION    8 /* the oldest that goes with the opset: format_of() */
#define OPSET         17
#define OPSET_DILATED 19 /* the first with a dilated mean */
#define OPSET_16_BITS 21 /* and with numbers of 16 bits */
#define OPSET_DROPPED 22 /* and with pools that drop a window */
#define NAME_SIZE     200
#define INPUT         "input"
#define INPUT_ROUNDED "input.rounded"
#define PICTURE       4 /* dimensions: batch, channel, row, column */
#define NONE          (-1)

struct onnx_out {
    struct rn_pb_out pb;
    const struct rn_graph *g;
    bool quantized; /* some of its weights are in 8 bits */
    struct rn_slab slab;
    bool *pictures;     /* by value: who reads it wants rows and columns */
    const char **names; /* by node: what it is called in the file */
    int v;              /* node being written */
    char made[NAME_SIZE];
    const char *unknown; /* an attribute that no spelling is known of */
    const struct rn_node *unwritten; /* a rounding that no type is of */
};

/* ------------------------------------------------------------ attributes */

static size_t begin_attribute(struct onnx_out *o, const char *name,
                              uint64_t type)
{
    size_t at = rn_pb_begin(&o->pb, ONNX_NODE_ATTRIBUTE);

    rn_pb_put_text(&o->pb, ONNX_ATTRIBUTE_NAME, name);
    rn_pb_put_varint(&o->pb, ONNX_ATTRIBUTE_TYPE, type);
    return at;
}

static void put_int(struct onnx_out *o, const char *name, int value)
{
    size_t at = begin_attribute(o, name, ONNX_TYPE_INT);

    rn_pb_put_varint(&o->pb, ONNX_ATTRIBUTE_I, (uint64_t)value);
    rn_pb_end(&o->pb, at);
}

static void put_float(struct onnx_out *o, const char *name, float value)
{
    size_t at = begin_attribute(o, name, ONNX_TYPE_FLOAT);

    rn_pb_put_float(&o->pb, ONNX_ATTRIBUTE_F, value);
    rn_pb_end(&o->pb, at);
}

static void put_ints(struct onnx_out *o, const char *name, size_t n,
                     const int *values)
{
    size_t at = begin_attribute(o, name, ONNX_TYPE_INTS);

    for (size_t i = 0; i < n; i++)
        rn_pb_put_varint(&o->pb, ONNX_ATTRIBUTE_INTS, (uint64_t)values[i]);
    rn_pb_end(&o->pb, at);
}

/* What an attribute of ours is called there. */
static const struct spelling {
    const char *own, *onnx; /* NULL: the parameters' shapes tell it */
    bool usual_left_out;    /* where it is `usual` in all its numbers */
    int usual;
} spellings[] = {
    {"channels", NULL, false, 0},
    {"bias", NULL, false, 0},
    {"kernel", "kernel_shape", false, 0},
    {"stride", "strides", false, 0},
    {"padding", "pads", false, 0},
    {"dilation", "dilations", true, 1},
    {"groups", "group", true, 1},
    {"ceil", "ceil_mode", true, 0},
    {"count_padding", "count_include_pad", true, 0},
    {"eps", "epsilon", false, 0},
    {"slope", "alpha", false, 0},
    {"size", "size", false, 0},
    {"alpha", "alpha", false, 0},
    {"beta", "beta", false, 0},
    {"k", "bias", false, 0},
};

static const struct spelling *spelling_of(const char *own)
{
    for (size_t i = 0; i < COUNT(spellings); i++)
        if (strcmp(own, spellings[i].own) == 0)
            return &spellings[i];
    return NULL;
}

static bool is_usual(const struct spelling *s, const int *numbers, int count)
{
    for (int i = 0; i < count; i++)
        if (numbers[i] != s->usual)
            return false;
    return s->usual_left_out;
}

static void put_attribute(struct onnx_out *o, const struct rn_attribute *a,
                          const struct rn_node *n)
{
    const struct spelling *s = spelling_of(a->name);
    int numbers[RN_ATTRIBUTE_NUMBERS], count = rn_attribute_count(a->type);

    if (!s)
        o->unknown = a->name;
    if (!s || !s->onnx)
        return;
    if (a->type == RN_ATTRIBUTE_REAL) {
        put_float(o, s->onnx, rn_attribute_real(a, n));
        return;
    }
    rn_attribute_get(a, n, numbers);
    if (is_usual(s, numbers, count))
        return;
    if (count > 1)
        put_ints(o, s->onnx, (size_t)count, numbers);
    else
        put_int(o, s->onnx, numbers[0]);
}

/* ----------------------------------------------------------------- names */

static const struct rn_node *node_of(const struct onnx_out *o)
{
    return &o->g->nodes[o->v];
}

/* The node that alone reads a value, or NONE. */
static int only_reader(const struct rn_graph *g, int v)
{
    int reader = NONE;

    for (size_t i = (size_t)v + 1; i < g->n_nodes; i++)
        if (rn_node_reads(&g->nodes[i], v)) {
            if (reader != NONE)
                return NONE;
            reader = (int)i;
        }
    return v == g->output ? NONE : reader;
}

/* The parameter of a node in that place, or NULL. */
static const struct rn_param *param_of(const struct rn_graph *g, int v,
                                       int place)
{
    int i = g->nodes[v].param[place];

    return i < 0 ? NULL : &g->params[i];
}

static bool has_bytes(const struct onnx_out *o, int v)
{
    const struct rn_param *w = param_of(o->g, v, RN_P_WEIGHT);

    return w && w->scales;
}

/* What batch norm does to a channel: times *factor, plus *shift. */
static void norm_channel(const struct rn_graph *g, int norm, size_t channel,
                         double *factor, double *shift)
{
    double at[4];

    for (int place = 0; place < 4; place++)
        at[place] = (double)param_of(g, norm, place)->data[channel];
    *factor = at[RN_P_WEIGHT] / sqrt(at[RN_P_VAR] + (double)g->nodes[norm].eps);
    *shift = at[RN_P_BIAS] - at[RN_P_MEAN] * *factor;
}

static bool has_least(const struct rn_param *w, size_t channel)
{
    size_t row = w->count / w->dim[0];

    for (size_t i = channel * row; i < (channel + 1) * row; i++)
        if (rn_quant_number(w->data[i], w->scales[channel]) == RN_QUANT_LEAST)
            return true;
    return false;
}

/* The batch norm that weights in 8 bits take in, or NONE: where each scale
 * times its factor is one, too. A negative factor turns the weights' signs,
 * and -128 has no opposite. */
static int folded_norm(const struct onnx_out *o, int v)
{
    const struct rn_param *w = param_of(o->g, v, RN_P_WEIGHT);
    int norm = has_bytes(o, v) ? only_reader(o->g, v) : NONE;

    if (norm < 0 || o->g->nodes[v].op != RN_OP_CONV ||
        o->g->nodes[norm].op != RN_OP_BATCH_NORM)
        return NONE;
    for (size_t c = 0; c < w->dim[0]; c++) {
        double factor, shift;

        norm_channel(o->g, norm, c, &factor, &shift);
        if (factor != 0 &&
            rn_scale_fault((float)(fabs(factor) * (double)w->scales[c])))
            return NONE;
        if (factor < 0 && has_least(w, c))
            return NONE;
    }
    return norm;
}

static bool is_folded(const struct onnx_out *o, int v)
{
    const struct rn_node *n = &o->g->nodes[v];

    return n->op == RN_OP_BATCH_NORM && folded_norm(o, n->input[0]) == v;
}

/* What an output is called. */
static const char *output_name(enum rn_output kind)
{
    switch (kind) {
    case RN_OUTPUT_PROBABILITIES:
    case RN_OUTPUT_INDEPENDENT:
        return "probabilities";
    case RN_OUTPUT_LOG_PROBABILITIES:
        return "log_probabilities";
    default:
        return "logits";
    }
}

/* Whether the value is all there is of the output: [batch,classes]. */
static bool is_logits(const struct onnx_out *o, int v)
{
    return v == o->g->output && o->g->nodes[v].op == RN_OP_LINEAR &&
           !o->pictures[v];
}

/* How a value is written in 8 bits; within a step of the plan, and where it is
 * float32, not at all (scale 0). Pools and option A leave it as it was. */
static struct rn_quant quant_of(const struct onnx_out *o, int v)
{
    const struct rn_node *n = &o->g->nodes[v];
    int reader = o->quantized ? only_reader(o->g, v) : NONE;
    enum rn_op op = reader < 0 ? RN_OP_COUNT : o->g->nodes[reader].op;

    if (!o->quantized || op == RN_OP_RELU || op == RN_OP_BATCH_NORM)
        return (struct rn_quant){0, 0};
    return n->op == RN_OP_MAX_POOL || n->op == RN_OP_SUBSAMPLE_PAD
               ? quant_of(o, n->input[0])
               : n->quant;
}

/* What reads a value reads it by this name; rounded, where it is. */
static const char *value_name(const struct onnx_out *o, int v)
{
    if (v == 0)
        return quant_of(o, v).scale != 0 ? INPUT_ROUNDED : INPUT;
    return is_logits(o, v) ? output_name(o->g->kind) : o->names[v];
}

/* The same, of what an operator of the node being written makes. */
static const char *made_name(struct onnx_out *o)
{
    int norm = folded_norm(o, o->v), v = norm < 0 ? o->v : norm;

    if (quant_of(o, v).scale == 0)
        return value_name(o, v);
    snprintf(o->made, NAME_SIZE, "%s.float", o->g->nodes[v].name);
    return o->made;
}

/* Whether the file has a value or an operator of that name besides the node's
 * own: its ends, which the writer names, or a tensor. */
static bool is_reserved(const struct onnx_out *o, int v, const char *name)
{
    const char *const logits = output_name(o->g->kind);
    const char *const last = output_name(o->g->head);
    bool own = is_logits(o, v); /* it is the end that has its name */

    return strcmp(name, INPUT) == 0 || strcmp(name, INPUT_ROUNDED) == 0 ||
           (strcmp(name, logits) == 0 && !own) ||
           (strcmp(name, last) == 0 && (!own || last != logits)) ||
           rn_graph_param(o->g, name);
}

static bool is_name_of_node(const struct rn_graph *g, const char *name)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        if (strcmp(g->nodes[i].name, name) == 0)
            return true;
    return false;
}

/* A name like the node's that nothing else has; NULL for want of memory. */
static const char *free_name(struct onnx_out *o, int v)
{
    char *name = rn_slab_alloc(&o->slab, NAME_SIZE, 1);
    int n = 1;

    do
        if (name)
            snprintf(name, NAME_SIZE, "%.150s.value%d", o->g->nodes[v].name,
                     n++);
    while (name && (is_reserved(o, v, name) || is_name_of_node(o->g, name)));
    return name;
}

/* False for want of memory. */
static bool find_names(struct onnx_out *o)
{
    for (size_t i = 0; i < o->g->n_nodes; i++) {
        const char *own = o->g->nodes[i].name;

        o->names[i] =
            i > 0 && is_reserved(o, (int)i, own) ? free_name(o, (int)i) : own;
        if (!o->names[i])
            return false;
    }
    return true;
}

/* "NAME.PART", for what a node of ours needs beside its own. */
static const char *part_name(const struct onnx_out *o, const char *part,
                             char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "%s.%s", node_of(o)->name, part);
    return name;
}

/* ----------------------------------------------------------------- nodes */

/* One operator; its inputs follow. */
static size_t begin_node(struct onnx_out *o, const char *op, const char *name,
                         const char *output)
{
    size_t at = rn_pb_begin(&o->pb, ONNX_GRAPH_NODE);

    rn_pb_put_text(&o->pb, ONNX_NODE_OP, op);
    rn_pb_put_text(&o->pb, ONNX_NODE_NAME, name);
    rn_pb_put_text(&o->pb, ONNX_NODE_OUTPUT, output);
    return at;
}

static void put_input(struct onnx_out *o, const char *name)
{
    rn_pb_put_text(&o->pb, ONNX_NODE_INPUT, name);
}

/* Parameters stand in the order that ONNX's operators have them in. A bias is
 * all that a batch norm leaves of itself. */
static void put_params(struct onnx_out *o)
{
    char bias[NAME_SIZE];

    for (int i = 0; i < 4; i++)
        if (node_of(o)->param[i] >= 0)
            put_input(o, o->g->params[node_of(o)->param[i]].name);
    if (!node_of(o)->bias && folded_norm(o, o->v) >= 0)
        put_input(o, part_name(o, "bias", bias));
}

/* The one operator that a node of ours is, its inputs and parameters. */
static size_t begin_same(struct onnx_out *o, const char *op)
{
    const struct rn_node *n = node_of(o);
    size_t at = begin_node(o, op, o->names[o->v], made_name(o));

    for (int i = 0; i < n->n_inputs; i++)
        put_input(o, value_name(o, n->input[i]));
    put_params(o);
    return at;
}

static void put_flatten(struct onnx_out *o, const char *from, const char *to)
{
    size_t at = begin_node(o, "Flatten", to, to);

    put_input(o, from);
    put_int(o, "axis", 1);
    rn_pb_end(&o->pb, at);
}

/* The operator that has our operation's attributes by other names, but
 * `without`. */
static void put_walk(struct onnx_out *o, const char *op, const char *without)
{
    const struct rn_operation *own = rn_operation_of(node_of(o)->op);
    size_t at = begin_same(o, op);

    for (size_t i = 0; i < own->n_attributes; i++)
        if (strcmp(own->attributes[i].name, without) != 0)
            put_attribute(o, &own->attributes[i], node_of(o));
    rn_pb_end(&o->pb, at);
}

static void put_walked(struct onnx_out *o, const char *op)
{
    put_walk(o, op, "");
}

/* The largest is the same with padding or without. */
static void put_max_pool(struct onnx_out *o, const char *op)
{
    put_walk(o, op, "count_padding");
}

static void put_channelwise(struct onnx_out *o, const char *op)
{
    size_t at = begin_same(o, op);

    put_int(o, "axis", 1);
    rn_pb_end(&o->pb, at);
}

/* Its momentum is the old value's share. */
static void put_batch_norm(struct onnx_out *o, const char *op)
{
    size_t at = begin_same(o, op);

    put_float(o, "epsilon", node_of(o)->eps);
    put_float(o, "momentum", 1 - node_of(o)->momentum);
    rn_pb_end(&o->pb, at);
}

/* ------------------------------------------------- tensors beside the model */

static void put_tensor(struct onnx_out *o, const char *name, uint64_t type,
                       int dims, const size_t *dim, const void *data,
                       size_t bytes)
{
    size_t at = rn_pb_begin(&o->pb, ONNX_GRAPH_INITIALIZER);

    for (int i = 0; i < dims; i++)
        rn_pb_put_varint(&o->pb, ONNX_TENSOR_DIMS, dim[i]);
    rn_pb_put_varint(&o->pb, ONNX_TENSOR_TYPE, type);
    rn_pb_put_text(&o->pb, ONNX_TENSOR_NAME, name);
    rn_pb_put_bytes(&o->pb, ONNX_TENSOR_RAW, data, bytes);
    rn_pb_end(&o->pb, at);
}

/* A list of numbers that an operator reads; its name. */
static const char *put_list(struct onnx_out *o, const char *part, size_t n,
                            const int64_t *values, char name[NAME_SIZE])
{
    part_name(o, part, name);
    put_tensor(o, name, ONNX_INT64, 1, &n, values, n * sizeof(*values));
    return name;
}

static void put_clip(struct onnx_out *o, const char *op)
{
    const float ends[] = {node_of(o)->low, node_of(o)->high};
    static const char *const parts[] = {"min", "max"};
    char names[2][NAME_SIZE];

    for (int i = 0; i < 2; i++)
        put_tensor(o, part_name(o, parts[i], names[i]), ONNX_FLOAT, 0, NULL,
                   &ends[i], sizeof(ends[i]));
    size_t at = begin_same(o, op);
    for (int i = 0; i < 2; i++)
        put_input(o, names[i]);
    rn_pb_end(&o->pb, at);
}

/* HardSwish has the numbers of its name; others are a product. */
static bool has_usual_numbers(const struct rn_node *n,
                              const struct rn_onnx_function *f)
{
    return n->function != RN_FUNCTION_HARD_SWISH ||
           (n->a == f->a_else && n->b == f->b_else);
}

/* x times hard sigmoid of it. */
static void put_gate(struct onnx_out *o)
{
    const struct rn_node *n = node_of(o);
    char gate[NAME_SIZE];

    part_name(o, "gate", gate);
    size_t at = begin_node(o, "HardSigmoid", gate, gate);
    put_input(o, value_name(o, n->input[0]));
    put_float(o, "alpha", n->a);
    put_float(o, "beta", n->b);
    rn_pb_end(&o->pb, at);
    at = begin_same(o, "Mul");
    put_input(o, gate);
    rn_pb_end(&o->pb, at);
}

static void put_text(struct onnx_out *o, const char *name, const char *value)
{
    size_t at = begin_attribute(o, name, ONNX_TYPE_STRING);

    rn_pb_put_text(&o->pb, ONNX_ATTRIBUTE_S, value);
    rn_pb_end(&o->pb, at);
}

static void put_activation(struct onnx_out *o, const char *op)
{
    const struct rn_node *n = node_of(o);
    const struct rn_onnx_function *f = rn_onnx_function_of(n->function);
    char exponent[NAME_SIZE];

    (void)op;
    if (!has_usual_numbers(n, f)) {
        put_gate(o);
        return;
    }
    if (n->function == RN_FUNCTION_POWER)
        put_tensor(o, part_name(o, "exponent", exponent), ONNX_FLOAT, 0, NULL,
                   &n->a, sizeof(n->a));
    size_t at = begin_same(o, f->op);
    if (n->function == RN_FUNCTION_POWER)
        put_input(o, exponent);
    if (n->function == RN_FUNCTION_GELU_TANH)
        put_text(o, "approximate", "tanh");
    if (f->a)
        put_float(o, f->a, n->a);
    if (f->b)
        put_float(o, f->b, n->b);
    rn_pb_end(&o->pb, at);
}

/* Numbers that values are rounded to. */
static const struct integers {
    float low, high;
    uint64_t type;
    size_t bytes;
    int opset;
} integers[] = {
    {0, 255, ONNX_UINT8, 1, 0},
    {-128, 127, ONNX_INT8, 1, 0},
    {0, 65535, ONNX_UINT16, 2, OPSET_16_BITS},
    {-32768, 32767, ONNX_INT16, 2, OPSET_16_BITS},
};

/* Those of a layer that rounds; NULL: ONNX has none of its range. */
static const struct integers *integers_of(const struct rn_node *n)
{
    for (size_t i = 0; i < COUNT(integers); i++)
        if (n->low == integers[i].low && n->high == integers[i].high &&
            n->b == rintf(n->b))
            return &integers[i];
    return NULL;
}

/* To a whole number and back. */
static void put_quantize(struct onnx_out *o, const char *op)
{
    const struct rn_node *n = node_of(o);
    const struct integers *to = integers_of(n);
    const uint16_t zero = (uint16_t)(int)n->b; /* of any type, the same bits */
    static const char *const parts[] = {"step", "zero", "quantized"};
    char names[3][NAME_SIZE];

    if (!to) {
        o->unwritten = n;
        return;
    }
    for (int i = 0; i < 3; i++)
        part_name(o, parts[i], names[i]);
    put_tensor(o, names[0], ONNX_FLOAT, 0, NULL, &n->a, sizeof(n->a));
    put_tensor(o, names[1], to->type, 0, NULL, &zero, to->bytes);
    size_t at = begin_node(o, op, names[2], names[2]);
    put_input(o, value_name(o, n->input[0]));
    put_input(o, names[0]);
    put_input(o, names[1]);
    rn_pb_end(&o->pb, at);
    at = begin_node(o, "DequantizeLinear", o->names[o->v], made_name(o));
    put_input(o, names[2]);
    put_input(o, names[0]);
    put_input(o, names[1]);
    rn_pb_end(&o->pb, at);
}

/* ---------------------------------------------------------------- in 8 bits */

/* Floats `to` from the integers `from`; zero: none; axis: of scales, or NONE.
 */
static void put_dequantize(struct onnx_out *o, const char *to, const char *from,
                           const char *scale, const char *zero, int axis)
{
    char name[NAME_SIZE];

    snprintf(name, NAME_SIZE, "%.180s.floats", from);
    size_t at = begin_node(o, "DequantizeLinear", name, to);
    put_input(o, from);
    put_input(o, scale);
    if (zero)
        put_input(o, zero);
    if (axis != NONE)
        put_int(o, "axis", axis);
    rn_pb_end(&o->pb, at);
}

/* The node's value, rounded to 8 bits. */
static void put_rounding(struct onnx_out *o, struct rn_quant q)
{
    const uint8_t zero = (uint8_t)q.zero;
    char from[NAME_SIZE], bytes[NAME_SIZE], names[2][NAME_SIZE];

    part_name(o, "float", from);
    part_name(o, "bytes", bytes);
    put_tensor(o, part_name(o, "scale", names[0]), ONNX_FLOAT, 0, NULL,
               &q.scale, sizeof(q.scale));
    put_tensor(o, part_name(o, "zero_point", names[1]), ONNX_UINT8, 0, NULL,
               &zero, sizeof(zero));
    size_t at = begin_node(o, "QuantizeLinear", bytes, bytes);
    put_input(o, o->v == 0 ? INPUT : from);
    put_input(o, names[0]);
    put_input(o, names[1]);
    rn_pb_end(&o->pb, at);
    put_dequantize(o, value_name(o, o->v), bytes, names[0], names[1], NONE);
}

/* Weights in 8 bits as they are to be written, all by output channel. */
struct bytes {
    int8_t *numbers, *zeros;
    float *scales;
    double *shifts;  /* of what comes out */
    int32_t *starts; /* the same, in the sums' own unit */
    float *biases;   /* the same, in float32 */
};

/* Channel c through batch norm. */
static void fold_channel(const struct onnx_out *o, int norm, size_t c,
                         struct bytes *b)
{
    const struct rn_param *w = param_of(o->g, o->v, RN_P_WEIGHT);
    const struct rn_param *bias = param_of(o->g, o->v, RN_P_BIAS);
    size_t row = w->count / w->dim[0];
    int8_t *numbers = b->numbers + c * row;
    double factor = 1, shift = 0;

    if (norm >= 0)
        norm_channel(o->g, norm, c, &factor, &shift);
    b->shifts[c] = shift + (bias ? factor * (double)bias->data[c] : 0);
    b->scales[c] =
        factor == 0 ? 1 : (float)(fabs(factor) * (double)w->scales[c]);
    for (size_t i = 0; i < row && factor <= 0; i++)
        numbers[i] = (int8_t)(factor < 0 ? -numbers[i] : 0);
}

/* Biases as whole numbers of what one of a sum of products is worth, as
 * convolutions of integers take them; false where 32 bits do not hold them. */
static bool count_biases(size_t outs, float input, struct bytes *b,
                         float *units)
{
    for (size_t c = 0; c < outs; c++) {
        double number;

        units[c] = input * b->scales[c];
        number = rint(b->shifts[c] / (double)units[c]);
        if (rn_scale_fault(units[c]) || !(fabs(number) <= INT32_MAX))
            return false;
        b->starts[c] = (int32_t)number;
    }
    return true;
}

static void put_biases(struct onnx_out *o, struct bytes *b)
{
    const struct rn_param *w = param_of(o->g, o->v, RN_P_WEIGHT);
    const struct rn_param *own = param_of(o->g, o->v, RN_P_BIAS);
    const struct rn_quant q = quant_of(o, node_of(o)->input[0]);
    char part[NAME_SIZE], bytes[NAME_SIZE], units[NAME_SIZE];
    const char *name = own ? own->name : part_name(o, "bias", part);

    if (q.scale != 0 && count_biases(w->dim[0], q.scale, b, b->biases)) {
        put_tensor(o, part_name(o, "bias.int32", bytes), ONNX_INT32, 1, w->dim,
                   b->starts, w->dim[0] * sizeof(*b->starts));
        put_tensor(o, part_name(o, "bias.scales", units), ONNX_FLOAT, 1, w->dim,
                   b->biases, w->dim[0] * sizeof(*b->biases));
        put_dequantize(o, name, bytes, units, NULL, 0);
        return;
    }
    for (size_t c = 0; c < w->dim[0]; c++)
        b->biases[c] = (float)b->shifts[c];
    put_tensor(o, name, ONNX_FLOAT, 1, w->dim, b->biases,
               w->dim[0] * sizeof(*b->biases));
}

static void put_bytes(struct onnx_out *o, int norm, struct bytes *b)
{
    const struct rn_param *w = param_of(o->g, o->v, RN_P_WEIGHT);
    size_t outs = w->dim[0];
    char names[3][NAME_SIZE];

    rn_quant_numbers(w, b->numbers);
    for (size_t c = 0; c < outs; c++)
        fold_channel(o, norm, c, b);
    put_tensor(o, part_name(o, "weight.int8", names[0]), ONNX_INT8, w->dims,
               w->dim, b->numbers, w->count);
    put_tensor(o, part_name(o, "weight.scales", names[1]), ONNX_FLOAT, 1,
               w->dim, b->scales, outs * sizeof(*b->scales));
    put_tensor(o, part_name(o, "weight.zero_points", names[2]), ONNX_INT8, 1,
               w->dim, b->zeros, outs);
    put_dequantize(o, w->name, names[0], names[1], names[2], 0);
    if (norm >= 0 || node_of(o)->param[RN_P_BIAS] >= 0)
        put_biases(o, b);
}

/* The parameters of a node with weights in 8 bits, batch norm folded in. */
static void put_weights(struct onnx_out *o)
{
    const struct rn_param *w = param_of(o->g, o->v, RN_P_WEIGHT);
    struct rn_slab slab = {0};
    struct bytes b = {
        .numbers = rn_slab_alloc(&slab, w->count, sizeof(*b.numbers)),
        .zeros = rn_slab_alloc(&slab, w->dim[0], sizeof(*b.zeros)),
        .scales = rn_slab_alloc(&slab, w->dim[0], sizeof(*b.scales)),
        .shifts = rn_slab_alloc(&slab, w->dim[0], sizeof(*b.shifts)),
        .starts = rn_slab_alloc(&slab, w->dim[0], sizeof(*b.starts)),
        .biases = rn_slab_alloc(&slab, w->dim[0], sizeof(*b.biases)),
    };

    if (b.numbers && b.zeros && b.scales && b.shifts && b.starts && b.biases)
        put_bytes(o, folded_norm(o, o->v), &b);
    else
        o->pb.failed = true;
    rn_slab_free(&slab);
}

/* Whether a parameter is written with its node, or not at all. */
static bool is_apart(const struct onnx_out *o, size_t param)
{
    for (size_t v = 0; o->quantized && v < o->g->n_nodes; v++)
        for (int place = 0; place < 4; place++)
            if (o->g->nodes[v].param[place] == (int)param)
                return has_bytes(o, (int)v) || is_folded(o, (int)v);
    return false;
}

/* ------------------------------------------------------------ more operators
 */

/* Channels to pictures of one pixel. */
static void put_unsqueeze(struct onnx_out *o, const char *from, const char *to)
{
    static const int64_t plane[] = {2, 3};
    char axes[NAME_SIZE], name[NAME_SIZE];

    put_list(o, "axes", COUNT(plane), plane, axes);
    size_t at = begin_node(o, "Unsqueeze", part_name(o, "picture", name), to);
    put_input(o, from);
    put_input(o, axes);
    rn_pb_end(&o->pb, at);
}

static void put_linear(struct onnx_out *o, const char *op)
{
    const bool picture = o->pictures[o->v];
    char flat[NAME_SIZE], list[NAME_SIZE];

    part_name(o, "flatten", flat);
    part_name(o, "list", list);
    put_flatten(o, value_name(o, node_of(o)->input[0]), flat);
    size_t at =
        begin_node(o, op, o->names[o->v], picture ? list : made_name(o));
    put_input(o, flat);
    put_params(o);
    put_int(o, "transB", 1);
    rn_pb_end(&o->pb, at);
    if (picture)
        put_unsqueeze(o, list, made_name(o));
}

/* Slopes stand before rows and columns. */
static void put_prelu(struct onnx_out *o, const char *op)
{
    const struct rn_node *n = node_of(o);
    const struct rn_param *p = &o->g->params[n->param[RN_P_WEIGHT]];
    const int64_t sizes[] = {n->shape.c, 1, 1};
    char list[NAME_SIZE], slopes[NAME_SIZE];

    put_list(o, "sizes", 3, sizes, list);
    part_name(o, "slopes", slopes);
    size_t at = begin_node(o, "Reshape", slopes, slopes);
    put_input(o, p->name);
    put_input(o, list);
    rn_pb_end(&o->pb, at);
    at = begin_node(o, op, o->names[o->v], made_name(o));
    put_input(o, value_name(o, n->input[0]));
    put_input(o, slopes);
    rn_pb_end(&o->pb, at);
}

/* Windows of one size and stride are a usual pool's. */
static void put_adaptive(struct onnx_out *o, const char *op)
{
    const struct rn_node *n = node_of(o);
    const struct rn_shape in = o->g->nodes[n->input[0]].shape;
    const int window[] = {in.h / n->shape.h, in.w / n->shape.w};

    if (in.h % n->shape.h || in.w % n->shape.w) {
        o->unknown = "output";
        return;
    }
    size_t at = begin_same(o, op);
    put_ints(o, "kernel_shape", COUNT(window), window);
    put_ints(o, "strides", COUNT(window), window);
    rn_pb_end(&o->pb, at);
}

static void put_select(struct onnx_out *o, const char *op)
{
    const struct rn_node *n = node_of(o);
    const struct rn_selection *p = &n->selection;
    const size_t count = (size_t)n->shape.c;
    char name[NAME_SIZE];
    int64_t *list = rn_alloc(count, sizeof(*list));

    if (!list) {
        o->pb.failed = true;
        return;
    }
    for (int i = 0; i < n->shape.c; i++)
        list[i] = p->first + (int64_t)(i % p->inner) * p->step +
                  (int64_t)(i / p->inner) * p->outer;
    put_list(o, "channels", count, list, name);
    rn_free(list);
    size_t at = begin_same(o, op);
    put_input(o, name);
    put_int(o, "axis", 1);
    rn_pb_end(&o->pb, at);
}

/* One operator of one or two values, into "NAME.PART"; its name. */
static const char *put_part(struct onnx_out *o, const char *op, const char *a,
                            const char *b, const char *part,
                            char name[NAME_SIZE])
{
    part_name(o, part, name);
    size_t at = begin_node(o, op, name, name);
    put_input(o, a);
    if (b)
        put_input(o, b);
    rn_pb_end(&o->pb, at);
    return name;
}

/* Halves of channels, and of them x + T (H - x). */
static void put_highway(struct onnx_out *o, const char *op)
{
    const struct rn_node *n = node_of(o);
    const char *z = value_name(o, n->input[0]), *x = value_name(o, n->input[1]);
    const int64_t sizes[] = {n->shape.c, n->shape.c};
    char halves[3][NAME_SIZE], made[4][NAME_SIZE];

    put_list(o, "sizes", 2, sizes, halves[2]);
    part_name(o, "h", halves[0]);
    part_name(o, "t", halves[1]);
    size_t at = begin_node(o, "Split", halves[0], halves[0]);
    rn_pb_put_text(&o->pb, ONNX_NODE_OUTPUT, halves[1]);
    put_input(o, z);
    put_input(o, halves[2]);
    put_int(o, "axis", 1);
    rn_pb_end(&o->pb, at);
    put_part(o, "Relu", halves[0], NULL, "relu", made[0]);
    put_part(o, "Sigmoid", halves[1], NULL, "gate", made[1]);
    put_part(o, "Sub", made[0], x, "step", made[2]);
    put_part(o, "Mul", made[1], made[2], "share", made[3]);
    at = begin_node(o, op, o->names[o->v], made_name(o));
    put_input(o, x);
    put_input(o, made[3]);
    rn_pb_end(&o->pb, at);
}

static const char *piece_name(const struct onnx_out *o, int piece,
                              char name[NAME_SIZE])
{
    char part[32];

    snprintf(part, sizeof(part), "piece%d", piece);
    return part_name(o, part, name);
}

/* The pieces apart, then the largest of them. */
static void put_maxout(struct onnx_out *o, const char *op)
{
    const struct rn_node *n = node_of(o);
    char split[NAME_SIZE], list[NAME_SIZE], piece[NAME_SIZE];
    int64_t sizes[RN_PIECES_MOST];

    for (int i = 0; i < n->pieces; i++)
        sizes[i] = n->shape.c;
    put_list(o, "sizes", (size_t)n->pieces, sizes, list);
    part_name(o, "split", split);
    size_t at = begin_node(o, "Split", split, piece_name(o, 0, piece));
    for (int i = 1; i < n->pieces; i++)
        rn_pb_put_text(&o->pb, ONNX_NODE_OUTPUT, piece_name(o, i, piece));
    put_input(o, value_name(o, n->input[0]));
    put_input(o, list);
    put_int(o, "axis", 1);
    rn_pb_end(&o->pb, at);
    at = begin_node(o, op, o->names[o->v], made_name(o));
    for (int i = 0; i < n->pieces; i++)
        put_input(o, piece_name(o, i, piece));
    rn_pb_end(&o->pb, at);
}

static void put_zero_pad(struct onnx_out *o, const char *op)
{
    const struct rn_window *w = &node_of(o)->window;
    const int64_t pads[2 * PICTURE] = {
        0, 0, rn_window_top(w),   rn_window_left(w),
        0, 0, w->pad + w->bottom, w->pad + w->right};
    char name[NAME_SIZE];

    put_list(o, "pads", 2 * PICTURE, pads, name);
    size_t at = begin_same(o, op);
    put_input(o, name);
    rn_pb_end(&o->pb, at);
}

/* Every stride-th pixel of rows and columns, into value `to`. */
static void put_slice(struct onnx_out *o, const char *to)
{
    const int64_t step = node_of(o)->window.stride;
    const int64_t lists[4][2] = {
        {0, 0}, {INT64_MAX, INT64_MAX}, {2, 3}, {step, step}};
    static const char *const parts[4] = {"starts", "ends", "axes", "steps"};
    char names[4][NAME_SIZE];

    for (int i = 0; i < 4; i++)
        put_list(o, parts[i], 2, lists[i], names[i]);
    size_t at = begin_node(o, "Slice", to, to);
    put_input(o, value_name(o, node_of(o)->input[0]));
    for (int i = 0; i < 4; i++)
        put_input(o, names[i]);
    rn_pb_end(&o->pb, at);
}

static void put_subsample_pad(struct onnx_out *o, const char *op)
{
    const struct rn_node *n = node_of(o);
    int64_t before = n->before;
    int64_t after = n->shape.c - o->g->nodes[n->input[0]].shape.c - before;
    const int64_t pads[2 * PICTURE] = {0, before, 0, 0, 0, after, 0, 0};
    char slice[NAME_SIZE], name[NAME_SIZE];

    put_slice(o, part_name(o, "slice", slice));
    put_list(o, "pads", 2 * PICTURE, pads, name);
    size_t at = begin_node(o, op, o->names[o->v], made_name(o));
    put_input(o, slice);
    put_input(o, name);
    rn_pb_end(&o->pb, at);
}

/* ------------------------------------------------------------ whole graph */

/* Its rate is an input. */
static void put_dropout(struct onnx_out *o, const char *op)
{
    char rate[NAME_SIZE];

    put_tensor(o, part_name(o, "ratio", rate), ONNX_FLOAT, 0, NULL,
               &node_of(o)->a, sizeof(float));
    size_t at = begin_same(o, op);
    put_input(o, rate);
    rn_pb_end(&o->pb, at);
}

static void put_nothing(struct onnx_out *o, const char *op)
{
    (void)o, (void)op;
}

/* What a value that the operator reads is to be. */
enum dimensions {
    PICTURES, /* [batch,c,h,w] */
    EITHER,   /* or [batch,c], and then its own is that, too */
    ANY,      /* it flattens what it reads */
};

struct writer {
    const char *op; /* theirs */
    void (*put)(struct onnx_out *o, const char *op);
    enum dimensions reads;
};

/* A row for each operation, or this does not compile. */
static const struct writer
    /* clang-format off */
    write_input           = {NULL, put_nothing, PICTURES}, /* no operator makes it */
    write_conv            = {"Conv", put_walked, PICTURES},
    write_batch_norm      = {"BatchNormalization", put_batch_norm, EITHER},
    write_relu            = {"Relu", put_walked, EITHER},
    write_add             = {"Add", put_walked, PICTURES},
    write_max_pool        = {"MaxPool", put_max_pool, PICTURES},
    write_global_avg_pool = {"GlobalAveragePool", put_walked, PICTURES},
    write_linear          = {"Gemm", put_linear, ANY},
    write_subsample_pad   = {"Pad", put_subsample_pad, PICTURES},
    write_avg_pool        = {"AveragePool", put_walked, PICTURES},
    write_adaptive_avg_pool = {"AveragePool", put_adaptive, PICTURES},
    write_concat          = {"Concat", put_channelwise, PICTURES},
    write_multiply        = {"Mul", put_walked, PICTURES},
    write_sigmoid         = {"Sigmoid", put_walked, EITHER},
    write_clip            = {"Clip", put_clip, EITHER},
    write_leaky_relu      = {"LeakyRelu", put_walked, EITHER},
    write_lrn             = {"LRN", put_walked, PICTURES},
    write_activation      = {NULL, put_activation, EITHER},
    write_quantize        = {"QuantizeLinear", put_quantize, EITHER},
    write_prelu           = {"PRelu", put_prelu, PICTURES},
    write_select          = {"Gather", put_select, EITHER},
    write_maxout          = {"Max", put_maxout, EITHER},
    write_softmax         = {"Softmax", put_channelwise, EITHER},
    write_zero_pad        = {"Pad", put_zero_pad, PICTURES},
    write_dropout         = {"Dropout", put_dropout, EITHER},
    write_highway         = {"Add", put_highway, PICTURES},
    write_log_softmax     = {"LogSoftmax", put_channelwise, EITHER};
/* clang-format on */

static const struct writer *const writers[] = {
#define RN_OPERATION(NAME, name) [RN_OP_##NAME] = &write_##name,
#include "graph/operations.def"
};

/* Which values are to have rows and columns, though a linear layer makes
 * none. */
static void find_pictures(struct onnx_out *o)
{
    for (size_t i = o->g->n_nodes; i-- > 0;) {
        const struct rn_node *n = &o->g->nodes[i];
        const enum dimensions reads = writers[n->op]->reads;
        bool picture = reads == PICTURES || (reads == EITHER && o->pictures[i]);

        for (int k = 0; k < n->n_inputs && picture; k++)
            o->pictures[n->input[k]] = true;
    }
}

/* The softmax or sigmoid that is behind the output. */
static void put_last(struct onnx_out *o)
{
    static const char *const ops[] = {
        [RN_OUTPUT_PROBABILITIES] = "Softmax",
        [RN_OUTPUT_LOG_PROBABILITIES] = "LogSoftmax",
        [RN_OUTPUT_INDEPENDENT] = "Sigmoid",
    };
    const char *name = output_name(o->g->head);
    size_t at = begin_node(o, ops[o->g->head], name, name);

    put_input(o, output_name(o->g->kind));
    if (o->g->head != RN_OUTPUT_INDEPENDENT)
        put_int(o, "axis", 1);
    rn_pb_end(&o->pb, at);
}

static void put_node(struct onnx_out *o)
{
    const struct writer *w = writers[node_of(o)->op];
    struct rn_quant q = quant_of(o, o->v);

    if (has_bytes(o, o->v))
        put_weights(o);
    if (!is_folded(o, o->v))
        w->put(o, w->op);
    if (q.scale != 0)
        put_rounding(o, q);
}

static void put_nodes(struct onnx_out *o)
{
    for (o->v = 0; (size_t)o->v < o->g->n_nodes; o->v++)
        put_node(o);
    if (!is_logits(o, o->g->output))
        put_flatten(o, value_name(o, o->g->output), output_name(o->g->kind));
    if (o->g->head != o->g->kind)
        put_last(o);
}

/* Input or output: floats [batch,dim...]. */
static void put_value(struct onnx_out *o, uint32_t field, const char *name,
                      int dims, const int *dim)
{
    struct rn_pb_out *pb = &o->pb;
    size_t value = rn_pb_begin(pb, field), type, tensor, shape, at;

    rn_pb_put_text(pb, ONNX_VALUE_NAME, name);
    type = rn_pb_begin(pb, ONNX_VALUE_TYPE);
    tensor = rn_pb_begin(pb, ONNX_TYPE_TENSOR);
    rn_pb_put_varint(pb, ONNX_TENSOR_TYPE_ELEMENT, ONNX_FLOAT);
    shape = rn_pb_begin(pb, ONNX_TENSOR_TYPE_SHAPE);
    at = rn_pb_begin(pb, ONNX_SHAPE_DIM);
    rn_pb_put_text(pb, ONNX_DIM_NAME, "batch");
    rn_pb_end(pb, at);
    for (int i = 0; i < dims; i++) {
        at = rn_pb_begin(pb, ONNX_SHAPE_DIM);
        rn_pb_put_varint(pb, ONNX_DIM_VALUE, (uint64_t)dim[i]);
        rn_pb_end(pb, at);
    }
    rn_pb_end(pb, shape);
    rn_pb_end(pb, tensor);
    rn_pb_end(pb, type);
    rn_pb_end(pb, value);
}

static void put_graph(struct onnx_out *o, const struct rn_model *model)
{
    const struct rn_shape *in = &model->spec.input;
    const int image[] = {in->c, in->h, in->w};
    size_t at = rn_pb_begin(&o->pb, ONNX_MODEL_GRAPH);

    rn_pb_put_text(&o->pb, ONNX_GRAPH_NAME, model->spec.name);
    for (size_t i = 0; i < o->g->n_params; i++) {
        const struct rn_param *p = &o->g->params[i];

        if (!is_apart(o, i))
            put_tensor(o, p->name, ONNX_FLOAT, p->dims, p->dim, p->data,
                       p->count * sizeof(*p->data));
    }
    put_value(o, ONNX_GRAPH_INPUT, INPUT, 3, image);
    put_value(o, ONNX_GRAPH_OUTPUT, output_name(o->g->head), 1,
              &model->spec.classes);
    put_nodes(o);
    rn_pb_end(&o->pb, at);
}

static int opset_of_pool(const struct rn_graph *g, const struct rn_node *n)
{
    if (n->ceil &&
        rn_window_drops_last(&n->window, &g->nodes[n->input[0]].shape))
        return OPSET_DROPPED;
    return n->op == RN_OP_AVG_POOL && (n->window.dilate_h || n->window.dilate_w)
               ? OPSET_DILATED
               : 0;
}

/* The oldest version that has an operator as it is written. */
static int opset_of(const struct rn_graph *g, const struct rn_node *n)
{
    const struct integers *to;

    switch (n->op) {
    case RN_OP_ACTIVATION:
        return rn_onnx_function_of(n->function)->opset;
    case RN_OP_QUANTIZE:
        to = integers_of(n);
        return to ? to->opset : 0;
    case RN_OP_MAX_POOL:
    case RN_OP_AVG_POOL:
        return opset_of_pool(g, n);
    default:
        return 0;
    }
}

/* The oldest, not older than ours, that has all. */
static int opset_of_all(const struct rn_graph *g)
{
    int opset = OPSET;

    for (size_t i = 0; i < g->n_nodes; i++) {
        int needs = opset_of(g, &g->nodes[i]);

        opset = needs > opset ? needs : opset;
    }
    return opset;
}

/* The oldest version of the format that goes with an opset. */
static int format_of(int opset)
{
    static const struct {
        int opset, format;
    } firsts[] = {{21, 10}, {19, 9}};

    for (size_t i = 0; i < COUNT(firsts); i++)
        if (opset >= firsts[i].opset)
            return firsts[i].format;
    return IR_VERSION;
}

static void put_head(struct onnx_out *o, const char *description)
{
    const int opset = opset_of_all(o->g);

    rn_pb_put_varint(&o->pb, ONNX_MODEL_IR_VERSION, (uint64_t)format_of(opset));
    rn_pb_put_text(&o->pb, ONNX_MODEL_PRODUCER, RN_ONNX_PRODUCER);
    rn_pb_put_text(&o->pb, ONNX_MODEL_PRODUCER_VERSION, RN_VERSION_STRING);
    size_t at = rn_pb_begin(&o->pb, ONNX_MODEL_OPSET);
    rn_pb_put_text(&o->pb, ONNX_OPSET_DOMAIN, "");
    rn_pb_put_varint(&o->pb, ONNX_OPSET_VERSION, (uint64_t)opset);
    rn_pb_end(&o->pb, at);
    at = rn_pb_begin(&o->pb, ONNX_MODEL_METADATA);
    rn_pb_put_text(&o->pb, ONNX_ENTRY_KEY, RN_ONNX_DESCRIPTION);
    rn_pb_put_text(&o->pb, ONNX_ENTRY_VALUE, description);
    rn_pb_end(&o->pb, at);
}

/* What has to be known of all nodes; false for want of memory. */
static bool prepare(struct onnx_out *o)
{
    const size_t n = o->g->n_nodes;

    o->pictures = rn_slab_alloc(&o->slab, n, sizeof(*o->pictures));
    o->names = rn_slab_alloc(&o->slab, n, sizeof(*o->names));
    if (!o->pictures || !o->names)
        return false;
    find_pictures(o);
    return find_names(o);
}

int rn_onnx_write(const struct rn_model *model, const char *path,
                  struct rn_error *err)
{
    struct onnx_out o = {.g = model->graph,
                         .quantized = rn_graph_is_quantized(model->graph)};
    char *description = NULL;
    int rc = prepare(&o)
                 ? rn_model_text(&description, model, true, path, err)
                 : rn_fail_memory(err, model->graph->n_nodes, "an ONNX model");

    if (rc)
        goto out;
    put_head(&o, description);
    rn_free(description);
    put_graph(&o, model);
    if (o.unknown)
        rc = rn_fail(err, RN_ERR_ARG,
                     "'%s': ONNX has no name here for the attribute '%s'", path,
                     o.unknown);
    if (!rc && o.unwritten)
        rc = rn_fail(err, RN_ERR_ARG,
                     "'%s': layer '%.60s' rounds to numbers of %g..%g, zero "
                     "being %g; ONNX has whole numbers of 8 and of 16 bits",
                     path, o.unwritten->name, (double)o.unwritten->low,
                     (double)o.unwritten->high, (double)o.unwritten->b);
    if (!rc && o.pb.failed)
        rc = rn_fail_memory(err, o.pb.room, "an ONNX model");
    if (!rc && o.pb.size > INT32_MAX)
        rc = rn_fail(err, RN_ERR_ARG,
                     "'%s': %zu bytes, but an ONNX file holds 2 GiB at most",
                     path, o.pb.size);
    if (!rc)
        rc = rn_file_write(path, o.pb.bytes, o.pb.size, err);
out:
    rn_free(o.pb.bytes);
    rn_slab_free(&o.slab);
    return rc;
}
