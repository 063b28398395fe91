/* SPDX-License-Identifier: BSD-2-Clause */
/* What can be said of a run at any moment: how far it is, how fast, and what
 * the last test gave. */
#include "core/threads.h"
#include "eval/eval.h"
#include "train/trainer.h"

#include <math.h>

double rn_trainer_epochs(const struct rn_trainer *t)
{
    return (double)t->progress.iteration / rn_trainer_epoch(t);
}

double rn_trainer_seconds_left(const struct rn_trainer *t)
{
    long done = t->progress.iteration - t->clock.first;
    long left = t->iterations - t->progress.iteration;

    if (done == 0)
        return 0;
    return (rn_now() - t->clock.start) / (double)done * (double)left;
}

struct rn_train_report rn_trainer_report(const struct rn_trainer *t)
{
    const struct rn_progress *p = &t->progress;
    const struct rn_clock *c = &t->clock;
    double images = p->images > 0 ? (double)p->images : 1;
    double seconds = c->seconds;

    return (struct rn_train_report){
        .iteration = p->iteration,
        .iterations = t->iterations,
        .epoch = rn_trainer_epochs(t),
        .loss = p->loss_sum / images,
        .train_error =
            t->o.hint ? (double)NAN : 100.0 * (double)p->errors / images,
        .lr = rn_schedule_lr(&t->schedule, p->iteration - 1),
        .images_per_second = seconds > 0 ? (double)c->images / seconds : 0,
        .data_wait = seconds > 0 ? fmin(1, c->waited / seconds) : 0,
        .seconds_left = rn_trainer_seconds_left(t),
        .test_part = t->test_part,
        .aux_heads = t->trainee->graph->n_aux,
        .aux_loss = p->aux_sum / images,
    };
}

double rn_trainer_tested(const struct rn_trainer *t, const char *name)
{
    return rn_metric_logged(t->progress.test, name, rn_trainer_sets(t));
}
