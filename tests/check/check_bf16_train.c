/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * bfloat16 in training: kernels of every instruction set, bit for bit alike;
 * every pass of convolutions against the reference in double on rounded
 * operands; gradients of whole networks beside float32's. With
 * ONEDNN_MAX_CPU_ISA, as the tests' description sets it, the same emulated.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/dtype.h"
#include "core/isa.h"
#include "core/memory.h"
#include "model/model.h"
#include "ops/conv/conv.h"
#include "ops/conv/pair_kernels.h"
#include "ops/elementwise.h"
#include "plan/plan.h"
#include "resnet.h"
#include "support.h"
#include "train/optimiser.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is stored as bfloat16 is off by half a unit of the last of 8 binary
 * places at most; Winograd's transforms lose about two digits of float32. */
#define ROUNDING     (1.0 / 256)
#define DIRECT_TOL   1e-4
#define WINOGRAD_TOL 5e-4
/* Of Winograd's points in bfloat16: each is rounded before it is multiplied. */
#define ROUNDED_TOL 0.02

static void round_all(double *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)rn_bf16_of((float)x[i]) << 16;
        float rounded;

        memcpy(&rounded, &bits, sizeof(rounded));
        x[i] = (double)rounded;
    }
}

/* ---------------------------------------------------------------- kernels */

#ifdef __x86_64__
extern const struct rn_pair_kernels rn_pair_kernels_bf16_avx512,
    rn_pair_kernels_bf16_native;

enum { PIXELS = 37, SQUARE = 256, PAIRS = (PIXELS + 1) / 2 };

/** What all kernels make of the same numbers. */
struct made {
    uint16_t x[PAIRS * 32], dy[PAIRS * 32], packed[SQUARE], turned[SQUARE];
    float dw[SQUARE], sums[16];
};

static void make(const struct rn_pair_kernels *k, const uint16_t *x,
                 const uint16_t *dy, const float *w, struct made *m)
{
    memset(m, 0, sizeof(*m));
    k->interleave(x, PIXELS, m->x);
    k->interleave(dy, PIXELS, m->dy);
    k->accumulate(&(struct rn_pair_rows){m->x, m->dy, 0, 0, 1, PAIRS}, true,
                  m->dw);
    k->accumulate(&(struct rn_pair_rows){m->x, m->dy, 32, 64, 3, PAIRS / 3},
                  false, m->dw);
    k->sum(dy, PIXELS, true, m->sums);
    k->sum(x, PIXELS, false, m->sums);
    k->pack(w, 32, m->packed);
    k->pack_turned(w, m->turned);
}

static void kernels_are_alike(void **state)
{
    static struct made emulated, native;
    double numbers[SQUARE];
    uint16_t x[PIXELS * 16], dy[PIXELS * 16];
    float w[SQUARE];

    (void)state;
    if (!rn_isa_within(NULL).bf16)
        skip();
    check_fill(numbers, SQUARE, 1, 0, 1);
    for (int i = 0; i < SQUARE; i++)
        w[i] = (float)numbers[i];
    for (int i = 0; i < PIXELS * 16; i++) {
        x[i] = rn_bf16_of((float)numbers[i % SQUARE]);
        dy[i] = rn_bf16_of((float)numbers[(i * 7 + 3) % SQUARE]);
    }
    make(&rn_pair_kernels_bf16_avx512, x, dy, w, &emulated);
    make(&rn_pair_kernels_bf16_native, x, dy, w, &native);
    assert_memory_equal(&emulated, &native, sizeof(native));
    for (int i = 0; i < 16; i++)
        for (int o = 0; o < 16; o++) {
            uint16_t rounded = rn_bf16_of(w[i * 16 + o]);

            assert_int_equal(native.packed[(i / 2 * 16 + o) * 2 + i % 2],
                             rounded);
            assert_int_equal(native.turned[(o / 2 * 16 + i) * 2 + o % 2],
                             rounded);
        }
}
#else
static void kernels_are_alike(void **state)
{
    (void)state;
    skip();
}
#endif

/* ----------------------------------------------------------- convolutions */

