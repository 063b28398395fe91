/* SPDX-License-Identifier: BSD-2-Clause */
/* What imports of all formats share. */
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

/** RN_ERR_ARG when the caller names a value as output, of a file that has one
 *  output. */
int rn_import_no_output(const char *path,
                        const struct rn_import_options *options,
                        struct rn_error *err);

/** Give a model a preset's preprocessing unless the caller says one; tells
 *  `why` ("as is usual with these names"). Without a preset, or when it does
 *  not fit, tells that there is none. */
int rn_import_preset(struct rn_model *model,
                     const struct rn_import_options *options,
                     const char *preset, const char *why, struct rn_error *err);

#endif
