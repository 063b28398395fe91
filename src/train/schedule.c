/* SPDX-License-Identifier: BSD-2-Clause */
/* Learning rate as a function of the iteration. */
#include "train/schedule.h"

#include "core/locale.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846

/* He et al. 2016, section 3.4: what a step divides the rate by. */
#define USUAL_DIVISOR 10

/* One-cycle (Smith 2018) starts at lr / 25 and ends at lr / 10,000. */
#define ONE_CYCLE_START (1.0 / 25)
#define ONE_CYCLE_END   1e-4

/* You, Gitman and Ginsburg 2017. */
#define USUAL_POWER 2

/* The part of text behind a prefix, or NULL. */
static const char *after(const char *text, const char *prefix)
{
    size_t n = strlen(prefix);

    return strncmp(text, prefix, n) == 0 ? text + n : NULL;
}

/* A plain decimal number: digits, at most one point, nothing else. */
static bool parse_number(const char *text, const char **end, double *out)
{
    size_t n = strspn(text, "0123456789.");
    char *stop = NULL;

    if (n == 0)
        return false;
    *out = rn_number(text, &stop);
    *end = stop;
    return stop == text + n;
}

static bool parse_count(const char *text, long *out)
{
    const char *end = NULL;
    double value = 0;

    if (!parse_number(text, &end, &value) || *end != '\0' ||
        value != floor(value) || value > 1e9)
        return false;
    *out = (long)value;
    return true;
}

/* One entry of "step:": an iteration, or a percentage of the run. */
static bool parse_step(const char *text, long iterations, const char **end,
                       long *out, bool *relative)
{
    double value = 0;

    if (!parse_number(text, end, &value))
        return false;
    if (**end == '%') {
        (*end)++;
        if (value > 100)
            return false;
        value = round(value / 100 * (double)iterations);
        *relative = true;
    }
    if (value != floor(value) || value > 1e9)
        return false;
    *out = (long)value;
    return true;
}

/* "*X" behind the steps: what the rate is multiplied by at each of them. */
static int parse_factor(struct rn_schedule *s, const char *schedule,
                        const char *text, struct rn_error *err)
{
    const char *end = NULL;
    double factor = 0;

    if (!parse_number(text, &end, &factor) || *end != '\0' || factor <= 0 ||
        factor >= 1)
        return rn_fail(err, RN_ERR_ARG,
                       "`schedule` '%s': expected a factor above 0 and below 1 "
                       "behind the '*', as in step:30%%,60%%*0.2",
                       schedule);
    s->divisor = 1 / factor;
    return RN_OK;
}

static int parse_steps(struct rn_schedule *s, const char *schedule,
                       const char *list, struct rn_error *err)
{
    const char *p = list;
    long before = 0;

    for (;;) {
        long step = 0;

        if (!parse_step(p, s->iterations, &p, &step, &s->relative) ||
            (*p != ',' && *p != '*' && *p != '\0'))
            return rn_fail(
                err, RN_ERR_ARG,
                "`schedule` '%s': expected iterations or percentages "
                "of the run separated by commas, as in "
                "step:32000,48000 or step:50%%,75%%",
                schedule);
        if (s->steps == RN_SCHEDULE_STEPS)
            return rn_fail(err, RN_ERR_ARG,
                           "`schedule` '%s': more than %d steps", schedule,
                           RN_SCHEDULE_STEPS);
        if (s->steps > 0 && step < before)
            return rn_fail(err, RN_ERR_ARG,
                           "`schedule` '%s': steps must ascend, found %ld "
                           "after %ld",
                           schedule, step, before);
        s->step[s->steps++] = step;
        before = step;
        if (*p == '*')
            return parse_factor(s, schedule, p + 1, err);
        if (*p++ == '\0')
            return RN_OK;
    }
}

static int parse_one_cycle(struct rn_schedule *s, const char *schedule,
                           const char *rest, struct rn_error *err)
{
    const char *end = NULL;
    double percent = 30;

    if (*rest == ':' && (!parse_number(rest + 1, &end, &percent) ||
                         *end != '\0' || percent > 100))
        return rn_fail(err, RN_ERR_ARG,
                       "`schedule` '%s': expected a percentage from 0 to 100, "
                       "as in one-cycle:30",
                       schedule);
    s->rise = percent / 100;
    return RN_OK;
}

/* Behind "poly". */
static int parse_power(struct rn_schedule *s, const char *schedule,
                       const char *rest, struct rn_error *err)
{
    const char *end = NULL;

    s->power = USUAL_POWER;
    if (*rest == ':' && (!parse_number(rest + 1, &end, &s->power) ||
                         *end != '\0' || s->power <= 0 || s->power > 100))
        return rn_fail(err, RN_ERR_ARG,
                       "`schedule` '%s': expected a power above 0 and up to "
                       "100, as in poly:2",
                       schedule);
    return RN_OK;
}

/* The part of a schedule behind that name, which a ':' or nothing follows. */
static const char *named(const char *schedule, const char *name)
{
    const char *rest = after(schedule, name);

    return rest && (*rest == ':' || *rest == '\0') ? rest : NULL;
}

static int parse_schedule(struct rn_schedule *s, const char *schedule,
                          struct rn_error *err)
{
    const char *rest = NULL;

