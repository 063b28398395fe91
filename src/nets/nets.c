/* SPDX-License-Identifier: BSD-2-Clause */
#include "nets/nets.h"

#include "core/count.h"
#include "core/locale.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_CLASSES   65535
#define MOST_CHANNELS  65535
#define MOST_PIXELS    65535 /* a side */
#define MOST_DEPTH     99998 /* of the CIFAR family */
#define STANDARD_WIDTH 64    /* of bottlenecks' 3x3 in conv2_x */
#define NEAR_EDITS     2     /* a word further off is another word */
#define WORD_SIZE      24

static const struct {
    const char *name, *description;
} known[] = {
    {"resnet{6n+2}", "CIFAR ResNet of 8, 14, 20, ... layers, 32x32"},
    {"plain{6n+2}", "the same without shortcuts"},
    {"cifar-resnet{6n+2}", "the same as resnet{6n+2}, for 50 and 152 layers"},
    {"resnet18", "ImageNet ResNet, basic blocks, 224x224"},
    {"resnet34", "ImageNet ResNet, basic blocks, 224x224"},
    {"resnet50", "ImageNet ResNet, bottleneck blocks, 224x224"},
    {"resnet101", "ImageNet ResNet, bottleneck blocks, 224x224"},
    {"resnet152", "ImageNet ResNet, bottleneck blocks, 224x224"},
    {"resnext50_32x4d", "ResNeXt: bottlenecks' 3x3 in 32 groups of 4 channels"},
    {"resnext101_32x8d", "the same in 32 groups of 8; other numbers do, too"},
    {"resnext101_64x4d", "the same in 64 groups of 4"},
    {"wide_resnet50_2", "resnet50 with 3x3 of twice as many channels"},
    {"wide_resnet101_2", "resnet101 likewise"},
    {"resnet50c", "resnet50 with three 3x3 in place of the 7x7, as timm's"},
    {"resnet50d", "and means of 2x2 in shortcuts that shrink"},
    {"resnetaa50", "resnet50 whose strides are means of 2x2 (timm's; d, too)"},
    {"resnetblur50", "resnet50 with a blur before every stride, likewise"},
    {"resnet18-3x3", "resnet18 for small pictures: 3x3 and no pool first"},
    {"plain18", "resnet18 without shortcuts"},
    {"plain34", "resnet34 without shortcuts"},
};

static const struct family {
    const char *name;
    int classes, pixels;
    char shortcut;
    void (*build)(struct rn_graph *g, const struct rn_net_spec *spec);
} families[] = {
    {"cifar", 10, 32, 'A', rn_net_build_cifar},
    {"imagenet", 1000, 224, 'B', rn_net_build_imagenet},
};

/* What a name may start with, before the number of layers, and what follows
 * that: torchvision's names. */
static const struct word {
    const char *text;
    bool plain;
    bool cifar;                                  /* only that family */
    enum { NOTHING, STEM, GROUPS, FACTOR } tail; /* "", "d", "_32x4d", "_2" */
    const char *usual;                           /* such a tail */
    enum rn_antialias antialias;                 /* only ImageNet's have one */
} words[] = {
    {"resnetaa", false, false, STEM, "", RN_ANTIALIAS_MEAN},
    {"resnetblur", false, false, STEM, "", RN_ANTIALIAS_BLUR},
    {"resnet", false, false, STEM, "", RN_ANTIALIAS_NONE},
    {"plain", true, false, NOTHING, "", RN_ANTIALIAS_NONE},
    {"cifar-resnet", false, true, NOTHING, "", RN_ANTIALIAS_NONE},
    {"cifar-plain", true, true, NOTHING, "", RN_ANTIALIAS_NONE},
    {"resnext", false, false, GROUPS, "_32x4d", RN_ANTIALIAS_NONE},
    {"wide_resnet", false, false, FACTOR, "_2", RN_ANTIALIAS_NONE},
};

static const struct {
    const char *tail;
    enum rn_stem stem;
    bool pooled;
} stems[] = {
    {"", RN_STEM_7X7, false},
    {"c", RN_STEM_DEEP, false},
    {"d", RN_STEM_DEEP, true},
    {"-3x3", RN_STEM_3X3, false},
};

