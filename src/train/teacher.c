/* SPDX-License-Identifier: BSD-2-Clause */
/* The teacher of a run: a model whose answers, softened, the network learns
 * beside the labels (Hinton et al. 2015; Romero et al. 2015, section 2.1). It
 * answers the very images that the network is trained on, so nothing of it
 * needs to be saved to go on with a run but the model itself. */
#include "core/memory.h"
#include "graph/quantization.h"
#include "model/file.h"
#include "train/trainer.h"

#include <inttypes.h>
#include <string.h>

#define USUAL_TEMPERATURE 3.0
#define USUAL_WEIGHT      1.0

/* The run's; a quantised teacher has its own. */
static int precision_of(const struct rn_trainer *t)
{
    return rn_graph_is_quantized(t->teacher.model->graph) ? RN_PRECISION_AUTO
                                                          : t->o.precision;
}

/* ---------------------------------------------------------------- opening */

int rn_trainer_open_teacher(struct rn_trainer *t, struct rn_error *err)
{
    const struct rn_import_options options = {
        .height = t->data->shape.h,
        .width = t->data->shape.w,
        .user = t,
        .message = rn_trainer_say_text,
    };
    struct rn_teacher *teacher = &t->teacher;
    int rc;

    if (!t->o.teacher)
        return RN_OK;
    rc = rn_model_import(&teacher->model, t->o.teacher, &options, err);
    if (rc != RN_OK)
        return rc;
    teacher->checksum = rn_graph_checksum(teacher->model->graph, 0);
    rn_trainer_say(
        t, "teacher %s: %" PRIu64 " parameters, checksum %016" PRIx64 "%s",
        teacher->model->spec.name, rn_graph_params(teacher->model->graph),
        teacher->checksum,
        precision_of(t) == RN_PRECISION_BF16 ? ", answers in bf16" : "");
    return RN_OK;
}

/* ----------------------------------------------------------------- checks */

/* Of models for images of one size. */
static bool same_normalisation(const struct rn_model *a,
                               const struct rn_model *b)
{
    return rn_model_sum_normalisation(a, 0) == rn_model_sum_normalisation(b, 0);
}

/* Outputs and classes. */
static int check_answers(const struct rn_trainer *t, struct rn_error *err)
{
    const struct rn_model *m = t->teacher.model;

    if (m->graph->kind != RN_OUTPUT_LOGITS)
        return rn_fail(err, RN_ERR_ARG,
                       "`teacher` '%s' gives %s, a teacher must give %s",
                       t->o.teacher, rn_output_name(m->graph->kind),
                       rn_output_name(RN_OUTPUT_LOGITS));
    if (m->spec.classes != t->data->classes)
        return rn_fail(
            err, RN_ERR_DATA, "`teacher` '%s' knows %d classes, '%s' has %d",
            t->o.teacher, m->spec.classes, t->data->spec, t->data->classes);
    if (!rn_trainer_same_classes(m, t->data))
        return rn_fail(err, RN_ERR_DATA,
                       "the %d classes of `teacher` '%s' are others than those "
                       "of '%s', or in another order",
                       m->spec.classes, t->o.teacher, t->data->spec);
    rn_trainer_tell_order(t, m, "the teacher");
    return RN_OK;
}

int rn_trainer_fit_teacher(struct rn_trainer *t, struct rn_error *err)
{
    const struct rn_model *m = t->teacher.model;
    const struct rn_shape own = t->model->spec.input;
    int rc;

    if (!m)
        return RN_OK;
    rc = t->o.hint ? RN_OK : check_answers(t, err);
    if (rc != RN_OK)
        return rc;
    if (own.c != m->spec.input.c || own.h != m->spec.input.h ||
        own.w != m->spec.input.w)
        return rn_fail(err, RN_ERR_DATA,
                       "`teacher` '%s' takes images of %d x %d x %d, the "
                       "network %d x %d x %d",
                       t->o.teacher, m->spec.input.c, m->spec.input.h,
                       m->spec.input.w, own.c, own.h, own.w);
    if (!t->model->preprocessing.mean) {
        rc = rn_trainer_check_normalisation(&t->o, &m->preprocessing, "teacher",
                                            err);
        return rc ? rc : rn_trainer_copy_preprocessing(t->model, m, err);
    }
    if (m->preprocessing.mean && !same_normalisation(m, t->model))
        return rn_fail(err, RN_ERR_DATA,
                       "`teacher` '%s' wants images normalised otherwise than "
                       "%s: both must be shown the same",
                       t->o.teacher,
                       t->o.weights ? "`weights`" : "the run's model");
    return RN_OK;
}

