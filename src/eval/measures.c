/* SPDX-License-Identifier: BSD-2-Clause */
/* Precision, recall and such of a report, as scikit-learn has them. */
#include "eval/report.h"

#include "eval/eval.h"

#include "core/memory.h"
#include "core/sized.h"

#include <math.h>
#include <stdlib.h>

#define UNDEFINED ((double)NAN)

static double share(double part, double of)
{
    return of > 0 ? part / of : UNDEFINED;
}

/* ---------------------------------------------------------- at one answer */

/* From how often the class is right, answered and there. */
static void measure_answers(const struct rn_report *report, int i,
                            struct rn_measures *m)
{
    struct rn_class_result r = {.images = 0};
    double wrongly, others;

    rn_report_class(report, i, &r);
    wrongly = r.answered - r.right1;
    others = report->count - r.images;
    m->precision = share(r.right1, r.answered);
    m->recall = share(r.right1, r.images);
    m->f1 = share(2.0 * r.right1, (double)r.images + r.answered);
    m->balanced_accuracy = (m->recall + share(others - wrongly, others)) / 2;
}

/* ------------------------------------------------------- over all answers */

static int by_score(const void *a, const void *b)
{
    const struct rn_scored *x = a, *y = b;

    if (x->score > y->score || x->score < y->score)
        return x->score > y->score ? -1 : 1;
    return 0;
}

/* `scored` in falling order. Images of one score are taken together: in the
 * area each pair of a positive and a negative among them counts a half. */
static void measure_curves(const struct rn_scored *scored, size_t count,
                           struct rn_measures *m)
{
    double right = 0, wrong = 0, area = 0, precision = 0;

    m->roc_auc = m->average_precision = (double)NAN;
    for (size_t i = 0; i < count; i++)
        if (isnan(scored[i].score))
            return; /* which has no place in an order */
    for (size_t i = 0; i < count;) {
        float score = scored[i].score;
        double tied[2] = {0, 0};

        for (; i < count && !(scored[i].score < score); i++)
            tied[scored[i].positive]++;
        area += tied[0] * (right + tied[1] / 2);
        right += tied[1];
        wrong += tied[0];
        precision += tied[1] * right / (right + wrong);
    }
    m->roc_auc = share(area, right * wrong);
    m->average_precision = share(precision, right);
}

double rn_average_precision(struct rn_scored *scored, size_t count)
{
    struct rn_measures m;

    qsort(scored, count, sizeof(*scored), by_score);
    measure_curves(scored, count, &m);
    return m.average_precision;
}

/* Room for the images' scores, or NULL. */
static struct rn_scored *score_room(const struct rn_report *report,
                                    struct rn_error *err)
{
    size_t images = (size_t)report->count;
    struct rn_scored *scored = rn_alloc(images, sizeof(*scored));

    if (!scored)
        rn_fail_memory(err, images * sizeof(*scored), "the images' scores");
    return scored;
}

static void measure(const struct rn_report *report, int i,
                    struct rn_scored *scored, struct rn_measures *m)
{
    size_t images = (size_t)report->count;

    measure_answers(report, i, m);
    for (size_t j = 0; j < images; j++)
        scored[j] = (struct rn_scored){
            report->probabilities[j * (size_t)report->classes + (size_t)i],
            report->answers[j].label == i};
    qsort(scored, images, sizeof(*scored), by_score);
    measure_curves(scored, images, m);
}

static int check_kept(const struct rn_report *report, struct rn_error *err)
{
    if (report->probabilities)
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG,
                   "the report was made without keeping all probabilities");
}

int rn_report_class_measures_sized(const struct rn_report *report, int i,
                                   struct rn_measures *measures, size_t size,
                                   struct rn_error *err)
{
    int rc = check_kept(report, err);
    struct rn_scored *scored;
    struct rn_measures own;

    if (rc == RN_OK && (i < 0 || i >= report->classes))
        rc = rn_fail(err, RN_ERR_ARG, "class %d: the model has %d", i,
                     report->classes);
    if (rc != RN_OK)
        return rc;
    scored = score_room(report, err);
    if (!scored)
        return RN_ERR_MEMORY;
    measure(report, i, scored, &own);
    rn_free(scored);
    RN_GIVE(measures, size, &own);
    return RN_OK;
}

/* ------------------------------------------------------ over the classes */

/* A mean over what is added to it. */
struct mean {
    double sum;
    long count;
};

/* What is undefined is left out, or counts 0. */
static void add(struct mean *mean, double value, bool leave_out)
{
    if (isnan(value) && leave_out)
        return;
    mean->sum += isnan(value) ? 0 : value;
    mean->count++;
}

static double mean_of(const struct mean *mean)
{
    return share(mean->sum, (double)mean->count);
}

int rn_report_measures_sized(const struct rn_report *report,
                             struct rn_measures *measures, size_t size,
                             struct rn_error *err)
{
    struct mean precision = {0, 0}, recall = {0, 0}, f1 = {0, 0};
    struct mean balanced = {0, 0}, area = {0, 0}, average = {0, 0};
    int rc = check_kept(report, err);
    struct rn_scored *scored;
    struct rn_measures own;

    if (rc != RN_OK)
        return rc;
    scored = score_room(report, err);
    if (!scored)
        return RN_ERR_MEMORY;
    for (int i = 0; i < report->classes; i++) {
        struct rn_measures m;

        measure(report, i, scored, &m);
        if (isnan(m.f1)) /* neither a label nor an answer */
            continue;
        add(&precision, m.precision, false);
        add(&recall, m.recall, false);
        add(&f1, m.f1, false);
        add(&balanced, m.recall, true);
        add(&area, m.roc_auc, true);
        add(&average, m.average_precision, true);
    }
    rn_free(scored);
    own = (struct rn_measures){
        .precision = mean_of(&precision),
        .recall = mean_of(&recall),
        .f1 = mean_of(&f1),
        .balanced_accuracy = mean_of(&balanced),
        .roc_auc = mean_of(&area),
        .average_precision = mean_of(&average),
    };
    RN_GIVE(measures, size, &own);
    return RN_OK;
}

/* --------------------------------------------------------- probabilities */

int rn_report_probabilities(const struct rn_report *report, const char *path,
                            struct rn_error *err)
{
    const int shape[3] = {report->classes, 1, 1};
    struct rn_features *file;
    int rc = check_kept(report, err);

    if (rc == RN_OK)
        rc = rn_features_create(&file, path, shape, err);
    if (rc != RN_OK)
        return rc;
    for (int i = 0; i < report->count && rc == RN_OK; i++) {
        char buf[600];

        rc = rn_features_add(
            file, rn_report_image(report, i, buf, sizeof(buf)),
            report->probabilities + (size_t)i * (size_t)report->classes, err);
    }
    if (rc == RN_OK)
        return rn_features_finish(file, err);
    rn_features_abort(file);
    return rc;
}
