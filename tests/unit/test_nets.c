/* SPDX-License-Identifier: BSD-2-Clause */
/* Networks against the counts and shapes in the paper's tables. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/memory.h"
#include "nets/nets.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static struct rn_graph *build(const char *name,
                              const struct rn_net_options *options)
{
    struct rn_net_spec spec;
    struct rn_graph *g = NULL;
    struct rn_error err = {0};

    if (rn_net_resolve(&spec, name, options, &err) != RN_OK ||
        rn_net_build(&g, &spec, &err) != RN_OK)
        fail_msg("%s: %s", name, err.msg);
    return g;
}

static const struct rn_node *find(const struct rn_graph *g, const char *name)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        if (strcmp(g->nodes[i].name, name) == 0)
            return &g->nodes[i];
    fail_msg("no node '%s'", name);
    return NULL;
}

/* Table 1, section 3.3 and table 6 of the paper; exact figures computed
 * apart from this program. gmacs: ImageNet's multiply-adds in 1e9, to as many
 * digits as are known; macs: CIFAR's, exact. */
static const struct count_case {
    const char *name;
    char shortcut;
    int v1;
    uint64_t params;
    double gmacs;
    uint64_t macs;
} counts[] = {
    /* clang-format off */
    {"plain18",    0,  0, 11515688,  1.795, 0},
    {"resnet18",  'A', 0, 11515688,  1.795, 0},
    {"resnet18",   0,  0, 11689512,  1.814, 0},
    {"resnet18",  'B', 0, 11689512,  1.814, 0},
    {"resnet18",  'C', 0, 12043816,  1.878, 0},
    {"plain34",    0,  0, 21623848,  3.644, 0},
    {"resnet34",  'A', 0, 21623848,  3.644, 0},
    {"resnet34",  'B', 0, 21797672,  3.664, 0},
    {"resnet34",  'C', 0, 22716840,  3.831, 0},
    {"resnet50",   0,  1, 25557032,  3.858, 0},
    {"resnet50",   0,  0, 25557032,  4.089, 0},
    {"resnet101",  0,  1, 44549160,  7.570, 0},
    {"resnet101",  0,  0, 44549160,  7.801, 0},
    {"resnet152",  0,  1, 60192808, 11.282, 0},
    {"resnet152",  0,  0, 60192808, 11.514, 0},
    /* torchvision's counts. */
    {"vgg11",     0,  0, 132863336,  7.609, 0},
    {"vgg13_bn",  0,  0, 133053736, 11.308, 0},
    {"vgg16",     0,  0, 138357544, 15.470, 0},
    {"vgg16_bn",  0,  0, 138365992, 15.470, 0},
    {"vgg19_bn",  0,  0, 143678248, 19.632, 0},
    {"alexnet",       0, 0, 61100840,  0.714, 0},
    {"googlenet",     0, 0,  6998552,  1.583, 0},
    {"googlenet-bn",  0, 0,  6624904,  1.498, 0},
    {"inception-v3",  0, 0, 23834568,  5.713, 0},
    {"densenet121",   0, 0,  7978856,  2.834, 0},
    {"densenet161",   0, 0, 28681000,  7.728, 0},
    {"densenet169",   0, 0, 14149480,  3.360, 0},
    {"densenet201",   0, 0, 20013928,  4.291, 0},
    /* The authors': G. Huang et al. 2017, table 2, to the unit in their code. */
    {"densenet-40-12",     0, 0, 1019722, 0.265, 0},
    {"densenet-bc-100-12", 0, 0,  769162, 0.288, 0},
    {"densenet-bc-6x12x24x16-12", 0, 0, 1000618, 0.125, 0},
    /* M. Lin et al. 2014, in the authors' code. */
    {"nin",                0, 0,  966986, 0, 222486528},
    {"dsn",                0, 0,  966986, 0, 222486528},
    /* R. Srivastava et al. 2015; of 32 layers "about 1.25M". */
    {"highway-19",         0, 0, 2256838, 0, 330826728},
    {"highway-32",         0, 0, 1255270, 0, 314491880},
    /* pylearn2's and FitNets', whose papers tell fewer digits. */
    {"maxout",    0,  0, 16247830, 0,  732290696},
    {"fitnet-19", 0,  0,  2742102, 0,  381941128},
    /* He et al. 2016b by their code; timm's resnetv2_50 and others; Zagoruyko
     * and Komodakis 2016, table 4 (36.5 M, 8.9 M). */
    {"preresnet20",   0,  0,   269722, 0,   40551040},
    {"preresnet20",  'B', 0,   272282, 0,   40813184},
    {"preresnet32",   0,  0,   464154, 0,   68862592},
    {"preresnet44",   0,  0,   658586, 0,   97174144},
    {"preresnet56",   0,  0,   853018, 0,  125485696},
    {"preresnet110",  0,  0,  1727962, 0,  252887680},
    {"cifar-preresnet11", 0, 0, 126746, 0,  17222144},
    {"preresnet164",  0,  0,  1703258, 0,  244500992},
    {"preresnet1001", 0,  0, 10327706, 0, 1487849984},
    {"preresnet18",   0,  0, 11687720,  1.814, 0},
    {"preresnet34",   0,  0, 21795880,  3.664, 0},
    {"preresnet50",   0,  0, 25549352,  4.089, 0},
    {"preresnet101",  0,  0, 44541480,  7.801, 0},
    {"preresnet152",  0,  0, 60185128, 11.514, 0},
    {"preresnet200",  0,  0, 64666152, 15.007, 0},
    {"resnetv2_18",   0,  0, 11687720,  1.814, 0},
    {"resnetv2_50",   0,  0, 25549352,  4.089, 0},
    {"resnetv2_101",  0,  0, 44541480,  7.801, 0},
    {"wrn-22-1",      0,  0,   272282, 0,   40813184},
    {"wrn-16-4",      0,  0,  2748890, 0,  392612352},
    {"wrn-28-10",     0,  0, 36479194, 0, 5243328768},
    {"wrn-40-4",      0,  0,  8949210, 0, 1298582016},
    {"resnext50_32x4d",  0, 0,  25028904,  4.230, 0},
    {"resnext101_32x8d", 0, 0,  88791336, 16.414, 0},
    {"resnext101_64x4d", 0, 0,  83455272, 15.460, 0},
    {"wide_resnet50_2",  0, 0,  68883240, 11.398, 0},
    {"wide_resnet101_2", 0, 0, 126886696, 22.753, 0},
    /* J. Hu et al. 2018, as timm has them. */
    {"seresnet18",         0, 0, 11779624,  1.814, 0},
    {"se-resnet34",        0, 0, 21960416,  3.664, 0},
    {"se-resnet50",        0, 0, 28088024,  4.092, 0},
    {"se-resnet50",        0, 1, 28088024,  3.860, 0},
    {"seresnet101",        0, 0, 49326872,  7.806, 0},
    {"se-resnet152",       0, 0, 66821848, 11.520, 0},
    {"se-resnext50_32x4d", 0, 0, 27559896,  4.233, 0},
    /* timm's, and kuangliu/pytorch-cifar's. */
    {"resnet18d",    0, 0, 11708744,  2.054, 0},
    {"resnet50d",    0, 0, 25576264,  4.329, 0},
    {"resnet101d",   0, 0, 44568392,  8.041, 0},
    {"resnet18-3x3", 0, 0, 11173962, 0,  555422720},
    {"resnet50",  'C', 1, 40128552,  6.324, 0},
    {"resnet101", 'C', 1, 76981288, 13.530, 0},
    {"resnet152", 'C', 1, 107335720, 20.736, 0},
    {"resnet20",   0,  0,   269722, 0,   40551040},
    {"resnet20",  'A', 0,   269722, 0,   40551040},
    {"plain20",    0,  0,   269722, 0,   40551040},
    {"resnet32",   0,  0,   464154, 0,   68862592},
    {"resnet44",   0,  0,   658586, 0,   97174144},
    {"resnet56",   0,  0,   853018, 0,  125485696},
    {"plain56",    0,  0,   853018, 0,  125485696},
    {"resnet110",  0,  0,  1727962, 0,  252887680},
    {"resnet1202", 0,  0, 19421274, 0, 2829238912},
    /* Option B adds 2,752 parameters; 40.81 M multiply-adds. */
    {"resnet20",  'B', 0,   272474, 0,   40813184},
    /* clang-format on */
};

