/* SPDX-License-Identifier: BSD-2-Clause */
/* rn_eval(): which passes an evaluation is made of, and what they add up to. */
#include "eval/eval.h"

#include "core/count.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/option.h"
#include "core/sized.h"
#include "core/threads.h"
#include "eval/report.h"
#include "model/head.h"
#include "plan/plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CROPS     5 /* of ten; the others are their mirror images */
#define SCALE_MAX 4096

int rn_eval_batch(struct rn_shape shape, int images)
{
    int batch = shape.h <= 64 && shape.w <= 64 ? 100 : 16;

    return images < batch ? images : batch;
}

const char *rn_model_title(const struct rn_model *model, char *buf, size_t size)
{
    if (!model->path)
        return model->spec.name;
    snprintf(buf, size, "%s of '%s'", model->spec.name, model->path);
    return buf;
}

int rn_model_takes(const struct rn_model *model, const struct rn_data *data,
                   struct rn_error *err)
{
    const struct rn_shape *m = &model->spec.input, *d = &data->shape;
    char buf[RN_TITLE_SIZE];

    if (m->c != d->c || m->h != d->h || m->w != d->w)
        return rn_fail(err, RN_ERR_DATA,
                       "model %s takes %d x %d x %d images, those of '%s' are "
                       "%d x %d x %d",
                       rn_model_title(model, buf, sizeof(buf)), m->c, m->h,
                       m->w, data->spec, d->c, d->h, d->w);
    return RN_OK;
}

int rn_model_fits(const struct rn_model *model, const struct rn_data *data,
                  struct rn_error *err)
{
    char buf[RN_TITLE_SIZE];
    int rc = rn_model_takes(model, data, err);

    if (rc)
        return rc;
    if (model->spec.classes != data->classes)
        return rn_fail(err, RN_ERR_DATA, "model %s has %d classes, '%s' has %d",
                       rn_model_title(model, buf, sizeof(buf)),
                       model->spec.classes, data->spec, data->classes);
    return RN_OK;
}

void rn_eval_defaults_sized(struct rn_eval_options *options, size_t size)
{
    struct rn_eval_options defaults = {.crops = 0};

    rn_option_defaults(rn_eval_option, &defaults);
    RN_GIVE_DEFAULTS(options, size, &defaults);
}

/* ------------------------------------------------------------- checking */

static int check_views(const struct rn_eval_options *o, bool pictures,
                       struct rn_error *err)
{
    if (o->crops != 1 && o->crops != 2 * CROPS)
        return rn_fail(err, RN_ERR_ARG, "`crops` is %d, but must be 1 or %d",
                       o->crops, 2 * CROPS);
    if (o->crops > 1 && o->n_scales > 0)
        return rn_fail(err, RN_ERR_ARG,
                       "crops are cut out of pictures, scales show whole "
                       "ones: not both");
    if (!pictures && (o->crops > 1 || o->n_scales > 0))
        return rn_fail(err, RN_ERR_ARG,
                       "crops and scales are for pictures, these images "
                       "have the network's size");
    if (!pictures && o->as_stored)
        return rn_fail(err, RN_ERR_ARG,
                       "`as_stored` is of pictures' files, these images have "
                       "none");
    if (o->n_scales > 0 && o->batch > 0)
        return rn_fail(err, RN_ERR_ARG,
                       "`batch` is %d, but whole pictures at scales go one by "
                       "one",
                       o->batch);
    for (size_t i = 0; i < o->n_scales; i++)
        if (o->scales[i] < 1 || o->scales[i] > SCALE_MAX)
            return rn_fail(err, RN_ERR_ARG, "scale %d, expected 1 to %d",
                           o->scales[i], SCALE_MAX);
    return RN_OK;
}

