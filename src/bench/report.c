/* SPDX-License-Identifier: BSD-2-Clause */
/* The figures of A. Canziani et al. 2016 of several networks: a page with all
 * of them, a table, and each as a file. */
#include "core/count.h"
#include "core/csv.h"
#include "core/error.h"
#include "core/file.h"
#include "core/letters.h"
#include "core/locale.h"
#include "core/memory.h"
#include "core/plot.h"
#include "study/study.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

/* In pixels. */
#define LARGEST  36 /* radius of the network with most parameters */
#define SMALLEST 4
#define LETTER   6.6
/* An axis is logarithmic where values differ more than so many times. */
#define WIDE 20

struct report {
    const char *title, *about, *energy;
    const struct rn_bench_net *nets;
    size_t count;
};

/* What the figures show of a network at a batch size; NaN: it is not known. */
static double milliseconds(const struct rn_bench_point *p)
{
    return p->images_per_second > 0 ? 1e3 / p->images_per_second : (double)NAN;
}

static double megabytes(const struct rn_bench_point *p)
{
    return p->bytes ? 1e-6 * (double)p->bytes : (double)NAN;
}

static double watts(const struct rn_bench_point *p)
{
    return p->watts;
}

static double joules(const struct rn_bench_point *p)
{
    return p->joules_per_image;
}

static const struct figure {
    const char *file, *title, *axis;
    double (*value)(const struct rn_bench_point *p); /* NULL: accuracy */
    const char *unit;
} figures[] = {
    {"accuracy.svg", "Accuracy against multiply-adds",
     "accuracy, % (circles: parameters)", NULL, "%"},
    {"time.svg", "Time per image", "milliseconds per image", milliseconds,
     "ms"},
    {"memory.svg", "Memory", "megabytes", megabytes, "MB"},
    {"power.svg", "Power", "watts", watts, "W"},
    {"energy.svg", "Energy per image", "joules per image", joules, "J"},
};

/* ------------------------------------------------------------------ ranges */

struct range {
    double least, most;
    size_t count;
};

static void widen(struct range *range, double value)
{
    if (!isfinite(value))
        return;
    range->least = range->count ? fmin(range->least, value) : value;
    range->most = range->count ? fmax(range->most, value) : value;
    range->count++;
}

/* A network that could not even be made has no multiply-adds. */
static bool has_circle(const struct rn_bench_net *net)
{
    return isfinite(net->accuracy) && net->macs > 0;
}

/* All values of a figure, and what they stand above. */
static void measure(const struct report *r, const struct figure *figure,
                    struct range *x, struct range *y)
{
    *x = *y = (struct range){.count = 0};
    for (size_t i = 0; i < r->count; i++) {
        const struct rn_bench_net *net = &r->nets[i];

        if (!figure->value && has_circle(net)) {
            widen(x, 1e-6 * (double)net->macs);
            widen(y, net->accuracy);
        }
        for (size_t k = 0; k < net->n_points && figure->value; k++)
            if (isfinite(figure->value(&net->points[k]))) {
                widen(x, net->points[k].batch);
                widen(y, figure->value(&net->points[k]));
            }
    }
}

static bool is_known(const struct report *r, const struct figure *figure)
{
    struct range x, y;

    measure(r, figure, &x, &y);
    return y.count > 0;
}

/* ---------------------------------------------------------------- accuracy */

struct place {
    double left, top, right, bottom;
};

static bool meet(const struct place *a, const struct place *b)
{
    return a->left < b->right && b->left < a->right && a->top < b->bottom &&
           b->top < a->bottom;
}

/* Beside the circle where no other name stands, if there is such a place:
 * right, left, above, below. */
static struct place place_name(const struct rn_plot *plot, double x, double y,
                               double radius, double width,
                               const struct place *others, size_t count)
{
    const double far = radius + 4;
    const double at[][2] = {{x + far, y - 7},
                            {x - far - width, y - 7},
                            {x - width / 2, y - far - 13},
                            {x - width / 2, y + far},
                            {x + 0.7 * far, y - 0.7 * far - 12},
                            {x + 0.7 * far, y + 0.7 * far}};
    struct place first = {.left = 0};

    for (size_t i = 0; i < COUNT(at); i++) {
        struct place p = {at[i][0], at[i][1], at[i][0] + width, at[i][1] + 14};
        size_t k = 0;

        if (i == 0)
            first = p;
        while (k < count && !meet(&p, &others[k]))
            k++;
        if (k == count && p.left >= plot->left && p.right < plot->width)
            return p;
    }
    return first;
}

