/* SPDX-License-Identifier: BSD-2-Clause */
/* What an evaluation tells of every image, of several models, and the files
 * it writes. */
#include "eval/report.h"

#include "core/file.h"
#include "core/memory.h"
#include "eval/eval.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"

#define CLASSES 3

static struct rn_model *model;
static struct rn_data *data; /* four test images */

static const char *const names[CLASSES] = {"a, b", "<b> & \"c\"", "plain"};

static struct rn_model *make_model(uint64_t seed, int classes)
{
    static const float mean[] = {0.5F}, std[] = {0.2F};
    const struct rn_net_options options = {
        .classes = classes, .channels = 1, .height = 8, .width = 8};
    struct rn_model *made;

    assert_int_equal(rn_model_create(&made, "resnet8", &options, NULL), RN_OK);
    rn_model_init(made, seed);
    assert_int_equal(rn_model_set_preprocessing(made, false, mean, std, NULL),
                     RN_OK);
    return made;
}

static int setup(void **state)
{
    model = make_model(1, CLASSES);
    assert_int_equal(rn_model_set_classes(model, names, NULL), RN_OK);
    assert_int_equal(rn_data_open(&data, "synthetic:1x8x8:3:20", NULL, NULL),
                     RN_OK);
    assert_int_equal(data->part[RN_PART_TEST].count, 4);
    return make_folder(state);
}

static int teardown(void **state)
{
    rn_data_close(data);
    rn_model_destroy(model);
    return remove_folder(state);
}

/* Answers to the four images: labels 0, 0, 2, 1; answers 0, 1, 2, 2. */
static struct rn_report *make_report(void)
{
    static const float logits[3][CLASSES] = {{3, 1, 0}, {1, 2, 0}, {0, 1, 9}};
    static const int labels[4] = {0, 0, 2, 1};
    struct rn_report *report;

    assert_int_equal(rn_report_create(&report, model, data, RN_PART_TEST, NULL),
                     RN_OK);
    for (int i = 0; i < 3; i++)
        rn_report_set(report, i, labels[i], logits[i]);
    rn_report_set(report, 3, labels[3], (const float[]){-1, 0, 1});
    return report;
}

static void assert_file(const char *name, const char *expected,
                        int (*write)(const struct rn_report *report,
                                     const char *path, struct rn_error *err))
{
    struct rn_report *report = make_report();
    struct rn_error err = {0};
    char path[200];
    uint8_t *text = NULL;
    size_t size;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (write(report, path, &err) ||
        rn_file_read(path, 1 << 20, &text, &size, &err))
        fail_msg("%s", err.msg);
    assert_string_equal((const char *)text, expected);
    rn_free(text);
    rn_report_destroy(report);
}

static void answers_are_kept(void **state)
{
    struct rn_report *report = make_report();
    struct rn_answer a;

    (void)state;
    assert_int_equal(rn_report_answer(report, 1, &a), RN_OK);
    assert_int_equal(a.label, 0);
    assert_int_equal(a.rank, 1);
    assert_int_equal(a.count, CLASSES);
    assert_int_equal(a.top[0], 1);
    assert_int_equal(a.top[2], 2);
    assert_true(fabs((double)a.probability -
                     exp(1) / (exp(0) + exp(1) + exp(2))) < 1e-6);
    assert_true(a.top_probability[1] == a.probability);
    assert_int_equal(rn_report_answer(report, 4, &a), RN_ERR_ARG);
    assert_int_equal(rn_report_answer(report, -1, &a), RN_ERR_ARG);
    rn_report_destroy(report);
}

static void classes_are_counted(void **state)
{
    static const struct rn_class_result expected[CLASSES] = {
        {2, 1, 2, 1}, {1, 0, 1, 1}, {1, 1, 1, 2}};
    struct rn_report *report = make_report();
    struct rn_class_result r;

    (void)state;
    for (int i = 0; i < CLASSES; i++) {
        assert_int_equal(rn_report_class(report, i, &r), RN_OK);
        assert_memory_equal(&r, &expected[i], sizeof(r));
    }
    assert_int_equal(rn_report_class(report, CLASSES, &r), RN_ERR_ARG);
    rn_report_destroy(report);
}

