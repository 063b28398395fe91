/* SPDX-License-Identifier: BSD-2-Clause */
/* What layers of Caffe's read and make: fields, tops, blobs, failures that name
 * the layer. */
#include "formats/caffe/import.h"

#include "core/locale.h"
#include "core/memory.h"
#include "core/faults.h"
#include "model/head.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void rn_caffe_fail(struct rn_caffe *in, const char *format, ...)
{
    char text[300];
    va_list args;

    if (in->rc)
        return;
    va_start(args, format);
    rn_format_list(text, sizeof(text), format, args);
    va_end(args);
    in->rc = rn_fail(in->err, RN_ERR_DATA, "'%s': layer '%.*s' (%.*s) %s",
                     in->net->path, RN_PB_SHOW(in->name), RN_PB_SHOW(in->type),
                     text);
}

/* ------------------------------------------------------------------ fields */

static const struct rn_prototxt_field *field_of(const struct rn_caffe *in,
                                                const char *name)
{
    return rn_prototxt_last(in->net, in->param, name);
}

static void fail_value(struct rn_caffe *in, const struct rn_prototxt_field *f)
{
    rn_caffe_fail(in, "has '%.*s' as its %.*s", RN_PB_SHOW(f->value),
                  RN_PB_SHOW(f->name));
}

int rn_caffe_int(struct rn_caffe *in, const char *name, int otherwise,
                 int least, int most)
{
    const struct rn_prototxt_field *f = field_of(in, name);
    int64_t value = otherwise;

    if (f && !rn_prototxt_integer(f, &value))
        fail_value(in, f);
    else if (value < least || value > most)
        rn_caffe_fail(in, "has %lld as its %s, expected %d to %d",
                      (long long)value, name, least, most);
    return in->rc ? otherwise : (int)value;
}

float rn_caffe_float(struct rn_caffe *in, const char *name, float otherwise)
{
    const struct rn_prototxt_field *f = field_of(in, name);
    double value = (double)otherwise;

    if (f && !rn_prototxt_number(f, &value))
        fail_value(in, f);
    return (float)value;
}

bool rn_caffe_flag(struct rn_caffe *in, const char *name, bool otherwise)
{
    const struct rn_prototxt_field *f = field_of(in, name);
    bool value = otherwise;

    if (f && !rn_prototxt_flag(f, &value))
        fail_value(in, f);
    return value;
}

int rn_caffe_choice(struct rn_caffe *in, const char *name,
                    const char *const *words)
{
    const struct rn_prototxt_field *f = field_of(in, name);

    if (!f)
        return 0;
    for (int i = 0; words[i]; i++) {
        char number[12];

        snprintf(number, sizeof(number), "%d", i);
        if (!f->quoted &&
            (rn_pb_is(f->value, words[i]) || rn_pb_is(f->value, number)))
            return i;
    }
    fail_value(in, f);
    return 0;
}

/* -------------------------------------------------------------------- tops */

struct rn_caffe_top *rn_caffe_find_top(struct rn_caffe *in, struct rn_pb name)
{
    for (size_t i = in->n_tops; i-- > 0;)
        if (rn_pb_same(in->tops[i].name, name))
            return &in->tops[i];
    return NULL;
}

static const struct rn_prototxt_field *nth(const struct rn_caffe *in,
                                           const char *name, int n)
{
    const struct rn_prototxt_field *f = NULL;

    do
        f = rn_prototxt_next(in->net, in->layer, name, f);
    while (f && n-- > 0);
    return f;
}

int rn_caffe_bottoms(const struct rn_caffe *in)
{
    const struct rn_prototxt_field *f = NULL;
    int n = 0;

    while ((f = rn_prototxt_next(in->net, in->layer, "bottom", f)))
        n++;
    return n;
}

void rn_caffe_check(struct rn_caffe *in, int node)
{
    if (in->rc || node >= 0)
        return;
    rn_caffe_fail(in, "cannot be built: %.200s", in->g->error.msg);
    if (in->g->error.code == RN_ERR_MEMORY)
        in->rc = rn_fail(in->err, RN_ERR_MEMORY, "%s", in->g->error.msg);
}

struct rn_caffe_top *rn_caffe_bottom(struct rn_caffe *in, int i)
{
    const struct rn_prototxt_field *f = nth(in, "bottom", i);
    struct rn_caffe_top *t = f ? rn_caffe_find_top(in, f->value) : NULL;

    if (!f)
        rn_caffe_fail(in, "reads %d values, expected more", i);
    else if (t && t->node < 0)
        rn_caffe_fail(in,
                      "reads '%.*s', which lies between a batch norm and its "
                      "scale",
                      RN_PB_SHOW(f->value));
    else if (!t)
        rn_caffe_fail(in,
                      "reads '%.*s', which nothing before it computes: the "
                      "network has a cycle, or is not in order",
                      RN_PB_SHOW(f->value));
    if (in->rc)
        return NULL;
    t->readers++;
    return t;
}

