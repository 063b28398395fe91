/* SPDX-License-Identifier: BSD-2-Clause */
/* Batches made ahead of time, in the slots of a ring. What a batch holds is a
 * function of the configuration and its iteration alone, whichever thread makes
 * which image. */
#include "data/load/augment.h"

#include "core/memory.h"
#include "core/random.h"
#include "core/ring.h"

#include <pthread.h>
#include <string.h>

struct slot {
    float *images;        /* [batch][crops][c][h][w] */
    int32_t *labels;      /* [batch] */
    int32_t *others;      /* [batch], with share, when images are mixed */
    float *share;         /* [batch] */
    float *wanted;        /* [batch][classes], or NULL */
    struct rn_pick *pick; /* [batch] */
    int count;
    int wrong; /* first image that could not be fetched, or count */
    struct rn_error err;
};

/* A thread's own. */
struct scratch {
    uint8_t *pixels; /* an image fetched, or whose colours change */
    float *other;    /* an image to be mixed in */
};

struct rn_loader {
    struct rn_loader_config config;
    float *mean, *std, *whitening; /* config's copies */
    struct rn_order order;
    struct slot slot[RN_RING_SLOTS];
    size_t image; /* floats of one crop */
    size_t crops; /* of one image */
    int threads;
    struct scratch *scratch; /* [threads] */
    struct rn_ring *ring;
    long taken; /* batches the caller took */

    pthread_mutex_t mutex; /* over the rest, and a slot's wrong and err */
    /* Images that others stood in for: */
    bool *is_bad;   /* [images of the part], or NULL */
    char **skipped; /* what is wrong with them */
    size_t n_skipped, skipped_room;
};

/* ---------------------------------------------------- the ring's threads */

/* The iteration of the loader's i-th batch. */
static long iteration_of(const struct rn_loader *l, long i)
{
    return l->config.first + i * l->config.every;
}

/* Which images a batch has. */
static int begin(void *user, int at, long fill)
{
    struct rn_loader *l = user;
    long iteration = iteration_of(l, fill);
    struct slot *slot = &l->slot[at];
    int first;

    slot->count =
        rn_sampler_size(&l->config.sampler, iteration) / l->config.shares;
    first = l->config.share * slot->count;
    for (int j = 0; j < slot->count; j++)
        slot->pick[j] = rn_sampler_pick(&l->config.sampler, &l->order,
                                        iteration, first + j);
    slot->wrong = slot->count;
    return slot->count;
}

/* Add the share that image `pick` has in what each class is to be. */
static void add_wanted(const struct rn_loader_config *config,
                       struct rn_pick pick, float share, float *wanted)
{
    const uint16_t *classes;
    int count =
        rn_data_set(config->data, config->part, (int)pick.index, &classes);

    for (int i = 0; i < count; i++)
        wanted[classes[i]] += share;
}

static int32_t label_of(const struct rn_loader_config *config,
                        struct rn_pick pick)
{
    int label = config->data->part[config->part].labels[pick.index];

    return config->labels ? config->labels[label] : label;
}

/* The pixels of an image; those in memory are copied only to be changed. */
static int get_pixels(const struct rn_loader_config *config,
                      struct rn_pick pick, uint8_t *scratch,
                      const uint8_t **pixels, struct rn_error *err)
{
    const struct rn_shape *s = rn_loader_shape(config);
    size_t image = rn_shape_size(*s);
    struct rn_view view = config->view;

    *pixels = scratch;
    if (config->data->fetch) {
        view.random.seed = config->sampler.seed;
        view.random.epoch = pick.epoch;
        view.random.index = pick.index;
        return config->data->fetch(config->data, config->part, pick.index,
                                   &view, scratch, err);
    }
    *pixels = config->data->part[config->part].pixels + pick.index * image;
    if (config->augment.colour != RN_COLOUR_NONE)
        *pixels = memcpy(scratch, *pixels, image);
    return RN_OK;
}

