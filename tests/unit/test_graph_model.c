/* SPDX-License-Identifier: BSD-2-Clause */
/* Models of networks that are none of ours: files that hold them node by node
 * read back the same, run the same, or are refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "folder.h"

#include "core/file.h"
#include "core/memory.h"
#include "graph/operation.h"
#include "model/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

enum { CLASSES = 3, CHANNELS = 3, SIZE = 9 };

#define OK(call)                                \
    do {                                        \
        if ((call) != RN_OK)                    \
            fail_msg("%s: %s", #call, err.msg); \
    } while (0)

/* Every operation, with numbers that JSON rounds when told to. */
static struct rn_graph *make_graph(void)
{
    const struct rn_window three = RN_WINDOW(3, 3, 1, 1);
    const struct rn_window odd = {.kh = 3,
                                  .kw = 2,
                                  .stride = 1,
                                  .stride_w = 2,
                                  .dilate_h = 1,
                                  .top = 1,
                                  .left = 1,
                                  .bottom = 3};
    const struct rn_pool_options pool = {RN_WINDOW(3, 3, 2, 1), true, true};
    const struct rn_pool_options odd_pool = {.window = odd};
    struct rn_graph *g = rn_graph_create();
    int x, y, z;

    assert_non_null(g);
    rn_graph_input(g, (struct rn_shape){CHANNELS, SIZE, SIZE});
    x = rn_graph_conv(g, 0, "stem.conv", 8, three, true);
    x = rn_graph_batch_norm(g, x, "stem.bn");
    g->nodes[x].eps = 1.1e-3f;
    x = rn_graph_relu(g, x, "stem.relu");
    y = rn_graph_conv_groups(g, x, "grouped", 8, three, 4, false);
    x = rn_graph_add(g, x, y, "add");
    y = rn_graph_conv(g, x, "odd", 4, odd, false);
    y = rn_graph_avg_pool(g, y, "avg", &pool);
    y = rn_graph_adaptive_avg_pool(g, y, "adaptive", 1, 1);
    y = rn_graph_global_avg_pool(g, y, "y");
    x = rn_graph_max_pool_with(g, x, "max", &pool);
    x = rn_graph_lrn(g, x, "lrn", (struct rn_lrn){5, 1e-4f, 0.75f, 2.1f});
    x = rn_graph_zero_pad(g, x, "pad", 0, 1, 2, 0);
    x = rn_graph_max_pool_with(g, x, "odd max", &odd_pool);
    x = rn_graph_leaky_relu(g, x, "leaky", 0.1f);
    z = rn_graph_subsample_pad(g, x, "sub", 11, 1, 2);
    z = rn_graph_global_avg_pool(g, z, "z");
    x = rn_graph_clip(g, x, "relu6", 0, 6.6f);
    x = rn_graph_clip(g, x, "at least", -0.3f, INFINITY);
    x = rn_graph_global_avg_pool(g, x, "x");
    x = rn_graph_multiply(g, x, rn_graph_sigmoid(g, x, "gate"), "gated");
    y = rn_graph_softmax(g, y, "softmax");
    x = rn_graph_concat(g, rn_graph_concat(g, x, y, "xy"), z, "xyz");
    x = rn_graph_concat_all(g, (const int[]){z, x, y, z}, 4, "all");
    x = rn_graph_prelu(g, x, "prelu");
    x = rn_graph_highway(g, rn_graph_concat(g, x, x, "halves"), x, "highway");
    x = rn_graph_maxout(g, rn_graph_concat(g, x, x, "pieces"), "maxout", 2);
    x = rn_graph_activation(g, x, "mish", RN_FUNCTION_MISH, 0, 0);
    x = rn_graph_log_softmax(g, x, "log softmax");
    x = rn_graph_select(g, x, "last 40", 40,
                        (struct rn_selection){9, 40, 1, 0});
    x = rn_graph_quantize(g, x, "quantize", 0.05f, 200, 0, 255);
    x = rn_graph_dropout(g, x, "dropout", 0.3f);
    rn_graph_linear(g, x, "classifier", CLASSES);
    rn_graph_relu(g, g->output, "nobody reads this");
    g->output--;
    if (g->error.code)
        fail_msg("%s", g->error.msg);
    return g;
}

static struct rn_model *make_model(void)
{
    struct rn_graph *g = make_graph();
    struct rn_net_spec spec;
    struct rn_model *model;

