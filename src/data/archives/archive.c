/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens archives of every kind, and reads members where they lie. */
#include "data/archives/archive.h"

#include "core/count.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/zip.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A tar that is compressed as a whole is called so or so. */
const char *const rn_archive_endings[] = {
    ".tar",     ".zip",  ".TAR",    ".ZIP",     ".tar.gz",  ".tgz",
    ".TAR.GZ",  ".TGZ",  ".tar.xz", ".txz",     ".tar.zst", ".tzst",
    ".tar.bz2", ".tbz2", ".tbz",    ".tar.lz4", ".tar.Z",   NULL};

size_t rn_archive_stem(const char *name)
{
    size_t length = strlen(name), best = 0;

    for (size_t i = 0; rn_archive_endings[i]; i++) {
        size_t ending = strlen(rn_archive_endings[i]);

        if (length > ending && ending > best &&
            strcmp(name + length - ending, rn_archive_endings[i]) == 0)
            best = ending;
    }
    return best ? length - best : 0;
}

bool rn_archive_named(const char *name)
{
    return rn_archive_stem(name) > 0;
}

/* ------------------------------------------------------------------ index */

/* Compressed archives, by their first bytes, and what decompresses them and
 * keeps them. */
static const struct {
    const char *magic;
    size_t length;
    const char *by;
    const char *command;
} compressed[] = {
    {"\x1f\x8b", 2, "gzip", "gunzip -k"},
    {"\xfd\x37zXZ", 5, "xz", "unxz -k"},
    {"BZh", 3, "bzip2", "bunzip2 -k"},
    {"\x28\xb5\x2f\xfd", 4, "zstd", "unzstd"},
    {"\x04\x22\x4d\x18", 4, "lz4", "unlz4"},
    {"\x1f\x9d", 2, "compress", "gunzip -k"},
};
#define COMPRESSED COUNT(compressed)

/* What decompresses a file that begins so; NULL when it is plain. */
static const char *find_command(const uint8_t *bytes, size_t size,
                                const char **by)
{
    for (size_t i = 0; i < COMPRESSED; i++)
        if (size >= compressed[i].length &&
            memcmp(bytes, compressed[i].magic, compressed[i].length) == 0) {
            *by = compressed[i].by;
            return compressed[i].command;
        }
    return NULL;
}

int rn_archive_check_plain(const char *path, const uint8_t *bytes, size_t size,
                           struct rn_error *err)
{
    const char *by, *command = find_command(bytes, size, &by);

    return command ? rn_fail(err, RN_ERR_DATA,
                             "'%s' is compressed by %s; decompress it first: "
                             "%s '%s'",
                             path, by, command, path)
                   : RN_OK;
}

static int index_members(struct rn_archive *archive, const uint8_t *bytes,
                         size_t size, struct rn_error *err)
{
    const char *by;

    if (find_command(bytes, size, &by))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' is compressed twice, the second time by %s, "
                       "expected a tar or a zip in it",
                       archive->path, by);
    if (!size)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' is empty, expected a tar or a zip", archive->path);
    return rn_zip_is(bytes, size)
               ? rn_archive_index_zip(archive, bytes, size, err)
               : rn_archive_index_tar(archive, bytes, size, err);
}

static int index_bytes(struct rn_archive *archive, const uint8_t *bytes,
                       size_t size, struct rn_error *err)
{
    int rc = index_members(archive, bytes, size, err);

    if (!rc)
        rn_archive_settle(archive);
    return rc;
}

/* ---------------------------------------------------------------- opening */

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int fail_changed(const struct rn_archive *archive, struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA, "'%s' has changed since it was opened",
                   archive->file);
}

/* Unpack an archive into the spool, where it lies from then on. */
static int unpack(struct rn_archive *archive, struct rn_spool **spool,
                  const char *command, const uint8_t *bytes, size_t size,
                  struct rn_error *err)
{
    uint64_t length = 0;
    int rc = rn_spool_unpack(spool, archive->path, command, bytes, size,
                             &length, err);

