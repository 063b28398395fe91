/* SPDX-License-Identifier: BSD-2-Clause */
/* What programs bring in memory: models' bytes, arrays of images, pictures,
 * and training loops of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "folder.h"

#include "core/count.h"
#include "core/file.h"
#include "core/memory.h"
#include "resnet.h"

#include <math.h>
#include <string.h>

#define SIDE    8
#define IMAGE   (3 * SIDE * SIDE)
#define CLASSES 4
#define BATCH   8

static struct rn_error err;

#define OK(call)                                \
    do {                                        \
        if ((call) != RN_OK)                    \
            fail_msg("%s: %s", #call, err.msg); \
    } while (0)

static void says(const char *text)
{
    if (!strstr(err.msg, text))
        fail_msg("\"%s\", expected \"%s\"", err.msg, text);
}

static struct rn_model *small_model(void)
{
    const struct rn_net_options options = {.classes = CLASSES, .height = SIDE};
    struct rn_model *model;

    OK(rn_model_create(&model, "resnet8", &options, &err));
    rn_model_init(model, 1);
    return model;
}

static struct rn_data *made_up(void)
{
    struct rn_data *data;

    OK(rn_data_open(&data, "synthetic:3x8x8:4:160", NULL, &err));
    return data;
}

/* ----------------------------------------------------------- from memory */

static void assert_same_tensors(const struct rn_model *a,
                                const struct rn_model *b)
{
    struct rn_tensor x, y;
    size_t i = 0;

    for (; !rn_model_tensor(a, i, &x); i++) {
        OK(rn_model_tensor(b, i, &y));
        assert_int_equal(x.count, y.count);
        assert_memory_equal(x.data, y.data, x.count * sizeof(float));
    }
    assert_true(i > 10);
}

static void models_come_from_bytes(void **state)
{
    static const char *const kinds[] = {"m.safetensors", "m.pth", "m.onnx"};
    struct rn_model *model = small_model(), *again;

    (void)state;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        uint8_t *bytes;
        size_t size;

        OK(rn_model_export(model, in_folder(kinds[i]), &err));
        OK(rn_file_read(in_folder(kinds[i]), 1 << 24, &bytes, &size, &err));
        OK(rn_model_load_memory(&again, bytes, size, "mine", NULL, &err));
        assert_same_tensors(model, again);
        rn_model_destroy(again);
        assert_int_equal(
            rn_model_load_memory(&again, bytes, size / 2, "mine", NULL, &err),
            RN_ERR_DATA);
        assert_null(again);
        says("'mine'");
        rn_free(bytes);
    }
    assert_int_equal(rn_model_load_memory(&again, NULL, 0, NULL, NULL, &err),
                     RN_ERR_ARG);
    rn_model_destroy(model);
}

/* The images of a data set as the caller's arrays. */
struct copied {
    struct rn_arrays arrays;
    uint8_t pixels[3][160 * IMAGE];
    int32_t labels[3][160];
};

static struct copied *copy(const struct rn_data *data,
                           enum rn_pixel_layout layout)
{
    struct copied *c = test_calloc(1, sizeof(*c));
    struct rn_data_info info;

    rn_data_describe(data, &info);
    c->arrays = (struct rn_arrays){.struct_size = sizeof(c->arrays),
                                   .channels = 3,
                                   .height = SIDE,
                                   .width = SIDE,
                                   .classes = CLASSES,
                                   .layout = layout};
    for (int part = 0; part < 3; part++) {
        c->arrays.count[part] = (size_t)info.count[part];
        c->arrays.pixels[part] = c->pixels[part];
        c->arrays.labels[part] = c->labels[part];
        for (int i = 0; i < info.count[part]; i++) {
            uint8_t *to = c->pixels[part] + (size_t)i * IMAGE, planes[IMAGE];
            int label;

            OK(rn_data_image(data, (enum rn_part)part, i, planes, &label,
                             &err));
            c->labels[part][i] = label;
            for (int p = 0; p < IMAGE; p++)
                to[layout == RN_LAYOUT_HWC
                       ? p % (SIDE * SIDE) * 3 + p / (SIDE * SIDE)
                       : p] = planes[p];
        }
    }
    return c;
}

