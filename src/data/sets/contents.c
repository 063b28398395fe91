/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts what lies in a folder: pictures, folders of pictures, both. */
#include "data/sets/contents.h"

#include "core/file.h"
#include "core/memory.h"
#include "data/archives/archive.h"
#include "data/pictures/named.h"

#include <string.h>

bool rn_picture_list_named(const char *name)
{
    return strcmp(name, RN_LABELS_FILE) == 0 ||
           strcmp(name, RN_LABELS_TABLE) == 0;
}

int rn_content_look(const struct rn_files *files, const char *path,
                    struct rn_entry *entry, struct rn_error *err)
{
    struct rn_error why = {0};
    int rc = rn_files_look(files, path, entry, &why);

    if (rc == RN_OK)
        return rc;
    entry->kind = RN_ENTRY_OTHER;
    return rc == RN_ERR_IO ? RN_OK : rn_fail(err, rc, "%s", why.msg);
}

int rn_content_of(const struct rn_files *files, const char *folder,
                  const char *name, enum rn_content *content,
                  struct rn_error *err)
{
    struct rn_entry entry = {.kind = RN_ENTRY_OTHER};
    char *path = rn_path_join(folder, name);
    int rc = path ? rn_content_look(files, path, &entry, err)
                  : rn_fail_memory(err, strlen(folder), "a file name");
    bool run = !rc && entry.kind == RN_ENTRY_FOLDER &&
               (rn_files_skips(files, &entry) || rn_is_run_folder(files, path));

    rn_free(path);
    if (rc)
        return rc;
    if (run)
        *content = RN_CONTENT_OTHER;
    else if (entry.kind == RN_ENTRY_FOLDER)
        *content = RN_CONTENT_FOLDER;
    else if (rn_picture_named(name))
        *content = RN_CONTENT_PICTURE;
    else
        *content = rn_archive_named(name) && entry.kind == RN_ENTRY_FILE
                       ? RN_CONTENT_ARCHIVE
                       : RN_CONTENT_OTHER;
    return RN_OK;
}

int rn_tally_contents(const struct rn_files *files, const char *folder,
                      char *const *names, struct rn_tally *tally,
                      struct rn_error *err)
{
    enum rn_content content = RN_CONTENT_OTHER;
    int rc = RN_OK;

    *tally = (struct rn_tally){{0}, {0}};
    for (size_t i = 0; names[i] && !rc; i++) {
        rc = rn_content_of(files, folder, names[i], &content, err);
        if (!rc && !tally->count[content]++)
            tally->first[content] = i;
    }
    return rc;
}

int rn_keep_contents(const struct rn_files *files, const char *folder,
                     char **names, enum rn_content wanted, size_t *count,
                     struct rn_error *err)
{
    int rc = RN_OK;

    *count = 0;
    for (size_t i = 0; names[i]; i++) {
        enum rn_content content = RN_CONTENT_OTHER;
        char *name = names[i];

        names[i] = NULL;
        if (!rc)
            rc = rn_content_of(files, folder, name, &content, err);
        if (!rc && content == wanted)
            names[(*count)++] = name;
        else
            rn_free(name);
    }
    return rc;
}
