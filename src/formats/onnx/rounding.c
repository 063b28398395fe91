/* SPDX-License-Identifier: BSD-2-Clause */
/* Layers that round to 8 bits become scales of the values that they round, as
 * models of our own have them (graph/quantization.h): of those that a plan in 8
 * bits rounds as the layer does, because the step that makes the value rounds
 * it, or because every step that reads it does. The others stay layers. Where
 * the least of the range is 0, the layer is the ReLU that the quantiser left
 * out, and becomes one. */
#include "formats/onnx/onnx.h"

#include "core/memory.h"
#include "graph/quantization.h"

#include <string.h>

enum { NONE = -1 };

struct rounding {
    struct rn_graph *g;
    int *readers;           /* of each value; the output is read once more */
    bool *positive;         /* values without a number below 0 */
    struct rn_quant *quant; /* how each lies in 8 bits, or scale 0 */
};

static bool same(struct rn_quant a, struct rn_quant b)
{
    return a.scale == b.scale && a.zero == b.zero;
}

/* The zero is the least number that there is. */
static bool cuts_below_zero(const struct rn_node *n)
{
    return n->b <= n->low;
}

/* Whether nothing that it makes is below 0. */
static bool is_positive(const struct rounding *r, const struct rn_node *n)
{
    switch (n->op) {
    case RN_OP_RELU:
    case RN_OP_SIGMOID:
    case RN_OP_SOFTMAX:
        return true;
    case RN_OP_CLIP:
        return n->low >= 0;
    case RN_OP_QUANTIZE:
        return r->positive[n->input[0]] || cuts_below_zero(n);
    case RN_OP_MAX_POOL:
    case RN_OP_AVG_POOL:
    case RN_OP_GLOBAL_AVG_POOL:
    case RN_OP_SUBSAMPLE_PAD:
    case RN_OP_ZERO_PAD:
    case RN_OP_SELECT:
    case RN_OP_MAXOUT:
    case RN_OP_DROPOUT:
    case RN_OP_ADD:
    case RN_OP_MULTIPLY:
    case RN_OP_CONCAT:
        for (int k = 0; k < n->n_inputs; k++)
            if (!r->positive[n->input[k]])
                return false;
        return true;
    default:
        return false;
    }
}

/* ---------------------------------------------------- what plans do in 8 bits
 */

/* Whether node v is a layer that plans compute in 8 bits once its input has
 * them. tests/unit/test_quantize.c compares with the plans' own word. */
static bool can_have_bytes(const struct rn_graph *g, int v)
{
    const struct rn_node *n = &g->nodes[v];

    return (n->op == RN_OP_CONV || n->op == RN_OP_LINEAR) &&
           g->params[n->param[RN_P_WEIGHT]].scales &&
           rn_graph_takes_bytes(g, (size_t)v);
}

static bool is_read_once(const struct rounding *r, int v)
{
    return r->readers[v] == 1;
}

/* The convolution that the value is the sums of, its batch norm folded in. */
static int sums_of(const struct rounding *r, int v)
{
    const struct rn_node *n = &r->g->nodes[v];

    if (n->op == RN_OP_BATCH_NORM) {
        int conv = n->input[0];

        if (!is_read_once(r, conv) || r->quant[conv].scale != 0)
            return NONE;
        v = conv;
    }
    return can_have_bytes(r->g, v) &&
                   r->quant[r->g->nodes[v].input[0]].scale != 0
               ? v
               : NONE;
}

/* Whether the step that makes the value writes 8 bits where it has a scale:
 * sums, with something in 8 bits added to them by the later of two, and a
 * ReLU. */
static bool is_made_in_bytes(const struct rounding *r, int v)
{
    const struct rn_node *n = &r->g->nodes[v];

    if (n->op == RN_OP_RELU) {
        v = n->input[0];
        if (!is_read_once(r, v) || r->quant[v].scale != 0)
            return false;
        n = &r->g->nodes[v];
    }
    if (n->op != RN_OP_ADD)
        return sums_of(r, v) != NONE;
    int later = n->input[0] > n->input[1] ? n->input[0] : n->input[1];
    int other = n->input[0] + n->input[1] - later;
    return later != other && is_read_once(r, later) &&
           r->quant[other].scale != 0 && sums_of(r, later) != NONE;
}

