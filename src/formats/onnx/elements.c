/* SPDX-License-Identifier: BSD-2-Clause */
/* Operators on single elements, and what is computed across channels. */
#include "formats/onnx/layers.h"

#include "formats/onnx/functions.h"

#include <float.h>

int rn_onnx_read_simple(struct rn_onnx_import *in,
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

int rn_onnx_read_relu(struct rn_onnx_import *in)
{
    return rn_onnx_read_simple(in, rn_graph_relu);
}

int rn_onnx_read_sigmoid(struct rn_onnx_import *in)
{
    return rn_onnx_read_simple(in, rn_graph_sigmoid);
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

/* The operator's output is `function` of each element. */
static int apply(struct rn_onnx_import *in, const struct rn_onnx_value *picture,
                 enum rn_function function, float a, float b)
{
    char name[RN_IMPORT_NAME];
    int node =
        rn_graph_activation(in->g, picture->node,
                            rn_onnx_name(in, UINT32_MAX, name), function, a, b);

    return rn_onnx_output_node(in, node, picture);
}

int rn_onnx_read_function(struct rn_onnx_import *in)
{
    const struct rn_onnx_function *f = rn_onnx_function_called(in->node->op);
    struct rn_onnx_value *picture;
    enum rn_function function;
    float a, b;
    int rc = rn_onnx_any_layout(in, 0, &picture);

    if (!rc)
        rc = function_numbers(in, f, &function, &a, &b);
    return rc ? rc : apply(in, picture, function, a, b);
}

int rn_onnx_read_reciprocal(struct rn_onnx_import *in)
{
    struct rn_onnx_value *picture;
    int rc = rn_onnx_any_layout(in, 0, &picture);

    return rc ? rc : apply(in, picture, RN_FUNCTION_POWER, -1, 0);
}

int rn_onnx_read_negative(struct rn_onnx_import *in)
{
    struct rn_onnx_value *picture;
    struct rn_onnx_affine a;
    int rc = rn_onnx_any_layout(in, 0, &picture);

    if (!rc)
        rc = rn_onnx_make_negative(in, picture, &a);
    return rc ? rc : rn_onnx_apply_affine(in, picture, &a);
}

/* A slope for each channel; the same for all is a leaky ReLU. */
int rn_onnx_read_prelu(struct rn_onnx_import *in)
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
    if (!rn_onnx_fits_channels(slopes, picture, c) ||
        (picture->flat && !rn_onnx_is_one_pixel(rn_onnx_shape_of(in, picture))))
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
              : rn_onnx_load(in, slopes,
                             rn_onnx_param(in, node, RN_P_WEIGHT)->data);
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

int rn_onnx_read_clip(struct rn_onnx_import *in)
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

/* Whether all inputs are values that the network computes. */
static bool reads_pictures(struct rn_onnx_import *in)
{
    for (uint32_t i = 0; i < in->node->inputs; i++) {
        const struct rn_onnx_value *x = rn_onnx_input(in, i);

        if (!x || x->kind != RN_ONNX_PICTURE)
            return false;
    }
    return in->node->inputs > 1;
}

int rn_onnx_read_max(struct rn_onnx_import *in)
{
    return reads_pictures(in) ? rn_onnx_read_largest(in) : clip_by(in, true);
}

int rn_onnx_read_min(struct rn_onnx_import *in)
{
    return clip_by(in, false);
}

int rn_onnx_read_leaky_relu(struct rn_onnx_import *in)
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
int rn_onnx_read_dropout(struct rn_onnx_import *in)
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

int rn_onnx_read_lrn(struct rn_onnx_import *in)
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

int rn_onnx_read_softmax(struct rn_onnx_import *in)
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