static void predictions_are_csv(void **state)
{
    (void)state;
    assert_file(
        "p.csv",
        "file,label,label_name,label_rank,label_probability,"
        "top1,top1_name,top1_probability,top2,top2_name,top2_probability,"
        "top3,top3_name,top3_probability\n"
        "synthetic:1x8x8:3:20:0,0,\"a, b\",1,0.843795,0,\"a, b\",0.843795,"
        "1,\"<b> & \"\"c\"\"\",0.114195,2,plain,0.0420101\n"
        "synthetic:1x8x8:3:20:1,0,\"a, b\",2,0.244728,1,\"<b> & \"\"c\"\"\","
        "0.665241,0,\"a, b\",0.244728,2,plain,0.0900306\n"
        "synthetic:1x8x8:3:20:2,2,plain,1,0.999541,2,plain,0.999541,1,"
        "\"<b> & \"\"c\"\"\",0.000335309,0,\"a, b\",0.000123353\n"
        "synthetic:1x8x8:3:20:3,1,\"<b> & \"\"c\"\"\",2,0.244728,2,plain,"
        "0.665241,1,\"<b> & \"\"c\"\"\",0.244728,0,\"a, b\",0.0900306\n",
        rn_report_predictions);
}

static void confusion_is_csv_or_text(void **state)
{
    (void)state;
    assert_file("c.csv",
                "label\\answer,\"0 a, b\",\"1 <b> & \"\"c\"\"\",2 plain\n"
                "\"0 a, b\",1,1,0\n"
                "\"1 <b> & \"\"c\"\"\",0,0,1\n"
                "2 plain,0,0,1\n",
                rn_report_confusion);
    assert_file("c.txt",
                "Rows are labels, columns answers, by number of class.\n\n"
                "                                0 1 2\n"
                "    0  a, b                     1 1 0\n"
                "    1  <b> & \"c\"                0 0 1\n"
                "    2  plain                    0 0 1\n",
                rn_report_confusion);
}

/* Occurrences of a text in a file that was written. */
static int count_in(const char *name, const char *what)
{
    char path[200];
    uint8_t *text;
    size_t size;
    int n = 0;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(rn_file_read(path, 1 << 20, &text, &size, NULL), RN_OK);
    for (const char *at = (const char *)text; (at = strstr(at, what)); at++)
        n++;
    rn_free(text);
    return n;
}

static void confusion_is_svg(void **state)
{
    struct rn_report *report = make_report();
    struct rn_error err = {0};
    char path[200];

    (void)state;
    snprintf(path, sizeof(path), "%s/c.svg", folder);
    assert_int_equal(rn_report_confusion(report, path, &err), RN_OK);
    assert_int_equal(count_in("c.svg", "#1d4ed8"), 2); /* of three classes */
    assert_int_equal(count_in("c.svg", "#c2410c"), 2);
    assert_int_equal(count_in("c.svg", "&#60;b&#62; &#38; &#34;c&#34;"), 2);
    assert_int_equal(count_in("c.svg", "<b>"), 0);
    snprintf(path, sizeof(path), "%s/c.png", folder);
    assert_int_equal(rn_report_confusion(report, path, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "ends in .csv, .svg or .txt"));
    rn_report_destroy(report);
}

/* Two columns for each East Asian character, none for an accent; a name is cut
 * between characters. */
static void wide_names_keep_their_columns(void **state)
{
#define DOG  "\xe7\x8a\xac"
#define E    "e\xcc\x81" /* an accent of its own */
#define DOGS DOG DOG DOG DOG DOG DOG
    static const char *const wide[] = {
        DOG, "a" DOGS DOGS DOGS,
        E E E E E E E E E E E E E E E E E E E E E E E E E E E};

    (void)state;
    assert_int_equal(rn_model_set_classes(model, wide, NULL), RN_OK);
    assert_file("c.txt",
                "Rows are labels, columns answers, by number of class.\n\n"
                "                                0 1 2\n"
                "    0  " DOG "                       1 1 0\n"
                "    1  a" DOGS DOG DOG DOG DOG DOG "  0 0 1\n"
                "    2  " E E E E E E E E E E E E E E E E E E E E E E E E
                " 0 0 1\n",
                rn_report_confusion);
    assert_file("c.csv",
                "label\\answer,0 " DOG ",1 a" DOGS DOGS DOGS
                ",2 " E E E E E E E E E E E E E E E E E E E E E E E E E E E "\n"
                "0 " DOG ",1,1,0\n"
                "1 a" DOGS DOGS DOGS ",0,0,1\n"
                "2 " E E E E E E E E E E E E E E E E E E E E E E E E E E E
                ",0,0,1\n",
                rn_report_confusion);
    struct rn_report *report = make_report();
    char path[200];

    snprintf(path, sizeof(path), "%s/c.svg", folder);
    assert_int_equal(rn_report_confusion(report, path, NULL), RN_OK);
    assert_int_equal(count_in("c.svg", ">" DOG "<"), 2);
    assert_int_equal(count_in("c.svg", ">a" DOGS DOG DOG DOG DOG DOG "<"), 2);
    assert_int_equal(count_in("c.svg", E "<"), 2);
    rn_report_destroy(report);
    assert_int_equal(rn_model_set_classes(model, names, NULL), RN_OK);
#undef DOG
#undef DOGS
#undef E
}

