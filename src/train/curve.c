/* SPDX-License-Identifier: BSD-2-Clause */
/* The learning curve as SVG, in the manner of the paper's figure 6: training
 * error thin, test error bold, over iterations. */
#include "train/run.h"

#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"
#include "core/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* The picture, and the plot within it, in pixels. */
#define WIDTH  860
#define HEIGHT 500
#define LEFT   70
#define TOP    62
#define RIGHT  (WIDTH - 28)
#define BOTTOM (HEIGHT - 62)

/* More points than this along the width only make noise: means are drawn. */
#define POINTS 400
/* The axis leaves out errors above those of this share of the run's start. */
#define START_SHARE 0.04
#define LOG_LIMIT   ((size_t)1 << 30)

#define TRAIN_COLOUR "#7d9bc1"
#define TEST_COLOUR  "#c2410c"

struct point {
    double x, y; /* iteration, error in per cent */
};

struct line {
    struct point *points;
    size_t count, capacity;
};

/* ------------------------------------------------------------ reading */

static bool append(struct line *line, double x, double y)
{
    if (!rn_grow(&line->points, &line->capacity, line->count,
                 sizeof(struct point)))
        return false;
    line->points[line->count++] = (struct point){x, y};
    return true;
}

static bool read_line(const char *text, struct line *train, struct line *test)
{
    json_t *object = rn_json_load(text, strlen(text), 0, NULL);
    double x = json_number_value(json_object_get(object, "iteration"));
    const json_t *error = json_object_get(object, "train_error");
    bool ok = true;

    if (json_is_number(error))
        ok = append(train, x, json_number_value(error));
    error = json_object_get(object, "test_error");
    if (ok && json_is_number(error))
        ok = append(test, x, json_number_value(error));
    json_decref(object);
    return ok;
}

static int read_log(const char *path, struct line *train, struct line *test,
                    struct rn_error *err)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    int rc = rn_file_read(path, LOG_LIMIT, &bytes, &size, err);
    char *rest = (char *)bytes, *line;

    while (rc == RN_OK && (line = strsep(&rest, "\n")) != NULL)
        if (!read_line(line, train, test))
            rc = rn_fail_memory(err, size, "a learning curve");
    rn_free(bytes);
    return rc;
}

/* Replace groups of points by their means until there are few enough. */
static void thin(struct line *line)
{
    size_t group = (line->count + POINTS - 1) / POINTS, n = 0;

    if (group <= 1)
        return;
    for (size_t i = 0; i < line->count; i += group) {
        size_t end = i + group < line->count ? i + group : line->count;
        struct point sum = {0, 0};

        for (size_t k = i; k < end; k++) {
            sum.x += line->points[k].x;
            sum.y += line->points[k].y;
        }
        line->points[n++] = (struct point){sum.x / (double)(end - i),
                                           sum.y / (double)(end - i)};
    }
    line->count = n;
}

/* --------------------------------------------------------------- axes */

/* 1, 2 or 5 times a power of ten, so that about `parts` steps make `range`. */
static double nice_step(double range, int parts)
{
    double raw = range / parts;
    double power = pow(10, floor(log10(raw)));
    double digit = raw / power;

    return (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10) * power;
}

static double largest_after(const struct line *line, double x)
{
    double most = 0;

    for (size_t i = 0; i < line->count; i++)
        if (line->points[i].x >= x)
            most = fmax(most, line->points[i].y);
    return most;
}

struct axes {
    double x_max, y_max, x_step, y_step;
};

static void choose_axes(struct axes *axes, const struct rn_curve *curve,
                        const struct line *train, const struct line *test)
{
    double start = START_SHARE * (double)curve->iterations, most;

    most = fmax(largest_after(train, start), largest_after(test, start));
    if (most <= 0)
        most = fmax(largest_after(train, 0), largest_after(test, 0));
    if (most <= 0)
        most = 100;
    axes->x_max = (double)curve->iterations;
    axes->x_step = nice_step(axes->x_max, 8);
    if (axes->x_step < 1)
        axes->x_step = 1;
    axes->y_step = nice_step(most, 6);
    axes->y_max = fmin(100, ceil(most * 1.02 / axes->y_step) * axes->y_step);
}

static double at_x(const struct axes *a, double x)
{
    return LEFT + x / a->x_max * (RIGHT - LEFT);
}

static double at_y(const struct axes *a, double y)
{
    return BOTTOM - y / a->y_max * (BOTTOM - TOP);
}

/* ------------------------------------------------------------ drawing */

/* Text is gathered in memory; a stream's errors stay until they are asked
 * for at the end. */
static void draw_head(FILE *out, const struct rn_curve *curve)
{
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
            "height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"Helvetica, "
            "Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif\" "
            "font-size=\"13\" fill=\"#374151\">\n<title>",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    rn_text_xml(out, curve->title);
    fprintf(out,
            "</title>\n"
            "<clipPath id=\"plot\"><rect x=\"%d\" y=\"%d\" width=\"%d\" "
            "height=\"%d\"/></clipPath>\n"
            "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n"
            "<text x=\"%d\" y=\"32\" font-size=\"17\" font-weight=\"bold\" "
            "fill=\"#111827\">",
            LEFT, TOP - 1, RIGHT - LEFT + 2, BOTTOM - TOP + 2, WIDTH, HEIGHT,
            LEFT);
    rn_text_xml(out, curve->title);
    fputs("</text>\n", out);
}

