/* SPDX-License-Identifier: BSD-2-Clause */
/* Operators that compute nothing of a picture: constants, lists of sizes, and
 * other ways to look at what is there. */
#include "formats/onnx/import.h"

#include "core/count.h"
#include "core/memory.h"
#include "formats/onnx/fields.h"

#include <string.h>

#define PICTURE     4 /* dimensions of one, batch included */
#define OUT_OF_LIST INT64_MAX

/* Dimension number from the front, or -1. */
static int axis_of(int64_t axis, int dims)
{
    if (axis < 0)
        axis += dims;
    return axis >= 0 && axis < dims ? (int)axis : -1;
}

/* --------------------------------------------------------------- constants */

static int read_constant(struct rn_onnx_import *in)
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

static int read_constant_of_shape(struct rn_onnx_import *in)
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

/* Sizes of a value, the number of images among them; how many. */
static int sizes_of(const struct rn_onnx_import *in,
                    const struct rn_onnx_value *v, int64_t out[RN_TENSOR_DIMS])
{
    if (v->kind != RN_ONNX_PICTURE) {
        for (int i = 0; i < v->dims; i++)
            out[i] = (int64_t)v->dim[i];
        return v->dims;
    }
    struct rn_shape s = rn_onnx_shape_of(in, v);
    const int64_t all[PICTURE] = {RN_ONNX_BATCH, s.c, s.h, s.w};
    const int64_t last[PICTURE] = {RN_ONNX_BATCH, s.h, s.w, s.c};
    memcpy(out, v->rows_first ? last : all, sizeof(all));
    if (v->flat)
        out[1] = (int64_t)rn_shape_size(s);
    return v->flat ? 2 : PICTURE;
}

/* Input 0 as a copy that is settled. */
static int settled_copy(struct rn_onnx_import *in, struct rn_onnx_value *out)
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

static int read_shape(struct rn_onnx_import *in)
{
    struct rn_onnx_value v;
    int64_t sizes[RN_TENSOR_DIMS];
    int rc = settled_copy(in, &v);

    if (rc)
        return rc;
    int n = sizes_of(in, &v, sizes);
    int64_t first = clamp(rn_onnx_int(in, "start", 0), n);
    int64_t end = clamp(rn_onnx_int(in, "end", n), n);
    return rn_onnx_output_list(in, 1, end > first ? (uint64_t)(end - first) : 0,
                               sizes + first);
}

static int read_gather(struct rn_onnx_import *in)
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
        int at = axis_of(which->list[i], (int)list->count);

        if (at < 0)
            return rn_onnx_fail(in, "takes number %lld of a list of %llu",
                                (long long)which->list[i],
                                (unsigned long long)list->count);
        out[i] = list->list[at];
    }
    return rn_onnx_output_table(in, which, out);
}

static int read_list_concat(struct rn_onnx_import *in)
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

static int read_list_arithmetic(struct rn_onnx_import *in)
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

/* -------------------------------------------------------------- other views */

static int read_same(struct rn_onnx_import *in)
{
    const struct rn_onnx_value *v = rn_onnx_input(in, 0);

    if (!v)
        return rn_onnx_fail(in, "reads nothing");
    rn_onnx_output(in, v);
    return RN_OK;
}

/* Integers as numbers; the number of images is none. */
static int cast_list(struct rn_onnx_import *in, const struct rn_onnx_value *v)
{
    struct rn_onnx_value out = {
        .kind = RN_ONNX_NUMBERS, .dims = v->dims, .count = v->count};
    float *made = rn_onnx_make(in, v->count);

    if (!made)
        return in->err->code;
    for (uint64_t i = 0; i < v->count; i++) {
        if (v->list[i] == RN_ONNX_BATCH)
            return rn_onnx_fail(in, "computes with the number of images");
        made[i] = (float)v->list[i];
    }
    memcpy(out.dim, v->dim, sizeof(out.dim));
    out.made = made;
    rn_onnx_output(in, &out);
    return RN_OK;
}

