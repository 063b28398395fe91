/* SPDX-License-Identifier: BSD-2-Clause */
/* rn_train() and rn_train_resume(): set up a run, hand it to the loop. */
#include "train/trainer.h"

#include "core/file.h"
#include "core/memory.h"
#include "core/sized.h"
#include "core/threads.h"
#include "eval/eval.h"
#include "plan/team.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ----------------------------------------------------------- planning */

int rn_trainer_groups(const struct rn_trainer *t)
{
    return t->o.groups > 1 ? t->o.groups : 1;
}

static void resolve_threads(struct rn_trainer *t)
{
    char by[32];
    int threads = rn_threads_default("", by, sizeof(by));

    t->threads = t->o.threads;
    if (t->threads == 0) {
        t->threads = rn_ranks_threads(t->o.ranks, threads);
        if (t->threads < threads)
            snprintf(by, sizeof(by), "processors shared by ranks");
    } else {
        snprintf(by, sizeof(by), "as asked");
    }
    /* Each would take the first processors for its own. */
    if (t->o.ranks && t->o.ranks->sharing > 1)
        t->o.bind = 0;
    threads = rn_team_size(t->threads);
    if (threads < t->threads)
        snprintf(by, sizeof(by), "what OpenMP grants");
    t->threads = threads;
    rn_trainer_say(t, "%d thread%s (%s)", t->threads,
                   t->threads == 1 ? "" : "s", by);
}

static int plan_batches(struct rn_trainer *t, struct rn_error *err)
{
    const struct rn_train_options *o = &t->o;
    int images = t->data->part[RN_PART_TRAIN].count, rest = 0, rc;

    if (o->batch > images)
        return rn_fail(err, RN_ERR_ARG,
                       "`batch` %d: larger than the %d training images of '%s'",
                       o->batch, images, t->data->spec);
    t->sampler = (struct rn_sampler){
        .seed = o->seed,
        .count = images,
        .batch = o->batch,
        .last =
            (enum rn_last_batch)rn_train_choice("last_batch", o->last_batch),
        .shuffle = true,
    };
    t->epoch_batches = rn_sampler_batches(&t->sampler);
    t->step_batches = o->accumulate > 1 ? o->accumulate : 1;
    if (t->sampler.last == RN_LAST_KEEP)
        rest = images % o->batch;
    rc = rn_grouping_cut(&t->groups, rn_trainer_groups(t), o->batch, rest, err);
    if (rc == RN_OK)
        rc = rn_grouping_share(&t->groups, o->ranks, err);
    /* A rank's groups are computed one after the other. */
    if (rc == RN_OK && o->sync_batch_norm && t->groups.own > 1)
        rc = rn_fail(err, RN_ERR_ARG,
                     "`sync_batch_norm`: %d `groups` for %d rank%s, but each "
                     "must be a rank's of its own",
                     t->groups.count, rn_ranks_count(o->ranks),
                     o->ranks ? "s" : "");
    return rc;
}

/* Tests see pictures as the model says. */
static void plan_test(struct rn_trainer *t, const struct rn_model *model)
{
    struct rn_shape shape = model->spec.input;

    t->test_part = t->data->part[RN_PART_VALIDATION].count > 0
                       ? RN_PART_VALIDATION
                       : RN_PART_TEST;
    t->test_images = t->o.hint ? 0 : t->data->part[t->test_part].count;
    t->test_batch = rn_eval_batch(shape, t->test_images);
    t->view = rn_view_of(model);
}

/* What the model's stages are to learn. */
static int freeze(struct rn_trainer *t, struct rn_model *model,
                  struct rn_error *err)
{
    bool running = rn_keeps_statistics(&t->o);
    int rc = rn_rates_parse(&t->rates, model->graph, &t->o, err);
    unsigned lost = t->rates.frozen & t->drawn;

    for (int k = 0; rc == RN_OK && k < rn_stages_count(model->graph); k++)
        if (lost >> k & 1)
            rc = rn_fail(err, RN_ERR_ARG,
                         "`freeze` '%s': `weights` do not fill all of stage "
                         "'%s', which would stay as it was drawn",
                         t->o.freeze, rn_stages_name(model->graph, k));
    if (rc == RN_OK)
        rn_stages_freeze(model->graph, t->rates.frozen, running);
    return rc;
}

/* Whether a batch norm of the network takes statistics of batches. */
static bool takes_statistics(const struct rn_graph *g)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].op == RN_OP_BATCH_NORM &&
            !rn_norm_is_fixed(&g->nodes[i]))
            return true;
    return false;
}

