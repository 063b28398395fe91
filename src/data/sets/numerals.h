/* SPDX-License-Identifier: BSD-2-Clause */
/* Classes called by numbers: 2 comes before 10, and 007 is 7. */
#ifndef RN_DATA_SETS_NUMERALS_H
#define RN_DATA_SETS_NUMERALS_H

#include <stdbool.h>
#include <stddef.h>

/** The number that a text is, -1 when it is none: 1 to 18 digits. */
long rn_numeral(const char *text);
/** Whether each of the names is a number, and no two the same one. */
bool rn_numerals(char *const *names, size_t count);
/** Whether such names stand otherwise in the order of texts: 10 before 2. True,
 *  too, when memory does not suffice to tell. */
bool rn_numerals_two_orders(char *const *names, size_t count);
/** The order of such names, for qsort() and bsearch(). */
int rn_numerals_compare(const void *a, const void *b);

#endif
