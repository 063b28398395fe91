/* SPDX-License-Identifier: BSD-2-Clause */
/* Pictures in one folder with a list of their classes: `FILE CLASS` a line in
 * labels.txt, or a table in labels.csv. */
#include "data/sets/list.h"

#include "core/csv.h"
#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"
#include "data/sets/contents.h"
#include "data/sets/mount.h"
#include "data/sets/numerals.h"
#include "data/sets/part_names.h"
#include "data/sets/picture_set.h"
#include "data/remarks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LIST ((size_t)1 << 30)
#define BLANKS   " \t"
#define IMAGES   "images"
#define CLASSES  "classes.txt"
#define NOTE     300

/* A list in memory, cut into lines, each into two texts. */
struct list {
    const char *path; /* for messages */
    const char *base; /* what gives the classes, for messages */
    char *text;
    struct line {
        const char *file, *name; /* of the class; of `classes` of them, each
                                    behind the other's end */
        int number, classes;
    } * line;
    size_t count, room;
    size_t names;               /* of classes, in all lines */
    const struct line *several; /* the first that has not one class */
};

static void list_free(struct list *list)
{
    rn_free(list->text);
    rn_free(list->line);
}

/* ---------------------------------------------------------------- lines */

/* Where the class's name begins: behind the last tab, or else the last blank,
 * so that file names may hold blanks. NULL: there is none. */
static char *cut_class(char *line)
{
    char *blank = strrchr(line, '\t');

    if (!blank)
        blank = strrchr(line, ' ');
    if (!blank || blank == line)
        return NULL;
    *blank = '\0';
    for (char *end = blank; end > line && strchr(BLANKS, end[-1]);)
        *--end = '\0';
    return *line ? blank + 1 : NULL;
}

static void trim(char *line)
{
    size_t n = strlen(line);

    while (n && strchr(BLANKS, line[n - 1]))
        line[--n] = '\0';
}

/* Leave out "." and what is empty between slashes: members of archives are
 * found by name. */
static void tidy(char *path)
{
    const char *from = path + (*path == '/');
    char *to = path + (*path == '/');

    while (*from) {
        size_t part = strcspn(from, "/"), next = part + (from[part] == '/');

        if (part && !(part == 1 && *from == '.')) {
            memmove(to, from, next);
            to += next;
        }
        from += next;
    }
    *to = '\0';
}

/* ------------------------------------------------------------ several classes
 */

#define SEPARATOR ';'

/* Cut "cat;dog" into names, each behind the other's end, *count of them; the
 * separator alone is no class. Blanks about names do not count. */
static bool cut_names(char *text, int *count)
{
    char *from = text, *to = text;

    *count = 0;
    if (text[0] == SEPARATOR && text[1] == '\0')
        return true;
    for (bool more = true; more; (*count)++) {
        size_t n;
        char *begin = to;

        from += strspn(from, BLANKS);
        n = strcspn(from, (char[]){SEPARATOR, '\0'});
        more = from[n] != '\0';
        memmove(to, from, n);
        to += n;
        while (to > begin && strchr(BLANKS, to[-1]))
            to--;
        from += n + more;
        *to++ = '\0';
        if (!rn_name_valid(begin))
            return false;
    }
    return true;
}

/* The name behind this one. */
static const char *next_name(const char *name)
{
    return name + strlen(name) + 1;
}

/* An image is of a class once. */
static int check_names(const struct list *list, const struct line *line,
                       struct rn_error *err)
{
    const char *a = line->name, *b;

    for (int i = 0; i < line->classes; i++, a = next_name(a)) {
        b = next_name(a);
        for (int j = i + 1; j < line->classes; j++, b = next_name(b))
            if (strcmp(a, b) == 0)
                return rn_fail(err, RN_ERR_DATA,
                               "'%s': line %d names class '%s' twice",
                               list->path, line->number, a);
    }
    return RN_OK;
}

static bool same_names(const struct line *a, const struct line *b)
{
    const char *x = a->name, *y = b->name;

    if (a->classes != b->classes)
        return false;
    for (int i = 0; i < a->classes; i++, x = next_name(x), y = next_name(y))
        if (strcmp(x, y) != 0)
            return false;
    return true;
}