static int read_cast(struct rn_onnx_import *in)
{
    const struct rn_onnx_value *v = rn_onnx_input(in, 0);
    int64_t to = rn_onnx_int(in, "to", ONNX_FLOAT);
    bool floats = to == ONNX_FLOAT || to == ONNX_DOUBLE || to == ONNX_FLOAT16 ||
                  to == ONNX_BFLOAT16;

    if (v && v->kind == RN_ONNX_LIST && floats)
        return cast_list(in, v);
    if (!v || v->quantized || (v->kind == RN_ONNX_LIST) != !floats)
        return rn_onnx_fail(in, "makes numbers of type %lld of others",
                            (long long)to);
    return read_same(in);
}

/* Whether [c,h,w] is a list of channels. */
static bool is_pixel(struct rn_shape s)
{
    return s.h == 1 && s.w == 1;
}

/* Whether its numbers lie the same with channels first and last. */
static bool in_either_order(struct rn_shape s)
{
    return is_pixel(s) || s.c == 1;
}

static int64_t size_of(struct rn_shape s)
{
    return (int64_t)rn_shape_size(s);
}

/* Whether `size` may be that of the batch. */
static bool is_batch(const struct rn_onnx_import *in, int64_t size)
{
    return size == RN_ONNX_BATCH || size == -1 || size == 1 ||
           (in->batch > 0 && size == in->batch);
}

/* Sizes asked for, 0 and -1 replaced; false when they do not fit. */
static bool resolve(const struct rn_onnx_import *in,
                    const struct rn_onnx_value *v, int64_t *sizes, int n)
{
    int64_t own[RN_TENSOR_DIMS], rest = 1;
    int given = v->groups ? 1 : sizes_of(in, v, own), open = -1;

    own[0] = RN_ONNX_BATCH;
    bool keep = rn_onnx_int(in, "allowzero", 0) == 0;
    if (n < 1)
        return false;
    for (int i = 0; i < n; i++)
        if (sizes[i] == 0 && keep && i < given)
            sizes[i] = own[i];
    if (!is_batch(in, sizes[0]))
        return false;
    for (int i = 1; i < n; i++) {
        if (sizes[i] == -1 && open < 0)
            open = i;
        else if (sizes[i] < 1 || __builtin_mul_overflow(rest, sizes[i], &rest))
            return false;
    }
    int64_t all = size_of(rn_onnx_shape_of(in, v));
    if (open > 0 && all % rest == 0) {
        sizes[open] = all / rest;
        rest = all;
    }
    return rest == all;
}

/* The picture under other sizes, if they are a view of it. */
static bool view(const struct rn_onnx_import *in, struct rn_onnx_value *v,
                 const int64_t *sizes, int n)
{
    struct rn_shape s = rn_onnx_shape_of(in, v);
    bool either = in_either_order(s);
    bool first =
        n == PICTURE && sizes[1] == s.c && sizes[2] == s.h && sizes[3] == s.w;
    bool last =
        n == PICTURE && sizes[1] == s.h && sizes[2] == s.w && sizes[3] == s.c;

    first &= either || !v->rows_first;
    last &= either || v->rows_first;
    if (n != 2 && !first && !last)
        return false;
    v->flat = n == 2;
    v->rows_first = n == 2 ? v->rows_first && !either : !first;
    return true;
}

static int reshape_picture(struct rn_onnx_import *in, struct rn_onnx_value *v)
{
    int64_t sizes[RN_TENSOR_DIMS];
    bool done = false;
    int n, rc = rn_onnx_ints(in, "shape", 1, sizes, RN_TENSOR_DIMS, &n);
    bool fits = !rc && resolve(in, v, sizes, n);

    if (fits)
        rc = rn_onnx_regroup(in, v, sizes, n, &done);
    if (rc)
        return rc;
    if (!fits || (!done && (v->groups || !view(in, v, sizes, n)))) {
        struct rn_shape s = rn_onnx_shape_of(in, v);

        return rn_onnx_fail(in,
                            "makes of %dx%dx%d something that is neither "
                            "it nor its list of numbers",
                            s.c, s.h, s.w);
    }
    rn_onnx_output(in, v);
    return RN_OK;
}

