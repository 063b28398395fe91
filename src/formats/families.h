/* SPDX-License-Identifier: BSD-2-Clause */
/* Which network of a family a graph from elsewhere is: the same operations on
 * the same shapes, whatever its nodes are called. */
#ifndef RN_FORMATS_FAMILIES_H
#define RN_FORMATS_FAMILIES_H

#include "nets/nets.h"

/** Copy the parameters of `from` into `own` if both compute the same; false
 *  when they do not (`own` is then undefined), or when memory is short. A
 *  batch norm that `from` has folded into its convolution becomes one that
 *  does nothing but add the bias. */
bool rn_graph_adopt(struct rn_graph *own, const struct rn_graph *from);

/** The family's network that a graph is, with its parameters; NULL in *out
 *  when it is none. */
int rn_family_find(struct rn_net_spec *spec, struct rn_graph **out,
                   const struct rn_graph *from, struct rn_error *err);

#endif
