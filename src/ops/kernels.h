/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * The inner loops over one plane: `hw` pixels of one block of B channels of
 * one image, [hw][B]. kernels.c is compiled once per instruction set and type
 * of activations; B is the width of its vectors, rn_block(). What is void * are
 * activations and their gradients; sums and coefficients are float32.
 *
 * "Pending" values: a batch norm's output need not be stored. Whoever reads
 * it applies, per channel, scale and shift (and a ReLU) to the convolution's
 * raw output z.
 */
#ifndef RN_OPS_KERNELS_H
#define RN_OPS_KERNELS_H

#include "core/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** One operand: x, or x * scale + shift where those are not NULL. */
struct rn_operand {
    const void *x;
    const float *scale, *shift; /* [B] */
    bool relu;                  /* after scale and shift */
    size_t planes;              /* from one image of a whole x to the next, see
                                   rn_plane_among(); kernels see one plane */
};

/** Sums of a reduction over a plane, per channel. */
struct rn_plane_sums {
    double *a, *b; /* [B] each */
};

/** Batch norm backward: which gradient, and where it passes. */
struct rn_bn_backward {
    const void *dy, *dy2;       /* gradient of the output; dy2 may be NULL */
    const void *y;              /* output kept: gradient passes where y > 0 */
    const void *z;              /* input */
    const float *scale, *shift; /* with y NULL and relu: passes where
                                   z * scale + shift > 0 */
    bool relu;
    const void *sum; /* what dz is added to; may be dz, or NULL */
};

/** A max pool's plane; positions are those of struct rn_window. */
struct rn_pool {
    int ih, iw, oh, ow, kh, kw, stride, pad;
};

/** Block number `block` of a value of `channels` channels, beside an image of a
 *  value of several times as many. That one is made of pieces of `channels`,
 * and the block's channels of each piece belong to the block. */
struct rn_channel_part {
    size_t hw, channels, block;
};

/** What a highway's gate reads backward; dy2 may be NULL. */
struct rn_highway_backward {
    const void *z, *x, *dy, *dy2;
};

/** Dropout of a plane. Random numbers are those of rn_random4(): an index has
 *  them for four neighbouring pixels of a channel. */
struct rn_drop {
    uint32_t seed[2], epoch, purpose;
    const uint64_t *first; /* [B] index of each channel's first four */
    const float *scale;    /* [B] of what is kept */
    uint32_t least;        /* kept is what draws at least this */
};

struct rn_kernels {
    /** a: sum of z - pivot, b: sum of its square. */
    void (*bn_sums)(const void *z, size_t hw, const float *pivot,
                    struct rn_plane_sums sums);
    /** y = relu(p + q), q->x may be NULL; y may be p->x or q->x. */
    void (*apply)(const struct rn_operand *p, const struct rn_operand *q,
                  bool relu, void *y, size_t hw);
    /** g = masked dy + dy2, written when g is not NULL (may be dy or dy2);
     *  a: sum of g, b: sum of g * (z - mean); with z NULL only g. */
    void (*bn_reduce)(const struct rn_bn_backward *in, void *g, size_t hw,
                      const float *mean, struct rn_plane_sums sums);
    /** dz = cg * g + cz * z + c, g the masked dy, plus `sum`; dz may be dy. */
    void (*bn_gradient)(const struct rn_bn_backward *in, const float *cg,
                        const float *cz, const float *c, void *dz, size_t hw);
    /** where: which of the window's kh * kw places was largest. */
    void (*max_pool)(const struct rn_pool *pool, const struct rn_operand *x,
                     void *y, uint8_t *where);
    void (*max_pool_backward)(const struct rn_pool *pool, const void *dy,
                              const void *dy2, const uint8_t *where, void *dx);
    /** Mean over the plane. */
    void (*average)(const void *x, size_t hw, void *mean);
    void (*average_backward)(const void *dy, size_t hw, void *dx);
    /** y = a * b, with `gate` float32 b of one pixel for all; y may be a, and b
     *  without gate. */
    void (*multiply)(const void *a, const void *b, bool gate, void *y,
                     size_t hw);
    /** Sum over the plane of a * b. */
    void (*dot)(const void *a, const void *b, size_t hw, float *sum);
    /** y = x + T * (max(0, h) - x); see ops/highway.h. */
    void (*highway)(const struct rn_channel_part *part, const void *z,
                    const void *x, void *y);
    /** Of z the part's h and t; dx may be dy or dy2. */
    void (*highway_backward)(const struct rn_channel_part *part,
                             const struct rn_highway_backward *in, void *dz,
                             void *dx);
    /** The largest of x's pieces; where: which, or NULL. See ops/maxout.h. */
    void (*maxout)(const struct rn_channel_part *part, int pieces,
                   const void *x, void *y, uint8_t *where);
    /** Of dx the part's channels of each piece. */
    void (*maxout_backward)(const struct rn_channel_part *part, int pieces,
                            const void *dy, const uint8_t *where, void *dx);
    /** Of float32 whatever the type; hw is a multiple of 4; y may be x. */
    void (*drop)(const struct rn_drop *drop, const float *x, float *y,
                 size_t hw);
    /** Between float32 and the kernels' own type, `count` numbers. */
    void (*widen)(const void *from, float *to, size_t count);
    void (*narrow)(const float *from, void *to, size_t count);
    /** Seconds for `rounds` times 16 independent fused multiply-adds. */
    float (*multiply_add)(long rounds);
    int block;
    const char *isa;
};

/** For rn_isa() and activations of that type, RN_F32 or RN_BF16. */
const struct rn_kernels *rn_kernels_get(enum rn_dtype type);

/** Measured float32 peak of so many threads, GFLOP/s. */
double rn_kernel_peak_gflops(int threads);

#endif
