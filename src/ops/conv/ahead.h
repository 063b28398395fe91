/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * Weights on their way while others are in use: in inference with few images
 * they come from memory, and the time is theirs unless asked for early.
 */
#ifndef RN_OPS_CONV_AHEAD_H
#define RN_OPS_CONV_AHEAD_H

#include <stddef.h>

/** Bytes of a cache line. */
enum { RN_LINE = 64 };

/** For every block of inputs a strip goes through, `lines` cache lines of
 *  each of two blocks of outputs. */
struct rn_ahead {
    const char *at[2];
    int lines;
};

/* A panel is [2][blocks][block of weights], its halves `half` bytes apart, a
 * block of weights `bytes` long: what strip number `i` of `strips` fetches of
 * it. */
static inline struct rn_ahead rn_ahead_of(const void *panel, size_t half,
                                          size_t blocks, size_t bytes, size_t i,
                                          size_t strips)
{
    size_t all = bytes / RN_LINE;
    size_t lines = (all + strips - 1) / strips;
    const char *at = (const char *)panel + i * lines * RN_LINE * blocks;

    if (i * lines >= all)
        return (struct rn_ahead){{NULL, NULL}, 0};
    return (struct rn_ahead){{at, at + half}, (int)lines};
}

#endif
