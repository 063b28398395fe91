/* SPDX-License-Identifier: BSD-2-Clause */
#include "data/remarks.h"

#include "core/locale.h"
#include "core/memory.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#define MOST_TEXT 1000

struct rn_remarks {
    pthread_mutex_t lock;
    char *text[RN_REMARK_KINDS];
    size_t count;
    bool made[RN_REMARK_KINDS];
};

int rn_remarks_create(struct rn_remarks **out, struct rn_error *err)
{
    struct rn_remarks *remarks = rn_alloc(1, sizeof *remarks);

    *out = remarks;
    if (!remarks)
        return rn_fail_memory(err, sizeof *remarks, "remarks");
    pthread_mutex_init(&remarks->lock, NULL);
    return RN_OK;
}

void rn_remarks_destroy(struct rn_remarks *remarks)
{
    if (!remarks)
        return;
    for (size_t i = 0; i < remarks->count; i++)
        rn_free(remarks->text[i]);
    pthread_mutex_destroy(&remarks->lock);
    rn_free(remarks);
}

void rn_remark(struct rn_remarks *remarks, enum rn_remark kind,
               const char *format, ...)
{
    char text[MOST_TEXT];
    va_list arguments;

    if (!remarks)
        return;
    va_start(arguments, format);
    rn_format_list(text, sizeof text, format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&remarks->lock);
    if (!remarks->made[kind] &&
        (remarks->text[remarks->count] = rn_strdup(text))) {
        remarks->made[kind] = true;
        remarks->count++;
    }
    pthread_mutex_unlock(&remarks->lock);
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