static void counts_are_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(counts); i++) {
        const struct count_case *c = &counts[i];
        const struct rn_net_options options = {.shortcut = c->shortcut,
                                               .stride_v1 = c->v1};
        struct rn_graph *g = build(c->name, &options);
        double gmacs = 1e-9 * (double)rn_graph_macs(g);
        double off = gmacs - c->gmacs;

        if (rn_graph_params(g) != c->params)
            fail_msg("%s %c: %" PRIu64 " parameters, expected %" PRIu64,
                     c->name, c->shortcut, rn_graph_params(g), c->params);
        if (c->macs && rn_graph_macs(g) != c->macs)
            fail_msg("%s %c: %" PRIu64 " multiply-adds, expected %" PRIu64,
                     c->name, c->shortcut, rn_graph_macs(g), c->macs);
        if (!c->macs && (off > 0.00051 || off < -0.00051))
            fail_msg("%s %c v1=%d: %.4f G multiply-adds, expected %.3f",
                     c->name, c->shortcut, c->v1, gmacs, c->gmacs);
        rn_graph_destroy(g);
    }
}

/* Nodes' and whole networks' counts agree. */
static void counts_add_up(void **state)
{
    struct rn_graph *g = build("resnet50", NULL);
    uint64_t params = 0, macs = 0;

    (void)state;
    for (size_t i = 0; i < g->n_nodes; i++) {
        params += rn_node_params(g, &g->nodes[i]);
        macs += g->nodes[i].macs;
    }
    assert_int_equal(params, rn_graph_params(g));
    assert_int_equal(macs, rn_graph_macs(g));
    rn_graph_destroy(g);
}