int rn_trainer_compare_teacher(const struct rn_trainer *t, struct rn_error *err)
{
    const char *sum = json_string_value(
        json_object_get(json_object_get(t->texts, "teacher"), "checksum"));
    char found[20];

    if (!t->teacher.model)
        return RN_OK;
    snprintf(found, sizeof(found), "%016" PRIx64, t->teacher.checksum);
    if (sum && strcmp(sum, found) == 0)
        return RN_OK;
    return rn_fail(err, RN_ERR_DATA,
                   "'%s' is not the teacher the run began with: checksum %s, "
                   "expected %s",
                   t->o.teacher, found, !sum ? "(none)" : sum);
}

json_t *rn_trainer_teacher_json(const struct rn_trainer *t)
{
    const struct rn_teacher *teacher = &t->teacher;
    char sum[20];

    if (!teacher->model)
        return NULL;
    snprintf(sum, sizeof(sum), "%016" PRIx64, teacher->checksum);
    return json_pack(
        "{s:s, s:I, s:s}", "net", teacher->model->spec.name, "params",
        (json_int_t)rn_graph_params(teacher->model->graph), "checksum", sum);
}

/* ---------------------------------------------------------------- answers */

static struct rn_plan_options plan_options(const struct rn_trainer *t,
                                           int batch)
{
    struct rn_plan_options o;

    rn_plan_defaults(&o);
    o.batch = batch;
    o.threads = t->threads;
    o.exact = t->o.exact;
    o.bind = t->o.bind;
    o.keep = rn_trainer_hint_layer(t);
    o.precision = precision_of(t);
    o.emulate = t->o.emulate;
    return o;
}

int rn_trainer_build_teacher(struct rn_trainer *t, struct rn_error *err)
{
    struct rn_teacher *teacher = &t->teacher;
    struct rn_plan_options batch, rest;
    const struct rn_graph *g;
    size_t floats;
    int rc;

    if (!teacher->model)
        return RN_OK;
    batch = plan_options(t, t->groups.images);
    rest = plan_options(t, t->groups.rest);
    g = teacher->model->graph;
    floats = (size_t)t->groups.images * (size_t)g->nodes[g->output].shape.c;
    teacher->logits = rn_alloc(floats, sizeof(float));
    if (!teacher->logits)
        return rn_fail_memory(err, floats * sizeof(float), "answers");
    rc = rn_trainer_build_hint(t, err);
    if (rc == RN_OK)
        rc = rn_plan_create(&teacher->plan, teacher->model, &batch, err);
    if (rc == RN_OK && t->groups.rest > 0)
        rc = rn_plan_create(&teacher->rest_plan, teacher->model, &rest, err);
    return rc;
}

int rn_trainer_teacher_memory(const struct rn_trainer *t, int batch,
                              uint64_t *bytes, struct rn_error *err)
{
    struct rn_plan_options options;

    *bytes = 0;
    if (!t->teacher.model)
        return RN_OK;
    options = plan_options(t, batch);
    return rn_plan_estimate(t->teacher.model, &options, bytes, err);
}

void rn_soften(const struct rn_train_options *o, long iteration,
               long iterations, struct rn_soft_targets *soft)
{
    double from = o->distill_weight > 0 ? o->distill_weight : USUAL_WEIGHT;
    double to = o->distill_weight_end > 0 ? o->distill_weight_end : 0;
    double done =
        iterations > 1 ? (double)iteration / (double)(iterations - 1) : 0;

    soft->temperature =
        o->distill_temperature > 0 ? o->distill_temperature : USUAL_TEMPERATURE;
    soft->weight =
        o->distill_weight_end == 0 ? from : from + (to - from) * done;
}

int rn_trainer_ask_teacher(struct rn_trainer *t, const float *images, int count,
                           struct rn_targets *targets, struct rn_error *err)
{
    const struct rn_teacher *teacher = &t->teacher;
    struct rn_plan *plan =
        count == t->groups.images ? teacher->plan : teacher->rest_plan;
    int rc;

    if (!teacher->model)
        return RN_OK;
    rc = rn_plan_forward(plan, images, teacher->logits, err);
    if (rc != RN_OK)
        return rc;
    if (t->o.hint) {
        targets->map = t->hint.values;
        return rn_plan_values(plan, t->hint.values);
    }
    targets->soft.logits = teacher->logits;
    rn_soften(&t->o, t->progress.iteration, t->iterations, &targets->soft);
    return RN_OK;
}

void rn_teacher_free(struct rn_teacher *teacher)
{
    rn_plan_destroy(teacher->plan);
    rn_plan_destroy(teacher->rest_plan);
    rn_free(teacher->logits);
    rn_model_destroy(teacher->model);
}
