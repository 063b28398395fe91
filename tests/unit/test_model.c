/* SPDX-License-Identifier: BSD-2-Clause */
/* Models: initial values, preprocessing, and files that read back the same or
 * are refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "folder.h"

#include "core/file.h"
#include "core/memory.h"
#include "model/model.h"

#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

#define OK(call)                                \
    do {                                        \
        if ((call) != RN_OK)                    \
            fail_msg("%s: %s", #call, err.msg); \
    } while (0)

/* --------------------------------------------------------- the models */

static struct rn_model *create(const char *name, struct rn_net_options options)
{
    struct rn_error err = {0};
    struct rn_model *model;

    OK(rn_model_create(&model, name, &options, &err));
    return model;
}

/* A small one with names, a mean for every pixel and provenance. */
static struct rn_model *create_full(bool per_pixel)
{
    static const char *const names[3] = {"cat", "two words", "\xc3\xa4 \"\\\n"};
    static const char *const ids[3] = {"n02121808", "", "3"};
    struct rn_net_options options = {
        .classes = 3, .channels = 2, .height = 9, .width = 7};
    struct rn_model *model = create("resnet8", options);
    struct rn_error err = {0};
    float mean[2 * 9 * 7], std[2] = {0.1f, 1.0f / 3.0f};

    for (size_t i = 0; i < COUNT(mean); i++)
        mean[i] = 1.0f / (float)(i + 3);
    rn_model_init(model, 5);
    OK(rn_model_set_preprocessing(model, per_pixel, mean, std, &err));
    OK(rn_model_set_classes(model, names, &err));
    OK(rn_model_set_class_ids(model, ids, &err));
    OK(rn_model_set_resize(model, 11, RN_BICUBIC, &err));
    model->trained = rn_strdup("{\"lr\":0.1,\"data\":\"x \\\"y\\\"\",\"n\":7}");
    assert_non_null(model->trained);
    return model;
}

static void assert_same_tensors(const struct rn_model *a,
                                const struct rn_model *b)
{
    struct rn_tensor x, y;

    assert_int_equal(a->graph->n_params, b->graph->n_params);
    for (size_t i = 0; i < a->graph->n_params; i++) {
        assert_int_equal(rn_model_tensor(a, i, &x), RN_OK);
        assert_int_equal(rn_model_tensor(b, i, &y), RN_OK);
        assert_string_equal(x.name, y.name);
        assert_int_equal(x.dims, y.dims);
        assert_memory_equal(x.dim, y.dim, sizeof(x.dim));
        if (memcmp(x.data, y.data, x.count * sizeof(float)) != 0)
            fail_msg("tensor %s differs", x.name);
    }
}

static void assert_same(const struct rn_model *a, const struct rn_model *b)
{
    size_t c = (size_t)a->spec.input.c;
    size_t n = a->preprocessing.per_pixel
                   ? c * (size_t)(a->spec.input.h * a->spec.input.w)
                   : c;

    assert_memory_equal(&a->spec, &b->spec, sizeof(a->spec));
    assert_same_tensors(a, b);
    assert_int_equal(a->preprocessing.per_pixel, b->preprocessing.per_pixel);
    assert_int_equal(a->preprocessing.mean != NULL,
                     b->preprocessing.mean != NULL);
    if (a->preprocessing.mean) {
        assert_memory_equal(a->preprocessing.mean, b->preprocessing.mean,
                            n * sizeof(float));
        assert_memory_equal(a->preprocessing.std, b->preprocessing.std,
                            c * sizeof(float));
    }
    assert_int_equal(a->preprocessing.resize, b->preprocessing.resize);
    assert_int_equal(a->preprocessing.interpolation,
                     b->preprocessing.interpolation);
    assert_int_equal(a->class_ids != NULL, b->class_ids != NULL);
    for (int i = 0; a->class_ids && i < a->spec.classes; i++)
        assert_string_equal(rn_model_class_id(a, i), rn_model_class_id(b, i));
    assert_int_equal(a->class_names != NULL, b->class_names != NULL);
    for (int i = 0; a->class_names && i < a->spec.classes; i++)
        assert_string_equal(rn_model_class_name(a, i),
                            rn_model_class_name(b, i));
}

static void assert_same_files(const char *a, const char *b)
{
    struct rn_error err = {0};
    uint8_t *x, *y;
    size_t n, m;

    OK(rn_file_read(a, 1 << 28, &x, &n, &err));
    OK(rn_file_read(b, 1 << 28, &y, &m, &err));
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    rn_free(x);
    rn_free(y);
}

/* --------------------------------------------------- initial values */

