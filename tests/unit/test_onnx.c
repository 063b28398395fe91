/* SPDX-License-Identifier: BSD-2-Clause */
/* ONNX: what is written comes back to the bit; the same network said in
 * several ways computes the same; what is wrong is refused by name. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "folder.h"
#include "foreign.h"

#include "core/file.h"
#include "core/memory.h"
#include "formats/families.h"
#include "model/model.h"
#include "formats/onnx/onnx.h"
#include "formats/onnx/fields.h"
#include "formats/onnx/file.h"
#include "core/protobuf.h"
#include "graph/quantization.h"
#include "nets/nets.h"
#include "plan/plan.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* ---------------------------------------------------------- protocol buffers
 */

static void fields_come_back(void **state)
{
    static const uint64_t values[] = {0, 127, 128, 300, UINT32_MAX, UINT64_MAX};
    struct rn_pb_out out = {0};
    struct rn_pb_field f;

    (void)state;
    for (size_t i = 0; i < COUNT(values); i++)
        rn_pb_put_varint(&out, (uint32_t)i + 1, values[i]);
    size_t outer = rn_pb_begin(&out, 1000), inner = rn_pb_begin(&out, 1);
    for (int i = 0; i < 100; i++)
        rn_pb_put_float(&out, 2, (float)i);
    rn_pb_end(&out, inner);
    rn_pb_put_text(&out, 3, "text");
    rn_pb_end(&out, outer);
    assert_false(out.failed);

    struct rn_pb m = {out.bytes, out.size};
    for (size_t i = 0; i < COUNT(values); i++) {
        assert_int_equal(rn_pb_next(&m, &f), 1);
        assert_int_equal(f.number, i + 1);
        assert_true(f.value == values[i]);
    }
    assert_int_equal(rn_pb_next(&m, &f), 1);
    assert_int_equal(f.number, 1000);
    assert_int_equal(m.size, 0);
    struct rn_pb within = f.bytes;
    assert_int_equal(rn_pb_next(&within, &f), 1);
    for (int i = 0; i < 100; i++) {
        struct rn_pb_field item;

        assert_int_equal(rn_pb_next(&f.bytes, &item), 1);
        assert_true(rn_pb_float(item.value) == (float)i);
    }
    assert_int_equal(rn_pb_next(&within, &f), 1);
    assert_true(rn_pb_is(f.bytes, "text"));
    assert_int_equal(rn_pb_next(&within, &f), 0);
    rn_free(out.bytes);
}

static void what_is_no_field_is_refused(void **state)
{
    static const struct {
        const char *what;
        const char *bytes;
        size_t size;
    } cases[] = {
        {"a number of 11 bytes", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
         11},
        {"a number past 64 bits",
         "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11},
        {"a number cut short", "\x08\x80", 2},
        {"bytes cut short", "\x0a\x05hell", 6},
        {"bytes of 2^64", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},
        {"a fixed number cut short", "\x0d\1\2\3", 4},
        {"a group", "\x0b\x0c", 2},
        {"wire type 7", "\x0f\x01", 2},
        {"field 0", "\x00\x01", 2},
        {"a field past 32 bits", "\x80\x80\x80\x80\x80\x01\x01", 7},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_pb m = {(const uint8_t *)cases[i].bytes, cases[i].size};
        struct rn_pb_field f;

        if (rn_pb_next(&m, &f) != -1)
            fail_msg("%s is taken", cases[i].what);
    }
}

static void numbers_are_read_packed_or_not(void **state)
{
    const uint8_t packed[] = {0x0a, 3, 1, 0x96, 1};
    const uint8_t plain[] = {0x08, 7};
    struct rn_pb m = {packed, sizeof(packed)};
    struct rn_pb_field f;
    uint64_t value;

    (void)state;
    assert_int_equal(rn_pb_next(&m, &f), 1);
    assert_int_equal(rn_pb_number(&f, RN_PB_VARINT, &value), 1);
    assert_int_equal(value, 1);
    assert_int_equal(rn_pb_number(&f, RN_PB_VARINT, &value), 1);
    assert_int_equal(value, 150);
    assert_int_equal(rn_pb_number(&f, RN_PB_VARINT, &value), 0);
    m = (struct rn_pb){plain, sizeof(plain)};
    assert_int_equal(rn_pb_next(&m, &f), 1);
    assert_int_equal(rn_pb_number(&f, RN_PB_VARINT, &value), 1);
    assert_int_equal(value, 7);
    assert_int_equal(rn_pb_number(&f, RN_PB_VARINT, &value), 0);
}

/* --------------------------------------------------------------- round trips
 */

/* The parameters of a new model, those of batch norm and biases changed. */
static void stir(struct rn_model *model)
{
    uint32_t seed = 1;

    rn_model_init(model, 3);
    for (size_t i = 0; i < model->graph->n_params; i++) {
        struct rn_param *p = &model->graph->params[i];

        for (size_t k = 0; k < p->count && p->dims == 1; k++)
            p->data[k] += 0.3f * number(&seed);
    }
}

/* Without our description: its key is another. */
static void strip(const char *path)
{
    static const char key[] = "\x0a\x06resnet";
    struct rn_error err = {0};
    uint8_t *bytes;
    size_t size;

    OK(rn_file_read(path, 1 << 30, &bytes, &size, &err));
    uint8_t *at = memmem(bytes, size, key, sizeof(key) - 1);
    assert_non_null(at);
    at[sizeof(key) - 2] = 'x';
    OK(rn_file_write(path, bytes, size, &err));
    rn_free(bytes);
}

static const struct {
    const char *net;
    struct rn_net_options options;
} nets[] = {
    {"resnet8", {.channels = 1, .classes = 3}},
    {"resnet20", {.shortcut = 'a'}},
    {"resnet14", {.shortcut = 'B'}},
    {"resnet14", {.shortcut = 'C'}},
    {"plain20", {0}},
    {"resnet18", {.height = 32, .classes = 5}},
    {"resnet18", {.height = 40, .classes = 5, .shortcut = 'A'}},
    {"resnet50", {.height = 32, .classes = 5, .stride_v1 = 1}},
    {"resnet50", {.height = 64, .classes = 5}},
    {"resnext50_32x4d", {.height = 32, .classes = 5}},
    {"wide_resnet50_2", {.height = 32, .classes = 5}},
    {"nin", {.height = 16, .classes = 5}},
    {"highway-19", {.height = 16, .classes = 5}},
    {"preresnet20", {0}},
    {"cifar-preresnet11", {0}},
    {"resnetv2_18", {.height = 32, .classes = 5}},
    {"wrn-10-1", {0}},
    {"wrn-10-3", {.classes = 5}},
};

/* With the description, or by the graph alone. */
static void check_round_trip(size_t i, bool described)
{
    static const float mean[] = {0.1f, 0.2f, 0.3f}, std[] = {0.5f, 0.6f, 0.7f};
    const char *path = in_folder("net.onnx");
    struct rn_model *model, *back;
    struct rn_error err = {0};

    OK(rn_model_create(&model, nets[i].net, &nets[i].options, &err));
    stir(model);
    OK(rn_model_set_preprocessing(model, false, mean, std, &err));
    OK(rn_model_export(model, path, &err));
    if (!described)
        strip(path);
    OK(rn_model_load(&back, path, &err));
    const struct rn_net_spec *a = &model->spec, *b = &back->spec;
    if (strcmp(a->name, b->name) != 0 || a->shortcut != b->shortcut ||
        a->stride_v1 != b->stride_v1 || a->classes != b->classes)
        fail_msg("%s, shortcut %c, stride v1 %d became %s, %c, %d", a->name,
                 a->shortcut, a->stride_v1, b->name, b->shortcut, b->stride_v1);
    check_same_params(model->graph, back->graph, nets[i].net);
    if (described)
        assert_memory_equal(back->preprocessing.std, std, sizeof(float));
    else
        assert_null(back->preprocessing.mean);
    rn_model_destroy(back);
    rn_model_destroy(model);
}

static void networks_come_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(nets); i++) {
        check_round_trip(i, true);
        check_round_trip(i, false);
    }
}

/* The same network with batch norm in the convolutions, as exporters have it;
 * or with a bias in the convolution of that name. */
static struct rn_graph *retold(const struct rn_graph *g, bool fold,
                               const char *biased)
{
    struct rn_graph *out = rn_graph_create();
    int *place = calloc(g->n_nodes, sizeof(*place));

    assert_non_null(place);
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct rn_node *n = &g->nodes[i];
        int a = n->input[0] >= 0 ? place[n->input[0]] : -1;
        char name[32];

        snprintf(name, sizeof(name), "n%zu", i);
        if (n->op == RN_OP_INPUT)
            place[i] = rn_graph_input(out, n->shape);
        else if (n->op == RN_OP_CONV)
            place[i] = rn_graph_conv(out, a, name, n->shape.c, n->window,
                                     fold || strcmp(n->name, biased) == 0);
        else if (n->op == RN_OP_BATCH_NORM)
            place[i] = fold ? a : rn_graph_batch_norm(out, a, name);
        else if (n->op == RN_OP_RELU)
            place[i] = rn_graph_relu(out, a, name);
        else if (n->op == RN_OP_ADD) /* the other way round */
            place[i] = rn_graph_add(out, place[n->input[1]], a, name);
        else if (n->op == RN_OP_GLOBAL_AVG_POOL)
            place[i] = rn_graph_global_avg_pool(out, a, name);
        else if (n->op == RN_OP_SUBSAMPLE_PAD)
            place[i] = rn_graph_subsample_pad(out, a, name, n->shape.c,
                                              n->before, n->window.stride);
        else
            place[i] = rn_graph_linear(out, a, name, n->shape.c);
    }
    free(place);
    assert_int_equal(out->error.code, RN_OK);
    return out;
}

static void folded_batch_norm_becomes_neutral(void **state)
{
    struct rn_model *model;
    struct rn_error err = {0};
    struct rn_graph *own;
    struct rn_net_spec spec;
    uint32_t seed = 5;

    (void)state;
    OK(rn_model_create(&model, "resnet8", NULL, &err));
    struct rn_graph *g = retold(model->graph, true, "");
    for (size_t i = 0; i < g->n_params; i++)
        for (size_t k = 0; k < g->params[i].count; k++)
            g->params[i].data[k] = number(&seed);
    OK(rn_family_find(&spec, &own, g, &err));
    assert_non_null(own);
    assert_string_equal(spec.name, "resnet8");
    assert_int_equal(spec.shortcut, 'A');
    const struct rn_param *shift = rn_graph_param(own, "layer1.0.bn2.bias");
    const struct rn_param *var =
        rn_graph_param(own, "layer1.0.bn2.running_var");
    const struct rn_param *scale = rn_graph_param(own, "layer1.0.bn2.weight");
    double eps = (double)own->nodes[2].eps;
    for (size_t i = 0; i < shift->count; i++) {
        double factor =
            (double)scale->data[i] / sqrt((double)var->data[i] + eps);

        assert_true(fabs(factor - 1) < 1e-7);
        assert_true(shift->data[i] != 0);
    }
    rn_graph_destroy(own);
    /* one more ReLU, and it is another network */
    g->output = rn_graph_relu(g, g->output, "more");
    OK(rn_family_find(&spec, &own, g, &err));
    assert_null(own);
    rn_graph_destroy(g);
    rn_model_destroy(model);
}

static void scale_first_bias(struct rn_graph *g, float factor)
{
    size_t i = 0;

    while (g->params[i].kind != RN_PARAM_BIAS)
        i++;
    for (size_t k = 0; k < g->params[i].count; k++)
        g->params[i].data[k] *= factor;
}

/* A bias where our convolution has none goes into the batch norm that alone
 * reads it. Elsewhere the graph stays what it is, unless all of it is zero. */
static void biases_are_not_lost(void **state)
{
    static const struct {
        const char *biased;
        float factor;
        bool known;
    } cases[] = {
        {"layer1.0.conv1", 1, true},
        {"layer1.0.conv2", 1, false},
        {"layer2.0.downsample.0", 1, false},
        {"conv1", 1, false}, /* an addition reads it, too */
        {"conv1", 0, true},
    };
    const struct rn_net_options options = {.height = 8, .width = 8};
    float picture[3 * 8 * 8], want[10], got[10];
    struct rn_model *model;
    struct rn_error err = {0};
    uint32_t seed = 7;

    (void)state;
    for (size_t i = 0; i < COUNT(picture); i++)
        picture[i] = number(&seed);
    OK(rn_model_create(&model, "wrn-10-1", &options, &err));
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_graph *g = retold(model->graph, false, cases[i].biased), *own;
        struct rn_net_spec spec;

        make_up(g);
        scale_first_bias(g, cases[i].factor);
        OK(rn_family_find(&spec, &own, g, &err));
        if ((own != NULL) != cases[i].known)
            fail_msg("a bias of '%s', times %g: %s", cases[i].biased,
                     (double)cases[i].factor, own ? "taken" : "not taken");
        run(g, picture, want);
        if (own)
            run(own, picture, got);
        for (int k = 0; k < 10 && own; k++)
            if (!(fabsf(got[k] - want[k]) <= 1e-4f * (1 + fabsf(want[k]))))
                fail_msg("a bias of '%s': logit %d is %g, expected %g",
                         cases[i].biased, k, (double)got[k], (double)want[k]);
    }
    rn_model_destroy(model);
}

/* ------------------------------------------------------------------- running
 */

static void answer(const struct rn_model *model, const float *images,
                   float *logits)
{
    struct rn_plan_options o;
    struct rn_plan *plan;
    struct rn_error err = {0};

    rn_plan_defaults(&o);
    o.batch = 1;
    o.threads = 1;
    OK(rn_plan_create(&plan, model, &o, &err));
    OK(rn_plan_forward(plan, images, logits, &err));
    rn_plan_destroy(plan);
}

/* Each function of single elements, one after the other; those that want
 * something above zero get it. */
static int every_function(struct rn_graph *g, int x)
{
    static const float numbers[RN_FUNCTION_COUNT][2] = {
        [RN_FUNCTION_ELU] = {1.5f, 0},
        [RN_FUNCTION_SELU] = {1.6f, 1.1f},
        [RN_FUNCTION_CELU] = {0.8f, 0},
        [RN_FUNCTION_HARD_SIGMOID] = {0.7f, 0.4f},
        [RN_FUNCTION_HARD_SWISH] = {1.0f / 6, 0.5f},
        [RN_FUNCTION_THRESHOLD] = {-0.5f, 0},
        [RN_FUNCTION_POWER] = {1.5f, 0},
    };

    for (int f = 0; f < RN_FUNCTION_COUNT; f++) {
        const char *name = rn_function_name((enum rn_function)f);

        if (f == RN_FUNCTION_LOG || f == RN_FUNCTION_SQRT ||
            f == RN_FUNCTION_POWER)
            x = rn_graph_softmax(g, x,
                                 f == RN_FUNCTION_LOG    ? "above"
                                 : f == RN_FUNCTION_SQRT ? "above2"
                                                         : "above3");
        x = rn_graph_activation(g, x, name, (enum rn_function)f, numbers[f][0],
                                numbers[f][1]);
    }
    return rn_graph_activation(g, x, "swish", RN_FUNCTION_HARD_SWISH, 0.9f,
                               0.3f);
}

/* Linear layers whose readers take pictures: squeeze and excitation, and others
 * behind that. */
static int read_as_pictures(struct rn_graph *g, int x)
{
    int squeezed = rn_graph_global_avg_pool(g, x, "squeeze"), a, b;

    a = rn_graph_relu(g, rn_graph_linear(g, squeezed, "fc1", 3), "fc1.relu");
    a = rn_graph_linear(g, a, "fc2", 3);
    x = rn_graph_multiply(g, x, rn_graph_sigmoid(g, a, "gate"), "excited");
    b = rn_graph_linear(g, squeezed, "fc3", 3);
    b = rn_graph_prelu(g, b, "fc3.prelu");
    a = rn_graph_add(g, a, squeezed, "sum");
    a = rn_graph_concat(g, a, rn_graph_concat(g, b, squeezed, "two"), "three");
    a = rn_graph_linear(g, a, "fc4", 3);
    return rn_graph_multiply(g, x, a, "again");
}

