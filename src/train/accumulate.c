/* SPDX-License-Identifier: BSD-2-Clause */
/* Sums the gradients of several batches for one step. */
#include "train/accumulate.h"

#include "core/memory.h"

int rn_accumulate_create(struct rn_accumulated *a, const struct rn_flat *flat,
                         int batches, int threads, struct rn_error *err)
{
    *a = (struct rn_accumulated){
        .count = flat->count, .batches = batches, .threads = threads};
    if (batches == 1)
        return RN_OK;
    a->sum = rn_alloc(flat->count, sizeof(float));
    if (!a->sum)
        return rn_fail_memory(err, flat->count * sizeof(float),
                              "the gradients of several batches");
    return RN_OK;
}

void rn_accumulate_free(struct rn_accumulated *a)
{
    rn_free(a->sum);
    a->sum = NULL;
}

void rn_accumulate_add(struct rn_accumulated *a, const struct rn_flat *flat,
                       int i)
{
    float *sum = a->sum, *grad = flat->grad;
    bool last = i == a->batches - 1;
    float share = 1.0F / (float)a->batches;

    if (!sum)
        return;
#pragma omp parallel for num_threads(a->threads)
    for (size_t k = 0; k < a->count; k++) {
        float total = i > 0 ? sum[k] + grad[k] : grad[k];

        if (last)
            grad[k] = total * share;
        else
            sum[k] = total;
    }
}
