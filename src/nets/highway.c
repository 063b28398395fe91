/* SPDX-License-Identifier: BSD-2-Clause */
/* Highway networks for CIFAR: R. Srivastava, K. Greff, J. Schmidhuber 2015
 * ("Training Very Deep Networks", section 3.3), with the names of the authors'
 * Caffe files (flukeskywalker/highway-networks). A layer's convolution makes
 * twice its channels, those of H and then those of the gate T. */
#include "core/count.h"
#include "nets/family.h"

#include <stdio.h>
#include <string.h>

#define CLASSES 10
#define PIXELS  32
#define PARTS   3
#define NARROW  100 /* maps that are averaged */
#define DROPOUT 0.2f
#define HEAD    "fc"

/* Each part begins with a plain convolution and ends in a pool; a 1x1 and a
 * linear layer follow. 19 layers are the authors' code. Of 32 the paper says
 * that there are about 1.25 million parameters; that the plan is that of 19,
 * with three parts of ten layers, and their widths are assumed (1,255,270). */
static const struct arch {
    int depth;
    int gates[PARTS], channels[PARTS];
} archs[] = {
    {19, {4, 5, 5}, {32, 80, 128}},
    {32, {9, 9, 9}, {32, 48, 64}},
};

static const struct arch *find_arch(int depth)
{
    for (size_t i = 0; i < COUNT(archs); i++)
        if (archs[i].depth == depth)
            return &archs[i];
    return NULL;
}

/* ------------------------------------------------------------------ names */

static const struct rn_net_listed listed[] = {
    {"highway-19", "highway network of 19 layers for CIFAR, 32x32",
     "highway-19"},
    {"highway-32", "of 32 layers, thinner, likewise", "highway-32"},
    {NULL, NULL, NULL},
};

static bool has(int depth)
{
    return find_arch(depth) != NULL;
}

static const struct rn_net_word words[] = {
    {"highway-", "", has, 0},
    {NULL, NULL, NULL, 0},
};

static bool parse(struct rn_net_spec *spec, const char *name)
{
    const char *tail;

    if (!rn_net_read_word(words, name, &spec->depth, &tail))
        return false;
    spec->classes = CLASSES;
    spec->input = (struct rn_shape){3, PIXELS, PIXELS};
    return !*tail;
}

/* The name says it all. */
static const struct rn_net_attribute attributes[] = {{NULL, NULL, NULL, NULL}};

/* ----------------------------------------------------------------- layers */

#define NAME_SIZE 32

static int append_conv(struct rn_graph *g, int x, int number, int channels,
                       struct rn_window window)
{
    char name[NAME_SIZE];

    snprintf(name, sizeof(name), "conv%d", number);
    return rn_graph_conv(g, x, name, channels, window, true);
}

static int append_plain(struct rn_graph *g, int x, int number, int channels,
                        struct rn_window window)
{
    char name[NAME_SIZE];

    x = append_conv(g, x, number, channels, window);
    snprintf(name, sizeof(name), "relu%d", number);
    return rn_graph_relu(g, x, name);
}

static int append_gate(struct rn_graph *g, int x, int number, int channels)
{
    const struct rn_window three = RN_WINDOW(3, 3, 1, 1);
    int z = append_conv(g, x, number, 2 * channels, three);
    char name[NAME_SIZE];

    snprintf(name, sizeof(name), "highway%d", number);
    return rn_graph_highway(g, z, x, name);
}

static int append_drop(struct rn_graph *g, int x, int number)
{
    char name[NAME_SIZE];

    snprintf(name, sizeof(name), "drop%d", number);
    return rn_graph_dropout(g, x, name, DROPOUT);
}

/* Part number p, from dropout on; windows of pools round up, as in Caffe. */
static int append_part(struct rn_graph *g, const struct arch *a, int x, int p,
                       int *number)
{
    const struct rn_window three = RN_WINDOW(3, 3, 1, 1);
    const struct rn_pool_options pool = {.window = RN_WINDOW(2, 2, 2, 0),
                                         .ceil = true};
    char name[NAME_SIZE];

    x = append_drop(g, x, p + 1);
    x = append_plain(g, x, (*number)++, a->channels[p], three);
    for (int i = 0; i < a->gates[p]; i++)
        x = append_gate(g, x, (*number)++, a->channels[p]);
    if (p == PARTS - 1)
        return x;
    snprintf(name, sizeof(name), "pool%d", p + 1);
    return rn_graph_max_pool_with(g, x, name, &pool);
}

