/* SPDX-License-Identifier: BSD-2-Clause */
/* How long a run will take, told before its first step. */
#include "core/memory.h"
#include "core/locale.h"
#include "core/threads.h"
#include "eval/eval.h"
#include "train/trainer.h"

#include <limits.h>
#include <math.h>
#include <string.h>

/* Seconds of a batch while others are being loaded. Computing and loading have
 * as many threads each; where these are all the processors, or more than half
 * of them, each takes time from the other. */
static double together(const struct rn_trainer *t, const struct rn_pace *p)
{
    double share = (double)t->threads / (double)rn_processors("");

    return fmax(fmax(p->compute, p->load),
                fmin(share, 1) * (p->compute + p->load));
}

/* Others may be at work on the machine: the mean of this long. */
#define TRIAL_SECONDS 0.5
/* The first of anything is slower: memory is touched for the first time, and
 * caches, threads and files are cold. Only one that takes this long stands for
 * those that follow. */
#define LONG_SECONDS 10.0

/* What is timed: something that can be done again and again. */
struct repeated {
    int (*once)(void *user, struct rn_error *err);
    void *user;
    long most; /* times that it can be done */
};

/* Mean seconds of those behind the first. */
static int time_repeated(const struct repeated *r, double *seconds,
                         struct rn_error *err)
{
    double start = rn_now(), first;
    long runs = 0;
    int rc = r->once(r->user, err);

    first = rn_now() - start;
    start += first;
    *seconds = first;
    if (first > LONG_SECONDS)
        return rc;
    while (rc == RN_OK && runs + 1 < r->most &&
           (runs == 0 || rn_now() - start < TRIAL_SECONDS)) {
        rc = r->once(r->user, err);
        runs++;
    }
    if (runs > 0)
        *seconds = (rn_now() - start) / (double)runs;
    return rc;
}

/* -------------------------------------------------------------- loading */

/* More of them load in TRIAL_SECONDS only if they are tiny. */
#define MOST_BATCHES 64

static int load_one(void *user, struct rn_error *err)
{
    struct rn_batch batch;

    return rn_loader_next(user, &batch, NULL, err);
}

/* Batches of a loader that has nothing else to do. */
static int time_load(struct rn_loader_config *config, double *seconds,
                     struct rn_error *err)
{
    struct repeated load = {.once = load_one};
    struct rn_loader *loader;
    int rc;

    if (config->end - config->first > MOST_BATCHES)
        config->end = config->first + MOST_BATCHES;
    load.most = config->end - config->first;
    rc = rn_loader_create(&loader, config, err);
    load.user = loader;
    if (rc == RN_OK)
        rc = time_repeated(&load, seconds, err);
    rn_loader_destroy(loader);
    return rc;
}

static int time_train_load(const struct rn_trainer *t, double *seconds,
                           struct rn_error *err)
{
    struct rn_loader_config config;

    rn_trainer_loader(t, &config);
    return time_load(&config, seconds, err);
}

static int time_test_load(const struct rn_trainer *t, double *seconds,
                          struct rn_error *err)
{
    struct rn_loader_config config;
    struct rn_eval_pass pass;

    rn_trainer_test_pass(t, &pass);
    rn_eval_loader(&pass, &config);
    return time_load(&config, seconds, err);
}

/* ------------------------------------------------------------ computing */

/* Images of zeros for both plans, and room for the test's answers. */
struct trial {
    struct rn_trainer *t;
    float *images, *logits;
    int32_t *labels;
};

static int trial_create(struct trial *trial, struct rn_trainer *t,
                        struct rn_error *err)
{
    const struct rn_shape *s = &t->model->spec.input;
    size_t image = rn_shape_size(*s);
    size_t batch =
        (size_t)(t->o.batch > t->test_batch ? t->o.batch : t->test_batch);

    trial->t = t;
    trial->images = rn_alloc(batch * image, sizeof(float));
    trial->logits =
        rn_alloc(batch * (size_t)t->model->spec.classes, sizeof(float));
    trial->labels = rn_alloc(batch, sizeof(int32_t));
    if (!trial->images || !trial->logits || !trial->labels)
        return rn_fail_memory(err, batch * image * sizeof(float), "a batch");
    return RN_OK;
}

static void trial_free(struct trial *trial)
{
    rn_free(trial->images);
    rn_free(trial->logits);
    rn_free(trial->labels);
}

static int step(void *user, struct rn_error *err)
{
    const struct trial *trial = user;
    struct rn_targets targets = {.labels = trial->labels};
    struct rn_step_result result;
    int rc = rn_trainer_ask_teacher(trial->t, trial->images,
                                    trial->t->groups.images, &targets, err);

    if (rc != RN_OK)
        return rc;
    return rn_plan_learn(trial->t->plan, trial->images, &targets, &result, err);
}

