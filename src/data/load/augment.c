/* SPDX-License-Identifier: BSD-2-Clause */
/* Normalising, then "4 pixels are padded on each side, and a 32x32 crop is
 * randomly sampled from the padded image or its horizontal flip" (He et al.
 * 2016, section 4.2). The padding is zero after the mean is gone. */
#include "data/data.h"

#include "core/random.h"

#include <string.h>

/* Where the crop lies: output (y, x) shows input (y + dy, x + dx), columns
 * counted from the right when flipped. */
struct view {
    int dy, dx;
    bool flip;
};

/* What one plane is made with. */
struct plane {
    const uint8_t *pixels; /* [h][w] */
    int h, w;
    struct rn_channel_scale scale;
};

static struct view draw(const struct rn_loader_config *config,
                        struct rn_pick pick)
{
    const struct rn_augment *a = &config->augment;
    const struct rn_random_key key = {config->sampler.seed, RN_RANDOM_AUGMENT,
                                      pick.epoch};
    struct view view = {0, 0, false};
    uint32_t bits[4];

    if (!a->crop && !a->flip)
        return view;
    rn_random4(&key, pick.index, bits);
    if (a->crop) {
        uint32_t offsets = 2 * (uint32_t)a->pad + 1;

        view.dy = (int)rn_random_below(bits[0], offsets) - a->pad;
        view.dx = (int)rn_random_below(bits[1], offsets) - a->pad;
    }
    view.flip = a->flip && bits[2] >> 31;
    return view;
}

static void reverse(float *row, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        float kept = row[i];

        row[i] = row[n - 1 - i];
        row[n - 1 - i] = kept;
    }
}

/* One row of the output; sy is the input's row, perhaps outside. */
static void make_row(const struct plane *p, const struct view *view, int sy,
                     float *out)
{
    int left = view->dx < 0 ? -view->dx : 0; /* columns of padding */
    int right = view->dx > 0 ? view->dx : 0;
    size_t n;

    if (sy < 0 || sy >= p->h || left + right >= p->w) {
        memset(out, 0, (size_t)p->w * sizeof(*out));
        return;
    }
    n = (size_t)(p->w - left - right);
    memset(out, 0, (size_t)left * sizeof(*out));
    rn_channel_normalise(&p->scale, p->pixels,
                         (size_t)sy * (size_t)p->w + (size_t)right, n,
                         out + left);
    memset(out + p->w - right, 0, (size_t)right * sizeof(*out));
    if (view->flip)
        reverse(out, (size_t)p->w);
}

static void make_plane(const struct plane *p, const struct view *view,
                       float *out)
{
    if (!view->dy && !view->dx && !view->flip) {
        rn_channel_normalise(&p->scale, p->pixels, 0,
                             (size_t)p->h * (size_t)p->w, out);
        return;
    }
    for (int y = 0; y < p->h; y++)
        make_row(p, view, y + view->dy, out + (size_t)y * (size_t)p->w);
}

const struct rn_shape *rn_loader_shape(const struct rn_loader_config *config)
{
    return config->data->fetch ? &config->view.shape : &config->data->shape;
}

int rn_loader_crops(const struct rn_loader_config *config)
{
    return config->data->fetch && config->view.crops > 1 ? config->view.crops
                                                         : 1;
}

void rn_image_prepare(const struct rn_loader_config *config,
                      struct rn_pick pick, float *out)
{
    const struct rn_shape *s = &config->data->shape;
    size_t image = rn_shape_size(*s);

    rn_image_augment(
        config, pick,
        config->data->part[config->part].pixels + pick.index * image, out);
}

/* The same of numbers that are normalised already, in their place. A row comes
 * before the one that it is taken from is overwritten. */
static void move_plane(float *plane, int h, int w, const struct view *view)
{
    int left = view->dx < 0 ? -view->dx : 0,
        right = view->dx > 0 ? view->dx : 0;

    for (int k = 0; k < h; k++) {
        int y = view->dy < 0 ? h - 1 - k : k, from = y + view->dy;
        float *row = plane + (size_t)y * (size_t)w;
        size_t n = left + right < w ? (size_t)(w - left - right) : 0;

        if (from < 0 || from >= h || n == 0) {
            memset(row, 0, (size_t)w * sizeof(*row));
            continue;
        }
        memmove(row + left, plane + (size_t)from * (size_t)w + right,
                n * sizeof(*row));
        memset(row, 0, (size_t)left * sizeof(*row));
        memset(row + w - right, 0, (size_t)right * sizeof(*row));
        if (view->flip)
            reverse(row, (size_t)w);
    }
}

/* Images whose numbers depend on each other are normalised whole. */
static void augment_whole(const struct rn_loader_config *config,
                          const struct view *view, const uint8_t *pixels,
                          float *out)
{
    const struct rn_shape *s = rn_loader_shape(config);
    const struct rn_preprocessing pre = {
        .per_pixel = config->per_pixel,
        .bgr = config->bgr,
        .mean = (float *)config->mean,
        .std = (float *)config->std,
        .contrast = config->contrast,
        .whitening = (float *)config->whitening,
    };

    rn_normalise(&pre, *s, pixels, out);
    for (int c = 0; c < s->c && (view->dy || view->dx || view->flip); c++)
        move_plane(out + (size_t)c * rn_shape_pixels(*s), s->h, s->w, view);
}

void rn_image_augment(const struct rn_loader_config *config,
                      struct rn_pick pick, const uint8_t *pixels, float *out)
{
    const struct rn_shape *s = rn_loader_shape(config);
    const struct view view = draw(config, pick);
    size_t plane = rn_shape_pixels(*s);
    size_t channels = (size_t)s->c;

    if (config->contrast > 0 || config->whitening) {
        augment_whole(config, &view, pixels, out);
        return;
    }
    for (size_t c = 0; c < channels; c++) {
        size_t stored = rn_channel_stored(config->bgr, channels, c);
        struct plane p = {
            .pixels = pixels + stored * plane, .h = s->h, .w = s->w};

        rn_channel_scale(&p.scale, config->mean, config->std, config->per_pixel,
                         c, plane);
        make_plane(&p, &view, out + c * plane);
    }
}

void rn_loader_prepare_as(struct rn_loader_config *config,
                          const struct rn_preprocessing *pre)
{
    config->per_pixel = pre->per_pixel;
    config->bgr = pre->bgr;
    config->mean = pre->mean;
    config->std = pre->std;
    config->contrast = pre->contrast;
    config->whitening = pre->whitening;
}
