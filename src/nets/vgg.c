/* SPDX-License-Identifier: BSD-2-Clause */
/* The family of VGG: K. Simonyan and A. Zisserman 2015, table 1, columns A, B,
 * D and E, with batch norm or without, as torchvision has them. */
#include "core/count.h"
#include "nets/family.h"

#include <stdio.h>
#include <string.h>

#define CLASSES 1000
#define PIXELS  224
#define STAGES  5
#define SIDE    7 /* of what the linear layers see */
#define HIDDEN  4096
#define HEAD    "classifier.6"
#define DROPOUT 0.5f

/* Each stage ends in a max pool; stages have one width. */
static const int channels[STAGES] = {64, 128, 256, 512, 512};

static const struct arch {
    int layers; /* with three linear ones */
    int convs[STAGES];
} archs[] = {
    {11, {1, 1, 2, 2, 2}},
    {13, {2, 2, 2, 2, 2}},
    {16, {2, 2, 3, 3, 3}},
    {19, {2, 2, 4, 4, 4}},
};

static const struct arch *find_arch(int layers)
{
    for (size_t i = 0; i < COUNT(archs); i++)
        if (archs[i].layers == layers)
            return &archs[i];
    return NULL;
}

/* ------------------------------------------------------------------ names */

static const struct rn_net_listed listed[] = {
    {"vgg11", "VGG of 11 layers (13, 16 and 19 likewise), 224x224", "vgg11"},
    {"vgg16", "VGG of 16 layers", "vgg16"},
    {"vgg16_bn", "with batch norm behind each convolution, likewise",
     "vgg16_bn"},
    {NULL, NULL, NULL},
};

static bool has(int layers)
{
    return find_arch(layers) != NULL;
}

static const struct rn_net_word words[] = {
    {"vgg", "", has, 0},
    {NULL, NULL, NULL, 0},
};

enum { BARE, BATCH_NORM }; /* spec->variant */
static const char *const tails[] = {[BARE] = "", [BATCH_NORM] = "_bn"};

static bool parse(struct rn_net_spec *spec, const char *name)
{
    const char *tail;

    if (!rn_net_read_word(words, name, &spec->depth, &tail))
        return false;
    spec->classes = CLASSES;
    spec->input = (struct rn_shape){3, PIXELS, PIXELS};
    spec->variant = strcmp(tail, tails[BATCH_NORM]) == 0;
    return strcmp(tail, tails[spec->variant]) == 0;
}

/* The name says it all. */
static const struct rn_net_attribute attributes[] = {{NULL, NULL, NULL, NULL}};

/* ----------------------------------------------------------------- layers */

/* features.0, features.1, …: torchvision counts convolutions, batch norms,
 * ReLUs and pools. */
struct layers {
    const struct arch *arch;
    bool norm;
    int stage, conv; /* of the convolution that comes next */
    int number;      /* and its number */
};

/* Go on to the next convolution, past a pool where its stage ends; false
 * behind the last one. */
static bool next_conv(struct layers *l)
{
    l->number += l->norm ? 3 : 2;
    if (++l->conv < l->arch->convs[l->stage])
        return true;
    l->number++;
    l->conv = 0;
    return ++l->stage < STAGES;
}

static int append_conv(struct rn_graph *g, const struct layers *l, int x)
{
    const struct rn_window three = RN_WINDOW(3, 3, 1, 1);
    int number = l->number;
    char name[32];

    snprintf(name, sizeof(name), "features.%d", number++);
    x = rn_graph_conv(g, x, name, channels[l->stage], three, true);
    if (l->norm) {
        snprintf(name, sizeof(name), "features.%d", number++);
        x = rn_graph_batch_norm(g, x, name);
    }
    snprintf(name, sizeof(name), "features.%d", number++);
    x = rn_graph_relu(g, x, name);
    if (l->conv + 1 < l->arch->convs[l->stage])
        return x;
    snprintf(name, sizeof(name), "features.%d", number);
    return rn_graph_max_pool(g, x, name,
                             (struct rn_window)RN_WINDOW(2, 2, 2, 0));
}

static void build(struct rn_graph *g, const struct rn_net_spec *spec)
{
    struct layers l = {find_arch(spec->depth), spec->variant == BATCH_NORM, 0,
                       0, 0};
    int x = rn_graph_input(g, spec->input);

    if (rn_net_is_unusual(spec)) {
        rn_fail(&g->error, RN_ERR_ARG,
                "it has no stem, and no activation but ReLU");
        return;
    }
    do {
        x = append_conv(g, &l, x);
    } while (next_conv(&l));
    x = rn_net_fit_side(g, x, SIDE);
    x = rn_graph_linear(g, x, "classifier.0", HIDDEN);
    x = rn_graph_relu(g, x, "classifier.1");
    x = rn_graph_dropout(g, x, "classifier.2", DROPOUT);
    x = rn_graph_linear(g, x, "classifier.3", HIDDEN);
    x = rn_graph_relu(g, x, "classifier.4");
    x = rn_graph_dropout(g, x, "classifier.5", DROPOUT);
    rn_graph_linear(g, x, HEAD, spec->classes);
}

