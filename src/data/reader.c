/* SPDX-License-Identifier: BSD-2-Clause */
/* What the readers of data sets in memory share. */
#include "data/reader.h"

#include "core/file.h"
#include "core/memory.h"

#include <limits.h>

bool rn_reader_has(const char *folder, const char *name)
{
    char *path = rn_path_join(folder, name);
    bool has = path && rn_is_file(path);

    rn_free(path);
    return has;
}

int rn_reader_allocate(struct rn_data *data, int which, size_t count,
                       struct rn_error *err)
{
    const struct rn_shape *s = &data->shape;
    size_t image = rn_shape_size(*s), bytes;

    if (count > INT_MAX || !rn_size_mul(count, image, &bytes) ||
        bytes > RN_DATA_MAX_BYTES)
        return rn_fail(err, RN_ERR_DATA,
                       "%zu images of %dx%dx%d are too many, expected at most "
                       "%zu bytes",
                       count, s->c, s->h, s->w, RN_DATA_MAX_BYTES);
    data->pixels[which] = rn_alloc(count, image);
    data->labels[which] = rn_alloc(count, sizeof(*data->labels[which]));
    if (!data->pixels[which] || !data->labels[which])
        return rn_fail_memory(err, bytes, "images");
    data->part[which ? RN_PART_TEST : RN_PART_TRAIN] = (struct rn_images){
        (int)count, data->pixels[which], data->labels[which], NULL, NULL, NULL};
    return RN_OK;
}

int rn_reader_check_labels(const uint16_t *labels, size_t count, int classes,
                           const char *path, struct rn_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (labels[i] >= classes)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': image %zu has label %d, expected 0 to %d",
                           path, i, labels[i], classes - 1);
    return RN_OK;
}
