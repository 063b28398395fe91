/* SPDX-License-Identifier: BSD-2-Clause */
/* What operators of ONNX read and make: values, attributes, constants, failures
 * that name the operator. */
#include "formats/onnx/import.h"

#include "core/locale.h"
#include "core/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NO_TENSOR UINT32_MAX

/* ---------------------------------------------------------------- failures */

struct rn_pb rn_onnx_node_name(const struct rn_onnx_import *in,
                               const struct rn_onnx_node *n)
{
    uint32_t output =
        n->outputs ? in->file->ends[n->first_output] : RN_ONNX_NONE;

    return n->name.size == 0 && output != RN_ONNX_NONE ? in->file->names[output]
                                                       : n->name;
}

int rn_onnx_fail(struct rn_onnx_import *in, const char *format, ...)
{
    const struct rn_onnx_node *n = in->node;
    const struct rn_pb name = rn_onnx_node_name(in, n);
    char why[300];
    va_list args;

    va_start(args, format);
    rn_format_list(why, sizeof(why), format, args);
    va_end(args);
    return rn_fail(in->err, RN_ERR_DATA, "'%s': operator '%.*s' (%.*s) %s",
                   in->file->path, RN_PB_SHOW(name), RN_PB_SHOW(n->op), why);
}

/* What a builder call refused. */
static int fail_graph(struct rn_onnx_import *in)
{
    if (in->g->error.code == RN_ERR_MEMORY)
        return rn_fail(in->err, RN_ERR_MEMORY, "%s", in->g->error.msg);
    return rn_onnx_fail(in, "makes no layer: %.200s", in->g->error.msg);
}

/* ------------------------------------------------------------------ values */

static uint32_t end_of(const struct rn_onnx_import *in, uint32_t i)
{
    return i < in->node->inputs ? in->inputs[i] : RN_ONNX_NONE;
}

struct rn_onnx_value *rn_onnx_input(struct rn_onnx_import *in, uint32_t i)
{
    uint32_t value = end_of(in, i);

    return value == RN_ONNX_NONE ? NULL : &in->values[value];
}

int rn_onnx_expect(struct rn_onnx_import *in, uint32_t i,
                   enum rn_onnx_kind kind, struct rn_onnx_value **out)
{
    static const char *const kinds[] = {
        [RN_ONNX_UNSET] = "nothing",
        [RN_ONNX_NUMBERS] = "a constant of floats",
        [RN_ONNX_LIST] = "a list of known integers",
        [RN_ONNX_PICTURE] = "a value computed from the picture",
    };

    *out = rn_onnx_input(in, i);
    if (*out && (*out)->kind == kind) /* pictures are settled by others */
        return kind == RN_ONNX_NUMBERS && (*out)->quantized
                   ? rn_onnx_fail(in, "reads quantised numbers, expected "
                                      "DequantizeLinear before it")
                   : RN_OK;
    return rn_onnx_fail(in, "reads %s as input %u, expected %s",
                        kinds[*out ? (*out)->kind : RN_ONNX_UNSET], i + 1,
                        kinds[kind]);
}

void rn_onnx_output(struct rn_onnx_import *in, const struct rn_onnx_value *v)
{
    rn_onnx_output_at(in, 0, v);
}

void rn_onnx_output_at(struct rn_onnx_import *in, uint32_t i,
                       const struct rn_onnx_value *v)
{
    uint32_t value = i < in->node->outputs
                         ? in->file->ends[in->node->first_output + i]
                         : RN_ONNX_NONE;

    if (value == RN_ONNX_NONE)
        return;
    in->values[value] = *v;
    in->values[value].sole = v->sole && in->readers[value] == 1;
}

int rn_onnx_node_value(struct rn_onnx_import *in, int node,
                       const struct rn_onnx_value *like,
                       struct rn_onnx_value *out)
{
    *out = (struct rn_onnx_value){.kind = RN_ONNX_PICTURE,
                                  .node = node,
                                  .sole = true,
                                  .flat = like->flat,
                                  .rows_first = like->rows_first};
    return node < 0 ? fail_graph(in) : RN_OK;
}

int rn_onnx_output_node(struct rn_onnx_import *in, int node,
                        const struct rn_onnx_value *like)
{
    struct rn_onnx_value v;
    int rc = rn_onnx_node_value(in, node, like, &v);

    if (!rc)
        rn_onnx_output(in, &v);
    return rc;
}

