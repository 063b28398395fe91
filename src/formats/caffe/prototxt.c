/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes a tree of fields of a text, in one array and without recursion. */
#include "formats/caffe/prototxt.h"

#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"
#include "core/text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A file being read, and the messages that are open: the innermost last. */
struct scan {
    struct rn_prototxt *p;
    const uint8_t *at, *end;
    int line;
    uint32_t open[RN_PROTOTXT_DEPTH];
    uint8_t ends[RN_PROTOTXT_DEPTH]; /* the character that closes each */
    int depth;
    struct rn_error *err;
};

static int fail_expected(const struct scan *s, const char *expected)
{
    if (s->at == s->end)
        return rn_fail(s->err, RN_ERR_DATA,
                       "'%s': cut short in line %d, expected %s", s->p->path,
                       s->line, expected);
    return rn_fail(s->err, RN_ERR_DATA,
                   "'%s': line %d has a byte 0x%02x, expected %s", s->p->path,
                   s->line, *s->at, expected);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' ||
           c == '\v';
}

static bool is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_';
}

/* Numbers and enumerators. */
static bool is_value(uint8_t c)
{
    return is_word(c) || c == '.' || c == '+' || c == '-';
}

static void skip_blank(struct scan *s)
{
    bool comment = false;

    for (; s->at < s->end; s->at++) {
        comment = comment ? *s->at != '\n' : *s->at == '#';
        if (!comment && !is_blank(*s->at))
            return;
        s->line += *s->at == '\n';
    }
}

/* The character if it is next, blanks before it aside. */
static bool take(struct scan *s, char c)
{
    skip_blank(s);
    if (s->at == s->end || *s->at != (uint8_t)c)
        return false;
    s->at++;
    return true;
}

static struct rn_pb take_run(struct scan *s, bool (*is)(uint8_t))
{
    struct rn_pb text = {s->at, 0};

    while (s->at < s->end && is(*s->at))
        s->at++;
    text.size = (size_t)(s->at - text.at);
    return text;
}

static int take_quoted(struct scan *s, struct rn_pb *text)
{
    uint8_t quote = *s->at++;

    text->at = s->at;
    while (s->at < s->end && *s->at != quote && *s->at != '\n')
        s->at += *s->at == '\\' && s->at + 1 < s->end ? 2 : 1;
    if (s->at >= s->end || *s->at != quote)
        return fail_expected(s, "the end of a text in quotes");
    text->size = (size_t)(s->at - text->at);
    s->at++;
    return RN_OK;
}

/* Up to `most` digits of a base as a byte's value. */
static uint8_t take_digits(struct rn_pb *text, int base, int most)
{
    unsigned value = 0;

    for (; most-- > 0 && text->size; text->at++, text->size--) {
        static const char digits[] = "0123456789abcdef";
        const char *d = memchr(digits, *text->at | 0x20, (size_t)base);

        if (!d)
            break;
        value = value * (unsigned)base + (unsigned)(d - digits);
    }
    return (uint8_t)value;
}

/* The byte that an escape behind its backslash stands for: \n, \101, \x41. */
static uint8_t take_escape(struct rn_pb *text)
{
    static const char letters[] = "abfnrtv", bytes[] = "\a\b\f\n\r\t\v";
    uint8_t c = *text->at;
    const char *letter = c ? strchr(letters, c) : NULL;

    if (c >= '0' && c <= '7')
        return take_digits(text, 8, 3);
    text->at++;
    text->size--;
    if (c == 'x' || c == 'X')
        return take_digits(text, 16, 2);
    return letter ? (uint8_t)bytes[letter - letters] : c;
}

static size_t unescape(struct rn_pb text, uint8_t *to)
{
    size_t n = 0;

    while (text.size) {
        uint8_t c = *text.at++;

        text.size--;
        to[n++] = c == '\\' && text.size ? take_escape(&text) : c;
    }
    return n;
}

static bool at_quote(struct scan *s)
{
    skip_blank(s);
    return s->at < s->end && (*s->at == '"' || *s->at == '\'');
}

