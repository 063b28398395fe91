/* SPDX-License-Identifier: BSD-2-Clause */
/* The central object: making it, describing it, its class names, its end. */
#include "model/model.h"

#include "core/count.h"
#include "core/letters.h"
#include "core/locale.h"
#include "core/memory.h"
#include "core/option.h"
#include "core/random.h"
#include "core/sized.h"
#include "graph/operation.h"
#include "graph/quantization.h"
#include "nets/family.h"

#include <math.h>
#include <string.h>

/* Slopes of a PReLU begin so (K. He et al. 2015, section 2.1). */
#define SLOPE 0.25f

struct rn_model *rn_model_wrap(const struct rn_net_spec *spec,
                               struct rn_graph *graph)
{
    struct rn_model *model = rn_alloc(1, sizeof(*model));

    if (!model)
        return NULL;
    model->spec = *spec;
    model->graph = graph;
    return model;
}

/* Variance 1, so that a network without training statistics has sane ones. */
static void reset_statistics(struct rn_graph *g)
{
    for (size_t i = 0; i < g->n_params; i++) {
        struct rn_param *p = &g->params[i];
        bool one = p->kind == RN_PARAM_RUNNING_VAR;

        if (!rn_param_trainable(p))
            for (size_t j = 0; j < p->count; j++)
                p->data[j] = one ? 1.0f : 0.0f;
    }
}

int rn_model_create(struct rn_model **out, const char *name,
                    const struct rn_net_options *options, struct rn_error *err)
{
    struct rn_net_options own;
    struct rn_net_spec spec;
    struct rn_graph *graph;

    *out = NULL;
    int rc = RN_TAKE(&own, options, "rn_net_options", err);
    if (!rc)
        rc = rn_option_check(rn_net_option, &own, err);
    if (!rc)
        rc = rn_net_resolve(&spec, name, &own, err);
    if (!rc)
        rc = rn_net_build(&graph, &spec, err);
    if (rc)
        return rc;
    *out = rn_model_wrap(&spec, graph);
    if (!*out) {
        rn_graph_destroy(graph);
        return rn_fail_memory(err, sizeof(**out), "a model");
    }
    reset_statistics(graph);
    return RN_OK;
}

/* A network of the same layers, so that its parameters stand in the same
 * order; those of auxiliary heads are the last. */
static bool borrow_parameters(struct rn_graph *g, const struct rn_graph *from)
{
    if (g->n_nodes != rn_graph_trunk(from) || g->n_params > from->n_params)
        return false;
    g->kind = from->kind;
    g->head = from->head;
    for (size_t i = 0; i < g->n_nodes; i++) {
        g->nodes[i].eps = from->nodes[i].eps;
        g->nodes[i].quant = from->nodes[i].quant;
    }
    for (size_t i = 0; i < g->n_params; i++) {
        if (g->params[i].count != from->params[i].count)
            return false;
        g->params[i].data = from->params[i].data;
        g->params[i].scales = from->params[i].scales;
    }
    return true;
}

int rn_model_resized(struct rn_model **out, const struct rn_model *model, int h,
                     int w, struct rn_error *err)
{
    struct rn_net_spec spec = model->spec;
    struct rn_graph *graph;
    int rc;

    *out = NULL;
    if (!spec.family)
        return rn_fail(err, RN_ERR_ARG,
                       "%s is a graph of others, made for images of %d x %d "
                       "alone",
                       spec.name, spec.input.h, spec.input.w);
    spec.input.h = h;
    spec.input.w = w;
    spec.aux = false;
    rc = rn_net_build(&graph, &spec, err);
    if (rc)
        return rc;
    if (!borrow_parameters(graph, model->graph)) {
        rn_graph_destroy(graph);
        return rn_fail(err, RN_ERR_ARG,
                       "%s has other parameters than its name says", spec.name);
    }
    *out = rn_model_wrap(&spec, graph);
    if (*out) {
        (*out)->base = rn_model_hold(model);
        return RN_OK;
    }
    rn_graph_destroy(graph);
    return rn_fail_memory(err, sizeof(**out), "a model");
}

int rn_model_copy(struct rn_model **out, const struct rn_model *model,
                  struct rn_error *err)
{
    struct rn_graph *g;
    int rc = rn_model_resized(out, model, model->spec.input.h,
                              model->spec.input.w, err);