int rn_onnx_output_table(struct rn_onnx_import *in,
                         const struct rn_onnx_value *like, const int64_t *list)
{
    int64_t *copy =
        rn_slab_alloc(&in->made, (size_t)like->count, sizeof(*copy));
    struct rn_onnx_value v = {.kind = RN_ONNX_LIST,
                              .dims = like->dims,
                              .count = like->count,
                              .list = copy};

    if (!copy)
        return rn_fail_memory(in->err, like->count * sizeof(*copy), "a list");
    if (like->count > 0)
        memcpy(copy, list, (size_t)like->count * sizeof(*copy));
    memcpy(v.dim, like->dim, sizeof(v.dim));
    rn_onnx_output(in, &v);
    return RN_OK;
}

int rn_onnx_output_list(struct rn_onnx_import *in, int dims, uint64_t count,
                        const int64_t *list)
{
    const struct rn_onnx_value like = {
        .dims = dims, .dim = {count}, .count = count};

    return rn_onnx_output_table(in, &like, list);
}

struct rn_shape rn_onnx_shape_of(const struct rn_onnx_import *in,
                                 const struct rn_onnx_value *v)
{
    return in->g->nodes[v->node].shape;
}

bool rn_onnx_is_one_pixel(struct rn_shape s)
{
    return s.h == 1 && s.w == 1;
}

static int settle_node(struct rn_onnx_import *in, const struct rn_onnx_value *v)
{
    char name[RN_IMPORT_NAME];

    rn_onnx_name(in, NO_TENSOR, name);
    if (v->step[0])
        return rn_graph_subsample_pad(in->g, v->node, name,
                                      rn_onnx_shape_of(in, v).c, 0, v->step[0]);
    return rn_graph_zero_pad(in->g, v->node, name, v->frame[0], v->frame[1],
                             v->frame[2], v->frame[3]);
}

int rn_onnx_settle(struct rn_onnx_import *in, struct rn_onnx_value *v)
{
    if (v->quantized)
        return rn_onnx_fail(in, "reads quantised numbers, expected "
                                "DequantizeLinear before it");
    if (v->groups)
        return rn_onnx_fail(in, "reads a picture whose channels are in groups");
    bool framed = v->frame[0] || v->frame[1] || v->frame[2] || v->frame[3];
    if (!v->step[0] && !framed)
        return RN_OK;
    if (v->step[0] != v->step[1])
        return rn_onnx_fail(in,
                            "reads every %d-th row and every %d-th column "
                            "of a picture, expected the same of both",
                            v->step[0], v->step[1]);
    if (framed && v->frame_of != RN_ONNX_ZEROS)
        return rn_onnx_fail(in,
                            "reads a picture padded with %s, which only a max "
                            "pool does here",
                            v->frame_of == RN_ONNX_EDGE
                                ? "copies of its edge"
                                : "the lowest of numbers");
    v->node = settle_node(in, v);
    if (v->node < 0)
        return fail_graph(in);
    memset(v->step, 0, sizeof(v->step));
    memset(v->frame, 0, sizeof(v->frame));
    return RN_OK;
}

int rn_onnx_any_layout(struct rn_onnx_import *in, uint32_t i,
                       struct rn_onnx_value **out)
{
    int rc = rn_onnx_expect(in, i, RN_ONNX_PICTURE, out);

    return rc ? rc : rn_onnx_settle(in, *out);
}

int rn_onnx_picture(struct rn_onnx_import *in, uint32_t i,
                    struct rn_onnx_value **out)
{
    int rc = rn_onnx_expect(in, i, RN_ONNX_PICTURE, out);

    if (!rc && (*out)->rows_first)
        rc = rn_onnx_fail(in, "reads a picture whose channels come last");
    return rc ? rc : rn_onnx_settle(in, *out);
}

/* -------------------------------------------------------------- attributes */

int64_t rn_onnx_int(const struct rn_onnx_import *in, const char *name,
                    int64_t otherwise)
{
    struct rn_onnx_attribute a;

    return rn_onnx_attribute(in->node, name, &a) ? a.integer : otherwise;
}

float rn_onnx_float(const struct rn_onnx_import *in, const char *name,
                    float otherwise)
{
    struct rn_onnx_attribute a;

    return rn_onnx_attribute(in->node, name, &a) ? a.number : otherwise;
}

bool rn_onnx_has(const struct rn_onnx_import *in, const char *name)
{
    struct rn_onnx_attribute a;

    return rn_onnx_attribute(in->node, name, &a);
}

