/* SPDX-License-Identifier: BSD-2-Clause */
/* Inception v3 (C. Szegedy et al. 2016), as torchvision has it. */
#include "core/count.h"
#include "nets/family.h"

#include <stdio.h>
#include <string.h>

#define CLASSES 1000
#define PIXELS  299
#define DEPTH   48
#define BN_EPS  1e-3f
#define DROPOUT 0.5f
#define HEAD    "fc"

#define AUX        "AuxLogits"
#define AUX_WEIGHT 0.4f /* as in the authors' code */

/* ------------------------------------------------------------------ tables */

/* What a convolution of a module reads: an earlier one of them, by number, or
 * one of these. */
enum { INPUT = -1, MEAN = -2 /* of 3x3 pixels of the input */ };
/* And channels that differ between modules of a kind. */
enum { POOLED = -1, SEVEN = -2 };

struct conv {
    const char *name; /* "branch1x1" */
    int from, channels;
    struct rn_window window;
    bool part; /* of the module's value */
};

#define ONE   RN_WINDOW(1, 1, 1, 0)
#define THREE RN_WINDOW(3, 3, 1, 1)
#define HALF  RN_WINDOW(3, 3, 2, 0) /* of stride 2 */
#define FIVE  RN_WINDOW(5, 5, 1, 2)
/* Of one row, or one column, of so many pixels. */
#define ROW(n)                                                             \
    {                                                                      \
        .kh = 1, .kw = (n), .stride = 1, .left = (n) / 2, .right = (n) / 2 \
    }
#define COLUMN(n)                                                          \
    {                                                                      \
        .kh = (n), .kw = 1, .stride = 1, .top = (n) / 2, .bottom = (n) / 2 \
    }

/* Figure 5, at 35x35 pixels. */
static const struct conv convs_a[] = {
    {"branch1x1", INPUT, 64, ONE, true},
    {"branch5x5_1", INPUT, 48, ONE, false},
    {"branch5x5_2", 1, 64, FIVE, true},
    {"branch3x3dbl_1", INPUT, 64, ONE, false},
    {"branch3x3dbl_2", 3, 96, THREE, false},
    {"branch3x3dbl_3", 4, 96, THREE, true},
    {"branch_pool", MEAN, POOLED, ONE, true},
};

/* From 35x35 to 17x17. */
static const struct conv convs_b[] = {
    {"branch3x3", INPUT, 384, HALF, true},
    {"branch3x3dbl_1", INPUT, 64, ONE, false},
    {"branch3x3dbl_2", 1, 96, THREE, false},
    {"branch3x3dbl_3", 2, 96, HALF, true},
};

/* Figure 6, at 17x17. */
static const struct conv convs_c[] = {
    {"branch1x1", INPUT, 192, ONE, true},
    {"branch7x7_1", INPUT, SEVEN, ONE, false},
    {"branch7x7_2", 1, SEVEN, ROW(7), false},
    {"branch7x7_3", 2, 192, COLUMN(7), true},
    {"branch7x7dbl_1", INPUT, SEVEN, ONE, false},
    {"branch7x7dbl_2", 4, SEVEN, COLUMN(7), false},
    {"branch7x7dbl_3", 5, SEVEN, ROW(7), false},
    {"branch7x7dbl_4", 6, SEVEN, COLUMN(7), false},
    {"branch7x7dbl_5", 7, 192, ROW(7), true},
    {"branch_pool", MEAN, POOLED, ONE, true},
};

/* From 17x17 to 8x8. */
static const struct conv convs_d[] = {
    {"branch3x3_1", INPUT, 192, ONE, false},
    {"branch3x3_2", 0, 320, HALF, true},
    {"branch7x7x3_1", INPUT, 192, ONE, false},
    {"branch7x7x3_2", 2, 192, ROW(7), false},
    {"branch7x7x3_3", 3, 192, COLUMN(7), false},
    {"branch7x7x3_4", 4, 192, HALF, true},
};

