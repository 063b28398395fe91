/* SPDX-License-Identifier: BSD-2-Clause */
/* The walks over tables of options: defaults and checks. */
#include "core/option.h"

#include "core/locale.h"
#include "core/sized.h"
#include "core/text.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* ------------------------------------------------------------------ words */

int rn_option_word(const char *words, const char *value)
{
    size_t length = strlen(value);
    int index = 0;

    for (const char *w = words;; index++) {
        size_t n = strcspn(w, "|");

        if (n == length && memcmp(w, value, n) == 0)
            return index;
        if (!w[n])
            return -1;
        w += n + 1;
    }
}

int rn_option_choice(rn_option_table *table, const char *name,
                     const char *value)
{
    const struct rn_option *o;

    for (size_t i = 0; value && (o = table(i)); i++)
        if (strcmp(o->name, name) == 0)
            return rn_option_word(o->words, value);
    return -1;
}

static int count_words(const char *words)
{
    int n = 1;

    for (; *words; words++)
        n += *words == '|';
    return n;
}

/* "A, B or C" for "A|B|C". */
static const char *list_words(const char *words, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (const char *w = words; *w && used < size;) {
        size_t n = strcspn(w, "|");
        const char *next = w + n + (w[n] == '|');
        const char *joint = *next ? ", " : " or ";

        used += (size_t)snprintf(text + used, size - used, "%s%.*s",
                                 used ? joint : "", (int)n, w);
        w = next;
    }
    return text;
}

/* Whether a letter is that of one of the words. */
static bool is_letter_of(const char *words, char letter)
{
    for (const char *w = words; *w; w += strcspn(w, "|"), w += *w == '|') {
        bool one = strcspn(w, "|") == 1;

        if (letter == (one ? *w : rn_lower(*w)))
            return true;
    }
    return false;
}

/* --------------------------------------------------------------- defaults */

static void set_default(const struct rn_option *o, void *at)
{
    double number = 0;

    if (o->preset && !o->words)
        number = rn_number(o->preset, NULL);
    else if (o->preset)
        number = rn_option_word(o->words, o->preset);
    switch (o->type) {
    case RN_OPTION_FLAG:
    case RN_OPTION_INT:
    case RN_OPTION_INDEX:
        *(int *)at = (int)number;
        return;
    case RN_OPTION_LONG:
        *(long *)at = (long)number;
        return;
    case RN_OPTION_REAL:
        *(double *)at = number;
        return;
    case RN_OPTION_SEED:
        *(uint64_t *)at = (uint64_t)number;
        return;
    case RN_OPTION_SIZE:
        ((int *)at)[0] = ((int *)at)[1] = (int)number;
        return;
    case RN_OPTION_TEXT:
    case RN_OPTION_WORD:
        *(const char **)at = o->preset;
        return;
    case RN_OPTION_LETTER:
        *(char *)at = o->preset ? o->preset[0] : '\0';
        return;
    }
}

void rn_option_defaults(rn_option_table *table, void *options)
{
    const struct rn_option *o;

    for (size_t i = 0; (o = table(i)); i++)
        set_default(o, (char *)options + o->offset);
}

/* A field whose zero stands for something else. */
static void settle(const struct rn_option *o, void *at)
{
    static const double zero = RN_ZERO;
    bool default_asked = false, zero_asked = false;

    switch (o->type) {
    case RN_OPTION_FLAG:
    case RN_OPTION_INT:
    case RN_OPTION_INDEX:
        default_asked = *(int *)at == 0;
        zero_asked = *(int *)at == RN_ZERO;
        break;
    case RN_OPTION_LONG:
        default_asked = *(long *)at == 0;
        zero_asked = *(long *)at == RN_ZERO;
        break;
    case RN_OPTION_REAL:
        default_asked = *(double *)at == 0;
        zero_asked = *(double *)at == zero;
        break;
    case RN_OPTION_SEED:
        default_asked = *(uint64_t *)at == 0;
        zero_asked = *(uint64_t *)at == (uint64_t)RN_ZERO;
        break;
    case RN_OPTION_SIZE:
        default_asked = ((int *)at)[0] == 0 && ((int *)at)[1] == 0;
        break;
    case RN_OPTION_TEXT:
    case RN_OPTION_WORD:
        default_asked = !*(const char **)at;
        break;
    case RN_OPTION_LETTER:
        default_asked = !*(char *)at;
        break;
    }
    if (default_asked)
        set_default(o, at);
    else if (zero_asked)
        set_default(&(struct rn_option){.type = o->type}, at);
}

void rn_option_settle(rn_option_table *table, void *options)
{
    const struct rn_option *o;

    for (size_t i = 0; (o = table(i)); i++)
        if (o->preset)
            settle(o, (char *)options + o->offset);
}

