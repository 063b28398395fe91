/* SPDX-License-Identifier: BSD-2-Clause */
/* The characters of UTF-8, and Unicode's ways to write the same letter; below
 * errors, whose texts are cut by them. */
#ifndef RN_CORE_LETTERS_H
#define RN_CORE_LETTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

bool rn_is_utf8(const char *text);
/** Whether it is, without control characters, which a terminal would obey. */
bool rn_is_printable(const char *text);

/** Cut what the end of a buffer left of a character; returns `text`. */
char *rn_text_whole(char *text);

/** Whether two lists of so many texts are the same, bytes and order. */
bool rn_texts_equal(char *const *a, char *const *b, size_t count);
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
