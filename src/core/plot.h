/* SPDX-License-Identifier: BSD-2-Clause */
/* Charts as SVG: axes from zero or logarithmic, lines, circles. Text is
 * gathered in memory; a stream's errors stay until they are asked for at the
 * end. */
#ifndef RN_CORE_PLOT_H
#define RN_CORE_PLOT_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct rn_point {
    double x, y;
};

struct rn_points {
    struct rn_point *at; /* rn_free() releases it */
    size_t count, capacity;
};

/** False when memory is short. */
bool rn_points_add(struct rn_points *points, double x, double y);

/** Replace groups of points by their means until there are at most `most`. */
void rn_points_thin(struct rn_points *points, size_t most);

/** The largest y of the points from `x` on, 0 without any. */
double rn_points_largest(const struct rn_points *points, double x);

enum rn_axis {
    RN_AXIS_LINEAR,
    RN_AXIS_LOG,     /* logarithmic, with numbers at 1, 2, 5, 10, …, or, where
                        these are too many, at powers of ten */
    RN_AXIS_DOUBLING /* likewise at 1, 2, 4, 8, … */
};

/** The picture, the plot within it, in pixels, and what its axes reach. */
struct rn_plot {
    int width, height, left, top, right, bottom;
    int number; /* of the picture on its page */
    double x_max, y_max, x_step, y_step;
    double x_min, y_min;
    enum rn_axis x_axis, y_axis;
};

/** A picture of that width and 500 pixels in height, with a plot up to the
 *  column `right`: behind that is room for a legend. Its axes reach nothing. */
struct rn_plot rn_plot_frame(int width, int right);
/** Both axes from 0, so that x_max and y_max fit; whole steps. x is not
 *  rounded up, y at most to `y_limit`. */
void rn_plot_scale(struct rn_plot *plot, double x_max, double y_max,
                   double y_limit);
/** Logarithmic axes, in place of those from 0, so that `least` and `most`, both
 *  above 0, fit. */
void rn_plot_log_x(struct rn_plot *plot, double least, double most);
void rn_plot_log_y(struct rn_plot *plot, double least, double most);
/** The same with numbers that double; from `least` itself. */
void rn_plot_doubling_x(struct rn_plot *plot, double least, double most);
/** A y axis that begins below `least`, at most to `limit`. */
void rn_plot_between_y(struct rn_plot *plot, double least, double most,
                       double limit);
double rn_plot_x(const struct rn_plot *plot, double x);
double rn_plot_y(const struct rn_plot *plot, double y);

/** From <svg> to the background. */
void rn_plot_head(FILE *out, const struct rn_plot *plot, const char *title);
/** Grid, axes, numbers, and what they are numbers of. */
void rn_plot_axes(FILE *out, const struct rn_plot *plot, const char *x,
                  const char *y);
void rn_plot_line(FILE *out, const struct rn_plot *plot,
                  const struct rn_points *points, const char *colour,
                  double width);
/** A disc at a point, its radius in pixels. */
void rn_plot_circle(FILE *out, const struct rn_plot *plot, double x, double y,
                    double radius, const char *colour);

/** The i-th of colours that are told apart. */
const char *rn_plot_colour(size_t i);
/** Make the picture as wide and high as a key needs it. */
void rn_plot_make_room(struct rn_plot *plot, int line, const char *text);
/** Line `line` of a legend to the right of the plot. */
void rn_plot_key(FILE *out, const struct rn_plot *plot, int line,
                 const char *colour, const char *text);

#endif