static const struct conv_shape {
    const char *name;
    int n, ic, oc, h, w, k, stride, pad;
} conv_shapes[] = {
    {"1x1", 3, 64, 48, 9, 7, 1, 1, 0},
    {"1x1 of 2", 2, 32, 80, 9, 12, 1, 2, 0},
    {"1x1 of 3, padded", 2, 20, 33, 7, 8, 1, 3, 1},
    {"3x3", 2, 32, 64, 13, 10, 3, 1, 1},
    {"3x3, few channels", 3, 16, 16, 11, 14, 3, 1, 1},
    {"3x3, odd channels", 2, 5, 19, 9, 9, 3, 1, 1},
    {"3x3 of 2", 2, 32, 48, 14, 11, 3, 2, 1},
    {"3x3 of 2, wide", 1, 130, 40, 8, 8, 3, 2, 1},
    {"3x3 of 3, no padding", 2, 16, 24, 11, 10, 3, 3, 0},
    {"5x5 of 2", 1, 16, 16, 13, 12, 5, 2, 2},
    {"2x2 of 4", 1, 16, 16, 9, 9, 2, 4, 0},
    {"7x7 of 2", 1, 8, 16, 17, 15, 7, 2, 3},
    {"one row", 2, 16, 16, 1, 30, 3, 1, 1},
    {"3x3, many channels", 2, 256, 256, 9, 7, 3, 1, 1},
};

struct problem {
    const struct conv_shape *c;
    struct rn_shape in, out;
    struct rn_window window;
    struct ref_window ref;
    double *x, *w, *b, *dy;
    void *src, *dst_diff; /* bfloat16 in blocks */
    float *weights, *bias;
};

/* In blocks, of bfloat16; released by rn_free(). */
static void *narrowed(const double *plain, int n, struct rn_shape s)
{
    size_t count = blocked_floats(n, s);
    float *blocked = rn_alloc(count, sizeof(*blocked));
    uint16_t *narrow = rn_alloc(count, sizeof(*narrow));

    assert_true(blocked && narrow);
    to_blocked(plain, n, s, blocked);
    rn_narrow(RN_BF16, blocked, narrow, count, 1);
    rn_free(blocked);
    return narrow;
}

static double *rounded(size_t count, uint64_t stream, double scale)
{
    double *x = check_doubles(count);

    check_fill(x, count, stream, 0, scale);
    round_all(x, count);
    return x;
}

static struct problem problem_of(const struct conv_shape *c)
{
    struct problem p = {.c = c, .in = {c->ic, c->h, c->w}};
    uint64_t stream = 10 * (uint64_t)(c - conv_shapes);
    float *oihw;

    p.window = (struct rn_window)RN_WINDOW(c->k, c->k, c->stride, c->pad);
    p.out = window_output(p.in, c->oc, p.window);
    p.ref = ref_window_of(c->n, p.in, p.out, p.window);
    p.x = rounded(ref_inputs(&p.ref), stream, 1);
    p.w = rounded(ref_weights(&p.ref), stream + 1,
                  3 / sqrt((double)c->ic * c->k * c->k));
    p.b = rounded((size_t)c->oc, stream + 2, 1);
    /* So that gradients of weights are about one, too. */
    p.dy = rounded(ref_outputs(&p.ref), stream + 3,
                   3 / sqrt((double)c->n * p.out.h * p.out.w));
    p.src = narrowed(p.x, c->n, p.in);
    p.dst_diff = narrowed(p.dy, c->n, p.out);
    oihw = rn_alloc(ref_weights(&p.ref), sizeof(*oihw));
    p.weights = rn_alloc(rn_conv_weights_count(c->oc, c->ic, p.window, false),
                         sizeof(*p.weights));
    p.bias = rn_alloc(rn_channels_padded(c->oc), sizeof(*p.bias));
    assert_true(oihw && p.weights && p.bias);
    to_floats(p.w, ref_weights(&p.ref), oihw);
    rn_conv_weights_to_store(oihw, p.weights, c->oc, c->ic, p.window, false);
    to_floats(p.b, (size_t)c->oc, p.bias);
    rn_free(oihw);
    return p;
}

static void problem_close(struct problem *p)
{
    free(p->x);
    free(p->w);
    free(p->b);
    free(p->dy);
    rn_free(p->src);
    rn_free(p->dst_diff);
    rn_free(p->weights);
    rn_free(p->bias);
}

/** What a pass makes: values in blocks as float32, weights' gradient, bias's.
 */
struct result {
    float *values, *dw, *db;
    size_t n_values, n_weights, n_bias;
    bool winograd, rounded;
};

