/* SPDX-License-Identifier: BSD-2-Clause */
/* Weights nothing can be computed with, found before they are. */
#include "model/file.h"

#include "core/faults.h"

#include <math.h>
#include <string.h>

#define BLOCK 4096 /* numbers looked at before a branch */

/* An exponent of ones is infinite or no number. Without a branch in the loop,
 * which is to cost no more than reading the memory. */
static bool any_bad(const float *values, size_t count)
{
    const uint32_t exponent = 0x7f800000;
    uint32_t bad = 0;

    for (size_t i = 0; i < count; i++) {
        uint32_t bits;

        memcpy(&bits, &values[i], sizeof(bits));
        bad |= (bits & exponent) == exponent;
    }
    return bad;
}

size_t rn_first_not_finite(const float *values, size_t count)
{
    for (size_t at = 0; at < count; at += BLOCK) {
        size_t n = count - at < BLOCK ? count - at : BLOCK;

        if (!any_bad(values + at, n))
            continue;
        while (isfinite(values[at]))
            at++;
        return at;
    }
    return count;
}

static void find_not_finite(const struct rn_param *p, struct rn_faults *faults)
{
    size_t first = rn_first_not_finite(p->data, p->count), bad = 0;

    for (size_t i = first; i < p->count; i++)
        bad += !isfinite(p->data[i]);
    if (bad > 0)
        rn_fault_add(
            faults, "%zu of %zu in %.50s, the first %g", bad, p->count, p->name,
            isnan(p->data[first]) ? (double)NAN : (double)p->data[first]);
}

/* A root is taken of variance and eps. */
static void find_negative(const struct rn_param *p, float eps,
                          struct rn_faults *faults)
{
    size_t first = p->count, bad = 0;

    for (size_t i = p->count; i-- > 0;)
        if (p->data[i] + eps <= 0) {
            first = i;
            bad++;
        }
    if (bad > 0)
        rn_fault_add(faults, "%zu of %zu in %.50s, the first %g", bad, p->count,
                     p->name, (double)p->data[first]);
}

int rn_model_check_numbers(const struct rn_model *model, struct rn_error *err)
{
    const struct rn_graph *g = model->graph;
    struct rn_faults not_finite = {0}, negative = {0};
    char text[440] = "";

    for (size_t i = 0; i < g->n_params; i++)
        find_not_finite(&g->params[i], &not_finite);
    for (size_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].op == RN_OP_BATCH_NORM)
            find_negative(&g->params[g->nodes[i].param[RN_P_VAR]],
                          g->nodes[i].eps, &negative);
    if (not_finite.count + negative.count == 0)
        return RN_OK;
    rn_faults_list(&not_finite,
                   not_finite.count == 1
                       ? "tensor has values that are not finite numbers"
                       : "tensors have values that are not finite numbers",
                   text, sizeof(text));
    rn_faults_list(&negative,
                   negative.count == 1
                       ? "tensor has variances that are not positive"
                       : "tensors have variances that are not positive",
                   text, sizeof(text));
    return rn_fail(err, RN_ERR_DATA, "'%.200s': %s",
                   model->path ? model->path : model->spec.name, text);
}
