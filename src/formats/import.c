/* SPDX-License-Identifier: BSD-2-Clause */
/* Models from files of others: a state dictionary, what its shapes tell, and
 * what the caller or a known source says beyond that. */
#include "core/count.h"
#include "core/locale.h"
#include "formats/caffe/caffe.h"
#include "formats/torch/config.h"
#include "formats/darknet/darknet.h"
#include "formats/foreign.h"
#include "formats/import.h"
#include "model/file.h"
#include "formats/torch/module.h"
#include "formats/onnx/onnx.h"
#include "model/presets.h"
#include "formats/torch/pth.h"
#include "formats/torch/recognise.h"
#include "formats/unusual.h"
#include "formats/torch/state_tensors.h"
#include "formats/torch/structure.h"
#include "formats/own/run_folder.h"

#include "core/memory.h"

#include <stdarg.h>
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

void rn_import_defaults(struct rn_import_options *options)
{
    memset(options, 0, sizeof(*options));
}

void rn_import_say(const struct rn_import_options *options, const char *format,
                   ...)
{
    char text[400];
    va_list args;

    if (!options->message)
        return;
    va_start(args, format);
    rn_format_list(text, sizeof(text), format, args);
    va_end(args);
    options->message(options->user, text);
}

/* -------------------------------------------------- what shapes do not tell */

/* What people who use those names mean. */
static const struct rn_net_habit *find_habit(const struct rn_recognised *r)
{
    const struct rn_net_found *n = &r->network;
    const struct rn_net_habit *h = rn_family_habit(n->family, r->source);

    return h && !n->small && (!h->zeros || n->shortcut == 'A') ? h : NULL;
}

static int check_stride(const char *stride, struct rn_error *err)
{
    if (!stride || strcmp(stride, rn_stride_name(true)) == 0 ||
        strcmp(stride, rn_stride_name(false)) == 0)
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG, "stride '%.20s', expected v1 or v1.5",
                   stride);
}

static bool wants_v1(const struct rn_import_options *o)
{
    return o->stride && strcmp(o->stride, rn_stride_name(true)) == 0;
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
    struct rn_net_options net = {
        .classes = in->found.classes,
        .channels = in->found.channels,
        .height = o->height,
        .width = o->width,
        .shortcut = choose_shortcut(in),
        .stride_v1 = o->stride ? wants_v1(o) : rn_module_stride_v1(&in->state),
    };
    int rc = rn_net_resolve(&in->spec, o->net ? o->net : in->found.network.net,
                            &net, &why);

    if (!rc)
        rc = rn_unusual_spec(&in->spec, o, &why);
    in->spec.first_stride = in->config.first_stride;
    return rc ? rn_fail(err, rc, "'%s': %.300s", in->state.path, why.msg)
              : RN_OK;
}

static void say_network(const struct import *in)
{
    const struct rn_import_options *o = in->options;
    const struct rn_net_found *found = &in->found.network;
    const struct rn_net_given given = {.net = o->net != NULL,
                                       .shortcut = o->shortcut != 0,
                                       .stride = o->stride != NULL,
                                       .layers = in->state.n_layers > 0,
                                       .stem_stride = o->stem_stride,
                                       .stem_pool = o->stem_pool};

    rn_import_say(o, "'%s': %s of a %s for %d classes under %s names",
                  in->state.path, in->state.format->name, in->spec.name,
                  in->spec.classes, in->found.source->name);
    if (o->message)
        found->family->unsure(&in->spec, found, &given, o->message, o->user);
}

/* -------------------------------------------------------------- network */

