/* SPDX-License-Identifier: BSD-2-Clause */
/* A network as boxes and the lines between them: what both kinds of pictures
 * are made of. */
#ifndef RN_DRAW_DRAW_H
#define RN_DRAW_DRAW_H

#include "graph/graph.h"

#include <stdio.h>

/** How a layer is drawn. */
enum rn_look_kind {
    RN_LOOK_BOX = 1, /* a box with a text */
    RN_LOOK_STRIP,   /* a strip at the box of the layer before or after it */
    RN_LOOK_JOIN,    /* a small box in which values meet */
    RN_LOOK_BAR,     /* the same, as wide as what meets in it */
};

struct rn_look {
    enum rn_look_kind kind;
    const char *word;   /* in boxes without a text of their own, and legends */
    const char *colour; /* of strips; of what may be one (SiLU) */
    /** The box's text; NULL: the word. */
    void (*text)(const struct rn_graph *g, const struct rn_node *node,
                 char *text, size_t size);
};

/** Most bytes of a box's text. */
#define RN_BOX_TEXT 96

/** A layer that has a box of its own, with strips for those before and after it
 *  that work on its value alone. */
struct rn_box {
    int first, main, last; /* nodes; those between follow by rn_drawing.next */
    int edges, n_edges;    /* what it reads: a run of rn_drawing.edge */
    int stage;             /* what colours it */
    int fold;              /* the run it is of, or -1 */
    int path;              /* boxes one below the other */
    double x, y;           /* of the lines along its path; of its top */
    double left, right, height;
};

enum rn_edge_kind {
    RN_EDGE_LINE,   /* down along a path */
    RN_EDGE_BRANCH, /* to the first box of another path */
    RN_EDGE_MERGE,  /* from a path's last box into another path */
    RN_EDGE_ARC,    /* past everything between */
};

struct rn_edge {
    int from, to; /* boxes */
    enum rn_edge_kind kind;
    bool dashed; /* part of a shortcut that changes sizes */
    double x;    /* of arcs: how far out they go */
};

/** A run of boxes that stands for `times` equal ones. */
struct rn_fold {
    int first, last, times;
    double left, top, right, bottom;
};

struct rn_drawing {
    const struct rn_graph *g;
    const char *title;
    bool staged; /* boxes' stages are the graph's; else sizes', from 1 */
    int *next;   /* of each node: the one behind it in its box, or -1 */
    struct rn_box *box;
    int count;
    struct rn_edge *edge;
    int n_edges;
    struct rn_fold *fold;
    int n_folds;
    double left, right, bottom; /* of all that is drawn; the top is 0 */
};

/** A network's boxes; repeated ones once, unless `all` are wanted or there are
 *  few. The graph is borrowed. */
int rn_drawing_make(struct rn_drawing *d, const struct rn_graph *g, bool all,
                    struct rn_error *err);
void rn_drawing_free(struct rn_drawing *d);
/** Give everything its place. */
int rn_drawing_place(struct rn_drawing *d, struct rn_error *err);

const struct rn_look *rn_look_of(const struct rn_node *node);
/** The text of a box; returns `text`. */
const char *rn_box_text(const struct rn_drawing *d, const struct rn_box *box,
                        char text[RN_BOX_TEXT]);
/** What a strip is called: "ReLU". */
const char *rn_strip_word(const struct rn_node *node);
/** The colour of a stage's boxes, their frame's, or that of no stage. */
const char *rn_stage_colour(int stage);
const char *rn_stage_frame(int stage);

/* For rn_print_file(), of a struct rn_drawing. */
void rn_drawing_svg(const void *drawing, FILE *out);
void rn_drawing_dot(const void *drawing, FILE *out);

#endif
