/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists folders and reads files, of the disk or of the archives mounted there.
 */
#include "data/archives/files.h"

#include "core/count.h"
#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"
#include "core/text.h"
#include "data/archives/archive.h"
#include "data/remarks.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* ----------------------------------------------------------------- mounts */

/* As strcmp() with the first `length` bytes of `path`. */
static int compare_start(const char *name, const char *path, size_t length)
{
    int order = strncmp(name, path, length);

    return order ? order : name[length] != '\0';
}

/* Place of the mount at the first `length` bytes of `path`, or where it would
 * be. */
static size_t find_place(const struct rn_files *files, const char *path,
                         size_t length)
{
    size_t low = 0, high = files->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_start(files->mount[middle].path, path, length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct rn_mount *mount_at(const struct rn_files *files, const char *path,
                                 size_t length)
{
    size_t i = find_place(files, path, length);

    return i < files->count &&
                   compare_start(files->mount[i].path, path, length) == 0
               ? &files->mount[i]
               : NULL;
}

/* The archive that a path lies in, and its name there ("": the archive
 * itself); NULL on disk. Of archives in archives the inner one. */
static const struct rn_archive *
find_archive(const struct rn_files *files, const char *path, const char **name)
{
    size_t length = strlen(path);

    while (files->count && length) {
        const struct rn_mount *mount = mount_at(files, path, length);

        if (mount) {
            *name = path + length + (path[length] == '/');
            return mount->archive;
        }
        while (length && path[--length] != '/')
            ;
    }
    return NULL;
}

bool rn_files_in_archive(const struct rn_files *files, const char *path)
{
    const char *name;

    return find_archive(files, path, &name) != NULL;
}

/* The archive `file`, on disk or in another one. */
static int open_archive(struct rn_files *files, const char *file,
                        struct rn_archive **archive, struct rn_error *err)
{
    const char *name;
    const struct rn_archive *outer = find_archive(files, file, &name);
    const struct rn_member *member = NULL;

    if (outer) {
        member = rn_archive_find(outer, name);
        if (!member || member->kind != RN_MEMBER_FILE || member->target ||
            member->deflated)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s' is compressed or a link; an archive in an "
                           "archive is read when it is stored as it is",
                           file);
    }
    return rn_archive_open(archive, file, outer, member, &files->spool, err);
}

int rn_files_mount(struct rn_files *files, const char *file, const char *path,
                   struct rn_error *err)
{
    size_t at = find_place(files, path, strlen(path));
    const struct rn_mount *there = mount_at(files, path, strlen(path));
    struct rn_mount mount = {.path = NULL};
    int rc;

    if (there && strcmp(there->archive->path, file) == 0)
        return RN_OK;
    if (there)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' stands for the folder '%s', and so does another "
                       "archive",
                       file, path);
    if (!rn_grow(&files->mount, &files->room, files->count, sizeof(mount)) ||
        !(mount.path = rn_strdup(path)))
        return rn_fail_memory(err, strlen(path), "an archive");
    rc = open_archive(files, file, &mount.archive, err);
    if (rc) {
        rn_free(mount.path);
        return rc;
    }
    memmove(files->mount + at + 1, files->mount + at,
            (files->count - at) * sizeof(mount));
    files->mount[at] = mount;
    files->count++;
    return RN_OK;
}

int rn_files_enter(struct rn_files *files, const char *path, const char *name,
                   struct rn_error *err)
{
    return rn_archive_enter(mount_at(files, path, strlen(path))->archive, name,
                            err);
}

void rn_files_remark(const struct rn_files *files)
{
    if (files->spool)
        rn_remark(files->remarks, RN_REMARK_UNPACKED,
                  "compressed archives were unpacked into a temporary file of "
                  "%.1f MB; unpacked ones open at once",
                  ceil((double)rn_spool_size(files->spool) / 1e5) / 10);
}

void rn_files_close(struct rn_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        rn_archive_close(files->mount[i].archive);
        rn_free(files->mount[i].path);
    }
    rn_free(files->mount);
    rn_spool_close(files->spool);
    rn_remarks_destroy(files->remarks);
    *files = (struct rn_files){.mount = NULL};
}

/* ---------------------------------------------------------------- looking */

static int look_on_disk(const char *path, struct rn_entry *entry,
                        struct rn_error *err)
{
    struct stat st;

    if (stat(path, &st))
        return rn_fail_errno(err, "open", path);
    entry->kind = S_ISDIR(st.st_mode)   ? RN_ENTRY_FOLDER
                  : S_ISREG(st.st_mode) ? RN_ENTRY_FILE
                                        : RN_ENTRY_OTHER;
    entry->size = (int64_t)st.st_size;
    entry->device = (uint64_t)st.st_dev;
    entry->inode = (uint64_t)st.st_ino;
    return RN_OK;
}

/* The rest of a name that lies below the folder, or NULL. */
static const char *rest_below(const char *name, const char *folder)
{
    size_t length = strlen(folder);

    if (!length)
        return name;
    return strncmp(name, folder, length) == 0 && name[length] == '/'
               ? name + length + 1
               : NULL;
}

