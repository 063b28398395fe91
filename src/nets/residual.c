/* SPDX-License-Identifier: BSD-2-Clause */
/* What the families of residual networks share: options, description, stages,
 * and the names that others give their tensors. */
#include "nets/residual.h"

#include "core/count.h"

#include <stdio.h>
#include <string.h>

#define MOST_BLOCKS 100000

/* ---------------------------------------------------------------- options */

const char *rn_shortcut_name(char shortcut)
{
    static const struct {
        char letter;
        const char *name;
    } names[] = {{'A', "A"}, {'a', "A-split"}, {'B', "B"}, {'C', "C"}};

    for (size_t i = 0; i < COUNT(names); i++)
        if (names[i].letter == shortcut)
            return names[i].name;
    return NULL;
}

const char *rn_stride_name(bool v1)
{
    return v1 ? "v1" : "v1.5";
}

void rn_residual_defaults(struct rn_net_spec *spec, int classes, int pixels)
{
    spec->classes = classes;
    spec->input = (struct rn_shape){3, pixels, pixels};
    spec->groups = 1;
    spec->width = RN_RESIDUAL_WIDTH;
}

static int resolve_shortcut(struct rn_net_spec *spec, char usual, char wanted,
                            struct rn_error *err)
{
    if (spec->plain)
        return rn_net_no_options(
            spec, &(struct rn_net_options){.shortcut = wanted}, err);
    spec->shortcut = wanted ? wanted : usual;
    if (rn_shortcut_name(spec->shortcut))
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG,
                   "`shortcut` '%c', expected A, A-split, B or C", wanted);
}

static int resolve_stride(struct rn_net_spec *spec, bool v1, bool bottleneck,
                          struct rn_error *err)
{
    spec->stride_v1 = v1;
    if (v1 && spec->antialias != RN_ANTIALIAS_NONE)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' shrinks behind its 3x3, but the v1 stride was "
                       "given",
                       spec->name);
    if (!v1 || bottleneck)
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG,
                   "'%s' has no bottleneck blocks, but their v1 stride was "
                   "given",
                   spec->name);
}

int rn_residual_resolve(struct rn_net_spec *spec,
                        const struct rn_net_options *options, char usual,
                        bool bottleneck, struct rn_error *err)
{
    int rc = rn_net_no_blocks(spec, options, err);

    if (!rc)
        rc = resolve_shortcut(spec, usual, options->shortcut, err);
    return rc ? rc
              : resolve_stride(spec, options->stride_v1 != 0, bottleneck, err);
}

/* ------------------------------------------------------------ description */

static json_t *put_plain(const struct rn_net_spec *spec)
{
    return json_boolean(spec->plain);
}

json_t *rn_residual_put_shortcut(const struct rn_net_spec *spec)
{
    const char *name = rn_shortcut_name(spec->shortcut);

    return json_string(name ? name : "-");
}

/* A letter alone is for rn_net_resolve() to judge. */
bool rn_residual_get_shortcut(const json_t *value,
                              struct rn_net_options *options)
{
    const char *text = json_string_value(value);

    if (!text)
        return false;
    options->shortcut =
        strcmp(text, rn_shortcut_name('a')) == 0 ? 'a' : text[0];
    return options->shortcut == 'a' ? strlen(text) > 1 : strlen(text) == 1;
}

json_t *rn_residual_put_stride(const struct rn_net_spec *spec)
{
    return json_string(rn_stride_name(spec->stride_v1));
}

bool rn_residual_get_stride(const json_t *value, struct rn_net_options *options)
{
    const char *text = json_string_value(value);

    if (!text)
        return false;
    options->stride_v1 = strcmp(text, rn_stride_name(true)) == 0;
    return options->stride_v1 || strcmp(text, rn_stride_name(false)) == 0;
}

