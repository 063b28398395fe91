/* SPDX-License-Identifier: BSD-2-Clause */
#include "ops/loss.h"

#include <math.h>

static int largest(const float *logits, int classes)
{
    int best = 0;

    for (int i = 1; i < classes; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

/* log of the sum of exponentials, about the largest. */
static double log_sum(const float *logits, int classes, float top)
{
    double sum = 0;

    for (int i = 0; i < classes; i++)
        sum += exp((double)logits[i] - (double)top);
    return (double)top + log(sum);
}

/* What image k is to be, as a share of class i. */
static double target_of(const struct rn_targets *t, int k, int i, int classes)
{
    double off = (double)t->smoothing / classes, on = 1 - (double)t->smoothing;
    double share = t->share ? (double)t->share[k] : 1.0;

    if (i == t->labels[k])
        off += on * share;
    if (t->share && i == t->others[k])
        off += on * (1 - share);
    return off;
}

/* What image k counts. */
static double weight_of(const struct rn_targets *t, int k)
{
    double share = t->share ? (double)t->share[k] : 1.0;

    if (!t->class_weights)
        return 1;
    if (!t->share)
        return (double)t->class_weights[t->labels[k]];
    return share * (double)t->class_weights[t->labels[k]] +
           (1 - share) * (double)t->class_weights[t->others[k]];
}

struct rn_loss rn_softmax_loss(int n, int classes, size_t stride,
                               const float *logits,
                               const struct rn_targets *targets, float *diff)
{
    struct rn_loss loss = {0, 0};

    for (int k = 0; k < n; k++, logits += stride, diff += stride) {
        int best = largest(logits, classes);
        double all = log_sum(logits, classes, logits[best]);
        double weight = weight_of(targets, k);

        loss.errors += best != targets->labels[k];
        for (int i = 0; i < classes; i++) {
            double log_p = (double)logits[i] - all;
            double target = target_of(targets, k, i, classes);

            if (target > 0)
                loss.sum -= weight * target * log_p;
            diff[i] = (float)(weight * (exp(log_p) - target) / n);
        }
        for (size_t i = (size_t)classes; i < stride; i++)
            diff[i] = 0;
    }
    return loss;
}
