/* SPDX-License-Identifier: BSD-2-Clause */
#include "formats/torch/recognise.h"

#include "core/count.h"
#include "core/locale.h"
#include "core/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BLOCKS 100000
#define STAGES      4

const char *rn_source_name(enum rn_source source)
{
    static const char *const names[] = {
        [RN_SOURCE_TORCHVISION] = "torchvision's",
        [RN_SOURCE_AKAMASTER] = "akamaster/pytorch_resnet_cifar10's",
        [RN_SOURCE_TRANSFORMERS] = "Hugging Face Transformers'",
        [RN_SOURCE_MMPRETRAIN] = "MMPretrain's",
        [RN_SOURCE_STRUCTURE] = "its own",
    };

    return names[source];
}

/* ------------------------------------------------------------ renaming */

/* What wrappers put before every name. */
static const char *const wrappers[] = {"module.", "_orig_mod.", "model.",
                                       "net.", "resnet."};

/* Beginnings of names. In `from`, # is a number; in `to`, # is the next of
 * those numbers, + the next one plus 1. */
static const struct rule {
    const char *from, *to;
    enum rn_source source;
} rules[] = {
    {"linear.", "fc.", RN_SOURCE_AKAMASTER},
    {"layer#.#.shortcut.", "layer#.#.downsample.", RN_SOURCE_AKAMASTER},
    {"backbone.", "", RN_SOURCE_MMPRETRAIN},
    {"head.fc.", "fc.", RN_SOURCE_MMPRETRAIN},
    {"embedder.embedder.convolution.", "conv1.", RN_SOURCE_TRANSFORMERS},
    {"embedder.embedder.normalization.", "bn1.", RN_SOURCE_TRANSFORMERS},
    {"encoder.stages.#.layers.#.layer.#.convolution.", "layer+.#.conv+.",
     RN_SOURCE_TRANSFORMERS},
    {"encoder.stages.#.layers.#.layer.#.normalization.", "layer+.#.bn+.",
     RN_SOURCE_TRANSFORMERS},
    {"encoder.stages.#.layers.#.shortcut.convolution.",
     "layer+.#.downsample.0.", RN_SOURCE_TRANSFORMERS},
    {"encoder.stages.#.layers.#.shortcut.normalization.",
     "layer+.#.downsample.1.", RN_SOURCE_TRANSFORMERS},
    {"classifier.1.", "fc.", RN_SOURCE_TRANSFORMERS},
};

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static const char *unwrap(const char *name)
{
    for (size_t i = 0; i < COUNT(wrappers); i++) {
        if (starts_with(name, wrappers[i])) {
            name += strlen(wrappers[i]);
            i = (size_t)-1; /* from the first one again */
        }
    }
    return name;
}

/* What follows the part of a name that the pattern describes, or NULL; the
 * numbers in it. */
static const char *match(const char *name, const char *pattern,
                         unsigned long numbers[3])
{
    size_t n = 0;

    for (; *pattern; pattern++) {
        if (*pattern == '#') {
            char *end;

            if (!rn_is_digit(*name))
                return NULL;
            numbers[n++] = strtoul(name, &end, 10);
            name = end;
        } else if (*name++ != *pattern) {
            return NULL;
        }
    }
    return name;
}

/* The new name; false when it is too long. */
static bool apply(const struct rule *rule, const unsigned long numbers[3],
                  const char *rest, char *out, size_t size)
{
    size_t used = 0, n = 0;

    for (const char *c = rule->to; *c && used < size; c++) {
        if (*c == '#' || *c == '+')
            used += (size_t)snprintf(out + used, size - used, "%lu",
                                     numbers[n++] + (*c == '+'));
        else
            used += (size_t)snprintf(out + used, size - used, "%c", *c);
    }
    if (used < size)
        used += (size_t)snprintf(out + used, size - used, "%s", rest);
    return used < size;
}

