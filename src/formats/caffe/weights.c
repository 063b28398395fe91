/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the blobs of Caffe's files of weights in place. */
#include "formats/caffe/weights.h"

#include "core/file.h"
#include "core/memory.h"
#include "formats/caffe/fields.h"

#include <stdio.h>
#include <string.h>

#define FILE_LIMIT ((size_t)2 << 30) /* protocol buffers' own */

/* ------------------------------------------------------------------- blobs */

static bool add_dim(struct rn_caffe_blob *b, uint64_t dim)
{
    if (b->dims == RN_CAFFE_DIMS)
        return false;
    b->dim[b->dims++] = dim;
    return true;
}

/* BlobShape: a list of sizes. */
static bool parse_shape(struct rn_pb m, struct rn_caffe_blob *b)
{
    struct rn_pb_field f;
    int more, numbers = 0;

    while ((more = rn_pb_next(&m, &f)) > 0) {
        uint64_t dim;

        while (f.number == CAFFE_SHAPE_DIM &&
               (numbers = rn_pb_number(&f, RN_PB_VARINT, &dim)) > 0)
            if (!add_dim(b, dim))
                return false;
        if (numbers < 0)
            return false;
    }
    return more == 0;
}

/* The type of a number in a field of a blob; false when it has none. */
static bool number_type(uint32_t field, enum rn_pb_type *type)
{
    *type = field == CAFFE_BLOB_DATA ? RN_PB_FIXED32 : RN_PB_FIXED64;
    return field == CAFFE_BLOB_DATA || field == CAFFE_BLOB_DOUBLE_DATA;
}

/* How many numbers a field has, packed or on its own; false when they are of
 * another type or the last one is cut. */
static bool count_numbers(const struct rn_pb_field *f, enum rn_pb_type type,
                          uint64_t *count)
{
    size_t size = type == RN_PB_FIXED32 ? 4 : 8;

    if (f->type == RN_PB_BYTES) {
        *count += f->bytes.size / size;
        return f->bytes.size % size == 0;
    }
    (*count)++;
    return f->type == type;
}

/* Whether the product of the sizes is the number of numbers. */
static bool sizes_fit(const struct rn_caffe_blob *b)
{
    size_t product = 1;

    for (int i = 0; i < b->dims; i++)
        if (!rn_size_mul(product, (size_t)b->dim[i], &product))
            return false;
    return product == b->count;
}

static bool parse_field(const struct rn_pb_field *f, uint64_t old[4],
                        struct rn_caffe_blob *b)
{
    enum rn_pb_type type;

    if (number_type(f->number, &type))
        return count_numbers(f, type, &b->count);
    if (f->number == CAFFE_BLOB_SHAPE)
        return f->type == RN_PB_BYTES && parse_shape(f->bytes, b);
    if (f->number >= CAFFE_BLOB_NUM && f->number <= CAFFE_BLOB_WIDTH)
        old[f->number - CAFFE_BLOB_NUM] = f->value;
    return true;
}

bool rn_caffe_blob_parse(struct rn_pb message, struct rn_caffe_blob *b)
{
    uint64_t old[4] = {0};
    struct rn_pb_field f;
    int more;

    *b = (struct rn_caffe_blob){.message = message};
    while ((more = rn_pb_next(&message, &f)) > 0)
        if (!parse_field(&f, old, b))
            return false;
    for (int i = 0; i < 4 && b->dims < 4 && (old[0] || old[3]); i++)
        add_dim(b, old[i]);
    return more == 0 && sizes_fit(b);
}

bool rn_caffe_blob_fits(const struct rn_caffe_blob *b, int dims,
                        const size_t *dim)
{
    int extra = b->dims - dims;

    for (int i = 0; i < b->dims && dims == 1; i++)
        if (b->dim[i] == *dim)
            return b->count == *dim; /* 1xCx1x1, too */
    for (int i = 0; i < b->dims; i++)
        if (b->dim[i] != (i < extra ? 1 : dim[i - extra]))
            return false;
    return extra >= 0;
}

void rn_caffe_blob_read(const struct rn_caffe_blob *b, float *out)
{
    struct rn_pb m = b->message;
    struct rn_pb_field f;

    while (rn_pb_next(&m, &f) > 0) {
        enum rn_pb_type type;
        uint64_t bits;

        if (!number_type(f.number, &type))
            continue;
        while (rn_pb_number(&f, type, &bits) > 0)
            *out++ = type == RN_PB_FIXED32 ? rn_pb_float(bits)
                                           : (float)rn_pb_double(bits);
    }
}

const char *rn_caffe_blob_text(const struct rn_caffe_blob *b, char *buf,
                               size_t size)
{
    size_t used = 0;

    buf[0] = '\0';
    for (int i = 0; i < b->dims && used < size; i++)
        used += (size_t)snprintf(buf + used, size - used, "%s%llu",
                                 i ? "x" : "", (unsigned long long)b->dim[i]);
    return buf;
}