/* Of a new run, whose stages are frozen by now. */
static int check_stages(struct rn_trainer *t, struct rn_error *err)
{
    const struct rn_train_options *o = &t->o;

    if (t->rates.frozen && !o->weights)
        rn_trainer_say(t,
                       "freeze %s: without weights these stages stay as they "
                       "are drawn",
                       o->freeze);
    if (takes_statistics(t->model->graph))
        return RN_OK;
    if (o->reestimate || o->sync_batch_norm)
        return rn_fail(err, RN_ERR_ARG,
                       "`%s`: the network has no batch norm that takes "
                       "statistics of batches",
                       o->reestimate ? "reestimate" : "sync_batch_norm");
    if (o->record && strcmp(o->record, "none") != 0)
        rn_trainer_say(t, "record: no batch norm takes statistics of batches, "
                          "so that gradients alone are recorded");
    return RN_OK;
}

/* Batches, length and tests, once data and model are there. */
static int plan_run(struct rn_trainer *t, const struct rn_model *model,
                    struct rn_error *err)
{
    int rc = plan_batches(t, err);

    if (rc == RN_OK)
        rc = rn_trainer_plan_length(t, err);
    if (rc == RN_OK)
        rc = rn_trainer_check_hint(t, err);
    if (rc == RN_OK)
        plan_test(t, model);
    return rc;
}

/* Data of the caller's: what is held out of them goes into the run's record,
 * and so must not be said otherwise. */
static int take_data(struct rn_trainer *t, struct rn_error *err)
{
    const struct rn_data *data = t->o.data_set;
    const struct rn_data_options *held = &data->held_out;
    struct rn_train_options *o = &t->o;
    bool any = held->validation > 0 || held->validation_percent > 0;

    if ((o->validation && o->validation != held->validation) ||
        (o->validation_percent > 0 &&
         o->validation_percent < held->validation_percent) ||
        o->validation_percent > held->validation_percent)
        return rn_fail(err, RN_ERR_ARG,
                       "`validation` goes with the opening of data, of '%s' "
                       "%d images are held out",
                       data->spec, data->part[RN_PART_VALIDATION].count);
    if (any && data->fetch && held->seed != o->seed)
        return rn_fail(err, RN_ERR_ARG,
                       "`seed` is %llu, but pictures of '%s' are held out by "
                       "seed %llu: it must be the same",
                       (unsigned long long)o->seed, data->spec,
                       (unsigned long long)held->seed);
    o->validation = held->validation;
    o->validation_percent = held->validation_percent;
    t->data = (struct rn_data *)rn_data_hold(data);
    return RN_OK;
}

static int open_data(struct rn_trainer *t, struct rn_error *err)
{
    const struct rn_data_options options = {
        .validation = t->o.validation,
        .validation_percent = t->o.validation_percent,
        .seed = t->o.seed,
        .rule = t->o.data_rule,
        .run = t->run.folder,
    };
    int rc = t->o.data_set ? take_data(t, err)
                           : rn_data_open(&t->data, t->o.data, &options, err);
    char shape[64] = "pictures";

    if (rc != RN_OK)
        return rc;
    t->o.data_rule = (int)t->data->rule;
    if (!rn_trainer_pictures(t))
        snprintf(shape, sizeof(shape), "images of %d x %d x %d",
                 t->data->shape.c, t->data->shape.h, t->data->shape.w);
    rn_trainer_say(t,
                   "%s: %d training, %d validation, %d test %s in %d classes",
                   t->data->format, t->data->part[RN_PART_TRAIN].count,
                   t->data->part[RN_PART_VALIDATION].count,
                   t->data->part[RN_PART_TEST].count, shape, t->data->classes);
    rn_trainer_say_remarks(t);
    return RN_OK;
}

/* Parameters that the model lacks are the checkpoint's to keep. */
static int create_checkpoint(struct rn_trainer *t, const struct rn_graph *graph,
                             struct rn_error *err)
{
    return rn_checkpoint_create(
        &t->checkpoint, graph, t->o.hint ? t->hint.shared : graph->n_params,
        rn_optimiser_find(t->o.optimizer)->states, t->o.ema > 0, err);
}

