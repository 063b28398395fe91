/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps the moving average of the weights, and exchanges it with them. */
#include "train/ema.h"

#include "core/memory.h"

#include <math.h>
#include <string.h>

int rn_ema_create(struct rn_ema *a, const struct rn_flat *flat, double decay,
                  int threads, struct rn_error *err)
{
    *a = (struct rn_ema){
        .value = rn_alloc(flat->count, sizeof(float)),
        .count = flat->count,
        .decay = decay,
        .threads = threads,
    };
    if (!a->value)
        return rn_fail_memory(err, flat->count * sizeof(float),
                              "the weights' average");
    memcpy(a->value, flat->value, flat->count * sizeof(float));
    return RN_OK;
}

void rn_ema_free(struct rn_ema *a)
{
    rn_free(a->value);
    a->value = NULL;
}

void rn_ema_add(struct rn_ema *a, const struct rn_flat *flat, long step)
{
    double early = (1.0 + (double)step) / (10.0 + (double)step);
    float share = (float)(1 - fmin(a->decay, early));
    const float *from = flat->value;
    float *to = a->value;

#pragma omp parallel for num_threads(a->threads)
    for (size_t i = 0; i < a->count; i++)
        to[i] += share * (from[i] - to[i]);
}

void rn_ema_swap(struct rn_ema *a, struct rn_flat *flat)
{
    for (size_t i = 0; i < a->count; i++) {
        float kept = a->value[i];

        a->value[i] = flat->value[i];
        flat->value[i] = kept;
    }
}