/* The family that has such a network of so many layers, or NULL. ImageNet's
 * go first: 50 and 152 are 6n + 2 as well. */
static const struct family *find_family(const struct word *word, int depth)
{
    bool bottleneck = rn_net_imagenet_bottleneck(depth);

    if (word->antialias != RN_ANTIALIAS_NONE)
        return rn_net_imagenet_depth(depth) ? &families[1] : NULL;
    if (word->tail == GROUPS || word->tail == FACTOR)
        return bottleneck ? &families[1] : NULL;
    if (!word->cifar && rn_net_imagenet_depth(depth) &&
        !(word->plain && bottleneck))
        return &families[1];
    if (depth >= 8 && depth <= MOST_DEPTH && depth % 6 == 2)
        return &families[0];
    return NULL;
}

/* -------------------------------------------------------- suggestions */

/* Insertions, deletions and replacements that turn a into b; both are
 * shorter than WORD_SIZE. */
static int edit_distance(const char *a, const char *b)
{
    int row[WORD_SIZE];
    int length = (int)strlen(b);

    for (int j = 0; j <= length; j++)
        row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int diagonal = row[0];

        row[0] = i;
        for (int j = 1; j <= length; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[length];
}

/* Letters up to the first digit, lower case; false when too long. */
static bool first_word(const char *name, char word[WORD_SIZE])
{
    size_t i;

    for (i = 0; name[i] && !rn_is_digit(name[i]); i++) {
        if (i + 1 >= WORD_SIZE)
            return false;
        word[i] = rn_lower(name[i]);
    }
    word[i] = '\0';
    return true;
}

static const struct word *nearest_word(const char *text)
{
    const struct word *best = NULL;
    int best_edits = NEAR_EDITS + 1;

    for (size_t i = 0; i < COUNT(words); i++) {
        int edits = edit_distance(text, words[i].text);

        if (edits < best_edits) {
            best_edits = edits;
            best = &words[i];
        }
    }
    return best;
}

/* The smaller one of two as near. */
static int nearest_depth(const struct word *word, int depth)
{
    for (int d = 0; d <= MOST_DEPTH; d++) {
        if (find_family(word, depth - d))
            return depth - d;
        if (find_family(word, depth + d))
            return depth + d;
    }
    return 8;
}

/* The number in a name, at most MOST_DEPTH; 20 where there is none. */
static int wanted_depth(const char *digits)
{
    long depth;

    if (!*digits)
        return 20;
    depth = strtol(digits, NULL, 10);
    return depth < MOST_DEPTH ? (int)depth : MOST_DEPTH;
}

const char *rn_net_suggest(const char *name, char *buf, size_t size)
{
    char text[WORD_SIZE];
    const struct word *word;
    int length;

    if (!name || !buf || !first_word(name, text))
        return NULL;
    word = nearest_word(text);
    if (!word)
        return NULL;
    length = snprintf(buf, size, "%s%d%s", word->text,
                      nearest_depth(word, wanted_depth(name + strlen(text))),
                      word->usual);
    return length > 0 && (size_t)length < size ? buf : NULL;
}

const char *rn_net_name(size_t i, const char **description)
{
    if (i >= COUNT(known))
        return NULL;
    if (description)
        *description = known[i].description;
    return known[i].name;
}

/* ---------------------------------------------------------- resolving */

void rn_net_defaults(struct rn_net_options *options)
{
    memset(options, 0, sizeof(*options));
}

static int fail_unknown(const char *name, struct rn_error *err)
{
    char buf[64];
    const char *near = rn_net_suggest(name, buf, sizeof(buf));

    if (near)
        return rn_fail(err, RN_ERR_ARG,
                       "unknown network '%.60s', did you mean '%s'?", name,
                       near);
    return rn_fail(err, RN_ERR_ARG,
                   "unknown network '%.60s', expected resnet or plain and a "
                   "number of layers, as in 'resnet20'",
                   name);
}

/* A number of at most so many digits without zeros in front; what follows it,
 * or NULL without one. */
static const char *read_number(const char *text, size_t digits, int *out)
{
    size_t length = text ? strspn(text, "0123456789") : 0;

    if (length == 0 || length > digits || *text == '0')
        return NULL;
    *out = atoi(text);
    return text + length;
}

static const char *skip(const char *text, char c)
{
    return text && *text == c ? text + 1 : NULL;
}

static const char *read_stem(const char *tail, struct rn_net_spec *spec)
{
    for (size_t i = 0; i < COUNT(stems); i++)
        if (strcmp(tail, stems[i].tail) == 0) {
            spec->stem = stems[i].stem;
            spec->pooled = stems[i].pooled;
            return tail + strlen(tail);
        }
    return NULL;
}

/* What follows the number of layers, to the end of the name. */
static bool read_tail(const struct word *word, const char *tail,
                      struct rn_net_spec *spec)
{
    spec->groups = 1;
    spec->width = STANDARD_WIDTH;
    if (word->tail == GROUPS) {
        tail = read_number(skip(tail, '_'), 3, &spec->groups);
        tail = read_number(skip(tail, 'x'), 3, &spec->width);
        tail = skip(tail, 'd');
    } else if (word->tail == STEM) {
        tail = read_stem(tail, spec);
    } else if (word->tail == FACTOR) {
        tail = read_number(skip(tail, '_'), 1, &spec->width);
        spec->width *= STANDARD_WIDTH;
    }
    return tail && !*tail;
}

/* Split "resnet20"; NULL unless it is one of words[], plain digits and its
 * tail. */
static const struct word *parse_name(const char *name, struct rn_net_spec *spec)
{
    for (size_t i = 0; i < COUNT(words); i++) {
        size_t length = strlen(words[i].text);
        const char *tail;

        if (strncmp(name, words[i].text, length) != 0)
            continue;
        tail = read_number(name + length, 5, &spec->depth);
        return tail && read_tail(&words[i], tail, spec) ? &words[i] : NULL;
    }
    return NULL;
}

/* `wanted` when given, else the default; within 1..most. */
static int pick(int *out, int wanted, int standard, int most, const char *what,
                struct rn_error *err)
{
    *out = wanted ? wanted : standard;
    if (*out >= 1 && *out <= most)
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG, "%s is %d, expected 1 to %d", what, *out,
                   most);
}

