/* SPDX-License-Identifier: BSD-2-Clause */
/* Operators with windows: convolutions, pools, padding, and those over a whole
 * picture. */
#include "formats/onnx/layers.h"

#include "core/count.h"

#include <float.h>
#include <string.h>

enum { TOP, LEFT, BOTTOM, RIGHT, SIDES };

/* ----------------------------------------------------------------- windows */

/* Numbers of a list of that length, or `otherwise` throughout; each is from
 * `least` to RN_ONNX_SIDE. */
static int small_ints(struct rn_onnx_import *in, const char *name, int length,
                      int otherwise, int least, int *out)
{
    int64_t list[2 * RN_TENSOR_DIMS];
    int n, rc = rn_onnx_ints(in, name, 0, list, (int)COUNT(list), &n);

    if (!rc && n >= 0 && n != length)
        rc = rn_onnx_fail(in,
                          "has %d numbers as '%s', expected %d, those of a "
                          "picture",
                          n, name, length);
    for (int i = 0; i < length && !rc; i++) {
        int64_t value = n < 0 ? otherwise : list[i];

        if (value < least || value > RN_ONNX_SIDE)
            rc = rn_onnx_fail(in, "has %lld in its '%s'", (long long)value,
                              name);
        out[i] = (int)value;
    }
    return rc;
}

/* Padding of one direction so that ceil(size / stride) windows fit. */
static void same_pads(int size, int k, int stride, bool upper, int *before,
                      int *after)
{
    int64_t steps = ((int64_t)size + stride - 1) / stride;
    int64_t total = (steps - 1) * stride + k - size;
    int half;

    if (total < 0)
        total = 0;
    half = (int)(total / 2);
    *before = upper ? half : (int)total - half;
    *after = (int)total - *before;
}

static int window_pads(struct rn_onnx_import *in, const struct rn_shape *shape,
                       struct rn_window *w)
{
    struct rn_onnx_attribute a;
    bool automatic = rn_onnx_attribute(in->node, "auto_pad", &a) &&
                     !rn_pb_is(a.text, "NOTSET");
    int sides[SIDES], rc = RN_OK;

    if (!automatic) {
        rc = small_ints(in, "pads", SIDES, 0, 0, sides);
        w->top = sides[TOP];
        w->left = sides[LEFT];
        w->bottom = sides[BOTTOM];
        w->right = sides[RIGHT];
        return rc;
    }
    if (rn_pb_is(a.text, "VALID"))
        return RN_OK;
    bool upper = rn_pb_is(a.text, "SAME_UPPER");
    if (!upper && !rn_pb_is(a.text, "SAME_LOWER"))
        return rn_onnx_fail(in, "has the padding '%.*s'", RN_PB_SHOW(a.text));
    same_pads(shape->h, (w->kh - 1) * (w->dilate_h + 1) + 1, w->stride, upper,
              &w->top, &w->bottom);
    same_pads(shape->w, (w->kw - 1) * (w->dilate_w + 1) + 1, w->stride_w, upper,
              &w->left, &w->right);
    return RN_OK;
}

/* Everything of a window but its size. */
static int read_window(struct rn_onnx_import *in, const struct rn_shape *shape,
                       struct rn_window *w)
{
    int strides[2], dilations[2];
    int rc = small_ints(in, "strides", 2, 1, 1, strides);

    if (!rc)
        rc = small_ints(in, "dilations", 2, 1, 1, dilations);
    if (rc)
        return rc;
    w->stride = strides[0];
    w->stride_w = strides[1];
    w->dilate_h = dilations[0] - 1;
    w->dilate_w = dilations[1] - 1;
    if (((int64_t)w->kh - 1) * dilations[0] > RN_ONNX_SIDE ||
        ((int64_t)w->kw - 1) * dilations[1] > RN_ONNX_SIDE)
        return rn_onnx_fail(in, "has a window larger than any picture");
    return window_pads(in, shape, w);
}

/* ------------------------------------------------------------- convolution */

