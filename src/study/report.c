/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes the report of all runs below a folder. */
#include "core/count.h"
#include "core/error.h"
#include "core/file.h"
#include "core/option.h"
#include "core/sized.h"
#include "study/study.h"

#include <stdlib.h>
#include <string.h>

static const struct part {
    const char *file;
    void (*write)(FILE *out, const struct rn_report_input *in);
    bool (*wanted)(const struct rn_report_input *in); /* NULL: always */
} parts[] = {
    {"report.html", rn_report_html, NULL},
    {"report.md", rn_report_markdown, NULL},
    {"report.csv", rn_report_csv, NULL},
    {"layers.csv", rn_report_layers_csv, rn_report_has_layers},
};

/* What `write` writes of `item`, as a file of the folder. */
static int write_part(const char *folder, const char *file,
                      void (*write)(FILE *out, const struct rn_report_input *in,
                                    const void *item),
                      const struct rn_report_input *in, const void *item,
                      struct rn_error *err)
{
    char *path = rn_path_join(folder, file), *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    bool failed = !path || !out;
    int rc;

    if (!failed)
        write(out, in, item);
    if (out) {
        failed |= ferror(out) != 0;
        failed |= fclose(out) != 0;
    }
    rc = failed ? rn_fail_memory(err, size, "a report")
                : rn_file_write(path, text, size, err);
    free(text);
    rn_free(path);
    return rc;
}

static void write_table(FILE *out, const struct rn_report_input *in,
                        const void *part)
{
    ((const struct part *)part)->write(out, in);
}

static void write_figure(FILE *out, const struct rn_report_input *in,
                         const void *figure)
{
    rn_report_figure(out, in, figure);
}

static int write_parts(const char *folder, const struct rn_report_input *in,
                       struct rn_error *err)
{
    size_t n_figures;
    const struct rn_figure *figures = rn_report_figures(in, &n_figures);
    char name[48];
    int rc = RN_OK;

    for (size_t i = 0; i < COUNT(parts) && rc == RN_OK; i++)
        if (!parts[i].wanted || parts[i].wanted(in))
            rc = write_part(folder, parts[i].file, write_table, in, &parts[i],
                            err);
    for (size_t i = 0; i < n_figures && rc == RN_OK; i++) {
        snprintf(name, sizeof(name), "figure-%zu.svg", i + 1);
        rc = write_part(folder, name, write_figure, in, &figures[i], err);
    }
    return rc;
}

static void count(struct rn_study_result *result, const struct rn_runs *runs,
                  const struct rn_groups *groups)
{
    result->runs = runs->count;
    result->groups = groups->count;
    for (size_t i = 0; i < runs->count; i++)
        result->finished += runs->at[i].finished;
}

int rn_study_report_sized(const char *folder, const struct rn_study *study,
                          void (*message)(void *user, const char *text),
                          void *user, struct rn_study_result *result,
                          size_t size, struct rn_error *err)
{
    struct rn_study_result own = {.runs = 0};
    struct rn_runs runs;
    struct rn_groups groups = {.count = 0};
    struct rn_report_input in = {"Runs", study, &runs, &groups};
    int rc = rn_runs_find(&runs, folder, message, user, err);

    if (rc == RN_OK)
        rc = rn_groups_make(&groups, &runs, err);
    if (study && study->title)
        in.title = study->title;
    if (rc == RN_OK)
        rc = write_parts(folder, &in, err);
    if (rc == RN_OK)
        count(&own, &runs, &groups);
    if (result)
        RN_GIVE(result, size, &own);
    rn_groups_free(&groups);
    rn_runs_free(&runs);
    return rc;
}
