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

/** DATA, which is opened when the first run that was begun asks for it: its
 *  checksum reads CIFAR's files, or of pictures lists their names and sizes, as
 *  each run does when it begins. */
struct study_data {
    const char *path;
    struct rn_data_info info;
    int opened; /* 1; or -1, a message said why not */
};

/** DATA as it is read by a rule, rn_data_options.rule. 0, or the exit status
 *  after a message, which comes once. */
int study_open_data(struct study_data *data, int rule);

/** Look at a run's folder. */
void study_look(struct study_run *run, struct study_data *data);

/** Print the runs with what they will need; the exit status. */
int study_list(struct study_run *runs, size_t count, struct study_data *data);

#endif
