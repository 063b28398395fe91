/* SPDX-License-Identifier: BSD-2-Clause */
/* Pictures in class folders, in parts or all together. */
#include "data/picture_set.h"

#include "core/file.h"
#include "core/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Folders that are parts. */
static const struct {
    const char *name;
    enum rn_part part;
} part_names[] = {
    {"train", RN_PART_TRAIN},      {"val", RN_PART_VALIDATION},
    {"valid", RN_PART_VALIDATION}, {"validation", RN_PART_VALIDATION},
    {"test", RN_PART_TEST},
};
#define PART_NAMES (sizeof part_names / sizeof part_names[0])

/* Folders of the parts that there are, by enum rn_part; or all in `whole`. */
struct layout {
    char *folder[3];
};

static void layout_free(struct layout *l)
{
    for (int i = 0; i < 3; i++)
        rn_free(l->folder[i]);
}

/* ------------------------------------------------------- class folders */

/* What an entry of a folder is. */
enum entry { ENTRY_FOLDER, ENTRY_PICTURE, ENTRY_OTHER };

static int kind_of(const char *folder, const char *name, enum entry *kind,
                   struct rn_error *err)
{
    char *path = rn_path_join(folder, name);

    if (!path)
        return rn_fail_memory(err, strlen(folder), "a file name");
    if (rn_is_folder(path))
        *kind = ENTRY_FOLDER;
    else
        *kind = rn_picture_named(name) ? ENTRY_PICTURE : ENTRY_OTHER;
    rn_free(path);
    return RN_OK;
}

/* Keep the folders among the names; a picture among them has no class. */
static int keep_folders(char **names, const char *folder, size_t *count,
                        struct rn_error *err)
{
    int rc = RN_OK;

    *count = 0;
    for (size_t i = 0; names[i]; i++) {
        enum entry kind = ENTRY_OTHER;
        char *name = names[i];

        names[i] = NULL;
        if (!rc)
            rc = kind_of(folder, name, &kind, err);
        if (!rc && kind == ENTRY_PICTURE)
            rc = rn_fail(err, RN_ERR_DATA,
                         "'%s/%s' lies in no class folder, expected "
                         "FOLDER/CLASS/PICTURE",
                         folder, name);
        if (kind == ENTRY_FOLDER)
            names[(*count)++] = name;
        else
            rn_free(name);
    }
    return rc;
}

static int check_names(char **names, size_t count, const char *folder,
                       struct rn_error *err)
{
    if (!count)
        return rn_fail(err, RN_ERR_DATA, "'%s' holds no class folders", folder);
    if (count > RN_CLASSES_MAX)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' holds %zu class folders, expected at most %d",
                       folder, count, RN_CLASSES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!rn_is_utf8(names[i]))
            return rn_fail_utf8(err, "class folder's name", names[i]);
        if (!rn_name_valid(names[i]))
            return rn_fail(err, RN_ERR_DATA,
                           "'%s/%s': not a class folder's name, expected 1 to "
                           "256 bytes without control characters",
                           folder, names[i]);
    }
    return RN_OK;
}

/* Class folders of `folder` in byte order. */
static int list_classes(char ***names, const char *folder, size_t *count,
                        struct rn_error *err)
{
    int rc = rn_folder_read(names, folder, err);

    if (!rc)
        rc = keep_folders(*names, folder, count, err);
    if (!rc)
        rc = check_names(*names, *count, folder, err);
    if (rc) {
        rn_folder_free(*names);
        *names = NULL;
    }
    return rc;
}

/* All pictures below a class folder. */
static int add_class(struct rn_picture_set *set, const char *folder, int label,
                     struct rn_error *err)
{
    struct rn_pictures found = {NULL, 0, 0};
    int rc = rn_pictures_add_folder(&found, folder, err);

    for (size_t i = 0; i < found.count && !rc; i++) {
        const struct rn_picture_file *file = &found.file[i];

        rc = file->problem
                 ? rn_fail(err, file->problem_code, "%s", file->problem)
                 : rn_picture_set_add(set, file->path, label, err);
    }
    if (!rc && !found.count)
        rc = rn_fail(err, RN_ERR_DATA, "class folder '%s' holds no picture",
                     folder);
    rn_pictures_clear(&found);
    return rc;
}

/* ------------------------------------------------------------------ parts */

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int class_index(const struct rn_data *data, const char *name)
{
    char **at = bsearch(&name, data->class_names, (size_t)data->classes,
                        sizeof *data->class_names, compare);

    return at ? (int)(at - data->class_names) : -1;
}

#define SHOWN 5

/* Names the class folders that the classes do not have. */
static int check_known(const struct rn_data *data, char **names,
                       const char *folder, const char *base,
                       struct rn_error *err)
{
    char shown[300] = "";
    int unknown = 0;

    for (size_t i = 0; names[i]; i++) {
        size_t n = strlen(shown);

        if (class_index(data, names[i]) >= 0)
            continue;
        if (unknown++ < SHOWN)
            snprintf(shown + n, sizeof shown - n, "%s'%.40s'", n ? ", " : "",
                     names[i]);
    }
    if (!unknown)
        return RN_OK;
    return rn_fail(err, RN_ERR_DATA,
                   "'%.80s' has %d class folder%s that '%.80s' has not: %s%s",
                   folder, unknown, unknown > 1 ? "s" : "", base, shown,
                   unknown > SHOWN ? ", …" : "");
}

