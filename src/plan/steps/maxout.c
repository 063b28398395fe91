/* SPDX-License-Identifier: BSD-2-Clause */
/* Maxout: training keeps which piece each number came from. */
#include "ops/maxout.h"
#include "plan/operations.h"
#include "plan/steps/steps.h"

static int run_maxout(struct rn_plan *plan, struct rn_step *s,
                      struct rn_error *err)
{
    const struct rn_planes p = rn_step_planes(plan, s);
    const struct rn_node *n = rn_step_node(plan, s);
    uint8_t *where =
        plan->options.mode == RN_MODE_TRAIN ? rn_buffer_at(plan, s->y) : NULL;

    (void)err;
    rn_maxout(&p, n->shape.c, n->pieces, rn_read_at(plan, s->a.buffer),
              rn_buffer_at(plan, s->out), where);
    return RN_OK;
}

static int run_maxout_backward(struct rn_plan *plan, struct rn_step *s,
                               struct rn_error *err)
{
    const struct rn_planes p = rn_step_planes(plan, s);
    const struct rn_node *n = rn_step_node(plan, s);

    (void)err;
    rn_maxout_backward(&p, n->shape.c, n->pieces, rn_buffer_at(plan, s->dy),
                       rn_buffer_at(plan, s->y), rn_buffer_at(plan, s->out));
    return RN_OK;
}

static const struct rn_step_type forward = {
    .run = run_maxout,
    .pass = "maxout",
    .shares = rn_shares_of_planes,
};

static const struct rn_step_type backward = {
    .run = run_maxout_backward,
    .pass = "backward maxout",
    .shares = rn_shares_of_planes,
};

const struct rn_op_plan rn_plan_maxout = {
    .infer = rn_infer_step,
    .infer_step = &forward,
    .bf16 = true,
    .forward = rn_forward_step,
    .forward_step = &forward,
    .backward = rn_backward_step,
    .backward_step = &backward,
    .keeps = RN_KEEPS_PLACES,
};