/* `file` and `name` point into the text; either may be NULL. */
static int add(struct list *list, char *file, const char *name, int classes,
               const char *expected, int number, struct rn_error *err)
{
    if (!file || !*file || !name || !rn_is_printable(file) ||
        (classes == 1 && !rn_name_valid(name)))
        return rn_fail(err, RN_ERR_DATA, "'%s': line %d is not %s in UTF-8",
                       list->path, number, expected);
    tidy(file);
    if (!rn_grow(&list->line, &list->room, list->count, sizeof(*list->line)))
        return rn_fail_memory(err, sizeof(*list->line), "a list of pictures");
    list->line[list->count++] = (struct line){file, name, number, classes};
    list->names += (size_t)classes;
    return check_names(list, &list->line[list->count - 1], err);
}

static int add_line(struct list *list, char *text, int number,
                    struct rn_error *err)
{
    char *name;

    trim(text);
    if (!*text)
        return RN_OK;
    name = cut_class(text);
    return add(list, text, name, 1, "FILE CLASS", number, err);
}

static int read_lines(struct list *list, struct rn_error *err)
{
    char *next = list->text, *line;
    int number = 0, rc = RN_OK;

    while (!rc && (line = rn_line_next(&next)))
        rc = add_line(list, line, ++number, err);
    return rc;
}

/* ------------------------------------------------------------------ CSV */

#define COLUMNS 64

/* What columns of files and of classes are called, the surest first. */
static const char *const file_words[] = {
    "file",      "filename", "file_name",  "file name",  "filepath",
    "file_path", "path",     "image",      "image_name", "image name",
    "img",       "img_name", "image_path", "image_file", "picture",
    "photo",     "image_id", "id",         NULL};
static const char *const class_words[] = {
    "class",  "label",       "class_name", "label_name", "class name",
    "target", "category",    "species",    "breed",      "class_id",
    "labels", "class_index", "label_id",   "tag",        "classes",
    "tags",   "categories",  NULL};

/* And those that tell the parts. */
static const char *const part_words[] = {
    "split", "subset", "partition", "part",     "set",
    "usage", "phase",  "data set",  "data_set", "is_training_image",
    NULL};
/* These number the folds of a cross-validation, or tell the parts. */
static const char *const fold_words[] = {
    "fold", "folds", "kfold", "k_fold", "k-fold", "k fold", "cv_fold", NULL};

struct columns {
    int count, file, class; /* numbers of columns, -1: none */
    int fold;               /* one of folds, which is passed over */
    struct column {
        const char *heading, *first; /* and what the first line has there */
        bool class, part, fold;      /* what it may be */
    } of[COLUMNS];
};

static bool is_word(const char *const *words, const char *text)
{
    while (*words && !rn_same_word(*words, text))
        words++;
    return *words != NULL;
}

static int find_column(const char *const *words, const char *const *fields,
                       int count)
{
    for (; *words; words++)
        for (int i = 0; i < count; i++)
            if (rn_same_word(*words, fields[i]))
                return i;
    return -1;
}

static int fail_heading(const struct list *list, const char *what,
                        struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': %s; expected FILE,CLASS on each line, or a heading "
                   "that calls one column file and one class",
                   list->path, what);
}

/* "is_valid" and "Is Test" tell a part, as "test" does. */
static bool tells_part(const char *heading)
{
    const char *name = heading;

    if (rn_lower(name[0]) == 'i' && rn_lower(name[1]) == 's')
        name += 2;
    return is_word(part_words, heading) || rn_part_of(heading) != RN_NO_PART ||
           rn_part_of(name) != RN_NO_PART;
}

static void take_heading(struct columns *c, const char *const *fields)
{
    for (int i = 0; i < c->count; i++)
        c->of[i] = (struct column){.heading = fields[i],
                                   .class = is_word(class_words, fields[i]),
                                   .part = tells_part(fields[i]),
                                   .fold = is_word(fold_words, fields[i])};
}

/* Whether the first line is a heading; without one there are two columns. */
static int read_heading(const struct list *list, const char *const *fields,
                        struct columns *c, bool *heading, struct rn_error *err)
{
    int file = find_column(file_words, fields, c->count);
    int class = find_column(class_words, fields, c->count);

