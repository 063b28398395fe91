/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of `resnet serve` share: a server, its models, and requests on
 * their way through it.
 *
 *   http.c    takes requests in one thread, by libmicrohttpd
 *   routes.c  says which function answers which path
 *   engine.c  threads that read and prepare pictures, batches, and threads
 *             (streams) that compute them
 *   runs.h    runs that are watched, in a thread of their own
 *
 * A request belongs to http.c's thread until it is handed to the engine; then
 * to the thread that works on it. Whoever makes its answer first wins: the
 * work, or its deadline. */
#ifndef RN_CLI_SERVE_SERVE_H
#define RN_CLI_SERVE_SERVE_H

#include "../answer.h"
#include "../import.h"
#include "metrics.h"
#include "multipart.h"
#include "resnet.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

enum log_form { LOG_NONE, LOG_LINES, LOG_JSON };

struct serve_options {
    struct import_args import;
    struct rn_eval_options run;
    const char *runs, *host, *features, *token, *allow_host, *allow_origin;
    int port, max_batch, streams, queue, connections, max_body;
    int log;  /* a log_form */
    int wide; /* threads of all streams together */
    double max_delay, deadline;
};

/** Seconds on a clock that only goes on. */
double serve_now(void);

/** Join a thread that reads files: 0, or -1 where a disk holds it up. Nothing
 * can wake it then, and the process ends without it. */
int serve_join(pthread_t thread);

/* ----------------------------------------------------------------- models */

/** Plans of one batch size each, for one stream, and what they read and
 *  write. */
struct lane {
    struct rn_plan **plans; /* [n_sizes] */
    float *images, *logits, *values;
};

/** A model as its file was when it was read. */
struct model {
    struct slot *slot;
    struct rn_model *net;
    struct rn_model_info info;
    struct answering answering;
    size_t pixels;   /* numbers of an image */
    int kept[3];     /* channels, height, width of features; zero: none */
    size_t n_values; /* their product */
    int *sizes;      /* [n_sizes] of batches, rising */
    size_t n_sizes;
    struct lane *lanes; /* [streams] */
    int streams;
    /* On all threads, for an image that is alone; its plan is NULL where there
     * is but one stream. What it reads and writes is the lane's. */
    struct rn_plan *wide;

    /* The engine's, under its lock: */
    int refs;
    struct image *first, *last; /* waiting to be computed */
    /* Images: to be computed, being prepared for that, in streams. */
    int waiting, coming, computing;
    struct model *next; /* of all that are in use */
};

/** A name, and the file behind it. */
struct slot {
    char *name;
    const char *path;
    struct model *current; /* under the engine's lock */
    struct model_metrics metrics;
};

/** Take `[NAME=]MODEL` operands apart: 0, or the exit status after a message.
 */
int slots_parse(struct slot **out, char *const *texts, int count);
void slots_free(struct slot *slots, int count);
/** Load a slot's file, with plans for every stream. */
int model_open(struct model **out, struct slot *slot,
               const struct serve_options *o, struct rn_error *err);
void model_destroy(struct model *model);
/** What GET /models tells of it. */
json_t *model_describe(const struct model *model);

/* --------------------------------------------------------------- requests */

struct server;
struct request;

/** What answers a path. */
struct route {
    const char *method;
    const char *path;  /* {name} and {version} stand for any component, {run}
                          for all that is left */
    const char *query; /* parameters that it knows, "|top|cam|" */
    int open;          /* without the token, too */
    void (*run)(struct request *r); /* answers at once */
    /* or in a thread of the engine: takes the body apart, then
     * engine_submit() or an answer; */
    void (*begin)(struct request *r);
    /* and makes the answer when all images are computed; */
    void (*finish)(struct request *r);
    /* or answers in the thread that looks at runs. */
    void (*watch)(struct request *r);
};

/** The routes; i-th, NULL past the end. */
const struct route *route_at(size_t i);

/** An image on its way through a model. */
struct image {
    struct request *request;
    struct image *next;
    const char *bytes; /* of the picture, borrowed; NULL: `input` is given */
    size_t size;
    const char *name;        /* of the picture, borrowed */
    float *input;            /* normalised */
    float *logits, *values;  /* out; the second where it is asked for */
    struct rn_image picture; /* kept for a class map, made smaller */
    struct rn_error err;
    double queued;
};

