/* SPDX-License-Identifier: BSD-2-Clause */
/* Class lists of lines: names, with numbers or identifiers before or behind. */
#include "model/class_list/reading.h"

#include "core/count.h"
#include "core/csv.h"
#include "core/locale.h"
#include "core/memory.h"
#include "core/text.h"

#include <stdlib.h>
#include <string.h>

#define AS_JSON "[\"2 door\", \"4 door\"]"

/* How a number may stand on a line; each cuts it off and gives where the rest
 * begins, or NULL. */
static char *cut_first(char *line, size_t *number, bool *colon)
{
    size_t digits = strspn(line, "0123456789"), n = digits;
    char *rest;

    *colon = line[n] == ':';
    n += line[n] && strchr(":,;.)", line[n]) ? 1 : 0;
    rest = line + n + strspn(line + n, " \t");
    /* "3.5 inch" and "7up" begin with no number of their own. */
    if (!digits || rest == line + digits || !*rest ||
        (n > digits && rest == line + n && !strchr(":,;", line[digits])))
        return NULL;
    line[digits] = '\0';
    *number = rn_reading_number(line);
    return rest;
}

static char *cut_last(char *line, size_t *number, bool *colon)
{
    char *end = line + strlen(line), *at = end;

    while (at > line && rn_is_digit(at[-1]))
        at--;
    if (at == end || at == line || !strchr(" \t,;:", at[-1]))
        return NULL;
    *number = rn_reading_number(at);
    *colon = false;
    for (at--; at > line && strchr(" \t,;:", *at);)
        *at-- = '\0';
    return at > line || !strchr(" \t,;:", *at) ? line : NULL;
}

typedef char *cutter(char *line, size_t *number, bool *colon);

struct cuts {
    size_t *number;
    char **rest; /* into text */
    char *text;  /* a copy of all lines */
    bool all, colon;
};

static size_t cut_number(const void *context, size_t i)
{
    return ((const struct cuts *)context)->number[i];
}

static void cuts_free(struct cuts *c)
{
    rn_free(c->number);
    rn_free(c->rest);
    rn_free(c->text);
}

/* Cut copies of the names; c->all tells whether every one could be. */
static int cut_all(const struct reading *r, cutter *cut, struct cuts *c)
{
    size_t size = 1;
    char *to;

    for (size_t i = 0; i < r->count; i++)
        size += strlen(r->entry[i].name) + 1;
    *c = (struct cuts){.number = rn_alloc(r->count + 1, sizeof *c->number),
                       .rest = rn_alloc(r->count + 1, sizeof(*c->rest)),
                       .text = rn_alloc(size, 1)};
    if (!c->number || !c->rest || !c->text)
        return rn_fail_memory(r->err, size, "a class list");
    to = c->text;
    c->all = r->count > 0;
    for (size_t i = 0; i < r->count && c->all; i++) {
        bool colon;

        strcpy(to, r->entry[i].name);
        c->rest[i] = cut(to, &c->number[i], &colon);
        c->all = c->rest[i] != NULL;
        c->colon = c->colon || colon;
        to += strlen(r->entry[i].name) + 1;
    }
    return RN_OK;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Whether the numbers are a part of the names: without them more than one in
 * ten is there again ("level 1", "level 2"). */
static int are_names(const struct reading *r, const struct cuts *c, bool *names)
{
    char **sorted = rn_alloc(r->count, sizeof(*sorted));
    size_t again = 0;

    if (!sorted)
        return rn_fail_memory(r->err, r->count, "a class list");
    memcpy(sorted, c->rest, r->count * sizeof(*sorted));
    qsort(sorted, r->count, sizeof(*sorted), compare);
    for (size_t i = 1; i < r->count; i++)
        again += strcmp(sorted[i - 1], sorted[i]) == 0;
    rn_free(sorted);
    *names = again > r->count / 10;
    return RN_OK;
}

/* The numbers count: cut the lines themselves as their copies were. */
static void take_numbers(struct reading *r, cutter *cut)
{
    for (size_t i = 0; i < r->count; i++) {
        bool colon;

        r->entry[i].name = cut((char *)(uintptr_t)r->entry[i].name,
                               &r->entry[i].number, &colon);
    }
}

/* Numbers that all lines have in the same place are the classes', a part of
 * the names, or not to be understood. */
static int weigh(struct reading *r, cutter *cut, const struct cuts *c)
{
    struct numbering n;
    bool names = false;
    int rc = rn_reading_judge(r->count, cut_number, c, &n, r->err);

    if (!rc)
        rc = are_names(r, c, &names);
    if (rc)
        return rc;
    if ((n.from0 || n.from1) && (!names || c->colon))
        take_numbers(r, cut);
    else if (!(n.beyond && !c->colon) && !(names && n.in_order))
        rc = rn_reading_fail_numbers(
            r, r->count, &n,
            "; where they are a part of the names, give these "
            "as JSON: " AS_JSON);
    return rc;
}

static int split_numbers(struct reading *r)
{
    static cutter *const cutters[] = {cut_first, cut_last};
    int rc = RN_OK;

    for (size_t i = 0; i < COUNT(cutters) && !rc; i++) {
        struct cuts c;

        rc = cut_all(r, cutters[i], &c);
        if (!rc && c.all && r->entry[0].number == NO_NUMBER)
            rc = weigh(r, cutters[i], &c);
        cuts_free(&c);
    }
    return rc;
}

/* "n01440764 tench": letters, four digits or more, a blank; or, before a tab,
 * what has no blank and a digit. */
static size_t id_length(const char *line)
{
    size_t letters = strspn(line, "abcdefghijklmnopqrstuvwxyz");
    size_t n = letters + strspn(line + letters, "0123456789");
    size_t blanks = strspn(line + n, " \t");
    size_t column = strcspn(line, " \t");

    if (letters && n - letters >= 4 && blanks && line[n + blanks])
        return n;
    return line[column] == '\t' && strcspn(line, "0123456789") < column ? column
                                                                        : 0;
}

/* Cut the identifiers off, when every line has one. */
static void split_ids(struct reading *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (!id_length(r->entry[i].name))
            return;
    for (size_t i = 0; i < r->count; i++) {
        char *line = (char *)(uintptr_t)r->entry[i].name;
        size_t n = id_length(line);

        line[n] = '\0';
        r->entry[i].id = line;
        r->entry[i].name = line + n + 1 + strspn(line + n + 1, " \t");
    }
}

static bool fits(const struct reading *r)
{
    return r->count > 0 && (!r->classes || r->count == r->classes);
}

int rn_read_lines(struct reading *r, char *text)
{
    int number = 0, empty = 0, rc = RN_OK;

    for (char *line; !rc && (line = rn_line_next(&text));) {
        line = rn_text_trim(line);
        number++;
        if (!*line)
            empty = empty ? empty : number;
        else if (empty)
            rc = rn_reading_fail_empty(r, empty);
        else
            rc = rn_reading_add(r, NO_NUMBER, NULL, line, number);
        if (!rc)
            rc = rn_reading_check_count(r, r->count);
    }
    /* Of too few or too many lines the number is told before all else. */
    if (!rc && fits(r))
        rc = split_numbers(r);
    if (!rc && fits(r))
        split_ids(r);
    /* "n02119789 1 kit_fox" */
    if (!rc && fits(r) && r->entry[0].id && r->entry[0].number == NO_NUMBER)
        rc = split_numbers(r);
    return rc;
}
