/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of measures that an evaluation tells, and the sums of those for
 * images that have any number of classes. */
#include "eval/eval.h"

#include "core/memory.h"
#include "model/head.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static double per_image(double sum, const struct rn_metrics *m)
{
    return sum / (double)m->images;
}

static double top1_error(const struct rn_metrics *m)
{
    return 100.0 * (double)m->wrong1 / (double)m->images;
}

static double top5_error(const struct rn_metrics *m)
{
    return 100.0 * (double)m->wrong5 / (double)m->images;
}

static double loss(const struct rn_metrics *m)
{
    return per_image(m->loss, m);
}

static double calibration_error(const struct rn_metrics *m)
{
    return 100.0 * rn_metrics_calibration(m);
}

static double exact_error(const struct rn_metrics *m)
{
    return 100.0 * (double)m->wrong_sets / (double)m->images;
}

/* Over all classes of all images together ("micro"). */
static double f1(const struct rn_metrics *m)
{
    return 2.0 * (double)m->hits / (double)(m->answered + m->wanted);
}

/* Over the classes that occur. */
static double mean_average_precision(const struct rn_metrics *m)
{
    double sum = 0;
    int count = 0;

    for (int c = 0; c < m->classes; c++) {
        double area = rn_average_precision(
            m->scored + (size_t)c * (size_t)m->room, (size_t)m->images);

        if (isnan(area))
            continue;
        sum += area;
        count++;
    }
    return sum / count;
}

#define METRIC(of) \
    .name = #of, .value = of, .place = offsetof(struct rn_eval_result, of)

/* clang-format off */
const struct rn_metric rn_metric_table[RN_METRICS + 1] = {
    {METRIC(top1_error), .single = true, .choice = RN_CHOICE_BEST,
     .log = "test_error", .title = "error", .percent = true},
    {METRIC(top5_error), .single = true,
     .log = "test_error5", .percent = true},
    {METRIC(calibration_error), .single = true,
     .log = "test_calibration_error", .percent = true},
    {METRIC(exact_error), .sets = true, .choice = RN_CHOICE_BEST,
     .log = "test_error", .title = "error", .percent = true},
    {METRIC(mean_average_precision), .sets = true, .higher = true,
     .log = "test_mean_average_precision", .title = "mean AP"},
    {METRIC(f1), .sets = true, .higher = true,
     .log = "test_f1", .title = "F1"},
    {METRIC(loss), .single = true, .sets = true, .choice = RN_CHOICE_TIE,
     .log = "test_loss"},
    {.name = NULL},
};
/* clang-format on */

_Static_assert(RN_METRICS <= RN_MEASURED_MAX, "there is room for all");

static bool is_of(const struct rn_metric *row, bool sets)
{
    return sets ? row->sets : row->single;
}

static bool is_had(const struct rn_metric *row, const struct rn_metrics *m)
{
    return (m->scored && row->sets) || (m->single && row->single);
}

void rn_metrics_values(const struct rn_metrics *m, double values[RN_METRICS])
{
    for (int i = 0; i < RN_METRICS; i++) {
        const struct rn_metric *row = &rn_metric_table[i];

        values[i] = is_had(row, m) ? row->value(m) : (double)NAN;
    }
}

void rn_metrics_result(const struct rn_metrics *m,
                       struct rn_eval_result *result)
{
    double values[RN_METRICS];

    rn_metrics_values(m, values);
    for (int i = 0; i < RN_METRICS; i++)
        *(double *)((char *)result + rn_metric_table[i].place) = values[i];
}

int rn_metric_chosen(enum rn_metric_choice choice, bool sets)
{
    int i = 0;

    while (rn_metric_table[i].choice != choice ||
           !is_of(&rn_metric_table[i], sets))
        i++;
    return i;
}

double rn_metric_logged(const double values[RN_METRICS], const char *log,
                        bool sets)
{
    for (int i = 0; i < RN_METRICS; i++)
        if (strcmp(rn_metric_table[i].log, log) == 0 &&
            is_of(&rn_metric_table[i], sets))
            return values[i];
    return (double)NAN;
}

bool rn_metric_better(const struct rn_metric *row, double a, double b)
{
    return row->higher ? a > b : a < b;
}

int rn_metrics_measured(const double values[RN_METRICS], bool sets,
                        struct rn_measured measured[RN_MEASURED_MAX])
{
    int count = 0;

    for (int i = 0; i < RN_METRICS; i++) {
        const struct rn_metric *row = &rn_metric_table[i];

        if (is_of(row, sets))
            measured[count++] = (struct rn_measured){row->log, row->title,
                                                     row->percent, values[i]};
    }
    return count;
}

/* ----------------------------------------------------------------- sets */

int rn_metrics_create(struct rn_metrics *m, const struct rn_data *data,
                      enum rn_output output, bool sets, int images, int classes,
                      struct rn_error *err)
{
    size_t count = (size_t)images * (size_t)classes;

    *m = (struct rn_metrics){.independent = rn_is_independent(output),
                             .single = !data->several,
                             .classes = classes,
                             .room = images};
    if (!sets)
        return RN_OK;
    m->scored = rn_alloc(count, sizeof(*m->scored));
    return m->scored ? RN_OK
                     : rn_fail_memory(err, count * sizeof(*m->scored),
                                      "the images' scores");
}

void rn_metrics_free(struct rn_metrics *m)
{
    rn_free(m->scored);
    m->scored = NULL;
}

void rn_metrics_take(struct rn_metrics *m, const struct rn_data *data,
                     enum rn_part part, int index, int place, int label,
                     const float *logits, const int32_t *map)
{
    const int32_t labels[] = {label};
    const uint16_t *set;
    int count;

    if (m->single)
        rn_metrics_add(m, logits, labels, 1, m->classes);
    if (!m->scored)
        return;
    count = rn_data_set(data, part, place, &set);
    rn_metrics_add_set(m, index, logits, set, count, map);
}

void rn_metrics_add_set(struct rn_metrics *m, int index, const float *logits,
                        const uint16_t *set, int count, const int32_t *map)
{
    struct rn_scored *at = m->scored + index;
    size_t step = (size_t)m->room;
    bool wrong = false;
    double loss = 0;

    for (int c = 0; c < m->classes; c++)
        at[(size_t)c * step] = (struct rn_scored){logits[c], false};
    for (int i = 0; i < count; i++)
        at[(size_t)(map ? map[set[i]] : set[i]) * step].positive = true;
    for (int c = 0; c < m->classes; c++) {
        bool there = at[(size_t)c * step].positive, answer = logits[c] > 0;
        double x = (double)logits[c];

        wrong |= answer != there || isnan(x);
        m->hits += answer && there;
        m->answered += answer;
        m->wanted += there;
        loss += fmax(x, 0) + log1p(exp(-fabs(x))) - (there ? x : 0);
    }
    m->wrong_sets += wrong;
    if (m->single) /* counted as such */
        return;
    m->loss += loss / m->classes;
    m->images++;
}
