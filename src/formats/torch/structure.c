/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads a network off its tensors where their names are not known: order and
 * channels must leave no doubt. */
#include "formats/torch/structure.h"

#include "core/count.h"
#include "core/locale.h"
#include "core/memory.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PARTS 3 /* convolutions of a block */
#define STEM       3 /* of the deepest stem */

enum kind { CONV, NORM, LINEAR };

/* A layer: its tensors' common name, without ".weight". */
struct layer {
    enum kind kind;
    const char *name;
    size_t length;
    const struct rn_state_tensor *weight;
    struct layer *other; /* a convolution's batch norm, and the reverse */
    char ours[40];       /* torchvision's name, once it is known */
};

struct structure {
    const struct rn_state *state;
    struct layer *layers; /* in the file's order */
    size_t count;
    struct layer **convs, **norms; /* likewise; convs in the order tried */
    size_t n_convs, n_norms;
    struct layer *head;
    bool sorted; /* the file's order is that of names */
    /* Words in names of sorted convolutions, digits being #. */
    char words[RN_STRUCTURE_WORDS][RN_STRUCTURE_WORD + 1];
    size_t n_words;
    /* How far the best attempt came. */
    size_t reached;
};

/* -------------------------------------------------------------- layers */

/* The tensor NAME.PART of a layer. */
static const struct rn_state_tensor *
part_of(const struct structure *s, const struct layer *l, const char *part)
{
    char name[RN_STATE_NAME + 20];

    snprintf(name, sizeof(name), "%.*s%s%s", (int)l->length, l->name,
             l->length ? "." : "", part);
    return rn_state_find(s->state, name);
}

static bool is_vector(const struct rn_state_tensor *t, uint64_t count)
{
    return t && t->dims == 1 && t->count == count && count > 0;
}

/* The layer whose weight that is; false for a tensor of none. */
static bool make_layer(const struct structure *s,
                       const struct rn_state_tensor *t, struct layer *l)
{
    static const char weight[] = "weight";
    size_t n = strlen(t->name), k = sizeof(weight) - 1;

    if (n < k || strcmp(t->name + n - k, weight) != 0 || t->count == 0 ||
        (n > k && t->name[n - k - 1] != '.'))
        return false;
    *l = (struct layer){
        .name = t->name, .length = n > k ? n - k - 1 : 0, .weight = t};
    if (t->dims == 4)
        l->kind = CONV;
    else if (t->dims == 2)
        l->kind = LINEAR;
    else if (is_vector(t, t->count) &&
             is_vector(part_of(s, l, "bias"), t->count) &&
             is_vector(part_of(s, l, "running_mean"), t->count) &&
             is_vector(part_of(s, l, "running_var"), t->count))
        l->kind = NORM;
    else
        return false;
    return true;
}

static int by_order(const void *a, const void *b)
{
    const struct layer *x = a, *y = b;

    return (x->weight->order > y->weight->order) -
           (x->weight->order < y->weight->order);
}

static int find_layers(struct structure *s, struct rn_error *err)
{
    size_t n = s->state->count;

    s->layers = rn_alloc(n, sizeof(*s->layers));
    s->convs = rn_alloc(n, sizeof(*s->convs));
    s->norms = rn_alloc(n, sizeof(*s->norms));
    if (!s->layers || !s->convs || !s->norms)
        return rn_fail_memory(err, n * sizeof(*s->layers), "layers");
    for (size_t i = 0; i < n; i++)
        if (make_layer(s, &s->state->tensors[i], &s->layers[s->count]))
            s->count++;
    if (s->count > 0)
        qsort(s->layers, s->count, sizeof(*s->layers), by_order);
    for (size_t i = 0; i < s->count; i++) {
        struct layer *l = &s->layers[i];

        if (l->kind == CONV)
            s->convs[s->n_convs++] = l;
        else if (l->kind == NORM)
            s->norms[s->n_norms++] = l;
    }
    if (s->n_convs > RN_STRUCTURE_CONVS || s->n_norms > RN_STRUCTURE_CONVS)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': %zu convolutions and %zu batch norms under "
                       "unknown names, at most %d of each expected",
                       s->state->path, s->n_convs, s->n_norms,
                       RN_STRUCTURE_CONVS);
    return RN_OK;
}

