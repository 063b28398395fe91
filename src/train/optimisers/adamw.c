/* SPDX-License-Identifier: BSD-2-Clause */
/* AdamW: Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and
 * Hutter 2019), which scales with the learning rate as in PyTorch. */
#include "train/optimiser.h"

#include <math.h>

enum { BETA1, BETA2, EPSILON };

/* m <- beta1 m + (1 - beta1) g; v <- beta2 v + (1 - beta2) g^2; both are
 * averages that began at 0, and so too small by 1 - beta^step. */
static void update(const struct rn_slice *s, const double *option, long step)
{
    float *restrict value = s->value;
    float *restrict mean = s->state[0], *restrict square = s->state[1];
    const float *restrict grad = s->grad;
    double whole1 = 1 - pow(option[BETA1], (double)step);
    double whole2 = 1 - pow(option[BETA2], (double)step);
    float new1 = (float)(1 - option[BETA1]), new2 = (float)(1 - option[BETA2]);
    float beta2 = (float)option[BETA2], epsilon = (float)option[EPSILON];
    float rate = (float)((double)s->lr / whole1);
    float root = (float)(1 / sqrt(whole2)), keep = 1 - s->lr * s->decay;

    for (size_t i = 0; i < s->count; i++) {
        float m = mean[i] + new1 * (grad[i] - mean[i]);
        float v = beta2 * square[i] + new2 * grad[i] * grad[i];

        mean[i] = m;
        square[i] = v;
        value[i] = keep * value[i] - rate * m / (sqrtf(v) * root + epsilon);
    }
}

const struct rn_optimiser rn_optimiser_adamw = {
    .name = "adamw",
    .rate = 0.01,
    .states = {"adamw.mean", "adamw.square"},
    .options = {RN_OPTIMISER_OPTION(beta1, 0.9),
                RN_OPTIMISER_OPTION(beta2, 0.999),
                RN_OPTIMISER_OPTION(epsilon, 1e-8)},
    .update = update,
};
