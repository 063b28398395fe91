/* SPDX-License-Identifier: BSD-2-Clause */
/* Quantises a model: ranges of values from calibration images, scales of
 * weights, corrected biases; then measures what each layer costs, and leaves
 * those in float32 that cost too much. */
#include "quantize/quantize.h"

#include "core/memory.h"
#include "core/option.h"
#include "core/sized.h"
#include "data/pictures/image.h"
#include "eval/eval.h"
#include "graph/quantization.h"
#include "plan/plan.h"
#include "quantize/weights.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Images whose values are compared, layer by layer. */
enum { COMPARED = 2 };

/** A convolution or fc that can be in 8 bits. */
struct layer {
    int node, end;       /* and the node of the value that its step makes */
    size_t param;        /* its weights */
    int shifted;         /* parameter that takes the correction, or -1 */
    float *exact, *bias; /* what it and its weights were */
    float *rounded, *corrected, *scales;
    bool on;
    double cost, noise; /* of the logits with this layer alone, of its value */
};

struct quantizer {
    struct rn_model *model;
    struct rn_graph *g;
    struct rn_quantize_options o;
    struct layer *layers;
    size_t n_layers;
    bool *marked;            /* by node: a value to be in 8 bits */
    struct rn_stats **stats; /* by node: of values that steps make, or NULL */
    enum rn_range_rule *rules;
    struct rn_plan *plan; /* of the model as it was */
    int batch;
    float *images; /* [batch] of the calibration's first */
    float *logits, *others;
    bool flat;       /* every image so far is of one colour */
    float *compared; /* value by value, of a few images */
    size_t next;     /* float there */
    int few;
    struct rn_error *err;
};

static int no_memory(struct quantizer *q, size_t bytes)
{
    return rn_fail_memory(q->err, bytes, "quantising a model");
}

static int tell(const struct quantizer *q, const char *what, int done, int all)
{
    if (!q->o.progress || q->o.progress(q->o.user, what, done, all) == 0)
        return RN_OK;
    return rn_fail(q->err, RN_ERR_STOPPED, "stopped: the model is as it was");
}

/* ------------------------------------------------------ what can be in 8 bits
 */

/* The only node that reads v, if it is one of that operation; else -1. */
static int only_reader(const struct rn_graph *g, int v, enum rn_op op)
{
    int reader = -1;

    for (size_t i = (size_t)v + 1; i < g->n_nodes; i++)
        if (rn_node_reads(&g->nodes[i], v)) {
            if (reader >= 0 || g->nodes[i].op != op)
                return -1;
            reader = (int)i;
        }
    return g->output == v ? -1 : reader;
}

/* A value lies as the one it is a pool of, or the same as. */
static int source_of(const struct rn_graph *g, int v)
{
    while (rn_plan_keeps_scale(g, v))
        v = g->nodes[v].input[0];
    return v;
}

static void add_layer(struct quantizer *q, int node)
{
    struct rn_graph *g = q->g;
    const struct rn_node *n = &g->nodes[node];
    int bn = only_reader(g, node, RN_OP_BATCH_NORM);

    q->layers[q->n_layers++] = (struct layer){
        .node = node,
        .param = (size_t)n->param[RN_P_WEIGHT],
        .shifted =
            bn >= 0 ? g->nodes[bn].param[RN_P_BIAS] : n->param[RN_P_BIAS],
    };
    q->marked[source_of(g, n->input[0])] = true;
}

/* What an addition in 8 bits adds, and what a mean over all pixels is of. */
static void mark_around(struct quantizer *q)
{
    struct rn_graph *g = q->g;

    for (size_t i = g->n_nodes; i-- > 0;) {
        const struct rn_node *n = &g->nodes[i];
        int relu = only_reader(g, (int)i, RN_OP_RELU);

        if (n->op == RN_OP_GLOBAL_AVG_POOL)
            q->marked[source_of(g, n->input[0])] = true;
        if (n->op != RN_OP_ADD ||
            (!q->marked[i] && !(relu >= 0 && q->marked[relu])))
            continue;
        for (int k = 0; k < n->n_inputs; k++)
            q->marked[source_of(g, n->input[k])] = true;
    }
}

