/* SPDX-License-Identifier: BSD-2-Clause */
/* Caffe's types of layers, and what they become. */
#include "formats/caffe/import.h"

#include "core/count.h"
#include "core/memory.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { H, W, AXES };

static struct rn_shape shape_of(const struct rn_caffe *in, int node)
{
    return in->rc ? (struct rn_shape){1, 1, 1} : in->g->nodes[node].shape;
}

static void fill(struct rn_caffe *in, int node, int place, float value)
{
    struct rn_param *p = &in->g->params[in->g->nodes[node].param[place]];

    for (size_t i = 0; i < p->count; i++)
        p->data[i] = value;
}

/* ------------------------------------------------------------------- input */

static void make_input(struct rn_caffe *in, struct rn_shape s)
{
    if (s.c < 1 || s.c > RN_CAFFE_CHANNELS || s.h < 1 || s.h > RN_CAFFE_SIDE ||
        s.w < 1 || s.w > RN_CAFFE_SIDE)
        rn_caffe_fail(in, "is of %dx%dx%d, which is no picture", s.c, s.h, s.w);
    if (!in->rc && in->g->n_nodes)
        rn_caffe_fail(in, "is a second input");
    if (!in->rc)
        rn_caffe_check(in, rn_graph_input(in->g, s)); /* node 0 */
}

/* Sizes of pictures, the number of them first. */
static struct rn_shape read_dims(struct rn_caffe *in,
                                 const struct rn_prototxt_field *dims[4])
{
    int size[4];

    for (int i = 0; i < 4; i++) {
        int64_t value = 0;

        if (!dims[i] || !rn_prototxt_integer(dims[i], &value))
            rn_caffe_fail(in, "has no four sizes");
        size[i] = value > 0 && value <= INT_MAX ? (int)value : 0;
    }
    return (struct rn_shape){size[1], size[2], size[3]};
}

void rn_caffe_input(struct rn_caffe *in, struct rn_pb name,
                    const struct rn_prototxt_field *dims[4])
{
    make_input(in, read_dims(in, dims));
    if (in->rc)
        return;
    if (!rn_grow(&in->tops, &in->tops_room, in->n_tops, sizeof(*in->tops)))
        in->rc = rn_fail_memory(in->err, sizeof(*in->tops), "a value");
    else
        in->tops[in->n_tops++] = (struct rn_caffe_top){.name = name};
}

static void input(struct rn_caffe *in)
{
    const struct rn_prototxt_field *f = NULL, *dims[4];
    const struct rn_prototxt_field *shape =
        rn_prototxt_next(in->net, in->param, "shape", NULL);

    for (int i = 0; i < 4; i++)
        dims[i] = f =
            i && !f ? NULL : rn_prototxt_next(in->net, shape, "dim", f);
    make_input(in, read_dims(in, dims));
    rn_caffe_set(in, 0);
}

/* What is done to pictures is model.c's concern. */
static const char transform_fields[] =
    "scale mean_value* mean_file crop_size force_gray | mirror force_color";

/* Pictures from a data set, of which labels are no concern of ours. */
static void data(struct rn_caffe *in)
{
    struct rn_shape s = in->options->size;

    if (!in->param) /* of old */
        in->param = rn_prototxt_last(in->net, in->layer, "data_param");
    if (!in->param)
        in->param = rn_prototxt_last(in->net, in->layer, "image_data_param");
    int crop = rn_caffe_int(in, "crop_size", 0, 0, RN_CAFFE_SIDE);
    if (crop > 0)
        s = (struct rn_shape){3, crop, crop};
    if (s.h == 0)
        rn_caffe_fail(in, "tells no size of pictures: --crop says");
    make_input(in, s);
    rn_caffe_set(in, 0);
}

static void nothing(struct rn_caffe *in)
{
    (void)in;
}

/* ----------------------------------------------------------------- windows */

/* A size down and across: as NAME_h and NAME_w, or as `name` once or twice. */
static void read_pair(struct rn_caffe *in, const char *name, const char *base,
                      int otherwise, int least, int out[AXES])
{
    static const char *const suffix[AXES] = {"h", "w"};
    const struct rn_prototxt_field *f =
        rn_prototxt_next(in->net, in->param, name, NULL);
    int both = rn_caffe_int(in, name, otherwise, least, RN_CAFFE_SIDE);
    int64_t first = both;

    if (f && !rn_prototxt_integer(f, &first))
        first = both;
    if (first < least || first > RN_CAFFE_SIDE)
        rn_caffe_fail(in, "has %lld as its %s", (long long)first, name);
    out[H] = (int)first;
    out[W] = both;
    for (int i = 0; i < AXES; i++) {
        char one[32];

        snprintf(one, sizeof(one), "%s_%s", base, suffix[i]);
        out[i] = rn_caffe_int(in, one, out[i], least, RN_CAFFE_SIDE);
    }
}

