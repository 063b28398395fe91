/* SPDX-License-Identifier: BSD-2-Clause */
/* Class lists in CSV: which column is what, by a heading or by their fields. */
#include "model/class_list/reading.h"

#include "core/count.h"
#include "core/csv.h"
#include "core/locale.h"
#include "core/memory.h"

#include <string.h>

#define COLUMNS 12

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
        if (rn_reading_number(t->row[i].field[column]) == NO_NUMBER)
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
        differs += rn_reading_number(text) == NO_NUMBER && all_numbers(t, 1, c);
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

    return rn_reading_number(c->table->row[i].field[c->at]);
}

/* Whether a column numbers the classes; RN_ERR_DATA when its numbers do not,
 * or not as those of another one. */
static int take_index(const struct reading *r, const struct table *t, int c,
                      struct roles *roles)
{
    const struct column column = {t, c};
    struct numbering n;
    int rc = rn_reading_judge(t->rows, column_number, &column, &n, r->err);

    if (!rc && !n.from0 && !n.from1)
        rc = rn_reading_fail_numbers(r, t->rows, &n, "");
    for (size_t i = 0; !rc && roles->index >= 0 && i < t->rows; i++)
        if (rn_reading_number(t->row[i].field[c]) !=
            rn_reading_number(t->row[i].field[roles->index]))
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

/* ---------------------------------------------------------------- rows */

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
    return rn_reading_check_count(r, t->rows - 1);
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
            rc = rn_reading_fail_empty(r, empty);
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

        rc = rn_reading_add(r,
                            roles->index < 0
                                ? NO_NUMBER
                                : rn_reading_number(row->field[roles->index]),
                            roles->id < 0 ? NULL : row->field[roles->id],
                            row->field[roles->name], row->line);
    }
    return rc;
}

int rn_read_csv(struct reading *r, char *text)
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
        rc = rn_reading_fail_count(
            r, t.rows,
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
