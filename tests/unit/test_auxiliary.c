/* SPDX-License-Identifier: BSD-2-Clause */
/* Auxiliary heads from file to file and through runs: who keeps them, who
 * leaves them out, and what is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "folder.h"
#include "foreign.h"

#include "core/count.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/safetensors.h"

#include <stdio.h>
#include <stdlib.h>

/* The smallest pictures that its heads take. */
#define NET  "googlenet"
#define SIZE 80
enum { CLASSES = 3 };

#define HEAD_FC "aux1.fc2.weight"

static struct rn_model *make_model(const char *net, int aux)
{
    const struct rn_net_options options = {
        .classes = CLASSES, .height = SIZE, .aux_heads = aux};
    struct rn_model *model;
    struct rn_error err = {0};

    OK(rn_model_create(&model, net, &options, &err));
    rn_model_init(model, 3);
    return model;
}

static bool has(const struct rn_model *model, const char *param)
{
    return rn_graph_param(model->graph, param) != NULL;
}

static char said[2000];

static void on_message(void *user, const char *text)
{
    size_t n = strlen(said);

    (void)user;
    snprintf(said + n, sizeof(said) - n, "%s\n", text);
}

static struct rn_model *read_model(const char *path, int keep)
{
    const struct rn_import_options options = {.aux_heads = keep,
                                              .height = SIZE,
                                              .width = SIZE,
                                              .message = on_message};
    struct rn_model *model;
    struct rn_error err = {0};

    said[0] = '\0';
    OK(rn_model_import(&model, path, &options, &err));
    return model;
}

/* The tensors alone, as programs of others leave them. */
static void write_tensors(const struct rn_model *model, const char *path)
{
    const struct rn_graph *g = model->graph;
    struct rn_st_out *list = rn_alloc(g->n_params, sizeof(*list));
    struct rn_error err = {0};

    assert_non_null(list);
    for (size_t i = 0; i < g->n_params; i++)
        list[i] =
            (struct rn_st_out){g->params[i].name, g->params[i].dims,
                               g->params[i].dim, g->params[i].data, RN_F32};
    OK(rn_st_write(path, list, g->n_params, NULL, &err));
    rn_free(list);
}

static void check_file(const struct rn_model *whole, const char *path)
{
    struct rn_model *model = read_model(path, 1);

    assert_int_equal(model->graph->n_aux, 2);
    check_same_params(whole->graph, model->graph, path);
    rn_model_destroy(model);
    model = read_model(path, 0);
    assert_non_null(strstr(said, "auxiliary heads left out (2)"));
    assert_int_equal(model->graph->n_aux, 0);
    assert_false(model->spec.aux || has(model, HEAD_FC));
    assert_true(has(model, "fc.weight"));
    rn_model_destroy(model);
}

static void files_keep_them(void **state)
{
    struct rn_model *whole = make_model(NET, 1), *back;
    struct rn_error err = {0};

    (void)state;
    OK(rn_model_save(whole, in_folder("own.safetensors"), &err));
    check_file(whole, in_folder("own.safetensors"));
    OK(rn_model_export(whole, in_folder("ours.pth"), &err));
    check_file(whole, in_folder("ours.pth"));
    write_tensors(whole, in_folder("theirs.safetensors"));
    check_file(whole, in_folder("theirs.safetensors"));
    assert_int_equal(rn_model_export(whole, in_folder("a.onnx"), &err),
                     RN_ERR_ARG);
    assert_non_null(strstr(err.msg, "which ONNX files are written without"));
    OK(rn_model_drop_aux(whole, &err));
    write_tensors(whole, in_folder("theirs.safetensors"));
    back = read_model(in_folder("theirs.safetensors"), 1);
    assert_non_null(strstr(said, "without auxiliary heads, which training"));
    check_same_params(whole->graph, back->graph, "without heads");
    rn_model_destroy(back);
    rn_model_destroy(whole);
}

/* Read at another size: NULL, and why not. */
static struct rn_model *read_at(const char *path, int size,
                                struct rn_error *err)
{
    const struct rn_import_options options = {
        .aux_heads = 1, .height = size, .width = size, .message = on_message};
    struct rn_model *model;

    said[0] = '\0';
    return rn_model_import(&model, path, &options, err) ? NULL : model;
}

