/* SPDX-License-Identifier: BSD-2-Clause */
/* Libraries that are loaded when they are first needed: with all that they load
 * in turn, some take longer than a short command does. */
#ifndef RN_CORE_LATE_H
#define RN_CORE_LATE_H

#include <stdbool.h>
#include <stddef.h>

struct rn_late_function {
    const char *name;
    void *pointer; /* to the pointer that receives its address */
};

struct rn_late {
    const char *library; /* "libheif.so.1" */
    const struct rn_late_function *functions;
    size_t count;
    bool loaded;
};

/** Load it, unless that was done, for good. NULL, or why it cannot be: a text
 *  that lives until the thread's next call. Threads may call at once. */
const char *rn_late_load(struct rn_late *late);

#endif
