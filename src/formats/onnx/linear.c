/* SPDX-License-Identifier: BSD-2-Clause */
/* Fully connected layers. */
#include "formats/onnx/layers.h"

#include "core/memory.h"

#include <string.h>

/* Weights as [outs][ins] from [ins][outs]. */
static int load_transposed(struct rn_onnx_import *in,
                           const struct rn_onnx_value *v, struct rn_param *p)
{
    size_t outs = p->dim[0], ins = p->dim[1];
    float *from = rn_alloc(p->count, sizeof(*from));

    if (!from)
        return rn_fail_memory(in->err, p->count * sizeof(*from), "weights");
    int rc = rn_onnx_load(in, v, from);
    for (size_t i = 0; i < ins && !rc; i++)
        for (size_t o = 0; o < outs; o++)
            p->data[o * ins + i] = from[i * outs + o];
    rn_free(from);
    return rc;
}

/* Rows of weights for numbers in the order [h][w][c] become those for
 * [c][h][w]. */
static int reorder_rows(struct rn_onnx_import *in, struct rn_param *p,
                        struct rn_shape s)
{
    size_t c = (size_t)s.c, pixels = rn_shape_pixels(s);
    float *row = rn_alloc(p->dim[1], sizeof(*row));

    if (!row)
        return rn_fail_memory(in->err, p->dim[1] * sizeof(*row), "weights");
    for (size_t o = 0; o < p->dim[0]; o++) {
        float *to = p->data + o * p->dim[1];

        memcpy(row, to, p->dim[1] * sizeof(*row));
        for (size_t k = 0; k < c; k++)
            for (size_t i = 0; i < pixels; i++)
                to[k * pixels + i] = row[i * c + k];
    }
    rn_free(row);
    return RN_OK;
}

struct linear {
    bool transposed; /* weights are [outs][ins], as ours */
    float alpha, beta;
    const struct rn_onnx_value *bias; /* or NULL */
};

static int load_linear(struct rn_onnx_import *in, int node,
                       const struct rn_onnx_value *weights,
                       const struct rn_onnx_value *list,
                       const struct linear *how)
{
    struct rn_param *w = rn_onnx_param(in, node, RN_P_WEIGHT);
    struct rn_param *b = rn_onnx_param(in, node, RN_P_BIAS);
    int rc = how->transposed ? rn_onnx_load(in, weights, w->data)
                             : load_transposed(in, weights, w);

    if (!rc && list->rows_first)
        rc = reorder_rows(in, w, rn_onnx_shape_of(in, list));
    for (size_t i = 0; i < w->count && how->alpha != 1 && !rc; i++)
        w->data[i] *= how->alpha;
    if (!rc && how->alpha == 1)
        rc = rn_onnx_take_scales(in, node, weights, how->transposed ? 0 : 1);
    if (rc || !how->bias)
        return rc;
    rc = rn_onnx_load(in, how->bias, b->data);
    if (!rc && how->bias->count == 1)
        rn_onnx_fill(b, b->data[0]);
    for (size_t i = 0; i < b->count && how->beta != 1 && !rc; i++)
        b->data[i] *= how->beta;
    return rc;
}

static int read_linear(struct rn_onnx_import *in, const struct linear *how)
{
    const struct rn_onnx_value list = {.flat = true};
    struct rn_onnx_value *picture, *weights;
    char name[RN_IMPORT_NAME];
    int rc = rn_onnx_any_layout(in, 0, &picture);

    if (!rc)
        rc = rn_onnx_expect(in, 1, RN_ONNX_NUMBERS, &weights);
    if (rc)
        return rc;
    struct rn_shape s = rn_onnx_shape_of(in, picture);
    uint64_t ins = rn_shape_size(s);
    uint64_t outs = weights->dim[how->transposed ? 0 : 1];
    if (!picture->flat || weights->dims != 2 ||
        weights->dim[how->transposed ? 1 : 0] != ins || outs < 1 ||
        outs > INT32_MAX)
        return rn_onnx_fail(in,
                            "multiplies %s %dx%dx%d with weights of %llu "
                            "x %llu",
                            picture->flat ? "a flat list of" : "a picture of",
                            s.c, s.h, s.w, (unsigned long long)weights->dim[0],
                            (unsigned long long)weights->dim[1]);
    if (how->bias && how->bias->count != 1 &&
        !rn_onnx_is_vector(how->bias, (int)outs))
        return rn_onnx_fail(in,
                            "has a bias that is not of %llu numbers, one an "
                            "output",
                            (unsigned long long)outs);
    rc = rn_onnx_claim(in, weights->count + outs);
    if (rc)
        return rc;
    int node = rn_graph_linear(in->g, picture->node, rn_onnx_name(in, 1, name),
                               (int)outs);
    rc = rn_onnx_output_node(in, node, &list);
    return rc ? rc : load_linear(in, node, weights, picture, how);
}

int rn_onnx_read_matmul(struct rn_onnx_import *in)
{
    const struct linear how = {.alpha = 1, .beta = 1};

    return read_linear(in, &how);
}

int rn_onnx_read_gemm(struct rn_onnx_import *in)
{
    struct linear how = {.transposed = rn_onnx_int(in, "transB", 0) != 0,
                         .alpha = rn_onnx_float(in, "alpha", 1),
                         .beta = rn_onnx_float(in, "beta", 1)};
    struct rn_onnx_value *bias = rn_onnx_input(in, 2);

    if (rn_onnx_int(in, "transA", 0))
        return rn_onnx_fail(in, "transposes what it reads");
    if (bias && bias->kind != RN_ONNX_NUMBERS)
        return rn_onnx_fail(in, "has a bias that is no constant");
    how.bias = bias;
    return read_linear(in, &how);
}