    rn_net_of_graph(&spec, "somebody's", g);
    model = rn_model_wrap(&spec, g);
    assert_non_null(model);
    rn_model_init(model, 3);
    return model;
}

static void assert_same_node(const struct rn_node *a, const struct rn_node *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->op, b->op);
    assert_int_equal(a->n_inputs, b->n_inputs);
    assert_memory_equal(a->input, b->input,
                        (size_t)a->n_inputs * sizeof(*a->input));
    assert_memory_equal(a->param, b->param, sizeof(a->param));
    assert_true(rn_node_same(a, b));
    assert_int_equal(rn_node_sum(a), rn_node_sum(b));
    assert_int_equal(a->macs, b->macs);
}

static void assert_same(const struct rn_model *a, const struct rn_model *b)
{
    const struct rn_graph *x = a->graph, *y = b->graph;

    assert_string_equal(a->spec.name, b->spec.name);
    assert_ptr_equal(a->spec.family, b->spec.family);
    assert_int_equal(a->spec.classes, b->spec.classes);
    assert_int_equal(x->output, y->output);
    assert_int_equal(x->n_nodes, y->n_nodes);
    for (size_t i = 0; i < x->n_nodes; i++)
        assert_same_node(&x->nodes[i], &y->nodes[i]);
    assert_int_equal(x->n_params, y->n_params);
    for (size_t i = 0; i < x->n_params; i++) {
        assert_string_equal(x->params[i].name, y->params[i].name);
        assert_int_equal(x->params[i].count, y->params[i].count);
        assert_memory_equal(x->params[i].data, y->params[i].data,
                            x->params[i].count * sizeof(float));
    }
}

/* Logits of some image. */
static void forward(const struct rn_model *model, float logits[CLASSES])
{
    struct rn_plan_options options;
    float image[CHANNELS * SIZE * SIZE];
    struct rn_plan *plan;
    struct rn_error err;

    for (size_t i = 0; i < COUNT(image); i++)
        image[i] = (float)(i * i % 101) / 50.0f - 1.0f;
    rn_plan_defaults(&options);
    options.threads = 1;
    OK(rn_plan_create(&plan, model, &options, &err));
    OK(rn_plan_forward(plan, image, logits, &err));
    rn_plan_destroy(plan);
}

static void graphs_read_back_the_same(void **state)
{
    static const char *const names[] = {"a.safetensors", "a.pth",
                                        "b.safetensors"};
    struct rn_model *model = make_model(), *back;
    float want[CLASSES], got[CLASSES];
    struct rn_error err;

    (void)state;
    forward(model, want);
    assert_true(want[0] != want[1]);
    for (size_t i = 0; i < COUNT(names); i++) {
        OK(rn_model_export(model, in_folder(names[i]), &err));
        OK(rn_model_load(&back, in_folder(names[i]), &err));
        assert_same(model, back);
        forward(back, got);
        assert_memory_equal(want, got, sizeof(want));
        rn_model_destroy(model);
        model = back;
    }
    rn_model_destroy(model);
}

/* Names that all begin alike, or as wrappers do, are a graph's own. */
static void names_of_wrappers_read_back(void **state)
{
    static const char *const begin[] = {"module.", "net.", "backbone.",
                                        "layer0.", "encoder_q."};
    const struct rn_window one = RN_WINDOW(1, 1, 1, 0);
    struct rn_error err;

    (void)state;
    for (size_t i = 0; i < COUNT(begin); i++) {
        struct rn_graph *g = rn_graph_create();
        struct rn_model *model, *back;
        struct rn_net_spec spec;
        char names[3][40];
        int x;

        assert_non_null(g);
        for (int k = 0; k < 3; k++)
            snprintf(names[k], sizeof(names[k]), "%s%s", begin[i],
                     k < 2 ? (k ? "conv2" : "conv1") : "fc");
        x = rn_graph_input(g, (struct rn_shape){CHANNELS, SIZE, SIZE});
        x = rn_graph_conv(g, x, names[0], 8, one, true);
        x = rn_graph_sigmoid(g, x, "sigmoid");
        x = rn_graph_conv(g, x, names[1], 8, one, true);
        x = rn_graph_global_avg_pool(g, x, "pool");
        rn_graph_linear(g, x, names[2], CLASSES);
        rn_net_of_graph(&spec, "wrapped", g);
        model = rn_model_wrap(&spec, g);
        assert_non_null(model);
        rn_model_init(model, 3);
        OK(rn_model_export(model, in_folder("wrapped.pth"), &err));
        if (rn_model_load(&back, in_folder("wrapped.pth"), &err))
            fail_msg("'%s': %s", begin[i], err.msg);
        assert_same(model, back);
        rn_model_destroy(back);
        rn_model_destroy(model);
    }
}