static int find_layers(struct quantizer *q)
{
    struct rn_graph *g = q->g;

    q->layers = rn_alloc(g->n_nodes, sizeof(*q->layers));
    q->marked = rn_alloc(g->n_nodes, sizeof(*q->marked));
    q->stats = rn_alloc(g->n_nodes, sizeof(*q->stats));
    q->rules = rn_alloc(g->n_nodes, sizeof(*q->rules));
    if (!q->layers || !q->marked || !q->stats || !q->rules)
        return no_memory(q, g->n_nodes * sizeof(*q->layers));
    for (size_t i = 0; i < g->n_nodes; i++)
        if (rn_plan_can_quantize(g, (int)i))
            add_layer(q, (int)i);
    mark_around(q);
    if (q->n_layers)
        return RN_OK;
    return rn_fail(q->err, RN_ERR_ARG,
                   "%s has no layer that can be quantised: convolutions of one "
                   "group and regular windows, and fully connected layers",
                   q->model->spec.name);
}

/* ---------------------------------------------------------------- calibration
 */

/* The input is node 0, and no layer. */
static size_t node_of(const struct rn_trace *value)
{
    return value->layer + 1;
}

static int see_value(void *user, const struct rn_trace *value)
{
    struct quantizer *q = user;
    size_t node = node_of(value);
    struct rn_stats *s = q->stats[node];

    if (!s) {
        s = q->stats[node] = rn_alloc(1, sizeof(*s));
        if (!s)
            return no_memory(q, sizeof(*s));
    }
    if (!rn_stats_add(s, value->values, (size_t)q->batch,
                      (size_t)value->channels,
                      (size_t)value->height * (size_t)value->width))
        return no_memory(q, (size_t)value->channels * sizeof(double));
    if (s->broken)
        return rn_fail(q->err, RN_ERR_DATA,
                       "layer '%s' makes numbers that are not finite",
                       value->name);
    return RN_OK;
}

static bool is_flat(const struct quantizer *q, const float *images)
{
    struct rn_shape s = q->model->spec.input;
    size_t hw = rn_shape_pixels(s);

    for (size_t c = 0; c < (size_t)q->batch * (size_t)s.c; c++)
        for (size_t i = 1; i < hw; i++)
            if (fabsf(images[c * hw + i] - images[c * hw]) > 1e-6f)
                return false;
    return true;
}

/* Images are the value of the input, which no step makes. */
static bool see_images(struct quantizer *q, const float *images)
{
    struct rn_shape s = q->model->spec.input;

    if (!q->stats[0])
        q->stats[0] = rn_alloc(1, sizeof(**q->stats));
    return q->stats[0] && rn_stats_add(q->stats[0], images, (size_t)q->batch,
                                       (size_t)s.c, rn_shape_pixels(s));
}

/* A batch of calibration images. */
static int calibrate(struct quantizer *q, const float *images)
{
    struct rn_shape s = q->model->spec.input;
    size_t floats = (size_t)q->batch * rn_shape_size(s);

    if (!q->images) {
        q->images = rn_alloc(floats, sizeof(*q->images));
        if (!q->images)
            return no_memory(q, floats * sizeof(*q->images));
        memcpy(q->images, images, floats * sizeof(*images));
        q->flat = true;
    }
    q->flat = q->flat && is_flat(q, images);
    if (!see_images(q, images))
        return no_memory(q, (size_t)s.c * sizeof(double));
    return rn_plan_trace(q->plan, images, see_value, q, q->err);
}

static int make_plan(struct rn_plan **plan, const struct quantizer *q,
                     int batch, int precision)
{
    struct rn_plan_options o;

    rn_plan_defaults(&o);
    o.batch = batch;
    o.threads = q->o.threads;
    o.bind = q->o.bind;
    o.precision = precision;
    return rn_plan_create(plan, q->model, &o, q->err);
}

static int begin(struct quantizer *q, int batch)
{
    size_t answers = (size_t)batch * (size_t)q->model->spec.classes;
    int rc;

    q->g = q->model->graph;
    q->batch = batch;
    if (rn_graph_is_quantized(q->g))
        return rn_fail(q->err, RN_ERR_ARG, "%s is quantised already",
                       q->model->spec.name);
    q->few = batch < COMPARED ? batch : COMPARED;
    rc = find_layers(q);
    if (!rc)
        rc = make_plan(&q->plan, q, batch, RN_PRECISION_FP32);
    for (size_t i = 0; !rc && i < q->n_layers; i++)
        q->layers[i].end = rn_plan_value_of(q->plan, q->layers[i].node);
    q->logits = rn_alloc(answers, sizeof(*q->logits));
    q->others = rn_alloc(answers, sizeof(*q->others));
    if (!rc && (!q->logits || !q->others))
        rc = no_memory(q, answers * sizeof(float));
    return rc;
}

