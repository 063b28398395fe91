/* SPDX-License-Identifier: BSD-2-Clause */
/* Counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011).
 * A number is a function of (seed, purpose, epoch, index, draw) alone, so it
 * does not depend on threads, order of calls or resumption. */
#ifndef RN_CORE_RANDOM_H
#define RN_CORE_RANDOM_H

#include <stdint.h>

enum rn_purpose {
    RN_RANDOM_INIT = 1,    /* epoch 0, index: parameter number << 32 | i/4 */
    RN_RANDOM_SHUFFLE = 2, /* epoch, index: position */
    RN_RANDOM_AUGMENT = 3, /* epoch, index: image */
    RN_RANDOM_SYNTHETIC = 4,
    RN_RANDOM_BENCH = 5,
    RN_RANDOM_SPLIT = 6,  /* epoch: class, index: position */
    RN_RANDOM_CUT = 7,    /* epoch, index: image << 8 | try */
    RN_RANDOM_COLOUR = 8, /* epoch, index: image << 8 | draw */
    RN_RANDOM_ERASE = 9,  /* epoch, index: image << 8 | try */
    RN_RANDOM_MIX = 10,   /* epoch, index: image << 8 | draw */
    RN_RANDOM_SKIP = 11,  /* epoch, index: image << 8 | try */
    RN_RANDOM_PLAN = 12,  /* epoch: iteration; index: see rn_draw_index() */
    RN_RANDOM_TEST = 100,
};

/** Multipliers and Weyl increments of J. Salmon, M. Moraes, R. Dror, D. Shaw,
 *  "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011. */
#define RN_PHILOX_MULTIPLIER_0 0xD2511F53u
#define RN_PHILOX_MULTIPLIER_1 0xCD9E8D57u
#define RN_PHILOX_WEYL_0       0x9E3779B9u
#define RN_PHILOX_WEYL_1       0xBB67AE85u
#define RN_PHILOX_ROUNDS       10

/** The bare generator: ten rounds of Philox4x32. */
void rn_philox(const uint32_t counter[4], const uint32_t key[2],
               uint32_t out[4]);

struct rn_random_key {
    uint64_t seed;
    enum rn_purpose purpose;
    uint32_t epoch;
};

/** Four independent uniform 32-bit numbers for (key, index). */
void rn_random4(const struct rn_random_key *key, uint64_t index,
                uint32_t out[4]);
/** Uniform integer in [0, n), n > 0, unbiased enough (multiply-shift). */
uint32_t rn_random_below(uint32_t bits, uint32_t n);
/** Uniform in [0, 1). */
double rn_random_unit(uint32_t bits);
/** Two independent normal deviates from two 32-bit numbers (Box-Muller). */
void rn_random_normal2(uint32_t a, uint32_t b, double out[2]);
/** Permutation of 0..n-1 (Fisher-Yates), a function of key and n. */
void rn_random_permutation(const struct rn_random_key *key, uint32_t n,
                           uint32_t *out);

#endif