/* An operation that is not in the graph above is not tried here. */
static void every_operation_is_there(void **state)
{
    struct rn_graph *g = make_graph();
    bool seen[RN_OP_COUNT] = {false};

    (void)state;
    for (size_t i = 0; i < g->n_nodes; i++)
        seen[g->nodes[i].op] = true;
    for (int op = 0; op < RN_OP_COUNT; op++)
        if (!seen[op])
            fail_msg("no node is a %s", rn_op_name((enum rn_op)op));
    rn_graph_destroy(g);
}

/* ONNX has all operations, and gives the same answers. */
static void graphs_go_to_onnx_and_back(void **state)
{
    struct rn_model *model = make_model(), *back;
    float want[CLASSES], got[CLASSES];
    struct rn_error err;

    (void)state;
    OK(rn_model_export(model, in_folder("a.onnx"), &err));
    OK(rn_model_load(&back, in_folder("a.onnx"), &err));
    forward(model, want);
    forward(back, got);
    for (int i = 0; i < CLASSES; i++)
        assert_true(fabsf(want[i] - got[i]) <= 1e-5f * (1 + fabsf(want[i])));
    rn_model_destroy(model);
    rn_model_destroy(back);
}

static void describes_itself(void **state)
{
    struct rn_model *model = make_model();
    struct rn_model_info info;
    struct rn_layer_info layer;

    (void)state;
    rn_model_describe(model, &info);
    assert_string_equal(info.net, "somebody's");
    assert_int_equal(info.classes, CLASSES);
    assert_int_equal(info.height, SIZE);
    assert_int_equal(info.shortcut, '-');
    assert_int_equal(info.params,
                     8 * 27 + 8 + 16 + 8 * 2 * 9 + 4 * 8 * 6 + 49 + 3 * 40 + 3);
    assert_int_equal(rn_model_layer(model, 3, &layer), RN_OK);
    assert_string_equal(layer.name, "grouped");
    assert_int_equal(layer.macs, 8 * 2 * 9 * 81);
    struct rn_layer_attribute a;
    assert_int_equal(rn_model_layer_attribute(model, 3, 1, &a), RN_OK);
    assert_string_equal(a.name, "kernel");
    assert_null(a.word);
    assert_int_equal(a.count, 2);
    assert_true(a.numbers[0] == 3 && a.numbers[1] == 3);
    assert_int_equal(rn_model_layer_attribute(model, 3, 6, &a), RN_OK);
    assert_string_equal(a.name, "bias");
    assert_string_equal(a.word, "false");
    assert_int_equal(rn_model_layer_attribute(model, 3, 7, &a), RN_ERR_ARG);
    assert_int_equal(rn_model_layer_attribute(model, 1000, 0, &a), RN_ERR_ARG);
    rn_model_destroy(model);
}

/* -------------------------------------------------------------- refusals */

/* A small graph's description. */
#define CONV                                                                  \
    "{\"op\":\"conv\",\"name\":\"c\",\"input\":0,\"channels\":8,\"kernel\":[" \
    "3,3],"                                                                   \
    "\"stride\":[1,1],\"dilation\":[1,1],\"padding\":[1,1,1,1],\"groups\":1," \
    "\"bias\":false}"
#define POOL "{\"op\":\"global_avg_pool\",\"name\":\"p\",\"input\":1}"
#define FC   "{\"op\":\"linear\",\"name\":\"f\",\"input\":2,\"channels\":3}"
#define NETWORK                                                            \
    "\"name\":\"x\",\"family\":\"graph\",\"input\":[3,9,9],\"classes\":3," \
    "\"output\":3,\"nodes\":[" CONV "," POOL "," FC "]"
#define WHOLE "{\"format\":1,\"network\":{" NETWORK "}}"

