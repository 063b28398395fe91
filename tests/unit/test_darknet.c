/* SPDX-License-Identifier: BSD-2-Clause */
/* Darknet: sections with weights become the networks they describe; pools and
 * shortcuts are Darknet's own; what is wrong is refused by name. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "folder.h"
#include "foreign.h"

#include "core/file.h"
#include "core/memory.h"
#include "formats/darknet/darknet.h"

#include <math.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static int parse(struct rn_cfg *cfg, const char *text, struct rn_error *err)
{
    return rn_cfg_parse(cfg, (const uint8_t *)text, strlen(text), "cfg", err);
}

/* ----------------------------------------------------------------- weights */

struct bytes {
    uint8_t *at;
    size_t size, room;
};

static void put(struct bytes *b, const void *bytes, size_t size)
{
    if (b->size + size > b->room) {
        b->room = 2 * (b->size + size);
        b->at = realloc(b->at, b->room);
        assert_non_null(b->at);
    }
    if (size > 0)
        memcpy(b->at + b->size, bytes, size);
    b->size += size;
}

/* Images seen are of 8 bytes since version 0.2. */
static void put_header(struct bytes *b, int32_t minor)
{
    const int32_t version[] = {0, minor, 5};
    const uint64_t seen = 123456;

    put(b, version, sizeof(version));
    put(b, &seen, minor >= 2 ? 8 : 4);
}

static void put_param(struct bytes *b, const struct rn_graph *g, size_t node,
                      int place)
{
    const struct rn_param *p = &g->params[g->nodes[node].param[place]];

    put(b, p->data, p->count * sizeof(*p->data));
}

/* A convolution or fc and the batch norm that may follow it. */
static void put_layer(struct bytes *b, const struct rn_graph *g, size_t i)
{
    bool norm = i + 1 < g->n_nodes && g->nodes[i + 1].op == RN_OP_BATCH_NORM;
    bool fc = g->nodes[i].op == RN_OP_LINEAR;

    put_param(b, g, norm ? i + 1 : i, RN_P_BIAS);
    if (fc)
        put_param(b, g, i, RN_P_WEIGHT);
    if (norm) {
        put_param(b, g, i + 1, RN_P_WEIGHT);
        put_param(b, g, i + 1, RN_P_MEAN);
        put_param(b, g, i + 1, RN_P_VAR);
    }
    if (!fc)
        put_param(b, g, i, RN_P_WEIGHT);
}

/* The parameters of a graph as Darknet writes them. */
static struct bytes weights_of(const struct rn_graph *g, int32_t minor)
{
    struct bytes b = {0};

    put_header(&b, minor);
    for (size_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].op == RN_OP_CONV || g->nodes[i].op == RN_OP_LINEAR)
            put_layer(&b, g, i);
    return b;
}

/* --------------------------------------------------------- a small network */

static const char net_text[] =
    "# a comment\n[net]\nbatch=1\nheight = 17\nwidth=14 \nchannels=3\n\n"
    "[convolutional]\nbatch_normalize=1\nfilters=8\nsize=3\nstride=2\npad=1\n"
    "activation=leaky\n"
    "[maxpool]\nsize=2\nstride=2\n"
    "[convolutional]\nbatch_normalize=1\nfilters=8\nsize=3\npad=1\ngroups=4\n"
    "activation=linear\n"
    "[shortcut]\nactivation=leaky\nfrom=-2\n"
    "[convolutional]\nfilters=4\nsize=1\nactivation=relu\n"
    "[route]\nlayers = -1, 3\n; another\n"
    "[dropout]\nprobability=.5\n"
    "[connected]\nbatch_normalize=1\noutput=6\nactivation=logistic\n"
    "[connected]\noutput=5\nactivation=linear\n"
    "[softmax]\ngroups=1\n\n[cost]\ntype=sse\n";

/* The same in our own words. */
static struct rn_graph *net_by_hand(void)
{
    struct rn_graph *g = rn_graph_create();
    struct rn_window pool = {
        .kh = 2, .kw = 2, .stride = 2, .bottom = 1, .right = 1};
    int x = rn_graph_input(g, (struct rn_shape){3, 17, 14}), y;

