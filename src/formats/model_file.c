/* SPDX-License-Identifier: BSD-2-Clause */
/* The model file: tensors in a safetensors container, everything else in one
 * JSON text under "resnet" in its metadata. */
#include "formats/model.h"

#include "core/memory.h"
#include "formats/json.h"

#include <stdarg.h>
#include <string.h>

#define FORMAT       1
#define KEY_MODEL    "resnet"
#define KEY_TRAINING "training"
#define MEAN_TENSOR  "preprocessing.mean"
#define SCALE        "1/255"
#define MEAN_DIMS    3

/* ------------------------------------------------------------ writing */

static const char *stride_name(bool v1)
{
    return v1 ? "v1" : "v1.5";
}

static json_t *network_json(const struct rn_net_spec *spec)
{
    const char shortcut[2] = {spec->shortcut, '\0'};
    return json_pack("{s:s, s:s, s:i, s:b, s:s, s:s, s:[i,i,i], s:i}", "name",
                     spec->name, "family", spec->family, "depth", spec->depth,
                     "plain", (int)spec->plain, "shortcut", shortcut, "stride",
                     stride_name(spec->stride_v1), "input", spec->input.c,
                     spec->input.h, spec->input.w, "classes", spec->classes);
}

static json_t *floats_json(const float *values, int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_real((double)values[i]));
    if (json_array_size(list) == (size_t)count)
        return list;
    json_decref(list);
    return NULL;
}

/* A mean of every pixel is too long for JSON and becomes a tensor. */
static json_t *preprocessing_json(const struct rn_model *model)
{
    const struct rn_preprocessing *pre = &model->preprocessing;
    int c = model->spec.input.c;
    if (!pre->mean)
        return json_null();
    json_t *object = json_pack("{s:s, s:s, s:o}", "kind",
                               pre->per_pixel ? "pixel" : "channel", "scale",
                               SCALE, "std", floats_json(pre->std, c));
    if (pre->per_pixel ||
        json_object_set_new(object, "mean", floats_json(pre->mean, c)) == 0)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *classes_json(const struct rn_model *model)
{
    size_t count = (size_t)model->spec.classes;
    if (!model->class_names)
        return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(model->class_names[i]));
    if (json_array_size(list) == count)
        return list;
    json_decref(list);
    return NULL;
}

static int trained_json(json_t **out, const struct rn_model *model,
                        const char *path, struct rn_error *err)
{
    *out = json_null();
    if (!model->trained)
        return RN_OK;
    int rc = rn_json_parse(out, model->trained, strlen(model->trained), path,
                           "the text on how it was trained", err);
    if (rc || json_is_object(*out))
        return rc;
    json_decref(*out);
    return rn_fail(err, RN_ERR_ARG,
                   "'%s': the text on how it was trained is not an object",
                   path);
}

static int resnet_text(char **out, const struct rn_model *model,
                       const char *path, struct rn_error *err)
{
    json_t *trained;
    int rc = trained_json(&trained, model, path, err);
    if (rc)
        return rc;
    /* json_pack() is NULL when a part is. */
    json_t *root = json_pack(
        "{s:i, s:o, s:o, s:o, s:o}", "format", FORMAT, "network",
        network_json(&model->spec), "preprocessing", preprocessing_json(model),
        "classes", classes_json(model), "trained", trained);
    if (root)
        rc = rn_json_text(out, root, err);
    else
        rc = rn_fail(err, RN_ERR_MEMORY,
                     "memory is too short for a model's description");
    json_decref(root);
    return rc;
}

static int metadata_text(char **out, const struct rn_model *model,
                         const char *training, const char *path,
                         struct rn_error *err)
{
    char *text;
    int rc = resnet_text(&text, model, path, err);
    if (rc)
        return rc;
    json_t *metadata =
        json_pack("{s:s, s:s*}", KEY_MODEL, text, KEY_TRAINING, training);
    if (metadata)
        rc = rn_json_text(out, metadata, err);
    else
        rc = rn_fail(err, RN_ERR_ARG,
                     "cannot write '%s': its metadata are not UTF-8", path);
    json_decref(metadata);
    rn_free(text);
    return rc;
}

static void pixel_mean_dim(const struct rn_model *model, size_t dim[MEAN_DIMS])
{
    dim[0] = (size_t)model->spec.input.c;
    dim[1] = (size_t)model->spec.input.h;
    dim[2] = (size_t)model->spec.input.w;
}

