/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports of made run folders: which runs count, what sets them apart, what
 * their errors are of. */
#include "core/file.h"
#include "core/memory.h"
#include "resnet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"

/* A run of resnet20 on 5,000 images, 100 iterations of 128; what is 0 or NULL
 * is as in most. */
struct made {
    const char *folder;
    int seed; /* 1 */
    const char *net, *data, *checksum, *log;
    int iterations, done; /* 100; as many */
    int validation, accumulate;
    double error; /* of the last test */
    double macs;  /* 40551040 */
};

/* Ten reports, a test in the middle and at the end, 1,000 images a second. */
static size_t make_log(char *text, size_t size, const struct made *m,
                       int iterations)
{
    size_t used = 0;

    for (int i = iterations / 10; i <= (m->done ? m->done : iterations);
         i += iterations / 10) {
        used += (size_t)snprintf(
            text + used, size - used,
            "{\"iteration\": %d, \"loss\": 1, \"train_error\": %d, "
            "\"images_per_second\": 1000",
            i, 90 - 60 * i / iterations);
        if (i == iterations / 2 || i == iterations)
            used += (size_t)snprintf(text + used, size - used,
                                     ", \"test_error\": %g, \"test_loss\": 1",
                                     m->error);
        used += (size_t)snprintf(text + used, size - used, "}\n");
    }
    return used;
}

static void make_run(const struct made *m)
{
    int iterations = m->iterations ? m->iterations : 100;
    const char *net = m->net ? m->net : "resnet20";
    char text[4000], name[100];
    int n = snprintf(
        text, sizeof(text),
        "{\"iterations\": %d, \"options\": {\"net\": \"%s\", \"batch\": 128, "
        "\"accumulate\": %d, \"seed\": %d, \"validation\": %d, \"data\": "
        "\"/x/%s\"}, \"network\": {\"net\": \"%s\", \"params\": 272474, "
        "\"macs\": %.0f}, \"data\": {\"format\": \"cifar10\", \"checksum\": "
        "\"%s\", \"validation\": %d}}",
        iterations, net, m->accumulate ? m->accumulate : 1,
        m->seed ? m->seed : 1, m->validation, m->data ? m->data : "cifar", net,
        m->macs > 0 ? m->macs : 40551040, m->checksum ? m->checksum : "aa",
        m->validation);

    snprintf(name, sizeof(name), "%s/run.json", m->folder);
    write_file(name, text, (size_t)n);
    snprintf(name, sizeof(name), "%s/log.jsonl", m->folder);
    if (m->log)
        write_file(name, m->log, strlen(m->log));
    else
        write_file(name, text, make_log(text, sizeof(text), m, iterations));
}

static void make_runs(const struct made *runs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        make_run(&runs[i]);
}

#define MAKE(runs) make_runs(runs, sizeof(runs) / sizeof(*(runs)))

/* ---------------------------------------------------------------- reports */

static char said[2000];

static void hear(void *user, const char *text)
{
    size_t used = strlen(said);

    (void)user;
    snprintf(said + used, sizeof(said) - used, "%s\n", text);
}

static struct rn_study_result report(const char *root,
                                     const struct rn_study *study)
{
    struct rn_study_result result;
    struct rn_error err = {0};

    said[0] = '\0';
    if (rn_study_report(in_folder(root), study, hear, NULL, &result, &err))
        fail_msg("%s", err.msg);
    return result;
}

/* What a file of the report says; the test's, until the next call. */
static const char *text_of(const char *name)
{
    static char text[200000];
    uint8_t *bytes;
    struct rn_error err = {0};
    size_t size;

    if (rn_file_read(in_folder(name), sizeof(text) - 1, &bytes, &size, &err))
        fail_msg("%s", err.msg);
    memcpy(text, bytes, size);
    text[size] = '\0';
    rn_free(bytes);
    return text;
}

static void has(const char *name, const char *what)
{
    const char *text = text_of(name);

    if (!strstr(text, what))
        fail_msg("%s has no '%s':\n%s", name, what, text);
}

static void lacks(const char *name, const char *what)
{
    if (strstr(text_of(name), what))
        fail_msg("%s has '%s'", name, what);
}

