/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * Whole graphs: training and inference plans against an interpreter that goes
 * through the same graph node by node in double, with nothing fused.
 *
 * Beside the networks' own blocks there are graphs nobody would train, made
 * to try what the plan fuses, keeps pending and writes in place; and some
 * hundred made at random.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/isa.h"
#include "core/memory.h"
#include "core/random.h"
#include "nets/blocks.h"
#include "nets/nets.h"
#include "ops/conv/conv.h"
#include "plan/plan.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of gradients: relative to the largest of the tensor. Of logits: relative to
 * the largest. */
#define TOL          1e-4
#define WINOGRAD_TOL 2e-3
/* Float and double must agree on which side of zero a ReLU's input lies, and
 * on which pixel is largest: data with closer calls is drawn again. */
#define MARGIN 2e-6

/* ------------------------------------------------------------ interpreter */

/** A graph's values and gradients; arrays by node and by parameter. */
struct interpreter {
    const struct rn_graph *g;
    int n;
    bool train;
    double **value, **grad, **mean, **var;
    size_t **where;
    double **param, **param_grad;
    double margin; /* least distance of a decision from its other side */
};

static size_t value_count(const struct interpreter *t, int v)
{
    struct rn_shape s = t->g->nodes[v].shape;

    return (size_t)t->n * (size_t)s.c * (size_t)s.h * (size_t)s.w;
}

static double **pointers(size_t count)
{
    double **p = calloc(count, sizeof(*p));

    assert_non_null(p);
    return p;
}

static struct interpreter interpreter_open(const struct rn_graph *g, int n)
{
    struct interpreter t = {
        .g = g,
        .n = n,
        .value = pointers(g->n_nodes),
        .grad = pointers(g->n_nodes),
        .mean = pointers(g->n_nodes),
        .var = pointers(g->n_nodes),
        .where = calloc(g->n_nodes, sizeof(size_t *)),
        .param = pointers(g->n_params),
        .param_grad = pointers(g->n_params),
    };

    assert_non_null(t.where);
    for (size_t i = 0; i < g->n_nodes; i++) {
        t.value[i] = check_doubles(value_count(&t, (int)i));
        t.grad[i] = check_doubles(value_count(&t, (int)i));
        t.mean[i] = check_doubles((size_t)g->nodes[i].shape.c);
        t.var[i] = check_doubles((size_t)g->nodes[i].shape.c);
        t.where[i] = calloc(value_count(&t, (int)i), sizeof(size_t));
        assert_non_null(t.where[i]);
    }
    for (size_t i = 0; i < g->n_params; i++) {
        t.param[i] = check_doubles(g->params[i].count);
        t.param_grad[i] = check_doubles(g->params[i].count);
    }
    return t;
}

static void interpreter_close(struct interpreter *t)
{
    for (size_t i = 0; i < t->g->n_nodes; i++) {
        free(t->value[i]);
        free(t->grad[i]);
        free(t->mean[i]);
        free(t->var[i]);
        free(t->where[i]);
    }
    for (size_t i = 0; i < t->g->n_params; i++) {
        free(t->param[i]);
        free(t->param_grad[i]);
    }
    free(t->value);
    free(t->grad);
    free(t->mean);
    free(t->var);
    free(t->where);
    free(t->param);
    free(t->param_grad);
}

/** What an operation reads and writes; NULL where there is none. */
struct place {
    const struct rn_node *node;
    struct ref_window c;
    struct ref_batch_norm bn;
    size_t count;           /* of the value */
    const double *x, *x2;   /* inputs */
    const double *p[4];     /* parameters */
    double *pg[4];          /* their gradients */
    double *y, *mean, *var; /* the value, the batch's statistics */
    double *dy;             /* its gradient */
    size_t *where;
};

static struct place place_of(const struct interpreter *t, int v)
{
    const struct rn_node *n = &t->g->nodes[v];
    struct place p = {.node = n,
                      .count = value_count(t, v),
                      .y = t->value[v],
                      .dy = t->grad[v],
                      .mean = t->mean[v],
                      .var = t->var[v],
                      .where = t->where[v]};

    if (n->input[0] >= 0) {
        p.x = t->value[n->input[0]];
        p.c = ref_window_of(t->n, t->g->nodes[n->input[0]].shape, n->shape,
                            n->window);
    }
    if (n->input[1] >= 0)
        p.x2 = t->value[n->input[1]];
    for (int k = 0; k < 4; k++)
        if (n->param[k] >= 0) {
            p.p[k] = t->param[n->param[k]];
            p.pg[k] = t->param_grad[n->param[k]];
        }
    p.bn = (struct ref_batch_norm){(size_t)t->n, (size_t)n->shape.c,
                                   (size_t)n->shape.h * (size_t)n->shape.w,
                                   (double)n->eps};
    return p;
}

static void closer(struct interpreter *t, double distance)
{
    if (distance != 0 && distance < t->margin)
        t->margin = distance;
}

/* The least difference between a window's largest and any other value. */
static void pool_margin(struct interpreter *t, const struct place *p)
{
    const struct ref_window *c = &p->c;

    for (size_t i = 0; i < p->count; i++) {
        size_t hw = (size_t)c->ih * (size_t)c->iw;
        size_t plane = p->where[i] / hw * hw;
        int oy = (int)(i / (size_t)c->ow % (size_t)c->oh) * c->stride - c->pad;
        int ox = (int)(i % (size_t)c->ow) * c->stride - c->pad;

        for (int k = 0; k < c->kh * c->kw; k++) {
            int y = oy + k / c->kw, x = ox + k % c->kw;

            if (y >= 0 && y < c->ih && x >= 0 && x < c->iw)
                closer(t, p->y[i] - p->x[plane + (size_t)(y * c->iw + x)]);
        }
    }
}

/* Weights in groups and those of a convolution of all channels, which are
 * zero between groups: one is copied to the other. */
static void copy_groups(const struct place *p, double *grouped, double *all,
                        bool to_all)
{
    int groups = p->node->groups, taps = p->c.kh * p->c.kw;
    int ins = p->c.ic / groups, outs = p->c.oc / groups;

    for (int o = 0; o < p->c.oc; o++)
        for (int i = 0; i < ins * taps; i++) {
            double *a = &grouped[o * ins * taps + i];
            double *b = &all[(o * p->c.ic + o / outs * ins) * taps + i];

            *(to_all ? b : a) = *(to_all ? a : b);
        }
}

