/* SPDX-License-Identifier: BSD-2-Clause */
/* Hints: runs that train a network's first layers to predict a teacher's layer
 * through a regressor. What such a step computes test_golden.c compares. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "taught.h"

#include "graph/operation.h"
#include "nets/nets.h"
#include "ops/layout.h"
#include "ops/loss.h"
#include "plan/plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
/* 32 channels of 4 x 4 pixels, and 64 of 2 x 2. */
#define HINT "layer2.0.relu2:layer3.0.relu2"

/* ------------------------------------------------------------------ pieces */

enum { IMAGES = 3, CHANNELS = 5, ROWS = 2, COLUMNS = 4 };

/* Where a number of an image lies. */
static size_t place(int image, int c, int pixel)
{
    const size_t block = (size_t)rn_block(), pixels = ROWS * COLUMNS;
    const size_t blocks = rn_channels_padded(CHANNELS) / block;

    return (((size_t)image * blocks + (size_t)c / block) * pixels +
            (size_t)pixel) *
               block +
           (size_t)c % block;
}

/* Loss and gradient of a map by their definition; padding stays zero. */
static void maps_have_half_a_mean_square(void **state)
{
    const struct rn_shape shape = {CHANNELS, ROWS, COLUMNS};
    enum { PIXELS = ROWS * COLUMNS };
    const size_t room = rn_channels_padded(CHANNELS) * PIXELS * IMAGES;
    float *value = rn_alloc(room, sizeof(float));
    float *diff = rn_alloc(room, sizeof(float));
    float map[IMAGES * CHANNELS * PIXELS];
    double sum = 0, got, left = 0;

    (void)state;
    assert_true(value && diff);
    for (int k = 0; k < IMAGES; k++)
        for (int c = 0; c < CHANNELS; c++)
            for (int i = 0; i < PIXELS; i++) {
                size_t at = (size_t)((k * CHANNELS + c) * PIXELS + i);
                double off;

                map[at] = (float)sin((double)at);
                value[place(k, c, i)] = (float)cos(3.0 * (double)at);
                off = (double)value[place(k, c, i)] - (double)map[at];
                sum += off * off / 2 / (CHANNELS * PIXELS);
            }
    for (size_t i = 0; i < room; i++)
        diff[i] = 9;
    got = rn_loss_of_map(IMAGES, shape, value, map, diff);
    assert_true(fabs(got - sum) < 1e-12 * sum);
    for (int k = 0; k < IMAGES; k++)
        for (int c = 0; c < CHANNELS; c++)
            for (int i = 0; i < PIXELS; i++) {
                size_t at = (size_t)((k * CHANNELS + c) * PIXELS + i);
                double off = (double)value[place(k, c, i)] - (double)map[at];

                off /= CHANNELS * PIXELS * IMAGES;
                assert_true(fabs((double)diff[place(k, c, i)] - off) < 1e-9);
                diff[place(k, c, i)] = 0;
            }
    for (size_t i = 0; i < room; i++)
        left += fabs((double)diff[i]);
    assert_true(left == 0);
    rn_free(value);
    rn_free(diff);
}

