/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes, runs and frees plans. */
#include "core/isa.h"
#include "core/memory.h"
#include "core/option.h"
#include "core/sized.h"
#include "core/threads.h"
#include "graph/quantization.h"
#include "model/model.h"
#include "plan/internal.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void rn_plan_defaults_sized(struct rn_plan_options *options, size_t size)
{
    struct rn_plan_options defaults = {.batch = 0};

    rn_option_defaults(rn_plan_option, &defaults);
    RN_GIVE_DEFAULTS(options, size, &defaults);
}

/* Those of a caller, or NULL. */
static int take_options(struct rn_plan_options *own,
                        const struct rn_plan_options *options,
                        struct rn_error *err)
{
    return RN_TAKE_OPTIONS(rn_plan_option, own, options, "rn_plan_options",
                           err);
}

/* ---------------------------------------------------------------- folding */

/* Batch norm with its running statistics as y = x * scale + shift. */
static void frozen_scale(const struct rn_plan *p, int node, int channel,
                         double *scale, double *shift)
{
    const struct rn_node *n = &p->graph->nodes[node];
    const float *at[4];

    for (int k = 0; k < 4; k++)
        at[k] = rn_store_at(p->store, RN_STORE_VALUE, n->param[k]);
    *scale = (double)at[RN_P_WEIGHT][channel] /
             sqrt((double)at[RN_P_VAR][channel] + (double)n->eps);
    *shift = (double)at[RN_P_BIAS][channel] -
             *scale * (double)at[RN_P_MEAN][channel];
}

float rn_sum_scale(const struct rn_plan *plan, int value, int sum)
{
    return plan->quants[sum].scale / plan->quants[value].scale;
}

/* What is added to a sum of products, in units of that sum, as whole numbers:
 * so other programs have it, which then round to the same value. False where 32
 * bits do not hold it, or the unit is none. */
static bool count_shift(double shift, double unit, size_t row, int32_t *start)
{
    double most = INT32_MAX - 2.0 * 255 * -RN_QUANT_LEAST * (double)row;
    double number = rint(shift / unit);

    if (unit == 0 || !(fabs(number) <= most))
        return false;
    *start += (int32_t)number;
    return true;
}

/* A convolution in 8 bits: the weights as whole numbers, and for each channel
 * what takes a sum of products to the value (struct rn_conv_bytes). */
static int fold_bytes(struct rn_plan *p, const struct rn_fold *f,
                      struct rn_error *err)
{
    const struct rn_node *n = &p->graph->nodes[f->node];
    const struct rn_param *w = &p->graph->params[n->param[RN_P_WEIGHT]];
    const struct rn_quant in = p->quants[n->input[0]];
    bool narrow = rn_conv_config(f->primitive)->output == RN_U8;
    size_t row = w->count / w->dim[0];
    size_t channels = rn_channels_padded(n->shape.c);
    float *bias = f->bias, *scale = bias + channels;
    int32_t *start = (int32_t *)(scale + channels);
    const float *own =
        n->param[RN_P_BIAS] < 0
            ? NULL
            : rn_store_at(p->store, RN_STORE_VALUE, n->param[RN_P_BIAS]);
    const float *from =
        rn_store_plain(p->store, (size_t)n->param[RN_P_WEIGHT], p->plain);
    /* One of the value's steps, and its zero; what is added brings its own. */
    int first = f->rounded >= 0 ? f->rounded : f->value;
    double step = narrow ? (double)p->quants[first].scale : 1;
    double zero = narrow ? p->quants[first].zero : 0;

    if (f->sum >= 0 && f->rounded < 0)
        zero -=
            p->quants[f->sum].zero * (double)rn_sum_scale(p, f->value, f->sum);
#pragma omp parallel for
    for (size_t o = 0; o < channels; o++) {
        double factor = 1, shift = 0, sum = 0, unit;

        /* Channels that fill the last block are the value's zero. */
        scale[o] = 0;
        bias[o] = (float)zero;
        start[o] = 0;
        if (o >= w->dim[0])
            continue;
        if (f->bn >= 0)
            frozen_scale(p, f->bn, (int)o, &factor, &shift);
        for (size_t i = 0; i < row; i++) {
            int q = rn_quant_number(from[o * row + i], w->scales[o]);

            p->plain[o * row + i] = (float)q;
            sum += q;
        }
        start[o] = (int32_t)(-in.zero * sum);
        shift += own ? factor * (double)own[o] : 0;
        unit = factor * (double)in.scale * (double)w->scales[o];
        scale[o] = (float)(unit / step);
        if (!count_shift(shift, unit, row, &start[o]))
            bias[o] = (float)(shift / step + zero);
    }
    return rn_conv_pack(f->primitive, p->plain, f->weights, err);
}

