/* SPDX-License-Identifier: BSD-2-Clause */
/* The models of a run: the last, the best, and how they were trained; and its
 * curve. */
#include "core/count.h"
#include "core/memory.h"
#include "core/threads.h"
#include "train/trainer.h"

#include <inttypes.h>
#include <string.h>

static int set_text(json_t *object, const char *name, const char *text)
{
    return json_object_set_new(object, name, json_string(text));
}

static int set_real(json_t *object, const char *name, double value)
{
    return json_object_set_new(object, name, json_real(value));
}

static int set_count(json_t *object, const char *name, long value)
{
    return json_object_set_new(object, name, json_integer(value));
}

/* Last part of a path: where data lies on this machine is nobody's business
 * but run.json's. */
static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

void rn_trainer_show_average(struct rn_trainer *t)
{
    if (t->average.value)
        rn_ema_swap(&t->average, &t->flat);
}

/* What not every run does is told of those that do. */
static int set_extras(json_t *object, const struct rn_train_options *o)
{
    const struct {
        const char *name, *value, *usual;
    } texts[] = {
        {"optimizer", o->optimizer, "sgd"},
        {"loss", o->loss, "cross-entropy"},
        {"colour", o->colour, "none"},
        {"freeze", o->freeze, "none"},
        {"lr_scale", o->lr_scale, "none"},
        {"max_norm", o->max_norm, "none"},
        {"batch_norm", o->batch_norm, "batch"},
        {"class_weights", o->class_weights, "none"},
    };
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        {"erase", o->erase},
        {"mixup", o->mixup},
        {"cutmix", o->cutmix},
        {"ema", o->ema},
        {"distill_temperature", o->distill_temperature},
        {"distill_weight", o->distill_weight},
        {"distill_weight_end", o->distill_weight_end},
        {"gate_bias", o->gate_bias},
        {"lr_batch", o->lr_batch},
        {"zero_gamma", o->zero_gamma},
        {"sync_batch_norm", o->sync_batch_norm},
    };
    int failed = 0;

    if (o->weights)
        failed |= set_text(object, "weights", last_part(o->weights));
    if (o->teacher)
        failed |= set_text(object, "teacher", last_part(o->teacher));
    if (o->hint)
        failed |= set_text(object, "hint", o->hint);
    for (size_t i = 0; i < COUNT(texts); i++)
        if (strcmp(texts[i].value, texts[i].usual) != 0)
            failed |= set_text(object, texts[i].name, texts[i].value);
    for (size_t i = 0; i < COUNT(numbers); i++)
        if (numbers[i].value > 0)
            failed |= set_real(object, numbers[i].name, numbers[i].value);
    return failed;
}

/* The options that the optimiser takes. */
static int set_optimiser(json_t *object, const struct rn_update *u)
{
    const struct rn_optimiser_option *options = u->optimiser->options;
    int failed = 0;

    for (int k = 0; options[k].name; k++)
        failed |= set_real(object, options[k].name, u->option[k]);
    return failed;
}

/* What it was trained on: which images of which, and how the others were held
 * out; rn_model_training() reads it. */
static int set_training(json_t *object, const struct rn_trainer *t)
{
    const struct rn_train_options *o = &t->o;
    char sum[20];
    int failed = 0;

    snprintf(sum, sizeof(sum), "%016" PRIx64, t->data->training);
    failed |= set_text(object, "training_checksum", sum);
    failed |= set_count(object, "data_rule", o->data_rule);
    if (o->validation > 0)
        failed |= set_count(object, "validation", o->validation);
    if (o->validation_percent > 0)
        failed |= set_real(object, "validation_percent", o->validation_percent);
    return failed;
}

