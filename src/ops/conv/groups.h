/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * Convolutions in groups, as oneDNN is told of them. Its kernels want groups
 * of whole blocks. Smaller groups run as fewer larger ones whose weights are
 * zero between channels of different groups: ResNeXt's of 4 channels as such
 * of 16. Where that does not come out even, all of them run as one. In
 * inference, depthwise convolutions are a kind of their own, and run over the
 * channels that fill the last block, too.
 */
#ifndef RN_OPS_CONV_GROUPS_H
#define RN_OPS_CONV_GROUPS_H

#include "ops/conv/conv.h"

bool rn_is_grouped(const struct rn_conv_config *c);
/** In inference, and in as many groups as channels, in and out. */
bool rn_is_depthwise(const struct rn_conv_config *c);
/** Groups that are run. */
int rn_groups_run(const struct rn_conv_config *c);
/** Of so many channels in or out, those that are run. */
int rn_channels_run(const struct rn_conv_config *c, int channels);

/** Floats of the weights that are run: oneDNN's GoihwBg when depthwise,
 *  gOIhwBiBo, or OIhwBiBo when run as one group. In training the store has
 *  them like that. */
size_t rn_groups_count(const struct rn_conv_config *c);
/** Plain [out][in / groups][kh][kw] -> what is run. */
void rn_groups_pack(const struct rn_conv_config *c, const float *plain,
                    float *packed);
/** And back, in training. */
void rn_groups_unpack(const struct rn_conv_config *c, const float *packed,
                      float *plain);
/** Zero the weights between channels of different groups, in training. */
void rn_groups_clear(const struct rn_conv_config *c, float *packed);

#endif
