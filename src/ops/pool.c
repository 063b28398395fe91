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

static struct rn_planes pooled(const struct rn_pool *pool,
                               const struct rn_planes *in)
{
    struct rn_planes out = *in;

    out.hw = (size_t)pool->oh * (size_t)pool->ow;
    return out;
}

void rn_max_pool(const struct rn_pool *pool, const struct rn_planes *in,
                 const struct rn_operand *x, void *y, uint8_t *where)
{
    const struct rn_kernels *k = rn_kernels_get(in->type);
    const struct rn_planes out = pooled(pool, in);
    size_t b = (size_t)in->block;
#pragma omp parallel num_threads(in->threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(in));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;
        struct rn_operand at = *x;

        at.x = rn_plane_at(in, x->x, i);
        if (at.scale) {
            at.scale += i % in->blocks * b;
            at.shift += i % in->blocks * b;
        }
        k->max_pool(pool, &at, rn_plane_to(&out, y, i),
                    where ? where + i * out.hw * b : NULL);
    }
}

void rn_max_pool_backward(const struct rn_pool *pool,
                          const struct rn_planes *in, const void *dy,
                          const void *dy2, const uint8_t *where, void *dx)
{
    const struct rn_kernels *k = rn_kernels_get(in->type);
    const struct rn_planes out = pooled(pool, in);
    size_t b = (size_t)in->block;
#pragma omp parallel num_threads(in->threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(in));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;

        k->max_pool_backward(pool, rn_plane_at(&out, dy, i),
                             rn_plane_at(&out, dy2, i), where + i * out.hw * b,
                             rn_plane_to(in, dx, i));
    }
}

static struct rn_pool_plane plane_of(const struct rn_node *node,
                                     struct rn_shape in)
{
    const struct rn_window *w = &node->window;

    if (node->op == RN_OP_ADAPTIVE_AVG_POOL)
        return (struct rn_pool_plane){
            .y = {.size = in.h,
                  .windows = node->shape.h,
                  .step = 1,
                  .shared = true},
            .x = {.size = in.w,
                  .windows = node->shape.w,
                  .step = 1,
                  .shared = true},
        };
    return (struct rn_pool_plane){
        .y = {in.h, node->shape.h, w->kh, w->stride, w->dilate_h + 1,
              rn_window_top(w), w->pad + w->bottom, false},
        .x = {in.w, node->shape.w, w->kw, rn_window_stride_w(w),
              w->dilate_w + 1, rn_window_left(w), w->pad + w->right, false},
        .count_padding = node->count_padding,
    };
}

void rn_pool_windows(const struct rn_node *node, int n, struct rn_shape in,
                     int threads, enum rn_dtype type, const void *x, void *y,
                     void (*run)(const struct rn_pool_plane *p, const void *x,
                                 void *y))
{
    const struct rn_pool_plane plane = plane_of(node, in);
    struct rn_planes from = rn_planes_typed(n, in, threads, type);
    struct rn_planes to = rn_planes_typed(n, node->shape, threads, type);
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(&from));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;

        run(&plane, rn_plane_at(&from, x, i), rn_plane_to(&to, y, i));
    }
}

void rn_max_pool_window(const struct rn_node *node, int n, struct rn_shape in,
                        int threads, enum rn_dtype type, const void *x, void *y)
{
    rn_pool_windows(node, n, in, threads, type, x, y,
                    rn_pool_kernels_get(type)->largest);
}

void rn_avg_pool_window(const struct rn_node *node, int n, struct rn_shape in,
                        int threads, enum rn_dtype type, const void *x, void *y)
{
    rn_pool_windows(node, n, in, threads, type, x, y,
                    rn_pool_kernels_get(type)->mean);
}

void rn_avg_pool_window_backward(const struct rn_node *node, int n,
                                 struct rn_shape in, int threads,
                                 enum rn_dtype type, const void *dy, void *dx)
{
    const struct rn_pool_kernels *k = rn_pool_kernels_get(type);
    const struct rn_pool_plane plane = plane_of(node, in);
    struct rn_planes to = rn_planes_typed(n, in, threads, type);
    struct rn_planes from = rn_planes_typed(n, node->shape, threads, type);
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(&to));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;

        k->mean_backward(&plane, rn_plane_at(&from, dy, i),
                         rn_plane_to(&to, dx, i));
    }
}

/* One pixel for each plane. */
static struct rn_planes pixels_of(const struct rn_planes *p)
{
    struct rn_planes one = *p;

    one.hw = 1;
    return one;
}

void rn_global_average(const struct rn_planes *p, const void *x, void *mean)
{
    const struct rn_kernels *k = rn_kernels_get(p->type);
    const struct rn_planes means = pixels_of(p);
#pragma omp parallel num_threads(p->threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(p));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;

        k->average(rn_plane_at(p, x, i), p->hw, rn_plane_to(&means, mean, i));
    }
}

void rn_global_average_backward(const struct rn_planes *p, const void *dy,
                                void *dx)
{
    const struct rn_kernels *k = rn_kernels_get(p->type);
    const struct rn_planes means = pixels_of(p);
#pragma omp parallel num_threads(p->threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(p));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;

        k->average_backward(rn_plane_at(&means, dy, i), p->hw,
                            rn_plane_to(p, dx, i));
    }
}