static void forward_conv(const struct place *p)
{
    double *all = check_doubles(ref_weights(&p->c));

    copy_groups(p, (double *)p->p[RN_P_WEIGHT], all, true);
    ref_conv(&p->c, p->x, all, p->p[RN_P_BIAS], p->y);
    free(all);
}

static void backward_conv(const struct place *p, double *dx)
{
    double *all = check_doubles(ref_weights(&p->c));
    double *dw = check_doubles(ref_weights(&p->c));

    copy_groups(p, (double *)p->p[RN_P_WEIGHT], all, true);
    ref_conv_backward(&p->c, p->x, all, p->dy, dx, dw, p->pg[RN_P_BIAS]);
    copy_groups(p, p->pg[RN_P_WEIGHT], dw, false);
    free(all);
    free(dw);
}

/* Mean over the pixels of each window (or as many as it has), or its
 * gradient back to them. */
static void average_windows(const struct place *p, double *x, double *y,
                            bool back)
{
    const struct ref_window *c = &p->c;

    for (size_t i = 0; i < p->count; i++) {
        size_t plane = i / (size_t)(c->oh * c->ow) * (size_t)(c->ih * c->iw);
        int top = (int)(i / (size_t)c->ow) % c->oh * c->stride - c->pad;
        int left = (int)(i % (size_t)c->ow) * c->stride - c->pad;
        size_t at[64], n = 0;
        double count;

        for (int k = 0; k < c->kh * c->kw; k++) {
            int row = top + k / c->kw, column = left + k % c->kw;

            if (row >= 0 && row < c->ih && column >= 0 && column < c->iw)
                at[n++] = plane + (size_t)(row * c->iw + column);
        }
        count = p->node->count_padding ? c->kh * c->kw : (double)n;
        for (size_t k = 0; k < n; k++)
            if (back)
                x[at[k]] += y[i] / count;
            else
                y[i] += x[at[k]] / count;
    }
}

static void forward(struct interpreter *t, int v)
{
    struct place p = place_of(t, v);
    const double *mean = p.p[RN_P_MEAN], *var = p.p[RN_P_VAR];

    switch (p.node->op) {
    case RN_OP_CONV:
        forward_conv(&p);
        break;
    case RN_OP_LINEAR:
        ref_linear(t->n, p.c.ic, p.c.oc, p.x, p.p[RN_P_WEIGHT], p.p[RN_P_BIAS],
                   p.y);
        break;
    case RN_OP_BATCH_NORM:
        if (t->train) {
            ref_bn_statistics(&p.bn, p.x, p.mean, p.var);
            mean = p.mean;
            var = p.var;
        }
        ref_bn_apply(&p.bn, p.x, p.p[RN_P_WEIGHT], p.p[RN_P_BIAS], mean, var,
                     p.y);
        break;
    case RN_OP_RELU:
        ref_relu(p.count, p.x, p.y);
        for (size_t i = 0; i < p.count; i++)
            closer(t, fabs(p.x[i]));
        break;
    case RN_OP_ADD:
        ref_add(p.count, p.x, p.x2, p.y);
        break;
    case RN_OP_MAX_POOL:
        ref_max_pool(&p.c, p.x, p.y, p.where);
        pool_margin(t, &p);
        break;
    case RN_OP_AVG_POOL:
        memset(p.y, 0, p.count * sizeof(*p.y));
        average_windows(&p, (double *)p.x, p.y, false);
        break;
    case RN_OP_GLOBAL_AVG_POOL:
        ref_average((size_t)t->n * (size_t)p.c.ic,
                    (size_t)p.c.ih * (size_t)p.c.iw, p.x, p.y);
        break;
    case RN_OP_SUBSAMPLE_PAD:
        ref_subsample_pad(&p.c, p.node->before, p.x, p.y);
        break;
    default:
        break;
    }
}

/* One operation's gradient; dx for its first input, where that differs from
 * its output's. */
static void backward(struct interpreter *t, int v, double *dx)
{
    struct place p = place_of(t, v);

    switch (p.node->op) {
    case RN_OP_CONV:
        backward_conv(&p, dx);
        break;
    case RN_OP_LINEAR:
        ref_linear_backward(t->n, p.c.ic, p.c.oc, p.x, p.p[RN_P_WEIGHT], p.dy,
                            dx, p.pg[RN_P_WEIGHT], p.pg[RN_P_BIAS]);
        break;
    case RN_OP_BATCH_NORM:
        ref_bn_backward(&p.bn, p.x, p.p[RN_P_WEIGHT], p.mean, p.var, p.dy, dx,
                        p.pg[RN_P_WEIGHT], p.pg[RN_P_BIAS]);
        break;
    case RN_OP_RELU:
        ref_relu_backward(p.count, p.x, p.dy, dx);
        break;
    case RN_OP_ADD:
        memcpy(dx, p.dy, p.count * sizeof(*dx));
        break;
    case RN_OP_MAX_POOL:
        ref_max_pool_backward(&p.c, p.dy, p.where, dx);
        break;
    case RN_OP_AVG_POOL:
        memset(dx, 0, ref_inputs(&p.c) * sizeof(*dx));
        average_windows(&p, dx, (double *)p.dy, true);
        break;
    case RN_OP_GLOBAL_AVG_POOL:
        ref_average_backward((size_t)t->n * (size_t)p.c.ic,
                             (size_t)p.c.ih * (size_t)p.c.iw, p.dy, dx);
        break;
    case RN_OP_SUBSAMPLE_PAD:
        ref_subsample_pad_backward(&p.c, p.node->before, p.dy, dx);
        break;
    default:
        break;
    }
}

static void interpret(struct interpreter *t, const double *images, bool train)
{
    t->train = train;
    t->margin = HUGE_VAL;
    for (size_t v = 0; v < t->g->n_nodes; v++)
        if (t->g->nodes[v].op == RN_OP_INPUT)
            memcpy(t->value[v], images,
                   value_count(t, (int)v) * sizeof(*images));
        else
            forward(t, (int)v);
}

