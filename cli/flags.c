/* SPDX-License-Identifier: BSD-2-Clause */
/* What the program calls the library's fields: batch_norm is --batch-norm, and
 * a few have another name or no flag. */
#include "flags.h"

#include "options.h"

#include <stdio.h>
#include <string.h>

static option_table *const tables[] = {
    rn_net_option,     rn_import_option,   rn_plan_option,
    rn_data_option,    rn_survey_option,   rn_train_option,
    rn_resume_option,  rn_eval_option,     rn_bench_option,
    rn_loading_option, rn_quantize_option, rn_response_option};

static const struct {
    const char *field, *flag; /* flag NULL: there is none */
} others[] = {
    {"stride_v1", "stride"},
    {"decay_all", "decay"},
    {"validation_percent", "validation"},
    {"profile", "layers"},
    {"keep", NULL},
    {"bind", NULL},
    {"run", NULL},
    {"rule", NULL},
    {"data_rule", NULL},
    {"height", "size"},
    {"structure", NULL},
    {"not_finite", NULL},
    {"headless", NULL},
    {"rounds", NULL},
};

const char *flag_of(const char *field, char *buf, size_t size)
{
    snprintf(buf, size, "%s", field);
    for (char *c = buf; *c; c++)
        if (*c == '_')
            *c = '-';
    for (size_t i = 0; i < COUNT(others); i++)
        if (strcmp(others[i].field, field) == 0)
            return others[i].flag;
    return buf;
}

static int is_field(const char *name)
{
    const struct rn_option *o;

    for (size_t t = 0; t < COUNT(tables); t++)
        for (size_t i = 0; (o = tables[t](i)); i++)
            if (strcmp(o->name, name) == 0)
                return 1;
    return 0;
}

const char *flags_for_fields(const char *text, char *out, size_t size)
{
    char field[64], buf[64];
    size_t used = 0;

    out[0] = '\0';
    while (*text && used + 1 < size) {
        size_t n = *text == '`' ? strcspn(text + 1, "`") : 0;
        const char *flag;

        snprintf(field, sizeof(field), "%.*s", (int)n, text + 1);
        if (n == 0 || text[1 + n] != '`' || !is_field(field)) {
            out[used++] = *text++;
            out[used] = '\0';
            continue;
        }
        flag = flag_of(field, buf, sizeof(buf));
        snprintf(out + used, size - used, "%s%s", flag ? "--" : "",
                 flag ? flag : field);
        used += strlen(out + used);
        text += n + 2;
    }
    return out;
}

static void ask_for_zero(const struct rn_option *o, void *at)
{
    switch (o->type) {
    case RN_OPTION_FLAG:
    case RN_OPTION_INT:
    case RN_OPTION_INDEX:
        if (*(int *)at == 0)
            *(int *)at = RN_ZERO;
        return;
    case RN_OPTION_LONG:
        if (*(long *)at == 0)
            *(long *)at = RN_ZERO;
        return;
    case RN_OPTION_REAL:
        if (*(double *)at == 0)
            *(double *)at = RN_ZERO;
        return;
    case RN_OPTION_SEED:
        if (*(uint64_t *)at == 0)
            *(uint64_t *)at = (uint64_t)RN_ZERO;
        return;
    case RN_OPTION_SIZE:
    case RN_OPTION_TEXT:
    case RN_OPTION_WORD:
    case RN_OPTION_LETTER:
        return;
    }
}

void ask_for_zeroes(option_table *table, void *options)
{
    const struct rn_option *o;

    for (size_t i = 0; (o = table(i)); i++)
        if (o->preset)
            ask_for_zero(o, (char *)options + o->offset);
}
