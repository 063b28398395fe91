/* SPDX-License-Identifier: BSD-2-Clause */
/* Evaluation: a pass over a part of the data, and rn_eval() around it. */
#include "eval/eval.h"

#include "core/memory.h"
#include "core/threads.h"
#include "plan/plan.h"

#include <stdio.h>
#include <string.h>

#define TITLE_SIZE 256

/* The memory of a pass, and what feeds it. */
struct feed {
    struct rn_loader *loader;
    size_t image;  /* floats */
    float *padded; /* [batch] images, for the last, smaller batch */
    float *logits; /* [batch][classes] */
};

static int feed_open(struct feed *feed, const struct rn_eval_pass *pass,
                     struct rn_error *err)
{
    const struct rn_data *data = pass->data;
    int images = data->part[pass->part].count;
    struct rn_loader_config config = {
        .data = data,
        .part = pass->part,
        .view = pass->view,
        .labels = pass->labels,
        .threads = pass->loaders,
        .sampler = {.count = images,
                    .batch = pass->batch,
                    .last = RN_LAST_KEEP},
        .per_pixel = pass->preprocessing->per_pixel,
        .bgr = pass->preprocessing->bgr,
        .mean = pass->preprocessing->mean,
        .std = pass->preprocessing->std,
        .end = (images + pass->batch - 1) / pass->batch,
    };
    const struct rn_shape *shape;

    shape = rn_loader_shape(&config);
    feed->image = (size_t)shape->c * (size_t)shape->h * (size_t)shape->w;
    feed->padded = rn_alloc((size_t)pass->batch * feed->image, sizeof(float));
    feed->logits =
        rn_alloc((size_t)pass->batch * (size_t)pass->classes, sizeof(float));
    if (feed->padded == NULL || feed->logits == NULL)
        return rn_fail_memory(err,
                              (size_t)pass->batch * feed->image * sizeof(float),
                              "a batch of images");
    return rn_loader_create(&feed->loader, &config, err);
}

static void feed_close(struct feed *feed)
{
    rn_loader_destroy(feed->loader);
    rn_free(feed->padded);
    rn_free(feed->logits);
}

/* Images of a batch, a smaller one filled up with copies of its first. */
static const float *fill_up(struct feed *feed, const struct rn_batch *batch,
                            int size)
{
    if (batch->count == size)
        return batch->images;
    for (int i = 0; i < size; i++)
        memcpy(feed->padded + (size_t)i * feed->image,
               batch->images + (i < batch->count ? (size_t)i * feed->image : 0),
               feed->image * sizeof(float));
    return feed->padded;
}

static int run_batches(struct feed *feed, const struct rn_eval_pass *pass,
                       struct rn_metrics *metrics, struct rn_error *err)
{
    int images = pass->data->part[pass->part].count;

    while (metrics->images < images) {
        struct rn_batch batch;
        double waited = 0;
        int rc = rn_loader_next(feed->loader, &batch, &waited, err);

        if (rc == RN_OK)
            rc = rn_plan_forward(pass->plan, fill_up(feed, &batch, pass->batch),
                                 feed->logits, err);
        if (rc != RN_OK)
            return rc;
        rn_metrics_add(metrics, feed->logits, batch.labels, batch.count,
                       pass->classes);
        if (pass->progress != NULL &&
            pass->progress(pass->user, (int)metrics->images, images) != 0)
            return rn_fail(err, RN_ERR_STOPPED,
                           "stopped after %ld of %d images", metrics->images,
                           images);
    }
    return RN_OK;
}

int rn_eval_run(const struct rn_eval_pass *pass, struct rn_metrics *metrics,
                struct rn_error *err)
{
    struct feed feed = {.loader = NULL};
    int rc = feed_open(&feed, pass, err);

    *metrics = (struct rn_metrics){.images = 0};
    if (rc == RN_OK)
        rc = run_batches(&feed, pass, metrics, err);
    feed_close(&feed);
    return rc;
}

int rn_eval_batch(struct rn_shape shape, int images)
{
    int batch = shape.h <= 64 && shape.w <= 64 ? 100 : 16;

    return images < batch ? images : batch;
}

/* "resnet20", or "resnet20 of 'run/best.safetensors'". */
static const char *title(const struct rn_model *model, char *buf, size_t size)
{
    if (model->path == NULL)
        return model->spec.name;
    snprintf(buf, size, "%s of '%s'", model->spec.name, model->path);
    return buf;
}

int rn_model_fits(const struct rn_model *model, const struct rn_data *data,
                  struct rn_error *err)
{
    const struct rn_shape *m = &model->spec.input, *d = &data->shape;
    char buf[TITLE_SIZE];

    if (m->c != d->c || m->h != d->h || m->w != d->w)
        return rn_fail(err, RN_ERR_DATA,
                       "model %s takes %d x %d x %d images, those of '%s' are "
                       "%d x %d x %d",
                       title(model, buf, sizeof(buf)), m->c, m->h, m->w,
                       data->spec, d->c, d->h, d->w);
    if (model->spec.classes != data->classes)
        return rn_fail(err, RN_ERR_DATA, "model %s has %d classes, '%s' has %d",
                       title(model, buf, sizeof(buf)), model->spec.classes,
                       data->spec, data->classes);
    return RN_OK;
}

