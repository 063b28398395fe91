/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading a model, whose file is not trusted. */
#include "model/file.h"

#include "core/memory.h"
#include "model/graph_json.h"
#include "model/head.h"
#include "nets/family.h"
#include "core/json.h"
#include "core/protobuf.h"

#include <stdio.h>
#include <string.h>

/* -------------------------------------------------------- description */

static int fail_field(const char *path, const char *field, const char *expected,
                      struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': \"%s\" in the model's description is missing or not "
                   "%s",
                   path, field, expected);
}

/* A key that is not known would say something of the model that this program
 * does not do. */
static int check_keys(const char *path, const json_t *object, const char *where,
                      const char *keys, struct rn_error *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        struct rn_pb text = {(const uint8_t *)key, strlen(key)};

        if (!rn_pb_word(text, keys))
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': \"%.60s\" in the model's %s is not known "
                           "here: a newer program wrote it",
                           path, key, where);
    }
    return RN_OK;
}

static bool get_int(const json_t *value, int *out)
{
    json_int_t v = json_integer_value(value);

    if (!json_is_integer(value) || v < 1 || v > INT32_MAX)
        return false;
    *out = (int)v;
    return true;
}

bool rn_st_is_model(const struct rn_st_file *f)
{
    char *text;
    bool is = rn_st_metadata(f, RN_KEY_MODEL, &text, NULL) || text;

    rn_free(text);
    return is;
}

static int parse_description(const char *path, const char *text, json_t **out,
                             struct rn_error *err)
{
    int rc = rn_json_parse(out, text, strlen(text), path,
                           "the model's description", err);

    if (rc)
        return rc;
    const json_t *format = json_object_get(*out, "format");
    if (!json_is_integer(format))
        rc = fail_field(path, "format", "a number", err);
    else if (json_integer_value(format) != RN_MODEL_FORMAT)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s': model format %lld, this program knows format %d",
                     path, (long long)json_integer_value(format),
                     RN_MODEL_FORMAT);
    if (rc) {
        json_decref(*out);
        *out = NULL;
    }
    return rc;
}

/* The parsed "resnet" text. */
static int read_description(const struct rn_st_file *f, json_t **out,
                            struct rn_error *err)
{
    char *text;
    int rc = rn_st_metadata(f, RN_KEY_MODEL, &text, err);

    if (rc)
        return rc;
    if (!text)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': a safetensors file, but not a model of this "
                       "program: its metadata have no \"" RN_KEY_MODEL "\"",
                       f->path);
    rc = parse_description(f->path, text, out, err);
    rn_free(text);
    return rc;
}

static int read_sizes(const char *path, const json_t *net, struct rn_shape *in,
                      int *classes, struct rn_error *err)
{
    const json_t *input = json_object_get(net, "input");

    if (json_array_size(input) != 3 ||
        !get_int(json_array_get(input, 0), &in->c) ||
        !get_int(json_array_get(input, 1), &in->h) ||
        !get_int(json_array_get(input, 2), &in->w))
        return fail_field(path, "input", "[channels,height,width]", err);
    if (!get_int(json_object_get(net, "classes"), classes))
        return fail_field(path, "classes", "a positive number", err);
    return RN_OK;
}

/* The sizes, and what the family has its own keys for. */
static int read_options(const char *path, const json_t *net,
                        const struct rn_family *family,
                        struct rn_net_options *o, struct rn_error *err)
{
    struct rn_shape input;

    rn_net_defaults(o);
    int rc = read_sizes(path, net, &input, &o->classes, err);
    if (rc)
        return rc;
    o->channels = input.c;
    o->height = input.h;
    o->width = input.w;
    for (const struct rn_net_attribute *a = family->attributes; a->key; a++)
        if (a->get && !a->get(json_object_get(net, a->key), o))
            return fail_field(path, a->key, a->expected, err);
    return RN_OK;
}