static struct rn_window read_window(struct rn_caffe *in)
{
    int k[AXES], stride[AXES], pad[AXES], step[AXES];

    read_pair(in, "kernel_size", "kernel", 0, 0, k);
    read_pair(in, "stride", "stride", 1, 1, stride);
    read_pair(in, "pad", "pad", 0, 0, pad);
    read_pair(in, "dilation", "dilation", 1, 1, step);
    if (!in->rc && (k[H] < 1 || k[W] < 1 ||
                    (int64_t)(k[H] - 1) * step[H] >= RN_CAFFE_SIDE ||
                    (int64_t)(k[W] - 1) * step[W] >= RN_CAFFE_SIDE))
        rn_caffe_fail(in, "has a window of %dx%d", k[H], k[W]);
    return (struct rn_window){.kh = k[H],
                              .kw = k[W],
                              .stride = stride[H],
                              .stride_w = stride[W],
                              .dilate_h = step[H] - 1,
                              .dilate_w = step[W] - 1,
                              .top = pad[H],
                              .bottom = pad[H],
                              .left = pad[W],
                              .right = pad[W]};
}

static void convolution(struct rn_caffe *in)
{
    char name[RN_IMPORT_NAME];
    int from = rn_caffe_picture(in, 0);
    struct rn_shape s = shape_of(in, from);
    struct rn_window w = read_window(in);
    int outs = rn_caffe_int(in, "num_output", 0, 1, INT_MAX);
    int groups = rn_caffe_int(in, "group", 1, 1, s.c);
    bool bias = rn_caffe_flag(in, "bias_term", true);
    const size_t oihw[] = {(size_t)outs, (size_t)(s.c / groups), (size_t)w.kh,
                           (size_t)w.kw};

    rn_caffe_int(in, "axis", 1, 1, 1);
    rn_caffe_expect(in, 0, 4, oihw);
    if (bias)
        rn_caffe_expect(in, 1, 1, oihw);
    if (in->rc)
        return;
    int v = rn_graph_conv_groups(in->g, from, rn_caffe_name(in, name), outs, w,
                                 groups, bias);
    rn_caffe_set(in, v);
    rn_caffe_load(in, 0, v, RN_P_WEIGHT);
    if (bias)
        rn_caffe_load(in, 1, v, RN_P_BIAS);
}

/* Whether Caffe would have a last window that starts behind the input, which
 * it cuts off only where there is padding. */
static bool starts_outside(int size, int k, int stride)
{
    return size > k &&
           ((int64_t)size - k + stride - 1) / stride * stride >= size;
}

static void pooling(struct rn_caffe *in)
{
    static const char *const pools[] = {"MAX", "AVE", NULL};
    static const char *const rounds[] = {"CEIL", "FLOOR", NULL};
    char name[RN_IMPORT_NAME];
    int from = rn_caffe_picture(in, 0);
    struct rn_shape s = shape_of(in, from);
    bool all = rn_caffe_flag(in, "global_pooling", false);
    bool mean = rn_caffe_choice(in, "pool", pools);
    struct rn_pool_options o = {
        .ceil = rn_caffe_choice(in, "round_mode", rounds) == 0 &&
                rn_caffe_flag(in, "ceil_mode", true),
        .count_padding = true};

    if (all)
        o.window = (struct rn_window)RN_WINDOW(s.h, s.w, 1, 0);
    else
        o.window = read_window(in);
    bool padded = o.window.top || o.window.left;
    bool whole = o.window.kh == s.h && o.window.kw == s.w && !padded;
    if (!in->rc && o.ceil && !padded &&
        (starts_outside(s.h, o.window.kh, o.window.stride) ||
         starts_outside(s.w, o.window.kw, o.window.stride_w)))
        rn_caffe_fail(in, "has a window that sees no pixel");
    if (in->rc)
        return;
    rn_caffe_name(in, name);
    if (mean && whole)
        rn_caffe_set(in, rn_graph_global_avg_pool(in->g, from, name));
    else if (mean)
        rn_caffe_set(in, rn_graph_avg_pool(in->g, from, name, &o));
    else
        rn_caffe_set(in, rn_graph_max_pool_with(in->g, from, name, &o));
}

/* --------------------------------------------------- scale, shift, products */

