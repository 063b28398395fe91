/* SPDX-License-Identifier: BSD-2-Clause */
/* The sections of a Darknet network, one after the other. */
#include "core/count.h"
#include "core/memory.h"
#include "core/locale.h"
#include "formats/darknet/darknet.h"
#include "model/head.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDE      65535 /* of pictures, windows and strides */
#define CHANNELS  4096  /* of the input */
#define NODES     20000 /* of the graph */
#define ROUTES    64    /* values that one layer joins */
#define NAME_SIZE 48

#define LEAKY_SLOPE 0.1f
/* Within the root, as on the graphics processors that Darknet's networks were
 * trained and measured on. Its code for CPUs adds 1e-6 to the root instead. */
#define BN_EPS 1e-5f

struct darknet {
    const struct rn_cfg *cfg;
    const struct rn_darknet_weights *weights; /* NULL: structure alone */
    const uint8_t *at;                        /* in the weights */
    size_t floats_left;                       /* there */
    uint64_t params_left;                     /* without weights */
    bool transposed;                          /* connected layers' weights */
    struct rn_graph *g;
    int *values; /* of layers */
    int layers;  /* so far; the first section is none */
    const struct rn_cfg_section *section;
    int rc; /* first failure; later calls then do nothing */
    struct rn_error *err;
};

__attribute__((format(printf, 2, 3))) static void fail(struct darknet *in,
                                                       const char *format, ...)
{
    char text[300];
    va_list args;

    if (in->rc)
        return;
    va_start(args, format);
    rn_format_list(text, sizeof(text), format, args);
    va_end(args);
    in->rc = rn_fail(in->err, RN_ERR_DATA, "'%s': [%.*s] in line %d %s",
                     in->cfg->path, RN_PB_SHOW(in->section->name),
                     in->section->line, text);
}

/* ------------------------------------------------------------------ values */

/* An integer of its own or the next of a list; moves behind it and its comma.
 */
static bool take_integer(struct rn_pb *text, long *out)
{
    char number[24], *end;
    const uint8_t *comma = memchr(text->at, ',', text->size);
    size_t size = comma ? (size_t)(comma - text->at) : text->size;

    if (size == 0 || size >= sizeof(number))
        return false;
    memcpy(number, text->at, size);
    number[size] = '\0';
    errno = 0;
    *out = strtol(number, &end, 10);
    while (*end == ' ' || *end == '\t')
        end++;
    size += comma != NULL;
    text->at += size;
    text->size -= size;
    return end != number && !*end && !errno;
}

static int integer(struct darknet *in, const char *key, int otherwise,
                   int least, int most)
{
    const struct rn_pb *value = rn_cfg_find(in->cfg, in->section, key);
    long number = otherwise;
    struct rn_pb rest = value ? *value : (struct rn_pb){NULL, 0};

    if (value && (!take_integer(&rest, &number) || rest.size))
        fail(in, "has '%.*s' as its %s", RN_PB_SHOW(*value), key);
    else if (number < least || number > most)
        fail(in, "has %ld as its %s, expected %d to %d", number, key, least,
             most);
    return in->rc ? otherwise : (int)number;
}

/* What only other uses of Darknet need, and changes what is computed. */
static const struct {
    const char *key, *value;
} plain[] = {
    {"binary", "0"},       {"xnor", "0"},
    {"flipped", "0"},      {"dilation", "1"},
    {"antialiasing", "0"}, {"alpha", "1"},
    {"beta", "1"},         {"tree", ""},
    {"temperature", "1"},  {"group_id", "0"},
    {"stride_x", ""},      {"stride_y", ""},
    {"share_index", ""},   {"weights_type", "none"},
    {"spatial", "0"},      {"dontloadscales", "0"},
    {"dontload", "0"},
};

static bool is_plain_key(struct rn_pb key)
{
    for (size_t i = 0; i < COUNT(plain); i++)
        if (rn_pb_is(key, plain[i].key))
            return true;
    return false;
}

static void check_plain(struct darknet *in)
{
    for (size_t i = 0; i < COUNT(plain); i++) {
        const struct rn_pb *v = rn_cfg_find(in->cfg, in->section, plain[i].key);

        if (v && !rn_pb_is(*v, plain[i].value))
            fail(in, "has %s=%.*s, which is not known here", plain[i].key,
                 RN_PB_SHOW(*v));
    }
}

