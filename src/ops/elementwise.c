/* SPDX-License-Identifier: BSD-2-Clause */
/* Shares planes out among threads and runs a kernel on each. */
#include "ops/elementwise.h"

#include "ops/layout.h"
#include "ops/window.h"

#include <string.h>

struct rn_planes rn_planes_typed(int n, struct rn_shape shape, int threads,
                                 enum rn_dtype type)
{
    size_t block = (size_t)rn_block();

    return (struct rn_planes){(size_t)n,
                              rn_channels_padded(shape.c) / block,
                              rn_shape_pixels(shape),
                              (int)block,
                              threads,
                              type};
}

struct rn_planes rn_planes_of(int n, struct rn_shape shape, int threads)
{
    return rn_planes_typed(n, shape, threads, RN_F32);
}

size_t rn_planes_number(const struct rn_planes *p)
{
    return p->n * p->blocks;
}

size_t rn_planes_count(const struct rn_planes *p)
{
    return p->n * p->blocks * p->hw * (size_t)p->block;
}

static size_t plane_bytes(const struct rn_planes *p)
{
    return p->hw * (size_t)p->block * rn_dtype_bytes(p->type);
}

const void *rn_plane_at(const struct rn_planes *p, const void *x, size_t i)
{
    return x ? (const char *)x + i * plane_bytes(p) : NULL;
}

void *rn_plane_to(const struct rn_planes *p, void *x, size_t i)
{
    return x ? (char *)x + i * plane_bytes(p) : NULL;
}

size_t rn_plane_among(const struct rn_planes *p, size_t planes, size_t i)
{
    return planes ? i / p->blocks * planes + i % p->blocks : i;
}

struct rn_planes rn_planes_times(const struct rn_planes *p, int channels,
                                 int times)
{
    const size_t b = (size_t)p->block;
    struct rn_planes all = *p;

    all.blocks = ((size_t)times * (size_t)channels + b - 1) / b;
    return all;
}

struct rn_channel_part rn_plane_part(const struct rn_planes *p, int channels,
                                     size_t i)
{
    return (struct rn_channel_part){
        .hw = p->hw, .channels = (size_t)channels, .block = i % p->blocks};
}

static struct rn_operand operand_at(const struct rn_operand *o,
                                    const struct rn_planes *p, size_t i)
{
    size_t channel = i % p->blocks * (size_t)p->block;
    struct rn_operand at = *o;

    at.x = rn_plane_at(p, at.x, rn_plane_among(p, at.planes, i));
    if (at.scale) {
        at.scale += channel;
        at.shift += channel;
    }
    return at;
}

void rn_apply(const struct rn_planes *planes, const struct rn_operand *p,
              const struct rn_operand *q, bool relu, void *y)
{
    const struct rn_kernels *k = rn_kernels_get(planes->type);
#pragma omp parallel num_threads(planes->threads)
    {
        struct rn_range r = rn_share_mine(rn_planes_number(planes));

        /* Last plane first: it is the one still in cache. */
        for (size_t i = r.end; i-- > r.begin;) {
            struct rn_operand a = operand_at(p, planes, i);
            struct rn_operand b = operand_at(q, planes, i);

            k->apply(&a, &b, relu, rn_plane_to(planes, y, i), planes->hw);
        }
    }
}

void rn_mask(const struct rn_planes *planes, const void *dy, const void *dy2,
             const void *y, void *g)
{
    const struct rn_kernels *k = rn_kernels_get(planes->type);
#pragma omp parallel num_threads(planes->threads)
    {
        struct rn_range r = rn_share_mine(rn_planes_number(planes));

        for (size_t i = r.begin; i < r.end; i++) {
            struct rn_bn_backward in = {.dy = rn_plane_at(planes, dy, i),
                                        .dy2 = rn_plane_at(planes, dy2, i),
                                        .y = rn_plane_at(planes, y, i),
                                        .relu = y != NULL};

            k->bn_reduce(&in, rn_plane_to(planes, g, i), planes->hw, NULL,
                         (struct rn_plane_sums){NULL, NULL});
        }
    }
}