/* Model, states and progress of last.safetensors. */
static int load_checkpoint(struct rn_trainer *t, struct rn_error *err)
{
    struct rn_model *model = NULL;
    uint64_t sums[2] = {0, rn_changes_before(t->texts)};
    int rc;

    rn_trainer_choose_rest(t);
    sums[0] = t->checksum = rn_options_checksum(&t->o);
    rc = rn_checkpoint_open(&model, t->run.last, t->o.optimizer, err);
    if (rc == RN_OK)
        rc = freeze(t, model, err);
    if (rc == RN_OK)
        rc = plan_run(t, model, err);
    if (rc == RN_OK && !rn_trainer_pictures(t))
        rc = rn_model_fits(model, t->data, err);
    if (rc == RN_OK)
        rc = rn_trainer_take_hint(t, model, err);
    if (rc == RN_OK)
        rc = create_checkpoint(t, t->trainee ? t->trainee->graph : model->graph,
                               err);
    if (rc == RN_OK)
        rc = rn_checkpoint_load(&t->checkpoint, t->run.last, &t->model,
                                &t->progress, sums, err);
    rn_model_destroy(model);
    if (!t->trainee)
        t->trainee = t->model;
    if (rc == RN_OK)
        rc = freeze(t, t->model, err);
    if (rc == RN_OK)
        rc = rn_trainer_fit_teacher(t, err);
    if (rc != RN_OK)
        return rc;
    t->schedule.warmed_at = t->progress.warmed_at;
    if (t->progress.iteration > t->iterations)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' is at iteration %ld of a run of %ld", t->run.last,
                       t->progress.iteration, t->iterations);
    return RN_OK;
}

/* The model of a run's first step, and what follows from it. */
static int start_model(struct rn_trainer *t, struct rn_error *err)
{
    int rc = rn_trainer_start_model(t, err);

    if (rc == RN_OK)
        rc = rn_rates_fit(&t->o, t->model->graph, err);
    rn_trainer_choose_rest(t);
    if (rc == RN_OK)
        rc = freeze(t, t->model, err);
    if (rc == RN_OK)
        rc = check_stages(t, err);
    if (rc == RN_OK)
        rc = rn_trainer_take_hint(t, t->model, err);
    if (rc != RN_OK)
        return rc;
    if (!t->trainee)
        t->trainee = t->model;
    rc = rn_trainer_choose_batch(t, err);
    if (rc == RN_OK)
        rc = plan_run(t, t->model, err);
    t->progress = (struct rn_progress){
        .warmed_at = -1, .tested = -1, .best_iteration = -1, .improved = -1};
    return rc;
}

/* -------------------------------------------------------------- plans */

static int build(struct rn_trainer *t, struct rn_plan **plan, enum rn_mode mode,
                 int batch, struct rn_error *err)
{
    struct rn_plan_options options = {.mode = mode,
                                      .batch = batch,
                                      .threads = t->threads,
                                      .exact = t->o.exact,
                                      .recompute = t->o.recompute,
                                      .bind = t->o.bind};

    /* Tests have float32's kernels: the same answers of the same weights
     * wherever the run goes on. */
    if (mode == RN_MODE_TRAIN) {
        options.precision = t->o.precision;
        options.emulate = t->o.emulate;
    }

    return rn_plan_build(plan, t->store, &options, err);
}

/* The stage that a segment is of, from 1; 0: of none. */
static int stage_of(const struct rn_trainer *t, size_t segment)
{
    return t->trainee->graph->params[t->flat.segments[segment].param].stage;
}

/* Factors of the learning rate, when the stages' differ. */
static int scale_rates(struct rn_trainer *t, struct rn_error *err)
{
    const struct rn_flat *flat = &t->flat;
    bool differ = false;

    t->lr_scale = rn_alloc(flat->n_segments, sizeof(float));
    if (!t->lr_scale)
        return rn_fail_memory(err, flat->n_segments * sizeof(float),
                              "learning rates");
    for (size_t i = 0; i < flat->n_segments; i++) {
        int stage = stage_of(t, i);

        t->lr_scale[i] = stage > 0 ? t->rates.scale[stage - 1] : 1.0F;
        differ |= t->lr_scale[i] < 1 || t->lr_scale[i] > 1;
    }
    if (!differ) {
        rn_free(t->lr_scale);
        t->lr_scale = NULL;
    }
    return RN_OK;
}

/* The norm that limits a segment's weights; 0 for none. */
static float norm_of(const struct rn_trainer *t, size_t segment)
{
    size_t param = t->flat.segments[segment].param;
    int stage = stage_of(t, segment);
    bool weights = t->trainee->graph->params[param].kind == RN_PARAM_WEIGHT;

    return weights && stage > 0 ? t->rates.max_norm[stage - 1] : 0;
}

