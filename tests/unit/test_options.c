/* SPDX-License-Identifier: BSD-2-Clause */
/* Every row of every table of options: its default is what rn_*_defaults()
 * sets, its range is kept, its texts are there. */
#include "core/option.h"

#include "core/count.h"
#include "core/locale.h"
#include "ops/loss.h"
#include "train/optimiser.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DEFAULTS(name)                    \
    static void name##_set(void *options) \
    {                                     \
        rn_##name##_defaults(options);    \
    }
DEFAULTS(net)
DEFAULTS(import)
DEFAULTS(plan)
DEFAULTS(train)
DEFAULTS(eval)
DEFAULTS(bench)
DEFAULTS(quantize)
DEFAULTS(loading)
DEFAULTS(response)

static const struct table {
    const char *name;
    rn_option_table *row;
    void (*defaults)(void *options); /* NULL: zeros */
} tables[] = {
    {"net", rn_net_option, net_set},
    {"import", rn_import_option, import_set},
    {"plan", rn_plan_option, plan_set},
    {"data", rn_data_option, NULL},
    {"survey", rn_survey_option, NULL},
    {"train", rn_train_option, train_set},
    {"resume", rn_resume_option, NULL},
    {"eval", rn_eval_option, eval_set},
    {"bench", rn_bench_option, bench_set},
    {"loading", rn_loading_option, loading_set},
    {"quantize", rn_quantize_option, quantize_set},
    {"response", rn_response_option, response_set},
};

/* Room for the largest of the structs. */
union options {
    struct rn_train_options train;
    struct rn_import_options import;
    char bytes[1024];
};

static void set_defaults(const struct table *t, union options *o)
{
    memset(o, 0, sizeof(*o));
    if (t->defaults)
        t->defaults(o);
}

static size_t size_of(const struct rn_option *o)
{
    switch (o->type) {
    case RN_OPTION_LONG:
        return sizeof(long);
    case RN_OPTION_REAL:
        return sizeof(double);
    case RN_OPTION_SEED:
        return sizeof(uint64_t);
    case RN_OPTION_SIZE:
        return 2 * sizeof(int);
    case RN_OPTION_TEXT:
    case RN_OPTION_WORD:
        return sizeof(const char *);
    case RN_OPTION_LETTER:
        return 1;
    default:
        return sizeof(int);
    }
}

static void defaults_are_the_rows(void **state)
{
    const struct rn_option *o;

    (void)state;
    for (size_t t = 0; t < COUNT(tables); t++) {
        union options set, walked;

        set_defaults(&tables[t], &set);
        memset(&walked, 0, sizeof(walked));
        rn_option_defaults(tables[t].row, &walked);
        for (size_t i = 0; (o = tables[t].row(i)); i++) {
            const char *const *a = (const void *)(set.bytes + o->offset);
            const char *const *b = (const void *)(walked.bytes + o->offset);

            if (size_of(o) == sizeof(*a) && o->type >= RN_OPTION_TEXT && *a &&
                *b && strcmp(*a, *b) == 0)
                continue;
            if (memcmp(a, b, size_of(o)) != 0)
                fail_msg("%s: the default of %s is not its row's %s",
                         tables[t].name, o->name, o->preset ? o->preset : "0");
        }
    }
}

static void set_number(const struct rn_option *o, union options *options,
                       double value)
{
    void *at = options->bytes + o->offset;

    if (o->type == RN_OPTION_REAL)
        *(double *)at = value;
    else if (o->type == RN_OPTION_LONG)
        *(long *)at = (long)value;
    else
        *(int *)at = (int)value;
}

/* The table must take the value, or refuse it and name field, value, range. */
static void try_number(const struct table *t, const struct rn_option *o,
                       double value, bool taken)
{
    struct rn_error err = {0};
    union options options;
    char name[64];
    int rc;

    set_defaults(t, &options);
    set_number(o, &options, value);
    rc = rn_option_check(t->row, &options, &err);
    snprintf(name, sizeof(name), "`%s` is ", o->name);
    if (taken ? rc != RN_OK : rc != RN_ERR_ARG || !strstr(err.msg, name))
        fail_msg("%s: %s of %g: %d, \"%s\"", t->name, o->name, value, rc,
                 err.msg);
}

