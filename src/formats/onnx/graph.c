/* SPDX-License-Identifier: BSD-2-Clause */
/* Goes through the operators of an ONNX file once and makes a graph of them. */
#include "formats/onnx/import.h"

#include "core/memory.h"
#include "formats/onnx/onnx.h"
#include "model/head.h"

static int set_input(struct rn_onnx_import *in, const struct rn_shape *size)
{
    const struct rn_onnx_shape *s = &in->file->shape;
    struct rn_onnx_value *v = &in->values[in->file->input];
    /* Channels last, as TensorFlow has it: a picture has few of them. */
    bool rows_first = s->dims == 4 && s->dim[3] > 0 && s->dim[3] <= 4 &&
                      (s->dim[1] > 4 || s->dim[1] == 0) &&
                      (s->dim[2] > 4 || s->dim[2] == 0);
    int64_t c = s->dim[rows_first ? 3 : 1], h = s->dim[rows_first ? 1 : 2],
            w = s->dim[rows_first ? 2 : 3];

    if (!s->known || s->dims != 4)
        return rn_fail(in->err, RN_ERR_DATA,
                       "'%s': its input has %d dimensions, expected a "
                       "picture's 4",
                       in->file->path, s->dims);
    c = c ? c : size->c;
    h = h ? h : size->h;
    w = w ? w : size->w;
    if (c < 1 || c > RN_ONNX_CHANNELS || h < 1 || h > RN_ONNX_SIDE || w < 1 ||
        w > RN_ONNX_SIDE)
        return rn_fail(in->err, RN_ERR_DATA,
                       "'%s': its input is of %lld x %lld x %lld, which is no "
                       "picture",
                       in->file->path, (long long)c, (long long)h,
                       (long long)w);
    in->batch = s->dim[0];
    *v = (struct rn_onnx_value){.kind = RN_ONNX_PICTURE,
                                .rows_first = rows_first};
    v->node = rn_graph_input(in->g, (struct rn_shape){(int)c, (int)h, (int)w});
    return v->node < 0 ? rn_fail(in->err, in->g->error.code, "'%s': %.300s",
                                 in->file->path, in->g->error.msg)
                       : RN_OK;
}

static int set_tensors(struct rn_onnx_import *in)
{
    int rc = RN_OK;

    for (size_t i = 0; i < in->file->n_tensors && !rc; i++) {
        const struct rn_onnx_tensor *t = &in->file->tensors[i];

        rc = rn_onnx_constant(in, t, &in->values[in->file->tensor_values[i]]);
        in->param_left += t->count;
    }
    return rc;
}

/* Operators come after those they read, so one pass backward finds which of
 * them the output needs, and who reads what. */
static void find_needed(struct rn_onnx_import *in)
{
    const struct rn_onnx *f = in->file;

    in->readers[f->output] = 1;
    for (size_t i = f->n_nodes; i-- > 0;) {
        const struct rn_onnx_node *n = &f->nodes[i];

        for (uint32_t k = 0; k < n->outputs; k++) {
            uint32_t value = f->ends[n->first_output + k];

            if (value != RN_ONNX_NONE && in->readers[value])
                in->needed[i] = true;
        }
        for (uint32_t k = 0; k < n->inputs && in->needed[i]; k++) {
            uint32_t value = f->ends[n->first_input + k];

            if (value != RN_ONNX_NONE)
                in->readers[value]++;
        }
    }
}

/* Everything an operator reads must be there, what it writes must not. */
static int check_ends(struct rn_onnx_import *in)
{
    const struct rn_onnx *f = in->file;
    const struct rn_onnx_node *n = in->node;

    for (uint32_t k = 0; k < n->inputs; k++) {
        uint32_t value = f->ends[n->first_input + k];

        if (value != RN_ONNX_NONE && in->values[value].kind == RN_ONNX_UNSET)
            return rn_onnx_fail(in,
                                "reads '%.*s', which nothing before it "
                                "computes: the graph has a cycle, or is "
                                "not in order",
                                RN_PB_SHOW(f->names[value]));
    }
    for (uint32_t k = 0; k < n->outputs; k++) {
        uint32_t value = f->ends[n->first_output + k];

        if (value != RN_ONNX_NONE && in->values[value].kind != RN_ONNX_UNSET)
            return rn_onnx_fail(in, "computes '%.*s', which is there already",
                                RN_PB_SHOW(f->names[value]));
    }
    return RN_OK;
}

