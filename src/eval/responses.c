/* SPDX-License-Identifier: BSD-2-Clause */
/* Measures how large the responses of a network's layers are (He et al. 2016,
 * section 4.2 and figure 7). */
#include "eval/responses.h"

#include "core/memory.h"
#include "core/option.h"
#include "core/sized.h"
#include "eval/eval.h"
#include "graph/quantization.h"
#include "plan/plan.h"

#include <math.h>
#include <stdlib.h>

/* Of 3x3 layers alone, unless all are asked for. */
#define WINDOW 3

struct measuring {
    struct rn_responses *r;
    const struct rn_data *data;
    struct rn_response_options o;
    int images;
    bool *watched;               /* by node */
    size_t *layer;               /* by watched node: index of its layer */
    int count;                   /* images of the batch under way */
    struct rn_plan *plan, *rest; /* of whole batches, and of a smaller last */
    struct rn_error *err;
};

/* ----------------------------------------------------------------- layers */

static bool is_chosen(const struct rn_node *n, bool all)
{
    return n->op == RN_OP_CONV &&
           (all || (n->window.kh == WINDOW && n->window.kw == WINDOW));
}

/* The batch norm that alone reads a convolution's value, or -1. */
static int own_batch_norm(const struct rn_graph *g, int conv)
{
    int found = -1;

    for (size_t i = (size_t)conv + 1; i < rn_graph_trunk(g); i++) {
        if (!rn_node_reads(&g->nodes[i], conv))
            continue;
        if (found >= 0 || g->nodes[i].op != RN_OP_BATCH_NORM)
            return -1;
        found = (int)i;
    }
    return found;
}

static bool has_batch_norm(const struct rn_graph *g)
{
    for (size_t i = 0; i < rn_graph_trunk(g); i++)
        if (g->nodes[i].op == RN_OP_BATCH_NORM)
            return true;
    return false;
}

static int add_layer(struct measuring *m, int conv)
{
    const struct rn_graph *g = m->r->model->graph;
    const struct rn_node *n = &g->nodes[conv];
    struct rn_layer_sums *l = &m->r->layers[m->r->info.layers];
    size_t channels = (size_t)n->shape.c;

    *l = (struct rn_layer_sums){.conv = conv,
                                .value = own_batch_norm(g, conv),
                                .channels = channels,
                                .response = {.name = n->name,
                                             .rows = n->window.kh,
                                             .columns = n->window.kw,
                                             .channels = n->shape.c}};
    l->mean = rn_alloc(2 * channels, sizeof(*l->mean));
    if (!l->mean)
        return rn_fail_memory(m->err, 2 * channels * sizeof(*l->mean),
                              "a layer's sums");
    l->squares = l->mean + channels;
    m->r->info.layers++;
    return RN_OK;
}

/* One kind of value for all layers: what one of them lacks is not measured of
 * the others either. */
static void choose_values(struct measuring *m)
{
    struct rn_responses *r = m->r;
    bool normed = true;

    for (size_t i = 0; i < r->info.layers; i++)
        normed &= r->layers[i].value >= 0;
    for (size_t i = 0; i < r->info.layers; i++) {
        struct rn_layer_sums *l = &r->layers[i];

        if (!normed)
            l->value = l->conv;
        m->watched[l->value] = true;
        m->layer[l->value] = i;
    }
    r->info.value = normed ? "batch norm" : "convolution";
    r->info.batch_norm = !has_batch_norm(r->model->graph)       ? "none"
                         : m->o.batch_norm == RN_RESPONSE_BATCH ? "batch"
                                                                : "running";
}

static int choose_layers(struct measuring *m)
{
    const struct rn_graph *g = m->r->model->graph;
    char buf[RN_TITLE_SIZE];
    int rc = RN_OK;

    m->watched = rn_alloc(g->n_nodes, sizeof(*m->watched));
    m->layer = rn_alloc(g->n_nodes, sizeof(*m->layer));
    m->r->layers = rn_alloc(g->n_nodes, sizeof(*m->r->layers));
    if (!m->watched || !m->layer || !m->r->layers)
        return rn_fail_memory(m->err, g->n_nodes * sizeof(*m->r->layers),
                              "layers");
    for (size_t i = 0; rc == RN_OK && i < rn_graph_trunk(g); i++)
        if (is_chosen(&g->nodes[i], m->o.all))
            rc = add_layer(m, (int)i);
    if (rc == RN_OK && m->r->info.layers == 0)
        rc = rn_fail(m->err, RN_ERR_ARG,
                     m->o.all ? "model %s has no convolution"
                              : "model %s has no 3x3 convolution; `all` "
                                "measures those of other windows",
                     rn_model_title(m->r->model, buf, sizeof(buf)));
    if (rc == RN_OK)
        choose_values(m);
    return rc;
}

