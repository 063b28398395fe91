/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of measures that an evaluation tells, and the sums of those for
 * images that have any number of classes. */
#include "eval/eval.h"

#include "core/memory.h"
#include "model/head.h"

#include <math.h>
#include <stddef.h>

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
const struct rn_metric rn_metric_table[] = {
    {METRIC(top1_error), .single = true},
    {METRIC(top5_error), .single = true},
    {METRIC(calibration_error), .single = true},
    {METRIC(exact_error), .sets = true},
    {METRIC(mean_average_precision), .sets = true, .higher = true},
    {METRIC(f1), .sets = true, .higher = true},
    {METRIC(loss), .single = true, .sets = true},
    {.name = NULL},
};
/* clang-format on */

static bool is_of(const struct rn_metric *row, const struct rn_metrics *m)
{
    return m->scored ? row->sets : row->single;
}

void rn_metrics_result(const struct rn_metrics *m,
                       struct rn_eval_result *result)
{
    for (const struct rn_metric *row = rn_metric_table; row->name; row++)
        *(double *)((char *)result + row->place) =
            is_of(row, m) ? row->value(m) : (double)NAN;
}

const struct rn_metric *rn_metric_first(const struct rn_metrics *m)
{
    const struct rn_metric *row = rn_metric_table;

    while (!is_of(row, m))
        row++;
    return row;
}

/* ----------------------------------------------------------------- sets */

int rn_metrics_create(struct rn_metrics *m, const struct rn_data *data,
                      enum rn_output output, int images, int classes,
                      struct rn_error *err)
{
    size_t count = (size_t)images * (size_t)classes;

    *m = (struct rn_metrics){.independent = rn_is_independent(output),
                             .classes = classes,
                             .room = images};
    if (!data->several)
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

    if (!m->scored) {
        rn_metrics_add(m, logits, labels, 1, m->classes);
        return;
    }
    count = rn_data_set(data, part, place, &set);
    rn_metrics_add_set(m, index, logits, set, count, map);
}

void rn_metrics_add_set(struct rn_metrics *m, int index, const float *logits,
                        const uint16_t *set, int count, const int32_t *map)
{
    struct rn_scored *at = m->scored + index;
    size_t step = (size_t)m->room;
    bool wrong = false;

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
        m->loss +=
            (fmax(x, 0) + log1p(exp(-fabs(x))) - (there ? x : 0)) / m->classes;
    }
    m->wrong_sets += wrong;
    m->images++;
}
