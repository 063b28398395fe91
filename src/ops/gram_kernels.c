/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled once per instruction set, like kernels.c. */
#include "ops/gram_kernels.h"

#include "ops/vector.h"

/* As many sums as the registers hold, beside a row's numbers. */
enum {
#if defined(__AVX512F__)
    WIDTH = 8,
#elif defined(__AVX__)
    WIDTH = 4,
#else
    WIDTH = 2,
#endif
    VECTORS = 3
};

typedef double vecd __attribute__((vector_size(WIDTH * sizeof(double))));

/* Some columns of a tile. */
INLINE void sum_columns(size_t count, const double *a, const double *b,
                        double *sums)
{
    vecd s[RN_GRAM_TILE][VECTORS] = {{{0}}}, row[VECTORS];

    for (; count > 0; count--, a += RN_GRAM_PANEL, b += RN_GRAM_PANEL) {
        memcpy(row, b, sizeof(row));
#pragma GCC unroll 4
        for (int i = 0; i < RN_GRAM_TILE; i++)
#pragma GCC unroll 3
            for (int v = 0; v < VECTORS; v++)
                s[i][v] += a[i] * row[v];
    }
#pragma GCC unroll 4
    for (int i = 0; i < RN_GRAM_TILE; i++)
        memcpy(sums + (size_t)i * RN_GRAM_PANEL, s[i], sizeof(s[i]));
}

static void tile(size_t count, const double *a, const double *b,
                 double sums[RN_GRAM_TILE][RN_GRAM_PANEL])
{
    for (int k = 0; k < RN_GRAM_PANEL; k += VECTORS * WIDTH)
        sum_columns(count, a, b + k, (double *)sums + k);
}

extern const struct rn_gram_kernels RN_GRAM_KERNELS_NAME;
const struct rn_gram_kernels RN_GRAM_KERNELS_NAME = {.tile = tile};
