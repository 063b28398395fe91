/* SPDX-License-Identifier: BSD-2-Clause */
/* Caffe: texts become trees, trees with weights the networks they describe;
 * pools meet the edge as Caffe's do; what is wrong is refused by name. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "folder.h"
#include "foreign.h"

#include "core/file.h"
#include "core/memory.h"
#include "formats/caffe/caffe.h"
#include "formats/caffe/fields.h"

#include <math.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static void put_file(const char *name, const void *bytes, size_t size)
{
    struct rn_error err = {0};

    OK(rn_file_write(in_folder(name), bytes, size, &err));
}

static void put_text(const char *name, const char *text)
{
    put_file(name, text, strlen(text));
}

static int parse(struct rn_prototxt *p, const char *text, struct rn_error *err)
{
    return rn_prototxt_parse(p, (const uint8_t *)text, strlen(text), "text",
                             err);
}

/* ------------------------------------------------------------------- texts */

static void texts_become_trees(void **state)
{
    static const char text[] = "# one\nname: \"a \\\" b\" layer { n: 3 # two\n"
                               " in < x: [1, -2.5e1 , 3f]; y: 'q' > }\n"
                               "layer: { on: true, n: 0x10 } n: 7";
    struct rn_prototxt p;
    struct rn_error err = {0};
    int64_t integer;
    double value, sum = 0;
    bool on = false;

    (void)state;
    OK(parse(&p, text, &err));
    const struct rn_prototxt_field *root = p.fields, *f = NULL;
    assert_true(rn_pb_is(rn_prototxt_last(&p, root, "name")->value, "a \" b"));
    const struct rn_prototxt_field *first =
        rn_prototxt_next(&p, root, "layer", NULL);
    const struct rn_prototxt_field *second =
        rn_prototxt_next(&p, root, "layer", first);
    assert_null(rn_prototxt_next(&p, root, "layer", second));
    const struct rn_prototxt_field *in = rn_prototxt_last(&p, first, "in");
    while ((f = rn_prototxt_next(&p, in, "x", f))) {
        assert_true(rn_prototxt_number(f, &value));
        sum += value;
    }
    assert_true(sum == 1 - 25 + 3);
    assert_true(
        rn_prototxt_integer(rn_prototxt_last(&p, second, "n"), &integer));
    assert_int_equal(integer, 16);
    assert_true(rn_prototxt_flag(rn_prototxt_last(&p, second, "on"), &on));
    assert_true(on);
    assert_false(rn_prototxt_integer(rn_prototxt_last(&p, in, "y"), &integer));
    assert_null(rn_prototxt_last(&p, root, "y"));
    rn_prototxt_close(&p);
}

/* As protobuf's own reader takes them: pieces of a text, escapes, the words of
 * true and false, numbers of other bases; what is in quotes is a text. */
static void values_are_protobufs(void **state)
{
    static const char text[] =
        "s: \"a\" 'b' # and\n \"\\x43\\104\\te\"; f: [true, True, t, 1, false, "
        "False, f, 0], g: 'true' n: [010, 0x1F, -7, '8'] r: 1.5F e < d { } >";
    static const int64_t numbers[] = {8, 31, -7};
    struct rn_prototxt p;
    struct rn_error err = {0};
    const struct rn_prototxt_field *f = NULL;
    bool on = false;
    double real = 0;

    (void)state;
    OK(parse(&p, text, &err));
    assert_true(
        rn_pb_is(rn_prototxt_last(&p, p.fields, "s")->value, "abCD\te"));
    for (int i = 0; (f = rn_prototxt_next(&p, p.fields, "f", f)); i++) {
        assert_true(rn_prototxt_flag(f, &on));
        assert_int_equal(on, i < 4);
    }
    assert_false(rn_prototxt_flag(rn_prototxt_last(&p, p.fields, "g"), &on));
    for (int i = 0; (f = rn_prototxt_next(&p, p.fields, "n", f)); i++) {
        int64_t n = 0;

        assert_int_equal(rn_prototxt_integer(f, &n), i < 3);
        assert_true(i == 3 || n == numbers[i]);
    }
    assert_true(rn_prototxt_number(rn_prototxt_last(&p, p.fields, "r"), &real));
    assert_true(real == 1.5);
    rn_prototxt_close(&p);
}

static void texts_that_are_none_are_refused(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"layer {", "cut short in line 1, expected '}'"},
        {"\n\nname", "cut short in line 3, expected ':'"},
        {"name: \"x", "end of a text in quotes"},
        {"name: \"x\n\"", "end of a text in quotes"},
        {"name: \"\\", "end of a text in quotes"},
        {"n: [1, 2", "expected ',' or ']'"},
        {"n: [1, ", "expected a value"},
        {"n: }", "expected a value"},
        {"}", "no message is open"},
        {"a { b < } >", "expected '>' to end a message"},
        {"a { b: 1 >", "expected '}' to end a message"},
        {"\x80\x02", "byte 0x80, expected the name of a field"},
        {"a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{", "more than 16 deep"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_prototxt p;
        struct rn_error err = {0};
        int rc = parse(&p, cases[i].text, &err);

        if (rc != RN_ERR_DATA || !strstr(err.msg, cases[i].message))
            fail_msg("'%s' gave %d '%s', expected '%s'", cases[i].text, rc,
                     err.msg, cases[i].message);
        rn_prototxt_close(&p);
    }
}

/* ----------------------------------------------------------------- weights */

/* How a caffemodel is written. */
struct manner {
    const char *name;
    bool v1;       /* layers of before 2015 */
    bool old_dims; /* four sizes, always */
    bool doubles;
    float factor; /* of batch norm's sums */
};

static const struct manner now = {"now", false, false, false, 1};

static void put_shape(struct rn_pb_out *out, const struct manner *how, int dims,
                      const size_t *dim)
{
    size_t shape;

    if (how->old_dims) {
        for (int i = 0; i < 4; i++)
            rn_pb_put_varint(out, CAFFE_BLOB_NUM + (uint32_t)i,
                             i < 4 - dims ? 1 : dim[i - (4 - dims)]);
        return;
    }
    shape = rn_pb_begin(out, CAFFE_BLOB_SHAPE);
    for (int i = 0; i < dims; i++)
        rn_pb_put_varint(out, CAFFE_SHAPE_DIM, dim[i]);
    rn_pb_end(out, shape);
}

static void put_blob(struct rn_pb_out *out, const struct manner *how, int dims,
                     const size_t *dim, const float *data, float factor)
{
    size_t n = 1;
    size_t blob =
        rn_pb_begin(out, how->v1 ? CAFFE_V1_BLOBS : CAFFE_LAYER_BLOBS);

    for (int i = 0; i < dims; i++)
        n *= dim[i];
    float *floats = malloc(n * sizeof(*floats));
    double *doubles = malloc(n * sizeof(*doubles));
    assert_true(floats && doubles);
    for (size_t i = 0; i < n; i++)
        doubles[i] = (double)(floats[i] = data[i] * factor);
    put_shape(out, how, dims, dim);
    if (how->doubles)
        rn_pb_put_bytes(out, CAFFE_BLOB_DOUBLE_DATA, doubles,
                        n * sizeof(*doubles));
    else
        rn_pb_put_bytes(out, CAFFE_BLOB_DATA, floats, n * sizeof(*floats));
    rn_pb_end(out, blob);
    free(floats);
    free(doubles);
}

