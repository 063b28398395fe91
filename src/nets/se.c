/* SPDX-License-Identifier: BSD-2-Clause */
/* The family of residual networks with squeeze and excitation: J. Hu et al.
 * 2018, section 4. Those of ImageNet size are timm's, and with the v1 stride
 * and Caffe's pool the authors'; those for CIFAR squeeze to 16 channels. */
#include "nets/blocks.h"
#include "nets/residual.h"

#include <stdio.h>
#include <string.h>

#define CLASSES       1000
#define PIXELS        224
#define SMALL_CLASSES 10
#define SMALL_PIXELS  32

/* ------------------------------------------------------------------ names */

static const struct rn_net_listed listed[] = {
    {"se-resnet{6n+2}", "resnet{6n+2} with squeeze and excitation",
     "se-resnet20"},
    {"se-resnet50", "resnet50 likewise (18, 34, 101, 152, too)", "se-resnet50"},
    {"se-resnext50_32x4d", "resnext50_32x4d likewise; other numbers do, too",
     "se-resnext50_32x4d"},
    {NULL, NULL, NULL},
};

static bool has(int layers)
{
    return rn_imagenet_has(layers) || rn_cifar_has(layers);
}

enum { RESNET, RESNEXT };

/* timm's names have no hyphen. */
static const struct rn_net_word words[] = {
    {"se-resnet", "", has, RESNET},
    {"seresnet", "", has, RESNET},
    {"se-resnext", "_32x4d", rn_imagenet_has_bottleneck, RESNEXT},
    {"seresnext", "_32x4d", rn_imagenet_has_bottleneck, RESNEXT},
    {NULL, NULL, NULL, 0},
};

enum { IMAGENET, CIFAR }; /* spec->variant */

static bool parse(struct rn_net_spec *spec, const char *name)
{
    const char *tail;
    const struct rn_net_word *word =
        rn_net_read_word(words, name, &spec->depth, &tail);

    if (!word)
        return false;
    spec->variant = rn_imagenet_has(spec->depth) ? IMAGENET : CIFAR;
    if (spec->variant == IMAGENET) {
        rn_residual_defaults(spec, CLASSES, PIXELS);
        spec->squeeze = RN_SQUEEZE_SIXTEENTH;
    } else {
        rn_residual_defaults(spec, SMALL_CLASSES, SMALL_PIXELS);
        spec->squeeze = RN_SQUEEZE_16;
    }
    if (word->kind == RESNEXT)
        tail = rn_imagenet_read_groups(spec, tail);
    return tail && !*tail;
}

static int resolve(struct rn_net_spec *spec,
                   const struct rn_net_options *options, struct rn_error *err)
{
    return rn_residual_resolve(spec, options, 'B',
                               spec->variant == IMAGENET &&
                                   rn_imagenet_has_bottleneck(spec->depth),
                               err);
}

/* ----------------------------------------------------------------- layers */

static void build(struct rn_graph *g, const struct rn_net_spec *spec)
{
    if (spec->variant == IMAGENET)
        rn_imagenet_build(g, spec);
    else
        rn_cifar_build(g, spec);
}

static uint64_t least_floats(const struct rn_net_spec *spec)
{
    return spec->variant == IMAGENET ? rn_imagenet_least_floats(spec)
                                     : rn_cifar_least_floats(spec);
}

/* ---------------------------------------------------- networks of others */

/* The network of so many layers, where the graph can be it, with every shortcut
 * and stride. Each block has two linear layers, which may be convolutions. */
static bool try_layers(const struct rn_net_outline *o, int layers,
                       int per_block, rn_net_try *try, void *user)
{
    bool bottleneck = per_block == 3;
    int blocks = (layers - 2) / per_block;
    char name[48];

    if (o->convs + o->linears < layers + 2 * blocks)
        return false;
    if (bottleneck && o->groups > 1)
        snprintf(name, sizeof(name), "se-resnext%d_%dx%dd", layers, o->groups,
                 o->width / o->groups);
    else
        snprintf(name, sizeof(name), "se-resnet%d", layers);
    for (const char *shortcut = "BAaC"; *shortcut; shortcut++)
        for (int v1 = 0; v1 <= bottleneck; v1++)
            if (try(user, name, *shortcut, v1))
                return true;
    return false;
}

static void candidates(const struct rn_net_outline *o, rn_net_try *try,
                       void *user)
{
    /* By the number of 3x3: one for each bottleneck, two for each basic block,
     * and CIFAR's first. */
    const int bottlenecks = 3 * o->three + 2, basic = o->three + 2;
    const int small = o->three + 1;

    if (rn_imagenet_has_bottleneck(bottlenecks) &&
        try_layers(o, bottlenecks, 3, try, user))
        return;
    if (rn_imagenet_has(basic) && try_layers(o, basic, 2, try, user))
        return;
    if (rn_cifar_has(small) && !rn_imagenet_has(small))
        try_layers(o, small, 2, try, user);
}

