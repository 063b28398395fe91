/* SPDX-License-Identifier: BSD-2-Clause */
/* Gives tensors torchvision's names by a table of patterns, and finds the
 * network by their shapes. */
#include "formats/torch/recognise.h"

#include "core/count.h"
#include "core/locale.h"
#include "core/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------ renaming */

/* What wrappers put before every name. */
static const char *const wrappers[] = {"module.", "_orig_mod.", "model.",
                                       "net.", "resnet."};

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
        } else if (*pattern == '*') {
            size_t part = strcspn(name, ".");

            if (part == 0)
                return NULL;
            name += part;
        } else if (*name++ != *pattern) {
            return NULL;
        }
    }
    return name;
}

/* The new name; false when it is too long. */
static bool apply(const struct rn_net_rule *rule,
                  const unsigned long numbers[3], const char *rest, char *out,
                  size_t size)
{
    size_t used = 0, n = 0;

    for (const char *c = rule->to; *c && used < size; c++) {
        if (*c == '#' || *c == '+' || *c == '-')
            used += (size_t)snprintf(out + used, size - used, "%lu",
                                     numbers[n++] + (*c == '+') - (*c == '-'));
        else
            used += (size_t)snprintf(out + used, size - used, "%c", *c);
    }
    if (used < size)
        used += (size_t)snprintf(out + used, size - used, "%s", rest);
    return used < size;
}

/* Whether names of a family's own weights begin so: "features.". */
static bool is_ours(const char *part, size_t length)
{
    const struct rn_family *family;

    for (size_t i = 0; (family = rn_family_at(i)); i++)
        for (const char *const *weight = family->weights; *weight; weight++)
            if (strncmp(*weight, part, length) == 0)
                return true;
    return false;
}

/* Leave off the last part of what is shared, "b." of "a.b.". */
static void cut_part(struct rn_recognised *r)
{
    do {
        r->shared_size--;
    } while (r->shared_size > 0 && r->shared[r->shared_size - 1] != '.');
}

/* What the names of all convolutions begin with, up to a point, and ours do
 * not. */
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
    if (r->shared_size > 0 && r->shared[r->shared_size - 1] != '.')
        cut_part(r);
    if (r->shared_size == 0)
        return;
    size_t whole = r->shared_size;
    cut_part(r);
    if (!is_ours(r->shared + r->shared_size, whole - r->shared_size))
        r->shared_size = whole;
}

const char *rn_bare_name(const struct rn_recognised *r, const char *name)
{
    if (r->shared_size > 0 && strncmp(name, r->shared, r->shared_size) == 0)
        name += r->shared_size;
    return unwrap(name);
}

/* Whether the file has a name of those that the source's all have. */
static bool is_by(const struct rn_net_source *source,
                  const struct rn_recognised *r, const struct rn_state *state)
{
    for (size_t i = 0; source->mark && i < state->count; i++)
        if (starts_with(rn_bare_name(r, state->tensors[i].name), source->mark))
            return true;
    return !source->mark;
}

/* By the rules of a family, if one of them is for that name. */
static bool rename_by(const struct rn_net_rule *rules, const char *name,
                      const struct rn_state *state, struct rn_recognised *r,
                      struct rn_named_tensor *named)
{
    for (const struct rn_net_rule *rule = rules; rule->from; rule++) {
        unsigned long numbers[3];
        const char *rest = match(name, rule->from, numbers);

        if (rest && is_by(rule->source, r, state) &&
            apply(rule, numbers, rest, named->name, sizeof(named->name))) {
            r->source = rule->source;
            return true;
        }
    }
    return false;
}

/* Torchvision's name for a tensor, or the tensor's own; names too long for
 * any network are cut, and will be unexpected. */
static void rename_one(struct rn_recognised *r, const struct rn_state *state,
                       struct rn_named_tensor *named)
{
    const char *name = rn_bare_name(r, named->tensor->name);
    const struct rn_family *family;

