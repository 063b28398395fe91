/* SPDX-License-Identifier: BSD-2-Clause */
/* Learning rates and norms by stage, and stages that do not learn. */
#include "train/run.h"

#include "core/locale.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_none(const char *text)
{
    return !text || text[0] == '\0' || strcmp(text, "none") == 0;
}

#define OTHER_STAGES (1u << RN_STAGES)

/* The bits of stages. Without a graph they are the usual ones', and
 * OTHER_STAGES when only some family has them. */
static unsigned parse_stages(const struct rn_graph *graph, const char *text,
                             size_t n)
{
    unsigned bits = rn_stages_parse(graph, text, n);

    return !bits && !graph && rn_stages_known(text, n) ? OTHER_STAGES : bits;
}

static int fail_stages(const struct rn_graph *graph, const char *option,
                       const char *text, size_t n, const char *expected,
                       struct rn_error *err)
{
    char list[200];

    return rn_fail(
        err, RN_ERR_ARG,
        "`%s` '%.*s': expected %sstages %s, or ranges of them such as "
        "conv1-conv4",
        option, (int)n, text, expected,
        rn_stages_list(graph, list, sizeof(list)));
}

unsigned rn_rates_stages(const struct rn_graph *graph)
{
    unsigned bits = 0;

    if (!graph)
        return (1u << rn_stages_count(graph)) - 1;
    for (size_t i = 0; i < graph->n_params; i++) {
        const struct rn_param *p = &graph->params[i];

        if (rn_param_trainable(p))
            bits |= 1u << (p->stage > 0 ? p->stage - 1 : RN_STAGES);
    }
    return bits;
}

/* "conv1-conv3,fc" */
static int parse_frozen(unsigned *frozen, const struct rn_graph *graph,
                        const char *text, struct rn_error *err)
{
    *frozen = 0;
    if (is_none(text))
        return RN_OK;
    for (const char *at = text;; at++) {
        size_t n = strcspn(at, ",");
        unsigned bits = parse_stages(graph, at, n);

        if (bits == 0)
            return fail_stages(graph, "freeze", at, n, "", err);
        *frozen |= bits;
        at += n;
        if (*at == '\0')
            break;
    }
    if (!(rn_rates_stages(graph) & ~*frozen))
        return rn_fail(err, RN_ERR_ARG,
                       "`freeze` '%s': nothing is left to be learned", text);
    return RN_OK;
}

/* An option that gives stages numbers. */
struct numbers {
    const char *option, *what; /* its name, and what a number is */
    float usual;               /* of stages that get none */
    double most;               /* and they are greater than 0 */
};
static const struct numbers scales = {"lr_scale", "factor", 1, 1000};
static const struct numbers norms = {"max_norm", "norm", 0, 1e6};

/* "conv5=0.1", `n` long; `given` are the stages that have a number. */
static int parse_number(const struct numbers *o, float values[RN_STAGES],
                        unsigned *given, const struct rn_graph *graph,
                        const char *text, size_t n, struct rn_error *err)
{
    const char *equals = memchr(text, '=', n);
    unsigned bits =
        !equals ? 0 : parse_stages(graph, text, (size_t)(equals - text));
    char *end = NULL;
    double value = !equals ? -1 : rn_number(equals + 1, &end);

    if (bits == 0)
        return fail_stages(graph, o->option, text, n, "STAGES=X; expected ",
                           err);
    if (end == equals + 1 || end != text + n ||
        !(value > 0 && value <= o->most))
        return rn_fail(err, RN_ERR_ARG,
                       "`%s` '%.*s': expected a %s greater than 0 and up to %g",
                       o->option, (int)n, text, o->what, o->most);
    if (*given & bits & ~OTHER_STAGES)
        return rn_fail(err, RN_ERR_ARG,
                       "`%s` '%.*s': a stage of it has a %s already", o->option,
                       (int)n, text, o->what);
    *given |= bits;
    for (int i = 0; i < RN_STAGES; i++)
        if (bits >> i & 1)
            values[i] = (float)value;
    return RN_OK;
}

static int parse_numbers(const struct numbers *o, float values[RN_STAGES],
                         const struct rn_graph *graph, const char *text,
                         struct rn_error *err)
{
    unsigned given = 0;
    int rc = RN_OK;

    for (int i = 0; i < RN_STAGES; i++)
        values[i] = o->usual;
    if (is_none(text))
        return RN_OK;
    for (const char *at = text; rc == RN_OK; at++) {
        size_t n = strcspn(at, ",");

        rc = parse_number(o, values, &given, graph, at, n, err);
        at += n;
        if (*at == '\0')
            break;
    }
    return rc;
}

int rn_rates_parse(struct rn_rates *rates, const struct rn_graph *graph,
                   const struct rn_train_options *o, struct rn_error *err)
{
    int rc = parse_frozen(&rates->frozen, graph, o->freeze, err);

    if (!rc)
        rc = parse_numbers(&scales, rates->scale, graph, o->lr_scale, err);
    return rc ? rc
              : parse_numbers(&norms, rates->max_norm, graph, o->max_norm, err);
}

int rn_rates_check(const struct rn_train_options *o, struct rn_error *err)
{
    struct rn_rates rates;

    return rn_rates_parse(&rates, NULL, o, err);
}

int rn_rates_fit(const struct rn_train_options *o, const struct rn_graph *graph,
                 struct rn_error *err)
{
    const struct {
        const char *name, *text;
    } given[] = {
        {"freeze", o->freeze},
        {"lr_scale", o->lr_scale},
        {"max_norm", o->max_norm},
    };

    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
        for (const char *at = given[i].text; !is_none(at) && *at;) {
            size_t n = strcspn(at, ",=");
            unsigned bits = rn_stages_parse(graph, at, n);

            if (bits && !(bits & rn_rates_stages(graph)))
                return rn_fail(err, RN_ERR_ARG,
                               "`%s` '%.*s': the network has nothing there "
                               "that learns",
                               given[i].name, (int)n, at);
            at += strcspn(at, ",");
            at += *at == ',';
        }
    return RN_OK;
}

bool rn_rates_idle(const struct rn_train_options *o)
{
    struct rn_rates rates;
    struct rn_error err;

    if (rn_rates_parse(&rates, NULL, o, &err))
        return false;
    for (int i = 0; i < RN_STAGES; i++)
        if ((rates.frozen >> i & 1) &&
            (rates.scale[i] < 1 || rates.scale[i] > 1))
            return true;
    return false;
}
