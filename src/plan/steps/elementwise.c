/* SPDX-License-Identifier: BSD-2-Clause */
/* The input, and what one pass over memory does: normalise, add, ReLU, shortcut
 * option A. */
#include "ops/int8.h"
#include "plan/operations.h"
#include "plan/steps/steps.h"

#include <string.h>

static int run_block_images(struct rn_plan *plan, struct rn_step *s,
                            struct rn_error *err)
{
    struct rn_planes p = rn_planes_of_node(plan, s->node);

    (void)err;
    rn_block_images(&p, rn_step_node(plan, s)->shape.c, plan->images,
                    rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_apply(struct rn_plan *plan, struct rn_step *s,
                     struct rn_error *err)
{
    struct rn_planes p = rn_step_planes(plan, s);
    struct rn_operand a = rn_operand_of(plan, s->a),
                      b = rn_operand_of(plan, s->b);

    (void)err;
    rn_apply(&p, &a, &b, s->relu, rn_buffer_at(plan, s->out));
    return RN_OK;
}

/* Between 8 bits and float32, or a copy of them. */
static void convert_bytes(const struct rn_plan *plan, const struct rn_step *s,
                          const void *from)
{
    const struct rn_buffer *out = &plan->buffers[s->out];
    const struct rn_quant q = plan->quants[s->node];
    void *to = rn_buffer_at(plan, s->out);

    if (out->type == RN_F32)
        rn_int8_widen(from, to, out->count, q, plan->options.threads);
    else if (s->a.buffer == RN_IMAGES ||
             plan->buffers[s->a.buffer].type == RN_F32)
        rn_int8_narrow(from, to, out->count, q, plan->options.threads);
    else
        memcpy(to, from, out->count);
}

/* Between float32 and another type; plain images, too, which have no planes. */
static int run_convert(struct rn_plan *plan, struct rn_step *s,
                       struct rn_error *err)
{
    const struct rn_buffer *out = &plan->buffers[s->out];
    const void *from = rn_read_at(plan, s->a.buffer);

    (void)err;
    if (out->type == RN_U8 ||
        (s->a.buffer >= 0 && plan->buffers[s->a.buffer].type == RN_U8))
        convert_bytes(plan, s, from);
    else if (out->type == RN_F32)
        rn_widen(plan->buffers[s->a.buffer].type, from,
                 rn_buffer_at(plan, s->out), out->count, plan->options.threads);
    else
        rn_narrow(out->type, from, rn_buffer_at(plan, s->out), out->count,
                  plan->options.threads);
    return RN_OK;
}

static int run_mask(struct rn_plan *plan, struct rn_step *s,
                    struct rn_error *err)
{
    struct rn_planes p = rn_step_planes(plan, s);

    (void)err;
    rn_mask(&p, rn_buffer_at(plan, s->dy), rn_buffer_at(plan, s->dy2),
            rn_buffer_at(plan, s->y), rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_subsample_pad(struct rn_plan *plan, struct rn_step *s,
                             struct rn_error *err)
{
    const struct rn_node *n = rn_step_node(plan, s);

    (void)err;
    rn_subsample_pad(plan->options.batch, rn_step_input(plan, s), n->shape,
                     n->before, n->window.stride, plan->options.threads,
                     rn_step_type_of(plan, s), rn_read_at(plan, s->a.buffer),
                     rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_subsample_pad_backward(struct rn_plan *plan, struct rn_step *s,
                                      struct rn_error *err)
{
    const struct rn_node *n = rn_step_node(plan, s);

    (void)err;
    rn_subsample_pad_backward(
        plan->options.batch, rn_step_input(plan, s), n->shape, n->before,
        n->window.stride, plan->options.threads, rn_step_type_of(plan, s),
        rn_buffer_at(plan, s->dy), rn_buffer_at(plan, s->out));
    return RN_OK;
}

static void shares_of_images(const struct rn_plan *plan,
                             const struct rn_step *s, struct rn_shares *shares)
{
    rn_shares_of_pass(s, (size_t)plan->options.batch, shares);
}

static void shares_of_numbers(const struct rn_plan *plan,
                              const struct rn_step *s, struct rn_shares *shares)
{
    const struct rn_buffer *out = &plan->buffers[s->out];

    if (out->type == RN_U8 && s->a.buffer >= 0 &&
        plan->buffers[s->a.buffer].type == RN_U8)
        rn_shares_alone(shares, s->bytes * RN_COST_OF_BYTE); /* a copy */
    else
        rn_shares_of_pass(s, rn_convert_turns(out->count), shares);
}

const struct rn_step_type rn_step_block_images = {
    .run = run_block_images,
    .pass = "reorder images",
    .shares = shares_of_images,
};

const struct rn_step_type rn_step_apply = {
    .run = run_apply,
    .pass = "normalise, add, relu",
    .shares = rn_shares_of_planes,
    .again = true,
};

const struct rn_step_type rn_step_convert = {
    .run = run_convert,
    .pass = "convert",
    .shares = shares_of_numbers,
    .again = true,
};

const struct rn_step_type rn_step_mask = {
    .run = run_mask,
    .pass = "backward add, relu",
    .shares = rn_shares_of_planes,
};

const struct rn_step_type rn_step_subsample_pad = {
    .run = run_subsample_pad,
    .pass = "subsample",
    .shares = rn_shares_of_planes,
    .again = true,
};

const struct rn_step_type rn_step_subsample_pad_backward = {
    .run = run_subsample_pad_backward,
    .pass = "backward subsample",
    .shares = rn_shares_of_inputs,
};

const struct rn_op_plan rn_plan_input = {
    .infer = rn_infer_input,
    .forward = rn_forward_input,
    .no_backward = "nothing is learned before it",
};

const struct rn_op_plan rn_plan_relu = {
    .infer = rn_infer_apply,
    .forward = rn_forward_relu,
    .backward = rn_backward_relu,
    .keeps = RN_KEEPS_OUTPUT,
};

const struct rn_op_plan rn_plan_add = {
    .infer = rn_infer_apply,
    .forward = rn_forward_add,
    .backward = rn_backward_add,
    .keeps = RN_KEEPS_NOTHING,
};

const struct rn_op_plan rn_plan_subsample_pad = {
    .infer = rn_infer_step,
    .bf16 = true,
    .bytes = RN_BYTES_SAME,
    .infer_step = &rn_step_subsample_pad,
    .forward = rn_forward_step,
    .forward_step = &rn_step_subsample_pad,
    .backward = rn_backward_step,
    .backward_step = &rn_step_subsample_pad_backward,
    .keeps = RN_KEEPS_NOTHING,
};