static int make_one(const struct rn_loader_config *config, struct rn_pick pick,
                    uint8_t *scratch, float *out, struct rn_error *err)
{
    const struct rn_shape *s = rn_loader_shape(config);
    size_t image = rn_shape_size(*s);
    size_t crops = (size_t)rn_loader_crops(config);
    const uint8_t *pixels;
    int rc = get_pixels(config, pick, scratch, &pixels, err);

    if (rc)
        return rc;
    if (config->augment.colour != RN_COLOUR_NONE)
        rn_colour_change(config, pick, scratch);
    for (size_t i = 0; i < crops; i++)
        rn_image_augment(config, pick, pixels + i * image, out + i * image);
    if (config->augment.erase > 0)
        rn_erase(config, pick, out);
    return RN_OK;
}

/* Tell of a bad image once; without memory for it, not at all. */
static void note_skipped(struct rn_loader *l, struct rn_pick pick,
                         const struct rn_error *err)
{
    pthread_mutex_lock(&l->mutex);
    if (!l->is_bad[pick.index] &&
        rn_grow(&l->skipped, &l->skipped_room, l->n_skipped,
                sizeof(*l->skipped)) &&
        (l->skipped[l->n_skipped] = rn_strdup(err->msg)) != NULL)
        l->n_skipped++;
    l->is_bad[pick.index] = true;
    pthread_mutex_unlock(&l->mutex);
}

/* As many images in a row are not all bad by chance. */
#define SKIP_TRIES 64

/* An image, or with skip_bad the one that stands in for it, a function of
 * seed, epoch and index, too: *pick is which. */
static int make_any(struct rn_loader *l, struct rn_pick *pick, uint8_t *scratch,
                    float *out, struct rn_error *err)
{
    const struct rn_random_key key = {l->config.sampler.seed, RN_RANDOM_SKIP,
                                      pick->epoch};
    uint64_t asked = pick->index;
    int rc = make_one(&l->config, *pick, scratch, out, err);

    for (uint64_t i = 0; rc && l->config.skip_bad && i < SKIP_TRIES; i++) {
        uint32_t bits[4];

        note_skipped(l, *pick, err);
        rn_random4(&key, asked << 8 | i, bits);
        pick->index =
            rn_random_below(bits[0], (uint32_t)l->config.sampler.count);
        rc = make_one(&l->config, *pick, scratch, out, err);
    }
    return rc;
}

/* Where what image j is to be goes: zeros yet. */
static float *clear_wanted(const struct rn_loader *l, const struct slot *slot,
                           int j)
{
    size_t classes = (size_t)l->config.data->classes;
    float *wanted = slot->wanted + (size_t)j * classes;

    memset(wanted, 0, classes * sizeof(*wanted));
    return wanted;
}

/* Image j of a slot, mixed with another one if need be. */
static int make_image(struct rn_loader *l, struct slot *slot, int j,
                      const struct scratch *scratch, struct rn_error *err)
{
    float *out = slot->images + (size_t)j * l->crops * l->image;
    struct rn_pick pick = slot->pick[j];
    struct rn_mix mix;
    int rc = make_any(l, &pick, scratch->pixels, out, err);

    slot->labels[j] = label_of(&l->config, pick);
    if (!rc && slot->wanted && !slot->share)
        add_wanted(&l->config, pick, 1, clear_wanted(l, slot, j));
    if (rc || !slot->share)
        return rc;
    rn_mix_draw(&l->config, slot->pick[j], &mix);
    rc = make_any(l, &mix.other, scratch->pixels, scratch->other, err);
    if (rc)
        return rc;
    rn_mix_apply(&l->config, &mix, scratch->other, out);
    slot->others[j] = label_of(&l->config, mix.other);
    slot->share[j] = mix.share;
    if (slot->wanted) {
        float *wanted = clear_wanted(l, slot, j);

        add_wanted(&l->config, pick, mix.share, wanted);
        add_wanted(&l->config, mix.other, 1 - mix.share, wanted);
    }
    return RN_OK;
}

/* Of several images that fail the first in the batch is told. */
static void note_failure(struct rn_loader *l, struct slot *slot, int j,
                         const struct rn_error *err)
{
    pthread_mutex_lock(&l->mutex);
    if (j < slot->wrong) {
        slot->wrong = j;
        slot->err = *err;
    }
    pthread_mutex_unlock(&l->mutex);
}

