/* SPDX-License-Identifier: BSD-2-Clause */
/* The groups that a batch is cut into: their gradients and statistics, joined
 * in an order that follows from their number alone. */
#ifndef RN_TRAIN_GROUPING_H
#define RN_TRAIN_GROUPING_H

#include "comm/ranks.h"
#include "plan/plan.h"

#include <stdbool.h>

/** The sum of neighbouring groups' gradients. */
struct rn_partial {
    int first, groups;
    float *sum;
};

/** More partial sums are never held at once: two for each bit of a number of
 *  groups. */
enum { RN_PARTIALS_MOST = 26 };

struct rn_grouping {
    int count;      /* of a batch */
    int first, own; /* this rank's: all of them without ranks */
    int images;     /* of a group */
    int rest; /* of a group of the last, smaller batch of an epoch, or 0 */
    /* The rest is there for several groups only. */
    size_t numbers; /* of a group's gradients */
    int threads;
    bool bf16; /* every partial sum is rounded to bfloat16; set by the user */
    float *memory; /* of both arrays of floats here */
    struct rn_partial partial[RN_PARTIALS_MOST];
    int partials, done; /* of the step under way; groups added */
    float *statistics;  /* [count][floats], as of rn_plan_set_apart() */
    size_t floats;      /* of a group's */
    struct rn_ranks *ranks;
};

/** Cut batches of so many images, and of `rest`. RN_ERR_ARG when the groups do
 *  not divide them. */
int rn_grouping_cut(struct rn_grouping *g, int groups, int batch, int rest,
                    struct rn_error *err);
/** Share them out among ranks, or NULL. RN_ERR_ARG when that does not come out
 *  even. */
int rn_grouping_share(struct rn_grouping *g, struct rn_ranks *ranks,
                      struct rn_error *err);
/** What a rank's partial sums are in the end, without numbers; how many. */
int rn_grouping_partials(int groups, const struct rn_ranks *ranks, int rank,
                         struct rn_partial *partial);
/** Floats that a rank's partial sums of so many numbers take; none for one
 *  group of its own. */
size_t rn_grouping_memory(int groups, const struct rn_ranks *ranks,
                          size_t numbers);
/** For gradients of `flat`, and of each group so many floats of statistics. */
int rn_grouping_create(struct rn_grouping *g, const struct rn_flat *flat,
                       size_t floats, int threads, struct rn_error *err);
void rn_grouping_free(struct rn_grouping *g);

/** Where a group's statistics go; NULL when there is but one. */
float *rn_grouping_statistics(const struct rn_grouping *g, int group);

/** Take in the gradients of this rank's next group. */
void rn_grouping_add(struct rn_grouping *g, const struct rn_flat *flat);
/** After the last of them, in one process: the mean of all groups' gradients.
 */
void rn_grouping_join(struct rn_grouping *g, const struct rn_flat *flat);

/** For several ranks: take in so many numbers, from `first` on, of the last of
 *  this rank's groups; each once. */
void rn_grouping_add_last(const struct rn_grouping *g,
                          const struct rn_flat *flat, size_t first,
                          size_t numbers);
/** This rank's k-th partial sum, as of rn_grouping_partials(). */
float *rn_grouping_sum(const struct rn_grouping *g, const struct rn_flat *flat,
                       int k);
/** The sum of all groups' numbers, of the n partial sums of all ranks, in
 * order; it lies in one of them, in which others are left. */
float *rn_grouping_total(const struct rn_grouping *g,
                         const struct rn_partial *partial, int n,
                         size_t numbers);
/** The mean of that sum, which may lie there, too. */
void rn_grouping_mean(const struct rn_grouping *g, const float *total,
                      float *mean, size_t numbers);

/** Numbers that are bfloat16, into half their room and back. */
void rn_grouping_pack(const struct rn_grouping *g, const float *from,
                      uint16_t *to, size_t numbers);
void rn_grouping_unpack(const struct rn_grouping *g, const uint16_t *from,
                        float *to, size_t numbers);
/** Begin with the next step. */
void rn_grouping_clear(struct rn_grouping *g);
/** All groups' statistics, on every rank. */
int rn_grouping_gather(const struct rn_grouping *g, struct rn_error *err);

#endif
