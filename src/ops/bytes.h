/* SPDX-License-Identifier: BSD-2-Clause */
/* Vectors of one block of channels in 8 bits, for the files that are compiled
 * once per instruction set; what the sets have for them. Without contracting
 * products and sums (-ffp-contract=off) the bits are those of all sets. */
#ifndef RN_OPS_BYTES_H
#define RN_OPS_BYTES_H

#include "ops/vector.h"

#if defined(__AVX512BW__) || defined(__AVX2__)
#include <immintrin.h>
#endif

typedef uint8_t vecb __attribute__((vector_size(B)));
typedef int8_t vecq __attribute__((vector_size(4 * B)));
typedef int16_t vecw __attribute__((vector_size(4 * B)));

/* BYTES_DOT(sum, x, w): four bytes, each times one of four weights, added to
 * the lane. WORDS_DOT(sum, x, w): two 16-bit numbers times two, added likewise.
 * BYTES_MADD(x, w): the same, not added. */
#if defined(__AVX512VNNI__)
#define BYTES_DOT(sum, x, w)                                          \
    ((veci)_mm512_dpbusd_epi32((__m512i)(sum),                        \
                               _mm512_set1_epi32((int)(x)), (__m512i)(w)))
#define WORDS_DOT(sum, x, w)                                          \
    ((veci)_mm512_dpwssd_epi32((__m512i)(sum),                        \
                               _mm512_set1_epi32((int)(x)), (__m512i)(w)))
#elif defined(__AVXVNNI__)
#define BYTES_DOT(sum, x, w)                                     \
    ((veci)_mm256_dpbusd_avx_epi32(                              \
        (__m256i)(sum), _mm256_set1_epi32((int)(x)), (__m256i)(w)))
#define WORDS_DOT(sum, x, w)                                     \
    ((veci)_mm256_dpwssd_avx_epi32(                              \
        (__m256i)(sum), _mm256_set1_epi32((int)(x)), (__m256i)(w)))
#elif defined(__AVX512BW__)
#define BYTES_MADD(x, w) \
    ((veci)_mm512_madd_epi16(_mm512_set1_epi32((int)(x)), (__m512i)(w)))
#elif defined(__AVX2__)
#define BYTES_MADD(x, w) \
    ((veci)_mm256_madd_epi16(_mm256_set1_epi32((int)(x)), (__m256i)(w)))
#endif

INLINE vec bytes_get(const uint8_t *p)
{
#ifdef __AVX512BW__
    return (vec)_mm512_cvtepi32_ps(
        _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
#else
    vecb v;

    memcpy(&v, p, sizeof(v));
    return __builtin_convertvector(__builtin_convertvector(v, veci), vec);
#endif
}

#ifdef __AVX512BW__
/* Rounded to nearest, ties to even, and no less than low; what is undefined
 * becomes `low`. */
INLINE __m512i bytes_whole(vec v, vec low)
{
    return _mm512_cvtps_epi32(_mm512_max_ps((__m512)v, (__m512)low));
}
#else
/* Kept within low..255; what is undefined becomes `low`. */
INLINE vec bytes_within(vec v, vec low)
{
    const vec most = fill(255);
    veci above = v > low, over;

    v = (vec)(((veci)v & above) | ((veci)low & ~above));
    over = v > most;
    return (vec)(((veci)most & over) | ((veci)v & ~over));
}
#endif

/* Rounded to nearest, ties to even, and kept within low..255; low is at least
 * 0. What is undefined becomes `low`. */
INLINE void bytes_put(uint8_t *p, vec v, vec low)
{
#ifdef __AVX512BW__
    _mm_storeu_si128((__m128i *)p, _mm512_cvtusepi32_epi8(bytes_whole(v, low)));
#else
    /* Where 2^23 is added, the last bit of a number is 1. */
    const vec whole = fill(0x1p23f);
    vecb bytes = __builtin_convertvector(
        (veci)(bytes_within(v, low) + whole) & 255, vecb);

    memcpy(p, &bytes, sizeof(bytes));
#endif
}

/* The same as numbers. */
INLINE vec bytes_round(vec v, vec low)
{
#ifdef __AVX512BW__
    return (vec)_mm512_cvtepi32_ps(
        _mm512_min_epu32(bytes_whole(v, low), _mm512_set1_epi32(255)));
#else
    const vec whole = fill(0x1p23f);

    return bytes_within(v, low) + whole - whole;
#endif
}

#endif
