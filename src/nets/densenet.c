/* SPDX-License-Identifier: BSD-2-Clause */
/* The family of DenseNets: G. Huang et al. 2017, table 1 for ImageNet, as
 * torchvision has them, and section 4.2 for CIFAR under the same names. Each
 * layer of a dense block reads the values of all before it, side by side. */
#include "core/count.h"
#include "nets/family.h"

#include <stdio.h>
#include <string.h>

#define CLASSES    1000
#define PIXELS     224
#define BLOCKS     4
#define NECK       4 /* times the growth: channels of a layer's 1x1 */
#define HEAD       "classifier"
#define MOST_GROWN 999

#define CIFAR_CLASSES 10
#define CIFAR_PIXELS  32
#define CIFAR_BLOCKS  3
#define MOST_LAYERS   400 /* of a block, each of which reads all before it */

/* What makes one, for all of them alike. */
struct plan {
    int layers[BLOCKS]; /* of each dense block, 0 for none */
    int growth, stem;   /* channels of a layer, and before the first block */
    bool neck;          /* a 1x1 before each 3x3 */
    bool halve;         /* transitions leave half of the channels */
    bool small;         /* for CIFAR: a 3x3 of stride 1 and no pool first */
};

/* Table 1; 161 is torchvision's and the authors' code's. */
static const struct arch {
    int depth;
    struct plan plan;
} archs[] = {
    {121, {{6, 12, 24, 16}, 32, 64, true, true, false}},
    {161, {{6, 12, 36, 24}, 48, 96, true, true, false}},
    {169, {{6, 12, 32, 32}, 32, 64, true, true, false}},
    {201, {{6, 12, 48, 32}, 32, 64, true, true, false}},
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
    {"densenet121",
     "DenseNet of 121 layers (161, 169 and 201 likewise), "
     "224x224",
     "densenet121"},
    {"densenet-{3n+4}-{k}", "CIFAR DenseNet of growth k, 32x32",
     "densenet-40-12"},
    {"densenet-bc-{6n+4}-{k}", "with bottlenecks and compression, likewise",
     "densenet-bc-100-12"},
    {NULL, NULL, NULL},
};

enum { IMAGENET, BARE, COMPRESSED };

static bool has_imagenet(int depth)
{
    return find_arch(depth) != NULL;
}

static bool has_bare(int depth)
{
    return depth > CIFAR_BLOCKS + 1 && (depth - 4) % CIFAR_BLOCKS == 0 &&
           (depth - 4) / CIFAR_BLOCKS <= MOST_LAYERS;
}

static bool has_compressed(int depth)
{
    return has_bare(depth) && (depth - 4) % (2 * CIFAR_BLOCKS) == 0;
}

static const struct rn_net_word words[] = {
    {"densenet-bc-", "-12", has_compressed, COMPRESSED},
    {"densenet-", "-12", has_bare, BARE},
    {"densenet", "", has_imagenet, IMAGENET},
    {NULL, NULL, NULL, 0},
};

/* spec->variant is 0 for ImageNet's; of the others this. */
static int variant_of(int growth, int kind)
{
    return 2 * growth + (kind == COMPRESSED);
}

static bool parse(struct rn_net_spec *spec, const char *name)
{
    const char *tail;
    int growth;
    const struct rn_net_word *word =
        rn_net_read_word(words, name, &spec->depth, &tail);

    if (!word)
        return false;
    spec->classes = word->kind == IMAGENET ? CLASSES : CIFAR_CLASSES;
    spec->input = (struct rn_shape){3, CIFAR_PIXELS, CIFAR_PIXELS};
    if (word->kind != IMAGENET) {
        tail = *tail == '-' ? rn_net_read_number(tail + 1, 3, &growth) : NULL;
        spec->variant = tail ? variant_of(growth, word->kind) : 0;
        return tail && !*tail;
    }
    spec->input.h = spec->input.w = PIXELS;
    return !*tail;
}

static struct plan plan_of(const struct rn_net_spec *spec)
{
    const int growth = spec->variant / 2;
    const bool compressed = spec->variant % 2;
    const int layers = (spec->depth - 4) / CIFAR_BLOCKS / (compressed ? 2 : 1);

