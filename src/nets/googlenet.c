/* SPDX-License-Identifier: BSD-2-Clause */
/* The family of GoogLeNet (C. Szegedy et al. 2015, table 1): the original, as
 * its authors' successors published it for Caffe, with biases and local
 * response normalisation, and torchvision's, with batch norm. Names of tensors
 * are torchvision's in both. */
#include "core/count.h"
#include "nets/family.h"

#include <stdio.h>
#include <string.h>

#define CLASSES 1000
#define PIXELS  224
#define DEPTH   22 /* as the paper counts */
#define BN_EPS  1e-3f
#define HEAD    "fc"

/* The paper's for its heads; ahead of the classifier it is the variant's. */
#define AUX_DROPOUT 0.7f
#define AUX_WEIGHT  0.3f
#define AUX_CHANNEL 128
#define AUX_HIDDEN  1024
#define AUX_SIDE    4 /* of what its linear layers see at 224 pixels */

enum { ORIGINAL, BATCH_NORM }; /* spec->variant */

/* Channels of each branch: a 1x1; a 1x1 and a 3x3; a 1x1 and a 5x5; a pool and
 * a 1x1. */
static const struct inception {
    const char *name;
    int one, before_three, three, before_five, five, pool;
    bool pooled;     /* a pool precedes it */
    const char *aux; /* the head that reads it, or NULL */
} inceptions[] = {
    {"inception3a", 64, 96, 128, 16, 32, 32, true, NULL},
    {"inception3b", 128, 128, 192, 32, 96, 64, false, NULL},
    {"inception4a", 192, 96, 208, 16, 48, 64, true, "aux1"},
    {"inception4b", 160, 112, 224, 24, 64, 64, false, NULL},
    {"inception4c", 128, 128, 256, 24, 64, 64, false, NULL},
    {"inception4d", 112, 144, 288, 32, 64, 64, false, "aux2"},
    {"inception4e", 256, 160, 320, 32, 128, 128, false, NULL},
    {"inception5a", 256, 160, 320, 32, 128, 128, true, NULL},
    {"inception5b", 384, 192, 384, 48, 128, 128, false, NULL},
};

/* ------------------------------------------------------------------ names */

static const struct rn_net_listed listed[] = {
    {"googlenet", "GoogLeNet, original, 224x224", "googlenet"},
    {"googlenet-bn", "with batch norm, torchvision's; also googlenet_bn",
     "googlenet-bn"},
    {NULL, NULL, NULL},
};

static const struct rn_net_word words[] = {
    {"googlenet-bn", "", NULL, BATCH_NORM},
    {"googlenet_bn", "", NULL, BATCH_NORM},
    {"googlenet", "", NULL, ORIGINAL},
    {NULL, NULL, NULL, 0},
};

static bool parse(struct rn_net_spec *spec, const char *name)
{
    const struct rn_net_word *word = words;

    while (word->text && strcmp(word->text, name) != 0)
        word++;
    spec->depth = DEPTH;
    spec->classes = CLASSES;
    spec->input = (struct rn_shape){3, PIXELS, PIXELS};
    spec->variant = word->kind;
    return word->text != NULL;
}

/* The name says it all. */
static const struct rn_net_attribute attributes[] = {{NULL, NULL, NULL, NULL}};

/* ----------------------------------------------------------------- layers */

#define NAME_SIZE 48

static bool is_original(const struct rn_net_spec *spec)
{
    return spec->variant == ORIGINAL;
}

/* NAME.conv, with a bias or NAME.bn behind it, and NAME.relu. */
static int conv(struct rn_graph *g, const struct rn_net_spec *spec, int x,
                const char *at, int channels, struct rn_window window)
{
    char name[NAME_SIZE];

    snprintf(name, sizeof(name), "%s.conv", at);
    x = rn_graph_conv(g, x, name, channels, window, is_original(spec));
    if (!is_original(spec)) {
        snprintf(name, sizeof(name), "%s.bn", at);
        x = rn_graph_batch_norm(g, x, name);
        if (x >= 0)
            g->nodes[x].eps = BN_EPS;
    }
    snprintf(name, sizeof(name), "%s.relu", at);
    return rn_graph_relu(g, x, name);
}