static struct result run_pass(const struct problem *p, enum rn_conv_pass pass,
                              bool bias, bool exact, int threads)
{
    const struct conv_shape *c = p->c;
    struct rn_conv_config config = {.n = c->n,
                                    .in = p->in,
                                    .out = p->out,
                                    .window = p->window,
                                    .pass = pass,
                                    .threads = threads,
                                    .bias = bias,
                                    .train = true,
                                    .exact = exact,
                                    .input = RN_BF16,
                                    .output = RN_BF16};
    struct rn_shape shape = pass == RN_CONV_BACKWARD_DATA ? p->in : p->out;
    struct result r = {
        .n_values = blocked_floats(c->n, shape),
        .n_weights = rn_conv_weights_count(c->oc, c->ic, p->window, false),
        .n_bias = rn_channels_padded(c->oc)};
    struct rn_conv *conv;
    struct rn_error err = {0};
    struct guarded scratch, packed, made;
    struct rn_conv_args args = {.src = p->src,
                                .weights = p->weights,
                                .bias = p->bias,
                                .diff_dst = p->dst_diff};

    if (rn_conv_create(&conv, &config, false, &err) != RN_OK)
        fail_msg("%s: %s", c->name, err.msg);
    r.winograd = strstr(rn_conv_algorithm(conv), "winograd") != NULL;
    r.rounded = strstr(rn_conv_algorithm(conv), "2x2 bf16") != NULL;
    scratch = guarded_floats((rn_conv_scratch_bytes(conv) + 3) / 4);
    packed = guarded_floats((rn_conv_packed_bytes(conv) + 3) / 4);
    made = guarded_floats((r.n_values + 1) / 2);
    r.values = rn_alloc(r.n_values, sizeof(float));
    r.dw = rn_alloc(r.n_weights, sizeof(float));
    r.db = rn_alloc(r.n_bias, sizeof(float));
    assert_true(r.values && r.dw && r.db);
    args.dst = args.diff_src = made.x;
    args.diff_weights = r.dw;
    args.diff_bias = r.db;
    args.scratch = scratch.x;
    if (pass != RN_CONV_BACKWARD_WEIGHTS && rn_conv_needs_pack(conv)) {
        assert_int_equal(rn_conv_pack(conv, p->weights, packed.x, &err), RN_OK);
        args.weights = packed.x;
    }
    if (rn_conv_run(conv, &args, &err) != RN_OK)
        fail_msg("%s: %s", c->name, err.msg);
    if (pass != RN_CONV_BACKWARD_WEIGHTS)
        rn_widen(RN_BF16, made.x, r.values, r.n_values, 1);
    assert_int_equal(guarded_check(&scratch, "scratch") +
                         guarded_check(&packed, "packed weights") +
                         guarded_check(&made, "values"),
                     0);
    guarded_free(&scratch);
    guarded_free(&packed);
    guarded_free(&made);
    rn_conv_destroy(conv);
    return r;
}

static void result_free(struct result *r)
{
    rn_free(r->values);
    rn_free(r->dw);
    rn_free(r->db);
}

static int compare_values(const struct problem *p, const char *name,
                          const struct result *r, bool data, bool bias)
{
    struct rn_shape shape = data ? p->in : p->out;
    size_t count = data ? ref_inputs(&p->ref) : ref_outputs(&p->ref);
    double tol = r->rounded    ? ROUNDED_TOL
                 : r->winograd ? ROUNDING + WINOGRAD_TOL
                               : ROUNDING + DIRECT_TOL;
    int bad = check_padding(name, r->values, p->c->n, shape);

    for (size_t i = 0; i < count && bad < 5; i++)
        bad += check_value(
            name, data ? "diff_src" : "dst", i,
            (double)blocked_at(r->values, shape, i),
            data ? ref_conv_data_at(&p->ref, p->dy, p->w, i)
                 : ref_conv_at(&p->ref, p->x, p->w, bias ? p->b : NULL, i),
            tol);
    return bad;
}