/* Where they do not fit the images: taken without, and said. GoogLeNet's have
 * weights for each pixel, and a window larger than what small images leave. */
static void heads_of_another_size_are_left(void **state)
{
    static const struct {
        const char *net;
        int size, tensors;
    } cases[] = {{"googlenet", 64, 12},
                 {"googlenet", 96, 12},
                 {"inception-v3", 224, 12}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct rn_net_options options = {.classes = CLASSES,
                                               .aux_heads = 1};
        const char *path = in_folder("usual.safetensors");
        struct rn_model *whole, *model;
        struct rn_error err = {0};
        char expected[200];

        OK(rn_model_create(&whole, cases[i].net, &options, &err));
        rn_model_init(whole, 3);
        write_tensors(whole, path);
        model = read_at(path, cases[i].size, &err);
        if (!model)
            fail_msg("%s at %d: %s", cases[i].net, cases[i].size, err.msg);
        snprintf(expected, sizeof(expected),
                 "auxiliary heads left out (%d tensors): they do not fit "
                 "images of %d x %d\n",
                 cases[i].tensors, cases[i].size, cases[i].size);
        if (!strstr(said, expected))
            fail_msg("%s at %d: \"%s\" is not said, but \"%s\"", cases[i].net,
                     cases[i].size, expected, said);
        OK(rn_model_drop_aux(whole, &err));
        check_same_params(whole->graph, model->graph, cases[i].net);
        rn_model_destroy(model);
        rn_model_destroy(whole);
    }
}

/* What are no heads of any size is refused by name. */
static void heads_of_no_size_are_refused(void **state)
{
    const struct rn_net_options options = {.classes = CLASSES, .aux_heads = 1};
    const char *path = in_folder("other.safetensors");
    struct rn_model *whole;
    struct rn_error err = {0};

    (void)state;
    OK(rn_model_create(&whole, NET, &options, &err));
    rn_graph_param(whole->graph, HEAD_FC)->dim[0]--;
    write_tensors(whole, path);
    assert_null(read_at(path, 64, &err));
    assert_non_null(strstr(err.msg, "unexpected"));
    assert_non_null(strstr(err.msg, "aux1."));
    assert_null(read_at(path, 224, &err));
    if (!strstr(err.msg, HEAD_FC " is F32 [2,1024], expected F32 [3,1024]"))
        fail_msg("%s", err.msg);
    rn_model_destroy(whole);
}