/* Figure 7, at 8x8. */
static const struct conv convs_e[] = {
    {"branch1x1", INPUT, 320, ONE, true},
    {"branch3x3_1", INPUT, 384, ONE, false},
    {"branch3x3_2a", 1, 384, ROW(3), true},
    {"branch3x3_2b", 1, 384, COLUMN(3), true},
    {"branch3x3dbl_1", INPUT, 448, ONE, false},
    {"branch3x3dbl_2", 4, 384, THREE, false},
    {"branch3x3dbl_3a", 5, 384, ROW(3), true},
    {"branch3x3dbl_3b", 5, 384, COLUMN(3), true},
    {"branch_pool", MEAN, POOLED, ONE, true},
};

enum { MOST_CONVS = COUNT(convs_c) };

#define KIND(list) (list), COUNT(list)

static const struct module {
    const char *name;
    const struct conv *convs;
    size_t count;
    int pooled, seven; /* channels */
    bool shrinks;      /* a pool of the input is the last part */
    bool headed;       /* the auxiliary head reads it */
} modules[] = {
    {"Mixed_5b", KIND(convs_a), 32, 0, false, false},
    {"Mixed_5c", KIND(convs_a), 64, 0, false, false},
    {"Mixed_5d", KIND(convs_a), 64, 0, false, false},
    {"Mixed_6a", KIND(convs_b), 0, 0, true, false},
    {"Mixed_6b", KIND(convs_c), 192, 128, false, false},
    {"Mixed_6c", KIND(convs_c), 192, 160, false, false},
    {"Mixed_6d", KIND(convs_c), 192, 160, false, false},
    {"Mixed_6e", KIND(convs_c), 192, 192, false, true},
    {"Mixed_7a", KIND(convs_d), 0, 0, true, false},
    {"Mixed_7b", KIND(convs_e), 192, 0, false, false},
    {"Mixed_7c", KIND(convs_e), 192, 0, false, false},
};

/* What precedes them, with pools behind the third and the last. */
static const struct conv stem[] = {
    {"Conv2d_1a_3x3", INPUT, 32, HALF, false},
    {"Conv2d_2a_3x3", INPUT, 32, RN_WINDOW(3, 3, 1, 0), false},
    {"Conv2d_2b_3x3", INPUT, 64, THREE, true},
    {"Conv2d_3b_1x1", INPUT, 80, ONE, false},
    {"Conv2d_4a_3x3", INPUT, 192, RN_WINDOW(3, 3, 1, 0), true},
};

static int channels_of(const struct module *m, const struct conv *c)
{
    return c->channels == POOLED  ? m->pooled
           : c->channels == SEVEN ? m->seven
                                  : c->channels;
}

/* ------------------------------------------------------------------ names */

static const struct rn_net_listed listed[] = {
    {"inception-v3", "Inception v3, 299x299; also inception_v3",
     "inception-v3"},
    {NULL, NULL, NULL},
};

static const struct rn_net_word words[] = {
    {"inception-v3", "", NULL, 0},
    {"inception_v3", "", NULL, 0},
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
    return word->text != NULL;
}

/* The name says it all. */
static const struct rn_net_attribute attributes[] = {{NULL, NULL, NULL, NULL}};

/* ----------------------------------------------------------------- layers */

#define NAME_SIZE 64

/* NAME.conv, NAME.bn and NAME.relu. */
static int conv(struct rn_graph *g, int x, const char *at, int channels,
                struct rn_window window)
{
    char name[NAME_SIZE];

    snprintf(name, sizeof(name), "%s.conv", at);
    x = rn_graph_conv(g, x, name, channels, window, false);
    snprintf(name, sizeof(name), "%s.bn", at);
    x = rn_graph_batch_norm(g, x, name);
    if (x >= 0)
        g->nodes[x].eps = BN_EPS;
    snprintf(name, sizeof(name), "%s.relu", at);
    return rn_graph_relu(g, x, name);
}

/* The mean counts the padding, as PyTorch's does. */
static int mean_around(struct rn_graph *g, int x, const char *name)
{
    const struct rn_pool_options pool = {.window = THREE,
                                         .count_padding = true};

    return rn_graph_avg_pool(g, x, name, &pool);
}

