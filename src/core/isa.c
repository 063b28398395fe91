/* SPDX-License-Identifier: BSD-2-Clause */
/* What the processor's vectors can do. */
#include "core/isa.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#ifdef __x86_64__
#include "core/count.h"
#include "core/locale.h"

#include <cpuid.h>

static const struct rn_isa sets[] = {
    {RN_ISA_SSE, "sse", 4, 16, false, false, false},
    {RN_ISA_AVX2, "avx2", 8, 16, true, false, false},
    {RN_ISA_AVX512, "avx512", 16, 32, true, false, false},
};

/* oneDNN's words, without regard to case, and what they leave. Where it may
 * use AVX but not AVX2 we have no kernels between. */
static const struct limit {
    const char *word;
    enum rn_isa_kernels most;
    bool vnni, bf16;
} limits[] = {
    {"SSE41", RN_ISA_SSE, false, false},
    {"AVX", RN_ISA_SSE, false, false},
    {"AVX2", RN_ISA_AVX2, false, false},
    {"AVX2_VNNI", RN_ISA_AVX2, true, false},
    {"AVX2_VNNI_2", RN_ISA_AVX2, true, false},
    {"AVX512_MIC", RN_ISA_AVX2, false, false},
    {"AVX512_MIC_4OPS", RN_ISA_AVX2, false, false},
    {"AVX512_CORE", RN_ISA_AVX512, false, false},
    {"AVX512_CORE_VNNI", RN_ISA_AVX512, true, false},
};

static struct limit limit_of(const char *word)
{
    for (size_t i = 0; word && i < COUNT(limits); i++)
        if (rn_same_word(word, limits[i].word))
            return limits[i];
    return (struct limit){"", RN_ISA_AVX512, true, true};
}

/* The compiler's own question covers registers that the system saves. */
static bool can(enum rn_isa_kernels kernels)
{
    bool fma = __builtin_cpu_supports("fma") != 0;

    if (kernels == RN_ISA_AVX512)
        return fma && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
    return kernels == RN_ISA_SSE || (fma && __builtin_cpu_supports("avx2"));
}

/* Leaf 7.1, EAX, which compilers older than AVX-VNNI do not ask: bit 4 is
 * AVX_VNNI, bit 5 AVX512_BF16. */
static unsigned leaf_7_1(void)
{
    unsigned a = 0, b, c, d;

    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || a < 1)
        return 0;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) ? a : 0;
}

struct rn_isa rn_isa_within(const char *word)
{
    struct limit limit = limit_of(word);
    struct rn_isa isa = sets[0];

    for (size_t i = 1; i < COUNT(sets); i++)
        if (sets[i].kernels <= limit.most && can(sets[i].kernels))
            isa = sets[i];
    if (isa.kernels == RN_ISA_AVX512) {
        isa.vnni = limit.vnni && __builtin_cpu_supports("avx512vnni");
        isa.bf16 = limit.bf16 && (leaf_7_1() & 1u << 5);
    } else if (isa.kernels == RN_ISA_AVX2) {
        isa.vnni = limit.vnni && (leaf_7_1() & 1u << 4);
    }
    return isa;
}
#else
#ifdef __FP_FAST_FMAF
enum { FMA = true };
#else
enum { FMA = false };
#endif

/* NEON's width and registers, which GCC and clang make of our vectors on
 * AArch64; others do with what these make of them. */
struct rn_isa rn_isa_within(const char *word)
{
    (void)word;
    return (struct rn_isa){RN_ISA_GENERIC, "generic", 4, 32, FMA, false, false};
}
#endif

/* Written once, by whoever asks first. */
static struct rn_isa here;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void find_out(void)
{
    const char *word = getenv("ONEDNN_MAX_CPU_ISA");

    if (!word || !*word)
        word = getenv("DNNL_MAX_CPU_ISA");
    here = rn_isa_within(word);
}

const struct rn_isa *rn_isa(void)
{
    pthread_once(&once, find_out);
    return &here;
}
