/* SPDX-License-Identifier: BSD-2-Clause */
/* Dropout of an activation in blocks, by random numbers in plain order, so that
 * a mask does not depend on the size of a block. */
#include "ops/dropout.h"

#include <math.h>

enum { BLOCK_MOST = 16 };

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

typedef void drop_fn(const struct rn_dropout *d, const struct rn_planes *p,
                     uint64_t first, size_t begin, size_t end, const float *x,
                     float *y);

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

/* The same by vectors: an index has random numbers of one channel alone. */
static void drop_quads(const struct rn_dropout *d, const struct rn_planes *p,
                       uint64_t first, size_t begin, size_t end, const float *x,
                       float *y)
{
    uint64_t index[BLOCK_MOST];
    float scale[BLOCK_MOST];
    const struct rn_drop drop = {
        .seed = {(uint32_t)d->key.seed, (uint32_t)(d->key.seed >> 32)},
        .epoch = d->key.epoch,
        .purpose = (uint32_t)d->key.purpose,
        .first = index,
        .scale = scale,
        .least = (uint32_t)ceil((double)d->rate * 0x1p32),
    };

    for (size_t i = 0; i < (size_t)p->block; i++) {
        index[i] = first + (begin + i) * p->hw / 4;
        scale[i] = begin + i < end ? 1 / (1 - d->rate) : 0;
    }
    rn_kernels_get(RN_F32)->drop(&drop, x, y, p->hw);
}

void rn_dropout(const struct rn_dropout *dropout, int n, struct rn_shape shape,
                int threads, const float *x, float *y)
{
    struct rn_planes p = rn_planes_of(n, shape, threads);
    size_t b = (size_t)p.block, size = p.hw * b, channels = (size_t)shape.c;
    uint64_t each = (rn_shape_size(shape) + 3) / 4;
    drop_fn *drop = p.hw % 4 ? drop_block : drop_quads;
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(&p));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;
        size_t begin = i % p.blocks * b;
        size_t end = begin + b < channels ? begin + b : channels;

        drop(dropout, &p, dropout->first + i / p.blocks * each, begin, end,
             x + i * size, y + i * size);
    }
}
