/* SPDX-License-Identifier: BSD-2-Clause */
/* The graph builder: shapes, counts, parameters, and what it refuses. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/memory.h"
#include "graph/graph.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static struct rn_graph *with_input(int c, int h, int w)
{
    struct rn_graph *g = rn_graph_create();

    assert_non_null(g);
    rn_graph_input(g, (struct rn_shape){c, h, w});
    return g;
}

static void expect_shape(const struct rn_graph *g, int value, int c, int h,
                         int w)
{
    struct rn_shape s;

    if (value < 0)
        fail_msg("no value: %s", g->error.msg);
    s = g->nodes[value].shape;
    if (s.c != c || s.h != h || s.w != w)
        fail_msg("'%s': %dx%dx%d, expected %dx%dx%d", g->nodes[value].name, s.c,
                 s.h, s.w, c, h, w);
}

static void expect_error(struct rn_graph *g, int value, const char *message)
{
    if (value != -1 || g->error.code != RN_ERR_ARG)
        fail_msg("value %d, code %d, expected \"%s\"", value, g->error.code,
                 message);
    if (!strstr(g->error.msg, message))
        fail_msg("said \"%s\", expected \"%s\"", g->error.msg, message);
    rn_graph_destroy(g);
}

static const struct window_case {
    int h, w;
    struct rn_window window;
    int out_h, out_w;
} windows[] = {
    {224, 224, RN_WINDOW(7, 7, 2, 3), 112, 112},
    {112, 112, RN_WINDOW(3, 3, 2, 1), 56, 56},
    {56, 56, RN_WINDOW(1, 1, 2, 0), 28, 28},
    {7, 9, RN_WINDOW(3, 3, 1, 1), 7, 9},
    {9, 13, RN_WINDOW(3, 3, 2, 1), 5, 7},
    {1, 1, RN_WINDOW(3, 3, 2, 1), 1, 1},
    {5, 4, RN_WINDOW(2, 4, 1, 0), 4, 1},
    {5, 5, RN_WINDOW(3, 3, 3, 0), 1, 1},
    {2, 2, RN_WINDOW(3, 3, 100, 1), 1, 1},
    {8, 8, RN_WINDOW(1, 3, 2, 0), 4, 3},
};

/* The same rule for convolution and pooling, rounded down. */
static void windows_round_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(windows); i++) {
        const struct window_case *c = &windows[i];
        struct rn_graph *g = with_input(3, c->h, c->w);

        expect_shape(g, rn_graph_conv(g, 0, "conv", 4, c->window, false), 4,
                     c->out_h, c->out_w);
        if (c->window.pad < c->window.kh && c->window.pad < c->window.kw)
            expect_shape(g, rn_graph_max_pool(g, 0, "pool", c->window), 3,
                         c->out_h, c->out_w);
        rn_graph_destroy(g);
    }
}

static void subsampling_rounds_up(void **state)
{
    struct rn_graph *g = with_input(16, 9, 32);

    (void)state;
    expect_shape(g, rn_graph_subsample_pad(g, 0, "a", 32, 0, 2), 32, 5, 16);
    expect_shape(g, rn_graph_subsample_pad(g, 0, "b", 64, 0, 1), 64, 9, 32);
    expect_shape(g, rn_graph_subsample_pad(g, 0, "c", 16, 0, 50), 16, 1, 1);
    assert_int_equal(g->nodes[1].window.stride, 2);
    assert_int_equal(g->n_params, 0);
    rn_graph_destroy(g);
}

