/* SPDX-License-Identifier: BSD-2-Clause */
/* The family of residual and plain networks for CIFAR: He et al. 2016,
 * section 4.2. */
#include "nets/blocks.h"
#include "nets/residual.h"

#include <stdio.h>
#include <string.h>

#define CLASSES 10
#define PIXELS  32

/* Stages 2 and 3 start with stride 2. */
static const struct {
    int channels, stride;
} stages[] = {
    {16, 1}, /* 32 x 32 */
    {32, 2}, /* 16 x 16 */
    {64, 2}, /*  8 x  8 */
};

/* ------------------------------------------------------------------ names */

static const struct rn_net_listed listed[] = {
    {"resnet{6n+2}", "CIFAR ResNet of 8, 14, 20, ... layers, 32x32",
     "resnet20"},
    {"plain{6n+2}", "the same without shortcuts", "plain20"},
    {"cifar-resnet{6n+2}", "the same as resnet{6n+2}, for 50 and 152 layers",
     "cifar-resnet50"},
    {NULL, NULL, NULL},
};

bool rn_cifar_has(int layers)
{
    return layers >= 8 && layers <= RN_NET_LAYERS && layers % 6 == 2;
}

enum { SHORTCUTS, PLAIN };

static const struct rn_net_word words[] = {
    {"resnet", "", rn_cifar_has, SHORTCUTS},
    {"plain", "", rn_cifar_has, PLAIN},
    {"cifar-resnet", "", rn_cifar_has, SHORTCUTS},
    {"cifar-plain", "", rn_cifar_has, PLAIN},
    {NULL, NULL, NULL, 0},
};

static bool parse(struct rn_net_spec *spec, const char *name)
{
    const char *tail;
    const struct rn_net_word *word =
        rn_net_read_word(words, name, &spec->depth, &tail);

    if (!word || *tail)
        return false;
    rn_residual_defaults(spec, CLASSES, PIXELS);
    spec->plain = word->kind == PLAIN;
    return true;
}

static int resolve(struct rn_net_spec *spec,
                   const struct rn_net_options *options, struct rn_error *err)
{
    return rn_residual_resolve(spec, options, 'A', false, err);
}

/* ----------------------------------------------------------------- layers */

/* 6n + 2 layers: the first convolution, 2n per stage, the classifier. */
void rn_cifar_build(struct rn_graph *g, const struct rn_net_spec *spec)
{
    const int n = (spec->depth - 2) / 6;
    int x = rn_graph_input(g, spec->input);

    x = rn_conv_bn_relu(g, spec, x, "", 1, stages[0].channels, 3,
                        spec->stem_stride ? spec->stem_stride : 1, "relu");
    x = rn_pool_stem(g, spec, x, RN_STEM_POOL_NONE);
    for (int s = 0; s < 3; s++)
        for (int i = 0; i < n; i++) {
            char name[32];

            snprintf(name, sizeof(name), "layer%d.%d", s + 1, i);
            x = rn_block_basic(g, spec, x, name, stages[s].channels,
                               i == 0 ? stages[s].stride : 1);
        }
    rn_head(g, spec, x);
}

/* None of a convolution is smaller than 3 x 3 from 16 to 16 channels. */
uint64_t rn_cifar_least_floats(const struct rn_net_spec *spec)
{
    return 3 * 3 * 16 * 16 * (uint64_t)(spec->depth - 2);
}

/* ---------------------------------------------------- networks of others */

/* "cifar-" where the name without it is of another family. */
static const char *prefix_of(int layers)
{
    struct rn_net_spec spec;
    char name[32];

    snprintf(name, sizeof(name), "resnet%d", layers);
    return rn_net_resolve(&spec, name, NULL, NULL) == RN_OK &&
                   spec.family == &rn_family_cifar
               ? ""
               : "cifar-";
}

static void candidates(const struct rn_net_outline *o, rn_net_try *try,
                       void *user)
{
    const int layers = o->three + 1; /* 6n + 1 of 3x3, and the classifier */
    char name[32];

    if (!rn_cifar_has(layers) || o->convs >= 2 * o->three)
        return;
    snprintf(name, sizeof(name), "%sresnet%d", prefix_of(layers), layers);
    for (const char *shortcut = "BAaC"; *shortcut; shortcut++)
        if (try(user, name, *shortcut, 0))
            return;
    snprintf(name, sizeof(name), "%splain%d", prefix_of(layers), layers);
    try(user, name, 0, 0);
}

enum rn_net_claim rn_cifar_claim(const struct rn_anatomy *a,
                                 const struct rn_net_tensors *t,
                                 struct rn_net_found *found,
                                 struct rn_error *err)
{
    const int layers = 6 * a->blocks[0] + 2;

    if (a->bottleneck || a->stages != 3 || a->blocks[0] != a->blocks[1] ||
        a->blocks[1] != a->blocks[2] || a->stem[0] != 16 || a->stem[2] != 3 ||
        a->stem[3] != 3)
        return rn_anatomy_unknown(a, t, err);
    if (a->conv2[1] != a->conv1[0] ||
        snprintf(found->net, sizeof(found->net), "%sresnet%d%s",
                 prefix_of(layers), layers,
                 a->deep ? a->pooled ? "d" : "c" : "") >=
            (int)sizeof(found->net))
        return rn_anatomy_wide(a, t, err);
    return rn_anatomy_found(a, found);
}

static enum rn_net_claim recognise(struct rn_net_found *found,
                                   const struct rn_net_tensors *t,
                                   struct rn_error *err)
{
    struct rn_anatomy a;

    if (!rn_anatomy_take(&a, t) || a.squeezes || a.preactivates)
        return RN_CLAIM_NONE;
    return rn_cifar_claim(&a, t, found, err);
}

/* Many use akamaster's names with other shortcuts, and prepare images in as
 * many ways. */
static const struct rn_net_habit habits[] = {
    {&rn_source_akamaster, 'a', true, "akamaster"},
    {&rn_source_structure, 'a', false, NULL},
    {NULL, 0, false, NULL},
};

/* ------------------------------------------------------------------ whole */

const struct rn_family rn_family_cifar = {
    .name = "cifar",
    .listed = listed,
    .words = words,
    .parse = parse,
    .resolve = resolve,
    .build = rn_cifar_build,
    .heeds = RN_HEEDS_ALL,
    .has_aux = rn_net_no_aux,
    .head = RN_RESIDUAL_HEAD,
    .attributes = rn_residual_attributes,
    .start = &rn_start_usual,
    .least_floats = rn_cifar_least_floats,
    .stages = rn_residual_stages,
    .stage_of = rn_residual_stage_of,
    .candidates = candidates,
    .rules = rn_residual_rules,
    .recognise = recognise,
    .weights = rn_residual_weights,
    .habits = habits,
    .unsure = rn_residual_unsure,
};