    if (!spec->variant)
        return find_arch(spec->depth)->plan;
    return (struct plan){
        .layers = {layers, layers, layers},
        .growth = growth,
        .stem = compressed ? 2 * growth : 16,
        .neck = compressed,
        .halve = compressed,
        .small = true,
    };
}

/* The name says it all. */
static const struct rn_net_attribute attributes[] = {{NULL, NULL, NULL, NULL}};

/* ----------------------------------------------------------------- layers */

#define AT_SIZE   48 /* "features.denseblock1.denselayer1" */
#define NAME_SIZE (AT_SIZE + 32)

/* Batch norm and ReLU; their names end in `number`. */
static int norm_relu(struct rn_graph *g, int x, const char *at,
                     const char *number)
{
    char name[NAME_SIZE];

    snprintf(name, sizeof(name), "%s.norm%s", at, number);
    x = rn_graph_batch_norm(g, x, name);
    snprintf(name, sizeof(name), "%s.relu%s", at, number);
    return rn_graph_relu(g, x, name);
}

static int conv(struct rn_graph *g, int x, const char *at, const char *number,
                int channels, struct rn_window window)
{
    char name[NAME_SIZE];

    snprintf(name, sizeof(name), "%s.conv%s", at, number);
    return rn_graph_conv(g, x, name, channels, window, false);
}

static int stem(struct rn_graph *g, const struct plan *p, int x)
{
    const struct rn_window seven = RN_WINDOW(7, 7, 2, 3);
    const struct rn_window three = RN_WINDOW(3, 3, 1, 1);
    const struct rn_window pool = RN_WINDOW(3, 3, 2, 1);

    x = conv(g, x, "features", "0", p->stem, p->small ? three : seven);
    if (p->small)
        return x;
    x = norm_relu(g, x, "features", "0");
    return rn_graph_max_pool(g, x, "features.pool0", pool);
}

static int dense_layer(struct rn_graph *g, const struct plan *p, int x,
                       const char *at)
{
    const struct rn_window one = RN_WINDOW(1, 1, 1, 0);
    const struct rn_window three = RN_WINDOW(3, 3, 1, 1);

    x = norm_relu(g, x, at, "1");
    if (!p->neck)
        return conv(g, x, at, "1", p->growth, three);
    x = conv(g, x, at, "1", NECK * p->growth, one);
    x = norm_relu(g, x, at, "2");
    return conv(g, x, at, "2", p->growth, three);
}

/* The value of block `b`: what goes in, and what each layer makes of all that
 * is there before it. */
static int dense_block(struct rn_graph *g, const struct plan *p, int x, int b)
{
    int parts[1 + MOST_LAYERS] = {x};
    char at[AT_SIZE], name[NAME_SIZE];

    for (int i = 0; i < p->layers[b]; i++) {
        snprintf(at, sizeof(at), "features.denseblock%d.denselayer%d", b + 1,
                 i + 1);
        parts[i + 1] = dense_layer(g, p, x, at);
        snprintf(name, sizeof(name), "%s.concat", at);
        x = rn_graph_concat_all(g, parts, i + 2, name);
    }
    return x;
}

static int transition(struct rn_graph *g, const struct plan *p, int x, int b)
{
    const struct rn_pool_options pool = {.window = RN_WINDOW(2, 2, 2, 0)};
    const struct rn_window one = RN_WINDOW(1, 1, 1, 0);
    char at[AT_SIZE], name[NAME_SIZE];
    int channels;

    if (g->error.code)
        return -1;
    channels = g->nodes[x].shape.c / (p->halve ? 2 : 1);
    snprintf(at, sizeof(at), "features.transition%d", b + 1);
    x = norm_relu(g, x, at, "");
    x = conv(g, x, at, "", channels, one);
    snprintf(name, sizeof(name), "%s.pool", at);
    return rn_graph_avg_pool(g, x, name, &pool);
}