static int check_weights(struct rn_onnx_import *in,
                         const struct rn_onnx_value *w, struct rn_shape s,
                         int64_t groups)
{
    if (w->dims != 4 || w->dim[0] > INT32_MAX || w->dim[2] < 1 ||
        w->dim[3] < 1 || w->dim[2] > RN_ONNX_SIDE || w->dim[3] > RN_ONNX_SIDE)
        return rn_onnx_fail(in, "has weights that are not those of a "
                                "convolution over a picture");
    if (groups < 1 || w->dim[1] == 0 || groups > s.c ||
        w->dim[1] * (uint64_t)groups != (uint64_t)s.c ||
        w->dim[0] % (uint64_t)groups)
        return rn_onnx_fail(in,
                            "has weights of %llu x %llu channels in %lld "
                            "groups, but reads %d",
                            (unsigned long long)w->dim[0],
                            (unsigned long long)w->dim[1], (long long)groups,
                            s.c);
    return rn_onnx_claim(in, w->count);
}

/* A frame that a picture should get is part of the padding. */
static void take_frame(struct rn_onnx_value *picture, struct rn_window *w)
{
    w->top += picture->frame[TOP];
    w->left += picture->frame[LEFT];
    w->bottom += picture->frame[BOTTOM];
    w->right += picture->frame[RIGHT];
    memset(picture->frame, 0, sizeof(picture->frame));
}

/* Input 0, with what its frame leaves to the window taken off: zeros to a
 * convolution, others to a max pool. */
static int framed_picture(struct rn_onnx_import *in, bool zeros,
                          struct rn_window *w, struct rn_onnx_value *out)
{
    struct rn_onnx_value *v;
    int rc = rn_onnx_expect(in, 0, RN_ONNX_PICTURE, &v);

    if (rc)
        return rc;
    *out = *v;
    out->quantized &= zeros; /* the largest is the same of either */
    if (v->rows_first || v->flat || out->quantized)
        return rn_onnx_fail(in, "reads no picture of channels, rows, columns");
    if (zeros == (v->frame_of == RN_ONNX_ZEROS))
        take_frame(out, w);
    return rn_onnx_settle(in, out);
}

/* The window over a picture that gets a frame first. */
static int framed_window(struct rn_onnx_import *in, struct rn_shape shape,
                         const struct rn_window *frame, struct rn_window *w)
{
    shape.h += frame->top + frame->bottom;
    shape.w += frame->left + frame->right;
    int rc = read_window(in, &shape, w);
    w->top += frame->top;
    w->left += frame->left;
    w->bottom += frame->bottom;
    w->right += frame->right;
    return rc;
}

static int load_conv(struct rn_onnx_import *in, int node,
                     const struct rn_onnx_value *weights, bool bias)
{
    int rc =
        rn_onnx_load(in, weights, rn_onnx_param(in, node, RN_P_WEIGHT)->data);

    if (!rc)
        rc = rn_onnx_take_scales(in, node, weights, 0);
    return rc || !bias ? rc
                       : rn_onnx_load_vector(
                             in, 2, rn_onnx_param(in, node, RN_P_BIAS), 0);
}

int rn_onnx_read_conv(struct rn_onnx_import *in)
{
    struct rn_onnx_value picture, *weights;
    struct rn_window frame = {0}, w = {0};
    char name[RN_IMPORT_NAME];
    bool bias = rn_onnx_input(in, 2) != NULL;
    int64_t groups = rn_onnx_int(in, "group", 1);
    int rc = framed_picture(in, true, &frame, &picture);

    if (!rc)
        rc = rn_onnx_expect(in, 1, RN_ONNX_NUMBERS, &weights);
    if (rc)
        return rc;
    struct rn_shape shape = rn_onnx_shape_of(in, &picture);
    rc = check_weights(in, weights, shape, groups);
    if (!rc && bias)
        rc = rn_onnx_check_vector(in, 2, (int)weights->dim[0]);
    w.kh = (int)weights->dim[2];
    w.kw = (int)weights->dim[3];
    if (!rc)
        rc = framed_window(in, shape, &frame, &w);
    if (rc)
        return rc;
    int node =
        rn_graph_conv_groups(in->g, picture.node, rn_onnx_name(in, 1, name),
                             (int)weights->dim[0], w, (int)groups, bias);
    rc = rn_onnx_output_node(in, node, &picture);
    return rc ? rc : load_conv(in, node, weights, bias);
}

