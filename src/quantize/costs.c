/* SPDX-License-Identifier: BSD-2-Clause */
/* Measures what 8 bits cost: in the network's outputs for each layer alone, and
 * in the values of the whole. */
#include "quantize/quantizer.h"

#include "core/memory.h"
#include "plan/plan.h"

#include <string.h>

/* Images of the batch whose logits tell costs: a thousand logits do, of four
 * images or more. */
static int costed(const struct rn_quantizer *q)
{
    int few = 1000 / q->model->spec.classes;

    few = few < 4 ? 4 : few;
    return few < q->batch ? few : q->batch;
}

/* What a plan of the model as it is answers otherwise than the first: squares
 * of differences over squares. */
static int noise_of_logits(struct rn_quantizer *q, double *noise)
{
    size_t count = (size_t)costed(q) * (size_t)q->model->spec.classes;
    double signal = 0, sum = 0;
    struct rn_plan *plan;
    int rc = rn_quantizer_plan(&plan, q, costed(q), RN_PRECISION_AUTO);

    if (!rc)
        rc = rn_plan_forward(plan, q->images, q->others, q->err);
    rn_plan_destroy(plan);
    for (size_t i = 0; !rc && i < count; i++) {
        double d = (double)q->others[i] - (double)q->logits[i];

        signal += (double)q->logits[i] * (double)q->logits[i];
        sum += d * d;
    }
    *noise = signal > 0 ? sum / signal : 0;
    return rc;
}

int rn_quantizer_costs(struct rn_quantizer *q)
{
    int rc = rn_plan_forward(q->plan, q->images, q->logits, q->err);

    for (size_t i = 0; i < q->n_layers; i++)
        rn_quantizer_turn(q, &q->layers[i], false);
    for (size_t i = 0; !rc && i < q->n_layers; i++) {
        rc = rn_quantizer_tell(q, "layers", (int)i, (int)q->n_layers);
        rn_quantizer_turn(q, &q->layers[i], true);
        rn_quantizer_give_ranges(q);
        if (!rc)
            rc = noise_of_logits(q, &q->layers[i].cost);
        rn_quantizer_turn(q, &q->layers[i], false);
    }
    for (size_t i = 0; i < q->n_layers; i++)
        rn_quantizer_turn(q, &q->layers[i], true);
    rn_quantizer_give_ranges(q);
    return rc;
}

/* Floats of one image's values, as far as layers make them. */
static size_t values_of(const struct rn_quantizer *q)
{
    size_t all = 0;

    for (size_t i = 0; i < q->g->n_nodes; i++)
        if (q->stats[i])
            all += rn_shape_size(q->g->nodes[i].shape);
    return all;
}

static int keep_value(void *user, const struct rn_trace *v)
{
    struct rn_quantizer *q = user;
    size_t count = (size_t)v->channels * (size_t)v->height * (size_t)v->width *
                   (size_t)q->few;

    memcpy(q->compared + q->next, v->values, count * sizeof(*v->values));
    q->at[rn_quantizer_node(v)] = q->next;
    q->next += count;
    return RN_OK;
}

/* The layer whose step makes the node's value, or NULL. */
static struct rn_quantizer_layer *layer_of_value(struct rn_quantizer *q,
                                                 int node)
{
    for (size_t i = 0; i < q->n_layers; i++)
        if (q->layers[i].end == node)
            return &q->layers[i];
    return NULL;
}

static int compare_value(void *user, const struct rn_trace *v)
{
    struct rn_quantizer *q = user;
    size_t count = (size_t)v->channels * (size_t)v->height * (size_t)v->width *
                   (size_t)q->few;
    struct rn_quantizer_layer *l = layer_of_value(q, (int)rn_quantizer_node(v));
    /* Plans of another precision may make values in another order. */
    const float *kept = q->compared + q->at[rn_quantizer_node(v)];
    double signal = 0, noise = 0;

    for (size_t i = 0; i < count; i++) {
        double x = (double)kept[i];
        double d = (double)v->values[i] - x;

        signal += x * x;
        noise += d * d;
    }
    if (l)
        l->noise = signal > 0 ? noise / signal : 0;
    return RN_OK;
}

/* Values of a few images through the model as it is, to `visit`. */
static int trace_few(struct rn_quantizer *q,
                     int (*visit)(void *user, const struct rn_trace *value))
{
    struct rn_plan *plan;
    int rc = rn_quantizer_plan(&plan, q, q->few, RN_PRECISION_AUTO);

    q->next = 0;
    if (!rc)
        rc = rn_plan_trace(plan, q->images, visit, q, q->err);
    rn_plan_destroy(plan);
    return rc;
}

int rn_quantizer_keep(struct rn_quantizer *q)
{
    size_t room = values_of(q) * (size_t)q->few;

    q->compared = rn_alloc(room, sizeof(*q->compared));
    q->at = rn_alloc(q->g->n_nodes, sizeof(*q->at));
    return q->compared && q->at
               ? trace_few(q, keep_value)
               : rn_quantizer_no_memory(q, room * sizeof(*q->compared));
}

int rn_quantizer_compare(struct rn_quantizer *q)
{
    return trace_few(q, compare_value);
}
