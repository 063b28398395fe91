/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads a list of classes in whatever form it has: lines, CSV, JSON or Python.
 */
#include "model/class_list.h"

#include "core/letters.h"
#include "core/literal.h"
#include "core/locale.h"
#include "core/memory.h"
#include "model/class_list/reading.h"

#include <stdio.h>

static size_t entry_number(const void *context, size_t i)
{
    return ((const struct entry *)context)[i].number;
}

static bool is_name(const char *text)
{
    return *text && rn_is_printable(text);
}

static int check_names(const struct reading *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct entry *e = &r->entry[i];
        char where[48];

        if (is_name(e->name) && (!e->id || is_name(e->id)))
            continue;
        snprintf(where, sizeof(where), e->line ? "line %zu" : "entry %zu",
                 e->line ? (size_t)e->line : i + 1);
        return rn_fail(r->err, RN_ERR_DATA,
                       "'%s': %s is not a class name, expected UTF-8 without "
                       "control characters",
                       r->path, where);
    }
    return RN_OK;
}

static bool all_have_ids(const struct reading *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (!r->entry[i].id)
            return false;
    return true;
}

/* Entries into their places. */
static int hand_over(const struct reading *r, struct rn_class_list *list)
{
    struct numbering n = {.from0 = true};
    bool numbered = r->count && r->entry[0].number != NO_NUMBER;
    int rc = RN_OK;

    if (r->count == 0 || (r->classes && r->count != r->classes))
        return r->classes ? rn_reading_fail_count(r, r->count, "")
                          : rn_fail(r->err, RN_ERR_DATA,
                                    "'%s' is empty, expected class names, one "
                                    "a line",
                                    r->path);
    rc = check_names(r);
    if (!rc && numbered)
        rc = rn_reading_judge(r->count, entry_number, r->entry, &n, r->err);
    if (!rc && !n.from0 && !n.from1)
        rc = rn_reading_fail_numbers(r, r->count, &n, "");
    list->name = rn_alloc(r->count, sizeof(*list->name));
    list->id = all_have_ids(r) ? rn_alloc(r->count, sizeof(*list->id)) : NULL;
    if (!rc && (!list->name || (all_have_ids(r) && !list->id)))
        rc = rn_fail_memory(r->err, r->count, "class names");
    for (size_t i = 0; i < r->count && !rc; i++) {
        const struct entry *e = &r->entry[i];
        size_t at = numbered ? e->number - !n.from0 : i;

        list->name[at] = e->name;
        if (list->id)
            list->id[at] = e->id;
    }
    list->count = r->count;
    list->first = numbered && !n.from0;
    return rc;
}

int rn_class_list_parse(struct rn_class_list *list, char *text, size_t size,
                        const char *path, size_t classes, struct rn_error *err)
{
    struct reading r = {.path = path, .classes = classes, .err = err};
    int rc;

    *list = (struct rn_class_list){0};
    if (rn_literal_start(text))
        rc = rn_read_json(&r, text, size, &list->json);
    else if (rn_ends_with_word(path, ".csv") || rn_ends_with_word(path, ".tsv"))
        rc = rn_read_csv(&r, text);
    else
        rc = rn_read_lines(&r, text);
    if (!rc)
        rc = hand_over(&r, list);
    rn_free(r.entry);
    if (rc)
        rn_class_list_free(list);
    return rc;
}

void rn_class_list_free(struct rn_class_list *list)
{
    rn_free(list->name);
    rn_free(list->id);
    json_decref(list->json);
    *list = (struct rn_class_list){0};
}
