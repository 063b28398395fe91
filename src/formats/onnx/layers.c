/* SPDX-License-Identifier: BSD-2-Clause */
/* Operators that compute something of a picture, and the layers they become. */
#include "formats/onnx/import.h"

#include "core/count.h"
#include "core/memory.h"
#include "formats/onnx/functions.h"

#include <float.h>
#include <stdlib.h>
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

/* -------------------------------------------------------------- parameters */

static struct rn_param *param_of(struct rn_onnx_import *in, int node, int place)
{
    return &in->g->params[in->g->nodes[node].param[place]];
}

static void fill(struct rn_param *p, float value)
{
    for (size_t i = 0; i < p->count; i++)
        p->data[i] = value;
}

/* Whether a constant is a list of so many numbers, one a channel. */
static bool is_vector(const struct rn_onnx_value *v, int count)
{
    return v && v->kind == RN_ONNX_NUMBERS && v->count == (uint64_t)count;
}

/* Numbers of input i, one a channel, into a parameter; without the input
 * `otherwise` throughout. It has been checked. */
static int load_vector(struct rn_onnx_import *in, uint32_t i,
                       struct rn_param *p, float otherwise)
{
    const struct rn_onnx_value *v = rn_onnx_input(in, i);

    if (v)
        return rn_onnx_load(in, v, p->data);
    fill(p, otherwise);
    return RN_OK;
}

static int check_vector(struct rn_onnx_import *in, uint32_t i, int count)
{
    const struct rn_onnx_value *v = rn_onnx_input(in, i);

    return !v || is_vector(v, count)
               ? rn_onnx_claim(in, (uint64_t)count)
               : rn_onnx_fail(in,
                              "has as input %u something else than the %d "
                              "numbers of its channels",
                              i + 1, count);
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
    if (v->rows_first || v->flat || v->quantized)
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
    int rc = rn_onnx_load(in, weights, param_of(in, node, RN_P_WEIGHT)->data);

    return rc || !bias ? rc
                       : load_vector(in, 2, param_of(in, node, RN_P_BIAS), 0);
}

static int read_conv(struct rn_onnx_import *in)
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
        rc = check_vector(in, 2, (int)weights->dim[0]);
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

/* -------------------------------------------------------------- batch norm */

/* Until opset 6 is_test, which is 0 when it is left out, tells training from
 * inference; then whether it has the statistics of a batch as outputs; from 14
 * on training_mode. */
static int check_inference(struct rn_onnx_import *in)
{
    const struct rn_onnx_node *n = in->node;
    bool training = in->file->opset < 7 && rn_onnx_int(in, "is_test", 0) == 0;

    for (uint32_t i = 1; i < n->outputs; i++)
        training |= in->file->ends[n->first_output + i] != RN_ONNX_NONE;
    if (training || rn_onnx_int(in, "training_mode", 0) != 0)
        return rn_onnx_fail(in, "is exported as in training: it normalises by "
                                "each batch's own statistics");
    return rn_onnx_int(in, "spatial", 1) != 0
               ? RN_OK
               : rn_onnx_fail(in, "normalises each pixel by itself (spatial "
                                  "0), expected each channel");
}

static int read_batch_norm(struct rn_onnx_import *in)
{
    static const float otherwise[] = {1, 0, 0, 1};
    struct rn_onnx_value *picture;
    char name[RN_IMPORT_NAME];
    int rc = rn_onnx_picture(in, 0, &picture);

    if (!rc)
        rc = check_inference(in);
    for (uint32_t i = 0; i < COUNT(otherwise) && !rc; i++)
        rc = check_vector(in, i + 1, rn_onnx_shape_of(in, picture).c);
    if (rc)
        return rc;
    int node =
        rn_graph_batch_norm(in->g, picture->node, rn_onnx_name(in, 1, name));
    rc = rn_onnx_output_node(in, node, picture);
    for (int i = 0; i < (int)COUNT(otherwise) && !rc; i++)
        rc = load_vector(in, (uint32_t)i + 1, param_of(in, node, i),
                         otherwise[i]);
    if (!rc)
        in->g->nodes[node].eps = rn_onnx_float(in, "epsilon", 1e-5f);
    return rc;
}