/* Sums of means and variances, and the number they are to be divided by. */
static void load_statistics(struct rn_caffe *in, int v)
{
    static const int places[] = {RN_P_MEAN, RN_P_VAR};
    float factor, share;

    if (in->rc || !in->weights)
        return;
    rn_caffe_blob_read(&in->weights->blobs[in->blobs->first + 2], &factor);
    share = factor == 0 ? 0 : 1 / factor;
    for (int i = 0; i < 2; i++) {
        struct rn_param *p = &in->g->params[in->g->nodes[v].param[places[i]]];

        rn_caffe_load(in, (uint32_t)i, v, places[i]);
        for (size_t k = 0; k < p->count; k++)
            p->data[k] *= share;
    }
}

/* Mean, variance, their factor; then NVIDIA's scale and shift. */
static void expect_norm(struct rn_caffe *in, size_t c, bool scaled)
{
    const size_t sizes[] = {c, c, 1, c, c};

    if (!scaled && in->blobs && in->blobs->blobs == COUNT(sizes))
        rn_caffe_fail(in, "has 5 blobs, but no 'scale_bias: true' that makes "
                          "the last two its scale and shift");
    for (uint32_t i = 0; i < (scaled ? 5 : 3); i++)
        rn_caffe_expect(in, i, 1, &sizes[i]);
    rn_caffe_claim(in, scaled ? 0 : 2 * c);
}

static void batch_norm(struct rn_caffe *in)
{
    char name[RN_IMPORT_NAME];
    int from = rn_caffe_picture(in, 0);
    float eps = rn_caffe_float(in, "eps", 1e-5f);
    bool scaled = rn_caffe_flag(in, "scale_bias", false);

    if (!(eps >= 0))
        rn_caffe_fail(in, "has %g as its eps", (double)eps);
    if (!rn_caffe_flag(in, "use_global_stats", true))
        rn_caffe_fail(in, "normalises by the batch's own statistics "
                          "(use_global_stats: false), as in training");
    expect_norm(in, (size_t)shape_of(in, from).c, scaled);
    if (in->rc)
        return;
    int v = rn_graph_batch_norm(in->g, from, rn_caffe_name(in, name));
    struct rn_caffe_top *out = rn_caffe_set(in, v);
    load_statistics(in, v);
    if (in->rc)
        return;
    out->norm = !scaled;
    in->g->nodes[v].eps = eps;
    fill(in, v, RN_P_WEIGHT, 1);
    if (scaled) {
        rn_caffe_load(in, 3, v, RN_P_WEIGHT);
        rn_caffe_load(in, 4, v, RN_P_BIAS);
    }
}

/* A node for a Scale: the batch norm before it, or one that does no more. */
static int scale_node(struct rn_caffe *in)
{
    char name[RN_IMPORT_NAME];
    struct rn_caffe_top *t = rn_caffe_bottom(in, 0);
    int v = t ? t->node : -1;

    if (t && t->norm && t->readers == 1) {
        t->node = -1;
        return v;
    }
    int from = rn_caffe_picture(in, 0);
    rn_caffe_claim(in, 3 * (uint64_t)shape_of(in, from).c);
    if (in->rc)
        return -1;
    v = rn_graph_batch_norm(in->g, from, rn_caffe_name(in, name));
    if (v >= 0) {
        fill(in, v, RN_P_VAR, 1);
        in->g->nodes[v].eps = 0;
    }
    return v;
}

/* The first bottom's numbers times the second's: of one shape, or a factor for
 * each picture's channel. */
static void scale_by_second(struct rn_caffe *in, int axis, bool bias)
{
    char name[RN_IMPORT_NAME];
    int x = rn_caffe_picture(in, 0), factor = rn_caffe_picture(in, 1);
    struct rn_shape s = shape_of(in, x), f = shape_of(in, factor);
    bool same = s.c == f.c && s.h == f.h && s.w == f.w;

    if (bias)
        rn_caffe_fail(in, "has a bias beside a factor that is computed");
    if (axis != 0 || s.c != f.c || (!same && (f.h != 1 || f.w != 1)))
        rn_caffe_fail(in,
                      "multiplies %dx%dx%d with %dx%dx%d from dimension %d on, "
                      "expected a factor for each channel from dimension 0 on",
                      s.c, s.h, s.w, f.c, f.h, f.w, axis);
    if (!in->rc)
        rn_caffe_set(
            in, rn_graph_multiply(in->g, x, factor, rn_caffe_name(in, name)));
}

static void scale_by_blob(struct rn_caffe *in, bool bias)
{
    int v = in->rc ? -1 : scale_node(in);

    rn_caffe_set(in, v);
    const size_t c = (size_t)shape_of(in, v).c;
    rn_caffe_expect(in, 0, 1, &c);
    rn_caffe_load(in, 0, v, RN_P_WEIGHT);
    if (!bias)
        return;
    rn_caffe_expect(in, 1, 1, &c);
    rn_caffe_load(in, 1, v, RN_P_BIAS);
}

