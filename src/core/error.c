/* SPDX-License-Identifier: BSD-2-Clause */
/* Error messages: one line each, whatever names from files hold. */
#include "core/error.h"

#include "core/letters.h"
#include "core/locale.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *rn_version(void)
{
    return RN_VERSION_STRING;
}

/* Bytes of the control character at `text`: of ASCII's, or of those that
 * terminals obey as well, U+0080 to U+009F in UTF-8. 0: there is none. */
static size_t control_length(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    if (s[0] && (s[0] < 0x20 || s[0] == 0x7f))
        return 1;
    return s[0] == 0xc2 && s[1] >= 0x80 && s[1] <= 0x9f ? 2 : 0;
}

int rn_fail(struct rn_error *err, int code, const char *format, ...)
{
    va_list args;

    if (!err)
        return code;
    err->code = code;
    va_start(args, format);
    rn_format_list(err->msg, sizeof(err->msg), format, args);
    va_end(args);
    rn_text_whole(err->msg);
    /* Names from files may hold line ends and terminal commands. */
    for (char *c = err->msg; *c; c++)
        memset(c, '?', control_length(c));
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
                   strerror_r(number, buf, sizeof(buf)));
}
