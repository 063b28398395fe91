/* SPDX-License-Identifier: BSD-2-Clause */
/* Copy structs of options and results between programs and libraries of
 * different versions. */
#include "core/sized.h"

#include <string.h>

/* No struct of ours will be so large: a size beyond is memory that nobody
 * set. */
#define MOST 65536

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

int rn_sized_take(void *own, size_t known, size_t first, const void *given,
                  const char *name, struct rn_error *err)
{
    const unsigned char *bytes = given;
    size_t size = 0;

    memset(own, 0, known);
    if (!given)
        return RN_OK;
    memcpy(&size, given, sizeof(size));
    if (size == 0)
        size = first;
    if (size < sizeof(size) || size > MOST)
        return rn_fail(err, RN_ERR_ARG,
                       "struct %s: size %zu, expected %zu: it begins as zeroes "
                       "or with its defaults",
                       name, size, known);
    for (size_t i = known; i < size; i++)
        if (bytes[i])
            return rn_fail(err, RN_ERR_ARG,
                           "struct %s: it sets a field that library version %s "
                           "does not know (byte %zu of %zu)",
                           name, RN_VERSION_STRING, i, size);
    memcpy(own, given, smaller(size, known));
    memcpy(own, &known, sizeof(known));
    return RN_OK;
}

void rn_sized_give(void *given, size_t size, const void *own, size_t known)
{
    if (!given)
        return;
    memset(given, 0, size);
    memcpy(given, own, smaller(size, known));
}

void rn_sized_defaults(void *given, size_t size, const void *own, size_t known)
{
    rn_sized_give(given, size, own, known);
    memcpy(given, &size, sizeof(size));
}