/* A limit must have something to limit. */
static int check_norms(const struct rn_trainer *t, struct rn_error *err)
{
    const struct rn_graph *g = t->trainee->graph;
    bool found[RN_STAGES] = {false};

    for (size_t i = 0; i < t->flat.n_segments; i++) {
        size_t param = t->flat.segments[i].param;

        if (!(norm_of(t, i) > 0))
            continue;
        found[stage_of(t, i) - 1] = true;
        if (!rn_store_limits(t->store, param))
            return rn_fail(err, RN_ERR_ARG,
                           "`max_norm`: '%s' is of a convolution in groups, "
                           "whose weights have no limit here",
                           g->params[param].name);
    }
    for (int i = 0; i < rn_stages_count(g); i++)
        if (t->rates.max_norm[i] > 0 && !found[i])
            return rn_fail(err, RN_ERR_ARG,
                           "`max_norm`: no weights of stage '%s' learn",
                           g->stages[i]);
    return RN_OK;
}

/* Limits of the weights' norms, when a stage has one. */
static int limit_norms(struct rn_trainer *t, struct rn_error *err)
{
    const struct rn_flat *flat = &t->flat;
    bool any = false;
    int rc = check_norms(t, err);

    for (int i = 0; i < RN_STAGES; i++)
        any |= t->rates.max_norm[i] > 0;
    if (rc || !any)
        return rc;
    t->max_norm = rn_alloc(flat->n_segments, sizeof(float));
    if (!t->max_norm)
        return rn_fail_memory(err, flat->n_segments * sizeof(float),
                              "limits of norms");
    for (size_t i = 0; i < flat->n_segments; i++)
        t->max_norm[i] = norm_of(t, i);
    return RN_OK;
}

static int gather_parts(void *user, void *all, size_t bytes,
                        struct rn_error *err)
{
    struct rn_ranks *ranks = user;
    char *own = (char *)all + (size_t)rn_ranks_rank(ranks) * bytes;

    return rn_ranks_gather(ranks, own, bytes, all, err);
}

/* Batch norm over the whole batch: what its sums need to go to all ranks. */
static int join_batch_norm(struct rn_trainer *t, struct rn_error *err)
{
    size_t numbers = rn_plan_part_doubles(t->plan);

    if (!t->o.sync_batch_norm)
        return RN_OK;
    if (numbers == 0)
        return rn_fail(err, RN_ERR_ARG,
                       "`sync_batch_norm`: the network has no batch norm");
    if (t->groups.count == 1)
        return RN_OK;
    t->parts = (struct rn_plan_parts){.count = t->groups.count,
                                      .own = t->groups.first,
                                      .gather = gather_parts,
                                      .user = t->o.ranks};
    t->parts.room = rn_alloc((size_t)t->groups.count, numbers * sizeof(double));
    return t->parts.room
               ? RN_OK
               : rn_fail_memory(err, numbers * sizeof(double), "batch norm");
}

static int build_plans(struct rn_trainer *t, struct rn_error *err)
{
    int states = rn_optimiser_states(rn_optimiser_find(t->o.optimizer));
    int rc = rn_store_create(&t->store, t->trainee->graph, states, err);

    if (rc != RN_OK)
        return rc;
    rn_store_flat(t->store, &t->flat);
    rc = rn_update_create(&t->update, &t->o, &t->flat, err);
    if (rc == RN_OK)
        rc = scale_rates(t, err);
    if (rc == RN_OK)
        rc = limit_norms(t, err);
    t->update.scale = t->lr_scale;
    t->update.max_norm = t->max_norm;
    t->update.store = t->store;
    t->update.threads = t->threads;
    if (rc == RN_OK && t->o.ema > 0)
        rc = rn_ema_create(&t->average, &t->flat, t->o.ema, t->threads, err);
    if (rc != RN_OK)
        return rc;
    rc = rn_accumulate_create(&t->gradients, &t->flat, t->step_batches,
                              t->threads, err);
    if (rc == RN_OK)
        rc = build(t, &t->plan, RN_MODE_TRAIN, t->groups.images, err);
    if (rc == RN_OK && t->groups.rest > 0)
        rc = build(t, &t->rest_plan, RN_MODE_TRAIN, t->groups.rest, err);
    if (rc == RN_OK)
        rc = rn_grouping_create(&t->groups, &t->flat,
                                rn_plan_apart_floats(t->plan), t->threads, err);
    t->groups.bf16 = t->o.gradient_precision != 0;
    if (rc == RN_OK && t->o.ranks)
        rc = rn_shards_create(&t->shards, &t->groups, &t->flat,
                              rn_update_by_layer(&t->update), rn_trainer_update,
                              t, err);
    if (rc == RN_OK)
        rc = join_batch_norm(t, err);
    t->results = rn_alloc((size_t)t->groups.count, sizeof(*t->results));
    if (rc == RN_OK && !t->results)
        rc = rn_fail_memory(err, (size_t)t->groups.count, "groups");
    if (rc == RN_OK && t->test_images > 0)
        rc = build(t, &t->test_plan, RN_MODE_INFER, t->test_batch, err);
    return rc == RN_OK ? rn_trainer_build_teacher(t, err) : rc;
}

