/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions of single elements, products, softmax. */
#include "ops/activation.h"
#include "plan/operations.h"
#include "plan/steps/steps.h"

static int run_activate(struct rn_plan *plan, struct rn_step *s,
                        struct rn_error *err)
{
    (void)err;
    rn_activate(rn_step_node(plan, s), plan->options.batch,
                plan->options.threads, rn_read_at(plan, s->a.buffer),
                rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_prelu(struct rn_plan *plan, struct rn_step *s,
                     struct rn_error *err)
{
    const struct rn_node *n = rn_step_node(plan, s);

    (void)err;
    rn_prelu(plan->options.batch, n->shape, plan->options.threads,
             plan->folds[s->fold].bias, rn_read_at(plan, s->a.buffer),
             rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_multiply(struct rn_plan *plan, struct rn_step *s,
                        struct rn_error *err)
{
    struct rn_planes p = rn_planes_of_node(plan, s->node);
    struct rn_shape b =
        plan->graph->nodes[rn_step_node(plan, s)->input[1]].shape;

    (void)err;
    rn_multiply(&p, rn_read_at(plan, s->a.buffer),
                rn_read_at(plan, s->b.buffer), b.h == 1 && b.w == 1,
                rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_softmax(struct rn_plan *plan, struct rn_step *s,
                       struct rn_error *err)
{
    struct rn_planes p = rn_planes_of_node(plan, s->node);

    (void)err;
    rn_softmax_channels(&p, rn_step_node(plan, s)->shape.c,
                        rn_step_node(plan, s)->op == RN_OP_LOG_SOFTMAX,
                        rn_read_at(plan, s->a.buffer),
                        rn_buffer_at(plan, s->out));
    return RN_OK;
}

const struct rn_step_type rn_step_activate = {
    .run = run_activate,
    .pass = "activation",
    .shares = rn_shares_of_planes,
};

const struct rn_step_type rn_step_prelu = {
    .run = run_prelu,
    .pass = "activation",
    .shares = rn_shares_of_planes,
};

const struct rn_step_type rn_step_multiply = {
    .run = run_multiply,
    .pass = "multiply",
    .shares = rn_shares_of_planes,
};

const struct rn_step_type rn_step_softmax = {
    .run = run_softmax,
    .pass = "softmax",
    .shares = rn_shares_of_pixels,
};

const struct rn_op_plan rn_plan_sigmoid = {
    .infer = rn_infer_step,
    .infer_step = &rn_step_activate,
    .no_training = "none of our networks has it",
};

const struct rn_op_plan rn_plan_clip = {
    .infer = rn_infer_step,
    .infer_step = &rn_step_activate,
    .no_training = "none of our networks has it",
};

const struct rn_op_plan rn_plan_leaky_relu = {
    .infer = rn_infer_step,
    .infer_step = &rn_step_activate,
    .no_training = "none of our networks has it",
};

const struct rn_op_plan rn_plan_activation = {
    .infer = rn_infer_step,
    .infer_step = &rn_step_activate,
    .no_training = "none of our networks has it",
};

const struct rn_op_plan rn_plan_quantize = {
    .infer = rn_infer_step,
    .infer_step = &rn_step_activate,
    .no_training = "none of our networks has it",
};

const struct rn_op_plan rn_plan_prelu = {
    .infer = rn_infer_prelu,
    .infer_step = &rn_step_prelu,
    .no_training = "none of our networks has it",
};

const struct rn_op_plan rn_plan_multiply = {
    .infer = rn_infer_step,
    .infer_step = &rn_step_multiply,
    .no_training = "none of our networks has it",
};

const struct rn_op_plan rn_plan_softmax = {
    .infer = rn_infer_step,
    .infer_step = &rn_step_softmax,
    .no_training = "none of our networks has it",
};

const struct rn_op_plan rn_plan_log_softmax = {
    .infer = rn_infer_step,
    .infer_step = &rn_step_softmax,
    .no_training = "none of our networks has it",
};