/* Whether the archive has members below a folder, which need not be one. */
static bool has_below(const struct rn_archive *archive, const char *folder)
{
    size_t i = rn_archive_below(archive, folder);

    return !*folder ||
           (i < archive->count && rest_below(archive->member[i].name, folder));
}

/* What a name of an archive is; *member is NULL where no member bears it, as
 * folders need not be members. */
static int look_in_archive(const struct rn_archive *archive, const char *name,
                           const char *path, struct rn_entry *entry,
                           const struct rn_member **member,
                           struct rn_error *err)
{
    const struct rn_member *m = *member = rn_archive_find(archive, name);

    *entry = (struct rn_entry){.kind = RN_ENTRY_OTHER};
    if (m ? m->kind == RN_MEMBER_FOLDER : has_below(archive, name)) {
        entry->kind = RN_ENTRY_FOLDER;
        return RN_OK;
    }
    if (!m) {
        errno = ENOENT;
        return rn_fail_errno(err, "open", path);
    }
    if (m->kind == RN_MEMBER_LINK || m->kind == RN_MEMBER_SYMLINK)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' is a link to '%.200s', which is no file of the "
                       "archive",
                       path, m->target);
    if (m->kind == RN_MEMBER_FILE)
        entry->kind = RN_ENTRY_FILE;
    entry->size = (int64_t)m->size;
    return RN_OK;
}

int rn_files_look(const struct rn_files *files, const char *path,
                  struct rn_entry *entry, struct rn_error *err)
{
    const char *name;
    const struct rn_archive *archive = find_archive(files, path, &name);
    const struct rn_member *member;

    return archive ? look_in_archive(archive, name, path, entry, &member, err)
                   : look_on_disk(path, entry, err);
}

struct rn_above rn_files_go_into(const struct rn_above *up,
                                 const struct rn_entry *folder)
{
    return (struct rn_above){up, folder->device, folder->inode,
                             up ? up->depth + 1 : 0};
}

bool rn_files_leads_back(const struct rn_above *up,
                         const struct rn_entry *folder)
{
    for (; up && folder->inode; up = up->up)
        if (up->device == folder->device && up->inode == folder->inode)
            return true;
    return false;
}

bool rn_files_skips(const struct rn_files *files, const struct rn_entry *entry)
{
    return files->skip_inode && entry->inode == files->skip_inode &&
           entry->device == files->skip_device;
}

bool rn_files_is_folder(const struct rn_files *files, const char *path)
{
    struct rn_entry entry = {.kind = RN_ENTRY_OTHER};

    return rn_files_look(files, path, &entry, NULL) == RN_OK &&
           entry.kind == RN_ENTRY_FOLDER;
}

bool rn_files_is_file(const struct rn_files *files, const char *path)
{
    struct rn_entry entry = {.kind = RN_ENTRY_OTHER};

    return rn_files_look(files, path, &entry, NULL) == RN_OK &&
           entry.kind == RN_ENTRY_FILE;
}

/* ---------------------------------------------------------------- listing */

struct names {
    char **name; /* ends with NULL */
    size_t count, room;
};

int rn_files_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void rn_files_list_free(char **names)
{
    for (size_t i = 0; names && names[i]; i++)
        rn_free(names[i]);
    rn_free(names);
}

/* What others keep among a user's files: macOS's archives, Synology's
 * thumbnails, bins and snapshots, QNAP's, Windows', a file system's. */
static const char *const left_out[] = {
    "__MACOSX",
    "@eaDir",
    "#recycle",
    "#snapshot",
    "@Recycle",
    "@Recently-Snapshot",
    "$RECYCLE.BIN",
    "RECYCLER",
    "System Volume Information",
    "lost+found",
    "Network Trash Folder",
    "Temporary Items",
};

static bool is_called(const char *name, size_t length, const char *other)
{
    return strlen(other) == length && rn_same_letters(name, other, length);
}

/* Files with a dot before their name, also "._1.jpg" with what macOS keeps on
 * 1.jpg, and what is left out. */
static bool hidden(const struct rn_files *files, const char *name,
                   size_t length)
{
    size_t count = files->first_rule ? 1 : COUNT(left_out);

    for (size_t i = 0; i < count; i++)
        if (is_called(name, length, left_out[i]))
            return true;
    return *name == '.';
}

/* Room for the NULL at the end is kept. */
static int add_name(struct names *names, const char *name, size_t length,
                    struct rn_error *err)
{
    char *copy = NULL;

    if (rn_grow(&names->name, &names->room, names->count + 1,
                sizeof(*names->name)))
        copy = rn_alloc(length + 1, 1);
    if (!copy)
        return rn_fail_memory(err, length, "the names in a folder");
    memcpy(copy, name, length);
    names->name[names->count++] = copy;
    names->name[names->count] = NULL;
    return RN_OK;
}

static int list_entries(const struct rn_files *files, DIR *dir,
                        const char *folder, struct names *names,
                        struct rn_error *err)
{
    int rc = RN_OK;

