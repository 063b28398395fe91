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

/* Rounded to nearest, ties to even, and kept within low..255; low is at least
 * 0. What is undefined becomes `low`. */
INLINE void bytes_put(uint8_t *p, vec v, vec low)
{
#ifdef __AVX512BW__
    __m512i q = _mm512_cvtps_epi32(_mm512_max_ps((__m512)v, (__m512)low));

    _mm_storeu_si128((__m128i *)p, _mm512_cvtusepi32_epi8(q));
#else
    /* Where 2^23 is added, the last bit of a number is 1. */
    const vec whole = fill(0x1p23f), most = fill(255);
    veci above = v > low, over;
    vecb bytes;

    v = (vec)(((veci)v & above) | ((veci)low & ~above));
    over = v > most;
    v = (vec)(((veci)most & over) | ((veci)v & ~over));
    bytes = __builtin_convertvector((veci)(v + whole) & 255, vecb);
    memcpy(p, &bytes, sizeof(bytes));
#endif
}

#endif