    if (rc)
        return rc;
    archive->spool = *spool;
    archive->at = rn_spool_size(*spool) - length;
    archive->size = length;
    return RN_OK;
}

/* Make an index of the part of an open file that is the archive, or unpack it.
 * The part is mapped for as long as that takes: what libarchive reads must lie
 * in memory for it to tell where members are, and but for headers nothing of it
 * is touched. `spool` is NULL when it cannot be packed. */
static int map_part(struct rn_archive *archive, int fd, struct rn_spool **spool,
                    struct rn_error *err)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    size_t before = (size_t)(archive->at % page), size = (size_t)archive->size;
    const char *command, *by;
    uint8_t *map;
    int rc;

    if (!archive->size)
        return index_bytes(archive, (const uint8_t *)"", 0, err);
    if (archive->size > SIZE_MAX - before)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' has %llu bytes, more than can be addressed",
                       archive->path, (unsigned long long)archive->size);
    map = mmap(NULL, before + size, PROT_READ, MAP_PRIVATE, fd,
               (off_t)(archive->at - before));
    if (map == MAP_FAILED)
        return rn_fail_errno(err, "read", archive->path);
    command = spool ? find_command(map + before, size, &by) : NULL;
    madvise(map, before + size, command ? MADV_SEQUENTIAL : MADV_RANDOM);
    rc = command ? unpack(archive, spool, command, map + before, size, err)
                 : index_bytes(archive, map + before, size, err);
    munmap(map, before + size);
    return rc;
}

static int index_part(struct rn_archive *archive, int fd,
                      struct rn_spool **spool, struct rn_error *err)
{
    const struct rn_spool *before = archive->spool;
    uint64_t at = archive->at;
    int rc = map_part(archive, fd, spool, err);

    if (!rc && (archive->spool != before || archive->at != at))
        rc = map_part(archive, rn_spool_file(archive->spool), NULL, err);
    return rc;
}

static int open_file(struct rn_archive *archive, const struct rn_archive *outer,
                     int fd, struct rn_error *err)
{
    if (fstat(fd, &archive->stat))
        return rn_fail_errno(err, "read", archive->path);
    if (!S_ISREG(archive->stat.st_mode))
        return rn_fail(err, RN_ERR_DATA, "'%s' is not a regular file",
                       archive->path);
    if (outer && !same_file(&archive->stat, &outer->stat))
        return fail_changed(outer, err);
    if (!outer)
        archive->size = (uint64_t)archive->stat.st_size;
    return RN_OK;
}

static int open_index(struct rn_archive *archive,
                      const struct rn_archive *outer, struct rn_spool **spool,
                      struct rn_error *err)
{
    int fd, rc;

    if (outer && outer->spool) {
        archive->spool = outer->spool;
        return index_part(archive, rn_spool_file(outer->spool), spool, err);
    }
    fd = open(archive->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return rn_fail_errno(err, "open", archive->path);
    rc = open_file(archive, outer, fd, err);
    if (!rc)
        rc = index_part(archive, fd, spool, err);
    close(fd);
    return rc;
}

int rn_archive_open(struct rn_archive **out, const char *path,
                    const struct rn_archive *outer,
                    const struct rn_member *member, struct rn_spool **spool,
                    struct rn_error *err)
{
    struct rn_archive *archive = rn_alloc(1, sizeof(*archive));
    int rc = RN_OK;