/* Fills list, which has room for all; returns their number. */
static size_t list_tensors(struct rn_st_out *list, const struct rn_model *model,
                           const struct rn_extra *extras, size_t n_extras,
                           const size_t mean_dim[MEAN_DIMS])
{
    const struct rn_preprocessing *pre = &model->preprocessing;
    size_t n = 0;
    for (size_t i = 0; i < model->graph->n_params; i++) {
        const struct rn_param *p = &model->graph->params[i];
        list[n++] = (struct rn_st_out){p->name, p->dims, p->dim, p->data};
    }
    if (pre->mean && pre->per_pixel)
        list[n++] =
            (struct rn_st_out){MEAN_TENSOR, MEAN_DIMS, mean_dim, pre->mean};
    for (size_t i = 0; i < n_extras; i++) {
        const struct rn_extra *e = &extras[i];
        list[n++] = (struct rn_st_out){e->name, e->dims, e->dim, e->data};
    }
    return n;
}

int rn_model_save_with(const struct rn_model *model, const char *path,
                       const struct rn_extra *extras, size_t n_extras,
                       const char *training, struct rn_error *err)
{
    size_t room = model->graph->n_params + 1 + n_extras;
    size_t mean_dim[MEAN_DIMS];
    char *metadata;
    int rc = metadata_text(&metadata, model, training, path, err);
    if (rc)
        return rc;
    pixel_mean_dim(model, mean_dim);
    struct rn_st_out *list = rn_alloc(room, sizeof(*list));
    if (list)
        rc = rn_st_write(path, list,
                         list_tensors(list, model, extras, n_extras, mean_dim),
                         metadata, err);
    else
        rc = rn_fail_memory(err, room * sizeof(*list), "a list of tensors");
    rn_free(list);
    rn_free(metadata);
    return rc;
}

int rn_model_save(const struct rn_model *model, const char *path,
                  struct rn_error *err)
{
    return rn_model_save_with(model, path, NULL, 0, NULL, err);
}

/* ---------------------------------------------- reading: description */

static int fail_field(const char *path, const char *field, const char *expected,
                      struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': \"%s\" in the model's description is missing or not "
                   "%s",
                   path, field, expected);
}

static bool get_int(const json_t *value, int *out)
{
    json_int_t v = json_integer_value(value);
    if (!json_is_integer(value) || v < 1 || v > INT32_MAX)
        return false;
    *out = (int)v;
    return true;
}

/* The text `key` of the safetensors metadata; NULL in *out without it. */
static int metadata_string(const struct rn_st_file *f, const char *key,
                           char **out, struct rn_error *err)
{
    json_t *metadata;
    *out = NULL;
    if (!f->metadata)
        return RN_OK;
    int rc = rn_json_parse(&metadata, f->metadata, strlen(f->metadata), f->path,
                           "the metadata", err);
    if (rc)
        return rc;
    const char *text = json_string_value(json_object_get(metadata, key));
    *out = rn_strdup(text);
    if (text && !*out)
        rc = rn_fail_memory(err, strlen(text), "a model's description");
    json_decref(metadata);
    return rc;
}

/* The parsed "resnet" text. */
static int read_description(const struct rn_st_file *f, json_t **out,
                            struct rn_error *err)
{
    char *text;
    int rc = metadata_string(f, KEY_MODEL, &text, err);
    if (rc)
        return rc;
    if (!text)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': a safetensors file, but not a model of this "
                       "program: its metadata have no \"" KEY_MODEL "\"",
                       f->path);
    rc = rn_json_parse(out, text, strlen(text), f->path,
                       "the model's description", err);
    rn_free(text);
    if (rc)
        return rc;
    const json_t *format = json_object_get(*out, "format");
    if (!json_is_integer(format))
        rc = fail_field(f->path, "format", "a number", err);
    else if (json_integer_value(format) != FORMAT)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s': model format %lld, this program knows format %d",
                     f->path, (long long)json_integer_value(format), FORMAT);
    if (rc) {
        json_decref(*out);
        *out = NULL;
    }
    return rc;
}

