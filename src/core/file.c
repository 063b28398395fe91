/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads whole files, and writes files beside their place before they are
 * renamed into it. */
#include "core/file.h"

#include "core/memory.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FIRST_CHUNK ((size_t)64 << 10) /* of what has no size, as a pipe */
#define WRITE_CHUNK ((size_t)64 << 20)

/* Bytes to make room for at first, from the file's own size. */
static int first_capacity(int fd, const char *path, size_t limit,
                          size_t *capacity, struct rn_error *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return rn_fail_errno(err, "read", path);
    if (S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return rn_fail_errno(err, "read", path);
    }
    *capacity = FIRST_CHUNK;
    if (!S_ISREG(st.st_mode))
        return RN_OK;
    if ((uint64_t)st.st_size > limit)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' has %lld bytes, expected at most %zu", path,
                       (long long)st.st_size, limit);
    *capacity = (size_t)st.st_size;
    return RN_OK;
}

/* Read until `capacity` bytes are there or the file ends. */
static int read_some(int fd, const char *path, uint8_t *bytes, size_t capacity,
                     size_t *size, struct rn_error *err)
{
    while (*size < capacity) {
        ssize_t got = read(fd, bytes + *size, capacity - *size);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return rn_fail_errno(err, "read", path);
        if (got == 0)
            break;
        *size += (size_t)got;
    }
    return RN_OK;
}

/* Twice the room, the `size` bytes read kept. */
static int enlarge(uint8_t **bytes, size_t size, size_t *capacity,
                   struct rn_error *err)
{
    uint8_t *larger = NULL;
    size_t wanted;

    if (rn_size_mul(*capacity, 2, &wanted))
        larger = rn_alloc(wanted, 1);
    if (!larger)
        return rn_fail_memory(err, *capacity, "a file");
    memcpy(larger, *bytes, size);
    rn_free(*bytes);
    *bytes = larger;
    *capacity = wanted;
    return RN_OK;
}

static int read_all(int fd, const char *path, size_t limit, uint8_t **bytes,
                    size_t *size, struct rn_error *err)
{
    size_t capacity;
    int rc = first_capacity(fd, path, limit, &capacity, err);

    if (rc != RN_OK)
        return rc;
    /* One byte more than the file has shows its end without another round,
     * and is the zero behind the text. */
    if (!rn_size_add(capacity, 1, &capacity) ||
        !(*bytes = rn_alloc(capacity, 1)))
        return rn_fail_memory(err, capacity, path);
    for (;;) {
        rc = read_some(fd, path, *bytes, capacity, size, err);
        if (rc != RN_OK)
            return rc;
        if (*size > limit)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s' is larger than the expected %zu bytes", path,
                           limit);
        if (*size < capacity)
            return RN_OK;
        rc = enlarge(bytes, *size, &capacity, err);
        if (rc != RN_OK)
            return rc;
    }
}

int rn_file_read(const char *path, size_t limit, uint8_t **bytes, size_t *size,
                 struct rn_error *err)
{
    int fd, rc;

    *bytes = NULL;
    *size = 0;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return rn_fail_errno(err, "open", path);
    rc = read_all(fd, path, limit, bytes, size, err);
    close(fd);
    if (rc != RN_OK) {
        rn_free(*bytes);
        *bytes = NULL;
        *size = 0;
    }
    return rc;
}

/* Digits of 32 bits, behind ".tmp-". */
#define TEMPORARY_DIGITS 8
#define TEMPORARY_TRIES  100

static char *temporary_room(const char *path)
{
    return rn_alloc(strlen(path) + sizeof(".tmp-") + TEMPORARY_DIGITS, 1);
}

/* Bits that no other process has, as far as that can be. Process numbers would
 * not do: containers and machines that share a folder have the same. */
static uint32_t any_bits(void)
{
    struct timespec now;
    uint32_t bits;

    if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) == sizeof(bits))
        return bits;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint32_t)now.tv_nsec ^ (uint32_t)getpid() << 16;
}

/* A file that nobody else has, under a name made here. Not mkostemp(): what it
 * makes is its owner's alone, whatever the umask. */
