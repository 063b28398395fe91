/* SPDX-License-Identifier: BSD-2-Clause */
/* Measures what quantising costs in accuracy, and leaves the costliest layers
 * in float32 where it is too much. */
#include "quantize/check.h"

#include "core/count.h"
#include "core/memory.h"
#include "data/pictures/image.h"
#include "eval/eval.h"
#include "plan/plan.h"

#include <math.h>
#include <stdlib.h>

/* Classes are no matter of calibration, but data of other ones are a mistake,
 * or meant as pictures without any. */
static int match(struct rn_quantizer *q, const struct rn_data *data,
                 enum rn_part part)
{
    size_t classes = (size_t)data->classes;
    int rc = data->fetch ? RN_OK : rn_model_fits(q->model, data, q->err);
    int32_t *map;

    if (rc)
        return rc;
    map = rn_alloc(classes, sizeof(*map));
    rc = map ? rn_match_classes(q->model, data, part, map, q->err)
             : rn_quantizer_no_memory(q, classes * sizeof(*map));
    rn_free(map);
    return rc;
}

int rn_check_choose(struct rn_quantizer *q, struct rn_check *c,
                    const struct rn_data *data)
{
    static const enum rn_part others[] = {RN_PART_VALIDATION, RN_PART_TEST};
    enum rn_part part = (enum rn_part)q->o.part;
    int rc = RN_OK;

    if (!q->model->preprocessing.mean)
        return rn_fail(q->err, RN_ERR_ARG,
                       "model %s does not say how its images are prepared",
                       q->model->spec.name);
    if (data->part[part].count == 0)
        return rn_fail(q->err, RN_ERR_ARG, "'%s' has no %s images", data->spec,
                       rn_part_name(part));
    c->data = data;
    c->part = part;
    for (size_t i = 0; data->classes && !c->error && i < COUNT(others); i++) {
        c->error = others[i] != part && data->part[others[i]].count;
        c->part = c->error ? others[i] : part;
    }
    if (data->classes)
        rc = match(q, data, part);
    return rc || !c->error ? rc : match(q, data, c->part);
}

/* ------------------------------------------------------------------ error */

static int on_check(void *user, int done, int images)
{
    const struct rn_quantizer *q = user;

    return q->o.progress ? q->o.progress(q->o.user, "check", done, images) : 0;
}

static int measure_error(struct rn_quantizer *q, struct rn_check *c,
                         double *error)
{
    struct rn_eval_options o;
    struct rn_eval_result r;
    int rc;

    rn_eval_defaults(&o);
    o.batch = q->o.batch;
    o.threads = q->o.threads;
    o.bind = q->o.bind;
    o.images = q->o.check;
    o.user = q;
    o.progress = on_check;
    rc = rn_eval(q->model, c->data, c->part, &o, &r, q->err);
    c->images = r.images;
    *error = r.several ? r.exact_error : r.top1_error;
    return rc;
}

/* -------------------------------------------------------------- agreement */

/* Answers that are compared. */
struct answers {
    struct rn_quantizer *q;
    struct rn_check *c;
};

static int first_of(const struct answers *a, const float *logits, int *first)
{
    const struct rn_model *m = a->q->model;
    size_t classes = (size_t)m->spec.classes;
    size_t bad = rn_first_not_finite(logits, classes);

    if (bad != classes)
        return rn_fail(
            a->q->err, RN_ERR_DATA,
            "model %s answers an image of '%s' with %g for class %zu",
            m->spec.name, a->c->data->spec, (double)logits[bad], bad);
    rn_top_k(logits, m->spec.classes, 1, first);
    return RN_OK;
}

static int note_answer(void *user, int index, int label, const float *logits,
                       struct rn_error *err)
{
    struct answers *a = user;

    (void)label;
    (void)err;
    return first_of(a, logits, &a->c->first[index]);
}

static int compare_answer(void *user, int index, int label, const float *logits,
                          struct rn_error *err)
{
    struct answers *a = user;
    int first, rc = first_of(a, logits, &first);

    (void)label;
    (void)err;
    if (!rc)
        a->c->same += first == a->c->first[index];
    return rc;
}

static int run_answers(struct rn_quantizer *q, struct rn_check *c,
                       struct rn_plan *plan,
                       int (*take)(void *user, int index, int label,
                                   const float *logits, struct rn_error *err))
{
    const struct rn_eval_pass pass = {
        .plan = plan,
        .batch = q->batch,
        .data = c->data,
        .part = c->part,
        .images = c->images,
        .view = rn_view_of(q->model),
        .classes = q->model->spec.classes,
        .output = q->model->graph->kind,
        .loaders = rn_plan_threads(plan),
        .preprocessing = &q->model->preprocessing,
        .user = q,
        .progress = on_check,
    };
    struct answers answers = {q, c};
    const struct rn_eval_sink sink = {&answers, take};

    return rn_eval_answers(&pass, &sink, q->err);
}

