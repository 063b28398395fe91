/* SPDX-License-Identifier: BSD-2-Clause */
/* A host that has called setlocale() with a decimal comma, or with a decimal
 * point of two bytes: every file is the same as in the C locale, to the bit,
 * and the host's own numbers stay as they were. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "folder.h"

#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"
#include "core/json.h"
#include "model/model.h"
#include "formats/caffe/prototxt.h"
#include "train/run.h"
#include "train/schedule.h"

#include <dirent.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define LIMIT    ((size_t)1 << 26)

/* Turkish, where I and i are no pair, too; Pashto's point is U+066B. */
static const struct {
    const char *name, *source, *point;
} locales[] = {
    {"tr_TR.UTF-8", "tr_TR", ","},
    {"ps_AF.UTF-8", "ps_AF", "\xd9\xab"},
};

/* Made by localedef in the test's folder. */
static bool set_locale(size_t i)
{
    char command[400];

    snprintf(command, sizeof(command),
             "localedef --no-archive -c -f UTF-8 -i %s '%s/%s' >/dev/null 2>&1",
             locales[i].source, folder, locales[i].name);
    if (system(command) == -1)
        return false;
    setenv("LOCPATH", folder, 1);
    if (!setlocale(LC_ALL, locales[i].name))
        return false;
    assert_string_equal(localeconv()->decimal_point, locales[i].point);
    return true;
}

static void end_locale(void)
{
    setlocale(LC_ALL, "C");
    unsetenv("LOCPATH");
}

/* As the host reads and writes numbers itself. */
static void check_host(size_t i)
{
    char expected[16], text[16];

    snprintf(expected, sizeof(expected), "0%s5", locales[i].point);
    snprintf(text, sizeof(text), "%.1f", 0.5);
    assert_string_equal(text, expected);
    assert_true(strtod(expected, NULL) == 0.5);
}

/* ------------------------------------------------------------- functions */

/* Never an exponent. */
static void check_figures(void)
{
    static const struct {
        double value;
        const char *figures, *count;
    } cases[] = {
        {0, "0", "0 M"},
        {-0.5, "-0.5", NULL},
        {75.5, "75.5", "0.00007550 M"},
        {0.00001234, "0.00001234", NULL},
        {999.96, "1000", "0.001 M"},
        {12345.6, "12346", "0.01235 M"},
        {74610, "74610", "0.07461 M"},
        {999960000, "999960000", "1000 M"},
        {11513626624, "11513626624", "11.51 G"},
        {1e16, "10000000000000000", "10000000 G"},
    };
    char text[40];

    for (size_t i = 0; i < COUNT(cases); i++) {
        rn_format_figures(text, sizeof(text), cases[i].value);
        assert_string_equal(text, cases[i].figures);
        if (!cases[i].count)
            continue;
        rn_format_count(text, sizeof(text), cases[i].value);
        assert_string_equal(text, cases[i].count);
    }
}

static void check_functions(void)
{
    struct rn_train_options o;
    struct rn_schedule schedule;
    struct rn_prototxt p;
    json_t *json;
    double value;
    char text[40], *end;

    assert_true(rn_number("0.25x", &end) == 0.25 && *end == 'x');
    assert_true(rn_number("0,25", &end) == 0 && *end == ',');
    assert_int_equal(rn_format(text, sizeof(text), "%g %.2f", 0.5, 1.25), 8);
    assert_string_equal(text, "0.5 1.25");
    check_figures();
    assert_true(rn_same_word("INDEX.TIFF", "index.tiff"));
    assert_string_equal(rn_find_word("x/FASHION-I", "fashion-i"), "FASHION-I");

    json = rn_json_load("[0.5,1e-3]", 10, 0, NULL);
    assert_true(json_real_value(json_array_get(json, 0)) == 0.5);
    end = rn_json_print(json, 0);
    assert_string_equal(end, "[0.5, 0.001]");
    free(end);
    json_decref(json);

    rn_train_defaults(&o);
    o.schedule = "step:62.5%,75%";
    assert_int_equal(rn_schedule_parse(&schedule, &o, 1000, NULL), RN_OK);
    assert_int_equal(schedule.step[0], 625);

    assert_int_equal(
        rn_prototxt_parse(&p, (const uint8_t *)"a: 0.125", 8, "p", NULL),
        RN_OK);
    assert_true(rn_prototxt_number(&p.fields[1], &value) && value == 0.125);
    rn_prototxt_close(&p);
}

