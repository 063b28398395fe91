/* SPDX-License-Identifier: BSD-2-Clause */
/* Training step by step, for programs with a loop of their own: a training
 * plan, an optimiser, and an inference plan on the same parameters. */
#include "core/memory.h"
#include "core/sized.h"
#include "model/model.h"
#include "plan/team.h"
#include "train/optimiser.h"
#include "train/run.h"

#include <math.h>
#include <string.h>

#define USUAL_BATCH 128

struct rn_learner {
    struct rn_model *model; /* held */
    struct rn_train_options o;
    struct rn_store *store;
    struct rn_flat flat;
    struct rn_plan *learn, *answer; /* the latter once it is asked for */
    struct rn_update update;
    struct rn_team team; /* of the update */
    float *statistics;   /* the running ones before what is learned last */
    bool fresh;          /* the inference plan knows the present parameters */
    bool learned;        /* there are gradients that no update has used */
    long steps;          /* updates */
};

/* ------------------------------------------------------------- options */

/* What makes a run, not a step: refused rather than passed over. */
static const char *run_option(const struct rn_train_options *o)
{
    const struct {
        const char *name, *value, *none;
    } texts[] = {
        {"freeze", o->freeze, "none"},
        {"lr_scale", o->lr_scale, "none"},
        {"max_norm", o->max_norm, "none"},
        {"batch_norm", o->batch_norm, "batch"},
        {"class_weights", o->class_weights, "none"},
        {"weights", o->weights, ""},
        {"teacher", o->teacher, ""},
        {"hint", o->hint, ""},
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i].value && strcmp(texts[i].value, texts[i].none) != 0)
            return texts[i].name;
    if (o->ema > 0)
        return "ema";
    if (o->gate_bias != 0)
        return "gate_bias";
    if (o->zero_gamma)
        return "zero_gamma";
    if (o->sync_batch_norm)
        return "sync_batch_norm";
    if (o->lr_batch > 0)
        return "lr_batch";
    if (o->gradient_precision)
        return "gradient_precision";
    if (o->mixup > 0)
        return "mixup";
    if (o->cutmix > 0)
        return "cutmix";
    if (o->groups > 1)
        return "groups";
    return o->accumulate > 1 ? "accumulate" : NULL;
}

static int take_options(struct rn_train_options *o,
                        const struct rn_train_options *options,
                        struct rn_error *err)
{
    int rc = rn_options_take(o, options, err);
    const char *beyond = run_option(o);

    if (!rc && beyond)
        return rn_fail(err, RN_ERR_ARG,
                       "%s is an option of whole runs, a learner has none",
                       beyond);
    if (o->batch == 0)
        o->batch = USUAL_BATCH;
    o->data = "none"; /* which the check wants */
    if (!rc)
        rc = rn_options_check(o, err);
    return rc;
}

/* --------------------------------------------------------------- making */

/* The loss must be of what the network gives. */
static int check_output(const struct rn_learner *l, struct rn_error *err)
{
    const struct rn_loss_rule *loss = rn_loss_find(l->o.loss);

    if (loss->output == l->model->graph->kind)
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG, "`loss` %s learns %s, the model gives %s",
                   loss->name, rn_output_name(loss->output),
                   rn_output_name(l->model->graph->kind));
}

static int make_room_for_statistics(struct rn_learner *l, struct rn_error *err)
{
    size_t count;

    rn_store_statistics(l->store, &count);
    l->statistics = rn_alloc(count + 1, sizeof(*l->statistics));
    return l->statistics ? RN_OK
                         : rn_fail_memory(err, count * sizeof(*l->statistics),
                                          "running statistics");
}

static int build(struct rn_learner *l, struct rn_error *err)
{
    const struct rn_optimiser *optimiser = rn_optimiser_find(l->o.optimizer);
    const struct rn_plan_options options = {.mode = RN_MODE_TRAIN,
                                            .batch = l->o.batch,
                                            .threads = l->o.threads,
                                            .exact = l->o.exact,
                                            .bind = l->o.bind,
                                            .recompute = l->o.recompute,
                                            .precision = l->o.precision,
                                            .emulate = l->o.emulate};
    int rc = rn_store_create(&l->store, l->model->graph,
                             rn_optimiser_states(optimiser), err);

    if (!rc)
        rc = rn_plan_build(&l->learn, l->store, &options, err);
    if (rc)
        return rc;
    rn_store_flat(l->store, &l->flat);
    rc = rn_update_create(&l->update, &l->o, &l->flat, err);
    l->update.threads = rn_plan_threads(l->learn);
    if (!rc)
        rc = rn_team_create(&l->team, l->update.threads, l->o.bind, err);
    return rc ? rc : make_room_for_statistics(l, err);
}

