/* SPDX-License-Identifier: BSD-2-Clause */
/* Names in zip files, whichever program wrote them. */
#ifndef RN_CORE_ZIP_NAME_H
#define RN_CORE_ZIP_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A zip's program ran on UNIX, whose modes its attributes are. */
enum { RN_ZIP_UNIX = 3 };

/** A name as it stands in a zip's directory; borrowed. */
struct rn_zip_name {
    const uint8_t *bytes, *extra;
    size_t size, extra_size;
    unsigned flags;
    unsigned host; /* that made it: 0 DOS and Windows, 3 Unix, 19 macOS */
};

/** The name in UTF-8 (or what it was, where that says it is), rn_alloc()ed;
 *  NULL without memory. */
char *rn_zip_name(const struct rn_zip_name *n);

/** Of a name that DOS or Windows wrote, backslashes become slashes: for zips
 *  that have no slash in any name. */
void rn_zip_turn_slashes(const struct rn_zip_name *n, char *name);

#endif
