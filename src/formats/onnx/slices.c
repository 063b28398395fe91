/* SPDX-License-Identifier: BSD-2-Clause */
/* Slices: of lists, of channels, and of rows and columns. */
#include "formats/onnx/shapes.h"

#include <string.h>

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
        rn_onnx_axis_of(s->axes[0], v->dims) != 0)
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
    static const int last[RN_ONNX_DIMS] = {0, 2, 3, 1};
    int i = rn_onnx_axis_of(axis, v->flat ? 2 : RN_ONNX_DIMS);

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
    const int64_t sizes[RN_ONNX_DIMS] = {INT64_MAX, shape.c, shape.h, shape.w};
    int axis = plain_axis(v, s->axes[i]);
    bool list = v->flat && (v->rows_first || !rn_onnx_is_one_pixel(shape));

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

int rn_onnx_read_slice(struct rn_onnx_import *in)
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
