/* SPDX-License-Identifier: BSD-2-Clause */
/* One function a row: values of single elements, and their slopes, padding left
 * zero. Where there are two slopes it is PyTorch's. */
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

/* ----------------------------------------------------------------- slopes */

static float sigmoid_slope(const struct rn_node *node, float x)
{
    float y = sigmoid(node, x);

    return y * (1 - y);
}

static float clip_slope(const struct rn_node *node, float x)
{
    return x > node->low && x < node->high;
}

static float leaky_relu_slope(const struct rn_node *node, float x)
{
    return x > 0 ? 1 : node->slope;
}

static float elu_slope(const struct rn_node *node, float x)
{
    return x > 0 ? 1 : node->a * expf(x);
}

static float selu_slope(const struct rn_node *node, float x)
{
    return node->b * elu_slope(node, x);
}

static float celu_slope(const struct rn_node *node, float x)
{
    return x > 0 ? 1 : expf(x / node->a);
}

static float gelu_slope(const struct rn_node *node, float x)
{
    const float scale = (float)(M_SQRT1_2 * M_2_SQRTPI / 2); /* 1/sqrt(2 pi) */

    (void)node;
    return 0.5f * (1 + erff(x * (float)M_SQRT1_2)) +
           x * scale * expf(-0.5f * x * x);
}

static float gelu_tanh_slope(const struct rn_node *node, float x)
{
    const float scale = (float)(M_SQRT1_2 * M_2_SQRTPI);
    float y = tanhf(scale * (x + 0.044715f * x * x * x));

    (void)node;
    return 0.5f * (1 + y) +
           0.5f * x * (1 - y * y) * scale * (1 + 3 * 0.044715f * x * x);
}

static float softplus_slope(const struct rn_node *node, float x)
{
    return sigmoid(node, x);
}

static float mish_slope(const struct rn_node *node, float x)
{
    float y = tanhf(softplus(node, x));

    return y + x * (1 - y * y) * sigmoid(node, x);
}

static float softsign_slope(const struct rn_node *node, float x)
{
    float below = 1 + fabsf(x);

    (void)node;
    return 1 / (below * below);
}

static float hard_sigmoid_slope(const struct rn_node *node, float x)
{
    float y = node->a * x + node->b;

    return y > 0 && y < 1 ? node->a : 0;
}

static float hard_swish_slope(const struct rn_node *node, float x)
{
    return hard_sigmoid(node, x) + x * hard_sigmoid_slope(node, x);
}

static float threshold_slope(const struct rn_node *node, float x)
{
    return x > node->a;
}

static float tanh_slope(const struct rn_node *node, float x)
{
    float y = tanhf(x);

    (void)node;
    return 1 - y * y;
}

static float erf_slope(const struct rn_node *node, float x)
{
    (void)node;
    return (float)M_2_SQRTPI * expf(-x * x);
}

static float logarithm_slope(const struct rn_node *node, float x)
{
    (void)node;
    return 1 / x;
}

static float square_root_slope(const struct rn_node *node, float x)
{
    (void)node;
    return 0.5f / sqrtf(x);
}

static float power_slope(const struct rn_node *node, float x)
{
    return node->a * powf(x, node->a - 1);
}

static float absolute_slope(const struct rn_node *node, float x)
{
    (void)node;
    return (float)(x > 0) - (float)(x < 0);
}

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

typedef float function(const struct rn_node *node, float x);

static const struct {
    function *value, *slope;
} functions[RN_FUNCTION_COUNT] = {
    [RN_FUNCTION_ELU] = {elu, elu_slope},
    [RN_FUNCTION_SELU] = {selu, selu_slope},
    [RN_FUNCTION_CELU] = {celu, celu_slope},
    [RN_FUNCTION_GELU] = {gelu, gelu_slope},
    [RN_FUNCTION_GELU_TANH] = {gelu_tanh, gelu_tanh_slope},
    [RN_FUNCTION_MISH] = {mish, mish_slope},
    [RN_FUNCTION_SOFTPLUS] = {softplus, softplus_slope},
    [RN_FUNCTION_SOFTSIGN] = {softsign, softsign_slope},
    [RN_FUNCTION_HARD_SIGMOID] = {hard_sigmoid, hard_sigmoid_slope},
    [RN_FUNCTION_HARD_SWISH] = {hard_swish, hard_swish_slope},
    [RN_FUNCTION_THRESHOLD] = {threshold, threshold_slope},
    [RN_FUNCTION_TANH] = {hyperbolic_tangent, tanh_slope},
    [RN_FUNCTION_ERF] = {error_function, erf_slope},
    [RN_FUNCTION_EXP] = {exponential, exponential},
    [RN_FUNCTION_LOG] = {logarithm, logarithm_slope},
    [RN_FUNCTION_SQRT] = {square_root, square_root_slope},
    [RN_FUNCTION_POWER] = {power, power_slope},
    [RN_FUNCTION_ABSOLUTE] = {absolute, absolute_slope},
};

