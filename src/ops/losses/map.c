/* SPDX-License-Identifier: BSD-2-Clause */
/* The loss of maps: what lies within a network, and is to be as another's. */
#include "ops/layout.h"
#include "ops/loss.h"

/* One image: the sum of squares; its gradient times `scale`. */
static double map_image(struct rn_shape s, const float *value, const float *map,
                        double scale, float *diff)
{
    const size_t block = (size_t)rn_block(), pixels = rn_shape_pixels(s);
    double sum = 0;

    for (size_t first = 0; first < (size_t)s.c; first += block)
        for (size_t i = 0; i < pixels; i++)
            for (size_t c = first; c < first + block; c++, value++, diff++) {
                double off = 0;

                if (c < (size_t)s.c)
                    off = (double)*value - (double)map[c * pixels + i];
                sum += off * off;
                *diff = (float)(off * scale);
            }
    return sum;
}

double rn_loss_of_map(int n, struct rn_shape shape, const float *value,
                      const float *map, float *diff)
{
    const size_t numbers = rn_shape_size(shape);
    const size_t padded = rn_channels_padded(shape.c) * rn_shape_pixels(shape);
    double sum = 0;

    for (int k = 0; k < n; k++) {
        sum += map_image(shape, value, map, 1 / ((double)numbers * n), diff);
        value += padded;
        diff += padded;
        map += numbers;
    }
    return sum / 2 / (double)numbers;
}
