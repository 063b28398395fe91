/* SPDX-License-Identifier: BSD-2-Clause */
/* Median and range of speeds that were measured. */
#include "bench/speeds.h"

#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

struct rn_speeds rn_speeds_of(double *speeds, int n)
{
    qsort(speeds, (size_t)n, sizeof(double), ascending);
    return (struct rn_speeds){(speeds[(n - 1) / 2] + speeds[n / 2]) / 2,
                              speeds[0], speeds[n - 1]};
}
