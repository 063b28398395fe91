/* SPDX-License-Identifier: BSD-2-Clause */
/* Maxout, forward and backward, by runs of channels that lie side by side in
 * both of two blocks: whole blocks where the pieces are multiples of one. */
#include "ops/maxout.h"

#include "ops/elementwise.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Where some channels lie in a block of two values, of so many pixels. */
struct run {
    size_t from, to; /* first channel, of each */
    size_t size;
    size_t hw, block;
};

/* y = x where x is larger: it is of that piece. */
static inline void take(const float *x, float *y, uint8_t *where, size_t count,
                        uint8_t piece)
{
    for (size_t i = 0; i < count; i++)
        if (x[i] > y[i] || x[i] != x[i]) {
            y[i] = x[i];
            where[i] = piece;
        }
}

/* The same where nobody asks for pieces, which the compiler has in vectors. */
static inline void take_value(const float *x, float *y, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] = x[i] > y[i] || x[i] != x[i] ? x[i] : y[i];
}

static void take_run(const struct run *r, const float *x, float *y,
                     uint8_t *where, uint8_t piece)
{
    bool whole = r->size == r->block;
    size_t pixels = whole ? 1 : r->hw;
    size_t size = whole ? r->hw * r->block : r->size;

    for (size_t i = 0; i < pixels; i++) {
        size_t from = i * r->block + r->from, to = i * r->block + r->to;

        if (piece == 0)
            memcpy(y + to, x + from, size * sizeof(*y));
        else if (where)
            take(x + from, y + to, where + to, size, piece);
        else
            take_value(x + from, y + to, size);
    }
}

void rn_maxout(int n, struct rn_shape out, int pieces, int threads,
               const float *x, float *y, uint8_t *where)
{
    const struct rn_shape all = {out.c * pieces, out.h, out.w};
    struct rn_planes from = rn_planes_of(n, all, threads);
    struct rn_planes to = rn_planes_of(n, out, threads);
    size_t b = (size_t)to.block, size = to.hw * b, units = (size_t)out.c;
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(&to));
         r.begin < r.end; r.begin++) {
        size_t low = r.begin % to.blocks * b, high = least(low + b, units);
        const float *src = x + r.begin / to.blocks * from.blocks * size;
        float *dst = y + r.begin * size;
        uint8_t *place = where ? where + r.begin * size : NULL;

        if (high - low < b)
            memset(dst, 0, size * sizeof(*dst));
        if (place)
            memset(place, 0, size);
        for (size_t k = 0; k < (size_t)pieces; k++)
            for (size_t c = low; c < high;) {
                size_t in = k * units + c;
                const struct run run = {in % b, c % b,
                                        least(high - c, b - in % b), to.hw, b};

                take_run(&run, src + in / b * size, dst, place, (uint8_t)k);
                c += run.size;
            }
    }
}

static void give_run(const struct run *r, const float *dy, const uint8_t *where,
                     float *dx, uint8_t piece)
{
    for (size_t i = 0; i < r->hw; i++) {
        size_t from = i * r->block + r->from, to = i * r->block + r->to;

        for (size_t c = 0; c < r->size; c++)
            dx[to + c] = where[from + c] == piece ? dy[from + c] : 0;
    }
}

void rn_maxout_backward(int n, struct rn_shape out, int pieces, int threads,
                        const float *dy, const uint8_t *where, float *dx)
{
    const struct rn_shape all = {out.c * pieces, out.h, out.w};
    struct rn_planes from = rn_planes_of(n, out, threads);
    struct rn_planes to = rn_planes_of(n, all, threads);
    size_t b = (size_t)to.block, size = to.hw * b, units = (size_t)out.c;
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(&to));
         r.begin < r.end; r.begin++) {
        size_t low = r.begin % to.blocks * b;
        size_t high = least(low + b, (size_t)all.c);
        size_t image = r.begin / to.blocks * from.blocks * size;
        float *dst = dx + r.begin * size;

        if (high - low < b)
            memset(dst, 0, size * sizeof(*dst));
        for (size_t c = low; c < high;) {
            size_t k = c / units, unit = c % units;
            size_t left = least(units - unit, b - unit % b);
            const struct run run = {unit % b, c % b, least(high - c, left),
                                    to.hw, b};
            size_t at = image + unit / b * size;

            give_run(&run, dy + at, where + at, dst, (uint8_t)k);
            c += run.size;
        }
    }
}