/* Weighted layers, projections not counted, are what the name says. */
static void depth_is_the_name(void **state)
{
    static const struct {
        const char *name;
        int depth;
    } nets[] = {
        {"resnet8", 8},      {"resnet20", 20},       {"plain56", 56},
        {"resnet18", 18},    {"resnet34", 34},       {"plain34", 34},
        {"resnet50", 50},    {"resnet101", 101},     {"resnet152", 152},
        {"plain50", 50},     {"cifar-resnet50", 50}, {"resnet1202", 1202},
        {"preresnet20", 20}, {"preresnet164", 164},  {"preresnet200", 200},
        {"resnetv2_50", 50}};

    (void)state;
    for (size_t i = 0; i < COUNT(nets); i++) {
        struct rn_graph *g = build(nets[i].name, NULL);
        int layers = 0;

        for (size_t j = 0; j < g->n_nodes; j++)
            layers += (g->nodes[j].op == RN_OP_CONV ||
                       g->nodes[j].op == RN_OP_LINEAR) &&
                      !strstr(g->nodes[j].name, "downsample");
        if (layers != nets[i].depth)
            fail_msg("%s has %d layers", nets[i].name, layers);
        rn_graph_destroy(g);
    }
}

static const struct shape_case {
    const char *net, *node;
    int height, width;
    struct rn_shape shape;
} shapes[] = {
    /* clang-format off */
    {"resnet18",  "conv1",          0,   0, {  64, 112, 112}},
    {"resnet18",  "maxpool",        0,   0, {  64,  56,  56}},
    {"resnet18",  "layer1.1.relu2", 0,   0, {  64,  56,  56}},
    {"resnet18",  "layer2.1.relu2", 0,   0, { 128,  28,  28}},
    {"resnet18",  "layer3.1.relu2", 0,   0, { 256,  14,  14}},
    {"resnet18",  "layer4.1.relu2", 0,   0, { 512,   7,   7}},
    {"resnet18",  "avgpool",        0,   0, { 512,   1,   1}},
    {"resnet18",  "fc",             0,   0, {1000,   1,   1}},
    {"resnet50",  "layer1.2.relu3", 0,   0, { 256,  56,  56}},
    {"resnet50",  "layer2.3.relu3", 0,   0, { 512,  28,  28}},
    {"resnet50",  "layer3.5.relu3", 0,   0, {1024,  14,  14}},
    {"resnet50",  "layer4.2.relu3", 0,   0, {2048,   7,   7}},
    {"resnet50",  "layer2.0.bn1",   0,   0, { 128,  56,  56}},
    {"resnet152", "layer2.7.add",   0,   0, { 512,  28,  28}},
    {"resnet152", "layer3.35.add",  0,   0, {1024,  14,  14}},
    {"resnet20",  "relu",           0,   0, {  16,  32,  32}},
    {"resnet20",  "layer1.2.relu2", 0,   0, {  16,  32,  32}},
    {"resnet20",  "layer2.2.relu2", 0,   0, {  32,  16,  16}},
    {"resnet20",  "layer3.2.relu2", 0,   0, {  64,   8,   8}},
    {"resnet20",  "layer3.0.downsample", 0, 0, { 64, 8,   8}},
    {"resnet20",  "fc",             0,   0, {  10,   1,   1}},
    {"highway-19", "conv7",         0,   0, { 160,  16,  16}},
    {"highway-19", "highway17",     0,   0, { 128,   8,   8}},
    {"highway-32", "highway20",    29,  31, {  48,  15,  16}},
    {"nin",       "pool1",          0,   0, {  96,  16,  16}},
    {"nin",       "pool2",          0,   0, { 192,   8,   8}},
    {"nin",       "pool2",         29,  31, { 192,   7,   7}},
    {"maxout",    "conv1",          0,   0, { 192,  33,  33}},
    {"maxout",    "pool1",          0,   0, {  96,  16,  16}},
    {"maxout",    "pool2",          0,   0, { 192,   7,   7}},
    {"maxout",    "pool3",          0,   0, { 192,   5,   5}},
    {"maxout",    "maxout_fc1",     0,   0, { 500,   1,   1}},
    {"fitnet-19", "pool5",          0,   0, {  48,  16,  16}},
    {"fitnet-19", "pool11",         0,   0, {  80,   8,   8}},
    {"fitnet-19", "pool17",         0,   0, { 128,   1,   1}},
    /* Odd sizes, not square, height alone, a single pixel. */
    {"resnet20",  "layer2.0.add",  29,  31, {  32,  15,  16}},
    {"resnet20",  "layer3.0.add",  29,  31, {  64,   8,   8}},
    {"resnet20",  "layer3.2.add",  28,   0, {  64,   7,   7}},
    {"resnet50",  "layer4.2.add", 225, 191, {2048,   8,   6}},
    {"resnet50",  "layer4.2.add",   1,   1, {2048,   1,   1}},
    {"plain34",   "layer4.2.bn2", 321,  33, { 512,  11,   2}},
    {"resnet20",  "layer3.2.add",   1,   7, {  64,   1,   2}},
    /* clang-format on */
};