    x = rn_graph_conv(g, x, "0.conv", 8,
                      (struct rn_window)RN_WINDOW(3, 3, 2, 1), false);
    x = rn_graph_leaky_relu(g, rn_graph_batch_norm(g, x, "0.bn"), "0.leaky",
                            0.1f);
    x = rn_graph_max_pool(g, x, "1.pool", pool);
    y = rn_graph_conv_groups(g, x, "2.conv", 8,
                             (struct rn_window)RN_WINDOW(3, 3, 1, 1), 4, false);
    x = rn_graph_add(g, rn_graph_batch_norm(g, y, "2.bn"), x, "3.add");
    y = x = rn_graph_leaky_relu(g, x, "3.leaky", 0.1f);
    x = rn_graph_conv(g, x, "4.conv", 4,
                      (struct rn_window)RN_WINDOW(1, 1, 1, 0), true);
    x = rn_graph_concat(g, rn_graph_relu(g, x, "4.relu"), y, "5.route");
    x = rn_graph_linear(g, x, "7.fc", 6);
    x = rn_graph_batch_norm(g, x, "7.bn");
    x = rn_graph_sigmoid(g, x, "7.logistic");
    g->output = rn_graph_linear(g, x, "8.fc", 5);
    if (g->error.code)
        fail_msg("%s", g->error.msg);
    make_up(g);
    /* batch norm's is the only bias that Darknet has there */
    struct rn_param *bias = rn_graph_param(g, "7.fc.bias");
    memset(bias->data, 0, bias->count * sizeof(*bias->data));
    return g;
}

static void networks_are_what_their_sections_say(void **state)
{
    float image[3 * 17 * 14], expected[5], found[5];
    uint32_t seed = 4;

    (void)state;
    for (size_t i = 0; i < COUNT(image); i++)
        image[i] = 2 * number(&seed);
    for (int32_t minor = 1; minor <= 2; minor++) {
        struct rn_graph *own = net_by_hand(), *g;
        struct bytes b = weights_of(own, minor);
        struct rn_darknet_weights w = {"weights", b.at, b.size};
        struct rn_cfg cfg;
        struct rn_error err = {0};

        OK(parse(&cfg, net_text, &err));
        OK(rn_darknet_graph(&g, &cfg, &w, 0, &err));
        check_same_params(own, g, minor == 1 ? "0.1" : "0.2");
        rn_cfg_close(&cfg);
        free(b.at);
        run(own, image, expected);
        run(g, image, found);
        for (int k = 0; k < 5; k++)
            if (!(fabsf(found[k] - expected[k]) <= 1e-5f))
                fail_msg("minor %d: logit %d is %g, expected %g", (int)minor, k,
                         (double)found[k], (double)expected[k]);
    }
}

/* ------------------------------------------------- pools, and odd shortcuts */

/* What is behind `layers` on a picture of c x size x size, each pixel a class;
 * the weights before that last layer are `numbers`. */
static void run_layers(const char *layers, int c, int size, int outs,
                       const float *numbers, size_t n, const float *image,
                       float *found)
{
    char text[800];
    struct bytes b = {0};
    struct rn_cfg cfg;
    struct rn_graph *g;
    struct rn_error err = {0};

    snprintf(text, sizeof(text),
             "[net]\nheight=%d\nwidth=%d\nchannels=%d\n%s\n"
             "[connected]\noutput=%d\nactivation=linear\n",
             size, size, c, layers, outs);
    put_header(&b, 2);
    put(&b, numbers, n * sizeof(*numbers));
    for (int i = -1; i < outs; i++) /* the bias, then rows */
        for (int j = 0; j < outs; j++)
            put(&b, &(float){i == j}, sizeof(float));
    struct rn_darknet_weights w = {"weights", b.at, b.size};
    OK(parse(&cfg, text, &err));
    OK(rn_darknet_graph(&g, &cfg, &w, 0, &err));
    rn_cfg_close(&cfg);
    free(b.at);
    run(g, image, found);
}

/* forward_maxpool_layer(): the window starts at -padding / 2. */
static float darknet_pool(const float *x, int size, int k, int top, int left)
{
    float most = -1e9f;

    for (int i = top; i < top + k; i++)
        for (int j = left; j < left + k; j++)
            if (i >= 0 && i < size && j >= 0 && j < size)
                most = fmaxf(most, x[i * size + j]);
    return most;
}

