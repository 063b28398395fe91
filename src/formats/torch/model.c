/* SPDX-License-Identifier: BSD-2-Clause */
/* Models from state dictionaries: what names and shapes tell, what is written
 * down beside them, and what the caller says beyond that. */
#include "formats/torch/torch.h"

#include "core/locale.h"
#include "core/memory.h"
#include "formats/import.h"
#include "formats/torch/config.h"
#include "formats/torch/module.h"
#include "formats/torch/pth.h"
#include "formats/torch/recognise.h"
#include "formats/torch/state.h"
#include "formats/torch/state_tensors.h"
#include "formats/torch/structure.h"
#include "formats/unusual.h"
#include "graph/quantization.h"
#include "model/file.h"

#include <string.h>
#include <sys/stat.h>

/* An import under way. */
struct import {
    const struct rn_import_options *options;
    struct rn_config config;
    struct rn_import_options filled; /* by it */
    struct rn_state state;
    struct rn_recognised found;
    struct rn_names_map map;
    char note[400]; /* how unknown names were taken; or "" */
    struct rn_net_spec spec;
    struct rn_model *model;
};

/* -------------------------------------------------- what shapes do not tell */

/* What people who use those names mean. */
static const struct rn_net_habit *find_habit(const struct rn_recognised *r)
{
    const struct rn_net_found *n = &r->network;
    const struct rn_net_habit *h = rn_family_habit(n->family, r->source);

    return h && !n->small && (!h->zeros || n->shortcut == 'A') ? h : NULL;
}

static char choose_shortcut(const struct import *in)
{
    const struct rn_net_habit *h = find_habit(&in->found);
    struct rn_net_spec named;

    if (in->options->shortcut)
        return in->options->shortcut;
    if (in->options->net &&
        rn_net_resolve(&named, in->options->net, NULL, NULL) == RN_OK &&
        named.shortcut == '-')
        return 0;
    if (in->found.network.shortcut == 'A' && h)
        return h->shortcut;
    return in->found.network.shortcut;
}

static int choose_network(struct import *in, struct rn_error *err)
{
    const struct rn_import_options *o = in->options;
    struct rn_error why = {0};
    const bool sized = o->height || o->width;
    struct rn_net_options net = {
        .classes = in->found.classes,
        .channels = in->found.channels,
        .height = sized ? o->height : in->found.network.pixels,
        .width = sized ? o->width : in->found.network.pixels,
        .shortcut = choose_shortcut(in),
        .stride_v1 =
            o->stride ? rn_import_wants_v1(o) : rn_module_stride_v1(&in->state),
        .block = o->net ? NULL : in->found.network.block,
    };
    int rc = rn_net_resolve(&in->spec, o->net ? o->net : in->found.network.net,
                            &net, &why);

    if (rc)
        return rn_fail(err, rc, "'%s': %.300s", in->state.path, why.msg);
    if (o->stride && in->spec.stride_v1 != rn_import_wants_v1(o))
        return rn_fail(err, RN_ERR_ARG, "'%s': a %s has no %s stride",
                       in->state.path, in->spec.name, o->stride);
    rn_unusual_spec(&in->spec, o);
    in->spec.first_stride = in->config.first_stride;
    return RN_OK;
}

/* What batch norms add to variances; 0 where there are none. */
static double eps_of(const struct rn_graph *g)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].op == RN_OP_BATCH_NORM)
            return (double)g->nodes[i].eps;
    return 0;
}

/* What neither tensors nor a description tells, of any network: its activation,
 * where it may have another, and batch norms' eps, where there are any. */
static void say_functions(const struct import *in)
{
    const struct rn_import_options *o = in->options;
    const double eps = o->eps > 0 ? 0 : eps_of(in->model->graph);
    const bool free = in->found.network.family->heeds >= RN_HEEDS_ACTIVATION;
    const bool activation = free && !o->activation,
               both = activation && eps > 0;
    char norms[64] = "";

    if (in->config.path || in->state.n_layers > 0 || !(activation || eps > 0))
        return;
    if (eps > 0)
        rn_format(norms, sizeof(norms), "batch norms' eps %sas %g",
                  both ? "" : "taken ", eps);
    rn_import_say(o, "%s%s%s; tensors do not tell: %s%s%s say%s otherwise",
                  activation ? "activations taken as relu" : "",
                  both ? ", " : "", norms, activation ? "--activation" : "",
                  both ? " and " : "", eps > 0 ? "--eps" : "", both ? "" : "s");
}