/* Both are equally sure: the first comes first. */
static void mistakes_are_shown(void **state)
{
    struct rn_report *report = make_report();
    char path[200];

    (void)state;
    snprintf(path, sizeof(path), "%s/m.html", folder);
    assert_int_equal(rn_report_mistakes(report, path, NULL), RN_OK);
    assert_int_equal(count_in("m.html", "<h1>2 of 4 images"), 1);
    assert_int_equal(count_in("m.html", "<figure>"), 2);
    assert_int_equal(
        count_in("m.html", "src=\"data:image/png;base64,iVBORw0KG"), 2);
    assert_int_equal(count_in("m.html", "&#60;b&#62; &#38; &#34;c&#34; (1) "
                                        "66.5&#8239;%</b><br>labelled a, b (0) "
                                        "24.5&#8239;%, place 2"),
                     1);
    assert_int_equal(count_in("m.html", "synthetic:1x8x8:3:20:1"), 1);
    assert_int_equal(count_in("m.html", "synthetic:1x8x8:3:20:2"), 0);
    rn_report_destroy(report);
}

static void a_folder_that_is_missing_is_named(void **state)
{
    struct rn_report *report = make_report();
    struct rn_error err = {0};

    (void)state;
    assert_int_equal(rn_report_predictions(report, "/nowhere/p.csv", &err),
                     RN_ERR_IO);
    assert_non_null(strstr(err.msg, "/nowhere/p.csv"));
    rn_report_destroy(report);
}

/* ------------------------------------------------------- several models */

/* Three models by hand: softmax, averaged. */
static void models_are_averaged(void **state)
{
    struct rn_model *models[3] = {
        make_model(1, CLASSES), make_model(2, CLASSES), make_model(3, CLASSES)};
    struct rn_report *one, *all;
    struct rn_eval_result r;
    double loss = 0;

    (void)state;
    assert_int_equal(rn_eval_models((const struct rn_model *const *)models, 3,
                                    data, RN_PART_TEST, NULL, &r, &all, NULL),
                     RN_OK);
    assert_int_equal(r.images, 4);
    assert_string_equal(r.protocol,
                        "3 models, probabilities averaged: single view");
    for (int i = 0; i < 4; i++) {
        struct rn_answer a, b;
        double p = 0;

        assert_int_equal(rn_report_answer(all, i, &a), RN_OK);
        for (int m = 0; m < 3; m++) {
            const struct rn_model *model_m = models[m];

            assert_int_equal(rn_eval_models(&model_m, 1, data, RN_PART_TEST,
                                            NULL, &(struct rn_eval_result){0},
                                            &one, NULL),
                             RN_OK);
            assert_int_equal(rn_report_answer(one, i, &b), RN_OK);
            assert_int_equal(a.label, b.label);
            p += (double)b.probability / 3;
            rn_report_destroy(one);
        }
        if (!(fabs((double)a.probability - p) < 1e-5))
            fail_msg("image %d: %g, expected %g", i, (double)a.probability, p);
        loss -= log(p) / 4;
    }
    if (!(fabs(r.loss - loss) < 1e-5))
        fail_msg("loss %g, expected %g", r.loss, loss);
    rn_report_destroy(all);
    for (int m = 0; m < 3; m++)
        rn_model_destroy(models[m]);
}

