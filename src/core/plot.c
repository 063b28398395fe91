/* SPDX-License-Identifier: BSD-2-Clause */
/* Charts as SVG. */
#include "core/plot.h"

#include "core/count.h"
#include "core/letters.h"
#include "core/locale.h"
#include "core/memory.h"

#include <math.h>

/* Between the lines of a legend, in pixels. */
#define LEGEND 18

bool rn_points_add(struct rn_points *points, double x, double y)
{
    if (!rn_grow(&points->at, &points->capacity, points->count,
                 sizeof(struct rn_point)))
        return false;
    points->at[points->count++] = (struct rn_point){x, y};
    return true;
}

void rn_points_thin(struct rn_points *points, size_t most)
{
    size_t group = (points->count + most - 1) / most, n = 0;

    if (group <= 1)
        return;
    for (size_t i = 0; i < points->count; i += group) {
        size_t end = i + group < points->count ? i + group : points->count;
        struct rn_point sum = {0, 0};

        for (size_t k = i; k < end; k++) {
            sum.x += points->at[k].x;
            sum.y += points->at[k].y;
        }
        points->at[n++] = (struct rn_point){sum.x / (double)(end - i),
                                            sum.y / (double)(end - i)};
    }
    points->count = n;
}

double rn_points_largest(const struct rn_points *points, double x)
{
    double most = 0;

    for (size_t i = 0; i < points->count; i++)
        if (points->at[i].x >= x)
            most = fmax(most, points->at[i].y);
    return most;
}

struct rn_plot rn_plot_frame(int width, int right)
{
    return (struct rn_plot){.width = width,
                            .height = 500,
                            .left = 70,
                            .top = 62,
                            .right = right,
                            .bottom = 438};
}

/* 1, 2 or 5 times a power of ten, so that about `parts` steps make `range`. */
static double nice_step(double range, int parts)
{
    double raw = range / parts;
    double power = pow(10, floor(log10(raw)));
    double digit = raw / power;

    return (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10) * power;
}

void rn_plot_scale(struct rn_plot *plot, double x_max, double y_max,
                   double y_limit)
{
    plot->x_max = x_max;
    plot->x_step = nice_step(x_max, 8);
    if (plot->x_step < 1)
        plot->x_step = 1;
    plot->y_step = nice_step(y_max, 6);
    plot->y_max =
        fmin(y_limit, ceil(y_max * 1.02 / plot->y_step) * plot->y_step);
}

/* 1, 2 or 5 times a power of ten, the nearest that is not above. */
static double nice_below(double value)
{
    double power = pow(10, floor(log10(value) + 1e-9));
    double digit = value / power + 1e-9;

    return (digit >= 5 ? 5 : digit >= 2 ? 2 : 1) * power;
}

/* The number behind one of these. */
static double nice_next(double nice)
{
    double power = pow(10, floor(log10(nice) + 1e-9));
    double digit = nice / power;

    return (digit < 1.5 ? 2 : digit < 3 ? 5 : 10) * power;
}

/* Beyond these powers of ten run out of numbers. */
#define LOG_LEAST 1e-300
#define LOG_MOST  1e300

static double within(double value)
{
    return fmin(fmax(value, LOG_LEAST), LOG_MOST);
}

/* Over more decades there would be too many numbers but powers of ten. */
#define DECADES 6
#define POWERS  12

/* *step is the decades from one number to the next, or 0: 1, 2, 5, 10. */
static void log_axis(double least, double most, double *min, double *max,
                     double *step)
{
    double low, high;

    least = within(least);
    most = within(most);
    low = floor(log10(least) + 1e-9);
    high = ceil(log10(most) - 1e-9);
    *step = 0;
    *min = nice_below(least);
    *max = nice_below(most);
    if (*max < most)
        *max = nice_next(*max);
    if (*max <= *min)
        *max = nice_next(*min);
    if (high - low <= DECADES)
        return;
    *step = ceil((high - low) / POWERS);
    *min = pow(10, low);
    *max = pow(10, high);
}

