/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts requests, batches and their times, and writes them as Prometheus
 * reads them (text format 0.0.4). */
#include "serve.h"

#include "../options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Upper ends of the buckets. */
static const double seconds_up_to[METRIC_BUCKETS] = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
static const double images_up_to[METRIC_BUCKETS] = {
    1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128};

/* --------------------------------------------------------------- counting */

static void count(struct histogram *h, const double *up_to, double value)
{
    int i = 0;

    while (i < METRIC_BUCKETS && value > up_to[i])
        i++;
    h->buckets[i]++;
    h->sum += value;
}

void metrics_request(struct metrics *m, size_t route, unsigned status,
                     double seconds)
{
    struct route_metrics *r = &m->routes[route];
    size_t i = 0;

    pthread_mutex_lock(&m->lock);
    /* the last place takes whatever finds no other */
    while (i + 1 < COUNT(r->by_status) && r->by_status[i].count &&
           r->by_status[i].status != status)
        i++;
    r->by_status[i].status = status;
    r->by_status[i].count++;
    count(&r->seconds, seconds_up_to, seconds);
    pthread_mutex_unlock(&m->lock);
}

void metrics_batch(struct metrics *m, struct model_metrics *model, int images,
                   int failed, double seconds)
{
    pthread_mutex_lock(&m->lock);
    model->images += (uint64_t)images;
    model->failed += failed ? (uint64_t)images : 0;
    count(&model->sizes, images_up_to, images);
    count(&model->seconds, seconds_up_to, seconds);
    pthread_mutex_unlock(&m->lock);
}

void metrics_reload(struct metrics *m, int failed)
{
    pthread_mutex_lock(&m->lock);
    m->reloads++;
    m->failed_reloads += failed != 0;
    pthread_mutex_unlock(&m->lock);
}

/* --------------------------------------------------------------- printing */

static void head(FILE *out, const char *name, const char *type,
                 const char *help)
{
    fprintf(out, "# HELP resnet_%s %s\n# TYPE resnet_%s %s\n", name, help, name,
            type);
}

static void print_histogram(FILE *out, const char *name, const char *labels,
                            const struct histogram *h, const double *up_to)
{
    uint64_t below = 0;

    for (int i = 0; i < METRIC_BUCKETS; i++) {
        below += h->buckets[i];
        fprintf(out, "resnet_%s_bucket{%s,le=\"%g\"} %" PRIu64 "\n", name,
                labels, up_to[i], below);
    }
    below += h->buckets[METRIC_BUCKETS];
    fprintf(out,
            "resnet_%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n"
            "resnet_%s_sum{%s} %.9g\n"
            "resnet_%s_count{%s} %" PRIu64 "\n",
            name, labels, below, name, labels, h->sum, name, labels, below);
}

static const char *route_label(size_t i, char label[128])
{
    const struct route *route = route_at(i);

    snprintf(label, 128, "path=\"%s\"", route ? route->path : "other");
    return label;
}

static uint64_t requests_of(const struct route_metrics *r)
{
    uint64_t n = 0;

    for (size_t k = 0; k < COUNT(r->by_status); k++)
        n += r->by_status[k].count;
    return n;
}

static void print_requests(FILE *out, const struct metrics *m)
{
    char label[128];

    head(out, "requests_total", "counter",
         "Requests by path and status; 0: the client was gone first.");
    for (size_t i = 0; i <= METRIC_ROUTES; i++)
        for (size_t k = 0; k < COUNT(m->routes[i].by_status); k++)
            if (m->routes[i].by_status[k].count)
                fprintf(out,
                        "resnet_requests_total{%s,status=\"%u\"} %" PRIu64 "\n",
                        route_label(i, label), m->routes[i].by_status[k].status,
                        m->routes[i].by_status[k].count);
    head(out, "errors_total", "counter",
         "Requests that were not answered with a status below 400.");
    for (size_t i = 0; i <= METRIC_ROUTES; i++) {
        uint64_t errors = 0;

        for (size_t k = 0; k < COUNT(m->routes[i].by_status); k++)
            if (m->routes[i].by_status[k].status >= 400 ||
                !m->routes[i].by_status[k].status)
                errors += m->routes[i].by_status[k].count;
        if (requests_of(&m->routes[i]))
            fprintf(out, "resnet_errors_total{%s} %" PRIu64 "\n",
                    route_label(i, label), errors);
    }
    head(out, "request_seconds", "histogram",
         "From a request's first line to its answer sent.");
    for (size_t i = 0; i <= METRIC_ROUTES; i++)
        if (requests_of(&m->routes[i]))
            print_histogram(out, "request_seconds", route_label(i, label),
                            &m->routes[i].seconds, seconds_up_to);
}

