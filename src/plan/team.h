/* SPDX-License-Identifier: BSD-2-Clause */
/* The threads that run a plan. */
#ifndef RN_PLAN_TEAM_H
#define RN_PLAN_TEAM_H

#include "core/threads.h"

#include <stdbool.h>

/** What a team of threads replaces. */
struct rn_team {
    int threads, dynamic;
    unsigned mode;
    struct rn_affinity affinity;
    bool bound;
};

/** Have OpenMP, and so oneDNN, use that many threads, denormals flushed, each
 *  on a processor of its own where there are as many. Returns how many it
 * grants: fewer under OMP_THREAD_LIMIT or inside a caller's own parallel
 * region. */
int rn_team_enter(struct rn_team *team, int threads);
void rn_team_leave(const struct rn_team *team);

#endif