/* ------------------------------------------------------------------ quantising
 */

static void choose_ranges(struct quantizer *q)
{
    for (size_t i = 0; i < q->g->n_nodes; i++) {
        struct rn_range_choice c;

        if (!q->marked[i] || !q->stats[i])
            continue;
        c = rn_range_choose(q->stats[i]);
        q->g->nodes[i].quant = c.quant;
        q->rules[i] = c.rule;
    }
}

static float *copy_of(const float *from, size_t count)
{
    float *copy = rn_alloc(count, sizeof(*copy));

    if (copy)
        memcpy(copy, from, count * sizeof(*copy));
    return copy;
}

/* Put a layer into 8 bits, or back. */
static void turn(struct quantizer *q, struct layer *l, bool on)
{
    struct rn_param *w = &q->g->params[l->param];

    l->on = on;
    w->scales = on ? l->scales : NULL;
    memcpy(w->data, on ? l->rounded : l->exact, w->count * sizeof(float));
    if (l->shifted >= 0) {
        struct rn_param *b = &q->g->params[l->shifted];

        memcpy(b->data, on ? l->corrected : l->bias, b->count * sizeof(float));
    }
}

/* What a batch norm behind the layer multiplies channel o with. */
static double factor_of(const struct rn_graph *g, const struct layer *l,
                        size_t o)
{
    int bn = only_reader(g, l->node, RN_OP_BATCH_NORM);
    const struct rn_node *n = &g->nodes[bn < 0 ? 0 : bn];

    if (bn < 0)
        return 1;
    return (double)g->params[n->param[RN_P_WEIGHT]].data[o] /
           sqrt((double)g->params[n->param[RN_P_VAR]].data[o] + (double)n->eps);
}

static int round_layer(struct quantizer *q, struct layer *l)
{
    struct rn_graph *g = q->g;
    struct rn_param *w = &g->params[l->param];
    size_t outs = w->dim[0], row = w->count / outs;
    const struct rn_stats *input = q->stats[g->nodes[l->node].input[0]];
    float *scales = rn_alloc(outs, sizeof(*scales));
    double *shift = rn_alloc(outs, sizeof(*shift));
    int rc = RN_OK;

    l->exact = copy_of(w->data, w->count);
    if (l->shifted >= 0) {
        l->bias = copy_of(g->params[l->shifted].data, outs);
        l->corrected = copy_of(g->params[l->shifted].data, outs);
    }
    if (!scales || !shift || !l->exact ||
        (l->shifted >= 0 && (!l->bias || !l->corrected)))
        rc = no_memory(q, w->count * sizeof(float));
    if (!rc) {
        rn_weight_scales(w->data, outs, row, scales);
        rc = rn_graph_quantize_param(g, l->param, scales, q->err);
    }
    if (!rc) {
        l->scales = w->scales;
        l->rounded = copy_of(w->data, w->count);
        rc = l->rounded ? RN_OK : no_memory(q, w->count * sizeof(float));
    }
    if (!rc && input && l->shifted >= 0) {
        rn_weight_shift(l->exact, l->rounded, outs, row, input->channels, input,
                        shift);
        for (size_t o = 0; o < outs; o++)
            l->corrected[o] -= (float)(shift[o] * factor_of(g, l, o));
    }
    if (!rc)
        turn(q, l, true);
    rn_free(scales);
    rn_free(shift);
    return rc;
}

/* All that can be, after calibration. */
static int quantize_all(struct quantizer *q)
{
    int rc = RN_OK;

    choose_ranges(q);
    for (size_t i = 0; !rc && i < q->n_layers; i++)
        rc = round_layer(q, &q->layers[i]);
    return rc;
}

/* Release; unless it succeeded the model is as it was. */
static void finish(struct quantizer *q, bool done)
{
    for (size_t i = 0; i < q->n_layers; i++) {
        struct layer *l = &q->layers[i];

        if (!done && l->exact && (l->shifted < 0 || l->bias))
            turn(q, l, false);
        rn_free(l->exact);
        rn_free(l->bias);
        rn_free(l->rounded);
        rn_free(l->corrected);
    }
    for (size_t i = 0; q->stats && i < q->g->n_nodes; i++) {
        if (!done)
            q->g->nodes[i].quant = (struct rn_quant){0, 0};
        if (q->stats[i])
            rn_stats_free(q->stats[i]);
        rn_free(q->stats[i]);
    }
    rn_plan_destroy(q->plan);
    rn_free(q->layers);
    rn_free(q->marked);
    rn_free(q->stats);
    rn_free(q->rules);
    rn_free(q->images);
    rn_free(q->logits);
    rn_free(q->others);
    rn_free(q->compared);
}