static void put_param(struct rn_pb_out *out, const struct manner *how,
                      const struct rn_graph *g, const struct rn_node *n,
                      int place, float factor)
{
    const struct rn_param *p = &g->params[n->param[place]];

    put_blob(out, how, p->dims, p->dim, p->data, factor);
}

static size_t begin_layer(struct rn_pb_out *out, const struct manner *how,
                          const char *name)
{
    size_t layer =
        rn_pb_begin(out, how->v1 ? CAFFE_NET_LAYERS_V1 : CAFFE_NET_LAYER);

    rn_pb_put_text(out, how->v1 ? CAFFE_V1_NAME : CAFFE_LAYER_NAME, name);
    return layer;
}

/* A batch norm "bnX" is two layers, the second one "scaleX". */
static void put_norm(struct rn_pb_out *out, const struct manner *how,
                     const struct rn_graph *g, const struct rn_node *n)
{
    const size_t one = 1;
    char scale[100];
    size_t layer = begin_layer(out, how, n->name);

    put_param(out, how, g, n, RN_P_MEAN, how->factor);
    put_param(out, how, g, n, RN_P_VAR, how->factor);
    put_blob(out, how, 1, &one, &how->factor, 1);
    rn_pb_end(out, layer);
    snprintf(scale, sizeof(scale), "scale%s", n->name + 2);
    layer = begin_layer(out, how, scale);
    put_param(out, how, g, n, RN_P_WEIGHT, 1);
    put_param(out, how, g, n, RN_P_BIAS, 1);
    rn_pb_end(out, layer);
}

/* The parameters of a graph as a caffemodel. */
static struct rn_pb_out caffemodel(const struct rn_graph *g,
                                   const struct manner *how)
{
    struct rn_pb_out out = {0};

    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct rn_node *n = &g->nodes[i];

        if (n->op == RN_OP_BATCH_NORM) {
            put_norm(&out, how, g, n);
        } else if (n->param[RN_P_WEIGHT] >= 0) {
            size_t layer = begin_layer(&out, how, n->name);

            put_param(&out, how, g, n, RN_P_WEIGHT, 1);
            if (n->param[RN_P_BIAS] >= 0)
                put_param(&out, how, g, n, RN_P_BIAS, 1);
            rn_pb_end(&out, layer);
        }
    }
    assert_false(out.failed);
    return out;
}

/* --------------------------------------------------------- a small network */

#define CONV(name, bottom, param)                                   \
    "layer { name: '" name "' type: 'Convolution' bottom: '" bottom \
    "' top: '" name "' convolution_param { " param " } }\n"
#define NORM(name, blob)                                              \
    "layer { name: 'bn" name "' type: 'BatchNorm' bottom: '" blob     \
    "' top: '" blob "' batch_norm_param { use_global_stats: true } }" \
    "layer { name: 'scale" name "' type: 'Scale' bottom: '" blob      \
    "' top: '" blob "' scale_param { bias_term: true } }\n"
#define PLAIN(type, name, bottom, top, rest)                          \
    "layer { name: '" name "' type: '" type "' bottom: '" bottom "' " \
    "top: '" top "' " rest " }\n"

/* A block of a ResNet, and one of everything else. */
static const char net_text[] =
    "name: 'small' input: 'data' input_dim: 1 input_dim: 3 input_dim: 21 "
    "input_dim: 19\n" CONV("c1", "data",
                           "num_output: 8 kernel_size: 3 pad: 1 stride: 2")
        NORM("1", "c1") PLAIN("ReLU", "r1", "c1", "c1", "") PLAIN(
            "Pooling", "p1", "c1", "p1",
            "pooling_param { pool: MAX kernel_size: 3 stride: 2 }")
            CONV("b1", "p1", "num_output: 12 kernel_size: 1 bias_term: false")
                NORM("2", "b1") CONV(
                    "b2", "p1",
                    "num_output: 12 kernel_h: 3 kernel_w: 1 pad_h: 2 "
                    "dilation: 2 dilation: 1 group: 4 bias_term: false")
                    NORM(
                        "3",
                        "b2") "layer { name: 'sum' type: 'Eltwise' bottom: "
                              "'b1' bottom: 'b2' top: 'sum'"
                              " }\n" PLAIN("ReLU", "r2", "sum", "sum",
                                           "relu_param { negative_slope: 0.25 "
                                           "}") PLAIN("LRN", "n", "sum", "n",
                                                      "lrn_param { local_size: "
                                                      "3 alpha: 0.5 beta: 0.75 "
                                                      "k: 2 }")
                                  PLAIN(
                                      "Sigmoid", "s", "n", "s",
                                      "") "layer { name: 'cat' type: 'Concat' "
                                          "bottom: 'sum' bottom: 's' top: 'cat'"
                                          " concat_param { axis: 1 } }\n" PLAIN(
                                              "Pooling", "p2", "cat", "p2",
                                              "pooling_param { pool: AVE "
                                              "kernel_size: 2 stride: 2 pad: 1 "
                                              "}") PLAIN("Dropout", "d", "p2",
                                                         "p2",
                                                         "dropout_param { "
                                                         "dropout_ratio: 0.5 }")
                                              PLAIN("Flatten", "f", "p2", "f",
                                                    "")
                                                  PLAIN("InnerProduct", "fc",
                                                        "f", "fc",
                                                        "inner_product_param { "
                                                        "num_output: 5 }")
                                                      PLAIN("Softmax", "prob",
                                                            "fc", "prob", "");

static int norm(struct rn_graph *g, int v, const char *name)
{
    return rn_graph_batch_norm(g, v, name);
}

/* The same in our own words. */
static struct rn_graph *net_by_hand(void)
{
    struct rn_graph *g = rn_graph_create();
    struct rn_window tall = {
        .kh = 3, .kw = 1, .stride = 1, .dilate_h = 1, .top = 2, .bottom = 2};
    struct rn_pool_options most = {.window = RN_WINDOW(3, 3, 2, 0),
                                   .ceil = true};
    struct rn_pool_options mean = {
        .window = RN_WINDOW(2, 2, 2, 1), .ceil = true, .count_padding = true};
    struct rn_lrn lrn = {3, 0.5f, 0.75f, 2};
    int x = rn_graph_input(g, (struct rn_shape){3, 21, 19}), y;