static void scale(struct rn_caffe *in)
{
    bool bias = rn_caffe_flag(in, "bias_term", false);
    bool two = rn_caffe_bottoms(in) == 2;
    int axis = rn_caffe_int(in, "axis", 1, two ? 0 : 1, 1);

    if (two) {
        scale_by_second(in, axis, bias);
        return;
    }
    if (rn_caffe_bottoms(in) != 1)
        rn_caffe_fail(in, "reads %d values, expected one or two",
                      rn_caffe_bottoms(in));
    rn_caffe_int(in, "num_axes", 1, 1, 1);
    scale_by_blob(in, bias);
}

static void inner_product(struct rn_caffe *in)
{
    char name[RN_IMPORT_NAME];
    const struct rn_caffe_top *t = rn_caffe_bottom(in, 0);
    int from = t ? t->node : -1;
    struct rn_shape s = shape_of(in, from);
    int outs = rn_caffe_int(in, "num_output", 0, 1, INT_MAX);
    bool bias = rn_caffe_flag(in, "bias_term", true);
    const size_t dim[] = {(size_t)outs, rn_shape_size(s)};

    rn_caffe_int(in, "axis", 1, 1, 1);
    if (rn_caffe_flag(in, "transpose", false))
        rn_caffe_fail(in, "has its weights transposed");
    rn_caffe_expect(in, 0, 2, dim);
    if (bias)
        rn_caffe_expect(in, 1, 1, dim);
    else
        rn_caffe_claim(in, dim[0]);
    if (in->rc)
        return;
    int v = rn_graph_linear(in->g, from, rn_caffe_name(in, name), outs);
    rn_caffe_set(in, v);
    rn_caffe_load(in, 0, v, RN_P_WEIGHT);
    if (bias)
        rn_caffe_load(in, 1, v, RN_P_BIAS);
}

/* --------------------------------------------------------- number by number */

static void relu(struct rn_caffe *in)
{
    char name[RN_IMPORT_NAME];
    const struct rn_caffe_top *t = rn_caffe_bottom(in, 0);
    float slope = rn_caffe_float(in, "negative_slope", 0);

    if (in->rc)
        return;
    bool flat = t->flat;
    rn_caffe_name(in, name);
    struct rn_caffe_top *out = rn_caffe_set(
        in, slope == 0 ? rn_graph_relu(in->g, t->node, name)
                       : rn_graph_leaky_relu(in->g, t->node, name, slope));
    if (out)
        out->flat = flat;
}

static void sigmoid(struct rn_caffe *in)
{
    char name[RN_IMPORT_NAME];
    int from = rn_caffe_picture(in, 0);

    if (!in->rc)
        rn_caffe_set(in,
                     rn_graph_sigmoid(in->g, from, rn_caffe_name(in, name)));
}

/* A name for a part of the layer: "norm1.square". */
static const char *part_name(const struct rn_caffe *in, const char *part,
                             char name[RN_IMPORT_NAME])
{
    char text[RN_IMPORT_NAME];
    int n = snprintf(text, sizeof(text), "%.*s.%s", RN_PB_SHOW(in->name), part);

    return rn_import_name(
        in->g, (struct rn_pb){(const uint8_t *)text, n < 0 ? 0 : strlen(text)},
        name);
}

/* x * scale + shift, called `name`. */
static int affine(struct rn_caffe *in, int from, const char *name, float factor,
                  float shift)
{
    rn_caffe_claim(in, 4 * (uint64_t)shape_of(in, from).c);
    if (in->rc)
        return -1;
    int v = rn_graph_batch_norm(in->g, from, name);
    if (v < 0)
        return v;
    fill(in, v, RN_P_WEIGHT, factor);
    fill(in, v, RN_P_BIAS, shift);
    fill(in, v, RN_P_VAR, 1);
    in->g->nodes[v].eps = 0;
    return v;
}

/* (shift + scale x)^power */
static void power(struct rn_caffe *in)
{
    char name[RN_IMPORT_NAME];
    float exponent = rn_caffe_float(in, "power", 1);
    float factor = rn_caffe_float(in, "scale", 1);
    float shift = rn_caffe_float(in, "shift", 0);
    int v = rn_caffe_picture(in, 0);

    if (in->rc)
        return;
    if (exponent == 1 || factor != 1 || shift != 0)
        v = affine(in, v,
                   exponent == 1 ? rn_caffe_name(in, name)
                                 : part_name(in, "scale", name),
                   factor, shift);
    rn_caffe_check(in, v);
    if (!in->rc && exponent != 1)
        v = rn_graph_activation(in->g, v, rn_caffe_name(in, name),
                                RN_FUNCTION_POWER, exponent, 0);
    rn_caffe_set(in, v);
}

