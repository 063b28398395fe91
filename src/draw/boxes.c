/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes a network apart into boxes: a layer with those that work on its value
 * alone is one, and equal runs of boxes, one behind the other, are drawn once.
 */
#include "core/memory.h"
#include "draw/draw.h"
#include "graph/operation.h"

#include <string.h>

/* Networks of up to so many boxes are drawn whole: those of 34 layers, as in
 * the paper's figure 3. */
#define WHOLE 60
/* Most boxes of a run that is looked for. */
#define RUN_MOST 48

/* What is needed on the way. */
struct taking {
    const struct rn_graph *g;
    int *readers; /* of each node */
    int *begun;   /* of each node: the concatenation it goes on with, or -1 */
    bool *silu;   /* of each node: it is one of the two layers of a SiLU */
    int *box_of;
    struct rn_box *box;
    int count;
    uint64_t *sum; /* of each box: equal where they look the same */
    int *reader;   /* of each box: the last that reads it */
    int *past;     /* of each box: the last that reads any before it */
    int *shown;    /* of each box: its place among those drawn */
};

/* ------------------------------------------------------------------- boxes */

/* A concatenation that begins with all values of the one before it reads that
 * one: dense blocks' would else read everything there is. */
static void find_begun(struct taking *t)
{
    const struct rn_node *nodes = t->g->nodes;
    int before = -1;

    for (size_t v = 0; v < t->g->n_nodes; v++) {
        int n = before < 0 ? 0 : nodes[before].n_inputs;

        t->begun[v] = -1;
        if (nodes[v].op != RN_OP_CONCAT)
            continue;
        if (n > 0 && n < nodes[v].n_inputs &&
            memcmp(nodes[v].input, nodes[before].input,
                   (size_t)n * sizeof(int)) == 0)
            t->begun[v] = before;
        before = (int)v;
    }
}

/* How many values a node reads, so seen, and which. */
static int n_reads(const struct taking *t, int v)
{
    int before = t->begun[v];

    return t->g->nodes[v].n_inputs -
           (before < 0 ? 0 : t->g->nodes[before].n_inputs - 1);
}

static int reads(const struct taking *t, int v, int k)
{
    int before = t->begun[v];

    if (before < 0)
        return t->g->nodes[v].input[k];
    return k == 0 ? before
                  : t->g->nodes[v].input[t->g->nodes[before].n_inputs + k - 1];
}

static void count_readers(struct taking *t)
{
    for (int v = 0; v < (int)t->g->n_nodes; v++)
        for (int k = 0; k < n_reads(t, v); k++)
            t->readers[reads(t, v, k)]++;
}

static bool is_strip(const struct taking *t, int node)
{
    return rn_look_of(&t->g->nodes[node])->kind == RN_LOOK_STRIP;
}

/* A value times its own sigmoid, which nothing else reads: SiLU. Both layers
 * are strips. The sigmoid's number, or -1. */
static int silu_gate(const struct taking *t, int v)
{
    const struct rn_node *nodes = t->g->nodes, *node = &nodes[v];

    if (node->op != RN_OP_MULTIPLY)
        return -1;
    for (int k = 0; k < 2; k++) {
        int gate = node->input[k], value = node->input[1 - k];

        if (nodes[gate].op == RN_OP_SIGMOID && nodes[gate].input[0] == value &&
            t->readers[gate] == 1 && t->readers[value] == 2 &&
            nodes[value].op != RN_OP_INPUT)
            return gate;
    }
    return -1;
}

static void find_gates(struct taking *t)
{
    for (int v = 0; v < (int)t->g->n_nodes; v++) {
        int gate = silu_gate(t, v);

        if (gate >= 0)
            t->silu[gate] = t->silu[v] = true;
    }
}

/* Whether node v belongs to the box of the value it reads: as a strip, or as
 * the layer that strips alone lead to. */
static bool belongs(const struct taking *t, int v)
{
    int u = n_reads(t, v) == 1 ? reads(t, v, 0) : -1;

    if (t->silu[v])
        return true;
    if (u < 0 || t->readers[u] != 1 || t->g->nodes[u].op == RN_OP_INPUT)
        return false;
    return is_strip(t, v) || is_strip(t, t->box[t->box_of[u]].main);
}

static void take_node(struct taking *t, int *next, int v)
{
    struct rn_box *box;

    next[v] = -1;
    if (!belongs(t, v)) {
        t->box_of[v] = t->count;
        t->box[t->count++] = (struct rn_box){.first = v, .main = v, .last = v};
        return;
    }
    t->box_of[v] = t->box_of[reads(t, v, 0)];
    box = &t->box[t->box_of[v]];
    next[box->last] = v;
    box->last = v;
    if (!is_strip(t, v) && !t->silu[v])
        box->main = v;
}

