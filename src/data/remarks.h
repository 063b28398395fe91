/* SPDX-License-Identifier: BSD-2-Clause */
/* What there is to say of a data set, or of pictures, though nothing is wrong:
 * each thing once. */
#ifndef RN_DATA_REMARKS_H
#define RN_DATA_REMARKS_H

#include "core/error.h"

#include <stddef.h>

/** What is said once, of the first file that it is true of. */
enum rn_remark {
    RN_REMARK_SEVERAL,  /* of several pictures in a file the first is taken */
    RN_REMARK_UNPACKED, /* archives, into a temporary file */
    RN_REMARK_OTHER,    /* pictures of formats that are not read */
    RN_REMARK_ARCHIVE,  /* archives among pictures */
    RN_REMARK_NAME,     /* pictures whose names do not end as such */
    RN_REMARK_CLASSES,  /* a model's, to which classes go by number */
    RN_REMARK_ORDER,    /* of numbers, in which classes are a model's */
    RN_REMARK_KINDS
};

struct rn_remarks;

int rn_remarks_create(struct rn_remarks **out, struct rn_error *err);
void rn_remarks_destroy(struct rn_remarks *remarks);

/** Add a remark unless one of that kind is there. Any number of threads may do
 *  so at once. Without memory, or with NULL for remarks, nothing is said. */
__attribute__((format(printf, 3, 4))) void rn_remark(struct rn_remarks *remarks,
                                                     enum rn_remark kind,
                                                     const char *format, ...);

/** Add one whatever there is already. */
__attribute__((format(printf, 3, 4))) int
rn_remark_add(struct rn_remarks *remarks, struct rn_error *err,
              const char *format, ...);

/** The i-th so far, or NULL; it stays until all are destroyed. */
const char *rn_remarks_get(struct rn_remarks *remarks, size_t i);

#endif
