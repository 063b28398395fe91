/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs that are watched: what lies below --runs, as it grows.
 *
 *   below.c    opens what lies below the folder, and nothing else
 *   run.c      one run: run.json, log.jsonl, whether a process trains it
 *   results.c  what `eval` left in its folder: the confusion matrix, mistakes
 *   runs.c     all of them, and the thread that looks at them and answers
 *   events.c   pages that are told of changes */
#ifndef RN_CLI_SERVE_RUNS_H
#define RN_CLI_SERVE_RUNS_H

#include "serve.h"

#include <sys/stat.h>

/* ------------------------------------------------------------------ below.c */

/** A folder below `folder` by its relative name ("" is itself); no part of it
 *  may be a link. A descriptor, or -1 with errno. */
int below_folder(int folder, const char *name);
/** A regular file of that name in a folder, no link: likewise. */
int below_file(int folder, const char *name, struct stat *st);
/** The file's bytes, a zero byte behind them; no more than `most` of them.
 *  NULL with errno; EFBIG where there are more and `cut` is zero. */
char *below_read(int folder, const char *name, size_t most, int cut,
                 size_t *size);

/* -------------------------------------------------------------------- run.c */

/* Of a curve. More only make noise: then each point is the mean of several. */
enum { POINTS = 400 };

struct curve {
    double at[POINTS][2]; /* iteration, value */
    size_t count;
    size_t each, in; /* lines to a point; in the last one so far */
};

enum { TRAIN_ERROR, LOSS, TEST_ERROR, TEST_LOSS, CURVES };

enum run_state {
    RUN_BROKEN,
    RUN_READING, /* its log is long, and not read to its end */
    RUN_STOPPED,
    RUN_TRAINING,
    RUN_FINISHED,
};

/** Which file, as it was when it was read. */
struct version {
    dev_t device;
    ino_t node;
    off_t size;
    struct timespec changed;
};

struct run {
    uint64_t id;     /* of no other run, ever */
    uint64_t found;  /* number of the search that saw it last */
    uint64_t change; /* rises with whatever is told of it */
    uint64_t whole;  /* the change since which curves only grew at their end */
    char *name;      /* below the folder, as the disk has it */
    char *shown;     /* in UTF-8 */
    char error[200]; /* why it is broken */
    enum run_state state;

    struct version described; /* run.json */
    json_t *text;
    const char *net, *test_name; /* of it */
    const json_t *options;
    long iterations;
    double patience;

    struct version logged; /* log.jsonl */
    off_t read;            /* bytes of its lines that were taken */
    char tail[64];         /* the last of them */
    size_t n_tail;
    int unread; /* there is more of it than was looked at */
    int skip;   /* the line that comes is too long, and left out */
    long iteration, best_iteration, lines, broken_lines;
    double last[CURVES], best_error, lr, speed; /* NaN: none */
    struct curve curves[CURVES];

    int was_locked;       /* by a process that trains */
    double grew;          /* when its log was last seen to grow */
    struct version saved; /* last.safetensors */
    int ended;            /* by patience, as that says */
};

/** The name of a curve in logs. */
const char *run_curve_name(size_t i);
/** What stands about a run that was found under this name. NULL: no memory. */
struct run *run_create(uint64_t id, const char *name, const char *shown);
void run_destroy(struct run *run);
/** Look at its folder again. */
void run_look(struct run *run, int folder);
/** The folder cannot be opened. */
void run_lost(struct run *run, const char *reason);
/** What is told of it in lists. */
json_t *run_summary(const struct run *run);
/** Options, network, data and machine, into an object. */
void run_describe(const struct run *run, json_t *object);
/** Points of a curve from one on. */
json_t *run_points(const struct curve *curve, size_t from);

/* ---------------------------------------------------------------- results.c */

/** "confusion" and "mistakes" of a folder into an object: null where there are
 *  none, a text where they cannot be read. */
void results_put(json_t *object, int folder);

/* ------------------------------------------------------------------- runs.c */

/* More runs than these are left out, and said to be. */
enum { RUNS = 1000 };

struct runs {
    const char *folder;
    struct server *server;

    /* The thread's alone: */
    struct run *at[RUNS]; /* NULL: a free place */
    size_t count;
    uint64_t searches, ids;
    char error[200]; /* of the folder */
    double searched, search_after, looked, look_after;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t work;
    struct request *first, *last; /* that wait */
    struct stream *streams;
    int n_streams, most_streams;
    uint64_t turns; /* of streams */
    int ending;     /* streams */
    int closing;    /* the thread */
    pthread_t thread;
};

/* ----------------------------------------------------------------- events.c */

/** Tell all pages that are ready what is new to them, in the thread of runs,
 *  which holds the lock. Whether there was anything. */
int events_feed(struct runs *runs);

#endif
