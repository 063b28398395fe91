/* SPDX-License-Identifier: BSD-2-Clause */
/* The columns of the report's table of groups: what its cells say, in a page as
 * in Markdown. */
#include "core/count.h"
#include "core/locale.h"
#include "study/study.h"

#include <string.h>

#define STATISTIC(name) \
    rn_group_statistic(in->runs, group, offsetof(struct rn_found, name))

static const char note[] =
    "Errors after the last iteration: mean ± standard deviation over seeds, "
    "and the least of them. Training errors are those of the last line of the "
    "log, of images as augmented. Memory is what the network needs in "
    "training, time that of training alone, without tests.";
static const char mixed_note[] =
    " Some errors are of test images, others of validation images held out of "
    "training: these do not compare.";

const char *rn_report_part(const struct rn_report_input *in)
{
    const char *part = in->runs->at[0].test_name;

    for (size_t i = 1; i < in->runs->count; i++)
        if (strcmp(in->runs->at[i].test_name, part) != 0)
            return NULL;
    return part;
}

static bool parts_differ(const struct rn_report_input *in)
{
    return !rn_report_part(in);
}

void rn_report_note(FILE *out, const struct rn_report_input *in)
{
    fprintf(out, "%s%s", note, parts_differ(in) ? mixed_note : "");
}

/* "7.51 ± 0.20 %" */
static void spread(struct rn_statistic s, char *text, size_t size)
{
    text[0] = '\0';
    if (s.count == 1)
        rn_format(text, size, "%.2f %%", s.mean);
    else if (s.count > 1)
        rn_format(text, size, "%.2f ± %.2f %%", s.mean, s.deviation);
}

/* The first of its runs: what they are is the same in all. */
static const struct rn_found *first_of(const struct rn_report_input *in,
                                       const struct rn_group *group)
{
    return &in->runs->at[group->members[0]];
}

/* "2 of 3"; "1 of 1, 2 runs of seed 1" where a run is there again. */
static void finished(const struct rn_report_input *in,
                     const struct rn_group *group, char *text, size_t size)
{
    size_t seeds = 0;

    for (size_t i = 0; i < group->count; i++)
        seeds += rn_group_counts(in->runs, group, i);
    rn_format(text, size, "%zu of %zu", STATISTIC(seconds).count, seeds);
    for (size_t i = 0; i < group->count; i++) {
        const json_t *options = in->runs->at[group->members[i]].options;
        const json_t *seed = json_object_get(options, "seed");
        size_t runs = rn_group_again(in->runs, group, i), used = strlen(text);

        if (runs > 1 && rn_group_counts(in->runs, group, i))
            rn_format(text + used, size - used,
                      ", %zu runs of seed %" JSON_INTEGER_FORMAT, runs,
                      json_integer_value(seed));
    }
}

static void test_error(const struct rn_report_input *in,
                       const struct rn_group *group, char *text, size_t size)
{
    spread(STATISTIC(test_error), text, size);
}

static void least(const struct rn_report_input *in,
                  const struct rn_group *group, char *text, size_t size)
{
    struct rn_statistic s = STATISTIC(test_error);

    text[0] = '\0';
    if (s.count)
        rn_format(text, size, "%.2f %%", s.least);
}

static void train_error(const struct rn_report_input *in,
                        const struct rn_group *group, char *text, size_t size)
{
    spread(STATISTIC(train_error), text, size);
}

static void parameters(const struct rn_report_input *in,
                       const struct rn_group *group, char *text, size_t size)
{
    rn_format_count(text, size, first_of(in, group)->params);
}

static void multiply_adds(const struct rn_report_input *in,
                          const struct rn_group *group, char *text, size_t size)
{
    rn_format_count(text, size, first_of(in, group)->macs);
}

static void memory(const struct rn_report_input *in,
                   const struct rn_group *group, char *text, size_t size)
{
    double bytes = first_of(in, group)->memory;

    text[0] = '\0';
    if (bytes > 0)
        rn_format(text, size, "%.0f MB", bytes / 1e6);
}

static void training(const struct rn_report_input *in,
                     const struct rn_group *group, char *text, size_t size)
{
    struct rn_statistic s = STATISTIC(seconds);

    text[0] = '\0';
    if (s.count && s.mean < 60)
        rn_format(text, size, "%.1f s", s.mean);
    else if (s.count)
        rn_format(text, size, "%.1f min", s.mean / 60);
}

static void part(const struct rn_report_input *in, const struct rn_group *group,
                 char *text, size_t size)
{
    rn_format(text, size, "%s images", rn_group_part(in->runs, group));
}

static const struct rn_column columns[] = {
    {"finished", .cell = finished},
    {"error", .of_part = true, .cell = test_error},
    {"best", .cell = least},
    {"of", .wanted = parts_differ, .cell = part},
    {"training error", .cell = train_error},
    {"parameters", .cell = parameters},
    {"multiply-adds", .cell = multiply_adds},
    {"memory", .cell = memory},
    {"training", .cell = training},
};

const struct rn_column *rn_report_column(const struct rn_report_input *in,
                                         size_t i)
{
    for (size_t k = 0; k < COUNT(columns); k++)
        if ((!columns[k].wanted || columns[k].wanted(in)) && i-- == 0)
            return &columns[k];
    return NULL;
}

void rn_column_title(const struct rn_column *column,
                     const struct rn_report_input *in, char *text, size_t size)
{
    const char *of = column->of_part ? rn_report_part(in) : NULL;

    rn_format(text, size, "%s%s%s", of ? of : "", of ? " " : "", column->title);
}
