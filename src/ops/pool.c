/* SPDX-License-Identifier: BSD-2-Clause */
/* Max and average pools: shares planes out, and remembers which pixel was
 * largest. */
#include "ops/pool.h"

#include "ops/pool_kernels.h"

struct rn_pool rn_pool_of(struct rn_shape in, struct rn_shape out,
                          struct rn_window w)
{
    return (struct rn_pool){in.h, in.w, out.h,    out.w,
                            w.kh, w.kw, w.stride, w.pad};
}

void rn_max_pool(const struct rn_pool *pool, int n, struct rn_shape in,
                 int threads, const struct rn_operand *x, float *y,
                 uint8_t *where)
{
    const struct rn_kernels *k = rn_kernels_get();
    struct rn_planes p = rn_planes_of(n, in, threads);
    size_t b = (size_t)p.block;
    size_t from = p.hw * b, to = (size_t)pool->oh * (size_t)pool->ow * b;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (size_t i = 0; i < p.n * p.blocks; i++) {
        struct rn_operand at = *x;

        at.x += i * from;
        if (at.scale) {
            at.scale += i % p.blocks * b;
            at.shift += i % p.blocks * b;
        }
        k->max_pool(pool, &at, y + i * to, where ? where + i * to : NULL);
    }
}

void rn_max_pool_backward(const struct rn_pool *pool, int n, struct rn_shape in,
                          int threads, const float *dy, const float *dy2,
                          const uint8_t *where, float *dx)
{
    const struct rn_kernels *k = rn_kernels_get();
    struct rn_planes p = rn_planes_of(n, in, threads);
    size_t b = (size_t)p.block;
    size_t to = p.hw * b, from = (size_t)pool->oh * (size_t)pool->ow * b;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (size_t i = 0; i < p.n * p.blocks; i++)
        k->max_pool_backward(pool, dy + i * from, dy2 ? dy2 + i * from : NULL,
                             where + i * from, dx + i * to);
}

static struct rn_pool_plane plane_of(const struct rn_node *node,
                                     struct rn_shape in)
{
    const struct rn_window *w = &node->window;

    return (struct rn_pool_plane){
        .y = {in.h, node->shape.h, w->kh, w->stride, w->dilate_h + 1,
              rn_window_top(w), w->pad + w->bottom},
        .x = {in.w, node->shape.w, w->kw, rn_window_stride_w(w),
              w->dilate_w + 1, rn_window_left(w), w->pad + w->right},
        .count_padding = node->count_padding,
    };
}

static void pool_window(const struct rn_node *node, int n, struct rn_shape in,
                        int threads, const float *x, float *y,
                        void (*run)(const struct rn_pool_plane *p,
                                    const float *x, float *y))
{
    const struct rn_pool_plane plane = plane_of(node, in);
    struct rn_planes from = rn_planes_of(n, in, threads);
    struct rn_planes to = rn_planes_of(n, node->shape, threads);
    size_t b = (size_t)from.block;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (size_t i = 0; i < from.n * from.blocks; i++)
        run(&plane, x + i * from.hw * b, y + i * to.hw * b);
}

void rn_max_pool_window(const struct rn_node *node, int n, struct rn_shape in,
                        int threads, const float *x, float *y)
{
    pool_window(node, n, in, threads, x, y, rn_pool_kernels_get()->largest);
}

void rn_avg_pool_window(const struct rn_node *node, int n, struct rn_shape in,
                        int threads, const float *x, float *y)
{
    pool_window(node, n, in, threads, x, y, rn_pool_kernels_get()->mean);
}

void rn_avg_pool_window_backward(const struct rn_node *node, int n,
                                 struct rn_shape in, int threads,
                                 const float *dy, float *dx)
{
    const struct rn_pool_kernels *k = rn_pool_kernels_get();
    const struct rn_pool_plane plane = plane_of(node, in);
    struct rn_planes to = rn_planes_of(n, in, threads);
    struct rn_planes from = rn_planes_of(n, node->shape, threads);
    size_t b = (size_t)to.block;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (size_t i = 0; i < to.n * to.blocks; i++)
        k->mean_backward(&plane, dy + i * from.hw * b, dx + i * to.hw * b);
}

void rn_global_average(const struct rn_planes *p, const float *x, float *mean)
{
    const struct rn_kernels *k = rn_kernels_get();
    size_t b = (size_t)p->block;
#pragma omp parallel for num_threads(p->threads) schedule(static)
    for (size_t i = 0; i < p->n * p->blocks; i++)
        k->average(x + i * p->hw * b, p->hw, mean + i * b);
}

void rn_global_average_backward(const struct rn_planes *p, const float *dy,
                                float *dx)
{
    const struct rn_kernels *k = rn_kernels_get();
    size_t b = (size_t)p->block;
#pragma omp parallel for num_threads(p->threads) schedule(static)
    for (size_t i = 0; i < p->n * p->blocks; i++)
        k->average_backward(dy + i * b, p->hw, dx + i * p->hw * b);
}