/* What the name stands for must be what the file says it is. */
static int check_meaning(const char *path, const json_t *net,
                         const struct rn_net_spec *spec, struct rn_error *err)
{
    const char *family = json_string_value(json_object_get(net, "family"));
    int depth;

    if (!family || strcmp(family, spec->family->name) != 0)
        return fail_field(path, "family", "the family of its name", err);
    if (!get_int(json_object_get(net, "depth"), &depth) || depth != spec->depth)
        return fail_field(path, "depth", "the depth of its name", err);
    for (const struct rn_net_attribute *a = spec->family->attributes; a->key;
         a++) {
        json_t *meant = a->get ? NULL : a->put(spec);
        bool same = a->get || json_equal(meant, json_object_get(net, a->key));

        json_decref(meant);
        if (!same)
            return fail_field(path, a->key, a->expected, err);
    }
    return RN_OK;
}

#define OF_ALL "name family depth input classes " RN_KEY_AUX

static int check_network_keys(const char *path, const json_t *net,
                              const struct rn_family *family,
                              struct rn_error *err)
{
    char keys[200] = OF_ALL;

    for (const struct rn_net_attribute *a = family->attributes; a->key; a++)
        snprintf(keys + strlen(keys), sizeof(keys) - strlen(keys), " %s",
                 a->key);
    return check_keys(path, net, "network", keys, err);
}

/* The name tells the family, and the family how to read the rest. */
static int read_spec(const char *path, const json_t *root,
                     struct rn_net_spec *spec, struct rn_error *err)
{
    const json_t *net = json_object_get(root, "network");
    const char *name = json_string_value(json_object_get(net, "name"));
    struct rn_net_options options;
    struct rn_error why = {0};

    if (!name)
        return fail_field(path, "name", "the name of a network", err);
    if (rn_net_resolve(spec, name, NULL, &why))
        return rn_fail(err, RN_ERR_DATA, "'%s': %.300s", path, why.msg);
    int rc = check_network_keys(path, net, spec->family, err);
    const json_t *aux = json_object_get(net, RN_KEY_AUX);
    if (!rc && aux && !json_is_boolean(aux))
        rc = fail_field(path, RN_KEY_AUX, "true or false", err);
    if (!rc)
        rc = read_options(path, net, spec->family, &options, err);
    if (rc)
        return rc;
    options.aux_heads = json_is_true(aux);
    if (rn_net_resolve(spec, name, &options, &why))
        return rn_fail(err, RN_ERR_DATA, "'%s': %.300s", path, why.msg);
    return check_meaning(path, net, spec, err);
}

static bool is_quantized(const json_t *root)
{
    const json_t *quantization = json_object_get(root, "quantization");

    return quantization && !json_is_null(quantization);
}

/* What a file has beside the description. */
struct holdings {
    const char *path;
    size_t tensors;
    uint64_t bytes;             /* of them */
    bool quantized;             /* some of them are I8 */
    const struct rn_st_file *f; /* with a mean of every pixel; NULL: that
                                   stands in the description */
};

/* Numbers that the tensors have at most. */
static uint64_t numbers_of(const struct holdings *h)
{
    return h->quantized ? h->bytes : h->bytes / sizeof(float);
}

/* A description costs nothing to make up; the network it asks for is only
 * built when the file is about as large. One tensor per layer, 64 numbers per
 * class, 3 x 3 x 16 per input channel, and what the family knows of its
 * layers: what is then allocated is at most a few hundred megabytes, or some
 * thirty times the file. */
static int check_plausible(const struct holdings *h,
                           const struct rn_net_spec *spec, struct rn_error *err)
{
    const uint64_t class = 64, channel = 3 * 3 * 16;
    uint64_t depth = (uint64_t)spec->depth;
    uint64_t floats = class * (uint64_t)spec->classes +
                      channel * (uint64_t)spec->input.c +
                      spec->family->least_floats(spec);

    if (h->tensors >= depth && numbers_of(h) >= floats)
        return RN_OK;
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': %zu tensors of %llu bytes cannot be a %s for %d "
                   "classes and %d input channels",
                   h->path, h->tensors, (unsigned long long)h->bytes,
                   spec->name, spec->classes, spec->input.c);
}

/* ---------------------------------------------- preprocessing, names */

/* `count` numbers of a JSON list; false when it is something else. */
static bool get_floats(const json_t *list, float *out, size_t count)
{
    if (!json_is_array(list) || json_array_size(list) != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(list, i);

        if (!json_is_number(value))
            return false;
        out[i] = (float)json_number_value(value);
    }
    return true;
}

