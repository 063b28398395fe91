/* SPDX-License-Identifier: BSD-2-Clause */
/* The inner loop of Gram matrices. gram_kernels.c is compiled once per
 * instruction set. */
#ifndef RN_OPS_GRAM_KERNELS_H
#define RN_OPS_GRAM_KERNELS_H

#include <stddef.h>

enum {
    RN_GRAM_PANEL = 24, /* numbers of a row that lie side by side */
    RN_GRAM_TILE = 4    /* of these that are multiplied with a whole panel */
};

struct rn_gram_kernels {
    /** sums[i][k], over `count` rows of two panels, of a[i] * b[k]. */
    void (*tile)(size_t count, const double *a, const double *b,
                 double sums[RN_GRAM_TILE][RN_GRAM_PANEL]);
};

/** For rn_isa(). */
const struct rn_gram_kernels *rn_gram_kernels_get(void);

#endif
