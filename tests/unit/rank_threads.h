/* SPDX-License-Identifier: BSD-2-Clause */
/* Ranks that are threads of a test: a transport in memory, which may fall
 * silent, be slow, or lose what goes from one rank to another. Include after
 * cmocka.h. */
#ifndef TESTS_UNIT_RANK_THREADS_H
#define TESTS_UNIT_RANK_THREADS_H

#include "comm/ranks.h"
#include "core/threads.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { RANKS_MOST = 8, KINDS = RN_MESSAGE_WEIGHTS + 1 };

/* A message on its way. */
struct mail {
    struct mail *next;
    enum rn_message_kind kind;
    uint64_t number; /* of its kind */
    double due;      /* rn_now() from which on it is there */
    size_t bytes;
    char data[];
};

struct office {
    pthread_mutex_t mutex;
    int size;
    struct mail *box[RANKS_MOST][RANKS_MOST]; /* [from][to], the oldest first */
    int silent;                               /* this rank sends no more */
    long after;                               /* so many messages; -1: all do */
    int slow;     /* one in so many looks finds what is there; 0: all do */
    double delay; /* seconds that a message is under way */
    double rate;  /* bytes per second from one rank to another; 0: any */
    double busy[RANKS_MOST][RANKS_MOST]; /* rn_now() until which it sends */
    /* From its message number `kept` on, what goes from one rank to another is
     * lost; none where both are 0. */
    int from, to;
    long kept, passed;
    /* The last rank tells of another process, where this is none's number; of a
     * machine started at another time. */
    int process;
    bool elsewhere;
};

/* A rank's end of it. */
struct counter {
    struct office *office;
    int rank;
    long sent, looks;
    uint64_t numbers[2][RANKS_MOST][KINDS]; /* messages to, and from */
};

static inline int mail_join(void **self, int *rank, int *size)
{
    (void)self;
    (void)rank;
    (void)size;
    return -1;
}

/* One rank alone sends on this way. */
static inline bool mail_lost(struct office *o, int from, int to)
{
    return from != to && from == o->from && to == o->to &&
           o->passed++ >= o->kept;
}

/* The first that ranks tell each other is who they are. */
static inline void mail_disguise(const struct office *o, int from,
                                 struct mail *mail)
{
    struct rn_peer peer;

    if (from != o->size - 1 || mail->kind != RN_MESSAGE_TALK ||
        mail->number > 0 || mail->bytes != sizeof(peer))
        return;
    memcpy(&peer, mail->data, sizeof(peer));
    if (o->process)
        peer.process = o->process;
    if (o->elsewhere)
        peer.boot[0] = peer.boot[0] == 'f' ? '0' : 'f';
    memcpy(mail->data, &peer, sizeof(peer));
}

/* When a message is there that follows those before it; `busy` is the sender's
 * own. */
static inline double mail_due(const struct office *o, double *busy,
                              size_t bytes)
{
    *busy = fmax(*busy, rn_now());
    if (o->rate > 0)
        *busy += (double)bytes / o->rate;
    return *busy + o->delay;
}

static inline int mail_start(void *self, const struct rn_message *m,
                             struct rn_request *request)
{
    struct counter *c = self;
    struct office *o = c->office;
    struct mail *mail, **last;
    uint64_t number = c->numbers[m->receives][m->peer][m->kind]++;

    request->word = number;
    if (m->receives ||
        (c->rank == o->silent && o->after >= 0 && c->sent++ >= o->after) ||
        mail_lost(o, c->rank, m->peer))
        return 0;
    mail = malloc(sizeof(*mail) + m->bytes);
    if (!mail)
        return -1;
    mail->next = NULL;
    mail->kind = m->kind;
    mail->number = number;
    mail->bytes = m->bytes;
    memcpy(mail->data, m->data, m->bytes);
    mail_disguise(o, c->rank, mail);
    mail->due = mail_due(o, &o->busy[c->rank][m->peer], m->bytes);
    pthread_mutex_lock(&o->mutex);
    last = &o->box[c->rank][m->peer];
    while (*last)
        last = &(*last)->next;
    *last = mail;
    pthread_mutex_unlock(&o->mutex);
    return 0;
}

/* No pattern, or those who look in turns would never find some. */
static inline int is_missed(struct counter *c)
{
    uint32_t mixed = (uint32_t)++c->looks * 2654435761U;

    return c->office->slow && (mixed >> 16) % (uint32_t)c->office->slow;
}

static inline int mail_test(void *self, const struct rn_message *m,
                            struct rn_request *request, int *done)
{
    struct counter *c = self;
    struct office *o = c->office;
    struct mail *mail, **at;
    int rc = 0;

    *done = !m->receives;
    if (*done || is_missed(c))
        return 0;
    pthread_mutex_lock(&o->mutex);
    at = &o->box[m->peer][c->rank];
    while (*at && ((*at)->kind != m->kind || (*at)->number != request->word))
        at = &(*at)->next;
    mail = *at;
    if (mail && mail->due > rn_now())
        mail = NULL;
    if (mail)
        *at = mail->next;
    pthread_mutex_unlock(&o->mutex);
    if (!mail)
        return 0;
    *done = 1;
    if (mail->bytes == m->bytes)
        memcpy(m->data, mail->data, m->bytes);
    else
        rc = -1;
    free(mail);
    return rc;
}

static inline void mail_leave(void *self, int whole)
{
    (void)self;
    (void)whole;
}

static const struct rn_transport mail_transport = {
    .version = RN_TRANSPORT_VERSION,
    .name = "threads",
    .join = mail_join,
    .start = mail_start,
    .test = mail_test,
    .leave = mail_leave,
};

/* What a rank does. */
typedef int rank_function(void *user, struct rn_ranks *ranks,
                          struct rn_error *err);

struct rank_thread {
    struct counter counter;
    double timeout;
    rank_function *run;
    void *user;
    int code, speaks;
    struct rn_error err;
    pthread_t thread;
};

static inline void *rank_run(void *argument)
{
    struct rank_thread *t = argument;
    struct rn_ranks *ranks;

    t->code =
        rn_ranks_create(&ranks, &mail_transport, &t->counter, t->counter.rank,
                        t->counter.office->size, t->timeout, &t->err);
    if (!t->code)
        t->code = t->run(t->user, ranks, &t->err);
    t->speaks = ranks ? rn_ranks_speaks(ranks) : 1;
    rn_ranks_leave(ranks);
    return NULL;
}

/* Have so many ranks do it, each with its own `user`, `size` bytes further;
 * threads[] tells what came of it. */
static inline void run_ranks(struct office *office, int count, double timeout,
                             rank_function *run, void *user, size_t size,
                             struct rank_thread *threads)
{
    pthread_mutex_init(&office->mutex, NULL);
    office->size = count;
    for (int i = 0; i < count; i++) {
        threads[i] =
            (struct rank_thread){.counter = {.office = office, .rank = i},
                                 .timeout = timeout,
                                 .run = run,
                                 .user = (char *)user + (size_t)i * size};
        assert_int_equal(
            pthread_create(&threads[i].thread, NULL, rank_run, &threads[i]), 0);
    }
    for (int i = 0; i < count; i++)
        assert_int_equal(pthread_join(threads[i].thread, NULL), 0);
    for (int i = 0; i < count * count; i++)
        for (struct mail *mail = office->box[i / count][i % count], *next; mail;
             mail = next) {
            next = mail->next;
            free(mail);
        }
    memset(office->box, 0, sizeof(office->box));
    pthread_mutex_destroy(&office->mutex);
}

#endif
