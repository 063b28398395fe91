/* SPDX-License-Identifier: BSD-2-Clause */
/* What moves values between channels or pixels. */
#include "ops/channels.h"
#include "plan/steps/steps.h"

static int run_concat(struct rn_plan *plan, struct rn_step *s,
                      struct rn_error *err)
{
    const struct rn_node *nodes = plan->graph->nodes;
    const int *input = rn_step_node(plan, s)->input;

    (void)err;
    rn_concat(plan->options.batch, nodes[input[0]].shape, nodes[input[1]].shape,
              plan->options.threads, rn_read_at(plan, s->a.buffer),
              rn_read_at(plan, s->b.buffer), rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_select(struct rn_plan *plan, struct rn_step *s,
                      struct rn_error *err)
{
    const struct rn_node *n = rn_step_node(plan, s);

    (void)err;
    rn_select(&n->selection, plan->options.batch, rn_step_input(plan, s),
              n->shape, plan->options.threads, rn_read_at(plan, s->a.buffer),
              rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_lrn(struct rn_plan *plan, struct rn_step *s,
                   struct rn_error *err)
{
    const struct rn_node *n = rn_step_node(plan, s);

    (void)err;
    rn_lrn(&n->lrn, plan->options.batch, n->shape, plan->options.threads,
           rn_read_at(plan, s->a.buffer), rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_zero_pad(struct rn_plan *plan, struct rn_step *s,
                        struct rn_error *err)
{
    const struct rn_node *n = rn_step_node(plan, s);

    (void)err;
    rn_zero_pad(plan->options.batch, rn_step_input(plan, s), n->shape,
                rn_window_top(&n->window), rn_window_left(&n->window),
                plan->options.threads, rn_read_at(plan, s->a.buffer),
                rn_buffer_at(plan, s->out));
    return RN_OK;
}

const struct rn_step_type rn_step_concat = {
    .run = run_concat,
    .pass = "concat",
};

const struct rn_step_type rn_step_select = {
    .run = run_select,
    .pass = "select channels",
};

const struct rn_step_type rn_step_lrn = {
    .run = run_lrn,
    .pass = "normalise across channels",
};

const struct rn_step_type rn_step_zero_pad = {
    .run = run_zero_pad,
    .pass = "zero pad",
};
