/* SPDX-License-Identifier: BSD-2-Clause */
/* What moves values between channels or pixels. */
#include "ops/channels.h"
#include "plan/operations.h"
#include "plan/steps/steps.h"

/* Value by value, each behind the channels of those before it. */
static int run_concat(struct rn_plan *plan, struct rn_step *s,
                      struct rn_error *err)
{
    const struct rn_node *n = rn_step_node(plan, s);
    int first = 0;

    (void)err;
    for (int k = 0; k < n->n_inputs; k++) {
        const int own[] = {s->a.buffer, s->b.buffer};
        const int buffer = k < 2 ? own[k] : plan->lists[s->more + k - 2];
        const struct rn_shape in = plan->graph->nodes[n->input[k]].shape;

        rn_concat(plan->options.batch, in, n->shape, first,
                  plan->options.threads, rn_step_type_of(plan, s),
                  rn_read_at(plan, buffer), rn_buffer_at(plan, s->out));
        first += in.c;
    }
    return RN_OK;
}

/* Channels of the inputs before number k. */
static int channels_before(const struct rn_plan *plan, const struct rn_node *n,
                           int k)
{
    int channels = 0;

    for (int i = 0; i < k; i++)
        channels += plan->graph->nodes[n->input[i]].shape.c;
    return channels;
}

/* One of the values, into its place among the others. */
static int run_place(struct rn_plan *plan, struct rn_step *s,
                     struct rn_error *err)
{
    const struct rn_node *n = rn_step_node(plan, s);

    (void)err;
    rn_concat(plan->options.batch, plan->graph->nodes[n->input[s->input]].shape,
              n->shape, channels_before(plan, n, s->input),
              plan->options.threads, rn_step_type_of(plan, s),
              rn_read_at(plan, s->a.buffer), rn_buffer_at(plan, s->out));
    return RN_OK;
}

/* The channels that were an input's. */
static int run_concat_backward(struct rn_plan *plan, struct rn_step *s,
                               struct rn_error *err)
{
    const struct rn_node *n = rn_step_node(plan, s);
    const struct rn_shape in = plan->graph->nodes[n->input[s->input]].shape;
    struct rn_selection own = {
        .first = channels_before(plan, n, s->input), .inner = in.c, .step = 1};

    (void)err;
    rn_select(&own, plan->options.batch, n->shape, in, plan->options.threads,
              rn_step_type_of(plan, s), rn_buffer_at(plan, s->dy),
              rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_select(struct rn_plan *plan, struct rn_step *s,
                      struct rn_error *err)
{
    const struct rn_node *n = rn_step_node(plan, s);

    (void)err;
    rn_select(&n->selection, plan->options.batch, rn_step_input(plan, s),
              n->shape, plan->options.threads, rn_step_type_of(plan, s),
              rn_read_at(plan, s->a.buffer), rn_buffer_at(plan, s->out));
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

static int run_lrn_backward(struct rn_plan *plan, struct rn_step *s,
                            struct rn_error *err)
{
    const struct rn_node *n = rn_step_node(plan, s);

    (void)err;
    rn_lrn_backward(&n->lrn, plan->options.batch, n->shape,
                    plan->options.threads, rn_read_at(plan, s->a.buffer),
                    rn_buffer_at(plan, s->dy), rn_buffer_at(plan, s->out));
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

static void shares_of_concat(const struct rn_plan *plan,
                             const struct rn_step *s, struct rn_shares *shares)
{
    const struct rn_node *n = rn_step_node(plan, s);
    double each = s->bytes * RN_COST_OF_BYTE / (double)n->n_inputs;
    int first = 0;

    for (int k = 0; k < n->n_inputs; k++) {
        int channels = plan->graph->nodes[n->input[k]].shape.c;
        size_t items =
            (size_t)plan->options.batch * rn_concat_blocks(first, channels);

        rn_shares_even(shares, items, each / (double)items);
        rn_shares_barrier(shares);
        first += channels;
    }
}

const struct rn_step_type rn_step_concat = {
    .run = run_concat,
    .pass = "concat",
    .again = true,
    .shares = shares_of_concat,
};

static void shares_of_place(const struct rn_plan *plan, const struct rn_step *s,
                            struct rn_shares *shares)
{
    const struct rn_node *n = rn_step_node(plan, s);
    int blocks =
        (int)rn_concat_blocks(channels_before(plan, n, s->input),
                              plan->graph->nodes[n->input[s->input]].shape.c);

    rn_shares_of_pass(s, (size_t)plan->options.batch * (size_t)blocks, shares);
}

const struct rn_step_type rn_step_place = {
    .run = run_place,
    .pass = "concat one",
    .shares = shares_of_place,
};

static void shares_of_part(const struct rn_plan *plan, const struct rn_step *s,
                           struct rn_shares *shares)
{
    struct rn_planes p =
        rn_planes_of_node(plan, rn_step_node(plan, s)->input[s->input]);

    rn_shares_of_pass(s, rn_planes_number(&p), shares);
}

const struct rn_step_type rn_step_concat_backward = {
    .run = run_concat_backward,
    .pass = "backward concat",
    .shares = shares_of_part,
};

const struct rn_step_type rn_step_select = {
    .run = run_select,
    .pass = "select channels",
    .shares = rn_shares_of_planes,
};

const struct rn_step_type rn_step_lrn = {
    .run = run_lrn,
    .pass = "normalise across channels",
    .shares = rn_shares_of_pixels,
    .again = true,
};

static const struct rn_step_type lrn_backward = {
    .run = run_lrn_backward,
    .pass = "backward normalise across channels",
    .shares = rn_shares_of_pixels,
};

const struct rn_step_type rn_step_zero_pad = {
    .run = run_zero_pad,
    .pass = "zero pad",
    .shares = rn_shares_of_planes,
};

const struct rn_op_plan rn_plan_concat = {
    .infer = rn_infer_step,
    .infer_step = &rn_step_concat,
    .forward = rn_forward_step,
    .backward = rn_backward_step,
    .forward_step = &rn_step_concat,
    .backward_step = &rn_step_concat_backward,
    .keeps = RN_KEEPS_NOTHING,
    .bf16 = true,
};

const struct rn_op_plan rn_plan_select = {
    .infer = rn_infer_step,
    .infer_step = &rn_step_select,
    .bf16 = true,
    .no_training = "none of our networks has it",
};

static const char *untrained_lrn(const struct rn_graph *g,
                                 const struct rn_node *n)
{
    (void)g;
    return n->lrn.size <= RN_LRN_FEW ? NULL : "so many channels at once";
}

const struct rn_op_plan rn_plan_lrn = {
    .infer = rn_infer_step,
    .infer_step = &rn_step_lrn,
    .forward = rn_forward_step,
    .forward_step = &rn_step_lrn,
    .backward = rn_backward_step,
    .backward_step = &lrn_backward,
    .keeps = RN_KEEPS_INPUT,
    .untrained = untrained_lrn,
};

const struct rn_op_plan rn_plan_zero_pad = {
    .infer = rn_infer_step,
    .infer_step = &rn_step_zero_pad,
    .no_training = "none of our networks has it",
};
