/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of losses, and what all of them do with a batch. */
#include "ops/loss.h"

#include <string.h>

const struct rn_loss_rule *const rn_losses[] = {
/* clang-format off */
#define ROW(name) &rn_loss_##name,
    RN_LOSSES(ROW)
#undef ROW
    NULL,
    /* clang-format on */
};

const struct rn_loss_rule *rn_loss_find(const char *name)
{
    if (!name)
        return rn_losses[0];
    for (int i = 0; rn_losses[i]; i++)
        if (strcmp(rn_losses[i]->name, name) == 0)
            return rn_losses[i];
    return NULL;
}

double rn_target(const struct rn_targets *t, int k, int i, int classes)
{
    double off = (double)t->smoothing / classes, on = 1 - (double)t->smoothing;
    double share = t->share ? (double)t->share[k] : 1.0;

    if (t->wanted)
        return off +
               on * (double)t->wanted[(size_t)k * (size_t)classes + (size_t)i];
    if (i == t->labels[k])
        off += on * share;
    if (t->share && i == t->others[k])
        off += on * (1 - share);
    return off;
}

/* What image k counts. */
static double weight_of(const struct rn_targets *t, int k)
{
    double share = t->share ? (double)t->share[k] : 1.0;

    if (!t->class_weights || t->wanted)
        return 1;
    if (!t->share)
        return (double)t->class_weights[t->labels[k]];
    return share * (double)t->class_weights[t->labels[k]] +
           (1 - share) * (double)t->class_weights[t->others[k]];
}

static int largest(const float *logits, int classes)
{
    int best = 0;

    for (int i = 1; i < classes; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

/* Whether image k is answered as it is labelled: by the largest logit, or of
 * any number of classes by those above 0. */
static bool is_right(const struct rn_targets *t, int k, int classes,
                     const float *logits)
{
    const float *wanted;

    if (!t->wanted)
        return largest(logits, classes) == t->labels[k];
    wanted = t->wanted + (size_t)k * (size_t)classes;
    for (int i = 0; i < classes; i++)
        if ((logits[i] > 0) != (wanted[i] > 0.5F))
            return false;
    return true;
}

struct rn_loss rn_loss_weighted(int n, int classes, size_t stride,
                                const float *logits,
                                const struct rn_targets *targets, double weight,
                                float *diff)
{
    const struct rn_loss_rule *rule =
        targets->loss ? targets->loss : &rn_loss_cross_entropy;
    struct rn_loss loss = {0, 0};

    for (int k = 0; k < n; k++, logits += stride, diff += stride) {
        const struct rn_loss_image image = {.targets = targets,
                                            .logits = logits,
                                            .diff = diff,
                                            .weight =
                                                weight * weight_of(targets, k),
                                            .k = k,
                                            .n = n,
                                            .classes = classes};

        loss.errors += !is_right(targets, k, classes, logits);
        rule->image(&image, &loss.sum);
        if (targets->soft.logits)
            rn_soften_image(&image, &loss.sum);
        for (size_t i = (size_t)classes; i < stride; i++)
            diff[i] = 0;
    }
    return loss;
}

struct rn_loss rn_loss_of(int n, int classes, size_t stride,
                          const float *logits, const struct rn_targets *targets,
                          float *diff)
{
    return rn_loss_weighted(n, classes, stride, logits, targets, 1, diff);
}
