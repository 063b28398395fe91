/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers of few bits: QuantizeLinear and DequantizeLinear. Constants become
 * the floats they stand for, and keep their scales where these are a layer's
 * weights in 8 bits. A pair around a picture becomes a layer that rounds, as it
 * does more than that: it cuts off what the numbers do not hold, and so stands
 * for ReLUs that were left out. rounding.c makes scales of values of them. */
#include "formats/onnx/import.h"

#include "core/count.h"
#include "formats/onnx/layers.h"
#include "graph/quantization.h"

#include <math.h>
#include <string.h>

/* What a type of numbers holds. */
static const struct range {
    enum rn_dtype type;
    float low, high;
} ranges[] = {
    {RN_U8, 0, 255},
    {RN_I8, -128, 127},
    {RN_U16, 0, 65535},
    {RN_I16, -32768, 32767},
};

/* Scales and zero points, as many of the one as of the other. */
struct scales {
    uint64_t count;
    const float *units, *zeros;
    enum rn_dtype type; /* of the zero points, RN_U8 where there are none, */
    bool typed;         /* which this tells */
};

static struct rn_pb name_of(const struct rn_onnx_import *in, uint32_t i)
{
    return in->file->names[in->inputs[i]];
}

static const struct range *range_of(enum rn_dtype type)
{
    for (size_t i = 0; i < COUNT(ranges); i++)
        if (ranges[i].type == type)
            return &ranges[i];
    return NULL;
}

static bool is_integer(enum rn_dtype type)
{
    return type == RN_I32 || range_of(type) != NULL;
}

/* One number, or a list of them. */
static bool is_vector(const struct rn_onnx_value *v)
{
    return v->kind != RN_ONNX_PICTURE && v->dims <= 1 && v->count > 0;
}

static int load_units(struct rn_onnx_import *in, uint32_t i, struct scales *s)
{
    const struct rn_onnx_value *v = rn_onnx_input(in, i);

    if (!v)
        return rn_onnx_fail(in, "has no scale");
    if (!is_vector(v) || v->kind != RN_ONNX_NUMBERS ||
        (v->stored && is_integer(v->stored->dtype)))
        return rn_onnx_fail(in,
                            "has as scale '%.*s' something else than a "
                            "constant of floats, one or a list",
                            RN_PB_SHOW(name_of(in, i)));
    float *units = rn_onnx_make(in, v->count);
    if (!units)
        return in->err->code;
    int rc = rn_onnx_load(in, v, units);
    for (uint64_t k = 0; k < v->count && !rc; k++)
        if (rn_scale_fault(units[k]))
            rc = rn_onnx_fail(in, "has in '%.*s' %s (%g, number %llu)",
                              RN_PB_SHOW(name_of(in, i)),
                              rn_scale_fault(units[k]), (double)units[k],
                              (unsigned long long)k);
    s->count = v->count;
    s->units = units;
    return rc;
}

static int check_zeros(struct rn_onnx_import *in, uint32_t i,
                       const struct rn_onnx_value *v, const struct scales *s)
{
    if (!v->stored || !is_vector(v) || !is_integer(v->stored->dtype))
        return rn_onnx_fail(in,
                            "has as zero point '%.*s' something else than a "
                            "constant of integers, one or a list",
                            RN_PB_SHOW(name_of(in, i)));
    return v->count == s->count
               ? RN_OK
               : rn_onnx_fail(
                     in, "has %llu zero points '%.*s', but %llu scales",
                     (unsigned long long)v->count, RN_PB_SHOW(name_of(in, i)),
                     (unsigned long long)s->count);
}

static int load_zeros(struct rn_onnx_import *in, uint32_t i, struct scales *s)
{
    const struct rn_onnx_value *v = rn_onnx_input(in, i);
    float *zeros = rn_onnx_make(in, s->count);

    if (!zeros)
        return in->err->code;
    s->zeros = zeros; /* 0 */
    s->type = RN_U8;
    s->typed = v != NULL;
    if (!v)
        return RN_OK;
    int rc = check_zeros(in, i, v, s);
    if (!rc)
        rc = rn_onnx_load(in, v, zeros);
    if (!rc)
        s->type = v->stored->dtype;
    return rc;
}