static void build(struct rn_graph *g, const struct rn_net_spec *spec)
{
    const struct plan p = plan_of(spec);
    int x = rn_graph_input(g, spec->input);

    if (rn_net_is_unusual(spec)) {
        rn_fail(&g->error, RN_ERR_ARG,
                "it has one stem, and no activation but ReLU");
        return;
    }
    x = stem(g, &p, x);
    for (int b = 0; b < BLOCKS && p.layers[b]; b++) {
        if (b > 0)
            x = transition(g, &p, x, b - 1);
        x = dense_block(g, &p, x, b);
    }
    x = norm_relu(g, x, "features", "5");
    x = rn_graph_global_avg_pool(g, x, "avgpool");
    rn_graph_linear(g, x, HEAD, spec->classes);
}

/* Each layer has a 3x3 that makes `growth` channels, of 4 times as many or at
 * least of the stem's 16. */
static uint64_t least_floats(const struct rn_net_spec *spec)
{
    const struct plan p = plan_of(spec);
    const uint64_t from = p.neck ? (uint64_t)(NECK * p.growth) : 16;
    uint64_t layers = 0;

    for (int b = 0; b < BLOCKS; b++)
        layers += (uint64_t)p.layers[b];
    return layers * 3 * 3 * from * (uint64_t)p.growth;
}

/* Names of the residual networks' stages, so that options fit both: what ends
 * in a transition, it being a part. CIFAR's have no conv5. */
static const char *const stages[] = {"conv1", "conv2", "conv3", "conv4",
                                     "conv5", "fc",    NULL};
enum { LAST_STAGE = 5 };

static int stage_of(const struct rn_net_spec *spec, const char *node)
{
    static const char *const parts[] = {"features.denseblock%d.",
                                        "features.transition%d."};
    int b;

    if (spec->family != &rn_family_densenet)
        return -1;
    if (strcmp(node, HEAD) == 0)
        return LAST_STAGE;
    for (size_t i = 0; i < COUNT(parts); i++)
        if (sscanf(node, parts[i], &b) == 1)
            return b >= 1 && b <= BLOCKS ? b : -1;
    if (strcmp(node, "features.norm5") == 0 ||
        strcmp(node, "features.relu5") == 0)
        return spec->variant ? CIFAR_BLOCKS : BLOCKS;
    return strncmp(node, "features.", strlen("features.")) == 0 &&
                   strcmp(node, "features.pool0") != 0
               ? 0
               : -1;
}

/* ---------------------------------------------------- networks of others */

static int layers_in_all(const struct plan *p)
{
    int layers = 0;

    for (int b = 0; b < BLOCKS; b++)
        layers += p->layers[b];
    return layers;
}

/* Of the CIFAR networks only the compressed ones tell their growth, by their
 * stem: of the others those that the paper has. */
static void candidates(const struct rn_net_outline *o, rn_net_try *try,
                       void *user)
{
    static const int growths[] = {12, 24, 40};
    char name[32];

    if (o->linears != 1)
        return;
    for (size_t i = 0; i < COUNT(archs); i++) {
        snprintf(name, sizeof(name), "densenet%d", archs[i].depth);
        if (o->three == layers_in_all(&archs[i].plan) &&
            o->convs == 2 * o->three + BLOCKS && try(user, name, 0, 0))
            return;
    }
    if (o->convs == 2 * o->three + 1 && has_compressed(o->convs + 1) &&
        o->width % 2 == 0 && o->width / 2 <= MOST_GROWN) {
        snprintf(name, sizeof(name), "densenet-bc-%d-%d", o->convs + 1,
                 o->width / 2);
        if (try(user, name, 0, 0))
            return;
    }
    if (o->convs != o->three + CIFAR_BLOCKS - 1 || !has_bare(o->convs + 1))
        return;
    for (size_t i = 0; i < COUNT(growths); i++) {
        snprintf(name, sizeof(name), "densenet-%d-%d", o->convs + 1,
                 growths[i]);
        if (try(user, name, 0, 0))
            return;
    }
}

/* Files of 2017 have "norm.1" for "norm1". */
static const struct rn_net_rule rules[] = {
    {"features.denseblock#.denselayer#.norm.#.",
     "features.denseblock#.denselayer#.norm#.", &rn_source_torchvision},
    {"features.denseblock#.denselayer#.conv.#.",
     "features.denseblock#.denselayer#.conv#.", &rn_source_torchvision},
    {NULL, NULL, NULL},
};

