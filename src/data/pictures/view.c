/* SPDX-License-Identifier: BSD-2-Clause */
/* From a picture to an image of the network's size: shorter side resized,
 * centre cut out, as torchvision's Resize and CenterCrop do it. */
#include "data/pictures/image.h"

#include "core/memory.h"
#include "model/model.h"

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

static int64_t shorter_side(const struct rn_view *view)
{
    const struct rn_shape *s = &view->shape;

    if (view->resize)
        return view->resize;
    return s->h > s->w ? s->h : s->w;
}

/* Where a crop begins along a side: in the middle, or at the start (-1) or end
 * (1) of the square in the middle. */
static int64_t place(int64_t size, int64_t square, int64_t crop, int where)
{
    if (where == 0)
        return centre(size, crop);
    return centre(size, square) + (where > 0 ? square - crop : 0);
}

/* Crop number `crop` of a picture of that size. */
static void place_crop(const struct rn_view *view, int width, int height,
                       int crop, struct rn_placement *p)
{
    /* Krizhevsky et al. 2012, section 4.1: four corners and the centre. */
    static const struct {
        int x, y;
    } places[] = {{0, 0}, {-1, -1}, {1, -1}, {-1, 1}, {1, 1}};
    const struct rn_shape *s = &view->shape;
    int64_t side = shorter_side(view), w = width, h = height;

    p->width = w < h ? side : side * w / h;
    p->height = w < h ? side * h / w : side;
    p->window = (struct rn_area){
        .x = place(p->width, side, s->w, places[crop].x),
        .y = place(p->height, side, s->h, places[crop].y),
        .width = s->w,
        .height = s->h,
    };
}

void rn_view_place(const struct rn_view *view, int width, int height,
                   struct rn_placement *p)
{
    if (view->random.kind == RN_CUT_CENTRE)
        place_crop(view, width, height, 0, p);
    else
        rn_random_place(&view->random, &view->shape, width, height, p);
}

/* [h][w][3] to [c][h][w]. */
static void planar(const struct rn_image *in, int channels, uint8_t *out)
{
    size_t pixels = (size_t)in->width * (size_t)in->height;

    for (size_t c = 0; c < (size_t)channels; c++)
        for (size_t i = 0; i < pixels; i++)
            *out++ = in->pixels[3 * i + c];
}

static int check(const struct rn_view *view, struct rn_error *err)
{
    int side = (int)shorter_side(view);

    if (view->shape.c != 1 && view->shape.c != 3)
        return rn_fail(err, RN_ERR_ARG,
                       "the network takes images of %d channels, pictures "
                       "make 1 or 3",
                       view->shape.c);
    if (view->crops > 1 &&
        (view->crops != 5 || side < view->shape.h || side < view->shape.w))
        return rn_fail(err, RN_ERR_ARG, "%d crops of %dx%d out of %dx%d",
                       view->crops, view->shape.h, view->shape.w, side, side);
    return RN_OK;
}

int rn_view_apply_at(const struct rn_view *view,
                     const struct rn_placement *place,
                     const struct rn_image *picture, uint8_t *pixels,
                     struct rn_error *err)
{
    struct rn_image grey = {0, 0, NULL}, image = {0, 0, NULL};
    int rc = check(view, err);

    if (!rc && view->shape.c == 1)
        rc = grey_copy(&grey, picture, err);
    if (!rc)
        rc = rn_image_resize_window(&image, grey.pixels ? &grey : picture,
                                    place->width, place->height, &place->window,
                                    view->interpolation, err);
    if (!rc)
        planar(&image, view->shape.c, pixels);
    rn_image_free(&grey);
    rn_image_free(&image);
    return rc;
}

void rn_mirror(const float *from, float *to, size_t rows, size_t w)
{
    for (size_t r = 0; r < rows; r++, from += w, to += w)
        for (size_t i = 0; i < (w + 1) / 2; i++) {
            float left = from[i], right = from[w - 1 - i];

            to[i] = right;
            to[w - 1 - i] = left;
        }
}

int rn_view_apply(const struct rn_view *view, const struct rn_image *picture,
                  uint8_t *pixels, struct rn_error *err)
{
    const struct rn_shape *s = &view->shape;
    size_t bytes = rn_shape_size(*s);
    int rc = check(view, err);

    if (!rc && (!picture->pixels || picture->width < 1 || picture->height < 1))
        rc = rn_fail(err, RN_ERR_ARG, "no picture given");
    for (int i = 0; !rc && i < (view->crops ? view->crops : 1); i++) {
        struct rn_placement place;

        if (i == 0)
            rn_view_place(view, picture->width, picture->height, &place);
        else
            place_crop(view, picture->width, picture->height, i, &place);
        rc = rn_view_apply_at(view, &place, picture, pixels + (size_t)i * bytes,
                              err);
    }
    return rc;
}

struct rn_view rn_view_of(const struct rn_model *model)
{
    return (struct rn_view){
        .shape = model->spec.input,
        .resize = model->preprocessing.resize,
        .interpolation = model->preprocessing.interpolation,
    };
}

int rn_model_preprocess_image(const struct rn_model *model,
                              const struct rn_image *picture, float *image,
                              struct rn_error *err)
{
    const struct rn_view view = rn_view_of(model);
    size_t bytes = rn_shape_size(view.shape);
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

int rn_model_preprocess_crops(const struct rn_model *model,
                              const struct rn_image *picture, float *images,
                              struct rn_error *err)
{
    enum { CROPS = 5 };
    const struct rn_preprocessing *pre = &model->preprocessing;
    struct rn_view view = rn_view_of(model);
    const struct rn_shape *s = &view.shape;
    size_t image = rn_shape_size(*s);
    uint8_t *pixels;
    int rc;

    if (!pre->mean || pre->resize <= (s->h > s->w ? s->h : s->w))
        return rn_fail(err, RN_ERR_ARG,
                       "model %s does not resize pictures to more than the "
                       "%dx%d it takes: there is nothing to crop",
                       model->spec.name, s->h, s->w);
    view.crops = CROPS;
    pixels = rn_alloc(CROPS, image);
    if (!pixels)
        return rn_fail_memory(err, CROPS * image, "crops");
    rc = rn_view_apply(&view, picture, pixels, err);
    for (size_t i = 0; !rc && i < CROPS; i++)
        rn_normalise(pre, *s, pixels + i * image, images + i * image);
    if (!rc)
        rn_mirror(images, images + CROPS * image, CROPS * image / (size_t)s->w,
                  (size_t)s->w);
    rn_free(pixels);
    return rc;
}