/* One of each operation; a small network's whole description. */
static void a_network_is_described(void **state)
{
    static const struct {
        enum rn_op op;
        const char *name;
        int a, b;
        uint64_t params, macs;
    } nodes[] = {
        {RN_OP_INPUT, "input", -1, -1, 0, 0},
        {RN_OP_CONV, "c", 0, -1, 4 * 3 * 9 + 4, 4 * 3 * 9 * 8 * 6},
        {RN_OP_BATCH_NORM, "n", 1, -1, 8, 0},
        {RN_OP_RELU, "r", 2, -1, 0, 0},
        {RN_OP_SUBSAMPLE_PAD, "s", 0, -1, 0, 0},
        {RN_OP_ADD, "a", 3, 4, 0, 0},
        {RN_OP_MAX_POOL, "m", 5, -1, 0, 0},
        {RN_OP_GLOBAL_AVG_POOL, "g", 6, -1, 0, 0},
        {RN_OP_LINEAR, "f", 7, -1, 10 * 4 + 10, 10 * 4},
    };
    static const char *const params[] = {
        "c.weight",       "c.bias",        "n.weight", "n.bias",
        "n.running_mean", "n.running_var", "f.weight", "f.bias"};
    const struct rn_window window = RN_WINDOW(3, 3, 1, 1);
    struct rn_graph *g = with_input(3, 8, 6);
    int x = rn_graph_conv(g, 0, "c", 4, window, true), y;

    (void)state;
    x = rn_graph_batch_norm(g, x, "n");
    x = rn_graph_relu(g, x, "r");
    y = rn_graph_subsample_pad(g, 0, "s", 4, 0, 1);
    x = rn_graph_add(g, x, y, "a");
    x = rn_graph_max_pool(g, x, "m", window);
    x = rn_graph_global_avg_pool(g, x, "g");
    x = rn_graph_linear(g, x, "f", 10);

    assert_int_equal(g->error.code, RN_OK);
    assert_int_equal(g->output, x);
    assert_int_equal(g->n_nodes, COUNT(nodes));
    for (size_t i = 0; i < COUNT(nodes); i++) {
        const struct rn_node *n = &g->nodes[i];

        assert_int_equal(n->op, nodes[i].op);
        assert_string_equal(n->name, nodes[i].name);
        assert_int_equal(n->input[0], nodes[i].a);
        assert_int_equal(n->input[1], nodes[i].b);
        assert_int_equal(rn_node_params(g, n), nodes[i].params);
        assert_int_equal(n->macs, nodes[i].macs);
    }
    assert_int_equal(g->n_params, COUNT(params));
    for (size_t i = 0; i < COUNT(params); i++) {
        struct rn_param *p = rn_graph_param(g, params[i]);

        assert_ptr_equal(p, &g->params[i]);
        assert_int_equal((uintptr_t)p->data % RN_ALIGN, 0);
        for (size_t j = 0; j < p->count; j++)
            assert_true(p->data[j] == 0.0f);
    }
    /* Running statistics are not learned. */
    assert_int_equal(rn_graph_params(g), 112 + 8 + 50);
    assert_true(rn_param_trainable(rn_graph_param(g, "n.bias")));
    assert_false(rn_param_trainable(rn_graph_param(g, "n.running_mean")));
    assert_false(rn_param_trainable(rn_graph_param(g, "n.running_var")));
    assert_int_equal(rn_graph_macs(g), 108 * 48 + 40);
    assert_null(rn_graph_param(g, "n.running"));

    assert_int_equal(g->params[0].dims, 4);
    assert_int_equal(g->params[0].dim[0], 4);
    assert_int_equal(g->params[0].dim[1], 3);
    assert_int_equal(g->params[0].dim[2], 3);
    assert_int_equal(g->params[6].dims, 2);
    assert_int_equal(g->params[6].dim[0], 10);
    assert_int_equal(g->params[6].dim[1], 4);
    assert_float_equal(g->nodes[2].eps, 1e-5, 1e-10);
    assert_float_equal(g->nodes[2].momentum, 0.1, 1e-7);
    assert_int_equal(g->nodes[2].param[RN_P_VAR], 5);
    assert_int_equal(g->nodes[1].param[RN_P_MEAN], -1);
    rn_graph_destroy(g);
}

/* Flattened in the order of channels, rows, columns. */
static void fc_reads_all_pixels(void **state)
{
    struct rn_graph *g = with_input(3, 4, 5);

    (void)state;
    expect_shape(g, rn_graph_linear(g, 0, "fc", 10), 10, 1, 1);
    assert_int_equal(g->params[0].dim[1], 60);
    assert_int_equal(g->nodes[1].macs, 600);
    rn_graph_destroy(g);
}

static void groups_share_channels_out(void **state)
{
    const struct rn_window three = RN_WINDOW(3, 3, 1, 1);
    struct rn_graph *g = with_input(12, 4, 4);

    (void)state;
    expect_shape(g, rn_graph_conv_groups(g, 0, "c", 8, three, 4, false), 8, 4,
                 4);
    assert_int_equal(g->params[0].dim[0], 8);
    assert_int_equal(g->params[0].dim[1], 3);
    assert_int_equal(g->nodes[1].macs, 8 * 3 * 9 * 16);
    expect_error(g, rn_graph_conv_groups(g, 0, "d", 9, three, 4, false),
                 "'d' has 12 to 9 channels in 4 groups");
    g = with_input(12, 4, 4);
    expect_error(g, rn_graph_conv_groups(g, 0, "e", 10, three, 5, false),
                 "in 5 groups");
    g = with_input(12, 4, 4);
    expect_error(g, rn_graph_conv_groups(g, 0, "f", 12, three, 0, false),
                 "in 0 groups");
}

