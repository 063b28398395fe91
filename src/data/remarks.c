/* SPDX-License-Identifier: BSD-2-Clause */
/* Gathers remarks, each once. */
#include "data/remarks.h"

#include "core/locale.h"
#include "core/memory.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MOST_TEXT 1000

struct rn_remarks {
    pthread_mutex_t lock;
    char **text;
    size_t count, room;
    bool made[RN_REMARK_KINDS];
};

int rn_remarks_create(struct rn_remarks **out, struct rn_error *err)
{
    struct rn_remarks *remarks = rn_alloc(1, sizeof(*remarks));

    *out = remarks;
    if (!remarks)
        return rn_fail_memory(err, sizeof(*remarks), "remarks");
    pthread_mutex_init(&remarks->lock, NULL);
    return RN_OK;
}

void rn_remarks_destroy(struct rn_remarks *remarks)
{
    if (!remarks)
        return;
    for (size_t i = 0; i < remarks->count; i++)
        rn_free(remarks->text[i]);
    rn_free(remarks->text);
    pthread_mutex_destroy(&remarks->lock);
    rn_free(remarks);
}

static bool add(struct rn_remarks *remarks, const char *text)
{
    if (!rn_grow(&remarks->text, &remarks->room, remarks->count,
                 sizeof(*remarks->text)) ||
        !(remarks->text[remarks->count] = rn_strdup(text)))
        return false;
    remarks->count++;
    return true;
}

void rn_remark(struct rn_remarks *remarks, enum rn_remark kind,
               const char *format, ...)
{
    char text[MOST_TEXT];
    va_list arguments;

    if (!remarks)
        return;
    va_start(arguments, format);
    rn_format_list(text, sizeof(text), format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&remarks->lock);
    if (!remarks->made[kind])
        remarks->made[kind] = add(remarks, text);
    pthread_mutex_unlock(&remarks->lock);
}

int rn_remark_add(struct rn_remarks *remarks, struct rn_error *err,
                  const char *format, ...)
{
    char text[MOST_TEXT];
    va_list arguments;
    bool added;

    va_start(arguments, format);
    rn_format_list(text, sizeof(text), format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&remarks->lock);
    added = add(remarks, text);
    pthread_mutex_unlock(&remarks->lock);
    return added ? RN_OK : rn_fail_memory(err, strlen(text), "a remark");
}

const char *rn_remarks_get(struct rn_remarks *remarks, size_t i)
{
    const char *text = NULL;

    if (!remarks)
        return NULL;
    pthread_mutex_lock(&remarks->lock);
    if (i < remarks->count)
        text = remarks->text[i];
    pthread_mutex_unlock(&remarks->lock);
    return text;
}