int rn_quantize_for(struct rn_model *model, const float *images, int count,
                    int threads, struct rn_error *err)
{
    struct quantizer q = {
        .model = model, .o = {.threads = threads}, .err = err};
    int rc = begin(&q, count);

    if (!rc)
        rc = calibrate(&q, images);
    if (!rc)
        rc = quantize_all(&q);
    finish(&q, !rc);
    return rc;
}

/* -------------------------------------------------------------------- costs */

/* What a plan of the model as it is answers otherwise than the first: squares
 * of differences over squares. */
static int noise_of_logits(struct quantizer *q, double *noise)
{
    size_t count = (size_t)q->batch * (size_t)q->model->spec.classes;
    double signal = 0, sum = 0;
    struct rn_plan *plan;
    int rc = make_plan(&plan, q, q->batch, RN_PRECISION_AUTO);

    if (!rc)
        rc = rn_plan_forward(plan, q->images, q->others, q->err);
    rn_plan_destroy(plan);
    for (size_t i = 0; !rc && i < count; i++) {
        double d = (double)q->others[i] - (double)q->logits[i];

        signal += (double)q->logits[i] * (double)q->logits[i];
        sum += d * d;
    }
    *noise = signal > 0 ? sum / signal : 0;
    return rc;
}

/* What each layer in 8 bits costs alone. */
static int measure_costs(struct quantizer *q)
{
    int rc = rn_plan_forward(q->plan, q->images, q->logits, q->err);

    for (size_t i = 0; i < q->n_layers; i++)
        turn(q, &q->layers[i], false);
    for (size_t i = 0; !rc && i < q->n_layers; i++) {
        rc = tell(q, "layers", (int)i, (int)q->n_layers);
        turn(q, &q->layers[i], true);
        if (!rc)
            rc = noise_of_logits(q, &q->layers[i].cost);
        turn(q, &q->layers[i], false);
    }
    for (size_t i = 0; i < q->n_layers; i++)
        turn(q, &q->layers[i], true);
    return rc;
}

/* Floats of one image's values, as far as layers make them. */
static size_t values_of(const struct quantizer *q)
{
    size_t all = 0;

    for (size_t i = 0; i < q->g->n_nodes; i++)
        if (q->stats[i])
            all += rn_shape_size(q->g->nodes[i].shape);
    return all;
}

static int keep_value(void *user, const struct rn_trace *v)
{
    struct quantizer *q = user;
    size_t count = (size_t)v->channels * (size_t)v->height * (size_t)v->width *
                   (size_t)q->few;

    memcpy(q->compared + q->next, v->values, count * sizeof(*v->values));
    q->next += count;
    return RN_OK;
}

/* The layer whose step makes the node's value, or NULL. */
static struct layer *layer_of_value(struct quantizer *q, int node)
{
    for (size_t i = 0; i < q->n_layers; i++)
        if (q->layers[i].end == node)
            return &q->layers[i];
    return NULL;
}

static int compare_value(void *user, const struct rn_trace *v)
{
    struct quantizer *q = user;
    size_t count = (size_t)v->channels * (size_t)v->height * (size_t)v->width *
                   (size_t)q->few;
    struct layer *l = layer_of_value(q, (int)node_of(v));
    double signal = 0, noise = 0;

    for (size_t i = 0; i < count; i++) {
        double x = (double)q->compared[q->next + i];
        double d = (double)v->values[i] - x;

        signal += x * x;
        noise += d * d;
    }
    q->next += count;
    if (l)
        l->noise = signal > 0 ? noise / signal : 0;
    return RN_OK;
}

/* Values of a few images through the model as it is, to `visit`. */
static int trace_few(struct quantizer *q,
                     int (*visit)(void *user, const struct rn_trace *value))
{
    struct rn_plan *plan;
    int rc = make_plan(&plan, q, q->few, RN_PRECISION_AUTO);

    q->next = 0;
    if (!rc)
        rc = rn_plan_trace(plan, q->images, visit, q, q->err);
    rn_plan_destroy(plan);
    return rc;
}

