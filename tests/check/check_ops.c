/* SPDX-License-Identifier: BSD-2-Clause */
/* Our own passes over blocked planes against the reference, on the same table
 * of shapes as the convolutions. Bit for bit the same on 1, 2 and 3 threads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cases.h"
#include "core/isa.h"
#include "core/memory.h"
#include "ops/batch_norm.h"
#include "ops/conv/conv.h"
#include "ops/elementwise.h"
#include "ops/loss.h"
#include "ops/pool.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sums of a plane run in float over 128 pixels, then in double; that of
 * diff_weight also has the rounding of the mean times the sum of g. */
#define TOL_SUM     2e-5
#define TOL_WEIGHT  1e-4
#define TOL_ELEMENT 2e-6

enum { THREADS = 3 };

/** Values of one shape on both sides. */
struct values {
    int n;
    struct rn_shape shape;
    size_t count; /* plain */
    double *plain;
    float *blocked;
};

static struct values new_values(int n, struct rn_shape s, uint64_t stream,
                                double centre)
{
    struct values v = {.n = n, .shape = s};

    v.count = (size_t)n * (size_t)s.c * (size_t)s.h * (size_t)s.w;
    v.plain = check_doubles(v.count);
    v.blocked = rn_alloc(blocked_floats(n, s), sizeof(float));
    assert_non_null(v.blocked);
    check_fill(v.plain, v.count, stream, centre, 1);
    to_blocked(v.plain, n, s, v.blocked);
    return v;
}

/* Multiples of 1/1024, so that a multiplication by 1/2 or 2 and an addition
 * are exact, and equal values common. */
static void quantise(struct values *v)
{
    for (size_t i = 0; i < v->count; i++)
        v->plain[i] = rint(v->plain[i] * 1024) / 1024;
    to_blocked(v->plain, v->n, v->shape, v->blocked);
}

static void free_values(struct values *v)
{
    free(v->plain);
    rn_free(v->blocked);
}

static size_t pixels(struct rn_shape s)
{
    return (size_t)s.h * (size_t)s.w;
}

static size_t channel_of(const struct values *v, size_t i)
{
    return i / pixels(v->shape) % (size_t)v->shape.c;
}

/* 1 when `now` differs from what one thread made, which `first` keeps. */
static int same_bits(const char *name, int threads, void *first,
                     const void *now, size_t bytes)
{
    if (threads == 1) {
        memcpy(first, now, bytes);
        return 0;
    }
    if (memcmp(first, now, bytes) == 0)
        return 0;
    print_error("%s: %d threads give other bits than one\n", name, threads);
    return 1;
}

/** An output compared once with the reference, and then with itself. */
struct output {
    struct guarded g;
    float *first;
};

static struct output new_output(size_t floats)
{
    struct output o = {guarded_floats(floats), rn_alloc(floats, sizeof(float))};

    assert_non_null(o.first);
    return o;
}

static void free_output(struct output *o)
{
    guarded_free(&o->g);
    rn_free(o->first);
}

static int check_output(const char *name, int threads, struct output *o, int n,
                        struct rn_shape s, const double *want, double tol)
{
    int bad =
        same_bits(name, threads, o->first, o->g.x, o->g.count * sizeof(float));

    if (threads == 1)
        bad += check_blocked(name, "output", &o->g, n, s, want, tol);
    return bad;
}

static struct rn_shape input_of(const struct conv_case *c)
{
    return (struct rn_shape){c->ic, c->h, c->w};
}

static struct rn_window window_of(const struct conv_case *c)
{
    return (struct rn_window)RN_WINDOW(c->k, c->k, c->stride, c->pad);
}

static struct rn_shape output_of(const struct conv_case *c)
{
    return window_output(input_of(c), c->oc, window_of(c));
}

/* Whether an earlier case has the same output. */
static bool repeats_output(size_t i)
{
    struct rn_shape s = output_of(&conv_cases[i]);

    for (size_t k = 0; k < i; k++) {
        struct rn_shape other = output_of(&conv_cases[k]);

        if (conv_cases[k].n == conv_cases[i].n && other.c == s.c &&
            other.h == s.h && other.w == s.w)
            return true;
    }
    return false;
}

typedef int (*check)(const struct conv_case *c, uint64_t stream);

/* Runs a check that looks at outputs alone over those of the table. */
static void for_all_outputs(check f)
{
    int bad = 0;

    for (size_t i = 0; i < conv_cases_count; i++)
        if (!repeats_output(i))
            bad += f(&conv_cases[i], 10000 + 100 * i);
    assert_int_equal(bad, 0);
}

static void for_all(check f)
{
    int bad = 0;

    for (size_t i = 0; i < conv_cases_count; i++)
        bad += f(&conv_cases[i], 10000 + 100 * i);
    assert_int_equal(bad, 0);
}

/* Of `of` variants, whether a shape of so many values tries this one: small
 * shapes try all, large ones take turns. */
static bool takes_turn(size_t count, int variant, int of, uint64_t stream)
{
    size_t most = check_fast() ? 1000 : 5000;

    return count <= most || variant % of == (int)(stream / 100 % (uint64_t)of);
}

