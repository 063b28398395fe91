/* SPDX-License-Identifier: BSD-2-Clause */
/* Fully convolutional evaluation: whole pictures at a scale, "in the
 * fully-convolutional form ... images are resized such that the shorter side
 * is in {224, 256, 384, 480, 640}" (He et al. 2016, section 3.4). */
#include "eval/eval.h"

#include "core/memory.h"
#include "plan/plan.h"

/* Pictures of one camera have few shapes, and a plan is quickly made: for
 * ResNet-50 in the time of a picture of 224 pixels, or a tenth of that of one
 * of 640. So plans are kept as long as they are few and small. */
#define PLANS      3
#define PLAN_BYTES 400000000

struct sized {
    struct rn_model *model;
    struct rn_plan *plan; /* for the image and its mirror image */
    long used;            /* when last */
};

struct whole {
    const struct rn_whole_pass *pass;
    struct sized sized[PLANS];
    long now;
    float *logits; /* [2][classes] */
    float *average;
};

static void drop(struct sized *s)
{
    rn_plan_destroy(s->plan);
    rn_model_destroy(s->model);
    *s = (struct sized){.plan = NULL};
}

/* The one that was not used for longest; with `empty` also those without a
 * plan. NULL when there is none. */
static struct sized *oldest(struct whole *w, bool empty)
{
    struct sized *found = NULL;

    for (int i = 0; i < PLANS; i++) {
        struct sized *s = &w->sized[i];

        if ((s->plan || empty) && (!found || s->used < found->used))
            found = s;
    }
    return found;
}

/* Drop plans until one of so many bytes fits beside those that are left. */
static void make_room(struct whole *w, uint64_t bytes)
{
    struct sized *s;

    for (int i = 0; i < PLANS; i++)
        if (w->sized[i].plan)
            bytes += rn_plan_bytes(w->sized[i].plan);
    while (bytes > PLAN_BYTES && (s = oldest(w, false)) != NULL) {
        bytes -= rn_plan_bytes(s->plan);
        drop(s);
    }
}

static int make(struct whole *w, struct sized *s, struct rn_shape shape,
                struct rn_error *err)
{
    const struct rn_whole_pass *pass = w->pass;
    struct rn_plan_options plan;
    uint64_t bytes;
    int rc = rn_model_resized(&s->model, pass->model, shape.h, shape.w, err);

    if (rc != RN_OK)
        return rc;
    rn_plan_defaults(&plan);
    plan.batch = 2;
    plan.threads = pass->threads;
    plan.exact = pass->exact;
    plan.bind = pass->bind;
    rc = rn_plan_estimate(s->model, &plan, &bytes, err);
    if (rc == RN_OK) {
        make_room(w, bytes);
        rc = rn_plan_create(&s->plan, s->model, &plan, err);
    }
    if (rc != RN_OK)
        drop(s);
    return rc;
}

static struct sized *find(struct whole *w, struct rn_shape shape)
{
    for (int i = 0; i < PLANS; i++) {
        struct sized *s = &w->sized[i];

        if (s->plan && s->model->spec.input.h == shape.h &&
            s->model->spec.input.w == shape.w)
            return s;
    }
    return NULL;
}

static int plan_for(struct whole *w, struct rn_shape shape,
                    struct rn_plan **plan, struct rn_error *err)
{
    struct sized *s = find(w, shape);
    int rc = RN_OK;

    if (!s) {
        s = oldest(w, true);
        drop(s);
        rc = make(w, s, shape, err);
    }
    if (rc == RN_OK) {
        s->used = ++w->now;
        *plan = s->plan;
    }
    return rc;
}

/* The shape of the whole picture, resized. */
static int measure(struct rn_view *view, const struct rn_image *picture,
                   struct rn_error *err)
{
    struct rn_placement p;

    rn_view_place(view, picture->width, picture->height, &p);
    if (p.width > RN_IMAGE_MAX_SIDE || p.height > RN_IMAGE_MAX_SIDE)
        return rn_fail(err, RN_ERR_DATA,
                       "%d x %d pixels, of shorter side %d, would have %lld x "
                       "%lld, expected at most %d a side",
                       picture->width, picture->height, view->resize,
                       (long long)p.width, (long long)p.height,
                       RN_IMAGE_MAX_SIDE);
    view->shape.w = (int)p.width;
    view->shape.h = (int)p.height;
    return RN_OK;
}

