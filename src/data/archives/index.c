/* SPDX-License-Identifier: BSD-2-Clause */
/* The index of an archive: its members by name, links followed. */
#include "data/archives/archive.h"

#include "core/file.h"
#include "core/memory.h"

#include <stdlib.h>
#include <string.h>

/* As many links as may lead to one another. */
#define MOST_LINKS 16

/* ------------------------------------------------------------------ adding */

/* Append a path to `out` of *length bytes, which has room for it and a slash.
 * False when it leads out of where it began. */
static bool append(char *out, size_t *length, const char *path)
{
    if (*path == '/')
        return false;
    while (*path) {
        size_t part = strcspn(path, "/");

        if (part == 2 && strncmp(path, "..", 2) == 0) {
            if (!*length)
                return false;
            while (*length && out[--*length] != '/')
                ;
        } else if (part && !(part == 1 && *path == '.')) {
            if (*length)
                out[(*length)++] = '/';
            memcpy(out + *length, path, part);
            *length += part;
        }
        path += part + (path[part] == '/');
    }
    out[*length] = '\0';
    return true;
}

/* Where a link leads: a name of the archive, or else what stands there, which
 * is none. */
static char *aim(const char *name, const struct rn_member *member)
{
    const char *slash = strrchr(name, '/');
    size_t length = 0;
    char *out = rn_alloc(strlen(name) + strlen(member->target) + 2, 1);

    if (!out)
        return NULL;
    if (member->kind == RN_MEMBER_SYMLINK && slash) {
        length = (size_t)(slash - name);
        memcpy(out, name, length);
    }
    if (!append(out, &length, member->target))
        strcpy(out, member->target);
    return out;
}

static int copy(struct rn_archive *archive, const struct rn_member *member,
                char *name, struct rn_error *err)
{
    struct rn_member *m;

    if (!rn_grow(&archive->member, &archive->room, archive->count, sizeof(*m)))
        return rn_fail_memory(err, sizeof(*m), "an index");
    m = &archive->member[archive->count];
    *m = *member;
    m->target = member->target ? aim(name, member) : NULL;
    if (member->target && !m->target)
        return rn_fail_memory(err, strlen(member->target), "an index");
    m->name = name;
    m->order = archive->count++;
    return RN_OK;
}

int rn_archive_add(struct rn_archive *archive, const char *name,
                   const struct rn_member *member, struct rn_error *err)
{
    char *tidy = rn_alloc(strlen(name) + 2, 1);
    size_t length = 0;
    int rc = RN_OK;

    if (!tidy)
        return rn_fail_memory(err, strlen(name), "an index");
    if (!append(tidy, &length, name))
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s': member '%.200s' is named as if it lay outside of "
                     "the archive",
                     archive->path, name);
    if (!rc && length)
        rc = copy(archive, member, tidy, err);
    if (rc || !length)
        rn_free(tidy);
    return rc;
}

static void free_member(struct rn_member *member)
{
    rn_free(member->name);
    rn_free(member->target);
}

/* ---------------------------------------------------------------- settling */

static int by_name(const void *a, const void *b)
{
    const struct rn_member *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    if (order == 0)
        order = x->order < y->order ? -1 : 1;
    return order;
}

/* Of several members of one name, the last. */
static void keep_last(struct rn_archive *archive)
{
    struct rn_member *m = archive->member;
    size_t kept = 0;

    for (size_t i = 0; i < archive->count; i++) {
        if (i + 1 < archive->count && strcmp(m[i].name, m[i + 1].name) == 0)
            free_member(&m[i]);
        else
            m[kept++] = m[i];
    }
    archive->count = kept;
}

static bool is_link(const struct rn_member *member)
{
    return member->kind == RN_MEMBER_LINK || member->kind == RN_MEMBER_SYMLINK;
}

static void follow(const struct rn_archive *archive, struct rn_member *link)
{
    const struct rn_member *to = link;

    for (int i = 0; i < MOST_LINKS && to && is_link(to); i++)
        to = to->target ? rn_archive_find(archive, to->target) : NULL;
    if (!to || to->kind != RN_MEMBER_FILE)
        return;
    link->kind = RN_MEMBER_FILE;
    link->at = to->at;
    link->size = to->size;
    link->packed = to->packed;
    link->deflated = to->deflated;
    link->crc = to->crc;
}

void rn_archive_settle(struct rn_archive *archive)
{
    if (!archive->count)
        return;
    qsort(archive->member, archive->count, sizeof(*archive->member), by_name);
    keep_last(archive);
    for (size_t i = 0; i < archive->count; i++)
        if (is_link(&archive->member[i]))
            follow(archive, &archive->member[i]);
}

void rn_archive_clear(struct rn_archive *archive)
{
    for (size_t i = 0; i < archive->count; i++)
        free_member(&archive->member[i]);
    rn_free(archive->member);
}

/* ----------------------------------------------------------------- finding */

/* Whether a name sorts before that of `length` bytes, or before what lies
 * below the folder of that name. */
static bool is_before(const char *name, const char *other, size_t length,
                      bool below)
{
    int order = strncmp(name, other, length);

    if (order == 0 && below)
        return (unsigned char)name[length] < '/';
    return order < 0;
}

static size_t find_place(const struct rn_archive *archive, const char *name,
                         bool below)
{
    size_t low = 0, high = archive->count, length = strlen(name);

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (is_before(archive->member[middle].name, name, length, below))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t rn_archive_below(const struct rn_archive *archive, const char *folder)
{
    return *folder ? find_place(archive, folder, true) : 0;
}

const struct rn_member *rn_archive_find(const struct rn_archive *archive,
                                        const char *name)
{
    size_t i = find_place(archive, name, false);

    return i < archive->count && strcmp(archive->member[i].name, name) == 0
               ? &archive->member[i]
               : NULL;
}

int rn_archive_enter(struct rn_archive *archive, const char *folder,
                     struct rn_error *err)
{
    char *start = rn_path_join(folder, "");
    size_t length = strlen(folder) + 1, kept = 0;

    if (!start)
        return rn_fail_memory(err, length, "a file name");
    for (size_t i = 0; i < archive->count; i++) {
        struct rn_member *m = &archive->member[i];

        if (strncmp(m->name, start, length) != 0) {
            free_member(m);
            continue;
        }
        memmove(m->name, m->name + length, strlen(m->name + length) + 1);
        archive->member[kept++] = *m;
    }
    archive->count = kept;
    rn_free(start);
    return RN_OK;
}
