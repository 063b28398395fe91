/* SPDX-License-Identifier: BSD-2-Clause */
/* Pictures in class folders, in parts or all together. */
#include "core/file.h"
#include "core/memory.h"
#include "core/text.h"
#include "data/archives/archive.h"
#include "data/sets/contents.h"
#include "data/sets/layout.h"
#include "data/sets/list.h"
#include "data/sets/mount.h"
#include "data/sets/numerals.h"
#include "data/sets/picture_set.h"
#include "data/sets/sets.h"
#include "data/remarks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
static int check_unpacked(const char *folder, const struct rn_contents *c,
                          struct rn_error *err)
{
    for (size_t i = 0; c->name[i]; i++)
        if (c->what[i] == RN_CONTENT_ARCHIVE && !is_unpacked(c->name, i))
            return rn_fail(err, RN_ERR_DATA,
                           "'%s' holds class folders and archives, '%s' and "
                           "'%s', expected one or the other",
                           folder, c->name[c->first[RN_CONTENT_FOLDER]],
                           c->name[i]);
    return RN_OK;
}

/* The class folders in a folder, or archives, as that of ImageNet has for each
 * class, where there are no folders; a picture has no class. */
static int find_classes(struct rn_data *data, const char *folder, char ***names,
                        size_t *count, struct rn_error *err)
{
    struct rn_contents c;
    int rc = rn_contents_read(&c, &data->source, folder, err);
    bool archives = !c.count[RN_CONTENT_FOLDER];
    enum rn_content wanted = archives ? RN_CONTENT_ARCHIVE : RN_CONTENT_FOLDER;

    *names = NULL;
    *count = 0;
    if (rc)
        return rc;
    if (c.count[RN_CONTENT_PICTURE])
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s/%s' lies in no class folder, expected "
                     "FOLDER/CLASS/PICTURE",
                     folder, c.name[c.first[RN_CONTENT_PICTURE]]);
    else if (!archives)
        rc = check_unpacked(folder, &c, err);
    if (!rc && c.count[wanted] > RN_CLASSES_MAX)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s' holds %zu class folders, expected at most %d",
                     folder, c.count[wanted], RN_CLASSES_MAX);
    if (rc) {
        rn_contents_free(&c);
        return rc;
    }
    *count = c.count[wanted];
    *names = rn_contents_take(&c, wanted);
    for (size_t i = 0; archives && i < *count && !rc; i++)
        rc = mount_class(&data->source, folder, (*names)[i], err);
    qsort(*names, *count, sizeof(**names), rn_files_compare);
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

/* Class folders of `folder` in byte order, in that of numbers if all are. */
static int list_classes(struct rn_data *data, char ***names, const char *folder,
                        size_t *count, struct rn_error *err)
{
    int rc = find_classes(data, folder, names, count, err);

    if (!rc && !*count)
        rc = fail_empty(data, folder, err);
    if (!rc)
        rc = check_names(*names, *count, folder, err);
    if (!rc)
        rc = rn_layout_check_classes(data, folder, *names, err);
    if (rc) {
        rn_files_list_free(*names);
        *names = NULL;
    }
    return rc;
}

/* How the pictures of a part lie below its class folders. */
struct depths {
    int deep; /* classes that have pictures in several folders, or in some and
                 beside them */
    int flat; /* that have pictures beside folders, or none */
    char example[300];
};

/* Look at where a class's pictures lie. */
static void measure(struct depths *depths, const struct rn_pictures *found,
                    const char *folder)
{
    size_t length = strlen(folder) + 1, first = 0;
    const char *inner = NULL;
    bool flat = false, several = false;

    for (size_t i = 0; i < found->count; i++) {
        const char *rest = found->file[i].path + length;
        size_t n = strcspn(rest, "/");

        if (!rest[n]) {
            flat = true;
            continue;
        }
        several =
            several || (inner && (n != first || strncmp(rest, inner, n) != 0));
        inner = rest;
        first = n;
    }
    depths->flat += flat;
    if (!inner || !(flat || several))
        return;
    if (!depths->deep++)
        snprintf(depths->example, sizeof(depths->example), "%.200s/%.*s",
                 folder, (int)(first < 90 ? first : 90), inner);
}

/* Folders below class folders could have been meant as classes. */
static int say_depths(struct rn_data *data, const struct depths *depths,
                      const char *folder, struct rn_error *err)
{
    if (!depths->deep || data->rule == RN_RULE_FIRST)
        return RN_OK;
    if (!depths->flat)
        return rn_remark_add(
            data->source.remarks, err,
            "the class folders of '%.150s' hold folders, as "
            "'%s': pictures in these are of the class above; "
            "folders to be classes must lie in '%.150s' itself",
            folder, depths->example, folder);
    return rn_remark_add(
        data->source.remarks, err,
        "%d class folder%s hold%s pictures in folders, as '%s': "
        "these are of the same class",
        depths->deep, depths->deep > 1 ? "s" : "", depths->deep > 1 ? "" : "s",
        depths->example);
}

/* All pictures below a class folder. */
static int add_class(const struct rn_data *data, struct rn_picture_set *set,
                     const char *folder, size_t key, int label,
                     struct depths *depths, struct rn_error *err)
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
    if (!rc)
        measure(depths, &found, folder);
    rn_pictures_clear(&found);
    return rc;
}

/* ------------------------------------------------------------------ parts */