int rn_option_take(rn_option_table *table, void *own, size_t known,
                   const void *given, const char *name, struct rn_error *err)
{
    int rc = rn_sized_take(own, known, known, given, name, err);

    rn_option_settle(table, own);
    return rc;
}

/* ----------------------------------------------------------------- checks */

double rn_option_number(const struct rn_option *o, const void *options)
{
    const char *at = (const char *)options + o->offset;

    if (o->type == RN_OPTION_LONG)
        return (double)*(const long *)at;
    if (o->type == RN_OPTION_REAL)
        return *(const double *)at;
    return *(const int *)at;
}

/* 0 is another word for "not said" where the row says what it stands for. */
static bool in_range(const struct rn_option *o, double value)
{
    static const double zero = RN_ZERO;

    return (value >= o->min && value <= o->max) ||
           (o->unset && value >= 0 && value <= 0) || (o->zero && value == zero);
}

static int check_number(const struct rn_option *o, const void *options,
                        struct rn_error *err)
{
    double value = rn_option_number(o, options);

    if (in_range(o, value))
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG, "`%s` is %.10g, but must be %.10g to %.10g",
                   o->name, value, o->min, o->max);
}

static int check_index(const struct rn_option *o, const void *options,
                       struct rn_error *err)
{
    double value = rn_option_number(o, options);
    int count = o->words ? count_words(o->words) : 2;
    char words[200];

    if (value >= 0 && value < count)
        return RN_OK;
    if (!o->words)
        return rn_fail(err, RN_ERR_ARG, "`%s` is %.0f, but must be 0 or 1",
                       o->name, value);
    return rn_fail(err, RN_ERR_ARG, "`%s` is %.0f, but must be 0 to %d, for %s",
                   o->name, value, count - 1,
                   list_words(o->words, words, sizeof(words)));
}

static int check_size(const struct rn_option *o, const int size[2],
                      struct rn_error *err)
{
    if (in_range(o, size[0]) && in_range(o, size[1]))
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG,
                   "`%s` is %dx%d, but must be %.0fx%.0f to %.0fx%.0f", o->name,
                   size[0], size[1], o->min, o->min, o->max, o->max);
}

static int check_text(const struct rn_option *o, const char *text,
                      struct rn_error *err)
{
    char words[200];

    if (!text || (!o->words && rn_is_utf8(text)))
        return RN_OK;
    if (!o->words)
        return rn_fail(err, RN_ERR_ARG, "`%s` is not UTF-8 text", o->name);
    if (rn_option_word(o->words, text) >= 0)
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG, "`%s` is '%.60s', but must be %s", o->name,
                   text, list_words(o->words, words, sizeof(words)));
}

static int check_letter(const struct rn_option *o, char letter,
                        struct rn_error *err)
{
    char words[200];

    if (!letter || is_letter_of(o->words, letter))
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG, "`%s` is '%c', but must be %s", o->name,
                   letter, list_words(o->words, words, sizeof(words)));
}

static int check_option(const struct rn_option *o, const void *options,
                        struct rn_error *err)
{
    const void *at = (const char *)options + o->offset;

    switch (o->type) {
    case RN_OPTION_FLAG:
    case RN_OPTION_INDEX:
        return check_index(o, options, err);
    case RN_OPTION_INT:
    case RN_OPTION_LONG:
    case RN_OPTION_REAL:
        return check_number(o, options, err);
    case RN_OPTION_SEED:
        if (*(const uint64_t *)at <= RN_SEED_MOST)
            return RN_OK;
        return rn_fail(err, RN_ERR_ARG,
                       "`%s` is %" PRIu64 ", but must be 0 to %" PRIu64,
                       o->name, *(const uint64_t *)at, RN_SEED_MOST);
    case RN_OPTION_SIZE:
        return check_size(o, at, err);
    case RN_OPTION_TEXT:
    case RN_OPTION_WORD:
        return check_text(o, *(const char *const *)at, err);
    case RN_OPTION_LETTER:
        return check_letter(o, *(const char *)at, err);
    }
    assert(!"a type without a check");
    return RN_ERR_ARG;
}

int rn_option_check(rn_option_table *table, const void *options,
                    struct rn_error *err)
{
    const struct rn_option *o;
    int rc = RN_OK;

    for (size_t i = 0; !rc && (o = table(i)); i++)
        rc = check_option(o, options, err);
    return rc;
}

/* --------------------------------------------------------------- spelling */

#define SPELLING_MOST 63

int rn_spelling_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    int row[SPELLING_MOST + 1];

    if (n > SPELLING_MOST || m > SPELLING_MOST)
        return -1;
    for (size_t j = 0; j <= m; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int diagonal = row[0];

        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m] <= (int)(n > m ? n : m) / 3 + 1 ? row[m] : -1;
}
