/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of named ways to prepare pictures, and applying one. */
#include "model/presets.h"

#include "core/count.h"
#include "core/memory.h"

#include <string.h>

#define INPUT 224 /* ImageNet's usual size */

/* Means of ImageNet's training images; Caffe's are of pixels 0..255. */
#define IMAGENET_MEAN          \
    {                          \
        0.485f, 0.456f, 0.406f \
    }
#define IMAGENET_STD           \
    {                          \
        0.229f, 0.224f, 0.225f \
    }
#define CAFFE_MEAN                                    \
    {                                                 \
        123.68f / 255, 116.779f / 255, 103.939f / 255 \
    }
#define SAME(x) \
    {           \
        x, x, x \
    }

static const struct rn_preset presets[] = {
    /* clang-format off */
    {"torchvision", "shorter side 256, ImageNet's mean and std",
     IMAGENET_MEAN, IMAGENET_STD, false, false, 256, INPUT, RN_BILINEAR},
    {"torchvision-v2", "the same, shorter side 232 (weights of 2021)",
     IMAGENET_MEAN, IMAGENET_STD, false, false, 232, INPUT, RN_BILINEAR},
    {"timm", "the same, shorter side 235, bicubic",
     IMAGENET_MEAN, IMAGENET_STD, false, false, 235, INPUT, RN_BICUBIC},
    {"caffe", "shorter side 256, BGR, 0..255 less the mean",
     CAFFE_MEAN, SAME(1.0f / 255), false, true, 256, INPUT, RN_BILINEAR},
    {"cifar", "CIFAR-10's mean, and the std most scripts have",
     {0.4914f, 0.4822f, 0.4465f}, {0.2023f, 0.1994f, 0.2010f},
     false, false, 0, INPUT, RN_BILINEAR},
    {"cifar100", "CIFAR-100's mean and std",
     {0.5071f, 0.4867f, 0.4408f}, {0.2675f, 0.2565f, 0.2761f},
     false, false, 0, INPUT, RN_BILINEAR},
    {"akamaster", "ImageNet's mean and std, for CIFAR",
     IMAGENET_MEAN, IMAGENET_STD, false, false, 0, INPUT, RN_BILINEAR},
    {"zero-one", "pixels from 0 to 1",
     SAME(0), SAME(1), true, false, 0, INPUT, RN_BILINEAR},
    {"half", "pixels from -1 to 1",
     SAME(0.5f), SAME(0.5f), true, false, 0, INPUT, RN_BILINEAR},
    {"googlenet", "shorter side 256, pixels from -1 to 1",
     SAME(0.5f), SAME(0.5f), true, false, 256, INPUT, RN_BILINEAR},
    {"inception-v3", "shorter side 342 of 299, pixels from -1 to 1",
     SAME(0.5f), SAME(0.5f), true, false, 342, 299, RN_BILINEAR},
    {"none", "none: the model cannot be given pictures",
     SAME(0), SAME(0), true, false, 0, INPUT, RN_BILINEAR},
    /* clang-format on */
};

const char *rn_preprocess_name(size_t i, const char **description)
{
    if (i >= COUNT(presets))
        return NULL;
    if (description)
        *description = presets[i].description;
    return presets[i].name;
}

int rn_preset_find(const char *name, const struct rn_preset **out,
                   struct rn_error *err)
{
    char names[200] = "";

    for (size_t i = 0; i < COUNT(presets); i++) {
        *out = &presets[i];
        if (strcmp(presets[i].name, name) == 0)
            return RN_OK;
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
                 i ? ", " : "", presets[i].name);
    }
    return rn_fail(err, RN_ERR_ARG,
                   "unknown preprocessing '%.40s', expected one of %s", name,
                   names);
}

bool rn_preset_fits(const struct rn_preset *preset, int channels)
{
    return channels == 3 || preset->any_channels;
}

static void remove_preprocessing(struct rn_model *model)
{
    rn_free(model->preprocessing.mean);
    rn_free(model->preprocessing.std);
    rn_free(model->preprocessing.whitening);
    memset(&model->preprocessing, 0, sizeof(model->preprocessing));
}

/* Resizing in the proportion it has for an input of 224. */
static int resize_for(const struct rn_preset *preset,
                      const struct rn_shape *input)
{
    int side = input->h > input->w ? input->h : input->w;

    return (int)((int64_t)preset->resize * side / preset->input);
}

static int apply_numbers(struct rn_model *model, const struct rn_preset *preset,
                         float *mean, float *std, struct rn_error *err)
{
    size_t c = (size_t)model->spec.input.c;

    for (size_t i = 0; i < c; i++) {
        size_t k = preset->any_channels ? 0 : preset->bgr ? c - 1 - i : i;

        mean[i] = preset->mean[k];
        std[i] = preset->std[k];
    }
    int rc = rn_model_set_preprocessing(model, false, mean, std, err);
    if (!rc)
        rc = rn_model_set_bgr(model, preset->bgr, err);
    return rc ? rc
              : rn_model_set_resize(model,
                                    resize_for(preset, &model->spec.input),
                                    preset->interpolation, err);
}

int rn_preset_apply(struct rn_model *model, const struct rn_preset *preset,
                    struct rn_error *err)
{
    size_t c = (size_t)model->spec.input.c;

    if (!rn_preset_fits(preset, model->spec.input.c))
        return rn_fail(err, RN_ERR_ARG,
                       "preprocessing '%s' is for 3 channels, the network "
                       "takes %zu",
                       preset->name, c);
    remove_preprocessing(model);
    if (preset->std[0] == 0) /* none */
        return RN_OK;
    float *mean = rn_alloc(c, sizeof(*mean)), *std = rn_alloc(c, sizeof(*std));
    int rc = mean && std ? apply_numbers(model, preset, mean, std, err)
                         : rn_fail_memory(err, c * sizeof(*mean), "a mean");
    rn_free(mean);
    rn_free(std);
    return rc;
}
