/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RN_BENCH_RATES_H
#define RN_BENCH_RATES_H

struct rn_rates {
    double median, min, max;
};

/** Of `n` rates, which are sorted; n is at least 1. */
struct rn_rates rn_rates_of(double *rates, int n);

#endif