static int open_temporary(char *name, const char *path)
{
    size_t size = strlen(path) + sizeof(".tmp-") + TEMPORARY_DIGITS;
    int fd = -1;

    for (int i = 0; i < TEMPORARY_TRIES && fd < 0; i++) {
        snprintf(name, size, "%s.tmp-%0*" PRIx32, path, TEMPORARY_DIGITS,
                 any_bits());
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    return fd;
}

/* A device or a pipe: the rename would put a file in its place. */
static bool is_special(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

/* Where a file is written: to whatever a link leads to, in whose place the
 * rename would put it. A link to nothing is replaced. */
static char *place_of(const char *path)
{
    struct stat st;
    char *real = lstat(path, &st) == 0 && S_ISLNK(st.st_mode)
                     ? realpath(path, NULL)
                     : NULL;
    char *place = rn_strdup(real ? real : path);

    free(real);
    return place;
}

int rn_writer_open(struct rn_writer *w, const char *path, struct rn_error *err)
{
    int fd = -1, rc;

    memset(w, 0, sizeof(*w));
    w->path = place_of(path);
    w->temporary = w->path ? temporary_room(w->path) : NULL;
    if (is_special(path)) {
        rc = rn_fail(err, RN_ERR_IO, "cannot write '%s': not a regular file",
                     path);
        goto out;
    }
    if (!w->path || !w->temporary) {
        rc = rn_fail_memory(err, strlen(path), "a file name");
        goto out;
    }
    fd = open_temporary(w->temporary, w->path);
    if (fd < 0) {
        rc = rn_fail_errno(err, "write", path);
        goto out;
    }
    w->file = fdopen(fd, "wb");
    if (w->file)
        return RN_OK;
    rc = rn_fail_errno(err, "write", path);
    close(fd);
    unlink(w->temporary);
out:
    rn_free(w->path);
    rn_free(w->temporary);
    memset(w, 0, sizeof(*w));
    return rc;
}

int rn_writer_write(struct rn_writer *w, const void *bytes, size_t size,
                    struct rn_error *err)
{
    const uint8_t *next = bytes;

    while (size > 0) {
        size_t part = size < WRITE_CHUNK ? size : WRITE_CHUNK;

        if (fwrite(next, 1, part, w->file) != part)
            return rn_fail_errno(err, "write", w->path);
        next += part;
        size -= part;
    }
    return RN_OK;
}

/* Whether a sync failed for a reason other than "not here": some file
 * systems cannot sync folders or special files. */
static bool sync_failed(int fd)
{
    return fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP;
}

/* A rename lasts only once the folder is on the disk. A folder that may be
 * written but not read cannot be opened, so not synced either. */
static int sync_folder(const char *path, struct rn_error *err)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    char *folder = rn_strdup(slash ? path : ".");
    int fd, rc = RN_OK;

    if (!folder)
        return rn_fail_memory(err, length, "a folder name");
    if (slash)
        folder[length ? length : 1] = '\0';
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        if (sync_failed(fd))
            rc = rn_fail_errno(err, "sync folder", folder);
        close(fd);
    }
    rn_free(folder);
    return rc;
}

int rn_writer_settle(struct rn_writer *w, struct rn_error *err)
{
    int rc = RN_OK;

    if (!w->file)
        return RN_OK;
    errno = EIO; /* what an earlier write failed of is not known any more */
    if (ferror(w->file) || fflush(w->file) != 0 || sync_failed(fileno(w->file)))
        rc = rn_fail_errno(err, "write", w->path);
    if (fclose(w->file) != 0 && rc == RN_OK)
        rc = rn_fail_errno(err, "write", w->path);
    w->file = NULL;
    return rc;
}

int rn_writer_commit(struct rn_writer *w, struct rn_error *err)
{
    int rc = rn_writer_settle(w, err);

    if (rc == RN_OK && rename(w->temporary, w->path) != 0)
        rc = rn_fail_errno(err, "write", w->path);
    if (rc == RN_OK) {
        rn_free(w->temporary); /* nothing of that name is left to remove */
        w->temporary = NULL;
        rc = sync_folder(w->path, err);
    }
    rn_writer_abort(w);
    return rc;
}