/* Loss and the gradients of every parameter. */
static double interpret_backward(struct interpreter *t, const int32_t *labels,
                                 double smoothing)
{
    const struct rn_graph *g = t->g;
    int out = g->output;
    double loss;

    for (size_t v = 0; v < g->n_nodes; v++)
        memset(t->grad[v], 0, value_count(t, (int)v) * sizeof(double));
    loss = ref_loss(t->n, g->nodes[out].shape.c, t->value[out], labels,
                    smoothing, t->grad[out]);
    for (size_t v = g->n_nodes; v-- > 0;) {
        const int *input = g->nodes[v].input;

        for (int k = 0; k < 2; k++) {
            if (input[k] < 0)
                continue;
            size_t count = value_count(t, input[k]);
            double *dx = check_doubles(count), *into = t->grad[input[k]];
            backward(t, (int)v, dx);
            ref_add(count, into, dx, into);
            free(dx);
        }
    }
    return loss;
}

/* ------------------------------------------------------------- comparison */

/** A graph with data: what both sides compute with. */
struct problem {
    const char *name;
    struct rn_graph *g;
    int n;
    size_t image;
    double *images;
    float *float_images;
    int32_t *labels;
    struct interpreter t;
    double loss;
};

/* Enough variety for all parts to matter; all exactly floats. */
static void draw(struct problem *p, uint64_t stream)
{
    struct rn_random_key key = {check_seed(), RN_RANDOM_TEST, 7};
    int classes = p->g->nodes[p->g->output].shape.c;

    for (size_t i = 0; i < p->g->n_params; i++) {
        struct rn_param *q = &p->g->params[i];
        uint64_t s = stream * 4096 + i;
        double spread = q->kind == RN_PARAM_WEIGHT
                            ? sqrt(6.0 / ((double)q->count / (double)q->dim[0]))
                            : 0.5;
        bool about_one =
            q->kind == RN_PARAM_BN_WEIGHT || q->kind == RN_PARAM_RUNNING_VAR;

        check_fill(p->t.param[i], q->count, s, about_one ? 1 : 0, spread);
        to_floats(p->t.param[i], q->count, q->data);
    }
    check_fill(p->images, (size_t)p->n * p->image, stream * 4096 + 4095, 0,
               1.5);
    to_floats(p->images, (size_t)p->n * p->image, p->float_images);
    for (int i = 0; i < p->n; i++) {
        uint32_t bits[4];

        rn_random4(&key, stream * 64 + (uint64_t)i, bits);
        p->labels[i] = (int32_t)rn_random_below(bits[0], (uint32_t)classes);
    }
}

static struct problem problem_open(const char *name, struct rn_graph *g, int n)
{
    struct rn_shape s = g->nodes[0].shape;
    struct problem p = {.name = name, .g = g, .n = n};

    if (g->error.code != RN_OK)
        fail_msg("%s: %s", name, g->error.msg);
    p.image = (size_t)s.c * (size_t)s.h * (size_t)s.w;
    p.images = check_doubles((size_t)n * p.image);
    p.float_images = rn_alloc((size_t)n * p.image, sizeof(float));
    p.labels = rn_alloc((size_t)n, sizeof(*p.labels));
    assert_true(p.float_images && p.labels);
    p.t = interpreter_open(g, n);
    return p;
}

static void problem_close(struct problem *p)
{
    interpreter_close(&p->t);
    free(p->images);
    rn_free(p->float_images);
    rn_free(p->labels);
    rn_graph_destroy(p->g);
}

/* Draw until no decision is close, in training or with frozen statistics. */
static void draw_clear(struct problem *p, uint64_t stream)
{
    for (uint64_t tries = 0; tries < 50; tries++) {
        double margin;

        draw(p, stream + tries * 1000);
        interpret(&p->t, p->images, false);
        margin = p->t.margin;
        interpret(&p->t, p->images, true);
        if (margin > MARGIN && p->t.margin > MARGIN)
            return;
    }
    print_message("# %s: some decisions stay close\n", p->name);
}

static double largest(const double *x, size_t count)
{
    double most = 0;

    for (size_t i = 0; i < count; i++)
        most = fmax(most, fabs(x[i]));
    return most;
}

static int compare(const struct problem *p, const char *what,
                   const char *tensor, const float *got, const double *expected,
                   size_t count, double scale, double tol)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - expected[i]) <= tol * scale)) {
            print_error("%s: %s%s[%zu] is %.9g, expected %.9g, off by %.2g of "
                        "%.3g, tolerance %.2g\n",
                        p->name, what, tensor, i, (double)got[i], expected[i],
                        fabs((double)got[i] - expected[i]) / scale, scale, tol);
            return 1;
        }
    return 0;
}

/** How a plan is made. `floor`: gradients count as at least that share of the
 *  largest of all tensors, as some are zero but for rounding: a bias before a
 *  batch norm, anything before a batch norm that is then averaged. */
struct setting {
    int exact, threads;
    double floor;
};

/* Tiles that the whole test shall use: F(2x2), F(4x4), or as chosen. */
static int winograd_asked(void)
{
    const char *tile = getenv("RN_TEST_WINOGRAD");

    return tile ? atoi(tile) : 0;
}

static struct rn_plan *build_plan(const struct problem *p,
                                  struct rn_store *store, enum rn_mode mode,
                                  const struct setting *s)
{
    struct rn_plan_options options;
    struct rn_plan *plan = NULL;
    struct rn_error err = {0};

    rn_plan_defaults(&options);
    options.mode = mode;
    options.batch = p->n;
    options.threads = s->threads;
    options.exact = s->exact;
    options.winograd = winograd_asked();
    if (rn_plan_build(&plan, store, &options, &err) != RN_OK)
        fail_msg("%s: %s", p->name, err.msg);
    return plan;
}

static bool uses_winograd(const struct rn_plan *plan)
{
    for (size_t i = 0; i < rn_plan_steps(plan); i++) {
        struct rn_step_info step;

        rn_plan_step(plan, i, &step);
        if (strstr(step.algorithm, "wino"))
            return true;
    }
    return false;
}

static int compare_logits(const struct problem *p, const char *what,
                          const float *got, double tol)
{
    int out = p->g->output;
    size_t count = value_count(&p->t, out);

    return compare(p, what, "logits", got, p->t.value[out], count,
                   largest(p->t.value[out], count), tol);
}

