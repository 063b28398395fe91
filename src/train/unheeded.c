/* SPDX-License-Identifier: BSD-2-Clause */
/* Options that a run would do nothing with are refused, not passed over: its
 * result would look as if made with them. */
#include "core/count.h"
#include "model/preprocessing.h"
#include "train/trainer.h"

#include <string.h>

/** An option that goes with another one. */
struct bound {
    const char *name;
    bool given, heeded;
    const char *with;
};

static int check(const struct bound *bound, size_t count, struct rn_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (bound[i].given && !bound[i].heeded)
            return rn_fail(err, RN_ERR_ARG, "`%s` goes with %s", bound[i].name,
                           bound[i].with);
    return RN_OK;
}

int rn_check_augmentation(const struct rn_train_options *o,
                          const struct rn_data *data, struct rn_error *err)
{
    bool pictures = data->fetch != NULL;
    int usual = pictures ? RN_AUGMENT_AREA : RN_AUGMENT_CROP_FLIP;
    int kind = o->augment ? rn_train_choice("augment", o->augment) : usual;
    struct rn_train_options defaults;

    /* What is neither 0 nor the default was given, and counts. */
    rn_train_defaults(&defaults);
    const struct bound bound[] = {
        {"crop_pad", o->crop_pad != 0 && o->crop_pad != defaults.crop_pad,
         kind == RN_AUGMENT_CROP || kind == RN_AUGMENT_CROP_FLIP,
         "`augment` crop or crop-flip"},
        {"crop_area", o->crop_area > 0, kind == RN_AUGMENT_AREA,
         "`augment` area"},
        {"colour", o->colour && rn_train_choice("colour", o->colour) > 0,
         pictures || data->shape.c == 3, "images of three channels"},
    };

    return check(bound, COUNT(bound), err);
}

/* The default is no wish. */
static bool asks_for_rate(const struct rn_train_options *o)
{
    struct rn_train_options defaults;

    rn_train_defaults(&defaults);
    return o->warmup_lr > 0 && (o->warmup_lr < defaults.warmup_lr ||
                                o->warmup_lr > defaults.warmup_lr);
}

static bool waits_for_error(const char *warmup)
{
    return warmup && strncmp(warmup, "error:", strlen("error:")) == 0;
}

int rn_trainer_check_normalisation(const struct rn_train_options *o,
                                   const struct rn_preprocessing *pre,
                                   const char *whose, struct rn_error *err)
{
    int kind = rn_train_choice("normalize", o->normalize);
    bool same = true;

    if (kind == RN_NORMALIZE_PIXEL)
        same = pre->per_pixel && !(pre->contrast > 0);
    else if (kind == RN_NORMALIZE_GCN)
        same = pre->contrast > 0 && !pre->whitening;
    else if (kind == RN_NORMALIZE_ZCA)
        same = pre->whitening != NULL;
    return same || !pre->mean
               ? RN_OK
               : rn_fail(err, RN_ERR_ARG,
                         "`normalize` %s: the model of `%s` keeps the "
                         "normalisation it was trained with, which is another",
                         o->normalize, whose);
}

int rn_trainer_check_unheeded(const struct rn_trainer *t,
                              const struct rn_model *weights,
                              struct rn_error *err)
{
    const struct rn_train_options *o = &t->o;
    const bool pictures = rn_trainer_pictures(t);
    const struct bound bound[] = {
        {"holder", o->holder != NULL, weights != NULL, "`weights`"},
        {"map", o->map != NULL, weights != NULL, "`weights`"},
        {"skip_extra", o->skip_extra != 0, weights != NULL, "`weights`"},
        {"batch_norm", rn_keeps_statistics(o), weights != NULL, "`weights`"},
        {"skip_bad", o->skip_bad != 0, pictures, "files of pictures"},
        {"warmup_lr", asks_for_rate(o), waits_for_error(o->warmup),
         "`warmup` error:P"},
    };
    int rc = check(bound, COUNT(bound), err);

    if (rc == RN_OK)
        rc = rn_check_augmentation(o, t->data, err);
    if (rc == RN_OK && rn_rates_idle(o))
        rc =
            rn_fail(err, RN_ERR_ARG,
                    "`lr_scale` '%s' is of stages that `freeze` '%s' leaves as "
                    "they are, too",
                    o->lr_scale, o->freeze);
    if (rc == RN_OK && weights)
        rc = rn_trainer_check_normalisation(o, &weights->preprocessing,
                                            "weights", err);
    return rc;
}
