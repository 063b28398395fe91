/* SPDX-License-Identifier: BSD-2-Clause */
/* Models from ONNX files. */
#include "formats/onnx/onnx.h"

#include "core/memory.h"
#include "formats/families.h"
#include "formats/import.h"
#include "formats/import_graph.h"
#include "model/file.h"
#include "formats/onnx/fields.h"
#include "formats/onnx/file.h"
#include "graph/quantization.h"
#include "nets/family.h"

#include <stdio.h>
#include <string.h>

#define SIDE 224 /* of pictures, where neither file nor caller says */

/* An import under way. */
struct onnx_model {
    const struct rn_import_options *options;
    struct rn_onnx file;
    struct rn_graph *graph; /* as read */
    struct rn_model *model;
};

/* What of the input the caller says, for files that leave it open. */
static struct rn_shape open_size(const struct rn_import_options *o)
{
    int h = o->height ? o->height : SIDE;

    return (struct rn_shape){3, h, o->width ? o->width : h};
}

static bool leaves_open(const struct rn_onnx *f)
{
    return f->shape.dims == 4 && (!f->shape.dim[2] || !f->shape.dim[3]);
}

/* Whether the file's operators end as the description says. Of logits they do
 * not tell whether classes exclude each other. */
static bool same_head(const struct rn_graph *said, const struct rn_graph *found)
{
    if (said->kind == RN_OUTPUT_INDEPENDENT_LOGITS && said->head == said->kind)
        return found->head == RN_OUTPUT_LOGITS;
    return said->kind == found->kind && said->head == found->head;
}

/* The model that the description is of, with the graph's parameters, or NULL
 * where the graph is another. */
static int adopt(struct onnx_model *m, struct rn_error *why)
{
    struct rn_pb text = m->file.description;
    uint64_t bytes = 0;
    char *copy = rn_alloc(text.size + 1, 1);

    if (!copy)
        return rn_fail_memory(why, text.size, "a description");
    memcpy(copy, text.at, text.size);
    for (size_t i = 0; i < m->graph->n_params; i++)
        bytes += m->graph->params[i].count * sizeof(float);
    int rc = rn_model_from_text(&m->model, m->file.path, copy,
                                m->graph->n_params, bytes, why);
    rn_free(copy);
    if (!rc && same_head(m->model->graph, m->graph) &&
        rn_graph_adopt(m->model->graph, m->graph))
        return RN_OK;
    rn_model_destroy(m->model);
    m->model = NULL;
    return rc == RN_ERR_MEMORY ? rc : RN_OK;
}

/* A model of ours comes back with all it had, if its graph is still the one
 * it is said to be. What we wrote in 8 bits has no layer that rounds but where
 * the model had one, which the description tells. */
static int restore(struct onnx_model *m, const struct rn_shape *size,
                   struct rn_error *err)
{
    struct rn_error why = {0};
    int rc = adopt(m, &why);

    if (!rc && !m->model && rn_graph_is_quantized(m->graph) &&
        rn_pb_is(m->file.producer, RN_ONNX_PRODUCER)) {
        rc = rn_onnx_settle_rounding(m->graph, true)
                 ? adopt(m, &why)
                 : rn_fail_memory(&why, m->graph->n_nodes, "a graph");
        if (!rc && !m->model) { /* the graph as the file has it */
            rn_graph_destroy(m->graph);
            m->graph = NULL;
            rc = rn_onnx_graph(&m->graph, &m->file, size, RN_ONNX_MADE, &why);
        }
    }
    if (rc)
        return rn_fail(err, rc, "%s", why.msg);
    if (m->model)
        return RN_OK;
    rn_import_say(m->options,
                  "its description is of another network and left out%s%s",
                  why.msg[0] ? ": " : "", why.msg);
    return RN_OK;
}

