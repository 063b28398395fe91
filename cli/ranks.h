/* SPDX-License-Identifier: BSD-2-Clause */
/* Ranks that a launcher (mpirun, srun) started. */
#ifndef RN_CLI_RANKS_H
#define RN_CLI_RANKS_H

#include "resnet.h"

/** What commands that several ranks can run are told of these. */
struct ranks_args {
    double timeout;
    int allow_mixed;
};

/** Its options; RN_TIMEOUT is the first one's default. */
#define RANKS_OPTIONS(at)                                                     \
    {"timeout",                                                               \
     .type = RN_OPTION_REAL,                                                  \
     .offset = (at) + offsetof(struct ranks_args, timeout),                   \
     .min = 1,                                                                \
     .max = RN_TIMEOUT_MOST,                                                  \
     .value = "SECONDS",                                                      \
     .unset = "600",                                                          \
     .help = "Under mpirun or srun: end when a rank has not answered for so " \
             "long"},                                                         \
    {                                                                         \
        "allow-mixed",                                                        \
            .type = RN_OPTION_FLAG,                                           \
            .offset = (at) + offsetof(struct ranks_args, allow_mixed),        \
            .help =                                                           \
                "Under mpirun or srun: let ranks differ in version, "         \
                "instruction set and oneDNN, on which the last bits depend"   \
    }

/** Have rank 0 speak alone. */
void ranks_hush(void);

/** Whether a launcher started several; says, if so, that the command has no
 *  form for them. */
int ranks_refuse(const char *command);

/** Meet the others, which run the same command: 0, or the exit status after a
 *  message. NULL is given for a process by itself. */
int ranks_join(struct rn_ranks **ranks, const char *command,
               const struct ranks_args *args);

/** Rank 0's value, on all of them; -1 after a message. */
int ranks_told(struct rn_ranks *ranks, int value);

/** Before the process ends with that status: a rank that is silent lets rank 0
 *  say why, for a launcher may end all as soon as one has failed. */
void ranks_linger(int status);

/** Who tells of `rc` now speaks. */
void ranks_choose(const struct rn_ranks *ranks, int rc);

/** Leave them, when all is said. */
void ranks_leave(struct rn_ranks *ranks);

/** Let a rank other than the first one say a line. */
void ranks_say(const char *text);

#endif
