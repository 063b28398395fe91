/* SPDX-License-Identifier: BSD-2-Clause */
/* Adds residual blocks and their shortcuts to a graph. */
#include "nets/blocks.h"

#include <stdio.h>

#define NAME_SIZE 64

/* "layer1.0" and "relu1" make "layer1.0.relu1". */
static void join(char name[NAME_SIZE], const char *prefix, const char *part)
{
    snprintf(name, NAME_SIZE, "%s%s%s", prefix, *prefix ? "." : "", part);
}

#define LEAKY_SLOPE 0.01f

int rn_block_activation(struct rn_graph *g, const struct rn_net_spec *spec,
                        int x, const char *name)
{
    char gate[NAME_SIZE + 10];
    int y;

    switch (spec->activation) {
    case RN_ACTIVATION_RELU6:
        return rn_graph_clip(g, x, name, 0, 6);
    case RN_ACTIVATION_LEAKY_RELU:
        return rn_graph_leaky_relu(g, x, name, LEAKY_SLOPE);
    case RN_ACTIVATION_SILU:
        snprintf(gate, sizeof(gate), "%s.sigmoid", name);
        y = rn_graph_sigmoid(g, x, gate);
        return rn_graph_multiply(g, x, y, name);
    case RN_ACTIVATION_RELU:
        break;
    }
    return rn_graph_relu(g, x, name);
}

/* A blur of 1 2 1 over 4, of every second pixel, the picture reflected at its
 * edges, is the mean of two neighbours taken twice: at an edge the second one
 * would be of a mean and its mirror image, which are equal, so that the mean
 * over what is there is the same. */
int rn_shrink(struct rn_graph *g, enum rn_antialias how, int x,
              const char *name)
{
    const struct rn_pool_options pair = {.window = RN_WINDOW(2, 2, 1, 0)};
    const struct rn_pool_options mean = {.window = RN_WINDOW(2, 2, 2, 0)};
    const struct rn_pool_options last = {.window = RN_WINDOW(2, 2, 2, 1)};
    char first[NAME_SIZE + 2];

    if (how == RN_ANTIALIAS_MEAN)
        return rn_graph_avg_pool(g, x, name, &mean);
    snprintf(first, sizeof(first), "%s.0", name);
    x = rn_graph_avg_pool(g, x, first, &pair);
    return rn_graph_avg_pool(g, x, name, &last);
}

int rn_pool_stem(struct rn_graph *g, const struct rn_net_spec *spec, int x,
                 enum rn_stem_pool usual)
{
    const struct rn_window padded = RN_WINDOW(3, 3, 2, 1);
    const struct rn_window dense = RN_WINDOW(3, 3, 1, 1);
    const struct rn_pool_options ceil = {.window = RN_WINDOW(3, 3, 2, 0),
                                         .ceil = true};
    enum rn_stem_pool pool =
        spec->stem_pool == RN_STEM_POOL_USUAL ? usual : spec->stem_pool;

    switch (pool) {
    case RN_STEM_POOL_MAX:
        return rn_graph_max_pool(g, x, "maxpool", padded);
    case RN_STEM_POOL_MAX_CEIL:
        return rn_graph_max_pool_with(g, x, "maxpool", &ceil);
    case RN_STEM_POOL_MEAN:
        return rn_shrink(g, RN_ANTIALIAS_MEAN, x, "maxpool");
    case RN_STEM_POOL_BLUR:
        x = rn_graph_max_pool(g, x, "maxpool.max", dense);
        return rn_shrink(g, RN_ANTIALIAS_BLUR, x, "maxpool");
    case RN_STEM_POOL_USUAL:
    case RN_STEM_POOL_NONE:
        break;
    }
    return x;
}

/* rn_conv_bn_relu() in groups. */
static int conv_bn_relu(struct rn_graph *g, const struct rn_net_spec *spec,
                        int x, const char *prefix, int number, int channels,
                        int kernel, int stride, int groups, const char *relu)
{
    const struct rn_window window =
        RN_WINDOW(kernel, kernel, stride, kernel / 2);
    char part[16], name[NAME_SIZE];

    snprintf(part, sizeof(part), "conv%d", number);
    join(name, prefix, part);
    x = rn_graph_conv_groups(g, x, name, channels, window, groups, false);
    snprintf(part, sizeof(part), "bn%d", number);
    join(name, prefix, part);
    x = rn_graph_batch_norm(g, x, name);
    if (!relu)
        return x;
    join(name, prefix, relu);
    return rn_block_activation(g, spec, x, name);
}

int rn_conv_bn_relu(struct rn_graph *g, const struct rn_net_spec *spec, int x,
                    const char *prefix, int number, int channels, int kernel,
                    int stride, const char *relu)
{
    return conv_bn_relu(g, spec, x, prefix, number, channels, kernel, stride, 1,
                        relu);
}

/* 1x1 convolution and batch norm, no ReLU (He's models). With means of 2x2
 * before it, which make the stride, the names count those, too. */
static int projection(struct rn_graph *g, const struct rn_net_spec *spec, int x,
                      const char *block, int channels, int stride)
{
    const struct rn_pool_options mean = {.window = RN_WINDOW(2, 2, stride, 0),
                                         .ceil = true};
    const struct rn_window window =
        RN_WINDOW(1, 1, spec->pooled ? 1 : stride, 0);
    char name[NAME_SIZE];

    join(name, block, "downsample.0");
    if (spec->pooled && stride > 1)
        x = rn_graph_avg_pool(g, x, name, &mean);
    join(name, block, spec->pooled ? "downsample.1" : "downsample.0");
    x = rn_graph_conv(g, x, name, channels, window, false);
    join(name, block, spec->pooled ? "downsample.2" : "downsample.1");
    return rn_graph_batch_norm(g, x, name);
}