/* What in it is replaced, and what is said then. */
static const struct {
    const char *from, *to, *expected;
} faults[] = {
    {"\"name\":\"x\",", "", "\"name\" in the model's description"},
    {"\"output\":3", "\"output\":0", "\"output\" in the model's"},
    {"\"output\":3", "\"output\":4", "value 4 is the output of a network of 4"},
    {"\"output\":3", "\"output\":2", "ends in 8x1x1, expected a number for"},
    {"\"output\":3", "\"output\":1", "ends in 8x9x9"},
    {"\"classes\":3", "\"classes\":4", "each of 4 classes"},
    {"[3,9,9]", "[3,9]", "\"input\" in the model's description"},
    {"[3,9,9]", "[65535,65535,65535]", "more than 2^31 values"},
    {"\"nodes\":[", "\"nodes\":{\"a\":[", "no list"},
    {"\"op\":\"conv\"", "\"op\":\"input\"", "no operation 'input' here"},
    {"\"op\":\"conv\"", "\"op\":\"warp\"", "layer 'c': there is no operation"},
    {"\"op\":\"conv\"", "\"op\":7", "there is no operation ''"},
    {"\"name\":\"c\"", "\"name\":\"\"", "layer 1 has no name"},
    {"\"name\":\"c\"", "\"name\":\"a\\u0007\"", "layer 1 has no name"},
    {"\"name\":\"c\"", "\"name\":\"f\"", "two layers are called 'f'"},
    {"\"name\":\"c\"", "\"name\":\"input\"", "two layers are called 'input'"},
    {"\"input\":0", "\"input\":1", "layer 'c' reads value 1, but only 1 come"},
    {"\"input\":0", "\"input\":-1", "layer 'c': \"input\" is missing"},
    {"\"input\":0", "\"input\":[0,0]", "layer 'c': \"input\""},
    {"\"input\":0", "\"input\":3000000000", "layer 'c': \"input\""},
    {"\"channels\":8", "\"channels\":0", "'c' has 0 channels"},
    {"\"channels\":8", "\"channels\":8,\"colour\":8",
     "\"colour\" is not known here"},
    {"\"channels\":8", "\"channels\":8.5", "\"channels\" is missing or not"},
    {"\"channels\":8", "\"channels\":9", "layer 'f' has more parameters than"},
    {"\"channels\":8", "\"channels\":2147483647", "more than 2^31 values"},
    {"\"kernel\":[3,3]", "\"kernel\":[2147483647,2147483647]",
     "'c' has a window of 2147483647x2147483647, its input is 3x9x9"},
    {"\"kernel\":[3,3]", "\"kernel\":[3]", "\"kernel\" is missing or not"},
    {"\"kernel\":[3,3]", "\"kernel\":[0,3]", "window of 0x3"},
    {"\"stride\":[1,1]", "\"stride\":[0,1]", "stride 0"},
    {"\"stride\":[1,1]", "\"stride\":\"1\"", "\"stride\" is missing"},
    {"\"dilation\":[1,1]", "\"dilation\":[0,1]", "-1 and 0 pixels"},
    {"\"dilation\":[1,1]", "\"dilation\":[2147483647,1]", "pixels between"},
    {"\"padding\":[1,1,1,1]", "\"padding\":[1,1,1,-1]", "\"padding\" is"},
    {"\"padding\":[1,1,1,1]", "\"padding\":[99999,1,1,1]", "pad 99999, 1"},
    {"\"groups\":1", "\"groups\":0", "in 0 groups"},
    {"\"groups\":1", "\"groups\":2", "3 to 8 channels in 2 groups"},
    {"\"bias\":false", "\"bias\":0", "\"bias\" is missing"},
    {"\"bias\":false", "\"bias\":true", "layer 'f' has more parameters than"},
    {CONV, "17", "layer 1 has no name"},
    {CONV, "{\"op\":\"clip\",\"name\":\"c\",\"input\":0,\"low\":1,\"high\":0}",
     "'c' clips to 1..0"},
    {CONV,
     "{\"op\":\"lrn\",\"name\":\"c\",\"input\":0,\"size\":4,\"alpha\":1,"
     "\"beta\":1,\"k\":1}",
     "over 4 channels"},
    {CONV, "{\"op\":\"leaky_relu\",\"name\":\"c\",\"input\":0,\"slope\":1e99}",
     "\"slope\" is missing"},
    {CONV, "{\"op\":\"add\",\"name\":\"c\",\"input\":[0,1]}", "reads value 1"},
    {CONV, "{\"op\":\"concat\",\"name\":\"c\",\"input\":[0,-2]}", "\"input\""},
};

