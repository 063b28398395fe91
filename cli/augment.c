/* SPDX-License-Identifier: BSD-2-Clause */
#include "augment.h"

#define AT(field) offsetof(struct rn_train_options, field)

/* clang-format off */
const struct option augment_table[AUGMENT_OPTIONS] = {
    {"augment", "HOW", OPTION_WORD, AT(augment), 0, 0,
     "none|flip|crop|crop-flip|area|shorter", "crop-flip; of pictures area",
     "random crops, mirror images, or both; of pictures and with mirror images "
     "area (a part of random area and shape) or shorter (the paper's: shorter "
     "side random, crop)"},
    {"crop-area", "X", OPTION_REAL, AT(crop_area), 0.001, 1, NULL,
     "0.08 to 0.35, *", "least share of a picture that --augment area takes"},
    {"crop-pad", "N", OPTION_INT, AT(crop_pad), 0, 1024, NULL, NULL,
     "pixels of padding on each side before the crop"},
    {"colour", "HOW", OPTION_WORD, AT(colour), 0, 0, "none|pca|jitter",
     "none",
     "change colours: along their principal components (the paper's), or "
     "brightness, contrast and saturation by up to 40 %"},
    {"erase", "X", OPTION_REAL, AT(erase), 0, 1, NULL, NULL,
     "share of the images that have a random part erased"},
    {"mixup", "X", OPTION_REAL, AT(mixup), 0, 1, NULL, NULL,
     "overlay two images, in shares from beta(X, X)"},
    {"cutmix", "X", OPTION_REAL, AT(cutmix), 0, 1, NULL, NULL,
     "paste a part of another image, of an area from beta(X, X); with --mixup "
     "each image has one of both"},
};
/* clang-format on */
