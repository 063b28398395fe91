/* SPDX-License-Identifier: BSD-2-Clause */
/* Quantises a model: ranges of values from calibration images, scales of
 * weights, corrected biases; then measures what each layer costs, and leaves
 * those in float32 that cost too much. */
#include "quantize/quantize.h"

#include "core/memory.h"
#include "core/option.h"
#include "core/sized.h"
#include "eval/eval.h"
#include "graph/quantization.h"
#include "plan/plan.h"
#include "quantize/check.h"

#include <math.h>

/* Images whose values are compared, layer by layer. */
enum { COMPARED = 2 };

int rn_quantizer_no_memory(struct rn_quantizer *q, size_t bytes)
{
    return rn_fail_memory(q->err, bytes, "quantising a model");
}

int rn_quantizer_tell(const struct rn_quantizer *q, const char *what, int done,
                      int all)
{
    if (!q->o.progress || q->o.progress(q->o.user, what, done, all) == 0)
        return RN_OK;
    return rn_fail(q->err, RN_ERR_STOPPED, "stopped: the model is as it was");
}

/* The input is node 0, and no layer. */
size_t rn_quantizer_node(const struct rn_trace *value)
{
    return value->layer + 1;
}

int rn_quantizer_plan(struct rn_plan **plan, const struct rn_quantizer *q,
                      int batch, int precision)
{
    struct rn_plan_options o;

    rn_plan_defaults(&o);
    o.batch = batch;
    o.threads = q->o.threads;
    o.bind = q->o.bind;
    o.precision = precision;
    return rn_plan_create(plan, q->model, &o, q->err);
}

static int begin(struct rn_quantizer *q, int batch)
{
    size_t answers = (size_t)batch * (size_t)q->model->spec.classes;
    int rc;

    q->g = q->model->graph;
    q->batch = batch;
    if (rn_graph_is_quantized(q->g))
        return rn_fail(q->err, RN_ERR_ARG, "%s is quantised already",
                       q->model->spec.name);
    if (q->g->n_aux)
        return rn_fail(q->err, RN_ERR_ARG,
                       "%s has auxiliary heads, which are not quantised: read "
                       "it without `aux_heads`",
                       q->model->spec.name);
    q->few = batch < COMPARED ? batch : COMPARED;
    rc = rn_quantizer_find(q);
    if (!rc)
        rc = rn_quantizer_plan(&q->plan, q, batch, RN_PRECISION_FP32);
    for (size_t i = 0; !rc && i < q->n_layers; i++)
        q->layers[i].end = rn_plan_value_of(q->plan, q->layers[i].node);
    q->logits = rn_alloc(answers, sizeof(*q->logits));
    q->others = rn_alloc(answers, sizeof(*q->others));
    if (!rc && (!q->logits || !q->others))
        rc = rn_quantizer_no_memory(q, answers * sizeof(float));
    return rc;
}

/* Release; unless it succeeded the model is as it was. */
static void finish(struct rn_quantizer *q, bool done)
{
    for (size_t i = 0; i < q->n_layers; i++) {
        struct rn_quantizer_layer *l = &q->layers[i];

        if (!done && l->exact && (l->shifted < 0 || l->bias))
            rn_quantizer_turn(q, l, false);
        rn_free(l->exact);
        rn_free(l->bias);
        rn_free(l->rounded);
        rn_free(l->corrected);
    }
    for (size_t i = 0; q->stats && i < q->g->n_nodes; i++) {
        if (!done)
            q->g->nodes[i].quant = (struct rn_quant){0, 0};
        if (q->stats[i])
            rn_stats_free(q->stats[i]);
        rn_free(q->stats[i]);
    }
    rn_plan_destroy(q->plan);
    rn_free(q->layers);
    rn_free(q->marked);
    rn_free(q->stats);
    rn_free(q->ranges);
    rn_free(q->needed);
    rn_free(q->images);
    rn_free(q->logits);
    rn_free(q->others);
    rn_free(q->compared);
    rn_free(q->at);
}