/* One of everything that networks of others have. */
static struct rn_model *made_of_everything(void)
{
    struct rn_graph *g = rn_graph_create();
    struct rn_window grouped = {.kh = 3,
                                .kw = 3,
                                .stride = 1,
                                .dilate_h = 1,
                                .top = 2,
                                .left = 1,
                                .bottom = 2,
                                .right = 1};
    struct rn_window odd = {
        .kh = 1, .kw = 3, .stride = 2, .stride_w = 1, .left = 1, .right = 1};
    struct rn_pool_options mean = {.window = RN_WINDOW(3, 3, 2, 1),
                                   .ceil = true};
    struct rn_pool_options counted = {.window = RN_WINDOW(2, 2, 1, 1),
                                      .count_padding = true};
    struct rn_pool_options most = {.window = RN_WINDOW(3, 3, 2, 0),
                                   .ceil = true};
    struct rn_pool_options dilated = {
        .window = {.kh = 2, .kw = 2, .stride = 1, .dilate_h = 1}};
    struct rn_lrn lrn = {5, 1e-1f, 0.75f, 1.5f};
    int x = rn_graph_input(g, (struct rn_shape){3, 16, 18}), y, z;

    x = rn_graph_conv(g, x, "c1", 8, (struct rn_window)RN_WINDOW(3, 3, 1, 1),
                      true);
    y = rn_graph_conv_groups(g, x, "c2", 8, grouped, 4, false);
    y = rn_graph_batch_norm(g, y, "b2");
    z = rn_graph_multiply(g, y, rn_graph_sigmoid(g, y, "s"), "silu");
    x = rn_graph_concat(g, rn_graph_zero_pad(g, x, "z", 0, 1, 0, 1),
                        rn_graph_zero_pad(g, z, "z2", 0, 2, 0, 0), "cat");
    x = rn_graph_lrn(g, x, "lrn", lrn);
    x = rn_graph_max_pool_with(g, x, "p1", &most);
    x = rn_graph_clip(g, x, "clip", -0.5f, 6);
    x = rn_graph_conv(g, x, "c3", 8, odd, true);
    x = rn_graph_leaky_relu(g, x, "leaky", 0.1f);
    x = rn_graph_prelu(g, x, "prelu");
    x = rn_graph_quantize(g, x, "bytes", 0.03f, 100, 0, 255);
    x = rn_graph_quantize(g, x, "signed", 0.04f, -5, -128, 127);
    x = rn_graph_quantize(g, x, "words", 0.0003f, 40000, 0, 65535);
    x = rn_graph_quantize(g, x, "signed words", 0.0004f, -500, -32768, 32767);
    x = rn_graph_select(g, x, "shuffle", 8, (struct rn_selection){0, 2, 4, 1});
    x = rn_graph_select(g, x, "flip", 6, (struct rn_selection){6, 6, -1, 0});
    x = rn_graph_highway(g, rn_graph_concat(g, x, x, "halves"), x, "highway");
    x = rn_graph_maxout(g, x, "largest", 2);
    x = every_function(g, x);
    x = read_as_pictures(g, x);
    x = rn_graph_avg_pool(g, x, "p2", &mean);
    x = rn_graph_avg_pool(g, x, "p3", &counted);
    x = rn_graph_avg_pool(g, x, "p4", &dilated);
    x = rn_graph_softmax(g, x, "soft");
    g->output = rn_graph_linear(g, x, "fc", 5);
    if (g->error.code)
        fail_msg("%s", g->error.msg);
    struct rn_net_spec spec;
    rn_net_of_graph(&spec, "everything", g);
    struct rn_model *model = rn_model_wrap(&spec, g);
    assert_non_null(model);
    stir(model);
    return model;
}

static void other_graphs_come_back(void **state)
{
    const char *path = in_folder("everything.onnx");
    struct rn_model *model = made_of_everything(), *back;
    struct rn_error err = {0};
    float image[3 * 16 * 18], a[5], b[5];
    uint32_t seed = 9;

    (void)state;
    for (size_t i = 0; i < COUNT(image); i++)
        image[i] = 2 * number(&seed);
    answer(model, image, a);
    for (int described = 1; described >= 0; described--) {
        OK(rn_model_export(model, path, &err));
        if (!described)
            strip(path);
        OK(rn_model_load(&back, path, &err));
        assert_string_equal(back->spec.name, "everything");
        answer(back, image, b);
        for (int i = 0; i < 5; i++)
            if (!(fabsf(a[i] - b[i]) <= 1e-6f))
                fail_msg("logit %d was %g, is %g (described: %d)", i,
                         (double)a[i], (double)b[i], described);
        rn_model_destroy(back);
    }
    OK(rn_model_save(model, in_folder("everything.safetensors"), &err));
    OK(rn_model_load(&back, in_folder("everything.safetensors"), &err));
    answer(back, image, b);
    assert_memory_equal(a, b, sizeof(a));
    rn_model_destroy(back);
    rn_model_destroy(model);
}

/* Dimensions of what an operator makes of values of so many; 0 where it does
 * not take these. The others take either, and keep them. */
static int dimensions_made(struct rn_pb op, int dims)
{
    static const struct {
        const char *op;
        int from, to;
    } rules[] = {
        {"Conv", 4, 4},        {"PRelu", 4, 4},
        {"LRN", 4, 4},         {"MaxPool", 4, 4},
        {"AveragePool", 4, 4}, {"Pad", 4, 4},
        {"Slice", 4, 4},       {"Gemm", 2, 2},
        {"Unsqueeze", 2, 4},   {"GlobalAveragePool", 4, 4},
    };

    if (rn_pb_is(op, "Flatten"))
        return 2;
    for (size_t i = 0; i < COUNT(rules); i++)
        if (rn_pb_is(op, rules[i].op))
            return dims == rules[i].from ? rules[i].to : 0;
    return dims;
}

/* What each operator of a file reads has as many dimensions as it takes, and
 * several values as many as each other: ours do not tell, others do. Returns
 * how many turn lists into pictures. */
static int check_dimensions(const char *path)
{
    struct rn_onnx f = {0};
    struct rn_error err = {0};
    int turns = 0;

    OK(rn_onnx_open(&f, path, &err));
    int *dims = calloc(f.n_values, sizeof(*dims)); /* 0: a constant */
    assert_non_null(dims);
    dims[f.input] = 4;
    for (size_t i = 0; i < f.n_nodes; i++) {
        const struct rn_onnx_node *n = &f.nodes[i];
        int own = 0;

        for (uint32_t k = 0; k < n->inputs; k++) {
            int read = dims[f.ends[n->first_input + k]];

            if (own && read && read != own)
                fail_msg("'%.*s' reads values of %d and of %d dimensions",
                         (int)n->name.size, (const char *)n->name.at, own,
                         read);
            own = read ? read : own;
        }
        int made = own ? dimensions_made(n->op, own) : 0;
        if (own && !made)
            fail_msg("'%.*s' reads a value of %d dimensions", (int)n->name.size,
                     (const char *)n->name.at, own);
        for (uint32_t k = 0; k < n->outputs; k++)
            dims[f.ends[n->first_output + k]] = made;
        turns += rn_pb_is(n->op, "Unsqueeze");
    }
    assert_int_equal(dims[f.output], 2);
    free(dims);
    rn_onnx_close(&f);
    return turns;
}

/* Each value of a file has a name of its own, and so has each operator. */
static void check_names(const char *path)
{
    struct rn_onnx f = {0};
    struct rn_error err = {0};

    OK(rn_onnx_open(&f, path, &err));
    bool *there = calloc(f.n_values, sizeof(*there));
    assert_non_null(there);
    there[f.input] = true;
    for (size_t i = 0; i < f.n_tensors; i++)
        there[f.tensor_values[i]] = true;
    for (size_t i = 0; i < f.n_nodes; i++) {
        const struct rn_onnx_node *n = &f.nodes[i];

        for (uint32_t k = 0; k < n->inputs; k++)
            assert_true(there[f.ends[n->first_input + k]]);
        for (uint32_t k = 0; k < n->outputs; k++) {
            uint32_t made = f.ends[n->first_output + k];

            if (there[made])
                fail_msg("two values are called '%.*s'",
                         (int)f.names[made].size,
                         (const char *)f.names[made].at);
            there[made] = true;
        }
        for (size_t k = 0; k < i; k++)
            if (rn_pb_same(f.nodes[k].name, n->name))
                fail_msg("two operators are called '%.*s'", (int)n->name.size,
                         (const char *)n->name.at);
    }
    assert_true(there[f.output]);
    free(there);
    rn_onnx_close(&f);
}

static void written_values_are_as_their_readers_want_them(void **state)
{
    static const char *const plain[] = {"resnet8", "se-resnet8", "vgg11",
                                        "alexnet", "maxout",     "highway-19"};
    const char *path = in_folder("dimensions.onnx");
    struct rn_model *model = made_of_everything();
    struct rn_error err = {0};

    (void)state;
    OK(rn_model_export(model, path, &err));
    check_names(path);
    assert_int_equal(check_dimensions(path), 3); /* fc2, fc3, fc4 */
    rn_model_destroy(model);
    for (size_t i = 0; i < COUNT(plain); i++) {
        OK(rn_model_create(&model, plain[i], NULL, &err));
        OK(rn_model_export(model, path, &err));
        check_names(path);
        if (check_dimensions(path))
            fail_msg("%s has a list that is turned", plain[i]);
        rn_model_destroy(model);
    }
}

/* A network of one layer, and what reads it. */
static struct rn_model *made_of(int (*layer)(struct rn_graph *g, int x))
{
    struct rn_graph *g = rn_graph_create();
    struct rn_net_spec spec;
    int x = layer(g, rn_graph_input(g, (struct rn_shape){2, 5, 5}));

    x = rn_graph_global_avg_pool(g, x, "pool");
    g->output = rn_graph_linear(g, x, "fc", 3);
    assert_int_equal(g->error.code, RN_OK);
    rn_net_of_graph(&spec, "one", g);
    struct rn_model *model = rn_model_wrap(&spec, g);
    assert_non_null(model);
    return model;
}

static int to_bytes(struct rn_graph *g, int x)
{
    return rn_graph_quantize(g, x, "bytes", 0.03f, 100, 0, 255);
}

static int to_words(struct rn_graph *g, int x)
{
    return rn_graph_quantize(g, x, "words", 0.03f, 100, 0, 65535);
}

static int to_signed_words(struct rn_graph *g, int x)
{
    return rn_graph_quantize(g, x, "words", 0.03f, 100, -32768, 32767);
}

static int to_four_bits(struct rn_graph *g, int x)
{
    return rn_graph_quantize(g, x, "few", 0.03f, 1, 0, 15);
}

static int to_half_zero(struct rn_graph *g, int x)
{
    return rn_graph_quantize(g, x, "half", 0.03f, 0.5f, 0, 255);
}

static int mean(struct rn_graph *g, int x)
{
    return rn_graph_avg_pool(
        g, x, "mean",
        &(struct rn_pool_options){.window = RN_WINDOW(2, 2, 1, 0)});
}

static int dilated_mean(struct rn_graph *g, int x)
{
    return rn_graph_avg_pool(
        g, x, "mean",
        &(struct rn_pool_options){
            .window = {.kh = 2, .kw = 2, .stride = 1, .dilate_w = 1}});
}

static int rounded_up(struct rn_graph *g, int x)
{
    return rn_graph_max_pool_with(
        g, x, "most",
        &(struct rn_pool_options){.window = RN_WINDOW(4, 4, 2, 2),
                                  .ceil = true});
}

/* Of 4 pixels, one before and one behind: a third window would begin there. */
static int dropped(struct rn_graph *g, int x)
{
    return rn_graph_max_pool_with(
        g, x, "most",
        &(struct rn_pool_options){.window = RN_WINDOW(2, 2, 3, 1),
                                  .ceil = true});
}

static int gelu(struct rn_graph *g, int x)
{
    return rn_graph_activation(g, x, "gelu", RN_FUNCTION_GELU, 0, 0);
}

/* Layers may have the names that the ends of a file have. */
static void names_of_ends_are_free(void **state)
{
    static const char *const names[][4] = {
        {"logits", "probabilities", "logits.value1", "fc"},
        {"input.rounded", "relu", "conv", "logits"},
        {"fc.weight", "pool", "logits", "probabilities"},
    };
    const enum rn_output heads[] = {RN_OUTPUT_LOGITS, RN_OUTPUT_PROBABILITIES};
    const char *path = in_folder("ends.onnx");
    float picture[2 * 4 * 4], want[3], got[3];
    uint32_t seed = 4;

    (void)state;
    for (size_t i = 0; i < COUNT(picture); i++)
        picture[i] = number(&seed);
    for (size_t i = 0; i < 12; i++) {
        const char *const *name = names[i / 4];
        struct rn_graph *g = rn_graph_create();
        struct rn_model *model, *back;
        struct rn_error err = {0};
        struct rn_net_spec spec;
        int x = rn_graph_input(g, (struct rn_shape){2, 4, 4});

        x = rn_graph_conv(g, x, name[0], 3,
                          (struct rn_window)RN_WINDOW(3, 3, 1, 1), true);
        x = rn_graph_relu(g, x, name[1]);
        x = rn_graph_global_avg_pool(g, x, name[2]);
        g->output = i % 2 ? x : rn_graph_linear(g, x, name[3], 3);
        g->head = heads[i / 2 % 2];
        assert_int_equal(g->error.code, RN_OK);
        rn_net_of_graph(&spec, "ends", g);
        model = rn_model_wrap(&spec, g);
        assert_non_null(model);
        stir(model);
        OK(rn_model_export(model, path, &err));
        check_names(path);
        answer(model, picture, want);
        strip(path);
        OK(rn_model_load(&back, path, &err));
        answer(back, picture, got);
        for (int k = 0; k < 3; k++)
            assert_true(fabsf(got[k] - want[k]) <= 1e-6f);
        rn_model_destroy(back);
        rn_model_destroy(model);
    }
}

/* Files are of the oldest version that has all their operators. */
static void versions_have_what_is_written(void **state)
{
    static const struct {
        const char *what;
        int (*layer)(struct rn_graph *g, int x);
        int64_t opset;
    } cases[] = {
        {"bytes", to_bytes, 17},
        {"words", to_words, 21},
        {"signed words", to_signed_words, 21},
        {"mean", mean, 17},
        {"dilated mean", dilated_mean, 19},
        {"gelu", gelu, 20},
        {"pool rounded up", rounded_up, 17},
        {"pool that drops a window", dropped, 22},
    };
    const char *path = in_folder("version.onnx");

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_model *model = made_of(cases[i].layer);
        struct rn_onnx f = {0};
        struct rn_error err = {0};

        OK(rn_model_export(model, path, &err));
        OK(rn_onnx_open(&f, path, &err));
        if (f.opset != cases[i].opset)
            fail_msg("%s: opset %lld", cases[i].what, (long long)f.opset);
        rn_onnx_close(&f);
        rn_model_destroy(model);
    }
}