static int read_pixel_mean(const struct holdings *h,
                           const struct rn_model *model, const json_t *list,
                           float *mean, struct rn_error *err)
{
    const struct rn_st_file *f = h->f;
    const struct rn_st_tensor *t = f ? rn_st_find(f, RN_MEAN_TENSOR) : NULL;
    size_t dim[RN_MEAN_DIMS];

    rn_pixel_mean_dim(model, dim);
    if (!f)
        return get_floats(list, mean, dim[0] * dim[1] * dim[2])
                   ? RN_OK
                   : fail_field(h->path, "mean", "a number per pixel", err);
    if (!t || !rn_st_is_f32(t, RN_MEAN_DIMS, dim))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': tensor " RN_MEAN_TENSOR
                       " is missing or not F32 [%zu,%zu,%zu]",
                       f->path, dim[0], dim[1], dim[2]);
    return rn_st_read(f, t, mean, err);
}

/* Whether "crop" is N or [H,W] of the network's input. */
static bool crop_fits(const json_t *crop, const struct rn_shape *input)
{
    int h, w;

    if (get_int(crop, &h))
        w = h;
    else if (json_array_size(crop) != 2 ||
             !get_int(json_array_get(crop, 0), &h) ||
             !get_int(json_array_get(crop, 1), &w))
        return false;
    return h == input->h && w == input->w;
}

static bool get_interpolation(const json_t *value, enum rn_interpolation *out)
{
    const char *name;

    for (int i = 0; (name = rn_interpolation_name((enum rn_interpolation)i));
         i++) {
        if (json_is_string(value) &&
            strcmp(name, json_string_value(value)) == 0) {
            *out = (enum rn_interpolation)i;
            return true;
        }
    }
    return false;
}

/* How a picture becomes an image of the input's size; all of it optional. */
static int read_resize(const char *path, struct rn_model *model,
                       const json_t *pre, struct rn_error *err)
{
    const json_t *resize = json_object_get(pre, "resize");
    const json_t *crop = json_object_get(pre, "crop");
    const json_t *how = json_object_get(pre, "interpolation");
    enum rn_interpolation interpolation = RN_BILINEAR;
    struct rn_error why = {0};
    int pixels = 0;

    if (resize && !json_is_null(resize) && !get_int(resize, &pixels))
        return fail_field(path, "resize", "a number of pixels", err);
    if (crop && !json_is_null(crop) && !crop_fits(crop, &model->spec.input))
        return fail_field(path, "crop", "the network's input size", err);
    if (how && !get_interpolation(how, &interpolation))
        return fail_field(path, "interpolation",
                          "\"bilinear\", \"bicubic\" or \"box\"", err);
    if (rn_model_set_resize(model, pixels, interpolation, &why))
        return rn_fail(err, RN_ERR_DATA, "'%s': %.300s", path, why.msg);
    return RN_OK;
}

/* The order of the network's channels: RGB unless the file says BGR. */
static int read_order(struct rn_model *model, const json_t *order,
                      struct rn_error *err)
{
    const char *text = json_string_value(order);

    if (!order)
        return RN_OK;
    if (!text || strcmp(text, RN_ORDER_BGR) != 0 ||
        rn_model_set_bgr(model, true, NULL))
        return rn_fail(err, RN_ERR_DATA,
                       "order of channels '%.20s' for a network of %d, "
                       "expected " RN_ORDER_BGR " for three",
                       text ? text : "none", model->spec.input.c);
    return RN_OK;
}

static int read_whitening_tensor(const struct rn_st_file *f,
                                 struct rn_model *model, float contrast,
                                 struct rn_error *err)
{
    const struct rn_st_tensor *t = rn_st_find(f, RN_WHITENING_TENSOR);
    size_t n = rn_shape_size(model->spec.input), count;
    float *triangle;
    int rc;

