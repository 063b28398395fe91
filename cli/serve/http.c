/* SPDX-License-Identifier: BSD-2-Clause */
/* The wall around libmicrohttpd, which no other file includes: connections,
 * bodies, and answers. One thread of its own does all that here; a request that
 * takes time is suspended while the engine works on it. */
#include "serve.h"

#include "../output.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/** A connection. */
struct link {
    struct link *next, *before;
    struct server *server;
    int fd;
    double since; /* it waits for a request */
    struct request *request;
    char peer[64];
};

/* A connection without a request is closed after so many seconds, and one whose
 * answer is not taken so long after the deadline. */
#define IDLE_SECONDS  10.0
#define GRACE_SECONDS 5.0

/* When the server ends, answers that are made have so long to be sent. */
#define LAST_SECONDS 1.0

/* Of a stream so much is sent at a time. */
#define STREAM_BYTES (16 << 10)

/* A header may take so many bytes. */
#define HEADER_BYTES (32 << 10)

/* ---------------------------------------------------------------- requests */

const char *request_header(const struct request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

/* How often a header is there; NULL: those whose name is none. */
struct occurrences {
    const char *name;
    int count;
};

/* RFC 9110, section 5.6.2. */
static int is_token(const char *text)
{
    static const char allowed[] = "!#$%&'*+-.^_`|~0123456789"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz";
    size_t n = strspn(text, allowed);

    return n > 0 && !text[n];
}

static enum MHD_Result on_header(void *user, enum MHD_ValueKind kind,
                                 const char *key, const char *value)
{
    struct occurrences *o = user;

    (void)kind;
    (void)value;
    o->count += o->name ? strcasecmp(key, o->name) == 0 : !is_token(key);
    return MHD_YES;
}

static int count_headers(const struct request *r, const char *name)
{
    struct occurrences o = {name, 0};

    MHD_get_connection_values(r->connection, MHD_HEADER_KIND, on_header, &o);
    return o.count;
}

/* What request_query() hands on. */
struct query {
    struct request *request;
    int (*each)(struct request *r, const char *key, const char *value);
    int result;
};

static enum MHD_Result on_parameter(void *user, enum MHD_ValueKind kind,
                                    const char *key, const char *value)
{
    struct query *q = user;

    (void)kind;
    q->result = q->each(q->request, key, value ? value : "");
    return q->result ? MHD_NO : MHD_YES;
}

int request_query(struct request *r,
                  int (*each)(struct request *r, const char *key,
                              const char *value))
{
    struct query q = {r, each, 0};

    MHD_get_connection_values(r->connection, MHD_GET_ARGUMENT_KIND,
                              on_parameter, &q);
    return q.result;
}

void request_answer(struct request *r, const struct answer *answer)
{
    int waiting = REQUEST_WAITING;

    if (atomic_load(&r->state) == REQUEST_COMING) {
        r->answer = *answer; /* in our own thread */
        r->refused = 1;
        return;
    }
    if (!atomic_compare_exchange_strong(&r->state, &waiting,
                                        REQUEST_ANSWERING)) {
        if (!answer->is_static)
            free(answer->text); /* its deadline was before us */
        return;
    }
    r->answer = *answer;
    atomic_store(&r->state, REQUEST_ANSWERED);
    MHD_resume_connection(r->connection);
    atomic_fetch_sub(&r->server->suspended, 1);
}

void http_pause(struct request *r)
{
    MHD_suspend_connection(r->connection);
}

void http_resume(struct request *r)
{
    MHD_resume_connection(r->connection);
}

/* libmicrohttpd has room for more of a stream. */
static ssize_t read_stream(void *user, uint64_t at, char *out, size_t room)
{
    const struct request *r = user;
    size_t size;

    (void)at;
    if (!events_take(r->stream, out, room, &size))
        return MHD_CONTENT_READER_END_OF_STREAM;
    return (ssize_t)size;
}

/* The text goes with the request, not with the response: it may be NULL, for
 * one that was abandoned. */
static struct MHD_Response *make_response(struct request *r)
{
    const struct answer *a = &r->answer;
    struct MHD_Response *response =
        a->stream ? MHD_create_response_from_callback(
                        MHD_SIZE_UNKNOWN, STREAM_BYTES, read_stream, r, NULL)
                  : MHD_create_response_from_buffer(a->size, a->text,
                                                    MHD_RESPMEM_PERSISTENT);
    const char *origin = guard_origin(r);
    char number[32];

    if (!response)
        return NULL;
    if (a->type)
        MHD_add_response_header(response, "Content-Type", a->type);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(
        response, "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'");
    if (origin) {
        MHD_add_response_header(response, "Access-Control-Allow-Origin",
                                origin);
        MHD_add_response_header(response, "Vary", "Origin");
        MHD_add_response_header(response, "Access-Control-Expose-Headers",
                                "Inference-Header-Content-Length, Retry-After");
        MHD_add_response_header(response, "Access-Control-Allow-Methods",
                                "GET, HEAD, POST, OPTIONS");
        MHD_add_response_header(
            response, "Access-Control-Allow-Headers",
            "Authorization, Content-Type, Inference-Header-Content-Length");
        MHD_add_response_header(response, "Access-Control-Max-Age", "600");
    }
    if (a->allow)
        MHD_add_response_header(response, "Allow", a->allow);
    if (a->status == 401)
        MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
    if (a->retry) {
        snprintf(number, sizeof(number), "%d", a->retry);
        MHD_add_response_header(response, "Retry-After", number);
    }
    if (a->json_header) {
        snprintf(number, sizeof(number), "%zu", a->json_header);
        MHD_add_response_header(response, "Inference-Header-Content-Length",
                                number);
    }
    if (a->close || atomic_load(&r->server->closing))
        MHD_add_response_header(response, "Connection", "close");
    return response;
}

static enum MHD_Result send_answer(struct MHD_Connection *c, struct request *r)
{
    struct MHD_Response *response = make_response(r);
    enum MHD_Result result;

    if (!response)
        return MHD_NO;
    result = MHD_queue_response(c, r->answer.status, response);
    MHD_destroy_response(response);
    return result;
}

/* Room for `more` bytes of body; what it may not have is answered. */
static int make_room(struct request *r, size_t more)
{
    struct server *s = r->server;
    size_t room = r->room ? r->room : 16 << 10;
    char *body;

    if (more > s->max_body || r->size > s->max_body - more) {
        request_fail(r, 413, "the body has more than %zu bytes (--max-body %d)",
                     s->max_body, s->options->max_body);
        return -1;
    }
    while (room < r->size + more)
        room *= 2;
    if (room > s->max_body)
        room = s->max_body;
    if (room <= r->room)
        return 0;
    /* bodies of all requests together may take as much as sixteen full ones */
    body = atomic_load(&s->held) + room - r->room > 16 * s->max_body
               ? NULL
               : realloc(r->body, room);
    if (!body) {
        request_fail(r, 503, "there is no memory for the body");
        return -1;
    }
    atomic_fetch_add(&s->held, room - r->room);
    r->body = body;
    r->room = room;
    return 0;
}

/* A part of the body. Of a request that is refused it is read, so that the
 * client sees the answer, and dropped. */
static void take_body(struct request *r, const char *bytes, size_t size)
{
    if (r->refused || make_room(r, size))
        return;
    memcpy(r->body + r->size, bytes, size);
    r->size += size;
}

/* Refuse what a proxy in front may read otherwise than libmicrohttpd does:
 * where the body ends, and so what the next request is (request smuggling),
 * whom it is for, and which path it has. */
static int refuse_ambiguous(struct request *r, const char *version)
{
    const char *encoding = request_header(r, "Transfer-Encoding");
    int lengths = count_headers(r, "Content-Length");
    int hosts = count_headers(r, "Host");

    if (count_headers(r, NULL) > 0)
        request_fail(r, 400,
                     "a header's name is not one: it is empty or holds "
                     "a blank or another character that none may have");
    else if (lengths > 1 || (lengths && encoding))
        request_fail(r, 400,
                     "Content-Length is there twice, or beside "
                     "Transfer-Encoding: where the body ends is not clear");
    else if (encoding && (count_headers(r, "Transfer-Encoding") > 1 ||
                          strcasecmp(encoding, "chunked") != 0))
        request_fail(r, MHD_HTTP_NOT_IMPLEMENTED,
                     "Transfer-Encoding '%.40s' is not known: chunked is, "
                     "alone and once",
                     encoding);
    else if (hosts > 1)
        request_fail(r, 400, "Host is there twice");
    else if (hosts == 0 && strcmp(version, "HTTP/1.0") != 0)
        request_fail(r, 400, "Host is missing, which %.10s asks for", version);
    else if (strstr(r->target, "%00"))
        request_fail(r, 400, "the path or the query holds a zero byte (%%00)");
    r->answer.close = r->refused;
    return r->refused;
}

/* The headers are there. */
static void begin(struct request *r, const char *path, const char *method,
                  const char *version)
{
    const char *length = request_header(r, "Content-Length");
    const char *encoding = request_header(r, "Content-Encoding");

    snprintf(r->method, sizeof(r->method), "%s", method);
    if (refuse_ambiguous(r, version) || !guard_check(r))
        return;
    route_request(r, path);
    if (r->refused)
        return;
    if (length && strtoull(length, NULL, 10) > r->server->max_body)
        request_fail(r, 413,
                     "the body has %.20s bytes, of at most %zu "
                     "(--max-body %d)",
                     length, r->server->max_body, r->server->options->max_body);
    else if (encoding && strcasecmp(encoding, "identity") != 0)
        request_fail(r, 415,
                     "Content-Encoding '%.40s' is not known: send the body as "
                     "it is",
                     encoding);
}

/* Hand a request to the engine, or to the thread of runs, unless the server
 * ends: http_close() counts those that are suspended after it has said so. */
static int hand_over(struct MHD_Connection *c, struct request *r)
{
    struct server *s = r->server;

    if (r->route->watch && !s->runs) {
        request_fail(r, 404, NO_RUNS);
        return -1;
    }
    atomic_fetch_add(&s->suspended, 1);
    if (atomic_load(&s->ending)) {
        atomic_fetch_sub(&s->suspended, 1);
        request_fail(r, 503, ENDS);
        return -1;
    }
    atomic_store(&r->state, REQUEST_WAITING);
    MHD_suspend_connection(c);
    if (r->route->watch)
        runs_begin(s->runs, r);
    else
        engine_begin(s->engine, r);
    return 0;
}

static enum MHD_Result dispatch(struct MHD_Connection *c, struct request *r)
{
    if (!r->refused && r->route->run)
        r->route->run(r);
    else if (!r->refused && hand_over(c, r) == 0)
        return MHD_YES;
    atomic_store(&r->state, REQUEST_ANSWERED);
    return send_answer(c, r);
}

/* libmicrohttpd calls it when a request's headers are there, for each part of
 * its body, at the end of it, and when a suspended one is resumed. */
static enum MHD_Result on_access(void *user, struct MHD_Connection *c,
                                 const char *path, const char *method,
                                 const char *version, const char *bytes,
                                 size_t *size, void **state)
{
    struct request *r = *state;

    (void)user;
    if (!r)
        return MHD_NO; /* there was no memory for it */
    if (!r->method[0]) {
        begin(r, path, method, version);
        /* who asks before it sends need not send, and who sends without an end
         * that is understood would not be answered */
        return r->refused && (request_header(r, "Expect") ||
                              r->answer.status == MHD_HTTP_NOT_IMPLEMENTED)
                   ? dispatch(c, r)
                   : MHD_YES;
    }
    if (*size) {
        take_body(r, bytes, *size);
        *size = 0;
        return MHD_YES;
    }
    return atomic_load(&r->state) == REQUEST_ANSWERED ? send_answer(c, r)
                                                      : dispatch(c, r);
}

/* ------------------------------------------------------------- connections */

static struct link *link_of(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

/* The first line of a request is there. */
static void *on_target(void *user, const char *target, struct MHD_Connection *c)
{
    struct server *s = user;
    struct link *link = link_of(c);
    struct request *r = calloc(1, sizeof(*r));

    if (r)
        r->target = strdup(target);
    if (!r || !r->target || !link) {
        if (r)
            free(r->target);
        free(r);
        return NULL;
    }
    r->server = s;
    r->connection = c;
    r->begun = serve_now();
    r->class_index = -1;
    r->json_header = SIZE_MAX;
    atomic_init(&r->state, REQUEST_COMING);
    atomic_init(&r->refs, 1);
    atomic_fetch_add(&s->active, 1);
    pthread_mutex_lock(&s->lock);
    link->request = r;
    pthread_mutex_unlock(&s->lock);
    return r;
}

static size_t route_index(const struct route *route)
{
    return route ? (size_t)(route - route_at(0)) : METRIC_ROUTES;
}

/* A request has its answer, or its client none. */
static void end_request(struct server *s, struct request *r,
                        const struct link *link)
{
    double seconds = serve_now() - r->begun;

    metrics_request(&s->metrics, route_index(r->route), r->answer.status,
                    seconds);
    log_request(r, link ? link->peer : "", seconds);
    events_close(r->stream);
    request_release(r);
    atomic_fetch_sub(&s->active, 1);
}

static void on_completed(void *user, struct MHD_Connection *c, void **state,
                         enum MHD_RequestTerminationCode how)
{
    struct server *s = user;
    struct request *r = *state;
    struct link *link = link_of(c);

    if (!r)
        return;
    *state = NULL;
    /* Nobody has had it; who watches leaves when he likes. */
    if (how != MHD_REQUEST_TERMINATED_COMPLETED_OK && !r->stream)
        r->answer.status = 0;
    pthread_mutex_lock(&s->lock);
    if (link) {
        link->request = NULL;
        link->since = serve_now();
    }
    pthread_mutex_unlock(&s->lock);
    end_request(s, r, link);
}

static void open_link(struct server *s, struct MHD_Connection *c,
                      void **context)
{
    const union MHD_ConnectionInfo *info;
    struct link *link = calloc(1, sizeof(*link));

    *context = link;
    if (!link)
        return;
    info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    link->fd = info ? (int)info->connect_fd : -1;
    info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info && info->client_addr)
        getnameinfo(info->client_addr,
                    info->client_addr->sa_family == AF_INET6
                        ? sizeof(struct sockaddr_in6)
                        : sizeof(struct sockaddr_in),
                    link->peer, sizeof(link->peer), NULL, 0, NI_NUMERICHOST);
    link->since = serve_now();
    pthread_mutex_lock(&s->lock);
    link->next = s->links;
    if (s->links)
        s->links->before = link;
    s->links = link;
    pthread_mutex_unlock(&s->lock);
}

static void close_link(struct server *s, void **context)
{
    struct link *link = *context;

    *context = NULL;
    if (!link)
        return;
    pthread_mutex_lock(&s->lock);
    if (link->before)
        link->before->next = link->next;
    else
        s->links = link->next;
    if (link->next)
        link->next->before = link->before;
    pthread_mutex_unlock(&s->lock);
    /* Whose headers have no room, libmicrohttpd does not call completed. */
    if (link->request)
        end_request(s, link->request, link);
    free(link);
}

static void on_connection(void *user, struct MHD_Connection *c, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct server *s = user;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        atomic_fetch_add(&s->connections, 1);
        open_link(s, c, context);
    } else {
        atomic_fetch_sub(&s->connections, 1);
        close_link(s, context);
    }
}

