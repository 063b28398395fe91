/* SPDX-License-Identifier: BSD-2-Clause */
/* Values that a plan keeps, class activation maps, crops, pictures saved. */
#include "eval/class_map.h"

#include "core/memory.h"
#include "data/pictures/image.h"
#include "model/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define CLASSES  5
#define SIDE     40
#define BATCH    2

static struct rn_model *make_model(const char *net)
{
    static const float mean[] = {0.5F, 0.4F, 0.3F}, std[] = {0.2F, 0.3F, 0.4F};
    const struct rn_net_options options = {
        .classes = CLASSES, .height = SIDE, .width = SIDE};
    struct rn_error err = {0};
    struct rn_model *model;

    if (rn_model_create(&model, net, &options, &err))
        fail_msg("%s", err.msg);
    rn_model_init(model, 3);
    assert_int_equal(rn_model_set_preprocessing(model, false, mean, std, NULL),
                     RN_OK);
    return model;
}

/* Any numbers around zero, the same each time. */
static float *make_images(int batch)
{
    size_t count = (size_t)batch * 3 * SIDE * SIDE;
    float *images = rn_alloc(count, sizeof(*images));
    uint32_t state = 1;

    assert_non_null(images);
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525 + 1013904223;
        images[i] = (float)(state >> 8) / (1 << 23) - 1;
    }
    return images;
}

/* ---------------------------------------------------------------- keeping */

struct kept {
    float *values;
    float logits[BATCH * CLASSES];
    int c, h, w;
};

static void run_keeping(const struct rn_model *model, const char *name,
                        struct kept *k)
{
    float *images = make_images(BATCH);
    struct rn_plan_options options;
    struct rn_error err = {0};
    struct rn_plan *plan;

    rn_plan_defaults(&options);
    options.batch = BATCH;
    options.threads = 1;
    options.keep = name;
    if (rn_plan_create(&plan, model, &options, &err) ||
        rn_plan_forward(plan, images, k->logits, &err))
        fail_msg("%s: %s", name, err.msg);
    assert_int_equal(rn_plan_kept(plan, &k->c, &k->h, &k->w), RN_OK);
    k->values =
        rn_alloc((size_t)BATCH * (size_t)k->c * (size_t)k->h * (size_t)k->w,
                 sizeof(float));
    assert_non_null(k->values);
    assert_int_equal(rn_plan_values(plan, k->values), RN_OK);
    rn_plan_destroy(plan);
    rn_free(images);
}

static void assert_near(const char *what, double got, double expected)
{
    if (!(fabs(got - expected) <= 1e-4 * (1 + fabs(expected))))
        fail_msg("%s: %g, expected %g", what, got, expected);
}

/* A node against the values kept of what it reads. */
static void check_elementwise(const struct rn_model *model,
                              const struct rn_node *n)
{
    const struct rn_node *nodes = model->graph->nodes;
    struct kept out, a, b = {.values = NULL};

    run_keeping(model, n->name, &out);
    run_keeping(model, nodes[n->input[0]].name, &a);
    if (n->op == RN_OP_ADD)
        run_keeping(model, nodes[n->input[1]].name, &b);
    assert_int_equal(out.c, n->shape.c);
    for (int i = 0; i < BATCH * out.c * out.h * out.w; i++) {
        float x = a.values[i];

        if (n->op == RN_OP_ADD)
            x += b.values[i];
        else
            x = x > 0 ? x : 0;
        assert_near(n->name, (double)out.values[i], (double)x);
    }
    for (int i = 0; i < BATCH * CLASSES; i++)
        assert_near("logits", (double)out.logits[i], (double)a.logits[i]);
    rn_free(out.values);
    rn_free(a.values);
    rn_free(b.values);
}

/* Whatever is kept is what the network computes, fused or not, overwritten
 * later or not; and the answer stays. */
static void every_layer_can_be_kept(void **state)
{
    static const char *const nets[] = {"resnet14", "resnet18", "plain8"};

    (void)state;
    for (size_t i = 0; i < COUNT(nets); i++) {
        struct rn_model *model = make_model(nets[i]);

        for (size_t n = 0; n < model->graph->n_nodes; n++) {
            enum rn_op op = model->graph->nodes[n].op;

            if (op == RN_OP_ADD || op == RN_OP_RELU)
                check_elementwise(model, &model->graph->nodes[n]);
        }
        rn_model_destroy(model);
    }
}

