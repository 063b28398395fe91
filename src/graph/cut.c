/* SPDX-License-Identifier: BSD-2-Clause */
/* Leaving out what an output does not need, in place or in a copy. */
#include "graph/graph.h"

#include "core/memory.h"

#include <string.h>

/* Where a node or parameter goes; -1: nobody needs it. */
struct places {
    int *node, *param;
};

static void mark(const struct rn_graph *g, int output, struct places *to)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        to->node[i] = -1;
    for (size_t i = 0; i < g->n_params; i++)
        to->param[i] = -1;
    to->node[0] = to->node[output] = 0; /* the input stays */
    for (int i = output; i >= 0; i--) {
        const struct rn_node *n = &g->nodes[i];

        for (int k = 0; k < n->n_inputs && to->node[i] >= 0; k++)
            to->node[n->input[k]] = 0;
        for (int k = 0; k < 4 && to->node[i] >= 0; k++)
            if (n->param[k] >= 0)
                to->param[n->param[k]] = 0;
    }
}

static void move_params(struct rn_graph *g, int *to)
{
    size_t kept = 0;

    for (size_t i = 0; i < g->n_params; i++) {
        if (to[i] < 0) {
            rn_free(g->params[i].name);
            continue;
        }
        to[i] = (int)kept;
        g->params[kept++] = g->params[i];
    }
    g->n_params = kept;
}

static void move_nodes(struct rn_graph *g, const struct places *to)
{
    size_t kept = 0;

    for (size_t i = 0; i < g->n_nodes; i++) {
        struct rn_node n = g->nodes[i];

        if (to->node[i] < 0) {
            rn_free(n.name);
            rn_free(n.input);
            continue;
        }
        for (int k = 0; k < n.n_inputs; k++)
            n.input[k] = to->node[n.input[k]];
        for (int k = 0; k < 4; k++)
            n.param[k] = n.param[k] < 0 ? -1 : to->param[n.param[k]];
        to->node[i] = (int)kept;
        g->nodes[kept++] = n;
    }
    g->n_nodes = kept;
}

bool rn_graph_cut(struct rn_graph *g, int output)
{
    struct places to = {rn_alloc(g->n_nodes, sizeof(int)),
                        rn_alloc(g->n_params + 1, sizeof(int))};
    bool done = to.node != NULL && to.param != NULL;

    if (done) {
        mark(g, output, &to);
        move_params(g, to.param);
        move_nodes(g, &to);
        g->output = to.node[output];
        g->n_aux = 0; /* no output needs them */
    }
    rn_free(to.node);
    rn_free(to.param);
    return done;
}

/* The parameters of g's node, copied to that of `to`. */
static void copy_params(struct rn_graph *to, const struct rn_node *node,
                        const struct rn_graph *g, const struct rn_node *source,
                        size_t *from)
{
    for (int k = 0; k < 4; k++) {
        if (node->param[k] < 0)
            continue;
        struct rn_param *p = &to->params[node->param[k]];
        const struct rn_param *q = &g->params[source->param[k]];

        memcpy(p->data, q->data, p->count * sizeof(*p->data));
        p->frozen = q->frozen;
        p->stage = q->stage;
        from[node->param[k]] = (size_t)source->param[k];
    }
}

/* Node i, whose inputs have their places in the copy, which gets its own. */
static bool append_copy(struct rn_graph *to, const struct rn_graph *g, int i,
                        int *place, size_t *from)
{
    const struct rn_node *n = &g->nodes[i];
    int *inputs = rn_alloc((size_t)n->n_inputs + 1, sizeof(*inputs));

    if (!inputs)
        return false;
    for (int k = 0; k < n->n_inputs; k++)
        inputs[k] = place[n->input[k]];
    place[i] = rn_graph_append(to, n, inputs, n->n_inputs, n->name);
    rn_free(inputs);
    if (place[i] < 0)
        return false;
    copy_params(to, &to->nodes[place[i]], g, n, from);
    return true;
}

struct rn_graph *rn_graph_below(const struct rn_graph *g, int output,
                                size_t *from)
{
    struct rn_graph *to = rn_graph_create();
    struct places needed = {rn_alloc(g->n_nodes, sizeof(int)),
                            rn_alloc(g->n_params + 1, sizeof(int))};
    bool done = to && needed.node && needed.param;

    if (done) {
        mark(g, output, &needed);
        to->stages = g->stages;
    }
    for (int i = 0; done && i <= output; i++)
        if (needed.node[i] >= 0)
            done = append_copy(to, g, i, needed.node, from);
    rn_free(needed.node);
    rn_free(needed.param);
    if (done)
        return to;
    rn_graph_destroy(to);
    return NULL;
}
