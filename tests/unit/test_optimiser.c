/* SPDX-License-Identifier: BSD-2-Clause */
/* Optimisers: sgd against its formula written out, all of them on how they keep
 * the store; test_golden.c has their numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/memory.h"
#include "core/option.h"
#include "core/random.h"
#include "train/optimiser.h"

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
    float *value, *grad, *state[RN_STATES_MAX];
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
    for (int k = 0; k < RN_STATES_MAX; k++)
        a->state[k] = rn_alloc(TOTAL, sizeof(float));
    for (size_t i = 0; i < TOTAL; i++) {
        uint32_t r[4];

        rn_random4(&key, i, r);
        if (is_padding(i))
            continue;
        a->value[i] = (float)(2 * rn_random_unit(r[0]) - 1);
        a->grad[i] = (float)(2 * rn_random_unit(r[1]) - 1);
        a->state[0][i] = (float)(2 * rn_random_unit(r[2]) - 1);
        a->state[1][i] = (float)rn_random_unit(r[3]);
    }
}

static void release(struct arrays *a)
{
    rn_free(a->value);
    rn_free(a->grad);
    for (int k = 0; k < RN_STATES_MAX; k++)
        rn_free(a->state[k]);
}

/* As a run of such options makes it. */
static struct rn_update update_of(const struct rn_train_options *o, int threads)
{
    const struct rn_flat flat = {.n_segments = SEGMENTS};
    struct rn_update u;

    assert_int_equal(rn_update_create(&u, o, &flat, NULL), RN_OK);
    u.threads = threads;
    return u;
}

static struct rn_train_options options_of(const char *name)
{
    struct rn_train_options o;

    rn_train_defaults(&o);
    o.optimizer = name;
    o.weight_decay = 0.01;
    return o;
}

static void step(const struct rn_update *u, struct arrays *a, int times)
{
    struct rn_flat flat = {
        .value = a->value,
        .grad = a->grad,
        .state = {a->state[0],
                  rn_optimiser_states(u->optimiser) > 1 ? a->state[1] : NULL},
        .count = TOTAL,
        .segments = segments,
        .n_segments = SEGMENTS,
    };

    for (int i = 0; i < times; i++)
        rn_update_step(u, &graph, &flat, 0.1F, i + 1);
}