static void what_onnx_has_no_numbers_of_is_refused(void **state)
{
    static const struct {
        int (*layer)(struct rn_graph *g, int x);
        const char *message;
    } cases[] = {
        {to_four_bits, "layer 'few' rounds to numbers of 0..15, zero being 1"},
        {to_half_zero,
         "layer 'half' rounds to numbers of 0..255, zero being 0.5"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_model *model = made_of(cases[i].layer);
        struct rn_error err = {0};

        assert_int_equal(rn_model_export(model, in_folder("few.onnx"), &err),
                         RN_ERR_ARG);
        if (!strstr(err.msg, cases[i].message))
            fail_msg("\"%s\"", err.msg);
        rn_model_destroy(model);
    }
}

/* --------------------------------------------------------- files made by hand
 */

/* An ONNX file being written. */
struct made {
    struct rn_pb_out pb;
    size_t graph; /* or the function being written */
    uint32_t node;
};

static void begin(struct made *m, int opset)
{
    *m = (struct made){0};
    rn_pb_put_varint(&m->pb, ONNX_MODEL_IR_VERSION, 8);
    size_t at = rn_pb_begin(&m->pb, ONNX_MODEL_OPSET);
    rn_pb_put_varint(&m->pb, ONNX_OPSET_VERSION, (uint64_t)opset);
    rn_pb_end(&m->pb, at);
    m->graph = rn_pb_begin(&m->pb, ONNX_MODEL_GRAPH);
    m->node = ONNX_GRAPH_NODE;
}

/* "2,3" as a repeated field; 0 is left open where `open`. */
static void put_dims(struct made *m, uint32_t field, const char *dims)
{
    for (const char *c = dims; *c; c += strcspn(c, ",") + (strchr(c, ',') != 0))
        rn_pb_put_varint(&m->pb, field, strtoull(c, NULL, 10));
}

static void put_typed(struct made *m, uint32_t field, const char *name,
                      const char *dims, uint64_t element)
{
    size_t value = rn_pb_begin(&m->pb, field);

    rn_pb_put_text(&m->pb, ONNX_VALUE_NAME, name);
    size_t type = rn_pb_begin(&m->pb, ONNX_VALUE_TYPE);
    size_t tensor = rn_pb_begin(&m->pb, ONNX_TYPE_TENSOR);
    rn_pb_put_varint(&m->pb, ONNX_TENSOR_TYPE_ELEMENT, element);
    size_t shape = rn_pb_begin(&m->pb, ONNX_TENSOR_TYPE_SHAPE);
    for (const char *c = dims; *c;
         c += strcspn(c, ",") + (strchr(c, ',') != 0)) {
        size_t dim = rn_pb_begin(&m->pb, ONNX_SHAPE_DIM);

        rn_pb_put_varint(&m->pb, ONNX_DIM_VALUE, strtoull(c, NULL, 10));
        rn_pb_end(&m->pb, dim);
    }
    rn_pb_end(&m->pb, shape);
    rn_pb_end(&m->pb, tensor);
    rn_pb_end(&m->pb, type);
    rn_pb_end(&m->pb, value);
}

static void put_value(struct made *m, uint32_t field, const char *name,
                      const char *dims)
{
    put_typed(m, field, name, dims, ONNX_FLOAT);
}

/* "axis=1 alpha=0.5 axes=[2,3] auto_pad='VALID'". */
static void put_attribute(struct made *m, const char *text)
{
    const char *value = strchr(text, '=') + 1;
    size_t at = rn_pb_begin(&m->pb, ONNX_NODE_ATTRIBUTE);

    rn_pb_put_bytes(&m->pb, ONNX_ATTRIBUTE_NAME, text,
                    (size_t)(value - text) - 1);
    if (*value == '[')
        for (const char *c = value; *c == '[' || *c == ',';
             c += 1 + strcspn(c + 1, ",]"))
            rn_pb_put_varint(&m->pb, ONNX_ATTRIBUTE_INTS,
                             (uint64_t)strtoll(c + 1, NULL, 10));
    else if (*value == '@')
        rn_pb_put_bytes(&m->pb, ONNX_ATTRIBUTE_REFERENCE, value + 1,
                        strcspn(value + 1, " "));
    else if (*value == '\'')
        rn_pb_put_bytes(&m->pb, ONNX_ATTRIBUTE_S, value + 1,
                        strcspn(value + 1, "'"));
    else if (memchr(value, '.', strcspn(value, " ")))
        rn_pb_put_float(&m->pb, ONNX_ATTRIBUTE_F, strtof(value, NULL));
    else
        rn_pb_put_varint(&m->pb, ONNX_ATTRIBUTE_I,
                         (uint64_t)strtoll(value, NULL, 10));
    rn_pb_end(&m->pb, at);
}

/* "Gemm x,w,b y transB=1": operator, inputs, outputs, attributes; "local:F" is
 * one of the domain `local`. */
static void put_operator(struct made *m, const char *text)
{
    size_t node = rn_pb_begin(&m->pb, m->node);
    const char *c = text + strcspn(text, " ");

    if (strncmp(text, "local:", 6) == 0) {
        rn_pb_put_text(&m->pb, ONNX_NODE_DOMAIN, "local");
        text += 6;
    }
    rn_pb_put_bytes(&m->pb, ONNX_NODE_OP, text, (size_t)(c - text));
    for (uint32_t field = ONNX_NODE_INPUT; field <= ONNX_NODE_OUTPUT; field++) {
        c++; /* the space */
        while (*c && *c != ' ') {
            size_t n = strcspn(c, ", ");

            if (*c != '-')
                rn_pb_put_bytes(&m->pb, field, c, n);
            c += n + (c[n] == ',');
        }
    }
    while (*c == ' ' && c[1]) {
        put_attribute(m, c + 1);
        c += 1 + strcspn(c + 1, " ");
    }
    rn_pb_end(&m->pb, node);
}

static void put_operators(struct made *m, const char *text)
{
    char line[200];

    while (*text) {
        size_t n = strcspn(text, ";");

        snprintf(line, sizeof(line), "%.*s", (int)n, text);
        put_operator(m, line);
        text += n + (text[n] == ';');
    }
}

/* After the graph: a function of such operators, "a,b" being names. */
static void begin_function(struct made *m, const char *name, const char *inputs,
                           const char *outputs)
{
    const char *const lists[] = {inputs, outputs};

    rn_pb_end(&m->pb, m->graph);
    m->graph = rn_pb_begin(&m->pb, ONNX_MODEL_FUNCTION);
    m->node = ONNX_FUNCTION_NODE;
    rn_pb_put_text(&m->pb, ONNX_FUNCTION_NAME, name);
    rn_pb_put_text(&m->pb, ONNX_FUNCTION_DOMAIN, "local");
    for (uint32_t i = 0; i < 2; i++)
        for (const char *c = lists[i]; *c;) {
            size_t n = strcspn(c, ",");

            rn_pb_put_bytes(&m->pb, ONNX_FUNCTION_INPUT + i, c, n);
            c += n + (c[n] == ',');
        }
}

static size_t begin_tensor(struct made *m, const char *name, const char *dims,
                           uint64_t type)
{
    size_t at = rn_pb_begin(&m->pb, ONNX_GRAPH_INITIALIZER);

    put_dims(m, ONNX_TENSOR_DIMS, dims);
    rn_pb_put_varint(&m->pb, ONNX_TENSOR_TYPE, type);
    rn_pb_put_text(&m->pb, ONNX_TENSOR_NAME, name);
    return at;
}

static void put_floats(struct made *m, const char *name, const char *dims,
                       const float *values, size_t n)
{
    size_t at = begin_tensor(m, name, dims, ONNX_FLOAT);

    rn_pb_put_bytes(&m->pb, ONNX_TENSOR_RAW, values, n * sizeof(float));
    rn_pb_end(&m->pb, at);
}

static void put_integers(struct made *m, const char *name, const char *dims,
                         const int64_t *values, size_t n)
{
    size_t at = begin_tensor(m, name, dims, ONNX_INT64);

    rn_pb_put_bytes(&m->pb, ONNX_TENSOR_RAW, values, n * sizeof(int64_t));
    rn_pb_end(&m->pb, at);
}

static void put_bytes(struct made *m, const char *name, const char *dims,
                      uint64_t type, const char *bytes, size_t n)
{
    size_t at = begin_tensor(m, name, dims, type);

    rn_pb_put_bytes(&m->pb, ONNX_TENSOR_RAW, bytes, n);
    rn_pb_end(&m->pb, at);
}

static void save(struct made *m, const char *path)
{
    struct rn_error err = {0};

    rn_pb_end(&m->pb, m->graph);
    assert_false(m->pb.failed);
    OK(rn_file_write(path, m->pb.bytes, m->pb.size, &err));
    rn_free(m->pb.bytes);
}

/* Two channels of 2 x 2; logits w * means + b. */
static const float weights[] = {1, 2, -3, 0.5f}; /* [out][in] */
static const float turned[] = {1, -3, 2, 0.5f};  /* [in][out] */
static const float halves[] = {0.5f, 1, -1.5f, 0.25f};
static const float bias[] = {0.25f, -1};
static const float doubled[] = {0.5f, -2}, ones[] = {1, 1}, zeros[] = {0, 0};
static const float minus_ones[] = {-1, -1}, tens[] = {10, 10}, ten[] = {10};
static const float image[] = {1, 2, 3, 4, -1, -2, -3, -10};
static const float expected[] = {1 * 2.5f + 2 * -4.0f + 0.25f,
                                 -3 * 2.5f + 0.5f * -4.0f - 1};

/* Every tensor a case may read. */
static void put_tensors(struct made *m)
{
    static const int64_t minus_one[] = {-1}, two[] = {-1, 2}, keep[] = {0, -1};
    static const int64_t zero[] = {0}, plane[] = {2, 3}, matrix[] = {2, 2};
    static const int64_t ends[] = {INT64_MAX, INT64_MAX}, once[] = {1, 1};
    static const int64_t start[] = {0, 0};
    static const float conv[] = {0.25f, 0.25f, 0.25f, 0.25f};
    static const float nothing = 0;

    put_floats(m, "w", "2,2", weights, 4);
    put_floats(m, "turned", "2,2", turned, 4);
    put_floats(m, "halves", "2,2", halves, 4);
    put_floats(m, "w4", "2,2,1,1", weights, 4);
    put_floats(
        m, "mean4", "2,1,2,2",
        (const float[]){0.25f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f},
        8);
    put_floats(m, "conv", "1,1,2,2", conv, 4);
    put_floats(m, "b", "2", bias, 2);
    put_floats(m, "b1", "1,2", bias, 2);
    put_floats(m, "b3", "2,1,1", bias, 2);
    put_floats(m, "b2", "2,1", bias, 2);
    put_floats(m, "doubled", "2", doubled, 2);
    put_floats(m, "ones", "2", ones, 2);
    put_floats(m, "zeros", "2", zeros, 2);
    put_floats(m, "minus", "1,2,1,1", minus_ones, 2);
    put_floats(m, "tens", "1,2,1,1", tens, 2);
    put_floats(m, "ten", "", ten, 1);
    put_floats(m, "nothing", "", &nothing, 1);
    put_integers(m, "one_", "1", minus_one, 1);
    put_integers(m, "two_", "2", two, 2);
    put_integers(m, "keep", "2", keep, 2);
    put_integers(m, "zero", "", zero, 1);
    put_floats(m, "twofold", "4", (const float[]){2, 1, 2, 2}, 4);
    put_integers(m, "axis0", "1", zero, 1);
    put_integers(m, "plane", "2", plane, 2);
    put_integers(m, "matrix", "2", matrix, 2);
    put_integers(m, "start", "2", start, 2);
    put_integers(m, "ends", "2", ends, 2);
    put_integers(m, "once", "2", once, 2);
}

#define TAIL ";Flatten g f;Gemm f,w,b y transB=1"
#define HEAD "GlobalAveragePool x g"

/* The same network said in other words. */
static const struct {
    const char *what, *operators;
    int opset;
    const char *input; /* instead of 0,2,2,2 */
} same[] = {
    {"plain", HEAD TAIL, 17, NULL},
    {"batch of 1", HEAD TAIL, 17, "1,2,2,2"},
    {"mean by attribute", "ReduceMean x g axes=[2,3]" TAIL, 13, NULL},
    {"mean by input", "ReduceMean x,plane g" TAIL, 18, NULL},
    {"mean from behind, flat",
     "ReduceMean x f axes=[-1,-2] keepdims=0"
     ";Gemm f,w,b y transB=1",
     13, NULL},
    {"mean by window", "AveragePool x g kernel_shape=[2,2]" TAIL, 13, NULL},
    {"mean by grouped convolution", "Conv x,mean4 g group=2" TAIL, 13, NULL},
    {"weights not turned", HEAD ";Flatten g f;Gemm f,turned,b y", 13, NULL},
    {"alpha and beta",
     HEAD ";Flatten g f"
          ";Gemm f,halves,doubled y alpha=2.0 beta=0.5 transB=1",
     13, NULL},
    {"product and sum", HEAD ";Flatten g f;MatMul f,turned m;Add m,b y", 13,
     NULL},
    {"a bias of two dimensions", HEAD ";Flatten g f;Gemm f,w,b1 y transB=1", 13,
     NULL},
    {"sum the other way round",
     HEAD ";Flatten g f;MatMul f,turned m"
          ";Add b1,m y",
     13, NULL},
    {"constant turned",
     HEAD ";Flatten g f;Transpose w t perm=[1,0]"
          ";MatMul f,t m;Add m,b y",
     13, NULL},
    {"1x1 convolution", HEAD ";Conv g,w4,b y", 13, NULL},
    {"convolution and sum", HEAD ";Conv g,w4 m;Add m,b3 y", 13, NULL},
    {"reshape -1", HEAD ";Reshape g,two_ f;Gemm f,w,b y transB=1", 13, NULL},
    {"reshape 0,-1", HEAD ";Reshape g,keep f;Gemm f,w,b y transB=1", 13, NULL},
    {"reshape by the shape",
     "Shape x s;Gather s,zero n;Unsqueeze n u axes=[0]"
     ";Concat u,one_ r axis=0;" HEAD ";Reshape g,r f;Gemm f,w,b y transB=1",
     11, NULL},
    {"unsqueeze by input",
     "Shape x s;Gather s,zero n;Unsqueeze n,axis0 u"
     ";Concat u,one_ r axis=0;" HEAD ";Reshape g,r f;Gemm f,w,b y transB=1",
     13, NULL},
    {"shape cut",
     "Shape x u start=0 end=1;Concat u,one_ r axis=0;" HEAD
     ";Reshape g,r f;Gemm f,w,b y transB=1",
     15, NULL},
    {"squeezed", HEAD ";Squeeze g,plane f;Gemm f,w,b y transB=1", 13, NULL},
    {"softmax at the end",
     HEAD ";Flatten g f;Gemm f,w,b m transB=1"
          ";Softmax m y axis=1",
     13, NULL},
    {"dropout, identity",
     "Identity x i;Dropout i d,mask;"
     "GlobalAveragePool d e;Cast e g to=1" TAIL,
     13, NULL},
    {"batch norm",
     "BatchNormalization x,ones,zeros,zeros,ones n epsilon=0.0"
     ";GlobalAveragePool n g" TAIL,
     13, NULL},
    {"batch norm without scale",
     "BatchNormalization x,,zeros,zeros,ones n "
     "epsilon=0.0;GlobalAveragePool n g" TAIL,
     13, NULL},
    {"input prepared",
     "Sub x,tens a;Div a,minus b_;Mul b_,minus c;"
     "Add c,ten d;GlobalAveragePool d g" TAIL,
     13, NULL},
    {"constant less it",
     "Sub nothing,x a;Sub nothing,a d"
     ";GlobalAveragePool d g" TAIL,
     13, NULL},
    {"pads and slices of nothing",
     "Pad x p pads=[0,0,0,0,0,0,0,0]"
     ";Slice p,start,ends,plane,once s;GlobalAveragePool s g" TAIL,
     10, NULL},
    {"a branch nobody reads", "Frobnicate x u;" HEAD TAIL, 13, NULL},
    {"constants made",
     HEAD ";Flatten g f;ConstantOfShape matrix k"
          ";MatMul f,k z;MatMul f,turned m;Add m,z s;Add s,b y",
     13, NULL},
};

/* A longer one of them. */
static size_t chain_of_shapes(void)
{
    size_t i = 0;

    while (strcmp(same[i].what, "reshape by the shape") != 0)
        i++;
    return i;
}

static void make_same(size_t i, const char *path)
{
    struct made m;

    begin(&m, same[i].opset);
    put_tensors(&m);
    put_value(&m, ONNX_GRAPH_INPUT, "x",
              same[i].input ? same[i].input : "0,2,2,2");
    put_value(&m, ONNX_GRAPH_OUTPUT, "y", "0,2");
    put_operators(&m, same[i].operators);
    save(&m, path);
}

static void one_network_in_many_words(void **state)
{
    const char *path = in_folder("same.onnx");

    (void)state;
    for (size_t i = 0; i < COUNT(same); i++) {
        struct rn_model *model;
        struct rn_error err = {0};
        float logits[2];

        make_same(i, path);
        if (rn_model_load(&model, path, &err))
            fail_msg("%s: %s", same[i].what, err.msg);
        answer(model, image, logits);
        for (int k = 0; k < 2; k++)
            if (!(fabsf(logits[k] - expected[k]) <= 1e-5f))
                fail_msg("%s: logit %d is %g, expected %g", same[i].what, k,
                         (double)logits[k], (double)expected[k]);
        rn_model_destroy(model);
    }
}

/* ------------------------------------------------------------------- heads */

#define LOGITS HEAD ";Flatten g f;Gemm f,w,b m transB=1"

enum { AS_IS, SOFTMAX, LOG_SOFTMAX, SIGMOID, CLIPPED };

/* Ends of networks: what comes out is what the file computes, whatever stands
 * behind its softmax or sigmoid. */
static const struct {
    const char *what, *operators, *output, *head; /* of the caller, or NULL */
    enum rn_output kind, made;
    int rule;              /* the probabilities of `expected` */
    const char *others[2]; /* outputs before y: "NAME DIMS" */
} heads[] = {
    {"logits",
     LOGITS ";Identity m y",
     NULL,
     NULL,
     RN_OUTPUT_LOGITS,
     RN_OUTPUT_LOGITS,
     SOFTMAX,
     {NULL}},
    {"softmax",
     LOGITS ";Softmax m y",
     NULL,
     NULL,
     RN_OUTPUT_LOGITS,
     RN_OUTPUT_PROBABILITIES,
     SOFTMAX,
     {NULL}},
    {"softmax, flattened",
     HEAD ";Conv g,w4,b m;Softmax m s axis=1;Flatten s y",
     NULL,
     NULL,
     RN_OUTPUT_LOGITS,
     RN_OUTPUT_PROBABILITIES,
     SOFTMAX,
     {NULL}},
    {"softmax, squeezed",
     HEAD ";Conv g,w4,b m;Softmax m s axis=1;Squeeze s,plane y",
     NULL,
     NULL,
     RN_OUTPUT_LOGITS,
     RN_OUTPUT_PROBABILITIES,
     SOFTMAX,
     {NULL}},
    {"softmax, reshaped",
     LOGITS ";Softmax m s;Reshape s,two_ y",
     NULL,
     NULL,
     RN_OUTPUT_LOGITS,
     RN_OUTPUT_PROBABILITIES,
     SOFTMAX,
     {NULL}},
    {"softmax, identity, cast, dropout",
     LOGITS ";Softmax m s;Identity s t;Cast t u to=1;Dropout u y",
     NULL,
     NULL,
     RN_OUTPUT_LOGITS,
     RN_OUTPUT_PROBABILITIES,
     SOFTMAX,
     {NULL}},
    {"softmax, clipped to what it is",
     LOGITS ";Softmax m s;Clip s,nothing,ten y",
     NULL,
     NULL,
     RN_OUTPUT_LOGITS,
     RN_OUTPUT_PROBABILITIES,
     SOFTMAX,
     {NULL}},
    {"softmax, clipped",
     LOGITS ";Softmax m s;Clip s,fifth y",
     NULL,
     NULL,
     RN_OUTPUT_PROBABILITIES,
     RN_OUTPUT_PROBABILITIES,
     CLIPPED,
     {NULL}},
    {"log softmax",
     LOGITS ";LogSoftmax m y",
     NULL,
     NULL,
     RN_OUTPUT_LOGITS,
     RN_OUTPUT_LOG_PROBABILITIES,
     SOFTMAX,
     {NULL}},
    {"log softmax, reshaped",
     LOGITS ";LogSoftmax m s;Reshape s,two_ y",
     NULL,
     NULL,
     RN_OUTPUT_LOGITS,
     RN_OUTPUT_LOG_PROBABILITIES,
     SOFTMAX,
     {NULL}},
    {"log softmax, clipped",
     LOGITS ";LogSoftmax m s;Clip s,minus100 y",
     NULL,
     NULL,
     RN_OUTPUT_LOG_PROBABILITIES,
     RN_OUTPUT_LOG_PROBABILITIES,
     SOFTMAX,
     {NULL}},
    {"sigmoid",
     LOGITS ";Sigmoid m y",
     NULL,
     NULL,
     RN_OUTPUT_INDEPENDENT_LOGITS,
     RN_OUTPUT_INDEPENDENT,
     SIGMOID,
     {NULL}},
    {"sigmoid, reshaped",
     LOGITS ";Sigmoid m s;Reshape s,two_ y",
     NULL,
     NULL,
     RN_OUTPUT_INDEPENDENT_LOGITS,
     RN_OUTPUT_INDEPENDENT,
     SIGMOID,
     {NULL}},
    {"logits of independent classes",
     LOGITS ";Identity m y",
     NULL,
     "sigmoid",
     RN_OUTPUT_INDEPENDENT_LOGITS,
     RN_OUTPUT_INDEPENDENT_LOGITS,
     SIGMOID,
     {NULL}},
    {"sigmoid, said to be one class",
     LOGITS ";Sigmoid m y",
     NULL,
     "softmax",
     RN_OUTPUT_LOGITS,
     RN_OUTPUT_LOGITS,
     SOFTMAX,
     {NULL}},
    {"features first",
     LOGITS ";Identity m y",
     NULL,
     NULL,
     RN_OUTPUT_LOGITS,
     RN_OUTPUT_LOGITS,
     SOFTMAX,
     {"f 0,2"}},
    {"logits and a picture first",
     LOGITS ";Softmax m y",
     NULL,
     NULL,
     RN_OUTPUT_LOGITS,
     RN_OUTPUT_PROBABILITIES,
     SOFTMAX,
     {"m 0,2", "x2 0,2,2,2"}},
    {"a value by its name",
     LOGITS ";Sigmoid m y",
     "m",
     NULL,
     RN_OUTPUT_LOGITS,
     RN_OUTPUT_LOGITS,
     SOFTMAX,
     {NULL}},
};

/* Probabilities of the network whose logits are `expected`. */
static void by_rule(int rule, float out[2])
{
    double e[2] = {exp((double)expected[0]), exp((double)expected[1])};

    for (int i = 0; i < 2; i++) {
        double soft = e[i] / (e[0] + e[1]);

        out[i] = (float)(rule == SIGMOID ? e[i] / (1 + e[i]) : soft);
        if (rule == CLIPPED && soft < (double)0.2f)
            out[i] = 0.2f;
    }
}

static void make_head(size_t i, const char *path)
{
    static const float fifth[] = {0.2f}, minus100[] = {-100};
    struct made m;

    begin(&m, 13);
    put_tensors(&m);
    put_floats(&m, "fifth", "", fifth, 1);
    put_floats(&m, "minus100", "", minus100, 1);
    put_value(&m, ONNX_GRAPH_INPUT, "x", "0,2,2,2");
    for (int k = 0; k < 2 && heads[i].others[k]; k++) {
        char name[8];
        const char *dims = strchr(heads[i].others[k], ' ') + 1;

        snprintf(name, sizeof(name), "%.*s",
                 (int)(dims - heads[i].others[k]) - 1, heads[i].others[k]);
        put_value(&m, ONNX_GRAPH_OUTPUT, name, dims);
    }
    put_value(&m, ONNX_GRAPH_OUTPUT, "y", "0,2");
    put_operators(&m, heads[i].operators);
    if (heads[i].others[1])
        put_operators(&m, "Relu x x2");
    save(&m, path);
}

static void check_head(size_t i, const struct rn_model *model, const char *how)
{
    struct rn_model_info info;
    float values[2], right[2];

    rn_model_describe(model, &info);
    if (info.output != heads[i].kind || info.head != heads[i].made)
        fail_msg("%s, %s: %s of %s", heads[i].what, how,
                 rn_output_name(info.head), rn_output_name(info.output));
    answer(model, image, values);
    rn_probabilities(info.output, values, 2);
    by_rule(heads[i].rule, right);
    for (int k = 0; k < 2; k++)
        if (!(fabsf(values[k] - right[k]) <= 1e-6f))
            fail_msg("%s, %s: probability %d is %g, expected %g", heads[i].what,
                     how, k, (double)values[k], (double)right[k]);
}

/* The same after a file of ours, and after an ONNX file, with and without the
 * description in it. */
static void heads_come_back(void **state)
{
    const char *path = in_folder("head.onnx");

    (void)state;
    for (size_t i = 0; i < COUNT(heads); i++) {
        static const char *const names[] = {"back.safetensors", "back.onnx",
                                            "bare.onnx"};
        const struct rn_import_options o = {.output = heads[i].output,
                                            .head = heads[i].head};
        const struct rn_import_options again = {.head = heads[i].head};
        struct rn_model *model, *back;
        struct rn_error err = {0};

        make_head(i, path);
        if (rn_model_import(&model, path, &o, &err))
            fail_msg("%s: %s", heads[i].what, err.msg);
        check_head(i, model, "read");
        for (size_t k = 0; k < COUNT(names); k++) {
            OK(rn_model_export(model, in_folder(names[k]), &err));
            if (k == 2)
                strip(in_folder(names[k]));
            OK(rn_model_import(&back, in_folder(names[k]),
                               k == 2 ? &again : NULL, &err));
            check_head(i, back, names[k]);
            rn_model_destroy(back);
        }
        rn_model_destroy(model);
    }
}

/* Outputs that are not to be told apart, and ends that mean nothing here. */
static const struct {
    const char *what, *operators, *others[2], *output, *message;
} no_heads[] = {
    {"two classifiers",
     LOGITS ";Gemm f,halves,b z transB=1;Identity m y",
     {"z 0,2"},
     NULL,
     "2 of its 2 outputs can be the classes: 'z' [?,2], 'y' "},
    {"no such value",
     LOGITS ";Identity m y",
     {NULL},
     "nowhere",
     "computes no 'nowhere', its outputs are 'y' [?,2]"},
    {"probabilities in per cent",
     LOGITS ";Softmax m s;Mul s,ten y",
     {NULL},
     NULL,
     "made of probabilities"},
    {"a sum of two answers",
     LOGITS ";Gemm f,halves,b n transB=1;Softmax m s;Softmax n t;Add s,t y",
     {NULL},
     NULL,
     "made of probabilities"},
};

static void ends_not_understood_are_refused(void **state)
{
    const char *path = in_folder("nohead.onnx");

    (void)state;
    for (size_t i = 0; i < COUNT(no_heads); i++) {
        const struct rn_import_options o = {.output = no_heads[i].output};
        struct rn_model *model;
        struct rn_error err = {0};
        struct made m;

        begin(&m, 13);
        put_tensors(&m);
        put_value(&m, ONNX_GRAPH_INPUT, "x", "0,2,2,2");
        if (no_heads[i].others[0])
            put_value(&m, ONNX_GRAPH_OUTPUT, "z", "0,2");
        put_value(&m, ONNX_GRAPH_OUTPUT, "y", "0,2");
        put_operators(&m, no_heads[i].operators);
        save(&m, path);
        if (rn_model_import(&model, path, &o, &err) == RN_OK)
            fail_msg("%s is taken", no_heads[i].what);
        if (!strstr(err.msg, no_heads[i].message))
            fail_msg("%s: \"%s\", expected \"%s\" in it", no_heads[i].what,
                     err.msg, no_heads[i].message);
    }
}

/* Weights of a fully connected layer that reads [c][h][w], and the same in the
 * order [h][w][c]; of convolutions; numbers of each class. */
static void put_more_tensors(struct made *m)
{
    float first[2 * 60], last[2 * 60];
    uint32_t seed = 11;

    for (int o = 0; o < 2; o++)
        for (int c = 0; c < 2; c++)
            for (int i = 0; i < 30; i++)
                first[o * 60 + c * 30 + i] = last[o * 60 + i * 2 + c] =
                    number(&seed);
    put_floats(m, "dense", "2,60", first, 120);
    put_floats(m, "dense_last", "2,60", last, 120);
    put_floats(m, "kernel", "2,2,3,3", first, 36);
    put_floats(m, "grey", "2,1,5,5", first, 50);
    put_floats(m, "two_by_four", "2,4,1,1", first, 8);
    put_floats(m, "two_by_two", "2,2,1,1", first, 4);
    put_floats(m, "two_by_six", "2,6,1,1", first, 12);
    put_floats(m, "halve", "2,1,1", doubled, 2);
    put_floats(m, "half", "1", (const float[]){0.5f}, 1);
    put_floats(m, "one", "", (const float[]){1}, 1);
    put_floats(m, "two", "", (const float[]){2}, 1);
    put_floats(m, "root", "", (const float[]){0.70710678f}, 1);
    put_floats(m, "gelu", "", (const float[]){0.044715f}, 1);
    put_floats(m, "pi", "", (const float[]){0.79788456f}, 1);
    put_integers(m, "sizes", "4", (const int64_t[]){1, 2, 5, 6}, 4);
    put_floats(m, "factors", "4", (const float[]){1, 0.25f, 1, 1}, 4);
    put_floats(m, "unit", "", (const float[]){0.02f}, 1);
    put_floats(m, "hundredth", "", (const float[]){0.01f}, 1);
    put_floats(m, "units", "2", (const float[]){0.5f, 0.25f}, 2);
    put_floats(m, "exact", "2,2,1,1", (const float[]){1, -1.5f, 1, -32}, 4);
    put_bytes(m, "bytes", "2,2,1,1", ONNX_INT8, "\x02\xfd\x04\x80", 4);
    put_bytes(m, "none", "2", ONNX_INT8, "\0\0", 2);
    put_floats(m, "rows", "2,2", (const float[]){1, -0.75f, 2, -32}, 4);
    put_bytes(m, "row_bytes", "2,2", ONNX_INT8, "\x02\xfd\x04\x80", 4);
    put_bytes(m, "forty", "", ONNX_UINT8, "\x28", 1);
    put_bytes(m, "bias32", "2", ONNX_INT32, "\x19\0\0\0\x9c\xff\xff\xff", 8);
    put_integers(m, "flip", "2", (const int64_t[]){1, 0}, 2);
    put_integers(m, "shuffle", "4", (const int64_t[]){0, 2, 1, 3}, 4);
    put_integers(m, "one_1", "1", (const int64_t[]){1}, 1);
    put_integers(m, "three", "1", (const int64_t[]){3}, 1);
    put_integers(m, "three_", "1", (const int64_t[]){3}, 1);
    put_floats(m, "lowest", "", (const float[]){-FLT_MAX}, 1);
}

/* The logits of a file of these operators. */
static void answer_of(const char *what, const char *dims, const char *operators,
                      const float *images, float logits[2])
{
    const char *path = in_folder("pair.onnx");
    struct rn_model *model;
    struct rn_error err = {0};
    struct made m;

    begin(&m, 13);
    put_tensors(&m);
    put_more_tensors(&m);
    put_value(&m, ONNX_GRAPH_INPUT, "x", dims);
    put_value(&m, ONNX_GRAPH_OUTPUT, "y", "0,2");
    put_operators(&m, operators);
    save(&m, path);
    if (rn_model_load(&model, path, &err))
        fail_msg("%s: %s", what, err.msg);
    answer(model, images, logits);
    rn_model_destroy(model);
}

#define FIRST          "0,2,5,6"
#define LAST           "0,5,6,2" /* TensorFlow's; ours stay first */
#define TO_FIRST(a, b) "Transpose " a " " b " perm=[0,3,1,2];"
#define TO_LAST(a, b)  "Transpose " a " " b " perm=[0,2,3,1];"
#define MEAN           "GlobalAveragePool r g" TAIL
#define ROUND(a, b)                      \
    "QuantizeLinear " a ",unit rounded;" \
    "DequantizeLinear rounded,unit " b ";"

/* What computes the same. */
static const struct {
    const char *what, *dims, *operators, *other_dims, *others;
} pairs[] = {
    {"channels last", FIRST, "Relu x r;" MEAN, LAST,
     "Sub x,zeros s;" TO_FIRST("s", "c") "Relu c r;" MEAN},
    {"operators on channels that come last", FIRST,
     "Relu x a;Add a,a s;Mul s,a m;LeakyRelu m l alpha=0.5;Sub l,tens r;" MEAN,
     LAST,
     "Relu x a;Add a,a s;Mul s,a m;LeakyRelu m l alpha=0.5;"
     "Sub l,ten k;" TO_FIRST("k", "r") MEAN},
    {"mean where channels come last", FIRST, "Relu x r;" MEAN, LAST,
     "Relu x r;ReduceMean r f axes=[1,2] keepdims=0;Gemm f,w,b y transB=1"},
    {"that mean, kept and squeezed", FIRST, "Relu x r;" MEAN, LAST,
     "Relu x r;ReduceMean r g axes=[-3,-2];Squeeze g f;Gemm f,w,b y transB=1"},
    {"joined channels that come last", FIRST,
     "Relu x a;Concat a,x j axis=1;MaxPool j p kernel_shape=[5,6];"
     "Conv p,two_by_four y",
     LAST,
     "Relu x a;Concat a,x j axis=3;" TO_FIRST(
         "j", "c") "MaxPool c p kernel_shape=[5,6];Conv p,two_by_four y"},
    {"a fully connected layer where channels come last", FIRST,
     "Relu x r;Flatten r f;Gemm f,dense,b y transB=1", LAST,
     "Relu x r;Flatten r f;Gemm f,dense_last,b y transB=1"},
    {"that as product", FIRST, "Relu x r;Flatten r f;Gemm f,dense y transB=1",
     FIRST,
     "Relu x r;" TO_LAST(
         "r", "l") "Reshape l,keep f;Transpose dense_last t;MatMul f,t y"},
    {"flat and back where channels come last", FIRST, "Relu x r;" MEAN, LAST,
     "Flatten x i;Relu i a;Constant - s value_ints=[-1,5,6,2];Reshape a,s "
     "l;" TO_FIRST("l", "r") MEAN},
    {"one channel under other sizes", "0,1,5,6", "Conv x,grey r;" MEAN,
     "0,5,6,1",
     "Constant - s value_ints=[-1,1,5,6];Reshape x,s c;Conv c,grey r;" MEAN},
    {"pads where channels come last", FIRST,
     "Conv x,kernel r pads=[1,2,0,1];" MEAN, LAST,
     "Pad x p pads=[0,1,2,0,0,0,1,0];" TO_FIRST("p",
                                                "c") "Conv c,kernel r;" MEAN},
    {"a ReLU in the rounding", FIRST, "Relu x p;" ROUND("p", "r") MEAN, FIRST,
     ROUND("x", "r") MEAN},
    {"weights of bytes", FIRST, "Conv x,exact,b r;" MEAN, FIRST,
     "DequantizeLinear bytes,units,none d axis=0;"
     "DequantizeLinear bias32,hundredth e;Conv x,d,e r;" MEAN},
    {"weights of bytes, turned", FIRST,
     "GlobalAveragePool x g;Flatten g f;Gemm f,rows y transB=1", FIRST,
     "GlobalAveragePool x g;Flatten g f;"
     "DequantizeLinear row_bytes,units d axis=1;Transpose d t;MatMul f,t y"},
    {"flattened between", FIRST,
     ROUND("x", "u") "Flatten u f;Gemm f,dense y transB=1", FIRST,
     "QuantizeLinear x,unit q;Flatten q p;DequantizeLinear p,unit f;"
     "Gemm f,dense y transB=1"},
    {"slopes of channels", FIRST,
     "Relu x p;Neg x n;Relu n m;Mul m,halve c;Neg c e;Add p,e r;" MEAN, FIRST,
     "PRelu x,halve r;" MEAN},
    {"slopes where channels come last", FIRST, "PRelu x,halve r;" MEAN, LAST,
     "PRelu x,doubled r;ReduceMean r f axes=[1,2] keepdims=0;"
     "Gemm f,w,b y transB=1"},
    {"one slope", FIRST, "LeakyRelu x r alpha=10.0;" MEAN, FIRST,
     "PRelu x,ten r;" MEAN},
    {"hard swish", FIRST,
     "HardSigmoid x h alpha=0.16666667 beta=0.5;Mul x,h r;" MEAN, FIRST,
     "HardSwish x r;" MEAN},
    {"defaults", FIRST,
     "Elu x a alpha=1.0;Selu a c alpha=1.6732632 gamma=1.050701;"
     "HardSigmoid c d alpha=0.2 beta=0.5;Celu d e alpha=1.0;"
     "ThresholdedRelu e r alpha=1.0;" MEAN,
     FIRST,
     "Elu x a;Selu a c;HardSigmoid c d;Celu d e;ThresholdedRelu e r;" MEAN},
    {"softplus and mish", FIRST,
     "Exp x e;Add e,one fa;Log fa s;Tanh s t;Mul x,t r;" MEAN, FIRST,
     "Mish x r;" MEAN},
    {"gelu", FIRST,
     "Mul x,root h;Erf h e;Add e,one fa;Mul x,fa g2;Mul g2,half r;" MEAN, FIRST,
     "Gelu x r;" MEAN},
    {"gelu by tanh", FIRST,
     "Mul x,x q;Mul q,x c;Mul c,gelu k;Add x,k a;Mul a,pi s;Tanh s t;"
     "Add t,one fa;Mul x,fa g2;Mul g2,half r;" MEAN,
     FIRST, "Gelu x r approximate='tanh';" MEAN},
    {"powers and roots", FIRST,
     "Mul x,x a;Sqrt a c;Div c,half d;Softsign d r;" MEAN, FIRST,
     "Pow x,two a;Sqrt a m;Abs m c;Reciprocal half h;Mul c,two d;"
     "Abs d e;Add e,one fa;Reciprocal fa g2;Mul d,g2 r;" MEAN},
    {"a difference", FIRST, "Relu x p;Neg x n;Add p,n r;" MEAN, FIRST,
     "Relu x p;Sub p,x r;" MEAN},
    {"a constant repeated", FIRST, "Mul x,halve r;" MEAN, FIRST,
     "Constant - s value_ints=[1,1,1,1];Expand halve,s k;Mul x,k r;" MEAN},
    {"one number repeated", FIRST, "Mul x,ten r;" MEAN, FIRST,
     "Constant - s value_ints=[2,1,1];Expand ten,s k;Shape x t;Expand x,t v;"
     "Mul v,k r;" MEAN},
    {"pictures that are resized first", "0,2,5,6", "Relu x r;" MEAN, "0,2,10,3",
     "Resize x,,,sizes r0;Relu r0 r;" MEAN},
    {"the same by PyTorch", "0,2,5,6", "Relu x r;" MEAN, "0,2,10,3",
     "Shape x s;Constant - p value_ints=[0];Constant - q value_ints=[2];"
     "Slice s,p,q t;Constant - u value_ints=[5,6];Concat t,u v axis=0;"
     "Gather s,p n;Identity x i;Resize i,,,v r0;Concat n,one_ k axis=0;"
     "Relu r0 r;GlobalAveragePool r g;Reshape g,k f;Gemm f,w,b y transB=1"},
    {"the same by factors", "0,2,5,6", "Relu x r;" MEAN, "0,20,6,2",
     "Upsample x,factors u;" TO_FIRST("u", "c") "Relu c r;" MEAN},
    {"the larger and the smaller", FIRST,
     "Clip x,lowest,ten a;Clip a,half,ten r;" MEAN, FIRST,
     "Min x,ten a;Max half,a r;" MEAN},
    {"the largest of all", FIRST, "MaxPool x g kernel_shape=[5,6]" TAIL, FIRST,
     "GlobalMaxPool x g" TAIL},
    {"that by other words", FIRST, "GlobalMaxPool x g" TAIL, LAST,
     "ReduceMax x f axes=[1,2] keepdims=0;Gemm f,w,b y transB=1"},
    {"parts joined the other way round", FIRST, "Gather x,flip r axis=1;" MEAN,
     FIRST, "Split x a,c axis=1;Concat c,a r axis=1;" MEAN},
    {"parts of given sizes", "0,4,5,3",
     "Slice x,one_1,three,one_1 c;Conv c,two_by_two r;" MEAN, "0,4,5,3",
     "Constant - s value_ints=[1,2,1];Split x,s a,c,d axis=1;"
     "Conv c,two_by_two r;" MEAN},
    {"channels the other way round", FIRST, "Gather x,flip r axis=1;" MEAN,
     LAST,
     "Constant - n value_ints=[-1];Constant - least value_ints=[-999];"
     "Slice x,n,least,three_,n c;" TO_FIRST("c", "r") MEAN},
    {"a shuffle of channels", "0,4,5,3",
     "Gather x,shuffle s axis=1;Conv s,two_by_four r;" MEAN, "0,4,5,3",
     "Constant - s value_ints=[-1,2,2,5,3];Reshape x,s a;"
     "Transpose a c perm=[0,2,1,3,4];Constant - t value_ints=[0,4,5,3];"
     "Reshape c,t d;Conv d,two_by_four r;" MEAN},
    {"a shuffle where channels come last", "0,4,5,3",
     "Gather x,shuffle s axis=1;Conv s,two_by_four r;" MEAN, "0,4,5,3",
     "Transpose x l perm=[0,2,3,1];Constant - s value_ints=[-1,5,3,2,2];"
     "Reshape l,s a;Transpose a c perm=[0,1,2,4,3];"
     "Constant - t value_ints=[-1,5,3,4];Reshape c,t d;" TO_FIRST(
         "d", "e") "Conv e,two_by_four r;" MEAN},
    {"channels in any order", "0,4,5,3",
     "Split x p,q,s,t axis=1;Concat t,p,q,t,s,s a axis=1;"
     "Conv a,two_by_six r;" MEAN,
     "0,4,5,3",
     "Constant - s value_ints=[3,0,1,-1,2,2];Gather x,s a axis=1;"
     "Conv a,two_by_six r;" MEAN},
    {"copies of the edge before a max pool", FIRST,
     "MaxPool x r kernel_shape=[3,3] pads=[1,2,1,0] strides=[2,2];" MEAN, FIRST,
     "Pad x p pads=[0,0,1,2,0,0,1,0] mode='edge';"
     "MaxPool p r kernel_shape=[3,3] strides=[2,2];" MEAN},
    {"the lowest numbers before a max pool", FIRST,
     "MaxPool x r kernel_shape=[3,3] pads=[1,1,0,0] strides=[2,2];" MEAN, FIRST,
     "Constant - s value_ints=[0,0,1,1,0,0,0,0];Pad x,s,lowest p;"
     "MaxPool p r kernel_shape=[3,3] strides=[2,2];" MEAN},
    {"pads as PyTorch makes them", FIRST,
     "Conv x,kernel r pads=[1,2,0,3];" MEAN, FIRST,
     "Constant - k value_ints=[2,3,1,0];Constant - z value_ints=[0,0,0,0];"
     "Concat k,z j axis=0;Constant - pair value_ints=[-1,2];Reshape j,pair t;"
     "Constant - n value_ints=[-1];Constant - least value_ints=[-999];"
     "Slice t,n,least,axis0,n u;Transpose u v perm=[1,0];Reshape v,n s;"
     "Pad x,s p;Conv p,kernel r;" MEAN},
};

static void what_computes_the_same(void **state)
{
    float images[60], logits[2][2];
    uint32_t seed = 4;

    (void)state;
    for (size_t i = 0; i < COUNT(images); i++)
        images[i] = number(&seed);
    for (size_t i = 0; i < COUNT(pairs); i++) {
        const char *what = pairs[i].what;

        answer_of(what, pairs[i].dims, pairs[i].operators, images, logits[0]);
        answer_of(what, pairs[i].other_dims, pairs[i].others, images,
                  logits[1]);
        for (int k = 0; k < 2; k++)
            if (!(fabsf(logits[0][k] - logits[1][k]) <= 1e-5f))
                fail_msg("%s: logit %d is %g and %g", what, k,
                         (double)logits[0][k], (double)logits[1][k]);
    }
}

static void check_refused(const char *path, const char *what,
                          const char *message)
{
    struct rn_model *model;
    struct rn_error err = {0};

    if (rn_model_load(&model, path, &err) == RN_OK)
        fail_msg("%s is taken", what);
    if (!strstr(err.msg, message))
        fail_msg("%s: \"%s\", expected \"%s\" in it", what, err.msg, message);
}

/* -------------------------------------------------------- local functions */

static void begin_calls(struct made *m, const char *operators)
{
    begin(m, 13);
    put_tensors(m);
    put_more_tensors(m);
    put_value(m, ONNX_GRAPH_INPUT, "x", FIRST);
    put_value(m, ONNX_GRAPH_OUTPUT, "y", "0,2");
    put_operators(m, operators);
}

/* Functions stand for their operators: names within them are their own in each
 * call, attributes are the call's or what the function says, inputs may be left
 * out. */
static void functions_are_their_operators(void **state)
{
    const char *path = in_folder("functions.onnx");
    float images[60], logits[2][2];
    struct rn_model *model;
    struct rn_error err = {0};
    struct made m;
    uint32_t seed = 4;

    (void)state;
    for (size_t i = 0; i < COUNT(images); i++)
        images[i] = number(&seed);
    answer_of("no functions", FIRST,
              "LeakyRelu x a alpha=0.5;Add a,x d;LeakyRelu d e alpha=0.25;"
              "Add e,d h;Conv h,kernel i;Conv i,kernel k pads=[1,1,1,1];"
              "Relu k r;" MEAN,
              images, logits[0]);
    begin_calls(&m, "local:Twice x h first=0.5;local:Block h,kernel i;"
                    "local:Block i,kernel k border=[1,1,1,1];Relu k r;" MEAN);
    begin_function(&m, "Leak", "x", "r");
    put_operators(&m, "LeakyRelu x a alpha=@slope;Add a,x r");
    begin_function(&m, "Twice", "in", "out");
    put_operators(
        &m, "local:Leak in a slope=@first;local:Leak a out slope=@second");
    size_t at = rn_pb_begin(&m.pb, ONNX_FUNCTION_ATTRIBUTE);
    rn_pb_put_text(&m.pb, ONNX_ATTRIBUTE_NAME, "second");
    rn_pb_put_float(&m.pb, ONNX_ATTRIBUTE_F, 0.25f);
    rn_pb_end(&m.pb, at);
    begin_function(&m, "Block", "x,w,bias", "y");
    put_operators(&m, "Conv x,w,bias y pads=@border");
    save(&m, path);
    OK(rn_model_load(&model, path, &err));
    answer(model, images, logits[1]);
    assert_memory_equal(logits[0], logits[1], sizeof(logits[0]));
    rn_model_destroy(model);
}

static void functions_without_end_are_refused(void **state)
{
    const char *path = in_folder("endless.onnx");
    struct made m;

    (void)state;
    begin_calls(&m, "local:Again x r;" MEAN);
    begin_function(&m, "Again", "x", "y");
    put_operators(&m, "local:Again x a;Relu a y");
    save(&m, path);
    check_refused(path, "a function that calls itself", "'Again' calls itself");
    begin_calls(&m, "local:F0 x r;" MEAN);
    for (int i = 0; i < 15; i++) {
        char name[16], inner[100];

        snprintf(name, sizeof(name), "F%d", i);
        snprintf(inner, sizeof(inner),
                 i < 14 ? "local:F%d x a;local:F%d a b;local:F%d b c;"
                          "local:F%d c y"
                        : "Relu x a;Relu a y",
                 i + 1, i + 1, i + 1, i + 1);
        begin_function(&m, name, "x", "y");
        put_operators(&m, inner);
    }
    save(&m, path);
    check_refused(path, "4^14 calls", "more than");
    begin_calls(&m, "local:Lost x r;" MEAN);
    begin_function(&m, "Lost", "x", "y");
    put_operators(&m, "Relu within y");
    save(&m, path);
    check_refused(path, "a name of nobody", "'within'");
}

/* ------------------------------------------------------------ other numbers */

/* A file that leaves rows and columns open takes what the caller says. */
static void open_sizes_are_the_callers(void **state)
{
    const char *path = in_folder("open.onnx");
    struct rn_import_options o;
    struct rn_model *model;
    struct rn_error err = {0};
    struct made m;

    (void)state;
    begin(&m, 13);
    put_tensors(&m);
    put_value(&m, ONNX_GRAPH_INPUT, "x", "0,2,0,0");
    put_value(&m, ONNX_GRAPH_OUTPUT, "y", "0,2");
    put_operators(&m, HEAD TAIL);
    save(&m, path);
    rn_import_defaults(&o);
    OK(rn_model_import(&model, path, &o, &err));
    assert_int_equal(model->spec.input.h, 224);
    rn_model_destroy(model);
    o.height = 6;
    o.width = 9;
    OK(rn_model_import(&model, path, &o, &err));
    assert_int_equal(model->spec.input.h, 6);
    assert_int_equal(model->spec.input.w, 9);
    rn_model_destroy(model);
    make_same(0, path);
    assert_int_equal(rn_model_import(&model, path, &o, &err), RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "takes 2 x 2 pixels, not 6 x 9"));
}

