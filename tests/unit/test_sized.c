/* SPDX-License-Identifier: BSD-2-Clause */
/* Structs of options and results: zeroed ones, NULL and the defaults mean the
 * same, and programs of other versions neither smash their stack nor are
 * misread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "folder.h"

#include "core/memory.h"
#include "core/sized.h"
#include "resnet.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define DATA     "synthetic:3x8x8:4:160"
#define CLASSES  4

static struct rn_error err;

#define OK(call)                                \
    do {                                        \
        if ((call) != RN_OK)                    \
            fail_msg("%s: %s", #call, err.msg); \
    } while (0)

/* How a caller may ask for the defaults. */
enum way { NOTHING, ZEROES, SIZED, DEFAULTS, WAYS };

/* Options of each way; NULL for NOTHING. */
#define ASK(way, options, defaults)                                \
    (memset(&(options), 0, sizeof(options)),                       \
     (options).struct_size = (way) == SIZED ? sizeof(options) : 0, \
     (way) == DEFAULTS ? defaults(&(options)) : (void)0,           \
     (way) == NOTHING ? NULL : &(options))

static void no_defaults(void *options)
{
    (void)options; /* the struct has none but zeroes */
}

static struct rn_model *small_model(void)
{
    const struct rn_net_options options = {
        .struct_size = sizeof(options), .classes = CLASSES, .height = 8};
    struct rn_model *model;

    OK(rn_model_create(&model, "resnet8", &options, &err));
    rn_model_init(model, 1);
    return model;
}

static struct rn_data *small_data(void)
{
    struct rn_data *data;

    OK(rn_data_open(&data, DATA, NULL, &err));
    return data;
}

/* ------------------------------------------------------------- defaults */

static void networks(void **state)
{
    struct rn_model_info first = {.net = NULL};

    (void)state;
    for (int way = 0; way < WAYS; way++) {
        struct rn_net_options o;
        struct rn_model_info info;
        struct rn_model *model;

        OK(rn_model_create(&model, "resnet50", ASK(way, o, rn_net_defaults),
                           &err));
        rn_model_describe(model, &info);
        info.net = NULL;
        if (way == NOTHING)
            first = info;
        assert_memory_equal(&info, &first, sizeof(info));
        rn_model_destroy(model);
    }
}

static void models_of_files(void **state)
{
    struct rn_model *model = small_model();

    (void)state;
    OK(rn_model_save(model, in_folder("m.safetensors"), &err));
    rn_model_destroy(model);
    for (int way = 0; way < WAYS; way++) {
        struct rn_import_options o;
        struct rn_model_info info;

        OK(rn_model_import(&model, in_folder("m.safetensors"),
                           ASK(way, o, rn_import_defaults), &err));
        rn_model_describe(model, &info);
        assert_int_equal(info.classes, CLASSES);
        rn_model_destroy(model);
    }
}

static void plans(void **state)
{
    struct rn_model *model = small_model();
    float image[3 * 8 * 8], logits[CLASSES], first[CLASSES];
    uint64_t bytes, first_bytes = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(image); i++)
        image[i] = (float)(i % 7) - 3;
    for (int way = 0; way < WAYS; way++) {
        struct rn_plan_options o;
        const struct rn_plan_options *options = ASK(way, o, rn_plan_defaults);
        struct rn_plan *plan;

        OK(rn_plan_estimate(model, options, &bytes, &err));
        OK(rn_plan_create(&plan, model, options, &err));
        OK(rn_plan_forward(plan, image, logits, &err));
        if (way == NOTHING) {
            first_bytes = bytes;
            memcpy(first, logits, sizeof(first));
        }
        assert_true(bytes == first_bytes);
        assert_memory_equal(logits, first, sizeof(first));
        rn_plan_destroy(plan);
    }
    rn_model_destroy(model);
}

static void data_sets(void **state)
{
    (void)state;
    for (int way = 0; way < DEFAULTS; way++) {
        struct rn_data_options o;
        struct rn_survey_options s;
        struct rn_data_info info;
        struct rn_surveyed image;
        struct rn_data *data;
        struct rn_survey *survey;

        OK(rn_data_open(&data, DATA, ASK(way, o, no_defaults), &err));
        rn_data_describe(data, &info);
        assert_int_equal(info.count[RN_PART_TRAIN], 160);
        assert_int_equal(info.count[RN_PART_VALIDATION], 0);
        OK(rn_data_survey(&survey, data, ASK(way, s, no_defaults), &err));
        OK(rn_survey_image(survey, RN_PART_TRAIN, 39, &image));
        assert_int_equal(image.width, 8);
        rn_survey_destroy(survey);
        rn_data_close(data);
    }
}