/* --------------------------------------------------------------- deadlines */

/* libmicrohttpd does not look at a connection that is suspended. */
static int has_hung_up(const struct link *link)
{
    struct pollfd fd = {.fd = link->fd, .events = POLLRDHUP};

    return poll(&fd, 1, 0) > 0;
}

/* A stream has no deadline, but somebody who reads it. */
static void look_at_stream(const struct link *link, struct stream *stream)
{
    if (events_are_stuck(stream)) {
        shutdown(link->fd, SHUT_RDWR);
    } else if (has_hung_up(link)) {
        shutdown(link->fd, SHUT_RDWR);
        events_nudge(stream);
    }
}

/* Requests that wait too long, held; at most `room`. Connections that take too
 * long otherwise are shut, which libmicrohttpd then sees. */
static size_t find_late(struct server *s, struct request **late, size_t room,
                        int all)
{
    double now = serve_now(), deadline = s->options->deadline;
    size_t n = 0;

    pthread_mutex_lock(&s->lock);
    for (struct link *link = s->links; link; link = link->next) {
        struct request *r = link->request;
        int state = r ? atomic_load(&r->state) : REQUEST_COMING;
        double since = r ? r->begun : link->since;
        double most = !r                           ? IDLE_SECONDS
                      : state >= REQUEST_ANSWERING ? deadline + GRACE_SECONDS
                                                   : deadline;

        if (state == REQUEST_ANSWERED && r->stream) {
            look_at_stream(link, r->stream);
            continue;
        }
        if (now - since < most && !all)
            continue;
        if (state == REQUEST_WAITING && n < room) {
            request_hold(r);
            late[n++] = r;
        } else if (state != REQUEST_WAITING && now - since >= most) {
            shutdown(link->fd, SHUT_RDWR);
        }
    }
    pthread_mutex_unlock(&s->lock);
    return n;
}

