/* SPDX-License-Identifier: BSD-2-Clause */
/* Squared hinge loss (Tang 2013): a margin of 1 on the right side of 0 for each
 * class against the others. The mean over the classes, as in Keras. */
#include "ops/loss.h"

#include <math.h>

static void image(const struct rn_loss_image *m, double *sum)
{
    double part = m->weight / m->classes;

    for (int i = 0; i < m->classes; i++) {
        double x = (double)m->logits[i];
        double side = rn_target(m->targets, m->k, i, m->classes) > 0.5 ? 1 : -1;
        double lack = fmax(0, 1 - side * x);

        if (isnan(x))
            lack = x;
        *sum += part * lack * lack;
        m->diff[i] = (float)(part * -2 * side * lack / m->n);
    }
}

const struct rn_loss_rule rn_loss_squared_hinge = {
    .name = "squared-hinge",
    .output = RN_OUTPUT_LOGITS,
    .image = image,
};
