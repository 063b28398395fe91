/* SPDX-License-Identifier: BSD-2-Clause */
/* Orders names of classes that are numbers by their values. */
#include "data/sets/numerals.h"

#include "core/memory.h"

#include <stdlib.h>
#include <string.h>

#define MOST_DIGITS 18

long rn_numeral(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return digits && digits <= MOST_DIGITS && !text[digits]
               ? strtol(text, NULL, 10)
               : -1;
}

int rn_numerals_compare(const void *a, const void *b)
{
    long x = rn_numeral(*(char *const *)a), y = rn_numeral(*(char *const *)b);

    return (x > y) - (x < y);
}

/* Whether no two are equal, without memory. */
static bool distinct_slowly(char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (rn_numeral(names[i]) == rn_numeral(names[j]))
                return false;
    return true;
}

static bool distinct(char *const *names, size_t count)
{
    char **sorted = rn_alloc(count, sizeof(*sorted));
    bool differ = true;

    if (!sorted)
        return distinct_slowly(names, count);
    memcpy(sorted, names, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), rn_numerals_compare);
    for (size_t i = 1; differ && i < count; i++)
        differ = rn_numeral(sorted[i - 1]) != rn_numeral(sorted[i]);
    rn_free(sorted);
    return differ;
}

bool rn_numerals(char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rn_numeral(names[i]) < 0)
            return false;
    return count && distinct(names, count);
}

bool rn_numerals_two_orders(char *const *names, size_t count)
{
    char **sorted = rn_alloc(count, sizeof(*sorted));
    bool differ = false;

    if (!sorted)
        return true;
    memcpy(sorted, names, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), rn_numerals_compare);
    for (size_t i = 1; !differ && i < count; i++)
        differ = strcmp(sorted[i - 1], sorted[i]) > 0;
    rn_free(sorted);
    return differ;
}
