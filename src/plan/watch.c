/* SPDX-License-Identifier: BSD-2-Clause */
/* Mean and variance of values inside the network: while a plan runs forward, of
 * inference, which does not fuse over them, or of training, where batch norm
 * takes the batch's own statistics; and what these were in a step. */
#include "core/memory.h"
#include "plan/internal.h"

#include <math.h>

struct watcher {
    struct rn_tracer tracer; /* first: so the plan knows it */
    int (*visit)(void *user, int node, const double *mean, const double *var);
    void *user;
    double *scratch, *mean, *var; /* [padded channels] of the largest value */
};

/* The watched node whose value the step has made, and the buffer to look at; of
 * a training plan's batch norm that is its input, since whoever reads the value
 * applies scale and shift. RN_NONE: there is none. */
static int find_value(const struct rn_plan *plan, const struct rn_step *s,
                      int *buffer)
{
    bool train = plan->options.mode == RN_MODE_TRAIN;
    int node = train ? s->node : s->value;

    *buffer = s->type == &rn_step_bn_statistics ? s->a.buffer : s->out;
    if (train && s->type != &rn_step_bn_statistics && s->type != &rn_step_conv)
        return RN_NONE;
    return *buffer >= 0 && plan->watched[node] ? node : RN_NONE;
}

/* From what a batch norm reads to what it makes. */
static void normalise(const struct rn_batch_norm *bn, double *mean, double *var)
{
    for (int c = 0; c < bn->channels; c++) {
        double scale = (double)bn->scale[c];

        mean[c] = scale * mean[c] + (double)bn->shift[c];
        var[c] *= scale * scale;
    }
}

static int watch_step(const struct rn_plan *plan, const struct rn_step *s)
{
    const struct watcher *w = (const struct watcher *)plan->tracer;
    struct rn_planes planes;
    int buffer, node = find_value(plan, s, &buffer);

    if (node < 0)
        return RN_OK;
    planes =
        rn_planes_typed(plan->options.batch, plan->graph->nodes[node].shape,
                        plan->options.threads, plan->buffers[buffer].type);
    rn_moments(&planes, plan->buffers[buffer].planes,
               rn_buffer_at(plan, buffer), w->scratch, w->mean, w->var);
    if (s->type == &rn_step_bn_statistics)
        normalise(&plan->bns[s->bn], w->mean, w->var);
    return w->visit(w->user, node, w->mean, w->var);
}

/* Room for the largest watched value. */
static int take_room(struct watcher *w, const struct rn_plan *plan,
                     struct rn_error *err)
{
    size_t scratch = 1, channels = 1;

    for (size_t i = 0; i < plan->graph->n_nodes; i++) {
        struct rn_planes p = rn_planes_of_node(plan, (int)i);
        size_t own = rn_batch_norm_scratch(&p);

        if (!plan->watched[i])
            continue;
        scratch = own > scratch ? own : scratch;
        own = rn_channels_padded(plan->graph->nodes[i].shape.c);
        channels = own > channels ? own : channels;
    }
    w->scratch = rn_alloc(scratch + 2 * channels, sizeof(*w->scratch));
    if (!w->scratch)
        return rn_fail_memory(err,
                              (scratch + 2 * channels) * sizeof(*w->scratch),
                              "sums over values");
    w->mean = w->scratch + scratch;
    w->var = w->mean + channels;
    return RN_OK;
}

int rn_plan_watch(struct rn_plan *plan, const float *images,
                  int (*visit)(void *user, int node, const double *mean,
                               const double *var),
                  void *user, struct rn_error *err)
{
    struct watcher w = {
        .tracer = {.step = watch_step}, .visit = visit, .user = user};
    int rc;

    if (!plan->watched)
        return rn_fail(err, RN_ERR_ARG, "this plan watches no values");
    rc = take_room(&w, plan, err);
    if (rc)
        return rc;
    plan->images = images;
    plan->count = plan->options.batch;
    plan->tracer = &w.tracer;
    rc = rn_run_steps(plan, rn_forward_steps(plan), err);
    plan->tracer = NULL;
    rn_free(w.scratch);
    return rc;
}

bool rn_plan_norm(const struct rn_plan *plan, size_t i,
                  struct rn_norm_record *record)
{
    const struct rn_batch_norm *bn = i < plan->n_bns ? &plan->bns[i] : NULL;
    double means[2] = {0, 0}, vars[2] = {0, 0};
    double count = bn ? bn->channels : 0;

    if (!bn)
        return false;
    for (int pass = 0; pass < 2; pass++)
        for (int c = 0; c < bn->channels; c++) {
            double inv = (double)bn->inv_std[c], scale = (double)bn->scale[c];
            double var = fmax(0, 1 / (inv * inv) - (double)bn->eps);
            const double mean[2] = {(double)bn->mean[c],
                                    scale * (double)bn->mean[c] +
                                        (double)bn->shift[c]};
            const double own[2] = {var, scale * scale * var};

            for (int k = 0; k < 2; k++)
                if (pass == 0)
                    means[k] += mean[k] / count;
                else
                    vars[k] +=
                        (own[k] + (mean[k] - means[k]) * (mean[k] - means[k])) /
                        count;
        }
    *record = (struct rn_norm_record){.node = plan->bn_nodes[i],
                                      .fixed = bn->fixed,
                                      .mean = means[0],
                                      .variance = vars[0],
                                      .normed = vars[1]};
    return true;
}