    while (!rc) {
        struct dirent *entry;
        size_t length;

        errno = 0;
        entry = readdir(dir);
        if (!entry)
            return errno ? rn_fail_errno(err, "read", folder) : RN_OK;
        length = strlen(entry->d_name);
        if (!hidden(files, entry->d_name, length))
            rc = add_name(names, entry->d_name, length, err);
    }
    return rc;
}

static int list_on_disk(const struct rn_files *files, const char *folder,
                        struct names *names, struct rn_error *err)
{
    DIR *dir = opendir(folder);
    int rc;

    if (!dir)
        return rn_fail_errno(err, "open", folder);
    rc = list_entries(files, dir, folder, names, err);
    closedir(dir);
    return rc;
}

/* Members below a folder stand together, those of each of its folders, too,
 * but for the folder itself when that is a member. */
static int list_in_archive(const struct rn_files *files,
                           const struct rn_archive *archive, const char *folder,
                           struct names *names, struct rn_error *err)
{
    const char *last = "", *rest;
    size_t i = rn_archive_below(archive, folder), last_length = 0;
    int rc = RN_OK;

    for (; !rc && i < archive->count &&
           (rest = rest_below(archive->member[i].name, folder));
         i++) {
        size_t length = strcspn(rest, "/");

        if (hidden(files, rest, length) ||
            (length == last_length && strncmp(rest, last, length) == 0))
            continue;
        rc = add_name(names, rest, length, err);
        last = rest;
        last_length = length;
    }
    return rc;
}

/* Sort, and keep one of several that are equal. */
static void order(struct names *names)
{
    size_t kept = 0;

    qsort(names->name, names->count, sizeof(*names->name), rn_files_compare);
    for (size_t i = 0; i < names->count; i++) {
        if (kept && strcmp(names->name[kept - 1], names->name[i]) == 0)
            rn_free(names->name[i]);
        else
            names->name[kept++] = names->name[i];
    }
    names->name[kept] = NULL;
}

int rn_files_list(const struct rn_files *files, const char *folder, char ***out,
                  struct rn_error *err)
{
    const char *name;
    const struct rn_archive *archive = find_archive(files, folder, &name);
    struct names names = {NULL, 0, 0};
    int rc = RN_OK;

    *out = NULL;
    if (!rn_grow(&names.name, &names.room, 0, sizeof(*names.name)))
        return rn_fail_memory(err, 1, "the names in a folder");
    rc = archive ? list_in_archive(files, archive, name, &names, err)
                 : list_on_disk(files, folder, &names, err);
    if (rc) {
        rn_files_list_free(names.name);
        return rc;
    }
    order(&names);
    *out = names.name;
    return RN_OK;
}

/* ---------------------------------------------------------------- reading */

/* The member that a path in an archive names. */
static int find_file(const struct rn_archive *archive, const char *name,
                     const char *path, const struct rn_member **member,
                     struct rn_error *err)
{
    struct rn_entry entry;
    int rc = look_in_archive(archive, name, path, &entry, member, err);

    return rc || entry.kind == RN_ENTRY_FILE
               ? rc
               : rn_fail(err, RN_ERR_IO, "cannot read '%s': not a regular file",
                         path);
}

int rn_files_read(const struct rn_files *files, const char *path, size_t limit,
                  uint8_t **bytes, size_t *size, struct rn_error *err)
{
    const char *name;
    const struct rn_archive *archive = find_archive(files, path, &name);
    const struct rn_member *member = NULL;
    int rc;

    if (!archive)
        return rn_file_read(path, limit, bytes, size, err);
    *bytes = NULL;
    *size = 0;
    rc = find_file(archive, name, path, &member, err);
    return rc ? rc
              : rn_archive_read(archive, member, path, limit, bytes, size, err);
}

int rn_files_read_text(const struct rn_files *files, const char *path,
                       size_t limit, char **text, size_t *size,
                       struct rn_error *err)
{
    uint8_t *bytes;
    int rc = rn_files_read(files, path, limit, &bytes, size, err);

    *text = NULL;
    return rc ? rc : rn_text_take(text, bytes, size, path, err);
}

static int peek_on_disk(const char *path, uint8_t *bytes, size_t room,
                        size_t *size, struct rn_error *err)
{
    FILE *file = fopen(path, "rbe");
    int rc = RN_OK;

    if (!file)
        return rn_fail_errno(err, "open", path);
    setvbuf(file, NULL, _IONBF, 0);
    *size = fread(bytes, 1, room, file);
    if (ferror(file))
        rc = rn_fail_errno(err, "read", path);
    fclose(file);
    return rc;
}

int rn_files_peek(const struct rn_files *files, const char *path,
                  uint8_t *bytes, size_t room, size_t *size,
                  struct rn_error *err)
{
    const char *name;
    const struct rn_archive *archive = find_archive(files, path, &name);
    const struct rn_member *member = NULL;
    int rc;

    if (!archive)
        return peek_on_disk(path, bytes, room, size, err);
    rc = find_file(archive, name, path, &member, err);
    return rc ? rc
              : rn_archive_peek(archive, member, path, bytes, room, size, err);
}
