/* SPDX-License-Identifier: BSD-2-Clause */
/* The families of networks: tables, and a builder each. */
#ifndef RN_NETS_NETS_H
#define RN_NETS_NETS_H

#include "graph/graph.h"

/** How an ImageNet network begins. */
enum rn_stem {
    RN_STEM_7X7,  /* and a max pool, the paper's */
    RN_STEM_DEEP, /* three 3x3 for the 7x7 (T. He et al. 2019, figure 2b) */
    RN_STEM_3X3,  /* for small pictures: stride 1, no pool */
};

/** Everything that makes a network, with no defaults left open. */
struct rn_net_spec {
    char name[32];   /* "resnet20", "plain34" */
    char family[16]; /* "cifar", "imagenet"; "graph": none of ours */
    int depth;       /* weighted layers, projections not counted */
    bool plain;      /* no shortcuts */
    char shortcut;   /* 'A', 'a', 'B', 'C'; '-' for plain */
    bool stride_v1;  /* bottleneck stride in the first 1x1 */
    /* Bottlenecks' 3x3: groups, and channels of each in conv2_x (S. Xie et al.
     * 2017). Ours have 1 of 64; wide ones 1 of 128. */
    int groups, width;
    enum rn_stem stem;
    bool pooled; /* shortcuts take the mean of 2x2, then a 1x1 of stride 1
                    (figure 2c there) */
    int classes;
    struct rn_shape input;
};

/** Resolve a name and options into a full spec; RN_ERR_ARG names what is
 *  wrong and suggests the nearest network. */
int rn_net_resolve(struct rn_net_spec *spec, const char *name,
                   const struct rn_net_options *options, struct rn_error *err);

/** Build the graph of a spec; parameters are zero. */
int rn_net_build(struct rn_graph **out, const struct rn_net_spec *spec,
                 struct rn_error *err);

/** The family of a graph that is none of ours. */
#define RN_FAMILY_GRAPH "graph"
/** A spec for such a graph, which ends in a number per class; depth is its
 *  convolutions and fc. A longer name is cut. */
void rn_net_of_graph(struct rn_net_spec *spec, const char *name,
                     const struct rn_graph *g);

/* cifar.c, imagenet.c: append the family's layers to g. */
void rn_net_build_cifar(struct rn_graph *g, const struct rn_net_spec *spec);
void rn_net_build_imagenet(struct rn_graph *g, const struct rn_net_spec *spec);

/** Whether table 1 of the paper has a network of so many layers, and
 *  whether it is one of bottleneck blocks. */
bool rn_net_imagenet_depth(int depth);
bool rn_net_imagenet_bottleneck(int depth);
/** The depth of the network of table 1 with so many blocks a stage, or 0. */
int rn_net_imagenet_layers(const int blocks[4], bool bottleneck);

#endif