static int load_scales(struct rn_onnx_import *in, uint32_t scale, uint32_t zero,
                       struct scales *s)
{
    int rc = rn_onnx_int(in, "block_size", 0)
                 ? rn_onnx_fail(in, "has scales of blocks")
                 : load_units(in, scale, s);

    return rc ? rc : load_zeros(in, zero, s);
}

/* The one of a picture. */
static int picture_scale(struct rn_onnx_import *in, uint32_t scale,
                         uint32_t zero, struct scales *s)
{
    int rc = load_scales(in, scale, zero, s);

    if (!rc && s->count != 1)
        rc = rn_onnx_fail(
            in,
            "has in '%.*s' a scale for each of %llu channels of a "
            "picture, expected one",
            RN_PB_SHOW(name_of(in, scale)), (unsigned long long)s->count);
    return rc;
}

/* ----------------------------------------------------------------- pictures */

/* What a node of that operation on that input makes is there already. */
static int find_same(const struct rn_graph *g, int input,
                     const struct scales *s, const struct range *r)
{
    for (size_t i = (size_t)input; i < g->n_nodes; i++) {
        const struct rn_node *n = &g->nodes[i];

        if (n->op == RN_OP_QUANTIZE && n->a == s->units[0] &&
            n->b == s->zeros[0] && n->low == r->low && n->high == r->high &&
            ((int)i == input || n->input[0] == input))
            return (int)i;
    }
    return -1;
}

int rn_onnx_quantize(struct rn_onnx_import *in,
                     const struct rn_onnx_value *picture, uint32_t scale,
                     uint32_t zero, struct rn_onnx_value *out)
{
    const struct range *range;
    char name[RN_IMPORT_NAME];
    struct scales s;
    int rc = picture_scale(in, scale, zero, &s);

    if (rc)
        return rc;
    range = range_of(s.type);
    if (!range)
        return rn_onnx_fail(in,
                            "makes numbers of type %s, as its zero point "
                            "'%.*s' is of",
                            rn_dtype_name(s.type),
                            RN_PB_SHOW(name_of(in, zero)));
    int node = find_same(in->g, picture->node, &s, range);
    if (node < 0)
        node = rn_graph_quantize(in->g, picture->node,
                                 rn_onnx_name(in, UINT32_MAX, name), s.units[0],
                                 s.zeros[0], range->low, range->high);
    rc = rn_onnx_node_value(in, node, picture, out);
    if (rc)
        return rc;
    /* A byte with a sign is 128 less than ours. */
    if (s.type == RN_U8 || s.type == RN_I8)
        in->g->nodes[node].quant =
            (struct rn_quant){s.units[0], (int)(s.zeros[0] - range->low)};
    out->quantized = true;
    out->type = s.type;
    out->unit = s.units[0];
    out->zero = s.zeros[0];
    return RN_OK;
}

/* A picture that has been rounded already, as floats. */
static int dequantize_picture(struct rn_onnx_import *in,
                              const struct rn_onnx_value *v, uint32_t scale,
                              uint32_t zero, struct rn_onnx_value *out)
{
    struct scales s;
    int rc =
        v->quantized ? RN_OK : rn_onnx_fail(in, "reads what was not quantised");

    if (!rc)
        rc = picture_scale(in, scale, zero, &s);
    if (rc)
        return rc;
    if (s.typed && s.type != v->type)
        return rn_onnx_fail(in,
                            "has as zero point '%.*s' one of type %s, but "
                            "reads numbers of type %s",
                            RN_PB_SHOW(name_of(in, zero)),
                            rn_dtype_name(s.type), rn_dtype_name(v->type));
    if (s.units[0] != v->unit || s.zeros[0] != v->zero)
        return rn_onnx_fail(in,
                            "has scale %g and zero %g in '%.*s', but %g and %g "
                            "before it",
                            (double)s.units[0], (double)s.zeros[0],
                            RN_PB_SHOW(name_of(in, scale)), (double)v->unit,
                            (double)v->zero);
    *out = *v;
    out->quantized = false;
    return RN_OK;
}