/* ------------------------------------------------------------------ layers */

static int fail_cut(const struct rn_caffe_weights *w, const char *what,
                    struct rn_error *err)
{
    return rn_fail(
        err, RN_ERR_DATA,
        "'%s': not a whole caffemodel: %s is cut short or no message", w->path,
        what);
}

static int add_blob(struct rn_caffe_weights *w, struct rn_pb name,
                    const struct rn_pb_field *f, struct rn_error *err)
{
    struct rn_caffe_blob b;

    if (w->n_blobs >= RN_CAFFE_BLOBS)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': more than %d blobs, which no network has",
                       w->path, RN_CAFFE_BLOBS);
    if (f->type != RN_PB_BYTES || !rn_caffe_blob_parse(f->bytes, &b))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': a blob of layer '%.*s' is cut short, or has "
                       "other sizes than numbers",
                       w->path, RN_PB_SHOW(name));
    if (!rn_grow(&w->blobs, &w->blobs_room, w->n_blobs, sizeof(*w->blobs)))
        return rn_fail_memory(err, sizeof(b), "a blob");
    w->blobs[w->n_blobs++] = b;
    w->count += b.count;
    return RN_OK;
}

/* The name of a layer; empty when it has none. -1 when it is no message. */
static int layer_name(struct rn_pb m, bool v1, struct rn_pb *name)
{
    const uint32_t number = v1 ? CAFFE_V1_NAME : CAFFE_LAYER_NAME;
    struct rn_pb_field f;
    int more;

    *name = (struct rn_pb){m.at, 0};
    while ((more = rn_pb_next(&m, &f)) > 0)
        if (f.number == number && f.type == RN_PB_BYTES)
            *name = f.bytes;
    return more;
}

static int fail_layers(const struct rn_caffe_weights *w, struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA,
                   "'%s': more than %d layers, which no network has", w->path,
                   RN_CAFFE_LAYERS);
}

/* Whether a field of the network is a layer, of old or of now. */
static bool is_layer(const struct rn_pb_field *f)
{
    return f->type == RN_PB_BYTES &&
           (f->number == CAFFE_NET_LAYER || f->number == CAFFE_NET_LAYERS_V1);
}

static int add_layer(struct rn_caffe_weights *w, struct rn_pb m, bool v1,
                     struct rn_error *err)
{
    const uint32_t blobs = v1 ? CAFFE_V1_BLOBS : CAFFE_LAYER_BLOBS;
    struct rn_caffe_weighted layer = {.message = m,
                                      .first = (uint32_t)w->n_blobs};
    struct rn_pb_field f;
    int rc = RN_OK;

    if (layer_name(m, v1, &layer.name) < 0)
        return fail_cut(w, "a layer", err);
    while (!rc && rn_pb_next(&m, &f) > 0)
        if (f.number == blobs)
            rc = add_blob(w, layer.name, &f, err);
    layer.blobs = (uint32_t)w->n_blobs - layer.first;
    if (rc || layer.blobs == 0)
        return rc;
    if (w->n_layers >= RN_CAFFE_LAYERS)
        return fail_layers(w, err);
    if (!rn_grow(&w->layers, &w->layers_room, w->n_layers, sizeof(*w->layers)))
        return rn_fail_memory(err, sizeof(layer), "a layer");
    w->layers[w->n_layers++] = layer;
    return RN_OK;
}

/* Of two layers Caffe reads the latter over the former, which nobody meant. */
static int check_names(const struct rn_caffe_weights *w, struct rn_error *err)
{
    for (size_t i = 0; i < w->n_layers; i++)
        for (size_t k = 0; k < i; k++)
            if (rn_pb_same(w->layers[i].name, w->layers[k].name))
                return rn_fail(err, RN_ERR_DATA,
                               "'%s': two layers with weights are named "
                               "'%.*s'",
                               w->path, RN_PB_SHOW(w->layers[i].name));
    return RN_OK;
}

int rn_caffe_weights_parse(struct rn_caffe_weights *w, const uint8_t *bytes,
                           size_t size, const char *path, struct rn_error *err)
{
    struct rn_pb m = {bytes, size};
    struct rn_pb_field f;
    int more = 1, rc = RN_OK;

    memset(w, 0, sizeof(*w));
    w->path = path;
    w->net = m;
    while (!rc && (more = rn_pb_next(&m, &f)) > 0)
        if (is_layer(&f))
            rc = add_layer(w, f.bytes, f.number == CAFFE_NET_LAYERS_V1, err);
    if (!rc && more < 0)
        rc = fail_cut(w, "the network", err);
    if (!rc && w->n_layers == 0)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s': no layer has weights: not a caffemodel", path);
    return rc ? rc : check_names(w, err);
}