enum { LATE = 64 };

void http_tick(struct server *s)
{
    struct request *late[LATE];
    size_t n;

    do {
        n = find_late(s, late, LATE, 0);
        for (size_t i = 0; i < n; i++) {
            request_fail(late[i], 504,
                         "the answer was not there within %g s (--deadline)",
                         s->options->deadline);
            request_release(late[i]);
        }
    } while (n == LATE);
}

/* ------------------------------------------------------------ the daemon */

static void on_message(void *user, const char *format, va_list args)
{
    (void)user; /* what clients do wrong is no matter for our messages */
    (void)format;
    (void)args;
}

int http_open(struct server *s, int fd)
{
    const struct serve_options *o = s->options;

    pthread_mutex_init(&s->lock, NULL);
    /* With epoll, 0.9.75 does not see a connection that is closed right behind
     * a part of a request before its time is over. */
    s->daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
            MHD_USE_ERROR_LOG,
        0, NULL, NULL, on_access, s, /* clang-format off */
        MHD_OPTION_EXTERNAL_LOGGER, on_message, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)o->connections,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)o->deadline + 1,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_BYTES,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, s,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
        MHD_OPTION_END); /* clang-format on */
    if (s->daemon)
        return 0;
    say_error("cannot start to answer: %s", strerror(errno));
    return -1;
}

