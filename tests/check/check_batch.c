/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * An image's answer does not depend on what shares its batch, on its place
 * there, on the plan's batch or on the number of threads: equal to the bit.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cases.h"
#include "core/isa.h"
#include "core/memory.h"
#include "ops/conv/conv.h"
#include "ops/conv/groups.h"
#include "model/model.h"
#include "plan/internal.h"
#include "resnet.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int batches[] = {1, 2, 3, 5, 16};
enum { IMAGES = 16 };

/* ----------------------------------------------------------- convolutions */

struct job {
    struct rn_conv_config config;
    const float *src, *weights, *bias;
    size_t src_floats, dst_floats; /* of an image */
};

static float *floats(size_t count, uint64_t stream)
{
    double *x = check_doubles(count);
    float *f = rn_alloc(count, sizeof(*f));

    assert_non_null(f);
    check_fill(x, count, stream, 0, 1);
    to_floats(x, count, f);
    free(x);
    return f;
}

/* Images [first, first + n) into dst. */
static void run(const struct job *j, int first, int n, int threads, float *dst,
                char *algorithm)
{
    struct rn_conv_config config = j->config;
    struct rn_conv *conv;
    struct rn_error err = {0};
    void *packed, *scratch;

    config.n = n;
    config.threads = threads;
    if (rn_conv_create(&conv, &config, false, &err))
        fail_msg("%s", err.msg);
    snprintf(algorithm, 64, "%s", rn_conv_algorithm(conv));
    packed = rn_alloc(1, rn_conv_packed_bytes(conv) + 64);
    scratch = rn_alloc(1, rn_conv_scratch_bytes(conv) + 64);
    assert_true(packed && scratch);
    if (rn_conv_pack(conv, j->weights, packed, &err) ||
        rn_conv_run(conv,
                    &(struct rn_conv_args){
                        .src = j->src + (size_t)first * j->src_floats,
                        .weights = packed,
                        .bias = j->bias,
                        .dst = dst,
                        .scratch = scratch,
                    },
                    &err))
        fail_msg("%s", err.msg);
    rn_conv_destroy(conv);
    rn_free(packed);
    rn_free(scratch);
}

static int compare(const struct job *j, const char *name, const float *want,
                   int n, int threads, const char *alone)
{
    float *dst = rn_alloc((size_t)n * j->dst_floats, sizeof(*dst));
    char algorithm[64];
    int bad = 0;

    assert_non_null(dst);
    for (int first = 0; first + n <= IMAGES && !bad; first += n) {
        run(j, first, n, threads, dst, algorithm);
        for (int i = 0; i < n && !bad; i++)
            bad = memcmp(dst + (size_t)i * j->dst_floats,
                         want + (size_t)(first + i) * j->dst_floats,
                         j->dst_floats * sizeof(*dst)) != 0;
    }
    if (bad)
        print_error("%s: batch %d on %d threads (%s) differs from an image "
                    "alone (%s)\n",
                    name, n, threads, algorithm, alone);
    rn_free(dst);
    return bad;
}

static int check_conv(const char *name, struct rn_conv_config config)
{
    struct job j = {.config = config};
    char alone[64];
    size_t bias = rn_channels_padded(config.out.c);
    float *src, *weights, *biases, *want;
    int bad = 0;

    j.config.plain_input =
        rn_conv_plain_input(config.in.c) && !rn_is_grouped(&config);
    j.src_floats =
        j.config.plain_input
            ? (size_t)config.in.c * (size_t)config.in.h * (size_t)config.in.w
            : blocked_floats(1, config.in);
    j.dst_floats = blocked_floats(1, config.out);
    j.src = src = floats(IMAGES * j.src_floats, 1);
    j.weights = weights =
        floats((size_t)config.out.c * (size_t)config.in.c *
                   (size_t)config.window.kh * (size_t)config.window.kw,
               2);
    j.bias = biases = floats(bias, 3);
    for (size_t i = (size_t)config.out.c; i < bias; i++)
        biases[i] = 0;
    want = rn_alloc(IMAGES * j.dst_floats, sizeof(*want));
    assert_non_null(want);
    for (int i = 0; i < IMAGES; i++)
        run(&j, i, 1, 1, want + (size_t)i * j.dst_floats, alone);
    for (size_t i = 0; i < COUNT(batches); i++)
        for (int threads = 1; threads <= (check_fast() ? 2 : 3); threads++)
            bad += compare(&j, name, want, batches[i], threads, alone);
    rn_free(src);
    rn_free(weights);
    rn_free(biases);
    rn_free(want);
    return bad;
}

