/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages that watch runs: each is a stream of Server-Sent Events, which knows
 * what its page has been told. libmicrohttpd's thread takes from it, the thread
 * of runs writes. */
#include "runs.h"

#include "../output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A text is sent when it has so many bytes; the rest comes in the next one. */
#define TEXT_BYTES ((size_t)256 << 10)
/* Without news a page is sent a line after so long: so it is seen to be gone.
 */
#define QUIET_SECONDS 15.0
#define NOTHING       ":\n\n"

/** What a page has been told of the run at a place. */
struct told {
    uint64_t id; /* 0: nothing */
    uint64_t change, whole;
    size_t points[CURVES];
};

struct stream {
    struct stream *next;
    struct runs *runs;
    struct request *request;
    char *text; /* to be sent; the reader's, unless it waits */
    size_t size, at;
    int waits; /* for a text; the connection is suspended */
    int fed;   /* the thread of runs writes one */
    int gone;  /* meanwhile the page went */
    double since;

    struct told told[RUNS]; /* the thread of runs' alone, as what follows */
    uint64_t count;         /* of runs that the page was told */
    char error[200];
    int begun;
    uint64_t turn; /* that it had last */
};

/* ----------------------------------------------------- libmicrohttpd's thread
 */

void events_run(struct request *r)
{
    struct runs *runs = r->server->runs;
    struct answer a = {.status = 200, .type = "text/event-stream", .stream = 1};
    struct stream *s;
    int full, ending;

    if (!runs) {
        request_fail(r, 404, NO_RUNS);
        return;
    }
    s = calloc(1, sizeof(*s));
    if (!s) {
        request_fail(r, 503, "out of memory");
        return;
    }
    s->runs = runs;
    s->request = r;
    s->since = serve_now();
    pthread_mutex_lock(&runs->lock);
    ending = runs->ending;
    full = ending || runs->n_streams >= runs->most_streams;
    if (!full) {
        s->next = runs->streams;
        runs->streams = s;
        runs->n_streams++;
        r->stream = s;
    }
    pthread_mutex_unlock(&runs->lock);
    if (!full) {
        request_answer(r, &a);
        return;
    }
    free(s);
    if (ending)
        request_fail(r, 503, ENDS);
    else
        request_fail(r, 503,
                     "%d pages watch already, of at most %d: a quarter of "
                     "--connections",
                     runs->most_streams, runs->most_streams);
}

int events_take(struct stream *s, char *out, size_t room, size_t *size)
{
    struct runs *runs = s->runs;
    int more = 1;

    *size = 0;
    pthread_mutex_lock(&runs->lock);
    s->since = serve_now();
    if (s->at < s->size) {
        *size = s->size - s->at < room ? s->size - s->at : room;
        memcpy(out, s->text + s->at, *size);
        s->at += *size;
    } else if (runs->ending) {
        more = 0;
    } else {
        free(s->text);
        s->text = NULL;
        s->size = s->at = 0;
        s->waits = 1;
        http_pause(s->request);
        pthread_cond_signal(&runs->work);
    }
    pthread_mutex_unlock(&runs->lock);
    return more;
}

int events_are_stuck(struct stream *s)
{
    int stuck;

    pthread_mutex_lock(&s->runs->lock);
    stuck = !s->waits &&
            serve_now() - s->since > s->runs->server->options->deadline;
    pthread_mutex_unlock(&s->runs->lock);
    return stuck;
}

/* Under the lock. */
static void wake(struct stream *s)
{
    s->waits = 0;
    s->since = serve_now();
    http_resume(s->request);
}

void events_nudge(struct stream *s)
{
    pthread_mutex_lock(&s->runs->lock);
    if (s->waits && !s->fed && (s->text = strdup(NOTHING))) {
        s->size = strlen(s->text);
        wake(s);
    }
    pthread_mutex_unlock(&s->runs->lock);
}

static void destroy(struct stream *s)
{
    free(s->text);
    free(s);
}

void events_close(struct stream *s)
{
    struct runs *runs;
    int fed;

    if (!s)
        return;
    runs = s->runs;
    pthread_mutex_lock(&runs->lock);
    for (struct stream **at = &runs->streams; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            break;
        }
    runs->n_streams--;
    fed = s->fed;
    s->gone = 1;
    pthread_mutex_unlock(&runs->lock);
    if (!fed)
        destroy(s);
}

void events_end(struct runs *runs)
{
    if (!runs)
        return;
    pthread_mutex_lock(&runs->lock);
    runs->ending = 1;
    for (struct stream *s = runs->streams; s; s = s->next)
        if (s->waits)
            wake(s);
    pthread_mutex_unlock(&runs->lock);
}