/* ------------------------------------------------------------- batch norm */

/** A layer's parameters and state, padded as the engine has them. */
struct layer {
    struct rn_batch_norm bn;
    struct ref_batch_norm ref;
    size_t c, padded;
    double *weight, *bias, *running_mean, *running_var; /* [c] */
    double *mean, *var, *dweight, *dbias;
    float *memory, *params; /* params: six arrays of [padded] */
    double *scratch;
};

enum {
    WEIGHT,
    BIAS,
    RUNNING_MEAN,
    RUNNING_VAR,
    DIFF_WEIGHT,
    DIFF_BIAS,
    PARAMS
};

static double *filled(size_t count, uint64_t stream, double centre,
                      double scale)
{
    double *x = check_doubles(count);

    check_fill(x, count, stream, centre, scale);
    return x;
}

static struct layer new_layer(const struct values *z, uint64_t stream)
{
    size_t c = (size_t)z->shape.c, padded = rn_channels_padded(z->shape.c);
    struct layer l = {.c = c, .padded = padded};

    l.ref = (struct ref_batch_norm){(size_t)z->n, c, pixels(z->shape),
                                    (double)1e-5f};
    l.weight = filled(c, stream, 1, 0.5);
    l.bias = filled(c, stream + 1, 0, 0.5);
    l.running_mean = filled(c, stream + 2, 0, 1);
    l.running_var = filled(c, stream + 3, 1, 0.5);
    l.mean = check_doubles(c);
    l.var = check_doubles(c);
    l.dweight = check_doubles(c);
    l.dbias = check_doubles(c);
    l.bn = (struct rn_batch_norm){.planes = rn_planes_of(z->n, z->shape, 1),
                                  .channels = z->shape.c,
                                  .eps = 1e-5f,
                                  .momentum = 0.1f};
    l.memory = rn_alloc(rn_batch_norm_floats(&l.bn.planes), sizeof(float));
    l.params = rn_alloc(PARAMS * padded, sizeof(float));
    l.scratch = rn_alloc(rn_batch_norm_scratch(&l.bn.planes), sizeof(double));
    assert_true(l.memory && l.params && l.scratch);
    rn_batch_norm_place(&l.bn, l.memory);
    l.bn.weight = l.params + WEIGHT * padded;
    l.bn.bias = l.params + BIAS * padded;
    l.bn.running_mean = l.params + RUNNING_MEAN * padded;
    l.bn.running_var = l.params + RUNNING_VAR * padded;
    l.bn.diff_weight = l.params + DIFF_WEIGHT * padded;
    l.bn.diff_bias = l.params + DIFF_BIAS * padded;
    return l;
}

/* Parameters and running statistics as they were at first. */
static void reset_layer(struct layer *l, int threads)
{
    l->bn.planes.threads = threads;
    memset(l->params, 0, PARAMS * l->padded * sizeof(float));
    to_floats(l->weight, l->c, l->params + WEIGHT * l->padded);
    to_floats(l->bias, l->c, l->params + BIAS * l->padded);
    to_floats(l->running_mean, l->c, l->params + RUNNING_MEAN * l->padded);
    to_floats(l->running_var, l->c, l->params + RUNNING_VAR * l->padded);
}

static void free_layer(struct layer *l)
{
    double *doubles[] = {l->weight, l->bias, l->running_mean, l->running_var,
                         l->mean,   l->var,  l->dweight,      l->dbias};

    for (size_t i = 0; i < COUNT(doubles); i++)
        free(doubles[i]);
    rn_free(l->memory);
    rn_free(l->params);
    rn_free(l->scratch);
}

static int check_zeros(const char *name, const char *what, const float *x,
                       size_t from, size_t to)
{
    int bad = 0;

    for (size_t i = from; i < to && !bad; i++)
        bad += check_value(name, what, i, (double)x[i], 0, 0);
    return bad;
}

static int compare_statistics(const char *name, const struct layer *l)
{
    double *rm = check_doubles(l->c), *rv = check_doubles(l->c);
    int bad = 0;

    memcpy(rm, l->running_mean, l->c * sizeof(*rm));
    memcpy(rv, l->running_var, l->c * sizeof(*rv));
    ref_bn_running(&l->ref, (double)0.1f, l->mean, l->var, rm, rv);
    for (size_t c = 0; c < l->c && bad < 5; c++) {
        double inv = 1 / sqrt(l->var[c] + l->ref.eps);
        double scale = l->weight[c] * inv;

        bad += check_value(name, "mean", c, (double)l->bn.mean[c], l->mean[c],
                           TOL_SUM);
        bad += check_value(name, "inv_std", c, (double)l->bn.inv_std[c], inv,
                           TOL_SUM);
        bad += check_value(name, "scale", c, (double)l->bn.scale[c], scale,
                           TOL_SUM);
        bad += check_value(name, "shift", c, (double)l->bn.shift[c],
                           l->bias[c] - scale * l->mean[c], TOL_SUM);
    }
    bad += check_floats(name, "running mean", l->bn.running_mean, rm, l->c,
                        TOL_SUM);
    bad += check_floats(name, "running variance", l->bn.running_var, rv, l->c,
                        TOL_SUM);
    bad += check_zeros(name, "scale", l->bn.scale, l->c, l->padded);
    bad += check_zeros(name, "shift", l->bn.shift, l->c, l->padded);
    free(rm);
    free(rv);
    return bad;
}