/* Constants under other sizes. */
static int resize_constant(struct rn_onnx_import *in, struct rn_onnx_value *v,
                           const int64_t *sizes, int n)
{
    uint64_t count = 1;
    int open = -1;

    for (int i = 0; i < n; i++) {
        uint64_t size = (uint64_t)sizes[i];

        if (sizes[i] == 0 && i < v->dims)
            size = v->dim[i];
        if (sizes[i] == -1 && open < 0)
            open = i;
        else if (sizes[i] < 0 || __builtin_mul_overflow(count, size, &count))
            return rn_onnx_fail(in, "has sizes that are not known");
        v->dim[i] = size;
    }
    if (open >= 0 && count > 0 && v->count % count == 0) {
        v->dim[open] = v->count / count;
        count = v->count;
    }
    if (count != v->count)
        return rn_onnx_fail(in, "makes %llu numbers of a constant of %llu",
                            (unsigned long long)count,
                            (unsigned long long)v->count);
    v->dims = n;
    rn_onnx_output(in, v);
    return RN_OK;
}

static int read_reshape(struct rn_onnx_import *in)
{
    const struct rn_onnx_value *from = rn_onnx_input(in, 0);
    struct rn_onnx_value v;
    int64_t sizes[RN_TENSOR_DIMS];
    bool grouped = from && from->kind == RN_ONNX_PICTURE && from->groups;
    int n, rc = RN_OK;

    if (grouped)
        v = *from;
    else
        rc = settled_copy(in, &v);
    if (rc || v.kind == RN_ONNX_PICTURE)
        return rc ? rc : reshape_picture(in, &v);
    rc = rn_onnx_ints(in, "shape", 1, sizes, RN_TENSOR_DIMS, &n);
    return rc ? rc : resize_constant(in, &v, sizes, n < 0 ? 0 : n);
}

static int read_flatten(struct rn_onnx_import *in)
{
    struct rn_onnx_value v;
    int rc = settled_copy(in, &v);

    if (!rc && v.kind != RN_ONNX_PICTURE)
        rc = rn_onnx_fail(in, "flattens a constant");
    if (rc)
        return rc;
    int64_t axis = rn_onnx_int(in, "axis", 1);
    if (axis != 1 && axis != (v.flat ? -1 : 1 - PICTURE))
        return rn_onnx_fail(in, "flattens from dimension %lld on",
                            (long long)axis);
    v.flat = true;
    v.rows_first &= !in_either_order(rn_onnx_shape_of(in, &v));
    rn_onnx_output(in, &v);
    return RN_OK;
}

/* Axes from the front, of so many dimensions, as a set of bits. */
static int read_axes(struct rn_onnx_import *in, int dims, unsigned *set)
{
    int64_t axes[RN_TENSOR_DIMS];
    int n, rc = rn_onnx_ints(in, "axes", 1, axes, RN_TENSOR_DIMS, &n);

    *set = 0;
    for (int i = 0; i < n && !rc; i++) {
        int axis = axis_of(axes[i], dims);

        if (axis < 0)
            rc = rn_onnx_fail(in, "names dimension %lld of %d",
                              (long long)axes[i], dims);
        else
            *set |= 1u << axis;
    }
    if (!rc && n < 0)
        rc = rn_onnx_fail(in, "names no dimensions");
    return rc;
}

#define PLANE      (1u << 2 | 1u << 3) /* rows and columns */
#define PLANE_LAST (1u << 1 | 1u << 2) /* where channels come last */

/* How many dimensions an unsqueezed value gets. */
static int count_axes(struct rn_onnx_import *in, int *n)
{
    int64_t axes[RN_TENSOR_DIMS];
    int rc = rn_onnx_ints(in, "axes", 1, axes, RN_TENSOR_DIMS, n);

    if (!rc && *n < 0)
        rc = rn_onnx_fail(in, "names no dimensions");
    return rc;
}

static int unsqueeze_constant(struct rn_onnx_import *in,
                              struct rn_onnx_value *v, int dims, unsigned set)
{
    int64_t sizes[2 * RN_TENSOR_DIMS];

    for (int i = 0, from = 0; i < dims; i++) {
        bool new = set >> i & 1 || from == v->dims;

        sizes[i] = new ? 1 : (int64_t)v->dim[from++];
    }
    return resize_constant(in, v, sizes, dims);
}

