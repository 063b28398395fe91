/* SPDX-License-Identifier: BSD-2-Clause */
/* Archives that stand for the folders of a data set of pictures. */
#ifndef RN_DATA_SETS_MOUNT_H
#define RN_DATA_SETS_MOUNT_H

#include "data/data.h"

/** Have an archive stand for a folder of its name, ending and all: the whole
 *  data set. A folder that all in it lies in is gone into. */
int rn_picture_mount_whole(struct rn_data *data, const char *path,
                           struct rn_error *err);
/** The archive of a folder's name and an ending, in *file, or NULL. */
int rn_picture_find_archive(const struct rn_data *data, const char *folder,
                            char **file, struct rn_error *err);
/** Where there is no such folder, have that archive, if there is one, stand in
 *  for it. */
int rn_picture_mount(struct rn_data *data, const char *folder,
                     struct rn_error *err);

#endif
