/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads a list of classes in whatever form it has: lines, CSV, JSON or Python.
 */
#include "model/class_list.h"

#include "core/count.h"
#include "core/csv.h"
#include "core/locale.h"
#include "core/memory.h"
#include "core/text.h"
#include "core/json.h"
#include "core/literal.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS   12
#define NO_NUMBER SIZE_MAX
#define AS_JSON   "[\"2 door\", \"4 door\"]"

/* What is known of a class, in the order of the file. */
struct entry {
    size_t number; /* as written, or NO_NUMBER */
    const char *id, *name;
    int line;
};

/* A file cut into lines and these into fields. */
struct table {
    struct row {
        const char *field[COLUMNS];
        int line;
    } * row;
    size_t rows, room;
    int columns;
    const struct row *heading; /* NULL: there is none */
};

struct reading {
    const char *path;
    size_t classes; /* 0: not known */
    struct entry *entry;
    size_t count, room;
    struct rn_error *err;
};

static int add(struct reading *r, size_t number, const char *id,
               const char *name, int line)
{
    if (!rn_grow(&r->entry, &r->room, r->count, sizeof(*r->entry)))
        return rn_fail_memory(r->err, sizeof(*r->entry), "a class list");
    r->entry[r->count++] = (struct entry){number, id, name, line};
    return RN_OK;
}

/* ------------------------------------------------------------- numbers */

/* A plain number below ten millions, or NO_NUMBER. */
static size_t number_of(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return digits && digits < 8 && !text[digits] ? strtoul(text, NULL, 10)
                                                 : NO_NUMBER;
}

/* How the numbers of `count` classes may be counted. */
struct numbering {
    bool from0, from1, in_order; /* all of them, each once, from 0 or from 1 */
    bool beyond;                 /* one is larger than there are classes */
    size_t twice; /* a number that is there twice, or NO_NUMBER */
};

/* number(context, i) is that of the i-th line. */
static int judge(size_t count, size_t (*number)(const void *, size_t),
                 const void *context, struct numbering *n, struct rn_error *err)
{
    bool *seen = rn_alloc(count + 1, 1);

    *n = (struct numbering){.in_order = true, .twice = NO_NUMBER};
    if (!seen)
        return rn_fail_memory(err, count, "a class list");
    for (size_t i = 0; i < count; i++) {
        size_t value = number(context, i);

        if (value > count)
            n->beyond = true;
        else if (seen[value])
            n->twice = value;
        else
            seen[value] = true;
        n->in_order = n->in_order && value == number(context, 0) + i;
    }
    n->from0 = !n->beyond && n->twice == NO_NUMBER && !seen[count];
    n->from1 = !n->beyond && n->twice == NO_NUMBER && !seen[0];
    rn_free(seen);
    return RN_OK;
}

static int fail_numbering(const struct reading *r, size_t count,
                          const struct numbering *n, const char *advice)
{
    char twice[48] = "";

    if (n->twice != NO_NUMBER)
        snprintf(twice, sizeof(twice), " (%zu stands there twice)", n->twice);
    return rn_fail(r->err, RN_ERR_DATA,
                   "'%s': its lines have numbers%s, expected those from 0 to "
                   "%zu, or from 1 to %zu, each once%s",
                   r->path, twice, count - 1, count, advice);
}

/* --------------------------------------------------------------- lines */

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
    *number = number_of(line);
    return rest;
}

