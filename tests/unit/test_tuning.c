/* SPDX-License-Identifier: BSD-2-Clause */
/* Fine-tuning: frozen stages, batch norm with fixed statistics, weighted and
 * mixed targets; and runs on folders of pictures with all of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "folder.h"

#include "core/file.h"
#include "core/memory.h"
#include "core/random.h"
#include "core/threads.h"
#include "data/data.h"
#include "data/pictures/image.h"
#include "model/model.h"
#include "nets/family.h"
#include "nets/stages.h"
#include "ops/conv/weights.h"
#include "ops/loss.h"
#include "plan/plan.h"
#include "train/optimiser.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ------------------------------------------------------------- stages */

static const struct parsed {
    const char *text;
    unsigned bits;
} parsed[] = {
    {"conv1", 1},
    {"fc", 32},
    {"conv1-conv4", 15},
    {"conv2-fc", 62},
    {"conv4-conv1", 0},
    {"conv6", 0},
    {"", 0},
    {"conv1-", 0},
    {"-conv1", 0},
    {"conv", 0},
    {"conv1-conv4-fc", 0},
};

static const struct named {
    const char *name;
    int stage;
} named[] = {
    {"conv1.weight", 0},
    {"bn1.running_var", 0},
    {"layer1.0.conv1.weight", 1},
    {"layer4.1.bn2", 4},
    {"layer2.0.downsample.0.weight", 2},
    {"fc.bias", 5},
    {"fc", 5},
    {"bn1", 0},
    {"maxpool", -1},
    {"layer10.x", -1},
    {"conv10.weight", -1},
};

static void stages_have_the_papers_names(void **state)
{
    struct rn_model *model;
    struct rn_error err = {0};

    (void)state;
    if (rn_model_create(&model, "resnet18", NULL, &err))
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < COUNT(parsed); i++) {
        unsigned bits = rn_stages_parse(model->graph, parsed[i].text,
                                        strlen(parsed[i].text));

        if (bits != parsed[i].bits)
            fail_msg("'%s': stages %#x, expected %#x", parsed[i].text, bits,
                     parsed[i].bits);
        if (rn_stages_known(parsed[i].text, strlen(parsed[i].text)) !=
            (parsed[i].bits != 0))
            fail_msg("'%s': known or not, as it should not be", parsed[i].text);
    }
    for (size_t i = 0; i < COUNT(named); i++) {
        const struct rn_family *family = model->spec.family;
        int stage = family->stage_of(&model->spec, named[i].name);

        if (stage != named[i].stage)
            fail_msg("'%s' is of stage %d, expected %d", named[i].name, stage,
                     named[i].stage);
    }
    rn_model_destroy(model);
}

/* --------------------------------------------------------------- loss */

static void targets_mix_and_weigh(void **state)
{
    enum { N = 2, CLASSES = 3, STRIDE = 16 };
    const int32_t labels[N] = {0, 2}, others[N] = {1, 2};
    const float share[N] = {0.75f, 0.5f}, weights[CLASSES] = {2, 0.5f, 3};
    const struct rn_targets targets = {.labels = labels,
                                       .others = others,
                                       .share = share,
                                       .class_weights = weights,
                                       .smoothing = 0.3f};
    /* By hand: 0.7 of the mixture and 0.1 of every class. */
    const double want[N][CLASSES] = {{0.7 * 0.75 + 0.1, 0.7 * 0.25 + 0.1, 0.1},
                                     {0.1, 0.1, 0.8}};
    const double weight[N] = {0.75 * 2 + 0.25 * 0.5, 3};
    float logits[N * STRIDE] = {1, -2, 0.5f, [STRIDE] = 0, 3, 1};
    float diff[N * STRIDE];
    struct rn_loss loss =
        rn_loss_of(N, CLASSES, STRIDE, logits, &targets, diff);
    double sum = 0;

    (void)state;
    for (int k = 0; k < N; k++) {
        double all = 0;

        for (int i = 0; i < CLASSES; i++)
            all += exp((double)logits[k * STRIDE + i]);
        for (int i = 0; i < CLASSES; i++) {
            double p = exp((double)logits[k * STRIDE + i]) / all;
            double g = weight[k] * (p - want[k][i]) / N;

            sum -= weight[k] * want[k][i] * log(p);
            if (fabs((double)diff[k * STRIDE + i] - g) > 1e-6)
                fail_msg("image %d, class %d: gradient %g, expected %g", k, i,
                         (double)diff[k * STRIDE + i], g);
        }
    }
    if (fabs(loss.sum - sum) > 1e-6)
        fail_msg("loss %g, expected %g", loss.sum, sum);
    assert_int_equal(loss.errors, 1);
}

/* -------------------------------------------------------------- plans */

enum { BATCH = 8, SIZE = 12, CLASSES = 4 };

/* One batch through a network whose stages are frozen in some way. */
struct lesson {
    struct rn_model *model;
    struct rn_store *store;
    struct rn_plan *plan;
    float *images;
    int32_t labels[BATCH];
    struct rn_step_result result;
};

/* Statistics and affine terms that are not trivial. */
static void stir(struct rn_graph *g)
{
    struct rn_random_key key = {7, RN_RANDOM_TEST, 0};

    for (size_t i = 0; i < g->n_params; i++) {
        struct rn_param *p = &g->params[i];

        for (size_t k = 0; k < p->count && p->kind != RN_PARAM_WEIGHT; k++) {
            uint32_t bits[4];

            rn_random4(&key, i << 32 | k, bits);
            p->data[k] += (float)(0.3 * rn_random_unit(bits[0]));
        }
    }
}

static void open_plan(struct lesson *l, const char *net, unsigned frozen,
                      bool fixed)
{
    const struct rn_net_options options = {
        .classes = CLASSES, .height = SIZE, .width = SIZE};
    struct rn_plan_options plan = {
        .mode = RN_MODE_TRAIN, .batch = BATCH, .threads = 2};
    size_t floats = (size_t)BATCH * 3 * SIZE * SIZE;
    struct rn_random_key key = {5, RN_RANDOM_TEST, 0};
    struct rn_error err = {0};

    if (rn_model_create(&l->model, net, &options, &err) != RN_OK)
        fail_msg("%s", err.msg);
    rn_model_init(l->model, 3);
    stir(l->model->graph);
    rn_stages_freeze(l->model->graph, frozen, fixed);
    if (rn_store_create(&l->store, l->model->graph, 1, &err) != RN_OK ||
        rn_plan_build(&l->plan, l->store, &plan, &err) != RN_OK)
        fail_msg("%s", err.msg);
    l->images = rn_alloc(floats, sizeof(float));
    assert_non_null(l->images);
    for (size_t i = 0; i < floats; i++) {
        uint32_t bits[4];

        rn_random4(&key, i, bits);
        l->images[i] = (float)(2 * rn_random_unit(bits[0]) - 1);
    }
    for (int i = 0; i < BATCH; i++)
        l->labels[i] = i % CLASSES;
}

