/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and letters as in the C locale, whatever the host's is: a program
 * around the library may have called setlocale(), and then strtod() and
 * printf() want a decimal comma. Only the calling thread is affected, and only
 * within these calls. What src/ reads and writes goes through them;
 * tests/surface/numbers watches that. */
#ifndef RN_CORE_LOCALE_H
#define RN_CORE_LOCALE_H

#include <locale.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/** strtod() */
double rn_number(const char *text, char **end);

/** snprintf(), vsnprintf(), fprintf(). Needed where a number may have a
 *  decimal point, or where the format is somebody else's. */
__attribute__((format(printf, 3, 4))) int rn_format(char *out, size_t size,
                                                    const char *format, ...);
int rn_format_list(char *out, size_t size, const char *format, va_list args);
__attribute__((format(printf, 2, 3))) int rn_print(FILE *out,
                                                   const char *format, ...);

/** Four digits that count, as "%.4g" has them, but never an exponent; from
 *  1,000 on whole numbers. */
void rn_format_figures(char *out, size_t size, double value);
/** A count in millions, or billions, with their letter: "0.07461 M", "11.51 G".
 */
void rn_format_count(char *out, size_t size, double count);

/** For libraries that do such things themselves: the calling thread's locale
 *  is C until it is put back. No function of the host's is called between. */
locale_t rn_locale_begin(void);
void rn_locale_end(locale_t before);

/** ASCII's small letter; any other byte is itself. */
char rn_lower(char c);
/** Whether two words are the same but for capital letters (of ASCII). */
bool rn_same_word(const char *a, const char *b);
/** strncasecmp() == 0 */
bool rn_same_letters(const char *a, const char *b, size_t n);
bool rn_starts_with(const char *text, const char *start);
bool rn_ends_with(const char *text, const char *end);
/** The same but for capital letters. */
bool rn_ends_with_word(const char *text, const char *end);
/** strcasestr() */
const char *rn_find_word(const char *text, const char *word);
bool rn_is_digit(char c);
/** A blank, a tab or what ends a line or a page. */
bool rn_is_blank(char c);

#endif