static int note_answers(struct rn_quantizer *q, struct rn_check *c)
{
    int all = c->data->part[c->part].count;

    c->images = q->o.check && q->o.check < all ? q->o.check : all;
    c->first = rn_alloc((size_t)c->images, sizeof(*c->first));
    if (!c->first)
        return rn_quantizer_no_memory(q, (size_t)c->images * sizeof(int));
    return run_answers(q, c, q->plan, note_answer);
}

static int measure_agreement(struct rn_quantizer *q, struct rn_check *c)
{
    struct rn_plan *plan;
    int rc = rn_quantizer_plan(&plan, q, q->batch, RN_PRECISION_AUTO);

    c->same = 0;
    if (!rc)
        rc = run_answers(q, c, plan, compare_answer);
    rn_plan_destroy(plan);
    return rc;
}

double rn_check_agreement(const struct rn_check *c)
{
    return c->error ? (double)NAN : 100.0 * c->same / c->images;
}

/* ----------------------------------------------------------------- either */

int rn_check_before(struct rn_quantizer *q, struct rn_check *c)
{
    return c->error ? measure_error(q, c, &c->before) : note_answers(q, c);
}

int rn_check_measure(struct rn_quantizer *q, struct rn_check *c)
{
    return c->error ? measure_error(q, c, &c->after) : measure_agreement(q, c);
}

void rn_check_free(struct rn_check *c)
{
    rn_free(c->first);
}

/* The least agreement that so many images may show where that of all is as
 * asked for: two standard errors less. Those are of the share asked for, not of
 * the one found, so that all answers can be asked for. */
static double least_agreement(const struct rn_quantizer *q,
                              const struct rn_check *c)
{
    double share = q->o.min_agreement / 100;

    return 100 * (share - 2 * sqrt(share * (1 - share) / c->images));
}

bool rn_check_fails(const struct rn_quantizer *q, const struct rn_check *c)
{
    if (c->error)
        return !(c->after - c->before <= q->o.max_drop);
    return rn_check_agreement(c) < least_agreement(q, c);
}

static int fail(struct rn_quantizer *q, const struct rn_check *c)
{
    if (c->error)
        return rn_fail(q->err, RN_ERR_DATA,
                       "the %s error grows by %.2f points, more than "
                       "`max_drop`, %.2f, with all layers but one in float32",
                       c->data->several ? "exact" : "top-1",
                       c->after - c->before, q->o.max_drop);
    return rn_fail(q->err, RN_ERR_DATA,
                   "%.2f %% of the first answers are float32's, less than "
                   "`min_agreement`, %.2f, with all layers but one in float32",
                   rn_check_agreement(c), q->o.min_agreement);
}

/* ---------------------------------------------------------------- leaving out
 */

static int by_cost(const void *a, const void *b)
{
    const struct rn_quantizer_layer *x = *(struct rn_quantizer_layer *const *)a;
    const struct rn_quantizer_layer *y = *(struct rn_quantizer_layer *const *)b;

    if (x->cost != y->cost)
        return x->cost < y->cost ? 1 : -1;
    return x < y ? -1 : x > y;
}

/* With the `count` costliest layers in float32. */
static int leave_out(struct rn_quantizer *q, struct rn_quantizer_layer **order,
                     size_t count, struct rn_check *c)
{
    for (size_t i = 0; i < q->n_layers; i++)
        rn_quantizer_turn(q, order[i], i >= count);
    rn_quantizer_give_ranges(q);
    return rn_check_measure(q, c);
}

/* The least count, by doubling, that passes; in *few one that does not. */
static int find_enough(struct rn_quantizer *q,
                       struct rn_quantizer_layer **order, struct rn_check *c,
                       size_t *few, size_t *enough)
{
    const size_t most = q->n_layers - 1;

    for (*few = 0; *few < most; *few = *enough) {
        int rc;

        *enough = *few ? 2 * *few : 1;
        *enough = *enough < most ? *enough : most;
        rc = leave_out(q, order, *enough, c);
        if (rc || !rn_check_fails(q, c))
            return rc;
    }
    return fail(q, c);
}

int rn_check_leave_out(struct rn_quantizer *q, struct rn_check *c)
{
    struct rn_quantizer_layer **order =
        rn_alloc(q->n_layers, sizeof(struct rn_quantizer_layer *));
    size_t enough = 1, few = 0;
    int rc = RN_OK;

    if (!order)
        return rn_quantizer_no_memory(
            q, q->n_layers * sizeof(struct rn_quantizer_layer *));
    for (size_t i = 0; i < q->n_layers; i++)
        order[i] = &q->layers[i];
    qsort(order, q->n_layers, sizeof(struct rn_quantizer_layer *), by_cost);
    rc = find_enough(q, order, c, &few, &enough);
    while (!rc && enough - few > 1) {
        size_t middle = (few + enough) / 2;

        rc = leave_out(q, order, middle, c);
        *(rn_check_fails(q, c) ? &few : &enough) = middle;
    }
    if (!rc)
        rc = leave_out(q, order, enough, c);
    rn_free(order);
    return rc;
}
