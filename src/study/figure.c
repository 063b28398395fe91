/* SPDX-License-Identifier: BSD-2-Clause */
/* Errors of many runs over iterations as SVG, training thin and test bold, as
 * in the figures of He et al. 2016. */
#include "core/count.h"
#include "core/letters.h"
#include "core/locale.h"
#include "study/study.h"

#include <fnmatch.h>
#include <math.h>

/* Errors of this share of a run's start may lie above the axis. */
#define START_SHARE 0.04
/* Lines of the legend, in pixels. */
#define LEGEND 18

const char *rn_group_colour(size_t group)
{
    static const char *const colours[] = {
        "#1d4ed8", "#c2410c", "#15803d", "#7c3aed", "#b91c1c", "#0e7490",
        "#a16207", "#be185d", "#4d7c0f", "#334155", "#0369a1", "#9333ea",
    };

    return colours[group % COUNT(colours)];
}

bool rn_figure_shows(const struct rn_figure *figure,
                     const struct rn_report_input *in, size_t group)
{
    const struct rn_group *g = &in->groups->at[group];

    for (size_t i = 0; i < g->count; i++)
        for (size_t p = 0; p < figure->count; p++)
            if (fnmatch(figure->patterns[p], in->runs->at[g->members[i]].name,
                        0) == 0)
                return true;
    return false;
}

/* --------------------------------------------------------------- drawing */

static void scale(struct rn_plot *plot, const struct rn_report_input *in,
                  const struct rn_figure *figure)
{
    double iterations = 1, most = 0;

    for (size_t g = 0; g < in->groups->count; g++)
        for (size_t i = 0; i < in->groups->at[g].count; i++) {
            const struct rn_found *run =
                &in->runs->at[in->groups->at[g].members[i]];
            double start = START_SHARE * (double)run->iterations;

            if (!rn_figure_shows(figure, in, g))
                break;
            iterations = fmax(iterations, (double)run->iterations);
            most = fmax(most, rn_points_largest(&run->train, start));
            most = fmax(most, rn_points_largest(&run->test, start));
        }
    rn_plot_scale(plot, iterations, most > 0 ? most : 100, 100);
}

static void draw_group(FILE *out, const struct rn_plot *plot,
                       const struct rn_report_input *in, size_t g)
{
    const struct rn_group *group = &in->groups->at[g];

    for (size_t i = 0; i < group->count; i++) {
        const struct rn_found *run = &in->runs->at[group->members[i]];

        rn_plot_line(out, plot, &run->train, rn_group_colour(g), 0.8);
        rn_plot_line(out, plot, &run->test, rn_group_colour(g), 2.2);
    }
}

static void draw_key(FILE *out, const struct rn_plot *plot, int line,
                     const struct rn_report_input *in, size_t g)
{
    int y = plot->top + 8 + LEGEND * line;

    fprintf(out,
            "<path d=\"M%d %dh24\" stroke=\"%s\" stroke-width=\"2.2\"/>"
            "<text x=\"%d\" y=\"%d\" font-size=\"12\">",
            plot->right + 14, y, rn_group_colour(g), plot->right + 44, y + 4);
    rn_text_xml(out, in->groups->at[g].label);
    fputs("</text>\n", out);
}

void rn_report_figure(FILE *out, const struct rn_report_input *in,
                      const struct rn_figure *figure)
{
    struct rn_plot plot = {.width = 1000,
                           .height = 500,
                           .left = 70,
                           .top = 62,
                           .right = 740,
                           .bottom = 438};
    int line = 0;

    scale(&plot, in, figure);
    rn_plot_head(out, &plot, figure->title);
    rn_plot_axes(out, &plot, "iterations",
                 "error, % (thin: training, bold: test)");
    for (size_t g = 0; g < in->groups->count; g++) {
        if (!rn_figure_shows(figure, in, g))
            continue;
        draw_group(out, &plot, in, g);
        draw_key(out, &plot, line++, in, g);
    }
    fputs("</svg>\n", out);
}