static void pools_meet_the_edge_as_darknets_do(void **state)
{
    static const int cases[][3] = {{8, 2, 2}, {9, 2, 2}, {8, 2, 1},
                                   {9, 3, 2}, {8, 3, 2}, {10, 5, 1}};
    float x[100], found[100];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int size = cases[i][0], k = cases[i][1], stride = cases[i][2];
        int rows = (size + (k - 1) - k) / stride + 1, n = rows * rows;
        uint32_t seed = (uint32_t)i;
        char text[100];

        for (int p = 0; p < size * size; p++)
            x[p] = number(&seed);
        snprintf(text, sizeof(text), "[maxpool]\nsize=%d\nstride=%d", k,
                 stride);
        run_layers(text, 1, size, n, NULL, 0, x, found);
        for (int p = 0; p < n; p++) {
            float e = darknet_pool(x, size, k, p / rows * stride - (k - 1) / 2,
                                   p % rows * stride - (k - 1) / 2);

            if (!(fabsf(found[p] - e) <= 1e-6f))
                fail_msg("pool of %d by %d/%d: pixel %d is %g, expected %g",
                         size, k, stride, p, (double)found[p], (double)e);
        }
    }
}

/* shortcut_cpu(): two channels of 4x4 are added to three of 2x2. */
static void shortcuts_take_every_other_pixel(void **state)
{
    /* the first layer keeps the picture; the second one makes of channels 0
     * and 1 three times their sum, 10 and 0 */
    static const float numbers[] = {0, 0, 1, 0, 0, 1, 0, 10,
                                    0, 3, 3, 0, 0, 0, 0};
    float x[32], found[12];
    uint32_t seed = 3;

    (void)state;
    for (int i = 0; i < 32; i++)
        x[i] = number(&seed);
    run_layers("[convolutional]\nfilters=2\nactivation=linear\n"
               "[convolutional]\nfilters=3\nstride=2\nactivation=linear\n"
               "[shortcut]\nfrom=0\nactivation=linear",
               2, 4, 12, numbers, COUNT(numbers), x, found);
    for (int p = 0; p < 12; p++) {
        int c = p / 4, at = p % 4 / 2 * 2 * 4 + p % 2 * 2;
        float e = c == 0   ? 3 * (x[at] + x[16 + at]) + x[at]
                  : c == 1 ? 10 + x[16 + at]
                           : 0;

        if (!(fabsf(found[p] - e) <= 1e-5f))
            fail_msg("number %d is %g, expected %g", p, (double)found[p],
                     (double)e);
    }
}

/* --------------------------------------------------------- Darknet's files */

static const char *shared_net(const char *name)
{
    static char path[300];
    const char *shared = getenv("RN_SHARED");

    snprintf(path, sizeof(path), "%s/data/arch/darknet/%s.cfg",
             shared ? shared : "", name);
    if (rn_is_file(path))
        return path;
    print_message("RN_SHARED has no data/arch/darknet: skipped\n");
    return NULL;
}

/* As many as ours with shortcuts that have none. */
static void darknets_networks_have_their_parameters(void **state)
{
    static const struct {
        const char *name, *own;
    } nets[] = {{"resnet18", "resnet18"},   {"resnet34", "resnet34"},
                {"resnet50", "resnet50"},   {"resnet101", "resnet101"},
                {"resnet152", "resnet152"}, {"resnext50", "resnext50_32x4d"}};
    const struct rn_net_options a = {.shortcut = 'A'};
    struct rn_import_options o;
    struct rn_error err = {0};
    (void)state;
    rn_import_defaults(&o);
    o.structure = 1;
    for (size_t i = 0; i < COUNT(nets); i++) {
        const char *path = shared_net(nets[i].name);
        struct rn_model *model, *own;

        if (!path)
            skip();
        OK(rn_model_import(&model, path, &o, &err));
        OK(rn_model_create(&own, nets[i].own, &a, &err));
        uint64_t found = rn_graph_params(model->graph);
        uint64_t expected = rn_graph_params(own->graph);
        if (found != expected)
            fail_msg("%s: %llu parameters, expected %llu", nets[i].name,
                     (unsigned long long)found, (unsigned long long)expected);
        assert_true(model->preprocessing.mean[0] == 0 &&
                    model->preprocessing.std[0] == 1);
        rn_model_destroy(own);
        rn_model_destroy(model);
    }
}

