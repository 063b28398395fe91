/* SPDX-License-Identifier: BSD-2-Clause */
/* How long a run is, and what comes when in it. */
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

int rn_trainer_plan_length(struct rn_trainer *t, struct rn_error *err)
{
    const struct rn_train_options *o = &t->o;
    /* Less a little, so that rounding does not add an iteration. */
    double length = ceil(o->epochs * rn_trainer_epoch(t) - 1e-6);
    int rc;

    if (o->iterations > 0)
        length = (double)o->iterations;
    else if (o->epochs <= 0)
        length = DEFAULT_ITERATIONS;
    if (length > 1e9)
        return rn_fail(err, RN_ERR_ARG,
                       "`epochs` %g: more than a billion iterations",
                       o->epochs);
    t->iterations = at_least_one(length);
    t->report_every = o->report_every;
    if (t->report_every == 0)
        t->report_every = at_least_one(fmin(length / REPORTS, REPORT_AT_MOST));
    t->test_every = o->test_every;
    if (t->test_every == 0)
        t->test_every = at_least_one(round(rn_trainer_epoch(t)));
    t->save_every = o->save_every > 0 ? o->save_every : t->test_every;
    rc = rn_record_parse(o->record, &t->record_every, err);
    return rc ? rc : rn_schedule_parse(&t->schedule, o, t->iterations, err);
}
