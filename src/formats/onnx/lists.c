/* SPDX-License-Identifier: BSD-2-Clause */
/* Operators of constants and of lists of sizes, which compute nothing of a
 * picture. */
#include "formats/onnx/shapes.h"

#include "core/memory.h"
#include "formats/onnx/fields.h"

#include <string.h>

#define OUT_OF_LIST INT64_MAX

int rn_onnx_axis_of(int64_t axis, int dims)
{
    if (axis < 0)
        axis += dims;
    return axis >= 0 && axis < dims ? (int)axis : -1;
}

/* --------------------------------------------------------------- constants */

int rn_onnx_read_constant(struct rn_onnx_import *in)
{
    struct rn_onnx_attribute a;
    struct rn_onnx_value v = {.kind = RN_ONNX_NUMBERS, .count = 1};

    if (rn_onnx_attribute(in->node, "value_int", &a))
        return rn_onnx_output_list(in, 0, 1, &a.integer);
    if (rn_onnx_attribute(in->node, "value_ints", &a)) {
        int64_t list[RN_ONNX_INTEGERS];
        int n = rn_onnx_list(&a, list, RN_ONNX_INTEGERS);

        return n < 0 ? rn_onnx_fail(in, "has too many integers")
                     : rn_onnx_output_list(in, 1, (uint64_t)n, list);
    }
    if (rn_onnx_attribute(in->node, "value_float", &a)) {
        v.same = a.number;
        rn_onnx_output(in, &v);
        return RN_OK;
    }
    if (!rn_onnx_attribute(in->node, "value", &a) || !a.text.at)
        return rn_onnx_fail(in, "has no value of a kind that is read");
    struct rn_onnx_tensor *t = rn_slab_alloc(&in->made, 1, sizeof(*t));
    if (!t)
        return rn_fail_memory(in->err, sizeof(*t), "a tensor");
    int rc = rn_onnx_tensor(in->file, a.text, t, in->err);
    if (rc)
        return rc;
    in->param_left += t->count;
    rc = rn_onnx_constant(in, t, &v);
    if (!rc)
        rn_onnx_output(in, &v);
    return rc;
}

/* Its number: a tensor of one; 0 without. */
static int filling(struct rn_onnx_import *in, struct rn_onnx_tensor *t,
                   float *number, int64_t *integer)
{
    struct rn_onnx_attribute a;

    *number = 0;
    *t = (struct rn_onnx_tensor){.dtype = RN_F32};
    if (!rn_onnx_attribute(in->node, "value", &a))
        return RN_OK;
    int rc = rn_onnx_tensor(in->file, a.text, t, in->err);
    if (!rc && t->count != 1)
        rc = rn_onnx_fail(in, "is not filled with one number");
    if (rc)
        return rc;
    return t->dtype == RN_I64 ? rn_onnx_integers(in->file, t, integer, in->err)
                              : rn_onnx_floats(in->file, t, number, in->err);
}

/* A list's numbers as sizes of a constant, all of them known. */
static int known_sizes(struct rn_onnx_import *in,
                       const struct rn_onnx_value *list,
                       struct rn_onnx_value *v)
{
    if (list->count > RN_TENSOR_DIMS)
        return rn_onnx_fail(in, "has more than 8 dimensions");
    for (; v->dims < (int)list->count; v->dims++) {
        int64_t size = list->list[v->dims];

        if (size < 0 ||
            __builtin_mul_overflow(v->count, (uint64_t)size, &v->count))
            return rn_onnx_fail(in, "has sizes that are not known or overflow");
        v->dim[v->dims] = (uint64_t)size;
    }
    return RN_OK;
}

static int make_list(struct rn_onnx_import *in, const struct rn_onnx_value *v,
                     int64_t integer)
{
    int64_t list[RN_ONNX_INTEGERS];

    if (v->count > RN_ONNX_INTEGERS)
        return rn_onnx_fail(in, "makes too many integers");
    for (uint64_t i = 0; i < v->count; i++)
        list[i] = integer;
    return rn_onnx_output_table(in, v, list);
}

