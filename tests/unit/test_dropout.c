/* SPDX-License-Identifier: BSD-2-Clause */
/* Dropout: an image's mask is its own, whatever batch, thread or run draws it;
 * recomputation and resumed runs draw the same; inference knows nothing of it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "folder.h"

#include "core/count.h"
#include "core/file.h"
#include "core/memory.h"
#include "formats/families.h"
#include "model/model.h"
#include "ops/conv/conv.h"
#include "ops/dropout.h"
#include "plan/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 4, CLASSES = 4, CHANNELS = 3, SIZE = 8 };

static void fill(float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(i * i % 101) / 50.0f - 1.0f;
}

/* ------------------------------------------------------------------- masks */

/* 21 channels of 5x3: neither blocks nor fours come out even. */
static void masks_are_an_images_own(void **state)
{
    const struct rn_shape shape = {21, 5, 3};
    const size_t size = rn_channels_padded(21) * 15, numbers = 21 * 15;
    struct rn_dropout d = {.key = {7, RN_RANDOM_PLAN, 9}, .rate = 0.25f};
    float *x = rn_alloc(BATCH * size, sizeof(*x));
    float *whole = rn_alloc(BATCH * size, sizeof(*x));
    float *half = rn_alloc(BATCH * size, sizeof(*x));
    size_t zeros = 0;

    (void)state;
    assert_true(x && whole && half);
    for (size_t i = 0; i < BATCH * size; i++)
        x[i] = 3;
    rn_dropout(&d, BATCH, shape, 1, x, whole);
    for (size_t i = 0; i < BATCH * size; i++) {
        assert_true(whole[i] == 0 || whole[i] == 4);
        zeros += whole[i] == 0;
    }
    zeros -= BATCH * (size - numbers); /* padding */
    assert_in_range(zeros * 100 / (BATCH * numbers), 20, 30);
    rn_dropout(&d, BATCH, shape, 3, x, half);
    assert_memory_equal(whole, half, BATCH * size * sizeof(*x));
    d.first += 2 * ((numbers + 3) / 4);
    rn_dropout(&d, BATCH / 2, shape, 1, x, half);
    assert_memory_equal(whole + 2 * size, half, 2 * size * sizeof(*x));
    rn_free(x);
    rn_free(whole);
    rn_free(half);
}

/* Number i of an image is kept where the i-th random number of the image says
 * so, four neighbours of a channel at a time or not; the index of the numbers
 * grows past 32 bits. */
static void masks_are_by_number(void **state)
{
    static const struct rn_shape shapes[] = {{21, 4, 6}, {5, 3, 7}, {33, 2, 2}};
    const struct rn_dropout d = {
        .key = {UINT64_C(0x123456789a), RN_RANDOM_PLAN, 9},
        .first = UINT32_MAX - 30,
        .rate = 0.3f};

    (void)state;
    for (size_t k = 0; k < sizeof(shapes) / sizeof(*shapes); k++) {
        const struct rn_shape s = shapes[k];
        const size_t b = (size_t)rn_block(), hw = (size_t)(s.h * s.w);
        const size_t size = rn_channels_padded(s.c) * hw;
        const uint64_t each = (rn_shape_size(s) + 3) / 4;
        float *x = rn_alloc(BATCH * size, sizeof(*x));

        assert_non_null(x);
        for (size_t i = 0; i < BATCH * size; i++)
            x[i] = 2;
        rn_dropout(&d, BATCH, s, 2, x, x);
        for (size_t n = 0; n < BATCH; n++)
            for (size_t i = 0; i < (size_t)s.c * hw; i++) {
                size_t c = i / hw,
                       at = n * size + c / b * b * hw + i % hw * b + c % b;
                uint32_t bits[4];

                rn_random4(&d.key, d.first + n * each + i / 4, bits);
                bool kept = rn_random_unit(bits[i % 4]) >= (double)d.rate;
                assert_true(x[at] == (kept ? 2 * (1 / (1 - d.rate)) : 0));
            }
        rn_free(x);
    }
}

