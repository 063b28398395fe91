/* SPDX-License-Identifier: BSD-2-Clause */
/* The training loop: steps, and what happens between them.
 *
 * Whatever a step or a report changes is in struct rn_progress, and effects
 * come in this order: log line, best.safetensors, last.safetensors. So a run
 * killed at any instant goes on from last.safetensors, does again what came
 * after it, and arrives at the same files. */
#include "train/trainer.h"

#include "core/count.h"
#include "core/locale.h"
#include "core/memory.h"
#include "core/threads.h"
#include "eval/eval.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#define SAVE_SECONDS 600

void rn_trainer_say(const struct rn_trainer *t, const char *format, ...)
{
    char text[512];
    va_list args;

    if (!t->events.message)
        return;
    va_start(args, format);
    rn_format_list(text, sizeof(text), format, args);
    va_end(args);
    t->events.message(t->events.user, text);
}

static bool stop_asked(const struct rn_trainer *t)
{
    return t->events.stop != NULL && t->events.stop(t->events.user) != 0;
}

/* ------------------------------------------------------------ figures */

static double epochs_done(const struct rn_trainer *t)
{
    return (double)t->progress.iteration / rn_trainer_epoch(t);
}

static double seconds_left(const struct rn_trainer *t)
{
    long done = t->progress.iteration - t->clock.first;
    long left = t->iterations - t->progress.iteration;

    if (done == 0)
        return 0;
    return (rn_now() - t->clock.start) / (double)done * (double)left;
}

/* What is known without a test. */
static struct rn_train_report running_report(const struct rn_trainer *t)
{
    const struct rn_progress *p = &t->progress;
    const struct rn_clock *c = &t->clock;
    double images = p->images > 0 ? (double)p->images : 1;
    double seconds = c->seconds;

    return (struct rn_train_report){
        .iteration = p->iteration,
        .iterations = t->iterations,
        .epoch = epochs_done(t),
        .loss = p->loss_sum / images,
        .train_error = 100.0 * (double)p->errors / images,
        .lr = rn_schedule_lr(&t->schedule, p->iteration - 1),
        .images_per_second = seconds > 0 ? (double)c->images / seconds : 0,
        .data_wait = seconds > 0 ? fmin(1, c->waited / seconds) : 0,
        .seconds_left = seconds_left(t),
        .test_part = t->test_part,
    };
}

bool rn_trainer_sets(const struct rn_trainer *t)
{
    return t->data && t->data->several;
}

/* Of the last test. */
static double tested(const struct rn_trainer *t, const char *name)
{
    return rn_metric_logged(t->progress.test, name, rn_trainer_sets(t));
}

/* -------------------------------------------------------------- saving */

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

/* Put the weights' average in the weights' place, and the other way round the
 * next time. */
static void show_average(struct rn_trainer *t)
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
    };
    int failed = 0;

    if (o->weights)
        failed |= set_text(object, "weights", last_part(o->weights));
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
    failed |= set_real(object, "epochs", epochs_done(t));
    failed |= set_count(object, "batch", o->batch);
    if (t->step_batches > 1)
        failed |= set_count(object, "accumulate", t->step_batches);
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
    failed |= set_training(object, t);
    failed |= set_extras(object, o);
    if (p->tested == p->iteration) {
        failed |= set_real(object, "test_error", tested(t, "test_error"));
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

    rn_store_export(t->store, t->model->graph);
    broken = rn_model_not_finite(t->model);
    if (broken)
        return rn_fail(err, RN_ERR_LOSS,
                       "parameters are not finite after iteration %ld: %s; "
                       "'%s' is the last good checkpoint",
                       t->progress.iteration, broken, t->run.last);
    return RN_OK;
}