/* What the names of all convolutions begin with, up to a point. */
static void find_shared(struct rn_recognised *r, const struct rn_state *state)
{
    size_t convs = 0;

    for (size_t i = 0; i < state->count; i++) {
        const char *name = state->tensors[i].name;
        size_t same = 0;

        if (state->tensors[i].dims != 4)
            continue;
        if (convs++ == 0) {
            r->shared = name;
            r->shared_size = strlen(name);
        }
        while (same < r->shared_size && name[same] == r->shared[same])
            same++;
        r->shared_size = same;
    }
    if (convs < 2)
        r->shared_size = 0;
    while (r->shared_size > 0 && r->shared[r->shared_size - 1] != '.')
        r->shared_size--;
}

const char *rn_bare_name(const struct rn_recognised *r, const char *name)
{
    if (r->shared_size > 0 && strncmp(name, r->shared, r->shared_size) == 0)
        name += r->shared_size;
    return unwrap(name);
}

/* Torchvision's name for a tensor, or the tensor's own; names too long for
 * any network are cut, and will be unexpected. */
static void rename_one(struct rn_recognised *r, struct rn_named_tensor *named)
{
    const char *name = rn_bare_name(r, named->tensor->name);

    for (size_t i = 0; i < COUNT(rules); i++) {
        unsigned long numbers[3];
        const char *rest = match(name, rules[i].from, numbers);

        if (rest &&
            apply(&rules[i], numbers, rest, named->name, sizeof(named->name))) {
            r->source = rules[i].source;
            return;
        }
    }
    snprintf(named->name, sizeof(named->name), "%s", name);
}

static int by_name(const void *a, const void *b)
{
    const struct rn_named_tensor *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static int fail_same(const struct rn_recognised *r, size_t i, const char *path,
                     struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': tensors '%.60s' and '%.60s' are the same in a "
                   "network",
                   path, r->tensors[i - 1].tensor->name,
                   r->tensors[i].tensor->name);
}

void rn_recognised_sort(struct rn_recognised *r)
{
    if (r->count > 0)
        qsort(r->tensors, r->count, sizeof(*r->tensors), by_name);
}

int rn_rename(struct rn_recognised *r, const struct rn_state *state,
              struct rn_names_map *map, struct rn_error *err)
{
    memset(r, 0, sizeof(*r));
    find_shared(r, state);
    r->tensors = rn_alloc(state->count, sizeof(*r->tensors));
    if (!r->tensors)
        return rn_fail_memory(err, state->count * sizeof(*r->tensors),
                              "a list of tensors");
    for (; r->count < state->count; r->count++) {
        struct rn_named_tensor *t = &r->tensors[r->count];

        t->tensor = &state->tensors[r->count];
        t->mapped = map && rn_names_map_apply(map, t->tensor->name, t->name,
                                              sizeof(t->name));
        if (!t->mapped)
            rename_one(r, t);
    }
    rn_recognised_sort(r);
    for (size_t i = 1; i < r->count; i++)
        if (by_name(&r->tensors[i - 1], &r->tensors[i]) == 0)
            return fail_same(r, i, state->path, err);
    return RN_OK;
}

void rn_recognised_free(struct rn_recognised *r)
{
    rn_free(r->tensors);
    memset(r, 0, sizeof(*r));
}

static int name_to_tensor(const void *name, const void *tensor)
{
    return strcmp(name, ((const struct rn_named_tensor *)tensor)->name);
}

const struct rn_state_tensor *rn_renamed(const struct rn_recognised *r,
                                         const char *name)
{
    const struct rn_named_tensor *found =
        r->count == 0 ? NULL
                      : bsearch(name, r->tensors, r->count, sizeof(*r->tensors),
                                name_to_tensor);

    return found ? found->tensor : NULL;
}

/* ------------------------------------------------------- other networks */

/* Beginnings of names that other networks have, both in a file, and which
 * those are. What several have in common is told as that. */
