/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of a folder's pictures and their classes. */
#ifndef RN_DATA_SETS_LIST_H
#define RN_DATA_SETS_LIST_H

#include "data/data.h"

/** Whether a folder has a list of its pictures; RN_ERR_DATA: it has both. */
int rn_picture_list_has(const struct rn_data *data, const char *folder,
                        bool *has, struct rn_error *err);
/** A folder with RN_LABELS_FILE or RN_LABELS_TABLE, as a part of the data. With
 *  `base`, the folder that gave the data its classes, these are known; else the
 *  list gives them. */
int rn_picture_list_read(struct rn_data *data, const char *folder,
                         enum rn_part part, const char *base,
                         struct rn_error *err);

#endif
