/* SPDX-License-Identifier: BSD-2-Clause */
/* The family of residual networks whose blocks begin with batch norm and ReLU:
 * K. He et al. 2016b, those of basic blocks and for ImageNet as in
 * facebookarchive/fb.resnet.torch (preresnet.lua), CIFAR's bottlenecks as in
 * KaimingHe/resnet-1k-layers (resnet-pre-act.lua); wide ones of S. Zagoruyko
 * and N. Komodakis 2016 (szagoruyko/wide-residual-networks, wide-resnet.lua);
 * and timm's resnetv2.
 *
 * Where a block changes the number of channels, the shortcut leaves behind the
 * activation, and its projection has no batch norm; so it does in the first
 * block of CIFAR's. ImageNet's have the first activation between the first
 * convolution and its pool, timm's behind the pool, in the first block. */
#include "core/count.h"
#include "nets/blocks.h"
#include "nets/residual.h"

#include <stdio.h>
#include <string.h>

#define CLASSES       1000
#define PIXELS        224
#define SMALL_CLASSES 10
#define SMALL_PIXELS  32
#define SMALL_STAGES  3
#define SMALL_WIDTH   16 /* channels of the first stage's 3x3 */
#define LARGE_WIDTH   64
#define MOST_WIDE     99 /* times the width */

/* What a network is, besides of basic blocks and for CIFAR: spec->variant. */
enum {
    BOTTLENECK = 1,
    LARGE = 2,
    WIDE = 4,
    TIMM = 8,   /* and LARGE */
    EITHER = 16 /* the name leaves the choice of blocks */
};

static const struct arch {
    int depth, variant;
    int blocks[RN_RESIDUAL_STAGES]; /* of large ones */
} archs[] = {
    /* clang-format off */
    {18,   LARGE,              {2,  2,  2, 2}},
    {34,   LARGE,              {3,  4,  6, 3}},
    {50,   LARGE | BOTTLENECK, {3,  4,  6, 3}},
    {101,  LARGE | BOTTLENECK, {3,  4, 23, 3}},
    {152,  LARGE | BOTTLENECK, {3,  8, 36, 3}},
    {200,  LARGE | BOTTLENECK, {3, 24, 36, 3}},
    {20,   0,                  {0}},
    {32,   0,                  {0}},
    {44,   0,                  {0}},
    {56,   0,                  {0}},
    {110,  0,                  {0}},
    {164,  BOTTLENECK,         {0}},
    {1001, BOTTLENECK,         {0}},
    /* clang-format on */
};

static const struct arch *find_arch(int depth)
{
    for (size_t i = 0; i < COUNT(archs); i++)
        if (archs[i].depth == depth)
            return &archs[i];
    return NULL;
}

static bool is_small_bottleneck(int variant)
{
    return (variant & BOTTLENECK) && !(variant & LARGE);
}

/* ------------------------------------------------------------------ names */

static const struct rn_net_listed listed[] = {
    {"preresnet20", "CIFAR ResNet, activation first (32, 44, 56, 110, too)",
     "preresnet20"},
    {"preresnet164", "the same of bottlenecks (1001, too)", "preresnet164"},
    {"cifar-preresnet{d}", "the same of other depths; see --block",
     "cifar-preresnet26"},
    {"preresnet50", "ImageNet's likewise (18, 34, 101, 152, 200, too)",
     "preresnet50"},
    {"resnetv2_50", "the same as timm's, activated behind the pool",
     "resnetv2_50"},
    {"wrn-{6n+4}-{k}", "wide ResNet for CIFAR, k times as many channels",
     "wrn-16-4"},
    {NULL, NULL, NULL},
};

static bool has(int layers)
{
    return find_arch(layers) != NULL;
}

static bool has_timms(int layers)
{
    return has(layers) && (find_arch(layers)->variant & LARGE) && layers < 200;
}

static bool has_basic(int layers)
{
    return layers >= 8 && layers <= RN_NET_LAYERS && layers % 6 == 2;
}

static bool has_bottleneck(int layers)
{
    return layers >= 11 && layers <= RN_NET_LAYERS && layers % 9 == 2;
}

static bool has_either(int layers)
{
    return has_basic(layers) || has_bottleneck(layers);
}

static bool has_wide(int layers)
{
    return layers >= 10 && layers <= RN_NET_LAYERS && layers % 6 == 4;
}

