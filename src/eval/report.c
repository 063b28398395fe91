/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps the answers to every image of an evaluation. */
#include "eval/report.h"

#include "core/csv.h"
#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"
#include "core/sized.h"
#include "eval/eval.h"
#include "model/head.h"

#include <stdlib.h>
#include <string.h>

#define TOP 5

int rn_report_create(struct rn_report **out, const struct rn_model *model,
                     const struct rn_data *data, enum rn_part part,
                     struct rn_error *err)
{
    struct rn_report *r = rn_alloc(1, sizeof(*r));
    size_t images = (size_t)data->part[part].count;

    *out = NULL;
    if (!r)
        return rn_fail_memory(err, sizeof(*r), "a report");
    r->model = rn_model_hold(model);
    r->data = rn_data_hold(data);
    r->part = part;
    r->count = data->part[part].count;
    r->classes = model->spec.classes;
    r->answers = rn_alloc(images, sizeof(*r->answers));
    r->scratch = rn_alloc((size_t)r->classes, sizeof(*r->scratch));
    if (!r->answers || !r->scratch) {
        rn_report_destroy(r);
        return rn_fail_memory(err, images * sizeof(*r->answers),
                              "the answers to all images");
    }
    *out = r;
    return RN_OK;
}

void rn_report_destroy(struct rn_report *report)
{
    if (!report)
        return;
    rn_free(report->answers);
    rn_free(report->scratch);
    rn_free(report->probabilities);
    rn_model_drop(report->model);
    rn_data_drop(report->data);
    rn_free(report);
}

int rn_report_keep(struct rn_report *report, struct rn_error *err)
{
    size_t row = (size_t)report->classes * sizeof(float);

    report->probabilities = rn_alloc((size_t)report->count, row);
    if (report->probabilities)
        return RN_OK;
    return rn_fail_memory(err, (size_t)report->count * row,
                          "all probabilities of all images");
}

void rn_report_set(struct rn_report *report, int index, int label,
                   const float *logits)
{
    struct rn_answer *a = &report->answers[index];
    float *p = report->scratch;

    memcpy(p, logits, (size_t)report->classes * sizeof(*p));
    rn_probabilities(rn_is_independent(report->model->graph->kind)
                         ? RN_OUTPUT_INDEPENDENT_LOGITS
                         : RN_OUTPUT_LOGITS,
                     p, report->classes);
    if (report->probabilities)
        memcpy(report->probabilities + (size_t)index * (size_t)report->classes,
               p, (size_t)report->classes * sizeof(*p));
    *a = (struct rn_answer){
        .label = label,
        .rank = rn_rank(logits, report->classes, label),
        .probability = p[label],
        .count = report->classes < TOP ? report->classes : TOP,
    };
    rn_top_k(logits, report->classes, a->count, a->top);
    for (int i = 0; i < a->count; i++)
        a->top_probability[i] = p[a->top[i]];
}

int rn_report_answer_sized(const struct rn_report *report, int index,
                           struct rn_answer *answer, size_t size)
{
    if (index < 0 || index >= report->count)
        return RN_ERR_ARG;
    RN_GIVE(answer, size, &report->answers[index]);
    return RN_OK;
}

int rn_report_class_sized(const struct rn_report *report, int i,
                          struct rn_class_result *result, size_t size)
{
    struct rn_class_result own = {.images = 0};

    if (i < 0 || i >= report->classes)
        return RN_ERR_ARG;
    for (int j = 0; j < report->count; j++) {
        const struct rn_answer *a = &report->answers[j];

        own.answered += a->top[0] == i;
        if (a->label != i)
            continue;
        own.images++;
        own.right1 += a->rank < 1;
        own.right5 += a->rank < TOP;
    }
    RN_GIVE(result, size, &own);
    return RN_OK;
}

/* -------------------------------------------------------------- writing */

const char *rn_report_name(const struct rn_report *report, int i, char *buf,
                           size_t size)
{
    const char *name = rn_model_class_name(report->model, i);

    if (!name)
        name = rn_model_class_id(report->model, i);
    if (!name && !report->data->fetch)
        name = rn_data_class_name(report->data, i);
    if (name)
        return name;
    snprintf(buf, size, "%d", i);
    return buf;
}

const char *rn_report_image(const struct rn_report *report, int index,
                            char *buf, size_t size)
{
    const char *file = rn_data_file(report->data, report->part, index);
    bool test = report->part == RN_PART_TEST;

    if (file)
        return file;
    snprintf(buf, size, "%s:%s%s%d", report->data->spec,
             test ? "" : rn_part_name(report->part), test ? "" : ":", index);
    return buf;
}

/* ---------------------------------------------------------- predictions */

static void print_class(const struct rn_report *report, int i, FILE *out)
{
    char buf[16];

    fprintf(out, ",%d,", i);
    rn_print_csv(out, rn_report_name(report, i, buf, sizeof(buf)));
}

static void print_answer(const struct rn_report *report, int index, FILE *out)
{
    const struct rn_answer *a = &report->answers[index];
    char buf[600];

    rn_print_csv(out, rn_report_image(report, index, buf, sizeof(buf)));
    print_class(report, a->label, out);
    rn_print(out, ",%d,%.6g", a->rank < report->classes ? a->rank + 1 : 0,
             (double)a->probability);
    for (int i = 0; i < a->count; i++) {
        print_class(report, a->top[i], out);
        rn_print(out, ",%.6g", (double)a->top_probability[i]);
    }
    putc('\n', out);
}

static void print_predictions(const void *what, FILE *out)
{
    const struct rn_report *report = what;

    fputs("file,label,label_name,label_rank,label_probability", out);
    for (int i = 1; i <= report->answers[0].count; i++)
        fprintf(out, ",top%d,top%d_name,top%d_probability", i, i, i);
    putc('\n', out);
    for (int i = 0; i < report->count; i++)
        print_answer(report, i, out);
}

int rn_report_predictions(const struct rn_report *report, const char *path,
                          struct rn_error *err)
{
    return rn_print_file(path, print_predictions, report, err);
}
