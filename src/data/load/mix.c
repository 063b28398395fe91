/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts of training images erased (Z. Zhong et al., "Random Erasing Data
 * Augmentation", AAAI 2020), two images overlaid (H. Zhang et al., "mixup",
 * ICLR 2018), a part of one pasted into another (S. Yun et al., "CutMix", ICCV
 * 2019). */
#include "core/random.h"
#include "data/load/augment.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------- erasing */

/* The paper's: shares of the image's area, and the largest aspect ratio. */
#define ERASE_LEAST  0.02
#define ERASE_MOST   0.33
#define ERASE_ASPECT 3.3
#define ERASE_TRIES  10

static void clear(const struct rn_shape *s, int x, int y, int w, int h,
                  float *image)
{
    for (int c = 0; c < s->c; c++)
        for (int row = y; row < y + h; row++)
            memset(image +
                       ((size_t)c * (size_t)s->h + (size_t)row) * (size_t)s->w +
                       x,
                   0, (size_t)w * sizeof(*image));
}

/* Whether a part of this try's size fits into the image. */
static bool erase_try(const struct rn_shape *s, const uint32_t bits[4],
                      float *image)
{
    double share =
        ERASE_LEAST + (ERASE_MOST - ERASE_LEAST) * rn_random_unit(bits[0]);
    double area = share * s->h * s->w;
    double aspect = exp(log(ERASE_ASPECT) * (2 * rn_random_unit(bits[1]) - 1));
    int w = (int)(sqrt(area * aspect) + 0.5), h = (int)(area / w + 0.5);

    if (w < 1 || h < 1 || w > s->w || h > s->h)
        return false;
    clear(s, (int)rn_random_below(bits[2], (uint32_t)(s->w - w + 1)),
          (int)rn_random_below(bits[3], (uint32_t)(s->h - h + 1)), w, h, image);
    return true;
}

void rn_erase(const struct rn_loader_config *config, struct rn_pick pick,
              float *image)
{
    const struct rn_random_key key = {config->sampler.seed, RN_RANDOM_ERASE,
                                      pick.epoch};
    uint32_t bits[4];

    rn_random4(&key, (uint64_t)pick.index << 8, bits);
    if (rn_random_unit(bits[0]) >= config->augment.erase)
        return;
    for (uint32_t i = 1; i <= ERASE_TRIES; i++) {
        rn_random4(&key, (uint64_t)pick.index << 8 | i, bits);
        if (erase_try(rn_loader_shape(config), bits, image))
            return;
    }
}

/* -------------------------------------------------------------- mixing */

/* Of M. D. Jöhnk's method for beta(a, a), a up to 1, at least half of the
 * tries succeed. */
#define BETA_TRIES 200

static void draw(const struct rn_loader_config *config, struct rn_pick pick,
                 uint32_t number, uint32_t bits[4])
{
    const struct rn_random_key key = {config->sampler.seed, RN_RANDOM_MIX,
                                      pick.epoch};

    rn_random4(&key, (uint64_t)pick.index << 8 | number, bits);
}

/* (0, 1): its logarithm is finite. */
static double inside(uint32_t bits)
{
    return ((double)bits + 0.5) * 0x1p-32;
}

static double draw_beta(const struct rn_loader_config *config,
                        struct rn_pick pick, double a)
{
    for (uint32_t i = 1; i <= BETA_TRIES; i++) {
        uint32_t bits[4];
        double x, y;

        draw(config, pick, i, bits);
        x = pow(inside(bits[0]), 1 / a);
        y = pow(inside(bits[1]), 1 / a);
        if (x + y > 0 && x + y <= 1)
            return x / (x + y);
    }
    return 1;
}

/* A part of 1 - share of the area about a random middle, cut off at the
 * image's edges; the share becomes what is left. */
static void draw_part(const struct rn_shape *s, const uint32_t bits[4],
                      double share, struct rn_mix *mix)
{
    double side = sqrt(1 - share);
    int w = (int)(side * s->w), h = (int)(side * s->h);
    int x = (int)rn_random_below(bits[2], (uint32_t)s->w) - w / 2;
    int y = (int)rn_random_below(bits[3], (uint32_t)s->h) - h / 2;

    mix->x = x < 0 ? 0 : x;
    mix->y = y < 0 ? 0 : y;
    mix->w = (x + w > s->w ? s->w : x + w) - mix->x;
    mix->h = (y + h > s->h ? s->h : y + h) - mix->y;
    mix->share = (float)(1 - (double)mix->w * mix->h / ((double)s->w * s->h));
}

bool rn_mixes(const struct rn_augment *augment)
{
    return augment->mixup > 0 || augment->cutmix > 0;
}

void rn_mix_draw(const struct rn_loader_config *config, struct rn_pick pick,
                 struct rn_mix *mix)
{
    const struct rn_augment *a = &config->augment;
    double share;
    uint32_t bits[4];

    draw(config, pick, 0, bits);
    *mix = (struct rn_mix){.other = pick, .cut = a->cutmix > 0};
    mix->other.index =
        rn_random_below(bits[0], (uint32_t)config->sampler.count);
    if (a->mixup > 0 && a->cutmix > 0)
        mix->cut = bits[1] >> 31;
    share = draw_beta(config, pick, mix->cut ? a->cutmix : a->mixup);
    mix->share = (float)share;
    if (mix->cut)
        draw_part(rn_loader_shape(config), bits, share, mix);
}

static void paste(const struct rn_shape *s, const struct rn_mix *mix,
                  const float *other, float *image)
{
    for (int c = 0; c < s->c; c++) {
        for (int y = mix->y; y < mix->y + mix->h; y++) {
            size_t at = ((size_t)c * (size_t)s->h + (size_t)y) * (size_t)s->w +
                        (size_t)mix->x;

            memcpy(image + at, other + at, (size_t)mix->w * sizeof(*image));
        }
    }
}

void rn_mix_apply(const struct rn_loader_config *config,
                  const struct rn_mix *mix, const float *other, float *image)
{
    const struct rn_shape *s = rn_loader_shape(config);
    size_t count = rn_shape_size(*s);

    if (mix->cut) {
        paste(s, mix, other, image);
        return;
    }
    for (size_t i = 0; i < count; i++)
        image[i] = mix->share * image[i] + (1 - mix->share) * other[i];
}