/* "12.conv" of the layer being read. */
static const char *name_of(const struct darknet *in, const char *what,
                           char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "%d.%s", in->layers, what);
    return name;
}

static void check_node(struct darknet *in, int node)
{
    if (in->rc || node >= 0)
        return;
    fail(in, "cannot be built: %.200s", in->g->error.msg);
    if (in->g->error.code == RN_ERR_MEMORY)
        in->rc = rn_fail(in->err, RN_ERR_MEMORY, "%s", in->g->error.msg);
}

static void add_layer(struct darknet *in, int node)
{
    check_node(in, node);
    if (!in->rc && in->g->n_nodes > NODES)
        fail(in, "makes the network larger than %d nodes", NODES);
    if (!in->rc)
        in->values[in->layers++] = node;
}

/* The value of layer i; that of the input before the first one. */
static int value_of(const struct darknet *in, int i)
{
    if (in->rc)
        return -1;
    return i < 0 ? 0 : in->values[i];
}

static int previous(struct darknet *in)
{
    return value_of(in, in->layers - 1);
}

/* A layer told by its number, or from the one being read backwards. */
static int told_value(struct darknet *in, long from)
{
    long i = from < 0 ? from + in->layers : from;

    if (i < 0 || i >= in->layers) {
        fail(in, "reads layer %ld, having %d before it", from, in->layers);
        return -1;
    }
    return value_of(in, (int)i);
}

static struct rn_shape shape_of(const struct darknet *in, int node)
{
    return in->rc ? (struct rn_shape){1, 1, 1} : in->g->nodes[node].shape;
}

/* ----------------------------------------------------------------- weights */

/* Count parameters about to be made against what is there. */
static void claim(struct darknet *in, const size_t *factors, size_t n,
                  size_t besides)
{
    size_t count = 1;

    for (size_t i = 0; i < n; i++)
        if (!rn_size_mul(count, factors[i], &count))
            count = SIZE_MAX;
    if (!rn_size_add(count, besides, &count))
        count = SIZE_MAX;
    if (in->rc)
        return;
    if (in->weights && count > in->floats_left)
        fail(in, "has %zu numbers, '%s' but %zu more", count, in->weights->path,
             in->floats_left);
    else if (!in->weights && count > in->params_left)
        fail(in, "makes the network larger than a GiB");
    else if (!in->weights)
        in->params_left -= count;
}

/* The next numbers of the file; they have been claimed. */
static void load(struct darknet *in, int node, int place)
{
    if (in->rc || !in->weights)
        return;
    struct rn_param *p = &in->g->params[in->g->nodes[node].param[place]];
    memcpy(p->data, in->at, p->count * sizeof(*p->data));
    in->at += p->count * sizeof(*p->data);
    in->floats_left -= p->count;
}

static void load_norm(struct darknet *in, int node)
{
    load(in, node, RN_P_WEIGHT);
    load(in, node, RN_P_MEAN);
    load(in, node, RN_P_VAR);
}

static uint32_t word(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
           (uint32_t)at[3] << 24;
}

/* Major, minor, revision, images seen: the last of 8 bytes since 0.2. */
static int read_header(struct darknet *in, struct rn_error *err)
{
    const struct rn_darknet_weights *w = in->weights;
    size_t head = 16;

    if (!w)
        return RN_OK;
    if (w->size >= head) {
        uint64_t major = word(w->bytes), minor = word(w->bytes + 4);

        in->transposed = major > 1000 || minor > 1000;
        if (major * 10 + minor >= 2 && major < 1000 && minor < 1000)
            head = 20;
    }
    if (w->size < head || (w->size - head) % sizeof(float))
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': %zu bytes are not a header and whole numbers",
                       w->path, w->size);
    in->at = w->bytes + head;
    in->floats_left = (w->size - head) / sizeof(float);
    return RN_OK;
}

/* ------------------------------------------------------------------ layers */

typedef void layer_reader(struct darknet *in);

