/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes the report of all runs below a folder. */
#include "core/count.h"
#include "core/error.h"
#include "core/file.h"
#include "core/option.h"
#include "core/sized.h"
#include "study/study.h"

#include <string.h>

#define DAY 86400.0 /* seconds */

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

struct page {
    const struct rn_report_input *in;
    void (*write)(FILE *out, const struct rn_report_input *in);
    const struct rn_figure *figure; /* instead, if it is given */
};

static void print_page(const void *what, FILE *out)
{
    const struct page *page = what;

    if (page->figure)
        rn_report_figure(out, page->in, page->figure);
    else
        page->write(out, page->in);
}

static int write_file(const char *folder, const char *name,
                      const struct page *page, struct rn_error *err)
{
    char *path = rn_path_join(folder, name);
    int rc = path ? rn_print_file(path, print_page, page, err)
                  : rn_fail_memory(err, strlen(folder) + strlen(name), name);

    rn_free(path);
    return rc;
}

static bool there_is(const char *folder, const char *name)
{
    char *path = rn_path_join(folder, name);
    bool there = path && rn_is_file(path);

    rn_free(path);
    return there;
}

/* What an earlier report of the study had and this one has not is removed: it
 * would mislead. */
static int write_parts(const char *folder, const struct rn_report_input *in,
                       struct rn_error *err)
{
    int rc = RN_OK;

    for (size_t i = 0; i < COUNT(parts) && rc == RN_OK; i++)
        if (!parts[i].wanted || parts[i].wanted(in))
            rc = write_file(folder, parts[i].file,
                            &(struct page){in, parts[i].write, NULL}, err);
        else if (in->study)
            rc = rn_file_remove(folder, parts[i].file, err);
    return rc;
}

static int write_figures(const char *folder, const struct rn_report_input *in,
                         struct rn_error *err)
{
    size_t count;
    const struct rn_figure *figures = rn_report_figures(in, &count);
    bool more = true;
    char name[48];
    int rc = RN_OK;

    for (size_t i = 0; more && rc == RN_OK; i++) {
        snprintf(name, sizeof(name), "figure-%zu.svg", i + 1);
        more = i < count || (in->study && there_is(folder, name));
        if (i < count && rn_figure_shows_any(&figures[i], in))
            rc = write_file(folder, name, &(struct page){in, NULL, &figures[i]},
                            err);
        else if (in->study)
            rc = rn_file_remove(folder, name, err);
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

/* What killed processes of a study left. Others may be writing just now. */
static void sweep(const char *folder)
{
    static const char *const patterns[] = {
        "report.html.tmp-*", "report.md.tmp-*",      "report.csv.tmp-*",
        "layers.csv.tmp-*",  RN_STUDY_FILE ".tmp-*", "figure-*.svg.tmp-*"};

    rn_file_sweep(folder, patterns, COUNT(patterns), DAY);
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

    if (study)
        sweep(folder);
    if (rc == RN_OK)
        rc = rn_groups_make(&groups, &runs, err);
    if (study && study->title)
        in.title = study->title;
    if (rc == RN_OK)
        rc = write_parts(folder, &in, err);
    if (rc == RN_OK)
        rc = write_figures(folder, &in, err);
    if (rc == RN_OK)
        count(&own, &runs, &groups);
    RN_GIVE(result, size, &own);
    rn_groups_free(&groups);
    rn_runs_free(&runs);
    return rc;
}
