/* SPDX-License-Identifier: BSD-2-Clause */
/* What a run that goes on does otherwise than it began: where its data lie, how
 * many threads compute, how long it is. */
#include "core/file.h"
#include "core/memory.h"
#include "core/option.h"
#include "train/trainer.h"

#include <inttypes.h>
#include <string.h>

int rn_resume_check(const struct rn_resume_options *r, struct rn_error *err)
{
    int rc = rn_option_check(rn_resume_option, r, err);

    if (rc)
        return rc;
    if (r->iterations > 0 && r->epochs > 0)
        return rn_fail(err, RN_ERR_ARG,
                       "`iterations` is %ld and `epochs` %g: only one may be "
                       "given",
                       r->iterations, r->epochs);
    return RN_OK;
}

/* --------------------------------------------------------------- length */

/* Why a longer run would have had other learning rates from the beginning. */
static const char *const relative[] = {
    [RN_SCHEDULE_STEP] = "its steps are percentages of the run",
    [RN_SCHEDULE_COSINE] = "it falls to 0 at the run's end",
    [RN_SCHEDULE_POLY] = "it falls to 0 at the run's end",
    [RN_SCHEDULE_ONE_CYCLE] = "it rises and falls over the whole run",
};

static int check_longer(const struct rn_trainer *t, long before,
                        struct rn_error *err)
{
    if (t->iterations < before)
        return rn_fail(err, RN_ERR_ARG,
                       "%ld iterations: the run has %ld, it can only become "
                       "longer",
                       t->iterations, before);
    if (t->o.patience > 0 && t->progress.tested == before &&
        before % t->test_every != 0)
        return rn_fail(err, RN_ERR_ARG,
                       "the run cannot have %ld iterations in place of %ld: "
                       "`patience` has counted the test at its end, which a "
                       "longer run does not make there; begin another run from "
                       "its weights",
                       t->iterations, before);
    if (t->o.distill_weight_end != 0)
        return rn_fail(err, RN_ERR_ARG,
                       "the run cannot have %ld iterations in place of %ld: "
                       "`distill_weight` goes to that of the end over the "
                       "whole run; begin another run from its weights",
                       t->iterations, before);
    if (t->schedule.relative)
        return rn_fail(err, RN_ERR_ARG,
                       "the run cannot have %ld iterations in place of %ld: "
                       "`schedule` %s depends on the length, %s; begin another "
                       "run from its weights",
                       t->iterations, before, t->o.schedule,
                       relative[t->schedule.kind]);
    return RN_OK;
}

int rn_trainer_lengthen(struct rn_trainer *t, const struct rn_resume_options *r,
                        struct rn_error *err)
{
    const struct rn_train_options was = t->o;
    long before = t->iterations;
    int rc;

    if (r->iterations == 0 && r->epochs <= 0)
        return RN_OK;
    t->o.iterations = r->iterations;
    t->o.epochs = r->epochs;
    rc = rn_trainer_plan_length(t, err);
    t->schedule.warmed_at = t->progress.warmed_at;
    if (rc == RN_OK && t->iterations == before) {
        t->o = was;
        return RN_OK;
    }
    if (rc == RN_OK)
        rc = check_longer(t, before, err);
    if (rc == RN_OK)
        rn_trainer_say(t, "%ld iterations in place of %ld", t->iterations,
                       before);
    return rc;
}

/* ------------------------------------------------------------- run.json */

/* Of the checkpoint that was there when run.json last changed: a run killed
 * before the next one goes on from it. */
uint64_t rn_changes_before(const json_t *texts)
{
    const json_t *changes = json_object_get(texts, "changes");
    size_t n = json_array_size(changes);
    const char *text = json_string_value(json_object_get(
        n > 0 ? json_array_get(changes, n - 1) : NULL, "checkpoint"));
    uint64_t sum;

    return text != NULL && sscanf(text, "%" SCNx64, &sum) == 1 ? sum : 0;
}

/* The options that differ, each with its old and its new value. */
static int add_differences(json_t *change, const json_t *before,
                           const json_t *after)
{
    int failed = !before || !after;
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)after, name, value)
    {
        json_t *old = json_object_get(before, name);

        if (!failed && !json_equal(old, value))
            failed = json_object_set_new(
                change, name,
                json_pack("[O,O]", !old ? json_null() : old, value));
    }
    return failed;
}

/* How ranks differ, where that was allowed. */
static int set_mixed(json_t *change, const struct rn_ranks *ranks)
{
    const char *mixed = rn_ranks_mixed(ranks);

    return mixed ? json_object_set_new(change, "mixed", json_string(mixed)) : 0;
}

static json_t *change_json(const struct rn_trainer *t,
                           const struct rn_train_options *before)
{
    json_t *old = rn_options_to_json(before), *new = rn_options_to_json(&t->o);
    json_t *change;
    char sum[20];

    snprintf(sum, sizeof(sum), "%016" PRIx64, t->checksum);
    change = json_pack("{s:I, s:s}", "iteration",
                       (json_int_t)t->progress.iteration, "checkpoint", sum);
    if (change &&
        (add_differences(change, old, new) || set_mixed(change, t->o.ranks))) {
        json_decref(change);
        change = NULL;
    }
    json_decref(old);
    json_decref(new);
    return change;
}

/* run.json with the options of now and one change more. */
static json_t *changed_texts(const struct rn_trainer *t,
                             const struct rn_train_options *before)
{
    json_t *texts = json_deep_copy(t->texts);
    json_t *changes = json_object_get(texts, "changes");
    int failed = !texts;

    if (!json_is_array(changes)) {
        changes = json_array();
        failed |= json_object_set_new(texts, "changes", changes);
    }
    failed |= json_array_append_new(changes, change_json(t, before));
    failed |= json_object_set_new(texts, "options", rn_options_to_json(&t->o));
    failed |= json_object_set_new(texts, "iterations",
                                  json_integer((json_int_t)t->iterations));
    if (!failed)
        return texts;
    json_decref(texts);
    return NULL;
}

static bool same_options(const struct rn_train_options *a,
                         const struct rn_train_options *b)
{
    return a->threads == b->threads && a->iterations == b->iterations &&
           !(a->epochs < b->epochs) && !(a->epochs > b->epochs) &&
           strcmp(a->data, b->data) == 0;
}

/* The checkpoint is written with the old options, which run.json then names
 * as those of before, and again with the new: a run killed in between finds
 * two files that belong together. */
int rn_trainer_record_change(struct rn_trainer *t,
                             const struct rn_train_options *before,
                             struct rn_error *err)
{
    json_t *texts;
    int rc;

    if (same_options(&t->o, before) && !rn_ranks_mixed(t->o.ranks))
        return RN_OK;
    rc = rn_trainer_save(t, err);
    if (rc != RN_OK)
        return rc;
    texts = changed_texts(t, before);
    rc = rn_run_describe(&t->run, texts, err);
    json_decref(texts);
    t->checksum = rn_options_checksum(&t->o);
    return rc == RN_OK ? rn_trainer_save(t, err) : rc;
}