static double run(struct lesson *l)
{
    struct rn_error err = {0};

    if (rn_plan_train(l->plan, l->images, l->labels, 0, &l->result, &err))
        fail_msg("%s", err.msg);
    return l->result.loss;
}

static void close_plan(struct lesson *l)
{
    rn_plan_destroy(l->plan);
    rn_store_destroy(l->store);
    rn_model_destroy(l->model);
    rn_free(l->images);
}

static float *get(const struct lesson *l, enum rn_store_kind kind, size_t i)
{
    float *x = rn_alloc(l->model->graph->params[i].count, sizeof(*x));

    assert_non_null(x);
    rn_store_get(l->store, kind, i, x);
    return x;
}

/* What learns has the gradients it has when everything learns, by fewer steps
 * in less memory; what is frozen is not touched, by the optimiser neither. */
static void check_frozen(const char *net, unsigned frozen)
{
    struct lesson all = {0}, some = {0};
    const struct rn_update sgd = {.optimiser = &rn_optimiser_sgd,
                                  .option = {0.9},
                                  .weight_decay = 0.1F,
                                  .decay_all = true,
                                  .threads = 2};
    struct rn_flat flat;

    open_plan(&all, net, 0, true);
    open_plan(&some, net, frozen, true);
    if (run(&all) != run(&some))
        fail_msg("%s, frozen %#x: loss %.17g, expected %.17g", net, frozen,
                 some.result.loss, all.result.loss);
    for (size_t i = 0; i < all.model->graph->n_params; i++) {
        const struct rn_param *p = &some.model->graph->params[i];
        float *x, *y;

        if (!rn_param_updated(p))
            continue;
        x = get(&all, RN_STORE_GRAD, i);
        y = get(&some, RN_STORE_GRAD, i);
        if (memcmp(x, y, p->count * sizeof(*x)) != 0)
            fail_msg("%s, frozen %#x: other gradients of %s", net, frozen,
                     p->name);
        rn_free(x);
        rn_free(y);
    }
    rn_store_flat(some.store, &flat);
    rn_update_step(&sgd, some.model->graph, &flat, 1, 1);
    for (size_t i = 0; i < all.model->graph->n_params; i++) {
        const struct rn_param *p = &some.model->graph->params[i];
        float *y = get(&some, RN_STORE_VALUE, i);
        bool same = memcmp(y, p->data, p->count * sizeof(*y)) == 0;

        if (same == rn_param_updated(p))
            fail_msg("%s, frozen %#x: %s %s", net, frozen, p->name,
                     same ? "stays" : "changes");
        rn_free(y);
    }
    /* From the input on: what backward does not read is not kept. */
    if ((frozen & (frozen + 1)) == 0 &&
        (rn_plan_steps(some.plan) >= rn_plan_steps(all.plan) ||
         rn_plan_bytes(some.plan) > rn_plan_bytes(all.plan)))
        fail_msg("%s, frozen %#x: %zu steps and %llu bytes of %zu and %llu",
                 net, frozen, rn_plan_steps(some.plan),
                 (unsigned long long)rn_plan_bytes(some.plan),
                 rn_plan_steps(all.plan),
                 (unsigned long long)rn_plan_bytes(all.plan));
    close_plan(&all);
    close_plan(&some);
}

static void frozen_stages_are_skipped(void **state)
{
    static const unsigned frozen[] = {1, 7, 15, 2, 4 + 32, 31 & ~1u};

    (void)state;
    for (size_t i = 0; i < COUNT(frozen); i++) {
        check_frozen("resnet8", frozen[i] & ~16u);
        check_frozen("plain8", frozen[i] & ~16u);
    }
    check_frozen("resnet18", 15);
    check_frozen("resnet50", 1 + 4);
}

/* Stage of a step, by its node's name; 0 of none. */
static int stage_of(const struct rn_graph *g, const char *name)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        if (strcmp(g->nodes[i].name, name) == 0)
            return g->nodes[i].stage;
    return 0;
}

/* Nothing below the first stage that learns has a backward step. */
static void backward_ends_where_nothing_learns(void **state)
{
    struct lesson l = {0};

    (void)state;
    open_plan(&l, "resnet18", 15, false);
    for (size_t i = 0; i < rn_plan_steps(l.plan); i++) {
        struct rn_step_info step;

        assert_int_equal(rn_plan_step(l.plan, i, &step), RN_OK);
        if (strncmp(step.pass, "backward", 8) == 0 &&
            stage_of(l.model->graph, step.name) >= 1 &&
            stage_of(l.model->graph, step.name) <= 4)
            fail_msg("%s of %s", step.pass, step.name);
    }
    close_plan(&l);
}

/* With fixed statistics the loss is a function of each parameter alone, and
 * its slope the gradient. */
static void fixed_batch_norm_has_the_slopes_gradient(void **state)
{
    struct lesson l = {0};
    int checked = 0;

    (void)state;
    open_plan(&l, "resnet8", 0, true);
    for (size_t i = 0; i < l.model->graph->n_params; i++) {
        const struct rn_param *p = &l.model->graph->params[i];
        const float h = 2e-3F;
        float *x, *g;
        double up, down, slope, gradient;

        if (!rn_param_updated(p))
            continue;
        run(&l);
        x = get(&l, RN_STORE_VALUE, i);
        g = get(&l, RN_STORE_GRAD, i);
        gradient = (double)g[p->count / 2];
        x[p->count / 2] += h;
        rn_store_set(l.store, RN_STORE_VALUE, i, x);
        up = run(&l) / BATCH;
        x[p->count / 2] -= 2 * h;
        rn_store_set(l.store, RN_STORE_VALUE, i, x);
        down = run(&l) / BATCH;
        x[p->count / 2] += h;
        rn_store_set(l.store, RN_STORE_VALUE, i, x);
        slope = (up - down) / (2 * (double)h);
        if (fabs(slope - gradient) > 2e-3 + 0.02 * fabs(slope))
            fail_msg("%s: slope %g, gradient %g", p->name, slope, gradient);
        checked++;
        rn_free(x);
        rn_free(g);
    }
    assert_true(checked > 20);
    close_plan(&l);
}

