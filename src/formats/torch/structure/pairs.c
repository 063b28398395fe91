/* SPDX-License-Identifier: BSD-2-Clause */
/* Which batch norm follows which convolution. */
#include "formats/torch/structure/layers.h"

#include "core/locale.h"
#include "core/memory.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

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
    int order = rn_structure_compare(*x, *y, &words, word_a, word_b);

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
int rn_structure_pair(struct structure *s, struct rn_error *err)
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

int rn_structure_check_pairs(const struct structure *s, struct rn_error *err)
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
