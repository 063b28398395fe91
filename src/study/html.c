/* SPDX-License-Identifier: BSD-2-Clause */
/* The report as one page that needs nothing else: tables and pictures in it,
 * and a script that draws the pictures anew to be played with. */
#include "core/letters.h"
#include "core/locale.h"
#include "study/study.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------------------- tables */

static void group_row(FILE *out, const struct rn_report_input *in, size_t g)
{
    const struct rn_group *group = &in->groups->at[g];
    const struct rn_column *column;
    char text[RN_CELL];

    fprintf(out,
            "<tr><td><span class=\"swatch\" style=\"background:%s\"></span>",
            rn_plot_colour(g));
    rn_text_xml(out, group->label);
    fputs("</td>", out);
    for (size_t i = 0; (column = rn_report_column(in, i)); i++) {
        column->cell(in, group, text, sizeof(text));
        fprintf(out, "<td>%s</td>", text);
    }
    fputs("</tr>\n", out);
}

static void group_table(FILE *out, const struct rn_report_input *in)
{
    const struct rn_column *column;
    char text[RN_CELL];

    fputs("<div class=\"scroll\"><table><thead><tr><th>runs</th>", out);
    for (size_t i = 0; (column = rn_report_column(in, i)); i++) {
        rn_column_title(column, in, text, sizeof(text));
        fprintf(out, "<th>%s</th>", text);
    }
    fputs("</tr></thead><tbody>\n", out);
    for (size_t g = 0; g < in->groups->count; g++)
        group_row(out, in, g);
    fputs("</tbody></table></div>\n<p class=\"note\">", out);
    rn_report_note(out, in);
    fputs("</p>\n", out);
}

static void run_row(FILE *out, const struct rn_report_input *in,
                    const struct rn_found *run)
{
    const json_t *seed = json_object_get(run->options, "seed");

    fputs("<tr><td>", out);
    rn_text_xml(out, run->name);
    rn_print(out, "</td><td>%.0f</td><td>%ld of %ld</td>",
             json_number_value(seed), run->iteration, run->iterations);
    if (isfinite(run->test_error))
        rn_print(out, "<td>%.2f %%</td><td>%.2f %%</td>", run->test_error,
                 run->best_error);
    else
        fputs("<td></td><td></td>", out);
    if (!rn_report_part(in))
        fprintf(out, "<td>%s images</td>", run->test_name);
    if (isfinite(run->train_error))
        rn_print(out, "<td>%.2f %%</td>", run->train_error);
    else
        fputs("<td></td>", out); /* none yet, or the run learns a hint */
    if (isfinite(run->loss))
        rn_print(out, run->loss < 1e6 ? "<td>%.4f</td></tr>\n"
                                      : "<td>%.4g</td></tr>\n",
                 run->loss);
    else
        fputs("<td></td></tr>\n", out);
}

static void run_table(FILE *out, const struct rn_report_input *in)
{
    const char *part = rn_report_part(in);

    fprintf(out,
            "<h2>Runs</h2>\n<div class=\"scroll\"><table><thead><tr><th>run"
            "</th><th>seed</th><th>iterations</th><th>%s%serror</th>"
            "<th>least on the way</th>%s<th>training error</th><th>loss</th>"
            "</tr></thead><tbody>\n",
            part ? part : "", part ? " " : "", part ? "" : "<th>of</th>");
    for (size_t i = 0; i < in->runs->count; i++)
        run_row(out, in, &in->runs->at[i]);
    fputs("</tbody></table></div>\n", out);
}

/* ------------------------------------------------------------------- data */

static void points_json(FILE *out, const struct rn_points *points)
{
    putc('[', out);
    for (size_t i = 0; i < points->count; i++)
        rn_print(out, "%s[%.7g,%.5g]", i ? "," : "", points->at[i].x,
                 points->at[i].y);
    putc(']', out);
}

/* A JSON string that no "</script>" can end. */
static void text_json(FILE *out, const char *text)
{
    putc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c < 0x20 || *c == '<' || *c == '>' || *c == '&')
            fprintf(out, "\\u%04x", *c);
        else
            putc(*c, out);
    putc('"', out);
}