static void fixed_statistics_stay(void **state)
{
    struct lesson l = {0};

    (void)state;
    open_plan(&l, "resnet8", 0, true);
    run(&l);
    for (size_t i = 0; i < l.model->graph->n_params; i++) {
        const struct rn_param *p = &l.model->graph->params[i];
        float *x = get(&l, RN_STORE_VALUE, i);

        if (memcmp(x, p->data, p->count * sizeof(*x)) != 0)
            fail_msg("%s moved", p->name);
        rn_free(x);
    }
    close_plan(&l);
}

/* Batches that each count 1 / k in the k-th run: the mean of all. */
static void statistics_are_averages(void **state)
{
    struct lesson l = {0};
    struct rn_error err = {0};
    size_t floats = (size_t)BATCH * 3 * SIZE * SIZE, at = 0;
    double mean[2];
    float *x;

    (void)state;
    open_plan(&l, "resnet8", 0, false);
    while (l.model->graph->params[at].kind != RN_PARAM_RUNNING_MEAN)
        at++;
    for (int k = 0; k < 3; k++) {
        double share = k < 2 ? 1.0 : 0.5;

        for (size_t i = 0; i < floats && k == 1; i++)
            l.images[i] *= -3;
        if (rn_plan_statistics(l.plan, l.images, share, &err) != RN_OK)
            fail_msg("%s", err.msg);
        x = get(&l, RN_STORE_VALUE, at);
        if (k < 2)
            mean[k] = (double)x[0];
        if (k == 1) { /* the first batch again, to count half */
            for (size_t i = 0; i < floats; i++)
                l.images[i] /= -3;
        } else if (k == 2 &&
                   fabs((double)x[0] - (mean[0] + mean[1]) / 2) > 1e-6) {
            fail_msg("mean %g of %g and %g", (double)x[0], mean[0], mean[1]);
        }
        rn_free(x);
    }
    close_plan(&l);
}

/* ------------------------------------------------- folders of pictures */

static void write_picture(const char *path, int label, uint64_t number)
{
    struct rn_random_key key = {number, RN_RANDOM_TEST, (uint32_t)label};
    struct rn_image image = {40 + (int)(number % 9), 34, NULL};
    size_t n = (size_t)image.width * 34 * 3, size;
    struct rn_error err = {0};
    uint8_t *bytes;

    image.pixels = rn_alloc(n, 1);
    assert_non_null(image.pixels);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits[4];

        rn_random4(&key, i, bits);
        image.pixels[i] =
            (uint8_t)(bits[0] % 100 + (i % 3 == (size_t)label ? 150 : 0));
    }
    if (rn_png_encode(&image, &bytes, &size, &err) != RN_OK ||
        rn_file_write(path, bytes, size, &err) != RN_OK)
        fail_msg("%s", err.msg);
    rn_free(bytes);
    rn_image_free(&image);
}

static const char *const class_names[] = {"a-red", "b-green", "c-blue"};

/* `count` pictures of each class, one less of each class than of the one
 * before. */
static void write_part(const char *part, int count)
{
    char path[300];

    mkdir(in_folder("photos"), 0777);
    snprintf(path, sizeof(path), "%s/photos/%s", folder, part);
    mkdir(path, 0777);
    for (int c = 0; c < 3; c++) {
        snprintf(path, sizeof(path), "%s/photos/%s/%s", folder, part,
                 class_names[c]);
        mkdir(path, 0777);
        for (int i = 0; i < count - c; i++) {
            snprintf(path, sizeof(path), "%s/photos/%s/%s/%d.png", folder, part,
                     class_names[c], i);
            write_picture(path, c, (uint64_t)(i + 100 * strlen(part)));
        }
    }
}

static int make_photos(void **state)
{
    if (make_folder(state))
        return -1;
    write_part("train", 14);
    write_part("val", 5);
    return 0;
}

static struct rn_train_options photo_run(const char *name)
{
    struct rn_train_options o;

    rn_train_defaults(&o);
    o.data = in_folder("photos");
    o.out = in_folder(name);
    o.net = "resnet8";
    o.size = 16;
    o.batch = 8;
    o.iterations = 30;
    o.threads = 2;
    return o;
}

struct watch {
    int ticks, stop_at;
    char text[8000]; /* all messages */
};

static void on_tick(void *user, const struct rn_train_report *report)
{
    struct watch *w = user;

    (void)report;
    w->ticks++;
}

static void on_message(void *user, const char *text)
{
    struct watch *w = user;
    size_t n = strlen(w->text);

    snprintf(w->text + n, sizeof(w->text) - n, "%s\n", text);
}

static int on_stop(void *user)
{
    struct watch *w = user;

    return w->stop_at > 0 && w->ticks >= w->stop_at;
}

static int train(const struct rn_train_options *o, struct watch *w,
                 struct rn_train_result *result, struct rn_error *err)
{
    const struct rn_train_events events = {
        .user = w, .tick = on_tick, .message = on_message, .stop = on_stop};

    return rn_train(o, &events, result, err);
}

static void must_train(const struct rn_train_options *o, struct watch *w,
                       struct rn_train_result *result)
{
    struct rn_error err = {0};

    if (train(o, w, result, &err) != RN_OK)
        fail_msg("%s: %s", o->out, err.msg);
}

static void expect(int rc, int expected, const struct rn_error *err,
                   const char *a, const char *b)
{
    if (rc != expected || !strstr(err->msg, a) || !strstr(err->msg, b))
        fail_msg("status %d, \"%s\"; expected %d with \"%s\" and \"%s\"", rc,
                 err->msg, expected, a, b);
}

static void assert_same_file(const char *run_a, const char *run_b,
                             const char *name)
{
    const char *runs[2] = {run_a, run_b};
    uint8_t *bytes[2];
    size_t size[2];
    struct rn_error err = {0};

    for (int i = 0; i < 2; i++) {
        char path[300];

        snprintf(path, sizeof(path), "%s/%s/%s", folder, runs[i], name);
        if (rn_file_read(path, (size_t)1 << 28, &bytes[i], &size[i], &err))
            fail_msg("%s", err.msg);
    }
    if (size[0] != size[1] || memcmp(bytes[0], bytes[1], size[0]) != 0)
        fail_msg("%s of %s and %s differ", name, run_a, run_b);
    rn_free(bytes[0]);
    rn_free(bytes[1]);
}

/* A model that knows its classes by name, its size, and how pictures are
 * prepared; and learns to tell colours. */
