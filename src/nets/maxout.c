/* SPDX-License-Identifier: BSD-2-Clause */
/* The family of maxout networks for CIFAR: that of I. Goodfellow et al. 2013,
 * as their code has it (lisa-lab/pylearn2, papers/maxout/cifar10.yaml), and the
 * thin, deep FitNet-19 of A. Romero et al. 2015 (adri-romsor/FitNets,
 * cifar10_fitnet19_all.yaml). Their convolutions' biases are one a channel. */
#include "core/count.h"
#include "nets/family.h"

#include <stdio.h>
#include <string.h>

#define CLASSES     10
#define PIXELS      32
#define PIECES      2 /* of convolutions, */
#define FC_PIECES   5 /* and of the hidden linear layer, */
#define FC_UNITS    500
#define HEAD        "fc"
#define HIDDEN      "fc1"
#define MOST_LAYERS 17
#define LAST_STAGE  3 /* of convolutions */

/* A convolution, and the max pool behind its maxout; without a window: none.
 * Pools are rounded up. */
struct layer {
    int units, kernel, pad, pool, stride;
    int stage; /* from 0 */
};

enum { MAXOUT, FITNET }; /* spec->variant */

static const struct net {
    int depth; /* with two linear layers */
    struct layer layers[MOST_LAYERS];
    /* Shares of numbers dropped: of the images, and of what all other layers
     * read. pylearn2 does not divide the images by what is left, as we do. */
    float drop_images, drop;
} nets[] = {
    [MAXOUT] = {5,
                {{96, 8, 4, 4, 2, 0},
                 {192, 8, 3, 4, 2, 1},
                 {192, 5, 3, 2, 2, 2}},
                0.2f,
                0.5f},
    [FITNET] = {19,
                {{32, 3, 1, 0, 0, 0},
                 {32, 3, 1, 0, 0, 0},
                 {32, 3, 1, 0, 0, 0},
                 {48, 3, 1, 0, 0, 0},
                 {48, 3, 1, 2, 2, 0},
                 {80, 3, 1, 0, 0, 1},
                 {80, 3, 1, 0, 0, 1},
                 {80, 3, 1, 0, 0, 1},
                 {80, 3, 1, 0, 0, 1},
                 {80, 3, 1, 0, 0, 1},
                 {80, 3, 1, 2, 2, 1},
                 {128, 3, 1, 0, 0, 2},
                 {128, 3, 1, 0, 0, 2},
                 {128, 3, 1, 0, 0, 2},
                 {128, 3, 1, 0, 0, 2},
                 {128, 3, 1, 0, 0, 2},
                 {128, 3, 1, 8, 1, 2}},
                0,
                0},
};

static int convs_of(int variant)
{
    return nets[variant].depth - 2;
}

/* ------------------------------------------------------------------ names */

static const struct rn_net_listed listed[] = {
    {"maxout", "maxout network of 3 convolutions and 2 linear layers, 32x32",
     "maxout"},
    {"fitnet-19", "FitNet of 17 thin maxout convolutions and 2 linear layers",
     "fitnet-19"},
    {NULL, NULL, NULL},
};

static bool is_fitnet(int layers)
{
    return layers == nets[FITNET].depth;
}

static const struct rn_net_word words[] = {
    {"maxout", "", NULL, MAXOUT},
    {"fitnet-", "", is_fitnet, FITNET},
    {NULL, NULL, NULL, 0},
};

static bool parse(struct rn_net_spec *spec, const char *name)
{
    for (int variant = MAXOUT; variant <= FITNET; variant++)
        if (strcmp(name, listed[variant].name) == 0) {
            spec->variant = variant;
            spec->depth = nets[variant].depth;
            spec->classes = CLASSES;
            spec->input = (struct rn_shape){3, PIXELS, PIXELS};
            return true;
        }
    return false;
}

/* The name says it all. */
static const struct rn_net_attribute attributes[] = {{NULL, NULL, NULL, NULL}};

/* ----------------------------------------------------------------- layers */

#define NAME_SIZE 32

/* "conv3", of the third layer. */
static const char *numbered(char name[NAME_SIZE], const char *what, int i)
{
    snprintf(name, NAME_SIZE, "%s%d", what, i + 1);
    return name;
}

static int drop(struct rn_graph *g, int x, const char *name, float rate)
{
    return rate > 0 ? rn_graph_dropout(g, x, name, rate) : x;
}

static int append_layer(struct rn_graph *g, const struct net *net, int i, int x)
{
    const struct layer *l = &net->layers[i];
    const struct rn_window window = RN_WINDOW(l->kernel, l->kernel, 1, l->pad);
    const struct rn_pool_options pool = {
        .window = RN_WINDOW(l->pool, l->pool, l->stride, 0), .ceil = true};
    char name[NAME_SIZE];

    x = drop(g, x, numbered(name, "dropout", i),
             i ? net->drop : net->drop_images);
    x = rn_graph_conv(g, x, numbered(name, "conv", i), PIECES * l->units,
                      window, true);
    x = rn_graph_maxout(g, x, numbered(name, "maxout", i), PIECES);
    return l->pool
               ? rn_graph_max_pool_with(g, x, numbered(name, "pool", i), &pool)
               : x;
}

