/* SPDX-License-Identifier: BSD-2-Clause */
/* Python's text of dictionaries, lists and tuples of texts and whole numbers,
 * as class lists are passed around. */
#ifndef RN_CORE_LITERAL_H
#define RN_CORE_LITERAL_H

#include "core/error.h"

#include <jansson.h>
#include <stdbool.h>

/** Where a bracket opens behind blanks, comments and "NAME ="; NULL: no. */
const char *rn_literal_start(const char *text);

/** As the JSON that means the same: tuples become arrays, keys texts. A key
 *  that stands twice is RN_ERR_DATA, as is all else that is not of the above.
 *  The text is UTF-8, of `size` bytes, a zero byte behind it. */
int rn_literal_parse(json_t **out, const char *text, size_t size,
                     const char *path, struct rn_error *err);

#endif
