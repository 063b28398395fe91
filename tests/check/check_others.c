/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * What networks of others have besides ours: inference plans against an
 * interpreter that goes through the graph node by node, in double, over plain
 * arrays, by each operation's definition. Every graph ends in a classifier
 * that sees all pixels of its input, so that a value in the wrong place shows.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/isa.h"
#include "core/memory.h"
#include "core/random.h"
#include "ops/conv/conv.h"
#include "graph/operation.h"
#include "model/graph_json.h"
#include "plan/operations.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of logits: relative to the largest. */
#define TOL          1e-5
#define WINOGRAD_TOL 2e-3
/* Of all gradients in bfloat16, of their norm. */
#define BF16_TOL 0.1

enum { CLASSES = 5 };

/* ------------------------------------------------------------ interpreter */

struct interpreter {
    const struct rn_graph *g;
    int n;
    bool train; /* batch norm takes the batch's statistics */
    double **value;
};

static size_t size_of(const struct interpreter *t, int v)
{
    struct rn_shape s = t->g->nodes[v].shape;

    return (size_t)t->n * (size_t)s.c * (size_t)s.h * (size_t)s.w;
}

/* Value v at a pixel of a channel; `outside` beyond the edge. */
static double at(const struct interpreter *t, int v, int n, int c, int y, int x,
                 double outside)
{
    struct rn_shape s = t->g->nodes[v].shape;

    if (y < 0 || y >= s.h || x < 0 || x >= s.w)
        return outside;
    return t->value[v][((n * s.c + c) * s.h + y) * s.w + x];
}

static double weight(const struct interpreter *t, const struct rn_node *node,
                     int place, int i)
{
    int p = node->param[place];

    return p < 0 ? 0 : (double)t->g->params[p].data[i];
}

/* Where tap (ky, kx) of an output's window lies. */
static int tap_y(const struct rn_window *w, int y, int ky)
{
    return y * w->stride - w->pad - w->top + ky * (w->dilate_h + 1);
}

static int tap_x(const struct rn_window *w, int x, int kx)
{
    int stride = w->stride_w ? w->stride_w : w->stride;

    return x * stride - w->pad - w->left + kx * (w->dilate_w + 1);
}

typedef double rule(const struct interpreter *t, const struct rn_node *node,
                    int n, int c, int y, int x);

static double conv_at(const struct interpreter *t, const struct rn_node *node,
                      int n, int c, int y, int x)
{
    const struct rn_window *w = &node->window;
    int in = node->input[0];
    int ins = t->g->nodes[in].shape.c / node->groups;
    int group = c / (node->shape.c / node->groups);
    double sum = weight(t, node, RN_P_BIAS, c);

    for (int i = 0; i < ins; i++)
        for (int ky = 0; ky < w->kh; ky++)
            for (int kx = 0; kx < w->kw; kx++)
                sum += weight(t, node, RN_P_WEIGHT,
                              ((c * ins + i) * w->kh + ky) * w->kw + kx) *
                       at(t, in, n, group * ins + i, tap_y(w, y, ky),
                          tap_x(w, x, kx), 0);
    return sum;
}

static double linear_at(const struct interpreter *t, const struct rn_node *node,
                        int n, int c, int y, int x)
{
    size_t ins = size_of(t, node->input[0]) / (size_t)t->n;
    const double *from = t->value[node->input[0]] + (size_t)n * ins;
    double sum = weight(t, node, RN_P_BIAS, c);

    (void)y, (void)x;
    for (size_t i = 0; i < ins; i++)
        sum += from[i] * weight(t, node, RN_P_WEIGHT, c * (int)ins + (int)i);
    return sum;
}

/* Mean, or with `mean` the mean square around it, of a channel of value v. */
static double channel_mean(const struct interpreter *t, int v, int c,
                           const double *mean)
{
    struct rn_shape s = t->g->nodes[v].shape;
    size_t hw = rn_shape_pixels(s);
    double sum = 0;

    for (size_t n = 0; n < (size_t)t->n; n++)
        for (size_t i = 0; i < hw; i++) {
            double x = t->value[v][(n * (size_t)s.c + (size_t)c) * hw + i];

            sum += mean ? (x - *mean) * (x - *mean) : x;
        }
    return sum / (double)hw / t->n;
}

static double bn_at(const struct interpreter *t, const struct rn_node *node,
                    int n, int c, int y, int x)
{
    double v = at(t, node->input[0], n, c, y, x, 0);
    double mean = weight(t, node, RN_P_MEAN, c);
    double var = weight(t, node, RN_P_VAR, c);

    if (t->train) {
        mean = channel_mean(t, node->input[0], c, NULL);
        var = channel_mean(t, node->input[0], c, &mean);
    }
    return (v - mean) / sqrt(var + (double)node->eps) *
               weight(t, node, RN_P_WEIGHT, c) +
           weight(t, node, RN_P_BIAS, c);
}

static double max_pool_at(const struct interpreter *t,
                          const struct rn_node *node, int n, int c, int y,
                          int x)
{
    double best = -HUGE_VAL;

    for (int ky = 0; ky < node->window.kh; ky++)
        for (int kx = 0; kx < node->window.kw; kx++)
            best = fmax(best,
                        at(t, node->input[0], n, c, tap_y(&node->window, y, ky),
                           tap_x(&node->window, x, kx), -HUGE_VAL));
    return best;
}

/* Whether the mean over a window is also over this place. */
static bool counts(const struct rn_node *node, struct rn_shape s, int y, int x)
{
    const struct rn_window *w = &node->window;

    if (node->count_padding)
        return y < s.h + w->pad + w->bottom && x < s.w + w->pad + w->right;
    return y >= 0 && y < s.h && x >= 0 && x < s.w;
}

static double avg_pool_at(const struct interpreter *t,
                          const struct rn_node *node, int n, int c, int y,
                          int x)
{
    struct rn_shape s = t->g->nodes[node->input[0]].shape;
    double sum = 0, count = 0;

    for (int ky = 0; ky < node->window.kh; ky++)
        for (int kx = 0; kx < node->window.kw; kx++) {
            int iy = tap_y(&node->window, y, ky);
            int ix = tap_x(&node->window, x, kx);

            sum += at(t, node->input[0], n, c, iy, ix, 0);
            count += counts(node, s, iy, ix);
        }
    return sum / count;
}

static double average_at(const struct interpreter *t,
                         const struct rn_node *node, int n, int c, int y, int x)
{
    struct rn_shape s = t->g->nodes[node->input[0]].shape;
    double sum = 0;

    (void)y, (void)x;
    for (int iy = 0; iy < s.h; iy++)
        for (int ix = 0; ix < s.w; ix++)
            sum += at(t, node->input[0], n, c, iy, ix, 0);
    return sum / s.h / s.w;
}

/* The mean of its share of rows and columns, rounded outwards. */
static double adaptive_at(const struct interpreter *t,
                          const struct rn_node *node, int n, int c, int y,
                          int x)
{
    struct rn_shape s = t->g->nodes[node->input[0]].shape, o = node->shape;
    int top = y * s.h / o.h, bottom = ((y + 1) * s.h + o.h - 1) / o.h;
    int left = x * s.w / o.w, right = ((x + 1) * s.w + o.w - 1) / o.w;
    double sum = 0;

    for (int iy = top; iy < bottom; iy++)
        for (int ix = left; ix < right; ix++)
            sum += at(t, node->input[0], n, c, iy, ix, 0);
    return sum / (bottom - top) / (right - left);
}

static double relu_at(const struct interpreter *t, const struct rn_node *node,
                      int n, int c, int y, int x)
{
    return fmax(0, at(t, node->input[0], n, c, y, x, 0));
}

static double add_at(const struct interpreter *t, const struct rn_node *node,
                     int n, int c, int y, int x)
{
    return at(t, node->input[0], n, c, y, x, 0) +
           at(t, node->input[1], n, c, y, x, 0);
}

static double concat_at(const struct interpreter *t, const struct rn_node *node,
                        int n, int c, int y, int x)
{
    int k = 0;

    for (; c >= t->g->nodes[node->input[k]].shape.c; k++)
        c -= t->g->nodes[node->input[k]].shape.c;
    return at(t, node->input[k], n, c, y, x, 0);
}

static double multiply_at(const struct interpreter *t,
                          const struct rn_node *node, int n, int c, int y,
                          int x)
{
    struct rn_shape s = t->g->nodes[node->input[1]].shape;

    return at(t, node->input[0], n, c, y, x, 0) *
           at(t, node->input[1], n, c, s.h == 1 ? 0 : y, s.w == 1 ? 0 : x, 0);
}