/* --------------------------------------------------------------- names */

/* Length of the part of a name up to the next point. */
static size_t part_length(const char *name, const char *end)
{
    const char *point = memchr(name, '.', (size_t)(end - name));

    return (size_t)((point ? point : end) - name);
}

/* The word of a part: numbers become #. False when it is too long. */
static bool word_of(const char *part, size_t length,
                    char word[RN_STRUCTURE_WORD + 1])
{
    size_t n = 0, i = 0;

    for (; i < length && n < RN_STRUCTURE_WORD; i++) {
        bool digit = rn_is_digit(part[i]);

        if (!digit)
            word[n++] = part[i];
        else if (n == 0 || word[n - 1] != '#')
            word[n++] = '#';
    }
    word[n] = '\0';
    return i == length;
}

/* Parts are compared by their words, which must be whole for that. */
static int check_words(const struct structure *s, struct rn_error *err)
{
    for (size_t i = 0; i < s->count; i++) {
        const char *at = s->layers[i].name, *end = at + s->layers[i].length;

        while (at < end) {
            char word[RN_STRUCTURE_WORD + 1];
            size_t n = part_length(at, end);

            if (!word_of(at, n, word))
                return rn_fail(err, RN_ERR_DATA,
                               "'%s': names are not known, and the part "
                               "'%s…' of one is longer than %d characters",
                               s->state->path, word, RN_STRUCTURE_WORD);
            at += n + (at + n < end);
        }
    }
    return RN_OK;
}

/* The order of the first numbers in which two parts of one word differ. */
static int compare_numbers(const char *a, const char *b, size_t length)
{
    const char *end = a + length;

    while (a < end) {
        char *next_a, *next_b;

        if (!rn_is_digit(*a) || !rn_is_digit(*b)) {
            a++;
            b++;
            continue;
        }
        unsigned long x = strtoul(a, &next_a, 10), y = strtoul(b, &next_b, 10);
        if (x != y)
            return x < y ? -1 : 1;
        a = next_a;
        b = next_b;
    }
    return 0;
}

/* Where two names part: the order of their numbers, or, with *words true, the
 * two words, whose order nothing tells. */
static int compare_names(const struct layer *a, const struct layer *b,
                         bool *words, char word_a[RN_STRUCTURE_WORD + 1],
                         char word_b[RN_STRUCTURE_WORD + 1])
{
    const char *x = a->name, *x_end = x + a->length;
    const char *y = b->name, *y_end = y + b->length;

    *words = false;
    while (x < x_end && y < y_end) {
        size_t m = part_length(x, x_end), n = part_length(y, y_end);

        word_of(x, m, word_a);
        word_of(y, n, word_b);
        *words = strcmp(word_a, word_b) != 0;
        int order = *words ? 0 : compare_numbers(x, y, m);
        if (*words || order)
            return order;
        x += m + (x + m < x_end);
        y += n + (y + n < y_end);
    }
    return (x < x_end) - (y < y_end);
}

/* Whether the layers' names are in the order of their bytes: a file whose
 * tensors are sorted, which tells nothing of the network's order. */
static bool is_sorted(const struct structure *s)
{
    for (size_t i = 1; i < s->count; i++)
        if (strcmp(s->layers[i - 1].weight->name, s->layers[i].weight->name) >
            0)
            return false;
    return true;
}

static bool add_word(struct structure *s, const char *word)
{
    for (size_t i = 0; i < s->n_words; i++)
        if (strcmp(s->words[i], word) == 0)
            return true;
    if (s->n_words == RN_STRUCTURE_WORDS)
        return false;
    snprintf(s->words[s->n_words++], sizeof(s->words[0]), "%s", word);
    return true;
}

/* In a sorted file, the words between which the order is to be found; else
 * numbers must not speak against the file's order. */
