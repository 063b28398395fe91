/* SPDX-License-Identifier: BSD-2-Clause */
/* Resize and Upsample: a network that first resizes its pictures. */
#include "formats/onnx/shapes.h"

/* ------------------------------------------------------ who reads the picture
 */

/* The value at an operator's input i, or NULL. */
static const struct rn_onnx_value *read_by(const struct rn_onnx_import *in,
                                           const struct rn_onnx_node *n,
                                           uint32_t i)
{
    uint32_t value =
        i < n->inputs ? in->file->ends[n->first_input + i] : RN_ONNX_NONE;

    return value == RN_ONNX_NONE ? NULL : &in->values[value];
}

/* The integer at input i, which has no other, or -1. */
static int64_t integer_of(const struct rn_onnx_import *in,
                          const struct rn_onnx_node *n, uint32_t i)
{
    const struct rn_onnx_value *v = read_by(in, n, i);

    return v && v->kind == RN_ONNX_LIST && v->count == 1 ? v->list[0] : -1;
}

/* Whether it takes none but the first `most` of a list. */
static bool takes_first(const struct rn_onnx_import *in,
                        const struct rn_onnx_node *n, int64_t most)
{
    const struct rn_onnx_value *which = read_by(in, n, 1);
    bool slice = rn_pb_is(n->op, "Slice"), first = true;

    if (slice)
        return integer_of(in, n, 1) == 0 && integer_of(in, n, 2) >= 0 &&
               integer_of(in, n, 2) <= most &&
               (n->inputs < 5 || integer_of(in, n, 4) == 1);
    if (!rn_pb_is(n->op, "Gather") || !which || which->kind != RN_ONNX_LIST)
        return false;
    for (uint64_t i = 0; i < which->count; i++)
        first &= which->list[i] >= 0 && which->list[i] < most;
    return first;
}

/* Whether an operator, read before this one, looks at a picture in another way,
 * or tells its sizes: who reads that is gone through, too. */
static bool is_look(const struct rn_onnx_import *in,
                    const struct rn_onnx_node *n)
{
    uint32_t value =
        n->outputs ? in->file->ends[n->first_output] : RN_ONNX_NONE;
    enum rn_onnx_kind kind =
        value == RN_ONNX_NONE ? RN_ONNX_UNSET : in->values[value].kind;

    return kind == RN_ONNX_PICTURE ||
           (kind == RN_ONNX_LIST && rn_pb_is(n->op, "Shape"));
}

/* Whether the operator, which reads that value, is as before once the picture
 * that comes in has other rows and columns. There is no other yet. */
static bool stays_right(const struct rn_onnx_import *in,
                        const struct rn_onnx_node *n,
                        const struct rn_onnx_value *v)
{
    if (v->kind == RN_ONNX_PICTURE)
        return n == in->node || is_look(in, n);
    return v->plane == 0 || takes_first(in, n, v->plane - 1);
}

/* Nothing else may read the picture as it was, or its rows and columns. */
static int check_readers(struct rn_onnx_import *in)
{
    const struct rn_onnx *f = in->file;

    for (size_t i = 0; i < f->n_nodes; i++) {
        const struct rn_onnx_node *n = &f->nodes[i];

        for (uint32_t k = 0; k < n->inputs && in->needed[i]; k++) {
            const struct rn_onnx_value *v = read_by(in, n, k);

            if (v && !stays_right(in, n, v))
                return rn_onnx_fail(in,
                                    "resizes the picture that comes in, which "
                                    "'%.*s' (%.*s) reads as it is",
                                    RN_PB_SHOW(rn_onnx_node_name(in, n)),
                                    RN_PB_SHOW(n->op));
        }
    }
    return RN_OK;
}

/* -------------------------------------------------------------------- sizes */

/* The sizes of a resized picture, [batch,c,h,w] or as it lies: from a list of
 * sizes, or of factors. */
static int resized_sizes(struct rn_onnx_import *in,
                         const struct rn_onnx_value *v,
                         int64_t sizes[RN_TENSOR_DIMS])
{
    bool upsample = in->node->inputs <= 2;
    const struct rn_onnx_value *list = rn_onnx_input(in, 3);
    const struct rn_onnx_value *factors = rn_onnx_input(in, upsample ? 1 : 2);
    float scales[RN_ONNX_DIMS];
    int n = 0, rc = RN_OK;

    if (list && list->count > 0) {
        rc = rn_onnx_ints(in, "sizes", 3, sizes, RN_ONNX_DIMS, &n);
        return rc || n == RN_ONNX_DIMS
                   ? rc
                   : rn_onnx_fail(in, "has sizes of no picture");
    }
    if (!factors || factors->kind != RN_ONNX_NUMBERS ||
        factors->count != RN_ONNX_DIMS)
        return rn_onnx_fail(in, "has no sizes that are known now");
    rn_onnx_sizes_of(in, v, sizes);
    rc = rn_onnx_load(in, factors, scales);
    if (!rc && scales[0] != 1)
        return rn_onnx_fail(in, "makes %g pictures of each", (double)scales[0]);
    for (int i = 1; i < RN_ONNX_DIMS && !rc; i++) {
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
int rn_onnx_read_resize(struct rn_onnx_import *in)
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
        rc = check_readers(in);
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