static void make(void *user, int at, int j, int thread)
{
    struct rn_loader *l = user;
    struct slot *slot = &l->slot[at];
    struct rn_error err = {0};

    if (make_image(l, slot, j, &l->scratch[thread], &err))
        note_failure(l, slot, j, &err);
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
    if (config->shares > 0 && s->batch % config->shares)
        return rn_fail(err, RN_ERR_ARG,
                       "batches of %d cannot be cut into %d shares", s->batch,
                       config->shares);
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
    float *to = rn_alloc(n, sizeof(*to));

    if (to)
        memcpy(to, from, n * sizeof(*to));
    return to;
}

static int allocate(struct rn_loader *l, struct rn_error *err)
{
    struct rn_loader_config *config = &l->config;
    size_t channels = (size_t)rn_loader_shape(config)->c;

    l->mean = copy(config->mean, config->per_pixel ? l->image : channels);
    l->std = copy(config->std, channels);
    if (!l->mean || !l->std)
        return rn_fail_memory(err, l->image * sizeof(float),
                              "the normalisation");
    config->mean = l->mean;
    config->std = l->std;
    if (config->whitening) {
        l->whitening = copy(config->whitening, rn_whitening_count(l->image));
        if (!l->whitening)
            return rn_fail_memory(err,
                                  rn_whitening_count(l->image) * sizeof(float),
                                  "the whitening");
        config->whitening = l->whitening;
    }
    return rn_order_create(&l->order, &config->sampler, err);
}

/* Images of a batch, or of the loader's share of it. */
static size_t batch_of(const struct rn_loader_config *config)
{
    return (size_t)(config->sampler.batch / config->shares);
}

static int allocate_slots(struct rn_loader *l, struct rn_error *err)
{
    size_t batch = batch_of(&l->config), floats;

    if (!rn_size_mul(batch, l->crops * l->image, &floats))
        floats = SIZE_MAX; /* fails below */
    for (int i = 0; i < RN_RING_SLOTS; i++) {
        struct slot *slot = &l->slot[i];

        slot->images = rn_alloc(floats, sizeof(float));
        slot->labels = rn_alloc(batch, sizeof(int32_t));
        slot->pick = rn_alloc(batch, sizeof(struct rn_pick));
        if (!slot->images || !slot->labels || !slot->pick)
            return rn_fail_memory(err, floats, "batches of images");
    }
    return RN_OK;
}

/* What mixing and skipping need beside. */
static int allocate_extras(struct rn_loader *l, struct rn_error *err)
{
    const struct rn_loader_config *config = &l->config;
    size_t batch = batch_of(config);
    bool mixes = rn_mixes(&config->augment);

    for (int i = 0; i < RN_RING_SLOTS && mixes; i++) {
        l->slot[i].others = rn_alloc(batch, sizeof(int32_t));
        l->slot[i].share = rn_alloc(batch, sizeof(float));
        if (!l->slot[i].others || !l->slot[i].share)
            return rn_fail_memory(err, batch * sizeof(float), "labels");
    }
    for (int i = 0; i < RN_RING_SLOTS && config->sets; i++) {
        size_t classes = (size_t)config->data->classes;

        l->slot[i].wanted = rn_alloc(batch * classes, sizeof(float));
        if (!l->slot[i].wanted)
            return rn_fail_memory(err, batch * classes * sizeof(float),
                                  "labels");
    }
    l->scratch = rn_alloc((size_t)l->threads, sizeof(*l->scratch));
    if (!l->scratch)
        return rn_fail_memory(err, (size_t)l->threads, "threads");
    for (int i = 0; i < l->threads; i++) {
        l->scratch[i].pixels = rn_alloc(l->crops, l->image);
        l->scratch[i].other = mixes ? rn_alloc(l->image, sizeof(float)) : NULL;
        if (!l->scratch[i].pixels || (mixes && !l->scratch[i].other))
            return rn_fail_memory(err, l->crops * l->image, "an image");
    }
    if (config->skip_bad) {
        l->is_bad = rn_alloc((size_t)config->data->part[config->part].count,
                             sizeof(*l->is_bad));
        if (!l->is_bad)
            return rn_fail_memory(err, batch, "bad images");
    }
    return RN_OK;
}