static int check_inference(struct problem *p, struct rn_store *store,
                           const struct setting *s)
{
    struct rn_plan *plan = build_plan(p, store, RN_MODE_INFER, s);
    float *logits = rn_alloc(value_count(&p->t, p->g->output), sizeof(*logits));
    double tol = uses_winograd(plan) ? WINOGRAD_TOL : TOL;
    struct rn_error err = {0};
    int bad = 0;

    assert_non_null(logits);
    interpret(&p->t, p->images, false);
    /* Twice: the second run finds the first one's leavings in memory. */
    for (int run = 0; run < 2 && !bad; run++) {
        if (rn_plan_forward(plan, p->float_images, logits, &err) != RN_OK)
            fail_msg("%s: %s", p->name, err.msg);
        bad += compare_logits(p, "inference, ", logits, tol);
    }
    rn_free(logits);
    rn_plan_destroy(plan);
    return bad;
}

static int compare_gradients(const struct problem *p,
                             const struct rn_store *store, double floor,
                             double tol)
{
    const struct rn_graph *g = p->g;
    double overall = 0;
    int bad = 0;

    for (size_t i = 0; i < g->n_params; i++)
        overall =
            fmax(overall, largest(p->t.param_grad[i], g->params[i].count));
    for (size_t i = 0; i < g->n_params; i++) {
        const struct rn_param *q = &g->params[i];
        float *got = rn_alloc(q->count, sizeof(*got));
        double scale =
            fmax(largest(p->t.param_grad[i], q->count), floor * overall);

        assert_non_null(got);
        if (rn_param_trainable(q)) {
            rn_store_get(store, RN_STORE_GRAD, i, got);
            bad += compare(p, "gradient of ", q->name, got, p->t.param_grad[i],
                           q->count, scale, tol);
        }
        rn_free(got);
    }
    return bad;
}

/* Running statistics after one step from those the graph holds. */
static int compare_statistics(const struct problem *p,
                              const struct rn_store *store, double tol)
{
    int bad = 0;

    for (size_t v = 0; v < p->g->n_nodes; v++) {
        struct place at = place_of(&p->t, (int)v);
        size_t c = at.bn.c;
        double *mean = check_doubles(c), *var = check_doubles(c);
        float *got = rn_alloc(c, sizeof(*got));

        assert_non_null(got);
        if (at.node->op == RN_OP_BATCH_NORM) {
            memcpy(mean, at.p[RN_P_MEAN], c * sizeof(*mean));
            memcpy(var, at.p[RN_P_VAR], c * sizeof(*var));
            ref_bn_running(&at.bn, (double)at.node->momentum, at.mean, at.var,
                           mean, var);
            rn_store_get(store, RN_STORE_VALUE,
                         (size_t)at.node->param[RN_P_MEAN], got);
            bad += compare(p, "running mean of ", at.node->name, got, mean, c,
                           1 + largest(mean, c), tol);
            rn_store_get(store, RN_STORE_VALUE,
                         (size_t)at.node->param[RN_P_VAR], got);
            bad += compare(p, "running variance of ", at.node->name, got, var,
                           c, 1 + largest(var, c), tol);
        }
        free(mean);
        free(var);
        rn_free(got);
    }
    return bad;
}

static int check_training(struct problem *p, struct rn_store *store,
                          const struct setting *s, double smoothing)
{
    struct rn_plan *plan = build_plan(p, store, RN_MODE_TRAIN, s);
    float *logits = rn_alloc(value_count(&p->t, p->g->output), sizeof(*logits));
    double loss, tol = uses_winograd(plan) ? WINOGRAD_TOL : TOL;
    struct rn_step_result result;
    struct rn_error err = {0};
    int bad = 0;

    assert_non_null(logits);
    interpret(&p->t, p->images, true);
    loss = interpret_backward(&p->t, p->labels, smoothing);
    for (int run = 0; run < 2 && !bad; run++) {
        rn_store_import(store); /* running statistics as they were */
        if (rn_plan_train(plan, p->float_images, p->labels, (float)smoothing,
                          &result, &err) != RN_OK)
            fail_msg("%s: %s", p->name, err.msg);
        if (!(fabs(result.loss - loss) <= tol * (1 + fabs(loss)))) {
            print_error("%s: loss is %.9g, expected %.9g\n", p->name,
                        result.loss, loss);
            bad++;
        }
        rn_plan_logits(plan, logits);
        bad += compare_logits(p, "training, ", logits, tol);
        bad += compare_gradients(p, store, s->floor, tol);
        bad += compare_statistics(p, store, tol);
    }
    rn_free(logits);
    rn_plan_destroy(plan);
    return bad;
}

/* Takes the graph over. */
static int check_graph(const char *name, struct rn_graph *g, int n,
                       uint64_t stream, const struct setting *s)
{
    struct problem p = problem_open(name, g, n);
    struct rn_store *store = NULL;
    struct rn_error err = {0};
    int bad;

    draw_clear(&p, stream);
    if (rn_store_create(&store, g, 1, &err) != RN_OK)
        fail_msg("%s: %s", name, err.msg);
    bad = check_inference(&p, store, s);
    bad += check_training(&p, store, s, stream % 2 ? 0.125 : 0);
    rn_store_destroy(store);
    problem_close(&p);
    return bad;
}

/* ----------------------------------------------------------------- graphs */

static const struct rn_window w3 = RN_WINDOW(3, 3, 1, 1),
                              w3s2 = RN_WINDOW(3, 3, 2, 1),
                              w1 = RN_WINDOW(1, 1, 1, 0),
                              w1s2 = RN_WINDOW(1, 1, 2, 0);

/** Short for graphs by hand; every node gets a name of its own. */
struct maker {
    struct rn_graph *g;
    int count;
    char name[32];
};

static const char *name_next(struct maker *m)
{
    snprintf(m->name, sizeof(m->name), "node%d", m->count++);
    return m->name;
}

static int input(struct maker *m, int c, int h, int w)
{
    return rn_graph_input(m->g, (struct rn_shape){c, h, w});
}

static int conv(struct maker *m, int x, int c, struct rn_window w, bool bias)
{
    return rn_graph_conv(m->g, x, name_next(m), c, w, bias);
}

