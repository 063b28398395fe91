/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts who holds a handle, so that it lives as long as somebody does. Any
 * thread may take and drop it at any time. */
#ifndef RN_CORE_HOLDERS_H
#define RN_CORE_HOLDERS_H

#include <stdatomic.h>
#include <stdbool.h>

/** Zeroed: one holder, the one who made the handle. */
struct rn_holders {
    atomic_int others;
};

static inline void rn_holders_add(struct rn_holders *holders)
{
    atomic_fetch_add_explicit(&holders->others, 1, memory_order_relaxed);
}

/** Whether that was the last holder: what others wrote is then seen. */
static inline bool rn_holders_drop(struct rn_holders *holders)
{
    return atomic_fetch_sub_explicit(&holders->others, 1,
                                     memory_order_acq_rel) == 0;
}

/** Whether there is one holder, who asks. */
static inline bool rn_holders_alone(const struct rn_holders *holders)
{
    return atomic_load_explicit(&holders->others, memory_order_acquire) == 0;
}

#endif