static const struct batch_case {
    int ic, oc, h, w, k, stride, pad, dilate, groups;
} conv_batch_cases[] = {
    {3, 64, 56, 56, 7, 2, 3, 0, 1},     {3, 16, 32, 32, 3, 1, 1, 0, 1},
    {1, 6, 28, 28, 5, 1, 0, 0, 1},      {16, 16, 32, 32, 3, 1, 1, 0, 1},
    {16, 32, 32, 32, 3, 2, 1, 0, 1},    {32, 32, 16, 16, 3, 1, 1, 0, 1},
    {64, 64, 8, 8, 3, 1, 1, 0, 1},      {64, 64, 28, 28, 3, 1, 1, 0, 1},
    {128, 128, 14, 14, 3, 1, 1, 0, 1},  {256, 256, 7, 7, 3, 1, 1, 0, 1},
    {256, 256, 14, 14, 3, 1, 1, 0, 1},  {512, 512, 7, 7, 3, 1, 1, 0, 1},
    {512, 512, 4, 4, 3, 1, 1, 0, 1},    {512, 512, 2, 2, 3, 1, 1, 0, 1},
    {512, 512, 1, 1, 3, 1, 1, 0, 1},    {64, 96, 2, 3, 3, 1, 1, 0, 1},
    {512, 1000, 1, 1, 1, 1, 0, 0, 1},   {2048, 1000, 1, 1, 1, 1, 0, 0, 1},
    {64, 10, 1, 1, 1, 1, 0, 0, 1},      {256, 128, 6, 6, 6, 1, 0, 0, 1},
    {64, 256, 14, 14, 1, 1, 0, 0, 1},   {256, 512, 14, 14, 1, 2, 0, 0, 1},
    {128, 128, 14, 14, 3, 1, 1, 0, 32}, {64, 64, 14, 14, 3, 1, 1, 0, 64},
    {96, 96, 15, 15, 3, 2, 1, 0, 96},   {40, 24, 9, 11, 3, 1, 1, 0, 1},
    {64, 64, 17, 17, 3, 1, 2, 1, 1},    {48, 64, 13, 13, 5, 1, 2, 0, 1},
    {96, 256, 13, 13, 5, 1, 2, 0, 2},   {384, 256, 13, 13, 3, 1, 1, 0, 2},
    {256, 256, 5, 5, 3, 1, 1, 0, 1},    {240, 120, 9, 9, 1, 1, 0, 0, 1},
};

static void convolutions(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(conv_batch_cases); i++) {
        const struct batch_case *c = &conv_batch_cases[i];
        struct rn_conv_config config = {
            .in = {c->ic, c->h, c->w},
            .window = RN_WINDOW(c->k, c->k, c->stride, c->pad),
            .groups = c->groups,
            .bias = true,
            .relu = i % 2,
        };
        char name[80];

        config.window.dilate_h = config.window.dilate_w = c->dilate;
        config.out = (struct rn_shape){
            c->oc,
            (c->h + 2 * c->pad - rn_window_rows(&config.window)) / c->stride +
                1,
            (c->w + 2 * c->pad - rn_window_columns(&config.window)) /
                    c->stride +
                1};
        for (int exact = 0; exact < 2; exact++) {
            config.exact = exact;
            snprintf(name, sizeof(name),
                     "%dx%dx%d -> %d, %dx%d/%d, %d groups%s", c->ic, c->h, c->w,
                     c->oc, c->k, c->k, c->stride, c->groups,
                     exact ? ", exact" : "");
            bad += check_conv(name, config);
        }
    }
    assert_int_equal(bad, 0);
}