    *heading = file >= 0 && class >= 0;
    if (file >= 0 && class < 0)
        return fail_heading(list, "no column of its heading is the class", err);
    if (!*heading && c->count != 2)
        return fail_heading(list, "has no heading that is known here", err);
    c->file = *heading ? file : 0;
    c->class = *heading ? class : 1;
    if (*heading)
        take_heading(c, fields);
    return RN_OK;
}

static bool is_number(const char *text)
{
    text += *text == '-';
    return *text && !text[strspn(text, "0123456789")];
}

/* A list is of one part: to pass over a column that says otherwise would be to
 * train on what is meant for tests. Numbers of folds are no parts. */
static int check_part(const struct list *list, const char *const *fields,
                      struct columns *c, int i, int number,
                      struct rn_error *err)
{
    const struct column *column = &c->of[i];

    if ((!column->part && !column->fold) ||
        strcmp(column->first, fields[i]) == 0)
        return RN_OK;
    if (column->fold && is_number(column->first) && is_number(fields[i])) {
        c->fold = i;
        return RN_OK;
    }
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': line %d has '%.60s' as '%.60s', the first '%.60s', "
                   "and a list is of one part; give each part a folder and a "
                   "list of its own, such as train/" RN_LABELS_TABLE
                   " and test/" RN_LABELS_TABLE
                   ", and give these folders as DATA one by one, or take the "
                   "column out for one part",
                   list->path, number, fields[i], column->heading,
                   column->first);
}

static int check_parts(const struct list *list, const char *const *fields,
                       struct columns *c, int number, struct rn_error *err)
{
    int rc = RN_OK;

    for (int i = 0; i < c->count && !rc; i++) {
        if (!list->count)
            c->of[i].first = fields[i];
        rc = check_part(list, fields, c, i, number, err);
    }
    return rc;
}

/* Of several columns that may be the class, the one that has no numbers. */
static int choose_class(const struct list *list, const char *const *fields,
                        struct columns *c, struct rn_error *err)
{
    int names = -1, candidates = 0;

    for (int i = 0; i < c->count; i++) {
        if (!c->of[i].class || i == c->file)
            continue;
        candidates++;
        if (fields[i][strspn(fields[i], "0123456789")])
            names = names == -1 ? i : -2;
    }
    if (candidates > 1 && names < 0)
        return fail_heading(list, "several columns may be the class", err);
    if (candidates > 1)
        c->class = names;
    return RN_OK;
}

static int cut_row(const struct list *list, char *line, char separator,
                   int number, const char **fields, struct columns *c,
                   struct rn_error *err)
{
    int n = rn_csv_cut(line, separator, fields, COLUMNS);

    if (n < 0 || (c->count && n != c->count))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': line %d has not %d fields, as the first line "
                       "has; quote a field with a '%c'",
                       list->path, number, c->count ? c->count : COLUMNS,
                       separator);
    c->count = n;
    return RN_OK;
}

static int add_row(struct list *list, char *file, char *names, int number,
                   struct rn_error *err)
{
    int classes = 1;

    if (strchr(names, SEPARATOR) && !cut_names(names, &classes))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': line %d: one of its classes has no name; "
                       "expected CLASS;CLASS... or, for none, ; alone",
                       list->path, number);
    return add(list, file, names, classes, "FILE,CLASS", number, err);
}

/* The first line may be a heading. */
static int take_row(struct list *list, const char **fields, struct columns *c,
                    int number, struct rn_error *err)
{
    bool heading;
    int rc = RN_OK;

    if (c->file < 0) {
        rc = read_heading(list, fields, c, &heading, err);
        if (rc || heading)
            return rc;
    }
    rc = check_parts(list, fields, c, number, err);
    if (!rc && !list->count)
        rc = choose_class(list, fields, c, err);
    return rc ? rc
              : add_row(list, (char *)(uintptr_t)fields[c->file],
                        (char *)(uintptr_t)fields[c->class], number, err);
}

static int read_csv(struct list *list, const struct rn_files *files,
                    struct rn_error *err)
{
    char *next = list->text, *line, separator = rn_csv_separator(next);
    struct columns c = {.file = -1, .class = -1, .fold = -1};
    const char *fields[COLUMNS];
    int number = 0, rc = RN_OK;