const struct rn_net_attribute rn_residual_attributes[] = {
    {"plain", put_plain, NULL, "as its name says"},
    RN_RESIDUAL_SHORTCUT,
    RN_RESIDUAL_STRIDE,
    {NULL, NULL, NULL, NULL},
};

/* ----------------------------------------------------------------- stages */

const char *const rn_residual_stages[] = {"conv1", "conv2", "conv3", "conv4",
                                          "conv5", "fc",    NULL};

/* A node is named without what follows the last point: "conv1". */
static bool begins(const char *name, const char *part)
{
    size_t n = strlen(part);

    return strncmp(name, part, n) == 0 && (name[n] == '.' || !name[n]);
}

int rn_residual_stage_of(const struct rn_net_spec *spec, const char *node)
{
    static const struct {
        const char *part;
        int stage;
    } parts[] = {{"conv1", 0},  {"bn1", 0},    {"relu", 0},   {"layer1", 1},
                 {"layer2", 2}, {"layer3", 3}, {"layer4", 4}, {"fc", 5}};

    (void)spec;
    for (size_t i = 0; i < COUNT(parts); i++)
        if (begins(node, parts[i].part))
            return parts[i].stage;
    return -1;
}

/* ------------------------------------------------------ weights of others */

const struct rn_net_source rn_source_akamaster = {
    "akamaster/pytorch_resnet_cifar10's", NULL};
const struct rn_net_source rn_source_transformers = {
    "Hugging Face Transformers'", NULL};
const struct rn_net_source rn_source_mmpretrain = {"MMPretrain's", NULL};
const struct rn_net_source rn_source_senet = {"hujie-frank/SENet's", NULL};
const struct rn_net_source rn_source_cadene = {
    "Cadene/pretrained-models.pytorch's", NULL};

const struct rn_net_rule rn_residual_rules[] = {
    {"linear.", "fc.", &rn_source_akamaster},
    {"layer#.#.shortcut.", "layer#.#.downsample.", &rn_source_akamaster},
    {"backbone.", "", &rn_source_mmpretrain},
    {"head.fc.", "fc.", &rn_source_mmpretrain},
    {"embedder.embedder.convolution.", "conv1.", &rn_source_transformers},
    {"embedder.embedder.normalization.", "bn1.", &rn_source_transformers},
    {"encoder.stages.#.layers.#.layer.#.convolution.", "layer+.#.conv+.",
     &rn_source_transformers},
    {"encoder.stages.#.layers.#.layer.#.normalization.", "layer+.#.bn+.",
     &rn_source_transformers},
    {"encoder.stages.#.layers.#.shortcut.convolution.",
     "layer+.#.downsample.0.", &rn_source_transformers},
    {"encoder.stages.#.layers.#.shortcut.normalization.",
     "layer+.#.downsample.1.", &rn_source_transformers},
    /* Caffe's, and what converters make of them. */
    {"conv1/7x7_s2.", "conv1.", &rn_source_senet},
    {"conv1/7x7_s2/bn.", "bn1.", &rn_source_senet},
    {"conv#_#_1x1_reduce.", "layer-.-.conv1.", &rn_source_senet},
    {"conv#_#_1x1_reduce/bn.", "layer-.-.bn1.", &rn_source_senet},
    {"conv#_#_3x3.", "layer-.-.conv2.", &rn_source_senet},
    {"conv#_#_3x3/bn.", "layer-.-.bn2.", &rn_source_senet},
    {"conv#_#_1x1_increase.", "layer-.-.conv3.", &rn_source_senet},
    {"conv#_#_1x1_increase/bn.", "layer-.-.bn3.", &rn_source_senet},
    {"conv#_#_1x1_proj.", "layer-.-.downsample.0.", &rn_source_senet},
    {"conv#_#_1x1_proj/bn.", "layer-.-.downsample.1.", &rn_source_senet},
    {"conv1_7x7_s2.", "conv1.", &rn_source_senet},
    {"conv1_7x7_s2_bn.", "bn1.", &rn_source_senet},
    {"conv#_#_1x1_reduce_bn.", "layer-.-.bn1.", &rn_source_senet},
    {"conv#_#_3x3_bn.", "layer-.-.bn2.", &rn_source_senet},
    {"conv#_#_1x1_increase_bn.", "layer-.-.bn3.", &rn_source_senet},
    {"conv#_#_1x1_proj_bn.", "layer-.-.downsample.1.", &rn_source_senet},
    {NULL, NULL, NULL},
};