    x = rn_graph_conv(g, x, "c1", 8, (struct rn_window)RN_WINDOW(3, 3, 2, 1),
                      true);
    x = rn_graph_relu(g, norm(g, x, "bn1"), "r1");
    x = rn_graph_max_pool_with(g, x, "p1", &most);
    y = rn_graph_conv(g, x, "b1", 12, (struct rn_window)RN_WINDOW(1, 1, 1, 0),
                      false);
    y = norm(g, y, "bn2");
    x = rn_graph_conv_groups(g, x, "b2", 12, tall, 4, false);
    x = rn_graph_add(g, y, norm(g, x, "bn3"), "sum");
    x = rn_graph_leaky_relu(g, x, "r2", 0.25f);
    y = rn_graph_sigmoid(g, rn_graph_lrn(g, x, "n", lrn), "s");
    x = rn_graph_avg_pool(g, rn_graph_concat(g, x, y, "cat"), "p2", &mean);
    g->output = rn_graph_linear(g, x, "fc", 5);
    if (g->error.code)
        fail_msg("%s", g->error.msg);
    make_up(g);
    return g;
}

static const struct manner manners[] = {
    {"as now", false, false, false, 0.25f},
    {"as before", true, true, false, 999.98f},
    {"in doubles", false, true, true, 3.0f},
};

/* Both networks give the same numbers: a factor that is a power of two leaves
 * the statistics the same to the bit, too. */
static void networks_are_what_their_texts_say(void **state)
{
    const struct rn_caffe_options none = {{3, 0, 0}, NULL};
    float image[3 * 21 * 19], expected[5], found[5];
    uint32_t seed = 4;

    (void)state;
    for (size_t i = 0; i < COUNT(image); i++)
        image[i] = 2 * number(&seed);
    for (size_t i = 0; i < COUNT(manners); i++) {
        struct rn_graph *own = net_by_hand(), *g;
        struct rn_pb_out out = caffemodel(own, &manners[i]);
        struct rn_caffe_weights w;
        struct rn_prototxt p;
        struct rn_error err = {0};

        OK(parse(&p, net_text, &err));
        OK(rn_caffe_weights_parse(&w, out.bytes, out.size, "weights", &err));
        OK(rn_caffe_graph(&g, &p, &w, &none, 0, &err));
        if (manners[i].factor == 0.25f)
            check_same_params(own, g, manners[i].name);
        rn_caffe_weights_close(&w);
        rn_prototxt_close(&p);
        rn_free(out.bytes);
        run(own, image, expected);
        run(g, image, found);
        for (int k = 0; k < 5; k++)
            if (!(fabsf(found[k] - expected[k]) <= 1e-5f))
                fail_msg("%s: logit %d is %g, expected %g", manners[i].name, k,
                         (double)found[k], (double)expected[k]);
    }
}

/* ------------------------------------------------------------------- pools */

/* Rows of a pool as pooling_layer.cpp counts them. */
static int caffe_rows(int size, int k, int stride, int pad)
{
    int rows = (int)ceilf((float)(size + 2 * pad - k) / (float)stride) + 1;

    if (pad && (rows - 1) * stride >= size + pad)
        rows--;
    return rows;
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* One window of a size x size picture: the mean is over the padded frame, but
 * not over what lies beyond it. */
static float caffe_window(const float *x, int size, int k, int top, int left,
                          int pad, bool mean)
{
    int bottom = least(top + k, size + pad),
        right = least(left + k, size + pad);
    int count = (bottom - top) * (right - left);
    double sum = 0;
    float largest = -1e9f;

    for (int i = most(top, 0); i < least(bottom, size); i++)
        for (int j = most(left, 0); j < least(right, size); j++) {
            sum += (double)x[i * size + j];
            largest = fmaxf(largest, x[i * size + j]);
        }
    return mean ? (float)(sum / count) : largest;
}

static void check_pool(int size, int k, int stride, int pad, bool mean)
{
    char text[600];
    const struct rn_caffe_options none = {{3, 0, 0}, NULL};
    int rows = caffe_rows(size, k, stride, pad), n = rows * rows;
    float x[400], found[400];
    uint32_t seed = (uint32_t)(size + k);
    struct rn_prototxt p;
    struct rn_error err = {0};
    struct rn_graph *g;

    snprintf(text, sizeof(text),
             "layer { name: 'data' type: 'Input' top: 'data' input_param { "
             "shape { dim: 1 dim: 1 dim: %d dim: %d } } } "
             "layer { name: 'pool' type: 'Pooling' bottom: 'data' top: 'p' "
             "pooling_param { pool: %s kernel_size: %d stride: %d pad: %d } } "
             "layer { name: 'fc' type: 'InnerProduct' bottom: 'p' top: 'fc' "
             "inner_product_param { num_output: %d bias_term: false } }",
             size, size, mean ? "AVE" : "MAX", k, stride, pad, n);
    OK(parse(&p, text, &err));
    OK(rn_caffe_graph(&g, &p, NULL, &none, RN_CAFFE_PARAMS, &err));
    rn_prototxt_close(&p);
    struct rn_param *weight = rn_graph_param(g, "fc.weight");
    if (weight->dim[1] != (size_t)n)
        fail_msg("pool of %d by %d/%d pad %d: %zu pixels, expected %d", size, k,
                 stride, pad, weight->dim[1], n);
    for (int i = 0; i < n; i++) /* each pixel is a class */
        weight->data[i * n + i] = 1;
    for (int i = 0; i < size * size; i++)
        x[i] = number(&seed);
    run(g, x, found);
    for (int i = 0; i < n; i++) {
        float e = caffe_window(x, size, k, i / rows * stride - pad,
                               i % rows * stride - pad, pad, mean);

        if (!(fabsf(found[i] - e) <= 1e-6f))
            fail_msg("%s pool of %d by %d/%d pad %d: pixel %d is %g, expected "
                     "%g",
                     mean ? "mean" : "max", size, k, stride, pad, i,
                     (double)found[i], (double)e);
    }
}

static void pools_meet_the_edge_as_caffes_do(void **state)
{
    static const int cases[][4] = {{12, 3, 2, 0}, {11, 3, 2, 0}, {12, 3, 2, 1},
                                   {13, 3, 2, 1}, {9, 2, 2, 1},  {10, 5, 3, 2},
                                   {7, 7, 1, 0},  {6, 3, 1, 1}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int mean = 0; mean < 2; mean++)
            check_pool(cases[i][0], cases[i][1], cases[i][2], cases[i][3],
                       mean);
}

/* ------------------------------------------------------- He et al.'s files */

static const char *shared_net(int depth)
{
    static char path[300];
    const char *shared = getenv("RN_SHARED");

    snprintf(path, sizeof(path), "%s/data/arch/caffe/ResNet-%d-deploy.prototxt",
             shared ? shared : "", depth);
    if (rn_is_file(path))
        return path;
    print_message("RN_SHARED has no data/arch/caffe: skipped\n");
    return NULL;
}

static void he_networks_have_their_parameters(void **state)
{
    static const struct {
        int depth;
        uint64_t params; /* ResNet-50's conv1 has a bias of 64 there */
    } nets[] = {{50, 25557032 + 64}, {101, 44549160}, {152, 60192808}};
    struct rn_import_options o;
    struct rn_error err = {0};
    (void)state;
    rn_import_defaults(&o);
    o.structure = 1;
    for (size_t i = 0; i < COUNT(nets); i++) {
        const char *path = shared_net(nets[i].depth);
        struct rn_model *model;

        if (!path)
            skip();
        OK(rn_model_import(&model, path, &o, &err));
        uint64_t params = rn_graph_params(model->graph);
        if (params != nets[i].params)
            fail_msg("ResNet-%d: %llu parameters, expected %llu", nets[i].depth,
                     (unsigned long long)params,
                     (unsigned long long)nets[i].params);
        assert_true(model->preprocessing.bgr);
        rn_model_destroy(model);
    }
    assert_int_equal(
        rn_model_load(&(struct rn_model *){NULL}, shared_net(50), &err),
        RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "without weights"));
}

