/* SPDX-License-Identifier: BSD-2-Clause */
/* The paths that are answered, and by what. */
#include "serve.h"

#include "../options.h"
#include "../output.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const char serve_page_html[], serve_page_css[], serve_page_js[],
    serve_runs_js[], serve_openapi[];

/* ------------------------------------------------------------ small answers */

static void answer_text(struct request *r, const char *type, const char *text)
{
    struct answer a = {.status = 200,
                       .type = type,
                       .text = (char *)text,
                       .size = strlen(text),
                       .is_static = 1};

    request_answer(r, &a);
}

static void page_html(struct request *r)
{
    answer_text(r, "text/html; charset=utf-8", serve_page_html);
}

static void page_css(struct request *r)
{
    answer_text(r, "text/css; charset=utf-8", serve_page_css);
}

static void page_js(struct request *r)
{
    answer_text(r, "text/javascript; charset=utf-8", serve_page_js);
}

static void runs_js(struct request *r)
{
    answer_text(r, "text/javascript; charset=utf-8", serve_runs_js);
}

static void openapi(struct request *r)
{
    answer_text(r, "application/json", serve_openapi);
}

static void health(struct request *r)
{
    json_t *object = json_new();

    json_put(object, "status", json_text("ok"));
    json_put(object, "version", json_text(rn_version()));
    json_put(object, "seconds",
             json_count((uint64_t)(serve_now() - r->server->begun)));
    request_json(r, 200, object);
}

static void models(struct request *r)
{
    const struct server *s = r->server;
    json_t *object = json_new(), *list = json_list();

    for (int i = 0; i < s->n_slots; i++) {
        struct model *m = engine_model(s->engine, s->slots[i].name);

        json_add(list, model_describe(m));
        engine_release(s->engine, m);
    }
    json_put(object, "models", list);
    json_put(object, "features", json_text(s->options->features));
    json_put(object, "runs", json_boolean(s->runs != NULL));
    request_json(r, 200, object);
}

/* ------------------------------------------------------------------ routes */

/* clang-format off */
static const struct route routes[] = {
    {"GET",  "/", .open = 1, .run = page_html},
    {"GET",  "/page.css", .open = 1, .run = page_css},
    {"GET",  "/page.js", .open = 1, .run = page_js},
    {"GET",  "/runs.js", .open = 1, .run = runs_js},
    {"GET",  "/health", .open = 1, .run = health},
    {"GET",  "/models", .run = models},
    {"POST", "/predict/{name}", .query = "|top|cam|class|",
     .begin = predict_begin, .finish = predict_finish},
    {"POST", "/features/{name}",
     .begin = features_begin, .finish = features_finish},
    {"GET",  "/runs", .watch = runs_list},
    {"GET",  "/runs/{run}", .watch = runs_one},
    {"GET",  "/events", .run = events_run},
    {"GET",  "/metrics", .run = metrics_run},
    {"GET",  "/openapi.json", .run = openapi},
    {"GET",  "/v2", .run = v2_server},
    {"GET",  "/v2/health/live", .run = v2_live},
    {"GET",  "/v2/health/ready", .run = v2_ready},
    {"GET",  "/v2/models/{name}", .run = v2_model},
    {"GET",  "/v2/models/{name}/ready", .run = v2_model_ready},
    {"POST", "/v2/models/{name}/infer",
     .begin = infer_begin, .finish = infer_finish},
    {"GET",  "/v2/models/{name}/versions/{version}", .run = v2_model},
    {"GET",  "/v2/models/{name}/versions/{version}/ready",
     .run = v2_model_ready},
    {"POST", "/v2/models/{name}/versions/{version}/infer",
     .begin = infer_begin, .finish = infer_finish},
};
/* clang-format on */

_Static_assert(COUNT(routes) <= METRIC_ROUTES, "metrics count every route");

const struct route *route_at(size_t i)
{
    return i < COUNT(routes) ? &routes[i] : NULL;
}

/* Whether a path is one of the pattern's; {name} or {run} goes into `name`, and
 * a {version} must be 1, the only one there is. */
