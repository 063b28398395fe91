/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON from untrusted files: jansson behind limits. */
#ifndef RN_CORE_JSON_H
#define RN_CORE_JSON_H

#include "core/error.h"

#include <jansson.h>

/* The format needs four levels; jansson recurses once per level. */
#define RN_JSON_DEPTH 32
/* A value costs jansson up to 150 bytes, but may take only two in the text.
 * The deepest network, with its momentum, needs six million. */
#define RN_JSON_VALUES 8000000

/** Parse `size` bytes; what is not UTF-8, names a key twice or exceeds the
 *  limits above is RN_ERR_DATA. `path` and `what` begin the message. */
int rn_json_parse(json_t **out, const char *text, size_t size, const char *path,
                  const char *what, struct rn_error *err);

/** json_loadb() and json_dumps() (free() releases the text) in the C locale:
 *  jansson's own care knows no decimal point of several bytes. */
json_t *rn_json_load(const char *text, size_t size, size_t flags,
                     json_error_t *error);
char *rn_json_print(const json_t *value, size_t flags);

/** The value as compact text in rn_alloc()ed memory, members in their order;
 *  numbers are written so that they read back the same. */
int rn_json_text(char **out, const json_t *value, struct rn_error *err);

#endif
