/* SPDX-License-Identifier: BSD-2-Clause */
/* What a run tells its caller, line by line. */
#include "core/locale.h"
#include "train/trainer.h"

#include <stdarg.h>

void rn_trainer_say(const struct rn_trainer *t, const char *format, ...)
{
    char text[512];
    va_list args;

    if (!t->events.message)
        return;
    va_start(args, format);
    rn_format_list(text, sizeof(text), format, args);
    va_end(args);
    t->events.message(t->events.user, text);
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