/* The first two linear layers. */
static uint64_t least_floats(const struct rn_net_spec *spec)
{
    (void)spec;
    return (uint64_t)HIDDEN * (512 * SIDE * SIDE + HIDDEN);
}

/* Names of the residual networks' stages, so that options fit both. */
static const char *const stages[] = {"conv1", "conv2", "conv3", "conv4",
                                     "conv5", "fc",    NULL};

static int stage_of(const struct rn_net_spec *spec, const char *node)
{
    struct layers l = {find_arch(spec->depth), spec->variant == BATCH_NORM, 0,
                       0, 0};
    int number;

    if (spec->family != &rn_family_vgg)
        return -1;
    if (strncmp(node, "classifier.", strlen("classifier.")) == 0)
        return STAGES;
    if (sscanf(node, "features.%d", &number) != 1)
        return -1;
    do {
        if (number >= l.number && number < l.number + (l.norm ? 3 : 2))
            return l.stage;
    } while (next_conv(&l));
    return -1; /* a pool */
}

/* As torchvision: convolutions by He et al. 2015, for without batch norm the
 * deeper ones do not learn from the paper's deviation, which linear layers have
 * (section 3.1). */
static const struct rn_net_start start = {.linear = 0.01};

/* ---------------------------------------------------- networks of others */

static void candidates(const struct rn_net_outline *o, rn_net_try *try,
                       void *user)
{
    char name[32];

    if (o->linears != 3 || o->convs != o->three || !has(o->convs + o->linears))
        return;
    for (size_t i = 0; i < COUNT(tails); i++) {
        snprintf(name, sizeof(name), "vgg%d%s", o->convs + o->linears,
                 tails[i]);
        if (try(user, name, 0, 0))
            return;
    }
}

static const struct rn_net_rule rules[] = {{NULL, NULL, NULL}};

/* Whether the tensor is [rows][columns] and as many of 3x3, or of none. */
static bool is_sized(const struct rn_net_tensors *t, const char *layer,
                     int dims, uint64_t rows, uint64_t columns)
{
    uint64_t dim[4] = {0, 0, 3, 3};
    char name[48];

    snprintf(name, sizeof(name), "%s.weight", layer);
    return t->dims(t->user, name, dim) == dims && dim[0] == rows &&
           (!columns || dim[1] == columns) && dim[2] == 3 && dim[3] == 3;
}

/* Whether all convolutions are the architecture's. */
static bool has_convs(const struct rn_net_tensors *t, struct layers l)
{
    uint64_t from = 0; /* of the first one any number */
    char name[32];

    do {
        const uint64_t to = (uint64_t)channels[l.stage];

        snprintf(name, sizeof(name), "features.%d", l.number);
        if (!is_sized(t, name, 4, to, from))
            return false;
        from = to;
    } while (next_conv(&l));
    return true;
}

static enum rn_net_claim recognise(struct rn_net_found *found,
                                   const struct rn_net_tensors *t,
                                   struct rn_error *err)
{
    uint64_t dim[4];

    for (size_t i = 0; i < 2 * COUNT(archs); i++) {
        const struct layers l = {&archs[i / 2], i % 2 == BATCH_NORM, 0, 0, 0};

        if (!has_convs(t, l))
            continue;
        snprintf(found->net, sizeof(found->net), "vgg%d%s", l.arch->layers,
                 tails[i % 2]);
        if (is_sized(t, "classifier.0", 2, HIDDEN, 512 * SIDE * SIDE) &&
            is_sized(t, "classifier.3", 2, HIDDEN, HIDDEN) &&
            t->dims(t->user, "features.0.weight", dim) == 4) {
            found->channels = dim[1];
            return RN_CLAIM_FOUND;
        }
        rn_fail(err, RN_ERR_DATA,
                "'%s': the convolutions of a %s, but not its linear layers: "
                "classifier.0 of 4096x25088 and classifier.3 of 4096x4096 "
                "expected",
                t->path, found->net);
        return RN_CLAIM_KIN;
    }
    return RN_CLAIM_NONE;
}

static const char *const weights[] = {
    "features.#.weight", "classifier.0.weight", "classifier.3.weight", NULL};

static const struct rn_net_habit habits[] = {
    {&rn_source_torchvision, 0, false, "torchvision"},
    {NULL, 0, false, NULL},
};

/* ------------------------------------------------------------------ whole */

const struct rn_family rn_family_vgg = {
    .name = "vgg",
    .listed = listed,
    .words = words,
    .parse = parse,
    .resolve = rn_net_no_options,
    .build = build,
    .heeds = RN_HEEDS_NOTHING,
    .has_aux = rn_net_no_aux,
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
