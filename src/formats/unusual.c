/* SPDX-License-Identifier: BSD-2-Clause */
/* Applies what the caller says of stem, activation, eps and order of channels.
 */
#include "formats/unusual.h"

#include <stdio.h>
#include <string.h>

#define MOST_STRIDE 8

/* Number of a word among those that name() gives; -1 when it is none. */
static int find_word(const char *word, const char *(*name)(int), int first)
{
    for (int i = first; name(i); i++)
        if (strcmp(name(i), word) == 0)
            return i;
    return -1;
}

static int fail_word(const char *what, const char *word,
                     const char *(*name)(int), int first, struct rn_error *err)
{
    char list[120] = "";

    for (int i = first; name(i); i++)
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s",
                 i > first ? ", " : "", name(i));
    return rn_fail(err, RN_ERR_ARG, "%s '%.40s', expected one of %s", what,
                   word, list);
}

static const char *pool_name(int i)
{
    return rn_stem_pool_name((enum rn_stem_pool)i);
}

static const char *activation_name(int i)
{
    return rn_activation_name((enum rn_activation)i);
}

int rn_unusual_spec(struct rn_net_spec *spec, const struct rn_import_options *o,
                    struct rn_error *err)
{
    const int pools = RN_STEM_POOL_NONE;
    int pool = o->stem_pool ? find_word(o->stem_pool, pool_name, pools) : 0;
    int activation =
        o->activation ? find_word(o->activation, activation_name, 0) : 0;

    if (pool < 0)
        return fail_word("the stem's pool is", o->stem_pool, pool_name, pools,
                         err);
    if (activation < 0)
        return fail_word("activation", o->activation, activation_name, 0, err);
    if (o->stem_stride < 0 || o->stem_stride > MOST_STRIDE)
        return rn_fail(err, RN_ERR_ARG,
                       "the stem's stride is %d, expected 1 to %d",
                       o->stem_stride, MOST_STRIDE);
    spec->stem_stride = o->stem_stride;
    spec->stem_pool = (enum rn_stem_pool)pool;
    spec->activation = (enum rn_activation)activation;
    return RN_OK;
}

int rn_unusual_eps(struct rn_graph *g, double eps, struct rn_error *err)
{
    if (!(eps >= 0 && eps <= 1))
        return rn_fail(err, RN_ERR_ARG, "eps is %g, expected 0 to 1", eps);
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct rn_node *n = &g->nodes[i];

        if (n->op != RN_OP_BATCH_NORM)
            continue;
        struct rn_param *var = &g->params[n->param[RN_P_VAR]];
        for (size_t k = 0; k < var->count; k++) {
            double sum = (double)var->data[k] + eps;

            if (!(sum > 0))
                return rn_fail(err, RN_ERR_DATA,
                               "element %zu of %.80s is %g: with an eps of %g "
                               "it has no root",
                               k, var->name, (double)var->data[k], eps);
            var->data[k] = (float)(sum - (double)n->eps);
        }
    }
    return RN_OK;
}

static void swap(float *a, float *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float x = a[i];

        a[i] = b[i];
        b[i] = x;
    }
}

int rn_unusual_order(struct rn_model *model, const char *order,
                     struct rn_error *err)
{
    struct rn_preprocessing *pre = &model->preprocessing;
    const struct rn_shape *in = &model->spec.input;
    bool was = pre->bgr, bgr = order && strcmp(order, "bgr") == 0;

    if (!order)
        return RN_OK;
    if (!bgr && strcmp(order, "rgb") != 0)
        return rn_fail(err, RN_ERR_ARG,
                       "order of channels '%.20s', expected rgb or bgr", order);
    if (in->c != 3)
        return rn_fail(err, RN_ERR_ARG,
                       "an order of channels, but the network takes %d of them",
                       in->c);
    int rc = rn_model_set_bgr(model, bgr, err);
    if (rc || bgr == was || !pre->mean)
        return rc;
    size_t plane = pre->per_pixel ? rn_shape_pixels(*in) : 1;
    swap(pre->mean, pre->mean + 2 * plane, plane);
    swap(pre->std, pre->std + 2, 1);
    return RN_OK;
}

int rn_unusual_refuse(const char *path, const struct rn_import_options *o,
                      struct rn_error *err)
{
    const char *given = o->stem_stride  ? "a stem's stride"
                        : o->stem_pool  ? "a stem's pool"
                        : o->activation ? "an activation"
                        : o->eps        ? "an eps"
                                        : NULL;

    if (!given)
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG,
                   "'%.200s' says itself what its layers are, but %s was given",
                   path, given);
}
