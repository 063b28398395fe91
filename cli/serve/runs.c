/* SPDX-License-Identifier: BSD-2-Clause */
/* All runs below a folder, and the one thread that looks at them: it answers
 * /runs and feeds the pages that watch. While nobody asks it rests, and a disk
 * that is slow, or gone, holds up nothing but it. */
#include "runs.h"

#include "../cli.h"
#include "../output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* As far below the folder as `study --report` looks. */
#define LEVELS 4
/* Entries of folders that a search looks at. */
#define ENTRIES 200000

/* Seconds between looks at the logs, and for new runs. Where they take long, so
 * many times as long passes between them, within reason. */
#define LOOK_SECONDS 1.0
#define SHARE        5.0
#define MOST_SECONDS 10.0

/* Fresh enough for an answer. */
#define FRESH_SECONDS 0.5

/* ------------------------------------------------------------------- search */

/** A run that a search has met. */
struct met {
    char *name;
    struct timespec changed;
    int known;
};

struct search {
    struct met *at; /* [room] */
    size_t count, room, entries;
    int no_memory;
};

static struct run *find_run(struct runs *runs, const char *name)
{
    for (size_t i = 0; i < RUNS; i++)
        if (runs->at[i] && strcmp(runs->at[i]->name, name) == 0)
            return runs->at[i];
    return NULL;
}

/* What a name looks like: bytes that are no UTF-8 become '?'. Of the folder
 * itself its own last part. */
static char *shown_name(const struct runs *runs, const char *name)
{
    char *shown = *name ? strdup(name) : realpath(runs->folder, NULL);
    char *slash = shown && !*name ? strrchr(shown, '/') : NULL;
    json_t *text;

    if (slash && slash[1])
        memmove(shown, slash + 1, strlen(slash + 1) + 1);
    text = shown ? json_text(shown) : NULL;
    free(shown);
    shown = text ? strdup(json_string_value(text)) : NULL;
    json_decref(text);
    return shown;
}

static void add_run(struct runs *runs, const char *name)
{
    char *shown = shown_name(runs, name);
    struct run *run = shown ? run_create(++runs->ids, name, shown) : NULL;
    size_t i = 0;

    free(shown);
    if (!run)
        return;
    while (runs->at[i])
        i++;
    run->found = runs->searches;
    runs->at[i] = run;
    runs->count++;
}