static int resolve_sizes(struct rn_net_spec *spec, const struct family *family,
                         const struct rn_net_options *o, struct rn_error *err)
{
    /* A stem for small pictures goes with CIFAR's. */
    const struct family *usual =
        spec->stem == RN_STEM_3X3 ? &families[0] : family;
    int rc = pick(&spec->classes, o->classes, usual->classes, MOST_CLASSES,
                  "number of classes", err);

    if (rc == RN_OK)
        rc = pick(&spec->input.c, o->channels, 3, MOST_CHANNELS,
                  "number of input channels", err);
    if (rc == RN_OK)
        rc = pick(&spec->input.h, o->height, usual->pixels, MOST_PIXELS,
                  "image height", err);
    if (rc == RN_OK)
        rc = pick(&spec->input.w, o->width, spec->input.h, MOST_PIXELS,
                  "image width", err);
    return rc;
}

const char *rn_shortcut_name(char shortcut)
{
    static const struct {
        char letter;
        const char *name;
    } names[] = {{'A', "A"}, {'a', "A-split"}, {'B', "B"}, {'C', "C"}};

    for (size_t i = 0; i < COUNT(names); i++)
        if (names[i].letter == shortcut)
            return names[i].name;
    return NULL;
}

static int resolve_shortcut(struct rn_net_spec *spec,
                            const struct family *family, char wanted,
                            struct rn_error *err)
{
    if (spec->plain) {
        spec->shortcut = '-';
        if (!wanted || wanted == '-')
            return RN_OK;
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' has no shortcuts, but shortcut option '%c' was "
                       "given",
                       spec->name, wanted);
    }
    spec->shortcut = wanted ? wanted : family->shortcut;
    if (rn_shortcut_name(spec->shortcut))
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG, "shortcut option '%c', expected A, B or C",
                   wanted);
}

