/* SPDX-License-Identifier: BSD-2-Clause */
/* Computes images in batches: workers take requests apart, prepare their images
 * and write the answers; streams compute, a batch of one model at a time. */
#include "serve.h"

#include "../cli.h"
#include "../output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/** Requests one behind the other. */
struct requests {
    struct request *first, *last;
};

struct engine {
    const struct serve_options *options;
    struct slot *slots;
    int n_slots;
    struct metrics *metrics;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t work;  /* for workers */
    pthread_cond_t ripe;  /* for streams */
    struct model *models; /* in use */
    struct requests begun, computed;
    struct image *first, *last;  /* to be prepared */
    int waiting;                 /* images that were submitted */
    int prepared, prepared_most; /* of them; workers go no further ahead */
    int busy;                    /* streams that compute */
    int wide;                    /* one of them does on all threads */
    int closing;

    pthread_t *threads; /* workers, then streams */
    struct stream *streams;
    int n_workers, n_threads;
};

/** What a stream's thread is given. */
struct stream {
    struct engine *engine;
    int index;
    struct image **batch; /* [max_batch] */
};

double serve_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void wait_until(pthread_cond_t *condition, pthread_mutex_t *lock,
                       double until)
{
    struct timespec t = {.tv_sec = (time_t)until};

    t.tv_nsec = (long)((until - floor(until)) * 1e9);
    pthread_cond_timedwait(condition, lock, &t);
}

/* ----------------------------------------------------------------- queues */

static void push_request(struct requests *queue, struct request *r)
{
    r->next = NULL;
    if (queue->last)
        queue->last->next = r;
    else
        queue->first = r;
    queue->last = r;
}

static struct request *pop_request(struct requests *queue)
{
    struct request *r = queue->first;

    if (!r)
        return NULL;
    queue->first = r->next;
    if (!queue->first)
        queue->last = NULL;
    return r;
}

static void push_image(struct image **first, struct image **last,
                       struct image *image)
{
    image->next = NULL;
    if (*last)
        (*last)->next = image;
    else
        *first = image;
    *last = image;
}

static struct image *pop_image(struct image **first, struct image **last)
{
    struct image *image = *first;

    if (!image)
        return NULL;
    *first = image->next;
    if (!*first)
        *last = NULL;
    return image;
}

/* ----------------------------------------------------------------- models */

struct model *engine_model(struct engine *e, const char *name)
{
    struct model *m = NULL;

    pthread_mutex_lock(&e->lock);
    for (int i = 0; i < e->n_slots && !m; i++)
        if (strcmp(e->slots[i].name, name) == 0)
            m = e->slots[i].current;
    if (m)
        m->refs++;
    pthread_mutex_unlock(&e->lock);
    return m;
}

void engine_release(struct engine *e, struct model *m)
{
    int last;

    if (!m)
        return;
    pthread_mutex_lock(&e->lock);
    last = --m->refs == 0;
    for (struct model **at = &e->models; last && *at; at = &(*at)->next)
        if (*at == m) {
            *at = m->next;
            break;
        }
    pthread_mutex_unlock(&e->lock);
    if (last)
        model_destroy(m);
}

void engine_replace(struct engine *e, struct model *m)
{
    struct model *old;

    pthread_mutex_lock(&e->lock);
    old = m->slot->current;
    m->slot->current = m;
    m->next = e->models;
    e->models = m;
    pthread_mutex_unlock(&e->lock);
    engine_release(e, old);
}

int engine_waiting(struct engine *e)
{
    int n;

    pthread_mutex_lock(&e->lock);
    n = e->waiting;
    pthread_mutex_unlock(&e->lock);
    return n;
}

/* ---------------------------------------------------------------- workers */

/* An image is done, well or not; under the lock. */
static void done(struct engine *e, struct image *image)
{
    struct request *r = image->request;

    e->waiting--;
    if (--r->left == 0) {
        push_request(&e->computed, r);
        pthread_cond_signal(&e->work);
    }
}

void engine_begin(struct engine *e, struct request *r)
{
    request_hold(r);
    pthread_mutex_lock(&e->lock);
    push_request(&e->begun, r);
    pthread_cond_signal(&e->work);
    pthread_mutex_unlock(&e->lock);
}