/* Whether every reader of v rounds what it reads. */
static bool is_read_in_bytes(const struct rounding *r, int v)
{
    const struct rn_graph *g = r->g;

    if (g->output == v)
        return false;
    for (size_t i = (size_t)v + 1; i < g->n_nodes; i++)
        if (rn_node_reads(&g->nodes[i], v) && !can_have_bytes(g, (int)i))
            return false;
    return true;
}

/* ------------------------------------------------------------------- rounding
 */

static void count_readers(struct rounding *r)
{
    const struct rn_graph *g = r->g;

    for (size_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_inputs; k++)
            r->readers[g->nodes[i].input[k]]++;
    r->readers[g->output]++;
}

/* Who read the layer reads what it rounds. */
static void pass_over(struct rounding *r, int layer)
{
    struct rn_graph *g = r->g;
    int v = g->nodes[layer].input[0];

    for (size_t i = (size_t)layer + 1; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_inputs; k++)
            if (g->nodes[i].input[k] == layer)
                g->nodes[i].input[k] = v;
    if (g->output == layer)
        g->output = v;
    r->readers[v] += r->readers[layer] - 1;
    r->readers[layer] = 0;
}

/* The layer is the ReLU, and its value has the scale. */
static void become_relu(struct rn_node *n)
{
    const struct rn_node relu = rn_node_new(RN_OP_RELU);

    n->op = relu.op;
    n->a = relu.a;
    n->b = relu.b;
    n->low = relu.low;
    n->high = relu.high;
}

static void settle_layer(struct rounding *r, int layer, bool all)
{
    struct rn_node *n = &r->g->nodes[layer];
    int v = n->input[0];
    bool relu = v > 0 && cuts_below_zero(n) && !r->positive[v];

    if (n->quant.scale == 0) /* no 8 bits */
        return;
    if (same(r->quant[v], n->quant)) {
        pass_over(r, layer);
        return;
    }
    if (!is_read_once(r, v) || r->quant[v].scale != 0 ||
        !(all || is_made_in_bytes(r, v) || is_read_in_bytes(r, layer)))
        return;
    if (relu) {
        become_relu(n);
        return;
    }
    if (rn_node_keeps_quant(&r->g->nodes[v]))
        return; /* it lies as another value does */
    r->g->nodes[v].quant = r->quant[v] = n->quant;
    pass_over(r, layer);
}

static void settle(struct rounding *r, bool all)
{
    struct rn_graph *g = r->g;

    count_readers(r);
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct rn_node *n = &g->nodes[i];

        r->positive[i] = is_positive(r, n);
        r->quant[i] = rn_node_keeps_quant(n) ? r->quant[n->input[0]] : n->quant;
        if (n->op == RN_OP_SUBSAMPLE_PAD && r->quant[i].zero != 0)
            r->quant[i].scale = 0;
        if (n->op == RN_OP_QUANTIZE)
            settle_layer(r, (int)i, all);
    }
}

void rn_onnx_count_rounding(const struct rn_graph *g,
                            struct rn_onnx_rounding *out)
{
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct rn_node *n = &g->nodes[i], *in = n;

        out->values += n->op == RN_OP_QUANTIZE;
        if (n->op != RN_OP_CONV && n->op != RN_OP_LINEAR)
            continue;
        do
            in = &g->nodes[in->input[0]];
        while (rn_node_keeps_quant(in));
        out->layers++;
        out->in_bytes += in->quant.scale != 0 && can_have_bytes(g, (int)i);
    }
}

bool rn_onnx_settle_rounding(struct rn_graph *g, bool all)
{
    struct rounding r = {.g = g,
                         .readers = rn_alloc(g->n_nodes, sizeof(*r.readers)),
                         .positive = rn_alloc(g->n_nodes, sizeof(*r.positive)),
                         .quant = rn_alloc(g->n_nodes, sizeof(*r.quant))};
    bool done = r.readers && r.positive && r.quant;

    if (done)
        settle(&r, all);
    rn_free(r.readers);
    rn_free(r.positive);
    rn_free(r.quant);
    return done && rn_graph_cut(g, g->output);
}
