/* SPDX-License-Identifier: BSD-2-Clause */
/* Speed of loading alone: what the loader makes of a data set when nothing
 * waits for the processor but itself. */
#include "bench/speeds.h"
#include "core/memory.h"
#include "core/option.h"
#include "core/sized.h"
#include "core/threads.h"
#include "data/data.h"

#include <limits.h>

#define ROUNDS_AT_LEAST 5
#define ROUNDS_AT_MOST  10000

/* ImageNet's, as most models have them. */
static const float mean[] = {0.485F, 0.456F, 0.406F};
static const float std[] = {0.229F, 0.224F, 0.225F};

void rn_loading_defaults_sized(struct rn_loading_options *options, size_t size)
{
    struct rn_loading_options defaults = {.size = 0};

    rn_option_defaults(rn_loading_option, &defaults);
    RN_GIVE_DEFAULTS(options, size, &defaults);
}

static int check(const struct rn_data *data, const struct rn_loading_options *o,
                 struct rn_error *err)
{
    int rc = rn_option_check(rn_loading_option, o, err);

    if (rc)
        return rc;
    if (!data->fetch)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' holds no pictures: its images lie in memory",
                       data->spec);
    return RN_OK;
}

/* The first part that has images. */
static enum rn_part first_part(const struct rn_data *data)
{
    int part = RN_PART_TRAIN;

    while (part < RN_PART_TEST && !data->part[part].count)
        part++;
    return (enum rn_part)part;
}

/* As training sees pictures. */
static int open_loader(struct rn_loader **loader, const struct rn_data *data,
                       const struct rn_loading_options *o, int threads,
                       struct rn_error *err)
{
    enum rn_part part = first_part(data);
    const struct rn_loader_config config = {
        .data = data,
        .part = part,
        .view = {.shape = {3, o->size, o->size},
                 .random = {.kind = RN_CUT_AREA, .least_area = 0.08},
                 .reduce = true},
        .threads = threads,
        .sampler = {.count = data->part[part].count,
                    .batch = o->batch,
                    .last = RN_LAST_WRAP,
                    .seed = 1,
                    .shuffle = true},
        .augment = {.flip = true},
        .mean = mean,
        .std = std,
        .end = LONG_MAX,
    };

    return rn_loader_create(loader, &config, err);
}

/* Load about as many images as there are, or a multiple of that: batches that
 * threads have ready together come at once. Images per second. */
static int run_round(struct rn_loader *loader, int batches, double *rate,
                     struct rn_error *err)
{
    double start = rn_now(), images = 0, seconds = 0;
    struct rn_batch batch;
    int rc = RN_OK;

    while (rc == RN_OK && seconds < RN_ROUND_SECONDS) {
        for (int i = 0; rc == RN_OK && i < batches; i++) {
            rc = rn_loader_next(loader, &batch, NULL, err);
            images += batch.count;
        }
        seconds = rn_now() - start;
    }
    *rate = images / seconds;
    return rc;
}

static int measure(struct rn_loader *loader, int batches, double seconds,
                   struct rn_loading_result *result, struct rn_error *err)
{
    double rates[ROUNDS_AT_MOST], start;
    struct rn_speeds r;
    int n = 0, rc;

    /* A round first, for files to be in memory and the ring to be full. */
    rc = run_round(loader, batches, rates, err);
    start = rn_now();
    while (rc == RN_OK && n < ROUNDS_AT_MOST &&
           (n < ROUNDS_AT_LEAST || rn_now() - start < seconds))
        rc = run_round(loader, batches, &rates[n++], err);
    if (rc != RN_OK)
        return rc;
    r = rn_speeds_of(rates, n);
    result->rounds = n;
    result->images_per_second_median = r.median;
    result->images_per_second_min = r.min;
    result->images_per_second_max = r.max;
    return RN_OK;
}

int rn_bench_data_sized(const struct rn_data *data,
                        const struct rn_loading_options *options,
                        struct rn_loading_result *result, size_t size,
                        struct rn_error *err)
{
    struct rn_loading_options o;
    struct rn_loading_result own;
    struct rn_loader *loader = NULL;
    struct rn_machine machine;
    int images, rc = RN_TAKE_OPTIONS(rn_loading_option, &o, options,
                                     "rn_loading_options", err);

    if (rc == RN_OK)
        rc = check(data, &o, err);
    if (rc != RN_OK)
        return rc;
    rn_machine_get(&machine);
    images = data->part[first_part(data)].count;
    own = (struct rn_loading_result){
        .images = images, .threads = o.threads ? o.threads : machine.threads};
    rc = open_loader(&loader, data, &o, own.threads, err);
    if (rc == RN_OK)
        rc = measure(loader, (images + o.batch - 1) / o.batch, o.seconds, &own,
                     err);
    rn_loader_destroy(loader);
    if (rc == RN_OK)
        RN_GIVE(result, size, &own);
    return rc;
}