static int read_options(const char *path, const json_t *net,
                        struct rn_net_options *o, struct rn_error *err)
{
    const json_t *input = json_object_get(net, "input");
    const char *shortcut = json_string_value(json_object_get(net, "shortcut"));
    const char *stride = json_string_value(json_object_get(net, "stride"));
    rn_net_defaults(o);
    if (json_array_size(input) != 3 ||
        !get_int(json_array_get(input, 0), &o->channels) ||
        !get_int(json_array_get(input, 1), &o->height) ||
        !get_int(json_array_get(input, 2), &o->width))
        return fail_field(path, "input", "[channels,height,width]", err);
    if (!get_int(json_object_get(net, "classes"), &o->classes))
        return fail_field(path, "classes", "a positive number", err);
    if (!shortcut || strlen(shortcut) != 1)
        return fail_field(path, "shortcut", "one letter", err);
    if (!stride || (strcmp(stride, stride_name(true)) != 0 &&
                    strcmp(stride, stride_name(false)) != 0))
        return fail_field(path, "stride", "\"v1\" or \"v1.5\"", err);
    o->shortcut = shortcut[0];
    o->stride_v1 = strcmp(stride, stride_name(true)) == 0;
    return RN_OK;
}

/* What the name stands for must be what the file says it is. */
static int check_meaning(const char *path, const json_t *net,
                         const struct rn_net_spec *spec, struct rn_error *err)
{
    const char *family = json_string_value(json_object_get(net, "family"));
    const json_t *plain = json_object_get(net, "plain");
    int depth;
    if (!family || strcmp(family, spec->family) != 0)
        return fail_field(path, "family", "the family of its name", err);
    if (!get_int(json_object_get(net, "depth"), &depth) || depth != spec->depth)
        return fail_field(path, "depth", "the depth of its name", err);
    if (!json_is_boolean(plain) || json_is_true(plain) != spec->plain)
        return fail_field(path, "plain", "as its name says", err);
    return RN_OK;
}

static int read_spec(const char *path, const json_t *root,
                     struct rn_net_spec *spec, struct rn_error *err)
{
    const json_t *net = json_object_get(root, "network");
    const char *name = json_string_value(json_object_get(net, "name"));
    struct rn_net_options options;
    struct rn_error why = {0};
    if (!name)
        return fail_field(path, "name", "the name of a network", err);
    int rc = read_options(path, net, &options, err);
    if (rc)
        return rc;
    if (rn_net_resolve(spec, name, &options, &why))
        return rn_fail(err, RN_ERR_DATA, "'%s': %.300s", path, why.msg);
    return check_meaning(path, net, spec, err);
}

/* ------------------------------------------------- reading: tensors */

#define LISTED 3 /* names of a kind in a message */

/* Names of one kind of fault, gathered for the message. */
struct faults {
    size_t count;
    char text[180];
};

__attribute__((format(printf, 2, 3))) static void
add_fault(struct faults *faults, const char *format, ...)
{
    size_t used = strlen(faults->text);
    va_list args;
    if (faults->count++ >= LISTED)
        return;
    if (used > 0)
        used += (size_t)snprintf(faults->text + used,
                                 sizeof(faults->text) - used, ", ");
    if (used >= sizeof(faults->text))
        return;
    va_start(args, format);
    vsnprintf(faults->text + used, sizeof(faults->text) - used, format, args);
    va_end(args);
}

static void finish_faults(struct faults *faults, const char *kind, char *buf,
                          size_t size)
{
    size_t used = strlen(buf);
    if (faults->count == 0 || used >= size)
        return;
    used +=
        (size_t)snprintf(buf + used, size - used, "%s%zu %s (%s",
                         used ? "; " : "", faults->count, kind, faults->text);
    if (used < size && faults->count > LISTED)
        used += (size_t)snprintf(buf + used, size - used, " and %zu more",
                                 faults->count - LISTED);
    if (used < size)
        snprintf(buf + used, size - used, ")");
}

/* What a file holds against what is asked of it. */
struct matcher {
    const struct rn_st_file *f;
    bool *claimed; /* of f->tensors */
    struct faults missing, misshapen, unexpected;
};

