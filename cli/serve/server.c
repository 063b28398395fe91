/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a server: from its socket and models to the signal that ends
 * it. */
#include "serve.h"

#include "../cli.h"
#include "../output.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/** Between two looks at the deadlines. */
#define TICK_NANOSECONDS 50000000L
/** For threads that read files, at the end. */
#define JOIN_SECONDS 3
/** Files that are open besides connections. */
#define OTHER_FILES 64

int serve_join(pthread_t thread)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += JOIN_SECONDS;
    return pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) ? -1 : 0;
}

/* ---------------------------------------------------------------- reloading */

/** A thread that loads the models anew. */
struct reload {
    struct server *server;
    pthread_t thread;
    int runs;  /* it is there, and to be joined */
    int again; /* asked for while it was at work */
    _Atomic int done, ending;
};

static void *reload_models(void *user)
{
    struct reload *reload = user;
    struct server *s = reload->server;

    for (int i = 0; i < s->n_slots && !atomic_load(&reload->ending); i++) {
        struct rn_error err = {0};
        struct model *m;
        int rc = model_open(&m, &s->slots[i], s->options, &err);

        metrics_reload(&s->metrics, rc);
        if (rc) {
            cli_fail(&err);
            say("%s: the model loaded before still serves", s->slots[i].name);
        } else {
            engine_replace(s->engine, m);
            say("%s: loaded anew from '%s'", s->slots[i].name,
                s->slots[i].path);
        }
    }
    atomic_store(&reload->done, 1);
    return NULL;
}

/* 0, or -1 as serve_join(). */
static int reload_join(struct reload *reload)
{
    if (reload->runs && serve_join(reload->thread))
        return -1;
    reload->runs = 0;
    return 0;
}

static void reload_start(struct reload *reload)
{
    if (reload->runs) {
        reload->again = 1;
        return;
    }
    reload->again = 0;
    atomic_store(&reload->done, 0);
    if (pthread_create(&reload->thread, NULL, reload_models, reload) == 0)
        reload->runs = 1;
    else
        say_error("cannot start a thread: the models stay as they are");
}

static void reload_tick(struct reload *reload)
{
    if (!reload->runs || !atomic_load(&reload->done))
        return;
    reload_join(reload);
    if (reload->again)
        reload_start(reload);
}

/* ------------------------------------------------------------------ loading */

/** A thread that takes signals before there is a server that could end. */
struct loading {
    const sigset_t *signals;
    pthread_t thread;
    int runs;  /* it is there, and to be joined */
    int again; /* SIGHUP came */
    _Atomic int loaded;
};

/* SIGTERM and SIGINT end the process, whatever holds it up; by the signal, as
 * if it was not blocked. */
static void *end_by_signal(void *user)
{
    struct loading *l = user;
    siginfo_t info;

    while (!atomic_load(&l->loaded)) {
        int number = sigwaitinfo(l->signals, &info);

        if (number == SIGTERM || number == SIGINT) {
            pthread_sigmask(SIG_UNBLOCK, l->signals, NULL);
            raise(number);
        } else if (number == SIGHUP && info.si_pid != getpid()) {
            l->again = 1;
        }
    }
    return NULL;
}

static void loading_begin(struct loading *l)
{
    l->runs = pthread_create(&l->thread, NULL, end_by_signal, l) == 0;
}

/* The thread is woken by a signal of our own; one that came is kept for later.
 */
static void loading_end(struct loading *l)
{
    if (!l->runs)
        return;
    atomic_store(&l->loaded, 1);
    pthread_kill(l->thread, SIGHUP);
    pthread_join(l->thread, NULL);
    l->runs = 0;
    if (l->again)
        kill(getpid(), SIGHUP);
}

/* ------------------------------------------------------------------ running */

/* The signals that we wait for, kept from all threads. */
static void block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
}

/* The signal that came within a tick, or 0. */
static int next_signal(const sigset_t *signals)
{
    const struct timespec tick = {0, TICK_NANOSECONDS};
    int number = sigtimedwait(signals, NULL, &tick);

    return number > 0 ? number : 0;
}

/* Answer what has come; a second signal, or the last deadline, ends that. */
static void drain(struct server *s, const sigset_t *signals)
{
    double until = serve_now() + s->options->deadline;
    int number = 0;

    http_quiesce(s);
    events_end(s->runs);
    while (atomic_load(&s->active) > 0 && serve_now() < until &&
           (number == 0 || number == SIGHUP)) {
        http_tick(s);
        number = next_signal(signals);
    }
}

static void run(struct server *s, const sigset_t *signals)
{
    int number = 0;

    while (number != SIGTERM && number != SIGINT) {
        if (number == SIGHUP)
            reload_start(s->reload);
        reload_tick(s->reload);
        http_tick(s);
        number = next_signal(signals);
    }
    drain(s, signals);
}

