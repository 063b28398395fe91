/* SPDX-License-Identifier: BSD-2-Clause */
/* Eight threads to each plan, several plans side by side, whatever processors
 * there are: the same bits as on one thread, and an end within seconds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/memory.h"
#include "core/random.h"
#include "core/threads.h"
#include "model/model.h"
#include "plan/plan.h"
#include "resnet.h"

#include <stdlib.h>
#include <string.h>

enum { THREADS = 8, BATCH = 3, CLASSES = 10, RUNS = 3 };

/** A network with made-up images. */
struct work {
    struct rn_model *model;
    enum rn_mode mode;
    float *images;
    float *want; /* on one thread: logits, or all gradients */
    size_t count;
    int wrong; /* of a thread that runs it */
};

static const int32_t labels[BATCH] = {1, 7, 4};

/* Logits, or all gradients, of some runs; how many were others than `want`. */
static int run(const struct work *w, int threads, float *got, const float *want)
{
    struct rn_plan_options o = {
        .mode = w->mode, .batch = BATCH, .threads = threads};
    bool train = w->mode == RN_MODE_TRAIN;
    struct rn_step_result result;
    struct rn_store *store = NULL;
    struct rn_plan *plan;
    struct rn_flat flat;
    int bad = 0, rc;

    rc = train ? rn_store_create(&store, w->model->graph, 1, NULL)
               : rn_plan_create(&plan, w->model, &o, NULL);
    if (!rc && train)
        rc = rn_plan_build(&plan, store, &o, NULL);
    if (rc) {
        rn_store_destroy(store);
        return 1;
    }
    if (train)
        rn_store_flat(store, &flat);
    for (int i = 0; i < RUNS; i++) {
        rc = train ? rn_plan_train(plan, w->images, labels, 0, &result, NULL)
                   : rn_plan_forward(plan, w->images, got, NULL);
        if (!rc && train)
            memcpy(got, flat.grad, w->count * sizeof(*got));
        bad += rc || (want && memcmp(got, want, w->count * sizeof(*got)) != 0);
    }
    rn_plan_destroy(plan);
    rn_store_destroy(store);
    return bad;
}

static void *run_on_many(void *argument)
{
    struct work *w = argument;
    float *got = rn_alloc(w->count, sizeof(*got));

    w->wrong = got ? run(w, THREADS, got, w->want) : 1;
    rn_free(got);
    return NULL;
}

static size_t gradients_of(const struct rn_model *model)
{
    struct rn_store *store;
    struct rn_flat flat;

    assert_int_equal(rn_store_create(&store, model->graph, 1, NULL), RN_OK);
    rn_store_flat(store, &flat);
    rn_store_destroy(store);
    return flat.count;
}

static void open_work(struct work *w, const char *net, int side,
                      enum rn_mode mode)
{
    const struct rn_random_key key = {.seed = 3, .purpose = RN_RANDOM_BENCH};
    size_t pixels = (size_t)BATCH * 3 * (size_t)side * (size_t)side;
    struct rn_net_options o;

    memset(w, 0, sizeof(*w));
    rn_net_defaults(&o);
    o.height = o.width = side;
    o.classes = CLASSES;
    assert_int_equal(rn_model_create(&w->model, net, &o, NULL), RN_OK);
    rn_model_init(w->model, 1);
    w->mode = mode;
    w->count = mode == RN_MODE_TRAIN ? gradients_of(w->model)
                                     : (size_t)BATCH * CLASSES;
    w->images = rn_alloc(pixels, sizeof(*w->images));
    w->want = rn_alloc(w->count, sizeof(*w->want));
    assert_true(w->images && w->want);
    for (size_t i = 0; i < pixels; i++) {
        uint32_t r[4];

        rn_random4(&key, i, r);
        w->images[i] = (float)(2 * rn_random_unit(r[0]) - 1);
    }
    assert_int_equal(run(w, 1, w->want, NULL), 0);
}

static void close_work(struct work *w)
{
    rn_free(w->images);
    rn_free(w->want);
    rn_model_destroy(w->model);
}

static void many_threads_on_few_processors(void **state)
{
    static const struct {
        const char *net;
        int side;
        enum rn_mode mode;
    } kinds[] = {
        {"resnet8", 16, RN_MODE_TRAIN}, /* without Winograd */
        {"resnet18", 32, RN_MODE_TRAIN},
        {"resnet18", 64, RN_MODE_INFER},
    };
    enum { KINDS = sizeof(kinds) / sizeof(*kinds) };
    pthread_t threads[KINDS];
    struct work work[KINDS];
    double start = rn_now();

    (void)state;
    for (size_t i = 0; i < KINDS; i++)
        open_work(&work[i], kinds[i].net, kinds[i].side, kinds[i].mode);
    for (size_t i = 0; i < KINDS; i++)
        assert_int_equal(rn_thread_start(&threads[i], run_on_many, &work[i]),
                         0);
    for (size_t i = 0; i < KINDS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        if (work[i].wrong)
            print_message("# %s: %d runs of %d wrong\n", kinds[i].net,
                          work[i].wrong, RUNS);
        assert_int_equal(work[i].wrong, 0);
        close_work(&work[i]);
    }
    print_message("# %.1f s\n", rn_now() - start);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_threads_on_few_processors),
    };

    return cmocka_run_group_tests_name("stress", tests, NULL, NULL);
}
