/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the limits of control groups from their files, as both versions mount
 * them. */
#include "core/cgroup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CGROUP_PATH 2048
#define DECIMAL     10

/* Where version 2 is mounted: alone, or beside version 1. */
static const char *const v2_mounts[] = {"/sys/fs/cgroup",
                                        "/sys/fs/cgroup/unified", NULL};

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---------------------------------------------------------------- files */

static FILE *open_file(const char *folder, const char *name)
{
    char path[CGROUP_PATH + 64];

    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >=
        (int)sizeof(path))
        return NULL;
    return fopen(path, "re");
}

bool rn_cgroup_line(const char *folder, const char *name, char *line, int size)
{
    FILE *file = open_file(folder, name);
    bool ok;

    if (!file)
        return false;
    ok = fgets(line, size, file) != NULL;
    fclose(file);
    return ok;
}

static bool parse_number(const char *text, uint64_t *number)
{
    char *end;

    text += strspn(text, " ");
    errno = 0;
    *number = strtoull(text, &end, DECIMAL);
    return *text != '-' && end != text && errno == 0;
}

uint64_t rn_cgroup_number(const char *folder, const char *name)
{
    char line[64];
    uint64_t number;

    if (!rn_cgroup_line(folder, name, line, sizeof(line)) ||
        !parse_number(line, &number))
        return UINT64_MAX;
    return number;
}

uint64_t rn_cgroup_entry(const char *folder, const char *name, const char *key)
{
    FILE *file = open_file(folder, name);
    size_t length = strlen(key);
    uint64_t number, found = 0;
    char line[128];

    while (file && fgets(line, sizeof(line), file)) {
        if (strncmp(line, key, length) != 0 || line[length] != ' ')
            continue;
        if (parse_number(line + length, &number))
            found = number;
        break;
    }
    if (file)
        fclose(file);
    return found;
}

/* --------------------------------------------------------------- groups */

/* A group and all groups above it, up to the mount itself: inside a container
 * the group's path is often the host's, and only the mount is there. */
static uint64_t walk_up(const char *root, const char *mount, const char *group,
                        uint64_t (*read)(const char *folder))
{
    char path[CGROUP_PATH];
    int start = snprintf(path, sizeof(path), "%s%s", root, mount);
    uint64_t limit = UINT64_MAX;
    char *slash;

    if (start < 0 || start >= (int)sizeof(path))
        return limit;
    if (snprintf(path + start, sizeof(path) - (size_t)start, "%s", group) >=
        (int)sizeof(path) - start)
        path[start] = '\0';
    for (;;) {
        limit = least(limit, read(path));
        slash = strrchr(path + start, '/');
        if (!slash)
            return limit;
        *slash = '\0';
    }
}

static uint64_t walk_mounts(const char *root, const char *const *mounts,
                            const char *group,
                            uint64_t (*read)(const char *folder))
{
    uint64_t limit = UINT64_MAX;

    for (; *mounts; mounts++)
        limit = least(limit, walk_up(root, *mounts, group, read));
    return limit;
}

/* Whether a comma-separated list holds the controller itself: "cpu", not just
 * "cpuset". */
static bool lists(char *controllers, const char *controller)
{
    char *rest = NULL;

    for (char *word = strtok_r(controllers, ",", &rest); word;
         word = strtok_r(NULL, ",", &rest))
        if (strcmp(word, controller) == 0)
            return true;
    return false;
}

/* A line of /proc/self/cgroup: "0::/user.slice" is version 2's,
 * "4:cpu,cpuacct:/docker/1f" one of version 1's. */
static uint64_t line_limit(const char *root, const struct rn_cgroup_limit *l,
                           char *line)
{
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;

    if (!group)
        return UINT64_MAX;
    *controllers++ = '\0';
    *group++ = '\0';
    group[strcspn(group, "\n")] = '\0';
    if (*controllers == '\0')
        return walk_mounts(root, v2_mounts, group, l->v2);
    if (lists(controllers, l->controller))
        return walk_mounts(root, l->mounts, group, l->v1);
    return UINT64_MAX;
}

uint64_t rn_cgroup_least(const char *root, const struct rn_cgroup_limit *limit)
{
    char path[CGROUP_PATH], line[CGROUP_PATH];
    uint64_t allowed = UINT64_MAX;
    FILE *file;

    if (snprintf(path, sizeof(path), "%s/proc/self/cgroup", root) >=
        (int)sizeof(path))
        return allowed;
    file = fopen(path, "re");
    if (!file)
        return allowed;
    while (fgets(line, sizeof(line), file))
        allowed = least(allowed, line_limit(root, limit, line));
    fclose(file);
    return allowed;
}
