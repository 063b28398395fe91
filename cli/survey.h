/* SPDX-License-Identifier: BSD-2-Clause */
/* 'resnet bench --survey': several networks measured at several batch sizes,
 * and a report on them. */
#ifndef RN_CLI_SURVEY_H
#define RN_CLI_SURVEY_H

#include "cli.h"

/** What the command line says; all is borrowed. */
struct survey_args {
    char *const *operand; /* NET, MODEL, or either with =ACCURACY */
    int count;
    const char *folder;  /* made for the report */
    const char *data;    /* to measure models' accuracy on; or NULL */
    const char *batches; /* "1,2,4" */
    const struct rn_net_options *net;
    int net_given; /* whether any of these was */
    const struct import_args *import;
    struct rn_bench_options bench;
    int json;
};

/** Measure, print, report; the exit status. What fails is said, and the others
 *  are measured all the same. */
int survey_run(const struct survey_args *args);

#endif