/* The layer's value after its activation. */
static void activate(struct darknet *in, int node, const char *otherwise)
{
    const struct rn_pb *given = rn_cfg_find(in->cfg, in->section, "activation");
    struct rn_pb a = {(const uint8_t *)otherwise, strlen(otherwise)};
    char name[NAME_SIZE];

    check_node(in, node);
    if (given)
        a = *given;
    if (in->rc)
        return;
    if (rn_pb_is(a, "leaky"))
        node = rn_graph_leaky_relu(in->g, node, name_of(in, "leaky", name),
                                   LEAKY_SLOPE);
    else if (rn_pb_is(a, "relu"))
        node = rn_graph_relu(in->g, node, name_of(in, "relu", name));
    else if (rn_pb_is(a, "logistic"))
        node = rn_graph_sigmoid(in->g, node, name_of(in, "logistic", name));
    else if (!rn_pb_is(a, "linear"))
        fail(in, "has activation '%.*s', which is not known here",
             RN_PB_SHOW(a));
    add_layer(in, node);
}

/* Batch norm of a value; its bias is the first of the layer's numbers. */
static int norm_node(struct darknet *in, int node)
{
    char name[NAME_SIZE];

    check_node(in, node);
    if (in->rc)
        return -1;
    node = rn_graph_batch_norm(in->g, node, name_of(in, "bn", name));
    check_node(in, node);
    if (!in->rc)
        in->g->nodes[node].eps = BN_EPS;
    return node;
}

static void convolutional(struct darknet *in)
{
    char name[NAME_SIZE];
    int from = previous(in);
    struct rn_shape s = shape_of(in, from);
    int outs = integer(in, "filters", 1, 1, INT_MAX);
    int size = integer(in, "size", 1, 1, SIDE);
    int stride = integer(in, "stride", 1, 1, SIDE);
    int padding = integer(in, "padding", 0, 0, SIDE);
    int groups = integer(in, "groups", 1, 1, s.c);
    bool norm = integer(in, "batch_normalize", 0, 0, 1);

    if (integer(in, "pad", 0, 0, 1))
        padding = size / 2;
    const size_t oihw[] = {(size_t)outs, (size_t)(s.c / groups), (size_t)size,
                           (size_t)size};
    claim(in, oihw, COUNT(oihw), (norm ? 4 : 1) * (size_t)outs);
    if (in->rc)
        return;
    int conv = rn_graph_conv_groups(
        in->g, from, name_of(in, "conv", name), outs,
        (struct rn_window)RN_WINDOW(size, size, stride, padding), groups,
        !norm);
    int last = norm ? norm_node(in, conv) : conv;
    check_node(in, last);
    load(in, last, RN_P_BIAS);
    if (norm)
        load_norm(in, last);
    load(in, conv, RN_P_WEIGHT);
    activate(in, last, "logistic");
}

static void connected(struct darknet *in)
{
    char name[NAME_SIZE];
    int from = previous(in);
    struct rn_shape s = shape_of(in, from);
    int outs = integer(in, "output", 1, 1, INT_MAX);
    bool norm = integer(in, "batch_normalize", 0, 0, 1);
    const size_t dim[] = {(size_t)outs, (size_t)s.c, (size_t)s.h, (size_t)s.w};

    if (in->transposed)
        fail(in, "has its weights transposed, as files older than 0.1 have");
    claim(in, dim, COUNT(dim), (norm ? 4 : 1) * (size_t)outs);
    if (in->rc)
        return;
    int fc = rn_graph_linear(in->g, from, name_of(in, "fc", name), outs);
    int last = norm ? norm_node(in, fc) : fc;
    check_node(in, last);
    load(in, last, RN_P_BIAS);
    load(in, fc, RN_P_WEIGHT);
    if (norm)
        load_norm(in, last);
    activate(in, last, "logistic");
}

/* One pixel in `stride` of another layer's value, and zeros for the channels
 * it lacks: shortcut A of He et al. 2016. */
