/* SPDX-License-Identifier: BSD-2-Clause */
/* Statistics, scale and shift, and both passes of the gradient. */
#include "ops/batch_norm.h"

#include <math.h>
#include <string.h>

static size_t padded(const struct rn_planes *p)
{
    return p->blocks * (size_t)p->block;
}

enum { ARRAYS = 7 };

size_t rn_batch_norm_floats(const struct rn_planes *planes)
{
    return ARRAYS * padded(planes);
}

void rn_batch_norm_place(struct rn_batch_norm *bn, float *memory)
{
    size_t c = padded(&bn->planes);
    float **arrays[ARRAYS] = {&bn->mean,    &bn->inv_std, &bn->scale,
                              &bn->shift,   &bn->grad_g,  &bn->grad_z,
                              &bn->grad_one};

    for (size_t i = 0; i < ARRAYS; i++)
        *arrays[i] = memory + i * c;
}

/* Scratch: [n][2][padded] sums of each image, then [padded] floats' worth of
 * pivot. */
size_t rn_batch_norm_scratch(const struct rn_planes *planes)
{
    return (2 * planes->n + 1) * padded(planes);
}

static struct rn_plane_sums sums_of(const struct rn_planes *p, double *scratch,
                                    size_t i)
{
    size_t c = padded(p), image = i / p->blocks, block = i % p->blocks;
    double *a = scratch + image * 2 * c + block * (size_t)p->block;

    return (struct rn_plane_sums){a, a + c};
}

/* Sums over the images, in order, of channel c's two sums. */
static void join(const struct rn_planes *p, const double *scratch, size_t c,
                 double *a, double *b)
{
    size_t stride = padded(p);

    *a = *b = 0.0;
    for (size_t n = 0; n < p->n; n++) {
        *a += scratch[2 * n * stride + c];
        *b += scratch[(2 * n + 1) * stride + c];
    }
}

/* Channel c normalises with this mean and variance. Where variance and eps are
 * 0, as in the padding behind the channels of an affine layer, it gives its
 * bias.
 */
static void set_channel(struct rn_batch_norm *bn, size_t c, double mean,
                        double var)
{
    double root = sqrt(var + (double)bn->eps);
    double inv = root == 0 ? 0 : 1.0 / root; /* NaN stays */

    bn->mean[c] = (float)mean;
    bn->inv_std[c] = (float)inv;
    bn->scale[c] = (float)((double)bn->weight[c] * inv);
    bn->shift[c] =
        (float)((double)bn->bias[c] - (double)bn->weight[c] * inv * mean);
}

void rn_batch_norm_fix(struct rn_batch_norm *bn)
{
    for (size_t c = 0; c < padded(&bn->planes); c++)
        set_channel(bn, c, (double)bn->running_mean[c],
                    (double)bn->running_var[c]);
}

/* Behind the sums of all images. */
static float *pivot_of(const struct rn_planes *p, double *scratch)
{
    return (float *)(scratch + 2 * p->n * padded(p));
}

/* Sums over each image's planes of what lies above the pivot, and of its
 * squares. */
static void take_sums(const struct rn_planes *p, size_t apart, const void *z,
                      double *scratch)
{
    const struct rn_kernels *k = rn_kernels_get(p->type);
    size_t block = (size_t)p->block;
    size_t middle = p->hw / 2 * block * rn_dtype_bytes(p->type);
    /* Any value near the mean keeps the variance from cancelling; one of the
     * channel's own is near enough. */
    float *pivot = pivot_of(p, scratch);

    for (size_t i = 0; i < p->blocks; i++)
        k->widen((const char *)rn_plane_at(p, z, i) + middle, pivot + i * block,
                 block);
#pragma omp parallel num_threads(p->threads)
    {
        struct rn_range r = rn_share_mine(rn_planes_number(p));

        for (size_t i = r.begin; i < r.end; i++) {
            struct rn_plane_sums sums = sums_of(p, scratch, i);

            memset(sums.a, 0, block * sizeof(*sums.a));
            memset(sums.b, 0, block * sizeof(*sums.b));
            k->bn_sums(rn_plane_at(p, z, rn_plane_among(p, apart, i)), p->hw,
                       pivot + i % p->blocks * block, sums);
        }
    }
}

/* Of channel c, from the sums. */
static void moments_of(const struct rn_planes *p, double *scratch, size_t c,
                       double *mean, double *var)
{
    double m = (double)p->n * (double)p->hw, a, b;

    join(p, scratch, c, &a, &b);
    *mean = (double)pivot_of(p, scratch)[c] + a / m;
    *var = (b - a * a / m) / m;
    if (*var < 0) /* rounding only; NaN stays NaN */
        *var = 0;
}