static void a_folder_becomes_a_model(void **state)
{
    struct rn_train_options o = photo_run("plain");
    struct watch w = {0};
    struct rn_train_result result;
    struct rn_model *model;
    struct rn_model_info info;
    struct rn_error err = {0};

    (void)state;
    o.iterations = 60;
    must_train(&o, &w, &result);
    assert_int_equal(result.test_images, 12);
    if (result.test_error > 20)
        fail_msg("%g %% of the pictures wrong", result.test_error);
    assert_int_equal(
        rn_model_load(&model, in_folder("plain/best.safetensors"), &err),
        RN_OK);
    rn_model_describe(model, &info);
    assert_int_equal(info.height, 16);
    assert_int_equal(info.resize, 18);
    assert_true(info.has_preprocessing);
    for (int c = 0; c < 3; c++) {
        assert_string_equal(rn_model_class_name(model, c), class_names[c]);
        assert_string_equal(rn_model_class_id(model, c), class_names[c]);
    }
    rn_model_destroy(model);
}

static struct rn_train_options everything(const char *name)
{
    struct rn_train_options o = photo_run(name);

    o.net = NULL;
    o.size = 0;
    o.weights = in_folder("plain/best.safetensors");
    o.freeze = "conv1-conv2";
    o.batch_norm = "batch";
    o.lr_scale = "conv3=0.3,fc=2";
    o.max_norm = "conv3=0.9,fc=0.5";
    o.ema = 0.9;
    o.class_weights = "balanced";
    o.colour = "jitter";
    o.erase = 0.5;
    o.mixup = 0.4;
    o.cutmix = 1;
    o.patience = 4;
    o.label_smoothing = 0.1;
    o.reestimate = 0;
    o.test_every = 7;
    return o;
}

static void all_of_it_resumes_to_the_bit(void **state)
{
    struct rn_train_options o = everything("whole");
    struct watch w = {0};
    struct rn_train_result result;
    struct rn_error err = {0};

    (void)state;
    must_train(&o, &w, &result);
    for (int stop = 3; stop < 30; stop += 11) {
        struct watch again = {.stop_at = stop};
        char name[32];

        snprintf(name, sizeof(name), "stopped-%d", stop);
        o.out = in_folder(name);
        expect(train(&o, &again, &result, &err), RN_ERR_STOPPED, &err,
               "stopped", name);
        if (rn_train_resume(in_folder(name), NULL, NULL, &result, &err) !=
            RN_OK)
            fail_msg("%s", err.msg);
        assert_same_file("whole", name, "last.safetensors");
        assert_same_file("whole", name, "best.safetensors");
    }
    o = everything("threads");
    o.threads = 1;
    must_train(&o, &w, &result);
    assert_same_file("whole", "threads", "last.safetensors");
}

/* Norms are limited inside of a plan's run, whose arithmetic has no denormals,
 * as outside. */
static void limits_keep_denormals(void **state)
{
    enum { OUTPUTS = 16, INPUTS = 2, WEIGHTS = OUTPUTS * INPUTS };
    const struct rn_window window = RN_WINDOW(1, 1, 1, 0);
    float plain[WEIGHTS], store[WEIGHTS], limited[2][WEIGHTS];

    (void)state;
    assert_int_equal(rn_conv_weights_count(OUTPUTS, INPUTS, window, true),
                     WEIGHTS);
    for (int i = 0; i < WEIGHTS; i++)
        plain[i] = i % INPUTS ? 1.5e-38F : 4;
    for (int k = 0; k < 2; k++) {
        unsigned mode = k ? rn_float_mode_set() : rn_float_mode_plain();

        rn_conv_weights_to_store(plain, store, OUTPUTS, INPUTS, window, true);
        rn_conv_weights_limit(store, OUTPUTS, INPUTS, window, true, 1, 2);
        rn_conv_weights_from_store(store, limited[k], OUTPUTS, INPUTS, window,
                                   true);
        rn_float_mode_restore(mode);
    }
    assert_true(limited[0][0] == 1);
    assert_true(limited[0][1] > 0);
    assert_memory_equal(limited[0], limited[1], sizeof(limited[0]));
}

/* Each option shapes the result: one that is forgotten on the way shows. */
static void every_option_counts(void **state)
{
    static const struct {
        const char *name;
        size_t place;
        double value;
        const char *text;
    } changes[] = {
#define PLACE(f) offsetof(struct rn_train_options, f)
        {"freeze", PLACE(freeze), 0, "conv1"},
        {"batch_norm", PLACE(batch_norm), 0, "running"},
        {"lr_scale", PLACE(lr_scale), 0, "conv3=0.4,fc=2"},
        {"max_norm", PLACE(max_norm), 0, "conv3=0.9,fc=0.6"},
        {"class_weights", PLACE(class_weights), 0, "none"},
        {"colour", PLACE(colour), 0, "pca"},
        {"augment", PLACE(augment), 0, "shorter"},
        {"erase", PLACE(erase), 0.9, NULL},
        {"mixup", PLACE(mixup), 0.9, NULL},
        {"cutmix", PLACE(cutmix), 0, NULL},
        {"crop_area", PLACE(crop_area), 0.9, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(changes); i++) {
        struct rn_train_options o = everything(changes[i].name);
        char *at = (char *)&o + changes[i].place;
        struct watch w = {0};
        struct rn_train_result result;
        uint8_t *bytes[2];
        size_t size[2];

        if (changes[i].text)
            *(const char **)at = changes[i].text;
        else
            *(double *)at = changes[i].value;
        o.out = in_folder(changes[i].name);
        must_train(&o, &w, &result);
        for (int k = 0; k < 2; k++) {
            char path[300];

            snprintf(path, sizeof(path), "%s/%s/best.safetensors", folder,
                     k ? "whole" : changes[i].name);
            assert_int_equal(
                rn_file_read(path, (size_t)1 << 28, &bytes[k], &size[k], NULL),
                RN_OK);
        }
        if (size[0] == size[1] && memcmp(bytes[0], bytes[1], size[0]) == 0)
            fail_msg("%s changes nothing", changes[i].name);
        rn_free(bytes[0]);
        rn_free(bytes[1]);
    }
}

/* What would change nothing is refused, or said. */
static void options_without_effect_are_told(void **state)
{
    static const struct {
        size_t place;
        const char *value, *says;
    } refused[] = {
        {PLACE(normalize), "pixel",
         "`normalize` pixel: the model of `weights`"},
        {PLACE(lr_scale), "conv2=0.3,fc=2", "`lr_scale` 'conv2=0.3,fc=2' is"},
        {PLACE(augment), "shorter", "`crop_area` goes with `augment` area"},
    };
    struct rn_train_options o;
    struct watch w = {0};
    struct rn_train_result result;
    struct rn_error err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        o = everything("without");
        o.crop_area = 0.5;
        *(const char **)((char *)&o + refused[i].place) = refused[i].value;
        expect(train(&o, &w, &result, &err), RN_ERR_ARG, &err, refused[i].says,
               "");
    }
    /* A stage that is given a rate is not frozen by a choice of ours. */
    o = everything("unfrozen");
    o.freeze = NULL;
    o.iterations = 2;
    must_train(&o, &w, &result);
    if (!strstr(w.text, "freeze none, lr-scale conv3=0.3,fc=2"))
        fail_msg("not said: %s", w.text);
    /* A choice is of stages that the network has: no conv5. */
    o = everything("chosen");
    o.freeze = o.lr_scale = o.max_norm = NULL;
    o.iterations = 2;
    must_train(&o, &w, &result);
    if (!strstr(w.text, "freeze conv1-conv4, lr-scale none"))
        fail_msg("not said: %s", w.text);
    o = photo_run("impatient");
    o.data = in_folder("photos/train");
    o.iterations = 2;
    o.patience = 3;
    must_train(&o, &w, &result);
    if (!strstr(w.text, "patience 3 ends nothing"))
        fail_msg("not said: %s", w.text);
}

