/* SPDX-License-Identifier: BSD-2-Clause */
/* Draws a network's boxes as SVG, in the manner of the paper's figure 3. Every
 * layer has a shape of its own, which tells its name where the pointer is. */
#include "core/letters.h"
#include "core/locale.h"
#include "draw/draw.h"

#include <inttypes.h>
#include <math.h>

/* In pixels. */
#define EDGE       24  /* of the page */
#define SIZES      132 /* left of the boxes: what the stages' sizes are */
#define HEAD       74
#define FOOT       64
#define LEAST_WIDE 420 /* for the title */
#define STRIP      5
#define CURVE      14 /* radius of a line's corner */

#define LINE_COLOUR "#374151"

/* --------------------------------------------------------------- the page */

static void write_count(FILE *out, double count)
{
    /* three digits, and with 1,000 and more no exponent */
    if (count >= 999.5e9)
        rn_print(out, "%.0f billion", count / 1e9);
    else if (count >= 999.5e6)
        rn_print(out, "%.3g billion", count / 1e9);
    else if (count >= 1e5)
        rn_print(out, "%.3g million", count / 1e6);
    else
        rn_print(out, "%.0f", count);
}

static void head(FILE *out, const struct rn_drawing *d)
{
    double left = d->left - SIZES - EDGE;
    double width = fmax(d->right - left + EDGE, LEAST_WIDE);
    double height = HEAD + d->bottom + FOOT;
    uint64_t aux = rn_graph_aux_params(d->g);

    rn_print(out,
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" "
             "height=\"%.0f\" viewBox=\"%.1f %d %.1f %.1f\" "
             "font-family=\"Helvetica, Arial, 'Liberation Sans', "
             "'DejaVu Sans', sans-serif\" font-size=\"13\" fill=\"#1f2937\">\n"
             "<title>",
             width, height, left, -HEAD, width, height);
    rn_text_xml(out, d->title);
    rn_print(out,
             "</title>\n"
             "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" "
             "refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" "
             "orient=\"auto\"><path d=\"M0 0.5L8 4L0 7.5z\" fill=\"" LINE_COLOUR
             "\"/></marker></defs>\n"
             "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%.1f\" "
             "fill=\"#ffffff\"/>\n"
             "<text x=\"%.1f\" y=\"%d\" font-size=\"19\" "
             "font-weight=\"bold\" fill=\"#111827\">",
             left, -HEAD, width, height, left + EDGE, 34 - HEAD);
    rn_text_xml(out, d->title);
    rn_print(out, "</text>\n<text x=\"%.1f\" y=\"%d\" fill=\"#6b7280\">",
             left + EDGE, 54 - HEAD);
    write_count(out, (double)(rn_graph_params(d->g) - aux));
    fputs(" parameters", out);
    if (aux) {
        fputs(" (in training ", out);
        write_count(out, (double)rn_graph_params(d->g));
        fputs(" with auxiliary heads)", out);
    }
    fputs(", ", out);
    write_count(out, (double)rn_graph_macs(d->g));
    fputs(" multiply-adds</text>\n", out);
}

/* The colours of the strips there are, each once. */
static void legend(FILE *out, const struct rn_drawing *d)
{
    double x = d->left - SIZES, y = d->bottom + 34;
    bool told[RN_OP_COUNT] = {false};

    fputs("<g font-size=\"11.5\" fill=\"#4b5563\">\n", out);
    for (int b = 0; b < d->count; b++)
        for (int v = d->box[b].first; v >= 0; v = d->next[v]) {
            const struct rn_node *node = &d->g->nodes[v];
            const struct rn_look *look = rn_look_of(node);

            if (told[node->op] || v == d->box[b].main)
                continue;
            told[node->op] = true;
            rn_print(out,
                     "<rect x=\"%.1f\" y=\"%.1f\" width=\"18\" height=\"5\" "
                     "rx=\"1.5\" fill=\"%s\"/><text x=\"%.1f\" y=\"%.1f\">"
                     "%s</text>\n",
                     x, y - 6, look->colour, x + 24, y, look->word);
            x += 38 + 6.4 * rn_text_width(look->word);
        }
    fputs("</g>\n", out);
}

/* ------------------------------------------------------------------ boxes */

