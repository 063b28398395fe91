/* SPDX-License-Identifier: BSD-2-Clause */
/* Maxout, forward and backward, shared out by planes of y: a plane's units lie
 * in one or two planes of each of x's pieces. */
#include "ops/maxout.h"

void rn_maxout(const struct rn_planes *p, int channels, int pieces,
               const void *x, void *y, uint8_t *where)
{
    const struct rn_kernels *k = rn_kernels_get(p->type);
    const struct rn_planes from = rn_planes_times(p, channels, pieces);
    const size_t count = p->hw * (size_t)p->block;
#pragma omp parallel num_threads(p->threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(p));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;
        struct rn_channel_part part = rn_plane_part(p, channels, i);

        k->maxout(&part, pieces,
                  rn_plane_at(&from, x, i / p->blocks * from.blocks),
                  rn_plane_to(p, y, i), where ? where + i * count : NULL);
    }
}

void rn_maxout_backward(const struct rn_planes *p, int channels, int pieces,
                        const void *dy, const uint8_t *where, void *dx)
{
    const struct rn_kernels *k = rn_kernels_get(p->type);
    const struct rn_planes to = rn_planes_times(p, channels, pieces);
    const size_t count = p->hw * (size_t)p->block;
#pragma omp parallel num_threads(p->threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(p));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;
        struct rn_channel_part part = rn_plane_part(p, channels, i);

        k->maxout_backward(&part, pieces, rn_plane_at(p, dy, i),
                           where + i * count,
                           rn_plane_to(&to, dx, i / p->blocks * to.blocks));
    }
}
