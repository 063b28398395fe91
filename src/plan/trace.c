/* SPDX-License-Identifier: BSD-2-Clause */
/* Values inside the network, handed out while an inference plan runs. */
#include "plan/internal.h"

/* Hand out the value that a step has just made. */
static int trace_step(const struct rn_plan *plan, const struct rn_step *s)
{
    const struct rn_tracer *t = plan->tracer;
    int rc;
    const struct rn_node *n = &plan->graph->nodes[s->value];
    const struct rn_trace value = {.name = n->name,
                                   .op = rn_op_name(n->op),
                                   .channels = n->shape.c,
                                   .height = n->shape.h,
                                   .width = n->shape.w,
                                   .values = t->values,
                                   .layer = (size_t)s->value - 1};

    if (s->value == 0)
        return RN_OK;
    rn_plain_values(plan, s->value, s->out, t->values);
    rn_team_pause(&plan->team);
    rc = t->visit(t->user, &value);
    rn_team_resume(&plan->team);
    return rc;
}

/* Floats of the largest value of one image. */
static size_t largest_value(const struct rn_graph *g)
{
    size_t most = 0;

    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct rn_shape *s = &g->nodes[i].shape;
        size_t count = rn_shape_size(*s);

        most = count > most ? count : most;
    }
    return most;
}

int rn_plan_trace(struct rn_plan *plan, const float *images,
                  int (*visit)(void *user, const struct rn_trace *value),
                  void *user, struct rn_error *err)
{
    struct rn_tracer tracer = {trace_step, visit, user, NULL};
    size_t room;
    int rc;

    if (!plan || !images || !visit || plan->options.mode != RN_MODE_INFER)
        return rn_fail(err, RN_ERR_ARG,
                       "a trace needs an inference plan, images and a visitor");
    room = largest_value(plan->graph) * (size_t)plan->options.batch;
    tracer.values = rn_alloc(room, sizeof(*tracer.values));
    if (!tracer.values)
        return rn_fail_memory(err, room * sizeof(*tracer.values), "values");
    plan->images = images;
    plan->count = plan->options.batch;
    plan->tracer = &tracer;
    rc = rn_run_steps(plan, plan->n_steps, err);
    plan->tracer = NULL;
    rn_free(tracer.values);
    return rc;
}