/* The nodes below a layer, as they are, and nothing else. */
static void lower_parts_are_the_same(void **state)
{
    static const struct {
        const char *net, *layer;
        int size;
    } cases[] = {
        {"resnet8", "layer2.0.relu2", 32},
        {"resnet8", "fc", 32},
        {"fitnet-19", "conv2", 32},
        {"maxout", "pool2", 32},
        {"highway-19", "conv2", 32},
        {"densenet-bc-16-8", "conv3", 32},
        {"se-resnet8", "conv3", 32},
        {"googlenet", "inception4a.concat", 224},
        {"inception-v3", "Mixed_6b.concat", 299},
        {"wrn-10-2", "conv3", 32},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct rn_net_options options = {.height = cases[i].size,
                                               .width = cases[i].size};
        struct rn_net_spec spec;
        struct rn_graph *g = NULL, *part;
        struct rn_error err = {0};
        size_t *from;
        int v;

        if (rn_net_resolve(&spec, cases[i].net, &options, &err) ||
            rn_net_build(&g, &spec, &err))
            fail_msg("%s", err.msg);
        v = rn_find_value(g, cases[i].layer);
        from = rn_alloc(g->n_params, sizeof(*from));
        if (v < 0 || !from)
            fail_msg("%s has no %s", cases[i].net, cases[i].layer);
        for (size_t p = 0; p < g->n_params; p++)
            g->params[p].data[0] = (float)p;
        part = rn_graph_below(g, v, from);
        assert_non_null(part);
        if (!rn_node_same(&part->nodes[part->output], &g->nodes[v]))
            fail_msg("%s: another layer", cases[i].net);
        for (size_t k = 0, at = 0; k < part->n_nodes; k++, at++) {
            while (strcmp(g->nodes[at].name, part->nodes[k].name) != 0)
                assert_true(++at < g->n_nodes);
            if (!rn_node_same(&part->nodes[k], &g->nodes[at]) ||
                part->nodes[k].stage != g->nodes[at].stage)
                fail_msg("%s: %s differs", cases[i].net, g->nodes[at].name);
        }
        for (size_t p = 0; p < part->n_params; p++) {
            assert_string_equal(part->params[p].name, g->params[from[p]].name);
            assert_true(part->params[p].data[0] == (float)from[p]);
        }
        rn_free(from);
        rn_graph_destroy(part);
        rn_graph_destroy(g);
    }
}

/* -------------------------------------------------------------------- runs */

static struct rn_train_options hinted_run(const char *name)
{
    struct rn_train_options o = run_with_teacher(name);

    o.hint = HINT;
    return o;
}

static struct rn_model *load(const char *name)
{
    struct rn_error err = {0};
    struct rn_model *model;

    if (rn_model_load(&model, in_folder(name), &err))
        fail_msg("%s", err.msg);
    return model;
}

/* Stopped anywhere, on another number of threads, and with less kept in memory
 * the run is the same; an optimiser of two states, and an average, besides. */
static void runs_resume_to_the_bit(void **state)
{
    struct rn_train_options o = hinted_run("whole");
    struct rn_error err = {0};

    (void)state;
    o.optimizer = "adamw";
    o.lr = 0.002;
    o.ema = 0.9;
    train(&o);
    for (int stop = 1; stop < 13; stop += 5) {
        int left = stop;
        const struct rn_train_events events = {.user = &left,
                                               .stop = stop_soon};
        char name[32], file[64];

        snprintf(name, sizeof(name), "stopped-%d", stop);
        snprintf(file, sizeof(file), "%s/last.safetensors", name);
        o.out = in_folder(name);
        assert_int_equal(rn_train(&o, &events, NULL, &err), RN_ERR_STOPPED);
        if (rn_train_resume(in_folder(name), NULL, NULL, NULL, &err))
            fail_msg("%s", err.msg);
        assert_true(same_file("whole/last.safetensors", file));
        snprintf(file, sizeof(file), "%s/best.safetensors", name);
        assert_true(same_file("whole/best.safetensors", file));
    }
    o.out = in_folder("threads");
    o.threads = 3;
    o.recompute = RN_RECOMPUTE_BLOCKS;
    train(&o);
    assert_true(
        same_file("whole/best.safetensors", "threads/best.safetensors"));
}

/* Which parameters of two models of a network differ, by name. */
static bool differs(const struct rn_model *a, const struct rn_model *b,
                    const char *name)
{
    const struct rn_param *p = rn_graph_param(a->graph, name);
    const struct rn_param *q = rn_graph_param(b->graph, name);

    assert_true(p && q);
    return memcmp(p->data, q->data, p->count * sizeof(*p->data)) != 0;
}

/* The layers up to the guided one learn, those behind it stay, and the model is
 * the network alone. */