static void shapes_are_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        const struct shape_case *c = &shapes[i];
        const struct rn_net_options options = {.height = c->height,
                                               .width = c->width};
        struct rn_graph *g = build(c->net, &options);
        struct rn_shape s = find(g, c->node)->shape;

        if (s.c != c->shape.c || s.h != c->shape.h || s.w != c->shape.w)
            fail_msg("%s %s at %dx%d: %dx%dx%d, expected %dx%dx%d", c->net,
                     c->node, c->height, c->width, s.c, s.h, s.w, c->shape.c,
                     c->shape.h, c->shape.w);
        rn_graph_destroy(g);
    }
}

/* Every option with every net, at a size that halves unevenly: shapes meet
 * at each addition. */
static void options_combine(void **state)
{
    static const char *const nets[] = {"resnet20", "resnet18", "resnet50",
                                       "cifar-resnet50"};

    (void)state;
    for (size_t i = 0; i < COUNT(nets); i++)
        for (const char *s = "AaBC"; *s; s++)
            for (int v1 = 0; v1 <= (strcmp(nets[i], "resnet50") == 0); v1++) {
                const struct rn_net_options options = {.classes = 7,
                                                       .channels = 1,
                                                       .height = 37,
                                                       .width = 50,
                                                       .shortcut = *s,
                                                       .stride_v1 = v1};
                struct rn_graph *g = build(nets[i], &options);

                assert_int_equal(g->nodes[g->output].op, RN_OP_LINEAR);
                assert_int_equal(g->nodes[g->output].shape.c, 7);
                assert_int_equal(rn_graph_param(g, "conv1.weight")->dim[1], 1);
                rn_graph_destroy(g);
            }
}

/* Projections: none with A, on growth with B, in each block with C. */
static void projections_are_counted(void **state)
{
    static const struct {
        const char *net;
        char shortcut;
        int projections, pads;
    } cases[] = {
        {"resnet34", 'A', 0, 3},  {"resnet34", 'B', 3, 0},
        {"resnet34", 'C', 16, 0}, {"resnet50", 'A', 0, 4},
        {"resnet20", 'a', 0, 2},  {"resnet50", 'B', 4, 0},
        {"resnet50", 'C', 16, 0}, {"resnet20", 'A', 0, 2},
        {"resnet20", 'B', 2, 0},  {"resnet20", 'C', 9, 0},
        {"plain20", 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct rn_net_options options = {.shortcut = cases[i].shortcut};
        struct rn_graph *g = build(cases[i].net, &options);
        int projections = 0, pads = 0, adds = 0;

        for (size_t j = 0; j < g->n_nodes; j++) {
            const struct rn_node *node = &g->nodes[j];

            projections += node->op == RN_OP_CONV &&
                           strstr(node->name, "downsample.0") != NULL;
            pads += node->op == RN_OP_SUBSAMPLE_PAD;
            adds += node->op == RN_OP_ADD;
        }
        if (projections != cases[i].projections || pads != cases[i].pads)
            fail_msg("%s %c: %d projections and %d pads, expected %d and %d",
                     cases[i].net, cases[i].shortcut, projections, pads,
                     cases[i].projections, cases[i].pads);
        if ((adds == 0) != (strncmp(cases[i].net, "plain", 5) == 0))
            fail_msg("%s: %d additions", cases[i].net, adds);
        rn_graph_destroy(g);
    }
}

/* Where the bottleneck's stride lies. */
static void stride_versions(void **state)
{
    (void)state;
    for (int v1 = 0; v1 < 2; v1++) {
        const struct rn_net_options options = {.stride_v1 = v1};
        struct rn_graph *g = build("resnet50", &options);

        assert_int_equal(find(g, "layer2.0.conv1")->window.stride, v1 ? 2 : 1);
        assert_int_equal(find(g, "layer2.0.conv2")->window.stride, v1 ? 1 : 2);
        assert_int_equal(find(g, "layer2.0.downsample.0")->window.stride, 2);
        assert_int_equal(find(g, "layer2.1.conv1")->window.stride, 1);
        assert_int_equal(find(g, "layer2.1.conv2")->window.stride, 1);
        rn_graph_destroy(g);
    }
}

/* What a value is made of: a node's inputs by their names. */
static void check_input(const struct rn_graph *g, const char *node, int input,
                        const char *of)
{
    const struct rn_node *n = find(g, node);

    if (strcmp(g->nodes[n->input[input]].name, of) != 0)
        fail_msg("%s reads %s, expected %s", node,
                 g->nodes[n->input[input]].name, of);
}

/* Which value shortcuts begin at, and what strides. */
static void activation_comes_first(void **state)
{
    static const struct {
        const char *net, *shortcut, *first, *shrinks;
    } cases[] = {
        /* The input of the first block's shortcut, of its first convolution,
         * and the convolution of layer2.0 that strides. */
        {"preresnet20", "layer1.0.relu1", "layer1.0.relu1", "conv1"},
        {"wrn-16-1", "conv1", "layer1.0.relu1", "conv1"},
        {"preresnet18", "maxpool", "maxpool", "conv1"},
        {"resnetv2_18", "maxpool", "layer1.0.relu1", "conv1"},
        {"preresnet164", NULL, "layer1.0.relu1", "conv1"},
        {"wrn-16-4", NULL, "layer1.0.relu1", "conv1"},
        {"preresnet50", NULL, "maxpool", "conv2"},
        {"resnetv2_50", NULL, "layer1.0.relu1", "conv2"},
    };
    char name[48];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_graph *g = build(cases[i].net, NULL);

        if (cases[i].shortcut)
            check_input(g, "layer1.0.add", 1, cases[i].shortcut);
        else
            check_input(g, "layer1.0.downsample.0", 0, cases[i].first);
        check_input(g, "layer1.0.conv1", 0, cases[i].first);
        check_input(g, "layer1.1.add", 1, "layer1.0.add");
        check_input(g, "layer1.1.conv1", 0, "layer1.1.relu1");
        snprintf(name, sizeof(name), "layer2.0.%s", cases[i].shrinks);
        assert_int_equal(find(g, name)->window.stride, 2);
        assert_null(rn_graph_param(g, "layer2.0.downsample.1.weight"));
        assert_int_equal(find(g, "bn.relu")->op, RN_OP_RELU);
        rn_graph_destroy(g);
    }
}