static void activate_plane(const struct rn_node *node, size_t hw, size_t block,
                           size_t channels, const float *x, float *y)
{
    if (node->op == RN_OP_ACTIVATION &&
        node->function == RN_FUNCTION_HARD_SWISH)
        activate(node, hw, block, channels, x, y, hard_swish);
    else if (node->op == RN_OP_ACTIVATION)
        activate(node, hw, block, channels, x, y,
                 functions[node->function].value);
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

static function *slope_of(const struct rn_node *node)
{
    if (node->op == RN_OP_ACTIVATION)
        return functions[node->function].slope;
    if (node->op == RN_OP_SIGMOID)
        return sigmoid_slope;
    return node->op == RN_OP_CLIP ? clip_slope : leaky_relu_slope;
}

void rn_activate_backward(const struct rn_node *node, int n, int threads,
                          const float *x, const float *dy, float *dx)
{
    struct rn_planes p = rn_planes_of(n, node->shape, threads);
    size_t b = (size_t)p.block, size = p.hw * b;
    function *slope = slope_of(node);
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(&p));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;
        size_t channels = channels_in(node->shape.c, i % p.blocks, b);

        for (size_t k = i * size; k < (i + 1) * size; k += b)
            for (size_t c = 0; c < b; c++)
                dx[k + c] =
                    c < channels ? dy[k + c] * slope(node, x[k + c]) : 0;
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

void rn_prelu_backward(int n, struct rn_shape shape, int threads,
                       const float *slopes, const float *x, const float *dy,
                       float *dx)
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
                dx[k + c] = c < channels && !(x[k + c] > 0)
                                ? dy[k + c] * slopes[first + c]
                                : dy[k + c];
    }
}

/* Of one channel, from its first pixel on; the images' planes lie `stride`
 * floats apart. */
static double slope_sum(const struct rn_planes *p, size_t stride,
                        const float *x, const float *dy)
{
    size_t b = (size_t)p->block;
    double sum = 0;

    for (size_t image = 0; image < p->n; image++)
        for (size_t i = 0; i < p->hw; i++) {
            size_t at = image * stride + i * b;

            if (x[at] < 0)
                sum += (double)x[at] * (double)dy[at];
        }
    return sum;
}

void rn_prelu_slopes(int n, struct rn_shape shape, int threads, const float *x,
                     const float *dy, float *slopes)
{
    struct rn_planes p = rn_planes_of(n, shape, threads);
    size_t b = (size_t)p.block, size = p.hw * b;
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(p.blocks); r.begin < r.end;
         r.begin++) {
        size_t channels = channels_in(shape.c, r.begin, b);

        for (size_t c = 0; c < channels; c++) {
            size_t at = r.begin * size + c;

            slopes[r.begin * b + c] =
                (float)slope_sum(&p, p.blocks * size, x + at, dy + at);
        }
    }
}

/* One pixel of float32 for each plane. */
static struct rn_planes pixels_of(const struct rn_planes *p)
{
    struct rn_planes one = *p;

    one.hw = 1;
    one.type = RN_F32;
    return one;
}

void rn_multiply(const struct rn_planes *p, const void *a, const void *b,
                 bool per_channel, void *y)
{
    const struct rn_kernels *k = rn_kernels_get(p->type);
    const struct rn_planes factors = per_channel ? pixels_of(p) : *p;
#pragma omp parallel num_threads(p->threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(p));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;

        k->multiply(rn_plane_at(p, a, i), rn_plane_at(&factors, b, i),
                    per_channel, rn_plane_to(p, y, i), p->hw);
    }
}

void rn_multiply_sums(const struct rn_planes *p, const void *a, const void *dy,
                      float *sums)
{
    const struct rn_kernels *k = rn_kernels_get(p->type);
    const struct rn_planes pixels = pixels_of(p);
#pragma omp parallel num_threads(p->threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(p));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;

        k->dot(rn_plane_at(p, a, i), rn_plane_at(p, dy, i), p->hw,
               rn_plane_to(&pixels, sums, i));
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
