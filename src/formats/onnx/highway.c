/* SPDX-License-Identifier: BSD-2-Clause */
/* Gates of highway networks, which ONNX has no operator for: x + T (H - x) as
 * write.c writes it becomes one node again. */
#include "formats/onnx/onnx.h"
#include "graph/operation.h"

/* The node whose value is input k of v, if that has the operation. */
static const struct rn_node *input_of(const struct rn_graph *g,
                                      const struct rn_node *n, int k,
                                      enum rn_op op)
{
    const struct rn_node *in = &g->nodes[n->input[k]];

    return in->op == op ? in : NULL;
}

/* Whether n is half of the channels of a value: the first or the second. */
static bool is_half(const struct rn_graph *g, const struct rn_node *n,
                    bool second)
{
    const struct rn_selection *s = &n->selection;

    return g->nodes[n->input[0]].shape.c == 2 * (int64_t)n->shape.c &&
           s->first == (second ? n->shape.c : 0) && s->inner == n->shape.c &&
           s->step == 1;
}

static bool all_are(const struct rn_graph *g, int param, float value)
{
    const struct rn_param *p = &g->params[param];

    for (size_t i = 0; i < p->count; i++)
        if (p->data[i] != value)
            return false;
    return true;
}

/* Whether the batch norm is what a difference is read as: times -1. */
static bool is_negative(const struct rn_graph *g, const struct rn_node *n)
{
    return n->eps == 0 && all_are(g, n->param[RN_P_WEIGHT], -1) &&
           all_are(g, n->param[RN_P_BIAS], 0) &&
           all_are(g, n->param[RN_P_MEAN], 0) &&
           all_are(g, n->param[RN_P_VAR], 1);
}

/* The value whose halves are h and t of the sum x + T (max(0, h) - x); -1 when
 * it is another sum. */
static int gated_by(const struct rn_graph *g, const struct rn_node *sum)
{
    const struct rn_node *share = input_of(g, sum, 1, RN_OP_MULTIPLY);
    const struct rn_node *gate =
        share ? input_of(g, share, 0, RN_OP_SIGMOID) : NULL;
    const struct rn_node *step = gate ? input_of(g, share, 1, RN_OP_ADD) : NULL;
    const struct rn_node *relu = step ? input_of(g, step, 0, RN_OP_RELU) : NULL;
    const struct rn_node *minus =
        relu ? input_of(g, step, 1, RN_OP_BATCH_NORM) : NULL;
    const struct rn_node *t = minus ? input_of(g, gate, 0, RN_OP_SELECT) : NULL;
    const struct rn_node *h = t ? input_of(g, relu, 0, RN_OP_SELECT) : NULL;

    return h && h->input[0] == t->input[0] && is_half(g, h, false) &&
                   is_half(g, t, true) && minus->input[0] == sum->input[0] &&
                   is_negative(g, minus)
               ? h->input[0]
               : -1;
}

bool rn_onnx_join_highways(struct rn_graph *g)
{
    bool found = false;

    for (size_t i = 0; i < g->n_nodes; i++) {
        struct rn_node *n = &g->nodes[i], gate = rn_node_new(RN_OP_HIGHWAY);
        int z = n->op == RN_OP_ADD ? gated_by(g, n) : -1;

        if (z < 0)
            continue;
        gate.name = n->name;
        gate.input = n->input;
        gate.n_inputs = n->n_inputs;
        gate.shape = n->shape;
        gate.input[1] = gate.input[0]; /* x */
        gate.input[0] = z;
        *n = gate;
        found = true;
    }
    return !found || rn_graph_cut(g, g->output);
}