/* ---------------------------------------------------------------- constants */

/* Whether there are as many scales as channels, how many numbers follow each
 * other that have the same. */
static int check_axis(struct rn_onnx_import *in, uint32_t scale,
                      const struct rn_onnx_value *v, const struct scales *s,
                      int64_t axis, uint64_t *run)
{
    int64_t place = axis < 0 ? axis + v->dims : axis;

    *run = v->count;
    if (s->count == 1)
        return RN_OK;
    if (place < 0 || place >= v->dims)
        return rn_onnx_fail(in,
                            "has the scales '%.*s' along dimension %lld of "
                            "numbers of %d dimensions",
                            RN_PB_SHOW(name_of(in, scale)), (long long)axis,
                            v->dims);
    if (v->dim[place] != s->count)
        return rn_onnx_fail(in, "has %llu scales '%.*s' for %llu channels",
                            (unsigned long long)s->count,
                            RN_PB_SHOW(name_of(in, scale)),
                            (unsigned long long)v->dim[place]);
    *run = 1;
    for (int i = (int)place + 1; i < v->dims; i++)
        *run *= v->dim[i]; /* no overflow: a part of v->count */
    return RN_OK;
}

static int check_type(struct rn_onnx_import *in, uint32_t zero,
                      enum rn_dtype type, const struct scales *s)
{
    if (s->typed && s->type != type)
        return rn_onnx_fail(in,
                            "has as zero point '%.*s' one of type %s, but "
                            "reads numbers of type %s",
                            RN_PB_SHOW(name_of(in, zero)),
                            rn_dtype_name(s->type), rn_dtype_name(type));
    for (uint64_t k = 0; k < s->count && type == RN_I32; k++)
        if (s->zeros[k] != 0)
            return rn_onnx_fail(in,
                                "has in '%.*s' the zero point %g of numbers of "
                                "32 bits, expected 0",
                                RN_PB_SHOW(name_of(in, zero)),
                                (double)s->zeros[k]);
    return RN_OK;
}

/* Floats of whole numbers; tells whether these, less their zero points, are
 * those of weights in 8 bits. */
static bool scale_numbers(float *numbers, uint64_t count, uint64_t run,
                          const struct scales *s)
{
    bool bytes = true;

    for (uint64_t i = 0; i < count; i++) {
        uint64_t k = i / run % s->count;
        float number = numbers[i] - s->zeros[k];

        bytes &= number >= RN_QUANT_LEAST && number <= RN_QUANT_MOST;
        numbers[i] = number * s->units[k];
    }
    return bytes;
}

static int dequantize_constant(struct rn_onnx_import *in,
                               const struct rn_onnx_value *v, uint32_t scale,
                               uint32_t zero, int64_t axis,
                               struct rn_onnx_value *out)
{
    enum rn_dtype type = v->stored ? v->stored->dtype : v->type;
    struct scales s;
    uint64_t run;
    int rc = load_scales(in, scale, zero, &s);

    if (!rc)
        rc = check_type(in, zero, type, &s);
    if (!rc)
        rc = check_axis(in, scale, v, &s, axis, &run);
    float *made = rc ? NULL : rn_onnx_make(in, v->count);
    if (!made)
        return rc ? rc : in->err->code;
    rc = rn_onnx_load(in, v, made);
    if (rc)
        return rc;
    *out = (struct rn_onnx_value){.kind = RN_ONNX_NUMBERS,
                                  .dims = v->dims,
                                  .count = v->count,
                                  .made = made};
    memcpy(out->dim, v->dim, sizeof(out->dim));
    if (!scale_numbers(made, v->count, run, &s) ||
        (type != RN_I8 && type != RN_U8))
        return RN_OK;
    out->scales = s.units;
    out->n_scales = s.count;
    out->axis = (int)(axis < 0 ? axis + v->dims : axis);
    return RN_OK;
}