static int build(struct import *in, struct rn_error *err)
{
    struct rn_graph *graph;
    struct rn_error why = {0};
    int rc = rn_net_build(&graph, &in->spec, &why);

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

/* -------------------------------------------------------- preprocessing */

int rn_import_preset(struct rn_model *model,
                     const struct rn_import_options *options, const char *name,
                     const char *why, struct rn_error *err)
{
    const struct rn_preset *preset = NULL;
    int rc = name ? rn_preset_find(name, &preset, err) : RN_OK;

    if (rc || options->preprocess || options->mean)
        return rc;
    if (!preset || !rn_preset_fits(preset, model->spec.input.c)) {
        rn_import_say(options, "how its images are prepared is not known: "
                               "--preprocess says");
        return RN_OK;
    }
    rn_import_say(options,
                  "preprocessing '%s' taken (%s), %s: --preprocess says "
                  "otherwise",
                  preset->name, preset->description, why);
    return rn_preset_apply(model, preset, err);
}

/* What is given, put into the order of the network's channels, or else what
 * there was. */
static void choose_numbers(const struct rn_preprocessing *pre, size_t c,
                           const float *given, const float *kept, float *to)
{
    for (size_t i = 0; i < c; i++)
        to[i] = given ? given[rn_channel_stored(pre, c, i)] : kept[i];
}

/* Numbers the caller gives in place of a mean, a std, or both. */
static int set_numbers(struct rn_model *model,
                       const struct rn_import_options *o, struct rn_error *err)
{
    const struct rn_preprocessing *pre = &model->preprocessing;
    size_t c = (size_t)model->spec.input.c;

    if (!o->mean && !o->std)
        return RN_OK;
    if (!o->mean != !o->std && (!pre->mean || pre->per_pixel))
        return rn_fail(err, RN_ERR_ARG,
                       "a mean without a std, or a std without a mean");
    if ((o->mean && o->means != c) || (o->std && o->stds != c))
        return rn_fail(err, RN_ERR_ARG,
                       "%zu means, %zu stds, for a network of %zu channels",
                       o->means, o->stds, c);
    float *mean = rn_alloc(c, sizeof(*mean)), *std = rn_alloc(c, sizeof(*std));
    int rc = RN_OK;
    if (!mean || !std)
        rc = rn_fail_memory(err, c * sizeof(*mean), "a mean");
    if (!rc) {
        choose_numbers(pre, c, o->mean, pre->mean, mean);
        choose_numbers(pre, c, o->std, pre->std, std);
        rc = rn_model_set_preprocessing(model, false, mean, std, err);
    }
    rn_free(mean);
    rn_free(std);
    return rc;
}

static int find_interpolation(const char *name, enum rn_interpolation *out,
                              struct rn_error *err)
{
    const char *known;

    for (int i = 0; (known = rn_interpolation_name((enum rn_interpolation)i));
         i++) {
        *out = (enum rn_interpolation)i;
        if (strcmp(known, name) == 0)
            return RN_OK;
    }
    return rn_fail(err, RN_ERR_ARG,
                   "unknown interpolation '%.40s', expected bilinear, bicubic "
                   "or box",
                   name);
}

static int set_view(struct rn_model *model, const struct rn_import_options *o,
                    struct rn_error *err)
{
    int resize = o->resize ? o->resize : model->preprocessing.resize;
    enum rn_interpolation how = model->preprocessing.interpolation;
    int rc = RN_OK;

    if (o->interpolation)
        rc = find_interpolation(o->interpolation, &how, err);
    if (rc || (!o->resize && !o->interpolation))
        return rc;
    return rn_model_set_resize(model, resize, how, err);
}

/* What the caller says that logits are turned into probabilities by. */
static int set_head(struct rn_model *model, const char *head,
                    struct rn_error *err)
{
    struct rn_graph *g = model->graph;
    bool sigmoid = head && strcmp(head, "sigmoid") == 0;
    bool logits =
        g->kind == RN_OUTPUT_LOGITS || g->kind == RN_OUTPUT_INDEPENDENT_LOGITS;
    enum rn_output kind =
        sigmoid ? RN_OUTPUT_INDEPENDENT_LOGITS : RN_OUTPUT_LOGITS;

    if (head && !sigmoid && strcmp(head, "softmax") != 0)
        return rn_fail(err, RN_ERR_ARG,
                       "unknown head '%.40s', expected softmax or sigmoid",
                       head);
    if (!head || (logits && kind == g->kind))
        return RN_OK;
    if (!logits)
        return rn_fail(err, RN_ERR_ARG,
                       "the output of '%s' are %s, of which no %s makes "
                       "others",
                       model->path, rn_output_name(g->kind), head);
    g->kind = g->head = kind;
    return RN_OK;
}

/* All that the caller says beside the tensors. */
static int apply_options(struct rn_model *model,
                         const struct rn_import_options *o,
                         struct rn_error *err)
{
    const struct rn_preset *preset;
    int rc = RN_OK;

    if (o->preprocess) {
        rc = rn_preset_find(o->preprocess, &preset, err);
        if (!rc)
            rc = rn_preset_apply(model, preset, err);
    }
    if (!rc)
        rc = set_head(model, o->head, err);
    if (!rc)
        rc = rn_unusual_order(model, o->channel_order, err);
    if (!rc)
        rc = set_numbers(model, o, err);
    if (!rc)
        rc = set_view(model, o, err);
    if (!rc && o->labels)
        rc = rn_model_label(model, o->labels, err);
    return rc;
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
    if (rc == RN_ERR_DATA && !list && !in->found.known &&
        by_structure(in, err) == RN_OK)
        return RN_OK;
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
                      "ours");
}