/* Padding too: it is zero in the store. */
static int compare_weights(const struct problem *p, const char *name,
                           const struct result *r, bool bias)
{
    const struct conv_shape *c = p->c;
    double tol = r->winograd ? WINOGRAD_TOL : DIRECT_TOL;
    float *plain = rn_alloc(ref_weights(&p->ref), sizeof(*plain));
    float *again = rn_alloc(r->n_weights, sizeof(*again));
    int bad = 0;

    assert_true(plain && again);
    rn_conv_weights_from_store(r->dw, plain, c->oc, c->ic, p->window, false);
    rn_conv_weights_to_store(plain, again, c->oc, c->ic, p->window, false);
    bad += memcmp(again, r->dw, r->n_weights * sizeof(float)) != 0;
    for (size_t i = 0; i < ref_weights(&p->ref) && bad < 5; i++)
        bad += check_value(name, "diff_weights", i, (double)plain[i],
                           ref_conv_weights_at(&p->ref, p->x, p->dy, i), tol);
    for (size_t i = 0; bias && i < (size_t)c->oc && bad < 5; i++)
        bad += check_value(name, "diff_bias", i, (double)r->db[i],
                           ref_conv_bias_at(&p->ref, p->dy, i), tol);
    rn_free(plain);
    rn_free(again);
    return bad;
}

static const char *const pass_names[] = {"forward", "data", "weights"};

static int check_pass(const struct problem *p, enum rn_conv_pass pass,
                      bool bias, bool exact)
{
    struct result first = run_pass(p, pass, bias, exact, 1);
    char name[120];
    int bad = 0;

    snprintf(name, sizeof(name), "%s, %s%s%s", p->c->name, pass_names[pass],
             bias ? ", bias" : "", exact ? ", exact" : "");
    bad += pass == RN_CONV_BACKWARD_WEIGHTS
               ? compare_weights(p, name, &first, bias)
               : compare_values(p, name, &first, pass == RN_CONV_BACKWARD_DATA,
                                bias);
    for (int threads = 2; threads <= 3; threads++) {
        struct result r = run_pass(p, pass, bias, exact, threads);

        if (memcmp(r.values, first.values, r.n_values * sizeof(float)) != 0 ||
            memcmp(r.dw, first.dw, r.n_weights * sizeof(float)) != 0 ||
            memcmp(r.db, first.db, r.n_bias * sizeof(float)) != 0) {
            print_error("%s: other bits on %d threads\n", name, threads);
            bad++;
        }
        result_free(&r);
    }
    result_free(&first);
    return bad;
}

static void convolutions(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(conv_shapes); i++) {
        struct problem p = problem_of(&conv_shapes[i]);

        for (int pass = 0; pass < RN_CONV_PASSES; pass++)
            for (int exact = 0; exact < 2; exact++) {
                bad += check_pass(&p, pass, false, exact);
                if (pass != RN_CONV_BACKWARD_DATA)
                    bad += check_pass(&p, pass, true, exact);
            }
        problem_close(&p);
    }
    assert_int_equal(bad, 0);
}

/* Of plain images: the store's weights are packed as those in plain layout, of
 * which check-bf16 compares the products. */
static void first_convolution(void **state)
{
    enum { OUT = 20, TAP = 5, WEIGHTS = OUT * 3 * TAP * TAP };
    struct rn_conv_config config = {
        .n = 1,
        .in = {3, 16, 16},
        .out = {OUT, 8, 8},
        .window = RN_WINDOW(TAP, TAP, 2, 2),
        .threads = 1,
        .plain_input = true,
        .output = RN_BF16,
    };
    double numbers[WEIGHTS];
    float oihw[WEIGHTS], *store;
    struct rn_error err = {0};
    struct guarded packed[2];

    (void)state;
    check_fill(numbers, WEIGHTS, 5, 0, 1);
    to_floats(numbers, WEIGHTS, oihw);
    store = rn_alloc(rn_conv_weights_count(OUT, 3, config.window, true),
                     sizeof(*store));
    assert_non_null(store);
    rn_conv_weights_to_store(oihw, store, OUT, 3, config.window, true);
    for (int train = 0; train < 2; train++) {
        struct rn_conv *conv;

        config.train = train;
        assert_int_equal(rn_conv_create(&conv, &config, false, &err), RN_OK);
        packed[train] = guarded_floats(rn_conv_packed_bytes(conv) / 4);
        assert_int_equal(
            rn_conv_pack(conv, train ? store : oihw, packed[train].x, &err),
            RN_OK);
        rn_conv_destroy(conv);
    }
    assert_memory_equal(packed[0].x, packed[1].x,
                        packed[0].count * sizeof(float));
    guarded_free(&packed[0]);
    guarded_free(&packed[1]);
    rn_free(store);
}

/* --------------------------------------------------------------- networks */

enum { IMAGES = 8, CLASSES = 10 };