static void draw_axes(FILE *out, const struct axes *a)
{
    fputs("<g stroke=\"#e5e7eb\">\n", out);
    for (double y = a->y_step; y <= a->y_max * 1.0001; y += a->y_step)
        rn_print(out, "<path d=\"M%d %.1fH%d\"/>\n", LEFT, at_y(a, y), RIGHT);
    fputs("</g>\n<g text-anchor=\"end\">\n", out);
    for (double y = 0; y <= a->y_max * 1.0001; y += a->y_step)
        rn_print(out, "<text x=\"%d\" y=\"%.1f\">%g</text>\n", LEFT - 9,
                 at_y(a, y) + 4.5, y);
    fputs("</g>\n<g text-anchor=\"middle\">\n", out);
    for (double x = 0; x <= a->x_max * 1.0001; x += a->x_step)
        rn_print(out,
                 "<path d=\"M%.1f %dv5\" stroke=\"#6b7280\"/>"
                 "<text x=\"%.1f\" y=\"%d\">%.10g</text>\n",
                 at_x(a, x), BOTTOM, at_x(a, x), BOTTOM + 20, x);
    fprintf(out,
            "<text x=\"%d\" y=\"%d\">iterations</text>\n"
            "<text transform=\"translate(22 %d) rotate(-90)\">error, %%"
            "</text>\n</g>\n"
            "<path d=\"M%d %dV%dH%d\" fill=\"none\" stroke=\"#6b7280\"/>\n",
            (LEFT + RIGHT) / 2, BOTTOM + 44, (TOP + BOTTOM) / 2, LEFT, TOP,
            BOTTOM, RIGHT);
}

/* Where the learning rate drops. */
static void draw_steps(FILE *out, const struct axes *a,
                       const struct rn_curve *curve)
{
    for (int i = 0; i < curve->steps; i++) {
        double x = (double)curve->step[i];

        if (x <= 0 || x >= a->x_max)
            continue;
        rn_print(out,
                 "<path d=\"M%.1f %dV%d\" stroke=\"#9ca3af\" "
                 "stroke-dasharray=\"2 4\"/>"
                 "<text x=\"%.1f\" y=\"%d\" font-size=\"11\" fill=\"#6b7280\">"
                 "lr &#247; 10</text>\n",
                 at_x(a, x), TOP, BOTTOM, at_x(a, x) + 5, TOP + 12);
    }
}

static void draw_line(FILE *out, const struct axes *a, const struct line *line,
                      const char *colour, double width)
{
    if (line->count == 0)
        return;
    rn_print(out,
             "<polyline clip-path=\"url(#plot)\" fill=\"none\" stroke=\"%s\" "
             "stroke-width=\"%g\" stroke-linejoin=\"round\" "
             "stroke-linecap=\"round\" points=\"",
             colour, width);
    for (size_t i = 0; i < line->count; i++)
        rn_print(out, "%s%.1f,%.1f", i == 0 ? "" : " ",
                 at_x(a, line->points[i].x), at_y(a, line->points[i].y));
    fputs("\"/>\n", out);
}

/* One entry ending at x; returns where the next should end. */
static int draw_key(FILE *out, int x, const char *name, const struct line *line,
                    const char *colour, double width)
{
    char text[80];
    int length;

    if (line->count == 0)
        return x;
    length = rn_format(text, sizeof(text), "%s error %.2f %%", name,
                       line->points[line->count - 1].y);
    rn_print(out,
             "<path d=\"M%d 27h26\" stroke=\"%s\" stroke-width=\"%g\" "
             "stroke-linecap=\"round\"/><text x=\"%d\" y=\"32\" "
             "text-anchor=\"end\">%s</text>\n",
             x - 7 * length - 34, colour, width, x, text);
    return x - 7 * length - 56;
}

static void draw(FILE *out, const struct rn_curve *curve, struct line *train,
                 struct line *test)
{
    struct axes axes;
    double last = train->count > 0 ? train->points[train->count - 1].y : 0;
    int x = RIGHT;

    thin(train);
    choose_axes(&axes, curve, train, test);
    draw_head(out, curve);
    draw_axes(out, &axes);
    draw_steps(out, &axes, curve);
    draw_line(out, &axes, train, TRAIN_COLOUR, 1.2);
    draw_line(out, &axes, test, TEST_COLOUR, 2.4);
    /* The legend gives the last figure, not the mean that was drawn. */
    if (train->count > 0)
        train->points[train->count - 1].y = last;
    x = draw_key(out, x, curve->test_name, test, TEST_COLOUR, 2.4);
    draw_key(out, x, "training", train, TRAIN_COLOUR, 1.2);
    fputs("</svg>\n", out);
}

int rn_curve_write(const char *log, const char *svg,
                   const struct rn_curve *curve, struct rn_error *err)
{
    struct line train = {.count = 0}, test = {.count = 0};
    char *text = NULL;
    size_t size = 0;
    FILE *out = NULL;
    int failed, rc = read_log(log, &train, &test, err);

    if (rc != RN_OK)
        goto done;
    out = open_memstream(&text, &size);
    if (out)
        draw(out, curve, &train, &test);
    failed = !out || ferror(out);
    if (out)
        failed |= fclose(out) != 0;
    rc = failed ? rn_fail_memory(err, size, "a learning curve")
                : rn_file_write(svg, text, size, err);
done:
    free(text);
    rn_free(train.points);
    rn_free(test.points);
    return rc;
}