static double highway_at(const struct interpreter *t,
                         const struct rn_node *node, int n, int c, int y, int x)
{
    double h = at(t, node->input[0], n, c, y, x, 0);
    double gate = at(t, node->input[0], n, node->shape.c + c, y, x, 0);
    double share = 1 / (1 + exp(-gate));

    return share * fmax(0, h) +
           (1 - share) * at(t, node->input[1], n, c, y, x, 0);
}

static double sigmoid_at(const struct interpreter *t,
                         const struct rn_node *node, int n, int c, int y, int x)
{
    return 1 / (1 + exp(-at(t, node->input[0], n, c, y, x, 0)));
}

static double clip_at(const struct interpreter *t, const struct rn_node *node,
                      int n, int c, int y, int x)
{
    return fmin(fmax(at(t, node->input[0], n, c, y, x, 0), (double)node->low),
                (double)node->high);
}

static double leaky_at(const struct interpreter *t, const struct rn_node *node,
                       int n, int c, int y, int x)
{
    double v = at(t, node->input[0], n, c, y, x, 0);

    return v < 0 ? v * (double)node->slope : v;
}

static double softplus_of(double v)
{
    return fmax(v, 0) + log1p(exp(-fabs(v)));
}

/* One of RN_FUNCTION_… by its definition. */
static double function_of(enum rn_function f, double a, double b, double v)
{
    switch (f) {
    case RN_FUNCTION_ELU:
        return v < 0 ? a * (exp(v) - 1) : v;
    case RN_FUNCTION_SELU:
        return b * (v < 0 ? a * (exp(v) - 1) : v);
    case RN_FUNCTION_CELU:
        return fmax(v, 0) + fmin(0, a * (exp(v / a) - 1));
    case RN_FUNCTION_GELU:
        return v * 0.5 * (1 + erf(v / sqrt(2)));
    case RN_FUNCTION_GELU_TANH:
        return v * 0.5 *
               (1 + tanh(sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
    case RN_FUNCTION_MISH:
        return v * tanh(softplus_of(v));
    case RN_FUNCTION_SOFTPLUS:
        return softplus_of(v);
    case RN_FUNCTION_SOFTSIGN:
        return v / (1 + fabs(v));
    case RN_FUNCTION_HARD_SIGMOID:
        return fmin(1, fmax(0, a * v + b));
    case RN_FUNCTION_HARD_SWISH:
        return v * fmin(1, fmax(0, a * v + b));
    case RN_FUNCTION_THRESHOLD:
        return v > a ? v : 0;
    case RN_FUNCTION_TANH:
        return tanh(v);
    case RN_FUNCTION_ERF:
        return erf(v);
    case RN_FUNCTION_EXP:
        return exp(v);
    case RN_FUNCTION_LOG:
        return log(v);
    case RN_FUNCTION_SQRT:
        return sqrt(v);
    case RN_FUNCTION_POWER:
        return pow(v, a);
    case RN_FUNCTION_ABSOLUTE:
        return fabs(v);
    case RN_FUNCTION_COUNT:
        break;
    }
    return (double)NAN;
}

static double activation_at(const struct interpreter *t,
                            const struct rn_node *node, int n, int c, int y,
                            int x)
{
    return function_of(node->function, (double)node->a, (double)node->b,
                       at(t, node->input[0], n, c, y, x, 0));
}

static double quantize_at(const struct interpreter *t,
                          const struct rn_node *node, int n, int c, int y,
                          int x)
{
    double unit = (double)node->a, zero = (double)node->b;
    float steps = (float)at(t, node->input[0], n, c, y, x, 0) / node->a;
    double rounded = nearbyint((double)steps) + zero;

    return (fmin(fmax(rounded, (double)node->low), (double)node->high) - zero) *
           unit;
}

static double prelu_at(const struct interpreter *t, const struct rn_node *node,
                       int n, int c, int y, int x)
{
    double v = at(t, node->input[0], n, c, y, x, 0);

    return fmax(v, 0) + weight(t, node, RN_P_WEIGHT, c) * fmin(v, 0);
}

static double select_at(const struct interpreter *t, const struct rn_node *node,
                        int n, int c, int y, int x)
{
    const struct rn_selection *s = &node->selection;

    return at(t, node->input[0], n,
              s->first + c % s->inner * s->step + c / s->inner * s->outer, y, x,
              0);
}

static double maxout_at(const struct interpreter *t, const struct rn_node *node,
                        int n, int c, int y, int x)
{
    double most = -(double)INFINITY;

    for (int k = 0; k < node->pieces; k++)
        most = fmax(most,
                    at(t, node->input[0], n, c + k * node->shape.c, y, x, 0));
    return most;
}

static double lrn_at(const struct interpreter *t, const struct rn_node *node,
                     int n, int c, int y, int x)
{
    const struct rn_lrn *l = &node->lrn;
    double sum = 0;

    for (int k = c - l->size / 2; k <= c + l->size / 2; k++)
        if (k >= 0 && k < node->shape.c)
            sum += pow(at(t, node->input[0], n, k, y, x, 0), 2);
    return at(t, node->input[0], n, c, y, x, 0) /
           pow((double)l->k + (double)l->alpha / l->size * sum,
               (double)l->beta);
}

static double softmax_at(const struct interpreter *t,
                         const struct rn_node *node, int n, int c, int y, int x)
{
    double sum = 0;

    for (int k = 0; k < node->shape.c; k++)
        sum += exp(at(t, node->input[0], n, k, y, x, 0));
    return exp(at(t, node->input[0], n, c, y, x, 0)) / sum;
}

static double log_softmax_at(const struct interpreter *t,
                             const struct rn_node *node, int n, int c, int y,
                             int x)
{
    return log(softmax_at(t, node, n, c, y, x));
}

static double zero_pad_at(const struct interpreter *t,
                          const struct rn_node *node, int n, int c, int y,
                          int x)
{
    const struct rn_window *w = &node->window;

    return at(t, node->input[0], n, c, y - w->pad - w->top,
              x - w->pad - w->left, 0);
}

static double subsample_at(const struct interpreter *t,
                           const struct rn_node *node, int n, int c, int y,
                           int x)
{
    int from = c - node->before, stride = node->window.stride;

    return from >= 0 && from < t->g->nodes[node->input[0]].shape.c
               ? at(t, node->input[0], n, from, y * stride, x * stride, 0)
               : 0;
}

/* Number i of an image is kept where the i-th random number of the image says
 * so: no order of steps, no layout, no thread counts. */
static double dropout_at(const struct interpreter *t,
                         const struct rn_node *node, int n, int c, int y, int x)
{
    struct rn_random_key key = {0, RN_RANDOM_PLAN, 0};
    struct rn_shape s = node->shape;
    double v = at(t, node->input[0], n, c, y, x, 0);
    uint64_t each = (rn_shape_size(s) + 3) / 4;
    uint64_t i = (uint64_t)((c * s.h + y) * s.w + x);
    uint64_t first = (uint64_t)(node - t->g->nodes) << 48;
    uint32_t bits[4];

    rn_random4(&key, first + (uint64_t)n * each + i / 4, bits);
    if (t->train && rn_random_unit(bits[i % 4]) < (double)node->a)
        return 0;
    return t->train ? v / (1 - (double)node->a) : v;
}

/* All but the input's; every_operation_has_its_columns() asks for them. */
static rule *const rules[RN_OP_COUNT] = {
    [RN_OP_SUBSAMPLE_PAD] = subsample_at,
    [RN_OP_DROPOUT] = dropout_at,
    [RN_OP_CONV] = conv_at,
    [RN_OP_BATCH_NORM] = bn_at,
    [RN_OP_RELU] = relu_at,
    [RN_OP_ADD] = add_at,
    [RN_OP_MAX_POOL] = max_pool_at,
    [RN_OP_GLOBAL_AVG_POOL] = average_at,
    [RN_OP_LINEAR] = linear_at,
    [RN_OP_AVG_POOL] = avg_pool_at,
    [RN_OP_ADAPTIVE_AVG_POOL] = adaptive_at,
    [RN_OP_CONCAT] = concat_at,
    [RN_OP_MULTIPLY] = multiply_at,
    [RN_OP_SIGMOID] = sigmoid_at,
    [RN_OP_CLIP] = clip_at,
    [RN_OP_LEAKY_RELU] = leaky_at,
    [RN_OP_LRN] = lrn_at,
    [RN_OP_SOFTMAX] = softmax_at,
    [RN_OP_ZERO_PAD] = zero_pad_at,
    [RN_OP_LOG_SOFTMAX] = log_softmax_at,
    [RN_OP_ACTIVATION] = activation_at,
    [RN_OP_PRELU] = prelu_at,
    [RN_OP_QUANTIZE] = quantize_at,
    [RN_OP_SELECT] = select_at,
    [RN_OP_HIGHWAY] = highway_at,
    [RN_OP_MAXOUT] = maxout_at,
};

static void interpret_node(struct interpreter *t, int v)
{
    const struct rn_node *node = &t->g->nodes[v];
    struct rn_shape s = node->shape;
    double *to = t->value[v];

    for (int n = 0; n < t->n; n++)
        for (int c = 0; c < s.c; c++)
            for (int y = 0; y < s.h; y++)
                for (int x = 0; x < s.w; x++)
                    *to++ = rules[node->op](t, node, n, c, y, x);
}

/* All values, that of images being value 0; free_values() releases them. */
static double **interpret_as(const struct rn_graph *g, int n, bool train,
                             const double *images)
{
    struct interpreter t = {.g = g, .n = n, .train = train};

    t.value = calloc(g->n_nodes, sizeof(*t.value));
    assert_non_null(t.value);
    for (size_t i = 0; i < g->n_nodes; i++)
        t.value[i] = check_doubles(size_of(&t, (int)i));
    memcpy(t.value[0], images, size_of(&t, 0) * sizeof(*images));
    for (size_t i = 1; i < g->n_nodes; i++)
        interpret_node(&t, (int)i);
    return t.value;
}

static void free_values(const struct rn_graph *g, double **values)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        free(values[i]);
    free(values);
}

/* The logits; released by the caller. */
static double *interpret(const struct rn_graph *g, int n, const double *images)
{
    double **values = interpret_as(g, n, false, images);
    double *logits = values[g->output];

    values[g->output] = NULL;
    free_values(g, values);
    return logits;
}

/* -------------------------------------------------------------- comparing */

static void fill_param(struct rn_param *p, uint64_t stream, size_t fan)
{
    bool variance = p->kind == RN_PARAM_RUNNING_VAR;
    bool gamma = p->kind == RN_PARAM_BN_WEIGHT;
    double scale = p->kind == RN_PARAM_WEIGHT ? sqrt(6.0 / (double)fan) : 0.5;
    double *x = check_doubles(p->count);

    check_fill(x, p->count, stream, variance || gamma ? 1 : 0, scale);
    to_floats(x, p->count, p->data);
    free(x);
}

static void fill_params(struct rn_graph *g, uint64_t stream)
{
    for (size_t i = 0; i < g->n_params; i++)
        fill_param(&g->params[i], stream + i,
                   g->params[i].count / g->params[i].dim[0]);
}

static int compare_logits(const char *name, const float *got,
                          const double *want, size_t count, double tol)
{
    double largest = 0, worst = 0;

    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(want[i]));
    for (size_t i = 0; i < count; i++) {
        double off = fabs((double)got[i] - want[i]);

        worst = off <= worst ? worst : off; /* NaN stays */
    }
    if (worst <= tol * largest)
        return 0;
    print_error("%s: logits off by %g, the largest being %g\n", name, worst,
                largest);
    return 1;
}