static void on_message(void *user, const char *text)
{
    size_t *told = user;

    *told += strstr(text, "normalises its pictures itself ('") != NULL ||
             strstr(text, "input is bytes") != NULL;
}

/* A graph that normalises its pictures, or takes bytes, says so: they might be
 * normalised twice. */
static void pictures_are_not_scaled_twice(void **state)
{
    static const struct {
        const char *operators;
        size_t told;
        uint64_t element;
    } cases[] = {
        {"Mul x,tens s;GlobalAveragePool s g" TAIL, 1, ONNX_FLOAT},
        {"Sub x,tens t;Div t,ten s;GlobalAveragePool s g" TAIL, 1, ONNX_FLOAT},
        {"Conv x,w4 s;GlobalAveragePool s g" TAIL, 0, ONNX_FLOAT},
        {HEAD TAIL, 0, ONNX_FLOAT},
        {"Cast x s to=1;GlobalAveragePool s g" TAIL, 1, ONNX_UINT8},
    };
    const char *path = in_folder("scaled.onnx");
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_import_options o;
        struct rn_model *model;
        struct rn_error err = {0};
        struct made m;
        size_t told = 0;

        begin(&m, 13);
        put_tensors(&m);
        put_typed(&m, ONNX_GRAPH_INPUT, "x", "0,2,2,2", cases[i].element);
        put_value(&m, ONNX_GRAPH_OUTPUT, "y", "0,2");
        put_operators(&m, cases[i].operators);
        save(&m, path);
        rn_import_defaults(&o);
        o.message = on_message;
        o.user = &told;
        OK(rn_model_import(&model, path, &o, &err));
        rn_model_destroy(model);
        if (told != cases[i].told)
            fail_msg("%s: told %zu times", cases[i].operators, told);
    }
}