static void about(FILE *out, const struct rn_drawing *d, int v)
{
    const struct rn_node *node = &d->g->nodes[v];

    fputs("<title>", out);
    rn_text_xml(out, node->name);
    fprintf(out, ": %s, %d × %d×%d", rn_op_name(node->op), node->shape.c,
            node->shape.h, node->shape.w);
    if (rn_node_params(d->g, node))
        fprintf(out, ", %" PRIu64 " parameters", rn_node_params(d->g, node));
    if (node->macs)
        fprintf(out, ", %" PRIu64 " multiply-adds", node->macs);
    fputs("</title>", out);
}

static const char *class_of(const struct rn_node *node)
{
    return node->op == RN_OP_INPUT ? "image" : "layer";
}

static void draw_main(FILE *out, const struct rn_drawing *d,
                      const struct rn_box *box, double y, double height)
{
    const struct rn_node *node = &d->g->nodes[box->main];
    const struct rn_look *look = rn_look_of(node);
    bool round = look->kind == RN_LOOK_JOIN || look->kind == RN_LOOK_BAR ||
                 node->op == RN_OP_INPUT;
    char text[RN_BOX_TEXT];

    rn_print(out,
             "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
             "height=\"%.1f\" rx=\"%.1f\" fill=\"%s\" stroke=\"%s\">",
             class_of(node), box->left, y, box->right - box->left, height,
             round ? height / 2 : 4.0,
             round ? "#ffffff" : rn_stage_colour(box->stage),
             rn_stage_frame(box->stage));
    about(out, d, box->main);
    rn_print(out,
             "</rect><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" "
             "pointer-events=\"none\">",
             (box->left + box->right) / 2, y + height / 2 + 4.5);
    rn_text_xml(out, rn_box_text(d, box, text));
    fputs("</text>\n", out);
}

static void draw_strip(FILE *out, const struct rn_drawing *d,
                       const struct rn_box *box, int v, double y)
{
    rn_print(out,
             "<rect class=\"layer\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
             "height=\"%d\" rx=\"1.5\" fill=\"%s\">",
             box->left + 3, y, box->right - box->left - 6, STRIP,
             rn_look_of(&d->g->nodes[v])->colour);
    about(out, d, v);
    fputs("</rect>\n", out);
}

static void draw_box(FILE *out, const struct rn_drawing *d,
                     const struct rn_box *box)
{
    double y = box->y, height = box->height;

    for (int v = box->first; v >= 0; v = d->next[v])
        if (v != box->main)
            height -= STRIP + 1;
    for (int v = box->first; v >= 0; v = d->next[v]) {
        if (v == box->main) {
            draw_main(out, d, box, y, height);
            y += height + 1;
        } else {
            draw_strip(out, d, box, v, y);
            y += STRIP + 1;
        }
    }
}

/* The name and size of a stage, where the way down comes to it. */
static void draw_sizes(FILE *out, const struct rn_drawing *d)
{
    struct rn_shape before = {0, 0, 0};
    int stage = -1;

    for (int b = 0; b < d->count; b++) {
        const struct rn_box *box = &d->box[b];
        struct rn_shape s = d->g->nodes[box->last].shape;
        double y = box->y + 17;

        if (box->path != 0 || d->g->nodes[box->first].op == RN_OP_INPUT ||
            (s.h == before.h && s.w == before.w && box->stage == stage))
            continue;
        if (d->staged && box->stage > 0 && box->stage != stage) {
            rn_print(out,
                     "<text x=\"%.1f\" y=\"%.1f\" font-weight=\"bold\" "
                     "fill=\"%s\">",
                     d->left - SIZES, y, rn_stage_frame(box->stage));
            rn_text_xml(out, d->g->stages[box->stage - 1]);
            fputs("</text>\n", out);
        }
        rn_print(out,
                 "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\" "
                 "fill=\"#6b7280\">%d×%d</text>\n"
                 "<path d=\"M%.1f %.1fH%.1f\" stroke=\"#d1d5db\" "
                 "stroke-dasharray=\"1 4\" stroke-linecap=\"round\"/>\n",
                 d->left - 16, y, s.h, s.w, d->left - 10, y - 4.5,
                 box->left - 5);
        before = s;
        stage = box->stage;
    }
}

/* ------------------------------------------------------------------ lines */