static void ranges_are_kept(void **state)
{
    const struct rn_option *o;

    (void)state;
    for (size_t t = 0; t < COUNT(tables); t++)
        for (size_t i = 0; (o = tables[t].row(i)); i++) {
            bool real = o->type == RN_OPTION_REAL;
            double low = o->min, high = o->max;
            int words = 1;

            if (o->type > RN_OPTION_REAL && o->type != RN_OPTION_INDEX &&
                o->type != RN_OPTION_SIZE)
                continue;
            for (const char *c = o->words; c && *c; c++)
                words += *c == '|';
            if (o->type == RN_OPTION_FLAG)
                high = 1;
            if (o->type == RN_OPTION_INDEX)
                high = words - 1;
            try_number(&tables[t], o, low, true);
            try_number(&tables[t], o, high, true);
            try_number(&tables[t], o, real ? high * 1.001 : high + 1, false);
            /* below 1 there is 0, which may stand for the default */
            if (o->unset)
                try_number(&tables[t], o, 0, true);
            try_number(&tables[t], o, low > 0 && !o->unset ? low / 2 : -2,
                       false);
            try_number(&tables[t], o, RN_ZERO, o->zero);
            if (real)
                try_number(&tables[t], o, (double)NAN, false);
        }
}

static void words_are_kept(void **state)
{
    const struct rn_option *o;

    (void)state;
    for (size_t t = 0; t < COUNT(tables); t++)
        for (size_t i = 0; (o = tables[t].row(i)); i++) {
            struct rn_error err = {0};
            union options options;

            set_defaults(&tables[t], &options);
            if (o->type == RN_OPTION_WORD)
                *(const char **)(void *)(options.bytes + o->offset) =
                    "sideways";
            else if (o->type == RN_OPTION_LETTER)
                options.bytes[o->offset] = 'Z';
            else if (o->type == RN_OPTION_TEXT)
                *(const char **)(void *)(options.bytes + o->offset) = "\xff";
            else
                continue;
            if (rn_option_check(tables[t].row, &options, &err) != RN_ERR_ARG ||
                !strstr(err.msg, o->name))
                fail_msg("%s: %s: \"%s\"", tables[t].name, o->name, err.msg);
        }
}

static void rows_are_whole(void **state)
{
    const struct rn_option *o;

    (void)state;
    for (size_t t = 0; t < COUNT(tables); t++)
        for (size_t i = 0; (o = tables[t].row(i)); i++) {
            bool words = o->type >= RN_OPTION_WORD;
            bool number =
                o->type == RN_OPTION_INT || o->type == RN_OPTION_LONG ||
                o->type == RN_OPTION_REAL || o->type == RN_OPTION_SIZE;

            if (!o->name || !o->group || !o->help || !*o->help ||
                words != (o->words != NULL) || number != (o->max > o->min) ||
                (o->type != RN_OPTION_FLAG && !words && !o->value))
                fail_msg("%s: row %zu (%s) lacks something", tables[t].name, i,
                         o->name ? o->name : "no name");
        }
}

/* Two tables of files are words of options. */
static void files_are_words(void **state)
{
    (void)state;
    for (int i = 0; rn_optimisers[i]; i++)
        assert_int_equal(rn_option_choice(rn_train_option, "optimizer",
                                          rn_optimisers[i]->name),
                         i);
    for (int i = 0; rn_losses[i]; i++)
        assert_int_equal(
            rn_option_choice(rn_train_option, "loss", rn_losses[i]->name), i);
}

static void spellings(void **state)
{
    char far[80];

    (void)state;
    memset(far, 'x', sizeof(far) - 1);
    far[sizeof(far) - 1] = '\0';
    assert_int_equal(rn_spelling_distance("batch", "batch"), 0);
    assert_int_equal(rn_spelling_distance("bacth", "batch"), 2);
    assert_int_equal(rn_spelling_distance("batc", "batch"), 1);
    assert_int_equal(rn_spelling_distance("lr", "batch"), -1);
    assert_int_equal(rn_spelling_distance(far, "batch"), -1);
    assert_int_equal(rn_spelling_distance("", ""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_rows),
        cmocka_unit_test(ranges_are_kept),
        cmocka_unit_test(words_are_kept),
        cmocka_unit_test(rows_are_whole),
        cmocka_unit_test(files_are_words),
        cmocka_unit_test(spellings),
    };

    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