static void he_networks_take_weights(void **state)
{
    const struct rn_caffe_options none = {{3, 0, 0}, NULL};
    const char *path = shared_net(50);
    struct rn_prototxt p;
    struct rn_caffe_weights w;
    struct rn_graph *own, *g;
    struct rn_error err = {0};

    (void)state;
    if (!path)
        skip();
    OK(rn_prototxt_open(&p, path, &err));
    OK(rn_caffe_graph(&own, &p, NULL, &none, RN_CAFFE_PARAMS, &err));
    make_up(own);
    struct rn_pb_out out = caffemodel(own, &manners[0]);
    OK(rn_caffe_weights_parse(&w, out.bytes, out.size, "weights", &err));
    OK(rn_caffe_graph(&g, &p, &w, &none, 0, &err));
    check_same_params(own, g, "ResNet-50");
    rn_caffe_weights_close(&w);
    rn_prototxt_close(&p);
    rn_free(out.bytes);
    rn_graph_destroy(own);
    rn_graph_destroy(g);
}

/* A case of tests/golden/caffe.txt: layers from 'data' to 'x'. */
static void check_layers(const char *name, const char *layers,
                         const char *right)
{
    const struct rn_caffe_options none = {{3, 0, 0}, NULL};
    const char *at = right;
    char text[6000];
    float x[40], found[40];
    uint32_t seed = 7;
    struct rn_prototxt p;
    struct rn_graph *g;
    struct rn_error err = {0};

    snprintf(text, sizeof(text),
             "input: 'data' input_shape { dim: 1 dim: 2 dim: 5 dim: 4 } %s "
             "layer { name: 'fc' type: 'InnerProduct' bottom: 'x' top: 'fc' "
             "inner_product_param { num_output: 40 bias_term: false } }",
             layers);
    OK(parse(&p, text, &err));
    if (rn_caffe_graph(&g, &p, NULL, &none, RN_CAFFE_PARAMS, &err))
        fail_msg("%s: %s", name, err.msg);
    rn_prototxt_close(&p);
    for (int i = 0; i < 40; i++) {
        x[i] = number(&seed);
        rn_graph_param(g, "fc.weight")->data[i * 40 + i] = 1;
    }
    run(g, x, found);
    for (int i = 0; i < 40; i++) {
        char *end;
        double e = strtod(at, &end);

        assert_true(end != at);
        at = end;
        if (!(fabs((double)found[i] - e) <= 2e-6 * (1 + fabs(e))))
            fail_msg("%s: number %d is %g, expected %g", name, i,
                     (double)found[i], e);
    }
}

/* Against definitions in double, by NumPy. */
static void layers_compute_what_caffes_do(void **state)
{
    const char *root = getenv("RN_SOURCE");
    char path[4096], lines[3][4096];
    int n = 0;

    (void)state;
    snprintf(path, sizeof(path), "%s/tests/golden/caffe.txt",
             root ? root : ".");
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    for (; fgets(lines[n % 3], sizeof(lines[0]), f); n++) {
        lines[n % 3][strcspn(lines[n % 3], "\n")] = '\0';
        if (n % 3 == 2)
            check_layers(lines[0], lines[1], lines[2]);
    }
    fclose(f);
    assert_int_equal(n, 3 * 21);
}