static int append_module(struct rn_graph *g, int x, const struct module *m)
{
    int made[MOST_CONVS], parts[MOST_CONVS], n = 0;
    char name[NAME_SIZE];

    for (size_t i = 0; i < m->count; i++) {
        const struct conv *c = &m->convs[i];
        int from = c->from >= 0 ? made[c->from] : x;

        if (c->from == MEAN) {
            snprintf(name, sizeof(name), "%s.pool", m->name);
            from = mean_around(g, x, name);
        }
        snprintf(name, sizeof(name), "%s.%s", m->name, c->name);
        made[i] = conv(g, from, name, channels_of(m, c), c->window);
        if (c->part)
            parts[n++] = made[i];
    }
    if (m->shrinks) {
        snprintf(name, sizeof(name), "%s.pool", m->name);
        parts[n++] = rn_graph_max_pool(g, x, name, (struct rn_window)HALF);
    }
    snprintf(name, sizeof(name), "%s.concat", m->name);
    return rn_graph_concat_all(g, parts, n, name);
}

static void append_aux(struct rn_graph *g, const struct rn_net_spec *spec,
                       int x, int output)
{
    const struct rn_pool_options pool = {.window = RN_WINDOW(5, 5, 3, 0)};
    const struct rn_window one = ONE, five = RN_WINDOW(5, 5, 1, 0);

    x = rn_graph_avg_pool(g, x, AUX ".pool", &pool);
    x = conv(g, x, AUX ".conv0", 128, one);
    x = conv(g, x, AUX ".conv1", 768, five);
    x = rn_graph_global_avg_pool(g, x, AUX ".avgpool");
    x = rn_graph_linear(g, x, AUX ".fc", spec->classes);
    rn_graph_add_aux(g, output,
                     &(struct rn_aux){.value = x, .weight = AUX_WEIGHT});
}

static int append_stem(struct rn_graph *g, int x)
{
    int pools = 0;

    for (size_t i = 0; i < COUNT(stem); i++) {
        char name[NAME_SIZE];

        x = conv(g, x, stem[i].name, stem[i].channels, stem[i].window);
        if (!stem[i].part)
            continue;
        snprintf(name, sizeof(name), "maxpool%d", ++pools);
        x = rn_graph_max_pool(g, x, name, (struct rn_window)HALF);
    }
    return x;
}

static void build(struct rn_graph *g, const struct rn_net_spec *spec)
{
    int x = rn_graph_input(g, spec->input), headed = -1, output;

    if (rn_net_is_unusual(spec)) {
        rn_fail(&g->error, RN_ERR_ARG,
                "it has one stem, and no activation but ReLU");
        return;
    }
    x = append_stem(g, x);
    for (size_t i = 0; i < COUNT(modules); i++) {
        x = append_module(g, x, &modules[i]);
        headed = modules[i].headed ? x : headed;
    }
    x = rn_graph_global_avg_pool(g, x, "avgpool");
    x = rn_graph_dropout(g, x, "dropout", DROPOUT);
    output = rn_graph_linear(g, x, HEAD, spec->classes);
    if (spec->aux)
        append_aux(g, spec, headed, output);
}

static bool has_aux(const struct rn_net_spec *spec)
{
    (void)spec;
    return true;
}

/* The convolutions that read none of the module's channels. */
static uint64_t least_floats(const struct rn_net_spec *spec)
{
    uint64_t floats = 0;

    (void)spec;
    for (size_t i = 0; i < COUNT(modules); i++)
        for (size_t k = 0; k < modules[i].count; k++) {
            const struct module *m = &modules[i];
            const struct conv *c = &m->convs[k];

            if (c->from >= 0)
                floats += (uint64_t)(c->window.kh * c->window.kw) *
                          (uint64_t)channels_of(m, c) *
                          (uint64_t)channels_of(m, &m->convs[c->from]);
        }
    return floats;
}

/* Names of the residual networks' stages, so that options fit both: by the
 * number in a layer's name. */
static const char *const stages[] = {"conv1", "conv2", "conv3", "conv4",
                                     "conv5", "fc",    NULL};
enum { LAST_STAGE = 5 };

/* The head learns as the classifier does. */
static int stage_of(const struct rn_net_spec *spec, const char *node)
{
    static const char *const parts[] = {"Conv2d_%d", "Mixed_%d"};
    int number;

    if (spec->family != &rn_family_inception)
        return -1;
    if (strcmp(node, HEAD) == 0 || strncmp(node, AUX, strlen(AUX)) == 0)
        return LAST_STAGE;
    if (sscanf(node, parts[0], &number) == 1)
        return number < 3 ? 0 : 1;
    return sscanf(node, parts[1], &number) == 1 ? number - 3 : -1;
}

