/* SPDX-License-Identifier: BSD-2-Clause */
/* The gradient of a bias: the outputs' gradients, summed. */
#include "ops/conv/algorithm.h"

#include "ops/conv/direct_kernels.h"
#include "ops/conv/pair_kernels.h"
#include "ops/window.h"

#include <stdint.h>

static size_t out_blocks(const struct rn_conv_config *c)
{
    return rn_channels_padded(c->out.c) / (size_t)rn_block();
}

static void sum_f32(const struct rn_conv_config *c,
                    const struct rn_conv_args *a, size_t at)
{
    size_t block = (size_t)rn_block(), pixels = rn_shape_pixels(c->out);
    const struct rn_pixels p = {
        .dy = (const float *)a->diff_dst + at * pixels * block,
        .images = (size_t)c->n,
        .rows = 1,
        .columns = pixels,
        .dy_image = out_blocks(c) * pixels * block,
    };

    rn_direct_kernels_get()->bias(&p, a->diff_bias + at * block);
}

static void sum_bf16(const struct rn_conv_config *c,
                     const struct rn_conv_args *a, size_t at)
{
    size_t block = (size_t)rn_block(), pixels = rn_shape_pixels(c->out);
    const uint16_t *dy = (const uint16_t *)a->diff_dst + at * pixels * block;

    for (size_t n = 0; n < (size_t)c->n; n++)
        rn_pair_kernels_get()->sum(dy + n * out_blocks(c) * pixels * block,
                                   pixels, n == 0, a->diff_bias + at * block);
}

void rn_conv_bias_gradient(const struct rn_conv_config *c,
                           const struct rn_conv_args *a, int me, int team)
{
    struct rn_range r;

    if (!c->bias)
        return;
    r = rn_share_of(out_blocks(c), me, team);
    for (size_t i = r.begin; i < r.end; i++)
        (c->output == RN_BF16 ? sum_bf16 : sum_f32)(c, a, i);
}

void rn_conv_bias_gradient_shares(const struct rn_conv_config *c,
                                  struct rn_shares *shares)
{
    double numbers =
        (double)c->n * (double)rn_shape_pixels(c->out) * (double)rn_block();

    if (c->bias)
        rn_shares_even(shares, out_blocks(c),
                       numbers * (double)rn_dtype_bytes(c->output) *
                           RN_COST_OF_BYTE);
}