static double radius_of(const struct report *r, const struct rn_bench_net *net)
{
    uint64_t most = 1;

    for (size_t i = 0; i < r->count; i++)
        if (has_circle(&r->nets[i]) && r->nets[i].params > most)
            most = r->nets[i].params;
    return fmax(SMALLEST, LARGEST * sqrt((double)net->params / (double)most));
}

static void draw_circles(FILE *out, const struct rn_plot *plot,
                         const struct report *r)
{
    struct place *names = rn_alloc(r->count, sizeof(struct place));
    size_t n = 0;

    for (size_t i = 0; i < r->count; i++) {
        const struct rn_bench_net *net = &r->nets[i];
        char macs[40], params[40];

        if (!has_circle(net))
            continue;
        rn_format_count(macs, sizeof(macs), (double)net->macs);
        rn_format_count(params, sizeof(params), (double)net->params);
        fputs("<g><title>", out);
        rn_text_xml(out, net->name);
        rn_print(out, ": %.2f %%, %s multiply-adds, %s parameters",
                 net->accuracy, macs, params);
        fputs("</title>", out);
        rn_plot_circle(out, plot, 1e-6 * (double)net->macs, net->accuracy,
                       radius_of(r, net), rn_plot_colour(i));
        fputs("</g>\n", out);
    }
    for (size_t i = 0; i < r->count && names; i++) {
        const struct rn_bench_net *net = &r->nets[i];

        if (!has_circle(net))
            continue;
        names[n] = place_name(plot, rn_plot_x(plot, 1e-6 * (double)net->macs),
                              rn_plot_y(plot, net->accuracy), radius_of(r, net),
                              LETTER * rn_text_width(net->name), names, n);
        rn_print(out,
                 "<text x=\"%.1f\" y=\"%.1f\" font-size=\"12\" "
                 "fill=\"#111827\">",
                 names[n].left, names[n].bottom - 3);
        rn_text_xml(out, net->name);
        fputs("</text>\n", out);
        n++;
    }
    rn_free(names);
}

/* ------------------------------------------------------------------- lines */

static void draw_net(FILE *out, const struct rn_plot *plot,
                     const struct report *r, const struct figure *figure,
                     size_t i)
{
    const struct rn_bench_net *net = &r->nets[i];
    struct rn_points line = {.count = 0};

    for (size_t k = 0; k < net->n_points; k++)
        if (isfinite(figure->value(&net->points[k])) &&
            !rn_points_add(&line, net->points[k].batch,
                           figure->value(&net->points[k])))
            break;
    rn_plot_line(out, plot, &line, rn_plot_colour(i), 1.8);
    for (size_t k = 0; k < line.count; k++) {
        char text[40];

        rn_format_figures(text, sizeof(text), line.at[k].y);
        fputs("<g><title>", out);
        rn_text_xml(out, net->name);
        rn_print(out, ", batch %.0f: %s %s</title>", line.at[k].x, text,
                 figure->unit);
        rn_plot_circle(out, plot, line.at[k].x, line.at[k].y, 3.5,
                       rn_plot_colour(i));
        fputs("</g>\n", out);
    }
    rn_free(line.at);
}

static bool has_line(const struct rn_bench_net *net,
                     const struct figure *figure)
{
    for (size_t k = 0; k < net->n_points; k++)
        if (isfinite(figure->value(&net->points[k])))
            return true;
    return false;
}

static void draw_lines(FILE *out, const struct rn_plot *plot,
                       const struct report *r, const struct figure *figure)
{
    int line = 0;

    for (size_t i = 0; i < r->count; i++) {
        if (!has_line(&r->nets[i], figure))
            continue;
        draw_net(out, plot, r, figure, i);
        rn_plot_key(out, plot, line++, rn_plot_colour(i), r->nets[i].name);
    }
}

/* ----------------------------------------------------------------- figures */

/* With room for the legend of lines; circles have their names beside them. */
static struct rn_plot frame_of(const struct report *r,
                               const struct figure *figure)
{
    struct rn_plot plot = rn_plot_frame(1000, figure->value ? 740 : 860);
    int line = 0;

    plot.number = (int)(figure - figures);
    for (size_t i = 0; figure->value && i < r->count; i++)
        if (has_line(&r->nets[i], figure))
            rn_plot_make_room(&plot, line++, r->nets[i].name);
    return plot;
}

