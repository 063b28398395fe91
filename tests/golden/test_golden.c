/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine against what record.py recorded of PyTorch in float64: logits
 * with running statistics, logits and gradients of the first training step,
 * losses of all steps, parameters and running statistics at the end. */
#include "core/memory.h"
#include "graph/graph.h"
#include "nets/blocks.h"
#include "nets/nets.h"
#include "plan/plan.h"
#include "train/accumulate.h"
#include "train/optimiser.h"
#include "train/run.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Largest difference allowed. Logits: relative to the largest of all.
 * Gradients and the end: of a tensor's norm and of its projection on a fixed
 * direction, relative to that norm; single ReLUs that fall on the other side of
 * zero make up most of it. */
#define TOLERANCE_LOGITS 1e-4
#define TOLERANCE_GRAD   1e-4
#define TOLERANCE_END    1e-2
/* Small networks are far from chaos: all of it is this close. */
#define TOLERANCE_SMALL 1e-5
/* Of tensors whose norm is less: a bias in front of a batch norm has a gradient
 * of rounding alone. */
#define LEAST_NORM 1e-2
/* Losses, relative, and each gradient of networks that are chaotic: as many
 * times as far as rounding as coarse as Winograd's took them in PyTorch itself
 * until that step (record.py, "rounding"), for a few trials do not find the
 * worst. */
#define TIMES      3
#define LEAST_LOSS 1e-5

static const struct run {
    const char *net;
    int exact, threads;
} runs[] = {
    {"resnet20", 1, 1},
    {"resnet20", 0, 2},
    {"bottleneck14", 1, 1},
    {"bottleneck14", 0, 2},
    {"resnet50", 1, 2},
    {"resnet50", 0, 1},
    /* Of batches joined to a step; Winograd's rounding is looked at above. */
    {"resnet20-accumulate", 1, 2},
    {"nesterov", 0, 2},
    {"adamw", 0, 2},
    {"rmsprop", 0, 2},
    {"lars", 0, 2},
    {"smoothed-cross-entropy", 0, 2},
    {"binary-cross-entropy", 0, 2},
    {"squared-hinge", 0, 2},
    {"vgg", 0, 2},
    {"vgg", 1, 1},
    {"vgg-bn", 0, 2},
    {"se-resnet8", 0, 2},
    {"se-resnet8", 1, 1},
    {"densenet-10-12", 1, 2},
    {"densenet-bc-16-8", 0, 2},
    {"distilled", 0, 2},
    {"hint", 0, 2},
    {"hint", 1, 1},
    {"nin", 0, 2},
    /* Rounding as coarse as Winograd's takes these in PyTorch itself 0.055 off at
     * the end (dsn), and gradients 0.031 (googlenet): single ReLUs and pools. */
    {"dsn", 1, 2},
    {"highway-19", 0, 2},
    {"googlenet", 1, 2},
    {"googlenet-bn", 0, 2},
    {"inception-v3", 0, 2},
    {"densenet121", 0, 2},
    {"se-resnet50", 0, 2},
    {"maxout", 0, 2},
    {"fitnet-19", 0, 2},
    {"maxout-max-norm", 1, 1},
    /* Near 0 behind a batch norm; one ReLU the other way moves gradients by a
     * hundredth, and Winograd's rounding turns one with some compilers. */
    {"preresnet20", 1, 2},
    {"cifar-preresnet11", 0, 2},
    {"preresnet18", 0, 2},
    {"wrn-10-1", 0, 2},
    {"wrn-10-2", 1, 1},
};

/* ------------------------------------- the formula, as in record.py */

static uint32_t fnv1a(const char *text)
{
    uint32_t h = 0x811c9dc5u;

    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x01000193u;
    return h;
}

