/* SPDX-License-Identifier: BSD-2-Clause */
/* Sums, differences and products: with constants, which become batch norms, and
 * of two pictures; concatenation; the largest of several. */
#include "formats/onnx/layers.h"

#include "core/count.h"
#include "core/memory.h"
#include "graph/build.h"

#include <stdio.h>

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

int rn_onnx_read_batch_norm(struct rn_onnx_import *in)
{
    static const float otherwise[] = {1, 0, 0, 1};
    struct rn_onnx_value *picture;
    char name[RN_IMPORT_NAME];
    int rc = rn_onnx_picture(in, 0, &picture);

    if (!rc)
        rc = check_inference(in);
    for (uint32_t i = 0; i < COUNT(otherwise) && !rc; i++)
        rc = rn_onnx_check_vector(in, i + 1, rn_onnx_shape_of(in, picture).c);
    if (rc)
        return rc;
    int node =
        rn_graph_batch_norm(in->g, picture->node, rn_onnx_name(in, 1, name));
    rc = rn_onnx_output_node(in, node, picture);
    for (int i = 0; i < (int)COUNT(otherwise) && !rc; i++)
        rc = rn_onnx_load_vector(in, (uint32_t)i + 1,
                                 rn_onnx_param(in, node, i), otherwise[i]);
    if (!rc)
        in->g->nodes[node].eps = rn_onnx_float(in, "epsilon", 1e-5f);
    return rc;
}

/* ---------------------------------------------- arithmetic with constants */

/* Whether a constant is one number, or one for each of c channels. */
bool rn_onnx_fits_channels(const struct rn_onnx_value *constant,
                           const struct rn_onnx_value *picture, int c)
{
    int last = constant->dims - 1;
    int axis = picture->flat || picture->rows_first ? last : last - 2;

    if (constant->kind != RN_ONNX_NUMBERS || constant->quantized ||
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

/* A batch norm or fully connected layer takes it into its parameters. */
static bool merge_affine(struct rn_onnx_import *in, int node,
                         const struct rn_onnx_affine *a)
{
    const struct rn_node *n = &in->g->nodes[node];
    bool norm = n->op == RN_OP_BATCH_NORM;

    if (!norm && !(n->op == RN_OP_LINEAR && !a->scale))
        return false;
    float *weight = rn_onnx_param(in, node, RN_P_WEIGHT)->data;
    float *bias = rn_onnx_param(in, node, RN_P_BIAS)->data;
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
                        const struct rn_onnx_affine *a,
                        struct rn_onnx_value *out)
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
    rn_onnx_fill(rn_onnx_param(in, node, RN_P_WEIGHT), 1);
    rn_onnx_fill(rn_onnx_param(in, node, RN_P_VAR), 1);
    in->g->nodes[node].eps = 0;
    merge_affine(in, node, a);
    return RN_OK;
}

int rn_onnx_apply_affine(struct rn_onnx_import *in,
                         struct rn_onnx_value *picture,
                         const struct rn_onnx_affine *a)
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
    if (rn_onnx_fits_channels(*constant, *picture, s.c) &&
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
                       struct rn_onnx_affine *a)
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
    struct rn_onnx_affine a = {0};
    int place = 0;
    int rc = pick_constant(in, &picture, &constant, &place);

    if (rc)
        return rc;
    a.c = rn_onnx_shape_of(in, picture).c;
    rc = make_affine(in, how, constant, place, &a);
    return rc ? rc : rn_onnx_apply_affine(in, picture, &a);
}

int rn_onnx_read_div(struct rn_onnx_import *in)
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
int rn_onnx_make_negative(struct rn_onnx_import *in,
                          const struct rn_onnx_value *picture,
                          struct rn_onnx_affine *a)
{
    *a = (struct rn_onnx_affine){.c = rn_onnx_shape_of(in, picture).c};
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
    struct rn_onnx_affine a;
    char name[RN_IMPORT_NAME];
    int rc = rn_onnx_any_layout(in, 0, &x);