/* Constants as whole numbers, which DequantizeLinear reads. */
static int quantize_constant(struct rn_onnx_import *in,
                             const struct rn_onnx_value *v)
{
    struct rn_onnx_value out = {.kind = RN_ONNX_NUMBERS,
                                .dims = v->dims,
                                .count = v->count,
                                .quantized = true};
    const struct range *range;
    struct scales s;
    uint64_t run;
    int rc = load_scales(in, 1, 2, &s);

    if (!rc)
        rc = check_axis(in, 1, v, &s, rn_onnx_int(in, "axis", 1), &run);
    if (rc)
        return rc;
    range = range_of(s.type);
    if (!range)
        return rn_onnx_fail(in, "makes numbers of type %s",
                            rn_dtype_name(s.type));
    float *made = rn_onnx_make(in, v->count);
    if (!made || rn_onnx_load(in, v, made))
        return in->err->code;
    for (uint64_t i = 0; i < v->count; i++) {
        uint64_t k = i / run % s.count;
        float q = rintf(made[i] / s.units[k]) + s.zeros[k];

        made[i] = fminf(fmaxf(q, range->low), range->high);
    }
    memcpy(out.dim, v->dim, sizeof(out.dim));
    out.made = made;
    out.type = s.type;
    rn_onnx_output(in, &out);
    return RN_OK;
}

int rn_onnx_take_scales(struct rn_onnx_import *in, int node,
                        const struct rn_onnx_value *weights, int outs)
{
    int param = in->g->nodes[node].param[RN_P_WEIGHT];
    size_t count = in->g->params[param].dim[0];
    struct rn_error why = {0};

    if (!weights->scales ||
        (weights->n_scales != 1 &&
         (weights->axis != outs || weights->n_scales != count)))
        return RN_OK; /* they compute as floats */
    float *each = rn_onnx_make(in, count);
    if (!each)
        return in->err->code;
    for (size_t i = 0; i < count; i++)
        each[i] = weights->scales[weights->n_scales == 1 ? 0 : i];
    int rc = rn_graph_quantize_param(in->g, (size_t)param, each, &why);
    if (rc == RN_ERR_MEMORY)
        return rn_fail(in->err, rc, "%s", why.msg);
    return rc ? rn_onnx_fail(in, "makes no weights: %.200s", why.msg) : RN_OK;
}

/* ---------------------------------------------------------------- operators */

int rn_onnx_dequantize(struct rn_onnx_import *in, uint32_t i, uint32_t scale,
                       uint32_t zero, int64_t axis, struct rn_onnx_value *out)
{
    const struct rn_onnx_value *v = rn_onnx_input(in, i);

    if (!v)
        return rn_onnx_fail(in, "reads nothing as input %u", i + 1);
    if (v->kind == RN_ONNX_PICTURE)
        return dequantize_picture(in, v, scale, zero, out);
    /* lists that operators made are of sizes */
    if (!v->quantized && !(v->stored && is_integer(v->stored->dtype)))
        return rn_onnx_fail(in,
                            "reads as quantised numbers '%.*s', which are none",
                            RN_PB_SHOW(name_of(in, i)));
    return dequantize_constant(in, v, scale, zero, axis, out);
}

int rn_onnx_read_quantize(struct rn_onnx_import *in)
{
    struct rn_onnx_value *v = rn_onnx_input(in, 0), out;

    if (rn_onnx_has(in, "output_dtype"))
        return rn_onnx_fail(in, "quantises to a type it names, expected that "
                                "of its zero point");
    if (v && v->kind == RN_ONNX_NUMBERS && !v->quantized)
        return quantize_constant(in, v);
    int rc = rn_onnx_any_layout(in, 0, &v);
    if (!rc)
        rc = rn_onnx_quantize(in, v, 1, 2, &out);
    if (!rc)
        rn_onnx_output(in, &out);
    return rc;
}

int rn_onnx_read_dequantize(struct rn_onnx_import *in)
{
    struct rn_onnx_value out;
    int rc = rn_onnx_dequantize(in, 0, 1, 2, rn_onnx_int(in, "axis", 1), &out);

    if (!rc)
        rn_onnx_output(in, &out);
    return rc;
}
