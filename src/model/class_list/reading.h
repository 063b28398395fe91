/* SPDX-License-Identifier: BSD-2-Clause */
/* A class list while it is read; each form has a file. */
#ifndef RN_MODEL_CLASS_LIST_READING_H
#define RN_MODEL_CLASS_LIST_READING_H

#include "core/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NO_NUMBER SIZE_MAX

/* What is known of a class, in the order of the file. */
struct entry {
    size_t number; /* as written, or NO_NUMBER */
    const char *id, *name;
    int line;
};

struct reading {
    const char *path;
    size_t classes; /* 0: not known */
    struct entry *entry;
    size_t count, room;
    struct rn_error *err;
};

/* How the numbers of `count` classes may be counted. */
struct numbering {
    bool from0, from1, in_order; /* all of them, each once, from 0 or from 1 */
    bool beyond;                 /* one is larger than there are classes */
    size_t twice; /* a number that is there twice, or NO_NUMBER */
};

/** One class more; texts are borrowed. */
int rn_reading_add(struct reading *r, size_t number, const char *id,
                   const char *name, int line);
/** A plain number below ten millions, or NO_NUMBER. */
size_t rn_reading_number(const char *text);
/** How `count` numbers count; number(context, i) is that of the i-th line. */
int rn_reading_judge(size_t count, size_t (*number)(const void *, size_t),
                     const void *context, struct numbering *n,
                     struct rn_error *err);
int rn_reading_fail_numbers(const struct reading *r, size_t count,
                            const struct numbering *n, const char *advice);
/** Empty lines at the end are none. */
int rn_reading_fail_empty(const struct reading *r, int line);
/** RN_ERR_DATA when that many lines are more than a list may have. */
int rn_reading_check_count(const struct reading *r, size_t count);
int rn_reading_fail_count(const struct reading *r, size_t count,
                          const char *more);

/** The forms. All cut `text` to pieces that the entries point into, and the
 *  last hands out what these borrow from. */
int rn_read_lines(struct reading *r, char *text);
int rn_read_csv(struct reading *r, char *text);
int rn_read_json(struct reading *r, const char *text, size_t size,
                 json_t **root);

#endif
