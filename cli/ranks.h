/* SPDX-License-Identifier: BSD-2-Clause */
/* Ranks that a launcher (mpirun, srun) started. */
#ifndef RN_CLI_RANKS_H
#define RN_CLI_RANKS_H

#include "resnet.h"

/** The option of commands that several ranks can run; RN_TIMEOUT is its
 *  default. */
#define TIMEOUT_OPTION(at)                                                    \
    {                                                                         \
        "timeout",                                                            \
            .type = RN_OPTION_REAL, .offset = (at), .min = 1,                 \
            .max = RN_TIMEOUT_MOST, .value = "SECONDS", .unset = "600",       \
            .help = "Under mpirun or srun: end when a rank has not answered " \
                    "for so long"                                             \
    }

/** Have rank 0 speak alone. */
void ranks_hush(void);

/** Whether a launcher started several; says, if so, that the command has no
 *  form for them. */
int ranks_refuse(const char *command);

/** Meet the others: 0, or the exit status after a message. NULL is given for a
 *  process by itself. */
int ranks_join(struct rn_ranks **ranks, double timeout);

/** Leave them after `rc`. Who tells of it now speaks. */
void ranks_leave(struct rn_ranks *ranks, int rc);

/** Let a rank other than the first one say a line. */
void ranks_say(const char *text);

#endif