/* ------------------------------------------------------------------- sums */

/* Put a batch's mean and variance of a channel to those of all before (T. Chan
 * et al. 1979). */
static void join(struct rn_layer_sums *l, size_t c, double count, double mean,
                 double var)
{
    double all = l->count + count, delta = mean - l->mean[c];

    l->mean[c] += delta * count / all;
    l->squares[c] += var * count + delta * delta * l->count * count / all;
}

static int take(void *user, int node, const double *mean, const double *var)
{
    struct measuring *m = user;
    struct rn_layer_sums *l = &m->r->layers[m->layer[node]];
    struct rn_shape shape = m->r->model->graph->nodes[node].shape;
    double count = (double)m->count * (double)rn_shape_pixels(shape);

    for (size_t c = 0; c < l->channels; c++)
        join(l, c, count, mean[c], var[c]);
    l->count += count;
    return RN_OK;
}

/* Over channels, too. */
static int finish_layer(struct measuring *m, struct rn_layer_sums *l)
{
    double channels = (double)l->channels, mean = 0, var = 0;
    char buf[RN_TITLE_SIZE];

    for (size_t c = 0; c < l->channels; c++)
        mean += l->mean[c] / channels;
    for (size_t c = 0; c < l->channels; c++)
        var += (l->squares[c] / l->count +
                (l->mean[c] - mean) * (l->mean[c] - mean)) /
               channels;
    l->response.mean = mean;
    l->response.deviation = sqrt(var);
    if (isfinite(l->response.deviation))
        return RN_OK;
    return rn_fail(m->err, RN_ERR_DATA,
                   "model %s: the response of layer '%s' is not finite",
                   rn_model_title(m->r->model, buf, sizeof(buf)),
                   l->response.name);
}

/* Of equal deviations the first layer's is the larger. */
static void rank(struct rn_responses *r)
{
    for (size_t i = 0; i < r->info.layers; i++) {
        struct rn_response *own = &r->layers[i].response;

        own->rank = 1;
        for (size_t k = 0; k < r->info.layers; k++) {
            double other = r->layers[k].response.deviation;

            own->rank +=
                other > own->deviation || (k < i && !(other < own->deviation));
        }
    }
}

static int finish(struct measuring *m)
{
    int rc = RN_OK;

    for (size_t i = 0; rc == RN_OK && i < m->r->info.layers; i++)
        rc = finish_layer(m, &m->r->layers[i]);
    rank(m->r);
    return rc;
}

/* ---------------------------------------------------------------- running */

static bool by_batch(const struct measuring *m)
{
    return m->r->info.batch_norm[0] == 'b';
}

/* Statistics of a batch are those of training's: of 128 small images, or of 32.
 */
static int choose_batch(const struct measuring *m)
{
    struct rn_shape input = m->r->model->spec.input;
    int batch = m->o.batch;

    if (!batch && by_batch(m))
        batch = input.h <= 64 && input.w <= 64 ? 128 : 32;
    if (!batch)
        batch = rn_eval_batch(input, m->images);
    return batch < m->images ? batch : m->images;
}

/* The plan for a batch of so many images, made when it is needed. */
static int plan_for(struct measuring *m, int count, struct rn_plan **out)
{
    struct rn_plan **plan = count == m->r->info.batch ? &m->plan : &m->rest;
    const struct rn_plan_options options = {
        .struct_size = sizeof(options),
        .mode = by_batch(m) ? RN_MODE_TRAIN : RN_MODE_INFER,
        .batch = count,
        .threads = m->o.threads,
        .exact = m->o.exact,
        .bind = m->o.bind,
        .precision = RN_PRECISION_FP32,
    };
    int rc = *plan ? RN_OK
                   : rn_plan_create_watching(plan, m->r->model, &options,
                                             m->watched, m->err);

    *out = *plan;
    return rc;
}

static int run_batch(struct measuring *m, struct rn_loader *loader, long i)
{
    const struct rn_draw draw = {.iteration = (uint32_t)i};
    struct rn_batch batch;
    struct rn_plan *plan;
    int rc = rn_loader_next(loader, &batch, NULL, m->err);

    if (rc == RN_OK)
        rc = plan_for(m, batch.count, &plan);
    if (rc)
        return rc;
    m->count = batch.count;
    rn_plan_draw(plan, &draw);
    return rn_plan_watch(plan, batch.images, take, m, m->err);
}

