/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * Every operation as its definition says, in double, over plain arrays
 * [n][c][h][w]: what the engine is compared with. Slow, and meant to be read.
 * check_reference.c proves the gradients by finite differences.
 */
#ifndef CHECK_REFERENCE_H
#define CHECK_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

/** A window moved over n images: convolution (ic to oc channels) or max pool
 *  (ic == oc). */
struct ref_window {
    int n, ic, ih, iw, oc, oh, ow, kh, kw, stride, pad;
};

size_t ref_inputs(const struct ref_window *c);  /* n ic ih iw */
size_t ref_outputs(const struct ref_window *c); /* n oc oh ow */
size_t ref_weights(const struct ref_window *c); /* oc ic kh kw */

/* One element of a convolution's results, by its index; b may be NULL. */
double ref_conv_at(const struct ref_window *c, const double *x, const double *w,
                   const double *b, size_t i);
double ref_conv_data_at(const struct ref_window *c, const double *dy,
                        const double *w, size_t i);
double ref_conv_weights_at(const struct ref_window *c, const double *x,
                           const double *dy, size_t i);
double ref_conv_bias_at(const struct ref_window *c, const double *dy, size_t i);

void ref_conv(const struct ref_window *c, const double *x, const double *w,
              const double *b, double *y);
/** dx and db may be NULL. */
void ref_conv_backward(const struct ref_window *c, const double *x,
                       const double *w, const double *dy, double *dx,
                       double *dw, double *db);

/** x [n][in], w [out][in], y [n][out]. */
void ref_linear(int n, int in, int out, const double *x, const double *w,
                const double *b, double *y);
void ref_linear_backward(int n, int in, int out, const double *x,
                         const double *w, const double *dy, double *dx,
                         double *dw, double *db);

/** Batch norm of [n][c][hw]. */
struct ref_batch_norm {
    size_t n, c, hw;
    double eps;
};

/** Mean and biased variance of each channel. */
void ref_bn_statistics(const struct ref_batch_norm *bn, const double *x,
                       double *mean, double *var);
/** y = (x - mean) / sqrt(var + eps) * weight + bias, whatever mean and var
 *  are: the batch's, or frozen ones. */
void ref_bn_apply(const struct ref_batch_norm *bn, const double *x,
                  const double *weight, const double *bias, const double *mean,
                  const double *var, double *y);
/** Gradients with the batch's own mean and var, which depend on x. */
void ref_bn_backward(const struct ref_batch_norm *bn, const double *x,
                     const double *weight, const double *mean,
                     const double *var, const double *dy, double *dx,
                     double *dweight, double *dbias);
/** running <- (1 - momentum) running + momentum new; the variance unbiased. */
void ref_bn_running(const struct ref_batch_norm *bn, double momentum,
                    const double *mean, const double *var, double *running_mean,
                    double *running_var);

void ref_relu(size_t count, const double *x, double *y);
void ref_relu_backward(size_t count, const double *x, const double *dy,
                       double *dx);
void ref_add(size_t count, const double *a, const double *b, double *y);

/** where: index into x of each output's maximum, the first of equal ones. */
void ref_max_pool(const struct ref_window *c, const double *x, double *y,
                  size_t *where);
void ref_max_pool_backward(const struct ref_window *c, const double *dy,
                           const size_t *where, double *dx);

/** [planes][hw] -> [planes]. */
void ref_average(size_t planes, size_t hw, const double *x, double *y);
void ref_average_backward(size_t planes, size_t hw, const double *dy,
                          double *dx);

/** Every stride-th pixel; `before` zero channels, then x's, then zeros. */
void ref_subsample_pad(const struct ref_window *c, int before, const double *x,
                       double *y);
void ref_subsample_pad_backward(const struct ref_window *c, int before,
                                const double *dy, double *dx);

/** Sum of the cross-entropies of softmax against (1 - smoothing) one-hot +
 *  smoothing / classes; diff is the gradient of their mean. */
double ref_loss(int n, int classes, const double *logits, const int32_t *labels,
                double smoothing, double *diff);

#endif