    if (n > RN_WHITENED_MOST)
        return rn_fail(err, RN_ERR_DATA,
                       "images of %zu numbers are whitened, expected at most "
                       "%d",
                       n, RN_WHITENED_MOST);
    count = rn_whitening_count(n);
    if (!t || !rn_st_is_f32(t, RN_WHITENING_DIMS, &count))
        return rn_fail(err, RN_ERR_DATA,
                       "tensor " RN_WHITENING_TENSOR
                       " is missing or not F32 [%zu]",
                       count);
    triangle = rn_alloc(count, sizeof(*triangle));
    if (!triangle)
        return rn_fail_memory(err, count * sizeof(*triangle), "the whitening");
    rc = rn_st_read(f, t, triangle, err);
    if (!rc)
        rc = rn_model_set_whitening(model, contrast, triangle, err);
    rn_free(triangle);
    return rc;
}

/* What is done to whole images; all of it optional. */
static int read_whitening(const struct holdings *h, struct rn_model *model,
                          const json_t *pre, struct rn_error *err)
{
    const json_t *contrast = json_object_get(pre, "contrast");
    const json_t *whitening = json_object_get(pre, "whitening");
    const char *text = json_string_value(whitening);
    float deviation = (float)json_number_value(contrast);

    if (contrast && !(json_is_number(contrast) && deviation > 0))
        return rn_fail(err, RN_ERR_DATA, "contrast is not a number above 0");
    if (!whitening)
        return rn_model_set_whitening(model, deviation, NULL, err);
    if (!text || strcmp(text, RN_WHITENING_ZCA) != 0 || !h->f)
        return rn_fail(err, RN_ERR_DATA,
                       "whitening '%.20s', expected " RN_WHITENING_ZCA
                       " and its tensor",
                       text ? text : "none");
    return read_whitening_tensor(h->f, model, deviation, err);
}

static int fill_preprocessing(const struct holdings *h, struct rn_model *model,
                              const json_t *pre, float *mean, float *std,
                              struct rn_error *err)
{
    const char *kind = json_string_value(json_object_get(pre, "kind"));
    const char *scale = json_string_value(json_object_get(pre, "scale"));
    size_t c = (size_t)model->spec.input.c;
    bool per_pixel = kind && strcmp(kind, "pixel") == 0;
    struct rn_error why = {0};

    if (!per_pixel && (!kind || strcmp(kind, "channel") != 0))
        return fail_field(h->path, "kind", "\"channel\" or \"pixel\"", err);
    if (!scale || strcmp(scale, RN_PIXEL_SCALE) != 0)
        return fail_field(h->path, "scale", "\"" RN_PIXEL_SCALE "\"", err);
    if (!get_floats(json_object_get(pre, "std"), std, c))
        return fail_field(h->path, "std", "a number per channel", err);
    if (per_pixel) {
        int rc =
            read_pixel_mean(h, model, json_object_get(pre, "mean"), mean, err);

        if (rc)
            return rc;
    } else if (!get_floats(json_object_get(pre, "mean"), mean, c)) {
        return fail_field(h->path, "mean", "a number per channel", err);
    }
    int rc = rn_model_set_preprocessing(model, per_pixel, mean, std, &why);
    if (!rc)
        rc = read_whitening(h, model, pre, &why);
    if (rc == RN_ERR_ARG)
        rc = RN_ERR_DATA;
    if (!rc)
        rc = read_order(model, json_object_get(pre, "order"), &why);
    return rc ? rn_fail(err, rc, "'%s': %.300s", h->path, why.msg)
              : read_resize(h->path, model, pre, err);
}

static int read_preprocessing(const struct holdings *h, struct rn_model *model,
                              const json_t *pre, struct rn_error *err)
{
    const struct rn_st_tensor *t =
        h->f ? rn_st_find(h->f, RN_MEAN_TENSOR) : NULL;
    size_t c = (size_t)model->spec.input.c;
    float *mean, *std;
    int rc;

    if (!pre || json_is_null(pre))
        return RN_OK;
    rc = check_keys(h->path, pre, "preprocessing",
                    "kind scale mean std order resize crop interpolation "
                    "contrast whitening",
                    err);
    if (rc)
        return rc;
    /* Room for the mean in the file, whose shape is checked before use. */
    size_t n_mean = t ? t->bytes / sizeof(*mean)
                      : json_array_size(json_object_get(pre, "mean"));
    if (n_mean < c)
        n_mean = c;
    mean = rn_alloc(n_mean, sizeof(*mean));
    std = rn_alloc(c, sizeof(*std));
    if (mean && std)
        rc = fill_preprocessing(h, model, pre, mean, std, err);
    else
        rc = rn_fail_memory(err, n_mean * sizeof(*mean), "a mean");
    rn_free(mean);
    rn_free(std);
    return rc;
}

