/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * The inner loops over one plane: `hw` pixels of one block of B channels of
 * one image, [hw][B]. kernels.c is compiled once per instruction set; B is
 * the width of its vectors, rn_block().
 *
 * "Pending" values: a batch norm's output need not be stored. Whoever reads
 * it applies, per channel, scale and shift (and a ReLU) to the convolution's
 * raw output z.
 */
#ifndef RN_OPS_KERNELS_H
#define RN_OPS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** One operand: x, or x * scale + shift where those are not NULL. */
struct rn_operand {
    const float *x;
    const float *scale, *shift; /* [B] */
    bool relu;                  /* after scale and shift */
};

/** Sums of a reduction over a plane, per channel. */
struct rn_plane_sums {
    double *a, *b; /* [B] each */
};

/** Batch norm backward: which gradient, and where it passes. */
struct rn_bn_backward {
    const float *dy, *dy2;      /* gradient of the output; dy2 may be NULL */
    const float *y;             /* output kept: gradient passes where y > 0 */
    const float *z;             /* input */
    const float *scale, *shift; /* with y NULL and relu: passes where
                                   z * scale + shift > 0 */
    bool relu;
};

/** A max pool's plane; positions are those of struct rn_window. */
struct rn_pool {
    int ih, iw, oh, ow, kh, kw, stride, pad;
};

struct rn_kernels {
    /** a: sum of z - pivot, b: sum of its square. */
    void (*bn_sums)(const float *z, size_t hw, const float *pivot,
                    struct rn_plane_sums sums);
    /** y = relu(p + q), q->x may be NULL; y may be p->x or q->x. */
    void (*apply)(const struct rn_operand *p, const struct rn_operand *q,
                  bool relu, float *y, size_t hw);
    /** g = masked dy + dy2, written when g is not NULL (may be dy or dy2);
     *  a: sum of g, b: sum of g * (z - mean); with z NULL only g. */
    void (*bn_reduce)(const struct rn_bn_backward *in, float *g, size_t hw,
                      const float *mean, struct rn_plane_sums sums);
    /** dz = cg * g + cz * z + c, g the masked dy; dz may be dy. */
    void (*bn_gradient)(const struct rn_bn_backward *in, const float *cg,
                        const float *cz, const float *c, float *dz, size_t hw);
    /** where: which of the window's kh * kw places was largest. */
    void (*max_pool)(const struct rn_pool *pool, const struct rn_operand *x,
                     float *y, uint8_t *where);
    void (*max_pool_backward)(const struct rn_pool *pool, const float *dy,
                              const float *dy2, const uint8_t *where,
                              float *dx);
    /** Mean over the plane. */
    void (*average)(const float *x, size_t hw, float *mean);
    void (*average_backward)(const float *dy, size_t hw, float *dx);
    /** Seconds for `rounds` times 16 independent fused multiply-adds. */
    float (*multiply_add)(long rounds);
    int block;
    const char *isa;
};

/** For rn_isa(). */
const struct rn_kernels *rn_kernels_get(void);

/** Measured float32 peak of so many threads, GFLOP/s. */
double rn_kernel_peak_gflops(int threads);

#endif