static const struct {
    const char *start, *also, *what;
} others[] = {
    {"features.denseblock1.", "", "DenseNet"},
    {"features.0.0.", "features.1.conv.", "torchvision's MobileNetV2"},
    {"features.0.0.", "features.1.block.", "torchvision's MobileNetV3"},
    {"features.0.0.", "features.1.0.block.",
     "torchvision's EfficientNet and ConvNeXt"},
    {"features.0.", "classifier.", "VGG, AlexNet and SqueezeNet"},
    {"inception3a.", "", "GoogLeNet"},
    {"Mixed_5b.", "", "Inception"},
    {"mixed_5b.", "", "Inception"},
    {"Conv2d_1a_3x3.", "", "Inception"},
    {"stem.", "trunk_output.", "torchvision's RegNet"},
    {"stem.", "s1.b1.", "timm's RegNet"},
    {"stem.", "stages.0.blocks.", "timm's ConvNeXt and pre-activation ResNet"},
    {"conv_stem.", "blocks.0.", "timm's EfficientNet and MobileNet"},
    {"patch_embed.", "blocks.0.", "vision transformers"},
    {"patch_embed.", "layers.0.", "Swin transformers"},
    {"conv_proj.", "encoder.", "vision transformers"},
    {"layer1.0.se.", "", "squeeze-and-excitation ResNet"},
};

/* One whose name begins so, here or in the file. */
static const struct rn_named_tensor *find_start(const struct rn_recognised *r,
                                                const char *start)
{
    for (size_t i = 0; i < r->count; i++)
        if (starts_with(r->tensors[i].name, start) ||
            starts_with(unwrap(r->tensors[i].tensor->name), start))
            return &r->tensors[i];
    return NULL;
}

static int fail_other(struct rn_recognised *r, const char *path,
                      struct rn_error *err)
{
    for (size_t i = 0; i < COUNT(others); i++)
        if ((r->other = find_start(r, others[i].start) &&
                        find_start(r, others[i].also)))
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': its tensors have names of %s ('%s…'), which "
                           "are not among the networks known here",
                           path, others[i].what, others[i].start);
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': %zu tensors, the first called '%.60s', are of no "
                   "network known here",
                   path, r->count,
                   r->count ? r->tensors[0].tensor->name : "nothing");
}

/* --------------------------------------------------------- recognition */

/* What the shapes of a residual network tell. */
struct anatomy {
    uint64_t stem[4]; /* of conv1.weight, or the first of three */
    bool deep;        /* three it is */
    bool pooled;      /* shortcuts whose convolution is not the first */
    int blocks[STAGES + 1];
    int stages;
    uint64_t conv1[4], conv2[4]; /* of layer1.0 */
    int projections, all;        /* blocks with one, and all of them */
};

/* The shape of a tensor of so many dimensions; false without one. */
static bool get_dims(const struct rn_recognised *r, const char *name, int dims,
                     uint64_t *out)
{
    const struct rn_state_tensor *t = rn_renamed(r, name);

    if (!t || t->dims != dims || t->count == 0)
        return false;
    memcpy(out, t->dim, (size_t)dims * sizeof(*out));
    return true;
}

static bool has_in_block(const struct rn_recognised *r, int stage, int block,
                         const char *tensor)
{
    char name[64];

    snprintf(name, sizeof(name), "layer%d.%d.%s", stage, block, tensor);
    return rn_renamed(r, name) != NULL;
}

static void count_blocks(const struct rn_recognised *r, struct anatomy *a)
{
    while (a->stages <= STAGES &&
           has_in_block(r, a->stages + 1, 0, "conv1.weight")) {
        int *n = &a->blocks[a->stages++];

        while (*n < MOST_BLOCKS &&
               has_in_block(r, a->stages, *n, "conv1.weight")) {
            a->projections +=
                has_in_block(r, a->stages, *n, "downsample.0.weight") ||
                has_in_block(r, a->stages, *n, "downsample.2.weight");
            a->all++;
            ++*n;
        }
        if (a->stages > STAGES)
            break;
    }
}

/* 6n + 2 layers of the CIFAR family, or 0. */
static int cifar_depth(const struct rn_recognised *r, const struct anatomy *a)
{
    bool equal = a->blocks[0] == a->blocks[1] && a->blocks[1] == a->blocks[2];

    if (r->bottleneck || a->stages != 3 || !equal || a->stem[0] != 16 ||
        a->stem[2] != 3 || a->stem[3] != 3)
        return 0;
    return 6 * a->blocks[0] + 2;
}

/* Layers of one of table 1's networks, or 0. */
static int imagenet_depth(const struct rn_recognised *r,
                          const struct anatomy *a)
{
    uint64_t channels = a->deep ? 32 : 64;
    bool known = a->stem[2] == 3 || (a->stem[2] == 7 && !a->deep);

    if (a->stages != STAGES || a->stem[0] != channels || !known ||
        a->stem[3] != a->stem[2])
        return 0;
    return rn_net_imagenet_layers(a->blocks, r->bottleneck);
}

