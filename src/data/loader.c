/* SPDX-License-Identifier: BSD-2-Clause */
/* Batches made ahead of time: one thread fills a ring of SLOTS batches, the
 * caller takes them in order. What a batch holds is a function of the
 * configuration and its iteration alone. */
#include "data/data.h"

#include "core/memory.h"
#include "core/threads.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#define SLOTS 4

struct slot {
    float *images;   /* [batch][c][h][w] */
    int32_t *labels; /* [batch] */
    int count;
    uint32_t epoch;
};

struct rn_loader {
    struct rn_loader_config config;
    float *mean, *std; /* config's copies */
    struct rn_order order;
    struct slot slot[SLOTS];
    pthread_t thread;
    bool running;

    pthread_mutex_t mutex; /* over the rest */
    pthread_cond_t filled, freed;
    long made, taken; /* iterations from config.first on */
    bool holding;     /* the caller still has the batch before `taken` */
    bool stop;
};

static size_t image_size(const struct rn_loader_config *config)
{
    const struct rn_shape *s = &config->data->shape;

    return (size_t)s->c * (size_t)s->h * (size_t)s->w;
}

/* ----------------------------------------------------- the loader's thread */

static void fill(struct rn_loader *l, struct slot *slot, long iteration)
{
    const struct rn_loader_config *config = &l->config;
    const uint16_t *labels = config->data->part[config->part].labels;
    size_t size = image_size(config);

    slot->count = rn_sampler_size(&config->sampler, iteration);
    for (int j = 0; j < slot->count; j++) {
        struct rn_pick pick =
            rn_sampler_pick(&config->sampler, &l->order, iteration, j);

        if (j == 0)
            slot->epoch = pick.epoch;
        slot->labels[j] = labels[pick.index];
        rn_image_prepare(config, pick, slot->images + (size_t)j * size);
    }
}

/* Wait for a free slot; false when it is time to end. */
static bool wait_free(struct rn_loader *l)
{
    bool go;

    pthread_mutex_lock(&l->mutex);
    while (!l->stop && l->made - l->taken + l->holding >= SLOTS)
        pthread_cond_wait(&l->freed, &l->mutex);
    go = !l->stop;
    pthread_mutex_unlock(&l->mutex);
    return go;
}

static void *run(void *argument)
{
    struct rn_loader *l = argument;
    long count = l->config.end - l->config.first;

    for (long i = 0; i < count && wait_free(l); i++) {
        fill(l, &l->slot[i % SLOTS], l->config.first + i);
        pthread_mutex_lock(&l->mutex);
        l->made++;
        pthread_cond_signal(&l->filled);
        pthread_mutex_unlock(&l->mutex);
    }
    return NULL;
}

/* Signals are for the program's own threads. */
static int start(struct rn_loader *l, struct rn_error *err)
{
    sigset_t all, before;
    int code;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    code = pthread_create(&l->thread, NULL, run, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code)
        return rn_fail(err, RN_ERR_MEMORY, "cannot start the loader: %s",
                       strerror(code));
    l->running = true;
    return RN_OK;
}

/* ------------------------------------------------------------- the caller */

static int check(const struct rn_loader_config *config, struct rn_error *err)
{
    const struct rn_sampler *s = &config->sampler;
    int count = config->data->part[config->part].count;

    if (s->count < 1 || s->count > count)
        return rn_fail(err, RN_ERR_ARG,
                       "the %s part of '%s' has %d images, cannot load %d",
                       rn_part_name(config->part), config->data->spec, count,
                       s->count);
    if (s->batch < 1 || (s->last == RN_LAST_DROP && s->batch > s->count))
        return rn_fail(err, RN_ERR_ARG,
                       "cannot make batches of %d from the %d %s images of "
                       "'%s'",
                       s->batch, s->count, rn_part_name(config->part),
                       config->data->spec);
    if (config->first < 0 || config->end < config->first)
        return rn_fail(err, RN_ERR_ARG, "cannot load iterations %ld to %ld",
                       config->first, config->end);
    if (config->augment.crop &&
        (config->augment.pad < 0 || config->augment.pad > 1 << 16))
        return rn_fail(err, RN_ERR_ARG,
                       "cannot pad images by %d pixels, expected 0 to %d",
                       config->augment.pad, 1 << 16);
    return RN_OK;
}

