/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/error.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *rn_version(void)
{
    return RN_VERSION_STRING;
}

int rn_fail(struct rn_error *err, int code, const char *format, ...)
{
    va_list args;

    if (!err)
        return code;
    err->code = code;
    va_start(args, format);
    vsnprintf(err->msg, sizeof err->msg, format, args);
    va_end(args);
    /* Names from files may hold line ends and terminal commands. */
    for (char *c = err->msg; *c; c++)
        if (iscntrl((unsigned char)*c))
            *c = '?';
    return code;
}

int rn_fail_memory(struct rn_error *err, size_t bytes, const char *what)
{
    return rn_fail(err, RN_ERR_MEMORY, "cannot allocate %zu bytes for %s",
                   bytes, what);
}

int rn_fail_errno(struct rn_error *err, const char *verb, const char *path)
{
    int number = errno;
    char buf[128];

    /* The GNU form, which unlike strerror() may be called by any thread. */
    return rn_fail(err, RN_ERR_IO, "cannot %s '%s': %s", verb, path,
                   strerror_r(number, buf, sizeof buf));
}