static void initial_values_follow_he(void **state)
{
    struct rn_model *model = create("resnet20", (struct rn_net_options){0});
    struct rn_tensor t;

    (void)state;
    rn_model_init(model, 1);
    for (size_t i = 0; rn_model_tensor(model, i, &t) == RN_OK; i++) {
        double sum = 0, squares = 0, n = (double)t.count;
        float largest = 0;

        for (size_t j = 0; j < t.count; j++) {
            sum += (double)t.data[j];
            squares += (double)t.data[j] * (double)t.data[j];
            largest = fmaxf(largest, fabsf(t.data[j]));
        }
        double mean = sum / n, std = sqrt(squares / n - mean * mean);
        if (t.dims == 4) {
            double he = sqrt(2.0 / (double)(t.dim[0] * t.dim[2] * t.dim[3]));

            /* Five standard errors of a mean and of a deviation. */
            if (fabs(mean) > 5 * he / sqrt(n) ||
                fabs(std / he - 1) > 5 / sqrt(2 * n) ||
                (double)largest < 2 * he)
                fail_msg("%s: mean %g, std %g, expected %g", t.name, mean, std,
                         he);
        } else if (t.dims == 2) {
            double bound = 1 / sqrt((double)t.dim[1]);

            if ((double)largest > bound || (double)largest < 0.95 * bound ||
                fabs(std * sqrt(3) / bound - 1) > 0.1)
                fail_msg("%s: largest %g, std %g, bound %g", t.name,
                         (double)largest, std, bound);
        } else {
            enum rn_param_kind kind = model->graph->params[i].kind;
            double one =
                kind == RN_PARAM_BN_WEIGHT || kind == RN_PARAM_RUNNING_VAR;

            if (mean != one || squares != one * n)
                fail_msg("%s: mean %g, expected %g", t.name, mean, one);
        }
    }
    rn_model_destroy(model);
}

