/* SPDX-License-Identifier: BSD-2-Clause */
/* The optimiser against the formula, written out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/memory.h"
#include "core/random.h"
#include "train/train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Segments of several kinds; some longer than what a thread takes at once,
 * one after a gap. Padding: the last 3 floats of each. */
static struct rn_param params[] = {
    {.kind = RN_PARAM_WEIGHT},  {.kind = RN_PARAM_BN_WEIGHT},
    {.kind = RN_PARAM_BN_BIAS}, {.kind = RN_PARAM_WEIGHT},
    {.kind = RN_PARAM_BIAS},
};
static const struct rn_graph graph = {.params = params, .n_params = 5};
static const struct rn_segment segments[] = {
    {.param = 4, .offset = 0, .count = 16},
    {.param = 3, .offset = 16, .count = 50000},
    {.param = 2, .offset = 50016, .count = 64},
    {.param = 1, .offset = 50096, .count = 64},
    {.param = 0, .offset = 50160, .count = 16400},
};
#define SEGMENTS 5
#define TOTAL    66560
#define PADDING  3

struct arrays {
    float *value, *grad, *momentum;
};

static bool is_padding(size_t at)
{
    for (size_t i = 0; i < SEGMENTS; i++) {
        size_t end = segments[i].offset + segments[i].count;

        if (at >= segments[i].offset && at < end)
            return at >= end - PADDING;
    }
    return true;
}

static void fill(struct arrays *a)
{
    struct rn_random_key key = {.seed = 7, .purpose = RN_RANDOM_TEST};

    a->value = rn_alloc(TOTAL, sizeof(float));
    a->grad = rn_alloc(TOTAL, sizeof(float));
    a->momentum = rn_alloc(TOTAL, sizeof(float));
    for (size_t i = 0; i < TOTAL; i++) {
        uint32_t r[4];

        rn_random4(&key, i, r);
        if (is_padding(i))
            continue;
        a->value[i] = (float)(2 * rn_random_unit(r[0]) - 1);
        a->grad[i] = (float)(2 * rn_random_unit(r[1]) - 1);
        a->momentum[i] = (float)(2 * rn_random_unit(r[2]) - 1);
    }
}

static void release(struct arrays *a)
{
    rn_free(a->value);
    rn_free(a->grad);
    rn_free(a->momentum);
}

static void step(const struct rn_sgd *sgd, struct arrays *a, int times)
{
    struct rn_flat flat = {
        .value = a->value,
        .grad = a->grad,
        .momentum = a->momentum,
        .count = TOTAL,
        .segments = segments,
        .n_segments = SEGMENTS,
    };

    for (int i = 0; i < times; i++)
        rn_sgd_step(sgd, &graph, &flat);
}

static void check_formula(bool decay_all)
{
    struct rn_sgd sgd = {.lr = 0.1F,
                         .momentum = 0.9F,
                         .weight_decay = 0.01F,
                         .decay_all = decay_all,
                         .threads = 2};
    struct arrays before, after;

    fill(&before);
    fill(&after);
    step(&sgd, &after, 1);
    for (size_t s = 0; s < SEGMENTS; s++) {
        enum rn_param_kind kind = params[segments[s].param].kind;
        double decay = decay_all || kind == RN_PARAM_WEIGHT ? 0.01 : 0;

        for (size_t k = 0; k < segments[s].count; k++) {
            size_t i = segments[s].offset + k;
            double w = (double)before.value[i], g = (double)before.grad[i];
            double v = 0.9 * (double)before.momentum[i] + 0.1 * (g + decay * w);

            if (fabs((double)after.momentum[i] - v) > 1e-6 ||
                fabs((double)after.value[i] - (w - v)) > 1e-6)
                fail_msg("segment %zu, place %zu: v %.8g, w %.8g; expected "
                         "%.8g, %.8g",
                         s, k, (double)after.momentum[i],
                         (double)after.value[i], v, w - v);
        }
    }
    release(&before);
    release(&after);
}

static void test_formula(void **state)
{
    (void)state;
    check_formula(true);
    check_formula(false);
}

static void test_padding_stays_zero(void **state)
{
    struct rn_sgd sgd = {.lr = 0.1F,
                         .momentum = 0.9F,
                         .weight_decay = 0.01F,
                         .decay_all = true,
                         .threads = 2};
    struct arrays a;

    (void)state;
    fill(&a);
    step(&sgd, &a, 5);
    for (size_t i = 0; i < TOTAL; i++)
        if (is_padding(i) && (a.value[i] != 0 || a.momentum[i] != 0))
            fail_msg("padding at %zu is %g, momentum %g", i, (double)a.value[i],
                     (double)a.momentum[i]);
    release(&a);
}

static void test_threads_do_not_matter(void **state)
{
    struct rn_sgd sgd = {
        .lr = 0.1F, .momentum = 0.9F, .weight_decay = 0.01F, .threads = 1};
    struct arrays one, many;

    (void)state;
    fill(&one);
    fill(&many);
    step(&sgd, &one, 3);
    sgd.threads = 3;
    step(&sgd, &many, 3);
    assert_memory_equal(one.value, many.value, TOTAL * sizeof(float));
    assert_memory_equal(one.momentum, many.momentum, TOTAL * sizeof(float));
    release(&one);
    release(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formula),
        cmocka_unit_test(test_padding_stays_zero),
        cmocka_unit_test(test_threads_do_not_matter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
