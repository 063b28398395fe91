/* SPDX-License-Identifier: BSD-2-Clause */
/* Convolutions of any window and groups: the algorithms that take what oneDNN
 * has only reference code for, against the definition in double, and that
 * nothing is left to that code, of windows of all kinds or in any network of
 * ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/memory.h"
#include "model/model.h"
#include "nets/family.h"
#include "ops/conv/algorithm.h"
#include "ops/conv/groups.h"
#include "plan/internal.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-5

/* ----------------------------------------------------------- the definition */

/* Of one output channel's weight for one input channel of its group, the taps:
 * what y gets of x through it, and dx of dy. */
static void through(const struct rn_conv_config *c, const double *w, size_t in,
                    size_t out, const double *x, double *y, const double *dy,
                    double *dx)
{
    const struct rn_window *win = &c->window;

    for (int i = 0; i < c->out.h * c->out.w; i++)
        for (int k = 0; k < win->kh * win->kw; k++) {
            int row = i / c->out.w * win->stride - rn_window_top(win) +
                      k / win->kw * (win->dilate_h + 1);
            int column = i % c->out.w * rn_window_stride_w(win) -
                         rn_window_left(win) +
                         k % win->kw * (win->dilate_w + 1);
            size_t at =
                in * rn_shape_pixels(c->in) + (size_t)(row * c->in.w + column);
            size_t to = out * rn_shape_pixels(c->out) + (size_t)i;

            if (row < 0 || row >= c->in.h || column < 0 || column >= c->in.w)
                continue;
            y[to] += w[k] * x[at];
            dx[at] += w[k] * dy[to];
        }
}

/* y = w * x, and dx of dy. */
static void convolve(const struct rn_conv_config *c, const double *w,
                     const double *x, double *y, const double *dy, double *dx)
{
    size_t ins = (size_t)(c->in.c / c->groups);
    size_t outs = (size_t)(c->out.c / c->groups);
    size_t taps = (size_t)(c->window.kh * c->window.kw);

    for (size_t n = 0; n < (size_t)c->n; n++)
        for (size_t o = 0; o < (size_t)c->out.c; o++)
            for (size_t i = 0; i < ins; i++)
                through(c, w + (o * ins + i) * taps,
                        n * (size_t)c->in.c + o / outs * ins + i,
                        n * (size_t)c->out.c + o, x, y, dy, dx);
}

/* -------------------------------------------------------------- algorithms */

/** A convolution's plain numbers, and what comes out by the definition. */
struct problem {
    struct rn_conv_config config;
    char name[120];
    size_t inputs, outputs, weights;
    double *x, *w, *dy, *y, *dx;
    float *oihw, *store; /* weights in files, and in the store */
    float *plain_store;  /* of a convolution of plain images */
};

static int side(int in, int padding, int window, int stride)
{
    return in + padding < window ? 0 : (in + padding - window) / stride + 1;
}

static struct rn_shape made_by(const struct rn_window *w, struct rn_shape in,
                               int channels)
{
    int up = rn_window_top(w), left = rn_window_left(w);

    return (struct rn_shape){
        channels,
        side(in.h, up + w->pad + w->bottom, rn_window_rows(w), w->stride),
        side(in.w, left + w->pad + w->right, rn_window_columns(w),
             rn_window_stride_w(w))};
}

static struct rn_conv_config trained(const struct rn_conv_config *c)
{
    struct rn_conv_config own = *c;

    own.train = true;
    return own;
}

