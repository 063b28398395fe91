/* SPDX-License-Identifier: BSD-2-Clause */
/* What all forms of class lists share: entries, and how numbers count them. */
#include "model/class_list/reading.h"

#include "core/memory.h"
#include "model/class_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int rn_reading_add(struct reading *r, size_t number, const char *id,
                   const char *name, int line)
{
    if (!rn_grow(&r->entry, &r->room, r->count, sizeof(*r->entry)))
        return rn_fail_memory(r->err, sizeof(*r->entry), "a class list");
    r->entry[r->count++] = (struct entry){number, id, name, line};
    return RN_OK;
}

/* A plain number below ten millions, or NO_NUMBER. */
size_t rn_reading_number(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return digits && digits < 8 && !text[digits] ? strtoul(text, NULL, 10)
                                                 : NO_NUMBER;
}

/* number(context, i) is that of the i-th line. */
int rn_reading_judge(size_t count, size_t (*number)(const void *, size_t),
                     const void *context, struct numbering *n,
                     struct rn_error *err)
{
    bool *seen = rn_alloc(count + 1, 1);

    *n = (struct numbering){.in_order = true, .twice = NO_NUMBER};
    if (!seen)
        return rn_fail_memory(err, count, "a class list");
    for (size_t i = 0; i < count; i++) {
        size_t value = number(context, i);

        if (value > count)
            n->beyond = true;
        else if (seen[value])
            n->twice = value;
        else
            seen[value] = true;
        n->in_order = n->in_order && value == number(context, 0) + i;
    }
    n->from0 = !n->beyond && n->twice == NO_NUMBER && !seen[count];
    n->from1 = !n->beyond && n->twice == NO_NUMBER && !seen[0];
    rn_free(seen);
    return RN_OK;
}

int rn_reading_fail_numbers(const struct reading *r, size_t count,
                            const struct numbering *n, const char *advice)
{
    char twice[48] = "";

    if (n->twice != NO_NUMBER)
        snprintf(twice, sizeof(twice), " (%zu stands there twice)", n->twice);
    return rn_fail(r->err, RN_ERR_DATA,
                   "'%s': its lines have numbers%s, expected those from 0 to "
                   "%zu, or from 1 to %zu, each once%s",
                   r->path, twice, count - 1, count, advice);
}

/* Empty lines at the end are none. */
int rn_reading_fail_empty(const struct reading *r, int line)
{
    return rn_fail(r->err, RN_ERR_DATA,
                   "'%s': line %d is empty, and others follow", r->path, line);
}

int rn_reading_check_count(const struct reading *r, size_t count)
{
    if (count > RN_CLASS_LIST_MOST)
        return rn_fail(r->err, RN_ERR_DATA,
                       "'%s' has more than %d lines, expected a class on each",
                       r->path, RN_CLASS_LIST_MOST);
    return RN_OK;
}

int rn_reading_fail_count(const struct reading *r, size_t count,
                          const char *more)
{
    return rn_fail(r->err, RN_ERR_DATA, "'%s': %zu labels for %zu classes%s",
                   r->path, count, r->classes, more);
}
