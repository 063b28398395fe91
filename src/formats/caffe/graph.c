/* SPDX-License-Identifier: BSD-2-Clause */
/* The layers of a Caffe network, one after the other. */
#include "formats/caffe/import.h"

#include "core/locale.h"
#include "core/memory.h"
#include "core/faults.h"
#include "model/head.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A bound of levels, of which ours is 0; none where it is no number. */
static int64_t level(const struct rn_prototxt *net,
                     const struct rn_prototxt_field *rule, const char *name)
{
    const struct rn_prototxt_field *f = rn_prototxt_last(net, rule, name);
    int64_t value = 0;

    return f && rn_prototxt_integer(f, &value) ? value : 0;
}

/* Whether a rule is met in the phase TEST, at level 0 of no stage. */
static bool is_met(const struct rn_prototxt *net,
                   const struct rn_prototxt_field *rule)
{
    const struct rn_prototxt_field *f = rn_prototxt_last(net, rule, "phase");
    bool test = !f || rn_pb_is(f->value, "TEST") || rn_pb_is(f->value, "1");

    return test && level(net, rule, "min_level") <= 0 &&
           level(net, rule, "max_level") >= 0 &&
           !rn_prototxt_last(net, rule, "stage");
}

/* Whether a layer's rules leave it out: one that includes must be met, where
 * there is any, else none that excludes. */
static bool is_left_out(const struct rn_prototxt *net,
                        const struct rn_prototxt_field *layer)
{
    const struct rn_prototxt_field *f = NULL;
    bool rules = false;

    for (; (f = rn_prototxt_next(net, layer, "include", f)); rules = true)
        if (is_met(net, f))
            return false;
    while (!rules && (f = rn_prototxt_next(net, layer, "exclude", f)))
        if (is_met(net, f))
            return true;
    return rules;
}

static bool is_layer(const struct rn_prototxt_field *f)
{
    return f->message &&
           (rn_pb_is(f->name, "layer") || rn_pb_is(f->name, "layers"));
}

const struct rn_prototxt_field *
rn_caffe_next_layer(const struct rn_prototxt *net,
                    const struct rn_prototxt_field *after)
{
    const struct rn_prototxt_field *f = after;

    do
        f = rn_prototxt_each(net, net->fields, f);
    while (f && (!is_layer(f) || is_left_out(net, f)));
    return f;
}

bool rn_caffe_has_layer(const struct rn_prototxt *net, struct rn_pb name,
                        bool any)
{
    const struct rn_prototxt_field *f = NULL, *own;

    while ((f = rn_prototxt_each(net, net->fields, f))) {
        own = is_layer(f) ? rn_prototxt_last(net, f, "name") : NULL;
        if (own && rn_pb_same(own->value, name) &&
            (any || !is_left_out(net, f)))
            return true;
    }
    return false;
}

static struct rn_pb text_of(const struct rn_caffe *in, const char *name)
{
    const struct rn_prototxt_field *f =
        rn_prototxt_last(in->net, in->layer, name);

    return f ? f->value : (struct rn_pb){in->layer->name.at, 0};
}

static void read_layer(struct rn_caffe *in)
{
    in->name = text_of(in, "name");
    in->type = text_of(in, "type");
    in->blobs =
        in->weights ? rn_caffe_weights_find(in->weights, in->name) : NULL;
    in->expected = 0;
    rn_caffe_layer *layer = rn_caffe_layer_of(in);
    rn_caffe_known_layer(in);
    if (in->rc)
        return;
    if (rn_caffe_bottoms(in) > RN_CAFFE_BOTTOMS)
        rn_caffe_fail(in, "reads more than %d values", RN_CAFFE_BOTTOMS);
    else if (layer)
        layer(in);
    else
        rn_caffe_fail(in, "is not known here");
    if (in->blobs && in->blobs->blobs != in->expected)
        rn_caffe_fail(in, "has %u blobs in '%s', expected %u", in->blobs->blobs,
                      in->weights->path, in->expected);
    if (in->g->n_nodes > RN_CAFFE_NODES)
        rn_caffe_fail(in, "makes the network larger than %d nodes",
                      RN_CAFFE_NODES);
}

/* The input as fields of the network: "input" and four "input_dim", or
 * "input_shape". */
static void read_input(struct rn_caffe *in)
{
    const struct rn_prototxt *net = in->net;
    const struct rn_prototxt_field *f = NULL, *dims[4];
    const struct rn_prototxt_field *name =
        rn_prototxt_next(net, net->fields, "input", NULL);
    const struct rn_prototxt_field *shape =
        rn_prototxt_next(net, net->fields, "input_shape", NULL);

    if (!name)
        return;
    for (int i = 0; i < 4; i++)
        dims[i] = f = i && !f
                          ? NULL
                          : rn_prototxt_next(net, shape ? shape : net->fields,
                                             shape ? "dim" : "input_dim", f);
    in->name = in->type = name->name;
    rn_caffe_input(in, name->value, dims);
    if (!in->rc && rn_prototxt_next(net, net->fields, "input", name))
        rn_caffe_fail(in, "is followed by a second one");
}

static struct rn_shape shape_of(const struct rn_caffe *in, size_t top)
{
    return in->g->nodes[in->tops[top].node].shape;
}

