/* SPDX-License-Identifier: BSD-2-Clause */
/* How convolutions' weights lie in the store. */
#include "ops/conv/weights.h"

#include "core/dtype.h"
#include "core/threads.h"
#include "ops/conv/pair_kernels.h"
#include "ops/layout.h"
#include "ops/shares.h"

#include <math.h>
#include <string.h>

size_t rn_conv_weights_count(int oc, int ic, struct rn_window window,
                             bool plain_input)
{
    return rn_channels_padded(oc) *
           (plain_input ? (size_t)ic : rn_channels_padded(ic)) *
           (size_t)window.kh * (size_t)window.kw;
}

/* Plain OIHW weights and the store's, block by block. */
struct weights_walk {
    size_t oc, ic, taps, block, in_blocks;
    bool plain;
};

static struct weights_walk walk_of(int oc, int ic, struct rn_window window,
                                   bool plain)
{
    size_t block = (size_t)rn_block();

    return (struct weights_walk){
        (size_t)oc,
        (size_t)ic,
        (size_t)window.kh * (size_t)window.kw,
        block,
        plain ? 1 : rn_channels_padded(ic) / block,
        plain,
    };
}

static size_t blocks_of(const struct weights_walk *w)
{
    return (w->oc + w->block - 1) / w->block * w->in_blocks;
}

/* Block number `at`: up to B output channels by up to B input channels, or
 * by all of a plain input. */
static void copy_block(const struct weights_walk *w, size_t at, float *oihw,
                       float *store, bool to_store)
{
    size_t b = w->block, o0 = at / w->in_blocks * b;
    size_t i0 = at % w->in_blocks * b, inputs = w->plain ? w->ic : b;
    size_t outs = w->oc - o0 < b ? w->oc - o0 : b;
    size_t ins = w->ic - i0 < inputs ? w->ic - i0 : inputs;
    float *blocked = store + at * w->taps * inputs * b;

    if (to_store && (outs < b || ins < inputs))
        memset(blocked, 0, w->taps * inputs * b * sizeof(*blocked));
    for (size_t o = 0; o < outs; o++) {
        float *row = oihw + ((o0 + o) * w->ic + i0) * w->taps;

        for (size_t i = 0; i < ins; i++)
            for (size_t k = 0; k < w->taps; k++) {
                float *to = &blocked[(k * inputs + i) * b + o];
                float *plain = &row[i * w->taps + k];

                if (to_store)
                    *to = *plain;
                else
                    *plain = *to;
            }
    }
}

void rn_conv_weights_to_store(const float *oihw, float *store, int oc, int ic,
                              struct rn_window window, bool plain_input)
{
    struct weights_walk w = walk_of(oc, ic, window, plain_input);

    for (size_t i = 0; i < blocks_of(&w); i++)
        copy_block(&w, i, (float *)oihw, store, true);
}

void rn_conv_weights_from_store(const float *store, float *oihw, int oc, int ic,
                                struct rn_window window, bool plain_input)
{
    struct weights_walk w = walk_of(oc, ic, window, plain_input);

    for (size_t i = 0; i < blocks_of(&w); i++)
        copy_block(&w, i, oihw, (float *)store, false);
}

void rn_conv_weights_pack(const float *oihw, float *store, int oc, int ic,
                          struct rn_window window, bool plain_input,
                          int threads)
{
    struct weights_walk w = walk_of(oc, ic, window, plain_input);
#pragma omp parallel for num_threads(threads)
    for (size_t i = 0; i < blocks_of(&w); i++)
        copy_block(&w, i, (float *)oihw, store, true);
}

/* Block number `at` of [oc / B][taps][ic / B] in pairs. */
static void pair_block(const struct weights_walk *w, size_t at,
                       const float *oihw, uint16_t *to)
{
    size_t b = w->block, i0 = at % w->in_blocks * b;
    size_t tap = at / w->in_blocks % w->taps;
    size_t o0 = at / w->in_blocks / w->taps * b;

    for (size_t i = 0; i < b; i++)
        for (size_t o = 0; o < b; o++) {
            bool inside = o0 + o < w->oc && i0 + i < w->ic;
            size_t from = ((o0 + o) * w->ic + i0 + i) * w->taps + tap;

            to[(i / 2 * b + o) * 2 + i % 2] =
                inside ? rn_bf16_of(oihw[from]) : 0;
        }
}

void rn_conv_weights_pack_pairs(const float *oihw, uint16_t *packed, int oc,
                                int ic, struct rn_window window, int threads)
{
    struct weights_walk w = walk_of(oc, ic, window, false);
#pragma omp parallel for num_threads(threads)
    for (size_t i = 0; i < blocks_of(&w) * w.taps; i++)
        pair_block(&w, i, oihw, packed + i * w.block * w.block);
}

void rn_conv_weights_store_to_pairs(const float *store, uint16_t *packed,
                                    int oc, int ic, struct rn_window window,
                                    int threads)
{
    const struct rn_pair_kernels *k = rn_pair_kernels_get();
    struct weights_walk w = walk_of(oc, ic, window, false);
    size_t square = w.block * w.block, row = w.in_blocks * w.taps;
#pragma omp parallel num_threads(threads)
    for (struct rn_range r = rn_share_mine(blocks_of(&w) * w.taps);
         r.begin < r.end; r.begin++) {
        size_t i = r.begin;
        size_t out = i / row, tap = i % row / w.in_blocks;
        size_t from = (out * w.in_blocks + i % w.in_blocks) * w.taps + tap;

        k->pack(store + from * square, 2 * w.block, packed + i * square);
    }
}

enum { BLOCK_MOST = 16 };

/* Where the weight of input i and tap k lies in a block of outputs; that of the
 * next output is the next. */
static size_t weight_at(const struct weights_walk *w, size_t i, size_t k)
{
    size_t inputs = w->plain ? w->ic : w->block;

    return ((i / inputs * w->taps + k) * inputs + i % inputs) * w->block;
}

/* The weights of a block of outputs. */
static void limit_block(const struct weights_walk *w, float most, float *from)
{
    double squares[BLOCK_MOST] = {0};
    float factors[BLOCK_MOST];

    for (size_t i = 0; i < w->ic; i++)
        for (size_t k = 0; k < w->taps; k++) {
            const float *at = from + weight_at(w, i, k);

            for (size_t o = 0; o < w->block; o++)
                squares[o] += (double)at[o] * (double)at[o];
        }
    for (size_t o = 0; o < w->block; o++) {
        double norm = sqrt(squares[o]);

        factors[o] = norm > (double)most ? (float)((double)most / norm) : 1;
    }
    for (size_t i = 0; i < w->ic; i++)
        for (size_t k = 0; k < w->taps; k++) {
            float *at = from + weight_at(w, i, k);

            for (size_t o = 0; o < w->block; o++)
                at[o] *= factors[o];
        }
}

void rn_conv_weights_limit(float *store, int oc, int ic,
                           struct rn_window window, bool plain_input,
                           float most, int threads)
{
    struct weights_walk w = walk_of(oc, ic, window, plain_input);
    size_t outs = blocks_of(&w) / w.in_blocks;
    size_t each = rn_conv_weights_count(oc, ic, window, plain_input) / outs;
#pragma omp parallel num_threads(threads)
    {
        /* Ranks update inside of a plan's run, one process outside. */
        unsigned mode = rn_float_mode_plain();

        for (struct rn_range r = rn_share_mine(outs); r.begin < r.end;
             r.begin++)
            limit_block(&w, most, store + r.begin * each);
        rn_float_mode_restore(mode);
    }
}
