/* SPDX-License-Identifier: BSD-2-Clause */
/* What training does to pictures at random: within bounds, as likely as it is
 * meant to be, and a function of seed, epoch and index. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/memory.h"
#include "core/random.h"
#include "data/load/augment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { SIZE = 16, PLANE = SIZE * SIZE, IMAGE = 3 * PLANE, DRAWS = 4000 };

/* ----------------------------------------------------------------- cuts */

static const struct picture {
    int width, height;
} pictures[] = {{500, 375}, {375, 500}, {16, 16},  {1, 1},
                {3, 900},   {900, 3},   {65535, 2}};

static void check_inside(const struct rn_placement *p, const struct rn_shape *s,
                         int kind, const struct picture *picture)
{
    const struct rn_area *w = &p->window;

    if (w->width != s->w || w->height != s->h || w->x < 0 || w->y < 0 ||
        w->x + w->width > p->width || w->y + w->height > p->height)
        fail_msg("cut %d of %d x %d: %d x %d at %lld, %lld of %lld x %lld",
                 kind, picture->width, picture->height, w->width, w->height,
                 (long long)w->x, (long long)w->y, (long long)p->width,
                 (long long)p->height);
}

static void cuts_lie_inside(void **state)
{
    const struct rn_shape shapes[] = {{3, 224, 224}, {3, 16, 48}, {3, 1, 1}};

    (void)state;
    for (int kind = RN_CUT_AREA; kind <= RN_CUT_SHORTER; kind++)
        for (size_t i = 0; i < COUNT(pictures) * COUNT(shapes) * 50; i++) {
            const struct picture *p = &pictures[i % COUNT(pictures)];
            const struct rn_shape *s = &shapes[i / 7 % COUNT(shapes)];
            struct rn_random_cut cut = {.kind = (enum rn_cut)kind,
                                        .least_area = 0.08,
                                        .shorter = {256, 480},
                                        .epoch = (uint32_t)i,
                                        .index = 5};
            struct rn_placement a, b;

            rn_random_place(&cut, s, p->width, p->height, &a);
            check_inside(&a, s, kind, p);
            rn_random_place(&cut, s, p->width, p->height, &b);
            assert_memory_equal(&a, &b, sizeof(a));
        }
}

/* Areas are spread evenly from the least share to all; shapes about square. */
static void areas_are_spread_evenly(void **state)
{
    const struct rn_shape s = {3, 224, 224};
    struct rn_random_cut cut = {.kind = RN_CUT_AREA, .least_area = 0.2};
    double sum = 0, least = 1, most = 0, aspect = 0;

    (void)state;
    for (int i = 0; i < DRAWS; i++) {
        struct rn_placement p;
        double w, h, share;

        cut.index = (uint32_t)i;
        rn_random_place(&cut, &s, 1000, 1000, &p);
        w = 224.0 / (double)p.width;
        h = 224.0 / (double)p.height;
        share = w * h;
        sum += share;
        least = fmin(least, share);
        most = fmax(most, share);
        aspect += log(w / h);
        if (w / h < 0.74 || w / h > 1.35)
            fail_msg("a part of %g x %g", w, h);
    }
    /* Near the whole only squares fit: the mean is less than 0.6. */
    if (sum / DRAWS < 0.52 || sum / DRAWS > 0.6 || least < 0.195 ||
        least > 0.21 || most < 0.95 || most > 1)
        fail_msg("shares from %g to %g, %g on average", least, most,
                 sum / DRAWS);
    assert_true(fabs(aspect / DRAWS) < 0.02);
}