/* ------------------------------------------------------------------- plans */

/* With or without dropout: behind a convolution's ReLU, and before fc. */
static struct rn_graph *make_graph(bool dropout)
{
    const struct rn_window three = RN_WINDOW(3, 3, 1, 1);
    struct rn_graph *g = rn_graph_create();
    int x, y;

    assert_non_null(g);
    x = rn_graph_input(g, (struct rn_shape){CHANNELS, SIZE, SIZE});
    x = rn_graph_conv(g, x, "conv1", 20, three, false);
    x = rn_graph_relu(g, rn_graph_batch_norm(g, x, "bn1"), "relu1");
    y = dropout ? rn_graph_dropout(g, x, "drop1", 0.3f) : x;
    y = rn_graph_conv(g, y, "conv2", 20, three, false);
    y = rn_graph_batch_norm(g, y, "bn2");
    x = rn_graph_relu(g, rn_graph_add(g, y, x, "add"), "relu2");
    x = rn_graph_conv(g, x, "conv3", 12, three, true);
    x = rn_graph_global_avg_pool(g, rn_graph_relu(g, x, "relu3"), "pool");
    x = dropout ? rn_graph_dropout(g, x, "drop2", 0.5f) : x;
    rn_graph_linear(g, x, "fc", CLASSES);
    if (g->error.code)
        fail_msg("%s", g->error.msg);
    return g;
}

static struct rn_model *make_model(bool dropout)
{
    struct rn_graph *g = make_graph(dropout);
    struct rn_net_spec spec;
    struct rn_model *model;

    rn_net_of_graph(&spec, "somebody's", g);
    model = rn_model_wrap(&spec, g);
    assert_non_null(model);
    rn_model_init(model, 3);
    return model;
}

/* All gradients of one iteration into `grads`; how many steps drew a mask
 * again. */
static int learn(const struct rn_model *model, enum rn_recompute recompute,
                 uint32_t iteration, float *grads)
{
    static const int32_t labels[BATCH] = {0, 1, 2, 3};
    const struct rn_plan_options options = {.mode = RN_MODE_TRAIN,
                                            .batch = BATCH,
                                            .threads = 2,
                                            .recompute = recompute};
    const struct rn_draw draw = {.seed = 5, .iteration = iteration, .first = 8};
    float images[BATCH * CHANNELS * SIZE * SIZE];
    struct rn_step_result result;
    struct rn_store *store;
    struct rn_plan *plan;
    struct rn_error err;
    struct rn_flat flat;
    int again = 0;

    fill(images, COUNT(images));
    assert_int_equal(rn_store_create(&store, model->graph, true, &err), RN_OK);
    if (rn_plan_build(&plan, store, &options, &err))
        fail_msg("%s", err.msg);
    rn_plan_draw(plan, &draw);
    if (rn_plan_train(plan, images, labels, 0, &result, &err))
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < plan->n_steps; i++)
        again += plan->steps[i].again &&
                 strcmp(plan->steps[i].type->pass, "dropout") == 0;
    rn_store_flat(store, &flat);
    memcpy(grads, flat.grad, flat.count * sizeof(*grads));
    rn_plan_destroy(plan);
    rn_store_destroy(store);
    return again;
}

static void recomputation_draws_the_same(void **state)
{
    struct rn_model *model = make_model(true);
    const size_t room = 1 << 16, bytes = room * sizeof(float);
    float *want = rn_alloc(room, sizeof(*want));
    float *got = rn_alloc(room, sizeof(*got));

    (void)state;
    assert_true(want && got);
    learn(model, RN_RECOMPUTE_NONE, 3, want);
    learn(model, RN_RECOMPUTE_ACTIVATIONS, 3, got);
    assert_memory_equal(want, got, bytes);
    assert_true(learn(model, RN_RECOMPUTE_BLOCKS, 3, got) > 0);
    assert_memory_equal(want, got, bytes);
    learn(model, RN_RECOMPUTE_NONE, 4, got);
    assert_memory_not_equal(want, got, bytes);
    rn_free(want);
    rn_free(got);
    rn_model_destroy(model);
}

