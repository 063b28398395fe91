/* SPDX-License-Identifier: BSD-2-Clause */
/* Which compilation of the kernels runs here. */
#include "core/threads.h"
#include "ops/conv.h"
#include "ops/kernels.h"
#include "ops/winograd_kernels.h"

#include <string.h>

extern const struct rn_kernels rn_kernels_sse;
#ifdef __x86_64__
extern const struct rn_kernels rn_kernels_avx2, rn_kernels_avx512;
#endif

const struct rn_kernels *rn_kernels_get(void)
{
#ifdef __x86_64__
    const char *isa = rn_isa();
    if (!strcmp(isa, "avx512"))
        return &rn_kernels_avx512;
    if (!strcmp(isa, "avx2"))
        return &rn_kernels_avx2;
#endif
    return &rn_kernels_sse;
}

extern const struct rn_wino_kernels rn_wino_kernels_sse;
#ifdef __x86_64__
extern const struct rn_wino_kernels rn_wino_kernels_avx2,
    rn_wino_kernels_avx512;
#endif

const struct rn_wino_kernels *rn_wino_kernels_get(void)
{
#ifdef __x86_64__
    const char *isa = rn_isa();
    if (!strcmp(isa, "avx512"))
        return &rn_wino_kernels_avx512;
    if (!strcmp(isa, "avx2"))
        return &rn_wino_kernels_avx2;
#endif
    return &rn_wino_kernels_sse;
}

double rn_kernel_peak_gflops(int threads)
{
    enum { ROUNDS = 400000, TRIALS = 5 };
    const struct rn_kernels *k = rn_kernels_get();
    double best = 0;
    for (int i = 0; i < TRIALS; i++) {
        double start = rn_now(), seconds;
        float sink = 0;
#pragma omp parallel num_threads(threads) reduction(+ : sink)
        sink += k->multiply_add(ROUNDS);
        seconds = rn_now() - start;
        /* Using the sum keeps the loop; it is never infinite. */
        double flops = 2.0 * 16 * k->block * ROUNDS * threads;
        if (sink < 1e30f && flops / seconds > best)
            best = flops / seconds;
    }
    return best / 1e9;
}
