/* SPDX-License-Identifier: BSD-2-Clause */
/* Convolutions and fc: forward, and backward to inputs and to weights. */
#include "plan/operations.h"
#include "plan/steps/steps.h"

/* A training step's weights, packed if the pass reads another layout or type
 * than the store's. */
static int find_weights(struct rn_plan *plan, const struct rn_step *s,
                        struct rn_conv_args *args, struct rn_error *err)
{
    const float *store = rn_store_at(plan->store, RN_STORE_VALUE, s->weights);

    args->weights = store;
    if (!rn_conv_needs_pack(s->conv))
        return RN_OK;
    args->weights = rn_buffer_at(plan, s->packed);
    return rn_conv_pack(s->conv, store, rn_buffer_at(plan, s->packed), err);
}

/* What a convolution in 8 bits needs besides; where the value goes through a
 * ReLU, nothing below its zero is left. */
static struct rn_conv_bytes bytes_of(const struct rn_plan *plan,
                                     const struct rn_step *s)
{
    const struct rn_conv_config *c = rn_conv_config(s->conv);
    const struct rn_node *n = rn_step_node(plan, s);
    size_t channels = rn_channels_padded(n->shape.c);
    const float *scale = plan->folds[s->fold].bias + channels;
    float own_scale = 0, own_shift = 0;

    if (s->rounded >= 0) {
        const struct rn_quant *q = plan->quants;
        float sum_scale = rn_sum_scale(plan, s->value, s->sum);

        own_scale = rn_sum_scale(plan, s->value, s->rounded);
        own_shift = (float)((double)q[s->value].zero -
                            (double)own_scale * q[s->rounded].zero -
                            (double)sum_scale * q[s->sum].zero);
    }
    return (struct rn_conv_bytes){
        .start = (const int32_t *)(scale + channels),
        .scale = scale,
        .zero = plan->quants[n->input[0]].zero,
        .image_scale = plan->quants[n->input[0]].scale,
        .sum_scale = s->sum >= 0 ? rn_sum_scale(plan, s->value, s->sum) : 1,
        .own_scale = own_scale,
        .own_shift = own_shift,
        .low = c->relu && c->output == RN_U8
                   ? (float)plan->quants[s->value].zero
                   : 0,
    };
}

static int run_conv(struct rn_plan *plan, struct rn_step *s,
                    struct rn_error *err)
{
    bool train = plan->options.mode == RN_MODE_TRAIN;
    struct rn_conv_args args = {
        .src = rn_read_at(plan, s->a.buffer),
        .dst = rn_buffer_at(plan, s->out),
        .scratch = rn_buffer_at(plan, s->scratch),
    };
    struct rn_conv_bytes bytes;
    int rc = RN_OK;

    if (rn_conv_config(s->conv)->weights == RN_I8) {
        bytes = bytes_of(plan, s);
        args.bytes = &bytes;
    }
    if (!train) {
        args.weights = plan->folds[s->fold].weights;
        args.bias = plan->folds[s->fold].bias;
    } else {
        rc = find_weights(plan, s, &args, err);
        if (s->bias >= 0)
            args.bias = rn_store_at(plan->store, RN_STORE_VALUE, s->bias);
    }
    return rc ? rc : rn_conv_run(s->conv, &args, err);
}

static int run_conv_backward_data(struct rn_plan *plan, struct rn_step *s,
                                  struct rn_error *err)
{
    struct rn_conv_args args = {
        .diff_dst = rn_buffer_at(plan, s->dy),
        .diff_src = rn_buffer_at(plan, s->out),
        .scratch = rn_buffer_at(plan, s->scratch),
    };
    int rc = find_weights(plan, s, &args, err);
    struct rn_conv_norm norm;

    if (rn_conv_config(s->conv)->normed) {
        norm = (struct rn_conv_norm){.bn = &plan->bns[s->bn],
                                     .in = rn_norm_backward(plan, s),
                                     .dz = rn_buffer_at(plan, s->y)};
        norm.in.y = NULL; /* the mask, if any, is of z */
        args.diff_dst = norm.dz;
        args.norm = &norm;
    }
    return rc ? rc : rn_conv_run(s->conv, &args, err);
}

static int run_conv_backward_weights(struct rn_plan *plan, struct rn_step *s,
                                     struct rn_error *err)
{
    struct rn_conv_args args = {
        .src = rn_read_at(plan, s->a.buffer),
        .diff_dst = rn_buffer_at(plan, s->dy),
        .diff_weights = rn_store_at(plan->store, RN_STORE_GRAD, s->weights),
        .scratch = rn_buffer_at(plan, s->scratch),
    };

    if (s->bias >= 0)
        args.diff_bias = rn_store_at(plan->store, RN_STORE_GRAD, s->bias);
    return rn_conv_run(s->conv, &args, err);
}

/* In training algorithms of our own count their packing, too. */
static void shares_of_conv(const struct rn_plan *plan, const struct rn_step *s,
                           struct rn_shares *shares)
{
    (void)plan;
    rn_conv_shares(s->conv, shares);
}

const struct rn_step_type rn_step_conv = {
    .run = run_conv,
    .pass = "forward",
    .shares = shares_of_conv,
    .again = true,
};

const struct rn_step_type rn_step_conv_backward_data = {
    .run = run_conv_backward_data,
    .pass = "backward data",
    .shares = shares_of_conv,
};

const struct rn_step_type rn_step_conv_backward_weights = {
    .run = run_conv_backward_weights,
    .pass = "backward weights",
    .shares = shares_of_conv,
};

static const char *untrained_conv(const struct rn_graph *g,
                                  const struct rn_node *n)
{
    (void)g;
    return rn_window_only_padded(&n->window) ? NULL : "its window";
}

const struct rn_op_plan rn_plan_conv = {
    .infer = rn_infer_chain,
    .forward = rn_forward_conv,
    .backward = rn_backward_conv,
    .keeps = RN_KEEPS_INPUT,
    .untrained = untrained_conv,
};

const struct rn_op_plan rn_plan_linear = {
    .infer = rn_infer_chain,
    .forward = rn_forward_conv,
    .backward = rn_backward_conv,
    .keeps = RN_KEEPS_INPUT,
};