/* A window of so many pixels each way that keeps the size. */
static struct rn_window same(int pixels)
{
    return (struct rn_window)RN_WINDOW(pixels, pixels, 1, pixels / 2);
}

/* Rounded up, as in Caffe. */
static int max_pool(struct rn_graph *g, int x, const char *name,
                    struct rn_window window)
{
    const struct rn_pool_options pool = {.window = window, .ceil = true};

    return rn_graph_max_pool_with(g, x, name, &pool);
}

/* torchvision's fourth is smaller. */
static int shrink(struct rn_graph *g, const struct rn_net_spec *spec, int x,
                  int number)
{
    const struct rn_window three = RN_WINDOW(3, 3, 2, 0);
    const struct rn_window two = RN_WINDOW(2, 2, 2, 0);
    char name[NAME_SIZE];

    snprintf(name, sizeof(name), "maxpool%d", number);
    return max_pool(g, x, name,
                    number == 4 && !is_original(spec) ? two : three);
}

static int normalise(struct rn_graph *g, const struct rn_net_spec *spec, int x,
                     const char *name)
{
    const struct rn_lrn lrn = {5, 1e-4f, 0.75f, 1};

    return is_original(spec) ? rn_graph_lrn(g, x, name, lrn) : x;
}

/* Branch `number`: a 1x1 alone, or before a larger window. */
static int branch(struct rn_graph *g, const struct rn_net_spec *spec, int x,
                  const struct inception *m, int number, int before, int after,
                  int pixels)
{
    char at[NAME_SIZE];

    snprintf(at, sizeof(at), "%s.branch%d.0", m->name, number);
    x = conv(g, spec, x, at, before, same(1));
    snprintf(at, sizeof(at), "%s.branch%d.1", m->name, number);
    return conv(g, spec, x, at, after, same(pixels));
}

/* torchvision's third branch has a 3x3 by mistake, as it says. */
static int inception(struct rn_graph *g, const struct rn_net_spec *spec, int x,
                     const struct inception *m)
{
    char name[NAME_SIZE];
    int parts[4];

    snprintf(name, sizeof(name), "%s.branch1", m->name);
    parts[0] = conv(g, spec, x, name, m->one, same(1));
    parts[1] = branch(g, spec, x, m, 2, m->before_three, m->three, 3);
    parts[2] = branch(g, spec, x, m, 3, m->before_five, m->five,
                      is_original(spec) ? 5 : 3);
    snprintf(name, sizeof(name), "%s.branch4.0", m->name);
    parts[3] = max_pool(g, x, name, same(3));
    snprintf(name, sizeof(name), "%s.branch4.1", m->name);
    parts[3] = conv(g, spec, parts[3], name, m->pool, same(1));
    snprintf(name, sizeof(name), "%s.concat", m->name);
    return rn_graph_concat_all(g, parts, COUNT(parts), name);
}

/* torchvision's pool makes as many pixels of any size. */
static int aux_pool(struct rn_graph *g, const struct rn_net_spec *spec, int x,
                    const char *name)
{
    const struct rn_pool_options pool = {.window = RN_WINDOW(5, 5, 3, 0),
                                         .ceil = true};

    return is_original(spec)
               ? rn_graph_avg_pool(g, x, name, &pool)
               : rn_graph_adaptive_avg_pool(g, x, name, AUX_SIDE, AUX_SIDE);
}

static void aux_head(struct rn_graph *g, const struct rn_net_spec *spec, int x,
                     const char *at, int output)
{
    char name[NAME_SIZE];

    snprintf(name, sizeof(name), "%s.pool", at);
    x = aux_pool(g, spec, x, name);
    snprintf(name, sizeof(name), "%s.conv", at);
    x = conv(g, spec, x, name, AUX_CHANNEL, same(1));
    snprintf(name, sizeof(name), "%s.fc1", at);
    x = rn_graph_linear(g, x, name, AUX_HIDDEN);
    snprintf(name, sizeof(name), "%s.relu", at);
    x = rn_graph_relu(g, x, name);
    snprintf(name, sizeof(name), "%s.dropout", at);
    x = rn_graph_dropout(g, x, name, AUX_DROPOUT);
    snprintf(name, sizeof(name), "%s.fc2", at);
    x = rn_graph_linear(g, x, name, spec->classes);
    rn_graph_add_aux(g, output,
                     &(struct rn_aux){.value = x, .weight = AUX_WEIGHT});
}