/* ----------------------------------------------------------------- pooling */

static int read_pool_options(struct rn_onnx_import *in,
                             const struct rn_shape *shape,
                             const struct rn_window *frame,
                             struct rn_pool_options *o)
{
    int kernel[2];
    int rc = small_ints(in, "kernel_shape", 2, 0, 1, kernel);

    if (rc)
        return rc;
    o->window.kh = kernel[0];
    o->window.kw = kernel[1];
    o->ceil = rn_onnx_int(in, "ceil_mode", 0) != 0;
    o->count_padding = rn_onnx_int(in, "count_include_pad", 0) != 0;
    return framed_window(in, *shape, frame, &o->window);
}

/* Every window over a frame of copies of the edge must see that edge. */
static int check_frame(struct rn_onnx_import *in, const struct rn_window *frame,
                       const struct rn_window *w)
{
    bool framed = frame->top || frame->left || frame->bottom || frame->right;
    bool sees = !w->dilate_h && !w->dilate_w && w->top < w->kh &&
                w->bottom < w->kh && w->left < w->kw && w->right < w->kw;

    return !framed || sees
               ? RN_OK
               : rn_onnx_fail(in, "has windows over nothing but the padding "
                                  "before it");
}

int rn_onnx_read_max_pool(struct rn_onnx_import *in)
{
    struct rn_onnx_value picture, out;
    struct rn_pool_options o = {0};
    struct rn_window frame = {0};
    char name[RN_IMPORT_NAME];
    int rc = framed_picture(in, false, &frame, &picture);

    if (rc)
        return rc;
    struct rn_shape shape = rn_onnx_shape_of(in, &picture);
    rc = read_pool_options(in, &shape, &frame, &o);
    if (!rc)
        rc = check_frame(in, &frame, &o.window);
    if (rc)
        return rc;
    rc = rn_onnx_node_value(
        in,
        rn_graph_max_pool_with(in->g, picture.node,
                               rn_onnx_name(in, UINT32_MAX, name), &o),
        &picture, &out);
    out.quantized = rn_onnx_input(in, 0)->quantized;
    out.type = picture.type;
    out.unit = picture.unit;
    out.zero = picture.zero;
    if (!rc)
        rn_onnx_output(in, &out);
    return rc;
}

/* Whether a window is the picture: a global average. */
static bool is_whole(const struct rn_window *w, const struct rn_shape *s)
{
    return w->kh == s->h && w->kw == s->w && !w->top && !w->left &&
           !w->bottom && !w->right && !w->dilate_h && !w->dilate_w;
}

/* Whether a window is one pixel, and hands it on: torchvision's adaptive mean
 * where there is nothing to do. */
static bool is_idle(const struct rn_window *w)
{
    return w->kh == 1 && w->kw == 1 && w->stride == 1 &&
           (!w->stride_w || w->stride_w == 1) && !w->pad && !w->top &&
           !w->left && !w->bottom && !w->right;
}

int rn_onnx_read_average_pool(struct rn_onnx_import *in)
{
    struct rn_onnx_value *picture;
    struct rn_pool_options o = {0};
    const struct rn_window frame = {0};
    char name[RN_IMPORT_NAME];
    int node, rc = rn_onnx_picture(in, 0, &picture);

    if (rc)
        return rc;
    struct rn_shape shape = rn_onnx_shape_of(in, picture);
    rc = read_pool_options(in, &shape, &frame, &o);
    if (rc)
        return rc;
    rn_onnx_name(in, UINT32_MAX, name);
    if (is_whole(&o.window, &shape))
        node = rn_graph_global_avg_pool(in->g, picture->node, name);
    else if (is_idle(&o.window))
        node = picture->node;
    else
        node = rn_graph_avg_pool(in->g, picture->node, name, &o);
    return rn_onnx_output_node(in, node, picture);
}