static void draw_figure(FILE *out, const struct report *r,
                        const struct figure *figure)
{
    struct rn_plot plot = frame_of(r, figure);
    struct range x, y;

    measure(r, figure, &x, &y);
    rn_plot_scale(&plot, fmax(1.05 * x.most, 1), fmax(y.most, 1e-9),
                  (double)INFINITY);
    if (figure->value)
        rn_plot_doubling_x(&plot, x.least, x.most);
    else if (x.least > 0 && x.most > WIDE * x.least)
        rn_plot_log_x(&plot, 0.8 * x.least, 1.2 * x.most);
    if (!figure->value)
        rn_plot_between_y(&plot, y.least, y.most, 100);
    else if (y.least > 0 && y.most > WIDE * y.least)
        rn_plot_log_y(&plot, y.least, y.most);
    rn_plot_head(out, &plot, figure->title);
    rn_plot_axes(out, &plot,
                 figure->value ? "images per batch"
                               : "million multiply-adds an image",
                 figure->axis);
    if (figure->value)
        draw_lines(out, &plot, r, figure);
    else
        draw_circles(out, &plot, r);
    fputs("</svg>\n", out);
}

/* A figure on its own, for rn_print_file(). */
struct drawn {
    const struct report *report;
    const struct figure *figure;
};

static void print_figure(const void *what, FILE *out)
{
    const struct drawn *d = what;

    draw_figure(out, d->report, d->figure);
}

/* --------------------------------------------------------------------- CSV */

static void number(FILE *out, double value, const char *format)
{
    char text[40] = "";

    if (isfinite(value))
        rn_format(text, sizeof(text), format, value);
    fprintf(out, ",%s", text);
}

static void csv_row(FILE *out, const struct rn_bench_net *net,
                    const struct rn_bench_point *p)
{
    static const struct rn_bench_point none = {.watts = (double)NAN,
                                               .joules_per_image = (double)NAN};

    rn_print_csv(out, net->name);
    number(out, net->accuracy, "%.4f");
    putc(',', out);
    rn_print_csv(out, net->accuracy_of ? net->accuracy_of : "");
    if (net->params)
        fprintf(out, ",%" PRIu64 ",%" PRIu64, net->params, net->macs);
    else
        fputs(",,", out);
    putc(',', out);
    if (p)
        fprintf(out, "%d", p->batch);
    p = p ? p : &none;
    number(out, p->images_per_second > 0 ? p->images_per_second : (double)NAN,
           "%.3f");
    number(out, milliseconds(p), "%.6g");
    number(out, p->bytes ? (double)p->bytes : (double)NAN, "%.0f");
    number(out, p->watts, "%.4g");
    number(out, p->joules_per_image, "%.6g");
    putc(',', out);
    rn_print_csv(out, net->failure ? net->failure : "");
    putc('\n', out);
}

static void print_csv(const void *what, FILE *out)
{
    const struct report *r = what;

    fputs("network,accuracy,accuracy_of,parameters,multiply_adds,batch,"
          "images_per_second,milliseconds_per_image,memory_bytes,watts,"
          "joules_per_image,failure\n",
          out);
    for (size_t i = 0; i < r->count; i++) {
        const struct rn_bench_net *net = &r->nets[i];

        if (net->n_points == 0)
            csv_row(out, net, NULL);
        for (size_t k = 0; k < net->n_points; k++)
            csv_row(out, net, &net->points[k]);
    }
}

/* -------------------------------------------------------------------- page */

static void cell(FILE *out, double value, const char *unit)
{
    char text[40] = "";

    if (isfinite(value))
        rn_format_figures(text, sizeof(text), value);
    fprintf(out, "<td>%s%s%s</td>", text, *text ? " " : "", *text ? unit : "");
}

/* Of a network that could not be made, nothing. */
static void count_cell(FILE *out, const struct rn_bench_net *net,
                       uint64_t count)
{
    char text[40] = "";

    if (net->params)
        rn_format_count(text, sizeof(text), (double)count);
    fprintf(out, "<td>%s</td>", text);
}

/* The batch that an image takes the least time in. */
static const struct rn_bench_point *fastest(const struct rn_bench_net *net)
{
    const struct rn_bench_point *best = &net->points[0];

    for (size_t k = 1; k < net->n_points; k++)
        if (net->points[k].images_per_second > best->images_per_second)
            best = &net->points[k];
    return best;
}

static void net_row(FILE *out, const struct report *r, size_t i)
{
    const struct rn_bench_net *net = &r->nets[i];

    fprintf(out,
            "<tr><td style=\"white-space: nowrap\"><span class=\"swatch\" "
            "style=\"background:%s\"></span>",
            rn_plot_colour(i));
    rn_text_xml(out, net->name);
    fputs("</td>", out);
    cell(out, net->accuracy, "%");
    count_cell(out, net, net->params);
    count_cell(out, net, net->macs);
    if (net->n_points) {
        const struct rn_bench_point *first = &net->points[0];
        const struct rn_bench_point *best = fastest(net);

        cell(out, milliseconds(first), "ms");
        cell(out, milliseconds(best), "ms");
        fprintf(out, "<td>%d</td>", best->batch);
        cell(out, megabytes(first), "MB");
        cell(out, megabytes(best), "MB");
        cell(out, best->joules_per_image, "J");
    } else {
        fputs("<td></td><td></td><td></td><td></td><td></td><td></td>", out);
    }
    fputs("</tr>\n", out);
}

