/* SPDX-License-Identifier: BSD-2-Clause */
/* Running a plan's steps. Nothing here allocates. */
#include "ops/activation.h"
#include "ops/channels.h"
#include "ops/loss.h"
#include "plan/internal.h"

float *rn_buffer_at(const struct rn_plan *plan, int buffer)
{
    return buffer < 0 ? NULL
                      : (float *)(plan->arena + plan->buffers[buffer].offset);
}

/* For reading: the caller's images too. */
static const float *read_at(const struct rn_plan *plan, int buffer)
{
    return buffer == RN_IMAGES ? plan->images : rn_buffer_at(plan, buffer);
}

static struct rn_operand operand(const struct rn_plan *plan, struct rn_value v)
{
    struct rn_operand o = {.x = read_at(plan, v.buffer), .relu = v.relu};

    if (v.bn >= 0) {
        o.scale = plan->bns[v.bn].scale;
        o.shift = plan->bns[v.bn].shift;
    }
    return o;
}

static const struct rn_node *node_of(const struct rn_plan *plan,
                                     const struct rn_step *s)
{
    return &plan->graph->nodes[s->node];
}

static struct rn_shape input_shape(const struct rn_plan *plan,
                                   const struct rn_step *s)
{
    return plan->graph->nodes[node_of(plan, s)->input[0]].shape;
}

static struct rn_bn_backward gradient(const struct rn_plan *plan,
                                      const struct rn_step *s)
{
    return (struct rn_bn_backward){
        .dy = rn_buffer_at(plan, s->dy),
        .dy2 = rn_buffer_at(plan, s->dy2),
        .y = rn_buffer_at(plan, s->y),
        .z = rn_buffer_at(plan, s->a.buffer),
        .relu = s->relu,
    };
}

static int run_block_images(struct rn_plan *plan, struct rn_step *s,
                            struct rn_error *err)
{
    struct rn_planes p = rn_planes_of_node(plan, s->node);