static void say_network(const struct import *in)
{
    const struct rn_import_options *o = in->options;
    const struct rn_net_found *found = &in->found.network;
    const struct rn_net_given given = {.net = o->net != NULL,
                                       .shortcut = o->shortcut != 0,
                                       .stride = o->stride != NULL,
                                       .layers = in->state.n_layers > 0,
                                       .size = o->height || o->width,
                                       .stem_stride = o->stem_stride,
                                       .stem_pool = o->stem_pool};

    rn_import_say(o, "'%s': %s of a %s for %d classes under %s names",
                  in->state.path, in->state.format->name, in->spec.name,
                  in->spec.classes, in->found.source->name);
    if (o->message)
        found->family->unsure(&in->spec, found, &given, o->message, o->user);
    say_functions(in);
}

/* -------------------------------------------------------------- network */

/* What the file has of the graph's auxiliary heads. */
enum heads { NO_HEADS, HEADS, OTHER_HEADS /* tensors of other shapes */ };

static enum heads find_heads(const struct import *in, const struct rn_graph *g)
{
    enum heads found = NO_HEADS;

    for (size_t i = rn_graph_trunk(g); i < g->n_nodes; i++)
        for (int k = 0; k < 4; k++) {
            const int p = g->nodes[i].param[k];
            const struct rn_state_tensor *t =
                p < 0 ? NULL : rn_renamed(&in->found, g->params[p].name);

            if (t && !rn_state_fits(t, &g->params[p]))
                return OTHER_HEADS;
            found = t ? HEADS : found;
        }
    return found;
}

/* The network as it is at its usual size, with its heads. */
static int build_usual(const struct import *in, struct rn_graph **out,
                       struct rn_error *err)
{
    struct rn_net_spec usual = in->spec, named;
    int rc = rn_net_resolve(&named, in->spec.name, NULL, err);

    if (rc)
        return rc;
    usual.input.h = named.input.h;
    usual.input.w = named.input.w;
    usual.aux = true;
    return rn_net_build(out, &usual, err);
}

static bool is_of_heads(const struct rn_graph *g, const char *name)
{
    for (size_t i = rn_graph_trunk(g); i < g->n_nodes; i++)
        for (int k = 0; k < 4; k++)
            if (g->nodes[i].param[k] >= 0 &&
                strcmp(g->params[g->nodes[i].param[k]].name, name) == 0)
                return true;
    return false;
}

/* Heads of the usual size do not fit images of another: the network does
 * without. What heads are of no size stays, to be refused by name. */
static int leave_heads(struct import *in, bool *left, struct rn_error *err)
{
    struct rn_recognised *r = &in->found;
    struct rn_graph *usual;
    size_t kept = 0, count = r->count;
    int rc = build_usual(in, &usual, err);

    *left = !rc && find_heads(in, usual) == HEADS;
    for (size_t i = 0; *left && i < count; i++)
        if (!is_of_heads(usual, r->tensors[i].name))
            r->tensors[kept++] = r->tensors[i];
    if (*left) {
        r->count = kept;
        rn_import_say(in->options,
                      "'%s': auxiliary heads left out (%zu tensors): they do "
                      "not fit images of %d x %d",
                      in->state.path, count - kept, in->spec.input.h,
                      in->spec.input.w);
    }
    if (!rc)
        rn_graph_destroy(usual);
    return rc;
}

/* With heads, if the file has those of the graph, NULL where they do not fit
 * the images. *with tells. */
static int choose_heads(struct import *in, const struct rn_graph *g, bool *with,
                        struct rn_error *err)
{
    const enum heads heads = g ? find_heads(in, g) : OTHER_HEADS;
    bool left = false;
    int rc = heads == OTHER_HEADS ? leave_heads(in, &left, err) : RN_OK;

    *with = g && heads != NO_HEADS && !left;
    if (heads == NO_HEADS)
        rn_import_say(in->options,
                      "'%s': without auxiliary heads, which training alone has",
                      in->state.path);
    return rc;
}

/* The network as the file has it: with its auxiliary heads or without. */
static int build_graph(struct import *in, struct rn_graph **out,
                       struct rn_error *err)
{
    struct rn_graph *g = NULL;
    int rc = RN_OK;

    in->spec.aux = rn_net_has_aux(&in->spec);
    if (in->spec.aux) {
        if (rn_net_build(&g, &in->spec, NULL))
            g = NULL;
        rc = choose_heads(in, g, &in->spec.aux, err);
    }
    *out = g;
    if (!rc && in->spec.aux)
        return RN_OK;
    rn_graph_destroy(g);
    return rc ? rc : rn_net_build(out, &in->spec, err);
}

