/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that each run a plan of their own until all have done their rounds.
 */
#include "bench/streams.h"
#include "core/memory.h"
#include "core/threads.h"

#include <stdatomic.h>

/** What all streams of a run know. */
struct task {
    int runs, rounds;
    const float *images;
    atomic_int busy;    /* streams with rounds left */
    atomic_bool failed; /* one: all end */
};

struct rn_stream {
    struct rn_plan *plan;
    float *logits;
    /* of a run: */
    struct task *task;
    double *rates;
    struct rn_energy *energy; /* of one stream alone */
    long done;
    pthread_t thread;
    struct rn_error err;
    int rc;
};

int rn_streams_open(struct rn_streams *s, struct rn_plan *plan, int count,
                    const float *images, int batch, int classes,
                    struct rn_error *err)
{
    size_t logits = (size_t)batch * (size_t)classes;

    *s = (struct rn_streams){.images = images};
    s->stream = rn_alloc((size_t)count, sizeof(*s->stream));
    if (!s->stream)
        return rn_fail_memory(err, (size_t)count * sizeof(*s->stream),
                              "streams");
    s->count = count;
    s->stream[0].plan = plan;
    for (int i = 0; i < count; i++) {
        struct rn_stream *stream = &s->stream[i];
        int rc = i ? rn_plan_clone(&stream->plan, plan, 0, err) : RN_OK;

        if (rc)
            return rc;
        stream->logits = rn_alloc(logits, sizeof(float));
        if (!stream->logits)
            return rn_fail_memory(err, logits * sizeof(float), "logits");
    }
    return RN_OK;
}

void rn_streams_close(struct rn_streams *s)
{
    for (int i = 0; i < s->count; i++) {
        if (i > 0)
            rn_plan_destroy(s->stream[i].plan);
        rn_free(s->stream[i].logits);
    }
    rn_free(s->stream);
    *s = (struct rn_streams){.count = 0};
}

uint64_t rn_streams_bytes(const struct rn_streams *s)
{
    uint64_t bytes = 0;

    for (int i = 0; i < s->count; i++)
        bytes += rn_plan_bytes(s->stream[i].plan);
    return bytes;
}

static void compute(struct rn_stream *stream, int runs)
{
    for (int i = 0; i < runs && stream->rc == RN_OK; i++) {
        stream->rc = rn_plan_forward(stream->plan, stream->task->images,
                                     stream->logits, &stream->err);
        stream->done++;
    }
    if (stream->rc)
        atomic_store(&stream->task->failed, true);
}

static void *stream_run(void *argument)
{
    struct rn_stream *stream = argument;
    struct task *task = stream->task;

    for (int i = 0; i < task->rounds && !atomic_load(&task->failed); i++) {
        double start = rn_now();

        compute(stream, task->runs);
        stream->rates[i] = task->runs / (rn_now() - start);
        if (stream->energy)
            rn_energy_add(stream->energy);
    }
    atomic_fetch_sub(&task->busy, 1);
    while (atomic_load(&task->busy) > 0 && !atomic_load(&task->failed))
        compute(stream, 1);
    return NULL;
}

/* Start the others, be the first, wait for all. */
static int run_all(struct rn_streams *s, struct task *task,
                   struct rn_error *err)
{
    int started = 1, code = 0;

    while (started < s->count && !code) {
        struct rn_stream *stream = &s->stream[started];

        code = rn_thread_start(&stream->thread, stream_run, stream);
        started += !code;
    }
    if (code)
        atomic_store(&task->failed, true);
    stream_run(&s->stream[0]);
    for (int i = 1; i < started; i++)
        pthread_join(s->stream[i].thread, NULL);
    if (code)
        return rn_fail_threads(err, s->count - 1, started - 1, code);
    for (int i = 0; i < s->count; i++)
        if (s->stream[i].rc) {
            *err = s->stream[i].err;
            return s->stream[i].rc;
        }
    return RN_OK;
}

int rn_streams_run(struct rn_streams *s, int runs, int rounds, double *rates,
                   long *done, struct rn_energy *energy, struct rn_error *err)
{
    struct task task = {.runs = runs, .rounds = rounds, .images = s->images};
    size_t count = (size_t)s->count, each = (size_t)rounds;
    double *all = rn_alloc(count * each, sizeof(double));
    int rc;

    if (!all)
        return rn_fail_memory(err, count * each * sizeof(double),
                              "round times");
    atomic_init(&task.busy, s->count);
    atomic_init(&task.failed, false);
    for (size_t k = 0; k < count; k++) {
        struct rn_stream *stream = &s->stream[k];

        stream->task = &task;
        stream->rates = all + k * each;
        stream->energy = k == 0 ? energy : NULL;
        stream->done = 0;
        stream->rc = RN_OK;
    }
    rc = run_all(s, &task, err);
    rn_energy_add(energy); /* what the first computed while others went on */
    *done = 0;
    for (size_t i = 0; i < each; i++)
        rates[i] = 0;
    for (size_t k = 0; k < count; k++) {
        *done += s->stream[k].done;
        for (size_t i = 0; i < each; i++)
            rates[i] += s->stream[k].rates[i];
    }
    rn_free(all);
    return rc;
}
