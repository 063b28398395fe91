/* SPDX-License-Identifier: BSD-2-Clause */
/* How training changes images: options of train and data. */
#ifndef RN_CLI_AUGMENT_H
#define RN_CLI_AUGMENT_H

#include "options.h"
#include "resnet.h"

/** Of struct rn_train_options. */
enum { AUGMENT_OPTIONS = 7 };
extern const struct option augment_table[AUGMENT_OPTIONS];

#endif
