/* SPDX-License-Identifier: BSD-2-Clause */
/* Concatenation, selection of channels, local response normalisation, padding.
 * */
#include "ops/channels.h"

#include "ops/layout.h"
#include "ops/window.h"

#include <math.h>
#include <string.h>

/** Blocks of `hw` pixels of `block` numbers of so many bytes. */
struct blocks {
    size_t hw, block, number;
};

/* Bytes of a block of all pixels. */
static size_t block_bytes(const struct blocks *b)
{
    return b->hw * b->block * b->number;
}

/* Copy `size` channels of every pixel from channel `from` of one block to
 * channel `to` of another. */
static void copy_lanes(const struct blocks *b, const char *src, size_t from,
                       char *dst, size_t to, size_t size)
{
    size_t pixel = b->block * b->number;

    if (size == b->block) {
        memcpy(dst, src, block_bytes(b));
        return;
    }
    src += from * b->number;
    dst += to * b->number;
    for (size_t i = 0; i < b->hw; i++)
        memcpy(dst + i * pixel, src + i * pixel, size * b->number);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Channels first..end-1 of one output block, of an image `src` whose channel
 * c is the output's channel c + shift. */
static void copy_range(const struct blocks *b, const char *src, size_t shift,
                       size_t first, size_t end, char *dst)
{
    while (first < end) {
        size_t c = first - shift, from = c % b->block, to = first % b->block;
        size_t size = least(end - first, b->block - from);

        copy_lanes(b, src + c / b->block * block_bytes(b), from, dst, to, size);
        first += size;
    }
}

/* Zero the lanes of a block from `from` on. */
static void zero_lanes(const struct blocks *b, char *dst, size_t from)
{
    size_t pixel = b->block * b->number;

    for (size_t i = 0; i < b->hw; i++)
        memset(dst + i * pixel + from * b->number, 0,
               (b->block - from) * b->number);
}

size_t rn_concat_blocks(int first, int channels)
{
    size_t block = (size_t)rn_block(), begin = (size_t)first;

    return rn_divide_up(begin + (size_t)channels, block) - begin / block;
}

void rn_concat(int n, struct rn_shape in, struct rn_shape out, int first,
               int threads, enum rn_dtype type, const void *x, void *y)
{
    struct rn_planes from = rn_planes_of(n, in, threads);
    struct rn_planes to = rn_planes_of(n, out, threads);
    struct blocks b = {to.hw, (size_t)to.block, rn_dtype_bytes(type)};
    size_t block = b.block, size = block_bytes(&b);
    size_t begin = (size_t)first, end = begin + (size_t)in.c;
    size_t k0 = begin / block, blocks = rn_concat_blocks(first, in.c);
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(to.n * blocks); r.begin < r.end;
         r.begin++) {
        size_t i = r.begin;
        size_t image = i / blocks, k = k0 + i % blocks;
        size_t low = k * block, high = low + block;
        char *dst = (char *)y + (image * to.blocks + k) * size;

        copy_range(&b, (const char *)x + image * from.blocks * size, begin,
                   low > begin ? low : begin, least(end, high), dst);
        if (end < high)
            zero_lanes(&b, dst, end - low);
    }
}

/* How many of the output's channels from i on, `most` of them at the most, lie
 * side by side in both. */
static size_t run_from(const struct rn_selection *selection, size_t i,
                       size_t source, size_t block, size_t most)
{
    size_t inner = (size_t)selection->inner;

    if (selection->step != 1)
        return 1;
    return least(most, least(inner - i % inner, block - source % block));
}