/* `set` takes the texts of the list. */
static int read_classes(const char *path, struct rn_model *model,
                        const json_t *classes,
                        int (*set)(struct rn_model *, const char *const *,
                                   struct rn_error *),
                        struct rn_error *err)
{
    size_t count = (size_t)model->spec.classes;
    struct rn_error why = {0};

    if (!classes || json_is_null(classes))
        return RN_OK;
    if (!json_is_array(classes) || json_array_size(classes) != count)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': %zu class names for %zu classes", path,
                       json_array_size(classes), count);
    const char **names = rn_alloc(count, sizeof(*names));
    if (!names)
        return rn_fail_memory(err, count * sizeof(*names), "class names");
    for (size_t i = 0; i < count; i++)
        names[i] = json_string_value(json_array_get(classes, i));
    int rc = set(model, names, &why);
    if (rc)
        rc = rn_fail(err, rc == RN_ERR_ARG ? RN_ERR_DATA : rc, "'%s': %.300s",
                     path, why.msg);
    rn_free(names);
    return rc;
}

static int read_trained(const char *path, struct rn_model *model,
                        const json_t *trained, struct rn_error *err)
{
    if (!trained || json_is_null(trained))
        return RN_OK;
    if (!json_is_object(trained))
        return fail_field(path, "trained", "an object", err);
    return rn_json_text(&model->trained, trained, err);
}

/* -------------------------------------------------------------- whole */

/* The graph of a network of one of the families. */
static int build_family(struct rn_graph **out, struct rn_net_spec *spec,
                        const struct holdings *h, const json_t *root,
                        struct rn_error *err)
{
    struct rn_error why = {0};
    int rc = read_spec(h->path, root, spec, err);

    if (!rc)
        rc = check_plausible(h, spec, err);
    if (rc)
        return rc;
    rc = rn_net_build(out, spec, &why);
    if (rc)
        return rn_fail(err, rc == RN_ERR_ARG ? RN_ERR_DATA : rc, "'%s': %.300s",
                       h->path, why.msg);
    return RN_OK;
}

/* A graph told node by node. */
static int build_graph(struct rn_graph **out, struct rn_net_spec *spec,
                       const struct holdings *h, const json_t *net,
                       struct rn_error *err)
{
    const char *name = json_string_value(json_object_get(net, "name"));
    struct rn_error why = {0};
    struct rn_shape input;
    int classes, output;

    if (!name)
        return fail_field(h->path, "name", "the name of a network", err);
    if (!get_int(json_object_get(net, "output"), &output))
        return fail_field(h->path, "output", "a positive number", err);
    int rc = check_keys(h->path, net, "network",
                        "name family input classes output nodes", err);
    if (!rc)
        rc = read_sizes(h->path, net, &input, &classes, err);
    if (rc)
        return rc;
    rc = rn_graph_from_json(out, json_object_get(net, "nodes"), input, output,
                            numbers_of(h), &why);
    if (rc)
        return rn_fail(err, rc, "'%s': %.300s", h->path, why.msg);
    rn_net_of_graph(spec, name, *out);
    const struct rn_shape end = (*out)->nodes[output].shape;
    if (end.c == classes && end.h == 1 && end.w == 1)
        return RN_OK;
    rn_graph_destroy(*out);
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': the network ends in %dx%dx%d, expected a number for "
                   "each of %d classes",
                   h->path, end.c, end.h, end.w, classes);
}

/* A model of the described network, its parameters still zero. */
static int build(struct rn_model **out, const struct holdings *h,
                 const json_t *root, struct rn_error *err)
{
    const json_t *net = json_object_get(root, "network");
    const char *family = json_string_value(json_object_get(net, "family"));
    struct rn_net_spec spec;
    struct rn_graph *graph;
    int rc = family && strcmp(family, RN_FAMILY_GRAPH) == 0
                 ? build_graph(&graph, &spec, h, net, err)
                 : build_family(&graph, &spec, h, root, err);

    if (rc)
        return rc;
    *out = rn_model_wrap(&spec, graph);
    if (!*out) {
        rn_graph_destroy(graph);
        return rn_fail_memory(err, sizeof(**out), "a model");
    }
    (*out)->path = rn_strdup(h->path);
    return (*out)->path ? RN_OK
                        : rn_fail_memory(err, strlen(h->path), "a path");
}