const char *const rn_residual_weights[] = {
    "conv1.weight", "conv1.#.weight", "layer#.#.conv#.weight",
    "layer#.#.downsample.#.weight", NULL};

/* The sizes of a weight that is four-dimensional and not empty. */
static bool get_dims(const struct rn_net_tensors *t, const char *name,
                     uint64_t dim[4])
{
    return t->dims(t->user, name, dim) == 4 && dim[0] && dim[1] && dim[2] &&
           dim[3];
}

static bool has_in_block(const struct rn_net_tensors *t, int stage, int block,
                         const char *tensor)
{
    char name[64];
    uint64_t dim[4];

    snprintf(name, sizeof(name), "layer%d.%d.%s", stage, block, tensor);
    return t->dims(t->user, name, dim) >= 0;
}

static void count_blocks(struct rn_anatomy *a, const struct rn_net_tensors *t)
{
    while (a->stages <= RN_RESIDUAL_STAGES &&
           has_in_block(t, a->stages + 1, 0, "conv1.weight")) {
        int *n = &a->blocks[a->stages++];

        while (*n < MOST_BLOCKS &&
               has_in_block(t, a->stages, *n, "conv1.weight")) {
            a->projections +=
                has_in_block(t, a->stages, *n, "downsample.0.weight") ||
                has_in_block(t, a->stages, *n, "downsample.2.weight");
            a->all++;
            ++*n;
        }
    }
}

/* Whether a block's first batch norm is of what the block reads, where that has
 * other channels than the convolution makes. */
static bool begins_with_norm(const struct rn_net_tensors *t)
{
    uint64_t conv[4], norm[4];

    return get_dims(t, "layer2.0.conv1.weight", conv) && conv[0] != conv[1] &&
           t->dims(t->user, "layer2.0.bn1.weight", norm) == 1 &&
           norm[0] == conv[1];
}

bool rn_anatomy_take(struct rn_anatomy *a, const struct rn_net_tensors *t)
{
    uint64_t dim[4];

    memset(a, 0, sizeof(*a));
    count_blocks(a, t);
    a->deep = get_dims(t, "conv1.0.weight", a->stem) &&
              t->dims(t->user, "conv1.6.weight", dim) >= 0;
    a->pooled = has_in_block(t, 2, 0, "downsample.2.weight");
    a->bottleneck = has_in_block(t, 1, 0, "conv3.weight");
    a->squeezes = t->begins(t->user, "layer1.0.se.");
    a->preactivates = begins_with_norm(t);
    return (a->deep || get_dims(t, "conv1.weight", a->stem)) &&
           a->stages >= 2 && a->stages <= RN_RESIDUAL_STAGES &&
           get_dims(t, "layer1.0.conv1.weight", a->conv1) &&
           get_dims(t, "layer1.0.conv2.weight", a->conv2);
}

enum rn_net_claim rn_anatomy_unknown(const struct rn_anatomy *a,
                                     const struct rn_net_tensors *t,
                                     struct rn_error *err)
{
    char blocks[64] = "";

    for (int i = 0; i < a->stages; i++)
        snprintf(blocks + strlen(blocks), sizeof(blocks) - strlen(blocks),
                 "%s%d", i ? ", " : "", a->blocks[i]);
    rn_fail(err, RN_ERR_DATA,
            "'%s': a residual network of %s %s blocks behind a "
            "convolution of %llu %llux%llu filters is none known here",
            t->path, blocks, a->bottleneck ? "bottleneck" : "basic",
            (unsigned long long)a->stem[0], (unsigned long long)a->stem[2],
            (unsigned long long)a->stem[3]);
    return RN_CLAIM_KIN;
}