void rn_eval_defaults(struct rn_eval_options *options)
{
    *options = (struct rn_eval_options){.part = RN_PART_TEST};
}

static int check(const struct rn_model *model, const struct rn_data *data,
                 const struct rn_eval_options *o, struct rn_error *err)
{
    char buf[TITLE_SIZE];

    if (o->part < RN_PART_TRAIN || o->part > RN_PART_TEST)
        return rn_fail(err, RN_ERR_ARG, "part %d: there is none", (int)o->part);
    if (o->batch < 0 || o->threads < 0)
        return rn_fail(err, RN_ERR_ARG,
                       "batch %d, threads %d: must not be negative", o->batch,
                       o->threads);
    if (data->part[o->part].count == 0)
        return rn_fail(err, RN_ERR_ARG, "'%s' has no %s images", data->spec,
                       rn_part_name(o->part));
    if (model->preprocessing.mean == NULL)
        return rn_fail(err, RN_ERR_ARG,
                       "model %s carries no preprocessing: it has not been "
                       "trained",
                       title(model, buf, sizeof(buf)));
    return data->fetch != NULL ? RN_OK : rn_model_fits(model, data, err);
}

/* How a model sees pictures, and which of its classes they are of. */
static int look_at_pictures(struct rn_eval_pass *pass,
                            const struct rn_model *model,
                            const struct rn_eval_options *o, int32_t **map,
                            struct rn_error *err)
{
    const struct rn_data *data = pass->data;
    struct rn_machine machine;

    if (data->fetch == NULL)
        return RN_OK;
    *map = rn_alloc((size_t)data->classes, sizeof(**map));
    if (*map == NULL)
        return rn_fail_memory(err, (size_t)data->classes * sizeof(**map),
                              "classes");
    rn_machine_get(&machine);
    pass->labels = *map;
    pass->loaders = o->threads > 0 ? o->threads : machine.threads;
    pass->view =
        (struct rn_view){model->spec.input, model->preprocessing.resize,
                         model->preprocessing.interpolation,
                         o->as_stored ? RN_IMAGE_AS_STORED : 0};
    return rn_match_classes(model, data, pass->part, *map, err);
}

static void name_protocol(const struct rn_eval_pass *pass,
                          struct rn_eval_result *result)
{
    const struct rn_view *v = &pass->view;
    int larger = v->shape.h > v->shape.w ? v->shape.h : v->shape.w;

    if (pass->data->fetch == NULL)
        snprintf(result->protocol, sizeof(result->protocol), "single view");
    else
        snprintf(result->protocol, sizeof(result->protocol),
                 "centre %dx%d of shorter side %d, %s%s", v->shape.h,
                 v->shape.w, v->resize ? v->resize : larger,
                 rn_interpolation_name(v->interpolation),
                 v->flags & RN_IMAGE_AS_STORED ? ", as stored" : "");
}

static int run_plan(struct rn_eval_pass *pass, const struct rn_model *model,
                    const struct rn_eval_options *o, struct rn_metrics *m,
                    struct rn_error *err)
{
    struct rn_plan_options plan;
    int rc;

    rn_plan_defaults(&plan);
    plan.mode = RN_MODE_INFER;
    plan.batch = pass->batch;
    plan.threads = o->threads;
    plan.exact = o->exact;
    rc = rn_plan_create(&pass->plan, model, &plan, err);
    if (rc == RN_OK)
        rc = rn_eval_run(pass, m, err);
    rn_plan_destroy(pass->plan);
    return rc;
}

int rn_eval(const struct rn_model *model, const struct rn_data *data,
            const struct rn_eval_options *options,
            struct rn_eval_result *result, struct rn_error *err)
{
    struct rn_eval_options o;
    struct rn_eval_pass pass = {.data = data};
    struct rn_metrics m;
    int32_t *map = NULL;
    double start = rn_now();
    int rc;

    rn_eval_defaults(&o);
    if (options != NULL)
        o = *options;
    rc = check(model, data, &o, err);
    if (rc != RN_OK)
        return rc;

    pass.part = o.part;
    pass.classes = model->spec.classes;
    pass.preprocessing = &model->preprocessing;
    pass.user = o.user;
    pass.progress = o.progress;
    pass.batch = rn_eval_batch(model->spec.input, data->part[o.part].count);
    if (o.batch > 0)
        pass.batch = o.batch;
    rc = look_at_pictures(&pass, model, &o, &map, err);
    if (rc == RN_OK)
        rc = run_plan(&pass, model, &o, &m, err);
    rn_free(map);
    if (rc != RN_OK)
        return rc;

    *result = (struct rn_eval_result){
        .images = (int)m.images,
        .top1_error = 100.0 * (double)m.wrong1 / (double)m.images,
        .top5_error = 100.0 * (double)m.wrong5 / (double)m.images,
        .loss = m.loss / (double)m.images,
        .seconds = rn_now() - start,
    };
    name_protocol(&pass, result);
    return RN_OK;
}
