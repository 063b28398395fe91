/* SPDX-License-Identifier: BSD-2-Clause */
/* How many elements an array has. */
#ifndef RN_CORE_COUNT_H
#define RN_CORE_COUNT_H

#include <stddef.h>

/** Of an array, not of a pointer. */
#define COUNT(a) (sizeof(a) / sizeof(*(a)))

#endif
