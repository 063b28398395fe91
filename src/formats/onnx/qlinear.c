/* SPDX-License-Identifier: BSD-2-Clause */
/* Operators on quantised numbers, as ONNX Runtime's static quantiser writes
 * them: each is the operator of the plain name between pairs, and is read as
 * that one. Of what it reads a number, its scale and its zero point stand
 * beside each other. */
#include "formats/onnx/layers.h"

#include "core/count.h"
#include "core/memory.h"
#include "graph/quantization.h"

#include <string.h>

enum { NONE = -1 };

static const struct qlinear {
    const char *op;
    rn_onnx_operator *read;
    int operands; /* 0: all there are, behind scale and zero of the output */
    int bias;     /* inputs: integers that are worth a product of the first
                     two scales each; */
    int y;        /* the output's scale, its zero point behind it */
} qlinears[] = {
    {"QLinearConv", rn_onnx_read_conv, 2, 8, 6},
    {"QLinearMatMul", rn_onnx_read_matmul, 2, NONE, 6},
    {"QGemm", rn_onnx_read_gemm, 2, 6, 7},
    {"QLinearAdd", rn_onnx_read_add, 2, NONE, 6},
    {"QLinearMul", rn_onnx_read_mul, 2, NONE, 6},
    {"QLinearConcat", rn_onnx_read_concat, 0, NONE, 0},
    {"QLinearSigmoid", rn_onnx_read_sigmoid, 1, NONE, 3},
    {"QLinearLeakyRelu", rn_onnx_read_leaky_relu, 1, NONE, 3},
    {"QLinearSoftmax", rn_onnx_read_softmax, 1, NONE, 3},
    {"QLinearAveragePool", rn_onnx_read_average_pool, 1, NONE, 3},
    {"QLinearGlobalAveragePool", rn_onnx_read_global_average, 1, NONE, 3},
};

static const struct qlinear *find(struct rn_pb op)
{
    for (size_t i = 0; i < COUNT(qlinears); i++)
        if (rn_pb_is(op, qlinears[i].op))
            return &qlinears[i];
    return NULL;
}

bool rn_onnx_is_qlinear(struct rn_pb op)
{
    return find(op) != NULL;
}

bool rn_onnx_is_quantized(struct rn_pb op)
{
    return rn_onnx_is_qlinear(op) || rn_pb_is(op, "QuantizeLinear") ||
           rn_pb_is(op, "DequantizeLinear");
}

/* An operator read as the plain one: the values that it reads are floats in
 * the meantime. */
struct plain {
    const struct qlinear *kind;
    struct rn_onnx_node node;
    uint32_t n;
    uint32_t *ids;                        /* values read */
    struct rn_onnx_value *saved, *floats; /* what they are otherwise */
};

/* Where weights have the dimension of the outputs; any where scales are one. */
static int64_t axis_of(struct rn_onnx_import *in, const struct qlinear *q)
{
    if (q->read == rn_onnx_read_gemm)
        return rn_onnx_int(in, "transB", 0) ? 0 : 1;
    return q->read == rn_onnx_read_matmul ? 1 : 0;
}

/* The k-th of what it computes with, at the input `at`. */
static int take_operand(struct rn_onnx_import *in, struct plain *p, uint32_t at)
{
    int rc = rn_onnx_dequantize(in, at, at + 1, at + 2, axis_of(in, p->kind),
                                &p->floats[p->n]);

    if (!rc)
        p->ids[p->n++] = in->inputs[at];
    return rc;
}

/* A whole number is worth the product of the first operands' scales. */
static int take_bias(struct rn_onnx_import *in, struct plain *p, uint32_t at)
{
    const struct rn_onnx_value *v = rn_onnx_input(in, at);
    const struct rn_onnx_value *units = rn_onnx_input(in, 4);
    float unit;

    if (!v)
        return RN_OK;
    if (!v->stored || v->stored->dtype != RN_I32 || v->dims > 1 ||
        (units->count != 1 && units->count != v->count))
        return rn_onnx_fail(in,
                            "has as bias '%.*s' something else than 32-bit "
                            "integers, one for each of its channels",
                            RN_PB_SHOW(in->file->names[in->inputs[at]]));
    float *made = rn_onnx_make(in, v->count);
    float *each = made ? rn_onnx_make(in, units->count) : NULL;
    if (!each)
        return in->err->code;
    int rc = rn_onnx_load(in, rn_onnx_input(in, 1), &unit);
    if (!rc)
        rc = rn_onnx_load(in, units, each);
    if (!rc)
        rc = rn_onnx_load(in, v, made);
    for (uint64_t i = 0; i < v->count && !rc; i++)
        made[i] *= unit * each[units->count == 1 ? 0 : i];
    p->floats[p->n] = (struct rn_onnx_value){.kind = RN_ONNX_NUMBERS,
                                             .dims = v->dims,
                                             .dim = {v->count},
                                             .count = v->count,
                                             .made = made};
    p->ids[p->n++] = in->inputs[at];
    return rc;
}