int rn_trainer_save(struct rn_trainer *t, struct rn_error *err)
{
    int rc = rn_log_sync(&t->log, err);

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

static int save_best(struct rn_trainer *t, struct rn_error *err)
{
    int rc;

    show_average(t);
    rc = export_model(t, err);
    show_average(t);
    return rc == RN_OK ? rn_model_save(t->model, t->run.best, err) : rc;
}

int rn_trainer_draw(struct rn_trainer *t, struct rn_error *err)
{
    struct rn_curve curve = {
        .test_name = rn_part_name(t->test_part),
        .iterations = t->iterations,
        .step = t->schedule.step,
        .steps = t->schedule.steps,
    };

    snprintf(curve.title, sizeof(curve.title), "%s on %s", t->model->spec.name,
             t->data->format);
    return rn_curve_write(t->run.log, t->run.curve, &curve, err);
}

/* ------------------------------------------------------------- testing */

static int test_progress(void *user, int done, int images)
{
    (void)done;
    (void)images;
    return stop_asked(user);
}

/* Fills progress.test; RN_ERR_STOPPED leaves progress as it was. */
static int run_test(struct rn_trainer *t, struct rn_error *err)
{
    struct rn_progress *p = &t->progress;
    struct rn_eval_pass pass;
    struct rn_metrics m = {.scored = NULL};
    int rc;

    rn_trainer_test_pass(t, &pass);
    pass.user = t;
    pass.progress = test_progress;
    show_average(t);
    rc = rn_plan_refresh(t->test_plan, err);
    show_average(t);
    if (rc == RN_OK)
        rc = rn_eval_run(&pass, &m, err);
    if (rc == RN_OK) {
        p->tested = p->iteration;
        rn_metrics_values(&m, p->test);
    }
    rn_metrics_free(&m);
    return rc;
}

/* ------------------------------------------------------------ reporting */

/* Whether so many tests in a row have brought nothing that the run ends. */
static bool given_up(const struct rn_trainer *t)
{
    const struct rn_progress *p = &t->progress;

    return t->o.patience > 0 && p->best_iteration >= 0 &&
           p->tested - p->improved >= t->o.patience * t->test_every;
}

static bool at_end(const struct rn_trainer *t)
{
    return t->progress.iteration == t->iterations || given_up(t);
}

static bool due(const struct rn_trainer *t, long every)
{
    long i = t->progress.iteration;

    return i > 0 && (i % every == 0 || at_end(t));
}

static bool test_due(const struct rn_trainer *t)
{
    return t->test_images > 0 && due(t, t->test_every);
}

/* A report may have been left to do by a run stopped before it. */
static bool report_due(const struct rn_trainer *t)
{
    return t->progress.reported < t->progress.iteration &&
           (due(t, t->report_every) || test_due(t));
}

/* Epochs may be long: unless told when to save, never lose more than ten
 * minutes. When checkpoints are written has no influence on what they hold. */
static bool save_due(const struct rn_trainer *t)
{
    return due(t, t->save_every) ||
           (t->o.save_every == 0 && rn_now() - t->clock.saved > SAVE_SECONDS);
}

/* Log line written: forget the sums behind it. */
static void close_report(struct rn_trainer *t,
                         const struct rn_train_report *report)
{
    struct rn_progress *p = &t->progress;

    p->loss = report->loss;
    p->train_error = report->train_error;
    p->reported = p->iteration;
    p->loss_sum = 0;
    p->errors = p->images = 0;
    t->clock.seconds = t->clock.waited = 0;
    t->clock.images = 0;
}

/* The last test by a choice of the table. */
struct verdict {
    double value;
    bool better, worse; /* than the best model's */
};

static struct verdict judge(const struct rn_trainer *t,
                            enum rn_metric_choice choice, double best)
{
    int i = rn_metric_chosen(choice, rn_trainer_sets(t));
    const struct rn_metric *row = &rn_metric_table[i];
    double value = t->progress.test[i];

    return (struct verdict){value, rn_metric_better(row, value, best),
                            rn_metric_better(row, best, value)};
}

/* After a test: the curve, and the model when there is none better. */
static int after_test(struct rn_trainer *t, struct rn_error *err)
{
    struct rn_progress *p = &t->progress;
    struct verdict best = judge(t, RN_CHOICE_BEST, p->best_error);
    struct verdict tie = judge(t, RN_CHOICE_TIE, p->best_loss);
    bool better = p->best_iteration < 0 || best.better;
    int rc = rn_trainer_draw(t, err);

    /* A few test images often give equal errors. */
    if (rc != RN_OK || !(better || (!best.worse && tie.better)))
        return rc;
    rc = save_best(t, err);
    if (rc == RN_OK) {
        if (better)
            p->improved = p->iteration;
        p->best_error = best.value;
        p->best_loss = tie.value;
        p->best_iteration = p->iteration;
    }
    return rc;
}

/* The plan for a batch whose first image is the iteration's `first`. */
static struct rn_plan *plan_for(struct rn_trainer *t, int images, long first)
{
    const struct rn_draw draw = {.seed = t->o.seed,
                                 .iteration = (uint32_t)t->progress.iteration,
                                 .first = (uint64_t)first};
    struct rn_plan *plan = images == t->o.batch ? t->plan : t->rest_plan;

    rn_plan_draw(plan, &draw);
    return plan;
}

/* Batch norm's statistics as averages over an epoch's batches, as those of the
 * paper's published models are: of the weights as they are tested. A function
 * of these alone, so that a run that is resumed here may do it again. */
static int reestimate(struct rn_trainer *t, struct rn_error *err)
{
    long batches = (long)fmax(1, floor(t->epoch_batches));
    struct rn_loader_config config;
    struct rn_loader *loader;
    struct rn_batch batch;
    int rc;

    rn_trainer_loader(t, &config);
    config.first = 0;
    config.end = batches;
    rc = rn_loader_create(&loader, &config, err);
    show_average(t);
    for (long i = 0; i < batches && rc == RN_OK; i++) {
        rc = rn_loader_next(loader, &batch, NULL, err);
        if (rc == RN_OK && batch.count == t->o.batch)
            rc = rn_plan_statistics(plan_for(t, batch.count, i * t->o.batch),
                                    batch.images, 1 / ((double)i + 1), err);
    }
    show_average(t);
    rn_loader_destroy(loader);
    return rc;
}

static int report(struct rn_trainer *t, struct rn_error *err)
{
    struct rn_train_report r = running_report(t);
    int rc = RN_OK;

    r.tested = test_due(t);
    if (t->o.reestimate && t->progress.iteration == t->iterations)
        rc = reestimate(t, err);
    if (rc == RN_OK && r.tested)
        rc = run_test(t, err);
    if (rc == RN_OK && r.tested) {
        r.test_error = tested(t, "test_error");
        r.test_error5 = tested(t, "test_error5");
        r.test_loss = tested(t, "test_loss");
        r.measures = rn_metrics_measured(t->progress.test, rn_trainer_sets(t),
                                         r.measured);
        r.seconds_left = seconds_left(t);
    }
    if (rc == RN_OK)
        rc = rn_log_line(&t->log, &r, err);
    if (rc != RN_OK)
        return rc;
    close_report(t, &r);
    if (r.tested)
        rc = after_test(t, err);
    if (rc == RN_OK && t->events.report)
        t->events.report(t->events.user, &r);
    return rc;
}

/* --------------------------------------------------------------- steps */

/* The paper's rule for 110 layers, section 4.2. */
static void watch_warm_up(struct rn_trainer *t, int images, int errors)
{
    struct rn_progress *p = &t->progress;
    double error;

    if (t->schedule.error_below <= 0 || t->schedule.warmed_at >= 0)
        return;
    p->warm_errors += errors;
    p->warm_images += images;
    if (p->iteration % RN_WARM_WINDOW != 0)
        return;
    error = 100.0 * (double)p->warm_errors / (double)p->warm_images;
    p->warm_errors = p->warm_images = 0;
    if (error >= t->schedule.error_below)
        return;
    t->schedule.warmed_at = p->iteration;
    rn_trainer_say(t,
                   "warm-up ends after iteration %ld: training error %.1f %%",
                   p->iteration, error);
}

static void count_step(struct rn_trainer *t, int images,
                       const struct rn_step_result *result)
{
    struct rn_progress *p = &t->progress;

    p->iteration++;
    p->loss_sum += result->loss;
    p->errors += result->errors;
    p->images += images;
    t->clock.images += images;
    watch_warm_up(t, images, result->errors);
}

/* Name the pictures that others stand in for, each once. */
static void say_skipped(struct rn_trainer *t)
{
    const char *why;

    while ((why = rn_loader_skipped(t->loader, t->skipped))) {
        t->skipped++;
        rn_trainer_say(t, "skipped: %s", why);
    }
}

void rn_trainer_say_remarks(struct rn_trainer *t)
{
    const char *remark;

    while ((remark = rn_data_remark(t->data, t->remarks))) {
        t->remarks++;
        rn_trainer_say(t, "%s", remark);
    }
}

static int learn(struct rn_trainer *t, const struct rn_batch *batch, int first,
                 struct rn_step_result *result, struct rn_error *err)
{
    const struct rn_targets targets = {
        .labels = batch->labels,
        .others = batch->others,
        .share = batch->share,
        .wanted = batch->wanted,
        .class_weights = t->class_weights,
        .smoothing = (float)rn_options_smoothing(&t->o),
        .loss = t->loss,
    };

    return rn_plan_learn(plan_for(t, batch->count, first), batch->images,
                         &targets, result, err);
}

static void update(struct rn_trainer *t, double lr)
{
    long number = t->progress.iteration + 1;

    rn_update_step(&t->update, t->model->graph, &t->flat, (float)lr, number);
    if (t->average.value)
        rn_ema_add(&t->average, &t->flat, number);
}

/* The gradients of the step's i-th batch, and what it adds to the sums. */
static int learn_next(struct rn_trainer *t, int i, int *images,
                      struct rn_step_result *sum, struct rn_error *err)
{
    struct rn_batch batch;
    struct rn_step_result result;
    int rc = rn_loader_next(t->loader, &batch, &t->clock.waited, err);

    say_skipped(t);
    rn_trainer_say_remarks(t);
    if (rc == RN_OK)
        rc = learn(t, &batch, *images, &result, err);
    if (rc != RN_OK)
        return rc;
    rn_accumulate_add(&t->gradients, &t->flat, i);
    *images += batch.count;
    sum->loss += result.loss;
    sum->errors += result.errors;
    return RN_OK;
}

static int step(struct rn_trainer *t, struct rn_error *err)
{
    double start = rn_now();
    double lr = rn_schedule_lr(&t->schedule, t->progress.iteration);
    struct rn_step_result result = {.loss = 0};
    int images = 0, rc = RN_OK;

    for (int i = 0; i < t->step_batches && rc == RN_OK; i++)
        rc = learn_next(t, i, &images, &result, err);
    if (rc != RN_OK)
        return rc;
    if (!isfinite(result.loss))
        return rn_fail(err, RN_ERR_LOSS,
                       "loss is not finite in iteration %ld (lr %g); '%s' is "
                       "the last good checkpoint",
                       t->progress.iteration + 1, lr, t->run.last);
    update(t, lr);
    count_step(t, images, &result);
    t->clock.seconds += rn_now() - start;
    return RN_OK;
}

static void tick(const struct rn_trainer *t)
{
    struct rn_train_report r;

    if (!t->events.tick)
        return;
    r = running_report(t);
    t->events.tick(t->events.user, &r);
}

static int stop(struct rn_trainer *t, struct rn_error *err)
{
    int rc = rn_trainer_save(t, err);

    if (rc != RN_OK)
        return rc;
    return rn_fail(err, RN_ERR_STOPPED,
                   "stopped after iteration %ld of %ld; '%s' can be resumed",
                   t->progress.iteration, t->iterations, t->run.folder);
}

/* Everything that follows an iteration. */
static int between(struct rn_trainer *t, struct rn_error *err)
{
    int rc;

    if (!report_due(t))
        return save_due(t) ? rn_trainer_save(t, err) : RN_OK;
    rc = report(t, err);
    /* A test may be broken off; it is done first thing on resuming. */
    if (rc == RN_ERR_STOPPED)
        return stop(t, err);
    if (rc == RN_OK && save_due(t))
        rc = rn_trainer_save(t, err);
    return rc;
}

int rn_trainer_loop(struct rn_trainer *t, struct rn_error *err)
{
    int rc = RN_OK;

    t->clock = (struct rn_clock){
        .start = rn_now(), .first = t->progress.iteration, .saved = rn_now()};
    if (t->progress.iteration > 0)
        rc = between(t, err);
    while (rc == RN_OK && !at_end(t)) {
        rc = step(t, err);
        if (rc != RN_OK)
            break;
        tick(t);
        rc = stop_asked(t) ? stop(t, err) : between(t, err);
    }
    if (rc == RN_OK && t->progress.iteration < t->iterations)
        rn_trainer_say(t, "no smaller error in %d tests: the run ends early",
                       t->o.patience);
    if (t->skipped > 0)
        rn_trainer_say(t, "training pictures that could not be read: %zu",
                       t->skipped);
    /* Without tests the last model is the best there is. */
    if (rc == RN_OK && t->test_images == 0) {
        rc = save_best(t, err);
        if (rc == RN_OK)
            rc = rn_trainer_draw(t, err);
    }
    return rc;
}
