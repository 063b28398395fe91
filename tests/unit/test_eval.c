/* SPDX-License-Identifier: BSD-2-Clause */
/* Metrics, evaluation of a model, and the benchmark's bookkeeping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "eval/eval.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* cmocka 1.1's assert_float_equal() compares floats. */
static void assert_near(double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("%.15g, expected %.15g within %g", got, expected, tolerance);
}

/* ------------------------------------------------------------ metrics */

static const struct rank_case {
    float logits[6];
    int label, rank;
} ranks[] = {
    {{1, 2, 3, 4, 5, 6}, 5, 0},
    {{1, 2, 3, 4, 5, 6}, 0, 5},
    {{1, 2, 3, 4, 5, 6}, 3, 2},
    /* equal ones rank by index */
    {{7, 7, 7, 7, 7, 7}, 0, 0},
    {{7, 7, 7, 7, 7, 7}, 4, 4},
    {{1, 9, 9, 2, 9, 0}, 4, 2},
    /* what is not a number never makes a label right */
    {{NAN, 1, 2, 3, 4, 5}, 0, INT_MAX},
    {{NAN, 1, 2, 3, 4, 5}, 5, 1},
    {{NAN, NAN, NAN, NAN, NAN, NAN}, 0, INT_MAX},
    {{-INFINITY, 1, 2, INFINITY, 4, 5}, 3, 0},
};

static void test_rank(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(ranks); i++) {
        int rank = rn_rank(ranks[i].logits, 6, ranks[i].label);

        if (rank != ranks[i].rank)
            fail_msg("case %zu: rank %d, expected %d", i, rank, ranks[i].rank);
    }
}

static void test_cross_entropy(void **state)
{
    static const float plain[] = {0.5F, -1.25F, 2};
    static const float large[] = {1000, 999, -1000};
    double sum = exp(0.5) + exp(-1.25) + exp(2);

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_near(rn_cross_entropy(plain, 3, i), log(sum) - (double)plain[i],
                    1e-12);
    assert_near(rn_cross_entropy(large, 3, 0), log1p(exp(-1)), 1e-12);
    assert_near(rn_cross_entropy(large, 3, 2), 2000 + log1p(exp(-1)), 1e-9);
}

static void test_metrics_add(void **state)
{
    /* Label's rank: 0, 1, 4, 5. */
    static const float logits[4][6] = {
        {9, 1, 1, 1, 1, 1},
        {9, 1, 1, 1, 1, 1},
        {6, 5, 4, 3, 2, 1},
        {6, 5, 4, 3, 2, 1},
    };
    static const int32_t labels[4] = {0, 1, 4, 5};
    struct rn_metrics m = {.images = 0};
    double loss = 0;

    (void)state;
    for (int i = 0; i < 4; i++)
        loss += rn_cross_entropy(logits[i], 6, labels[i]);
    rn_metrics_add(&m, logits[0], labels, 3, 6);
    rn_metrics_add(&m, logits[3], labels + 3, 1, 6);
    assert_int_equal(m.images, 4);
    assert_int_equal(m.wrong1, 3);
    assert_int_equal(m.wrong5, 1);
    assert_near(m.loss, loss, 1e-12);
}

/* With one class every number is right, but NaN is none. */
static void test_metrics_not_a_number(void **state)
{
    static const float logits[2] = {3, NAN};
    static const int32_t labels[2] = {0, 0};
    struct rn_metrics m = {.images = 0};

    (void)state;
    rn_metrics_add(&m, logits, labels, 2, 1);
    assert_int_equal(m.wrong1, 1);
    assert_int_equal(m.wrong5, 1);
    assert_true(isnan(m.loss));
}

