/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads and writes numbers in the C locale, whatever the host has set, and
 * compares words of ASCII. */
#include "core/locale.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The C locale as a whole is a constant of the C library: nothing is
 * allocated, and this cannot fail. */
locale_t rn_locale_begin(void)
{
    return uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
}

void rn_locale_end(locale_t before)
{
    freelocale(uselocale(before));
}

double rn_number(const char *text, char **end)
{
    locale_t before = rn_locale_begin();
    double value = strtod(text, end);

    rn_locale_end(before);
    return value;
}

int rn_format_list(char *out, size_t size, const char *format, va_list args)
{
    locale_t before = rn_locale_begin();
    int n = vsnprintf(out, size, format, args);

    rn_locale_end(before);
    return n;
}

int rn_format(char *out, size_t size, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = rn_format_list(out, size, format, args);
    va_end(args);
    return n;
}

int rn_print(FILE *out, const char *format, ...)
{
    locale_t before = rn_locale_begin();
    va_list args;
    int n;

    va_start(args, format);
    n = vfprintf(out, format, args);
    va_end(args);
    rn_locale_end(before);
    return n;
}

void rn_format_figures(char *out, size_t size, double value)
{
    double most = fabs(value);

    if (most >= 1000)
        rn_format(out, size, "%.0f", value);
    else if (most > 0 && most < 1e-4)
        rn_format(out, size, "%.*f", 3 - (int)floor(log10(most)), value);
    else
        rn_format(out, size, "%.4g", value);
}

void rn_format_count(char *out, size_t size, double count)
{
    bool billions = count >= 1e9;
    char text[350]; /* the largest of numbers has 309 digits */

    rn_format_figures(text, sizeof(text), count / (billions ? 1e9 : 1e6));
    rn_format(out, size, "%s %c", text, billions ? 'G' : 'M');
}

char rn_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool rn_same_word(const char *a, const char *b)
{
    while (*a && rn_lower(*a) == rn_lower(*b)) {
        a++;
        b++;
    }
    return rn_lower(*a) == rn_lower(*b);
}

bool rn_same_letters(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (rn_lower(a[i]) != rn_lower(b[i]))
            return false;
        if (!a[i])
            break;
    }
    return true;
}

bool rn_starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

bool rn_ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);

    return n >= k && strcmp(text + n - k, end) == 0;
}

bool rn_ends_with_word(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);

    return n >= k && rn_same_word(text + n - k, end);
}

const char *rn_find_word(const char *text, const char *word)
{
    for (; *text; text++)
        if (rn_same_letters(text, word, strlen(word)))
            return text;
    return NULL;
}

bool rn_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool rn_is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}