static int check_statistics(const struct conv_case *c, uint64_t stream)
{
    /* Means of three and deviations of 0.6: variance must not cancel. */
    struct values z = new_values(c->n, output_of(c), stream, 3);
    struct layer l = new_layer(&z, stream + 1);
    size_t state = rn_batch_norm_floats(&l.bn.planes);
    float *first = rn_alloc(state + PARAMS * l.padded, sizeof(*first));
    int bad = 0;

    assert_non_null(first);
    ref_bn_statistics(&l.ref, z.plain, l.mean, l.var);
    for (int t = 1; t <= THREADS; t++) {
        reset_layer(&l, t);
        rn_batch_norm_statistics(&l.bn, z.blocked, l.scratch);
        if (t == 1)
            bad += compare_statistics(c->name, &l);
        bad += same_bits(c->name, t, first, l.memory, state * sizeof(float));
        bad += same_bits(c->name, t, first + state, l.params,
                         PARAMS * l.padded * sizeof(float));
    }
    rn_free(first);
    free_layer(&l);
    free_values(&z);
    return bad;
}

static void batch_norm_statistics(void **state)
{
    (void)state;
    for_all_outputs(check_statistics);
}

/** Where the ReLU's mask comes from. */
enum mask { MASK_NONE, MASK_OUTPUT, MASK_INPUT, MASKS };

/** One layer's backward pass, all it reads. */
struct backward {
    struct values z, dy, dy2, y;
    struct layer l;
    double *g,
        *dz;     /* the masked gradient, and what the reference makes of it */
    double *pre; /* z scale + shift, by the engine's scale and shift */
};

/* Gradients vanish where float and double might see another sign. */
static void avoid_zero(struct backward *b)
{
    for (size_t i = 0; i < b->z.count; i++) {
        size_t c = channel_of(&b->z, i);

        b->pre[i] =
            b->z.plain[i] * (double)b->l.bn.scale[c] + (double)b->l.bn.shift[c];
        if (fabs(b->pre[i]) < 1e-4)
            b->dy.plain[i] = b->dy2.plain[i] = 0;
    }
    to_blocked(b->dy.plain, b->dy.n, b->dy.shape, b->dy.blocked);
    to_blocked(b->dy2.plain, b->dy2.n, b->dy2.shape, b->dy2.blocked);
}

static struct backward new_backward(const struct conv_case *c, uint64_t stream)
{
    struct rn_shape s = output_of(c);
    struct backward b = {
        .z = new_values(c->n, s, stream, 1),
        .dy = new_values(c->n, s, stream + 1, 0),
        .dy2 = new_values(c->n, s, stream + 2, 0.1),
        .y = new_values(c->n, s, stream + 3, 0),
    };

    b.l = new_layer(&b.z, stream + 4);
    b.g = check_doubles(b.z.count);
    b.dz = check_doubles(b.z.count);
    b.pre = check_doubles(b.z.count);
    reset_layer(&b.l, 1);
    rn_batch_norm_statistics(&b.l.bn, b.z.blocked, b.l.scratch);
    ref_bn_statistics(&b.l.ref, b.z.plain, b.l.mean, b.l.var);
    avoid_zero(&b);
    /* A ReLU's output: zeros are common. */
    ref_relu(b.y.count, b.y.plain, b.y.plain);
    to_blocked(b.y.plain, c->n, s, b.y.blocked);
    return b;
}

static void free_backward(struct backward *b)
{
    free_values(&b->z);
    free_values(&b->dy);
    free_values(&b->dy2);
    free_values(&b->y);
    free_layer(&b->l);
    free(b->g);
    free(b->dz);
    free(b->pre);
}

static void reference_gradient(struct backward *b, bool two, enum mask mask)
{
    for (size_t i = 0; i < b->z.count; i++) {
        bool pass = mask == MASK_NONE ||
                    (mask == MASK_OUTPUT ? b->y.plain[i] : b->pre[i]) > 0;
        double g = b->dy.plain[i] + (two ? b->dy2.plain[i] : 0);

        b->g[i] = pass ? g : 0;
    }
    ref_bn_backward(&b->l.ref, b->z.plain, b->l.weight, b->l.mean, b->l.var,
                    b->g, b->dz, b->l.dweight, b->l.dbias);
}

/* dz, with both sides divided by what rounding is multiplied with: batch
 * norm's scale, and how many deviations the mean is from zero, as z comes in
 * with its mean and is rid of it in the sum. Both are large where a channel
 * has two nearly equal values. */