int engine_submit(struct engine *e, struct request *r)
{
    int n = (int)r->count;

    pthread_mutex_lock(&e->lock);
    if (e->waiting + n > e->options->queue) {
        pthread_mutex_unlock(&e->lock);
        return -1;
    }
    request_hold(r);
    e->waiting += n;
    r->model->coming += n;
    r->left = r->count;
    for (size_t i = 0; i < r->count; i++)
        push_image(&e->first, &e->last, &r->images[i]);
    if (n > 1)
        pthread_cond_broadcast(&e->work);
    else
        pthread_cond_signal(&e->work);
    pthread_mutex_unlock(&e->lock);
    return 0;
}

static int fail_memory(struct rn_error *err)
{
    return cli_error(err, RN_ERR_MEMORY, "out of memory");
}

/* Pictures that class maps are painted on have at most so many pixels a side:
 * they are for looking at. */
enum { MAP_SIDE = 1024 };

static int keep_picture(struct image *image, struct rn_image *picture)
{
    int longer =
        picture->width > picture->height ? picture->width : picture->height;
    int width = picture->width, height = picture->height;

    if (longer <= MAP_SIDE) {
        image->picture = *picture;
        *picture = (struct rn_image){0, 0, NULL};
        return RN_OK;
    }
    width = (int)((long)width * MAP_SIDE / longer);
    height = (int)((long)height * MAP_SIDE / longer);
    return rn_image_resize(&image->picture, picture, width ? width : 1,
                           height ? height : 1, RN_BILINEAR, &image->err);
}

static int prepare_picture(const struct engine *e, struct image *image)
{
    const struct request *r = image->request;
    int flags = e->options->run.as_stored ? RN_IMAGE_AS_STORED : 0;
    struct rn_image picture = {0, 0, NULL};
    int rc = rn_image_decode(&picture, image->bytes, image->size, image->name,
                             flags, &image->err);

    if (!rc)
        rc = rn_model_preprocess_image(r->model->net, &picture, image->input,
                                       &image->err);
    if (!rc && r->with_picture)
        rc = keep_picture(image, &picture);
    rn_image_free(&picture);
    return rc;
}

/* Make an image ready to be computed; its error tells where that failed. */
static void prepare(const struct engine *e, struct image *image)
{
    const struct request *r = image->request;
    const struct model *m = r->model;

    if (request_is_late(r)) {
        image->err.code = RN_ERR_STOPPED;
        return;
    }
    image->logits = malloc((size_t)m->info.classes * sizeof(float));
    if (r->with_values)
        image->values = malloc(m->n_values * sizeof(float));
    if (image->bytes)
        image->input = malloc(m->pixels * sizeof(float));
    if (!image->logits || !image->input || (r->with_values && !image->values))
        fail_memory(&image->err);
    else if (image->bytes)
        prepare_picture(e, image);
}

/* Whether a worker may prepare a further image. */
static int may_prepare(const struct engine *e)
{
    return e->first && e->prepared < e->prepared_most;
}

static void prepare_next(struct engine *e)
{
    struct image *image = pop_image(&e->first, &e->last);
    struct model *m = image->request->model;

    e->prepared++;
    pthread_mutex_unlock(&e->lock);
    prepare(e, image);
    image->queued = serve_now();
    pthread_mutex_lock(&e->lock);
    m->coming--;
    if (image->err.code) {
        e->prepared--;
        done(e, image);
        pthread_cond_signal(&e->work);
    } else {
        push_image(&m->first, &m->last, image);
        m->waiting++;
    }
    pthread_cond_signal(&e->ripe); /* it may be the last one waited for */
}

static void run_request(struct engine *e, struct request *r,
                        void (*run)(struct request *r))
{
    pthread_mutex_unlock(&e->lock);
    if (!request_is_late(r))
        run(r);
    request_release(r);
    pthread_mutex_lock(&e->lock);
}