    if (rc)
        return rc;
    g = (*out)->graph;
    for (size_t i = 0; i < g->n_params; i++) {
        struct rn_param *p = &g->params[i];
        float *own = rn_slab_alloc(&g->values, p->count, sizeof(*own));

        if (!own) {
            rn_model_destroy(*out);
            *out = NULL;
            return rn_fail_memory(err, p->count * sizeof(*own), "a model");
        }
        memcpy(own, p->data, p->count * sizeof(*own));
        p->data = own;
    }
    return RN_OK;
}

int rn_model_drop_aux(struct rn_model *model, struct rn_error *err)
{
    if (!rn_graph_drop_aux(model->graph))
        return rn_fail_memory(err, model->graph->n_nodes * sizeof(int),
                              "leaving out auxiliary heads");
    model->spec.aux = false;
    return RN_OK;
}

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; texts && i < count; i++)
        rn_free(texts[i]);
    rn_free(texts);
}

const struct rn_model *rn_model_hold(const struct rn_model *model)
{
    /* Who holds a model is none of what is const about it. */
    rn_holders_add(&((struct rn_model *)model)->holders);
    return model;
}

void rn_model_drop(const struct rn_model *model)
{
    rn_model_destroy((struct rn_model *)model);
}

void rn_model_destroy(struct rn_model *model)
{
    if (!model || !rn_holders_drop(&model->holders))
        return;
    rn_model_drop(model->base);
    rn_graph_destroy(model->graph);
    rn_free(model->preprocessing.mean);
    rn_free(model->preprocessing.std);
    rn_free(model->preprocessing.whitening);
    free_texts(model->class_names, (size_t)model->spec.classes);
    free_texts(model->class_ids, (size_t)model->spec.classes);
    rn_free(model->trained);
    rn_free(model->path);
    rn_free(model);
}

/* ----------------------------------------------------- initialisation */

static void fill(struct rn_param *p, float value)
{
    for (size_t i = 0; i < p->count; i++)
        p->data[i] = value;
}

/* Four numbers at a time: number i of parameter n comes from draw i / 4. */
static void fill_random(struct rn_param *p, const struct rn_random_key *key,
                        size_t n, double scale,
                        void (*draw)(const uint32_t bits[4], double out[4]))
{
    for (size_t i = 0; i < p->count; i += 4) {
        uint32_t bits[4];
        double value[4];

        rn_random4(key, (uint64_t)n << 32 | i / 4, bits);
        draw(bits, value);
        for (size_t j = 0; j < 4 && i + j < p->count; j++)
            p->data[i + j] = (float)(scale * value[j]);
    }
}

static void draw_normal(const uint32_t bits[4], double out[4])
{
    rn_random_normal2(bits[0], bits[1], out);
    rn_random_normal2(bits[2], bits[3], out + 2);
}

/* Uniform in [-1, 1). */
static void draw_symmetric(const uint32_t bits[4], double out[4])
{
    for (int i = 0; i < 4; i++)
        out[i] = 2.0 * rn_random_unit(bits[i]) - 1.0;
}

static void init_weight(struct rn_param *p, const struct rn_random_key *key,
                        size_t n, const struct rn_net_start *start)
{
    if (p->dims == 4 && start->conv > 0) {
        fill_random(p, key, n, start->conv, draw_normal);
    } else if (p->dims == 4) {
        /* He et al. 2015, with fan-out k * k * C_out as in the paper's
         * reimplementations, or fan-in. */
        size_t channels = p->dim[start->fan_in ? 1 : 0];
        double fan = (double)(channels * p->dim[2] * p->dim[3]);

        fill_random(p, key, n, sqrt(2.0 / fan), draw_normal);
    } else if (start->linear > 0) {
        fill_random(p, key, n, start->linear, draw_normal);
    } else {
        /* The paper does not say how fc starts. Ours, as in PyTorch:
         * uniform within 1 / sqrt(fan-in); the bias is zero. */
        double fan_in = (double)p->dim[1];

        fill_random(p, key, n, 1.0 / sqrt(fan_in), draw_symmetric);
    }
}

bool rn_model_set_gates(struct rn_model *model, double bias)
{
    const struct rn_graph *g = model->graph;
    bool found = false;

    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct rn_node *z = &g->nodes[i];

        if (z->op != RN_OP_HIGHWAY)
            continue;
        z = &g->nodes[z->input[0]];
        if (z->op != RN_OP_CONV || z->param[RN_P_BIAS] < 0)
            continue;
        struct rn_param *p = &g->params[z->param[RN_P_BIAS]];
        for (size_t k = p->count / 2; k < p->count; k++)
            p->data[k] = (float)bias;
        found = true;
    }
    return found;
}