static int check_names(struct structure *s, struct rn_error *err)
{
    char a[RN_STRUCTURE_WORD + 1], b[RN_STRUCTURE_WORD + 1];
    bool words;

    for (size_t i = 0; i < s->n_convs; i++)
        for (size_t k = i + 1; k < s->n_convs; k++) {
            int order = compare_names(s->convs[i], s->convs[k], &words, a, b);

            if (s->sorted && words && (!add_word(s, a) || !add_word(s, b)))
                return rn_fail(err, RN_ERR_DATA,
                               "'%s': its tensors are sorted by names that "
                               "are not known, and have too many words (%s, "
                               "%s, …) for their order to be found: --map "
                               "FILE says which is which",
                               s->state->path, a, b);
            if (!s->sorted && order > 0)
                return rn_fail(err, RN_ERR_DATA,
                               "'%s': names are not known, and by its numbers "
                               "'%.60s' follows '%.60s', but not in the file: "
                               "--map FILE says which is which",
                               s->state->path, s->convs[i]->weight->name,
                               s->convs[k]->weight->name);
        }
    return RN_OK;
}

/* --------------------------------------------------------------- pairs */

/* The next number in a name, from *at on, which moves behind it; -1 without
 * one. That of "conv2d" is none, nor are those of "3x3". */
static long next_number(const char **at, const char *end)
{
    while (*at < end) {
        char *next;

        if (!rn_is_digit(**at)) {
            ++*at;
            continue;
        }
        unsigned long number = strtoul(*at, &next, 10);
        *at = next;
        if (next < end && *next == 'x' && next + 1 < end &&
            rn_is_digit(next[1])) {
            while (*at < end && (**at == 'x' || rn_is_digit(**at)))
                ++*at;
            continue;
        }
        if (next == end || *next != 'd')
            return (long)(number & LONG_MAX);
    }
    return -1;
}

/* Whether two names have the same numbers from a place on. */
static bool same_numbers(const char *a, const char *a_end, const char *b,
                         const char *b_end)
{
    for (;;) {
        long x = next_number(&a, a_end), y = next_number(&b, b_end);

        if (x != y)
            return false;
        if (x < 0)
            return true;
    }
}

/* Characters that two names have in common, from a place on, at their ends. */
static size_t same_end(const struct layer *a, const struct layer *b, size_t n)
{
    size_t same = 0;

    while (same + n < a->length && same + n < b->length &&
           a->name[a->length - 1 - same] == b->name[b->length - 1 - same])
        same++;
    return same;
}

/* Likewise at their beginnings. */
static size_t same_start(const struct layer *a, const struct layer *b, size_t n)
{
    size_t at = n;

    while (at < a->length && at < b->length && a->name[at] == b->name[at])
        at++;
    return at - n;
}

static bool share_numbers(const struct layer *a, const struct layer *b,
                          size_t n)
{
    return same_numbers(a->name + n, a->name + a->length, b->name + n,
                        b->name + b->length);
}

/* Whether names tell which batch norm is which convolution's: the k-th and no
 * other has the k-th's numbers, or more of its beginning or end than others. */
static bool names_pair(struct layer **convs, struct layer **norms, size_t count,
                       size_t n)
{
    bool numbers = true, ends = true, starts = true;

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++) {
            const struct layer *c = convs[i], *own = norms[i], *b = norms[k];

            if (share_numbers(c, b, n) != (i == k))
                numbers = false;
            if (i != k && same_end(c, b, n) >= same_end(c, own, n))
                ends = false;
            if (i != k && same_start(c, b, n) >= same_start(c, own, n))
                starts = false;
        }
    return numbers || ends || starts;
}

/* Layers not paired yet below a name's first `n` characters. */
static size_t collect(struct layer **all, size_t count, const char *name,
                      size_t n, struct layer **out)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        const struct layer *l = all[i];

        if (!l->other && (n == 0 || (l->length > n && l->name[n] == '.' &&
                                     memcmp(l->name, name, n) == 0)))
            out[found++] = all[i];
    }
    return found;
}

/* Whether the k-th batch norm is the k-th convolution's: it comes before the
 * next convolution, or its name tells. */
static bool belong(const struct structure *s, struct layer **convs,
                   struct layer **norms, size_t count, size_t n)
{
    bool between = !s->sorted;

    for (size_t i = 0; i < count; i++) {
        const struct layer *c = convs[i], *b = norms[i];
        uint32_t at = b->weight->order;

        if (c->weight->dim[0] != b->weight->count ||
            (!s->sorted && at < c->weight->order))
            return false;
        if (i + 1 < count && at > convs[i + 1]->weight->order)
            between = false;
    }
    return count == 1 || between || names_pair(convs, norms, count, n);
}

