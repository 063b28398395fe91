/* SPDX-License-Identifier: BSD-2-Clause */
/* The losses, and their gradients. */
#include "ops/loss.h"
#include "plan/steps/steps.h"

/* A head's own loss takes targets as they are, unless it smooths them. A
 * teacher teaches the output alone. */
static struct rn_targets targets_of(const struct rn_plan *plan,
                                    const struct rn_aux *aux)
{
    struct rn_targets targets = plan->targets;

    if (aux)
        targets.soft.logits = NULL;
    if (!aux || !aux->loss)
        return targets;
    targets.loss = rn_loss_find(aux->loss);
    if (!targets.loss->smooths)
        targets.smoothing = 0;
    return targets;
}

static int run_map(struct rn_plan *plan, struct rn_step *s)
{
    double sum =
        rn_loss_of_map(plan->options.batch, rn_step_node(plan, s)->shape,
                       rn_buffer_at(plan, s->a.buffer), plan->targets.map,
                       rn_buffer_at(plan, s->out));

    plan->result = (struct rn_step_result){sum, 0, 0};
    return RN_OK;
}

static int run_loss(struct rn_plan *plan, struct rn_step *s,
                    struct rn_error *err)
{
    const struct rn_aux *aux = rn_graph_aux_of(plan->graph, s->node);
    const struct rn_targets targets = targets_of(plan, aux);
    int classes = rn_step_node(plan, s)->shape.c;
    struct rn_loss loss;

    (void)err;
    if (plan->graph->hint)
        return run_map(plan, s);
    loss = rn_loss_weighted(
        plan->options.batch, classes, rn_channels_padded(classes),
        rn_buffer_at(plan, s->a.buffer), &targets,
        aux ? (double)aux->weight : 1, rn_buffer_at(plan, s->out));
    if (aux)
        plan->result.aux += loss.sum;
    else /* the first */
        plan->result = (struct rn_step_result){loss.sum, loss.errors, 0};
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