static const struct rn_net_word words[] = {
    {"preresnet", "", has, 0},
    {"cifar-preresnet", "", has_either, EITHER},
    {"resnetv2_", "", has_timms, TIMM},
    {"wrn-", "-4", has_wide, WIDE},
    {NULL, NULL, NULL, 0},
};

/* By the name alone. Where both blocks fit a depth, basic ones, unless the
 * paper has that depth. */
static int variant_of(int depth, int kind)
{
    const struct arch *arch = find_arch(depth);

    if (kind == WIDE)
        return WIDE;
    if (kind != EITHER)
        return arch->variant | kind;
    if (arch && !(arch->variant & LARGE))
        return arch->variant | EITHER;
    return EITHER | (has_basic(depth) ? 0 : BOTTLENECK);
}

/* spec->width is how many times as many channels there are. */
static bool parse(struct rn_net_spec *spec, const char *name)
{
    const char *tail;
    const struct rn_net_word *word =
        rn_net_read_word(words, name, &spec->depth, &tail);

    if (!word)
        return false;
    spec->variant = variant_of(spec->depth, word->kind);
    if (spec->variant & LARGE)
        rn_residual_defaults(spec, CLASSES, PIXELS);
    else
        rn_residual_defaults(spec, SMALL_CLASSES, SMALL_PIXELS);
    spec->width = 1;
    if (word->kind != WIDE)
        return !*tail;
    tail = *tail == '-' ? rn_net_read_number(tail + 1, 2, &spec->width) : NULL;
    return tail && !*tail;
}

/* ---------------------------------------------------------------- options */

static const char *block_name(int variant)
{
    return variant & BOTTLENECK ? "bottleneck" : "basic";
}

static int resolve_block(struct rn_net_spec *spec, const char *wanted,
                         struct rn_error *err)
{
    const int other = spec->variant ^ BOTTLENECK;
    const bool fits = other & BOTTLENECK ? has_bottleneck(spec->depth)
                                         : has_basic(spec->depth);

    if (!wanted || strcmp(wanted, block_name(spec->variant)) == 0)
        return RN_OK;
    if ((spec->variant & EITHER) && fits &&
        strcmp(wanted, block_name(other)) == 0) {
        spec->variant = other;
        return RN_OK;
    }
    return rn_fail(err, RN_ERR_ARG,
                   "'%s' has %s blocks, but `block` %s was given; "
                   "cifar-preresnet takes either, basic ones of 6n + 2 layers "
                   "and bottlenecks of 9n + 2",
                   spec->name, block_name(spec->variant), wanted);
}

/* CIFAR's of basic blocks pad with zeros, as in fb.resnet.torch; CIFAR's
 * bottlenecks stride in the first 1x1, as in resnet-1k-layers. */
static int resolve(struct rn_net_spec *spec,
                   const struct rn_net_options *options, struct rn_error *err)
{
    struct rn_net_options rest = *options;
    int rc = resolve_block(spec, options->block, err);

    rest.block = NULL;
    if (spec->variant & WIDE) {
        spec->dropout = options->dropout;
        rest.dropout = 0;
    }
    if (!rc)
        rc = rn_residual_resolve(spec, &rest,
                                 spec->variant & ~EITHER ? 'B' : 'A',
                                 spec->variant & BOTTLENECK, err);
    if (is_small_bottleneck(spec->variant))
        spec->stride_v1 = true;
    return rc;
}

static json_t *put_block(const struct rn_net_spec *spec)
{
    return json_string(block_name(spec->variant));
}

static bool get_block(const json_t *value, struct rn_net_options *options)
{
    static const int variants[] = {0, BOTTLENECK};
    const char *text = json_string_value(value);

    for (size_t i = 0; text && i < COUNT(variants); i++)
        if (strcmp(text, block_name(variants[i])) == 0)
            options->block = block_name(variants[i]);
    return options->block != NULL;
}

static json_t *put_dropout(const struct rn_net_spec *spec)
{
    return json_real(spec->dropout);
}

static bool get_dropout(const json_t *value, struct rn_net_options *options)
{
    options->dropout = json_number_value(value);
    return json_is_number(value) && options->dropout >= 0 &&
           options->dropout < 1;
}

