/* SPDX-License-Identifier: BSD-2-Clause */
/* Dropout: training draws a mask forward, and the same one again backward; it
 * is not kept. */
#include "ops/dropout.h"
#include "plan/operations.h"
#include "plan/steps/steps.h"

static void drop(const struct rn_plan *plan, const struct rn_step *s,
                 const float *x)
{
    const struct rn_node *n = rn_step_node(plan, s);
    const struct rn_dropout dropout = {
        .key = {plan->draw.seed, RN_RANDOM_PLAN, plan->draw.iteration},
        .first = rn_draw_index(plan, s->node, 0, rn_shape_size(n->shape)),
        .rate = n->a,
    };

    rn_dropout(&dropout, plan->options.batch, n->shape, plan->options.threads,
               x, rn_buffer_at(plan, s->out));
}

static int run_dropout(struct rn_plan *plan, struct rn_step *s,
                       struct rn_error *err)
{
    (void)err;
    drop(plan, s, rn_read_at(plan, s->a.buffer));
    return RN_OK;
}

static int run_dropout_backward(struct rn_plan *plan, struct rn_step *s,
                                struct rn_error *err)
{
    (void)err;
    drop(plan, s, rn_buffer_at(plan, s->dy));
    return RN_OK;
}

static const struct rn_step_type forward = {
    .run = run_dropout,
    .pass = "dropout",
    .shares = rn_shares_of_planes,
    .again = true,
};

static const struct rn_step_type backward = {
    .run = run_dropout_backward,
    .pass = "backward dropout",
    .shares = rn_shares_of_planes,
};

const struct rn_op_plan rn_plan_dropout = {
    .infer = rn_infer_idle,
    .forward = rn_forward_step,
    .forward_step = &forward,
    .backward = rn_backward_step,
    .backward_step = &backward,
    .keeps = RN_KEEPS_NOTHING,
};