static void function(struct rn_caffe *in, enum rn_function f, float a)
{
    char name[RN_IMPORT_NAME];
    int from = rn_caffe_picture(in, 0);

    if (!in->rc)
        rn_caffe_set(in, rn_graph_activation(in->g, from,
                                             rn_caffe_name(in, name), f, a, 0));
}

static void tanh_layer(struct rn_caffe *in)
{
    function(in, RN_FUNCTION_TANH, 0);
}

static void absolute(struct rn_caffe *in)
{
    function(in, RN_FUNCTION_ABSOLUTE, 0);
}

static void elu(struct rn_caffe *in)
{
    function(in, RN_FUNCTION_ELU, rn_caffe_float(in, "alpha", 1));
}

/* A slope for each channel, or one for all. */
static void prelu(struct rn_caffe *in)
{
    char name[RN_IMPORT_NAME];
    int from = rn_caffe_picture(in, 0);
    bool shared = rn_caffe_flag(in, "channel_shared", false);
    size_t c = (size_t)shape_of(in, from).c, slopes = shared ? 1 : c;

    rn_caffe_expect(in, 0, 1, &slopes);
    rn_caffe_claim(in, c - slopes);
    if (in->rc)
        return;
    int v = rn_graph_prelu(in->g, from, rn_caffe_name(in, name));
    rn_caffe_set(in, v);
    rn_caffe_load(in, 0, v, RN_P_WEIGHT);
    if (!in->rc && shared)
        fill(in, v, RN_P_WEIGHT,
             in->g->params[in->g->nodes[v].param[RN_P_WEIGHT]].data[0]);
}

/* Dropout does nothing outside training, Split nothing at all. */
static void same(struct rn_caffe *in)
{
    rn_caffe_set_all(in, rn_caffe_bottom(in, 0));
}

static void softmax(struct rn_caffe *in)
{
    char name[RN_IMPORT_NAME];
    int from = rn_caffe_picture(in, 0);

    rn_caffe_int(in, "axis", 1, 1, 1);
    if (!in->rc)
        rn_caffe_set(in,
                     rn_graph_softmax(in->g, from, rn_caffe_name(in, name)));
}

static void no_classes(struct rn_caffe *in)
{
    rn_caffe_fail(in, "compares numbers, so that the network's are not those "
                      "of classes: --output names the value that is");
}

static void flatten(struct rn_caffe *in)
{
    int from = rn_caffe_picture(in, 0);

    rn_caffe_int(in, "axis", 1, 1, 1);
    rn_caffe_int(in, "end_axis", -1, -1, -1);
    struct rn_shape s = shape_of(in, from);
    struct rn_caffe_top *out = rn_caffe_set(in, from);
    if (out)
        out->flat = s.h != 1 || s.w != 1;
}

/* The sizes asked for behind the number of pictures, 0 and -1 replaced, missing
 * ones as 1; how many were given, 0 when they do not fit. */
static int read_sizes(struct rn_caffe *in, struct rn_shape s, int64_t size[4])
{
    const int64_t own[4] = {1, s.c, s.h, s.w};
    const struct rn_prototxt_field *f = NULL;
    const struct rn_prototxt_field *shape =
        rn_prototxt_last(in->net, in->param, "shape");
    int64_t rest = (int64_t)rn_shape_size(s);
    int n = 0, open = -1;

    for (; n < 4 && (f = rn_prototxt_next(in->net, shape, "dim", f)); n++) {
        if (!rn_prototxt_integer(f, &size[n]) || size[n] < -1)
            return 0;
        size[n] = size[n] ? size[n] : own[n];
        if (size[n] == -1 && (open >= 0 || n == 0))
            return 0;
        if (size[n] == -1)
            open = n;
        else if (n && rest % size[n])
            return 0;
        else if (n)
            rest /= size[n];
    }
    for (int i = n; i < 4; i++)
        size[i] = 1;
    if (open > 0)
        size[open] = rest;
    bool more = f && rn_prototxt_next(in->net, shape, "dim", f);
    return more || size[0] != 1 || (open < 0 && rest != 1) ? 0 : n;
}

