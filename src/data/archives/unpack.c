/* SPDX-License-Identifier: BSD-2-Clause */
/* Archives that are compressed as a whole, unpacked into a temporary file of
 * no name: gzip by zlib, which checks its sums, the others by libarchive, whose
 * reader of gzip does not. */
#include "data/archives/archive.h"

#include "core/memory.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>

/* What an archive of pictures unpacks to: more than pictures ever shrink, but
 * not what a bomb grows to. */
#define MOST_GROWTH 256
#define MOST_SMALL  ((uint64_t)64 << 20) /* however small it is */
/* The share of what is free on the disk that is left so. */
#define LEFT_FREE 16
#define CHUNK     ((size_t)1 << 17)
#define MB        1000000

struct rn_spool {
    int fd;
    uint64_t size;
    char *folder;
};

/* ------------------------------------------------------------ one of them */

struct unpacking {
    struct rn_spool *spool;
    const char *path;
    const uint8_t *bytes;
    size_t size;
    uint64_t length;     /* unpacked so far */
    uint64_t most, free; /* that it may be: as a bomb, on the disk */
    const char *command; /* that would unpack it */
    struct rn_error *err;
};

static int fail(const struct unpacking *u, const char *what)
{
    return rn_fail(u->err, RN_ERR_DATA, "'%s' does not unpack: %.200s", u->path,
                   what);
}

static int check_length(const struct unpacking *u, size_t more)
{
    if (u->length + more > u->most)
        return rn_fail(u->err, RN_ERR_DATA,
                       "'%s' unpacks to more than %llu MB, more than %d times "
                       "its size, as no archive of pictures does; if that is "
                       "as it should be, unpack it first: %s '%s'",
                       u->path, (unsigned long long)(u->most / MB), MOST_GROWTH,
                       u->command, u->path);
    if (u->length + more > u->free)
        return rn_fail(u->err, RN_ERR_IO,
                       "'%s' unpacks to more than the %llu MB that '%s' has "
                       "room for; set TMPDIR to a folder with more",
                       u->path, (unsigned long long)(u->free / MB),
                       u->spool->folder);
    return RN_OK;
}

static int append(struct unpacking *u, const uint8_t *bytes, size_t size)
{
    int rc = check_length(u, size);

    while (!rc && size) {
        ssize_t done = pwrite(u->spool->fd, bytes, size,
                              (off_t)(u->spool->size + u->length));

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return rn_fail(u->err, RN_ERR_IO,
                           "cannot unpack '%s' into a temporary file in '%s': "
                           "%s",
                           u->path, u->spool->folder, strerror(errno));
        bytes += done;
        size -= (size_t)done;
        u->length += (uint64_t)done;
    }
    return rc;
}

/* One of the files of gzip that may follow each other; how much of the bytes
 * from `at` on it took in *used. */
static int gunzip_one(struct unpacking *u, z_stream *z, size_t at, size_t *used)
{
    uint8_t chunk[CHUNK];
    int status = Z_OK, rc = RN_OK;

    *used = 0;
    while (!rc && status == Z_OK) {
        size_t left = u->size - at - *used;

        z->next_in = (unsigned char *)(uintptr_t)(u->bytes + at + *used);
        z->avail_in = (unsigned)(left < CHUNK ? left : CHUNK);
        left = z->avail_in;
        z->next_out = chunk;
        z->avail_out = CHUNK;
        status = inflate(z, Z_NO_FLUSH);
        *used += left - z->avail_in;
        rc = append(u, chunk, CHUNK - z->avail_out);
    }
    if (!rc && status != Z_STREAM_END)
        rc = fail(u, status == Z_BUF_ERROR ? "it is cut short"
                     : z->msg              ? z->msg
                                           : "its gzip data are damaged");
    return rc;
}

static bool is_gzip(const uint8_t *bytes, size_t size)
{
    return size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

/* Zeros may fill up a tape's last block. */
static bool only_zeros(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && !memcmp(bytes, bytes + 1, size - 1));
}

static int gunzip(struct unpacking *u)
{
    z_stream z = {0};
    size_t at = 0, used = 0;
    int rc = RN_OK;

    if (inflateInit2(&z, MAX_WBITS + 16) != Z_OK)
        return rn_fail(u->err, RN_ERR_MEMORY, "'%s': out of memory", u->path);
    while (!rc && is_gzip(u->bytes + at, u->size - at)) {
        inflateReset(&z);
        rc = gunzip_one(u, &z, at, &used);
        at += used;
    }
    inflateEnd(&z);
    if (!rc && !only_zeros(u->bytes + at, u->size - at))
        rc = fail(u, "something else follows its gzip data");
    return rc;
}

static int copy_entry(struct unpacking *u, struct archive *packed)
{
    uint8_t chunk[CHUNK];
    la_ssize_t got;
    int rc = RN_OK;

    do {
        got = archive_read_data(packed, chunk, sizeof(chunk));
        if (got > 0)
            rc = append(u, chunk, (size_t)got);
    } while (!rc && got > 0);
    if (!rc && got < 0)
        rc = fail(u, archive_error_string(packed) ? archive_error_string(packed)
                                                  : "damaged data");
    return rc;
}

