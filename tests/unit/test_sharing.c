/* SPDX-License-Identifier: BSD-2-Clause */
/* What threads may share: a model, folded weights, data; and that whoever holds
 * them may let go in any order. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/memory.h"
#include "core/random.h"
#include "data/data.h"
#include "eval/report.h"
#include "model/model.h"
#include "plan/internal.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* ThreadSanitizer does not see how OpenMP's threads wait for each other: plans
 * then have one each. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define COMPUTE 1
#endif
#endif
#ifndef COMPUTE
#define COMPUTE 2
#endif

enum { BATCH = 3, CLASSES = 10, SIDE = 32, IMAGE = 3 * SIDE * SIDE };

static float images[20 * IMAGE]; /* for the largest batch */

static int make_images(void **state)
{
    const struct rn_random_key key = {.seed = 7};

    (void)state;
    for (size_t i = 0; i < COUNT(images); i++) {
        uint32_t bits[4];

        rn_random4(&key, i, bits);
        images[i] = (float)(2 * rn_random_unit(bits[0]) - 1);
    }
    return 0;
}

static struct rn_model *make_model(const char *net)
{
    const float mean[3] = {0.5f, 0.5f, 0.5f}, std[3] = {0.25f, 0.25f, 0.25f};
    struct rn_net_options options;
    struct rn_model *model;
    struct rn_error err;

    rn_net_defaults(&options);
    options.classes = CLASSES;
    options.height = SIDE;
    assert_int_equal(rn_model_create(&model, net, &options, &err), RN_OK);
    rn_model_init(model, 3);
    assert_int_equal(rn_model_set_preprocessing(model, false, mean, std, &err),
                     RN_OK);
    return model;
}

static struct rn_plan *make_plan(const struct rn_model *model, int threads,
                                 const char *keep)
{
    struct rn_plan_options options;
    struct rn_plan *plan;
    struct rn_error err;

    rn_plan_defaults(&options);
    options.batch = BATCH;
    options.threads = threads;
    options.keep = keep;
    assert_int_equal(rn_plan_create(&plan, model, &options, &err), RN_OK);
    return plan;
}

static struct rn_plan *clone_of(const struct rn_plan *plan)
{
    struct rn_plan *clone;
    struct rn_error err = {.msg = ""};
    int rc = rn_plan_clone(&clone, plan, 0, &err);

    if (rc)
        print_message("%s\n", err.msg);
    assert_int_equal(rc, RN_OK);
    return clone;
}

static void forward(struct rn_plan *plan, float *logits)
{
    assert_int_equal(rn_plan_forward(plan, images, logits, NULL), RN_OK);
}

/* ----------------------------------------------------------------- clones */

/* Convolutions of ours and of oneDNN's, and grouped ones. */
static const char *const nets[] = {"resnet8", "resnext50_32x4d", "resnet18",
                                   "resnet50"};

static void a_clone_answers_as_its_plan(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(nets); i++) {
        struct rn_model *model = make_model(nets[i]);
        struct rn_plan *plan = make_plan(model, COMPUTE, NULL);
        struct rn_plan *clone = clone_of(plan), *again = clone_of(clone);
        float expected[BATCH * CLASSES], got[BATCH * CLASSES];

        forward(plan, expected);
        forward(clone, got);
        assert_memory_equal(expected, got, sizeof(got));
        rn_plan_destroy(plan);
        rn_plan_destroy(clone);
        forward(again, got);
        assert_memory_equal(expected, got, sizeof(got));
        assert_int_equal(rn_plan_steps(again) > 0, 1);
        rn_plan_destroy(again);
        rn_model_destroy(model);
    }
}

/* A batch norm that folds into no convolution, and an operation that has a
 * parameter of its own. */