static const struct rn_net_attribute attributes[] = {
    RN_RESIDUAL_SHORTCUT,
    RN_RESIDUAL_STRIDE,
    {"block", put_block, get_block, "\"basic\" or \"bottleneck\""},
    {"dropout", put_dropout, get_dropout, "a number from 0 to less than 1"},
    {NULL, NULL, NULL, NULL},
};

/* ----------------------------------------------------------------- layers */

#define NAME_SIZE 48

/* Batch norm and ReLU. */
static int activate(struct rn_graph *g, const struct rn_net_spec *spec, int x,
                    const char *block, int number)
{
    char name[NAME_SIZE];

    snprintf(name, sizeof(name), "%s.bn%d", block, number);
    x = rn_graph_batch_norm(g, x, name);
    snprintf(name, sizeof(name), "%s.relu%d", block, number);
    return rn_block_activation(g, spec, x, name);
}

/* A block's convolution; a 3x3 keeps the size at stride 1. */
static int convolve(struct rn_graph *g, int x, const char *block, int number,
                    int channels, int kernel, int stride)
{
    const struct rn_window w = RN_WINDOW(kernel, kernel, stride, kernel / 2);
    char name[NAME_SIZE];

    snprintf(name, sizeof(name), "%s.conv%d", block, number);
    return rn_graph_conv(g, x, name, channels, w, false);
}

static int drop(struct rn_graph *g, const struct rn_net_spec *spec, int x,
                const char *block)
{
    char name[NAME_SIZE];

    if (!(spec->dropout > 0))
        return x;
    snprintf(name, sizeof(name), "%s.dropout", block);
    return rn_graph_dropout(g, x, name, (float)spec->dropout);
}

static int shortcut(struct rn_graph *g, const struct rn_net_spec *spec, int x,
                    const char *block, int channels, int stride)
{
    const struct rn_window one = RN_WINDOW(1, 1, stride, 0);
    const int from = g->error.code ? channels : g->nodes[x].shape.c;
    const bool grows = stride != 1 || from != channels;
    char name[NAME_SIZE];

    if (spec->shortcut == 'C' || (spec->shortcut == 'B' && grows)) {
        snprintf(name, sizeof(name), "%s.downsample.0", block);
        return rn_graph_conv(g, x, name, channels, one, false);
    }
    if (!grows)
        return x;
    snprintf(name, sizeof(name), "%s.downsample", block);
    return rn_graph_subsample_pad(
        g, x, name, channels, spec->shortcut == 'a' ? (channels - from) / 2 : 0,
        stride);
}

/* What a block is told besides the network. */
struct place {
    const char *name;
    int channels, stride; /* of its 3x3 */
    bool first;           /* of all */
};

static int append_block(struct rn_graph *g, const struct rn_net_spec *spec,
                        int x, const struct place *p)
{
    const bool bottleneck = spec->variant & BOTTLENECK;
    const bool activated = /* behind the stem there is a ReLU already */
        p->first && (spec->variant & LARGE) && !(spec->variant & TIMM);
    const int wide = p->channels * (bottleneck ? RN_BOTTLENECK_EXPANSION : 1);
    const int early = !bottleneck || spec->stride_v1 ? p->stride : 1;
    const bool changes = !g->error.code && g->nodes[x].shape.c != wide;
    char name[NAME_SIZE];
    int f = activated ? x : activate(g, spec, x, p->name, 1);

    if (changes || (p->first && !(spec->variant & (WIDE | TIMM))))
        x = f;
    f = convolve(g, f, p->name, 1, p->channels, bottleneck ? 1 : 3, early);
    f = activate(g, spec, f, p->name, 2);
    f = drop(g, spec, f, p->name);
    f = convolve(g, f, p->name, 2, p->channels, 3, p->stride / early);
    if (bottleneck) {
        f = activate(g, spec, f, p->name, 3);
        f = convolve(g, f, p->name, 3, wide, 1, 1);
    }
    x = shortcut(g, spec, x, p->name, wide, p->stride);
    snprintf(name, sizeof(name), "%s.add", p->name);
    return rn_graph_add(g, f, x, name);
}