/* 1, 2, -3 and 0.5 as each type has them. */
static void weights_of_every_type(void **state)
{
    static const uint16_t f16[] = {0x3c00, 0x4000, 0xc200, 0x3800};
    static const uint16_t bf16[] = {0x3f80, 0x4000, 0xc040, 0x3f00};
    static const double f64[] = {1, 2, -3, 0.5};

    static const struct {
        const char *what;
        uint64_t type;
        const void *raw;
        size_t bytes;
    } cases[] = {
        {"float16", ONNX_FLOAT16, f16, sizeof(f16)},
        {"bfloat16", ONNX_BFLOAT16, bf16, sizeof(bf16)},
        {"float64", ONNX_DOUBLE, f64, sizeof(f64)},
        {"float32 in fields", ONNX_FLOAT, NULL, 0},
        {"float16 in fields", ONNX_FLOAT16, NULL, 0},
        {"float32 in another file", ONNX_FLOAT, NULL, 1},
        {"float32 in a folder below", ONNX_FLOAT, NULL, 2},
        {"float32 behind a link", ONNX_FLOAT, NULL, 3},
    };
    const char *path = in_folder("types.onnx");
    struct rn_error err = {0};
    (void)state;
    OK(rn_file_write(in_folder("weights.bin"),
                     (const float[]){9, 1, 2, -3, 0.5f}, 20, &err));
    write_file("below/further/weights.bin", (const float[]){9, 1, 2, -3, 0.5f},
               20);
    assert_int_equal(symlink("../weights.bin", in_folder("below/link.bin")), 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_model *model;
        struct made m;
        float logits[2];

        begin(&m, 13);
        size_t at = begin_tensor(&m, "weight", "2,2", cases[i].type);
        if (cases[i].raw) {
            rn_pb_put_bytes(&m.pb, ONNX_TENSOR_RAW, cases[i].raw,
                            cases[i].bytes);
        } else if (cases[i].bytes) {
            static const char *const entries[][2] = {
                {"location", "weights.bin"},
                {"location", "below/further/weights.bin"},
                {"location", "below/link.bin"},
                {"offset", "4"},
                {"length", "16"}};

            for (size_t k = 0; k < 5; k++) {
                if (k < 3 && k != cases[i].bytes - 1)
                    continue;
                size_t e = rn_pb_begin(&m.pb, ONNX_TENSOR_EXTERNAL);
                rn_pb_put_text(&m.pb, ONNX_ENTRY_KEY, entries[k][0]);
                rn_pb_put_text(&m.pb, ONNX_ENTRY_VALUE, entries[k][1]);
                rn_pb_end(&m.pb, e);
            }
            rn_pb_put_varint(&m.pb, ONNX_TENSOR_LOCATION, 1);
        } else {
            for (size_t k = 0; k < 4; k++)
                if (cases[i].type == ONNX_FLOAT)
                    rn_pb_put_float(&m.pb, ONNX_TENSOR_FLOATS, weights[k]);
                else
                    rn_pb_put_varint(&m.pb, ONNX_TENSOR_INT32S, f16[k]);
        }
        rn_pb_end(&m.pb, at);
        put_floats(&m, "b", "2", bias, 2);
        put_value(&m, ONNX_GRAPH_INPUT, "x", "0,2,2,2");
        put_value(&m, ONNX_GRAPH_OUTPUT, "y", "0,2");
        put_operators(&m, HEAD ";Flatten g f;Gemm f,weight,b y transB=1");
        save(&m, path);
        if (rn_model_load(&model, path, &err))
            fail_msg("%s: %s", cases[i].what, err.msg);
        answer(model, image, logits);
        if (!(fabsf(logits[1] - expected[1]) <= 1e-5f))
            fail_msg("%s: logit is %g, expected %g", cases[i].what,
                     (double)logits[1], (double)expected[1]);
        rn_model_destroy(model);
    }
}