/* Whether it does; *changed is when its log did, or else its description. */
static int holds_run(int folder, struct timespec *changed)
{
    struct stat st;

    if (fstatat(folder, "run.json", &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(st.st_mode))
        return 0;
    *changed = st.st_mtim;
    if (fstatat(folder, "log.jsonl", &st, AT_SYMLINK_NOFOLLOW) == 0)
        *changed = st.st_mtim;
    return 1;
}

static void meet(struct search *s, const char *name, struct timespec changed)
{
    size_t room = s->room ? 2 * s->room : 64;
    struct met *at = s->at;
    char *copy = strdup(name);

    if (copy && s->count == s->room) {
        at = reallocarray(s->at, room, sizeof(*at));
        if (at) {
            s->at = at;
            s->room = room;
        }
    }
    if (copy && at) {
        at[s->count++] = (struct met){copy, changed, 0};
    } else {
        free(copy);
        s->no_memory = 1;
    }
}

static void search(struct search *s, int folder, char *name, int level);

/* The folders in one; `folder` is closed. */
static void search_below(struct search *s, int folder, char *name, int level)
{
    size_t n = strlen(name);
    DIR *dir = fdopendir(folder);
    struct dirent *entry;

    if (!dir) {
        close(folder);
        return;
    }
    while ((entry = readdir(dir)) && s->entries++ < ENTRIES) {
        if (entry->d_name[0] == '.' ||
            n + strlen(entry->d_name) + 2 > PATH_MAX ||
            (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
            continue;
        snprintf(name + n, PATH_MAX - n, "%s%s", n ? "/" : "", entry->d_name);
        search(s, below_folder(dirfd(dir), entry->d_name), name, level + 1);
        name[n] = '\0';
    }
    closedir(dir);
}

/* `folder` is closed; -1 where it could not be opened, as a file cannot. */
static void search(struct search *s, int folder, char *name, int level)
{
    struct timespec changed;

    if (folder < 0)
        return;
    if (holds_run(folder, &changed))
        meet(s, name, changed);
    else if (level < LEVELS) {
        search_below(s, folder, name, level);
        return;
    }
    close(folder);
}

static void forget(struct runs *runs, size_t i)
{
    run_destroy(runs->at[i]);
    runs->at[i] = NULL;
    runs->count--;
}

/* The folder, which the operator may have given by a link; -1 after telling. */
static int open_folder(struct runs *runs)
{
    int folder = open(runs->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0)
        snprintf(runs->error, sizeof(runs->error),
                 "the folder of runs cannot be read: %s", strerror(errno));
    return folder;
}

static int newest_first(const void *a, const void *b)
{
    const struct met *x = a, *y = b;

    if (x->changed.tv_sec != y->changed.tv_sec)
        return x->changed.tv_sec < y->changed.tv_sec ? 1 : -1;
    if (x->changed.tv_nsec != y->changed.tv_nsec)
        return x->changed.tv_nsec < y->changed.tv_nsec ? 1 : -1;
    return strcmp(x->name, y->name);
}

/* Watch what was met, those that changed last where there are too many, and
 * nothing else. */
static void watch_met(struct runs *runs, struct search *s)
{
    size_t n = s->count < RUNS ? s->count : RUNS;

    if (s->count > RUNS)
        qsort(s->at, s->count, sizeof(*s->at), newest_first);
    for (size_t i = 0; i < n; i++) {
        struct run *run = find_run(runs, s->at[i].name);

        s->at[i].known = run != NULL;
        if (run)
            run->found = runs->searches;
    }
    for (size_t i = 0; i < RUNS; i++)
        if (runs->at[i] && runs->at[i]->found != runs->searches)
            forget(runs, i);
    for (size_t i = 0; i < n; i++)
        if (!s->at[i].known)
            add_run(runs, s->at[i].name);
}

/* What is wrong with a search that could read the folder. */
static void tell_search(struct runs *runs, const struct search *s)
{
    runs->error[0] = '\0';
    if (s->count > RUNS)
        snprintf(runs->error, sizeof(runs->error),
                 "%zu of %zu runs are left out: only the %d that changed last "
                 "are watched",
                 s->count - RUNS, s->count, RUNS);
    else if (s->entries >= ENTRIES)
        snprintf(runs->error, sizeof(runs->error),
                 "only some of its folders are searched: there are more than "
                 "%d entries",
                 ENTRIES);
    else if (s->no_memory)
        snprintf(runs->error, sizeof(runs->error),
                 "some runs are left out: out of memory");
}

static void search_all(struct runs *runs)
{
    struct search s = {0};
    int folder = open_folder(runs);
    char name[PATH_MAX] = "";

    runs->searches++;
    if (folder >= 0) {
        search(&s, folder, name, 0);
        tell_search(runs, &s);
    }
    watch_met(runs, &s);
    for (size_t i = 0; i < s.count; i++)
        free(s.at[i].name);
    free(s.at);
}

static void look_at_all(struct runs *runs)
{
    int folder = open(runs->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (size_t i = 0; i < RUNS; i++) {
        int own = runs->at[i] && folder >= 0
                      ? below_folder(folder, runs->at[i]->name)
                      : -1;

        if (own >= 0)
            run_look(runs->at[i], own);
        else if (runs->at[i])
            run_lost(runs->at[i], strerror(errno));
        if (own >= 0)
            close(own);
    }
    if (folder >= 0)
        close(folder);
}

static double pause_after(double seconds)
{
    return fmin(SHARE * seconds, MOST_SECONDS);
}

/* Whatever is older than `age`, as far as it may be looked at again. */
static void refresh(struct runs *runs, double age)
{
    double now = serve_now(), end;

    if (now - runs->searched >= fmax(age, runs->search_after)) {
        search_all(runs);
        end = serve_now();
        runs->searched = end;
        runs->search_after = pause_after(end - now);
        runs->looked = -HUGE_VAL;
        now = end;
    }
    if (now - runs->looked >= fmax(age, runs->look_after)) {
        look_at_all(runs);
        runs->looked = serve_now();
        runs->look_after = pause_after(runs->looked - now);
    }
}

/* ------------------------------------------------------------------ answers */

static int by_shown(const void *a, const void *b)
{
    const struct run *const *x = a, *const *y = b;

    return strverscmp((*x)->shown, (*y)->shown);
}

/* In the order of their names; how many. */
static size_t sorted(const struct runs *runs, const struct run *at[RUNS])
{
    size_t n = 0;

    for (size_t i = 0; i < RUNS; i++)
        if (runs->at[i])
            at[n++] = runs->at[i];
    qsort(at, n, sizeof(*at), by_shown);
    return n;
}

void runs_list(struct request *r)
{
    const struct runs *runs = r->server->runs;
    json_t *object = json_new(), *list = json_list();
    const struct run *at[RUNS];
    size_t n = sorted(runs, at);

    for (size_t i = 0; i < n; i++)
        json_add(list, run_summary(at[i]));
    json_put(object, "runs", list);
    json_put(object, "error", json_text(runs->error[0] ? runs->error : NULL));
    request_json(r, 200, object);
}

/* Of a name as it is shown; of several the first. */
static const struct run *run_of(const struct runs *runs, const char *name)
{
    for (size_t i = 0; i < RUNS; i++)
        if (runs->at[i] && strcmp(runs->at[i]->shown, name) == 0)
            return runs->at[i];
    return NULL;
}

void runs_one(struct request *r)
{
    const struct runs *runs = r->server->runs;
    const struct run *run = run_of(runs, r->name);
    json_t *object, *curves;
    int root, own;

    if (!run) {
        request_fail(r, 404, "there is no run '%.200s'; /runs lists them",
                     r->name);
        return;
    }
    object = run_summary(run);
    curves = json_new();
    for (size_t i = 0; i < CURVES; i++)
        json_put(curves, run_curve_name(i), run_points(&run->curves[i], 0));
    json_put(object, "curves", curves);
    run_describe(run, object);
    root = open(runs->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    own = root < 0 ? -1 : below_folder(root, run->name);
    results_put(object, own);
    if (own >= 0)
        close(own);
    if (root >= 0)
        close(root);
    request_json(r, 200, object);
}

/* ------------------------------------------------------------------- thread */

void runs_begin(struct runs *runs, struct request *r)
{
    request_hold(r);
    r->next = NULL;
    pthread_mutex_lock(&runs->lock);
    if (runs->last)
        runs->last->next = r;
    else
        runs->first = r;
    runs->last = r;
    pthread_cond_signal(&runs->work);
    pthread_mutex_unlock(&runs->lock);
}

/* Under the lock, which it gives up meanwhile. */
static void answer_all(struct runs *runs)
{
    struct request *r;

    while ((r = runs->first)) {
        runs->first = r->next;
        if (!runs->first)
            runs->last = NULL;
        pthread_mutex_unlock(&runs->lock);
        if (!request_is_late(r)) {
            refresh(runs, FRESH_SECONDS);
            r->route->watch(r);
        }
        request_release(r);
        pthread_mutex_lock(&runs->lock);
    }
}

static void wait_for_work(struct runs *runs)
{
    struct timespec t;

    if (runs->n_streams == 0) {
        pthread_cond_wait(&runs->work, &runs->lock);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)LOOK_SECONDS;
    pthread_cond_timedwait(&runs->work, &runs->lock, &t);
}

static void *watch(void *user)
{
    struct runs *runs = user;

    pthread_mutex_lock(&runs->lock);
    while (!runs->closing) {
        answer_all(runs);
        if (runs->n_streams > 0 && !runs->ending) {
            pthread_mutex_unlock(&runs->lock);
            refresh(runs, LOOK_SECONDS);
            pthread_mutex_lock(&runs->lock);
            while (events_feed(runs) && !runs->first && !runs->closing)
                ; /* one after the other */
        }
        if (!runs->first && !runs->closing)
            wait_for_work(runs);
    }
    answer_all(runs);
    pthread_mutex_unlock(&runs->lock);
    return NULL;
}

static void destroy(struct runs *runs)
{
    for (size_t i = 0; i < RUNS; i++)
        run_destroy(runs->at[i]);
    pthread_cond_destroy(&runs->work);
    pthread_mutex_destroy(&runs->lock);
    free(runs);
}

int runs_open(struct server *s)
{
    const struct serve_options *o = s->options;
    pthread_condattr_t monotonic;
    struct runs *runs = calloc(1, sizeof(*runs));
    int folder;

    if (!runs) {
        say_error("out of memory");
        return EXIT_FAILED;
    }
    *runs = (struct runs){.folder = o->runs,
                          .server = s,
                          .searched = -HUGE_VAL,
                          .looked = -HUGE_VAL,
                          .most_streams = (o->connections + 3) / 4};
    folder = open_folder(runs);
    if (folder < 0) {
        say_error("--runs: cannot read folder '%s': %s", o->runs,
                  strerror(errno));
        free(runs);
        return EXIT_FAILED;
    }
    close(folder);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&runs->lock, NULL);
    pthread_cond_init(&runs->work, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&runs->thread, NULL, watch, runs) != 0) {
        say_error("cannot start a thread");
        destroy(runs);
        return EXIT_FAILED;
    }
    s->runs = runs;
    return 0;
}

int runs_close(struct runs *runs)
{
    if (!runs)
        return 0;
    pthread_mutex_lock(&runs->lock);
    runs->closing = 1;
    pthread_cond_signal(&runs->work);
    pthread_mutex_unlock(&runs->lock);
    if (serve_join(runs->thread))
        return -1;
    destroy(runs);
    return 0;
}
