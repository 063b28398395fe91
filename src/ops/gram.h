/* SPDX-License-Identifier: BSD-2-Clause */
/* Gram matrices: sums, over many rows, of the products that a row's numbers
 * have with each other. */
#ifndef RN_OPS_GRAM_H
#define RN_OPS_GRAM_H

#include <stddef.h>

/** Most rows at a time: a panel of them fits a core's nearest cache. */
enum { RN_GRAM_ROWS = 128 };

/** Numbers that rn_gram_add() needs room for, of rows of n. */
size_t rn_gram_room(size_t n);

/**
 * sums[i][k] += rows[r][i] * rows[r][k], summed over r, for k <= i; what lies
 * above the diagonal is nothing. The same bits on any number of threads.
 *
 * @param rows   [count][n], at most RN_GRAM_ROWS
 * @param room   rn_gram_room(n) numbers
 * @param sums   [n][n]
 */
void rn_gram_add(const double *rows, size_t count, size_t n, double *room,
                 double *sums, int threads);

#endif