/* Other classes: a new last layer, the rest from the weights. */
static void other_classes_get_a_new_head(void **state)
{
    struct rn_train_options o = photo_run("head-from");
    struct watch w = {0};
    struct rn_train_result result;
    struct rn_model *a, *b;
    struct rn_error err = {0};
    struct rn_tensor x, y;

    (void)state;
    o.data = "synthetic:3x16x16:5:64";
    o.size = 0;
    must_train(&o, &w, &result);
    o = photo_run("head");
    o.net = NULL;
    o.size = 0;
    o.weights = in_folder("head-from/last.safetensors");
    o.freeze = "conv1-conv5";
    must_train(&o, &w, &result);
    if (!strstr(w.text, "new head: fc for 3 classes in place of 5"))
        fail_msg("not said: %s", w.text);
    assert_int_equal(rn_model_load(&a, o.weights, &err), RN_OK);
    assert_int_equal(
        rn_model_load(&b, in_folder("head/last.safetensors"), &err), RN_OK);
    for (size_t i = 0; rn_model_tensor(a, i, &x) == RN_OK; i++) {
        bool head = strncmp(x.name, "fc.", 3) == 0;

        assert_int_equal(rn_model_tensor(b, i, &y), RN_OK);
        if (!head && memcmp(x.data, y.data, x.count * sizeof(float)) != 0)
            fail_msg("%s is not the weights'", x.name);
        if (head && y.dim[0] != 3)
            fail_msg("%s has %zu rows", y.name, y.dim[0]);
    }
    rn_model_destroy(a);
    rn_model_destroy(b);
}

/* A head whose classes are called by other numbers than those that the labels
 * are is not gone on with. */
static void classes_of_other_numbers_get_a_new_head(void **state)
{
    static const char *const ids[2][3] = {{"0", "1", "2"}, {"0", "2", "1"}};

    (void)state;
    for (int i = 0; i < 2; i++) {
        const struct rn_net_options net = {
            .classes = 3, .height = 16, .width = 16};
        struct rn_train_options o = photo_run(i ? "numbers-2" : "numbers-1");
        struct watch w = {0};
        struct rn_train_result result;
        struct rn_error err = {0};
        struct rn_model *model;

        assert_int_equal(rn_model_create(&model, "resnet8", &net, &err), RN_OK);
        rn_model_init(model, 1);
        assert_int_equal(rn_model_set_class_ids(model, ids[i], &err), RN_OK);
        assert_int_equal(
            rn_model_save(model, in_folder("numbers.safetensors"), &err),
            RN_OK);
        rn_model_destroy(model);
        o.data = "synthetic:3x16x16:3:64";
        o.net = NULL;
        o.size = 0;
        o.iterations = 2;
        o.weights = in_folder("numbers.safetensors");
        must_train(&o, &w, &result);
        if ((strstr(w.text, "new head") != NULL) != (i == 1))
            fail_msg("of classes %s, %s, %s: %s", ids[i][0], ids[i][1],
                     ids[i][2], w.text);
    }
}

/* A linear layer on maps has other weights for other sizes of images: it is
 * named, learns at the full rate, and cannot be frozen. */
static void what_weights_do_not_fill_is_said(void **state)
{
    const struct rn_net_options net = {.classes = 3, .height = 24, .width = 24};
    struct rn_train_options o = photo_run("resized");
    struct watch w = {0};
    struct rn_train_result result;
    struct rn_error err = {0};
    struct rn_model *model;

    (void)state;
    assert_int_equal(rn_model_create(&model, "maxout", &net, &err), RN_OK);
    rn_model_init(model, 1);
    assert_int_equal(rn_model_save(model, in_folder("sized.safetensors"), &err),
                     RN_OK);
    rn_model_destroy(model);
    o.net = NULL;
    o.iterations = 2;
    o.weights = in_folder("sized.safetensors");
    must_train(&o, &w, &result);
    if (!strstr(w.text, "drawn anew, for the weights are of images of 24 x 24: "
                        "fc1.weight") ||
        !strstr(w.text, "freeze conv1-conv3, lr-scale none"))
        fail_msg("not said: %s", w.text);
    o.out = in_folder("resized-frozen");
    o.freeze = "conv1-hidden";
    expect(train(&o, &w, &result, &err), RN_ERR_ARG, &err, "stage 'hidden'",
           "would stay as it was drawn");
}

static void patience_ends_a_run(void **state)
{
    struct rn_train_options o = everything("patient");
    struct watch w = {0};
    struct rn_train_result result, again;
    struct rn_error err = {0};

    (void)state;
    o.patience = 2;
    o.test_every = 1;
    o.lr = 1e-9;
    must_train(&o, &w, &result);
    /* The error stays; that the loss falls makes no new beginning. */
    assert_int_equal(result.iterations, 3);
    assert_non_null(strstr(w.text, "ends early"));
    assert_int_equal(rn_train_resume(o.out, NULL, NULL, &again, &err), RN_OK);
    assert_int_equal(again.iterations, 3);
}