/* The last batch norm of each block, not the shortcut's, is zero. */
static void last_gammas_can_begin_at_zero(void **state)
{
    static const struct {
        const char *net, *last;
        size_t blocks; /* 0: none ends in a batch norm */
    } cases[] = {
        {"resnet20", ".bn2.weight", 9},
        {"resnet50", ".bn3.weight", 16},
        {"se-resnet20", ".bn2.weight", 9},
        {"plain20", "", 0},
        {"preresnet20", "", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_model *model =
            create(cases[i].net, (struct rn_net_options){0});
        const struct rn_graph *g = model->graph;
        size_t zeros = 0;

        for (size_t k = 0; k < g->n_params; k++)
            for (size_t n = 0; n < g->params[k].count; n++)
                g->params[k].data[n] = 1;
        assert_int_equal(rn_model_zero_gammas(model), cases[i].blocks > 0);
        for (size_t k = 0; k < g->n_params; k++) {
            const struct rn_param *p = &g->params[k];

            if (p->data[0] > 0 && p->data[p->count - 1] > 0)
                continue;
            zeros++;
            if (!strstr(p->name, cases[i].last) || p->data[p->count / 2] > 0)
                fail_msg("%s: %s begins at 0", cases[i].net, p->name);
        }
        assert_int_equal(zeros, cases[i].blocks);
        rn_model_destroy(model);
    }
}

static void seeds_decide_alone(void **state)
{
    struct rn_model *a = create("resnet8", (struct rn_net_options){0});
    struct rn_model *b = create("resnet8", (struct rn_net_options){0});
    struct rn_tensor x, y;

    (void)state;
    rn_model_init(a, 7);
    rn_model_init(b, 8);
    assert_int_equal(rn_model_tensor(a, 0, &x), RN_OK);
    assert_int_equal(rn_model_tensor(b, 0, &y), RN_OK);
    assert_memory_not_equal(x.data, y.data, x.count * sizeof(float));
    rn_model_init(b, 7);
    assert_same_tensors(a, b);
    rn_model_destroy(a);
    rn_model_destroy(b);
}

static void fresh_models_have_sane_statistics(void **state)
{
    struct rn_model *model = create("resnet8", (struct rn_net_options){0});
    const struct rn_param *p;

    (void)state;
    p = rn_graph_param(model->graph, "bn1.running_var");
    assert_non_null(p);
    assert_true(p->data[0] == 1.0f);
    p = rn_graph_param(model->graph, "conv1.weight");
    assert_true(p->data[0] == 0.0f);
    assert_null(rn_model_not_finite(model));
    p->data[3] = NAN;
    assert_string_equal(rn_model_not_finite(model),
                        "element 3 of conv1.weight is nan");
    rn_model_destroy(model);
    rn_model_destroy(NULL);
}

/* ---------------------------------------------------------- describing */

static void descriptions_are_exact(void **state)
{
    struct rn_model *model = create("resnet20", (struct rn_net_options){0});
    struct rn_model_info info;
    struct rn_layer_info layer;
    struct rn_tensor tensor;
    uint64_t params = 0, macs = 0, floats = 0;

    (void)state;
    rn_model_describe(model, &info);
    assert_string_equal(info.net, "resnet20");
    assert_int_equal(info.params, 269722); /* paper.md, section 1 */
    assert_false(info.has_preprocessing);
    assert_null(info.trained);
    for (size_t i = 0; i < info.layers; i++) {
        assert_int_equal(rn_model_layer(model, i, &layer), RN_OK);
        params += layer.params;
        macs += layer.macs;
    }
    assert_int_equal(params, info.params);
    assert_int_equal(macs, info.macs);
    assert_int_equal(rn_model_layer(model, info.layers, &layer), RN_ERR_ARG);
    assert_int_equal(rn_model_layer(model, SIZE_MAX, &layer), RN_ERR_ARG);
    assert_int_equal(rn_model_layer(model, 0, &layer), RN_OK);
    assert_string_equal(layer.name, "conv1");
    assert_string_equal(layer.op, "conv");
    assert_int_equal(layer.channels, 16);
    assert_int_equal(layer.height, 32);
    for (size_t i = 0; i < info.tensors; i++) {
        assert_int_equal(rn_model_tensor(model, i, &tensor), RN_OK);
        floats += tensor.trainable ? tensor.count : 0;
    }
    assert_int_equal(floats, info.params);
    assert_int_equal(rn_model_tensor(model, info.tensors, &tensor), RN_ERR_ARG);
    assert_null(rn_model_class_name(model, 0));
    rn_model_destroy(model);
}

static void unknown_networks_make_no_model(void **state)
{
    struct rn_error err = {0};
    struct rn_model *model = (struct rn_model *)&err;

    (void)state;
    assert_int_equal(rn_model_create(&model, "resnet21", NULL, &err),
                     RN_ERR_ARG);
    assert_null(model);
}

/* ------------------------------------------------------- preprocessing */

static void pixels_are_normalised(void **state)
{
    struct rn_net_options options = {.channels = 2, .height = 8, .width = 8};
    struct rn_model *model = create("resnet8", options);
    struct rn_error err = {0};
    uint8_t pixels[128];
    float image[128], mean[128], std[2] = {0.25f, 0.5f};

    (void)state;
    for (size_t i = 0; i < 128; i++) {
        pixels[i] = (uint8_t)(2 * i);
        mean[i] = (float)i / 128.0f;
    }
    assert_int_equal(rn_model_preprocess(model, pixels, image, &err),
                     RN_ERR_ARG);
    for (int per_pixel = 0; per_pixel < 2; per_pixel++) {
        OK(rn_model_set_preprocessing(model, per_pixel, mean, std, &err));
        OK(rn_model_preprocess(model, pixels, image, &err));
        for (size_t i = 0; i < 128; i++) {
            double m = (double)mean[per_pixel ? i : i / 64];
            double want = (pixels[i] / 255.0 - m) / (double)std[i / 64];

            if (fabs((double)image[i] - want) > 1e-6 * (1 + fabs(want)))
                fail_msg("pixel %zu: got %g, expected %g", i, (double)image[i],
                         want);
        }
    }
    std[1] = 0.0f;
    assert_int_equal(rn_model_set_preprocessing(model, false, mean, std, &err),
                     RN_ERR_ARG);
    std[1] = INFINITY;
    assert_int_equal(rn_model_set_preprocessing(model, false, mean, std, &err),
                     RN_ERR_ARG);
    std[1] = 1.0f;
    mean[127] = NAN;
    assert_int_equal(rn_model_set_preprocessing(model, true, mean, std, &err),
                     RN_ERR_ARG);
    assert_true(model->preprocessing.std[1] == 0.5f); /* as before */
    rn_model_destroy(model);
}

static void resizing_is_checked(void **state)
{
    struct rn_model *model = create_full(false);
    struct rn_model_info info;
    struct rn_error err = {0};

    (void)state;
    assert_int_equal(rn_model_set_resize(model, 8, RN_BOX, &err), RN_ERR_ARG);
    assert_string_equal(err.msg,
                        "the shorter side is resized to 8 pixels, expected 9 "
                        "to 65535, the network taking 9 x 7");
    assert_int_equal(
        rn_model_set_resize(model, 9, (enum rn_interpolation)3, &err),
        RN_ERR_ARG);
    rn_model_describe(model, &info);
    assert_int_equal(info.resize, 11); /* as before */
    assert_int_equal(info.interpolation, RN_BICUBIC);
    OK(rn_model_set_resize(model, 0, RN_BOX, &err));
    rn_model_destroy(model);
}

static void class_names_are_checked(void **state)
{
    struct rn_model *model = create_full(false);
    const char *const bad[3] = {"a", "\xff", "c"};
    struct rn_error err = {0};

    (void)state;
    assert_string_equal(rn_model_class_name(model, 1), "two words");
    assert_null(rn_model_class_name(model, 3));
    assert_null(rn_model_class_name(model, -1));
    assert_int_equal(rn_model_set_classes(model, bad, &err), RN_ERR_ARG);
    assert_string_equal(err.msg, "name of class 1 is not UTF-8");
    OK(rn_model_set_classes(model, NULL, &err));
    assert_null(rn_model_class_name(model, 0));
    assert_string_equal(rn_model_class_id(model, 0), "n02121808");
    assert_null(rn_model_class_id(model, 3));
    assert_int_equal(rn_model_set_class_ids(model, bad, &err), RN_ERR_ARG);
    assert_string_equal(err.msg, "identifier of class 1 is not UTF-8");
    assert_null(rn_model_class_id(model, 0));
    rn_model_destroy(model);
}

/* ----------------------------------------------------------- round trip */

static void round_trip(struct rn_model *model)
{
    const struct rn_import_options options = {.not_finite = 1};
    struct rn_error err = {0};
    struct rn_model *back;

    OK(rn_model_save(model, in_folder("a"), &err));
    OK(rn_model_import(&back, in_folder("a"), &options, &err));
    assert_same(model, back);
    OK(rn_model_save(back, in_folder("b"), &err));
    assert_same_files(in_folder("a"), in_folder("b"));
    rn_model_destroy(back);
    rn_model_destroy(model);
}

static void models_read_back_to_the_bit(void **state)
{
    static const struct {
        const char *name;
        struct rn_net_options options;
    } cases[] = {
        {"resnet8", {.classes = 10}},
        {"plain8", {.classes = 100, .channels = 1, .height = 28}},
        {"resnet14", {.shortcut = 'B'}},
        {"resnet14", {.shortcut = 'a'}},
        {"cifar-resnet50", {.classes = 2, .channels = 1, .height = 8}},
        {"resnet18", {.classes = 5, .height = 33, .width = 47}},
        {"resnet50", {.classes = 2, .stride_v1 = 1, .shortcut = 'C'}},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_model *model = create(cases[i].name, cases[i].options);

        rn_model_init(model, i);
        round_trip(model);
    }
    round_trip(create_full(true));
    round_trip(create_full(false));
}

/* Bits that arithmetic would not keep. */
static void odd_floats_are_kept(void **state)
{
    struct rn_model *model = create("resnet8", (struct rn_net_options){0});
    const uint32_t odd[] = {0x7fc12345, 0xff800001, 0x80000000, 1, 0x7f800000};
    struct rn_tensor t;

    (void)state;
    assert_int_equal(rn_model_tensor(model, 0, &t), RN_OK);
    memcpy(t.data, odd, sizeof(odd));
    round_trip(model);
}

static void provenance_is_kept(void **state)
{
    struct rn_model *model = create_full(true), *back;
    struct rn_model_info info;
    struct rn_error err = {0};

    (void)state;
    OK(rn_model_save(model, in_folder("a"), &err));
    OK(rn_model_load(&back, in_folder("a"), &err));
    rn_model_describe(back, &info);
    assert_string_equal(info.trained, "{\"lr\":0.10000000000000001,"
                                      "\"data\":\"x \\\"y\\\"\",\"n\":7}");
    assert_true(info.has_preprocessing);
    rn_model_destroy(back);
    rn_free(model->trained);
    model->trained = rn_strdup("[1]");
    assert_int_equal(rn_model_save(model, in_folder("b"), &err), RN_ERR_ARG);
    rn_model_destroy(model);
}

static void extras_travel_along(void **state)
{
    struct rn_model *model = create_full(false), *back;
    float out[6] = {1, 2, 3, 4, 5, NAN}, in[6] = {0};
    struct rn_extra extra = {"optimizer.momentum.x", 2, {2, 3}, out};
    struct rn_error err = {0};
    char *training;

    (void)state;
    OK(rn_model_save_with(model, in_folder("a"), &extra, 1, "{\"i\":1}", &err));
    extra.data = in;
    OK(rn_model_load_with(&back, in_folder("a"), &extra, 1, &training, &err));
    assert_memory_equal(in, out, sizeof(in));
    assert_string_equal(training, "{\"i\":1}");
    assert_same(model, back);
    rn_free(training);
    rn_model_destroy(back);
    OK(rn_model_load(&back, in_folder("a"),
                     &err)); /* a checkpoint is a model */
    rn_model_destroy(back);

    extra.dim[0] = 3;
    assert_int_equal(
        rn_model_load_with(&back, in_folder("a"), &extra, 1, &training, &err),
        RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "optimizer.momentum.x is F32 [2,3], "
                                    "expected F32 [3,3]"));
    assert_null(back);
    assert_null(training);
    extra.name = "optimizer.other";
    assert_int_equal(
        rn_model_load_with(&back, in_folder("a"), &extra, 1, NULL, &err),
        RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "1 missing (optimizer.other)"));
    OK(rn_model_save(model, in_folder("a"), &err));
    OK(rn_model_load_with(&back, in_folder("a"), NULL, 0, &training, &err));
    assert_null(training);
    rn_model_destroy(back);
    rn_model_destroy(model);
}

