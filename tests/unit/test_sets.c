/* SPDX-License-Identifier: BSD-2-Clause */
/* Images of any number of classes: lists that have them, training and
 * evaluation on them, and who refuses them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "folder.h"

#include "core/count.h"
#include "core/memory.h"
#include "eval/eval.h"
#include "eval/report.h"
#include "resnet.h"

#include <math.h>

enum { SIDE = 16, PICTURES = 32 };

/* A picture whose channels are bright or dark, by the bits of `classes`. */
static void write_picture(const char *name, int classes, int seed)
{
    char bytes[13 + SIDE * SIDE * 3];
    size_t n = (size_t)snprintf(bytes, sizeof(bytes), "P6\n16 16\n255\n");

    for (int i = 0; i < SIDE * SIDE * 3; i++)
        bytes[n++] =
            (char)((classes >> i % 3 & 1 ? 90 : 10) + (i * 7 + seed * 13) % 30);
    write_file(name, bytes, n);
}

static const char *const colours[] = {"blue", "green", "red"};

/* Pictures I.ppm of the classes whose bits I % 8 has, and their list. */
static const char *make_set(void)
{
    char text[4000] = "file,labels\n", name[40];

    for (int i = 0; i < PICTURES; i++) {
        size_t n;

        snprintf(name, sizeof(name), "data/%d.ppm", i);
        write_picture(name, i % 8, i);
        n = strlen(text);
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%d.ppm,", i);
        for (int c = 2; c >= 0; c--)
            if (i % 8 >> c & 1)
                n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s",
                                      text[n - 1] == ',' ? "" : " ; ",
                                      colours[c]);
        snprintf(text + n, sizeof(text) - n, "%s\n", i % 8 ? "" : ";");
    }
    write_file("data/labels.csv", text, strlen(text));
    return in_folder("data");
}

static struct rn_data *open_data(const char *path, double validation)
{
    const struct rn_data_options o = {.validation_percent = validation,
                                      .seed = 3};
    struct rn_error err = {0};
    struct rn_data *data;

    if (rn_data_open(&data, path, &o, &err))
        fail_msg("%s", err.msg);
    return data;
}

/* The bits of an image's classes. */
static int bits_of(const struct rn_data *data, enum rn_part part, int index)
{
    int classes[3], bits = 0;
    int n = rn_data_classes(data, part, index, classes, 3);

    for (int k = 0; k < n; k++)
        bits |= 1 << classes[k];
    return bits;
}

/* Each picture keeps its classes, held out or not. */
static void lists_are_read(void **state)
{
    const char *path = make_set();
    struct rn_data *data = open_data(path, 25);
    struct rn_data_info info;

    (void)state;
    rn_data_describe(data, &info);
    assert_int_equal(info.several, 1);
    assert_int_equal(info.classes, 3);
    assert_string_equal(rn_data_class_name(data, 0), "blue");
    assert_int_equal(info.count[RN_PART_TRAIN] + info.count[RN_PART_VALIDATION],
                     PICTURES);
    for (int p = RN_PART_TRAIN; p <= RN_PART_VALIDATION; p++)
        for (int i = 0; i < info.count[p]; i++) {
            const char *file = rn_data_file(data, (enum rn_part)p, i);
            int number = atoi(strrchr(file, '/') + 1), label, bits;

            bits = bits_of(data, (enum rn_part)p, i);
            assert_int_equal(bits, number % 8);
            assert_int_equal(
                rn_data_image(data, (enum rn_part)p, i, NULL, &label, NULL),
                RN_OK);
            assert_int_equal(label, bits == 1   ? 0
                                    : bits == 2 ? 1
                                    : bits == 4 ? 2
                                                : -1);
        }
    assert_int_equal(rn_data_classes(data, RN_PART_TRAIN, PICTURES, NULL, 0),
                     RN_ERR_ARG);
    rn_data_close(data);
}