/* To a row of numbers, or to what it is or was: each picture on its own. */
static void reshape(struct rn_caffe *in)
{
    const struct rn_caffe_top *t = rn_caffe_bottom(in, 0);
    int from = t ? t->node : -1;
    struct rn_shape s = shape_of(in, from);
    int64_t size[4] = {0};

    rn_caffe_int(in, "axis", 0, 0, 0);
    rn_caffe_int(in, "num_axes", -1, -1, -1);
    rn_caffe_known(in, rn_prototxt_last(in->net, in->param, "shape"), "dim*");
    int n = in->rc ? 0 : read_sizes(in, s, size);
    bool same = size[1] == s.c && size[2] == s.h && size[3] == s.w;
    bool row = size[1] == (int64_t)rn_shape_size(s);
    if (n < 2 || (!same && !row))
        rn_caffe_fail(in,
                      "makes of %dx%dx%d something that is neither it nor "
                      "its list of numbers",
                      s.c, s.h, s.w);
    struct rn_caffe_top *out = rn_caffe_set(in, from);
    if (out)
        out->flat = !same;
}

/* x / (1 + alpha * mean of squares in the window around)^beta */
static void lrn_within(struct rn_caffe *in, int x, const struct rn_lrn *o)
{
    struct rn_pool_options window = {
        .window = RN_WINDOW(o->size, o->size, 1, (o->size - 1) / 2),
        .count_padding = true};
    char name[RN_IMPORT_NAME];

    if (o->size % 2 == 0)
        rn_caffe_fail(in, "has %d as its local_size, expected an odd one",
                      o->size);
    if (in->rc)
        return;
    int v = rn_graph_activation(in->g, x, part_name(in, "square", name),
                                RN_FUNCTION_POWER, 2, 0);
    v = rn_graph_avg_pool(in->g, v, part_name(in, "mean", name), &window);
    rn_caffe_check(in, v);
    if (!in->rc)
        v = affine(in, v, part_name(in, "base", name), o->alpha, 1);
    rn_caffe_check(in, v);
    if (in->rc)
        return;
    v = rn_graph_activation(in->g, v, part_name(in, "power", name),
                            RN_FUNCTION_POWER, -o->beta, 0);
    rn_caffe_set(in, rn_graph_multiply(in->g, x, v, rn_caffe_name(in, name)));
}

static void lrn(struct rn_caffe *in)
{
    static const char *const regions[] = {"ACROSS_CHANNELS", "WITHIN_CHANNEL",
                                          NULL};
    char name[RN_IMPORT_NAME];
    int from = rn_caffe_picture(in, 0);
    bool within = rn_caffe_choice(in, "norm_region", regions) == 1;
    struct rn_lrn o = {.size =
                           rn_caffe_int(in, "local_size", 5, 1, RN_CAFFE_SIDE),
                       .alpha = rn_caffe_float(in, "alpha", 1),
                       .beta = rn_caffe_float(in, "beta", 0.75f),
                       .k = rn_caffe_float(in, "k", 1)};

    if (within)
        lrn_within(in, from, &o);
    else if (!in->rc)
        rn_caffe_set(in, rn_graph_lrn(in->g, from, rn_caffe_name(in, name), o));
}

/* --------------------------------------------------------- several together */

enum { PRODUCT, SUM, MAXIMUM };

/* The larger of a and b: the channels of both, as pieces of a maxout. */
static int larger(struct rn_caffe *in, int a, int b, const char *last)
{
    const struct rn_shape x = shape_of(in, a), y = shape_of(in, b);
    char name[RN_IMPORT_NAME];

    if (!in->rc && (x.c != y.c || x.h != y.h || x.w != y.w))
        rn_caffe_fail(in, "compares %dx%dx%d and %dx%dx%d", x.c, x.h, x.w, y.c,
                      y.h, y.w);
    if (in->rc)
        return -1;
    int v = rn_graph_concat(in->g, a, b, part_name(in, "both", name));
    return rn_graph_maxout(in->g, v, last, 2);
}

static int join(struct rn_caffe *in, int how, int a, int b)
{
    char name[RN_IMPORT_NAME];

    rn_caffe_name(in, name);
    if (how == MAXIMUM)
        return larger(in, a, b, name);
    return how == PRODUCT ? rn_graph_multiply(in->g, a, b, name)
                          : rn_graph_add(in->g, a, b, name);
}

/* Value i of those that are joined, times its coefficient. */
static int summand(struct rn_caffe *in, int i,
                   const struct rn_prototxt_field *coeff)
{
    char name[RN_IMPORT_NAME];
    double factor = 1;
    int v = rn_caffe_picture(in, i);

    if (coeff && !rn_prototxt_number(coeff, &factor))
        rn_caffe_fail(in, "has '%.*s' as a coeff", RN_PB_SHOW(coeff->value));
    if (in->rc || factor == 1)
        return v;
    v = affine(in, v, part_name(in, "times", name), (float)factor, 0);
    rn_caffe_check(in, v);
    return v;
}

/* Sums, products and maxima of several values: nodes of two each, the last one
 * called as the layer. */
