/* SPDX-License-Identifier: BSD-2-Clause */
/* Global contrast normalisation and ZCA whitening, as pylearn2 does them to
 * CIFAR-10 (make_cifar10_gcn_whitened.py: I. Goodfellow et al. 2013): of images
 * x of one contrast the mean m and covariance C = V diag(l) V', of which x
 * becomes V diag((l + 0.1)^-1/2) V' (x - m). */
#include "core/memory.h"
#include "core/threads.h"
#include "ops/gram.h"
#include "train/eigen.h"
#include "train/trainer.h"

#include <math.h>
#include <string.h>

/* Images of 3x32x32 get a norm of 55, others the same deviation. */
#define CONTRAST ((float)(55 / 55.425625842204074)) /* the root of 3072 */
/* Added to every eigenvalue: directions that hardly vary stay small. */
#define BIAS 0.1

/* All that is computed, for images of n numbers. */
struct whitening {
    size_t n, count;  /* images so far */
    double *sum;      /* [n] */
    double *products; /* [n][n], below the diagonal and on it */
    double *rows;     /* [RN_GRAM_ROWS][n] */
    double *room;     /* of rn_gram_add() */
    double *values;   /* [n] */
    float *mean, *std, *triangle;
};

static void add_images(struct whitening *w, const struct rn_batch *batch,
                       int threads)
{
    const float *image = batch->images;
    double *row = w->rows;
    size_t count = (size_t)batch->count;

    for (size_t i = 0; i < count; i++, image += w->n, row += w->n)
        for (size_t k = 0; k < w->n; k++) {
            row[k] = (double)image[k];
            w->sum[k] += row[k];
        }
    rn_gram_add(w->rows, count, w->n, w->room, w->products, threads);
    w->count += count;
}

/* The training images once each, of one contrast. */
static int sum_images(struct rn_trainer *t, struct whitening *w,
                      struct rn_error *err)
{
    int count = t->data->part[RN_PART_TRAIN].count;
    struct rn_loader_config config = {
        .data = t->data,
        .part = RN_PART_TRAIN,
        .view = rn_view_of(t->model),
        .threads = t->threads,
        .sets = t->data->several != NULL,
        .skip_bad = t->o.skip_bad != 0,
        .sampler = {.seed = t->o.seed,
                    .count = count,
                    .batch = RN_GRAM_ROWS,
                    .last = RN_LAST_KEEP},
    };
    struct rn_loader *loader;
    struct rn_batch batch;
    int rc;

    rn_loader_prepare_as(&config, &t->model->preprocessing);
    config.end = (count + RN_GRAM_ROWS - 1) / RN_GRAM_ROWS;
    rc = rn_loader_create(&loader, &config, err);
    for (long i = 0; i < config.end && !rc; i++) {
        rc = rn_loader_next(loader, &batch, NULL, err);
        if (!rc)
            add_images(w, &batch, t->threads);
    }
    rn_loader_destroy(loader);
    return rc;
}

/* Sums -> the covariance, with the bias on its diagonal; and the mean. */
static void finish_sums(struct whitening *w)
{
    double count = (double)w->count;

    for (size_t i = 0; i < w->n; i++) {
        w->sum[i] /= count;
        w->mean[i] = (float)w->sum[i];
    }
    for (size_t i = 0; i < w->n; i++) {
        double *row = w->products + i * w->n;

        for (size_t k = 0; k <= i; k++)
            row[k] = row[k] / count - w->sum[i] * w->sum[k];
        row[i] += BIAS;
    }
}

/* From the eigenvectors and their values: the sum of each one's products with
 * itself, over the root of its value. */
static int join(struct whitening *w, int threads, struct rn_error *err)
{
    size_t n = w->n;
    double *sums;

    for (size_t i = 0; i < n; i++) {
        if (!(w->values[i] > 0))
            return rn_fail(err, RN_ERR_DATA,
                           "the training images' covariance has the "
                           "eigenvalue %g, expected numbers above 0",
                           w->values[i]);
        for (size_t k = 0; k < n; k++)
            w->products[i * n + k] *= pow(w->values[i], -0.25);
    }
    sums = rn_alloc(n * n, sizeof(*sums));
    if (!sums)
        return rn_fail_memory(err, n * n * sizeof(*sums), "the whitening");
    for (size_t r = 0; r < n; r += RN_GRAM_ROWS)
        rn_gram_add(w->products + r * n,
                    n - r < RN_GRAM_ROWS ? n - r : RN_GRAM_ROWS, n, w->room,
                    sums, threads);
    for (size_t i = 0, at = 0; i < n; i++)
        for (size_t k = 0; k <= i; k++)
            w->triangle[at++] = (float)sums[i * n + k];
    rn_free(sums);
    return RN_OK;
}

