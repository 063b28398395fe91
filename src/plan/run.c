/* SPDX-License-Identifier: BSD-2-Clause */
/* Running a plan's steps. Nothing here allocates. */
#include "plan/internal.h"

static int run_first(struct rn_plan *plan, size_t steps, struct rn_error *err)
{
    size_t forward = plan->follower ? rn_forward_steps(plan) : 0;
    int rc = RN_OK;

    for (size_t i = 0; !rc && i < steps; i++) {
        struct rn_step *s = &plan->steps[i];
        double start;

        rc = rn_follow_before(plan, i, forward, err);
        if (rc)
            break;
        start = plan->options.profile ? rn_now() : 0;
        rc = s->type->run(plan, s, err);
        if (plan->options.profile)
            s->seconds += rn_now() - start;
        if (!rc && plan->tracer)
            rc = plan->tracer->step(plan, s);
        if (!rc)
            rc = rn_follow_after(plan, i, forward, err);
    }
    plan->runs++;
    return rc;
}

size_t rn_forward_steps(const struct rn_plan *plan)
{
    size_t i = 0;

    while (i < plan->n_steps && plan->steps[i].type != &rn_step_loss)
        i++;
    return i;
}

int rn_run_steps(struct rn_plan *plan, size_t steps, struct rn_error *err)
{
    int rc;

    if (plan->dry)
        return rn_fail(err, RN_ERR_ARG, "an outline of a plan cannot be run");
    rc = rn_team_enter(&plan->team, err);
    /* Fewer threads than the plan was made for do the same work: our kernels
     * and oneDNN's share it out among those that are there. */
    if (rc)
        return rc;
    rc = run_first(plan, steps, err);
    rn_team_leave(&plan->team);
    return rc;
}
