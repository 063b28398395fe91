/* SPDX-License-Identifier: BSD-2-Clause */
/* The family of residual and plain networks for ImageNet: He et al. 2016,
 * table 1, and what others made of it: ResNeXt, wide ones, deep stems, and
 * pools in place of strides. */
#include "core/count.h"
#include "nets/blocks.h"
#include "nets/residual.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CLASSES       1000
#define PIXELS        224
#define SMALL_CLASSES 10 /* with the stem for small pictures: CIFAR's */
#define SMALL_PIXELS  32

typedef int rn_block_fn(struct rn_graph *g, const struct rn_net_spec *spec,
                        int x, const char *name, int channels, int stride);

/* He et al. 2016, table 1. */
static const struct arch {
    int depth;
    rn_block_fn *block;
    int blocks[4]; /* conv2_x, conv3_x, conv4_x, conv5_x */
} archs[] = {
    /* clang-format off */
    { 18, rn_block_basic,      {2, 2,  2, 2}},
    { 34, rn_block_basic,      {3, 4,  6, 3}},
    { 50, rn_block_bottleneck, {3, 4,  6, 3}},
    {101, rn_block_bottleneck, {3, 4, 23, 3}},
    {152, rn_block_bottleneck, {3, 8, 36, 3}},
    /* clang-format on */
};

/* conv3_x, conv4_x and conv5_x start with stride 2. Pixels are those of a
 * 224 x 224 image. */
static const struct {
    int channels, stride;
} stages[] = {
    {64, 1},  /* conv2_x, 56 x 56 */
    {128, 2}, /* conv3_x, 28 x 28 */
    {256, 2}, /* conv4_x, 14 x 14 */
    {512, 2}, /* conv5_x,  7 x  7 */
};

static const struct arch *find_arch(int depth)
{
    for (size_t i = 0; i < COUNT(archs); i++)
        if (archs[i].depth == depth)
            return &archs[i];
    return NULL;
}

bool rn_imagenet_has(int layers)
{
    return find_arch(layers) != NULL;
}

bool rn_imagenet_has_bottleneck(int layers)
{
    const struct arch *arch = find_arch(layers);

    return arch && arch->block == rn_block_bottleneck;
}

static bool has_basic(int layers)
{
    return rn_imagenet_has(layers) && !rn_imagenet_has_bottleneck(layers);
}

/* ------------------------------------------------------------------ names */

static const struct rn_net_listed listed[] = {
    /* clang-format off */
    {"resnet18", "ImageNet ResNet, basic blocks, 224x224", "resnet18"},
    {"resnet34", "ImageNet ResNet, basic blocks, 224x224", "resnet34"},
    {"resnet50", "ImageNet ResNet, bottleneck blocks, 224x224", "resnet50"},
    {"resnet101", "ImageNet ResNet, bottleneck blocks, 224x224", "resnet101"},
    {"resnet152", "ImageNet ResNet, bottleneck blocks, 224x224", "resnet152"},
    {"resnext50_32x4d", "ResNeXt: bottlenecks' 3x3 in 32 groups of 4 channels",
     "resnext50_32x4d"},
    {"resnext101_32x8d", "the same in 32 groups of 8; other numbers do, too",
     "resnext101_32x8d"},
    {"resnext101_64x4d", "the same in 64 groups of 4", "resnext101_64x4d"},
    {"wide_resnet50_2", "resnet50 with 3x3 of twice as many channels",
     "wide_resnet50_2"},
    {"wide_resnet101_2", "resnet101 likewise", "wide_resnet101_2"},
    {"resnet50c", "resnet50 with three 3x3 in place of the 7x7, as timm's",
     "resnet50c"},
    {"resnet50d", "and means of 2x2 in shortcuts that shrink", "resnet50d"},
    {"resnetaa50", "resnet50 whose strides are means of 2x2 (timm's; d, too)",
     "resnetaa50"},
    {"resnetblur50", "resnet50 with a blur before every stride, likewise",
     "resnetblur50d"},
    {"resnet18-3x3", "resnet18 for small pictures: 3x3 and no pool first",
     "resnet18-3x3"},
    {"plain18", "resnet18 without shortcuts", "plain18"},
    {"plain34", "resnet34 without shortcuts", "plain34"},
    {NULL, NULL, NULL},
    /* clang-format on */
};

enum { RESNET, MEANS, BLURS, PLAIN, RESNEXT, WIDE };