/** Of what {name} and {run} of a path stand for. */
enum { NAME_ROOM = 1024 };

struct answer {
    unsigned status;
    const char *type;
    char *text; /* malloc()ed, or static */
    size_t size;
    int is_static;
    int retry;          /* seconds, in Retry-After; 0: none */
    size_t json_header; /* in Inference-Header-Content-Length; 0: none */
    const char *allow;  /* methods, in Allow; NULL: none */
    int close;          /* the connection ends with it */
    int stream;         /* request.stream makes the text as it goes */
};

enum request_state {
    REQUEST_COMING,    /* headers or body */
    REQUEST_WAITING,   /* for an answer */
    REQUEST_ANSWERING, /* somebody writes it */
    REQUEST_ANSWERED,
};

struct request {
    struct server *server;
    void *connection; /* http.c's */
    const struct route *route;
    char *target; /* as it came, for the log */
    char method[16], name[NAME_ROOM];
    double begun;
    int refused; /* answered before its body was read */
    char *body;
    size_t size, room;
    /* from the headers and the query: */
    unsigned parameters; /* bits of those that the query gave */
    int top, cam, class_index;
    int multipart; /* the body is of parts behind `boundary` */
    char boundary[71];
    size_t json_header; /* SIZE_MAX: all of it is JSON */

    _Atomic int state, refs;
    struct answer answer;
    struct stream *stream; /* of an answer that is one */

    struct model *model; /* held */
    struct image *images;
    size_t count;
    int with_values, with_picture;
    size_t left; /* images; under the engine's lock */
    void *work;  /* the route's */
    void (*free_work)(void *work);
    struct request *next; /* in the engine's queue */
};

/** Make the answer, unless its deadline has; the text is taken over. */
void request_answer(struct request *r, const struct answer *answer);
/** An answer of JSON, which is released. */
void request_json(struct request *r, unsigned status, json_t *object);
/** {"error": …}. */
__attribute__((format(printf, 3, 4))) void
request_fail(struct request *r, unsigned status, const char *format, ...);
/** The same for what the library said. */
void request_error(struct request *r, const struct rn_error *err);
/** The HTTP status that goes with an rn_status. */
unsigned error_status(int code);
/** As one line; NULL where there is no memory. */
char *json_print(json_t *object, size_t *size);
/** Give the request room for `count` images: 0, or -1 after an answer. */
int request_prepare(struct request *r, size_t count);
/** Put the images on their way, or answer 503. */
void request_submit(struct request *r);
/** What went wrong with an image, or RN_OK; answers that are not finite are
 *  wrong, too. */
int image_check(struct image *image);
/** Has its deadline come? */
int request_is_late(const struct request *r);
void request_hold(struct request *r);
void request_release(struct request *r);

/* ----------------------------------------------------------------- engine */

struct engine;

/** Every slot has its model. @param metrics borrowed. */
int engine_open(struct engine **out, const struct serve_options *o,
                struct slot *slots, int n_slots, struct metrics *metrics,
                struct rn_error *err);
/** Begin a request in one of the engine's threads; it is held meanwhile. */
void engine_begin(struct engine *e, struct request *r);
/** Put r->images [r->count] of r->model on their way. Where the queue has no
 *  room for them: -1, and nothing happened. */
int engine_submit(struct engine *e, struct request *r);
/** The model of that name, held; NULL: there is none. */
struct model *engine_model(struct engine *e, const char *name);
void engine_release(struct engine *e, struct model *model);
/** Put a model in the place of the slot's present one. */
void engine_replace(struct engine *e, struct model *model);
/** Images on their way. */
int engine_waiting(struct engine *e);
/** End the threads when all work is done. */
void engine_close(struct engine *e);

/* ------------------------------------------------------------------- runs */

struct runs;
struct stream;

/** What is answered where there are none. */
#define NO_RUNS "no runs are watched: --runs FOLDER names some"

/** Watch the runs below options->runs: s->runs, or the exit status after a
 *  message. */
