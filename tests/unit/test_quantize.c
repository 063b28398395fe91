/* SPDX-License-Identifier: BSD-2-Clause */
/* Quantised models: what their plans compute, their files, what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/file.h"
#include "core/memory.h"
#include "core/random.h"
#include "graph/quantization.h"
#include "model/model.h"
#include "plan/plan.h"
#include "quantize/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLASSES = 10, SIDE = 16, BATCH = 3 };

/* -------------------------------------------------- a network of our own */

/* A value of it in 8 bits, by the layer that makes it. */
static const struct quantized {
    const char *layer;
    struct rn_quant quant;
} values[] = {
    {"relu1", {0.03f, 0}}, {"relu2", {0.04f, 0}}, {"bn4", {0.06f, 117}},
    {"relu3", {0.06f, 0}}, {"bn5", {0.06f, 131}}, {"gap", {0.02f, 128}},
};

/* A value as the next layer reads it: where `simulated`, through a layer that
 * rounds it as 8 bits would. */
static int put(struct rn_graph *g, int v, bool simulated, const char *layer)
{
    char name[40];

    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        struct rn_quant q = values[i].quant;

        if (strcmp(values[i].layer, layer) != 0)
            continue;
        g->nodes[v].quant = simulated ? (struct rn_quant){0, 0} : q;
        snprintf(name, sizeof(name), "%s.q", layer);
        if (simulated)
            return rn_graph_quantize(g, v, name, q.scale, (float)q.zero, 0,
                                     255);
    }
    return v;
}

static int conv_bn(struct rn_graph *g, int v, int number, int channels,
                   int kernel, int stride)
{
    const struct rn_window w = RN_WINDOW(kernel, kernel, stride, kernel / 2);
    char name[20];

    snprintf(name, sizeof(name), "conv%d", number);
    v = rn_graph_conv(g, v, name, channels, w, false);
    snprintf(name, sizeof(name), "bn%d", number);
    return rn_graph_batch_norm(g, v, name);
}

static struct rn_graph *graph(bool simulated)
{
    const struct rn_window pool = RN_WINDOW(3, 3, 2, 1);
    struct rn_graph *g = rn_graph_create();
    int v, short_cut;

    assert_non_null(g);
    v = rn_graph_input(g, (struct rn_shape){3, SIDE, SIDE});
    v = rn_graph_relu(g, conv_bn(g, v, 1, 20, 3, 1), "relu1");
    v = put(g, v, simulated, "relu1");
    v = rn_graph_max_pool(g, v, "pool1", pool);
    short_cut = put(g, conv_bn(g, v, 4, 40, 1, 1), simulated, "bn4");
    v = rn_graph_relu(g, conv_bn(g, v, 2, 40, 3, 1), "relu2");
    v = put(g, v, simulated, "relu2");
    v = rn_graph_add(g, conv_bn(g, v, 3, 40, 3, 1), short_cut, "add");
    v = put(g, rn_graph_relu(g, v, "relu3"), simulated, "relu3");
    v = put(g, conv_bn(g, v, 5, 24, 1, 2), simulated, "bn5");
    v = put(g, rn_graph_global_avg_pool(g, v, "gap"), simulated, "gap");
    g->output = rn_graph_linear(g, v, "fc", CLASSES);
    assert_int_equal(g->error.code, 0);
    return g;
}

static void quantize_weights(struct rn_graph *g)
{
    for (size_t i = 0; i < g->n_params; i++) {
        struct rn_param *p = &g->params[i];
        size_t row = p->count / p->dim[0];
        float scales[64];

        if (p->kind != RN_PARAM_WEIGHT || strcmp(p->name, "conv1.weight") == 0)
            continue;
        for (size_t o = 0; o < p->dim[0]; o++) {
            float most = 0;

            for (size_t k = 0; k < row; k++)
                most = fmaxf(most, fabsf(p->data[o * row + k]));
            scales[o] = most / RN_QUANT_MOST;
        }
        assert_int_equal(rn_graph_quantize_param(g, i, scales, NULL), 0);
    }
}

static struct rn_model *model_of(struct rn_graph *g)
{
    struct rn_net_spec spec;
    struct rn_model *m;

    rn_net_of_graph(&spec, "test", g);
    m = rn_model_wrap(&spec, g);
    assert_non_null(m);
    rn_model_init(m, 3);
    for (size_t i = 0; i < g->n_params; i++) /* batch norms do something */
        for (size_t k = 0; k < g->params[i].count; k++) {
            float *x = &g->params[i].data[k];
            float r = (float)((k * 7 + i * 13) % 11) / 11 - 0.4f;

            if (g->params[i].kind == RN_PARAM_BN_WEIGHT)
                *x = r < -0.3f ? -0.8f : 1 + r / 2;
            else if (g->params[i].kind != RN_PARAM_WEIGHT)
                *x += r / 3;
        }
    return m;
}

