/* SPDX-License-Identifier: BSD-2-Clause */
/* Structs of the caller that may be older or newer than the library's: options,
 * which say their size themselves, and what the library fills, whose size comes
 * beside it. resnet.h tells the rules. */
#ifndef RN_CORE_SIZED_H
#define RN_CORE_SIZED_H

#include "core/error.h"

/** Options of the caller, or NULL, as this library knows them: what the
 *  caller's struct does not have, or leaves zero, is zero. `name` is the
 *  struct's, for messages. */
#define RN_TAKE(own, given, name, err) \
    rn_sized_take(own, sizeof(*(own)), sizeof(*(own)), given, name, err)

/** The same by hand: `first` is the size of the struct in the first version of
 *  this soname, which size 0 stands for. RN_TAKE() is for structs that have not
 *  grown since.
 *  @return RN_ERR_ARG for a size that no version has, and for one that is newer
 *          and sets what this library does not know. */
int rn_sized_take(void *own, size_t known, size_t first, const void *given,
                  const char *name, struct rn_error *err);

/** Hand `own` to a caller whose struct has `size` bytes: no more are written,
 *  and what this library does not know is zero. NULL: he wants none. */
#define RN_GIVE(given, size, own) \
    rn_sized_give(given, size, own, sizeof(*(own)))
void rn_sized_give(void *given, size_t size, const void *own, size_t known);

/** Defaults likewise; `own.size` becomes the caller's. */
#define RN_GIVE_DEFAULTS(given, size, own) \
    rn_sized_defaults(given, size, own, sizeof(*(own)))
void rn_sized_defaults(void *given, size_t size, const void *own, size_t known);

#endif
