/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of algorithms for convolutions, and the choice among them. */
#include "ops/conv/conv.h"

#include "core/count.h"
#include "core/isa.h"
#include "core/memory.h"
#include "graph/build.h"
#include "ops/conv/algorithm.h"
#include "ops/conv/groups.h"

#include <stdio.h>
#include <string.h>

struct rn_conv {
    struct rn_conv_config config;
    const struct rn_conv_algorithm *algorithm;
    struct rn_conv_needs needs;
    void *plan; /* the algorithm's own */
};

/* The first that applies has a convolution; oneDNN takes what none of ours
 * before it does, and ours behind it what oneDNN has only reference code for.
 */
static const struct rn_conv_algorithm *const algorithms[] = {
    &rn_conv_winograd,
    &rn_conv_winograd_bf16,
    &rn_conv_fc,
    &rn_conv_fc_back,
    &rn_conv_product,
    &rn_conv_product_turned,
    &rn_conv_first_bf16_values,
    &rn_conv_windows_bf16,
    &rn_conv_product_bf16,
    &rn_conv_product_turned_bf16,
    &rn_conv_data_gradient_bf16,
    &rn_conv_weight_gradient,
    &rn_conv_weight_gradient_rows,
    &rn_conv_weight_gradient_bf16,
    &rn_conv_first_bf16,
    &rn_conv_onednn,
    &rn_conv_onednn_bf16,
    &rn_conv_product_any,
    &rn_conv_product_any_bf16,
    &rn_conv_data_gradient,
    &rn_conv_plain,
    &rn_conv_winograd_int8,
    &rn_conv_winograd_int8_wide,
    &rn_conv_product_int8,
    &rn_conv_product_int8_wide,
    &rn_conv_first_int8,
    &rn_conv_first_int8_wide,
};

bool rn_conv_config_equal(const struct rn_conv_config *a,
                          const struct rn_conv_config *b)
{
    return a->n == b->n && rn_shape_equal(a->in, b->in) &&
           rn_shape_equal(a->out, b->out) &&
           rn_window_equal(&a->window, &b->window) && a->groups == b->groups &&
           a->pass == b->pass && a->threads == b->threads &&
           a->bias == b->bias && a->train == b->train && a->sum == b->sum &&
           a->relu == b->relu && a->exact == b->exact &&
           a->winograd == b->winograd && a->plain_input == b->plain_input &&
           a->normed == b->normed && a->input == b->input &&
           a->weights == b->weights && a->output == b->output;
}

static const char *const passes[RN_CONV_PASSES] = {
    [RN_CONV_FORWARD] = "output",
    [RN_CONV_BACKWARD_DATA] = "input gradient",
    [RN_CONV_BACKWARD_WEIGHTS] = "weight gradient",
};

const struct rn_conv_algorithm *rn_conv_algorithm_at(size_t i)
{
    return i < COUNT(algorithms) ? algorithms[i] : NULL;
}

static const struct rn_conv_algorithm *
algorithm_for(const struct rn_conv_config *config)
{
    for (size_t i = 0; i < COUNT(algorithms); i++) {
        const struct rn_conv_algorithm *a = algorithms[i];

        if (a->input == config->input && a->weights == config->weights &&
            a->output == config->output &&
            (a->groups || !rn_is_grouped(config)) &&
            (a->any_window || rn_window_regular(&config->window)) &&
            (a->normed || !config->normed) && a->applies(config))
            return a;
    }
    return NULL;
}

bool rn_conv_exists(const struct rn_conv_config *config)
{
    return algorithm_for(config) != NULL;
}

bool rn_conv_trains_relu(const struct rn_conv_config *config)
{
    const struct rn_conv_algorithm *a = algorithm_for(config);

    return a && a->trains_relu;
}

bool rn_conv_plain_input(int channels)
{
    return channels <= 3;
}

bool rn_conv_window_grows(const struct rn_window *w)
{
    return w->stride == 1 && (2 * w->pad >= w->kh || 2 * w->pad >= w->kw);
}

void rn_conv_describe(struct rn_conv_needs *needs, const char *name)
{
    snprintf(needs->name, sizeof(needs->name), "%s:%s", name, rn_isa()->name);
}

int rn_conv_create(struct rn_conv **out, const struct rn_conv_config *config,
                   bool dry, struct rn_error *err)
{
    struct rn_conv *conv = rn_alloc(1, sizeof(*conv));
    int rc;

    *out = NULL;
    if (!conv)
        return rn_fail_memory(err, sizeof(*conv), "a convolution");
    conv->config = *config;
    conv->algorithm = algorithm_for(config);
    if (!conv->algorithm) {
        rn_free(conv);
        return rn_fail(err, RN_ERR_ARG,
                       "no algorithm for the %s of a convolution %dx%d of %s "
                       "by %s to %s",
                       passes[config->pass], config->window.kh,
                       config->window.kw, rn_dtype_name(config->input),
                       rn_dtype_name(config->weights),
                       rn_dtype_name(config->output));
    }
    conv->plan = rn_alloc(1, conv->algorithm->plan_bytes);
    rc =
        conv->plan
            ? conv->algorithm->make(conv->plan, config, dry, &conv->needs, err)
            : rn_fail_memory(err, conv->algorithm->plan_bytes, "a convolution");
    if (rc) {
        rn_conv_destroy(conv);
        return rc;
    }
    *out = conv;
    return RN_OK;
}

void rn_conv_destroy(struct rn_conv *conv)
{
    if (!conv)
        return;
    if (conv->plan && conv->algorithm->release)
        conv->algorithm->release(conv->plan);
    rn_free(conv->plan);
    rn_free(conv);
}

const struct rn_conv_config *rn_conv_config(const struct rn_conv *conv)
{
    return &conv->config;
}

const char *rn_conv_algorithm(const struct rn_conv *conv)
{
    return conv->needs.name;
}

size_t rn_conv_scratch_bytes(const struct rn_conv *conv)
{
    return conv->needs.scratch_bytes;
}

size_t rn_conv_packed_bytes(const struct rn_conv *conv)
{
    return conv->needs.packed_bytes;
}

bool rn_conv_needs_pack(const struct rn_conv *conv)
{
    return conv->needs.pack;
}

bool rn_conv_reads_same(const struct rn_conv *a, const struct rn_conv *b)
{
    if (a->algorithm != b->algorithm ||
        a->needs.packed_bytes != b->needs.packed_bytes)
        return false;
    return a->algorithm->reads_same ? a->algorithm->reads_same(a->plan, b->plan)
                                    : strcmp(a->needs.name, b->needs.name) == 0;
}

int rn_conv_pack(struct rn_conv *conv, const float *from, void *packed,
                 struct rn_error *err)
{
    return conv->algorithm->pack(conv->plan, from, packed, err);
}

int rn_conv_run(struct rn_conv *conv, const struct rn_conv_args *args,
                struct rn_error *err)
{
    return conv->algorithm->run(conv->plan, args, err);
}

void rn_conv_shares(const struct rn_conv *conv, struct rn_shares *shares)
{
    if (conv->algorithm->shares)
        conv->algorithm->shares(conv->plan, shares);
    else
        shares->unknown = true;
}

void rn_conv_shares_unknown(const void *plan, struct rn_shares *shares)
{
    (void)plan;
    shares->unknown = true;
}
