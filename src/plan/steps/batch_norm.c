/* SPDX-License-Identifier: BSD-2-Clause */
/* Batch norm: its sums, and backward in two passes. */
#include "plan/operations.h"
#include "plan/steps/steps.h"

struct rn_bn_backward rn_norm_backward(const struct rn_plan *plan,
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

/* Numbers of a batch norm that parts of a batch tell each other: two for each
 * channel. */
static size_t part_doubles(const struct rn_batch_norm *bn)
{
    return 2 * bn->planes.blocks * (size_t)bn->planes.block;
}

static double *own_part(const struct rn_plan_parts *parts,
                        const struct rn_batch_norm *bn)
{
    return parts->room + (size_t)parts->own * part_doubles(bn);
}

static int gather(const struct rn_plan_parts *parts,
                  const struct rn_batch_norm *bn, struct rn_error *err)
{
    return parts->gather(parts->user, parts->room,
                         part_doubles(bn) * sizeof(double), err);
}

static int run_bn_statistics(struct rn_plan *plan, struct rn_step *s,
                             struct rn_error *err)
{
    struct rn_batch_norm *bn = &plan->bns[s->bn];
    const void *z = rn_buffer_at(plan, s->a.buffer);
    int rc = RN_OK;

    if (bn->fixed) {
        rn_batch_norm_fix(bn);
    } else if (!plan->parts) {
        rn_batch_norm_statistics(bn, z, plan->sums);
    } else {
        rn_batch_norm_part(bn, z, plan->sums, own_part(plan->parts, bn));
        rc = gather(plan->parts, bn, err);
        rn_batch_norm_whole(bn, plan->parts->room, plan->parts->count);
    }
    return rc;
}

static int run_bn_reduce(struct rn_plan *plan, struct rn_step *s,
                         struct rn_error *err)
{
    struct rn_bn_backward in = rn_norm_backward(plan, s);
    struct rn_batch_norm *bn = &plan->bns[s->bn];
    void *g = rn_buffer_at(plan, s->out);
    double *own;
    int rc;

    if (!plan->parts || bn->fixed) {
        rn_batch_norm_reduce(bn, &in, g, plan->sums);
        return RN_OK;
    }
    own = own_part(plan->parts, bn);
    rn_batch_norm_reduce_part(bn, &in, g, plan->sums, own);
    rc = gather(plan->parts, bn, err);
    rn_batch_norm_reduce_whole(bn, own, plan->parts->room, plan->parts->count);
    return rc;
}

static int run_bn_gradient(struct rn_plan *plan, struct rn_step *s,
                           struct rn_error *err)
{
    struct rn_bn_backward in = rn_norm_backward(plan, s);

    (void)err;
    if (s->adds)
        in.sum = rn_buffer_at(plan, s->out);
    rn_batch_norm_gradient(&plan->bns[s->bn], &in, rn_buffer_at(plan, s->out));
    return RN_OK;
}

/* A pass, whose sums of each image one thread joins. */
static void shares_of_sums(const struct rn_plan *plan, const struct rn_step *s,
                           struct rn_shares *shares)
{
    const struct rn_planes *p = &plan->bns[s->bn].planes;

    rn_shares_of_pass(s, rn_planes_number(p), shares);
    rn_shares_alone(shares,
                    (double)(rn_batch_norm_scratch(p) * sizeof(double)) *
                        RN_COST_OF_BYTE);
}

/* Statistics that are fixed are one thread's. */
static void shares_of_statistics(const struct rn_plan *plan,
                                 const struct rn_step *s,
                                 struct rn_shares *shares)
{
    if (!plan->bns[s->bn].fixed)
        shares_of_sums(plan, s, shares);
}

const struct rn_step_type rn_step_bn_statistics = {
    .run = run_bn_statistics,
    .pass = "batch norm sums",
    .shares = shares_of_statistics,
};

const struct rn_step_type rn_step_bn_reduce = {
    .run = run_bn_reduce,
    .pass = "backward batch norm sums",
    .shares = shares_of_sums,
};

const struct rn_step_type rn_step_bn_gradient = {
    .run = run_bn_gradient,
    .pass = "backward batch norm",
    .shares = rn_shares_of_planes,
};

const struct rn_op_plan rn_plan_batch_norm = {
    .infer = rn_infer_apply,
    .forward = rn_forward_batch_norm,
    .backward = rn_backward_batch_norm,
    .keeps = RN_KEEPS_INPUT,
};
