/* SPDX-License-Identifier: BSD-2-Clause */
/* Gives boxes and lines their places. The longest way from the image to the
 * answer goes straight down; what branches off it stands in lanes beside it,
 * down to where it comes back; values that go past layers are arcs. */
#include "core/memory.h"
#include "draw/draw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* In pixels. */
#define BOX_HEIGHT  26
#define JOIN_HEIGHT 20
#define JOIN_WIDTH  44
#define BAR_WIDTH   76
#define STRIP       6 /* with the line between */
#define LETTER      7.1
#define MARGIN      12 /* beside the widest text */
#define LEAST_WIDTH 150
#define GAP         18 /* between boxes one below the other */
#define FORK_GAP    40 /* where others begin beside them, or end */
#define LANE_GAP    44
#define ARC_GAP     20 /* between arcs, and between them and boxes */
#define FRAME       10 /* around boxes that are drawn once for many */
#define FRAME_GAP   26 /* more between it and what is outside */
#define TIMES_WIDTH 54 /* of "× 36" beside the frame */

/* A way to a gate (a single pixel that a picture is multiplied by) is never
 * the longest; one to the output always. */
#define GATE_COST   1e6
#define OUTPUT_GAIN 1e12

struct path {
    int first, last;
    int from; /* box that it branches off; -1: none */
    double top, bottom;
    int lane;
    bool shortcut; /* only brings a value to the size it is added at */
};

struct placing {
    struct rn_drawing *d;
    double *below; /* of each box: the longest way on */
    double *above; /* to it */
    int *heir;     /* which reader goes on where the box ends; -1 */
    int *lead;     /* which box it goes on from; -1 */
    int *branches; /* paths that begin at each box */
    bool *gathers; /* whether lines of other paths end in it */
    struct path *path;
    int n_paths;
    double *lane_end; /* right lanes from 1, then left ones */
    double widest;
};

static const struct rn_node *last_of(const struct rn_drawing *d, int b)
{
    return &d->g->nodes[d->box[b].last];
}

static const struct rn_node *main_of(const struct rn_drawing *d, int b)
{
    return &d->g->nodes[d->box[b].main];
}

static bool is_kind(const struct rn_drawing *d, int b, enum rn_look_kind kind)
{
    return rn_look_of(main_of(d, b))->kind == kind;
}

/* ------------------------------------------------------------------- paths */

static double length_of(const struct rn_drawing *d, const struct rn_edge *edge)
{
    bool gate = main_of(d, edge->to)->op == RN_OP_MULTIPLY &&
                rn_shape_pixels(last_of(d, edge->from)->shape) == 1 &&
                rn_shape_pixels(main_of(d, edge->to)->shape) > 1;

    return gate ? -GATE_COST : 1;
}

static void measure_ways(struct placing *p)
{
    struct rn_drawing *d = p->d;

    for (int b = 0; b < d->count; b++) {
        p->heir[b] = p->lead[b] = -1;
        p->below[b] = -(double)INFINITY;
    }
    for (int b = d->count - 1; b >= 0; b--) {
        bool output = false;

        for (int v = d->box[b].first; v >= 0; v = d->next[v])
            output |= v == d->g->output;
        if (output)
            p->below[b] = OUTPUT_GAIN;
        else if (p->heir[b] < 0)
            p->below[b] = 0;
        for (int e = 0; e < d->box[b].n_edges; e++) {
            const struct rn_edge *edge = &d->edge[d->box[b].edges + e];
            double way = p->below[b] + length_of(d, edge);

            if (way >= p->below[edge->from]) {
                p->below[edge->from] = way;
                p->heir[edge->from] = b;
            }
        }
    }
}

/* Each box goes on from the one it is the heir of, the farthest from the image
 * if there are several, or begins a path. */