static void stages_have_their_sizes(void **state)
{
    static const struct {
        const char *net, *stage;
        int c, side;
    } cases[] = {
        {"resnet18", "conv1", 64, 20}, {"resnet18", "conv2", 64, 10},
        {"resnet18", "conv3", 128, 5}, {"resnet18", "conv5", 512, 2},
        {"resnet18", "last", 512, 2},  {"resnet18", "pool", 512, 1},
        {"resnet8", "conv1", 16, 40},  {"resnet8", "conv4", 64, 10},
        {"resnet8", "last", 64, 10},   {"resnet8", "pool", 64, 1},
        {"resnet8", "fc", CLASSES, 1}, {"se-resnet8", "last", 64, 10},
        {"se-resnet8", "pool", 64, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_model *model = make_model(cases[i].net);
        struct kept k;

        run_keeping(model, cases[i].stage, &k);
        if (k.c != cases[i].c || k.h != cases[i].side || k.w != cases[i].side)
            fail_msg("%s of %s: %d x %d x %d", cases[i].stage, cases[i].net,
                     k.c, k.h, k.w);
        rn_free(k.values);
        rn_model_destroy(model);
    }
}

static void what_is_not_there_is_refused(void **state)
{
    static const char *const names[] = {"conv5", "conv6", "input", "layer9"};
    struct rn_model *model = make_model("resnet8");
    struct rn_plan_options options;
    struct rn_plan *plan;
    int size[3];

    (void)state;
    rn_plan_defaults(&options);
    for (size_t i = 0; i < COUNT(names); i++) {
        struct rn_error err = {0};

        options.keep = names[i];
        assert_int_equal(rn_plan_create(&plan, model, &options, &err),
                         RN_ERR_ARG);
        if (!strstr(err.msg, names[i]))
            fail_msg("%s: \"%s\"", names[i], err.msg);
    }
    options.keep = NULL;
    assert_int_equal(rn_plan_create(&plan, model, &options, NULL), RN_OK);
    assert_int_equal(rn_plan_kept(plan, size, size + 1, size + 2), RN_ERR_ARG);
    assert_int_equal(rn_plan_values(plan, NULL), RN_ERR_ARG);
    rn_plan_destroy(plan);
    options.keep = "pool";
    options.mode = RN_MODE_TRAIN;
    assert_int_equal(rn_plan_create(&plan, model, &options, NULL), RN_ERR_ARG);
    rn_model_destroy(model);
}

/* ------------------------------------------------------------------- maps */

/* The mean of a class's map is its logit, but for the bias. */
static void check_maps(const char *net, const char *bias_name)
{
    struct rn_model *model = make_model(net);
    const float *bias = rn_graph_param(model->graph, bias_name)->data;
    struct kept k;
    float map[100];

    run_keeping(model, "last", &k);
    assert_int_equal(k.h * k.w, COUNT(map));
    for (int i = 0; i < CLASSES; i++) {
        double sum = 0;

        assert_int_equal(
            rn_class_map(model, k.values, COUNT(map), i, map, NULL), RN_OK);
        for (size_t at = 0; at < COUNT(map); at++)
            sum += (double)map[at];
        assert_near("map", sum / (double)COUNT(map) + (double)bias[i],
                    (double)k.logits[i]);
    }
    assert_int_equal(
        rn_class_map(model, k.values, COUNT(map), CLASSES, map, NULL),
        RN_ERR_ARG);
    rn_free(k.values);
    rn_model_destroy(model);
}

/* Squeeze and excitation has global average poolings of its own, before the
 * last; densely connected networks, in which nothing is added, end alike. */
static void maps_add_up_to_logits(void **state)
{
    (void)state;
    check_maps("resnet8", "fc.bias");
    check_maps("se-resnet8", "fc.bias");
    check_maps("densenet-10-12", "classifier.bias");
}

static struct rn_image make_picture(int width, int height)
{
    size_t bytes = (size_t)width * (size_t)height * 3;
    struct rn_image picture = {width, height, rn_alloc(bytes, 1)};

    assert_non_null(picture.pixels);
    for (size_t i = 0; i < bytes; i++)
        picture.pixels[i] = (uint8_t)(i * 37 + i / 300 * 11);
    return picture;
}

/* A picture of 90 x 60, seen as the middle 60 x 60. */
static void pictures_are_painted_where_they_are_seen(void **state)
{
    struct rn_model *model = make_model("resnet8");
    struct rn_image picture = make_picture(90, 60), out;
    float image[3 * SIDE * SIDE], logits[CLASSES];
    struct rn_plan_options options;
    struct rn_error err = {0};
    struct rn_plan *plan;
    int index = -1, top, painted = 0;

    (void)state;
    if (rn_model_paint(model, &picture, &index, 1, &out, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(out.width, 90);
    assert_int_equal(out.height, 60);
    for (int i = 0; i < 90 * 60 * 3; i++) {
        int x = i / 3 % 90;

        if (x < 15 || x >= 75)
            assert_int_equal(out.pixels[i], picture.pixels[i] / 2);
        else
            painted += out.pixels[i] != picture.pixels[i];
    }
    assert_true(painted > 60 * 60);
    rn_plan_defaults(&options);
    options.threads = 1;
    assert_int_equal(rn_plan_create(&plan, model, &options, NULL), RN_OK);
    assert_int_equal(rn_model_preprocess_image(model, &picture, image, NULL),
                     RN_OK);
    assert_int_equal(rn_plan_forward(plan, image, logits, NULL), RN_OK);
    rn_top_k(logits, CLASSES, 1, &top);
    assert_int_equal(index, top);
    rn_plan_destroy(plan);
    rn_image_free(&out);
    index = CLASSES;
    assert_int_equal(rn_model_paint(model, &picture, &index, 1, &out, NULL),
                     RN_ERR_ARG);
    assert_null(out.pixels);
    rn_image_free(&picture);
    rn_model_destroy(model);
}

/* ------------------------------------------------------------------ crops */

static void crops_are_centre_corners_and_mirrors(void **state)
{
    enum { IMAGE = 3 * SIDE * SIDE };
    struct rn_model *model = make_model("resnet8");
    struct rn_image picture = make_picture(70, 50);
    float *crops = rn_alloc(10 * IMAGE, sizeof(*crops)), centre[IMAGE];
    struct rn_error err = {0};

    (void)state;
    assert_non_null(crops);
    assert_int_equal(rn_model_preprocess_crops(model, &picture, crops, &err),
                     RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "nothing to crop"));
    /* Nothing is resized: pixels can be looked up. */
    assert_int_equal(rn_model_set_resize(model, 50, RN_BILINEAR, NULL), RN_OK);
    assert_int_equal(rn_model_preprocess_crops(model, &picture, crops, &err),
                     RN_OK);
    assert_int_equal(rn_model_preprocess_image(model, &picture, centre, NULL),
                     RN_OK);
    assert_memory_equal(crops, centre, sizeof(centre));
    for (int i = 0; i < 5; i++) {
        static const int left[] = {15, 10, 20, 10, 20},
                         top[] = {5, 0, 0, 10, 10};
        uint8_t pixel = picture.pixels[3 * (top[i] * 70 + left[i])];
        float expected = ((float)pixel / 255 - 0.5F) / 0.2F;

        assert_true(fabsf(crops[i * IMAGE] - expected) < 1e-5F);
        assert_true(crops[(i + 5) * IMAGE + SIDE - 1] == crops[i * IMAGE]);
        assert_true(crops[(i + 5) * IMAGE] == crops[i * IMAGE + SIDE - 1]);
    }
    rn_free(crops);
    rn_image_free(&picture);
    rn_model_destroy(model);
}

static void check_encoded(const struct rn_image *picture)
{
    struct rn_error err = {0};
    struct rn_image again;
    uint8_t *bytes;
    size_t size;

    if (rn_image_encode(picture, &bytes, &size, &err) ||
        rn_image_decode(&again, bytes, size, "encoded", 0, &err))
        fail_msg("%s", err.msg);
    free(bytes);
    assert_memory_equal(again.pixels, picture->pixels,
                        (size_t)(3 * again.width * again.height));
    rn_image_free(&again);
}

static void pictures_are_saved(void **state)
{
    static const int sizes[][2] = {{1, 1}, {70, 50}, {3, 200}};
    char path[] = "/tmp/rn-test-picture-XXXXXX";
    struct rn_error err = {0};
    int fd = mkstemp(path);

    (void)state;
    close(fd);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct rn_image picture = make_picture(sizes[i][0], sizes[i][1]), again;

        if (rn_image_save(&picture, path, &err) ||
            rn_image_load(&again, path, 0, &err))
            fail_msg("%s", err.msg);
        assert_int_equal(again.width, picture.width);
        assert_int_equal(again.height, picture.height);
        assert_memory_equal(again.pixels, picture.pixels,
                            (size_t)(3 * again.width * again.height));
        rn_image_free(&again);
        check_encoded(&picture);
        rn_image_free(&picture);
    }
    unlink(path);
}

/* Whichever allocation fails, it is told and nothing is left behind. */
static void failing_allocations_are_told(void **state)
{
    struct rn_model *model = make_model("resnet8");
    struct rn_image picture = make_picture(90, 60), out;
    int failed = 0, rc = RN_ERR_MEMORY;

    (void)state;
    for (long n = 1; n < 5000 && rc; n += n < 40 ? 1 : 7) {
        struct rn_error err = {0};
        int index = -1;

        rn_alloc_fail_after(n);
        rc = rn_model_paint(model, &picture, &index, 1, &out, &err);
        rn_alloc_fail_after(-1);
        assert_true(rc == RN_OK || err.msg[0]);
        failed += rc != RN_OK;
        rn_image_free(&out);
    }
    assert_int_equal(rc, RN_OK);
    assert_true(failed > 20);
    rn_image_free(&picture);
    rn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layer_can_be_kept),
        cmocka_unit_test(stages_have_their_sizes),
        cmocka_unit_test(what_is_not_there_is_refused),
        cmocka_unit_test(maps_add_up_to_logits),
        cmocka_unit_test(pictures_are_painted_where_they_are_seen),
        cmocka_unit_test(crops_are_centre_corners_and_mirrors),
        cmocka_unit_test(pictures_are_saved),
        cmocka_unit_test(failing_allocations_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