static int read_unsqueeze(struct rn_onnx_import *in)
{
    struct rn_onnx_value v;
    unsigned set = 0;
    int n, rc = settled_copy(in, &v);

    if (!rc)
        rc = count_axes(in, &n);
    if (rc)
        return rc;
    bool picture = v.kind == RN_ONNX_PICTURE;
    int dims = n + (picture ? 2 : v.dims);
    if (dims > RN_TENSOR_DIMS)
        return rn_onnx_fail(in, "makes more than 8 dimensions");
    rc = read_axes(in, dims, &set);
    if (rc || !picture)
        return rc ? rc : unsqueeze_constant(in, &v, dims, set);
    if (!v.flat || (set != PLANE && set != PLANE_LAST) ||
        !is_pixel(rn_onnx_shape_of(in, &v)))
        return rn_onnx_fail(in, "makes no picture of a flat list");
    v.flat = false;
    v.rows_first = set == PLANE_LAST;
    rn_onnx_output(in, &v);
    return RN_OK;
}

/* Whether it says which dimensions to leave out; else all of size 1. */
static bool names_axes(struct rn_onnx_import *in)
{
    return rn_onnx_has(in, "axes") || rn_onnx_input(in, 1);
}

static int squeeze_constant(struct rn_onnx_import *in, struct rn_onnx_value *v)
{
    int64_t sizes[RN_TENSOR_DIMS];
    unsigned set = 0;
    int n = 0, rc = names_axes(in) ? read_axes(in, v->dims, &set) : RN_OK;

    if (rc)
        return rc;
    for (int i = 0; i < v->dims && !names_axes(in); i++)
        set |= (unsigned)(v->dim[i] == 1) << i;
    for (int i = 0; i < v->dims; i++)
        if (!(set >> i & 1))
            sizes[n++] = (int64_t)v->dim[i];
    return resize_constant(in, v, sizes, n);
}

static int read_squeeze(struct rn_onnx_import *in)
{
    struct rn_onnx_value v;
    unsigned plane, set;
    int rc = settled_copy(in, &v);

    if (rc || v.kind != RN_ONNX_PICTURE)
        return rc ? rc : squeeze_constant(in, &v);
    plane = set = v.rows_first ? PLANE_LAST : PLANE;
    if (names_axes(in))
        rc = read_axes(in, PICTURE, &set);
    if (rc)
        return rc;
    if (v.flat || set != plane || !is_pixel(rn_onnx_shape_of(in, &v)))
        return rn_onnx_fail(in, "makes something else of a picture than its "
                                "list of channels");
    v.flat = true;
    v.rows_first = false;
    rn_onnx_output(in, &v);
    return RN_OK;
}

/* --------------------------------------------------------------- transposes */

static bool is_order(const int64_t *perm, int n, const int64_t *wanted)
{
    return n == PICTURE && memcmp(perm, wanted, PICTURE * sizeof(*perm)) == 0;
}

static int transpose_picture(struct rn_onnx_import *in, struct rn_onnx_value *v,
                             const int64_t *perm, int n)
{
    static const int64_t to_first[] = {0, 3, 1, 2}, to_last[] = {0, 2, 3, 1};
    bool same = true;

    for (int i = 0; i < n; i++)
        same &= perm[i] == i;
    if (v->groups && !rn_onnx_turn_groups(v, perm, n))
        return rn_onnx_fail(in, "turns groups of channels around otherwise "
                                "than with those within");
    if (v->groups) {
        rn_onnx_output(in, v);
        return RN_OK;
    }
    if (!same && !v->flat &&
        is_order(perm, n, v->rows_first ? to_first : to_last))
        v->rows_first = !v->rows_first;
    else if (!same || n < 0)
        return rn_onnx_fail(in, "turns a picture's dimensions around otherwise "
                                "than to have channels first or last");
    rn_onnx_output(in, v);
    return RN_OK;
}

/* [a][b] to [b][a], of integers. */
static int transpose_table(struct rn_onnx_import *in, struct rn_onnx_value *v)
{
    int64_t list[RN_ONNX_INTEGERS];
    uint64_t a = v->dim[0], b = v->dim[1];

    for (uint64_t i = 0; i < v->count; i++)
        list[i % b * a + i / b] = v->list[i];
    v->dim[0] = b;
    v->dim[1] = a;
    return rn_onnx_output_table(in, v, list);
}