/* torchvision's and timm's names. */
static const struct rn_net_word words[] = {
    {"resnetaa", "", rn_imagenet_has, MEANS},
    {"resnetblur", "", rn_imagenet_has, BLURS},
    {"resnet", "", rn_imagenet_has, RESNET},
    {"plain", "", has_basic, PLAIN},
    {"resnext", "_32x4d", rn_imagenet_has_bottleneck, RESNEXT},
    {"wide_resnet", "_2", rn_imagenet_has_bottleneck, WIDE},
    {NULL, NULL, NULL, 0},
};

static const enum rn_antialias antialiases[] = {
    [RESNET] = RN_ANTIALIAS_NONE,  [MEANS] = RN_ANTIALIAS_MEAN,
    [BLURS] = RN_ANTIALIAS_BLUR,   [PLAIN] = RN_ANTIALIAS_NONE,
    [RESNEXT] = RN_ANTIALIAS_NONE, [WIDE] = RN_ANTIALIAS_NONE,
};

static const struct {
    const char *tail;
    enum rn_stem stem;
    bool pooled;
} stems[] = {
    {"", RN_STEM_7X7, false},
    {"c", RN_STEM_DEEP, false},
    {"d", RN_STEM_DEEP, true},
    {"-3x3", RN_STEM_3X3, false},
};

static const char *skip(const char *text, char c)
{
    return text && *text == c ? text + 1 : NULL;
}

static const char *read_stem(const char *tail, struct rn_net_spec *spec)
{
    for (size_t i = 0; i < COUNT(stems); i++)
        if (strcmp(tail, stems[i].tail) == 0) {
            spec->stem = stems[i].stem;
            spec->pooled = stems[i].pooled;
            return tail + strlen(tail);
        }
    return NULL;
}

const char *rn_imagenet_read_groups(struct rn_net_spec *spec, const char *tail)
{
    tail = rn_net_read_number(skip(tail, '_'), 3, &spec->groups);
    tail = rn_net_read_number(skip(tail, 'x'), 3, &spec->width);
    return skip(tail, 'd');
}

/* What follows the number of layers, to the end of the name. */
static bool read_tail(struct rn_net_spec *spec, int kind, const char *tail)
{
    if (kind == RESNEXT) {
        tail = rn_imagenet_read_groups(spec, tail);
    } else if (kind == WIDE) {
        tail = rn_net_read_number(skip(tail, '_'), 1, &spec->width);
        spec->width *= RN_RESIDUAL_WIDTH;
    } else if (kind != PLAIN) {
        tail = read_stem(tail, spec);
    }
    return tail && !*tail;
}

static bool parse(struct rn_net_spec *spec, const char *name)
{
    const char *tail;
    const struct rn_net_word *word =
        rn_net_read_word(words, name, &spec->depth, &tail);

    rn_residual_defaults(spec, CLASSES, PIXELS);
    if (!word || !read_tail(spec, word->kind, tail))
        return false;
    if (spec->stem == RN_STEM_3X3) {
        spec->classes = SMALL_CLASSES;
        spec->input.h = spec->input.w = SMALL_PIXELS;
    }
    spec->plain = word->kind == PLAIN;
    spec->antialias = antialiases[word->kind];
    return true;
}

static int resolve(struct rn_net_spec *spec,
                   const struct rn_net_options *options, struct rn_error *err)
{
    return rn_residual_resolve(spec, options, 'B',
                               rn_imagenet_has_bottleneck(spec->depth), err);
}

/* ----------------------------------------------------------------- layers */

/* Names as timm has them: conv1.0 to conv1.5, then conv1.6 and bn1. */
static int deep_stem(struct rn_graph *g, const struct rn_net_spec *spec, int x)
{
    static const struct {
        const char *conv, *bn, *relu;
        int channels, stride;
    } layers[] = {
        {"conv1.0", "conv1.1", "conv1.2", 32, 2},
        {"conv1.3", "conv1.4", "conv1.5", 32, 1},
        {"conv1.6", "bn1", "relu", 64, 1},
    };

    for (size_t i = 0; i < COUNT(layers); i++) {
        const int stride =
            i == 0 && spec->stem_stride ? spec->stem_stride : layers[i].stride;
        const struct rn_window w = RN_WINDOW(3, 3, stride, 1);

        x = rn_graph_conv(g, x, layers[i].conv, layers[i].channels, w, false);
        x = rn_graph_batch_norm(g, x, layers[i].bn);
        x = rn_block_activation(g, spec, x, layers[i].relu);
    }
    return x;
}