/* --------------------------------------------------------------- networks */

static const struct batch_net {
    const char *net;
    int side;
} nets[] = {
    {"resnet20", 32},        {"resnet110", 32},       {"resnet18", 64},
    {"resnet18", 112},       {"resnet50", 64},        {"resnet50", 224},
    {"resnext50_32x4d", 64}, {"wide_resnet50_2", 64},
};

static struct rn_model *make_model(const struct batch_net *net)
{
    struct rn_net_options options;
    struct rn_model *model;
    struct rn_error err;

    rn_net_defaults(&options);
    options.classes = 10;
    options.height = options.width = net->side;
    if (rn_model_create(&model, net->net, &options, &err))
        fail_msg("%s: %s", net->net, err.msg);
    rn_model_init(model, check_seed());
    return model;
}

/* Logits of images [first, first + batch). */
static void answer(const struct rn_graph *graph, int batch, int threads,
                   bool exact, const float *images, float *logits)
{
    const struct rn_plan_options options = {
        .batch = batch, .threads = threads, .exact = exact};
    struct rn_store *store = NULL;
    struct rn_plan *plan = NULL;
    struct rn_error err;

    if (rn_store_borrow(&store, graph, &err) ||
        rn_plan_build(&plan, store, &options, &err) ||
        rn_plan_forward(plan, images, logits, &err))
        fail_msg("%s", err.msg);
    rn_store_destroy(store);
    rn_plan_destroy(plan);
}

/* One image in every place of a batch of others. */
static int check_graph(const char *name, const struct rn_graph *graph,
                       bool exact)
{
    const struct rn_shape *in = &graph->nodes[0].shape;
    size_t classes = (size_t)graph->nodes[graph->output].shape.c;
    size_t image = (size_t)in->c * (size_t)in->h * (size_t)in->w;
    float *images = floats(IMAGES * image, 5), *turned;
    float *want = rn_alloc(IMAGES * classes, sizeof(*want));
    float *got = rn_alloc(IMAGES * classes, sizeof(*got));
    int bad = 0, most = in->h > 112 ? 3 : IMAGES;

    turned = rn_alloc(IMAGES * image, sizeof(*turned));
    assert_true(turned && want && got);
    for (int i = 0; i < IMAGES; i++) /* number i is in place i + 1 */
        memcpy(turned + (size_t)((i + 1) % IMAGES) * image,
               images + (size_t)i * image, image * sizeof(*images));
    for (int i = 0; i < most; i++)
        answer(graph, 1, 1, exact, images + (size_t)i * image,
               want + (size_t)i * classes);
    assert_memory_not_equal(want, want + classes, classes * sizeof(*want));
    for (size_t k = 1; k < COUNT(batches) && batches[k] <= most; k++) {
        int n = batches[k];
        size_t bytes = (size_t)n * classes * sizeof(*got);

        answer(graph, n, 2, exact, images, got);
        bad += memcmp(got, want, bytes) != 0;
        answer(graph, n, 2, exact, turned, got);
        bad += memcmp(got + classes, want, bytes - classes * sizeof(*got)) != 0;
        if (bad)
            print_error("%s of %d pixels, batch %d%s: not as alone\n", name,
                        in->h, n, exact ? ", exact" : "");
    }
    rn_free(images);
    rn_free(turned);
    rn_free(want);
    rn_free(got);
    return bad;
}

static int check_net(const struct batch_net *net, bool exact)
{
    struct rn_model *model = make_model(net);
    int bad = check_graph(net->net, model->graph, exact);

    rn_model_destroy(model);
    return bad;
}

static void networks(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(nets); i += check_fast() ? 2 : 1)
        for (int exact = 0; exact < (nets[i].side > 64 ? 1 : 2); exact++)
            bad += check_net(&nets[i], exact);
    assert_int_equal(bad, 0);
}

