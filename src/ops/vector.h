/* SPDX-License-Identifier: BSD-2-Clause */
/* Vectors of one channel block, for the files that are compiled once per
 * instruction set with RN_KERNELS_BLOCK set to the width. */
#ifndef RN_OPS_VECTOR_H
#define RN_OPS_VECTOR_H

#include <stdint.h>
#include <string.h>

#ifndef RN_KERNELS_BLOCK
#define RN_KERNELS_BLOCK 4 /* what any compiler's default has: read alone */
#endif

#define B RN_KERNELS_BLOCK

typedef float vec __attribute__((vector_size(B * sizeof(float))));
typedef int32_t veci __attribute__((vector_size(B * sizeof(int32_t))));

#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *p)
{
    vec v;

    memcpy(&v, p, sizeof(v));
    return v;
}

INLINE void store(float *p, vec v)
{
    memcpy(p, &v, sizeof(v));
}

/* Less zero, because plus zero would turn -0 into 0: an instruction. */
INLINE vec fill(float x)
{
    return x - (vec){0};
}

/** v where the mask is set, else 0. */
INLINE vec keep(vec v, veci mask)
{
    return (vec)((veci)v & mask);
}

/* NaN must stay NaN, so that a broken loss is seen: keep v unless v < 0. */
INLINE vec relu_of(vec v)
{
    return keep(v, ~(v < fill(0)));
}

#endif