static double value(uint32_t hash, uint32_t i)
{
    uint32_t h = hash + i * 0x9e3779b9u;

    h ^= h >> 16;
    h *= 0x85ebca6bu;
    h ^= h >> 13;
    h *= 0xc2b2ae35u;
    h ^= h >> 16;
    return h / 2147483648.0 - 1.0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool begins(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Parameter = shift + scale * value(). */
static void parameter_range(const struct rn_param *p, double *shift,
                            double *scale)
{
    *shift = 0.0;
    *scale = 0.1;
    if (p->dims == 4) {
        bool module = begins(p->name, "inception") || begins(p->name, "Mixed");
        size_t fan = p->dim[module ? 1 : 0];

        *scale = sqrt(6.0 / (double)(fan * p->dim[2] * p->dim[3]));
    } else if (p->dims == 2) {
        *scale = 1.0 / sqrt((double)p->dim[1]);
    } else if (ends_with(p->name, "bn2.weight") ||
               ends_with(p->name, "bn3.weight")) {
        *shift = 0.25;
        *scale = 0.0625;
    } else if (p->kind == RN_PARAM_BN_WEIGHT ||
               p->kind == RN_PARAM_RUNNING_VAR) {
        *shift = 1.0;
        *scale = 0.25;
    }
}

/* `lift` is added to batch norms' biases. */
static void fill_parameters(struct rn_graph *g, const char *prefix, double lift)
{
    for (size_t i = 0; i < g->n_params; i++) {
        struct rn_param *p = &g->params[i];
        char name[128];
        uint32_t hash;
        double shift, scale;

        snprintf(name, sizeof(name), "%s%s", prefix, p->name);
        hash = fnv1a(name);

        parameter_range(p, &shift, &scale);
        if (p->kind == RN_PARAM_BN_BIAS)
            shift += lift;
        for (size_t k = 0; k < p->count; k++)
            p->data[k] = (float)(shift + scale * value(hash, (uint32_t)k));
    }
}

static void fill_batch(int step, float *images, size_t count, int32_t *labels,
                       int n, int classes)
{
    char name[32];
    uint32_t hash;

    snprintf(name, sizeof(name), "images.%d", step);
    hash = fnv1a(name);
    for (size_t i = 0; i < count; i++)
        images[i] = (float)(1.5 * value(hash, (uint32_t)i));
    snprintf(name, sizeof(name), "labels.%d", step);
    hash = fnv1a(name);
    for (int i = 0; labels && i < n; i++)
        labels[i] = (int32_t)((value(hash, (uint32_t)i) + 1) / 2 * classes);
}

/* ------------------------------------------------------- comparing */

enum kind { LOGITS, GRADIENTS, LOSSES, ENDS, KINDS };

/* What a run was off by at the most. */
static double furthest[KINDS];

static int check_close(enum kind kind, const char *what, double got,
                       double want, double scale, double tolerance)
{
    double off = fabs(got - want) / scale;

    furthest[kind] = fmax(furthest[kind], off);
    if (off <= tolerance)
        return 0;
    print_error("%s: got %.9g, PyTorch has %.9g, off by %.2g, allowed %.2g\n",
                what, got, want, off, tolerance);
    return 1;
}

/* Print what was compared, and forget it. */
static void tell_furthest(void)
{
    print_message("off by at most: logits %.1e, gradients %.1e, losses %.1e, "
                  "parameters at the end %.1e\n",
                  furthest[LOGITS], furthest[GRADIENTS], furthest[LOSSES],
                  furthest[ENDS]);
    memset(furthest, 0, sizeof(furthest));
}

static int check_logits(const char *what, const float *got, const json_t *want)
{
    double largest = 0;
    int bad = 0;
    char name[64];

    for (size_t i = 0; i < json_array_size(want); i++)
        largest = fmax(largest, fabs(json_real_value(json_array_get(want, i))));
    assert_true(largest > 0);
    for (size_t i = 0; i < json_array_size(want); i++) {
        snprintf(name, sizeof(name), "%s[%zu]", what, i);
        bad += check_close(LOGITS, name, (double)got[i],
                           json_real_value(json_array_get(want, i)), largest,
                           TOLERANCE_LOGITS);
    }
    return bad;
}

static int check_digest(enum kind kind, const char *name, const float *x,
                        size_t count, const json_t *digests, double tolerance)
{
    const char *what = kind == GRADIENTS ? "gradient" : "end";
    const json_t *want = json_object_get(digests, name);
    double norm = json_real_value(json_array_get(want, 0));
    double scale = fmax(norm, LEAST_NORM), square = 0, dot = 0;
    char text[128];
    uint32_t hash;

    if (!want) {
        print_error("%s of %s: not recorded\n", what, name);
        return 1;
    }
    snprintf(text, sizeof(text), "digest.%s", name);
    hash = fnv1a(text);
    for (size_t i = 0; i < count; i++) {
        square += (double)x[i] * (double)x[i];
        dot += (double)x[i] * value(hash, (uint32_t)i);
    }
    snprintf(text, sizeof(text), "%s of %s, norm", what, name);
    int bad = check_close(kind, text, sqrt(square), norm, scale, tolerance);
    snprintf(text, sizeof(text), "%s of %s, projection", what, name);
    return bad + check_close(kind, text, dot,
                             json_real_value(json_array_get(want, 1)), scale,
                             tolerance);
}

/* ---------------------------------------------------------- a run */

/* Images that inference answers to. */
enum { INFERRED = 4 };

struct golden {
    json_t *record;
    struct rn_graph *graph;
    struct rn_store *store;
    int batch, classes, steps;
    int accumulate; /* batches of a step */
    bool forward;   /* its rate is 0, only the forward pass is compared */
    bool small;     /* far from chaos */
    size_t image;   /* floats */
    float *images, *logits, *plain, *wanted;
    struct rn_graph *teacher; /* or NULL */
    struct rn_plan *answers;  /* of it */
    float *hints;             /* [batch] of its layer, or NULL */
    struct rn_train_options distillation;
    int32_t labels[64];
};

static double number(const struct golden *g, const char *key)
{
    const json_t *v = json_object_get(g->record, key);

    if (!json_is_number(v))
        fail_msg("no number '%s' in the record", key);
    return json_number_value(v);
}

static const char *text(const struct golden *g, const char *key,
                        const char *usual)
{
    const char *found = json_string_value(json_object_get(g->record, key));

    return found ? found : usual;
}

static const json_t *recorded(const struct golden *g, const char *key)
{
    const json_t *v = json_object_get(g->record, key);

    if (!v)
        fail_msg("no '%s' in the record", key);
    return v;
}

/* A list of `count` numbers, or of any positive number of them. */
static const json_t *numbers(const struct golden *g, const char *key,
                             size_t count)
{
    const json_t *v = recorded(g, key);

    if (json_array_size(v) == 0 || (count && json_array_size(v) != count))
        fail_msg("'%s' of the record has %zu numbers", key, json_array_size(v));
    return v;
}

static double allowed(const struct golden *g, double tolerance)
{
    return g->small ? TOLERANCE_SMALL : tolerance;
}

static double allowed_loss(const struct golden *g, const char *key, int step)
{
    const json_t *losses = json_object_get(recorded(g, "rounding"), key);
    double most = 0;

    if (json_array_size(losses) != (size_t)g->steps)
        fail_msg("rounding of %zu losses in a record of %d steps",
                 json_array_size(losses), g->steps);
    for (int i = 0; i <= step; i++)
        most = fmax(most, json_real_value(json_array_get(losses, (size_t)i)));
    return g->small ? TOLERANCE_SMALL : fmax(LEAST_LOSS, TIMES * most);
}

/* In a chaotic network rounding alone takes some gradients further. */
static double allowed_gradient(const struct golden *g, const char *name)
{
    const json_t *rounding = json_object_get(recorded(g, "rounding"), "grads");
    double most = json_number_value(json_object_get(rounding, name));

    return fmax(allowed(g, TOLERANCE_GRAD), TIMES * most);
}

/* As in record.py: two convolutions. */
static void build_small(struct rn_graph *g, const struct rn_net_spec *s)
{
    int x = rn_graph_input(g, s->input);

    x = rn_conv_bn_relu(g, s, x, "", 1, 16, 3, 2, "relu1");
    x = rn_conv_bn_relu(g, s, x, "", 2, 32, 3, 2, "relu2");
    rn_head(g, s, x);
}

/* As in record.py: three convolutions and three linear layers. */
static void build_vgg_of(struct rn_graph *g, const struct rn_net_spec *s,
                         bool norm)
{
    static const int widths[] = {16, 0, 32, 32, 0}; /* 0: a pool */
    static const struct rn_window three = RN_WINDOW(3, 3, 1, 1);
    static const struct rn_window pool = RN_WINDOW(2, 2, 2, 0);
    int x = rn_graph_input(g, s->input), number = 0;
    char name[32];

    for (size_t i = 0; i < sizeof(widths) / sizeof(*widths); i++) {
        snprintf(name, sizeof(name), "features.%d", number++);
        if (!widths[i]) {
            x = rn_graph_max_pool(g, x, name, pool);
            continue;
        }
        x = rn_graph_conv(g, x, name, widths[i], three, true);
        if (norm) {
            snprintf(name, sizeof(name), "features.%d", number++);
            x = rn_graph_batch_norm(g, x, name);
        }
        snprintf(name, sizeof(name), "features.%d", number++);
        x = rn_graph_relu(g, x, name);
    }
    x = rn_graph_linear(g, x, "classifier.0", 64);
    x = rn_graph_dropout(g, rn_graph_relu(g, x, "relu1"), "dropout1", 0.5f);
    x = rn_graph_linear(g, x, "classifier.3", 48);
    x = rn_graph_dropout(g, rn_graph_relu(g, x, "relu2"), "dropout2", 0.5f);
    rn_graph_linear(g, x, "classifier.6", s->classes);
}

static void build_vgg(struct rn_graph *g, const struct rn_net_spec *s)
{
    build_vgg_of(g, s, false);
}

static void build_vgg_bn(struct rn_graph *g, const struct rn_net_spec *s)
{
    build_vgg_of(g, s, true);
}

/* As in record.py: two convolutions and a regressor. */
static void build_hinted(struct rn_graph *g, const struct rn_net_spec *s)
{
    static const struct rn_window nine = RN_WINDOW(9, 9, 1, 0);
    int x = rn_graph_input(g, s->input);

    x = rn_conv_bn_relu(g, s, x, "", 1, 12, 3, 1, "relu1");
    x = rn_conv_bn_relu(g, s, x, "", 2, 12, 3, 1, "relu2");
    x = rn_graph_conv(g, x, "hint_regressor", 16, nine, true);
    rn_graph_relu(g, x, "hint_regressor.relu");
    g->hint = true;
}

/* As in bench/nets.py: ImageNet's stem, two stages of two bottlenecks. */
static void build_bottleneck14(struct rn_graph *g, const struct rn_net_spec *s)
{
    static const struct rn_window pool = RN_WINDOW(3, 3, 2, 1);
    int x = rn_graph_input(g, s->input);

    x = rn_conv_bn_relu(g, s, x, "", 1, 64, 7, 2, "relu");
    x = rn_graph_max_pool(g, x, "maxpool", pool);
    x = rn_block_bottleneck(g, s, x, "layer1.0", 16, 1);
    x = rn_block_bottleneck(g, s, x, "layer1.1", 16, 1);
    x = rn_block_bottleneck(g, s, x, "layer2.0", 32, 2);
    x = rn_block_bottleneck(g, s, x, "layer2.1", 32, 1);
    rn_head(g, s, x);
}

/* Networks of these tests alone; others are built by their names. */
static const struct own {
    const char *net, *like; /* whose specification it has */
    void (*build)(struct rn_graph *g, const struct rn_net_spec *s);
    bool small; /* TOLERANCE_SMALL */
} owns[] = {
    {"small", "resnet50", build_small, true},
    {"bottleneck14", "resnet50", build_bottleneck14, false},
    {"hinted", "resnet50", build_hinted, true},
    {"vgg", "vgg11", build_vgg, true},
    {"vgg-bn", "vgg11_bn", build_vgg_bn, true},
};

static const struct own *find_own(const char *net)
{
    for (size_t i = 0; i < sizeof(owns) / sizeof(*owns); i++)
        if (strcmp(owns[i].net, net) == 0)
            return &owns[i];
    return NULL;
}

/* Dropout's masks are each program's own, so there is none. */
static void keep_all(struct rn_graph *g)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].op == RN_OP_DROPOUT)
            g->nodes[i].a = 0;
}

