/* SPDX-License-Identifier: BSD-2-Clause */
/* Shares values in 8 bits out among threads. */
#include "ops/int8.h"

#include "ops/int8_kernels.h"
#include "ops/pool.h"

void rn_int8_narrow(const float *x, uint8_t *y, size_t count, struct rn_quant q,
                    int threads)
{
    const struct rn_int8_kernels *k = rn_int8_kernels_get();
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(rn_convert_turns(count));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin * RN_CONVERT_TURN;

        k->narrow(x + i, y + i, rn_convert_turn(i, count), q);
    }
}

void rn_int8_widen(const uint8_t *x, float *y, size_t count, struct rn_quant q,
                   int threads)
{
    const struct rn_int8_kernels *k = rn_int8_kernels_get();
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(rn_convert_turns(count));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin * RN_CONVERT_TURN;

        k->widen(x + i, y + i, rn_convert_turn(i, count), q);
    }
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
#pragma omp parallel num_threads(p->threads)
    for (struct rn_range r = rn_share_mine(rn_planes_number(p));
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;

        k->average(x + i * p->hw * b, p->hw, mean + i * b, q);
    }
}
