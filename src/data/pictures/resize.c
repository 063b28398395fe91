/* SPDX-License-Identifier: BSD-2-Clause */
/* Resizing as Pillow does it for 8-bit pictures, to the byte: along rows, then
 * along columns, each pixel a weighted sum of those under its filter, which
 * is widened when the picture shrinks. Weights are fixed-point numbers with
 * 22 bits behind the point; between the passes pixels are bytes again. */
#include "data/pictures/image.h"

#include "core/memory.h"

#include <math.h>
#include <string.h>

#define FRACTION_BITS 22
#define CHANNELS      3

/* ------------------------------------------------------------- filters */

static double box(double x)
{
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double triangle(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Keys's cubic with a = -0.5. */
static double cubic(double x)
{
    const double a = -0.5;

    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static const struct filter {
    double (*weight)(double x);
    double support; /* zero farther from the centre */
} filters[] = {
    [RN_BILINEAR] = {triangle, 1.0},
    [RN_BICUBIC] = {cubic, 2.0},
    [RN_BOX] = {box, 0.5},
};

/* --------------------------------------------------------------- weights */

/* One axis: output i of `count` is the sum of weight[i * stride + k] times
 * input first[i] + k, for k below taps[i]. */
struct axis {
    int count, stride;
    int *first, *taps;
    int32_t *weight;
};

static int32_t fixed_point(double weight)
{
    double scaled = weight * (1 << FRACTION_BITS);

    return (int32_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

/* Weights of output number `i`, which is `position` of the whole axis. */
static void weigh(struct axis *axis, int i, int64_t position, int in,
                  double scale, const struct filter *filter, double *scratch)
{
    double widened = scale < 1.0 ? 1.0 : scale, sum = 0;
    double support = filter->support * widened, shrink = 1.0 / widened;
    double centre = ((double)position + 0.5) * scale;
    int first = (int)(centre - support + 0.5);
    int end = (int)(centre + support + 0.5);
    int32_t *weight = axis->weight + (size_t)i * (size_t)axis->stride;

    first = first < 0 ? 0 : first;
    end = end > in ? in : end;
    for (int k = 0; k < end - first; k++) {
        scratch[k] = filter->weight((k + first - centre + 0.5) * shrink);
        sum += scratch[k];
    }
    for (int k = 0; k < end - first; k++)
        weight[k] = fixed_point(sum != 0 ? scratch[k] / sum : scratch[k]);
    axis->first[i] = first;
    axis->taps[i] = end - first;
}

static void axis_free(struct axis *axis)
{
    rn_free(axis->first);
    rn_free(axis->taps);
    rn_free(axis->weight);
}

/* Outputs from .. from + count of an axis of `in` pixels made `out` long. */
static int axis_make(struct axis *axis, int in, int64_t out, int64_t from,
                     int count, const struct filter *filter,
                     struct rn_error *err)
{
    double scale = (double)in / (double)out, *scratch;
    double support = filter->support * (scale < 1.0 ? 1.0 : scale);
    size_t stride = (size_t)ceil(support) * 2 + 1, n = (size_t)count;

    *axis = (struct axis){count, (int)stride, NULL, NULL, NULL};
    scratch = rn_alloc(stride, sizeof(*scratch));
    axis->first = rn_alloc(n, sizeof(*axis->first));
    axis->taps = rn_alloc(n, sizeof(*axis->taps));
    axis->weight = rn_alloc(n * stride, sizeof(*axis->weight));
    if (!scratch || !axis->first || !axis->taps || !axis->weight) {
        rn_free(scratch);
        return rn_fail_memory(err, n * stride * sizeof(*axis->weight),
                              "resizing a picture");
    }
    for (int i = 0; i < count; i++)
        weigh(axis, i, from + i, in, scale, filter, scratch);
    rn_free(scratch);
    return RN_OK;
}

/* ---------------------------------------------------------------- passes */

#define HALF (1 << (FRACTION_BITS - 1))

static uint8_t to_byte(int32_t sum)
{
    int32_t value = sum >> FRACTION_BITS;

    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* One row `in` to a row of axis->count pixels. */
static void resize_row(const struct axis *axis, const uint8_t *in, uint8_t *out)
{
    for (int i = 0; i < axis->count; i++, out += CHANNELS) {
        const int32_t *weight = axis->weight + (size_t)i * (size_t)axis->stride;
        const uint8_t *at = in + (size_t)axis->first[i] * CHANNELS;
        int32_t r = HALF, g = HALF, b = HALF;

        for (int k = 0; k < axis->taps[i]; k++, at += CHANNELS) {
            r += at[0] * weight[k];
            g += at[1] * weight[k];
            b += at[2] * weight[k];
        }
        out[0] = to_byte(r);
        out[1] = to_byte(g);
        out[2] = to_byte(b);
    }
}

/* Output row `i`, `bytes` long, from rows in[first[i] ..]; sums [bytes]. */
static void resize_column(const struct axis *axis, int i, const uint8_t *in,
                          size_t bytes, int32_t *sums, uint8_t *out)
{
    const int32_t *weight = axis->weight + (size_t)i * (size_t)axis->stride;

    for (size_t x = 0; x < bytes; x++)
        sums[x] = HALF;
    for (int k = 0; k < axis->taps[i]; k++, in += bytes)
        for (size_t x = 0; x < bytes; x++)
            sums[x] += in[x] * weight[k];
    for (size_t x = 0; x < bytes; x++)
        out[x] = to_byte(sums[x]);
}

/* Both passes; rows of `in` that no output needs are left out. */
static int run(struct rn_image *out, const struct rn_image *in,
               const struct axis *across, const struct axis *down,
               struct rn_error *err)
{
    size_t stride = (size_t)in->width * CHANNELS;
    size_t bytes = (size_t)across->count * CHANNELS;
    int last = down->count - 1, first = down->first[0];
    size_t rows = (size_t)(down->first[last] + down->taps[last] - first);
    uint8_t *middle = rn_alloc(rows, bytes);
    int32_t *sums = rn_alloc(bytes, sizeof(*sums));
    int rc = RN_OK;

    out->pixels = rn_alloc((size_t)down->count, bytes);
    if (!middle || !sums || !out->pixels) {
        rc = rn_fail_memory(err, rows * bytes, "resizing a picture");
        goto out;
    }
    for (size_t y = 0; y < rows; y++)
        resize_row(across, in->pixels + ((size_t)first + y) * stride,
                   middle + y * bytes);
    for (int i = 0; i < down->count; i++)
        resize_column(down, i,
                      middle + (size_t)(down->first[i] - first) * bytes, bytes,
                      sums, out->pixels + (size_t)i * bytes);
    out->width = across->count;
    out->height = down->count;
out:
    rn_free(middle);
    rn_free(sums);
    if (rc)
        rn_image_free(out);
    return rc;
}

/* -------------------------------------------------------------- the API */

static int check(const struct rn_image *in, int64_t width, int64_t height,
                 const struct rn_area *w, enum rn_interpolation how,
                 struct rn_error *err)
{
    if (!rn_interpolation_name(how))
        return rn_fail(err, RN_ERR_ARG, "interpolation %d: there is none",
                       (int)how);
    if (!in->pixels || in->width < 1 || in->height < 1)
        return rn_fail(err, RN_ERR_ARG, "no picture to resize");
    if (w->width < 1 || w->height < 1 || w->x < 0 || w->y < 0 ||
        w->x > width - w->width || w->y > height - w->height ||
        w->width > RN_IMAGE_MAX_SIDE || w->height > RN_IMAGE_MAX_SIDE ||
        (size_t)w->width * (size_t)w->height > RN_IMAGE_MAX_PIXELS)
        return rn_fail(err, RN_ERR_ARG,
                       "cannot resize a picture to %lld x %lld pixels, "
                       "expected 1 to %d a side and at most %zu in all",
                       (long long)width, (long long)height, RN_IMAGE_MAX_SIDE,
                       RN_IMAGE_MAX_PIXELS);
    return RN_OK;
}

int rn_image_resize_window(struct rn_image *out, const struct rn_image *in,
                           int64_t width, int64_t height,
                           const struct rn_area *window,
                           enum rn_interpolation how, struct rn_error *err)
{
    struct axis across = {0}, down = {0};
    int rc;

    *out = (struct rn_image){0, 0, NULL};
    rc = check(in, width, height, window, how, err);
    if (rc)
        return rc;
    rc = axis_make(&across, in->width, width, window->x, window->width,
                   &filters[how], err);
    if (!rc)
        rc = axis_make(&down, in->height, height, window->y, window->height,
                       &filters[how], err);
    if (!rc)
        rc = run(out, in, &across, &down, err);
    axis_free(&across);
    axis_free(&down);
    return rc;
}

int rn_image_resize(struct rn_image *out, const struct rn_image *in, int width,
                    int height, enum rn_interpolation how, struct rn_error *err)
{
    struct rn_area all = {0, 0, width, height};

    return rn_image_resize_window(out, in, width, height, &all, how, err);
}