static int start_loader(struct rn_trainer *t, struct rn_error *err)
{
    struct rn_loader_config config;

    rn_trainer_loader(t, &config);
    config.share = rn_ranks_rank(t->o.ranks);
    config.shares = rn_ranks_count(t->o.ranks);
    return rn_loader_create(&t->loader, &config, err);
}

/* "balanced": an image counts images / (classes * images of its class). */
static int weigh_classes(struct rn_trainer *t, struct rn_error *err)
{
    const struct rn_images *train = &t->data->part[RN_PART_TRAIN];
    size_t classes = (size_t)t->data->classes;

    if (rn_train_choice("class_weights", t->o.class_weights) != 1)
        return RN_OK;
    t->class_weights = rn_alloc(classes, sizeof(float));
    if (!t->class_weights)
        return rn_fail_memory(err, classes * sizeof(float), "class weights");
    for (int i = 0; i < train->count; i++)
        t->class_weights[train->labels[i]]++;
    for (size_t c = 0; c < classes; c++)
        if (t->class_weights[c] > 0)
            t->class_weights[c] =
                (float)train->count / ((float)classes * t->class_weights[c]);
    return RN_OK;
}

static void say_plan(const struct rn_trainer *t)
{
    const struct rn_graph *g = t->model->graph;
    uint64_t aux = rn_graph_aux_params(g);
    char batches[48] = "", heads[80] = "", groups[32] = "";

    if (g->n_aux)
        snprintf(heads, sizeof(heads),
                 " and %" PRIu64 " of auxiliary heads (%zu)", aux, g->n_aux);
    if (t->step_batches > 1)
        snprintf(batches, sizeof(batches), "%d batches of ", t->step_batches);
    if (t->groups.count > 1)
        snprintf(groups, sizeof(groups), " in %d groups", t->groups.count);
    rn_trainer_say(t,
                   "%s: %" PRIu64
                   " parameters%s, %ld iterations of %s%d images%s (%.4g "
                   "epochs)%s",
                   t->model->spec.name, rn_graph_params(g) - aux, heads,
                   t->iterations, batches, t->o.batch, groups,
                   (double)t->iterations / rn_trainer_epoch(t),
                   t->o.hint             ? "; hints are not tested"
                   : t->test_images == 0 ? "; there is nothing to test on"
                                         : "");
    if (t->o.patience > 0 && t->test_images == 0)
        rn_trainer_say(t, "patience %d ends nothing: there are no tests",
                       t->o.patience);
    if (t->o.lr_batch > 0)
        rn_trainer_say(t, "lr %g, %g for %d images a step", t->schedule.lr,
                       t->o.lr, t->o.lr_batch);
}

/* ------------------------------------------------------------- running */

/* A path that still holds in another working folder, for run.json. */
static int make_absolute(const char **path, char **owned, struct rn_error *err)
{
    if (*path == NULL || access(*path, F_OK) != 0)
        return RN_OK;
    *owned = realpath(*path, NULL);
    if (!*owned)
        return rn_fail_errno(err, "find", *path);
    *path = *owned;
    return RN_OK;
}

/* The same for DATA, which may have a word before its path. */
static int make_data_absolute(const char **data, char **owned,
                              struct rn_error *err)
{
    size_t word = strlen(RN_DATA_COARSE);
    const char *path = *data ? *data + word : NULL;
    char *real = NULL;
    int rc;

