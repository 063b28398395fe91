/* SPDX-License-Identifier: BSD-2-Clause */
/* The threads that run a plan. */
#ifndef RN_PLAN_TEAM_H
#define RN_PLAN_TEAM_H

#include "core/error.h"
#include "core/threads.h"

#include <stdbool.h>

/** What a thread was before it joined. */
struct rn_member {
    unsigned mode;
    struct rn_affinity affinity;
};

/** A plan's threads: OpenMP's, and so oneDNN's, of whichever thread calls. */
struct rn_team {
    int threads; /* that the plan was made for */
    bool bind;   /* each to a processor of its own, where there are as many */
    struct rn_member *members; /* [threads] */

    /* While it is entered: */
    int granted; /* rn_team_size() */
    bool bound;
    struct rn_affinity affinity; /* the calling thread's, when bound */
    int before, dynamic, levels; /* OpenMP's settings of the calling thread */
};

/** How many of so many threads OpenMP grants the calling one: fewer under
 *  OMP_THREAD_LIMIT, inside a caller's own parallel region, and in the child of
 *  a fork() one alone. */
int rn_team_size(int threads);

/** For so many threads at most. */
int rn_team_create(struct rn_team *team, int threads, bool bind,
                   struct rn_error *err);
void rn_team_destroy(struct rn_team *team);

/** Have OpenMP use that many threads, or as many as it grants, in the mode that
 *  kernels expect (rn_float_mode_set()). RN_ERR_MEMORY when the system does
 * not start so many. */
int rn_team_enter(struct rn_team *team, struct rn_error *err);
/** All of them as they were, the calling thread and its settings too. */
void rn_team_leave(struct rn_team *team);

/** Tell OpenMP, and so oneDNN, of that many threads, but start none: for a plan
 *  that is not run. */
void rn_team_pretend(struct rn_team *team);
void rn_team_pretend_no_more(const struct rn_team *team);

/** The calling thread alone as it was, for a callback, and back. */
void rn_team_pause(const struct rn_team *team);
void rn_team_resume(const struct rn_team *team);

#endif
