/* SPDX-License-Identifier: BSD-2-Clause */
/* Class activation maps: B. Zhou, A. Khosla, A. Lapedriza, A. Oliva, A.
 * Torralba, "Learning Deep Features for Discriminative Localization", CVPR
 * 2016. Behind global average pooling a class's logit is the mean over all
 * places of what fc makes of each, so the map is exact. */
#include "eval/class_map.h"

#include "core/memory.h"
#include "data/pictures/image.h"
#include "model/model.h"
#include "plan/plan.h"

#include <math.h>
#include <string.h>

/* How much of the picture the hottest colour hides. */
#define OPACITY 0.65f

/* ------------------------------------------------------------------- map */

/* fc behind the global average pooling, with no more than dropout between;
 * NULL where a network ends otherwise. */
static const struct rn_node *find_fc(const struct rn_graph *g)
{
    const struct rn_node *fc = &g->nodes[g->output], *from = fc;

    if (fc->op != RN_OP_LINEAR)
        return NULL;
    do
        from = &g->nodes[from->input[0]];
    while (from->op == RN_OP_DROPOUT);
    return from->op == RN_OP_GLOBAL_AVG_POOL ? fc : NULL;
}

static int fail_fc(const struct rn_model *model, struct rn_error *err)
{
    return rn_fail(err, RN_ERR_ARG,
                   "%s does not end in global average pooling and fc: it has "
                   "no class activation map",
                   model->spec.name);
}

int rn_class_map(const struct rn_model *model, const float *values, int places,
                 int index, float *map, struct rn_error *err)
{
    const struct rn_node *fc = find_fc(model->graph);
    const struct rn_param *weight;
    const float *row;

    if (!fc)
        return fail_fc(model, err);
    weight = &model->graph->params[fc->param[RN_P_WEIGHT]];
    if (index < 0 || (size_t)index >= weight->dim[0])
        return rn_fail(err, RN_ERR_ARG, "class %d of %zu: there is none", index,
                       weight->dim[0]);
    row = weight->data + (size_t)index * weight->dim[1];
    for (int i = 0; i < places; i++) {
        double sum = 0;

        for (size_t c = 0; c < weight->dim[1]; c++)
            sum +=
                (double)row[c] * (double)values[c * (size_t)places + (size_t)i];
        map[i] = (float)sum;
    }
    return RN_OK;
}

/* -------------------------------------------------------------- painting */

struct heat {
    const float *map; /* [h][w], 0..1 */
    int h, w;
};

/* From nothing over blue, green and yellow to red. */
static void colour_of(float heat, float rgb[3])
{
    static const float stops[5][3] = {
        {0, 0, 128}, {0, 96, 255}, {32, 200, 96}, {255, 220, 0}, {220, 0, 0}};
    float at = heat * 4;
    int i = at >= 3 ? 3 : at <= 0 ? 0 : (int)at;

    for (int c = 0; c < 3; c++)
        rgb[c] =
            stops[i][c] + (at - (float)i) * (stops[i + 1][c] - stops[i][c]);
}

static int clamp(int i, int size)
{
    return i < 0 ? 0 : i >= size ? size - 1 : i;
}

/* Bilinear between the places' middles; x and y count places. */
static float heat_at(const struct heat *heat, double x, double y)
{
    int left = (int)floor(x - 0.5), top = (int)floor(y - 0.5);
    double u = x - 0.5 - left, v = y - 0.5 - top, sum = 0;

    for (int i = 0; i < 4; i++) {
        int column = clamp(left + i % 2, heat->w);
        int row = clamp(top + i / 2, heat->h);

        sum += (double)heat->map[row * heat->w + column] * (i % 2 ? u : 1 - u) *
               (i / 2 ? v : 1 - v);
    }
    return (float)sum;
}

static void paint_pixel(uint8_t *pixel, float heat)
{
    float rgb[3], opacity = OPACITY * heat;

    colour_of(heat, rgb);
    for (int c = 0; c < 3; c++)
        pixel[c] =
            (uint8_t)lrintf((1 - opacity) * (float)pixel[c] + opacity * rgb[c]);
}

/* What the network did not see becomes darker. */
static void darken(uint8_t *pixel)
{
    for (int c = 0; c < 3; c++)
        pixel[c] /= 2;
}