/* Files of others: operations that ours have not, and batch norms folded and
 * not. */
static void imported_networks(void **state)
{
    static const char *const names[] = {"dynamo18", "unfolded13"};
    const char *source = getenv("RN_SOURCE");
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct rn_model *model;
        struct rn_error err;
        char path[400];

        snprintf(path, sizeof(path), "%s/tests/golden/onnx/%s.onnx",
                 source ? source : ".", names[i]);
        if (rn_model_load(&model, path, &err))
            fail_msg("%s", err.msg);
        for (int exact = 0; exact < 2; exact++)
            bad += check_graph(names[i], model->graph, exact);
        rn_model_destroy(model);
    }
    assert_int_equal(bad, 0);
}

static int conv_bn(struct rn_graph *g, int v, const char *name, int channels,
                   int k, int stride, int groups)
{
    const struct rn_window window = RN_WINDOW(k, k, stride, k / 2);
    char bn[40];

    snprintf(bn, sizeof(bn), "%s_bn", name);
    v = rn_graph_conv_groups(g, v, name, channels, window, groups, false);
    return rn_graph_batch_norm(g, v, bn);
}

/* Two inverted bottlenecks (Sandler et al. 2018, MobileNetV2), one of them with
 * a shortcut, PReLU in the place of ReLU6 in one. */
static struct rn_graph *depthwise(int side)
{
    struct rn_graph *g = rn_graph_create();
    int v, shortcut;

    assert_non_null(g);
    v = rn_graph_input(g, (struct rn_shape){3, side, side});
    v = conv_bn(g, v, "conv1", 24, 3, 2, 1);
    shortcut = v = rn_graph_clip(g, v, "relu1", 0, 6);
    v = conv_bn(g, v, "expand2", 96, 1, 1, 1);
    v = rn_graph_clip(g, v, "relu2", 0, 6);
    v = conv_bn(g, v, "depth2", 96, 3, 1, 96);
    v = rn_graph_clip(g, v, "relu3", 0, 6);
    v = conv_bn(g, v, "project2", 24, 1, 1, 1);
    v = rn_graph_add(g, v, shortcut, "add2");
    v = conv_bn(g, v, "expand3", 144, 1, 1, 1);
    v = rn_graph_prelu(g, v, "prelu3");
    v = conv_bn(g, v, "depth3", 144, 5, 2, 144);
    v = rn_graph_relu(g, v, "relu4");
    v = conv_bn(g, v, "project3", 40, 1, 1, 1);
    v = rn_graph_global_avg_pool(g, v, "pool");
    rn_graph_linear(g, v, "fc", 10);
    assert_int_equal(g->error.code, RN_OK);
    return g;
}

/* Parameters of either sign but for variances. */
static void fill_parameters(struct rn_graph *g)
{
    for (size_t i = 0; i < g->n_params; i++) {
        struct rn_param *p = &g->params[i];
        bool variance = strstr(p->name, "running_var") != NULL;
        float *from = floats(p->count, 10 + i);

        for (size_t k = 0; k < p->count; k++)
            p->data[k] = variance ? 1 + from[k] * from[k] : from[k] / 2;
        rn_free(from);
    }
}

static void depthwise_networks(void **state)
{
    static const int sides[] = {32, 57};
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(sides); i++) {
        struct rn_graph *g = depthwise(sides[i]);

        fill_parameters(g);
        for (int exact = 0; exact < 2; exact++)
            bad += check_graph("depthwise", g, exact);
        rn_graph_destroy(g);
    }
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions),
        cmocka_unit_test(networks),
        cmocka_unit_test(imported_networks),
        cmocka_unit_test(depthwise_networks),
    };

    print_message("# seed %llu, %s\n", (unsigned long long)check_seed(),
                  rn_isa()->name);
    return cmocka_run_group_tests_name("batches", tests, NULL, NULL);
}
