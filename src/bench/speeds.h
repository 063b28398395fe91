/* SPDX-License-Identifier: BSD-2-Clause */
/* Median and range of speeds that were measured. */
#ifndef RN_BENCH_SPEEDS_H
#define RN_BENCH_SPEEDS_H

/** The least that a round takes: shorter ones drown in the clock's noise. */
#define RN_ROUND_SECONDS 0.05

struct rn_speeds {
    double median, min, max;
};

/** Of `n` speeds, which are sorted; n is at least 1. */
struct rn_speeds rn_speeds_of(double *speeds, int n);

#endif
