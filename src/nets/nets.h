/* SPDX-License-Identifier: BSD-2-Clause */
/* A name becomes a spec, and a spec a graph, whatever the family is. */
#ifndef RN_NETS_NETS_H
#define RN_NETS_NETS_H

#include "graph/graph.h"

struct rn_family;

/** How an ImageNet network begins. */
enum rn_stem {
    RN_STEM_7X7,  /* and a max pool, the paper's */
    RN_STEM_DEEP, /* three 3x3 for the 7x7 (T. He et al. 2019, figure 2b) */
    RN_STEM_3X3,  /* for small pictures: stride 1, no pool */
};

/** What shrinks in place of a stride, so that less is aliased: timm's resnetaa
 *  and resnetblur (R. Zhang 2019). */
enum rn_antialias {
    RN_ANTIALIAS_NONE,
    RN_ANTIALIAS_MEAN, /* of 2x2 */
    RN_ANTIALIAS_BLUR, /* 1 2 1 both ways, every second pixel */
};

/** What follows the first convolution. */
enum rn_stem_pool {
    RN_STEM_POOL_USUAL, /* what goes with the stem */
    RN_STEM_POOL_NONE,
    RN_STEM_POOL_MAX,      /* 3x3, /2, padded on both sides: torchvision's */
    RN_STEM_POOL_MAX_CEIL, /* 3x3, /2, not padded, rounded up: Caffe's */
    RN_STEM_POOL_MEAN,     /* 2x2, /2 */
    RN_STEM_POOL_BLUR,     /* max of 3x3, then the blur above */
};
/** From RN_STEM_POOL_NONE on, in order. */
#define RN_STEM_POOL_WORDS "none|max|max-ceil|mean|blur"

/** Whether blocks end in a gate of their channels (J. Hu et al. 2018), and over
 *  how many the gate is made. */
enum rn_squeeze {
    RN_SQUEEZE_NONE,
    RN_SQUEEZE_SIXTEENTH, /* a 16th of the block's, a multiple of 8: timm's */
    RN_SQUEEZE_16,        /* of any block */
};

enum rn_activation {
    RN_ACTIVATION_RELU,
    RN_ACTIVATION_RELU6,
    RN_ACTIVATION_LEAKY_RELU, /* slope 0.01, as PyTorch's */
    RN_ACTIVATION_SILU,
};
/** In order. */
#define RN_ACTIVATION_WORDS "relu|relu6|leaky-relu|silu"

/** "v1" (the paper's) or "v1.5", see rn_net_options.stride_v1. */
const char *rn_stride_name(bool v1);

/** Everything that makes a network, with no defaults left open. */
struct rn_net_spec {
    char name[32];                  /* "resnet20", "plain34" */
    const struct rn_family *family; /* NULL: none of ours, a graph */
    int depth; /* weighted layers, projections not counted */
    int classes;
    struct rn_shape input;
    int variant;    /* what else a name says, in the family's own numbers */
    bool aux;       /* with its auxiliary heads, for training */
    double dropout; /* see rn_net_options.dropout */
    /* Residual networks' alone, from here on; zero but for the shortcut in
     * others. */
    bool plain;     /* no shortcuts */
    char shortcut;  /* 'A', 'a', 'B', 'C'; '-' for plain */
    bool stride_v1; /* bottleneck stride in the first 1x1 */
    /* Bottlenecks' 3x3: groups, and channels of each in conv2_x (S. Xie et al.
     * 2017). Ours have 1 of 64; wide ones 1 of 128. */
    int groups, width;
    enum rn_stem stem;
    bool pooled; /* shortcuts take the mean of 2x2, then a 1x1 of stride 1
                    (figure 2c there) */
    enum rn_antialias antialias;
    enum rn_squeeze squeeze;
    /* What is another than the name says, zero when nothing is: networks of
     * others, see rn_net_is_unusual(). */
    int stem_stride, first_stride; /* of conv1; of conv2_x */
    enum rn_stem_pool stem_pool;
    enum rn_activation activation;
};

/** Resolve a name and options into a full spec; RN_ERR_ARG names what is
 *  wrong and suggests the nearest network. */
int rn_net_resolve(struct rn_net_spec *spec, const char *name,
                   const struct rn_net_options *options, struct rn_error *err);

/** Whether more makes the network than its name and rn_net_options say. It is
 *  stored as its graph, then. */
bool rn_net_is_unusual(const struct rn_net_spec *spec);

/** Whether a network of that name and sizes has auxiliary heads, with which it
 *  can be built. */
bool rn_net_has_aux(const struct rn_net_spec *spec);
/** How many, and their learned parameters; none where they do not fit the
 *  images, or memory is short. */
void rn_net_count_aux(const struct rn_net_spec *spec, size_t *heads,
                      uint64_t *params);
/** RN_ERR_ARG for a network that has none. */
int rn_net_want_aux(struct rn_net_spec *spec, struct rn_error *err);

/** Build the graph of a spec; parameters are zero. */
int rn_net_build(struct rn_graph **out, const struct rn_net_spec *spec,
                 struct rn_error *err);

/** What files call the family of a graph that is none of ours. */
#define RN_FAMILY_GRAPH "graph"
/** The family's name in files, RN_FAMILY_GRAPH for a graph's. */
const char *rn_net_family_name(const struct rn_net_spec *spec);
/** A spec for such a graph, which ends in a number per class; depth is its
 *  convolutions and fc. A longer name is cut. The graph gets its stages. */
void rn_net_of_graph(struct rn_net_spec *spec, const char *name,
                     struct rn_graph *g);
/** The parameter in that place (RN_P_WEIGHT, RN_P_BIAS) of the layer that makes
 *  the classes, which is linear or a convolution; -1 where there is none. */
int rn_net_head_param(const struct rn_graph *g, int place);
/** Whether a parameter is that layer's, or an auxiliary head's last one's. */
bool rn_net_counts_classes(const struct rn_graph *g, int param);

#endif