static void darknets_networks_take_weights(void **state)
{
    const char *path = shared_net("resnet50");
    struct rn_cfg cfg;
    struct rn_graph *own, *g;
    struct rn_error err = {0};

    (void)state;
    if (!path)
        skip();
    OK(rn_cfg_open(&cfg, path, &err));
    OK(rn_darknet_graph(&own, &cfg, NULL, RN_DARKNET_PARAMS, &err));
    make_up(own);
    struct bytes b = weights_of(own, 2);
    struct rn_darknet_weights w = {"weights", b.at, b.size};
    OK(rn_darknet_graph(&g, &cfg, &w, 0, &err));
    check_same_params(own, g, "resnet50");
    rn_cfg_close(&cfg);
    free(b.at);
    rn_graph_destroy(own);
    rn_graph_destroy(g);
}

static void files_are_found(void **state)
{
    struct rn_graph *own = net_by_hand();
    struct bytes b = weights_of(own, 2);
    struct rn_import_options o;
    struct rn_model *model;
    struct rn_error err = {0};

    (void)state;
    OK(rn_file_write(in_folder("net.cfg"), net_text, strlen(net_text), &err));
    assert_int_equal(rn_model_load(&model, in_folder("net.cfg"), &err),
                     RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "without weights"));
    OK(rn_file_write(in_folder("net.weights"), b.at, b.size, &err));
    OK(rn_model_load(&model, in_folder("net.weights"), &err));
    assert_string_equal(model->spec.name, "net");
    assert_false(model->preprocessing.bgr);
    assert_true(model->preprocessing.std[2] == 1);
    check_same_params(own, model->graph, "net");
    rn_model_destroy(model);
    /* told by its content, too */
    OK(rn_file_write(in_folder("net"), net_text, strlen(net_text), &err));
    rn_import_defaults(&o);
    o.weights = in_folder("net.weights");
    OK(rn_model_import(&model, in_folder("net"), &o, &err));
    rn_model_destroy(model);
    o.mean_image = o.weights;
    assert_int_equal(rn_model_import(&model, in_folder("net"), &o, &err),
                     RN_ERR_ARG);
    rn_graph_destroy(own);
    free(b.at);
}

/* ------------------------------------------------------------------ refusals
 */

#define NET   "[net]\nheight=8\nwidth=8\nchannels=3\n"
#define CLASS "[avgpool]\n[connected]\noutput=2\nactivation=linear\n"
#define CONV  "[convolutional]\nactivation=linear\n"

static void what_is_wrong_is_refused_by_name(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "no section in brackets"},
        {"a=1\n[net]", "line 1 is 'a=1', expected a section"},
        {"[net", "line 1 is '[net', expected ']'"},
        {"[", "expected ']'"},
        {"[net]\nheight 8", "line 2 is 'height 8', expected KEY=VALUE"},
        {CONV, "[convolutional] in line 1 is the first section"},
        {"[net]\nheight=8\nwidth=8\n", "has 0 as its channels"},
        {"[net]\nheight=99999999999\nwidth=8\nchannels=3", "as its height"},
        {"[net]\nheight=8x\nwidth=8\nchannels=3", "has '8x' as its height"},
        {NET "[convolutional]\nfliters=3\n" CLASS,
         "has the key 'fliters', which is not known"},
        {"[net]\ncolour=3\n", "[net] in line 1 has the key 'colour'"},
        {NET "[yolo]\n" CLASS, "[yolo] in line 5 is not known"},
        {NET "[convolutional]\nactivation=mish\n" CLASS, "activation 'mish'"},
        {NET "[convolutional]\nfilters=2147483647\nsize=5\n" CLASS,
         "larger than a GiB"},
        {NET "[convolutional]\nfilters=4294967296\n" CLASS, "as its filters"},
        {NET "[convolutional]\nsize=9\n" CLASS, "cannot be built"},
        {NET "[convolutional]\nfilters=4\ngroups=2\n" CLASS, "cannot be built"},
        {NET "[convolutional]\nxnor=1\n" CLASS, "has xnor=1"},
        {NET CONV "[shortcut]\nfrom=-2\n" CLASS, "reads layer -2, having 1"},
        {NET CONV "[shortcut]\nfrom=1\n" CLASS, "reads layer 1, having 1"},
        {NET CONV "[shortcut]\nfrom=-2147483648\n" CLASS, "reads layer"},
        {NET CONV "[convolutional]\nfilters=4\n" CONV "[shortcut]\nfrom=-2\n",
         "adds 4x8x8 to 1x8x8"},
        {NET CONV "[maxpool]\nsize=3\nstride=3\n[shortcut]\nfrom=0\n",
         "adds 1x8x8 to 1x3x3"},
        {NET CONV "[shortcut]\nfrom=-1,-1\n", "has '-1,-1' as its from"},
        {NET CONV "[route]\n", "has no layers"},
        {NET CONV "[route]\nlayers=-1,,\n", "has layers=-1,,"},
        {NET CONV, "its output is 1x8x8"},
        {NET, "its output is 3x8x8"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_cfg cfg;
        struct rn_graph *g;
        struct rn_error err = {0};
        int rc = parse(&cfg, cases[i].text, &err);

        if (!rc)
            rc = rn_darknet_graph(&g, &cfg, NULL, RN_DARKNET_PARAMS, &err);
        if (rc != RN_ERR_DATA || !strstr(err.msg, cases[i].message))
            fail_msg("%s\ngave %d '%s', expected '%s'", cases[i].text, rc,
                     err.msg, cases[i].message);
        rn_cfg_close(&cfg);
    }
}