static int build(struct import *in, struct rn_error *err)
{
    struct rn_graph *graph;
    struct rn_error why = {0};
    int rc = build_graph(in, &graph, &why);

    if (rc)
        return rn_fail(err, rc, "'%s': %.300s", in->state.path, why.msg);
    if (rn_net_is_unusual(&in->spec)) { /* of that name, but its own kind */
        const struct rn_net_spec named = in->spec;
        rn_net_of_graph(&in->spec, named.name, graph);
    }
    in->model = rn_model_wrap(&in->spec, graph);
    if (!in->model) {
        rn_graph_destroy(graph);
        return rn_fail_memory(err, sizeof(*in->model), "a model");
    }
    in->model->path = rn_strdup(in->state.path);
    return in->model->path
               ? RN_OK
               : rn_fail_memory(err, strlen(in->state.path), "a path");
}

/* ---------------------------------------------------------------- whole */

/* By structure what names do not tell, if that fits. */
static int by_structure(struct import *in, struct rn_error *err)
{
    struct rn_recognised found;
    int rc = rn_structure(&found, &in->state, in->note, sizeof(in->note), err);

    if (rc)
        return rc;
    rn_recognised_free(&in->found);
    in->found = found;
    return RN_OK;
}

/* By names, with the caller's help; else, without it, by structure. */
static int recognise(struct import *in, struct rn_error *err)
{
    const char *list = in->options->map;
    struct rn_error why = {0}, other = {0};
    int rc = list ? rn_names_map_open(&in->map, list, err) : RN_OK;

    if (!rc)
        rc = rn_rename(&in->found, &in->state, list ? &in->map : NULL, err);
    if (!rc && list)
        rc = rn_names_map_check(&in->map, in->state.path, err);
    if (rc)
        return rc;
    rc = rn_recognise(&in->found, &in->state, &why);
    if (rc == RN_ERR_DATA && !list && !in->found.known) {
        int found = by_structure(in, err);

        if (found == RN_OK || found == RN_ERR_MEMORY)
            return found;
    }
    /* A shortcut may have a name of its own in a network of known names; what
     * fits neither way is told by those. */
    if (!rc && !list && rn_recognised_stranger(&in->found) &&
        by_structure(in, &other) == RN_ERR_MEMORY)
        return rn_fail(err, RN_ERR_MEMORY, "%s", other.msg);
    if (rc && (in->found.known || in->found.other || list))
        return rn_fail(err, rc, "%s", why.msg);
    return rc;
}

static int read_tensors(struct import *in, struct rn_error *err)
{
    struct rn_error why = {0};
    int rc = rn_state_tensors(in->model, &in->state, &in->found, &in->map,
                              in->options, &why);

    if (rc == RN_ERR_DATA && *in->config.net &&
        in->options->net == in->config.net)
        return rn_fail(err, rc, "'%s' says that it is a %s, but %s",
                       in->config.path, in->config.net, why.msg);
    return rc ? rn_fail(err, rc, "%s", why.msg) : RN_OK;
}

/* What is written down beside the weights; what the caller says goes first. */
static int read_config(struct import *in, struct rn_error *err)
{
    int rc = rn_config_read(&in->config, &in->state, in->options, err);

    if (rc)
        return rc;
    in->filled = *in->options;
    in->filled.head = NULL; /* is the caller's alone */
    rn_config_fill(&in->config, in->found.channels, &in->filled);
    in->options = &in->filled;
    return RN_OK;
}

/* What people who use those names mean, where nobody says otherwise. */
static void fill_usual(struct import *in)
{
    const struct rn_net_found *found = &in->found.network;
    struct rn_import_options *o = &in->filled;
    const char *stride = o->stride, *pool = o->stem_pool;

    if (o->net) /* another network may have neither */
        return;
    if (!stride && found->stride_v1)
        o->stride = rn_stride_name(true);
    if (!pool)
        o->stem_pool = found->stem_pool;
    if (o->stride != stride)
        rn_import_say(o,
                      "'%s': bottlenecks taken to stride in their first 1x1 "
                      "(v1), as is usual with %s names: --stride says "
                      "otherwise",
                      in->state.path, in->found.source->name);
    if (o->stem_pool != pool)
        rn_import_say(o,
                      "'%s': first pool taken as %s, as is usual with %s "
                      "names: --stem-pool says otherwise",
                      in->state.path, o->stem_pool, in->found.source->name);
}

static void say_config(const struct import *in)
{
    const struct rn_config *c = &in->config;

    if (c->path)
        rn_import_say(in->options, "'%s' beside it is read", c->path);
    if (c->preprocessor_path)
        rn_import_say(in->options, "'%s' is read", c->preprocessor_path);
    if (c->unclear_view)
        rn_import_say(in->options,
                      "it has pictures resized or cut in a way that is not "
                      "ours%s",
                      c->has_numbers
                          ? ": mean and std are taken from it; --resize and "
                            "--crop say the sizes"
                          : "");
}