static int recognise(struct onnx_model *m, struct rn_error *err)
{
    const struct rn_pb no_name = {NULL, 0};
    int rc = rn_import_graph(&m->model, m->graph, "ONNX", m->file.path, no_name,
                             m->options, err);

    m->graph = NULL;
    if (rc)
        return rc;
    /* PyTorch's networks of these shapes are torchvision's. */
    const struct rn_family *family = m->model->spec.family;
    const struct rn_net_habit *usual =
        family && rn_pb_is(m->file.producer, "pytorch")
            ? rn_family_habit(family, &rn_source_torchvision)
            : NULL;
    return rn_import_preset(m->model, m->options,
                            usual ? usual->preprocess : NULL,
                            "as is usual with PyTorch's", err);
}

/* Whether it resizes its pictures: nothing else is resized here. */
static bool resizes(const struct onnx_model *m)
{
    for (size_t i = 0; i < m->file.n_nodes; i++)
        if (rn_pb_is(m->file.nodes[i].op, "Resize") ||
            rn_pb_is(m->file.nodes[i].op, "Upsample"))
            return true;
    return false;
}

static void say_size(const struct onnx_model *m)
{
    struct rn_shape s = m->graph->nodes[0].shape;

    if (resizes(m))
        rn_import_say(
            m->options,
            "'%s': it resizes its pictures to %dx%d itself; here they "
            "come in that size, resized as the preprocessing says",
            m->file.path, s.h, s.w);
    else if (leaves_open(&m->file) && !m->options->height)
        rn_import_say(m->options,
                      "pictures of any size; %dx%d taken: --crop says "
                      "otherwise",
                      SIDE, SIDE);
}

/* What a graph does to its pictures is not to be done twice, and one that takes
 * bytes takes pixels as they are. */
static void say_scaling(const struct onnx_model *m)
{
    if (m->file.type == ONNX_UINT8) {
        rn_import_say(m->options,
                      "'%s': its input is bytes, pixels from 0 to 255: --mean "
                      "0,0,0 --std 0.00392157,0.00392157,0.00392157 gives it "
                      "those, and whatever else --preprocess says is wrong",
                      m->file.path);
        return;
    }
    for (size_t i = 1; i < m->graph->n_nodes; i++)
        if (m->graph->nodes[i].op == RN_OP_BATCH_NORM &&
            m->graph->nodes[i].input[0] == 0) {
            rn_import_say(
                m->options,
                "'%s': it scales or normalises its pictures itself ('%.60s'); "
                "--preprocess says what is done to them before that: zero-one "
                "where it takes pixels from 0 to 1; --mean 0,0,0 --std "
                "0.00392157,0.00392157,0.00392157 where from 0 to 255",
                m->file.path, m->graph->nodes[i].name);
            return;
        }
}

/* How much of a model for integers computes in them. */
static void say_quantized(const struct onnx_model *m)
{
    struct rn_onnx_rounding count;
    char values[100] = "";

    rn_onnx_count_rounding(m->graph, &count);
    if (count.values > 0)
        snprintf(values, sizeof(values),
                 "; %zu values are rounded as the file says, in float32",
                 count.values);
    if (count.values > 0 || rn_graph_is_quantized(m->graph))
        rn_import_say(m->options,
                      "'%s': quantised: %zu of %zu layers compute in 8 bits%s",
                      m->file.path, count.in_bytes, count.layers, values);
}

static int read_model(struct onnx_model *m, struct rn_error *err)
{
    struct rn_shape size = open_size(m->options);
    int rc = rn_onnx_choose_output(&m->file, m->options, err);

    if (!rc)
        rc = rn_onnx_graph(&m->graph, &m->file, &size, RN_ONNX_MADE, err);
    if (!rc && m->file.description.at)
        rc = restore(m, &size, err);
    if (rc || m->model)
        return rc;
    say_quantized(m);
    say_size(m);
    say_scaling(m);
    return recognise(m, err);
}

int rn_onnx_import(struct rn_model **out, const char *path,
                   const struct rn_import_options *options,
                   struct rn_error *err)
{
    struct onnx_model m = {.options = options};

    *out = NULL;
    int rc = rn_onnx_open(&m.file, path, err);
    if (!rc)
        rc = read_model(&m, err);
    if (!rc)
        rc = rn_import_check(m.model, options, err);
    *out = m.model;
    rn_graph_destroy(m.graph);
    rn_onnx_close(&m.file);
    return rc;
}