int rn_caffe_weights_open(struct rn_caffe_weights *w, const char *path,
                          struct rn_error *err)
{
    uint8_t *bytes;
    size_t size;

    memset(w, 0, sizeof(*w));
    int rc = rn_file_read(path, FILE_LIMIT, &bytes, &size, err);
    if (rc)
        return rc;
    rc = rn_caffe_weights_parse(w, bytes, size, path, err);
    w->file = bytes;
    return rc;
}

void rn_caffe_weights_close(struct rn_caffe_weights *w)
{
    rn_free(w->layers);
    rn_free(w->blobs);
    rn_free(w->file);
    memset(w, 0, sizeof(*w));
}

/* ------------------------------------------------------------------ wiring */

/* All layers of a file, and values that known ones read, be it through others.
 */
struct wiring {
    struct wired {
        struct rn_pb message;
        bool v1;
    } * layers;
    size_t n_layers, layers_room;
    struct rn_pb *values;
    size_t n_values, values_room;
};

static int add_wired(struct wiring *all, const struct rn_caffe_weights *w,
                     const struct rn_pb_field *f, struct rn_error *err)
{
    if (all->n_layers == RN_CAFFE_LAYERS)
        return fail_layers(w, err);
    if (!rn_grow(&all->layers, &all->layers_room, all->n_layers,
                 sizeof(*all->layers)))
        return rn_fail_memory(err, sizeof(*all->layers), "a layer");
    all->layers[all->n_layers++] =
        (struct wired){f->bytes, f->number == CAFFE_NET_LAYERS_V1};
    return RN_OK;
}

static bool has_value(const struct wiring *all, struct rn_pb value)
{
    for (size_t i = 0; i < all->n_values; i++)
        if (rn_pb_same(all->values[i], value))
            return true;
    return false;
}

/* Whether one of the values is the layer's. */
static bool makes(const struct wiring *all, struct wired layer)
{
    const uint32_t top = layer.v1 ? CAFFE_V1_TOP : CAFFE_LAYER_TOP;
    struct rn_pb_field f;

    while (rn_pb_next(&layer.message, &f) > 0)
        if (f.number == top && f.type == RN_PB_BYTES && has_value(all, f.bytes))
            return true;
    return false;
}

/* Add what the layer reads. */
static int add_values(struct wiring *all, const struct rn_caffe_weights *w,
                      struct wired layer, struct rn_error *err)
{
    const uint32_t bottom = layer.v1 ? CAFFE_V1_BOTTOM : CAFFE_LAYER_BOTTOM;
    struct rn_pb_field f;

    while (rn_pb_next(&layer.message, &f) > 0) {
        if (f.number != bottom || f.type != RN_PB_BYTES ||
            has_value(all, f.bytes))
            continue;
        if (all->n_values == RN_CAFFE_VALUES)
            return rn_fail(err, RN_ERR_DATA,
                           "'%s': more than %d values, which no network has",
                           w->path, RN_CAFFE_VALUES);
        if (!rn_grow(&all->values, &all->values_room, all->n_values,
                     sizeof(*all->values)))
            return rn_fail_memory(err, sizeof(*all->values), "a value");
        all->values[all->n_values++] = f.bytes;
    }
    return RN_OK;
}

int rn_caffe_weights_wire(struct rn_caffe_weights *w,
                          bool (*known)(void *user, struct rn_pb name),
                          void *user, struct rn_error *err)
{
    struct rn_pb m = w->net, name;
    struct rn_pb_field f;
    struct wiring all = {.layers = NULL};
    size_t next = w->n_layers;
    int rc = RN_OK;

    while (!rc && rn_pb_next(&m, &f) > 0)
        if (is_layer(&f))
            rc = add_wired(&all, w, &f, err);
    /* From the end on, so that who reads a value comes before who makes it. */
    for (size_t i = all.n_layers; !rc && i-- > 0;) {
        struct wired layer = all.layers[i];
        bool read = makes(&all, layer);

        if (next > 0 && w->layers[next - 1].message.at == layer.message.at)
            w->layers[--next].read = read;
        layer_name(layer.message, layer.v1, &name);
        if (read || known(user, name))
            rc = add_values(&all, w, layer, err);
    }
    rn_free(all.layers);
    rn_free(all.values);
    return rc;
}

/* ------------------------------------------------------------------ finding */

const struct rn_caffe_weighted *
rn_caffe_weights_find(struct rn_caffe_weights *w, struct rn_pb name)
{
    for (size_t i = 0; i < w->n_layers; i++) {
        size_t at = (w->last_found + i) % w->n_layers;

        if (rn_pb_same(w->layers[at].name, name)) {
            w->last_found = at;
            w->layers[at].found = true;
            return &w->layers[at];
        }
    }
    return NULL;
}