static void numbers_are_those_of_c(void **state)
{
    (void)state;
    check_functions();
    for (size_t i = 0; i < COUNT(locales); i++) {
        if (!set_locale(i)) {
            print_message("skipped: no locale %s\n", locales[i].name);
            end_locale();
            skip();
        }
        check_functions();
        check_host(i);
        end_locale();
    }
}

/* ----------------------------------------------------------------- files */

/* The host's locale as its callbacks find it. */
struct host {
    int locale; /* -1: C */
    int calls;
};

static int look(void *user)
{
    struct host *host = user;

    host->calls++;
    if (host->locale >= 0)
        check_host((size_t)host->locale);
    return 0;
}

static void look_at_message(void *user, const char *text)
{
    (void)text;
    look(user);
}

static void ok(int rc, const struct rn_error *err)
{
    if (rc)
        fail_msg("%s", err->msg);
}

static void write_run(struct host *host)
{
    const struct rn_train_events events = {
        .user = host, .stop = look, .message = look_at_message};
    struct rn_train_result result;
    struct rn_train_options o;
    struct rn_error err = {0};

    rn_train_defaults(&o);
    o.data = "synthetic:3x8x8:4:90";
    o.out = "run";
    o.net = "resnet8";
    o.batch = 16;
    o.iterations = 24;
    o.lr = 0.0625;
    o.schedule = "step:62.5%";
    o.lr_scale = "conv4=0.25";
    o.threads = 1;
    ok(rn_train(&o, &events, &result, &err), &err);
    /* Its own options and schedule are read again. */
    ok(rn_train_resume("run", NULL, &events, &result, &err), &err);
    assert_true(host->calls > 24);
}

static void write_reports(void)
{
    struct rn_eval_options options;
    struct rn_eval_result result;
    struct rn_report *report;
    struct rn_model *model;
    struct rn_data *data;
    struct rn_error err = {0};

    rn_eval_defaults(&options);
    options.threads = 1;
    ok(rn_model_load(&model, "run/last.safetensors", &err), &err);
    ok(rn_data_open(&data, "synthetic:3x8x8:4:90", NULL, &err), &err);
    ok(rn_eval_models((const struct rn_model *const *)&model, 1, data,
                      RN_PART_TEST, &options, &result, &report, &err),
       &err);
    ok(rn_report_predictions(report, "predictions.csv", &err), &err);
    ok(rn_report_confusion(report, "confusion.csv", &err), &err);
    ok(rn_report_confusion(report, "confusion.svg", &err), &err);
    ok(rn_report_confusion(report, "confusion.txt", &err), &err);
    ok(rn_report_mistakes(report, "mistakes.html", &err), &err);
    ok(rn_model_export(model, "model.onnx", &err), &err);
    ok(rn_model_save(model, "model.safetensors", &err), &err);
    rn_report_destroy(report);
    rn_data_close(data);
    rn_model_destroy(model);
}

static void write_features(void)
{
    static const float values[] = {0.5F, -1.25F, 1e-7F};
    struct rn_features *features;
    struct rn_error err = {0};

    for (int i = 0; i < 3; i++) {
        static const int none[3][3] = {
            {0, 1, 1}, {-1, 1, 1}, {1 << 30, 1 << 30, 1 << 30}};

        assert_int_equal(
            rn_features_create(&features, "features.csv", none[i], &err),
            RN_ERR_ARG);
    }
    ok(rn_features_create(&features, "features.csv", (int[]){3, 1, 1}, &err),
       &err);
    ok(rn_features_add(features, "a", values, &err), &err);
    ok(rn_features_finish(features, &err), &err);
}

/* Numbers of a prototxt, as a model and in a message. */
static void write_caffe(void)
{
    static const char net[] =
        "name: 'n' input: 'data' input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }\n"
        "layer { name: 'c' type: 'Convolution' bottom: 'data' top: 'c'\n"
        "  convolution_param { num_output: 4 kernel_size: 3 } }\n"
        "layer { name: 'b' type: 'BatchNorm' bottom: 'c' top: 'b'\n"
        "  batch_norm_param { use_global_stats: true eps: 0.0625 } }\n"
        "layer { name: 's' type: 'Scale' bottom: 'b' top: 'b'\n"
        "  scale_param { bias_term: true } }\n"
        "layer { name: 'p' type: 'Pooling' bottom: 'b' top: 'p'\n"
        "  pooling_param { pool: AVE global_pooling: true } }\n"
        "layer { name: 'f' type: 'InnerProduct' bottom: 'p' top: 'f'\n"
        "  inner_product_param { num_output: 2 } }\n";
    struct rn_import_options options;
    struct rn_model *model;
    struct rn_error err = {0};

    rn_import_defaults(&options);
    options.structure = 1;
    ok(rn_file_write("net.prototxt", net, sizeof(net) - 1, &err), &err);
    ok(rn_model_import(&model, "net.prototxt", &options, &err), &err);
    ok(rn_model_save(model, "caffe.safetensors", &err), &err);
    rn_model_destroy(model);
}