/* The shortcut from x, made as large as the block's output. */
static int shortcut(struct rn_graph *g, const struct rn_net_spec *spec, int x,
                    const char *block, int channels, int stride)
{
    bool grows;
    int before;
    char name[NAME_SIZE];

    if (g->error.code != RN_OK)
        return -1;
    grows = stride != 1 || g->nodes[x].shape.c != channels;
    if (spec->shortcut == 'C' || (spec->shortcut == 'B' && grows))
        return projection(g, spec, x, block, channels, stride);
    if (!grows)
        return x;
    join(name, block, "downsample");
    /* 'a': half of the new channels on each side, as a well-known
     * reimplementation for CIFAR has it (akamaster/pytorch_resnet_cifar10). */
    before = spec->shortcut == 'a' ? (channels - g->nodes[x].shape.c) / 2 : 0;
    return rn_graph_subsample_pad(g, x, name, channels, before, stride);
}

int rn_squeeze_channels(enum rn_squeeze squeeze, int channels)
{
    const int least = 8, near = (channels / 16 + least / 2) / least * least;

    if (squeeze == RN_SQUEEZE_16)
        return 16;
    return near < least ? least : near;
}

/* Squeeze and excitation, under timm's names: F(x) times a gate for each
 * channel, made of all channels' means. */
static int excite(struct rn_graph *g, const struct rn_net_spec *spec, int x,
                  const char *block, int channels)
{
    const struct rn_window one = RN_WINDOW(1, 1, 1, 0);
    const int narrow = rn_squeeze_channels(spec->squeeze, channels);
    char name[NAME_SIZE];
    int gate;

    if (spec->squeeze == RN_SQUEEZE_NONE)
        return x;
    join(name, block, "se.mean");
    gate = rn_graph_global_avg_pool(g, x, name);
    join(name, block, "se.fc1");
    gate = rn_graph_conv(g, gate, name, narrow, one, true);
    join(name, block, "se.act");
    gate = rn_block_activation(g, spec, gate, name);
    join(name, block, "se.fc2");
    gate = rn_graph_conv(g, gate, name, channels, one, true);
    join(name, block, "se.gate");
    gate = rn_graph_sigmoid(g, gate, name);
    join(name, block, "se");
    return rn_graph_multiply(g, x, gate, name);
}

/* y = ReLU(F(x) + shortcut(x)); plain networks have y = ReLU(F(x)). */
static int join_shortcut(struct rn_graph *g, const struct rn_net_spec *spec,
                         int f, int x, const char *block, int channels,
                         int stride, const char *relu)
{
    char name[NAME_SIZE];

    f = excite(g, spec, f, block, channels);
    if (!spec->plain) {
        x = shortcut(g, spec, x, block, channels, stride);
        join(name, block, "add");
        f = rn_graph_add(g, f, x, name);
    }
    join(name, block, relu);
    return rn_block_activation(g, spec, f, name);
}

/* Behind a convolution of stride 1 in the place of one that would shrink. */
static int antialias(struct rn_graph *g, const struct rn_net_spec *spec, int x,
                     const char *block, int stride)
{
    char name[NAME_SIZE];

    if (spec->antialias == RN_ANTIALIAS_NONE || stride == 1)
        return x;
    join(name, block, "aa");
    return rn_shrink(g, spec->antialias, x, name);
}

int rn_block_basic(struct rn_graph *g, const struct rn_net_spec *spec, int x,
                   const char *name, int channels, int stride)
{
    const int stride1 = spec->antialias == RN_ANTIALIAS_NONE ? stride : 1;
    int f = rn_conv_bn_relu(g, spec, x, name, 1, channels, 3, stride1, "relu1");

    f = antialias(g, spec, f, name, stride);
    f = rn_conv_bn_relu(g, spec, f, name, 2, channels, 3, 1, NULL);
    return join_shortcut(g, spec, f, x, name, channels, stride, "relu2");
}

int rn_block_bottleneck(struct rn_graph *g, const struct rn_net_spec *spec,
                        int x, const char *name, int channels, int stride)
{
    const int wide = channels * RN_BOTTLENECK_EXPANSION;
    /* conv2_x has 64 channels. */
    const int narrow = channels * spec->width / 64 * spec->groups;
    /* v1, the paper's weights, or v1.5, fb.resnet.torch and torchvision. */
    const int stride1 = spec->stride_v1 ? stride : 1;
    const int stride2 =
        spec->stride_v1 || spec->antialias != RN_ANTIALIAS_NONE ? 1 : stride;
    int f = rn_conv_bn_relu(g, spec, x, name, 1, narrow, 1, stride1, "relu1");

    f = conv_bn_relu(g, spec, f, name, 2, narrow, 3, stride2, spec->groups,
                     "relu2");
    f = antialias(g, spec, f, name, stride);
    f = rn_conv_bn_relu(g, spec, f, name, 3, wide, 1, 1, NULL);
    return join_shortcut(g, spec, f, x, name, wide, stride, "relu3");
}

int rn_head(struct rn_graph *g, const struct rn_net_spec *spec, int x)
{
    x = rn_graph_global_avg_pool(g, x, "avgpool");
    return rn_graph_linear(g, x, "fc", spec->classes);
}
