/* SPDX-License-Identifier: BSD-2-Clause */
/* How many threads, and their floating-point mode. */
#ifndef RN_CORE_THREADS_H
#define RN_CORE_THREADS_H

#include "core/error.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

/** Most threads that may be asked for. */
#define RN_THREADS_MAX 1024

/** pthread_create() of a thread that takes no signals: those are for the
 *  program's own. */
int rn_thread_start(pthread_t *thread, void *(*run)(void *), void *argument);
/** RN_ERR_MEMORY: so many threads cannot be started beside the caller's, but
 *  `started`; `code` is rn_thread_start()'s. */
int rn_fail_threads(struct rn_error *err, int wanted, int started, int code);

/** Least of affinity, cgroup quota (rounded up), OMP_NUM_THREADS and
 *  SLURM_CPUS_PER_TASK, at least 1. `by` names what set it. `root` is "" or
 *  a folder that stands in for "/" (tests). */
int rn_threads_default(const char *root, char *by, size_t size);

/** Processors that all threads of the process share: the least of affinity and
 *  cgroup quota. */
int rn_processors(const char *root);

/** Give the calling thread the library's floating-point mode, whatever the
 *  caller's was, or the team's threads would not have the same: denormals are
 *  flushed to zero, rounding is to nearest and nothing traps. Returns the mode
 *  before, for rn_float_mode_restore(). */
unsigned rn_float_mode_set(void);
/** The same with denormals kept: C's own mode, for what must have the same bits
 *  inside of a plan's run and outside. */
unsigned rn_float_mode_plain(void);
void rn_float_mode_restore(unsigned mode);

/** The processors a thread may run on. */
struct rn_affinity {
    uint64_t mask[16]; /* 1,024 processors */
    int count;         /* 0: not known, or more than the mask holds */
};

/** The calling thread's. */
void rn_affinity_get(struct rn_affinity *affinity);
/** The calling thread: all of them, or the i-th alone. */
void rn_affinity_set(const struct rn_affinity *affinity);
void rn_affinity_set_one(const struct rn_affinity *affinity, int i);

/** Seconds of a clock that only goes forward. */
double rn_now(void);

#endif
