/* SPDX-License-Identifier: BSD-2-Clause */
/* Models from Caffe's files: the network, and how its pictures are prepared. */
#include "formats/caffe/caffe.h"

#include "core/count.h"
#include "core/faults.h"
#include "core/locale.h"
#include "core/file.h"
#include "core/memory.h"
#include "formats/apart.h"
#include "formats/import.h"
#include "formats/import_graph.h"
#include "model/presets.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NET_END     ".prototxt"
#define WEIGHTS_END ".caffemodel"
#define PRESET      "caffe"
/* Largest file of a mean: of 4096 x 4096 pixels as doubles. */
#define MEAN_LIMIT   ((size_t)3 * 4096 * 4096 * 8 + 1024)
#define RESIZED_FROM 256 /* to cut 224 out of */
#define CUT          224
#define IMAGENET     1000 /* classes */

/* An import under way. */
struct caffe_model {
    const struct rn_import_options *options;
    struct rn_apart paths;
    struct rn_prototxt net;
    struct rn_caffe_weights weights;
    struct rn_model *model;
    /* Pixels of 0..255 less the mean are multiplied with `scale`. */
    float scale;
    size_t means;
    float mean[3];
    struct rn_pb mean_file;
    bool whole; /* pictures are not cut */
};

/* A name and ':' or '{'. */
bool rn_caffe_is(const char *path, const uint8_t *bytes, size_t size)
{
    const uint8_t *at = rn_text_start(bytes, size), *end = bytes + size;

    if (rn_ends_with(path, WEIGHTS_END) || rn_ends_with(path, NET_END))
        return true;
    if (!at || *at < 'a' || *at > 'z')
        return false;
    while (at < end && ((*at >= 'a' && *at <= 'z') || *at == '_'))
        at++;
    while (at < end && *at == ' ')
        at++;
    return at < end && (*at == ':' || *at == '{');
}

/* ----------------------------------------------------------- preprocessing */

static int read_numbers(struct caffe_model *m,
                        const struct rn_prototxt_field *param,
                        struct rn_error *err)
{
    const struct rn_prototxt_field *f =
        rn_prototxt_last(&m->net, param, "scale");
    double value = 1;

    if (f && (!rn_prototxt_number(f, &value) || !(value > 0)))
        return rn_fail(err, RN_ERR_DATA, "'%s': a scale of '%.*s'", m->net.path,
                       RN_PB_SHOW(f->value));
    m->scale = (float)value;
    f = NULL;
    while ((f = rn_prototxt_next(&m->net, param, "mean_value", f))) {
        if (m->means == 3 || !rn_prototxt_number(f, &value))
            return rn_fail(err, RN_ERR_DATA, "'%s': mean_value '%.*s'%s",
                           m->net.path, RN_PB_SHOW(f->value),
                           m->means == 3 ? " after three others" : "");
        m->mean[m->means++] = (float)value;
    }
    f = rn_prototxt_last(&m->net, param, "mean_file");
    if (f)
        m->mean_file = f->value;
    return RN_OK;
}

/* What the layer that reads pictures does to them; of old it stands with where
 * they are. */
static int read_transform(struct caffe_model *m, struct rn_error *err)
{
    static const char *const params[] = {"transform_param", "data_param",
                                         "image_data_param"};
    const struct rn_prototxt_field *layer = NULL, *param = NULL;

    m->scale = 1;
    while (!param && (layer = rn_caffe_next_layer(&m->net, layer)))
        for (size_t i = 0; !param && i < COUNT(params); i++)
            param = rn_prototxt_last(&m->net, layer, params[i]);
    if (!param)
        return RN_OK;
    m->whole = !rn_prototxt_last(&m->net, param, "crop_size");
    return read_numbers(m, param, err);
}

/* Pixels [c][h][w] of a mean become those of the network's input, cut from the
 * centre as Caffe does. */
static void cut_mean(const float *from, const uint64_t *size,
                     const struct rn_shape *s, float *to)
{
    size_t top = ((size_t)size[1] - (size_t)s->h) / 2;
    size_t left = ((size_t)size[2] - (size_t)s->w) / 2;

    for (size_t c = 0; c < (size_t)s->c; c++)
        for (size_t y = 0; y < (size_t)s->h; y++)
            for (size_t x = 0; x < (size_t)s->w; x++)
                *to++ =
                    from[(c * size[1] + top + y) * size[2] + left + x] / 255;
}