static int allocate(struct whitening *w, size_t channels, struct rn_error *err)
{
    size_t n = w->n;

    w->sum = rn_alloc(n, sizeof(*w->sum));
    w->products = rn_alloc(n * n, sizeof(*w->products));
    w->rows = rn_alloc(RN_GRAM_ROWS * n, sizeof(*w->rows));
    w->room = rn_alloc(rn_gram_room(n), sizeof(*w->room));
    w->values = rn_alloc(n, sizeof(*w->values));
    w->mean = rn_alloc(n, sizeof(*w->mean));
    w->std = rn_alloc(channels, sizeof(*w->std));
    w->triangle = rn_alloc(rn_whitening_count(n), sizeof(*w->triangle));
    for (size_t c = 0; w->std && c < channels; c++)
        w->std[c] = 1;
    return w->sum && w->products && w->rows && w->room && w->values &&
                   w->mean && w->std && w->triangle
               ? RN_OK
               : rn_fail_memory(err, 2 * n * n * sizeof(*w->products),
                                "the whitening");
}

static void release(struct whitening *w)
{
    rn_free(w->sum);
    rn_free(w->products);
    rn_free(w->rows);
    rn_free(w->room);
    rn_free(w->values);
    rn_free(w->mean);
    rn_free(w->std);
    rn_free(w->triangle);
}

/* What makes it impossible, before anything is computed. */
static int check(const struct rn_trainer *t, struct rn_error *err)
{
    size_t n = rn_shape_size(t->model->spec.input);
    int count = t->data->part[RN_PART_TRAIN].count;

    if (!rn_eigen_there())
        return rn_fail(err, RN_ERR_ARG,
                       "`normalize` gcn-zca needs LAPACK, which this build is "
                       "without");
    if (n > RN_WHITENED_MOST)
        return rn_fail(err, RN_ERR_ARG,
                       "`normalize` gcn-zca: images of %dx%dx%d have %zu "
                       "numbers, expected at most %d",
                       t->model->spec.input.c, t->model->spec.input.h,
                       t->model->spec.input.w, n, RN_WHITENED_MOST);
    if ((size_t)count > n)
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG,
                   "`normalize` gcn-zca: '%s' has %d training images, but the "
                   "whitening of images of %zu numbers needs more than these",
                   t->data->spec, count, n);
}

static int compute(struct rn_trainer *t, struct whitening *w,
                   struct rn_error *err)
{
    int rc = sum_images(t, w, err);

    if (rc)
        return rc;
    finish_sums(w);
    rc = rn_eigen(w->products, w->n, w->values, err);
    return rc ? rc : join(w, t->threads, err);
}

/* Alone, with neither mean nor deviation of the training images. */
static int set_contrast(struct rn_trainer *t, struct rn_error *err)
{
    size_t channels = (size_t)t->model->spec.input.c;
    float *mean = rn_alloc(channels, sizeof(*mean));
    float *std = rn_alloc(channels, sizeof(*std));
    int rc = RN_OK;

    if (!mean || !std)
        rc = rn_fail_memory(err, channels * sizeof(*mean), "a mean");
    for (size_t c = 0; !rc && c < channels; c++)
        std[c] = 1;
    if (!rc)
        rc = rn_model_set_preprocessing(t->model, false, mean, std, err);
    if (!rc)
        rc = rn_model_set_whitening(t->model, CONTRAST, NULL, err);
    rn_free(mean);
    rn_free(std);
    return rc;
}

/* Of images that have that contrast. */
static int set_whitening(struct rn_trainer *t, struct rn_error *err)
{
    const struct rn_shape *s = &t->model->spec.input;
    struct whitening w = {.n = rn_shape_size(*s)};
    double start = rn_now();
    int rc = allocate(&w, (size_t)s->c, err);

    if (!rc)
        rc = compute(t, &w, err);
    if (!rc)
        rc = rn_model_set_preprocessing(t->model, true, w.mean, w.std, err);
    if (!rc)
        rc = rn_model_set_whitening(t->model, CONTRAST, w.triangle, err);
    if (!rc)
        rn_trainer_say(t, "whitening of %zu training images: %.1f s", w.count,
                       rn_now() - start);
    release(&w);
    return rc;
}

int rn_trainer_whiten(struct rn_trainer *t, bool whiten, struct rn_error *err)
{
    int rc = whiten ? check(t, err) : RN_OK;

    if (!rc)
        rc = set_contrast(t, err);
    return rc || !whiten ? rc : set_whitening(t, err);
}
