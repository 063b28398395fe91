/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds dense blocks: concatenations each of which goes on where one before it
 * ended (G. Huang et al. 2017), so that all of them are the first values of the
 * last one. A training plan keeps that alone, and its gradient. */
#include "core/memory.h"
#include "plan/internal.h"

/* How many values the concatenation u is, side by side, if those are v's first
 * ones; 0 for anything else. */
static int prefix_of(const struct rn_graph *g, int u, int v)
{
    const struct rn_node *a = &g->nodes[u], *b = &g->nodes[v];

    if (a->op != RN_OP_CONCAT || a->n_inputs > b->n_inputs)
        return 0;
    for (int k = 0; k < a->n_inputs; k++)
        if (a->input[k] != b->input[k])
            return 0;
    return a->n_inputs;
}

/* Put down where values lie in a block that ends in v: its inputs, and the
 * concatenations of the first of them. False when one lies elsewhere. */
static bool claim(const struct rn_graph *g, int v, struct rn_dense *places)
{
    const struct rn_node *n = &g->nodes[v];

    for (int k = 0; k < n->n_inputs; k++) {
        if (places[n->input[k]].last >= 0 ||
            (k > 0 && n->input[k] <= n->input[k - 1]) ||
            g->nodes[n->input[k]].op == RN_OP_INPUT)
            return false;
        places[n->input[k]] = (struct rn_dense){v, k, 1};
    }
    for (int u = 0; u <= v; u++) {
        int count = prefix_of(g, u, v);

        if (count && places[u].last >= 0)
            return false;
        if (count)
            places[u] = (struct rn_dense){v, 0, count};
    }
    return true;
}

/* Whether reader i may read its input j where it lies. Batch norms alone can,
 * of the first values, and before the next one is there: the channels that fill
 * up their last block are zero until then. */
static bool reads_well(const struct rn_graph *g, int v, int i, int j,
                       const struct rn_dense *places)
{
    const struct rn_node *n = &g->nodes[v];
    const struct rn_dense *in = &places[j];

    if (places[i].last == v && g->nodes[i].op == RN_OP_CONCAT &&
        places[i].count > 1 && in->count == 1)
        return true;
    return in->first == 0 && g->nodes[i].op == RN_OP_BATCH_NORM &&
           (in->count == n->n_inputs || i < n->input[in->count]);
}

static bool all_read_well(const struct rn_graph *g, int v,
                          const struct rn_dense *places)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_inputs; k++) {
            int j = g->nodes[i].input[k];

            if (places[j].last == v && !reads_well(g, v, (int)i, j, places))
                return false;
        }
    /* Losses read neither. */
    for (size_t i = 0; i < g->n_aux; i++)
        if (places[g->aux[i].value].last == v)
            return false;
    return places[g->output].last != v;
}

/* Whether the block is more than one concatenation. */
static bool grows(const struct rn_graph *g, int v,
                  const struct rn_dense *places)
{
    for (int u = 0; u < v; u++)
        if (places[u].last == v && places[u].count > 1 &&
            places[u].count < g->nodes[v].n_inputs)
            return true;
    return false;
}

static void give_back(const struct rn_graph *g, int v, struct rn_dense *places)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        if (places[i].last == v)
            places[i].last = RN_NONE;
}

struct rn_dense *rn_find_dense(const struct rn_graph *graph)
{
    struct rn_dense *places = rn_alloc(graph->n_nodes, sizeof(*places));

    for (size_t i = 0; places && i < graph->n_nodes; i++)
        places[i].last = RN_NONE;
    /* The longest of a block comes last. */
    for (int v = (int)graph->n_nodes; places && v-- > 0;) {
        if (graph->nodes[v].op != RN_OP_CONCAT || places[v].last >= 0)
            continue;
        if (!claim(graph, v, places) || !all_read_well(graph, v, places) ||
            !grows(graph, v, places))
            give_back(graph, v, places);
    }
    return places;
}
