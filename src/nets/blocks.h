/* SPDX-License-Identifier: BSD-2-Clause */
/* The building blocks both families share (He et al. 2016, figures 2, 5). */
#ifndef RN_NETS_BLOCKS_H
#define RN_NETS_BLOCKS_H

#include "nets/nets.h"

/** Channels a bottleneck puts out per channel it works on. */
#define RN_BOTTLENECK_EXPANSION 4

/** Convolution without bias, padded to keep the size at stride 1, and batch
 *  norm; ReLU, or the network's own activation, too when relu is a name. Names
 *  get "PREFIX." before them when prefix is not "". */
int rn_conv_bn_relu(struct rn_graph *g, const struct rn_net_spec *spec, int x,
                    const char *prefix, int number, int channels, int kernel,
                    int stride, const char *relu);

/** Channels that a gate of so many is made over. */
int rn_squeeze_channels(enum rn_squeeze squeeze, int channels);

/** ReLU or what the network has in its place. */
int rn_block_activation(struct rn_graph *g, const struct rn_net_spec *spec,
                        int x, const char *name);

/** The mean or blur of an anti-aliased network, stride 2. */
int rn_shrink(struct rn_graph *g, enum rn_antialias how, int x,
              const char *name);

/** What follows the first convolution; `usual` is what goes with the stem. */
int rn_pool_stem(struct rn_graph *g, const struct rn_net_spec *spec, int x,
                 enum rn_stem_pool usual);

/** Two 3x3 convolutions of so many channels, and the shortcut. */
int rn_block_basic(struct rn_graph *g, const struct rn_net_spec *spec, int x,
                   const char *name, int channels, int stride);

/** 1x1, 3x3 of so many channels (or as spec->groups and width say), 1x1 of
 *  four times as many. */
int rn_block_bottleneck(struct rn_graph *g, const struct rn_net_spec *spec,
                        int x, const char *name, int channels, int stride);

/** Global average pooling and the classifier. */
int rn_head(struct rn_graph *g, const struct rn_net_spec *spec, int x);

#endif
