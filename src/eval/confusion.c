/* SPDX-License-Identifier: BSD-2-Clause */
/* The confusion matrix: rows are labels, columns answers, both only of classes
 * that occur as one or the other. */
#include "eval/report.h"

#include "core/count.h"
#include "core/csv.h"
#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"
#include "core/text.h"

#include <string.h>

/* Of the text. */
#define NAME_MAX_SHOWN 24

/* Of the picture, in pixels: a cell of a small matrix, the side that a large
 * one has, a letter's width, and the margin. */
#define CELL    28
#define SIDE    1200
#define LETTER  6.2
#define MARGIN  12
#define LABELED 60 /* classes that still get their names */

struct confusion {
    const struct rn_report *report;
    int n;
    int *classes; /* [n], the model's */
    int *place;   /* [model's classes]: which of the n, or -1 */
    int *counts;  /* [n][n] */
    int *rows;    /* [n]: sums over columns */
};

/* ------------------------------------------------------------- counting */

static void find_classes(struct confusion *c)
{
    const struct rn_report *r = c->report;

    for (int i = 0; i < r->count; i++) {
        c->place[r->answers[i].label] = 1;
        c->place[r->answers[i].top[0]] = 1;
    }
    for (int i = 0; i < r->classes; i++) {
        bool occurs = c->place[i] != 0;

        c->place[i] = occurs ? c->n : -1;
        if (occurs)
            c->classes[c->n++] = i;
    }
}

static void count(struct confusion *c)
{
    for (int i = 0; i < c->report->count; i++) {
        const struct rn_answer *a = &c->report->answers[i];
        int row = c->place[a->label];

        c->counts[(size_t)row * (size_t)c->n + (size_t)c->place[a->top[0]]]++;
        c->rows[row]++;
    }
}

static void clear(struct confusion *c)
{
    rn_free(c->classes);
    rn_free(c->place);
    rn_free(c->counts);
    rn_free(c->rows);
}

static bool make(struct confusion *c, const struct rn_report *report)
{
    size_t all = (size_t)report->classes;

    *c = (struct confusion){.report = report};
    c->classes = rn_alloc(all, sizeof(int));
    c->place = rn_alloc(all, sizeof(int));
    if (c->classes && c->place)
        find_classes(c);
    c->counts = rn_alloc((size_t)c->n * (size_t)c->n, sizeof(int));
    c->rows = rn_alloc((size_t)c->n, sizeof(int));
    if (c->n > 0 && c->counts && c->rows) {
        count(c);
        return true;
    }
    clear(c);
    return false;
}

static int at(const struct confusion *c, int row, int column)
{
    return c->counts[(size_t)row * (size_t)c->n + (size_t)column];
}

static const char *name(const struct confusion *c, int i, char *buf,
                        size_t size)
{
    return rn_report_name(c->report, c->classes[i], buf, size);
}

/* ------------------------------------------------------------ CSV, text */

/* With its number, for names may occur twice (ImageNet's crane). */
static void print_class(const struct confusion *c, int i, FILE *out)
{
    char buf[16], text[300];

    snprintf(text, sizeof(text), "%d %s", c->classes[i],
             name(c, i, buf, sizeof(buf)));
    rn_print_csv(out, rn_text_whole(text));
}

static void print_csv(const void *what, FILE *out)
{
    const struct confusion *c = what;

    fputs("label\\answer", out);
    for (int i = 0; i < c->n; i++) {
        putc(',', out);
        print_class(c, i, out);
    }
    putc('\n', out);
    for (int row = 0; row < c->n; row++) {
        print_class(c, row, out);
        for (int column = 0; column < c->n; column++)
            fprintf(out, ",%d", at(c, row, column));
        putc('\n', out);
    }
}

/* Width of what numbers and the column's number take. */
static int column_width(const struct confusion *c)
{
    int most = c->classes[c->n - 1];

    for (int i = 0; i < c->n; i++)
        most = c->rows[i] > most ? c->rows[i] : most;
    return snprintf(NULL, 0, "%d", most) + 1;
}

/* As many columns as all names get. */
static void print_padded(FILE *out, const char *text)
{
    int width;
    size_t length = rn_text_fit(text, NAME_MAX_SHOWN, &width);

    fprintf(out, "%.*s%*s", (int)length, text, NAME_MAX_SHOWN - width, "");
}

