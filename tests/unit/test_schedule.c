/* SPDX-License-Identifier: BSD-2-Clause */
/* Learning rate schedules: what is understood, what is refused, values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/schedule.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* cmocka 1.1's assert_float_equal() compares floats. */
static void assert_near(double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("%.15g, expected %.15g within %g", got, expected, tolerance);
}

static int parse(struct rn_schedule *s, const char *schedule,
                 const char *warmup, long iterations, struct rn_error *err)
{
    struct rn_train_options o;

    rn_train_defaults(&o);
    o.lr = 0.1; /* zero would be for the trainer to choose */
    o.schedule = schedule;
    o.warmup = warmup;
    return rn_schedule_parse(s, &o, iterations, err);
}

/* lr as a multiple of 0.1, the default, after 1000 iterations' schedules. */
static const struct value {
    const char *schedule, *warmup;
    long iteration;
    double lr;
} values[] = {
    {"constant", "none", 0, 0.1},
    {"constant", "none", 999, 0.1},
    {"step:50%,75%", "none", 499, 0.1},
    {"step:50%,75%", "none", 500, 0.01},
    {"step:50%,75%", "none", 749, 0.01},
    {"step:50%,75%", "none", 750, 0.001},
    {"step:50%,75%", "none", 999, 0.001},
    {"step:32,48", "none", 31, 0.1},
    {"step:32,48", "none", 32, 0.01},
    {"step:32,48", "none", 48, 0.001},
    {"step:12.5%,48%", "none", 124, 0.1},
    {"step:12.5%,48%", "none", 125, 0.01},
    {"step:100,2000", "none", 999, 0.01},
    {"step:30%,60%,80%*0.2", "none", 299, 0.1},
    {"step:30%,60%,80%*0.2", "none", 300, 0.02},
    {"step:30%,60%,80%*0.2", "none", 999, 0.0008},
    {"step:10*0.5", "none", 10, 0.05},
    {"cosine", "none", 0, 0.1},
    {"cosine", "none", 500, 0.05},
    {"cosine", "none", 250, 0.1 * 0.85355339059327376},
    {"constant", "100", 0, 0.001},
    {"constant", "100", 49, 0.05},
    {"constant", "100", 99, 0.1},
    {"constant", "100", 100, 0.1},
    {"constant", "0", 0, 0.1},
    {"cosine", "200", 200, 0.1},
    {"cosine", "200", 600, 0.05},
    {"poly", "none", 0, 0.1},
    {"poly", "none", 500, 0.025},
    {"poly:1", "none", 250, 0.075},
    {"poly:2", "200", 200, 0.1},
    {"poly:2", "200", 600, 0.025},
    {"one-cycle", "none", 0, 0.004},
    {"one-cycle", "none", 150, 0.052},
    {"one-cycle", "none", 300, 0.1},
    {"one-cycle", "none", 650, 0.050005},
    {"one-cycle:50", "none", 500, 0.1},
    {"one-cycle:0", "none", 0, 0.1},
    {"one-cycle:100", "none", 500, 0.052},
    {"constant", "error:80", 0, 0.01},
    {"constant", "error:80", 999, 0.01},
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(values); i++) {
        const struct value *v = &values[i];
        struct rn_schedule s;
        struct rn_error err = {0};
        double lr;

        if (parse(&s, v->schedule, v->warmup, 1000, &err) != RN_OK)
            fail_msg("%s, %s: %s", v->schedule, v->warmup, err.msg);
        lr = rn_schedule_lr(&s, v->iteration);
        if (fabs(lr - v->lr) > 1e-12)
            fail_msg("%s, warmup %s, iteration %ld: lr %.15g, expected %.15g",
                     v->schedule, v->warmup, v->iteration, lr, v->lr);
    }
}