/* Whether the first gate is made over as many channels as in the network. */
static bool squeezes_alike(const struct rn_net_spec *spec,
                           const struct rn_anatomy *a,
                           const struct rn_net_tensors *t)
{
    const int channels = a->bottleneck
                             ? RN_RESIDUAL_WIDTH * RN_BOTTLENECK_EXPANSION
                             : (int)a->conv2[0];
    uint64_t dim[4];

    return t->dims(t->user, "layer1.0.se.fc1.weight", dim) == 4 &&
           dim[0] == (uint64_t)rn_squeeze_channels(spec->squeeze, channels);
}

/* Pretrained-models' are the authors' Caffe networks, whose pool rounds up, and
 * which stride in their first 1x1 unless they have groups. That pool goes with
 * that stride. */
static void take_habits(struct rn_net_found *found, const struct rn_anatomy *a,
                        const struct rn_net_source *source)
{
    const bool grouped = a->conv2[1] < a->conv1[0];

    if (source != &rn_source_cadene && source != &rn_source_senet)
        return;
    found->stride_v1 = a->bottleneck && !grouped;
    found->stem_pool = grouped ? "max-ceil" : NULL;
}

static enum rn_net_claim recognise(struct rn_net_found *found,
                                   const struct rn_net_tensors *t,
                                   struct rn_error *err)
{
    struct rn_net_spec spec;
    struct rn_anatomy a;
    enum rn_net_claim claim;
    char name[sizeof(found->net)];

    if (!rn_anatomy_take(&a, t) || !a.squeezes)
        return RN_CLAIM_NONE;
    take_habits(found, &a, t->source);
    claim = a.stages == RN_RESIDUAL_STAGES
                ? rn_imagenet_claim(&a, t, found, err)
                : rn_cifar_claim(&a, t, found, err);
    if (claim != RN_CLAIM_FOUND)
        return claim;
    snprintf(name, sizeof(name), "se-%.28s", found->net);
    if (rn_net_resolve(&spec, name, NULL, NULL) == RN_OK &&
        squeezes_alike(&spec, &a, t)) {
        memcpy(found->net, name, sizeof(name));
        return RN_CLAIM_FOUND;
    }
    rn_fail(
        err, RN_ERR_DATA,
        "'%s': a %s with squeeze and excitation of a kind that is not known "
        "here: 1x1 convolutions layer1.0.se.fc1 and fc2 expected, of a 16th "
        "of the channels or, for CIFAR, of 16",
        t->path, found->net);
    return RN_CLAIM_REFUSED;
}

static const char *const weights[] = {"conv1.weight", "layer#.#.conv#.weight",
                                      "layer#.#.se.fc#.weight",
                                      "layer#.#.downsample.#.weight", NULL};

/* Beside those of all residual networks. */
static const struct rn_net_rule rules[] = {
    {"layer0.conv1.", "conv1.", &rn_source_cadene},
    {"layer0.bn1.", "bn1.", &rn_source_cadene},
    {"layer#.#.se_module.", "layer#.#.se.", &rn_source_cadene},
    {"conv#_#_1x1_down.", "layer-.-.se.fc1.", &rn_source_senet},
    {"conv#_#_1x1_up.", "layer-.-.se.fc2.", &rn_source_senet},
    {NULL, NULL, NULL},
};

static const struct rn_net_habit habits[] = {
    {&rn_source_torchvision, 'A', false, "torchvision"},
    {&rn_source_cadene, 'A', false, "torchvision"},
    {&rn_source_senet, 'A', false, "caffe"},
    {NULL, 0, false, NULL},
};

/* ------------------------------------------------------------------ whole */

const struct rn_family rn_family_se = {
    .name = "se",
    .listed = listed,
    .words = words,
    .parse = parse,
    .resolve = resolve,
    .build = build,
    .heeds = RN_HEEDS_ALL,
    .has_aux = rn_net_no_aux,
    .head = RN_RESIDUAL_HEAD,
    .attributes = rn_residual_attributes,
    .start = &rn_start_usual,
    .least_floats = least_floats,
    .stages = rn_residual_stages,
    .stage_of = rn_residual_stage_of,
    .candidates = candidates,
    .rules = rules,
    .recognise = recognise,
    .weights = weights,
    .habits = habits,
    .unsure = rn_residual_unsure,
};