static int set_mean_image(struct caffe_model *m, const struct rn_caffe_blob *b,
                          const char *path, struct rn_error *err)
{
    const struct rn_shape *s = &m->model->spec.input;
    const uint64_t *size = b->dim + (b->dims > 3);
    size_t pixels = rn_shape_size(*s);
    char text[100];

    if (b->dims < 3 || b->dims > 4 || (b->dims == 4 && b->dim[0] != 1) ||
        size[0] != (uint64_t)s->c || size[1] < (uint64_t)s->h ||
        size[2] < (uint64_t)s->w)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': a mean of %s, expected one of %dx%dx%d or "
                       "larger",
                       path, rn_caffe_blob_text(b, text, sizeof(text)), s->c,
                       s->h, s->w);
    float *all = rn_alloc(b->count, sizeof(*all));
    float *mean = rn_alloc(pixels, sizeof(*mean));
    float *std = rn_alloc((size_t)s->c, sizeof(*std));
    int rc = RN_OK;
    if (all && mean && std) {
        rn_caffe_blob_read(b, all);
        cut_mean(all, size, s, mean);
        for (int c = 0; c < s->c; c++)
            std[c] = 1 / (255 * m->scale);
        rc = rn_model_set_preprocessing(m->model, true, mean, std, err);
    } else {
        rc = rn_fail_memory(err, b->count * sizeof(*all), "a mean");
    }
    rn_free(all);
    rn_free(mean);
    rn_free(std);
    return rc;
}

static int read_mean_image(struct caffe_model *m, const char *path,
                           struct rn_error *err)
{
    struct rn_caffe_blob b;
    uint8_t *bytes;
    size_t size;
    int rc = rn_file_read(path, MEAN_LIMIT, &bytes, &size, err);

    if (rc)
        return rc;
    if (rn_caffe_blob_parse((struct rn_pb){bytes, size}, &b))
        rc = set_mean_image(m, &b, path, err);
    else
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s': not a whole mean of Caffe's (.binaryproto)", path);
    rn_free(bytes);
    if (!rc)
        rn_import_say(m->options, "mean of every pixel taken from '%s'", path);
    return rc;
}

/* The mean image's file in the network's own folder; *path is NULL when it is
 * not there. A network's text names no other place on this machine. */
static int find_mean_image(const struct caffe_model *m, char **path,
                           struct rn_error *err)
{
    struct rn_pb name = m->mean_file;
    const char *slash = strrchr(m->net.path, '/');
    size_t folder = slash ? (size_t)(slash - m->net.path) + 1 : 0;

    for (size_t i = 0; i < m->mean_file.size; i++)
        if (m->mean_file.at[i] == '/')
            name = (struct rn_pb){m->mean_file.at + i + 1,
                                  m->mean_file.size - i - 1};
    *path = rn_alloc(folder + name.size + 1, 1);
    if (!*path)
        return rn_fail_memory(err, folder + name.size + 1, "a path");
    memcpy(*path, m->net.path, folder);
    if (name.size > 0)
        memcpy(*path + folder, name.at, name.size);
    if (rn_is_file(*path))
        return RN_OK;
    rn_import_say(m->options,
                  "its mean image '%.*s' is not beside it: --mean-image says",
                  RN_PB_SHOW(name));
    rn_free(*path);
    *path = NULL;
    return RN_OK;
}

/* Numbers of the text in place of the usual ones. */
static int set_mean_values(struct caffe_model *m, struct rn_error *err)
{
    size_t c = (size_t)m->model->spec.input.c;
    float mean[3], std[3];

    if (c > 3 || (m->means > 1 && m->means != c))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': %zu values of a mean for %zu channels",
                       m->net.path, m->means, c);
    for (size_t i = 0; i < c; i++) {
        mean[i] = m->means ? m->mean[m->means > 1 ? i : 0] / 255 : 0;
        std[i] = 1 / (255 * m->scale);
    }
    rn_import_say(m->options, "mean and scale of pixels taken from '%s'",
                  m->net.path);
    return rn_model_set_preprocessing(m->model, false, mean, std, err);
}

/* Channels and size of pictures as Caffe's tools have it. The means are the
 * channels', whatever colours the caller says that these are. */
static int set_view(struct caffe_model *m, struct rn_error *err)
{
    const struct rn_shape *s = &m->model->spec.input;
    const char *order = m->options->channel_order;
    int64_t side = s->h > s->w ? s->h : s->w;
    int64_t resize = m->whole ? side : side * RESIZED_FROM / CUT;
    int rc = RN_OK;

    if (s->c == 3) {
        rc = rn_model_set_bgr(m->model, !order || strcmp(order, "rgb") != 0,
                              err);
        if (!order)
            rn_import_say(m->options,
                          "channels taken as blue, green, red, as Caffe's "
                          "tools have them: --channel-order rgb says "
                          "otherwise");
    }
    if (!rc && resize <= RN_RESIZE_MAX)
        rc = rn_model_set_resize(m->model, (int)resize, RN_BILINEAR, err);
    return rc;
}