/* ---------------------------------------------------- networks of others */

static void candidates(const struct rn_net_outline *o, rn_net_try *try,
                       void *user)
{
    size_t convs = COUNT(stem);

    for (size_t i = 0; i < COUNT(modules); i++)
        convs += modules[i].count;
    if (o->linears == 1 && o->convs == (int)convs)
        try(user, listed[0].name, 0, 0);
}

static const struct rn_net_rule rules[] = {{NULL, NULL, NULL}};

/* Whether the tensor is the weights of that convolution, of so many channels
 * that it reads, 0: of any number, which *from tells then. */
static bool is_conv(const struct rn_net_tensors *t, const char *at, int to,
                    const struct rn_window *w, uint64_t *from)
{
    char name[NAME_SIZE + 16];
    uint64_t dim[4];

    snprintf(name, sizeof(name), "%s.conv.weight", at);
    if (t->dims(t->user, name, dim) != 4 || dim[0] != (uint64_t)to ||
        (*from && dim[1] != *from) || dim[2] != (uint64_t)w->kh ||
        dim[3] != (uint64_t)w->kw)
        return false;
    *from = dim[1];
    return true;
}

static bool has_stem(const struct rn_net_tensors *t, uint64_t *channels)
{
    uint64_t from = 0;

    for (size_t i = 0; i < COUNT(stem); i++) {
        if (!is_conv(t, stem[i].name, stem[i].channels, &stem[i].window, &from))
            return false;
        if (i == 0)
            *channels = from;
        from = (uint64_t)stem[i].channels;
    }
    return true;
}

/* Whether its convolutions are there; *from is the channels it reads, then
 * those it makes. */
static bool has_module(const struct rn_net_tensors *t, const struct module *m,
                       uint64_t *from)
{
    uint64_t made = m->shrinks ? *from : 0;

    for (size_t i = 0; i < m->count; i++) {
        const struct conv *c = &m->convs[i];
        uint64_t of =
            c->from >= 0 ? (uint64_t)channels_of(m, &m->convs[c->from]) : *from;
        char at[NAME_SIZE];

        snprintf(at, sizeof(at), "%s.%s", m->name, c->name);
        if (!is_conv(t, at, channels_of(m, c), &c->window, &of))
            return false;
        made += c->part ? (uint64_t)channels_of(m, c) : 0;
    }
    *from = made;
    return true;
}

static enum rn_net_claim recognise(struct rn_net_found *found,
                                   const struct rn_net_tensors *t,
                                   struct rn_error *err)
{
    uint64_t from = (uint64_t)stem[COUNT(stem) - 1].channels;

    if (!has_stem(t, &found->channels))
        return RN_CLAIM_NONE;
    for (size_t i = 0; i < COUNT(modules); i++)
        if (!has_module(t, &modules[i], &from)) {
            rn_fail(err, RN_ERR_DATA,
                    "'%s': the first convolutions of Inception v3, but module "
                    "%s is missing or another",
                    t->path, modules[i].name);
            return RN_CLAIM_KIN;
        }
    snprintf(found->net, sizeof(found->net), "%s", listed[0].name);
    return RN_CLAIM_FOUND;
}

static const char *const weights[] = {
    "Conv2d_*.conv.weight", "Mixed_*.*.conv.weight", AUX ".*.conv.weight",
    AUX ".fc.weight", NULL};

/* torchvision's weights are for pixels from -1 to 1 (its transform_input). */
static const struct rn_net_habit habits[] = {
    {&rn_source_torchvision, 0, false, "inception-v3"},
    {NULL, 0, false, NULL},
};

/* ------------------------------------------------------------------ whole */

const struct rn_family rn_family_inception = {
    .name = "inception",
    .listed = listed,
    .words = words,
    .parse = parse,
    .resolve = rn_net_no_options,
    .build = build,
    .heeds = RN_HEEDS_NOTHING,
    .has_aux = has_aux,
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
