/* SPDX-License-Identifier: BSD-2-Clause */
/* Means and deviations of the training part, summed exactly in integers. */
#include "data/data.h"

#include <math.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

struct sums {
    uint64_t value, square;
};

/* Add n pixels. Sums of at most 4096 bytes, and of their squares, fit into
 * 32 bits, which vectorises well. */
static void add(struct sums *sums, const uint8_t *pixels, size_t n)
{
    while (n) {
        size_t step = n < 4096 ? n : 4096;
        uint32_t value = 0, square = 0;

        for (size_t i = 0; i < step; i++) {
            value += pixels[i];
            square += (uint32_t)pixels[i] * pixels[i];
        }
        sums->value += value;
        sums->square += square;
        pixels += step;
        n -= step;
    }
}

void rn_data_channel_stats(const struct rn_data *data, float *mean, float *std)
{
    const struct rn_images *part = &data->part[RN_PART_TRAIN];
    size_t channels = (size_t)data->shape.c;
    size_t plane = rn_shape_pixels(data->shape);

    for (size_t c = 0; c < channels; c++) {
        struct sums sums = {0, 0};
        uint64_t n = (uint64_t)part->count * plane;

        wide spread;

        for (size_t i = 0; i < (size_t)part->count; i++)
            add(&sums, part->pixels + (i * channels + c) * plane, plane);
        /* n^2 times the variance; exact, so never below zero. */
        spread = (wide)n * sums.square - (wide)sums.value * sums.value;
        mean[c] = (float)((double)sums.value / ((double)n * 255));
        std[c] =
            spread ? (float)(sqrt((double)spread) / ((double)n * 255)) : 1.0f;
    }
}

void rn_data_pixel_mean(const struct rn_data *data, float *mean)
{
    enum { BLOCK = 1024 };
    const struct rn_images *part = &data->part[RN_PART_TRAIN];
    size_t image = rn_shape_size(data->shape);

    for (size_t first = 0; first < image; first += BLOCK) {
        size_t n = image - first < BLOCK ? image - first : BLOCK;
        uint64_t sum[BLOCK] = {0};

        for (size_t i = 0; i < (size_t)part->count; i++) {
            const uint8_t *pixels = part->pixels + i * image + first;

            for (size_t k = 0; k < n; k++)
                sum[k] += pixels[k];
        }
        for (size_t k = 0; k < n; k++)
            mean[first + k] =
                (float)((double)sum[k] / ((double)part->count * 255));
    }
}