static int compare_dz(const char *name, const struct backward *b,
                      const struct guarded *dz)
{
    int bad = guarded_check(dz, name) +
              check_padding(name, dz->x, b->z.n, b->z.shape);

    for (size_t i = 0; i < b->z.count && bad < 5; i++) {
        size_t c = channel_of(&b->z, i);
        double inv = (double)b->l.bn.inv_std[c];
        double scale = fmax(1, fabs((double)b->l.bn.scale[c])) *
                       fmax(1, fabs(b->l.mean[c]) * inv);

        bad += check_value(name, "dz", i,
                           (double)blocked_at(dz->x, b->z.shape, i) / scale,
                           b->dz[i] / scale, TOL_SUM);
    }
    return bad;
}

static int check_one_backward(const char *name, struct backward *b, bool two,
                              enum mask mask, bool write, int threads,
                              struct output *g, struct output *dz, float *sums)
{
    struct layer *l = &b->l;
    struct rn_bn_backward in = {
        .dy = b->dy.blocked,
        .dy2 = two ? b->dy2.blocked : NULL,
        .y = mask == MASK_OUTPUT ? b->y.blocked : NULL,
        .z = b->z.blocked,
        .relu = mask != MASK_NONE,
    };
    int bad = 0;

    l->bn.planes.threads = threads;
    guarded_reset(&g->g);
    guarded_reset(&dz->g);
    rn_batch_norm_reduce(&l->bn, &in, write ? g->g.x : NULL, l->scratch);
    if (write)
        bad += check_output(name, threads, g, b->z.n, b->z.shape, b->g,
                            TOL_ELEMENT);
    bad += same_bits(name, threads, sums, l->bn.diff_weight,
                     2 * l->padded * sizeof(*sums));
    if (threads == 1) {
        bad += check_floats(name, "diff_weight", l->bn.diff_weight, l->dweight,
                            l->c, TOL_WEIGHT);
        bad += check_floats(name, "diff_bias", l->bn.diff_bias, l->dbias, l->c,
                            TOL_SUM);
        bad += check_zeros(name, "diff_weight", l->bn.diff_weight, l->c,
                           l->padded);
        bad += check_zeros(name, "diff_bias", l->bn.diff_bias, l->c, l->padded);
    }
    if (write) { /* in place of the masked gradient, as plans do */
        memcpy(dz->g.x, g->g.x, g->g.count * sizeof(float));
        in = (struct rn_bn_backward){.dy = dz->g.x, .z = b->z.blocked};
    }
    rn_batch_norm_gradient(&l->bn, &in, dz->g.x);
    bad += same_bits(name, threads, dz->first, dz->g.x,
                     dz->g.count * sizeof(float));
    return bad + (threads == 1 ? compare_dz(name, b, &dz->g) : 0);
}

static int check_backward(const struct conv_case *c, uint64_t stream)
{
    struct backward b = new_backward(c, stream);
    size_t floats = blocked_floats(c->n, b.z.shape);
    struct output g = new_output(floats), dz = new_output(floats);
    float *sums = rn_alloc(2 * b.l.padded, sizeof(*sums));
    int bad = 0;

    assert_non_null(sums);
    for (int k = 0; k < 4 * MASKS; k++) {
        bool two = k % 2, write = k / 2 % 2;
        enum mask mask = (enum mask)(k / 4);
        char name[128];

        if (!takes_turn(b.z.count, k, 4, stream))
            continue;
        snprintf(name, sizeof(name), "%s, %s, %s mask%s", c->name,
                 two ? "dy + dy2" : "dy",
                 mask == MASK_NONE     ? "no"
                 : mask == MASK_OUTPUT ? "output's"
                                       : "input's",
                 write ? ", g kept" : "");
        reference_gradient(&b, two, mask);
        for (int t = 1; t <= THREADS; t++)
            bad += check_one_backward(name, &b, two, mask, write, t, &g, &dz,
                                      sums);
    }
    rn_free(sums);
    free_output(&g);
    free_output(&dz);
    free_backward(&b);
    return bad;
}

static void batch_norm_backward(void **state)
{
    (void)state;
    for_all_outputs(check_backward);
}

/* A mean a thousand deviations from zero, and a channel that never changes. */
static void batch_norm_far_from_zero(void **state)
{
    struct values z = new_values(2, (struct rn_shape){17, 13, 11}, 77, 1000);
    struct layer l;
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < z.count; i++)
        if (channel_of(&z, i) == 3)
            z.plain[i] = 1000;
    to_blocked(z.plain, z.n, z.shape, z.blocked);
    l = new_layer(&z, 78);
    reset_layer(&l, 2);
    rn_batch_norm_statistics(&l.bn, z.blocked, l.scratch);
    ref_bn_statistics(&l.ref, z.plain, l.mean, l.var);
    for (size_t c = 0; c < l.c; c++) {
        double inv = 1 / sqrt(l.var[c] + l.ref.eps);

        bad += check_value("far", "mean", c, (double)l.bn.mean[c], l.mean[c],
                           1e-6);
        bad += check_value("far", "inv_std", c, (double)l.bn.inv_std[c], inv,
                           1e-4);
    }
    free_layer(&l);
    free_values(&z);
    assert_int_equal(bad, 0);
}

/* ------------------------------------------------------------ elementwise */

/** An operand of rn_apply(): how it is read. */
struct reading {
    bool present, affine, relu;
};

