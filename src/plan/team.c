/* SPDX-License-Identifier: BSD-2-Clause */
/* OpenMP's threads as a plan wants them, and as its caller had them. */
#include "plan/team.h"

#include "core/memory.h"

#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* The last team of several that the thread has entered, and in which process:
 * OpenMP keeps these threads for it. Each thread has its own record. */
static _Thread_local struct {
    pid_t process;
    int threads;
} pool;

/* Whether a team of the process has its threads bound, as two would be bound to
 * the same processors. The team that sets it clears it. */
static atomic_flag binding = ATOMIC_FLAG_INIT;

int rn_team_create(struct rn_team *team, int threads, bool bind,
                   struct rn_error *err)
{
    *team = (struct rn_team){.threads = threads, .bind = bind, .granted = 1};
    team->members = rn_alloc((size_t)threads, sizeof(*team->members));
    return team->members
               ? RN_OK
               : rn_fail_memory(err, (size_t)threads * sizeof(*team->members),
                                "the table of threads");
}

void rn_team_destroy(struct rn_team *team)
{
    rn_free(team->members);
    team->members = NULL;
}

/* ------------------------------------------------------- how many there are */

/* The threads that OpenMP has kept for the calling one are not there after
 * fork(), which OpenMP does not know: libgomp would wait for them for ever. */
static bool is_forked(void)
{
    return pool.threads > 1 && pool.process != getpid();
}

int rn_team_size(int threads)
{
    int limit = omp_get_thread_limit();

    if (is_forked() || omp_get_active_level() >= omp_get_max_active_levels())
        return 1;
    return threads < limit ? threads : limit;
}

/* Waits until all have been started. */
static void *wait_at(void *gate)
{
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

/* Whether the system starts so many threads beside the calling one. libgomp
 * prints a line and ends the process when it does not, so it is tried before.
 */
static int try_to_start(int count, struct rn_error *err)
{
    pthread_t threads[RN_THREADS_MAX];
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    int started = 0, code = 0;

    pthread_mutex_lock(&gate);
    while (!code && started < count) {
        code = rn_thread_start(&threads[started], wait_at, &gate);
        started += !code;
    }
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&gate);
    return code ? rn_fail_threads(err, count, started, code) : RN_OK;
}

/* OpenMP keeps no threads for a region within another one. */
static int check_pool(int threads, struct rn_error *err)
{
    bool kept = threads <= pool.threads && !omp_in_parallel();

    return threads == 1 || kept ? RN_OK : try_to_start(threads - 1, err);
}

/* ------------------------------------------------------------ how they are */

/* Threads wait for each other by spinning. With another program running, the
 * system may put two of a full team on one processor, and each then spins
 * away the time slice that the other needs: ten times slower. */
static bool may_bind(struct rn_team *team)
{
    if (!team->bind || team->granted < 2 || omp_in_parallel() ||
        omp_get_proc_bind() != omp_proc_bind_false)
        return false;
    rn_affinity_get(&team->affinity);
    return team->granted == team->affinity.count &&
           !atomic_flag_test_and_set(&binding);
}

/* The calling thread, as number i of the team; what it was before. */
static struct rn_member join(const struct rn_team *team, int i)
{
    struct rn_member before = {.mode = rn_float_mode_set()};

    if (team->bound) {
        rn_affinity_get(&before.affinity);
        rn_affinity_set_one(&team->affinity, i);
    }
    return before;
}

static void part(const struct rn_team *team, int i)
{
    if (team->bound)
        rn_affinity_set(&team->members[i].affinity);
    rn_float_mode_restore(team->members[i].mode);
}

static void keep_settings(struct rn_team *team)
{
    team->before = omp_get_max_threads();
    team->dynamic = omp_get_dynamic();
    team->levels = omp_get_max_active_levels();
}

static void restore_settings(const struct rn_team *team)
{
    omp_set_num_threads(team->before);
    omp_set_dynamic(team->dynamic);
    omp_set_max_active_levels(team->levels);
}

static void set_settings(const struct rn_team *team)
{
    omp_set_num_threads(team->granted);
    omp_set_dynamic(0);
    if (is_forked())
        omp_set_max_active_levels(0); /* whatever asks for more gets one */
}

int rn_team_enter(struct rn_team *team, struct rn_error *err)
{
    int rc;

    team->granted = rn_team_size(team->threads);
    rc = check_pool(team->granted, err);
    if (rc)
        return rc;
    keep_settings(team);
    team->bound = may_bind(team);
    set_settings(team);
    /* Threads that the region starts begin as the calling one is: it is bound
     * within, when they are there. */
    int granted = 1;
#pragma omp parallel num_threads(team->granted)
    {
        int i = omp_get_thread_num();

        team->members[i] = join(team, i);
        if (i == 0)
            granted = omp_get_num_threads();
    }
    /* clang's run time ends a region with the mode that it began with. */
    (void)rn_float_mode_set();
    team->granted = granted;
    omp_set_num_threads(granted);
    if (granted > 1 && !omp_in_parallel()) {
        pool.process = getpid();
        pool.threads = granted;
    }
    return RN_OK;
}

void rn_team_leave(struct rn_team *team)
{
#pragma omp parallel num_threads(team->granted)
    part(team, omp_get_thread_num());
    rn_float_mode_restore(team->members[0].mode); /* as above */
    restore_settings(team);
    if (team->bound)
        atomic_flag_clear(&binding);
}

void rn_team_pretend(struct rn_team *team)
{
    team->granted = team->threads;
    keep_settings(team);
    omp_set_num_threads(team->granted);
    omp_set_dynamic(0);
}

void rn_team_pretend_no_more(const struct rn_team *team)
{
    restore_settings(team);
}

void rn_team_pause(const struct rn_team *team)
{
    part(team, 0);
    restore_settings(team);
}

void rn_team_resume(const struct rn_team *team)
{
    set_settings(team);
    (void)join(team, 0);
}
