/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts for Prometheus. */
#ifndef RN_CLI_SERVE_METRICS_H
#define RN_CLI_SERVE_METRICS_H

#include <pthread.h>
#include <stdint.h>

enum { METRIC_BUCKETS = 14, METRIC_ROUTES = 32 };

/** Values by the bucket they fall into, each with those below it when
 *  printed. */
struct histogram {
    uint64_t buckets[METRIC_BUCKETS + 1]; /* the last: above all */
    double sum;
};

struct model_metrics {
    uint64_t images, failed;
    struct histogram sizes;   /* of batches */
    struct histogram seconds; /* of batches */
};

/** Requests of a route by status: few occur. */
struct route_metrics {
    struct {
        unsigned status;
        uint64_t count;
    } by_status[24];
    struct histogram seconds;
};

struct metrics {
    pthread_mutex_t lock; /* of all counts, those of models, too */
    struct route_metrics routes[METRIC_ROUTES + 1]; /* last: no route */
    uint64_t reloads, failed_reloads;
};

void metrics_request(struct metrics *m, size_t route, unsigned status,
                     double seconds);
void metrics_batch(struct metrics *m, struct model_metrics *model, int images,
                   int failed, double seconds);
void metrics_reload(struct metrics *m, int failed);

#endif