/* 7x7, 64, /2 and 3x3 max pool /2. The pool is padded on both sides and
 * rounds down, as torchvision's; Caffe's windows lie one pixel off, which
 * SENet's of the v1 stride have. Pools of anti-aliased networks are timm's. */
static int stem(struct rn_graph *g, const struct rn_net_spec *spec, int x)
{
    static const enum rn_stem_pool pools[] = {
        [RN_ANTIALIAS_NONE] = RN_STEM_POOL_MAX,
        [RN_ANTIALIAS_MEAN] = RN_STEM_POOL_MEAN,
        [RN_ANTIALIAS_BLUR] = RN_STEM_POOL_BLUR,
    };
    bool small = spec->stem == RN_STEM_3X3;
    bool caffe = spec->squeeze && spec->stride_v1;
    int usual = small ? 1 : 2;
    int stride = spec->stem_stride ? spec->stem_stride : usual;

    if (spec->stem == RN_STEM_DEEP)
        x = deep_stem(g, spec, x);
    else
        x = rn_conv_bn_relu(g, spec, x, "", 1, 64, small ? 3 : 7, stride,
                            "relu");
    if (caffe)
        return rn_pool_stem(g, spec, x, RN_STEM_POOL_MAX_CEIL);
    return rn_pool_stem(g, spec, x,
                        small ? RN_STEM_POOL_NONE : pools[spec->antialias]);
}

void rn_imagenet_build(struct rn_graph *g, const struct rn_net_spec *spec)
{
    const struct arch *arch = find_arch(spec->depth);
    int x = rn_graph_input(g, spec->input);

    if (!arch) {
        rn_fail(&g->error, RN_ERR_ARG, "no ImageNet network has %d layers",
                spec->depth);
        return;
    }
    x = stem(g, spec, x);
    for (int s = 0; s < 4; s++) {
        int stride = s == 0 && spec->first_stride ? spec->first_stride
                                                  : stages[s].stride;

        for (int i = 0; i < arch->blocks[s]; i++) {
            char name[32];

            snprintf(name, sizeof(name), "layer%d.%d", s + 1, i);
            x = arch->block(g, spec, x, name, stages[s].channels,
                            i == 0 ? stride : 1);
        }
    }
    rn_head(g, spec, x);
}

/* A 3x3 of conv5_x, eight times as wide as in conv2_x, of which there are
 * three. */
uint64_t rn_imagenet_least_floats(const struct rn_net_spec *spec)
{
    const uint64_t width = 8 * (uint64_t)spec->width;

    if (!rn_imagenet_has_bottleneck(spec->depth))
        return 0;
    return 3 * 3 * 3 * width * width * (uint64_t)spec->groups;
}

/* ---------------------------------------------------- networks of others */

/* "resnext50_32x4d" and such, as the first 3x3 tells. */
static void name_outline(char *name, size_t size, int layers,
                         const struct rn_net_outline *o)
{
    if (rn_imagenet_has_bottleneck(layers) && o->groups > 1)
        snprintf(name, size, "resnext%d_%dx%dd", layers, o->groups,
                 o->width / o->groups);
    else if (rn_imagenet_has_bottleneck(layers) && o->width > RN_RESIDUAL_WIDTH)
        snprintf(name, size, "wide_resnet%d_%d", layers,
                 o->width / RN_RESIDUAL_WIDTH);
    else
        snprintf(name, size, "resnet%d", layers);
}

/* The network with every shortcut and stride, and without shortcuts. */
static bool try_layers(int layers, const struct rn_net_outline *o,
                       rn_net_try *try, void *user)
{
    char name[48];

    name_outline(name, sizeof(name), layers, o);
    for (const char *shortcut = "BAaC"; *shortcut; shortcut++)
        for (int v1 = 0; v1 <= rn_imagenet_has_bottleneck(layers); v1++)
            if (try(user, name, *shortcut, v1))
                return true;
    snprintf(name, sizeof(name), "plain%d", layers);
    return try(user, name, 0, 0);
}

static void candidates(const struct rn_net_outline *o, rn_net_try *try,
                       void *user)
{
    for (size_t i = 0; i < COUNT(archs); i++)
        if (o->convs >= archs[i].depth - 1 && o->convs < 2 * archs[i].depth &&
            try_layers(archs[i].depth, o, try, user))
            return;
}