static int fail_family(const struct rn_recognised *r, const struct anatomy *a,
                       const char *path, struct rn_error *err)
{
    char blocks[64] = "";

    for (int i = 0; i < a->stages; i++)
        snprintf(blocks + strlen(blocks), sizeof(blocks) - strlen(blocks),
                 "%s%d", i ? ", " : "", a->blocks[i]);
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': a residual network of %s %s blocks behind a "
                   "convolution of %llu %llux%llu filters is none known here",
                   path, blocks, r->bottleneck ? "bottleneck" : "basic",
                   (unsigned long long)a->stem[0],
                   (unsigned long long)a->stem[2],
                   (unsigned long long)a->stem[3]);
}

/* Whether the last stage is eight times as wide as the first. Any width may be
 * made up in a small file; that tensor is a good part of the network. */
static bool widens(const struct rn_recognised *r, const struct anatomy *a)
{
    uint64_t last[4];

    return get_dims(r, "layer4.0.conv2.weight", 4, last) &&
           last[0] / 8 == a->conv2[0] && last[1] / 8 == a->conv2[1];
}

/* What stands before and behind the layers' number, as the first block's 3x3
 * tells: "resnext" and "_32x4d", "wide_resnet" and "_2". False when it is no
 * such thing. */
static bool name_width(const struct rn_recognised *r, const struct anatomy *a,
                       const char **word, char *tail, size_t size)
{
    uint64_t width = a->conv1[0], groups;

    *word = "resnet";
    *tail = '\0';
    if (!r->bottleneck || !r->imagenet)
        return a->conv2[1] == width;
    if (a->conv2[1] == 0 || width % a->conv2[1] != 0)
        return false;
    groups = width / a->conv2[1];
    if (groups == 1 && width == 64)
        return true;
    if (groups > 1) {
        *word = "resnext";
        snprintf(tail, size, "_%" PRIu64 "x%" PRIu64 "d", groups, a->conv2[1]);
    } else {
        *word = "wide_resnet";
        snprintf(tail, size, "_%" PRIu64, width / 64);
    }
    return (groups > 1 || width % 64 == 0) && widens(r, a);
}

/* A stem's part of the name, which ResNeXt and wide ones have not got. */
static const char *name_stem(const struct anatomy *a)
{
    if (a->deep)
        return a->pooled ? "d" : "c";
    return a->stages == STAGES && a->stem[2] == 3 ? "-3x3" : "";
}

static int set_name(struct rn_recognised *r, const struct anatomy *a,
                    const char *path, struct rn_error *err)
{
    const char *word;
    char tail[48];
    int depth = cifar_depth(r, a);

    r->imagenet = depth == 0;
    if (depth == 0)
        depth = imagenet_depth(r, a);
    if (depth == 0)
        return fail_family(r, a, path, err);
    r->small = r->imagenet && !a->deep && a->stem[2] == 3;
    if (!name_width(r, a, &word, tail, sizeof(tail)) ||
        (*tail && *name_stem(a)) ||
        snprintf(r->net, sizeof(r->net), "%s%s%d%s",
                 !r->imagenet && rn_net_imagenet_depth(depth) ? "cifar-" : "",
                 word, depth,
                 *tail ? tail : name_stem(a)) >= (int)sizeof(r->net))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': a residual network whose blocks' 3x3 have %llu "
                       "filters of %llu channels, which none here has",
                       path, (unsigned long long)a->conv2[0],
                       (unsigned long long)a->conv2[1]);
    return RN_OK;
}

/* ---------------------------------------------------------- classifier */

/* Whether the tensor is a layer's weight, a matrix; *length is that of the
 * layer's name. */
static bool is_matrix(const struct rn_named_tensor *t, size_t *length)
{
    static const char end[] = ".weight";
    size_t n = strlen(t->name), k = sizeof(end) - 1;

    if (t->mapped || t->tensor->dims != 2 || t->tensor->count == 0 || n <= k ||
        strcmp(t->name + n - k, end) != 0)
        return false;
    *length = n - k;
    return true;
}