static void eltwise(struct rn_caffe *in)
{
    static const char *const operations[] = {"PROD", "SUM", "MAX", NULL};
    const struct rn_prototxt_field *coeff = NULL, *f = NULL;
    int n = rn_caffe_bottoms(in), v = -1, coeffs = 0;
    int how = rn_prototxt_last(in->net, in->param, "operation")
                  ? rn_caffe_choice(in, "operation", operations)
                  : SUM;

    while ((f = rn_prototxt_next(in->net, in->param, "coeff", f)))
        coeffs++;
    if (coeffs && (how != SUM || coeffs != n))
        rn_caffe_fail(in,
                      "has %d coeffs for %d values, expected one for each "
                      "of a sum",
                      coeffs, n);
    if (n < 2)
        rn_caffe_fail(in, "reads %d values, expected two or more", n);
    for (int i = 0; i < n && !in->rc; i++) {
        coeff = coeffs ? rn_prototxt_next(in->net, in->param, "coeff", coeff)
                       : NULL;
        int b = summand(in, i, coeff);
        if (in->rc)
            return;
        v = i ? join(in, how, v, b) : b;
        rn_caffe_check(in, v);
    }
    if (!in->rc)
        rn_caffe_set(in, v);
}

/* SENet's: the first bottom, a factor for each channel, times the second, and
 * the third added. */
static void axpy(struct rn_caffe *in)
{
    char name[RN_IMPORT_NAME];
    int factor = rn_caffe_picture(in, 0), x = rn_caffe_picture(in, 1);
    int y = rn_caffe_picture(in, 2);
    struct rn_shape f = shape_of(in, factor), s = shape_of(in, x);

    if (f.c != s.c || f.h != 1 || f.w != 1)
        rn_caffe_fail(in,
                      "multiplies %dx%dx%d with %dx%dx%d, expected a "
                      "factor for each channel",
                      s.c, s.h, s.w, f.c, f.h, f.w);
    if (in->rc)
        return;
    int v = rn_graph_multiply(in->g, x, factor, part_name(in, "times", name));
    rn_caffe_set(in, rn_graph_add(in->g, v, y, rn_caffe_name(in, name)));
}

/* Where part i of so many ends: told, or of equal parts. */
static int slice_end(struct rn_caffe *in, const struct rn_prototxt_field *point,
                     int i, int parts, int channels)
{
    int64_t end = (int64_t)channels * (i + 1) / parts;

    if (point && !rn_prototxt_integer(point, &end))
        rn_caffe_fail(in, "has '%.*s' as a slice_point",
                      RN_PB_SHOW(point->value));
    return end < 0 || end > channels ? channels : (int)end;
}

/* Each top is a run of the channels. */
static void slice(struct rn_caffe *in)
{
    const struct rn_prototxt_field *point = NULL, *top = NULL;
    int from = rn_caffe_picture(in, 0), parts = 0, points = 0, first = 0;
    int channels = shape_of(in, from).c;

    rn_caffe_int(in, "axis", 1, 1, 1);
    rn_caffe_int(in, "slice_dim", 1, 1, 1);
    while ((top = rn_prototxt_next(in->net, in->layer, "top", top)))
        parts++;
    while ((point = rn_prototxt_next(in->net, in->param, "slice_point", point)))
        points++;
    if (parts < 1 || (points && points != parts - 1) ||
        (!points && channels % parts))
        rn_caffe_fail(in, "makes %d parts of %d channels at %d points", parts,
                      channels, points);
    for (int i = 0; i < parts && !in->rc; i++) {
        char name[RN_IMPORT_NAME];
        bool last = i == parts - 1;

        top = rn_prototxt_next(in->net, in->layer, "top", top);
        if (points && !last)
            point = rn_prototxt_next(in->net, in->param, "slice_point", point);
        int end =
            slice_end(in, points && !last ? point : NULL, i, parts, channels);
        if (!in->rc && end <= first)
            rn_caffe_fail(in,
                          "has slice_points that do not rise within %d "
                          "channels",
                          channels);
        if (in->rc)
            return;
        rn_caffe_set_named(
            in, top->value,
            rn_graph_select(
                in->g, from, rn_import_name(in->g, top->value, name),
                end - first, (struct rn_selection){first, end - first, 1, 0}));
        first = end;
    }
}

static void concat(struct rn_caffe *in)
{
    char name[RN_IMPORT_NAME];
    int values[RN_CAFFE_BOTTOMS], n = rn_caffe_bottoms(in);

    rn_caffe_int(in, "axis", 1, 1, 1);
    rn_caffe_int(in, "concat_dim", 1, 1, 1);
    for (int i = 0; i < n && !in->rc; i++)
        values[i] = rn_caffe_picture(in, i);
    if (!in->rc)
        rn_caffe_set(
            in, rn_graph_concat_all(in->g, values, n, rn_caffe_name(in, name)));
}

