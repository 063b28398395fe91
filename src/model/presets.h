/* SPDX-License-Identifier: BSD-2-Clause */
/* Ways to prepare pictures that have a name. */
#ifndef RN_MODEL_PRESETS_H
#define RN_MODEL_PRESETS_H

#include "model/model.h"

struct rn_preset {
    const char *name, *description;
    float mean[3], std[3]; /* red, green, blue, of pixels 0..1 */
    bool any_channels;     /* all three are the same: fits any number */
    bool bgr;
    int resize; /* of the shorter side; 0: none */
    int input;  /* that it goes with: in proportion for others */
    enum rn_interpolation interpolation;
};

/** The preset of that name; RN_ERR_ARG names those there are. */
int rn_preset_find(const char *name, const struct rn_preset **out,
                   struct rn_error *err);
/** Whether it fits a network of so many channels. */
bool rn_preset_fits(const struct rn_preset *preset, int channels);
/** Give the model that preprocessing. RN_ERR_ARG when it does not fit. */
int rn_preset_apply(struct rn_model *model, const struct rn_preset *preset,
                    struct rn_error *err);

#endif
