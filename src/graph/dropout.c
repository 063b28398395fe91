/* SPDX-License-Identifier: BSD-2-Clause */
/* Dropout (G. Hinton et al. 2012): in training each number is zero with
 * probability `rate`, and else divided by 1 - rate; otherwise it stays. */
#include "graph/build.h"

#include "core/count.h"

static bool shape_dropout(struct rn_graph *g, const char *name,
                          struct rn_node *node)
{
    rn_keep_shape(g, name, node);
    if (node->a >= 0 && node->a < 1)
        return true;
    rn_fail(&g->error, RN_ERR_ARG,
            "'%s' drops a share of %g, expected 0 to less than 1", name,
            (double)node->a);
    return false;
}

static const struct rn_attribute attributes[] = {
    {.name = "rate",
     .type = RN_ATTRIBUTE_REAL,
     .place = offsetof(struct rn_node, a),
     .otherwise = 0.5f,
     .to = 0.9f},
};

const struct rn_operation rn_operation_dropout = {
    .name = "dropout",
    .inputs_least = 1,
    .inputs_most = 1,
    .attributes = attributes,
    .n_attributes = COUNT(attributes),
    .shape = shape_dropout,
    .cost = RN_COST_NONE,
    .idle = true,
};

int rn_graph_dropout(struct rn_graph *g, int input, const char *name,
                     float rate)
{
    struct rn_node node = rn_node_new(RN_OP_DROPOUT);

    node.a = rate;
    return rn_graph_append(g, &node, &input, 1, name);
}