int rn_onnx_read_constant_of_shape(struct rn_onnx_import *in)
{
    struct rn_onnx_value v = {.kind = RN_ONNX_NUMBERS, .count = 1}, *sizes;
    struct rn_onnx_tensor t;
    int64_t integer = 0;
    int rc = rn_onnx_expect(in, 0, RN_ONNX_LIST, &sizes);

    if (!rc)
        rc = filling(in, &t, &v.same, &integer);
    if (!rc)
        rc = known_sizes(in, sizes, &v);
    if (rc || t.dtype == RN_I64)
        return rc ? rc : make_list(in, &v, integer);
    if (v.count > in->made_left)
        return rn_onnx_fail(in, "makes %llu numbers, more than are allowed",
                            (unsigned long long)v.count);
    in->made_left -= v.count;
    rn_onnx_output(in, &v);
    return RN_OK;
}

/* ---------------------------------------------------------- lists of sizes */

int rn_onnx_sizes_of(const struct rn_onnx_import *in,
                     const struct rn_onnx_value *v, int64_t out[RN_TENSOR_DIMS])
{
    if (v->kind != RN_ONNX_PICTURE) {
        for (int i = 0; i < v->dims; i++)
            out[i] = (int64_t)v->dim[i];
        return v->dims;
    }
    struct rn_shape s = rn_onnx_shape_of(in, v);
    const int64_t all[RN_ONNX_DIMS] = {RN_ONNX_BATCH, s.c, s.h, s.w};
    const int64_t last[RN_ONNX_DIMS] = {RN_ONNX_BATCH, s.h, s.w, s.c};
    memcpy(out, v->rows_first ? last : all, sizeof(all));
    if (v->flat)
        out[1] = (int64_t)rn_shape_size(s);
    return v->flat ? 2 : RN_ONNX_DIMS;
}

int rn_onnx_settled_copy(struct rn_onnx_import *in, struct rn_onnx_value *out)
{
    const struct rn_onnx_value *v = rn_onnx_input(in, 0);

    if (!v)
        return rn_onnx_fail(in, "reads nothing");
    *out = *v;
    return v->kind == RN_ONNX_PICTURE && !v->quantized ? rn_onnx_settle(in, out)
                                                       : RN_OK;
}

static int64_t clamp(int64_t at, int64_t count)
{
    if (at < 0)
        at += count;
    return at < 0 ? 0 : at > count ? count : at;
}

/* Rows and columns of the picture that comes in may still change. */
static void mark_plane(struct rn_onnx_import *in,
                       const struct rn_onnx_value *of, int64_t first,
                       int64_t end)
{
    uint32_t made = in->file->ends[in->node->first_output];
    int64_t plane = of->flat || of->rows_first ? 1 : 2;

    if (of->kind == RN_ONNX_PICTURE && of->node == 0 && end > plane &&
        made != RN_ONNX_NONE)
        in->values[made].plane = 1 + (int)(first < plane ? plane - first : 0);
}

int rn_onnx_read_shape(struct rn_onnx_import *in)
{
    struct rn_onnx_value v;
    int64_t sizes[RN_TENSOR_DIMS];
    int rc = rn_onnx_settled_copy(in, &v);

    if (rc)
        return rc;
    int n = rn_onnx_sizes_of(in, &v, sizes);
    int64_t first = clamp(rn_onnx_int(in, "start", 0), n);
    int64_t end = clamp(rn_onnx_int(in, "end", n), n);
    rc = rn_onnx_output_list(in, 1, end > first ? (uint64_t)(end - first) : 0,
                             sizes + first);
    if (!rc)
        mark_plane(in, &v, first, end);
    return rc;
}