/* WHOLE as a file, with one thing replaced, over tensors that fit WHOLE. */
static void save_faulty(const char *from, const char *to)
{
    static const size_t conv[4] = {8, 3, 3, 3}, fc[2] = {3, 8}, bias[1] = {3};
    static float numbers[216];
    const struct rn_st_out tensors[] = {{"c.weight", 4, conv, numbers, RN_F32},
                                        {"f.weight", 2, fc, numbers, RN_F32},
                                        {"f.bias", 1, bias, numbers, RN_F32}};
    const char *at = strstr(WHOLE, from), *rest = at + strlen(from);
    char text[4000], metadata[8000] = "{\"resnet\":\"";
    struct rn_error err;
    size_t used = strlen(metadata);

    assert_non_null(at);
    snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - WHOLE), WHOLE, to,
             rest);
    if (strchr(to, '{') && strstr(to, "\"a\":[")) /* an object for a list */
        snprintf(strstr(text, "]}}"), 5, "]}}}");
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            metadata[used++] = '\\';
        metadata[used++] = *c;
        assert_true(used + 4 < sizeof(metadata));
    }
    memcpy(metadata + used, "\"}", 3);
    OK(rn_st_write(in_folder("a.safetensors"), tensors, COUNT(tensors),
                   metadata, &err));
}

static void faulty_graphs_are_refused(void **state)
{
    struct rn_model *model;
    struct rn_error err = {0};

    (void)state;
    save_faulty("\"bias\"", "\"bias\"");
    OK(rn_model_load(&model, in_folder("a.safetensors"), &err));
    rn_model_destroy(model);
    for (size_t i = 0; i < COUNT(faults); i++) {
        save_faulty(faults[i].from, faults[i].to);
        int rc = rn_model_load(&model, in_folder("a.safetensors"), &err);
        if (rc != RN_ERR_DATA || !strstr(err.msg, faults[i].expected) ||
            !strstr(err.msg, in_folder("a.safetensors")))
            fail_msg("%s -> %s: got %d \"%s\", expected \"%s\"", faults[i].from,
                     faults[i].to, rc, err.msg, faults[i].expected);
        assert_null(model);
    }
}

static void too_many_nodes_are_refused(void **state)
{
    enum { MOST = 20001 };
    struct rn_graph *g = rn_graph_create();
    struct rn_net_spec spec;
    struct rn_model *model, *back;
    struct rn_error err;
    int x;
    (void)state;
    assert_non_null(g);
    x = rn_graph_input(g, (struct rn_shape){3, 1, 1});
    for (int i = 0; i < MOST; i++) {
        char name[16];

        snprintf(name, sizeof(name), "r%d", i);
        x = rn_graph_relu(g, x, name);
    }
    rn_net_of_graph(&spec, "long", g);
    model = rn_model_wrap(&spec, g);
    assert_non_null(model);
    OK(rn_model_save(model, in_folder("a.safetensors"), &err));
    assert_int_equal(rn_model_load(&back, in_folder("a.safetensors"), &err),
                     RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "20001 layers"));
    rn_model_destroy(model);
}

static int save_and_load(const struct rn_model *model, long n,
                         struct rn_error *err)
{
    struct rn_model *back = NULL;

    rn_alloc_fail_after(n);
    int rc = rn_model_save(model, in_folder("a.safetensors"), err);
    if (rc == RN_OK)
        rc = rn_model_load_with(&back, in_folder("a.safetensors"), NULL, 0,
                                NULL, err);
    rn_alloc_fail_after(-1);
    assert_true((rc == RN_OK) == (back != NULL));
    rn_model_destroy(back);
    return rc;
}

static void every_allocation_may_fail(void **state)
{
    struct rn_model *model = make_model();
    struct rn_error err = {0};
    long n = 1;
    int rc = save_and_load(model, n, &err);

    (void)state;
    for (; rc != RN_OK && n < 5000; rc = save_and_load(model, ++n, &err))
        if (rc != RN_ERR_MEMORY)
            fail_msg("allocation %ld: got %d \"%s\"", n, rc, err.msg);
    assert_int_equal(rc, RN_OK);
    assert_true(n > 50);
    rn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graphs_read_back_the_same),
        cmocka_unit_test(names_of_wrappers_read_back),
        cmocka_unit_test(every_operation_is_there),
        cmocka_unit_test(graphs_go_to_onnx_and_back),
        cmocka_unit_test(describes_itself),
        cmocka_unit_test(faulty_graphs_are_refused),
        cmocka_unit_test(too_many_nodes_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };

    return cmocka_run_group_tests_name("graph models", tests, make_folder,
                                       remove_folder);
}