static void a_clone_has_what_does_not_fold(void **state)
{
    struct rn_plan_options options = {.batch = BATCH, .threads = 1};
    struct rn_graph *g = rn_graph_create();
    struct rn_window window = RN_WINDOW(3, 3, 1, 1);
    struct rn_store *store;
    struct rn_plan *plan, *clone;
    float expected[BATCH * CLASSES], got[BATCH * CLASSES];
    int v;

    (void)state;
    assert_non_null(g);
    v = rn_graph_input(g, (struct rn_shape){3, SIDE, SIDE});
    v = rn_graph_conv(g, v, "conv", 16, window, true);
    v = rn_graph_relu(g, v, "relu");
    v = rn_graph_batch_norm(g, v, "bn");
    v = rn_graph_prelu(g, v, "prelu");
    v = rn_graph_global_avg_pool(g, v, "pool");
    rn_graph_linear(g, v, "fc", CLASSES);
    assert_int_equal(g->error.code, RN_OK);
    for (size_t i = 0; i < g->n_params; i++)
        for (size_t j = 0; j < g->params[i].count; j++)
            g->params[i].data[j] = images[i + j] + 1.5f;
    assert_int_equal(rn_store_borrow(&store, g, NULL), RN_OK);
    assert_int_equal(rn_plan_build(&plan, store, &options, NULL), RN_OK);
    rn_store_destroy(store);
    clone = clone_of(plan);
    assert_true(plan->bn_floats > 0);
    forward(plan, expected);
    for (size_t i = 0; i < g->n_params; i++)
        for (size_t j = 0; j < g->params[i].count; j++)
            g->params[i].data[j] = -2;
    forward(plan, got); /* nothing of the graph's is read any more */
    assert_memory_equal(expected, got, sizeof(got));
    rn_plan_destroy(plan);
    forward(clone, got);
    assert_memory_equal(expected, got, sizeof(got));
    rn_plan_destroy(clone);
    rn_graph_destroy(g);
}

static void a_clone_keeps_what_its_plan_keeps(void **state)
{
    struct rn_model *model = make_model("resnet8");
    struct rn_plan *plan = make_plan(model, 1, "pool"), *clone = clone_of(plan);
    float logits[BATCH * CLASSES], a[BATCH * 64], b[BATCH * 64];
    int c, h, w;

    (void)state;
    assert_int_equal(rn_plan_kept(clone, &c, &h, &w), RN_OK);
    assert_int_equal(c * h * w, 64);
    forward(plan, logits);
    forward(clone, logits);
    rn_plan_values(plan, a);
    rn_plan_values(clone, b);
    assert_memory_equal(a, b, sizeof(a));
    rn_plan_destroy(clone);
    rn_plan_destroy(plan);
    rn_model_destroy(model);
}

/* Batches of that many images or more want the same layout of weights; fewer
 * may want another one for some layers, which are the clone's own then. */
enum { ALIKE = 16, LARGEST = 20 };

static struct rn_plan *plan_for(const struct rn_model *model, int batch)
{
    struct rn_plan_options options;
    struct rn_plan *plan;

    rn_plan_defaults(&options);
    options.threads = 1;
    options.batch = batch;
    assert_int_equal(rn_plan_create(&plan, model, &options, NULL), RN_OK);
    return plan;
}

