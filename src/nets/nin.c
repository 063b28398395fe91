/* SPDX-License-Identifier: BSD-2-Clause */
/* Network in Network (M. Lin, Q. Chen, S. Yan 2014) for CIFAR, with the sizes,
 * pools and names of the authors' Caffe files. Two 1x1 convolutions ("cccp")
 * follow each larger one, and the last one's maps are the classes. And the
 * deeply supervised net of these layers (C.-Y. Lee et al. 2015). */
#include "nets/family.h"

#include <stdio.h>
#include <string.h>

#define CLASSES 10
#define PIXELS  32
#define DROPOUT 0.5f
#define HEAD    "cccp6"
#define RELU    "relu_"
#define AUX     "ip_svm" /* and the part's number */

#define ONE RN_WINDOW(1, 1, 1, 0)

/* Three parts of three layers; behind each part comes a pool. */
enum { PARTS = 3, LAYERS = 9 };

static const struct layer {
    const char *name;
    int channels; /* 0: the classes */
    struct rn_window window;
} layers[LAYERS] = {
    {"conv1", 192, RN_WINDOW(5, 5, 1, 2)},
    {"cccp1", 160, ONE},
    {"cccp2", 96, ONE},
    {"conv2", 192, RN_WINDOW(5, 5, 1, 2)},
    {"cccp3", 192, ONE},
    {"cccp4", 192, ONE},
    {"conv3", 192, RN_WINDOW(3, 3, 1, 1)},
    {"cccp5", 192, ONE},
    {HEAD, 0, ONE},
};

/* ------------------------------------------------------------------ names */

enum { NIN, DSN }; /* spec->variant */

static const struct rn_net_listed listed[] = {
    [NIN] = {"nin", "Network in Network of 9 layers for CIFAR, 32x32", "nin"},
    [DSN] = {"dsn", "deeply supervised: the same with a loss for each part",
             "dsn"},
    {NULL, NULL, NULL},
};

static const struct rn_net_word words[] = {
    {"nin", "", NULL, NIN},
    {"dsn", "", NULL, DSN},
    {NULL, NULL, NULL, 0},
};

static bool parse(struct rn_net_spec *spec, const char *name)
{
    spec->depth = LAYERS;
    spec->classes = CLASSES;
    spec->input = (struct rn_shape){3, PIXELS, PIXELS};
    spec->variant = strcmp(name, listed[DSN].name) == 0;
    return strcmp(name, listed[spec->variant].name) == 0;
}

/* The name says it all. */
static const struct rn_net_attribute attributes[] = {{NULL, NULL, NULL, NULL}};

/* ----------------------------------------------------------------- layers */

#define NAME_SIZE 32

/* *made is what the convolution makes. In the deeply supervised net the classes
 * have no ReLU. */
static int append_layer(struct rn_graph *g, const struct rn_net_spec *spec,
                        int x, const struct layer *l, int *made)
{
    char name[NAME_SIZE];

    *made =
        rn_graph_conv(g, x, l->name, l->channels ? l->channels : spec->classes,
                      l->window, true);
    if (!l->channels && spec->variant == DSN)
        return *made;
    snprintf(name, sizeof(name), RELU "%s", l->name);
    return rn_graph_relu(g, *made, name);
}

/* The largest behind the first part, the mean behind the second (the deeply
 * supervised net has the largest there, too), and dropout; windows round up, as
 * in Caffe. */
static int append_pool(struct rn_graph *g, const struct rn_net_spec *spec,
                       int x, int part)
{
    const struct rn_pool_options pool = {.window = RN_WINDOW(3, 3, 2, 0),
                                         .ceil = true};
    char name[NAME_SIZE];

    snprintf(name, sizeof(name), "pool%d", part + 1);
    if (part == PARTS - 1)
        return rn_graph_global_avg_pool(g, x, name);
    x = part == 0 || spec->variant == DSN
            ? rn_graph_max_pool_with(g, x, name, &pool)
            : rn_graph_avg_pool(g, x, name, &pool);
    snprintf(name, sizeof(name), "drop%d", part + 1);
    return rn_graph_dropout(g, x, name, DROPOUT);
}

/* Linear layers of what the parts' first convolutions make, before their ReLU,
 * with losses that count as the output's. Their own weights learn at a
 * thousandth of the rate in the authors' code: lr_scale "heads=0.001". */
static void append_heads(struct rn_graph *g, const struct rn_net_spec *spec,
                         const int made[LAYERS], int output)
{
    char name[NAME_SIZE];

    for (int p = 0; p < PARTS; p++) {
        snprintf(name, sizeof(name), AUX "%d", p + 1);
        const struct rn_aux aux = {
            .value = rn_graph_linear(g, made[p * PARTS], name, spec->classes),
            .weight = 1,
            .loss = "squared-hinge",
        };
        rn_graph_add_aux(g, output, &aux);
    }
}

