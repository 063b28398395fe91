/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls the transport now and then while messages are under way and nobody else
 * does. It is one caller at a time (MPI_THREAD_SERIALIZED). */
#include "comm/pump.h"

#include "core/threads.h"

#include <time.h>

/* Between two rounds: sockets hold what a fast link carries in it. A round
 * costs some microseconds. */
#define PAUSE_NS 500000
/* Calls of a round at the most, and seconds that a call takes at least when it
 * has moved something, so that another may, too. */
#define CALLS_MOST 64
#define MOVED      4e-6

int rn_pump_create(struct rn_pump *p, const struct rn_transport *transport,
                   void *self)
{
    int code;

    *p = (struct rn_pump){.transport = transport, .self = self};
    code = pthread_mutex_init(&p->mutex, NULL);
    if (code)
        return code;
    code = pthread_cond_init(&p->changed, NULL);
    if (code)
        pthread_mutex_destroy(&p->mutex);
    return code;
}

void rn_pump_hold(struct rn_pump *p)
{
    if (p->runs)
        pthread_mutex_lock(&p->mutex);
}

void rn_pump_release(struct rn_pump *p)
{
    if (p->runs)
        pthread_mutex_unlock(&p->mutex);
}

static bool has_work(const struct rn_pump *p)
{
    return p->under_way > 0 && !p->rests && !p->ends;
}

/* Wake the thread where there was no work before and is now. */
static void wake(struct rn_pump *p, bool before)
{
    if (p->runs && !before && has_work(p))
        pthread_cond_signal(&p->changed);
}

void rn_pump_count(struct rn_pump *p, int more)
{
    bool before = has_work(p);

    p->under_way += (size_t)more;
    wake(p, before);
}

void rn_pump_rest(struct rn_pump *p, bool rests)
{
    bool before;

    rn_pump_hold(p);
    before = has_work(p);
    p->rests = rests;
    wake(p, before);
    rn_pump_release(p);
}

/* One call, between which the ranks' own thread may have its turn; whether
 * another is worth while. */
static bool call(struct rn_pump *p)
{
    bool works;
    double begun;

    pthread_mutex_lock(&p->mutex);
    works = has_work(p);
    begun = rn_now();
    if (works)
        p->transport->advance(p->self);
    works = works && rn_now() - begun > MOVED;
    pthread_mutex_unlock(&p->mutex);
    return works;
}

/* Wait until messages are under way and the ranks' own thread does not look;
 * false: until the end. */
static bool wait_for_work(struct rn_pump *p)
{
    bool goes_on;

    pthread_mutex_lock(&p->mutex);
    while (!has_work(p) && !p->ends)
        pthread_cond_wait(&p->changed, &p->mutex);
    goes_on = !p->ends;
    pthread_mutex_unlock(&p->mutex);
    return goes_on;
}

static void *run(void *argument)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    struct rn_pump *p = argument;

    /* Whoever wakes it has just called. */
    while (wait_for_work(p)) {
        int calls = 0;

        nanosleep(&pause, NULL);
        while (call(p) && ++calls < CALLS_MOST)
            ;
    }
    return NULL;
}

void rn_pump_start(struct rn_pump *p)
{
    const struct rn_transport *t = p->transport;

    if (p->runs || !t->advance || !t->shares(p->self))
        return;
    p->runs = rn_thread_start(&p->thread, run, p) == 0;
}

void rn_pump_free(struct rn_pump *p)
{
    if (p->runs) {
        pthread_mutex_lock(&p->mutex);
        p->ends = true;
        pthread_cond_signal(&p->changed);
        pthread_mutex_unlock(&p->mutex);
        pthread_join(p->thread, NULL);
        p->runs = false;
    }
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->mutex);
}