/* Dimensions of a layer's convolution, false where there is none. */
static bool conv_dims(const struct rn_net_tensors *t, const char *layer,
                      uint64_t dim[4])
{
    char name[NAME_SIZE + 16];

    snprintf(name, sizeof(name), "%s.weight", layer);
    return t->dims(t->user, name, dim) == 4;
}

/* The layers of block `b` that the file has. */
static int count_layers(const struct rn_net_tensors *t, int b)
{
    char name[NAME_SIZE];
    uint64_t dim[4];

    for (int i = 0;; i++) {
        snprintf(name, sizeof(name), "features.denseblock%d.denselayer%d.conv1",
                 b + 1, i + 1);
        if (!conv_dims(t, name, dim))
            return i;
    }
}

static bool same_plan(const struct plan *a, const struct plan *b)
{
    return memcmp(a->layers, b->layers, sizeof(a->layers)) == 0 &&
           a->growth == b->growth && a->stem == b->stem && a->neck == b->neck &&
           a->halve == b->halve && a->small == b->small;
}

/* The network of that plan; false where the family has none. */
static bool name_plan(const struct plan *p, char *name, size_t size)
{
    const int depth = CIFAR_BLOCKS + 1 + layers_in_all(p) * (p->neck ? 2 : 1);
    struct rn_net_spec spec = {0};

    for (size_t i = 0; i < COUNT(archs); i++)
        if (same_plan(&archs[i].plan, p)) {
            snprintf(name, size, "densenet%d", archs[i].depth);
            return true;
        }
    if (p->growth < 1 || p->growth > MOST_GROWN)
        return false;
    snprintf(name, size, "densenet-%s%d-%d", p->neck ? "bc-" : "", depth,
             p->growth);
    if (!parse(&spec, name))
        return false;
    const struct plan own = plan_of(&spec);
    return same_plan(&own, p);
}

static enum rn_net_claim recognise(struct rn_net_found *found,
                                   const struct rn_net_tensors *t,
                                   struct rn_error *err)
{
    uint64_t first[4], conv1[4], conv2[4], halved[4];
    struct plan p = {{0}, 0, 0, false, false, false};

    if (!conv_dims(t, "features.conv0", first) ||
        !conv_dims(t, "features.denseblock1.denselayer1.conv1", conv1))
        return RN_CLAIM_NONE;
    p.neck = conv_dims(t, "features.denseblock1.denselayer1.conv2", conv2);
    for (int b = 0; b < BLOCKS; b++)
        p.layers[b] = count_layers(t, b);
    p.growth = (int)((p.neck ? conv2[0] : conv1[0]) & 0xffff);
    p.stem = (int)(first[0] & 0xffff);
    p.small = first[2] == 3;
    p.halve = conv_dims(t, "features.transition1.conv", halved) &&
              halved[0] * 2 <= halved[1] + 1;
    if (name_plan(&p, found->net, sizeof(found->net))) {
        found->channels = first[1];
        return RN_CLAIM_FOUND;
    }
    rn_fail(err, RN_ERR_DATA,
            "'%s': names of a DenseNet, but none that is known here: blocks of "
            "%d, %d, %d and %d layers, growth %d, %d channels first",
            t->path, p.layers[0], p.layers[1], p.layers[2], p.layers[3],
            p.growth, p.stem);
    return RN_CLAIM_KIN;
}

static const char *const weights[] = {
    "features.conv0.weight", "features.denseblock#.denselayer#.conv#.weight",
    "features.transition#.conv.weight", NULL};

static const struct rn_net_habit habits[] = {
    {&rn_source_torchvision, 0, false, "torchvision"},
    {NULL, 0, false, NULL},
};

/* ------------------------------------------------------------------ whole */

const struct rn_family rn_family_densenet = {
    .name = "densenet",
    .listed = listed,
    .words = words,
    .parse = parse,
    .resolve = rn_net_no_options,
    .build = build,
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