static int check(const struct rn_data *data, enum rn_part part,
                 const struct rn_eval_options *o, struct rn_error *err)
{
    int rc = rn_option_check(rn_eval_option, o, err);

    if (rc)
        return rc;
    if ((unsigned)part > RN_PART_TEST)
        return rn_fail(err, RN_ERR_ARG, "part %d: there is none", (int)part);
    if (o->images > 0 && o->n_scales > 0)
        return rn_fail(err, RN_ERR_ARG,
                       "%d images of a part are looked at in crops, not at "
                       "scales",
                       o->images);
    if (o->ranks && o->n_scales > 0)
        return rn_fail(err, RN_ERR_ARG,
                       "whole pictures at scales are for one process, not for "
                       "%d ranks",
                       rn_ranks_count(o->ranks));
    if (data->part[part].count == 0)
        return rn_fail(err, RN_ERR_ARG, "'%s' has no %s images", data->spec,
                       rn_part_name(part));
    if (data->classes == 0)
        return rn_fail(err, RN_ERR_ARG,
                       "the pictures of '%s' have no classes, without which "
                       "there is no error",
                       data->spec);
    return check_views(o, data->fetch != NULL, err);
}

static int check_model(const struct rn_model *model, const struct rn_data *data,
                       const struct rn_eval_options *o, struct rn_error *err)
{
    const struct rn_preprocessing *pre = &model->preprocessing;
    const struct rn_shape *input = &model->spec.input;
    int larger = input->h > input->w ? input->h : input->w;
    char buf[RN_TITLE_SIZE];

    if (!pre->mean)
        return rn_fail(err, RN_ERR_ARG,
                       "model %s does not say how its images are prepared",
                       rn_model_title(model, buf, sizeof(buf)));
    if (data->several && !rn_is_independent(model->graph->kind))
        return rn_fail(err, RN_ERR_DATA,
                       "model %s answers with one of its classes, but %s",
                       rn_model_title(model, buf, sizeof(buf)), data->several);
    if (rn_is_independent(model->graph->kind) &&
        (o->crops > 1 || o->n_scales > 0))
        return rn_fail(err, RN_ERR_ARG,
                       "model %s answers for each class by itself: it is shown "
                       "one view of an image, there are no averages over crops "
                       "or scales",
                       rn_model_title(model, buf, sizeof(buf)));
    if (o->crops > 1 && pre->resize <= larger)
        return rn_fail(err, RN_ERR_ARG,
                       "model %s resizes the shorter side to no more than the "
                       "%d pixels it takes: there is nothing to crop",
                       rn_model_title(model, buf, sizeof(buf)), larger);
    if (o->n_scales > 0 && pre->per_pixel)
        return rn_fail(err, RN_ERR_ARG,
                       "model %s has a mean for every pixel, so pictures of "
                       "other sizes cannot be normalised",
                       rn_model_title(model, buf, sizeof(buf)));
    return data->fetch ? RN_OK : rn_model_fits(model, data, err);
}

/* Whether class i has the same text in both, where both have any. */
static bool same(char *const *a, char *const *b, int i)
{
    return !a || !b || strcmp(a[i], b[i]) == 0;
}

/* Models whose answers are averaged must mean the same by class i. */
static int check_together(const struct rn_model *a, const struct rn_model *b,
                          struct rn_error *err)
{
    char first[RN_TITLE_SIZE], second[RN_TITLE_SIZE];
    int i = 0;

    if (a->spec.classes == b->spec.classes)
        while (i < a->spec.classes && same(a->class_ids, b->class_ids, i) &&
               same(a->class_names, b->class_names, i))
            i++;
    if (i == a->spec.classes && i == b->spec.classes)
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG,
                   "models %s and %s cannot be averaged: their classes differ "
                   "(%d and %d of them)",
                   rn_model_title(a, first, sizeof(first)),
                   rn_model_title(b, second, sizeof(second)), a->spec.classes,
                   b->spec.classes);
}

/* --------------------------------------------------------------- passes */