int rn_learner_create(struct rn_learner **out, struct rn_model *model,
                      const struct rn_train_options *options,
                      struct rn_error *err)
{
    struct rn_learner *l = rn_alloc(1, sizeof(*l));
    int rc;

    *out = NULL;
    if (!l)
        return rn_fail_memory(err, sizeof(*l), "a learner");
    rn_model_hold(model);
    l->model = model;
    rc = take_options(&l->o, options, err);
    if (!rc)
        rc = check_output(l, err);
    if (!rc)
        rc = build(l, err);
    if (rc) {
        rn_learner_destroy(l);
        return rc;
    }
    *out = l;
    return RN_OK;
}

void rn_learner_destroy(struct rn_learner *l)
{
    if (!l)
        return;
    rn_update_free(&l->update);
    rn_team_destroy(&l->team);
    rn_free(l->statistics);
    rn_plan_destroy(l->learn);
    rn_plan_destroy(l->answer);
    rn_store_destroy(l->store);
    rn_model_destroy(l->model);
    rn_free(l);
}

/* ---------------------------------------------------------------- using */

int rn_learner_learn(struct rn_learner *l, const float *images,
                     const int32_t *labels, double *loss, int *errors,
                     struct rn_error *err)
{
    const struct rn_draw draw = {.seed = l->o.seed,
                                 .iteration = (uint32_t)l->steps};
    const struct rn_targets targets = {.labels = labels,
                                       .smoothing =
                                           (float)rn_options_smoothing(&l->o),
                                       .loss = rn_loss_find(l->o.loss)};
    size_t count;
    float *statistics = rn_store_statistics(l->store, &count);
    struct rn_step_result result;
    int rc;

    if (!images || !labels)
        return rn_fail(err, RN_ERR_ARG, "learning needs images and labels");
    for (int i = 0; i < l->o.batch; i++)
        if (labels[i] < 0 || labels[i] >= l->model->spec.classes)
            return rn_fail(err, RN_ERR_ARG,
                           "image %d of the batch has label %d, expected 0 to "
                           "%d",
                           i, (int)labels[i], l->model->spec.classes - 1);
    rn_plan_draw(l->learn, &draw);
    l->learned = l->fresh = false; /* running statistics have moved */
    memcpy(l->statistics, statistics, count * sizeof(*statistics));
    rc = rn_plan_learn(l->learn, images, &targets, &result, err);
    if (rc)
        return rc;
    if (!isfinite(result.loss + result.aux)) {
        /* One image that is no number would make them so for good. */
        memcpy(statistics, l->statistics, count * sizeof(*statistics));
        return rn_fail(err, RN_ERR_LOSS,
                       "the loss is not finite after %ld "
                       "updates",
                       l->steps);
    }
    l->learned = true;
    if (loss)
        *loss = result.loss / l->o.batch;
    if (errors)
        *errors = result.errors;
    return RN_OK;
}

int rn_learner_update(struct rn_learner *l, double lr, struct rn_error *err)
{
    int rc;

    if (!l->learned)
        return rn_fail(err, RN_ERR_ARG,
                       "nothing was learned since the last update");
    if (!(lr >= 0 && lr <= 1e6))
        return rn_fail(err, RN_ERR_ARG, "lr %g: must be from 0 to 1000000", lr);
    rc = rn_team_enter(&l->team, err);
    if (rc)
        return rc;
    rn_update_step(&l->update, l->model->graph, &l->flat, (float)lr,
                   ++l->steps);
    rn_team_leave(&l->team);
    l->learned = l->fresh = false;
    return RN_OK;
}

int rn_learner_forward(struct rn_learner *l, const float *images, float *logits,
                       struct rn_error *err)
{
    const struct rn_plan_options options = {.mode = RN_MODE_INFER,
                                            .batch = l->o.batch,
                                            .threads = l->o.threads,
                                            .exact = l->o.exact,
                                            .bind = l->o.bind};
    int rc = RN_OK;

    if (!l->answer)
        rc = rn_plan_build(&l->answer, l->store, &options, err);
    else if (!l->fresh)
        rc = rn_plan_refresh(l->answer, err);
    if (rc)
        return rc;
    l->fresh = true;
    return rn_plan_forward(l->answer, images, logits, err);
}

void rn_learner_store(struct rn_learner *l)
{
    rn_store_export(l->store, l->model->graph);
}