/* [a][b] to [b][a], of numbers. */
static int transpose_matrix(struct rn_onnx_import *in, struct rn_onnx_value *v)
{
    size_t a = (size_t)v->dim[0], b = (size_t)v->dim[1];
    float *made = rn_onnx_make(in, v->count);
    float *from = rn_alloc((size_t)v->count, sizeof(*from));
    int rc = made && from ? rn_onnx_load(in, v, from)
                          : rn_onnx_fail(in, "finds no room for its numbers");

    /* an empty matrix may have any number of rows */
    for (size_t i = 0; i < a && b > 0 && !rc; i++)
        for (size_t j = 0; j < b; j++)
            made[j * a + i] = from[i * b + j];
    rn_free(from);
    v->stored = NULL;
    v->made = made;
    v->dim[0] = b;
    v->dim[1] = a;
    if (!rc)
        rn_onnx_output(in, v);
    return rc;
}

static int read_transpose(struct rn_onnx_import *in)
{
    struct rn_onnx_value v;
    int64_t perm[RN_TENSOR_DIMS];
    const struct rn_onnx_value *from = rn_onnx_input(in, 0);
    int n, rc = from ? rn_onnx_ints(in, "perm", 0, perm, RN_TENSOR_DIMS, &n)
                     : rn_onnx_fail(in, "reads nothing");

    if (rc)
        return rc;
    v = *from; /* what is still to be done can be done afterwards */
    if (v.kind == RN_ONNX_PICTURE)
        return transpose_picture(in, &v, perm, n);
    if (v.dims != 2 || (n >= 0 && n != 2))
        return rn_onnx_fail(in, "turns around a constant that is no matrix");
    if (n == 2 && perm[0] == 0) {
        rn_onnx_output(in, &v);
        return RN_OK;
    }
    return v.kind == RN_ONNX_LIST ? transpose_table(in, &v)
                                  : transpose_matrix(in, &v);
}

/* ------------------------------------------------------------------- expand */

/* Sizes that a value's own and those asked for make together; how many, or -1
 * when they do not fit. */
static int broadcast(const int64_t *own, int dims, const int64_t *asked, int n,
                     int64_t *out)
{
    int most = dims > n ? dims : n;

    for (int i = 0; i < most; i++) {
        int64_t a = i < most - dims ? 1 : own[i - (most - dims)];
        int64_t b = i < most - n ? 1 : asked[i - (most - n)];

        if (a != b && a != 1 && b != 1)
            return -1;
        out[i] = a == 1 ? b : a;
    }
    return most;
}

/* Number `at` of the larger value, as a place in the smaller one. */
static uint64_t place_in(const struct rn_onnx_value *v, const int64_t *sizes,
                         int n, uint64_t at)
{
    uint64_t place = 0, step = 1;

    for (int i = n - 1, k = v->dims - 1; i >= 0 && k >= 0; i--, k--) {
        uint64_t size = (uint64_t)sizes[i];

        place += v->dim[k] == 1 ? 0 : at % size * step;
        step *= v->dim[k];
        at /= size;
    }
    return place;
}

static int expand_constant(struct rn_onnx_import *in,
                           const struct rn_onnx_value *v, const int64_t *sizes,
                           int n)
{
    struct rn_onnx_value out = {.kind = RN_ONNX_NUMBERS, .dims = n, .count = 1};

    for (int i = 0; i < n; i++) {
        out.dim[i] = (uint64_t)sizes[i];
        if (sizes[i] < 0 ||
            __builtin_mul_overflow(out.count, out.dim[i], &out.count))
            return rn_onnx_fail(in, "has sizes that are not known or overflow");
    }
    float *from = rn_onnx_make(in, v->count);
    float *made = from ? rn_onnx_make(in, out.count) : NULL;
    if (!made || rn_onnx_load(in, v, from))
        return in->err->code;
    for (uint64_t i = 0; i < out.count; i++)
        made[i] = from[place_in(v, sizes, n, i)];
    out.made = made;
    rn_onnx_output(in, &out);
    return RN_OK;
}

