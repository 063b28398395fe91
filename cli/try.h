/* SPDX-License-Identifier: BSD-2-Clause */
/* eval --try: what no tensor tells of a model, found out with labelled
 * images. */
#ifndef RN_CLI_TRY_H
#define RN_CLI_TRY_H

#include "import.h"

/** Words of --try. */
#define TRY_WORDS \
    "shortcut, stride, preprocess, channels, stem, pools, activation"

struct try_args {
    const char *list; /* of such words, commas between them */
    const char *model, *data_spec, *part_name;
    const struct import_args *import; /* what is given, and stays */
    const struct rn_data *data;
    enum rn_part part;
    struct rn_eval_options *eval; /* images is set */
    int json;
};

/** Whether every word of the list is one; a message if not. */
int try_check(const char *list);

/** Evaluate the model under every combination that fits, and print them, the
 *  smallest error first. RN_ERR_ARG when they are too many or there is nothing
 *  to try. */
int try_run(const struct try_args *args, struct rn_error *err);

#endif
