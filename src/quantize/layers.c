/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds the layers of a network that can be in 8 bits, and puts them there:
 * scales of weights, corrected biases. */
#include "quantize/quantizer.h"

#include "core/memory.h"
#include "graph/operation.h"
#include "graph/quantization.h"
#include "plan/plan.h"
#include "plan/team.h"
#include "quantize/weights.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------- what can be in 8 bits */

/* The only node that reads v, if it is one of that operation; else -1. */
static int only_reader(const struct rn_graph *g, int v, enum rn_op op)
{
    int reader = -1;

    for (size_t i = (size_t)v + 1; i < g->n_nodes; i++)
        if (rn_node_reads(&g->nodes[i], v)) {
            if (reader >= 0 || g->nodes[i].op != op)
                return -1;
            reader = (int)i;
        }
    return g->output == v ? -1 : reader;
}

/* A value lies as the one it is a pool of, or the same as. */
static int source_of(const struct rn_graph *g, int v)
{
    while (rn_plan_keeps_scale(g, v))
        v = g->nodes[v].input[0];
    return v;
}

static void add_layer(struct rn_quantizer *q, int node)
{
    struct rn_graph *g = q->g;
    const struct rn_node *n = &g->nodes[node];
    int bn = only_reader(g, node, RN_OP_BATCH_NORM);

    q->layers[q->n_layers++] = (struct rn_quantizer_layer){
        .node = node,
        .param = (size_t)n->param[RN_P_WEIGHT],
        .shifted =
            bn >= 0 ? g->nodes[bn].param[RN_P_BIAS] : n->param[RN_P_BIAS],
    };
}

/* Whether a layer in 8 bits makes the value. */
static bool is_made_in_bytes(const struct rn_quantizer *q, int v)
{
    for (size_t i = 0; i < q->n_layers; i++)
        if (q->layers[i].on && q->layers[i].end == v)
            return true;
    return false;
}

/* Values to be in 8 bits for the layers that are on, or for all of them: what
 * they read, what an addition in 8 bits adds, and what a mean over all pixels
 * is of. */
static void mark(const struct rn_quantizer *q, bool all, bool *marked)
{
    const struct rn_graph *g = q->g;

    memset(marked, 0, g->n_nodes);
    for (size_t i = 0; i < q->n_layers; i++)
        if (all || q->layers[i].on)
            marked[source_of(g, g->nodes[q->layers[i].node].input[0])] = true;
    for (size_t i = g->n_nodes; i-- > 0;) {
        const struct rn_node *n = &g->nodes[i];
        int relu = only_reader(g, (int)i, RN_OP_RELU);
        int source = source_of(g, n->n_inputs ? n->input[0] : 0);

        if (n->op == RN_OP_GLOBAL_AVG_POOL &&
            (all || is_made_in_bytes(q, source)))
            marked[source] = true;
        if (n->op != RN_OP_ADD || (!marked[i] && !(relu >= 0 && marked[relu])))
            continue;
        for (int k = 0; k < n->n_inputs; k++)
            marked[source_of(g, n->input[k])] = true;
    }
}

/* Where a name ends in a list of them. */
static size_t name_length(const char *list)
{
    return strcspn(list, ",");
}

/* Whether the list, which may be NULL, names the layer. */
static bool is_left_out(const char *list, const char *name)
{
    while (list && *list) {
        size_t length = name_length(list);

        if (strlen(name) == length && strncmp(list, name, length) == 0)
            return true;
        list += length + (list[length] == ',');
    }
    return false;
}

/* Each name is one of a layer that could be in 8 bits. */
static int check_left_out(const struct rn_quantizer *q)
{
    const struct rn_graph *g = q->g;

    for (const char *name = q->o.leave_out; name && *name;) {
        size_t length = name_length(name), i = 0;

        while (i < g->n_nodes && !(rn_plan_can_quantize(g, (int)i) &&
                                   strlen(g->nodes[i].name) == length &&
                                   !strncmp(g->nodes[i].name, name, length)))
            i++;
        if (i == g->n_nodes)
            return rn_fail(
                q->err, RN_ERR_ARG,
                "`leave_out` names '%.*s', which is no layer of %s that "
                "can be quantised",
                (int)(length < 100 ? length : 100), name, q->model->spec.name);
        name += length + (name[length] == ',');
    }
    return RN_OK;
}

int rn_quantizer_find(struct rn_quantizer *q)
{
    struct rn_graph *g = q->g;
    int rc;

    q->layers = rn_alloc(g->n_nodes, sizeof(*q->layers));
    q->marked = rn_alloc(g->n_nodes, sizeof(*q->marked));
    q->stats = rn_alloc(g->n_nodes, sizeof(*q->stats));
    q->needed = rn_alloc(g->n_nodes, sizeof(*q->needed));
    q->ranges = rn_alloc(g->n_nodes, sizeof(*q->ranges));
    if (!q->layers || !q->marked || !q->stats || !q->needed || !q->ranges)
        return rn_quantizer_no_memory(q, g->n_nodes * sizeof(*q->layers));
    for (size_t i = 0; i < g->n_nodes; i++)
        if (rn_plan_can_quantize(g, (int)i) &&
            !is_left_out(q->o.leave_out, g->nodes[i].name))
            add_layer(q, (int)i);
    mark(q, true, q->marked);
    rc = check_left_out(q);
    if (rc != RN_OK || q->n_layers)
        return rc;
    if (q->o.leave_out && *q->o.leave_out)
        return rn_fail(q->err, RN_ERR_ARG,
                       "`leave_out` names all layers of %s that can be "
                       "quantised",
                       q->model->spec.name);
    return rn_fail(q->err, RN_ERR_ARG,
                   "%s has no layer that can be quantised: convolutions of one "
                   "group and regular windows, and fully connected layers",
                   q->model->spec.name);
}
/* ------------------------------------------------------------ quantising */