/* What PyTorch makes of them. */
static const struct pool_case {
    int h, w;
    struct rn_pool_options options;
    int out_h, out_w;
} pool_cases[] = {
    {112, 112, {RN_WINDOW(3, 3, 2, 0), true, false}, 56, 56},
    {112, 111, {RN_WINDOW(3, 3, 2, 0), false, false}, 55, 55},
    {7, 6, {RN_WINDOW(2, 2, 2, 0), true, false}, 4, 3},
    /* The last window would begin behind the input: it is left out. */
    {4, 4, {RN_WINDOW(2, 2, 3, 1), true, false}, 2, 2},
    {6, 6, {RN_WINDOW(1, 1, 4, 0), true, false}, 2, 2},
    {9,
     9,
     {{.kh = 3, .kw = 2, .stride = 2, .stride_w = 3}, false, false},
     4,
     3},
    {9,
     9,
     {{.kh = 3, .kw = 3, .stride = 1, .dilate_h = 1}, false, false},
     5,
     7},
    {9, 9, {{.kh = 2, .kw = 2, .stride = 2, .bottom = 1}, false, false}, 5, 4},
};

static void pools_end_where_others_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pool_cases); i++) {
        const struct pool_case *c = &pool_cases[i];
        struct rn_graph *g = with_input(3, c->h, c->w);

        expect_shape(g, rn_graph_max_pool_with(g, 0, "m", &c->options), 3,
                     c->out_h, c->out_w);
        expect_shape(g, rn_graph_avg_pool(g, 0, "a", &c->options), 3, c->out_h,
                     c->out_w);
        rn_graph_destroy(g);
    }
}

/* A window says a thing in one way only: kernels look for regular ones. */
static void windows_have_one_form(void **state)
{
    const struct rn_window same = {.kh = 3,
                                   .kw = 3,
                                   .stride = 2,
                                   .stride_w = 2,
                                   .top = 1,
                                   .left = 1,
                                   .bottom = 1,
                                   .right = 1};
    const struct rn_window odd = {
        .kh = 3, .kw = 3, .stride = 2, .pad = 1, .left = 1, .right = 2};
    struct rn_graph *g = with_input(4, 9, 9);
    const struct rn_window *w;

    (void)state;
    rn_graph_conv(g, 0, "same", 4, same, false);
    rn_graph_conv(g, 0, "odd", 4, odd, false);
    w = &g->nodes[1].window;
    assert_true(rn_window_regular(w));
    assert_int_equal(w->pad, 1);
    w = &g->nodes[2].window;
    assert_false(rn_window_regular(w));
    assert_int_equal(rn_window_top(w), 1);
    assert_int_equal(rn_window_left(w), 2);
    rn_graph_destroy(g);
}

static void others_shapes(void **state)
{
    struct rn_graph *g = with_input(6, 8, 6);
    int one;

    (void)state;
    expect_shape(g, rn_graph_zero_pad(g, 0, "pad", 1, 2, 3, 4), 6, 12, 12);
    expect_shape(g, rn_graph_concat(g, 0, 0, "cat"), 12, 8, 6);
    one = rn_graph_global_avg_pool(g, 0, "one");
    expect_shape(g, rn_graph_multiply(g, one, 0, "mul"), 6, 8, 6);
    assert_int_equal(g->nodes[g->output].input[0], 0);
    assert_int_equal(g->nodes[g->output].input[1], one);
    expect_shape(g, rn_graph_sigmoid(g, 0, "s"), 6, 8, 6);
    expect_shape(g, rn_graph_clip(g, 0, "c", 0, 6), 6, 8, 6);
    expect_shape(g, rn_graph_leaky_relu(g, 0, "l", 0.1f), 6, 8, 6);
    expect_shape(g, rn_graph_lrn(g, 0, "n", (struct rn_lrn){5, 1, 0.75f, 1}), 6,
                 8, 6);
    expect_shape(g, rn_graph_softmax(g, 0, "x"), 6, 8, 6);
    assert_int_equal(g->n_params, 0);
    expect_error(g, rn_graph_concat(g, 0, one, "bad"), "joins the channels");
    g = with_input(6, 8, 6);
    one = rn_graph_linear(g, 0, "fc", 5);
    expect_error(g, rn_graph_multiply(g, 0, one, "bad"),
                 "'bad' multiplies 'input' of 6x8x6 by 'fc' of 5x1x1");
    g = with_input(6, 8, 6);
    expect_error(g, rn_graph_clip(g, 0, "bad", 1, 0), "clips to 1..0");
    g = with_input(6, 8, 6);
    expect_error(g, rn_graph_clip(g, 0, "bad", NAN, 0), "clips to");
    g = with_input(6, 8, 6);
    expect_error(g, rn_graph_leaky_relu(g, 0, "bad", INFINITY), "slope");
    g = with_input(6, 8, 6);
    expect_error(g, rn_graph_lrn(g, 0, "bad", (struct rn_lrn){4, 1, 1, 1}),
                 "over 4 channels");
    g = with_input(6, 8, 6);
    expect_error(g, rn_graph_lrn(g, 0, "bad", (struct rn_lrn){5, -1, 1, 1}),
                 "alpha -1");
    g = with_input(6, 8, 6);
    expect_error(g, rn_graph_zero_pad(g, 0, "bad", -1, 0, 0, 0), "'bad' has");
    g = with_input(6, 8, 6);
    expect_error(g, rn_graph_concat_all(g, NULL, 0, "bad"), "no values");
    g = with_input(INT_MAX, 1, 1);
    expect_error(g, rn_graph_concat(g, 0, 0, "big"), "'big' would make");
}

