/* SPDX-License-Identifier: BSD-2-Clause */
/* The family of DenseNets: G. Huang et al. 2017, table 1 for ImageNet, as
 * torchvision has them, and section 4.2 for CIFAR under the same names; and
 * those of any four blocks for small pictures, as kuangliu/pytorch-cifar has
 * them. Each layer of a dense block reads the values of all before it, side by
 * side. */
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
#define SHRINKS       8   /* times, by the transitions between four blocks */
#define LAST_WINDOW   4   /* pixels, of the mean behind four small blocks */
#define MOST_SIDE     255 /* pixels of a map that the last layer reads */

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
    {"densenet-bc-{a}x{b}x{c}x{d}-{k}",
     "of four blocks of so many layers, as kuangliu's, 32x32",
     "densenet-bc-6x12x24x16-12"},
    {NULL, NULL, NULL},
};

enum { IMAGENET, BARE, COMPRESSED, FOUR };

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

/* spec->variant is IMAGENET for those; of the others this. */
static int variant_of(int growth, int kind)
{
    return 4 * growth + kind;
}

static int kind_of(const struct rn_net_spec *spec)
{
    return spec->variant % 4;
}

/* "densenet-bc-6x12x24x16-12" */
static bool read_four(struct plan *p, const char *name)
{
    static const char start[] = "densenet-bc-";
    const char *at = name + strlen(start);

    *p = (struct plan){.neck = true, .halve = true, .small = true};
    if (strncmp(name, start, strlen(start)) != 0)
        return false;
    for (int b = 0; at && b < BLOCKS; b++) {
        const char after = b < BLOCKS - 1 ? 'x' : '-';

        at = rn_net_read_number(at, 3, &p->layers[b]);
        at = at && *at == after && p->layers[b] <= MOST_LAYERS ? at + 1 : NULL;
    }
    at = rn_net_read_number(at, 3, &p->growth);
    p->stem = 2 * p->growth;
    return at && !*at;
}

static int layers_in_all(const struct plan *p)
{
    int layers = 0;

    for (int b = 0; b < BLOCKS; b++)
        layers += p->layers[b];
    return layers;
}

