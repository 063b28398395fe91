/* SPDX-License-Identifier: BSD-2-Clause */
/* Speed of a plan on made-up images. */
#include "bench/energy.h"
#include "bench/speeds.h"
#include "bench/streams.h"
#include "bench/together.h"
#include "core/memory.h"
#include "core/option.h"
#include "core/random.h"
#include "core/sized.h"
#include "core/threads.h"
#include "graph/quantization.h"
#include "model/model.h"
#include "ops/kernels.h"
#include "plan/plan.h"
#include "quantize/quantize.h"
#include "train/optimiser.h"

#include <string.h>
#include <sys/resource.h>

#define WARM_UP_RUNS    2
#define ROUNDS_AT_LEAST 5
#define ROUNDS_AT_MOST  10000
#define RUNS_AT_MOST    100000 /* per round */
#define LEARNING_RATE   1e-4F

struct bench {
    const struct rn_model *model;
    struct rn_model *quantized; /* a copy of our own, or NULL */
    struct rn_bench_options o;
    struct rn_plan *plan;
    struct rn_flat flat; /* training: the plan's store's */
    struct rn_update update;
    float *images; /* [batch][c][h][w] */
    int32_t *labels;
    struct rn_energy energy;
    struct rn_together together; /* with ranks */
    struct rn_streams streams;   /* of inference */
    int own;                     /* of the batch: the plan's */
    int threads;                 /* likewise */
};

void rn_bench_defaults_sized(struct rn_bench_options *options, size_t size)
{
    struct rn_bench_options defaults = {.batch = 0};

    rn_option_defaults(rn_bench_option, &defaults);
    RN_GIVE_DEFAULTS(options, size, &defaults);
}

/* Uniform in -1 .. 1, and labels in turn. */
static int make_images(struct bench *b, struct rn_error *err)
{
    const struct rn_net_spec *spec = &b->model->spec;
    struct rn_random_key key = {.seed = 1, .purpose = RN_RANDOM_BENCH};
    size_t batch = (size_t)b->own, floats = batch;
    bool fits = rn_size_mul(floats, (size_t)spec->input.c, &floats) &&
                rn_size_mul(floats, (size_t)spec->input.h, &floats) &&
                rn_size_mul(floats, (size_t)spec->input.w, &floats);

    if (fits) {
        b->images = rn_alloc(floats, sizeof(float));
        b->labels = rn_alloc(batch, sizeof(int32_t));
    }
    if (!b->images || !b->labels)
        return rn_fail_memory(err, fits ? floats * sizeof(float) : SIZE_MAX,
                              "a batch of images");
    for (size_t i = 0; i < floats; i++) {
        uint32_t r[4];

        rn_random4(&key, i, r);
        b->images[i] = (float)(2 * rn_random_unit(r[0]) - 1);
    }
    for (size_t i = 0; i < batch; i++)
        b->labels[i] = (int32_t)(i % (size_t)spec->classes);
    return RN_OK;
}

/* In int8 a network of a family is quantised for the images at hand, in a copy:
 * what it computes does not matter here. */
static int settle_model(struct bench *b, struct rn_error *err)
{
    int rc;

    if (b->o.precision != RN_PRECISION_INT8 || !b->model->spec.family ||
        rn_graph_is_quantized(b->model->graph))
        return RN_OK;
    rc = rn_model_copy(&b->quantized, b->model, err);
    if (!rc)
        rc =
            rn_quantize_for(b->quantized, b->images, b->own, b->o.threads, err);
    b->model = b->quantized;
    return rc;
}

static int make_plan(struct bench *b, struct rn_error *err)
{
    struct rn_plan_options options = {
        .mode = b->o.mode,
        .batch = b->own,
        .threads = b->threads,
        .exact = b->o.exact,
        .winograd = b->o.winograd,
        .recompute = b->o.recompute,
        .profile = b->o.profile,
        .bind = b->o.bind,
        .precision = b->o.precision,
        .emulate = b->o.emulate,
    };
    struct rn_train_options training;
    struct rn_store *store = NULL;
    int rc;

    if (b->o.mode == RN_MODE_INFER) {
        rc = settle_model(b, err);
        if (!rc)
            rc = rn_plan_create(&b->plan, b->model, &options, err);
        if (!rc)
            rc = rn_streams_open(&b->streams, b->plan, b->o.streams, b->images,
                                 b->own, b->model->spec.classes, err);
        return rc;
    }
    rc = rn_store_create(&store, b->model->graph, 1, err);
    if (rc == RN_OK)
        rc = rn_plan_build(&b->plan, store, &options, err);
    if (rc != RN_OK) {
        rn_store_destroy(store);
        return rc;
    }
    rn_store_flat(store, &b->flat);
    rn_store_destroy(store); /* the plan holds it */
    rn_plan_hold_model(b->plan, b->model);
    rn_train_defaults(&training);
    rc = rn_update_create(&b->update, &training, &b->flat, err);
    b->update.threads = rn_plan_threads(b->plan);
    if (rc == RN_OK && b->o.ranks)
        rc = rn_together_open(&b->together, b->o.ranks, b->o.batch, b->plan,
                              b->model->graph, &b->flat, &b->update,
                              LEARNING_RATE, b->o.gradient_precision != 0, err);
    return rc;
}