static void clones_may_have_other_batches(void **state)
{
    static const int batches[] = {1, 2, ALIKE + 1, LARGEST};
    static float a[LARGEST * CLASSES], b[LARGEST * CLASSES];
    int mixed = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(nets); i++) {
        struct rn_model *model = make_model(nets[i]);

        for (size_t k = 0; k < COUNT(batches); k++) {
            struct rn_plan *like = plan_for(model, ALIKE), *clone, *again;
            struct rn_plan *own = plan_for(model, batches[k]);
            size_t all = like->folded_floats;

            assert_int_equal(rn_plan_clone(&clone, like, batches[k], NULL),
                             RN_OK);
            assert_int_equal(rn_plan_clone(&again, clone, 0, NULL), RN_OK);
            assert_true(clone->folded_floats < all);
            assert_true(batches[k] < ALIKE || clone->folded_floats == 0);
            assert_true(again->folded_floats == 0);
            mixed += clone->folded_floats > 0;
            assert_int_equal(rn_plan_forward(own, images, b, NULL), RN_OK);
            assert_int_equal(rn_plan_forward(clone, images, a, NULL), RN_OK);
            assert_memory_equal(a, b, sizeof(a));
            rn_plan_destroy(like);
            rn_plan_destroy(clone);
            assert_int_equal(rn_plan_forward(again, images, a, NULL), RN_OK);
            assert_memory_equal(a, b, sizeof(a));
            rn_plan_destroy(again);
            rn_plan_destroy(own);
        }
        rn_model_destroy(model);
    }
    print_message("%d clones have layers of their own\n", mixed);
}

/* ResNet-18's conv5 is folded anew for few images: not when it has changed. */
static void a_clone_of_a_changed_model_is_refused(void **state)
{
    struct rn_model *model = make_model("resnet18");
    struct rn_plan *plan = plan_for(model, ALIKE), *clone;
    struct rn_plan *other = plan_for(model, 1);
    static float a[ALIKE * CLASSES], b[ALIKE * CLASSES];
    struct rn_error err = {.msg = ""};
    bool same = true;

    (void)state;
    for (size_t i = 0; i < plan->n_folds; i++)
        same &= rn_conv_reads_same(plan->folds[i].primitive,
                                   other->folds[i].primitive);
    rn_plan_destroy(other);
    assert_int_equal(rn_plan_forward(plan, images, a, NULL), RN_OK);
    for (size_t i = 0; i < model->graph->n_params; i++)
        for (size_t j = 0; j < model->graph->params[i].count; j++)
            model->graph->params[i].data[j] += 1;
    assert_int_equal(rn_plan_forward(plan, images, b, NULL), RN_OK);
    assert_memory_equal(a, b, sizeof(a));
    if (same) { /* no layer is folded anew with these instructions */
        rn_plan_destroy(plan);
        rn_model_destroy(model);
        skip();
    }
    assert_int_equal(rn_plan_clone(&clone, plan, 1, &err), RN_ERR_ARG);
    assert_null(clone);
    assert_non_null(strstr(err.msg, "have been changed since the plan"));
    assert_int_equal(rn_plan_clone(&clone, plan, 0, &err), RN_OK);
    assert_int_equal(rn_plan_forward(clone, images, b, NULL), RN_OK);
    assert_memory_equal(a, b, sizeof(a));
    rn_plan_destroy(clone);
    rn_plan_destroy(plan);
    rn_model_destroy(model);
}

static void fewer_images_than_the_batch_give_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(nets); i++) {
        struct rn_model *model = make_model(nets[i]);
        struct rn_plan *plan = make_plan(model, COMPUTE, "fc");
        float expected[BATCH * CLASSES], got[BATCH * CLASSES], values[CLASSES];

        forward(plan, expected);
        for (int count = BATCH; count > 0; count--) {
            size_t bytes = (size_t)count * CLASSES * sizeof(float);

            memset(got, 0xff, sizeof(got));
            assert_int_equal(
                rn_plan_forward_some(plan, images, count, got, NULL), RN_OK);
            assert_memory_equal(got, expected, bytes);
            for (size_t k = (size_t)count * CLASSES; k < COUNT(got); k++)
                assert_true(isnan(got[k]));
        }
        rn_plan_values(plan, values); /* of one image */
        assert_memory_equal(values, expected, sizeof(values));
        assert_int_equal(rn_plan_forward_some(plan, images, 0, got, NULL),
                         RN_ERR_ARG);
        assert_int_equal(
            rn_plan_forward_some(plan, images, BATCH + 1, got, NULL),
            RN_ERR_ARG);
        forward(plan, got);
        assert_memory_equal(got, expected, sizeof(got));
        rn_plan_destroy(plan);
        rn_model_destroy(model);
    }
}