/* Options that few networks have. */
static void blocks_and_dropout(void **state)
{
    const struct rn_net_options bottleneck = {.block = "bottleneck"};
    const struct rn_net_options dropout = {.dropout = 0.25};
    struct rn_graph *g = build("cifar-preresnet20", &bottleneck);

    (void)state;
    assert_non_null(rn_graph_param(g, "layer3.1.conv3.weight"));
    assert_null(rn_graph_param(g, "layer3.2.conv3.weight"));
    rn_graph_destroy(g);
    g = build("wrn-10-2", &dropout);
    check_input(g, "layer1.0.conv2", 0, "layer1.0.dropout");
    check_input(g, "layer1.0.dropout", 0, "layer1.0.relu2");
    assert_true(find(g, "layer3.0.dropout")->a == 0.25f);
    rn_graph_destroy(g);
}

/* Tensors of torchvision's names in torchvision's order. */
static void names_are_torchvisions(void **state)
{
    static const char *const first[] = {"conv1.weight",
                                        "bn1.weight",
                                        "bn1.bias",
                                        "bn1.running_mean",
                                        "bn1.running_var",
                                        "layer1.0.conv1.weight",
                                        "layer1.0.bn1.weight",
                                        "layer1.0.bn1.bias",
                                        "layer1.0.bn1.running_mean"};
    static const char *const some[] = {"layer1.0.downsample.0.weight",
                                       "layer1.0.downsample.1.running_var",
                                       "layer4.2.conv3.weight",
                                       "layer4.2.bn3.bias",
                                       "fc.weight",
                                       "fc.bias"};
    struct rn_graph *g = build("resnet50", NULL);

    (void)state;
    for (size_t i = 0; i < COUNT(first); i++)
        assert_string_equal(g->params[i].name, first[i]);
    for (size_t i = 0; i < COUNT(some); i++)
        if (!rn_graph_param(g, some[i]))
            fail_msg("no parameter '%s'", some[i]);
    assert_int_equal(g->n_params, 53 + 4 * 53 + 2);
    assert_null(rn_graph_param(g, "layer1.1.downsample.0.weight"));
    rn_graph_destroy(g);
}

static void families_do_not_mix(void **state)
{
    static const struct {
        const char *name, *family;
        int height, classes;
        char shortcut;
    } cases[] = {
        {"resnet50", "imagenet", 224, 1000, 'B'},
        {"cifar-resnet50", "cifar", 32, 10, 'A'},
        {"cifar-plain152", "cifar", 32, 10, '-'},
        {"plain50", "cifar", 32, 10, '-'},
        {"plain18", "imagenet", 224, 1000, '-'},
        {"resnet18-3x3", "imagenet", 32, 10, 'B'},
        {"resnet34d", "imagenet", 224, 1000, 'B'},
        {"resnet8", "cifar", 32, 10, 'A'},
        {"preresnet18", "preact", 224, 1000, 'B'},
        {"preresnet20", "preact", 32, 10, 'A'},
        {"preresnet164", "preact", 32, 10, 'B'},
        {"cifar-preresnet50", "preact", 32, 10, 'A'},
        {"resnetv2_34", "preact", 224, 1000, 'B'},
        {"wrn-10-1", "preact", 32, 10, 'B'},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_net_spec spec;

        assert_int_equal(rn_net_resolve(&spec, cases[i].name, NULL, NULL), 0);
        assert_string_equal(spec.name, cases[i].name);
        assert_string_equal(rn_net_family_name(&spec), cases[i].family);
        assert_int_equal(spec.input.h, cases[i].height);
        assert_int_equal(spec.input.w, cases[i].height);
        assert_int_equal(spec.classes, cases[i].classes);
        assert_int_equal(spec.shortcut, cases[i].shortcut);
    }
}