/* Stages of the family, or else a new one wherever pictures become smaller, but
 * not on the way to a gate. */
static void take_stage(struct taking *t, int b, bool staged)
{
    struct rn_box *box = &t->box[b];
    const struct rn_node *last = &t->g->nodes[box->last];

    box->stage = 0;
    if (staged) {
        box->stage = t->g->nodes[box->main].stage;
        return;
    }
    for (int k = 0; k < n_reads(t, box->first); k++) {
        const struct rn_box *from = &t->box[t->box_of[reads(t, box->first, k)]];
        size_t before = rn_shape_pixels(t->g->nodes[from->last].shape);
        size_t pixels = rn_shape_pixels(last->shape);
        int stage = from->stage + (pixels < before || from->first == 0);

        if (pixels <= before && stage > box->stage)
            box->stage = stage;
    }
}

/* ------------------------------------------------------------------- folds */

/* A sum over a box's text, strips, pixels, and how far back it reads. Channels
 * that concatenations make more are left out: a dense block's layers are alike
 * without them. */
static uint64_t sum_of(const struct taking *t, const struct rn_drawing *d,
                       int b)
{
    const struct rn_box *box = &t->box[b];
    struct rn_shape shape = t->g->nodes[box->last].shape;
    char text[RN_BOX_TEXT];
    uint64_t sum = rn_sum_mix((uint64_t)shape.h, (uint64_t)shape.w);

    rn_box_text(d, box, text);
    for (const char *c = text; *c; c++)
        sum = rn_sum_mix(sum, (uint64_t)(unsigned char)*c);
    for (int v = box->first; v >= 0; v = d->next[v])
        sum = rn_sum_mix(sum, (uint64_t)t->g->nodes[v].op);
    for (int k = 0; k < n_reads(t, box->first); k++)
        sum =
            rn_sum_mix(sum, (uint64_t)(b - t->box_of[reads(t, box->first, k)]));
    return rn_sum_mix(sum, (uint64_t)box->stage);
}

static void find_readers(struct taking *t)
{
    int past = -1;

    for (int b = 0; b < t->count; b++) {
        int first = t->box[b].first;

        for (int k = 0; k < n_reads(t, first); k++) {
            int *reader = &t->reader[t->box_of[reads(t, first, k)]];

            *reader = b;
            /* Auxiliary heads hang on anywhere. */
            if (first >= (int)rn_graph_trunk(t->g))
                *reader = 0;
        }
    }
    for (int b = 0; b < t->count; b++) {
        t->past[b] = past;
        past = t->reader[b] > past ? t->reader[b] : past;
    }
}

/* How often the `length` boxes from b on stand there, one run behind the other,
 * each read by itself and the next one at most. */
static int times_of(const struct taking *t, int b, int length)
{
    int same = 0;

    while (b + same + length < t->count &&
           t->sum[b + same] == t->sum[b + same + length] &&
           t->reader[b + same] < b + same + 2 * length)
        same++;
    return same / length + 1;
}

/* Whether one value comes into the `length` boxes from b on, and none goes past
 * them. */
static bool has_one_source(const struct taking *t, int b, int length)
{
    int source = -1;

    if (t->past[b] >= b + length)
        return false;
    for (int i = b; i < b + length; i++)
        for (int k = 0; k < n_reads(t, t->box[i].first); k++) {
            int from = t->box_of[reads(t, t->box[i].first, k)];

            if (from >= b)
                continue;
            if (source >= 0 && from != source)
                return false;
            source = from;
        }
    return true;
}

/* Whether what follows reads the last of the runs only, as the others are not
 * drawn. */
static bool hidden_apart(const struct taking *t, int b, int length, int times)
{
    int end = b + length * times;

    for (int i = b; i < end - length; i++)
        if (t->reader[i] >= end)
            return false;
    return true;
}

/* Blocks end where values meet, and do not begin there. */
static bool may_begin(const struct taking *t, int b)
{
    enum rn_look_kind kind = rn_look_of(&t->g->nodes[t->box[b].main])->kind;

    return kind == RN_LOOK_BOX || kind == RN_LOOK_STRIP;
}

/* The run from b on that hides most boxes, of the shortest such; times is 1
 * when there is none. */
static struct rn_fold longest_run(const struct taking *t, int b)
{
    struct rn_fold best = {.first = b, .last = b, .times = 1};
    int hidden = 0;

