/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/threads.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#define NO_LIMIT    INT_MAX
#define MOST_CPUS   (1 << 16)
#define CGROUP_PATH 2048

/* Where the CPU controllers are mounted, version 2 first. */
static const char *const v2_mounts[] = {"/sys/fs/cgroup",
                                        "/sys/fs/cgroup/unified", NULL};
static const char *const v1_mounts[] = {"/sys/fs/cgroup/cpu",
                                        "/sys/fs/cgroup/cpu,cpuacct", NULL};

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Processors this process may run on. */
static int affinity_limit(void)
{
    long online;

    for (int cpus = CPU_SETSIZE; cpus <= MOST_CPUS; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        size_t size = CPU_ALLOC_SIZE((size_t)cpus);
        int count = 0;

        if (!set)
            break;
        /* Fails while the set is smaller than the kernel's. */
        if (sched_getaffinity(0, size, set) == 0)
            count = CPU_COUNT_S(size, set);
        CPU_FREE(set);
        if (count > 0)
            return count;
    }
    online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

/* A positive number at the start of an environment variable: the first of
 * "4,2,1", OpenMP's list of one per level of nesting. */
static int env_limit(const char *name)
{
    const char *text = getenv(name);
    char *end;
    long n;

    if (!text)
        return NO_LIMIT;
    n = strtol(text, &end, 10);
    if (end == text || n < 1 || n > INT_MAX)
        return NO_LIMIT;
    return (int)n;
}

/* Microseconds of computing per period, as whole processors, rounded up. */
static int quota_cpus(long long quota, long long period)
{
    long long cpus;

    if (quota <= 0 || period <= 0)
        return NO_LIMIT;
    cpus = quota / period + (quota % period != 0);
    return cpus < NO_LIMIT ? (int)cpus : NO_LIMIT;
}

/* First line of FOLDER/NAME; false when there is none. */
static bool first_line(const char *folder, const char *name, char *line,
                       int size)
{
    char path[CGROUP_PATH + 64];
    FILE *f;
    bool ok;

    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return false;
    f = fopen(path, "re");
    if (!f)
        return false;
    ok = fgets(line, size, f) != NULL;
    fclose(f);
    return ok;
}

/* "max 100000" or "150000 100000". */
static int v2_quota(const char *folder)
{
    long long quota, period;
    char line[128];

    if (!first_line(folder, "cpu.max", line, sizeof line) ||
        sscanf(line, "%lld %lld", &quota, &period) != 2)
        return NO_LIMIT;
    return quota_cpus(quota, period);
}

/* Two files; the quota is -1 where there is none. */
static int v1_quota(const char *folder)
{
    char quota[64], period[64];

    if (!first_line(folder, "cpu.cfs_quota_us", quota, sizeof quota) ||
        !first_line(folder, "cpu.cfs_period_us", period, sizeof period))
        return NO_LIMIT;
    return quota_cpus(atoll(quota), atoll(period));
}

/* Least quota of a group and all groups above it, up to the mount itself:
 * inside a container the group's path is often the host's, and only the
 * mount is there. */
static int walk_up(const char *root, const char *mount, const char *group,
                   int (*quota)(const char *folder))
{
    char path[CGROUP_PATH];
    int start = snprintf(path, sizeof path, "%s%s", root, mount);
    int limit = NO_LIMIT;
    char *slash;

    if (start < 0 || start >= (int)sizeof path)
        return NO_LIMIT;
    if (snprintf(path + start, sizeof path - (size_t)start, "%s", group) >=
        (int)sizeof path - start)
        path[start] = '\0';
    for (;;) {
        limit = least(limit, quota(path));
        slash = strrchr(path + start, '/');
        if (!slash)
            return limit;
        *slash = '\0';
    }
}

static int walk_mounts(const char *root, const char *const *mounts,
                       const char *group, int (*quota)(const char *folder))
{
    int limit = NO_LIMIT;

    for (; *mounts; mounts++)
        limit = least(limit, walk_up(root, *mounts, group, quota));
    return limit;
}

/* Whether a comma-separated list holds "cpu" itself, not just "cpuset". */
static bool lists_cpu(char *controllers)
{
    char *rest = NULL;

    for (char *word = strtok_r(controllers, ",", &rest); word;
         word = strtok_r(NULL, ",", &rest))
        if (strcmp(word, "cpu") == 0)
            return true;
    return false;
}

/* A line of /proc/self/cgroup: "0::/user.slice" is version 2's,
 * "4:cpu,cpuacct:/docker/1f" one of version 1's. */
static int line_quota(const char *root, char *line)
{
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;

    if (!group)
        return NO_LIMIT;
    *controllers++ = '\0';
    *group++ = '\0';
    group[strcspn(group, "\n")] = '\0';
    if (*controllers == '\0')
        return walk_mounts(root, v2_mounts, group, v2_quota);
    if (lists_cpu(controllers))
        return walk_mounts(root, v1_mounts, group, v1_quota);
    return NO_LIMIT;
}

static int cgroup_limit(const char *root)
{
    char path[CGROUP_PATH], line[CGROUP_PATH];
    int limit = NO_LIMIT;
    FILE *f;

    if (snprintf(path, sizeof path, "%s/proc/self/cgroup", root) >=
        (int)sizeof path)
        return NO_LIMIT;
    f = fopen(path, "re");
    if (!f)
        return NO_LIMIT;
    while (fgets(line, sizeof line, f))
        limit = least(limit, line_quota(root, line));
    fclose(f);
    return limit;
}

int rn_processors(const char *root)
{
    return least(affinity_limit(), cgroup_limit(root ? root : ""));
}

int rn_threads_default(const char *root, char *by, size_t size)
{
    const struct {
        const char *name;
        int threads;
    } limits[] = {
        {"affinity", affinity_limit()},
        {"cgroup quota", cgroup_limit(root ? root : "")},
        {"OMP_NUM_THREADS", env_limit("OMP_NUM_THREADS")},
        {"OMP_THREAD_LIMIT", env_limit("OMP_THREAD_LIMIT")},
        {"SLURM_CPUS_PER_TASK", env_limit("SLURM_CPUS_PER_TASK")},
    };
    size_t best = 0;

    for (size_t i = 1; i < sizeof limits / sizeof *limits; i++)
        if (limits[i].threads < limits[best].threads)
            best = i;
    if (by && size > 0)
        snprintf(by, size, "%s", limits[best].name);
    return limits[best].threads;
}

#ifdef __SSE__
/* Flush results to zero, take denormal operands as zero. */
#define MXCSR_FTZ_DAZ 0x8040u

unsigned rn_denormals_flush(void)
{
    unsigned mode = _mm_getcsr();

    _mm_setcsr(mode | MXCSR_FTZ_DAZ);
    return mode;
}

void rn_denormals_restore(unsigned mode)
{
    _mm_setcsr(mode);
}
#else
unsigned rn_denormals_flush(void)
{
    return 0;
}

void rn_denormals_restore(unsigned mode)
{
    (void)mode;
}
#endif

/* ------------------------------------------------------------- affinity */

enum { WORD_BITS = 64 };

void rn_affinity_get(struct rn_affinity *affinity)
{
    cpu_set_t set;

    memset(affinity, 0, sizeof *affinity);
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set))
        return;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set))
            affinity->mask[cpu / WORD_BITS] |= UINT64_C(1) << cpu % WORD_BITS;
    affinity->count = CPU_COUNT(&set);
}

/** From the first-th processor on, `count` of them. */
static void bind(const struct rn_affinity *affinity, int first, int count)
{
    cpu_set_t set;
    int i = 0;

    CPU_ZERO(&set);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!(affinity->mask[cpu / WORD_BITS] >> cpu % WORD_BITS & 1))
            continue;
        if (i >= first && i < first + count)
            CPU_SET(cpu, &set);
        i++;
    }
    /* Where it is refused, the thread runs wherever it ran before. */
    (void)sched_setaffinity(0, sizeof set, &set);
}

void rn_affinity_set(const struct rn_affinity *affinity)
{
    bind(affinity, 0, affinity->count);
}

void rn_affinity_set_one(const struct rn_affinity *affinity, int i)
{
    bind(affinity, i, 1);
}

double rn_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