static int read_expand(struct rn_onnx_import *in)
{
    struct rn_onnx_value v;
    int64_t own[RN_TENSOR_DIMS], asked[RN_TENSOR_DIMS], sizes[RN_TENSOR_DIMS];
    int n, rc = settled_copy(in, &v);

    if (!rc)
        rc = rn_onnx_ints(in, "shape", 1, asked, RN_TENSOR_DIMS, &n);
    if (rc)
        return rc;
    int dims = sizes_of(in, &v, own);
    int most = broadcast(own, dims, asked, n < 0 ? 0 : n, sizes);
    if (most >= 0 && v.kind == RN_ONNX_NUMBERS)
        return expand_constant(in, &v, sizes, most);
    bool same =
        most == dims && memcmp(own, sizes, (size_t)dims * sizeof(*own)) == 0;
    if (!same || v.kind != RN_ONNX_PICTURE)
        return rn_onnx_fail(in, "repeats something else than a constant");
    rn_onnx_output(in, &v);
    return RN_OK;
}

/* ------------------------------------------------------------------- resize */

/* The sizes of a resized picture, [batch,c,h,w] or as it lies: from a list of
 * sizes, or of factors. */
static int resized_sizes(struct rn_onnx_import *in,
                         const struct rn_onnx_value *v,
                         int64_t sizes[RN_TENSOR_DIMS])
{
    bool upsample = in->node->inputs <= 2;
    const struct rn_onnx_value *list = rn_onnx_input(in, 3);
    const struct rn_onnx_value *factors = rn_onnx_input(in, upsample ? 1 : 2);
    float scales[PICTURE];
    int n = 0, rc = RN_OK;

    if (list && list->count > 0) {
        rc = rn_onnx_ints(in, "sizes", 3, sizes, PICTURE, &n);
        return rc || n == PICTURE ? rc
                                  : rn_onnx_fail(in, "has sizes of no picture");
    }
    if (!factors || factors->kind != RN_ONNX_NUMBERS ||
        factors->count != PICTURE)
        return rn_onnx_fail(in, "has no sizes that are known now");
    sizes_of(in, v, sizes);
    rc = rn_onnx_load(in, factors, scales);
    for (int i = 1; i < PICTURE && !rc; i++) {
        double size = (double)sizes[i] * (double)scales[i];

        if (!(size >= 1 && size <= RN_ONNX_SIDE))
            return rn_onnx_fail(in, "makes a picture of %g pixels", size);
        sizes[i] = (int64_t)size;
    }
    return rc;
}

/* Whether it takes the whole picture and makes it those sizes. */
static bool is_plain_resize(const struct rn_onnx_import *in)
{
    struct rn_onnx_attribute a;

    if (rn_onnx_attribute(in->node, "coordinate_transformation_mode", &a) &&
        rn_pb_is(a.text, "tf_crop_and_resize"))
        return false;
    if (rn_onnx_attribute(in->node, "keep_aspect_ratio_policy", &a) &&
        !rn_pb_is(a.text, "stretch"))
        return false;
    return !rn_onnx_has(in, "axes");
}

/* A network that first resizes its pictures: they come in that size. Which
 * filter it has does not matter then, as people's pictures have any size and
 * are resized anyway. */
static int read_resize(struct rn_onnx_import *in)
{
    struct rn_onnx_value *v;
    int64_t sizes[RN_TENSOR_DIMS];
    int rc = rn_onnx_expect(in, 0, RN_ONNX_PICTURE, &v);

    if (!rc)
        rc = rn_onnx_settle(in, v);
    if (!rc && !is_plain_resize(in))
        rc = rn_onnx_fail(in, "crops, keeps the aspect ratio, or names "
                              "dimensions");
    if (!rc && (in->g->n_nodes != 1 || v->flat))
        rc = rn_onnx_fail(in, "resizes something else than the picture that "
                              "comes in");
    if (!rc)
        rc = resized_sizes(in, v, sizes);
    if (rc)
        return rc;
    struct rn_shape *s = &in->g->nodes[0].shape;
    int64_t c = sizes[v->rows_first ? 3 : 1], h = sizes[v->rows_first ? 1 : 2],
            w = sizes[v->rows_first ? 2 : 3];
    if (c != s->c || h < 1 || h > RN_ONNX_SIDE || w < 1 || w > RN_ONNX_SIDE)
        return rn_onnx_fail(in, "makes a picture of %lld x %lld x %lld",
                            (long long)c, (long long)h, (long long)w);
    s->h = (int)h;
    s->w = (int)w;
    rn_onnx_output(in, v);
    return RN_OK;
}

