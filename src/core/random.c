/* SPDX-License-Identifier: BSD-2-Clause */
/* Philox4x32-10, and what is drawn from its numbers. */
#include "core/random.h"

#include <math.h>

void rn_philox(const uint32_t counter[4], const uint32_t key[2],
               uint32_t out[4])
{
    uint32_t x0 = counter[0], x1 = counter[1];
    uint32_t x2 = counter[2], x3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];

    for (int round = 0; round < RN_PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)RN_PHILOX_MULTIPLIER_0 * x0;
        uint64_t p1 = (uint64_t)RN_PHILOX_MULTIPLIER_1 * x2;

        x0 = (uint32_t)(p1 >> 32) ^ x1 ^ k0;
        x1 = (uint32_t)p1;
        x2 = (uint32_t)(p0 >> 32) ^ x3 ^ k1;
        x3 = (uint32_t)p0;
        k0 += RN_PHILOX_WEYL_0;
        k1 += RN_PHILOX_WEYL_1;
    }
    out[0] = x0;
    out[1] = x1;
    out[2] = x2;
    out[3] = x3;
}

void rn_random4(const struct rn_random_key *key, uint64_t index,
                uint32_t out[4])
{
    const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32),
                                 key->epoch, (uint32_t)key->purpose};
    const uint32_t seed[2] = {(uint32_t)key->seed, (uint32_t)(key->seed >> 32)};

    rn_philox(counter, seed, out);
}

uint32_t rn_random_below(uint32_t bits, uint32_t n)
{
    return (uint32_t)((uint64_t)bits * n >> 32);
}

double rn_random_unit(uint32_t bits)
{
    return bits * 0x1p-32;
}

void rn_random_normal2(uint32_t a, uint32_t b, double out[2])
{
    /* (0, 1]: the logarithm stays finite. */
    double u = (a + 1.0) * 0x1p-32;
    double radius = sqrt(-2.0 * log(u));
    double angle = 2.0 * M_PI * rn_random_unit(b);

    out[0] = radius * cos(angle);
    out[1] = radius * sin(angle);
}

void rn_random_permutation(const struct rn_random_key *key, uint32_t n,
                           uint32_t *out)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t bits[4], j, last = out[i - 1];

        rn_random4(key, i - 1, bits);
        j = rn_random_below(bits[0], i);
        out[i - 1] = out[j];
        out[j] = last;
    }
}
