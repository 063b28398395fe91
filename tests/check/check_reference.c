/* SPDX-License-Identifier: BSD-2-Clause */
/* The references' gradients against finite differences: of f(x) = sum of
 * r_i y_i(x), r random, by central differences in double. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "support.h"

#include <math.h>
#include <stdlib.h>

/* A step of 1e-5 leaves errors of about its square, and of 1e-16 / 1e-5. */
#define STEP 1e-5
#define TOL  1e-8

/** A function under test: the value of f, everything read from `data`. */
typedef double (*function)(void *data);

/* Gradient with respect to x[0..count-1], which f reads. */
static int check_gradient(const char *name, const char *what, function f,
                          void *data, double *x, const double *gradient,
                          size_t count)
{
    int bad = 0;

    for (size_t i = 0; i < count; i++) {
        double kept = x[i], up, down;

        x[i] = kept + STEP;
        up = f(data);
        x[i] = kept - STEP;
        down = f(data);
        x[i] = kept;
        bad += check_value(name, what, i, gradient[i], (up - down) / (2 * STEP),
                           TOL);
    }
    return bad;
}

static double dot(const double *a, const double *b, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Arrays for every operation here; none has more elements than this. */
enum { MOST = 2000 };

struct problem {
    struct ref_window c;
    struct ref_batch_norm bn;
    double x[MOST], w[MOST], b[MOST], y[MOST], r[MOST];
    double dx[MOST], dw[MOST], db[MOST];
    double mean[MOST], var[MOST];
    size_t where[MOST];
    int32_t labels[16];
};

static struct problem *new_problem(uint64_t stream)
{
    struct problem *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    check_fill(p->x, MOST, 10 * stream, 0, 1);
    check_fill(p->w, MOST, 10 * stream + 1, 0.2, 1);
    check_fill(p->b, MOST, 10 * stream + 2, 0, 1);
    check_fill(p->r, MOST, 10 * stream + 3, 0, 1);
    return p;
}

static const struct ref_window windows[] = {
    /* n, ic ih iw, oc oh ow, kh kw, stride, pad */
    {2, 3, 5, 4, 4, 5, 4, 3, 3, 1, 1}, {1, 2, 7, 6, 3, 4, 3, 3, 3, 2, 1},
    {2, 4, 5, 7, 2, 3, 4, 1, 1, 2, 0}, {1, 1, 9, 8, 2, 5, 4, 7, 7, 2, 3},
    {3, 5, 1, 1, 4, 1, 1, 1, 1, 1, 0}, {1, 2, 1, 1, 2, 1, 1, 3, 3, 1, 1},
    {1, 2, 5, 6, 2, 4, 3, 2, 3, 1, 0}, {1, 3, 6, 6, 3, 2, 2, 3, 2, 2, 0},
};

static double conv_value(void *data)
{
    struct problem *p = data;

    ref_conv(&p->c, p->x, p->w, p->b, p->y);
    return dot(p->y, p->r, ref_outputs(&p->c));
}

static void convolution(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(windows); i++) {
        struct problem *p = new_problem(i);

        p->c = windows[i];
        ref_conv_backward(&p->c, p->x, p->w, p->r, p->dx, p->dw, p->db);
        bad += check_gradient("conv", "diff_src", conv_value, p, p->x, p->dx,
                              ref_inputs(&p->c));
        bad += check_gradient("conv", "diff_weights", conv_value, p, p->w,
                              p->dw, ref_weights(&p->c));
        bad += check_gradient("conv", "diff_bias", conv_value, p, p->b, p->db,
                              (size_t)p->c.oc);
        free(p);
    }
    assert_int_equal(bad, 0);
}

static double linear_value(void *data)
{
    struct problem *p = data;

    ref_linear(3, 5, 4, p->x, p->w, p->b, p->y);
    return dot(p->y, p->r, 3 * 4);
}