static int fold_floats(struct rn_plan *p, const struct rn_fold *f,
                       struct rn_error *err)
{
    const struct rn_node *n = &p->graph->nodes[f->node];
    const struct rn_param *w = &p->graph->params[n->param[RN_P_WEIGHT]];
    size_t row = w->count / w->dim[0];
    bool scaled = f->bn >= 0;
    const float *own =
        n->param[RN_P_BIAS] < 0
            ? NULL
            : rn_store_at(p->store, RN_STORE_VALUE, n->param[RN_P_BIAS]);
    const float *from =
        rn_store_plain(p->store, (size_t)n->param[RN_P_WEIGHT], p->plain);
#pragma omp parallel for
    for (size_t o = 0; o < w->dim[0]; o++) {
        double scale = 1, shift = 0;

        if (scaled)
            frozen_scale(p, f->bn, (int)o, &scale, &shift);
        for (size_t i = 0; scaled && i < row; i++)
            p->plain[o * row + i] = (float)(scale * (double)from[o * row + i]);
        f->bias[o] = (float)(shift + (own ? scale * (double)own[o] : 0));
    }
    return rn_conv_pack(f->primitive, scaled ? p->plain : from, f->weights,
                        err);
}

static int fold(struct rn_plan *p, const struct rn_fold *f,
                struct rn_error *err)
{
    int slopes = p->graph->nodes[f->node].param[RN_P_WEIGHT];

    if (!f->primitive) {
        memcpy(f->bias, rn_store_at(p->store, RN_STORE_VALUE, slopes),
               p->graph->params[slopes].count * sizeof(*f->bias));
        return RN_OK;
    }
    return rn_conv_config(f->primitive)->weights == RN_I8
               ? fold_bytes(p, f, err)
               : fold_floats(p, f, err);
}

static int fold_all(struct rn_plan *p, struct rn_error *err)
{
    int rc = RN_OK;

    for (size_t i = 0; !rc && i < p->n_folds; i++)
        rc = fold(p, &p->folds[i], err);
    for (size_t i = 0; i < p->n_bns; i++)
        for (int c = 0; c < p->bns[i].channels; c++) {
            double scale, shift;

            frozen_scale(p, p->bn_nodes[i], c, &scale, &shift);
            p->bns[i].scale[c] = (float)scale;
            p->bns[i].shift[c] = (float)shift;
        }
    return rc;
}

/* Whether the plan may be refreshed: parameters of a model are folded once. */
static bool folds_again(const struct rn_plan *p)
{
    return !p->store->borrowed;
}

int rn_plan_refresh(struct rn_plan *p, struct rn_error *err)
{
    int rc;

    assert(folds_again(p));
    rc = rn_team_enter(&p->team, err);
    if (rc)
        return rc;
    rc = fold_all(p, err);
    rn_team_leave(&p->team);
    return rc;
}

/* ----------------------------------------------------------------- making */

static int take(void *pointer, size_t bytes, const char *what,
                struct rn_error *err)
{
    void *p = rn_map(bytes ? bytes : 1);
    memcpy(pointer, &p, sizeof(p));
    return p ? RN_OK : rn_fail_memory(err, bytes, what);
}

static size_t rounded(size_t floats)
{
    return (floats + 15) / 16 * 16;
}

/* Whether the fold still has no place. */
static bool is_own(const struct rn_fold *f)
{
    return !f->bias;
}

static void count_folded(struct rn_plan *p)
{
    p->folded_floats = 0;
    for (size_t i = 0; i < p->n_folds; i++)
        if (is_own(&p->folds[i]))
            p->folded_floats +=
                rounded(p->folds[i].n_weights) + rounded(p->folds[i].n_bias);
}

/* Memory for the folds that have none, and for folding them. */
static int take_folded(struct rn_plan *p, struct rn_error *err)
{
    float *at;
    int rc;

    p->shared = rn_alloc(1, sizeof(*p->shared));
    if (!p->shared)
        return rn_fail_memory(err, sizeof(*p->shared), "a plan");
    p->shared->floats = p->folded_floats;
    rc = take(&p->shared->memory, p->folded_floats * sizeof(float),
              "folded weights", err);
    if (!rc)
        rc = take(&p->plain, p->plain_floats * sizeof(float), "folding", err);
    if (rc)
        return rc;
    at = p->shared->memory;
    for (size_t i = 0; i < p->n_folds; i++) {
        struct rn_fold *f = &p->folds[i];

        if (!is_own(f))
            continue;
        f->weights = at;
        f->bias = at + rounded(f->n_weights);
        at = f->bias + rounded(f->n_bias);
    }
    return RN_OK;
}

