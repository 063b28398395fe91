/* SPDX-License-Identifier: BSD-2-Clause */
/* Stochastic gradient descent with momentum, in the form of the paper's
 * released solver: the learning rate is inside the momentum. */
#include "train/optimiser.h"

enum { MOMENTUM };

void rn_optimiser_momentum(const struct rn_slice *r, const double *option,
                           long step)
{
    float *restrict value = r->value, *restrict velocity = r->state[0];
    const float *restrict grad = r->grad;
    float keep = (float)option[MOMENTUM], lr = r->lr, decay = r->decay;

    (void)step;
    for (size_t i = 0; i < r->count; i++) {
        float v = keep * velocity[i] + lr * (grad[i] + decay * value[i]);

        velocity[i] = v;
        value[i] -= v;
    }
}

const struct rn_optimiser rn_optimiser_sgd = {
    .name = "sgd",
    .rate = 1,
    .states = {"momentum"},
    .options = {RN_OPTIMISER_OPTION(momentum, 0)},
    .update = rn_optimiser_momentum,
};
