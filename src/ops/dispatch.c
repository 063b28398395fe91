/* SPDX-License-Identifier: BSD-2-Clause */
/* Which compilation of the kernels runs here. */
#include "core/isa.h"
#include "core/threads.h"
#include "ops/conv/direct_kernels.h"
#include "ops/conv/pair_kernels.h"
#include "ops/conv/product_int8_kernels.h"
#include "ops/conv/product_kernels.h"
#include "ops/conv/winograd_int8_kernels.h"
#include "ops/conv/winograd_kernels.h"
#include "ops/gram_kernels.h"
#include "ops/int8_kernels.h"
#include "ops/kernels.h"
#include "ops/pool_kernels.h"

/** const struct TYPE *NAME_get(void): that of rn_isa(). */
#ifdef __x86_64__
#define DISPATCH(type, name)                                         \
    extern const struct type name##_sse, name##_avx2, name##_avx512; \
    const struct type *name##_get(void)                              \
    {                                                                \
        static const struct type *const all[RN_ISA_KERNELS] = {      \
            [RN_ISA_SSE] = &name##_sse,                              \
            [RN_ISA_AVX2] = &name##_avx2,                            \
            [RN_ISA_AVX512] = &name##_avx512,                        \
        };                                                           \
        return all[rn_isa()->kernels];                               \
    }
#define NATIVE(type, name) extern const struct type name##_bf16_native;
#define BF16(name)         (rn_isa()->bf16 ? &name##_bf16_native : emulated)
#else
#define DISPATCH(type, name)                 \
    extern const struct type name##_generic; \
    const struct type *name##_get(void)      \
    {                                        \
        return &name##_generic;              \
    }
#define NATIVE(type, name)
#define BF16(name) emulated
#endif

/* NAME_get(): those of bytes, with dot products where there are some. */
#ifdef __x86_64__
#define BYTES(type, name)                                            \
    extern const struct type name##_sse, name##_avx2, name##_avx512, \
        name##_avx512_vnni;                                          \
    AVX_VNNI_KERNELS(type, name)                                     \
    const struct type *name##_get(void)                              \
    {                                                                \
        static const struct type *const all[RN_ISA_KERNELS][2] = {   \
            [RN_ISA_SSE] = {&name##_sse, &name##_sse},               \
            [RN_ISA_AVX2] = {&name##_avx2, &AVX_VNNI(name)},         \
            [RN_ISA_AVX512] = {&name##_avx512, &name##_avx512_vnni}, \
        };                                                           \
        return all[rn_isa()->kernels][rn_isa()->vnni];               \
    }
#ifdef RN_WITH_AVX_VNNI
#define AVX_VNNI_KERNELS(type, name) extern const struct type name##_avx2_vnni;
#define AVX_VNNI(name)               name##_avx2_vnni
#else
#define AVX_VNNI_KERNELS(type, name)
#define AVX_VNNI(name) name##_avx2
#endif
#else
#define BYTES(type, name) DISPATCH(type, name)
#endif

/* NAME_get(type): the same for activations of that type. Those of bfloat16
 * exist for its dot products (native), and without them in every set, slow but
 * with the same bits. */
#define TYPED(type, name)                                        \
    const struct type *name##_f32_get(void);                     \
    const struct type *name##_bf16_get(void);                    \
    DISPATCH(type, name##_f32)                                   \
    DISPATCH(type, name##_bf16)                                  \
    NATIVE(type, name)                                           \
    const struct type *name##_get(enum rn_dtype number)          \
    {                                                            \
        const struct type *emulated = name##_bf16_get();         \
        return number == RN_F32 ? name##_f32_get() : BF16(name); \
    }

/* NAME_get(): of bfloat16 alone. */
#define PAIRED(type, name)                               \
    const struct type *name##_bf16_get(void);            \
    DISPATCH(type, name##_bf16)                          \
    NATIVE(type, name)                                   \
    const struct type *name##_get(void)                  \
    {                                                    \
        const struct type *emulated = name##_bf16_get(); \
        return BF16(name);                               \
    }

DISPATCH(rn_direct_kernels, rn_direct_kernels)
DISPATCH(rn_gram_kernels, rn_gram_kernels)
PAIRED(rn_pair_kernels, rn_pair_kernels)
BYTES(rn_int8_kernels, rn_int8_kernels)
BYTES(rn_int8_product_kernels, rn_int8_product_kernels)
BYTES(rn_int8_wino_kernels, rn_int8_wino_kernels)
TYPED(rn_kernels, rn_kernels)
TYPED(rn_pool_kernels, rn_pool_kernels)
TYPED(rn_product_kernels, rn_product_kernels)
TYPED(rn_wino_kernels, rn_wino4x3_kernels)
TYPED(rn_wino_kernels, rn_wino2x3_kernels)
TYPED(rn_wino_kernels, rn_wino2x5_kernels)

double rn_kernel_peak_gflops(int threads)
{
    enum { ROUNDS = 400000, TRIALS = 5 };
    const struct rn_kernels *k = rn_kernels_get(RN_F32);
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