static int stem(struct rn_graph *g, const struct rn_net_spec *spec, int x)
{
    x = conv(g, spec, x, "conv1", 64, (struct rn_window)RN_WINDOW(7, 7, 2, 3));
    x = shrink(g, spec, x, 1);
    x = normalise(g, spec, x, "norm1");
    x = conv(g, spec, x, "conv2", 64, same(1));
    x = conv(g, spec, x, "conv3", 192, same(3));
    return normalise(g, spec, x, "norm2");
}

static void build(struct rn_graph *g, const struct rn_net_spec *spec)
{
    int values[COUNT(inceptions)], pools = 1, output;
    int x = rn_graph_input(g, spec->input);

    if (rn_net_is_unusual(spec)) {
        rn_fail(&g->error, RN_ERR_ARG,
                "it has one stem, and no activation but ReLU");
        return;
    }
    x = stem(g, spec, x);
    for (size_t i = 0; i < COUNT(inceptions); i++) {
        if (inceptions[i].pooled)
            x = shrink(g, spec, x, ++pools);
        values[i] = x = inception(g, spec, x, &inceptions[i]);
    }
    x = rn_graph_global_avg_pool(g, x, "avgpool");
    x = rn_graph_dropout(g, x, "dropout", is_original(spec) ? 0.4f : 0.2f);
    output = rn_graph_linear(g, x, HEAD, spec->classes);
    for (size_t i = 0; spec->aux && i < COUNT(inceptions); i++)
        if (inceptions[i].aux)
            aux_head(g, spec, values[i], inceptions[i].aux, output);
}

static bool has_aux(const struct rn_net_spec *spec)
{
    (void)spec;
    return true;
}

/* The 3x3 of all modules. */
static uint64_t least_floats(const struct rn_net_spec *spec)
{
    uint64_t floats = 0;

    (void)spec;
    for (size_t i = 0; i < COUNT(inceptions); i++)
        floats += (uint64_t)(3 * 3 * inceptions[i].before_three) *
                  (uint64_t)inceptions[i].three;
    return floats;
}

/* Names of the residual networks' stages, so that options fit both. */
static const char *const stages[] = {"conv1", "conv2", "conv3", "conv4",
                                     "conv5", "fc",    NULL};
enum { LAST_STAGE = 5 };

