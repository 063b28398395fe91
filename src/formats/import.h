/* SPDX-License-Identifier: BSD-2-Clause */
/* What the caller says of a model that is read, and what is told him: imports
 * of all formats share it. */
#ifndef RN_FORMATS_IMPORT_H
#define RN_FORMATS_IMPORT_H

#include "model/model.h"

/** A line of text for the caller, if it wants any. */
__attribute__((format(printf, 2, 3))) void
rn_import_say(const struct rn_import_options *options, const char *format, ...);

/** RN_ERR_ARG or RN_ERR_DATA when the caller says other things of a model
 *  than its file does. */
int rn_import_check(const struct rn_model *model,
                    const struct rn_import_options *options,
                    struct rn_error *err);

/** Leave out the auxiliary heads of a file, unless the caller keeps them. */
int rn_import_aux(struct rn_model *model,
                  const struct rn_import_options *options,
                  struct rn_error *err);

/** Give a model a preset's preprocessing unless the caller says one; tells
 *  `why` ("as is usual with these names"). Without a preset, or when it does
 *  not fit, tells that there is none. */
int rn_import_preset(struct rn_model *model,
                     const struct rn_import_options *options,
                     const char *preset, const char *why, struct rn_error *err);

/** All that the caller says beside the tensors: preprocessing, head, order of
 *  channels, class names. */
int rn_import_apply(struct rn_model *model,
                    const struct rn_import_options *options,
                    struct rn_error *err);
/** Whether the caller says that bottlenecks stride in their first 1x1. */
bool rn_import_wants_v1(const struct rn_import_options *options);
/** Whether the caller names a file that describes the network. */
bool rn_import_has_config(const struct rn_import_options *options);

#endif
