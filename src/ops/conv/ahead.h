/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * Weights on their way while others are in use: in inference with few images
 * they come from memory, and the time is theirs unless asked for early.
 */
#ifndef RN_OPS_CONV_AHEAD_H
#define RN_OPS_CONV_AHEAD_H

#include <stddef.h>

/** Floats of a cache line. */
enum { RN_LINE = 16 };

/** For every block of inputs a strip goes through, `lines` cache lines of
 *  each of two blocks of outputs. */
struct rn_ahead {
    const float *at[2];
    int lines;
};

/* A panel is [2][blocks][block][block], its halves `half` floats apart: what
 * strip number `i` of `strips` fetches of it. */
static inline struct rn_ahead rn_ahead_of(const float *panel, size_t half,
                                          size_t blocks, size_t block, size_t i,
                                          size_t strips)
{
    size_t all = block * block / RN_LINE;
    size_t lines = (all + strips - 1) / strips;
    const float *at = panel + i * lines * RN_LINE * blocks;

    if (i * lines >= all)
        return (struct rn_ahead){{NULL, NULL}, 0};
    return (struct rn_ahead){{at, at + half}, (int)lines};
}

#endif