static float *copy_of(const float *from, size_t count)
{
    float *copy = rn_alloc(count, sizeof(*copy));

    if (copy)
        memcpy(copy, from, count * sizeof(*copy));
    return copy;
}

void rn_quantizer_turn(struct rn_quantizer *q, struct rn_quantizer_layer *l,
                       bool on)
{
    struct rn_param *w = &q->g->params[l->param];

    l->on = on;
    w->scales = on ? l->scales : NULL;
    memcpy(w->data, on ? l->rounded : l->exact, w->count * sizeof(float));
    if (l->shifted >= 0) {
        struct rn_param *b = &q->g->params[l->shifted];

        memcpy(b->data, on ? l->corrected : l->bias, b->count * sizeof(float));
    }
}

/* What a batch norm behind the layer multiplies channel o with. */
static double factor_of(const struct rn_graph *g,
                        const struct rn_quantizer_layer *l, size_t o)
{
    int bn = only_reader(g, l->node, RN_OP_BATCH_NORM);
    const struct rn_node *n = &g->nodes[bn < 0 ? 0 : bn];

    if (bn < 0)
        return 1;
    return (double)g->params[n->param[RN_P_WEIGHT]].data[o] /
           sqrt((double)g->params[n->param[RN_P_VAR]].data[o] + (double)n->eps);
}

/* What was seen of a node's input, of which idle nodes are no other. */
static const struct rn_stats *seen_of_input(const struct rn_quantizer *q,
                                            int node)
{
    const struct rn_node *nodes = q->g->nodes;
    int from = nodes[node].input[0];

    while (rn_operation_of(nodes[from].op)->idle)
        from = nodes[from].input[0];
    return q->stats[from];
}

static int round_layer(struct rn_quantizer *q, struct rn_quantizer_layer *l)
{
    struct rn_graph *g = q->g;
    struct rn_param *w = &g->params[l->param];
    size_t outs = w->dim[0], row = w->count / outs;
    const struct rn_stats *input = seen_of_input(q, l->node);
    float *scales = rn_alloc(outs, sizeof(*scales));
    double *shift = rn_alloc(outs, sizeof(*shift));
    int rc = RN_OK;

    l->exact = copy_of(w->data, w->count);
    if (l->shifted >= 0) {
        l->bias = copy_of(g->params[l->shifted].data, outs);
        l->corrected = copy_of(g->params[l->shifted].data, outs);
    }
    if (!scales || !shift || !l->exact ||
        (l->shifted >= 0 && (!l->bias || !l->corrected)))
        rc = rn_quantizer_no_memory(q, w->count * sizeof(float));
    if (!rc) {
        rn_weight_scales(w->data, outs, row, scales);
        rc = rn_graph_quantize_param(g, l->param, scales, q->err);
    }
    if (!rc) {
        l->scales = w->scales;
        l->rounded = copy_of(w->data, w->count);
        rc = l->rounded ? RN_OK
                        : rn_quantizer_no_memory(q, w->count * sizeof(float));
    }
    if (!rc && input && l->shifted >= 0) {
        rn_weight_shift(l->exact, l->rounded, outs, row, input->channels, input,
                        shift);
        for (size_t o = 0; o < outs; o++)
            l->corrected[o] -= (float)(shift[o] * factor_of(g, l, o));
    }
    if (!rc)
        rn_quantizer_turn(q, l, true);
    rn_free(scales);
    rn_free(shift);
    return rc;
}

int rn_quantizer_round(struct rn_quantizer *q)
{
    struct rn_team team;
    int rc = rn_team_create(&team, rn_plan_threads(q->plan), q->o.bind, q->err);

    if (!rc)
        rc = rn_team_enter(&team, q->err);
    if (!rc) {
        rn_quantizer_ranges(q);
        for (size_t i = 0; !rc && i < q->n_layers; i++)
            rc = round_layer(q, &q->layers[i]);
        rn_quantizer_give_ranges(q);
        rn_team_leave(&team);
    }
    rn_team_destroy(&team);
    return rc;
}

void rn_quantizer_give_ranges(struct rn_quantizer *q)
{
    const struct rn_quant none = {0, 0};

    mark(q, false, q->needed);
    for (size_t i = 0; i < q->g->n_nodes; i++)
        q->g->nodes[i].quant = q->needed[i] ? q->ranges[i].quant : none;
}