/* What somebody reads must be there now. */
static int check_outputs(struct rn_onnx_import *in)
{
    const struct rn_onnx_node *n = in->node;

    for (uint32_t k = 1; k < n->outputs; k++) {
        uint32_t value = in->file->ends[n->first_output + k];

        if (value != RN_ONNX_NONE && in->readers[value] &&
            in->values[value].kind == RN_ONNX_UNSET)
            return rn_onnx_fail(in, "has a second output that is used, which "
                                    "is not computed here");
    }
    return RN_OK;
}

/* ONNX Runtime has operators on quantised numbers of its own. */
static bool is_known_domain(const struct rn_onnx_node *n)
{
    return rn_pb_is(n->domain, "") || rn_pb_is(n->domain, "ai.onnx") ||
           (rn_pb_is(n->domain, "com.microsoft") &&
            rn_onnx_is_quantized(n->op));
}

static int read_node(struct rn_onnx_import *in)
{
    const struct rn_onnx_node *n = in->node;
    const struct rn_onnx_value *first = rn_onnx_input(in, 0);

    rn_onnx_operator *operate = rn_onnx_shaper(n->op);
    int rc = check_ends(in);
    if (rc)
        return rc;
    /* sums and the like are layers, or of lists */
    if (!operate ||
        (first && first->kind != RN_ONNX_LIST && rn_onnx_layer(n->op)))
        operate = rn_onnx_layer(n->op);
    if (!operate || !is_known_domain(n))
        return rn_onnx_fail(in, "is not known here%s%.*s",
                            n->domain.size ? ", being of " : "",
                            RN_PB_SHOW(n->domain));
    rc = rn_onnx_known(in);
    if (!rc)
        rc = operate(in);
    return rc ? rc : check_outputs(in);
}

static int set_output(struct rn_onnx_import *in)
{
    struct rn_onnx_value *v = &in->values[in->file->output];
    int rc = RN_OK;

    if (v->kind != RN_ONNX_PICTURE)
        return rn_fail(in->err, RN_ERR_DATA,
                       "'%s': its output is not computed from the picture",
                       in->file->path);
    rc = rn_onnx_settle(in, v);
    if (rc)
        return rc;
    struct rn_shape s = rn_onnx_shape_of(in, v);
    in->g->output = v->node;
    return s.h == 1 && s.w == 1
               ? rn_head_take(in->g, in->file->path, in->err)
               : rn_fail(in->err, RN_ERR_DATA,
                         "'%s': its output is %dx%dx%d, expected one number a "
                         "class",
                         in->file->path, s.c, s.h, s.w);
}

static int read_all(struct rn_onnx_import *in, const struct rn_shape *size)
{
    const struct rn_onnx *f = in->file;
    int rc = set_tensors(in);

    if (!rc)
        rc = set_input(in, size);
    if (rc)
        return rc;
    find_needed(in);
    for (size_t i = 0; i < f->n_nodes && !rc; i++) {
        in->node = &f->nodes[i];
        in->inputs = f->ends + f->nodes[i].first_input;
        if (in->needed[i])
            rc = read_node(in);
    }
    if (!rc)
        rc = set_output(in);
    if (rc)
        return rc;
    /* What became part of another layer is read by nobody. */
    return rn_onnx_join_highways(in->g) && rn_graph_cut(in->g, in->g->output) &&
                   rn_onnx_settle_rounding(in->g, false)
               ? RN_OK
               : rn_fail_memory(in->err, in->g->n_nodes * sizeof(int),
                                "a graph");
}

int rn_onnx_graph(struct rn_graph **out, const struct rn_onnx *f,
                  const struct rn_shape *size, uint64_t made,
                  struct rn_error *err)
{
    struct rn_onnx_import in = {
        .file = f, .made_left = made, .param_left = made, .err = err};
    int rc = RN_OK;

    *out = NULL;
    in.g = rn_graph_create();
    in.values = rn_alloc(f->n_values, sizeof(*in.values));
    in.readers = rn_alloc(f->n_values, sizeof(*in.readers));
    in.needed = rn_alloc(f->n_nodes, sizeof(*in.needed));
    if (in.g && in.values && in.readers && in.needed)
        rc = read_all(&in, size);
    else
        rc = rn_fail_memory(err, f->n_values * sizeof(*in.values), "a graph");
    if (rc)
        rn_graph_destroy(in.g);
    else
        *out = in.g;
    rn_slab_free(&in.made);
    rn_free(in.values);
    rn_free(in.readers);
    rn_free(in.needed);
    return rc;
}
