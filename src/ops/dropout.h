/* SPDX-License-Identifier: BSD-2-Clause */
/* Dropout: numbers set to zero by chance. */
#ifndef RN_OPS_DROPOUT_H
#define RN_OPS_DROPOUT_H

#include "core/random.h"
#include "ops/elementwise.h"

struct rn_dropout {
    struct rn_random_key key;
    uint64_t first; /* index of the batch's first random numbers; an image
                       takes as many as a quarter of its numbers */
    float rate;     /* 0 to less than 1 */
};

/** y = x / (1 - rate), or 0 with probability `rate`; number i of an image, in
 *  the order [c][h][w], draws the image's i-th random number. The gradient goes
 *  the same way back. y may be x. */
void rn_dropout(const struct rn_dropout *dropout, int n, struct rn_shape shape,
                int threads, const float *x, float *y);

#endif
