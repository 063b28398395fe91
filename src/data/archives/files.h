/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the readers of pictures find folders and files: on disk, and in
 * archives that stand in for folders there. A member of the archive mounted at
 * "photos.tar" is the file "photos.tar/cat/1.jpg". */
#ifndef RN_DATA_ARCHIVES_FILES_H
#define RN_DATA_ARCHIVES_FILES_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rn_remarks;
struct rn_spool;

/** Zeroed, it is the disk alone. Once the archives are mounted any number of
 *  threads may read. */
struct rn_files {
    struct rn_mount {
        char *path;
        struct rn_archive *archive;
    } * mount; /* ordered by path */
    size_t count, room;
    struct rn_spool *spool; /* what compressed archives unpack to, or NULL */
    struct rn_remarks *remarks; /* on what is read; or NULL */
    /* Only names that begin with a dot, and __MACOSX, are hidden: as it was
     * when the first runs began. */
    bool first_rule;
    /* A folder on disk that does not count; inode 0: none. */
    uint64_t skip_device, skip_inode;
};

/** Have the archive `file`, which may be a member of one that is mounted, stand
 *  in for a folder `path`; twice is as good as once. */
int rn_files_mount(struct rn_files *files, const char *file, const char *path,
                   struct rn_error *err);
/** From now on the archive mounted there stands in for the folder `name` in
 *  it. */
int rn_files_enter(struct rn_files *files, const char *path, const char *name,
                   struct rn_error *err);
/** Remark on archives that had to be unpacked. */
void rn_files_remark(const struct rn_files *files);
void rn_files_close(struct rn_files *files);

/** What a path leads to, symbolic links followed. */
struct rn_entry {
    enum { RN_ENTRY_FOLDER, RN_ENTRY_FILE, RN_ENTRY_OTHER } kind;
    int64_t size;           /* of a file */
    uint64_t device, inode; /* which folder it is; 0 in archives, where no link
                               leads to a folder */
};

/** RN_ERR_IO when there is nothing. */
int rn_files_look(const struct rn_files *files, const char *path,
                  struct rn_entry *entry, struct rn_error *err);
/** Folders that a walk has gone into: a chain up to the first. */
struct rn_above {
    const struct rn_above *up;
    uint64_t device, inode;
    int depth; /* 0: the first */
};
struct rn_above rn_files_go_into(const struct rn_above *up,
                                 const struct rn_entry *folder);
/** Whether a folder is one of them, to which a link led back. */
bool rn_files_leads_back(const struct rn_above *up,
                         const struct rn_entry *folder);
/** Whether it is the folder that does not count. */
bool rn_files_skips(const struct rn_files *files, const struct rn_entry *entry);
bool rn_files_is_folder(const struct rn_files *files, const char *path);
bool rn_files_is_file(const struct rn_files *files, const char *path);
/** Whether the path lies in an archive. */
bool rn_files_in_archive(const struct rn_files *files, const char *path);

/** Names in a folder but for hidden ones and those of thumbnails, recycle bins
 *  and such that file servers and systems keep among them, sorted by bytes, in
 *  an array that ends with NULL; rn_files_list_free() releases it. */
int rn_files_list(const struct rn_files *files, const char *folder,
                  char ***names, struct rn_error *err);
void rn_files_list_free(char **names);
/** The order of such names, for qsort() and bsearch(). */
int rn_files_compare(const void *a, const void *b);

/** As rn_file_read(). */
int rn_files_read(const struct rn_files *files, const char *path, size_t limit,
                  uint8_t **bytes, size_t *size, struct rn_error *err);
/** As rn_text_read(). */
int rn_files_read_text(const struct rn_files *files, const char *path,
                       size_t limit, char **text, size_t *size,
                       struct rn_error *err);
/** The first `room` bytes, or as many as there are. */
int rn_files_peek(const struct rn_files *files, const char *path,
                  uint8_t *bytes, size_t room, size_t *size,
                  struct rn_error *err);

#endif