static int bn(struct maker *m, int x)
{
    return rn_graph_batch_norm(m->g, x, name_next(m));
}

static int relu(struct maker *m, int x)
{
    return rn_graph_relu(m->g, x, name_next(m));
}

static int add(struct maker *m, int a, int b)
{
    return rn_graph_add(m->g, a, b, name_next(m));
}

static int max_pool(struct maker *m, int x, struct rn_window w)
{
    return rn_graph_max_pool(m->g, x, name_next(m), w);
}

static int average(struct maker *m, int x)
{
    return rn_graph_global_avg_pool(m->g, x, name_next(m));
}

static int linear(struct maker *m, int x, int outs)
{
    return rn_graph_linear(m->g, x, name_next(m), outs);
}

/* A third of the new channels before the old ones. */
static int subsample(struct maker *m, int x, int c, int stride)
{
    int before = m->g->error.code ? 0 : (c - m->g->nodes[x].shape.c) / 3;

    return rn_graph_subsample_pad(m->g, x, name_next(m), c, before, stride);
}

static int cbr(struct maker *m, int x, int c, struct rn_window w)
{
    return relu(m, bn(m, conv(m, x, c, w, false)));
}

static void head(struct maker *m, int x, int classes)
{
    linear(m, average(m, x), classes);
}

static void bn_with_two_readers(struct maker *m)
{
    int x = cbr(m, input(m, 3, 7, 6), 8, w3);
    int b = bn(m, conv(m, x, 8, w3, false));

    head(m, add(m, conv(m, relu(m, b), 8, w3, false), b), 5);
}

static void bn_read_by_relu_and_conv(struct maker *m)
{
    int b = bn(m, conv(m, input(m, 3, 7, 6), 20, w3, false));
    int left = relu(m, b), right = conv(m, b, 20, w1, false);

    head(m, add(m, left, right), 5);
}

static void bn_read_by_two_relus(struct maker *m)
{
    int b = bn(m, conv(m, input(m, 1, 7, 6), 9, w3, false));

    head(m, add(m, relu(m, b), conv(m, relu(m, b), 9, w3, false)), 3);
}

static void bn_without_relu(struct maker *m)
{
    int x = bn(m, conv(m, input(m, 3, 6, 6), 12, w3, false));

    head(m, bn(m, conv(m, x, 12, w3, false)), 4);
}

static void bn_of_bn(struct maker *m)
{
    int x = conv(m, input(m, 3, 6, 6), 12, w3, false);

    head(m, relu(m, bn(m, bn(m, x))), 4);
}

static void relu_without_bn(struct maker *m)
{
    int x = relu(m, conv(m, input(m, 3, 6, 5), 7, w3, true));

    head(m, relu(m, conv(m, x, 18, w3, false)), 5);
}

static void relu_of_relu_into_add(struct maker *m)
{
    int x = cbr(m, input(m, 3, 6, 5), 7, w3);
    int y = relu(m, relu(m, bn(m, conv(m, x, 7, w3, false))));

    head(m, add(m, x, y), 5);
}

static void relu_of_relu_into_pool(struct maker *m)
{
    int x = relu(m, bn(m, conv(m, input(m, 3, 6, 5), 7, w3, false)));

    head(m, max_pool(m, relu(m, x), w3s2), 5);
}

static void relu_with_two_readers(struct maker *m)
{
    int x = cbr(m, input(m, 3, 6, 5), 7, w3);
    int y = relu(m, bn(m, conv(m, x, 7, w3, false)));

    head(m, add(m, add(m, x, y), conv(m, y, 7, w3, false)), 5);
}

static void conv_with_bias_before_bn(struct maker *m)
{
    int x = relu(m, bn(m, conv(m, input(m, 3, 6, 6), 8, w3, true)));

    head(m, relu(m, bn(m, conv(m, x, 11, w3s2, true))), 5);
}

static void add_of_two_plain(struct maker *m)
{
    int x = cbr(m, input(m, 3, 6, 6), 8, w3);
    int a = conv(m, x, 10, w3, false), b = conv(m, x, 10, w1, true);

    head(m, add(m, a, b), 5);
}

static void add_of_two_plain_then_relu(struct maker *m)
{
    int x = cbr(m, input(m, 3, 6, 6), 8, w3);
    int a = conv(m, x, 10, w3, false), b = conv(m, x, 10, w1, true);

    head(m, relu(m, add(m, a, b)), 5);
}

static void add_of_two_bn(struct maker *m)
{
    int x = cbr(m, input(m, 3, 6, 6), 8, w3);
    int a = bn(m, conv(m, x, 10, w3, false));
    int b = bn(m, conv(m, x, 10, w1, false));

    head(m, add(m, a, b), 5);
}

static void add_of_two_bn_relu(struct maker *m)
{
    int x = cbr(m, input(m, 3, 6, 6), 8, w3);
    int a = relu(m, bn(m, conv(m, x, 10, w3, false)));
    int b = relu(m, bn(m, conv(m, x, 10, w1, false)));

    head(m, relu(m, add(m, a, b)), 5);
}

static void add_to_itself(struct maker *m)
{
    int x = bn(m, conv(m, input(m, 3, 6, 6), 8, w3, false));
    int y = add(m, x, x);

    head(m, relu(m, add(m, y, y)), 5);
}

static void add_to_itself_and_more(struct maker *m)
{
    int x = cbr(m, input(m, 3, 6, 6), 8, w3);
    int y = add(m, x, x);

    head(m, add(m, y, conv(m, x, 8, w3, false)), 5);
}

static void sum_of_sums(struct maker *m)
{
    int x = cbr(m, input(m, 3, 6, 6), 8, w3);
    int y = cbr(m, x, 8, w3);
    int z = add(m, add(m, x, y), x);

    head(m, add(m, z, conv(m, x, 8, w3, false)), 5);
}

static void sum_of_sums_relu(struct maker *m)
{
    int x = cbr(m, input(m, 3, 6, 6), 8, w3);
    int y = bn(m, conv(m, x, 8, w3, false));
    int z = relu(m, add(m, relu(m, add(m, x, y)), x));

    head(m, add(m, z, conv(m, z, 8, w3, false)), 5);
}