/** An evaluation under way: a pass for each model, and for each scale. */
struct evaluation {
    const struct rn_model *const *models;
    size_t count;
    const struct rn_data *data;
    enum rn_part part;
    struct rn_eval_options o;
    int images, classes;
    int pass, passes;
    int32_t *map; /* the models' class of each of the data's */
    float *sums;  /* [images][classes], of several passes */
    struct rn_metrics metrics;
    struct rn_report *report; /* or NULL */
};

static int on_progress(void *user, int done, int images)
{
    const struct evaluation *e = user;
    int64_t all = (int64_t)e->passes * images;

    if (!e->o.progress)
        return 0;
    return e->o.progress(
        e->o.user, (int)(((int64_t)e->pass * images + done) * images / all),
        images);
}

/* Of an image, counted among those evaluated, its place in the part. */
static int place_of(const struct evaluation *e, int index)
{
    return e->o.images > 0
               ? rn_spread(index, e->images, e->data->part[e->part].count)
               : index;
}

/* An average of answers is one of logarithms of probabilities: they are not
 * finite when one of the answers is not. */
static int check_answer(const struct evaluation *e, int index,
                        const float *logits, struct rn_error *err)
{
    const struct rn_images *part = &e->data->part[e->part];
    size_t classes = (size_t)e->classes;
    size_t bad = rn_first_not_finite(logits, classes);
    size_t scales = e->o.n_scales ? e->o.n_scales : 1;
    char image[24], buf[RN_TITLE_SIZE];

    if (bad == classes)
        return RN_OK;
    index = place_of(e, index);
    snprintf(image, sizeof(image), "%d", index);
    return rn_fail(
        err, RN_ERR_DATA,
        "model %s answers image '%.150s' with %g for class %zu, "
        "though its weights are finite: values become too large "
        "on the way ('resnet diff' names the layer)",
        rn_model_title(e->models[(size_t)e->pass / scales], buf, sizeof(buf)),
        part->files ? part->files[index] : image,
        isnan(logits[bad]) ? (double)NAN : (double)logits[bad], bad);
}

static void finish_image(struct evaluation *e, int index, int label,
                         const float *logits)
{
    rn_metrics_take(&e->metrics, e->data, e->part, index, place_of(e, index),
                    label, logits, e->map);
    if (e->report)
        rn_report_set(e->report, index, label, logits);
}

static int take_image(void *user, int index, int label, const float *logits,
                      struct rn_error *err)
{
    struct evaluation *e = user;
    int rc = check_answer(e, index, logits, err);

    if (rc == RN_OK)
        finish_image(e, index, label, logits);
    return rc;
}

static int sum_image(void *user, int index, int label, const float *logits,
                     struct rn_error *err)
{
    struct evaluation *e = user;
    int rc = check_answer(e, index, logits, err);

    (void)label;
    if (rc == RN_OK)
        rn_average_add(e->sums + (size_t)index * (size_t)e->classes, logits,
                       e->classes);
    return rc;
}

static void finish_sums(struct evaluation *e)
{
    const uint16_t *labels = e->data->part[e->part].labels;

    for (int i = 0; i < e->images; i++)
        finish_image(e, i, e->map[labels[place_of(e, i)]],
                     e->sums + (size_t)i * (size_t)e->classes);
}

/* How many images go through at once: as many views whatever the crops. */
static int choose_batch(const struct evaluation *e,
                        const struct rn_model *model)
{
    int batch = e->o.batch;

    if (batch == 0)
        batch = rn_eval_batch(model->spec.input, e->images);
    if (e->o.batch == 0 && e->o.crops > 1)
        batch = (batch + CROPS - 1) / CROPS;
    return batch;
}

/* As many threads load as compute. */
static int choose_loaders(const struct evaluation *e)
{
    struct rn_machine machine;

    rn_machine_get(&machine);
    return e->o.threads > 0 ? e->o.threads : machine.threads;
}