/* ---------------------------------------------- arithmetic with constants */

/* Whether a constant is one number, or one for each of c channels. */
static bool fits_channels(const struct rn_onnx_value *constant,
                          const struct rn_onnx_value *picture, int c)
{
    int last = constant->dims - 1;
    int axis = picture->flat || picture->rows_first ? last : last - 2;

    if (constant->kind != RN_ONNX_NUMBERS ||
        constant->dims > (picture->flat ? 2 : 4))
        return false;
    return constant->count == 1 ||
           (axis >= 0 && constant->count == (uint64_t)c &&
            constant->dim[axis] == (uint64_t)c);
}

/* Its numbers, one a channel, lasting; NULL with the error set. */
static float *channel_numbers(struct rn_onnx_import *in,
                              const struct rn_onnx_value *constant, int c)
{
    float *numbers = rn_onnx_make(in, (uint64_t)c);

    if (!numbers || rn_onnx_load(in, constant, numbers))
        return NULL;
    for (int i = 1; i < c && constant->count == 1; i++)
        numbers[i] = numbers[0];
    return numbers;
}

/* x * scale + shift for each channel. */
struct affine {
    const float *scale, *shift; /* NULL: 1, 0 */
    int c;
};

/* A batch norm or fully connected layer takes it into its parameters. */
static bool merge_affine(struct rn_onnx_import *in, int node,
                         const struct affine *a)
{
    const struct rn_node *n = &in->g->nodes[node];
    bool norm = n->op == RN_OP_BATCH_NORM;

    if (!norm && !(n->op == RN_OP_LINEAR && !a->scale))
        return false;
    float *weight = param_of(in, node, RN_P_WEIGHT)->data;
    float *bias = param_of(in, node, RN_P_BIAS)->data;
    for (int i = 0; i < a->c; i++) {
        if (a->scale) {
            weight[i] *= a->scale[i];
            bias[i] *= a->scale[i];
        }
        if (a->shift)
            bias[i] += a->shift[i];
    }
    return true;
}

/* A layer that does that alone: batch norm of mean 0, variance 1. */
static int affine_value(struct rn_onnx_import *in,
                        const struct rn_onnx_value *picture,
                        const struct affine *a, struct rn_onnx_value *out)
{
    char name[RN_IMPORT_NAME];
    int rc = rn_onnx_claim(in, 4 * (uint64_t)a->c);

    if (rc)
        return rc;
    int node = rn_graph_batch_norm(in->g, picture->node,
                                   rn_onnx_name(in, UINT32_MAX, name));
    rc = rn_onnx_node_value(in, node, picture, out);
    if (rc)
        return rc;
    fill(param_of(in, node, RN_P_WEIGHT), 1);
    fill(param_of(in, node, RN_P_VAR), 1);
    in->g->nodes[node].eps = 0;
    merge_affine(in, node, a);
    return RN_OK;
}

static int apply_affine(struct rn_onnx_import *in,
                        struct rn_onnx_value *picture, const struct affine *a)
{
    int rc = rn_onnx_settle(in, picture);

    if (rc)
        return rc;
    if (!picture->sole || !merge_affine(in, picture->node, a)) {
        struct rn_onnx_value out;

        rc = affine_value(in, picture, a, &out);
        if (!rc)
            rn_onnx_output(in, &out);
    } else {
        rn_onnx_output(in, picture);
    }
    return rc;
}

static bool is_one_pixel(struct rn_shape s)
{
    return s.h == 1 && s.w == 1;
}

/* The two inputs of x + y and the like, of which one is a constant: which. */
static int pick_constant(struct rn_onnx_import *in,
                         struct rn_onnx_value **picture,
                         struct rn_onnx_value **constant, int *place)
{
    struct rn_onnx_value *x = rn_onnx_input(in, 0), *y = rn_onnx_input(in, 1);

