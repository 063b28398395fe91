/* SPDX-License-Identifier: BSD-2-Clause */
/* What a value's numbers are like over the calibration images, and the range
 * that 8 bits are to cover. */
#ifndef RN_QUANTIZE_RANGES_H
#define RN_QUANTIZE_RANGES_H

#include "core/error.h"
#include "graph/graph.h"

enum { RN_STATS_BINS = 4096 };

/** A histogram of -reach..reach, reach a power of two that grows with what
 *  comes, and every channel's sum. Zero it first. */
struct rn_stats {
    double reach;
    float low, high;
    uint64_t bins[RN_STATS_BINS];
    double *sums; /* [channels] */
    size_t channels;
    uint64_t each; /* numbers of a channel */
    bool broken;   /* a number was not finite */
};

/** Add [images][channels][hw]; false when memory is short. */
bool rn_stats_add(struct rn_stats *s, const float *x, size_t images,
                  size_t channels, size_t hw);
void rn_stats_free(struct rn_stats *s);
double rn_stats_mean(const struct rn_stats *s, size_t channel);

/** How a range was chosen. */
enum rn_range_rule { RN_RANGE_ALL, RN_RANGE_PERCENTILE, RN_RANGE_ERROR };

/** A range, and the noise of rounding to it over the numbers' energy. */
struct rn_range_choice {
    struct rn_quant quant;
    enum rn_range_rule rule;
    double noise;
};

/** Of minimum and maximum, percentiles, and parts of them the range with the
 *  least mean square error of numbers in 8 bits. */
struct rn_range_choice rn_range_choose(const struct rn_stats *s);

#endif