/* Where libarchive was built without a library it would run a program. */
static bool add_filters(struct archive *packed)
{
    return archive_read_support_filter_bzip2(packed) == ARCHIVE_OK &&
           archive_read_support_filter_xz(packed) == ARCHIVE_OK &&
           archive_read_support_filter_zstd(packed) == ARCHIVE_OK &&
           archive_read_support_filter_lz4(packed) == ARCHIVE_OK &&
           archive_read_support_filter_compress(packed) == ARCHIVE_OK &&
           archive_read_support_format_raw(packed) == ARCHIVE_OK;
}

static int unpack_others(struct unpacking *u)
{
    struct archive *packed = archive_read_new();
    struct archive_entry *entry;
    int rc;

    if (!packed)
        return rn_fail(u->err, RN_ERR_MEMORY, "'%s': out of memory", u->path);
    if (!add_filters(packed))
        rc = rn_fail(u->err, RN_ERR_DATA,
                     "'%s': libarchive reads no such compression here; unpack "
                     "it first: %s '%s'",
                     u->path, u->command, u->path);
    else if (archive_read_open_memory(packed, u->bytes, u->size) !=
                 ARCHIVE_OK ||
             archive_read_next_header(packed, &entry) != ARCHIVE_OK)
        rc = fail(u, archive_error_string(packed) ? archive_error_string(packed)
                                                  : "damaged data");
    else if (archive_filter_code(packed, 0) == ARCHIVE_FILTER_NONE)
        rc = fail(u, "its first bytes are those of compressed data, but not "
                     "what follows");
    else
        rc = copy_entry(u, packed);
    archive_read_free(packed);
    return rc;
}

/* --------------------------------------------------------- temporary file */

static int make_file(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    char name[4096];

    if (fd >= 0)
        return fd;
    /* Not every file system has files of no name. */
    if (snprintf(name, sizeof(name), "%s/resnet-XXXXXX", folder) >=
        (int)sizeof(name))
        return -1;
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        unlink(name);
    return fd;
}

/* /var/tmp is for what is large; /tmp may lie in memory. */
static int make_anywhere(const char **folder)
{
    const char *const folders[] = {getenv("TMPDIR"), "/var/tmp", "/tmp"};
    bool told = folders[0] && *folders[0];
    int fd = -1;

    for (int i = told ? 0 : 1; fd < 0 && i < (told ? 1 : 3); i++) {
        *folder = folders[i];
        fd = make_file(folders[i]);
    }
    return fd;
}

static int open_spool(struct rn_spool **out, struct rn_error *err)
{
    struct rn_spool *spool = rn_alloc(1, sizeof(*spool));
    const char *folder = "";

    if (!spool)
        return rn_fail_memory(err, sizeof(*spool), "a temporary file");
    spool->fd = make_anywhere(&folder);
    spool->folder = rn_strdup(folder);
    *out = spool;
    if (spool->fd < 0)
        return rn_fail(err, RN_ERR_IO,
                       "cannot make a temporary file in '%s' to unpack a "
                       "compressed archive into: %s; set TMPDIR to a folder "
                       "where one can be",
                       folder, strerror(errno));
    return spool->folder ? RN_OK
                         : rn_fail_memory(err, strlen(folder), "a name");
}

void rn_spool_close(struct rn_spool *spool)
{
    if (!spool)
        return;
    if (spool->fd >= 0)
        close(spool->fd);
    rn_free(spool->folder);
    rn_free(spool);
}

int rn_spool_file(const struct rn_spool *spool)
{
    return spool->fd;
}

uint64_t rn_spool_size(const struct rn_spool *spool)
{
    return spool->size;
}

int rn_spool_unpack(struct rn_spool **spool, const char *path,
                    const char *command, const uint8_t *bytes, size_t size,
                    uint64_t *length, struct rn_error *err)
{
    struct unpacking u = {.path = path,
                          .bytes = bytes,
                          .size = size,
                          .most = MOST_SMALL + (uint64_t)size * MOST_GROWTH,
                          .command = command,
                          .err = err};
    struct statvfs st;
    int rc = RN_OK;

    if (!*spool)
        rc = open_spool(spool, err);
    if (rc) {
        rn_spool_close(*spool);
        *spool = NULL;
        return rc;
    }
    u.spool = *spool;
    u.free = UINT64_MAX;
    if (fstatvfs(u.spool->fd, &st) == 0)
        u.free =
            (uint64_t)st.f_bavail * st.f_frsize / LEFT_FREE * (LEFT_FREE - 1);
    rc = is_gzip(bytes, size) ? gunzip(&u) : unpack_others(&u);
    if (rc)
        return rc;
    u.spool->size += u.length;
    *length = u.length;
    return RN_OK;
}