static int run(const char *name, struct rn_store *store,
               const struct rn_plan_options *options, const float *images,
               const double *want)
{
    size_t count = (size_t)options->batch * CLASSES;
    double tol = options->exact ? TOL : WINOGRAD_TOL;
    float logits[4 * CLASSES];
    struct rn_plan *plan;
    struct rn_error err;
    int bad = 0;

    assert_true(count <= COUNT(logits));
    if (rn_plan_build(&plan, store, options, &err))
        fail_msg("%s: %s", name, err.msg);
    /* The second time over what the first one left in memory. */
    for (int i = 0; i < 2; i++) {
        if (rn_plan_forward(plan, images, logits, &err))
            fail_msg("%s: %s", name, err.msg);
        bad += compare_logits(name, logits, want, count, tol);
    }
    rn_plan_destroy(plan);
    return bad;
}

/* Takes the graph over; its last value is classified. */
static int check_graph(const char *name, struct rn_graph *g, int n,
                       uint64_t stream)
{
    struct rn_plan_options options = {.batch = n, .threads = 2, .exact = 1};
    struct rn_store *store;
    struct rn_error err;
    size_t count;
    double *images, *want;
    float *floats;
    int bad = 0;

    rn_graph_linear(g, g->output, "classifier", CLASSES);
    if (g->error.code)
        fail_msg("%s: %s", name, g->error.msg);
    fill_params(g, stream);
    count = (size_t)n * (size_t)g->nodes[0].shape.c *
            (size_t)g->nodes[0].shape.h * (size_t)g->nodes[0].shape.w;
    images = check_doubles(count);
    check_fill(images, count, stream + 1000, 0.2, 1);
    floats = rn_alloc(count, sizeof(*floats));
    assert_non_null(floats);
    to_floats(images, count, floats);
    want = interpret(g, n, images);

    assert_int_equal(rn_store_borrow(&store, g, &err), RN_OK);
    bad += run(name, store, &options, floats, want);
    rn_store_destroy(store);
    options.threads = 1;
    options.exact = 0;
    assert_int_equal(rn_store_create(&store, g, RN_STORE_FIXED, &err), RN_OK);
    bad += run(name, store, &options, floats, want);
    rn_store_destroy(store);
    free(images);
    free(want);
    rn_free(floats);
    rn_graph_destroy(g);
    return bad;
}

static struct rn_graph *with_input(int c, int h, int w)
{
    struct rn_graph *g = rn_graph_create();

    assert_non_null(g);
    rn_graph_input(g, (struct rn_shape){c, h, w});
    return g;
}

/* ------------------------------------------------------- one operation each */

static const struct {
    const char *name;
    int n, c, h, w;
} shapes[] = {
    {"a block", 2, 16, 6, 5},   {"half a block", 1, 8, 7, 7},
    {"odd", 2, 19, 5, 9},       {"one channel", 3, 1, 8, 6},
    {"images", 2, 3, 11, 10},   {"several blocks", 1, 48, 6, 6},
    {"one pixel", 2, 21, 1, 1},
};

static const struct conv_of {
    const char *name;
    int in, out, groups, h, w;
    struct rn_window window;
} convs[] = {
    /* clang-format off */
    {"32 groups of 4",       128, 128,  32, 8, 7, RN_WINDOW(3, 3, 1, 1)},
    {"the same, stride 2",   128, 128,  32, 9, 8, RN_WINDOW(3, 3, 2, 1)},
    {"32 groups of 8",       256, 256,  32, 5, 5, RN_WINDOW(3, 3, 1, 1)},
    {"groups of 16",          64,  64,   4, 6, 6, RN_WINDOW(3, 3, 1, 1)},
    {"groups of 16, to 32",   64, 128,   4, 6, 6, RN_WINDOW(3, 3, 2, 1)},
    {"groups of 32",          64,  64,   2, 6, 6, RN_WINDOW(3, 3, 1, 1)},
    {"8 groups of 4",         32,  32,   8, 5, 6, RN_WINDOW(3, 3, 1, 1)},
    {"groups of 2 to 4",      16,  32,   8, 5, 6, RN_WINDOW(1, 1, 1, 0)},
    {"groups of 5",           15,  20,   5, 5, 6, RN_WINDOW(3, 3, 1, 1)},
    {"6 groups of 8",         48,  48,   6, 5, 6, RN_WINDOW(3, 3, 1, 1)},
    {"5 groups of 8",         40,  80,   5, 5, 6, RN_WINDOW(3, 3, 1, 1)},
    {"groups of 12 to 4",     24,   8,   2, 5, 6, RN_WINDOW(3, 3, 1, 1)},
    {"3 groups of images",     3,   6,   3, 7, 6, RN_WINDOW(3, 3, 1, 1)},
    {"depthwise images",       3,   3,   3, 7, 6, RN_WINDOW(3, 3, 1, 1)},
    {"depthwise",             32,  32,  32, 7, 6, RN_WINDOW(3, 3, 1, 1)},
    {"depthwise, odd",        21,  21,  21, 7, 6, RN_WINDOW(5, 5, 2, 2)},
    {"depthwise, doubled",    16,  32,  16, 7, 6, RN_WINDOW(3, 3, 1, 1)},
    {"depthwise, doubled, odd", 9, 18,   9, 7, 6, RN_WINDOW(3, 3, 1, 1)},
    {"one group, odd",        19,  21,   1, 7, 6, RN_WINDOW(3, 3, 1, 1)},
    {"one group, 32",         32,  32,   1, 9, 9, RN_WINDOW(3, 3, 1, 1)},
    {"images",                 3,  24,   1, 9, 9, RN_WINDOW(3, 3, 1, 1)},
    /* clang-format on */
};

/* Added to each of the convolutions above. */
static const struct rn_window besides[] = {
    {.stride_w = 0},
    {.stride_w = 3},
    {.dilate_h = 1,
     .dilate_w = 1,
     .top = 1,
     .left = 1,
     .bottom = 1,
     .right = 1},
    {.dilate_w = 2, .right = 4},
    {.bottom = 1, .right = 1},
    {.top = 2, .left = 1},
};