/* The batch norm that a residual branch ends in, or NULL; what gates channels
 * (squeeze and excitation) may be between. */
static const struct rn_node *last_norm(const struct rn_graph *g, int value)
{
    const struct rn_node *node = &g->nodes[value];

    if (node->op == RN_OP_MULTIPLY)
        node = &g->nodes[node->input[0]];
    return node->op == RN_OP_BATCH_NORM && node->param[RN_P_WEIGHT] >= 0 ? node
                                                                         : NULL;
}

bool rn_model_zero_gammas(struct rn_model *model)
{
    const struct rn_graph *g = model->graph;
    bool found = false;

    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct rn_node *sum = &g->nodes[i], *norm;

        /* Blocks add their shortcut to what they compute. */
        norm = sum->op == RN_OP_ADD ? last_norm(g, sum->input[0]) : NULL;
        if (!norm)
            continue;
        fill(&g->params[norm->param[RN_P_WEIGHT]], 0);
        found = true;
    }
    return found;
}

void rn_model_init(struct rn_model *model, uint64_t seed)
{
    struct rn_graph *g = model->graph;
    const struct rn_family *family = model->spec.family;
    const struct rn_net_start *start = family ? family->start : &rn_start_usual;
    struct rn_random_key key = {.seed = seed, .purpose = RN_RANDOM_INIT};

    for (size_t i = 0; i < g->n_params; i++) {
        struct rn_param *p = &g->params[i];

        if (p->kind == RN_PARAM_WEIGHT)
            init_weight(p, &key, i, start);
        else if (p->kind == RN_PARAM_SLOPE)
            fill(p, SLOPE);
        else
            fill(p, p->kind == RN_PARAM_BN_WEIGHT ? 1.0f : 0.0f);
    }
    rn_model_set_gates(model, -RN_GATE_BIAS);
    reset_statistics(g);
}

/* -------------------------------------------------------- description */

/* The input node is no layer. */
#define FIRST_LAYER 1

void rn_model_describe_sized(const struct rn_model *model,
                             struct rn_model_info *info, size_t size)
{
    const struct rn_net_spec *spec = &model->spec;
    struct rn_model_info own = {
        .net = spec->name,
        .channels = spec->input.c,
        .height = spec->input.h,
        .width = spec->input.w,
        .classes = spec->classes,
        .shortcut = spec->shortcut,
        .stride_v1 = spec->stride_v1,
        .params =
            rn_graph_params(model->graph) - rn_graph_aux_params(model->graph),
        .macs = rn_graph_macs(model->graph),
        .layers = model->graph->n_nodes - FIRST_LAYER,
        .tensors = model->graph->n_params,
        .has_preprocessing = model->preprocessing.mean != NULL,
        .resize = model->preprocessing.resize,
        .interpolation = model->preprocessing.interpolation,
        .bgr = model->preprocessing.bgr,
        .trained = model->trained,
        .output = model->graph->kind,
        .head = model->graph->head,
        .quantized = rn_graph_quantized(model->graph),
        .with_aux = model->graph->n_aux > 0,
        .contrast = (double)model->preprocessing.contrast,
        .whitened = model->preprocessing.whitening != NULL,
    };

    rn_net_count_aux(spec, &own.aux_heads, &own.aux_params);

    RN_GIVE(info, size, &own);
}

int rn_model_layer_sized(const struct rn_model *model, size_t i,
                         struct rn_layer_info *layer, size_t size)
{
    const struct rn_graph *g = model->graph;

    if (i >= g->n_nodes - FIRST_LAYER)
        return RN_ERR_ARG;
    const struct rn_node *node = &g->nodes[i + FIRST_LAYER];
    const struct rn_layer_info own = {
        .name = node->name,
        .op = rn_op_name(node->op),
        .channels = node->shape.c,
        .height = node->shape.h,
        .width = node->shape.w,
        .params = rn_node_params(g, node),
        .macs = node->macs,
    };
    RN_GIVE(layer, size, &own);
    return RN_OK;
}

