/* SPDX-License-Identifier: BSD-2-Clause */
/* Tells what a graph's output is, and takes a softmax or sigmoid off its end.
 */
#include "model/head.h"

#include "core/count.h"
#include "core/memory.h"
#include "graph/operation.h"

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

/* What an operation's value is, by what those it reads are. */
enum rule {
    LOGITS, /* whatever they are */
    PROBABILITIES,
    LOG_PROBABILITIES,
    INDEPENDENT,
    FUNCTION,    /* the logarithm may be an operation of its own */
    SAME,        /* what it reads */
    NO_LOGS,     /* the same, unless it is logarithms */
    EACH,        /* the same, if it is each class's own */
    LOGITS_ONLY, /* the same, if it is logits */
    JOINED,      /* a gate is of no kind: logits if one of them is */
    JOINED_EACH, /* what all of them are, if it is each class's own */
};

/* A rule for each operation, or this does not compile. */
enum {
    RULE_input = LOGITS,
    RULE_conv = LOGITS,
    RULE_linear = LOGITS,
    RULE_softmax = PROBABILITIES,
    RULE_log_softmax = LOG_PROBABILITIES,
    RULE_sigmoid = INDEPENDENT,
    RULE_activation = FUNCTION,
    RULE_clip = SAME,
    RULE_dropout = SAME,
    RULE_relu = NO_LOGS,
    RULE_avg_pool = NO_LOGS,
    RULE_adaptive_avg_pool = NO_LOGS,
    RULE_global_avg_pool = NO_LOGS,
    RULE_select = EACH,
    RULE_add = JOINED,
    RULE_multiply = JOINED,
    RULE_concat = JOINED_EACH,
    RULE_batch_norm = LOGITS_ONLY,
    RULE_max_pool = LOGITS_ONLY,
    RULE_subsample_pad = LOGITS_ONLY,
    RULE_leaky_relu = LOGITS_ONLY,
    RULE_lrn = LOGITS_ONLY,
    RULE_zero_pad = LOGITS_ONLY,
    RULE_prelu = LOGITS_ONLY,
    RULE_maxout = LOGITS_ONLY,
    RULE_quantize = LOGITS_ONLY,
    RULE_highway = JOINED,
};

static const enum rule rules[] = {
#define RN_OPERATION(NAME, name) [RN_OP_##NAME] = (enum rule)RULE_##name,
#include "graph/operations.def"
};

/* Of values added or multiplied. */
static int joined(const struct rn_node *n, const int *kinds)
{
    for (int k = 0; k < n->n_inputs; k++)
        if (kinds[n->input[k]] == RN_OUTPUT_LOGITS)
            return RN_OUTPUT_LOGITS;
    return MIXED;
}

static int joined_each(const struct rn_node *n, const int *kinds)
{
    int a = kinds[n->input[0]];

    for (int k = 1; k < n->n_inputs; k++)
        if (kinds[n->input[k]] != a)
            return MIXED;
    return a == RN_OUTPUT_LOGITS || a == RN_OUTPUT_INDEPENDENT ? a : MIXED;
}

static int kind_of(const struct rn_graph *g, int v, const int *kinds)
{
    const struct rn_node *n = &g->nodes[v];
    int a = n->input[0] < 0 ? RN_OUTPUT_LOGITS : kinds[n->input[0]];

    switch (rules[n->op]) {
    case PROBABILITIES:
        return RN_OUTPUT_PROBABILITIES;
    case LOG_PROBABILITIES:
        return RN_OUTPUT_LOG_PROBABILITIES;
    case INDEPENDENT:
        return RN_OUTPUT_INDEPENDENT;
    case LOGITS:
        return RN_OUTPUT_LOGITS;
    case SAME:
        return a;
    case NO_LOGS:
        return a == RN_OUTPUT_LOG_PROBABILITIES ? MIXED : a;
    case FUNCTION:
        if (n->function == RN_FUNCTION_LOG && a == RN_OUTPUT_PROBABILITIES)
            return RN_OUTPUT_LOG_PROBABILITIES;
        return a == RN_OUTPUT_LOGITS ? a : MIXED;
    case EACH:
        return a == RN_OUTPUT_INDEPENDENT || a == RN_OUTPUT_LOGITS ? a : MIXED;
    case JOINED:
        return joined(n, kinds);
    case JOINED_EACH:
        return joined_each(n, kinds);
    case LOGITS_ONLY:
        break;
    }
    return a == RN_OUTPUT_LOGITS ? a : MIXED;
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

/* What leaves probabilities as they are: a clip, or what is idle anyway. */
static bool is_idle(const struct rn_graph *g)
{
    const struct rn_node *n = &g->nodes[g->output];

    if (g->kind == RN_OUTPUT_LOGITS)
        return false;
    if (rn_operation_of(n->op)->idle)
        return is_last(g, n->op);
    return is_last(g, RN_OP_CLIP) && g->kind != RN_OUTPUT_LOG_PROBABILITIES &&
           n->low <= 0 && n->high >= 1;
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
