/* SPDX-License-Identifier: BSD-2-Clause */
/* How long a run is, and what comes when in it. */
#include "core/option.h"
#include "train/trainer.h"

#include <math.h>

#define DEFAULT_ITERATIONS 64000 /* He et al. 2016, section 4.2 */
#define REPORTS            200
#define REPORT_AT_MOST     100 /* iterations */

double rn_trainer_epoch(const struct rn_trainer *t)
{
    return t->epoch_batches / t->step_batches;
}

static long at_least_one(double value)
{
    return value < 1 ? 1 : (long)value;
}

/* Of a run whose epochs have so many iterations. */
static int plan(const struct rn_train_options *o, double epoch,
                long *iterations, struct rn_error *err)
{
    /* Less a little, so that rounding does not add an iteration. */
    double length = ceil(o->epochs * epoch - 1e-6);

    if (o->iterations > 0)
        length = (double)o->iterations;
    else if (o->epochs <= 0)
        length = DEFAULT_ITERATIONS;
    if (length > 1e9)
        return rn_fail(err, RN_ERR_ARG,
                       "`epochs` %g: more than a billion iterations",
                       o->epochs);
    *iterations = at_least_one(length);
    return RN_OK;
}

int rn_train_iterations(const struct rn_train_options *options, int images,
                        long *iterations, struct rn_error *err)
{
    struct rn_train_options o;
    struct rn_sampler sampler = {.count = images};
    int rc = rn_options_take(&o, options, err);

    if (rc == RN_OK)
        rc = rn_option_check(rn_train_option, &o, err);
    if (rc != RN_OK)
        return rc;
    sampler.batch = o.batch > 0 ? o.batch : RN_TRAIN_BATCH;
    if (o.last_batch)
        sampler.last =
            (enum rn_last_batch)rn_train_choice("last_batch", o.last_batch);
    if (images < sampler.batch)
        return rn_fail(err, RN_ERR_ARG,
                       "`batch` %d: larger than the %d training images",
                       sampler.batch, images);
    return plan(&o,
                rn_sampler_batches(&sampler) /
                    (o.accumulate > 1 ? o.accumulate : 1),
                iterations, err);
}

int rn_trainer_plan_length(struct rn_trainer *t, struct rn_error *err)
{
    const struct rn_train_options *o = &t->o;
    int rc = plan(o, rn_trainer_epoch(t), &t->iterations, err);

    if (rc != RN_OK)
        return rc;
    t->report_every = o->report_every;
    if (t->report_every == 0)
        t->report_every =
            at_least_one(fmin((double)t->iterations / REPORTS, REPORT_AT_MOST));
    t->test_every = o->test_every;
    if (t->test_every == 0)
        t->test_every = at_least_one(round(rn_trainer_epoch(t)));
    t->save_every = o->save_every > 0 ? o->save_every : t->test_every;
    rc = rn_record_parse(o->record, &t->record_every, err);
    return rc ? rc : rn_schedule_parse(&t->schedule, o, t->iterations, err);
}
