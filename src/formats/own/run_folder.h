/* SPDX-License-Identifier: BSD-2-Clause */
/* A run folder in a model's place. */
#ifndef RN_FORMATS_OWN_RUN_FOLDER_H
#define RN_FORMATS_OWN_RUN_FOLDER_H

#include "resnet.h"

/** The model of a run: its best, else its last. *file is NULL when `path` is no
 *  folder; rn_free() releases it.
 *  @return RN_ERR_DATA for a folder without run or model. */
int rn_run_model(const char *path, char **file, struct rn_error *err);

#endif
