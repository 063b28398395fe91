/* SPDX-License-Identifier: BSD-2-Clause */
/* Losses: every row's gradient against differences of its loss, whatever
 * targets it takes; test_golden.c has the numbers of PyTorch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ops/loss.h"

#include <math.h>
#include <string.h>

enum { N = 3, CLASSES = 5, STRIDE = 8 };

static const int32_t labels[N] = {2, 0, 4}, others[N] = {2, 3, 1};
static const float share[N] = {1, 0.75F, 0.5F};
static const float wanted[N * CLASSES] = {
    1, 0, 1, 0, 0, /* two */
    0, 0, 0, 0, 0, /* none */
    1, 1, 1, 1, 1, /* all */
};

static const float taught[N * CLASSES] = {
    3, -1, 0.5F, 0, 2, /* a teacher's */
    0, 0, 0, 0, 0, -4, 1, 1, 5, 0,
};

static void fill(float *logits)
{
    memset(logits, 0, N * STRIDE * sizeof(*logits));
    for (int k = 0; k < N; k++)
        for (int i = 0; i < CLASSES; i++)
            logits[k * STRIDE + i] =
                2 * (float)sin((double)(k * CLASSES + i + 1));
}

/* Central differences in float lose a few digits. */
static void check_gradient(const struct rn_targets *t)
{
    float logits[N * STRIDE], diff[N * STRIDE], ignored[N * STRIDE];
    const float step = 1.0F / 256;

    fill(logits);
    rn_loss_of(N, CLASSES, STRIDE, logits, t, diff);
    for (int at = 0; at < N * STRIDE; at++) {
        float kept = logits[at];
        double more, less, slope;

        if (at % STRIDE >= CLASSES) {
            assert_true(diff[at] == 0);
            continue;
        }
        logits[at] = kept + step;
        more = rn_loss_of(N, CLASSES, STRIDE, logits, t, ignored).sum;
        logits[at] = kept - step;
        less = rn_loss_of(N, CLASSES, STRIDE, logits, t, ignored).sum;
        logits[at] = kept;
        slope = (more - less) / (2 * (double)step) / N;
        if (fabs((double)diff[at] - slope) > 2e-5)
            fail_msg("%s: gradient of %d is %g, differences give %g",
                     t->loss->name, at, (double)diff[at], slope);
    }
}

static void gradients(void **state)
{
    (void)state;
    for (int i = 0; rn_losses[i]; i++) {
        struct rn_targets t = {.labels = labels, .loss = rn_losses[i]};

        check_gradient(&t);
        t.smoothing = rn_losses[i]->smooths ? 0.2F : 0;
        if (rn_losses[i]->mixes) {
            t.others = others;
            t.share = share;
        }
        check_gradient(&t);
        t.soft = (struct rn_soft_targets){taught, 2.5, 0.7};
        if (rn_losses[i]->softens)
            check_gradient(&t);
        if (rn_losses[i]->sets)
            check_gradient(
                &(struct rn_targets){.wanted = wanted, .loss = rn_losses[i]});
    }
}

/* A loss that is not finite must be seen. */
static void not_finite(void **state)
{
    (void)state;
    for (int i = 0; rn_losses[i]; i++) {
        const struct rn_targets t = {.labels = labels, .loss = rn_losses[i]};
        float logits[N * STRIDE], diff[N * STRIDE];

        fill(logits);
        logits[STRIDE + 1] = NAN;
        assert_true(
            isnan(rn_loss_of(N, CLASSES, STRIDE, logits, &t, diff).sum));
    }
}

/* By the largest logit, or by those above 0. */
static void answers(void **state)
{
    const float logits[CLASSES] = {3, -1, 4, -2, -0.5F};
    float diff[CLASSES];
    struct rn_targets t = {.labels = labels};

    (void)state;
    assert_int_equal(rn_loss_of(1, CLASSES, CLASSES, logits, &t, diff).errors,
                     0);
    t.wanted = wanted;
    t.loss = rn_loss_find("binary-cross-entropy");
    if (!t.loss)
        return;
    assert_int_equal(rn_loss_of(1, CLASSES, CLASSES, logits, &t, diff).errors,
                     0);
    t.wanted = wanted + CLASSES;
    assert_int_equal(rn_loss_of(1, CLASSES, CLASSES, logits, &t, diff).errors,
                     1);
}

static void table(void **state)
{
    (void)state;
    for (int i = 0; rn_losses[i]; i++) {
        const struct rn_loss_rule *row = rn_losses[i];

        assert_true(row->name && *row->name && row->image);
        assert_true(rn_loss_find(row->name) == row);
        assert_true(row->output == RN_OUTPUT_LOGITS ||
                    row->output == RN_OUTPUT_INDEPENDENT_LOGITS);
        /* Sets need classes that do not exclude each other. */
        assert_true(!row->sets || row->output != RN_OUTPUT_LOGITS);
        assert_true(row->smoothing <= 0 || row->smooths);
    }
    assert_null(rn_loss_find("mean"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients),
        cmocka_unit_test(not_finite),
        cmocka_unit_test(answers),
        cmocka_unit_test(table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