    if (!x || !y || in->node->inputs != 2)
        return rn_onnx_fail(in, "has %u inputs, expected 2", in->node->inputs);
    *place = x->kind == RN_ONNX_PICTURE ? 1 : 0;
    *picture = *place ? x : y;
    *constant = *place ? y : x;
    if ((*picture)->kind != RN_ONNX_PICTURE)
        return rn_onnx_fail(in, "computes with constants alone, of more than "
                                "a list's numbers");
    struct rn_shape s = rn_onnx_shape_of(in, *picture);
    if (fits_channels(*constant, *picture, s.c) &&
        (!(*picture)->flat || (*constant)->count == 1 ||
         (s.h == 1 && s.w == 1)))
        return RN_OK;
    return rn_onnx_fail(in,
                        "has a constant that is neither one number nor one "
                        "for each of %d channels",
                        s.c);
}

enum arithmetic { PLUS, MINUS, TIMES, OVER };

/* The constant's numbers turned into scale and shift. */
static int make_affine(struct rn_onnx_import *in, enum arithmetic how,
                       const struct rn_onnx_value *constant, int place,
                       struct affine *a)
{
    float *numbers = channel_numbers(in, constant, a->c), *signs = NULL;

    if (!numbers)
        return rn_onnx_fail(in, "has a constant that cannot be read");
    if (how == OVER && place == 0)
        return rn_onnx_fail(in, "divides by something computed");
    if (how == MINUS && place == 0) { /* constant - x */
        signs = rn_onnx_make(in, (uint64_t)a->c);
        if (!signs)
            return RN_ERR_MEMORY;
    }
    for (int i = 0; i < a->c; i++) {
        if (signs)
            signs[i] = -1;
        else if (how == MINUS)
            numbers[i] = -numbers[i];
        else if (how == OVER)
            numbers[i] = 1 / numbers[i];
    }
    a->scale = how == TIMES || how == OVER ? numbers : signs;
    a->shift = how == PLUS || how == MINUS ? numbers : NULL;
    return RN_OK;
}

static int read_affine(struct rn_onnx_import *in, enum arithmetic how)
{
    struct rn_onnx_value *picture = NULL, *constant = NULL;
    struct affine a = {0};
    int place = 0;
    int rc = pick_constant(in, &picture, &constant, &place);

    if (rc)
        return rc;
    a.c = rn_onnx_shape_of(in, picture).c;
    rc = make_affine(in, how, constant, place, &a);
    return rc ? rc : apply_affine(in, picture, &a);
}

static int read_div(struct rn_onnx_import *in)
{
    return read_affine(in, OVER);
}

/* ------------------------------------------------ sums and products of two */

static bool all_pictures(struct rn_onnx_import *in)
{
    for (uint32_t i = 0; i < in->node->inputs; i++) {
        const struct rn_onnx_value *v = rn_onnx_input(in, i);

        if (!v || v->kind != RN_ONNX_PICTURE)
            return false;
    }
    return in->node->inputs > 0;
}

/* Values whose numbers lie where each other's do. */
static int check_alike(struct rn_onnx_import *in, const struct rn_onnx_value *a,
                       const struct rn_onnx_value *b)
{
    if (a->flat != b->flat)
        return rn_onnx_fail(in, "joins a picture and a flat list");
    return a->rows_first == b->rows_first
               ? RN_OK
               : rn_onnx_fail(in, "joins a picture whose channels come first "
                                  "and one whose channels come last");
}

/* All inputs joined, two at a time. */
static int read_joined(struct rn_onnx_import *in,
                       int (*join)(struct rn_graph *, int, int, const char *))
{
    struct rn_onnx_value *first, *next;
    int rc = rn_onnx_any_layout(in, 0, &first);
    int node = rc ? -1 : first->node;

    for (uint32_t i = 1; i < in->node->inputs && !rc; i++) {
        char name[RN_IMPORT_NAME];

        rc = rn_onnx_any_layout(in, i, &next);
        if (!rc)
            rc = check_alike(in, first, next);
        if (!rc)
            node = join(in->g, node, next->node,
                        rn_onnx_name(in, UINT32_MAX, name));
    }
    return rc ? rc : rn_onnx_output_node(in, node, first);
}