/* ---------------------------------------------------------- wrong files */

#define NET                                                                  \
    "\"name\":\"resnet8\",\"family\":\"cifar\",\"depth\":8,\"plain\":false," \
    "\"shortcut\":\"A\",\"stride\":\"v1.5\",\"input\":[2,9,7],\"classes\":3"
#define REST           ",\"preprocessing\":null,\"classes\":null,\"trained\":null}"
#define DESCRIBED(net) "{\"format\":1,\"network\":{" net "}" REST
#define WITH(more)     "{\"format\":1,\"network\":{" NET "}," more "}"

#define CHANNEL(more)                                              \
    "\"preprocessing\":{\"kind\":\"channel\",\"scale\":\"1/255\"," \
    "\"std\":[1,2],\"mean\":[1,2]," more "}"

static const struct {
    const char *text; /* "resnet" in the metadata */
    const char *expected;
} descriptions[] = {
    {"", "the model's description is not valid JSON"},
    {"[]", "\"format\""},
    {"{}", "\"format\""},
    {"{\"format\":\"1\"}", "\"format\""},
    {"{\"format\":2}", "model format 2, this program knows format 1"},
    {"{\"format\":1}", "\"name\""},
    {"{\"format\":1,\"network\":7}", "\"name\""},
    {"{\"format\":1,\"format\":1}", "duplicate object key"},
    {DESCRIBED("\"name\":7"), "\"name\""},
    {DESCRIBED("\"name\":\"resnet8\""), "\"input\""},
    {DESCRIBED("\"name\":\"resnet8\",\"input\":[2,9]"), "\"input\""},
    {DESCRIBED("\"name\":\"resnet8\",\"input\":[2,9,7.5]"), "\"input\""},
    {DESCRIBED("\"name\":\"resnet8\",\"input\":[2,9,-7]"), "\"input\""},
    {DESCRIBED("\"name\":\"resnet8\",\"input\":[2,9,0]"), "\"input\""},
    {DESCRIBED("\"name\":\"resnet8\",\"input\":[2,9,4294967297]"), "\"input\""},
    {DESCRIBED("\"name\":\"resnet8\",\"input\":[2,9,7]"), "\"classes\""},
    {DESCRIBED("\"name\":\"resnet8\",\"input\":[2,9,7],\"classes\":3"),
     "\"shortcut\""},
    {DESCRIBED("\"name\":\"resnet8\",\"input\":[2,9,7],\"classes\":3,"
               "\"shortcut\":\"\""),
     "\"shortcut\""},
    {DESCRIBED("\"name\":\"resnet8\",\"input\":[2,9,7],\"classes\":3,"
               "\"shortcut\":\"A\",\"stride\":\"v2\""),
     "\"stride\""},
    {DESCRIBED("\"name\":\"resnet8\",\"input\":[2,9,7],\"classes\":3,"
               "\"shortcut\":\"D\",\"stride\":\"v1.5\""),
     "`shortcut` 'D'"},
    {DESCRIBED("\"name\":\"resnet9\",\"input\":[2,9,7],\"classes\":3,"
               "\"shortcut\":\"A\",\"stride\":\"v1.5\""),
     "unknown network 'resnet9'"},
    {DESCRIBED("\"name\":\"resnet100000004\",\"input\":[2,9,7],\"classes\":3,"
               "\"shortcut\":\"A\",\"stride\":\"v1.5\""),
     "unknown network"},
    {DESCRIBED("\"name\":\"resnet8\",\"input\":[2,9,7],\"classes\":3,"
               "\"shortcut\":\"A\",\"stride\":\"v1.5\""),
     "\"family\""},
    {DESCRIBED(
         "\"name\":\"resnet8\",\"input\":[2,9,7],\"classes\":3,"
         "\"shortcut\":\"A\",\"stride\":\"v1.5\",\"family\":\"imagenet\""),
     "\"family\""},
    {DESCRIBED("\"name\":\"resnet8\",\"input\":[2,9,7],\"classes\":3,"
               "\"shortcut\":\"A\",\"stride\":\"v1.5\",\"family\":\"cifar\","
               "\"depth\":14"),
     "\"depth\""},
    {DESCRIBED("\"name\":\"resnet8\",\"input\":[2,9,7],\"classes\":3,"
               "\"shortcut\":\"A\",\"stride\":\"v1.5\",\"family\":\"cifar\","
               "\"depth\":8,\"plain\":true"),
     "\"plain\""},
    {DESCRIBED("\"name\":\"resnet8\",\"input\":[2,9,7],"
               "\"classes\":1000000000,\"shortcut\":\"A\","
               "\"stride\":\"v1.5\""),
     "classes is 1000000000"},
    {DESCRIBED("\"name\":\"resnet8\",\"input\":[2,1000000,1000000],"
               "\"classes\":3,\"shortcut\":\"A\",\"stride\":\"v1.5\""),
     "image height is 1000000"},
    {DESCRIBED("\"name\":\"resnet99998\",\"family\":\"cifar\","
               "\"depth\":99998,\"plain\":false,\"shortcut\":\"A\","
               "\"stride\":\"v1.5\",\"input\":[2,9,7],\"classes\":3"),
     "cannot be a resnet99998"},
    {DESCRIBED("\"name\":\"resnet8\",\"family\":\"cifar\",\"depth\":8,"
               "\"plain\":false,\"shortcut\":\"A\",\"stride\":\"v1.5\","
               "\"input\":[2,9,7],\"classes\":65535"),
     "cannot be a resnet8 for 65535 classes"},
    {DESCRIBED("\"name\":\"resnet152\",\"family\":\"imagenet\",\"depth\":152,"
               "\"plain\":false,\"shortcut\":\"B\",\"stride\":\"v1.5\","
               "\"input\":[2,9,7],\"classes\":3"),
     "cannot be a resnet152"},
    {DESCRIBED("\"name\":\"resnet8\",\"family\":\"cifar\",\"depth\":8,"
               "\"plain\":false,\"shortcut\":\"A\",\"stride\":\"v1.5\","
               "\"input\":[3,9,7],\"classes\":3"),
     "conv1.weight is F32 [16,2,3,3], expected F32 [16,3,3,3]"},
    {DESCRIBED("\"name\":\"resnet8\",\"family\":\"cifar\",\"depth\":8,"
               "\"plain\":false,\"shortcut\":\"B\",\"stride\":\"v1.5\","
               "\"input\":[2,9,7],\"classes\":3"),
     " missing (layer"},
    {WITH("\"preprocessing\":7"), "\"kind\""},
    {WITH("\"preprocessing\":{\"kind\":\"x\"}"), "\"kind\""},
    {WITH("\"preprocessing\":{\"kind\":\"pixel\"}"), "\"scale\""},
    {WITH("\"preprocessing\":{\"kind\":\"pixel\",\"scale\":\"1\"}"),
     "\"scale\""},
    {WITH("\"preprocessing\":{\"kind\":\"pixel\",\"scale\":\"1/255\"}"),
     "\"std\""},
    {WITH("\"preprocessing\":{\"kind\":\"pixel\",\"scale\":\"1/255\","
          "\"std\":[1,2,3]}"),
     "\"std\""},
    {WITH("\"preprocessing\":{\"kind\":\"pixel\",\"scale\":\"1/255\","
          "\"std\":[1,2]}"),
     "preprocessing.mean is missing or not F32 [2,9,7]"},
    {WITH("\"preprocessing\":{\"kind\":\"channel\",\"scale\":\"1/255\","
          "\"std\":[1,2]}"),
     "\"mean\""},
    {WITH("\"preprocessing\":{\"kind\":\"channel\",\"scale\":\"1/255\","
          "\"std\":[1,2],\"mean\":[1,\"2\"]}"),
     "\"mean\""},
    {WITH("\"preprocessing\":{\"kind\":\"channel\",\"scale\":\"1/255\","
          "\"std\":[1,0],\"mean\":[1,2]}"),
     "std of channel 1 in the preprocessing is 0"},
    {WITH("\"preprocessing\":{\"kind\":\"channel\",\"scale\":\"1/255\","
          "\"std\":[1,1e300],\"mean\":[1,2]}"),
     "std of channel 1 in the preprocessing is inf"},
    {WITH(CHANNEL("\"resize\":8")), "resized to 8 pixels, expected 9"},
    {WITH(CHANNEL("\"resize\":65536")), "resized to 65536 pixels"},
    {WITH(CHANNEL("\"resize\":[9,9]")), "\"resize\""},
    {WITH(CHANNEL("\"crop\":[9,8]")), "\"crop\""},
    {WITH(CHANNEL("\"crop\":9")), "\"crop\""},
    {WITH(CHANNEL("\"crop\":[9,7],\"sharpen\":2")),
     "\"sharpen\" in the model's preprocessing is not known"},
    {WITH(CHANNEL("\"crop\":[9,7],\"interpolation\":\"lanczos\"")),
     "\"interpolation\""},
    {WITH("\"class_ids\":[\"a\"]"), "1 class names for 3 classes"},
    {WITH("\"classes\":{}"), "0 class names for 3 classes"},
    {WITH("\"classes\":[\"a\",\"b\"]"), "2 class names for 3 classes"},
    {WITH("\"classes\":[\"a\",\"b\",3]"), "name of class 2"},
    {WITH("\"trained\":[]"), "\"trained\""},
    {"{\"format\":1,\"network\":{" NET "," NET "}}", "duplicate object key"},
    {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "nested 33 deep"},
};

