/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/count.h"
#include "core/text.h"

#include "core/file.h"
#include "core/memory.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* ------------------------------------------------------------ encodings */

#define EVIDENCE 4096 /* bytes of a text that tell its encoding */

size_t rn_text_mark(const void *bytes, size_t size)
{
    return size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

/* Most letters of most texts are of the first 256, or blanks and line ends
 * are: their other bytes are zero, and always in the same place. */
static const char *encoding_of_zeros(const uint8_t *bytes, size_t size)
{
    size_t zeros[4] = {0}, quads = (size < EVIDENCE ? size : EVIDENCE) / 4;

    for (size_t i = 0; i < 4 * quads; i++)
        zeros[i % 4] += bytes[i] == 0;
    if (quads && zeros[3] == quads && zeros[2] >= quads / 2 && !zeros[0])
        return "UTF-32LE";
    if (quads && zeros[0] == quads && zeros[1] >= quads / 2 && !zeros[3])
        return "UTF-32BE";
    /* A single zero is damage, not evidence. */
    if (zeros[0] + zeros[1] + zeros[2] + zeros[3] < 2)
        return NULL;
    if (zeros[1] + zeros[3] > quads / 2 && !zeros[0] && !zeros[2])
        return "UTF-16LE";
    if (zeros[0] + zeros[2] > quads / 2 && !zeros[1] && !zeros[3])
        return "UTF-16BE";
    return NULL;
}

const char *rn_text_encoding(const void *bytes, size_t size)
{
    static const struct {
        const char *name, *mark;
        size_t size;
    } marks[] = {
        {"UTF-32", "\xff\xfe\0\0", 4},
        {"UTF-32", "\0\0\xfe\xff", 4},
        {"UTF-16", "\xff\xfe", 2},
        {"UTF-16", "\xfe\xff", 2},
    };

    for (size_t i = 0; i < COUNT(marks); i++)
        if (size >= marks[i].size &&
            memcmp(bytes, marks[i].mark, marks[i].size) == 0)
            return marks[i].name;
    return encoding_of_zeros(bytes, size);
}

int rn_text_fail_encoding(struct rn_error *err, const char *path,
                          const char *encoding)
{
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': text in %s, expected UTF-8; convert it with: iconv "
                   "-f %s -t UTF-8 FILE > NEWFILE",
                   path, encoding, encoding);
}

/* --------------------------------------------------------------- reading */

/* Windows ends lines with \r\n, old Macs with \r. */
static size_t plain_line_ends(char *text, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\r' && i + 1 < size && text[i + 1] == '\n')
            continue;
        text[n++] = text[i];
        if (text[i] == '\r')
            text[n - 1] = '\n';
    }
    return n;
}

int rn_text_clean(char *text, size_t *size, const char *path,
                  struct rn_error *err)
{
    const char *encoding = rn_text_encoding(text, *size), *zero;
    size_t mark = rn_text_mark(text, *size);

    if (encoding)
        return rn_text_fail_encoding(err, path, encoding);
    zero = memchr(text, 0, *size);
    if (zero)
        return rn_fail(err, RN_ERR_DATA, "'%s' is not a text: byte %zu is zero",
                       path, (size_t)(zero - text));
    memmove(text, text + mark, *size - mark);
    *size = plain_line_ends(text, *size - mark);
    text[*size] = '\0';
    return RN_OK;
}

int rn_text_read(const char *path, size_t limit, char **text, size_t *size,
                 struct rn_error *err)
{
    uint8_t *bytes;
    int rc = rn_file_read(path, limit, &bytes, size, err);

    *text = (char *)bytes;
    if (!rc)
        rc = rn_text_clean(*text, size, path, err);
    if (rc) {
        rn_free(*text);
        *text = NULL;
        *size = 0;
    }
    return rc;
}

/* ------------------------------------------------------------ characters */

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
