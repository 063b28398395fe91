/* SPDX-License-Identifier: BSD-2-Clause */
/* Models from ONNX files. */
#include "formats/onnx.h"

#include "core/memory.h"
#include "formats/families.h"
#include "formats/import.h"
#include "formats/model_file.h"
#include "formats/onnx_file.h"

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

static int wrap(struct onnx_model *m, const struct rn_net_spec *spec,
                struct rn_graph *graph, struct rn_error *err)
{
    m->model = rn_model_wrap(spec, graph);
    if (!m->model) {
        rn_graph_destroy(graph);
        return rn_fail_memory(err, sizeof(*m->model), "a model");
    }
    m->model->path = rn_strdup(m->file.path);
    return m->model->path ? RN_OK
                          : rn_fail_memory(err, strlen(m->file.path), "a path");
}

/* A model of ours comes back with all it had, if its graph is still the one
 * it is said to be. */
static int restore(struct onnx_model *m, struct rn_error *err)
{
    struct rn_pb text = m->file.description;
    struct rn_error why = {0};
    uint64_t bytes = 0;
    char *copy = rn_alloc(text.size + 1, 1);
    if (!copy)
        return rn_fail_memory(err, text.size, "a description");
    memcpy(copy, text.at, text.size);
    for (size_t i = 0; i < m->graph->n_params; i++)
        bytes += m->graph->params[i].count * sizeof(float);
    int rc = rn_model_from_text(&m->model, m->file.path, copy,
                                m->graph->n_params, bytes, &why);
    rn_free(copy);
    if (rc == RN_ERR_MEMORY)
        return rn_fail(err, rc, "%s", why.msg);
    if (!rc && rn_graph_adopt(m->model->graph, m->graph))
        return RN_OK;
    rn_model_destroy(m->model);
    m->model = NULL;
    rn_import_say(m->options,
                  "its description is of another network and left out%s%s",
                  why.msg[0] ? ": " : "", why.msg);
    return RN_OK;
}

/* "densenet121" of "models/densenet121.onnx". */
static void base_name(const char *path, char *name, size_t size)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    size_t n = dot && dot > base ? (size_t)(dot - base) : strlen(base);
    n = n < size - 1 ? n : size - 1;
    for (size_t i = 0; i < n; i++)
        name[i] = base[i] > ' ' && base[i] < 0x7f ? base[i] : '_';
    name[n] = '\0';
}

static int recognise(struct onnx_model *m, struct rn_error *err)
{
    const struct rn_import_options *o = m->options;
    struct rn_net_spec spec;
    struct rn_graph *own;
    char name[32];
    int rc = rn_family_find(&spec, &own, m->graph, err);
    if (rc)
        return rc;
    if (own) {
        rn_import_say(o, "'%s': ONNX of a %s for %d classes", m->file.path,
                      spec.name, spec.classes);
        rc = wrap(m, &spec, own, err);
    } else {
        base_name(m->file.path, name, sizeof(name));
        rn_net_of_graph(&spec, name, m->graph);
        rn_import_say(o,
                      "'%s': ONNX of a network of no family here, for %d "
                      "classes; taken as its graph",
                      m->file.path, spec.classes);
        rc = wrap(m, &spec, m->graph, err);
        m->graph = NULL;
    }
    /* PyTorch's networks of these shapes are torchvision's. */
    bool usual = own && strcmp(spec.family, "imagenet") == 0 &&
                 rn_pb_is(m->file.producer, "pytorch");
    return rc ? rc
              : rn_import_preset(m->model, o, usual ? "torchvision" : NULL,
                                 "as is usual with PyTorch's", err);
}

static int read_model(struct onnx_model *m, struct rn_error *err)
{
    struct rn_shape size = open_size(m->options);
    int rc = rn_onnx_graph(&m->graph, &m->file, &size, RN_ONNX_MADE, err);
    if (!rc && m->file.description.at)
        rc = restore(m, err);
    if (rc || m->model)
        return rc;
    if (leaves_open(&m->file) && !m->options->height)
        rn_import_say(m->options,
                      "pictures of any size; %dx%d taken: --crop says "
                      "otherwise",
                      SIDE, SIDE);
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
