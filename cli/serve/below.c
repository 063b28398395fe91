/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens files below a folder, one part of a name at a time, following no link:
 * whoever writes there cannot have us read anything else. */
#include "runs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
/* A pipe or a terminal of that name shall not hold us up. */
#define PLAIN (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

static int closed(int fd, int error)
{
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}

int below_folder(int folder, const char *name)
{
    int fd = openat(folder, ".", FOLDER);
    char part[NAME_MAX + 1];

    while (fd >= 0 && *name) {
        size_t n = strcspn(name, "/");
        int next;

        if (n > NAME_MAX || n == 0 || strncmp(name, "..", n) == 0)
            return closed(fd, ENOENT);
        memcpy(part, name, n);
        part[n] = '\0';
        next = openat(fd, part, FOLDER);
        closed(fd, errno);
        fd = next;
        name += n + (name[n] == '/');
    }
    return fd;
}

int below_file(int folder, const char *name, struct stat *st)
{
    int fd = openat(folder, name, PLAIN);

    if (fd >= 0 && fstat(fd, st) != 0)
        return closed(fd, errno);
    if (fd >= 0 && !S_ISREG(st->st_mode))
        return closed(fd, EINVAL);
    return fd;
}

/* As many bytes as there are, `room` at most; -1 with errno. */
static ssize_t fill(int fd, char *bytes, size_t room)
{
    size_t size = 0;
    ssize_t n = 1;

    while (size < room && n > 0) {
        n = read(fd, bytes + size, room - size);
        if (n > 0)
            size += (size_t)n;
    }
    return n < 0 ? -1 : (ssize_t)size;
}

char *below_read(int folder, const char *name, size_t most, int cut,
                 size_t *size)
{
    struct stat st;
    int fd = below_file(folder, name, &st);
    char *bytes = NULL;
    ssize_t n;

    if (fd < 0)
        return NULL;
    if ((uint64_t)st.st_size > most && !cut) {
        closed(fd, EFBIG);
        return NULL;
    }
    if ((uint64_t)st.st_size < most)
        most = (size_t)st.st_size;
    bytes = malloc(most + 1);
    n = bytes ? fill(fd, bytes, most) : -1;
    closed(fd, errno);
    if (n < 0) {
        free(bytes);
        return NULL;
    }
    bytes[n] = '\0';
    *size = (size_t)n;
    return bytes;
}
