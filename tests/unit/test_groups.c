/* SPDX-License-Identifier: BSD-2-Clause */
/* Batches cut into groups: the order of sums, statistics, runs that stop, and
 * what groups do not go with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runs.h"

#include "core/file.h"
#include "core/memory.h"
#include "core/dtype.h"
#include "core/random.h"
#include "model/model.h"
#include "resnet.h"
#include "train/grouping.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LIMIT    ((size_t)1 << 28)
#define OK(call)                     \
    do {                             \
        if ((call) != RN_OK)         \
            fail_msg("%s", err.msg); \
    } while (0)

/* ------------------------------------------------------------------ sums */

enum { MOST = 19, NUMBERS = 5 };

static float rounded(float value, bool bf16)
{
    uint32_t bits = (uint32_t)rn_bf16_of(value) << 16;

    if (bf16)
        memcpy(&value, &bits, sizeof(value));
    return value;
}

/* The tree by its definition: the left half is the largest power of two. In
 * bfloat16 every sum is rounded. */
static float tree(float (*leaf)[NUMBERS], int first, int count, int k,
                  bool bf16)
{
    int left = 1;

    if (count == 1)
        return rounded(leaf[first][k], bf16);
    while (2 * left < count)
        left *= 2;
    return rounded(tree(leaf, first, left, k, bf16) +
                       tree(leaf, first + left, count - left, k, bf16),
                   bf16);
}

static void fill(float (*leaf)[NUMBERS], uint64_t step)
{
    const struct rn_random_key key = {1, RN_RANDOM_SHUFFLE, 0};

    for (int i = 0; i < MOST; i++)
        for (int k = 0; k < NUMBERS; k++) {
            uint32_t bits[4];

            rn_random4(&key,
                       (step * MOST + (uint64_t)i) * NUMBERS + (uint64_t)k,
                       bits);
            leaf[i][k] = (float)bits[0] / 1e6F - 2000;
        }
}

static void sums_of_groups(void **state)
{
    float leaf[MOST][NUMBERS], grad[NUMBERS];
    const struct rn_flat flat = {.grad = grad, .count = NUMBERS};
    struct rn_error err = {0};

    (void)state;
    for (int groups = 1; groups <= MOST; groups++) {
        struct rn_grouping g = {.count = 0};

        OK(rn_grouping_cut(&g, groups, 4 * groups, 2 * groups, &err));
        assert_int_equal(g.images, 4);
        assert_int_equal(g.rest, 2);
        OK(rn_grouping_create(&g, &flat, 3, 2, &err));
        for (uint64_t step = 0; step < 2; step++) {
            g.bf16 = step == 1 && groups > 1;
            fill(leaf, step);
            for (int i = 0; i < groups; i++) {
                memcpy(grad, leaf[i], sizeof(grad));
                rn_grouping_add(&g, &flat);
            }
            rn_grouping_join(&g, &flat);
            for (int k = 0; k < NUMBERS; k++) {
                float mean =
                    tree(leaf, 0, groups, k, g.bf16) * (1 / (float)groups);

                assert_memory_equal(&grad[k], &mean, sizeof(mean));
            }
        }
        rn_grouping_free(&g);
    }
}

/* ------------------------------------------------------------------ runs */

/* 90 images in batches of 12: epochs end in a batch of 6. */
static struct rn_train_options cut_run(const char *name)
{
    struct rn_train_options o = small_run(name);

    o.batch = 12;
    o.iterations = 6;
    o.schedule = "constant";
    return o;
}

static struct rn_model *last_of(const char *run)
{
    struct rn_model *model;
    struct rn_error err = {0};
    char path[64];

    snprintf(path, sizeof(path), "%s/last.safetensors", run);
    OK(rn_model_load(&model, in_folder(path), &err));
    return model;
}

static void assert_same_file(const char *run_a, const char *run_b,
                             const char *name)
{
    char path[2][80];
    uint8_t *bytes[2];
    size_t size[2];
    struct rn_error err = {0};

    snprintf(path[0], sizeof(path[0]), "%s/%s", run_a, name);
    snprintf(path[1], sizeof(path[1]), "%s/%s", run_b, name);
    for (int i = 0; i < 2; i++)
        OK(rn_file_read(in_folder(path[i]), LIMIT, &bytes[i], &size[i], &err));
    assert_int_equal(size[0], size[1]);
    if (memcmp(bytes[0], bytes[1], size[0]) != 0)
        fail_msg("%s and %s differ", path[0], path[1]);
    rn_free(bytes[0]);
    rn_free(bytes[1]);
}

/* A batch in two or three groups makes the step that as many batches do. */
static void steps_of_groups(void **state)
{
    (void)state;
    for (int groups = 2; groups <= 3; groups++) {
        struct rn_train_options o;
        struct rn_model *a, *b;
        char cut[32], batches[32];

        snprintf(cut, sizeof(cut), "cut-%d", groups);
        snprintf(batches, sizeof(batches), "batches-%d", groups);
        o = cut_run(cut);
        o.net = "wrn-10-1";
        o.dropout = 0.3;
        o.groups = groups;
        train(&o);
        o.out = in_folder(batches);
        o.groups = 0;
        o.batch /= groups;
        o.accumulate = groups;
        train(&o);
        a = last_of(cut);
        b = last_of(batches);
        for (size_t i = 0; i < a->graph->n_params; i++) {
            const struct rn_param *p = &a->graph->params[i];
            const struct rn_param *q = &b->graph->params[i];
            bool same = memcmp(p->data, q->data, p->count * sizeof(float)) == 0;

            if (same != rn_param_updated(p))
                fail_msg("%d groups: %s", groups, p->name);
        }
        rn_model_destroy(a);
        rn_model_destroy(b);
    }
}

