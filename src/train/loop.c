/* SPDX-License-Identifier: BSD-2-Clause */
/* The training loop: steps, and what happens between them.
 *
 * Whatever a step or a report changes is in struct rn_progress, and effects
 * come in this order: log line, best.safetensors, last.safetensors. So a run
 * killed at any instant goes on from last.safetensors, does again what came
 * after it, and arrives at the same files. */
#include "train/trainer.h"

#include "core/threads.h"
#include "eval/eval.h"

#include <math.h>
#include <string.h>

#define SAVE_SECONDS 600

/* What events.stop() says; of several ranks they agree in each step. */
static int stop_here(const struct rn_trainer *t)
{
    return t->events.stop ? t->events.stop(t->events.user) : 0;
}

static bool stop_asked(const struct rn_trainer *t)
{
    return t->o.ranks ? t->o.ranks->stop != 0 : stop_here(t) != 0;
}

/* ------------------------------------------------------------- testing */

/* Ranks agree before each round of batches. */
static int test_progress(void *user, int done, int images)
{
    const struct rn_trainer *t = user;

    (void)done;
    (void)images;
    if (t->o.ranks)
        t->o.ranks->asked = stop_here(t);
    return stop_asked(t);
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
    rn_trainer_show_average(t);
    rc = rn_plan_refresh(t->test_plan, err);
    rn_trainer_show_average(t);
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
static bool save_wished(const struct rn_trainer *t)
{
    return t->o.save_every == 0 && rn_now() - t->clock.saved > SAVE_SECONDS;
}

/* Of several ranks all save, by the first one's clock. */
static bool save_due(const struct rn_trainer *t)
{
    return due(t, t->save_every) ||
           (t->o.ranks ? t->o.ranks->wish != 0 : save_wished(t));
}

/* Log line written: forget the sums behind it. */
static void close_report(struct rn_trainer *t,
                         const struct rn_train_report *report)
{
    struct rn_progress *p = &t->progress;

    p->loss = report->loss;
    p->train_error = report->train_error;
    p->reported = p->iteration;
    p->loss_sum = p->aux_sum = 0;
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
    rc = rn_trainer_save_best(t, err);
    if (rc == RN_OK) {
        if (better)
            p->improved = p->iteration;
        p->best_error = best.value;
        p->best_loss = tie.value;
        p->best_iteration = p->iteration;
    }
    return rc;
}

/* The plan for a group whose first image is the iteration's `first`. */
static struct rn_plan *plan_for(struct rn_trainer *t, int images, long first)
{
    const struct rn_draw draw = {.seed = t->o.seed,
                                 .iteration = (uint32_t)t->progress.iteration,
                                 .first = (uint64_t)first};
    struct rn_plan *plan = images == t->groups.images ? t->plan : t->rest_plan;

    rn_plan_draw(plan, &draw);
    return plan;
}

/* Take a batch's statistics, the i-th, into the averages over all. */
static int average_statistics(struct rn_trainer *t,
                              const struct rn_batch *batch, long i,
                              struct rn_error *err)
{
    const struct rn_grouping *g = &t->groups;
    size_t image = rn_shape_size(t->model->spec.input);
    int rc = RN_OK;

    for (int k = 0; k < g->count && rc == RN_OK; k++) {
        long group = i * g->count + k;

        rc = rn_plan_statistics(plan_for(t, g->images, group * g->images),
                                batch->images +
                                    (size_t)k * (size_t)g->images * image,
                                1 / ((double)group + 1), err);
    }
    return rc;
}

/* Whether batch norm's statistics are to be made anew here. */
static bool reestimates(const struct rn_trainer *t)
{
    return t->o.reestimate && t->progress.iteration == t->iterations;
}

/* Batch norm's statistics as averages over an epoch's batches, as those of the
 * paper's published models are: of the weights, or of `their_average` where
 * they are tested so. A function of these alone, so that a run that is resumed
 * here may do it again. */
static int reestimate(struct rn_trainer *t, bool their_average,
                      struct rn_error *err)
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
    if (their_average)
        rn_trainer_show_average(t);
    for (long i = 0; i < batches && rc == RN_OK; i++) {
        rc = rn_loader_next(loader, &batch, NULL, err);
        if (rc == RN_OK && batch.count == t->o.batch)
            rc = average_statistics(t, &batch, i, err);
    }
    if (their_average)
        rn_trainer_show_average(t);
    rn_loader_destroy(loader);
    return rc;
}