static int stem(struct rn_graph *g, const struct rn_net_spec *spec, int x)
{
    const struct rn_window three = RN_WINDOW(3, 3, 1, 1);
    const struct rn_window seven = RN_WINDOW(7, 7, 2, 3);

    if (!(spec->variant & LARGE))
        return rn_graph_conv(g, x, "conv1", SMALL_WIDTH, three, false);
    if (spec->variant & TIMM)
        x = rn_graph_conv(g, x, "conv1", LARGE_WIDTH, seven, false);
    else
        x = rn_conv_bn_relu(g, spec, x, "", 1, LARGE_WIDTH, 7, 2, "relu");
    return rn_pool_stem(g, spec, x, RN_STEM_POOL_MAX);
}

/* Blocks of stage s. */
static int blocks_of(const struct rn_net_spec *spec, int s)
{
    if (spec->variant & LARGE)
        return find_arch(spec->depth)->blocks[s];
    if (spec->variant & WIDE)
        return (spec->depth - 4) / 6;
    return (spec->depth - 2) / (spec->variant & BOTTLENECK ? 9 : 6);
}

static void build(struct rn_graph *g, const struct rn_net_spec *spec)
{
    const bool small = !(spec->variant & LARGE);
    const int width = (small ? SMALL_WIDTH : LARGE_WIDTH) * spec->width;
    int x = rn_graph_input(g, spec->input);

    x = stem(g, spec, x);
    for (int s = 0; s < (small ? SMALL_STAGES : RN_RESIDUAL_STAGES); s++)
        for (int i = 0; i < blocks_of(spec, s); i++) {
            char name[32];
            const struct place p = {.name = name,
                                    .channels = width << s,
                                    .stride = s > 0 && i == 0 ? 2 : 1,
                                    .first = s == 0 && i == 0};

            snprintf(name, sizeof(name), "layer%d.%d", s + 1, i);
            x = append_block(g, spec, x, &p);
        }
    x = rn_graph_batch_norm(g, x, "bn");
    x = rn_block_activation(g, spec, x, "bn.relu");
    rn_head(g, spec, x);
}

/* Of CIFAR's, whose depth may be any: a 3x3 that keeps the channels in each
 * block. */
static uint64_t least_floats(const struct rn_net_spec *spec)
{
    const uint64_t channels = SMALL_WIDTH * (uint64_t)spec->width;

    if (spec->variant & LARGE)
        return 0;
    return 3 * 3 * channels * channels * SMALL_STAGES *
           (uint64_t)blocks_of(spec, 0);
}

/* The last batch norm goes with the classifier. */
static int stage_of(const struct rn_net_spec *spec, const char *node)
{
    if (strcmp(node, "bn") == 0 || strcmp(node, "bn.relu") == 0)
        return rn_residual_stage_of(spec, RN_RESIDUAL_HEAD);
    return rn_residual_stage_of(spec, node);
}

/* ---------------------------------------------------- networks of others */

static bool try_shortcuts(const char *name, bool v1, rn_net_try *try,
                          void *user)
{
    for (const char *shortcut = "BAaC"; *shortcut; shortcut++)
        if (try(user, name, *shortcut, v1))
            return true;
    return false;
}

/* ImageNet's, of which the number of 3x3 tells the blocks. */
static bool try_large(const struct arch *a, const struct rn_net_outline *o,
                      rn_net_try *try, void *user)
{
    const int *n = a->blocks;
    const bool bottleneck = a->variant & BOTTLENECK;
    const int three = (n[0] + n[1] + n[2] + n[3]) * (bottleneck ? 1 : 2);
    char name[32];

    if (o->three != three || o->convs < a->depth - 1 ||
        o->convs >= 2 * a->depth)
        return false;
    snprintf(name, sizeof(name), "resnetv2_%d", a->depth);
    if (try_shortcuts(name, false, try, user))
        return true;
    snprintf(name, sizeof(name), "preresnet%d", a->depth);
    return try_shortcuts(name, false, try, user) ||
           (bottleneck && try_shortcuts(name, true, try, user));
}

/* The name that leaves no choice of blocks, where there is one. */
static void name_small(char name[32], int depth, int block)
{
    const struct arch *arch = find_arch(depth);

    snprintf(name, 32, "%spreresnet%d",
             arch && arch->variant == block ? "" : "cifar-", depth);
}