static void the_model_is_the_network(void **state)
{
    struct rn_train_options o = hinted_run("hinted");
    struct rn_model *hinted, *fresh;
    struct rn_train_result result;
    struct rn_net_options net;
    struct rn_error err = {0};
    uint8_t *bytes;
    size_t size;

    (void)state;
    if (rn_train(&o, NULL, &result, &err))
        fail_msg("%s", err.msg);
    assert_true(isnan(result.train_error) && result.test_images == 0);
    hinted = load("hinted/last.safetensors");
    rn_net_defaults(&net);
    net.classes = 4;
    net.height = net.width = 8;
    assert_int_equal(rn_model_create(&fresh, "plain8", &net, &err), RN_OK);
    rn_model_init(fresh, o.seed);
    assert_int_equal(hinted->graph->n_params, fresh->graph->n_params);
    assert_true(differs(hinted, fresh, "conv1.weight"));
    assert_true(differs(hinted, fresh, "layer2.0.conv2.weight"));
    assert_true(differs(hinted, fresh, "layer2.0.bn2.running_mean"));
    assert_false(differs(hinted, fresh, "layer3.0.conv1.weight"));
    assert_false(differs(hinted, fresh, "fc.weight"));
    rn_model_destroy(hinted);
    rn_model_destroy(fresh);
    read_bytes("hinted/best.safetensors", &bytes, &size);
    assert_null(memmem(bytes, size, "hint_regressor", 14));
    rn_free(bytes);
    read_bytes("hinted/last.safetensors", &bytes, &size);
    assert_non_null(
        memmem(bytes, size, "optimizer.value.hint_regressor.weight", 37));
    rn_free(bytes);
}

static double loss_after(struct rn_train_options *o, long iterations)
{
    struct rn_train_result result;
    struct rn_error err = {0};

    o->iterations = iterations;
    o->report_every = 1;
    if (rn_train(o, NULL, &result, &err))
        fail_msg("%s: %s", o->out, err.msg);
    return result.loss;
}

static void hints_are_learned(void **state)
{
    struct rn_train_options o = hinted_run("short");
    double before = loss_after(&o, 1);

    (void)state;
    o.out = in_folder("long");
    assert_true(loss_after(&o, 60) < 0.5 * before);
}

/* Stage two: the whole network goes on from there, with the teacher's answers.
 */
static void a_second_run_goes_on(void **state)
{
    struct rn_train_options o = hinted_run("first");
    struct rn_model *first, *second;

    (void)state;
    train(&o);
    o = hinted_run("second");
    o.net = NULL;
    o.hint = NULL;
    o.weights = in_folder("first/last.safetensors");
    o.distill_weight = 0.444;
    o.distill_weight_end = 0.111;
    o.iterations = 1;
    o.lr = 1e-9;
    o.weight_decay = 0;
    train(&o);
    first = load("first/last.safetensors");
    second = load("second/last.safetensors");
    for (size_t i = 0; i < first->graph->n_params; i++) {
        const struct rn_param *p = &first->graph->params[i];
        const struct rn_param *q = &second->graph->params[i];

        for (size_t k = 0; rn_param_trainable(p) && k < p->count; k++)
            assert_true(fabs((double)p->data[k] - (double)q->data[k]) < 1e-6);
    }
    rn_model_destroy(first);
    rn_model_destroy(second);
}

/* In bfloat16, beside layers that are frozen, and of a teacher that knows other
 * classes. */
static void other_hints_are_taken(void **state)
{
    struct rn_train_options o = hinted_run("bf16");
    struct rn_error err = {0};
    struct rn_model *model, *fresh;
    struct rn_net_options net;

    (void)state;
    o.precision = RN_PRECISION_BF16;
    o.emulate = 1;
    o.iterations = 2;
    train(&o);
    o = hinted_run("recorded");
    o.record = "layers:5";
    train(&o);
    o = hinted_run("others");
    o.data = "synthetic:3x8x8:7:90";
    train(&o);
    o = hinted_run("frozen");
    o.freeze = "conv1";
    o.hint = "conv3:conv4"; /* stages */
    train(&o);
    model = load("frozen/last.safetensors");
    rn_net_defaults(&net);
    net.classes = 4;
    net.height = net.width = 8;
    assert_int_equal(rn_model_create(&fresh, "plain8", &net, &err), RN_OK);
    rn_model_init(fresh, o.seed);
    assert_false(differs(model, fresh, "conv1.weight"));
    assert_true(differs(model, fresh, "layer1.0.conv1.weight"));
    rn_model_destroy(model);
    rn_model_destroy(fresh);
}