static const struct reading readings[] = {
    {false, false, false}, {true, false, false}, {true, false, true},
    {true, true, false},   {true, true, true},
};

/** Values, and a scale and a shift for each channel. */
struct pending {
    struct values v;
    double *scale, *shift;
    float *scales, *shifts;
};

static struct pending new_pending(int n, struct rn_shape s, uint64_t stream)
{
    struct pending p = {.v = new_values(n, s, stream, 0)};
    size_t c = (size_t)s.c, padded = rn_channels_padded(s.c);

    p.scale = filled(c, stream + 1, 1, 0.5);
    p.shift = filled(c, stream + 2, 0, 0.5);
    p.scales = rn_alloc(padded, sizeof(float));
    p.shifts = rn_alloc(padded, sizeof(float));
    assert_true(p.scales && p.shifts);
    to_floats(p.scale, c, p.scales);
    to_floats(p.shift, c, p.shifts);
    return p;
}

static void free_pending(struct pending *p)
{
    free_values(&p->v);
    free(p->scale);
    free(p->shift);
    rn_free(p->scales);
    rn_free(p->shifts);
}

static double read_value(const struct pending *p, struct reading r, size_t i)
{
    size_t c = channel_of(&p->v, i);
    double x = p->v.plain[i];

    if (r.affine)
        x = x * p->scale[c] + p->shift[c];
    return r.relu && x < 0 ? 0 : x;
}

static struct rn_operand operand(const struct pending *p, struct reading r)
{
    if (!r.present)
        return (struct rn_operand){0};
    return (struct rn_operand){.x = p->v.blocked,
                               .scale = r.affine ? p->scales : NULL,
                               .shift = r.affine ? p->shifts : NULL,
                               .relu = r.relu};
}

static void reference_apply(const struct pending *p, struct reading rp,
                            const struct pending *q, struct reading rq,
                            bool relu, double *want)
{
    for (size_t i = 0; i < p->v.count; i++) {
        want[i] = read_value(p, rp, i);
        if (rq.present)
            want[i] += read_value(q, rq, i);
        if (relu && want[i] < 0)
            want[i] = 0;
    }
}

static int check_apply(const struct conv_case *c, uint64_t stream)
{
    struct pending p = new_pending(c->n, output_of(c), stream);
    struct pending q = new_pending(c->n, output_of(c), stream + 10);
    size_t floats = blocked_floats(c->n, p.v.shape);
    struct output y = new_output(floats);
    double *want = check_doubles(p.v.count);
    int bad = 0;

    /* p is always there: 4 readings; q in 5; ReLU or not; y new, or in place
     * of p or q. */
    for (int k = 0; k < 4 * 5 * 2 * 3; k++) {
        struct reading rp = readings[1 + k % 4], rq = readings[k / 4 % 5];
        bool relu = k / 20 % 2;
        int place = k / 40;
        char name[128];

        if (!takes_turn(p.v.count, k, 13, stream) ||
            (place == 2 && !rq.present))
            continue;
        snprintf(name, sizeof(name), "%s, apply%s%s%s%s%s%s%s", c->name,
                 rp.affine ? " affine" : "", rp.relu ? " relu" : "",
                 rq.present ? " + q" : "", rq.affine ? " affine" : "",
                 rq.relu ? " relu" : "", relu ? ", relu" : "",
                 place ? ", in place" : "");
        reference_apply(&p, rp, &q, rq, relu, want);
        for (int t = 1; t <= THREADS; t++) {
            struct rn_planes planes = rn_planes_of(c->n, p.v.shape, t);
            struct rn_operand a = operand(&p, rp), b = operand(&q, rq);

            guarded_reset(&y.g);
            if (place) {
                memcpy(y.g.x, place == 1 ? p.v.blocked : q.v.blocked,
                       floats * sizeof(float));
                *(place == 1 ? &a.x : &b.x) = y.g.x;
            }
            rn_apply(&planes, &a, &b, relu, y.g.x);
            bad +=
                check_output(name, t, &y, c->n, p.v.shape, want, TOL_ELEMENT);
        }
    }
    free(want);
    free_output(&y);
    free_pending(&p);
    free_pending(&q);
    return bad;
}

static void apply(void **state)
{
    (void)state;
    for_all_outputs(check_apply);
}

static int check_mask(const struct conv_case *c, uint64_t stream)
{
    struct rn_shape s = output_of(c);
    struct values dy = new_values(c->n, s, stream, 0);
    struct values dy2 = new_values(c->n, s, stream + 1, 0);
    struct values y = new_values(c->n, s, stream + 2, 0);
    struct output g = new_output(blocked_floats(c->n, s));
    double *want = check_doubles(dy.count);
    int bad = 0;

    ref_relu(y.count, y.plain, y.plain);
    to_blocked(y.plain, c->n, s, y.blocked);
    for (int k = 0; k < 4; k++) {
        bool two = k % 2, mask = k / 2;

        for (size_t i = 0; i < dy.count; i++)
            want[i] = mask && !(y.plain[i] > 0)
                          ? 0
                          : dy.plain[i] + (two ? dy2.plain[i] : 0);
        for (int t = 1; t <= THREADS; t++) {
            struct rn_planes planes = rn_planes_of(c->n, s, t);

            guarded_reset(&g.g);
            rn_mask(&planes, dy.blocked, two ? dy2.blocked : NULL,
                    mask ? y.blocked : NULL, g.g.x);
            bad += check_output(c->name, t, &g, c->n, s, want, TOL_ELEMENT);
        }
    }
    free(want);
    free_output(&g);
    free_values(&dy);
    free_values(&dy2);
    free_values(&y);
    return bad;
}

