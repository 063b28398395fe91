/* SPDX-License-Identifier: BSD-2-Clause */
/** What regular windows (rn_window_regular()) see. */
#ifndef RN_OPS_WINDOW_H
#define RN_OPS_WINDOW_H

#include "graph/graph.h"

static inline size_t rn_divide_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static inline size_t rn_window_taps(const struct rn_window *w)
{
    return (size_t)w->kh * (size_t)w->kw;
}

#endif
