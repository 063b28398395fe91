/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds how many threads may compute, and sets their floating-point mode. */
#include "core/count.h"
#include "core/threads.h"

#include "core/cgroup.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#define NO_LIMIT  INT_MAX
#define MOST_CPUS (1 << 16)

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
static uint64_t quota_cpus(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return UINT64_MAX;
    return (uint64_t)(quota / period + (quota % period != 0));
}

/* "max 100000" or "150000 100000". */
static uint64_t v2_quota(const char *folder)
{
    long long quota, period;
    char line[128];

    if (!rn_cgroup_line(folder, "cpu.max", line, sizeof(line)) ||
        sscanf(line, "%lld %lld", &quota, &period) != 2)
        return UINT64_MAX;
    return quota_cpus(quota, period);
}

/* Two files; the quota is -1 where there is none. */
static uint64_t v1_quota(const char *folder)
{
    char quota[64], period[64];

    if (!rn_cgroup_line(folder, "cpu.cfs_quota_us", quota, sizeof(quota)) ||
        !rn_cgroup_line(folder, "cpu.cfs_period_us", period, sizeof(period)))
        return UINT64_MAX;
    return quota_cpus(atoll(quota), atoll(period));
}

/* Where version 1's controller is mounted. */
static const char *const v1_mounts[] = {"/sys/fs/cgroup/cpu",
                                        "/sys/fs/cgroup/cpu,cpuacct", NULL};

static int cgroup_limit(const char *root)
{
    static const struct rn_cgroup_limit limit = {"cpu", v1_mounts, v1_quota,
                                                 v2_quota};
    uint64_t cpus = rn_cgroup_least(root, &limit);

    return cpus < NO_LIMIT ? (int)cpus : NO_LIMIT;
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

    for (size_t i = 1; i < COUNT(limits); i++)
        if (limits[i].threads < limits[best].threads)
            best = i;
    if (by && size > 0)
        snprintf(by, size, "%s", limits[best].name);
    return limits[best].threads;
}

int rn_thread_start(pthread_t *thread, void *(*run)(void *), void *argument)
{
    sigset_t all, before;
    int code;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    code = pthread_create(thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

int rn_fail_threads(struct rn_error *err, int wanted, int started, int code)
{
    return rn_fail(err, RN_ERR_MEMORY,
                   "cannot start %d threads beside the caller's, only %d: %s "
                   "(limits: ulimit -u, the cgroup's pids.max)",
                   wanted, started, strerror(code));
}

#ifdef __SSE__
/* Flush results to zero, take denormal operands as zero; all exceptions masked,
 * none noted, to nearest. */
#define MXCSR_OURS  (0x8040u | MXCSR_PLAIN)
#define MXCSR_PLAIN 0x1f80u

unsigned rn_float_mode_set(void)
{
    unsigned mode = _mm_getcsr();

    _mm_setcsr(MXCSR_OURS);
    return mode;
}

unsigned rn_float_mode_plain(void)
{
    unsigned mode = _mm_getcsr();

    _mm_setcsr(MXCSR_PLAIN);
    return mode;
}

void rn_float_mode_restore(unsigned mode)
{
    _mm_setcsr(mode);
}
#else
unsigned rn_float_mode_set(void)
{
    return 0;
}

unsigned rn_float_mode_plain(void)
{
    return 0;
}

void rn_float_mode_restore(unsigned mode)
{
    (void)mode;
}
#endif

/* ------------------------------------------------------------- affinity */

enum { WORD_BITS = 64 };

void rn_affinity_get(struct rn_affinity *affinity)
{
    cpu_set_t set;

    memset(affinity, 0, sizeof(*affinity));
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set))
        return;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set))
            affinity->mask[cpu / WORD_BITS] |= UINT64_C(1) << cpu % WORD_BITS;
    affinity->count = CPU_COUNT(&set);
}

/* From the first-th processor on, `count` of them. */
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
    (void)sched_setaffinity(0, sizeof(set), &set);
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