/* In a Sequential, sorted or not: 0 conv, 1 norm, 3 conv, 4 norm. */
static bool alternate(struct layer **convs, struct layer **norms, size_t count,
                      size_t n)
{
    unsigned long last = 0;

    for (size_t i = 0; i < 2 * count; i++) {
        const struct layer *l = i % 2 ? norms[i / 2] : convs[i / 2];
        size_t start = n + (n > 0);
        char *end;

        if (l->length <= start || !rn_is_digit(l->name[start]))
            return false;
        unsigned long number = strtoul(l->name + start, &end, 10);
        if ((i > 0 && number <= last) ||
            (i % 2 && l->weight->count != convs[i / 2]->weight->dim[0]))
            return false;
        last = number;
    }
    return true;
}

static int by_name_numbers(const void *a, const void *b)
{
    const struct layer *const *x = a, *const *y = b;
    char word_a[RN_STRUCTURE_WORD + 1], word_b[RN_STRUCTURE_WORD + 1];
    bool words;
    int order = compare_names(*x, *y, &words, word_a, word_b);

    return words ? strcmp(word_a, word_b) : order;
}

/* Pair what is in the container of the first `n` characters of a name: as many
 * batch norms as convolutions. */
static int pair_within(struct structure *s, const char *name, size_t n,
                       struct layer **convs, struct layer **norms,
                       struct rn_error *err)
{
    size_t c = collect(s->convs, s->n_convs, name, n, convs);
    size_t b = collect(s->norms, s->n_norms, name, n, norms);

    if (c == 0 || c != b)
        return RN_OK;
    if (s->sorted) {
        qsort(convs, c, sizeof(*convs), by_name_numbers);
        qsort(norms, c, sizeof(*norms), by_name_numbers);
    }
    if (!belong(s, convs, norms, c, n) && !alternate(convs, norms, c, n))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': names are not known, and neither order nor "
                       "channels tell which of %zu batch norms, '%.*s' the "
                       "first, belongs to the convolution '%.*s'",
                       s->state->path, c, (int)norms[0]->length, norms[0]->name,
                       (int)convs[0]->length, convs[0]->name);
    for (size_t i = 0; i < c; i++) {
        convs[i]->other = norms[i];
        norms[i]->other = convs[i];
    }
    return RN_OK;
}

/* Points in a name. */
static size_t depth_of(const struct layer *l)
{
    size_t n = 0;

    for (size_t i = 0; i < l->length; i++)
        n += l->name[i] == '.';
    return n;
}

/* From the innermost containers to the outermost. */
static int pair_layers(struct structure *s, struct rn_error *err)
{
    size_t deepest = 0;
    struct layer **convs = rn_alloc(s->count, sizeof(*convs));
    struct layer **norms = rn_alloc(s->count, sizeof(*norms));
    int rc = convs && norms
                 ? RN_OK
                 : rn_fail_memory(err, s->count * sizeof(*convs), "layers");

    for (size_t i = 0; i < s->n_convs; i++)
        if (depth_of(s->convs[i]) > deepest)
            deepest = depth_of(s->convs[i]);
    if (!rc && deepest > RN_STRUCTURE_DEEP)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s': names are not known, and have %zu points, at most "
                     "%d expected",
                     s->state->path, deepest, RN_STRUCTURE_DEEP);
    for (size_t depth = deepest + 1; depth-- > 0 && !rc;)
        for (size_t i = 0; i < s->n_convs && !rc; i++) {
            const struct layer *l = s->convs[i];
            size_t n = 0, points = 0;

            if (l->other || depth_of(l) < depth)
                continue;
            for (; points < depth; n++)
                points += l->name[n] == '.';
            rc = pair_within(s, l->name, n ? n - 1 : 0, convs, norms, err);
        }
    rn_free(convs);
    rn_free(norms);
    return rc;
}