static int take_memory(struct rn_plan *p, struct rn_error *err)
{
    char what[64];
    int rc;

    snprintf(what, sizeof(what), "the activations of batch %d",
             p->options.batch);
    rc = take(&p->arena, p->arena_bytes, what, err);
    if (!rc)
        rc = take(&p->bn_memory, p->bn_floats * sizeof(float), "batch norm",
                  err);
    if (!rc)
        rc = take(&p->sums, p->sums_count * sizeof(double), "batch norm", err);
    return rc;
}

static void give_back(void *p, size_t bytes)
{
    if (p)
        rn_unmap(p, bytes ? bytes : 1);
}

static struct rn_folded *hold_folded(struct rn_folded *folded)
{
    rn_holders_add(&folded->holders);
    return folded;
}

static void drop_folded(struct rn_folded *folded)
{
    while (folded && rn_holders_drop(&folded->holders)) {
        struct rn_folded *of = folded->of;

        give_back(folded->memory, folded->floats * sizeof(float));
        rn_free(folded);
        folded = of;
    }
}

static void drop_plain(struct rn_plan *p)
{
    give_back(p->plain, p->plain_floats * sizeof(float));
    p->plain = NULL;
}

/* Point every batch norm's state at its memory and its parameters. */
static void bind_batch_norms(struct rn_plan *p)
{
    float *memory = p->bn_memory;
    bool train = p->options.mode == RN_MODE_TRAIN;

    for (size_t i = 0; i < p->n_bns; i++) {
        struct rn_batch_norm *bn = &p->bns[i];
        const int *param = p->graph->nodes[p->bn_nodes[i]].param;

        rn_batch_norm_place(bn, memory);
        memory += rn_batch_norm_floats(&bn->planes);
        bn->weight = rn_store_at(p->store, RN_STORE_VALUE, param[RN_P_WEIGHT]);
        bn->bias = rn_store_at(p->store, RN_STORE_VALUE, param[RN_P_BIAS]);
        bn->running_mean =
            rn_store_at(p->store, RN_STORE_VALUE, param[RN_P_MEAN]);
        bn->running_var =
            rn_store_at(p->store, RN_STORE_VALUE, param[RN_P_VAR]);
        if (!train || !rn_param_updated(&p->graph->params[param[RN_P_WEIGHT]]))
            continue;
        bn->diff_weight =
            rn_store_at(p->store, RN_STORE_GRAD, param[RN_P_WEIGHT]);
        bn->diff_bias = rn_store_at(p->store, RN_STORE_GRAD, param[RN_P_BIAS]);
    }
}

/* What auto stands for, and whether it can be had. */
static int settle_precision(struct rn_plan_options *o,
                            const struct rn_graph *graph, struct rn_error *err)
{
    bool quantized = rn_graph_is_quantized(graph);
    bool train = o->mode == RN_MODE_TRAIN;

    if (train && quantized)
        return rn_fail(err, RN_ERR_ARG,
                       "the model is quantised, which inference alone has: "
                       "train what it was made of and quantise that again");
    if (o->precision == RN_PRECISION_AUTO)
        o->precision = quantized ? RN_PRECISION_INT8 : RN_PRECISION_FP32;
    if (o->precision == RN_PRECISION_INT8 && train)
        return rn_fail(err, RN_ERR_ARG,
                       "`precision` is int8, which inference alone has");
    if (o->precision == RN_PRECISION_INT8 && !quantized)
        return rn_fail(err, RN_ERR_ARG,
                       "`precision` is int8, but the model is not quantised: "
                       "'resnet quantize' makes one that is");
    if (o->precision != RN_PRECISION_BF16 || rn_isa()->bf16 || o->emulate)
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG,
                   "`precision` is bf16, for which this processor has no "
                   "instructions (AVX-512 BF16); `emulate` computes it slowly");
}

static int check_options(const struct rn_plan_options *o, struct rn_error *err)
{
    int rc = rn_option_check(rn_plan_option, o, err);

    if (!rc && o->winograd == 3)
        rc = rn_fail(err, RN_ERR_ARG, "`winograd` is 3, but must be 2 or 4");
    return rc;
}

/* A number per class comes out, of something that is computed; of what learns a
 * hint a map. */
static int check_output(const struct rn_plan *p, struct rn_error *err)
{
    const struct rn_node *n = &p->graph->nodes[p->graph->output];

    if (n->op != RN_OP_INPUT && n->shape.h == 1 && n->shape.w == 1)
        return RN_OK;
    if (p->graph->hint && p->options.mode == RN_MODE_TRAIN)
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG,
                   "the network ends in layer '%s' (%s) of %dx%dx%d, expected "
                   "one pixel",
                   n->name, rn_op_name(n->op), n->shape.c, n->shape.h,
                   n->shape.w);
}

