/* SPDX-License-Identifier: BSD-2-Clause */
/* How much memory this process can still take: what the machine has free, less
 * what control groups leave of it. */
#include "core/available.h"

#include "core/cgroup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* "MemAvailable:   12345 kB" */
static uint64_t system_available(const char *root)
{
    uint64_t found = UINT64_MAX, kilobytes;
    char path[1024], line[128];
    FILE *file;

    if (snprintf(path, sizeof(path), "%s/proc/meminfo", root) >=
        (int)sizeof(path))
        return found;
    file = fopen(path, "re");
    while (file && found == UINT64_MAX && fgets(line, sizeof(line), file))
        if (sscanf(line, "MemAvailable: %" SCNu64, &kilobytes) == 1)
            found = kilobytes * 1024;
    if (file)
        fclose(file);
    return found;
}

/* What a group leaves. Cached files count as used, but give way. */
static uint64_t left(uint64_t limit, uint64_t used, uint64_t cached)
{
    if (limit == UINT64_MAX || used == UINT64_MAX)
        return UINT64_MAX;
    used -= least(used, cached);
    return used < limit ? limit - used : 0;
}

/* Beyond "high" the kernel slows a group down until it stands still. */
static uint64_t v2_left(const char *folder)
{
    uint64_t limit = least(rn_cgroup_number(folder, "memory.max"),
                           rn_cgroup_number(folder, "memory.high"));

    return left(limit, rn_cgroup_number(folder, "memory.current"),
                rn_cgroup_entry(folder, "memory.stat", "inactive_file") +
                    rn_cgroup_entry(folder, "memory.stat", "active_file"));
}

static uint64_t v1_left(const char *folder)
{
    return left(
        rn_cgroup_number(folder, "memory.limit_in_bytes"),
        rn_cgroup_number(folder, "memory.usage_in_bytes"),
        rn_cgroup_entry(folder, "memory.stat", "total_inactive_file") +
            rn_cgroup_entry(folder, "memory.stat", "total_active_file"));
}

uint64_t rn_memory_available(const char *root)
{
    static const char *const mounts[] = {"/sys/fs/cgroup/memory", NULL};
    static const struct rn_cgroup_limit limit = {"memory", mounts, v1_left,
                                                 v2_left};

    return least(system_available(root), rn_cgroup_least(root, &limit));
}