static struct rn_graph *build_graph(const char *net, const struct own *own,
                                    int classes, int size)
{
    struct rn_net_options options;
    struct rn_net_spec spec;
    struct rn_graph *graph = NULL;
    struct rn_error err = {0};
    uint64_t params;
    size_t heads;

    rn_net_defaults(&options);
    options.classes = classes;
    options.height = size;
    assert_int_equal(
        rn_net_resolve(&spec, own ? own->like : net, &options, &err), RN_OK);
    rn_net_count_aux(&spec, &heads, &params);
    spec.aux = heads > 0; /* where they fit so small images */
    if (!own) {
        assert_int_equal(rn_net_build(&graph, &spec, &err), RN_OK);
        keep_all(graph);
        return graph;
    }
    graph = rn_graph_create();
    assert_non_null(graph);
    own->build(graph, &spec);
    assert_int_equal(graph->error.code, RN_OK);
    return graph;
}

/* Dropout's masks are each program's own. */
static void drop_nothing(struct rn_graph *g)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].op == RN_OP_DROPOUT)
            g->nodes[i].a = 0;
}

static void golden_open(struct golden *g, const char *net)
{
    const char *source = getenv("RN_SOURCE");
    json_error_t json_err;
    const struct own *own;
    char path[1000];
    int size, most;
    size_t largest = 0;

    snprintf(path, sizeof(path), "%s/tests/golden/%s.json",
             source ? source : ".", net);
    memset(g, 0, sizeof(*g));
    g->record = json_load_file(path, 0, &json_err);
    if (!g->record)
        fail_msg("'%s': %s", path, json_err.text);
    g->batch = (int)number(g, "batch");
    g->classes = (int)number(g, "classes");
    g->steps = (int)json_array_size(numbers(g, "losses", 0));
    size = (int)number(g, "size");
    assert_true(g->steps > 0 && g->batch <= 64);
    g->image = 3 * (size_t)size * (size_t)size;
    g->accumulate = (int)number(g, "accumulate");
    g->forward = number(g, "lr") == 0;
    own = find_own(text(g, "net", ""));
    g->small = own && own->small;
    g->graph = build_graph(json_string_value(recorded(g, "net")), own,
                           g->classes, size);
    drop_nothing(g->graph);
    fill_parameters(g->graph, "",
                    json_number_value(json_object_get(g->record, "lift")));
    assert_int_equal(rn_store_create(&g->store, g->graph,
                                     rn_optimiser_states(rn_optimiser_find(
                                         text(g, "optimizer", "sgd"))),
                                     NULL),
                     RN_OK);
    for (size_t i = 0; i < g->graph->n_params; i++)
        if (g->graph->params[i].count > largest)
            largest = g->graph->params[i].count;
    most = g->batch < INFERRED ? INFERRED : g->batch;
    g->images = rn_alloc((size_t)most * g->image, sizeof(float));
    g->logits = rn_alloc((size_t)(most * g->classes), sizeof(float));
    g->plain = rn_alloc(largest, sizeof(float));
    g->wanted = rn_alloc((size_t)(g->batch * g->classes), sizeof(float));
    assert_true(g->images && g->logits && g->plain && g->wanted);
}

