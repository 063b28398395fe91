/* SPDX-License-Identifier: BSD-2-Clause */
/* How the folders of parts are called: train, val, test and the like. */
#ifndef RN_DATA_SETS_PART_NAMES_H
#define RN_DATA_SETS_PART_NAMES_H

#include "data/data.h"

#define RN_NO_PART (-1)

struct rn_part_name {
    const char *name;
    enum rn_part part;
};

/** Those of the first rule, in the order in which they were looked for; then a
 *  name that is NULL. */
extern const struct rn_part_name rn_first_names[];

/** The part that a folder's name stands for since the second rule, or
 *  RN_NO_PART. */
int rn_part_of(const char *name);
/** Whether a folder of that name is a part by the data's rule. */
bool rn_part_named(const struct rn_data *data, const char *name);

#endif