static struct rn_window with(struct rn_window w, const struct rn_window *more)
{
    w.stride_w = more->stride_w;
    w.dilate_h = more->dilate_h;
    w.dilate_w = more->dilate_w;
    w.top = more->top;
    w.left = more->left;
    w.bottom = more->bottom;
    w.right = more->right;
    return w;
}

/* Alone, and with all that folds into it: batch norm, a sum, ReLU. */
static struct rn_graph *conv_graph(const struct conv_of *c, struct rn_window w,
                                   bool folds)
{
    struct rn_graph *g = with_input(c->in, c->h, c->w);
    int x, y;

    if (!folds) {
        rn_graph_conv_groups(g, 0, "conv", c->out, w, c->groups, true);
        return g;
    }
    x = rn_graph_conv_groups(g, 0, "side", c->out, w, c->groups, false);
    y = rn_graph_conv_groups(g, 0, "conv", c->out, w, c->groups, false);
    y = rn_graph_batch_norm(g, y, "bn");
    rn_graph_relu(g, rn_graph_add(g, y, x, "add"), "relu");
    return g;
}

static void convolutions(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(convs); i++)
        for (size_t k = 0; k < COUNT(besides); k++)
            for (int folds = 0; folds < 2; folds++) {
                char name[96];

                snprintf(name, sizeof(name), "%s, window %zu, %s",
                         convs[i].name, k, folds ? "folded" : "alone");
                bad += check_graph(
                    name,
                    conv_graph(&convs[i], with(convs[i].window, &besides[k]),
                               folds),
                    2, 100 * i + 10 * k);
            }
    assert_int_equal(bad, 0);
}

static const struct rn_pool_options pools[] = {
    {.window = RN_WINDOW(3, 3, 2, 1)},
    {.window = RN_WINDOW(2, 2, 2, 0)},
    {.window = RN_WINDOW(3, 3, 2, 0), .ceil = true},
    {.window = RN_WINDOW(2, 2, 2, 0), .ceil = true},
    {.window = RN_WINDOW(3, 3, 2, 1), .ceil = true},
    {.window = RN_WINDOW(3, 3, 1, 1)},
    {.window = RN_WINDOW(2, 3, 3, 1), .ceil = true},
    {.window = {.kh = 3, .kw = 2, .stride = 1, .stride_w = 2, .bottom = 1}},
    {.window = {.kh = 2, .kw = 2, .stride = 2, .right = 1, .bottom = 1}},
    {.window = {.kh = 2,
                .kw = 2,
                .stride = 1,
                .dilate_h = 1,
                .dilate_w = 2,
                .right = 1}},
    {.window = RN_WINDOW(1, 1, 2, 0), .ceil = true},
};

/* Whether the window fits into the input at all. */
static bool fits(const struct rn_window *w, int height, int width)
{
    return rn_window_rows(w) <= height + 2 * w->pad + w->top + w->bottom &&
           rn_window_columns(w) <= width + 2 * w->pad + w->left + w->right;
}

static int check_pool(size_t shape, size_t pool, int kind)
{
    struct rn_pool_options o = pools[pool];
    struct rn_graph *g =
        with_input(shapes[shape].c, shapes[shape].h, shapes[shape].w);
    char name[96];

    snprintf(name, sizeof(name), "pool %zu of kind %d of %s", pool, kind,
             shapes[shape].name);
    o.count_padding = kind == 2;
    if (kind == 0)
        rn_graph_max_pool_with(g, 0, "pool", &o);
    else
        rn_graph_avg_pool(g, 0, "pool", &o);
    return check_graph(name, g, shapes[shape].n, 100 * shape + pool);
}

/* Largest, mean of pixels, mean of pixels and padding. */
static void pools_of_any_window(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(shapes); i++)
        for (size_t k = 0; k < COUNT(pools); k++)
            for (int kind = 0; kind < 3; kind++)
                if (fits(&pools[k].window, shapes[i].h, shapes[i].w))
                    bad += check_pool(i, k, kind);
    assert_int_equal(bad, 0);
}

static void make_sigmoid(struct rn_graph *g)
{
    rn_graph_sigmoid(g, 0, "sigmoid");
}

static void make_clip(struct rn_graph *g)
{
    rn_graph_clip(g, 0, "clip", 0.25f, 0.75f);
}

static void make_leaky(struct rn_graph *g)
{
    rn_graph_leaky_relu(g, 0, "leaky", 0.1f);
}

/* Some values beyond what is held. */
static void make_quantize(struct rn_graph *g)
{
    rn_graph_quantize(g, 0, "quantize", 0.0043f, 37, 0, 255);
}

static void make_prelu(struct rn_graph *g)
{
    rn_graph_prelu(g, 0, "prelu");
}

static void make_lrn(struct rn_graph *g)
{
    rn_graph_lrn(g, 0, "lrn", (struct rn_lrn){5, 0.5f, 0.75f, 1});
}

static void make_lrn_of_three(struct rn_graph *g)
{
    rn_graph_lrn(g, 0, "lrn", (struct rn_lrn){3, 1, 0.5f, 2});
}

static void make_softmax(struct rn_graph *g)
{
    rn_graph_softmax(g, 0, "softmax");
}

static void make_log_softmax(struct rn_graph *g)
{
    rn_graph_log_softmax(g, 0, "log softmax");
}

static void make_zero_pad(struct rn_graph *g)
{
    rn_graph_zero_pad(g, 0, "pad", 1, 2, 3, 1);
}

static void make_even_pad(struct rn_graph *g)
{
    rn_graph_zero_pad(g, 0, "pad", 2, 2, 2, 2);
}

static void make_bn(struct rn_graph *g)
{
    int x = rn_graph_batch_norm(g, 0, "bn");

    if (x >= 0)
        g->nodes[x].eps = 1e-3f;
}

static void make_bn_relu(struct rn_graph *g)
{
    rn_graph_relu(g, rn_graph_batch_norm(g, 0, "bn"), "relu");
}

/* DenseNet's: batch norm and ReLU before the convolution. */
static void make_pre_activation(struct rn_graph *g)
{
    int x = rn_graph_relu(g, rn_graph_batch_norm(g, 0, "norm1"), "relu1");

    x = rn_graph_conv(g, x, "conv1", 20,
                      (struct rn_window)RN_WINDOW(1, 1, 1, 0), false);
    x = rn_graph_relu(g, rn_graph_batch_norm(g, x, "norm2"), "relu2");
    x = rn_graph_conv(g, x, "conv2", 7, (struct rn_window)RN_WINDOW(3, 3, 1, 1),
                      false);
    rn_graph_concat(g, 0, x, "concat");
}

/* Squeeze and excite, the factor on either side. */
static void make_excite(struct rn_graph *g)
{
    int c = g->nodes[0].shape.c;
    int x = rn_graph_global_avg_pool(g, 0, "squeeze");

    x = rn_graph_relu(g, rn_graph_linear(g, x, "fc1", 6), "relu");
    x = rn_graph_sigmoid(g, rn_graph_linear(g, x, "fc2", c), "sigmoid");
    x = rn_graph_multiply(g, x, 0, "left");
    rn_graph_multiply(g, x, rn_graph_global_avg_pool(g, x, "again"), "right");
}

static void make_product(struct rn_graph *g)
{
    rn_graph_multiply(g, 0, rn_graph_sigmoid(g, 0, "sigmoid"), "swish");
}

static void make_classifier(struct rn_graph *g)
{
    int x = rn_graph_relu(g, rn_graph_linear(g, 0, "fc1", 37), "relu1");

    rn_graph_relu(g, rn_graph_linear(g, x, "fc2", 24), "relu2");
}

/* Readers of the same value, before and behind the ReLU. */
static void make_two_readers(struct rn_graph *g)
{
    int x = rn_graph_batch_norm(g, 0, "bn");
    int y = rn_graph_relu(g, x, "relu");

    rn_graph_relu(g,
                  rn_graph_add(g, rn_graph_concat(g, x, y, "xy"),
                               rn_graph_concat(g, y, x, "yx"), "add"),
                  "sum");
}

/* A sum in place, over a shortcut that is part of something else. */
static void make_shortcuts(struct rn_graph *g)
{
    const struct rn_window w = RN_WINDOW(3, 3, 1, 1);
    int c = g->nodes[0].shape.c;
    int x = rn_graph_relu(g, rn_graph_batch_norm(g, 0, "bn"), "relu");
    int y = rn_graph_conv(g, x, "conv1", c, w, false);
    int z = rn_graph_concat(g, x, y, "both");

    y = rn_graph_add(g, rn_graph_conv(g, z, "conv2", c, w, true), x, "add1");
    y = rn_graph_clip(g, y, "relu6", 0, 6);
    rn_graph_add(g, rn_graph_conv(g, y, "conv3", c, w, true), y, "add2");
}