/* What values are before anything is quantised: they are compared with. */
static int keep_values(struct quantizer *q)
{
    size_t room = values_of(q) * (size_t)q->few;

    q->compared = rn_alloc(room, sizeof(*q->compared));
    return q->compared ? trace_few(q, keep_value)
                       : no_memory(q, room * sizeof(*q->compared));
}

/* ------------------------------------------------------------------ the whole
 */

/** Where the error is measured, and what it was and is. */
struct checking {
    const struct rn_data *data;
    enum rn_part part;
    bool possible; /* there are images that ranges were not taken from */
    int images;
    double before, after;
};

static int on_check(void *user, int done, int images)
{
    const struct quantizer *q = user;

    return q->o.progress ? q->o.progress(q->o.user, "check", done, images) : 0;
}

static int measure_error(struct quantizer *q, struct checking *c, double *error)
{
    struct rn_eval_options o;
    struct rn_eval_result r;
    int rc;

    if (!c->possible)
        return RN_OK;
    rn_eval_defaults(&o);
    o.batch = q->o.batch;
    o.threads = q->o.threads;
    o.bind = q->o.bind;
    o.images = q->o.check;
    o.user = q;
    o.progress = on_check;
    rc = rn_eval(q->model, c->data, c->part, &o, &r, q->err);
    c->images = r.images;
    *error = r.several ? r.exact_error : r.top1_error;
    return rc;
}

static bool costs_too_much(const struct quantizer *q, const struct checking *c)
{
    return c->possible && !(c->after - c->before <= q->o.max_drop);
}

static int by_cost(const void *a, const void *b)
{
    const struct layer *x = *(struct layer *const *)a;
    const struct layer *y = *(struct layer *const *)b;

    if (x->cost != y->cost)
        return x->cost < y->cost ? 1 : -1;
    return x < y ? -1 : x > y;
}

/* With the `count` costliest layers in float32. */
static int leave_out(struct quantizer *q, struct layer **order, size_t count,
                     struct checking *c)
{
    for (size_t i = 0; i < q->n_layers; i++)
        turn(q, order[i], i >= count);
    return measure_error(q, c, &c->after);
}

/* The fewest of the costliest layers left in float32 that keep the error: twice
 * as many until it is kept, then by halves. At least one stays in 8 bits. */
static int leave_costly(struct quantizer *q, struct checking *c)
{
    struct layer **order = rn_alloc(q->n_layers, sizeof(struct layer *));
    size_t enough = 1, few = 0;
    int rc = RN_OK;

    if (!order)
        return no_memory(q, q->n_layers * sizeof(struct layer *));
    for (size_t i = 0; i < q->n_layers; i++)
        order[i] = &q->layers[i];
    qsort(order, q->n_layers, sizeof(struct layer *), by_cost);
    for (; !rc && enough < q->n_layers; enough *= 2) {
        rc = leave_out(q, order, enough, c);
        if (!rc && !costs_too_much(q, c))
            break;
        few = enough;
    }
    if (enough >= q->n_layers && !rc)
        rc = rn_fail(q->err, RN_ERR_DATA,
                     "the top-1 error grows by %.2f points, more than "
                     "`max_drop`, %.2f, with all but a few layers in float32",
                     c->after - c->before, q->o.max_drop);
    while (!rc && enough - few > 1) {
        size_t middle = (few + enough) / 2;

        rc = leave_out(q, order, middle, c);
        *(costs_too_much(q, c) ? &few : &enough) = middle;
    }
    if (!rc)
        rc = leave_out(q, order, enough, c);
    rn_free(order);
    return rc;
}

static double decibels(double noise)
{
    return noise > 0 ? -10 * log10(noise) : (double)INFINITY;
}

static int tell_layers(struct quantizer *q, struct rn_quantize_result *r)
{
    static const char *const rules[] = {"all", "percentile", "error"};
    int rc = RN_OK;

    for (size_t i = 0; !rc && i < q->n_layers; i++) {
        const struct layer *l = &q->layers[i];
        const struct rn_quant v = q->g->nodes[l->end].quant;
        struct rn_quantized_layer told = {
            .name = q->g->nodes[l->node].name,
            .value = q->g->nodes[l->end].name,
            .quantized = l->on,
            .cost = decibels(l->cost),
            .signal_to_noise = decibels(l->noise),
            .low = v.scale != 0 ? 0 - (double)v.scale * v.zero : (double)NAN,
            .high =
                v.scale != 0 ? (double)v.scale * (255 - v.zero) : (double)NAN,
            .range = v.scale != 0 ? rules[q->rules[l->end]] : NULL,
        };

        r->quantized += l->on;
        if (q->o.layer && q->o.layer(q->o.user, &told))
            rc = rn_fail(q->err, RN_ERR_STOPPED,
                         "stopped: the model is as it was");
    }
    r->layers = (int)q->n_layers;
    return rc;
}

