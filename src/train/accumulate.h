/* SPDX-License-Identifier: BSD-2-Clause */
/* The mean of several batches' gradients. */
#ifndef RN_TRAIN_ACCUMULATE_H
#define RN_TRAIN_ACCUMULATE_H

#include "plan/plan.h"

/** Laid out as the flat gradients it is of. */
struct rn_accumulated {
    float *sum; /* NULL: a step has one batch */
    size_t count;
    int batches; /* of a step */
    int threads;
};

/** Nothing is held for one batch. */
int rn_accumulate_create(struct rn_accumulated *a, const struct rn_flat *flat,
                         int batches, int threads, struct rn_error *err);
void rn_accumulate_free(struct rn_accumulated *a);

/** Take in the gradients of batch i, from 0 on. After the last one of a step
 *  they are the mean of all: each batch counts alike, however many images it
 *  has, as with the means that are usually added up in PyTorch. */
void rn_accumulate_add(struct rn_accumulated *a, const struct rn_flat *flat,
                       int i);

#endif