/* Bytes of the process's memory that nobody else has. */
static long private_bytes(void)
{
    long total = 0, kib;
    char line[256];
    FILE *f = fopen("/proc/self/smaps_rollup", "re");

    assert_non_null(f);
    while (fgets(line, sizeof(line), f))
        if (sscanf(line, "Private_Dirty: %ld kB", &kib) == 1)
            total = kib * 1024;
    fclose(f);
    return total;
}

/* ResNet-18 of 32 x 32: 45 MB of parameters, little else. */
static void a_clone_takes_no_memory_for_weights(void **state)
{
    struct rn_model *model = make_model("resnet18");
    struct rn_plan *plan = make_plan(model, 1, NULL), *clone;
    size_t weights = plan->folded_floats * sizeof(float);
    float logits[BATCH * CLASSES];
    long before, grown;

    (void)state;
    forward(plan, logits);
    before = private_bytes();
    clone = clone_of(plan);
    forward(clone, logits);
    grown = private_bytes() - before;
    print_message("weights %zu, clone %lu by its own count, %ld measured\n",
                  weights, (unsigned long)rn_plan_bytes(clone), grown);
    assert_true(weights > 40u << 20);
    assert_true(rn_plan_bytes(clone) + weights <= rn_plan_bytes(plan));
    assert_true(rn_plan_bytes(clone) < weights / 4);
    assert_true(grown < (long)weights / 4);
    rn_plan_destroy(clone);
    rn_plan_destroy(plan);
    rn_model_destroy(model);
}

static void only_inference_plans_have_clones(void **state)
{
    struct rn_model *model = make_model("resnet8");
    struct rn_plan_options options;
    struct rn_plan *plan, *clone = (struct rn_plan *)&options;
    struct rn_error err;

    (void)state;
    rn_plan_defaults(&options);
    options.mode = RN_MODE_TRAIN;
    options.threads = 1;
    assert_int_equal(rn_plan_create(&plan, model, &options, &err), RN_OK);
    assert_int_equal(rn_plan_clone(&clone, plan, 0, &err), RN_ERR_ARG);
    assert_null(clone);
    assert_int_equal(rn_plan_clone(&clone, NULL, 0, &err), RN_ERR_ARG);
    rn_plan_destroy(plan);
    rn_model_destroy(model);
}

/* Allocations fail in turn; nothing may leak or be freed twice, and the plan
 * must go on. The second clone, of which some fail, has layers of its own. */
static void a_clone_that_fails_leaves_nothing(void **state)
{
    static const struct {
        const char *net;
        int batch;
    } cases[] = {{"resnet8", ALIKE}, {"resnet18", 1}};
    static float a[ALIKE * CLASSES], b[ALIKE * CLASSES];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_model *model = make_model(cases[i].net);
        struct rn_plan *plan = plan_for(model, ALIKE), *clone = NULL;
        int rc = RN_ERR_MEMORY;

        assert_int_equal(rn_plan_forward(plan, images, a, NULL), RN_OK);
        for (long n = 1; rc; n += 1 + i * n / 8) {
            rn_alloc_fail_after(n);
            rc = rn_plan_clone(&clone, plan, cases[i].batch, NULL);
            rn_alloc_fail_after(-1);
            assert_true(rc == RN_OK || rc == RN_ERR_MEMORY);
        }
        rn_plan_destroy(clone);
        assert_int_equal(rn_plan_forward(plan, images, b, NULL), RN_OK);
        assert_memory_equal(a, b, sizeof(a));
        rn_plan_destroy(plan);
        rn_model_destroy(model);
    }
}

/* ------------------------------------------------------------ side by side */

enum { SIDES = 4, RUNS = 5 };

struct side {
    const struct rn_model *model;
    const struct rn_plan *plan; /* to be cloned; NULL: one is made */
    float logits[BATCH * CLASSES];
    int rc;
};

