/* SPDX-License-Identifier: BSD-2-Clause */
/* A value inside the network that an inference plan keeps for its caller. */
#include "plan/internal.h"

#include <string.h>

/* The global average pooling that the answer is made of, behind which an image
 * has one place; those of squeeze and excitation lie before it. */
static int find_pool(const struct rn_graph *g)
{
    const struct rn_node *n = &g->nodes[g->output];
    int pool = g->output;

    while (n->op != RN_OP_GLOBAL_AVG_POOL && n->op != RN_OP_INPUT &&
           rn_shape_pixels(n->shape) == 1) {
        pool = n->input[0];
        n = &g->nodes[pool];
    }
    return n->op == RN_OP_GLOBAL_AVG_POOL ? pool : RN_NONE;
}

static int find_name(const struct rn_graph *g, const char *name)
{
    for (size_t i = 0; i < rn_graph_trunk(g); i++)
        if (strcmp(g->nodes[i].name, name) == 0)
            return (int)i;
    return RN_NONE;
}

/* The last node of the stage of that name. */
static int find_stage(const struct rn_graph *g, const char *name)
{
    int stage = 0, found = RN_NONE;

    for (int i = 0; g->stages && g->stages[i]; i++)
        if (strcmp(g->stages[i], name) == 0)
            stage = i + 1;
    for (size_t i = 0; stage && i < rn_graph_trunk(g); i++)
        if (g->nodes[i].stage == stage)
            found = (int)i;
    return found;
}

int rn_find_value(const struct rn_graph *g, const char *name)
{
    int pool = find_pool(g);
    int stage = find_stage(g, name);

    if (strcmp(name, "pool") == 0)
        return pool;
    if (strcmp(name, "last") == 0)
        return pool < 0 ? RN_NONE : g->nodes[pool].input[0];
    return stage >= 0 ? stage : find_name(g, name);
}

int rn_choose_kept(struct rn_plan *plan, struct rn_error *err)
{
    const char *name = plan->options.keep;

    plan->keep = plan->kept = RN_NONE;
    plan->options.keep = NULL; /* borrowed for the call */
    if (!name)
        return RN_OK;
    if (plan->options.mode != RN_MODE_INFER)
        return rn_fail(err, RN_ERR_ARG,
                       "a training plan keeps no values of its own");
    plan->keep = rn_find_value(plan->graph, name);
    if (plan->keep >= 0 && plan->graph->nodes[plan->keep].op != RN_OP_INPUT)
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG,
                   "the network has no stage '%.80s'; expected conv1 to conv5, "
                   "as many as it has, last, pool or a layer's name",
                   name);
}

int rn_plan_kept(const struct rn_plan *plan, int *channels, int *height,
                 int *width)
{
    struct rn_shape s;

    if (plan->keep < 0)
        return RN_ERR_ARG;
    s = plan->graph->nodes[plan->keep].shape;
    *channels = s.c;
    *height = s.h;
    *width = s.w;
    return RN_OK;
}

/* Number i of a value; in 8 bits it lies as `quant` says. */
static float number_at(const void *numbers, enum rn_dtype type,
                       const struct rn_quant *quant, size_t i)
{
    float value;

    if (type == RN_U8)
        return (float)(((const uint8_t *)numbers)[i] - quant->zero) *
               quant->scale;
    if (type == RN_F32)
        return ((const float *)numbers)[i];

    rn_dtype_to_float(type, (const uint8_t *)numbers + i * rn_dtype_bytes(type),
                      1, &value, 1);
    return value;
}

void rn_plain_values(const struct rn_plan *plan, int node, int buffer,
                     float *values)
{
    struct rn_shape s = plan->graph->nodes[node].shape;
    size_t block = (size_t)rn_block(), c = (size_t)s.c;
    size_t hw = rn_shape_pixels(s), first = 0;
    enum rn_dtype type = plan->buffers[buffer].type;
    const void *from = rn_buffer_at(plan, buffer);
    const struct rn_quant *quant = plan->quants ? &plan->quants[node] : NULL;
    const size_t planes = plan->buffers[buffer].planes;
    const size_t apart = planes ? planes : rn_channels_padded(s.c) / block;

    for (size_t n = 0; n < (size_t)plan->count; n++) {
        for (size_t k = 0; k < c; k++)
            for (size_t i = 0; i < hw; i++)
                *values++ =
                    number_at(from, type, quant,
                              first + (k / block * hw + i) * block + k % block);
        first += apart * block * hw;
    }
}

int rn_plan_values(const struct rn_plan *plan, float *values)
{
    if (plan->keep < 0 || plan->dry)
        return RN_ERR_ARG;
    rn_plain_values(plan, plan->keep, plan->kept, values);
    return RN_OK;
}
