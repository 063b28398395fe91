/* SPDX-License-Identifier: BSD-2-Clause */
/* LARS (You, Gitman and Ginsburg 2017): gradient descent with momentum, where
 * each layer's learning rate goes by the norms of its weights and gradient. */
#include "train/optimiser.h"

/* The slice's rate is the layer's own. */
enum { MOMENTUM, TRUST };

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
    .update = rn_optimiser_momentum,
    .factor = factor,
};