int rn_onnx_read_gather(struct rn_onnx_import *in)
{
    struct rn_onnx_value *list, *which;
    int64_t out[RN_ONNX_INTEGERS];
    int rc = rn_onnx_expect(in, 0, RN_ONNX_LIST, &list);

    if (!rc)
        rc = rn_onnx_expect(in, 1, RN_ONNX_LIST, &which);
    if (!rc && list->dims > 1)
        rc = rn_onnx_fail(in, "takes part of a table of integers");
    if (rc)
        return rc;
    for (uint64_t i = 0; i < which->count; i++) {
        int at = rn_onnx_axis_of(which->list[i], (int)list->count);

        if (at < 0)
            return rn_onnx_fail(in, "takes number %lld of a list of %llu",
                                (long long)which->list[i],
                                (unsigned long long)list->count);
        out[i] = list->list[at];
    }
    return rn_onnx_output_table(in, which, out);
}

int rn_onnx_read_list_concat(struct rn_onnx_import *in)
{
    int64_t out[RN_ONNX_INTEGERS];
    uint64_t n = 0;

    for (uint32_t i = 0; i < in->node->inputs; i++) {
        struct rn_onnx_value *v;
        int rc = rn_onnx_expect(in, i, RN_ONNX_LIST, &v);

        if (!rc && v->dims > 1)
            rc = rn_onnx_fail(in, "joins tables of integers");
        if (!rc && n + v->count > RN_ONNX_INTEGERS)
            rc = rn_onnx_fail(in, "makes too many integers");
        if (rc)
            return rc;
        memcpy(out + n, v->list, (size_t)v->count * sizeof(*out));
        n += v->count;
    }
    return rn_onnx_output_list(in, 1, n, out);
}

/* OUT_OF_LIST when it cannot be told. */
static int64_t compute(struct rn_pb op, int64_t x, int64_t y)
{
    int64_t out = OUT_OF_LIST;
    bool overflow = false, batch = x == RN_ONNX_BATCH || y == RN_ONNX_BATCH;

    if (batch && rn_pb_is(op, "Mul") && (x == 1 || y == 1))
        return RN_ONNX_BATCH;
    if (batch && rn_pb_is(op, "Div") && y == 1)
        return RN_ONNX_BATCH;
    if (batch)
        return OUT_OF_LIST;
    if (rn_pb_is(op, "Add"))
        overflow = __builtin_add_overflow(x, y, &out);
    else if (rn_pb_is(op, "Sub"))
        overflow = __builtin_sub_overflow(x, y, &out);
    else if (rn_pb_is(op, "Mul"))
        overflow = __builtin_mul_overflow(x, y, &out);
    else if (y > 0)
        out = x / y;
    return overflow || out == RN_ONNX_BATCH ? OUT_OF_LIST : out;
}

int rn_onnx_read_list_arithmetic(struct rn_onnx_import *in)
{
    struct rn_onnx_value *x, *y;
    int64_t out[RN_ONNX_INTEGERS];
    int rc = rn_onnx_expect(in, 0, RN_ONNX_LIST, &x);

    if (!rc)
        rc = rn_onnx_expect(in, 1, RN_ONNX_LIST, &y);
    if (!rc && x->count != y->count && x->count != 1 && y->count != 1)
        rc = rn_onnx_fail(in, "computes with lists of two lengths");
    if (rc)
        return rc;
    /* the one whose sizes the result has */
    const struct rn_onnx_value *larger =
        x->count == 1 && (y->count != 1 || y->dims > x->dims) ? y : x;
    uint64_t n = larger->count;
    for (uint64_t i = 0; i < n; i++) {
        out[i] = compute(in->node->op, x->list[x->count == 1 ? 0 : i],
                         y->list[y->count == 1 ? 0 : i]);
        if (out[i] == OUT_OF_LIST)
            return rn_onnx_fail(in, "makes a size that cannot be told");
    }
    return rn_onnx_output_table(in, larger, out);
}
