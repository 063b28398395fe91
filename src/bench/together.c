/* SPDX-License-Identifier: BSD-2-Clause */
/* Times steps of training that ranks do together. */
#include "bench/together.h"

#include "core/count.h"
#include "core/memory.h"
#include "core/threads.h"

#include <math.h>
#include <stdio.h>

static void take_step(void *user, size_t first, size_t numbers)
{
    const struct rn_together *t = user;

    rn_update_some(t->update, t->graph, &t->flat, first, numbers, t->lr, 1);
}

int rn_together_open(struct rn_together *t, struct rn_ranks *ranks, int batch,
                     struct rn_plan *plan, const struct rn_graph *graph,
                     const struct rn_flat *flat, const struct rn_update *how,
                     float lr, bool bf16, struct rn_error *err)
{
    int rc;

    *t = (struct rn_together){.ranks = ranks,
                              .plan = plan,
                              .graph = graph,
                              .flat = *flat,
                              .update = how,
                              .lr = lr};
    rc = rn_grouping_cut(&t->groups, rn_ranks_count(ranks), batch, 0, err);
    t->groups.bf16 = bf16;
    if (rc == RN_OK)
        rc = rn_grouping_share(&t->groups, ranks, err);
    if (rc == RN_OK)
        rc = rn_grouping_create(&t->groups, flat, rn_plan_apart_floats(plan),
                                rn_plan_threads(plan), err);
    return rc == RN_OK
               ? rn_shards_create(&t->shards, &t->groups, flat,
                                  rn_update_by_layer(how), take_step, t, err)
               : rc;
}

int rn_together_compare(const struct rn_together *t, struct rn_error *err)
{
    struct rn_trait traits[] = {
        {.name = "the number of weights in memory", .code = RN_ERR_ARG},
        {.name = "the batch", .code = RN_ERR_ARG},
    };
    int rc = rn_ranks_meet(t->ranks, "a benchmark", err);

    if (rc != RN_OK)
        return rc;
    snprintf(traits[0].value, sizeof(traits[0].value), "%zu", t->flat.count);
    snprintf(traits[1].value, sizeof(traits[1].value), "%d",
             t->groups.count * t->groups.images);
    return rn_ranks_compare(t->ranks, traits, COUNT(traits), err);
}

void rn_together_close(struct rn_together *t)
{
    rn_shards_free(&t->shards);
    rn_grouping_free(&t->groups);
}

int rn_together_step(struct rn_together *t, const float *images,
                     const int32_t *labels, struct rn_error *err)
{
    struct rn_step_result result;
    struct rn_error other;
    int rc = rn_ranks_agree(t->ranks, RN_OK, err), finished;

    if (rc != RN_OK)
        return rc;
    rn_plan_set_apart(t->plan,
                      rn_grouping_statistics(&t->groups, t->groups.first));
    rn_plan_follow(t->plan, rn_shards_follow(&t->shards, true));
    rc = rn_plan_train(t->plan, images, labels, 0, &result, err);
    rn_plan_follow(t->plan, NULL);
    rn_plan_set_apart(t->plan, NULL);
    finished = rn_shards_finish(&t->shards, rc == RN_OK ? err : &other);
    rc = rn_ranks_agree(t->ranks, rc == RN_OK ? finished : rc, err);
    if (rc == RN_OK)
        rc = rn_grouping_gather(&t->groups, err);
    if (rc == RN_OK)
        rn_plan_join(t->plan, t->groups.statistics, t->groups.count);
    return rc;
}

int rn_together_settle(struct rn_together *t, int rc, struct rn_error *err)
{
    struct rn_error other;
    int settled = rn_shards_settle(&t->shards, rc == RN_OK ? err : &other);

    return rn_ranks_agree(t->ranks, rc == RN_OK ? settled : rc, err);
}

void rn_together_start(struct rn_together *t)
{
    t->start = rn_now();
    t->waited = t->ranks->waited;
    t->sent = t->ranks->sent;
}

/* A rank's, of a step. */
struct figures {
    double seconds, waits;
    uint64_t sent;
};

int rn_together_figures(struct rn_together *t, long steps,
                        struct rn_bench_result *result, struct rn_error *err)
{
    struct rn_ranks *r = t->ranks;
    const struct figures own = {
        .seconds = (rn_now() - t->start) / (double)steps,
        .waits = (r->waited - t->waited) / (double)steps,
        .sent = (r->sent - t->sent) / (uint64_t)steps,
    };
    struct figures *all;
    void *room;
    int rc = rn_ranks_room(r, sizeof(own), "ranks", &room, err);

    if (rc != RN_OK)
        return rc;
    all = room;
    rc = rn_ranks_gather(r, &own, sizeof(own), all, err);
    result->ranks = r->size;
    result->step_seconds = own.seconds;
    for (int i = 0; rc == RN_OK && i < r->size; i++) {
        double waits = all[i].waits, before = result->wait_seconds_most;

        result->wait_seconds += waits / r->size;
        result->wait_seconds_most = fmax(before, waits);
        if (all[i].sent > result->sent_bytes_most)
            result->sent_bytes_most = all[i].sent;
    }
    rn_ranks_free(r, all);
    return rc;
}