static void statistics_are_made_anew(void **state)
{
    struct rn_train_options o = photo_run("anew"), p = photo_run("not-anew");
    struct watch w = {0}, stop = {.stop_at = 30};
    struct rn_train_result result;
    struct rn_error err = {0};
    struct rn_model *a, *b;
    struct rn_tensor x, y;
    int moved = 0;

    (void)state;
    o.reestimate = 1;
    must_train(&o, &w, &result);
    must_train(&p, &w, &result);
    assert_int_equal(
        rn_model_load(&a, in_folder("anew/last.safetensors"), &err), RN_OK);
    assert_int_equal(
        rn_model_load(&b, in_folder("not-anew/last.safetensors"), &err), RN_OK);
    for (size_t i = 0; rn_model_tensor(a, i, &x) == RN_OK; i++) {
        bool same;

        assert_int_equal(rn_model_tensor(b, i, &y), RN_OK);
        same = memcmp(x.data, y.data, x.count * sizeof(float)) == 0;
        if (x.trainable && !same)
            fail_msg("%s changed", x.name);
        moved += !x.trainable && !same;
    }
    assert_true(moved > 10);
    rn_model_destroy(a);
    rn_model_destroy(b);
    o.out = in_folder("anew-stopped");
    expect(train(&o, &stop, &result, &err), RN_ERR_STOPPED, &err, "stopped",
           "");
    assert_int_equal(rn_train_resume(o.out, NULL, NULL, &result, &err), RN_OK);
    assert_same_file("anew", "anew-stopped", "last.safetensors");
}

/* Nothing but a folder: all is chosen and said. */
static void a_folder_alone_is_enough(void **state)
{
    struct rn_train_options o;
    struct watch w = {.stop_at = 1};
    struct rn_train_result result;
    struct rn_error err = {0};
    static const char *const said[] = {"net resnet20", "size 64",
                                       "batch 16",     "epochs 100",
                                       "lr 0.025",     "training takes about"};

    (void)state;
    rn_train_defaults(&o);
    o.data = in_folder("photos");
    o.out = in_folder("alone");
    assert_int_equal(train(&o, &w, &result, &err), RN_ERR_STOPPED);
    for (size_t i = 0; i < COUNT(said); i++)
        if (!strstr(w.text, said[i]))
            fail_msg("'%s' is not said:\n%s", said[i], w.text);
}

/* A run goes on where its data lie now; others are refused. */
static void data_may_move(void **state)
{
    struct rn_train_options o = photo_run("stays");
    struct watch w = {0}, stop = {.stop_at = 3};
    struct rn_resume_options moved = {.data = in_folder("else/photos")};
    struct rn_train_result result;
    struct rn_error err = {0};

    (void)state;
    o.iterations = 6;
    must_train(&o, &w, &result);
    o.out = in_folder("moves");
    expect(train(&o, &stop, &result, &err), RN_ERR_STOPPED, &err, "stopped",
           "");
    assert_int_equal(mkdir(in_folder("else"), 0777), 0);
    assert_int_equal(rename(in_folder("photos"), in_folder("else/photos")), 0);
    if (rn_train_resume(o.out, &moved, NULL, &result, &err) != RN_OK)
        fail_msg("%s", err.msg);
    assert_same_file("stays", "moves", "best.safetensors");
    assert_int_equal(rename(in_folder("else/photos"), in_folder("photos")), 0);
    moved.data = in_folder("photos/train");
    expect(rn_train_resume(o.out, &moved, NULL, &result, &err), RN_ERR_DATA,
           &err, "photos/train", "checksum");
}

/* How long it takes is told in numbers, with a part to test on or without. */
static void time_is_told_without_tests(void **state)
{
    struct rn_train_options o = photo_run("untested");
    struct watch w = {0};
    struct rn_train_result result;
    const char *told;
    char unit[8];
    double epoch;

    (void)state;
    o.data = in_folder("photos/train");
    o.iterations = 1;
    must_train(&o, &w, &result);
    assert_int_equal(result.test_images, 0);
    told = strstr(w.text, "training takes about");
    assert_non_null(told);
    assert_int_equal(
        sscanf(told, "training takes about %lf %7s an epoch", &epoch, unit), 2);
    assert_true(isfinite(epoch) && epoch > 0);
    assert_null(strstr(told, "nan"));
    assert_null(strstr(told, "tests included"));
}

/* A file that does not even begin as a picture is found before the first step,
 * whatever its part. */
static void no_pictures_are_found_first(void **state)
{
    static const char *const parts[] = {"train", "val"};

    (void)state;
    for (size_t i = 0; i < COUNT(parts); i++) {
        struct rn_train_options o = photo_run("no-picture");
        struct watch w = {0};
        struct rn_train_result result;
        struct rn_error err = {0};
        char path[300];

        snprintf(path, sizeof(path), "%s/photos/%s/a-red/bad.png", folder,
                 parts[i]);
        assert_int_equal(rn_file_write(path, "not a picture", 13, &err), RN_OK);
        o.skip_bad = i == 1; /* never of those that are tested on */
        expect(train(&o, &w, &result, &err), RN_ERR_DATA, &err, "bad.png",
               "not a picture");
        assert_false(rn_is_folder(o.out));
        assert_int_equal(rn_file_write(path, "", 0, &err), RN_OK);
        expect(train(&o, &w, &result, &err), RN_ERR_DATA, &err, "bad.png",
               "is empty");
        assert_int_equal(unlink(path), 0);
    }
}

/* One that is damaged further on stops the run, or is named. */
static void bad_pictures_stop_or_are_named(void **state)
{
    struct rn_train_options o = photo_run("bad");
    const char *bad = in_folder("photos/train/a-red/bad.png");
    struct watch w = {0};
    struct rn_train_result result;
    struct rn_error err = {0};
    uint8_t *bytes;
    size_t size;

    (void)state;
    assert_int_equal(rn_file_read(in_folder("photos/train/a-red/0.png"),
                                  1 << 20, &bytes, &size, &err),
                     RN_OK);
    assert_int_equal(rn_file_write(bad, bytes, size / 2, &err), RN_OK);
    rn_free(bytes);
    expect(train(&o, &w, &result, &err), RN_ERR_DATA, &err, "bad.png", "");
    o.out = in_folder("skipped");
    o.skip_bad = 1;
    must_train(&o, &w, &result);
    if (!strstr(w.text, "skipped: ") || !strstr(w.text, "bad.png") ||
        !strstr(w.text, "could not be read: 1"))
        fail_msg("not said: %s", w.text);
    assert_int_equal(unlink(in_folder("photos/train/a-red/bad.png")), 0);
}

