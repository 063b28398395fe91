/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of classes, from class lists. */
#include "data/sets/pictures.h"
#include "data/reader.h"

#include "core/file.h"
#include "core/letters.h"
#include "core/memory.h"
#include "core/text.h"
#include "data/remarks.h"
#include "model/class_list.h"

#include <stdlib.h>
#include <string.h>

#define MAX_FILE ((size_t)1 << 22)
#define MAX_NAME 256

void rn_names_free(char **names)
{
    for (size_t i = 0; names && names[i]; i++)
        rn_free(names[i]);
    rn_free(names);
}

bool rn_name_valid(const char *name)
{
    return *name && strlen(name) <= MAX_NAME && rn_is_printable(name);
}

/* Copies of `count` texts, ending with NULL; NULL when memory is short. */
static char **copy_all(const char *const *texts, size_t count)
{
    char **copy = rn_alloc(count + 1, sizeof(*copy));

    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = rn_strdup(texts[i]);
        if (!copy[i]) {
            rn_names_free(copy);
            copy = NULL;
        }
    }
    return copy;
}

static int check_all(const struct rn_class_list *list, const char *path,
                     struct rn_error *err)
{
    for (size_t i = 0; i < list->count; i++)
        if (!rn_name_valid(list->name[i]) ||
            (list->id && !rn_name_valid(list->id[i])))
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': the name of class %zu is longer than %d "
                           "bytes",
                           path, i, MAX_NAME);
    return RN_OK;
}

static int take(struct rn_data *data, const struct rn_class_list *list,
                struct rn_error *err)
{
    char **names = copy_all(list->name, list->count);
    char **ids = list->id ? copy_all(list->id, list->count) : NULL;

    if (!names || (list->id && !ids)) {
        rn_names_free(names);
        rn_names_free(ids);
        return rn_fail_memory(err, list->count, "class names");
    }
    rn_names_free(data->class_names);
    rn_names_free(data->class_ids);
    data->class_names = names;
    data->class_ids = ids;
    data->first_number = (int)list->first;
    return RN_OK;
}

int rn_names_read(struct rn_data *data, const char *path, int *count,
                  struct rn_error *err)
{
    struct rn_class_list list;
    size_t size;
    char *text;
    int rc =
        rn_files_read_text(&data->source, path, MAX_FILE, &text, &size, err);

    if (rc)
        return rc;
    rc = rn_class_list_parse(&list, text, size, path, 0, err);
    if (!rc) {
        rc = check_all(&list, path, err);
        if (!rc)
            rc = take(data, &list, err);
        *count = (int)list.count;
        rn_class_list_free(&list);
    }
    rn_free(text);
    return rc;
}

int rn_names_set(struct rn_data *data, const char *const *names, int count,
                 struct rn_error *err)
{
    char **copy;

    for (int i = 0; i < count; i++)
        if (!names[i] || !rn_is_utf8(names[i]))
            return rn_fail(err, RN_ERR_ARG, "name of class %d is not UTF-8", i);
    copy = copy_all(names, (size_t)count);
    if (!copy)
        return rn_fail_memory(err, ((size_t)count + 1) * sizeof(*copy),
                              "class names");
    rn_names_free(data->class_names);
    data->class_names = copy;
    return RN_OK;
}

/* --------------------------------------------------------- normal forms */

static bool is_ascii(const char *text)
{
    while (*text && !(*text & 0x80))
        text++;
    return !*text;
}

static int compare_forms(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The composed forms of names that may have another one, in order. */
static size_t compose_all(const struct rn_data *data, char **forms)
{
    size_t n = 0;

    for (int i = 0; i < data->classes; i++) {
        const char *name = data->class_names[i];

        if (!is_ascii(name) && (forms[n] = rn_text_composed(name)))
            n++;
    }
    qsort(forms, n, sizeof(*forms), compare_forms);
    return n;
}

int rn_names_remark(const struct rn_data *data, struct rn_error *err)
{
    char **forms;
    size_t n;
    int rc = RN_OK;

    if (!data->class_names)
        return RN_OK;
    forms = rn_alloc((size_t)data->classes + 1, sizeof(*forms));
    if (!forms)
        return rn_fail_memory(err, (size_t)data->classes, "class names");
    n = compose_all(data, forms);
    for (size_t i = 1; i < n && !rc; i++)
        if (strcmp(forms[i - 1], forms[i]) == 0)
            rc = rn_remark_add(data->source.remarks, err,
                               "two classes are called '%.200s', in different "
                               "Unicode normal forms",
                               forms[i]);
    for (size_t i = 0; i < n; i++)
        free(forms[i]);
    rn_free(forms);
    return rc;
}