static void linear(void **state)
{
    struct problem *p = new_problem(20);
    int bad;

    (void)state;
    ref_linear_backward(3, 5, 4, p->x, p->w, p->r, p->dx, p->dw, p->db);
    bad =
        check_gradient("linear", "diff_src", linear_value, p, p->x, p->dx, 15);
    bad += check_gradient("linear", "diff_weights", linear_value, p, p->w,
                          p->dw, 20);
    bad +=
        check_gradient("linear", "diff_bias", linear_value, p, p->b, p->db, 4);
    free(p);
    assert_int_equal(bad, 0);
}

/* A linear layer is a 1x1 convolution of one pixel. */
static void linear_is_a_convolution(void **state)
{
    struct problem *p = new_problem(21);
    int bad = 0;

    (void)state;
    p->c = (struct ref_window){3, 5, 1, 1, 4, 1, 1, 1, 1, 1, 0};
    ref_linear(3, 5, 4, p->x, p->w, p->b, p->y);
    ref_conv(&p->c, p->x, p->w, p->b, p->dx);
    for (size_t i = 0; i < 12; i++)
        bad += check_value("linear", "dst", i, p->dx[i], p->y[i], 1e-14);
    free(p);
    assert_int_equal(bad, 0);
}

static double bn_value(void *data)
{
    struct problem *p = data;

    ref_bn_statistics(&p->bn, p->x, p->mean, p->var);
    ref_bn_apply(&p->bn, p->x, p->w, p->b, p->mean, p->var, p->y);
    return dot(p->y, p->r, p->bn.n * p->bn.c * p->bn.hw);
}

static void batch_norm(void **state)
{
    static const struct ref_batch_norm cases[] = {
        {2, 3, 20, 1e-5}, {1, 2, 9, 1e-5}, {4, 5, 1, 1e-3}};
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct problem *p = new_problem(30 + i);

        p->bn = cases[i];
        bn_value(p);
        ref_bn_backward(&p->bn, p->x, p->w, p->mean, p->var, p->r, p->dx, p->dw,
                        p->db);
        bad += check_gradient("batch norm", "diff_src", bn_value, p, p->x,
                              p->dx, p->bn.n * p->bn.c * p->bn.hw);
        bad += check_gradient("batch norm", "diff_weight", bn_value, p, p->w,
                              p->dw, p->bn.c);
        bad += check_gradient("batch norm", "diff_bias", bn_value, p, p->b,
                              p->db, p->bn.c);
        free(p);
    }
    assert_int_equal(bad, 0);
}

/* Normalised: mean 0 and variance 1; by hand: the running update. */
static void batch_norm_normalises(void **state)
{
    struct problem *p = new_problem(40);
    double rm[2] = {1, -1}, rv[2] = {2, 1}, mean[2] = {3, 5}, var[2] = {4, 8};
    int bad = 0;

    (void)state;
    p->bn = (struct ref_batch_norm){3, 2, 50, 0};
    for (size_t c = 0; c < 2; c++)
        p->w[c] = 1, p->b[c] = 0;
    bn_value(p);
    ref_bn_statistics(&p->bn, p->y, p->mean, p->var);
    for (size_t c = 0; c < 2; c++) {
        bad += check_value("batch norm", "mean", c, p->mean[c], 0, 1e-14);
        bad += check_value("batch norm", "variance", c, p->var[c], 1, 1e-14);
    }
    /* Five values a channel: unbiased is 5/4 of the biased variance. */
    p->bn = (struct ref_batch_norm){5, 2, 1, 0};
    ref_bn_running(&p->bn, 0.1, mean, var, rm, rv);
    bad += check_value("running", "mean", 0, rm[0], 0.9 * 1 + 0.1 * 3, 1e-14);
    bad += check_value("running", "mean", 1, rm[1], -0.9 + 0.1 * 5, 1e-14);
    bad += check_value("running", "var", 0, rv[0], 0.9 * 2 + 0.1 * 5, 1e-14);
    bad += check_value("running", "var", 1, rv[1], 0.9 + 0.1 * 10, 1e-14);
    free(p);
    assert_int_equal(bad, 0);
}

static double relu_value(void *data)
{
    struct problem *p = data;

    ref_relu(100, p->x, p->y);
    return dot(p->y, p->r, 100);
}