void rn_select(const struct rn_selection *selection, int n, struct rn_shape in,
               struct rn_shape out, int threads, enum rn_dtype type,
               const void *x, void *y)
{
    struct rn_planes from = rn_planes_of(n, in, threads);
    struct rn_planes to = rn_planes_of(n, out, threads);
    struct blocks of = {to.hw, (size_t)to.block, rn_dtype_bytes(type)};
    size_t b = of.block, size = block_bytes(&of), all = (size_t)out.c;
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(&to));
         r.begin < r.end; r.begin++) {
        size_t k = r.begin;
        const char *src = (const char *)x + k / to.blocks * from.blocks * size;
        size_t i = k % to.blocks * b, end = least(i + b, all);
        char *dst = (char *)y + k * size;

        if (end - i < b)
            memset(dst, 0, size);
        while (i < end) {
            int64_t inner = selection->inner, at = (int64_t)i;
            size_t c =
                (size_t)(selection->first + at % inner * selection->step +
                         at / inner * selection->outer);
            size_t run = run_from(selection, i, c, b, end - i);

            copy_lanes(&of, src + c / b * size, c % b, dst, i % b, run);
            i += run;
        }
    }
}

/* v^-beta; the beta of all networks known without powf(), at a fifth of the
 * time. */
static float inverse_power(float v, float beta)
{
    if (beta == 0.75f)
        return 1 / (sqrtf(v) * sqrtf(sqrtf(v)));
    return powf(v, -beta);
}

/** A pixel's channels, whose `blocks` lie `stride` floats apart. */
struct lrn_pixel {
    const struct rn_lrn *lrn;
    size_t blocks, block, stride;
};

/* However many channels each sum is of. */
static void lrn_pixel(const struct lrn_pixel *p, size_t channels,
                      const float *x, float *y)
{
    size_t side = (size_t)p->lrn->size / 2; /* the size is odd */
    size_t block = p->block, stride = p->stride;
    float scale = p->lrn->alpha / (float)p->lrn->size;

    for (size_t c = 0; c < channels; c++) {
        size_t end = least(c + side + 1, channels);
        float sum = 0;

        for (size_t k = c > side ? c - side : 0; k < end; k++) {
            float v = x[k / block * stride + k % block];

            sum += v * v;
        }
        y[c / block * stride + c % block] =
            x[c / block * stride + c % block] *
            inverse_power(p->lrn->k + scale * sum, p->lrn->beta);
    }
    for (size_t c = channels; c % block; c++)
        y[c / block * stride + c % block] = 0;
}

/* Channels of a pixel around those of one block, of few at a time. */
enum { LRN_MOST = 16 + 4 * (RN_LRN_FEW / 2) };

/* `count` channels from `first` on, which may be less than 0; zeros where there
 * are none. */
static void lrn_gather(const struct lrn_pixel *p, ptrdiff_t first, size_t count,
                       const float *from, float *to)
{
    for (size_t i = 0, run; i < count; i += run) {
        ptrdiff_t c = first + (ptrdiff_t)i;
        size_t lane = (size_t)c & (p->block - 1), k = (size_t)c / p->block;

        run = least(p->block - lane, count - i);
        if (c < 0 || k >= p->blocks)
            memset(to + i, 0, run * sizeof(*to));
        else
            memcpy(to + i, from + k * p->stride + lane, run * sizeof(*to));
    }
}

/* to[i] = sum of from[i..i + size - 1]. */
static void lrn_sums(size_t size, size_t count, const float *from, float *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = 0;
    for (size_t k = 0; k < size; k++)
        for (size_t i = 0; i < count; i++)
            to[i] += from[i + k];
}

static void lrn_square(size_t count, const float *from, float *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = from[i] * from[i];
}

/* Block k of a pixel, the sums being those of lrn_pixel() to the bit. */
static void lrn_block(const struct lrn_pixel *p, size_t k, const float *x,
                      float *y)
{
    const size_t side = (size_t)p->lrn->size / 2, all = p->block + 2 * side;
    const float scale = p->lrn->alpha / (float)p->lrn->size;
    float value[LRN_MOST], square[LRN_MOST], sum[LRN_MOST];

    lrn_gather(p, (ptrdiff_t)(k * p->block) - (ptrdiff_t)side, all, x, value);
    lrn_square(all, value, square);
    lrn_sums((size_t)p->lrn->size, p->block, square, sum);
    for (size_t i = 0; i < p->block; i++)
        y[k * p->stride + i] =
            value[i + side] *
            inverse_power(p->lrn->k + scale * sum[i], p->lrn->beta);
}

