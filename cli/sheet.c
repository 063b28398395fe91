/* SPDX-License-Identifier: BSD-2-Clause */
/* Lays pictures out in a grid and writes them as one PNG. */
#include "sheet.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Between cells and around them, in pixels; light grey. */
#define GAP        4
#define BACKGROUND 0xe5

static int fail(struct rn_error *err, int code, const char *text)
{
    err->code = code;
    snprintf(err->msg, sizeof(err->msg), "%s", text);
    return code;
}

/* Planes [c][h][w] as a picture: a single one is grey. */
static int from_planes(const struct rn_data_info *info, const uint8_t *planes,
                       struct rn_image *out, struct rn_error *err)
{
    size_t pixels = (size_t)info->height * (size_t)info->width;
    uint8_t *rgb = malloc(3 * pixels);
    const struct rn_image image = {info->width, info->height, rgb};
    int rc;

    if (!rgb)
        return fail(err, RN_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < 3 * pixels; i++)
        rgb[i] = planes[(info->channels >= 3 ? i % 3 : 0) * pixels + i / 3];
    rc = rn_image_resize(out, &image, info->width, info->height, RN_BOX, err);
    free(rgb);
    return rc;
}

static int from_memory(const struct rn_data *data, enum rn_part part, int index,
                       struct rn_image *out, struct rn_error *err)
{
    struct rn_data_info info;
    uint8_t *planes;
    int rc;

    rn_data_describe(data, &info);
    planes = malloc((size_t)info.channels * (size_t)info.height *
                    (size_t)info.width);
    if (!planes)
        return fail(err, RN_ERR_MEMORY, "out of memory");
    rc = rn_data_image(data, part, index, planes, NULL, err);
    if (!rc)
        rc = from_planes(&info, planes, out, err);
    free(planes);
    return rc;
}

/* As large as fits into `size` x `size`. */
static int shrink(struct rn_image *image, int size, struct rn_error *err)
{
    int64_t w = image->width, h = image->height;
    int64_t width = w >= h ? size : size * w / h;
    int64_t height = w >= h ? size * h / w : size;
    struct rn_image small;
    int rc = rn_image_resize(&small, image, width > 0 ? (int)width : 1,
                             height > 0 ? (int)height : 1,
                             w > size || h > size ? RN_BILINEAR : RN_BOX, err);

    if (rc)
        return rc;
    rn_image_free(image);
    *image = small;
    return RN_OK;
}

/* Copy into the middle of the cell at (left, top). */
static void paste(struct rn_image *sheet, const struct rn_image *image,
                  int left, int top, int size)
{
    left += (size - image->width) / 2;
    top += (size - image->height) / 2;
    for (int y = 0; y < image->height; y++)
        memcpy(sheet->pixels + 3 * ((size_t)(top + y) * (size_t)sheet->width +
                                    (size_t)left),
               image->pixels + 3 * (size_t)y * (size_t)image->width,
               3 * (size_t)image->width);
}

/* The image as large as fits, in a cell of its own. */
static int place(struct rn_image *out, const struct sheet *sheet, int cell,
                 struct rn_image *image, struct rn_error *err)
{
    int step = sheet->size + GAP, rc = shrink(image, sheet->size, err);

    if (!rc)
        paste(out, image, GAP + cell % sheet->columns * step,
              GAP + cell / sheet->columns * step, sheet->size);
    return rc;
}

static int draw_one(const struct rn_data *data, enum rn_part part, int index,
                    const struct sheet *sheet, int cell, struct rn_image *out,
                    struct rn_error *err)
{
    struct rn_image image = {0, 0, NULL};
    int rc = rn_data_file(data, part, index)
                 ? rn_data_picture(data, part, index, 0, &image, err)
                 : from_memory(data, part, index, &image, err);

    if (!rc)
        rc = place(out, sheet, cell, &image, err);
    rn_image_free(&image);
    return rc;
}

/* An empty sheet: one pixel, made large. */
static int blank(const struct sheet *sheet, int count, struct rn_image *out,
                 struct rn_error *err)
{
    uint8_t pixel[3] = {BACKGROUND, BACKGROUND, BACKGROUND};
    const struct rn_image one = {1, 1, pixel};
    int rows = (count + sheet->columns - 1) / sheet->columns;
    int step = sheet->size + GAP;

    return rn_image_resize(out, &one, GAP + sheet->columns * step,
                           GAP + rows * step, RN_BOX, err);
}

int sheet_draw(const struct rn_data *data, enum rn_part part,
               const struct sheet *sheet, struct rn_image *out,
               struct rn_error *err)
{
    struct rn_data_info info;
    int count, rc;

    rn_data_describe(data, &info);
    count = info.count[part] < sheet->count ? info.count[part] : sheet->count;
    rc = blank(sheet, count, out, err);
    for (int i = 0; !rc && i < count; i++)
        rc = draw_one(data, part, (int)((int64_t)i * info.count[part] / count),
                      sheet, i, out, err);
    if (rc)
        rn_image_free(out);
    return rc;
}

int sheet_preview(const struct rn_data *data,
                  const struct rn_train_options *options,
                  const struct sheet *sheet, struct rn_image *out,
                  struct rn_error *err)
{
    struct rn_data_info info;
    struct rn_image *images;
    int count, rc;

    rn_data_describe(data, &info);
    count = info.count[RN_PART_TRAIN] < sheet->count ? info.count[RN_PART_TRAIN]
                                                     : sheet->count;
    *out = (struct rn_image){0, 0, NULL};
    images = calloc((size_t)count, sizeof(*images));
    if (!images)
        return fail(err, RN_ERR_MEMORY, "out of memory");
    rc = rn_train_preview(data, options, sheet->size, images, count, err);
    if (!rc)
        rc = blank(sheet, count, out, err);
    for (int i = 0; !rc && i < count; i++)
        rc = place(out, sheet, i, &images[i], err);
    for (int i = 0; i < count; i++)
        rn_image_free(&images[i]);
    free(images);
    if (rc)
        rn_image_free(out);
    return rc;
}
