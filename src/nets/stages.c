/* SPDX-License-Identifier: BSD-2-Clause */
/* Stages of a network, which its family names. */
#include "nets/stages.h"

#include "nets/family.h"

#include <stdio.h>
#include <string.h>

/* Of a graph, or, before there is one, of the first family. */
static const char *const *names_of(const struct rn_graph *graph)
{
    return graph && graph->stages ? graph->stages : rn_family_at(0)->stages;
}

int rn_stages_count(const struct rn_graph *graph)
{
    const char *const *names = names_of(graph);
    int n = 0;

    while (names[n])
        n++;
    return n;
}

const char *rn_stages_name(const struct rn_graph *graph, int stage)
{
    return names_of(graph)[stage];
}

const char *rn_stages_list(const struct rn_graph *graph, char *buf, size_t size)
{
    size_t used = 0;

    *buf = '\0';
    for (const char *const *n = names_of(graph); *n && used < size; n++)
        used += (size_t)snprintf(buf + used, size - used, "%s%s",
                                 used ? ", " : "", *n);
    return buf;
}

/* --------------------------------------------------------------- marking */

/* Parameters whose nodes have a stage by the family's names. */
static size_t count_covered(const struct rn_family *family,
                            const struct rn_graph *graph,
                            const struct rn_net_spec *spec)
{
    size_t covered = 0;

    for (size_t i = 0; i < graph->n_nodes; i++)
        for (int k = 0; k < 4; k++)
            covered += graph->nodes[i].param[k] >= 0 &&
                       family->stage_of(spec, graph->nodes[i].name) >= 0;
    return covered;
}

static const struct rn_family *likeliest(const struct rn_graph *graph,
                                         const struct rn_net_spec *spec)
{
    const struct rn_family *best = rn_family_at(0), *family;
    size_t most = 0;

    for (size_t i = 0; (family = rn_family_at(i)); i++) {
        size_t covered = count_covered(family, graph, spec);

        if (covered > most) {
            most = covered;
            best = family;
        }
    }
    return best;
}

void rn_stages_mark(struct rn_graph *graph, const struct rn_net_spec *spec)
{
    const struct rn_family *family =
        spec->family ? spec->family : likeliest(graph, spec);

    graph->stages = family->stages;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        struct rn_node *n = &graph->nodes[i];

        n->stage = family->stage_of(spec, n->name) + 1;
        for (int k = 0; k < 4; k++)
            if (n->param[k] >= 0)
                graph->params[n->param[k]].stage = n->stage;
    }
}

/* ----------------------------------------------------------------- texts */

static int find(const char *const *names, const char *text, size_t length)
{
    for (int i = 0; names[i]; i++)
        if (strlen(names[i]) == length && memcmp(names[i], text, length) == 0)
            return i;
    return -1;
}

static unsigned parse(const char *const *names, const char *text, size_t length)
{
    const char *dash = memchr(text, '-', length);
    size_t n = dash ? (size_t)(dash - text) : length;
    int first = find(names, text, n);
    int last = dash ? find(names, dash + 1, length - n - 1) : first;
    unsigned bits = 0;

    if (first < 0)
        return 0;
    for (int i = first; i <= last; i++)
        bits |= 1u << i;
    return bits;
}

unsigned rn_stages_parse(const struct rn_graph *graph, const char *text,
                         size_t length)
{
    return parse(names_of(graph), text, length);
}

bool rn_stages_known(const char *text, size_t length)
{
    const struct rn_family *family;

    for (size_t i = 0; (family = rn_family_at(i)); i++)
        if (parse(family->stages, text, length))
            return true;
    return false;
}

void rn_stages_freeze(struct rn_graph *graph, unsigned bits, bool fix_all)
{
    for (size_t i = 0; i < graph->n_nodes; i++) {
        struct rn_node *n = &graph->nodes[i];
        bool frozen = n->stage > 0 && (bits >> (n->stage - 1) & 1);

        n->fixed = n->op == RN_OP_BATCH_NORM && (frozen || fix_all);
        for (int k = 0; k < 4; k++)
            if (n->param[k] >= 0)
                graph->params[n->param[k]].frozen = frozen;
    }
}