    while (!rc && (line = rn_line_next(&next))) {
        number++;
        if (!line[strspn(line, (char[]){' ', '\t', separator, '\0'})])
            continue;
        rc = cut_row(list, line, separator, number, fields, &c, err);
        if (!rc)
            rc = take_row(list, fields, &c, number, err);
    }
    if (!rc && c.fold >= 0)
        rc = rn_remark_add(files->remarks, err,
                           "'%s': the column '%.60s' is not used: its numbers "
                           "are no parts, and all lines are taken",
                           list->path, c.of[c.fold].heading);
    return rc;
}

/* ---------------------------------------------------------------- whole */

static int by_file(const void *a, const void *b)
{
    const struct line *x = *(const struct line *const *)a;
    const struct line *y = *(const struct line *const *)b;
    int order = strcmp(x->file, y->file);

    return order ? order : x->number < y->number ? -1 : x->number > y->number;
}

/* A picture is of the same classes wherever it is listed. */
static int check_twice(const struct list *list, struct rn_error *err)
{
    const struct line **sorted = rn_alloc(list->count + 1, sizeof(*sorted));
    int rc = RN_OK;

    if (!sorted)
        return rn_fail_memory(err, list->count, "a list of pictures");
    for (size_t i = 0; i < list->count; i++)
        sorted[i] = &list->line[i];
    qsort(sorted, list->count, sizeof(*sorted), by_file);
    for (size_t i = 1; i < list->count && !rc; i++) {
        const struct line *a = sorted[i - 1], *b = sorted[i];

        if (strcmp(a->file, b->file) != 0 || same_names(a, b))
            continue;
        if (a->classes != 1 || b->classes != 1)
            rc = rn_fail(err, RN_ERR_DATA,
                         "'%s': '%s' is of other classes in line %d than in "
                         "line %d",
                         list->path, a->file, a->number, b->number);
        else
            rc = rn_fail(err, RN_ERR_DATA,
                         "'%s': '%s' is of class '%s' in line %d and of class "
                         "'%s' in line %d, expected one",
                         list->path, a->file, a->name, a->number, b->name,
                         b->number);
    }
    rn_free(sorted);
    return rc;
}

/* `path` stays the caller's. */
static int list_read(struct list *list, const struct rn_files *files,
                     const char *path, bool csv, struct rn_error *err)
{
    size_t size;
    int rc;

    *list = (struct list){.path = path};
    rc = rn_files_read_text(files, path, MAX_LIST, &list->text, &size, err);
    if (!rc)
        rc = csv ? read_csv(list, files, err) : read_lines(list, err);
    if (!rc && !list->count)
        rc = rn_fail(err, RN_ERR_DATA, "'%s' is empty, expected %s, one a line",
                     path, csv ? "FILE,CLASS" : "FILE CLASS");
    for (size_t i = 0; i < list->count && !list->several; i++)
        if (list->line[i].classes != 1)
            list->several = &list->line[i];
    return rc ? rc : check_twice(list, err);
}

/* -------------------------------------------------------------- classes */

/* Number of a class given as one; -1 when it is something else. */
static long class_number(const char *name)
{
    char *end;
    long value = strtol(name, &end, 10);

    return *name >= '0' && *name <= '9' && !*end && value < RN_CLASSES_MAX
               ? value
               : -1;
}

static bool all_numbers(const struct list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *name = list->line[i].name;

        for (int k = 0; k < list->line[i].classes; k++, name = next_name(name))
            if (class_number(name) < 0)
                return false;
    }
    return list->names > 0;
}

static int read_classes(struct rn_data *data, const char *folder,
                        struct rn_error *err)
{
    char *path = rn_path_join(folder, CLASSES);
    int count = 0, rc;

    if (!path)
        return rn_fail_memory(err, strlen(folder), "a file name");
    rc = rn_names_read(data, path, &count, err);
    if (!rc && count > RN_CLASSES_MAX)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s' names %d classes, expected at "
                     "most %d",
                     path, count, RN_CLASSES_MAX);
    rn_free(path);
    data->classes = count;
    return rc;
}

/* The names that occur, in byte order, or in that of numbers if all are. */
static int collect_classes(struct rn_data *data, const struct list *list,
                           struct rn_error *err)
{
    size_t all = list->names, at = 0, n = 0;
    const char **names = rn_alloc(all + 1, sizeof(*names));
    int rc;