enum rn_net_claim rn_anatomy_wide(const struct rn_anatomy *a,
                                  const struct rn_net_tensors *t,
                                  struct rn_error *err)
{
    rn_fail(err, RN_ERR_DATA,
            "'%s': a residual network whose blocks' 3x3 have %llu "
            "filters of %llu channels, which none here has",
            t->path, (unsigned long long)a->conv2[0],
            (unsigned long long)a->conv2[1]);
    return RN_CLAIM_REFUSED;
}

enum rn_net_claim rn_anatomy_found(const struct rn_anatomy *a,
                                   struct rn_net_found *found)
{
    found->shortcut = a->projections == 0        ? 'A'
                      : a->projections == a->all ? 'C'
                                                 : 'B';
    found->bottleneck = a->bottleneck;
    found->channels = a->stem[1];
    return RN_CLAIM_FOUND;
}

/* ----------------------------------------------- what shapes do not tell */

#define RESNET "resnet"

/* Whether timm has networks of the same tensors that shrink by pools, and
 * nothing says which it is. */
static bool may_antialias(const struct rn_net_spec *s,
                          const struct rn_net_found *found,
                          const struct rn_net_given *given)
{
    const char *tail = s->name + strlen(RESNET);
    char name[sizeof(s->name) + 2];
    struct rn_net_spec other;

    if (given->net || given->stride || found->small || s->shortcut != 'B' ||
        strncmp(s->name, RESNET, strlen(RESNET)) != 0)
        return false;
    snprintf(name, sizeof(name), RESNET "aa%s", tail);
    return rn_net_resolve(&other, name, NULL, NULL) == RN_OK;
}

void rn_residual_unsure_stride(const struct rn_net_given *given,
                               rn_net_say *say, void *user)
{
    if (!given->stride)
        say(user, "bottlenecks taken to stride in their 3x3 (v1.5), as most "
                  "weights do; shapes do not tell: --stride v1 says otherwise");
}

void rn_residual_unsure_zeros(const struct rn_net_spec *spec,
                              const struct rn_net_given *given, rn_net_say *say,
                              void *user)
{
    const bool split = spec->shortcut == 'a';
    char text[200];

    if (given->shortcut || (spec->shortcut != 'A' && !split))
        return;
    snprintf(text, sizeof(text),
             "shortcut %s taken: new channels' zeros %s; shapes do not tell: "
             "--shortcut %s says otherwise",
             rn_shortcut_name(spec->shortcut),
             split ? "on both sides" : "behind the others",
             split ? "A" : "A-split");
    say(user, text);
}

void rn_residual_unsure(const struct rn_net_spec *spec,
                        const struct rn_net_found *found,
                        const struct rn_net_given *given, rn_net_say *say,
                        void *user)
{
    const char *tail = spec->name + strlen(RESNET);
    char text[400];

    if (found->bottleneck && !spec->antialias && !given->layers)
        rn_residual_unsure_stride(given, say, user);
    if (may_antialias(spec, found, given)) {
        snprintf(text, sizeof(text),
                 "taken to shrink by strides, not by pools as timm's "
                 "resnetaa%s and resnetblur%s; shapes do not tell: --net "
                 "says otherwise",
                 tail, tail);
        say(user, text);
    }
    if (found->small && (!given->stem_stride || !given->stem_pool)) {
        snprintf(text, sizeof(text),
                 "taken to begin with stride %d and %s, as is usual for small "
                 "pictures; shapes do not tell: --stem-stride and --stem-pool "
                 "say otherwise",
                 given->stem_stride ? given->stem_stride : 1,
                 given->stem_pool ? "the pool given" : "no pool");
        say(user, text);
    }
    rn_residual_unsure_zeros(spec, given, say, user);
}