/* Everything but the memory. */
static int compile(struct rn_plan *p, struct rn_error *err)
{
    int rc = check_output(p, err);

    if (!rc)
        rc = rn_check_sizes(p, err);
    if (!rc && !p->clone)
        rc = rn_choose_kept(p, err);
    if (!rc)
        rc = p->options.mode == RN_MODE_TRAIN ? rn_compile_train(p, err)
                                              : rn_compile_infer(p, err);
    if (!rc)
        rn_touch(p, p->logits); /* read after the run */
    if (!rc && p->keep >= 0)
        rn_touch(p, p->kept); /* likewise */
    count_folded(p);
    if (!rc)
        rc = rn_add_scratch(p, err);
    return rc ? rc : rn_place_buffers(p, err);
}

/* A plan without anything in it yet but its threads. */
static int new_plan(struct rn_plan **out, struct rn_store *store,
                    const struct rn_plan_options *options, struct rn_error *err)
{
    struct rn_plan *p = rn_alloc(1, sizeof(*p));
    int rc;

    *out = NULL;
    if (!p)
        return rn_fail_memory(err, sizeof(*p), "a plan");
    p->store = rn_store_hold(store);
    p->graph = store->graph;
    p->options = *options;
    p->count = options->batch;
    if (!p->options.threads)
        p->options.threads = rn_threads_default("", NULL, 0);
    rc = rn_team_create(&p->team, p->options.threads, options->bind, err);
    if (rc)
        rn_plan_destroy(p);
    else
        *out = p;
    return rc;
}

/* The plan where `rc` is success; else nothing is left of it. */
static int hand_out(struct rn_plan **out, struct rn_plan *p, int rc)
{
    if (rc)
        rn_plan_destroy(p);
    else
        *out = p;
    return rc;
}

/* One that holds nothing yet, of options that have been checked. */
static int begin(struct rn_plan **out, struct rn_store *store,
                 const struct rn_plan_options *options, struct rn_error *err)
{
    struct rn_plan_options own = *options;
    int rc = check_options(options, err);

    *out = NULL;
    if (!rc)
        rc = settle_precision(&own, store->graph, err);
    return rc ? rc : new_plan(out, store, &own, err);
}

/* A plan that is not run, for as many threads as are asked for. */
static int build_dry(struct rn_plan **out, struct rn_store *store,
                     const struct rn_plan_options *options,
                     struct rn_error *err)
{
    struct rn_plan *p;
    int rc = begin(&p, store, options, err);

    *out = NULL;
    if (rc)
        return rc;
    p->dry = true;
    rn_team_pretend(&p->team);
    rc = compile(p, err);
    rn_team_pretend_no_more(&p->team);
    return hand_out(out, p, rc);
}

static int build(struct rn_plan **out, struct rn_store *store,
                 const struct rn_plan_options *options, const bool *watched,
                 bool dry, struct rn_error *err)
{
    struct rn_plan *p;
    int rc = begin(&p, store, options, err);

    *out = NULL;
    if (rc)
        return rc;
    p->dry = dry;
    p->watched = watched;
    /* oneDNN shares work out when a primitive is made. */
    rc = rn_team_enter(&p->team, err);
    if (rc)
        return hand_out(out, p, rc);
    p->options.threads = p->team.threads = p->team.granted;
    rc = compile(p, err);
    if (!rc && !dry) {
        rc = take_memory(p, err);
        if (!rc)
            bind_batch_norms(p);
        if (!rc && p->options.mode == RN_MODE_INFER)
            rc = take_folded(p, err);
        if (!rc && p->options.mode == RN_MODE_INFER)
            rc = fold_all(p, err);
        if (!folds_again(p))
            drop_plain(p);
    }
    rn_team_leave(&p->team);
    return hand_out(out, p, rc);
}

int rn_plan_build(struct rn_plan **out, struct rn_store *store,
                  const struct rn_plan_options *options, struct rn_error *err)
{
    if (options->mode == RN_MODE_TRAIN && !store->grad) {
        *out = NULL;
        return rn_fail(err, RN_ERR_ARG,
                       "the parameter store has no room for gradients");
    }
    return build(out, store, options, NULL, false, err);
}

/* Options of a caller, and a store for what they ask for: one for training is
 * made, or only measured; inference borrows the model's parameters. */
static int take_store(struct rn_plan_options *own, struct rn_store **store,
                      const struct rn_model *model,
                      const struct rn_plan_options *options, bool measure,
                      struct rn_error *err)
{
    int rc = take_options(own, options, err);