/* ------------------------------------------------------------------- slices */

struct slice {
    int n; /* dimensions named */
    int64_t starts[RN_TENSOR_DIMS], ends[RN_TENSOR_DIMS];
    int64_t axes[RN_TENSOR_DIMS], steps[RN_TENSOR_DIMS];
};

static int read_slice_lists(struct rn_onnx_import *in, struct slice *s)
{
    int ends, axes, steps;
    int rc = rn_onnx_ints(in, "starts", 1, s->starts, RN_TENSOR_DIMS, &s->n);

    if (!rc)
        rc = rn_onnx_ints(in, "ends", 2, s->ends, RN_TENSOR_DIMS, &ends);
    if (!rc)
        rc = rn_onnx_ints(in, "axes", 3, s->axes, RN_TENSOR_DIMS, &axes);
    if (!rc)
        rc = rn_onnx_ints(in, "steps", 4, s->steps, RN_TENSOR_DIMS, &steps);
    if (rc)
        return rc;
    for (int i = 0; i < s->n; i++) {
        s->axes[i] = axes < 0 ? i : s->axes[i];
        s->steps[i] = steps < 0 ? 1 : s->steps[i];
    }
    return s->n >= 0 && ends == s->n && (axes < 0 || axes == s->n) &&
                   (steps < 0 || steps == s->n)
               ? RN_OK
               : rn_onnx_fail(in, "has lists of several lengths");
}

/* Some of `count` things: from `first` on every step-th, how many. */
struct run {
    int64_t first, step;
    uint64_t count;
};

/* What ONNX's Slice takes: ends beyond the last or before the first are cut,
 * negative ones count from behind. */
static struct run run_of(const struct slice *s, int i, int64_t count)
{
    struct run r = {.step = s->steps[i]};
    int64_t first = s->starts[i], end = s->ends[i];
    int64_t low = r.step < 0 ? -1 : 0, high = r.step < 0 ? count - 1 : count;

    first += first < 0 ? count : 0;
    end += end < 0 ? count : 0;
    first = first < 0 ? 0 : first > high ? high : first;
    end = end < low ? low : end > high ? high : end;
    if (count == 0)
        return r;
    r.first = first;
    if (r.step > 0 && end > first)
        r.count = ((uint64_t)(end - first) - 1) / (uint64_t)r.step + 1;
    if (r.step < 0 && end < first) /* no overflow: -(step + 1) + 1 */
        r.count =
            (uint64_t)(first - end - 1) / ((uint64_t) - (r.step + 1) + 1) + 1;
    return r;
}

/* Some rows of a table, or some of a list. */
static int slice_list(struct rn_onnx_import *in, const struct rn_onnx_value *v,
                      const struct slice *s)
{
    int64_t list[RN_ONNX_INTEGERS];
    struct rn_onnx_value out = *v;

    if (s->n != 1 || s->steps[0] == 0 || v->dims < 1 ||
        axis_of(s->axes[0], v->dims) != 0)
        return rn_onnx_fail(in, "takes more than a run of a list");
    struct run r = run_of(s, 0, (int64_t)v->dim[0]);
    uint64_t row = v->dim[0] ? v->count / v->dim[0] : 0;
    for (uint64_t i = 0; i < r.count; i++)
        if (row) /* r.first and step stay within the rows there are */
            memcpy(list + i * row,
                   v->list + (uint64_t)(r.first + (int64_t)i * r.step) * row,
                   (size_t)row * sizeof(*list));
    out.dim[0] = r.count;
    out.count = r.count * row;
    return rn_onnx_output_table(in, &out, list);
}

/* Which dimension of [batch,c,h,w] an axis is; -1 for none. */
static int plain_axis(const struct rn_onnx_value *v, int64_t axis)
{
    static const int last[PICTURE] = {0, 2, 3, 1};
    int i = axis_of(axis, v->flat ? 2 : PICTURE);

    return v->rows_first && i >= 0 ? last[i] : i;
}