static char *cut_last(char *line, size_t *number, bool *colon)
{
    char *end = line + strlen(line), *at = end;

    while (at > line && rn_is_digit(at[-1]))
        at--;
    if (at == end || at == line || !strchr(" \t,;:", at[-1]))
        return NULL;
    *number = number_of(at);
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
    int rc = judge(r->count, cut_number, c, &n, r->err);

    if (!rc)
        rc = are_names(r, c, &names);
    if (rc)
        return rc;
    if ((n.from0 || n.from1) && (!names || c->colon))
        take_numbers(r, cut);
    else if (!(n.beyond && !c->colon) && !(names && n.in_order))
        rc = fail_numbering(r, r->count, &n,
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

static char *trim(char *line)
{
    size_t n = strlen(line);

    while (n && strchr(" \t", line[n - 1]))
        line[--n] = '\0';
    return line + strspn(line, " \t");
}

/* Empty lines at the end are none. */
static int fail_empty(const struct reading *r, int line)
{
    return rn_fail(r->err, RN_ERR_DATA,
                   "'%s': line %d is empty, and others follow", r->path, line);
}

static int check_count(const struct reading *r, size_t count)
{
    if (count > RN_CLASS_LIST_MOST)
        return rn_fail(r->err, RN_ERR_DATA,
                       "'%s' has more than %d lines, expected a class on each",
                       r->path, RN_CLASS_LIST_MOST);
    return RN_OK;
}

static bool fits(const struct reading *r)
{
    return r->count > 0 && (!r->classes || r->count == r->classes);
}

static int read_lines(struct reading *r, char *text)
{
    int number = 0, empty = 0, rc = RN_OK;

    for (char *line; !rc && (line = rn_line_next(&text));) {
        line = trim(line);
        number++;
        if (!*line)
            empty = empty ? empty : number;
        else if (empty)
            rc = fail_empty(r, empty);
        else
            rc = add(r, NO_NUMBER, NULL, line, number);
        if (!rc)
            rc = check_count(r, r->count);
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

/* ------------------------------------------------------------- columns */

enum { INDEX = 1, ID = 2, NAME = 4 };

/* What columns are called, the surest names first. */
static const struct {
    const char *word;
    int may_be;
} words[] = {
    /* clang-format off */
    {"name", NAME},          {"class_name", NAME},
    {"classname", NAME},     {"class name", NAME},
    {"label_name", NAME},    {"labelname", NAME},
    {"label name", NAME},    {"category_name", NAME},
    {"display_name", NAME},  {"species", NAME},
    {"title", NAME},         {"description", NAME},
    {"words", NAME},         {"text", NAME},
    {"label", INDEX | ID | NAME},
    {"class", INDEX | ID | NAME},
    {"category", INDEX | ID | NAME},
    {"index", INDEX},        {"idx", INDEX},
    {"no", INDEX},           {"nr", INDEX},
    {"#", INDEX},            {"number", INDEX},
    {"class_index", INDEX},  {"class_idx", INDEX},
    {"class index", INDEX},  {"label_index", INDEX},
    {"label_idx", INDEX},    {"target", INDEX},
    {"", INDEX},             {"id", INDEX | ID},
    {"class_id", INDEX | ID}, {"class id", INDEX | ID},
    {"classid", INDEX | ID}, {"label_id", INDEX | ID},
    {"labelid", INDEX | ID}, {"category_id", INDEX | ID},
    {"wnid", ID},            {"synset", ID},
    {"synset_id", ID},       {"wordnet_id", ID},
    {"code", ID},
    /* clang-format on */
};
#define HEADINGS "index, id and name"

static size_t word_of(const char *text)
{
    size_t i = 0;

    while (i < COUNT(words) && !rn_same_word(text, words[i].word))
        i++;
    return i;
}

/* Of the lines from `first` on: are all numbers, does each look like an
 * identifier (no blanks, a digit)? */
static bool all_numbers(const struct table *t, size_t first, int column)
{
    for (size_t i = first; i < t->rows; i++)
        if (number_of(t->row[i].field[column]) == NO_NUMBER)
            return false;
    return t->rows > first;
}

static bool all_ids(const struct table *t, int column)
{
    for (size_t i = 0; i < t->rows; i++) {
        const char *text = t->row[i].field[column];

        if (strpbrk(text, " \t") || !strpbrk(text, "0123456789"))
            return false;
    }
    return true;
}

/* A first line is a heading when all its words are those of headings, or when
 * it is one line too many and has such a word, or none where numbers follow:
 * then it does not tell which column is what. */
static bool has_heading(const struct reading *r, const struct table *t,
                        bool *tells)
{
    bool spare = r->classes && t->rows == r->classes + 1;
    int known = 0, differs = 0;

    for (int c = 0; c < t->columns; c++) {
        const char *text = t->row[0].field[c];

        known += word_of(text) < COUNT(words);
        differs += number_of(text) == NO_NUMBER && all_numbers(t, 1, c);
    }
    *tells = known > 0;
    return (known == t->columns && t->columns > 1) ||
           (spare && (known || differs));
}

struct roles {
    int index, id, name; /* columns, or -1 */
};

struct column {
    const struct table *table;
    int at;
};

static size_t column_number(const void *context, size_t i)
{
    const struct column *c = context;

    return number_of(c->table->row[i].field[c->at]);
}

/* Whether a column numbers the classes; RN_ERR_DATA when its numbers do not,
 * or not as those of another one. */
static int take_index(const struct reading *r, const struct table *t, int c,
                      struct roles *roles)
{
    const struct column column = {t, c};
    struct numbering n;
    int rc = judge(t->rows, column_number, &column, &n, r->err);

    if (!rc && !n.from0 && !n.from1)
        rc = fail_numbering(r, t->rows, &n, "");
    for (size_t i = 0; !rc && roles->index >= 0 && i < t->rows; i++)
        if (number_of(t->row[i].field[c]) !=
            number_of(t->row[i].field[roles->index]))
            rc = rn_fail(r->err, RN_ERR_DATA,
                         "'%s': line %d: columns %d and %d number the classes, "
                         "each in its way",
                         r->path, t->row[i].line, roles->index + 1, c + 1);
    if (!rc)
        roles->index = c;
    return rc;
}

static int fail_roles(const struct reading *r, const char *what)
{
    return rn_fail(r->err, RN_ERR_DATA,
                   "'%s': %s; expected a heading with " HEADINGS
                   ", those that there are",
                   r->path, what);
}

/* What a heading says a column may be, after its fields had a word. */
static int column_may_be(const struct reading *r, const struct table *t, int c,
                         struct roles *roles, int *may_be)
{
    size_t word = word_of(t->heading->field[c]);
    bool numbers = all_numbers(t, 0, c);

    *may_be = word < COUNT(words) ? words[word].may_be : 0;
    if (*may_be & INDEX && numbers) {
        *may_be = 0;
        return take_index(r, t, c, roles);
    }
    if (*may_be == INDEX)
        return rn_fail(r->err, RN_ERR_DATA,
                       "'%s': column '%s' is not of whole numbers", r->path,
                       t->heading->field[c]);
    *may_be &= ~INDEX;
    return RN_OK;
}

/* The column that is called a name, the surest first; or else the one that may
 * be one and does not look like identifiers. -2: there are several. */
static int find_name(const struct table *t, const int may_be[COLUMNS])
{
    int found = -1, look = 0;

    for (size_t w = 0; w < COUNT(words) && words[w].may_be == NAME; w++)
        for (int c = 0; c < t->columns; c++)
            if (may_be[c] == NAME && word_of(t->heading->field[c]) == w)
                return c;
    for (int c = 0; c < t->columns; c++)
        look += (may_be[c] & NAME) != 0;
    for (int c = 0; c < t->columns; c++)
        if (may_be[c] & NAME && (look == 1 || !all_ids(t, c)))
            found = found == -1 ? c : -2;
    return found;
}

static int find_id(const struct table *t, const int may_be[COLUMNS], int name)
{
    for (int strict = 1; strict >= 0; strict--)
        for (int c = 0; c < t->columns; c++)
            if (c != name && may_be[c] & ID &&
                (strict ? !(may_be[c] & NAME) : all_ids(t, c)))
                return c;
    return -1;
}

static int roles_of_heading(const struct reading *r, const struct table *t,
                            struct roles *roles)
{
    int may_be[COLUMNS] = {0}, rc = RN_OK;

    for (int c = 0; c < t->columns && !rc; c++)
        rc = column_may_be(r, t, c, roles, &may_be[c]);
    if (rc)
        return rc;
    roles->name = find_name(t, may_be);
    if (roles->name == -2)
        return fail_roles(r, "several columns may be the names");
    roles->id = find_id(t, may_be, roles->name);
    if (roles->name == -1) {
        roles->name = roles->id;
        roles->id = -1;
    }
    return roles->name >= 0 ? RN_OK : fail_roles(r, "no column has the names");
}

/* Without a heading: one column of numbers, one of identifiers, one of names,
 * which are all that there are. */
static int roles_of_fields(const struct reading *r, const struct table *t,
                           struct roles *roles)
{
    int numbers = -1, texts[2] = {-1, -1}, n = 0, rc = RN_OK;

    for (int c = 0; c < t->columns && t->columns > 1; c++) {
        if (numbers < 0 && all_numbers(t, 0, c))
            numbers = c;
        else if (n++ < 2)
            texts[n - 1] = c;
    }
    if (t->columns == 1) {
        roles->name = 0;
        return RN_OK;
    }
    if (n == 2 && all_ids(t, texts[0]) != all_ids(t, texts[1])) {
        roles->id = all_ids(t, texts[0]) ? texts[0] : texts[1];
        roles->name = texts[0] + texts[1] - roles->id;
    } else if (n == 1 && !all_numbers(t, 0, texts[0])) {
        roles->name = texts[0];
    } else {
        return fail_roles(r, "which columns are numbers, identifiers and names "
                             "is not clear");
    }
    if (numbers >= 0)
        rc = take_index(r, t, numbers, roles);
    return rc;
}

/* ----------------------------------------------------------------- CSV */

static int add_row(const struct reading *r, struct table *t, char *line,
                   char separator, int number)
{
    struct row row = {.line = number};
    int n = rn_csv_cut(line, separator, row.field, COLUMNS);

    if (n < 0 || (t->columns && n != t->columns))
        return rn_fail(r->err, RN_ERR_DATA,
                       "'%s': line %d is not of %d field%s, as the first is; "
                       "quote names with a '%c'",
                       r->path, number, t->columns ? t->columns : COLUMNS,
                       t->columns == 1 ? "" : "s", separator);
    t->columns = n;
    if (!rn_grow(&t->row, &t->room, t->rows, sizeof(row)))
        return rn_fail_memory(r->err, sizeof(row), "a class list");
    t->row[t->rows++] = row;
    return check_count(r, t->rows - 1);
}

/* Empty is also what spreadsheets leave of a row: separators. */
static bool is_empty(const char *line, char separator)
{
    return !line[strspn(line, (char[]){' ', '\t', separator, '\0'})];
}

static int read_table(const struct reading *r, struct table *t, char *text)
{
    char separator = rn_csv_separator(text);
    int number = 0, empty = 0, rc = RN_OK;

    for (char *line; !rc && (line = rn_line_next(&text));) {
        number++;
        if (is_empty(line, separator))
            empty = empty ? empty : number;
        else if (empty)
            rc = fail_empty(r, empty);
        else
            rc = add_row(r, t, line, separator, number);
    }
    return rc;
}

static int add_rows(struct reading *r, const struct table *t,
                    const struct roles *roles)
{
    int rc = RN_OK;

    for (size_t i = 0; i < t->rows && !rc; i++) {
        const struct row *row = &t->row[i];

        rc = add(r,
                 roles->index < 0 ? NO_NUMBER
                                  : number_of(row->field[roles->index]),
                 roles->id < 0 ? NULL : row->field[roles->id],
                 row->field[roles->name], row->line);
    }
    return rc;
}

static int fail_count(const struct reading *r, size_t count, const char *more)
{
    return rn_fail(r->err, RN_ERR_DATA, "'%s': %zu labels for %zu classes%s",
                   r->path, count, r->classes, more);
}

static int read_csv(struct reading *r, char *text)
{
    struct table t = {0};
    struct roles roles = {-1, -1, -1};
    struct row heading;
    bool tells;
    int rc = read_table(r, &t, text);

    if (!rc && t.rows && has_heading(r, &t, &tells)) {
        heading = t.row[0];
        t.heading = tells ? &heading : NULL;
        memmove(t.row, t.row + 1, --t.rows * sizeof(*t.row));
    }
    if (!rc && (t.rows == 0 || (r->classes && t.rows != r->classes)))
        rc = fail_count(r, t.rows,
                        t.rows == r->classes + 1
                            ? "; if the first line is a heading, it should "
                              "have " HEADINGS ", those that there are"
                            : "");
    if (!rc)
        rc = t.heading ? roles_of_heading(r, &t, &roles)
                       : roles_of_fields(r, &t, &roles);
    if (!rc)
        rc = add_rows(r, &t, &roles);
    rn_free(t.row);
    return rc;
}

/* ---------------------------------------------------------------- JSON */

static int fail_json(const struct reading *r)
{
    return rn_fail(r->err, RN_ERR_DATA,
                   "'%s': JSON, but no class list: expected [name, …], "
                   "[[id, name], …], {\"0\": name, …}, {\"0\": [id, name], …}, "
                   "{name: 0, …}, or one of these as \"id2label\", "
                   "\"label2id\" or \"label_names\"",
                   r->path);
}

/* A name, or [id, name]. */
static int add_json(struct reading *r, size_t number, const json_t *value)
{
    const char *id = json_string_value(json_array_get(value, 0));
    const char *name = json_string_value(json_array_get(value, 1));

    if (json_is_string(value))
        return add(r, number, NULL, json_string_value(value), 0);
    if (json_array_size(value) == 2 && id && name)
        return add(r, number, id, name, 0);
    return fail_json(r);
}

/* {name: number} */
static int add_named(struct reading *r, const char *name, const json_t *value)
{
    json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < 0 || number > RN_CLASS_LIST_MOST)
        return rn_fail(r->err, RN_ERR_DATA,
                       "'%s': the number of '%.60s' is none, or not from 0 to "
                       "%d",
                       r->path, name, RN_CLASS_LIST_MOST);
    return add(r, (size_t)number, NULL, name, 0);
}

/* {"0": name, …} or {name: 0, …}; the first tells. */
static int read_object(struct reading *r, json_t *object)
{
    bool named =
        json_is_integer(json_object_iter_value(json_object_iter(object)));
    const char *key;
    json_t *value;
    int rc = json_object_size(object) ? RN_OK : fail_json(r);

    json_object_foreach(object, key, value)
    {
        size_t number = number_of(key);

        if (named)
            rc = add_named(r, key, value);
        else
            rc =
                number == NO_NUMBER ? fail_json(r) : add_json(r, number, value);
        if (rc)
            break;
    }
    return rc;
}

static int read_array(struct reading *r, const json_t *array)
{
    int rc = RN_OK;

    for (size_t i = 0; i < json_array_size(array) && !rc; i++)
        rc = add_json(r, NO_NUMBER, json_array_get(array, i));
    return rc;
}

/* Both of Hugging Face's dictionaries say the same, where names differ. */
static int check_label2id(const struct reading *r, const json_t *label2id)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct entry *e = &r->entry[i];
        const json_t *number = json_object_get(label2id, e->name);

        if (json_object_size(label2id) == r->count && number &&
            (size_t)json_integer_value(number) != e->number &&
            number_of(json_string_value(number) ? json_string_value(number)
                                                : "") != e->number)
            return rn_fail(r->err, RN_ERR_DATA,
                           "'%s': '%.60s' is class %zu by \"id2label\", and "
                           "another by \"label2id\"",
                           r->path, e->name, e->number);
    }
    return RN_OK;
}

/* What Hugging Face's programs write where nobody gave names. */
static int check_placeholders(const struct reading *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (strncmp(r->entry[i].name, "LABEL_", 6) != 0)
            return RN_OK;
    return r->count == 0 ? RN_OK
                         : rn_fail(r->err, RN_ERR_DATA,
                                   "'%s': its labels are only LABEL_0 and so "
                                   "on, no names",
                                   r->path);
}

/* timm's: identifiers, and what they mean. */
static int read_timm(struct reading *r, const json_t *names,
                     const json_t *descriptions)
{
    int rc = read_array(r, names);

    for (size_t i = 0; i < r->count && descriptions && !rc; i++) {
        struct entry *e = &r->entry[i];
        const char *text =
            json_string_value(json_object_get(descriptions, e->name));

        if (!text)
            return rn_fail(r->err, RN_ERR_DATA,
                           "'%s': \"label_descriptions\" lacks '%.60s'",
                           r->path, e->name);
        e->id = e->name;
        e->name = text;
    }
    return rc;
}

static int read_config(struct reading *r, json_t *root)
{
    json_t *id2label = json_object_get(root, "id2label");
    json_t *label2id = json_object_get(root, "label2id");
    json_t *names = json_object_get(root, "label_names");
    int rc;

    if (json_is_array(names))
        return read_timm(r, names, json_object_get(root, "label_descriptions"));
    if (!json_is_object(id2label) && !json_is_object(label2id))
        return read_object(r, root);
    rc = read_object(r, json_is_object(id2label) ? id2label : label2id);
    if (!rc)
        rc = check_label2id(r, label2id);
    return rc ? rc : check_placeholders(r);
}

static int read_json(struct reading *r, const char *text, size_t size,
                     json_t **root)
{
    struct rn_error why = {0};
    int rc = rn_json_parse(root, text, size, r->path, "the class list", &why);

    if (rc == RN_ERR_MEMORY)
        return rn_fail(r->err, rc, "%s", why.msg);
    /* A bracket and a quote begin JSON and Python alike: its fault is told of
     * a text that has no single quotes. */
    if (rc && strchr(rn_literal_start(text), '"') && !strchr(text, '\''))
        rc = rn_literal_parse(root, text, size, r->path, NULL) == RN_OK
                 ? RN_OK
                 : rn_fail(r->err, rc, "%s", why.msg);
    else if (rc)
        rc = rn_literal_parse(root, text, size, r->path, r->err);
    if (rc)
        return rc;
    return json_is_array(*root) ? read_array(r, *root) : read_config(r, *root);
}

/* --------------------------------------------------------------- whole */

static size_t entry_number(const void *context, size_t i)
{
    return ((const struct entry *)context)[i].number;
}

static bool is_name(const char *text)
{
    return *text && rn_is_printable(text);
}

static int check_names(const struct reading *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct entry *e = &r->entry[i];
        char where[48];

        if (is_name(e->name) && (!e->id || is_name(e->id)))
            continue;
        snprintf(where, sizeof(where), e->line ? "line %zu" : "entry %zu",
                 e->line ? (size_t)e->line : i + 1);
        return rn_fail(r->err, RN_ERR_DATA,
                       "'%s': %s is not a class name, expected UTF-8 without "
                       "control characters",
                       r->path, where);
    }
    return RN_OK;
}

