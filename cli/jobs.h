/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs of a study as processes of this program, so that one that fails, or is
 * killed for its memory, takes no other along. */
#ifndef RN_CLI_JOBS_H
#define RN_CLI_JOBS_H

#include <sys/types.h>

struct job {
    pid_t process; /* 0: none */
    int lock;      /* the run folder's lock, also held by the process */
    size_t run;    /* the caller's number for it */
    off_t said;    /* bytes of its folder's output.txt that are not its own */
    double began;  /* seconds_now() */
};

/**
 * Lock the run folder (made, if need be), so that no other process of this or
 * another machine does the run: fcntl() locks, which go with their last holder
 * however it ends.
 *
 * @return a descriptor to be closed, -1 after a message, -2: another has it.
 */
int job_lock(const char *folder);

/** Whether anybody holds such a lock on an open file; only asks. */
int job_is_locked(int file);

/** Start argv as a process with its output in the folder's output.txt, holding
 *  the lock; it is sent SIGTERM when this process ends. 0, or -1 after a
 *  message. */
int job_start(struct job *job, int lock, const char *folder, char *const *argv);

/** Whether a job has ended; its exit status, 128 + the signal's number. */
int job_ended(struct job *job, int *status);

/** Ask it to save and end. */
void job_stop(const struct job *job);

/** Let what this process prints go into the folder's output.txt; job_restore()
 *  ends that. 0, or -1 after a message. */
int job_divert(const char *folder, int saved[2]);
void job_restore(const int saved[2]);

/** Bytes of the folder's output.txt. */
off_t job_said(const char *folder);

/** The last line of what it printed, in buf; or that there is none, and whether
 *  the disk is full. */
const char *job_last_line(const struct job *job, const char *folder, char *buf,
                          size_t size);

#endif