static void *work(void *user)
{
    struct engine *e = user;
    struct request *r;

    pthread_mutex_lock(&e->lock);
    for (;;)
        if ((r = pop_request(&e->computed)))
            run_request(e, r, r->route->finish);
        else if (may_prepare(e))
            prepare_next(e);
        else if ((r = pop_request(&e->begun)))
            run_request(e, r, r->route->begin);
        else if (e->closing && e->waiting == 0)
            break;
        else
            pthread_cond_wait(&e->work, &e->lock);
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

/* ---------------------------------------------------------------- streams */

static int divide_up(int a, int b)
{
    return (a + b - 1) / b;
}

/* The largest batch of at most so many that a plan is for: one in between takes
 * as long as the next larger one. */
static int plan_size(const struct model *m, int most)
{
    size_t i = m->n_sizes - 1;

    while (i > 0 && m->sizes[i] > most)
        i--;
    return m->sizes[i];
}

/* Images for a stream's batch. Streams that have nothing to do leave none of it
 * undone. Of all images that there are half may be computed at once: the others
 * wait, so that no stream rests while answers go out and new requests come, and
 * batches stay small and alike. A stream that took all that waits would get as
 * many back, and whoever comes meanwhile would wait for two long batches. */
static int batch_size(const struct engine *e, const struct model *m)
{
    const struct serve_options *o = e->options;
    int ahead = m->waiting + m->coming;
    int idle = divide_up(ahead, o->streams - e->busy);
    int half = divide_up(ahead + m->computing, 2 * o->streams);

    return plan_size(m, idle < half ? idle : half);
}

/* A model's images are computed when they fill a batch, when no further ones
 * are on their way, or when the first has waited long enough. */
static int is_ripe(const struct engine *e, const struct model *m, double now)
{
    return m->waiting >= batch_size(e, m) || m->coming == 0 ||
           now >= m->first->queued + e->options->max_delay / 1000;
}

/* The model whose first image has waited longest of those that are ripe, or
 * NULL; *until is when the next one is. */
static struct model *find_ripe(const struct engine *e, double *until)
{
    double now = serve_now();
    struct model *best = NULL;

    *until = HUGE_VAL;
    for (struct model *m = e->models; m; m = m->next) {
        if (!m->first)
            continue;
        if (is_ripe(e, m, now)) {
            if (!best || m->first->queued < best->first->queued)
                best = m;
        } else {
            double at = m->first->queued + e->options->max_delay / 1000;

            *until = fmin(*until, at);
        }
    }
    return best;
}

/* Whether an image is all that there is: it may have all threads. */
static int is_alone(const struct engine *e, const struct model *m)
{
    return m->wide && e->busy == 0 && e->waiting == 1;
}

static int take_batch(struct stream *s, struct model *m)
{
    int most = batch_size(s->engine, m), n = 0;

    if (most > m->waiting)
        most = plan_size(m, m->waiting);
    while (n < most)
        s->batch[n++] = pop_image(&m->first, &m->last);
    m->waiting -= n;
    m->computing += n;
    s->engine->prepared -= n;
    pthread_cond_broadcast(&s->engine->work);
    return n;
}

/* Leave out those whose requests have been answered by their deadline. */
static int leave_out_late(struct image **batch, int n, struct image **late)
{
    int left = 0, out = 0;

    for (int i = 0; i < n; i++)
        if (request_is_late(batch[i]->request))
            late[out++] = batch[i];
        else
            batch[left++] = batch[i];
    for (int i = 0; i < out; i++)
        late[i]->err.code = RN_ERR_STOPPED;
    return left;
}

static void hand_back(const struct model *m, const struct lane *lane,
                      struct image **batch, int n, const struct rn_error *err)
{
    size_t classes = (size_t)m->info.classes;

    for (int i = 0; i < n; i++) {
        struct image *image = batch[i];

        if (err->code) {
            image->err = *err;
            continue;
        }
        memcpy(image->logits, lane->logits + (size_t)i * classes,
               classes * sizeof(float));
        if (image->values)
            memcpy(image->values, lane->values + (size_t)i * m->n_values,
                   m->n_values * sizeof(float));
    }
}

static int wants_values(struct image *const *batch, int n)
{
    for (int i = 0; i < n; i++)
        if (batch[i]->values)
            return 1;
    return 0;
}

static void compute(const struct stream *s, struct model *m,
                    struct image **batch, int n, int wide)
{
    struct lane *lane = &m->lanes[s->index];
    struct rn_plan *plan;
    struct rn_error err = {0};
    double begun = serve_now();
    size_t i = 0;

    for (int k = 0; k < n; k++) {
        memcpy(lane->images + (size_t)k * m->pixels, batch[k]->input,
               m->pixels * sizeof(float));
        free(batch[k]->input);
        batch[k]->input = NULL;
    }
    while (m->sizes[i] < n)
        i++;
    plan = wide ? m->wide : lane->plans[i];
    if (m->sizes[i] == n)
        rn_plan_forward(plan, lane->images, lane->logits, &err);
    else
        rn_plan_forward_some(plan, lane->images, n, lane->logits, &err);
    if (!err.code && wants_values(batch, n))
        rn_plan_values(plan, lane->values);
    hand_back(m, lane, batch, n, &err);
    metrics_batch(s->engine->metrics, &m->slot->metrics, n, err.code != RN_OK,
                  serve_now() - begun);
}

static void run_batch(struct stream *s, struct model *m)
{
    struct engine *e = s->engine;
    struct image **late = s->batch + e->options->max_batch;
    int wide = is_alone(e, m), n = take_batch(s, m), left;

    e->busy++;
    e->wide = wide;
    if (m->first)
        pthread_cond_signal(&e->ripe); /* for the next stream */
    m->refs++; /* its last request may go while it is looked at */
    pthread_mutex_unlock(&e->lock);
    left = leave_out_late(s->batch, n, late);
    if (left)
        compute(s, m, s->batch, left, wide);
    pthread_mutex_lock(&e->lock);
    e->busy--;
    m->computing -= n;
    if (wide) {
        e->wide = 0;
        pthread_cond_broadcast(&e->ripe);
    }
    for (int i = 0; i < left; i++)
        done(e, s->batch[i]);
    for (int i = 0; i < n - left; i++)
        done(e, late[i]);
    pthread_mutex_unlock(&e->lock);
    engine_release(e, m);
    pthread_mutex_lock(&e->lock);
}

static void *stream(void *user)
{
    struct stream *s = user;
    struct engine *e = s->engine;

    pthread_mutex_lock(&e->lock);
    while (!e->closing || e->waiting > 0) {
        double until = HUGE_VAL;
        struct model *m = e->wide ? NULL : find_ripe(e, &until);

        if (m)
            run_batch(s, m);
        else if (until == HUGE_VAL)
            pthread_cond_wait(&e->ripe, &e->lock);
        else
            wait_until(&e->ripe, &e->lock, until);
    }
    pthread_cond_broadcast(&e->ripe);
    pthread_cond_broadcast(&e->work);
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

/* ---------------------------------------------------------------- opening */

static int start(struct engine *e, void *(*run)(void *user), void *user,
                 struct rn_error *err)
{
    int rc = pthread_create(&e->threads[e->n_threads], NULL, run, user);

    if (rc == 0) {
        e->n_threads++;
        return RN_OK;
    }
    return cli_error(err, RN_ERR_MEMORY, "cannot start a thread: %s",
                     strerror(rc));
}

static int start_all(struct engine *e, struct rn_error *err)
{
    const struct serve_options *o = e->options;
    int rc = RN_OK;

    for (int i = 0; !rc && i < e->n_workers; i++)
        rc = start(e, work, e, err);
    for (int i = 0; !rc && i < o->streams; i++) {
        struct stream *s = &e->streams[i];

        s->engine = e;
        s->index = i;
        s->batch = calloc(2 * (size_t)o->max_batch, sizeof(*s->batch));
        rc = s->batch ? start(e, stream, s, err) : fail_memory(err);
    }
    return rc;
}

static void init_locks(struct engine *e)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->work, &monotonic);
    pthread_cond_init(&e->ripe, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

int engine_open(struct engine **out, const struct serve_options *o,
                struct slot *slots, int n_slots, struct metrics *metrics,
                struct rn_error *err)
{
    struct engine *e = calloc(1, sizeof(*e));
    struct rn_machine machine;
    int rc;

    *out = NULL;
    if (!e)
        return fail_memory(err);
    rn_machine_get(&machine);
    *e = (struct engine){.options = o,
                         .slots = slots,
                         .n_slots = n_slots,
                         .metrics = metrics,
                         .n_workers = machine.threads + 1,
                         .prepared_most = 2 * o->max_batch * o->streams};
    init_locks(e);
    for (int i = 0; i < n_slots; i++) {
        slots[i].current->next = e->models;
        e->models = slots[i].current;
    }
    e->threads =
        calloc((size_t)(e->n_workers + o->streams), sizeof(*e->threads));
    e->streams = calloc((size_t)o->streams, sizeof(*e->streams));
    rc = e->threads && e->streams ? start_all(e, err) : fail_memory(err);
    if (rc)
        engine_close(e);
    else
        *out = e;
    return rc;
}

void engine_close(struct engine *e)
{
    if (!e)
        return;
    pthread_mutex_lock(&e->lock);
    e->closing = 1;
    pthread_cond_broadcast(&e->work);
    pthread_cond_broadcast(&e->ripe);
    pthread_mutex_unlock(&e->lock);
    for (int i = 0; i < e->n_threads; i++)
        pthread_join(e->threads[i], NULL);
    for (int i = 0; e->streams && i < e->options->streams; i++)
        free(e->streams[i].batch);
    pthread_cond_destroy(&e->work);
    pthread_cond_destroy(&e->ripe);
    pthread_mutex_destroy(&e->lock);
    free(e->streams);
    free(e->threads);
    free(e);
}