void rn_moments(const struct rn_planes *planes, size_t apart, const void *x,
                double *scratch, double *mean, double *var)
{
    take_sums(planes, apart, x, scratch);
    for (size_t c = 0; c < padded(planes); c++)
        moments_of(planes, scratch, c, &mean[c], &var[c]);
}

/* Channel c's running statistics take their share of these. */
static void move_running(struct rn_batch_norm *bn, size_t c, double mean,
                         double var, double unbias)
{
    double share = (double)bn->momentum;

    bn->running_mean[c] =
        (float)((1 - share) * (double)bn->running_mean[c] + share * mean);
    bn->running_var[c] = (float)((1 - share) * (double)bn->running_var[c] +
                                 share * var * unbias);
}

/* Channel c's statistics are these, of m values. */
static void take_channel(struct rn_batch_norm *bn, size_t c, double mean,
                         double var, double m)
{
    double unbias = m > 1 ? m / (m - 1) : 1.0;

    set_channel(bn, c, mean, var);
    if (!bn->own_mean) {
        move_running(bn, c, mean, var, unbias);
        return;
    }
    bn->own_mean[c] = (float)mean;
    bn->own_var[c] = (float)(var * unbias);
}

/* Of a channel, in so many parts of the batch. */
static double values(const struct rn_planes *p, int parts)
{
    return (double)p->n * (double)p->hw * parts;
}

void rn_batch_norm_statistics(struct rn_batch_norm *bn, const void *z,
                              double *scratch)
{
    const struct rn_planes *p = &bn->planes;

    take_sums(p, bn->apart, z, scratch);
    for (size_t c = 0; c < padded(p); c++) {
        double mean, var;

        moments_of(p, scratch, c, &mean, &var);
        take_channel(bn, c, mean, var, values(p, 1));
    }
}

void rn_batch_norm_part(struct rn_batch_norm *bn, const void *z,
                        double *scratch, double *own)
{
    const struct rn_planes *p = &bn->planes;

    rn_moments(p, bn->apart, z, scratch, own, own + padded(p));
}

/* The variance of all is the mean of the parts', and what their means vary. */
void rn_batch_norm_whole(struct rn_batch_norm *bn, const double *all, int parts)
{
    const struct rn_planes *p = &bn->planes;
    size_t n = padded(p);

    for (size_t c = 0; c < n; c++) {
        double mean = 0, var = 0;

        for (size_t i = 0; i < (size_t)parts; i++)
            mean += all[2 * i * n + c];
        mean /= parts;
        for (size_t i = 0; i < (size_t)parts; i++) {
            double off = all[2 * i * n + c] - mean;

            var += all[(2 * i + 1) * n + c] + off * off;
        }
        take_channel(bn, c, mean, var / parts, values(p, parts));
    }
}

void rn_batch_norm_join(struct rn_batch_norm *bn, const float *mean,
                        const float *var, size_t apart, int batches)
{
    for (size_t c = 0; c < padded(&bn->planes); c++) {
        double means = 0, vars = 0;

        for (size_t i = 0; i < (size_t)batches; i++) {
            means += (double)mean[i * apart + c];
            vars += (double)var[i * apart + c];
        }
        move_running(bn, c, means / batches, vars / batches, 1);
    }
}

/* Pixel `first` of plane i; NULL of none. */
static const void *pixel_at(const struct rn_planes *p, const void *x, size_t i,
                            size_t first)
{
    size_t pixel = (size_t)p->block * rn_dtype_bytes(p->type);

    return x ? (const char *)rn_plane_at(p, x, i) + first * pixel : NULL;
}

/* The pointers of `in` moved there. */
static struct rn_bn_backward backward_at(const struct rn_batch_norm *bn,
                                         const struct rn_bn_backward *in,
                                         size_t i, size_t first)
{
    const struct rn_planes *p = &bn->planes;
    size_t c = i % p->blocks * (size_t)p->block;
    size_t among = rn_plane_among(p, bn->apart, i);

    return (struct rn_bn_backward){
        .dy = pixel_at(p, in->dy, i, first),
        .dy2 = pixel_at(p, in->dy2, i, first),
        .y = pixel_at(p, in->y, i, first),
        .z = pixel_at(p, in->z, among, first),
        .sum = pixel_at(p, in->sum, among, first),
        .scale = bn->scale + c,
        .shift = bn->shift + c,
        .relu = in->relu,
    };
}

/* With xhat = (z - mean) inv_std, m values a channel, and the sums
 * A = sum g, S = sum g (z - mean):
 *   diff_bias = A, diff_weight = inv_std S,
 *   dz = weight inv_std (g - A / m - xhat inv_std S / m);
 * with fixed statistics dz = weight inv_std g. */
