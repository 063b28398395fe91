/* SPDX-License-Identifier: BSD-2-Clause */
/* Error messages: filling struct rn_error. */
#ifndef RN_CORE_ERROR_H
#define RN_CORE_ERROR_H

#include "resnet.h"

/** Fill err (may be NULL) and return code, so that a check reads
 *  `return rn_fail(err, RN_ERR_DATA, "'%s': ...", path);` */
__attribute__((format(printf, 3, 4))) int
rn_fail(struct rn_error *err, int code, const char *format, ...);

/** rn_fail() for an allocation of so many bytes that failed. */
int rn_fail_memory(struct rn_error *err, size_t bytes, const char *what);

/** rn_fail(RN_ERR_IO) as "cannot VERB 'PATH': strerror(errno)". */
int rn_fail_errno(struct rn_error *err, const char *verb, const char *path);

#endif
