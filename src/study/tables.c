/* SPDX-License-Identifier: BSD-2-Clause */
/* The report as tables: comma-separated, a row for each run; Markdown, a row
 * for each group of runs. */
#include "core/csv.h"
#include "core/letters.h"
#include "core/locale.h"
#include "study/study.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------- report.csv */

/* What is not there is empty. */
static void csv_number(FILE *out, double value, const char *format)
{
    char text[40] = "";

    if (isfinite(value))
        rn_format(text, sizeof(text), format, value);
    fprintf(out, ",%s", text);
}

static void csv_run(FILE *out, const struct rn_report_input *in, size_t g,
                    const struct rn_found *run)
{
    double seed = json_number_value(json_object_get(run->options, "seed"));

    rn_print_csv(out, run->name);
    putc(',', out);
    rn_print_csv(out, run->net);
    putc(',', out);
    rn_print_csv(out, in->groups->at[g].label);
    csv_number(out, seed, "%.0f");
    fprintf(out, ",%ld,%ld,%s", run->iteration, run->iterations,
            run->finished ? "yes" : "no");
    csv_number(out, run->train_error, "%.4f");
    csv_number(out, run->loss, "%.6g");
    fprintf(out, ",%s", run->test_name);
    csv_number(out, run->test_error, "%.4f");
    csv_number(out, run->best_error, "%.4f");
    csv_number(out, run->test_loss, "%.6g");
    csv_number(out, run->params, "%.0f");
    csv_number(out, run->macs, "%.0f");
    csv_number(out, run->memory > 0 ? run->memory : (double)NAN, "%.0f");
    csv_number(out, run->seconds, "%.1f");
    putc('\n', out);
}

void rn_report_csv(FILE *out, const struct rn_report_input *in)
{
    fputs("run,net,group,seed,iteration,iterations,finished,train_error,"
          "train_loss,part,test_error,best_test_error,test_loss,parameters,"
          "multiply_adds,memory_bytes,training_seconds\n",
          out);
    for (size_t g = 0; g < in->groups->count; g++)
        for (size_t i = 0; i < in->groups->at[g].count; i++)
            csv_run(out, in, g, &in->runs->at[in->groups->at[g].members[i]]);
}

/* -------------------------------------------------------------- report.md */

static bool is_word(char c)
{
    const char lower = rn_lower(c);

    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
           (c & 0x80);
}

/* Of what Markdown would take otherwise: within a word _ is nothing, and &
 * where no name or number follows. */
static bool is_markup(const char *text, char before)
{
    if (*text == '_')
        return !(is_word(before) && is_word(text[1]));
    if (*text == '&')
        return text[1] == '#' || is_word(text[1]);
    return strchr("\\|<>[]*`~", *text) != NULL;
}

/* A name may have bars, which would end a cell, and what would be a tag, a link
 * or emphasis. */
static void markdown_text(FILE *out, const char *text)
{
    for (char before = '\0'; *text; before = *text++) {
        if (is_markup(text, before))
            putc('\\', out);
        if (*text != '\n' && *text != '\r')
            putc(*text, out);
    }
}

static void markdown_group(FILE *out, const struct rn_report_input *in,
                           const struct rn_group *group)
{
    const struct rn_column *column;
    char text[RN_CELL];

    fputs("| ", out);
    markdown_text(out, group->label);
    for (size_t i = 0; (column = rn_report_column(in, i)); i++) {
        column->cell(in, group, text, sizeof(text));
        fprintf(out, " | %s", text);
    }
    fputs(" |\n", out);
}

static void markdown_head(FILE *out, const struct rn_report_input *in)
{
    const struct rn_column *column;
    char text[RN_CELL];

    fputs("| runs ", out);
    for (size_t i = 0; (column = rn_report_column(in, i)); i++) {
        rn_column_title(column, in, text, sizeof(text));
        fprintf(out, "| %s ", text);
    }
    fputs("|\n| --- ", out);
    for (size_t i = 0; rn_report_column(in, i); i++)
        fputs("| --- ", out);
    fputs("|\n", out);
}

static void markdown_unfinished(FILE *out, const struct rn_report_input *in)
{
    bool any = false;

    for (size_t i = 0; i < in->runs->count; i++) {
        const struct rn_found *run = &in->runs->at[i];

        if (run->finished)
            continue;
        if (!any)
            fputs("\nNot finished, and in no mean:\n\n", out);
        any = true;
        fputs("- ", out);
        markdown_text(out, run->name);
        fprintf(out, ": %ld of %ld iterations\n", run->iteration,
                run->iterations);
    }
}

void rn_report_markdown(FILE *out, const struct rn_report_input *in)
{
    fputs("# ", out);
    markdown_text(out, in->title);
    fputs("\n\n", out);
    markdown_head(out, in);
    for (size_t g = 0; g < in->groups->count; g++)
        markdown_group(out, in, &in->groups->at[g]);
    putc('\n', out);
    rn_report_note(out, in);
    putc('\n', out);
    markdown_unfinished(out, in);
}
