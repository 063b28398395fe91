/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions of single elements, products, softmax. */
#include "graph/build.h"
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

static int run_activate_backward(struct rn_plan *plan, struct rn_step *s,
                                 struct rn_error *err)
{
    (void)err;
    rn_activate_backward(rn_step_node(plan, s), plan->options.batch,
                         plan->options.threads, rn_read_at(plan, s->a.buffer),
                         rn_buffer_at(plan, s->dy), rn_buffer_at(plan, s->out));
    return RN_OK;
}

/* In inference they are the plan's own. */
static const float *slopes_of(const struct rn_plan *plan,
                              const struct rn_step *s)
{
    if (s->fold >= 0)
        return plan->folds[s->fold].bias;
    return rn_store_at(plan->store, RN_STORE_VALUE,
                       rn_step_node(plan, s)->param[RN_P_WEIGHT]);
}

static int run_prelu(struct rn_plan *plan, struct rn_step *s,
                     struct rn_error *err)
{
    const struct rn_node *n = rn_step_node(plan, s);

    (void)err;
    rn_prelu(plan->options.batch, n->shape, plan->options.threads,
             slopes_of(plan, s), rn_read_at(plan, s->a.buffer),
             rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_prelu_backward(struct rn_plan *plan, struct rn_step *s,
                              struct rn_error *err)
{
    const struct rn_node *n = rn_step_node(plan, s);

    (void)err;
    rn_prelu_backward(plan->options.batch, n->shape, plan->options.threads,
                      slopes_of(plan, s), rn_read_at(plan, s->a.buffer),
                      rn_buffer_at(plan, s->dy), rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_prelu_slopes(struct rn_plan *plan, struct rn_step *s,
                            struct rn_error *err)
{
    const struct rn_node *n = rn_step_node(plan, s);

    (void)err;
    rn_prelu_slopes(
        plan->options.batch, n->shape, plan->options.threads,
        rn_read_at(plan, s->a.buffer), rn_buffer_at(plan, s->dy),
        rn_store_at(plan->store, RN_STORE_GRAD, n->param[RN_P_WEIGHT]));
    return RN_OK;
}

/* Whether the second factor is a pixel for all of the first one's. */
static bool is_gated(const struct rn_plan *plan, const struct rn_step *s)
{
    const struct rn_node *n = rn_step_node(plan, s);

    return !rn_shape_equal(plan->graph->nodes[n->input[1]].shape, n->shape);
}

static int run_multiply(struct rn_plan *plan, struct rn_step *s,
                        struct rn_error *err)
{
    struct rn_planes p = rn_step_planes(plan, s);

    (void)err;
    rn_multiply(&p, rn_read_at(plan, s->a.buffer),
                rn_read_at(plan, s->b.buffer), is_gated(plan, s),
                rn_buffer_at(plan, s->out));
    return RN_OK;
}

/* Either factor's gradient is the value's times the other factor. */
static int run_multiply_backward(struct rn_plan *plan, struct rn_step *s,
                                 struct rn_error *err)
{
    struct rn_planes p = rn_step_planes(plan, s);
    const void *dy = rn_buffer_at(plan, s->dy);
    const void *other = rn_read_at(plan, s->b.buffer);
    bool gated = is_gated(plan, s);

    (void)err;
    p.type = plan->buffers[s->dy].type; /* a gate's gradient is float32 */
    if (gated && s->input == 1)
        rn_multiply_sums(&p, other, dy, rn_buffer_at(plan, s->out));
    else
        rn_multiply(&p, dy, other, gated, rn_buffer_at(plan, s->out));
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
    .again = true,
};

static const struct rn_step_type activate_backward = {
    .run = run_activate_backward,
    .pass = "backward activation",
    .shares = rn_shares_of_planes,
};

const struct rn_step_type rn_step_prelu = {
    .run = run_prelu,
    .pass = "activation",
    .shares = rn_shares_of_planes,
    .again = true,
};

static const struct rn_step_type prelu_backward = {
    .run = run_prelu_backward,
    .pass = "backward activation",
    .shares = rn_shares_of_planes,
};

/* A block of channels is one thread's, so that its sums are always the same. */
static void shares_of_slopes(const struct rn_plan *plan,
                             const struct rn_step *s, struct rn_shares *shares)
{
    rn_shares_of_pass(s, rn_planes_of_node(plan, s->node).blocks, shares);
}

static const struct rn_step_type prelu_slopes = {
    .run = run_prelu_slopes,
    .pass = "backward slopes",
    .shares = shares_of_slopes,
};

const struct rn_step_type rn_step_multiply = {
    .run = run_multiply,
    .pass = "multiply",
    .shares = rn_shares_of_planes,
    .again = true,
};

static const struct rn_step_type multiply_backward = {
    .run = run_multiply_backward,
    .pass = "backward multiply",
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
    .forward = rn_forward_step,
    .forward_step = &rn_step_activate,
    .backward = rn_backward_step,
    .backward_step = &activate_backward,
    .keeps = RN_KEEPS_INPUT,
};

const struct rn_op_plan rn_plan_clip = {
    .infer = rn_infer_step,
    .infer_step = &rn_step_activate,
    .forward = rn_forward_step,
    .forward_step = &rn_step_activate,
    .backward = rn_backward_step,
    .backward_step = &activate_backward,
    .keeps = RN_KEEPS_INPUT,
};

const struct rn_op_plan rn_plan_leaky_relu = {
    .infer = rn_infer_step,
    .infer_step = &rn_step_activate,
    .forward = rn_forward_step,
    .forward_step = &rn_step_activate,
    .backward = rn_backward_step,
    .backward_step = &activate_backward,
    .keeps = RN_KEEPS_INPUT,
};

const struct rn_op_plan rn_plan_activation = {
    .infer = rn_infer_step,
    .infer_step = &rn_step_activate,
    .forward = rn_forward_step,
    .forward_step = &rn_step_activate,
    .backward = rn_backward_step,
    .backward_step = &activate_backward,
    .keeps = RN_KEEPS_INPUT,
};

const struct rn_op_plan rn_plan_quantize = {
    .infer = rn_infer_step,
    .infer_step = &rn_step_activate,
    .no_training = "none of our networks has it",
};

const struct rn_op_plan rn_plan_prelu = {
    .infer = rn_infer_prelu,
    .infer_step = &rn_step_prelu,
    .forward = rn_forward_step,
    .forward_step = &rn_step_prelu,
    .backward = rn_backward_step,
    .backward_step = &prelu_backward,
    .learn_step = &prelu_slopes,
    .keeps = RN_KEEPS_INPUT,
};

const struct rn_op_plan rn_plan_multiply = {
    .infer = rn_infer_step,
    .infer_step = &rn_step_multiply,
    .bf16 = true,
    .forward = rn_forward_step,
    .forward_step = &rn_step_multiply,
    .backward = rn_backward_step,
    .backward_step = &multiply_backward,
    .keeps = RN_KEEPS_OTHER,
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
