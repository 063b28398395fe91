/* SPDX-License-Identifier: BSD-2-Clause */
/* RMSProp (Tieleman and Hinton 2012), as in PyTorch: without momentum, epsilon
 * outside of the root. */
#include "train/optimiser.h"

#include <math.h>

enum { ALPHA, EPSILON };

/* g <- g + decay w; v <- alpha v + (1 - alpha) g^2; w <- w - lr g / root v */
static void update(const struct rn_slice *s, const double *option, long step)
{
    float *restrict value = s->value, *restrict square = s->state[0];
    const float *restrict grad = s->grad;
    float keep = (float)option[ALPHA], new = (float)(1 - option[ALPHA]);
    float epsilon = (float)option[EPSILON], lr = s->lr, decay = s->decay;

    (void)step;
    for (size_t i = 0; i < s->count; i++) {
        float g = grad[i] + decay * value[i];
        float v = keep * square[i] + new *g *g;

        square[i] = v;
        value[i] -= lr * g / (sqrtf(v) + epsilon);
    }
}

const struct rn_optimiser rn_optimiser_rmsprop = {
    .name = "rmsprop",
    .rate = 0.01,
    .states = {"rmsprop.square"},
    .options = {RN_OPTIMISER_OPTION(alpha, 0.99),
                RN_OPTIMISER_OPTION(epsilon, 1e-8)},
    .update = update,
};
