/* SPDX-License-Identifier: BSD-2-Clause */
/* Chooses the scales of weights. */
#include "quantize/weights.h"

#include "graph/quantization.h"

#include <math.h>

static double error_of(const float *w, size_t count, float scale)
{
    double error = 0;

    for (size_t i = 0; i < count; i++) {
        double d = (double)w[i] - (double)scale * rn_quant_number(w[i], scale);

        error += d * d;
    }
    return error;
}

static float scale_of(const float *w, size_t count)
{
    float most = 0, best = 0;
    double least = (double)INFINITY;

    for (size_t i = 0; i < count; i++)
        most = fmaxf(most, fabsf(w[i]));
    /* A channel of zeros has any scale. */
    if (!(most / RN_QUANT_MOST > 1e-30f))
        return 1;
    for (int i = 100; i >= 70; i -= 3) {
        float scale = most * (float)i / (100 * RN_QUANT_MOST);
        double error = error_of(w, count, scale);

        if (error < least) {
            least = error;
            best = scale;
        }
    }
    return best;
}

void rn_weight_scales(const float *weights, size_t outs, size_t row,
                      float *scales)
{
#pragma omp parallel for
    for (size_t o = 0; o < outs; o++)
        scales[o] = scale_of(weights + o * row, row);
}

void rn_weight_shift(const float *exact, const float *rounded, size_t outs,
                     size_t row, size_t inputs, const struct rn_stats *input,
                     double *shift)
{
    size_t each = row / inputs;

    for (size_t o = 0; o < outs; o++) {
        shift[o] = 0;
        for (size_t i = 0; i < row; i++)
            shift[o] +=
                ((double)rounded[o * row + i] - (double)exact[o * row + i]) *
                rn_stats_mean(input, i / each);
    }
}