/* Habits are for where nothing is written down. */
static int prepare(struct import *in, struct rn_error *err)
{
    const struct rn_net_habit *h = find_habit(&in->found);
    const char *usual = h && !in->config.unclear_view ? h->preprocess : NULL;
    int rc = rn_import_preset(in->model, in->options, usual,
                              "as is usual with these names", err);

    return rc ? rc : rn_import_apply(in->model, in->options, err);
}

static int import_state(struct import *in, struct rn_error *err)
{
    int rc = recognise(in, err);

    if (!rc && in->found.headless && !in->options->headless)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s': a %s without its classifier: %s.weight is missing; "
                     "only 'train --weights' and 'features' take it",
                     in->state.path, in->found.network.net,
                     in->found.network.family->head);
    if (!rc)
        rc = read_config(in, err);
    if (!rc)
        fill_usual(in);
    if (!rc)
        rc = choose_network(in, err);
    if (!rc)
        rc = build(in, err);
    if (!rc)
        rc = rn_config_check(&in->config, in->model->graph, err);
    if (!rc)
        rc = read_tensors(in, err);
    if (!rc)
        rc = rn_module_check(in->model->graph, &in->state, err);
    if (!rc && in->options->eps > 0)
        rc = rn_unusual_eps(in->model->graph, in->options->eps, err);
    if (!rc)
        rc = rn_import_aux(in->model, in->options, err);
    if (rc)
        return rc;
    in->model->headless = in->found.headless;
    if (*in->state.note)
        rn_import_say(in->options, "%s", in->state.note);
    if (*in->note)
        rn_import_say(in->options, "'%s': %s", in->state.path, in->note);
    say_network(in);
    say_config(in);
    return prepare(in, err);
}

/* Bytes of the tensors: not more than the file has, so that tensors that share
 * a storage do not count twice. We write each by itself. */
static uint64_t held_bytes(const struct rn_state *state)
{
    struct stat file;
    uint64_t bytes = 0;

    for (size_t i = 0; i < state->count; i++)
        bytes += state->tensors[i].count * sizeof(float);
    if (stat(state->path, &file) == 0 && (uint64_t)file.st_size < bytes)
        bytes = (uint64_t)file.st_size;
    return bytes;
}

/* A description inside leaves nothing to be told by another file. */
static int check_described(const struct import *in, struct rn_error *err)
{
    const struct rn_import_options *o = in->options;

    if (!o->map && !rn_import_has_config(o))
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG,
                   "'%s' says itself what its tensors are, but %s was given",
                   in->state.path,
                   o->map ? "a list of names" : "another description");
}

/* A state dictionary with a description is one of ours. */
static int import_described(struct import *in, struct rn_error *err)
{
    uint64_t bytes = held_bytes(&in->state);
    int rc = check_described(in, err);

    if (!rc)
        rc = rn_model_from_text(&in->model, in->state.path,
                                in->state.description, in->state.count, bytes,
                                err);
    if (!rc)
        rc = rn_rename_none(&in->found, &in->state, err);
    if (!rc)
        rc = read_tensors(in, err);
    if (!rc)
        rc = rn_import_aux(in->model, in->options, err);
    return rc ? rc : rn_import_check(in->model, in->options, err);
}

static int read_state(struct import *in, const char *path, struct rn_error *err)
{
    int rc = rn_state_open(&in->state, path, in->options->holder, err);

    if (rc)
        return rc;
    return in->state.description ? import_described(in, err)
                                 : import_state(in, err);
}

int rn_torch_import(struct rn_model **out, const char *path,
                    const struct rn_import_options *options,
                    struct rn_error *err)
{
    struct import in = {.options = options};
    int rc = read_state(&in, path, err);

    *out = in.model;
    rn_config_free(&in.config);
    rn_recognised_free(&in.found);
    rn_names_map_close(&in.map);
    rn_state_close(&in.state);
    return rc;
}

/* --------------------------------------------------------------- export */

int rn_torch_export(const struct rn_model *model, const char *path,
                    struct rn_error *err)
{
    const struct rn_graph *g = model->graph;
    struct rn_st_out *list;

    if (rn_graph_is_quantized(g))
        return rn_fail(err, RN_ERR_ARG,
                       "cannot write '%s': the model is quantised, which files "
                       "of this program and ONNX hold; convert the one it was "
                       "made of",
                       path);
    list = rn_alloc(g->n_params, sizeof(*list));
    if (!list)
        return rn_fail_memory(err, g->n_params * sizeof(*list),
                              "a list of tensors");
    for (size_t i = 0; i < g->n_params; i++)
        list[i] =
            (struct rn_st_out){g->params[i].name, g->params[i].dims,
                               g->params[i].dim, g->params[i].data, RN_F32};
    char *text = NULL;
    int rc = rn_model_text(&text, model, true, path, err);
    if (!rc)
        rc = rn_pth_write(path, list, g->n_params, text, err);
    rn_free(text);
    rn_free(list);
    return rc;
}
