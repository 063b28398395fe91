/* SPDX-License-Identifier: BSD-2-Clause */
/* The loss, and its gradient. */
#include "ops/loss.h"
#include "plan/steps/steps.h"

static int run_loss(struct rn_plan *plan, struct rn_step *s,
                    struct rn_error *err)
{
    int classes = rn_step_node(plan, s)->shape.c;
    struct rn_loss loss =
        rn_loss_of(plan->options.batch, classes, rn_channels_padded(classes),
                   rn_buffer_at(plan, s->a.buffer), &plan->targets,
                   rn_buffer_at(plan, s->out));

    (void)err;
    plan->result = (struct rn_step_result){loss.sum, loss.errors};
    return RN_OK;
}

/* One thread does it. */
static void shares_of_loss(const struct rn_plan *plan, const struct rn_step *s,
                           struct rn_shares *shares)
{
    (void)plan;
    rn_shares_alone(shares, s->bytes * RN_COST_OF_BYTE);
}

const struct rn_step_type rn_step_loss = {
    .run = run_loss,
    .pass = "loss",
    .shares = shares_of_loss,
};
