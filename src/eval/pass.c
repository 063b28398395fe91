/* SPDX-License-Identifier: BSD-2-Clause */
/* A pass over a part of the data through one inference plan. */
#include "eval/eval.h"

#include "core/memory.h"
#include "plan/plan.h"

#include <string.h>

/* The memory of a pass, and what feeds it. An image is `crops` views, each of
 * `view` floats. */
struct feed {
    const struct rn_eval_pass *pass;
    struct rn_loader *loader;
    size_t view, crops, row; /* floats of a view; floats of its rows */
    size_t answers;          /* floats of a batch's logits */
    float *padded;           /* [batch][crops] views */
    float *logits;           /* [2][batch][crops][classes], mirrored second */
    float *average;          /* [classes] */
};

static int count_images(const struct rn_eval_pass *pass)
{
    return pass->images > 0 ? pass->images : pass->data->part[pass->part].count;
}

void rn_eval_loader(const struct rn_eval_pass *pass,
                    struct rn_loader_config *config)
{
    int images = count_images(pass);

    *config = (struct rn_loader_config){
        .data = pass->data,
        .part = pass->part,
        .view = pass->view,
        .labels = pass->labels,
        .threads = pass->loaders,
        .sampler = {.count = images,
                    .batch = pass->batch,
                    .last = RN_LAST_KEEP,
                    .of = pass->images > 0 ? pass->data->part[pass->part].count
                                           : 0},
        .end = (images + pass->batch - 1) / pass->batch,
        .every = rn_ranks_count(pass->ranks),
    };
    config->first = rn_ranks_rank(pass->ranks);
    config->end = config->end > config->first ? config->end : config->first;
    rn_loader_prepare_as(config, pass->preprocessing);
}

static int feed_open(struct feed *feed, const struct rn_eval_pass *pass,
                     struct rn_error *err)
{
    struct rn_loader_config config;
    const struct rn_shape *shape;
    size_t views;

    rn_eval_loader(pass, &config);
    shape = rn_loader_shape(&config);
    feed->pass = pass;
    feed->row = (size_t)shape->w;
    feed->view = (size_t)shape->c * (size_t)shape->h * feed->row;
    feed->crops = (size_t)rn_loader_crops(&config);
    views = (size_t)pass->batch * feed->crops;
    feed->answers = views * (size_t)pass->classes;
    feed->padded = rn_alloc(views * feed->view, sizeof(float));
    feed->logits = rn_alloc(2 * feed->answers, sizeof(float));
    feed->average = rn_alloc((size_t)pass->classes, sizeof(float));
    if (!feed->padded || !feed->logits || !feed->average)
        return rn_fail_memory(err, views * feed->view * sizeof(float),
                              "a batch of images");
    return rn_loader_create(&feed->loader, &config, err);
}

static void feed_close(struct feed *feed)
{
    rn_loader_destroy(feed->loader);
    rn_free(feed->padded);
    rn_free(feed->logits);
    rn_free(feed->average);
}

/* Images of a batch, a smaller one filled up with copies of its first. */
static const float *fill_up(struct feed *feed, const struct rn_batch *batch)
{
    size_t image = feed->crops * feed->view;

    if (batch->count == feed->pass->batch)
        return batch->images;
    for (int i = 0; i < feed->pass->batch; i++)
        memcpy(feed->padded + (size_t)i * image,
               batch->images + (i < batch->count ? (size_t)i * image : 0),
               image * sizeof(float));
    return feed->padded;
}

static int forward(struct feed *feed, const struct rn_batch *batch,
                   struct rn_error *err)
{
    const struct rn_eval_pass *pass = feed->pass;
    size_t floats = (size_t)pass->batch * feed->crops * feed->view;
    const float *images = fill_up(feed, batch);
    int rc = rn_plan_forward(pass->plan, images, feed->logits, err);

    if (rc == RN_OK && pass->mirror) {
        rn_mirror(images, feed->padded, floats / feed->row, feed->row);
        rc = rn_plan_forward(pass->plan, feed->padded,
                             feed->logits + feed->answers, err);
    }
    rn_logits(pass->output, feed->logits,
              pass->mirror ? 2 * feed->answers : feed->answers);
    return rc;
}

/* The answer to image j of the batch, averaged when there are several. */
static const float *answer(struct feed *feed, int j)
{
    size_t classes = (size_t)feed->pass->classes;
    const float *logits = feed->logits + (size_t)j * feed->crops * classes;
    size_t mirrors = feed->pass->mirror ? 2 : 1;

    if (feed->crops * mirrors == 1)
        return logits;
    rn_average_begin(feed->average, classes);
    for (size_t m = 0; m < mirrors; m++)
        for (size_t c = 0; c < feed->crops; c++)
            rn_average_add(feed->average,
                           logits + m * feed->answers + c * classes,
                           feed->pass->classes);
    return feed->average;
}

int rn_eval_progress(int (*progress)(void *user, int done, int images),
                     void *user, int done, int images, struct rn_error *err)
{
    if (!progress || progress(user, done, images) == 0)
        return RN_OK;
    return rn_fail(err, RN_ERR_STOPPED, "stopped after %d of %d images", done,
                   images);
}

static int run_batches(struct feed *feed, const struct rn_eval_sink *sink,
                       struct rn_error *err)
{
    const struct rn_eval_pass *pass = feed->pass;
    int images = count_images(pass), done = 0, rc = RN_OK;

    while (rc == RN_OK && done < images) {
        struct rn_batch batch;

        rc = rn_loader_next(feed->loader, &batch, NULL, err);
        if (rc == RN_OK)
            rc = forward(feed, &batch, err);
        if (rc != RN_OK)
            return rc;
        for (int j = 0; rc == RN_OK && j < batch.count; j++)
            rc = sink->take(sink->user, done + j, batch.labels[j],
                            answer(feed, j), err);
        if (rc != RN_OK)
            return rc;
        done += batch.count;
        rc = rn_eval_progress(pass->progress, pass->user, done, images, err);
    }
    return rc;
}

