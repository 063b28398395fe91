/* SPDX-License-Identifier: BSD-2-Clause */
/* What the processor's vectors can do: layouts, the choice of kernels and the
 * rules that choose algorithms ask here. */
#ifndef RN_CORE_ISA_H
#define RN_CORE_ISA_H

#include <stdbool.h>

/** Sets of instructions that kernels are compiled for. */
enum rn_isa_kernels {
    RN_ISA_GENERIC, /* whatever the compiler takes for granted */
    RN_ISA_SSE,     /* 4.1 */
    RN_ISA_AVX2,    /* with FMA */
    RN_ISA_AVX512,  /* F, BW, DQ and VL, with FMA */
    RN_ISA_KERNELS
};

struct rn_isa {
    enum rn_isa_kernels kernels;
    const char *name; /* "avx512", "avx2", "sse", "generic" */
    int width;        /* floats of a vector */
    int registers;    /* vectors */
    bool fma;         /* multiplies and adds at once, rounding once */
    bool bf16;        /* dot products of bfloat16: AVX512_BF16 */
    bool vnni;        /* dot products of bytes, as wide as vectors are:
                         AVX512_VNNI, AVX_VNNI */
};

/**
 * Of this processor and operating system, found out once. Like oneDNN it takes
 * no more than ONEDNN_MAX_CPU_ISA (or DNNL_MAX_CPU_ISA) allows: SSE41, AVX,
 * AVX2, AVX2_VNNI, AVX512_CORE, AVX512_CORE_VNNI and what is more than these.
 */
const struct rn_isa *rn_isa(void);

/** The same for another limit; NULL or a word that is none of these: none. */
struct rn_isa rn_isa_within(const char *limit);

#endif
