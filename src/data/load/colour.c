/* SPDX-License-Identifier: BSD-2-Clause */
/* Colours of training images changed at random. */
#include "core/random.h"
#include "data/load/augment.h"

#include <math.h>

#define CHANNELS 3

/* Principal components of the RGB values, 0..1, of ImageNet's training images,
 * and their variances, as A. Krizhevsky, I. Sutskever, G. Hinton, NIPS 2012,
 * section 4.1, use them, and He et al. 2016 after them; the figures in general
 * use. */
static const double component[CHANNELS][CHANNELS] = {
    {-0.5675, 0.7192, 0.4009},
    {-0.5808, -0.0045, -0.8140},
    {-0.5836, -0.6948, 0.4203},
};
static const double variance[CHANNELS] = {0.2175, 0.0188, 0.0045};
#define PCA_STD 0.1

/* Brightness, contrast and saturation change by a factor of 1 - this to
 * 1 + this. */
#define JITTER 0.4

static uint8_t to_byte(double value)
{
    return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)(value + 0.5);
}

static void draw(const struct rn_loader_config *config, struct rn_pick pick,
                 uint32_t number, uint32_t bits[4])
{
    const struct rn_random_key key = {config->sampler.seed, RN_RANDOM_COLOUR,
                                      pick.epoch};

    rn_random4(&key, (uint64_t)pick.index << 8 | number, bits);
}

/* Every pixel moves by the same sum of components, each times its variance
 * times a normal number of std 0.1. */
static void shift(const struct rn_loader_config *config, struct rn_pick pick,
                  uint8_t *pixels, size_t plane)
{
    double normal[4];
    uint32_t bits[4];

    draw(config, pick, 0, bits);
    rn_random_normal2(bits[0], bits[1], normal);
    rn_random_normal2(bits[2], bits[3], normal + 2);
    for (size_t c = 0; c < CHANNELS; c++, pixels += plane) {
        double by = 0;

        for (size_t k = 0; k < CHANNELS; k++)
            by += 255 * PCA_STD * normal[k] * variance[k] * component[c][k];
        for (size_t i = 0; i < plane; i++)
            pixels[i] = to_byte(pixels[i] + by);
    }
}

/* ITU-R BT.601 */
static double grey(double r, double g, double b)
{
    return 0.299 * r + 0.587 * g + 0.114 * b;
}

static double mean_grey(const uint8_t *pixels, size_t plane)
{
    double sum = 0;

    for (size_t i = 0; i < plane; i++)
        sum += grey(pixels[i], pixels[plane + i], pixels[2 * plane + i]);
    return sum / (double)plane;
}

static double factor(uint32_t bits)
{
    return 1 + JITTER * (2 * rn_random_unit(bits) - 1);
}

/* Brightness is how far from black a pixel is, contrast how far from the
 * image's grey, saturation how far from its own. */
static void jitter(const struct rn_loader_config *config, struct rn_pick pick,
                   uint8_t *pixels, size_t plane)
{
    double light, contrast, saturation, middle;
    uint32_t bits[4];

    draw(config, pick, 0, bits);
    light = factor(bits[0]);
    contrast = factor(bits[1]);
    saturation = factor(bits[2]);
    middle = light * mean_grey(pixels, plane);
    for (size_t i = 0; i < plane; i++) {
        double rgb[CHANNELS], own;

        for (size_t c = 0; c < CHANNELS; c++)
            rgb[c] =
                middle + contrast * (light * pixels[c * plane + i] - middle);
        own = grey(rgb[0], rgb[1], rgb[2]);
        for (size_t c = 0; c < CHANNELS; c++)
            pixels[c * plane + i] = to_byte(own + saturation * (rgb[c] - own));
    }
}

void rn_colour_change(const struct rn_loader_config *config,
                      struct rn_pick pick, uint8_t *pixels)
{
    const struct rn_shape *s = rn_loader_shape(config);
    size_t plane = rn_shape_pixels(*s);

    if (s->c != CHANNELS)
        return;
    if (config->augment.colour == RN_COLOUR_PCA)
        shift(config, pick, pixels, plane);
    else if (config->augment.colour == RN_COLOUR_JITTER)
        jitter(config, pick, pixels, plane);
}
