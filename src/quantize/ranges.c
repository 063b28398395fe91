/* SPDX-License-Identifier: BSD-2-Clause */
/* Chooses ranges by histograms. */
#include "quantize/ranges.h"

#include "core/count.h"
#include "core/memory.h"

#include <math.h>

enum { HALF = RN_STATS_BINS / 2 };

/* Twice the reach: pairs of bins become one. */
static void widen(struct rn_stats *s)
{
    s->reach *= 2;
    for (int i = 0; i < HALF / 2; i++) {
        /* Away from zero, so that no bin is read after it was written. */
        s->bins[HALF + i] = s->bins[HALF + 2 * i] + s->bins[HALF + 2 * i + 1];
        s->bins[HALF - 1 - i] =
            s->bins[HALF - 1 - 2 * i] + s->bins[HALF - 2 - 2 * i];
    }
    for (int i = HALF / 2; i < HALF; i++)
        s->bins[HALF + i] = s->bins[HALF - 1 - i] = 0;
}

static void add_number(struct rn_stats *s, float x)
{
    int bin;

    s->low = x < s->low ? x : s->low;
    s->high = x > s->high ? x : s->high;
    while (fabs((double)x) >= s->reach)
        widen(s);
    bin = HALF + (int)floor((double)x / s->reach * HALF);
    s->bins[bin < 0 ? 0 : bin >= RN_STATS_BINS ? RN_STATS_BINS - 1 : bin]++;
}

bool rn_stats_add(struct rn_stats *s, const float *x, size_t images,
                  size_t channels, size_t hw)
{
    if (!s->sums) {
        s->sums = rn_alloc(channels, sizeof(*s->sums));
        if (!s->sums)
            return false;
        s->channels = channels;
        s->reach = 0x1p-20;
    }
    for (size_t n = 0; n < images; n++)
        for (size_t c = 0; c < channels; c++)
            for (size_t i = 0; i < hw; i++, x++) {
                if (!isfinite(*x)) {
                    s->broken = true;
                    return true;
                }
                add_number(s, *x);
                s->sums[c] += (double)*x;
            }
    s->each += images * hw;
    return true;
}

void rn_stats_free(struct rn_stats *s)
{
    rn_free(s->sums);
    s->sums = NULL;
}

double rn_stats_mean(const struct rn_stats *s, size_t channel)
{
    return s->each ? s->sums[channel] / (double)s->each : 0;
}

/* ---------------------------------------------------------------- choosing */

/* 8 bits for low..high, which has zero in it: a zero is exact. */
static struct rn_quant quant_of(double low, double high)
{
    double scale = (high - low) / 255;

    /* A value that is zero throughout has any scale. */
    if (!(scale > 1e-30))
        return (struct rn_quant){1, 0};
    return (struct rn_quant){(float)scale, (int)nearbyint(-low / scale)};
}

/* The sums of the squares of numbers, and of what 8 bits change. */
static double noise_of(const struct rn_stats *s, struct rn_quant q)
{
    double signal = 0, noise = 0, width = s->reach / HALF;

    for (int i = 0; i < RN_STATS_BINS; i++) {
        double x = (i - HALF + 0.5) * width, n = (double)s->bins[i], y;

        if (!n)
            continue;
        /* Zeros, of which a ReLU leaves many, are exact. */
        if (i == HALF && s->low >= 0)
            continue;
        y = nearbyint(x / (double)q.scale) + q.zero;
        y = (fmin(fmax(y, 0), 255) - q.zero) * (double)q.scale;
        signal += n * x * x;
        noise += n * (x - y) * (x - y);
    }
    return signal > 0 ? noise / signal : 0;
}

/* The number that `share` of all are below. */
static double percentile(const struct rn_stats *s, double share)
{
    double all = (double)s->each * (double)s->channels, below = 0;
    double width = s->reach / HALF;

    for (int i = 0; i < RN_STATS_BINS; i++) {
        below += (double)s->bins[i];
        if (below >= share * all)
            return (i - HALF + 1) * width;
    }
    return (double)s->high;
}

static void try(const struct rn_stats *s, double low, double high,
                enum rn_range_rule rule, struct rn_range_choice *best)
{
    struct rn_range_choice c = {.rule = rule};

    low = fmin(fmax(low, (double)s->low), 0);
    high = fmax(fmin(high, (double)s->high), 0);
    c.quant = quant_of(low, high);
    c.noise = noise_of(s, c.quant);
    if (best->noise < 0 || c.noise < best->noise)
        *best = c;
}

struct rn_range_choice rn_range_choose(const struct rn_stats *s)
{
    static const double shares[] = {0.9999, 0.99999, 0.999999};
    struct rn_range_choice best = {.noise = -1};

    try(s, (double)s->low, (double)s->high, RN_RANGE_ALL, &best);
    for (size_t i = 0; i < COUNT(shares); i++)
        try(s, percentile(s, 1 - shares[i]), percentile(s, shares[i]),
            RN_RANGE_PERCENTILE, &best);
    for (int i = 20; i < 100; i++)
        try(s, (double)s->low * i / 100, (double)s->high * i / 100,
            RN_RANGE_ERROR, &best);
    return best;
}