/* Layers of one of table 1's networks, or 0. */
static int layers_of(const struct rn_anatomy *a)
{
    const uint64_t channels = a->deep ? 32 : 64;
    bool known = a->stem[2] == 3 || (a->stem[2] == 7 && !a->deep);

    if (a->stages != RN_RESIDUAL_STAGES || a->stem[0] != channels || !known ||
        a->stem[3] != a->stem[2])
        return 0;
    for (size_t i = 0; i < COUNT(archs); i++)
        if (memcmp(archs[i].blocks, a->blocks, sizeof(archs[i].blocks)) == 0 &&
            (archs[i].block == rn_block_bottleneck) == a->bottleneck)
            return archs[i].depth;
    return 0;
}

/* Whether the last stage is eight times as wide as the first. Any width may be
 * made up in a small file; that tensor is a good part of the network. */
static bool widens(const struct rn_anatomy *a, const struct rn_net_tensors *t)
{
    uint64_t last[4];

    return t->dims(t->user, "layer4.0.conv2.weight", last) == 4 &&
           last[0] / 8 == a->conv2[0] && last[1] / 8 == a->conv2[1];
}

/* A stem's part of the name, which ResNeXt and wide ones have not got. */
static const char *name_stem(const struct rn_anatomy *a)
{
    if (a->deep)
        return a->pooled ? "d" : "c";
    return a->stem[2] == 3 ? "-3x3" : "";
}

/* The name, as the first block's 3x3 tells: "resnext" and "_32x4d",
 * "wide_resnet" and "_2". False when it is no such thing. */
static bool name_anatomy(char *name, size_t size, int layers,
                         const struct rn_anatomy *a,
                         const struct rn_net_tensors *t)
{
    const uint64_t width = a->conv1[0], each = a->conv2[1];
    int length;

    if (a->bottleneck ? each == 0 || width % each != 0 : each != width)
        return false;
    if (!a->bottleneck || (each == width && width == RN_RESIDUAL_WIDTH))
        length = snprintf(name, size, "resnet%d%s", layers, name_stem(a));
    else if (*name_stem(a) || !widens(a, t))
        return false;
    else if (each < width)
        length = snprintf(name, size, "resnext%d_%" PRIu64 "x%" PRIu64 "d",
                          layers, width / each, each);
    else if (width % RN_RESIDUAL_WIDTH == 0)
        length = snprintf(name, size, "wide_resnet%d_%" PRIu64, layers,
                          width / RN_RESIDUAL_WIDTH);
    else
        return false;
    return (size_t)length < size;
}

enum rn_net_claim rn_imagenet_claim(const struct rn_anatomy *a,
                                    const struct rn_net_tensors *t,
                                    struct rn_net_found *found,
                                    struct rn_error *err)
{
    int layers = layers_of(a);

    if (!layers)
        return rn_anatomy_unknown(a, t, err);
    if (!name_anatomy(found->net, sizeof(found->net), layers, a, t))
        return rn_anatomy_wide(a, t, err);
    found->small = !a->deep && a->stem[2] == 3;
    return rn_anatomy_found(a, found);
}

static enum rn_net_claim recognise(struct rn_net_found *found,
                                   const struct rn_net_tensors *t,
                                   struct rn_error *err)
{
    struct rn_anatomy a;

    if (!rn_anatomy_take(&a, t) || a.squeezes || a.preactivates)
        return RN_CLAIM_NONE;
    /* Names of Caffe's, whose pools round up. */
    if (t->source == &rn_source_senet) {
        found->stride_v1 = a.bottleneck;
        found->stem_pool = "max-ceil";
    }
    return rn_imagenet_claim(&a, t, found, err);
}

static const struct rn_net_habit habits[] = {
    {&rn_source_torchvision, 'A', false, "torchvision"},
    {&rn_source_transformers, 'A', false, "torchvision"},
    {&rn_source_mmpretrain, 'A', false, "torchvision"},
    {&rn_source_senet, 'A', false, "caffe"},
    {NULL, 0, false, NULL},
};

/* ------------------------------------------------------------------ whole */

const struct rn_family rn_family_imagenet = {
    .name = "imagenet",
    .listed = listed,
    .words = words,
    .parse = parse,
    .resolve = resolve,
    .build = rn_imagenet_build,
    .heeds = RN_HEEDS_ALL,
    .has_aux = rn_net_no_aux,
    .head = RN_RESIDUAL_HEAD,
    .attributes = rn_residual_attributes,
    .start = &rn_start_usual,
    .least_floats = rn_imagenet_least_floats,
    .stages = rn_residual_stages,
    .stage_of = rn_residual_stage_of,
    .candidates = candidates,
    .rules = rn_residual_rules,
    .recognise = recognise,
    .weights = rn_residual_weights,
    .habits = habits,
    .unsure = rn_residual_unsure,
};
