/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs of a study as processes. */
#include "jobs.h"

#include "output.h"
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOCK   "lock"
#define OUTPUT "output.txt"

static int open_in(const char *folder, const char *name, int flags)
{
    char path[4096];

    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >=
        (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, flags, 0666);
}

/* ------------------------------------------------------------------ locks */

/* train/log.c of the library locks a run's log in the same way. */
static const struct flock whole_file = {.l_type = F_WRLCK,
                                        .l_whence = SEEK_SET};

int job_lock(const char *folder)
{
    /* of the open file, not of the process: the run's process inherits it */
    struct flock whole = whole_file;
    int lock;

    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        say_error("cannot make folder '%s': %s", folder, strerror(errno));
        return -1;
    }
    lock = open_in(folder, LOCK, O_RDWR | O_CREAT | O_CLOEXEC);
    if (lock < 0) {
        say_error("cannot open '%s/" LOCK "': %s", folder, strerror(errno));
        return -1;
    }
    if (fcntl(lock, F_OFD_SETLK, &whole) == 0)
        return lock;
    if (errno == EAGAIN || errno == EACCES) {
        close(lock);
        return -2;
    }
    say_error("cannot lock '%s/" LOCK "': %s", folder, strerror(errno));
    close(lock);
    return -1;
}

int job_is_locked(int file)
{
    struct flock whole = whole_file;

    return fcntl(file, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
}

/* -------------------------------------------------------------- processes */

/* In the new process, which has a group of its own: what a terminal sends to
 * the study's is the study's to hand on. */
static void become(const char *folder, int lock, char *const *argv,
                   pid_t parent)
{
    int out = open_in(folder, OUTPUT, O_WRONLY | O_CREAT | O_APPEND);
    int none = open("/dev/null", O_RDONLY);

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(128 + SIGTERM);
    /* its own lock it keeps, other runs' it must not */
    if (out < 0 || none < 0 || dup2(none, 0) < 0 || dup2(out, 1) < 0 ||
        dup2(out, 2) < 0 || fcntl(lock, F_SETFD, 0) < 0)
        _exit(126);
    execv("/proc/self/exe", argv);
    _exit(127);
}

/* fork() with this process's handlers of signals left behind: one that comes
 * before the new process is another program would set a flag that nobody reads.
 */
static pid_t fork_plainly(void)
{
    sigset_t all, before;
    pid_t child;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    child = fork();
    if (child == 0)
        signal(SIGTERM, SIG_DFL); /* which job_stop() and the end of this
                                     process send */
    sigprocmask(SIG_SETMASK, &before, NULL);
    return child;
}

int job_start(struct job *job, int lock, const char *folder, char *const *argv)
{
    pid_t parent = getpid(), child;

    job->said = job_said(folder);
    child = fork_plainly();
    if (child == 0)
        become(folder, lock, argv, parent);
    if (child < 0) {
        say_error("cannot start a process: %s", strerror(errno));
        return -1;
    }
    job->process = child;
    job->lock = lock;
    job->began = seconds_now();
    return 0;
}

int job_ended(struct job *job, int *status)
{
    int how;

    if (waitpid(job->process, &how, WNOHANG) != job->process)
        return 0;
    *status = WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
    close(job->lock);
    job->process = 0;
    return 1;
}

void job_stop(const struct job *job)
{
    kill(job->process, SIGTERM);
}

/* ----------------------------------------------------------------- output */

int job_divert(const char *folder, int saved[2])
{
    int out = open_in(folder, OUTPUT, O_WRONLY | O_CREAT | O_APPEND);

    fflush(stdout);
    saved[0] = dup(1);
    saved[1] = dup(2);
    if (out >= 0 && saved[0] >= 0 && saved[1] >= 0 && dup2(out, 1) >= 0 &&
        dup2(out, 2) >= 0) {
        close(out);
        return 0;
    }
    if (saved[0] >= 0 && saved[1] >= 0)
        job_restore(saved);
    say_error("cannot write '%s/" OUTPUT "': %s", folder, strerror(errno));
    if (out >= 0)
        close(out);
    return -1;
}

void job_restore(const int saved[2])
{
    fflush(stdout);
    dup2(saved[0], 1);
    dup2(saved[1], 2);
    close(saved[0]);
    close(saved[1]);
}

off_t job_said(const char *folder)
{
    int file = open_in(folder, OUTPUT, O_RDONLY);
    off_t end = file < 0 ? 0 : lseek(file, 0, SEEK_END);

    if (file >= 0)
        close(file);
    return end > 0 ? end : 0;
}

/* Less than a message and the blocks it may need. */
static int is_full(const char *folder)
{
    struct statvfs s;

    return statvfs(folder, &s) == 0 && s.f_bavail < 2;
}

const char *job_last_line(const struct job *job, const char *folder, char *buf,
                          size_t size)
{
    int file = open_in(folder, OUTPUT, O_RDONLY);
    off_t end = job_said(folder);
    off_t from = end > (off_t)size - 1 ? end - (off_t)size + 1 : 0;
    ssize_t length;
    char *line;

    if (from < job->said)
        from = job->said;
    length = file < 0 ? 0 : pread(file, buf, size - 1, from);
    if (file >= 0)
        close(file);
    buf[length > 0 ? length : 0] = '\0';
    for (length = (ssize_t)strlen(buf); length > 0 && buf[length - 1] == '\n';)
        buf[--length] = '\0';
    if (!*buf)
        return is_full(folder) ? "its disk is full, and had no room for what it "
                                 "said"
                               : "it said nothing";
    line = strrchr(buf, '\n');
    return line ? line + 1 : buf;
}
