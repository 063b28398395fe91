/* SPDX-License-Identifier: BSD-2-Clause */
/* Networks in 8 bits: what scales and zero points may be, and weights. */
#include "graph/quantization.h"

#include "graph/operation.h"

#include <math.h>
#include <string.h>

size_t rn_graph_quantized(const struct rn_graph *g)
{
    size_t count = 0;

    for (size_t i = 0; i < g->n_params; i++)
        count += g->params[i].scales != NULL;
    return count;
}

bool rn_graph_is_quantized(const struct rn_graph *g)
{
    return rn_graph_quantized(g) > 0;
}

/* Largest block of channels, and the least of pixels that first convolutions
 * read: their strides divide it. */
enum { BLOCK = 16, IMAGE_PIXELS = 2 };

bool rn_graph_takes_bytes(const struct rn_graph *g, size_t node)
{
    const struct rn_node *n = &g->nodes[node];
    const struct rn_window *w = &n->window;
    const struct rn_node *in;
    double plane, stride = w->stride;

    if (n->op != RN_OP_CONV && n->op != RN_OP_LINEAR)
        return false;
    in = &g->nodes[n->input[0]];
    if (n->op == RN_OP_LINEAR)
        return rn_shape_size(in->shape) <= RN_INT8_DEPTH;
    plane = ((double)n->shape.h + w->kh) * ((double)n->shape.w + w->kw) *
            stride * stride * BLOCK;
    return n->groups <= 1 && rn_window_regular(w) &&
           (double)in->shape.c * w->kh * w->kw <= RN_INT8_DEPTH &&
           plane <= INT32_MAX &&
           (in->op != RN_OP_INPUT || IMAGE_PIXELS % w->stride == 0);
}

bool rn_node_keeps_quant(const struct rn_node *n)
{
    return n->op == RN_OP_MAX_POOL || n->op == RN_OP_SUBSAMPLE_PAD ||
           rn_operation_of(n->op)->idle;
}

const char *rn_scale_fault(float scale)
{
    if (!isfinite(scale) || !isfinite(255.0f * scale))
        return "a scale that is not finite";
    if (scale <= 0)
        return scale < 0 ? "a negative scale" : "a scale of zero";
    return isnormal(scale) ? NULL : "a scale too small for float32";
}

const char *rn_quant_fault(struct rn_quant q)
{
    const char *fault = rn_scale_fault(q.scale);

    if (!fault && (q.zero < 0 || q.zero > 255))
        fault = "a zero point outside 0..255";
    return fault;
}

int rn_quant_number(float weight, float scale)
{
    float q = rintf(weight / scale);

    return q < RN_QUANT_LEAST  ? RN_QUANT_LEAST
           : q > RN_QUANT_MOST ? RN_QUANT_MOST
                               : (int)q;
}

int rn_graph_quantize_param(struct rn_graph *g, size_t param,
                            const float *scales, struct rn_error *err)
{
    struct rn_param *p = &g->params[param];
    size_t row = p->count / p->dim[0];

    for (size_t o = 0; o < p->dim[0]; o++)
        if (rn_scale_fault(scales[o]))
            return rn_fail(
                err, RN_ERR_ARG, "output channel %zu of %.100s has %s (%g)", o,
                p->name, rn_scale_fault(scales[o]), (double)scales[o]);
    if (!p->scales)
        p->scales = rn_slab_alloc(&g->values, p->dim[0], sizeof(*p->scales));
    if (!p->scales)
        return rn_fail_memory(err, p->dim[0] * sizeof(*p->scales),
                              "scales of weights");
    memcpy(p->scales, scales, p->dim[0] * sizeof(*scales));
    for (size_t i = 0; i < p->count; i++) {
        float scale = scales[i / row];

        p->data[i] = (float)rn_quant_number(p->data[i], scale) * scale;
    }
    return RN_OK;
}
