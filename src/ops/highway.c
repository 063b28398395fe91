/* SPDX-License-Identifier: BSD-2-Clause */
/* The gate of highway networks, shared out by planes of x: h and t of a plane
 * lie in one or two of z's. */
#include "ops/highway.h"

void rn_highway(const struct rn_planes *p, int channels, const void *z,
                const void *x, void *y)
{
    const struct rn_kernels *k = rn_kernels_get(p->type);
    const struct rn_planes from = rn_planes_times(p, channels, 2);
#pragma omp parallel num_threads(p->threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(p));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;
        struct rn_channel_part part = rn_plane_part(p, channels, i);

        k->highway(&part, rn_plane_at(&from, z, i / p->blocks * from.blocks),
                   rn_plane_at(p, x, i), rn_plane_to(p, y, i));
    }
}

void rn_highway_backward(const struct rn_planes *p, int channels, const void *z,
                         const void *x, const void *dy, const void *dy2,
                         void *dz, void *dx)
{
    const struct rn_kernels *k = rn_kernels_get(p->type);
    const struct rn_planes from = rn_planes_times(p, channels, 2);
#pragma omp parallel num_threads(p->threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(p));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin, image = i / p->blocks * from.blocks;
        struct rn_channel_part part = rn_plane_part(p, channels, i);
        const struct rn_highway_backward in = {
            .z = rn_plane_at(&from, z, image),
            .x = rn_plane_at(p, x, i),
            .dy = rn_plane_at(p, dy, i),
            .dy2 = rn_plane_at(p, dy2, i),
        };

        k->highway_backward(&part, &in, rn_plane_to(&from, dz, image),
                            rn_plane_to(p, dx, i));
    }
}