static void mask(void **state)
{
    (void)state;
    for_all_outputs(check_mask);
}

static int check_block_images(const struct conv_case *c, uint64_t stream)
{
    struct rn_shape s = input_of(c);
    struct values x = new_values(c->n, s, stream, 0);
    struct output y = new_output(blocked_floats(c->n, s));
    float *images = rn_alloc(x.count, sizeof(*images));
    int bad = 0;

    assert_non_null(images);
    to_floats(x.plain, x.count, images);
    for (int t = 1; t <= THREADS; t++) {
        struct rn_planes planes = rn_planes_of(c->n, s, t);

        guarded_reset(&y.g);
        rn_block_images(&planes, s.c, images, y.g.x);
        bad += check_output(c->name, t, &y, c->n, s, x.plain, 0);
    }
    rn_free(images);
    free_output(&y);
    free_values(&x);
    return bad;
}

static void block_images(void **state)
{
    (void)state;
    for_all(check_block_images);
}

/* ------------------------------------------------------------------ pools */

/* Places within windows, from indices into x. */
static int check_places(const char *name, const uint8_t *where,
                        const struct ref_window *c, const size_t *wanted)
{
    struct rn_shape s = {c->oc, c->oh, c->ow};
    size_t b = (size_t)rn_block(), padded = rn_channels_padded(s.c);

    for (size_t i = 0; i < ref_outputs(c); i++) {
        size_t hw = pixels(s), n = i / hw / (size_t)s.c;
        size_t channel = i / hw % (size_t)s.c, pixel = i % hw;
        size_t at =
            ((n * (padded / b) + channel / b) * hw + pixel) * b + channel % b;
        int y = (int)(wanted[i] / (size_t)c->iw % (size_t)c->ih);
        int x = (int)(wanted[i] % (size_t)c->iw);
        int ky = y - (int)(pixel / (size_t)c->ow) * c->stride + c->pad;
        int kx = x - (int)(pixel % (size_t)c->ow) * c->stride + c->pad;

        if (where[at] == ky * c->kw + kx)
            continue;
        print_error("%s: place[%zu] is %d, expected %d\n", name, i, where[at],
                    ky * c->kw + kx);
        return 1;
    }
    return 0;
}

/** A pool's arrays. */
struct pooling {
    struct pending x;
    struct values dy, dy2;
    struct rn_shape in, out;
    struct ref_window ref;
    struct rn_pool pool;
    struct output y, dx;
    uint8_t *where;
    size_t *wanted_where;
    double *read, *want_y, *want_dx, *sum;
};

static struct pooling new_pooling(const struct conv_case *c, uint64_t stream)
{
    struct pooling p = {.in = input_of(c)};

    p.out = window_output(p.in, c->ic, window_of(c));
    p.ref = ref_window_of(c->n, p.in, p.out, window_of(c));
    p.pool = rn_pool_of(p.in, p.out, window_of(c));
    p.x = new_pending(c->n, p.in, stream);
    quantise(&p.x.v);
    for (size_t i = 0; i < (size_t)p.in.c; i++) {
        p.x.scale[i] = i % 3 == 0 ? 0.5 : i % 3 == 1 ? -2 : 1;
        p.x.shift[i] = rint(p.x.shift[i] * 1024) / 1024;
    }
    to_floats(p.x.scale, (size_t)p.in.c, p.x.scales);
    to_floats(p.x.shift, (size_t)p.in.c, p.x.shifts);
    p.dy = new_values(c->n, p.out, stream + 20, 0);
    p.dy2 = new_values(c->n, p.out, stream + 21, 0);
    p.y = new_output(blocked_floats(c->n, p.out));
    p.dx = new_output(blocked_floats(c->n, p.in));
    p.where = rn_alloc(p.y.g.count, 1);
    p.wanted_where = calloc(p.dy.count, sizeof(*p.wanted_where));
    assert_true(p.where && p.wanted_where);
    p.read = check_doubles(p.x.v.count);
    p.want_y = check_doubles(p.dy.count);
    p.want_dx = check_doubles(p.x.v.count);
    p.sum = check_doubles(p.dy.count);
    return p;
}

static void free_pooling(struct pooling *p)
{
    free_pending(&p->x);
    free_values(&p->dy);
    free_values(&p->dy2);
    free_output(&p->y);
    free_output(&p->dx);
    rn_free(p->where);
    free(p->wanted_where);
    free(p->read);
    free(p->want_y);
    free(p->want_dx);
    free(p->sum);
}

static int check_pool_once(const char *name, struct pooling *p, int n,
                           struct reading r, bool two, int t)
{
    struct rn_operand x = operand(&p->x, r);
    struct rn_planes in = rn_planes_of(n, p->in, t);
    int bad = 0;

