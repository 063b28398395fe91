/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of layers in the report: each run's norms of gradients and variances
 * of activations, at its first, middle and last record. */
#include "core/count.h"
#include "core/csv.h"
#include "core/letters.h"
#include "core/locale.h"
#include "core/memory.h"
#include "study/study.h"

#include <math.h>

/* What a picture shows of a record. */
static const struct shown {
    const char *title;
    const char *object, *field; /* field NULL: the object's are numbers */
    const char *x, *y;
} pictures[] = {
    {"Norms of gradients by layer", "gradients", NULL,
     "convolution or fully connected layer, in order", "L2 norm"},
    {"Variances of what batch norm reads", "activations", "variance",
     "batch norm, in order", "variance"},
};

/* First, middle, last. */
#define CURVES 3

bool rn_report_has_layers(const struct rn_report_input *in)
{
    for (size_t i = 0; i < in->runs->count; i++)
        if (in->runs->at[i].records)
            return true;
    return false;
}

/* --------------------------------------------------------------- pictures */

/* Of what is not a number above 0, NaN. */
static double value_of(const json_t *layer, const char *field)
{
    const json_t *number = field ? json_object_get(layer, field) : layer;
    double value = json_number_value(number);

    return value > 0 ? value : (double)NAN;
}

/* The i-th record that is drawn; NULL: there are fewer. */
static const json_t *record_at(const struct rn_found *run, size_t i)
{
    size_t n = json_array_size(run->records);

    if (n < CURVES)
        return json_array_get(run->records, i);
    return json_array_get(run->records, i * (n - 1) / (CURVES - 1));
}

/* A record's values over the layers' numbers; false when memory is short. */
static bool take_curve(const json_t *record, const struct shown *shown,
                       struct rn_points *points)
{
    const char *name;
    json_t *layer;
    double number = 0;

    json_object_foreach(json_object_get(record, shown->object), name, layer)
    {
        double value = value_of(layer, shown->field);

        (void)name;
        number++;
        if (isfinite(value) && !rn_points_add(points, number, value))
            return false;
    }
    return true;
}

/* Axes that hold all curves, of which the first has points. */
static void scale(struct rn_plot *plot, const struct rn_points curves[CURVES])
{
    double layers = 1, least = curves[0].at[0].y, most = least;

    for (size_t i = 0; i < CURVES; i++)
        for (size_t k = 0; k < curves[i].count; k++) {
            layers = fmax(layers, curves[i].at[k].x);
            least = fmin(least, curves[i].at[k].y);
            most = fmax(most, curves[i].at[k].y);
        }
    rn_plot_scale(plot, layers, most, most);
    rn_plot_log_y(plot, least, most);
}

static void draw(FILE *out, const struct rn_found *run,
                 const struct shown *shown,
                 const struct rn_points curves[CURVES], int number)
{
    struct rn_plot plot = rn_plot_frame(1000, 740);
    char text[300];

    plot.number = number;
    scale(&plot, curves);
    rn_format(text, sizeof(text), "%s: %s", shown->title, run->name);
    fputs("<h2>", out);
    rn_text_xml(out, text);
    fputs("</h2>\n<figure>\n", out);
    rn_plot_head(out, &plot, text);
    rn_plot_axes(out, &plot, shown->x, shown->y);
    for (size_t i = 0; i < CURVES; i++) {
        const json_t *record = record_at(run, i);

        if (!record)
            continue;
        rn_plot_line(out, &plot, &curves[i], rn_plot_colour(i), 1.8);
        rn_format(text, sizeof(text), "iteration %.0f",
                  json_number_value(json_object_get(record, "iteration")));
        rn_plot_key(out, &plot, (int)i, rn_plot_colour(i), text);
    }
    fputs("</svg>\n</figure>\n", out);
}

static void draw_run(FILE *out, const struct rn_found *run,
                     const struct shown *shown, int number)
{
    struct rn_points curves[CURVES] = {{.count = 0}};
    bool fits = true;

    for (size_t i = 0; i < CURVES; i++)
        fits = fits && take_curve(record_at(run, i), shown, &curves[i]);
    if (!fits)
        fputs("<p class=\"note\">Memory was short for a picture of layers."
              "</p>\n",
              out);
    else if (curves[0].count)
        draw(out, run, shown, curves, number);
    for (size_t i = 0; i < CURVES; i++)
        rn_free(curves[i].at);
}

void rn_report_layers(FILE *out, const struct rn_report_input *in)
{
    size_t number;

    (void)rn_report_figures(in, &number); /* which are on the page already */
    for (size_t i = 0; i < in->runs->count; i++)
        for (size_t k = 0; in->runs->at[i].records && k < COUNT(pictures); k++)
            draw_run(out, &in->runs->at[i], &pictures[k], (int)number++);
}

/* ------------------------------------------------------------- layers.csv */

static void csv_number(FILE *out, const json_t *value)
{
    putc(',', out);
    if (json_is_number(value))
        rn_print(out, "%.6g", json_number_value(value));
}

static void csv_begin(FILE *out, const struct rn_found *run,
                      const json_t *record, const char *name)
{
    rn_print_csv(out, run->name);
    rn_print(out, ",%.0f,",
             json_number_value(json_object_get(record, "iteration")));
    rn_print_csv(out, name);
}

static void csv_record(FILE *out, const struct rn_found *run,
                       const json_t *record)
{
    const char *name;
    json_t *value;

    json_object_foreach(json_object_get(record, "gradients"), name, value)
    {
        csv_begin(out, run, record, name);
        csv_number(out, value);
        fputs(",,,\n", out);
    }
    json_object_foreach(json_object_get(record, "activations"), name, value)
    {
        csv_begin(out, run, record, name);
        putc(',', out);
        csv_number(out, json_object_get(value, "mean"));
        csv_number(out, json_object_get(value, "variance"));
        csv_number(out, json_object_get(value, "normed"));
        putc('\n', out);
    }
}

void rn_report_layers_csv(FILE *out, const struct rn_report_input *in)
{
    size_t k;
    json_t *record;

    fputs("run,iteration,layer,gradient_norm,mean,variance,normed_variance\n",
          out);
    for (size_t i = 0; i < in->runs->count; i++)
        json_array_foreach(in->runs->at[i].records, k, record)
            csv_record(out, &in->runs->at[i], record);
}