static void evaluations(void **state)
{
    struct rn_model *model = small_model();
    struct rn_data *data = small_data();
    struct rn_train_options t;
    struct rn_eval_result first = {.images = 0}, r;

    (void)state;
    /* Training gives the model its preprocessing. */
    memset(&t, 0, sizeof(t));
    t.data = DATA;
    t.net = "resnet8";
    t.out = in_folder("evaluated");
    t.iterations = 1;
    OK(rn_train(&t, NULL, NULL, &err));
    rn_model_destroy(model);
    OK(rn_model_load(&model, t.out, &err));
    for (int way = 0; way < WAYS; way++) {
        struct rn_eval_options o;

        OK(rn_eval(model, data, RN_PART_TEST, ASK(way, o, rn_eval_defaults), &r,
                   &err));
        r.seconds = 0;
        if (way == NOTHING)
            first = r;
        assert_memory_equal(&r, &first, sizeof(r));
    }
    rn_data_close(data);
    rn_model_destroy(model);
}

/* Without options it takes the five seconds that are the default. */
static void benchmarks(void **state)
{
    struct rn_model *model = small_model();
    struct rn_data *data = small_data();

    (void)state;
    for (int way = 0; way < WAYS; way++) {
        struct rn_bench_options o;
        struct rn_loading_options l;
        struct rn_bench_result r;
        const struct rn_bench_options *options = ASK(way, o, rn_bench_defaults);

        if (options)
            o.rounds = 1;
        OK(rn_bench(model, options, &r, NULL, &err));
        assert_int_equal(r.batch, 1);
        assert_true(options ? r.rounds == 1 : r.rounds >= 5);
        assert_int_equal(rn_bench_data(data, ASK(way, l, rn_loading_defaults),
                                       &(struct rn_loading_result){0}, &err),
                         RN_ERR_ARG);
        assert_non_null(strstr(err.msg, "holds no pictures"));
    }
    rn_data_close(data);
    rn_model_destroy(model);
}

/* ------------------------------------------------------------- training */

/* The options that a run wrote down; `which` is its folder. */
static json_t *written(const char *run)
{
    char path[400];
    json_t *object, *options;

    snprintf(path, sizeof(path), "%s/run.json", run);
    object = json_load_file(path, 0, NULL);
    options = json_incref(json_object_get(object, "options"));
    json_decref(object);
    assert_non_null(options);
    return options;
}

static void runs(void **state)
{
    json_t *first = NULL;

    (void)state;
    for (int way = ZEROES; way < WAYS; way++) {
        char name[16];
        struct rn_train_options o;
        struct rn_resume_options again;
        json_t *options;

        snprintf(name, sizeof(name), "run-%d", way);
        (void)ASK(way, o, rn_train_defaults);
        o.data = DATA;
        o.net = "resnet8";
        o.out = in_folder(name);
        o.iterations = 2;
        OK(rn_train(&o, NULL, NULL, &err));
        OK(rn_train_resume(o.out, ASK(way - 1, again, no_defaults), NULL, NULL,
                           &err));
        options = written(o.out);
        if (!first)
            first = json_incref(options);
        assert_true(json_equal(options, first));
        json_decref(options);
    }
    assert_true(json_real_value(json_object_get(first, "momentum")) == 0.9);
    assert_int_equal(json_integer_value(json_object_get(first, "seed")), 1);
    json_decref(first);
    assert_int_equal(rn_train(NULL, NULL, NULL, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "no run folder"));
}

static void zero_itself_can_be_asked_for(void **state)
{
    static const char *const zeroes[] = {"momentum",  "weight_decay",
                                         "decay_all", "warmup_lr",
                                         "seed",      "crop_pad"};
    const struct rn_train_options o = {.data = DATA,
                                       .net = "resnet8",
                                       .out = in_folder("zeroes"),
                                       .iterations = 1,
                                       .momentum = RN_ZERO,
                                       .weight_decay = RN_ZERO,
                                       .decay_all = RN_ZERO,
                                       .warmup_lr = RN_ZERO,
                                       .seed = (uint64_t)RN_ZERO,
                                       .crop_pad = RN_ZERO};
    json_t *options;

    (void)state;
    OK(rn_train(&o, NULL, NULL, &err));
    options = written(o.out);
    for (size_t i = 0; i < COUNT(zeroes); i++)
        assert_true(json_number_value(json_object_get(options, zeroes[i])) ==
                    0);
    json_decref(options);
}

