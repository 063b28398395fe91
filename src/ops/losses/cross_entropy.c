/* SPDX-License-Identifier: BSD-2-Clause */
/* Softmax and cross-entropy: the loss of classes that exclude each other. */
#include "ops/loss.h"

#include <math.h>

static float largest(const float *logits, int classes)
{
    float best = logits[0];

    for (int i = 1; i < classes; i++)
        if (logits[i] > best)
            best = logits[i];
    return best;
}

/* About the largest. */
double rn_log_sum(const float *logits, int classes, double temperature)
{
    double top = (double)largest(logits, classes), sum = 0;

    for (int i = 0; i < classes; i++)
        sum += exp(((double)logits[i] - top) / temperature);
    return top / temperature + log(sum);
}

void rn_cross_entropy_image(const struct rn_loss_image *m, double *sum)
{
    double all = rn_log_sum(m->logits, m->classes, 1);

    for (int i = 0; i < m->classes; i++) {
        double log_p = (double)m->logits[i] - all;
        double target = rn_target(m->targets, m->k, i, m->classes);

        if (target > 0)
            *sum -= m->weight * target * log_p;
        m->diff[i] = (float)(m->weight * (exp(log_p) - target) / m->n);
    }
}

const struct rn_loss_rule rn_loss_cross_entropy = {
    .name = "cross-entropy",
    .output = RN_OUTPUT_LOGITS,
    .mixes = true,
    .smooths = true,
    .softens = true,
    .image = rn_cross_entropy_image,
};