    if (!rc)
        rc = rn_onnx_any_layout(in, 1, &y);
    if (!rc)
        rc = check_alike(in, x, y);
    if (!rc)
        rc = rn_onnx_make_negative(in, y, &a);
    if (!rc)
        rc = affine_value(in, y, &a, &minus);
    return rc ? rc
              : rn_onnx_output_node(
                    in,
                    rn_graph_add(in->g, x->node, minus.node,
                                 rn_onnx_name(in, UINT32_MAX, name)),
                    x);
}

int rn_onnx_read_sub(struct rn_onnx_import *in)
{
    return in->node->inputs == 2 && all_pictures(in) ? read_difference(in)
                                                     : read_affine(in, MINUS);
}

int rn_onnx_read_add(struct rn_onnx_import *in)
{
    return all_pictures(in) ? read_joined(in, rn_graph_add)
                            : read_affine(in, PLUS);
}

int rn_onnx_read_mul(struct rn_onnx_import *in)
{
    return all_pictures(in) ? read_joined(in, rn_graph_multiply)
                            : read_affine(in, TIMES);
}

int rn_onnx_read_concat(struct rn_onnx_import *in)
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

/* -------------------------------------------------------------- the largest
 */

/* Whether input i is the channels of a value right behind those of the inputs
 * before it, all of them of one number: a piece of a maxout. */
static bool is_piece(struct rn_onnx_import *in, uint32_t i, int value)
{
    const struct rn_node *n = &in->g->nodes[rn_onnx_input(in, i)->node];
    int c = n->shape.c;

    return n->op == RN_OP_SELECT && n->input[0] == value &&
           n->selection.first == (int)i * c && n->selection.inner == c &&
           (n->selection.step == 1 || c == 1);
}

/* The value whose pieces the inputs are; -1: they are values of their own. */
static int whole_of(struct rn_onnx_import *in)
{
    const uint32_t n = in->node->inputs;
    const struct rn_node *first = &in->g->nodes[rn_onnx_input(in, 0)->node];
    int value = first->op == RN_OP_SELECT ? first->input[0] : -1;

    if (value >= 0 && in->g->nodes[value].shape.c != (int)n * first->shape.c)
        return -1;
    for (uint32_t i = 0; i < n && value >= 0; i++)
        if (!is_piece(in, i, value))
            return -1;
    return value;
}

/* Inputs of one shape, one behind the other. */
static int join_pieces(struct rn_onnx_import *in, const char *name, int *whole)
{
    struct rn_onnx_value *first = rn_onnx_input(in, 0), *v;
    int nodes[RN_PIECES_MOST], n = (int)in->node->inputs, rc = RN_OK;
    char joined[RN_IMPORT_NAME + 8];

    for (int i = 0; i < n && !rc; i++) {
        v = rn_onnx_input(in, (uint32_t)i);
        rc = check_alike(in, first, v);
        if (!rc && !rn_shape_equal(rn_onnx_shape_of(in, first),
                                   rn_onnx_shape_of(in, v)))
            rc = rn_onnx_fail(in, "compares values of several shapes");
        nodes[i] = v->node;
    }
    snprintf(joined, sizeof(joined), "%s.pieces", name);
    if (!rc)
        *whole = rn_graph_concat_all(in->g, nodes, n, joined);
    return rc;
}

int rn_onnx_read_largest(struct rn_onnx_import *in)
{
    const uint32_t n = in->node->inputs;
    struct rn_onnx_value *v = NULL;
    char name[RN_IMPORT_NAME];
    int whole = -1, rc = RN_OK;

    if (n > RN_PIECES_MOST)
        rc = rn_onnx_fail(in, "has %u inputs, expected at most %d", n,
                          RN_PIECES_MOST);
    for (uint32_t i = 0; i < n && !rc; i++)
        rc = rn_onnx_any_layout(in, i, &v);
    if (rc)
        return rc;
    rn_onnx_name(in, UINT32_MAX, name);
    whole = whole_of(in);
    if (whole < 0)
        rc = join_pieces(in, name, &whole);
    return rc ? rc
              : rn_onnx_output_node(
                    in, rn_graph_maxout(in->g, whole, name, (int)n), v);
}