static bool all_have_ids(const struct reading *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (!r->entry[i].id)
            return false;
    return true;
}

/* Entries into their places. */
static int hand_over(const struct reading *r, struct rn_class_list *list)
{
    struct numbering n = {.from0 = true};
    bool numbered = r->count && r->entry[0].number != NO_NUMBER;
    int rc = RN_OK;

    if (r->count == 0 || (r->classes && r->count != r->classes))
        return r->classes ? fail_count(r, r->count, "")
                          : rn_fail(r->err, RN_ERR_DATA,
                                    "'%s' is empty, expected class names, one "
                                    "a line",
                                    r->path);
    rc = check_names(r);
    if (!rc && numbered)
        rc = judge(r->count, entry_number, r->entry, &n, r->err);
    if (!rc && !n.from0 && !n.from1)
        rc = fail_numbering(r, r->count, &n, "");
    list->name = rn_alloc(r->count, sizeof(*list->name));
    list->id = all_have_ids(r) ? rn_alloc(r->count, sizeof(*list->id)) : NULL;
    if (!rc && (!list->name || (all_have_ids(r) && !list->id)))
        rc = rn_fail_memory(r->err, r->count, "class names");
    for (size_t i = 0; i < r->count && !rc; i++) {
        const struct entry *e = &r->entry[i];
        size_t at = numbered ? e->number - !n.from0 : i;

        list->name[at] = e->name;
        if (list->id)
            list->id[at] = e->id;
    }
    list->count = r->count;
    return rc;
}

int rn_class_list_parse(struct rn_class_list *list, char *text, size_t size,
                        const char *path, size_t classes, struct rn_error *err)
{
    struct reading r = {.path = path, .classes = classes, .err = err};
    int rc;

    *list = (struct rn_class_list){0};
    if (rn_literal_start(text))
        rc = read_json(&r, text, size, &list->json);
    else if (rn_ends_with_word(path, ".csv") || rn_ends_with_word(path, ".tsv"))
        rc = read_csv(&r, text);
    else
        rc = read_lines(&r, text);
    if (!rc)
        rc = hand_over(&r, list);
    rn_free(r.entry);
    if (rc)
        rn_class_list_free(list);
    return rc;
}

void rn_class_list_free(struct rn_class_list *list)
{
    rn_free(list->name);
    rn_free(list->id);
    json_decref(list->json);
    *list = (struct rn_class_list){0};
}