static const struct {
    const char *name;
    struct rn_net_options options;
    const char *message;
} bad[] = {
    {"resnet21", {0}, "unknown network 'resnet21', did you mean 'resnet20'?"},
    {"resnet2", {0}, "unknown network 'resnet2', did you mean 'resnet8'?"},
    {"resnet020", {0}, "did you mean 'resnet20'?"},
    {"resnet20x", {0}, "did you mean 'resnet20'?"},
    {"resnet-20", {0}, "did you mean 'resnet20'?"},
    {"resnet99999999999999999999", {0}, "did you mean 'resnet99998'?"},
    {"plain101", {0}, "did you mean 'plain98'?"},
    {"resnext50", {0}, "did you mean 'resnext50_32x4d'?"},
    {"resnext50_32x4", {0}, "unknown network 'resnext50_32x4'"},
    {"resnext50_032x4d", {0}, "unknown network"},
    {"resnext50_0x4d", {0}, "unknown network"},
    {"resnext50_1000x4d", {0}, "unknown network"},
    {"resnext50_32x4d_", {0}, "unknown network"},
    {"resnext34_32x4d", {0}, "did you mean 'resnext50_32x4d'?"},
    {"resnext20_32x4d", {0}, "unknown network"},
    {"resnet20d", {0}, "did you mean 'resnet20'?"},
    {"resnet50e", {0}, "did you mean 'resnet50'?"},
    {"plain18d", {0}, "did you mean 'plain18'?"},
    {"cifar-resnet50-3x3", {0}, "did you mean 'cifar-resnet50'?"},
    {"wide_resnet50", {0}, "did you mean 'wide_resnet50_2'?"},
    {"wide_resnet50_22", {0}, "unknown network"},
    {"resnet50_2", {0}, "did you mean 'resnet50'?"},
    {"squeezenet", {0}, "unknown network 'squeezenet', expected resnet or"},
    {"alexnet8", {0}, "did you mean 'alexnet'?"},
    {"vgg17", {0}, "did you mean 'vgg16'?"},
    {"googlenett", {0}, "did you mean 'googlenet'?"},
    {"googlenet", {.shortcut = 'B'}, "'googlenet' has no shortcuts"},
    {"vgg16", {.aux_heads = 1}, "'vgg16' has no auxiliary heads, but "},
    {"maxout-3", {0}, "did you mean 'maxout'?"},
    {"fitnet-18", {0}, "did you mean 'fitnet-19'?"},
    {"fitnet-19", {.shortcut = 'B'}, "'fitnet-19' has no shortcuts"},
    {"densenet122", {0}, "did you mean 'densenet121'?"},
    {"densenet-41-12", {0}, "did you mean 'densenet-40-12'?"},
    {"densenet-bc-40-12-", {0}, "did you mean 'densenet-bc-40-12'?"},
    {"densenet-40-0", {0}, "did you mean 'densenet-40-12'?"},
    {"densenet-40-1000", {0}, "unknown network"},
    {"densenet-bc-6x12x24-12", {0}, "unknown network"},
    {"densenet-bc-6x12x24x401-12", {0}, "unknown network"},
    {"densenet-bc-6x12x24x16-", {0}, "unknown network"},
    {"densenet-1207-12", {0}, "unknown network"},
    {"densenet121", {.shortcut = 'B'}, "'densenet121' has no shortcuts"},
    {"densenet-40-0", {0}, "unknown network 'densenet-40-0'"},
    {"densenet-40-1000", {0}, "unknown network 'densenet-40-1000'"},
    {"densenet-40", {0}, "unknown network 'densenet-40'"},
    {"densenet-41-12", {0}, "did you mean 'densenet"},
    {"densenet-bc-101-12", {0}, "did you mean 'densenet"},
    {"densenet-bc-6x12x24-12", {0}, "unknown network"},
    {"preresnet21", {0}, "did you mean 'preresnet20'?"},
    {"preresnet26", {0}, "did you mean 'preresnet20'?"},
    {"cifar-preresnet21", {0}, "did you mean 'cifar-preresnet20'?"},
    {"resnetv2_50d", {0}, "did you mean 'resnetv2_50'?"},
    {"resnetv2_50x1_bit", {0}, "unknown network 'resnetv2_50x1_bit'"},
    {"wrn-17-4", {0}, "did you mean 'wrn-16-4'?"},
    {"wrn-16", {0}, "did you mean 'wrn-16-4'?"},
    {"wrn-16-0", {0}, "did you mean 'wrn-16-4'?"},
    {"wrn-16-100", {0}, "did you mean 'wrn-16-4'?"},
    {"preresnet164",
     {.block = "basic"},
     "'preresnet164' has bottleneck blocks, but `block` basic was given"},
    {"cifar-preresnet26",
     {.block = "bottleneck"},
     "has basic blocks, but `block` bottleneck"},
    {"cifar-preresnet11", {.block = "basic"}, "has bottleneck blocks, but"},
    {"preresnet18", {.stride_v1 = 1}, "'preresnet18' has no bottleneck"},
    {"preresnet20", {.dropout = 0.3}, "'preresnet20' takes no `dropout`"},
    {"resnet20", {.dropout = 0.3}, "'resnet20' takes no `dropout`, but 0.3"},
    {"vgg16", {.dropout = 0.3}, "'vgg16' takes no `dropout`"},
    {"resnet50",
     {.block = "basic"},
     "'resnet50' leaves no choice of blocks, but `block` basic"},
    {"vgg16_bnn", {0}, "did you mean 'vgg16'?"},
    {"vgg16", {.shortcut = 'A'}, "'vgg16' has no shortcuts"},
    {"nin9", {0}, "did you mean 'nin'?"},
    {"highway-20", {0}, "did you mean 'highway-19'?"},
    {"highway19", {0}, "did you mean 'highway-19'?"},
    {"highway-19", {.stride_v1 = 1}, "'highway-19' has no bottleneck blocks"},
    {"nin", {.shortcut = 'A'}, "'nin' has no shortcuts"},
    {"vgg16_bn", {.stride_v1 = 1}, "'vgg16_bn' has no bottleneck blocks"},
    {"", {0}, "unknown network ''"},
    {NULL, {0}, "no network"},
    {"resnet20", {.classes = -1}, "number of classes is -1, expected 1 to"},
    {"resnet20", {.classes = 65536}, "number of classes is 65536"},
    {"resnet20", {.channels = -3}, "number of input channels is -3"},
    {"resnet20", {.height = -1}, "image height is -1"},
    {"resnet20", {.width = 70000}, "image width is 70000"},
    {"resnet20",
     {.shortcut = 'D'},
     "`shortcut` 'D', expected A, A-split, B or C"},
    {"resnet20", {.shortcut = '-'}, "`shortcut` '-'"},
    {"plain20", {.shortcut = 'A'}, "'plain20' has no shortcuts"},
    {"resnet18", {.stride_v1 = 1}, "'resnet18' has no bottleneck blocks"},
    {"resnet20", {.stride_v1 = 1}, "'resnet20' has no bottleneck blocks"},
    {"cifar-resnet50", {.stride_v1 = 1}, "has no bottleneck blocks"},
};