static const struct {
    const char *name;
    void (*make)(struct rn_graph *g);
} makers[] = {
    {"sigmoid", make_sigmoid},
    {"clip", make_clip},
    {"leaky relu", make_leaky},
    {"prelu", make_prelu},
    {"quantize", make_quantize},
    {"lrn", make_lrn},
    {"lrn of three", make_lrn_of_three},
    {"softmax", make_softmax},
    {"log softmax", make_log_softmax},
    {"zero pad", make_zero_pad},
    {"even zero pad", make_even_pad},
    {"batch norm", make_bn},
    {"batch norm and relu", make_bn_relu},
    {"pre-activation", make_pre_activation},
    {"squeeze and excite", make_excite},
    {"product", make_product},
    {"classifier", make_classifier},
    {"two readers", make_two_readers},
    {"shortcuts", make_shortcuts},
};

static void operations(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(makers); i++)
        for (size_t k = 0; k < COUNT(shapes); k++) {
            struct rn_graph *g =
                with_input(shapes[k].c, shapes[k].h, shapes[k].w);
            char name[96];

            snprintf(name, sizeof(name), "%s of %s", makers[i].name,
                     shapes[k].name);
            makers[i].make(g);
            bad += check_graph(name, g, shapes[k].n, 10 * i + k);
        }
    assert_int_equal(bad, 0);
}

/* ------------------------------------------------ functions of one element */

/* What a function reads is the square of the input, and something, where it
 * wants what is above zero. */
static const struct {
    enum rn_function function;
    float a, b;
    bool positive;
} functions[] = {
    {RN_FUNCTION_ELU, 1.5f, 0, false},
    {RN_FUNCTION_SELU, 1.6f, 1.1f, false},
    {RN_FUNCTION_CELU, 0.7f, 0, false},
    {RN_FUNCTION_CELU, -0.7f, 0, false},
    {RN_FUNCTION_GELU, 0, 0, false},
    {RN_FUNCTION_GELU_TANH, 0, 0, false},
    {RN_FUNCTION_MISH, 0, 0, false},
    {RN_FUNCTION_SOFTPLUS, 0, 0, false},
    {RN_FUNCTION_SOFTSIGN, 0, 0, false},
    {RN_FUNCTION_HARD_SIGMOID, 0.9f, 0.4f, false},
    {RN_FUNCTION_HARD_SWISH, 0.9f, 0.4f, false},
    {RN_FUNCTION_THRESHOLD, 0.3f, 0, false},
    {RN_FUNCTION_TANH, 0, 0, false},
    {RN_FUNCTION_ERF, 0, 0, false},
    {RN_FUNCTION_EXP, 0, 0, false},
    {RN_FUNCTION_LOG, 0, 0, true},
    {RN_FUNCTION_SQRT, 0, 0, true},
    {RN_FUNCTION_POWER, 2, 0, false},
    {RN_FUNCTION_POWER, -1.5f, 0, true},
    {RN_FUNCTION_ABSOLUTE, 0, 0, false},
};

static void functions_of_one_element(void **state)
{
    bool seen[RN_FUNCTION_COUNT] = {false};
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(functions); i++)
        for (size_t k = 0; k < COUNT(shapes); k++) {
            struct rn_graph *g =
                with_input(shapes[k].c, shapes[k].h, shapes[k].w);
            char name[96];
            int x = 0;

            snprintf(name, sizeof(name), "%s of %s",
                     rn_function_name(functions[i].function), shapes[k].name);
            seen[functions[i].function] = true;
            if (functions[i].positive) /* above 0.5, that is */
                x = rn_graph_clip(g, rn_graph_multiply(g, 0, 0, "square"),
                                  "positive", 0.5f, INFINITY);
            rn_graph_activation(g, x, "function", functions[i].function,
                                functions[i].a, functions[i].b);
            bad += check_graph(name, g, shapes[k].n, 10 * i + k);
        }
    for (size_t i = 0; i < COUNT(seen); i++)
        assert_true(seen[i]);
    assert_int_equal(bad, 0);
}

/* Channels of the input and of what is selected of it. */
static const struct {
    int from, channels;
    struct rn_selection selection;
} selections[] = {
    {16, 16, {0, 16, 1, 0}}, {48, 16, {16, 16, 1, 0}},
    {19, 7, {5, 7, 1, 0}},   {40, 23, {13, 23, 1, 0}},
    {3, 3, {2, 3, -1, 0}},   {19, 19, {18, 19, -1, 0}},
    {24, 24, {0, 3, 8, 1}},  {112, 112, {0, 4, 28, 1}},
    {34, 34, {0, 17, 2, 1}}, {20, 10, {1, 10, 2, 0}},
    {9, 27, {0, 3, 1, 1}},   {5, 40, {4, 1, 0, 0}},
};

static void channels_selected(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(selections); i++) {
        struct rn_graph *g = with_input(selections[i].from, 5, 3);
        char name[64];
        bool too_far = selections[i].channels == 27; /* 2 + 8 of 9 */

        rn_graph_select(g, 0, "select", selections[i].channels,
                        selections[i].selection);
        if (too_far) {
            assert_non_null(strstr(g->error.msg, "27 channels"));
            rn_graph_destroy(g);
            continue;
        }
        snprintf(name, sizeof(name), "selection %zu", i);
        bad += check_graph(name, g, 2, i);
    }
    assert_int_equal(bad, 0);
}

/* ---------------------------------------------------------------- concat */

/* Channel counts of values joined, zero-ended. */
static const int joins[][6] = {
    {16, 16}, {8, 8},           {3, 5},        {16, 5},
    {5, 16},  {1, 1, 1, 1},     {20, 12, 7},   {15, 1, 16},
    {17, 31}, {64, 96, 16, 32}, {7, 9, 16, 3}, {33, 2, 2, 30},
};

/* Values of so many channels, by 1x1 convolutions, joined at once. */
static struct rn_graph *join_graph(const int *channels)
{
    const struct rn_window w = RN_WINDOW(1, 1, 1, 0);
    struct rn_graph *g = with_input(4, 5, 3);
    int values[6], n = 0;

    for (; n < 6 && channels[n]; n++) {
        char name[16];

        snprintf(name, sizeof(name), "conv%d", n);
        values[n] = rn_graph_conv(g, 0, name, channels[n], w, true);
    }
    rn_graph_concat_all(g, values, n, "all");
    return g;
}

static void concatenations(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(joins); i++) {
        char name[64];

        snprintf(name, sizeof(name), "concat %zu", i);
        bad += check_graph(name, join_graph(joins[i]), 2, i);
    }
    assert_int_equal(bad, 0);
}

/* Layers that each join all earlier ones make one node each. */
static void joined_once(void **state)
{
    const struct rn_window w = RN_WINDOW(3, 3, 1, 1);
    struct rn_graph *g = with_input(9, 4, 4);
    int values[9] = {0}, x = 0, concats = 0;

    (void)state;
    for (int i = 1; i < 9; i++) {
        char name[16];

        snprintf(name, sizeof(name), "conv%d", i);
        values[i] = rn_graph_conv(g, x, name, 5, w, false);
        snprintf(name, sizeof(name), "concat%d", i);
        x = rn_graph_concat_all(g, values, i + 1, name);
    }
    for (size_t i = 0; i < g->n_nodes; i++)
        concats += g->nodes[i].op == RN_OP_CONCAT;
    assert_int_equal(concats, 8);
    assert_int_equal(g->nodes[x].shape.c, 9 + 8 * 5);
    assert_int_equal(check_graph("dense", g, 2, 7), 0);
}

/* ------------------------------------------------ random cases of each row
 *
 * What the table of operations says is all that these know of an operation:
 * random shapes, random attributes within their ranges. What the shape rule
 * refuses is drawn again. */

enum { CASES = 5, DRAWS = 4000, MOST_INPUTS = 5 };

/** Random numbers of a case, one after the other. */
struct drawer {
    struct rn_random_key key;
    uint64_t next;
};

static double draw_unit(struct drawer *d)
{
    uint32_t bits[4];

    rn_random4(&d->key, d->next++, bits);
    return rn_random_unit(bits[0]);
}

static int draw_int(struct drawer *d, int from, int to)
{
    return from + (int)floor(draw_unit(d) * (to - from + 1));
}