static void candidates(const struct rn_net_outline *o, rn_net_try *try,
                       void *user)
{
    /* 3x3: CIFAR's first, and one for each bottleneck, two for each basic
     * block; wide ones count a layer for each stage's projection. */
    const int bottlenecks = 3 * (o->three - 1) + 2;
    const int basic = o->three + 1, wide = o->three + 3;
    const int width = SMALL_WIDTH << (SMALL_STAGES - 1);
    char name[32];

    if (o->linears != 1)
        return;
    for (size_t i = 0; i < COUNT(archs); i++)
        if ((archs[i].variant & LARGE) && try_large(&archs[i], o, try, user))
            return;
    if (has_basic(basic) && o->last == width) {
        name_small(name, basic, 0);
        if (try_shortcuts(name, false, try, user))
            return;
    }
    if (has_bottleneck(bottlenecks) && o->last == width) {
        name_small(name, bottlenecks, BOTTLENECK);
        if (try_shortcuts(name, true, try, user))
            return;
    }
    if (has_wide(wide) && o->last % width == 0) {
        snprintf(name, sizeof(name), "wrn-%d-%d", wide, o->last / width);
        try_shortcuts(name, false, try, user);
    }
}

static const struct rn_net_source timm = {"timm's", "stages.0.blocks.0."};
static const struct rn_net_source szagoruyko = {
    "szagoruyko/wide-residual-networks'", "group0.block0."};
static const struct rn_net_source xternalz = {"xternalz/WideResNet-pytorch's",
                                              "block1.layer.0."};

static const struct rn_net_rule rules[] = {
    {"stem.conv.", "conv1.", &timm},
    {"stages.#.blocks.#.norm#.", "layer+.#.bn#.", &timm},
    {"stages.#.blocks.#.conv#.", "layer+.#.conv#.", &timm},
    {"stages.#.blocks.#.downsample.conv.", "layer+.#.downsample.0.", &timm},
    {"norm.", "bn.", &timm},
    {"head.fc.", "fc.", &timm},
    {"conv0", "conv1.weight", &szagoruyko},
    {"group#.block#.conv#", "layer+.#.conv+.weight", &szagoruyko},
    {"group#.block#.convdim", "layer+.#.downsample.0.weight", &szagoruyko},
    {"group#.block#.bn#.", "layer+.#.bn+.", &szagoruyko},
    {"block#.layer.#.convShortcut.", "layer#.#.downsample.0.", &xternalz},
    {"block#.layer.#.", "layer#.#.", &xternalz},
    {"bn1.", "bn.", &xternalz},
    {NULL, NULL, NULL},
};

/* CIFAR's. A wide one of the first width has the tensors of another network. */
static bool name_small_anatomy(struct rn_net_found *found,
                               const struct rn_anatomy *a,
                               const struct rn_net_tensors *t)
{
    const uint64_t times = a->conv1[0] / SMALL_WIDTH;
    const bool wide = times > 1 || t->begins(t->user, szagoruyko.mark) ||
                      t->begins(t->user, xternalz.mark);
    const int per_block = a->bottleneck ? 9 : 6;
    const int depth = per_block * a->blocks[0] + 2;

    if (a->blocks[0] != a->blocks[1] || a->blocks[1] != a->blocks[2] ||
        a->stem[0] != SMALL_WIDTH || a->stem[2] != 3 || a->stem[3] != 3 ||
        a->conv1[0] % SMALL_WIDTH || times < 1 || times > MOST_WIDE ||
        (a->bottleneck && wide))
        return false;
    if (wide) {
        snprintf(found->net, sizeof(found->net), "wrn-%d-%d", depth + 2,
                 (int)times);
        return true;
    }
    name_small(found->net, depth, a->bottleneck ? BOTTLENECK : 0);
    found->block = block_name(a->bottleneck ? BOTTLENECK : 0);
    return true;
}

static bool name_large_anatomy(struct rn_net_found *found,
                               const struct rn_anatomy *a,
                               const struct rn_net_tensors *t)
{
    const int variant = LARGE | (a->bottleneck ? BOTTLENECK : 0);
    uint64_t dim[4];
    const bool timms = t->dims(t->user, "layer1.0.bn1.weight", dim) == 1;

    if (a->stem[0] != LARGE_WIDTH || a->stem[2] != 7 || a->stem[3] != 7 ||
        a->conv1[0] != LARGE_WIDTH)
        return false;
    for (size_t i = 0; i < COUNT(archs); i++)
        if (archs[i].variant == variant &&
            memcmp(archs[i].blocks, a->blocks, sizeof(archs[i].blocks)) == 0) {
            snprintf(found->net, sizeof(found->net), "%s%d",
                     timms ? "resnetv2_" : "preresnet", archs[i].depth);
            return true;
        }
    return false;
}

