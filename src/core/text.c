/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading texts from outside: their encoding, their line ends. */
#include "core/text.h"

#include "core/count.h"
#include "core/file.h"
#include "core/memory.h"

#include <string.h>

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

int rn_text_take(char **text, uint8_t *bytes, size_t *size, const char *path,
                 struct rn_error *err)
{
    int rc = rn_text_clean((char *)bytes, size, path, err);

    *text = rc ? NULL : (char *)bytes;
    if (rc) {
        rn_free(bytes);
        *size = 0;
    }
    return rc;
}

int rn_text_read(const char *path, size_t limit, char **text, size_t *size,
                 struct rn_error *err)
{
    uint8_t *bytes;
    int rc = rn_file_read(path, limit, &bytes, size, err);

    *text = NULL;
    return rc ? rc : rn_text_take(text, bytes, size, path, err);
}

char *rn_text_trim(char *text)
{
    size_t n;

    text += strspn(text, " \t");
    n = strlen(text);
    while (n && strchr(" \t", text[n - 1]))
        text[--n] = '\0';
    return text;
}