/* What several outputs are, and which is taken. */
static void outputs_are_chosen(void **state)
{
    static const char net[] =
        "input: 'data' input_shape { dim: 1 dim: 2 dim: 1 dim: 1 } "
        "layer { name: 'fc' type: 'InnerProduct' bottom: 'data' top: 'fc' "
        "inner_product_param { num_output: 2 } } ";

    static const struct {
        const char *text, *output;
        enum rn_output kind, head;
        const char *message; /* NULL: taken */
    } cases[] = {
        {"", NULL, RN_OUTPUT_LOGITS, RN_OUTPUT_LOGITS, NULL},
        {PLAIN("Softmax", "p", "fc", "p", ""), NULL, RN_OUTPUT_LOGITS,
         RN_OUTPUT_PROBABILITIES, NULL},
        {PLAIN("SoftmaxWithLoss", "l", "fc", "l", "bottom: 'label'"), NULL,
         RN_OUTPUT_LOGITS, RN_OUTPUT_PROBABILITIES, NULL},
        {PLAIN("Softmax", "p", "fc", "p", "")
             PLAIN("SoftmaxWithLoss", "l", "fc", "l", "bottom: 'label'")
                 PLAIN("Accuracy", "a", "p", "a", "bottom: 'label'")
                     PLAIN("ArgMax", "m", "p", "m", ""),
         NULL, RN_OUTPUT_LOGITS, RN_OUTPUT_PROBABILITIES, NULL},
        {PLAIN("Softmax", "p", "fc", "p", "")
             PLAIN("MultinomialLogisticLoss", "l", "p", "l", ""),
         NULL, RN_OUTPUT_LOGITS, RN_OUTPUT_PROBABILITIES, NULL},
        {PLAIN("Sigmoid", "p", "fc", "p", ""), NULL,
         RN_OUTPUT_INDEPENDENT_LOGITS, RN_OUTPUT_INDEPENDENT, NULL},
        {PLAIN("SigmoidCrossEntropyLoss", "p", "fc", "p", ""), NULL,
         RN_OUTPUT_INDEPENDENT_LOGITS, RN_OUTPUT_INDEPENDENT, NULL},
        {PLAIN("Sigmoid", "p", "fc", "p", ""), "fc", RN_OUTPUT_LOGITS,
         RN_OUTPUT_LOGITS, NULL},
        {PLAIN("Sigmoid", "p", "fc", "p", "")
             PLAIN("Softmax", "q", "fc", "q", ""),
         NULL, 0, 0, "2 outputs, 'p' 2x1x1, 'q' 2x1x1: --output NAME"},
        {PLAIN("EuclideanLoss", "p", "fc", "p", ""), NULL, 0, 0,
         "compares numbers"},
        {"", "nix", 0, 0, "computes no 'nix'"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct rn_caffe_options o = {{3, 0, 0}, cases[i].output};
        char text[1200];
        struct rn_prototxt p;
        struct rn_graph *g;
        struct rn_error err = {0};

        snprintf(text, sizeof(text), "%s%s", net, cases[i].text);
        OK(parse(&p, text, &err));
        int rc = rn_caffe_graph(&g, &p, NULL, &o, RN_CAFFE_PARAMS, &err);
        rn_prototxt_close(&p);
        if (!rc != !cases[i].message ||
            (rc && !strstr(err.msg, cases[i].message)))
            fail_msg("%s\ngave %d '%s'", cases[i].text, rc, err.msg);
        if (!rc && (g->kind != cases[i].kind || g->head != cases[i].head))
            fail_msg("%s\nends in %s of %s", cases[i].text,
                     rn_output_name(g->head), rn_output_name(g->kind));
        if (!rc)
            assert_int_equal(g->n_nodes, 2);
        rn_graph_destroy(g);
    }
}

/* Layers for training, for another stage or level are left out. */
static void phases_choose_layers(void **state)
{
    static const struct {
        const char *rules;
        bool there;
    } cases[] = {
        {"", true},
        {"include { phase: TEST }", true},
        {"include { phase: 1 }", true},
        {"include { phase: TRAIN }", false},
        {"include { phase: TRAIN } include { phase: TEST }", true},
        {"exclude { phase: TEST }", false},
        {"exclude { phase: TRAIN }", true},
        {"include { stage: 'deploy' }", false},
        {"include { not_stage: 'deploy' }", true},
        {"exclude { stage: 'deploy' }", true},
        {"include { min_level: 1 }", false},
        {"include { max_level: 2 }", true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[300];
        struct rn_prototxt p;
        struct rn_error err = {0};

        snprintf(text, sizeof(text), "layer { name: 'l' %s }", cases[i].rules);
        OK(parse(&p, text, &err));
        if ((rn_caffe_next_layer(&p, NULL) != NULL) != cases[i].there)
            fail_msg("%s: %s", cases[i].rules,
                     cases[i].there ? "left out" : "there");
        rn_prototxt_close(&p);
    }
}

/* NVIDIA's: scale and shift in the batch norm's own blobs. */
static void norms_of_five_blobs(void **state)
{
    static const char text[] =
        "input: 'data' input_shape { dim: 1 dim: 2 dim: 1 dim: 1 } layer { "
        "name: 'bn' type: 'BatchNorm' bottom: 'data' top: 'bn' "
        "batch_norm_param { scale_bias: true eps: 0 } } layer { name: 'fc' "
        "type: 'InnerProduct' bottom: 'bn' top: 'fc' inner_product_param { "
        "num_output: 2 bias_term: False } }";
    static const float blobs[5][2] = {
        {1, 2}, {4, 16}, {2, 0}, {3, 0.5f}, {0.25f, -1}};
    static const float eye[] = {1, 0, 0, 1}, x[] = {2.5f, -3};
    const size_t two[] = {2, 2}, one = 1;
    const struct rn_caffe_options none = {{3, 0, 0}, NULL};
    struct rn_pb_out out = {0};
    struct rn_error err = {0};
    struct rn_caffe_weights w;
    struct rn_prototxt p;
    struct rn_graph *g;
    char plain[sizeof(text)];
    float found[2];

    (void)state;
    size_t layer = begin_layer(&out, &now, "bn");
    for (int i = 0; i < 5; i++)
        put_blob(&out, &now, 1, i == 2 ? &one : two, blobs[i], 1);
    rn_pb_end(&out, layer);
    layer = begin_layer(&out, &now, "fc");
    put_blob(&out, &now, 2, two, eye, 1);
    rn_pb_end(&out, layer);
    OK(rn_caffe_weights_parse(&w, out.bytes, out.size, "weights", &err));
    OK(parse(&p, text, &err));
    OK(rn_caffe_graph(&g, &p, &w, &none, 0, &err));
    run(g, x, found);
    /* (2.5 - 1/2) / sqrt(4/2) * 3 + 0.25, (-3 - 2/2) / sqrt(16/2) / 2 - 1 */
    assert_true(fabs((double)found[0] - (2 / sqrt(2) * 3 + 0.25)) < 1e-6);
    assert_true(fabs((double)found[1] - (-4 / sqrt(8) / 2 - 1)) < 1e-6);
    rn_prototxt_close(&p);
    memcpy(plain, text, sizeof(text));
    memset(strstr(plain, "scale_bias: true"), ' ', 16);
    OK(parse(&p, plain, &err));
    assert_int_equal(rn_caffe_graph(&g, &p, &w, &none, 0, &err), RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "has 5 blobs, but no 'scale_bias: true'"));
    rn_prototxt_close(&p);
    rn_caffe_weights_close(&w);
    rn_free(out.bytes);
}

/* ----------------------------------------------------------- preprocessing */

/* A network of 3x2x2 whose pictures are prepared as `transform` says. */
static void write_net(const char *transform)
{
    char text[800];
    struct rn_graph *g = rn_graph_create();
    int x = rn_graph_input(g, (struct rn_shape){3, 2, 2});

    rn_graph_linear(g, x, "fc", 2);
    make_up(g);
    struct rn_pb_out out = caffemodel(g, &now);
    put_file("net.caffemodel", out.bytes, out.size);
    snprintf(text, sizeof(text),
             "layer { name: 'd' type: 'Data' top: 'data' top: 'label' include "
             "{ phase: TRAIN } transform_param { crop_size: 9 } } "
             "layer { name: 'd' type: 'Data' top: 'data' top: 'label' include "
             "{ phase: TEST } transform_param { crop_size: 2 %s } } "
             "layer { name: 'fc' type: 'InnerProduct' bottom: 'data' top: 'fc' "
             "inner_product_param { num_output: 2 } } "
             "layer { name: 'a' type: 'Accuracy' bottom: 'fc' bottom: 'label' "
             "top: 'a' include { phase: TEST } }",
             transform);
    put_text("net.prototxt", text);
    rn_graph_destroy(g);
    rn_free(out.bytes);
}

/* BGR means of 0..255 in the network's order, and the scale. */
static void means_are_taken(void **state)
{
    struct rn_model *model;
    struct rn_error err = {0};

    (void)state;
    write_net("mean_value: 51 mean_value: 102 mean_value: 204 scale: 0.5");
    OK(rn_model_load(&model, in_folder("net.caffemodel"), &err));
    const struct rn_preprocessing *pre = &model->preprocessing;
    assert_true(pre->bgr && !pre->per_pixel);
    for (int i = 0; i < 3; i++) {
        assert_true(fabsf(pre->mean[i] - 0.2f * (float)(1 << i)) < 1e-6f);
        assert_true(fabsf(pre->std[i] - 2.0f / 255) < 1e-8f);
    }
    /* red, green, blue; the network's first channel is blue */
    const uint8_t pixels[12] = {10, 10, 10, 10, 20, 20, 20, 20, 30, 30, 30, 30};
    float image[12];
    rn_normalise(pre, model->spec.input, pixels, image);
    assert_true(fabsf(image[0] - (30 - 51) * 0.5f) < 1e-4f);
    assert_true(fabsf(image[8] - (10 - 204) * 0.5f) < 1e-4f);
    rn_model_destroy(model);
}

/* The text's means are of the channels in the network's order, whatever
 * colours these turn out to be. */
static void means_stay_with_their_channels(void **state)
{
    struct rn_import_options o;
    struct rn_model *model;
    struct rn_error err = {0};

    (void)state;
    write_net("mean_value: 51 mean_value: 102 mean_value: 204");
    rn_import_defaults(&o);
    o.channel_order = "rgb";
    OK(rn_model_import(&model, in_folder("net.caffemodel"), &o, &err));
    const uint8_t pixels[12] = {10, 10, 10, 10, 20, 20, 20, 20, 30, 30, 30, 30};
    float image[12];
    assert_false(model->preprocessing.bgr);
    rn_normalise(&model->preprocessing, model->spec.input, pixels, image);
    for (int c = 0; c < 3; c++) {
        float expected = (float)(10 * (c + 1)) - 51 * (float)(1 << c);

        if (fabsf(image[4 * c] - expected) > 1e-3f)
            fail_msg("channel %d is %g, expected %g", c, (double)image[4 * c],
                     (double)expected);
    }
    rn_model_destroy(model);
}

/* Texts of old have it with where the pictures are; those that do not cut
 * pictures show all of them. */
static void old_transforms_are_taken(void **state)
{
    static const char text[] =
        "layers { name: 'd' type: DATA top: 'data' data_param { source: 'x' "
        "%s scale: 0.25 } } layers { name: 'fc' type: INNER_PRODUCT bottom: "
        "'data' top: 'fc' inner_product_param { num_output: 2 } }";
    static const char *const crops[] = {"crop_size: 70", ""};
    static const int sides[] = {80, 70};
    struct rn_import_options o;
    struct rn_model *model;
    struct rn_error err = {0};

    (void)state;
    rn_import_defaults(&o);
    o.structure = 1;
    o.height = 70;
    for (int i = 0; i < 2; i++) {
        char net[400];

        snprintf(net, sizeof(net), text, crops[i]);
        put_text("alone.prototxt", net);
        OK(rn_model_import(&model, in_folder("alone.prototxt"), &o, &err));
        assert_int_equal(model->preprocessing.resize, sides[i]);
        assert_true(fabsf(model->preprocessing.std[0] - 4.0f / 255) < 1e-6f);
        rn_model_destroy(model);
    }
}

/* The centre of a mean of 3x4x4: 100 c + 10 y + x. */
static void mean_images_are_taken(void **state)
{
    const size_t dim[] = {3, 4, 4};
    float mean[48];
    struct rn_pb_out out = {0};
    struct rn_model *model;
    struct rn_error err = {0};

    (void)state;
    for (int i = 0; i < 48; i++)
        mean[i] = (float)(50 * (i / 16) + 10 * (i / 4 % 4) + i % 4);
    put_blob(&out, &manners[1], 3, dim, mean, 1);
    struct rn_pb m = {out.bytes, out.size};
    struct rn_pb_field f;
    assert_int_equal(rn_pb_next(&m, &f), 1); /* the blob without its key */
    put_file("m.binaryproto", f.bytes.at, f.bytes.size);
    put_file("cut.binaryproto", f.bytes.at, f.bytes.size - 1);
    write_net("mean_file: 'else/where/m.binaryproto'");
    OK(rn_model_load(&model, in_folder("net.prototxt"), &err));
    assert_true(model->preprocessing.per_pixel && model->preprocessing.bgr);
    const float *p = model->preprocessing.mean;
    const float expected[] = {11, 12, 21, 22, 61};
    for (size_t i = 0; i < COUNT(expected); i++)
        if (fabsf(p[i] - expected[i] / 255) > 1e-6f)
            fail_msg("pixel %zu of the mean is %g, expected %g", i,
                     (double)p[i] * 255, (double)expected[i]);
    rn_model_destroy(model);

    struct rn_import_options o;
    rn_import_defaults(&o);
    o.mean_image = in_folder("cut.binaryproto");
    assert_int_equal(
        rn_model_import(&model, in_folder("net.prototxt"), &o, &err),
        RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "not a whole mean"));
    rn_free(out.bytes);
}

