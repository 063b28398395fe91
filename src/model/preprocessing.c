/* SPDX-License-Identifier: BSD-2-Clause */
/* How pictures are prepared: what a model says of it, and the one place where
 * pixels become numbers. */
#include "model/model.h"

#include "core/count.h"
#include "core/file.h"
#include "core/memory.h"

#include <math.h>
#include <string.h>

static float *copy_floats(const float *from, size_t count)
{
    float *to = rn_alloc(count, sizeof(*to));

    if (to)
        memcpy(to, from, count * sizeof(*to));
    return to;
}

static int check_preprocessing(const float *mean, size_t n_mean,
                               const float *std, size_t n_std,
                               struct rn_error *err)
{
    for (size_t i = 0; i < n_mean; i++)
        if (!isfinite(mean[i]))
            return rn_fail(err, RN_ERR_ARG,
                           "mean %zu of the preprocessing is %g", i,
                           (double)mean[i]);
    for (size_t i = 0; i < n_std; i++)
        if (!isfinite(std[i]) || std[i] <= 0.0f)
            return rn_fail(err, RN_ERR_ARG,
                           "std of channel %zu in the preprocessing is %g, "
                           "expected a positive number",
                           i, (double)std[i]);
    return RN_OK;
}

int rn_model_set_preprocessing(struct rn_model *model, bool per_pixel,
                               const float *mean, const float *std,
                               struct rn_error *err)
{
    const struct rn_shape *s = &model->spec.input;
    size_t n_std = (size_t)s->c;
    size_t n_mean = per_pixel ? n_std * rn_shape_pixels(*s) : n_std;
    int rc = check_preprocessing(mean, n_mean, std, n_std, err);

    if (rc)
        return rc;
    struct rn_preprocessing new = model->preprocessing;
    new.per_pixel = per_pixel;
    new.mean = copy_floats(mean, n_mean);
    new.std = copy_floats(std, n_std);
    new.contrast = 0;
    new.whitening = NULL;
    if (!new.mean || !new.std) {
        rn_free(new.mean);
        rn_free(new.std);
        return rn_fail_memory(err, n_mean * sizeof(float), "a mean");
    }
    rn_free(model->preprocessing.mean);
    rn_free(model->preprocessing.std);
    rn_free(model->preprocessing.whitening);
    model->preprocessing = new;
    return RN_OK;
}

size_t rn_whitening_count(size_t n)
{
    return n * (n + 1) / 2;
}

int rn_model_set_whitening(struct rn_model *model, float contrast,
                           const float *whitening, struct rn_error *err)
{
    size_t n = rn_shape_size(model->spec.input);
    float *copy = NULL;

    if (!(contrast >= 0 && isfinite(contrast)))
        return rn_fail(err, RN_ERR_ARG,
                       "images are normalised to a contrast of %g, expected a "
                       "number from 0 on",
                       (double)contrast);
    if (whitening && !model->preprocessing.per_pixel)
        return rn_fail(err, RN_ERR_ARG,
                       "images are whitened, but have no mean of every pixel");
    if (whitening && n > RN_WHITENED_MOST)
        return rn_fail(err, RN_ERR_ARG,
                       "images of %zu numbers cannot be whitened, at most %d",
                       n, RN_WHITENED_MOST);
    for (size_t i = 0; whitening && i < rn_whitening_count(n); i++)
        if (!isfinite(whitening[i]))
            return rn_fail(err, RN_ERR_ARG, "number %zu of the whitening is %g",
                           i, (double)whitening[i]);
    if (whitening) {
        copy = copy_floats(whitening, rn_whitening_count(n));
        if (!copy)
            return rn_fail_memory(err, rn_whitening_count(n) * sizeof(*copy),
                                  "the whitening");
    }
    rn_free(model->preprocessing.whitening);
    model->preprocessing.contrast = contrast;
    model->preprocessing.whitening = copy;
    return RN_OK;
}

const char *rn_interpolation_name(enum rn_interpolation how)
{
    static const char *const names[] = {
        [RN_BILINEAR] = "bilinear", [RN_BICUBIC] = "bicubic", [RN_BOX] = "box"};

    return (unsigned)how < COUNT(names) ? names[how] : NULL;
}

int rn_model_set_resize(struct rn_model *model, int resize,
                        enum rn_interpolation interpolation,
                        struct rn_error *err)
{
    const struct rn_shape *s = &model->spec.input;
    int least = s->h > s->w ? s->h : s->w;

    if (resize && (resize < least || resize > RN_RESIZE_MAX))
        return rn_fail(err, RN_ERR_ARG,
                       "the shorter side is resized to %d pixels, expected %d "
                       "to %d, the network taking %d x %d",
                       resize, least, RN_RESIZE_MAX, s->h, s->w);
    if (!rn_interpolation_name(interpolation))
        return rn_fail(err, RN_ERR_ARG, "interpolation %d: there is none",
                       (int)interpolation);
    model->preprocessing.resize = resize;
    model->preprocessing.interpolation = interpolation;
    return RN_OK;
}

uint64_t rn_model_sum_normalisation(const struct rn_model *model, uint64_t sum)
{
    const struct rn_preprocessing *p = &model->preprocessing;
    const int kinds[] = {p->per_pixel, p->bgr, p->mean != NULL,
                         p->whitening != NULL};
    size_t size = rn_shape_size(model->spec.input),
           channels = (size_t)model->spec.input.c;

    sum = rn_checksum(sum, kinds, sizeof(kinds));
    sum = rn_checksum(sum, &p->contrast, sizeof(p->contrast));
    if (p->mean) {
        sum = rn_checksum(sum, p->mean,
                          (p->per_pixel ? size : channels) * sizeof(float));
        sum = rn_checksum(sum, p->std, channels * sizeof(float));
    }
    if (p->whitening)
        sum = rn_checksum(sum, p->whitening,
                          rn_whitening_count(size) * sizeof(float));
    return sum;
}

