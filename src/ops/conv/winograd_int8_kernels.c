/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled once per instruction set, like kernels.c, but without contracting
 * products and sums of float32: all sets have the same bits. */
#include "ops/conv/winograd_int8_kernels.h"

#include "ops/bytes.h"
#include "ops/conv/int8_out.h"
#include "ops/conv/strip.h"

enum { T = RN_INT8_TILE, P = RN_INT8_SIDE };

/* Whole numbers modulo 2^16 and 2^32. */
typedef uint16_t half __attribute__((vector_size(2 * B)));
typedef uint32_t word __attribute__((vector_size(4 * B)));

/* ------------------------------------------------- one-dimensional forms */

/* Of bytes, twice: at most 8 * 8 * 255 and 10 * 5 * 255. */
INLINE void input_1d(const half d[P], half o[P])
{
    half a = d[4] - (d[2] << 2), b = d[3] - (d[1] << 2);
    half c = d[4] - d[2], e = d[3] - d[1];

    o[0] = ((d[0] - d[2]) << 2) + c;
    o[1] = a + b;
    o[2] = a - b;
    o[3] = c + (e << 1);
    o[4] = c - (e << 1);
    o[5] = d[5] - d[3] - (e << 2);
}

static void weights_1d(const int *w, int step, int *o, int at)
{
    int a = w[0] + w[2 * step], b = w[step];
    int c = w[0] + 4 * w[2 * step], e = 2 * w[step];

    o[0] = 6 * w[0];
    o[at] = -2 * (a + b);
    o[2 * at] = -2 * (a - b);
    o[3 * at] = c + e;
    o[4 * at] = c - e;
    o[5 * at] = 6 * w[2 * step];
}

/* 24 times the first output, and 12 times the others. */
INLINE void output_1d(const word m[P], word o[T])
{
    word a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], e = m[3] - m[4];

    o[0] = m[0] + (a << 1) + c;
    o[1] = b + e;
    o[2] = a + (c << 1);
    o[3] = b + (((e << 1) + m[5]) << 1);
}

/* ------------------------------------------------------------ transforms */

INLINE half bytes_at(const uint8_t *p)
{
#ifdef __AVX512BW__
    return (half)_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p));
#else
    vecb v;

    memcpy(&v, p, sizeof(v));
    return __builtin_convertvector(v, half);
#endif
}

INLINE half pixel(const uint8_t *x, const struct rn_int8_place *at, int y,
                  int column, int zero, bool inside)
{
    y += at->y;
    column += at->x;
    if (!inside && (y < 0 || y >= at->h || column < 0 || column >= at->w))
        return (half){0} + (uint16_t)zero;
    return bytes_at(x + ((ptrdiff_t)y * at->w + column) * B);
}

INLINE bool is_inside(const struct rn_int8_place *at)
{
    return at->y >= 0 && at->x >= 0 && at->y + P <= at->h && at->x + P <= at->w;
}

INLINE void to_points(const uint8_t *x, const struct rn_int8_place *at,
                      int zero, bool inside, int16_t *points, size_t stride)
{
    half rows[P][P], d[P], o[P];

    for (int y = 0; y < P; y++) {
        for (int i = 0; i < P; i++)
            d[i] = pixel(x, at, y, i, zero, inside);
        input_1d(d, rows[y]);
    }
    for (int i = 0; i < P; i++) {
        for (int y = 0; y < P; y++)
            d[y] = rows[y][i];
        input_1d(d, o);
        /* The row of ones has -6 of each pixel, the others nothing of what all
         * pixels have. */
        if (i == 1)
            o[1] -= 36 * 128;
        for (int y = 0; y < P; y++)
            memcpy(points + (size_t)(y * P + i) * stride, &o[y], sizeof(o[y]));
    }
}

static void input(const uint8_t *x, const struct rn_int8_place *at, int zero,
                  int16_t *points, size_t stride)
{
    if (is_inside(at))
        to_points(x, at, zero, true, points, stride);
    else
        to_points(x, at, zero, false, points, stride);
}

/* At most 7 * 7 * 128. */
static void weights(const int w[9], int16_t points[RN_INT8_POINTS])
{
    int rows[3 * P], all[P * P];

    for (int y = 0; y < 3; y++)
        weights_1d(w + 3 * y, 1, rows + P * y, 1);
    for (int i = 0; i < P; i++)
        weights_1d(rows + i, P, all + i, P);
    for (int i = 0; i < P * P; i++)
        points[i] = (int16_t)all[i];
}

/* From 64, 32 or 16 times 9 results, modulo 2^32, to those. */
INLINE veci result_of(word sum, int y, int x)
{
    const uint32_t ninth = 0x38e38e39u; /* times 9 is 1 */

    return (veci)(sum * ninth) >> (6 - (y > 0) - (x > 0));
}