static int run(struct measuring *m)
{
    struct rn_responses *r = m->r;
    struct rn_machine machine;
    struct rn_eval_pass pass = {
        .batch = r->info.batch,
        .data = m->data,
        .part = r->info.part,
        .images = m->images,
        .view = rn_view_of(r->model),
        .preprocessing = &r->model->preprocessing,
    };
    struct rn_loader_config config;
    struct rn_loader *loader = NULL;
    int rc;

    rn_machine_get(&machine);
    pass.loaders = m->o.threads ? m->o.threads : machine.threads;
    rn_eval_loader(&pass, &config);
    rc = rn_loader_create(&loader, &config, m->err);
    for (long i = 0; rc == RN_OK && i < config.end; i++) {
        rc = run_batch(m, loader, i);
        r->info.images += m->count;
        if (rc == RN_OK)
            rc = rn_eval_progress(m->o.progress, m->o.user, r->info.images,
                                  m->images, m->err);
    }
    rn_loader_destroy(loader);
    return rc ? rc : finish(m);
}

/* --------------------------------------------------------------- checking */

static int check(const struct measuring *m)
{
    const struct rn_model *model = m->r->model;
    enum rn_part part = m->r->info.part;
    char buf[RN_TITLE_SIZE];

    if ((unsigned)part > RN_PART_TEST)
        return rn_fail(m->err, RN_ERR_ARG, "part %d: there is none", (int)part);
    if (m->data->part[part].count == 0)
        return rn_fail(m->err, RN_ERR_ARG, "'%s' has no %s images",
                       m->data->spec, rn_part_name(part));
    if (rn_graph_is_quantized(model->graph))
        return rn_fail(m->err, RN_ERR_ARG,
                       "model %s is quantised: its responses are rounded; give "
                       "the model it was made of",
                       rn_model_title(model, buf, sizeof(buf)));
    if (!model->preprocessing.mean)
        return rn_fail(m->err, RN_ERR_ARG,
                       "model %s does not say how its images are prepared",
                       rn_model_title(model, buf, sizeof(buf)));
    return m->data->fetch ? RN_OK : rn_model_takes(model, m->data, m->err);
}

static int measure(struct measuring *m)
{
    int all, rc = check(m);

    if (rc == RN_OK)
        rc = choose_layers(m);
    if (rc)
        return rc;
    all = m->data->part[m->r->info.part].count;
    m->images = m->o.images > 0 && m->o.images < all ? m->o.images : all;
    m->r->info.batch = choose_batch(m);
    return run(m);
}

void rn_response_defaults_sized(struct rn_response_options *options,
                                size_t size)
{
    struct rn_response_options defaults = {.images = 0};

    rn_option_defaults(rn_response_option, &defaults);
    RN_GIVE_DEFAULTS(options, size, &defaults);
}

int rn_responses_measure(struct rn_responses **out,
                         const struct rn_model *model,
                         const struct rn_data *data, enum rn_part part,
                         const struct rn_response_options *options,
                         struct rn_error *err)
{
    struct rn_error own = {0};
    struct measuring m = {.data = data, .err = err ? err : &own};
    int rc = RN_TAKE_OPTIONS(rn_response_option, &m.o, options,
                             "rn_response_options", err);

    *out = NULL;
    if (rc == RN_OK)
        rc = rn_option_check(rn_response_option, &m.o, err);
    if (rc)
        return rc;
    m.r = rn_alloc(1, sizeof(*m.r));
    if (!m.r)
        return rn_fail_memory(err, sizeof(*m.r), "responses");
    m.r->model = rn_model_hold(model);
    m.r->info.part = part;
    rc = measure(&m);
    rn_plan_destroy(m.plan);
    rn_plan_destroy(m.rest);
    rn_free(m.watched);
    rn_free(m.layer);
    if (rc)
        rn_responses_destroy(m.r);
    else
        *out = m.r;
    return rc;
}

/* ------------------------------------------------------------- what it is */

void rn_responses_describe_sized(const struct rn_responses *responses,
                                 struct rn_response_info *info, size_t size)
{
    RN_GIVE(info, size, &responses->info);
}

int rn_responses_layer_sized(const struct rn_responses *responses, size_t i,
                             struct rn_response *layer, size_t size)
{
    if (i >= responses->info.layers)
        return RN_ERR_ARG;
    RN_GIVE(layer, size, &responses->layers[i].response);
    return RN_OK;
}

void rn_responses_destroy(struct rn_responses *responses)
{
    if (!responses)
        return;
    for (size_t i = 0; i < responses->info.layers; i++)
        rn_free(responses->layers[i].mean);
    rn_free(responses->layers);
    rn_model_drop(responses->model);
    rn_free(responses);
}
