/* SPDX-License-Identifier: BSD-2-Clause */
/* Pictures in class folders, in parts or all together. */
#include "data/picture_set.h"

#include "core/file.h"
#include "core/memory.h"
#include "core/text.h"
#include "data/archive.h"
#include "data/contents.h"

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

bool rn_part_named(const char *name)
{
    for (size_t i = 0; i < PART_NAMES; i++)
        if (strcmp(part_names[i].name, name) == 0)
            return true;
    return false;
}

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

/* Have an archive stand in for the folder of its name without the ending,
 * which is cut off. */
static int mount_class(struct rn_files *files, const char *folder, char *name,
                       struct rn_error *err)
{
    char *file = rn_path_join(folder, name), *path;
    int rc;

    name[rn_archive_stem(name)] = '\0';
    path = rn_path_join(folder, name);
    rc = file && path ? rn_files_mount(files, file, path, err)
                      : rn_fail_memory(err, strlen(folder), "a file name");
    rn_free(path);
    rn_free(file);
    return rc;
}

/* Whether the folder that an archive stands for is there, too. Of names in
 * order it comes before the archive, as do only others that begin with it. */
static bool is_unpacked(char *const *names, size_t archive)
{
    size_t length = rn_archive_stem(names[archive]);

    for (size_t i = archive;
         i-- > 0 && strncmp(names[i], names[archive], length) == 0;)
        if (!names[i][length])
            return true;
    return false;
}

/* Beside class folders archives do not count, and must have theirs there. */
static int check_unpacked(const struct rn_files *files, const char *folder,
                          char *const *names, const struct rn_tally *tally,
                          struct rn_error *err)
{
    enum rn_content content = RN_CONTENT_OTHER;
    int rc = RN_OK;

    for (size_t i = 0; names[i] && !rc; i++) {
        if (!rn_archive_named(names[i]) || is_unpacked(names, i))
            continue;
        rc = rn_content_of(files, folder, names[i], &content, err);
        if (!rc && content == RN_CONTENT_ARCHIVE)
            rc = rn_fail(err, RN_ERR_DATA,
                         "'%s' holds class folders and archives, '%s' and "
                         "'%s', expected one or the other",
                         folder, names[tally->first[RN_CONTENT_FOLDER]],
                         names[i]);
    }
    return rc;
}

/* Keep the class folders among the names, or archives, as that of ImageNet has
 * for each class, where there are no folders; a picture has no class. */
static int keep_classes(struct rn_data *data, const char *folder, char **names,
                        size_t *count, struct rn_error *err)
{
    struct rn_files *files = &data->source;
    struct rn_tally tally;
    int rc = rn_tally_contents(files, folder, names, &tally, err);
    bool archives = !tally.count[RN_CONTENT_FOLDER];

    if (!rc && tally.count[RN_CONTENT_PICTURE])
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s/%s' lies in no class folder, expected "
                     "FOLDER/CLASS/PICTURE",
                     folder, names[tally.first[RN_CONTENT_PICTURE]]);
    if (!rc && !archives)
        rc = check_unpacked(files, folder, names, &tally, err);
    if (!rc)
        rc = rn_keep_contents(files, folder, names,
                              archives ? RN_CONTENT_ARCHIVE : RN_CONTENT_FOLDER,
                              count, err);
    if (!rc && *count > RN_CLASSES_MAX)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s' holds %zu class folders, expected at most %d",
                     folder, *count, RN_CLASSES_MAX);
    for (size_t i = 0; archives && i < *count && !rc; i++)
        rc = mount_class(files, folder, names[i], err);
    if (!rc)
        qsort(names, *count, sizeof *names, rn_files_compare);
    return rc;
}

/* Say which folder's name is not UTF-8, or has control characters. */
static int fail_name(const char *folder, const char *name, struct rn_error *err)
{
    char *path = rn_path_join(folder, name);
    int rc = path ? rn_fail_text(err, "class folder's name", path)
                  : rn_fail_memory(err, strlen(folder), "a file name");

    rn_free(path);
    return rc;
}

