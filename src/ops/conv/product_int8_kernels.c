/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled once per instruction set, like kernels.c, but without contracting
 * products and sums of float32: all sets have the same bits. */
#include "ops/conv/product_int8_kernels.h"

#include "ops/bytes.h"
#include "ops/conv/int8_out.h"
#include "ops/conv/strip.h"

/* Groups of four channels in a block. */
enum { GROUPS = B / 4 };

/** Weights of four input channels for a block of outputs, as dot() reads them.
 */
#ifdef BYTES_DOT
typedef vecq four;

INLINE four weights_at(const int8_t *w)
{
    vecq q;

    memcpy(&q, w, sizeof(q));
    return q;
}

INLINE veci dot(veci sum, uint32_t x, four w)
{
    return BYTES_DOT(sum, x, w);
}
#elif defined(BYTES_MADD)
/* Channels 0 and 2, and 1 and 3, widened to 16 bits. */
typedef struct {
    veci even, odd;
} four;

INLINE four weights_at(const int8_t *w)
{
    vecw v;

    memcpy(&v, w, sizeof(v));
    return (four){(veci)(v << 8 >> 8), (veci)(v >> 8)};
}

INLINE veci dot(veci sum, uint32_t x, four w)
{
    sum += BYTES_MADD(x & 0x00ff00ffu, w.even);
    return sum + BYTES_MADD(x >> 8 & 0x00ff00ffu, w.odd);
}
#else
typedef veci four;

INLINE four weights_at(const int8_t *w)
{
    veci v;

    memcpy(&v, w, sizeof(v));
    return v;
}

INLINE veci dot(veci sum, uint32_t x, four w)
{
    sum += (int32_t)(x & 255) * (w << 24 >> 24);
    sum += (int32_t)(x >> 8 & 255) * (w << 16 >> 24);
    sum += (int32_t)(x >> 16 & 255) * (w << 8 >> 24);
    return sum + (int32_t)(x >> 24) * (w >> 24);
}
#endif

INLINE void start(int pixels, const int32_t *from, veci sums[STRIP])
{
    veci first;

    memcpy(&first, from, sizeof(first));
#pragma GCC unroll 16
    for (int t = 0; t < pixels; t++)
        sums[t] = first;
}

/* Some groups of channels of one block. */
INLINE void add_groups(int pixels, int outs, int first, int end,
                       const uint8_t *x, const int8_t *w, size_t w_block,
                       veci a[STRIP], veci b[STRIP])
{
    w += first * 4 * B;
#pragma GCC unroll 4
    for (int i = first; i < end; i++, w += 4 * B) {
        four w0 = weights_at(w), w1 = outs == 2 ? weights_at(w + w_block) : w0;
#pragma GCC unroll 16
        for (int t = 0; t < pixels; t++) {
            uint32_t v;

            memcpy(&v, x + t * B + 4 * i, sizeof(v));
            a[t] = dot(a[t], v, w0);
            if (outs == 2)
                b[t] = dot(b[t], v, w1);
        }
    }
}

INLINE void sum_products(int pixels, int outs, const struct rn_int8_strip *s,
                         veci a[STRIP], veci b[STRIP])
{
    const uint8_t *x = s->x;
    const int8_t *w = s->w;
    struct rn_ahead ahead = s->ahead;
    size_t whole = s->row_taps;

    for (size_t c = 0; c < s->blocks; c++, x += s->x_block)
        for (size_t k = 0; k < s->n_taps; k++, w += B * B) {
            const uint8_t *at = x + s->taps[k];

            fetch_weights(&ahead);
            add_groups(pixels, outs, 0, GROUPS - 1, at, w, s->w_block, a, b);
            if (--whole == 0) {
                whole = s->row_taps;
                continue;
            }
            add_groups(pixels, outs, GROUPS - 1, GROUPS, at, w, s->w_block, a,
                       b);
        }
}

INLINE void multiply_strip(int pixels, int outs, const struct rn_int8_strip *s)
{
    veci a[STRIP], b[STRIP];

    start(pixels, s->out.start, a);
    if (outs == 2)
        start(pixels, s->out.start + B, b);
    sum_products(pixels, outs, s, a, b);
    finish(pixels, &s->out, 0, a, s->y);
    if (outs == 2)
        finish(pixels, &s->out, B, b, (char *)s->y + s->y_block);
}

LENGTHS(product, multiply_strip, struct rn_int8_strip);

static void multiply(int pixels, int outs, const struct rn_int8_strip *s)
{
    product_lengths[outs - 1][pixels - 1](s);
}

extern const struct rn_int8_product_kernels RN_INT8_PRODUCT_KERNELS_NAME;
const struct rn_int8_product_kernels RN_INT8_PRODUCT_KERNELS_NAME = {
    .multiply = multiply,
    .strip = STRIP,
#ifdef BYTES_DOT
    .name = "product int8 vnni",
#else
    .name = "product int8",
#endif
};
