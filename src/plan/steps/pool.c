/* SPDX-License-Identifier: BSD-2-Clause */
/* Pools. */
#include "ops/int8.h"
#include "ops/window.h"
#include "plan/operations.h"
#include "plan/steps/steps.h"

static int run_max_pool(struct rn_plan *plan, struct rn_step *s,
                        struct rn_error *err)
{
    struct rn_shape in = rn_step_input(plan, s);
    const struct rn_node *n = rn_step_node(plan, s);
    struct rn_planes planes = rn_step_input_planes(plan, s);
    struct rn_operand x = rn_operand_of(plan, s->a);
    void *out = rn_buffer_at(plan, s->out);

    (void)err;
    if (planes.type == RN_U8) {
        rn_int8_max_pool(n, plan->options.batch, in, planes.threads, x.x, out);
    } else if (plan->options.mode == RN_MODE_INFER) {
        rn_max_pool_window(n, plan->options.batch, in, planes.threads,
                           planes.type, x.x, out);
    } else {
        struct rn_pool pool = rn_pool_of(in, n->shape, n->window);

        rn_max_pool(&pool, &planes, &x, out, rn_buffer_at(plan, s->y));
    }
    return RN_OK;
}

static int run_max_pool_backward(struct rn_plan *plan, struct rn_step *s,
                                 struct rn_error *err)
{
    struct rn_shape in = rn_step_input(plan, s);
    struct rn_pool pool = rn_pool_of(in, rn_step_node(plan, s)->shape,
                                     rn_step_node(plan, s)->window);
    struct rn_planes planes = rn_step_input_planes(plan, s);

    (void)err;
    rn_max_pool_backward(&pool, &planes, rn_buffer_at(plan, s->dy),
                         rn_buffer_at(plan, s->dy2), rn_buffer_at(plan, s->y),
                         rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_avg_pool(struct rn_plan *plan, struct rn_step *s,
                        struct rn_error *err)
{
    (void)err;
    rn_avg_pool_window(rn_step_node(plan, s), plan->options.batch,
                       rn_step_input(plan, s), plan->options.threads,
                       rn_step_type_of(plan, s), rn_read_at(plan, s->a.buffer),
                       rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_avg_pool_backward(struct rn_plan *plan, struct rn_step *s,
                                 struct rn_error *err)
{
    (void)err;
    rn_avg_pool_window_backward(
        rn_step_node(plan, s), plan->options.batch, rn_step_input(plan, s),
        plan->options.threads, rn_step_type_of(plan, s),
        rn_buffer_at(plan, s->dy), rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_average(struct rn_plan *plan, struct rn_step *s,
                       struct rn_error *err)
{
    struct rn_planes p = rn_step_input_planes(plan, s);

    (void)err;
    if (s->a.buffer >= 0 && plan->buffers[s->a.buffer].type == RN_U8)
        rn_int8_average(&p, rn_read_at(plan, s->a.buffer),
                        rn_buffer_at(plan, s->out),
                        plan->quants[rn_step_node(plan, s)->input[0]]);
    else
        rn_global_average(&p, rn_read_at(plan, s->a.buffer),
                          rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_average_backward(struct rn_plan *plan, struct rn_step *s,
                                struct rn_error *err)
{
    struct rn_planes p = rn_step_input_planes(plan, s);

    (void)err;
    rn_global_average_backward(&p, rn_buffer_at(plan, s->dy),
                               rn_buffer_at(plan, s->out));
    return RN_OK;
}

const struct rn_step_type rn_step_max_pool = {
    .run = run_max_pool,
    .pass = "max pool",
    .shares = rn_shares_of_inputs,
};

const struct rn_step_type rn_step_max_pool_backward = {
    .run = run_max_pool_backward,
    .pass = "backward max pool",
    .shares = rn_shares_of_inputs,
};

const struct rn_step_type rn_step_avg_pool = {
    .run = run_avg_pool,
    .pass = "average pool",
    .shares = rn_shares_of_inputs,
};

const struct rn_step_type rn_step_avg_pool_backward = {
    .run = run_avg_pool_backward,
    .pass = "backward average pool",
    .shares = rn_shares_of_inputs,
};

const struct rn_step_type rn_step_average = {
    .run = run_average,
    .pass = "average pool",
    .shares = rn_shares_of_inputs,
};

const struct rn_step_type rn_step_average_backward = {
    .run = run_average_backward,
    .pass = "backward average pool",
    .shares = rn_shares_of_inputs,
};

static const char *untrained_max_pool(const struct rn_graph *g,
                                      const struct rn_node *n)
{
    (void)g;
    if (rn_window_taps(&n->window) > UINT8_MAX + 1) /* a place is a byte */
        return "its window of more than 256 pixels";
    return rn_window_regular(&n->window) ? NULL : "its window";
}

const struct rn_op_plan rn_plan_max_pool = {
    .infer = rn_infer_step,
    .bf16 = true,
    .bytes = RN_BYTES_SAME,
    .infer_step = &rn_step_max_pool,
    .forward = rn_forward_step,
    .forward_step = &rn_step_max_pool,
    .backward = rn_backward_step,
    .backward_step = &rn_step_max_pool_backward,
    .keeps = RN_KEEPS_PLACES,
    .untrained = untrained_max_pool,
    .takes_pending = true,
};

const struct rn_op_plan rn_plan_avg_pool = {
    .infer = rn_infer_step,
    .bf16 = true,
    .infer_step = &rn_step_avg_pool,
    .forward = rn_forward_step,
    .forward_step = &rn_step_avg_pool,
    .backward = rn_backward_step,
    .backward_step = &rn_step_avg_pool_backward,
    .keeps = RN_KEEPS_NOTHING,
};

const struct rn_op_plan rn_plan_adaptive_avg_pool = {
    .infer = rn_infer_step,
    .bf16 = true,
    .infer_step = &rn_step_avg_pool,
    .forward = rn_forward_step,
    .forward_step = &rn_step_avg_pool,
    .backward = rn_backward_step,
    .backward_step = &rn_step_avg_pool_backward,
    .keeps = RN_KEEPS_NOTHING,
};

const struct rn_op_plan rn_plan_global_avg_pool = {
    .infer = rn_infer_step,
    .bf16 = true,
    .bytes = RN_BYTES_FLOAT,
    .infer_step = &rn_step_average,
    .forward = rn_forward_step,
    .forward_step = &rn_step_average,
    .backward = rn_backward_step,
    .backward_step = &rn_step_average_backward,
    .keeps = RN_KEEPS_NOTHING,
};