/* Averages of probabilities, kept as logarithms. */
static void test_average(void **state)
{
    static const float answers[3][3] = {
        {1, 2, 3}, {-200, 0, 100}, {1e30F, 0, -1e30F}};
    double expected[3] = {0};
    float sum[3], p[3];

    (void)state;
    rn_average_begin(sum, 3);
    for (int i = 0; i < 3; i++) {
        memcpy(p, answers[i], sizeof(p));
        rn_softmax(p, 3);
        for (int k = 0; k < 3; k++)
            expected[k] += (double)p[k] / 3;
        rn_average_add(sum, answers[i], 3);
    }
    for (int k = 0; k < 3; k++)
        assert_near(rn_cross_entropy(sum, 3, k), -log(expected[k]), 1e-6);
    rn_average_add(sum, (const float[]){0, NAN, 0}, 3);
    assert_int_equal(rn_rank(sum, 3, 0), INT_MAX);
    /* An answer that rules a class out counts, and so does the other. */
    rn_average_begin(sum, 3);
    rn_average_add(sum, (const float[]){-INFINITY, 0, -INFINITY}, 3);
    rn_average_add(sum, (const float[]){-INFINITY, -INFINITY, 0}, 3);
    assert_near(rn_cross_entropy(sum, 3, 2), log(2), 1e-6);
    assert_true(isinf(rn_cross_entropy(sum, 3, 0)));
}

/* Four images: confidence 0.9 twice, one of them right; 0.6 twice, both
 * right. */
static void test_calibration(void **state)
{
    struct rn_metrics m = {.images = 0};
    float logits[4][2] = {{0}};
    static const int32_t labels[4] = {0, 1, 0, 0};

    (void)state;
    logits[0][0] = logits[1][0] = (float)log(9);
    logits[2][0] = logits[3][0] = (float)log(1.5);
    rn_metrics_add(&m, logits[0], labels, 4, 2);
    assert_near(rn_metrics_calibration(&m), (fabs(1.8 - 1) + fabs(1.2 - 2)) / 4,
                1e-6);
    /* A sure answer belongs to the last bin, and is right. */
    m = (struct rn_metrics){.images = 0};
    rn_metrics_add(&m, (const float[]){1e4F, 0}, labels, 1, 2);
    assert_near(m.bin[RN_CALIBRATION_BINS - 1].confidence, 1, 0);
    assert_near(rn_metrics_calibration(&m), 0, 0);
}

static void test_softmax(void **state)
{
    float plain[] = {1, 2, 3};
    float large[] = {1e30F, 0, -1e30F};
    double sum = exp(1) + exp(2) + exp(3);

    (void)state;
    rn_softmax(plain, 3);
    rn_softmax(large, 3);
    for (int i = 0; i < 3; i++)
        assert_near((double)plain[i], exp(i + 1) / sum, 1e-7);
    assert_near((double)large[0], 1, 0);
    assert_near((double)large[1], 0, 0);
    assert_near((double)large[2], 0, 0);
}

static void test_top_k(void **state)
{
    static const float values[] = {3, 9, 1, 9, 7, 7, -2};
    static const int expected[] = {1, 3, 4, 5, 0, 2, 6};
    int got[7];

    (void)state;
    for (int k = 1; k <= 7; k++) {
        rn_top_k(values, 7, k, got);
        assert_memory_equal(got, expected, (size_t)k * sizeof(int));
    }
}

/* --------------------------------------------------------- evaluation */

#define DATA "synthetic:3x16x16:10:650" /* 130 test images */

static struct rn_model *make_model(const char *net, int classes, int size)
{
    struct rn_net_options options;
    struct rn_model *model = NULL;
    struct rn_error err = {0};

    rn_net_defaults(&options);
    options.classes = classes;
    options.height = size;
    if (rn_model_create(&model, net, &options, &err) != RN_OK)
        fail_msg("%s", err.msg);
    rn_model_init(model, 3);
    return model;
}

static void set_preprocessing(struct rn_model *model)
{
    static const float mean[] = {0.5F, 0.4F, 0.3F}, std[] = {0.2F, 0.3F, 0.4F};

    assert_int_equal(rn_model_set_preprocessing(model, false, mean, std, NULL),
                     RN_OK);
}

static struct rn_data *open_data(const char *spec)
{
    struct rn_data *data = NULL;
    struct rn_error err = {0};

    if (rn_data_open(&data, spec, NULL, &err) != RN_OK)
        fail_msg("%s", err.msg);
    return data;
}