static int check_pairs(const struct structure *s, struct rn_error *err)
{
    for (size_t i = 0; i < s->n_convs; i++)
        if (!s->convs[i]->other)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': names are not known, and its %zu "
                           "convolutions and %zu batch norms make no pairs, as "
                           "in the networks known here: '%.60s' has no other",
                           s->state->path, s->n_convs, s->n_norms,
                           s->convs[i]->weight->name);
    for (size_t i = 0; i < s->n_norms; i++)
        if (!s->norms[i]->other)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': names are not known, and the batch norm "
                           "'%.60s' belongs to no convolution",
                           s->state->path, s->norms[i]->weight->name);
    return RN_OK;
}

/* --------------------------------------------------------------- shape */

/* One way to read the convolutions: how many begin the network, how many a
 * block has, and before which of them, or behind all, its shortcut's stands. */
struct reading {
    size_t stem, parts, shortcut;
};

/* Reading under way. */
struct reader {
    struct structure *s;
    struct reading how;
    size_t at;
    uint64_t channels, width; /* of the value, and of the stage's blocks */
    int stage, block;
};

static bool is_conv(const struct layer *l, uint64_t out, uint64_t in,
                    uint64_t size)
{
    const uint64_t *d = l->weight->dim;

    return d[0] == out && d[1] == in && d[2] == size && d[3] == size;
}

static bool reads_stem(struct reader *r)
{
    static const char *const deep[STEM] = {"conv1.0", "conv1.3", "conv1.6"};
    static const char *const norm[STEM] = {"conv1.1", "conv1.4", "bn1"};
    struct layer **convs = r->s->convs;

    if (r->s->n_convs <= r->how.stem)
        return false;
    for (size_t i = 0; i < r->how.stem; i++) {
        const uint64_t *d = convs[i]->weight->dim;

        if ((i > 0 && d[1] != r->channels) || d[2] != d[3])
            return false;
        r->channels = d[0];
        snprintf(convs[i]->ours, sizeof(convs[i]->ours), "%s",
                 r->how.stem == 1 ? "conv1" : deep[i]);
        snprintf(convs[i]->other->ours, sizeof(convs[i]->other->ours), "%s",
                 r->how.stem == 1 ? "bn1" : norm[i]);
    }
    r->at = r->how.stem;
    return true;
}

/* The number that ends a name, or -1. */
static long last_number(const struct layer *l)
{
    size_t n = l->length;

    while (n > 0 && rn_is_digit(l->name[n - 1]))
        n--;
    if (n == l->length || (n > 0 && l->name[n - 1] != '.'))
        return -1;
    return strtol(l->name + n, NULL, 10);
}

/* Our names for a block's convolution; number 0 is the shortcut's, which is
 * second where a pool stands before it. */
static void name_part(const struct reader *r, struct layer *l, int number)
{
    int first = last_number(l) == 1 && last_number(l->other) == 2;
    const char *format =
        number ? "layer%d.%d.conv%d" : "layer%d.%d.downsample.%d";

    snprintf(l->ours, sizeof(l->ours), format, r->stage, r->block,
             number ? number : first);
    format = number ? "layer%d.%d.bn%d" : "layer%d.%d.downsample.%d";
    snprintf(l->other->ours, sizeof(l->other->ours), format, r->stage, r->block,
             number ? number : first + 1);
}

/* Whether these are a block's convolutions on so many channels. */
static bool fits_block(const struct reader *r, struct layer *const *part)
{
    const uint64_t *first = part[0]->weight->dim;
    const uint64_t *second = part[1]->weight->dim;

    if (r->how.parts == 2)
        return is_conv(part[0], first[0], r->channels, 3) &&
               is_conv(part[1], first[0], first[0], 3);
    return is_conv(part[0], first[0], r->channels, 1) && second[1] > 0 &&
           first[0] % second[1] == 0 &&
           is_conv(part[1], first[0], second[1], 3) &&
           is_conv(part[2], part[2]->weight->dim[0], first[0], 1);
}

