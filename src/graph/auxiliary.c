/* SPDX-License-Identifier: BSD-2-Clause */
/* Auxiliary heads: further outputs of a graph, which training alone has. */
#include "graph/build.h"

static int fail_last(struct rn_graph *g, const char *name)
{
    if (g->error.code == RN_OK)
        rn_fail(&g->error, RN_ERR_ARG,
                "'%s' cannot end an auxiliary head: expected a number for each "
                "class of '%s', behind it, and %d heads at most",
                name, g->nodes[g->output].name, RN_AUX_MOST);
    return -1;
}

int rn_graph_add_aux(struct rn_graph *g, int output, const struct rn_aux *aux)
{
    int last = g->n_aux ? g->aux[g->n_aux - 1].value : output;

    if (g->error.code != RN_OK)
        return -1;
    g->output = output;
    if (g->n_aux == RN_AUX_MOST || aux->value <= last ||
        !rn_shape_equal(g->nodes[aux->value].shape, g->nodes[output].shape))
        return fail_last(g, g->nodes[aux->value].name);
    g->aux[g->n_aux++] = *aux;
    return aux->value;
}

const struct rn_aux *rn_graph_aux_of(const struct rn_graph *g, int v)
{
    for (size_t i = 0; i < g->n_aux; i++)
        if (g->aux[i].value == v)
            return &g->aux[i];
    return NULL;
}

size_t rn_graph_trunk(const struct rn_graph *g)
{
    return g->n_aux ? (size_t)g->output + 1 : g->n_nodes;
}

uint64_t rn_graph_aux_params(const struct rn_graph *g)
{
    uint64_t sum = 0;

    for (size_t i = rn_graph_trunk(g); i < g->n_nodes; i++)
        sum += rn_node_params(g, &g->nodes[i]);
    return sum;
}

bool rn_graph_drop_aux(struct rn_graph *g)
{
    return g->n_aux == 0 || rn_graph_cut(g, g->output);
}