static int resolve_stride(struct rn_net_spec *spec, int v1,
                          struct rn_error *err)
{
    spec->stride_v1 = v1 != 0;
    if (v1 && spec->antialias != RN_ANTIALIAS_NONE)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' shrinks behind its 3x3, but the v1 stride was "
                       "given",
                       spec->name);
    if (!v1 || (strcmp(spec->family, "imagenet") == 0 &&
                rn_net_imagenet_bottleneck(spec->depth)))
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG,
                   "'%s' has no bottleneck blocks, but their v1 stride was "
                   "given",
                   spec->name);
}

int rn_net_resolve(struct rn_net_spec *spec, const char *name,
                   const struct rn_net_options *options, struct rn_error *err)
{
    struct rn_net_options defaults;
    const struct family *family;
    const struct word *word;
    int rc;

    memset(spec, 0, sizeof(*spec));
    if (!name)
        return rn_fail(err, RN_ERR_ARG, "no network named");
    rn_net_defaults(&defaults);
    if (!options)
        options = &defaults;
    word = parse_name(name, spec);
    family = word ? find_family(word, spec->depth) : NULL;
    if (!family || strlen(name) >= sizeof(spec->name) ||
        (spec->stem != RN_STEM_7X7 && family != &families[1]))
        return fail_unknown(name, err);

    spec->plain = word->plain;
    spec->antialias = word->antialias;
    snprintf(spec->name, sizeof(spec->name), "%s", name);
    snprintf(spec->family, sizeof(spec->family), "%s", family->name);
    rc = resolve_sizes(spec, family, options, err);
    if (rc == RN_OK)
        rc = resolve_shortcut(spec, family, options->shortcut, err);
    if (rc == RN_OK)
        rc = resolve_stride(spec, options->stride_v1, err);
    return rc;
}

const char *rn_stem_pool_name(enum rn_stem_pool pool)
{
    static const char *const names[] = {NULL,       "none", "max",
                                        "max-ceil", "mean", "blur"};

    return (size_t)pool < COUNT(names) ? names[pool] : NULL;
}

const char *rn_activation_name(enum rn_activation activation)
{
    static const char *const names[] = {"relu", "relu6", "leaky-relu", "silu"};

    return (size_t)activation < COUNT(names) ? names[activation] : NULL;
}

bool rn_net_is_unusual(const struct rn_net_spec *spec)
{
    return spec->stem_stride || spec->first_stride ||
           spec->stem_pool != RN_STEM_POOL_USUAL ||
           spec->activation != RN_ACTIVATION_RELU;
}

int rn_net_build(struct rn_graph **out, const struct rn_net_spec *spec,
                 struct rn_error *err)
{
    struct rn_graph *g = rn_graph_create();
    int rc;

    *out = NULL;
    if (!g)
        return rn_fail_memory(err, sizeof(*g), spec->name);
    for (size_t i = 0; i < COUNT(families); i++)
        if (strcmp(families[i].name, spec->family) == 0)
            families[i].build(g, spec);
    if (g->n_nodes == 0 && g->error.code == RN_OK)
        rn_fail(&g->error, RN_ERR_ARG, "unknown family '%s'", spec->family);
    rc = g->error.code;
    if (rc != RN_OK) {
        rn_fail(err, rc, "%s: %.400s", spec->name, g->error.msg);
        rn_graph_destroy(g);
        return rc;
    }
    *out = g;
    return RN_OK;
}

void rn_net_of_graph(struct rn_net_spec *spec, const char *name,
                     const struct rn_graph *g)
{
    memset(spec, 0, sizeof(*spec));
    snprintf(spec->name, sizeof(spec->name), "%.31s", name);
    snprintf(spec->family, sizeof(spec->family), RN_FAMILY_GRAPH);
    for (size_t i = 0; i < g->n_nodes; i++)
        spec->depth +=
            g->nodes[i].op == RN_OP_CONV || g->nodes[i].op == RN_OP_LINEAR;
    spec->shortcut = '-';
    spec->classes = g->nodes[g->output].shape.c;
    spec->input = g->nodes[0].shape;
}
