/* SPDX-License-Identifier: BSD-2-Clause */
/* Responses of layers against deviations taken one number at a time, of values
 * that another plan keeps; what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/memory.h"
#include "data/data.h"
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DATA "synthetic:3x12x12:4:190"
/* Of the training part, so that the last batch is smaller. */
enum { IMAGES = 20, BATCH = 8, SIDE = 12, CLASSES = 4 };

/* ------------------------------------------------------------- helpers */

/* Parameters that do something, and a preprocessing. */
static struct rn_model *model(const char *net)
{
    struct rn_net_options options = {.struct_size = sizeof(options),
                                     .classes = CLASSES,
                                     .channels = 3,
                                     .height = SIDE,
                                     .width = SIDE};
    struct rn_model *m = NULL;
    struct rn_error err = {0};
    struct rn_graph *g;

    if (rn_model_create(&m, net, &options, &err) != RN_OK)
        fail_msg("%s: %s", net, err.msg);
    rn_model_init(m, 5);
    g = m->graph;
    for (size_t i = 0; i < g->n_params; i++)
        for (size_t k = 0; k < g->params[i].count; k++)
            if (g->params[i].kind != RN_PARAM_WEIGHT)
                g->params[i].data[k] +=
                    (float)((k * 7 + i * 13) % 11) / 22 - 0.1F;
    m->preprocessing.mean = rn_alloc(3, sizeof(float));
    m->preprocessing.std = rn_alloc(3, sizeof(float));
    assert_non_null(m->preprocessing.mean);
    assert_non_null(m->preprocessing.std);
    for (int c = 0; c < 3; c++) {
        m->preprocessing.mean[c] = 0.5F;
        m->preprocessing.std[c] = 0.25F;
    }
    return m;
}

static struct rn_data *open_data(void)
{
    struct rn_data *data = NULL;
    struct rn_error err = {0};

    if (rn_data_open(&data, DATA, NULL, &err) != RN_OK)
        fail_msg("%s", err.msg);
    return data;
}

/* IMAGES of the part, as a loader spreads them. */
static float *images_of(const struct rn_model *m, const struct rn_data *data,
                        enum rn_part part)
{
    const struct rn_images *from = &data->part[part];
    size_t image = rn_shape_size(data->shape);
    float *all = rn_alloc(IMAGES * image, sizeof(*all));

    assert_non_null(all);
    for (int i = 0; i < IMAGES; i++) {
        size_t place = (size_t)rn_spread(i, IMAGES, from->count);

        rn_normalise(&m->preprocessing, data->shape,
                     from->pixels + place * image, all + (size_t)i * image);
    }
    return all;
}

/* A node's values of all images. */
static float *values_of(const struct rn_model *m, const float *images,
                        struct rn_node *node, size_t *channels, size_t *pixels)
{
    char probe[] = "probe", *name = node->name;
    struct rn_plan_options o;
    struct rn_plan *plan;
    struct rn_error err = {0};
    float logits[IMAGES * CLASSES], *values;
    int c, h, w;

    rn_plan_defaults(&o);
    o.batch = IMAGES;
    o.threads = 1;
    o.exact = 1;
    o.keep = node->name = probe; /* conv1 is a stage, too */
    if (rn_plan_create(&plan, m, &o, &err) != RN_OK)
        fail_msg("%s: %s", name, err.msg);
    node->name = name;
    assert_int_equal(rn_plan_forward(plan, images, logits, &err), RN_OK);
    assert_int_equal(rn_plan_kept(plan, &c, &h, &w), RN_OK);
    *channels = (size_t)c;
    *pixels = (size_t)h * (size_t)w;
    values = rn_alloc(IMAGES * *channels * *pixels, sizeof(*values));
    assert_non_null(values);
    assert_int_equal(rn_plan_values(plan, values), RN_OK);
    rn_plan_destroy(plan);
    return values;
}

/* Over the images and pixels of a channel; of all where `channel` is -1. */
static void moments(const float *values, size_t channels, size_t pixels,
                    int channel, double *mean, double *var)
{
    double count = 0;

    *mean = *var = 0;
    for (int pass = 0; pass < 2; pass++) {
        double sum = 0;

        count = 0;
        for (size_t n = 0; n < IMAGES; n++)
            for (size_t c = 0; c < channels; c++)
                for (size_t i = 0; i < pixels; i++) {
                    double x = (double)values[(n * channels + c) * pixels + i];

                    if (channel >= 0 && c != (size_t)channel)
                        continue;
                    sum += pass ? (x - *mean) * (x - *mean) : x;
                    count++;
                }
        *(pass ? var : mean) = sum / count;
    }
}

