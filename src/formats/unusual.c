/* SPDX-License-Identifier: BSD-2-Clause */
/* Applies what the caller says of stem, activation, eps and order of channels.
 */
#include "formats/unusual.h"

#include "core/option.h"

#include <assert.h>
#include <string.h>

void rn_unusual_spec(struct rn_net_spec *spec,
                     const struct rn_import_options *o)
{
    int word;

    /* The table of options, or config.c, lets no other words through. */
    if (o->stem_pool) {
        word = rn_option_word(RN_STEM_POOL_WORDS, o->stem_pool);
        assert(word >= 0);
        spec->stem_pool = (enum rn_stem_pool)(RN_STEM_POOL_NONE + word);
    }
    if (o->activation) {
        word = rn_option_word(RN_ACTIVATION_WORDS, o->activation);
        assert(word >= 0);
        spec->activation = (enum rn_activation)word;
    }
    spec->stem_stride = o->stem_stride;
}

int rn_unusual_eps(struct rn_graph *g, double eps, struct rn_error *err)
{
    size_t norms = 0;

    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct rn_node *n = &g->nodes[i];

        if (n->op != RN_OP_BATCH_NORM)
            continue;
        norms++;
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
    return norms ? RN_OK
                 : rn_fail(err, RN_ERR_ARG,
                           "an eps of batch norms, of which the network has "
                           "none");
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
    if (in->c != 3)
        return rn_fail(err, RN_ERR_ARG,
                       "an order of channels, but the network takes %d of them",
                       in->c);
    if (pre->whitening && bgr != was)
        return rn_fail(err, RN_ERR_ARG,
                       "another order of channels, but the model's images are "
                       "whitened in the order it was trained with");
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