/* ------------------------------------------------------------------- table */

#define WINDOW                                                             \
    "kernel_size* kernel_h kernel_w stride* stride_h stride_w pad* pad_h " \
    "pad_w "

/* Fields whose names are longer than a line's share. */
static const char convolution_fields[] =
    WINDOW "num_output bias_term dilation* group axis | weight_filler "
           "bias_filler engine force_nd_im2col";
static const char pooling_fields[] =
    WINDOW "pool global_pooling round_mode ceil_mode | engine";
static const char batch_norm_fields[] =
    "use_global_stats eps scale_bias | moving_average_fraction scale_filler "
    "bias_filler engine";
static const char inner_product_fields[] =
    "num_output bias_term axis transpose | weight_filler bias_filler";
static const char scale_fields[] =
    "axis num_axes bias_term | filler bias_filler";

/* Types as they are written now, the field their numbers are in, and which it
 * may have (known.c). The older INNER_PRODUCT is the same word in other
 * letters. */
static const struct {
    const char *type, *param;
    rn_caffe_layer *layer;
    const char *fields;
} types[] = {
    {"Convolution", "convolution_param", convolution, convolution_fields},
    {"Pooling", "pooling_param", pooling, pooling_fields},
    {"BatchNorm", "batch_norm_param", batch_norm, batch_norm_fields},
    {"Scale", "scale_param", scale, scale_fields},
    {"InnerProduct", "inner_product_param", inner_product,
     inner_product_fields},
    {"ReLU", "relu_param", relu, "negative_slope | engine"},
    {"Sigmoid", "sigmoid_param", sigmoid, "| engine"},
    {"Dropout", "dropout_param", same, "| dropout_ratio"},
    {"Split", NULL, same, NULL},
    {"Softmax", "softmax_param", softmax, "axis | engine"},
    {"SoftmaxWithLoss", "softmax_param", softmax, "axis | engine"},
    {"SOFTMAX_LOSS", "softmax_param", softmax, "axis | engine"},
    {"MultinomialLogisticLoss", NULL, same, NULL},
    {"InfogainLoss", "softmax_param", softmax, "axis | engine"},
    {"SigmoidCrossEntropyLoss", "sigmoid_param", sigmoid, "| engine"},
    {"EuclideanLoss", NULL, no_classes, NULL},
    {"HingeLoss", NULL, no_classes, NULL},
    {"ContrastiveLoss", NULL, no_classes, NULL},
    {"Power", "power_param", power, "power scale shift"},
    {"TanH", "tanh_param", tanh_layer, "| engine"},
    {"AbsVal", NULL, absolute, NULL},
    {"ELU", "elu_param", elu, "alpha"},
    {"PReLU", "prelu_param", prelu, "channel_shared | filler"},
    {"Slice", "slice_param", slice, "axis slice_dim slice_point*"},
    {"Axpy", "axpy_param", axpy, ""},
    {"Flatten", "flatten_param", flatten, "axis end_axis"},
    {"Reshape", "reshape_param", reshape, "shape axis num_axes"},
    {"LRN", "lrn_param", lrn, "local_size alpha beta k norm_region | engine"},
    {"Eltwise", "eltwise_param", eltwise,
     "operation coeff* | stable_prod_grad"},
    {"Concat", "concat_param", concat, "axis concat_dim"},
    {"Input", "input_param", input, "shape*"},
    {"Data", "transform_param", data, transform_fields},
    {"ImageData", "transform_param", data, transform_fields},
    {"HDF5Data", "transform_param", data, transform_fields},
    {"Accuracy", NULL, nothing, NULL},
    {"ArgMax", NULL, nothing, NULL},
    {"Silence", NULL, nothing, NULL},
};

static int lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static bool same_word(struct rn_pb text, const char *word)
{
    size_t i = 0;

    for (; *word; word++) {
        if (*word == '_')
            continue;
        while (i < text.size && text.at[i] == '_')
            i++;
        if (i == text.size || lower(text.at[i++]) != lower(*word))
            return false;
    }
    return i == text.size;
}

rn_caffe_layer *rn_caffe_layer_of(struct rn_caffe *in)
{
    for (size_t i = 0; i < COUNT(types); i++)
        if (same_word(in->type, types[i].type)) {
            in->param = types[i].param ? rn_prototxt_last(in->net, in->layer,
                                                          types[i].param)
                                       : NULL;
            if (types[i].fields)
                rn_caffe_known(in, in->param, types[i].fields);
            return types[i].layer;
        }
    return NULL;
}