static void windows_beyond_the_input_are_refused(void **state)
{
    static const struct rn_window bad[] = {
        {.kh = 3, .kw = 3, .stride = 1, .dilate_h = 65536},
        {.kh = 3, .kw = 3, .stride = 1, .dilate_w = -1},
        {.kh = 3, .kw = 3, .stride = 1, .top = -1},
        {.kh = 3, .kw = 3, .stride = 1, .right = 65536},
        {.kh = 3, .kw = 3, .stride = 1, .stride_w = -2},
        {.kh = INT_MAX, .kw = 3, .stride = 1, .dilate_h = 65535},
        {.kh = 3, .kw = 3, .stride = 1, .dilate_h = 4},
        /* Taps on either side of the picture, or all behind it. */
        {.kh = 2, .kw = 1, .stride = 1, .pad = 8, .dilate_h = 8},
        {.kh = 2, .kw = 2, .stride = 1, .bottom = 2},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct rn_pool_options o = {bad[i], false, false};
        struct rn_graph *g = with_input(3, 8, 8);

        expect_error(g, rn_graph_avg_pool(g, 0, "p", &o), "'p' has a window");
    }
}

static void impossible_shapes_are_refused(void **state)
{
    const struct rn_window five = RN_WINDOW(5, 5, 1, 0),
                           three = RN_WINDOW(3, 3, 1, 1);
    const struct rn_window no_stride = RN_WINDOW(3, 3, 0, 1),
                           blind = RN_WINDOW(2, 2, 1, 2);
    const struct rn_window negative = RN_WINDOW(3, 3, 1, -1),
                           empty = RN_WINDOW(0, 3, 1, 1);
    struct rn_graph *g;

    (void)state;
    g = with_input(3, 4, 9);
    expect_error(g, rn_graph_conv(g, 0, "conv1", 8, five, false),
                 "'conv1' has a window of 5x5, its input is 3x4x9 with pad 0");
    g = with_input(3, 9, 4);
    expect_error(g, rn_graph_max_pool(g, 0, "pool", five), "'pool' has a");
    g = with_input(3, 8, 8);
    expect_error(g, rn_graph_conv(g, 0, "c", 0, three, false),
                 "'c' has 0 channels");
    g = with_input(3, 8, 8);
    expect_error(g, rn_graph_conv(g, 0, "c", 4, no_stride, false), "stride 0");
    g = with_input(3, 8, 8);
    expect_error(g, rn_graph_conv(g, 0, "c", 4, negative, false), "pad -1");
    g = with_input(3, 8, 8);
    expect_error(g, rn_graph_conv(g, 0, "c", 4, empty, false), "of 0x3");
    g = with_input(3, 8, 8);
    expect_error(g, rn_graph_max_pool(g, 0, "m", blind), "see no pixel");
    g = with_input(3, 1, 1);
    expect_error(g, rn_graph_linear(g, 0, "fc", -1), "'fc' has -1 outputs");
    g = with_input(8, 8, 8);
    expect_error(g, rn_graph_subsample_pad(g, 0, "s", 4, 0, 1),
                 "'s' cannot pad 8 channels to 4");
    g = with_input(8, 8, 8);
    expect_error(g, rn_graph_subsample_pad(g, 0, "s", 8, 0, 0), "'s' has 0");
    g = with_input(8, 8, 8);
    expect_error(g, rn_graph_subsample_pad(g, 0, "s", 11, 4, 1),
                 "'s' cannot put 4 zero channels before 8 of 11");
    g = with_input(8, 8, 8);
    expect_error(g, rn_graph_subsample_pad(g, 0, "s", 11, -1, 1),
                 "'s' cannot put -1 zero channels");
    g = with_input(8, 8, 8);
    rn_graph_conv(g, 0, "c", 8, five, false);
    expect_error(g, rn_graph_add(g, 0, 1, "sum"),
                 "'sum' adds 'input' of 8x8x8 and 'c' of 8x4x4");
    g = with_input(0, 8, 8);
    expect_error(g, -1, "'input' would make 0x8x8");
    g = with_input(3, 8, -8);
    expect_error(g, -1, "'input' would make 3x8x-8");
}

