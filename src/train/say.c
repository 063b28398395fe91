/* SPDX-License-Identifier: BSD-2-Clause */
/* What a run tells its caller, line by line. */
#include "core/locale.h"
#include "train/trainer.h"

#include <stdarg.h>
#include <stdio.h>

static void hand(const struct rn_trainer *t, const char *text)
{
    t->events.message(t->events.user, text);
}

void rn_trainer_say(const struct rn_trainer *t, const char *format, ...)
{
    char text[512];
    va_list args;

    if (!t->events.message || !rn_ranks_first(t->o.ranks))
        return;
    va_start(args, format);
    rn_format_list(text, sizeof(text), format, args);
    va_end(args);
    hand(t, text);
}

void rn_trainer_say_own(const struct rn_trainer *t, const char *format, ...)
{
    char text[512], name[96];
    size_t n = 0;
    va_list args;

    if (!t->events.message)
        return;
    if (!rn_ranks_first(t->o.ranks))
        n = (size_t)snprintf(
            text, sizeof(text), "%s: ",
            rn_ranks_name(t->o.ranks, t->o.ranks->rank, name, sizeof(name)));
    va_start(args, format);
    rn_format_list(text + n, sizeof(text) - n, format, args);
    va_end(args);
    hand(t, text);
}

void rn_trainer_say_text(void *user, const char *text)
{
    rn_trainer_say(user, "%s", text);
}

void rn_trainer_say_remarks(struct rn_trainer *t)
{
    const char *remark;

    while ((remark = rn_data_remark(t->data, t->remarks))) {
        t->remarks++;
        rn_trainer_say(t, "%s", remark);
    }
}
