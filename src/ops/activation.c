/* SPDX-License-Identifier: BSD-2-Clause */
/* One function a row: values of single elements, padding left zero. */
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

/* ---------------------------------------------------- table of functions */

static float elu(const struct rn_node *node, float x)
{
    return x < 0 ? node->a * expm1f(x) : x;
}

static float selu(const struct rn_node *node, float x)
{
    return node->b * elu(node, x);
}

static float celu(const struct rn_node *node, float x)
{
    return x < 0 ? node->a * expm1f(x / node->a) : x;
}

static float gelu(const struct rn_node *node, float x)
{
    (void)node;
    return 0.5f * x * (1 + erff(x * (float)M_SQRT1_2));
}

static float gelu_tanh(const struct rn_node *node, float x)
{
    const float scale = (float)(M_SQRT1_2 * M_2_SQRTPI); /* sqrt(2 / pi) */

    (void)node;
    return 0.5f * x * (1 + tanhf(scale * (x + 0.044715f * x * x * x)));
}

/* Neither overflows nor loses the small ones. */
static float softplus(const struct rn_node *node, float x)
{
    (void)node;
    return (x > 0 ? x : 0) + log1pf(expf(-fabsf(x)));
}

static float mish(const struct rn_node *node, float x)
{
    return x * tanhf(softplus(node, x));
}

static float softsign(const struct rn_node *node, float x)
{
    (void)node;
    return x / (1 + fabsf(x));
}

static float hard_sigmoid(const struct rn_node *node, float x)
{
    float y = node->a * x + node->b;

    if (y < 0)
        return 0;
    return y > 1 ? 1 : y;
}

static float hard_swish(const struct rn_node *node, float x)
{
    return x * hard_sigmoid(node, x);
}

static float threshold(const struct rn_node *node, float x)
{
    return x <= node->a ? 0 : x;
}

static float power(const struct rn_node *node, float x)
{
    return powf(x, node->a);
}

/* One of C's own. */
#define PLAIN(name, call)                                  \
    static float name(const struct rn_node *node, float x) \
    {                                                      \
        (void)node;                                        \
        return call(x);                                    \
    }

PLAIN(hyperbolic_tangent, tanhf)
PLAIN(error_function, erff)
PLAIN(exponential, expf)
PLAIN(logarithm, logf)
PLAIN(square_root, sqrtf)
PLAIN(absolute, fabsf)

/* ------------------------------------------------------------ whole planes */

/* Halves round to even, as is the processor's way. */
static float quantize(const struct rn_node *node, float x)
{
    return (clip(node, rintf(x / node->a) + node->b) - node->b) * node->a;
}

/* The first `channels` of each pixel's block; the others become zero. */
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

static float (*const functions[RN_FUNCTION_COUNT])(const struct rn_node *,
                                                   float) = {
    [RN_FUNCTION_ELU] = elu,
    [RN_FUNCTION_SELU] = selu,
    [RN_FUNCTION_CELU] = celu,
    [RN_FUNCTION_GELU] = gelu,
    [RN_FUNCTION_GELU_TANH] = gelu_tanh,
    [RN_FUNCTION_MISH] = mish,
    [RN_FUNCTION_SOFTPLUS] = softplus,
    [RN_FUNCTION_SOFTSIGN] = softsign,
    [RN_FUNCTION_HARD_SIGMOID] = hard_sigmoid,
    [RN_FUNCTION_HARD_SWISH] = hard_swish,
    [RN_FUNCTION_THRESHOLD] = threshold,
    [RN_FUNCTION_TANH] = hyperbolic_tangent,
    [RN_FUNCTION_ERF] = error_function,
    [RN_FUNCTION_EXP] = exponential,
    [RN_FUNCTION_LOG] = logarithm,
    [RN_FUNCTION_SQRT] = square_root,
    [RN_FUNCTION_POWER] = power,
    [RN_FUNCTION_ABSOLUTE] = absolute,
};

static void activate_plane(const struct rn_node *node, size_t hw, size_t block,
                           size_t channels, const float *x, float *y)
{
    if (node->op == RN_OP_ACTIVATION &&
        node->function == RN_FUNCTION_HARD_SWISH)
        activate(node, hw, block, channels, x, y, hard_swish);
    else if (node->op == RN_OP_ACTIVATION)
        activate(node, hw, block, channels, x, y, functions[node->function]);
    else if (node->op == RN_OP_QUANTIZE)
        activate(node, hw, block, channels, x, y, quantize);
    /* Cheap ones with their function inlined. */
    else if (node->op == RN_OP_SIGMOID)
        activate(node, hw, block, channels, x, y, sigmoid);
    else if (node->op == RN_OP_CLIP)
        activate(node, hw, block, channels, x, y, clip);
    else
        activate(node, hw, block, channels, x, y, leaky_relu);
}

/* Channels in block k of a value. */
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
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(&p));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;

        activate_plane(node, p.hw, b,
                       channels_in(node->shape.c, i % p.blocks, b),
                       x + i * p.hw * b, y + i * p.hw * b);
    }
}

void rn_prelu(int n, struct rn_shape shape, int threads, const float *slopes,
              const float *x, float *y)
{
    struct rn_planes p = rn_planes_of(n, shape, threads);
    size_t b = (size_t)p.block, size = p.hw * b;
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(&p));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;
        size_t first = i % p.blocks * b;
        size_t channels = channels_in(shape.c, i % p.blocks, b);

        for (size_t k = i * size; k < (i + 1) * size; k += b)
            for (size_t c = 0; c < b; c++)
                y[k + c] = c < channels && x[k + c] < 0
                               ? x[k + c] * slopes[first + c]
                               : x[k + c];
    }
}

void rn_multiply(const struct rn_planes *p, const float *a, const float *b,
                 bool per_channel, float *y)
{
    size_t block = (size_t)p->block, size = p->hw * block;
#pragma omp parallel num_threads(p->threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(p));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;
        const float *factor = b + i * (per_channel ? block : size);

        for (size_t k = 0; k < size; k += block)
            for (size_t c = 0; c < block; c++)
                y[i * size + k + c] =
                    a[i * size + k + c] * factor[per_channel ? c : k + c];
    }
}

/* One pixel, whose channel blocks lie `stride` floats apart. */
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
#pragma omp parallel num_threads(p->threads)
    for (struct rn_range r = rn_share_mine(p->n * p->hw); r.begin < r.end;
         r.begin++) {
        size_t i = r.begin;
        size_t at = i / p->hw * p->blocks * p->hw * b + i % p->hw * b;

        softmax_pixel(p, channels, logarithms, x + at, y + at);
    }
}
