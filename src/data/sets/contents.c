/* SPDX-License-Identifier: BSD-2-Clause */
/* Tells what lies in a folder: pictures, folders, archives. */
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
    int rc = path ? rn_files_look(files, path, &entry, err)
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

int rn_contents_read(struct rn_contents *c, const struct rn_files *files,
                     const char *folder, struct rn_error *err)
{
    size_t n = 0;
    int rc;

    *c = (struct rn_contents){.name = NULL};
    rc = rn_files_list(files, folder, &c->name, err);
    if (rc)
        return rc;
    while (c->name[n])
        n++;
    c->what = rn_alloc(n + 1, sizeof(*c->what));
    if (!c->what)
        rc = rn_fail_memory(err, n, "the names in a folder");
    for (size_t i = 0; i < n && !rc; i++) {
        rc = rn_content_of(files, folder, c->name[i], &c->what[i], err);
        if (!rc && !c->count[c->what[i]]++)
            c->first[c->what[i]] = i;
    }
    if (rc)
        rn_contents_free(c);
    return rc;
}

void rn_contents_free(struct rn_contents *c)
{
    rn_files_list_free(c->name);
    rn_free(c->what);
    *c = (struct rn_contents){.name = NULL};
}

const char *rn_contents_around(const struct rn_contents *c)
{
    return c->count[RN_CONTENT_FOLDER] == 1 && !c->count[RN_CONTENT_PICTURE] &&
                   !c->count[RN_CONTENT_ARCHIVE]
               ? c->name[c->first[RN_CONTENT_FOLDER]]
               : NULL;
}

char **rn_contents_take(struct rn_contents *c, enum rn_content wanted)
{
    char **names = c->name;
    size_t kept = 0;

    for (size_t i = 0; names[i]; i++) {
        if (c->what[i] == wanted)
            names[kept++] = names[i];
        else
            rn_free(names[i]);
    }
    names[kept] = NULL;
    c->name = NULL;
    rn_contents_free(c);
    return names;
}