static void overflows_are_refused(void **state)
{
    const struct rn_window three = RN_WINDOW(3, 3, 1, 1);
    const struct rn_window padded = RN_WINDOW(1, 1, 1, INT_MAX);
    struct rn_graph *g;

    (void)state;
    g = with_input(INT_MAX, INT_MAX, INT_MAX);
    expect_error(g, -1, "more than 2^31");
    g = with_input(1, 50000, 50000);
    expect_error(g, -1, "'input' would make 1x50000x50000");
    g = with_input(1, 4096, 4096);
    expect_error(g, rn_graph_conv(g, 0, "c", 1024, three, false),
                 "'c' would make 1024x4096x4096");
    g = with_input(1, 8, 8);
    expect_error(g, rn_graph_conv(g, 0, "c", 1, padded, false), "'c' has");

    /* Weights beyond the address space: refused by the allocation. */
    g = with_input(INT_MAX, 1, 1);
    assert_int_equal(rn_graph_linear(g, 0, "fc", INT_MAX), -1);
    assert_int_equal(g->error.code, RN_ERR_MEMORY);
    assert_non_null(strstr(g->error.msg, "'fc.weight'"));
    rn_graph_destroy(g);
}

static void the_first_failure_stays(void **state)
{
    const struct rn_window three = RN_WINDOW(3, 3, 1, 1);
    struct rn_graph *g = with_input(3, 8, 8);
    int x = rn_graph_conv(g, 0, "bad", 0, three, false);

    (void)state;
    assert_int_equal(x, -1);
    x = rn_graph_batch_norm(g, x, "bn");
    x = rn_graph_relu(g, x, "relu");
    x = rn_graph_add(g, x, x, "add");
    x = rn_graph_max_pool(g, x, "pool", three);
    x = rn_graph_global_avg_pool(g, x, "avg");
    x = rn_graph_subsample_pad(g, x, "pad", 8, 0, 1);
    x = rn_graph_linear(g, x, "fc", 10);
    assert_int_equal(rn_graph_input(g, (struct rn_shape){1, 1, 1}), -1);
    assert_int_equal(g->n_nodes, 1);
    expect_error(g, x, "'bad'");

    g = with_input(3, 8, 8);
    expect_error(g, rn_graph_relu(g, 1, "r"), "'r' reads value 1 of a graph");
    g = with_input(3, 8, 8);
    expect_error(g, rn_graph_relu(g, -1, "r"), "'r' reads value -1");
    g = with_input(3, 8, 8);
    expect_error(g, rn_graph_add(g, 0, 7, "r"), "'r' reads value 7");
    rn_graph_destroy(NULL);
}

static void names_have_a_limit(void **state)
{
    struct rn_graph *g = with_input(3, 8, 8);
    char name[400];

    (void)state;
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    expect_error(g, rn_graph_batch_norm(g, 0, name), "too long");
}

static void operations_have_names(void **state)
{
    (void)state;
    for (int op = 0; op < RN_OP_COUNT; op++)
        for (int other = 0; other < op; other++)
            assert_string_not_equal(rn_op_name((enum rn_op)op),
                                    rn_op_name((enum rn_op)other));
    assert_string_equal(rn_op_name(RN_OP_CONV), "conv");
    assert_string_equal(rn_op_name(RN_OP_BATCH_NORM), "batch_norm");
    assert_string_equal(rn_op_name(RN_OP_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_round_down),
        cmocka_unit_test(subsampling_rounds_up),
        cmocka_unit_test(a_network_is_described),
        cmocka_unit_test(fc_reads_all_pixels),
        cmocka_unit_test(groups_share_channels_out),
        cmocka_unit_test(pools_end_where_others_do),
        cmocka_unit_test(windows_have_one_form),
        cmocka_unit_test(others_shapes),
        cmocka_unit_test(windows_beyond_the_input_are_refused),
        cmocka_unit_test(impossible_shapes_are_refused),
        cmocka_unit_test(overflows_are_refused),
        cmocka_unit_test(the_first_failure_stays),
        cmocka_unit_test(names_have_a_limit),
        cmocka_unit_test(operations_have_names),
    };

    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