/* Of several streams each computes with its share of the threads. */
static int share_streams(struct bench *b, struct rn_error *err)
{
    int streams = b->o.streams, threads = b->o.threads;

    if (b->o.mode != RN_MODE_INFER)
        return rn_fail(err, RN_ERR_ARG,
                       "`streams` is for inference, not for training");
    if (b->o.profile)
        return rn_fail(err, RN_ERR_ARG, "`profile` is of one stream, not of %d",
                       streams);
    if (!threads)
        threads = rn_threads_default("", NULL, 0);
    if (threads % streams)
        return rn_fail(err, RN_ERR_ARG,
                       "%d streams cannot share %d threads out evenly", streams,
                       threads);
    b->threads = threads / streams;
    return RN_OK;
}

/* Of several ranks each computes a part of the batch, with a part of the
 * threads. */
static int share_out(struct bench *b, struct rn_error *err)
{
    struct rn_ranks *ranks = b->o.ranks;
    int count = rn_ranks_count(ranks);
    char by[32];

    b->own = b->o.batch / count;
    b->threads = b->o.threads;
    if (b->o.streams == 0)
        b->o.streams = 1;
    if (b->o.streams > 1) {
        int rc = share_streams(b, err);

        if (rc)
            return rc;
    }
    if (!ranks && b->o.gradient_precision)
        return rn_fail(err, RN_ERR_ARG,
                       "`gradient_precision` bf16 is of what ranks send, but "
                       "there are none");
    if (!ranks)
        return RN_OK;
    if (b->o.mode != RN_MODE_TRAIN)
        return rn_fail(err, RN_ERR_ARG,
                       "`mode` infer is for one process, not for %d ranks",
                       count);
    if (b->o.batch % count)
        return rn_fail(err, RN_ERR_ARG,
                       "%d ranks cannot share `batch` %d out evenly", count,
                       b->o.batch);
    if (b->threads == 0)
        b->threads =
            rn_ranks_threads(ranks, rn_threads_default("", by, sizeof(by)));
    if (ranks->sharing > 1)
        b->o.bind = 0;
    return RN_OK;
}

static int train_once(struct bench *b, struct rn_error *err)
{
    struct rn_step_result result;
    int rc;

    if (b->o.ranks)
        return rn_together_step(&b->together, b->images, b->labels, err);
    rc = rn_plan_train(b->plan, b->images, b->labels, 0, &result, err);
    if (rc == RN_OK)
        rn_update_step(&b->update, b->model->graph, &b->flat, LEARNING_RATE, 1);
    return rc;
}

/* Rounds of so many runs: `rates[i]`: runs per second in the i-th, of all
 * streams; `done`: runs in all. */
static int do_rounds(struct bench *b, int runs, int rounds, double *rates,
                     long *done, struct rn_error *err)
{
    int rc = RN_OK;

    if (b->o.mode == RN_MODE_INFER)
        return rn_streams_run(&b->streams, runs, rounds, rates, done,
                              &b->energy, err);
    for (int i = 0; i < rounds && rc == RN_OK; i++) {
        double start = rn_now();

        for (int k = 0; k < runs && rc == RN_OK; k++)
            rc = train_once(b, err);
        rates[i] = runs / (rn_now() - start);
        rn_energy_add(&b->energy);
    }
    *done = (long)runs * rounds;
    return rc;
}

static int clamp(double value, int low, int high)
{
    return value <= low ? low : value >= high ? high : (int)value;
}

/* Runs in a round, from the time of one run. */
static int runs_per_round(double run)
{
    return run > 0 ? clamp(RN_ROUND_SECONDS / run + 1, 1, RUNS_AT_MOST)
                   : RUNS_AT_MOST;
}

/* Seconds of a run, when it is warm. All ranks take the first's, so that they
 * do as many runs. */