/* The next block, with a convolution in its shortcut or without. */
static bool read_block(struct reader *r, bool projected)
{
    struct layer *part[MOST_PARTS], *shortcut = NULL;
    size_t at = r->at, n = 0;

    if (r->s->n_convs - at < r->how.parts + projected)
        return false;
    for (size_t i = 0; i < r->how.parts + projected; i++) {
        if (projected && i == r->how.shortcut)
            shortcut = r->s->convs[at++];
        else
            part[n++] = r->s->convs[at++];
    }
    uint64_t out = part[n - 1]->weight->dim[0];
    if (!fits_block(r, part) ||
        (shortcut && !is_conv(shortcut, out, r->channels, 1)))
        return false;
    r->block++;
    if (part[0]->weight->dim[0] != r->width) {
        r->stage++;
        r->block = 0;
    }
    r->width = part[0]->weight->dim[0];
    r->channels = out;
    r->at = at;
    for (size_t i = 0; i < n; i++)
        name_part(r, part[i], (int)i + 1);
    if (shortcut)
        name_part(r, shortcut, 0);
    return true;
}

/* Whether the network can end there, or a block follow. */
static bool goes_on(const struct reader *r)
{
    struct reader with = *r, without = *r;

    return r->at == r->s->n_convs || read_block(&with, true) ||
           read_block(&without, false);
}

/* The next block. What could be its shortcut's convolution may begin the next
 * block instead: that is read which goes on, and nothing where both do. */
static bool read_next(struct reader *r)
{
    struct reader with = *r, without = *r;
    bool projected = read_block(&with, true) && goes_on(&with);
    bool bare = read_block(&without, false) && goes_on(&without);

    if (projected != bare)
        return read_block(r, projected);
    if (!bare) /* to tell how far it came */
        return read_block(r, true) || read_block(r, false);
    return false;
}

/* Whether all convolutions can be read so; `ours` of each is then its name. */
static bool read_network(struct structure *s, struct reading how)
{
    struct reader r = {.s = s, .how = how};

    if (!reads_stem(&r))
        return false;
    while (r.at < s->n_convs && read_next(&r))
        ;
    if (r.at > s->reached)
        s->reached = r.at;
    if (r.at < s->n_convs)
        return false;
    if (s->head && s->head->weight->dim[1] != r.channels)
        return false;
    return true;
}

/* ------------------------------------------------------------ networks */

/* A layer's tensors in a list that is in the state's order. */
static void name_layer(const struct structure *s, const struct layer *l,
                       struct rn_recognised *r)
{
    static const char *const parts[] = {"weight", "bias", "running_mean",
                                        "running_var", "num_batches_tracked"};

    for (size_t i = 0; i < COUNT(parts); i++) {
        const struct rn_state_tensor *t = part_of(s, l, parts[i]);

        if (!t)
            continue;
        struct rn_named_tensor *named = &r->tensors[t - s->state->tensors];
        snprintf(named->name, sizeof(named->name), "%s.%s", l->ours, parts[i]);
    }
}

/* Tensors under the names the layers have; the others under none of ours. */
static int name_tensors(const struct structure *s, struct rn_recognised *r,
                        struct rn_error *err)
{
    const struct rn_state *state = s->state;

    memset(r, 0, sizeof(*r));
    r->source = &rn_source_structure;
    r->tensors = rn_alloc(state->count, sizeof(*r->tensors));
    if (!r->tensors)
        return rn_fail_memory(err, state->count * sizeof(*r->tensors),
                              "a list of tensors");
    for (; r->count < state->count; r->count++) {
        struct rn_named_tensor *t = &r->tensors[r->count];

        t->tensor = &state->tensors[r->count];
        snprintf(t->name, sizeof(t->name), "?%zu", r->count);
    }
    for (size_t i = 0; i < s->count; i++)
        if (*s->layers[i].ours)
            name_layer(s, &s->layers[i], r);
    rn_recognised_sort(r);
    return RN_OK;
}

static bool same_names(const struct rn_recognised *a,
                       const struct rn_recognised *b)
{
    for (size_t i = 0; i < a->count; i++)
        if (a->tensors[i].tensor != b->tensors[i].tensor ||
            strcmp(a->tensors[i].name, b->tensors[i].name) != 0)
            return false;
    return true;
}

static int fail_ambiguous(const struct structure *s,
                          const struct rn_recognised *a,
                          const struct rn_recognised *b, struct rn_error *err)
{
    for (size_t i = 0; i < a->count; i++)
        if (a->tensors[i].tensor != b->tensors[i].tensor)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': names are not known, and by structure %s "
                           "could be '%.60s' or '%.60s': --map FILE says "
                           "which",
                           s->state->path, a->tensors[i].name,
                           a->tensors[i].tensor->name,
                           b->tensors[i].tensor->name);
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': names are not known, and by structure it could be a "
                   "%s or a %s: --map FILE says which tensor is which",
                   s->state->path, a->network.net, b->network.net);
}