/* The picture and its mirror image as numbers, in rn_alloc()ed memory. */
static int prepare(const struct rn_whole_pass *pass, const struct rn_view *view,
                   const struct rn_image *picture, float **images,
                   struct rn_error *err)
{
    struct rn_shape s = view->shape;
    size_t floats = rn_shape_size(s);
    uint8_t *pixels = rn_alloc(floats, 1);
    int rc = RN_OK;

    *images = rn_alloc(2 * floats, sizeof(**images));
    if (!pixels || !*images)
        rc = rn_fail_memory(err, floats, "a picture");
    if (rc == RN_OK)
        rc = rn_view_apply(view, picture, pixels, err);
    if (rc == RN_OK) {
        rn_normalise(&pass->model->preprocessing, s, pixels, *images);
        rn_mirror(*images, *images + floats, floats / (size_t)s.w, (size_t)s.w);
    }
    rn_free(pixels);
    return rc;
}

static int run_picture(struct whole *w, const struct rn_image *picture,
                       struct rn_error *err)
{
    const struct rn_whole_pass *pass = w->pass;
    int classes = pass->model->spec.classes;
    struct rn_view view = rn_view_of(pass->model);
    struct rn_plan *plan = NULL;
    float *images = NULL;
    int rc;

    view.resize = pass->scale;
    rc = measure(&view, picture, err);
    if (rc == RN_OK)
        rc = plan_for(w, view.shape, &plan, err);
    if (rc == RN_OK)
        rc = prepare(pass, &view, picture, &images, err);
    if (rc == RN_OK)
        rc = rn_plan_forward(plan, images, w->logits, err);
    rn_free(images);
    if (rc != RN_OK)
        return rc;
    rn_logits(pass->model->graph->kind, w->logits, 2 * (size_t)classes);
    rn_average_begin(w->average, (size_t)classes);
    for (int i = 0; i < 2; i++)
        rn_average_add(w->average, w->logits + i * classes, classes);
    return RN_OK;
}

static int run_image(struct whole *w, int index, struct rn_error *err)
{
    const struct rn_whole_pass *pass = w->pass;
    const struct rn_data *data = pass->data;
    struct rn_image picture = {0, 0, NULL};
    struct rn_error why = {0};
    int rc =
        rn_data_picture(data, pass->part, index, pass->flags, &picture, err);

    if (rc != RN_OK)
        return rc;
    rc = run_picture(w, &picture, &why);
    rn_image_free(&picture);
    return rc == RN_OK ? rc
                       : rn_fail(err, rc, "'%s': %.300s",
                                 data->part[pass->part].files[index], why.msg);
}

static int run(struct whole *w, const struct rn_eval_sink *sink,
               struct rn_error *err)
{
    const struct rn_whole_pass *pass = w->pass;
    const struct rn_images *images = &pass->data->part[pass->part];
    int rc = RN_OK;

    for (int i = 0; rc == RN_OK && i < images->count; i++) {
        rc = run_image(w, i, err);
        if (rc != RN_OK)
            return rc;
        rc = sink->take(sink->user, i, pass->labels[images->labels[i]],
                        w->average, err);
        if (rc == RN_OK)
            rc = rn_eval_progress(pass->progress, pass->user, i + 1,
                                  images->count, err);
    }
    return rc;
}

int rn_eval_whole(const struct rn_whole_pass *pass,
                  const struct rn_eval_sink *sink, struct rn_error *err)
{
    size_t classes = (size_t)pass->model->spec.classes;
    struct whole w = {.pass = pass};
    int rc;

    w.logits = rn_alloc(2 * classes, sizeof(*w.logits));
    w.average = rn_alloc(classes, sizeof(*w.average));
    rc = w.logits != NULL && w.average != NULL
             ? run(&w, sink, err)
             : rn_fail_memory(err, 3 * classes * sizeof(float), "answers");
    for (int i = 0; i < PLANS; i++)
        drop(&w.sized[i]);
    rn_free(w.logits);
    rn_free(w.average);
    return rc;
}