static size_t count(const char *name, const char *what)
{
    size_t found = 0;

    for (const char *c = text_of(name); (c = strstr(c, what)); c++)
        found++;
    return found;
}

/* ------------------------------------------------------------------ seeds */

static void a_linked_folder_is_one_run(void **state)
{
    const struct made run = {.folder = "linked/a/resnet20", .error = 8};

    (void)state;
    make_run(&run);
    mkdir(in_folder("linked/b"), 0777);
    assert_int_equal(symlink("../a/resnet20", in_folder("linked/b/resnet20")),
                     0);
    assert_int_equal(report("linked", NULL).runs, 1);
    assert_non_null(strstr(
        said, "/linked/b/resnet20' is the same folder as 'a/resnet20' and left "
              "out\n"));
    has("linked/report.md", "| resnet20 | 1 of 1 | 8.00 % |");
}

/* A copied folder; the seed that has not finished is another one. */
static void a_seed_counts_once(void **state)
{
    static const struct made runs[] = {
        {.folder = "seeds/a", .seed = 1, .error = 9, .done = 50},
        {.folder = "seeds/b", .seed = 1, .error = 8},
        {.folder = "seeds/c", .seed = 1, .error = 8},
        {.folder = "seeds/d", .seed = 2, .error = 10},
        {.folder = "seeds/e", .seed = 3, .done = 50},
    };

    (void)state;
    MAKE(runs);
    assert_int_equal(report("seeds", NULL).groups, 1);
    has("seeds/report.md",
        "| resnet20 | 2 of 3, 3 runs of seed 1 | 9.00 ± 1.41 % | 8.00 % |");
}

/* ------------------------------------------------------------------ names */

static void groups_of_one_name_are_told_apart(void **state)
{
    static const struct made runs[] = {
        {.folder = "names/a", .data = "cifar", .checksum = "aa"},
        {.folder = "names/b", .data = "part", .checksum = "bb"},
        {.folder = "names/c", .data = "part", .checksum = "cc"},
        {.folder = "names/d", .net = "resnet32"},
        {.folder = "names/e", .net = "resnet32", .iterations = 200},
        {.folder = "names/f", .net = "resnet44"},
    };

    (void)state;
    MAKE(runs);
    assert_int_equal(report("names", NULL).groups, 6);
    has("names/report.md", "\n| resnet20, cifar |");
    has("names/report.md", "\n| resnet20, part |");
    has("names/report.md", "\n| resnet20, part (2) |");
    has("names/report.md", "\n| resnet32, 100 iterations |");
    has("names/report.md", "\n| resnet32, 200 iterations |");
    has("names/report.md", "\n| resnet44 |");
}

static void names_are_text(void **state)
{
    static const struct made run = {.folder = "text/a",
                                    .net = "<b>|[x](y)`* _a_b_ ~&lt;"};

    (void)state;
    make_run(&run);
    report("text", NULL);
    has("text/report.md",
        "\n| \\<b\\>\\|\\[x\\](y)\\`\\* \\_a_b\\_ \\~\\&lt; |");
}

/* ------------------------------------------------------------------ parts */

static void errors_are_called_what_they_are_of(void **state)
{
    static const struct made runs[] = {
        {.folder = "parts/v", .validation = 500},
        {.folder = "parts/w", .validation = 500, .seed = 2},
        {.folder = "parts/t"},
    };

    (void)state;
    make_runs(runs, 2);
    report("parts", NULL);
    has("parts/report.md", "| validation error | best | training error |");
    has("parts/report.html", "<th>validation error</th><th>least");
    has("parts/report.html", "\"axis\":\"error, % (thin: training, bold: "
                             "validation)\"");
    has("parts/figure-1.svg", "bold: validation)");
    lacks("parts/report.html", "test error");
    make_run(&runs[2]);
    report("parts", NULL);
    has("parts/report.md", "| error | best | of | training error |");
    has("parts/report.md", "| validation images |");
    has("parts/report.md", "| test images |");
    has("parts/report.md", "these do not compare.");
    has("parts/report.html", "<td>test images</td>");
    has("parts/figure-1.svg", "bold: test or validation)");
}

/* ---------------------------------------------------------------- figures */