/* However images are batched, the last batch smaller or not: every image
 * counts once. */
static void test_batches_do_not_matter(void **state)
{
    static const int batches[] = {1, 7, 65, 100, 130, 200};
    struct rn_model *model = make_model("resnet8", 10, 16);
    struct rn_data *data = open_data(DATA);
    struct rn_eval_result first = {0};
    struct rn_data_info info;

    (void)state;
    set_preprocessing(model);
    rn_data_describe(data, &info);
    for (size_t i = 0; i < COUNT(batches); i++) {
        struct rn_eval_options o;
        struct rn_eval_result r;
        struct rn_error err = {0};

        rn_eval_defaults(&o);
        o.batch = batches[i];
        o.threads = 1;
        if (rn_eval(model, data, RN_PART_TEST, &o, &r, &err) != RN_OK)
            fail_msg("batch %d: %s", batches[i], err.msg);
        assert_int_equal(r.images, info.count[RN_PART_TEST]);
        assert_string_equal(r.protocol, "single view");
        if (i == 0)
            first = r;
        if (r.top1_error != first.top1_error ||
            r.top5_error != first.top5_error ||
            fabs(r.loss - first.loss) > 1e-5 * first.loss)
            fail_msg("batch %d: %g %%, %g %%, loss %.8g; batch 1: %g %%, %g "
                     "%%, loss %.8g",
                     batches[i], r.top1_error, r.top5_error, r.loss,
                     first.top1_error, first.top5_error, first.loss);
    }
    assert_true(first.top5_error < first.top1_error);
    rn_data_close(data);
    rn_model_destroy(model);
}

/* rn_eval() against images taken, prepared and run one by one. */
static void test_by_hand(void **state)
{
    struct rn_model *model = make_model("resnet8", 10, 16);
    struct rn_data *data = open_data("synthetic:3x16x16:10:100");
    struct rn_plan_options options;
    struct rn_plan *plan = NULL;
    struct rn_eval_result r;
    struct rn_data_info info;
    uint8_t pixels[3 * 16 * 16];
    float image[3 * 16 * 16], logits[10];
    double loss = 0;
    int wrong = 0;

    (void)state;
    set_preprocessing(model);
    rn_data_describe(data, &info);
    rn_plan_defaults(&options);
    options.batch = options.threads = 1;
    assert_int_equal(rn_plan_create(&plan, model, &options, NULL), RN_OK);
    for (int i = 0; i < info.count[RN_PART_TEST]; i++) {
        int label, top;

        assert_int_equal(
            rn_data_image(data, RN_PART_TEST, i, pixels, &label, NULL), RN_OK);
        assert_int_equal(rn_model_preprocess(model, pixels, image, NULL),
                         RN_OK);
        assert_int_equal(rn_plan_forward(plan, image, logits, NULL), RN_OK);
        rn_top_k(logits, 10, 1, &top);
        wrong += top != label;
        rn_softmax(logits, 10);
        loss -= log((double)logits[label]);
    }
    assert_int_equal(rn_eval(model, data, RN_PART_TEST, NULL, &r, NULL), RN_OK);
    assert_near(r.top1_error, 100.0 * wrong / r.images, 1e-9);
    assert_near(r.loss, loss / r.images, 1e-4);
    rn_plan_destroy(plan);
    rn_data_close(data);
    rn_model_destroy(model);
}

static void expect(int rc, int expected, const struct rn_error *err,
                   const char *a, const char *b)
{
    if (rc != expected || !strstr(err->msg, a) || !strstr(err->msg, b))
        fail_msg("status %d, \"%s\"; expected %d with \"%s\" and \"%s\"", rc,
                 err->msg, expected, a, b);
}

