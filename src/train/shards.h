/* SPDX-License-Identifier: BSD-2-Clause */
/* The parameters of ranks that train together, cut into shards: a rank adds up
 * the gradients of its own, updates them, and gives the new values to all,
 * while the others' are still on their way. In bfloat16 it gives them the sum,
 * half as many bytes, and each updates all. */
#ifndef RN_TRAIN_SHARDS_H
#define RN_TRAIN_SHARDS_H

#include "comm/ranks.h"
#include "train/grouping.h"

/** A range of the flat arrays. */
struct rn_shard {
    size_t first, numbers;
    int owner;
    int awaited; /* messages of a step that are still to come: the other ranks'
                    partial sums, or from the owner the new values */
    float *incoming;    /* of the owner: the others' partial sums */
    uint16_t *in, *out; /* in bfloat16: what comes, and what goes */
};

/** Whoever changes so many values, from `first` on, by the mean of their
 *  gradients. */
typedef void rn_shards_update(void *user, size_t first, size_t numbers);

/** Zeroed, of one process, nothing of it does anything. */
struct rn_shards {
    struct rn_grouping *groups;
    struct rn_ranks *ranks;
    struct rn_flat flat;
    rn_shards_update *update;
    void *user;
    struct rn_plan_follower follower; /* for a group's plan */
    struct rn_shard *shards;          /* in flat order */
    size_t count;
    struct rn_partial *all; /* the partial sums of all ranks, in order */
    int *begin;             /* [ranks + 1], where each one's begin in `all` */
    float *incoming;
    uint16_t *packed; /* in bfloat16 */
    struct rn_post post;
    double begun;  /* rn_now() of the first step's backward, or 0 */
    double waited; /* seconds since then that it took to wait for messages */

    /* Of the step under way: */
    bool last;     /* the last group of this rank's computes */
    bool open;     /* its backward does */
    size_t left;   /* shards that have left */
    size_t summed; /* of this rank's own all before this one are updated */
    size_t fresh;  /* shards from here on have their new values */
    size_t needed; /* values from here on are waited for */
};

/** For several ranks, with the groups shared out. Ranges end at layers' ends
 *  where `by_layer`. */
int rn_shards_create(struct rn_shards *s, struct rn_grouping *groups,
                     const struct rn_flat *flat, bool by_layer,
                     rn_shards_update *update, void *user,
                     struct rn_error *err);
void rn_shards_free(struct rn_shards *s);
/** Floats that this takes, about; with sums in bfloat16 or not. */
size_t rn_shards_memory(int groups, const struct rn_ranks *ranks,
                        size_t numbers, bool bf16);

/** The plan of a group of this rank's, its last one or not, is about to run:
 *  who is to follow it. NULL for one process. All ranks have agreed before that
 *  they go through with the step. */
const struct rn_plan_follower *rn_shards_follow(struct rn_shards *s, bool last);
/** After the last group, be it that it failed: wait until this rank's own
 *  shards are updated, or in bfloat16 all. The others' may still be on their
 *  way. */
int rn_shards_finish(struct rn_shards *s, struct rn_error *err);
/** Wait until all values are there, and nothing is under way. */
int rn_shards_settle(struct rn_shards *s, struct rn_error *err);
/** After that: bring the optimiser's states to rank 0, where it lacks them. */
int rn_shards_collect(struct rn_shards *s, struct rn_error *err);

#endif
