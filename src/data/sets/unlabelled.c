/* SPDX-License-Identifier: BSD-2-Clause */
/* Pictures without classes: a file, or all of a folder or an archive. */
#include "core/file.h"
#include "data/archives/archive.h"
#include "data/sets/mount.h"
#include "data/sets/picture_set.h"
#include "data/sets/sets.h"

/* All pictures below the folder. */
static int add_folder(const struct rn_data *data, struct rn_picture_set *set,
                      const char *folder, struct rn_error *err)
{
    struct rn_pictures found = {.count = 0};
    int rc = rn_pictures_add_folder(&found, &data->source, folder, err);

    for (size_t i = 0; !rc && i < found.count; i++) {
        const struct rn_picture_file *file = &found.file[i];

        rc = file->problem
                 ? rn_fail(err, file->problem_code, "%s", file->problem)
                 : rn_picture_set_add(set, file->path, 0, 0, err);
    }
    if (!rc && !found.count)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s' holds no picture (.jpg, .png, .tif and so on)",
                     folder);
    rn_pictures_clear(&found);
    return rc;
}

int rn_unlabelled_read(struct rn_data *data, const char *path,
                       struct rn_error *err)
{
    struct rn_picture_set set = {0};
    bool file = rn_is_file(path), archive = file && rn_archive_named(path);
    int rc = RN_OK;

    data->format = "pictures";
    if (archive)
        rc = rn_picture_mount_whole(data, path, err);
    if (!rc)
        rc = file && !archive ? rn_picture_set_add(&set, path, 0, 0, err)
                              : add_folder(data, &set, path, err);
    if (!rc) {
        rn_picture_set_move(&set, data, RN_PART_TRAIN);
        rn_picture_data_finish(data);
    }
    rn_picture_set_free(&set);
    return rc;
}