/* Through one plan: as they are, or crops. */
static int run_views(struct evaluation *e, const struct rn_model *model,
                     const struct rn_eval_sink *sink, struct rn_error *err)
{
    bool ten = e->o.crops > 1;
    struct rn_plan_options plan;
    struct rn_eval_pass pass = {
        .data = e->data,
        .part = e->part,
        .images = e->o.images > 0 ? e->images : 0,
        .batch = choose_batch(e, model),
        .view = rn_view_of(model),
        .labels = e->map,
        .classes = e->classes,
        .output = model->graph->kind,
        .loaders = choose_loaders(e),
        .mirror = ten,
        .preprocessing = &model->preprocessing,
        .ranks = e->o.ranks,
        .user = e,
        .progress = on_progress,
    };
    int rc;

    pass.view.flags = e->o.as_stored ? RN_IMAGE_AS_STORED : 0;
    pass.view.crops = ten ? CROPS : 1;
    rn_plan_defaults(&plan);
    plan.batch = ten ? CROPS * pass.batch : pass.batch;
    plan.threads = e->o.threads;
    plan.exact = e->o.exact;
    plan.bind = e->o.bind;
    plan.precision = e->o.precision;
    plan.emulate = e->o.emulate;
    rc = rn_plan_create(&pass.plan, model, &plan, err);
    if (rc == RN_OK)
        rc = rn_eval_answers(&pass, sink, err);
    rn_plan_destroy(pass.plan);
    return rc;
}

static int run_scale(struct evaluation *e, const struct rn_model *model,
                     int scale, const struct rn_eval_sink *sink,
                     struct rn_error *err)
{
    const struct rn_whole_pass pass = {
        .model = model,
        .data = e->data,
        .part = e->part,
        .labels = e->map,
        .scale = scale,
        .threads = e->o.threads,
        .exact = e->o.exact,
        .bind = e->o.bind,
        .loaders = choose_loaders(e),
        .precision = e->o.precision,
        .emulate = e->o.emulate,
        .flags = e->o.as_stored ? RN_IMAGE_AS_STORED : 0,
        .user = e,
        .progress = on_progress,
    };

    return rn_eval_whole(&pass, sink, err);
}

static int run_passes(struct evaluation *e, struct rn_error *err)
{
    const struct rn_eval_sink sink = {e, e->sums ? sum_image : take_image};
    size_t scales = e->o.n_scales;
    int rc = RN_OK;

    for (e->pass = 0; rc == RN_OK && e->pass < e->passes; e->pass++) {
        size_t i = (size_t)e->pass;

        rc = scales > 0 ? run_scale(e, e->models[i / scales],
                                    e->o.scales[i % scales], &sink, err)
                        : run_views(e, e->models[i], &sink, err);
    }
    if (rc == RN_OK && e->sums)
        finish_sums(e);
    return rc;
}

/* Names of one model, and numbers of another without, may be matched to the
 * data's classes in different orders. Also of classes that the part has no
 * images of: their probabilities are averaged, too. */
static int check_map(const struct evaluation *e, size_t i, const int32_t *map,
                     struct rn_error *err)
{
    char first[RN_TITLE_SIZE], second[RN_TITLE_SIZE];

    for (int c = 0; c < e->data->classes; c++)
        if (e->map[c] >= 0 && map[c] >= 0 && e->map[c] != map[c])
            return rn_fail(
                err, RN_ERR_ARG,
                "models %s and %s cannot be averaged: class %d of '%.100s' is "
                "number %d of the one and %d of the other; give those without "
                "names of their classes some (`labels`)",
                rn_model_title(e->models[0], first, sizeof(first)),
                rn_model_title(e->models[i], second, sizeof(second)), c,
                e->data->spec, (int)e->map[c], (int)map[c]);
    return RN_OK;
}

