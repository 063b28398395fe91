/* SPDX-License-Identifier: BSD-2-Clause */
/* Archives that stand for the folders of a data set of pictures. */
#include "data/sets/mount.h"

#include "data/archives/archive.h"
#include "data/pictures/named.h"
#include "data/sets/contents.h"
#include "data/sets/list.h"
#include "data/sets/part_names.h"

#include "core/file.h"
#include "core/memory.h"

#include <stdio.h>
#include <string.h>

/* Whether a folder holds more than pictures: classes, parts or a list. */
static int is_arranged(const struct rn_data *data, const char *folder,
                       bool *arranged, struct rn_error *err)
{
    struct rn_contents c;
    int rc = rn_contents_read(&c, &data->source, folder, err);

    if (rc)
        return rc;
    *arranged = c.count[RN_CONTENT_FOLDER] || c.count[RN_CONTENT_ARCHIVE];
    for (size_t i = 0; c.name[i]; i++)
        *arranged = *arranged || rn_picture_list_named(c.name[i]);
    rn_contents_free(&c);
    return RN_OK;
}

/* Whether the one folder in an archive that stands for `path` holds all: when
 * it bears that name, as in images.tar by `tar cf images.tar images`, or holds
 * more than pictures. Of an archive that is a whole, a folder is a part by its
 * name. */
static int is_wrapper(const struct rn_data *data, const char *path,
                      const char *name, bool whole, bool *wraps,
                      struct rn_error *err)
{
    const char *slash = strrchr(path, '/');
    char *inner;
    int rc;

    *wraps = !whole && strcmp(slash ? slash + 1 : path, name) == 0;
    if (*wraps || (whole && rn_part_named(data, name)))
        return RN_OK;
    inner = rn_path_join(path, name);
    rc = inner ? is_arranged(data, inner, wraps, err)
               : rn_fail_memory(err, strlen(path), "a file name");
    rn_free(inner);
    return rc;
}

/* The one folder that an archive holds, and nothing that counts beside it, in
 * *name; or NULL. A list beside it names its pictures. */
static int find_wrapper(const struct rn_data *data, const char *path,
                        bool whole, char **name, struct rn_error *err)
{
    struct rn_contents c;
    const char *around;
    bool wraps = false, list = false;
    int rc = rn_contents_read(&c, &data->source, path, err);

    *name = NULL;
    if (rc)
        return rc;
    around = rn_contents_around(&c);
    if (around)
        rc = is_wrapper(data, path, around, whole, &wraps, err);
    if (!rc && wraps)
        rc = rn_picture_list_has(data, path, &list, err);
    if (!rc && wraps && !list && !(*name = rn_strdup(around)))
        rc = rn_fail_memory(err, strlen(path), "a file name");
    rn_contents_free(&c);
    return rc;
}

/* Folders around everything that are gone into: names can be far deeper. */
#define MOST_AROUND 8

static int enter_wrapper(struct rn_data *data, const char *path, bool whole,
                         bool *entered, struct rn_error *err)
{
    char *name;
    int rc = find_wrapper(data, path, whole, &name, err);

    *entered = !rc && name;
    if (*entered)
        rc = rn_files_enter(&data->source, path, name, err);
    rn_free(name);
    return rc;
}

/* Mount an archive and go into the folder that it may hold all in. */
static int mount(struct rn_data *data, const char *file, const char *path,
                 bool whole, struct rn_error *err)
{
    int rc = rn_files_mount(&data->source, file, path, err);
    bool entered = true;

    for (int i = 0; i < MOST_AROUND && !rc && entered; i++)
        rc = enter_wrapper(data, path, whole, &entered, err);
    return rc;
}

/* Whether there are pictures, archives that may hold some, or a list, which may
 * call them anything. */
static bool has_pictures(const struct rn_archive *archive)
{
    for (size_t i = 0; i < archive->count; i++) {
        const char *name = archive->member[i].name;

        if (rn_picture_named(name) || rn_archive_named(name) ||
            rn_picture_list_named(name))
            return true;
    }
    return false;
}

int rn_picture_mount_whole(struct rn_data *data, const char *path,
                           struct rn_error *err)
{
    int rc = mount(data, path, path, true, err);

    if (rc || has_pictures(data->source.mount[0].archive))
        return rc;
    return rn_fail(err, RN_ERR_DATA,
                   "'%s' holds no pictures; of data sets in archives only "
                   "those of pictures are read: unpack it",
                   path);
}

int rn_picture_find_archive(const struct rn_data *data, const char *folder,
                            char **file, struct rn_error *err)
{
    size_t size = strlen(folder) + sizeof ".tar.bz2";

    *file = rn_alloc(size, 1);
    if (!*file)
        return rn_fail_memory(err, size, "a file name");
    for (size_t i = 0; rn_archive_endings[i]; i++) {
        snprintf(*file, size, "%s%s", folder, rn_archive_endings[i]);
        if (rn_files_is_file(&data->source, *file))
            return RN_OK;
    }
    rn_free(*file);
    *file = NULL;
    return RN_OK;
}

int rn_picture_mount(struct rn_data *data, const char *folder,
                     struct rn_error *err)
{
    char *file = NULL;
    int rc = RN_OK;

    if (!rn_files_is_folder(&data->source, folder))
        rc = rn_picture_find_archive(data, folder, &file, err);
    if (!rc && file)
        rc = mount(data, file, folder, false, err);
    rn_free(file);
    return rc;
}
