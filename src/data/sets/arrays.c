/* SPDX-License-Identifier: BSD-2-Clause */
/* Data sets of the caller's arrays: copied, so that everything behind them is
 * as with those of files. */
#include "data/sets/sets.h"

#include "core/memory.h"

#include <limits.h>
#include <string.h>

static int check_sizes(const struct rn_arrays *a, const char *name,
                       struct rn_error *err)
{
    const int most = UINT16_MAX;
    size_t bytes = 0, image;

    if (a->channels < 1 || a->height < 1 || a->width < 1 || a->classes < 1 ||
        a->channels > most || a->height > most || a->width > most ||
        a->classes > most)
        return rn_fail(err, RN_ERR_ARG,
                       "arrays '%s': images of %d x %d x %d in %d classes, "
                       "expected 1 to %d of each",
                       name, a->channels, a->height, a->width, a->classes,
                       most);
    if (a->layout != RN_LAYOUT_CHW && a->layout != RN_LAYOUT_HWC)
        return rn_fail(err, RN_ERR_ARG, "arrays '%s': unknown layout %d", name,
                       (int)a->layout);
    image = rn_shape_size((struct rn_shape){a->channels, a->height, a->width});
    for (int i = 0; i < 3; i++) {
        if (a->count[i] > INT_MAX || (a->count[i] && !a->pixels[i]) ||
            (a->count[i] && !a->labels[i]))
            return rn_fail(err, RN_ERR_ARG,
                           "arrays '%s': %zu %s images, expected at most %d "
                           "with pixels and labels",
                           name, a->count[i], rn_part_name((enum rn_part)i),
                           INT_MAX);
        bytes += a->count[i];
    }
    if (image > RN_DATA_MAX_IMAGE || bytes > INT_MAX ||
        !rn_size_mul(bytes, image, &bytes) || bytes > RN_DATA_MAX_BYTES)
        return rn_fail(err, RN_ERR_ARG,
                       "arrays '%s': too large, expected at most %zu bytes in "
                       "all and %zu an image",
                       name, RN_DATA_MAX_BYTES, RN_DATA_MAX_IMAGE);
    return RN_OK;
}

/* Images of the caller's part behind those that are there already. */
static int take_part(struct rn_data *data, const struct rn_arrays *a, int part,
                     struct rn_images *to, size_t first, struct rn_error *err)
{
    size_t channels = (size_t)a->channels;
    size_t plane = rn_shape_pixels(data->shape);
    size_t count = a->count[part], image = channels * plane;
    uint8_t *out = to->pixels + first * image;

    for (size_t i = 0; i < count; i++) {
        int label = a->labels[part][i];

        if (label < 0 || label >= a->classes)
            return rn_fail(err, RN_ERR_DATA,
                           "arrays '%s': %s image %zu has label %d, expected 0 "
                           "to %d",
                           data->spec, rn_part_name((enum rn_part)part), i,
                           label, a->classes - 1);
        to->labels[first + i] = (uint16_t)label;
    }
    if (!count)
        return RN_OK;
    if (a->layout == RN_LAYOUT_CHW) {
        memcpy(out, a->pixels[part], count * image);
        return RN_OK;
    }
    for (size_t i = 0; i < count; i++, out += image)
        for (size_t p = 0; p < plane; p++)
            for (size_t c = 0; c < channels; c++)
                out[c * plane + p] =
                    a->pixels[part][i * image + p * channels + c];
    return RN_OK;
}

int rn_read_arrays(struct rn_data *data, const struct rn_arrays *a,
                   struct rn_error *err)
{
    size_t train = a->count[RN_PART_TRAIN];
    int rc = check_sizes(a, data->spec, err);

    if (rc)
        return rc;
    data->format = "arrays";
    data->shape = (struct rn_shape){a->channels, a->height, a->width};
    data->classes = a->classes;
    if (a->class_names)
        rc = rn_names_set(data, a->class_names, a->classes, err);
    if (!rc && train + a->count[RN_PART_VALIDATION])
        rc = rn_reader_allocate(data, 0, train + a->count[RN_PART_VALIDATION],
                                err);
    if (!rc && a->count[RN_PART_TEST])
        rc = rn_reader_allocate(data, 1, a->count[RN_PART_TEST], err);
    if (!rc)
        rc = take_part(data, a, RN_PART_TRAIN, &data->part[RN_PART_TRAIN], 0,
                       err);
    if (!rc)
        rc = take_part(data, a, RN_PART_VALIDATION, &data->part[RN_PART_TRAIN],
                       train, err);
    return rc ? rc
              : take_part(data, a, RN_PART_TEST, &data->part[RN_PART_TEST], 0,
                          err);
}