/* Every n-th row or column, from the first; or all of them. */
static bool slice_plane(struct rn_onnx_value *v, int axis, int64_t step)
{
    if (step < 1 || step > RN_ONNX_SIDE || v->step[axis - 2] > 1)
        return false;
    v->step[axis - 2] = (int)step;
    return true;
}

static int slice_channels(struct rn_onnx_import *in, struct rn_onnx_value *v,
                          const struct run *r)
{
    struct rn_onnx_value from = *v;
    int rc = rn_onnx_settle(in, &from);

    return rc ? rc
              : rn_onnx_channels(in, &from, r->first, r->step, r->count, v);
}

static int slice_axis(struct rn_onnx_import *in, struct rn_onnx_value *v,
                      const struct slice *s, int i)
{
    struct rn_shape shape = rn_onnx_shape_of(in, v);
    const int64_t sizes[PICTURE] = {INT64_MAX, shape.c, shape.h, shape.w};
    int axis = plain_axis(v, s->axes[i]);
    bool list = v->flat && (v->rows_first || !is_pixel(shape));

    if (axis < 0 || s->steps[i] == 0 || (list && axis != 0))
        return rn_onnx_fail(in, "takes part of what is no picture, or every "
                                "0-th of it");
    bool whole = s->starts[i] == 0 && s->ends[i] >= sizes[axis];
    if (whole && s->steps[i] == 1)
        return RN_OK;
    if (axis == 1) {
        struct run r = run_of(s, i, shape.c);

        return slice_channels(in, v, &r);
    }
    return whole && axis > 1 && slice_plane(v, axis, s->steps[i])
               ? RN_OK
               : rn_onnx_fail(in, "takes something else of a picture than "
                                  "channels and every n-th row and column");
}

static int slice_picture(struct rn_onnx_import *in, struct rn_onnx_value *v,
                         const struct slice *s)
{
    int rc = RN_OK;

    for (int i = 0; i < s->n && !rc; i++)
        rc = slice_axis(in, v, s, i);
    if (rc)
        return rc;
    for (int i = 0; i < 2 && (v->step[0] || v->step[1]); i++)
        v->step[i] = v->step[i] ? v->step[i] : 1;
    rn_onnx_output(in, v);
    return RN_OK;
}

static int read_slice(struct rn_onnx_import *in)
{
    const struct rn_onnx_value *from = rn_onnx_input(in, 0);
    struct rn_onnx_value v;
    struct slice s;
    int rc =
        from ? read_slice_lists(in, &s) : rn_onnx_fail(in, "reads nothing");

    if (rc)
        return rc;
    v = *from;
    if (v.kind == RN_ONNX_LIST)
        return slice_list(in, &v, &s);
    if (v.kind != RN_ONNX_PICTURE)
        return rn_onnx_fail(in, "takes part of a constant");
    if (!v.step[0]) /* two slices may be rows and columns of one step */
        rc = rn_onnx_settle(in, &v);
    return rc ? rc : slice_picture(in, &v, &s);
}

static const struct {
    const char *op;
    rn_onnx_operator *read;
} shapers[] = {
    {"Constant", read_constant},   {"ConstantOfShape", read_constant_of_shape},
    {"Shape", read_shape},         {"Gather", read_gather},
    {"Concat", read_list_concat},  {"Add", read_list_arithmetic},
    {"Sub", read_list_arithmetic}, {"Mul", read_list_arithmetic},
    {"Div", read_list_arithmetic}, {"Identity", read_same},
    {"Cast", read_cast},           {"Reshape", read_reshape},
    {"Flatten", read_flatten},     {"Unsqueeze", read_unsqueeze},
    {"Squeeze", read_squeeze},     {"Transpose", read_transpose},
    {"Slice", read_slice},         {"Expand", read_expand},
    {"Resize", read_resize},       {"Upsample", read_resize},
};

rn_onnx_operator *rn_onnx_shaper(struct rn_pb op)
{
    for (size_t i = 0; i < COUNT(shapers); i++)
        if (rn_pb_is(op, shapers[i].op))
            return shapers[i].read;
    return NULL;
}
