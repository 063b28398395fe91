/* SPDX-License-Identifier: BSD-2-Clause */
/* Measures what quantising costs in accuracy, and leaves the costliest layers
 * in float32 where it is too much. */
#include "quantize/check.h"

#include "core/memory.h"
#include "eval/eval.h"

#include <stdlib.h>

static int on_check(void *user, int done, int images)
{
    const struct rn_quantizer *q = user;

    return q->o.progress ? q->o.progress(q->o.user, "check", done, images) : 0;
}

int rn_check_measure(struct rn_quantizer *q, struct rn_check *c, double *error)
{
    struct rn_eval_options o;
    struct rn_eval_result r;
    int rc;

    if (!c->possible)
        return RN_OK;
    rn_eval_defaults(&o);
    o.batch = q->o.batch;
    o.threads = q->o.threads;
    o.bind = q->o.bind;
    o.images = q->o.check;
    o.user = q;
    o.progress = on_check;
    rc = rn_eval(q->model, c->data, c->part, &o, &r, q->err);
    c->images = r.images;
    *error = r.several ? r.exact_error : r.top1_error;
    return rc;
}

bool rn_check_fails(const struct rn_quantizer *q, const struct rn_check *c)
{
    return c->possible && !(c->after - c->before <= q->o.max_drop);
}

static int by_cost(const void *a, const void *b)
{
    const struct rn_quantizer_layer *x = *(struct rn_quantizer_layer *const *)a;
    const struct rn_quantizer_layer *y = *(struct rn_quantizer_layer *const *)b;

    if (x->cost != y->cost)
        return x->cost < y->cost ? 1 : -1;
    return x < y ? -1 : x > y;
}

/* With the `count` costliest layers in float32. */
static int leave_out(struct rn_quantizer *q, struct rn_quantizer_layer **order,
                     size_t count, struct rn_check *c)
{
    for (size_t i = 0; i < q->n_layers; i++)
        rn_quantizer_turn(q, order[i], i >= count);
    return rn_check_measure(q, c, &c->after);
}

int rn_check_leave_out(struct rn_quantizer *q, struct rn_check *c)
{
    struct rn_quantizer_layer **order =
        rn_alloc(q->n_layers, sizeof(struct rn_quantizer_layer *));
    size_t enough = 1, few = 0;
    int rc = RN_OK;

    if (!order)
        return rn_quantizer_no_memory(
            q, q->n_layers * sizeof(struct rn_quantizer_layer *));
    for (size_t i = 0; i < q->n_layers; i++)
        order[i] = &q->layers[i];
    qsort(order, q->n_layers, sizeof(struct rn_quantizer_layer *), by_cost);
    for (; !rc && enough < q->n_layers; enough *= 2) {
        rc = leave_out(q, order, enough, c);
        if (!rc && !rn_check_fails(q, c))
            break;
        few = enough;
    }
    if (enough >= q->n_layers && !rc)
        rc = rn_fail(q->err, RN_ERR_DATA,
                     "the top-1 error grows by %.2f points, more than "
                     "`max_drop`, %.2f, with all but a few layers in float32",
                     c->after - c->before, q->o.max_drop);
    while (!rc && enough - few > 1) {
        size_t middle = (few + enough) / 2;

        rc = leave_out(q, order, middle, c);
        *(rn_check_fails(q, c) ? &few : &enough) = middle;
    }
    if (!rc)
        rc = leave_out(q, order, enough, c);
    rn_free(order);
    return rc;
}
