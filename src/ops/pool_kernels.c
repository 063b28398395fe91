/* SPDX-License-Identifier: BSD-2-Clause */
/* Pools of one plane, compiled for each instruction set. */
#include "ops/pool_kernels.h"

#include "ops/pool_taps.h"
#include "ops/vector.h"

#include <stddef.h>

INLINE vec larger(vec a, vec b)
{
    /* NaN wins, stays, and so shows. */
    veci take = (b > a) | (b != b);

    return (vec)(((veci)b & take) | ((veci)a & ~take));
}

/** Largest, or sum, of a window's pixels. */
INLINE vec gather(const struct rn_pool_plane *p, const void *x, struct taps ty,
                  struct taps tx, bool sum)
{
    vec v = sum ? fill(0) : fill(-__builtin_inff());
    ptrdiff_t row = (ptrdiff_t)p->y.step * p->x.size * B;
    ptrdiff_t column = (ptrdiff_t)p->x.step * B;
    ptrdiff_t from = ((ptrdiff_t)ty.first * p->x.size + tx.first) * B;

    for (int ky = ty.begin; ky < ty.end; ky++, from += row) {
        ptrdiff_t at = from;

        for (int kx = tx.begin; kx < tx.end; kx++, at += column)
            v = sum ? v + get(x, at) : larger(v, get(x, at));
    }
    return v;
}

INLINE float counted(const struct rn_pool_plane *p, struct taps ty,
                     struct taps tx)
{
    if (p->count_padding)
        return (float)ty.counted * (float)tx.counted;
    return (float)(ty.end - ty.begin) * (float)(tx.end - tx.begin);
}

INLINE bool is_three(struct taps t)
{
    return t.begin == 0 && t.end == 3;
}

/* The paper's window, when all of it is on pixels: a case of its own, so that
 * the compiler knows it. */
INLINE vec gather_three(const struct rn_pool_plane *p, const void *x,
                        struct taps ty, struct taps tx, bool sum)
{
#if defined(__AVX512F__) && RN_KERNELS_BLOCK == 16
    /* Of equal zeros the first one; NaN, which VMAXPS does not keep, is looked
     * for beside it. */
    ptrdiff_t from = ((ptrdiff_t)ty.first * p->x.size + tx.first) * B;
    ptrdiff_t row = (ptrdiff_t)p->y.step * p->x.size * B;
    __m512 most = _mm512_set1_ps(-__builtin_inff());
    __mmask16 undefined = 0;

    if (!sum) {
#pragma GCC unroll 9
        for (int k = 0; k < 9; k++) {
            __m512 v = (__m512)get(x, from + k / 3 * row + k % 3 * p->x.step * B);

            most = _mm512_max_ps(v, most);
            undefined |= _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
        }
        if (!undefined)
            return (vec)most;
    }
#endif
    return gather(p, x, (struct taps){0, 3, ty.first, 3},
                  (struct taps){0, 3, tx.first, 3}, sum);
}

INLINE void pool(const struct rn_pool_plane *p, const void *x, void *to,
                 bool sum)
{
    element *y = to;

    for (int oy = 0; oy < p->y.windows; oy++) {
        struct taps ty = taps_of(&p->y, oy);

        for (int ox = 0; ox < p->x.windows; ox++, y += B) {
            struct taps tx = taps_of(&p->x, ox);
            vec v = is_three(ty) && is_three(tx)
                        ? gather_three(p, x, ty, tx, sum)
                        : gather(p, x, ty, tx, sum);

            if (sum)
                v /= fill(counted(p, ty, tx));
            put(y, 0, v);
        }
    }
}

static void largest(const struct rn_pool_plane *p, const void *x, void *y)
{
    pool(p, x, y, false);
}

static void mean(const struct rn_pool_plane *p, const void *x, void *y)
{
    pool(p, x, y, true);
}

/** Add a window's share to each of its pixels. */
INLINE void scatter(const struct rn_pool_plane *p, vec share, struct taps ty,
                    struct taps tx, void *dx)
{
    for (int ky = ty.begin; ky < ty.end; ky++) {
        int row = ty.first + (ky - ty.begin) * p->y.step;
        ptrdiff_t at = ((ptrdiff_t)row * p->x.size + tx.first) * B;

        for (int kx = tx.begin; kx < tx.end; kx++, at += p->x.step * B)
            put(dx, at, get(dx, at) + share);
    }
}

static void mean_backward(const struct rn_pool_plane *p, const void *from,
                          void *dx)
{
    const element *dy = from;

    memset(dx, 0, (size_t)p->y.size * (size_t)p->x.size * B * sizeof(element));
    for (int oy = 0; oy < p->y.windows; oy++) {
        struct taps ty = taps_of(&p->y, oy);

        for (int ox = 0; ox < p->x.windows; ox++, dy += B) {
            struct taps tx = taps_of(&p->x, ox);

            scatter(p, get(dy, 0) / fill(counted(p, ty, tx)), ty, tx, dx);
        }
    }
}

extern const struct rn_pool_kernels RN_POOL_KERNELS_NAME;
const struct rn_pool_kernels RN_POOL_KERNELS_NAME = {
    .largest = largest, .mean = mean, .mean_backward = mean_backward};
