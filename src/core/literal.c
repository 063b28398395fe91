/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes JSON of Python's text of lists, dictionaries and strings. */
#include "core/literal.h"

#include "core/locale.h"
#include "core/memory.h"
#include "core/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define DEPTH 4 /* brackets within brackets: {0: ('id', 'name')} has two */

struct scan {
    const char *at, *path;
    int line;
    size_t values;
    char *text; /* of what is in quotes, as long as the whole */
    struct rn_error *err;
};

static int fail(const struct scan *s, const char *expected)
{
    return rn_fail(s->err, RN_ERR_DATA,
                   "'%s': line %d: neither JSON nor Python's text of a "
                   "dictionary or list of names: expected %s",
                   s->path, s->line, expected);
}

static void skip(struct scan *s)
{
    while (*s->at && (strchr(" \t\n", *s->at) || *s->at == '#')) {
        if (*s->at == '#')
            s->at += strcspn(s->at, "\n");
        else
            s->line += *s->at++ == '\n';
    }
}

static bool take(struct scan *s, char c)
{
    skip(s);
    if (*s->at != c)
        return false;
    s->at++;
    return true;
}

/* -------------------------------------------------------------- texts */

/* \xNN, \uNNNN and \UNNNNNNNN behind the letter; -1: no character. */
static long take_code(struct scan *s, int digits)
{
    char hex[9] = "", *end;
    long code;

    strncat(hex, s->at, (size_t)digits);
    code = strspn(hex, "0123456789abcdefABCDEF") == (size_t)digits
               ? strtol(hex, &end, 16)
               : -1;
    s->at += code < 0 ? 0 : digits;
    return utf8proc_codepoint_valid((utf8proc_int32_t)code) ? code : -1;
}

/* What follows a backslash, to *to; false: no character of a name, as what
 * Python makes of the letters in `others`. Behind any other letter the
 * backslash stays, as in Python. */
static bool take_escape(struct scan *s, char **to)
{
    static const char letters[] = "\\'\"nt", meant[] = "\\'\"\n\t";
    static const char others[] = "abfrvN01234567\n";
    char c = *s->at++;
    const char *known = c ? strchr(letters, c) : NULL;
    long code;

    if (known) {
        *(*to)++ = meant[known - letters];
        return true;
    }
    if (c && strchr(others, c))
        return false;
    if (c != 'x' && c != 'u' && c != 'U') {
        *(*to)++ = '\\';
        s->at--;
        return true;
    }
    code = take_code(s, c == 'x' ? 2 : c == 'u' ? 4 : 8);
    if (code > 0)
        *to += utf8proc_encode_char((utf8proc_int32_t)code,
                                    (utf8proc_uint8_t *)*to);
    return code > 0;
}

/* Into s->text. No escape is shorter than what it stands for. */
static int take_text(struct scan *s)
{
    char quote = *s->at++, *to = s->text;

    while (*s->at != quote) {
        if (!*s->at || *s->at == '\n')
            return fail(s, "the end of a text in quotes");
        if (*s->at != '\\')
            *to++ = *s->at++;
        else if (s->at++, !take_escape(s, &to))
            return fail(s, "a character behind the backslash");
    }
    s->at++;
    *to = '\0';
    return RN_OK;
}

static bool at_text(struct scan *s)
{
    skip(s);
    if ((*s->at == 'u' || *s->at == 'U') &&
        (s->at[1] == '\'' || s->at[1] == '"'))
        s->at++;
    return *s->at == '\'' || *s->at == '"';
}

static int take_number(struct scan *s, json_int_t *out)
{
    char *end;

    errno = 0;
    *out = strtoll(s->at, &end, 10);
    if (!rn_is_digit(*s->at) || errno)
        return fail(s, "a text in quotes or a whole number");
    s->at = end;
    return RN_OK;
}

/* ------------------------------------------------------------- values */

static int fail_memory(const struct scan *s)
{
    return rn_fail_memory(s->err, sizeof(json_t), "a class list");
}

static int take_value(struct scan *s, int depth, json_t **out);