static int report(struct rn_trainer *t, struct rn_error *err)
{
    struct rn_train_report r = rn_trainer_report(t);
    int rc = RN_OK;

    r.tested = test_due(t);
    rc = rn_trainer_compare_weights(t, err);
    if (rc == RN_OK && reestimates(t))
        rc = reestimate(t, r.tested, err);
    if (rc == RN_OK && r.tested)
        rc = run_test(t, err);
    if (rc == RN_OK && r.tested) {
        r.test_error = rn_trainer_tested(t, "test_error");
        r.test_error5 = rn_trainer_tested(t, "test_error5");
        r.test_loss = rn_trainer_tested(t, "test_loss");
        r.measures = rn_metrics_measured(t->progress.test, rn_trainer_sets(t),
                                         r.measured);
        r.seconds_left = rn_trainer_seconds_left(t);
    }
    if (rc == RN_OK && rn_ranks_first(t->o.ranks))
        rc = rn_log_line(&t->log, &r, err);
    if (rc == RN_OK)
        rc = rn_events_line(&t->board, &r, err);
    if (rc != RN_OK)
        return rc;
    close_report(t, &r);
    if (r.tested)
        rc = after_test(t, err);
    /* the last model has the weights themselves */
    if (rc == RN_OK && reestimates(t) && r.tested && t->o.ema > 0)
        rc = reestimate(t, false, err);
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
    p->aux_sum += result->aux;
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
        rn_trainer_say_own(t, "skipped: %s", why);
    }
}

/* The images of a batch from `from` on, so many. */
static struct rn_batch part_of(const struct rn_trainer *t,
                               const struct rn_batch *batch, int from,
                               int images)
{
    size_t at = (size_t)from, classes = (size_t)t->data->classes;
    struct rn_batch part = *batch;

    part.count = images;
    part.images += at * rn_shape_size(t->model->spec.input);
    part.labels += at;
    part.others = part.others ? part.others + at : NULL;
    part.share = part.share ? part.share + at : NULL;
    part.wanted = part.wanted ? part.wanted + at * classes : NULL;
    return part;
}

/* The gradients of a group whose first image is the iteration's `first`. */
static int learn(struct rn_trainer *t, const struct rn_batch *group, int first,
                 float *statistics, const struct rn_plan_follower *follower,
                 struct rn_step_result *result, struct rn_error *err)
{
    struct rn_targets targets = {
        .labels = group->labels,
        .others = group->others,
        .share = group->share,
        .wanted = group->wanted,
        .class_weights = t->class_weights,
        .smoothing = (float)rn_options_smoothing(&t->o),
        .loss = t->loss,
    };
    int rc =
        rn_trainer_ask_teacher(t, group->images, group->count, &targets, err);

    /* In the middle ranks exchange batch norm's sums: all must come there. */
    if (t->parts.room && t->teacher.model)
        rc = rn_ranks_agree(t->o.ranks, rc, err);
    if (rc != RN_OK)
        return rc;
    t->latest = plan_for(t, group->count, first);
    rn_plan_set_apart(t->latest, statistics);
    rn_plan_follow(t->latest, follower);
    rn_plan_set_parts(t->latest, t->parts.room ? &t->parts : NULL);
    rc = rn_plan_learn(t->latest, group->images, &targets, result, err);
    rn_plan_set_parts(t->latest, NULL);
    rn_plan_follow(t->latest, NULL);
    rn_plan_set_apart(t->latest, NULL);
    return rc;
}