static const struct net_case {
    const char *net;
    char shortcut;
    int size;
    /* Cosines with float32's gradient are at least these: of all layers, and
     * of the quarter of the parameters nearest to the loss. With random weights
     * rounding grows from layer to layer; PyTorch's autocast has 0.93 for
     * ResNet-18 and 0.17 for ResNet-50 at this size. */
    double all, last;
} net_cases[] = {
    {"", 'A', 16, 0.97, 0.99},         {"resnet20", 'A', 16, 0.95, 0.99},
    {"resnet20", 'B', 16, 0.93, 0.99}, {"resnet18", 'B', 64, 0.9, 0.95},
    {"resnet50", 'B', 64, 0.1, 0.8},   {"resnext50_32x4d", 'B', 32, 0, 0.4},
};

/* A network of nobody's: the images stand among values of the first layer, in a
 * concatenation, in a product, and gated by themselves. */
static struct rn_model *images_among_values(int size)
{
    const struct rn_window three = RN_WINDOW(3, 3, 1, 1);
    struct rn_graph *g = rn_graph_create();
    struct rn_net_spec spec;
    struct rn_model *model;
    int x, y, z;

    assert_non_null(g);
    x = rn_graph_input(g, (struct rn_shape){3, size, size});
    y = rn_graph_relu(g, rn_graph_conv(g, x, "a", 3, three, true), "relu_a");
    z = rn_graph_multiply(g, x, y, "product");
    z = rn_graph_add(g, z, rn_graph_multiply(g, y, x, "other"), "sum");
    z = rn_graph_concat_all(g, (const int[]){y, x, z, x}, 4, "all");
    z = rn_graph_maxout(g, rn_graph_conv(g, z, "b", 40, three, true), "largest",
                        2);
    y = rn_graph_global_avg_pool(g, z, "mean");
    y = rn_graph_sigmoid(g, rn_graph_linear(g, y, "c", 20), "gate");
    z = rn_graph_global_avg_pool(g, rn_graph_multiply(g, z, y, "gated"),
                                 "pool");
    rn_graph_linear(g, z, "fc", CLASSES);
    assert_int_equal(g->error.code, RN_OK);
    rn_net_of_graph(&spec, "nobody's", g);
    model = rn_model_wrap(&spec, g);
    assert_non_null(model);
    return model;
}

/* Norms of gradients are as near. */
#define NORM_TOL 0.1

/* How many of them: emulated with small vectors they take long. */
static size_t net_count(void)
{
    return check_fast() ? 3 : COUNT(net_cases);
}

struct lesson {
    struct rn_model *model;
    struct rn_store *store;
    struct rn_plan *plan;
    struct rn_flat flat;
    float *images;
    int32_t labels[IMAGES];
    struct rn_step_result result;
};

static struct lesson lesson_of(const struct net_case *c, int precision,
                               int threads, int recompute)
{
    struct rn_net_options net;
    struct rn_plan_options options;
    struct lesson l = {.model = NULL};
    struct rn_error err = {0};
    size_t count = (size_t)IMAGES * 3 * (size_t)c->size * (size_t)c->size;
    double *numbers = check_doubles(count);

    rn_net_defaults(&net);
    net.classes = CLASSES;
    net.height = net.width = c->size;
    net.shortcut = c->shortcut;
    if (!*c->net)
        l.model = images_among_values(c->size);
    else if (rn_model_create(&l.model, c->net, &net, &err) != RN_OK)
        fail_msg("%s: %s", c->net, err.msg);
    rn_model_init(l.model, 3);
    if (rn_store_create(&l.store, l.model->graph, 1, &err) != RN_OK)
        fail_msg("%s", err.msg);
    rn_plan_defaults(&options);
    options.mode = RN_MODE_TRAIN;
    options.batch = IMAGES;
    options.threads = threads;
    options.precision = precision;
    options.recompute = recompute;
    options.emulate = 1;
    if (rn_plan_build(&l.plan, l.store, &options, &err) != RN_OK)
        fail_msg("%s: %s", c->net, err.msg);
    rn_store_flat(l.store, &l.flat);
    l.images = rn_alloc(count, sizeof(*l.images));
    assert_non_null(l.images);
    check_fill(numbers, count, 77, 0, 1.7);
    to_floats(numbers, count, l.images);
    free(numbers);
    for (int i = 0; i < IMAGES; i++)
        l.labels[i] = i * 7 % CLASSES;
    return l;
}