/* Each times -1. */
static int make_negative(struct rn_onnx_import *in,
                         const struct rn_onnx_value *picture, struct affine *a)
{
    *a = (struct affine){.c = rn_onnx_shape_of(in, picture).c};
    float *signs = rn_onnx_make(in, (uint64_t)a->c);
    if (!signs)
        return in->err->code;
    for (int i = 0; i < a->c; i++)
        signs[i] = -1;
    a->scale = signs;
    return RN_OK;
}

/* x - y as the sum of x and -y. */
static int read_difference(struct rn_onnx_import *in)
{
    struct rn_onnx_value *x, *y, minus;
    struct affine a;
    char name[RN_IMPORT_NAME];
    int rc = rn_onnx_any_layout(in, 0, &x);

    if (!rc)
        rc = rn_onnx_any_layout(in, 1, &y);
    if (!rc)
        rc = check_alike(in, x, y);
    if (!rc)
        rc = make_negative(in, y, &a);
    if (!rc)
        rc = affine_value(in, y, &a, &minus);
    return rc ? rc
              : rn_onnx_output_node(
                    in,
                    rn_graph_add(in->g, x->node, minus.node,
                                 rn_onnx_name(in, UINT32_MAX, name)),
                    x);
}

static int read_sub(struct rn_onnx_import *in)
{
    return in->node->inputs == 2 && all_pictures(in) ? read_difference(in)
                                                     : read_affine(in, MINUS);
}

static int read_add(struct rn_onnx_import *in)
{
    return all_pictures(in) ? read_joined(in, rn_graph_add)
                            : read_affine(in, PLUS);
}

static int read_mul(struct rn_onnx_import *in)
{
    return all_pictures(in) ? read_joined(in, rn_graph_multiply)
                            : read_affine(in, TIMES);
}

static int read_concat(struct rn_onnx_import *in)
{
    struct rn_onnx_value *v, *first = rn_onnx_input(in, 0);
    int64_t axis = rn_onnx_int(in, "axis", 1);
    uint32_t n = in->node->inputs;
    char name[RN_IMPORT_NAME];
    int rc = RN_OK;

    if (!rn_onnx_is_channels(first, axis))
        return rn_onnx_fail(in,
                            "joins along dimension %lld, expected the "
                            "channels",
                            (long long)axis);
    int *nodes = rn_alloc(n, sizeof(*nodes));
    if (!nodes)
        return rn_fail_memory(in->err, n * sizeof(*nodes), "inputs");
    for (uint32_t i = 0; i < n && !rc; i++) {
        rc = rn_onnx_any_layout(in, i, &v);
        if (!rc)
            rc = check_alike(in, first, v);
        if (!rc)
            nodes[i] = v->node;
    }
    if (!rc)
        rc = rn_onnx_output_node(
            in,
            rn_graph_concat_all(in->g, nodes, (int)n,
                                rn_onnx_name(in, UINT32_MAX, name)),
            first);
    rn_free(nodes);
    return rc;
}

/* ------------------------------------------------- element by element, LRN */

static int read_simple(struct rn_onnx_import *in,
                       int (*build)(struct rn_graph *, int, const char *))
{
    struct rn_onnx_value *picture;
    char name[RN_IMPORT_NAME];
    int rc = rn_onnx_any_layout(in, 0, &picture);

    return rc ? rc
              : rn_onnx_output_node(in,
                                    build(in->g, picture->node,
                                          rn_onnx_name(in, UINT32_MAX, name)),
                                    picture);
}

static int read_relu(struct rn_onnx_import *in)
{
    return read_simple(in, rn_graph_relu);
}

