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

/** Outputs [begin, end) along one side whose input at a tap is inside. */
struct rn_span {
    int begin, end;
};

static inline struct rn_span rn_span_of(int tap, int in, int out,
                                        const struct rn_window *w)
{
    int before = w->pad - tap, last = in - 1 + w->pad - tap;
    struct rn_span s = {before <= 0 ? 0 : (before + w->stride - 1) / w->stride,
                        last < 0 ? 0 : last / w->stride + 1};
    if (s.end > out)
        s.end = out;
    if (s.begin > s.end)
        s.begin = s.end;
    return s;
}

#endif
