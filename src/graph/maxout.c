/* SPDX-License-Identifier: BSD-2-Clause */
/* Maxout (I. Goodfellow et al. 2013): each channel is the largest of several
 * of the input's, one of each piece; the pieces follow each other. Their
 * authors' code has a unit's pieces side by side, which is the same network
 * with its weights in another order. */
#include "graph/build.h"

#include "core/count.h"

static bool shape_maxout(struct rn_graph *g, const char *name,
                         struct rn_node *node)
{
    const struct rn_shape in = rn_node_input(g, node, 0)->shape;

    if (node->pieces < 1 || node->pieces > RN_PIECES_MOST ||
        in.c % node->pieces) {
        rn_fail(&g->error, RN_ERR_ARG,
                "'%s' has %d channels in %d pieces, expected 1 to %d of one "
                "size",
                name, in.c, node->pieces, RN_PIECES_MOST);
        return false;
    }
    node->shape = (struct rn_shape){in.c / node->pieces, in.h, in.w};
    return true;
}

static const struct rn_attribute attributes[] = {
    {.name = "pieces",
     .type = RN_ATTRIBUTE_INT,
     .place = offsetof(struct rn_node, pieces),
     .otherwise = 2,
     .from = 1,
     .to = 5},
};

const struct rn_operation rn_operation_maxout = {
    .name = "maxout",
    .inputs_least = 1,
    .inputs_most = 1,
    .attributes = attributes,
    .n_attributes = COUNT(attributes),
    .shape = shape_maxout,
    .cost = RN_COST_NONE,
};

int rn_graph_maxout(struct rn_graph *g, int input, const char *name, int pieces)
{
    struct rn_node node = rn_node_new(RN_OP_MAXOUT);

    node.pieces = pieces;
    return rn_graph_append(g, &node, &input, 1, name);
}