int rn_onnx_read_global_average(struct rn_onnx_import *in)
{
    struct rn_onnx_value *picture;
    int rc = rn_onnx_picture(in, 0, &picture);

    return rc ? rc : rn_onnx_read_simple(in, rn_graph_global_avg_pool);
}

static int max_of_all(struct rn_graph *g, int input, const char *name)
{
    const struct rn_shape s = g->nodes[input].shape;
    const struct rn_pool_options o = {.window = RN_WINDOW(s.h, s.w, 1, 0)};

    return rn_graph_max_pool_with(g, input, name, &o);
}

int rn_onnx_read_global_max(struct rn_onnx_import *in)
{
    struct rn_onnx_value *picture;
    int rc = rn_onnx_picture(in, 0, &picture);

    return rc ? rc : rn_onnx_read_simple(in, max_of_all);
}

/* Whether these are a picture's rows and columns, and nothing else. */
static bool is_plane(const struct rn_onnx_value *picture, const int64_t *axes,
                     int n)
{
    int row = picture->rows_first ? 1 : 2;
    bool rows = false, columns = false;

    for (int i = 0; i < n; i++) {
        rows |= axes[i] == row || axes[i] == row - 4;
        columns |= axes[i] == row + 1 || axes[i] == row - 3;
    }
    return n == 2 && rows && columns;
}

static int read_reduced(struct rn_onnx_import *in, const char *what,
                        int (*build)(struct rn_graph *, int, const char *))
{
    struct rn_onnx_value *picture;
    int64_t axes[RN_TENSOR_DIMS];
    char name[RN_IMPORT_NAME];
    int n, rc = rn_onnx_any_layout(in, 0, &picture);

    if (!rc)
        rc = rn_onnx_ints(in, "axes", 1, axes, RN_TENSOR_DIMS, &n);
    if (!rc && (picture->flat || !is_plane(picture, axes, n)))
        rc = rn_onnx_fail(in,
                          "is a %s over something else than the rows and "
                          "columns of a picture",
                          what);
    if (rc)
        return rc;
    struct rn_onnx_value like = *picture;
    like.flat = rn_onnx_int(in, "keepdims", 1) == 0;
    like.rows_first &= !like.flat;
    return rn_onnx_output_node(
        in, build(in->g, picture->node, rn_onnx_name(in, UINT32_MAX, name)),
        &like);
}

int rn_onnx_read_reduce_mean(struct rn_onnx_import *in)
{
    return read_reduced(in, "mean", rn_graph_global_avg_pool);
}

int rn_onnx_read_reduce_max(struct rn_onnx_import *in)
{
    return read_reduced(in, "maximum", max_of_all);
}

/* ------------------------------------------------------------------ padding */

/* Zero channels: shortcut option A, with a slice before it. */
static int pad_channels(struct rn_onnx_import *in, struct rn_onnx_value *v,
                        const int64_t *pads)
{
    struct rn_shape s = rn_onnx_shape_of(in, v);
    bool steps = v->step[0] && v->step[0] == v->step[1];
    char name[RN_IMPORT_NAME];
    int rc = steps ? RN_OK : rn_onnx_settle(in, v);

    if (rc)
        return rc;
    return rn_onnx_output_node(
        in,
        rn_graph_subsample_pad(in->g, v->node,
                               rn_onnx_name(in, UINT32_MAX, name),
                               s.c + (int)pads[1] + (int)pads[5], (int)pads[1],
                               steps ? v->step[0] : 1),
        v);
}

static int pad_frame(struct rn_onnx_import *in, const struct rn_onnx_value *of,
                     const int64_t *pads, enum rn_onnx_frame frame_of)
{
    struct rn_onnx_value v = *of;
    int rc = rn_onnx_settle(in, &v);

    if (rc)
        return rc;
    v.frame[TOP] = (int)pads[2];
    v.frame[LEFT] = (int)pads[3];
    v.frame[BOTTOM] = (int)pads[6];
    v.frame[RIGHT] = (int)pads[7];
    v.frame_of = frame_of;
    rn_onnx_output(in, &v);
    return RN_OK;
}

