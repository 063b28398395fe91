/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/head.h"

#include "core/count.h"
#include "core/memory.h"

#include <string.h>

const char *rn_output_name(enum rn_output output)
{
    static const char *const names[] = {
        [RN_OUTPUT_LOGITS] = "logits",
        [RN_OUTPUT_PROBABILITIES] = "probabilities",
        [RN_OUTPUT_LOG_PROBABILITIES] = "log-probabilities",
        [RN_OUTPUT_INDEPENDENT_LOGITS] = "independent-logits",
        [RN_OUTPUT_INDEPENDENT] = "independent-probabilities",
    };

    return (unsigned)output < COUNT(names) ? names[output] : NULL;
}

bool rn_output_find(const char *name, enum rn_output *out)
{
    const char *known;

    for (int i = 0; name && (known = rn_output_name((enum rn_output)i)); i++)
        if (strcmp(name, known) == 0) {
            *out = (enum rn_output)i;
            return true;
        }
    return false;
}

bool rn_is_independent(enum rn_output kind)
{
    return kind == RN_OUTPUT_INDEPENDENT_LOGITS ||
           kind == RN_OUTPUT_INDEPENDENT;
}

bool rn_head_fits(enum rn_output kind, enum rn_output head)
{
    switch (kind) {
    case RN_OUTPUT_LOGITS:
        return head == kind || head == RN_OUTPUT_PROBABILITIES ||
               head == RN_OUTPUT_LOG_PROBABILITIES;
    case RN_OUTPUT_INDEPENDENT_LOGITS:
        return head == kind || head == RN_OUTPUT_INDEPENDENT;
    default:
        return head == kind;
    }
}

/* ----------------------------------------------------- kinds of all values */

/* Made of probabilities, but no longer any. */
#define MIXED 100

/* Of two values added or multiplied: a gate is of no kind. */
static int joined(int a, int b)
{
    return a == RN_OUTPUT_LOGITS || b == RN_OUTPUT_LOGITS ? RN_OUTPUT_LOGITS
                                                          : MIXED;
}

/* What keeps probabilities what they are; `logarithms` too. */
static int kept(int kind, bool logarithms)
{
    return kind == RN_OUTPUT_LOG_PROBABILITIES && !logarithms ? MIXED : kind;
}

static int kind_of(const struct rn_graph *g, int v, const int *kinds)
{
    const struct rn_node *n = &g->nodes[v];
    int a = n->input[0] < 0 ? RN_OUTPUT_LOGITS : kinds[n->input[0]];
    int b = n->input[1] < 0 ? RN_OUTPUT_LOGITS : kinds[n->input[1]];

    switch (n->op) {
    case RN_OP_SOFTMAX:
        return RN_OUTPUT_PROBABILITIES;
    case RN_OP_LOG_SOFTMAX:
        return RN_OUTPUT_LOG_PROBABILITIES;
    case RN_OP_SIGMOID:
        return RN_OUTPUT_INDEPENDENT;
    case RN_OP_INPUT:
    case RN_OP_CONV:
    case RN_OP_LINEAR:
        return RN_OUTPUT_LOGITS;
    case RN_OP_CLIP:
        return kept(a, true);
    case RN_OP_RELU:
    case RN_OP_AVG_POOL:
    case RN_OP_GLOBAL_AVG_POOL:
        return kept(a, false);
    case RN_OP_ACTIVATION: /* the logarithm may be an operation of its own */
        if (n->function == RN_FUNCTION_LOG && a == RN_OUTPUT_PROBABILITIES)
            return RN_OUTPUT_LOG_PROBABILITIES;
        return a == RN_OUTPUT_LOGITS ? a : MIXED;
    case RN_OP_SELECT:
        return a == RN_OUTPUT_INDEPENDENT || a == RN_OUTPUT_LOGITS ? a : MIXED;
    case RN_OP_ADD:
    case RN_OP_MULTIPLY:
        return joined(a, b);
    case RN_OP_CONCAT:
        return a == b && (a == RN_OUTPUT_LOGITS || a == RN_OUTPUT_INDEPENDENT)
                   ? a
                   : MIXED;
    default:
        return a == RN_OUTPUT_LOGITS ? a : MIXED;
    }
}

static int fail_mixed(const struct rn_graph *g, const char *path,
                      struct rn_error *err)
{
    const struct rn_node *n = &g->nodes[g->output];

    return rn_fail(err, RN_ERR_DATA,
                   "'%s': its output '%.100s' (%s) is made of probabilities, "
                   "but is neither one of the classes' nor each class's own: "
                   "--output names another value",
                   path, n->name, rn_op_name(n->op));
}

int rn_head_tell(struct rn_graph *g, const char *path, struct rn_error *err)
{
    int *kinds = rn_alloc(g->n_nodes, sizeof(*kinds));

    if (!kinds)
        return rn_fail_memory(err, g->n_nodes * sizeof(*kinds), "a list");
    for (int v = 0; v <= g->output; v++)
        kinds[v] = kind_of(g, v, kinds);
    int kind = kinds[g->output];
    rn_free(kinds);
    if (kind == MIXED)
        return fail_mixed(g, path, err);
    g->kind = g->head = (enum rn_output)kind;
    return RN_OK;
}

/* ------------------------------------------------------------ the last ones */

static bool is_last(const struct rn_graph *g, enum rn_op op)
{
    const struct rn_node *n = &g->nodes[g->output];

    return n->op == op && n->input[0] > 0 &&
           (size_t)g->output + 1 == g->n_nodes;
}

/* A clip that leaves probabilities as they are. */
static bool is_idle(const struct rn_graph *g)
{
    const struct rn_node *n = &g->nodes[g->output];

    return is_last(g, RN_OP_CLIP) && g->kind != RN_OUTPUT_LOGITS &&
           g->kind != RN_OUTPUT_LOG_PROBABILITIES && n->low <= 0 &&
           n->high >= 1;
}

int rn_head_take(struct rn_graph *g, const char *path, struct rn_error *err)
{
    int rc = rn_head_tell(g, path, err);
    bool done = true;

    while (!rc && done && is_idle(g))
        done = rn_graph_cut(g, g->nodes[g->output].input[0]);
    bool sigmoid = !rc && is_last(g, RN_OP_SIGMOID);
    if (!rc && done &&
        (sigmoid || is_last(g, RN_OP_SOFTMAX) ||
         is_last(g, RN_OP_LOG_SOFTMAX))) {
        done = rn_graph_cut(g, g->nodes[g->output].input[0]);
        g->kind = sigmoid ? RN_OUTPUT_INDEPENDENT_LOGITS : RN_OUTPUT_LOGITS;
    }
    return done ? rc
                : rn_fail_memory(err, g->n_nodes * sizeof(int), "a network");
}
