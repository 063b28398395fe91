/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled once per instruction set, like kernels.c, but without contracting
 * products and sums of float32: all sets have the same bits. */
#include "ops/int8_kernels.h"

#include "ops/bytes.h"
#include "ops/pool_taps.h"

static void narrow(const float *x, uint8_t *y, size_t count, struct rn_quant q)
{
    const vec scale = fill(q.scale), zero = fill((float)q.zero);
    uint8_t last[B];
    vec v = fill(0);
    size_t i = 0;

    for (; i + B <= count; i += B)
        bytes_put(y + i, load(x + i) / scale + zero, fill(0));
    if (i == count)
        return;
    memcpy(&v, x + i, (count - i) * sizeof(*x));
    bytes_put(last, v / scale + zero, fill(0));
    memcpy(y + i, last, count - i);
}

static void widen(const uint8_t *x, float *y, size_t count, struct rn_quant q)
{
    const vec scale = fill(q.scale), zero = fill((float)q.zero);
    uint8_t last[B] = {0};
    size_t i = 0;
    vec v;

    for (; i + B <= count; i += B)
        store(y + i, (bytes_get(x + i) - zero) * scale);
    if (i == count)
        return;
    memcpy(last, x + i, count - i);
    v = (bytes_get(last) - zero) * scale;
    memcpy(y + i, &v, (count - i) * sizeof(*y));
}

INLINE vecb larger(vecb a, vecb b)
{
#ifdef __AVX512BW__
    return (vecb)_mm_max_epu8((__m128i)a, (__m128i)b);
#else
    vecb take = (vecb)(b > a);

    return (b & take) | (a & ~take);
#endif
}

static void largest(const struct rn_pool_plane *p, const void *x, void *to)
{
    const uint8_t *from = x;
    uint8_t *y = to;
    ptrdiff_t row = (ptrdiff_t)p->y.step * p->x.size * B;
    ptrdiff_t column = (ptrdiff_t)p->x.step * B;

    for (int oy = 0; oy < p->y.windows; oy++) {
        struct taps ty = taps_of(&p->y, oy);

        for (int ox = 0; ox < p->x.windows; ox++, y += B) {
            struct taps tx = taps_of(&p->x, ox);
            const uint8_t *at =
                from + ((ptrdiff_t)ty.first * p->x.size + tx.first) * B;
            vecb best = {0}, v;

            for (int ky = ty.begin; ky < ty.end; ky++, at += row)
                for (int kx = tx.begin; kx < tx.end; kx++) {
                    memcpy(&v, at + (kx - tx.begin) * column, sizeof(v));
                    best = larger(best, v);
                }
            memcpy(y, &best, sizeof(best));
        }
    }
}

static void average(const uint8_t *x, size_t hw, float *mean, struct rn_quant q)
{
    veci sum = {0};
    float factor = q.scale / (float)hw;

    for (size_t i = 0; i < hw; i++) {
        vecb v;

        memcpy(&v, x + i * B, sizeof(v));
        sum += __builtin_convertvector(v, veci);
    }
    sum -= (int32_t)hw * q.zero;
    store(mean, __builtin_convertvector(sum, vec) * fill(factor));
}

extern const struct rn_int8_kernels RN_INT8_KERNELS_NAME;
const struct rn_int8_kernels RN_INT8_KERNELS_NAME = {
    .narrow = narrow,
    .widen = widen,
    .largest = largest,
    .average = average,
};