static void classes_must_be_in_all_parts(void **state)
{
    struct rn_train_options o = photo_run("classes");
    struct watch w = {0};
    struct rn_train_result result;
    struct rn_error err = {0};

    (void)state;
    assert_int_equal(
        rename(in_folder("photos/val/b-green"), in_folder("aside")), 0);
    expect(train(&o, &w, &result, &err), RN_ERR_DATA, &err,
           "no validation image", "'b-green'");
    assert_int_equal(
        rename(in_folder("aside"), in_folder("photos/val/b-green")), 0);
}

static const struct refused {
    size_t place;
    const char *text;
    const char *says[2];
} refused[] = {
    {PLACE(freeze), "conv7", {"`freeze` 'conv7'", "conv1-conv4"}},
    {PLACE(freeze), "conv1-fc", {"nothing is left", "conv1-fc"}},
    /* of its stages conv5 has no parameters */
    {PLACE(freeze), "conv1-conv4,fc", {"nothing is left", "conv4,fc"}},
    {PLACE(freeze), "conv1,conv5", {"`freeze` 'conv5'", "nothing there"}},
    {PLACE(lr_scale), "conv5=0.1", {"`lr_scale` 'conv5'", "nothing there"}},
    {PLACE(max_norm), "fc=2,conv5=1", {"`max_norm` 'conv5'", "nothing there"}},
    {PLACE(lr_scale),
     "conv1-conv3=0.5,conv3=2",
     {"`lr_scale` 'conv3=2'", "has a factor already"}},
    {PLACE(lr_scale), "conv1", {"`lr_scale` 'conv1'", "STAGES=X"}},
    {PLACE(lr_scale), "conv1=x", {"`lr_scale` 'conv1=x'", "factor"}},
    {PLACE(lr_scale), "conv1=-1", {"`lr_scale` 'conv1=-1'", "factor"}},
    {PLACE(max_norm), "conv7=1", {"`max_norm` 'conv7=1'", "STAGES=X"}},
    {PLACE(max_norm), "conv1=0", {"`max_norm` 'conv1=0'", "norm"}},
    {PLACE(colour), "red", {"`colour` is 'red'", "jitter"}},
    {PLACE(batch_norm), "none", {"`batch_norm` is 'none'", "running"}},
    {PLACE(class_weights), "all", {"`class_weights` is 'all'", "balanced"}},
};

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct rn_train_options o = photo_run("refused");
        struct watch w = {0};
        struct rn_train_result result;
        struct rn_error err = {0};

        *(const char **)((char *)&o + refused[i].place) = refused[i].text;
        expect(train(&o, &w, &result, &err), RN_ERR_ARG, &err,
               refused[i].says[0], refused[i].says[1]);
    }
}

static void too_little_memory_is_told_with_a_way_out(void **state)
{
    struct rn_train_options o = photo_run("large");
    struct watch w = {0};
    struct rn_train_result result;
    struct rn_error err = {0};

    (void)state;
    write_part("train", 14);
    o.net = "resnet152";
    o.size = 4096;
    o.batch = 39;
    expect(train(&o, &w, &result, &err), RN_ERR_MEMORY, &err, "batch 39 needs",
           "available");
    assert_false(rn_is_folder(o.out));
}

