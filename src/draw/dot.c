/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes a network's boxes as text for Graphviz, which places them itself. */
#include "core/letters.h"
#include "draw/draw.h"

/* Within quotes. What is not UTF-8 Graphviz would take for Latin-1: '?'. */
static void quoted(FILE *out, const char *text)
{
    bool plain = !rn_is_utf8(text);

    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else
            putc(*c < 0x20 || (plain && *c > 0x7e) ? '?' : *c, out);
}

static void write_box(FILE *out, const struct rn_drawing *d, int b)
{
    const struct rn_box *box = &d->box[b];
    bool join = rn_look_of(&d->g->nodes[box->main])->kind != RN_LOOK_BOX;
    char text[RN_BOX_TEXT];

    fprintf(out, "  b%d [label=\"", b);
    for (int v = box->first; v >= 0; v = d->next[v]) {
        if (v != box->first)
            fputs("\\n", out);
        quoted(out, v == box->main ? rn_box_text(d, box, text)
                                   : rn_strip_word(&d->g->nodes[v]));
    }
    fputs("\", tooltip=\"", out);
    quoted(out, d->g->nodes[box->main].name);
    fprintf(out, "\", fillcolor=\"%s\", color=\"%s\"%s];\n",
            rn_stage_colour(box->stage), rn_stage_frame(box->stage),
            join ? ", margin=\"0.05,0\", height=0.3" : "");
}

void rn_drawing_dot(const void *drawing, FILE *out)
{
    const struct rn_drawing *d = drawing;

    fputs("digraph \"", out);
    quoted(out, d->title);
    fputs("\" {\n"
          "  node [shape=box, style=\"rounded,filled\", "
          "fontname=\"Helvetica\", fontsize=11];\n"
          "  edge [color=\"#374151\", arrowsize=0.7];\n",
          out);
    for (int b = 0; b < d->count; b++)
        write_box(out, d, b);
    for (int f = 0; f < d->n_folds; f++) {
        fprintf(out,
                "  subgraph cluster%d { label=\"× %d\"; labeljust=r; "
                "style=\"rounded,dashed\"; color=\"#9ca3af\";",
                f, d->fold[f].times);
        for (int b = d->fold[f].first; b <= d->fold[f].last; b++)
            fprintf(out, " b%d;", b);
        fputs(" }\n", out);
    }
    for (int e = 0; e < d->n_edges; e++)
        fprintf(out, "  b%d -> b%d%s;\n", d->edge[e].from, d->edge[e].to,
                d->edge[e].dashed ? " [style=dashed]" : "");
    fputs("}\n", out);
}
