/* SPDX-License-Identifier: BSD-2-Clause */
/* Operators that look at what is there in another way, and the table of all
 * that compute nothing of a picture. */
#include "formats/onnx/shapes.h"

#include "core/count.h"
#include "core/memory.h"
#include "formats/onnx/fields.h"

#include <string.h>

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

/* Whether its numbers lie the same with channels first and last. */
static bool in_either_order(struct rn_shape s)
{
    return rn_onnx_is_one_pixel(s) || s.c == 1;
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
    int given = v->groups ? 1 : rn_onnx_sizes_of(in, v, own), open = -1;

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
    bool first = n == RN_ONNX_DIMS && sizes[1] == s.c && sizes[2] == s.h &&
                 sizes[3] == s.w;
    bool last = n == RN_ONNX_DIMS && sizes[1] == s.h && sizes[2] == s.w &&
                sizes[3] == s.c;

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
    v->scales = NULL; /* of other dimensions */
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
        rc = rn_onnx_settled_copy(in, &v);
    if (rc || v.kind == RN_ONNX_PICTURE)
        return rc ? rc : reshape_picture(in, &v);
    rc = rn_onnx_ints(in, "shape", 1, sizes, RN_TENSOR_DIMS, &n);
    return rc ? rc : resize_constant(in, &v, sizes, n < 0 ? 0 : n);
}

static int read_flatten(struct rn_onnx_import *in)
{
    struct rn_onnx_value v;
    int rc = rn_onnx_settled_copy(in, &v);

    if (!rc && v.kind != RN_ONNX_PICTURE)
        rc = rn_onnx_fail(in, "flattens a constant");
    if (rc)
        return rc;
    int64_t axis = rn_onnx_int(in, "axis", 1);
    if (axis != 1 && axis != (v.flat ? -1 : 1 - RN_ONNX_DIMS))
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
        int axis = rn_onnx_axis_of(axes[i], dims);

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
    int n, rc = rn_onnx_settled_copy(in, &v);

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
        !rn_onnx_is_one_pixel(rn_onnx_shape_of(in, &v)))
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
    int rc = rn_onnx_settled_copy(in, &v);

    if (rc || v.kind != RN_ONNX_PICTURE)
        return rc ? rc : squeeze_constant(in, &v);
    plane = set = v.rows_first ? PLANE_LAST : PLANE;
    if (names_axes(in))
        rc = read_axes(in, RN_ONNX_DIMS, &set);
    if (rc)
        return rc;
    if (v.flat || set != plane ||
        !rn_onnx_is_one_pixel(rn_onnx_shape_of(in, &v)))
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
    return n == RN_ONNX_DIMS &&
           memcmp(perm, wanted, RN_ONNX_DIMS * sizeof(*perm)) == 0;
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
    v->axis = 1 - v->axis; /* of scales, if it has some */
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
    int n, rc = rn_onnx_settled_copy(in, &v);

    if (!rc)
        rc = rn_onnx_ints(in, "shape", 1, asked, RN_TENSOR_DIMS, &n);
    if (rc)
        return rc;
    int dims = rn_onnx_sizes_of(in, &v, own);
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

static const struct {
    const char *op;
    rn_onnx_operator *read;
} shapers[] = {
    {"Constant", rn_onnx_read_constant},
    {"ConstantOfShape", rn_onnx_read_constant_of_shape},
    {"Shape", rn_onnx_read_shape},
    {"Gather", rn_onnx_read_gather},
    {"Concat", rn_onnx_read_list_concat},
    {"Add", rn_onnx_read_list_arithmetic},
    {"Sub", rn_onnx_read_list_arithmetic},
    {"Mul", rn_onnx_read_list_arithmetic},
    {"Div", rn_onnx_read_list_arithmetic},
    {"Identity", read_same},
    {"Cast", read_cast},
    {"Reshape", read_reshape},
    {"Flatten", read_flatten},
    {"Unsqueeze", read_unsqueeze},
    {"Squeeze", read_squeeze},
    {"Transpose", read_transpose},
    {"Slice", rn_onnx_read_slice},
    {"Expand", read_expand},
    {"Resize", rn_onnx_read_resize},
    {"Upsample", rn_onnx_read_resize},
};

rn_onnx_operator *rn_onnx_shaper(struct rn_pb op)
{
    for (size_t i = 0; i < COUNT(shapers); i++)
        if (rn_pb_is(op, shapers[i].op))
            return shapers[i].read;
    return NULL;
}