int rn_caffe_picture(struct rn_caffe *in, int i)
{
    const struct rn_caffe_top *t = rn_caffe_bottom(in, i);

    if (t && t->flat)
        rn_caffe_fail(in, "reads '%.*s', which has been flattened",
                      RN_PB_SHOW(t->name));
    return in->rc ? -1 : t->node;
}

static bool is_bottom(const struct rn_caffe *in, struct rn_pb name)
{
    const struct rn_prototxt_field *f = NULL;

    while ((f = rn_prototxt_next(in->net, in->layer, "bottom", f)))
        if (rn_pb_same(f->value, name))
            return true;
    return false;
}

/* A layer may put its value in the place of one it reads, of no other. */
static struct rn_caffe_top *place_top(struct rn_caffe *in, struct rn_pb name)
{
    struct rn_caffe_top *t = rn_caffe_find_top(in, name);

    if (t && !is_bottom(in, name))
        rn_caffe_fail(in, "computes '%.*s', which is there already",
                      RN_PB_SHOW(name));
    if (in->n_tops >= RN_CAFFE_TOPS)
        rn_caffe_fail(in, "computes one value more than %d", RN_CAFFE_TOPS);
    if (in->rc || t)
        return in->rc ? NULL : t;
    if (!rn_grow(&in->tops, &in->tops_room, in->n_tops, sizeof(*in->tops))) {
        in->rc = rn_fail_memory(in->err, sizeof(*in->tops), "a value");
        return NULL;
    }
    t = &in->tops[in->n_tops++];
    t->name = name;
    return t;
}

struct rn_caffe_top *rn_caffe_set_named(struct rn_caffe *in, struct rn_pb name,
                                        int node)
{
    struct rn_caffe_top *t;

    rn_caffe_check(in, node);
    t = in->rc ? NULL : place_top(in, name);
    if (t)
        *t = (struct rn_caffe_top){.name = name, .node = node};
    return t;
}

struct rn_caffe_top *rn_caffe_set(struct rn_caffe *in, int node)
{
    const struct rn_prototxt_field *f = nth(in, "top", 0);

    rn_caffe_check(in, node);
    if (!f)
        rn_caffe_fail(in, "has no top");
    return in->rc ? NULL : rn_caffe_set_named(in, f->value, node);
}

void rn_caffe_set_all(struct rn_caffe *in, const struct rn_caffe_top *like)
{
    const struct rn_prototxt_field *f = NULL;
    struct rn_caffe_top value;

    if (in->rc)
        return;
    value = *like; /* which may move */
    value.readers = 0;
    value.norm = false;
    while ((f = rn_prototxt_next(in->net, in->layer, "top", f))) {
        struct rn_caffe_top *t = place_top(in, f->value);

        if (!t)
            return;
        value.name = f->value;
        *t = value;
    }
}

const char *rn_caffe_name(const struct rn_caffe *in, char name[RN_IMPORT_NAME])
{
    return rn_import_name(in->g, in->name, name);
}

/* ------------------------------------------------------------------- blobs */

void rn_caffe_claim(struct rn_caffe *in, uint64_t count)
{
    if (in->rc)
        return;
    if (count > in->params_left)
        rn_caffe_fail(in, "makes the network larger than %s",
                      in->weights ? "its weights" : "a GiB");
    else
        in->params_left -= count;
}

static void check_blob(struct rn_caffe *in, uint32_t i, int dims,
                       const size_t *dim)
{
    const struct rn_caffe_blob *b;
    struct rn_caffe_blob wanted = {.dims = dims};
    char found[100], expected[100];

    if (!in->blobs || i >= in->blobs->blobs) {
        rn_caffe_fail(in, "has %u blobs in '%s', expected more",
                      in->blobs ? in->blobs->blobs : 0, in->weights->path);
        return;
    }
    b = &in->weights->blobs[in->blobs->first + i];
    for (int k = 0; k < dims; k++)
        wanted.dim[k] = dim[k];
    if (!rn_caffe_blob_fits(b, dims, dim))
        rn_caffe_fail(in, "has a blob of %s as number %u, expected %s",
                      rn_caffe_blob_text(b, found, sizeof(found)), i,
                      rn_caffe_blob_text(&wanted, expected, sizeof(expected)));
}

void rn_caffe_expect(struct rn_caffe *in, uint32_t i, int dims,
                     const size_t *dim)
{
    size_t count = 1;

    in->expected = i + 1 > in->expected ? i + 1 : in->expected;
    if (!in->rc && in->weights)
        check_blob(in, i, dims, dim);
    for (int k = 0; k < dims; k++)
        if (!rn_size_mul(count, dim[k], &count))
            count = SIZE_MAX;
    rn_caffe_claim(in, count);
}

void rn_caffe_load(struct rn_caffe *in, uint32_t i, int node, int place)
{
    if (in->rc || !in->weights)
        return;
    rn_caffe_blob_read(&in->weights->blobs[in->blobs->first + i],
                       in->g->params[in->g->nodes[node].param[place]].data);
}