static bool is_row(const struct rn_caffe *in, size_t top)
{
    struct rn_shape s = shape_of(in, top);

    return in->tops[top].node > 0 && s.h == 1 && s.w == 1;
}

/* Whether an output is what another is: a loss computes its softmax anew. */
static bool is_again(const struct rn_caffe *in, size_t a, size_t b)
{
    const struct rn_node *x = &in->g->nodes[in->tops[a].node];
    const struct rn_node *y = &in->g->nodes[in->tops[b].node];

    return x == y || (x->op == y->op && x->input[0] == y->input[0] &&
                      (x->op == RN_OP_SOFTMAX || x->op == RN_OP_SIGMOID));
}

static void fail_outputs(struct rn_caffe *in, const bool *can)
{
    struct rn_faults all = {0};

    for (size_t i = 0; i < in->n_tops; i++)
        if (can[i]) {
            struct rn_shape s = shape_of(in, i);

            rn_fault_add(&all, "'%.*s' %dx%dx%d", RN_PB_SHOW(in->tops[i].name),
                         s.c, s.h, s.w);
        }
    in->rc = rn_fail(in->err, RN_ERR_DATA,
                     "'%s': %zu outputs, %s: --output NAME says which one is "
                     "the classes",
                     in->net->path, all.count, all.text);
}

/* The only value that nobody reads, of different ones the only row. */
static const struct rn_caffe_top *only_output(struct rn_caffe *in, bool *can)
{
    const struct rn_caffe_top *out = NULL;
    size_t rows = 0, all = 0;

    for (size_t i = 0; i < in->n_tops; i++) {
        can[i] = in->tops[i].readers == 0 && in->tops[i].node >= 0;
        for (size_t k = 0; k < i && can[i]; k++)
            can[i] = !can[k] || !is_again(in, k, i);
        all += can[i];
        rows += can[i] && is_row(in, i);
    }
    for (size_t i = 0; i < in->n_tops; i++)
        if (can[i] && (all == 1 || is_row(in, i)))
            out = &in->tops[i];
    if (all > 1 && rows != 1)
        fail_outputs(in, can);
    return out;
}

static const struct rn_caffe_top *named_output(struct rn_caffe *in)
{
    const char *name = in->options->output;
    const struct rn_pb text = {(const uint8_t *)name, strlen(name)};
    const struct rn_caffe_top *t = rn_caffe_find_top(in, text);

    if (t && t->node >= 0)
        return t;
    in->rc = rn_fail(in->err, RN_ERR_ARG, "'%s' computes no '%.100s'",
                     in->net->path, name);
    return NULL;
}

static const struct rn_caffe_top *find_output(struct rn_caffe *in)
{
    bool *can;
    const struct rn_caffe_top *out;

    if (in->options->output)
        return named_output(in);
    can = rn_alloc(in->n_tops, sizeof(*can));
    if (!can) {
        in->rc = rn_fail_memory(in->err, in->n_tops, "outputs");
        return NULL;
    }
    out = only_output(in, can);
    rn_free(can);
    return out;
}

static void set_output(struct rn_caffe *in)
{
    const char *path = in->net->path;
    const struct rn_caffe_top *out = in->n_tops ? find_output(in) : NULL;

    if (in->rc)
        return;
    struct rn_shape s =
        out ? in->g->nodes[out->node].shape : (struct rn_shape){0, 0, 0};
    if (!out || out->node == 0 || s.h != 1 || s.w != 1)
        in->rc = rn_fail(in->err, RN_ERR_DATA,
                         "'%s': its output is %dx%dx%d, expected one number a "
                         "class",
                         path, s.c, s.h, s.w);
    else if (rn_graph_cut(in->g, out->node))
        in->rc = rn_head_take(in->g, path, in->err);
    else
        in->rc = rn_fail_memory(in->err, in->g->n_nodes, "a network");
}

static void read_all(struct rn_caffe *in)
{
    size_t layers = 0;

    in->rc = rn_caffe_known_net(in->net, in->err);
    if (!in->rc)
        read_input(in);
    while (!in->rc && (in->layer = rn_caffe_next_layer(in->net, in->layer))) {
        if (++layers > RN_CAFFE_LAYERS)
            in->rc = rn_fail(in->err, RN_ERR_DATA,
                             "'%s': more than %d layers, which no network has",
                             in->net->path, RN_CAFFE_LAYERS);
        else
            read_layer(in);
    }
    if (!in->rc)
        set_output(in);
}

int rn_caffe_graph(struct rn_graph **out, const struct rn_prototxt *net,
                   struct rn_caffe_weights *weights,
                   const struct rn_caffe_options *options, uint64_t params,
                   struct rn_error *err)
{
    struct rn_caffe in = {.net = net,
                          .weights = weights,
                          .options = options,
                          /* of a scale a file has a quarter */
                          .params_left = weights ? 4 * weights->count : params,
                          .g = rn_graph_create(),
                          .err = err};

    *out = NULL;
    if (!in.g)
        return rn_fail_memory(err, sizeof(*in.g), "a graph");
    read_all(&in);
    if (in.rc)
        rn_graph_destroy(in.g);
    else
        *out = in.g;
    rn_free(in.tops);
    return in.rc;
}