    for (size_t i = 0; (family = rn_family_at(i)); i++)
        if (rename_by(family->rules, name, state, r, named))
            return;
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

/* By name, no two the same. */
static int sort_apart(struct rn_recognised *r, const char *path,
                      struct rn_error *err)
{
    rn_recognised_sort(r);
    for (size_t i = 1; i < r->count; i++)
        if (by_name(&r->tensors[i - 1], &r->tensors[i]) == 0)
            return fail_same(r, i, path, err);
    return RN_OK;
}

static int begin_names(struct rn_recognised *r, const struct rn_state *state,
                       struct rn_error *err)
{
    memset(r, 0, sizeof(*r));
    r->source = &rn_source_torchvision;
    r->tensors = rn_alloc(state->count, sizeof(*r->tensors));
    return r->tensors ? RN_OK
                      : rn_fail_memory(err, state->count * sizeof(*r->tensors),
                                       "a list of tensors");
}

int rn_rename_none(struct rn_recognised *r, const struct rn_state *state,
                   struct rn_error *err)
{
    int rc = begin_names(r, state, err);

    for (; rc == RN_OK && r->count < state->count; r->count++) {
        struct rn_named_tensor *t = &r->tensors[r->count];

        t->tensor = &state->tensors[r->count];
        snprintf(t->name, sizeof(t->name), "%s", t->tensor->name);
    }
    return rc ? rc : sort_apart(r, state->path, err);
}

int rn_rename(struct rn_recognised *r, const struct rn_state *state,
              struct rn_names_map *map, struct rn_error *err)
{
    int rc = begin_names(r, state, err);

    if (rc != RN_OK)
        return rc;
    find_shared(r, state);
    for (; r->count < state->count; r->count++) {
        struct rn_named_tensor *t = &r->tensors[r->count];

        t->tensor = &state->tensors[r->count];
        t->mapped = map && rn_names_map_apply(map, t->tensor->name, t->name,
                                              sizeof(t->name));
        if (!t->mapped)
            rename_one(r, state, t);
    }
    return sort_apart(r, state->path, err);
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
    {"features.0.0.", "features.1.conv.", "torchvision's MobileNetV2"},
    {"features.0.0.", "features.1.block.", "torchvision's MobileNetV3"},
    {"features.0.0.", "features.1.0.block.",
     "torchvision's EfficientNet and ConvNeXt"},
    {"features.0.", "classifier.", "SqueezeNet and small VGGs"},
    {"Mixed_5b.", "", "Inception"},
    {"mixed_5b.", "", "Inception"},
    {"Conv2d_1a_3x3.", "", "Inception"},
    {"stem.", "trunk_output.", "torchvision's RegNet"},
    {"stem.", "s1.b1.", "timm's RegNet"},
    {"stem.", "stages.0.blocks.",
     "timm's ConvNeXt and pre-activation ResNets of another stem"},
    {"conv_stem.", "blocks.0.", "timm's EfficientNet and MobileNet"},
    {"patch_embed.", "blocks.0.", "vision transformers"},
    {"patch_embed.", "layers.0.", "Swin transformers"},
    {"conv_proj.", "encoder.", "vision transformers"},
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

/* The layer of that name becomes the network's own. */
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
        snprintf(old, sizeof(r->tensors[i].name), "%.20s.%.75s",
                 r->network.family->head, rest);
    }
    rn_recognised_sort(r);
}

/* Whether it is a weight before the head by its name. */
static bool is_inner(const struct rn_family *family, const char *name)
{
    for (const char *const *weight = family->weights; *weight; weight++) {
        unsigned long numbers[3];
        const char *rest = match(name, *weight, numbers);

        if (rest && *rest == '\0')
            return true;
    }
    return false;
}

/* Under whatever name: the only matrix. None at all is a backbone. */
static int find_head(struct rn_recognised *r, const char *path,
                     struct rn_error *err)
{
    const struct rn_family *family = r->network.family;
    const struct rn_named_tensor *head = NULL;
    char name[sizeof(head->name)];
    size_t length = 0, n;

    for (size_t i = 0; i < r->count; i++) {
        if (!is_matrix(&r->tensors[i], &n) ||
            is_inner(family, r->tensors[i].name))
            continue;
        if (head)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': a %s with several linear layers ('%.60s' and "
                           "'%.60s'), one expected: %s",
                           path, r->network.net, head->tensor->name,
                           r->tensors[i].tensor->name, family->head);
        head = &r->tensors[i];
        length = n;
    }
    r->headless = !head;
    if (!head)
        return RN_OK;
    snprintf(name, sizeof(name), "%s", head->name);
    rename_head(r, name, length);
    return sort_apart(r, path, err);
}

