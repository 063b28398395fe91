/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests of networks from files of others. Include after cmocka.h. */
#ifndef TESTS_UNIT_FOREIGN_H
#define TESTS_UNIT_FOREIGN_H

#include "model/model.h"
#include "nets/nets.h"

#include <string.h>

#define OK(call)                     \
    do {                             \
        if ((call) != RN_OK)         \
            fail_msg("%s", err.msg); \
    } while (0)

/* A number in [-1, 1), the same every time. */
static inline float number(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) * 0x1p-23f - 1;
}

/* Numbers for all parameters; variances are positive. */
static inline void make_up(struct rn_graph *g)
{
    uint32_t seed = 1;

    for (size_t i = 0; i < g->n_params; i++) {
        struct rn_param *p = &g->params[i];
        float shift = p->kind == RN_PARAM_RUNNING_VAR ? 1.5f : 0;

        for (size_t k = 0; k < p->count; k++)
            p->data[k] = number(&seed) + shift;
    }
}

static inline void check_same_params(const struct rn_graph *a,
                                     const struct rn_graph *b, const char *what)
{
    if (a->n_params != b->n_params)
        fail_msg("%s: %zu tensors, expected %zu", what, b->n_params,
                 a->n_params);
    for (size_t i = 0; i < a->n_params; i++) {
        const struct rn_param *p = &a->params[i];
        const struct rn_param *q = rn_graph_param(b, p->name);

        if (!q || p->count != q->count ||
            memcmp(p->data, q->data, p->count * sizeof(float)) != 0)
            fail_msg("%s: tensor %s is another", what, p->name);
    }
}

/* The graph becomes a model's and is destroyed with it. */
static inline void run(struct rn_graph *g, const float *image, float *logits)
{
    struct rn_net_spec spec;
    struct rn_plan_options o;
    struct rn_plan *plan;
    struct rn_error err = {0};

    rn_net_of_graph(&spec, "small", g);
    struct rn_model *model = rn_model_wrap(&spec, g);
    assert_non_null(model);
    rn_plan_defaults(&o);
    o.batch = 1;
    o.threads = 1;
    OK(rn_plan_create(&plan, model, &o, &err));
    OK(rn_plan_forward(plan, image, logits, &err));
    rn_plan_destroy(plan);
    rn_model_destroy(model);
}

#endif
