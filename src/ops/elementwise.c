/* SPDX-License-Identifier: BSD-2-Clause */
/* Shares planes out among threads and runs a kernel on each. */
#include "ops/elementwise.h"

#include "ops/layout.h"

#include <omp.h>
#include <string.h>

struct rn_planes rn_planes_of(int n, struct rn_shape shape, int threads)
{
    size_t block = (size_t)rn_block();

    return (struct rn_planes){(size_t)n, rn_channels_padded(shape.c) / block,
                              rn_shape_pixels(shape), (int)block, threads};
}

size_t rn_planes_floats(const struct rn_planes *p)
{
    return p->n * p->blocks * p->hw * (size_t)p->block;
}

struct rn_range rn_range_of(size_t items, int thread, int threads)
{
    size_t t = (size_t)thread, all = (size_t)threads;

    return (struct rn_range){items * t / all, items * (t + 1) / all};
}

static struct rn_operand operand_at(const struct rn_operand *o,
                                    const struct rn_planes *p, size_t i)
{
    size_t channel = i % p->blocks * (size_t)p->block;
    struct rn_operand at = *o;

    if (at.x)
        at.x += i * p->hw * (size_t)p->block;
    if (at.scale) {
        at.scale += channel;
        at.shift += channel;
    }
    return at;
}

void rn_apply(const struct rn_planes *planes, const struct rn_operand *p,
              const struct rn_operand *q, bool relu, float *y)
{
    const struct rn_kernels *k = rn_kernels_get();
    size_t size = planes->hw * (size_t)planes->block;
#pragma omp parallel num_threads(planes->threads)
    {
        struct rn_range r =
            rn_range_of(planes->n * planes->blocks, omp_get_thread_num(),
                        omp_get_num_threads());

        /* Last plane first: it is the one still in cache. */
        for (size_t i = r.end; i-- > r.begin;) {
            struct rn_operand a = operand_at(p, planes, i);
            struct rn_operand b = operand_at(q, planes, i);

            k->apply(&a, &b, relu, y + i * size, planes->hw);
        }
    }
}

void rn_mask(const struct rn_planes *planes, const float *dy, const float *dy2,
             const float *y, float *g)
{
    const struct rn_kernels *k = rn_kernels_get();
    size_t size = planes->hw * (size_t)planes->block;
#pragma omp parallel num_threads(planes->threads)
    {
        struct rn_range r =
            rn_range_of(planes->n * planes->blocks, omp_get_thread_num(),
                        omp_get_num_threads());

        for (size_t i = r.begin; i < r.end; i++) {
            size_t at = i * size;
            struct rn_bn_backward in = {.dy = dy + at,
                                        .dy2 = dy2 ? dy2 + at : NULL,
                                        .y = y ? y + at : NULL,
                                        .relu = y != NULL};

            k->bn_reduce(&in, g + at, planes->hw, NULL,
                         (struct rn_plane_sums){NULL, NULL});
        }
    }
}

void rn_block_images(const struct rn_planes *planes, int channels,
                     const float *images, float *blocked)
{
    size_t b = (size_t)planes->block, hw = planes->hw, c = (size_t)channels;
    size_t size = planes->blocks * hw * b;
#pragma omp parallel for num_threads(planes->threads)
    for (size_t n = 0; n < planes->n; n++) {
        memset(blocked + n * size, 0, size * sizeof(*blocked));
        for (size_t i = 0; i < c; i++) {
            const float *from = images + (n * c + i) * hw;
            float *to = blocked + n * size + i / b * hw * b + i % b;

            for (size_t k = 0; k < hw; k++)
                to[k * b] = from[k];
        }
    }
}

static size_t pixel_of(struct rn_shape in, struct rn_shape out, int stride,
                       size_t o)
{
    size_t y = o / (size_t)out.w, x = o % (size_t)out.w;

    return (y * (size_t)in.w + x) * (size_t)stride;
}

/* Part of a block of channels: `size` channels from `from` on, of another
 * tensor's block, which go to `to` on. */
struct piece {
    ptrdiff_t block;
    size_t from, to, size;
};

/* Block k of a tensor whose channel c is another's channel c + shift, as two
 * pieces. They may lie in blocks the other does not have. */
static void cut_block(size_t k, ptrdiff_t shift, size_t b,
                      struct piece pieces[2])
{
    ptrdiff_t first = (ptrdiff_t)(k * b) + shift, size = (ptrdiff_t)b;
    ptrdiff_t block = first >= 0 ? first / size : -((size - 1 - first) / size);
    size_t from = (size_t)(first - block * size);

    pieces[0] = (struct piece){block, from, 0, b - from};
    pieces[1] = (struct piece){block + 1, 0, b - from, from};
}

void rn_subsample_pad(int n, struct rn_shape in, struct rn_shape out,
                      int before, int stride, int threads, const float *x,
                      float *y)
{
    struct rn_planes from = rn_planes_of(n, in, threads);
    struct rn_planes to = rn_planes_of(n, out, threads);
    size_t b = (size_t)to.block;
#pragma omp parallel for num_threads(threads)
    for (size_t i = 0; i < to.n * to.blocks; i++) {
        size_t image = i / to.blocks;
        float *dst = y + i * to.hw * b;
        struct piece pieces[2];

        cut_block(i % to.blocks, -before, b, pieces);
        memset(dst, 0, to.hw * b * sizeof(*dst));
        for (int p = 0; p < 2; p++) {
            const struct piece *c = &pieces[p];

            if (c->size == 0 || c->block < 0 || (size_t)c->block >= from.blocks)
                continue;
            const float *src =
                x + (image * from.blocks + (size_t)c->block) * from.hw * b;
            for (size_t o = 0; o < to.hw; o++)
                memcpy(dst + o * b + c->to,
                       src + pixel_of(in, out, stride, o) * b + c->from,
                       c->size * sizeof(*dst));
        }
    }
}

void rn_subsample_pad_backward(int n, struct rn_shape in, struct rn_shape out,
                               int before, int stride, int threads,
                               const float *dy, float *dx)
{
    struct rn_planes to = rn_planes_of(n, in, threads);
    struct rn_planes from = rn_planes_of(n, out, threads);
    size_t b = (size_t)to.block, tail = (size_t)in.c % b;
#pragma omp parallel for num_threads(threads)
    for (size_t i = 0; i < to.n * to.blocks; i++) {
        size_t image = i / to.blocks, block = i % to.blocks;
        /* Channels that only exist in the output get no way back. */
        size_t used = block + 1 == to.blocks && tail ? tail : b;
        float *dst = dx + i * to.hw * b;
        struct piece pieces[2];

        cut_block(block, before, b, pieces);
        memset(dst, 0, to.hw * b * sizeof(*dst));
        for (int p = 0; p < 2; p++) {
            const struct piece *c = &pieces[p];

            if (c->to >= used)
                continue;
            size_t size = c->size < used - c->to ? c->size : used - c->to;
            const float *src =
                dy + (image * from.blocks + (size_t)c->block) * from.hw * b;
            for (size_t o = 0; o < from.hw; o++)
                memcpy(dst + pixel_of(in, out, stride, o) * b + c->to,
                       src + o * b + c->from, size * sizeof(*dst));
        }
    }
}
