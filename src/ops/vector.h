/* SPDX-License-Identifier: BSD-2-Clause */
/* Vectors of one channel block, for the files that are compiled once per
 * instruction set with RN_KERNELS_BLOCK set to the width. */
#ifndef RN_OPS_VECTOR_H
#define RN_OPS_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

#ifndef RN_KERNELS_BLOCK
#define RN_KERNELS_BLOCK 4 /* what any compiler's default has: read alone */
#endif

#define B RN_KERNELS_BLOCK

typedef float vec __attribute__((vector_size(B * sizeof(float))));
typedef int32_t veci __attribute__((vector_size(B * sizeof(int32_t))));
typedef uint32_t vecu __attribute__((vector_size(B * sizeof(uint32_t))));

#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *p)
{
    vec v;

    memcpy(&v, p, sizeof(v));
    return v;
}

INLINE void store(float *p, vec v)
{
    memcpy(p, &v, sizeof(v));
}

/* Activations and their gradients: float32, or with RN_KERNELS_BF16 bfloat16.
 * get() and put() take the distance from `p` in numbers. */
#ifdef RN_KERNELS_BF16
typedef uint16_t element;
typedef uint16_t vech __attribute__((vector_size(B * sizeof(uint16_t))));

INLINE vec widen(vech h)
{
#if defined(__AVX512F__) && RN_KERNELS_BLOCK == 16
    /* One instruction, for which GCC 12 makes five of __builtin_convertvector. */
    return (vec)((vecu)_mm512_cvtepu16_epi32((__m256i)h) << 16);
#else
    return (vec)(__builtin_convertvector(h, vecu) << 16);
#endif
}

/* To nearest, ties to even. What is undefined stays so, and denormals are
 * zeros, as for VCVTNEPS2BF16. */
INLINE vech narrow(vec v)
{
    vecu bits = (vecu)v, sign = bits & 0x80000000u;
    vecu rounded = bits + 0x7fffu + (bits >> 16 & 1);
    vecu undefined = (vecu)(v != v);
    vecu tiny = (vecu)((bits & 0x7f800000u) == 0);

    rounded = (undefined & (bits | 0x400000u)) | (~undefined & rounded);
    rounded = (tiny & sign) | (~tiny & rounded);
    return __builtin_convertvector(rounded >> 16, vech);
}

INLINE vec get(const void *p, ptrdiff_t i)
{
    vech h;

    memcpy(&h, (const element *)p + i, sizeof(h));
    return widen(h);
}

#ifdef __AVX512BF16__
INLINE void put(void *p, ptrdiff_t i, vec v)
{
    __m256bh h = _mm512_cvtneps_pbh((__m512)v);

    memcpy((element *)p + i, &h, sizeof(h));
}
#else
INLINE void put(void *p, ptrdiff_t i, vec v)
{
    vech h = narrow(v);

    memcpy((element *)p + i, &h, sizeof(h));
}
#endif

/* What put() leaves of it. */
INLINE vec stored(vec v)
{
    vech h;

    put(&h, 0, v);
    return widen(h);
}
#else
typedef float element;

INLINE vec get(const void *p, ptrdiff_t i)
{
    return load((const element *)p + i);
}

INLINE void put(void *p, ptrdiff_t i, vec v)
{
    store((element *)p + i, v);
}

INLINE vec stored(vec v)
{
    return v;
}
#endif

/* Less zero, because plus zero would turn -0 into 0: an instruction. */
INLINE vec fill(float x)
{
    return x - (vec){0};
}

/** v where the mask is set, else 0. */
INLINE vec keep(vec v, veci mask)
{
    return (vec)((veci)v & mask);
}

/* NaN must stay NaN, so that a broken loss is seen: keep v unless v < 0. */
INLINE vec relu_of(vec v)
{
#if defined(__AVX512F__) && RN_KERNELS_BLOCK == 16
    /* Of NaN, and of two zeros, the instruction takes the second. */
    return (vec)_mm512_max_ps(_mm512_setzero_ps(), (__m512)v);
#else
    return keep(v, ~(v < fill(0)));
#endif
}

#endif