static int forward(void *user, struct rn_error *err)
{
    const struct trial *trial = user;

    return rn_plan_forward(trial->t->test_plan, trial->images, trial->logits,
                           err);
}

static int time_plan(struct trial *trial,
                     int (*once)(void *user, struct rn_error *err),
                     double *seconds, struct rn_error *err)
{
    const struct repeated plan = {
        .once = once, .user = trial, .most = LONG_MAX};

    return time_repeated(&plan, seconds, err);
}

/* The running statistics that steps move are the model's again afterwards;
 * gradients are written before they are read. */
static int time_steps(struct trial *trial, double *seconds,
                      struct rn_error *err)
{
    const struct rn_graph *graph = trial->t->trainee->graph;
    int rc = time_plan(trial, step, seconds, err);

    *seconds *= trial->t->groups.count;
    for (size_t i = 0; i < graph->n_params; i++)
        if (!rn_param_updated(&graph->params[i]))
            rn_store_set(trial->t->store, RN_STORE_VALUE, i,
                         graph->params[i].data);
    return rc;
}

/* ---------------------------------------------------------------- whole */

/* Ranks wait for each other, which one alone cannot tell of. */
static bool measured(const struct rn_trainer *t)
{
    return rn_trainer_pictures(t) && !t->o.ranks;
}

int rn_trainer_measure(struct rn_trainer *t, struct rn_paces *paces,
                       struct rn_error *err)
{
    struct trial trial = {NULL, NULL, NULL, NULL};
    bool tests = t->test_images > 0;
    int rc;

    *paces = (struct rn_paces){.save = 0};
    if (!measured(t))
        return RN_OK;
    rc = time_train_load(t, &paces->step.load, err);
    if (rc == RN_OK && tests)
        rc = time_test_load(t, &paces->test.load, err);
    if (rc == RN_OK)
        rc = trial_create(&trial, t, err);
    if (rc == RN_OK)
        rc = time_steps(&trial, &paces->step.compute, err);
    if (rc == RN_OK && tests)
        rc = time_plan(&trial, forward, &paces->test.compute, err);
    trial_free(&trial);
    return rc;
}

/* Seconds of taking batch norm's statistics anew, if that is to be done: an
 * epoch's forward passes, a third of its steps; once more where an average of
 * the weights is tested. */
static double reestimate(const struct rn_trainer *t,
                         const struct rn_paces *paces)
{
    const struct rn_pace forward = {paces->step.compute / 3, paces->step.load};

    int times = t->o.reestimate + (t->o.reestimate && t->o.ema > 0);

    return times * together(t, &forward) * t->epoch_batches;
}

/* Seconds of so many iterations with the tests and checkpoints among them. */
static double whole(const struct rn_trainer *t, const struct rn_paces *paces,
                    double iterations)
{
    double test = 0;

    if (t->test_images > 0)
        test = together(t, &paces->test) *
               ceil(t->test_images / (double)t->test_batch);
    return iterations *
           (t->step_batches * together(t, &paces->step) +
            test / (double)t->test_every + paces->save / (double)t->save_every);
}

static void say_time(char *text, size_t size, double seconds)
{
    if (seconds < 100)
        rn_format(text, size, "%.0f s", ceil(seconds));
    else if (seconds < 6000)
        rn_format(text, size, "%.0f min", ceil(seconds / 60));
    else
        rn_format(text, size, "%.1f hours", seconds / 3600);
}

/* From milliseconds to minutes. */
static void say_batch_time(char *text, size_t size, double seconds)
{
    if (seconds < 95)
        rn_format(text, size, "%.2g s", seconds);
    else
        say_time(text, size, seconds);
}

void rn_trainer_estimate(const struct rn_trainer *t,
                         const struct rn_paces *paces)
{
    char epoch[32], all[32], compute[32], load[32];

    if (!measured(t))
        return;
    say_batch_time(compute, sizeof(compute), paces->step.compute);
    say_batch_time(load, sizeof(load), paces->step.load);
    say_time(epoch, sizeof(epoch), whole(t, paces, rn_trainer_epoch(t)));
    say_time(all, sizeof(all),
             whole(t, paces, (double)t->iterations) + reestimate(t, paces));
    rn_trainer_say(t,
                   "training takes about %s an epoch, %s in all%s; a batch %s "
                   "to compute, %s to load",
                   epoch, all, t->test_images > 0 ? ", tests included" : "",
                   compute, load);
}
