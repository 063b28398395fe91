/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing a model: tensors in a safetensors container, everything else in one
 * JSON text under "resnet" in its metadata. */
#include "model/file.h"

#include "core/memory.h"
#include "graph/quantization.h"
#include "model/graph_json.h"
#include "nets/family.h"
#include "core/json.h"

#include <string.h>

void rn_pixel_mean_dim(const struct rn_model *model, size_t dim[RN_MEAN_DIMS])
{
    dim[0] = (size_t)model->spec.input.c;
    dim[1] = (size_t)model->spec.input.h;
    dim[2] = (size_t)model->spec.input.w;
}

/* A network of no family is told node by node. */
static json_t *graph_network_json(const struct rn_model *model)
{
    const struct rn_net_spec *spec = &model->spec;

    return json_pack("{s:s, s:s, s:[i,i,i], s:i, s:i, s:o}", "name", spec->name,
                     "family", RN_FAMILY_GRAPH, "input", spec->input.c,
                     spec->input.h, spec->input.w, "classes", spec->classes,
                     "output", model->graph->output, "nodes",
                     rn_graph_json(model->graph));
}

/* One of a family is told by its name and what the family has beside it. */
static json_t *network_json(const struct rn_model *model)
{
    const struct rn_net_spec *spec = &model->spec;

    if (!spec->family)
        return graph_network_json(model);
    json_t *net = json_pack("{s:s, s:s, s:i}", "name", spec->name, "family",
                            spec->family->name, "depth", spec->depth);
    json_t *sizes =
        json_pack("{s:[i,i,i], s:i}", "input", spec->input.c, spec->input.h,
                  spec->input.w, "classes", spec->classes);
    int failed =
        spec->aux ? json_object_set_new(net, RN_KEY_AUX, json_true()) : 0;
    for (const struct rn_net_attribute *a = spec->family->attributes; a->key;
         a++)
        failed |= json_object_set_new(net, a->key, a->put(spec));
    failed |= json_object_update(net, sizes);
    json_decref(sizes);
    if (!failed)
        return net;
    json_decref(net);
    return NULL;
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

/* Adds how a picture becomes an image of the input's size. */
static int add_resize(json_t *object, const struct rn_model *model)
{
    const struct rn_preprocessing *pre = &model->preprocessing;

    if (!pre->resize)
        return 0;
    json_t *resize =
        json_pack("{s:i, s:[i,i], s:s}", "resize", pre->resize, "crop",
                  model->spec.input.h, model->spec.input.w, "interpolation",
                  rn_interpolation_name(pre->interpolation));
    int failed = json_object_update(object, resize);
    json_decref(resize);
    return failed;
}

/* Adds what is done to whole images; a whitening is a tensor. */
static int add_whitening(json_t *object, const struct rn_preprocessing *pre)
{
    int failed = 0;

    if (pre->contrast > 0)
        failed |= json_object_set_new(object, "contrast",
                                      json_real((double)pre->contrast));
    if (pre->whitening)
        failed |= json_object_set_new(object, "whitening",
                                      json_string(RN_WHITENING_ZCA));
    return failed;
}

/* A mean of every pixel is left to a tensor, or stands here, too. A whitening
 * is too long to: without a tensor for it nothing is said, for half of what is
 * done to images would be wrong. */
static json_t *preprocessing_json(const struct rn_model *model, bool whole)
{
    const struct rn_preprocessing *pre = &model->preprocessing;
    int c = model->spec.input.c;

    if (!pre->mean || (whole && pre->whitening))
        return json_null();
    json_t *object = json_pack("{s:s, s:s, s:o}", "kind",
                               pre->per_pixel ? "pixel" : "channel", "scale",
                               RN_PIXEL_SCALE, "std", floats_json(pre->std, c));
    if (pre->bgr &&
        json_object_set_new(object, "order", json_string(RN_ORDER_BGR)) != 0) {
        json_decref(object);
        return NULL;
    }
    int count =
        pre->per_pixel ? c * model->spec.input.h * model->spec.input.w : c;
    if (add_resize(object, model) == 0 && add_whitening(object, pre) == 0 &&
        ((pre->per_pixel && !whole) ||
         json_object_set_new(object, "mean", floats_json(pre->mean, count)) ==
             0))
        return object;
    json_decref(object);
    return NULL;
}

static json_t *classes_json(const struct rn_model *model, char *const *texts)
{
    size_t count = (size_t)model->spec.classes;

    if (!texts)
        return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(texts[i]));
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

/* NULL in *out where there is nothing to say. Files of others, which want the
 * whole description, say it in their own way. */
static int quantization_json(json_t **out, const struct rn_model *model,
                             bool whole, const char *path, struct rn_error *err)
{
    *out = NULL;
    if (whole || !rn_graph_is_quantized(model->graph))
        return RN_OK;
    *out = rn_quantization_json(model);
    return *out ? RN_OK
                : rn_fail(err, RN_ERR_ARG,
                          "cannot write '%s': two quantised layers have one "
                          "name, or memory is too short",
                          path);
}

int rn_model_text(char **out, const struct rn_model *model, bool whole,
                  const char *path, struct rn_error *err)
{
    json_t *trained, *quantization;
    int rc = quantization_json(&quantization, model, whole, path, err);

    if (rc)
        return rc;
    rc = trained_json(&trained, model, path, err);
    if (rc) {
        json_decref(quantization);
        return rc;
    }
    /* json_pack() is NULL when a part is. */
    json_t *root =
        json_pack("{s:i, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o*}", "format",
                  RN_MODEL_FORMAT, "network", network_json(model), "output",
                  rn_output_name(model->graph->kind), "head",
                  rn_output_name(model->graph->head), "preprocessing",
                  preprocessing_json(model, whole), "classes",
                  classes_json(model, model->class_names), "class_ids",
                  classes_json(model, model->class_ids), "trained", trained,
                  "quantization", quantization);
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
    int rc = rn_model_text(&text, model, false, path, err);

    if (rc)
        return rc;
    json_t *metadata =
        json_pack("{s:s, s:s*}", RN_KEY_MODEL, text, RN_KEY_TRAINING, training);
    if (metadata)
        rc = rn_json_text(out, metadata, err);
    else
        rc = rn_fail(err, RN_ERR_ARG,
                     "cannot write '%s': its metadata are not UTF-8", path);
    json_decref(metadata);
    rn_free(text);
    return rc;
}

/** What a model file holds: tensors, and memory for those made for it. */
struct tensors {
    struct rn_st_out *list;
    size_t count;
    struct rn_slab made;
    size_t mean_dim[RN_MEAN_DIMS], whitening_dim;
};

static void add(struct tensors *t, struct rn_st_out tensor)
{
    t->list[t->count++] = tensor;
}

/* Weights in 8 bits and their scales; false when memory is short. */
static bool add_quantized(struct tensors *t, const struct rn_param *p)
{
    int8_t *numbers = rn_slab_alloc(&t->made, p->count, sizeof(*numbers));
    char *name = rn_slab_alloc(&t->made, 1, RN_SCALES_NAME);

    if (!numbers || !name)
        return false;
    rn_quant_numbers(p, numbers);
    rn_scales_name(name, p->name);
    add(t, (struct rn_st_out){p->name, p->dims, p->dim, numbers, RN_I8});
    add(t, (struct rn_st_out){name, 1, p->dim, p->scales, RN_F32});
    return true;
}

static bool add_params(struct tensors *t, const struct rn_model *model)
{
    for (size_t i = 0; i < model->graph->n_params; i++) {
        const struct rn_param *p = &model->graph->params[i];

        if (!p->scales)
            add(t,
                (struct rn_st_out){p->name, p->dims, p->dim, p->data, RN_F32});
        else if (!add_quantized(t, p))
            return false;
    }
    return true;
}

/* Fills the list; false when memory is short. */
static bool list_tensors(struct tensors *t, const struct rn_model *model,
                         const struct rn_extra *extras, size_t n_extras)
{
    const struct rn_preprocessing *pre = &model->preprocessing;

    rn_pixel_mean_dim(model, t->mean_dim);
    t->list =
        rn_alloc(2 * model->graph->n_params + 2 + n_extras, sizeof(*t->list));
    if (!t->list || !add_params(t, model))
        return false;
    if (pre->mean && pre->per_pixel)
        add(t, (struct rn_st_out){RN_MEAN_TENSOR, RN_MEAN_DIMS, t->mean_dim,
                                  pre->mean, RN_F32});
    t->whitening_dim = rn_whitening_count(rn_shape_size(model->spec.input));
    if (pre->whitening)
        add(t, (struct rn_st_out){RN_WHITENING_TENSOR, RN_WHITENING_DIMS,
                                  &t->whitening_dim, pre->whitening, RN_F32});
    for (size_t i = 0; i < n_extras; i++) {
        const struct rn_extra *e = &extras[i];

        add(t, (struct rn_st_out){e->name, e->dims, e->dim, e->data, RN_F32});
    }
    return true;
}

int rn_model_save_with(const struct rn_model *model, const char *path,
                       const struct rn_extra *extras, size_t n_extras,
                       const char *training, struct rn_error *err)
{
    struct tensors t = {.list = NULL};
    char *metadata;
    int rc = metadata_text(&metadata, model, training, path, err);

    if (rc)
        return rc;
    if (list_tensors(&t, model, extras, n_extras))
        rc = rn_st_write(path, t.list, t.count, metadata, err);
    else
        rc = rn_fail(err, RN_ERR_MEMORY,
                     "memory is too short for a list of tensors");
    rn_free(t.list);
    rn_slab_free(&t.made);
    rn_free(metadata);
    return rc;
}

int rn_model_save(const struct rn_model *model, const char *path,
                  struct rn_error *err)
{
    return rn_model_save_with(model, path, NULL, 0, NULL, err);
}
