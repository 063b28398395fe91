/* SPDX-License-Identifier: BSD-2-Clause */
/* Text from outside: what every reader of text starts with. */
#ifndef RN_CORE_TEXT_H
#define RN_CORE_TEXT_H

#include "core/error.h"
#include "core/letters.h"

#include <stdbool.h>
#include <stdint.h>

/** rn_file_read(), then rn_text_clean(). The caller rn_free()s the text, which
 *  ends with a zero byte that does not count. */
int rn_text_read(const char *path, size_t limit, char **text, size_t *size,
                 struct rn_error *err);

/** The bytes of a file as a text, rn_text_clean()ed in place; freed when they
 *  are none. */
int rn_text_take(char **text, uint8_t *bytes, size_t *size, const char *path,
                 struct rn_error *err);

/** The name of the encoding, as iconv knows it, of a text that begins so, or
 *  NULL: UTF-16 and UTF-32 with a byte order mark, or evident from zeros. */
const char *rn_text_encoding(const void *bytes, size_t size);
/** RN_ERR_DATA: the file is in that encoding, and what converts it. */
int rn_text_fail_encoding(struct rn_error *err, const char *path,
                          const char *encoding);
/** Cut blanks and tabs off both ends, in place; where it begins then. */
char *rn_text_trim(char *text);
/** Bytes of the UTF-8 byte order mark that a text begins with: 0 or 3. */
size_t rn_text_mark(const void *bytes, size_t size);

#endif
