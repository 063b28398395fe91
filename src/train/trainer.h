/* SPDX-License-Identifier: BSD-2-Clause */
/* A run in memory: set up by trainer.c, driven by loop.c. */
#ifndef RN_TRAIN_TRAINER_H
#define RN_TRAIN_TRAINER_H

#include "data/data.h"
#include "train/run.h"
#include "train/train.h"

/** Figures of the clock since the last log line; never saved. */
struct rn_clock {
    double start;   /* of this process's part of the run */
    long first;     /* iteration it began with */
    double seconds; /* spent training since the last log line */
    double waited;  /* of these, waiting for data */
    double saved;   /* time of the last checkpoint */
    long images;
};

struct rn_trainer {
    struct rn_train_options o; /* threads resolved */
    struct rn_train_events events;
    json_t *texts; /* run.json, when o borrows its texts from it */
    struct rn_run run;
    uint64_t checksum; /* of the options */
    int threads;       /* in use; the results do not depend on them */

    struct rn_data *data;
    struct rn_sampler sampler;
    double epoch_batches; /* may be fractional */
    long iterations, report_every, test_every, save_every;
    enum rn_part test_part;
    int test_images; /* 0: nothing to test on */
    int test_batch;

    struct rn_model *model;
    struct rn_store *store;
    struct rn_flat flat;
    struct rn_plan *plan;
    struct rn_plan *rest_plan; /* last, smaller batch of an epoch, or NULL */
    int rest;                  /* its images */
    struct rn_plan *test_plan;
    struct rn_loader *loader;

    struct rn_schedule schedule;
    struct rn_progress progress;
    struct rn_checkpoint checkpoint;
    struct rn_log log;
    struct rn_clock clock;
};

/** Train from progress.iteration to the end. */
int rn_trainer_loop(struct rn_trainer *t, struct rn_error *err);
/** Write last.safetensors. RN_ERR_LOSS, with nothing written, when a
 *  parameter is not finite. */
int rn_trainer_save(struct rn_trainer *t, struct rn_error *err);
/** Draw curve.svg. */
int rn_trainer_draw(struct rn_trainer *t, struct rn_error *err);
/** Hand a line to the caller. */
__attribute__((format(printf, 2, 3))) void
rn_trainer_say(const struct rn_trainer *t, const char *format, ...);

#endif