size_t rn_convert_turns(size_t count)
{
    return rn_divide_up(count, RN_CONVERT_TURN);
}

size_t rn_convert_turn(size_t first, size_t count)
{
    return count - first < RN_CONVERT_TURN ? count - first : RN_CONVERT_TURN;
}

void rn_narrow(enum rn_dtype type, const float *x, void *y, size_t count,
               int threads)
{
    const struct rn_kernels *k = rn_kernels_get(type);
    size_t bytes = rn_dtype_bytes(type);
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(rn_convert_turns(count));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin * RN_CONVERT_TURN;

        k->narrow(x + i, (char *)y + i * bytes, rn_convert_turn(i, count));
    }
}

void rn_widen(enum rn_dtype type, const void *x, float *y, size_t count,
              int threads)
{
    const struct rn_kernels *k = rn_kernels_get(type);
    size_t bytes = rn_dtype_bytes(type);
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(rn_convert_turns(count));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin * RN_CONVERT_TURN;

        k->widen((const char *)x + i * bytes, y + i, rn_convert_turn(i, count));
    }
}

void rn_block_images(const struct rn_planes *planes, int channels,
                     const float *images, float *blocked)
{
    size_t b = (size_t)planes->block, hw = planes->hw, c = (size_t)channels;
    size_t size = planes->blocks * hw * b;
#pragma omp parallel num_threads(planes->threads)
    for (struct rn_range r = rn_share_mine(planes->n); r.begin < r.end;
         r.begin++) {
        size_t n = r.begin;

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
                      int before, int stride, int threads, enum rn_dtype type,
                      const void *x, void *y)
{
    struct rn_planes from = rn_planes_typed(n, in, threads, type);
    struct rn_planes to = rn_planes_typed(n, out, threads, type);
    size_t b = (size_t)to.block, size = rn_dtype_bytes(type);
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(&to));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;
        size_t image = i / to.blocks;
        char *dst = rn_plane_to(&to, y, i);
        struct piece pieces[2];

        cut_block(i % to.blocks, -before, b, pieces);
        memset(dst, 0, plane_bytes(&to));
        for (int p = 0; p < 2; p++) {
            const struct piece *c = &pieces[p];

            if (c->size == 0 || c->block < 0 || (size_t)c->block >= from.blocks)
                continue;
            const char *src =
                rn_plane_at(&from, x, image * from.blocks + (size_t)c->block);
            for (size_t o = 0; o < to.hw; o++)
                memcpy(dst + (o * b + c->to) * size,
                       src +
                           (pixel_of(in, out, stride, o) * b + c->from) * size,
                       c->size * size);
        }
    }
}

void rn_subsample_pad_backward(int n, struct rn_shape in, struct rn_shape out,
                               int before, int stride, int threads,
                               enum rn_dtype type, const void *dy, void *dx)
{
    struct rn_planes to = rn_planes_typed(n, in, threads, type);
    struct rn_planes from = rn_planes_typed(n, out, threads, type);
    size_t b = (size_t)to.block, tail = (size_t)in.c % b;
    size_t size = rn_dtype_bytes(type);
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(&to));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;
        size_t image = i / to.blocks, block = i % to.blocks;
        /* Channels that only exist in the output get no way back. */
        size_t used = block + 1 == to.blocks && tail ? tail : b;
        char *dst = rn_plane_to(&to, dx, i);
        struct piece pieces[2];

        cut_block(block, before, b, pieces);
        memset(dst, 0, plane_bytes(&to));
        for (int p = 0; p < 2; p++) {
            const struct piece *c = &pieces[p];

            if (c->to >= used)
                continue;
            size_t count = c->size < used - c->to ? c->size : used - c->to;
            const char *src =
                rn_plane_at(&from, dy, image * from.blocks + (size_t)c->block);
            for (size_t o = 0; o < from.hw; o++)
                memcpy(dst + (pixel_of(in, out, stride, o) * b + c->to) * size,
                       src + (o * b + c->from) * size, count * size);
        }
    }
}