static void learn(struct lesson *l, int steps, float rate)
{
    const struct rn_update update = {
        .optimiser = &rn_optimiser_sgd, .option = {0.9}, .threads = 1};
    struct rn_error err = {0};

    for (int i = 0; i < steps; i++) {
        if (rn_plan_train(l->plan, l->images, l->labels, 0, &l->result, &err))
            fail_msg("%s", err.msg);
        rn_update_step((struct rn_update *)&update, l->model->graph, &l->flat,
                       rate, 1);
    }
}

static void lesson_close(struct lesson *l)
{
    rn_plan_destroy(l->plan);
    rn_store_destroy(l->store);
    rn_model_destroy(l->model);
    rn_free(l->images);
}

static double dot(const float *a, const float *b, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static double cosine(const float *a, const float *b, size_t count)
{
    return dot(a, b, count) / sqrt(dot(a, a, count) * dot(b, b, count));
}

static void gradients_are_near(void **state)
{
    (void)state;
    for (size_t i = 0; i < net_count(); i++) {
        const struct net_case *c = &net_cases[i];
        struct lesson a = lesson_of(c, RN_PRECISION_FP32, 2, 0);
        struct lesson b = lesson_of(c, RN_PRECISION_BF16, 2, 0);
        size_t count = a.flat.count;
        double all, last, norm;

        learn(&a, 1, 0);
        learn(&b, 1, 0);
        all = cosine(a.flat.grad, b.flat.grad, count);
        last = cosine(a.flat.grad, b.flat.grad, count / 4);
        norm = sqrt(dot(b.flat.grad, b.flat.grad, count) /
                    dot(a.flat.grad, a.flat.grad, count)) -
               1;
        print_message("# %s %c: loss %.4f and %.4f, cosine %.4f, of the last "
                      "%.4f, norm %+.4f\n",
                      c->net, c->shortcut, a.result.loss / IMAGES,
                      b.result.loss / IMAGES, all, last, norm);
        if (!(all >= c->all && last >= c->last && fabs(norm) <= NORM_TOL))
            fail_msg("%s: gradients stray", c->net);
        lesson_close(&a);
        lesson_close(&b);
    }
}

static void same(const struct lesson *a, const struct lesson *b,
                 const char *net, const char *what)
{
    if (memcmp(a->flat.value, b->flat.value, a->flat.count * sizeof(float)) ||
        memcmp(&a->result.loss, &b->result.loss, sizeof(double)))
        fail_msg("%s: other weights with %s", net, what);
}

static void bits_stay(void **state)
{
    (void)state;
    for (size_t i = 0; i < net_count(); i++) {
        const struct net_case *c = &net_cases[i];
        struct lesson one =
            lesson_of(c, RN_PRECISION_BF16, 1, RN_RECOMPUTE_NONE);

        learn(&one, 2, 0.05F);
        assert_true(isfinite(one.result.loss));
        for (int level = RN_RECOMPUTE_NONE; level <= RN_RECOMPUTE_BLOCKS;
             level++) {
            struct lesson two = lesson_of(c, RN_PRECISION_BF16, 2, level);

            learn(&two, 2, 0.05F);
            same(&one, &two, c->net,
                 level == RN_RECOMPUTE_NONE ? "2 threads" : "recomputation");
            lesson_close(&two);
        }
        lesson_close(&one);
    }
}

static void one_batch_is_learned_by_heart(void **state)
{
    static const struct net_case net = {"resnet8", 'A', 16, 0, 0};
    struct lesson l = lesson_of(&net, RN_PRECISION_BF16, 2, 0);

    (void)state;
    learn(&l, 1, 0.05F);
    assert_true(l.result.loss / IMAGES > 1);
    learn(&l, 60, 0.05F);
    print_message("# loss %.5f\n", l.result.loss / IMAGES);
    assert_int_equal(l.result.errors, 0);
    assert_true(l.result.loss / IMAGES < 0.02);
    lesson_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_are_alike),
        cmocka_unit_test(convolutions),
        cmocka_unit_test(first_convolution),
        cmocka_unit_test(gradients_are_near),
        cmocka_unit_test(bits_stay),
        cmocka_unit_test(one_batch_is_learned_by_heart),
    };

    return cmocka_run_group_tests_name("bf16 train", tests, NULL, NULL);
}