static void pending_relu_into_add(struct maker *m)
{
    int x = cbr(m, input(m, 3, 6, 6), 8, w3);
    int y = relu(m, bn(m, conv(m, x, 8, w3, false)));

    head(m, relu(m, add(m, y, x)), 5);
}

static void pool_on_pending(struct maker *m)
{
    int x = max_pool(m, cbr(m, input(m, 3, 11, 9), 8, w3), w3s2);
    int y = bn(m, conv(m, x, 8, w3, false));

    head(m, max_pool(m, y, (struct rn_window)RN_WINDOW(2, 2, 2, 0)), 5);
}

static void pool_with_two_readers(struct maker *m)
{
    int x = max_pool(m, cbr(m, input(m, 3, 11, 9), 8, w3), w3s2);
    int y = bn(m, conv(m, x, 8, w3, false));

    head(m, relu(m, add(m, y, x)), 5);
}

static void pool_on_plain(struct maker *m)
{
    int x = max_pool(m, conv(m, input(m, 3, 11, 9), 8, w3, false), w3);

    head(m, max_pool(m, relu(m, x), w3s2), 5);
}

/* Rounded up, as in shortcuts; and over the padding, too. */
static void average_pools(struct maker *m)
{
    const struct rn_pool_options up = {RN_WINDOW(2, 2, 2, 0), true, false};
    const struct rn_pool_options over = {RN_WINDOW(3, 3, 2, 1), false, true};
    const struct rn_pool_options around = {RN_WINDOW(3, 3, 1, 1), false, false};
    int x = cbr(m, input(m, 3, 11, 9), 9, w3), y, z;

    y = rn_graph_avg_pool(m->g, x, name_next(m), &up);
    y = bn(m, conv(m, y, 20, w1, false));
    z = rn_graph_avg_pool(m->g, x, name_next(m), &over);
    z = bn(m, conv(m, z, 20, w3, false));
    x = relu(m, add(m, y, z));
    x = rn_graph_avg_pool(m->g, x, name_next(m), &around);
    head(m, add(m, x, conv(m, x, 20, w3, false)), 5);
}

/* He et al. 2016b: batch norm and ReLU before the convolutions. */
static void pre_activation(struct maker *m)
{
    int x = conv(m, input(m, 3, 8, 8), 16, w3, false);

    for (int i = 0; i < 2; i++) {
        int y = conv(m, relu(m, bn(m, x)), 16, w3, false);

        y = conv(m, relu(m, bn(m, y)), 16, w3, false);
        x = add(m, x, y);
    }
    head(m, relu(m, bn(m, x)), 5);
}

static void pre_activation_projection(struct maker *m)
{
    int x = conv(m, input(m, 3, 8, 8), 16, w3, false);
    int a = relu(m, bn(m, x));
    int y = conv(m, a, 24, w3s2, false), s = conv(m, a, 24, w1s2, false);

    y = conv(m, relu(m, bn(m, y)), 24, w3, false);
    head(m, relu(m, bn(m, add(m, y, s))), 5);
}

static void three_readers(struct maker *m)
{
    int x = cbr(m, input(m, 3, 8, 8), 8, w3);
    int a = conv(m, x, 8, w3, false), b = conv(m, x, 8, w1, false);
    int c = conv(m, x, 8, w3, true);

    head(m, relu(m, add(m, add(m, a, b), c)), 5);
}

static void five_readers(struct maker *m)
{
    int x = cbr(m, input(m, 3, 8, 8), 8, w3), sum = x;

    for (int i = 0; i < 4; i++)
        sum = add(m, sum, bn(m, conv(m, x, 8, i % 2 ? w1 : w3, false)));
    head(m, relu(m, sum), 5);
}

static void convs_input_is_its_shortcut(struct maker *m)
{
    int x = cbr(m, input(m, 3, 8, 8), 8, w3);

    head(m, relu(m, add(m, conv(m, x, 8, w3, false), x)), 5);
}

static void shortcut_longer_than_needed(struct maker *m)
{
    int x = cbr(m, input(m, 3, 8, 8), 8, w3);
    int a = bn(m, conv(m, x, 8, w3, false));
    int y = cbr(m, cbr(m, x, 8, w3), 8, w3);

    head(m, add(m, cbr(m, add(m, a, y), 8, w3), x), 5);
}

static void subsample_of_pending(struct maker *m)
{
    int x = bn(m, conv(m, input(m, 3, 9, 7), 6, w3, false));
    int y = bn(m, conv(m, x, 21, w3s2, false));

    head(m, relu(m, add(m, y, subsample(m, x, 21, 2))), 5);
}

static void subsample_alone(struct maker *m)
{
    int x = cbr(m, input(m, 4, 9, 7), 6, w3);

    head(m, subsample(m, subsample(m, x, 17, 3), 40, 1), 5);
}

static void four_channels_of_images(struct maker *m)
{
    int x = input(m, 4, 9, 7);

    head(m, add(m, cbr(m, x, 4, w3), x), 5);
}

static void images_into_bn(struct maker *m)
{
    head(m, cbr(m, bn(m, input(m, 3, 9, 7)), 8, w3), 5);
}

static void images_into_relu_and_conv(struct maker *m)
{
    int x = input(m, 2, 9, 7);
    int y = cbr(m, x, 8, w3);

    head(m, add(m, y, conv(m, relu(m, x), 8, w3, false)), 5);
}

static void images_into_add(struct maker *m)
{
    int x = input(m, 3, 9, 7);

    head(m, relu(m, add(m, conv(m, x, 3, w3, false), x)), 5);
}

static void images_into_pool(struct maker *m)
{
    head(m, cbr(m, max_pool(m, input(m, 3, 9, 7), w3s2), 8, w3), 5);
}

static void images_into_average(struct maker *m)
{
    head(m, input(m, 3, 9, 7), 5);
}

static void images_into_subsample(struct maker *m)
{
    head(m, cbr(m, subsample(m, input(m, 1, 9, 7), 5, 2), 8, w3), 5);
}

static void one_pixel_images(struct maker *m)
{
    linear(m, relu(m, linear(m, input(m, 3, 1, 1), 9)), 4);
}

static void perceptron(struct maker *m)
{
    int x = relu(m, linear(m, input(m, 40, 1, 1), 33));

    linear(m, relu(m, bn(m, linear(m, x, 20))), 10);
}