static size_t infer(const struct rn_model *model, float logits[CLASSES])
{
    struct rn_plan_options options;
    float image[CHANNELS * SIZE * SIZE];
    struct rn_plan *plan;
    struct rn_error err;
    size_t steps;

    fill(image, COUNT(image));
    rn_plan_defaults(&options);
    options.threads = 1;
    assert_int_equal(rn_plan_create(&plan, model, &options, &err), RN_OK);
    assert_int_equal(rn_plan_forward(plan, image, logits, &err), RN_OK);
    steps = rn_plan_steps(plan);
    rn_plan_destroy(plan);
    return steps;
}

static void inference_has_no_step_of_it(void **state)
{
    struct rn_model *with = make_model(true), *without = make_model(false);
    float a[CLASSES], b[CLASSES];

    (void)state;
    assert_int_equal(infer(with, a), infer(without, b));
    assert_memory_equal(a, b, sizeof(a));
    rn_model_destroy(with);
    rn_model_destroy(without);
}

/* A family's network is recognised with dropout in it. */
static void networks_are_recognised_past_it(void **state)
{
    struct rn_graph *own = make_graph(false), *from = make_graph(true);

    (void)state;
    from->params[0].data[5] = 3;
    assert_true(rn_graph_adopt(own, from));
    assert_true(own->params[0].data[5] == 3);
    rn_graph_destroy(own);
    rn_graph_destroy(from);
}

/* -------------------------------------------------------------------- runs */

static int stop_at_five(void *user)
{
    return ++*(int *)user >= 5;
}

static void read_weights(const char *run, uint8_t **bytes, size_t *size)
{
    char path[300];
    struct rn_error err;

    snprintf(path, sizeof(path), "%s/last.safetensors", run);
    if (rn_file_read(path, (size_t)1 << 24, bytes, size, &err))
        fail_msg("%s", err.msg);
}

static void resumed_runs_draw_the_same(void **state)
{
    struct rn_model *model = make_model(true);
    struct rn_train_options o;
    struct rn_train_result result;
    struct rn_error err;
    uint8_t *whole, *parts;
    size_t size, same;
    int asked = 0;
    const struct rn_train_events events = {.user = &asked,
                                           .stop = stop_at_five};

    (void)state;
    assert_int_equal(rn_model_save(model, in_folder("start.safetensors"), &err),
                     RN_OK);
    rn_model_destroy(model);
    rn_train_defaults(&o);
    o.data = "synthetic:3x8x8:4:90";
    o.weights = in_folder("start.safetensors");
    o.batch = 16;
    o.accumulate = 2;
    o.iterations = 12;
    o.lr = 0.05;
    o.threads = 1;
    o.out = in_folder("whole");
    if (rn_train(&o, NULL, &result, &err))
        fail_msg("%s", err.msg);
    o.out = in_folder("parts");
    assert_int_equal(rn_train(&o, &events, &result, &err), RN_ERR_STOPPED);
    if (rn_train_resume(o.out, NULL, NULL, &result, &err))
        fail_msg("%s", err.msg);
    read_weights(in_folder("whole"), &whole, &size);
    read_weights(in_folder("parts"), &parts, &same);
    assert_int_equal(size, same);
    assert_memory_equal(whole, parts, size);
    rn_free(whole);
    rn_free(parts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_are_an_images_own),
        cmocka_unit_test(masks_are_by_number),
        cmocka_unit_test(recomputation_draws_the_same),
        cmocka_unit_test(inference_has_no_step_of_it),
        cmocka_unit_test(networks_are_recognised_past_it),
        cmocka_unit_test(resumed_runs_draw_the_same),
    };

    return cmocka_run_group_tests_name("dropout", tests, make_folder,
                                       remove_folder);
}
