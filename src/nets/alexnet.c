/* SPDX-License-Identifier: BSD-2-Clause */
/* AlexNet, as torchvision has it: the single-tower form of A. Krizhevsky 2014
 * ("One weird trick for parallelizing convolutional neural networks"). */
#include "core/count.h"
#include "nets/family.h"

#include <stdio.h>
#include <string.h>

#define CLASSES 1000
#define PIXELS  224
#define CONVS   5
#define SIDE    6 /* of what the linear layers see */
#define HIDDEN  4096
#define DROPOUT 0.5f
#define HEAD    "classifier.6"

static const struct {
    int number; /* features.N; its ReLU is the next */
    int channels;
    struct rn_window window;
    bool pooled;
} convs[CONVS] = {
    {0, 64, RN_WINDOW(11, 11, 4, 2), true},
    {3, 192, RN_WINDOW(5, 5, 1, 2), true},
    {6, 384, RN_WINDOW(3, 3, 1, 1), false},
    {8, 256, RN_WINDOW(3, 3, 1, 1), false},
    {10, 256, RN_WINDOW(3, 3, 1, 1), true},
};

/* ------------------------------------------------------------------ names */

static const struct rn_net_listed listed[] = {
    {"alexnet", "AlexNet of one tower, 224x224", "alexnet"},
    {NULL, NULL, NULL},
};

static const struct rn_net_word words[] = {
    {"alexnet", "", NULL, 0},
    {NULL, NULL, NULL, 0},
};

static bool parse(struct rn_net_spec *spec, const char *name)
{
    spec->depth = CONVS + 3;
    spec->classes = CLASSES;
    spec->input = (struct rn_shape){3, PIXELS, PIXELS};
    return strcmp(name, listed[0].name) == 0;
}

/* The name says it all. */
static const struct rn_net_attribute attributes[] = {{NULL, NULL, NULL, NULL}};

/* ----------------------------------------------------------------- layers */

#define NAME_SIZE 32

static const char *feature(char name[NAME_SIZE], int number)
{
    snprintf(name, NAME_SIZE, "features.%d", number);
    return name;
}

static void build(struct rn_graph *g, const struct rn_net_spec *spec)
{
    const struct rn_window pool = RN_WINDOW(3, 3, 2, 0);
    int x = rn_graph_input(g, spec->input);
    char name[NAME_SIZE];

    if (rn_net_is_unusual(spec)) {
        rn_fail(&g->error, RN_ERR_ARG,
                "it has no stem, and no activation but ReLU");
        return;
    }
    for (int i = 0; i < CONVS; i++) {
        int number = convs[i].number;

        x = rn_graph_conv(g, x, feature(name, number++), convs[i].channels,
                          convs[i].window, true);
        x = rn_graph_relu(g, x, feature(name, number++));
        if (convs[i].pooled)
            x = rn_graph_max_pool(g, x, feature(name, number), pool);
    }
    x = rn_net_fit_side(g, x, SIDE);
    x = rn_graph_dropout(g, x, "classifier.0", DROPOUT);
    x = rn_graph_linear(g, x, "classifier.1", HIDDEN);
    x = rn_graph_relu(g, x, "classifier.2");
    x = rn_graph_dropout(g, x, "classifier.3", DROPOUT);
    x = rn_graph_linear(g, x, "classifier.4", HIDDEN);
    x = rn_graph_relu(g, x, "classifier.5");
    rn_graph_linear(g, x, HEAD, spec->classes);
}

/* The first two linear layers. */
static uint64_t least_floats(const struct rn_net_spec *spec)
{
    (void)spec;
    return (uint64_t)HIDDEN * (256 * SIDE * SIDE + HIDDEN);
}

static const char *const stages[] = {"conv1", "conv2", "conv3", "conv4",
                                     "conv5", "fc",    NULL};

static int stage_of(const struct rn_net_spec *spec, const char *node)
{
    int number;

    if (spec->family != &rn_family_alexnet)
        return -1;
    if (strncmp(node, "classifier.", strlen("classifier.")) == 0)
        return CONVS;
    if (sscanf(node, "features.%d", &number) != 1)
        return -1;
    for (int i = 0; i < CONVS; i++)
        if (number == convs[i].number || number == convs[i].number + 1)
            return i;
    return -1; /* a pool */
}

/* ---------------------------------------------------- networks of others */

static void candidates(const struct rn_net_outline *o, rn_net_try *try,
                       void *user)
{
    if (o->linears == 3 && o->convs == CONVS && o->three == 3)
        try(user, listed[0].name, 0, 0);
}

static const struct rn_net_rule rules[] = {{NULL, NULL, NULL}};

static bool has_convs(const struct rn_net_tensors *t, uint64_t *channels)
{
    char name[NAME_SIZE + 8];

    for (int i = 0; i < CONVS; i++) {
        const struct rn_window *w = &convs[i].window;
        uint64_t dim[4];

        snprintf(name, sizeof(name), "features.%d.weight", convs[i].number);
        if (t->dims(t->user, name, dim) != 4 ||
            dim[0] != (uint64_t)convs[i].channels ||
            (i && dim[1] != (uint64_t)convs[i - 1].channels) ||
            dim[2] != (uint64_t)w->kh || dim[3] != (uint64_t)w->kw)
            return false;
        if (i == 0)
            *channels = dim[1];
    }
    return true;
}

static bool is_linear(const struct rn_net_tensors *t, const char *name,
                      uint64_t columns)
{
    uint64_t dim[4];

    return t->dims(t->user, name, dim) == 2 && dim[0] == HIDDEN &&
           dim[1] == columns;
}

static enum rn_net_claim recognise(struct rn_net_found *found,
                                   const struct rn_net_tensors *t,
                                   struct rn_error *err)
{
    if (!has_convs(t, &found->channels))
        return RN_CLAIM_NONE;
    snprintf(found->net, sizeof(found->net), "%s", listed[0].name);
    if (is_linear(t, "classifier.1.weight", 256 * SIDE * SIDE) &&
        is_linear(t, "classifier.4.weight", HIDDEN))
        return RN_CLAIM_FOUND;
    rn_fail(err, RN_ERR_DATA,
            "'%s': the convolutions of AlexNet, but not its linear layers: "
            "classifier.1 of 4096x9216 and classifier.4 of 4096x4096 expected",
            t->path);
    return RN_CLAIM_KIN;
}

static const char *const weights[] = {
    "features.#.weight", "classifier.1.weight", "classifier.4.weight", NULL};

static const struct rn_net_habit habits[] = {
    {&rn_source_torchvision, 0, false, "torchvision"},
    {NULL, 0, false, NULL},
};

/* ------------------------------------------------------------------ whole */

const struct rn_family rn_family_alexnet = {
    .name = "alexnet",
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