static void open_problem(struct problem *p)
{
    const struct rn_conv_config train = trained(&p->config);
    const struct rn_conv_config *c = &p->config;
    bool grouped = rn_is_grouped(c);

    p->inputs = (size_t)c->n * rn_shape_size(c->in);
    p->outputs = (size_t)c->n * rn_shape_size(c->out);
    p->weights = (size_t)(c->out.c * c->in.c / c->groups) *
                 (size_t)(c->window.kh * c->window.kw);
    p->x = check_random(p->inputs, 1, 1);
    p->w = check_random(p->weights, 2,
                        3 / sqrt((double)p->weights / (double)c->out.c));
    p->dy = check_random(p->outputs, 3, 1);
    p->y = check_doubles(p->outputs);
    p->dx = check_doubles(p->inputs);
    memset(p->y, 0, p->outputs * sizeof(*p->y));
    memset(p->dx, 0, p->inputs * sizeof(*p->dx));
    convolve(c, p->w, p->x, p->y, p->dy, p->dx);
    p->oihw = check_new_floats(p->weights);
    to_floats(p->w, p->weights, p->oihw);
    p->store = check_new_floats(
        grouped ? rn_groups_count(&train)
                : rn_conv_weights_count(c->out.c, c->in.c, c->window, false));
    if (grouped) {
        rn_groups_pack(&train, p->oihw, p->store);
    } else {
        p->plain_store = check_new_floats(
            rn_conv_weights_count(c->out.c, c->in.c, c->window, true));
        rn_conv_weights_to_store(p->oihw, p->store, c->out.c, c->in.c,
                                 c->window, false);
        rn_conv_weights_to_store(p->oihw, p->plain_store, c->out.c, c->in.c,
                                 c->window, true);
    }
    snprintf(p->name, sizeof(p->name),
             "%dx%dx%d to %d in %d, window %dx%d/%d,%d, from %d,%d, dilated "
             "%d,%d",
             c->in.c, c->in.h, c->in.w, c->out.c, c->groups, c->window.kh,
             c->window.kw, c->window.stride, rn_window_stride_w(&c->window),
             -rn_window_top(&c->window), -rn_window_left(&c->window),
             c->window.dilate_h, c->window.dilate_w);
}

static void close_problem(struct problem *p)
{
    free(p->x);
    free(p->w);
    free(p->dy);
    free(p->y);
    free(p->dx);
    rn_free(p->oihw);
    rn_free(p->store);
    rn_free(p->plain_store);
}

/* One pass by one algorithm, whoever is asked first. */
static int check_pass(const struct problem *p,
                      const struct rn_conv_algorithm *a, enum rn_conv_pass pass,
                      bool train, int threads)
{
    bool data = pass == RN_CONV_BACKWARD_DATA;
    struct rn_conv_config c = p->config;
    const struct rn_shape from = data ? c.out : c.in, to = data ? c.in : c.out;
    const float *store = c.plain_input ? p->plain_store : p->store;
    float *read = check_new_floats(blocked_floats(c.n, from));
    struct guarded made = guarded_floats(blocked_floats(c.n, to)), packed,
                   scratch;
    struct rn_conv_needs needs = {0};
    struct rn_conv_args args = {.src = read,
                                .diff_dst = read,
                                .dst = made.x,
                                .diff_src = made.x,
                                .weights = store};
    struct rn_error err = {0};
    void *plan = rn_alloc(1, a->plan_bytes);
    int bad;

    assert_non_null(plan);
    c.pass = pass;
    c.train = train;
    c.threads = threads;
    if (c.plain_input)
        to_floats(p->x, p->inputs, read);
    else
        to_blocked(data ? p->dy : p->x, c.n, from, read);
    assert_true(a->applies(&c));
    assert_int_equal(a->make(plan, &c, false, &needs, &err), RN_OK);
    packed = guarded_floats(needs.packed_bytes / sizeof(float));
    scratch = guarded_floats(needs.scratch_bytes / sizeof(float));
    args.scratch = scratch.x;
    if (needs.pack) {
        assert_int_equal(a->pack(plan, train ? store : p->oihw, packed.x, &err),
                         RN_OK);
        args.weights = packed.x;
    }
    assert_int_equal(a->run(plan, &args, &err), RN_OK);
    bad = check_blocked(p->name, data ? "diff_src" : "dst", &made, c.n, to,
                        data ? p->dx : p->y, TOLERANCE) +
          guarded_check(&packed, p->name) + guarded_check(&scratch, p->name);
    guarded_free(&made);
    guarded_free(&packed);
    guarded_free(&scratch);
    rn_free(read);
    rn_free(plan);
    return bad;
}

static int check_problem(struct problem *p, int threads)
{
    int bad;

    open_problem(p);
    bad = check_pass(p, &rn_conv_product_any, RN_CONV_FORWARD, false, threads) +
          check_pass(p, &rn_conv_product_any, RN_CONV_FORWARD, true, threads);
    if (rn_window_only_padded(&p->config.window))
        bad += check_pass(p, &rn_conv_data_gradient, RN_CONV_BACKWARD_DATA,
                          true, threads);
    p->config.plain_input =
        !rn_is_grouped(&p->config) && rn_conv_plain_input(p->config.in.c);
    for (int train = 0; p->config.plain_input && train < 2; train++)
        bad += check_pass(p, &rn_conv_plain, RN_CONV_FORWARD, train, threads);
    close_problem(p);
    return bad;
}