    if (rc)
        return rc;
    if (own->mode != RN_MODE_TRAIN)
        return rn_store_borrow(store, model->graph, err);
    return (measure ? rn_store_measure : rn_store_create)(store, model->graph,
                                                          1, err);
}

int rn_plan_create_watching(struct rn_plan **out, const struct rn_model *model,
                            const struct rn_plan_options *options,
                            const bool *watched, struct rn_error *err)
{
    struct rn_plan_options own;
    struct rn_store *store;
    int rc = take_store(&own, &store, model, options, false, err);

    *out = NULL;
    if (rc)
        return rc;
    rc = build(out, store, &own, watched, false, err);
    if (!rc)
        rn_plan_hold_model(*out, model);
    rn_store_destroy(store);
    return rc;
}

int rn_plan_create(struct rn_plan **out, const struct rn_model *model,
                   const struct rn_plan_options *options, struct rn_error *err)
{
    return rn_plan_create_watching(out, model, options, NULL, err);
}

void rn_plan_hold_model(struct rn_plan *plan, const struct rn_model *model)
{
    plan->model = rn_model_hold(model);
}

/* Whether the clone's fold reads what the plan has: for another batch, or where
 * it is granted other threads, an algorithm may want another layout. */
static bool reads_same(const struct rn_fold *a, const struct rn_fold *b)
{
    if (!a->primitive || !b->primitive)
        return a->primitive == b->primitive;
    return rn_conv_reads_same(a->primitive, b->primitive);
}

/* The plan is to answer as when it was made. Where the clone folds a layer
 * anew, the model must have it still: folded as the plan has it, it is the
 * same. */
static int check_unchanged(struct rn_plan *clone, const struct rn_fold *theirs,
                           struct rn_error *err)
{
    struct rn_fold again = *theirs;
    size_t weights = again.n_weights * sizeof(float);
    size_t bias = again.n_bias * sizeof(float);
    int rc = rn_conv_create(&again.primitive, rn_conv_config(theirs->primitive),
                            false, err);

    if (rc)
        return rc;
    /* Made here, it may be granted other threads. */
    if (!rn_conv_reads_same(again.primitive, theirs->primitive)) {
        rn_conv_destroy(again.primitive);
        return rn_fail(err, RN_ERR_KERNEL,
                       "a clone for batch %d would read the weights of layer "
                       "'%s' in another layout than the plan has them, and "
                       "cannot fold as the plan did",
                       clone->options.batch,
                       clone->graph->nodes[theirs->node].name);
    }
    again.weights = rn_alloc(1, weights);
    again.bias = rn_alloc(1, bias);
    rc = again.weights && again.bias
             ? fold(clone, &again, err)
             : rn_fail_memory(err, weights, "folding a layer");
    if (!rc && (memcmp(again.weights, theirs->weights, weights) != 0 ||
                memcmp(again.bias, theirs->bias, bias) != 0))
        rc = rn_fail(err, RN_ERR_ARG,
                     "a clone for batch %d needs the weights of layer '%s' in "
                     "another layout, but the model's have been changed since "
                     "the plan was made",
                     clone->options.batch,
                     clone->graph->nodes[theirs->node].name);
    rn_free(again.weights);
    rn_free(again.bias);
    rn_conv_destroy(again.primitive);
    return rc;
}

/* The plan's folds, and memory for those of the clone's own. */
static int share_folded(struct rn_plan *clone, const struct rn_plan *plan,
                        struct rn_error *err)
{
    int rc = RN_OK;

    if (clone->n_folds != plan->n_folds || clone->n_bns != plan->n_bns)
        return rn_fail(err, RN_ERR_KERNEL,
                       "a clone for batch %d would have other weights than the "
                       "plan",
                       clone->options.batch);
    for (size_t i = 0; i < plan->n_folds; i++)
        if (reads_same(&clone->folds[i], &plan->folds[i])) {
            clone->folds[i].weights = plan->folds[i].weights;
            clone->folds[i].bias = plan->folds[i].bias;
        }
    count_folded(clone);
    if (!clone->folded_floats) {
        clone->shared = hold_folded(plan->shared);
        return RN_OK;
    }
    rc = take_folded(clone, err);
    if (rc)
        return rc;
    clone->shared->of = hold_folded(plan->shared);
    for (size_t i = 0; !rc && i < plan->n_folds; i++) {
        if (clone->folds[i].bias == plan->folds[i].bias)
            continue;
        rc = check_unchanged(clone, &plan->folds[i], err);
        if (!rc)
            rc = fold(clone, &clone->folds[i], err);
    }
    drop_plain(clone);
    return rc;
}

int rn_plan_clone(struct rn_plan **out, const struct rn_plan *plan, int batch,
                  struct rn_error *err)
{
    struct rn_plan_options options;
    struct rn_plan *p;
    int rc;