static void unfit_hints_are_refused(void **state)
{
    static const struct {
        const char *hint, *words;
    } texts[] = {
        {"layer2.0.relu2", "expected LAYER:HINT"},
        {":layer2.0.relu2", "expected LAYER:HINT"},
        {"layer2.0.relu2:", "expected LAYER:HINT"},
        {"layer2.0.rleu2:layer3.0.relu2",
         "plain8 has no layer 'layer2.0.rleu2'; expected one such as "
         "layer2.0.relu2"},
        {"layer2.0.relu2:layer3.0.relu22",
         "the teacher has no layer 'layer3.0.relu22'; expected one such as "
         "layer3.0.relu2"},
        {"what:layer3.0.relu2", "plain8 has no layer 'what'"},
        {"input:layer3.0.relu2", "plain8 has no layer 'input'"},
        {"fc:layer3.0.relu2", "layer 'fc' of plain8 is the output"},
        {"layer2.0.relu2:fc", "layer 'fc' of the teacher is the output"},
        {"layer3.0.relu2:layer1.0.relu2",
         "layer 'layer3.0.relu2' of plain8 has 2 x 2 pixels, 'layer1.0.relu2' "
         "of the teacher 8 x 8"},
    };
    struct rn_train_options o;

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        o = hinted_run("refused");
        o.hint = texts[i].hint;
        expect_refused(&o, RN_ERR_ARG, texts[i].words);
    }
    o = hinted_run("refused");
    o.teacher = NULL;
    expect_refused(&o, RN_ERR_ARG, "`hint` goes with a `teacher`");
    o = hinted_run("refused");
    o.distill_weight = 2;
    expect_refused(&o, RN_ERR_ARG,
                   "`distill_weight`: with `hint` a run learns");
    o = hinted_run("refused");
    o.label_smoothing = 0.1;
    expect_refused(&o, RN_ERR_ARG, "`label_smoothing`: with `hint`");
    o = hinted_run("refused");
    o.patience = 3;
    expect_refused(&o, RN_ERR_ARG, "`patience`: with `hint`");
    o = hinted_run("refused");
    o.warmup = "error:80";
    o.warmup_lr = 0.01;
    expect_refused(&o, RN_ERR_ARG, "waits for a training error");
    o = hinted_run("refused");
    o.freeze = "conv1-conv3";
    expect_refused(&o, RN_ERR_ARG, "up to 'layer2.0.relu2' learns");
    o = hinted_run("refused");
    o.max_norm = "fc=1";
    expect_refused(&o, RN_ERR_ARG, "no weights of stage 'fc' learn");
}

/* A teacher in 8 bits has rounded what it would give. */
static void quantised_teachers_are_refused(void **state)
{
    struct rn_train_options o = hinted_run("refused");
    struct rn_model *model = load("teacher/last.safetensors");
    struct rn_quantize_options options;
    struct rn_quantize_result result;
    struct rn_error err = {0};
    struct rn_data *data;

    (void)state;
    assert_int_equal(rn_data_open(&data, DATA, NULL, &err), RN_OK);
    rn_quantize_defaults(&options);
    options.images = 16;
    options.max_drop = 100;
    if (rn_quantize(model, data, &options, &result, &err) ||
        rn_model_save(model, in_folder("bytes.safetensors"), &err))
        fail_msg("%s", err.msg);
    o.teacher = in_folder("bytes.safetensors");
    expect_refused(&o, RN_ERR_ARG, "is quantised");
    rn_model_destroy(model);
    rn_data_close(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_have_half_a_mean_square),
        cmocka_unit_test(lower_parts_are_the_same),
        cmocka_unit_test(runs_resume_to_the_bit),
        cmocka_unit_test(the_model_is_the_network),
        cmocka_unit_test(hints_are_learned),
        cmocka_unit_test(a_second_run_goes_on),
        cmocka_unit_test(other_hints_are_taken),
        cmocka_unit_test(unfit_hints_are_refused),
        cmocka_unit_test(quantised_teachers_are_refused),
    };

    return cmocka_run_group_tests(tests, make_teacher, remove_folder);
}