    guarded_reset(&p->y.g);
    guarded_reset(&p->dx.g);
    /* Without places, as inference does. */
    rn_max_pool(&p->pool, &in, &x, p->y.g.x, NULL);
    bad += check_output(name, t, &p->y, n, p->out, p->want_y, 0);
    guarded_reset(&p->y.g);
    rn_max_pool(&p->pool, &in, &x, p->y.g.x, p->where);
    bad += check_output(name, t, &p->y, n, p->out, p->want_y, 0);
    bad += check_places(name, p->where, &p->ref, p->wanted_where);
    rn_max_pool_backward(&p->pool, &in, p->dy.blocked,
                         two ? p->dy2.blocked : NULL, p->where, p->dx.g.x);
    return bad +
           check_output(name, t, &p->dx, n, p->in, p->want_dx, TOL_ELEMENT);
}

static int check_max_pool(const struct conv_case *c, uint64_t stream)
{
    struct pooling p;
    int bad = 0;

    if (c->k == 1 || c->k > 15)
        return 0;
    p = new_pooling(c, stream);
    for (int k = 0; k < 8; k++) {
        struct reading r = readings[1 + k % 4];
        bool two = k / 4;

        if (!takes_turn(p.x.v.count, k, 4, stream))
            continue;
        for (size_t i = 0; i < p.x.v.count; i++)
            p.read[i] = read_value(&p.x, r, i);
        ref_max_pool(&p.ref, p.read, p.want_y, p.wanted_where);
        for (size_t i = 0; i < p.dy.count; i++)
            p.sum[i] = p.dy.plain[i] + (two ? p.dy2.plain[i] : 0);
        ref_max_pool_backward(&p.ref, p.sum, p.wanted_where, p.want_dx);
        for (int t = 1; t <= THREADS; t++)
            bad += check_pool_once(c->name, &p, c->n, r, two, t);
    }
    free_pooling(&p);
    return bad;
}

static void max_pool(void **state)
{
    (void)state;
    for_all(check_max_pool);
}

static int check_average(const struct conv_case *c, uint64_t stream)
{
    struct rn_shape s = output_of(c), one = {s.c, 1, 1};
    struct values x = new_values(c->n, s, stream, 0.5);
    struct values dy = new_values(c->n, one, stream + 1, 0);
    struct output mean = new_output(blocked_floats(c->n, one));
    struct output dx = new_output(blocked_floats(c->n, s));
    double *want_mean = check_doubles(dy.count), *want = check_doubles(x.count);
    int bad = 0;

    ref_average(dy.count, pixels(s), x.plain, want_mean);
    ref_average_backward(dy.count, pixels(s), dy.plain, want);
    for (int t = 1; t <= THREADS; t++) {
        struct rn_planes planes = rn_planes_of(c->n, s, t);

        guarded_reset(&mean.g);
        guarded_reset(&dx.g);
        rn_global_average(&planes, x.blocked, mean.g.x);
        rn_global_average_backward(&planes, dy.blocked, dx.g.x);
        bad += check_output(c->name, t, &mean, c->n, one, want_mean, TOL_SUM);
        bad += check_output(c->name, t, &dx, c->n, s, want, TOL_ELEMENT);
    }
    free(want_mean);
    free(want);
    free_output(&mean);
    free_output(&dx);
    free_values(&x);
    free_values(&dy);
    return bad;
}

static void average(void **state)
{
    (void)state;
    for_all_outputs(check_average);
}

static int check_subsample_before(const struct conv_case *c, uint64_t stream,
                                  int before)
{
    struct rn_shape in = input_of(c);
    struct rn_window w = RN_WINDOW(1, 1, c->stride, 0);
    struct rn_shape out = window_output(in, c->oc, w);
    struct ref_window ref = ref_window_of(c->n, in, out, w);
    struct values x, dy;
    struct output y, dx;
    double *want, *want_dx;
    int bad = 0;

    x = new_values(c->n, in, stream, 0);
    dy = new_values(c->n, out, stream + 1, 0);
    y = new_output(blocked_floats(c->n, out));
    dx = new_output(blocked_floats(c->n, in));
    want = check_doubles(dy.count);
    want_dx = check_doubles(x.count);
    ref_subsample_pad(&ref, before, x.plain, want);
    ref_subsample_pad_backward(&ref, before, dy.plain, want_dx);
    for (int t = 1; t <= THREADS; t++) {
        guarded_reset(&y.g);
        guarded_reset(&dx.g);
        rn_subsample_pad(c->n, in, out, before, c->stride, t, RN_F32, x.blocked,
                         y.g.x);
        rn_subsample_pad_backward(c->n, in, out, before, c->stride, t, RN_F32,
                                  dy.blocked, dx.g.x);
        bad += check_output(c->name, t, &y, c->n, out, want, 0);
        bad += check_output(c->name, t, &dx, c->n, in, want_dx, 0);
    }
    free(want);
    free(want_dx);
    free_output(&y);
    free_output(&dx);
    free_values(&x);
    free_values(&dy);
    return bad;
}