static void build(struct rn_graph *g, const struct rn_net_spec *spec)
{
    const struct net *net = &nets[spec->variant];
    int x = rn_graph_input(g, spec->input);

    if (rn_net_is_unusual(spec)) {
        rn_fail(&g->error, RN_ERR_ARG,
                "it has no stem, and no activation but maxout");
        return;
    }
    for (int i = 0; i < convs_of(spec->variant); i++)
        x = append_layer(g, net, i, x);
    x = drop(g, x, "dropout_fc1", net->drop);
    x = rn_graph_linear(g, x, HIDDEN, FC_PIECES * FC_UNITS);
    x = rn_graph_maxout(g, x, "maxout_fc1", FC_PIECES);
    x = drop(g, x, "dropout_fc", net->drop);
    rn_graph_linear(g, x, HEAD, spec->classes);
}

/* The convolutions behind the first one. */
static uint64_t least_floats(const struct rn_net_spec *spec)
{
    const struct layer *l = nets[spec->variant].layers;
    uint64_t sum = 0;

    for (int i = 1; i < convs_of(spec->variant); i++)
        sum += (uint64_t)(PIECES * l[i].units * l[i - 1].units * l[i].kernel *
                          l[i].kernel);
    return sum;
}

static const char *const stages[] = {"conv1",  "conv2", "conv3",
                                     "hidden", "fc",    NULL};

static int stage_of(const struct rn_net_spec *spec, const char *node)
{
    int number;

    if (spec->family != &rn_family_maxout)
        return -1;
    if (strcmp(node, HIDDEN) == 0 || strcmp(node, "maxout_fc1") == 0)
        return LAST_STAGE;
    if (strcmp(node, HEAD) == 0)
        return LAST_STAGE + 1;
    if (sscanf(node, "conv%d", &number) != 1 &&
        sscanf(node, "maxout%d", &number) != 1 &&
        sscanf(node, "pool%d", &number) != 1)
        return -1; /* dropout */
    return number >= 1 && number <= convs_of(spec->variant)
               ? nets[spec->variant].layers[number - 1].stage
               : -1;
}

/* ---------------------------------------------------- networks of others */

static void candidates(const struct rn_net_outline *o, rn_net_try *try,
                       void *user)
{
    for (int variant = MAXOUT; variant <= FITNET; variant++)
        if (o->linears == 2 && o->convs == convs_of(variant) &&
            o->three == (variant == FITNET ? o->convs : 0) &&
            try(user, listed[variant].name, 0, 0))
            return;
}

static const struct rn_net_rule rules[] = {{NULL, NULL, NULL}};

static bool has_convs(const struct rn_net_tensors *t, int variant,
                      uint64_t *channels)
{
    const struct layer *l = nets[variant].layers;
    char name[NAME_SIZE], weight[NAME_SIZE + 8];

    for (int i = 0; i < convs_of(variant); i++) {
        uint64_t dim[4];

        snprintf(weight, sizeof(weight), "%s.weight",
                 numbered(name, "conv", i));
        if (t->dims(t->user, weight, dim) != 4 ||
            dim[0] != (uint64_t)(PIECES * l[i].units) ||
            (i && dim[1] != (uint64_t)l[i - 1].units) ||
            dim[2] != (uint64_t)l[i].kernel || dim[3] != (uint64_t)l[i].kernel)
            return false;
        if (i == 0)
            *channels = dim[1];
    }
    return true;
}

static enum rn_net_claim recognise(struct rn_net_found *found,
                                   const struct rn_net_tensors *t,
                                   struct rn_error *err)
{
    uint64_t dim[4];

    for (int variant = MAXOUT; variant <= FITNET; variant++) {
        if (!has_convs(t, variant, &found->channels))
            continue;
        snprintf(found->net, sizeof(found->net), "%s", listed[variant].name);
        if (t->dims(t->user, HIDDEN ".weight", dim) == 2 &&
            dim[0] == FC_PIECES * FC_UNITS)
            return RN_CLAIM_FOUND;
        rn_fail(err, RN_ERR_DATA,
                "'%s': the convolutions of %s, but not its linear layer " HIDDEN
                " of 2500 outputs",
                t->path, found->net);
        return RN_CLAIM_KIN;
    }
    return RN_CLAIM_NONE;
}

static const char *const weights[] = {"conv#.weight", "fc1.weight", NULL};

static const struct rn_net_habit habits[] = {{NULL, 0, false, NULL}};

/* ------------------------------------------------------------------ whole */

const struct rn_family rn_family_maxout = {
    .name = "maxout",
    .listed = listed,
    .words = words,
    .parse = parse,
    .resolve = rn_net_no_options,
    .build = build,
    .heeds = RN_HEEDS_NOTHING,
    .has_aux = rn_net_no_aux,
    .head = HEAD,
    .attributes = attributes,
    .start = &rn_start_usual,
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