/* The gradients of this rank's groups of a batch, and each one's result. */
static int learn_groups(struct rn_trainer *t, const struct rn_batch *batch,
                        int first, struct rn_error *err)
{
    struct rn_grouping *g = &t->groups;
    int images = batch->count / g->own, rc = RN_OK;

    for (int i = 0; i < g->own && rc == RN_OK; i++) {
        struct rn_batch group = part_of(t, batch, i * images, images);
        bool last = i == g->own - 1;
        int number = g->first + i;

        rc =
            learn(t, &group, first + number * images,
                  rn_grouping_statistics(g, number),
                  rn_shards_follow(&t->shards, last), &t->results[number], err);
        if (rc == RN_OK && !(last && t->o.ranks))
            rn_grouping_add(g, &t->flat);
    }
    return rc;
}

/* A rank whose plan fails where others wait in theirs for batch norm's sums
 * cannot tell them: it says why, and leaves. */
static void desert(const struct rn_trainer *t, const struct rn_error *err)
{
    struct rn_ranks *ranks = t->o.ranks;

    if (!t->parts.room || ranks->over)
        return;
    if (err && !rn_ranks_first(ranks))
        rn_trainer_say_own(t, "%s", err->msg);
    ranks->over = ranks->broken = true;
}

/* All ranks go through with a step that they begin, and agree afterwards on how
 * it went. */
static int learn_together(struct rn_trainer *t, const struct rn_batch *batch,
                          int first, struct rn_error *err)
{
    struct rn_ranks *ranks = t->o.ranks;
    int rc = rn_ranks_agree(ranks, RN_OK, err), finished;
    struct rn_error other;

    if (rc != RN_OK)
        return rc;
    rc = learn_groups(t, batch, first, err);
    if (rc != RN_OK)
        desert(t, err);
    finished = rn_shards_finish(&t->shards, rc == RN_OK ? err : &other);
    rc = rc == RN_OK ? finished : rc;
    if (ranks) {
        ranks->asked = stop_here(t);
        if (rn_ranks_first(ranks))
            ranks->wish = save_wished(t);
    }
    return rn_ranks_agree(ranks, rc, err);
}

/* All groups' statistics and results, on every rank; and in one process, where
 * no shards have been updated, their mean gradients. */
static int join_groups(struct rn_trainer *t, struct rn_step_result *sum,
                       struct rn_error *err)
{
    struct rn_grouping *g = &t->groups;
    size_t bytes = (size_t)g->own * sizeof(*t->results);
    int rc = RN_OK;

    if (!t->o.ranks)
        rn_grouping_join(g, &t->flat);
    if (g->count > 1)
        rc = rn_grouping_gather(g, err);
    if (rc == RN_OK)
        rc = rn_ranks_gather(t->o.ranks, &t->results[g->first], bytes,
                             t->results, err);
    if (rc != RN_OK)
        return rc;
    if (g->count > 1)
        rn_plan_join(t->plan, g->statistics, g->count);
    for (int i = 0; i < g->count; i++) {
        sum->loss += t->results[i].loss;
        sum->aux += t->results[i].aux;
        sum->errors += t->results[i].errors;
    }
    return RN_OK;
}

/* The gradients of the step's i-th batch, and what it adds to the sums. */
static int learn_next(struct rn_trainer *t, int i, int *images,
                      struct rn_step_result *sum, struct rn_error *err)
{
    struct rn_batch batch = {.count = 0};
    int rc = rn_loader_next(t->loader, &batch, &t->clock.waited, err);

    say_skipped(t);
    rn_trainer_say_remarks(t);
    rc = rc == RN_OK ? learn_together(t, &batch, *images, err)
                     : rn_ranks_agree(t->o.ranks, rc, err);
    if (rc == RN_OK)
        rc = join_groups(t, sum, err);
    if (rc != RN_OK)
        return rc;
    rn_accumulate_add(&t->gradients, &t->flat, i);
    *images += batch.count * rn_ranks_count(t->o.ranks);
    return RN_OK;
}

void rn_trainer_update(void *user, size_t first, size_t numbers)
{
    struct rn_trainer *t = user;

    rn_update_some(&t->update, t->trainee->graph, &t->flat, first, numbers,
                   (float)t->lr, t->progress.iteration + 1);
}

/* Of several ranks each has updated its shards already. */
static int update(struct rn_trainer *t, struct rn_error *err)
{
    int rc = RN_OK;

    if (!t->o.ranks)
        rn_trainer_update(t, 0, t->flat.count);
    if (!t->average.value)
        return RN_OK;
    rc = rn_shards_settle(&t->shards, err);
    if (rc == RN_OK)
        rn_ema_add(&t->average, &t->flat, t->progress.iteration + 1);
    return rc;
}

