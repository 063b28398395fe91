/* SPDX-License-Identifier: BSD-2-Clause */
/* Models from files, and what is to be said of those of others. */
#ifndef RN_CLI_IMPORT_H
#define RN_CLI_IMPORT_H

#include "options.h"
#include "resnet.h"

/** What import_table sets. */
struct import_args {
    const char *net, *stride, *preprocess, *mean, *std, *interpolation, *labels;
    const char *weights, *mean_image, *head, *output;
    const char *config, *stem_pool, *activation, *channel_order;
    double eps;
    const char *holder, *map;
    char shortcut;
    int stem_stride;
    int crop[2];
    int resize;
    int quiet;     /* nothing is said; no option */
    int structure; /* weights may be missing, or no numbers */
    int skip_extra;
    int headless; /* the classifier may be missing; no option */
};

enum { IMPORT_OPTIONS = 23 };
/** --output is the last, for commands whose own --output is a file. */
extern const struct option import_table[IMPORT_OPTIONS];
/** Of these, the ones that say which tensors of a file are the network's. */
enum { NAMING_FIRST = 2, NAMING_OPTIONS = 3 };

/** Read a model; what was taken for granted is said on standard error. `args`
 *  may be NULL: nothing is said of it. */
int import_open(struct rn_model **out, const char *path,
                const struct import_args *args, struct rn_error *err);
/** The same of a model that is to see images: it must say how they are
 *  prepared. */
int import_prepared(struct rn_model **out, const char *path,
                    const struct import_args *args, struct rn_error *err);

#endif
