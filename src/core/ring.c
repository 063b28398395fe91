/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that fill a ring of slots ahead of the caller. */
#include "core/ring.h"

#include "core/memory.h"
#include "core/threads.h"

#include <stdbool.h>
#include <unistd.h>

struct slot {
    int count;
    int left; /* items still to be made */
};

struct rn_ring {
    struct rn_ring_config config;
    pid_t process;     /* whose threads these are */
    pthread_t *thread; /* [config.threads] */
    int running;

    pthread_mutex_t mutex; /* over the rest */
    pthread_cond_t filled, freed;
    struct slot slot[RN_RING_SLOTS];
    long begun;   /* fills that are in slots, or were */
    int given;    /* items of the last of them that threads have taken */
    long taken;   /* fills the caller took */
    int joined;   /* threads that have begun, so that each has a number */
    bool holding; /* the caller still has the slot before `taken` */
    bool stop;
};

/* A run of items of a slot, for one thread. */
struct work {
    int slot;
    int from, to;
};

/* ---------------------------------------------------- the ring's threads */

/* Mutex held: whether the newest fill has items that nobody has taken. */
static bool work_left(const struct rn_ring *r)
{
    return r->begun > 0 &&
           r->given < r->slot[(r->begun - 1) % RN_RING_SLOTS].count;
}

/* Mutex held: whether another fill may be begun. */
static bool may_begin(const struct rn_ring *r)
{
    return r->begun < r->config.fills &&
           r->begun - r->taken + r->holding < RN_RING_SLOTS;
}

/* Mutex held. Which items a slot has is decided here, in order. */
static void begin(struct rn_ring *r)
{
    int at = (int)(r->begun % RN_RING_SLOTS);
    struct slot *slot = &r->slot[at];

    slot->count = r->config.begin(r->config.user, at, r->begun);
    slot->left = slot->count;
    r->given = 0;
    r->begun++;
    if (!slot->count)
        pthread_cond_signal(&r->filled);
}

/* Mutex held; false when it is time to end. */
static bool take_work(struct rn_ring *r, struct work *work)
{
    int count;

    while (!r->stop && !work_left(r)) {
        if (may_begin(r))
            begin(r);
        else if (r->begun == r->config.fills)
            return false;
        else
            pthread_cond_wait(&r->freed, &r->mutex);
    }
    if (r->stop)
        return false;
    work->slot = (int)((r->begun - 1) % RN_RING_SLOTS);
    work->from = r->given;
    count = r->slot[work->slot].count;
    work->to = count - work->from < r->config.chunk
                   ? count
                   : work->from + r->config.chunk;
    r->given = work->to;
    return true;
}

static void *run(void *argument)
{
    struct rn_ring *r = argument;
    struct work work;
    int thread;

    pthread_mutex_lock(&r->mutex);
    thread = r->joined++;
    while (take_work(r, &work)) {
        pthread_mutex_unlock(&r->mutex);
        for (int i = work.from; i < work.to; i++)
            r->config.make(r->config.user, work.slot, i, thread);
        pthread_mutex_lock(&r->mutex);
        r->slot[work.slot].left -= work.to - work.from;
        if (!r->slot[work.slot].left)
            pthread_cond_signal(&r->filled);
    }
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

static int start(struct rn_ring *r, struct rn_error *err)
{
    int code = 0;

    while (!code && r->running < r->config.threads) {
        code = rn_thread_start(&r->thread[r->running], run, r);
        r->running += !code;
    }
    return code ? rn_fail_threads(err, r->config.threads, r->running, code)
                : RN_OK;
}

/* ------------------------------------------------------------- the caller */

int rn_ring_create(struct rn_ring **out, const struct rn_ring_config *config,
                   struct rn_error *err)
{
    struct rn_ring *r = rn_alloc(1, sizeof(*r));
    size_t threads = (size_t)config->threads;
    int rc = RN_OK;

    *out = NULL;
    if (!r)
        return rn_fail_memory(err, sizeof(*r), "work ahead");
    r->config = *config;
    r->process = getpid();
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->filled, NULL);
    pthread_cond_init(&r->freed, NULL);
    r->thread = rn_alloc(threads, sizeof(*r->thread));
    if (!r->thread)
        rc = rn_fail_memory(err, threads * sizeof(*r->thread), "threads");
    if (!rc)
        rc = start(r, err);
    if (rc)
        rn_ring_destroy(r);
    else
        *out = r;
    return rc;
}

/* Mutex held: whether the next slot is there. */
static bool is_filled(const struct rn_ring *r)
{
    return r->begun > r->taken && !r->slot[r->taken % RN_RING_SLOTS].left;
}

/* Mutex held. Wait for it; the seconds that took. */
static double wait_filled(struct rn_ring *r)
{
    double start_time;

    if (is_filled(r))
        return 0;
    start_time = rn_now();
    while (!is_filled(r))
        pthread_cond_wait(&r->filled, &r->mutex);
    return rn_now() - start_time;
}

int rn_ring_next(struct rn_ring *r, double *waited)
{
    double seconds = 0;
    int slot = -1;

    pthread_mutex_lock(&r->mutex);
    if (r->holding) {
        r->holding = false;
        pthread_cond_broadcast(&r->freed);
    }
    if (r->taken < r->config.fills) {
        seconds = wait_filled(r);
        slot = (int)(r->taken % RN_RING_SLOTS);
        r->taken++;
        r->holding = true;
    }
    pthread_mutex_unlock(&r->mutex);
    if (waited)
        *waited += seconds;
    return slot;
}

bool rn_ring_is_here(const struct rn_ring *r)
{
    return r->process == getpid();
}

/* Let the threads finish what they are at. */
static void end_threads(struct rn_ring *r)
{
    pthread_mutex_lock(&r->mutex);
    r->stop = true;
    pthread_cond_broadcast(&r->freed);
    pthread_mutex_unlock(&r->mutex);
    for (int i = 0; i < r->running; i++)
        pthread_join(r->thread[i], NULL);
    pthread_cond_destroy(&r->filled);
    pthread_cond_destroy(&r->freed);
    pthread_mutex_destroy(&r->mutex);
}

void rn_ring_destroy(struct rn_ring *r)
{
    if (!r)
        return;
    if (rn_ring_is_here(r))
        end_threads(r);
    rn_free(r->thread);
    rn_free(r);
}