static void output_is_bn(struct maker *m)
{
    bn(m, linear(m, average(m, cbr(m, input(m, 3, 5, 5), 8, w3)), 6));
}

static void output_is_relu(struct maker *m)
{
    relu(m, linear(m, average(m, cbr(m, input(m, 3, 5, 5), 8, w3)), 6));
}

static void output_is_add(struct maker *m)
{
    int x = average(m, cbr(m, input(m, 3, 5, 5), 8, w3));

    add(m, linear(m, x, 8), x);
}

static void output_is_average(struct maker *m)
{
    average(m, cbr(m, input(m, 3, 5, 5), 7, w3));
}

static void output_in_the_middle(struct maker *m)
{
    int x = linear(m, average(m, cbr(m, input(m, 3, 5, 5), 8, w3)), 6);

    relu(m, x);
    m->g->output = x;
}

static void dead_branch(struct maker *m)
{
    int x = cbr(m, input(m, 3, 6, 6), 8, w3);
    int y = bn(m, conv(m, x, 8, w3, false));

    relu(m, add(m, x, y));
    head(m, cbr(m, x, 8, w3), 5);
}

static void thousand_classes(struct maker *m)
{
    head(m, cbr(m, input(m, 3, 5, 5), 8, w3), 1000);
}

static void one_class(struct maker *m)
{
    head(m, cbr(m, input(m, 3, 5, 5), 8, w3), 1);
}

static void winograd_sizes(struct maker *m)
{
    int x = cbr(m, input(m, 3, 9, 10), 32, w3);
    int y = bn(m, conv(m, cbr(m, x, 32, w3), 32, w3, false));

    x = relu(m, add(m, y, x));
    head(m, cbr(m, x, 40, w3), 5);
}

static const struct {
    const char *name;
    void (*make)(struct maker *m);
} graphs[] = {
#define GRAPH(f) \
    {            \
#f, f    \
    }
    GRAPH(bn_with_two_readers),
    GRAPH(bn_read_by_relu_and_conv),
    GRAPH(bn_read_by_two_relus),
    GRAPH(bn_without_relu),
    GRAPH(bn_of_bn),
    GRAPH(relu_without_bn),
    GRAPH(relu_of_relu_into_add),
    GRAPH(relu_of_relu_into_pool),
    GRAPH(relu_with_two_readers),
    GRAPH(conv_with_bias_before_bn),
    GRAPH(add_of_two_plain),
    GRAPH(add_of_two_plain_then_relu),
    GRAPH(add_of_two_bn),
    GRAPH(add_of_two_bn_relu),
    GRAPH(add_to_itself),
    GRAPH(add_to_itself_and_more),
    GRAPH(sum_of_sums),
    GRAPH(sum_of_sums_relu),
    GRAPH(pending_relu_into_add),
    GRAPH(pool_on_pending),
    GRAPH(pool_with_two_readers),
    GRAPH(pool_on_plain),
    GRAPH(pre_activation),
    GRAPH(pre_activation_projection),
    GRAPH(three_readers),
    GRAPH(five_readers),
    GRAPH(convs_input_is_its_shortcut),
    GRAPH(shortcut_longer_than_needed),
    GRAPH(subsample_of_pending),
    GRAPH(subsample_alone),
    GRAPH(four_channels_of_images),
    GRAPH(images_into_bn),
    GRAPH(images_into_relu_and_conv),
    GRAPH(images_into_add),
    GRAPH(images_into_pool),
    GRAPH(images_into_average),
    GRAPH(images_into_subsample),
    GRAPH(one_pixel_images),
    GRAPH(perceptron),
    GRAPH(output_is_bn),
    GRAPH(output_is_relu),
    GRAPH(output_is_add),
    GRAPH(output_is_average),
    GRAPH(output_in_the_middle),
    GRAPH(dead_branch),
    GRAPH(thousand_classes),
    GRAPH(one_class),
    GRAPH(winograd_sizes),
    GRAPH(average_pools),
#undef GRAPH
};

static struct maker new_maker(void)
{
    struct maker m = {.g = rn_graph_create()};

    assert_non_null(m.g);
    return m;
}

static void graphs_by_hand(void **state)
{
    static const struct setting settings[] = {{1, 1, 0.1}, {0, 2, 0.1}};
    const char *only = getenv("RN_TEST_GRAPH");
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(graphs); i++)
        for (size_t s = 0; s < COUNT(settings); s++) {
            struct maker m;

            if (only && strcmp(only, graphs[i].name) != 0)
                continue;
            m = new_maker();
            graphs[i].make(&m);
            bad += check_graph(graphs[i].name, m.g, 3, i, &settings[s]);
        }
    assert_int_equal(bad, 0);
}

/* ----------------------------------------------------------------- groups */

/* Groups of less than a block, of whole ones, of what does not come out even,
 * with more channels out than in; stride and bias. */
static const struct {
    int in, out, groups, bias;
} grouped[] = {
    {32, 32, 8, 0},  {64, 64, 2, 0},  {48, 96, 3, 1}, {15, 20, 5, 0},
    {24, 24, 24, 1}, {32, 64, 32, 0}, {96, 96, 2, 0}, {128, 128, 32, 0},
};

static struct rn_graph *grouped_graph(size_t i)
{
    struct maker m = new_maker();
    int x = cbr(&m, input(&m, 3, 9, 8), grouped[i].in, w1);

    x = rn_graph_conv_groups(m.g, x, name_next(&m), grouped[i].out,
                             i % 3 == 1 ? w3s2 : w3, grouped[i].groups,
                             grouped[i].bias);
    head(&m, cbr(&m, relu(&m, bn(&m, x)), 7, w1), 5);
    return m.g;
}

static void convolutions_in_groups(void **state)
{
    static const struct setting settings[] = {{1, 1, 0.1}, {0, 2, 0.1}};
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(grouped); i++)
        for (size_t s = 0; s < COUNT(settings); s++) {
            char name[64];

            snprintf(name, sizeof(name), "%d groups of %d to %d channels",
                     grouped[i].groups, grouped[i].in, grouped[i].out);
            bad += check_graph(name, grouped_graph(i), 3, 50 + i, &settings[s]);
        }
    assert_int_equal(bad, 0);
}