/* Channels in and out, and groups: of whole blocks, of less that are joined,
 * as many as channels, an odd number, all in one. */
static const struct {
    int in, out, groups;
} channels[] = {
    {3, 20, 1},   {16, 16, 1},  {40, 24, 1}, {64, 32, 2},  {32, 32, 8},
    {32, 32, 32}, {24, 24, 24}, {20, 10, 5}, {48, 144, 3}, {32, 64, 32},
};

static const struct rn_window windows[] = {
    RN_WINDOW(1, 1, 1, 0),
    RN_WINDOW(1, 1, 3, 2),
    RN_WINDOW(3, 3, 1, 1),
    RN_WINDOW(3, 3, 2, 3),
    RN_WINDOW(8, 8, 1, 4),
    RN_WINDOW(5, 2, 4, 1),
    RN_WINDOW(2, 2, 3, 0),
    {.kh = 1, .kw = 7, .stride = 1, .left = 3, .right = 3},
    {.kh = 7, .kw = 1, .stride = 2, .top = 3, .bottom = 3},
    {.kh = 3, .kw = 3, .stride = 2, .bottom = 1, .right = 1},
    {.kh = 1, .kw = 1, .stride = 1, .bottom = 2, .right = 1},
    /* of 2 x 2, 1 x 2 and 2 x 1 pixels, as many as there were */
    {.kh = 1, .kw = 1, .stride = 2, .bottom = 1, .right = 1},
    {.kh = 1, .kw = 1, .stride = 1, .stride_w = 2, .right = 1},
    {.kh = 2, .kw = 4, .stride = 1, .pad = 1, .top = 3, .right = 2},
    {.kh = 3, .kw = 3, .stride = 2, .stride_w = 1, .pad = 1},
    {.kh = 3, .kw = 2, .stride = 1, .stride_w = 3, .pad = 2, .left = 1},
    {.kh = 3, .kw = 3, .stride = 1, .pad = 4, .dilate_h = 3, .dilate_w = 3},
    {.kh = 2, .kw = 3, .stride = 2, .pad = 2, .dilate_h = 4, .dilate_w = 1},
};

static void any_window_and_groups(void **state)
{
    static const int sizes[][2] = {{9, 11}, {1, 1}, {7, 7},
                                   {2, 2},  {1, 2}, {2, 1}};
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(windows); i++)
        for (size_t k = 0; k < COUNT(channels); k++)
            for (size_t s = 0; s < COUNT(sizes); s++) {
                struct problem p = {
                    .config = {.n = 2,
                               .in = {channels[k].in, sizes[s][0], sizes[s][1]},
                               .window = windows[i],
                               .groups = channels[k].groups}};
                struct rn_conv_config *c = &p.config;

                c->out = made_by(&c->window, c->in, channels[k].out);
                if (c->out.h > 0 && c->out.w > 0)
                    bad += check_problem(&p, 1 + (int)((i + k + s) % 3));
            }
    assert_int_equal(bad, 0);
}

/* ---------------------------------------------------------- reference code */

static int tell_reference(const char *what, const struct rn_conv_config *c,
                          const char *algorithm)
{
    const struct rn_window *w = &c->window;

    if (!strstr(algorithm, "ref"))
        return 0;
    print_error("%s: %s, pass %d, train %d, %s: %dx%dx%d to %dx%dx%d in %d, "
                "window %dx%d/%d, from %d,%d, dilated %d,%d%s\n",
                algorithm, what, c->pass, c->train, rn_dtype_name(c->output),
                c->in.c, c->in.h, c->in.w, c->out.c, c->out.h, c->out.w,
                c->groups, w->kh, w->kw, w->stride, -rn_window_top(w),
                -rn_window_left(w), w->dilate_h, w->dilate_w,
                c->plain_input ? ", plain" : "");
    return 1;
}

