/* SPDX-License-Identifier: BSD-2-Clause */
/* OpenMP's threads as a plan wants them, and as its caller had them. */
#include "plan/team.h"

#include <omp.h>

/* Threads wait for each other by spinning. With another program running, the
 * system may put two of a full team on one processor, and each then spins
 * away the time slice that the other needs: ten times slower. */
static bool binds(struct rn_team *team, int threads)
{
    rn_affinity_get(&team->affinity);
    return threads > 1 && threads == team->affinity.count &&
           omp_get_proc_bind() == omp_proc_bind_false && !omp_in_parallel();
}

int rn_team_enter(struct rn_team *team, int threads)
{
    int granted = 1;

    team->threads = omp_get_max_threads();
    team->dynamic = omp_get_dynamic();
    team->mode = rn_denormals_flush();
    team->bound = binds(team, threads);
    omp_set_dynamic(0);
    omp_set_num_threads(threads);
#pragma omp parallel num_threads(threads)
    {
        rn_denormals_flush();
        if (team->bound)
            rn_affinity_set_one(&team->affinity, omp_get_thread_num());
#pragma omp single
        granted = omp_get_num_threads();
    }
    omp_set_num_threads(granted);
    return granted;
}

void rn_team_leave(const struct rn_team *team)
{
#pragma omp parallel
    {
        rn_denormals_restore(team->mode);
        if (team->bound)
            rn_affinity_set(&team->affinity);
    }
    omp_set_num_threads(team->threads);
    omp_set_dynamic(team->dynamic);
}
