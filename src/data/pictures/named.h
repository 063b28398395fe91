/* SPDX-License-Identifier: BSD-2-Clause */
/* How names of pictures end. */
#ifndef RN_DATA_PICTURES_NAMED_H
#define RN_DATA_PICTURES_NAMED_H

#include <stdbool.h>

/** Whether a name ends as those of pictures do (.jpg, .PNG, …). */
bool rn_picture_named(const char *name);
/** Whether it ends as those of pictures whose format is not read (.dng). */
bool rn_picture_of_others(const char *name);

#endif
