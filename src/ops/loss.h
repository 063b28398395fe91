/* SPDX-License-Identifier: BSD-2-Clause */
/* Losses: what a file under losses/ has to offer, and their sum over a batch.
 */
#ifndef RN_OPS_LOSS_H
#define RN_OPS_LOSS_H

#include "core/error.h"
#include "graph/graph.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rn_loss {
    double sum; /* over the batch; of cross-entropies in nats */
    int errors; /* images that are answered otherwise than they are labelled */
};

struct rn_loss_rule;

/** A teacher's answers, which are learned beside the targets (Hinton et al.
 *  2015): weight * temperature^2 times the cross-entropy of the softmaxes of
 *  both networks' logits over the temperature. The square keeps the gradient's
 *  size where the temperature changes. */
struct rn_soft_targets {
    const float *logits; /* [n][classes]; NULL: there is no teacher */
    double temperature, weight;
};

/** What the images of a batch are to be: (1 - s) of their label, or of two
 *  labels' mixture, and s / classes of every class. */
struct rn_targets {
    const int32_t *labels;      /* [n] */
    const int32_t *others;      /* [n] labels mixed in, used with share */
    const float *share;         /* [n] of `labels` in the mixture; NULL: 1 */
    const float *wanted;        /* [n][classes] of images that have any number
                                   of classes: what each is to be, from 0 to 1;
                                   then nothing of the above counts */
    const float *class_weights; /* [classes] what an image of each counts;
                                   NULL: 1 */
    float smoothing;            /* s */
    const struct rn_loss_rule *loss; /* NULL: cross-entropy */
    struct rn_soft_targets soft;     /* beside these */
    const float *map; /* [n][c][h][w] of an output that is a map: what it is to
                         be; then nothing of the above counts */
};

/** Share of class i that image k is to be. */
double rn_target(const struct rn_targets *t, int k, int i, int classes);

/** An image of a batch of n. */
struct rn_loss_image {
    const struct rn_targets *targets;
    const float *logits; /* [classes] */
    float *diff;         /* [classes] out; may be logits */
    double weight;       /* what the image counts */
    int k, n, classes;
};

/** A row of the table. */
struct rn_loss_rule {
    const char *name;
    /** What the outputs of a network trained with it are: scores of classes
     *  that exclude each other, or of classes each by itself. Of the former
     *  the largest is the answer, of the latter those above 0. */
    enum rn_output output;
    bool sets;        /* an image may have several classes, or none */
    bool mixes;       /* an image may be of two labels in shares */
    bool smooths;     /* targets may be smoothed */
    bool softens;     /* a teacher's answers may be learned beside */
    double smoothing; /* what smoothing 0 stands for */
    /** Add the image's loss, times its weight, to *sum; set the gradient of
     *  the batch's mean loss. */
    void (*image)(const struct rn_loss_image *image, double *sum);
};

/** The table: a row for each file. */
/* clang-format off */
#define RN_LOSSES(ROW) \
    ROW(cross_entropy) \
    ROW(smoothed_cross_entropy) \
    ROW(binary_cross_entropy) \
    ROW(squared_hinge)
/* clang-format on */

#define RN_LOSS_ROW(name) extern const struct rn_loss_rule rn_loss_##name;
RN_LOSSES(RN_LOSS_ROW)
#undef RN_LOSS_ROW

/** Pointers to them; NULL ends them. */
extern const struct rn_loss_rule *const rn_losses[];

/** By name, without one the first; NULL for one that is not known. */
const struct rn_loss_rule *rn_loss_find(const char *name);

/**
 * The loss of a batch against targets.
 *
 * @param logits [n][stride], the first `classes` count.
 * @param diff   out, [n][stride]: gradient of the mean loss, zero padding;
 *               may be logits where there are no soft targets.
 */
struct rn_loss rn_loss_of(int n, int classes, size_t stride,
                          const float *logits, const struct rn_targets *targets,
                          float *diff);
/** The same of one loss of several, which counts `weight`: sum and gradient
 *  are that times as large. */
struct rn_loss rn_loss_weighted(int n, int classes, size_t stride,
                                const float *logits,
                                const struct rn_targets *targets, double weight,
                                float *diff);

/**
 * The loss of maps: half the mean square of what their numbers differ by from
 * those they are to be; the sum over the n images (A. Romero et al. 2015,
 * equation 3, where it is the sum of the squares).
 *
 * @param value as activations lie (ops/layout.h), of that shape.
 * @param map   plain, [n][c][h][w].
 * @param diff  out, laid out as value, which it may be: gradient of the mean
 *              loss, zero padding.
 */
double rn_loss_of_map(int n, struct rn_shape shape, const float *value,
                      const float *map, float *diff);

/* What the files share. */

/** As rn_loss_rule.image: softmax and cross-entropy. */
void rn_cross_entropy_image(const struct rn_loss_image *image, double *sum);
/** Logarithm of the sum of exponentials of logits over a temperature. */
double rn_log_sum(const float *logits, int classes, double temperature);
/** Add the loss of soft targets to *sum, and its gradient to the image's. */
void rn_soften_image(const struct rn_loss_image *image, double *sum);

#endif