static int matches(const char *pattern, const char *path, char name[NAME_ROOM])
{
    while (*pattern) {
        int is_run = strncmp(pattern, "{run}", 5) == 0;
        size_t n = is_run ? strlen(path) : strcspn(path, "/");

        if (is_run || strncmp(pattern, "{name}", 6) == 0) {
            if (n == 0 || n >= NAME_ROOM)
                return 0;
            memcpy(name, path, n);
            name[n] = '\0';
            pattern += is_run ? 5 : 6;
            path += n;
        } else if (strncmp(pattern, "{version}", 9) == 0) {
            if (n != 1 || *path != '1')
                return 0;
            pattern += 9;
            path += n;
        } else if (*pattern++ != *path++) {
            return 0;
        }
    }
    return !*path;
}

static int is_method(const struct route *route, const char *method)
{
    return strcmp(route->method, method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

/* The route of a path, by whatever method; *other is one of another. */
static const struct route *find_route(struct request *r, const char *path,
                                      const struct route **other)
{
    *other = NULL;
    for (size_t i = 0; i < COUNT(routes); i++)
        if (matches(routes[i].path, path, r->name)) {
            if (is_method(&routes[i], r->method))
                return &routes[i];
            *other = &routes[i];
        }
    return NULL;
}

/* A whole number from `least` to `most`, or -1 after an answer. */
static int read_number(struct request *r, const char *key, const char *text,
                       int least, int most)
{
    char *end;
    long n;

    errno = 0;
    n = strtol(text, &end, 10);
    if (errno == 0 && end != text && !*end && n >= least && n <= most)
        return (int)n;
    request_fail(r, 400, "%s: '%.40s' is not a number from %d to %d", key, text,
                 least, most);
    return -1;
}

static int read_parameter(struct request *r, const char *key, const char *value)
{
    const char *known = r->route->query, *place;
    char name[64];
    unsigned bit;

    snprintf(name, sizeof(name), "|%.60s|", key);
    place = known && !strchr(key, '|') ? strstr(known, name) : NULL;
    bit = place ? 1U << (place - known) : 0;
    if (!place)
        request_fail(r, 400, "%s: parameter '%.60s' is not known",
                     r->route->path, key);
    else if (r->parameters & bit)
        request_fail(r, 400, "%s: parameter '%s' is given twice",
                     r->route->path, key);
    r->parameters |= bit;
    if (r->refused)
        return r->refused;
    if (strcmp(key, "top") == 0)
        r->top = read_number(r, key, value, 1, 1000000);
    else if (strcmp(key, "cam") == 0)
        r->cam = read_number(r, key, value, 0, 1);
    else
        r->class_index = read_number(r, key, value, 0, 1000000);
    return r->refused;
}

/* What the headers of a POST say of its body. */
static void read_body_headers(struct request *r)
{
    const char *type = request_header(r, "Content-Type");
    const char *header = request_header(r, "Inference-Header-Content-Length");
    char *end;

    r->multipart = multipart_boundary(type, r->boundary);
    if (r->multipart > 0)
        request_fail(r, 400,
                     "Content-Type: multipart/form-data without a boundary");
    if (!header || r->refused)
        return;
    errno = 0;
    r->json_header = strtoull(header, &end, 10);
    /* strtoull() takes signs and blanks, too */
    if (errno || !isdigit((unsigned char)*header) || *end ||
        r->json_header > (size_t)1 << 40)
        request_fail(r, 400,
                     "Inference-Header-Content-Length: '%.40s' is no number of "
                     "bytes",
                     header);
}

static void refuse_method(struct request *r, const struct route *other)
{
    struct answer a = {.status = 204, .text = (char *)"", .is_static = 1};

    a.allow = strcmp(other->method, "GET") == 0 ? "GET, HEAD, OPTIONS"
                                                : "POST, OPTIONS";
    if (strcmp(r->method, "OPTIONS") == 0) {
        request_answer(r, &a);
        return;
    }
    request_fail(r, 405, "%s takes %s, not %s", other->path, other->method,
                 r->method);
    r->answer.allow = a.allow;
}

void route_request(struct request *r, const char *path)
{
    const struct route *other;
    const struct route *route = find_route(r, path, &other);

    /* browsers ask for OPTIONS without it */
    if ((!route || !route->open) &&
        !(other && strcmp(r->method, "OPTIONS") == 0) && !guard_token(r))
        return;
    if (!route && other) {
        refuse_method(r, other);
        return;
    }
    if (!route) {
        request_fail(r, 404,
                     "'%.200s': there is no such path; /openapi.json "
                     "lists them",
                     path);
        return;
    }
    r->route = route;
    if (!request_query(r, read_parameter) && route->begin)
        read_body_headers(r);
}