void rn_plot_log_x(struct rn_plot *plot, double least, double most)
{
    plot->x_axis = RN_AXIS_LOG;
    log_axis(least, most, &plot->x_min, &plot->x_max, &plot->x_step);
}

void rn_plot_log_y(struct rn_plot *plot, double least, double most)
{
    plot->y_axis = RN_AXIS_LOG;
    log_axis(least, most, &plot->y_min, &plot->y_max, &plot->y_step);
}

void rn_plot_doubling_x(struct rn_plot *plot, double least, double most)
{
    plot->x_axis = RN_AXIS_DOUBLING;
    plot->x_min = least;
    plot->x_max = fmax(most, 2 * least);
}

void rn_plot_between_y(struct rn_plot *plot, double least, double most,
                       double limit)
{
    double range = most - least > 0 ? most - least : 1;

    plot->y_step = nice_step(1.3 * range, 6);
    plot->y_min =
        fmax(0, floor((least - 0.15 * range) / plot->y_step) * plot->y_step);
    plot->y_max =
        fmin(limit, ceil((most + 0.15 * range) / plot->y_step) * plot->y_step);
}

/* How far along an axis a value lies, 0 to 1. */
static double along(double value, double min, double max, enum rn_axis axis)
{
    return axis == RN_AXIS_LINEAR ? (value - min) / (max - min)
                                  : (log(fmax(value, min / 1e6)) - log(min)) /
                                        (log(max) - log(min));
}

/* An axis's number behind `value`; NaN, which is within no axis, where there is
 * none: a step too small to be added. */
static double after(double value, double step, enum rn_axis axis)
{
    double next = axis == RN_AXIS_LINEAR     ? value + step
                  : axis == RN_AXIS_DOUBLING ? 2 * value
                  : step > 0 ? pow(10, round(log10(value)) + step)
                             : nice_next(value);

    return next > value ? next : (double)NAN;
}

double rn_plot_x(const struct rn_plot *p, double x)
{
    return p->left +
           along(x, p->x_min, p->x_max, p->x_axis) * (p->right - p->left);
}

double rn_plot_y(const struct rn_plot *p, double y)
{
    return p->bottom -
           along(y, p->y_min, p->y_max, p->y_axis) * (p->bottom - p->top);
}

void rn_plot_head(FILE *out, const struct rn_plot *p, const char *title)
{
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
            "height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"Helvetica, "
            "Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif\" "
            "font-size=\"13\" fill=\"#374151\">\n<title>",
            p->width, p->height, p->width, p->height);
    rn_text_xml(out, title);
    fprintf(out,
            "</title>\n"
            "<clipPath id=\"plot%d\"><rect x=\"%d\" y=\"%d\" width=\"%d\" "
            "height=\"%d\"/></clipPath>\n"
            "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n"
            "<text class=\"title\" x=\"%d\" y=\"32\" font-size=\"17\" "
            "font-weight=\"bold\" fill=\"#111827\">",
            p->number, p->left, p->top - 1, p->right - p->left + 2,
            p->bottom - p->top + 2, p->width, p->height, p->left);
    rn_text_xml(out, title);
    fputs("</text>\n", out);
}

