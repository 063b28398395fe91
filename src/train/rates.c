/* SPDX-License-Identifier: BSD-2-Clause */
/* Learning rates by stage, and stages that do not learn. */
#include "train/run.h"

#include "core/locale.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STAGES_EXPECTED                                          \
    "expected stages conv1, conv2, conv3, conv4, conv5, fc, or " \
    "ranges of them such as conv1-conv4"
#define ALL_STAGES ((1u << RN_STAGES) - 1)

static bool is_none(const char *text)
{
    return !text || text[0] == '\0' || strcmp(text, "none") == 0;
}

/* "conv1-conv3,fc" */
static int parse_frozen(unsigned *frozen, const char *text,
                        struct rn_error *err)
{
    *frozen = 0;
    if (is_none(text))
        return RN_OK;
    for (const char *at = text;; at++) {
        size_t n = strcspn(at, ",");
        unsigned bits = rn_stages_parse(at, n);

        if (bits == 0)
            return rn_fail(err, RN_ERR_ARG, "`freeze` '%.*s': " STAGES_EXPECTED,
                           (int)n, at);
        *frozen |= bits;
        at += n;
        if (*at == '\0')
            break;
    }
    if (*frozen == ALL_STAGES)
        return rn_fail(err, RN_ERR_ARG,
                       "`freeze` '%s': nothing is left to be learned", text);
    return RN_OK;
}

/* "conv5=0.1", `n` long */
static int parse_scale(float scale[RN_STAGES], const char *text, size_t n,
                       struct rn_error *err)
{
    const char *equals = memchr(text, '=', n);
    unsigned bits =
        !equals ? 0 : rn_stages_parse(text, (size_t)(equals - text));
    char *end = NULL;
    double value = !equals ? -1 : rn_number(equals + 1, &end);

    if (bits == 0)
        return rn_fail(err, RN_ERR_ARG,
                       "`lr_scale` '%.*s': expected STAGES=X; " STAGES_EXPECTED,
                       (int)n, text);
    if (end == equals + 1 || end != text + n || !(value > 0 && value <= 1000))
        return rn_fail(
            err, RN_ERR_ARG,
            "`lr_scale` '%.*s': expected a factor greater than 0 and "
            "up to 1000",
            (int)n, text);
    for (int i = 0; i < RN_STAGES; i++)
        if (bits >> i & 1)
            scale[i] = (float)value;
    return RN_OK;
}

static int parse_scales(float scale[RN_STAGES], const char *text,
                        struct rn_error *err)
{
    int rc = RN_OK;

    for (int i = 0; i < RN_STAGES; i++)
        scale[i] = 1;
    if (is_none(text))
        return RN_OK;
    for (const char *at = text; rc == RN_OK; at++) {
        size_t n = strcspn(at, ",");

        rc = parse_scale(scale, at, n, err);
        at += n;
        if (*at == '\0')
            break;
    }
    return rc;
}

int rn_rates_parse(struct rn_rates *rates, const struct rn_train_options *o,
                   struct rn_error *err)
{
    int rc = parse_frozen(&rates->frozen, o->freeze, err);

    return rc == RN_OK ? parse_scales(rates->scale, o->lr_scale, err) : rc;
}

int rn_rates_check(const struct rn_train_options *o, struct rn_error *err)
{
    struct rn_rates rates;

    return rn_rates_parse(&rates, o, err);
}
