/* SPDX-License-Identifier: BSD-2-Clause */
/* What becomes of sums of products of bytes: struct rn_int8_out, for the files
 * that are compiled once per instruction set. */
#ifndef RN_OPS_CONV_INT8_OUT_H
#define RN_OPS_CONV_INT8_OUT_H

#include "ops/bytes.h"
#include "ops/conv/product_int8_kernels.h"

/* With constants for the switches, loops have no tests in them. */
INLINE void narrow_out(int pixels, const struct rn_int8_out *o, bool add,
                       bool between, size_t channel, const veci *sums,
                       uint8_t *y)
{
    vec scale = load(o->scale + channel), bias = load(o->bias + channel);
    vec other = fill(o->sum_scale), low = fill(o->low);
    vec own = fill(o->own_scale), shift = fill(o->own_shift);

#pragma GCC unroll 16
    for (int t = 0; t < pixels; t++) {
        vec v = __builtin_convertvector(sums[t], vec) * scale + bias;

        if (between)
            v = bytes_round(v, fill(0)) * own + shift;
        if (add)
            v += bytes_get(y + t * B) * other;
        bytes_put(y + t * B, v, low);
    }
}

INLINE void wide_out(int pixels, const struct rn_int8_out *o, size_t channel,
                     const veci *sums, float *y)
{
    vec scale = load(o->scale + channel), bias = load(o->bias + channel);

#pragma GCC unroll 16
    for (int t = 0; t < pixels; t++) {
        vec v = __builtin_convertvector(sums[t], vec) * scale + bias;

        if (o->add)
            v += load(y + t * B);
        store(y + t * B, o->relu ? relu_of(v) : v);
    }
}

/** The sums of neighbouring pixels, of a block of channels that begins with
 *  `channel`. */
INLINE void finish(int pixels, const struct rn_int8_out *o, size_t channel,
                   const veci *sums, void *y)
{
    if (o->wide)
        wide_out(pixels, o, channel, sums, y);
    else if (o->between)
        narrow_out(pixels, o, true, true, channel, sums, y);
    else if (o->add)
        narrow_out(pixels, o, true, false, channel, sums, y);
    else
        narrow_out(pixels, o, false, false, channel, sums, y);
}

#endif