static int check_choice(const char *what, struct rn_conv_config c)
{
    struct rn_error err = {0};
    struct rn_conv *conv;
    int bad;

    if (rn_conv_create(&conv, &c, true, &err))
        fail_msg("%s", err.msg);
    bad = tell_reference(what, &c, rn_conv_algorithm(conv));
    rn_conv_destroy(conv);
    return bad;
}

/* What plans ask for: inference, both passes of training that may be oneDNN's,
 * and inference in bfloat16 where there is an algorithm. */
static int check_choices(struct rn_conv_config c)
{
    int bad = 0;

    c.n = 2;
    c.threads = 2;
    c.out = made_by(&c.window, c.in, c.out.c);
    if (c.out.h <= 0 || c.out.w <= 0)
        return 0;
    c.plain_input = c.groups == 1 && rn_conv_plain_input(c.in.c) &&
                    !rn_conv_window_grows(&c.window);
    bad += check_choice("inference", c);
    bad += check_choice("training", trained(&c));
    if (!c.plain_input && rn_window_only_padded(&c.window)) {
        struct rn_conv_config data = trained(&c);

        data.pass = RN_CONV_BACKWARD_DATA;
        bad += check_choice("training", data);
    }
    c.input = c.plain_input ? RN_F32 : RN_BF16;
    c.output = RN_BF16;
    if (rn_conv_exists(&c))
        bad += check_choice("inference", c);
    return bad;
}

static int check_window(const struct rn_window *w)
{
    static const int sizes[] = {7, 14, 33, 64};
    int bad = 0;

    for (size_t k = 0; k < COUNT(channels); k++)
        for (size_t s = 0; s < COUNT(sizes); s++)
            bad += check_choices((struct rn_conv_config){
                .in = {channels[k].in, sizes[s], sizes[s]},
                .out = {channels[k].out, 0, 0},
                .window = *w,
                .groups = channels[k].groups});
    return bad;
}

static void no_window_is_on_reference_code(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(windows); i++)
        bad += check_window(&windows[i]);
    for (int kernel = 1; kernel <= 13; kernel += 1 + kernel / 5)
        for (int stride = 1; stride <= 4; stride++)
            for (int pad = 0; pad <= kernel; pad += 1 + kernel / 5) {
                const struct rn_window w =
                    RN_WINDOW(kernel, kernel, stride, pad);

                bad += check_window(&w);
            }
    assert_int_equal(bad, 0);
}

static int check_plan(const struct rn_model *m, const char *net, int mode,
                      int precision)
{
    struct rn_plan_options o;
    struct rn_error err = {0};
    struct rn_plan *plan;
    int bad = 0;

    rn_plan_defaults(&o);
    o.mode = mode;
    o.batch = 2;
    o.threads = 2;
    o.precision = precision;
    o.emulate = 1;
    if (rn_plan_outline(&plan, m, &o, &err))
        fail_msg("%s: %s", net, err.msg);
    for (size_t i = 0; i < plan->n_convs; i++)
        bad += tell_reference(net, rn_conv_config(plan->convs[i]),
                              rn_conv_algorithm(plan->convs[i]));
    rn_plan_destroy(plan);
    return bad;
}

static int check_net(const char *net)
{
    struct rn_net_spec spec;
    struct rn_graph *g = NULL;
    struct rn_error err = {0};
    struct rn_model *m;
    int bad = 0;

    if (rn_net_resolve(&spec, net, NULL, &err) || rn_net_build(&g, &spec, &err))
        fail_msg("%s: %s", net, err.msg);
    m = rn_model_wrap(&spec, g);
    assert_non_null(m);
    for (int mode = 0; mode < 2; mode++) {
        bad += check_plan(m, net, mode, RN_PRECISION_FP32);
        bad += check_plan(m, net, mode, RN_PRECISION_BF16);
    }
    rn_model_destroy(m);
    return bad;
}

static void no_network_is_on_reference_code(void **state)
{
    const struct rn_family *family;
    int bad = 0;

    (void)state;
    for (size_t i = 0; (family = rn_family_at(i)); i++)
        for (const struct rn_net_listed *l = family->listed; l->name; l++)
            bad += check_net(l->example);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_window_and_groups),
        cmocka_unit_test(no_window_is_on_reference_code),
        cmocka_unit_test(no_network_is_on_reference_code),
    };

    return cmocka_run_group_tests_name("windows", tests, NULL, NULL);
}