static int time_run(struct bench *b, double *run, struct rn_error *err)
{
    double rate = 1;
    long done;
    int rc = do_rounds(b, WARM_UP_RUNS, 1, &rate, &done, err);

    if (rc == RN_OK)
        rc = do_rounds(b, 1, 1, &rate, &done, err);
    *run = b->o.streams / rate;
    return rc ? rc : rn_ranks_tell(b->o.ranks, run, sizeof(*run), err);
}

static int measure(struct bench *b, struct rn_bench_result *result,
                   struct rn_error *err)
{
    double run = 0, start, seconds, *rates = NULL;
    int runs, n = b->o.rounds, rc = time_run(b, &run, err);
    long done = 0;

    if (rc != RN_OK)
        return rc;
    runs = runs_per_round(run);
    if (n == 0)
        n = clamp(b->o.seconds / (run * runs), ROUNDS_AT_LEAST, ROUNDS_AT_MOST);
    rates = rn_alloc((size_t)n, sizeof(double));
    if (!rates)
        return rn_fail_memory(err, (size_t)n * sizeof(double), "round times");

    rn_plan_profile_reset(b->plan);
    rn_energy_start(&b->energy);
    if (b->o.ranks)
        rn_together_start(&b->together);
    start = rn_now();
    rc = do_rounds(b, runs, n, rates, &done, err);
    seconds = rn_now() - start;
    if (b->o.ranks && rc == RN_OK)
        rc = rn_together_figures(&b->together, done, result, err);
    if (rc == RN_OK) {
        struct rn_speeds speeds = rn_speeds_of(rates, n);
        double joules = rn_energy_joules(&b->energy);

        result->rounds = n;
        result->images_per_second_median = speeds.median * b->o.batch;
        result->images_per_second_min = speeds.min * b->o.batch;
        result->images_per_second_max = speeds.max * b->o.batch;
        result->watts = joules / seconds;
        /* the counters are of this machine, and so must the images be */
        result->joules_per_image =
            joules / ((double)done * (b->o.ranks ? b->own * b->o.ranks->local
                                                 : b->o.batch));
    }
    rn_free(rates);
    return rc;
}

static uint64_t peak_memory(void)
{
    struct rusage usage = {.ru_maxrss = 0};

    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_maxrss * 1024; /* Linux counts in KiB */
}

int rn_bench_sized(const struct rn_model *model,
                   const struct rn_bench_options *options,
                   struct rn_bench_result *result, size_t size,
                   struct rn_plan **plan, struct rn_error *err)
{
    struct bench b = {.model = model};
    struct rn_bench_result own = {.batch = 0};
    int rc = RN_TAKE_OPTIONS(rn_bench_option, &b.o, options, "rn_bench_options",
                             err);

    if (plan)
        *plan = NULL;
    if (rc == RN_OK)
        rc = rn_option_check(rn_bench_option, &b.o, err);
    if (rc == RN_OK)
        rc = share_out(&b, err);
    if (rc == RN_OK)
        rc = make_images(&b, err);
    if (rc == RN_OK)
        rc = make_plan(&b, err);
    if (rc == RN_OK)
        rn_energy_open(&b.energy, b.o.powercap);
    rc = rn_ranks_agree(b.o.ranks, rc, err);
    if (rc == RN_OK && b.o.ranks)
        rc = rn_together_compare(&b.together, err);
    if (rc == RN_OK)
        rc = measure(&b, &own, err);
    if (b.o.ranks)
        rc = rn_together_settle(&b.together, rc, err);
    if (rc != RN_OK)
        goto out;

    own.batch = b.o.batch;
    own.streams = b.o.streams;
    own.threads = own.streams * rn_plan_threads(b.plan);
    own.precision = rn_plan_precision(b.plan);
    own.plan_bytes =
        b.streams.count ? rn_streams_bytes(&b.streams) : rn_plan_bytes(b.plan);
    own.peak_memory_bytes = peak_memory();
    memcpy(own.energy, b.energy.text, sizeof(own.energy));
    if (b.o.profile)
        own.peak_gflops = rn_kernel_peak_gflops(own.threads);
    RN_GIVE(result, size, &own);
    if (plan) {
        *plan = b.plan;
        b.plan = NULL;
    }
out:
    rn_streams_close(&b.streams);
    rn_together_close(&b.together);
    if (!rn_ranks_lent(b.o.ranks))
        rn_plan_destroy(b.plan);
    rn_model_destroy(b.quantized);
    rn_update_free(&b.update);
    rn_energy_close(&b.energy);
    rn_free(b.images);
    rn_free(b.labels);
    return rc;
}
