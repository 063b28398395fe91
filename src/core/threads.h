/* SPDX-License-Identifier: BSD-2-Clause */
/* How many threads, and their floating-point mode. */
#ifndef RN_CORE_THREADS_H
#define RN_CORE_THREADS_H

#include <stddef.h>
#include <stdint.h>

/** Least of affinity, cgroup quota (rounded up), OMP_NUM_THREADS and
 *  SLURM_CPUS_PER_TASK, at least 1. `by` names what set it. `root` is "" or
 *  a folder that stands in for "/" (tests). */
int rn_threads_default(const char *root, char *by, size_t size);

/** Processors that all threads of the process share: the least of affinity and
 *  cgroup quota. */
int rn_processors(const char *root);

/** The calling thread: flush denormals to zero; returns the mode before. */
unsigned rn_denormals_flush(void);
void rn_denormals_restore(unsigned mode);

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
