/* SPDX-License-Identifier: BSD-2-Clause */
/* Pictures in one folder with a list of their classes, `FILE CLASS` a line. */
#include "data/picture_set.h"

#include "core/file.h"
#include "core/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LIST ((size_t)1 << 30)
#define BLANKS   " \t"
#define IMAGES   "images"

/* A list in memory, cut into lines, each into two texts. */
struct list {
    const char *path; /* for messages */
    const char *base; /* what gives the classes, for messages */
    char *text;
    struct line {
        const char *file, *name; /* of the class */
        int number;
    } * line;
    size_t count, room;
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

    while (n && strchr("\r" BLANKS, line[n - 1]))
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

static int add_line(struct list *list, char *text, int number,
                    struct rn_error *err)
{
    struct line line = {.file = text, .number = number};

    trim(text);
    if (!*text)
        return RN_OK;
    line.name = cut_class(text);
    if (!line.name || !rn_is_printable(line.file) || !rn_name_valid(line.name))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': line %d is not FILE CLASS in UTF-8", list->path,
                       number);
    tidy(text);
    if (!rn_grow(&list->line, &list->room, list->count, sizeof *list->line))
        return rn_fail_memory(err, sizeof line, "a list of pictures");
    list->line[list->count++] = line;
    return RN_OK;
}

/* `path` stays the caller's. */
static int list_read(struct list *list, const struct rn_files *files,
                     const char *path, struct rn_error *err)
{
    uint8_t *bytes;
    size_t size;
    int number = 0,
        rc = rn_files_read(files, path, MAX_LIST, &bytes, &size, err);
    char *next;

    *list = (struct list){.path = path, .text = (char *)bytes};
    if (!rc && memchr(bytes, 0, size))
        rc = rn_fail(err, RN_ERR_DATA, "'%s' is not a text", path);
    next = list->text;
    while (!rc && next) {
        char *line = next;

        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        rc = add_line(list, line, ++number, err);
    }
    if (!rc && !list->count)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s' is empty, expected FILE CLASS, one a line", path);
    return rc;
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
    for (size_t i = 0; i < list->count; i++)
        if (class_number(list->line[i].name) < 0)
            return false;
    return true;
}

/* Cut the first word off each name, as its identifier, if all have more than
 * one: "n01440764 tench". */
static int split_ids(struct rn_data *data, struct rn_error *err)
{
    char **names = data->class_names;
    size_t n = (size_t)data->classes;

    for (size_t i = 0; i < n; i++)
        if (!strchr(names[i], ' '))
            return RN_OK;
    data->class_ids = rn_alloc(n + 1, sizeof *data->class_ids);
    if (!data->class_ids)
        return rn_fail_memory(err, n * sizeof(char *), "class names");
    for (size_t i = 0; i < n; i++) {
        char *blank = strchr(names[i], ' ');
        char *rest = rn_strdup(blank + strspn(blank, " "));

        if (!rest)
            return rn_fail_memory(err, n, "class names");
        *blank = '\0';
        data->class_ids[i] = names[i];
        names[i] = rest;
    }
    return RN_OK;
}

static int read_classes(struct rn_data *data, const char *folder,
                        struct rn_error *err)
{
    char *path = rn_path_join(folder, RN_CLASSES_FILE);
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
    return rc ? rc : split_ids(data, err);
}

/* The names that occur, in byte order. */
static int collect_classes(struct rn_data *data, const struct list *list,
                           struct rn_error *err)
{
    const char **names = rn_alloc(list->count, sizeof *names);
    size_t n = 0;
    int rc;

    if (!names)
        return rn_fail_memory(err, list->count * sizeof *names, "class names");
    for (size_t i = 0; i < list->count; i++)
        names[i] = list->line[i].name;
    qsort(names, list->count, sizeof *names, rn_files_compare);
    for (size_t i = 0; i < list->count; i++)
        if (!n || strcmp(names[n - 1], names[i]) != 0)
            names[n++] = names[i];
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
        long number = class_number(list->line[i].name);