static void shorter_sides_are_the_papers(void **state)
{
    const struct rn_shape s = {3, 224, 224};
    struct rn_random_cut cut = {.kind = RN_CUT_SHORTER, .shorter = {256, 480}};
    int64_t least = INT64_MAX, most = 0;
    double x = 0;

    (void)state;
    for (int i = 0; i < DRAWS; i++) {
        struct rn_placement p;

        cut.index = (uint32_t)i;
        rn_random_place(&cut, &s, 600, 400, &p);
        assert_int_equal(p.width, p.height * 600 / 400);
        least = p.height < least ? p.height : least;
        most = p.height > most ? p.height : most;
        x += (double)p.window.x / (double)(p.width - s.w) / DRAWS;
    }
    assert_int_equal(least, 256);
    assert_int_equal(most, 480);
    assert_true(fabs(x - 0.5) < 0.02);
}

/* ------------------------------------------------- what is done to images */

static struct rn_data data = {
    .shape = {3, SIZE, SIZE},
    .part = {[RN_PART_TRAIN] = {.count = 100}},
};

static struct rn_loader_config config_of(const struct rn_augment *augment)
{
    return (struct rn_loader_config){.data = &data,
                                     .sampler = {.seed = 3, .count = 100},
                                     .augment = *augment};
}

static void fill(uint8_t *pixels)
{
    for (int i = 0; i < IMAGE; i++)
        pixels[i] = (uint8_t)(60 + (i * 37 + i / PLANE * 50) % 130);
}

static double channel_mean(const uint8_t *pixels, int c)
{
    double sum = 0;

    for (int i = 0; i < PLANE; i++)
        sum += pixels[c * PLANE + i];
    return sum / PLANE;
}

/* Krizhevsky's shift: the same for every pixel of a channel, of the covariance
 * that the components say. */
static void pca_moves_colours_together(void **state)
{
    const struct rn_augment augment = {.colour = RN_COLOUR_PCA};
    const struct rn_loader_config config = config_of(&augment);
    uint8_t before[IMAGE], after[IMAGE];
    double red = 0, both = 0;

    (void)state;
    fill(before);
    for (uint32_t i = 0; i < DRAWS; i++) {
        double by[3];

        memcpy(after, before, IMAGE);
        rn_colour_change(&config, (struct rn_pick){1, i}, after);
        for (int c = 0; c < 3; c++) {
            by[c] = channel_mean(after, c) - channel_mean(before, c);
            for (int k = 0; k < PLANE; k++) {
                int d = after[c * PLANE + k] - before[c * PLANE + k];

                if (fabs(d - by[c]) > 1)
                    fail_msg("draw %u: a pixel moves by %d, others by %g", i, d,
                             by[c]);
            }
        }
        red += by[0] * by[0] / DRAWS;
        both += by[0] * by[1] / DRAWS;
    }
    /* (25.5)^2 sum of (component . variance)^2, of red and of red and green,
     * and a twelfth for rounding. */
    if (fabs(red - 10.1) > 1 || fabs(both - 10.25) > 1)
        fail_msg("variance %g, covariance %g", red, both);
}

static void jitter_keeps_greys_grey(void **state)
{
    const struct rn_augment augment = {.colour = RN_COLOUR_JITTER};
    const struct rn_loader_config config = config_of(&augment);
    uint8_t pixels[IMAGE], again[IMAGE];
    int darker = 0, brighter = 0;

    (void)state;
    for (uint32_t i = 0; i < 200; i++) {
        for (int k = 0; k < IMAGE; k++)
            pixels[k] = (uint8_t)(100 + k % PLANE % 32);
        memcpy(again, pixels, IMAGE);
        rn_colour_change(&config, (struct rn_pick){1, i}, pixels);
        rn_colour_change(&config, (struct rn_pick){1, i}, again);
        assert_memory_equal(pixels, again, IMAGE);
        for (int k = 0; k < PLANE; k++)
            if (abs(pixels[k] - pixels[PLANE + k]) > 1 ||
                abs(pixels[k] - pixels[2 * PLANE + k]) > 1)
                fail_msg("grey became %d %d %d", pixels[k], pixels[PLANE + k],
                         pixels[2 * PLANE + k]);
        darker += channel_mean(pixels, 0) < 110;
        brighter += channel_mean(pixels, 0) > 121;
    }
    assert_true(darker > 50 && brighter > 50);
}