    if ((rest = after(schedule, "step:"))) {
        s->kind = RN_SCHEDULE_STEP;
        return parse_steps(s, schedule, rest, err);
    }
    if (strcmp(schedule, "constant") == 0) {
        s->kind = RN_SCHEDULE_CONSTANT;
        return RN_OK;
    }
    if (strcmp(schedule, "cosine") == 0) {
        s->kind = RN_SCHEDULE_COSINE;
        s->relative = true;
        return RN_OK;
    }
    if ((rest = named(schedule, "poly"))) {
        s->kind = RN_SCHEDULE_POLY;
        s->relative = true;
        return parse_power(s, schedule, rest, err);
    }
    if ((rest = named(schedule, "one-cycle"))) {
        s->kind = RN_SCHEDULE_ONE_CYCLE;
        s->relative = true;
        return parse_one_cycle(s, schedule, rest, err);
    }
    return rn_fail(
        err, RN_ERR_ARG,
        "`schedule` '%s': expected step:A,B,..., constant, cosine, poly[:P] or "
        "one-cycle[:PERCENT]",
        schedule);
}

static int parse_warmup_error(struct rn_schedule *s, const char *warmup,
                              const char *rest, double warmup_lr,
                              struct rn_error *err)
{
    const char *end = NULL;

    if (!parse_number(rest, &end, &s->error_below) || *end != '\0' ||
        s->error_below <= 0 || s->error_below > 100)
        return rn_fail(err, RN_ERR_ARG,
                       "`warmup` '%s': expected a training error above 0 and "
                       "up to 100 per cent, as in error:80",
                       warmup);
    if (!(warmup_lr > 0))
        return rn_fail(err, RN_ERR_ARG,
                       "`warmup_lr` is %g, but must be greater than 0",
                       warmup_lr);
    s->warmup_lr = warmup_lr;
    return RN_OK;
}

static int parse_warmup(struct rn_schedule *s, const char *warmup,
                        double warmup_lr, struct rn_error *err)
{
    const char *rest = NULL;

    if (strcmp(warmup, "none") == 0)
        return RN_OK;
    if (s->kind == RN_SCHEDULE_ONE_CYCLE)
        return rn_fail(
            err, RN_ERR_ARG,
            "`warmup` '%s': `schedule` one-cycle has a rise of its own, "
            "expected none",
            warmup);
    if ((rest = after(warmup, "error:")))
        return parse_warmup_error(s, warmup, rest, warmup_lr, err);
    if (!parse_count(warmup, &s->warmup))
        return rn_fail(err, RN_ERR_ARG,
                       "`warmup` '%s': expected none, a number of iterations, "
                       "or error:PERCENT",
                       warmup);
    if (s->warmup > s->iterations)
        return rn_fail(err, RN_ERR_ARG,
                       "`warmup` '%s': longer than the run of %ld iterations",
                       warmup, s->iterations);
    return RN_OK;
}

/* Goyal et al. 2017: k times the images, k times the rate; the warm-up begins
 * at that of the small batch. */
static double scaled(const struct rn_train_options *o)
{
    int batches = o->accumulate > 1 ? o->accumulate : 1;

    return o->lr_batch > 0 ? o->lr * ((double)o->batch * batches / o->lr_batch)
                           : o->lr;
}

int rn_schedule_parse(struct rn_schedule *s, const struct rn_train_options *o,
                      long iterations, struct rn_error *err)
{
    const double lr = scaled(o);
    int rc;

    *s = (struct rn_schedule){.lr = lr,
                              .from = lr > o->lr ? o->lr : 0,
                              .iterations = iterations,
                              .divisor = USUAL_DIVISOR,
                              .warmed_at = -1};
    rc = parse_schedule(s, o->schedule, err);
    if (rc == RN_OK)
        rc = parse_warmup(s, o->warmup, o->warmup_lr, err);
    return rc;
}

/* From a (t = 0) to b (t = 1) along half a cosine. */
static double ease(double a, double b, double t)
{
    return b + (a - b) * (1 + cos(PI * t)) / 2;
}

static double lr_step(const struct rn_schedule *s, long i)
{
    double divisor = 1;

    for (int k = 0; k < s->steps && s->step[k] <= i; k++)
        divisor *= s->divisor;
    return s->lr / divisor;
}

static double lr_cosine(const struct rn_schedule *s, long i)
{
    return ease(s->lr, 0,
                (double)(i - s->warmup) / (double)(s->iterations - s->warmup));
}

static double lr_poly(const struct rn_schedule *s, long i)
{
    double left =
        (double)(s->iterations - i) / (double)(s->iterations - s->warmup);

    return s->lr * pow(left, s->power);
}

/* From the rate of a small batch, or up from 0, whose step would be none. */
static double lr_warming(const struct rn_schedule *s, long i)
{
    if (s->from > 0)
        return s->from + (s->lr - s->from) * (double)i / (double)s->warmup;
    return s->lr * (double)(i + 1) / (double)s->warmup;
}

static double lr_one_cycle(const struct rn_schedule *s, long i)
{
    double t = (double)i / (double)s->iterations;

    if (t < s->rise)
        return ease(s->lr * ONE_CYCLE_START, s->lr, t / s->rise);
    return ease(s->lr, s->lr * ONE_CYCLE_END, (t - s->rise) / (1 - s->rise));
}

double rn_schedule_lr(const struct rn_schedule *s, long i)
{
    if (s->error_below > 0 && (s->warmed_at < 0 || i < s->warmed_at))
        return s->warmup_lr;
    if (i < s->warmup)
        return lr_warming(s, i);

    switch (s->kind) {
    case RN_SCHEDULE_STEP:
        return lr_step(s, i);
    case RN_SCHEDULE_COSINE:
        return lr_cosine(s, i);
    case RN_SCHEDULE_POLY:
        return lr_poly(s, i);
    case RN_SCHEDULE_ONE_CYCLE:
        return lr_one_cycle(s, i);
    case RN_SCHEDULE_CONSTANT:
        break;
    }
    return s->lr;
}