static void files_are_found(void **state)
{
    struct rn_import_options o;
    struct rn_model *model;
    struct rn_error err = {0};

    (void)state;
    write_net("");
    assert_int_equal(rename(in_folder("net.caffemodel"), in_folder("x")), 0);
    assert_int_equal(rn_model_load(&model, in_folder("net.prototxt"), &err),
                     RN_ERR_DATA);
    rn_import_defaults(&o);
    o.weights = in_folder("x");
    OK(rn_model_import(&model, in_folder("net.prototxt"), &o, &err));
    assert_string_equal(model->spec.name, "net");
    OK(rn_model_save(model, in_folder("net.safetensors"), &err));
    rn_model_destroy(model);
    assert_int_equal(
        rn_model_import(&model, in_folder("net.safetensors"), &o, &err),
        RN_ERR_ARG);
    o.weights = NULL;
    OK(rn_model_import(&model, in_folder("net.safetensors"), &o, &err));
    rn_model_destroy(model);
}

/* What a layer reads and makes. */
static void put_wires(struct rn_pb_out *out, const struct manner *how,
                      const char *bottom, const char *top)
{
    rn_pb_put_text(out, how->v1 ? CAFFE_V1_BOTTOM : CAFFE_LAYER_BOTTOM, bottom);
    rn_pb_put_text(out, how->v1 ? CAFFE_V1_TOP : CAFFE_LAYER_TOP, top);
}

/* The weights of a layer that no text below has, and of a linear layer, which
 * reads that value. */