static void test_misfits(void **state)
{
    struct rn_data *data = open_data(DATA);
    struct rn_model *bare = make_model("resnet8", 10, 16);
    struct rn_model *classes = make_model("resnet8", 7, 16);
    struct rn_model *size = make_model("resnet8", 10, 32);
    struct rn_eval_options o;
    struct rn_eval_result r;
    struct rn_error err = {0};

    (void)state;
    expect(rn_eval(bare, data, RN_PART_TEST, NULL, &r, &err), RN_ERR_ARG, &err,
           "resnet8", "does not say how its images are prepared");
    set_preprocessing(classes);
    expect(rn_eval(classes, data, RN_PART_TEST, NULL, &r, &err), RN_ERR_DATA,
           &err, "7 classes", "has 10");
    set_preprocessing(size);
    expect(rn_eval(size, data, RN_PART_TEST, NULL, &r, &err), RN_ERR_DATA, &err,
           "3 x 32 x 32", "3 x 16 x 16");
    set_preprocessing(bare);
    rn_eval_defaults(&o);
    expect(rn_eval(bare, data, RN_PART_VALIDATION, &o, &r, &err), RN_ERR_ARG,
           &err, "no validation images", DATA);
    rn_data_close(data);
    rn_model_destroy(bare);
    rn_model_destroy(classes);
    rn_model_destroy(size);
}

/* ------------------------------------------------- classes and their names */

#define PIXELS (3 * 16 * 16)

/* Six images in memory: 0 to 5 of classes `label`, which have these names. */
static struct rn_data *open_arrays(const int32_t label[6], int classes,
                                   const char *const *names)
{
    static uint8_t pixels[6 * PIXELS];
    struct rn_arrays arrays = {.struct_size = sizeof(arrays),
                               .channels = 3,
                               .height = 16,
                               .width = 16,
                               .classes = classes,
                               .count = {0, 0, 6},
                               .pixels = {NULL, NULL, pixels},
                               .labels = {NULL, NULL, label},
                               .class_names = names};
    struct rn_error err = {0};
    struct rn_data *data;

    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)(i * 37 + i / PIXELS * 101 + i / 300);
    if (rn_data_from_arrays(&data, &arrays, &err))
        fail_msg("%s", err.msg);
    return data;
}

static struct rn_model *make_named(const char *const *names, uint64_t seed)
{
    struct rn_model *model = make_model("resnet8", 3, 16);

    rn_model_init(model, seed);
    set_preprocessing(model);
    assert_int_equal(rn_model_set_classes(model, names, NULL), RN_OK);
    return model;
}

/* Images of classes 0, 1 and 2 of the data, for a model of "cat", "dog" and
 * "fox" unless said otherwise: what these become, or what is said. */
static const struct names_case {
    const char *model[3], *data[3];
    int map[3];
    const char *message, *remark;
} names_cases[] = {
    {{"cat", "dog", "fox"}, {"cat", "dog", "fox"}, {0, 1, 2}, NULL, NULL},
    {{"cat", "dog", "fox"}, {"fox", "cat", "dog"}, {2, 0, 1}, NULL, NULL},
    {{"2", "0", "1"}, {"00", "01", "02"}, {1, 2, 0}, NULL, NULL},
    /* Two of a name, in the same list. */
    {{"cat", "cat", "fox"}, {"cat", "cat", "fox"}, {0, 1, 2}, NULL, NULL},
    /* Spelt otherwise. */
    {{"cat", "dog", "fox"},
     {"Cat", "dog", "fox"},
     {0, 1, 2},
     NULL,
     "1 of the classes of 'arrays' is no class of model resnet8 by name and "
     "goes by number: 'Cat' is 'cat' there"},
    {{"cat", "dog", "fox"},
     {"x", "y", "z"},
     {0, 1, 2},
     NULL,
     "3 of the classes of 'arrays' are no class of model resnet8 by name and "
     "go by number: 'x' is 'cat' there, 'y' is 'dog' there, 'z' is 'fox' "
     "there"},
    {{"cat", "dog", "fox"},
     {"Cat", "fox", "dog"},
     {-1, 2, 1},
     "does not know 1 of the 3 classes of 'arrays': 'Cat'; others stand at "
     "other numbers",
     NULL},
    {{"cat", "cat", "fox"},
     {"fox", "dog", "cat"},
     {2, -1, -2},
     "2 of the 3 classes of 'arrays': 'dog', 'cat' (a name of several)",
     NULL},
    /* Numbers, where one has no names. */
    {{NULL}, {"2", "1", "0"}, {0, 1, 2}, NULL, NULL},
    {{"2", "1", "0"}, {NULL}, {0, 1, 2}, NULL, NULL},
};

