/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/available.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* "MemAvailable:   12345 kB" */
static uint64_t system_available(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    uint64_t found = UINT64_MAX, kilobytes;
    char line[128];

    while (file && found == UINT64_MAX && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %" SCNu64, &kilobytes) == 1)
            found = kilobytes * 1024;
    if (file)
        fclose(file);
    return found;
}

/* A file of one number; UINT64_MAX for "max" and when there is none. */
static uint64_t read_number(const char *path)
{
    FILE *file = fopen(path, "re");
    uint64_t value = UINT64_MAX;

    if (file && fscanf(file, "%" SCNu64, &value) != 1)
        value = UINT64_MAX;
    if (file)
        fclose(file);
    return value;
}

/* As a container sees its own group: limit and use. */
static const char *const groups[][2] = {
    {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
    {"/sys/fs/cgroup/memory/memory.limit_in_bytes",
     "/sys/fs/cgroup/memory/memory.usage_in_bytes"},
};

static uint64_t group_available(void)
{
    uint64_t least = UINT64_MAX;

    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        uint64_t limit = read_number(groups[i][0]);
        uint64_t used = read_number(groups[i][1]);
        uint64_t left = used < limit ? limit - used : 0;

        if (limit != UINT64_MAX && used != UINT64_MAX && left < least)
            least = left;
    }
    return least;
}

uint64_t rn_memory_available(void)
{
    uint64_t all = system_available(), group = group_available();

    return group < all ? group : all;
}
