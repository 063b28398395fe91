/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RN_CORE_AVAILABLE_H
#define RN_CORE_AVAILABLE_H

#include <stdint.h>

/** Bytes of memory that this process may still take without swapping: what
 *  the system says is available, or what its control group (v1, v2) leaves
 *  when that is less. UINT64_MAX when neither can be told. */
uint64_t rn_memory_available(void);

#endif
