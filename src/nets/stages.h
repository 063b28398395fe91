/* SPDX-License-Identifier: BSD-2-Clause */
/* Stages of a network, which its family names: what of it is frozen, learns at
 * a rate of its own, or is asked for by features. */
#ifndef RN_NETS_STAGES_H
#define RN_NETS_STAGES_H

#include "nets/nets.h"

/** Most stages a family may have; bit 31 is nobody's. */
enum { RN_STAGES = 31 };

/** Number of the graph's stages. Here and below NULL stands for a network that
 *  is not known yet, with the usual ones. */
int rn_stages_count(const struct rn_graph *graph);

/** Bytes of a range of them as text, "conv1-conv4=0.1". */
enum { RN_STAGES_TEXT = 48 };
/** The name of one of them; the head is the last. */
const char *rn_stages_name(const struct rn_graph *graph, int stage);

/** Say in the graph which stage nodes and parameters belong to: its family's,
 *  or, when it is of none, those of the family whose names cover most of its
 *  parameters. */
void rn_stages_mark(struct rn_graph *graph, const struct rn_net_spec *spec);

/** Bits of the graph's stages in "conv1-conv4", "conv5", "fc" …: one, or a
 *  range. `text` is `length` long. Zero when there is no such thing. */
unsigned rn_stages_parse(const struct rn_graph *graph, const char *text,
                         size_t length);
/** Whether any family has such stages. */
bool rn_stages_known(const char *text, size_t length);

/** "conv1, conv2, fc". */
const char *rn_stages_list(const struct rn_graph *graph, char *buf,
                           size_t size);

/** Freeze the stages' parameters; their batch norms, or all of them with
 *  `fix_all`, take the running statistics. */
void rn_stages_freeze(struct rn_graph *graph, unsigned stages, bool fix_all);

#endif
