/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the values of a step lie, what shape they have, and how its work is
 * shared out. */
#include "plan/steps/steps.h"

void *rn_buffer_at(const struct rn_plan *plan, int buffer)
{
    return buffer < 0 ? NULL : plan->arena + plan->buffers[buffer].offset;
}

const void *rn_read_at(const struct rn_plan *plan, int buffer)
{
    return buffer == RN_IMAGES ? plan->images : rn_buffer_at(plan, buffer);
}

struct rn_operand rn_operand_of(const struct rn_plan *plan, struct rn_value v)
{
    struct rn_operand o = {.x = rn_read_at(plan, v.buffer), .relu = v.relu};

    if (v.buffer >= 0)
        o.planes = plan->buffers[v.buffer].planes;
    if (v.bn >= 0) {
        o.scale = plan->bns[v.bn].scale;
        o.shift = plan->bns[v.bn].shift;
    }
    return o;
}

const struct rn_node *rn_step_node(const struct rn_plan *plan,
                                   const struct rn_step *s)
{
    return &plan->graph->nodes[s->node];
}

struct rn_shape rn_step_input(const struct rn_plan *plan,
                              const struct rn_step *s)
{
    return plan->graph->nodes[rn_step_node(plan, s)->input[0]].shape;
}

enum rn_dtype rn_step_type_of(const struct rn_plan *plan,
                              const struct rn_step *s)
{
    return plan->buffers[s->out].type;
}

struct rn_planes rn_step_planes(const struct rn_plan *plan,
                                const struct rn_step *s)
{
    return rn_planes_typed(plan->options.batch, rn_step_node(plan, s)->shape,
                           plan->options.threads, rn_step_type_of(plan, s));
}

struct rn_planes rn_step_input_planes(const struct rn_plan *plan,
                                      const struct rn_step *s)
{
    return rn_planes_typed(plan->options.batch, rn_step_input(plan, s),
                           plan->options.threads, rn_step_type_of(plan, s));
}

/* ------------------------------------------------------------------ shares */

void rn_shares_of_pass(const struct rn_step *s, size_t items,
                       struct rn_shares *shares)
{
    rn_shares_even(shares, items, s->bytes * RN_COST_OF_BYTE / (double)items);
    rn_shares_barrier(shares);
}

void rn_shares_of_planes(const struct rn_plan *plan, const struct rn_step *s,
                         struct rn_shares *shares)
{
    struct rn_planes p = rn_planes_of_node(plan, s->node);

    rn_shares_of_pass(s, rn_planes_number(&p), shares);
}

void rn_shares_of_inputs(const struct rn_plan *plan, const struct rn_step *s,
                         struct rn_shares *shares)
{
    struct rn_planes p =
        rn_planes_of_node(plan, rn_step_node(plan, s)->input[0]);

    rn_shares_of_pass(s, rn_planes_number(&p), shares);
}

void rn_shares_of_pixels(const struct rn_plan *plan, const struct rn_step *s,
                         struct rn_shares *shares)
{
    struct rn_planes p = rn_planes_of_node(plan, s->node);

    rn_shares_of_pass(s, p.n * p.hw, shares);
}

/* ------------------------------------------------------------------ draws */

uint64_t rn_draw_index(const struct rn_plan *plan, int node, size_t image,
                       size_t count)
{
    uint64_t each = (count + 3) / 4;

    return ((uint64_t)node << 48) + (plan->draw.first + image) * each;
}
