/* SPDX-License-Identifier: BSD-2-Clause */
/* The weights' exponential moving average. */
#ifndef RN_TRAIN_EMA_H
#define RN_TRAIN_EMA_H

#include "plan/plan.h"

/** Laid out as the flat values it is of. */
struct rn_ema {
    float *value; /* NULL: there is none */
    size_t count;
    double decay;
    int threads;
};

/** An average that begins as the values are. */
int rn_ema_create(struct rn_ema *a, const struct rn_flat *flat, double decay,
                  int threads, struct rn_error *err);
void rn_ema_free(struct rn_ema *a);

/** Take the values after step number `step` in, from 1 on. So that it does not
 *  hang on to its beginning, the decay is (1 + step) / (10 + step) where that
 *  is less. */
void rn_ema_add(struct rn_ema *a, const struct rn_flat *flat, long step);

/** Exchange average and values; twice, and all is as it was. */
void rn_ema_swap(struct rn_ema *a, struct rn_flat *flat);

#endif