    *out = NULL;
    if (!plan || plan->options.mode != RN_MODE_INFER || plan->dry)
        return rn_fail(err, RN_ERR_ARG, "only an inference plan has clones");
    options = plan->options;
    options.batch = batch ? batch : options.batch;
    rc = check_options(&options, err);
    if (!rc)
        rc = new_plan(&p, plan->store, &options, err);
    if (rc)
        return rc;
    p->model = plan->model ? rn_model_hold(plan->model) : NULL;
    p->clone = true;
    p->keep = plan->keep;
    p->kept = RN_NONE;
    rc = rn_team_enter(&p->team, err);
    if (!rc) {
        rc = compile(p, err);
        if (!rc)
            rc = take_memory(p, err);
        if (!rc)
            rc = share_folded(p, plan, err);
        rn_team_leave(&p->team);
    }
    if (rc) {
        rn_plan_destroy(p);
        return rc;
    }
    bind_batch_norms(p);
    for (size_t i = 0; i < p->n_bns; i++) {
        size_t bytes = (size_t)p->bns[i].channels * sizeof(float);

        memcpy(p->bns[i].scale, plan->bns[i].scale, bytes);
        memcpy(p->bns[i].shift, plan->bns[i].shift, bytes);
    }
    *out = p;
    return RN_OK;
}

int rn_plan_estimate(const struct rn_model *model,
                     const struct rn_plan_options *options, uint64_t *bytes,
                     struct rn_error *err)
{
    struct rn_plan_options own;
    struct rn_store *store;
    struct rn_plan *plan;
    int rc = take_store(&own, &store, model, options, true, err);

    if (rc)
        return rc;
    rc = build(&plan, store, &own, NULL, true, err);
    rn_store_destroy(store);
    if (rc)
        return rc;
    *bytes = rn_plan_bytes(plan);
    rn_plan_destroy(plan);
    return RN_OK;
}

int rn_plan_outline(struct rn_plan **out, const struct rn_model *model,
                    const struct rn_plan_options *options, struct rn_error *err)
{
    struct rn_plan_options own;
    struct rn_store *store;
    int rc = take_store(&own, &store, model, options, true, err);

    *out = NULL;
    if (rc)
        return rc;
    rc = build_dry(out, store, &own, err);
    if (!rc)
        rn_plan_hold_model(*out, model);
    rn_store_destroy(store);
    return rc;
}

void rn_plan_destroy(struct rn_plan *p)
{
    if (!p)
        return;
    give_back(p->arena, p->arena_bytes);
    give_back(p->bn_memory, p->bn_floats * sizeof(float));
    give_back(p->sums, p->sums_count * sizeof(double));
    drop_folded(p->shared);
    give_back(p->filled, p->filled_floats * sizeof(float));
    drop_plain(p);
    for (size_t i = 0; i < p->n_convs; i++)
        rn_conv_destroy(p->convs[i]);
    rn_store_destroy(p->store);
    rn_model_drop(p->model);
    rn_free(p->convs);
    rn_free(p->steps);
    rn_free(p->buffers);
    rn_free(p->lists);
    rn_free(p->quants);
    rn_free(p->bns);
    rn_free(p->bn_nodes);
    rn_free(p->folds);
    rn_team_destroy(&p->team);
    rn_free(p);
}

/* ---------------------------------------------------------------- running */

/* Of the first `count` images. */
static void copy_logits(const struct rn_plan *plan, int count, float *logits)
{
    size_t classes = (size_t)plan->graph->nodes[plan->graph->output].shape.c;
    size_t stride = rn_channels_padded((int)classes);
    const float *from = rn_buffer_at(plan, plan->logits);

    for (int n = 0; n < count; n++)
        memcpy(logits + (size_t)n * classes, from + (size_t)n * stride,
               classes * sizeof(*logits));
}

/* `count` images and zeros behind them, until the batch is full: its memory is
 * taken once. */
static int fill_up(struct rn_plan *plan, const float *images, int count,
                   struct rn_error *err)
{
    const struct rn_shape *s = &plan->graph->nodes[0].shape;
    size_t image = (size_t)s->c * (size_t)s->h * (size_t)s->w;
    size_t given = (size_t)count * image;

    plan->filled_floats = (size_t)plan->options.batch * image;
    if (!plan->filled) {
        int rc = take(&plan->filled, plan->filled_floats * sizeof(float),
                      "a batch of images", err);

        if (rc)
            return rc;
    }
    memcpy(plan->filled, images, given * sizeof(float));
    memset(plan->filled + given, 0,
           (plan->filled_floats - given) * sizeof(float));
    plan->images = plan->filled;
    return RN_OK;
}