static int read_sigmoid(struct rn_onnx_import *in)
{
    return read_simple(in, rn_graph_sigmoid);
}

/* A constant number as input i. */
static int number_of(struct rn_onnx_import *in, uint32_t i, float *out)
{
    struct rn_onnx_value *v;
    int rc = rn_onnx_expect(in, i, RN_ONNX_NUMBERS, &v);

    if (!rc && v->count != 1)
        rc = rn_onnx_fail(in, "reads %llu numbers as input %u, expected one",
                          (unsigned long long)v->count, i + 1);
    return rc ? rc : rn_onnx_load(in, v, out);
}

/* Gelu comes in two kinds, Pow with its exponent as input. */
static int function_numbers(struct rn_onnx_import *in,
                            const struct rn_onnx_function *f,
                            enum rn_function *function, float *a, float *b)
{
    struct rn_onnx_attribute how;

    *function = f->function;
    *a = f->a ? rn_onnx_float(in, f->a, f->a_else) : f->a_else;
    *b = f->b ? rn_onnx_float(in, f->b, f->b_else) : f->b_else;
    if (f->function == RN_FUNCTION_POWER)
        return number_of(in, 1, a);
    if (f->function != RN_FUNCTION_GELU ||
        !rn_onnx_attribute(in->node, "approximate", &how) ||
        rn_pb_is(how.text, "none"))
        return RN_OK;
    *function = RN_FUNCTION_GELU_TANH;
    return rn_pb_is(how.text, "tanh")
               ? RN_OK
               : rn_onnx_fail(in, "is made of '%.*s'", RN_PB_SHOW(how.text));
}

static int read_function(struct rn_onnx_import *in)
{
    const struct rn_onnx_function *f = rn_onnx_function_called(in->node->op);
    struct rn_onnx_value *picture;
    enum rn_function function;
    char name[RN_IMPORT_NAME];
    float a, b;
    int rc = rn_onnx_any_layout(in, 0, &picture);

    if (!rc)
        rc = function_numbers(in, f, &function, &a, &b);
    return rc ? rc
              : rn_onnx_output_node(
                    in,
                    rn_graph_activation(in->g, picture->node,
                                        rn_onnx_name(in, UINT32_MAX, name),
                                        function, a, b),
                    picture);
}

static int read_reciprocal(struct rn_onnx_import *in)
{
    struct rn_onnx_value *picture;
    char name[RN_IMPORT_NAME];
    int rc = rn_onnx_any_layout(in, 0, &picture);

    return rc ? rc
              : rn_onnx_output_node(
                    in,
                    rn_graph_activation(in->g, picture->node,
                                        rn_onnx_name(in, UINT32_MAX, name),
                                        RN_FUNCTION_POWER, -1, 0),
                    picture);
}

static int read_negative(struct rn_onnx_import *in)
{
    struct rn_onnx_value *picture;
    struct affine a;
    int rc = rn_onnx_any_layout(in, 0, &picture);

    if (!rc)
        rc = make_negative(in, picture, &a);
    return rc ? rc : apply_affine(in, picture, &a);
}

/* A slope for each channel; the same for all is a leaky ReLU. */
static int read_prelu(struct rn_onnx_import *in)
{
    struct rn_onnx_value *picture, *slopes;
    char name[RN_IMPORT_NAME];
    float slope;
    int node, rc = rn_onnx_any_layout(in, 0, &picture);

    if (!rc)
        rc = rn_onnx_expect(in, 1, RN_ONNX_NUMBERS, &slopes);
    if (rc)
        return rc;
    int c = rn_onnx_shape_of(in, picture).c;
    if (slopes->count == 1) {
        rc = rn_onnx_load(in, slopes, &slope);
        node =
            rc ? -1
               : rn_graph_leaky_relu(in->g, picture->node,
                                     rn_onnx_name(in, UINT32_MAX, name), slope);
        return rc ? rc : rn_onnx_output_node(in, node, picture);
    }
    if (!fits_channels(slopes, picture, c) ||
        (picture->flat && !is_one_pixel(rn_onnx_shape_of(in, picture))))
        return rn_onnx_fail(in,
                            "has slopes that are neither one number nor one "
                            "for each of %d channels",
                            c);
    rc = rn_onnx_claim(in, (uint64_t)c);
    if (rc)
        return rc;
    node = rn_graph_prelu(in->g, picture->node, rn_onnx_name(in, 1, name));
    rc = rn_onnx_output_node(in, node, picture);
    return rc ? rc
              : rn_onnx_load(in, slopes, param_of(in, node, RN_P_WEIGHT)->data);
}