static void golden_close(struct golden *g)
{
    rn_plan_destroy(g->answers);
    rn_graph_destroy(g->teacher);
    rn_free(g->plain);
    rn_free(g->wanted);
    rn_free(g->hints);
    rn_free(g->logits);
    rn_free(g->images);
    rn_store_destroy(g->store);
    rn_graph_destroy(g->graph);
    json_decref(g->record);
}

/* Tiles that the whole test shall use: F(2x2), F(4x4), or as chosen. */
static int winograd_asked(void)
{
    const char *tile = getenv("RN_TEST_WINOGRAD");

    return tile ? atoi(tile) : 0;
}

static struct rn_plan *make_plan(struct golden *g, enum rn_mode mode,
                                 const struct run *run, int batch)
{
    struct rn_plan_options options;
    struct rn_plan *plan;
    struct rn_error err = {0};

    rn_plan_defaults(&options);
    options.mode = mode;
    options.batch = batch;
    options.threads = run->threads;
    options.exact = run->exact;
    options.winograd = winograd_asked();
    if (rn_plan_build(&plan, g->store, &options, &err) != RN_OK)
        fail_msg("%s", err.msg);
    return plan;
}

static int compare_inference(struct golden *g, const struct run *run)
{
    if (g->graph->hint)
        return 0; /* it ends in no answer */
    const json_t *want = numbers(g, "infer_logits", 0);
    int batch = (int)json_array_size(want) / g->classes;
    struct rn_plan *plan = make_plan(g, RN_MODE_INFER, run, batch);

    assert_int_equal(batch, INFERRED);
    fill_batch(-1, g->images, (size_t)batch * g->image, NULL, 0, 0);
    assert_int_equal(rn_plan_forward(plan, g->images, g->logits, NULL), RN_OK);
    rn_plan_destroy(plan);
    return check_logits("inference logits", g->logits, want);
}