static int resample(struct darknet *in, int from, struct rn_shape to)
{
    char name[NAME_SIZE];
    struct rn_shape s = shape_of(in, from);
    int stride = s.w / to.w;

    if (in->rc || (s.c == to.c && s.h == to.h && s.w == to.w))
        return from;
    if (s.c > to.c || stride < 1 || stride != s.h / to.h ||
        (s.w + stride - 1) / stride != to.w ||
        (s.h + stride - 1) / stride != to.h) {
        fail(in, "adds %dx%dx%d to %dx%dx%d", s.c, s.h, s.w, to.c, to.h, to.w);
        return -1;
    }
    return rn_graph_subsample_pad(in->g, from, name_of(in, "pad", name), to.c,
                                  0, stride);
}

static void shortcut(struct darknet *in)
{
    char name[NAME_SIZE];
    int a = previous(in);
    int from = told_value(in, integer(in, "from", 0, INT_MIN, INT_MAX));
    int b = resample(in, from, shape_of(in, a));

    check_node(in, b);
    if (!in->rc)
        activate(in, rn_graph_add(in->g, a, b, name_of(in, "add", name)),
                 "linear");
}

/* Half of the padding, rounded down, lies before the picture. */
static void maxpool(struct darknet *in)
{
    char name[NAME_SIZE];
    int from = previous(in);
    int stride = integer(in, "stride", 1, 1, SIDE);
    int size = integer(in, "size", stride, 1, SIDE);
    int padding = integer(in, "padding", size - 1, 0, SIDE);
    struct rn_window w = {.kh = size, .kw = size, .stride = stride};

    w.top = w.left = padding / 2;
    w.bottom = w.right = padding - padding / 2;
    if (!in->rc)
        add_layer(in,
                  rn_graph_max_pool(in->g, from, name_of(in, "pool", name), w));
}

static void avgpool(struct darknet *in)
{
    char name[NAME_SIZE];
    int from = previous(in);

    if (!in->rc)
        add_layer(in, rn_graph_global_avg_pool(in->g, from,
                                               name_of(in, "pool", name)));
}

static void route(struct darknet *in)
{
    char name[NAME_SIZE];
    int values[ROUTES], n = 0;
    const struct rn_pb *list = rn_cfg_find(in->cfg, in->section, "layers");
    struct rn_pb rest = list ? *list : (struct rn_pb){NULL, 0};

    integer(in, "groups", 1, 1, 1);
    if (rest.size == 0)
        fail(in, "has no layers");
    while (rest.size && !in->rc) {
        long from;

        if (n == ROUTES || !take_integer(&rest, &from))
            fail(in, "has layers=%.*s", RN_PB_SHOW(*list));
        else
            values[n++] = told_value(in, from);
    }
    if (!in->rc)
        add_layer(in, rn_graph_concat_all(in->g, values, n,
                                          name_of(in, "route", name)));
}

static void softmax(struct darknet *in)
{
    char name[NAME_SIZE];
    int from = previous(in);

    integer(in, "groups", 1, 1, 1);
    if (!in->rc)
        add_layer(in,
                  rn_graph_softmax(in->g, from, name_of(in, "softmax", name)));
}

static void logistic(struct darknet *in)
{
    char name[NAME_SIZE];
    int from = previous(in);

    if (!in->rc)
        add_layer(in,
                  rn_graph_sigmoid(in->g, from, name_of(in, "logistic", name)));
}

/* What does nothing outside training. */
static void dropout(struct darknet *in)
{
    add_layer(in, previous(in));
}

static void cost(struct darknet *in)
{
    (void)in;
}

/* Keys of a type: those behind the bar are for training alone. Those of
 * check_plain() are anybody's. */
static const struct type {
    const char *name, *other;
    layer_reader *read;
    const char *keys;
} types[] = {
    {"convolutional", "conv", convolutional,
     "filters size stride pad padding groups batch_normalize activation | "
     "learning_rate stopbackward"},
    {"connected", "conn", connected,
     "output batch_normalize activation | learning_rate stopbackward"},
    {"shortcut", NULL, shortcut, "from activation"},
    {"maxpool", "max", maxpool, "size stride padding"},
    {"avgpool", "avg", avgpool, ""},
    {"route", NULL, route, "layers groups"},
    {"softmax", "soft", softmax, "groups | noloss"},
    {"logistic", NULL, logistic, ""},
    {"dropout", NULL, dropout, "| probability"},
    {"cost", NULL, cost, "| type scale sse ratio noobj thresh smooth"},
};

