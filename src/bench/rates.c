/* SPDX-License-Identifier: BSD-2-Clause */
#include "bench/rates.h"

#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

struct rn_rates rn_rates_of(double *rates, int n)
{
    qsort(rates, (size_t)n, sizeof(double), ascending);
    return (struct rn_rates){(rates[(n - 1) / 2] + rates[n / 2]) / 2, rates[0],
                             rates[n - 1]};
}