/* The tensors of a resnet8 under that description, as JSON metadata. */
static void save_described(const char *text, const struct rn_st_out *tensors,
                           size_t count)
{
    struct rn_error err = {0};
    size_t used = 0;
    char metadata[2000] = "{\"resnet\":\"";

    used = strlen(metadata);
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            metadata[used++] = '\\';
        metadata[used++] = *c;
        assert_true(used + 4 < sizeof(metadata));
    }
    memcpy(metadata + used, "\"}", 3);
    OK(rn_st_write(in_folder("a"), tensors, count, metadata, &err));
}

static size_t list_tensors(const struct rn_model *model, struct rn_st_out *list)
{
    const struct rn_graph *g = model->graph;

    for (size_t i = 0; i < g->n_params; i++)
        list[i] =
            (struct rn_st_out){g->params[i].name, g->params[i].dims,
                               g->params[i].dim, g->params[i].data, RN_F32};
    return g->n_params;
}

static void assert_load_fails(const char *expected)
{
    struct rn_error err = {0};
    struct rn_model *model = (struct rn_model *)&err;
    int rc = rn_model_load(&model, in_folder("a"), &err);

    if (rc != RN_ERR_DATA || !strstr(err.msg, expected) ||
        !strstr(err.msg, in_folder("a")) || strchr(err.msg, '\n'))
        fail_msg("got %d \"%s\", expected %d \"…%s…\"", rc, err.msg,
                 RN_ERR_DATA, expected);
    assert_null(model);
}

