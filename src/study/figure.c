/* SPDX-License-Identifier: BSD-2-Clause */
/* Errors of many runs over iterations as SVG, training thin and test bold, as
 * in the figures of He et al. 2016. */
#include "core/locale.h"
#include "study/study.h"

#include <fnmatch.h>
#include <math.h>
#include <string.h>

/* Errors of this share of a run's start may lie above the axis. */
#define START_SHARE 0.04

const struct rn_figure *rn_report_figures(const struct rn_report_input *in,
                                          size_t *count)
{
    static const char *const every[] = {"*"};
    static const struct rn_figure all = {"All runs", every, 1, 0};

    if (in->study && in->study->n_figures) {
        *count = in->study->n_figures;
        return in->study->figures;
    }
    *count = 1;
    return &all;
}

bool rn_figure_shows_run(const struct rn_figure *figure,
                         const struct rn_found *run)
{
    for (size_t p = 0; p < figure->count; p++)
        if (fnmatch(figure->patterns[p], run->name, 0) == 0)
            return true;
    return false;
}

bool rn_figure_shows(const struct rn_figure *figure,
                     const struct rn_report_input *in, size_t group)
{
    const struct rn_group *g = &in->groups->at[group];

    for (size_t i = 0; i < g->count; i++)
        if (rn_figure_shows_run(figure, &in->runs->at[g->members[i]]))
            return true;
    return false;
}

bool rn_figure_shows_any(const struct rn_figure *figure,
                         const struct rn_report_input *in)
{
    for (size_t g = 0; g < in->groups->count; g++)
        if (rn_figure_shows(figure, in, g))
            return true;
    return false;
}

void rn_figure_axis(const struct rn_figure *figure,
                    const struct rn_report_input *in, char *text, size_t size)
{
    const char *part = NULL;
    bool mixed = false;

    for (size_t i = 0; i < in->runs->count; i++) {
        const struct rn_found *run = &in->runs->at[i];

        if (!rn_figure_shows_run(figure, run))
            continue;
        mixed |= part && strcmp(part, run->test_name) != 0;
        part = run->test_name;
    }
    rn_format(text, size, "error, %% (thin: training, bold: %s)",
              mixed  ? "test or validation"
              : part ? part
                     : "test");
}

/* --------------------------------------------------------------- drawing */

static void scale(struct rn_plot *plot, const struct rn_report_input *in,
                  const struct rn_figure *figure)
{
    double iterations = 1, most = 0;

    for (size_t i = 0; i < in->runs->count; i++) {
        const struct rn_found *run = &in->runs->at[i];
        double start = START_SHARE * (double)run->iterations;

        if (!rn_figure_shows_run(figure, run))
            continue;
        iterations = fmax(iterations, (double)run->iterations);
        most = fmax(most, rn_points_largest(&run->train, start));
        most = fmax(most, rn_points_largest(&run->test, start));
    }
    rn_plot_scale(plot, iterations, most > 0 ? most : 100, 100);
}

static void draw_group(FILE *out, const struct rn_plot *plot,
                       const struct rn_figure *figure,
                       const struct rn_report_input *in, size_t g)
{
    const struct rn_group *group = &in->groups->at[g];

    for (size_t i = 0; i < group->count; i++) {
        const struct rn_found *run = &in->runs->at[group->members[i]];

        if (!rn_figure_shows_run(figure, run))
            continue;
        rn_plot_line(out, plot, &run->train, rn_plot_colour(g), 0.8);
        rn_plot_line(out, plot, &run->test, rn_plot_colour(g), 2.2);
    }
}

/* As wide and high as the groups' names need it. */
static struct rn_plot frame_of(const struct rn_report_input *in,
                               const struct rn_figure *figure)
{
    struct rn_plot plot = rn_plot_frame(1000, 740);
    size_t count;
    int lines = 0;

    plot.number = (int)(figure - rn_report_figures(in, &count));
    for (size_t g = 0; g < in->groups->count; g++)
        if (rn_figure_shows(figure, in, g))
            rn_plot_make_room(&plot, lines++, in->groups->at[g].label);
    return plot;
}

void rn_report_figure(FILE *out, const struct rn_report_input *in,
                      const struct rn_figure *figure)
{
    struct rn_plot plot = frame_of(in, figure);
    char axis[80];
    int line = 0;

    scale(&plot, in, figure);
    rn_figure_axis(figure, in, axis, sizeof(axis));
    rn_plot_head(out, &plot, figure->title);
    rn_plot_axes(out, &plot, "iterations", axis);
    for (size_t g = 0; g < in->groups->count; g++) {
        if (!rn_figure_shows(figure, in, g))
            continue;
        draw_group(out, &plot, figure, in, g);
        rn_plot_key(out, &plot, line++, rn_plot_colour(g),
                    in->groups->at[g].label);
    }
    fputs("</svg>\n", out);
}