void http_quiesce(struct server *s)
{
    s->listening = MHD_quiesce_daemon(s->daemon);
    atomic_store(&s->closing, 1);
    /* libmicrohttpd's thread may still use it, so it is closed at the end; one
     * of systemd's goes on to listen */
    if (s->listening >= 0 && !socket_is_given())
        shutdown(s->listening, SHUT_RDWR);
}

/* Whether answers are made, but not sent. */
static int has_answers(struct server *s)
{
    int found = 0;

    pthread_mutex_lock(&s->lock);
    for (const struct link *link = s->links; link && !found; link = link->next)
        found = link->request &&
                atomic_load(&link->request->state) >= REQUEST_ANSWERING;
    pthread_mutex_unlock(&s->lock);
    return found;
}

void http_close(struct server *s)
{
    struct request *late[LATE];
    double until;
    size_t n;

    if (!s->daemon)
        return;
    atomic_store(&s->ending, 1);
    /* libmicrohttpd cannot stop while any is suspended */
    while (atomic_load(&s->suspended) > 0) {
        n = find_late(s, late, LATE, 1);
        for (size_t i = 0; i < n; i++) {
            request_fail(late[i], 503, ENDS);
            request_release(late[i]);
        }
        if (n == 0)
            usleep(1000); /* somebody writes an answer */
    }
    until = serve_now() + LAST_SECONDS;
    while (has_answers(s) && serve_now() < until)
        usleep(1000);
    MHD_stop_daemon(s->daemon);
    if (s->listening >= 0)
        close(s->listening);
    pthread_mutex_destroy(&s->lock);
}
