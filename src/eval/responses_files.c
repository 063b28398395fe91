/* SPDX-License-Identifier: BSD-2-Clause */
/* Responses of layers as files: CSV, and a picture in the manner of the paper's
 * figure 7, in the networks' order above and sorted below. */
#include "eval/responses.h"

#include "core/count.h"
#include "core/csv.h"
#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"
#include "core/plot.h"
#include "model/model.h"

#include <math.h>
#include <string.h>

/* What is written. */
struct sheet {
    const struct rn_responses *const *responses;
    const char *const *labels;
    size_t count;
    struct rn_points points; /* room for the layers of any */
};

/* -------------------------------------------------------------------- CSV */

static void print_csv(const void *what, FILE *out)
{
    const struct sheet *s = what;

    fputs("model,net,layer,name,rows,columns,channels,mean,deviation,rank,"
          "value,batch_norm,part,images,batch\n",
          out);
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < s->responses[i]->info.layers; k++) {
            const struct rn_response_info *info = &s->responses[i]->info;
            const struct rn_response *l = &s->responses[i]->layers[k].response;

            rn_print_csv(out, s->labels[i]);
            putc(',', out);
            rn_print_csv(out, s->responses[i]->model->spec.name);
            fprintf(out, ",%zu,", k + 1);
            rn_print_csv(out, l->name);
            rn_print(out, ",%d,%d,%d,%.9g,%.9g,%d,%s,%s,%s,%d,%d\n", l->rows,
                     l->columns, l->channels, l->mean, l->deviation, l->rank,
                     info->value, info->batch_norm, rn_part_name(info->part),
                     info->images, info->batch);
        }
}

/* ---------------------------------------------------------------- picture */

/* One of both plots is as high as this. */
#define PANEL 400

/* Into points that have the room: nothing can fail. */
static void line_of(struct rn_points *points, const struct rn_responses *r,
                    bool sorted)
{
    points->count = r->info.layers;
    for (size_t k = 0; k < r->info.layers; k++) {
        const struct rn_response *l = &r->layers[k].response;
        size_t place = sorted ? (size_t)l->rank - 1 : k;

        points->at[place] =
            (struct rn_point){(double)(place + 1), l->deviation};
    }
}

static void draw_panel(FILE *out, const struct rn_plot *plot,
                       const struct sheet *s, bool sorted)
{
    struct rn_points points = s->points;

    rn_plot_axes(out, plot, sorted ? "layer, sorted" : "layer, in order",
                 "standard deviation");
    for (size_t i = 0; i < s->count; i++) {
        line_of(&points, s->responses[i], sorted);
        rn_plot_line(out, plot, &points, rn_plot_colour(i), 1.8);
    }
}

static void print_svg(const void *what, FILE *out)
{
    const struct sheet *s = what;
    struct rn_plot plot = {.width = 1000,
                           .height = 2 * PANEL + 30,
                           .left = 70,
                           .top = 62,
                           .right = 740,
                           .bottom = PANEL - 40};
    double layers = 1, most = 0;

    for (size_t i = 0; i < s->count; i++) {
        rn_plot_make_room(&plot, (int)i, s->labels[i]);
        for (size_t k = 0; k < s->responses[i]->info.layers; k++) {
            layers = fmax(layers, (double)(k + 1));
            most = fmax(most, s->responses[i]->layers[k].response.deviation);
        }
    }
    rn_plot_scale(&plot, layers, most > 0 ? most : 1, (double)INFINITY);
    rn_plot_head(out, &plot, "Responses of layers");
    for (size_t i = 0; i < s->count; i++)
        rn_plot_key(out, &plot, (int)i, rn_plot_colour(i), s->labels[i]);
    draw_panel(out, &plot, s, false);
    fprintf(out, "<g transform=\"translate(0 %d)\">\n", PANEL - 10);
    draw_panel(out, &plot, s, true);
    fputs("</g>\n</svg>\n", out);
}

/* ---------------------------------------------------------------- writing */

static const struct rn_print_form forms[] = {{".csv", print_csv},
                                             {".svg", print_svg}};

int rn_responses_write(const struct rn_responses *const *responses,
                       const char *const *labels, size_t count,
                       const char *path, struct rn_error *err)
{
    const struct rn_print_form *form = rn_print_form(forms, COUNT(forms), path);
    struct sheet s = {responses, labels, count, {.count = 0}};
    size_t most = 1;
    int rc;

    if (!form)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s': responses of layers end in .csv or .svg", path);
    for (size_t i = 0; i < count; i++)
        if (responses[i]->info.layers > most)
            most = responses[i]->info.layers;
    s.points.at = rn_alloc(most, sizeof(*s.points.at));
    if (!s.points.at)
        return rn_fail_memory(err, most * sizeof(*s.points.at), "a picture");
    rc = rn_print_file(path, form->print, &s, err);
    rn_free(s.points.at);
    return rc;
}