/* A text, or a number as text. */
static int take_key(struct scan *s)
{
    json_int_t number;
    int rc;

    if (at_text(s))
        return take_text(s);
    rc = take_number(s, &number);
    if (!rc)
        snprintf(s->text, 24, "%lld", (long long)number);
    return rc;
}

static int take_pair(struct scan *s, int depth, json_t *object)
{
    json_t *value = NULL;
    int rc = take_key(s);
    char *key;

    if (!rc && json_object_get(object, s->text))
        rc = rn_fail(s->err, RN_ERR_DATA,
                     "'%s': line %d: key '%.60s' stands there twice", s->path,
                     s->line, s->text);
    if (!rc && !take(s, ':'))
        rc = fail(s, "':'");
    if (rc)
        return rc;
    key = rn_strdup(s->text);
    if (!key)
        return fail_memory(s);
    rc = take_value(s, depth, &value);
    if (!rc && json_object_set_new(object, key, value))
        rc = fail(s, "texts in UTF-8");
    rn_free(key);
    return rc;
}

static int take_item(struct scan *s, int depth, json_t *array)
{
    json_t *value = NULL;
    int rc = take_value(s, depth, &value);

    if (!rc && json_array_append_new(array, value))
        rc = fail_memory(s);
    return rc;
}

/* What is in brackets, up to the one that closes them; a comma may stand
 * before it. */
static int take_all(struct scan *s, int depth, char close, json_t *into)
{
    int rc = RN_OK;

    if (depth > DEPTH)
        return fail(s, "fewer brackets within brackets");
    while (!rc && !take(s, close)) {
        rc = json_is_object(into) ? take_pair(s, depth, into)
                                  : take_item(s, depth, into);
        if (!rc && !take(s, ',') && (skip(s), *s->at != close))
            rc = fail(s, "',' or a closing bracket");
    }
    return rc;
}

static int take_plain(struct scan *s, json_t **out)
{
    json_int_t number;
    int rc;

    if (at_text(s)) {
        rc = take_text(s);
        *out = rc ? NULL : json_string(s->text);
        return rc || *out ? rc : fail(s, "texts in UTF-8");
    }
    rc = take_number(s, &number);
    *out = rc ? NULL : json_integer(number);
    return rc || *out ? rc : fail_memory(s);
}

static int take_value(struct scan *s, int depth, json_t **out)
{
    static const char open[] = "{[(", closed[] = "}])";
    const char *bracket;
    int rc;

    skip(s);
    *out = NULL;
    if (++s->values > RN_JSON_VALUES)
        return fail(s, "fewer values");
    bracket = *s->at ? strchr(open, *s->at) : NULL;
    if (!bracket)
        return take_plain(s, out);
    *out = *bracket == '{' ? json_object() : json_array();
    if (!*out)
        return fail_memory(s);
    s->at++;
    rc = take_all(s, depth + 1, closed[bracket - open], *out);
    if (rc) {
        json_decref(*out);
        *out = NULL;
    }
    return rc;
}

/* -------------------------------------------------------------- whole */

static bool is_name(char c)
{
    return rn_is_digit(c) || c == '_' || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

const char *rn_literal_start(const char *text)
{
    struct scan s = {.at = text};
    const char *name;

    skip(&s);
    name = s.at;
    while (is_name(*s.at))
        s.at++;
    if (s.at != name && !take(&s, '='))
        return NULL;
    skip(&s);
    return *s.at == '{' || *s.at == '[' ? s.at : NULL;
}

int rn_literal_parse(json_t **out, const char *text, size_t size,
                     const char *path, struct rn_error *err)
{
    const char *start = rn_literal_start(text);
    struct scan s = {.at = start ? start : text, .path = path, .err = err};
    int rc;

    *out = NULL;
    for (const char *c = text; c < s.at; c++)
        s.line += *c == '\n';
    s.line++;
    s.text = rn_alloc(size + 24, 1);
    if (!s.text)
        return rn_fail_memory(err, size, "a class list");
    rc = take_value(&s, 0, out);
    if (!rc && !take(&s, '\0')) {
        rc = fail(&s, "nothing behind the closing bracket");
        json_decref(*out);
        *out = NULL;
    }
    rn_free(s.text);
    return rc;
}