static int compare_first_step(struct golden *g, const struct rn_plan *plan)
{
    const json_t *grads = g->forward ? NULL : recorded(g, "grads");
    int bad = 0;

    if (!g->graph->hint) {
        rn_plan_logits(plan, g->logits);
        bad = check_logits(
            "training logits", g->logits,
            numbers(g, "train_logits", (size_t)(g->batch * g->classes)));
    }
    for (size_t i = 0; grads && i < g->graph->n_params; i++) {
        const struct rn_param *p = &g->graph->params[i];

        if (!rn_param_trainable(p))
            continue;
        rn_store_get(g->store, RN_STORE_GRAD, i, g->plain);
        bad += check_digest(GRADIENTS, p->name, g->plain, p->count, grads,
                            allowed_gradient(g, p->name));
    }
    return bad;
}

static int compare_end(struct golden *g)
{
    const json_t *end = g->forward ? NULL : recorded(g, "end");
    int bad = 0;

    rn_store_export(g->store, g->graph);
    for (size_t i = 0; end && i < g->graph->n_params; i++) {
        const struct rn_param *p = &g->graph->params[i];

        bad += check_digest(ENDS, p->name, p->data, p->count, end,
                            allowed(g, TOLERANCE_END));
    }
    return bad;
}

/* The network that teaches, where the record names one. */
static void open_teacher(struct golden *g, const struct run *run)
{
    const char *net = text(g, "teacher", NULL);
    const struct rn_plan_options options = {.batch = g->batch,
                                            .threads = run->threads,
                                            .keep = text(g, "layer", NULL)};
    struct rn_store *store;
    int c, h, w;

    if (!net)
        return;
    g->teacher =
        build_graph(net, find_own(net), g->classes, (int)number(g, "size"));
    fill_parameters(g->teacher, "teacher.", 0);
    assert_int_equal(rn_store_create(&store, g->teacher, RN_STORE_FIXED, NULL),
                     RN_OK);
    assert_int_equal(rn_plan_build(&g->answers, store, &options, NULL), RN_OK);
    rn_store_destroy(store);
    if (options.keep) {
        assert_int_equal(rn_plan_kept(g->answers, &c, &h, &w), RN_OK);
        g->hints = rn_alloc((size_t)(g->batch * c * h * w), sizeof(float));
        assert_non_null(g->hints);
        return;
    }
    g->distillation.distill_temperature = number(g, "temperature");
    g->distillation.distill_weight = number(g, "weight");
    g->distillation.distill_weight_end = number(g, "weight_end");
}

