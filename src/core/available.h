/* SPDX-License-Identifier: BSD-2-Clause */
/* How much memory this process can still take. */
#ifndef RN_CORE_AVAILABLE_H
#define RN_CORE_AVAILABLE_H

#include <stdint.h>

/** Bytes of memory that this process may still take without swapping: what
 *  the system says is available, or what its control group (v1, v2) or one
 *  above it leaves when that is less. UINT64_MAX when neither can be told.
 *  `root` is "" or a folder that stands in for "/" (tests). */
uint64_t rn_memory_available(const char *root);

#endif