static void figures_draw_the_runs_they_name(void **state)
{
    static const struct made runs[] = {
        {.folder = "figures/resnet20-seed1", .seed = 1},
        {.folder = "figures/resnet20-seed2", .seed = 2},
        {.folder = "figures/resnet20-seed3", .seed = 3},
    };
    static const char text[] = "net = resnet20\nseed = 1 | 2 | 3\n"
                               "name = {net}-seed{seed}\n"
                               "figure = One: *-seed1\nfigure = All: *\n";
    struct rn_error err = {0};
    struct rn_study *study;

    (void)state;
    MAKE(runs);
    write_file("figures.conf", text, sizeof(text) - 1);
    if (rn_study_read(&study, in_folder("figures.conf"), &err))
        fail_msg("%s", err.msg);
    report("figures", study);
    rn_study_destroy(study);
    assert_int_equal(count("figures/figure-1.svg", "<polyline"), 2);
    assert_int_equal(count("figures/figure-2.svg", "<polyline"), 6);
    has("figures/report.html", "\"shown\":[{\"group\":0,\"runs\":[0]}]");
    has("figures/report.html", "\"shown\":[{\"group\":0,\"runs\":[0,1,2]}]");
}

/* ------------------------------------------------------------------- logs */

/* 100 iterations of 128 images, 1,000 a second, and of four such batches. */
static void time_is_that_of_all_batches(void **state)
{
    static const struct made runs[] = {
        {.folder = "time/a"},
        {.folder = "time/b", .accumulate = 4},
    };

    (void)state;
    MAKE(runs);
    report("time", NULL);
    has("time/report.csv", ",12.8\n");
    has("time/report.csv", ",51.2\n");
}

/* A wrong iteration neither ends a run nor hides what comes after it. */
static void lines_beyond_the_run_are_none(void **state)
{
    static const struct made run = {
        .folder = "beyond/a",
        .log = "{\"iteration\": 10, \"loss\": 1, \"train_error\": 80}\n"
               "{\"iteration\": 101, \"loss\": 1, \"train_error\": 1}\n"
               "{\"iteration\": 9223372036854775807, \"train_error\": 1}\n"
               "{\"iteration\": 20, \"loss\": 1, \"train_error\": 70}\n"};

    (void)state;
    make_run(&run);
    assert_int_equal(report("beyond", NULL).finished, 0);
    assert_non_null(strstr(said, "2 of 4 lines are none of a log and left out, "
                                 "the first is line 2\n"));
    has("beyond/report.csv", "1,20,100,no,70.0000,");
}

/* Neither the logarithmic axis of layers nor that of errors goes on for ever.
 */
static void broken_numbers_end(void **state)
{
    static const struct made runs[] = {
        {.folder = "tiny/a",
         .log = "{\"iteration\": 1, \"gradients\": {\"a\": 5e-324, \"b\": "
                "1.7e308}, \"activations\": {}}\n"
                "{\"iteration\": 100, \"train_error\": 5e-324}\n"},
        {.folder = "tiny/b",
         .seed = 2,
         .log = "{\"iteration\": 1, \"gradients\": {\"a\": 5e-324, \"b\": "
                "5e-324}, \"activations\": {}}\n"},
    };

    (void)state;
    MAKE(runs);
    assert_int_equal(report("tiny", NULL).runs, 2);
    lacks("tiny/report.html", "nan");
    lacks("tiny/report.html", "inf");
}

static void large_counts_have_no_exponent(void **state)
{
    static const struct made run = {.folder = "large/a", .macs = 11513626624};

    (void)state;
    make_run(&run);
    report("large", NULL);
    has("large/report.md", "| 0.2725 M | 11.51 G |");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_linked_folder_is_one_run),
        cmocka_unit_test(a_seed_counts_once),
        cmocka_unit_test(groups_of_one_name_are_told_apart),
        cmocka_unit_test(names_are_text),
        cmocka_unit_test(errors_are_called_what_they_are_of),
        cmocka_unit_test(figures_draw_the_runs_they_name),
        cmocka_unit_test(time_is_that_of_all_batches),
        cmocka_unit_test(lines_beyond_the_run_are_none),
        cmocka_unit_test(broken_numbers_end),
        cmocka_unit_test(large_counts_have_no_exponent),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
