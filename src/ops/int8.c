/* SPDX-License-Identifier: BSD-2-Clause */
/* Shares values in 8 bits out among threads. */
#include "ops/int8.h"

#include "ops/int8_kernels.h"
#include "ops/pool.h"

/* Numbers of a thread's turn. */
#define TURN ((size_t)8192)

static size_t turn_at(size_t i, size_t count)
{
    return count - i < TURN ? count - i : TURN;
}

void rn_int8_narrow(const float *x, uint8_t *y, size_t count, struct rn_quant q,
                    int threads)
{
    const struct rn_int8_kernels *k = rn_int8_kernels_get();
#pragma omp parallel for num_threads(threads) schedule(static)
    for (size_t i = 0; i < count; i += TURN)
        k->narrow(x + i, y + i, turn_at(i, count), q);
}

void rn_int8_widen(const uint8_t *x, float *y, size_t count, struct rn_quant q,
                   int threads)
{
    const struct rn_int8_kernels *k = rn_int8_kernels_get();
#pragma omp parallel for num_threads(threads) schedule(static)
    for (size_t i = 0; i < count; i += TURN)
        k->widen(x + i, y + i, turn_at(i, count), q);
}

void rn_int8_max_pool(const struct rn_node *node, int n, struct rn_shape in,
                      int threads, const uint8_t *x, uint8_t *y)
{
    rn_pool_windows(node, n, in, threads, RN_U8, x, y,
                    rn_int8_kernels_get()->largest);
}

void rn_int8_average(const struct rn_planes *p, const uint8_t *x, float *mean,
                     struct rn_quant q)
{
    const struct rn_int8_kernels *k = rn_int8_kernels_get();
    size_t b = (size_t)p->block;
#pragma omp parallel for num_threads(p->threads) schedule(static)
    for (size_t i = 0; i < p->n * p->blocks; i++)
        k->average(x + i * p->hw * b, p->hw, mean + i * b, q);
}