/* An end of a clip: an attribute, or a constant as input i. */
static int clip_end(struct rn_onnx_import *in, const char *name, uint32_t i,
                    float otherwise, float *out)
{
    struct rn_onnx_value *v = rn_onnx_input(in, i);

    *out = rn_onnx_float(in, name, otherwise);
    if (!v)
        return RN_OK;
    if (v->kind != RN_ONNX_NUMBERS || v->count != 1)
        return rn_onnx_fail(in, "has no constant number as its '%s'", name);
    return rn_onnx_load(in, v, out);
}

static int read_clip(struct rn_onnx_import *in)
{
    struct rn_onnx_value *picture;
    char name[RN_IMPORT_NAME];
    float low, high;
    int rc = rn_onnx_any_layout(in, 0, &picture);

    if (!rc)
        rc = clip_end(in, "min", 1, -FLT_MAX, &low);
    if (!rc)
        rc = clip_end(in, "max", 2, FLT_MAX, &high);
    return rc ? rc
              : rn_onnx_output_node(
                    in,
                    rn_graph_clip(in->g, picture->node,
                                  rn_onnx_name(in, UINT32_MAX, name), low,
                                  high),
                    picture);
}

/* The larger, or smaller, of each element and a number. */
static int clip_by(struct rn_onnx_import *in, bool low)
{
    struct rn_onnx_value *x = rn_onnx_input(in, 0), *picture;
    uint32_t place = x && x->kind == RN_ONNX_PICTURE ? 0 : 1;
    char name[RN_IMPORT_NAME];
    float end;

    if (in->node->inputs != 2)
        return rn_onnx_fail(in, "has %u inputs, expected 2", in->node->inputs);
    int rc = number_of(in, 1 - place, &end);
    if (!rc)
        rc = rn_onnx_any_layout(in, place, &picture);
    return rc ? rc
              : rn_onnx_output_node(
                    in,
                    rn_graph_clip(in->g, picture->node,
                                  rn_onnx_name(in, UINT32_MAX, name),
                                  low ? end : -FLT_MAX, low ? FLT_MAX : end),
                    picture);
}

static int read_max(struct rn_onnx_import *in)
{
    return clip_by(in, true);
}

static int read_min(struct rn_onnx_import *in)
{
    return clip_by(in, false);
}

static int read_leaky_relu(struct rn_onnx_import *in)
{
    struct rn_onnx_value *picture;
    char name[RN_IMPORT_NAME];
    int rc = rn_onnx_any_layout(in, 0, &picture);

    return rc ? rc
              : rn_onnx_output_node(
                    in,
                    rn_graph_leaky_relu(in->g, picture->node,
                                        rn_onnx_name(in, UINT32_MAX, name),
                                        rn_onnx_float(in, "alpha", 0.01f)),
                    picture);
}

/* What is exported from training stays as it is; the rate was an attribute
 * once. Of what is no picture nothing is dropped outside training. */