static void print_models(FILE *out, const struct server *s)
{
    char label[160];

    head(out, "images_total", "counter", "Images computed.");
    for (int i = 0; i < s->n_slots; i++)
        fprintf(out, "resnet_images_total{model=\"%s\"} %" PRIu64 "\n",
                s->slots[i].name, s->slots[i].metrics.images);
    head(out, "images_failed_total", "counter",
         "Images whose computation failed.");
    for (int i = 0; i < s->n_slots; i++)
        fprintf(out, "resnet_images_failed_total{model=\"%s\"} %" PRIu64 "\n",
                s->slots[i].name, s->slots[i].metrics.failed);
    head(out, "batch_images", "histogram", "Images computed together.");
    for (int i = 0; i < s->n_slots; i++) {
        snprintf(label, sizeof(label), "model=\"%s\"", s->slots[i].name);
        print_histogram(out, "batch_images", label, &s->slots[i].metrics.sizes,
                        images_up_to);
    }
    head(out, "batch_seconds", "histogram", "Time to compute a batch.");
    for (int i = 0; i < s->n_slots; i++) {
        snprintf(label, sizeof(label), "model=\"%s\"", s->slots[i].name);
        print_histogram(out, "batch_seconds", label,
                        &s->slots[i].metrics.seconds, seconds_up_to);
    }
}

static void print_server(FILE *out, struct server *s)
{
    head(out, "queue_images", "gauge", "Images on their way.");
    fprintf(out, "resnet_queue_images %d\n", engine_waiting(s->engine));
    head(out, "connections", "gauge", "Connections that are open.");
    fprintf(out, "resnet_connections %d\n", atomic_load(&s->connections));
    head(out, "streams", "gauge", "Pages that watch runs.");
    fprintf(out, "resnet_streams %d\n", events_count(s->runs));
    head(out, "body_bytes", "gauge", "Memory that bodies of requests take.");
    fprintf(out, "resnet_body_bytes %zu\n", atomic_load(&s->held));
    head(out, "reloads_total", "counter", "Models loaded anew by SIGHUP.");
    fprintf(out, "resnet_reloads_total %" PRIu64 "\n", s->metrics.reloads);
    head(out, "reloads_failed_total", "counter",
         "Of them, those whose file was bad.");
    fprintf(out, "resnet_reloads_failed_total %" PRIu64 "\n",
            s->metrics.failed_reloads);
    head(out, "uptime_seconds", "gauge", "Since the server began.");
    fprintf(out, "resnet_uptime_seconds %.3f\n", serve_now() - s->begun);
}

void metrics_run(struct request *r)
{
    struct server *s = r->server;
    struct answer a = {.status = 200,
                       .type = "text/plain; version=0.0.4; charset=utf-8"};
    FILE *out = open_memstream(&a.text, &a.size);

    if (!out) {
        request_fail(r, 503, "out of memory");
        return;
    }
    pthread_mutex_lock(&s->metrics.lock);
    print_requests(out, &s->metrics);
    print_models(out, s);
    print_server(out, s);
    pthread_mutex_unlock(&s->metrics.lock);
    if (fclose(out) == 0) {
        request_answer(r, &a);
        return;
    }
    free(a.text);
    request_fail(r, 503, "out of memory");
}