/* Texts in quotes one after the other are one. */
static int take_text(struct scan *s, struct rn_pb *text)
{
    const uint8_t *first = s->at;
    const int line = s->line;
    struct rn_pb more = {NULL, 0};
    size_t room;
    int rc = take_quoted(s, text);

    if (rc || (!at_quote(s) && !memchr(text->at, '\\', text->size)))
        return rc;
    while (!rc && at_quote(s))
        rc = take_quoted(s, &more);
    room = (size_t)(s->at - first);
    uint8_t *to = rc ? NULL : rn_slab_alloc(&s->p->texts, room, 1);
    if (rc || !to)
        return rc ? rc : rn_fail_memory(s->err, room, "a text");
    s->at = first;
    s->line = line;
    *text = (struct rn_pb){to, 0};
    while (!rc && at_quote(s)) {
        rc = take_quoted(s, &more); /* it did before */
        text->size += unescape(more, to + text->size);
    }
    return rc;
}

static int add_field(struct scan *s, const struct rn_prototxt_field *field)
{
    struct rn_prototxt *p = s->p;

    if (p->count >= RN_PROTOTXT_FIELDS)
        return rn_fail(s->err, RN_ERR_DATA,
                       "'%s': more than %d fields, which no network has",
                       p->path, RN_PROTOTXT_FIELDS);
    if (!rn_grow(&p->fields, &p->room, p->count, sizeof(*p->fields)))
        return rn_fail_memory(s->err, sizeof(*p->fields), "a field");
    p->fields[p->count] = *field;
    p->fields[p->count].end = (uint32_t)p->count + 1;
    p->count++;
    return RN_OK;
}

static int open_message(struct scan *s, struct rn_pb name, uint8_t end)
{
    if (s->depth == RN_PROTOTXT_DEPTH)
        return rn_fail(s->err, RN_ERR_DATA,
                       "'%s': line %d has messages within messages, more than "
                       "%d deep",
                       s->p->path, s->line, RN_PROTOTXT_DEPTH);
    s->ends[s->depth] = end;
    s->open[s->depth++] = (uint32_t)s->p->count;
    return add_field(
        s, &(struct rn_prototxt_field){.name = name, .message = true});
}

static void close_message(struct scan *s)
{
    s->p->fields[s->open[--s->depth]].end = (uint32_t)s->p->count;
}

static int read_value(struct scan *s, struct rn_pb name)
{
    struct rn_prototxt_field field = {.name = name};
    int rc = RN_OK;

    if (at_quote(s)) {
        field.quoted = true;
        rc = take_text(s, &field.value);
    } else {
        field.value = take_run(s, is_value);
        if (field.value.size == 0)
            rc = fail_expected(s, "a value");
    }
    return rc ? rc : add_field(s, &field);
}

/* [1, 2, 3] is three fields of that name. */
static int read_list(struct scan *s, struct rn_pb name)
{
    int rc = RN_OK;

    if (take(s, ']'))
        return RN_OK;
    do
        rc = read_value(s, name);
    while (!rc && take(s, ','));
    if (!rc && !take(s, ']'))
        rc = fail_expected(s, "',' or ']'");
    return rc;
}

static int read_field(struct scan *s)
{
    struct rn_pb name = take_run(s, is_word);

    if (name.size == 0)
        return fail_expected(s, "the name of a field");
    bool colon = take(s, ':');
    if (take(s, '{'))
        return open_message(s, name, '}');
    if (take(s, '<'))
        return open_message(s, name, '>');
    if (!colon)
        return fail_expected(s, "':' or '{'");
    return take(s, '[') ? read_list(s, name) : read_value(s, name);
}

/* A field, or the end of the innermost message. */
static int read_item(struct scan *s)
{
    if (*s->at == ',' || *s->at == ';') {
        s->at++;
        return RN_OK;
    }
    if (*s->at != '}' && *s->at != '>')
        return read_field(s);
    if (s->depth == 1)
        return fail_expected(s, "a field: no message is open");
    if (*s->at != s->ends[s->depth - 1])
        return fail_expected(s, *s->at == '}' ? "'>' to end a message"
                                              : "'}' to end a message");
    s->at++;
    close_message(s);
    return RN_OK;
}