static void arrays_are_the_same_data(void **state)
{
    const struct rn_data_options held = {.validation = 20};
    struct rn_data_info a, b;
    struct rn_data *file, *data;

    (void)state;
    OK(rn_data_open(&file, "synthetic:3x8x8:4:160", &held, &err));
    rn_data_describe(file, &a);
    for (int layout = 0; layout < 2; layout++) {
        struct copied *c = copy(file, (enum rn_pixel_layout)layout);

        OK(rn_data_from_arrays(&data, &c->arrays, &err));
        rn_data_describe(data, &b);
        assert_true(a.checksum == b.checksum);
        assert_memory_equal(a.count, b.count, sizeof(a.count));
        rn_data_close(data);
        /* of a validation part alone */
        c->arrays.count[RN_PART_TRAIN] = c->arrays.count[RN_PART_TEST] = 0;
        OK(rn_data_from_arrays(&data, &c->arrays, &err));
        rn_data_describe(data, &b);
        assert_int_equal(b.count[RN_PART_TRAIN], 0);
        assert_int_equal(b.count[RN_PART_VALIDATION], 20);
        rn_data_close(data);
        test_free(c);
    }
    rn_data_close(file);
}

static void arrays_that_make_no_sense_are_refused(void **state)
{
    struct rn_data *from = made_up(), *data;
    struct copied *c = copy(from, RN_LAYOUT_CHW);
    struct rn_arrays bad = c->arrays;

    (void)state;
    c->labels[RN_PART_TRAIN][7] = CLASSES;
    assert_int_equal(rn_data_from_arrays(&data, &bad, &err), RN_ERR_DATA);
    says("train image 7 has label 4, expected 0 to 3");
    assert_null(data);
    bad.width = 0;
    assert_int_equal(rn_data_from_arrays(&data, &bad, &err), RN_ERR_ARG);
    bad = c->arrays;
    bad.pixels[RN_PART_TEST] = NULL;
    assert_int_equal(rn_data_from_arrays(&data, &bad, &err), RN_ERR_ARG);
    assert_int_equal(rn_data_from_arrays(&data, NULL, &err), RN_ERR_ARG);
    for (int i = 0; i < 2; i++) {
        const char *const names[CLASSES] = {"a", "b", i ? "\xff\xfe" : NULL,
                                            "d"};

        c->labels[RN_PART_TRAIN][7] = 0;
        bad = c->arrays;
        bad.class_names = names;
        assert_int_equal(rn_data_from_arrays(&data, &bad, &err), RN_ERR_ARG);
        says("name of class 2 is not UTF-8");
    }
    test_free(c);
    rn_data_close(from);
}

/* The same weights as from the path, and it goes on. */
static void runs_train_on_open_data(void **state)
{
    struct rn_data *from = made_up(), *data;
    struct copied *c = copy(from, RN_LAYOUT_HWC);
    struct rn_train_options o = {.net = "resnet8",
                                 .batch = 16,
                                 .iterations = 3,
                                 .out = in_folder("path")};
    struct rn_resume_options again = {.data_set = NULL};
    struct rn_model *a, *b;

    (void)state;
    o.data = "synthetic:3x8x8:4:160";
    OK(rn_train(&o, NULL, NULL, &err));
    OK(rn_data_from_arrays(&data, &c->arrays, &err));
    test_free(c);
    o.data_set = data;
    o.out = in_folder("arrays");
    assert_int_equal(rn_train(&o, NULL, NULL, &err), RN_ERR_ARG);
    says("only one may be given");
    o.data = NULL;
    OK(rn_train(&o, NULL, NULL, &err));
    OK(rn_model_load(&a, in_folder("path"), &err));
    OK(rn_model_load(&b, in_folder("arrays"), &err));
    assert_same_tensors(a, b);
    again.data_set = data;
    OK(rn_train_resume(in_folder("arrays"), &again, NULL, NULL, &err));
    o.validation = 5;
    o.out = in_folder("refused");
    assert_int_equal(rn_train(&o, NULL, NULL, &err), RN_ERR_ARG);
    says("`validation` goes with the opening of data");
    rn_model_destroy(a);
    rn_model_destroy(b);
    rn_data_close(data);
    rn_data_close(from);
}

/* -------------------------------------------------------------- pictures */

static void pictures_are_classified(void **state)
{
    struct rn_class top[CLASSES + 1], again[2];
    struct rn_model *model;
    char path[400];
    uint8_t *bytes;
    size_t size;
    int k = CLASSES + 1, two = 2;
    float sum = 0;

    (void)state;
    OK(rn_model_load(&model, in_folder("path"), &err));
    snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/image/png-rgb16",
             getenv("RN_SOURCE"));
    OK(rn_classify(model, path, top, &k, &err));
    assert_int_equal(k, CLASSES);
    for (int i = 0; i < k; i++) {
        sum += top[i].probability;
        assert_true(!i || top[i].probability <= top[i - 1].probability);
    }
    assert_true(sum > 0.999f && sum < 1.001f);
    OK(rn_file_read(path, 1 << 20, &bytes, &size, &err));
    OK(rn_classify_bytes(model, bytes, size, NULL, again, &two, &err));
    assert_int_equal(two, 2);
    assert_int_equal(again[0].index, top[0].index);
    assert_int_equal(
        rn_classify_bytes(model, bytes, 40, NULL, again, &two, &err),
        RN_ERR_DATA);
    says("memory");
    two = 0;
    assert_int_equal(rn_classify(model, path, again, &two, &err), RN_ERR_ARG);
    rn_free(bytes);
    rn_model_destroy(model);
}

