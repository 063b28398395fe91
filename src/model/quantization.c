/* SPDX-License-Identifier: BSD-2-Clause */
/* Networks in 8 bits in model files: weights are I8 tensors, their scales lie
 * beside them, and scales and zero points of values in the description. */
#include "graph/quantization.h"

#include "core/memory.h"
#include "model/file.h"

#include <stdio.h>
#include <string.h>

void rn_scales_name(char name[RN_SCALES_NAME], const char *weights)
{
    snprintf(name, RN_SCALES_NAME, "%.200s.scales", weights);
}

json_t *rn_quantization_json(const struct rn_model *model)
{
    const struct rn_graph *g = model->graph;
    json_t *values;

    values = json_object();
    for (size_t i = 0; i < g->n_nodes; i++) {
        struct rn_quant q = g->nodes[i].quant;

        /* Two of one name could not be told apart. */
        if (q.scale != 0 &&
            (json_object_get(values, g->nodes[i].name) ||
             json_object_set_new(values, g->nodes[i].name,
                                 json_pack("[f,i]", (double)q.scale, q.zero)) !=
                 0)) {
            json_decref(values);
            return NULL;
        }
    }
    return json_pack("{s:o}", "values", values);
}

static int fail(const char *path, struct rn_error *err, const char *layer,
                const char *fault)
{
    return rn_fail(err, RN_ERR_DATA, "'%s': the value of layer '%.80s' has %s",
                   path, layer, fault);
}

/* Node by name among those of a graph; NULL when there is none. */
static struct rn_node *find_node(struct rn_graph *g, const char *name)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        if (strcmp(g->nodes[i].name, name) == 0)
            return &g->nodes[i];
    return NULL;
}

int rn_quantization_read(struct rn_model *model, const char *path,
                         const json_t *quantization, struct rn_error *err)
{
    const json_t *values = json_object_get(quantization, "values");
    const char *name;
    json_t *pair;

    if (!quantization || json_is_null(quantization))
        return RN_OK;
    if (!json_is_object(values) || json_object_size(quantization) != 1)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': \"quantization\" in the model's description is "
                       "not {\"values\": {LAYER: [SCALE, ZERO], ...}}",
                       path);
    if (!rn_graph_is_quantized(model->graph))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': the description tells of a quantised model, but "
                       "no weights are I8",
                       path);
    json_object_foreach((json_t *)(uintptr_t)values, name, pair)
    {
        const json_t *scale = json_array_get(pair, 0);
        const json_t *zero = json_array_get(pair, 1);
        struct rn_node *n = find_node(model->graph, name);
        struct rn_quant q;

        if (!n)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': \"quantization\" knows layer '%.80s', which "
                           "the network has not",
                           path, name);
        if (json_array_size(pair) != 2 || !json_is_number(scale) ||
            !json_is_integer(zero))
            return fail(path, err, name, "no [SCALE, ZERO]");
        if (json_integer_value(zero) < 0 || json_integer_value(zero) > 255)
            return fail(path, err, name, "a zero point outside 0..255");
        q = (struct rn_quant){(float)json_number_value(scale),
                              (int)json_integer_value(zero)};
        if (rn_quant_fault(q))
            return fail(path, err, name, rn_quant_fault(q));
        n->quant = q;
    }
    return RN_OK;
}

void rn_quant_numbers(const struct rn_param *p, int8_t *out)
{
    size_t row = p->count / p->dim[0];

    for (size_t i = 0; i < p->count; i++)
        out[i] = (int8_t)rn_quant_number(p->data[i], p->scales[i / row]);
}

int rn_quant_take_numbers(struct rn_graph *g, size_t param,
                          const int8_t *numbers, const float *scales,
                          const char *path, struct rn_error *err)
{
    struct rn_param *p = &g->params[param];
    size_t row = p->count / p->dim[0];
    struct rn_error why = {0};
    int rc;

    for (size_t i = 0; i < p->count; i++)
        p->data[i] = (float)numbers[i] * scales[i / row];
    rc = rn_graph_quantize_param(g, param, scales, &why);
    return rc ? rn_fail(err, rc == RN_ERR_ARG ? RN_ERR_DATA : rc,
                        "'%s': %.300s", path, why.msg)
              : RN_OK;
}