static void begin_line(FILE *out, const struct rn_edge *edge, bool tip)
{
    fprintf(out,
            "<path fill=\"none\" stroke=\"" LINE_COLOUR
            "\" stroke-width=\"1.3\"%s%s d=\"",
            edge->dashed ? " stroke-dasharray=\"5 4\"" : "",
            tip ? " marker-end=\"url(#tip)\"" : "");
}

/* From one path's side to another's box: down, then across. */
static void draw_merge(FILE *out, const struct rn_box *from,
                       const struct rn_box *to)
{
    double side = from->x < to->x ? -1 : 1;
    double y = to->y + fmin(to->height, 20) / 2;

    if (from->x > to->left && from->x < to->right)
        rn_print(out, "M%.1f %.1fV%.1f", from->x, from->y + from->height,
                 to->y);
    else
        rn_print(out, "M%.1f %.1fV%.1fQ%.1f %.1f %.1f %.1fH%.1f", from->x,
                 from->y + from->height, y - CURVE, from->x, y,
                 from->x - side * CURVE, y, side < 0 ? to->left : to->right);
}

static void draw_branch(FILE *out, const struct rn_box *from,
                        const struct rn_box *to)
{
    double top = from->y + from->height;
    double side = to->x < from->x ? -1 : 1;
    double y = top + 14;

    if (to->x > from->left && to->x < from->right)
        rn_print(out, "M%.1f %.1fV%.1f", to->x, top, to->y);
    else
        rn_print(out,
                 "M%.1f %.1fQ%.1f %.1f %.1f %.1fH%.1fQ%.1f %.1f %.1f %.1f"
                 "V%.1f",
                 from->x, top, from->x, y, from->x + side * CURVE, y,
                 to->x - side * CURVE, to->x, y, to->x, y + CURVE, to->y);
}

static void draw_arc(FILE *out, const struct rn_edge *edge,
                     const struct rn_box *from, const struct rn_box *to)
{
    double top = from->y + from->height + 6;
    double y = to->y + fmin(to->height, 20) / 2;
    double side = edge->x < from->x ? -1 : 1;
    double r = fmin(22, (y - top) / 2);

    rn_print(out,
             "M%.1f %.1fQ%.1f %.1f %.1f %.1fH%.1fQ%.1f %.1f %.1f %.1fV%.1f"
             "Q%.1f %.1f %.1f %.1fH%.1f",
             from->x, top - 6, from->x, top, from->x + side * 8, top,
             edge->x - side * r, edge->x, top, edge->x, top + r, y - r, edge->x,
             y, edge->x - side * r, y, side < 0 ? to->left : to->right);
}

static void draw_edge(FILE *out, const struct rn_drawing *d,
                      const struct rn_edge *edge)
{
    const struct rn_box *from = &d->box[edge->from], *to = &d->box[edge->to];

    begin_line(out, edge, true);
    switch (edge->kind) {
    case RN_EDGE_LINE:
        rn_print(out, "M%.1f %.1fV%.1f", to->x, from->y + from->height, to->y);
        break;
    case RN_EDGE_BRANCH:
        draw_branch(out, from, to);
        break;
    case RN_EDGE_MERGE:
        draw_merge(out, from, to);
        break;
    case RN_EDGE_ARC:
        draw_arc(out, edge, from, to);
        break;
    }
    fputs("\"/>\n", out);
}

static void draw_frame(FILE *out, const struct rn_fold *fold)
{
    rn_print(out,
             "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
             "rx=\"10\" fill=\"#f9fafb\" stroke=\"#9ca3af\" "
             "stroke-dasharray=\"2 3\"/><text x=\"%.1f\" y=\"%.1f\" "
             "font-size=\"16\" font-weight=\"bold\">× %d</text>\n",
             fold->left, fold->top, fold->right - fold->left,
             fold->bottom - fold->top, fold->right + 8,
             (fold->top + fold->bottom) / 2 + 6, fold->times);
}

void rn_drawing_svg(const void *drawing, FILE *out)
{
    const struct rn_drawing *d = drawing;

    head(out, d);
    for (int f = 0; f < d->n_folds; f++)
        draw_frame(out, &d->fold[f]);
    draw_sizes(out, d);
    for (int e = 0; e < d->n_edges; e++)
        draw_edge(out, d, &d->edge[e]);
    for (int b = 0; b < d->count; b++)
        draw_box(out, d, &d->box[b]);
    legend(out, d);
    fputs("</svg>\n", out);
}