static void lists_are_refused(void **state)
{
    static const struct {
        const char *text, *says;
    } lists[] = {
        {"file,class\na.ppm,cat;\n", "line 2: one of its classes has no name"},
        {"file,class\na.ppm,;cat\n", "line 2: one of its classes has no name"},
        {"file,class\na.ppm,cat; ;dog\n", "line 2: one of its classes has no"},
        {"file,class\na.ppm,\n", "line 2 is not FILE,CLASS"},
        {"file,class\na.ppm,cat;dog;cat\n", "line 2 names class 'cat' twice"},
        {"file,class\na.ppm,cat;dog\na.ppm,cat\n",
         "'a.ppm' is of other classes in line 2 than in line 3"},
    };

    (void)state;
    write_picture("bad/a.ppm", 1, 1);
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        struct rn_error err = {0};
        struct rn_data *data;

        write_file("bad/labels.csv", lists[i].text, strlen(lists[i].text));
        assert_int_equal(rn_data_open(&data, in_folder("bad"), NULL, &err),
                         RN_ERR_DATA);
        if (!strstr(err.msg, lists[i].says))
            fail_msg("'%s', expected '%s'", err.msg, lists[i].says);
    }
}

static int stop_soon(void *user)
{
    return ++*(int *)user == 4;
}

static struct rn_train_options run_of(const char *data, const char *out)
{
    struct rn_train_options o;

    rn_train_defaults(&o);
    o.data = data;
    o.out = out;
    o.net = "resnet20";
    o.size = SIDE;
    o.batch = 8;
    o.iterations = 9;
    o.lr = 0.05;
    o.threads = 2;
    o.loss = "binary-cross-entropy";
    o.schedule = "constant";
    o.augment = "none";
    o.mixup = 0.4;
    o.validation_percent = 25;
    o.seed = 3; /* as open_data() */
    return o;
}

static void *read_all(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    void *bytes = rn_alloc(1 << 24, 1);

    assert_non_null(file);
    assert_non_null(bytes);
    *size = fread(bytes, 1, 1 << 24, file);
    fclose(file);
    return bytes;
}

/* What a run tells of its last test is what rn_eval() does. */
static void check_measured(const struct rn_train_result *trained,
                           const struct rn_eval_result *tested)
{
    const struct {
        const char *name;
        double value;
    } expected[] = {
        {"test_error", tested->exact_error},
        {"test_mean_average_precision", tested->mean_average_precision},
        {"test_f1", tested->f1},
        {"test_loss", tested->loss}};

    assert_int_equal(trained->measures, COUNT(expected));
    for (size_t i = 0; i < COUNT(expected); i++) {
        const struct rn_measured *m = &trained->measured[i];

        assert_string_equal(m->name, expected[i].name);
        assert_true(fabs(m->value - expected[i].value) < 1e-5);
    }
}

/* The log's last line holds the same. */
static void check_log(const char *path, const struct rn_train_result *trained)
{
    size_t size;
    char *text = read_all(path, &size), *line;

    text[size - 1] = '\0'; /* the last line's end */
    line = strrchr(text, '\n');
    for (int i = 0; i < trained->measures; i++) {
        const struct rn_measured *m = &trained->measured[i];
        char key[60];
        const char *at;

        snprintf(key, sizeof(key), "\"%s\": ", m->name);
        at = strstr(line ? line : text, key);
        assert_non_null(at);
        assert_true(fabs(strtod(at + strlen(key), NULL) - m->value) <
                    1e-4 * (1 + fabs(m->value)));
    }
    assert_null(strstr(text, "test_error5"));
    rn_free(text);
}

/* Mixed sets, too, and to the bit when stopped; the test's figures are those
 * of rn_eval(). */