static void draw_attributes(struct drawer *d, struct rn_node *node)
{
    const struct rn_operation *o = rn_operation_of(node->op);

    for (size_t i = 0; i < o->n_attributes; i++) {
        const struct rn_attribute *a = &o->attributes[i];
        int numbers[RN_ATTRIBUTE_NUMBERS];
        double span = (double)a->to - (double)a->from;
        bool same = draw_unit(d) < 0.5; /* on all sides, as ours have it */

        for (int k = 0; k < RN_ATTRIBUTE_NUMBERS; k++)
            numbers[k] =
                k && same ? numbers[0] : draw_int(d, (int)a->from, (int)a->to);
        if (a->type == RN_ATTRIBUTE_REAL)
            rn_attribute_set_real(a, node,
                                  a->from + (float)(draw_unit(d) * span));
        else
            rn_attribute_set(a, node, numbers);
    }
}

/* Values that an operation may read, by 1x1 convolutions of the input: of one
 * number of channels or of several. */
static int draw_inputs(struct drawer *d, struct rn_graph *g,
                       const struct rn_operation *o, int inputs[MOST_INPUTS])
{
    const struct rn_window one = RN_WINDOW(1, 1, 1, 0);
    int most = o->inputs_most < MOST_INPUTS ? o->inputs_most : MOST_INPUTS;
    int n = draw_int(d, o->inputs_least, most), c = draw_int(d, 1, 37);
    bool same = draw_unit(d) < 0.5;

    for (int k = 0; k < n; k++) {
        char name[16];

        snprintf(name, sizeof(name), "in%d", k);
        inputs[k] =
            rn_graph_conv(g, 0, name, same ? c : draw_int(d, 1, 37), one, true);
    }
    return n;
}

/* A graph around one node of that operation, or NULL where its rule refuses. */
static struct rn_graph *draw_graph(struct drawer *d, enum rn_op op)
{
    int inputs[MOST_INPUTS], c = draw_int(d, 1, 20);
    int h = draw_int(d, 1, 7), w = draw_int(d, 1, 7);
    struct rn_graph *g = with_input(c, h, w);
    struct rn_node node = rn_node_new(op);
    int n = draw_inputs(d, g, rn_operation_of(op), inputs);

    draw_attributes(d, &node);
    if (rn_graph_append(g, &node, inputs, n, rn_op_name(op)) >= 0)
        return g;
    assert_int_equal(g->error.code, RN_ERR_ARG);
    rn_graph_destroy(g);
    return NULL;
}

/* The next graph that the rule takes. */
static struct rn_graph *draw_case(struct drawer *d, enum rn_op op)
{
    struct rn_graph *g = NULL;

    for (int i = 0; i < DRAWS && !g; i++)
        g = draw_graph(d, op);
    if (!g)
        fail_msg("%s: its rule refuses %d random cases", rn_op_name(op), DRAWS);
    return g;
}

/* Written as JSON and read, every node is what it was. */
static void check_json(const struct rn_graph *g)
{
    json_t *json = rn_graph_json(g);
    struct rn_graph *back;
    struct rn_error err;

    assert_non_null(json);
    if (rn_graph_from_json(&back, json, g->nodes[0].shape, g->output,
                           UINT64_MAX - 1, &err))
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < g->n_nodes; i++) {
        assert_true(rn_node_same(&g->nodes[i], &back->nodes[i]));
        assert_int_equal(rn_node_sum(&g->nodes[i]),
                         rn_node_sum(&back->nodes[i]));
        assert_int_equal(g->nodes[i].n_inputs, back->nodes[i].n_inputs);
    }
    json_decref(json);
    rn_graph_destroy(back);
}

/* A logarithm or a power of what is negative is not a number. */
static bool is_defined(const struct rn_graph *g)
{
    enum rn_function f = g->nodes[g->output].function;

    return f != RN_FUNCTION_LOG && f != RN_FUNCTION_SQRT &&
           f != RN_FUNCTION_POWER;
}

static void random_cases(void **state)
{
    int bad = 0;

    (void)state;
    for (int op = RN_OP_INPUT + 1; op < RN_OP_COUNT; op++) {
        struct drawer d = {{check_seed(), RN_RANDOM_TEST, (uint32_t)op}, 0};

        for (int i = 0; i < CASES; i++) {
            struct rn_graph *g = draw_case(&d, (enum rn_op)op);
            char name[96];

            snprintf(name, sizeof(name), "%s, random case %d",
                     rn_op_name((enum rn_op)op), i);
            check_json(g);
            if (is_defined(g))
                bad += check_graph(name, g, 2, d.next);
            else
                rn_graph_destroy(g);
        }
    }
    assert_int_equal(bad, 0);
}

/* ------------------------------------------------------ finite differences */

/** A network in training. */
struct lesson {
    const char *name;
    struct rn_graph *g;
    struct rn_store *store;
    int n;
    double *images;
    int32_t labels[2];
};

static double cross_entropy(const double *x, int label)
{
    double sum = 0;

    for (int c = 0; c < CLASSES; c++)
        sum += exp(x[c]);
    return log(sum) - x[label];
}

static double squared_hinge(const double *x, int label)
{
    double sum = 0;

    for (int c = 0; c < CLASSES; c++)
        sum += pow(fmax(0, 1 - (c == label ? x[c] : -x[c])), 2);
    return sum / CLASSES;
}

/* Mean loss of what the interpreter makes of the parameters: cross-entropy, and
 * what auxiliary heads add. */
static double loss_of(const struct lesson *l)
{
    const struct rn_graph *g = l->g;
    double **values = interpret_as(g, l->n, true, l->images), loss = 0;

    for (int n = 0; n < l->n; n++) {
        int label = l->labels[n];

        loss += cross_entropy(values[g->output] + n * CLASSES, label);
        for (size_t i = 0; i < g->n_aux; i++) {
            const struct rn_aux *aux = &g->aux[i];
            const double *x = values[aux->value] + n * CLASSES;

            loss += (double)aux->weight * (aux->loss ? squared_hinge(x, label)
                                                     : cross_entropy(x, label));
        }
    }
    free_values(g, values);
    return loss / l->n;
}

/* The slope of the loss along one number, by two values of it. */
static double slope_of(const struct lesson *l, float *x)
{
    const float was = *x, step = 0x1p-12f;
    double high, low, above, below;

    *x = was + step;
    above = (double)*x;
    high = loss_of(l);
    *x = was - step;
    below = (double)*x;
    low = loss_of(l);
    *x = was;
    return (high - low) / (above - below);
}

/* Some numbers of a parameter; a ReLU or a pool may turn between the two
 * values, so that a slope is as near as that. */
static int compare_slopes(const struct lesson *l, size_t param)
{
    struct rn_param *p = &l->g->params[param];
    float *grad = rn_alloc(p->count, sizeof(*grad));
    double largest = 1e-3;
    int bad = 0;

    assert_non_null(grad);
    if (rn_param_trainable(p))
        rn_store_get(l->store, RN_STORE_GRAD, param, grad);
    for (size_t i = 0; i < p->count; i++)
        largest = fmax(largest, fabs((double)grad[i]));
    for (size_t k = 0; rn_param_trainable(p) && k < 4; k++) {
        size_t i = (k * 7919 + param) % p->count;
        double want = slope_of(l, &p->data[i]);

        if (fabs((double)grad[i] - want) <= 0.02 * largest)
            continue;
        print_error("%s: gradient %g of %s[%zu], expected %g\n", l->name,
                    (double)grad[i], p->name, i, want);
        bad++;
    }
    rn_free(grad);
    return bad;
}

/* Other ways to the same gradients, to the bit. */
static const struct {
    const char *name;
    int threads, recompute;
} ways[] = {
    {"one thread", 1, RN_RECOMPUTE_NONE},
    {"three threads", 3, RN_RECOMPUTE_ACTIVATIONS},
    {"blocks made again", 2, RN_RECOMPUTE_BLOCKS},
};

/* All gradients of a step, in the store's order; released by rn_free(). */
static float *gradients_of(const struct lesson *l, const float *images,
                           const struct rn_plan_options *options, size_t *count)
{
    struct rn_step_result result;
    struct rn_flat flat;
    struct rn_plan *plan;
    struct rn_error err;
    float *all;

    if (rn_plan_build(&plan, l->store, options, &err))
        fail_msg("%s: %s", l->name, err.msg);
    if (rn_plan_train(plan, images, l->labels, 0, &result, &err))
        fail_msg("%s: %s", l->name, err.msg);
    rn_plan_destroy(plan);
    rn_store_flat(l->store, &flat);
    *count = flat.count;
    all = rn_alloc(flat.count, sizeof(*all));
    assert_non_null(all);
    memcpy(all, flat.grad, flat.count * sizeof(*all));
    return all;
}

static int compare_ways(const struct lesson *l, const float *images,
                        struct rn_plan_options options, const float *want)
{
    int bad = 0;