/* The models' class for each of the data's, which must be the same of all. */
static int match_models(struct evaluation *e, struct rn_error *err)
{
    size_t classes = (size_t)e->data->classes;
    int rc = rn_match_classes(e->models[0], e->data, e->part, e->map, err);
    int32_t *map = rn_alloc(classes, sizeof(*map));

    if (rc == RN_OK && !map)
        rc = rn_fail_memory(err, classes, "classes");
    for (size_t i = 1; rc == RN_OK && i < e->count; i++) {
        rc = rn_match_classes(e->models[i], e->data, e->part, map, err);
        if (rc == RN_OK)
            rc = check_map(e, i, map, err);
    }
    rn_free(map);
    return rc;
}

static int prepare(struct evaluation *e, struct rn_error *err)
{
    size_t floats = (size_t)e->images * (size_t)e->classes;
    enum rn_output kind = e->models[0]->graph->kind;
    char buf[RN_TITLE_SIZE];
    int rc = check(e->data, e->part, &e->o, err);

    for (size_t i = 0; rc == RN_OK && i < e->count; i++)
        rc = check_model(e->models[i], e->data, &e->o, err);
    for (size_t i = 0; rc == RN_OK && i < e->count; i++)
        if (e->count > 1 && rn_is_independent(e->models[i]->graph->kind))
            rc = rn_fail(err, RN_ERR_ARG,
                         "model %s answers for each class by itself: it is "
                         "looked at alone, there are no averages over several",
                         rn_model_title(e->models[i], buf, sizeof(buf)));
    for (size_t i = 1; rc == RN_OK && i < e->count; i++)
        rc = check_together(e->models[0], e->models[i], err);
    /* An image of one class is to a model of independent ones a set of one. */
    if (rc == RN_OK)
        rc = rn_metrics_create(&e->metrics, e->data, kind,
                               rn_is_independent(kind), e->images, e->classes,
                               err);
    if (rc != RN_OK)
        return rc;
    e->map = rn_alloc((size_t)e->data->classes, sizeof(*e->map));
    if (!e->map)
        return rn_fail_memory(err, (size_t)e->data->classes, "classes");
    if (e->passes > 1) {
        e->sums = rn_alloc(floats, sizeof(*e->sums));
        if (!e->sums)
            return rn_fail_memory(err, floats * sizeof(*e->sums),
                                  "the answers to all images");
        rn_average_begin(e->sums, floats);
    }
    return match_models(e, err);
}

/* ------------------------------------------------------------- protocol */

static int name_scales(const struct rn_eval_options *o, char *text, size_t size)
{
    int n = snprintf(text, size, "fully convolutional at shorter side%s ",
                     o->n_scales > 1 ? "s" : "");

    for (size_t i = 0; i < o->n_scales && n >= 0 && (size_t)n < size; i++)
        n += snprintf(text + n, size - (size_t)n, "%s%d", i ? "," : "",
                      o->scales[i]);
    if (n >= 0 && (size_t)n < size)
        n += snprintf(text + n, size - (size_t)n,
                      ", each mirrored, too, probabilities averaged");
    return n;
}

/* What a model is shown of each image. */
static void name_view(const struct evaluation *e, const struct rn_model *model,
                      char *text, size_t size)
{
    const struct rn_shape *s = &model->spec.input;
    const struct rn_preprocessing *pre = &model->preprocessing;
    int larger = s->h > s->w ? s->h : s->w;
    int side = pre->resize ? pre->resize : larger, n;

    if (!e->data->fetch) {
        snprintf(text, size, "single view");
        return;
    }
    if (e->o.n_scales > 0)
        n = name_scales(&e->o, text, size);
    else if (e->o.crops > 1)
        n = snprintf(text, size,
                     "10 crops, probabilities averaged: corners and centre "
                     "%dx%d of the middle %dx%d, each mirrored, too",
                     s->h, s->w, side, side);
    else
        n = snprintf(text, size, "centre %dx%d of shorter side %d", s->h, s->w,
                     side);
    if (n >= 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n, ", %s%s",
                 rn_interpolation_name(pre->interpolation),
                 e->o.as_stored ? ", as stored" : "");
}

