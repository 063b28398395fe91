/* SPDX-License-Identifier: BSD-2-Clause */
/* Text from outside: what every reader of text starts with; UTF-8, the columns
 * it takes, and Unicode's ways to write the same letter. */
#ifndef RN_CORE_TEXT_H
#define RN_CORE_TEXT_H

#include "core/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/** rn_file_read(), then rn_text_clean(). The caller rn_free()s the text, which
 *  ends with a zero byte that does not count. */
int rn_text_read(const char *path, size_t limit, char **text, size_t *size,
                 struct rn_error *err);

/** The name of the encoding, as iconv knows it, of a text that begins so, or
 *  NULL: UTF-16 and UTF-32 with a byte order mark, or evident from zeros. */
const char *rn_text_encoding(const void *bytes, size_t size);
/** RN_ERR_DATA: the file is in that encoding, and what converts it. */
int rn_text_fail_encoding(struct rn_error *err, const char *path,
                          const char *encoding);
/** Bytes of the UTF-8 byte order mark that a text begins with: 0 or 3. */
size_t rn_text_mark(const void *bytes, size_t size);

bool rn_is_utf8(const char *text);
/** Whether it is, without control characters, which a terminal would obey. */
bool rn_is_printable(const char *text);

/** Cut what the end of a buffer left of a character; returns `text`. */
char *rn_text_whole(char *text);

/** Whether two different texts are the same letters, written with accents
 *  composed (Unicode's NFC) in one and apart (NFD) in the other. */
bool rn_text_twins(const char *a, const char *b);
/** For a message: "; 'b' there differs only in …" when they are twins, else
 *  "". */
const char *rn_text_twin_note(const char *wanted, const char *there, char *buf,
                              size_t size);

/** The note on the first of `count` names, or of those before a NULL, that is
 *  a twin; "" for none, and for names NULL. */
const char *rn_text_twin_among(const char *wanted, char *const *names,
                               size_t count, char *buf, size_t size);

/** A copy in the composed form, free() releases it; NULL when it is not UTF-8
 *  or memory is short. */
char *rn_text_composed(const char *text);

/** Print as the text of an XML or HTML document: '<' and such escaped, what
 *  XML forbids left out, bytes that are not UTF-8 replaced by U+FFFD. */
void rn_text_xml(FILE *out, const char *text);

#endif
