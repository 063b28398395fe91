/* SPDX-License-Identifier: BSD-2-Clause */
/* The gate of highway networks: one pass forward, and one back that makes both
 * inputs' gradients. */
#include "ops/highway.h"
#include "plan/operations.h"
#include "plan/steps/steps.h"

static int run_highway(struct rn_plan *plan, struct rn_step *s,
                       struct rn_error *err)
{
    const struct rn_planes p = rn_step_planes(plan, s);

    (void)err;
    rn_highway(&p, rn_step_node(plan, s)->shape.c,
               rn_read_at(plan, s->a.buffer), rn_read_at(plan, s->b.buffer),
               rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_highway_backward(struct rn_plan *plan, struct rn_step *s,
                                struct rn_error *err)
{
    const struct rn_planes p = rn_step_planes(plan, s);

    (void)err;
    rn_highway_backward(&p, rn_step_node(plan, s)->shape.c,
                        rn_read_at(plan, s->a.buffer),
                        rn_read_at(plan, s->b.buffer),
                        rn_buffer_at(plan, s->dy), rn_buffer_at(plan, s->dy2),
                        rn_buffer_at(plan, s->y), rn_buffer_at(plan, s->out));
    return RN_OK;
}

const struct rn_step_type rn_step_highway = {
    .run = run_highway,
    .pass = "gate",
    .shares = rn_shares_of_planes,
    .again = true,
};

const struct rn_step_type rn_step_highway_backward = {
    .run = run_highway_backward,
    .pass = "backward gate",
    .shares = rn_shares_of_planes,
};

const struct rn_op_plan rn_plan_highway = {
    .infer = rn_infer_step,
    .infer_step = &rn_step_highway,
    .bf16 = true,
    .forward = rn_forward_step,
    .forward_step = &rn_step_highway,
    .backward = rn_backward_highway,
    .keeps = RN_KEEPS_INPUT,
};