static void make_paths(struct placing *p)
{
    struct rn_drawing *d = p->d;

    for (int b = 0; b < d->count; b++) {
        struct rn_box *box = &d->box[b];
        struct rn_edge *edges = d->edge + box->edges;
        struct rn_edge *nearest = NULL;

        p->above[b] = box->n_edges ? -(double)INFINITY : 0;
        for (int e = 0; e < box->n_edges; e++) {
            int from = edges[e].from;
            double way = p->above[from] + length_of(d, &edges[e]);

            p->above[b] = fmax(p->above[b], way);
            if (p->heir[from] == b &&
                (p->lead[b] < 0 || way > p->above[p->lead[b]] + 1))
                p->lead[b] = from;
            if (!nearest || from > nearest->from)
                nearest = &edges[e];
        }
        box->path = p->lead[b] < 0 ? p->n_paths++ : d->box[p->lead[b]].path;
        if (p->lead[b] < 0)
            p->path[box->path] =
                (struct path){.first = b, .from = nearest ? nearest->from : -1};
        p->path[box->path].last = b;
        if (p->lead[b] < 0 && nearest) {
            nearest->kind = RN_EDGE_BRANCH;
            p->branches[nearest->from]++;
        }
    }
}

static void name_edges(struct placing *p)
{
    struct rn_drawing *d = p->d;

    for (int b = 0; b < d->count; b++) {
        bool led = false;

        for (int e = 0; e < d->box[b].n_edges; e++) {
            struct rn_edge *edge = &d->edge[d->box[b].edges + e];
            bool lead = edge->from == p->lead[b];

            if (edge->kind == RN_EDGE_BRANCH)
                continue;
            edge->kind = lead && !led               ? RN_EDGE_LINE
                         : lead                     ? RN_EDGE_ARC
                         : p->heir[edge->from] == b ? RN_EDGE_MERGE
                                                    : RN_EDGE_ARC;
            led |= lead;
            p->gathers[b] |= edge->kind == RN_EDGE_MERGE;
        }
    }
}

/* Whether nothing on a path looks at more than a pixel's neighbours that a pool
 * takes together. */
static void find_shortcuts(struct placing *p)
{
    struct rn_drawing *d = p->d;

    for (int i = 0; i < p->n_paths; i++)
        p->path[i].shortcut = i > 0;
    for (int b = 0; b < d->count; b++)
        if (main_of(d, b)->op == RN_OP_CONV && main_of(d, b)->window.kh > 1)
            p->path[d->box[b].path].shortcut = false;
    for (int i = 0; i < p->n_paths; i++) {
        int to = p->heir[p->path[i].last];

        if (to < 0 || main_of(d, to)->op != RN_OP_ADD)
            p->path[i].shortcut = false;
    }
    for (int e = 0; e < d->n_edges; e++) {
        struct rn_edge *edge = &d->edge[e];
        int own =
            d->box[edge->kind == RN_EDGE_MERGE ? edge->from : edge->to].path;

        edge->dashed = edge->kind != RN_EDGE_ARC && p->path[own].shortcut;
    }
}

/* ------------------------------------------------------------------- places */

static void measure_boxes(struct placing *p)
{
    struct rn_drawing *d = p->d;
    char text[RN_BOX_TEXT];

    for (int b = 0; b < d->count; b++)
        if (is_kind(d, b, RN_LOOK_BOX) || is_kind(d, b, RN_LOOK_STRIP)) {
            rn_box_text(d, &d->box[b], text);
            p->widest =
                fmax(p->widest, LETTER * rn_text_width(text) + 2 * MARGIN);
        }
    for (int b = 0; b < d->count; b++) {
        struct rn_box *box = &d->box[b];
        bool join = is_kind(d, b, RN_LOOK_JOIN) || is_kind(d, b, RN_LOOK_BAR);

        box->height = join ? JOIN_HEIGHT : BOX_HEIGHT;
        for (int v = box->first; v >= 0; v = d->next[v])
            if (v != box->main)
                box->height += STRIP;
    }
}

/* What a line takes from box to box, one below the other. */
static double gap_of(const struct placing *p, const struct rn_edge *edge)
{
    const struct rn_box *box = p->d->box;
    bool wide = p->branches[edge->from] > 0 || p->gathers[edge->to];
    bool framed = box[edge->from].fold != box[edge->to].fold;

    return (wide ? FORK_GAP : GAP) + (framed ? FRAME_GAP : 0);
}

