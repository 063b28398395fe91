/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * Batch norm over (n, h, w) in training, as S. Ioffe, C. Szegedy 2015: biased
 * variance normalises, the unbiased one enters the running statistics.
 *
 * Sums over the batch are taken per image and channel block and joined in
 * order in double: the same bits on any number of threads.
 */
#ifndef RN_OPS_BATCH_NORM_H
#define RN_OPS_BATCH_NORM_H

#include "ops/elementwise.h"

/** One layer's state in a training plan; arrays are [padded channels]. */
struct rn_batch_norm {
    struct rn_planes planes;
    size_t apart; /* planes between images of z, and of dz: rn_plane_among() */
    int channels;
    float eps, momentum;
    bool fixed;                 /* the running statistics normalise, and stay */
    const float *weight, *bias; /* gamma, beta; the store's */
    float *running_mean, *running_var; /* the store's */
    float *own_mean, *own_var; /* where the batch's statistics go in place of
                                  moving the running ones; or NULL */
    float *diff_weight, *diff_bias;    /* the store's; NULL when frozen */
    float *mean, *inv_std;             /* of this batch */
    float *scale, *shift;              /* y = z * scale + shift */
    float *grad_g, *grad_z, *grad_one; /* dz = these . (g, z, 1) */
};

/** Number of floats rn_batch_norm_place() gives out. */
size_t rn_batch_norm_floats(const struct rn_planes *planes);
void rn_batch_norm_place(struct rn_batch_norm *bn, float *memory);

/** Doubles of scratch that any of the following needs for these planes. */
size_t rn_batch_norm_scratch(const struct rn_planes *planes);

/** Mean and biased variance of each channel of x over images and pixels, as
 *  batch norm takes them; `apart` as there, both are [padded channels]. */
void rn_moments(const struct rn_planes *planes, size_t apart, const void *x,
                double *scratch, double *mean, double *var);

/** mean, inv_std, scale, shift of z; running statistics move on, unless
 *  own_mean and own_var take the batch's. */
void rn_batch_norm_statistics(struct rn_batch_norm *bn, const void *z,
                              double *scratch);

/** The same over a batch in parts of one size, each in other hands: mean and
 *  biased variance of this part, into own[2][padded channels], and then
 *  everything by those of all, [parts][2][padded channels], in order. */
void rn_batch_norm_part(struct rn_batch_norm *bn, const void *z,
                        double *scratch, double *own);
void rn_batch_norm_whole(struct rn_batch_norm *bn, const double *all,
                         int parts);

/** Running statistics move on by the mean of several batches' own, which are so
 *  many floats apart, added up in order. */
void rn_batch_norm_join(struct rn_batch_norm *bn, const float *mean,
                        const float *var, size_t apart, int batches);

/** The same from the running statistics, which stay. */
void rn_batch_norm_fix(struct rn_batch_norm *bn);

/** The two sums of the gradient -> diff_weight, diff_bias, grad_*. `g`, when
 *  not NULL, receives the masked gradient. */
void rn_batch_norm_reduce(struct rn_batch_norm *bn,
                          const struct rn_bn_backward *in, void *g,
                          double *scratch);

/** The same over a batch in parts; diff_weight and diff_bias are this one's. */
void rn_batch_norm_reduce_part(const struct rn_batch_norm *bn,
                               const struct rn_bn_backward *in, void *g,
                               double *scratch, double *own);
void rn_batch_norm_reduce_whole(struct rn_batch_norm *bn, const double *own,
                                const double *all, int parts);

/** dz from the gradient, plus in->sum; after rn_batch_norm_reduce(). */
void rn_batch_norm_gradient(const struct rn_batch_norm *bn,
                            const struct rn_bn_backward *in, void *dz);
/** The same of some neighbouring pixels of plane number `plane`. */
void rn_batch_norm_gradient_of(const struct rn_batch_norm *bn,
                               const struct rn_bn_backward *in, void *dz,
                               size_t plane, size_t first, size_t pixels);

#endif