static void assert_near(const char *what, double got, double expected)
{
    if (!(fabs(got - expected) <= 1e-4 * (1 + fabs(expected))))
        fail_msg("%s: %.9g, expected %.9g", what, got, expected);
}

static struct rn_responses *measure(const struct rn_model *m,
                                    const struct rn_data *data,
                                    struct rn_response_options o)
{
    struct rn_responses *r = NULL;
    struct rn_error err = {0};

    o.struct_size = sizeof(o);
    o.threads = o.threads ? o.threads : 1;
    if (rn_responses_measure(&r, m, data, RN_PART_TRAIN, &o, &err) != RN_OK)
        fail_msg("%s", err.msg);
    return r;
}

/* The batch norm that reads a convolution, or this itself. */
static struct rn_node *value_of(const struct rn_graph *g, const char *conv,
                                bool normed)
{
    size_t v = 0;

    while (strcmp(g->nodes[v].name, conv) != 0)
        v++;
    if (!normed)
        return &g->nodes[v];
    for (size_t i = v + 1; i < g->n_nodes; i++)
        if (g->nodes[i].op == RN_OP_BATCH_NORM &&
            rn_node_reads(&g->nodes[i], (int)v))
            return &g->nodes[i];
    fail_msg("%s has no batch norm", conv);
    return NULL;
}

/* ----------------------------------------------------------- measurements */

static const struct net_case {
    const char *net;
    int all;
    size_t layers;
    const char *value, *batch_norm;
} nets[] = {
    {"resnet8", 0, 7, "batch norm", "running"},
    {"plain8", 0, 7, "batch norm", "running"},
    {"resnet8", 1, 7, "batch norm", "running"},
    {"preresnet20", 0, 19, "convolution", "running"},
    {"densenet-10-4", 0, 7, "convolution", "running"},
};

/* Running statistics, in batches of which the last is smaller. */
static void responses_are_those_of_single_numbers(void **state)
{
    struct rn_data *data = open_data();

    (void)state;
    for (size_t i = 0; i < sizeof(nets) / sizeof(*nets); i++) {
        const struct net_case *c = &nets[i];
        struct rn_model *m = model(c->net);
        float *images = images_of(m, data, RN_PART_TRAIN);
        struct rn_responses *r =
            measure(m, data,
                    (struct rn_response_options){
                        .images = IMAGES, .batch = BATCH, .all = c->all});
        struct rn_response_info info;
        struct rn_response l;

        rn_responses_describe(r, &info);
        if (info.layers != c->layers)
            fail_msg("%s: %zu layers, expected %zu", c->net, info.layers,
                     c->layers);
        assert_int_equal(info.images, IMAGES);
        assert_int_equal(info.batch, BATCH);
        assert_string_equal(info.value, c->value);
        assert_string_equal(info.batch_norm, c->batch_norm);
        for (size_t k = 0; rn_responses_layer(r, k, &l) == RN_OK; k++) {
            bool normed = strcmp(c->value, "batch norm") == 0;
            size_t channels, pixels;
            double mean, var;
            float *values =
                values_of(m, images, value_of(m->graph, l.name, normed),
                          &channels, &pixels);

            moments(values, channels, pixels, -1, &mean, &var);
            assert_near(l.name, l.mean, mean);
            assert_near(l.name, l.deviation, sqrt(var));
            assert_int_equal(l.channels, (int)channels);
            rn_free(values);
        }
        rn_responses_destroy(r);
        rn_free(images);
        rn_model_destroy(m);
    }
    rn_data_close(data);
}

/* Put the statistics of a batch of all images in the place of the running ones,
 * layer by layer: then these normalise as the batch's do. */
static void fix_statistics(struct rn_model *m, const float *images)
{
    struct rn_graph *g = m->graph;

    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct rn_node *n = &g->nodes[i];
        size_t channels, pixels;
        float *values;

        if (n->op != RN_OP_BATCH_NORM)
            continue;
        values =
            values_of(m, images, &g->nodes[n->input[0]], &channels, &pixels);
        for (size_t c = 0; c < channels; c++) {
            double mean, var;

            moments(values, channels, pixels, (int)c, &mean, &var);
            g->params[n->param[RN_P_MEAN]].data[c] = (float)mean;
            g->params[n->param[RN_P_VAR]].data[c] = (float)var;
        }
        rn_free(values);
    }
}