static void previews(void **state)
{
    struct rn_data *data = small_data();
    struct rn_image first = {0, 0, NULL};

    (void)state;
    for (int way = 0; way < WAYS; way++) {
        struct rn_train_options o;
        struct rn_image image;

        OK(rn_train_preview(data, ASK(way, o, rn_train_defaults), 8, &image, 1,
                            &err));
        if (way == NOTHING) {
            first = image;
            continue;
        }
        assert_memory_equal(image.pixels, first.pixels, 3 * 8 * 8);
        rn_image_free(&image);
    }
    rn_image_free(&first);
    rn_data_close(data);
}

/* -------------------------------------------------------- other versions */

struct old {
    size_t struct_size;
    int a;
};
struct now {
    size_t struct_size;
    int a, b;
    double c;
};
struct newer {
    struct now now;
    double d;
};

static void an_older_struct_has_defaults_behind(void **state)
{
    const struct {
        struct old old;
        int guard[8];
    } given = {{sizeof(given.old), 7}, {-1, -1, -1, -1, -1, -1, -1, -1}};
    struct old sizeless = {0, 7};
    struct now own;

    (void)state;
    OK(RN_TAKE(&own, &given.old, "now", &err));
    assert_int_equal(own.a, 7);
    assert_true(own.c == 0);
    assert_int_equal(own.struct_size, sizeof(own));
    OK(rn_sized_take(&own, sizeof(own), sizeof(sizeless), &sizeless, "now",
                     &err));
    assert_int_equal(own.a, 7);
    assert_true(own.c == 0);
}

static void a_newer_struct_may_set_nothing_behind(void **state)
{
    struct newer given = {{sizeof(given), 1, 2, 3}, 0};
    struct now own;

    (void)state;
    OK(RN_TAKE(&own, &given, "now", &err));
    assert_int_equal(own.b, 2);
    assert_int_equal(own.struct_size, sizeof(own));
    given.d = 1;
    assert_int_equal(RN_TAKE(&own, &given, "now", &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "struct now: it sets a field that library "
                                    "version"));
}

static void memory_that_nobody_set_is_refused(void **state)
{
    const size_t sizes[] = {1, sizeof(size_t) - 1, SIZE_MAX, 1 << 20};
    struct rn_plan_options o = {.batch = 1};
    struct rn_model *model = small_model();
    struct rn_plan *plan = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        o.struct_size = sizes[i];
        assert_int_equal(rn_plan_create(&plan, model, &o, &err), RN_ERR_ARG);
        assert_non_null(strstr(err.msg, "struct rn_plan_options: size"));
        assert_null(plan);
    }
    rn_model_destroy(model);
}

/* A program's structs of results and options are written as far as it knows
 * them, and what only it knows is zero. */
static void no_more_is_written_than_asked_for(void **state)
{
    struct {
        struct rn_model_info info;
        char behind[64];
    } result;
    struct {
        struct rn_train_options options;
        char behind[64];
    } options;
    struct rn_model *model = small_model();

    (void)state;
    memset(&result, 0x55, sizeof(result));
    rn_model_describe_sized(model, &result.info,
                            offsetof(struct rn_model_info, classes));
    assert_int_equal(result.info.channels, 3);
    assert_int_equal(result.info.classes, 0x55555555);
    rn_model_describe_sized(model, &result.info,
                            offsetof(__typeof__(result), behind) + 8);
    assert_int_equal(result.info.classes, CLASSES);
    assert_int_equal(result.behind[7], 0);
    assert_int_equal(result.behind[8], 0x55);

    memset(&options, 0x55, sizeof(options));
    rn_train_defaults_sized(&options.options,
                            offsetof(struct rn_train_options, out));
    assert_int_equal(options.options.struct_size,
                     offsetof(struct rn_train_options, out));
    assert_true(((unsigned char *)&options.options.out)[0] == 0x55);
    rn_train_defaults_sized(&options.options, sizeof(options));
    assert_int_equal(options.options.struct_size, sizeof(options));
    assert_true(options.options.momentum == 0.9);
    assert_int_equal(options.behind[63], 0);
    rn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks),
        cmocka_unit_test(models_of_files),
        cmocka_unit_test(plans),
        cmocka_unit_test(data_sets),
        cmocka_unit_test(evaluations),
        cmocka_unit_test(benchmarks),
        cmocka_unit_test(runs),
        cmocka_unit_test(zero_itself_can_be_asked_for),
        cmocka_unit_test(previews),
        cmocka_unit_test(an_older_struct_has_defaults_behind),
        cmocka_unit_test(a_newer_struct_may_set_nothing_behind),
        cmocka_unit_test(memory_that_nobody_set_is_refused),
        cmocka_unit_test(no_more_is_written_than_asked_for),
    };

    return cmocka_run_group_tests_name("sized", tests, make_folder,
                                       remove_folder);
}