static void finish_gradient(struct rn_batch_norm *bn, size_t c, double a,
                            double s, double m)
{
    double inv = (double)bn->inv_std[c], g = (double)bn->weight[c] * inv;
    double z = bn->fixed ? 0 : -g * inv * inv * s / m;
    double one = bn->fixed ? 0 : -g * a / m - z * (double)bn->mean[c];

    bn->grad_g[c] = (float)g;
    bn->grad_z[c] = (float)z;
    bn->grad_one[c] = (float)one;
}

static void set_diff(struct rn_batch_norm *bn, size_t c, double a, double s)
{
    if (!bn->diff_weight)
        return;
    bn->diff_bias[c] = (float)a;
    bn->diff_weight[c] = (float)((double)bn->inv_std[c] * s);
}

/* The sums of each image, and the masked gradient. */
static void reduce(const struct rn_batch_norm *bn,
                   const struct rn_bn_backward *in, void *g, double *scratch)
{
    const struct rn_planes *p = &bn->planes;
    const struct rn_kernels *k = rn_kernels_get(p->type);
#pragma omp parallel num_threads(p->threads)
    {
        struct rn_range r = rn_share_mine(rn_planes_number(p));

        for (size_t i = r.begin; i < r.end; i++) {
            struct rn_plane_sums sums = sums_of(p, scratch, i);
            struct rn_bn_backward at = backward_at(bn, in, i, 0);

            memset(sums.a, 0, (size_t)p->block * sizeof(*sums.a));
            memset(sums.b, 0, (size_t)p->block * sizeof(*sums.b));
            k->bn_reduce(&at, rn_plane_to(p, g, i), p->hw,
                         bn->mean + i % p->blocks * (size_t)p->block, sums);
        }
    }
}

void rn_batch_norm_reduce(struct rn_batch_norm *bn,
                          const struct rn_bn_backward *in, void *g,
                          double *scratch)
{
    const struct rn_planes *p = &bn->planes;

    reduce(bn, in, g, scratch);
    for (size_t c = 0; c < padded(p); c++) {
        double a, s;

        join(p, scratch, c, &a, &s);
        set_diff(bn, c, a, s);
        finish_gradient(bn, c, a, s, values(p, 1));
    }
}

void rn_batch_norm_reduce_part(const struct rn_batch_norm *bn,
                               const struct rn_bn_backward *in, void *g,
                               double *scratch, double *own)
{
    const struct rn_planes *p = &bn->planes;
    size_t n = padded(p);

    reduce(bn, in, g, scratch);
    for (size_t c = 0; c < n; c++)
        join(p, scratch, c, &own[c], &own[n + c]);
}

void rn_batch_norm_reduce_whole(struct rn_batch_norm *bn, const double *own,
                                const double *all, int parts)
{
    const struct rn_planes *p = &bn->planes;
    size_t n = padded(p);

    for (size_t c = 0; c < n; c++) {
        double a = 0, s = 0;

        for (size_t i = 0; i < (size_t)parts; i++) {
            a += all[2 * i * n + c];
            s += all[(2 * i + 1) * n + c];
        }
        set_diff(bn, c, own[c], own[n + c]);
        finish_gradient(bn, c, a, s, values(p, parts));
    }
}

void rn_batch_norm_gradient_of(const struct rn_batch_norm *bn,
                               const struct rn_bn_backward *in, void *dz,
                               size_t plane, size_t first, size_t pixels)
{
    const struct rn_planes *p = &bn->planes;
    struct rn_bn_backward at = backward_at(bn, in, plane, first);
    size_t c = plane % p->blocks * (size_t)p->block;
    size_t pixel = (size_t)p->block * rn_dtype_bytes(p->type);
    size_t among = rn_plane_among(p, bn->apart, plane);

    rn_kernels_get(p->type)->bn_gradient(
        &at, bn->grad_g + c, bn->grad_z + c, bn->grad_one + c,
        (char *)rn_plane_to(p, dz, among) + first * pixel, pixels);
}

void rn_batch_norm_gradient(const struct rn_batch_norm *bn,
                            const struct rn_bn_backward *in, void *dz)
{
    const struct rn_planes *p = &bn->planes;
#pragma omp parallel num_threads(p->threads)
    {
        struct rn_range r = rn_share_mine(rn_planes_number(p));

        /* Last plane first: it is the one still in cache. */
        for (size_t i = r.end; i-- > r.begin;)
            rn_batch_norm_gradient_of(bn, in, dz, i, 0, p->hw);
    }
}