/* Its answers to the batch at hand, or its layer. */
static void ask_teacher(struct golden *g, int step, struct rn_targets *targets)
{
    if (!g->teacher)
        return;
    assert_int_equal(rn_plan_forward(g->answers, g->images, g->wanted, NULL),
                     RN_OK);
    if (g->hints) {
        assert_int_equal(rn_plan_values(g->answers, g->hints), RN_OK);
        targets->map = g->hints;
        return;
    }
    targets->soft.logits = g->wanted;
    rn_soften(&g->distillation, step, g->steps, &targets->soft);
}

/* Of each image a third of the classes. */
static const float *fill_wanted(struct golden *g, int step)
{
    char name[32];
    uint32_t hash;

    snprintf(name, sizeof(name), "sets.%d", step);
    hash = fnv1a(name);
    for (int i = 0; i < g->batch * g->classes; i++)
        g->wanted[i] = value(hash, (uint32_t)i) > 1 / 3.0;
    return g->wanted;
}

/* Gradients of a step, and its mean losses. */
static struct rn_step_result run_step(struct golden *g, struct rn_plan *plan,
                                      int step,
                                      struct rn_accumulated *gradients)
{
    struct rn_targets targets = {.labels = NULL};
    struct rn_step_result result, mean = {.loss = 0};
    struct rn_flat flat;

    rn_store_flat(g->store, &flat);
    for (int i = 0; i < g->accumulate; i++) {
        fill_batch((step * g->accumulate + i) % 4, g->images,
                   (size_t)g->batch * g->image, g->labels, g->batch,
                   g->classes);
        targets.labels = g->labels;
        targets.loss = rn_loss_find(text(g, "loss", "cross-entropy"));
        targets.smoothing = (float)targets.loss->smoothing;
        if (targets.loss->sets)
            targets.wanted = fill_wanted(g, (step * g->accumulate + i) % 4);
        ask_teacher(g, step, &targets);
        assert_int_equal(
            rn_plan_learn(plan, g->images, &targets, &result, NULL), RN_OK);
        rn_accumulate_add(gradients, &flat, i);
        mean.loss += result.loss / g->batch / g->accumulate;
        mean.aux += result.aux / g->batch / g->accumulate;
    }
    return mean;
}

