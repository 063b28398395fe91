/* SPDX-License-Identifier: BSD-2-Clause */
#include "nets/blocks.h"

#include "core/count.h"

#include <stdio.h>
#include <string.h>

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

bool rn_net_imagenet_depth(int depth)
{
    return find_arch(depth) != NULL;
}

bool rn_net_imagenet_bottleneck(int depth)
{
    const struct arch *arch = find_arch(depth);

    return arch && arch->block == rn_block_bottleneck;
}

int rn_net_imagenet_layers(const int blocks[4], bool bottleneck)
{
    for (size_t i = 0; i < COUNT(archs); i++)
        if (memcmp(archs[i].blocks, blocks, sizeof(archs[i].blocks)) == 0 &&
            (archs[i].block == rn_block_bottleneck) == bottleneck)
            return archs[i].depth;
    return 0;
}

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
 * rounds down, as torchvision's; Caffe's windows lie one pixel off. Pools of
 * anti-aliased networks are timm's. */
static int stem(struct rn_graph *g, const struct rn_net_spec *spec, int x)
{
    static const enum rn_stem_pool pools[] = {
        [RN_ANTIALIAS_NONE] = RN_STEM_POOL_MAX,
        [RN_ANTIALIAS_MEAN] = RN_STEM_POOL_MEAN,
        [RN_ANTIALIAS_BLUR] = RN_STEM_POOL_BLUR,
    };
    bool small = spec->stem == RN_STEM_3X3;
    int usual = small ? 1 : 2;
    int stride = spec->stem_stride ? spec->stem_stride : usual;

    if (spec->stem == RN_STEM_DEEP)
        x = deep_stem(g, spec, x);
    else
        x = rn_conv_bn_relu(g, spec, x, "", 1, 64, small ? 3 : 7, stride,
                            "relu");
    return rn_pool_stem(g, spec, x,
                        small ? RN_STEM_POOL_NONE : pools[spec->antialias]);
}

void rn_net_build_imagenet(struct rn_graph *g, const struct rn_net_spec *spec)
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