int rn_plan_forward(struct rn_plan *plan, const float *images, float *logits,
                    struct rn_error *err)
{
    return rn_plan_forward_some(plan, images, plan ? plan->options.batch : 0,
                                logits, err);
}

int rn_plan_forward_some(struct rn_plan *plan, const float *images, int count,
                         float *logits, struct rn_error *err)
{
    int rc = RN_OK;

    if (!plan || !images || !logits || plan->options.mode != RN_MODE_INFER)
        return rn_fail(err, RN_ERR_ARG,
                       "forward needs an inference plan, images and logits");
    if (count < 1 || count > plan->options.batch)
        return rn_fail(err, RN_ERR_ARG,
                       "count %d: must be from 1 to the plan's batch, %d",
                       count, plan->options.batch);
    plan->images = images;
    plan->count = count;
    if (count < plan->options.batch)
        rc = fill_up(plan, images, count, err);
    if (!rc)
        rc = rn_run_steps(plan, plan->n_steps, err);
    if (!rc)
        copy_logits(plan, count, logits);
    return rc;
}

int rn_plan_train(struct rn_plan *plan, const float *images,
                  const int32_t *labels, float label_smoothing,
                  struct rn_step_result *result, struct rn_error *err)
{
    const struct rn_targets targets = {.labels = labels,
                                       .smoothing = label_smoothing};

    return rn_plan_learn(plan, images, &targets, result, err);
}

int rn_plan_learn(struct rn_plan *plan, const float *images,
                  const struct rn_targets *targets,
                  struct rn_step_result *result, struct rn_error *err)
{
    int rc;

    if (!plan || !images || (!targets->labels && !targets->wanted) ||
        plan->options.mode != RN_MODE_TRAIN)
        return rn_fail(err, RN_ERR_ARG,
                       "training needs a training plan, images and labels");
    if (plan->graph->hint && !targets->map)
        return rn_fail(err, RN_ERR_ARG,
                       "the network learns a map, which is not given");
    plan->images = images;
    plan->targets = *targets;
    rc = rn_run_steps(plan, plan->n_steps, err);
    if (!rc)
        *result = plan->result;
    return rc;
}

void rn_plan_draw(struct rn_plan *plan, const struct rn_draw *draw)
{
    plan->draw = *draw;
}

static void set_share(struct rn_plan *plan, const double *share)
{
    for (size_t i = 0; i < plan->n_bns; i++)
        plan->bns[i].momentum =
            share ? (float)*share
                  : plan->graph->nodes[plan->bn_nodes[i]].momentum;
}

int rn_plan_statistics(struct rn_plan *plan, const float *images, double share,
                       struct rn_error *err)
{
    int rc;

    if (!plan || !images || plan->options.mode != RN_MODE_TRAIN)
        return rn_fail(err, RN_ERR_ARG,
                       "statistics need a training plan and images");
    plan->images = images;
    set_share(plan, &share);
    rc = rn_run_steps(plan, rn_forward_steps(plan), err);
    set_share(plan, NULL);
    return rc;
}

/* Of a batch norm, mean and variance of each channel. */
static size_t apart_floats(const struct rn_batch_norm *bn)
{
    return 2 * bn->planes.blocks * (size_t)bn->planes.block;
}

size_t rn_plan_part_doubles(const struct rn_plan *plan)
{
    size_t most = 0;

    for (size_t i = 0; i < plan->n_bns; i++) {
        size_t numbers = apart_floats(&plan->bns[i]);

        most = numbers > most ? numbers : most;
    }
    return most;
}

void rn_plan_set_parts(struct rn_plan *plan, const struct rn_plan_parts *parts)
{
    plan->parts = parts;
}

size_t rn_plan_apart_floats(const struct rn_plan *plan)
{
    size_t floats = 0;

    for (size_t i = 0; i < plan->n_bns; i++)
        floats += apart_floats(&plan->bns[i]);
    return floats;
}

void rn_plan_set_apart(struct rn_plan *plan, float *own)
{
    for (size_t i = 0; i < plan->n_bns; i++) {
        struct rn_batch_norm *bn = &plan->bns[i];
        size_t floats = apart_floats(bn);

        bn->own_mean = own;
        bn->own_var = own ? own + floats / 2 : NULL;
        own = own ? own + floats : NULL;
    }
}

void rn_plan_join(struct rn_plan *plan, const float *own, int batches)
{
    size_t apart = rn_plan_apart_floats(plan);

    for (size_t i = 0; i < plan->n_bns; i++) {
        struct rn_batch_norm *bn = &plan->bns[i];
        size_t floats = apart_floats(bn);

        if (!bn->fixed)
            rn_batch_norm_join(bn, own, own + floats / 2, apart, batches);
        own += floats;
    }
}