static void check_names(const struct names_case *c)
{
    static const int32_t label[6] = {0, 1, 2, 2, 1, 0};
    struct rn_model *model = make_named(c->model[0] ? c->model : NULL, 1);
    struct rn_data *data = open_arrays(label, 3, c->data[0] ? c->data : NULL);
    struct rn_error err = {0};
    int32_t map[3];
    int rc = rn_match_classes(model, data, RN_PART_TEST, map, &err);
    const char *remark = rn_data_remark(data, 0);

    if (rc != (c->message ? RN_ERR_DATA : RN_OK) ||
        !strstr(err.msg, c->message ? c->message : ""))
        fail_msg("status %d, \"%s\"; expected \"%s\"", rc, err.msg,
                 c->message ? c->message : "");
    for (int i = 0; i < 3; i++)
        assert_int_equal(map[i], c->map[i]);
    if (!remark != !c->remark || (remark && strcmp(remark, c->remark) != 0))
        fail_msg("said \"%s\", expected \"%s\"", remark ? remark : "",
                 c->remark ? c->remark : "");
    rn_data_close(data);
    rn_model_destroy(model);
}

static void test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names_cases); i++)
        check_names(&names_cases[i]);
}

/* The same images in another order of classes: the same error and loss. */
static void test_order_of_classes(void **state)
{
    static const char *const names[] = {"cat", "dog", "fox"};
    static const char *const other[] = {"fox", "cat", "dog"};
    static const int32_t label[6] = {0, 1, 2, 2, 1, 0};
    static const int32_t mapped[6] = {1, 2, 0, 0, 2, 1};
    struct rn_model *model = make_named(names, 1);
    struct rn_data *a = open_arrays(label, 3, names),
                   *b = open_arrays(mapped, 3, other);
    struct rn_eval_result first, second;
    struct rn_error err = {0};

    (void)state;
    if (rn_eval(model, a, RN_PART_TEST, NULL, &first, &err) ||
        rn_eval(model, b, RN_PART_TEST, NULL, &second, &err))
        fail_msg("%s", err.msg);
    assert_near(second.top1_error, first.top1_error, 0);
    assert_near(second.loss, first.loss, 0);
    rn_data_close(a);
    rn_data_close(b);
    rn_model_destroy(model);
}

/* Averaged with a model without names, whose classes go by number: only where
 * the names stand at the same ones. */
static void test_average_without_names(void **state)
{
    static const char *const names[] = {"cat", "dog", "fox"};
    static const char *const other[] = {"cat", "fox", "dog"};
    static const int32_t label[6] = {0, 0, 0, 0, 0, 0};
    struct rn_model *bare = make_named(NULL, 1), *same = make_named(names, 2),
                    *turned = make_named(other, 2);
    const struct rn_model *fit[] = {bare, same}, *misfit[] = {bare, turned};
    struct rn_data *data = open_arrays(label, 3, names);
    struct rn_eval_result r;
    struct rn_error err = {0};

    (void)state;
    if (rn_eval_models(fit, 2, data, RN_PART_TEST, NULL, &r, NULL, &err))
        fail_msg("%s", err.msg);
    /* Though the one class of the images is the same. */
    expect(rn_eval_models(misfit, 2, data, RN_PART_TEST, NULL, &r, NULL, &err),
           RN_ERR_ARG, &err, "cannot be averaged",
           "class 1 of 'arrays' is number 1 of the one and 2 of the other");
    rn_data_close(data);
    rn_model_destroy(bare);
    rn_model_destroy(same);
    rn_model_destroy(turned);
}

