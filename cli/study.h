/* SPDX-License-Identifier: BSD-2-Clause */
/* A study as 'resnet study' sees it: its runs as command lines. */
#ifndef RN_CLI_STUDY_H
#define RN_CLI_STUDY_H

#include "resnet.h"

/** What stands about a run. */
enum run_is {
    RUN_MISSING, /* to be begun */
    RUN_STOPPED, /* to be gone on with */
    RUN_FINISHED,
    RUN_OTHER,  /* the folder holds a run of other options */
    RUN_BROKEN, /* the folder cannot be read; a message said why */
};

struct study_run {
    const char *name;
    char *folder;
    char **argv; /* of a new run, NULL at the end; texts are owned */
    int argc;
    char *recipe; /* text that options point into */
    struct rn_train_options options;
    enum run_is is;
    struct rn_run_state state;
};

/** Look at a run's folder. */
void study_look(struct study_run *run);

/** Print the runs with what they will need; the exit status. */
int study_list(struct study_run *runs, size_t count);

#endif