static void hostile_descriptions_are_refused(void **state)
{
    struct rn_model *model = create_full(false), *back;
    struct rn_st_out list[100];
    size_t n = list_tensors(model, list);
    struct rn_error err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(descriptions); i++) {
        save_described(descriptions[i].text, list, n);
        assert_load_fails(descriptions[i].expected);
    }
    save_described(DESCRIBED(NET), list, n); /* it is not all wrong */
    OK(rn_model_load(&back, in_folder("a"), &err));
    assert_same_tensors(model, back);
    rn_model_destroy(back);
    rn_model_destroy(model);
}

static void wrong_tensors_are_named(void **state)
{
    static const size_t seven[1] = {7};
    struct rn_model *model = create_full(false), *back;
    struct rn_st_out list[100];
    size_t n = list_tensors(model, list);
    struct rn_error err = {0};

    (void)state;
    save_described(DESCRIBED(NET), list + 1, n - 1);
    assert_load_fails("tensors do not fit: 1 missing (conv1.weight)");
    save_described(DESCRIBED(NET), list + 5, n - 5);
    assert_load_fails("5 missing (conv1.weight, bn1.weight, bn1.bias and 2 "
                      "more)");
    list[n] = (struct rn_st_out){"extra", 1, seven, list[0].data, RN_F32};
    save_described(DESCRIBED(NET), list, n + 1);
    assert_load_fails("1 unexpected (extra)");
    list[n].name = "bn1.num_batches_tracked"; /* PyTorch's: ignored */
    save_described(DESCRIBED(NET), list, n + 1);
    OK(rn_model_load(&back, in_folder("a"), &err));
    rn_model_destroy(back);
    list[1].dim = seven;
    save_described(DESCRIBED(NET), list, n);
    assert_load_fails("1 of another type or shape (bn1.weight is F32 [7], "
                      "expected F32 [16])");
    list[0].name = "a name";
    save_described(DESCRIBED(NET), list, n);
    assert_load_fails("1 missing (conv1.weight); 1 of another type");
    assert_load_fails("; 1 unexpected (a name)");
    rn_model_destroy(model);
}