static void write_left(const struct manner *how, const char *read)
{
    static const float ones[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const size_t matrix[] = {1, 12}, one = 1;
    struct rn_pb_out out = {0};
    size_t layer = begin_layer(&out, how, "left");

    put_wires(&out, how, "data", "made");
    put_blob(&out, how, 1, &one, ones, 1);
    rn_pb_end(&out, layer);
    layer = begin_layer(&out, how, "split");
    put_wires(&out, how, "made", "made_split_0");
    rn_pb_end(&out, layer);
    layer = begin_layer(&out, how, "fc");
    put_wires(&out, how, read, "fc");
    put_blob(&out, how, 2, matrix, ones, 1);
    put_blob(&out, how, 1, &one, ones, 1);
    rn_pb_end(&out, layer);
    put_file("net.caffemodel", out.bytes, out.size);
    rn_free(out.bytes);
}

static void on_left(void *user, const char *text)
{
    bool *told = user;

    *told |= strstr(text, "passed over weights of 1 layers (left)") != NULL;
}

/* Weights that no layer takes are told, and refused where the file has them
 * before a layer that the text has. */
static void weights_left_over_are_told(void **state)
{
    static const struct manner old = {"old", true, true, false, 1};
    static const struct {
        const struct manner *how;
        const char *read, *text;
        bool skip, refused;
    } cases[] = {
        {&now, "data", "", false, false}, /* a head for training */
        {&now, "made", "", false, true},
        {&now, "made_split_0", "", false, true},
        {&now, "made", "", true, false},
        {&now, "made",
         "layer { name: 'left' type: 'InnerProduct' "
         "bottom: 'data' top: 'l' include { phase: TRAIN "
         "} }",
         false, false},
        {&old, "data", "", false, false},
        {&old, "made", "", false, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_import_options o;
        struct rn_model *model;
        struct rn_error err = {0};
        char text[600];
        bool told = false;

        write_left(cases[i].how, cases[i].read);
        snprintf(text, sizeof(text),
                 "input: 'data' input_shape { dim: 1 dim: 3 dim: 2 dim: 2 } "
                 "layer { name: 'fc' type: 'InnerProduct' bottom: 'data' "
                 "top: 'fc' inner_product_param { num_output: 1 } } %s",
                 cases[i].text);
        put_text("net.prototxt", text);
        rn_import_defaults(&o);
        o.skip_extra = cases[i].skip;
        o.message = on_left;
        o.user = &told;
        int rc = rn_model_import(&model, in_folder("net.prototxt"), &o, &err);
        if (rc != (cases[i].refused ? RN_ERR_DATA : RN_OK) ||
            told == cases[i].refused)
            fail_msg("case %zu (%s): %d, %stold: %s", i, cases[i].read, rc,
                     told ? "" : "not ", err.msg);
        if (rc)
            assert_non_null(strstr(
                err.msg, "has weights of 1 layers, before others, that"));
        rn_model_destroy(model);
    }
}

/* ------------------------------------------------------------------ refusals
 */

#define DATA "input: 'data' input_shape { dim: 1 dim: 3 dim: 8 dim: 8 } "
#define FC                                                           \
    "layer { name: 'fc' type: 'InnerProduct' bottom: 'x' top: 'fc' " \
    "inner_product_param { num_output: 2 } }"
#define LAYER(type, rest) \
    "layer { name: 'l' type: '" type "' bottom: 'data' top: 'x' " rest " } "

static void what_is_wrong_is_refused_by_name(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {DATA LAYER("Deconvolution", "") FC,
         "layer 'l' (Deconvolution) is not known"},
        {DATA LAYER("Convolution", "") FC, "'l' (Convolution) has a window"},
        {DATA LAYER("Convolution", "convolution_param { kernel_size: 3 }"),
         "has 0 as its num_output"},
        {DATA LAYER("Convolution", "convolution_param { kernel_size: 3 "
                                   "num_output: 2147483647 }") FC,
         "larger than a GiB"},
        {DATA LAYER("Convolution", "convolution_param { kernel_size: 3 "
                                   "num_output: 99999999999 }") FC,
         "has 99999999999 as its num_output"},
        {DATA LAYER("Convolution", "convolution_param { kernel_size: 3 "
                                   "num_output: 4 group: 2 }") FC,
         "cannot be built"},
        {DATA LAYER("Convolution", "convolution_param { kernel_size: 9 "
                                   "num_output: 4 }") FC,
         "cannot be built"},
        {DATA LAYER("Convolution", "convolution_param { kernel_size: x }"),
         "has 'x' as its kernel_size"},
        {DATA LAYER("Pooling", "pooling_param { kernel_size: 2 pool: "
                               "STOCHASTIC }"),
         "'STOCHASTIC'"},
        {DATA LAYER("Pooling", "pooling_param { kernel_size: 1 stride: 3 }"),
         "sees no pixel"},
        {DATA LAYER("Eltwise", "bottom: 'data' eltwise_param { coeff: 1 }"),
         "has 1 coeffs for 2 values"},
        {DATA LAYER("Eltwise", "bottom: 'data' eltwise_param { coeff: 1 coeff: "
                               "x }"),
         "has 'x' as a coeff"},
        {DATA LAYER("Eltwise", "bottom: 'data' eltwise_param { operation: "
                               "MIN }"),
         "has 'MIN' as its operation"},
        {DATA "layer { name: 'p' type: 'Pooling' bottom: 'data' top: 'p' "
              "pooling_param { global_pooling: true } }" LAYER(
                  "Eltwise", "bottom: 'p' eltwise_param { operation: MAX }"),
         "compares 3x8x8 and 3x1x1"},
        {DATA LAYER("LRN", "lrn_param { norm_region: WITHIN_CHANNEL "
                           "local_size: 4 }"),
         "has 4 as its local_size"},
        {DATA LAYER("Axpy", "bottom: 'data' bottom: 'data'"),
         "multiplies 3x8x8 with 3x8x8"},
        {DATA LAYER("Scale", "bottom: 'data'"), "from dimension 1 on"},
        {DATA LAYER("Reshape", "reshape_param { shape { dim: 0 dim: 5 dim: -1 "
                               "} }"),
         "makes of 3x8x8 something"},
        {DATA LAYER("Flatten", "") "layer { name: 'p' type: 'Pooling' bottom: "
                                   "'x' top: 'p' }",
         "has been flattened"},
        {DATA "layer { name: 'a' type: 'ReLU' bottom: 'b' top: 'a' } "
              "layer { name: 'b' type: 'ReLU' bottom: 'a' top: 'b' }",
         "cycle"},
        {DATA LAYER("ReLU", "") LAYER("Sigmoid", ""), "there already"},
        {DATA LAYER("ReLU", ""), "its output is 3x8x8"},
        {DATA, "its output is 3x8x8"},
        {"", "its output is 0x0x0"},
        {LAYER("ReLU", ""), "reads 'data'"},
        {"input: 'data' input_dim: 1 input_dim: 3 input_dim: 8 " FC,
         "has no four sizes"},
        {"input: 'data' input_dim: 1 input_dim: 3 input_dim: 8 input_dim: "
         "4294967297 ",
         "no picture"},
        {DATA "layer { name: 'i' type: 'Input' top: 'x' input_param { shape { "
              "dim: 1 dim: 1 dim: 1 dim: 1 } } }",
         "second input"},
        {"layer { name: 'd' type: 'Data' top: 'data' }", "--crop says"},
        {"colour: 3 " DATA, "the network's field 'colour' is not known"},
        {"name: 'a' name: 'b' " DATA, "the network's field 'name' is there "
                                      "twice"},
        {DATA LAYER("ReLU", "colour: 3"), "'l' (ReLU) has the field 'colour', "
                                          "which is not known"},
        {DATA LAYER("ReLU", "relu_param { slope: 3 }"),
         "has the field 'slope' in its relu_param, which is not known"},
        {DATA LAYER("ReLU", "relu_param { negative_slope: 0 negative_slope: 1 "
                            "}"),
         "'negative_slope' in its relu_param, which is there twice"},
        {DATA LAYER("ReLU", "relu_param: 3"), "has '3' as its relu_param"},
        {DATA LAYER("ReLU", "include { faze: TEST }"), "'faze' in its include"},
        {DATA LAYER("Pooling", "pooling_param { pool: 'MAX' kernel_size: 2 }"),
         "has 'MAX' as its pool"},
        {DATA LAYER("Pooling", "pooling_param { pool: MAX kernel_size: 2 "
                               "global_pooling: yes }"),
         "has 'yes' as its global_pooling"},
        {DATA LAYER("BatchNorm", "batch_norm_param { use_global_stats: False "
                                 "}"),
         "use_global_stats: false"},
    };
    const struct rn_caffe_options none = {{3, 0, 0}, NULL};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_prototxt p;
        struct rn_graph *g;
        struct rn_error err = {0};

        OK(parse(&p, cases[i].text, &err));
        int rc = rn_caffe_graph(&g, &p, NULL, &none, RN_CAFFE_PARAMS, &err);
        if (rc != RN_ERR_DATA || !strstr(err.msg, cases[i].message))
            fail_msg("%s\ngave %d '%s', expected '%s'", cases[i].text, rc,
                     err.msg, cases[i].message);
        rn_prototxt_close(&p);
    }
}

