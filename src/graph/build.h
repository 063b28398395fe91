/* SPDX-License-Identifier: BSD-2-Clause */
/* What shape rules are made of. Each fails into g->error. */
#ifndef RN_GRAPH_BUILD_H
#define RN_GRAPH_BUILD_H

#include "graph/operation.h"

/** Longest name of a parameter, and so about that of a node. */
#define RN_NAME_SIZE 160

/** The node whose value is input k. */
const struct rn_node *rn_node_input(const struct rn_graph *g,
                                    const struct rn_node *node, int k);
/** Whether a node may have that shape. */
bool rn_shape_ok(struct rn_graph *g, const char *name, struct rn_shape s);
bool rn_shape_equal(struct rn_shape a, struct rn_shape b);
/** rn_check_positive(…, "channels") for sizes a caller chooses. */
bool rn_check_positive(struct rn_graph *g, const char *name, int value,
                       const char *what);

/** Append parameter NAME.SUFFIX of shape dim[0..dims-1], zeroed; its number,
 *  or -1. */
int rn_param_append(struct rn_graph *g, const char *name, const char *suffix,
                    enum rn_param_kind kind, int dims, const size_t *dim);
/** One number for each channel. */
int rn_param_channels(struct rn_graph *g, const char *name, const char *suffix,
                      enum rn_param_kind kind, int channels);

/** The shape rule of what keeps the shape and checks nothing. */
bool rn_keep_shape(struct rn_graph *g, const char *name, struct rn_node *node);

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
