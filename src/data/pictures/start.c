/* SPDX-License-Identifier: BSD-2-Clause */
/* What every decoder begins with: sizes are checked before memory is taken. */
#include "data/pictures/image.h"

#include "core/memory.h"

int rn_picture_check(const struct rn_picture *p, size_t width, size_t height,
                     struct rn_error *err)
{
    size_t pixels;

    if (width < 1 || height < 1 || width > RN_IMAGE_MAX_SIDE ||
        height > RN_IMAGE_MAX_SIDE || !rn_size_mul(width, height, &pixels) ||
        pixels > p->max_pixels)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' is %zu x %zu pixels large, expected 1 to %d a "
                       "side and at most %zu in all",
                       p->name, width, height, RN_IMAGE_MAX_SIDE,
                       p->max_pixels);
    return RN_OK;
}

int rn_picture_start(struct rn_picture *p, size_t width, size_t height,
                     struct rn_error *err)
{
    size_t bytes = p->alpha ? 4 : 3;
    int rc = rn_picture_check(p, width, height, err);

    if (rc)
        return rc;
    p->image.pixels = rn_alloc(width * height, bytes);
    if (!p->image.pixels)
        return rn_fail_memory(err, width * height * bytes, p->name);
    p->image.width = (int)width;
    p->image.height = (int)height;
    return RN_OK;
}