/* A run of a version that had none of these options goes on. */
static void older_runs_go_on(void **state)
{
    static const char *const keys[] = {
        "size",       "resize",        "validation_percent",
        "crop_area",  "colour",        "erase",
        "mixup",      "cutmix",        "skip_bad",
        "freeze",     "lr_scale",      "batch_norm",
        "ema",        "class_weights", "patience",
        "reestimate", "data_rule",     "gate_bias",
    };
    struct rn_train_options o = photo_run("older");
    struct watch w = {.stop_at = 3};
    struct rn_train_result result;
    struct rn_error err = {0};
    json_t *run, *options;

    (void)state;
    o.data = "synthetic:3x8x8:4:64";
    o.size = 0;
    o.data_rule = 1;
    expect(train(&o, &w, &result, &err), RN_ERR_STOPPED, &err, "stopped", "");
    run = json_load_file(in_folder("older/run.json"), 0, NULL);
    options = json_object_get(run, "options");
    for (size_t i = 0; i < COUNT(keys); i++)
        if (json_object_del(options, keys[i]) != 0)
            fail_msg("run.json has no %s", keys[i]);
    assert_int_equal(json_dump_file(run, in_folder("older/run.json"), 0), 0);
    json_decref(run);
    if (rn_train_resume(in_folder("older"), NULL, NULL, &result, &err) != RN_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(result.iterations, 30);
}

static struct rn_model_training training_of(const char *run)
{
    struct rn_model_training training;
    struct rn_error err = {0};
    struct rn_model *model;
    char path[300];

    snprintf(path, sizeof(path), "%s/%s/last.safetensors", folder, run);
    if (rn_model_load(&model, path, &err))
        fail_msg("%s", err.msg);
    rn_model_training(model, &training);
    rn_model_destroy(model);
    return training;
}

/* A run that began before rules were numbered holds out what it did, and its
 * model says so. */
static void runs_go_on_under_their_rule(void **state)
{
    struct rn_train_options o = photo_run("rule-whole");
    struct watch w = {.stop_at = 0}, stop = {.stop_at = 7};
    struct rn_model_training training;
    struct rn_train_result result;
    struct rn_error err = {0};
    json_t *run;

    (void)state;
    o.data = in_folder("photos/train");
    o.validation_percent = 30;
    o.seed = 5;
    o.iterations = 12;
    o.data_rule = 1;
    must_train(&o, &w, &result);
    o.out = in_folder("rule-old");
    expect(train(&o, &stop, &result, &err), RN_ERR_STOPPED, &err, "stopped",
           "");
    run = json_load_file(in_folder("rule-old/run.json"), 0, NULL);
    assert_int_equal(
        json_object_del(json_object_get(run, "options"), "data_rule"), 0);
    assert_int_equal(json_dump_file(run, in_folder("rule-old/run.json"), 0), 0);
    json_decref(run);
    if (rn_train_resume(in_folder("rule-old"), NULL, NULL, &result, &err) !=
        RN_OK)
        fail_msg("%s", err.msg);
    assert_same_file("rule-whole", "rule-old", "last.safetensors");

    training = training_of("rule-old");
    assert_true(training.known);
    assert_int_equal(training.images, 27);
    assert_int_equal(training.held_out.rule, 1);
    assert_int_equal(training.held_out.seed, 5);
    assert_true(training.held_out.validation_percent == 30);
    o.data_rule = 0;
    o.out = in_folder("rule-new");
    must_train(&o, &w, &result);
    assert_int_equal(training_of("rule-new").held_out.rule, RN_RULE_NEWEST);
    assert_true(training_of("rule-new").checksum == training.checksum);
}

/* A run folder among the class folders is none of them, at the start and when
 * the run goes on, be it there before or not; nor are other runs'. */
static void a_run_in_its_data_is_no_class(void **state)
{
    static const char *const outs[] = {"photos/train/run",
                                       "photos/train/runs/one",
                                       "photos/train/b-green/run"};
    struct rn_train_options o = photo_run("unused");
    struct rn_train_result result;
    struct rn_error err = {0};

    (void)state;
    o.data = in_folder("photos/train");
    o.iterations = 6;
    for (size_t i = 0; i < COUNT(outs); i++) {
        struct watch w = {.stop_at = 2};

        o.out = in_folder(outs[i]);
        if (i == 0)
            assert_int_equal(mkdir(o.out, 0777), 0);
        expect(train(&o, &w, &result, &err), RN_ERR_STOPPED, &err, "stopped",
               "");
        assert_non_null(strstr(w.text, "folders: 39 training"));
        write_picture(in_folder("photos/train/run/sheet.png"), 0, 1);
        if (rn_train_resume(in_folder(outs[i]), NULL, NULL, &result, &err) !=
            RN_OK)
            fail_msg("%s", err.msg);
    }
    o.out = in_folder("photos/train/a-red");
    o.data = in_folder("photos");
    expect(train(&o, &(struct watch){0}, &result, &err), RN_ERR_ARG, &err,
           "a-red' is or lies in the data and holds pictures", "of its own");
    o.out = o.data = in_folder("photos");
    expect(train(&o, &(struct watch){0}, &result, &err), RN_ERR_ARG, &err,
           "photos' is or lies in the data", "of its own");
    for (size_t i = 0; i < COUNT(outs); i++)
        nftw(in_folder(outs[i]), remove_one, 16, FTW_DEPTH | FTW_PHYS);
    assert_int_equal(rmdir(in_folder("photos/train/runs")), 0);
}

static void one_class_is_refused(void **state)
{
    struct rn_train_options o = photo_run("one-class");
    struct rn_train_result result;
    struct rn_error err = {0};

    (void)state;
    mkdir(in_folder("only"), 0777);
    mkdir(in_folder("only/dog"), 0777);
    for (int i = 0; i < 9; i++) {
        char path[300];

        snprintf(path, sizeof(path), "%s/only/dog/%d.png", folder, i);
        write_picture(path, 1, (uint64_t)i);
    }
    o.data = in_folder("only");
    expect(train(&o, &(struct watch){0}, &result, &err), RN_ERR_DATA, &err,
           "has one class only, 'dog': there is nothing to learn", "");
}

/* Names of the pictures held out, into [n]; how many. */
static int held_out(const char *names[], int n, struct rn_data **data,
                    uint64_t seed)
{
    const struct rn_data_options options = {.validation_percent = 30,
                                            .seed = seed};
    struct rn_data_info info;
    struct rn_error err = {0};

    if (rn_data_open(data, in_folder("photos/train"), &options, &err) != RN_OK)
        fail_msg("%s", err.msg);
    rn_data_describe(*data, &info);
    assert_true(info.count[RN_PART_VALIDATION] <= n);
    for (int i = 0; i < info.count[RN_PART_VALIDATION]; i++)
        names[i] = rn_data_file(*data, RN_PART_VALIDATION, i);
    return info.count[RN_PART_VALIDATION];
}

static int common(const char *a[], int n, const char *b[], int m)
{
    int count = 0;

    for (int i = 0; i < n; i++)
        for (int j = 0; j < m; j++)
            count += strcmp(a[i], b[j]) == 0;
    return count;
}

/* A picture more moves at most one of each class across; another seed holds
 * out others. */
static void a_split_hardly_changes_with_its_pictures(void **state)
{
    const char *a[40], *b[40], *c[40];
    struct rn_data *first, *more, *other;
    int n = held_out(a, 40, &first, 1), m, k;

    (void)state;
    write_picture(in_folder("photos/train/b-green/another.png"), 1, 77);
    m = held_out(b, 40, &more, 1);
    k = held_out(c, 40, &other, 2);
    assert_true(n == 12 && m == 12 && k == 12);
    if (common(a, n, b, m) < n - 3)
        fail_msg("%d of %d are held out again", common(a, n, b, m), n);
    if (common(b, m, c, k) > m - 3)
        fail_msg("another seed: %d of %d are the same", common(b, m, c, k), m);
    assert_int_equal(unlink(in_folder("photos/train/b-green/another.png")), 0);
    rn_data_close(first);
    rn_data_close(more);
    rn_data_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_have_the_papers_names),
        cmocka_unit_test(targets_mix_and_weigh),
        cmocka_unit_test(frozen_stages_are_skipped),
        cmocka_unit_test(backward_ends_where_nothing_learns),
        cmocka_unit_test(fixed_batch_norm_has_the_slopes_gradient),
        cmocka_unit_test(fixed_statistics_stay),
        cmocka_unit_test(statistics_are_averages),
        cmocka_unit_test(a_folder_becomes_a_model),
        cmocka_unit_test(all_of_it_resumes_to_the_bit),
        cmocka_unit_test(limits_keep_denormals),
        cmocka_unit_test(every_option_counts),
        cmocka_unit_test(options_without_effect_are_told),
        cmocka_unit_test(other_classes_get_a_new_head),
        cmocka_unit_test(classes_of_other_numbers_get_a_new_head),
        cmocka_unit_test(what_weights_do_not_fill_is_said),
        cmocka_unit_test(patience_ends_a_run),
        cmocka_unit_test(statistics_are_made_anew),
        cmocka_unit_test(a_folder_alone_is_enough),
        cmocka_unit_test(time_is_told_without_tests),
        cmocka_unit_test(data_may_move),
        cmocka_unit_test(no_pictures_are_found_first),
        cmocka_unit_test(bad_pictures_stop_or_are_named),
        cmocka_unit_test(classes_must_be_in_all_parts),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(older_runs_go_on),
        cmocka_unit_test(runs_go_on_under_their_rule),
        cmocka_unit_test(a_run_in_its_data_is_no_class),
        cmocka_unit_test(one_class_is_refused),
        cmocka_unit_test(a_split_hardly_changes_with_its_pictures),
        cmocka_unit_test(too_little_memory_is_told_with_a_way_out),
    };

    return cmocka_run_group_tests(tests, make_photos, remove_folder);
}