/* -------------------------------------------------------------- learning */

static void fill(const struct rn_data *data, float *images, int32_t *labels)
{
    for (int i = 0; i < BATCH; i++) {
        uint8_t pixels[IMAGE];
        int label;

        OK(rn_data_image(data, RN_PART_TRAIN, i, pixels, &label, &err));
        labels[i] = label;
        for (int p = 0; p < IMAGE; p++)
            images[i * IMAGE + p] = (float)pixels[p] / 64 - 2;
    }
}

static void a_loop_of_ones_own_learns(void **state)
{
    const struct rn_train_options o = {.batch = BATCH, .threads = 1};
    static float images[BATCH * IMAGE], logits[BATCH * CLASSES];
    static float again[BATCH * CLASSES];
    struct rn_plan_options plan_options = {.batch = BATCH, .threads = 1};
    int32_t labels[BATCH];
    struct rn_data *data = made_up();
    struct rn_model *model = small_model();
    struct rn_learner *learner;
    struct rn_plan *plan;
    double first = 0, loss = 0;
    int errors = 0;

    (void)state;
    fill(data, images, labels);
    OK(rn_learner_create(&learner, model, &o, &err));
    assert_int_equal(rn_learner_update(learner, 0.1, &err), RN_ERR_ARG);
    says("nothing was learned");
    for (int i = 0; i < 40; i++) {
        OK(rn_learner_learn(learner, images, labels, &loss, &errors, &err));
        first = i ? first : loss;
        OK(rn_learner_update(learner, 0.05, &err));
    }
    assert_true(loss < first / 4);
    assert_int_equal(errors, 0);

    /* One image that is no number leaves nothing behind. */
    again[0] = images[5];
    images[5] = NAN;
    assert_int_equal(
        rn_learner_learn(learner, images, labels, NULL, NULL, &err),
        RN_ERR_LOSS);
    says("not finite");
    assert_int_equal(rn_learner_update(learner, 0.1, &err), RN_ERR_ARG);
    images[5] = again[0];
    OK(rn_learner_learn(learner, images, labels, &loss, &errors, &err));
    assert_true(loss < first / 4);

    /* What it answers, a plan of the stored model answers. */
    OK(rn_learner_forward(learner, images, logits, &err));
    rn_learner_store(learner);
    OK(rn_plan_create(&plan, model, &plan_options, &err));
    OK(rn_plan_forward(plan, images, again, &err));
    assert_memory_equal(logits, again, sizeof(logits));
    labels[3] = CLASSES;
    assert_int_equal(
        rn_learner_learn(learner, images, labels, NULL, NULL, &err),
        RN_ERR_ARG);
    says("image 3 of the batch has label 4");
    assert_int_equal(rn_learner_update(learner, -1, &err), RN_ERR_ARG);
    rn_model_destroy(model); /* which the learner holds */
    rn_learner_destroy(learner);
    rn_plan_destroy(plan);
    rn_data_close(data);
}

static void options_of_whole_runs_are_refused(void **state)
{
    const struct rn_train_options bad[] = {
        {.freeze = "conv1"},       {.lr_scale = "fc=2"}, {.max_norm = "fc=2"},
        {.batch_norm = "running"}, {.ema = 0.9},         {.mixup = 0.2},
        {.accumulate = 2},         {.groups = 2},        {.batch = -1}};
    struct rn_model *model = small_model();
    struct rn_learner *learner;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(rn_learner_create(&learner, model, &bad[i], &err),
                         RN_ERR_ARG);
        assert_null(learner);
    }
    rn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_come_from_bytes),
        cmocka_unit_test(arrays_are_the_same_data),
        cmocka_unit_test(arrays_that_make_no_sense_are_refused),
        cmocka_unit_test(runs_train_on_open_data),
        cmocka_unit_test(pictures_are_classified),
        cmocka_unit_test(a_loop_of_ones_own_learns),
        cmocka_unit_test(options_of_whole_runs_are_refused),
    };

    return cmocka_run_group_tests_name("embed", tests, make_folder,
                                       remove_folder);
}