static int step(struct rn_trainer *t, struct rn_error *err)
{
    double start = rn_now();
    struct rn_step_result result = {.loss = 0};
    int images = 0, rc = RN_OK;

    t->lr = rn_schedule_lr(&t->schedule, t->progress.iteration);
    for (int i = 0; i < t->step_batches && rc == RN_OK; i++)
        rc = learn_next(t, i, &images, &result, err);
    if (rc != RN_OK)
        return rc;
    if (!isfinite(result.loss + result.aux))
        return rn_fail(err, RN_ERR_LOSS,
                       "loss is not finite in iteration %ld (lr %g); '%s' is "
                       "the last good checkpoint",
                       t->progress.iteration + 1, t->lr, t->run.last);
    rc = rn_trainer_record_layers(t, err);
    if (rc == RN_OK)
        rc = update(t, err);
    if (rc != RN_OK)
        return rc;
    count_step(t, images, &result);
    t->clock.seconds += rn_now() - start;
    return RN_OK;
}

static void tick(const struct rn_trainer *t)
{
    struct rn_train_report r;

    if (!t->events.tick)
        return;
    r = rn_trainer_report(t);
    t->events.tick(t->events.user, &r);
}

/* A rank that has failed since the step comes to the agreement, too. */
static int save(struct rn_trainer *t, struct rn_error *err)
{
    struct rn_progress *p = &t->progress;
    int rc = rn_ranks_agree(t->o.ranks, RN_OK, err);

    if (rc == RN_OK)
        rc = rn_shards_collect(&t->shards, err);
    p->ended = given_up(t) && p->iteration < t->iterations ? p->iteration : 0;
    return rc == RN_OK ? rn_trainer_save(t, err) : rc;
}

static int stop(struct rn_trainer *t, struct rn_error *err)
{
    int rc = save(t, err);

    if (rc != RN_OK)
        return rc;
    return rn_fail(err, RN_ERR_STOPPED,
                   "stopped after iteration %ld of %ld; '%s' can be resumed",
                   t->progress.iteration, t->iterations, t->run.folder);
}

/* Whether anything but the next iteration follows, which alone can do with
 * weights that are still on their way. */
static bool pauses(const struct rn_trainer *t, bool stopped)
{
    return stopped || report_due(t) || save_due(t) || at_end(t);
}

/* Everything that follows an iteration. */
static int between(struct rn_trainer *t, struct rn_error *err)
{
    int rc;

    if (!report_due(t))
        return save_due(t) ? save(t, err) : RN_OK;
    rc = report(t, err);
    /* A test may be broken off; it is done first thing on resuming. All ranks
     * know. */
    if (rc == RN_ERR_STOPPED && rn_ranks_go_on(t->o.ranks))
        return stop(t, err);
    if (rc == RN_OK && save_due(t))
        rc = save(t, err);
    return rc;
}

int rn_trainer_loop(struct rn_trainer *t, struct rn_error *err)
{
    bool stopped;
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
        /* once an iteration: callers may count */
        stopped = stop_asked(t);
        if (pauses(t, stopped))
            rc = rn_shards_settle(&t->shards, err);
        if (rc != RN_OK)
            break;
        rc = stopped ? stop(t, err) : between(t, err);
    }
    /* Not to leave with weights on their way. */
    if (rc != RN_OK)
        (void)rn_shards_settle(&t->shards, NULL);
    if (rc == RN_OK && t->progress.iteration < t->iterations)
        rn_trainer_say(t, "no smaller error in %d tests: the run ends early",
                       t->o.patience);
    if (t->skipped > 0)
        rn_trainer_say_own(t, "training pictures that could not be read: %zu",
                           t->skipped);
    /* Without tests the last model is the best there is. */
    if (rc == RN_OK && t->test_images == 0) {
        rc = rn_trainer_save_best(t, err);
        if (rc == RN_OK)
            rc = rn_trainer_draw(t, err);
    }
    return rc;
}
