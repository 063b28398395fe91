/* SPDX-License-Identifier: BSD-2-Clause */
/* Distillation: runs that learn a teacher's answers, too. What such a loss is
 * test_loss.c and test_golden.c compare. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "taught.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct rn_train_options taught_run(const char *name)
{
    struct rn_train_options o = run_with_teacher(name);

    o.distill_temperature = 4;
    o.distill_weight = 2;
    o.distill_weight_end = 0.5;
    return o;
}

/* Stopped anywhere, on another number of threads, and with the teacher in
 * another format the run is the same. */
static void runs_resume_to_the_bit(void **state)
{
    struct rn_train_options o = taught_run("whole");
    struct rn_error err = {0};

    (void)state;
    train(&o);
    for (int stop = 1; stop < 13; stop += 5) {
        int left = stop;
        const struct rn_train_events events = {.user = &left,
                                               .stop = stop_soon};
        char name[32], file[64];

        snprintf(name, sizeof(name), "stopped-%d", stop);
        snprintf(file, sizeof(file), "%s/last.safetensors", name);
        o.out = in_folder(name);
        assert_int_equal(rn_train(&o, &events, NULL, &err), RN_ERR_STOPPED);
        if (rn_train_resume(in_folder(name), NULL, NULL, NULL, &err))
            fail_msg("%s", err.msg);
        assert_true(same_file("whole/last.safetensors", file));
    }
    o = taught_run("threads");
    o.threads = 3;
    train(&o);
    assert_true(
        same_file("whole/last.safetensors", "threads/last.safetensors"));
}

static void note_precision(void *user, const char *text)
{
    if (strstr(text, "answers in bf16"))
        *(bool *)user = true;
}

/* In bfloat16 the teacher's answers are, too, again the same on any threads. */
static void teachers_answer_in_the_runs_precision(void **state)
{
    struct rn_train_options o = taught_run("bf16");
    struct rn_error err = {0};
    bool said = false;
    const struct rn_train_events events = {.user = &said,
                                           .message = note_precision};

    (void)state;
    o.precision = RN_PRECISION_BF16;
    o.emulate = 1;
    o.iterations = 3;
    if (rn_train(&o, &events, NULL, &err))
        fail_msg("%s", err.msg);
    assert_true(said);
    o.out = in_folder("bf16-threads");
    o.threads = 3;
    train(&o);
    assert_true(
        same_file("bf16/last.safetensors", "bf16-threads/last.safetensors"));
    said = false;
    o = taught_run("float32");
    o.iterations = 3;
    if (rn_train(&o, &events, NULL, &err))
        fail_msg("%s", err.msg);
    assert_false(said);
}

/* Each option shapes the result, the teacher above all. */
static void every_option_counts(void **state)
{
    struct rn_train_options o = taught_run("all");

    (void)state;
    train(&o);
    for (int i = 0; i < 4; i++) {
        char name[32], file[64];

        snprintf(name, sizeof(name), "other-%d", i);
        snprintf(file, sizeof(file), "%s/last.safetensors", name);
        o = i == 0 ? short_run(name) : taught_run(name);
        if (i == 1)
            o.distill_temperature = 0; /* 3 */
        else if (i == 2)
            o.distill_weight = 1;
        else if (i == 3)
            o.distill_weight_end = RN_ZERO;
        train(&o);
        if (same_file("all/last.safetensors", file))
            fail_msg("option %d changes nothing", i);
    }
}

static void weights_go_evenly(void **state)
{
    static const struct {
        double from, to;
        long at, of;
        double weight;
    } cases[] = {
        {0, 0, 7, 10, 1},  {4, 0, 9, 10, 4}, {4, 1, 0, 4, 4},
        {4, 1, 1, 4, 3},   {4, 1, 3, 4, 1},  {4, RN_ZERO, 3, 4, 0},
        {1, 2.5, 2, 4, 2}, {4, 1, 0, 1, 4},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct rn_train_options o = {.distill_weight = cases[i].from,
                                           .distill_weight_end = cases[i].to};
        struct rn_soft_targets soft;

        rn_soften(&o, cases[i].at, cases[i].of, &soft);
        if (fabs(soft.weight - cases[i].weight) > 1e-12)
            fail_msg("case %zu: weight %g", i, soft.weight);
        assert_true(fabs(soft.temperature - 3) < 1e-12);
    }
}