static int take_operands(struct rn_onnx_import *in, struct plain *p)
{
    const struct qlinear *q = p->kind;
    uint32_t inputs = in->node->inputs, first = q->operands ? 0 : 2;
    uint32_t n = q->operands ? (uint32_t)q->operands : (inputs - first) / 3;
    uint32_t most = (uint32_t)(q->bias > q->y + 1 ? q->bias : q->y + 1) + 1;
    int rc = RN_OK;

    if (q->operands ? inputs > most : inputs != 2 + 3 * n)
        return rn_onnx_fail(in, "has %u inputs", inputs);
    if (rn_onnx_int(in, "channels_last", 0))
        return rn_onnx_fail(in, "has its channels last");
    if (rn_onnx_float(in, "alpha", 1) != 1 && q->read == rn_onnx_read_gemm)
        return rn_onnx_fail(in, "has the factor %g as 'alpha', expected 1",
                            (double)rn_onnx_float(in, "alpha", 1));
    for (uint32_t k = 0; k < n && !rc; k++)
        rc = take_operand(in, p, first + 3 * k);
    if (!rc && q->bias != NONE)
        rc = take_bias(in, p, (uint32_t)q->bias);
    return rc;
}

/* Put floats in the places of what it reads, or back; one may be there twice.
 */
static void swap(struct rn_onnx_import *in, struct plain *p, bool floats)
{
    for (uint32_t k = 0; k < p->n && floats; k++) {
        p->saved[k] = in->values[p->ids[k]];
        in->values[p->ids[k]] = p->floats[k];
    }
    for (uint32_t k = p->n; k-- > 0 && !floats;)
        in->values[p->ids[k]] = p->saved[k];
}

/* The plain operator's output, rounded where there is a scale for it (QGemm's
 * may be left out). */
static int round_output(struct rn_onnx_import *in, const struct qlinear *q)
{
    uint32_t value = in->file->ends[in->node->first_output], y = (uint32_t)q->y;
    struct rn_onnx_value out;

    if (!rn_onnx_input(in, y) && q->read == rn_onnx_read_gemm)
        return RN_OK;
    if (value == RN_ONNX_NONE || in->values[value].kind != RN_ONNX_PICTURE)
        return rn_onnx_fail(in, "computes nothing of a picture");
    int rc = rn_onnx_settle(in, &in->values[value]);
    if (!rc)
        rc = rn_onnx_quantize(in, &in->values[value], y, y + 1, &out);
    if (!rc)
        rn_onnx_output(in, &out);
    return rc;
}

static int read_plain(struct rn_onnx_import *in, struct plain *p)
{
    const struct rn_onnx_node *node = in->node;
    const uint32_t *inputs = in->inputs;
    int rc = take_operands(in, p);

    if (rc)
        return rc;
    p->node = *node;
    p->node.inputs = p->n;
    swap(in, p, true);
    in->node = &p->node;
    in->inputs = p->ids;
    rc = p->kind->read(in);
    swap(in, p, false);
    in->node = node;
    in->inputs = inputs;
    return rc ? rc : round_output(in, p->kind);
}

int rn_onnx_read_qlinear(struct rn_onnx_import *in)
{
    struct plain p = {.kind = find(in->node->op)};
    size_t most = in->node->inputs;

    if (in->node->outputs != 1 || in->node->inputs < 3)
        return rn_onnx_fail(in, "has %u inputs and %u outputs",
                            in->node->inputs, in->node->outputs);
    p.ids = rn_alloc(most, sizeof(*p.ids));
    p.saved = rn_alloc(most, sizeof(*p.saved));
    p.floats = rn_alloc(most, sizeof(*p.floats));
    int rc = p.ids && p.saved && p.floats
                 ? read_plain(in, &p)
                 : rn_fail_memory(in->err, most * sizeof(*p.saved), "inputs");
    rn_free(p.ids);
    rn_free(p.saved);
    rn_free(p.floats);
    return rc;
}