static void stack(struct placing *p)
{
    struct rn_drawing *d = p->d;

    for (int b = 0; b < d->count; b++) {
        struct rn_box *box = &d->box[b];

        for (int e = 0; e < box->n_edges; e++) {
            const struct rn_edge *edge = &d->edge[box->edges + e];
            const struct rn_box *from = &d->box[edge->from];

            box->y = fmax(box->y, from->y + from->height + gap_of(p, edge));
        }
        d->bottom = fmax(d->bottom, box->y + box->height);
    }
}

static void stretch_paths(struct placing *p)
{
    struct rn_drawing *d = p->d;

    for (int i = 0; i < p->n_paths; i++) {
        struct path *path = &p->path[i];
        const struct rn_box *last = &d->box[path->last];
        int to = p->heir[path->last];

        path->top = d->box[path->first].y;
        if (path->from >= 0)
            path->top = d->box[path->from].y + d->box[path->from].height;
        path->bottom = to >= 0 ? d->box[to].y : last->y + last->height;
    }
}

/* Lanes right of a path, in turn with those left of it where the paths meet in
 * a bar: 1, 2, 3, or 1, -1, 2, -2. */
static void choose_lane(struct placing *p, struct path *path)
{
    struct rn_drawing *d = p->d;
    int from = path->from < 0 ? 0 : p->path[d->box[path->from].path].lane;
    int to = p->heir[path->last];
    bool both = to >= 0 && is_kind(d, to, RN_LOOK_BAR) && from == 0;

    for (int i = 1;; i++) {
        int lane =
            both ? (i % 2 ? 1 : -1) * (i + 1) / 2 : from + (from < 0 ? -i : i);
        double *end = &p->lane_end[lane > 0 ? lane : p->n_paths - lane];

        if (lane && *end <= path->top) {
            *end = path->bottom;
            path->lane = lane;
            return;
        }
    }
}

/* Bars reach over all that comes down into them. */
static void widen_bar(struct rn_drawing *d, struct rn_box *box)
{
    for (int e = 0; e < box->n_edges; e++) {
        const struct rn_edge *edge = &d->edge[box->edges + e];
        double x = d->box[edge->from].x;

        if (edge->kind != RN_EDGE_MERGE)
            continue;
        box->left = fmin(box->left, x - BAR_WIDTH / 2.0);
        box->right = fmax(box->right, x + BAR_WIDTH / 2.0);
    }
}

static void spread(struct placing *p)
{
    struct rn_drawing *d = p->d;

    for (int i = 1; i < p->n_paths; i++)
        choose_lane(p, &p->path[i]);
    for (int b = 0; b < d->count; b++) {
        struct rn_box *box = &d->box[b];
        double half = (is_kind(d, b, RN_LOOK_JOIN)  ? JOIN_WIDTH
                       : is_kind(d, b, RN_LOOK_BAR) ? BAR_WIDTH
                                                    : p->widest) /
                      2;

        box->x = p->path[box->path].lane * (p->widest + LANE_GAP);
        box->left = box->x - half;
        box->right = box->x + half;
        if (is_kind(d, b, RN_LOOK_BAR))
            widen_bar(d, box);
        d->left = fmin(d->left, box->left);
        d->right = fmax(d->right, box->right);
    }
}

/* -------------------------------------------------------------------- arcs */

static double arc_top(const struct rn_drawing *d, const struct rn_edge *edge)
{
    return d->box[edge->from].y + d->box[edge->from].height;
}

static double arc_bottom(const struct rn_drawing *d, const struct rn_edge *edge)
{
    return d->box[edge->to].y + d->box[edge->to].height;
}

/* How far out the boxes are that an arc goes past. */
static double beside(const struct rn_drawing *d, const struct rn_edge *edge,
                     int side)
{
    double x = side * d->box[edge->from].x;

    for (int b = edge->from; b <= edge->to; b++)
        x = fmax(x, side > 0 ? d->box[b].right : -d->box[b].left);
    return x;
}

struct arc {
    int edge, span;
};

static int by_span(const void *a, const void *b)
{
    const struct arc *s = a, *t = b;

    return s->span != t->span ? s->span - t->span : s->edge - t->edge;
}

