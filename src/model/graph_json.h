/* SPDX-License-Identifier: BSD-2-Clause */
/* A graph as JSON: how a network that is none of ours stands in a model file.
 * A list of nodes in order, the input left out; a node names its operation
 * and the values it reads, 0 being the input. */
#ifndef RN_MODEL_GRAPH_JSON_H
#define RN_MODEL_GRAPH_JSON_H

#include "core/json.h"
#include "graph/graph.h"

/** Most nodes of a graph from a file: finding readers takes time that grows
 *  with their square. */
#define RN_GRAPH_NODES_MAX 20000

/** The list of nodes; NULL when memory is short. */
json_t *rn_graph_json(const struct rn_graph *g);

/** The graph of a list of nodes over an input, its parameters zero; `output`
 *  is the node whose value are the logits. RN_ERR_DATA when it is none, or
 *  its parameters are more than `floats` numbers. */
int rn_graph_from_json(struct rn_graph **out, const json_t *nodes,
                       struct rn_shape input, int output, uint64_t floats,
                       struct rn_error *err);

#endif