/* --------------------------------------------------- PyTorch's exporters */

/* value() of tests/golden/record-onnx.py. */
static void fill_recorded(float *to, size_t count, const char *name)
{
    uint32_t hash = 0x811c9dc5;

    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 0x01000193;
    for (size_t i = 0; i < count; i++) {
        uint32_t h = hash + (uint32_t)i * 0x9e3779b9;

        h = (h ^ h >> 16) * 0x85ebca6b;
        h = (h ^ h >> 13) * 0xc2b2ae35;
        to[i] = (float)((h ^ h >> 16) / 0x1p31 - 1);
    }
}

static const char *recorded(const char *name)
{
    static char path[500];
    const char *source = getenv("RN_SOURCE");

    snprintf(path, sizeof(path), "%s/tests/golden/onnx/%s",
             source ? source : ".", name);
    return path;
}

/* Files that PyTorch wrote compute what PyTorch does. */
static void exported_networks_compute_the_same(void **state)
{
    static const char *const names[] = {"script11.onnx", "script17.onnx",
                                        "unfolded13.onnx", "dynamo18.onnx",
                                        "beside20.onnx"};
    float picture[3 * 12 * 14], logits[4];
    double wanted[4];
    FILE *f = fopen(recorded("logits.txt"), "r");

    (void)state;
    assert_non_null(f);
    for (int i = 0; i < 4; i++)
        assert_int_equal(fscanf(f, "%lf", &wanted[i]), 1);
    fclose(f);
    fill_recorded(picture, COUNT(picture), "picture");
    for (size_t i = 0; i < COUNT(names); i++) {
        struct rn_model *model;
        struct rn_error err = {0};

        OK(rn_model_load(&model, recorded(names[i]), &err));
        answer(model, picture, logits);
        for (int k = 0; k < 4; k++)
            if (!(fabs((double)logits[k] - wanted[k]) <= 1e-6))
                fail_msg("%s: logit %d is %.9g, PyTorch's %.9g", names[i], k,
                         (double)logits[k], wanted[k]);
        rn_model_destroy(model);
    }
}

/* --------------------------------------------------- ONNX Runtime's numbers */

static size_t count_of(const char *dims)
{
    size_t count = 1;

    for (const char *c = dims; *c; c += strcspn(c, ",") + (strchr(c, ',') != 0))
        count *= strtoull(c, NULL, 10);
    return count;
}

/* "w:4,3,2,2 b:4" */
static void put_recorded(struct made *m, const char *tensors)
{
    for (const char *c = tensors; *c;) {
        char name[16], dims[32];
        float values[512];
        int used = 0;

        assert_int_equal(sscanf(c, "%15[^:]:%31[^ ] %n", name, dims, &used), 2);
        size_t count = count_of(dims);
        assert_true(count <= COUNT(values));
        fill_recorded(values, count, name);
        put_floats(m, name, dims, values, count);
        c += used;
    }
}

/* The answer's numbers are all there, and the model's. */
static void check_answer(const char *name, const struct rn_model *model,
                         const float *picture, const char *wanted)
{
    struct rn_model_info info;
    float got[16];

    rn_model_describe(model, &info);
    assert_true(info.classes <= (int)COUNT(got));
    answer(model, picture, got);
    for (int i = 0; i < info.classes; i++) {
        char *end;
        double right = strtod(wanted, &end);

        if (end == wanted)
            fail_msg("%s: %d numbers, expected fewer", name, info.classes);
        if (!(fabs((double)got[i] - right) <= 1e-5 * (1 + fabs(right))))
            fail_msg("%s: number %d is %.9g, ONNX Runtime's %.9g", name, i,
                     (double)got[i], right);
        wanted = end;
    }
    if (*wanted)
        fail_msg("%s: %d numbers, expected more", name, info.classes);
}

enum { NAME, OPSET, SIZES, TENSORS, OPERATORS, ANSWER, FIELDS };

static void check_recorded(char *fields[FIELDS], const char *path)
{
    float picture[512];
    struct rn_model *model;
    struct rn_error err = {0};
    struct made m;

    begin(&m, atoi(fields[OPSET]));
    put_recorded(&m, fields[TENSORS]);
    put_value(&m, ONNX_GRAPH_INPUT, "x", fields[SIZES]);
    put_value(&m, ONNX_GRAPH_OUTPUT, "y", "1,0");
    put_operators(&m, fields[OPERATORS]);
    save(&m, path);
    if (rn_model_load(&model, path, &err))
        fail_msg("%s: %s", fields[NAME], err.msg);
    assert_true(count_of(fields[SIZES]) <= COUNT(picture));
    fill_recorded(picture, count_of(fields[SIZES]), "picture");
    struct rn_shape in = model->graph->nodes[0].shape;
    float turned_picture[512];
    /* ours has its channels first */
    bool last = atoi(strchr(fields[SIZES], ',') + 1) != in.c;
    for (int i = 0; i < in.c * in.h * in.w; i++)
        turned_picture[i] =
            picture[last ? i % (in.h * in.w) * in.c + i / (in.h * in.w) : i];
    check_answer(fields[NAME], model, turned_picture, fields[ANSWER]);
    rn_model_destroy(model);
}

/* tests/golden/record-operators.py has written what they are to give. */
static void recorded_operators(void **state)
{
    const char *path = in_folder("recorded.onnx");
    FILE *f = fopen(recorded("operators.txt"), "r");
    char line[1000];
    int count = 0;

    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        char *fields[FIELDS], *c = line;

        line[strcspn(line, "\n")] = '\0';
        for (int i = 0; i < FIELDS; i++) {
            assert_non_null(c);
            fields[i] = c;
            c = strchr(c, '|');
            if (c)
                *c++ = '\0';
        }
        check_recorded(fields, path);
        count++;
    }
    fclose(f);
    assert_int_equal(count, 31);
}

/* -------------------------------------------------------------- in 8 bits */

static struct rn_model *load_made(const char *name)
{
    struct rn_model *model;
    struct rn_error err = {0};
    char file[40];

    snprintf(file, sizeof(file), "../made/net-%s.onnx", name);
    OK(rn_model_load(&model, recorded(file), &err));
    return model;
}

static void make_picture(int i, float picture[3 * 32 * 32])
{
    char name[20];

    snprintf(name, sizeof(name), "picture%d", i);
    fill_recorded(picture, 3 * 32 * 32, name);
}

/* Logits are whole multiples of their scale, 0.136, and nearly every one is
 * ONNX Runtime's. */
static void quantised_files_answer_alike(void **state)
{
    const float step = 0.13585873f;
    char name[20] = "", last[20] = "";
    struct rn_model *model = NULL;
    float picture[3 * 32 * 32], want[4], got[4];
    int i, count = 0, off = 0;

    (void)state;
    FILE *f = fopen(recorded("../made/quantized.txt"), "r");
    assert_non_null(f);
    while (fscanf(f, "%19s %d %f %f %f %f", name, &i, &want[0], &want[1],
                  &want[2], &want[3]) == 6) {
        if (strcmp(name, last) != 0) {
            rn_model_destroy(model);
            model = load_made(name);
            strcpy(last, name);
        }
        make_picture(i, picture);
        answer(model, picture, got);
        for (int k = 0; k < 4; k++, count++) {
            float steps = fabsf(got[k] - want[k]) / step;

            off += steps > 0.01f;
            if (steps > 1.01f)
                fail_msg("net-%s.onnx, picture %d: class %d has %g, ONNX "
                         "Runtime's has %g",
                         name, i, k, (double)got[k], (double)want[k]);
        }
    }
    fclose(f);
    rn_model_destroy(model);
    print_message("%d of %d logits are a step off\n", off, count);
    assert_int_equal(count, 3 * 8 * 4);
    assert_true(off <= count / 20);
}

/* All of it is in 8 bits: every layer's weights and input, no layer rounds, and
 * plans compute each so. */