static void check_formula(bool decay_all)
{
    struct rn_train_options o = options_of("sgd");
    struct arrays before, after;
    struct rn_update u;

    o.decay_all = decay_all;
    u = update_of(&o, 2);
    fill(&before);
    fill(&after);
    step(&u, &after, 1);
    for (size_t s = 0; s < SEGMENTS; s++) {
        enum rn_param_kind kind = params[segments[s].param].kind;
        double decay = decay_all || kind == RN_PARAM_WEIGHT ? 0.01 : 0;

        for (size_t k = 0; k < segments[s].count; k++) {
            size_t i = segments[s].offset + k;
            double w = (double)before.value[i], g = (double)before.grad[i];
            double v = 0.9 * (double)before.state[0][i] + 0.1 * (g + decay * w);

            if (fabs((double)after.state[0][i] - v) > 1e-6 ||
                fabs((double)after.value[i] - (w - v)) > 1e-6)
                fail_msg("segment %zu, place %zu: v %.8g, w %.8g; expected "
                         "%.8g, %.8g",
                         s, k, (double)after.state[0][i],
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

static void check_padding(const char *name)
{
    const struct rn_train_options o = options_of(name);
    struct rn_update u = update_of(&o, 2);
    struct arrays a;

    fill(&a);
    step(&u, &a, 5);
    for (size_t i = 0; i < TOTAL; i++)
        if (is_padding(i) &&
            (a.value[i] != 0 || a.state[0][i] != 0 || a.state[1][i] != 0))
            fail_msg("%s: padding at %zu is %g, state %g, %g", name, i,
                     (double)a.value[i], (double)a.state[0][i],
                     (double)a.state[1][i]);
    release(&a);
    rn_update_free(&u);
}

static void check_threads(const char *name)
{
    const struct rn_train_options o = options_of(name);
    struct rn_update u = update_of(&o, 1);
    struct arrays one, many;

    fill(&one);
    fill(&many);
    step(&u, &one, 3);
    u.threads = 3;
    step(&u, &many, 3);
    assert_memory_equal(one.value, many.value, TOTAL * sizeof(float));
    for (int k = 0; k < RN_STATES_MAX; k++)
        assert_memory_equal(one.state[k], many.state[k], TOTAL * sizeof(float));
    release(&one);
    release(&many);
    rn_update_free(&u);
}

static void test_padding_stays_zero(void **state)
{
    (void)state;
    for (int i = 0; rn_optimisers[i]; i++)
        check_padding(rn_optimisers[i]->name);
}

static void test_threads_do_not_matter(void **state)
{
    (void)state;
    for (int i = 0; rn_optimisers[i]; i++)
        check_threads(rn_optimisers[i]->name);
}

/* Each column is filled, and each option is one that a run may have. */
static void test_table(void **state)
{
    const size_t end = sizeof(struct rn_train_options);

    (void)state;
    for (int i = 0; rn_optimisers[i]; i++) {
        const struct rn_optimiser *row = rn_optimisers[i];
        struct rn_train_options o = options_of(row->name);
        struct rn_error err = {0};

        assert_true(row->name && *row->name && row->update && row->rate > 0);
        assert_true(rn_optimiser_find(row->name) == row);
        assert_true(rn_optimiser_states(row) <= RN_STATES_MAX);
        for (int k = 0; row->options[k].name; k++) {
            assert_true(k < RN_OPTIMISER_OPTIONS);
            assert_true(row->options[k].place < end);
            *(double *)((char *)&o + row->options[k].place) = 0.25;
        }
        if (rn_optimiser_check(&o, &err))
            fail_msg("%s", err.msg);
    }
}

/* 0 stands for the usual value, RN_ZERO for 0: AdamW without averages divides a
 * gradient by its size. */
static void test_zero_itself(void **state)
{
    struct rn_train_options o = options_of("adamw");
    float value = 1, grad = -3, mean = 5, square = 7;
    const struct rn_slice slice = {.value = &value,
                                   .grad = &grad,
                                   .state = {&mean, &square},
                                   .count = 1,
                                   .lr = 0.25F};
    struct rn_update u;

    (void)state;
    o.beta1 = 0;
    assert_int_equal(rn_update_create(&u, &o, NULL, NULL), RN_OK);
    assert_true(u.option[0] == 0.9);
    o.beta1 = o.beta2 = RN_ZERO;
    assert_int_equal(rn_option_check(rn_train_option, &o, NULL), RN_OK);
    assert_int_equal(rn_update_create(&u, &o, NULL, NULL), RN_OK);
    assert_true(u.option[0] == 0 && u.option[1] == 0 && u.option[2] == 1e-8);
    u.optimiser->update(&slice, u.option, 3);
    assert_true(fabsf(value - 1.25F) < 1e-6F && mean == -3 && square == 9);
    o.beta1 = 2 * RN_ZERO;
    assert_int_equal(rn_option_check(rn_train_option, &o, NULL), RN_ERR_ARG);
    o.beta1 = RN_ZERO;
    o.epsilon = RN_ZERO; /* which would divide by zero */
    assert_int_equal(rn_option_check(rn_train_option, &o, NULL), RN_ERR_ARG);
}

static void refused(const struct rn_train_options *o, const char *says)
{
    struct rn_error err = {0};

    assert_int_equal(rn_optimiser_check(o, &err), RN_ERR_ARG);
    if (!strstr(err.msg, says))
        fail_msg("'%s', expected '%s'", err.msg, says);
}

static void test_refused(void **state)
{
    struct rn_train_options o = options_of("adam");

    (void)state;
    refused(&o, "`optimizer` 'adam': expected one of sgd, nesterov, adamw");
    o = options_of("sgd");
    o.beta1 = 0.5;
    refused(&o, "`beta1` 0.5: `optimizer` sgd has none, it takes momentum");
    o.beta1 = RN_ZERO;
    refused(&o, "`beta1` 0: `optimizer` sgd has none, it takes momentum");
    o = options_of("adamw");
    o.momentum = 0.5;
    refused(&o, "`momentum` 0.5: `optimizer` adamw has none, it takes beta1, "
                "beta2, epsilon");
    o.momentum = 0;
    assert_int_equal(rn_optimiser_check(&o, NULL), RN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formula),
        cmocka_unit_test(test_padding_stays_zero),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_zero_itself),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