int runs_open(struct server *s);
/** Answer a request in the thread of runs; it is held meanwhile. */
void runs_begin(struct runs *runs, struct request *r);
/** End the thread: 0, or -1 where serve_join() fails, and nothing is freed.
 * NULL will do, as below. */
int runs_close(struct runs *runs);

/** The next bytes of a stream; *size is 0: http_pause() was called, and
 *  http_resume() will be. 0: it has ended. */
int events_take(struct stream *stream, char *out, size_t room, size_t *size);
/** Whether its client has read nothing for as long as a request may take. */
int events_are_stuck(struct stream *stream);
/** Have it send something, if it is nothing. */
void events_nudge(struct stream *stream);
/** Nobody takes from it any more. */
void events_close(struct stream *stream);
/** End all streams, and begin no others. */
void events_end(struct runs *runs);
/** How many there are. */
int events_count(struct runs *runs);

/* ----------------------------------------------------------------- server */

/** What requests get that come while it ends. */
#define ENDS "the server ends"

struct server {
    const struct serve_options *options;
    struct slot *slots;
    int n_slots;
    struct engine *engine;
    struct runs *runs; /* NULL: none are watched */
    struct metrics metrics;
    struct reload *reload;   /* of models */
    struct loading *loading; /* before it answers */
    char *token;
    size_t max_body;
    double begun;
    _Atomic int closing;     /* no further connections are taken */
    _Atomic int ending;      /* no further requests are begun */
    _Atomic int suspended;   /* requests that the engine has */
    _Atomic int active;      /* requests */
    _Atomic int connections; /* open */
    _Atomic size_t held;     /* bytes of bodies */

    pthread_mutex_t large_json; /* whoever reads some */

    pthread_mutex_t lock; /* of the connections */
    struct link *links;
    void *daemon;  /* libmicrohttpd's */
    int listening; /* its socket, once it listens no more; or -1 */
};

/** A socket that listens at options->host and port, or the one that systemd has
 *  given; -1 after a message. *shown tells where it is. */
int socket_open(const struct serve_options *o, char *shown, size_t size,
                int *is_loopback);
/** Whether it is systemd's. */
int socket_is_given(void);
/** Start to answer. @return 0, or -1 after a message. */
int http_open(struct server *s, int fd);
/** Look after deadlines: to be called several times a second. */
void http_tick(struct server *s);
/** Take no further connections. */
void http_quiesce(struct server *s);
/** End what is still on its way with 503, and all connections. */
void http_close(struct server *s);

/** Stop sending a stream, in libmicrohttpd's thread; and go on, in any. */
void http_pause(struct request *r);
void http_resume(struct request *r);

/** A header of the request, or NULL; only before it is handed to the
 *  engine. */
const char *request_header(const struct request *r, const char *name);
/** Call `each` with every parameter of the query until it is not 0. */
int request_query(struct request *r,
                  int (*each)(struct request *r, const char *key,
                              const char *value));

/** Serve what the operands name until a signal says to stop; the exit
 *  status. */
int serve_run(const struct serve_options *o, char *const *models, int count);

/** Whether a request for this host, from a page of that origin, may be answered
 *  here; else its answer is made. */
int guard_check(struct request *r);
/** Whether it has the token; likewise. */
int guard_token(struct request *r);
/** The token in a file, malloc()ed; NULL after a message. */
char *guard_read_token(const char *path);
/** The origin that may read the answer, for Access-Control-Allow-Origin, or
 *  NULL. */
const char *guard_origin(const struct request *r);

/** Find the route and take headers and query apart; what is wrong is answered.
 */
void route_request(struct request *r, const char *path);

void log_request(const struct request *r, const char *peer, double seconds);

/* Routes that are files of their own. */
void predict_begin(struct request *r);
void predict_finish(struct request *r);
void features_begin(struct request *r);
void features_finish(struct request *r);
void infer_begin(struct request *r);
void infer_finish(struct request *r);
void v2_server(struct request *r);
void v2_live(struct request *r);
void v2_ready(struct request *r);
void v2_model(struct request *r);
void v2_model_ready(struct request *r);
void metrics_run(struct request *r);
void runs_list(struct request *r);
void runs_one(struct request *r);
void events_run(struct request *r);

#endif