void rn_plan_logits(const struct rn_plan *plan, float *logits)
{
    copy_logits(plan, plan->options.batch, logits);
}

/* ----------------------------------------------------------------- asking */

int rn_plan_threads(const struct rn_plan *plan)
{
    return plan->options.threads;
}

int rn_plan_value_of(const struct rn_plan *plan, int node)
{
    for (size_t i = 0; i < plan->n_steps; i++)
        if (plan->steps[i].node == node && plan->steps[i].value > 0)
            return plan->steps[i].value;
    return node;
}

int rn_plan_precision(const struct rn_plan *plan)
{
    return plan->options.precision;
}

uint64_t rn_plan_bytes(const struct rn_plan *p)
{
    size_t weights =
        p->folded_floats + (folds_again(p) && !p->clone ? p->plain_floats : 0);

    return p->arena_bytes + (p->bn_floats + weights) * sizeof(float) +
           p->sums_count * sizeof(double) +
           (rn_holders_alone(&p->store->holders) ? p->store->memory_bytes : 0);
}

size_t rn_plan_steps(const struct rn_plan *plan)
{
    return plan->n_steps;
}

/* The type that a step computes with: of a convolution its input's, which of a
 * first one are float32's images, of others what they make. */
static const char *precision_of(const struct rn_plan *plan,
                                const struct rn_step *s)
{
    enum rn_dtype type = RN_F32;

    if (s->conv) {
        const struct rn_conv_config *c = rn_conv_config(s->conv);

        type = c->weights == RN_I8  ? RN_U8
               : c->input == RN_F32 ? c->output
                                    : c->input;
    } else if (s->out >= 0) {
        type = plan->buffers[s->out].type;
    }
    return rn_precision_name(type == RN_BF16 ? RN_PRECISION_BF16
                             : type == RN_U8 ? RN_PRECISION_INT8
                                             : RN_PRECISION_FP32);
}

/* What a step's work comes to for the plan's threads. */
static void tell_shares(const struct rn_plan *plan, const struct rn_step *s,
                        struct rn_step_info *info)
{
    struct rn_shares shares = {.threads = plan->options.threads};

    s->type->shares(plan, s, &shares);
    info->barriers = shares.barriers;
    info->pieces = rn_shares_pieces(&shares);
    info->work = shares.unknown ? s->flops / 2 : shares.work;
    if (!shares.unknown && shares.work > 0)
        info->largest_share =
            shares.longest * (double)shares.threads / shares.work;
    if (s->scratch >= 0)
        info->scratch_bytes = plan->buffers[s->scratch].bytes;
}

int rn_plan_step_sized(const struct rn_plan *plan, size_t i,
                       struct rn_step_info *step, size_t size)
{
    const struct rn_step *s;
    struct rn_step_info own;

    if (i >= plan->n_steps)
        return RN_ERR_ARG;
    s = &plan->steps[i];
    own = (struct rn_step_info){
        .name = plan->graph->nodes[s->node].name,
        .pass = s->again ? "recompute" : s->type->pass,
        .algorithm = s->conv ? rn_conv_algorithm(s->conv) : rn_isa()->name,
        .flops = s->flops,
        .bytes = s->bytes,
        .seconds = plan->runs ? s->seconds / (double)plan->runs : 0,
        .precision = precision_of(plan, s),
    };
    tell_shares(plan, s, &own);
    RN_GIVE(step, size, &own);
    return RN_OK;
}

void rn_plan_profile_reset(struct rn_plan *plan)
{
    plan->runs = 0;
    for (size_t i = 0; i < plan->n_steps; i++)
        plan->steps[i].seconds = 0;
}

/* ---------------------------------------------------------------- machine */

static void processor_name(char *name, size_t size)
{
    static const char key[] = "model name";
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "re");

    snprintf(name, size, "unknown");
    while (f && fgets(line, sizeof(line), f)) {
        char *value = strchr(line, ':');

        if (strncmp(line, key, sizeof(key) - 1) || !value)
            continue;
        value += strspn(value, ": \t");
        value[strcspn(value, "\n")] = '\0';
        snprintf(name, size, "%s", value);
        break;
    }
    if (f)
        fclose(f);
}

void rn_machine_get_sized(struct rn_machine *machine, size_t size)
{
    struct rn_machine own = {.threads = 0};

    own.threads =
        rn_threads_default("", own.limited_by, sizeof(own.limited_by));
    snprintf(own.isa, sizeof(own.isa), "%s", rn_isa()->name);
    snprintf(own.onednn, sizeof(own.onednn), "%s", rn_onednn_version());
    processor_name(own.cpu, sizeof(own.cpu));
    RN_GIVE(machine, size, &own);
}
