/* SPDX-License-Identifier: BSD-2-Clause */
/* Holds data sets, and answers what is asked of them. */
#include "data/data.h"

#include "core/memory.h"
#include "core/sized.h"
#include "data/reader.h"
#include "data/remarks.h"
#include "data/sets/pictures.h"

#include <string.h>

const struct rn_data *rn_data_hold(const struct rn_data *data)
{
    /* Who holds the data is none of what is const about them. */
    rn_holders_add(&((struct rn_data *)data)->holders);
    return data;
}

void rn_data_drop(const struct rn_data *data)
{
    rn_data_close((struct rn_data *)data);
}

void rn_data_close(struct rn_data *data)
{
    if (!data || !rn_holders_drop(&data->holders))
        return;
    for (int i = 0; i < 2; i++)
        rn_free(data->pixels[i]);
    for (int i = 0; i < 3; i++) {
        rn_free(data->labels[i]);
        rn_names_free(data->files[i]);
        rn_free(data->keys[i]);
        rn_free(data->sets[i]);
    }
    rn_free(data->members);
    rn_free(data->several);
    rn_files_close(&data->source);
    rn_names_free(data->class_ids);
    rn_names_free(data->class_names);
    rn_free(data->spec);
    rn_free(data->real);
    rn_free(data);
}

/* ------------------------------------------------------------------ asking */

const char *rn_part_name(enum rn_part part)
{
    switch (part) {
    case RN_PART_TRAIN:
        return "train";
    case RN_PART_VALIDATION:
        return "validation";
    case RN_PART_TEST:
        return "test";
    }
    return "unknown";
}

void rn_data_describe_sized(const struct rn_data *data,
                            struct rn_data_info *info, size_t size)
{
    struct rn_data_info own = {
        .format = data->format,
        .channels = data->shape.c,
        .height = data->shape.h,
        .width = data->shape.w,
        .classes = data->classes,
        .checksum = data->checksum,
        .training = data->training,
        .rule = data->rule,
        .several = data->several != NULL,
    };

    for (int i = 0; i < 3; i++)
        own.count[i] = data->part[i].count;
    RN_GIVE(info, size, &own);
}

int rn_data_image(const struct rn_data *data, enum rn_part part, int index,
                  uint8_t *pixels, int *label, struct rn_error *err)
{
    const struct rn_images *images;
    const uint16_t *classes;

    if ((unsigned)part > RN_PART_TEST)
        return rn_fail(err, RN_ERR_ARG, "'%s' has no part number %d",
                       data->spec, (int)part);
    images = &data->part[part];
    if (index < 0 || index >= images->count)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' has %d %s images, there is no number %d",
                       data->spec, images->count, rn_part_name(part), index);
    if (pixels && data->fetch)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' holds pictures of many sizes, not images of one",
                       data->spec);
    if (pixels)
        memcpy(pixels,
               images->pixels + (size_t)index * rn_shape_size(data->shape),
               rn_shape_size(data->shape));
    if (label)
        *label =
            rn_data_set(data, part, index, &classes) == 1 ? classes[0] : -1;
    return RN_OK;
}

int rn_data_set(const struct rn_data *data, enum rn_part part, int index,
                const uint16_t **classes)
{
    const struct rn_images *images = &data->part[part];

    *classes = &images->labels[index];
    if (!images->set)
        return 1;
    *classes = data->members + images->set[index] + 1;
    return (*classes)[-1];
}

void rn_data_see(const struct rn_data *data, enum rn_part part, bool *seen)
{
    for (int i = 0; i < data->part[part].count; i++) {
        const uint16_t *set;
        int count = rn_data_set(data, part, i, &set);

        for (int k = 0; k < count; k++)
            seen[set[k]] = true;
    }
}

int rn_data_classes(const struct rn_data *data, enum rn_part part, int index,
                    int *classes, int room)
{
    const uint16_t *set;
    int count;

    if ((unsigned)part > RN_PART_TEST || index < 0 ||
        index >= data->part[part].count)
        return RN_ERR_ARG;
    count = rn_data_set(data, part, index, &set);
    for (int i = 0; i < count && i < room; i++)
        classes[i] = set[i];
    return count;
}

const char *rn_data_file(const struct rn_data *data, enum rn_part part,
                         int index)
{
    const struct rn_images *images;

    if ((unsigned)part > RN_PART_TEST)
        return NULL;
    images = &data->part[part];
    return images->files && index >= 0 && index < images->count
               ? images->files[index]
               : NULL;
}

int rn_data_picture(const struct rn_data *data, enum rn_part part, int index,
                    int flags, struct rn_image *picture, struct rn_error *err)
{
    const char *file = rn_data_file(data, part, index);

    *picture = (struct rn_image){0, 0, NULL};
    if (!file)
        return rn_fail(err, RN_ERR_ARG, "'%s' has no %s picture number %d",
                       data->spec, rn_part_name(part), index);
    return rn_picture_load(&data->source, file, flags, NULL, NULL, picture,
                           err);
}

const char *rn_data_remark(const struct rn_data *data, size_t i)
{
    return rn_remarks_get(data->source.remarks, i);
}

const char *rn_data_class_id(const struct rn_data *data, int i)
{
    return data->class_ids && i >= 0 && i < data->classes ? data->class_ids[i]
                                                          : NULL;
}

const char *rn_data_class_name(const struct rn_data *data, int i)
{
    if (!data->class_names || i < 0 || i >= data->classes)
        return NULL;
    return data->class_names[i];
}