/* Through all calibration images; the last few that fill no batch are left
 * out. */
static int calibrate_on(struct quantizer *q, const struct rn_data *data,
                        int images)
{
    enum rn_part part = (enum rn_part)q->o.part;
    struct rn_loader_config config = {
        .data = data,
        .part = part,
        .view = rn_view_of(q->model),
        .threads = rn_plan_threads(q->plan),
        .sampler = {.seed = q->o.seed,
                    .count = data->part[part].count,
                    .batch = q->batch,
                    .shuffle = true,
                    .last = RN_LAST_DROP},
        .end = images / q->batch,
    };
    struct rn_loader *loader = NULL;
    int rc;

    rn_loader_prepare_as(&config, &q->model->preprocessing);
    rc = rn_loader_create(&loader, &config, q->err);
    for (long i = 0; !rc && i < config.end; i++) {
        struct rn_batch batch;

        rc = tell(q, "ranges", (int)i * q->batch, images);
        if (!rc)
            rc = rn_loader_next(loader, &batch, NULL, q->err);
        if (!rc)
            rc = calibrate(q, batch.images);
    }
    rn_loader_destroy(loader);
    if (!rc && q->flat)
        rc = rn_fail(q->err, RN_ERR_DATA,
                     "every calibration image of '%s' is of one colour "
                     "throughout: they do not tell what ranges values have",
                     data->spec);
    return rc;
}

static int check_data(struct quantizer *q, const struct rn_data *data,
                      struct checking *c, int *images)
{
    const struct rn_images *part = &data->part[q->o.part];
    static const enum rn_part others[] = {RN_PART_VALIDATION, RN_PART_TEST};

    if (!q->model->preprocessing.mean)
        return rn_fail(q->err, RN_ERR_ARG,
                       "model %s does not say how its images are prepared",
                       q->model->spec.name);
    if (part->count == 0)
        return rn_fail(q->err, RN_ERR_ARG, "'%s' has no %s images", data->spec,
                       rn_part_name((enum rn_part)q->o.part));
    *images = q->o.images < part->count ? q->o.images : part->count;
    c->data = data;
    for (size_t i = 0; !c->possible && i < 2; i++) {
        c->part = others[i];
        c->possible = (int)c->part != q->o.part && data->part[c->part].count;
    }
    return data->fetch ? RN_OK : rn_model_fits(q->model, data, q->err);
}

int rn_quantize_sized(struct rn_model *model, const struct rn_data *data,
                      const struct rn_quantize_options *options,
                      struct rn_quantize_result *result, size_t size,
                      struct rn_error *err)
{
    struct quantizer q = {.model = model, .err = err};
    struct checking c = {.before = (double)NAN, .after = (double)NAN};
    struct rn_quantize_result own = {.images = 0};
    int images = 0, rc = RN_TAKE_OPTIONS(rn_quantize_option, &q.o, options,
                                         "rn_quantize_options", err);

    if (!rc)
        rc = rn_option_check(rn_quantize_option, &q.o, err);
    if (!rc)
        rc = check_data(&q, data, &c, &images);
    if (rc)
        return rc;
    rc = begin(&q, q.o.batch && q.o.batch < images
                       ? q.o.batch
                       : rn_eval_batch(model->spec.input, images));
    if (!rc)
        rc = measure_error(&q, &c, &c.before);
    if (!rc)
        rc = calibrate_on(&q, data, images);
    if (!rc)
        rc = keep_values(&q);
    if (!rc)
        rc = quantize_all(&q);
    if (!rc)
        rc = measure_costs(&q);
    if (!rc)
        rc = measure_error(&q, &c, &c.after);
    if (!rc && costs_too_much(&q, &c))
        rc = leave_costly(&q, &c);
    if (!rc)
        rc = trace_few(&q, compare_value);
    if (!rc)
        rc = tell_layers(&q, &own);
    own.images = images / q.batch * q.batch;
    own.check_part = c.part;
    own.check_images = c.images;
    own.error_before = c.before;
    own.error_after = c.after;
    finish(&q, !rc);
    if (!rc)
        RN_GIVE(result, size, &own);
    return rc;
}