void rn_plot_axes(FILE *out, const struct rn_plot *p, const char *x_title,
                  const char *y_title)
{
    fputs("<g stroke=\"#e5e7eb\">\n", out);
    for (double y = after(p->y_min, p->y_step, p->y_axis);
         y <= p->y_max * 1.0001; y = after(y, p->y_step, p->y_axis))
        rn_print(out, "<path d=\"M%d %.1fH%d\"/>\n", p->left, rn_plot_y(p, y),
                 p->right);
    fputs("</g>\n<g text-anchor=\"end\">\n", out);
    for (double y = p->y_min; y <= p->y_max * 1.0001;
         y = after(y, p->y_step, p->y_axis))
        rn_print(out, "<text x=\"%d\" y=\"%.1f\">%g</text>\n", p->left - 9,
                 rn_plot_y(p, y) + 4.5, y);
    fputs("</g>\n<g text-anchor=\"middle\">\n", out);
    for (double x = p->x_min; x <= p->x_max * 1.0001;
         x = after(x, p->x_step, p->x_axis))
        rn_print(out,
                 "<path d=\"M%.1f %dv5\" stroke=\"#6b7280\"/>"
                 "<text x=\"%.1f\" y=\"%d\">%.10g</text>\n",
                 rn_plot_x(p, x), p->bottom, rn_plot_x(p, x), p->bottom + 20,
                 x);
    fprintf(out,
            "<text x=\"%d\" y=\"%d\">%s</text>\n"
            "<text transform=\"translate(22 %d) rotate(-90)\">%s"
            "</text>\n</g>\n"
            "<path d=\"M%d %dV%dH%d\" fill=\"none\" stroke=\"#6b7280\"/>\n",
            (p->left + p->right) / 2, p->bottom + 44, x_title,
            (p->top + p->bottom) / 2, y_title, p->left, p->top, p->bottom,
            p->right);
}

void rn_plot_line(FILE *out, const struct rn_plot *p,
                  const struct rn_points *points, const char *colour,
                  double width)
{
    if (points->count == 0)
        return;
    if (points->count == 1) { /* of which a line would show nothing */
        if (points->at[0].y <= p->y_max)
            rn_print(out,
                     "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%g\" "
                     "fill=\"%s\"/>\n",
                     rn_plot_x(p, points->at[0].x),
                     rn_plot_y(p, points->at[0].y), 1 + 1.5 * width, colour);
        return;
    }
    rn_print(out,
             "<polyline clip-path=\"url(#plot%d)\" fill=\"none\" stroke=\"%s\" "
             "stroke-width=\"%g\" stroke-linejoin=\"round\" "
             "stroke-linecap=\"round\" points=\"",
             p->number, colour, width);
    for (size_t i = 0; i < points->count; i++)
        rn_print(out, "%s%.1f,%.1f", i == 0 ? "" : " ",
                 rn_plot_x(p, points->at[i].x), rn_plot_y(p, points->at[i].y));
    fputs("\"/>\n", out);
}

void rn_plot_circle(FILE *out, const struct rn_plot *p, double x, double y,
                    double radius, const char *colour)
{
    rn_print(out,
             "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\" "
             "fill-opacity=\"0.45\" stroke=\"%s\"/>\n",
             rn_plot_x(p, x), rn_plot_y(p, y), radius, colour, colour);
}

const char *rn_plot_colour(size_t i)
{
    static const char *const colours[] = {
        "#1d4ed8", "#c2410c", "#15803d", "#7c3aed", "#b91c1c", "#0e7490",
        "#a16207", "#be185d", "#4d7c0f", "#334155", "#0369a1", "#9333ea",
    };

    return colours[i % COUNT(colours)];
}

/* Most letters of 12 pixels are narrower than this. */
#define LETTER 6.6

void rn_plot_make_room(struct rn_plot *p, int line, const char *text)
{
    int bottom = p->top + 8 + LEGEND * (line + 1) + 12, letters = 0, right;

    for (; *text; text++)
        letters += (*text & 0xc0) != 0x80; /* UTF-8's first bytes */
    right = p->right + 44 + (int)ceil(LETTER * letters) + 16;
    p->width = right > p->width ? right : p->width;
    p->height = bottom > p->height ? bottom : p->height;
}

void rn_plot_key(FILE *out, const struct rn_plot *p, int line,
                 const char *colour, const char *text)
{
    int y = p->top + 8 + LEGEND * line;

    fprintf(out,
            "<path d=\"M%d %dh24\" stroke=\"%s\" stroke-width=\"2.2\"/>"
            "<text x=\"%d\" y=\"%d\" font-size=\"12\">",
            p->right + 14, y, colour, p->right + 44, y + 4);
    rn_text_xml(out, text);
    fputs("</text>\n", out);
}