static void sets_are_learned(void **state)
{
    const char *path = make_set();
    struct rn_train_options o = run_of(path, in_folder("whole"));
    struct rn_train_result trained;
    struct rn_eval_result tested;
    struct rn_model *model;
    struct rn_model_info info;
    struct rn_data *data;
    struct rn_error err = {0};
    int asked = 0;
    const struct rn_train_events events = {.user = &asked, .stop = stop_soon};
    size_t n, m;
    void *a, *b;

    (void)state;
    if (rn_train(&o, NULL, &trained, &err))
        fail_msg("%s", err.msg);
    assert_true(isnan(trained.test_error5) && isfinite(trained.test_loss));
    o.out = in_folder("broken");
    assert_int_equal(rn_train(&o, &events, NULL, &err), RN_ERR_STOPPED);
    if (rn_train_resume(o.out, NULL, NULL, NULL, &err))
        fail_msg("%s", err.msg);
    a = read_all(in_folder("whole/last.safetensors"), &n);
    b = read_all(in_folder("broken/last.safetensors"), &m);
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n);
    rn_free(a);
    rn_free(b);

    data = open_data(path, 25);
    assert_int_equal(
        rn_model_load(&model, in_folder("whole/last.safetensors"), &err),
        RN_OK);
    rn_model_describe(model, &info);
    assert_int_equal(info.output, RN_OUTPUT_INDEPENDENT_LOGITS);
    if (rn_eval(model, data, RN_PART_VALIDATION, NULL, &tested, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(tested.several, 1);
    assert_true(isnan(tested.top1_error) && isnan(tested.calibration_error));
    assert_true(fabs(tested.exact_error - trained.test_error) < 1e-9);
    assert_true(fabs(tested.loss - trained.test_loss) < 1e-5);
    check_measured(&trained, &tested);
    check_log(in_folder("whole/log.jsonl"), &trained);
    rn_model_destroy(model);
    rn_data_close(data);
}

/* Images of one class each are sets of one to a model of independent classes:
 * what its report holds of them gives the measures by hand. */
static void sets_of_one_are_evaluated(void **state)
{
    struct rn_train_options o =
        run_of("synthetic:3x16x16:4:160", in_folder("one"));
    const struct rn_eval_options keep = {.keep = 1};
    const struct rn_model *models[1];
    struct rn_train_result trained;
    struct rn_eval_result r;
    struct rn_report *report;
    struct rn_model *model = NULL;
    struct rn_data *data = NULL;
    struct rn_error err = {0};
    long wrong = 0, likeliest = 0, hits = 0, answered = 0;
    double loss = 0;
    int count;

    (void)state;
    o.size = 0;
    o.validation_percent = 0;
    if (rn_train(&o, NULL, &trained, &err) ||
        rn_model_load(&model, in_folder("one/last.safetensors"), &err) ||
        rn_data_open(&data, o.data, NULL, &err))
        fail_msg("%s", err.msg);
    models[0] = model;
    if (rn_eval_models(models, 1, data, RN_PART_TEST, &keep, &r, &report, &err))
        fail_msg("%s", err.msg);
    count = trained.test_images;
    for (int i = 0; i < count; i++) {
        const float *p = report->probabilities + (size_t)i * 4;
        int label = report->answers[i].label;
        bool exact = true;

        for (int c = 0; c < 4; c++) {
            bool there = c == label, answer = (double)p[c] > 0.5;

            exact &= answer == there;
            hits += answer && there;
            answered += answer;
            loss -= log(there ? (double)p[c] : 1 - (double)p[c]) / 4 / count;
        }
        wrong += !exact;
        likeliest += report->answers[i].rank > 0;
    }
    assert_int_equal(r.several, 0);
    assert_int_equal(r.images, count);
    assert_true(fabs(r.exact_error - 100.0 * (double)wrong / count) < 1e-9);
    assert_true(fabs(r.top1_error - 100.0 * (double)likeliest / count) < 1e-9);
    assert_true(fabs(r.top1_error - trained.test_error) < 1e-9);
    assert_true(fabs(r.f1 - 2.0 * (double)hits / (double)(answered + count)) <
                1e-9);
    assert_true(fabs(r.loss - loss) < 1e-4);
    assert_true(r.mean_average_precision > 0 && r.mean_average_precision <= 1);
    assert_true(isfinite(r.calibration_error));
    rn_report_destroy(report);
    rn_model_destroy(model);
    rn_data_close(data);
}

/* What a sigmoid gave becomes logits again, also at its ends. */
static void probabilities_become_logits(void **state)
{
    float p[] = {0, 0.25F, 0.5F, 1};

    (void)state;
    rn_logits(RN_OUTPUT_INDEPENDENT, p, 4);
    assert_true(p[0] < -80 && isfinite(p[0]) && p[3] > 80 && isfinite(p[3]));
    assert_true(fabsf(p[1] + logf(3)) < 1e-6F && p[2] == 0);
}

/* Whoever wants one class for each image names the first that has not. */
static void sets_are_refused(void **state)
{
    const char *path = make_set();
    struct rn_train_options o = run_of(path, in_folder("none"));
    struct rn_error err = {0};

    (void)state;
    o.loss = "cross-entropy";
    o.mixup = 0;
    assert_int_equal(rn_train(&o, NULL, NULL, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "labels.csv', line 2: '0.ppm' is of 0 "
                                    "classes, but loss cross-entropy"));
    o.loss = "binary-cross-entropy";
    o.class_weights = "balanced";
    assert_int_equal(rn_train(&o, NULL, NULL, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "but class_weights balanced"));
}

/* By hand: three images, two classes. */
static void measures(void **state)
{
    static const float logits[3][2] = {{2, -1}, {1, 3}, {-2, -3}};
    static const uint16_t both[] = {1, 0};
    struct rn_data data = {.several = (char *)(uintptr_t) "some"};
    struct rn_eval_result r = {.images = 0};
    struct rn_metrics m;
    double loss = 0;

    (void)state;
    assert_int_equal(rn_metrics_create(&m, &data, RN_OUTPUT_INDEPENDENT_LOGITS,
                                       true, 3, 2, NULL),
                     RN_OK);
    rn_metrics_add_set(&m, 0, logits[0], both + 1, 1, NULL); /* right */
    rn_metrics_add_set(&m, 1, logits[1], both + 1, 1, NULL); /* one too many */
    rn_metrics_add_set(&m, 2, logits[2], both, 2, NULL);     /* neither */
    rn_metrics_result(&m, &r);
    for (int i = 0; i < 3; i++)
        for (int c = 0; c < 2; c++) {
            int there = c == 0 || i == 2;
            double x = (double)logits[i][c];

            loss += log1p(exp(there ? -x : x)) / 2 / 3;
        }
    assert_true(fabs(r.exact_error - 200.0 / 3) < 1e-9);
    assert_true(fabs(r.f1 - 2.0 * 2 / (3 + 4)) < 1e-9);
    /* Class 0: all are; class 1: only the one of the least score. */
    assert_true(fabs(r.mean_average_precision - (1 + 1.0 / 3) / 2) < 1e-9);
    assert_true(fabs(r.loss - loss) < 1e-9);
    assert_true(isnan(r.top1_error) && isnan(r.top5_error));
    rn_metrics_free(&m);
}

static bool is_of(const struct rn_metric *row, bool sets)
{
    return sets ? row->sets : row->single;
}

/* Every row is filled, each kind has one that tells the best and one for ties,
 * and no name twice. */
static void table(void **state)
{
    int chosen[2][3] = {{0}};

    (void)state;
    assert_null(rn_metric_table[RN_METRICS].name);
    for (int i = 0; i < RN_METRICS; i++) {
        const struct rn_metric *row = &rn_metric_table[i];

        assert_true(row->name && row->value && (row->sets || row->single));
        assert_true(row->place < sizeof(struct rn_eval_result));
        assert_true(row->log && strncmp(row->log, "test_", 5) == 0);
        for (int sets = 0; sets < 2; sets++) {
            chosen[sets][row->choice] += is_of(row, sets);
            for (int j = 0; j < i; j++)
                assert_false(is_of(row, sets) &&
                             is_of(&rn_metric_table[j], sets) &&
                             strcmp(row->log, rn_metric_table[j].log) == 0);
        }
    }
    for (int sets = 0; sets < 2; sets++) {
        assert_int_equal(chosen[sets][RN_CHOICE_BEST], 1);
        assert_int_equal(chosen[sets][RN_CHOICE_TIE], 1);
    }
}

/* The larger one is better where the row says so; NaN is never. */
static void better(void **state)
{
    const struct rn_metric lower = {.higher = false}, higher = {.higher = true};

    (void)state;
    assert_true(rn_metric_better(&lower, 1, 2));
    assert_false(rn_metric_better(&lower, 2, 1));
    assert_true(rn_metric_better(&higher, 2, 1));
    assert_false(rn_metric_better(&higher, 1, 2));
    for (int i = 0; i < 2; i++) {
        const struct rn_metric *row = i ? &higher : &lower;

        assert_false(rn_metric_better(row, 1, 1));
        assert_false(rn_metric_better(row, (double)NAN, 1));
        assert_false(rn_metric_better(row, 1, (double)NAN));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read),
        cmocka_unit_test(lists_are_refused),
        cmocka_unit_test(sets_are_learned),
        cmocka_unit_test(sets_are_refused),
        cmocka_unit_test(measures),
        cmocka_unit_test(table),
        cmocka_unit_test(better),
        cmocka_unit_test(sets_of_one_are_evaluated),
        cmocka_unit_test(probabilities_become_logits),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