/* How the model was trained. No clock: the same run gives the same bytes. */
static json_t *trained_json(const struct rn_trainer *t)
{
    const struct rn_progress *p = &t->progress;
    const struct rn_train_options *o = &t->o;
    json_t *object = json_object();
    int failed = !object;

    if (failed)
        return NULL;
    failed |= set_text(object, "data", last_part(t->data->spec));
    failed |= set_text(object, "format", t->data->format);
    failed |= set_count(object, "images", t->sampler.count);
    failed |= set_count(object, "iterations", p->iteration);
    failed |= set_real(object, "epochs", rn_trainer_epochs(t));
    failed |= set_count(object, "batch", o->batch);
    if (t->step_batches > 1)
        failed |= set_count(object, "accumulate", t->step_batches);
    if (t->groups.count > 1)
        failed |= set_count(object, "groups", t->groups.count);
    failed |= set_real(object, "lr", o->lr);
    failed |= set_text(object, "schedule", o->schedule);
    failed |= set_text(object, "warmup", o->warmup);
    failed |= set_optimiser(object, &t->update);
    failed |= set_real(object, "weight_decay", o->weight_decay);
    failed |= set_real(object, "label_smoothing", rn_options_smoothing(o));
    failed |= set_text(object, "augment", o->augment);
    failed |=
        json_object_set_new(object, "seed", json_integer((json_int_t)o->seed));
    if (o->precision > RN_PRECISION_FP32)
        failed |=
            set_text(object, "precision", rn_precision_name(o->precision));
    if (o->gradient_precision)
        failed |= set_text(object, "gradient_precision", "bf16");
    failed |= set_training(object, t);
    failed |= set_extras(object, o);
    if (t->model->graph->n_aux)
        failed |= set_count(object, "aux_heads", (long)t->model->graph->n_aux);
    if (p->tested == p->iteration) {
        failed |=
            set_real(object, "test_error", rn_trainer_tested(t, "test_error"));
        failed |= set_count(object, "test_images", t->test_images);
        failed |= set_text(object, "test_part", rn_part_name(t->test_part));
    }
    if (!failed)
        return object;
    json_decref(object);
    return NULL;
}

/* Bring the model in memory up to date with the store. */
static int export_model(struct rn_trainer *t, struct rn_error *err)
{
    json_t *object = trained_json(t);
    char *text = !object ? NULL : rn_json_dump(object, 0);
    const char *broken;

    json_decref(object);
    if (!text)
        return rn_fail_memory(err, 1024, "the model's description");
    rn_free(t->model->trained);
    t->model->trained = text;

    rn_store_export(t->store, t->trainee->graph);
    rn_trainer_return_hint(t);
    broken = rn_model_not_finite(t->trainee);
    if (broken)
        return rn_fail(err, RN_ERR_LOSS,
                       "parameters are not finite after iteration %ld: %s; "
                       "'%s' is the last good checkpoint",
                       t->progress.iteration, broken, t->run.last);
    return RN_OK;
}

int rn_trainer_save(struct rn_trainer *t, struct rn_error *err)
{
    int rc;

    t->clock.saved = rn_now();
    if (!rn_ranks_first(t->o.ranks))
        return RN_OK;
    rc = rn_log_sync(&t->log, err);
    t->progress.warmed_at = t->schedule.warmed_at;
    if (rc == RN_OK)
        rc = export_model(t, err);
    if (rc == RN_OK)
        rc = rn_checkpoint_save(&t->checkpoint, t->run.last, t->model, t->store,
                                &t->average, &t->progress, t->o.optimizer,
                                t->checksum, err);
    t->clock.saved = rn_now();
    return rc;
}

int rn_trainer_save_best(struct rn_trainer *t, struct rn_error *err)
{
    int rc;

    if (!rn_ranks_first(t->o.ranks))
        return RN_OK;
    rn_trainer_show_average(t);
    rc = export_model(t, err);
    rn_trainer_show_average(t);
    return rc == RN_OK ? rn_model_save(t->model, t->run.best, err) : rc;
}

int rn_trainer_draw(struct rn_trainer *t, struct rn_error *err)
{
    struct rn_curve curve = {
        .test_name = rn_part_name(t->test_part),
        .iterations = t->iterations,
        .step = t->schedule.step,
        .steps = t->schedule.steps,
        .divisor = t->schedule.divisor,
    };

    if (!rn_ranks_first(t->o.ranks))
        return RN_OK;
    snprintf(curve.title, sizeof(curve.title), "%s on %s", t->model->spec.name,
             t->data->format);
    return rn_curve_write(t->run.log, t->run.curve, &curve, err);
}