static void *run_side(void *argument)
{
    struct side *side = argument;
    struct rn_plan_options options;
    struct rn_plan *plan = NULL;

    rn_plan_defaults(&options);
    options.batch = BATCH;
    options.threads = 1;
    side->rc = side->plan ? rn_plan_clone(&plan, side->plan, 0, NULL)
                          : rn_plan_create(&plan, side->model, &options, NULL);
    for (int i = 0; !side->rc && i < RUNS; i++)
        side->rc = rn_plan_forward(plan, images, side->logits, NULL);
    rn_plan_destroy(plan);
    return NULL;
}

/* Threads with plans of their own, every other one a clone of a plan that
 * the calling thread runs meanwhile. */
static void plans_of_a_model_run_side_by_side(void **state)
{
    struct rn_model *model = make_model("resnet8");
    struct rn_plan *plan = make_plan(model, 1, NULL);
    struct side sides[SIDES];
    pthread_t threads[SIDES];
    float expected[BATCH * CLASSES];

    (void)state;
    forward(plan, expected);
    for (int i = 0; i < SIDES; i++) {
        sides[i] = (struct side){.model = model, .plan = i % 2 ? plan : NULL};
        assert_int_equal(pthread_create(&threads[i], NULL, run_side, &sides[i]),
                         0);
    }
    for (int i = 0; i < RUNS; i++)
        forward(plan, expected);
    for (int i = 0; i < SIDES; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(sides[i].rc, RN_OK);
        assert_memory_equal(sides[i].logits, expected, sizeof(expected));
    }
    rn_plan_destroy(plan);
    rn_model_destroy(model);
}

struct evaluated {
    const struct rn_model *model;
    const struct rn_data *data;
    struct rn_eval_result result;
    struct rn_model_training training;
    int rc;
};

static void *run_evaluation(void *argument)
{
    struct evaluated *e = argument;
    struct rn_eval_options options;

    rn_eval_defaults(&options);
    options.threads = 1;
    rn_model_training(e->model, &e->training);
    e->rc =
        rn_eval(e->model, e->data, RN_PART_TEST, &options, &e->result, NULL);
    return NULL;
}

static struct rn_data *open_data(void)
{
    struct rn_data *data;

    assert_int_equal(rn_data_open(&data, "synthetic:3x32x32:10:40", NULL, NULL),
                     RN_OK);
    return data;
}

static void evaluations_share_model_and_data(void **state)
{
    struct rn_model *model = make_model("resnet8");
    struct rn_data *data = open_data();
    struct evaluated e[2] = {{model, data, {0}, {0}, 0},
                             {model, data, {0}, {0}, 0}};
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, run_evaluation, &e[1]), 0);
    run_evaluation(&e[0]);
    pthread_join(thread, NULL);
    assert_int_equal(e[0].rc, RN_OK);
    assert_int_equal(e[1].rc, RN_OK);
    assert_true(e[0].result.loss == e[1].result.loss);
    assert_true(e[0].result.top1_error == e[1].result.top1_error);
    rn_data_close(data);
    rn_model_destroy(model);
}

/* -------------------------------------------------------------- any order */

enum {
    A_MODEL,
    A_RESIZED,
    A_PLAN,
    A_CLONE,
    A_TRAINING,
    A_DATA,
    A_REPORT,
    A_SURVEY,
    HANDLES
};

struct handles {
    struct rn_model *model, *resized;
    struct rn_plan *plan, *clone, *training;
    struct rn_data *data;
    struct rn_report *report;
    struct rn_survey *survey;
};

