/* SPDX-License-Identifier: BSD-2-Clause */
/* Joins faults into one message, as many as fit. */
#include "core/faults.h"

#include "core/locale.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LISTED 3 /* names of a kind in a message */

void rn_fault_add(struct rn_faults *faults, const char *format, ...)
{
    size_t used = strlen(faults->text);
    va_list args;

    if (faults->count++ >= LISTED)
        return;
    if (used > 0)
        used += (size_t)snprintf(faults->text + used,
                                 sizeof(faults->text) - used, ", ");
    if (used >= sizeof(faults->text))
        return;
    va_start(args, format);
    rn_format_list(faults->text + used, sizeof(faults->text) - used, format,
                   args);
    va_end(args);
}

void rn_faults_list(const struct rn_faults *faults, const char *kind, char *buf,
                    size_t size)
{
    size_t used = strlen(buf);

    if (faults->count == 0 || used >= size)
        return;
    used +=
        (size_t)snprintf(buf + used, size - used, "%s%zu %s (%s",
                         used ? "; " : "", faults->count, kind, faults->text);
    if (used < size && faults->count > LISTED)
        used += (size_t)snprintf(buf + used, size - used, " and %zu more",
                                 faults->count - LISTED);
    if (used < size)
        snprintf(buf + used, size - used, ")");
}

int rn_faults_report(const struct rn_faults *missing,
                     const struct rn_faults *misshapen,
                     const struct rn_faults *unexpected, const char *path,
                     struct rn_error *err)
{
    char text[440] = "";

    if (missing->count + misshapen->count + unexpected->count == 0)
        return RN_OK;
    rn_faults_list(missing, "missing", text, sizeof(text));
    rn_faults_list(misshapen, "of another type or shape", text, sizeof(text));
    rn_faults_list(unexpected, "unexpected", text, sizeof(text));
    return rn_fail(err, RN_ERR_DATA, "'%s': tensors do not fit: %s", path,
                   text);
}