    if (!names)
        return rn_fail_memory(err, all * sizeof(*names), "class names");
    for (size_t i = 0; i < list->count; i++) {
        const char *name = list->line[i].name;

        for (int k = 0; k < list->line[i].classes; k++, name = next_name(name))
            names[at++] = name;
    }
    qsort(names, all, sizeof(*names), rn_files_compare);
    for (size_t i = 0; i < all; i++)
        if (!n || strcmp(names[n - 1], names[i]) != 0)
            names[n++] = names[i];
    if (data->rule != RN_RULE_FIRST && rn_numerals((char *const *)names, n))
        qsort(names, n, sizeof(*names), rn_numerals_compare);
    data->classes = (int)n;
    rc = n > RN_CLASSES_MAX ? rn_fail(err, RN_ERR_DATA,
                                      "'%s' names %zu classes, expected at "
                                      "most %d",
                                      list->path, n, RN_CLASSES_MAX)
                            : rn_names_set(data, names, (int)n, err);
    rn_free(names);
    return rc;
}

/* Numbers without names: as many classes as the largest says. */
static void count_classes(struct rn_data *data, const struct list *list)
{
    long largest = 0;

    for (size_t i = 0; i < list->count; i++) {
        const char *name = list->line[i].name;

        for (int k = 0; k < list->line[i].classes;
             k++, name = next_name(name)) {
            long number = class_number(name);

            largest = number > largest ? number : largest;
        }
    }
    data->classes = (int)largest + 1;
}

/* Among classes that are called by numbers the one of that number, or -1. */
static int find_number(const struct rn_data *data, const char *name)
{
    char **names = data->class_ids ? data->class_ids : data->class_names;
    long number = rn_numeral(name);

    for (int i = 0; data->by_number && number >= 0 && i < data->classes; i++)
        if (rn_numeral(names[i]) == number)
            return i;
    return -1;
}

/* Whether classes of a list are called by numbers, which then count. */
static bool called_by_numbers(const struct rn_data *data)
{
    char **names = data->class_ids ? data->class_ids : data->class_names;

    return data->rule != RN_RULE_FIRST && names &&
           rn_numerals(names, (size_t)data->classes);
}

/* The class of a number, or -1 where it is none. */
static int class_of_number(const struct rn_data *data, const char *name)
{
    long first = data->rule >= RN_RULE_COPIES ? data->first_number : 0;
    long class = class_number(name) - first;

    return class >= 0 && class < data->classes ? (int)class : -1;
}

/* The class of that identifier or name from `from` on, or -1. */
static int find_text(const struct rn_data *data, char **texts, const char *text,
                     int from)
{
    for (int i = from; texts && i < data->classes; i++)
        if (strcmp(texts[i], text) == 0)
            return i;
    return -1;
}

/* ImageNet has two cranes and two maillots. */
static int fail_namesakes(const struct rn_data *data, const struct list *list,
                          const struct line *line, const char *name, int first,
                          int second, struct rn_error *err)
{
    char **ids = data->class_ids;

    if (ids && strcmp(ids[first], ids[second]) != 0)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': line %d: class '%s' is two in %s, '%s' and '%s': "
                       "give one of these identifiers in place of the name",
                       list->path, line->number, name, list->base, ids[first],
                       ids[second]);
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': line %d: class '%s' is two in %s, number %d and %d "
                   "from 0: call one otherwise there and here",
                   list->path, line->number, name, list->base, first, second);
}

/* The class of an identifier, which counts before a name, or of a name; -1:
 * there is none. */
static int find_named(const struct rn_data *data, const struct list *list,
                      const struct line *line, const char *name, int *class,
                      struct rn_error *err)
{
    char **const sets[] = {data->class_ids, data->class_names};
    int second;

    for (int s = 0; s < 2; s++) {
        *class = find_text(data, sets[s], name, 0);
        if (*class < 0)
            continue;
        second = find_text(data, sets[s], name, *class + 1);
        return second < 0 ? RN_OK
                          : fail_namesakes(data, list, line, name, *class,
                                           second, err);
    }
    *class = find_number(data, name);
    return RN_OK;
}

