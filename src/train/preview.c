/* SPDX-License-Identifier: BSD-2-Clause */
/* What training shows to the network, to be looked at. */
#include "core/memory.h"
#include "core/option.h"
#include "train/run.h"
#include "train/trainer.h"

#include <math.h>
#include <string.h>

/* So that numbers lie from -1 to 1, and zero, which is what padding and
 * erasing give, is grey. */
#define HALF 0.5F

static int check(const struct rn_data *data, const struct rn_train_options *o,
                 int size, int count, struct rn_error *err)
{
    int images = data->part[RN_PART_TRAIN].count;

    if (count < 1 || count > images || size < 1 || size > 4096)
        return rn_fail(err, RN_ERR_ARG,
                       "cannot show %d of the %d training images of '%s' in "
                       "%d pixels",
                       count, images, data->spec, size);
    if (!data->fetch &&
        rn_train_choice("augment", o->augment) >= RN_AUGMENT_AREA)
        return rn_fail(err, RN_ERR_ARG,
                       "`augment` '%s' is for pictures; '%s' has images of one "
                       "size in memory",
                       o->augment, data->spec);
    return RN_OK;
}

/* [c][h][w] of -1..1 to a picture; one channel is grey. */
static int to_picture(const float *planes, const struct rn_shape *s,
                      struct rn_image *out, struct rn_error *err)
{
    size_t pixels = rn_shape_pixels(*s);

    *out = (struct rn_image){s->w, s->h, rn_alloc(pixels, 3)};
    if (!out->pixels)
        return rn_fail_memory(err, 3 * pixels, "a picture");
    for (size_t i = 0; i < 3 * pixels; i++) {
        float x = planes[(s->c >= 3 ? i % 3 : 0) * pixels + i / 3];
        float value = 255 * (x * HALF + HALF);

        out->pixels[i] = (uint8_t)lrintf(fminf(fmaxf(value, 0), 255));
    }
    return RN_OK;
}

static int convert(const struct rn_batch *batch, const struct rn_shape *s,
                   struct rn_image *images, int count, struct rn_error *err)
{
    size_t image = rn_shape_size(*s);
    int rc = RN_OK;

    for (int i = 0; rc == RN_OK && i < count; i++)
        rc = to_picture(batch->images + (size_t)i * image, s, &images[i], err);
    for (int i = 0; rc != RN_OK && i < count; i++)
        rn_image_free(&images[i]);
    return rc;
}

static void configure(struct rn_loader_config *config,
                      const struct rn_data *data,
                      const struct rn_train_options *o, int size, int count)
{
    *config = (struct rn_loader_config){
        .data = data,
        .part = RN_PART_TRAIN,
        .view = {.shape = {3, size, size}},
        .threads = 1,
        .sampler = {.seed = o->seed,
                    .count = data->part[RN_PART_TRAIN].count,
                    .batch = count,
                    .shuffle = true},
        .end = 1,
    };
    rn_train_changes(o, size, config);
}

int rn_train_preview(const struct rn_data *data,
                     const struct rn_train_options *options, int size,
                     struct rn_image *images, int count, struct rn_error *err)
{
    struct rn_train_options o;
    struct rn_loader_config config;
    struct rn_loader *loader = NULL;
    struct rn_batch batch;
    const struct rn_shape *shape;
    float *half;
    int rc = rn_options_take(&o, options, err);

    if (count > 0)
        memset(images, 0, (size_t)count * sizeof(*images));
    if (rc == RN_OK)
        rc = rn_option_check(rn_train_option, &o, err);
    if (!o.augment)
        o.augment = data->fetch ? "area" : "crop-flip";
    if (rc == RN_OK)
        rc = rn_check_augmentation(&o, data, err);
    if (!o.colour)
        o.colour = "none";
    if (o.crop_area <= 0)
        o.crop_area = 0.08;
    if (rc == RN_OK)
        rc = check(data, &o, size, count, err);
    if (rc != RN_OK)
        return rc;
    configure(&config, data, &o, size, count);
    shape = rn_loader_shape(&config);
    half = rn_alloc((size_t)shape->c, sizeof(*half));
    if (!half)
        return rn_fail_memory(err, (size_t)shape->c, "a preview");
    for (int c = 0; c < shape->c; c++)
        half[c] = HALF;
    config.mean = config.std = half;
    rc = rn_loader_create(&loader, &config, err);
    if (rc == RN_OK)
        rc = rn_loader_next(loader, &batch, NULL, err);
    if (rc == RN_OK)
        rc = convert(&batch, shape, images, count, err);
    rn_loader_destroy(loader);
    rn_free(half);
    return rc;
}