/* Which of the two would be the layer's? */
static void names_twice_are_refused(void **state)
{
    static const float number = 1;
    const size_t one = 1;
    struct rn_caffe_weights w;
    struct rn_error err = {0};
    struct rn_pb_out out = {0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        size_t layer = begin_layer(&out, &now, i == 1 ? "fc" : "conv");

        put_blob(&out, &now, 1, &one, &number, 1);
        rn_pb_end(&out, layer);
    }
    assert_int_equal(
        rn_caffe_weights_parse(&w, out.bytes, out.size, "weights", &err),
        RN_ERR_DATA);
    assert_string_equal(err.msg,
                        "'weights': two layers with weights are named 'conv'");
    rn_caffe_weights_close(&w);
    rn_free(out.bytes);
}

/* Weights cut anywhere, or of another network. */
static void wrong_weights_are_refused(void **state)
{
    static const struct {
        const char *from, *to, *message;
    } cases[] = {
        {"num_output: 8", "num_output: 9",
         "has a blob of 8x3x3x3 as number 0, "
         "expected 9x3x3x3"},
        {"name: 'c1'", "name: 'cx'", "has 0 blobs"},
        {"bias_term: false", "bias_term: true ", "has 1 blobs"},
        {"num_output: 5", "num_output: 6", "expected 6x"},
    };
    const struct rn_caffe_options none = {{3, 0, 0}, NULL};
    struct rn_graph *own = net_by_hand(), *g;
    struct rn_pb_out out = caffemodel(own, &now);
    struct rn_caffe_weights w;
    struct rn_error err = {0};
    (void)state;
    rn_graph_destroy(own);
    for (size_t size = 0; size < out.size; size++) {
        struct rn_prototxt p;

        err = (struct rn_error){0};
        int rc = rn_caffe_weights_parse(&w, out.bytes, size, "cut", &err);
        OK(parse(&p, net_text, &err));
        if (!rc) /* between two layers */
            rc = rn_caffe_graph(&g, &p, &w, &none, 0, &err);
        if (rc != RN_ERR_DATA || !err.msg[0])
            fail_msg("%zu of %zu bytes gave %d", size, out.size, rc);
        rn_prototxt_close(&p);
        rn_caffe_weights_close(&w);
    }
    OK(rn_caffe_weights_parse(&w, out.bytes, out.size, "weights", &err));
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[sizeof(net_text)];
        struct rn_prototxt p;

        memcpy(text, net_text, sizeof(text));
        char *at = strstr(text, cases[i].from);
        assert_non_null(at);
        memcpy(at, cases[i].to, strlen(cases[i].to));
        OK(parse(&p, text, &err));
        int rc = rn_caffe_graph(&g, &p, &w, &none, 0, &err);
        if (rc != RN_ERR_DATA || !strstr(err.msg, cases[i].message))
            fail_msg("'%s' gave %d '%s', expected '%s'", cases[i].to, rc,
                     err.msg, cases[i].message);
        rn_prototxt_close(&p);
    }
    rn_caffe_weights_close(&w);
    rn_free(out.bytes);
}

/* Everything up to the graph, the n-th allocation failing. */
static int read_failing(const struct rn_pb_out *out, long n,
                        struct rn_error *err)
{
    const struct rn_caffe_options none = {{3, 0, 0}, NULL};
    struct rn_caffe_weights w = {0};
    struct rn_prototxt p;
    struct rn_graph *g = NULL;

    rn_alloc_fail_after(n);
    int rc = parse(&p, net_text, err);
    if (!rc)
        rc = rn_caffe_weights_parse(&w, out->bytes, out->size, "weights", err);
    if (!rc)
        rc = rn_caffe_graph(&g, &p, &w, &none, 0, err);
    rn_alloc_fail_after(-1);
    rn_caffe_weights_close(&w);
    rn_prototxt_close(&p);
    rn_graph_destroy(g);
    return rc;
}

static void lack_of_memory_is_told(void **state)
{
    struct rn_graph *own = net_by_hand();
    struct rn_pb_out out = caffemodel(own, &now);
    struct rn_error err = {0};
    long n = 1;
    int rc;

    (void)state;
    rn_graph_destroy(own);
    for (; (rc = read_failing(&out, n, &err)); n++)
        if (rc != RN_ERR_MEMORY)
            fail_msg("allocation %ld failing gave %d '%s'", n, rc, err.msg);
    assert_true(n > 20); /* as many as nodes, at least */
    rn_free(out.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_become_trees),
        cmocka_unit_test(values_are_protobufs),
        cmocka_unit_test(texts_that_are_none_are_refused),
        cmocka_unit_test(networks_are_what_their_texts_say),
        cmocka_unit_test(pools_meet_the_edge_as_caffes_do),
        cmocka_unit_test(he_networks_have_their_parameters),
        cmocka_unit_test(he_networks_take_weights),
        cmocka_unit_test(layers_compute_what_caffes_do),
        cmocka_unit_test(outputs_are_chosen),
        cmocka_unit_test(phases_choose_layers),
        cmocka_unit_test(norms_of_five_blobs),
        cmocka_unit_test(means_are_taken),
        cmocka_unit_test(means_stay_with_their_channels),
        cmocka_unit_test(old_transforms_are_taken),
        cmocka_unit_test(mean_images_are_taken),
        cmocka_unit_test(files_are_found),
        cmocka_unit_test(weights_left_over_are_told),
        cmocka_unit_test(what_is_wrong_is_refused_by_name),
        cmocka_unit_test(wrong_weights_are_refused),
        cmocka_unit_test(names_twice_are_refused),
        cmocka_unit_test(lack_of_memory_is_told),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
