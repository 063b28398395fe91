/* SPDX-License-Identifier: BSD-2-Clause */
/* The gate of highway networks (R. Srivastava et al. 2015, equation 3): what is
 * made of a value and the value itself, in shares that are computed, too. */
#include "graph/build.h"

#include <stdint.h>

static bool shape_highway(struct rn_graph *g, const char *name,
                          struct rn_node *node)
{
    const struct rn_shape z = rn_node_input(g, node, 0)->shape;
    const struct rn_shape x = rn_node_input(g, node, 1)->shape;

    node->shape = x;
    if (z.c == 2 * (int64_t)x.c && z.h == x.h && z.w == x.w)
        return true;
    rn_fail(&g->error, RN_ERR_ARG,
            "'%s' gates %dx%dx%d by %dx%dx%d, expected twice the channels",
            name, x.c, x.h, x.w, z.c, z.h, z.w);
    return false;
}

const struct rn_operation rn_operation_highway = {
    .name = "highway",
    .inputs_least = 2,
    .inputs_most = 2,
    .no_attributes = true,
    .shape = shape_highway,
    .cost = RN_COST_NONE,
};

int rn_graph_highway(struct rn_graph *g, int z, int x, const char *name)
{
    const struct rn_node node = rn_node_new(RN_OP_HIGHWAY);
    const int inputs[] = {z, x};

    return rn_graph_append(g, &node, inputs, 2, name);
}