static void configure(struct rn_loader *l,
                      const struct rn_loader_config *config)
{
    const struct rn_shape *s = rn_loader_shape(config);

    l->config = *config;
    if (!config->every)
        l->config.every = 1;
    if (!config->shares)
        l->config.shares = 1;
    l->image = rn_shape_size(*s);
    l->crops = (size_t)rn_loader_crops(config);
    l->threads =
        config->data->fetch && config->threads > 1 ? config->threads : 1;
}

/* Images in memory take microseconds: a thread that makes whole batches is
 * enough for them. */
static int start(struct rn_loader *l, struct rn_error *err)
{
    long batches = l->config.end - l->config.first;
    const struct rn_ring_config ring = {
        .user = l,
        .fills = batches / l->config.every + (batches % l->config.every != 0),
        .threads = l->threads,
        .chunk = l->config.data->fetch ? 1 : (int)batch_of(&l->config),
        .begin = begin,
        .make = make,
    };

    return rn_ring_create(&l->ring, &ring, err);
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
    l = rn_alloc(1, sizeof(*l));
    if (!l)
        return rn_fail_memory(err, sizeof(*l), "the loader");
    configure(l, config);
    pthread_mutex_init(&l->mutex, NULL);
    rc = allocate(l, err);
    if (!rc)
        rc = allocate_slots(l, err);
    if (!rc)
        rc = allocate_extras(l, err);
    if (!rc)
        rc = start(l, err);
    if (rc) {
        rn_loader_destroy(l);
        l = NULL;
    }
    *out = l;
    return rc;
}

static int hand_out(const struct slot *slot, long iteration,
                    struct rn_batch *batch, struct rn_error *err)
{
    *batch = (struct rn_batch){.iteration = iteration,
                               .count = slot->count,
                               .images = slot->images,
                               .labels = slot->labels,
                               .others = slot->others,
                               .share = slot->share,
                               .wanted = slot->wanted};
    if (slot->count)
        batch->epoch = slot->pick[0].epoch;
    if (slot->wrong < slot->count)
        return rn_fail(err, slot->err.code, "%s", slot->err.msg);
    return RN_OK;
}

int rn_loader_next(struct rn_loader *l, struct rn_batch *batch, double *waited,
                   struct rn_error *err)
{
    int slot = rn_ring_next(l->ring, waited);

    if (slot < 0)
        return rn_fail(err, RN_ERR_ARG,
                       "the loader is at its end, iteration %ld",
                       l->config.end);
    return hand_out(&l->slot[slot], iteration_of(l, l->taken++), batch, err);
}

const char *rn_loader_skipped(struct rn_loader *l, size_t i)
{
    const char *text;

    pthread_mutex_lock(&l->mutex);
    text = i < l->n_skipped ? l->skipped[i] : NULL;
    pthread_mutex_unlock(&l->mutex);
    return text;
}

void rn_loader_destroy(struct rn_loader *l)
{
    if (!l)
        return;
    rn_ring_destroy(l->ring);
    pthread_mutex_destroy(&l->mutex);
    for (int i = 0; i < RN_RING_SLOTS; i++) {
        rn_free(l->slot[i].images);
        rn_free(l->slot[i].labels);
        rn_free(l->slot[i].others);
        rn_free(l->slot[i].share);
        rn_free(l->slot[i].wanted);
        rn_free(l->slot[i].pick);
    }
    for (int i = 0; l->scratch && i < l->threads; i++) {
        rn_free(l->scratch[i].pixels);
        rn_free(l->scratch[i].other);
    }
    rn_free(l->scratch);
    for (size_t i = 0; i < l->n_skipped; i++)
        rn_free(l->skipped[i]);
    rn_free(l->skipped);
    rn_free(l->is_bad);
    rn_order_destroy(&l->order);
    rn_free(l->mean);
    rn_free(l->std);
    rn_free(l->whitening);
    rn_free(l);
}
