/* SPDX-License-Identifier: BSD-2-Clause */
/* Stages of a network under the names of the paper's table 1. */
#ifndef RN_NETS_STAGES_H
#define RN_NETS_STAGES_H

#include "graph/graph.h"

/** conv1, conv2 (with the blocks of layer1), …, conv5, fc. */
enum { RN_STAGES = 6 };

/** Name of stage i. */
const char *rn_stage_name(int i);

/** Stage of the parameter or node of that name (torchvision's), -1 for one of
 *  none. */
int rn_stage_of(const char *name);

/** Bits of the stages in "conv1-conv4", "conv5", "fc" …: one, or a range.
 *  `text` is `length` long. Zero when there is no such thing. */
unsigned rn_stages_parse(const char *text, size_t length);

/** Freeze the stages' parameters; their batch norms, or all of them with
 *  `fix_all`, take the running statistics. */
void rn_stages_freeze(struct rn_graph *graph, unsigned stages, bool fix_all);

#endif