/* Sets *class. */
static int find_class(const struct rn_data *data, const struct list *list,
                      const struct line *line, const char *name, bool numbers,
                      int *class, struct rn_error *err)
{
    char note[NOTE];
    int rc = RN_OK;

    if (numbers)
        *class = class_of_number(data, name);
    else
        rc = find_named(data, list, line, name, class, err);
    if (rc || *class >= 0)
        return rc;
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': line %d: there is no class '%s' in %s, which has "
                   "%d%s",
                   list->path, line->number, name, list->base, data->classes,
                   rn_text_twin_among(name, data->class_names, SIZE_MAX, note,
                                      sizeof(note)));
}

/* ------------------------------------------------------------- pictures */

/* FOLDER/FILE or FOLDER/images/FILE, in *path; NULL when neither is there. */
static int find_file(const struct rn_files *files, const char *folder,
                     const char *file, char **path, struct rn_error *err)
{
    char *inner = rn_path_join(folder, IMAGES);
    const char *const places[] = {folder, inner};
    int rc = inner ? RN_OK : rn_fail_memory(err, strlen(file), "a file name");

    *path = NULL;
    for (int i = 0; i < 2 && !rc && !*path; i++) {
        *path = rn_path_join(places[i], file);
        if (!*path)
            rc = rn_fail_memory(err, strlen(file), "a file name");
        else if (!rn_files_is_file(files, *path)) {
            rn_free(*path);
            *path = NULL;
        }
    }
    rn_free(inner);
    return rc;
}

/* Where a listed file lies, and from where on its path is what was listed.
 * What is listed in an archive lies there, too. Lists made on Windows have
 * backslashes for slashes. */
static int locate(const struct rn_files *files, const char *folder,
                  const char *file, char **path, size_t *key,
                  struct rn_error *err)
{
    char *other;
    int rc;

    *path = NULL;
    *key = 0;
    if (file[0] == '/' && !rn_files_in_archive(files, folder)) {
        if (!rn_files_is_file(files, file))
            return RN_OK;
        *path = rn_strdup(file);
        return *path ? RN_OK : rn_fail_memory(err, strlen(file), "a file name");
    }
    rc = find_file(files, folder, file, path, err);
    if (*path)
        *key = strlen(*path) - strlen(file);
    if (rc || *path || !strchr(file, '\\'))
        return rc;
    other = rn_strdup(file);
    if (!other)
        return rn_fail_memory(err, strlen(file), "a file name");
    for (char *c = other; *c; c++)
        *c = *c == '\\' ? '/' : *c;
    tidy(other);
    rc = find_file(files, folder, other, path, err);
    if (*path)
        *key = strlen(*path) - strlen(other);
    rn_free(other);
    return rc;
}

/* The note on a file in `folder` whose name differs only in normalisation. */
static void find_twin_file(const struct rn_files *files, const char *folder,
                           const char *file, char *note, size_t size)
{
    char *path = rn_path_join(folder, file), **names = NULL;
    char *slash = path ? strrchr(path, '/') : NULL;

    *note = '\0';
    if (slash) {
        *slash = '\0';
        if (rn_files_list(files, path, &names, NULL) == RN_OK)
            rn_text_twin_among(slash + 1, names, SIZE_MAX, note, size);
        rn_files_list_free(names);
    }
    rn_free(path);
}

static int fail_file(const struct rn_files *files, const struct list *list,
                     const struct line *line, const char *folder,
                     struct rn_error *err)
{
    char *images = rn_path_join(folder, IMAGES);
    char note[NOTE];

    find_twin_file(files, folder, line->file, note, sizeof(note));
    if (!*note && images)
        find_twin_file(files, images, line->file, note, sizeof(note));
    rn_free(images);
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': line %d: there is no file '%s' in the folder or "
                   "in " IMAGES "%s",
                   list->path, line->number, line->file, note);
}

static int add_picture(const struct rn_files *files, struct rn_picture_set *set,
                       const struct list *list, const struct line *line,
                       const char *folder, int class, struct rn_error *err)
{
    size_t key;
    char *path;
    int rc = locate(files, folder, line->file, &path, &key, err);

    if (!rc)
        rc = path ? rn_picture_set_add(set, path, key, class, err)
                  : fail_file(files, list, line, folder, err);
    rn_free(path);
    return rc;
}

/* The classes of a line; `classes` has room for them. */
static int find_set(const struct rn_data *data, const struct list *list,
                    const struct line *line, bool numbers, uint16_t *classes,
                    struct rn_error *err)
{
    const char *name = line->name;
    int rc = RN_OK, class;

