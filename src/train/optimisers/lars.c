/* SPDX-License-Identifier: BSD-2-Clause */
/* LARS (You, Gitman and Ginsburg 2017): gradient descent with momentum, where
 * each layer's learning rate goes by the norms of its weights and gradient. */
#include "train/optimiser.h"

enum { MOMENTUM, TRUST };

/* v <- momentum v + lr (g + decay w); w <- w - v, lr being the layer's own */
static void update(const struct rn_slice *s, const double *option, long step)
{
    float *restrict value = s->value, *restrict velocity = s->state[0];
    const float *restrict grad = s->grad;
    float keep = (float)option[MOMENTUM], lr = s->lr, decay = s->decay;

    (void)step;
    for (size_t i = 0; i < s->count; i++) {
        float v = keep * velocity[i] + lr * (grad[i] + decay * value[i]);

        velocity[i] = v;
        value[i] -= v;
    }
}

/* trust |w| / (|g| + decay |w|); a layer of zeros has no direction yet. */
static double factor(double weights, double gradient, double decay,
                     const double *option)
{
    double change = gradient + decay * weights;

    return weights > 0 && change > 0 ? option[TRUST] * weights / change : 1;
}

const struct rn_optimiser rn_optimiser_lars = {
    .name = "lars",
    .rate = 10,
    .states = {"lars.velocity"},
    .options = {RN_OPTIMISER_OPTION(momentum, 0),
                RN_OPTIMISER_OPTION(trust, 0.001)},
    .update = update,
    .factor = factor,
};
