/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages, numbers for people, tables, and JSON lines. */
#ifndef RN_CLI_OUTPUT_H
#define RN_CLI_OUTPUT_H

#include "resnet.h"

#include <jansson.h>
#include <stdint.h>
#include <stddef.h>

/** Say nothing on standard error from now on, or again what there is. */
void output_hush(int hushed);
int output_hushed(void);

/** "resnet: ..." on standard error, the progress line cleared first. */
__attribute__((format(printf, 1, 2))) void say_error(const char *format, ...);

/** A plain line on standard error, the progress line cleared first. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

/* Each writes into the caller's buffer and returns it. */
struct text {
    char at[32];
};
const char *text_count(struct text *t, uint64_t n);     /* 269,722 */
const char *text_figures(struct text *t, double value); /* %.4g, but 12346 */
const char *text_bytes(struct text *t, uint64_t bytes); /* 1.23 GB */
const char *text_seconds(struct text *t, double s);     /* 3 min 20 s */

/** `left`, then `text` from column `indent` on, broken at 79 columns. */
void print_wrapped(const char *left, int indent, const char *text);

/** Columns widen to what is in them. Text to the left, numbers right. */
struct table;
struct table *table_new(int columns, const char *const *headings,
                        const char *align /* 'l' or 'r' each */);
__attribute__((format(printf, 2, 3))) void table_cell(struct table *table,
                                                      const char *format, ...);
/** Print and free. */
void table_print(struct table *table);
/** Free what is not to be printed; NULL will do. */
void table_destroy(struct table *table);

/* JSON objects. Out of memory ends the program with a message. */
json_t *json_new(void);
json_t *json_list(void);
void json_put(json_t *object, const char *key, json_t *value);
void json_add(json_t *list, json_t *value);
/** null when not finite: JSON has no such numbers. */
json_t *json_double(double value);
json_t *json_count(uint64_t value);
/** null for NULL; bytes that are not UTF-8 become '?'. */
json_t *json_text(const char *text);
/** Print as one line on standard output, release. */
void json_line(json_t *object);

/** The name of what a model computes with when asked for that rn_precision:
 *  never auto. */
const char *precision_text(int precision, const struct rn_model_info *info);

/** Whether a file can be written where it shall be: 0, or -1 after a
 *  message. */
int output_place(const char *path);
/** Whether its name, which may be NULL, ends in one of `endings`,
 *  ".csv|.svg": likewise, as of the option's value. */
int output_ending(const char *option, const char *path, const char *endings);
/** Whether a file to be written is another than `input`, which may be none:
 *  likewise. */
int output_other(const char *path, const char *input);

/** Flush standard output; 0, or the errno of the first write that failed. */
int output_flush(void);

#endif
