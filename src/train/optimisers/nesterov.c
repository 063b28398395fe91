/* SPDX-License-Identifier: BSD-2-Clause */
/* Nesterov's momentum, in PyTorch's and Caffe's form with the learning rate
 * inside: the step is the one that momentum would take next. */
#include "train/optimiser.h"

enum { MOMENTUM };

/* v <- momentum v + lr (g + decay w); w <- w - lr (g + decay w) - momentum v */
static void update(const struct rn_slice *s, const double *option, long step)
{
    float *restrict value = s->value, *restrict velocity = s->state[0];
    const float *restrict grad = s->grad;
    float keep = (float)option[MOMENTUM], lr = s->lr, decay = s->decay;

    (void)step;
    for (size_t i = 0; i < s->count; i++) {
        float change = lr * (grad[i] + decay * value[i]);
        float v = keep * velocity[i] + change;

        velocity[i] = v;
        value[i] -= change + keep * v;
    }
}

const struct rn_optimiser rn_optimiser_nesterov = {
    .name = "nesterov",
    .rate = 1,
    .states = {"nesterov.velocity"},
    .options = {RN_OPTIMISER_OPTION(momentum, 0)},
    .update = update,
};