/* ------------------------------------------------------------ several ranks */

/* A round: each rank's batch, of which every rank gets to know. */
struct round {
    size_t images; /* of all ranks' batches */
    float *logits; /* [images][classes] */
    int32_t *labels;
};

static int round_create(struct round *round, const struct rn_eval_pass *pass,
                        struct rn_error *err)
{
    size_t ranks = (size_t)rn_ranks_count(pass->ranks);

    round->images = ranks * (size_t)pass->batch;
    round->logits =
        rn_alloc(round->images * (size_t)pass->classes, sizeof(float));
    round->labels = rn_alloc(round->images, sizeof(int32_t));
    if (round->logits && round->labels)
        return RN_OK;
    return rn_fail_memory(err, round->images * (size_t)pass->classes,
                          "all ranks' answers");
}

static void round_free(struct round *round, const struct rn_ranks *ranks)
{
    rn_ranks_free(ranks, round->logits);
    rn_ranks_free(ranks, round->labels);
}

/* This rank's batch, if there is one left for it. */
static int answer_own(struct feed *feed, struct round *round, bool any,
                      struct rn_error *err)
{
    const struct rn_eval_pass *pass = feed->pass;
    size_t classes = (size_t)pass->classes;
    size_t first = (size_t)rn_ranks_rank(pass->ranks) * (size_t)pass->batch;
    struct rn_batch batch;
    int rc = RN_OK;

    if (!any)
        return RN_OK;
    rc = rn_loader_next(feed->loader, &batch, NULL, err);
    if (rc == RN_OK)
        rc = forward(feed, &batch, err);
    for (size_t j = 0; rc == RN_OK && j < (size_t)batch.count; j++) {
        memcpy(round->logits + (first + j) * classes, answer(feed, (int)j),
               classes * sizeof(float));
        round->labels[first + j] = batch.labels[j];
    }
    return rc;
}

/* What all ranks have answered, in the order of the images. */
static int exchange(const struct rn_eval_pass *pass, const struct round *round,
                    struct rn_error *err)
{
    size_t batch = (size_t)pass->batch, classes = (size_t)pass->classes;
    size_t first = (size_t)rn_ranks_rank(pass->ranks) * batch;
    int rc =
        rn_ranks_gather(pass->ranks, round->logits + first * classes,
                        batch * classes * sizeof(float), round->logits, err);

    if (rc != RN_OK)
        return rc;
    return rn_ranks_gather(pass->ranks, round->labels + first,
                           batch * sizeof(int32_t), round->labels, err);
}

static int run_rounds(struct feed *feed, struct round *round,
                      const struct rn_eval_sink *sink, struct rn_error *err)
{
    const struct rn_eval_pass *pass = feed->pass;
    size_t classes = (size_t)pass->classes;
    int images = count_images(pass), done = 0, rc = RN_OK;
    int before = rn_ranks_rank(pass->ranks) * pass->batch;

    while (done < images) {
        int count = images - done;

        if (count > (int)round->images)
            count = (int)round->images;
        if (rc == RN_OK)
            rc = answer_own(feed, round, before < count, err);
        rc = rn_ranks_agree(pass->ranks, rc, err);
        if (rc == RN_OK)
            rc = exchange(pass, round, err);
        if (rc != RN_OK)
            return rc;
        for (int j = 0; rc == RN_OK && j < count; j++)
            rc = sink->take(sink->user, done + j, round->labels[j],
                            round->logits + (size_t)j * classes, err);
        done += count;
        if (rc == RN_OK)
            rc =
                rn_eval_progress(pass->progress, pass->user, done, images, err);
    }
    return rc;
}

static int run_ranks(struct feed *feed, const struct rn_eval_sink *sink,
                     struct rn_error *err)
{
    struct round round = {.images = 0};
    int rc = round_create(&round, feed->pass, err);

    rc = rn_ranks_agree(feed->pass->ranks, rc, err);
    if (rc == RN_OK)
        rc = run_rounds(feed, &round, sink, err);
    round_free(&round, feed->pass->ranks);
    return rc;
}

int rn_eval_answers(const struct rn_eval_pass *pass,
                    const struct rn_eval_sink *sink, struct rn_error *err)
{
    struct feed feed = {.loader = NULL};
    int rc = feed_open(&feed, pass, err);

    if (rc == RN_OK)
        rc = pass->ranks ? run_ranks(&feed, sink, err)
                         : run_batches(&feed, sink, err);
    feed_close(&feed);
    return rc;
}

struct counting {
    struct rn_metrics *metrics;
    const struct rn_eval_pass *pass;
};

static int count(void *user, int index, int label, const float *logits,
                 struct rn_error *err)
{
    const struct counting *c = user;
    const struct rn_eval_pass *pass = c->pass;

    (void)err;
    rn_metrics_take(c->metrics, pass->data, pass->part, index,
                    rn_spread(index, count_images(pass),
                              pass->data->part[pass->part].count),
                    label, logits, pass->labels);
    return RN_OK;
}

int rn_eval_run(const struct rn_eval_pass *pass, struct rn_metrics *metrics,
                struct rn_error *err)
{
    struct counting counting = {metrics, pass};
    const struct rn_eval_sink sink = {&counting, count};

    int rc = rn_metrics_create(metrics, pass->data, pass->output,
                               pass->data->several != NULL, count_images(pass),
                               pass->classes, err);

    return rc ? rc : rn_eval_answers(pass, &sink, err);
}