/* The integers of input i; -1 in *n when it is left out. */
static int input_ints(struct rn_onnx_import *in, uint32_t i, int64_t *out,
                      int most, int *n)
{
    struct rn_onnx_value *v = i ? rn_onnx_input(in, i) : NULL;

    *n = -1;
    if (!v)
        return RN_OK;
    int rc = rn_onnx_expect(in, i, RN_ONNX_LIST, &v);
    if (!rc && v->count > (uint64_t)most)
        rc = rn_onnx_fail(in, "has a list of %llu integers, expected %d",
                          (unsigned long long)v->count, most);
    if (rc)
        return rc;
    *n = (int)v->count;
    memcpy(out, v->list, (size_t)v->count * sizeof(*out));
    return RN_OK;
}

int rn_onnx_ints(struct rn_onnx_import *in, const char *name, uint32_t i,
                 int64_t *out, int most, int *n)
{
    struct rn_onnx_attribute a;

    if (!rn_onnx_attribute(in->node, name, &a))
        return input_ints(in, i, out, most, n);
    *n = rn_onnx_list(&a, out, most);
    return *n >= 0 ? RN_OK
                   : rn_onnx_fail(in, "has more than %d numbers as '%s'", most,
                                  name);
}

/* ----------------------------------------------------------------- numbers */

float *rn_onnx_make(struct rn_onnx_import *in, uint64_t count)
{
    float *numbers = NULL;

    if (count > in->made_left) {
        rn_onnx_fail(in, "makes a constant of %llu numbers, too many",
                     (unsigned long long)count);
        return NULL;
    }
    in->made_left -= count;
    numbers = rn_slab_alloc(&in->made, (size_t)count, sizeof(*numbers));
    if (!numbers)
        rn_fail_memory(in->err, (size_t)count * sizeof(*numbers), "a tensor");
    return numbers;
}

int rn_onnx_load(struct rn_onnx_import *in, const struct rn_onnx_value *v,
                 float *out)
{
    if (v->stored)
        return rn_onnx_floats(in->file, v->stored, out, in->err);
    if (v->made && v->count > 0)
        memcpy(out, v->made, (size_t)v->count * sizeof(*out));
    for (uint64_t i = 0; i < v->count && !v->made; i++)
        out[i] = v->same;
    return RN_OK;
}

int rn_onnx_claim(struct rn_onnx_import *in, uint64_t count)
{
    if (count > in->param_left)
        return rn_onnx_fail(in, "makes more parameters than the file has "
                                "numbers for");
    in->param_left -= count;
    return RN_OK;
}

/* ------------------------------------------------------------------- names */

/* "layer1.0.conv1" of "layer1.0.conv1.weight". */
static bool tensor_base(struct rn_pb name, struct rn_pb *base)
{
    static const char end[] = ".weight";
    size_t k = sizeof(end) - 1;

    if (name.size <= k || memcmp(name.at + name.size - k, end, k) != 0)
        return false;
    *base = (struct rn_pb){name.at, name.size - k};
    return true;
}

const char *rn_onnx_name(struct rn_onnx_import *in, uint32_t i,
                         char name[RN_IMPORT_NAME])
{
    const struct rn_onnx_node *n = in->node;
    uint32_t tensor = i == NO_TENSOR ? RN_ONNX_NONE : end_of(in, i);
    uint32_t output =
        n->outputs ? in->file->ends[n->first_output] : RN_ONNX_NONE;
    struct rn_pb base = n->name.size || output == RN_ONNX_NONE
                            ? n->name
                            : in->file->names[output];

    if (tensor != RN_ONNX_NONE)
        tensor_base(in->file->names[tensor], &base);
    return rn_import_name(in->g, base, name);
}

static bool is_list(const struct rn_onnx_tensor *t)
{
    return (t->dtype == RN_I64 || t->dtype == RN_I32 || t->dtype == RN_BOOL) &&
           t->count <= RN_ONNX_INTEGERS;
}

int rn_onnx_constant(struct rn_onnx_import *in, const struct rn_onnx_tensor *t,
                     struct rn_onnx_value *v)
{
    int64_t *list;

    *v = (struct rn_onnx_value){.kind = RN_ONNX_NUMBERS,
                                .dims = t->dims,
                                .count = t->count,
                                .stored = t};
    memcpy(v->dim, t->dim, sizeof(v->dim));
    if (!is_list(t))
        return RN_OK;
    v->kind = RN_ONNX_LIST;
    v->list = list = rn_slab_alloc(&in->made, (size_t)t->count, sizeof(*list));
    return list ? rn_onnx_integers(in->file, t, list, in->err)
                : rn_fail_memory(in->err, sizeof(*list), "a list");
}