static int class_index(const struct rn_data *data, const char *name)
{
    char **at;

    if (data->by_number && rn_numeral(name) < 0)
        return -1;
    at = bsearch(&name, data->class_names, (size_t)data->classes,
                 sizeof(*data->class_names),
                 data->by_number ? rn_numerals_compare : rn_files_compare);
    return at ? (int)(at - data->class_names) : -1;
}

#define SHOWN 5

/* Names the class folders that the classes do not have. */
static int check_known(const struct rn_data *data, char **names,
                       const char *folder, const char *base,
                       struct rn_error *err)
{
    char shown[300] = "", note[240] = "";
    int unknown = 0;

    for (size_t i = 0; names[i]; i++) {
        size_t n = strlen(shown);

        if (class_index(data, names[i]) >= 0)
            continue;
        if (!*note)
            rn_text_twin_among(names[i], data->class_names, SIZE_MAX, note,
                               sizeof(note));
        if (unknown++ < SHOWN)
            snprintf(shown + n, sizeof(shown) - n, "%s'%.40s'", n ? ", " : "",
                     names[i]);
    }
    if (!unknown)
        return RN_OK;
    return rn_fail(err, RN_ERR_DATA,
                   "'%.80s' has %d class folder%s that '%.80s' has not: %s%s%s",
                   folder, unknown, unknown > 1 ? "s" : "", base,
                   rn_text_whole(shown), unknown > SHOWN ? ", …" : "", note);
}

static int fill_part(struct rn_data *data, char **names, const char *folder,
                     enum rn_part part, struct rn_error *err)
{
    struct rn_picture_set set = {0};
    struct depths depths = {0, 0, ""};
    int rc = RN_OK;

    for (size_t i = 0; names[i] && !rc; i++) {
        char *path = rn_path_join(folder, names[i]);

        rc = path ? add_class(data, &set, path, strlen(path) - strlen(names[i]),
                              class_index(data, names[i]), &depths, err)
                  : rn_fail_memory(err, strlen(folder), "a file name");
        rn_free(path);
    }
    if (!rc)
        rn_picture_set_move(&set, data, part);
    rn_picture_set_free(&set);
    return rc ? rc : say_depths(data, &depths, folder, err);
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
        data->by_number =
            data->rule != RN_RULE_FIRST && rn_numerals(names, count);
        if (data->by_number)
            qsort(names, count, sizeof(*names), rn_numerals_compare);
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
                           "'%s' has a list of pictures, but the classes are "
                           "those of the first part, which must be folders; "
                           "for the list alone give '%s' as DATA",
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

/* Folders around everything that are gone into: names can be far deeper. */
#define MOST_AROUND 8

/* Go into the one folder that a part's classes lie in: for the part that gives
 * the classes any, for another one that is none of these. */
static int enter_part(struct rn_data *data, char **folder, bool base,
                      struct rn_error *err)
{
    for (int i = 0; i < MOST_AROUND; i++) {
        char *inner;
        int rc = rn_layout_around(data, *folder, &inner, err);

        if (rc || !inner)
            return rc;
        if (!base && class_index(data, strrchr(inner, '/') + 1) >= 0) {
            rn_free(inner);
            return RN_OK;
        }
        rc = rn_remark_add(data->source.remarks, err,
                           "all of '%s' lies in '%s'", *folder, inner);
        rn_free(*folder);
        *folder = inner;
        if (rc)
            return rc;
    }
    return RN_OK;
}

static int read_layout(struct rn_data *data, struct rn_layout *l,
                       struct rn_error *err)
{
    const char *base = NULL;
    int rc = RN_OK;

    for (int part = RN_PART_TRAIN; part <= RN_PART_TEST && !rc; part++) {
        if (!l->folder[part])
            continue;
        rc = enter_part(data, &l->folder[part], !base, err);
        if (!rc)
            rc = read_part(data, l->folder[part], (enum rn_part)part, &base,
                           err);
    }
    return rc ? rc : copy_ids(data, err);
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
            rn_picture_list_named(names[i]) ||
            (rn_content_of(&disk, path, names[i], &content, NULL) == RN_OK &&
             content != RN_CONTENT_OTHER);
    rn_files_list_free(names);
    return found;
}

/* A list, or folders; or the one folder that holds all, in *inner. */
static int read_one(struct rn_data *data, const char *path, char **inner,
                    struct rn_error *err)
{
    struct rn_layout l;
    bool list = false;
    int rc = rn_picture_list_has(data, path, &list, err);

    *inner = NULL;
    data->format = list ? "list" : "folders";
    if (rc || list)
        return rc ? rc
                  : rn_picture_list_read(data, path, RN_PART_TRAIN, NULL, err);
    rc = rn_layout_find(&l, data, path, err);
    if (!rc && l.inner) {
        *inner = l.inner;
        l.inner = NULL;
    } else if (!rc) {
        rc = read_layout(data, &l, err);
    }
    rn_layout_free(&l);
    return rc;
}

static int read(struct rn_data *data, const char *path, struct rn_error *err)
{
    char *at = NULL, *inner = NULL;
    int rc = read_one(data, path, &at, err);

    for (int i = 1; i < MOST_AROUND && !rc && at; i++) {
        rc = read_one(data, at, &inner, err);
        rn_free(at);
        at = inner;
    }
    if (!rc && at)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s' lies in more than %d folders, each alone in the one "
                     "around it",
                     at, MOST_AROUND);
    rn_free(at);
    if (!rc)
        rc = rn_names_remark(data, err);
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