static int read_dropout(struct rn_onnx_import *in)
{
    const struct rn_onnx_value *training = rn_onnx_input(in, 2);
    struct rn_onnx_value *x = rn_onnx_input(in, 0);
    float rate = rn_onnx_float(in, "ratio", 0.5f);
    char name[RN_IMPORT_NAME];
    int rc = RN_OK;

    if (!x)
        return rn_onnx_fail(in, "reads nothing");
    if (training && (training->kind != RN_ONNX_LIST || training->count != 1 ||
                     training->list[0]))
        return rn_onnx_fail(in, "is exported as in training");
    if (x->kind != RN_ONNX_PICTURE) {
        rn_onnx_output(in, x);
        return RN_OK;
    }
    if (rn_onnx_input(in, 1))
        rc = number_of(in, 1, &rate);
    if (!rc)
        rc = rn_onnx_any_layout(in, 0, &x);
    return rc ? rc
              : rn_onnx_output_node(
                    in,
                    rn_graph_dropout(in->g, x->node,
                                     rn_onnx_name(in, UINT32_MAX, name), rate),
                    x);
}

static int read_lrn(struct rn_onnx_import *in)
{
    struct rn_onnx_value *picture;
    char name[RN_IMPORT_NAME];
    int64_t size = rn_onnx_int(in, "size", 0);
    struct rn_lrn lrn = {.alpha = rn_onnx_float(in, "alpha", 1e-4f),
                         .beta = rn_onnx_float(in, "beta", 0.75f),
                         .k = rn_onnx_float(in, "bias", 1)};
    int rc = rn_onnx_picture(in, 0, &picture);

    if (!rc && (size < 1 || size > RN_ONNX_SIDE))
        rc = rn_onnx_fail(in, "has size %lld", (long long)size);
    if (rc)
        return rc;
    lrn.size = (int)size;
    return rn_onnx_output_node(in,
                               rn_graph_lrn(in->g, picture->node,
                                            rn_onnx_name(in, UINT32_MAX, name),
                                            lrn),
                               picture);
}

static int read_softmax(struct rn_onnx_import *in)
{
    struct rn_onnx_value *picture;
    char name[RN_IMPORT_NAME];
    bool logarithms = rn_pb_is(in->node->op, "LogSoftmax");
    int64_t axis = rn_onnx_int(in, "axis", in->node->opset < 13 ? 1 : -1);
    int rc = rn_onnx_picture(in, 0, &picture);

    if (rc)
        return rc;
    struct rn_shape s = rn_onnx_shape_of(in, picture);
    bool channels = axis == 1 || axis == (picture->flat ? -1 : -3);
    if (!channels ||
        ((picture->flat || in->node->opset < 13) && (s.h != 1 || s.w != 1)))
        return rn_onnx_fail(in, "is not over the channels");
    rn_onnx_name(in, UINT32_MAX, name);
    return rn_onnx_output_node(
        in,
        logarithms ? rn_graph_log_softmax(in->g, picture->node, name)
                   : rn_graph_softmax(in->g, picture->node, name),
        picture);
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

static int read_max_pool(struct rn_onnx_import *in)
{
    struct rn_onnx_value picture;
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
    return rc ? rc
              : rn_onnx_output_node(in,
                                    rn_graph_max_pool_with(
                                        in->g, picture.node,
                                        rn_onnx_name(in, UINT32_MAX, name), &o),
                                    &picture);
}

/* Whether a window is the picture: a global average. */
static bool is_whole(const struct rn_window *w, const struct rn_shape *s)
{
    return w->kh == s->h && w->kw == s->w && !w->top && !w->left &&
           !w->bottom && !w->right && !w->dilate_h && !w->dilate_w;
}

static int read_average_pool(struct rn_onnx_import *in)
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
    else
        node = rn_graph_avg_pool(in->g, picture->node, name, &o);
    return rn_onnx_output_node(in, node, picture);
}

static int read_global_average(struct rn_onnx_import *in)
{
    struct rn_onnx_value *picture;
    int rc = rn_onnx_picture(in, 0, &picture);

    return rc ? rc : read_simple(in, rn_graph_global_avg_pool);
}

static int max_of_all(struct rn_graph *g, int input, const char *name)
{
    const struct rn_shape s = g->nodes[input].shape;
    const struct rn_pool_options o = {.window = RN_WINDOW(s.h, s.w, 1, 0)};

    return rn_graph_max_pool_with(g, input, name, &o);
}