    *out = NULL;
    if (!archive)
        return rn_fail_memory(err, sizeof(*archive), "an archive");
    archive->path = rn_strdup(path);
    archive->file = rn_strdup(outer ? outer->file : path);
    if (!archive->path || !archive->file)
        rc = rn_fail_memory(err, strlen(path), "a file name");
    if (!rc && outer) {
        archive->at = member->at;
        archive->size = member->size;
    }
    if (!rc)
        rc = open_index(archive, outer, spool, err);
    if (rc)
        rn_archive_close(archive);
    else
        *out = archive;
    return rc;
}

void rn_archive_close(struct rn_archive *archive)
{
    if (!archive)
        return;
    rn_archive_clear(archive);
    rn_free(archive->file);
    rn_free(archive->path);
    rn_free(archive);
}

/* ---------------------------------------------------------------- reading */

static int read_at(int fd, uint8_t *bytes, size_t size, uint64_t at,
                   const char *name, struct rn_error *err)
{
    while (size) {
        ssize_t got = pread(fd, bytes, size, (off_t)at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return rn_fail_errno(err, "read", name);
        if (got == 0)
            return rn_fail(err, RN_ERR_DATA, "'%s' is cut short", name);
        bytes += got;
        size -= (size_t)got;
        at += (uint64_t)got;
    }
    return RN_OK;
}

/* The first `size` bytes of the member as they lie in the archive. The file is
 * opened each time: a data set may have more archives than files may be open,
 * and one that was exchanged is noticed. */
static int read_packed(const struct rn_archive *archive,
                       const struct rn_member *member, const char *name,
                       uint8_t *bytes, size_t size, struct rn_error *err)
{
    struct stat st;
    int fd, rc;

    if (archive->spool)
        return read_at(rn_spool_file(archive->spool), bytes, size, member->at,
                       name, err);
    fd = open(archive->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return rn_fail_errno(err, "open", archive->file);
    if (fstat(fd, &st))
        rc = rn_fail_errno(err, "read", archive->file);
    else if (!same_file(&st, &archive->stat))
        rc = fail_changed(archive, err);
    else
        rc = read_at(fd, bytes, size, member->at, name, err);
    close(fd);
    return rc;
}

static int check_size(uint64_t size, size_t limit, const char *name,
                      struct rn_error *err)
{
    if (size <= limit)
        return RN_OK;
    return rn_fail(err, RN_ERR_DATA,
                   "'%s' has %llu bytes, expected at most %zu", name,
                   (unsigned long long)size, limit);
}

int rn_archive_read(const struct rn_archive *archive,
                    const struct rn_member *member, const char *name,
                    size_t limit, uint8_t **bytes, size_t *size,
                    struct rn_error *err)
{
    uint8_t *packed = NULL;
    int rc = check_size(member->size, limit, name, err);

    *bytes = NULL;
    *size = 0;
    if (!rc)
        rc = check_size(member->packed, limit, name, err);
    if (rc)
        return rc;
    packed = rn_alloc((size_t)member->packed + 1, 1);
    if (!packed)
        return rn_fail_memory(err, (size_t)member->packed, name);
    rc =
        read_packed(archive, member, name, packed, (size_t)member->packed, err);
    if (!rc)
        rc = rn_archive_unzip(member, name, packed, bytes, err);
    if (!rc && !member->deflated)
        *bytes = packed;
    else
        rn_free(packed);
    if (!rc)
        *size = (size_t)member->size;
    return rc;
}

/* More than enough for what inflates to the first bytes of a picture: a block's
 * header of codes has at most 286 bytes or so. */
#define HEAD 1024

int rn_archive_peek(const struct rn_archive *archive,
                    const struct rn_member *member, const char *name,
                    uint8_t *bytes, size_t room, size_t *size,
                    struct rn_error *err)
{
    uint8_t head[HEAD];
    uint8_t *to = member->deflated ? head : bytes;
    size_t wanted = member->deflated ? sizeof(head) : room;
    int rc;

    wanted = member->packed < wanted ? (size_t)member->packed : wanted;
    *size = 0;
    rc = read_packed(archive, member, name, to, wanted, err);
    if (rc)
        return rc;
    if (!member->deflated)
        *size = wanted;
    else
        rn_archive_inflate_head(head, wanted, bytes, room, size);
    return *size || !member->size
               ? RN_OK
               : rn_fail(err, RN_ERR_DATA, "'%s' does not inflate", name);
}