uint64_t rn_model_sum_preprocessing(const struct rn_model *model, uint64_t sum)
{
    const struct rn_preprocessing *p = &model->preprocessing;
    const int sizes[] = {p->resize, (int)p->interpolation};

    sum = rn_checksum(sum, sizes, sizeof(sizes));
    return rn_model_sum_normalisation(model, sum);
}

int rn_model_set_bgr(struct rn_model *model, bool bgr, struct rn_error *err)
{
    if (bgr && model->spec.input.c != 3)
        return rn_fail(err, RN_ERR_ARG,
                       "channels in the order BGR, but the network takes %d",
                       model->spec.input.c);
    model->preprocessing.bgr = bgr;
    return RN_OK;
}

size_t rn_channel_stored(bool bgr, size_t channels, size_t c)
{
    return bgr ? channels - 1 - c : c;
}

void rn_channel_scale(struct rn_channel_scale *s, const float *mean,
                      const float *std, bool per_pixel, size_t c, size_t pixels)
{
    s->mean = per_pixel ? mean + c * pixels : NULL;
    s->std = std[c];
    for (int v = 0; !per_pixel && v < 256; v++)
        s->value[v] = ((float)v / 255.0f - mean[c]) / s->std;
}

void rn_channel_normalise(const struct rn_channel_scale *s,
                          const uint8_t *pixels, size_t from, size_t count,
                          float *out)
{
    pixels += from;
    if (!s->mean)
        for (size_t i = 0; i < count; i++)
            out[i] = s->value[pixels[i]];
    else
        for (size_t i = 0; i < count; i++)
            out[i] = ((float)pixels[i] / 255.0f - s->mean[from + i]) / s->std;
}

/* Below this deviation an image is taken to be of one colour. */
#define FLAT 1e-8

/* Numbers of mean 0 and that deviation; those of one colour become 0. */
static void normalise_contrast(float *x, size_t n, float deviation)
{
    double sum = 0, squares = 0, was, factor;

    for (size_t i = 0; i < n; i++)
        sum += (double)x[i];
    for (size_t i = 0; i < n; i++) {
        double off = (double)x[i] - sum / (double)n;

        squares += off * off;
    }
    was = sqrt(squares / (double)n);
    factor = was < FLAT ? 1 : (double)deviation / was;
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(((double)x[i] - sum / (double)n) * factor);
}

/* Sums of a product that lie side by side, for vectors. */
enum { LANES = 16 };

static float dot(const float *a, const float *b, size_t n)
{
    float sums[LANES] = {0}, sum = 0;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            sums[k] += a[i + k] * b[i + k];
    for (; i < n; i++)
        sum += a[i] * b[i];
    for (size_t k = 0; k < LANES; k++)
        sum += sums[k];
    return sum;
}

/* The matrix times an image, in its place. Row i of the triangle is also what
 * lies right of the diagonal in column i. */
static void whiten(const float *triangle, size_t n, float *image)
{
    float x[RN_WHITENED_MOST];

    memcpy(x, image, n * sizeof(*x));
    for (size_t i = 0; i < n; triangle += ++i) {
        for (size_t k = 0; k < i; k++)
            image[k] += triangle[k] * x[i];
        image[i] = dot(triangle, x, i + 1);
    }
}

/* Of a whole image, whose numbers depend on each other. */
static void normalise_whole(const struct rn_preprocessing *pre,
                            struct rn_shape shape, const uint8_t *pixels,
                            float *image)
{
    size_t n = rn_shape_pixels(shape), channels = (size_t)shape.c;

    for (size_t c = 0; c < channels; c++) {
        size_t stored = rn_channel_stored(pre->bgr, channels, c);

        for (size_t i = 0; i < n; i++)
            image[c * n + i] = (float)pixels[stored * n + i] / 255.0f;
    }
    if (pre->contrast > 0)
        normalise_contrast(image, channels * n, pre->contrast);
    for (size_t i = 0; i < channels * n; i++)
        image[i] = (image[i] - pre->mean[pre->per_pixel ? i : i / n]) /
                   pre->std[i / n];
    if (pre->whitening)
        whiten(pre->whitening, channels * n, image);
}

void rn_normalise(const struct rn_preprocessing *pre, struct rn_shape shape,
                  const uint8_t *pixels, float *image)
{
    size_t n = rn_shape_pixels(shape), channels = (size_t)shape.c;
    struct rn_channel_scale scale;

    if (pre->contrast > 0 || pre->whitening) {
        normalise_whole(pre, shape, pixels, image);
        return;
    }

    for (size_t c = 0; c < channels; c++) {
        rn_channel_scale(&scale, pre->mean, pre->std, pre->per_pixel, c, n);
        rn_channel_normalise(
            &scale, pixels + n * rn_channel_stored(pre->bgr, channels, c), 0, n,
            image + c * n);
    }
}

int rn_model_preprocess(const struct rn_model *model, const uint8_t *pixels,
                        float *image, struct rn_error *err)
{
    const struct rn_preprocessing *pre = &model->preprocessing;

    if (!pre->mean)
        return rn_fail(err, RN_ERR_ARG,
                       "the model does not say how its images are prepared");
    if (!pixels || !image)
        return rn_fail(err, RN_ERR_ARG, "no pixels or no image given");
    rn_normalise(pre, model->spec.input, pixels, image);
    return RN_OK;
}