/* The tensor of that name and shape, or NULL with a fault noted. */
static const struct rn_st_tensor *claim(struct matcher *m, const char *name,
                                        int dims, const size_t *dim)
{
    const struct rn_st_tensor *t = rn_st_find(m->f, name);
    struct rn_st_tensor wanted = {.dtype = "F32", .dims = dims};
    char found_text[64], wanted_text[64];
    if (!t) {
        add_fault(&m->missing, "%.50s", name);
        return NULL;
    }
    m->claimed[t - m->f->tensors] = true;
    if (rn_st_is_f32(t, dims, dim))
        return t;
    for (int i = 0; i < dims; i++)
        wanted.dim[i] = dim[i];
    add_fault(&m->misshapen, "%.50s is %s, expected %s", name,
              rn_st_shape_text(t, found_text, sizeof(found_text)),
              rn_st_shape_text(&wanted, wanted_text, sizeof(wanted_text)));
    return NULL;
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool has_suffix(const char *text, const char *suffix)
{
    size_t n = strlen(text), k = strlen(suffix);
    return n >= k && strcmp(text + n - k, suffix) == 0;
}

/* What a model does without: training state, and PyTorch's counters. */
static bool may_be_ignored(const char *name)
{
    return has_prefix(name, "optimizer.") ||
           has_prefix(name, "preprocessing.") ||
           has_suffix(name, ".num_batches_tracked");
}

static int report_faults(struct matcher *m, struct rn_error *err)
{
    char text[440] = "";
    if (m->missing.count + m->misshapen.count + m->unexpected.count == 0)
        return RN_OK;
    finish_faults(&m->missing, "missing", text, sizeof(text));
    finish_faults(&m->misshapen, "of another type or shape", text,
                  sizeof(text));
    finish_faults(&m->unexpected, "unexpected", text, sizeof(text));
    return rn_fail(err, RN_ERR_DATA, "'%s': tensors do not fit: %s", m->f->path,
                   text);
}

static int read_claimed(struct matcher *m, const char *name, int dims,
                        const size_t *dim, float *data, struct rn_error *err)
{
    const struct rn_st_tensor *t = claim(m, name, dims, dim);
    return t ? rn_st_read(m->f, t, data, err) : RN_OK;
}

static int match_tensors(struct matcher *m, struct rn_graph *g,
                         const struct rn_extra *extras, size_t n_extras,
                         struct rn_error *err)
{
    int rc = RN_OK;
    for (size_t i = 0; i < g->n_params && !rc; i++) {
        struct rn_param *p = &g->params[i];
        rc = read_claimed(m, p->name, p->dims, p->dim, p->data, err);
    }
    for (size_t i = 0; i < n_extras && !rc; i++) {
        const struct rn_extra *e = &extras[i];
        rc = read_claimed(m, e->name, e->dims, e->dim, e->data, err);
    }
    if (rc)
        return rc;
    for (size_t i = 0; i < m->f->count; i++)
        if (!m->claimed[i] && !may_be_ignored(m->f->tensors[i].name))
            add_fault(&m->unexpected, "%.50s", m->f->tensors[i].name);
    return report_faults(m, err);
}

static int read_tensors(const struct rn_st_file *f, struct rn_graph *g,
                        const struct rn_extra *extras, size_t n_extras,
                        struct rn_error *err)
{
    struct matcher m = {.f = f, .claimed = rn_alloc(f->count, sizeof(bool))};
    if (!m.claimed)
        return rn_fail_memory(err, f->count, "a list of tensors");
    int rc = match_tensors(&m, g, extras, n_extras, err);
    rn_free(m.claimed);
    return rc;
}

/* A description costs nothing to make up; the network it asks for is only
 * built when the file is about as large. One tensor per layer, none of a
 * convolution smaller than 3 x 3 from 16 to 16 channels in the networks
 * whose depth is free, 64 numbers per class, 3 x 3 x 16 per input channel:
 * what is then allocated is at most a few hundred megabytes, or some
 * thirty times the file. */
static int check_plausible(const struct rn_st_file *f,
                           const struct rn_net_spec *spec, struct rn_error *err)
{
    const uint64_t layer = 3 * 3 * 16 * 16, class = 64, channel = 3 * 3 * 16;
    uint64_t depth = (uint64_t)spec->depth;
    uint64_t floats =
        class * (uint64_t)spec->classes + channel * (uint64_t)spec->input.c;
    if (strcmp(spec->family, "cifar") == 0)
        floats += layer * (depth - 2);
    if (f->count >= depth && f->data_bytes / sizeof(float) >= floats)
        return RN_OK;
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': %zu tensors of %llu bytes cannot be a %s for %d "
                   "classes and %d input channels",
                   f->path, f->count, (unsigned long long)f->data_bytes,
                   spec->name, spec->classes, spec->input.c);
}

/* ------------------------------------- reading: what else is in there */

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

static int read_pixel_mean(const struct rn_st_file *f,
                           const struct rn_model *model, float *mean,
                           struct rn_error *err)
{
    const struct rn_st_tensor *t = rn_st_find(f, MEAN_TENSOR);
    size_t dim[MEAN_DIMS];
    pixel_mean_dim(model, dim);
    if (!t || !rn_st_is_f32(t, MEAN_DIMS, dim))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': tensor " MEAN_TENSOR
                       " is missing or not F32 [%zu,%zu,%zu]",
                       f->path, dim[0], dim[1], dim[2]);
    return rn_st_read(f, t, mean, err);
}

