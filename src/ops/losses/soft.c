/* SPDX-License-Identifier: BSD-2-Clause */
/* The loss of soft targets: a teacher's answers, beside those of a loss. */
#include "ops/loss.h"

#include <math.h>

void rn_soften_image(const struct rn_loss_image *m, double *sum)
{
    const struct rn_soft_targets *soft = &m->targets->soft;
    double t = soft->temperature, weight = m->weight * soft->weight * t * t;
    const float *teacher = soft->logits + (size_t)m->k * (size_t)m->classes;
    double own_all = rn_log_sum(m->logits, m->classes, t);
    double all = rn_log_sum(teacher, m->classes, t);

    for (int i = 0; i < m->classes; i++) {
        double log_p = (double)m->logits[i] / t - own_all;
        double wanted = exp((double)teacher[i] / t - all);

        *sum -= weight * wanted * log_p;
        m->diff[i] += (float)(weight * (exp(log_p) - wanted) / t / m->n);
    }
}