/* What the network's output is; files that do not say tell it by their last
 * layers, which those of ours have none for. */
static int read_output(const char *path, struct rn_graph *g, const json_t *root,
                       struct rn_error *err)
{
    const json_t *kind = json_object_get(root, "output");
    const json_t *head = json_object_get(root, "head");

    if (!kind)
        return rn_head_tell(g, path, err);
    if (!rn_output_find(json_string_value(kind), &g->kind))
        return fail_field(path, "output", "what a network's output can be",
                          err);
    g->head = g->kind;
    if (head && (!rn_output_find(json_string_value(head), &g->head) ||
                 !rn_head_fits(g->kind, g->head)))
        return fail_field(path, "head", "what becomes of its output", err);
    return RN_OK;
}

/* What a description says beside the network. */
static int read_rest(const struct holdings *h, struct rn_model *model,
                     const json_t *root, struct rn_error *err)
{
    int rc = check_keys(h->path, root, "description",
                        "format network output head preprocessing classes "
                        "class_ids trained quantization",
                        err);

    if (!rc)
        rc = read_output(h->path, model->graph, root, err);
    if (!rc)
        rc = read_preprocessing(h, model,
                                json_object_get(root, "preprocessing"), err);
    if (!rc)
        rc = read_classes(h->path, model, json_object_get(root, "classes"),
                          rn_model_set_classes, err);
    if (!rc)
        rc = read_classes(h->path, model, json_object_get(root, "class_ids"),
                          rn_model_set_class_ids, err);
    if (!rc)
        rc =
            read_trained(h->path, model, json_object_get(root, "trained"), err);
    if (!rc)
        rc = rn_quantization_read(model, h->path,
                                  json_object_get(root, "quantization"), err);
    return rc;
}

int rn_model_read(struct rn_model **out, const struct rn_st_file *f,
                  const struct rn_extra *extras, size_t n_extras,
                  char **training, struct rn_error *err)
{
    struct holdings h = {f->path, f->count, f->data_bytes, false, f};
    struct rn_model *model = NULL;
    json_t *root = NULL;

    *out = NULL;
    if (training)
        *training = NULL;
    int rc = read_description(f, &root, err);
    h.quantized = is_quantized(root);
    if (!rc)
        rc = build(&model, &h, root, err);
    if (!rc)
        rc = rn_model_read_tensors(f, model->graph, is_quantized(root), extras,
                                   n_extras, err);
    if (!rc)
        rc = read_rest(&h, model, root, err);
    if (!rc && training)
        rc = rn_st_metadata(f, RN_KEY_TRAINING, training, err);
    json_decref(root);
    if (rc)
        rn_model_destroy(model);
    else
        *out = model;
    return rc;
}

int rn_model_from_text(struct rn_model **out, const char *path,
                       const char *text, size_t tensors, uint64_t bytes,
                       struct rn_error *err)
{
    const struct holdings h = {path, tensors, bytes, false, NULL};
    struct rn_model *model = NULL;
    json_t *root = NULL;

    *out = NULL;
    int rc = parse_description(path, text, &root, err);
    if (!rc)
        rc = build(&model, &h, root, err);
    if (!rc)
        rc = read_rest(&h, model, root, err);
    json_decref(root);
    if (rc)
        rn_model_destroy(model);
    else
        *out = model;
    return rc;
}

int rn_model_load_with(struct rn_model **out, const char *path,
                       const struct rn_extra *extras, size_t n_extras,
                       char **training, struct rn_error *err)
{
    struct rn_st_file f;

    *out = NULL;
    if (training)
        *training = NULL;
    int rc = rn_st_open(&f, path, err);
    if (rc)
        return rc;
    rc = rn_model_read(out, &f, extras, n_extras, training, err);
    rn_st_close(&f);
    return rc;
}
