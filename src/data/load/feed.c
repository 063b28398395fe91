/* SPDX-License-Identifier: BSD-2-Clause */
/* Pictures made ready for a network ahead of time, handed out one by one. */
#include "core/memory.h"
#include "core/option.h"
#include "core/ring.h"
#include "core/threads.h"
#include "data/sets/pictures.h"
#include "model/model.h"

#include <string.h>

/* A picture, and what is wrong with it. */
struct item {
    const struct rn_pictures *pictures;
    size_t i; /* of them */
    struct rn_picture_kind kind;
    int rc;
    struct rn_error err;
};

struct slot {
    struct item *item; /* [batch] */
    float *images;     /* [batch][floats] */
    size_t count;
};

struct rn_feed {
    const struct rn_model *model;  /* held */
    struct rn_pictures **pictures; /* held, each */
    size_t count, total;           /* of them; of the pictures in them */
    size_t batch, floats;
    int crops, flags;
    struct rn_ring *ring;
    struct slot slot[RN_RING_SLOTS];
    size_t of, i; /* the next picture to be begun */
    struct slot *at;
    size_t taken; /* pictures of it that the caller has */
};

/* ---------------------------------------------------- the ring's threads */

static int begin(void *user, int at, long fill)
{
    struct rn_feed *f = user;
    struct slot *slot = &f->slot[at];

    (void)fill;
    for (slot->count = 0; slot->count < f->batch; slot->count++) {
        while (f->of < f->count && f->i == f->pictures[f->of]->count) {
            f->of++;
            f->i = 0;
        }
        if (f->of == f->count)
            break;
        slot->item[slot->count].pictures = f->pictures[f->of];
        slot->item[slot->count].i = f->i++;
    }
    return (int)slot->count;
}

static int prepare(const struct rn_feed *f, struct item *item, float *images,
                   struct rn_error *err)
{
    struct rn_image picture = {0, 0, NULL};
    const char *path;
    int rc = rn_pictures_get(item->pictures, item->i, &path, err);

    item->kind = (struct rn_picture_kind){.flags = 0};
    if (!rc)
        rc = rn_picture_read(&item->pictures->source, path, f->flags, NULL,
                             NULL, &picture, &item->kind, err);
    if (!rc)
        rc = f->crops > 1
                 ? rn_model_preprocess_crops(f->model, &picture, images, err)
                 : rn_model_preprocess_image(f->model, &picture, images, err);
    rn_image_free(&picture);
    return rc;
}

static void make(void *user, int at, int j, int thread)
{
    const struct rn_feed *f = user;
    const struct slot *slot = &f->slot[at];
    struct item *item = &slot->item[j];

    (void)thread;
    item->rc =
        prepare(f, item, slot->images + (size_t)j * f->floats, &item->err);
}

/* ------------------------------------------------------------- the caller */

static int check(const struct rn_model *model, int batch, int crops,
                 int threads, struct rn_error *err)
{
    if (!model->preprocessing.mean)
        return rn_fail(err, RN_ERR_ARG,
                       "the model does not say how its images are prepared");
    if (batch < 1 || batch > RN_BATCH_MOST)
        return rn_fail(err, RN_ERR_ARG, "`batch` is %d, but must be 1 to %d",
                       batch, RN_BATCH_MOST);
    if (crops != 1 && crops != 10)
        return rn_fail(err, RN_ERR_ARG, "`crops` is %d, but must be 1 or 10",
                       crops);
    if (threads < 0 || threads > RN_THREADS_MAX)
        return rn_fail(err, RN_ERR_ARG, "`threads` is %d, but must be 0 to %d",
                       threads, RN_THREADS_MAX);
    return RN_OK;
}

static int hold(struct rn_feed *f, struct rn_pictures *const *pictures,
                size_t count, struct rn_error *err)
{
    f->pictures = rn_alloc(count, sizeof(*f->pictures));
    if (!f->pictures)
        return rn_fail_memory(err, count * sizeof(*f->pictures),
                              "a list of pictures");
    for (; f->count < count; f->count++) {
        f->pictures[f->count] = pictures[f->count];
        rn_holders_add(&f->pictures[f->count]->holders);
        f->total += f->pictures[f->count]->count;
    }
    return RN_OK;
}