    for (int k = 0; k < line->classes && !rc; k++, name = next_name(name)) {
        rc = find_class(data, list, line, name, numbers, &class, err);
        for (int j = 0; j < k && !rc; j++)
            if (classes[j] == class)
                rc = rn_fail(err, RN_ERR_DATA,
                             "'%s': line %d: class '%s' is there twice",
                             list->path, line->number, name);
        if (!rc)
            classes[k] = (uint16_t) class;
    }
    return rc;
}

/* For those who can only do with one class for each image. */
static int note_several(struct rn_data *data, const struct list *list,
                        struct rn_error *err)
{
    char text[600];

    snprintf(text, sizeof(text), "'%.300s', line %d: '%.150s' is of %d classes",
             list->path, list->several->number, list->several->file,
             list->several->classes);
    data->several = rn_strdup(text);
    return data->several ? RN_OK : rn_fail_memory(err, sizeof(text), "a text");
}

/* A file that is listed under two names, as "1.jpg" and "images/1.jpg", has one
 * class, too: picture i of the set is that of line i. */
static int check_paths(struct list *list, const struct rn_picture_set *set,
                       struct rn_error *err)
{
    for (size_t i = 0; i < list->count; i++)
        list->line[i].file = set->files[i];
    return check_twice(list, err);
}

static int add_pictures(struct rn_data *data, struct list *list,
                        const char *folder, enum rn_part part, bool numbers,
                        struct rn_error *err)
{
    struct rn_picture_set set = {0};
    uint16_t *classes = rn_alloc(list->names + 1, sizeof(*classes));
    int rc = classes ? RN_OK
                     : rn_fail_memory(err, list->names, "classes of pictures");

    for (size_t i = 0; i < list->count && !rc; i++) {
        const struct line *line = &list->line[i];

        classes[0] = 0; /* stands for none */
        rc = find_set(data, list, line, numbers, classes, err);
        if (!rc)
            rc = add_picture(&data->source, &set, list, line, folder,
                             classes[0], err);
        if (!rc && list->several)
            rc = rn_picture_set_classes(&set, data, classes,
                                        (size_t)line->classes, err);
    }
    if (!rc && list->several && !data->several)
        rc = note_several(data, list, err);
    if (!rc)
        rc = check_paths(list, &set, err);
    if (!rc)
        rn_picture_set_move(&set, data, part);
    rn_picture_set_free(&set);
    rn_free(classes);
    return rc;
}

static int find_classes(struct rn_data *data, const struct list *list,
                        const char *folder, bool numbers, struct rn_error *err)
{
    bool named = false;
    int rc = rn_picture_folder_has(data, folder, CLASSES, &named, err);

    if (rc)
        return rc;
    if (named)
        return read_classes(data, folder, err);
    if (!numbers)
        return collect_classes(data, list, err);
    count_classes(data, list);
    return RN_OK;
}

/* Pictures in images may come as an archive. */
static int mount_images(struct rn_data *data, const char *folder,
                        struct rn_error *err)
{
    char *images = rn_path_join(folder, IMAGES);
    int rc = images ? rn_picture_mount(data, images, err)
                    : rn_fail_memory(err, strlen(folder), "a file name");

    rn_free(images);
    return rc;
}

/* Whether pictures lie in an archive, which is not looked into yet. */
static bool images_are_packed(const struct rn_data *data, const char *folder)
{
    char *images = rn_path_join(folder, IMAGES), *file = NULL;
    bool packed =
        images && !rn_picture_find_archive(data, images, &file, NULL) && file;

    rn_free(file);
    rn_free(images);
    return packed;
}

static bool is_listed(const struct rn_data *data, const char *folder,
                      const char *name)
{
    size_t key;
    char *file = NULL;

    locate(&data->source, folder, name, &file, &key, NULL);
    rn_free(file);
    return file != NULL;
}

/* Whether a table lists files, by its first line. */
static bool table_lists_files(const struct rn_data *data, const char *folder,
                              char *line)
{
    const char *fields[COLUMNS];
    int n = rn_csv_cut(line, rn_csv_separator(line), fields, COLUMNS);

    return n < 0 || find_column(file_words, fields, n) >= 0 ||
           is_listed(data, folder, fields[0]);
}