/* A copy of n floats, NULL when memory is short. */
static float *copy(const float *from, size_t n)
{
    float *to = rn_alloc(n, sizeof *to);

    if (to)
        memcpy(to, from, n * sizeof *to);
    return to;
}

static int allocate(struct rn_loader *l, struct rn_error *err)
{
    struct rn_loader_config *config = &l->config;
    size_t channels = (size_t)config->data->shape.c;
    size_t batch = (size_t)config->sampler.batch, floats;

    if (!rn_size_mul(batch, image_size(config), &floats))
        floats = SIZE_MAX; /* fails below */
    l->mean =
        copy(config->mean, config->per_pixel ? image_size(config) : channels);
    l->std = copy(config->std, channels);
    if (!l->mean || !l->std)
        return rn_fail_memory(err, image_size(config) * sizeof(float),
                              "the normalisation");
    config->mean = l->mean;
    config->std = l->std;
    for (int i = 0; i < SLOTS; i++) {
        l->slot[i].images = rn_alloc(floats, sizeof(float));
        l->slot[i].labels = rn_alloc(batch, sizeof(int32_t));
        if (!l->slot[i].images || !l->slot[i].labels)
            return rn_fail_memory(err, floats, "batches of images");
    }
    return rn_order_create(&l->order, &config->sampler, err);
}

int rn_loader_create(struct rn_loader **out,
                     const struct rn_loader_config *config,
                     struct rn_error *err)
{
    struct rn_loader *l;
    int rc;

    *out = NULL;
    rc = check(config, err);
    if (rc)
        return rc;
    l = rn_alloc(1, sizeof *l);
    if (!l)
        return rn_fail_memory(err, sizeof *l, "the loader");
    l->config = *config;
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->filled, NULL);
    pthread_cond_init(&l->freed, NULL);
    rc = allocate(l, err);
    if (!rc)
        rc = start(l, err);
    if (rc) {
        rn_loader_destroy(l);
        l = NULL;
    }
    *out = l;
    return rc;
}

/* Wait, mutex held, until the next batch is there. */
static double wait_filled(struct rn_loader *l)
{
    double start_time;

    if (l->made > l->taken)
        return 0;
    start_time = rn_now();
    while (l->made <= l->taken)
        pthread_cond_wait(&l->filled, &l->mutex);
    return rn_now() - start_time;
}

int rn_loader_next(struct rn_loader *l, struct rn_batch *batch, double *waited,
                   struct rn_error *err)
{
    long first = l->config.first, end = l->config.end;
    const struct slot *slot;
    double seconds;

    pthread_mutex_lock(&l->mutex);
    if (l->holding) {
        l->holding = false;
        pthread_cond_signal(&l->freed);
    }
    if (l->taken == end - first) {
        pthread_mutex_unlock(&l->mutex);
        return rn_fail(err, RN_ERR_ARG,
                       "the loader is at its end, iteration %ld", end);
    }
    seconds = wait_filled(l);
    slot = &l->slot[l->taken % SLOTS];
    *batch = (struct rn_batch){first + l->taken, slot->count, slot->epoch,
                               slot->images, slot->labels};
    l->taken++;
    l->holding = true;
    pthread_mutex_unlock(&l->mutex);
    if (waited)
        *waited += seconds;
    return RN_OK;
}

void rn_loader_destroy(struct rn_loader *l)
{
    if (!l)
        return;
    if (l->running) {
        pthread_mutex_lock(&l->mutex);
        l->stop = true;
        pthread_cond_signal(&l->freed);
        pthread_mutex_unlock(&l->mutex);
        pthread_join(l->thread, NULL);
    }
    pthread_cond_destroy(&l->filled);
    pthread_cond_destroy(&l->freed);
    pthread_mutex_destroy(&l->mutex);
    for (int i = 0; i < SLOTS; i++) {
        rn_free(l->slot[i].images);
        rn_free(l->slot[i].labels);
    }
    rn_order_destroy(&l->order);
    rn_free(l->mean);
    rn_free(l->std);
    rn_free(l);
}