/* Finite weights whose sums are not: no error rate is made of that. */
static void test_answers_must_be_finite(void **state)
{
    struct rn_model *model = make_model("resnet8", 10, 16);
    struct rn_data *data = open_data(DATA);
    struct rn_tensor t;
    struct rn_eval_result r;
    struct rn_error err = {0};

    (void)state;
    set_preprocessing(model);
    for (size_t i = 0; rn_model_tensor(model, i, &t) == RN_OK; i++)
        for (size_t k = 0; strcmp(t.name, "fc.weight") == 0 && k < 64; k++)
            t.data[k] = 3e38F;
    expect(rn_eval(model, data, RN_PART_TEST, NULL, &r, &err), RN_ERR_DATA,
           &err, "answers image '0' with inf for class 0",
           "weights are finite");
    rn_data_close(data);
    rn_model_destroy(model);
}

/* Some of a part, spread evenly: those very images, whatever the batch, and of
 * several models, too. */
static void test_some_images(void **state)
{
    struct rn_model *model = make_model("resnet8", 10, 16);
    struct rn_data *data = open_data(DATA);
    const struct rn_model *two[] = {model, model};
    struct rn_images *part = &data->part[RN_PART_TEST];
    struct rn_eval_options o;
    struct rn_eval_result r, again, both;
    struct rn_report *report;
    struct rn_error err = {0};

    (void)state;
    set_preprocessing(model);
    rn_eval_defaults(&o);
    o.images = 26; /* of 130: every fifth */
    assert_int_equal(rn_spread(25, 26, 130), 125);
    assert_int_equal(rn_eval(model, data, RN_PART_TEST, &o, &r, &err), RN_OK);
    assert_int_equal(r.images, 26);
    o.batch = 7;
    assert_int_equal(
        rn_eval_models(two, 2, data, RN_PART_TEST, &o, &both, NULL, &err),
        RN_OK);
    assert_near(both.loss, r.loss, 1e-4);
    assert_near(both.top1_error, r.top1_error, 0);
    expect(
        rn_eval_models(two, 1, data, RN_PART_TEST, &o, &again, &report, &err),
        RN_ERR_ARG, &err, "of all images", "not of 26");
    /* The others do not matter. */
    for (int i = 0; i < part->count; i++)
        if (i % 5)
            part->labels[i] = (uint16_t)((part->labels[i] + 1) % 10);
    assert_int_equal(rn_eval(model, data, RN_PART_TEST, &o, &again, &err),
                     RN_OK);
    assert_near(again.loss, r.loss, 1e-5);
    o.images = 1000; /* all there are */
    assert_int_equal(rn_eval(model, data, RN_PART_TEST, &o, &again, &err),
                     RN_OK);
    assert_int_equal(again.images, 130);
    rn_data_close(data);
    rn_model_destroy(model);
}

static int stop_after_40(void *user, int done, int images)
{
    int *calls = user;

    (*calls)++;
    assert_int_equal(images, 130);
    return done >= 40;
}

static void test_progress_stops(void **state)
{
    struct rn_model *model = make_model("resnet8", 10, 16);
    struct rn_data *data = open_data(DATA);
    struct rn_eval_options o;
    struct rn_eval_result r;
    int calls = 0;

    (void)state;
    set_preprocessing(model);
    rn_eval_defaults(&o);
    o.batch = 20;
    o.user = &calls;
    o.progress = stop_after_40;
    assert_int_equal(rn_eval(model, data, RN_PART_TEST, &o, &r, NULL),
                     RN_ERR_STOPPED);
    assert_int_equal(calls, 2);
    rn_data_close(data);
    rn_model_destroy(model);
}

/* ---------------------------------------------------------- benchmark */

static void check_bench(enum rn_mode mode)
{
    struct rn_model *model = make_model("resnet8", 10, 16);
    struct rn_bench_options o;
    struct rn_bench_result r;
    struct rn_plan *plan = NULL;
    struct rn_tensor tensor;
    struct rn_error err = {0};
    float before;

    assert_int_equal(rn_model_tensor(model, 0, &tensor), RN_OK);
    before = tensor.data[0];
    rn_bench_defaults(&o);
    o.mode = mode;
    o.batch = 4;
    o.threads = 1;
    o.rounds = 3;
    if (rn_bench(model, &o, &r, &plan, &err) != RN_OK)
        fail_msg("mode %d: %s", (int)mode, err.msg);
    assert_int_equal(r.batch, 4);
    assert_int_equal(r.threads, 1);
    assert_int_equal(r.rounds, 3);
    assert_true(r.images_per_second_min > 0);
    assert_true(r.images_per_second_min <= r.images_per_second_median);
    assert_true(r.images_per_second_median <= r.images_per_second_max);
    assert_true(r.plan_bytes > 0 && r.peak_memory_bytes > r.plan_bytes);
    assert_true(rn_plan_steps(plan) > 0);
    assert_near((double)before, (double)tensor.data[0], 0);
    rn_plan_destroy(plan);
    rn_model_destroy(model);
}

