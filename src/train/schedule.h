/* SPDX-License-Identifier: BSD-2-Clause */
/* Learning rates over a run. */
#ifndef RN_TRAIN_SCHEDULE_H
#define RN_TRAIN_SCHEDULE_H

#include "core/error.h"

#include <stdbool.h>

enum rn_schedule_kind {
    RN_SCHEDULE_CONSTANT,
    RN_SCHEDULE_STEP,
    RN_SCHEDULE_COSINE,
    RN_SCHEDULE_POLY,
    RN_SCHEDULE_ONE_CYCLE,
};

#define RN_SCHEDULE_STEPS 16

struct rn_schedule {
    enum rn_schedule_kind kind;
    double lr; /* its peak: with `lr_batch` of the step's images */
    long iterations;
    long step[RN_SCHEDULE_STEPS]; /* ascending */
    int steps;
    double divisor;     /* of the rate at each of them */
    bool relative;      /* to the length of the run */
    double rise;        /* one-cycle: share of the run */
    double power;       /* poly */
    long warmup;        /* linear, iterations */
    double from;        /* and the rate it begins at, 0: at the first step up */
    double error_below; /* warm-up by training error, per cent; 0: none */
    double warmup_lr;
    long warmed_at; /* iteration the error rule ended, -1 while it holds */
};

int rn_schedule_parse(struct rn_schedule *s, const struct rn_train_options *o,
                      long iterations, struct rn_error *err);
/** Learning rate of iteration i (0-based). */
double rn_schedule_lr(const struct rn_schedule *s, long i);

#endif