static int check_names(char **names, size_t count, const char *folder,
                       struct rn_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!rn_is_printable(names[i]))
            return fail_name(folder, names[i], err);
        if (!rn_name_valid(names[i]))
            return rn_fail(err, RN_ERR_DATA,
                           "'%s/%s': not a class folder's name, expected 1 to "
                           "256 bytes",
                           folder, names[i]);
    }
    return RN_OK;
}

/* A folder that was made to unpack an archive into hides it. */
static int fail_empty(const struct rn_data *data, const char *folder,
                      struct rn_error *err)
{
    char *file;
    int rc = rn_picture_find_archive(data, folder, &file, err);

    if (!rc && file && !rn_files_in_archive(&data->source, folder))
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s' holds no class folders, and '%s' does not count "
                     "beside it",
                     folder, file);
    else if (!rc)
        rc = rn_fail(err, RN_ERR_DATA, "'%s' holds no class folders", folder);
    rn_free(file);
    return rc;
}

/* Class folders of `folder` in byte order. */
static int list_classes(struct rn_data *data, char ***names, const char *folder,
                        size_t *count, struct rn_error *err)
{
    int rc = rn_files_list(&data->source, folder, names, err);

    *count = 0;
    if (!rc)
        rc = keep_classes(data, folder, *names, count, err);
    if (!rc && !*count)
        rc = fail_empty(data, folder, err);
    if (!rc)
        rc = check_names(*names, *count, folder, err);
    if (rc) {
        rn_files_list_free(*names);
        *names = NULL;
    }
    return rc;
}

/* All pictures below a class folder. */
static int add_class(const struct rn_data *data, struct rn_picture_set *set,
                     const char *folder, size_t key, int label,
                     struct rn_error *err)
{
    struct rn_pictures found = {.count = 0};
    int rc = rn_pictures_add_folder(&found, &data->source, folder, err);

    for (size_t i = 0; i < found.count && !rc; i++) {
        const struct rn_picture_file *file = &found.file[i];

        rc = file->problem
                 ? rn_fail(err, file->problem_code, "%s", file->problem)
                 : rn_picture_set_add(set, file->path, key, label, err);
    }
    if (!rc && !found.count)
        rc = rn_fail(err, RN_ERR_DATA, "class folder '%s' holds no picture",
                     folder);
    rn_pictures_clear(&found);
    return rc;
}

/* ------------------------------------------------------------------ parts */

static int class_index(const struct rn_data *data, const char *name)
{
    char **at = bsearch(&name, data->class_names, (size_t)data->classes,
                        sizeof *data->class_names, rn_files_compare);

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

        rc = path ? add_class(data, &set, path, strlen(path) - strlen(names[i]),
                              class_index(data, names[i]), err)
                  : rn_fail_memory(err, strlen(folder), "a file name");
        rn_free(path);
    }
    if (!rc)
        rn_picture_set_move(&set, data, part);
    rn_picture_set_free(&set);
    return rc;
}

/* The first part gives the classes; *base is its folder. */
static int read_folder_part(struct rn_data *data, const char *folder,
                            enum rn_part part, const char **base,
                            struct rn_error *err)
{
    const char *const *classes;
    char **names;
    size_t count;
    int rc = list_classes(data, &names, folder, &count, err);

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
    rn_files_list_free(names);
    return rc;
}

/* A list tells which of the first part's classes another one's pictures are
 * of. */
static int read_part(struct rn_data *data, const char *folder,
                     enum rn_part part, const char **base, struct rn_error *err)
{
    bool list = false;
    int rc = rn_picture_list_has(data, folder, &list, err);

    if (rc)
        return rc;
    if (!list)
        return read_folder_part(data, folder, part, base, err);
    return *base ? rn_picture_list_read(data, folder, part, *base, err)
                 : rn_fail(err, RN_ERR_DATA,
                           "'%s/" RN_LABELS_FILE
                           "': the classes are those of the first part, which "
                           "must be folders; for the list alone give '%s' as "
                           "DATA",
                           folder, folder);
}