static void run_json(FILE *out, const struct rn_found *run)
{
    fputs("{\"name\":", out);
    text_json(out, run->name);
    fprintf(out, ",\"part\":\"%s\",\"iterations\":%ld,\"train\":",
            run->test_name, run->iterations);
    points_json(out, &run->train);
    fputs(",\"test\":", out);
    points_json(out, &run->test);
    putc('}', out);
}

static void group_json(FILE *out, const struct rn_report_input *in, size_t g)
{
    const struct rn_group *group = &in->groups->at[g];

    fputs("{\"label\":", out);
    text_json(out, group->label);
    fprintf(out, ",\"colour\":\"%s\",\"runs\":[", rn_plot_colour(g));
    for (size_t i = 0; i < group->count; i++) {
        if (i)
            putc(',', out);
        run_json(out, &in->runs->at[group->members[i]]);
    }
    fputs("]}", out);
}

/* {"group":0,"runs":[0,2]}: those of a group's runs that it shows. */
static void shown_json(FILE *out, const struct rn_report_input *in,
                       const struct rn_figure *figure, size_t g)
{
    const struct rn_group *group = &in->groups->at[g];
    bool any = false;

    fprintf(out, "{\"group\":%zu,\"runs\":[", g);
    for (size_t i = 0; i < group->count; i++)
        if (rn_figure_shows_run(figure, &in->runs->at[group->members[i]])) {
            fprintf(out, "%s%zu", any ? "," : "", i);
            any = true;
        }
    fputs("]}", out);
}

static void figure_json(FILE *out, const struct rn_report_input *in,
                        const struct rn_figure *figure)
{
    char axis[80];
    bool any = false;

    fputs("{\"title\":", out);
    text_json(out, figure->title);
    rn_figure_axis(figure, in, axis, sizeof(axis));
    fputs(",\"axis\":", out);
    text_json(out, axis);
    fputs(",\"shown\":[", out);
    for (size_t g = 0; g < in->groups->count; g++)
        if (rn_figure_shows(figure, in, g)) {
            if (any)
                putc(',', out);
            shown_json(out, in, figure, g);
            any = true;
        }
    fputs("]}", out);
}

static void data_json(FILE *out, const struct rn_report_input *in,
                      const struct rn_figure *figures, size_t count)
{
    fputs("<script type=\"application/json\" id=\"data\">{\"groups\":[", out);
    for (size_t g = 0; g < in->groups->count; g++) {
        if (g)
            putc(',', out);
        group_json(out, in, g);
    }
    fputs("],\"figures\":[", out);
    for (size_t i = 0; i < count; i++) {
        if (i)
            putc(',', out);
        figure_json(out, in, &figures[i]);
    }
    fputs("]}</script>\n", out);
}

/* ------------------------------------------------------------------- page */

void rn_report_page(FILE *out, const char *title)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
          "<meta name=\"viewport\" content=\"width=device-width, "
          "initial-scale=1\">\n<title>",
          out);
    rn_text_xml(out, title);
    fprintf(out, "</title>\n<style>\n%s</style></head><body>\n<h1>",
            rn_report_style);
    rn_text_xml(out, title);
    fputs("</h1>\n", out);
}

void rn_report_html(FILE *out, const struct rn_report_input *in)
{
    size_t count;
    const struct rn_figure *figures = rn_report_figures(in, &count);

    rn_report_page(out, in->title);
    group_table(out, in);
    for (size_t i = 0; i < count; i++) {
        fputs("<h2>", out);
        rn_text_xml(out, figures[i].title);
        if (!rn_figure_shows_any(&figures[i], in)) {
            fputs("</h2>\n<p class=\"note\">None of these runs has begun.</p>\n",
                  out);
            continue;
        }
        fprintf(out, "</h2>\n<figure data-figure=\"%zu\">\n", i);
        rn_report_figure(out, in, &figures[i]);
        fputs("</figure>\n", out);
    }
    rn_report_layers(out, in);
    run_table(out, in);
    data_json(out, in, figures, count);
    fprintf(out, "<script>\n%s</script>\n</body></html>\n", rn_report_script);
}
