/* SPDX-License-Identifier: BSD-2-Clause */
/* What builder calls are made of. Each fails into g->error. */
#ifndef RN_GRAPH_BUILD_H
#define RN_GRAPH_BUILD_H

#include "graph/graph.h"

/** Longest name of a parameter, and so about that of a node. */
#define RN_NAME_SIZE 160

/** A node that reads values a and b (-1: none) and has no parameters. */
struct rn_node rn_node_new(enum rn_op op, int a, int b);
/** The node whose value is read; NULL after a failure. */
const struct rn_node *rn_node_source(struct rn_graph *g, int input,
                                     const char *name);
/** Append a node, its shape set; its value, or -1. */
int rn_node_append(struct rn_graph *g, const struct rn_node *node,
                   const char *name);
/** Whether a node may have that shape. */
bool rn_shape_ok(struct rn_graph *g, const char *name, struct rn_shape s);
bool rn_shape_equal(struct rn_shape a, struct rn_shape b);

/* window.c */

/** Bring a window into the form struct rn_window states, and the pixels that
 *  it makes of `in` into *out; with `ceil` a last window may reach beyond the
 *  padding. */
bool rn_window_shape(struct rn_graph *g, const char *name,
                     const struct rn_shape *in, struct rn_window *w, bool ceil,
                     struct rn_shape *out);
/** Whether each of the windows has a tap on a pixel. */
bool rn_window_sees(const struct rn_window *w, const struct rn_shape *in,
                    const struct rn_shape *out);

#endif