static int allocate(struct rn_feed *f, struct rn_error *err)
{
    size_t floats;

    if (f->batch > f->total)
        f->batch = f->total;
    f->floats = (size_t)f->crops * rn_shape_size(f->model->spec.input);
    if (!rn_size_mul(f->batch, f->floats, &floats))
        floats = SIZE_MAX; /* fails below */
    for (int i = 0; i < RN_RING_SLOTS; i++) {
        struct slot *slot = &f->slot[i];

        slot->item = rn_alloc(f->batch, sizeof(*slot->item));
        slot->images = rn_alloc(floats, sizeof(*slot->images));
        if (!slot->item || !slot->images)
            return rn_fail_memory(err, floats, "pictures ahead");
    }
    return RN_OK;
}

static int start(struct rn_feed *f, int threads, struct rn_error *err)
{
    size_t ahead = (RN_RING_SLOTS - 1) * f->batch;
    struct rn_ring_config ring = {.user = f,
                                  .threads = threads,
                                  .chunk = 1,
                                  .begin = begin,
                                  .make = make};
    struct rn_machine machine;

    if (!f->total)
        return RN_OK;
    ring.fills = (long)((f->total + f->batch - 1) / f->batch);
    if (!threads) {
        rn_machine_get(&machine);
        ring.threads = machine.threads;
    }
    if (ahead > f->total)
        ahead = f->total;
    if ((size_t)ring.threads > ahead)
        ring.threads = (int)ahead;
    return rn_ring_create(&f->ring, &ring, err);
}

int rn_feed_create(struct rn_feed **out, const struct rn_model *model,
                   struct rn_pictures *const *pictures, size_t count, int batch,
                   int crops, int flags, int threads, struct rn_error *err)
{
    struct rn_feed *f;
    int rc;

    *out = NULL;
    rc = check(model, batch, crops, threads, err);
    if (rc)
        return rc;
    f = rn_alloc(1, sizeof(*f));
    if (!f)
        return rn_fail_memory(err, sizeof(*f), "pictures ahead");
    f->model = rn_model_hold(model);
    f->batch = (size_t)batch;
    f->crops = crops;
    f->flags = flags;
    rc = hold(f, pictures, count, err);
    if (!rc)
        rc = allocate(f, err);
    if (!rc)
        rc = start(f, threads, err);
    if (rc)
        rn_feed_destroy(f);
    else
        *out = f;
    return rc;
}

int rn_feed_next(struct rn_feed *f, float *images, struct rn_error *err)
{
    const struct item *item;

    if (f->ring && !rn_ring_is_here(f->ring))
        return rn_fail(err, RN_ERR_ARG,
                       "the threads that read pictures ahead are not there in "
                       "the child of a fork()");
    if (!f->at || f->taken == f->at->count) {
        int at = f->ring ? rn_ring_next(f->ring, NULL) : -1;

        if (at < 0)
            return rn_fail(err, RN_ERR_ARG, "all %zu pictures have been taken",
                           f->total);
        f->at = &f->slot[at];
        f->taken = 0;
    }
    item = &f->at->item[f->taken];
    rn_picture_remark(&item->pictures->source,
                      item->pictures->file[item->i].path, &item->kind);
    if (!item->rc)
        memcpy(images, f->at->images + f->taken * f->floats,
               f->floats * sizeof(*images));
    f->taken++;
    return item->rc ? rn_fail(err, item->rc, "%s", item->err.msg) : RN_OK;
}

void rn_feed_destroy(struct rn_feed *f)
{
    if (!f)
        return;
    rn_ring_destroy(f->ring);
    for (int i = 0; i < RN_RING_SLOTS; i++) {
        rn_free(f->slot[i].item);
        rn_free(f->slot[i].images);
    }
    for (size_t i = 0; i < f->count; i++)
        rn_pictures_destroy(f->pictures[i]);
    rn_free(f->pictures);
    rn_model_drop(f->model);
    rn_free(f);
}
