/* SPDX-License-Identifier: BSD-2-Clause */
/* What names tell that are not known: their order by words and numbers. */
#include "formats/torch/structure/layers.h"

#include "core/locale.h"

#include <stdlib.h>
#include <string.h>

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
int rn_structure_check_words(const struct structure *s, struct rn_error *err)
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
int rn_structure_compare(const struct layer *a, const struct layer *b,
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
bool rn_structure_sorted(const struct structure *s)
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
int rn_structure_check_names(struct structure *s, struct rn_error *err)
{
    char a[RN_STRUCTURE_WORD + 1], b[RN_STRUCTURE_WORD + 1];
    bool words;

    for (size_t i = 0; i < s->n_convs; i++)
        for (size_t k = i + 1; k < s->n_convs; k++) {
            int order =
                rn_structure_compare(s->convs[i], s->convs[k], &words, a, b);

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

/* The number that ends a name, or -1. */
long rn_structure_last_number(const struct layer *l)
{
    size_t n = l->length;

    while (n > 0 && rn_is_digit(l->name[n - 1]))
        n--;
    if (n == l->length || (n > 0 && l->name[n - 1] != '.'))
        return -1;
    return strtol(l->name + n, NULL, 10);
}