    for (size_t i = 0; i < COUNT(ways); i++) {
        size_t count;
        float *got;

        options.threads = ways[i].threads;
        options.recompute = ways[i].recompute;
        got = gradients_of(l, images, &options, &count);
        if (memcmp(got, want, count * sizeof(*got)) != 0) {
            print_error("%s, %s: other gradients\n", l->name, ways[i].name);
            bad++;
        }
        rn_free(got);
    }
    return bad;
}

/* In bfloat16 they are as near as its eight places let them be. */
static int compare_bf16(const struct lesson *l, const float *images,
                        struct rn_plan_options options, const float *want)
{
    size_t count;
    double off = 0, norm = 1e-6;
    float *got;
    int bad;

    options.precision = RN_PRECISION_BF16;
    options.emulate = 1;
    got = gradients_of(l, images, &options, &count);
    for (size_t i = 0; i < count; i++) {
        off += pow((double)got[i] - (double)want[i], 2);
        norm += pow((double)want[i], 2);
    }
    bad = !(sqrt(off / norm) <= BF16_TOL);
    if (bad)
        print_error("%s, bf16: gradients off by %g of their norm\n", l->name,
                    sqrt(off / norm));
    bad += compare_ways(l, images, options, got);
    rn_free(got);
    return bad;
}

/* Takes the graph over; a convolution that sees all pixels classifies, and
 * `heads`, if not NULL, appends auxiliary ones. */
static int check_training_of(const char *name, struct rn_graph *g,
                             void (*heads)(struct rn_graph *g), uint64_t stream)
{
    struct rn_shape s = g->nodes[g->output].shape;
    struct rn_plan_options options = {
        .mode = RN_MODE_TRAIN, .batch = 2, .threads = 2, .exact = 1};
    struct lesson l = {.name = name, .g = g, .n = 2, .labels = {1, 3}};
    size_t count = 2 * rn_shape_size(g->nodes[0].shape);
    float *images = rn_alloc(count, sizeof(*images)), *gradients;
    struct rn_error err;
    int bad = 0;

    rn_graph_conv(g, g->output, "classifier", CLASSES,
                  (struct rn_window)RN_WINDOW(s.h, s.w, 1, 0), true);
    if (heads)
        heads(g);
    assert_int_equal(g->error.code, RN_OK);
    assert_non_null(images);
    fill_params(g, stream);
    l.images = check_doubles(count);
    check_fill(l.images, count, stream + 1000, 0.2, 1);
    to_floats(l.images, count, images);
    assert_int_equal(rn_store_create(&l.store, g, true, &err), RN_OK);
    gradients = gradients_of(&l, images, &options, &count);
    for (size_t i = 0; i < g->n_params; i++)
        bad += compare_slopes(&l, i);
    bad += compare_ways(&l, images, options, gradients);
    bad += compare_bf16(&l, images, options, gradients);
    rn_free(gradients);
    rn_store_destroy(l.store);
    rn_free(images);
    free(l.images);
    rn_graph_destroy(g);
    return bad;
}

static int check_training(const char *name, struct rn_graph *g, uint64_t stream)
{
    return check_training_of(name, g, NULL, stream);
}

/* Whether training takes it with these attributes. */
static bool is_trained(const struct rn_graph *g)
{
    const struct rn_node *n = &g->nodes[g->output];
    const struct rn_op_plan *o = rn_op_plan_of(n->op);

    return o->forward && !(o->untrained && o->untrained(g, n));
}

/* Behind weights, so that there is something to learn. */
static void gradients_of_functions(void **state)
{
    const struct rn_window one = RN_WINDOW(1, 1, 1, 0);
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(functions); i++) {
        struct rn_graph *g = with_input(5, 4, 3);
        int x = rn_graph_conv(g, 0, "in", 19, one, true);

        if (functions[i].positive)
            x = rn_graph_clip(g, rn_graph_multiply(g, x, x, "square"),
                              "positive", 0.5f, INFINITY);
        rn_graph_activation(g, x, "function", functions[i].function,
                            functions[i].a, functions[i].b);
        bad += check_training(rn_function_name(functions[i].function), g, i);
    }
    assert_int_equal(bad, 0);
}

/* A block of an SE-ResNet, and a swish of what comes out. */
static void make_block(struct rn_graph *g)
{
    const struct rn_window one = RN_WINDOW(1, 1, 1, 0);
    const struct rn_window three = RN_WINDOW(3, 3, 1, 1);
    int x = rn_graph_conv(g, 0, "conv", 19, three, false), y;

    x = rn_graph_batch_norm(g, x, "bn");
    y = rn_graph_conv(g, rn_graph_global_avg_pool(g, x, "squeeze"), "fc1", 6,
                      one, true);
    y = rn_graph_conv(g, rn_graph_relu(g, y, "relu1"), "fc2", 19, one, true);
    x = rn_graph_multiply(g, x, rn_graph_sigmoid(g, y, "gate"), "excite");
    y = rn_graph_conv(g, 0, "shortcut", 19, one, false);
    x = rn_graph_add(g, x, rn_graph_batch_norm(g, y, "bn2"), "add");
    x = rn_graph_relu(g, x, "relu2");
    rn_graph_multiply(g, x, rn_graph_sigmoid(g, x, "sigmoid"), "swish");
}

/* One with a loss of its own, on a value that others read, and one with layers
 * of its own. */
static void append_heads(struct rn_graph *g)
{
    const struct rn_window one = RN_WINDOW(1, 1, 1, 0);
    int output = g->output, from = 0, x;

    while (strcmp(g->nodes[from].name, "relu2") != 0)
        from++;
    x = rn_graph_linear(g, from, "aux1.fc", CLASSES);
    rn_graph_add_aux(g, output, &(struct rn_aux){x, 0.7f, "squared-hinge"});
    x = rn_graph_conv(g, from, "aux2.conv", 17, one, false);
    x = rn_graph_relu(g, rn_graph_batch_norm(g, x, "aux2.bn"), "aux2.relu");
    x = rn_graph_linear(g, x, "aux2.fc", CLASSES);
    rn_graph_add_aux(g, output, &(struct rn_aux){x, 0.3f, NULL});
    assert_int_equal(g->output, output);
}

static void gradients_of_heads(void **state)
{
    struct rn_graph *g = with_input(3, 5, 6);

    (void)state;
    make_block(g);
    assert_int_equal(check_training_of("heads", g, append_heads, 3), 0);
}

/* Inference computes the output alone, and a graph without them is the same. */
static void heads_are_for_training(void **state)
{
    const struct rn_plan_options options = {
        .batch = 2, .threads = 2, .exact = 1};
    struct rn_graph *g = with_input(3, 5, 6);
    uint64_t all, aux, macs;
    double images[2 * 3 * 5 * 6], *want;
    float floats[COUNT(images)];
    struct rn_store *store;
    struct rn_error err;

    (void)state;
    make_block(g);
    rn_graph_linear(g, g->output, "classifier", CLASSES);
    macs = rn_graph_macs(g);
    append_heads(g);
    fill_params(g, 5);
    check_fill(images, COUNT(images), 6, 0.2, 1);
    to_floats(images, COUNT(images), floats);
    want = interpret(g, 2, images);
    assert_int_equal(rn_graph_macs(g), macs);
    all = rn_graph_params(g);
    aux = rn_graph_aux_params(g);
    assert_int_equal(aux, (19 * 30 + 1) * CLASSES + 19 * 17 + 2 * 17 +
                              (17 * 30 + 1) * CLASSES);
    for (int dropped = 0; dropped < 2; dropped++) {
        assert_int_equal(rn_store_borrow(&store, g, &err), RN_OK);
        assert_int_equal(run("heads", store, &options, floats, want), 0);
        rn_store_destroy(store);
        assert_true(rn_graph_drop_aux(g));
        assert_int_equal(rn_graph_params(g), all - aux);
    }
    assert_null(rn_graph_param(g, "aux1.fc.weight"));
    free(want);
    rn_graph_destroy(g);
}

