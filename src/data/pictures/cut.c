/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts of a picture cut out at random, for training. */
#include "core/random.h"
#include "data/pictures/image.h"

#include <math.h>

/* A part of the picture, before it is resized to the shape. */
struct box {
    double x, y, w, h;
};

/* After this many parts that do not fit into the picture: the centre. */
#define TRIES 10

/* Aspect ratios of RN_CUT_AREA lie between this one and its inverse, evenly in
 * the logarithm. */
#define ASPECT (4.0 / 3.0)

static bool draw_box(const struct rn_random_cut *cut, uint32_t attempt,
                     double width, double height, struct box *box)
{
    const struct rn_random_key key = {cut->seed, RN_RANDOM_CUT, cut->epoch};
    double area, aspect, least = cut->least_area;
    uint32_t bits[4];

    rn_random4(&key, (uint64_t)cut->index << 8 | attempt, bits);
    area = width * height * (least + (1 - least) * rn_random_unit(bits[0]));
    aspect = exp(log(ASPECT) * (2 * rn_random_unit(bits[1]) - 1));
    box->w = sqrt(area * aspect);
    box->h = sqrt(area / aspect);
    box->x = (width - box->w) * rn_random_unit(bits[2]);
    box->y = (height - box->h) * rn_random_unit(bits[3]);
    return box->w <= width && box->h <= height;
}

/* The largest part in the middle that is not too long. */
static struct box centre_box(double width, double height)
{
    double w = fmin(width, height * ASPECT), h = fmin(height, width * ASPECT);

    return (struct box){(width - w) / 2, (height - h) / 2, w, h};
}

/* `side` pixels of the picture's `whole` make `out`: how many the whole makes,
 * and where they begin that start at `from`. */
static void stretch(double whole, double from, double side, int out,
                    int64_t *size, int64_t *begin)
{
    *size = (int64_t)fmax(floor(whole * out / side + 0.5), out);
    *begin = (int64_t)floor(from * (double)*size / whole + 0.5);
    if (*begin > *size - out)
        *begin = *size - out;
}

static void place_area(const struct rn_random_cut *cut,
                       const struct rn_shape *s, int width, int height,
                       struct rn_placement *place)
{
    struct box box = {0, 0, 0, 0};
    bool found = false;

    for (uint32_t i = 0; i < TRIES && !found; i++)
        found = draw_box(cut, i, width, height, &box);
    if (!found)
        box = centre_box(width, height);
    stretch(width, box.x, box.w, s->w, &place->width, &place->window.x);
    stretch(height, box.y, box.h, s->h, &place->height, &place->window.y);
}

static void place_shorter(const struct rn_random_cut *cut,
                          const struct rn_shape *s, int64_t w, int64_t h,
                          struct rn_placement *place)
{
    const struct rn_random_key key = {cut->seed, RN_RANDOM_CUT, cut->epoch};
    uint32_t bits[4], lengths = (uint32_t)(cut->shorter[1] - cut->shorter[0]);
    int64_t shorter;

    rn_random4(&key, (uint64_t)cut->index << 8, bits);
    shorter = cut->shorter[0] + (int64_t)rn_random_below(bits[0], lengths + 1);
    place->width = w < h ? shorter : shorter * w / h;
    place->height = w < h ? shorter * h / w : shorter;
    place->window.x =
        (int64_t)(rn_random_unit(bits[1]) * (double)(place->width - s->w + 1));
    place->window.y =
        (int64_t)(rn_random_unit(bits[2]) * (double)(place->height - s->h + 1));
}

void rn_random_place(const struct rn_random_cut *cut,
                     const struct rn_shape *shape, int width, int height,
                     struct rn_placement *place)
{
    place->window.width = shape->w;
    place->window.height = shape->h;
    if (cut->kind == RN_CUT_SHORTER)
        place_shorter(cut, shape, width, height, place);
    else
        place_area(cut, shape, width, height, place);
}