static bool has_aux(const struct rn_net_spec *spec)
{
    return spec->variant == DSN;
}

static void build(struct rn_graph *g, const struct rn_net_spec *spec)
{
    int x = rn_graph_input(g, spec->input), made[LAYERS];

    if (rn_net_is_unusual(spec)) {
        rn_fail(&g->error, RN_ERR_ARG,
                "it has no stem, and no activation but ReLU");
        return;
    }
    for (int i = 0; i < LAYERS; i++) {
        x = append_layer(g, spec, x, &layers[i], &made[i]);
        if (i % PARTS == PARTS - 1)
            x = append_pool(g, spec, x, i / PARTS);
    }
    if (spec->aux)
        append_heads(g, spec, made, x);
}

static uint64_t least_floats(const struct rn_net_spec *spec)
{
    uint64_t floats = 0;

    (void)spec;
    for (int i = 1; i < LAYERS - 1; i++)
        floats += (uint64_t)(layers[i].channels * layers[i - 1].channels *
                             layers[i].window.kh * layers[i].window.kw);
    return floats;
}

/* Names of the residual networks' stages, so that options fit both: a part
 * each, and the layer of the classes; and the deeply supervised net's heads. */
static const char *const stages[] = {"conv1", "conv2", "conv3", "conv4",
                                     "conv5", "heads", "fc",    NULL};
enum { HEADS_STAGE = 5, LAST_STAGE };

static int stage_of(const struct rn_net_spec *spec, const char *node)
{
    const size_t prefix = strlen(RELU);

    if (spec->family != &rn_family_nin)
        return -1;
    if (strncmp(node, AUX, strlen(AUX)) == 0)
        return HEADS_STAGE;
    if (strncmp(node, RELU, prefix) == 0)
        node += prefix;
    for (int i = 0; i < LAYERS; i++)
        if (strcmp(node, layers[i].name) == 0)
            return i == LAYERS - 1 ? LAST_STAGE : i / PARTS;
    return -1; /* a pool or dropout */
}

/* The authors' deviation, for each layer. */
static const struct rn_net_start start = {.conv = 0.05};

/* ---------------------------------------------------- networks of others */

static void candidates(const struct rn_net_outline *o, rn_net_try *try,
                       void *user)
{
    if (o->linears == 0 && o->convs == LAYERS && o->three == 1 &&
        !try(user, listed[NIN].name, 0, 0))
        try(user, listed[DSN].name, 0, 0);
}

static const struct rn_net_rule rules[] = {{NULL, NULL, NULL}};

/* Whether the tensor is the layer's weight; the first layer reads any number of
 * channels. */
static bool is_layer(const struct rn_net_tensors *t, int i, uint64_t dim[4])
{
    const struct layer *l = &layers[i];
    char name[NAME_SIZE];

    snprintf(name, sizeof(name), "%s.weight", l->name);
    return t->dims(t->user, name, dim) == 4 &&
           dim[0] == (uint64_t)l->channels &&
           (i == 0 || dim[1] == (uint64_t)layers[i - 1].channels) &&
           dim[2] == (uint64_t)l->window.kh && dim[3] == (uint64_t)l->window.kw;
}

static enum rn_net_claim recognise(struct rn_net_found *found,
                                   const struct rn_net_tensors *t,
                                   struct rn_error *err)
{
    uint64_t dim[4];

    (void)err;
    for (int i = LAYERS - 2; i >= 0; i--)
        if (!is_layer(t, i, dim))
            return RN_CLAIM_NONE;
    snprintf(found->net, sizeof(found->net), "%s",
             listed[t->begins(t->user, AUX) ? DSN : NIN].name);
    found->channels = dim[1];
    found->conv_head = true;
    return RN_CLAIM_FOUND;
}

/* Only the heads tell one from the other. */
static void unsure(const struct rn_net_spec *spec,
                   const struct rn_net_found *found,
                   const struct rn_net_given *given, rn_net_say *say,
                   void *user)
{
    (void)found;
    if (!given->net && spec->variant == NIN)
        say(user, "nin taken: tensors do not tell it from dsn; --net dsn says "
                  "otherwise");
}

static const char *const weights[] = {"conv#.weight", "cccp#.weight", NULL};

static const struct rn_net_habit habits[] = {{NULL, 0, false, NULL}};

/* ------------------------------------------------------------------ whole */

const struct rn_family rn_family_nin = {
    .name = "nin",
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
    .unsure = unsure,
};
