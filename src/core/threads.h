/* SPDX-License-Identifier: BSD-2-Clause */
/* How many threads, and their floating-point mode. */
#ifndef RN_CORE_THREADS_H
#define RN_CORE_THREADS_H

#include <stddef.h>

/** Least of affinity, cgroup quota (rounded up), OMP_NUM_THREADS and
 *  SLURM_CPUS_PER_TASK, at least 1. `by` names what set it. `root` is "" or
 *  a folder that stands in for "/" (tests). */
int rn_threads_default(const char *root, char *by, size_t size);

/** The calling thread: flush denormals to zero; returns the mode before. */
unsigned rn_denormals_flush(void);
void rn_denormals_restore(unsigned mode);

/** Seconds of a clock that only goes forward. */
double rn_now(void);

#endif
