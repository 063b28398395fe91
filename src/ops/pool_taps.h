/* SPDX-License-Identifier: BSD-2-Clause */
/* Which taps of a pool's window are on pixels, for the files that are compiled
 * once per instruction set. */
#ifndef RN_OPS_POOL_TAPS_H
#define RN_OPS_POOL_TAPS_H

#include "ops/pool_kernels.h"
#include "ops/vector.h"

#include <stdint.h>

/** Taps begin..end-1 of a window are on pixels, the first of them on pixel
 *  `first`; `counted` taps are on pixels or padding. */
struct taps {
    int begin, end, first, counted;
};

INLINE struct taps taps_of(const struct rn_pool_axis *a, int window)
{
    int start = window * a->stride - a->before;
    struct taps t = {0, a->taps, 0, a->taps};

    if (a->shared) {
        int64_t first = (int64_t)window * a->size / a->windows;
        int64_t end =
            ((window + (int64_t)1) * a->size + a->windows - 1) / a->windows;

        return (struct taps){0, (int)(end - first), (int)first,
                             (int)(end - first)};
    }
    if (start < 0)
        t.begin = (-start + a->step - 1) / a->step;
    while (t.end > t.begin && start + (t.end - 1) * a->step >= a->size)
        t.end--;
    while (start + (t.counted - 1) * a->step >= a->size + a->after)
        t.counted--;
    t.first = start + t.begin * a->step;
    return t;
}

#endif