static void models_of_other_classes_are_refused(void **state)
{
    static const char *const others[CLASSES] = {"a, b", "plain", "c"};
    const struct rn_model *models[2] = {model};
    struct rn_model *other = make_model(2, CLASSES + 1);
    struct rn_eval_result r;
    struct rn_error err = {0};

    (void)state;
    /* Data have so many classes as the model. */
    models[1] = other;
    assert_int_equal(
        rn_eval_models(models, 2, data, RN_PART_TEST, NULL, &r, NULL, &err),
        RN_ERR_DATA);
    rn_model_destroy(other);
    other = make_model(2, CLASSES);
    models[1] = other;
    assert_int_equal(
        rn_eval_models(models, 2, data, RN_PART_TEST, NULL, &r, NULL, &err),
        RN_OK);
    assert_int_equal(rn_model_set_classes(other, others, NULL), RN_OK);
    assert_int_equal(
        rn_eval_models(models, 2, data, RN_PART_TEST, NULL, &r, NULL, &err),
        RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "their classes differ"));
    rn_model_destroy(other);
    assert_int_equal(
        rn_eval_models(models, 0, data, RN_PART_TEST, NULL, &r, NULL, &err),
        RN_ERR_ARG);
}

/* ---------------------------------------------------------- memory fails */

static int evaluate_and_write(void)
{
    const struct rn_model *models[2] = {model, model};
    struct rn_report *report = NULL;
    struct rn_eval_result r;
    struct rn_error err = {0};
    char path[200];
    int rc =
        rn_eval_models(models, 2, data, RN_PART_TEST, NULL, &r, &report, &err);

    snprintf(path, sizeof(path), "%s/c.svg", folder);
    if (!rc)
        rc = rn_report_confusion(report, path, &err);
    snprintf(path, sizeof(path), "%s/m.html", folder);
    if (!rc)
        rc = rn_report_mistakes(report, path, &err);
    assert_true(rc == RN_OK || err.msg[0]);
    rn_report_destroy(report);
    return rc;
}