static const char net_keys[] =
    "height width channels | batch subdivisions inputs max_crop min_crop "
    "max_ratio min_ratio center angle aspect saturation exposure hue momentum "
    "decay learning_rate burn_in policy power max_batches steps scales step "
    "scale gamma time_steps notruth random adam B1 B2 eps mosaic cutmix mixup "
    "blur flip label_smooth_eps";

static const struct type *type_of(struct rn_pb name)
{
    for (size_t i = 0; i < COUNT(types); i++)
        if (rn_pb_is(name, types[i].name) ||
            (types[i].other && rn_pb_is(name, types[i].other)))
            return &types[i];
    return NULL;
}

/* A key that nobody reads may be one that changes what is computed. */
static void check_keys(struct darknet *in, const char *keys)
{
    for (uint32_t i = 0; i < in->section->count; i++) {
        struct rn_pb key = in->cfg->values[in->section->first + i].key;

        if (!rn_pb_word(key, keys) && !is_plain_key(key))
            fail(in, "has the key '%.*s', which is not known here",
                 RN_PB_SHOW(key));
    }
}

/* ------------------------------------------------------------------- whole */

static void read_net(struct darknet *in)
{
    struct rn_pb name = in->section->name;

    if (!rn_pb_is(name, "net") && !rn_pb_is(name, "network"))
        fail(in, "is the first section, expected [net]");
    check_keys(in, net_keys);
    struct rn_shape s = {integer(in, "channels", 0, 1, CHANNELS),
                         integer(in, "height", 0, 1, SIDE),
                         integer(in, "width", 0, 1, SIDE)};
    if (!in->rc)
        check_node(in, rn_graph_input(in->g, s));
}

static void read_layer(struct darknet *in)
{
    const struct type *type = type_of(in->section->name);

    if (!type)
        fail(in, "is not known here");
    check_plain(in);
    if (!in->rc)
        check_keys(in, type->keys);
    if (!in->rc)
        type->read(in);
}

static void set_output(struct darknet *in)
{
    int v = in->layers ? in->values[in->layers - 1] : 0;
    struct rn_shape s = shape_of(in, v);

    if (v == 0 || s.h != 1 || s.w != 1)
        in->rc = rn_fail(in->err, RN_ERR_DATA,
                         "'%s': its output is %dx%dx%d, expected one number a "
                         "class",
                         in->cfg->path, s.c, s.h, s.w);
    else if (in->weights && in->floats_left)
        in->rc = rn_fail(in->err, RN_ERR_DATA,
                         "'%s': %zu numbers more than '%s' has parameters",
                         in->weights->path, in->floats_left, in->cfg->path);
    else if (rn_graph_cut(in->g, v))
        in->rc = rn_head_take(in->g, in->cfg->path, in->err);
    else
        in->rc = rn_fail_memory(in->err, in->g->n_nodes, "a network");
}

static void read_all(struct darknet *in)
{
    const struct rn_cfg *cfg = in->cfg;

    in->section = cfg->sections;
    read_net(in);
    for (size_t i = 1; i < cfg->n_sections && !in->rc; i++) {
        in->section = &cfg->sections[i];
        read_layer(in);
    }
    if (!in->rc)
        set_output(in);
}

int rn_darknet_graph(struct rn_graph **out, const struct rn_cfg *cfg,
                     const struct rn_darknet_weights *weights, uint64_t params,
                     struct rn_error *err)
{
    struct darknet in = {
        .cfg = cfg, .weights = weights, .params_left = params, .err = err};

    *out = NULL;
    if (cfg->n_sections == 0)
        return rn_fail(err, RN_ERR_DATA, "'%s': no section in brackets",
                       cfg->path);
    int rc = read_header(&in, err);
    if (rc)
        return rc;
    in.g = rn_graph_create();
    in.values = rn_alloc(cfg->n_sections, sizeof(*in.values));
    if (in.g && in.values)
        read_all(&in);
    else
        in.rc = rn_fail_memory(err, cfg->n_sections * sizeof(*in.values),
                               "a graph");
    if (in.rc)
        rn_graph_destroy(in.g);
    else
        *out = in.g;
    rn_free(in.values);
    return in.rc;
}