/* What cannot be a head fails into the graph's error; a loss by its name. */
static void heads_are_checked(void **state)
{
    struct rn_graph *g = with_input(3, 5, 6);
    const struct rn_plan_options options = {.mode = RN_MODE_TRAIN, .batch = 2};
    struct rn_store *store;
    struct rn_plan *plan;
    struct rn_error err;
    int output, x;

    (void)state;
    output = rn_graph_linear(g, 0, "classifier", CLASSES);
    x = rn_graph_linear(g, 0, "aux.fc", CLASSES);
    rn_graph_add_aux(g, output, &(struct rn_aux){x, 1, "none such"});
    assert_int_equal(rn_store_create(&store, g, true, &err), RN_OK);
    assert_int_equal(rn_plan_build(&plan, store, &options, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "'aux.fc' has the loss 'none such'"));
    rn_store_destroy(store);
    assert_int_equal(rn_graph_add_aux(g, output, &(struct rn_aux){x, 1, NULL}),
                     -1);
    assert_non_null(strstr(g->error.msg, "'aux.fc' cannot end an auxiliary "));
    rn_graph_destroy(g);

    g = with_input(3, 5, 6);
    output = rn_graph_linear(g, 0, "classifier", CLASSES);
    x = rn_graph_linear(g, 0, "aux.fc", CLASSES + 1);
    rn_graph_add_aux(g, output, &(struct rn_aux){x, 1, NULL});
    assert_int_equal(g->error.code, RN_ERR_ARG);
    rn_graph_destroy(g);
}

/* Two layers of a highway network, of which the second one's value is read
 * twice, and one that is gated by itself. */
static void make_highway(struct rn_graph *g)
{
    const struct rn_window three = RN_WINDOW(3, 3, 1, 1);
    int c = g->nodes[0].shape.c;
    int x = rn_graph_conv(g, 0, "conv1", c, three, true);

    x = rn_graph_relu(g, x, "relu1");
    for (int i = 0; i < 2; i++) {
        char names[2][16];

        snprintf(names[0], sizeof(names[0]), "z%d", i);
        snprintf(names[1], sizeof(names[1]), "highway%d", i);
        x = rn_graph_highway(
            g, rn_graph_conv(g, x, names[0], 2 * c, three, true), x, names[1]);
    }
    x = rn_graph_highway(g, rn_graph_concat(g, x, x, "twice"), x, "itself");
}

/* Units of channels and of a linear layer, the former not whole blocks. */
static void make_maxout(struct rn_graph *g)
{
    const struct rn_window three = RN_WINDOW(3, 3, 1, 1);
    int x = rn_graph_conv(g, 0, "conv", 57, three, true);

    x = rn_graph_maxout(g, x, "units", 3);
    x = rn_graph_multiply(g, x, rn_graph_prelu(g, x, "slopes"), "read twice");
    rn_graph_maxout(g, rn_graph_linear(g, x, "fc1", 60), "fc units", 5);
}

/* What has several readers and several inputs at once. */
static void gradients_of_blocks(void **state)
{
    static const struct {
        const char *name;
        void (*make)(struct rn_graph *g);
    } blocks[] = {
        {"squeeze and excite", make_excite},
        {"a block", make_block},
        {"classifier", make_classifier},
        {"highway", make_highway},
        {"maxout", make_maxout},
    };
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(blocks); i++)
        for (size_t k = 0; k < COUNT(shapes); k++) {
            struct rn_graph *g;
            char name[96];

            if (shapes[k].n != 2)
                continue; /* a lesson's */
            g = with_input(shapes[k].c, shapes[k].h, shapes[k].w);
            snprintf(name, sizeof(name), "%s of %s", blocks[i].name,
                     shapes[k].name);
            blocks[i].make(g);
            bad += check_training(name, g, 10 * i + k);
        }
    assert_int_equal(bad, 0);
}

static void random_gradients(void **state)
{
    int bad = 0;

    (void)state;
    for (int op = RN_OP_INPUT + 1; op < RN_OP_COUNT; op++) {
        struct drawer d = {{check_seed(), RN_RANDOM_TEST, (uint32_t)op}, 0};
        char name[96];
        int cases = 0;

        if (!rn_op_plan_of((enum rn_op)op)->forward)
            continue;
        for (int i = 0; i < DRAWS && cases < CASES; i++) {
            struct rn_graph *g = draw_graph(&d, (enum rn_op)op);

            if (g && is_trained(g) && is_defined(g)) {
                snprintf(name, sizeof(name), "%s, gradient %d",
                         rn_op_name((enum rn_op)op), cases++);
                bad += check_training(name, g, d.next);
            } else {
                rn_graph_destroy(g);
            }
        }
        if (cases < CASES)
            fail_msg("%s: training takes %d random cases of %d",
                     rn_op_name((enum rn_op)op), cases, DRAWS);
    }
    assert_int_equal(bad, 0);
}

/* ------------------------------------------------------------ completeness */

static int check_graph_row(const struct rn_operation *o)
{
    bool good = o->name && *o->name && o->inputs_least <= o->inputs_most &&
                o->shape && o->cost && !o->n_attributes == o->no_attributes;

    for (size_t i = 0; i < o->n_attributes; i++)
        good &= o->attributes[i].name != NULL &&
                o->attributes[i].from <= o->attributes[i].to;
    return !good;
}

/* Steps stand where they are used, and reasons where there are none. */
static int check_plan_row(const struct rn_op_plan *o, bool idle)
{
    bool step = o->forward == rn_forward_step;
    bool back = o->backward == rn_backward_step;
    bool good = o->infer != NULL;

    /* What is compiled in a way of its own may end in a step, too. */
    good &= o->infer != rn_infer_step || o->infer_step != NULL;
    good &= (o->infer == rn_infer_idle) == idle;
    good &= (o->forward != NULL) == (o->no_training == NULL);
    good &= step == (o->forward_step != NULL);
    good &= back == (o->backward_step != NULL);
    good &= back || !o->learn_step;
    good &= (o->backward != NULL) == (o->keeps != 0);
    if (o->forward)
        good &= (o->backward != NULL) == (o->no_backward == NULL);
    return !good;
}

/* A column that is empty is one of those that say so. */
static void every_operation_has_its_columns(void **state)
{
    int bad = 0;

    (void)state;
    for (int op = 0; op < RN_OP_COUNT; op++) {
        const struct rn_operation *o = rn_operation_of((enum rn_op)op);
        int empty = check_graph_row(o) +
                    check_plan_row(rn_op_plan_of((enum rn_op)op), o->idle) +
                    (op != RN_OP_INPUT && !rules[op]);

        if (empty)
            print_error("operation '%s' has columns that are empty\n",
                        o->name ? o->name : "?");
        bad += empty;
    }
    assert_int_equal(bad, 0);
}

/* ---------------------------------------------------------------- refused */

/* Nodes that training does not know are named, the first of them. */
static void training_is_refused(void **state)
{
    const struct rn_window dilated = {
        .kh = 3, .kw = 3, .stride = 1, .dilate_h = 1, .dilate_w = 1};
    struct rn_plan_options options = {.mode = RN_MODE_TRAIN, .batch = 2};
    struct rn_graph *g = with_input(3, 9, 9);
    struct rn_store *store;
    struct rn_plan *plan;
    struct rn_error err;

    (void)state;
    rn_graph_conv(g, 0, "conv", 8, dilated, false);
    rn_graph_global_avg_pool(g, rn_graph_softmax(g, g->output, "share"),
                             "pool");
    rn_graph_linear(g, g->output, "fc", CLASSES);
    assert_int_equal(rn_store_create(&store, g, 1, &err), RN_OK);
    assert_int_equal(rn_plan_build(&plan, store, &options, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "'conv' (conv)"));
    g->nodes[1].window = (struct rn_window)RN_WINDOW(3, 3, 1, 0);
    assert_int_equal(rn_plan_build(&plan, store, &options, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "'share' (softmax)"));
    rn_store_destroy(store);
    rn_graph_destroy(g);
    /* Where the largest was is told by a byte. */
    g = with_input(3, 17, 17);
    rn_graph_max_pool(g, 0, "max", (struct rn_window)RN_WINDOW(17, 17, 1, 0));
    rn_graph_linear(g, g->output, "fc", CLASSES);
    assert_int_equal(rn_store_create(&store, g, 1, &err), RN_OK);
    assert_int_equal(rn_plan_build(&plan, store, &options, &err), RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "'max' (max_pool)"));
    rn_store_destroy(store);
    rn_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions),
        cmocka_unit_test(pools_of_any_window),
        cmocka_unit_test(operations),
        cmocka_unit_test(concatenations),
        cmocka_unit_test(functions_of_one_element),
        cmocka_unit_test(channels_selected),
        cmocka_unit_test(joined_once),
        cmocka_unit_test(random_cases),
        cmocka_unit_test(random_gradients),
        cmocka_unit_test(gradients_of_functions),
        cmocka_unit_test(gradients_of_blocks),
        cmocka_unit_test(gradients_of_heads),
        cmocka_unit_test(heads_are_for_training),
        cmocka_unit_test(heads_are_checked),
        cmocka_unit_test(every_operation_has_its_columns),
        cmocka_unit_test(training_is_refused),
    };

    print_message("# seed %llu, %s\n", (unsigned long long)check_seed(),
                  rn_isa()->name);
    return cmocka_run_group_tests_name("others", tests, NULL, NULL);
}
