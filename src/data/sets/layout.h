/* SPDX-License-Identifier: BSD-2-Clause */
/* Which folders of a data set of pictures are its parts. */
#ifndef RN_DATA_SETS_LAYOUT_H
#define RN_DATA_SETS_LAYOUT_H

#include "data/reader.h"

/** Folders of the parts that there are, by enum rn_part, or all in the training
 *  part's; or else one folder in which everything lies. */
struct rn_layout {
    char *folder[3];
    char *inner;
};

/** Find what lies in a folder, by the data's rule. What could be read in two
 *  ways is RN_ERR_DATA, with both and how to choose. */
int rn_layout_find(struct rn_layout *l, struct rn_data *data, const char *path,
                   struct rn_error *err);
void rn_layout_free(struct rn_layout *l);

/** The one folder of a part that holds its class folders, as in
 *  seg_train/seg_train/CLASS, in *inner, or NULL. */
int rn_layout_around(const struct rn_data *data, const char *folder,
                     char **inner, struct rn_error *err);
/** RN_ERR_DATA when all class folders of a part are called like parts. */
int rn_layout_check_classes(const struct rn_data *data, const char *folder,
                            char *const *names, struct rn_error *err);

#endif