/* `place` says where in the resized picture the map lies. */
static void paint(struct rn_image *image, const struct rn_placement *place,
                  const struct heat *heat)
{
    const struct rn_area *a = &place->window;
    double by_x = (double)place->width / image->width;
    double by_y = (double)place->height / image->height;

    for (int y = 0; y < image->height; y++) {
        double v = ((y + 0.5) * by_y - (double)a->y) / a->height;
        uint8_t *row = image->pixels + (size_t)y * (size_t)image->width * 3;

        for (int x = 0; x < image->width; x++) {
            double u = ((x + 0.5) * by_x - (double)a->x) / a->width;

            if (u < 0 || u > 1 || v < 0 || v > 1)
                darken(row + 3 * (size_t)x);
            else
                paint_pixel(row + 3 * (size_t)x,
                            heat_at(heat, u * heat->w, v * heat->h));
        }
    }
}

/* The smallest becomes 0, the largest 1. */
static void stretch(float *map, int count)
{
    float least = map[0], most = map[0];

    for (int i = 0; i < count; i++) {
        least = fminf(least, map[i]);
        most = fmaxf(most, map[i]);
    }
    for (int i = 0; i < count; i++)
        map[i] = most > least ? (map[i] - least) / (most - least) : 0;
}

static int copy_image(struct rn_image *out, const struct rn_image *in,
                      struct rn_error *err)
{
    size_t pixels = (size_t)in->width * (size_t)in->height;

    *out = *in;
    out->pixels = rn_alloc(pixels, 3);
    if (!out->pixels)
        return rn_fail_memory(err, 3 * pixels, "a picture");
    memcpy(out->pixels, in->pixels, 3 * pixels);
    return RN_OK;
}

/* --------------------------------------------------------------- running */

/* One image through the network. */
struct look {
    const struct rn_model *model;
    struct rn_plan *plan;
    float *image, *logits, *values;
    int channels;
    struct heat heat;
};

static void close_look(struct look *l)
{
    rn_plan_destroy(l->plan);
    rn_free(l->image);
    rn_free(l->logits);
    rn_free(l->values);
}

static int open_look(struct look *l, int threads, struct rn_error *err)
{
    const struct rn_shape *s = &l->model->spec.input;
    struct rn_plan_options options;
    size_t values;
    int rc;

    if (!find_fc(l->model->graph))
        return fail_fc(l->model, err);
    rn_plan_defaults(&options);
    options.threads = threads;
    options.keep = "last";
    rc = rn_plan_create(&l->plan, l->model, &options, err);
    if (rc)
        return rc;
    rn_plan_kept(l->plan, &l->channels, &l->heat.h, &l->heat.w);
    /* The map goes behind the values. */
    values = (size_t)(l->channels + 1) * (size_t)l->heat.h * (size_t)l->heat.w;
    l->image = rn_alloc(rn_shape_size(*s), sizeof(*l->image));
    l->logits = rn_alloc((size_t)l->model->spec.classes, sizeof(*l->logits));
    l->values = rn_alloc(values, sizeof(*l->values));
    if (l->image && l->logits && l->values)
        return RN_OK;
    return rn_fail_memory(err, values * sizeof(*l->values), "a class map");
}

static int run_look(struct look *l, const struct rn_image *picture, int *index,
                    struct rn_error *err)
{
    int places = l->heat.h * l->heat.w;
    size_t classes = (size_t)l->model->spec.classes;
    float *map = l->values + (size_t)l->channels * (size_t)places;
    int rc = rn_model_preprocess_image(l->model, picture, l->image, err);

    if (!rc)
        rc = rn_plan_forward(l->plan, l->image, l->logits, err);
    if (!rc && rn_first_not_finite(l->logits, classes) < classes)
        rc = rn_fail(err, RN_ERR_DATA,
                     "the network's answer is not finite: there is nothing "
                     "to paint");
    if (rc)
        return rc;
    if (*index < 0)
        rn_top_k(l->logits, l->model->spec.classes, 1, index);
    rn_plan_values(l->plan, l->values);
    rc = rn_class_map(l->model, l->values, places, *index, map, err);
    stretch(map, places);
    l->heat.map = map;
    return rc;
}

int rn_model_paint(const struct rn_model *model, const struct rn_image *picture,
                   int *index, int threads, struct rn_image *out,
                   struct rn_error *err)
{
    const struct rn_view view = rn_view_of(model);
    struct look l = {.model = model};
    struct rn_placement place;
    int rc = open_look(&l, threads, err);

    *out = (struct rn_image){0, 0, NULL};
    if (!rc)
        rc = run_look(&l, picture, index, err);
    if (!rc)
        rc = copy_image(out, picture, err);
    if (!rc) {
        rn_view_place(&view, picture->width, picture->height, &place);
        paint(out, &place, &l.heat);
    }
    close_look(&l);
    return rc;
}