static int check_loss(const struct golden *g, const char *key, int step,
                      double loss)
{
    const json_t *losses = json_object_get(g->record, key);
    double want = json_real_value(json_array_get(losses, (size_t)step));
    char name[32];

    snprintf(name, sizeof(name), "%s, step %d", key, step);
    return check_close(LOSSES, name, loss, want, fabs(want),
                       allowed_loss(g, key, step));
}

static int compare_step(struct golden *g, struct rn_plan *plan, int step,
                        const struct rn_update *update,
                        struct rn_accumulated *gradients)
{
    const struct rn_step_result losses = run_step(g, plan, step, gradients);
    struct rn_flat flat;
    int bad = check_loss(g, "losses", step, losses.loss);

    if (g->graph->n_aux)
        bad += check_loss(g, "aux_losses", step, losses.aux);
    if (step == 0)
        bad += compare_first_step(g, plan);
    rn_store_flat(g->store, &flat);
    rn_update_step(update, g->graph, &flat, (float)number(g, "lr"), step + 1);
    return bad;
}

/* As the record says: its optimiser and that one's options. */
static void make_update(const struct golden *g, const struct rn_flat *flat,
                        struct rn_update *update)
{
    const struct rn_optimiser_option *option;
    struct rn_train_options o;

    rn_train_defaults(&o);
    o.optimizer = text(g, "optimizer", "sgd");
    o.weight_decay = number(g, "weight_decay");
    option = rn_optimiser_find(o.optimizer)->options;
    for (; option->name; option++)
        *(double *)((char *)&o + option->place) = number(g, option->name);
    assert_int_equal(rn_update_create(update, &o, flat, NULL), RN_OK);
}

/* What the record says of norms, by segment; rn_free() releases it. */
static float *norms_of(const struct golden *g, const struct rn_flat *flat)
{
    const struct rn_train_options o = {.max_norm = text(g, "max_norm", "none")};
    float *norms = rn_alloc(flat->n_segments, sizeof(*norms));
    struct rn_rates rates;
    struct rn_error err = {0};

    assert_non_null(norms);
    if (rn_rates_parse(&rates, g->graph, &o, &err))
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < flat->n_segments; i++) {
        const struct rn_param *p = &g->graph->params[flat->segments[i].param];

        if (p->kind == RN_PARAM_WEIGHT && p->stage > 0)
            norms[i] = rates.max_norm[p->stage - 1];
    }
    return norms;
}

static int compare_training(struct golden *g, const struct run *run)
{
    struct rn_plan *plan = make_plan(g, RN_MODE_TRAIN, run, g->batch);
    struct rn_update update;
    struct rn_accumulated gradients;
    struct rn_flat flat;
    float *norms;
    int bad = 0;

    rn_store_flat(g->store, &flat);
    make_update(g, &flat, &update);
    update.threads = run->threads;
    update.max_norm = norms = norms_of(g, &flat);
    update.store = g->store;
    assert_int_equal(rn_accumulate_create(&gradients, &flat, g->accumulate,
                                          run->threads, NULL),
                     RN_OK);
    for (int step = 0; step < g->steps; step++)
        bad += compare_step(g, plan, step, &update, &gradients);
    rn_accumulate_free(&gradients);
    rn_update_free(&update);
    rn_free(norms);
    rn_plan_destroy(plan);
    return bad + compare_end(g);
}

static void test_run(void **state)
{
    const struct run *run = *state;
    const char *only = getenv("RN_TEST_GOLDEN");
    struct golden g;
    int bad;

    if (only && strcmp(only, run->net) != 0)
        skip();
    golden_open(&g, run->net);
    open_teacher(&g, run);
    bad = compare_inference(&g, run);
    bad += compare_training(&g, run);
    golden_close(&g);
    tell_furthest();
    assert_int_equal(bad, 0);
}

int main(void)
{
    struct CMUnitTest tests[sizeof(runs) / sizeof(*runs)];
    char names[sizeof(runs) / sizeof(*runs)][64];

    for (size_t i = 0; i < sizeof(runs) / sizeof(*runs); i++) {
        snprintf(names[i], sizeof(names[i]), "%s, %s, threads: %d", runs[i].net,
                 runs[i].exact ? "direct" : "with Winograd", runs[i].threads);
        tests[i] = (struct CMUnitTest){names[i], test_run, NULL, NULL,
                                       (void *)(uintptr_t)&runs[i]};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
