/* SPDX-License-Identifier: BSD-2-Clause */
/* The characters of UTF-8: whether a text is made of them, the columns they
 * take, and Unicode's ways to write the same letter. */
#include "core/letters.h"

#include "resnet.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* The character at `text`, and its bytes; -1 and 1 where there is none. */
static int32_t take(const char *text, size_t size, size_t *length)
{
    utf8proc_int32_t code;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text,
                                          (utf8proc_ssize_t)size, &code);

    *length = n > 0 ? (size_t)n : 1;
    return n > 0 ? code : -1;
}

bool rn_is_utf8(const char *text)
{
    size_t length;

    for (size_t size = strlen(text); size; size -= length, text += length)
        if (take(text, size, &length) < 0)
            return false;
    return true;
}

bool rn_is_printable(const char *text)
{
    size_t length;

    for (size_t size = strlen(text); size; size -= length, text += length) {
        int32_t code = take(text, size, &length);

        if (code < 0x20 || (code >= 0x7f && code <= 0x9f))
            return false;
    }
    return true;
}

char *rn_text_whole(char *text)
{
    size_t size = strlen(text), from = size, length;

    while (from && size - from < 4 && (text[from - 1] & 0xc0) == 0x80)
        from--;
    /* The byte before the followers begins a character, or is one. */
    if (from && (text[from - 1] & 0xc0) == 0xc0) {
        from--;
        if (take(text + from, size - from, &length) < 0)
            text[from] = '\0';
    }
    return text;
}

/* Columns of a character: what is not one is shown as a single sign. */
static int columns(int32_t code)
{
    return code < 0 ? 1 : utf8proc_charwidth(code);
}

/* An accent stays with its letter. */
size_t rn_text_fit(const char *text, int most, int *width)
{
    size_t size = strlen(text), at = 0, cut = 0, length;
    utf8proc_int32_t state = 0, before = -1;
    int used = 0;

    *width = 0;
    for (; at < size; at += length) {
        int32_t code = take(text + at, size - at, &length);

        if (before < 0 || code < 0 ||
            utf8proc_grapheme_break_stateful(before, code, &state)) {
            cut = at;
            *width = used;
        }
        used += columns(code);
        if (used > most)
            return cut;
        before = code;
    }
    *width = used;
    return size;
}

int rn_text_width(const char *text)
{
    int width;

    rn_text_fit(text, INT32_MAX, &width);
    return width;
}

/* --------------------------------------------------------- normalisation */

char *rn_text_composed(const char *text)
{
    return (char *)utf8proc_NFC((const utf8proc_uint8_t *)text);
}

static char *apart(const char *text)
{
    return (char *)utf8proc_NFD((const utf8proc_uint8_t *)text);
}

bool rn_texts_equal(char *const *a, char *const *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(a[i], b[i]) != 0)
            return false;
    return true;
}

/* Texts that are not UTF-8, and short memory, give NULL: no twins. */
bool rn_text_twins(const char *a, const char *b)
{
    char *x, *y;
    bool same;

    if (strcmp(a, b) == 0)
        return false;
    x = rn_text_composed(a);
    y = rn_text_composed(b);
    same = x && y && strcmp(x, y) == 0;
    free(x);
    free(y);
    return same;
}

static const char *form_of(const char *text)
{
    char *x = rn_text_composed(text), *y = apart(text);
    const char *form = x && strcmp(x, text) == 0   ? "composed (NFC)"
                       : y && strcmp(y, text) == 0 ? "apart (NFD)"
                                                   : "mixed";

    free(x);
    free(y);
    return form;
}

const char *rn_text_twin_note(const char *wanted, const char *there, char *buf,
                              size_t size)
{
    const char *c = wanted;

    *buf = '\0';
    /* Of ASCII there is only one form. */
    while (*c && !(*c & 0x80))
        c++;
    if (*c && rn_text_twins(wanted, there))
        snprintf(buf, size,
                 "; '%.60s' there differs only in Unicode normalisation: its "
                 "accents are %s, here %s",
                 there, form_of(there), form_of(wanted));
    return buf;
}

const char *rn_text_twin_among(const char *wanted, char *const *names,
                               size_t count, char *buf, size_t size)
{
    *buf = '\0';
    for (size_t i = 0; names && i < count && names[i] && !*buf; i++)
        rn_text_twin_note(wanted, names[i], buf, size);
    return buf;
}

/* ------------------------------------------------------------------- XML */

static bool xml_allows(int32_t code)
{
    return code == '\t' || code == '\n' ||
           (code >= 0x20 && code != 0xfffe && code != 0xffff);
}

void rn_text_xml(FILE *out, const char *text)
{
    size_t length;

    for (size_t size = strlen(text); size; size -= length, text += length) {
        int32_t code = take(text, size, &length);

        if (code < 0)
            fputs("\xef\xbf\xbd", out);
        else if (code < 0x80 && strchr("&<>\"'", (char)code) && code)
            fprintf(out, "&#%d;", (int)code);
        else if (xml_allows(code))
            fwrite(text, 1, length, out);
    }
}