static void relu(void **state)
{
    struct problem *p = new_problem(50);
    int bad;

    (void)state;
    ref_relu_backward(100, p->x, p->r, p->dx);
    bad = check_gradient("relu", "diff_src", relu_value, p, p->x, p->dx, 100);
    free(p);
    assert_int_equal(bad, 0);
}

static double max_pool_value(void *data)
{
    struct problem *p = data;

    ref_max_pool(&p->c, p->x, p->y, p->where);
    return dot(p->y, p->r, ref_outputs(&p->c));
}

static void max_pool(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(windows); i++) {
        struct problem *p = new_problem(60 + i);

        p->c = windows[i];
        p->c.oc = p->c.ic;
        max_pool_value(p);
        ref_max_pool_backward(&p->c, p->r, p->where, p->dx);
        bad += check_gradient("max pool", "diff_src", max_pool_value, p, p->x,
                              p->dx, ref_inputs(&p->c));
        free(p);
    }
    assert_int_equal(bad, 0);
}

static double average_value(void *data)
{
    struct problem *p = data;

    ref_average(6, 35, p->x, p->y);
    return dot(p->y, p->r, 6);
}

static void average(void **state)
{
    struct problem *p = new_problem(70);
    int bad;

    (void)state;
    ref_average_backward(6, 35, p->r, p->dx);
    bad = check_gradient("average", "diff_src", average_value, p, p->x, p->dx,
                         6 * 35);
    free(p);
    assert_int_equal(bad, 0);
}

/* The window's pad says how many zero channels come first. */
static double subsample_value(void *data)
{
    struct problem *p = data;

    ref_subsample_pad(&p->c, p->c.pad, p->x, p->y);
    return dot(p->y, p->r, ref_outputs(&p->c));
}

static void subsample_pad(void **state)
{
    static const struct ref_window cases[] = {
        {2, 3, 5, 4, 7, 3, 2, 1, 1, 2, 0}, {1, 4, 3, 3, 4, 3, 3, 1, 1, 1, 0},
        {2, 1, 7, 7, 5, 3, 3, 1, 1, 3, 0}, {2, 3, 5, 4, 9, 3, 2, 1, 1, 2, 3},
        {1, 4, 3, 3, 5, 3, 3, 1, 1, 1, 1},
    };
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct problem *p = new_problem(80 + i);

        p->c = cases[i];
        ref_subsample_pad_backward(&p->c, p->c.pad, p->r, p->dx);
        bad += check_gradient("subsample", "diff_src", subsample_value, p, p->x,
                              p->dx, ref_inputs(&p->c));
        free(p);
    }
    assert_int_equal(bad, 0);
}

static double loss_value(void *data)
{
    struct problem *p = data;

    return ref_loss(4, 7, p->x, p->labels, 0.1, p->y) / 4;
}

static void loss(void **state)
{
    struct problem *p = new_problem(90);
    int bad;

    (void)state;
    for (int i = 0; i < 4; i++)
        p->labels[i] = 2 * i;
    ref_loss(4, 7, p->x, p->labels, 0.1, p->dx);
    bad = check_gradient("loss", "diff", loss_value, p, p->x, p->dx, 28);
    /* Equal logits cost log(classes), smoothed or not. */
    for (int i = 0; i < 28; i++)
        p->x[i] = 3;
    bad += check_value("loss", "sum", 0,
                       ref_loss(4, 7, p->x, p->labels, 0.1, p->y), 4 * log(7),
                       1e-14);
    free(p);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolution),
        cmocka_unit_test(linear),
        cmocka_unit_test(linear_is_a_convolution),
        cmocka_unit_test(batch_norm),
        cmocka_unit_test(batch_norm_normalises),
        cmocka_unit_test(relu),
        cmocka_unit_test(max_pool),
        cmocka_unit_test(average),
        cmocka_unit_test(subsample_pad),
        cmocka_unit_test(loss),
    };

    print_message("# seed %llu\n", (unsigned long long)check_seed());
    return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
