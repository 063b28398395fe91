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

/** log of the sum of exponentials, about the largest. */
static double log_sum(const float *logits, int classes, float top)
{
    double sum = 0;
    for (int i = 0; i < classes; i++)
        sum += exp((double)logits[i] - (double)top);
    return (double)top + log(sum);
}

struct rn_loss rn_softmax_loss(int n, int classes, size_t stride,
                               const float *logits, const int32_t *labels,
                               float smoothing, float *diff)
{
    struct rn_loss loss = {0, 0};
    double off = (double)smoothing / classes, on = 1 - (double)smoothing + off;
    for (int k = 0; k < n; k++, logits += stride, diff += stride) {
        int best = largest(logits, classes);
        double all = log_sum(logits, classes, logits[best]);
        loss.errors += best != labels[k];
        for (int i = 0; i < classes; i++) {
            double log_p = (double)logits[i] - all;
            double target = i == labels[k] ? on : off;
            if (target > 0)
                loss.sum -= target * log_p;
            diff[i] = (float)((exp(log_p) - target) / n);
        }
        for (size_t i = (size_t)classes; i < stride; i++)
            diff[i] = 0;
    }
    return loss;
}