/* Habits are for where nothing is written down. */
static int prepare(struct import *in, struct rn_error *err)
{
    const struct rn_net_habit *h = find_habit(&in->found);
    const char *usual = h && !in->config.unclear_view ? h->preprocess : NULL;
    int rc = rn_import_preset(in->model, in->options, usual,
                              "as is usual with these names", err);

    return rc ? rc : apply_options(in->model, in->options, err);
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

static const char *shortcut_text(char shortcut)
{
    const char *name = rn_shortcut_name(shortcut);

    return name ? name : "none";
}

int rn_import_check(const struct rn_model *model,
                    const struct rn_import_options *o, struct rn_error *err)
{
    const struct rn_net_spec *s = &model->spec;
    int rc = rn_unusual_refuse(model->path, o, err);

    if (rc)
        return rc;
    if (o->net && strcmp(o->net, s->name) != 0)
        return rn_fail(err, RN_ERR_ARG, "'%s' holds a %s, not a %s",
                       model->path, s->name, o->net);
    if (o->shortcut && o->shortcut != s->shortcut)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' holds a %s with shortcut '%s', not '%s'",
                       model->path, s->name, shortcut_text(s->shortcut),
                       shortcut_text(o->shortcut));
    if (o->stride && wants_v1(o) != s->stride_v1)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' holds a %s without the %s stride asked for",
                       model->path, s->name, o->stride);
    if ((o->height && o->height != s->input.h) ||
        (o->width && o->width != s->input.w))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' holds a %s that takes %d x %d pixels, not %d x %d",
                       model->path, s->name, s->input.h, s->input.w, o->height,
                       o->width);
    return RN_OK;
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

/* A state dictionary with a description is one of ours. */
static int import_described(struct import *in, struct rn_error *err)
{
    uint64_t bytes = held_bytes(&in->state);
    int rc =
        rn_model_from_text(&in->model, in->state.path, in->state.description,
                           in->state.count, bytes, err);

    if (!rc)
        rc = rn_rename(&in->found, &in->state, NULL, err);
    if (!rc)
        rc = read_tensors(in, err);
    return rc ? rc : rn_import_check(in->model, in->options, err);
}

/* Whether it is a file rn_model_save() wrote. */
static bool is_own(const char *path)
{
    struct rn_st_file f;

    if (rn_st_open(&f, path, NULL))
        return false;
    bool own = rn_st_is_model(&f);
    rn_st_close(&f);
    return own;
}

/* What is said of tensors' names is said of state dictionaries of others. */
static int check_naming(const char *path, const struct rn_import_options *o,
                        struct rn_error *err)
{
    const char *option = o->map          ? "a list of names"
                         : o->holder     ? "a holder"
                         : o->skip_extra ? "passing over tensors"
                                         : NULL;

    if (!option)
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG,
                   "%s goes with a state dictionary of others, not with '%s'",
                   option, path);
}

/* Caller's files that this one does not need. */
static int check_files(const char *path, const struct rn_import_options *o,
                       struct rn_error *err)
{
    if (o->weights)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' holds its weights itself, '%s' is none of it",
                       path, o->weights);
    if (o->mean_image)
        return rn_fail(err, RN_ERR_ARG,
                       "a mean image goes with Caffe's networks, not with '%s'",
                       path);
    return RN_OK;
}

/* A graph of others alone has values to choose from. */
int rn_import_no_output(const char *path, const struct rn_import_options *o,
                        struct rn_error *err)
{
    return o->output ? rn_fail(err, RN_ERR_ARG,
                               "'%s' has one output: '%.100s' goes with graphs "
                               "of ONNX and Caffe",
                               path, o->output)
                     : RN_OK;
}

static int import_own(struct rn_model **out, const char *path,
                      const struct rn_import_options *o, struct rn_error *err)
{
    int rc = check_files(path, o, err);

    if (!rc)
        rc = rn_import_no_output(path, o, err);
    if (!rc)
        rc = check_naming(path, o, err);
    if (!rc)
        rc = rn_model_load_with(out, path, NULL, 0, NULL, err);
    return rc ? rc : rn_import_check(*out, o, err);
}