/* Whether one of these lines is of a file that is there. */
static bool lines_list_files(const struct rn_data *data, const char *folder,
                             char *line, char *next)
{
    for (; line; line = rn_line_next(&next)) {
        trim(line);
        if (cut_class(line) && is_listed(data, folder, line))
            return true;
    }
    return false;
}

/* Whether a list is one of files, by how it begins: those of classes often have
 * its name, too ("ClassId,Name" in a table, or a class a line). What cannot be
 * told here is told when it is read. */
static bool lists_files(const struct rn_data *data, const char *folder,
                        const char *path, bool table)
{
    char text[4096], *next = text, *line;
    size_t size;

    if (images_are_packed(data, folder) ||
        rn_files_peek(&data->source, path, (uint8_t *)text, sizeof(text) - 1,
                      &size, NULL) ||
        rn_text_clean(text, &size, path, NULL) || !(line = rn_line_next(&next)))
        return true;
    return table ? table_lists_files(data, folder, line)
                 : lines_list_files(data, folder, line, next);
}

/* Which list there is: *name is NULL without one. */
static int find_list(const struct rn_data *data, const char *folder,
                     const char **name, struct rn_error *err)
{
    bool text = false, table = false;
    int rc = rn_picture_folder_has(data, folder, RN_LABELS_FILE, &text, err);

    if (!rc)
        rc = rn_picture_folder_has(data, folder, RN_LABELS_TABLE, &table, err);
    *name = text ? RN_LABELS_FILE : table ? RN_LABELS_TABLE : NULL;
    if (!rc && text && table)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s' has two lists, " RN_LABELS_FILE
                     " and " RN_LABELS_TABLE ", expected one",
                     folder);
    return rc;
}

/* Folders but for that of the list's own pictures. */
static int has_folders(const struct rn_data *data, const char *folder,
                       bool *has, struct rn_error *err)
{
    struct rn_contents c;
    int rc = rn_contents_read(&c, &data->source, folder, err);

    *has = !rc && (c.count[RN_CONTENT_FOLDER] > 1 ||
                   (c.count[RN_CONTENT_FOLDER] == 1 &&
                    strcmp(c.name[c.first[RN_CONTENT_FOLDER]], IMAGES) != 0));
    rn_contents_free(&c);
    return rc;
}

int rn_picture_list_has(const struct rn_data *data, const char *folder,
                        bool *has, struct rn_error *err)
{
    const char *name;
    bool folders = false;
    char *path;
    int rc = find_list(data, folder, &name, err);

    *has = !rc && name;
    if (!*has)
        return rc;
    rc = has_folders(data, folder, &folders, err);
    if (rc || !folders)
        return rc;
    path = rn_path_join(folder, name);
    if (!path)
        return rn_fail_memory(err, strlen(folder), "a file name");
    *has = lists_files(data, folder, path, strcmp(name, RN_LABELS_TABLE) == 0);
    if (!*has)
        rc = rn_remark_add(data->source.remarks, err,
                           "'%s' lists no files, and is left aside for the "
                           "folders beside it",
                           path);
    rn_free(path);
    return rc;
}

int rn_picture_list_read(struct rn_data *data, const char *folder,
                         enum rn_part part, const char *base,
                         struct rn_error *err)
{
    struct list list = {.path = NULL};
    const char *name;
    char *path = NULL;
    bool numbers = false;
    int rc = find_list(data, folder, &name, err);

    if (!rc && !(path = rn_path_join(folder, name ? name : RN_LABELS_FILE)))
        rc = rn_fail_memory(err, strlen(folder), "a file name");
    if (!rc)
        rc = list_read(&list, &data->source, path,
                       name && strcmp(name, RN_LABELS_TABLE) == 0, err);
    list.base = base ? base : CLASSES;
    /* The folders of other parts have names, though these may be digits. */
    if (!rc)
        numbers = !base && all_numbers(&list);
    if (!rc)
        rc = mount_images(data, folder, err);
    if (!rc && !base)
        rc = find_classes(data, &list, folder, numbers, err);
    if (!rc && !base) {
        data->by_number = called_by_numbers(data);
        numbers = numbers && !data->by_number;
    }
    if (!rc)
        rc = add_pictures(data, &list, folder, part, numbers, err);
    list_free(&list);
    rn_free(path);
    return rc;
}