    for (int length = 1; length <= RUN_MOST && b + length < t->count;
         length++) {
        int least = length > 1 ? 2 : 3, times;

        if (!has_one_source(t, b, length))
            continue;
        times = times_of(t, b, length);
        if (times >= least && (times - 1) * length > hidden &&
            hidden_apart(t, b, length, times)) {
            best = (struct rn_fold){
                .first = b, .last = b + length - 1, .times = times};
            hidden = (times - 1) * length;
        }
    }
    return best;
}

/* Boxes that are drawn keep their order; those that are not have the place of
 * the one that stands for them. */
static int fold(struct taking *t, struct rn_drawing *d, bool all)
{
    size_t capacity = 0;
    int b = 0, n = 0;

    while (b < t->count) {
        struct rn_fold run = {.first = b, .last = b, .times = 1};
        int length;

        if (!all && may_begin(t, b))
            run = longest_run(t, b);
        length = run.last - run.first + 1;
        for (int i = 0; i < length * run.times; i++)
            t->shown[b + i] = n + i % length;
        for (int i = 0; i < length; i++) {
            d->box[n + i] = t->box[b + i];
            d->box[n + i].fold = run.times > 1 ? d->n_folds : -1;
        }
        if (run.times > 1) {
            if (!rn_grow(&d->fold, &capacity, (size_t)d->n_folds,
                         sizeof(struct rn_fold)))
                return -1;
            d->fold[d->n_folds++] = (struct rn_fold){
                .first = n, .last = n + length - 1, .times = run.times};
        }
        b += length * run.times;
        n += length;
    }
    d->count = n;
    return 0;
}

static int connect(const struct taking *t, struct rn_drawing *d)
{
    size_t capacity = 0;

    for (int b = 0; b < d->count; b++) {
        int first = d->box[b].first;

        d->box[b].edges = d->n_edges;
        d->box[b].n_edges = n_reads(t, first);
        for (int k = 0; k < n_reads(t, first); k++) {
            int from = t->shown[t->box_of[reads(t, first, k)]];

            if (!rn_grow(&d->edge, &capacity, (size_t)d->n_edges,
                         sizeof(struct rn_edge)))
                return -1;
            d->edge[d->n_edges++] = (struct rn_edge){.from = from, .to = b};
        }
    }
    return 0;
}

int rn_drawing_make(struct rn_drawing *d, const struct rn_graph *g, bool all,
                    struct rn_error *err)
{
    size_t n = g->n_nodes, staged = 0;
    struct taking t = {.g = g};
    int rc = -1;

    *d = (struct rn_drawing){.g = g};
    d->next = rn_alloc(n, sizeof(int));
    d->box = rn_alloc(n, sizeof(struct rn_box));
    t.readers = rn_alloc(n, sizeof(int));
    t.begun = rn_alloc(n, sizeof(int));
    t.past = rn_alloc(n, sizeof(int));
    t.silu = rn_alloc(n, sizeof(bool));
    t.box_of = rn_alloc(n, sizeof(int));
    t.box = rn_alloc(n, sizeof(struct rn_box));
    t.sum = rn_alloc(n, sizeof(uint64_t));
    t.reader = rn_alloc(n, sizeof(int));
    t.shown = rn_alloc(n, sizeof(int));
    if (!d->next || !d->box || !t.readers || !t.begun || !t.box_of || !t.box ||
        !t.sum || !t.silu || !t.reader || !t.past || !t.shown)
        goto out;
    find_begun(&t);
    count_readers(&t);
    find_gates(&t);
    for (size_t v = 0; v < n; v++) {
        take_node(&t, d->next, (int)v);
        staged += g->stages && g->nodes[v].stage > 0;
    }
    /* In a network of others a few may have a name that a family knows. */
    d->staged = 2 * staged >= n;
    for (int b = 0; b < t.count; b++)
        take_stage(&t, b, d->staged);
    for (int b = 0; b < t.count; b++)
        t.sum[b] = sum_of(&t, d, b);
    find_readers(&t);
    rc = fold(&t, d, all || t.count <= WHOLE);
    if (!rc)
        rc = connect(&t, d);
out:
    rn_free(t.readers);
    rn_free(t.begun);
    rn_free(t.past);
    rn_free(t.silu);
    rn_free(t.box_of);
    rn_free(t.box);
    rn_free(t.sum);
    rn_free(t.reader);
    rn_free(t.shown);
    if (!rc)
        return RN_OK;
    rn_drawing_free(d);
    return rn_fail_memory(err, n * sizeof(struct rn_box), "a picture");
}

void rn_drawing_free(struct rn_drawing *d)
{
    rn_free(d->next);
    rn_free(d->box);
    rn_free(d->edge);
    rn_free(d->fold);
    *d = (struct rn_drawing){.count = 0};
}