static int prepare(struct caffe_model *m, struct rn_error *err)
{
    const struct rn_import_options *o = m->options;
    const struct rn_net_spec *spec = &m->model->spec;
    char *mean_path = NULL;
    bool usual = spec->input.c == 3 && spec->classes == IMAGENET;
    int rc = read_transform(m, err);

    if (!rc && o->mean_image)
        rc = read_mean_image(m, o->mean_image, err);
    else if (!rc && m->mean_file.size)
        rc = find_mean_image(m, &mean_path, err);
    if (!rc && mean_path)
        rc = read_mean_image(m, mean_path, err);
    rn_free(mean_path);
    if (!rc && !m->model->preprocessing.mean && (m->means || m->scale != 1))
        rc = set_mean_values(m, err);
    if (rc)
        return rc;
    if (m->model->preprocessing.mean)
        return set_view(m, err);
    return rn_import_preset(m->model, o, usual ? PRESET : NULL,
                            "as is usual with Caffe's of ImageNet", err);
}

/* ------------------------------------------------------------------- whole */

static int build(struct caffe_model *m, struct rn_error *err)
{
    const struct rn_import_options *o = m->options;
    const struct rn_caffe_options options = {
        {3, o->height, o->width ? o->width : o->height}, o->output};
    const struct rn_prototxt_field *name =
        rn_prototxt_last(&m->net, m->net.fields, "name");
    struct rn_graph *graph;
    int rc =
        rn_caffe_graph(&graph, &m->net, m->paths.weights ? &m->weights : NULL,
                       &options, RN_CAFFE_PARAMS, err);

    if (rc)
        return rc;
    return rn_import_graph(&m->model, graph, "Caffe's files", m->net.path,
                           name ? name->value : (struct rn_pb){NULL, 0}, o,
                           err);
}

static bool is_used(void *user, struct rn_pb name)
{
    return rn_caffe_has_layer(user, name, false);
}

/* Weights that no layer has taken. Where the file has the layer before one of
 * the text's, the text is of another network, unless it leaves the layer to
 * training; what nothing of the text reads is a head that only training has. */
static int check_left(struct caffe_model *m, struct rn_error *err)
{
    struct rn_faults left = {0}, lacking = {0};
    int rc = rn_caffe_weights_wire(&m->weights, is_used, &m->net, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < m->weights.n_layers; i++) {
        const struct rn_caffe_weighted *l = &m->weights.layers[i];

        if (l->found)
            continue;
        rn_fault_add(&left, "%.*s", RN_PB_SHOW(l->name));
        if (l->read && !rn_caffe_has_layer(&m->net, l->name, true))
            rn_fault_add(&lacking, "%.*s", RN_PB_SHOW(l->name));
    }
    if (lacking.count > 0 && !m->options->skip_extra)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s' has weights of %zu layers, before others, that "
                       "'%s' lacks (%s%s): --skip-extra passes over them",
                       m->weights.path, lacking.count, m->net.path,
                       lacking.text, lacking.count > 3 ? ", …" : "");
    if (left.count > 0)
        rn_import_say(m->options,
                      "'%s': passed over weights of %zu layers (%s%s)",
                      m->weights.path, left.count, left.text,
                      left.count > 3 ? ", …" : "");
    return RN_OK;
}

static int read_model(struct caffe_model *m, struct rn_error *err)
{
    int rc = rn_prototxt_open(&m->net, m->paths.net, err);

    if (!rc && m->paths.weights)
        rc = rn_caffe_weights_open(&m->weights, m->paths.weights, err);
    if (!rc)
        rc = build(m, err);
    if (!rc)
        rc = check_left(m, err);
    if (!rc)
        rc = rn_import_check(m->model, m->options, err);
    return rc ? rc : prepare(m, err);
}

int rn_caffe_import(struct rn_model **out, const char *path,
                    const struct rn_import_options *options,
                    struct rn_error *err)
{
    struct caffe_model m = {.options = options};
    int rc = rn_apart_find(&m.paths, path, NET_END, WEIGHTS_END, options, err);

    if (!rc)
        rc = read_model(&m, err);
    *out = m.model;
    rn_caffe_weights_close(&m.weights);
    rn_prototxt_close(&m.net);
    rn_apart_free(&m.paths);
    return rc;
}