void rn_writer_abort(struct rn_writer *w)
{
    if (w->file)
        fclose(w->file);
    if (w->temporary)
        unlink(w->temporary);
    rn_free(w->path);
    rn_free(w->temporary);
    memset(w, 0, sizeof(*w));
}

int rn_file_write(const char *path, const void *bytes, size_t size,
                  struct rn_error *err)
{
    struct rn_writer w;
    int rc = rn_writer_open(&w, path, err);

    if (rc != RN_OK)
        return rc;
    rc = rn_writer_write(&w, bytes, size, err);
    if (rc == RN_OK)
        return rn_writer_commit(&w, err);
    rn_writer_abort(&w);
    return rc;
}

static bool fits_any(const char *name, const char *const patterns[],
                     size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fnmatch(patterns[i], name, 0) == 0)
            return true;
    return false;
}

void rn_file_sweep(const char *folder, const char *const patterns[],
                   size_t count, double seconds)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    struct stat is;

    if (!dir)
        return;
    while ((entry = readdir(dir)))
        if (fits_any(entry->d_name, patterns, count) &&
            fstatat(dirfd(dir), entry->d_name, &is, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(is.st_mode) &&
            (seconds <= 0 || difftime(time(NULL), is.st_mtime) >= seconds))
            unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
}

int rn_file_remove(const char *folder, const char *name, struct rn_error *err)
{
    char *path = rn_path_join(folder, name);
    int rc = RN_OK;

    if (!path)
        return rn_fail_memory(err, strlen(folder) + strlen(name), name);
    if (unlink(path) != 0 && errno != ENOENT)
        rc = rn_fail_errno(err, "remove", path);
    rn_free(path);
    return rc;
}

int rn_print_text(char **text, size_t *size,
                  void (*print)(const void *what, FILE *out), const void *what,
                  struct rn_error *err)
{
    FILE *out = open_memstream(text, size);
    bool failed = !out;

    if (out) {
        print(what, out);
        failed = ferror(out) != 0;
        failed |= fclose(out) != 0;
    }
    if (!failed)
        return RN_OK;
    free(*text);
    *text = NULL;
    return rn_fail_memory(err, *size, "a text");
}

const struct rn_print_form *rn_print_form(const struct rn_print_form *forms,
                                          size_t count, const char *path)
{
    size_t length = strlen(path);

    for (size_t i = 0; i < count; i++)
        if (length > 4 && strcmp(path + length - 4, forms[i].ending) == 0)
            return &forms[i];
    return NULL;
}

int rn_print_file(const char *path, void (*print)(const void *what, FILE *out),
                  const void *what, struct rn_error *err)
{
    char *text = NULL;
    size_t size = 0;
    int rc = rn_print_text(&text, &size, print, what, err);

    if (rc == RN_OK)
        rc = rn_file_write(path, text, size, err);
    free(text);
    return rc;
}

char *rn_path_join(const char *dir, const char *name)
{
    size_t length = strlen(dir), size = length + strlen(name) + 2;
    char *path = rn_alloc(size, 1);

    if (path)
        snprintf(path, size, "%s%s%s", dir,
                 length && dir[length - 1] == '/' ? "" : "/", name);
    return path;
}

bool rn_is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool rn_is_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* FNV's basis and prime. The shift brings the high bits, where products
 * gather, back down before the next word. */
static uint64_t mix(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * 0x100000001b3u;
    return sum ^ sum >> 32;
}

uint64_t rn_checksum(uint64_t sum, const void *bytes, size_t size)
{
    const uint8_t *next = bytes;
    uint64_t word;
    size_t left;

    /* With the size, zeros at an end count. */
    sum = mix(sum ^ 0xcbf29ce484222325u, size);
    for (left = size; left >= sizeof(word); left -= sizeof(word)) {
        memcpy(&word, next, sizeof(word));
        sum = mix(sum, le64toh(word));
        next += sizeof(word);
    }
    if (left > 0) {
        word = 0;
        memcpy(&word, next, left);
        sum = mix(sum, le64toh(word));
    }
    return sum;
}
