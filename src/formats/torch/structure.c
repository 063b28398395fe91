/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads a network off its tensors where their names are not known: order and
 * channels must leave no doubt. */
#include "formats/torch/structure/layers.h"

#include "core/count.h"
#include "core/memory.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------ networks */

/* A layer's tensors in a list that is in the state's order. */
static void name_layer(const struct structure *s, const struct layer *l,
                       struct rn_recognised *r)
{
    static const char *const parts[] = {"weight", "bias", "running_mean",
                                        "running_var", "num_batches_tracked"};

    for (size_t i = 0; i < COUNT(parts); i++) {
        const struct rn_state_tensor *t = rn_structure_part(s, l, parts[i]);

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

    if (!rn_structure_read(s, how))
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
    int order = rn_structure_compare(*x, *y, &words, word_a, word_b);

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
            rn_structure_last_number(s->convs[i]) < 0)
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
    int rc = rn_structure_layers(s, err);

    if (!rc && s->n_convs == 0)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s': none of its %zu tensors is a convolution's weight",
                     s->state->path, s->state->count);
    s->sorted = !rc && rn_structure_sorted(s);
    if (!rc)
        rc = rn_structure_check_words(s, err);
    if (!rc)
        rc = find_head(s, err);
    if (!rc)
        rc = rn_structure_pair(s, err);
    if (!rc)
        rc = rn_structure_check_pairs(s, err);
    if (!rc)
        rc = rn_structure_check_names(s, err);
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