static bool parse(struct rn_net_spec *spec, const char *name)
{
    const char *tail;
    int growth;
    const struct rn_net_word *word =
        rn_net_read_word(words, name, &spec->depth, &tail);
    struct plan four;

    if (read_four(&four, name)) {
        spec->classes = CIFAR_CLASSES;
        spec->input = (struct rn_shape){3, CIFAR_PIXELS, CIFAR_PIXELS};
        spec->depth = 2 * layers_in_all(&four) + BLOCKS + 1;
        spec->variant = variant_of(four.growth, FOUR);
        return true;
    }
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
    const int growth = spec->variant / 4;
    const bool compressed = kind_of(spec) == COMPRESSED;
    const int layers = (spec->depth - 4) / CIFAR_BLOCKS / (compressed ? 2 : 1);
    struct plan four;

    if (kind_of(spec) == IMAGENET)
        return find_arch(spec->depth)->plan;
    if (kind_of(spec) == FOUR && read_four(&four, spec->name))
        return four;
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

/* The mean of all pixels; behind four small blocks of windows, whose pixels
 * the last layer reads: of one where the pictures are CIFAR's. */
static int mean(struct rn_graph *g, const struct rn_net_spec *spec, int x)
{
    const struct rn_pool_options windows = {
        .window = RN_WINDOW(LAST_WINDOW, LAST_WINDOW, LAST_WINDOW, 0)};

    return kind_of(spec) == FOUR ? rn_graph_avg_pool(g, x, "avgpool", &windows)
                                 : rn_graph_global_avg_pool(g, x, "avgpool");
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
    x = mean(g, spec, x);
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
        return kind_of(spec) == BARE || kind_of(spec) == COMPRESSED
                   ? CIFAR_BLOCKS
                   : BLOCKS;
    return strncmp(node, "features.", strlen("features.")) == 0 &&
                   strcmp(node, "features.pool0") != 0
               ? 0
               : -1;
}

/* ---------------------------------------------------- networks of others */

/* Of the CIFAR networks only the compressed ones tell their growth, by their
 * stem: of the others those that the paper has. */
static void candidates(const struct rn_net_outline *o, rn_net_try *try,
                       void *user)
{
    static const int growths[] = {12, 24, 40};
    char name[48];

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

static const struct rn_net_source rn_source_kuangliu = {
    "kuangliu/pytorch-cifar's", NULL};

/* kuangliu's, of whom others have conv1 and linear, too. */
static const struct rn_net_rule kuangliu[] = {
    {"conv1.", "features.conv0.", &rn_source_kuangliu},
    {"dense#.#.bn#.", "features.denseblock#.denselayer+.norm#.",
     &rn_source_kuangliu},
    {"dense#.#.conv#.", "features.denseblock#.denselayer+.conv#.",
     &rn_source_kuangliu},
    {"trans#.bn.", "features.transition#.norm.", &rn_source_kuangliu},
    {"trans#.conv.", "features.transition#.conv.", &rn_source_kuangliu},
    {"bn.", "features.norm5.", &rn_source_kuangliu},
    {NULL, NULL, NULL},
};

/* What tells the network: the names of the first convolution, of those of layer
 * i of a block, the first of which has that number, and of a transition. */
struct names {
    const char *stem, *layer, *transition;
    int first;
};
static const struct names own_names = {
    "features.conv0", "features.denseblock%d.denselayer%d.conv%d",
    "features.transition1.conv", 1};
static const struct names kuangliu_names = {"conv1", "dense%d.%d.conv%d",
                                            "trans1.conv", 0};

/* Dimensions of a layer's convolution, false where there is none. */
static bool conv_dims(const struct rn_net_tensors *t, const char *layer,
                      uint64_t dim[4])
{
    char name[NAME_SIZE + 16];

    snprintf(name, sizeof(name), "%s.weight", layer);
    return t->dims(t->user, name, dim) == 4;
}

/* Those of convolution `conv` of layer i of block b. */
static bool layer_dims(const struct rn_net_tensors *t, const struct names *n,
                       int b, int i, int conv, uint64_t dim[4])
{
    char name[NAME_SIZE];

    snprintf(name, sizeof(name), n->layer, b + 1, i + n->first, conv);
    return conv_dims(t, name, dim);
}

/* The layers of block `b` that the file has. */
static int count_layers(const struct rn_net_tensors *t, const struct names *n,
                        int b)
{
    uint64_t dim[4];
    int i = 0;

    while (layer_dims(t, n, b, i, 1, dim))
        i++;
    return i;
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
    const int *n = p->layers;
    struct rn_net_spec spec = {0};

    for (size_t i = 0; i < COUNT(archs); i++)
        if (same_plan(&archs[i].plan, p)) {
            snprintf(name, size, "densenet%d", archs[i].depth);
            return true;
        }
    if (p->growth < 1 || p->growth > MOST_GROWN)
        return false;
    if (n[BLOCKS - 1])
        snprintf(name, size, "densenet-bc-%dx%dx%dx%d-%d", n[0], n[1], n[2],
                 n[3], p->growth);
    else
        snprintf(name, size, "densenet-%s%d-%d", p->neck ? "bc-" : "", depth,
                 p->growth);
    if (!parse(&spec, name))
        return false;
    snprintf(spec.name, sizeof(spec.name), "%s", name);
    const struct plan own = plan_of(&spec);
    return same_plan(&own, p);
}

/* Channels behind the last block. */
static int last_channels(const struct plan *p)
{
    int channels = p->stem;

    for (int b = 0; b < BLOCKS && p->layers[b]; b++) {
        if (b > 0 && p->halve)
            channels /= 2;
        channels += p->layers[b] * p->growth;
    }
    return channels;
}

/* The least side of pictures behind whose four small blocks the last layer, an
 * only matrix of this name, reads as much as in the file; 0 where it fits
 * none. */
static int least_pixels(const struct plan *p, const struct rn_net_tensors *t,
                        const char *head)
{
    uint64_t dim[4];

    if (t->dims(t->user, head, dim) != 2)
        return 0;
    for (uint64_t side = 1; side <= MOST_SIDE; side++)
        if (side * side * (uint64_t)last_channels(p) == dim[1])
            return (int)side * LAST_WINDOW * SHRINKS;
    return 0;
}

/* kuangliu's layers put what is new before what they read, so that all of a
 * block lies the other way round. */
static bool turned(const struct rn_net_spec *spec, const char *param,
                   struct rn_net_parts *parts)
{
    const struct plan p = plan_of(spec);
    int b, i, length = 0;

    if (sscanf(param, "features.denseblock%d.denselayer%d.%n", &b, &i,
               &length) == 2 &&
        length) {
        if (!strstr(param, ".norm1.") && !strstr(param, ".conv1."))
            return false;
        parts->count = i - 1;
    } else if (sscanf(param, "features.transition%d.", &b) == 1) {
        parts->count = p.layers[b - 1];
    } else if (strncmp(param, "features.norm5.", 15) == 0 ||
               strcmp(param, HEAD ".weight") == 0) {
        b = p.layers[BLOCKS - 1] ? BLOCKS : CIFAR_BLOCKS;
        parts->count = p.layers[b - 1];
    } else {
        return false;
    }
    parts->each = p.growth;
    parts->first = p.stem;
    for (int k = 0; k < b - 1; k++)
        parts->first =
            (parts->first + p.layers[k] * p.growth) / (p.halve ? 2 : 1);
    return true;
}

static enum rn_net_claim recognise(struct rn_net_found *found,
                                   const struct rn_net_tensors *t,
                                   struct rn_error *err)
{
    uint64_t first[4], conv1[4], conv2[4], halved[4];
    struct plan p = {{0}, 0, 0, false, false, false};
    const struct names *n = &own_names;

    if (layer_dims(t, &kuangliu_names, 0, 0, 1, conv1)) {
        n = &kuangliu_names;
        found->rules = kuangliu;
        found->turned = turned;
    }
    if (!conv_dims(t, n->stem, first) || !layer_dims(t, n, 0, 0, 1, conv1))
        return RN_CLAIM_NONE;
    p.neck = layer_dims(t, n, 0, 0, 2, conv2);
    for (int b = 0; b < BLOCKS; b++)
        p.layers[b] = count_layers(t, n, b);
    p.growth = (int)((p.neck ? conv2[0] : conv1[0]) & 0xffff);
    p.stem = (int)(first[0] & 0xffff);
    p.small = first[2] == 3;
    p.halve =
        conv_dims(t, n->transition, halved) && halved[0] * 2 <= halved[1] + 1;
    if (name_plan(&p, found->net, sizeof(found->net))) {
        found->channels = first[1];
        if (p.small && p.layers[BLOCKS - 1])
            found->pixels = least_pixels(
                &p, t, n == &own_names ? HEAD ".weight" : "fc.weight");
        return RN_CLAIM_FOUND;
    }
    rn_fail(err, RN_ERR_DATA,
            "'%s': names of a DenseNet, but none that is known here: blocks of "
            "%d, %d, %d and %d layers, growth %d, %d channels first",
            t->path, p.layers[0], p.layers[1], p.layers[2], p.layers[3],
            p.growth, p.stem);
    return RN_CLAIM_KIN;
}

/* Pictures of some more pixels leave maps of the same size. */
static void unsure(const struct rn_net_spec *spec,
                   const struct rn_net_found *found,
                   const struct rn_net_given *given, rn_net_say *say,
                   void *user)
{
    char text[200];

    (void)spec;
    if (found->pixels <= CIFAR_PIXELS || given->size)
        return;
    snprintf(text, sizeof(text),
             "pictures taken to be %dx%d: its last layer fits sides of %d to "
             "%d; shapes do not tell: --size says otherwise",
             found->pixels, found->pixels, found->pixels,
             found->pixels + LAST_WINDOW * SHRINKS - 1);
    say(user, text);
}

static const char *const weights[] = {
    "features.conv0.weight", "features.denseblock#.denselayer#.conv#.weight",
    "features.transition#.conv.weight", NULL};

static const struct rn_net_habit habits[] = {
    {&rn_source_torchvision, 0, false, "torchvision"},
    {&rn_source_kuangliu, 0, false, "cifar"},
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
    .unsure = unsure,
};