static void other_types_are_refused(void **state)
{
    struct rn_model *model = create_full(false);
    struct rn_error err = {0};
    uint8_t *bytes;
    size_t size;

    (void)state;
    OK(rn_model_save(model, in_folder("a"), &err));
    OK(rn_file_read(in_folder("a"), 1 << 28, &bytes, &size, &err));
    char *type = memmem(bytes, size, "\"F32\"", 5);
    assert_non_null(type);
    memcpy(type, "\"U32\"", 5);
    OK(rn_file_write(in_folder("a"), bytes, size, &err));
    assert_load_fails("conv1.weight is U32 [16,2,3,3], expected F32");
    rn_free(bytes);
    rn_model_destroy(model);
}

/* --------------------------------------------------------- failing I/O */

static void failed_saves_leave_the_old_file(void **state)
{
    struct rn_model *model = create_full(true), *back;
    struct rlimit before, none;
    struct rn_error err = {0};
    int rc;

    (void)state;
    assert_int_equal(rn_model_save(model, "/nonexistent/folder/m", &err),
                     RN_ERR_IO);
    assert_non_null(strstr(err.msg, "/nonexistent/folder/m"));
    assert_int_equal(rn_model_save(model, folder, &err), RN_ERR_IO);
    OK(rn_model_save(model, in_folder("a"), &err));
    rn_model_init(model, 99);
    /* No file may grow, whoever writes it: a full disk. */
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = (struct rlimit){0, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    rc = rn_model_save(model, in_folder("a"), &err);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(rc, RN_ERR_IO);
    OK(rn_model_load(&back, in_folder("a"), &err));
    rn_model_init(model, 5);
    assert_same(model, back);
    rn_model_destroy(back);
    rn_model_destroy(model);
    assert_int_equal(rn_model_load(&back, folder, &err), RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "without run.json"));
    assert_null(back);
}

