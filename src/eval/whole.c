/* SPDX-License-Identifier: BSD-2-Clause */
/* Fully convolutional evaluation: whole pictures at a scale, "in the
 * fully-convolutional form ... images are resized such that the shorter side
 * is in {224, 256, 384, 480, 640}" (He et al. 2016, section 3.4). */
#include "eval/eval.h"

#include "core/memory.h"
#include "core/ring.h"
#include "data/sets/pictures.h"
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

/* Pictures of a slot of the ring: one for each of the threads that load when
 * all but the slot in use are being filled, but few, for they are large. */
#define MOST_PICTURES 4

/* A picture made ready ahead of time, or what is wrong with it. */
struct ready {
    float *images; /* the image and its mirror image, [2][c][h][w] */
    size_t room;   /* floats */
    struct rn_shape shape;
    struct rn_picture_kind kind;
    int rc;
    struct rn_error err;
};

struct whole {
    const struct rn_whole_pass *pass;
    struct rn_ring *ring;
    int pictures; /* of a slot */
    struct {
        int first; /* picture of the part */
        struct ready ready[MOST_PICTURES];
    } slot[RN_RING_SLOTS];
    struct sized sized[PLANS];
    long now;
    float *logits; /* [2][classes] */
    float *average;
};

/* ---------------------------------------------------------------- plans */

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
    plan.precision = pass->precision;
    plan.emulate = pass->emulate;
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

/* ------------------------------------------------------ the ring's threads */

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

static int make_room_for(struct ready *ready, size_t floats,
                         struct rn_error *err)
{
    if (ready->room >= floats)
        return RN_OK;
    rn_free(ready->images);
    ready->images = rn_alloc(floats, sizeof(*ready->images));
    ready->room = ready->images ? floats : 0;
    return ready->images ? RN_OK
                         : rn_fail_memory(err, floats * sizeof(*ready->images),
                                          "a picture");
}

static int prepare(const struct rn_whole_pass *pass,
                   const struct rn_image *picture, struct ready *ready,
                   struct rn_error *err)
{
    struct rn_view view = rn_view_of(pass->model);
    uint8_t *pixels;
    size_t floats;
    int rc;

    view.resize = pass->scale;
    rc = measure(&view, picture, err);
    if (rc)
        return rc;
    floats = rn_shape_size(view.shape);
    pixels = rn_alloc(floats, 1);
    if (!pixels)
        return rn_fail_memory(err, floats, "a picture");
    rc = rn_view_apply(&view, picture, pixels, err);
    if (!rc)
        rc = make_room_for(ready, 2 * floats, err);
    if (!rc) {
        size_t row = (size_t)view.shape.w;

        rn_normalise(&pass->model->preprocessing, view.shape, pixels,
                     ready->images);
        rn_mirror(ready->images, ready->images + floats, floats / row, row);
        ready->shape = view.shape;
    }
    rn_free(pixels);
    return rc;
}

static const char *file_of(const struct whole *w, int index)
{
    return w->pass->data->part[w->pass->part].files[index];
}

static int load(const struct whole *w, int index, struct ready *ready,
                struct rn_error *err)
{
    const char *file = file_of(w, index);
    struct rn_error why = {0};
    struct rn_image picture;
    int rc = rn_picture_read(&w->pass->data->source, file, w->pass->flags, NULL,
                             NULL, &picture, &ready->kind, err);

    if (rc)
        return rc;
    rc = prepare(w->pass, &picture, ready, &why);
    rn_image_free(&picture);
    return rc ? rn_fail(err, rc, "'%s': %.300s", file, why.msg) : RN_OK;
}

static int count_images(const struct whole *w)
{
    return w->pass->data->part[w->pass->part].count;
}

static int begin(void *user, int at, long fill)
{
    struct whole *w = user;
    int first = (int)fill * w->pictures, left = count_images(w) - first;

    w->slot[at].first = first;
    return left < w->pictures ? left : w->pictures;
}

static void make_ready(void *user, int at, int i, int thread)
{
    struct whole *w = user;
    struct ready *ready = &w->slot[at].ready[i];

    (void)thread;
    ready->rc = load(w, w->slot[at].first + i, ready, &ready->err);
}

static int start(struct whole *w, struct rn_error *err)
{
    int loaders = w->pass->loaders, ahead = RN_RING_SLOTS - 1;
    struct rn_ring_config ring = {
        .user = w, .chunk = 1, .begin = begin, .make = make_ready};

    w->pictures = (loaders + ahead - 1) / ahead;
    if (w->pictures > MOST_PICTURES)
        w->pictures = MOST_PICTURES;
    ring.threads =
        loaders < ahead * w->pictures ? loaders : ahead * w->pictures;
    ring.fills = (count_images(w) + w->pictures - 1) / w->pictures;
    return rn_ring_create(&w->ring, &ring, err);
}

/* -------------------------------------------------------------- the pass */

static int run_picture(struct whole *w, int index, const struct ready *ready,
                       struct rn_error *err)
{
    const struct rn_whole_pass *pass = w->pass;
    int classes = pass->model->spec.classes;
    struct rn_error why = {0};
    struct rn_plan *plan = NULL;
    int rc;

    rn_picture_remark(&pass->data->source, file_of(w, index), &ready->kind);
    if (ready->rc)
        return rn_fail(err, ready->rc, "%s", ready->err.msg);
    rc = plan_for(w, ready->shape, &plan, &why);
    if (!rc)
        rc = rn_plan_forward(plan, ready->images, w->logits, &why);
    if (rc)
        return rn_fail(err, rc, "'%s': %.300s", file_of(w, index), why.msg);
    rn_logits(pass->model->graph->kind, w->logits, 2 * (size_t)classes);
    rn_average_begin(w->average, (size_t)classes);
    for (int i = 0; i < 2; i++)
        rn_average_add(w->average, w->logits + i * classes, classes);
    return RN_OK;
}

static int run(struct whole *w, const struct rn_eval_sink *sink,
               struct rn_error *err)
{
    const struct rn_whole_pass *pass = w->pass;
    const struct rn_images *images = &pass->data->part[pass->part];
    int rc = RN_OK, at = 0;

    for (int i = 0; rc == RN_OK && i < images->count; i++) {
        if (i % w->pictures == 0)
            at = rn_ring_next(w->ring, NULL);
        rc = run_picture(w, i, &w->slot[at].ready[i % w->pictures], err);
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
             ? start(&w, err)
             : rn_fail_memory(err, 3 * classes * sizeof(float), "answers");
    if (rc == RN_OK)
        rc = run(&w, sink, err);
    rn_ring_destroy(w.ring);
    for (int i = 0; i < RN_RING_SLOTS; i++)
        for (int j = 0; j < MOST_PICTURES; j++)
            rn_free(w.slot[i].ready[j].images);
    for (int i = 0; i < PLANS; i++)
        drop(&w.sized[i]);
    rn_free(w.logits);
    rn_free(w.average);
    return rc;
}