static int fill_preprocessing(const struct rn_st_file *f,
                              struct rn_model *model, const json_t *pre,
                              float *mean, float *std, struct rn_error *err)
{
    const char *kind = json_string_value(json_object_get(pre, "kind"));
    const char *scale = json_string_value(json_object_get(pre, "scale"));
    size_t c = (size_t)model->spec.input.c;
    bool per_pixel = kind && strcmp(kind, "pixel") == 0;
    struct rn_error why = {0};
    if (!per_pixel && (!kind || strcmp(kind, "channel") != 0))
        return fail_field(f->path, "kind", "\"channel\" or \"pixel\"", err);
    if (!scale || strcmp(scale, SCALE) != 0)
        return fail_field(f->path, "scale", "\"" SCALE "\"", err);
    if (!get_floats(json_object_get(pre, "std"), std, c))
        return fail_field(f->path, "std", "a number per channel", err);
    if (per_pixel) {
        int rc = read_pixel_mean(f, model, mean, err);
        if (rc)
            return rc;
    } else if (!get_floats(json_object_get(pre, "mean"), mean, c)) {
        return fail_field(f->path, "mean", "a number per channel", err);
    }
    int rc = rn_model_set_preprocessing(model, per_pixel, mean, std, &why);
    if (rc == RN_ERR_ARG)
        rc = RN_ERR_DATA;
    return rc ? rn_fail(err, rc, "'%s': %.300s", f->path, why.msg) : RN_OK;
}

static int read_preprocessing(const struct rn_st_file *f,
                              struct rn_model *model, const json_t *pre,
                              struct rn_error *err)
{
    const struct rn_st_tensor *t = rn_st_find(f, MEAN_TENSOR);
    size_t c = (size_t)model->spec.input.c;
    float *mean, *std;
    int rc;
    if (!pre || json_is_null(pre))
        return RN_OK;
    /* Room for the mean in the file, whose shape is checked before use. */
    size_t n_mean = t ? t->bytes / sizeof(*mean) : 0;
    if (n_mean < c)
        n_mean = c;
    mean = rn_alloc(n_mean, sizeof(*mean));
    std = rn_alloc(c, sizeof(*std));
    if (mean && std)
        rc = fill_preprocessing(f, model, pre, mean, std, err);
    else
        rc = rn_fail_memory(err, n_mean * sizeof(*mean), "a mean");
    rn_free(mean);
    rn_free(std);
    return rc;
}

static int read_classes(const char *path, struct rn_model *model,
                        const json_t *classes, struct rn_error *err)
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
    int rc = rn_model_set_classes(model, names, &why);
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

/* ----------------------------------------------------------- reading */

/* A model of the described network, its parameters still zero. */
static int build(struct rn_model **out, const struct rn_st_file *f,
                 const json_t *root, struct rn_error *err)
{
    struct rn_net_spec spec;
    struct rn_graph *graph;
    struct rn_error why = {0};
    int rc = read_spec(f->path, root, &spec, err);
    if (!rc)
        rc = check_plausible(f, &spec, err);
    if (rc)
        return rc;
    rc = rn_net_build(&graph, &spec, &why);
    if (rc)
        return rn_fail(err, rc == RN_ERR_ARG ? RN_ERR_DATA : rc, "'%s': %.300s",
                       f->path, why.msg);
    *out = rn_model_wrap(&spec, graph);
    if (*out)
        return RN_OK;
    rn_graph_destroy(graph);
    return rn_fail_memory(err, sizeof(**out), "a model");
}

int rn_model_read(struct rn_model **out, const struct rn_st_file *f,
                  const struct rn_extra *extras, size_t n_extras,
                  char **training, struct rn_error *err)
{
    struct rn_model *model = NULL;
    json_t *root = NULL;
    *out = NULL;
    if (training)
        *training = NULL;
    int rc = read_description(f, &root, err);
    if (!rc)
        rc = build(&model, f, root, err);
    if (!rc)
        rc = read_tensors(f, model->graph, extras, n_extras, err);
    if (!rc)
        rc = read_preprocessing(f, model,
                                json_object_get(root, "preprocessing"), err);
    if (!rc)
        rc =
            read_classes(f->path, model, json_object_get(root, "classes"), err);
    if (!rc)
        rc =
            read_trained(f->path, model, json_object_get(root, "trained"), err);
    if (!rc && training)
        rc = metadata_string(f, KEY_TRAINING, training, err);
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

int rn_model_load(struct rn_model **out, const char *path, struct rn_error *err)
{
    return rn_model_load_with(out, path, NULL, 0, NULL, err);
}
