/* SPDX-License-Identifier: BSD-2-Clause */
/* Dropout of an activation in blocks, by random numbers in plain order, so that
 * a mask does not depend on the size of a block. */
#include "ops/dropout.h"

/* Four numbers of an image at a time: those of index `have`. */
struct drawn {
    uint64_t have;
    uint32_t bits[4];
};

static bool is_kept(const struct rn_dropout *d, struct drawn *drawn,
                    uint64_t first, size_t i)
{
    uint64_t index = first + i / 4;

    if (drawn->have != index) {
        rn_random4(&d->key, index, drawn->bits);
        drawn->have = index;
    }
    return rn_random_unit(drawn->bits[i % 4]) >= (double)d->rate;
}

/* Channels begin..end-1 of an image, one block; the block's others are zero. */
static void drop_block(const struct rn_dropout *d, const struct rn_planes *p,
                       uint64_t first, size_t begin, size_t end, const float *x,
                       float *y)
{
    size_t b = (size_t)p->block;
    float scale = 1 / (1 - d->rate);
    struct drawn drawn = {.have = UINT64_MAX};

    for (size_t c = begin; c < begin + b; c++, x++, y++)
        for (size_t i = 0; i < p->hw; i++)
            y[i * b] = c < end && is_kept(d, &drawn, first, c * p->hw + i)
                           ? x[i * b] * scale
                           : 0;
}

void rn_dropout(const struct rn_dropout *dropout, int n, struct rn_shape shape,
                int threads, const float *x, float *y)
{
    struct rn_planes p = rn_planes_of(n, shape, threads);
    size_t b = (size_t)p.block, size = p.hw * b, channels = (size_t)shape.c;
    uint64_t each = (rn_shape_size(shape) + 3) / 4;
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(&p));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;
        size_t begin = i % p.blocks * b;
        size_t end = begin + b < channels ? begin + b : channels;

        drop_block(dropout, &p, dropout->first + i / p.blocks * each, begin,
                   end, x + i * size, y + i * size);
    }
}