int rn_model_layer_attribute_sized(const struct rn_model *model, size_t i,
                                   size_t k,
                                   struct rn_layer_attribute *attribute,
                                   size_t size)
{
    const struct rn_graph *g = model->graph;
    struct rn_layer_attribute own;
    int numbers[RN_ATTRIBUTE_NUMBERS] = {0};

    if (i >= g->n_nodes - FIRST_LAYER)
        return RN_ERR_ARG;
    const struct rn_node *node = &g->nodes[i + FIRST_LAYER];
    const struct rn_operation *o = rn_operation_of(node->op);
    if (k >= o->n_attributes)
        return RN_ERR_ARG;
    const struct rn_attribute *a = &o->attributes[k];
    own = (struct rn_layer_attribute){.name = a->name,
                                      .count = rn_attribute_count(a->type)};
    if (a->type != RN_ATTRIBUTE_REAL)
        rn_attribute_get(a, node, numbers);
    for (int n = 0; n < own.count; n++)
        own.numbers[n] = a->type == RN_ATTRIBUTE_REAL
                             ? (double)rn_attribute_real(a, node)
                             : numbers[n];
    if (a->type == RN_ATTRIBUTE_FUNCTION)
        own.word = rn_function_name((enum rn_function)numbers[0]);
    if (a->type == RN_ATTRIBUTE_SWITCH)
        own.word = numbers[0] ? "true" : "false";
    RN_GIVE(attribute, size, &own);
    return RN_OK;
}

int rn_model_tensor_sized(const struct rn_model *model, size_t i,
                          struct rn_tensor *tensor, size_t size)
{
    if (i >= model->graph->n_params)
        return RN_ERR_ARG;
    const struct rn_param *p = &model->graph->params[i];
    struct rn_tensor own = {
        .name = p->name,
        .dims = p->dims,
        .count = p->count,
        .data = p->data,
        .trainable = rn_param_trainable(p),
    };
    memcpy(own.dim, p->dim, sizeof(own.dim));
    RN_GIVE(tensor, size, &own);
    return RN_OK;
}

const char *rn_model_not_finite(struct rn_model *model)
{
    const struct rn_graph *g = model->graph;

    for (size_t i = 0; i < g->n_params; i++) {
        const struct rn_param *p = &g->params[i];

        for (size_t j = 0; j < p->count; j++) {
            if (isfinite(p->data[j]))
                continue;
            rn_format(model->not_finite, sizeof(model->not_finite),
                      "element %zu of %.120s is %g", j, p->name,
                      (double)p->data[j]);
            return model->not_finite;
        }
    }
    return NULL;
}

/* -------------------------------------------------------- class names */

static const char *class_text(const struct rn_model *model, char *const *texts,
                              int i)
{
    return texts && i >= 0 && i < model->spec.classes ? texts[i] : NULL;
}

const char *rn_model_class_name(const struct rn_model *model, int i)
{
    return class_text(model, model->class_names, i);
}

const char *rn_model_class_id(const struct rn_model *model, int i)
{
    return class_text(model, model->class_ids, i);
}

/* Replace *texts by copies of n texts; `what` is what one is called. */
static int set_texts(char ***texts, const char *const *from, size_t n,
                     const char *what, struct rn_error *err)
{
    free_texts(*texts, n);
    *texts = NULL;
    if (!from)
        return RN_OK;
    char **copy = rn_alloc(n, sizeof(*copy));
    if (!copy)
        return rn_fail_memory(err, n * sizeof(char *), "class names");
    int rc = RN_OK;
    for (size_t i = 0; i < n && !rc; i++) {
        if (!from[i] || !rn_is_utf8(from[i])) {
            rc = rn_fail(err, RN_ERR_ARG, "%s of class %zu is not UTF-8", what,
                         i);
            break;
        }
        copy[i] = rn_strdup(from[i]);
        if (!copy[i])
            rc = rn_fail_memory(err, strlen(from[i]) + 1, "a class name");
    }
    if (rc)
        free_texts(copy, n);
    else
        *texts = copy;
    return rc;
}

int rn_model_set_classes(struct rn_model *model, const char *const *names,
                         struct rn_error *err)
{
    return set_texts(&model->class_names, names, (size_t)model->spec.classes,
                     "name", err);
}

int rn_model_set_class_ids(struct rn_model *model, const char *const *ids,
                           struct rn_error *err)
{
    return set_texts(&model->class_ids, ids, (size_t)model->spec.classes,
                     "identifier", err);
}