static struct rn_model *quantized(void)
{
    struct rn_model *m = model_of(graph(false));

    quantize_weights(m->graph);
    return m;
}

/* The same in float32, with layers that round as 8 bits do. */
static struct rn_model *simulation(const struct rn_model *of)
{
    struct rn_graph *g = graph(true);
    struct rn_model *m = model_of(g);

    for (size_t i = 0; i < of->graph->n_params; i++) {
        const struct rn_param *from = &of->graph->params[i];

        memcpy(rn_graph_param(g, from->name)->data, from->data,
               from->count * sizeof(float));
    }
    return m;
}

static void fill_images(float *images)
{
    const struct rn_random_key key = {.seed = 5};

    for (size_t i = 0; i < BATCH * 3 * SIDE * SIDE; i++) {
        uint32_t bits[4];

        rn_random4(&key, i, bits);
        images[i] = (float)(4 * rn_random_unit(bits[0]) - 2);
    }
}

static void run(const struct rn_model *m, int precision, int threads,
                float logits[BATCH * CLASSES])
{
    static float images[BATCH * 3 * SIDE * SIDE];
    struct rn_plan_options o;
    struct rn_plan *plan;
    struct rn_error err = {0};

    fill_images(images);
    rn_plan_defaults(&o);
    o.batch = BATCH;
    o.threads = threads;
    o.precision = precision;
    if (rn_plan_create(&plan, m, &o, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(rn_plan_forward(plan, images, logits, NULL), 0);
    rn_plan_destroy(plan);
}

static double largest_difference(const float *a, const float *b)
{
    double most = 0;

    for (int i = 0; i < BATCH * CLASSES; i++)
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

/* ------------------------------------------------------------------ tests */

/* A layer's rounding may fall otherwise where sums are near a half, for float32
 * is not exact, and biases are whole numbers of a sum's unit in 8 bits alone;
 * then a value is one step off. Of the logits little of that is seen. */
static void plan_is_its_simulation(void **state)
{
    struct rn_model *m = quantized(), *s = simulation(m);
    float got[BATCH * CLASSES], want[BATCH * CLASSES], off[BATCH * CLASSES];

    (void)state;
    run(m, RN_PRECISION_AUTO, 2, got);
    run(s, RN_PRECISION_FP32, 2, want);
    run(m, RN_PRECISION_FP32, 2, off);
    assert_true(largest_difference(got, want) < 0.02);
    assert_true(largest_difference(got, off) > 0.004);
    assert_true(largest_difference(got, off) < 0.4);
    rn_model_destroy(m);
    rn_model_destroy(s);
}

static void bits_on_any_threads(void **state)
{
    struct rn_model *m = quantized();
    float one[BATCH * CLASSES], more[BATCH * CLASSES];

    (void)state;
    run(m, RN_PRECISION_INT8, 1, one);
    for (int threads = 2; threads <= 4; threads++) {
        run(m, RN_PRECISION_INT8, threads, more);
        assert_memory_equal(one, more, sizeof(one));
    }
    rn_model_destroy(m);
}

static void int8_is_refused(void **state)
{
    struct rn_model *m = model_of(graph(false)), *q = quantized();
    struct rn_plan_options o;
    struct rn_plan *plan;
    struct rn_error err = {0};

    (void)state;
    rn_plan_defaults(&o);
    o.precision = RN_PRECISION_INT8;
    assert_int_equal(rn_plan_create(&plan, m, &o, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "resnet quantize"));
    rn_plan_defaults(&o);
    o.mode = RN_MODE_TRAIN;
    assert_int_equal(rn_plan_create(&plan, q, &o, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "is quantised"));
    rn_model_destroy(m);
    rn_model_destroy(q);
}

#define FILE_NAME "test-quantize.safetensors"

static void file_keeps_all(void **state)
{
    struct rn_model *m = quantized(), *read = NULL;
    float before[BATCH * CLASSES], after[BATCH * CLASSES];
    struct rn_error err = {0};

    (void)state;
    assert_int_equal(rn_model_save(m, FILE_NAME, &err), 0);
    if (rn_model_load(&read, FILE_NAME, &err))
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < m->graph->n_nodes; i++) {
        assert_true(m->graph->nodes[i].quant.scale ==
                    read->graph->nodes[i].quant.scale);
        assert_int_equal(m->graph->nodes[i].quant.zero,
                         read->graph->nodes[i].quant.zero);
    }
    for (size_t i = 0; i < m->graph->n_params; i++)
        assert_memory_equal(m->graph->params[i].data,
                            read->graph->params[i].data,
                            m->graph->params[i].count * sizeof(float));
    run(m, RN_PRECISION_INT8, 1, before);
    run(read, RN_PRECISION_AUTO, 1, after);
    assert_memory_equal(before, after, sizeof(before));
    rn_model_destroy(read);
    rn_model_destroy(m);
    unlink(FILE_NAME);
}

/* Replace `from` by as many bytes in the model's file. */
static void replace(const char *from, size_t size, const void *to)
{
    struct rn_error err = {0};
    uint8_t *bytes, *at;
    size_t n;
    FILE *f;

    if (rn_file_read(FILE_NAME, 1 << 20, &bytes, &n, &err))
        fail_msg("%s", err.msg);
    at = memmem(bytes, n, from, size);
    assert_non_null(at);
    memcpy(at, to, size);
    f = fopen(FILE_NAME, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
    rn_free(bytes);
}

static void expect_refused(const char *words)
{
    struct rn_model *m;
    struct rn_error err = {0};

    assert_int_equal(rn_model_load(&m, FILE_NAME, &err), RN_ERR_DATA);
    if (!strstr(err.msg, words))
        fail_msg("'%s' is not about '%s'", err.msg, words);
}

static void broken_files(void **state)
{
    static const float bad[] = {0, -1, INFINITY, NAN, 1e-42f};
    static const char *const words[] = {"a scale of zero", "a negative scale",
                                        "not finite", "not finite",
                                        "too small"};
    static const struct {
        const char *from, *to, *words;
    } texts[] = {
        {",131]", ",931]", "'bn5' has a zero point outside 0..255"},
        {",131]", ", -1]", "'bn5' has a zero point outside 0..255"},
        {",131]", ",1.5]", "no [SCALE, ZERO]"},
        {"bn5\\\":[0.05", "bn5\\\":[-2.0", "'bn5' has a negative scale"},
        {"\\\"bn5\\\":[", "\\\"bn7\\\":[", "'bn7', which the network has not"},
        {"\\\"values\\\"", "\\\"valueS\\\"", "\"quantization\""},
        {"conv2.weight.scales", "conv2.weight.scalet", "conv2.weight.scales"},
        {"\\\"quantization\\\"", "\\\"quantisation\\\"",
         "more parameters than the file"},
    };
    struct rn_model *m = quantized();
    const float *scale = rn_graph_param(m->graph, "conv3.weight")->scales + 5;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(rn_model_save(m, FILE_NAME, NULL), 0);
        replace((const char *)scale, sizeof(*scale), &bad[i]);
        expect_refused(words[i]);
        expect_refused("output channel 5 of conv3.weight");
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        assert_int_equal(rn_model_save(m, FILE_NAME, NULL), 0);
        replace(texts[i].from, strlen(texts[i].from), texts[i].to);
        expect_refused(texts[i].words);
    }
    rn_model_destroy(m);
    unlink(FILE_NAME);
}

/* ------------------------------------------------------------ quantisation */

enum { TRAINING = 40, TESTS = 20, PIXELS = 3 * 8 * 8 };

/* Pictures of noise, or of one grey each, and a network with random weights. */
static struct rn_data *pictures(bool grey)
{
    static uint8_t pixels[TRAINING + TESTS][PIXELS];
    static int32_t labels[TRAINING + TESTS];
    const struct rn_random_key key = {.seed = 9};
    struct rn_arrays arrays = {
        .struct_size = sizeof(arrays),
        .channels = 3,
        .height = 8,
        .width = 8,
        .classes = CLASSES,
        .count = {TRAINING, 0, TESTS},
        .pixels = {pixels[0], NULL, pixels[TRAINING]},
        .labels = {labels, NULL, labels + TRAINING},
    };
    struct rn_data *data;

    for (size_t i = 0; i < TRAINING + TESTS; i++) {
        labels[i] = (int32_t)(i % CLASSES);
        for (size_t k = 0; k < PIXELS; k++) {
            uint32_t bits[4];

            rn_random4(&key, i * PIXELS + k, bits);
            pixels[i][k] = grey ? (uint8_t)(i * 4) : (uint8_t)bits[0];
        }
    }
    assert_int_equal(rn_data_from_arrays(&data, &arrays, NULL), 0);
    return data;
}

static struct rn_model *small_network(void)
{
    static const float mean[] = {0.5f, 0.5f, 0.5f}, std[] = {0.3f, 0.3f, 0.3f};
    const struct rn_net_options o = {
        .struct_size = sizeof(o), .classes = CLASSES, .height = 8};
    struct rn_model *m;

    assert_int_equal(rn_model_create(&m, "resnet8", &o, NULL), 0);
    rn_model_init(m, 1);
    assert_int_equal(rn_model_set_preprocessing(m, false, mean, std, NULL), 0);
    return m;
}

/** What a quantisation told. */
struct told {
    int layers, quantized, with_range;
    int left; /* calls of progress() until it says stop, or -1 */
};

static int on_progress(void *user, const char *what, int done, int all)
{
    struct told *t = user;

    assert_non_null(what);
    assert_true(done >= 0 && done <= all);
    return t->left >= 0 && t->left-- == 0;
}

static int on_layer(void *user, const struct rn_quantized_layer *l)
{
    struct told *t = user;

    t->layers++;
    t->quantized += l->quantized;
    if (l->range) {
        t->with_range++;
        assert_true(l->low <= 0 && l->high > 0);
    }
    assert_true(l->cost > 20 && l->signal_to_noise > 15);
    return 0;
}

static struct rn_quantize_options options_for(struct told *told)
{
    struct rn_quantize_options o;

    rn_quantize_defaults(&o);
    o.threads = 2;
    o.max_drop = 100;
    o.user = told;
    o.progress = on_progress;
    o.layer = on_layer;
    return o;
}

static void quantizes(void **state)
{
    struct rn_model *m = small_network();
    struct rn_data *data = pictures(false);
    struct told told = {.left = -1};
    struct rn_quantize_options o = options_for(&told);
    struct rn_quantize_result r;
    struct rn_model_info info;
    struct rn_error err = {0};

    (void)state;
    if (rn_quantize(m, data, &o, &r, &err))
        fail_msg("%s", err.msg);
    /* Seven convolutions and fc. Its value is float32, and so is the last
     * convolution's, which is added in float32. */
    assert_int_equal(r.layers, 8);
    assert_int_equal(r.quantized, 8);
    assert_int_equal(told.layers, 8);
    assert_int_equal(told.with_range, 6);
    assert_int_equal(r.images, TRAINING);
    assert_int_equal(r.check_part, RN_PART_TEST);
    assert_int_equal(r.check_images, TESTS);
    assert_true(fabs(r.error_after - r.error_before) <= 10);
    assert_true(isnan(r.agreement));
    rn_model_describe(m, &info);
    assert_int_equal(info.quantized, 8);
    assert_int_equal(rn_quantize(m, data, &o, &r, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "quantised already"));
    rn_data_close(data);
    rn_model_destroy(m);
}

/* Nothing may be left of a quantisation that failed or was stopped. */
static void leaves_no_trace(void **state)
{
    struct rn_model *m = small_network(), *same = small_network();
    struct rn_data *data = pictures(false);
    struct rn_error err = {0};
    struct rn_quantize_result r;

    (void)state;
    for (int stop = 0; stop < 8; stop++) {
        struct told told = {.left = stop};
        struct rn_quantize_options o = options_for(&told);
        int rc = rn_quantize(m, data, &o, &r, &err);

        assert_int_equal(rc, RN_ERR_STOPPED);
        for (size_t i = 0; i < m->graph->n_params; i++) {
            const struct rn_param *p = &m->graph->params[i];

            assert_null(p->scales);
            assert_memory_equal(p->data, same->graph->params[i].data,
                                p->count * sizeof(float));
        }
        for (size_t i = 0; i < m->graph->n_nodes; i++)
            assert_true(m->graph->nodes[i].quant.scale == 0);
    }
    rn_data_close(data);
    rn_model_destroy(m);
    rn_model_destroy(same);
}

static void grey_pictures(void **state)
{
    struct rn_model *m = small_network();
    struct rn_data *grey = pictures(true);
    struct told told = {.left = -1};
    struct rn_quantize_options o = options_for(&told);
    struct rn_quantize_result r;
    struct rn_error err = {0};

    (void)state;
    assert_int_equal(rn_quantize(m, grey, &o, &r, &err), RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "of one colour"));
    o.part = RN_PART_VALIDATION;
    assert_int_equal(rn_quantize(m, grey, &o, &r, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "has no validation images"));
    assert_false(rn_graph_is_quantized(m->graph));
    rn_data_close(grey);
    rn_model_destroy(m);
}

/* With no room for error, layers stay float32 until there is none. */
static void leaves_layers_out(void **state)
{
    struct rn_model *m = small_network();
    struct rn_data *data = pictures(false);
    struct told told = {.left = -1};
    struct rn_quantize_options o = options_for(&told);
    struct rn_quantize_result r;
    struct rn_error err = {0};
    int rc;

    (void)state;
    o.max_drop = RN_ZERO;
    o.layer = NULL;
    rc = rn_quantize(m, data, &o, &r, &err);
    if (rc && !strstr(err.msg, "max_drop"))
        fail_msg("%s", err.msg);
    if (!rc)
        assert_true(r.error_after <= r.error_before);
    rn_data_close(data);
    rn_model_destroy(m);
}

/* Where the last images fill no batch they count all the same. */
static void ranges_do_not_hang_on_batches(void **state)
{
    struct rn_model *whole = small_network(), *parts = small_network();
    struct rn_data *data = pictures(false);
    struct told told = {.left = -1};
    struct rn_quantize_options o = options_for(&told);
    struct rn_quantize_result r;

    (void)state;
    assert_int_equal(rn_quantize(whole, data, &o, &r, NULL), 0);
    o.batch = 16; /* of 40 */
    assert_int_equal(rn_quantize(parts, data, &o, &r, NULL), 0);
    assert_int_equal(r.images, TRAINING);
    for (size_t i = 0; i < whole->graph->n_nodes; i++)
        assert_true(whole->graph->nodes[i].quant.scale ==
                    parts->graph->nodes[i].quant.scale);
    rn_data_close(data);
    rn_model_destroy(whole);
    rn_model_destroy(parts);
}

/* ---------------------------------------------- pictures without classes */

static struct rn_data *unlabelled(const char *path)
{
    struct rn_error err = {0};
    struct rn_data *data;

    if (rn_data_from_pictures(&data, path, &err))
        fail_msg("%s", err.msg);
    return data;
}

/* Drawn photos in class folders, which count for nothing here. */
static const char *drawn(void)
{
    static char path[600];
    const char *source = getenv("RN_SOURCE");

    snprintf(path, sizeof(path), "%s/tests/golden/made/photos",
             source ? source : ".");
    return path;
}

enum { DRAWN = 20 };

static void pictures_without_classes(void **state)
{
    struct rn_model *m = small_network();
    struct rn_data *data = unlabelled(drawn());
    struct told told = {.left = -1};
    struct rn_quantize_options o = options_for(&told);
    struct rn_quantize_result r;
    struct rn_eval_result e;
    struct rn_data_info info;
    struct rn_error err = {0};

    (void)state;
    rn_data_describe(data, &info);
    assert_string_equal(info.format, "pictures");
    assert_int_equal(info.classes, 0);
    assert_int_equal(info.count[RN_PART_TRAIN], DRAWN);
    assert_int_equal(rn_eval(m, data, RN_PART_TRAIN, NULL, &e, &err),
                     RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "have no classes"));
    o.images = 15;
    if (rn_quantize(m, data, &o, &r, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(r.images, 15);
    assert_int_equal(r.quantized, 8);
    assert_int_equal(r.check_part, RN_PART_TRAIN);
    assert_int_equal(r.check_images, DRAWN);
    assert_true(isnan(r.error_before) && isnan(r.error_after));
    assert_true(r.agreement >= 90 && r.agreement <= 100);
    rn_data_close(data);
    rn_model_destroy(m);
}

/* Who asks for all first answers gets all, or is told that they are not. */
static void agreement_decides(void **state)
{
    struct rn_data *data = unlabelled(drawn());
    struct rn_model *m = small_network();
    struct told told = {.left = -1};
    struct rn_quantize_options o = options_for(&told);
    struct rn_quantize_result r;
    struct rn_error err = {0};
    int rc;

    (void)state;
    o.layer = NULL;
    o.check = 7;
    o.min_agreement = 100;
    rc = rn_quantize(m, data, &o, &r, &err);
    if (rc)
        assert_non_null(strstr(err.msg, "min_agreement"));
    else
        assert_true(r.check_images == 7 && r.agreement >= 100);
    rn_data_close(data);
    rn_model_destroy(m);
}

/* Classes that differ by next to nothing, which bytes do not hold: by default
 * layers stay float32 for their sake, and if none are asked for all are in 8
 * bits. */
static void no_agreement_may_be_asked_for(void **state)
{
    static const double zero = RN_ZERO;
    struct rn_data *data = unlabelled(drawn());
    struct told told = {.left = -1};
    struct rn_quantize_options o = options_for(&told);
    struct rn_quantize_result r;
    struct rn_error err = {0};

    (void)state;
    o.layer = NULL;
    for (int asked = 0; asked < 2; asked++) {
        struct rn_model *m = small_network();
        struct rn_param *w = rn_graph_param(m->graph, "fc.weight");
        const size_t row = w->count / CLASSES;
        int rc;

        for (size_t i = row; i < w->count; i++)
            w->data[i] = w->data[i % row] + 1e-4f * w->data[i];
        o.min_agreement = asked ? 0 : zero;
        rc = rn_quantize(m, data, &o, &r, &err);
        if (asked)
            assert_true(rc == RN_ERR_DATA || (!rc && r.quantized < r.layers));
        else
            assert_true(!rc && r.quantized == r.layers && r.agreement < 70);
        rn_model_destroy(m);
    }
    rn_data_close(data);
}

/* Two standard errors of the share asked for, which all and none have not. */
static void few_images_may_differ_more(void **state)
{
    static const struct {
        double asked;
        int images, same;
        bool fails;
    } cases[] = {
        {100, 1000, 999, true},   {100, 1000, 1000, false},
        {0, 1000, 0, false},      {90, 56, 45, true},
        {90, 56, 46, false},      {90, 10000, 8939, true},
        {90, 10000, 8941, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct rn_quantizer q = {.o = {.min_agreement = cases[i].asked}};
        struct rn_check c = {.images = cases[i].images, .same = cases[i].same};

        if (rn_check_fails(&q, &c) != cases[i].fails)
            fail_msg("%d of %d, %g %% asked for", c.same, c.images,
                     cases[i].asked);
    }
}

/* Of images of one pixel none is of one colour throughout. */
static void images_of_one_pixel(void **state)
{
    static const float half[] = {0.5f, 0.5f, 0.5f};
    static uint8_t pixels[64][3];
    static int32_t labels[64];
    const struct rn_net_options net = {
        .struct_size = sizeof(net), .classes = 4, .height = 1};
    const struct rn_arrays arrays = {.struct_size = sizeof(arrays),
                                     .channels = 3,
                                     .height = 1,
                                     .width = 1,
                                     .classes = 4,
                                     .count = {64, 0, 0},
                                     .pixels = {pixels[0], NULL, NULL},
                                     .labels = {labels, NULL, NULL}};
    struct told told = {.left = -1};
    struct rn_quantize_options o = options_for(&told);
    struct rn_quantize_result r;
    struct rn_error err = {0};
    struct rn_data *data;
    struct rn_model *m;

    (void)state;
    for (int i = 0; i < 64; i++) {
        labels[i] = i % 4;
        for (int c = 0; c < 3; c++)
            pixels[i][c] = (uint8_t)(37 * (3 * i + c));
    }
    assert_int_equal(rn_model_create(&m, "resnet8", &net, NULL), 0);
    rn_model_init(m, 1);
    assert_int_equal(rn_model_set_preprocessing(m, false, half, half, NULL), 0);
    assert_int_equal(rn_data_from_arrays(&data, &arrays, NULL), 0);
    if (rn_quantize(m, data, &o, &r, &err))
        fail_msg("%s", err.msg);
    rn_data_close(data);
    rn_model_destroy(m);
}

#define PICTURE_NAME "test-quantize.png"

/* A range of no width tells nothing. */
static void one_grey_picture(void **state)
{
    static uint8_t pixels[3 * 20 * 20];
    struct rn_image grey = {20, 20, pixels};
    struct rn_model *m = small_network();
    struct told told = {.left = -1};
    struct rn_quantize_options o = options_for(&told);
    struct rn_quantize_result r;
    struct rn_error err = {0};
    struct rn_data *data;

    (void)state;
    memset(pixels, 128, sizeof(pixels));
    assert_int_equal(rn_image_save(&grey, PICTURE_NAME, NULL), 0);
    data = unlabelled(PICTURE_NAME);
    assert_int_equal(rn_quantize(m, data, &o, &r, &err), RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "of one colour"));
    assert_false(rn_graph_is_quantized(m->graph));
    rn_data_close(data);
    pixels[0] = 0; /* and one that is not quite grey does */
    assert_int_equal(rn_image_save(&grey, PICTURE_NAME, NULL), 0);
    data = unlabelled(PICTURE_NAME);
    assert_int_equal(rn_quantize(m, data, &o, &r, &err), 0);
    assert_int_equal(r.images, 1);
    rn_data_close(data);
    rn_model_destroy(m);
    unlink(PICTURE_NAME);
}

static void leaves_named_layers(void **state)
{
    struct rn_model *m = small_network();
    struct rn_data *data = pictures(false);
    struct told told = {.left = -1};
    struct rn_quantize_options o = options_for(&told);
    struct rn_quantize_result r;
    struct rn_error err = {0};

    (void)state;
    o.leave_out = "conv1,layer2.0.conv9";
    assert_int_equal(rn_quantize(m, data, &o, &r, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "'layer2.0.conv9', which is no layer"));
    assert_false(rn_graph_is_quantized(m->graph));
    o.leave_out = "conv1,layer1.0.conv1,layer1.0.conv2,layer2.0.conv1,"
                  "layer2.0.conv2,layer3.0.conv1,layer3.0.conv2,fc";
    assert_int_equal(rn_quantize(m, data, &o, &r, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "names all layers of "));
    o.leave_out = "conv1,fc";
    if (rn_quantize(m, data, &o, &r, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(r.layers, 6);
    assert_int_equal(r.quantized, 6);
    assert_null(rn_graph_param(m->graph, "conv1.weight")->scales);
    assert_null(rn_graph_param(m->graph, "fc.weight")->scales);
    assert_non_null(rn_graph_param(m->graph, "layer1.0.conv1.weight")->scales);
    /* What only layers in float32 read is not rounded, in no format. */
    assert_true(m->graph->nodes[0].quant.scale == 0);
    rn_data_close(data);
    rn_model_destroy(m);
}

/* Dropout is nothing in inference: what is behind it is corrected as if it were
 * not there. */
static void dropout_is_not_in_the_way(void **state)
{
    static const float mean[3], std[3] = {1, 1, 1};
    const struct rn_window window = RN_WINDOW(3, 3, 1, 1);
    struct rn_data *data = pictures(false);
    float bias[2][8];

    (void)state;
    for (int with = 0; with < 2; with++) {
        struct rn_graph *g = rn_graph_create();
        struct told told = {.left = -1};
        struct rn_quantize_options o = options_for(&told);
        struct rn_quantize_result r;
        struct rn_error err = {0};
        struct rn_net_spec spec;
        struct rn_model *m;
        int v;

        assert_non_null(g);
        v = rn_graph_input(g, (struct rn_shape){3, 8, 8});
        v = rn_graph_relu(g, rn_graph_conv(g, v, "a", 8, window, true), "r");
        v = rn_graph_dropout(g, v, "drop", with ? 0.5f : 0);
        if (!with)
            v = g->output = 2; /* reads what is before it */
        v = rn_graph_conv(g, v, "b", 8, window, true);
        v = rn_graph_global_avg_pool(g, v, "pool");
        rn_graph_linear(g, v, "fc", 10);
        assert_int_equal(g->error.code, 0);
        rn_net_of_graph(&spec, "dropped", g);
        m = rn_model_wrap(&spec, g);
        assert_non_null(m);
        rn_model_init(m, 3);
        assert_int_equal(rn_model_set_preprocessing(m, false, mean, std, NULL),
                         0);
        o.max_drop = 100;
        if (rn_quantize(m, data, &o, &r, &err))
            fail_msg("%s", err.msg);
        memcpy(bias[with], rn_graph_param(m->graph, "b.bias")->data,
               sizeof(bias[with]));
        rn_model_destroy(m);
    }
    assert_memory_equal(bias[0], bias[1], sizeof(bias[0]));
    assert_true(bias[0][0] != 0);
    rn_data_close(data);
}

/* ---------------------------------------------------------------- refused */

static void expect_failure(struct rn_model *m, const struct rn_data *data,
                           int code, const char *words)
{
    struct rn_quantize_result r;
    struct rn_error err = {0};

    assert_int_equal(rn_quantize(m, data, NULL, &r, &err), code);
    if (!strstr(err.msg, words))
        fail_msg("'%s' is not about '%s'", err.msg, words);
    assert_false(rn_graph_is_quantized(m->graph));
}

/* No layer of it can be in 8 bits: its one convolution has groups. */
static struct rn_model *groups_alone(void)
{
    static const float mean[3], std[3] = {1, 1, 1};
    const struct rn_window window = RN_WINDOW(3, 3, 1, 1);
    struct rn_graph *g = rn_graph_create();
    struct rn_net_spec spec;
    struct rn_model *m;
    int v;

    assert_non_null(g);
    v = rn_graph_input(g, (struct rn_shape){3, 8, 8});
    v = rn_graph_conv_groups(g, v, "conv", 3, window, 3, false);
    g->output = rn_graph_global_avg_pool(g, v, "pool");
    assert_int_equal(g->error.code, 0);
    rn_net_of_graph(&spec, "groups", g);
    m = rn_model_wrap(&spec, g);
    assert_non_null(m);
    rn_model_init(m, 3);
    assert_int_equal(rn_model_set_preprocessing(m, false, mean, std, NULL), 0);
    return m;
}

static void what_cannot_be(void **state)
{
    struct rn_model *m = small_network(), *groups = groups_alone();
    struct rn_data *data = pictures(false), *drawings = unlabelled(drawn());
    struct rn_param *w = rn_graph_param(m->graph, "layer2.0.conv1.weight");

    (void)state;
    expect_failure(groups, drawings, RN_ERR_ARG,
                   "groups has no layer that can be quantised");
    expect_failure(groups, data, RN_ERR_DATA, "has 3 classes");
    for (size_t i = 0; i < w->count; i++)
        w->data[i] = 3e38f;
    expect_failure(m, data, RN_ERR_DATA, "numbers that are not finite");
    expect_failure(m, drawings, RN_ERR_DATA, "'layer2.0");
    rn_data_close(data);
    rn_data_close(drawings);
    rn_model_destroy(m);
    rn_model_destroy(groups);
}

#define ONNX_NAME "test-quantize.onnx"

/* What an ONNX file says is what the plan computes, batch norms with
 * negative factors folded in. These scales' products round otherwise, so
 * that some sums fall on the other side of a half: a step of gap is 0.004
 * of a logit. */
static void expect_the_same_of_onnx(const struct rn_model *m, double most)
{
    struct rn_model *read = NULL;
    float own[BATCH * CLASSES], read_back[BATCH * CLASSES];
    struct rn_error err = {0};

    if (rn_model_export(m, ONNX_NAME, &err) ||
        rn_model_load(&read, ONNX_NAME, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(rn_graph_quantized(read->graph),
                     rn_graph_quantized(m->graph));
    run(m, RN_PRECISION_INT8, 2, own);
    run(read, RN_PRECISION_AUTO, 2, read_back);
    if (!(largest_difference(own, read_back) < most))
        fail_msg("off by %g", largest_difference(own, read_back));
    rn_model_destroy(read);
    unlink(ONNX_NAME);
}

static void onnx_says_the_same(void **state)
{
    struct rn_model *m = quantized();
    struct rn_error err = {0};

    (void)state;
    expect_the_same_of_onnx(m, 0.02);
    assert_int_equal(rn_model_export(m, "test-quantize.pth", &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "files of this program and ONNX hold"));
    rn_model_destroy(m);
}

/* With layers left in float32 at the beginning, on a block's way, and at the
 * end, whose neighbours compute in bytes. */
static void onnx_says_the_same_of_layers_left_out(void **state)
{
    static const char *const left_out[] = {"conv1", "layer2.0.conv1",
                                           "layer1.0.conv2,fc"};
    struct rn_data *data = pictures(false);

    (void)state;
    for (size_t i = 0; i < sizeof(left_out) / sizeof(*left_out); i++) {
        struct rn_model *m = small_network();
        struct told told = {.left = -1};
        struct rn_quantize_options o = options_for(&told);
        struct rn_quantize_result r;
        struct rn_error err = {0};

        o.leave_out = left_out[i];
        if (rn_quantize(m, data, &o, &r, &err))
            fail_msg("%s", err.msg);
        assert_int_equal(r.quantized, i == 2 ? 6 : 7);
        expect_the_same_of_onnx(m, 0.02);
        rn_model_destroy(m);
    }
    rn_data_close(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plan_is_its_simulation),
        cmocka_unit_test(bits_on_any_threads),
        cmocka_unit_test(int8_is_refused),
        cmocka_unit_test(file_keeps_all),
        cmocka_unit_test(broken_files),
        cmocka_unit_test(quantizes),
        cmocka_unit_test(leaves_no_trace),
        cmocka_unit_test(grey_pictures),
        cmocka_unit_test(leaves_layers_out),
        cmocka_unit_test(ranges_do_not_hang_on_batches),
        cmocka_unit_test(pictures_without_classes),
        cmocka_unit_test(agreement_decides),
        cmocka_unit_test(no_agreement_may_be_asked_for),
        cmocka_unit_test(few_images_may_differ_more),
        cmocka_unit_test(one_grey_picture),
        cmocka_unit_test(images_of_one_pixel),
        cmocka_unit_test(leaves_named_layers),
        cmocka_unit_test(dropout_is_not_in_the_way),
        cmocka_unit_test(what_cannot_be),
        cmocka_unit_test(onnx_says_the_same),
        cmocka_unit_test(onnx_says_the_same_of_layers_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
