/* SPDX-License-Identifier: BSD-2-Clause */
/* Models whose numbers were rounded to eight bits, as pairs of QuantizeLinear
 * and DequantizeLinear around operators of floats. Constants become the floats
 * they stand for; a pair around a picture becomes a layer that rounds, as it
 * does more than that: it cuts off what eight bits do not hold, and so stands
 * for ReLUs that were left out. */
#include "formats/onnx/import.h"

#include <math.h>
#include <string.h>

/* What a type of numbers holds. */
struct range {
    float low, high;
};

static const struct range unsigned_byte = {0, 255}, signed_byte = {-128, 127};

/* Input 2, the number that stands for 0, and the type it is of. */
static int read_zero(struct rn_onnx_import *in, const struct range **range,
                     float *zero)
{
    const struct rn_onnx_value *v = rn_onnx_input(in, 2);

    *range = &unsigned_byte;
    *zero = 0;
    if (!v)
        return RN_OK;
    if (!v->stored || v->count != 1 ||
        (v->stored->dtype != RN_U8 && v->stored->dtype != RN_I8))
        return rn_onnx_fail(in, "has a zero that is no constant of one byte");
    if (v->stored->dtype == RN_I8)
        *range = &signed_byte;
    return rn_onnx_load(in, v, zero);
}

/* Input 1, when it is one number. */
static int read_unit(struct rn_onnx_import *in, float *unit)
{
    struct rn_onnx_value *v;
    int rc = rn_onnx_expect(in, 1, RN_ONNX_NUMBERS, &v);

    if (!rc && v->count != 1)
        rc = rn_onnx_fail(in,
                          "has a scale for each of %llu channels of a "
                          "picture, expected one",
                          (unsigned long long)v->count);
    if (!rc)
        rc = rn_onnx_load(in, v, unit);
    return rc || (isfinite(*unit) && *unit > 0)
               ? rc
               : rn_onnx_fail(in, "has scale %g", (double)*unit);
}

int rn_onnx_read_quantize(struct rn_onnx_import *in)
{
    struct rn_onnx_value *picture, out;
    const struct range *range;
    char name[RN_IMPORT_NAME];
    float unit, zero;
    int rc = rn_onnx_any_layout(in, 0, &picture);

    if (!rc &&
        (rn_onnx_has(in, "block_size") || rn_onnx_has(in, "output_dtype")))
        rc = rn_onnx_fail(in, "quantises in blocks, or to a type it names");
    if (!rc)
        rc = read_unit(in, &unit);
    if (!rc)
        rc = read_zero(in, &range, &zero);
    if (rc)
        return rc;
    int node = rn_graph_quantize(in->g, picture->node,
                                 rn_onnx_name(in, UINT32_MAX, name), unit, zero,
                                 range->low, range->high);
    rc = rn_onnx_node_value(in, node, picture, &out);
    out.quantized = true;
    out.unit = unit;
    out.zero = zero;
    if (!rc)
        rn_onnx_output(in, &out);
    return rc;
}

/* The second half of a pair: its layer has been built. */
static int end_pair(struct rn_onnx_import *in, const struct rn_onnx_value *v)
{
    struct rn_onnx_value out = *v;
    const struct range *range;
    float unit, zero;
    int rc =
        v->quantized ? RN_OK : rn_onnx_fail(in, "reads what was not quantised");

    if (!rc)
        rc = read_unit(in, &unit);
    if (!rc)
        rc = read_zero(in, &range, &zero);
    if (!rc && (unit != v->unit || zero != v->zero))
        rc = rn_onnx_fail(
            in, "has scale %g and zero %g, but %g and %g before it",
            (double)unit, (double)zero, (double)v->unit, (double)v->zero);
    out.quantized = false;
    if (!rc)
        rn_onnx_output(in, &out);
    return rc;
}

/* Scales, or zeros, of a constant: one, or one for each along an axis. */
static int load_each(struct rn_onnx_import *in, uint32_t i, uint64_t count,
                     float otherwise, float *out)
{
    const struct rn_onnx_value *v = rn_onnx_input(in, i);

    for (uint64_t k = 0; k < count && !v; k++)
        out[k] = otherwise;
    if (!v)
        return RN_OK;
    if (v->kind == RN_ONNX_PICTURE || (v->count != 1 && v->count != count))
        return rn_onnx_fail(in,
                            "has as input %u something else than a constant of "
                            "1 or %llu numbers",
                            i + 1, (unsigned long long)count);
    int rc = rn_onnx_load(in, v, out);
    for (uint64_t k = 1; k < count && v->count == 1 && !rc; k++)
        out[k] = out[0];
    return rc;
}

/* How many scales there may be, and how many numbers follow each other that
 * have the same. */
static int scale_axis(struct rn_onnx_import *in, const struct rn_onnx_value *v,
                      uint64_t *count, uint64_t *run)
{
    const struct rn_onnx_value *unit = rn_onnx_input(in, 1);
    int64_t axis = rn_onnx_int(in, "axis", 1);

    *count = 1;
    *run = v->count;
    if (!unit || unit->count == 1)
        return RN_OK;
    axis += axis < 0 ? v->dims : 0;
    if (rn_onnx_int(in, "block_size", 0) || axis < 0 || axis >= v->dims ||
        v->dim[axis] != unit->count || unit->dims != 1)
        return rn_onnx_fail(in, "has scales in blocks, or along a dimension of "
                                "another size");
    *count = unit->count;
    *run = 1;
    for (int i = (int)axis + 1; i < v->dims; i++)
        *run *= v->dim[i]; /* no overflow: a part of v->count */
    return RN_OK;
}

static int dequantize_constant(struct rn_onnx_import *in,
                               const struct rn_onnx_value *v)
{
    struct rn_onnx_value out = {
        .kind = RN_ONNX_NUMBERS, .dims = v->dims, .count = v->count};
    uint64_t count, run;
    int rc = scale_axis(in, v, &count, &run);
    float *made = rc ? NULL : rn_onnx_make(in, v->count);
    float *units = made ? rn_onnx_make(in, count) : NULL;
    float *zeros = units ? rn_onnx_make(in, count) : NULL;

    if (!zeros)
        return rc ? rc : in->err->code;
    rc = rn_onnx_load(in, v, made);
    if (!rc)
        rc = load_each(in, 1, count, 1, units);
    if (!rc)
        rc = load_each(in, 2, count, 0, zeros);
    for (uint64_t i = 0; i < v->count && !rc; i++) {
        uint64_t k = i / run % count;

        made[i] = (made[i] - zeros[k]) * units[k];
    }
    memcpy(out.dim, v->dim, sizeof(out.dim));
    out.made = made;
    if (!rc)
        rn_onnx_output(in, &out);
    return rc;
}

int rn_onnx_read_dequantize(struct rn_onnx_import *in)
{
    const struct rn_onnx_value *v = rn_onnx_input(in, 0);

    if (!v)
        return rn_onnx_fail(in, "reads nothing");
    if (v->kind == RN_ONNX_PICTURE)
        return end_pair(in, v);
    /* lists that operators made are of sizes */
    return v->stored ? dequantize_constant(in, v)
                     : rn_onnx_fail(in, "reads a constant that no tensor is");
}