/* --------------------------------------------------------------- networks */

static struct rn_graph *bottlenecks(const struct rn_net_spec *spec)
{
    struct rn_graph *g = rn_graph_create();
    int x;

    assert_non_null(g);
    x = rn_graph_input(g, (struct rn_shape){3, 19, 18});
    x = rn_conv_bn_relu(g, spec, x, "", 1, 16, 7, 2, "relu");
    x = rn_graph_max_pool(g, x, "maxpool", w3s2);
    x = rn_block_bottleneck(g, spec, x, "layer1.0", 8, 1);
    x = rn_block_bottleneck(g, spec, x, "layer1.1", 8, 1);
    x = rn_block_bottleneck(g, spec, x, "layer2.0", 12, 2);
    rn_head(g, spec, x);
    return g;
}

static const struct {
    const char *net;
    char shortcut;
    int v1, channels, classes, batch;
} nets[] = {
    {"resnet8", 'A', 0, 3, 10, 2},        {"resnet8", 'B', 0, 1, 10, 3},
    {"resnet8", 'C', 0, 4, 7, 2},         {"plain8", 0, 0, 3, 100, 2},
    {"resnet14", 'A', 0, 3, 10, 1},       {"resnet50", 'A', 0, 3, 5, 3},
    {"resnet50", 'B', 0, 3, 5, 3},        {"resnet50", 'B', 1, 3, 5, 3},
    {"resnet50", 'C', 1, 3, 5, 3},        {"resnext50_4x8d", 'B', 0, 3, 5, 3},
    {"wide_resnet50_2", 'B', 0, 3, 5, 3}, {"resnet50d", 'B', 0, 3, 5, 3},
};

static struct rn_graph *build_net(size_t i)
{
    struct rn_net_options options;
    struct rn_net_spec spec;
    struct rn_graph *g = NULL;
    struct rn_error err = {0};
    bool imagenet = strstr(nets[i].net, "50") != NULL;

    rn_net_defaults(&options);
    options.shortcut = nets[i].shortcut;
    options.stride_v1 = nets[i].v1;
    options.channels = nets[i].channels;
    options.classes = nets[i].classes;
    if (!imagenet)
        options.height = 12;
    if (rn_net_resolve(&spec, nets[i].net, &options, &err) != RN_OK)
        fail_msg("%s", err.msg);
    if (imagenet)
        return bottlenecks(&spec);
    if (rn_net_build(&g, &spec, &err) != RN_OK)
        fail_msg("%s", err.msg);
    return g;
}

static void networks(void **state)
{
    static const struct setting settings[] = {{1, 2, 1e-2}, {0, 3, 1e-2}};
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(nets); i++)
        for (size_t s = 0; s < COUNT(settings); s++) {
            char name[64];

            if (check_fast() && s != i % 2)
                continue;
            snprintf(name, sizeof(name), "%s, option %c%s", nets[i].net,
                     nets[i].shortcut ? nets[i].shortcut : '-',
                     nets[i].v1 ? ", v1" : "");
            bad += check_graph(name, build_net(i), nets[i].batch, 100 + i,
                               &settings[s]);
        }
    assert_int_equal(bad, 0);
}

/* ----------------------------------------------------------------- random */

/* A random operation on values of one shape, picked from all made so far,
 * the latest more often. */
static int random_node(struct maker *m, const uint32_t r[4], bool images)
{
    int last = (int)m->g->n_nodes - 1, first = images ? 0 : 1;
    int a = last, b;

    if (r[1] % 3 == 0)
        a = first + (int)(r[1] / 3 % (uint32_t)(last - first + 1));
    b = first + (int)(r[2] % (uint32_t)(last - first + 1));
    switch (r[0] % 12) {
    case 0:
        return conv(m, a, 6, w3, r[3] % 2);
    case 1:
        return conv(m, a, 6, w1, r[3] % 2);
    case 2:
    case 3:
    case 4:
        return bn(m, a);
    case 5:
    case 6:
    case 7:
        return relu(m, a);
    case 8:
        return max_pool(m, a, w3);
    case 9:
        return subsample(m, a, 6, 1);
    default:
        return add(m, a, b);
    }
}

static struct rn_graph *random_graph(uint64_t number)
{
    struct rn_random_key key = {check_seed(), RN_RANDOM_TEST, 99};
    struct maker m = new_maker();
    uint32_t r[4];
    int nodes, x;
    bool images;

    rn_random4(&key, number << 16, r);
    nodes = 4 + (int)(r[0] % 12);
    images = r[1] % 2;
    x = input(&m, images ? 6 : 3, 5, 4);
    if (!images)
        x = conv(&m, x, 6, w3, false);
    for (int i = 0; i < nodes; i++) {
        rn_random4(&key, (number << 16) + (uint64_t)i + 1, r);
        x = random_node(&m, r, images);
    }
    head(&m, x, 5);
    return m.g;
}

static void print_graph(const struct rn_graph *g)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        print_error("    %zu: %s %d %d%s\n", i, rn_op_name(g->nodes[i].op),
                    g->nodes[i].input[0], g->nodes[i].input[1],
                    g->nodes[i].param[RN_P_BIAS] >= 0 ? " bias" : "");
}

static void graphs_at_random(void **state)
{
    uint64_t count = check_fast() ? 60 : 250;
    int bad = 0;

    (void)state;
    for (uint64_t i = 0; i < count && bad < 5; i++) {
        struct setting s = {1, 1 + (int)(i % 3), 0.1};
        char name[64];
        int wrong;

        snprintf(name, sizeof(name), "random graph %d", (int)i);
        wrong = check_graph(name, random_graph(i), 2, 200 + i, &s);
        if (wrong) {
            struct rn_graph *g = random_graph(i);

            print_graph(g);
            rn_graph_destroy(g);
        }
        bad += wrong;
    }
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks),
        cmocka_unit_test(graphs_by_hand),
        cmocka_unit_test(convolutions_in_groups),
        cmocka_unit_test(graphs_at_random),
    };

    print_message("# seed %llu, %s\n", (unsigned long long)check_seed(),
                  rn_isa()->name);
    return cmocka_run_group_tests_name("networks", tests, NULL, NULL);
}