static void name_protocol(const struct evaluation *e, char *text, size_t size)
{
    char views[2][sizeof(((struct rn_eval_result *)NULL)->protocol)];
    int n = 0;

    if (e->count > 1)
        n = snprintf(text, size,
                     "%zu models, probabilities averaged: ", e->count);
    for (size_t i = 0; i < e->count; i++) {
        name_view(e, e->models[i], views[i % 2], sizeof(views[0]));
        if (i > 0 && strcmp(views[0], views[1]) == 0)
            continue;
        if (n >= 0 && (size_t)n < size)
            n += snprintf(text + n, size - (size_t)n, "%s%s", i ? "; " : "",
                          views[i % 2]);
    }
}

/* --------------------------------------------------------------- result */

static void fill_result(const struct evaluation *e, double seconds,
                        struct rn_eval_result *result)
{
    *result = (struct rn_eval_result){
        .images = (int)e->metrics.images,
        .several = e->data->several != NULL,
        .seconds = seconds,
    };
    rn_metrics_result(&e->metrics, result);
    name_protocol(e, result->protocol, sizeof(result->protocol));
}

/* Several ranks on one host do not take each other's processors. */
static void share_processors(struct evaluation *e)
{
    if (!e->o.threads)
        e->o.threads = rn_ranks_threads(e->o.ranks, choose_loaders(e));
    if (e->o.ranks->sharing > 1)
        e->o.bind = 0;
}

/* Of pictures, which of a data set are held out depends on options. */
static uint64_t sum_names(const struct rn_images *part)
{
    uint64_t sum = 0;

    for (int i = 0; part->files && i < part->count; i++) {
        const char *name = part->files[i] + (part->key ? part->key[i] : 0);

        sum = rn_checksum(sum, name, strlen(name));
    }
    return sum;
}

/* Checksums of their weights, their layers, and how they have images. */
static void sum_models(const struct evaluation *e, struct rn_trait traits[3])
{
    uint64_t weights = 0, layers = 0, pixels = 0;

    for (size_t i = 0; i < e->count; i++) {
        weights = rn_graph_checksum(e->models[i]->graph, weights);
        layers = rn_graph_sum_layers(e->models[i]->graph, layers);
        pixels = rn_model_sum_preprocessing(e->models[i], pixels);
    }
    rn_trait_sum(&traits[0], weights);
    rn_trait_sum(&traits[1], layers);
    rn_trait_sum(&traits[2], pixels);
}

/* Name what another rank would answer otherwise with, or to something else. */
static int compare(const struct evaluation *e, struct rn_error *err)
{
    struct rn_trait traits[] = {
        {.name = "the checksum of DATA", .code = RN_ERR_DATA},
        {.name = "the checksum of the models", .code = RN_ERR_DATA},
        {.name = "the checksum of the models' layers", .code = RN_ERR_DATA},
        {.name = "the checksum of how images are prepared",
         .code = RN_ERR_DATA},
        {.name = "the checksum of the models' classes for those of DATA",
         .code = RN_ERR_DATA},
        {.name = "what is evaluated", .code = RN_ERR_ARG},
        {.name = "the checksum of these images' names", .code = RN_ERR_ARG},
        {.name = "`precision`", .code = RN_ERR_ARG},
        {.name = "`exact`", .code = RN_ERR_ARG},
        {.name = "`crops`", .code = RN_ERR_ARG},
        {.name = "`as_stored`", .code = RN_ERR_ARG},
    };
    const int numbers[] = {e->o.exact, e->o.crops, e->o.as_stored};
    size_t map = (size_t)e->data->classes * sizeof(*e->map);

    rn_trait_sum(&traits[0], e->data->checksum);
    sum_models(e, &traits[1]);
    rn_trait_sum(&traits[4], rn_checksum(0, e->map, map));
    snprintf(traits[5].value, sizeof(traits[5].value),
             "%d %s images, %d at a time", e->images, rn_part_name(e->part),
             choose_batch(e, e->models[0]));
    rn_trait_sum(&traits[6], sum_names(&e->data->part[e->part]));
    rn_trait_text(&traits[7], rn_precision_name(e->o.precision));
    for (size_t i = 0; i < COUNT(numbers); i++)
        snprintf(traits[8 + i].value, sizeof(traits[8 + i].value), "%d",
                 numbers[i]);
    return rn_ranks_compare(e->o.ranks, traits, COUNT(traits), err);
}

