/* SPDX-License-Identifier: BSD-2-Clause */
/* What is wrong with a file's tensors, gathered for one message. */
#ifndef RN_CORE_FAULTS_H
#define RN_CORE_FAULTS_H

#include "core/error.h"

/* Names of one kind of fault. Zeroed: none. */
struct rn_faults {
    size_t count;
    char text[180];
};

__attribute__((format(printf, 2, 3))) void
rn_fault_add(struct rn_faults *faults, const char *format, ...);

/** Append "2 KIND (a, b)" to a text that is empty or lists others already;
 *  nothing when there are none. */
void rn_faults_list(const struct rn_faults *faults, const char *kind, char *buf,
                    size_t size);

/** RN_OK when there are none, else RN_ERR_DATA: "'PATH': tensors do not fit: 2
 *  missing (a, b); 1 unexpected (c)". */
int rn_faults_report(const struct rn_faults *missing,
                     const struct rn_faults *misshapen,
                     const struct rn_faults *unexpected, const char *path,
                     struct rn_error *err);

#endif