/* Whichever allocation fails, it is told and nothing is left behind. */
static void failing_allocations_are_told(void **state)
{
    int failed = 0, rc = RN_ERR_MEMORY;

    (void)state;
    for (long n = 1; n < 20000 && rc; n += n < 60 ? 1 : 9) {
        rn_alloc_fail_after(n);
        rc = evaluate_and_write();
        rn_alloc_fail_after(-1);
        failed += rc != RN_OK;
    }
    assert_int_equal(rc, RN_OK);
    if (failed < 20)
        fail_msg("only %d allocations failed", failed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ----------------------------------------------------------- measures */

enum { MADE = 200, MADE_CLASSES = 6 };

/* The formulas of tests/golden/record-measures.py. */
static uint32_t mixed(uint32_t x)
{
    return x * 2654435761U;
}

static int made_label(int i)
{
    uint32_t n = (uint32_t)i;

    return (int)(mixed(n * n + 3 * n + 1) >> 16) % 4;
}

static int made_sixteenths(int i, int c)
{
    int h = (int)(mixed((uint32_t)i * 7919U + (uint32_t)c * 104729U + 12345U) >>
                  16) %
            12;
    int boost = made_label(i) == c ? 4 : 0;

    return c == 5 ? 0 : c == 3 ? (h + boost) / 8 : h + boost;
}

static void make_answers(struct rn_report *report, struct rn_answer *answers,
                         float *probabilities)
{
    *report = (struct rn_report){.count = MADE,
                                 .classes = MADE_CLASSES,
                                 .answers = answers,
                                 .probabilities = probabilities};
    for (int i = 0; i < MADE; i++) {
        float *row = probabilities + (size_t)i * MADE_CLASSES;

        for (int c = 0; c < MADE_CLASSES; c++)
            row[c] = (float)made_sixteenths(i, c) / 16;
        answers[i] = (struct rn_answer){
            .label = made_label(i),
            .rank = rn_rank(row, MADE_CLASSES, made_label(i))};
        rn_top_k(row, MADE_CLASSES, 5, answers[i].top);
    }
}

/* Undefined with us, 0 with scikit-learn's zero_division. */
static void assert_measure(const char *line, const char *name, double got,
                           double expected)
{
    if (isnan(got) && (isnan(expected) || !(fabs(expected) > 0)))
        return;
    if (!(fabs(got - expected) < 1e-11))
        fail_msg("%s%s: %.12g, scikit-learn has %.12g", line, name, got,
                 expected);
}

static void test_measures(void **state)
{
    static struct rn_answer answers[MADE];
    static float probabilities[MADE * MADE_CLASSES];
    const char *source = getenv("RN_SOURCE");
    struct rn_measures m, macro;
    struct rn_report report;
    double auc = 0, average = 0;
    char line[300], path[1000];
    int lines = 0, with = 0;
    FILE *file;

    (void)state;
    make_answers(&report, answers, probabilities);
    assert_int_equal(rn_report_measures(&report, &macro, NULL), RN_OK);
    snprintf(path, sizeof(path), "%s/tests/golden/measures.txt",
             source ? source : ".");
    file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        double v[5];
        int c;

        if (sscanf(line, "all %lf %lf %lf %lf", &v[0], &v[1], &v[2], &v[3]) ==
            4) {
            assert_measure(line, "precision", macro.precision, v[0]);
            assert_measure(line, "recall", macro.recall, v[1]);
            assert_measure(line, "F1", macro.f1, v[2]);
            assert_measure(line, "balanced", macro.balanced_accuracy, v[3]);
            lines++;
        }
        if (sscanf(line, "%d %lf %lf %lf %lf %lf", &c, &v[0], &v[1], &v[2],
                   &v[3], &v[4]) != 6)
            continue;
        assert_int_equal(rn_report_class_measures(&report, c, &m, NULL), RN_OK);
        assert_measure(line, "precision", m.precision, v[0]);
        assert_measure(line, "recall", m.recall, v[1]);
        assert_measure(line, "F1", m.f1, v[2]);
        assert_measure(line, "ROC-AUC", m.roc_auc, v[3]);
        assert_measure(line, "average precision", m.average_precision, v[4]);
        auc += isnan(v[3]) ? 0 : v[3];
        average += isnan(v[4]) ? 0 : v[4];
        with += !isnan(v[3]);
        lines++;
    }
    fclose(file);
    assert_int_equal(lines, MADE_CLASSES + 1);
    assert_int_equal(with, 4);
    assert_measure("all ", "ROC-AUC", macro.roc_auc, auc / with);
    assert_measure("all ", "average", macro.average_precision, average / with);
}

/* Classes that are not there, one class alone, and ties throughout. */
static void test_measures_at_the_edge(void **state)
{
    float probabilities[4 * 2] = {.5F, .5F, .5F, .5F, .5F, .5F, .5F, .5F};
    struct rn_answer answers[4] = {{.label = 0},
                                   {.label = 0},
                                   {.label = 1, .rank = 1},
                                   {.label = 1, .rank = 1}};
    struct rn_report report = {.count = 4,
                               .classes = 2,
                               .answers = answers,
                               .probabilities = probabilities};
    struct rn_measures m;
    struct rn_error err = {0};

    (void)state;
    assert_int_equal(rn_report_class_measures(&report, 1, &m, NULL), RN_OK);
    assert_true(isnan(m.precision) && fabs(m.recall) < 1e-15);
    assert_true(fabs(m.balanced_accuracy - 0.5) < 1e-15);
    assert_true(fabs(m.roc_auc - 0.5) < 1e-15);
    assert_true(fabs(m.average_precision - 0.5) < 1e-15);
    for (int i = 0; i < 4; i++)
        answers[i] = (struct rn_answer){.label = 0};
    assert_int_equal(rn_report_measures(&report, &m, NULL), RN_OK);
    assert_true(fabs(m.precision - 1) < 1e-15 && fabs(m.recall - 1) < 1e-15);
    assert_true(isnan(m.roc_auc) && fabs(m.average_precision - 1) < 1e-15);
    assert_int_equal(rn_report_class_measures(&report, 2, &m, &err),
                     RN_ERR_ARG);
    report.probabilities = NULL;
    assert_int_equal(rn_report_measures(&report, &m, &err), RN_ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measures),
        cmocka_unit_test(test_measures_at_the_edge),
        TEST(answers_are_kept),
        TEST(classes_are_counted),
        TEST(predictions_are_csv),
        TEST(confusion_is_csv_or_text),
        TEST(confusion_is_svg),
        TEST(wide_names_keep_their_columns),
        TEST(mistakes_are_shown),
        TEST(a_folder_that_is_missing_is_named),
        TEST(models_are_averaged),
        TEST(models_of_other_classes_are_refused),
        TEST(failing_allocations_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