/* The zero channels behind, split, and in front; split ones end within a
 * block of channels or at its end. */
static int check_subsample(const struct conv_case *c, uint64_t stream)
{
    int more = c->oc - c->ic, bad = 0;

    if (more < 0)
        return 0;
    bad += check_subsample_before(c, stream, 0);
    if (more > 1)
        bad += check_subsample_before(c, stream, more / 2);
    if (more > 0)
        bad += check_subsample_before(c, stream, more);
    return bad;
}

static void subsample_pad(void **state)
{
    (void)state;
    for_all(check_subsample);
}

/* ------------------------------------------------------------------- loss */

/* Logits of up to 30 in size, some equal; labels all over. */
static int check_loss(const struct conv_case *c, uint64_t stream)
{
    enum { IMAGES = 5 };
    struct rn_shape s = {c->oc, 1, 1};
    struct values x = new_values(IMAGES, s, stream, 0);
    size_t stride = rn_channels_padded(c->oc);
    struct guarded diff = guarded_floats(IMAGES * stride);
    double *want = check_doubles(x.count);
    int32_t labels[IMAGES];
    int bad = 0, errors = 0;
    for (size_t i = 0; i < x.count; i++)
        x.plain[i] = rint(x.plain[i] * 30);
    to_blocked(x.plain, IMAGES, s, x.blocked);
    for (int n = 0; n < IMAGES; n++) {
        const double *row = x.plain + n * c->oc;
        int best = 0;

        for (int i = 1; i < c->oc; i++)
            if (row[i] > row[best])
                best = i;
        labels[n] = n % 2 ? best : n * c->oc / IMAGES;
        errors += labels[n] != best;
    }
    for (int k = 0; k < 4; k++) {
        float smoothing = k % 2 ? 0.125f : 0;
        double sum =
            ref_loss(IMAGES, c->oc, x.plain, labels, (double)smoothing, want);
        float *logits = x.blocked;
        struct rn_loss loss;

        guarded_reset(&diff);
        if (k / 2) { /* in place */
            memcpy(diff.x, x.blocked, diff.count * sizeof(float));
            logits = diff.x;
        }
        loss = rn_loss_of(
            IMAGES, c->oc, stride, logits,
            &(struct rn_targets){.labels = labels, .smoothing = smoothing},
            diff.x);
        bad += check_value(c->name, "loss", 0, loss.sum, sum, 1e-12);
        bad += check_value(c->name, "errors", 0, loss.errors, errors, 0);
        bad += check_blocked(c->name, "diff", &diff, IMAGES, s, want, 1e-7);
    }
    free(want);
    guarded_free(&diff);
    free_values(&x);
    return bad;
}

static void loss(void **state)
{
    (void)state;
    for_all(check_loss);
}

/* What is not a number stays visible: in ReLU, pool, average and loss. */
static void not_a_number_shows(void **state)
{
    struct rn_shape s = {5, 4, 4}, one = {5, 1, 1};
    struct values x = new_values(1, s, 5, 0);
    size_t at = (5 * (size_t)rn_block()) + 2; /* pixel 5 of channel 2 */
    struct rn_planes planes = rn_planes_of(1, s, 1);
    struct rn_pool pool =
        rn_pool_of(s, one, (struct rn_window)RN_WINDOW(4, 4, 1, 0));
    struct guarded y = guarded_floats(blocked_floats(1, s));
    const int32_t label = 1;
    const struct rn_targets target = {.labels = &label};
    struct rn_operand none = {0}, operand_x = {.x = x.blocked};

    (void)state;
    x.blocked[at] = NAN;
    rn_apply(&planes, &operand_x, &none, true, y.x);
    assert_true(isnan(y.x[at]));
    rn_max_pool(&pool, &planes, &operand_x, y.x, NULL);
    assert_true(isnan(y.x[2]) && !isnan(y.x[1]));
    rn_global_average(&planes, x.blocked, y.x);
    assert_true(isnan(y.x[2]) && !isnan(y.x[1]));
    assert_true(
        isnan(rn_loss_of(1, 5, (size_t)rn_block(), y.x, &target, y.x).sum));
    guarded_free(&y);
    free_values(&x);
}

static void the_instruction_set_asked_for(void **state)
{
    const char *wanted = getenv("RN_TEST_ISA");

    (void)state;
    print_message("# seed %llu, %s, blocks of %d\n",
                  (unsigned long long)check_seed(), rn_isa()->name, rn_block());
    if (wanted)
        assert_string_equal(rn_isa()->name, wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_instruction_set_asked_for),
        cmocka_unit_test(batch_norm_statistics),
        cmocka_unit_test(batch_norm_backward),
        cmocka_unit_test(batch_norm_far_from_zero),
        cmocka_unit_test(apply),
        cmocka_unit_test(mask),
        cmocka_unit_test(block_images),
        cmocka_unit_test(max_pool),
        cmocka_unit_test(average),
        cmocka_unit_test(subsample_pad),
        cmocka_unit_test(loss),
        cmocka_unit_test(not_a_number_shows),
    };

    return cmocka_run_group_tests_name("operations", tests, NULL, NULL);
}