static enum rn_net_claim recognise(struct rn_net_found *found,
                                   const struct rn_net_tensors *t,
                                   struct rn_error *err)
{
    struct rn_net_spec spec;
    struct rn_anatomy a;
    uint64_t dim[4];

    if (!rn_anatomy_take(&a, t) || !a.preactivates)
        return RN_CLAIM_NONE;
    if (t->dims(t->user, "layer1.0.bn2.running_mean", dim) < 0) {
        rn_fail(err, RN_ERR_DATA,
                "'%s': layer1.0.bn2 has no running mean: a residual network "
                "that normalises by groups of channels, as timm's BiT, is none "
                "known here",
                t->path);
        return RN_CLAIM_REFUSED;
    }
    if (!t->begins(t->user, "bn.")) {
        rn_fail(err, RN_ERR_DATA,
                "'%s': its blocks begin with batch norm, but none ('bn') "
                "follows the last: a residual network as "
                "kuangliu/pytorch-cifar's and meliketoy/wide-resnet.pytorch's "
                "is none known here",
                t->path);
        return RN_CLAIM_REFUSED;
    }
    bool known = a.stages == SMALL_STAGES ? name_small_anatomy(found, &a, t)
                                          : name_large_anatomy(found, &a, t);
    if (!known || rn_net_resolve(&spec, found->net, NULL, NULL))
        return rn_anatomy_unknown(&a, t, err);
    enum rn_net_claim claim = rn_anatomy_found(&a, found);
    /* Where every block changes the channels, C is B. */
    if (found->shortcut == 'C' && a.all == a.stages &&
        (a.bottleneck || a.conv1[0] > SMALL_WIDTH))
        found->shortcut = 'B';
    return claim;
}

static const char *const weights[] = {"conv1.weight", "layer#.#.conv#.weight",
                                      "layer#.#.downsample.#.weight", NULL};

static const struct rn_net_habit habits[] = {
    {&timm, 'A', false, "half"},
    {&szagoruyko, 'A', false, "cifar"},
    {&xternalz, 'A', false, "cifar"},
    {NULL, 0, false, NULL},
};

/* Say what else networks of these tensors compute. */
static void unsure(const struct rn_net_spec *spec,
                   const struct rn_net_found *found,
                   const struct rn_net_given *given, rn_net_say *say,
                   void *user)
{
    char text[300];

    rn_residual_unsure_zeros(spec, given, say, user);
    if ((spec->variant & ~EITHER) == (LARGE | BOTTLENECK))
        rn_residual_unsure_stride(given, say, user);
    if (is_small_bottleneck(spec->variant))
        say(user, "bottlenecks taken to stride in their first 1x1, as in "
                  "KaimingHe/resnet-1k-layers; shapes do not tell");
    if (spec->shortcut == 'B' && !(spec->variant & LARGE))
        say(user, "shortcuts that project taken to begin behind the "
                  "activation, as He et al. 2016b have them; shapes do not "
                  "tell");
    if (given->net || found->bottleneck || spec->shortcut != 'B' ||
        (spec->variant & (LARGE | WIDE)))
        return;
    snprintf(text, sizeof(text),
             "its first shortcut taken to begin behind the activation; shapes "
             "do not tell: --net wrn-%d-1 says otherwise",
             spec->depth + 2);
    say(user, text);
}

/* ------------------------------------------------------------------ whole */

const struct rn_family rn_family_preact = {
    .name = "preact",
    .listed = listed,
    .words = words,
    .parse = parse,
    .resolve = resolve,
    .build = build,
    .heeds = RN_HEEDS_ACTIVATION,
    .has_aux = rn_net_no_aux,
    .head = RN_RESIDUAL_HEAD,
    .attributes = attributes,
    .start = &rn_start_usual,
    .least_floats = least_floats,
    .stages = rn_residual_stages,
    .stage_of = stage_of,
    .candidates = candidates,
    .rules = rules,
    .recognise = recognise,
    .weights = weights,
    .habits = habits,
    .unsure = unsure,
};
