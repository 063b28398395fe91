/* SPDX-License-Identifier: BSD-2-Clause */
/* How long a run will take, told before its first step. */
#include "core/memory.h"
#include "core/threads.h"
#include "eval/eval.h"
#include "train/trainer.h"

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

/* -------------------------------------------------------------- loading */

/* The first batch from an idle loader. */
static int time_load(struct rn_loader_config *config, double *seconds,
                     struct rn_error *err)
{
    double start = rn_now();
    struct rn_loader *loader;
    struct rn_batch batch;
    int rc;

    config->end = config->first + 1;
    rc = rn_loader_create(&loader, config, err);
    if (rc == RN_OK)
        rc = rn_loader_next(loader, &batch, NULL, err);
    rn_loader_destroy(loader);
    *seconds = rn_now() - start;
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
    float *images, *logits;
    int32_t *labels;
};

static int trial_create(struct trial *trial, const struct rn_trainer *t,
                        struct rn_error *err)
{
    const struct rn_shape *s = &t->model->spec.input;
    size_t image = (size_t)s->c * (size_t)s->h * (size_t)s->w;
    size_t batch =
        (size_t)(t->o.batch > t->test_batch ? t->o.batch : t->test_batch);

    trial->images = rn_alloc(batch * image, sizeof(float));
    trial->logits =
        rn_alloc(batch * (size_t)t->model->spec.classes, sizeof(float));
    trial->labels = rn_alloc(batch, sizeof(int32_t));
    if (trial->images == NULL || trial->logits == NULL || trial->labels == NULL)
        return rn_fail_memory(err, batch * image * sizeof(float), "a batch");
    return RN_OK;
}

static void trial_free(struct trial *trial)
{
    rn_free(trial->images);
    rn_free(trial->logits);
    rn_free(trial->labels);
}

static int step(struct rn_trainer *t, const struct trial *trial,
                struct rn_error *err)
{
    struct rn_step_result result;

    return rn_plan_train(t->plan, trial->images, trial->labels, 0, &result,
                         err);
}

static int forward(struct rn_trainer *t, const struct trial *trial,
                   struct rn_error *err)
{
    return rn_plan_forward(t->test_plan, trial->images, trial->logits, err);
}

/* Others may be at work on the machine: the mean of this long. */
#define TRIAL_SECONDS 0.5

/* Seconds of a run, of those behind the first, which is slower; or of the first
 * when it takes long. */
static int time_runs(struct rn_trainer *t, const struct trial *trial,
                     int (*run)(struct rn_trainer *t, const struct trial *trial,
                                struct rn_error *err),
                     double *seconds, struct rn_error *err)
{
    double start = rn_now(), first;
    int runs = 0, rc = run(t, trial, err);

    first = rn_now() - start;
    for (; rc == RN_OK && rn_now() - start < TRIAL_SECONDS; runs++)
        rc = run(t, trial, err);
    *seconds = runs > 0 ? (rn_now() - start - first) / runs : first;
    return rc;
}

/* The running statistics that steps move are the model's again afterwards;
 * gradients are written before they are read. */
static int time_steps(struct rn_trainer *t, const struct trial *trial,
                      double *seconds, struct rn_error *err)
{
    int rc = time_runs(t, trial, step, seconds, err);

    for (size_t i = 0; i < t->model->graph->n_params; i++)
        if (!rn_param_updated(&t->model->graph->params[i]))
            rn_store_set(t->store, RN_STORE_VALUE, i,
                         t->model->graph->params[i].data);
    return rc;
}

/* ---------------------------------------------------------------- whole */

int rn_trainer_measure(struct rn_trainer *t, struct rn_paces *paces,
                       struct rn_error *err)
{
    struct trial trial = {NULL, NULL, NULL};
    bool tests = t->test_images > 0;
    int rc;

    *paces = (struct rn_paces){.save = 0};
    if (!rn_trainer_pictures(t))
        return RN_OK;
    rc = time_train_load(t, &paces->step.load, err);
    if (rc == RN_OK && tests)
        rc = time_test_load(t, &paces->test.load, err);
    if (rc == RN_OK)
        rc = trial_create(&trial, t, err);
    if (rc == RN_OK)
        rc = time_steps(t, &trial, &paces->step.compute, err);
    if (rc == RN_OK && tests)
        rc = time_runs(t, &trial, forward, &paces->test.compute, err);
    trial_free(&trial);
    return rc;
}

/* Seconds of taking batch norm's statistics anew, if that is to be done: an
 * epoch's forward passes, a third of its steps. */
static double reestimate(const struct rn_trainer *t,
                         const struct rn_paces *paces)
{
    const struct rn_pace forward = {paces->step.compute / 3, paces->step.load};

    return t->o.reestimate ? together(t, &forward) * t->epoch_batches : 0;
}

/* Seconds of so many iterations with the tests and checkpoints among them. */
static double whole(const struct rn_trainer *t, const struct rn_paces *paces,
                    double iterations)
{
    double test = together(t, &paces->test) *
                  ceil(t->test_images / (double)t->test_batch);

    return iterations *
           (together(t, &paces->step) + test / (double)t->test_every +
            paces->save / (double)t->save_every);
}

static void say_time(char *text, size_t size, double seconds)
{
    if (seconds < 100)
        snprintf(text, size, "%.0f s", ceil(seconds));
    else if (seconds < 6000)
        snprintf(text, size, "%.0f min", ceil(seconds / 60));
    else
        snprintf(text, size, "%.1f hours", seconds / 3600);
}

/* From milliseconds to minutes. */
static void say_batch_time(char *text, size_t size, double seconds)
{
    if (seconds < 95)
        snprintf(text, size, "%.2g s", seconds);
    else
        say_time(text, size, seconds);
}

void rn_trainer_estimate(const struct rn_trainer *t,
                         const struct rn_paces *paces)
{
    char epoch[32], all[32], compute[32], load[32];

    if (!rn_trainer_pictures(t))
        return;
    say_batch_time(compute, sizeof(compute), paces->step.compute);
    say_batch_time(load, sizeof(load), paces->step.load);
    say_time(epoch, sizeof(epoch), whole(t, paces, t->epoch_batches));
    say_time(all, sizeof(all),
             whole(t, paces, (double)t->iterations) + reestimate(t, paces));
    rn_trainer_say(t,
                   "training takes about %s an epoch, %s in all, tests "
                   "included; a batch %s to compute, %s to load",
                   epoch, all, compute, load);
}
