/* SPDX-License-Identifier: BSD-2-Clause */
/* What `resnet eval --confusion --mistakes` left in a run's folder, as JSON. */
#include "runs.h"

#include "../output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFUSION "confusion.csv"
#define MISTAKES  "mistakes.html"

#define CONFUSION_BYTES ((size_t)8 << 20)
#define CLASSES         1000
/* Of the page only its beginning is read, where the surest are. */
#define MISTAKES_BYTES ((size_t)4 << 20)
#define SHOWN          48

static json_t *cannot_read(const char *file, const char *reason)
{
    char text[200];

    snprintf(text, sizeof(text), "%s: %s", file, reason);
    return json_text(text);
}

/* ---------------------------------------------------------------- confusion */

/* A cell, taken out of its quotes in place; *at goes behind it. NULL: there is
 * none. `last` tells whether the line ends with it. */
static char *next_cell(char **at, int *last)
{
    char *begin = *at, *in = begin, *out = begin;
    int quoted = *in == '"';

    if (!*in)
        return NULL;
    in += quoted;
    while (*in && (quoted || (*in != ',' && *in != '\n'))) {
        if (*in == '"' && quoted) {
            if (in[1] != '"') {
                quoted = 0;
                in++;
                continue;
            }
            in++;
        }
        *out++ = *in++;
    }
    *last = *in != ',';
    *at = in + (*in != '\0');
    *out = '\0';
    return begin;
}

/* A row's cells behind its name; how many, or -1: one is no number. */
static int read_row(char **at, json_t *row, int is_head)
{
    int last = 0, n = -1;
    char *cell, *end;

    while (!last && (cell = next_cell(at, &last))) {
        if (++n == 0)
            continue;
        if (is_head) {
            json_add(row, json_text(cell));
            continue;
        }
        json_add(row, json_count(strtoul(cell, &end, 10)));
        if (end == cell || *end)
            return -1;
    }
    return n;
}

static json_t *read_confusion(char *text)
{
    json_t *object = json_new(), *classes = json_list(), *counts = json_list();
    static const char head[] = "label\\answer,";
    int n = 0, rows = 0;

    json_put(object, "classes", classes);
    json_put(object, "counts", counts);
    if (strncmp(text, head, sizeof(head) - 1) == 0)
        n = read_row(&text, classes, 1);
    while (n > 0 && n <= CLASSES && rows < n) {
        json_t *row = json_list();
        int cells = read_row(&text, row, 0);

        json_add(counts, row);
        if (cells != n)
            break;
        rows++;
    }
    if (n > 0 && rows == n && !*text)
        return object;
    json_decref(object);
    return cannot_read(CONFUSION, n > CLASSES
                                      ? "it has more than 1000 classes"
                                      : "it is none that resnet eval writes");
}

/* ----------------------------------------------------------------- mistakes */

/* The page's writer has "&#38;" for what HTML means something else by. */
static char *put_entity(char *out, char **text)
{
    char *end = *text;
    long code = strncmp(end, "&#", 2) == 0 ? strtol(end + 2, &end, 10) : 0;
    static const char narrow_blank[] = "\u202f";

    if (*end != ';' || (code != 8239 && (code < ' ' || code > '~'))) {
        *out++ = *(*text)++;
        return out;
    }
    *text = end + 1;
    if (code < 128) {
        *out++ = (char)code;
        return out;
    }
    memcpy(out, narrow_blank, sizeof(narrow_blank) - 1);
    return out + sizeof(narrow_blank) - 1;
}

/* Text without its tags, a line where <br> was, in place. */
static void strip(char *text)
{
    char *out = text;

    while (*text) {
        if (*text == '&') {
            out = put_entity(out, &text);
        } else if (*text == '<') {
            if (strncmp(text, "<br>", 4) == 0)
                *out++ = '\n';
            text += strcspn(text, ">");
            text += *text != '\0';
        } else {
            *out++ = *text++;
        }
    }
    *out = '\0';
}

/* What stands between two texts, cut out in place; *at goes behind. NULL: it
 * is not there. */
static char *between(char **at, const char *begin, const char *end)
{
    char *from = strstr(*at, begin), *to;

    if (!from)
        return NULL;
    from += strlen(begin);
    to = strstr(from, end);
    if (!to)
        return NULL;
    *to = '\0';
    *at = to + strlen(end);
    return from;
}

/* A line, without the word that begins it. */
static char *next_line(char **at, const char *word)
{
    char *line = *at;
    size_t n = strcspn(line, "\n"), k = strlen(word);

    *at = line + n + (line[n] != '\0');
    line[n] = '\0';
    return strncmp(line, word, k) == 0 ? line + k : line;
}

/* Nothing but a picture within the page: whoever wrote it cannot have the
 * browser ask for anything. */
static json_t *embedded(char *figure)
{
    static const char start[] = "data:image/png;base64,";
    char *source = between(&figure, " src=\"", "\"");
    size_t n = sizeof(start) - 1;

    if (!source || strncmp(source, start, n) != 0 ||
        source[n + strspn(source + n, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "abcdefghijklmnopqrstuvwxyz"
                                      "0123456789+/=")])
        return json_null();
    return json_text(source);
}

static json_t *read_mistake(char *figure)
{
    char *rest = figure, *caption;
    json_t *object;

    caption = strstr(figure, "<figcaption>");
    if (!caption)
        return NULL;
    *caption = '\0';
    rest = caption + strlen("<figcaption>");
    strip(rest);
    object = json_new();
    json_put(object, "answer", json_text(next_line(&rest, "taken for ")));
    json_put(object, "label", json_text(next_line(&rest, "labelled ")));
    json_put(object, "image", json_text(next_line(&rest, "")));
    json_put(object, "picture", embedded(figure));
    return object;
}

static json_t *read_mistakes(char *text)
{
    json_t *object = json_new(), *list = json_list();
    char *title = between(&text, "<h1>", "</h1>"), *figure;
    unsigned long wrong = 0, images = 0;

    json_put(object, "shown", list);
    if (!title || sscanf(title, "%lu of %lu images answered wrongly", &wrong,
                         &images) != 2) {
        json_decref(object);
        return cannot_read(MISTAKES, "it is none that resnet eval writes");
    }
    json_put(object, "wrong", json_count(wrong));
    json_put(object, "images", json_count(images));
    while (json_array_size(list) < SHOWN &&
           (figure = between(&text, "<figure>", "</figure>"))) {
        json_t *mistake = read_mistake(figure);

        if (mistake)
            json_add(list, mistake);
    }
    return object;
}

/* ----------------------------------------------------------------- together */

/* What a file of the run's folder tells; null where there is none. */
static json_t *told_by(int folder, const char *name, size_t most, int cut,
                       json_t *(*read)(char *text))
{
    size_t size;
    char *text = below_read(folder, name, most, cut, &size);
    json_t *result;

    if (!text)
        return errno == ENOENT ? json_null()
                               : cannot_read(name, strerror(errno));
    result = read(text);
    free(text);
    return result;
}

void results_put(json_t *object, int folder)
{
    json_put(object, "confusion",
             told_by(folder, CONFUSION, CONFUSION_BYTES, 0, read_confusion));
    json_put(object, "mistakes",
             told_by(folder, MISTAKES, MISTAKES_BYTES, 1, read_mistakes));
}