/* All ranks have come so far, and look at the same with the same. */
static int meet(const struct evaluation *e, int rc, struct rn_error *err)
{
    rc = rn_ranks_agree(e->o.ranks, rc, err);
    if (rc == RN_OK)
        rc = rn_ranks_meet(e->o.ranks, "evaluation", err);
    return rc == RN_OK && e->o.ranks ? compare(e, err) : rc;
}

static int take_options(struct evaluation *e,
                        const struct rn_eval_options *options,
                        struct rn_error *err)
{
    int rc =
        RN_TAKE_OPTIONS(rn_eval_option, &e->o, options, "rn_eval_options", err);

    e->classes = e->models[0]->spec.classes;
    if ((unsigned)e->part <= RN_PART_TEST)
        e->images = e->data->part[e->part].count;
    if (e->o.images > 0 && e->o.images < e->images)
        e->images = e->o.images;
    else
        e->o.images = 0; /* all */
    e->passes = (int)(e->count * (e->o.n_scales ? e->o.n_scales : 1));
    if (e->o.ranks)
        share_processors(e);
    return rc;
}

int rn_eval_models_sized(const struct rn_model *const *models, size_t count,
                         const struct rn_data *data, enum rn_part part,
                         const struct rn_eval_options *options,
                         struct rn_eval_result *result, size_t size,
                         struct rn_report **report, struct rn_error *err)
{
    struct evaluation e = {
        .models = models, .count = count, .data = data, .part = part};
    struct rn_eval_result own;
    double start = rn_now();
    int rc;

    if (report)
        *report = NULL;
    if (count == 0)
        return rn_fail(err, RN_ERR_ARG, "no model to evaluate");
    rc = take_options(&e, options, err);
    if (rc == RN_OK && e.o.images > 0 && report)
        rc = rn_fail(err, RN_ERR_ARG,
                     "a report is of all images of a part, not of %d",
                     e.o.images);
    if (rc == RN_OK)
        rc = prepare(&e, err);
    if (rc == RN_OK && report && data->several)
        rc = rn_fail(err, RN_ERR_ARG,
                     "%s, but a report is of images of one class each",
                     data->several);
    if (rc == RN_OK && report)
        rc = rn_report_create(&e.report, models[0], data, e.part, err);
    if (rc == RN_OK && report && e.o.keep)
        rc = rn_report_keep(e.report, err);
    rc = meet(&e, rc, err);
    if (rc == RN_OK)
        rc = run_passes(&e, err);
    rc = rn_ranks_agree(e.o.ranks, rc, err);
    rn_free(e.map);
    rn_free(e.sums);
    if (rc == RN_OK)
        fill_result(&e, rn_now() - start, &own);
    rn_metrics_free(&e.metrics);
    if (rc != RN_OK) {
        rn_report_destroy(e.report);
        return rc;
    }
    RN_GIVE(result, size, &own);
    if (report)
        *report = e.report;
    return RN_OK;
}

int rn_eval_sized(const struct rn_model *model, const struct rn_data *data,
                  enum rn_part part, const struct rn_eval_options *options,
                  struct rn_eval_result *result, size_t size,
                  struct rn_error *err)
{
    return rn_eval_models_sized(&model, 1, data, part, options, result, size,
                                NULL, err);
}
