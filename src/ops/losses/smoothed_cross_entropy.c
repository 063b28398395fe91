/* SPDX-License-Identifier: BSD-2-Clause */
/* Label smoothing (Szegedy et al. 2016): cross-entropy with a tenth of the
 * target spread over all classes, unless told how much. */
#include "ops/loss.h"

const struct rn_loss_rule rn_loss_smoothed_cross_entropy = {
    .name = "smoothed-cross-entropy",
    .output = RN_OUTPUT_LOGITS,
    .mixes = true,
    .smooths = true,
    .softens = true,
    .smoothing = 0.1,
    .image = rn_cross_entropy_image,
};