static void erasing_is_as_often_as_asked(void **state)
{
    const struct rn_augment augment = {.erase = 0.25};
    const struct rn_loader_config config = config_of(&augment);
    int erased = 0;

    (void)state;
    for (uint32_t i = 0; i < DRAWS; i++) {
        float image[IMAGE];
        int zeros[3] = {0, 0, 0};

        for (int k = 0; k < IMAGE; k++)
            image[k] = 1;
        rn_erase(&config, (struct rn_pick){2, i}, image);
        for (int k = 0; k < IMAGE; k++)
            zeros[k / PLANE] += image[k] == 0;
        if (zeros[0] != zeros[1] || zeros[0] != zeros[2] ||
            zeros[0] > 0.4 * PLANE)
            fail_msg("%d, %d and %d pixels erased of %d", zeros[0], zeros[1],
                     zeros[2], PLANE);
        erased += zeros[0] > 0;
    }
    if (fabs(erased - 0.25 * DRAWS) > 0.03 * DRAWS)
        fail_msg("%d of %d images erased", erased, DRAWS);
}

/* Shares are of beta(a, a): mean 1/2, variance 1 / (8a + 4); labels are mixed
 * as pixels are. */
static void mixup_overlays_in_beta_shares(void **state)
{
    static const double alphas[] = {0.2, 1};

    (void)state;
    for (size_t a = 0; a < COUNT(alphas); a++) {
        const struct rn_augment augment = {.mixup = alphas[a]};
        const struct rn_loader_config config = config_of(&augment);
        double mean = 0, square = 0, want = 1 / (8 * alphas[a] + 4);

        for (uint32_t i = 0; i < DRAWS; i++) {
            float one[IMAGE], other[IMAGE];
            struct rn_mix mix;

            for (int k = 0; k < IMAGE; k++) {
                one[k] = 1;
                other[k] = 0;
            }
            rn_mix_draw(&config, (struct rn_pick){0, i}, &mix);
            rn_mix_apply(&config, &mix, other, one);
            assert_true(mix.other.index < 100);
            if (fabsf(one[7] - mix.share) > 1e-6F)
                fail_msg("share %g, pixel %g", (double)mix.share,
                         (double)one[7]);
            mean += (double)mix.share / DRAWS;
            square += (double)mix.share * (double)mix.share / DRAWS;
        }
        if (fabs(mean - 0.5) > 0.03 ||
            fabs(square - mean * mean - want) > 0.1 * want)
            fail_msg("alpha %g: mean %g, variance %g, expected 0.5 and %g",
                     alphas[a], mean, square - mean * mean, want);
    }
}

static void cutmix_pastes_what_the_share_says(void **state)
{
    const struct rn_augment augment = {.cutmix = 1};
    const struct rn_loader_config config = config_of(&augment);

    (void)state;
    for (uint32_t i = 0; i < DRAWS; i++) {
        float one[IMAGE], other[IMAGE];
        double sum = 0;
        struct rn_mix mix;

        for (int k = 0; k < IMAGE; k++) {
            one[k] = 1;
            other[k] = 0;
        }
        rn_mix_draw(&config, (struct rn_pick){0, i}, &mix);
        rn_mix_apply(&config, &mix, other, one);
        for (int k = 0; k < IMAGE; k++)
            sum += (double)one[k] / IMAGE;
        if (fabs(sum - (double)mix.share) > 1e-6)
            fail_msg("draw %u: %g of the image is left, the share is %g", i,
                     sum, (double)mix.share);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_lie_inside),
        cmocka_unit_test(areas_are_spread_evenly),
        cmocka_unit_test(shorter_sides_are_the_papers),
        cmocka_unit_test(pca_moves_colours_together),
        cmocka_unit_test(jitter_keeps_greys_grey),
        cmocka_unit_test(erasing_is_as_often_as_asked),
        cmocka_unit_test(mixup_overlays_in_beta_shares),
        cmocka_unit_test(cutmix_pastes_what_the_share_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