    if (!path || strncmp(*data, RN_DATA_COARSE, word) != 0)
        return make_absolute(data, owned, err);
    rc = make_absolute(&path, &real, err);
    if (rc || !real)
        return rc;
    *owned = malloc(word + strlen(real) + 1);
    if (*owned) {
        memcpy(*owned, RN_DATA_COARSE, word);
        strcpy(*owned + word, real);
        *data = *owned;
    }
    rc = *owned ? RN_OK : rn_fail_memory(err, strlen(real), "a file name");
    free(real);
    return rc;
}

/* From a model and progress to all but the loader. */
static int prepare(struct rn_trainer *t, struct rn_error *err)
{
    int rc = weigh_classes(t, err);

    if (rc == RN_OK)
        rc = build_plans(t, err);
    if (rc == RN_OK && !t->checkpoint.extras)
        rc = create_checkpoint(t, t->trainee->graph, err);
    else if (rc == RN_OK)
        rn_checkpoint_restore(&t->checkpoint, t->store, &t->average);
    if (rc == RN_OK)
        say_plan(t);
    return rc;
}

static const struct rn_train_result nothing_done = {.best_iteration = -1};

/* `result` may be NULL. */
static void give_result(const struct rn_trainer *t, double start,
                        struct rn_train_result *result, size_t size)
{
    const struct rn_progress *p = &t->progress;
    bool sets = rn_trainer_sets(t);
    struct rn_train_result own = {
        .iterations = p->iteration,
        .seconds = rn_now() - start,
        .loss = p->loss,
        .train_error = p->train_error,
        .best_error = p->best_error,
        .best_iteration = p->best_iteration,
        .classes = t->data ? t->data->classes : 0,
        .test_part = t->test_part,
        .test_images = t->test_images,
    };

    if (p->tested >= 0) {
        own.test_error = rn_metric_logged(p->test, "test_error", sets);
        own.test_error5 = rn_metric_logged(p->test, "test_error5", sets);
        own.test_loss = rn_metric_logged(p->test, "test_loss", sets);
        own.measures = rn_metrics_measured(p->test, sets, own.measured);
    }
    RN_GIVE(result, size, &own);
}

static void release(struct rn_trainer *t)
{
    rn_loader_destroy(t->loader);
    rn_shards_free(&t->shards);
    rn_plan_destroy(t->plan);
    rn_plan_destroy(t->rest_plan);
    rn_plan_destroy(t->test_plan);
    rn_teacher_free(&t->teacher);
    if (!rn_ranks_lent(t->o.ranks))
        rn_store_destroy(t->store);
    rn_ema_free(&t->average);
    rn_accumulate_free(&t->gradients);
    rn_grouping_free(&t->groups);
    rn_ranks_free(t->o.ranks, t->results);
    rn_ranks_free(t->o.ranks, t->parts.room);
    rn_update_free(&t->update);
    rn_free(t->lr_scale);
    rn_free(t->max_norm);
    rn_free(t->class_weights);
    rn_checkpoint_free(&t->checkpoint);
    if (t->trainee != t->model)
        rn_model_destroy(t->trainee);
    rn_hint_free(&t->hint);
    rn_model_destroy(t->model);
    rn_data_close(t->data);
    rn_log_close(&t->log);
    rn_events_close(&t->board);
    rn_run_free(&t->run);
    json_decref(t->texts);
    json_decref(t->open);
}

/* What can fail is tried before anything is written. */
static int prepare_first(struct rn_trainer *t, struct rn_error *err)
{
    int rc = rn_trainer_check_out(t, err);

    if (rc == RN_OK)
        rc = open_data(t, err);
    if (rc == RN_OK)
        rc = rn_trainer_check_sets(t, err);
    if (rc == RN_OK)
        rc = rn_trainer_check_classes(t, err);
    if (rc == RN_OK)
        rc = rn_trainer_check_files(t, err);
    if (rc == RN_OK)
        rc = rn_trainer_open_teacher(t, err);
    if (rc == RN_OK)
        rc = start_model(t, err);
    if (rc == RN_OK)
        rc = rn_trainer_check_memory(t, err);
    if (rc == RN_OK)
        rc = rn_trainer_check_room(t, err);
    return rc == RN_OK ? prepare(t, err) : rc;
}

/* What stands beside the log, from its lines up to where the run is. */
static int open_beside(struct rn_trainer *t, struct rn_error *err)
{
    struct rn_measured measured[RN_MEASURED_MAX];
    int measures = 0, rc;

    if (!rn_ranks_first(t->o.ranks))
        return RN_OK;
    if (t->test_images > 0)
        measures =
            rn_metrics_measured(t->progress.test, rn_trainer_sets(t), measured);
    rc = rn_log_table(&t->log, t->run.table, measured, measures,
                      t->trainee->graph->n_aux > 0, t->iterations, err);
    if (rc == RN_OK && t->o.tensorboard)
        rc =
            rn_events_open(&t->board, t->run.events, t->progress.reported, err);
    return rc;
}

