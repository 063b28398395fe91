/* SPDX-License-Identifier: BSD-2-Clause */
#include "ops/activation.h"

#include <math.h>

static float sigmoid(const struct rn_node *node, float x)
{
    (void)node;
    return 1 / (1 + expf(-x));
}

/* NaN is neither below nor above, and so shows. */
static float clip(const struct rn_node *node, float x)
{
    if (x < node->low)
        return node->low;
    return x > node->high ? node->high : x;
}

static float leaky_relu(const struct rn_node *node, float x)
{
    return x < 0 ? x * node->slope : x;
}

/** The first `channels` of each pixel's block; the others become zero. */
static inline void activate(const struct rn_node *node, size_t hw, size_t block,
                            size_t channels, const float *x, float *y,
                            float (*f)(const struct rn_node *, float))
{
    for (size_t i = 0; i < hw; i++, x += block, y += block) {
        for (size_t c = 0; c < channels; c++)
            y[c] = f(node, x[c]);
        for (size_t c = channels; c < block; c++)
            y[c] = 0;
    }
}

static void activate_plane(const struct rn_node *node, size_t hw, size_t block,
                           size_t channels, const float *x, float *y)
{
    /* Each with its function inlined. */
    if (node->op == RN_OP_SIGMOID)
        activate(node, hw, block, channels, x, y, sigmoid);
    else if (node->op == RN_OP_CLIP)
        activate(node, hw, block, channels, x, y, clip);
    else
        activate(node, hw, block, channels, x, y, leaky_relu);
}

/** Channels in block k of a value. */
static size_t channels_in(int channels, size_t k, size_t block)
{
    size_t left = (size_t)channels - k * block;
    return left < block ? left : block;
}

void rn_activate(const struct rn_node *node, int n, int threads, const float *x,
                 float *y)
{
    struct rn_planes p = rn_planes_of(n, node->shape, threads);
    size_t b = (size_t)p.block;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (size_t i = 0; i < p.n * p.blocks; i++)
        activate_plane(node, p.hw, b,
                       channels_in(node->shape.c, i % p.blocks, b),
                       x + i * p.hw * b, y + i * p.hw * b);
}

void rn_multiply(const struct rn_planes *p, const float *a, const float *b,
                 bool per_channel, float *y)
{
    size_t block = (size_t)p->block, size = p->hw * block;
#pragma omp parallel for num_threads(p->threads) schedule(static)
    for (size_t i = 0; i < p->n * p->blocks; i++) {
        const float *factor = b + i * (per_channel ? block : size);
        for (size_t k = 0; k < size; k += block)
            for (size_t c = 0; c < block; c++)
                y[i * size + k + c] =
                    a[i * size + k + c] * factor[per_channel ? c : k + c];
    }
}

/** One pixel, whose channel blocks lie `stride` floats apart. */
static void softmax_pixel(const struct rn_planes *p, int channels,
                          bool logarithms, const float *x, float *y)
{
    size_t b = (size_t)p->block, stride = p->hw * b;
    float most = -INFINITY;
    double sum = 0;
    for (size_t c = 0; c < (size_t)channels; c++)
        most = fmaxf(most, x[c / b * stride + c % b]);
    for (size_t c = 0; c < (size_t)channels; c++)
        sum += (double)(y[c / b * stride + c % b] =
                            expf(x[c / b * stride + c % b] - most));
    for (size_t c = 0; c < (size_t)channels && !logarithms; c++)
        y[c / b * stride + c % b] /= (float)sum;
    for (size_t c = 0; c < (size_t)channels && logarithms; c++)
        y[c / b * stride + c % b] =
            x[c / b * stride + c % b] - most - (float)log(sum);
    for (size_t c = (size_t)channels; c < p->blocks * b; c++)
        y[c / b * stride + c % b] = 0;
}

void rn_softmax_channels(const struct rn_planes *p, int channels,
                         bool logarithms, const float *x, float *y)
{
    size_t b = (size_t)p->block;
#pragma omp parallel for num_threads(p->threads) schedule(static)
    for (size_t i = 0; i < p->n * p->hw; i++) {
        size_t at = i / p->hw * p->blocks * p->hw * b + i % p->hw * b;
        softmax_pixel(p, channels, logarithms, x + at, y + at);
    }
}
