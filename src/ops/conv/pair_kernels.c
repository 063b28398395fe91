/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled once per instruction set for bfloat16, like kernels.c. */
#include "ops/conv/pair_kernels.h"

#include "ops/conv/pairs.h"

#ifdef __AVX512BW__
#include <immintrin.h>
#endif

INLINE vecu halves(const element *p)
{
    vech h;

    memcpy(&h, p, sizeof(h));
    return __builtin_convertvector(h, vecu);
}

/* Each number of `even` below that of `odd`. */
INLINE void put_pairs(element *to, vecu even, vecu odd)
{
    vecu both = even | odd << 16;

    memcpy(to, &both, sizeof(both));
}

/* A pixel beside the next one, which lie one behind the other, to pairs. */
#ifdef __AVX512BW__
INLINE void pair_up(const element *pixels, element *to)
{
    static const uint16_t order[2 * B] = {
        0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};

    _mm512_storeu_si512(to,
                        _mm512_permutexvar_epi16(_mm512_loadu_si512(order),
                                                 _mm512_loadu_si512(pixels)));
}
#else
INLINE void pair_up(const element *pixels, element *to)
{
    put_pairs(to, halves(pixels), halves(pixels + B));
}
#endif

static void interleave(const void *x, size_t pixels, void *to)
{
    const element *from = x;
    element *pairs = to;
    size_t i = 0;

    for (; i + 2 <= pixels; i += 2)
        pair_up(from + i * B, pairs + i * B);
    if (i < pixels)
        put_pairs(pairs + i * B, halves(from + i * B), (vecu){0});
}

/* One row of pairs. */
INLINE void add_row(const element *in, const element *out, size_t pairs,
                    vec sums[B])
{
    for (size_t p = 0; p < pairs; p++, in += 2 * B, out += 2 * B) {
        vecu d;

        memcpy(&d, out, sizeof(d));
#pragma GCC unroll 16
        for (int i = 0; i < B; i++) {
            uint32_t pair;

            memcpy(&pair, in + 2 * i, sizeof(pair));
            sums[i] = add_pair(sums[i], pair, d);
        }
    }
}

static void accumulate(const struct rn_pair_rows *r, bool first, float *dw)
{
    const element *in = r->x, *out = r->dy;
    vec sums[B];

#pragma GCC unroll 16
    for (int i = 0; i < B; i++)
        sums[i] = fill(0);
    for (size_t k = 0; k < r->rows; k++, in += r->x_row, out += r->dy_row)
        add_row(in, out, r->pairs, sums);
#pragma GCC unroll 16
    for (int i = 0; i < B; i++)
        store(dw + i * B, first ? sums[i] : sums[i] + load(dw + i * B));
}

static void sum(const void *dy, size_t pixels, bool first, float *sums)
{
    vec total = first ? fill(0) : load(sums);

    for (size_t i = 0; i < pixels; i++)
        total += get(dy, (ptrdiff_t)i * B);
    store(sums, total);
}

static void pack(const float *w, size_t step, void *to)
{
    element *pairs = to;

    for (int i = 0; i < B; i += 2, pairs += step)
        put_pairs(pairs,
                  __builtin_convertvector(narrow(load(w + i * B)), vecu),
                  __builtin_convertvector(narrow(load(w + (i + 1) * B)), vecu));
}

static void pack_turned(const float *w, void *to)
{
    element *pairs = to;

    for (int i = 0; i < B; i++) {
        vech row = narrow(load(w + i * B));
        uint32_t pair[B / 2];

        memcpy(pair, &row, sizeof(row));
        for (int o = 0; o < B / 2; o++)
            memcpy(pairs + (o * B + i) * 2, &pair[o], sizeof(*pair));
    }
}

extern const struct rn_pair_kernels RN_PAIR_KERNELS_NAME;
const struct rn_pair_kernels RN_PAIR_KERNELS_NAME = {
    .interleave = interleave,
    .accumulate = accumulate,
    .sum = sum,
    .pack = pack,
    .pack_turned = pack_turned,
};