static bool begins(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Heads learn as the classifier does. */
static int stage_of(const struct rn_net_spec *spec, const char *node)
{
    int module;

    if (spec->family != &rn_family_googlenet)
        return -1;
    if (strcmp(node, HEAD) == 0 || begins(node, "aux"))
        return LAST_STAGE;
    if (sscanf(node, "inception%d", &module) == 1)
        return module - 1;
    if (begins(node, "conv1."))
        return 0;
    return begins(node, "conv2.") || begins(node, "conv3.") ? 1 : -1;
}

/* Modules narrow and widen: without batch norm, values keep their size by what
 * convolutions read. */
static const struct rn_net_start start = {.fan_in = true};

/* ---------------------------------------------------- networks of others */

enum { CONVS = 3 + 6 * COUNT(inceptions) };

static void candidates(const struct rn_net_outline *o, rn_net_try *try,
                       void *user)
{
    const bool norm = o->three == 1 + 2 * COUNT(inceptions);

    if (o->linears == 1 && o->convs == CONVS)
        try(user, listed[norm ? BATCH_NORM : ORIGINAL].name, 0, 0);
}

static const struct rn_net_rule rules[] = {{NULL, NULL, NULL}};

/* Whether it is a convolution of `to` channels and so many pixels each way, of
 * `from` channels, or 0: of any number. */
static bool is_conv(const struct rn_net_tensors *t, const char *at, uint64_t to,
                    uint64_t *from, uint64_t pixels)
{
    char name[NAME_SIZE + 16];
    uint64_t dim[4];

    snprintf(name, sizeof(name), "%s.conv.weight", at);
    if (t->dims(t->user, name, dim) != 4 || dim[0] != to ||
        (*from && dim[1] != *from) || dim[2] != pixels || dim[3] != pixels)
        return false;
    *from = dim[1];
    return true;
}

/* Whether a module's branches are there, the third of which sees so many pixels
 * each way; *from is the channels it reads, then those it makes. */
static bool has_module(const struct rn_net_tensors *t,
                       const struct inception *m, uint64_t *from,
                       uint64_t pixels)
{
    const struct {
        const char *at;
        int to, from; /* 0: the module's own */
        uint64_t pixels;
    } convs[] = {
        {"branch1", m->one, 0, 1},
        {"branch2.0", m->before_three, 0, 1},
        {"branch2.1", m->three, m->before_three, 3},
        {"branch3.0", m->before_five, 0, 1},
        {"branch3.1", m->five, m->before_five, pixels},
        {"branch4.1", m->pool, 0, 1},
    };

    for (size_t i = 0; i < COUNT(convs); i++) {
        uint64_t of = convs[i].from ? (uint64_t)convs[i].from : *from;
        char at[NAME_SIZE];

        snprintf(at, sizeof(at), "%s.%s", m->name, convs[i].at);
        if (!is_conv(t, at, (uint64_t)convs[i].to, &of, convs[i].pixels))
            return false;
    }
    *from = (uint64_t)(m->one + m->three + m->five + m->pool);
    return true;
}

static bool is_variant(const struct rn_net_tensors *t, int variant,
                       uint64_t *channels)
{
    uint64_t from = 64, reduced = 64, dim[4];
    bool norm = t->dims(t->user, "conv1.bn.weight", dim) == 1;

    if (norm != (variant == BATCH_NORM) ||
        !is_conv(t, "conv1", 64, channels, 7) ||
        !is_conv(t, "conv2", 64, &reduced, 1) ||
        !is_conv(t, "conv3", 192, &from, 3))
        return false;
    from = 192;
    for (size_t i = 0; i < COUNT(inceptions); i++)
        if (!has_module(t, &inceptions[i], &from,
                        variant == BATCH_NORM ? 3 : 5))
            return false;
    return true;
}

static enum rn_net_claim recognise(struct rn_net_found *found,
                                   const struct rn_net_tensors *t,
                                   struct rn_error *err)
{
    uint64_t dim[4];

    for (int variant = ORIGINAL; variant <= BATCH_NORM; variant++) {
        found->channels = 0;
        if (!is_variant(t, variant, &found->channels))
            continue;
        snprintf(found->net, sizeof(found->net), "%s", listed[variant].name);
        return RN_CLAIM_FOUND;
    }
    if (t->dims(t->user, "inception3a.branch1.conv.weight", dim) != 4)
        return RN_CLAIM_NONE;
    rn_fail(err, RN_ERR_DATA,
            "'%s': names of a GoogLeNet, but other convolutions than "
            "torchvision's (3x3, batch norm) or the original's (5x5, biases)",
            t->path);
    return RN_CLAIM_KIN;
}

static const char *const weights[] = {"conv#.conv.weight",
                                      "inception*.branch#.conv.weight",
                                      "inception*.branch#.#.conv.weight",
                                      "aux#.conv.conv.weight",
                                      "aux#.fc#.weight",
                                      NULL};

/* torchvision's weights are for pixels from -1 to 1 (its transform_input). */
static const struct rn_net_habit habits[] = {
    {&rn_source_torchvision, 0, false, "googlenet"},
    {NULL, 0, false, NULL},
};

/* ------------------------------------------------------------------ whole */

const struct rn_family rn_family_googlenet = {
    .name = "googlenet",
    .listed = listed,
    .words = words,
    .parse = parse,
    .resolve = rn_net_no_options,
    .build = build,
    .heeds = RN_HEEDS_NOTHING,
    .has_aux = has_aux,
    .head = HEAD,
    .attributes = attributes,
    .start = &start,
    .least_floats = least_floats,
    .stages = stages,
    .stage_of = stage_of,
    .candidates = candidates,
    .rules = rules,
    .recognise = recognise,
    .weights = weights,
    .habits = habits,
    .unsure = rn_net_sure,
};