/* The images are the teacher's, whatever the training images would give. */
static void images_are_normalised_as_the_teachers(void **state)
{
    struct rn_train_options o = taught_run("as-taught");
    struct rn_model *taught, *teacher;
    struct rn_error err = {0};

    (void)state;
    train(&o);
    assert_int_equal(rn_model_load(&taught, in_folder("as-taught"), &err),
                     RN_OK);
    assert_int_equal(rn_model_load(&teacher, o.teacher, &err), RN_OK);
    assert_false(taught->preprocessing.per_pixel);
    assert_memory_equal(taught->preprocessing.mean, teacher->preprocessing.mean,
                        3 * sizeof(float));
    rn_model_destroy(taught);
    rn_model_destroy(teacher);
    o = taught_run("pixel");
    o.normalize = "pixel";
    expect_refused(&o, RN_ERR_ARG, "the model of `teacher` keeps");
    /* A model that was shown others cannot learn from it. */
    o = short_run("shown-others");
    o.normalize = "pixel";
    train(&o);
    o = taught_run("refused");
    o.net = NULL;
    o.weights = in_folder("shown-others/last.safetensors");
    expect_refused(&o, RN_ERR_DATA, "normalised otherwise than `weights`");
}

static void unfit_teachers_are_refused(void **state)
{
    static const struct {
        const char *data, *words;
    } others[] = {
        {"synthetic:3x8x8:5:90",
         "knows 5 classes, 'synthetic:3x8x8:4:90' has 4"},
        {"synthetic:3x12x12:4:90", "takes 12 x 12 pixels, not 8 x 8"},
        {"synthetic:1x8x8:4:90", "takes images of 1 x 8 x 8"},
    };
    struct rn_train_options o;

    (void)state;
    for (size_t i = 0; i < COUNT(others); i++) {
        char name[32], file[64];

        snprintf(name, sizeof(name), "unfit-%zu", i);
        snprintf(file, sizeof(file), "%s/last.safetensors", name);
        o = short_run(name);
        o.data = others[i].data;
        o.iterations = 1;
        train(&o);
        o = taught_run("refused");
        o.teacher = in_folder(file);
        expect_refused(&o, RN_ERR_DATA, others[i].words);
    }
    o = short_run("independent");
    o.loss = "binary-cross-entropy";
    o.iterations = 1;
    train(&o);
    o = taught_run("refused");
    o.teacher = in_folder("independent/last.safetensors");
    expect_refused(&o, RN_ERR_ARG, "a teacher must give");
    o = taught_run("refused");
    o.loss = "squared-hinge";
    expect_refused(&o, RN_ERR_ARG, "squared-hinge has no softmax");
    o = taught_run("refused");
    o.teacher = "/nonexistent";
    expect_refused(&o, RN_ERR_IO, "/nonexistent");
    o = taught_run("refused");
    o.teacher = NULL;
    expect_refused(&o, RN_ERR_ARG,
                   "`distill_temperature` goes with a `teacher`");
}

/* Another model under the same name is not gone on with, and a run whose
 * teacher's weight falls to its end does not become longer. */
static void resumed_otherwise(void **state)
{
    struct rn_train_options o = taught_run("moved");
    struct rn_error err = {0};
    int left = 4;
    const struct rn_train_events events = {.user = &left, .stop = stop_soon};

    (void)state;
    o.teacher = in_folder("teacher.safetensors");
    assert_int_equal(link(in_folder("teacher/last.safetensors"), o.teacher), 0);
    assert_int_equal(rn_train(&o, &events, NULL, &err), RN_ERR_STOPPED);
    assert_int_equal(unlink(o.teacher), 0);
    assert_int_equal(rn_train_resume(o.out, NULL, NULL, NULL, &err), RN_ERR_IO);
    assert_int_equal(link(in_folder("all/last.safetensors"), o.teacher), 0);
    assert_int_equal(rn_train_resume(o.out, NULL, NULL, NULL, &err),
                     RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "is not the teacher the run began with"));
    assert_int_equal(unlink(o.teacher), 0);
    assert_int_equal(link(in_folder("teacher/last.safetensors"), o.teacher), 0);
    assert_int_equal(
        rn_train_resume(o.out, &(struct rn_resume_options){.iterations = 20},
                        NULL, NULL, &err),
        RN_ERR_ARG);
    assert_non_null(
        strstr(err.msg, "`distill_weight` goes to that of the end"));
    if (rn_train_resume(o.out, NULL, NULL, NULL, &err))
        fail_msg("%s", err.msg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_go_evenly),
        cmocka_unit_test(runs_resume_to_the_bit),
        cmocka_unit_test(teachers_answer_in_the_runs_precision),
        cmocka_unit_test(every_option_counts),
        cmocka_unit_test(images_are_normalised_as_the_teachers),
        cmocka_unit_test(unfit_teachers_are_refused),
        cmocka_unit_test(resumed_otherwise),
    };

    return cmocka_run_group_tests(tests, make_teacher, remove_folder);
}