int rn_quantize_for(struct rn_model *model, const float *images, int count,
                    int threads, struct rn_error *err)
{
    struct rn_quantizer q = {
        .model = model, .o = {.threads = threads}, .err = err};
    int rc = begin(&q, count);

    if (!rc)
        rc = rn_quantizer_calibrate(&q, images, count);
    if (!rc)
        rc = rn_quantizer_round(&q);
    finish(&q, !rc);
    return rc;
}

/* ------------------------------------------------------------- the whole */

static double decibels(double noise)
{
    return noise > 0 ? -10 * log10(noise) : (double)INFINITY;
}

static int tell_layers(struct rn_quantizer *q, struct rn_quantize_result *r)
{
    static const char *const rules[] = {"all", "percentile", "error"};
    int rc = RN_OK;

    for (size_t i = 0; !rc && i < q->n_layers; i++) {
        const struct rn_quantizer_layer *l = &q->layers[i];
        const struct rn_quant v = q->g->nodes[l->end].quant;
        struct rn_quantized_layer told = {
            .name = q->g->nodes[l->node].name,
            .value = q->g->nodes[l->end].name,
            .quantized = l->on,
            .cost = decibels(l->cost),
            .signal_to_noise = decibels(l->noise),
            .low = v.scale != 0 ? 0 - (double)v.scale * v.zero : (double)NAN,
            .high =
                v.scale != 0 ? (double)v.scale * (255 - v.zero) : (double)NAN,
            .range = v.scale != 0 ? rules[q->ranges[l->end].rule] : NULL,
        };

        r->quantized += l->on;
        if (q->o.layer && q->o.layer(q->o.user, &told))
            rc = rn_fail(q->err, RN_ERR_STOPPED,
                         "stopped: the model is as it was");
    }
    r->layers = (int)q->n_layers;
    return rc;
}

/* Images of calibration: as many as asked for, if there are so many. */
static int count_images(const struct rn_quantizer *q,
                        const struct rn_data *data)
{
    int all = data->part[q->o.part].count;

    return q->o.images < all ? q->o.images : all;
}

static int choose_batch(const struct rn_quantizer *q, int images)
{
    if (!q->o.batch)
        return rn_eval_batch(q->model->spec.input, images);
    return q->o.batch < images ? q->o.batch : images;
}

int rn_quantize_sized(struct rn_model *model, const struct rn_data *data,
                      const struct rn_quantize_options *options,
                      struct rn_quantize_result *result, size_t size,
                      struct rn_error *err)
{
    struct rn_quantizer q = {.model = model, .err = err};
    struct rn_check c = {.before = (double)NAN, .after = (double)NAN};
    struct rn_quantize_result own = {.images = 0};
    int images = 0, rc = RN_TAKE_OPTIONS(rn_quantize_option, &q.o, options,
                                         "rn_quantize_options", err);

    if (!rc)
        rc = rn_option_check(rn_quantize_option, &q.o, err);
    if (!rc)
        rc = rn_check_choose(&q, &c, data);
    if (rc)
        return rc;
    images = count_images(&q, data);
    rc = begin(&q, choose_batch(&q, images));
    if (!rc)
        rc = rn_quantizer_calibrate_on(&q, data, images);
    if (!rc)
        rc = rn_check_before(&q, &c);
    if (!rc)
        rc = rn_quantizer_keep(&q);
    if (!rc)
        rc = rn_quantizer_round(&q);
    if (!rc)
        rc = rn_quantizer_costs(&q);
    if (!rc)
        rc = rn_check_measure(&q, &c);
    if (!rc && rn_check_fails(&q, &c))
        rc = rn_check_leave_out(&q, &c);
    if (!rc)
        rc = rn_quantizer_compare(&q);
    if (!rc)
        rc = tell_layers(&q, &own);
    if (!rc) {
        own.images = images;
        own.check_part = c.part;
        own.check_images = c.images;
        own.error_before = c.before;
        own.error_after = c.after;
        own.agreement = rn_check_agreement(&c);
    }
    rn_check_free(&c);
    finish(&q, !rc);
    if (!rc)
        RN_GIVE(result, size, &own);
    return rc;
}
