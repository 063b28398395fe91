/* SPDX-License-Identifier: BSD-2-Clause */
/* Models from files, and what is to be said of those of others. */
#ifndef RN_CLI_IMPORT_H
#define RN_CLI_IMPORT_H

#include "options.h"
#include "resnet.h"

/** What IMPORT_GROUPS sets. */
struct import_args {
    struct rn_import_options o; /* first: import_table's rows count from it */
    const char *mean, *std;
    int quiet; /* nothing is said; no option */
};

enum { IMPORT_OPTIONS = 3 };
extern const struct rn_option import_table[IMPORT_OPTIONS];

#define IMPORT_TITLE "models of others"

/** Options of models of others, for a command that has its import_args at
 *  `at`; fields `without` beside height, which is --crop ("|output"). */
#define IMPORT_GROUPS(at, without_)                                           \
    {IMPORT_TITLE, .library = rn_import_option, .without = "height" without_, \
     .base = (at)},                                                           \
    {                                                                         \
        IMPORT_TITLE, import_table, IMPORT_OPTIONS, .base = (at)              \
    }
/** Only those that say which tensors of a file are the network's. */
#define NAMING_GROUP(at)                                             \
    {                                                                \
        IMPORT_TITLE, .library = rn_import_option, .only = "naming", \
                      .base = (at)                                   \
    }

/** Read a model; what was taken for granted is said on standard error. `args`
 *  may be NULL: nothing is said of it. */
int import_open(struct rn_model **out, const char *path,
                const struct import_args *args, struct rn_error *err);
/** The same of a model that is to see images: it must say how they are
 *  prepared. */
int import_prepared(struct rn_model **out, const char *path,
                    const struct import_args *args, struct rn_error *err);

#endif
