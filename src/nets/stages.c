/* SPDX-License-Identifier: BSD-2-Clause */
#include "nets/stages.h"

#include <string.h>

/* How names begin, and where. The input's pooling and the like have no
 * parameters and need no stage. */
static const struct stage {
    const char *name;
    const char *prefix[2];
} stages[RN_STAGES] = {
    {"conv1", {"conv1.", "bn1."}}, {"conv2", {"layer1.", NULL}},
    {"conv3", {"layer2.", NULL}},  {"conv4", {"layer3.", NULL}},
    {"conv5", {"layer4.", NULL}},  {"fc", {"fc.", NULL}},
};

const char *rn_stage_name(int i)
{
    return stages[i].name;
}

/* A node is named without what follows the last point: "conv1". */
static bool begins(const char *name, const char *prefix)
{
    size_t n = strlen(prefix) - 1;

    return strncmp(name, prefix, n) == 0 && (name[n] == '.' || !name[n]);
}

int rn_stage_of(const char *name)
{
    for (int i = 0; i < RN_STAGES; i++)
        for (int k = 0; k < 2 && stages[i].prefix[k]; k++)
            if (begins(name, stages[i].prefix[k]))
                return i;
    return -1;
}

static int find(const char *text, size_t length)
{
    for (int i = 0; i < RN_STAGES; i++)
        if (strlen(stages[i].name) == length &&
            memcmp(stages[i].name, text, length) == 0)
            return i;
    return -1;
}

unsigned rn_stages_parse(const char *text, size_t length)
{
    const char *dash = memchr(text, '-', length);
    size_t n = dash ? (size_t)(dash - text) : length;
    int first = find(text, n);
    int last = dash ? find(dash + 1, length - n - 1) : first;
    unsigned bits = 0;

    if (first < 0)
        return 0;
    for (int i = first; i <= last; i++)
        bits |= 1u << i;
    return bits;
}

void rn_stages_freeze(struct rn_graph *graph, unsigned bits, bool fix_all)
{
    for (size_t i = 0; i < graph->n_nodes; i++) {
        struct rn_node *n = &graph->nodes[i];
        int stage = rn_stage_of(n->name);
        bool frozen = stage >= 0 && (bits >> stage & 1);

        n->fixed = n->op == RN_OP_BATCH_NORM && (frozen || fix_all);
        for (int k = 0; k < 4; k++)
            if (n->param[k] >= 0)
                graph->params[n->param[k]].frozen = frozen;
    }
}