static void quantised_files_compute_in_bytes(void **state)
{
    static const char *const names[] = {"qdq", "signed", "qlinear"};

    (void)state;
    for (size_t k = 0; k < COUNT(names); k++) {
        struct rn_model *model = load_made(names[k]);
        const struct rn_graph *g = model->graph;
        struct rn_onnx_rounding r;

        rn_onnx_count_rounding(g, &r);
        assert_int_equal(r.layers, 10);
        assert_int_equal(r.in_bytes, 10);
        assert_int_equal(r.values, 0);
        assert_int_equal(rn_graph_quantized(g), 10);
        for (size_t i = 0; i < g->n_nodes; i++) {
            if (g->nodes[i].op == RN_OP_CONV || g->nodes[i].op == RN_OP_LINEAR)
                assert_true(rn_plan_can_quantize(g, (int)i));
            assert_int_equal(rn_node_keeps_quant(&g->nodes[i]),
                             rn_plan_keeps_scale(g, (int)i));
        }
        rn_model_destroy(model);
    }
}

/* Written as a model of ours, or as ONNX, and read again: the same bits. */
static void quantised_files_come_back(void **state)
{
    static const char *const files[] = {"back.safetensors", "back.onnx"};
    struct rn_model *model = load_made("qdq"), *back;
    float picture[3 * 32 * 32], want[4], got[4];
    struct rn_error err = {0};

    (void)state;
    for (size_t k = 0; k < COUNT(files); k++) {
        const char *path = in_folder(files[k]);

        if (k == 0)
            OK(rn_model_save(model, path, &err));
        else
            OK(rn_model_export(model, path, &err));
        OK(rn_model_load(&back, path, &err));
        for (int i = 0; i < 8; i++) {
            make_picture(i, picture);
            answer(model, picture, want);
            answer(back, picture, got);
            assert_memory_equal(got, want, sizeof(got));
        }
        rn_model_destroy(back);
    }
    rn_model_destroy(model);
}

/* Scales of rows are those of columns once a matrix is turned. */
static void scales_are_turned(void **state)
{
    static const struct {
        const char *operators;
        bool quantized;
    } cases[] = {
        {"DequantizeLinear row_bytes,units d axis=0;Transpose d t;"
         "MatMul f,t y",
         true},
        {"DequantizeLinear row_bytes,units d axis=1;Transpose d t;"
         "MatMul f,t y",
         false}, /* no scales of outputs */
        {"DequantizeLinear row_bytes,units d axis=1;Transpose d t;"
         "Gemm f,t y transB=1",
         true},
        {"DequantizeLinear row_bytes,unit d;Transpose d t;MatMul f,t y", true},
    };
    const char *path = in_folder("turned.onnx");

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_model *model;
        struct rn_error err = {0};
        struct made m;

        begin(&m, 13);
        put_tensors(&m);
        put_more_tensors(&m);
        put_value(&m, ONNX_GRAPH_INPUT, "x", "0,2,2,2");
        put_value(&m, ONNX_GRAPH_OUTPUT, "y", "0,2");
        put_operators(&m, "GlobalAveragePool x g;Flatten g f");
        put_operators(&m, cases[i].operators);
        save(&m, path);
        OK(rn_model_load(&model, path, &err));
        if (rn_graph_is_quantized(model->graph) != cases[i].quantized)
            fail_msg("case %zu: %s", i,
                     cases[i].quantized ? "no scales" : "scales");
        rn_model_destroy(model);
    }
}

/* What a plan in 8 bits cannot do stays as the file says, in float32. */
static void what_has_no_8_bits_is_rounded(void **state)
{
    static const struct {
        const char *what, *operators;
        size_t layers, in_bytes, values;
    } cases[] = {
        {"weights of more than bytes",
         "QuantizeLinear x,s,z q;DequantizeLinear q,s,z p;"
         "DequantizeLinear odd,s,z w_;Conv p,w_ y kernel_shape=[2,2]",
         1, 0, 1},
        {"weights of bytes without a sign",
         "QuantizeLinear x,s,z q;DequantizeLinear q,s,z p;"
         "DequantizeLinear even,s,z128 w_;Conv p,w_ y kernel_shape=[2,2]",
         1, 1, 0},
        {"values of 16 bits",
         "QuantizeLinear x,s,z16 q;DequantizeLinear q,s,z16 p;"
         "DequantizeLinear even,s,z128 w_;Conv p,w_ y kernel_shape=[2,2]",
         1, 0, 1},
        {"scales along the inputs",
         "QuantizeLinear x,s,z q;DequantizeLinear q,s,z p;"
         "DequantizeLinear even,s_two,z_two w_ axis=1;"
         "Conv p,w_ y kernel_shape=[2,2]",
         1, 0, 1},
        {"a value that is read unrounded, too",
         "Relu x r;QuantizeLinear r,s,z q;DequantizeLinear q,s,z p;Add p,r t;"
         "DequantizeLinear even,s,z128 w_;Conv t,w_ y kernel_shape=[2,2]",
         1, 0, 1},
        {"weights in floats that the file rounds",
         "QuantizeLinear x,s,z q;DequantizeLinear q,s,z p;"
         "QuantizeLinear kernel,s_two,z_signed k axis=0;"
         "DequantizeLinear k,s_two,z_signed w_ axis=0;"
         "Conv p,w_ y kernel_shape=[2,2]",
         1, 1, 0},
    };
    static const char even[] = "\x80\x81\x7f\x90\x01\xff\x60\x8a"
                               "\x33\x44\x55\x66\x77\x88\x99\xaa";
    const float scales[] = {0.02f, 0.5f};
    const char *path = in_folder("rounded.onnx");
    struct rn_error err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_onnx_rounding r;
        struct rn_model *model;
        float kernel[16];
        struct made m;

        begin(&m, 13);
        fill_recorded(kernel, COUNT(kernel), "kernel");
        put_floats(&m, "kernel", "2,2,2,2", kernel, COUNT(kernel));
        put_floats(&m, "s", "", scales, 1);
        put_floats(&m, "s_two", "2", scales, 2);
        put_bytes(&m, "z", "", ONNX_UINT8, "\x28", 1);
        put_bytes(&m, "z128", "", ONNX_UINT8, "\x80", 1);
        put_bytes(&m, "z16", "", ONNX_UINT16, "\x28\1", 2);
        put_bytes(&m, "z_two", "2", ONNX_UINT8, "\x80\x80", 2);
        put_bytes(&m, "z_signed", "2", ONNX_INT8, "\0\0", 2);
        put_bytes(&m, "odd", "2,2,2,2", ONNX_UINT8, even, 16);
        put_bytes(&m, "even", "2,2,2,2", ONNX_UINT8, even, 16);
        put_value(&m, ONNX_GRAPH_INPUT, "x", "0,2,2,2");
        put_value(&m, ONNX_GRAPH_OUTPUT, "y", "0,2");
        put_operators(&m, cases[i].operators);
        save(&m, path);
        if (rn_model_load(&model, path, &err))
            fail_msg("%s: %s", cases[i].what, err.msg);
        rn_onnx_count_rounding(model->graph, &r);
        if (r.layers != cases[i].layers || r.in_bytes != cases[i].in_bytes ||
            r.values != cases[i].values)
            fail_msg("%s: %zu of %zu layers in 8 bits, %zu values rounded",
                     cases[i].what, r.in_bytes, r.layers, r.values);
        rn_model_destroy(model);
    }
}

/* --------------------------------------------------------------- refusals */

static const struct {
    const char *what, *operators, *message;
} wrong[] = {
    {"unknown operator", "Frobnicate x y", "'y' (Frobnicate) is not known"},
    {"cycle", "Relu b_ a;Relu a b_;Add x,a y", "has a cycle"},
    {"not in order", "Relu a y;Relu x a", "not in order"},
    {"computed twice", "Relu x y;Relu x y", "is there already"},
    {"nothing read", "Relu nowhere y", "'nowhere'"},
    {"weights of other channels", "Conv x,conv y", "channels"},
    {"weights of other sizes", "Flatten x f;MatMul f,w y", "2x2x2"},
    {"weights that are computed", "Conv x,x y", "expected a constant"},
    {"a picture at the end", "Relu x y", "one number a class"},
    {"a constant at the end", "Identity w y", "not computed from the picture"},
    {"a joined value left out", "Concat x,,x y axis=1", "reads nothing"},
    {"odd reshape", "Reshape x,one_ y", "neither"},
    {"mean over channels", "ReduceMean x y axes=[1]", "something else"},
    {"strange padding", HEAD ";Conv g,w4 y auto_pad='ROUND'", "'ROUND'"},
    {"strides of 3 dimensions", HEAD ";Conv g,w4 y strides=[1,1,1]",
     "expected 2"},
    {"stride 0", HEAD ";Conv g,w4 y strides=[0,1]", "has 0 in its 'strides'"},
    {"a huge window", "MaxPool x y kernel_shape=[60000,60000]", "makes no"},
    {"a huge pad", "Pad x p pads=[0,0,9999999,0,0,0,0,0];Relu p y", "pads by"},
    {"pads that reflect",
     "Pad x p pads=[0,0,1,1,0,0,1,1] mode='reflect'"
     ";Relu p y",
     "'reflect'"},
    {"training",
     HEAD ";BatchNormalization g,ones,ones,ones,ones y "
          "training_mode=1",
     "in training"},
    {"a bias of images", "GlobalAveragePool x g;Flatten g f;Gemm f,w,b2 y",
     "has a bias that is not of 2 numbers, one an output"},
    {"a bias of pictures", HEAD ";Conv g,w4,b3 y",
     "something else than the 2 numbers of its channels"},
    {"a value resized",
     "Constant - s value_ints=[1,2,4,4];Relu x a;"
     "Resize a,,,s y",
     "resizes something else"},
    {"a picture resized for one reader",
     "Constant - s value_ints=[1,2,4,4];Resize x,,,s r;"
     "GlobalAveragePool r a;GlobalMaxPool x b_;Add a,b_ y",
     "resizes the picture that comes in, which 'b_' (GlobalMaxPool) reads"},
    {"the same by another name",
     "Constant - s value_ints=[1,2,4,4];Identity x i;Identity i k;"
     "Resize i,,,s r;GlobalAveragePool r a;GlobalMaxPool k b_;Add a,b_ y",
     "resizes the picture that comes in, which 'b_' (GlobalMaxPool) reads"},
    {"a picture resized by its own sizes",
     "Shape x s;Constant - two value_ints=[1,1,2,2];Mul s,two t;"
     "Resize x,,,t r;GlobalAveragePool r y",
     "resizes the picture that comes in, which 't' (Mul) reads"},
    {"its columns before",
     "Shape x s start=3;Constant - a value_ints=[1,2,4];Concat a,s t axis=0;"
     "Resize x,,,t r;GlobalAveragePool r y",
     "resizes the picture that comes in, which 't' (Concat) reads"},
    {"its rows afterwards",
     "Constant - s value_ints=[1,2,4,4];Resize x,,,s r;Shape x t;"
     "Constant - a value_ints=[-1,2,4];Gather t,zero w_;Unsqueeze w_,axis0 u;"
     "Concat a,u v axis=0;Reshape r,v q;GlobalAveragePool q y",
     "resizes the picture that comes in, which 't' (Shape) reads"},
    {"a picture cropped",
     "Constant - s value_ints=[1,2,4,4];"
     "Resize x,,,s y coordinate_transformation_mode='tf_crop_and_resize'",
     "crops"},
    {"pictures in twice the number",
     "Resize x,,twofold r;GlobalAveragePool r y", "makes 2 pictures of each"},
    {"a picture repeated", "Constant - s value_ints=[1,2,4,2];Expand x,s y",
     "repeats something else"},
    {"quantised and not back", "QuantizeLinear x,ten q;Relu q y",
     "reads quantised numbers"},
    {"quantised and cast", "QuantizeLinear x,ten q;Cast q y to=1",
     "makes numbers of type 1"},
    {"back otherwise", "QuantizeLinear x,ten q;DequantizeLinear q,one_ y",
     "something else than a constant of floats"},
    {"back from nothing", "Relu x q;DequantizeLinear q,ten y",
     "was not quantised"},
    {"channels that are not there",
     "Constant - s value_ints=[0,5];Gather x,s y axis=1", "none of 2"},
    {"parts of other sizes",
     "Constant - s value_ints=[1,2];Split x,s a,y axis=1", "other sizes"},
    {"parts of rows", "Split x a,y axis=2", "dimension 2"},
    {"no channels", "Constant - s value_ints=[7];Slice x,s,ends,start y",
     "several lengths"},
    {"groups of channels",
     "Constant - s value_ints=[-1,2,1,2,2];Reshape x,s r;Relu r y",
     "in groups"},
    {"groups turned otherwise",
     "Constant - s value_ints=[-1,2,1,2,2];Reshape x,s r;"
     "Transpose r y perm=[0,1,2,4,3]",
     "turns groups"},
    {"slopes for pixels", "PRelu x,mean4 y", "slopes"},
    {"an exponent that is computed", "Pow x,x y", "expected a constant"},
    {"copies of the edge",
     "Pad x p pads=[0,0,1,1,0,0,1,1] mode='edge';Relu p y",
     "copies of its edge"},
    {"windows over the padding alone",
     "Pad x p pads=[0,0,2,2,0,0,2,2] mode='edge';"
     "MaxPool p y kernel_shape=[2,2]",
     "nothing but the padding"},
    {"batch statistics as outputs",
     HEAD ";BatchNormalization g,ones,ones,ones,ones y,m,v", "in training"},
    {"each pixel's norm",
     HEAD ";BatchNormalization g,ones,ones,ones,ones y spatial=0",
     "each pixel by itself"},
    {"an unknown attribute", HEAD ";Conv g,w4,b y kernel_shap=[1,1]",
     "has the attribute 'kernel_shap', which is not known"},
    {"indices used", "MaxPool x a,i kernel_shape=[2,2];Add a,i y",
     "second output"},
};

static void what_is_wrong_is_refused(void **state)
{
    const char *path = in_folder("wrong.onnx");

    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct made m;

        begin(&m, 13);
        put_tensors(&m);
        put_value(&m, ONNX_GRAPH_INPUT, "x", "0,2,2,2");
        put_value(&m, ONNX_GRAPH_OUTPUT, "y", "0,2");
        put_operators(&m, wrong[i].operators);
        save(&m, path);
        check_refused(path, wrong[i].what, wrong[i].message);
    }
}

/* What quantised numbers can be wrong in: file, operator and tensor are told.
 */