static void print_text(const void *what, FILE *out)
{
    const struct confusion *c = what;
    int width = column_width(c);
    char buf[16];

    fprintf(out, "Rows are labels, columns answers, by number of class.\n\n");
    fprintf(out, "%-*s", NAME_MAX_SHOWN + 7, "");
    for (int i = 0; i < c->n; i++)
        fprintf(out, "%*d", width, c->classes[i]);
    putc('\n', out);
    for (int row = 0; row < c->n; row++) {
        fprintf(out, "%5d  ", c->classes[row]);
        print_padded(out, name(c, row, buf, sizeof(buf)));
        for (int column = 0; column < c->n; column++)
            fprintf(out, "%*d", width, at(c, row, column));
        putc('\n', out);
    }
}

/* ------------------------------------------------------------------ SVG */

struct layout {
    double cell, left, top; /* side of a cell; where the matrix begins */
    bool labeled;
};

static void lay_out(const struct confusion *c, struct layout *l)
{
    int longest = 0;
    char buf[16];

    l->labeled = c->n <= LABELED;
    l->cell = c->n * CELL > SIDE ? (double)SIDE / c->n : CELL;
    for (int i = 0; i < c->n; i++) {
        int width = rn_text_width(name(c, i, buf, sizeof(buf)));

        longest = width > longest ? width : longest;
    }
    longest = longest > NAME_MAX_SHOWN ? NAME_MAX_SHOWN : longest;
    l->left = l->labeled ? longest * LETTER + 2 * MARGIN : 2 * MARGIN;
    l->top = l->left + MARGIN;
}

static void draw_name(const struct confusion *c, const struct layout *l, int i,
                      FILE *out)
{
    double middle = (i + 0.5) * l->cell;
    char buf[16], shown[300];
    const char *text = name(c, i, buf, sizeof(buf));
    int width;

    snprintf(shown, sizeof(shown), "%.*s",
             (int)rn_text_fit(text, NAME_MAX_SHOWN, &width), text);
    rn_text_whole(shown);
    rn_print(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">",
             l->left - 6, l->top + middle + 4);
    rn_text_xml(out, shown);
    rn_print(out,
             "</text><text transform=\"translate(%.1f %.1f) "
             "rotate(-90)\">",
             l->left + middle + 4, l->top - 6);
    rn_text_xml(out, shown);
    fputs("</text>\n", out);
}

/* Darker the larger its share of the row: blue on the diagonal, where answers
 * are right, red beside it. */
static void draw_cell(const struct confusion *c, const struct layout *l,
                      int row, int column, FILE *out)
{
    int n = at(c, row, column);
    double share, x = l->left + column * l->cell, y = l->top + row * l->cell;

    if (n == 0)
        return;
    share = (double)n / c->rows[row];
    rn_print(out,
             "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
             "fill=\"%s\" fill-opacity=\"%.2f\"/>",
             x, y, l->cell, l->cell, row == column ? "#1d4ed8" : "#c2410c",
             0.15 + 0.85 * share);
    if (l->labeled)
        rn_print(out,
                 "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" "
                 "fill=\"%s\">%d</text>",
                 x + l->cell / 2, y + l->cell / 2 + 4,
                 share > 0.5 ? "#fff" : "#111827", n);
    putc('\n', out);
}

static void print_svg(const void *what, FILE *out)
{
    const struct confusion *c = what;
    struct layout l;
    double side;

    lay_out(c, &l);
    side = c->n * l.cell;
    rn_print(out,
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" "
             "height=\"%.0f\" font-family=\"sans-serif\" font-size=\"11\" "
             "fill=\"#111827\">\n"
             "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
             "<text x=\"%d\" y=\"16\">rows: labels, columns: answers, %d "
             "images</text>\n",
             l.left + side + MARGIN, l.top + side + MARGIN, MARGIN,
             c->report->count);
    for (int i = 0; l.labeled && i < c->n; i++)
        draw_name(c, &l, i, out);
    for (int row = 0; row < c->n; row++)
        for (int column = 0; column < c->n; column++)
            draw_cell(c, &l, row, column, out);
    rn_print(out,
             "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
             "fill=\"none\" stroke=\"#9ca3af\"/>\n</svg>\n",
             l.left, l.top, side, side);
}

/* -------------------------------------------------------------- writing */

static const struct rn_print_form forms[] = {
    {".csv", print_csv}, {".svg", print_svg}, {".txt", print_text}};

int rn_report_confusion(const struct rn_report *report, const char *path,
                        struct rn_error *err)
{
    const struct rn_print_form *form = rn_print_form(forms, COUNT(forms), path);
    struct confusion c;
    int rc;

    if (!form)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s': a confusion matrix ends in .csv, .svg or .txt",
                       path);
    if (!make(&c, report))
        return rn_fail_memory(err, (size_t)report->classes, path);
    rc = rn_print_file(path, form->print, &c, err);
    clear(&c);
    return rc;
}
