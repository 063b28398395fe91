/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this folder share: each holds the steps of some
 * operations. Running a step allocates nothing. */
#ifndef RN_PLAN_STEPS_H
#define RN_PLAN_STEPS_H

#include "plan/internal.h"

/** Where a buffer lies, for reading: the caller's images, too. */
const void *rn_read_at(const struct rn_plan *plan, int buffer);
/** A value with what its reader has still to apply to it. */
struct rn_operand rn_operand_of(const struct rn_plan *plan, struct rn_value v);
/** The step's node, and the shape of the node's first input. */
const struct rn_node *rn_step_node(const struct rn_plan *plan,
                                   const struct rn_step *s);
struct rn_shape rn_step_input(const struct rn_plan *plan,
                              const struct rn_step *s);
/** The type of the numbers that it makes, and its node's and its input's
 *  planes of that type. */
enum rn_dtype rn_step_type_of(const struct rn_plan *plan,
                              const struct rn_step *s);
struct rn_planes rn_step_planes(const struct rn_plan *plan,
                                const struct rn_step *s);
struct rn_planes rn_step_input_planes(const struct rn_plan *plan,
                                      const struct rn_step *s);

/** The batch norm whose gradient a step makes: what of. */
struct rn_bn_backward rn_norm_backward(const struct rn_plan *plan,
                                       const struct rn_step *s);

/** Columns of step types: a pass over its node's planes, or its input's, over
 *  pixels, images or all numbers of what it makes. */
void rn_shares_of_planes(const struct rn_plan *plan, const struct rn_step *s,
                         struct rn_shares *shares);
void rn_shares_of_inputs(const struct rn_plan *plan, const struct rn_step *s,
                         struct rn_shares *shares);
void rn_shares_of_pixels(const struct rn_plan *plan, const struct rn_step *s,
                         struct rn_shares *shares);
/** A pass of `items` pieces. */
void rn_shares_of_pass(const struct rn_step *s, size_t items,
                       struct rn_shares *shares);

/** Where among the random numbers of a plan's iteration those of node and
 *  image begin, `count` of them for each image: the number of rn_random4()'s
 *  index, of which each gives four. */
uint64_t rn_draw_index(const struct rn_plan *plan, int node, size_t image,
                       size_t count);

#endif