/* Three streams of a thread each hold three plans; what cannot be is refused.
 */
static void check_streams(void)
{
    struct rn_model *model = make_model("resnet8", 10, 16);
    struct rn_bench_options o;
    struct rn_bench_result one, r;
    struct rn_error err = {0};

    rn_bench_defaults(&o);
    o.batch = 2;
    o.threads = 1;
    o.rounds = 3;
    assert_int_equal(rn_bench(model, &o, &one, NULL, &err), RN_OK);
    assert_int_equal(one.streams, 1);
    o.threads = 3;
    o.streams = 3;
    if (rn_bench(model, &o, &r, NULL, &err) != RN_OK)
        fail_msg("three streams: %s", err.msg);
    assert_int_equal(r.streams, 3);
    assert_int_equal(r.threads, 3);
    assert_int_equal(r.rounds, 3);
    assert_true(r.images_per_second_min > 0);
    if (r.plan_bytes <= one.plan_bytes || r.plan_bytes >= 3 * one.plan_bytes)
        fail_msg("one plan holds %llu bytes, three hold %llu",
                 (unsigned long long)one.plan_bytes,
                 (unsigned long long)r.plan_bytes);
    o.threads = 4;
    expect(rn_bench(model, &o, &r, NULL, &err), RN_ERR_ARG, &err, "3 streams",
           "4 threads");
    o.threads = 3;
    o.profile = 1;
    expect(rn_bench(model, &o, &r, NULL, &err), RN_ERR_ARG, &err, "`profile`",
           "3");
    o.profile = 0;
    o.mode = RN_MODE_TRAIN;
    expect(rn_bench(model, &o, &r, NULL, &err), RN_ERR_ARG, &err, "`streams`",
           "training");
    rn_model_destroy(model);
}

static void test_bench(void **state)
{
    struct rn_model *model = make_model("resnet8", 10, 16);
    struct rn_bench_options o;
    struct rn_bench_result r;
    struct rn_error err = {0};

    (void)state;
    check_bench(RN_MODE_INFER);
    check_bench(RN_MODE_TRAIN);
    check_streams();
    rn_bench_defaults(&o);
    o.batch = -2;
    expect(rn_bench(model, &o, &r, NULL, &err), RN_ERR_ARG, &err,
           "`batch` is -2", "1 to 65536");
    rn_model_destroy(model);
}

static void scores_that_are_no_numbers_have_no_order(void **state)
{
    struct rn_scored scored[] = {{2, true}, {(float)NAN, false}, {1, true}};
    struct rn_scored others[] = {{2, true}, {1.5f, false}, {1, true}};

    (void)state;
    assert_true(isnan(rn_average_precision(scored, 3)));
    assert_true(fabs(rn_average_precision(others, 3) - 5.0 / 6) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_that_are_no_numbers_have_no_order),
        cmocka_unit_test(test_rank),
        cmocka_unit_test(test_cross_entropy),
        cmocka_unit_test(test_metrics_add),
        cmocka_unit_test(test_metrics_not_a_number),
        cmocka_unit_test(test_average),
        cmocka_unit_test(test_calibration),
        cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_top_k),
        cmocka_unit_test(test_batches_do_not_matter),
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_misfits),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_order_of_classes),
        cmocka_unit_test(test_average_without_names),
        cmocka_unit_test(test_answers_must_be_finite),
        cmocka_unit_test(test_some_images),
        cmocka_unit_test(test_progress_stops),
        cmocka_unit_test(test_bench),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
