/* SPDX-License-Identifier: BSD-2-Clause */
/* What the families of residual networks share: options, description, stages,
 * and the names that others give their tensors. */
#ifndef RN_NETS_RESIDUAL_H
#define RN_NETS_RESIDUAL_H

#include "nets/family.h"

#define RN_RESIDUAL_WIDTH  64 /* of bottlenecks' 3x3 in conv2_x */
#define RN_RESIDUAL_STAGES 4  /* at most */

/** What names say nothing of: one group of 64 channels. */
void rn_residual_defaults(struct rn_net_spec *spec, int classes, int pixels);
/** The shortcut, `usual` when none is asked for, and the stride. */
int rn_residual_resolve(struct rn_net_spec *spec,
                        const struct rn_net_options *options, char usual,
                        bool bottleneck, struct rn_error *err);

/* Columns of struct rn_family. */
extern const struct rn_net_attribute rn_residual_attributes[];
json_t *rn_residual_put_shortcut(const struct rn_net_spec *spec);
bool rn_residual_get_shortcut(const json_t *value,
                              struct rn_net_options *options);
#define RN_RESIDUAL_SHORTCUT                                            \
    {                                                                   \
        "shortcut", rn_residual_put_shortcut, rn_residual_get_shortcut, \
            "one letter or A-split"                                     \
    }
json_t *rn_residual_put_stride(const struct rn_net_spec *spec);
bool rn_residual_get_stride(const json_t *value,
                            struct rn_net_options *options);
#define RN_RESIDUAL_STRIDE                                        \
    {                                                             \
        "stride", rn_residual_put_stride, rn_residual_get_stride, \
            "\"v1\" or "                                          \
            "\"v1.5\""                                            \
    }
extern const char *const rn_residual_stages[];
extern const struct rn_net_rule rn_residual_rules[];
extern const char *const rn_residual_weights[];
#define RN_RESIDUAL_HEAD "fc"
int rn_residual_stage_of(const struct rn_net_spec *spec, const char *node);
void rn_residual_unsure(const struct rn_net_spec *spec,
                        const struct rn_net_found *found,
                        const struct rn_net_given *given, rn_net_say *say,
                        void *user);
/** The parts of that: where bottlenecks stride, and where option A has its
 *  zeros. */
void rn_residual_unsure_stride(const struct rn_net_given *given,
                               rn_net_say *say, void *user);
void rn_residual_unsure_zeros(const struct rn_net_spec *spec,
                              const struct rn_net_given *given, rn_net_say *say,
                              void *user);

/* Whose names the rules are. */
extern const struct rn_net_source rn_source_akamaster;
extern const struct rn_net_source rn_source_transformers;
extern const struct rn_net_source rn_source_mmpretrain;
extern const struct rn_net_source rn_source_senet;
extern const struct rn_net_source rn_source_cadene;

/** What the tensors of a residual network tell by their shapes. */
struct rn_anatomy {
    uint64_t stem[4]; /* of conv1.weight, or the first of three */
    bool deep;        /* three it is */
    bool pooled;      /* shortcuts whose convolution is not the first */
    bool bottleneck;
    bool squeezes;     /* blocks end in gates */
    bool preactivates; /* or begin with batch norm */
    int blocks[RN_RESIDUAL_STAGES + 1];
    int stages;
    uint64_t conv1[4], conv2[4]; /* of layer1.0 */
    int projections, all;        /* blocks with one, and all of them */
};

/** False when it is no residual network by its names. */
bool rn_anatomy_take(struct rn_anatomy *a, const struct rn_net_tensors *t);
/** RN_CLAIM_KIN and its message. */
enum rn_net_claim rn_anatomy_unknown(const struct rn_anatomy *a,
                                     const struct rn_net_tensors *t,
                                     struct rn_error *err);
/** RN_CLAIM_REFUSED for the width of the blocks, and its message. */
enum rn_net_claim rn_anatomy_wide(const struct rn_anatomy *a,
                                  const struct rn_net_tensors *t,
                                  struct rn_error *err);
/** Fill in what the anatomy tells beside the name: RN_CLAIM_FOUND. */
enum rn_net_claim rn_anatomy_found(const struct rn_anatomy *a,
                                   struct rn_net_found *found);

/* What the families of imagenet.c and cifar.c hand on to those whose blocks
 * have more to them. */
bool rn_imagenet_has(int layers);
bool rn_imagenet_has_bottleneck(int layers);
/** Groups and width of "_32x4d" at the beginning of a name's tail; what
 *  follows, or NULL. */
const char *rn_imagenet_read_groups(struct rn_net_spec *spec, const char *tail);
void rn_imagenet_build(struct rn_graph *g, const struct rn_net_spec *spec);
uint64_t rn_imagenet_least_floats(const struct rn_net_spec *spec);
bool rn_cifar_has(int layers);
void rn_cifar_build(struct rn_graph *g, const struct rn_net_spec *spec);
uint64_t rn_cifar_least_floats(const struct rn_net_spec *spec);
/** The network by all but what the blocks have more. */
enum rn_net_claim rn_imagenet_claim(const struct rn_anatomy *a,
                                    const struct rn_net_tensors *t,
                                    struct rn_net_found *found,
                                    struct rn_error *err);
enum rn_net_claim rn_cifar_claim(const struct rn_anatomy *a,
                                 const struct rn_net_tensors *t,
                                 struct rn_net_found *found,
                                 struct rn_error *err);

#endif