static bool same_source(const struct report *r, size_t a, size_t b)
{
    const char *other = r->nets[b].accuracy_of;

    return other && strcmp(r->nets[a].accuracy_of, other) == 0;
}

/* Whether a network above has its accuracy from the same source. */
static bool told_before(const struct report *r, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (same_source(r, i, k))
            return true;
    return false;
}

static void list_same(FILE *out, const struct report *r, size_t i)
{
    for (size_t k = i; k < r->count; k++)
        if (same_source(r, i, k)) {
            if (k > i)
                fputs(", ", out);
            rn_text_xml(out, r->nets[k].name);
        }
}

static void notes(FILE *out, const struct report *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->nets[i].failure) {
            fputs("<p class=\"note\">", out);
            rn_text_xml(out, r->nets[i].name);
            fputs(" failed: ", out);
            rn_text_xml(out, r->nets[i].failure);
            fputs("</p>\n", out);
        }
    for (size_t i = 0; i < r->count; i++)
        if (r->nets[i].accuracy_of && !told_before(r, i)) {
            fputs("<p class=\"note\">Accuracy, ", out);
            rn_text_xml(out, r->nets[i].accuracy_of);
            fputs(": ", out);
            list_same(out, r, i);
            fputs("</p>\n", out);
        }
}

static void print_page(const void *what, FILE *out)
{
    const struct report *r = what;

    rn_report_page(out, r->title);
    fputs("<p class=\"note\">", out);
    rn_text_xml(out, r->about);
    fputs("</p>\n<div class=\"scroll\"><table><thead><tr><th>network</th>"
          "<th>accuracy</th><th>parameters</th><th>multiply-adds</th>"
          "<th>an image,<br>smallest batch</th><th>fastest</th>"
          "<th>in batches<br>of</th><th>memory,<br>smallest batch</th>"
          "<th>fastest</th><th>energy<br>an image</th></tr></thead><tbody>\n",
          out);
    for (size_t i = 0; i < r->count; i++)
        net_row(out, r, i);
    fputs("</tbody></table></div>\n", out);
    notes(out, r);
    for (size_t i = 0; i < COUNT(figures); i++) {
        fprintf(out, "<h2>%s</h2>\n", figures[i].title);
        if (is_known(r, &figures[i])) {
            fputs("<figure>\n", out);
            draw_figure(out, r, &figures[i]);
            fputs("</figure>\n", out);
        } else {
            fputs("<p class=\"note\">Not known of any network", out);
            if (figures[i].value == watts || figures[i].value == joules) {
                fputs(": ", out);
                rn_text_xml(out, r->energy);
            }
            fputs(".</p>\n", out);
        }
    }
    if (is_known(r, &figures[COUNT(figures) - 1])) {
        fputs("<p class=\"note\">Power and energy ", out);
        rn_text_xml(out, r->energy);
        fputs("</p>\n", out);
    }
    fputs("</body></html>\n", out);
}

/* ------------------------------------------------------------------- files */

static int write_file(const char *folder, const char *file,
                      void (*print)(const void *what, FILE *out),
                      const void *what, struct rn_error *err)
{
    char *path = rn_path_join(folder, file);
    int rc = path ? rn_print_file(path, print, what, err)
                  : rn_fail_memory(err, 256, "a file name");

    rn_free(path);
    return rc;
}

int rn_bench_report(const char *folder, const char *title, const char *about,
                    const char *energy, const struct rn_bench_net *nets,
                    size_t count, struct rn_error *err)
{
    const struct report r = {title, about, energy, nets, count};
    int rc;

    if (count == 0)
        return rn_fail(err, RN_ERR_ARG, "'%s': no networks to report on",
                       folder);
    if (mkdir(folder, 0777) != 0 && (errno != EEXIST || !rn_is_folder(folder)))
        return rn_fail_errno(err, "make folder", folder);
    rc = write_file(folder, "survey.html", print_page, &r, err);
    if (!rc)
        rc = write_file(folder, "survey.csv", print_csv, &r, err);
    for (size_t i = 0; i < COUNT(figures) && !rc; i++) {
        const struct drawn drawn = {&r, &figures[i]};

        /* What an earlier report had and this one has not would mislead. */
        rc =
            is_known(&r, &figures[i])
                ? write_file(folder, figures[i].file, print_figure, &drawn, err)
                : rn_file_remove(folder, figures[i].file, err);
    }
    return rc;
}