    (void)err;
    rn_block_images(&p, node_of(plan, s)->shape.c, plan->images,
                    rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_conv(struct rn_plan *plan, struct rn_step *s,
                    struct rn_error *err)
{
    bool train = plan->options.mode == RN_MODE_TRAIN;
    struct rn_conv_args args = {
        .src = read_at(plan, s->a.buffer),
        .dst = rn_buffer_at(plan, s->out),
        .scratch = rn_buffer_at(plan, s->scratch),
    };

    if (!train) {
        args.weights = plan->folded + s->folded;
        args.bias = plan->folded + s->folded_bias;
    } else {
        args.weights = rn_store_at(plan->store, RN_STORE_VALUE, s->weights);
        if (s->bias >= 0)
            args.bias = rn_store_at(plan->store, RN_STORE_VALUE, s->bias);
    }
    return rn_conv_run(s->conv, &args, err);
}

static int run_conv_backward_data(struct rn_plan *plan, struct rn_step *s,
                                  struct rn_error *err)
{
    struct rn_conv_args args = {
        .weights = rn_store_at(plan->store, RN_STORE_VALUE, s->weights),
        .diff_dst = rn_buffer_at(plan, s->dy),
        .diff_src = rn_buffer_at(plan, s->out),
        .scratch = rn_buffer_at(plan, s->scratch),
    };

    if (rn_conv_needs_pack(s->conv)) {
        float *packed = rn_buffer_at(plan, s->packed);
        int rc = rn_conv_pack(s->conv, args.weights, packed, err);

        if (rc)
            return rc;
        args.weights = packed;
    }
    return rn_conv_run(s->conv, &args, err);
}

static int run_conv_backward_weights(struct rn_plan *plan, struct rn_step *s,
                                     struct rn_error *err)
{
    struct rn_conv_args args = {
        .src = read_at(plan, s->a.buffer),
        .diff_dst = rn_buffer_at(plan, s->dy),
        .diff_weights = rn_store_at(plan->store, RN_STORE_GRAD, s->weights),
        .scratch = rn_buffer_at(plan, s->scratch),
    };

    if (s->bias >= 0)
        args.diff_bias = rn_store_at(plan->store, RN_STORE_GRAD, s->bias);
    return rn_conv_run(s->conv, &args, err);
}

static int run_bn_statistics(struct rn_plan *plan, struct rn_step *s,
                             struct rn_error *err)
{
    (void)err;
    if (plan->bns[s->bn].fixed)
        rn_batch_norm_fix(&plan->bns[s->bn]);
    else
        rn_batch_norm_statistics(&plan->bns[s->bn],
                                 rn_buffer_at(plan, s->a.buffer), plan->sums);
    return RN_OK;
}

static int run_apply(struct rn_plan *plan, struct rn_step *s,
                     struct rn_error *err)
{
    struct rn_planes p = rn_planes_of_node(plan, s->node);
    struct rn_operand a = operand(plan, s->a), b = operand(plan, s->b);

    (void)err;
    rn_apply(&p, &a, &b, s->relu, rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_max_pool(struct rn_plan *plan, struct rn_step *s,
                        struct rn_error *err)
{
    struct rn_shape in = input_shape(plan, s);
    const struct rn_node *n = node_of(plan, s);
    int batch = plan->options.batch, threads = plan->options.threads;
    struct rn_operand x = operand(plan, s->a);
    float *out = rn_buffer_at(plan, s->out);

    (void)err;
    if (plan->options.mode == RN_MODE_INFER) {
        rn_max_pool_window(n, batch, in, threads, x.x, out);
    } else {
        struct rn_pool pool = rn_pool_of(in, n->shape, n->window);

        rn_max_pool(&pool, batch, in, threads, &x, out,
                    (uint8_t *)rn_buffer_at(plan, s->y));
    }
    return RN_OK;
}

static int run_avg_pool(struct rn_plan *plan, struct rn_step *s,
                        struct rn_error *err)
{
    (void)err;
    rn_avg_pool_window(node_of(plan, s), plan->options.batch,
                       input_shape(plan, s), plan->options.threads,
                       read_at(plan, s->a.buffer), rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_avg_pool_backward(struct rn_plan *plan, struct rn_step *s,
                                 struct rn_error *err)
{
    (void)err;
    rn_avg_pool_window_backward(node_of(plan, s), plan->options.batch,
                                input_shape(plan, s), plan->options.threads,
                                rn_buffer_at(plan, s->dy),
                                rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_concat(struct rn_plan *plan, struct rn_step *s,
                      struct rn_error *err)
{
    const struct rn_node *nodes = plan->graph->nodes;
    const int *input = node_of(plan, s)->input;

    (void)err;
    rn_concat(plan->options.batch, nodes[input[0]].shape, nodes[input[1]].shape,
              plan->options.threads, read_at(plan, s->a.buffer),
              read_at(plan, s->b.buffer), rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_multiply(struct rn_plan *plan, struct rn_step *s,
                        struct rn_error *err)
{
    struct rn_planes p = rn_planes_of_node(plan, s->node);
    struct rn_shape b = plan->graph->nodes[node_of(plan, s)->input[1]].shape;

    (void)err;
    rn_multiply(&p, read_at(plan, s->a.buffer), read_at(plan, s->b.buffer),
                b.h == 1 && b.w == 1, rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_activate(struct rn_plan *plan, struct rn_step *s,
                        struct rn_error *err)
{
    (void)err;
    rn_activate(node_of(plan, s), plan->options.batch, plan->options.threads,
                read_at(plan, s->a.buffer), rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_prelu(struct rn_plan *plan, struct rn_step *s,
                     struct rn_error *err)
{
    const struct rn_node *n = node_of(plan, s);

    (void)err;
    rn_prelu(plan->options.batch, n->shape, plan->options.threads,
             rn_store_at(plan->store, RN_STORE_VALUE, n->param[RN_P_WEIGHT]),
             read_at(plan, s->a.buffer), rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_select(struct rn_plan *plan, struct rn_step *s,
                      struct rn_error *err)
{
    const struct rn_node *n = node_of(plan, s);

    (void)err;
    rn_select(&n->selection, plan->options.batch, input_shape(plan, s),
              n->shape, plan->options.threads, read_at(plan, s->a.buffer),
              rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_lrn(struct rn_plan *plan, struct rn_step *s,
                   struct rn_error *err)
{
    const struct rn_node *n = node_of(plan, s);

    (void)err;
    rn_lrn(&n->lrn, plan->options.batch, n->shape, plan->options.threads,
           read_at(plan, s->a.buffer), rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_softmax(struct rn_plan *plan, struct rn_step *s,
                       struct rn_error *err)
{
    struct rn_planes p = rn_planes_of_node(plan, s->node);

    (void)err;
    rn_softmax_channels(&p, node_of(plan, s)->shape.c,
                        node_of(plan, s)->op == RN_OP_LOG_SOFTMAX,
                        read_at(plan, s->a.buffer), rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_zero_pad(struct rn_plan *plan, struct rn_step *s,
                        struct rn_error *err)
{
    const struct rn_node *n = node_of(plan, s);

    (void)err;
    rn_zero_pad(plan->options.batch, input_shape(plan, s), n->shape,
                rn_window_top(&n->window), rn_window_left(&n->window),
                plan->options.threads, read_at(plan, s->a.buffer),
                rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_max_pool_backward(struct rn_plan *plan, struct rn_step *s,
                                 struct rn_error *err)
{
    struct rn_shape in = input_shape(plan, s);
    struct rn_pool pool =
        rn_pool_of(in, node_of(plan, s)->shape, node_of(plan, s)->window);

    (void)err;
    rn_max_pool_backward(&pool, plan->options.batch, in, plan->options.threads,
                         rn_buffer_at(plan, s->dy), rn_buffer_at(plan, s->dy2),
                         (const uint8_t *)rn_buffer_at(plan, s->y),
                         rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_average(struct rn_plan *plan, struct rn_step *s,
                       struct rn_error *err)
{
    struct rn_planes p = rn_planes_of(plan->options.batch, input_shape(plan, s),
                                      plan->options.threads);

    (void)err;
    rn_global_average(&p, read_at(plan, s->a.buffer),
                      rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_average_backward(struct rn_plan *plan, struct rn_step *s,
                                struct rn_error *err)
{
    struct rn_planes p = rn_planes_of(plan->options.batch, input_shape(plan, s),
                                      plan->options.threads);

    (void)err;
    rn_global_average_backward(&p, rn_buffer_at(plan, s->dy),
                               rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_subsample_pad(struct rn_plan *plan, struct rn_step *s,
                             struct rn_error *err)
{
    const struct rn_node *n = node_of(plan, s);

    (void)err;
    rn_subsample_pad(plan->options.batch, input_shape(plan, s), n->shape,
                     n->before, n->window.stride, plan->options.threads,
                     read_at(plan, s->a.buffer), rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_subsample_pad_backward(struct rn_plan *plan, struct rn_step *s,
                                      struct rn_error *err)
{
    const struct rn_node *n = node_of(plan, s);

    (void)err;
    rn_subsample_pad_backward(plan->options.batch, input_shape(plan, s),
                              n->shape, n->before, n->window.stride,
                              plan->options.threads, rn_buffer_at(plan, s->dy),
                              rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_loss(struct rn_plan *plan, struct rn_step *s,
                    struct rn_error *err)
{
    int classes = node_of(plan, s)->shape.c;
    struct rn_loss loss = rn_softmax_loss(
        plan->options.batch, classes, rn_channels_padded(classes),
        rn_buffer_at(plan, s->a.buffer), &plan->targets,
        rn_buffer_at(plan, s->out));

    (void)err;
    plan->result = (struct rn_step_result){loss.sum, loss.errors};
    return RN_OK;
}

static int run_mask(struct rn_plan *plan, struct rn_step *s,
                    struct rn_error *err)
{
    struct rn_planes p = rn_planes_of_node(plan, s->node);

    (void)err;
    rn_mask(&p, rn_buffer_at(plan, s->dy), rn_buffer_at(plan, s->dy2),
            rn_buffer_at(plan, s->y), rn_buffer_at(plan, s->out));
    return RN_OK;
}

static int run_bn_reduce(struct rn_plan *plan, struct rn_step *s,
                         struct rn_error *err)
{
    struct rn_bn_backward in = gradient(plan, s);

    (void)err;
    rn_batch_norm_reduce(&plan->bns[s->bn], &in, rn_buffer_at(plan, s->out),
                         plan->sums);
    return RN_OK;
}

static int run_bn_gradient(struct rn_plan *plan, struct rn_step *s,
                           struct rn_error *err)
{
    struct rn_bn_backward in = gradient(plan, s);

    (void)err;
    rn_batch_norm_gradient(&plan->bns[s->bn], &in, rn_buffer_at(plan, s->out));
    return RN_OK;
}

static const struct runner {
    int (*run)(struct rn_plan *plan, struct rn_step *s, struct rn_error *err);
    const char *pass;
} runners[RN_STEPS] = {
    [RN_STEP_BLOCK_IMAGES] = {run_block_images, "reorder images"},
    [RN_STEP_CONV] = {run_conv, "forward"},
    [RN_STEP_CONV_BACKWARD_DATA] = {run_conv_backward_data, "backward data"},
    [RN_STEP_CONV_BACKWARD_WEIGHTS] = {run_conv_backward_weights,
                                       "backward weights"},
    [RN_STEP_BN_STATISTICS] = {run_bn_statistics, "batch norm sums"},
    [RN_STEP_APPLY] = {run_apply, "normalise, add, relu"},
    [RN_STEP_MAX_POOL] = {run_max_pool, "max pool"},
    [RN_STEP_AVERAGE] = {run_average, "average pool"},
    [RN_STEP_SUBSAMPLE_PAD] = {run_subsample_pad, "subsample"},
    [RN_STEP_AVG_POOL] = {run_avg_pool, "average pool"},
    [RN_STEP_CONCAT] = {run_concat, "concat"},
    [RN_STEP_MULTIPLY] = {run_multiply, "multiply"},
    [RN_STEP_ACTIVATE] = {run_activate, "activation"},
    [RN_STEP_PRELU] = {run_prelu, "activation"},
    [RN_STEP_SELECT] = {run_select, "select channels"},
    [RN_STEP_LRN] = {run_lrn, "normalise across channels"},
    [RN_STEP_SOFTMAX] = {run_softmax, "softmax"},
    [RN_STEP_ZERO_PAD] = {run_zero_pad, "zero pad"},
    [RN_STEP_LOSS] = {run_loss, "loss"},
    [RN_STEP_MASK] = {run_mask, "backward add, relu"},
    [RN_STEP_BN_REDUCE] = {run_bn_reduce, "backward batch norm sums"},
    [RN_STEP_BN_GRADIENT] = {run_bn_gradient, "backward batch norm"},
    [RN_STEP_MAX_POOL_BACKWARD] = {run_max_pool_backward, "backward max pool"},
    [RN_STEP_AVERAGE_BACKWARD] = {run_average_backward,
                                  "backward average pool"},
    [RN_STEP_SUBSAMPLE_PAD_BACKWARD] = {run_subsample_pad_backward,
                                        "backward subsample"},
    [RN_STEP_AVG_POOL_BACKWARD] = {run_avg_pool_backward,
                                   "backward average pool"},
};

const char *rn_step_pass(enum rn_step_kind kind)
{
    return runners[kind].pass;
}

static int run_first(struct rn_plan *plan, size_t steps, struct rn_error *err)
{
    int rc = RN_OK;

    for (size_t i = 0; !rc && i < steps; i++) {
        struct rn_step *s = &plan->steps[i];
        double start = plan->options.profile ? rn_now() : 0;

        rc = runners[s->kind].run(plan, s, err);
        if (plan->options.profile)
            s->seconds += rn_now() - start;
        if (!rc && plan->tracer)
            rc = rn_trace_step(plan, s);
    }
    plan->runs++;
    return rc;
}

int rn_run_steps(struct rn_plan *plan, size_t steps, struct rn_error *err)
{
    struct rn_team team;
    int granted = rn_team_enter(&team, plan->options.threads), rc;

    /* oneDNN's threads wait for as many as the primitive was made for. */
    if (granted == plan->options.threads)
        rc = run_first(plan, steps, err);
    else
        rc = rn_fail(err, RN_ERR_KERNEL,
                     "OpenMP grants %d of the %d threads the plan was made for",
                     granted, plan->options.threads);
    rn_team_leave(&team);
    return rc;
}