/* What it pads with. */
static int read_padding(struct rn_onnx_import *in, enum rn_onnx_frame *frame_of)
{
    struct rn_onnx_attribute a;
    struct rn_onnx_value *constant = rn_onnx_input(in, 2);
    float value = rn_onnx_float(in, "value", 0);
    bool mode = rn_onnx_attribute(in->node, "mode", &a);
    int rc = RN_OK;

    *frame_of = RN_ONNX_EDGE;
    if (mode && rn_pb_is(a.text, "edge"))
        return RN_OK;
    if (mode && !rn_pb_is(a.text, "constant"))
        return rn_onnx_fail(in, "pads in the manner '%.*s'",
                            RN_PB_SHOW(a.text));
    if (constant && (constant->kind != RN_ONNX_NUMBERS || constant->count != 1))
        return rn_onnx_fail(in, "pads with something else than a number");
    if (constant)
        rc = rn_onnx_load(in, constant, &value);
    *frame_of = value == 0 ? RN_ONNX_ZEROS : RN_ONNX_LOWEST;
    return rc || value == 0 || value <= -FLT_MAX
               ? rc
               : rn_onnx_fail(in, "pads with %g", (double)value);
}

/* The pads of [batch,h,w,c] as those of [batch,c,h,w]. */
static void put_channels_first(int64_t pads[8])
{
    for (int64_t *end = pads; end < pads + 8; end += 4) {
        const int64_t last[] = {end[3], end[1], end[2]};

        memcpy(end + 1, last, sizeof(last));
    }
}

/* Pads of the dimensions that input 3 names as those of all. */
static int spread_pads(struct rn_onnx_import *in, int64_t pads[8], int *n)
{
    int64_t axes[4], given[8];
    int count, rc = rn_onnx_ints(in, "axes", 3, axes, 4, &count);

    if (rc || count < 0)
        return rc;
    memcpy(given, pads, sizeof(given));
    memset(pads, 0, 8 * sizeof(*pads));
    for (int i = 0; i < count; i++) {
        int64_t axis = axes[i] < 0 ? axes[i] + 4 : axes[i];

        if (*n != 2 * count || axis < 0 || axis > 3)
            return rn_onnx_fail(in, "pads dimensions that are none of a "
                                    "picture's");
        pads[axis] = given[i];
        pads[axis + 4] = given[i + count];
    }
    *n = 8;
    return RN_OK;
}

int rn_onnx_read_pad(struct rn_onnx_import *in)
{
    struct rn_onnx_value *v;
    enum rn_onnx_frame frame_of;
    int64_t pads[8];
    int n, rc = rn_onnx_expect(in, 0, RN_ONNX_PICTURE, &v);

    if (!rc)
        rc = read_padding(in, &frame_of);
    if (!rc)
        rc = rn_onnx_ints(in, rn_onnx_has(in, "paddings") ? "paddings" : "pads",
                          1, pads, 8, &n);
    if (!rc)
        rc = spread_pads(in, pads, &n);
    if (rc)
        return rc;
    for (int i = 0; i < n; i++)
        if (pads[i] < 0 || pads[i] > RN_ONNX_SIDE)
            return rn_onnx_fail(in, "pads by %lld", (long long)pads[i]);
    if (n == 8 && v->rows_first)
        put_channels_first(pads);
    bool channels = n == 8 && (pads[1] || pads[5]);
    bool frame = n == 8 && (pads[2] || pads[3] || pads[6] || pads[7]);
    if (n != 8 || v->flat || pads[0] || pads[4] || (channels && frame))
        return rn_onnx_fail(in, "pads something else than channels alone, or "
                                "rows and columns, of a picture");
    if (channels && frame_of != RN_ONNX_ZEROS)
        return rn_onnx_fail(in, "adds channels of something else than zeros");
    if (channels)
        return pad_channels(in, v, pads);
    return frame ? pad_frame(in, v, pads, frame_of)
                 : (rn_onnx_output(in, v), RN_OK);
}
