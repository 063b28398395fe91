/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RN_OPS_LOSS_H
#define RN_OPS_LOSS_H

#include <stddef.h>
#include <stdint.h>

struct rn_loss {
    double sum; /* of cross-entropies, in nats */
    int errors; /* largest logit not the label's */
};

/** What the images of a batch are to be: (1 - s) of their label, or of two
 *  labels' mixture, and s / classes of every class. */
struct rn_targets {
    const int32_t *labels;      /* [n] */
    const int32_t *others;      /* [n] labels mixed in, used with share */
    const float *share;         /* [n] of `labels` in the mixture; NULL: 1 */
    const float *class_weights; /* [classes] what an image of each counts;
                                   NULL: 1 */
    float smoothing;            /* s */
};

/**
 * Softmax and cross-entropy against targets.
 *
 * @param logits [n][stride], the first `classes` count.
 * @param diff   out, [n][stride]: gradient of the mean loss, zero padding;
 *               may be logits.
 */
struct rn_loss rn_softmax_loss(int n, int classes, size_t stride,
                               const float *logits,
                               const struct rn_targets *targets, float *diff);

#endif
