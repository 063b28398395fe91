/* SPDX-License-Identifier: BSD-2-Clause */
/* Joins and leaves ranks; sees to it that one of them speaks. */
#include "ranks.h"

#include "cli.h"
#include "output.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Seconds beside --timeout, for an exchange within it to name its ranks. */
#define GRACE 5

/* What is said where an MPI waits for ever. */
static char late[120];

static void give_up(int number)
{
    ssize_t said = write(STDERR_FILENO, late, strlen(late));

    (void)number;
    (void)said;
    _exit(EXIT_FAILED);
}

/* To begin, an MPI waits for all ranks, and cannot be told for how long. Rank 0
 * says so, or the next one, since it may be missing. It waits to end, too; but
 * then rank 0 may still write a report, which takes as long as it takes. */
static void limit_begin(unsigned seconds)
{
    int rank, count = rn_ranks_launched(&rank, NULL);

    if (count == 1)
        return;
    if (rank < 2)
        snprintf(late, sizeof(late),
                 "resnet: rank %d: not all %d ranks have come for %u s\n", rank,
                 count, seconds);
    signal(SIGALRM, give_up);
    alarm(seconds);
}

static void limit_end(void)
{
    alarm(0);
}

/* Results of the others are the same. */
void ranks_hush(void)
{
    int rank;

    if (rn_ranks_launched(&rank, NULL) == 1 || rank == 0)
        return;
    output_hush(1);
    if (!freopen("/dev/null", "w", stdout))
        fclose(stdout);
}

int ranks_refuse(const char *command)
{
    int count = rn_ranks_launched(NULL, NULL);

    if (count == 1)
        return 0;
    say_error(
        "'resnet %s' has no form for %d ranks: start it without the "
        "launcher; 'resnet train', 'resnet eval', 'resnet study' and 'resnet "
        "bench' have one",
        command, count);
    return 1;
}

/* One command would take the other's messages for its own. */
static int meet(struct rn_ranks *ranks, const char *command)
{
    struct rn_error err = {0};
    char work[64];
    int rc;

    snprintf(work, sizeof(work), "'resnet %s'", command);
    rc = rn_ranks_meet(ranks, work, &err);
    if (!rc)
        return 0;
    ranks_choose(ranks, rc);
    rc = cli_fail(&err);
    ranks_leave(ranks);
    return rc;
}

int ranks_join(struct rn_ranks **ranks, const char *command,
               const struct ranks_args *args)
{
    struct rn_error err = {0};
    int local, rc;

    limit_begin((unsigned)(args->timeout > 0 ? args->timeout : RN_TIMEOUT) +
                GRACE);
    rc = rn_ranks_join(ranks, args->timeout, &err);
    limit_end();
    if (!rc) {
        if (args->allow_mixed)
            rn_ranks_allow_mixed(*ranks);
        return meet(*ranks, command);
    }
    /* A plugin may be missing on one host alone. */
    rn_ranks_launched(NULL, &local);
    output_hush(local != 0);
    return cli_fail(&err);
}

int ranks_told(struct rn_ranks *ranks, int value)
{
    struct rn_error err = {0};
    int rc = rn_ranks_tell(ranks, &value, sizeof(value), &err);

    ranks_choose(ranks, rc);
    if (rc)
        cli_fail(&err);
    return rc ? -1 : value;
}

void ranks_linger(int status)
{
    const struct timespec pause = {.tv_nsec = 300000000};

    if (status != EXIT_DONE && rn_ranks_launched(NULL, NULL) > 1 &&
        output_hushed())
        nanosleep(&pause, NULL);
}

void ranks_choose(const struct rn_ranks *ranks, int rc)
{
    if (rc == RN_ERR_RANK)
        output_hush(!rn_ranks_speaks(ranks));
}

/* A launcher may end the others as soon as one has ended with a status. */
void ranks_leave(struct rn_ranks *ranks)
{
    fflush(stdout);
    rn_ranks_leave(ranks);
}

void ranks_say(const char *text)
{
    output_hush(0);
    say("%s", text);
    output_hush(1);
}
