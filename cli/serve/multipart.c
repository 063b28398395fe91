/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes multipart/form-data apart: parts are stretches of the body itself. */
#include "multipart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int fail(struct rn_error *err, const char *why)
{
    err->code = RN_ERR_DATA;
    snprintf(err->msg, sizeof(err->msg), "multipart body: %s", why);
    return err->code;
}

static int fail_memory(struct rn_error *err)
{
    err->code = RN_ERR_MEMORY;
    snprintf(err->msg, sizeof(err->msg), "out of memory");
    return err->code;
}

/* ------------------------------------------------------------- parameters */

/* Where the value of a header's parameter begins, behind `name=`; NULL: there
 * is none. Names stand behind a semicolon, and not within quotes. */
static const char *find_parameter(const char *text, const char *name)
{
    size_t n = strlen(name);
    int quoted = 0;

    for (; *text; text++) {
        if (*text == '"')
            quoted = !quoted;
        else if (quoted && *text == '\\' && text[1])
            text++;
        if (quoted || *text != ';')
            continue;
        const char *at = text + 1 + strspn(text + 1, " \t");
        if (strncasecmp(at, name, n) == 0 && at[n] == '=')
            return at + n + 1;
    }
    return NULL;
}

/* The value at `text`, bare or in quotes, into out; its length, or -1 where it
 * does not fit. Of backslashes in quotes those before a quote or another one
 * count, as browsers of old sent paths with theirs. */
static int read_value(const char *text, char *out, size_t room)
{
    int quoted = *text == '"';
    size_t n = 0;

    for (text += quoted; *text; text++) {
        if (quoted ? *text == '"' : strchr("; \t\r\n", *text) != NULL)
            break;
        if (quoted && *text == '\\' && (text[1] == '"' || text[1] == '\\'))
            text++;
        if (n + 1 >= room)
            return -1;
        out[n++] = *text;
    }
    out[n] = '\0';
    return (int)n;
}

int multipart_boundary(const char *content_type, char boundary[71])
{
    static const char kind[] = "multipart/form-data";
    size_t n = sizeof(kind) - 1;
    const char *value;

    if (!content_type || strncasecmp(content_type, kind, n) != 0 ||
        !strchr("; \t", content_type[n]))
        return -1;
    value = find_parameter(content_type + n, "boundary");
    return value && read_value(value, boundary, 71) > 0 ? 0 : 1;
}

/* ------------------------------------------------------------------ parts */

/* A part's headers, as text, tell what it is called. */
static char *read_name(const char *headers)
{
    static const char disposition[] = "content-disposition:";
    char name[1024] = "";
    const char *line = headers, *value;

    while (line && strncasecmp(line, disposition, sizeof(disposition) - 1) != 0)
        line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL;
    if (!line)
        return strdup("");
    char *own = strndup(line, strcspn(line, "\r\n"));
    if (!own)
        return NULL;
    value = find_parameter(own, "filename");
    if (!value || read_value(value, name, sizeof(name)) <= 0)
        value = find_parameter(own, "name");
    if (!value || read_value(value, name, sizeof(name)) < 0)
        name[0] = '\0';
    free(own);
    return strdup(name);
}

/* A part from its headers on, up to the next delimiter. */
static int read_part(struct part *part, const char *bytes, size_t size,
                     struct rn_error *err)
{
    const char *blank = memmem(bytes, size, "\r\n\r\n", 4);
    size_t length = blank ? (size_t)(blank - bytes) : 0;
    char *headers;

    if (size >= 2 && memcmp(bytes, "\r\n", 2) == 0) {
        part->bytes = bytes + 2; /* no headers at all */
        part->size = size - 2;
        part->name = strdup("");
        return part->name ? RN_OK : fail_memory(err);
    }
    if (!blank)
        return fail(err, "a part has no blank line behind its headers");
    if (memchr(bytes, 0, length))
        return fail(err, "a part's headers hold a zero byte");
    /* not strndup(): sanitizers want a string there, and a body is none */
    headers = malloc(length + 1);
    if (!headers)
        return fail_memory(err);
    memcpy(headers, bytes, length);
    headers[length] = '\0';
    part->name = read_name(headers);
    free(headers);
    part->bytes = blank + 4;
    part->size = size - (size_t)(blank + 4 - bytes);
    return part->name ? RN_OK : fail_memory(err);
}

static struct part *add_part(struct part **parts, size_t *count)
{
    struct part *grown = *parts;

    if ((*count & (*count - 1)) == 0) /* at 0 and at powers of two */
        grown = realloc(*parts, (*count ? 2 * *count : 1) * sizeof(*grown));
    if (!grown)
        return NULL;
    *parts = grown;
    grown[*count] = (struct part){NULL, NULL, 0};
    return &grown[(*count)++];
}

/* A delimiter at the start of a line: what follows it, "--" at the end. NULL:
 * there is none. */
static const char *find_delimiter(const char *at, const char *end,
                                  const char *delimiter, const char **begin)
{
    size_t n = strlen(delimiter);

    *begin = memmem(at, (size_t)(end - at), delimiter, n);
    return *begin ? *begin + n : NULL;
}

static int parse(struct part **parts, size_t *count, const char *body,
                 size_t size, const char *boundary, size_t most,
                 struct rn_error *err)
{
    const char *end = body + size, *at, *begin;
    char delimiter[80];

    snprintf(delimiter, sizeof(delimiter), "\r\n--%s", boundary);
    /* the first one may begin the body */
    at = size >= strlen(delimiter) - 2 &&
                 memcmp(body, delimiter + 2, strlen(delimiter) - 2) == 0
             ? body + strlen(delimiter) - 2
             : find_delimiter(body, end, delimiter, &begin);
    if (!at)
        return fail(err, "its boundary does not occur");
    while (end - at < 2 || memcmp(at, "--", 2) != 0) {
        struct part *part;
        const char *next;
        int rc;

        while (at < end && (*at == ' ' || *at == '\t'))
            at++;
        if (end - at < 2 || memcmp(at, "\r\n", 2) != 0)
            return fail(err, "it ends early, or a boundary's line goes on");
        next = find_delimiter(at, end, delimiter, &begin);
        if (!next)
            return fail(err, "it ends early: its last boundary is missing");
        if (*count == most) {
            snprintf(delimiter, sizeof(delimiter), "it has more than %zu parts",
                     most);
            return fail(err, delimiter);
        }
        part = add_part(parts, count);
        if (!part)
            return fail_memory(err);
        if (begin < at + 2)
            return fail(err, "a part has no blank line behind its headers");
        rc = read_part(part, at + 2, (size_t)(begin - at - 2), err);
        if (rc)
            return rc;
        at = next;
    }
    return *count ? RN_OK : fail(err, "it has no parts");
}

int multipart_parse(struct part **out, size_t *count, const char *body,
                    size_t size, const char *boundary, size_t most,
                    struct rn_error *err)
{
    int rc;

    *out = NULL;
    *count = 0;
    rc = parse(out, count, body, size, boundary, most, err);
    if (rc) {
        multipart_free(*out, *count);
        *out = NULL;
        *count = 0;
    }
    return rc;
}

void multipart_free(struct part *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(parts[i].name);
    free(parts);
}