static void write_all(const char *name, int locale)
{
    struct host host = {locale, 0};
    char before[PATH_MAX];

    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(mkdir(in_folder(name), 0777), 0);
    assert_int_equal(chdir(in_folder(name)), 0);
    write_run(&host);
    write_reports();
    write_features();
    write_caffe();
    assert_int_equal(chdir(before), 0);
}

/* ------------------------------------------------------------ comparison */

/* What the clock says. */
static const char *const times[] = {"images_per_second", "data_wait"};

/* log.csv without it. */
static void drop_columns(uint8_t **bytes, size_t *size)
{
    bool dropped[16] = {false};
    char *rest = (char *)*bytes, *line, *text = NULL;
    FILE *out = open_memstream(&text, size);

    assert_non_null(out);
    for (int row = 0; (line = strsep(&rest, "\n")); row++) {
        for (int i = 0; line; i++) {
            const char *field = strsep(&line, ",");

            assert_true(i < 16);
            for (size_t k = 0; row == 0 && k < COUNT(times); k++)
                dropped[i] |= strcmp(field, times[k]) == 0;
            if (!dropped[i])
                fprintf(out, "%s,", field);
        }
        putc('\n', out);
    }
    assert_int_equal(fclose(out), 0);
    rn_free(*bytes);
    *bytes = (uint8_t *)rn_strdup(text);
    free(text);
}

/* log.jsonl and run.json without it. */
static void drop_times(uint8_t **bytes, size_t *size)
{
    json_t *lines = json_array();
    char *rest = (char *)*bytes, *line;

    while ((line = strsep(&rest, "\n")) && *line) {
        json_t *object = json_loads(line, 0, NULL);

        assert_non_null(object);
        for (size_t k = 0; k < COUNT(times); k++)
            json_object_del(object, times[k]);
        json_array_append_new(lines, object);
    }
    rn_free(*bytes);
    line = json_dumps(lines, 0);
    *bytes = (uint8_t *)rn_strdup(line);
    *size = strlen(line);
    free(line);
    json_decref(lines);
}

static void compare_file(const char *one, const char *other, const char *name)
{
    const char *const runs[] = {one, other};
    uint8_t *bytes[2];
    size_t size[2];

    for (int i = 0; i < 2; i++) {
        char path[700];
        struct rn_error err = {0};

        snprintf(path, sizeof(path), "%s/%s/%s", folder, runs[i], name);
        ok(rn_file_read(path, LIMIT, &bytes[i], &size[i], &err), &err);
        if (strstr(name, "log.jsonl"))
            drop_times(&bytes[i], &size[i]);
        if (strstr(name, "log.csv"))
            drop_columns(&bytes[i], &size[i]);
    }
    if (size[0] != size[1] || memcmp(bytes[0], bytes[1], size[0]) != 0)
        fail_msg("%s differs between %s and %s", name, one, other);
    rn_free(bytes[0]);
    rn_free(bytes[1]);
}

static int compare_folders(const char *one, const char *other,
                           const char *inner)
{
    char path[700];
    struct dirent *entry;
    DIR *dir;
    int n = 0;

    snprintf(path, sizeof(path), "%s/%s/%s", folder, one, inner);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        char name[600];

        snprintf(name, sizeof(name), "%s%s", inner, entry->d_name);
        if (entry->d_type != DT_REG)
            continue;
        compare_file(one, other, name);
        n++;
    }
    closedir(dir);
    return n;
}

static void files_are_those_of_c(void **state)
{
    (void)state;
    write_all("c", -1);
    for (size_t i = 0; i < COUNT(locales); i++) {
        if (!set_locale(i)) {
            print_message("skipped: no locale %s\n", locales[i].name);
            end_locale();
            skip();
        }
        write_all(locales[i].source, (int)i);
        check_host(i);
        end_locale();
        assert_int_equal(compare_folders("c", locales[i].source, ""), 10);
        assert_int_equal(compare_folders("c", locales[i].source, "run/"), 6);
    }
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(numbers_are_those_of_c),
        TEST(files_are_those_of_c),
    };

    return cmocka_run_group_tests_name("locale", tests, NULL, NULL);
}