static const struct refusal {
    const char *schedule, *warmup;
    const char *says[2];
} refusals[] = {
    {"stairs", "none", {"`schedule` 'stairs'", "one-cycle"}},
    {"", "none", {"`schedule` ''", "step:A,B"}},
    {"step", "none", {"`schedule` 'step'", "step:A,B"}},
    {"step:", "none", {"`schedule` 'step:'", "separated by commas"}},
    {"step:1,", "none", {"`schedule` 'step:1,'", "separated by commas"}},
    {"step:1*", "none", {"`schedule` 'step:1*'", "a factor above 0"}},
    {"step:1*2", "none", {"`schedule` 'step:1*2'", "below 1"}},
    {"step:1*0", "none", {"`schedule` 'step:1*0'", "above 0"}},
    {"step:1*0.2,3", "none", {"'step:1*0.2,3'", "a factor above 0"}},
    {"step:*0.2", "none", {"'step:*0.2'", "separated by commas"}},
    {"step:1,,2", "none", {"'step:1,,2'", "separated by commas"}},
    {"step:1;2", "none", {"'step:1;2'", "separated by commas"}},
    {"step:-5", "none", {"'step:-5'", "separated by commas"}},
    {"step:1.5", "none", {"'step:1.5'", "iterations"}},
    {"step:101%", "none", {"'step:101%'", "percentages"}},
    {"step:1.2.3", "none", {"'step:1.2.3'", "iterations"}},
    {"step:nan", "none", {"'step:nan'", "iterations"}},
    {"step:1e3", "none", {"'step:1e3'", "iterations"}},
    {"step:20,10", "none", {"'step:20,10'", "found 10 after 20"}},
    {"step:99999999999999999999", "none", {"'step:999", "iterations"}},
    {"step:1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
     "none",
     {"'step:1,2", "more than 16"}},
    {"cosine:3", "none", {"`schedule` 'cosine:3'", "expected"}},
    {"poly:", "none", {"'poly:'", "a power above 0"}},
    {"poly:0", "none", {"'poly:0'", "a power above 0"}},
    {"poly:101", "none", {"'poly:101'", "up to 100"}},
    {"polynomial", "none", {"`schedule` 'polynomial'", "poly[:P]"}},
    {"one-cycle:", "none", {"'one-cycle:'", "percentage"}},
    {"one-cycle:101", "none", {"'one-cycle:101'", "0 to 100"}},
    {"one-cycles", "none", {"'one-cycles'", "expected"}},
    {"constant", "", {"`warmup` ''", "none"}},
    {"constant", "soon", {"`warmup` 'soon'", "error:PERCENT"}},
    {"constant", "1.5", {"`warmup` '1.5'", "number of iterations"}},
    {"constant", "-1", {"`warmup` '-1'", "number of iterations"}},
    {"constant", "1001", {"`warmup` '1001'", "1000 iterations"}},
    {"constant", "error:", {"`warmup` 'error:'", "error:80"}},
    {"constant", "error:0", {"`warmup` 'error:0'", "above 0"}},
    {"constant", "error:101", {"`warmup` 'error:101'", "up to 100"}},
    {"one-cycle", "10", {"`warmup` '10'", "one-cycle"}},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refusals); i++) {
        const struct refusal *r = &refusals[i];
        struct rn_schedule s;
        struct rn_error err = {0};
        int rc = parse(&s, r->schedule, r->warmup, 1000, &err);

        if (rc != RN_ERR_ARG || !strstr(err.msg, r->says[0]) ||
            !strstr(err.msg, r->says[1]))
            fail_msg("%s, warmup %s: status %d, message \"%s\", expected "
                     "RN_ERR_ARG with \"%s\" and \"%s\"",
                     r->schedule, r->warmup, rc, err.msg, r->says[0],
                     r->says[1]);
    }
}

/* The rule of the paper's 110 layers: 0.01 until the error is low, then the
 * usual schedule by absolute iteration. */
static void test_error_rule(void **state)
{
    struct rn_schedule s;
    struct rn_error err = {0};

    (void)state;
    assert_int_equal(parse(&s, "step:500", "error:80", 1000, &err), RN_OK);
    assert_near(rn_schedule_lr(&s, 700), 0.01, 1e-15);
    s.warmed_at = 400;
    assert_near(rn_schedule_lr(&s, 399), 0.01, 1e-15);
    assert_near(rn_schedule_lr(&s, 400), 0.1, 1e-15);
    assert_near(rn_schedule_lr(&s, 500), 0.01, 1e-15);
}

/* Eight times the images: eight times the rate, which the warm-up begins an
 * eighth of. Fewer images have a smaller one, and a warm-up from 0. */
static void test_rate_by_batch(void **state)
{
    struct rn_train_options o;
    struct rn_schedule s;
    struct rn_error err = {0};

    (void)state;
    rn_train_defaults(&o);
    o.lr = 0.1;
    o.batch = 512;
    o.accumulate = 2;
    o.lr_batch = 128;
    o.schedule = "step:50%";
    o.warmup = "100";
    assert_int_equal(rn_schedule_parse(&s, &o, 1000, &err), RN_OK);
    assert_near(rn_schedule_lr(&s, 0), 0.1, 1e-15);
    assert_near(rn_schedule_lr(&s, 50), 0.45, 1e-15);
    assert_near(rn_schedule_lr(&s, 100), 0.8, 1e-15);
    assert_near(rn_schedule_lr(&s, 500), 0.08, 1e-15);
    o.batch = 32;
    assert_int_equal(rn_schedule_parse(&s, &o, 1000, &err), RN_OK);
    assert_near(rn_schedule_lr(&s, 0), 0.0005, 1e-15);
    assert_near(rn_schedule_lr(&s, 100), 0.05, 1e-15);
}

static void test_falls_to_the_end(void **state)
{
    static const char *const schedules[] = {"cosine", "poly", "one-cycle:10"};

    (void)state;
    for (size_t i = 0; i < COUNT(schedules); i++) {
        struct rn_schedule s;
        struct rn_error err = {0};
        double before = 1;

        assert_int_equal(parse(&s, schedules[i], "none", 1000, &err), RN_OK);
        for (long k = 100; k < 1000; k++) {
            double lr = rn_schedule_lr(&s, k);

            if (!(lr > 0 && lr < before))
                fail_msg("%s: lr %g at %ld after %g", schedules[i], lr, k,
                         before);
            before = lr;
        }
        assert_true(before < 1e-4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_error_rule),
        cmocka_unit_test(test_rate_by_batch),
        cmocka_unit_test(test_falls_to_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