int events_count(struct runs *runs)
{
    int n = 0;

    if (!runs)
        return 0;
    pthread_mutex_lock(&runs->lock);
    n = runs->n_streams;
    pthread_mutex_unlock(&runs->lock);
    return n;
}

/* -------------------------------------------------------- the thread of runs
 */

static void write_event(FILE *out, const char *event, json_t *object)
{
    size_t size;
    char *line = json_print(object, &size);

    if (line)
        fprintf(out, "event: %s\ndata: %s\n", event, line);
    free(line);
}

/* A run as far as the page does not know it: its points from the last one that
 * it has, which may have changed. */
static void tell_run(FILE *out, const struct run *run, struct told *told)
{
    json_t *object = run_summary(run), *curves = json_new();
    int whole = told->id != run->id || told->whole < run->whole;

    json_put(object, "id", json_count(run->id));
    for (size_t i = 0; i < CURVES; i++) {
        size_t from = whole || told->points[i] == 0 ? 0 : told->points[i] - 1;
        json_t *curve = json_new();

        json_put(curve, "from", json_count(from));
        json_put(curve, "points", run_points(&run->curves[i], from));
        json_put(curves, run_curve_name(i), curve);
        told->points[i] = run->curves[i].count;
    }
    json_put(object, "curves", curves);
    if (whole)
        run_describe(run, object);
    write_event(out, "run", object);
    told->id = run->id;
    told->change = run->change;
    told->whole = run->whole;
}

static void tell_gone(FILE *out, struct told *told)
{
    json_t *object = json_new();

    json_put(object, "id", json_count(told->id));
    write_event(out, "gone", object);
    *told = (struct told){0};
}

/* How many there are, once all were told; what is wrong with the folder; and
 * the time, which "changed" of runs is to be compared with. */
static void tell_folder(struct stream *s, FILE *out)
{
    const struct runs *runs = s->runs;
    json_t *object = json_new();

    json_put(object, "count", json_count(runs->count));
    json_put(object, "error", json_text(runs->error[0] ? runs->error : NULL));
    json_put(object, "now", json_count((uint64_t)time(NULL)));
    write_event(out, "folder", object);
    s->begun = 1;
    s->count = runs->count;
    memcpy(s->error, runs->error, sizeof(s->error));
}

/* All that is new, or as much as goes into a text. */
static void tell_news(struct stream *s, FILE *out)
{
    const struct runs *runs = s->runs;

    for (size_t i = 0; i < RUNS; i++) {
        const struct run *run = runs->at[i];
        struct told *told = &s->told[i];

        if (told->id && (!run || told->id != run->id))
            tell_gone(out, told);
        if (run && (!told->id || told->change != run->change))
            tell_run(out, run, told);
        if ((size_t)ftell(out) > TEXT_BYTES)
            return;
    }
    if (!s->begun || s->count != runs->count ||
        strcmp(s->error, runs->error) != 0)
        tell_folder(s, out);
}

/* The text for a stream, NULL: there is nothing to say. */
static char *write_text(struct stream *s, double quiet, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);

    if (!out)
        return NULL;
    tell_news(s, out);
    if (ftell(out) == 0 && quiet >= QUIET_SECONDS)
        fputs(NOTHING, out);
    if (fclose(out) == 0 && *size > 0)
        return text;
    free(text);
    return NULL;
}

/* Whether there was anything to say. */
static int feed(struct runs *runs, struct stream *s)
{
    double quiet = serve_now() - s->since;
    size_t size = 0;
    char *text;

    s->fed = 1;
    pthread_mutex_unlock(&runs->lock);
    text = write_text(s, quiet, &size);
    pthread_mutex_lock(&runs->lock);
    s->fed = 0;
    if (s->gone) {
        free(text);
        destroy(s);
        return 0;
    }
    if (!text)
        return 0;
    s->text = text;
    s->size = size;
    s->at = 0;
    if (s->waits)
        wake(s);
    return 1;
}

/* A stream that waits and has not had its turn. */
static struct stream *next_waiting(struct runs *runs, uint64_t turn)
{
    struct stream *s = runs->streams;

    while (s && (!s->waits || s->turn == turn))
        s = s->next;
    return s;
}

int events_feed(struct runs *runs)
{
    uint64_t turn = ++runs->turns;
    struct stream *s;
    int found = 0;

    while ((s = next_waiting(runs, turn))) {
        s->turn = turn;
        found |= feed(runs, s);
    }
    return found;
}
