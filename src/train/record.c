/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of layers: norms of gradients, and how activations vary, in the log.
 * They only read what a step has left behind, and so change nothing. */
#include "train/trainer.h"

#include "core/option.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EVERY 100

int rn_record_parse(const char *text, long *every, struct rn_error *err)
{
    static const char word[] = "layers";
    const char *colon = text ? text + strcspn(text, ":") : NULL;
    size_t length = text ? (size_t)(colon - text) : 0;
    char *end = NULL;

    *every = 0;
    if (!text || strcmp(text, "none") == 0)
        return RN_OK;
    if (length == strlen(word) && memcmp(text, word, length) == 0) {
        *every = *colon ? strtol(colon + 1, &end, 10) : EVERY;
        if (!*colon || (end > colon + 1 && !*end && colon[1] != '-' &&
                        *every >= 1 && *every <= RN_OPTION_MOST))
            return RN_OK;
    }
    *every = 0;
    return rn_fail(err, RN_ERR_ARG,
                   "`record` is '%.60s', but must be none, layers or layers:N, "
                   "N from 1 to %d",
                   text, RN_OPTION_MOST);
}

static double norm_of(const float *values, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += (double)values[i] * (double)values[i];
    return sqrt(sum);
}

static int put(json_t *object, const char *name, double value)
{
    return json_object_set_new(
        object, name, isfinite(value) ? json_real(value) : json_null());
}

/* Of the weights of convolutions and fc, in the network's order: the flat
 * arrays begin with its end. NULL when memory is short. */
static json_t *gradients_json(const struct rn_trainer *t)
{
    const struct rn_param *params = t->trainee->graph->params;
    json_t *object = json_object();
    int failed = !object;

    for (size_t i = t->flat.n_segments; i-- > 0 && !failed;) {
        const struct rn_segment *s = &t->flat.segments[i];

        if (params[s->param].kind == RN_PARAM_WEIGHT)
            failed = put(object, params[s->param].name,
                         norm_of(t->flat.grad + s->offset, s->count));
    }
    if (!failed)
        return object;
    json_decref(object);
    return NULL;
}

/* Of the batch norms of the last batch. NULL when memory is short. */
static json_t *activations_json(const struct rn_trainer *t)
{
    json_t *object = json_object();
    int failed = !object;
    struct rn_norm_record norm;

    for (size_t i = 0; !failed && rn_plan_norm(t->latest, i, &norm); i++) {
        json_t *values = json_object();

        if (norm.fixed) {
            json_decref(values);
            continue;
        }
        failed = !values || put(values, "mean", norm.mean) ||
                 put(values, "variance", norm.variance) ||
                 put(values, "normed", norm.normed);
        failed |= json_object_set_new(
            object, t->trainee->graph->nodes[norm.node].name, values);
    }
    if (!failed)
        return object;
    json_decref(object);
    return NULL;
}

int rn_trainer_record_layers(struct rn_trainer *t, struct rn_error *err)
{
    long iteration = t->progress.iteration + 1;

    if (t->record_every == 0 ||
        (iteration != 1 && iteration % t->record_every != 0))
        return RN_OK;
    return rn_log_record(&t->log, iteration, gradients_json(t),
                         activations_json(t), err);
}