/* Weights cut anywhere, of more than the network, or transposed. */
static void wrong_weights_are_refused(void **state)
{
    struct rn_graph *own = net_by_hand(), *g;
    struct bytes b = weights_of(own, 2);
    struct rn_cfg cfg;
    struct rn_error err = {0};

    (void)state;
    OK(parse(&cfg, net_text, &err));
    rn_graph_destroy(own);
    for (size_t size = 0; size < b.size; size++) {
        struct rn_darknet_weights w = {"weights", b.at, size};

        err = (struct rn_error){0};
        int rc = rn_darknet_graph(&g, &cfg, &w, 0, &err);
        if (rc != RN_ERR_DATA || !err.msg[0])
            fail_msg("%zu of %zu bytes gave %d", size, b.size, rc);
    }
    put(&b, &(float){0}, sizeof(float));
    struct rn_darknet_weights w = {"weights", b.at, b.size};
    assert_int_equal(rn_darknet_graph(&g, &cfg, &w, 0, &err), RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "1 numbers more than 'cfg'"));
    memcpy(b.at, &(int32_t){1001}, 4);
    w.size -= 8; /* the shorter header */
    memmove(b.at + 16, b.at + 20, w.size - 16);
    assert_int_equal(rn_darknet_graph(&g, &cfg, &w, 0, &err), RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "transposed"));
    rn_cfg_close(&cfg);
    free(b.at);
}

/* Everything up to the graph, the n-th allocation failing. */
static int read_failing(const struct bytes *b, long n, struct rn_error *err)
{
    const struct rn_darknet_weights w = {"weights", b->at, b->size};
    struct rn_cfg cfg;
    struct rn_graph *g = NULL;

    rn_alloc_fail_after(n);
    int rc = parse(&cfg, net_text, err);
    if (!rc)
        rc = rn_darknet_graph(&g, &cfg, &w, 0, err);
    rn_alloc_fail_after(-1);
    rn_cfg_close(&cfg);
    rn_graph_destroy(g);
    return rc;
}

static void lack_of_memory_is_told(void **state)
{
    struct rn_graph *own = net_by_hand();
    struct bytes b = weights_of(own, 2);
    struct rn_error err = {0};
    long n = 1;
    int rc;

    (void)state;
    rn_graph_destroy(own);
    for (; (rc = read_failing(&b, n, &err)); n++)
        if (rc != RN_ERR_MEMORY)
            fail_msg("allocation %ld failing gave %d '%s'", n, rc, err.msg);
    assert_true(n > 20); /* as many as nodes, at least */
    free(b.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_are_what_their_sections_say),
        cmocka_unit_test(pools_meet_the_edge_as_darknets_do),
        cmocka_unit_test(shortcuts_take_every_other_pixel),
        cmocka_unit_test(darknets_networks_have_their_parameters),
        cmocka_unit_test(darknets_networks_take_weights),
        cmocka_unit_test(files_are_found),
        cmocka_unit_test(what_is_wrong_is_refused_by_name),
        cmocka_unit_test(wrong_weights_are_refused),
        cmocka_unit_test(lack_of_memory_is_told),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
