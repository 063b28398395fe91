/* SPDX-License-Identifier: BSD-2-Clause */
/* Tells while a training plan runs which parameters it is about to read, and
 * which it is done with. */
#include "plan/internal.h"

/* The first of the flat numbers that parameters of a node begin with. */
static size_t first_of_node(const struct rn_plan *plan, int node)
{
    const struct rn_node *n = &plan->graph->nodes[node];
    size_t first = SIZE_MAX;

    for (int k = 0; k < 4; k++) {
        int p = n->param[k];

        if (p >= 0 && rn_param_updated(&plan->graph->params[p]) &&
            plan->store->places[p].offset < first)
            first = plan->store->places[p].offset;
    }
    return first;
}

/* Of all that a step may read, or make the gradient of: its node's, and its
 * batch norm's. */
static size_t first_of_step(const struct rn_plan *plan, const struct rn_step *s)
{
    size_t own = first_of_node(plan, s->node), norm = SIZE_MAX;

    if (s->bn >= 0)
        norm = first_of_node(plan, plan->bn_nodes[s->bn]);
    return own < norm ? own : norm;
}

void rn_mark_steps(struct rn_plan *plan)
{
    size_t left = plan->store->count;

    for (size_t i = plan->n_steps; i-- > 0;) {
        struct rn_step *s = &plan->steps[i];

        s->first = first_of_step(plan, s);
        s->finished = left;
        left = s->first < left ? s->first : left;
    }
}

void rn_plan_follow(struct rn_plan *plan,
                    const struct rn_plan_follower *follower)
{
    plan->follower = follower;
}

int rn_follow_before(struct rn_plan *plan, size_t i, size_t forward,
                     struct rn_error *err)
{
    const struct rn_plan_follower *f = plan->follower;

    if (!f || i > forward)
        return RN_OK;
    return f->reads(f->user, i < forward ? plan->steps[i].first : 0, err);
}

int rn_follow_after(struct rn_plan *plan, size_t i, size_t forward,
                    struct rn_error *err)
{
    const struct rn_plan_follower *f = plan->follower;

    return f && i >= forward
               ? f->finished(f->user, plan->steps[i].finished, err)
               : RN_OK;
}