static int read_global_max(struct rn_onnx_import *in)
{
    struct rn_onnx_value *picture;
    int rc = rn_onnx_picture(in, 0, &picture);

    return rc ? rc : read_simple(in, max_of_all);
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

static int read_reduce_mean(struct rn_onnx_import *in)
{
    return read_reduced(in, "mean", rn_graph_global_avg_pool);
}

static int read_reduce_max(struct rn_onnx_import *in)
{
    return read_reduced(in, "maximum", max_of_all);
}

/* --------------------------------------------------------- fully connected */

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
    struct rn_param *w = param_of(in, node, RN_P_WEIGHT);
    struct rn_param *b = param_of(in, node, RN_P_BIAS);
    int rc = how->transposed ? rn_onnx_load(in, weights, w->data)
                             : load_transposed(in, weights, w);

    if (!rc && list->rows_first)
        rc = reorder_rows(in, w, rn_onnx_shape_of(in, list));
    for (size_t i = 0; i < w->count && how->alpha != 1 && !rc; i++)
        w->data[i] *= how->alpha;
    if (rc || !how->bias)
        return rc;
    rc = rn_onnx_load(in, how->bias, b->data);
    if (!rc && how->bias->count == 1)
        fill(b, b->data[0]);
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
    if (how->bias && how->bias->count != 1 && !is_vector(how->bias, (int)outs))
        return rn_onnx_fail(in, "has a bias that is not of %llu numbers",
                            (unsigned long long)outs);
    rc = rn_onnx_claim(in, weights->count + outs);
    if (rc)
        return rc;
    int node = rn_graph_linear(in->g, picture->node, rn_onnx_name(in, 1, name),
                               (int)outs);
    rc = rn_onnx_output_node(in, node, &list);
    return rc ? rc : load_linear(in, node, weights, picture, how);
}

static int read_matmul(struct rn_onnx_import *in)
{
    const struct linear how = {.alpha = 1, .beta = 1};

    return read_linear(in, &how);
}

static int read_gemm(struct rn_onnx_import *in)
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

static int read_pad(struct rn_onnx_import *in)
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

static const struct {
    const char *op;
    rn_onnx_operator *read;
} layers[] = {
    {"Conv", read_conv},
    {"BatchNormalization", read_batch_norm},
    {"Relu", read_relu},
    {"Sigmoid", read_sigmoid},
    {"Clip", read_clip},
    {"LeakyRelu", read_leaky_relu},
    {"Dropout", read_dropout},
    {"PRelu", read_prelu},
    {"Neg", read_negative},
    {"Reciprocal", read_reciprocal},
    {"Max", read_max},
    {"Min", read_min},
    {"QuantizeLinear", rn_onnx_read_quantize},
    {"DequantizeLinear", rn_onnx_read_dequantize},
    {"Split", rn_onnx_read_split},
    {"Gather", rn_onnx_read_channel_gather},
    {"LRN", read_lrn},
    {"Softmax", read_softmax},
    {"LogSoftmax", read_softmax},
    {"MaxPool", read_max_pool},
    {"AveragePool", read_average_pool},
    {"GlobalAveragePool", read_global_average},
    {"GlobalMaxPool", read_global_max},
    {"ReduceMean", read_reduce_mean},
    {"ReduceMax", read_reduce_max},
    {"Gemm", read_gemm},
    {"MatMul", read_matmul},
    {"Pad", read_pad},
    {"Sum", read_add},
    {"Add", read_add},
    {"Sub", read_sub},
    {"Mul", read_mul},
    {"Div", read_div},
    {"Concat", read_concat},
};

rn_onnx_operator *rn_onnx_layer(struct rn_pb op)
{
    for (size_t i = 0; i < COUNT(layers); i++)
        if (rn_pb_is(op, layers[i].op))
            return layers[i].read;
    return rn_onnx_function_called(op) ? read_function : NULL;
}
