/* SPDX-License-Identifier: BSD-2-Clause */
/* The learning curve as SVG, in the manner of the paper's figure 6: training
 * error thin, test error bold, over iterations. */
#include "train/run.h"

#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"
#include "core/plot.h"
#include "core/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* More points than this along the width only make noise: means are drawn. */
#define POINTS 400
/* The axis leaves out errors above those of this share of the run's start. */
#define START_SHARE 0.04

#define TRAIN_COLOUR "#7d9bc1"
#define TEST_COLOUR  "#c2410c"

/* ------------------------------------------------------------ reading */

/* What a log's reports say. */
struct errors {
    struct rn_points train, test;
};

static bool add(struct rn_points *points, const struct rn_log_entry *line,
                const char *name)
{
    const json_t *error = json_object_get(line->object, name);

    return !json_is_number(error) ||
           rn_points_add(points, (double)line->iteration,
                         json_number_value(error));
}

static bool take_line(void *user, const struct rn_log_entry *line)
{
    struct errors *e = user;

    return add(&e->train, line, "train_error") &&
           add(&e->test, line, "test_error");
}

/* ------------------------------------------------------------ drawing */

static void choose_axes(struct rn_plot *plot, const struct rn_curve *curve,
                        const struct rn_points *train,
                        const struct rn_points *test)
{
    double start = START_SHARE * (double)curve->iterations, most;

    most =
        fmax(rn_points_largest(train, start), rn_points_largest(test, start));
    if (most <= 0)
        most = fmax(rn_points_largest(train, 0), rn_points_largest(test, 0));
    rn_plot_scale(plot, (double)curve->iterations, most > 0 ? most : 100, 100);
}

/* Where the learning rate drops. */
static void draw_steps(FILE *out, const struct rn_plot *p,
                       const struct rn_curve *curve)
{
    for (int i = 0; i < curve->steps; i++) {
        double x = (double)curve->step[i];

        if (x <= 0 || x >= p->x_max)
            continue;
        rn_print(out,
                 "<path d=\"M%.1f %dV%d\" stroke=\"#9ca3af\" "
                 "stroke-dasharray=\"2 4\"/>"
                 "<text x=\"%.1f\" y=\"%d\" font-size=\"11\" fill=\"#6b7280\">"
                 "lr &#247; %.4g</text>\n",
                 rn_plot_x(p, x), p->top, p->bottom, rn_plot_x(p, x) + 5,
                 p->top + 12, curve->divisor);
    }
}

/* One entry ending at x; returns where the next should end. */
static int draw_key(FILE *out, int x, const char *name, size_t count,
                    double last, const char *colour, double width)
{
    char text[80];
    int length;

    if (count == 0)
        return x;
    length = rn_format(text, sizeof(text), "%s error %.2f %%", name, last);
    rn_print(out,
             "<path d=\"M%d 27h26\" stroke=\"%s\" stroke-width=\"%g\" "
             "stroke-linecap=\"round\"/><text x=\"%d\" y=\"32\" "
             "text-anchor=\"end\">%s</text>\n",
             x - 7 * length - 34, colour, width, x, text);
    return x - 7 * length - 56;
}

static double last_of(const struct rn_points *points)
{
    return points->count > 0 ? points->at[points->count - 1].y : 0;
}

static void draw(FILE *out, const struct rn_curve *curve,
                 struct rn_points *train, const struct rn_points *test)
{
    struct rn_plot plot = rn_plot_frame(860, 832);
    double last = last_of(train); /* not the mean that is drawn */
    int x = plot.right;

    rn_points_thin(train, POINTS);
    choose_axes(&plot, curve, train, test);
    rn_plot_head(out, &plot, curve->title);
    rn_plot_axes(out, &plot, "iterations", "error, %");
    draw_steps(out, &plot, curve);
    rn_plot_line(out, &plot, train, TRAIN_COLOUR, 1.2);
    rn_plot_line(out, &plot, test, TEST_COLOUR, 2.4);
    x = draw_key(out, x, curve->test_name, test->count, last_of(test),
                 TEST_COLOUR, 2.4);
    draw_key(out, x, "training", train->count, last, TRAIN_COLOUR, 1.2);
    fputs("</svg>\n", out);
}

int rn_curve_write(const char *log, const char *svg,
                   const struct rn_curve *curve, struct rn_error *err)
{
    struct errors e = {.train = {.count = 0}};
    struct rn_log_faults faults;
    char *text = NULL;
    size_t size = 0;
    FILE *out = NULL;
    int failed,
        rc = rn_log_read(log, curve->iterations, take_line, &e, &faults, err);

    if (rc != RN_OK)
        goto done;
    out = open_memstream(&text, &size);
    if (out)
        draw(out, curve, &e.train, &e.test);
    failed = !out || ferror(out);
    if (out)
        failed |= fclose(out) != 0;
    rc = failed ? rn_fail_memory(err, size, "a learning curve")
                : rn_file_write(svg, text, size, err);
done:
    free(text);
    rn_free(e.train.at);
    rn_free(e.test.at);
    return rc;
}