/* Sums of one part of the input channels, added to `base`, or to those before.
 */
INLINE void add_part(const int32_t *m, size_t m_point, const veci *base,
                     veci sums[T][T])
{
    word rows[T][P], d[P], o[T];

#pragma GCC unroll 6
    for (int i = 0; i < P; i++) {
#pragma GCC unroll 6
        for (int k = 0; k < P; k++)
            memcpy(&d[k], m + (size_t)(k * P + i) * m_point, sizeof(d[k]));
        output_1d(d, o);
#pragma GCC unroll 4
        for (int k = 0; k < T; k++)
            rows[k][i] = o[k];
    }
#pragma GCC unroll 4
    for (int k = 0; k < T; k++) {
        output_1d(rows[k], o);
#pragma GCC unroll 4
        for (int i = 0; i < T; i++)
            sums[k][i] = (base ? *base : sums[k][i]) + result_of(o[i], k, i);
    }
}

static void output(const struct rn_int8_wino_sums *s,
                   const struct rn_int8_place *at, void *to)
{
    size_t number = s->out.wide ? sizeof(float) : 1;
    char *y = (char *)to +
              ((size_t)at->y * (size_t)at->w + (size_t)at->x) * B * number;
    veci sums[T][T], base, correction;

    memcpy(&base, s->out.start, sizeof(base));
    memcpy(&correction, s->correction, sizeof(correction));
    base += correction;
    add_part(s->m, s->m_point, &base, sums);
    for (size_t i = 1; i < s->parts; i++)
        add_part(s->m + i * RN_INT8_POINTS * s->m_point, s->m_point, NULL,
                 sums);
    for (int k = 0; k < at->rows; k++, y += (size_t)at->w * B * number) {
        if (at->columns == T)
            finish(T, &s->out, 0, sums[k], y);
        else
            for (int i = 0; i < at->columns; i++)
                finish(1, &s->out, 0, sums[k] + i, y + (size_t)i * B * number);
    }
}

/* -------------------------------------------------------- matrix products */

INLINE word two_at(const int16_t *w)
{
    word v;

    memcpy(&v, w, sizeof(v));
    return v;
}

/* Pairs of 16-bit numbers. */
INLINE word dot(word sum, uint32_t x, word w)
{
#ifdef WORDS_DOT
    return (word)WORDS_DOT(sum, x, w);
#elif defined(BYTES_MADD)
    return sum + (word)BYTES_MADD(x, w);
#else
    sum += (uint32_t)(int16_t)x * (word)((veci)(w << 16) >> 16);
    return sum + (uint32_t)((int32_t)x >> 16) * (word)((veci)w >> 16);
#endif
}

INLINE void multiply_strip(int tiles, int outs,
                           const struct rn_int8_wino_product *p)
{
    word a[STRIP], b[STRIP];
    const int16_t *v = p->v, *u = p->u;
    struct rn_ahead ahead = p->ahead;

#pragma GCC unroll 16
    for (int t = 0; t < tiles; t++)
        a[t] = b[t] = (word){0};
    for (size_t c = 0; c < p->blocks; c++, v += p->v_block) {
        fetch_weights(&ahead);
#pragma GCC unroll 4
        for (int i = 0; i < B / 2; i++, u += 4 * B) {
            word u0 = two_at(u), u1 = outs == 2 ? two_at(u + 2 * B) : u0;
#pragma GCC unroll 16
            for (int t = 0; t < tiles; t++) {
                uint32_t x;

                memcpy(&x, v + t * B + 2 * i, sizeof(x));
                a[t] = dot(a[t], x, u0);
                if (outs == 2)
                    b[t] = dot(b[t], x, u1);
            }
        }
    }
#pragma GCC unroll 16
    for (int t = 0; t < tiles; t++) {
        memcpy(p->m + t * B, &a[t], sizeof(a[t]));
        if (outs == 2)
            memcpy(p->m + p->m_block + t * B, &b[t], sizeof(b[t]));
    }
}

LENGTHS(product, multiply_strip, struct rn_int8_wino_product);

static void multiply(int tiles, int outs, const struct rn_int8_wino_product *p)
{
    product_lengths[outs - 1][tiles - 1](p);
}

extern const struct rn_int8_wino_kernels RN_INT8_WINO_KERNELS_NAME;
const struct rn_int8_wino_kernels RN_INT8_WINO_KERNELS_NAME = {
    .input = input,
    .weights = weights,
    .multiply = multiply,
    .output = output,
    .strip = STRIP,
#ifdef BYTES_DOT
    .name = "winograd int8 4x4 vnni",
#else
    .name = "winograd int8 4x4",
#endif
};