static void bad_options_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        const char *name = bad[i].name ? bad[i].name : "(null)";
        struct rn_error err = {0};
        struct rn_net_spec spec;
        int rc = rn_net_resolve(&spec, bad[i].name, &bad[i].options, &err);

        if (rc != RN_ERR_ARG || err.code != rc)
            fail_msg("%s: returned %d, error code %d", name, rc, err.code);
        if (!strstr(err.msg, bad[i].message))
            fail_msg("%s: said \"%s\", expected \"%s\"", name, err.msg,
                     bad[i].message);
    }
}

/* Sizes each allowed, but too much together. */
static void too_large_is_refused(void **state)
{
    const struct rn_net_options options = {.height = 65535, .width = 65535};
    struct rn_error err = {0};
    struct rn_graph *g = (struct rn_graph *)&err;
    struct rn_net_spec spec;

    (void)state;
    assert_int_equal(rn_net_resolve(&spec, "resnet20", &options, &err), RN_OK);
    assert_int_equal(rn_net_build(&g, &spec, &err), RN_ERR_ARG);
    assert_null(g);
    if (!strstr(err.msg, "resnet20: 'input' would make 3x65535x65535"))
        fail_msg("said \"%s\"", err.msg);
}

static void suggestions_are_near(void **state)
{
    static const struct {
        const char *name, *near;
    } cases[] = {
        {"resnet21", "resnet20"},
        {"resnet19", "resnet18"},
        {"resnet100", "resnet101"},
        {"resnext50", "resnext50_32x4d"},
        {"resnext-101", "resnext101_32x4d"},
        {"wide_resnet34", "wide_resnet50_2"},
        {"resnet150", "resnet152"},
        {"ResNet-50", "resnet50"},
        {"rsenet50", "resnet50"},
        {"resnet", "resnet20"},
        {"plane20", "plain20"},
        {"cifar-resnet51", "cifar-resnet50"},
        {"cifar_resnet20", "cifar-resnet20"},
        {"resnet20", "resnet20"},
        {"vgg17", "vgg16"},
        {"egg16", "vgg16"},
        {"leg16", NULL},
        {"wrm-16", "wrn-16-4"},
        {"wrn-28-10", "wrn-28-10"},
        {"vgg16_bn", "vgg16_bn"},
        {"preresnet163", "preresnet164"},
        {"resnetv2_49d", "resnetv2_50"},
        {"densenet112", "densenet121"},
        {"mobilenet121", NULL},
        {"", NULL},
        {"a-name-that-is-far-too-long-to-be-one", NULL},
    };
    char buf[64];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *near = rn_net_suggest(cases[i].name, buf, sizeof(buf));

        if (!near != !cases[i].near ||
            (near && strcmp(near, cases[i].near) != 0))
            fail_msg("'%s': suggested %s, expected %s", cases[i].name,
                     near ? near : "nothing",
                     cases[i].near ? cases[i].near : "nothing");
    }
    assert_null(rn_net_suggest("resnet21", buf, 4));
    assert_null(rn_net_suggest(NULL, buf, sizeof(buf)));
}