static int import_other(struct rn_model **out, const char *path,
                        const struct rn_import_options *o, struct rn_error *err)
{
    struct import in = {.options = o};
    uint8_t bytes[RN_FIRST_BYTES];
    size_t size;
    int rc = rn_first_bytes(path, bytes, &size, err);

    if (!rc)
        rc = rn_foreign_refuse(path, bytes, size, err);
    if (!rc && (rn_caffe_is(path, bytes, size) ||
                rn_darknet_is(path, bytes, size) || rn_onnx_is(bytes, size)))
        rc = check_naming(path, o, err);
    if (!rc && rn_caffe_is(path, bytes, size))
        return rn_caffe_import(out, path, o, err);
    if (!rc && rn_darknet_is(path, bytes, size))
        return rn_darknet_import(out, path, o, err);
    if (!rc)
        rc = check_files(path, o, err);
    if (!rc && rn_onnx_is(bytes, size))
        return rn_onnx_import(out, path, o, err);
    if (!rc)
        rc = rn_import_no_output(path, o, err);
    if (!rc)
        rc = rn_state_open(&in.state, path, o->holder, err);
    if (!rc)
        rc = in.state.description ? import_described(&in, err)
                                  : import_state(&in, err);
    *out = in.model;
    rn_config_free(&in.config);
    rn_recognised_free(&in.found);
    rn_names_map_close(&in.map);
    rn_state_close(&in.state);
    return rc;
}

/* What cannot be computed with is refused here, not found in the answers. */
static int check_numbers(const struct rn_model *model,
                         const struct rn_import_options *o,
                         struct rn_error *err)
{
    struct rn_error why = {0};
    int rc = rn_model_check_numbers(model, &why);

    if (rc && o->not_finite) {
        rn_import_say(o, "%s", why.msg);
        return RN_OK;
    }
    return rc ? rn_fail(err, rc, "%s", why.msg) : RN_OK;
}

static int import_file(struct rn_model **out, const char *path,
                       const struct rn_import_options *options,
                       struct rn_error *err)
{
    struct rn_model *model = NULL;
    int rc = check_stride(options->stride, err);

    if (!rc)
        rc = is_own(path) ? import_own(&model, path, options, err)
                          : import_other(&model, path, options, err);
    if (!rc)
        rc = check_numbers(model, options, err);
    if (!rc)
        rc = apply_options(model, options, err);
    if (rc)
        rn_model_destroy(model);
    else
        *out = model;
    return rc;
}

int rn_model_import(struct rn_model **out, const char *path,
                    const struct rn_import_options *options,
                    struct rn_error *err)
{
    static const struct rn_import_options none;
    char *file;

    *out = NULL;
    if (!options)
        options = &none;
    int rc = rn_run_model(path, &file, err);
    if (!rc && file)
        rn_import_say(options, "'%s' is a run: '%s' is taken", path, file);
    if (!rc)
        rc = import_file(out, file ? file : path, options, err);
    rn_free(file);
    return rc;
}

int rn_model_load(struct rn_model **out, const char *path, struct rn_error *err)
{
    return rn_model_import(out, path, NULL, err);
}

/* --------------------------------------------------------------- export */

static int write_pth(const struct rn_model *model, const char *path,
                     struct rn_error *err)
{
    const struct rn_graph *g = model->graph;
    struct rn_st_out *list = rn_alloc(g->n_params, sizeof(*list));

    if (!list)
        return rn_fail_memory(err, g->n_params * sizeof(*list),
                              "a list of tensors");
    for (size_t i = 0; i < g->n_params; i++)
        list[i] = (struct rn_st_out){g->params[i].name, g->params[i].dims,
                                     g->params[i].dim, g->params[i].data};
    char *text = NULL;
    int rc = rn_model_text(&text, model, true, path, err);
    if (!rc)
        rc = rn_pth_write(path, list, g->n_params, text, err);
    rn_free(text);
    rn_free(list);
    return rc;
}

int rn_model_export(const struct rn_model *model, const char *path,
                    struct rn_error *err)
{
    static const struct {
        const char *end;
        int (*write)(const struct rn_model *, const char *, struct rn_error *);
    } formats[] = {{".safetensors", rn_model_save},
                   {".pth", write_pth},
                   {".pt", write_pth},
                   {".onnx", rn_onnx_write}};
    for (size_t i = 0; i < COUNT(formats); i++)
        if (rn_ends_with(path, formats[i].end))
            return formats[i].write(model, path, err);
    return rn_fail(err, RN_ERR_ARG,
                   "'%s': the name tells no format, expected .safetensors, "
                   ".pth, .pt or .onnx",
                   path);
}