/* Identifiers of folders are their names. */
static int copy_ids(struct rn_data *data, struct rn_error *err)
{
    data->class_ids = data->class_names;
    data->class_names = NULL;
    return rn_names_set(data, (const char *const *)data->class_ids,
                        data->classes, err);
}

/* ---------------------------------------------------------------- layouts */

static int find_parts(struct layout *l, struct rn_data *data, const char *path,
                      struct rn_error *err)
{
    int rc = RN_OK;

    for (size_t i = 0; i < PART_NAMES && !rc; i++) {
        char **place = &l->folder[part_names[i].part];
        char *folder = rn_path_join(path, part_names[i].name);
        struct rn_entry entry = {.kind = RN_ENTRY_OTHER};

        rc = folder ? rn_picture_mount(data, folder, err)
                    : rn_fail_memory(err, strlen(path), "a file name");
        if (!rc)
            rc = rn_content_look(&data->source, folder, &entry, err);
        if (rc || *place || entry.kind != RN_ENTRY_FOLDER)
            rn_free(folder);
        else
            *place = folder;
    }
    return rc;
}

/* Without train/ the names of parts are classes' names, unless there are no
 * others. */
static int only_parts(const struct rn_data *data, const char *path, bool *only,
                      struct rn_error *err)
{
    struct rn_tally tally;
    enum rn_content what;
    size_t count;
    char **names;
    int rc = rn_files_list(&data->source, path, &names, err);

    if (rc)
        return rc;
    rc = rn_tally_contents(&data->source, path, names, &tally, err);
    what =
        tally.count[RN_CONTENT_FOLDER] ? RN_CONTENT_FOLDER : RN_CONTENT_ARCHIVE;
    if (!rc)
        rc = rn_keep_contents(&data->source, path, names, what, &count, err);
    *only = true;
    for (size_t i = 0; !rc && i < count; i++) {
        if (what == RN_CONTENT_ARCHIVE)
            names[i][rn_archive_stem(names[i])] = '\0';
        *only = *only && rn_part_named(names[i]);
    }
    rn_files_list_free(names);
    return rc;
}

static int find_layout(struct layout *l, struct rn_data *data, const char *path,
                       struct rn_error *err)
{
    bool only;
    int rc = find_parts(l, data, path, err);

    if (rc || l->folder[RN_PART_TRAIN])
        return rc;
    rc = only_parts(data, path, &only, err);
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
    int rc = find_layout(&l, data, path, err);

    if (!rc)
        rc = read_layout(data, &l, err);
    layout_free(&l);
    return rc;
}

/* ------------------------------------------------------------ the reader */

static bool recognise(const char *path)
{
    static const struct rn_files disk;
    enum rn_content content = RN_CONTENT_OTHER;
    char **names;
    bool found = false;

    if (rn_files_list(&disk, path, &names, NULL))
        return false;
    for (size_t i = 0; names[i] && !found; i++)
        found =
            strcmp(names[i], RN_LABELS_FILE) == 0 ||
            strcmp(names[i], RN_LABELS_TABLE) == 0 ||
            (rn_content_of(&disk, path, names[i], &content, NULL) == RN_OK &&
             content != RN_CONTENT_OTHER);
    rn_files_list_free(names);
    return found;
}

static int read(struct rn_data *data, const char *path, struct rn_error *err)
{
    bool list = false;
    int rc = rn_picture_list_has(data, path, &list, err);

    data->format = list ? "list" : "folders";
    if (!rc)
        rc = list ? rn_picture_list_read(data, path, RN_PART_TRAIN, NULL, err)
                  : read_folders(data, path, err);
    if (!rc)
        rn_picture_data_finish(data);
    return rc;
}

int rn_picture_archive_read(struct rn_data *data, const char *path,
                            struct rn_error *err)
{
    int rc = rn_picture_mount_whole(data, path, err);

    return rc ? rc : read(data, path, err);
}

const struct rn_reader rn_reader_pictures = {"folders", recognise, read};