/* With v = k + alpha / size * (sum of squares) the value is x v^-beta, and so
 * the gradient dy v^-beta - 2 beta alpha / size x (sum of dy x v^(-beta - 1)).
 */
static void lrn_block_backward(const struct lrn_pixel *p, size_t k,
                               const float *x, const float *dy, float *dx)
{
    const size_t size = (size_t)p->lrn->size, side = size / 2;
    const size_t near = p->block + 2 * side, all = p->block + 4 * side;
    const ptrdiff_t first = (ptrdiff_t)(k * p->block);
    const float scale = p->lrn->alpha / (float)size;
    float value[LRN_MOST], square[LRN_MOST], sum[LRN_MOST];
    float grad[LRN_MOST], power[LRN_MOST], part[LRN_MOST];

    lrn_gather(p, first - (ptrdiff_t)(2 * side), all, x, value);
    lrn_gather(p, first - (ptrdiff_t)side, near, dy, grad);
    lrn_square(all, value, square);
    lrn_sums(size, near, square, sum);
    for (size_t i = 0; i < near; i++) {
        float v = p->lrn->k + scale * sum[i];

        power[i] = inverse_power(v, p->lrn->beta);
        part[i] = grad[i] * value[i + side] * power[i] / v;
    }
    lrn_sums(size, p->block, part, sum);
    for (size_t i = 0; i < p->block; i++)
        dx[k * p->stride + i] =
            grad[i + side] * power[i + side] -
            2 * p->lrn->beta * scale * value[i + 2 * side] * sum[i];
}

void rn_lrn(const struct rn_lrn *lrn, int n, struct rn_shape shape, int threads,
            const float *x, float *y)
{
    struct rn_planes p = rn_planes_of(n, shape, threads);
    size_t b = (size_t)p.block;
    const struct lrn_pixel pixel = {lrn, p.blocks, b, p.hw * b};
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(p.n * p.hw); r.begin < r.end;
         r.begin++) {
        size_t i = r.begin;
        size_t at = i / p.hw * p.blocks * pixel.stride + i % p.hw * b;

        for (size_t k = 0; lrn->size <= RN_LRN_FEW && k < p.blocks; k++)
            lrn_block(&pixel, k, x + at, y + at);
        if (lrn->size > RN_LRN_FEW)
            lrn_pixel(&pixel, (size_t)shape.c, x + at, y + at);
    }
}

void rn_lrn_backward(const struct rn_lrn *lrn, int n, struct rn_shape shape,
                     int threads, const float *x, const float *dy, float *dx)
{
    struct rn_planes p = rn_planes_of(n, shape, threads);
    size_t b = (size_t)p.block;
    const struct lrn_pixel pixel = {lrn, p.blocks, b, p.hw * b};
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(p.n * p.hw); r.begin < r.end;
         r.begin++) {
        size_t i = r.begin;
        size_t at = i / p.hw * p.blocks * pixel.stride + i % p.hw * b;

        for (size_t k = 0; k < p.blocks; k++)
            lrn_block_backward(&pixel, k, x + at, dy + at, dx + at);
    }
}

void rn_zero_pad(int n, struct rn_shape in, struct rn_shape out, int top,
                 int left, int threads, const float *x, float *y)
{
    struct rn_planes from = rn_planes_of(n, in, threads);
    struct rn_planes to = rn_planes_of(n, out, threads);
    size_t b = (size_t)to.block, row = (size_t)in.w * b;
#pragma omp parallel num_threads(threads)
    for (struct rn_range planes = rn_share_mine(rn_planes_number(&to));
         planes.begin < planes.end; planes.begin++) {
        size_t i = planes.begin;
        const float *src = x + i * from.hw * b;
        float *dst = y + i * to.hw * b;

        memset(dst, 0, to.hw * b * sizeof(*dst));
        dst += ((size_t)top * (size_t)out.w + (size_t)left) * b;
        for (int r = 0; r < in.h; r++, src += row, dst += (size_t)out.w * b)
            memcpy(dst, src, row * sizeof(*dst));
    }
}
