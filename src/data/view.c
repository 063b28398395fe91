/* SPDX-License-Identifier: BSD-2-Clause */
/* From a picture to an image of the network's size: shorter side resized,
 * centre cut out, as torchvision's Resize and CenterCrop do it. */
#include "data/image.h"

#include "core/memory.h"
#include "formats/model.h"

#include <string.h>

/* ITU-R BT.601 luma, 16 bits behind the point, as Pillow's mode L. */
static uint8_t luma(const uint8_t *rgb)
{
    return (uint8_t)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] +
                      0x8000u) >>
                     16);
}

/* A copy whose three channels are the same grey. */
static int grey_copy(struct rn_image *out, const struct rn_image *in,
                     struct rn_error *err)
{
    size_t pixels = (size_t)in->width * (size_t)in->height;

    *out = *in;
    out->pixels = rn_alloc(pixels, 3);
    if (!out->pixels)
        return rn_fail_memory(err, 3 * pixels, "a grey picture");
    for (size_t i = 0; i < pixels; i++)
        memset(out->pixels + 3 * i, luma(in->pixels + 3 * i), 3);
    return RN_OK;
}

/* Where `crop` pixels begin that stand in the middle of `size`: half the
 * rest, a half rounded to the even neighbour. */
static int64_t centre(int64_t size, int64_t crop)
{
    int64_t rest = size - crop, half = rest / 2;

    return rest % 2 && half % 2 ? half + 1 : half;
}

/* The window of shape's size in the middle of the resized picture. */
static int cut(const struct rn_view *view, const struct rn_image *in,
               struct rn_image *out, struct rn_error *err)
{
    const struct rn_shape *s = &view->shape;
    int64_t resize = view->resize, w = in->width, h = in->height;
    struct rn_area window = {.width = s->w, .height = s->h};
    int64_t width, height;

    if (!resize)
        resize = s->h > s->w ? s->h : s->w;
    width = w < h ? resize : resize * w / h;
    height = w < h ? resize * h / w : resize;
    window.x = centre(width, s->w);
    window.y = centre(height, s->h);
    return rn_image_resize_window(out, in, width, height, &window,
                                  view->interpolation, err);
}

/* [h][w][3] to [c][h][w]. */
static void planar(const struct rn_image *in, int channels, uint8_t *out)
{
    size_t pixels = (size_t)in->width * (size_t)in->height;

    for (size_t c = 0; c < (size_t)channels; c++)
        for (size_t i = 0; i < pixels; i++)
            *out++ = in->pixels[3 * i + c];
}

int rn_view_apply(const struct rn_view *view, const struct rn_image *picture,
                  uint8_t *pixels, struct rn_error *err)
{
    struct rn_image grey = {0, 0, NULL}, image = {0, 0, NULL};
    int rc = RN_OK;

    if (!picture->pixels)
        return rn_fail(err, RN_ERR_ARG, "no picture given");
    if (view->shape.c != 1 && view->shape.c != 3)
        return rn_fail(err, RN_ERR_ARG,
                       "the network takes images of %d channels, pictures "
                       "make 1 or 3",
                       view->shape.c);
    if (view->shape.c == 1)
        rc = grey_copy(&grey, picture, err);
    if (!rc)
        rc = cut(view, grey.pixels ? &grey : picture, &image, err);
    if (!rc)
        planar(&image, view->shape.c, pixels);
    rn_image_free(&grey);
    rn_image_free(&image);
    return rc;
}

int rn_model_preprocess_image(const struct rn_model *model,
                              const struct rn_image *picture, float *image,
                              struct rn_error *err)
{
    const struct rn_shape *s = &model->spec.input;
    const struct rn_view view = {*s, model->preprocessing.resize,
                                 model->preprocessing.interpolation, 0};
    size_t bytes = (size_t)s->c * (size_t)s->h * (size_t)s->w;
    uint8_t *pixels = rn_alloc(bytes, 1);
    int rc;

    if (!pixels)
        return rn_fail_memory(err, bytes, "an image");
    rc = rn_view_apply(&view, picture, pixels, err);
    if (!rc)
        rc = rn_model_preprocess(model, pixels, image, err);
    rn_free(pixels);
    return rc;
}
