/* SPDX-License-Identifier: BSD-2-Clause */
/* Which compilation of the kernels runs here. */
#include "core/threads.h"
#include "ops/conv.h"
#include "ops/direct_kernels.h"
#include "ops/kernels.h"
#include "ops/winograd_kernels.h"

#include <string.h>

#ifdef __x86_64__
/** struct TYPE *TYPE_get(void): that of rn_isa(). */
#define DISPATCH(type)                                           \
    extern const struct type type##_sse;                         \
    extern const struct type type##_avx2, type##_avx512;         \
    const struct type *type##_get(void)                          \
    {                                                            \
        const char *isa = rn_isa();                              \
        if (!strcmp(isa, "avx512"))                              \
            return &type##_avx512;                               \
        return strcmp(isa, "avx2") ? &type##_sse : &type##_avx2; \
    }
#else
#define DISPATCH(type)                   \
    extern const struct type type##_sse; \
    const struct type *type##_get(void)  \
    {                                    \
        return &type##_sse;              \
    }
#endif

DISPATCH(rn_kernels)
DISPATCH(rn_wino_kernels)
DISPATCH(rn_direct_kernels)

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
