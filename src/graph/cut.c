/* SPDX-License-Identifier: BSD-2-Clause */
/* Leaving out what an output does not need. */
#include "graph/graph.h"

#include "core/memory.h"

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