static void open_all(struct handles *h)
{
    struct rn_eval_options eval;
    struct rn_eval_result result;
    struct rn_plan_options options;
    struct rn_survey_options survey = {.threads = 1};

    h->model = make_model("resnet8");
    assert_int_equal(rn_model_resized(&h->resized, h->model, 40, 40, NULL),
                     RN_OK);
    h->plan = make_plan(h->model, 1, NULL);
    h->clone = clone_of(h->plan);
    rn_plan_defaults(&options);
    options.mode = RN_MODE_TRAIN;
    options.threads = 1;
    assert_int_equal(rn_plan_create(&h->training, h->resized, &options, NULL),
                     RN_OK);
    h->data = open_data();
    rn_eval_defaults(&eval);
    eval.threads = 1;
    assert_int_equal(rn_eval_models((const struct rn_model *const[]){h->model},
                                    1, h->data, RN_PART_TEST, &eval, &result,
                                    &h->report, NULL),
                     RN_OK);
    assert_int_equal(rn_data_survey(&h->survey, h->data, &survey, NULL), RN_OK);
}

static void let_go(struct handles *h, int which)
{
    switch (which) {
    case A_MODEL:
        rn_model_destroy(h->model);
        h->model = NULL;
        break;
    case A_RESIZED:
        rn_model_destroy(h->resized);
        h->resized = NULL;
        break;
    case A_PLAN:
        rn_plan_destroy(h->plan);
        h->plan = NULL;
        break;
    case A_CLONE:
        rn_plan_destroy(h->clone);
        h->clone = NULL;
        break;
    case A_TRAINING:
        rn_plan_destroy(h->training);
        h->training = NULL;
        break;
    case A_DATA:
        rn_data_close(h->data);
        h->data = NULL;
        break;
    case A_REPORT:
        rn_report_destroy(h->report);
        h->report = NULL;
        break;
    case A_SURVEY:
        rn_survey_destroy(h->survey);
        h->survey = NULL;
        break;
    }
}

/* What is left works. */
static void use(struct handles *h)
{
    float logits[BATCH * CLASSES];
    struct rn_step_info step;
    struct rn_surveyed image;
    char name[64];

    if (h->plan)
        forward(h->plan, logits);
    if (h->clone)
        forward(h->clone, logits);
    if (h->training)
        assert_int_equal(rn_plan_step(h->training, 0, &step), RN_OK);
    if (h->report) {
        assert_non_null(rn_report_name(h->report, 0, name, sizeof(name)));
        assert_non_null(rn_report_image(h->report, 0, name, sizeof(name)));
    }
    if (h->survey)
        assert_int_equal(rn_survey_image(h->survey, RN_PART_TEST, 0, &image),
                         RN_OK);
}

/* Every order of the first two, the others in turn behind them;
 * AddressSanitizer sees what is used too late. */
static void handles_go_in_any_order(void **state)
{
    (void)state;
    for (int first = 0; first < HANDLES; first++)
        for (int second = 0; second < HANDLES; second++) {
            struct handles h = {0};

            if (first == second)
                continue;
            open_all(&h);
            let_go(&h, first);
            use(&h);
            let_go(&h, second);
            use(&h);
            for (int i = 0; i < HANDLES; i++) {
                int which = (second + i) % HANDLES;

                let_go(&h, which);
                use(&h);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clone_answers_as_its_plan),
        cmocka_unit_test(a_clone_has_what_does_not_fold),
        cmocka_unit_test(a_clone_keeps_what_its_plan_keeps),
        cmocka_unit_test(clones_may_have_other_batches),
        cmocka_unit_test(a_clone_of_a_changed_model_is_refused),
        cmocka_unit_test(fewer_images_than_the_batch_give_the_same),
        cmocka_unit_test(a_clone_takes_no_memory_for_weights),
        cmocka_unit_test(only_inference_plans_have_clones),
        cmocka_unit_test(a_clone_that_fails_leaves_nothing),
        cmocka_unit_test(plans_of_a_model_run_side_by_side),
        cmocka_unit_test(evaluations_share_model_and_data),
        cmocka_unit_test(handles_go_in_any_order),
    };

    return cmocka_run_group_tests(tests, make_images, NULL);
}