static void descriptions_count_them(void **state)
{
    static const struct {
        const char *net;
        uint64_t params, with;
        size_t heads;
    } nets[] = {
        {"googlenet", 6998552, 13378280, 2},
        {"googlenet-bn", 6624904, 13004888, 2},
        {"inception-v3", 23834568, 27161264, 1},
        {"resnet20", 269722, 269722, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(nets); i++)
        for (int aux = 0; aux <= (nets[i].heads > 0); aux++) {
            const struct rn_net_options options = {.aux_heads = aux};
            struct rn_model_info info;
            struct rn_model *model;
            struct rn_error err = {0};

            OK(rn_model_create(&model, nets[i].net, &options, &err));
            rn_model_describe(model, &info);
            assert_int_equal(info.params, nets[i].params);
            assert_int_equal(info.params + info.aux_params, nets[i].with);
            assert_int_equal(info.aux_heads, nets[i].heads);
            assert_int_equal(info.with_aux, aux);
            rn_model_destroy(model);
        }
}

/* -------------------------------------------------------------------- runs */

static void set_options(struct rn_train_options *o, const char *out)
{
    rn_train_defaults(o);
    o->data = "synthetic:3x80x80:3:24";
    o->net = NET;
    o->batch = 4;
    o->accumulate = 2;
    o->iterations = 4;
    o->report_every = 3;
    o->lr = 0.01;
    o->threads = 2;
    o->out = out;
}

static int stop_at_two(void *user)
{
    return ++*(int *)user >= 2;
}

static void read_file(const char *run, const char *name, uint8_t **bytes,
                      size_t *size)
{
    char path[300];
    struct rn_error err = {0};

    snprintf(path, sizeof(path), "%s/%s", run, name);
    OK(rn_file_read(path, (size_t)1 << 27, bytes, size, &err));
}

static void check_same_file(const char *a, const char *b, const char *name)
{
    uint8_t *x, *y;
    size_t size, same;

    read_file(a, name, &x, &size);
    read_file(b, name, &y, &same);
    assert_int_equal(size, same);
    assert_memory_equal(x, y, size);
    rn_free(x);
    rn_free(y);
}

/* A run with heads, one that is stopped and goes on with another number of
 * threads and everything made again in backward: the same bits. */
static void resumed_runs_are_the_same(void **state)
{
    const struct rn_resume_options resume = {.threads = 1};
    struct rn_train_result result;
    struct rn_train_options o;
    struct rn_error err = {0};
    int asked = 0;
    const struct rn_train_events events = {.user = &asked, .stop = stop_at_two};

    (void)state;
    set_options(&o, in_folder("whole"));
    OK(rn_train(&o, NULL, &result, &err));
    o.out = in_folder("parts");
    o.recompute = RN_RECOMPUTE_BLOCKS;
    assert_int_equal(rn_train(&o, &events, &result, &err), RN_ERR_STOPPED);
    OK(rn_train_resume(o.out, &resume, NULL, &result, &err));
    check_same_file(in_folder("whole"), in_folder("parts"), "last.safetensors");
}

static void logs_have_their_loss(void **state)
{
    uint8_t *log;
    size_t size;

    (void)state;
    read_file(in_folder("whole"), "log.jsonl", &log, &size);
    assert_non_null(strstr((char *)log, "\"aux_loss\""));
    rn_free(log);
}

/* Weights without heads get new ones, be they of a file of others, weights with
 * heads keep theirs, and a run without them has none. */
static void weights_with_and_without(void **state)
{
    const struct rn_train_events events = {.message = on_message};
    struct rn_model *model = make_model(NET, 0);
    struct rn_train_result result;
    struct rn_train_options o;
    struct rn_error err = {0};

    (void)state;
    OK(rn_model_save(model, in_folder("bare.safetensors"), &err));
    OK(rn_model_export(model, in_folder("bare.pth"), &err));
    rn_model_destroy(model);
    set_options(&o, in_folder("from-bare"));
    o.net = NULL;
    o.iterations = 1;
    for (int other = 0; other < 2; other++) {
        o.weights = in_folder(other ? "bare.pth" : "bare.safetensors");
        o.out = in_folder(other ? "from-pth" : "from-bare");
        said[0] = '\0';
        OK(rn_train(&o, &events, &result, &err));
        assert_non_null(
            strstr(said, "new auxiliary heads: the weights have none"));
        assert_non_null(strstr(said, "of auxiliary heads (2)"));
    }
    model = read_model(in_folder("from-bare"), 1);
    assert_int_equal(model->graph->n_aux, 2);
    rn_model_destroy(model);

    o.weights = in_folder("from-bare");
    o.out = in_folder("off");
    o.aux_heads = RN_AUX_HEADS_OFF;
    said[0] = '\0';
    OK(rn_train(&o, &events, &result, &err));
    assert_null(strstr(said, "auxiliary"));
    model = read_model(in_folder("off"), 1);
    assert_false(has(model, HEAD_FC));
    rn_model_destroy(model);
}

static void asked_of_a_net_without(void **state)
{
    struct rn_train_result result;
    struct rn_train_options o;
    struct rn_error err = {0};

    (void)state;
    set_options(&o, in_folder("none"));
    o.net = "resnet20";
    o.aux_heads = RN_AUX_HEADS_ON;
    assert_int_equal(rn_train(&o, NULL, &result, &err), RN_ERR_ARG);
    assert_string_equal(err.msg, "'resnet20' has no auxiliary heads, but "
                                 "`aux_heads` asks for them");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_keep_them),
        cmocka_unit_test(heads_of_another_size_are_left),
        cmocka_unit_test(heads_of_no_size_are_refused),
        cmocka_unit_test(descriptions_count_them),
        cmocka_unit_test(resumed_runs_are_the_same),
        cmocka_unit_test(logs_have_their_loss),
        cmocka_unit_test(weights_with_and_without),
        cmocka_unit_test(asked_of_a_net_without),
    };

    return cmocka_run_group_tests_name("auxiliary", tests, make_folder,
                                       remove_folder);
}
