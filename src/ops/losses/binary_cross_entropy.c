/* SPDX-License-Identifier: BSD-2-Clause */
/* Binary cross-entropy on sigmoids: each class by itself is there or not. The
 * mean over the classes, as in PyTorch. */
#include "ops/loss.h"

#include <math.h>

/* log(1 + exp(x)) - target x, without overflow. */
static double entropy(double x, double target)
{
    return fmax(x, 0) + log1p(exp(-fabs(x))) - target * x;
}

static void image(const struct rn_loss_image *m, double *sum)
{
    double part = m->weight / m->classes;

    for (int i = 0; i < m->classes; i++) {
        double x = (double)m->logits[i];
        double target = rn_target(m->targets, m->k, i, m->classes);

        *sum += part * entropy(x, target);
        m->diff[i] = (float)(part * (1 / (1 + exp(-x)) - target) / m->n);
    }
}

const struct rn_loss_rule rn_loss_binary_cross_entropy = {
    .name = "binary-cross-entropy",
    .output = RN_OUTPUT_INDEPENDENT_LOGITS,
    .sets = true,
    .mixes = true,
    .image = image,
};
