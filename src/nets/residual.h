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
extern const char *const rn_residual_stages[];
extern const struct rn_net_rule rn_residual_rules[];
extern const char *const rn_residual_weights[];
#define RN_RESIDUAL_HEAD "fc"
int rn_residual_stage_of(const struct rn_net_spec *spec, const char *node);
void rn_residual_unsure(const struct rn_net_spec *spec,
                        const struct rn_net_found *found,
                        const struct rn_net_given *given, rn_net_say *say,
                        void *user);

/* Whose names the rules are. */
extern const struct rn_net_source rn_source_akamaster;
extern const struct rn_net_source rn_source_transformers;
extern const struct rn_net_source rn_source_mmpretrain;

/** What the tensors of a residual network tell by their shapes. */
struct rn_anatomy {
    uint64_t stem[4]; /* of conv1.weight, or the first of three */
    bool deep;        /* three it is */
    bool pooled;      /* shortcuts whose convolution is not the first */
    bool bottleneck;
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

#endif