        largest = number > largest ? number : largest;
    }
    data->classes = (int)largest + 1;
}

/* Sets *class; an identifier counts before a name. */
static int find_class(const struct rn_data *data, const struct list *list,
                      const struct line *line, bool numbers, int *class,
                      struct rn_error *err)
{
    char **const sets[] = {data->class_ids, data->class_names};

    *class = numbers ? (int)class_number(line->name) : -1;
    if (numbers && *class < data->classes)
        return RN_OK;
    for (size_t s = 0; s < 2 && !numbers; s++)
        for (int i = 0; sets[s] && i < data->classes; i++)
            if (strcmp(sets[s][i], line->name) == 0) {
                *class = i;
                return RN_OK;
            }
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': line %d: there is no class '%s' in %s, which has %d",
                   list->path, line->number, line->name, list->base,
                   data->classes);
}

/* ------------------------------------------------------------- pictures */

/* The file in the folder, or in its subfolder images. What is listed in an
 * archive lies there, too. */
static char *locate(const struct rn_files *files, const char *folder,
                    const char *file)
{
    char *path, *inner;

    if (file[0] == '/' && !rn_files_in_archive(files, folder))
        return rn_strdup(file);
    path = rn_path_join(folder, file);
    if (!path || rn_files_is_file(files, path))
        return path;
    inner = rn_path_join(folder, IMAGES);
    rn_free(path);
    path = inner ? rn_path_join(inner, file) : NULL;
    rn_free(inner);
    return path;
}

static int add_picture(const struct rn_files *files, struct rn_picture_set *set,
                       const struct list *list, const struct line *line,
                       const char *folder, int class, struct rn_error *err)
{
    char *path = locate(files, folder, line->file);
    int rc;

    if (!path)
        return rn_fail_memory(err, strlen(folder), "a file name");
    rc = rn_files_is_file(files, path)
             ? rn_picture_set_add(set, path, strlen(path) - strlen(line->file),
                                  class, err)
             : rn_fail(err, RN_ERR_DATA,
                       "'%s': line %d: there is no file '%s' in the folder or "
                       "in " IMAGES,
                       list->path, line->number, line->file);
    rn_free(path);
    return rc;
}

static int add_pictures(struct rn_data *data, const struct list *list,
                        const char *folder, enum rn_part part, bool numbers,
                        struct rn_error *err)
{
    struct rn_picture_set set = {0};
    int rc = RN_OK, class;

    for (size_t i = 0; i < list->count && !rc; i++) {
        rc = find_class(data, list, &list->line[i], numbers, &class, err);
        if (!rc)
            rc = add_picture(&data->source, &set, list, &list->line[i], folder,
                             class, err);
    }
    if (!rc)
        rn_picture_set_move(&set, data, part);
    rn_picture_set_free(&set);
    return rc;
}

static int find_classes(struct rn_data *data, const struct list *list,
                        const char *folder, bool numbers, struct rn_error *err)
{
    bool named = false;
    int rc = rn_picture_folder_has(data, folder, RN_CLASSES_FILE, &named, err);

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

int rn_picture_list_read(struct rn_data *data, const char *folder,
                         enum rn_part part, const char *base,
                         struct rn_error *err)
{
    char *path = rn_path_join(folder, RN_LABELS_FILE);
    struct list list;
    bool numbers;
    int rc;

    if (!path)
        return rn_fail_memory(err, strlen(folder), "a file name");
    rc = list_read(&list, &data->source, path, err);
    list.base = base ? base : RN_CLASSES_FILE;
    /* The folders of other parts have names, though these may be digits. */
    numbers = !base && all_numbers(&list);
    if (!rc)
        rc = mount_images(data, folder, err);
    if (!rc && !base)
        rc = find_classes(data, &list, folder, numbers, err);
    if (!rc)
        rc = add_pictures(data, &list, folder, part, numbers, err);
    list_free(&list);
    rn_free(path);
    return rc;
}
