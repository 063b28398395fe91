/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of classes, from text files with one name a line. */
#include "data/pictures.h"
#include "data/reader.h"

#include "core/file.h"
#include "core/memory.h"

#include <string.h>

#define MAX_FILE ((size_t)1 << 22)
#define MAX_NAME 256

void rn_names_free(char **names)
{
    for (size_t i = 0; names && names[i]; i++)
        rn_free(names[i]);
    rn_free(names);
}

/* Length of the UTF-8 sequence that starts with byte c, 0 for none. */
static size_t utf8_length(uint8_t c)
{
    if (c < 0x80)
        return 1;
    if (c >> 5 == 0x06)
        return 2;
    if (c >> 4 == 0x0e)
        return 3;
    return c >> 3 == 0x1e ? 4 : 0;
}

/* The character that those bytes make, -1 for none. */
static int32_t decode(const uint8_t *s, size_t length)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t code = length == 1 ? s[0] : s[0] & (0x7fu >> length);

    for (size_t k = 1; k < length; k++) {
        if ((s[k] & 0xc0) != 0x80)
            return -1;
        code = code << 6 | (s[k] & 0x3f);
    }
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ||
        (length > 1 && code < least[length]))
        return -1;
    return (int32_t)code;
}

/* Whether a character fits into a name: model files keep names as JSON, and
 * terminals print them. */
static bool fits(const uint8_t *s, size_t length)
{
    int32_t code = decode(s, length);

    return code >= 0x20 && (code < 0x7f || code > 0x9f);
}

bool rn_is_utf8(const char *text)
{
    const uint8_t *s = (const uint8_t *)text;
    size_t length;

    for (size_t size = strlen(text); size; size -= length, s += length) {
        length = utf8_length(*s);
        if (!length || length > size || decode(s, length) < 0)
            return false;
    }
    return true;
}

static bool all_fit(const uint8_t *s, size_t size)
{
    size_t length;

    for (size_t i = 0; i < size; i += length) {
        length = utf8_length(s[i]);
        if (!length || length > size - i || !fits(s + i, length))
            return false;
    }
    return true;
}

bool rn_is_printable(const char *text)
{
    return all_fit((const uint8_t *)text, strlen(text));
}

static bool name_valid(const uint8_t *s, size_t size)
{
    return size > 0 && size <= MAX_NAME && all_fit(s, size);
}

bool rn_name_valid(const char *name)
{
    return name_valid((const uint8_t *)name, strlen(name));
}

/* Size of the text without the empty lines and blanks at its end. */
static size_t trimmed(const uint8_t *text, size_t size)
{
    while (size && strchr("\r\n \t", text[size - 1]) && text[size - 1])
        size--;
    return size;
}

static int count_lines(const uint8_t *text, size_t size)
{
    int lines = 1;

    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    return lines;
}

/* Split text into `lines` names. */
static int split(const uint8_t *text, size_t size, int lines, char **names,
                 const char *path, struct rn_error *err)
{
    const uint8_t *s = text, *end = text + size;

    for (int i = 0; i < lines; i++) {
        const uint8_t *stop = memchr(s, '\n', (size_t)(end - s));
        size_t length = (size_t)((stop ? stop : end) - s);

        length = trimmed(s, length);
        if (!name_valid(s, length))
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': line %d is not a class name, expected 1 to "
                           "%d bytes of UTF-8 without control characters",
                           path, i + 1, MAX_NAME);
        names[i] = rn_alloc(length + 1, 1);
        if (!names[i])
            return rn_fail_memory(err, length + 1, "class names");
        memcpy(names[i], s, length);
        s = stop ? stop + 1 : end;
    }
    return RN_OK;
}

int rn_names_read(struct rn_data *data, const char *path, int *count,
                  struct rn_error *err)
{
    uint8_t *text = NULL;
    char **names = NULL;
    size_t size;
    int rc = rn_files_read(&data->source, path, MAX_FILE, &text, &size, err);

    if (rc)
        return rc;
    size = trimmed(text, size);
    if (!size) {
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s' is empty, expected class names, one a line", path);
        goto out;
    }
    *count = count_lines(text, size);
    names = rn_alloc((size_t)*count + 1, sizeof *names);
    rc = names ? split(text, size, *count, names, path, err)
               : rn_fail_memory(err, ((size_t)*count + 1) * sizeof *names,
                                "class names");
    if (rc)
        goto out;
    rn_names_free(data->class_names);
    data->class_names = names;
    names = NULL;
out:
    rn_names_free(names);
    rn_free(text);
    return rc;
}

int rn_names_set(struct rn_data *data, const char *const *names, int count,
                 struct rn_error *err)
{
    char **copy = rn_alloc((size_t)count + 1, sizeof *copy);

    for (int i = 0; copy && i < count; i++) {
        copy[i] = rn_strdup(names[i]);
        if (!copy[i]) {
            rn_names_free(copy);
            copy = NULL;
        }
    }
    if (!copy)
        return rn_fail_memory(err, ((size_t)count + 1) * sizeof *copy,
                              "class names");
    rn_names_free(data->class_names);
    data->class_names = copy;
    return RN_OK;
}