/* The run folder and what is in it before the first iteration. Of processes
 * that begin there at once, the one that has the log's lock goes on; the others
 * have written nothing. */
static int make_folder(struct rn_trainer *t, struct rn_error *err)
{
    int rc = rn_run_make(&t->run, err);

    if (rc == RN_OK)
        rc = rn_log_open(&t->log, t->run.log, err);
    if (rc == RN_OK)
        rc = rn_run_vacant(&t->run, err);
    t->checksum = rn_options_checksum(&t->o);
    if (rc == RN_OK)
        rc = rn_trainer_describe(t, err);
    if (rc == RN_OK)
        rc = open_beside(t, err);
    return rc;
}

/* A run up to its first iteration. */
static int begin(struct rn_trainer *t, struct rn_error *err)
{
    struct rn_paces paces;
    int rc = prepare_first(t, err);

    if (rc == RN_OK)
        rc = rn_trainer_measure(t, &paces, err);
    if (rc == RN_OK)
        rc = start_loader(t, err);
    rc = rn_trainer_meet(t, rc, err);
    if (rc == RN_OK && rn_ranks_first(t->o.ranks))
        rc = make_folder(t, err);
    if (rc != RN_OK)
        return rc;
    paces.save = -rn_now();
    rc = rn_trainer_save(t, err);
    paces.save += rn_now();
    if (rc == RN_OK)
        rn_trainer_estimate(t, &paces);
    return rc;
}

/* Of several ranks the first one reports. */
static void take_ranks(struct rn_trainer *t, struct rn_ranks *ranks)
{
    t->o.ranks = ranks;
    if (!rn_ranks_first(ranks)) {
        t->events.report = NULL;
        t->events.tick = NULL;
    }
}

int rn_train_sized(const struct rn_train_options *options,
                   const struct rn_train_events *events,
                   struct rn_train_result *result, size_t size,
                   struct rn_error *err)
{
    struct rn_trainer t = {.run = {.folder = NULL}};
    char *data = NULL, *weights = NULL, *teacher = NULL;
    double start = rn_now();
    int rc = rn_options_take(&t.o, options, err);

    RN_GIVE(result, size, &nothing_done);
    t.open = rc == RN_OK ? rn_options_open(&t.o) : NULL;
    if (rc == RN_OK && !t.open)
        rc = rn_fail_memory(err, 1024, "options");
    if (rc == RN_OK)
        rc = RN_TAKE(&t.events, events, "rn_train_events", err);
    take_ranks(&t, t.o.ranks);
    if (t.o.ranks && t.o.groups == 0)
        t.o.groups = rn_ranks_count(t.o.ranks);
    if (rc == RN_OK && (!t.o.out || t.o.out[0] == '\0'))
        rc = rn_fail(err, RN_ERR_ARG, "no run folder to make is given");
    if (rc == RN_OK && t.o.data && t.o.data_set)
        rc = rn_fail(err, RN_ERR_ARG,
                     "`data` is '%s' and `data_set` '%s': only one may be "
                     "given",
                     t.o.data, t.o.data_set->spec);
    if (rc != RN_OK) {
        json_decref(t.open);
        return rn_ranks_agree(t.o.ranks, rc, err);
    }
    if (t.o.data_set)
        t.o.data = t.o.data_set->spec;
    rc = make_data_absolute(&t.o.data, &data, err);
    if (rc == RN_OK)
        rc = make_absolute(&t.o.weights, &weights, err);
    if (rc == RN_OK)
        rc = make_absolute(&t.o.teacher, &teacher, err);
    if (rc == RN_OK)
        rc = rn_options_check(&t.o, err);
    if (rc == RN_OK)
        rc = rn_run_name(&t.run, t.o.out, err);
    if (rc == RN_OK)
        rc = rn_run_vacant(&t.run, err);
    if (rc == RN_OK) {
        resolve_threads(&t);
        rc = begin(&t, err);
    }
    if (rc == RN_OK)
        rc = rn_trainer_loop(&t, err);
    rc = rn_ranks_agree(t.o.ranks, rc, err);
    give_result(&t, start, result, size);
    release(&t);
    free(data);
    free(weights);
    free(teacher);
    return rc;
}