static void build(struct rn_graph *g, const struct rn_net_spec *spec)
{
    const struct rn_window one = RN_WINDOW(1, 1, 1, 0);
    const struct arch *a = find_arch(spec->depth);
    int x = rn_graph_input(g, spec->input), number = 1;

    if (rn_net_is_unusual(spec)) {
        rn_fail(&g->error, RN_ERR_ARG,
                "it has no stem, and no activation but ReLU");
        return;
    }
    for (int p = 0; p < PARTS; p++)
        x = append_part(g, a, x, p, &number);
    x = append_plain(g, x, number, NARROW, one);
    x = rn_graph_global_avg_pool(g, x, "pool3");
    x = append_drop(g, x, PARTS + 1);
    rn_graph_linear(g, x, HEAD, spec->classes);
}

static uint64_t least_floats(const struct rn_net_spec *spec)
{
    const struct arch *a = find_arch(spec->depth);
    uint64_t floats = 0;

    for (int p = 0; p < PARTS; p++)
        floats += (uint64_t)(a->gates[p] * 2 * 3 * 3 * a->channels[p] *
                             a->channels[p]);
    return floats;
}

/* Names of the residual networks' stages, so that options fit both: a part
 * each, the 1x1, and the linear layer. */
static const char *const stages[] = {"conv1", "conv2", "conv3", "conv4",
                                     "conv5", "fc",    NULL};
enum { LAST_STAGE = 5 };

/* The part of layer `number`, PARTS for the 1x1 behind them. */
static int part_of(const struct arch *a, int number)
{
    int p = 0;

    for (; p < PARTS && number > 1 + a->gates[p]; p++)
        number -= 1 + a->gates[p];
    return p;
}

static int stage_of(const struct rn_net_spec *spec, const char *node)
{
    static const char *const kinds[] = {"conv%d", "relu%d", "highway%d"};
    int number;

    if (spec->family != &rn_family_highway)
        return -1;
    if (strcmp(node, HEAD) == 0)
        return LAST_STAGE;
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (sscanf(node, kinds[i], &number) == 1)
            return part_of(find_arch(spec->depth), number);
    return -1; /* a pool or dropout */
}

/* By He et al. 2015, as the paper has it; with fan-out a layer's convolution
 * has the deviation of the authors' code, whose linear layer's this is. */
static const struct rn_net_start start = {.linear = 0.05};

/* ---------------------------------------------------- networks of others */

static void candidates(const struct rn_net_outline *o, rn_net_try *try,
                       void *user)
{
    char name[NAME_SIZE];

    if (o->linears != 1 || o->three != o->convs - 1 || !has(o->convs + 1))
        return;
    snprintf(name, sizeof(name), "highway-%d", o->convs + 1);
    try(user, name, 0, 0);
}

static const struct rn_net_rule rules[] = {{NULL, NULL, NULL}};

/* Whether convolution `number` has so many channels; `from` of 0 is any. */
static bool is_conv(const struct rn_net_tensors *t, int number, int to,
                    int from, int side, uint64_t dim[4])
{
    char name[NAME_SIZE];

    snprintf(name, sizeof(name), "conv%d.weight", number);
    return t->dims(t->user, name, dim) == 4 && dim[0] == (uint64_t)to &&
           (!from || dim[1] == (uint64_t)from) && dim[2] == (uint64_t)side &&
           dim[3] == (uint64_t)side;
}

/* Whether the tensors are the architecture's; *channels are the input's. */
static bool is_arch(const struct rn_net_tensors *t, const struct arch *a,
                    uint64_t *channels)
{
    int number = 1, from = 0;
    uint64_t dim[4];

    for (int p = 0; p < PARTS; p++) {
        int c = a->channels[p];

        if (!is_conv(t, number++, c, from, 3, dim))
            return false;
        *channels = p == 0 ? dim[1] : *channels;
        for (int i = 0; i < a->gates[p]; i++)
            if (!is_conv(t, number++, 2 * c, c, 3, dim))
                return false;
        from = c;
    }
    return is_conv(t, number, NARROW, from, 1, dim);
}

static enum rn_net_claim recognise(struct rn_net_found *found,
                                   const struct rn_net_tensors *t,
                                   struct rn_error *err)
{
    (void)err;
    for (size_t i = 0; i < COUNT(archs); i++)
        if (is_arch(t, &archs[i], &found->channels)) {
            snprintf(found->net, sizeof(found->net), "highway-%d",
                     archs[i].depth);
            return RN_CLAIM_FOUND;
        }
    return RN_CLAIM_NONE;
}

static const char *const weights[] = {"conv#.weight", NULL};

static const struct rn_net_habit habits[] = {{NULL, 0, false, NULL}};

/* ------------------------------------------------------------------ whole */

const struct rn_family rn_family_highway = {
    .name = "highway",
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
