/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RN_OPS_LOSS_H
#define RN_OPS_LOSS_H

#include <stddef.h>
#include <stdint.h>

struct rn_loss {
    double sum; /* of cross-entropies, in nats */
    int errors; /* largest logit not the label's */
};

/**
 * Softmax and cross-entropy against (1 - s) one-hot + s / classes.
 *
 * @param logits [n][stride], the first `classes` count.
 * @param diff   out, [n][stride]: gradient of the mean loss, zero padding;
 *               may be logits.
 */
struct rn_loss rn_softmax_loss(int n, int classes, size_t stride,
                               const float *logits, const int32_t *labels,
                               float smoothing, float *diff);

#endif