/* Short arcs lie within long ones. */
static void bend(struct rn_drawing *d, const struct arc *arcs, int i)
{
    struct rn_edge *edge = &d->edge[arcs[i].edge];
    int side = d->box[edge->from].x < 0 ? -1 : 1;
    double x = beside(d, edge, side);

    for (int k = 0; k < i; k++) {
        const struct rn_edge *other = &d->edge[arcs[k].edge];

        if (arc_top(d, other) < arc_bottom(d, edge) &&
            arc_top(d, edge) < arc_bottom(d, other))
            x = fmax(x, side * other->x);
    }
    edge->x = side * (x + ARC_GAP);
    d->left = fmin(d->left, edge->x);
    d->right = fmax(d->right, edge->x);
}

static bool bend_all(struct rn_drawing *d)
{
    struct arc *arcs = rn_alloc((size_t)d->n_edges + 1, sizeof(struct arc));
    int n = 0;

    if (!arcs)
        return false;
    for (int e = 0; e < d->n_edges; e++)
        if (d->edge[e].kind == RN_EDGE_ARC)
            arcs[n++] = (struct arc){e, d->edge[e].to - d->edge[e].from};
    qsort(arcs, (size_t)n, sizeof(struct arc), by_span);
    for (int i = 0; i < n; i++)
        bend(d, arcs, i);
    rn_free(arcs);
    return true;
}

/* ------------------------------------------------------------------ frames */

static void frame(struct rn_drawing *d, struct rn_fold *fold)
{
    fold->left = fold->right = d->box[fold->first].x;
    fold->top = d->box[fold->first].y;
    for (int b = fold->first; b <= fold->last; b++) {
        const struct rn_box *box = &d->box[b];

        fold->left = fmin(fold->left, box->left);
        fold->right = fmax(fold->right, box->right);
        fold->top = fmin(fold->top, box->y);
        fold->bottom = fmax(fold->bottom, box->y + box->height);
        for (int e = 0; e < box->n_edges; e++) {
            const struct rn_edge *edge = &d->edge[box->edges + e];

            if (edge->kind != RN_EDGE_ARC)
                continue;
            fold->left = fmin(fold->left, edge->x);
            fold->right = fmax(fold->right, edge->x);
        }
    }
    fold->left -= FRAME;
    fold->right += FRAME;
    fold->top -= GAP + 4;
    fold->bottom += FRAME;
    d->left = fmin(d->left, fold->left);
    d->right = fmax(d->right, fold->right + TIMES_WIDTH);
}

int rn_drawing_place(struct rn_drawing *d, struct rn_error *err)
{
    size_t n = (size_t)d->count;
    struct placing p = {.d = d, .widest = LEAST_WIDTH};
    bool ok = false;

    p.below = rn_alloc(n, sizeof(double));
    p.above = rn_alloc(n, sizeof(double));
    p.heir = rn_alloc(n, sizeof(int));
    p.lead = rn_alloc(n, sizeof(int));
    p.branches = rn_alloc(n, sizeof(int));
    p.gathers = rn_alloc(n, sizeof(bool));
    p.path = rn_alloc(n, sizeof(struct path));
    p.lane_end = rn_alloc(2 * n + 2, sizeof(double));
    if (p.below && p.above && p.heir && p.lead && p.branches && p.gathers &&
        p.path && p.lane_end) {
        measure_ways(&p);
        make_paths(&p);
        name_edges(&p);
        find_shortcuts(&p);
        measure_boxes(&p);
        stack(&p);
        stretch_paths(&p);
        spread(&p);
        ok = bend_all(d);
    }
    for (int f = 0; f < d->n_folds && ok; f++)
        frame(d, &d->fold[f]);
    rn_free(p.below);
    rn_free(p.above);
    rn_free(p.heir);
    rn_free(p.lead);
    rn_free(p.branches);
    rn_free(p.gathers);
    rn_free(p.path);
    rn_free(p.lane_end);
    return ok ? RN_OK
              : rn_fail_memory(err, n * sizeof(struct path), "a picture");
}
