/* SPDX-License-Identifier: BSD-2-Clause */
/* What the output of a network of others is: scores, or probabilities. */
#ifndef RN_MODEL_HEAD_H
#define RN_MODEL_HEAD_H

#include "graph/graph.h"

/**
 * Tell g->kind and g->head from the graph's last operations. A softmax or
 * sigmoid at its very end is taken off, as scores are better to average and
 * to train on; g->head remembers it.
 *
 * @return RN_ERR_DATA when probabilities are made into something that is not
 *         understood.
 */
int rn_head_take(struct rn_graph *g, const char *path, struct rn_error *err);
/** The same without taking anything off. */
int rn_head_tell(struct rn_graph *g, const char *path, struct rn_error *err);

/** Whether classes do not exclude each other. */
bool rn_is_independent(enum rn_output kind);

/** Whether a head is what becomes of an output of that kind, or the output
 *  itself. */
bool rn_head_fits(enum rn_output kind, enum rn_output head);

/** The kind of that rn_output_name(); false for another text. */
bool rn_output_find(const char *name, enum rn_output *out);

#endif
