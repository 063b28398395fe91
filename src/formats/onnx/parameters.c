/* SPDX-License-Identifier: BSD-2-Clause */
/* Parameters of layers, and the constants they are filled from. */
#include "formats/onnx/layers.h"

struct rn_param *rn_onnx_param(struct rn_onnx_import *in, int node, int place)
{
    return &in->g->params[in->g->nodes[node].param[place]];
}

void rn_onnx_fill(struct rn_param *p, float value)
{
    for (size_t i = 0; i < p->count; i++)
        p->data[i] = value;
}

/* Whether a constant is a list of so many numbers, one a channel: its last
 * dimension is all of it. Along another they would be of images. */
bool rn_onnx_is_vector(const struct rn_onnx_value *v, int count)
{
    return v && v->kind == RN_ONNX_NUMBERS && v->count == (uint64_t)count &&
           (v->count == 1 || v->dim[v->dims - 1] == v->count);
}

/* Numbers of input i, one a channel, into a parameter; without the input
 * `otherwise` throughout. It has been checked. */
int rn_onnx_load_vector(struct rn_onnx_import *in, uint32_t i,
                        struct rn_param *p, float otherwise)
{
    const struct rn_onnx_value *v = rn_onnx_input(in, i);

    if (v)
        return rn_onnx_load(in, v, p->data);
    rn_onnx_fill(p, otherwise);
    return RN_OK;
}

int rn_onnx_check_vector(struct rn_onnx_import *in, uint32_t i, int count)
{
    const struct rn_onnx_value *v = rn_onnx_input(in, i);

    return !v || rn_onnx_is_vector(v, count)
               ? rn_onnx_claim(in, (uint64_t)count)
               : rn_onnx_fail(in,
                              "has as input %u something else than the %d "
                              "numbers of its channels",
                              i + 1, count);
}