static int read_file(struct scan *s)
{
    int rc = open_message(s, (struct rn_pb){s->at, 0}, 0);

    for (skip_blank(s); s->at < s->end && !rc; skip_blank(s))
        rc = read_item(s);
    if (!rc && s->depth > 1)
        rc = fail_expected(s, "'}' to end a message");
    if (!rc)
        close_message(s);
    return rc;
}

int rn_prototxt_parse(struct rn_prototxt *p, const uint8_t *bytes, size_t size,
                      const char *path, struct rn_error *err)
{
    struct scan s = {
        .p = p, .at = bytes, .end = bytes + size, .line = 1, .err = err};

    memset(p, 0, sizeof(*p));
    p->path = path;
    return read_file(&s);
}

int rn_prototxt_open(struct rn_prototxt *p, const char *path,
                     struct rn_error *err)
{
    char *text;
    size_t size;

    memset(p, 0, sizeof(*p));
    int rc = rn_text_read(path, RN_PROTOTXT_BYTES, &text, &size, err);
    if (rc)
        return rc;
    rc = rn_prototxt_parse(p, (uint8_t *)text, size, path, err);
    p->file = (uint8_t *)text;
    return rc;
}

void rn_prototxt_close(struct rn_prototxt *p)
{
    rn_free(p->fields);
    rn_free(p->file);
    rn_slab_free(&p->texts);
    memset(p, 0, sizeof(*p));
}

/* ------------------------------------------------------------------ fields */

const struct rn_prototxt_field *
rn_prototxt_each(const struct rn_prototxt *p,
                 const struct rn_prototxt_field *message,
                 const struct rn_prototxt_field *after)
{
    const struct rn_prototxt_field *next =
        after ? &p->fields[after->end] : message + 1;

    return next < &p->fields[message->end] ? next : NULL;
}

const struct rn_prototxt_field *
rn_prototxt_next(const struct rn_prototxt *p,
                 const struct rn_prototxt_field *message, const char *name,
                 const struct rn_prototxt_field *after)
{
    const struct rn_prototxt_field *f = after;

    if (!message)
        return NULL;
    do
        f = rn_prototxt_each(p, message, f);
    while (f && !rn_pb_is(f->name, name));
    return f;
}

const struct rn_prototxt_field *
rn_prototxt_last(const struct rn_prototxt *p,
                 const struct rn_prototxt_field *message, const char *name)
{
    const struct rn_prototxt_field *last = NULL, *f = NULL;

    while ((f = rn_prototxt_next(p, message, name, f)))
        last = f;
    return last;
}

bool rn_prototxt_number(const struct rn_prototxt_field *f, double *out)
{
    char text[64], *end;

    if (f->quoted || f->value.size == 0 || f->value.size >= sizeof(text))
        return false;
    memcpy(text, f->value.at, f->value.size);
    text[f->value.size] = '\0';
    *out = rn_number(text, &end);
    if (end != text && (*end == 'f' || *end == 'F')) /* 0.5f */
        end++;
    return end != text && !*end && isfinite(*out);
}

bool rn_prototxt_integer(const struct rn_prototxt_field *f, int64_t *out)
{
    char text[32], *end;

    if (f->quoted || f->value.size == 0 || f->value.size >= sizeof(text))
        return false;
    memcpy(text, f->value.at, f->value.size);
    text[f->value.size] = '\0';
    errno = 0;
    *out = strtoll(text, &end, 0);
    return end != text && !*end && !errno;
}

bool rn_prototxt_flag(const struct rn_prototxt_field *f, bool *out)
{
    static const char *const words[2][4] = {{"false", "False", "f", "0"},
                                            {"true", "True", "t", "1"}};

    for (int value = 0; value < 2 && !f->quoted; value++)
        for (int i = 0; i < 4; i++)
            if (rn_pb_is(f->value, words[value][i])) {
                *out = value;
                return true;
            }
    return false;
}