/* Two batches of one step move running statistics by a tenth each, two groups
 * by a tenth of their mean. */
static void statistics_of_groups(void **state)
{
    static const char *const names[] = {"first", "both", "grouped"};
    struct rn_model *model[COUNT(names)];

    (void)state;
    for (size_t k = 0; k < COUNT(names); k++) {
        struct rn_train_options o = cut_run(names[k]);

        o.iterations = 1;
        o.batch = k == 2 ? 12 : 6;
        o.accumulate = k == 1 ? 2 : 0;
        o.groups = k == 2 ? 2 : 0;
        train(&o);
        model[k] = last_of(names[k]);
    }
    for (size_t i = 0; i < model[0]->graph->n_params; i++) {
        const struct rn_param *p = &model[0]->graph->params[i];
        const float *first = p->data;
        const float *both = model[1]->graph->params[i].data;
        const float *grouped = model[2]->graph->params[i].data;

        if (rn_param_updated(p))
            continue;
        for (size_t c = 0; c < p->count; c++) {
            float begun = p->kind == RN_PARAM_RUNNING_VAR ? 0.9F : 0;
            float a = first[c] - begun, b = both[c] - 0.9F * first[c];

            if (!(fabsf(grouped[c] - begun - (a + b) / 2) < 1e-6F))
                fail_msg("%s[%zu]: %g", p->name, c, (double)grouped[c]);
        }
    }
    for (size_t k = 0; k < COUNT(names); k++)
        rn_model_destroy(model[k]);
}

static int stop_at_three(void *user)
{
    return ++*(int *)user >= 3;
}

/* A run that stops and goes on with its groups on other threads, or computes
 * values again, or tells how long it will take, comes to the same. */
static void broken_runs(void **state)
{
    int steps = 0;
    const struct rn_train_events events = {
        .struct_size = sizeof(events), .user = &steps, .stop = stop_at_three};
    const struct rn_resume_options threads = {.struct_size = sizeof(threads),
                                              .threads = 2};
    struct rn_train_options o = cut_run("whole");
    struct rn_error err = {0};

    (void)state;
    o.groups = 3;
    o.iterations = 9;
    o.last_batch = "keep";
    o.reestimate = 1;
    o.ema = 0.9;
    train(&o);
    o.out = in_folder("stopped");
    assert_int_equal(rn_train(&o, &events, NULL, &err), RN_ERR_STOPPED);
    OK(rn_train_resume(o.out, &threads, NULL, NULL, &err));
    assert_same_file("whole", "stopped", "last.safetensors");
    assert_same_file("whole", "stopped", "best.safetensors");
    o.out = in_folder("again");
    o.threads = 2;
    train(&o);
    assert_same_file("whole", "again", "best.safetensors");
}

/* An average of the weights is tested with statistics of its own: the last
 * model has those of its weights, as without an average. */
static void statistics_beside_average(void **state)
{
    struct rn_train_options o = cut_run("weights");
    struct rn_model *a, *b;

    (void)state;
    o.reestimate = 1;
    train(&o);
    o.out = in_folder("averaged");
    o.ema = 0.9;
    train(&o);
    a = last_of("weights");
    b = last_of("averaged");
    for (size_t i = 0; i < a->graph->n_params; i++) {
        const struct rn_param *p = &a->graph->params[i];
        const struct rn_param *q = &b->graph->params[i];

        if (memcmp(p->data, q->data, p->count * sizeof(float)) != 0)
            fail_msg("%s: %g and %g", p->name, (double)p->data[0],
                     (double)q->data[0]);
    }
    rn_model_destroy(a);
    rn_model_destroy(b);
}

/* One group is a batch. */
static void one_group(void **state)
{
    struct rn_train_options o = cut_run("plain");

    (void)state;
    train(&o);
    o.out = in_folder("one");
    o.groups = 1;
    train(&o);
    assert_same_file("plain", "one", "best.safetensors");
}

static void refused(void **state)
{
    static const struct {
        int groups, batch, accumulate;
        const char *option, *says; /* of last_batch or record */
    } cases[] = {
        {5, 12, 0, NULL, "`batch` 12 cannot be cut into 5 `groups`"},
        {13, 12, 0, NULL, "`batch` 12 cannot be cut into 13 `groups`"},
        {4, 12, 0, "keep", "6 images, which cannot be cut into 4 `groups`"},
        {2, 12, 3, NULL, "`groups` 2 and `accumulate` 3"},
        {6, 12, 0, "layers", "`record` layers tells of whole batches"},
        {-1, 12, 0, NULL, "`groups` is -1"},
        {4097, 12, 0, NULL, "`groups` is 4097"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_train_options o = cut_run("refused");
        struct rn_error err = {0};

        o.groups = cases[i].groups;
        o.batch = cases[i].batch;
        o.accumulate = cases[i].accumulate;
        if (cases[i].option && strcmp(cases[i].option, "layers") == 0)
            o.record = cases[i].option;
        else
            o.last_batch = cases[i].option;
        assert_int_equal(rn_train(&o, NULL, NULL, &err), RN_ERR_ARG);
        if (!strstr(err.msg, cases[i].says))
            fail_msg("\"%s\", expected \"%s\"", err.msg, cases[i].says);
        assert_false(rn_is_folder(o.out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_of_groups),
        cmocka_unit_test(one_group),
        cmocka_unit_test(steps_of_groups),
        cmocka_unit_test(broken_runs),
        cmocka_unit_test(statistics_beside_average),
        cmocka_unit_test(statistics_of_groups),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
