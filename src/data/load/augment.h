/* SPDX-License-Identifier: BSD-2-Clause */
/* Changes to training images beside crop and flip. Each is a function of seed,
 * epoch and index alone. */
#ifndef RN_DATA_LOAD_AUGMENT_H
#define RN_DATA_LOAD_AUGMENT_H

#include "data/data.h"

/** Change the colours of pixels [c][h][w] as config->augment.colour says;
 *  images of other than three channels stay as they are. */
void rn_colour_change(const struct rn_loader_config *config,
                      struct rn_pick pick, uint8_t *pixels);

/** Set a random part of a normalised image to zero, the mean; or not. */
void rn_erase(const struct rn_loader_config *config, struct rn_pick pick,
              float *image);

/** How an image is mixed with another one. */
struct rn_mix {
    struct rn_pick other;
    float share;    /* of the image's own label */
    bool cut;       /* a part of the other one, not both overlaid */
    int x, y, w, h; /* that part */
};

/** Whether images are mixed at all. */
bool rn_mixes(const struct rn_augment *augment);
/** What is to be mixed into the image of `pick`. */
void rn_mix_draw(const struct rn_loader_config *config, struct rn_pick pick,
                 struct rn_mix *mix);
void rn_mix_apply(const struct rn_loader_config *config,
                  const struct rn_mix *mix, const float *other, float *image);

#endif