/* ------------------------------------------------------------------ opening */

/* Streams where the user leaves it open: each takes memory for its plans. */
#define STREAMS 4

/* Threads for each stream, of those that there are. */
static int share_threads(struct serve_options *o)
{
    struct rn_machine machine;
    int threads = o->run.threads;

    rn_machine_get(&machine);
    if (!threads)
        threads = machine.threads;
    if (!o->streams)
        o->streams = threads < STREAMS ? threads : STREAMS;
    if (o->streams > threads) {
        say_error("--streams: %d, of %d thread%s (--threads)", o->streams,
                  threads, threads == 1 ? "" : "s");
        return EXIT_USAGE;
    }
    o->wide = threads;
    o->run.threads = threads / o->streams;
    return 0;
}

/* As many files open at once as connections need. */
static int allow_files(const struct serve_options *o)
{
    rlim_t needed = (rlim_t)o->connections + OTHER_FILES;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
        return 0;
    limit.rlim_cur = needed < limit.rlim_max ? needed : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= needed)
        return 0;
    say_error("--connections: %d, but no more than %lu files may be open "
              "(ulimit -n)",
              o->connections, (unsigned long)limit.rlim_cur);
    return EXIT_USAGE;
}

static int load_models(struct server *s)
{
    for (int i = 0; i < s->n_slots; i++) {
        struct slot *slot = &s->slots[i];
        struct rn_error err = {0};

        if (model_open(&slot->current, slot, s->options, &err))
            return cli_fail(&err);
    }
    return 0;
}

static void announce(const struct server *s, const char *where, int is_loopback)
{
    for (int i = 0; i < s->n_slots; i++) {
        const struct model *m = s->slots[i].current;

        say("%s: %s of %d classes from '%s', %s", s->slots[i].name, m->info.net,
            m->info.classes, s->slots[i].path, m->answering.precision);
    }
    if (s->runs)
        say("runs below '%s' are watched", s->options->runs);
    if (!is_loopback && !s->token)
        say("anybody who reaches this address may ask: --token FILE asks for "
            "a token");
    say("listening at %s", where);
}

static int serve(struct server *s, int fd, const char *where, int is_loopback,
                 const sigset_t *signals)
{
    struct rn_error err = {0};
    int status = load_models(s);

    if (!status && s->options->runs)
        status = runs_open(s);
    loading_end(s->loading);
    if (status)
        return status;
    if (engine_open(&s->engine, s->options, s->slots, s->n_slots, &s->metrics,
                    &err))
        return cli_fail(&err);
    if (http_open(s, fd))
        return EXIT_FAILED;
    announce(s, where, is_loopback);
    run(s, signals);
    return EXIT_DONE;
}

int serve_run(const struct serve_options *given, char *const *models, int count)
{
    struct serve_options o = *given;
    struct server s = {
        .options = &o, .n_slots = count, .listening = -1, .begun = serve_now()};
    struct reload reload = {.server = &s};
    sigset_t signals;
    struct loading loading = {.signals = &signals};
    int fd = -1, is_loopback = 0, status;
    const char *busy = NULL;
    char where[128];

    s.reload = &reload;
    s.loading = &loading;
    block_signals(&signals);
    json_object_seed(0); /* before there are threads */
    loading_begin(&loading);
    pthread_mutex_init(&s.metrics.lock, NULL);
    pthread_mutex_init(&s.large_json, NULL);
    s.max_body = (size_t)o.max_body * 1000000;
    status = share_threads(&o);
    if (!status)
        status = allow_files(&o);
    if (!status)
        status = slots_parse(&s.slots, models, count);
    if (!status && o.token && !(s.token = guard_read_token(o.token)))
        status = EXIT_USAGE;
    if (!status) {
        fd = socket_open(&o, where, sizeof(where), &is_loopback);
        status =
            fd < 0 ? EXIT_FAILED : serve(&s, fd, where, is_loopback, &signals);
    }
    loading_end(&loading);
    if (s.daemon)
        http_close(&s);
    else if (fd >= 0)
        close(fd);
    atomic_store(&reload.ending, 1);
    if (reload_join(&reload))
        busy = "a model is still being loaded: it is not waited for";
    else if (runs_close(s.runs))
        busy = "files do not come from their disk: they are not waited for";
    if (busy) {
        say("%s", busy);
        _exit(status); /* a thread may still use what the rest would free */
    }
    engine_close(s.engine);
    slots_free(s.slots, s.n_slots);
    free(s.token);
    pthread_mutex_destroy(&s.metrics.lock);
    pthread_mutex_destroy(&s.large_json);
    return status;
}