/* Save and load, the n-th allocation failing. */
static int save_and_load(const struct rn_model *model, long n,
                         struct rn_error *err)
{
    struct rn_model *back = NULL;
    struct rn_extra extra = {"optimizer.x", 1, {3}, (float[3]){1, 2, 3}};
    char *training = NULL;

    rn_alloc_fail_after(n);
    int rc = rn_model_save_with(model, in_folder("a"), &extra, 1, "{}", err);
    if (rc == RN_OK)
        rc = rn_model_load_with(&back, in_folder("a"), &extra, 1, &training,
                                err);
    rn_alloc_fail_after(-1);
    assert_true((rc == RN_OK) == (back != NULL));
    rn_free(training);
    rn_model_destroy(back);
    return rc;
}

static void every_allocation_may_fail(void **state)
{
    struct rn_model *model = create_full(true);
    struct rn_error err = {0};
    long n = 1;
    int rc = save_and_load(model, n, &err);

    (void)state;
    for (; rc != RN_OK && n < 5000; rc = save_and_load(model, ++n, &err))
        if (rc != RN_ERR_MEMORY)
            fail_msg("allocation %ld: got %d \"%s\"", n, rc, err.msg);
    assert_int_equal(rc, RN_OK);
    assert_true(n > 100);
    rn_model_destroy(model);
}

static void creating_may_fail(void **state)
{
    struct rn_model *model;
    long n = 0;
    int rc;

    (void)state;
    do {
        rn_alloc_fail_after(++n);
        rc = rn_model_create(&model, "resnet8", NULL, NULL);
        rn_alloc_fail_after(-1);
        assert_true(rc == RN_OK || rc == RN_ERR_MEMORY);
        assert_true((rc == RN_OK) == (model != NULL));
    } while (rc != RN_OK && n < 5000);
    assert_int_equal(rc, RN_OK);
    rn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initial_values_follow_he),
        cmocka_unit_test(last_gammas_can_begin_at_zero),
        cmocka_unit_test(seeds_decide_alone),
        cmocka_unit_test(fresh_models_have_sane_statistics),
        cmocka_unit_test(descriptions_are_exact),
        cmocka_unit_test(unknown_networks_make_no_model),
        cmocka_unit_test(pixels_are_normalised),
        cmocka_unit_test(resizing_is_checked),
        cmocka_unit_test(class_names_are_checked),
        cmocka_unit_test(models_read_back_to_the_bit),
        cmocka_unit_test(odd_floats_are_kept),
        cmocka_unit_test(provenance_is_kept),
        cmocka_unit_test(extras_travel_along),
        cmocka_unit_test(hostile_descriptions_are_refused),
        cmocka_unit_test(wrong_tensors_are_named),
        cmocka_unit_test(other_types_are_refused),
        cmocka_unit_test(failed_saves_leave_the_old_file),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(creating_may_fail),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