/* The log back to what belongs to the checkpoint. */
static int cut_log(struct rn_trainer *t, struct rn_error *err)
{
    struct rn_log_faults faults;
    int rc = rn_log_cut(&t->log, t->progress.reported, t->progress.iteration,
                        t->iterations, &faults, err);

    if (rc == RN_OK && faults.broken)
        rn_trainer_say(t,
                       "'%s': %ld of %ld lines are none of a log and passed "
                       "over, the first is line %ld",
                       t->run.log, faults.broken, faults.lines, faults.first);
    return rc;
}

/* A run killed before its first checkpoint begins again. */
static int begin_again(struct rn_trainer *t, const struct rn_resume_options *r,
                       struct rn_error *err)
{
    bool saved = rn_is_file(t->run.last);
    int rc;

    resolve_threads(t);
    rc = open_data(t, err);
    if (rc == RN_OK)
        rc = rn_trainer_check_data(t, err);
    if (rc == RN_OK)
        rc = rn_trainer_open_teacher(t, err);
    if (rc == RN_OK)
        rc = rn_trainer_compare_teacher(t, err);
    if (rc == RN_OK)
        rc = saved ? load_checkpoint(t, err) : start_model(t, err);
    t->checksum = rn_options_checksum(&t->o);
    if (rc == RN_OK)
        rc = rn_trainer_lengthen(t, r, err);
    if (rc == RN_OK)
        rc = prepare(t, err);
    if (rc == RN_OK)
        rc = start_loader(t, err);
    rc = rn_trainer_meet(t, rc, err);
    if (rc == RN_OK && rn_ranks_first(t->o.ranks))
        rc = cut_log(t, err);
    if (rc == RN_OK)
        rc = open_beside(t, err);
    if (rc == RN_OK && !saved)
        rc = rn_trainer_save(t, err);
    return rc;
}

/* Go on with a run whose options are read. */
static int go_on(struct rn_trainer *t, const struct rn_resume_options *r,
                 struct rn_error *err)
{
    const struct rn_train_options before = t->o;
    char *data = NULL;
    int rc = RN_OK;

    if (r->threads > 0)
        t->o.threads = r->threads;
    t->o.bind = r->bind;
    t->o.emulate = r->emulate;
    if (r->data) {
        t->o.data = r->data;
        rc = make_data_absolute(&t->o.data, &data, err);
    }
    t->o.data_set = r->data_set;
    if (r->data_set)
        t->o.data = r->data_set->spec;
    if (rn_ranks_first(t->o.ranks))
        rn_run_sweep(&t->run);
    rn_trainer_compare_machine(t);
    if (rc == RN_OK)
        rc = begin_again(t, r, err);
    if (rc == RN_OK && rn_ranks_first(t->o.ranks))
        rc = rn_trainer_record_change(t, &before, err);
    if (rc == RN_OK) {
        rn_trainer_say(t, "resumed after iteration %ld of %ld",
                       t->progress.iteration, t->iterations);
        rc = rn_trainer_loop(t, err);
    }
    t->o.data = before.data;
    free(data);
    return rc;
}

int rn_train_resume_sized(const char *run,
                          const struct rn_resume_options *options,
                          const struct rn_train_events *events,
                          struct rn_train_result *result, size_t size,
                          struct rn_error *err)
{
    struct rn_trainer t = {.o = {.batch = 0}};
    struct rn_resume_options r;
    double start = rn_now();
    int rc = RN_TAKE(&r, options, "rn_resume_options", err);

    RN_GIVE(result, size, &nothing_done);
    if (rc == RN_OK)
        rc = RN_TAKE(&t.events, events, "rn_train_events", err);
    if (rc == RN_OK)
        rc = rn_resume_check(&r, err);
    if (rc == RN_OK)
        rc = rn_run_name(&t.run, run, err);
    if (rc == RN_OK)
        rc = rn_trainer_read(&t, err);
    take_ranks(&t, r.ranks);
    if (rc == RN_OK)
        rc = rn_options_check(&t.o, err);
    if (rc == RN_OK && rn_ranks_first(t.o.ranks))
        rc = rn_log_open(&t.log, t.run.log, err);
    if (rc == RN_OK)
        rc = go_on(&t, &r, err);
    rc = rn_ranks_agree(t.o.ranks, rc, err);
    give_result(&t, start, result, size);
    release(&t);
    return rc;
}