/* One reading of the convolutions in the order they have now. What comes out
 * goes into `found`, unless another has come out before. */
static int try_reading(struct structure *s, struct reading how,
                       struct rn_recognised *found, struct rn_error *why,
                       struct rn_error *err)
{
    struct rn_recognised r;
    struct rn_error refused = {0};

    if (!read_network(s, how))
        return RN_OK;
    int rc = name_tensors(s, &r, err);
    if (!rc && rn_recognise(&r, s->state, &refused)) {
        if (refused.code == RN_ERR_MEMORY)
            rc = rn_fail(err, RN_ERR_MEMORY, "%s", refused.msg);
        else if (!why->code)
            *why = refused;
    } else if (!rc && !found->count) {
        *found = r;
        return RN_OK;
    } else if (!rc && !same_names(found, &r)) {
        rc = fail_ambiguous(s, found, &r, err);
    }
    rn_recognised_free(&r);
    return rc;
}

static int try_readings(struct structure *s, struct rn_recognised *found,
                        struct rn_error *why, struct rn_error *err)
{
    int rc = RN_OK;

    for (size_t stem = 1; stem <= STEM; stem += STEM - 1)
        for (size_t parts = 2; parts <= MOST_PARTS; parts++)
            for (size_t at = 0; at <= parts && !rc; at++)
                rc = try_reading(s, (struct reading){stem, parts, at}, found,
                                 why, err);
    return rc;
}

/* Place of the word in which two names part, in the order being tried. */
static size_t rank_of(const struct structure *s, const size_t *rank,
                      const char *word)
{
    for (size_t i = 0; i < s->n_words; i++)
        if (strcmp(s->words[i], word) == 0)
            return rank[i];
    return 0;
}

struct ranks {
    const struct structure *s;
    size_t rank[RN_STRUCTURE_WORDS];
};

/* By numbers and the words' ranks. */
static int by_ranks(const void *a, const void *b, void *user)
{
    const struct layer *const *x = a, *const *y = b;
    const struct ranks *r = user;
    char word_a[RN_STRUCTURE_WORD + 1], word_b[RN_STRUCTURE_WORD + 1];
    bool words;
    int order = compare_names(*x, *y, &words, word_a, word_b);

    if (!words)
        return order;
    size_t i = rank_of(r->s, r->rank, word_a);
    size_t k = rank_of(r->s, r->rank, word_b);
    return (i > k) - (i < k);
}

/* The next order of ranks; false after the last. */
static bool next_order(size_t *rank, size_t count)
{
    size_t i = count, k = count;

    while (i > 1 && rank[i - 2] >= rank[i - 1])
        i--;
    if (i <= 1)
        return false;
    while (rank[k - 1] <= rank[i - 2])
        k--;
    size_t swap = rank[i - 2];
    rank[i - 2] = rank[k - 1];
    rank[k - 1] = swap;
    for (size_t a = i - 1, b = count - 1; a < b; a++, b--) {
        swap = rank[a];
        rank[a] = rank[b];
        rank[b] = swap;
    }
    return true;
}

static int try_orders(struct structure *s, struct rn_recognised *found,
                      struct rn_error *why, struct rn_error *err)
{
    struct ranks ranks = {.s = s};

    for (size_t i = 0; i < s->n_words; i++)
        ranks.rank[i] = i;
    if (!s->sorted)
        return try_readings(s, found, why, err);
    do {
        qsort_r(s->convs, s->n_convs, sizeof(struct layer *), by_ranks, &ranks);
        int rc = try_readings(s, found, why, err);
        if (rc)
            return rc;
    } while (next_order(ranks.rank, s->n_words));
    return RN_OK;
}

/* --------------------------------------------------------------- whole */