/* The longest list of fields a network may have in int. */
static bool to_int(uint64_t value, int *out)
{
    *out = value <= INT32_MAX ? (int)value : INT32_MAX;
    return value <= INT32_MAX;
}

/* Whether the head's weight is what the network's is. */
static bool is_classifier(const struct rn_recognised *r,
                          const struct rn_state_tensor *weight)
{
    if (!weight || !r->network.conv_head)
        return weight && rn_state_is_matrix(weight);
    return weight->dims == 4 && weight->count > 0;
}

/* The classes, which are the rows of the head's weight. */
static int read_head(struct rn_recognised *r, const char *path,
                     struct rn_error *err)
{
    const char *head = r->network.family->head;
    const struct rn_state_tensor *weight;
    char name[64];
    int rc = RN_OK;

    snprintf(name, sizeof(name), "%s.weight", head);
    if (!rn_renamed(r, name))
        rc = find_head(r, path, err);
    if (rc)
        return rc;
    weight = rn_renamed(r, name);
    if (!r->headless && !is_classifier(r, weight))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': a %s without its classifier: %s is no %s", path,
                       r->network.net, name,
                       r->network.conv_head ? "convolution's" : "matrix");
    if (!to_int(r->network.channels, &r->channels) ||
        !to_int(r->headless ? 0 : weight->dim[0], &r->classes))
        return rn_fail(err, RN_ERR_DATA, "'%s': a %s of too many channels",
                       path, r->network.net);
    return RN_OK;
}

/* --------------------------------------------------------- recognition */

static int dims_of(const void *user, const char *name, uint64_t dim[4])
{
    const struct rn_state_tensor *t = rn_renamed(user, name);

    if (!t)
        return -1;
    for (int i = 0; i < 4 && i < t->dims; i++)
        dim[i] = t->dim[i];
    return t->dims;
}

static bool begins(const void *user, const char *start)
{
    return find_start(user, start) != NULL;
}

/* The family that claims the tensors; else the error is of the one that came
 * nearest. */
static enum rn_net_claim ask_families(struct rn_recognised *r,
                                      const struct rn_net_tensors *tensors,
                                      struct rn_error *err)
{
    enum rn_net_claim best = RN_CLAIM_NONE;
    const struct rn_family *family;

    for (size_t i = 0; (family = rn_family_at(i)); i++) {
        struct rn_net_found found = {.family = family};
        struct rn_error why = {0};
        enum rn_net_claim claim = family->recognise(&found, tensors, &why);

        if (claim <= best)
            continue;
        best = claim;
        r->network = found;
        if (claim == RN_CLAIM_FOUND)
            break;
        rn_fail(err, why.code, "%s", why.msg);
    }
    return best;
}

/* By the rules of the network found, whose names are nobody else's but in
 * part. */
static int rename_found(struct rn_recognised *r, const struct rn_state *state,
                        struct rn_error *err)
{
    for (size_t i = 0; r->network.rules && i < r->count; i++) {
        struct rn_named_tensor *t = &r->tensors[i];
        char name[sizeof(t->name)];

        snprintf(name, sizeof(name), "%s", t->name);
        if (!t->mapped)
            rename_by(r->network.rules, name, state, r, t);
    }
    return sort_apart(r, state->path, err);
}

int rn_recognise(struct rn_recognised *r, const struct rn_state *state,
                 struct rn_error *err)
{
    const struct rn_net_tensors tensors = {.user = r,
                                           .source = r->source,
                                           .dims = dims_of,
                                           .begins = begins,
                                           .path = state->path};
    struct rn_error why = {0};
    enum rn_net_claim claim = ask_families(r, &tensors, &why);

    if (claim == RN_CLAIM_NONE)
        return fail_other(r, state->path, err);
    r->known = true;
    if (claim != RN_CLAIM_FOUND)
        return rn_fail(err, why.code, "%s", why.msg);
    int rc = rename_found(r, state, err);
    return rc ? rc : read_head(r, state->path, err);
}

static bool is_head(const struct rn_family *family, const char *name)
{
    size_t n = strlen(family->head);

    return strncmp(name, family->head, n) == 0 &&
           strcmp(name + n, ".weight") == 0;
}

bool rn_recognised_stranger(const struct rn_recognised *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->tensors[i].tensor->dims == 4 &&
            !is_inner(r->network.family, r->tensors[i].name) &&
            !is_head(r->network.family, r->tensors[i].name))
            return true;
    return false;
}
