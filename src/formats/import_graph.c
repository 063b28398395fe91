/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes a model of a graph that was read: its name, its head, its family. */
#include "formats/import_graph.h"

#include "core/memory.h"
#include "formats/families.h"
#include "model/head.h"
#include "formats/import.h"

#include <stdio.h>
#include <string.h>

static bool name_taken(const struct rn_graph *g, const char *name)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        if (strcmp(g->nodes[i].name, name) == 0)
            return true;
    return false;
}

/* A name as others may show and store it, cut to its first part. */
static void clean_name(struct rn_pb from, char *to, size_t size)
{
    size_t n = from.size < size - 1 ? from.size : size - 1;

    for (size_t i = 0; i < n; i++)
        to[i] = from.at[i] > ' ' && from.at[i] < 0x7f ? (char)from.at[i] : '_';
    to[n] = '\0';
}

const char *rn_import_name(const struct rn_graph *g, struct rn_pb from,
                           char name[RN_IMPORT_NAME])
{
    char start[RN_IMPORT_NAME - 20];

    clean_name(from, start, sizeof(start));
    snprintf(name, RN_IMPORT_NAME, "%s", start);
    for (size_t k = g->n_nodes; !*name || name_taken(g, name); k++)
        snprintf(name, RN_IMPORT_NAME, "%s#%zu", start, k);
    return name;
}

/* "densenet121" of "models/densenet121.onnx". */
static struct rn_pb base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    size_t n = dot && dot > base ? (size_t)(dot - base) : strlen(base);

    return (struct rn_pb){(const uint8_t *)base, n};
}

static void say_head(const struct rn_model *model,
                     const struct rn_import_options *options)
{
    const struct rn_graph *g = model->graph;

    if (rn_is_independent(g->kind))
        rn_import_say(options,
                      "each class is there or not by itself (sigmoid)");
    else if (g->kind != RN_OUTPUT_LOGITS)
        rn_import_say(options, "its output are %s", rn_output_name(g->kind));
}

static int wrap(struct rn_model **out, const struct rn_net_spec *spec,
                struct rn_graph *graph, const char *path,
                const struct rn_import_options *options, struct rn_error *err)
{
    struct rn_model *model = rn_model_wrap(spec, graph);

    if (!model) {
        rn_graph_destroy(graph);
        return rn_fail_memory(err, sizeof(*model), "a model");
    }
    model->path = rn_strdup(path);
    *out = model;
    say_head(model, options);
    if (model->path)
        return RN_OK;
    rn_model_destroy(model);
    *out = NULL;
    return rn_fail_memory(err, strlen(path), "a path");
}

int rn_import_graph(struct rn_model **out, struct rn_graph *graph,
                    const char *kind, const char *path, struct rn_pb name,
                    const struct rn_import_options *options,
                    struct rn_error *err)
{
    struct rn_net_spec spec;
    struct rn_graph *own;
    char text[sizeof(spec.name)];

    *out = NULL;
    int rc = rn_family_find(&spec, &own, graph, err);
    if (rc || own) {
        enum rn_output output = graph->kind, head = graph->head;

        rn_graph_destroy(graph);
        if (rc)
            return rc;
        own->kind = output;
        own->head = head;
        rn_import_say(options, "'%s': %s of a %s for %d classes", path, kind,
                      spec.name, spec.classes);
        return wrap(out, &spec, own, path, options, err);
    }
    clean_name(name.size ? name : base_name(path), text, sizeof(text));
    rn_net_of_graph(&spec, text, graph);
    rn_import_say(options,
                  "'%s': %s of a network of no family here, for %d classes; "
                  "taken as its graph",
                  path, kind, spec.classes);
    return wrap(out, &spec, graph, path, options, err);
}

bool rn_import_known(const struct rn_model *model)
{
    return model->spec.family != NULL;
}