static int fill_part(struct rn_data *data, char **names, const char *folder,
                     enum rn_part part, struct rn_error *err)
{
    struct rn_picture_set set = {0};
    int rc = RN_OK;

    for (size_t i = 0; names[i] && !rc; i++) {
        char *path = rn_path_join(folder, names[i]);

        rc = path ? add_class(&set, path, class_index(data, names[i]), err)
                  : rn_fail_memory(err, strlen(folder), "a file name");
        rn_free(path);
    }
    if (!rc)
        rn_picture_set_move(&set, data, part);
    rn_picture_set_free(&set);
    return rc;
}

/* The first part gives the classes; *base is its folder. */
static int read_part(struct rn_data *data, const char *folder,
                     enum rn_part part, const char **base, struct rn_error *err)
{
    const char *const *classes;
    char **names;
    size_t count;
    int rc = list_classes(&names, folder, &count, err);

    if (rc)
        return rc;
    classes = (const char *const *)names;
    if (!*base) {
        *base = folder;
        data->classes = (int)count;
        rc = rn_names_set(data, classes, (int)count, err);
    } else {
        rc = check_known(data, names, folder, *base, err);
    }
    if (!rc)
        rc = fill_part(data, names, folder, part, err);
    rn_folder_free(names);
    return rc;
}

/* Identifiers of folders are their names. */
static int copy_ids(struct rn_data *data, struct rn_error *err)
{
    data->class_ids = data->class_names;
    data->class_names = NULL;
    return rn_names_set(data, (const char *const *)data->class_ids,
                        data->classes, err);
}

/* -------------------------------------------------------------- layouts */

static int find_parts(struct layout *l, const char *path, struct rn_error *err)
{
    for (size_t i = 0; i < PART_NAMES; i++) {
        char *folder = rn_path_join(path, part_names[i].name);

        if (!folder)
            return rn_fail_memory(err, strlen(path), "a file name");
        if (!rn_is_folder(folder) || l->folder[part_names[i].part])
            rn_free(folder);
        else
            l->folder[part_names[i].part] = folder;
    }
    return RN_OK;
}

static bool is_part(const char *name)
{
    for (size_t i = 0; i < PART_NAMES; i++)
        if (strcmp(part_names[i].name, name) == 0)
            return true;
    return false;
}

/* Without train/ the names of parts are classes' names, unless there are no
 * others. */
static int only_parts(const char *path, bool *only, struct rn_error *err)
{
    char **names;
    int rc = rn_folder_read(&names, path, err);

    *only = true;
    for (size_t i = 0; !rc && names[i]; i++) {
        enum entry kind = ENTRY_OTHER;

        rc = kind_of(path, names[i], &kind, err);
        if (!rc && kind == ENTRY_FOLDER && !is_part(names[i]))
            *only = false;
    }
    rn_folder_free(names);
    return rc;
}

static int find_layout(struct layout *l, const char *path, struct rn_error *err)
{
    bool only;
    int rc = find_parts(l, path, err);

    if (rc || l->folder[RN_PART_TRAIN])
        return rc;
    rc = only_parts(path, &only, err);
    if (rc ||
        (only && (l->folder[RN_PART_VALIDATION] || l->folder[RN_PART_TEST])))
        return rc;
    layout_free(l);
    *l = (struct layout){{NULL}};
    l->folder[RN_PART_TRAIN] = rn_strdup(path);
    return l->folder[RN_PART_TRAIN]
               ? RN_OK
               : rn_fail_memory(err, strlen(path), "a file name");
}

static int read_layout(struct rn_data *data, const struct layout *l,
                       struct rn_error *err)
{
    const char *base = NULL;
    int rc = RN_OK;

    for (int part = RN_PART_TRAIN; part <= RN_PART_TEST && !rc; part++)
        if (l->folder[part])
            rc = read_part(data, l->folder[part], (enum rn_part)part, &base,
                           err);
    return rc ? rc : copy_ids(data, err);
}

static int read_folders(struct rn_data *data, const char *path,
                        struct rn_error *err)
{
    struct layout l = {{NULL}};
    int rc = find_layout(&l, path, err);

    data->format = "folders";
    if (!rc)
        rc = read_layout(data, &l, err);
    layout_free(&l);
    return rc;
}

/* ------------------------------------------------------------ the reader */

static bool recognise(const char *path)
{
    enum entry kind = ENTRY_OTHER;
    char **names;
    bool found = false;

    if (rn_folder_read(&names, path, NULL))
        return false;
    for (size_t i = 0; names[i] && !found; i++)
        found = strcmp(names[i], RN_LABELS_FILE) == 0 ||
                (kind_of(path, names[i], &kind, NULL) == RN_OK &&
                 kind != ENTRY_OTHER);
    rn_folder_free(names);
    return found;
}

static int read(struct rn_data *data, const char *path, struct rn_error *err)
{
    bool list = false;
    int rc = rn_picture_folder_has(path, RN_LABELS_FILE, &list, err);

    if (!rc)
        rc = list ? rn_picture_list_read(data, path, err)
                  : read_folders(data, path, err);
    if (!rc)
        rn_picture_data_finish(data, path);
    return rc;
}

const struct rn_reader rn_reader_pictures = {"folders", recognise, read};