static const struct {
    const char *what, *operators, *message;
} unquantised[] = {
    {"scale 0", "QuantizeLinear x,s_zero y",
     "'y' (QuantizeLinear) has in 's_zero' a scale of zero (0, number 0)"},
    {"a negative scale", "QuantizeLinear x,s_negative y",
     "in 's_negative' a negative scale (-0.5"},
    {"NaN", "QuantizeLinear x,s_nan y", "'s_nan' a scale that is not finite"},
    {"an infinite scale", "QuantizeLinear x,s_infinite y",
     "'s_infinite' a scale that is not finite"},
    {"a scale that is too small", "QuantizeLinear x,s_tiny y",
     "'s_tiny' a scale too small"},
    {"a scale that is computed", "QuantizeLinear x,x y",
     "as scale 'x' something else than a constant of floats"},
    {"a scale of integers", "QuantizeLinear x,z_bytes y",
     "as scale 'z_bytes' something else than a constant of floats"},
    {"no scale", "QuantizeLinear x y", "has no scale"},
    {"scales of a picture", "QuantizeLinear x,s_two y",
     "in 's_two' a scale for each of 2 channels of a picture"},
    {"a zero point of floats", "QuantizeLinear x,s,s y",
     "as zero point 's' something else than a constant of integers"},
    {"a zero point of 32 bits", "QuantizeLinear x,s,z_wide y",
     "makes numbers of type I32"},
    {"two zero points", "QuantizeLinear x,s,z_two y",
     "has 2 zero points 'z_two', but 1 scales"},
    {"the zero point of another type",
     "QuantizeLinear x,s,z_bytes q;DequantizeLinear q,s,z_signed y",
     "as zero point 'z_signed' one of type I8, but reads numbers of type U8"},
    {"another scale", "QuantizeLinear x,s q;DequantizeLinear q,s_other y",
     "has scale 0.25 and zero 0 in 's_other', but 0.5 and 0 before it"},
    {"another zero point",
     "QuantizeLinear x,s,z_bytes q;DequantizeLinear q,s y",
     "has scale 0.5 and zero 0 in 's', but 0.5 and 3 before it"},
    {"weights' scale 0",
     "DequantizeLinear weight,s_two_zero w_ axis=0;Conv x,w_ y",
     "'w_' (DequantizeLinear) has in 's_two_zero' a scale of zero (0, number "
     "1)"},
    {"weights' zero point of another type",
     "DequantizeLinear weight,s,z_bytes w_;Conv x,w_ y",
     "as zero point 'z_bytes' one of type U8, but reads numbers of type I8"},
    {"fewer scales than channels",
     "DequantizeLinear weight,s_three w_ axis=0;Conv x,w_ y",
     "has 3 scales 's_three' for 2 channels"},
    {"an axis that is not there",
     "DequantizeLinear weight,s_two w_ axis=4;Conv x,w_ y",
     "has the scales 's_two' along dimension 4 of numbers of 4 dimensions"},
    {"one below", "DequantizeLinear weight,s_two w_ axis=-5;Conv x,w_ y",
     "along dimension -5 of numbers of 4"},
    {"blocks",
     "DequantizeLinear weight,s_two w_ axis=0 block_size=2;Conv x,w_ y",
     "has scales of blocks"},
    {"a zero point for biases",
     "DequantizeLinear bias,s,z_wide b_;Conv x,weight,b_ y",
     "has in 'z_wide' the zero point 5 of numbers of 32 bits, expected 0"},
    {"no integers", "DequantizeLinear s,s w_;Conv x,w_ y",
     "reads as quantised numbers 's', which are none"},
    {"integers as weights", "QuantizeLinear floats,s w_;Conv x,w_ y",
     "reads quantised numbers"},
    {"a convolution of floats", "QLinearConv x,s,z_bytes,weight,s,,s y",
     "'y' (QLinearConv) reads what was not quantised"},
    {"a convolution without the scale of its output",
     "QuantizeLinear x,s q;QLinearConv q,s,,weight,s y", "has no scale"},
    {"a convolution whose weights' scale is not a number",
     "QuantizeLinear x,s q;QLinearConv q,s,,weight,s_nan,,s y",
     "'s_nan' a scale that is not finite"},
    {"a convolution whose biases are bytes",
     "QuantizeLinear x,s q;QLinearConv q,s,,weight,s,,s,,z_two y",
     "as bias 'z_two' something else than 32-bit integers"},
    {"a convolution of too much",
     "QuantizeLinear x,s q;QLinearConv q,s,,weight,s,,s,,bias,s y",
     "has 10 inputs"},
    {"a mean of channels that come last",
     "QuantizeLinear x,s q;"
     "QLinearGlobalAveragePool q,s,,s,z_bytes y channels_last=1",
     "has its channels last"},
    {"a product with a factor",
     "QuantizeLinear x,s q;Flatten q f;QGemm f,s,,weight,s,,,s y alpha=2.0",
     "has the factor 2 as 'alpha'"},
    {"a sum of what has another scale",
     "QuantizeLinear x,s q;QLinearAdd q,s_other,,q,s,,s y",
     "has scale 0.25 and zero 0 in 's_other', but 0.5"},
    {"joined by halves", "QuantizeLinear x,s q;QLinearConcat s,,q,s y axis=1",
     "has 4 inputs"},
};

static void quantised_numbers_are_checked(void **state)
{
    static const float two[] = {0.5f, 0.25f, 1}, two_zero[] = {0.5f, 0};
    const char *path = in_folder("unquantised.onnx");

    (void)state;
    for (size_t i = 0; i < COUNT(unquantised); i++) {
        struct made m;

        begin(&m, 13);
        put_floats(&m, "s", "", two, 1);
        put_floats(&m, "s_other", "", two + 1, 1);
        put_floats(&m, "s_two", "2", two, 2);
        put_floats(&m, "s_three", "3", two, 3);
        put_floats(&m, "s_two_zero", "2", two_zero, 2);
        put_floats(&m, "s_zero", "", two_zero + 1, 1);
        put_floats(&m, "s_negative", "", (const float[]){-0.5f}, 1);
        put_floats(&m, "s_nan", "", (const float[]){NAN}, 1);
        put_floats(&m, "s_infinite", "", (const float[]){HUGE_VALF}, 1);
        put_floats(&m, "s_tiny", "", (const float[]){1e-40f}, 1);
        put_floats(&m, "floats", "2,2,1,1", weights, 4);
        put_bytes(&m, "weight", "2,2,1,1", ONNX_INT8, "\x02\xfd\x04\x80", 4);
        put_bytes(&m, "bias", "2", ONNX_INT32, "\1\0\0\0\2\0\0\0", 8);
        put_bytes(&m, "z_bytes", "", ONNX_UINT8, "\3", 1);
        put_bytes(&m, "z_two", "2", ONNX_UINT8, "\3\3", 2);
        put_bytes(&m, "z_signed", "", ONNX_INT8, "\3", 1);
        put_bytes(&m, "z_wide", "", ONNX_INT32, "\5\0\0\0", 4);
        put_value(&m, ONNX_GRAPH_INPUT, "x", "0,2,2,2");
        put_value(&m, ONNX_GRAPH_OUTPUT, "y", "0,2");
        put_operators(&m, unquantised[i].operators);
        save(&m, path);
        check_refused(path, unquantised[i].what, unquantised[i].message);
    }
}

/* A byte of a list of numbers of 32 bits is one. */
static void numbers_out_of_their_types_range_are_refused(void **state)
{
    static const struct {
        uint64_t type, number;
        bool fits;
    } cases[] = {
        {ONNX_UINT8, 255, true},
        {ONNX_UINT8, 256, false},
        {ONNX_UINT8, UINT64_MAX, false},
        {ONNX_INT8, 127, true},
        {ONNX_INT8, 128, false},
        {ONNX_INT8, (uint64_t)-128, true},
        {ONNX_INT8, (uint64_t)-129, false},
        {ONNX_UINT16, 65535, true},
        {ONNX_UINT16, 65536, false},
        {ONNX_INT16, (uint64_t)-32768, true},
        {ONNX_INT16, 32768, false},
    };
    const char *path = in_folder("range.onnx");
    struct rn_error err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_model *model;
        struct made m;

        begin(&m, 13);
        put_tensors(&m);
        size_t at = begin_tensor(&m, "point", "", cases[i].type);
        rn_pb_put_varint(&m.pb, ONNX_TENSOR_INT32S, cases[i].number);
        rn_pb_end(&m.pb, at);
        put_value(&m, ONNX_GRAPH_INPUT, "x", "0,2,2,2");
        put_value(&m, ONNX_GRAPH_OUTPUT, "y", "0,2");
        put_operators(&m, "QuantizeLinear x,ten,point q;"
                          "DequantizeLinear q,ten,point r;"
                          "GlobalAveragePool r g" TAIL);
        save(&m, path);
        if (!cases[i].fits) {
            check_refused(path, "a zero point out of range",
                          "tensor 'point' has numbers that its type does not "
                          "hold");
            continue;
        }
        OK(rn_model_load(&model, path, &err));
        rn_model_destroy(model);
    }
}

static void put_external(struct made *m, const char *location,
                         const char *offset)
{
    const char *const entries[][2] = {{"location", location},
                                      {"offset", offset}};
    size_t at = begin_tensor(m, "weight", "2,2", ONNX_FLOAT);

    for (size_t k = 0; k < 2; k++) {
        size_t e = rn_pb_begin(&m->pb, ONNX_TENSOR_EXTERNAL);

        rn_pb_put_text(&m->pb, ONNX_ENTRY_KEY, entries[k][0]);
        rn_pb_put_text(&m->pb, ONNX_ENTRY_VALUE, entries[k][1]);
        rn_pb_end(&m->pb, e);
    }
    rn_pb_put_varint(&m->pb, ONNX_TENSOR_LOCATION, 1);
    rn_pb_end(&m->pb, at);
}

static void other_files_stay_in_the_folder(void **state)
{
    static const struct {
        const char *location, *offset, *message;
    } cases[] = {
        {"../weights.bin", "0", "no file of the same folder"},
        {"sub/../short.bin", "0", "no file of the same folder"},
        {"sub//short.bin", "0", "no file of the same folder"},
        {"sub/", "0", "no file of the same folder"},
        {"sub/out.bin", "0", "outside of the model's folder"},
        {"sub/missing.bin", "0", "missing.bin"},
        {"/etc/passwd", "0", "no file of the same folder"},
        {"a/../../b", "0", "no file of the same folder"},
        {"..", "0", "no file of the same folder"},
        {"", "0", "no file of the same folder"},
        {"missing.bin", "0", "missing.bin"},
        {"short.bin", "4", "16 bytes, but"},
        {"short.bin", "18446744073709551615", "16 bytes, but"},
        {"short.bin", "-4", "malformed"},
        {".", "0", "no file of the same folder"},
    };
    const char *path = in_folder("external.onnx");
    struct rn_error err = {0};
    (void)state;
    OK(rn_file_write(in_folder("short.bin"), weights, 16, &err));
    assert_int_equal(mkdir(in_folder("sub"), 0700), 0);
    assert_int_equal(symlink("/etc/passwd", in_folder("sub/out.bin")), 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct made m;

        begin(&m, 13);
        put_external(&m, cases[i].location, cases[i].offset);
        put_value(&m, ONNX_GRAPH_INPUT, "x", "0,2,2,2");
        put_value(&m, ONNX_GRAPH_OUTPUT, "y", "0,2");
        put_operators(&m, HEAD ";Flatten g f;Gemm f,weight y");
        save(&m, path);
        check_refused(path, cases[i].location, cases[i].message);
    }
}

static void sizes_that_lie_are_refused(void **state)
{
    static const struct {
        const char *dims, *message;
    } cases[] = {
        {"2,3", "has not the bytes"},
        {"4294967296,4294967296", "overflows"},
        {"18446744073709551615,2", "malformed"},
        {"1,1,1,1,1,1,1,1,4", "malformed"},
        {"1000000,1000000", "has not the bytes"},
    };
    const char *path = in_folder("sizes.onnx");
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct made m;

        begin(&m, 13);
        put_floats(&m, "w", cases[i].dims, weights, 4);
        put_value(&m, ONNX_GRAPH_INPUT, "x", "0,2,2,2");
        put_value(&m, ONNX_GRAPH_OUTPUT, "y", "0,2");
        put_operators(&m, HEAD ";Flatten g f;Gemm f,w y");
        save(&m, path);
        check_refused(path, cases[i].dims, cases[i].message);
    }
}

static void too_much_is_refused(void **state)
{
    static const int64_t huge[] = {1 << 20, 1 << 20},
                         wide[] = {1 << 15, 1 << 15};
    const char *path = in_folder("much.onnx");
    struct made m;

    (void)state;
    begin(&m, 13);
    put_value(&m, ONNX_GRAPH_INPUT, "x", "0,2,2,2");
    put_value(&m, ONNX_GRAPH_OUTPUT, "y", "0,2");
    for (int i = 0; i <= RN_ONNX_NODES; i++)
        put_operator(&m, "Relu x y");
    save(&m, path);
    check_refused(path, "many operators", "more than 30000 operators");
    begin(&m, 13);
    put_integers(&m, "huge", "2", huge, 2);
    put_integers(&m, "wide", "2", wide, 2);
    put_value(&m, ONNX_GRAPH_INPUT, "x", "0,2,2,2");
    put_value(&m, ONNX_GRAPH_OUTPUT, "y", "0,2");
    put_operators(&m, "ConstantOfShape huge k;Add x,k y");
    save(&m, path);
    check_refused(path, "2^40 numbers", "more than are allowed");
    begin(&m, 13);
    put_value(&m, ONNX_GRAPH_INPUT, "x", "0,2,2000000000,2");
    put_value(&m, ONNX_GRAPH_OUTPUT, "y", "0,2");
    put_operators(&m, HEAD);
    save(&m, path);
    check_refused(path, "a huge picture", "no picture");
}

/* No part of a file is taken for a file, and nothing breaks on one. */
static void prefixes_are_refused(void **state)
{
    static const struct rn_shape size = {3, 8, 8};
    const char *path = in_folder("same.onnx");
    struct rn_error err = {0};
    uint8_t *bytes;
    size_t bytes_size;

    (void)state;
    make_same(chain_of_shapes(), path);
    OK(rn_file_read(path, 1 << 20, &bytes, &bytes_size, &err));
    for (size_t n = 0; n <= bytes_size; n++) {
        struct rn_graph *g = NULL;
        struct rn_onnx file;

        err = (struct rn_error){0};
        int rc = rn_onnx_parse(&file, bytes, n, "cut.onnx", &err);
        if (!rc)
            rc = rn_onnx_graph(&g, &file, &size, 1000, &err);
        if (n < bytes_size ? !rc || !err.msg[0] : rc)
            fail_msg("the first %zu of %zu bytes give %d: %s", n, bytes_size,
                     rc, err.msg);
        rn_graph_destroy(g);
        rn_onnx_close(&file);
    }
    rn_free(bytes);
}

static void memory_that_fails_is_told(void **state)
{
    const char *path = in_folder("same.onnx");
    struct rn_model *model = NULL;
    struct rn_error err = {0};
    int rc = RN_ERR_MEMORY;

    (void)state;
    make_same(chain_of_shapes(), path);
    for (long n = 0; rc; n++) {
        rn_alloc_fail_after(n);
        err = (struct rn_error){0};
        rc = rn_model_load(&model, path, &err);
        rn_alloc_fail_after(-1);
        if (rc && (rc != RN_ERR_MEMORY || !err.msg[0]))
            fail_msg("allocation %ld failing gives %d: %s", n, rc, err.msg);
    }
    rn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_come_back),
        cmocka_unit_test(what_is_no_field_is_refused),
        cmocka_unit_test(numbers_are_read_packed_or_not),
        cmocka_unit_test(networks_come_back),
        cmocka_unit_test(folded_batch_norm_becomes_neutral),
        cmocka_unit_test(biases_are_not_lost),
        cmocka_unit_test(other_graphs_come_back),
        cmocka_unit_test(written_values_are_as_their_readers_want_them),
        cmocka_unit_test(names_of_ends_are_free),
        cmocka_unit_test(versions_have_what_is_written),
        cmocka_unit_test(what_onnx_has_no_numbers_of_is_refused),
        cmocka_unit_test(one_network_in_many_words),
        cmocka_unit_test(heads_come_back),
        cmocka_unit_test(ends_not_understood_are_refused),
        cmocka_unit_test(what_computes_the_same),
        cmocka_unit_test(functions_are_their_operators),
        cmocka_unit_test(functions_without_end_are_refused),
        cmocka_unit_test(open_sizes_are_the_callers),
        cmocka_unit_test(pictures_are_not_scaled_twice),
        cmocka_unit_test(weights_of_every_type),
        cmocka_unit_test(exported_networks_compute_the_same),
        cmocka_unit_test(recorded_operators),
        cmocka_unit_test(quantised_files_answer_alike),
        cmocka_unit_test(quantised_files_compute_in_bytes),
        cmocka_unit_test(quantised_files_come_back),
        cmocka_unit_test(scales_are_turned),
        cmocka_unit_test(what_has_no_8_bits_is_rounded),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(quantised_numbers_are_checked),
        cmocka_unit_test(numbers_out_of_their_types_range_are_refused),
        cmocka_unit_test(other_files_stay_in_the_folder),
        cmocka_unit_test(sizes_that_lie_are_refused),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(prefixes_are_refused),
        cmocka_unit_test(memory_that_fails_is_told),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