/* The layer of that name becomes fc. */
static void rename_head(struct rn_recognised *r, const char *layer,
                        size_t length)
{
    char name[sizeof(r->tensors->name)];

    snprintf(name, sizeof(name), "%.*s.", (int)length, layer);
    for (size_t i = 0; i < r->count; i++) {
        char *old = r->tensors[i].name, rest[sizeof(name)];

        if (!starts_with(old, name))
            continue;
        snprintf(rest, sizeof(rest), "%s", old + length + 1);
        snprintf(old, sizeof(r->tensors[i].name), "fc.%.90s", rest);
    }
    rn_recognised_sort(r);
}

/* Under whatever name: the only matrix. None at all is a backbone. */
static int find_head(struct rn_recognised *r, const char *path,
                     struct rn_error *err)
{
    const struct rn_named_tensor *head = NULL;
    char name[sizeof(head->name)];
    size_t length = 0, n;

    for (size_t i = 0; i < r->count; i++) {
        if (!is_matrix(&r->tensors[i], &n))
            continue;
        if (head)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': a %s with several linear layers ('%.60s' and "
                           "'%.60s'), one expected: fc",
                           path, r->net, head->tensor->name,
                           r->tensors[i].tensor->name);
        head = &r->tensors[i];
        length = n;
    }
    r->headless = !head;
    if (!head)
        return RN_OK;
    snprintf(name, sizeof(name), "%s", head->name);
    rename_head(r, name, length);
    for (size_t i = 1; i < r->count; i++)
        if (by_name(&r->tensors[i - 1], &r->tensors[i]) == 0)
            return fail_same(r, i, path, err);
    return RN_OK;
}

/* The longest list of fields a network may have in int. */
static bool to_int(uint64_t value, int *out)
{
    *out = value <= INT32_MAX ? (int)value : INT32_MAX;
    return value <= INT32_MAX;
}

int rn_recognise(struct rn_recognised *r, const struct rn_state *state,
                 struct rn_error *err)
{
    struct anatomy a = {0};
    uint64_t fc[2];
    const char *path = state->path;

    count_blocks(r, &a);
    a.deep = get_dims(r, "conv1.0.weight", 4, a.stem) &&
             rn_renamed(r, "conv1.6.weight");
    a.pooled = has_in_block(r, 2, 0, "downsample.2.weight");
    if ((!a.deep && !get_dims(r, "conv1.weight", 4, a.stem)) || a.stages < 2 ||
        a.stages > STAGES ||
        !get_dims(r, "layer1.0.conv1.weight", 4, a.conv1) ||
        !get_dims(r, "layer1.0.conv2.weight", 4, a.conv2) ||
        find_start(r, "layer1.0.se."))
        return fail_other(r, path, err);
    r->known = true;
    r->bottleneck = has_in_block(r, 1, 0, "conv3.weight");
    int rc = set_name(r, &a, path, err);
    if (rc)
        return rc;
    r->shortcut = a.projections == 0 ? 'A' : a.projections == a.all ? 'C' : 'B';
    if (!rn_renamed(r, "fc.weight"))
        rc = find_head(r, path, err);
    if (rc)
        return rc;
    if (r->headless)
        fc[0] = 0;
    else if (!get_dims(r, "fc.weight", 2, fc))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': a %s without its classifier: fc.weight is "
                       "no matrix",
                       path, r->net);
    if (!to_int(a.stem[1], &r->channels) || !to_int(fc[0], &r->classes))
        return rn_fail(err, RN_ERR_DATA, "'%s': a %s of too many channels",
                       path, r->net);
    return RN_OK;
}

bool rn_recognised_stranger(const struct rn_recognised *r)
{
    static const char *const known[] = {"conv1.weight", "conv1.#.weight",
                                        "layer#.#.conv#.weight",
                                        "layer#.#.downsample.#.weight"};

    for (size_t i = 0; i < r->count; i++) {
        bool found = r->tensors[i].tensor->dims != 4;

        for (size_t k = 0; k < COUNT(known) && !found; k++) {
            unsigned long numbers[3];
            const char *rest = match(r->tensors[i].name, known[k], numbers);

            found = rest && *rest == '\0';
        }
        if (!found)
            return true;
    }
    return false;
}