static void names_are_listed(void **state)
{
    const char *description = NULL, *name;
    size_t i, families = 0;

    (void)state;
    for (i = 0; (name = rn_net_name(i, &description)); i++) {
        struct rn_net_spec spec;

        assert_non_null(description);
        if (strchr(name, '{'))
            families++;
        else if (rn_net_resolve(&spec, name, NULL, NULL) != RN_OK)
            fail_msg("'%s' is listed but unknown", name);
    }
    assert_true(i >= 9 && families >= 2);
    assert_non_null(rn_net_name(0, NULL));
}

/* Each allocation in turn fails: an error, no leak (with the sanitizer), no
 * half-made network. */
static void memory_failures_are_reported(void **state)
{
    struct rn_net_spec spec;
    long n;

    (void)state;
    assert_int_equal(rn_net_resolve(&spec, "resnet8", NULL, NULL), RN_OK);
    for (n = 1; n < 10000; n++) {
        struct rn_error err = {0};
        struct rn_graph *g;
        int rc;

        rn_alloc_fail_after(n);
        rc = rn_net_build(&g, &spec, &err);
        rn_alloc_fail_after(-1);
        if (rc == RN_OK) {
            rn_graph_destroy(g);
            break;
        }
        if (rc != RN_ERR_MEMORY || g)
            fail_msg("allocation %ld: %d, \"%s\"", n, rc, err.msg);
    }
    if (n < 50 || n == 10000)
        fail_msg("%ld allocations, expected about a hundred", n);
}

/* timm's: strides become pools behind the 3x3, of the tensors of resnet50 and
 * such. */
static void antialiased_networks(void **state)
{
    static const struct {
        const char *name, *like;
        const char *conv; /* of the first block of layer2 */
        size_t pools;     /* nodes of a pool that shrinks */
        enum rn_op stem;
    } cases[] = {
        {"resnetaa50", "resnet50", "layer2.0.conv2", 1, RN_OP_AVG_POOL},
        {"resnetaa34d", "resnet34d", "layer2.0.conv1", 1, RN_OP_AVG_POOL},
        {"resnetblur18", "resnet18", "layer2.0.conv1", 2, RN_OP_AVG_POOL},
        {"resnetblur50d", "resnet50d", "layer2.0.conv2", 2, RN_OP_AVG_POOL},
    };
    const struct rn_net_options v1 = {.stride_v1 = 1};
    struct rn_net_spec spec;
    struct rn_error err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_graph *g = build(cases[i].name, NULL);
        struct rn_graph *like = build(cases[i].like, NULL);
        size_t pools = 0;

        assert_int_equal(g->n_params, like->n_params);
        for (size_t k = 0; k < g->n_params; k++)
            assert_string_equal(g->params[k].name, like->params[k].name);
        assert_int_equal(find(g, cases[i].conv)->window.stride, 1);
        assert_int_equal(find(like, cases[i].conv)->window.stride, 2);
        assert_int_equal(find(g, "maxpool")->op, cases[i].stem);
        assert_int_equal(find(g, "layer2.0.aa")->shape.h, 28);
        for (size_t k = 0; k < g->n_nodes; k++)
            pools += strncmp(g->nodes[k].name, "layer3.0.aa", 11) == 0;
        assert_int_equal(pools, cases[i].pools);
        assert_int_equal(find(g, "avgpool")->shape.c,
                         find(like, "avgpool")->shape.c);
        rn_graph_destroy(g);
        rn_graph_destroy(like);
    }
    assert_int_equal(rn_net_resolve(&spec, "resnetaa50", &v1, &err),
                     RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "shrinks behind its 3x3"));
    assert_int_equal(rn_net_resolve(&spec, "resnetaa20", NULL, &err),
                     RN_ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_exact),
        cmocka_unit_test(counts_add_up),
        cmocka_unit_test(depth_is_the_name),
        cmocka_unit_test(shapes_are_right),
        cmocka_unit_test(options_combine),
        cmocka_unit_test(projections_are_counted),
        cmocka_unit_test(stride_versions),
        cmocka_unit_test(activation_comes_first),
        cmocka_unit_test(blocks_and_dropout),
        cmocka_unit_test(names_are_torchvisions),
        cmocka_unit_test(families_do_not_mix),
        cmocka_unit_test(antialiased_networks),
        cmocka_unit_test(bad_options_are_named),
        cmocka_unit_test(too_large_is_refused),
        cmocka_unit_test(suggestions_are_near),
        cmocka_unit_test(names_are_listed),
        cmocka_unit_test(memory_failures_are_reported),
    };

    return cmocka_run_group_tests_name("nets", tests, NULL, NULL);
}
