/* SPDX-License-Identifier: BSD-2-Clause */
/* Steps of training that ranks do together, as runs do them, timed. */
#ifndef RN_BENCH_TOGETHER_H
#define RN_BENCH_TOGETHER_H

#include "train/optimiser.h"
#include "train/shards.h"

/** Zeroed, of one process, nothing of it does anything. */
struct rn_together {
    struct rn_ranks *ranks;
    struct rn_plan *plan; /* of this rank's part of the batch; borrowed */
    struct rn_grouping groups;
    struct rn_shards shards;
    const struct rn_graph *graph;
    struct rn_flat flat;
    const struct rn_update *update;
    float lr;
    /* When timing began: */
    double start, waited;
    uint64_t sent;
};

/** Each rank computes a group of a batch of so many images. Gradients are
 *  exchanged as float32, or as bfloat16. */
int rn_together_open(struct rn_together *t, struct rn_ranks *ranks, int batch,
                     struct rn_plan *plan, const struct rn_graph *graph,
                     const struct rn_flat *flat, const struct rn_update *update,
                     float lr, bool bf16, struct rn_error *err);
/** Whether all ranks compute alike. */
int rn_together_compare(const struct rn_together *t, struct rn_error *err);
void rn_together_close(struct rn_together *t);

/** A step; what it makes of the weights does not matter. */
int rn_together_step(struct rn_together *t, const float *images,
                     const int32_t *labels, struct rn_error *err);
/** Wait until nothing is under way, all having agreed on how they fare. */
int rn_together_settle(struct rn_together *t, int rc, struct rn_error *err);

void rn_together_start(struct rn_together *t);
/** What so many steps since then took each rank, into the result. */
int rn_together_figures(struct rn_together *t, long steps,
                        struct rn_bench_result *result, struct rn_error *err);

#endif