static int find_head(struct structure *s, struct rn_error *err)
{
    for (size_t i = 0; i < s->count; i++) {
        struct layer *l = &s->layers[i];

        if (l->kind != LINEAR)
            continue;
        if (s->head)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': names are not known, and '%.60s' and '%.60s' "
                           "could both be its classifier",
                           s->state->path, s->head->weight->name,
                           l->weight->name);
        s->head = l;
        snprintf(l->ours, sizeof(l->ours), "fc");
    }
    return RN_OK;
}

static int fail_none(const struct structure *s, const struct rn_error *why,
                     struct rn_error *err)
{
    char shape[64];

    if (why->code)
        return rn_fail(err, RN_ERR_DATA, "%s", why->msg);
    if (s->reached == 0 || s->reached >= s->n_convs)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': names are not known, and %zu convolutions and "
                       "%zu batch norms are of no network known here",
                       s->state->path, s->n_convs, s->n_norms);
    const struct layer *l = s->convs[s->reached];
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': names are not known, and by structure it is no "
                   "network known here: no block begins with '%.60s' (%s), "
                   "convolution %zu of %zu",
                   s->state->path, l->weight->name,
                   rn_state_shape_text(l->weight, shape, sizeof(shape)),
                   s->reached + 1, s->n_convs);
}

/* The file's name for one of ours. */
static const char *theirs(const struct rn_recognised *r, const char *ours)
{
    const struct rn_state_tensor *t = rn_renamed(r, ours);

    return t ? t->name : "none";
}

static void take_note(const struct structure *s, const struct rn_recognised *r,
                      char *note, size_t size)
{
    const char *shortcut = "none with a convolution";

    for (size_t i = 0; i < r->count; i++)
        if (strstr(r->tensors[i].name, ".downsample.") &&
            r->tensors[i].tensor->dims == 4) {
            shortcut = r->tensors[i].tensor->name;
            break;
        }
    snprintf(
        note, size,
        "names are not known: taken for a %s by shapes and %s (first "
        "convolution '%.60s', first block '%.60s', shortcuts: %.60s, "
        "classifier '%.60s')",
        r->network.net,
        s->sorted ? "the numbers in names" : "the order of the file's tensors",
        theirs(r, rn_renamed(r, "conv1.weight") ? "conv1.weight"
                                                : "conv1.0.weight"),
        theirs(r, "layer1.0.conv1.weight"), shortcut, theirs(r, "fc.weight"));
}

/* Behind a stem of three convolutions there may be a pool in the shortcuts,
 * which has no tensors: only numbers tell. */
static int check_pools(const struct structure *s, const struct rn_recognised *r,
                       struct rn_error *err)
{
    if (!rn_renamed(r, "conv1.6.weight"))
        return RN_OK;
    for (size_t i = 0; i < s->n_convs; i++)
        if (strstr(s->convs[i]->ours, ".downsample.") &&
            last_number(s->convs[i]) < 0)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': names are not known, and it could be a %s "
                           "or have pools in its shortcuts, as '%.60s': --map "
                           "FILE says which is which",
                           s->state->path, r->network.net,
                           s->convs[i]->weight->name);
    return RN_OK;
}

static int recognise(struct structure *s, struct rn_recognised *found,
                     struct rn_error *err)
{
    struct rn_error why = {0};
    int rc = find_layers(s, err);

    if (!rc && s->n_convs == 0)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s': none of its %zu tensors is a convolution's weight",
                     s->state->path, s->state->count);
    s->sorted = !rc && is_sorted(s);
    if (!rc)
        rc = check_words(s, err);
    if (!rc)
        rc = find_head(s, err);
    if (!rc)
        rc = pair_layers(s, err);
    if (!rc)
        rc = check_pairs(s, err);
    if (!rc)
        rc = check_names(s, err);
    if (!rc)
        rc = try_orders(s, found, &why, err);
    if (!rc && !found->count)
        rc = fail_none(s, &why, err);
    return rc ? rc : check_pools(s, found, err);
}

int rn_structure(struct rn_recognised *r, const struct rn_state *state,
                 char *note, size_t size, struct rn_error *err)
{
    struct structure s = {.state = state};

    memset(r, 0, sizeof(*r));
    int rc = recognise(&s, r, err);
    if (rc)
        rn_recognised_free(r);
    else
        take_note(&s, r, note, size);
    rn_free(s.layers);
    rn_free(s.convs);
    rn_free(s.norms);
    return rc;
}