static void batches_normalise_by_their_own_statistics(void **state)
{
    static const char *const names[] = {"resnet8", "preresnet20",
                                        "densenet-10-4"};
    struct rn_data *data = open_data();

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct rn_model *m = model(names[i]);
        float *images = images_of(m, data, RN_PART_TRAIN);
        struct rn_response_options o = {
            .images = IMAGES, .batch = IMAGES, .batch_norm = RN_RESPONSE_BATCH};
        struct rn_responses *batch = measure(m, data, o), *running;
        struct rn_response a, b;

        o.batch_norm = RN_RESPONSE_RUNNING;
        fix_statistics(m, images);
        running = measure(m, data, o);
        for (size_t k = 0; rn_responses_layer(batch, k, &a) == RN_OK; k++) {
            rn_responses_layer(running, k, &b);
            assert_near(a.name, a.mean, b.mean);
            assert_near(a.name, a.deviation, b.deviation);
        }
        rn_responses_destroy(batch);
        rn_responses_destroy(running);
        rn_free(images);
        rn_model_destroy(m);
    }
    rn_data_close(data);
}

/* Threads share the sums out, but add them up in one order. */
static void bits_do_not_depend_on_threads(void **state)
{
    struct rn_data *data = open_data();
    struct rn_model *m = model("resnet8");

    (void)state;
    for (int norm = RN_RESPONSE_RUNNING; norm <= RN_RESPONSE_BATCH; norm++) {
        struct rn_response_options o = {
            .images = IMAGES, .batch = BATCH, .batch_norm = norm, .exact = 1};
        struct rn_responses *one = measure(m, data, o), *three;
        struct rn_response a, b;

        o.threads = 3;
        three = measure(m, data, o);
        for (size_t k = 0; rn_responses_layer(one, k, &a) == RN_OK; k++) {
            rn_responses_layer(three, k, &b);
            assert_memory_equal(&a.deviation, &b.deviation,
                                sizeof(a.deviation));
        }
        rn_responses_destroy(one);
        rn_responses_destroy(three);
    }
    rn_model_destroy(m);
    rn_data_close(data);
}

static void ranks_are_those_of_sizes(void **state)
{
    struct rn_data *data = open_data();
    struct rn_model *m = model("plain8");
    struct rn_responses *r =
        measure(m, data, (struct rn_response_options){.images = IMAGES});
    struct rn_response a, b;
    int seen = 0;

    (void)state;
    for (size_t i = 0; rn_responses_layer(r, i, &a) == RN_OK; i++) {
        seen |= 1 << a.rank;
        for (size_t k = 0; rn_responses_layer(r, k, &b) == RN_OK; k++)
            if (a.rank < b.rank)
                assert_true(a.deviation >= b.deviation);
    }
    assert_int_equal(seen, 0xfe);
    assert_int_equal(rn_responses_layer(r, 7, &a), RN_ERR_ARG);
    rn_responses_destroy(r);
    rn_model_destroy(m);
    rn_data_close(data);
}

/* ---------------------------------------------------------------- refusals */

static void refuse(const struct rn_model *m, const struct rn_data *data,
                   enum rn_part part, int code, const char *text)
{
    struct rn_responses *r;
    struct rn_error err = {0};
    int rc = rn_responses_measure(&r, m, data, part, NULL, &err);

    if (rc != code || !strstr(err.msg, text) || r)
        fail_msg("%d, \"%s\"; expected %d with \"%s\"", rc, err.msg, code,
                 text);
}

static int stop(void *user, int done, int images)
{
    (void)user;
    (void)images;
    return done >= BATCH;
}

static void what_makes_no_sense_is_refused(void **state)
{
    struct rn_data *data = open_data(), *other = NULL;
    struct rn_model *m = model("resnet8");
    struct rn_response_options o = {.struct_size = sizeof(o),
                                    .batch = BATCH,
                                    .threads = 1,
                                    .progress = stop};
    struct rn_responses *r;
    struct rn_error err = {0};
    float *mean = m->preprocessing.mean;

    (void)state;
    refuse(m, data, RN_PART_VALIDATION, RN_ERR_ARG, "no validation images");
    assert_int_equal(rn_data_open(&other, "synthetic:3x8x8:4:20", NULL, &err),
                     RN_OK);
    refuse(m, other, RN_PART_TEST, RN_ERR_DATA, "3 x 12 x 12");
    m->preprocessing.mean = NULL;
    refuse(m, data, RN_PART_TEST, RN_ERR_ARG, "does not say how");
    m->preprocessing.mean = mean;
    m->graph->params[0].data[0] = INFINITY;
    refuse(m, data, RN_PART_TEST, RN_ERR_DATA, "not finite");
    assert_int_equal(rn_responses_measure(&r, m, data, RN_PART_TRAIN, &o, &err),
                     RN_ERR_STOPPED);
    rn_data_close(other);
    rn_data_close(data);
    rn_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(responses_are_those_of_single_numbers),
        cmocka_unit_test(batches_normalise_by_their_own_statistics),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(ranks_are_those_of_sizes),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
