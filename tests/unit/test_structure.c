/* SPDX-License-Identifier: BSD-2-Clause */
/* Networks under names nobody here knows: recognised by structure, named by the
 * caller's list, their heads, biases and left-overs taken for what they are. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "folder.h"
#include "foreign.h"

#include "core/file.h"
#include "formats/torch/pth.h"
#include "core/safetensors.h"
#include "formats/torch/structure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
enum { MOST = 400, PARTS = 6 };

/* What was said, all lines. */
static char said[4000];

static void on_message(void *user, const char *text)
{
    (void)user;
    snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s\n", text);
}

static int import(struct rn_model **out, const char *path,
                  const struct rn_import_options *given, struct rn_error *err)
{
    struct rn_import_options o = {0};

    if (given)
        o = *given;
    o.message = on_message;
    said[0] = '\0';
    return rn_model_import(out, path, &o, err);
}

/* How somebody calls the layers of the CIFAR family, and in which order the
 * parts of a block stand: convolutions 0 and 2 with batch norms 1 and 3, and
 * the shortcut's 4 and 5. */
struct style {
    const char *prefix, *stem, *norm, *stage[3], *part[PARTS], *order, *head;
};

#define NAMED(c1, b1, c2, b2, sc, sb) \
    {                                 \
        c1, b1, c2, b2, sc, sb        \
    }

static const struct style styles[] = {
    {"",
     "conv",
     "bn",
     {"layer1", "layer2", "layer3"},
     NAMED("conv1", "bn1", "conv2", "bn2", "shortcut.0", "shortcut.1"),
     "012345",
     "linear"},
    {"module.encoder_q.",
     "conv_1",
     "bn_1",
     {"stage_1", "stage_2", "stage_3"},
     NAMED("conv_1", "bn_1", "conv_2", "bn_2", "shortcut.0", "shortcut.1"),
     "012345",
     "fc"},
    {"timm_model.",
     "conv1",
     "norm1",
     {"layers_2n", "layers_4n", "layers_6n"},
     NAMED("conv1", "norm1", "conv2", "norm2", "skip.0", "skip.1"),
     "012345",
     "out_fc"},
    {"",
     "conv1.0",
     "conv1.1",
     {"conv2_x", "conv3_x", "conv4_x"},
     NAMED("residual_function.0", "residual_function.1", "residual_function.3",
           "residual_function.4", "shortcut.0", "shortcut.1"),
     "012345",
     "fc"},
    /* the shortcut first; all convolutions of a block first */
    {"backbone.body.",
     "stem.0",
     "stem.1",
     {"stages.0", "stages.1", "stages.2"},
     NAMED("conv1", "bn1", "conv2", "bn2", "project.0", "project.1"),
     "450123",
     "head"},
    {"net.",
     "conv0",
     "bn0",
     {"block1", "block2", "block3"},
     NAMED("conv1", "bn1", "conv2", "bn2", "conv3", "bn3"),
     "024135",
     "classifier"},
    {"",
     "pre.0",
     "pre.1",
     {"group0", "group1", "group2"},
     NAMED("conv1", "bn1", "conv2", "bn2", "down.0", "down.1"),
     "024513",
     "fc"},
    /* a convolution and its batch norm as a module */
    {"model.",
     "stem.conv",
     "stem.bn",
     {"res1", "res2", "res3"},
     NAMED("a.conv", "a.bn", "b.conv", "b.bn", "c.conv", "c.bn"),
     "012345",
     "fc.1"},
    {"",
     "input.conv",
     "input.norm",
     {"body.0", "body.1", "body.2"},
     NAMED("left.0.conv", "left.0.norm", "left.1.conv", "left.1.norm",
           "right.conv", "right.norm"),
     "012345",
     "last_linear"},
    /* letters; digits alone */
    {"",
     "first",
     "firstbn",
     {"stage2", "stage3", "stage4"},
     NAMED("conva", "bna", "convb", "bnb", "convs", "bns"),
     "012345",
     "output"},
    {"0.",
     "0",
     "1",
     {"3", "4", "5"},
     NAMED("main.0", "main.1", "main.3", "main.4", "side.0", "side.1"),
     "012345",
     "8"},
    /* lists of convolutions and of batch norms */
    {"student.",
     "first_conv",
     "first_bn",
     {"s1", "s2", "s3"},
     NAMED("convs.0", "bns.0", "convs.1", "bns.1", "sc.conv", "sc.bn"),
     "024135",
     "fc"},
    {"",
     "res_net.conv1_1",
     "res_net.bn1_1",
     {"res_net.conv2", "res_net.conv3", "res_net.conv4"},
     NAMED("conv1", "batchnorm1", "conv2", "batchnorm2", "identity.0",
           "identity.1"),
     "450123",
     "prob"},
    {"encoder.",
     "begin.0",
     "begin.1",
     {"middle.0", "middle.1", "middle.2"},
     NAMED("f.0", "f.1", "f.3", "f.4", "g.0", "g.1"),
     "012345",
     "end"},
    {"resnet.",
     "conv2d",
     "batch_norm",
     {"res_block_1", "res_block_2", "res_block_3"},
     NAMED("conv2d_1", "bn_1", "conv2d_2", "bn_2", "downsample.0",
           "downsample.1"),
     "012345",
     "dense"},
};

/* ------------------------------------------------------------- writing */

struct list {
    struct rn_st_out tensors[MOST];
    char names[MOST][120];
    size_t count;
};

static void add(struct list *l, const char *name, const struct rn_param *p)
{
    assert_true(l->count < MOST);
    snprintf(l->names[l->count], sizeof(l->names[0]), "%s", name);
    l->tensors[l->count] = (struct rn_st_out){l->names[l->count], p->dims,
                                              p->dim, p->data, RN_F32};
    l->count++;
}

/* A layer's tensors under another name. */
static void add_layer(struct list *l, const struct rn_graph *g,
                      const char *ours, const char *theirs)
{
    size_t n = strlen(ours);

    for (size_t i = 0; i < g->n_params; i++) {
        const struct rn_param *p = &g->params[i];
        char name[120];

        if (strncmp(p->name, ours, n) != 0 || p->name[n] != '.')
            continue;
        snprintf(name, sizeof(name), "%s%s", theirs, p->name + n);
        add(l, name, p);
    }
}

static void add_block(struct list *l, const struct rn_graph *g,
                      const struct style *s, int stage, int block)
{
    static const char *const ours[PARTS] = {
        "conv1", "bn1", "conv2", "bn2", "downsample.0", "downsample.1"};

    for (const char *part = s->order; *part; part++) {
        char from[80], to[120];

        snprintf(from, sizeof(from), "layer%d.%d.%s", stage + 1, block,
                 ours[*part - '0']);
        snprintf(to, sizeof(to), "%s%s.%d.%s", s->prefix, s->stage[stage],
                 block, s->part[*part - '0']);
        add_layer(l, g, from, to);
    }
}

static void list_style(struct list *l, const struct rn_graph *g,
                       const struct style *s, int blocks)
{
    char name[120];

    l->count = 0;
    snprintf(name, sizeof(name), "%s%s", s->prefix, s->stem);
    add_layer(l, g, "conv1", name);
    snprintf(name, sizeof(name), "%s%s", s->prefix, s->norm);
    add_layer(l, g, "bn1", name);
    for (int stage = 0; stage < 3; stage++)
        for (int block = 0; block < blocks; block++)
            add_block(l, g, s, stage, block);
    snprintf(name, sizeof(name), "%s%s", s->prefix, s->head);
    add_layer(l, g, "fc", name);
}

static void write_pth(const struct list *l, const char *name)
{
    struct rn_error err = {0};

    OK(rn_pth_write(in_folder(name), l->tensors, l->count, NULL, &err));
}

static int by_name(const void *a, const void *b)
{
    const struct rn_st_out *x = a, *y = b;

    return strcmp(x->name, y->name);
}

/* As those who write safetensors do. */
static void write_sorted(struct list *l, const char *name)
{
    struct rn_error err = {0};

    qsort(l->tensors, l->count, sizeof(l->tensors[0]), by_name);
    OK(rn_st_write(in_folder(name), l->tensors, l->count, NULL, &err));
}

static struct rn_model *make(const char *net, char shortcut)
{
    const struct rn_net_options o = {.shortcut = shortcut};
    struct rn_model *model;
    struct rn_error err = {0};

    OK(rn_model_create(&model, net, &o, &err));
    make_up(model->graph);
    return model;
}

/* --------------------------------------------------------------- styles */

static void check_style(const struct style *s, char shortcut, bool sorted)
{
    static struct list l;
    const char *file = sorted ? "s.safetensors" : "s.pth";
    struct rn_model *model = make("resnet14", shortcut), *back;
    struct rn_error err = {0};

    list_style(&l, model->graph, s, 2);
    if (sorted)
        write_sorted(&l, file);
    else
        write_pth(&l, file);
    int rc = import(&back, in_folder(file), NULL, &err);
    if (rc)
        fail_msg("%s %s, %c%s: %s", s->prefix, s->stem, shortcut,
                 sorted ? ", sorted" : "", err.msg);
    check_same_params(model->graph, back->graph, s->stem);
    assert_int_equal(back->spec.shortcut, shortcut);
    rn_model_destroy(back);
    rn_model_destroy(model);
}

static void unknown_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(styles); i++) {
        check_style(&styles[i], 'B', false);
        if (!strstr(said, "names are not known: taken for a resnet14") ||
            !strstr(said, styles[i].stem) || !strstr(said, styles[i].head) ||
            !strstr(said, "--preprocess says"))
            fail_msg("said %s", said);
        check_style(&styles[i], 'a', false);
        if (!strstr(said, "shortcut A-split taken"))
            fail_msg("said %s", said);
    }
}

/* Sorted names tell less; but where they tell, the same comes out. */
static void sorted_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(styles); i++) {
        check_style(&styles[i], 'B', true);
        if (!strstr(said, "numbers in names"))
            fail_msg("said %s", said);
    }
}

/* All names are torchvision's but the shortcuts'. */
static void shortcuts_of_other_names(void **state)
{
    static const struct style s = {
        "",
        "conv1",
        "bn1",
        {"layer1", "layer2", "layer3"},
        NAMED("conv1", "bn1", "conv2", "bn2", "sc.0", "sc.1"),
        "012345",
        "fc"};

    (void)state;
    check_style(&s, 'B', false);
    assert_non_null(strstr(said, "shortcuts: layer2.0.sc.0.weight"));
    check_style(&s, 'B', true);
}

/* One of each kind of the other family, the letters being sorted. */
static void other_family(void **state)
{
    static const char *const nets[] = {"resnet18", "resnet50",
                                       "resnext50_32x4d", "resnet50d"};

    (void)state;
    for (size_t i = 0; i < COUNT(nets); i++) {
        struct rn_model *model = make(nets[i], 'B');
        struct rn_graph *g = model->graph;
        struct rn_recognised r;
        struct rn_state s;
        struct rn_error err = {0};
        char note[400];

        OK(rn_state_start(&s, "file.pth", &err));
        for (size_t k = 0; k < g->n_params; k++) {
            const struct rn_param *p = &g->params[k];
            struct rn_state_tensor t = {.dims = p->dims, .count = p->count};
            char name[120];

            for (int d = 0; d < p->dims; d++)
                t.dim[d] = p->dim[d];
            snprintf(name, sizeof(name), "x%s", p->name);
            OK(rn_state_add(&s, &t, name, strlen(name), &err));
        }
        OK(rn_state_finish(&s, &err));
        OK(rn_structure(&r, &s, note, sizeof(note), &err));
        assert_string_equal(r.network.net, nets[i]);
        for (size_t k = 0; k < r.count; k++)
            assert_string_equal(r.tensors[k].name,
                                r.tensors[k].tensor->name + 1);
        rn_recognised_free(&r);
        rn_state_close(&s);
        rn_model_destroy(model);
    }
}

/* ------------------------------------------------------------- refusals */

static const struct style plain_style = {
    "",
    "conv",
    "bn",
    {"g1", "g2", "g3"},
    NAMED("c1", "n1", "c2", "n2", "s.0", "s.1"),
    "012345",
    "linear"};

static void assert_refused(const char *file, const struct rn_import_options *o,
                           const char *expected)
{
    struct rn_model *back;
    struct rn_error err = {0};
    int rc = import(&back, in_folder(file), o, &err);

    if ((rc != RN_ERR_DATA && rc != RN_ERR_ARG) || !strstr(err.msg, expected))
        fail_msg("got %d \"%s\", expected \"…%s…\"", rc, err.msg, expected);
    assert_null(back);
}

/* Exchange two layers' names. */
static void exchange(struct list *l, const char *a, const char *b)
{
    size_t n = strlen(a);

    assert_int_equal(n, strlen(b));
    for (size_t i = 0; i < l->count; i++) {
        char *name = l->names[i];

        if (strncmp(name, a, n) == 0)
            memcpy(name, b, n);
        else if (strncmp(name, b, n) == 0)
            memcpy(name, a, n);
    }
}

static void rename_layer(struct list *l, const char *from, const char *to)
{
    char name[120];
    size_t n = strlen(from);

    for (size_t i = 0; i < l->count; i++)
        if (strncmp(l->names[i], from, n) == 0) {
            snprintf(name, sizeof(name), "%s%s", to, l->names[i] + n);
            snprintf(l->names[i], sizeof(name), "%s", name);
        }
}

/* Of words, a block's convolutions and batch norms have to share some: the
 * k-th of one kind need not belong to the k-th of the other. */
static void check_pairs_by_words(const struct rn_model *model)
{
    static struct list l;
    struct style s = {
        "",
        "conv",
        "bn",
        {"g1", "g2", "g3"},
        NAMED("first", "norm_z", "second", "norm_a", "s.0", "s.1"),
        "021345",
        "linear"};

    list_style(&l, model->graph, &s, 2);
    write_sorted(&l, "d.safetensors");
    assert_refused("d.safetensors", NULL, "neither order nor channels tell");
    s.part[0] = "conv_in";
    s.part[1] = "norm_in";
    s.part[2] = "conv_out";
    s.part[3] = "norm_out";
    s.order = "023145";
    list_style(&l, model->graph, &s, 2);
    write_pth(&l, "d.pth");
    assert_refused("d.pth", NULL, "neither order nor channels tell");
    check_style(&s, 'B', true);
    s.order = "021345";
    check_style(&s, 'B', false);
}

static void doubts_are_refused(void **state)
{
    static struct list l;
    struct rn_model *model = make("resnet14", 'B');
    const float twos[64 * 64] = {0};
    const size_t dim[4] = {64, 64, 1, 1};

    (void)state;
    /* The file's order against the numbers'. */
    list_style(&l, model->graph, &plain_style, 2);
    exchange(&l, "g1.0.c1", "g1.0.c2");
    write_pth(&l, "d.pth");
    assert_refused("d.pth", NULL, "by its numbers 'g1.0.c2.weight' follows");
    /* Which batch norm is whose. */
    list_style(&l, model->graph, &plain_style, 2);
    rename_layer(&l, "g1.0.n1", "g1.0.x");
    rename_layer(&l, "g1.0.n2", "g1.0.y");
    write_sorted(&l, "d.safetensors");
    assert_refused("d.safetensors", NULL, "neither order nor channels tell");
    check_pairs_by_words(model);
    /* Names of which either order would do. */
    const struct style letters = {
        "",
        "conv",
        "bn",
        {"g1", "g2", "g3"},
        NAMED("a.conv", "a.bn", "b.conv", "b.bn", "s.0", "s.1"),
        "012345",
        "linear"};
    struct rn_model *option_a = make("resnet8", 'A');
    list_style(&l, option_a->graph, &letters, 1);
    rename_layer(&l, "g2.0.a", "g2.0.p");
    rename_layer(&l, "g2.0.b", "g2.0.q");
    write_sorted(&l, "d.safetensors");
    assert_refused("d.safetensors", NULL, "too many words");
    rn_model_destroy(option_a);
    /* A convolution of no pair; two matrices; a layer of another kind. */
    list_style(&l, model->graph, &plain_style, 2);
    l.tensors[l.count] = (struct rn_st_out){"se.weight", 4, dim, twos, RN_F32};
    l.count++;
    write_pth(&l, "d.pth");
    assert_refused("d.pth", NULL, "make no pairs");
    l.tensors[l.count - 1] =
        (struct rn_st_out){"proj.weight", 2, dim, twos, RN_F32};
    write_pth(&l, "d.pth");
    assert_refused("d.pth", NULL,
                   "'linear.weight' and 'proj.weight' could both");
    l.tensors[l.count - 1] =
        (struct rn_st_out){"g1.gate.weight", 1, dim, twos, RN_F32};
    write_pth(&l, "d.pth");
    assert_refused("d.pth", NULL, "1 unexpected (g1.gate.weight)");
    const struct rn_import_options skip = {.skip_extra = 1};
    assert_refused("d.pth", &skip, "1 unexpected (g1.gate.weight)");
    /* Words that are the same as far as they are kept: the longer one must
     * not be compared past the shorter one's end. */
#define TEN   "abcdefghij"
#define SIXTY TEN TEN TEN TEN TEN TEN
    l.tensors[l.count - 1] =
        (struct rn_st_out){SIXTY ".weight", 4, dim, twos, RN_F32};
    l.tensors[l.count++] =
        (struct rn_st_out){SIXTY SIXTY SIXTY ".weight", 4, dim, twos, RN_F32};
    write_pth(&l, "d.pth");
    assert_refused("d.pth", NULL, "of one is longer than 59 characters");
    /* One block less. */
    list_style(&l, model->graph, &plain_style, 2);
    rename_layer(&l, "g3.1.c1.weight", "g3.1.c1.other");
    write_pth(&l, "d.pth");
    assert_refused("d.pth", NULL, "make no pairs");
    rn_model_destroy(model);
}

/* A pool of no tensors may stand in the shortcuts behind a deep stem. */
static void pools_are_asked_for(void **state)
{
    static struct list l;
    struct rn_model *model = make("resnet34d", 'B');

    (void)state;
    l.count = 0;
    for (size_t i = 0; i < model->graph->n_params; i++)
        add(&l, model->graph->params[i].name, &model->graph->params[i]);
    for (size_t i = 0; i < l.count; i++) {
        char *at = strstr(l.names[i], "downsample.");

        if (at && !strncmp(at + 11, "1", 1))
            memcpy(at, "short.cnv.x", 11), at[11] = 'a';
        else if (at)
            memcpy(at, "short.nrm.x", 11), at[11] = 'a';
        l.names[i][0] = l.names[i][0] == 'l' ? 'L' : l.names[i][0];
    }
    write_pth(&l, "p.pth");
    assert_refused("p.pth", NULL, "pools in its shortcuts");
    rn_model_destroy(model);
}

/* ---------------------------------------------------- heads, biases, rest */

static void list_ours(struct list *l, const struct rn_model *model,
                      const char *prefix)
{
    l->count = 0;
    for (size_t i = 0; i < model->graph->n_params; i++) {
        char name[120];

        snprintf(name, sizeof(name), "%s%s", prefix,
                 model->graph->params[i].name);
        add(l, name, &model->graph->params[i]);
    }
}

static void heads_have_many_names(void **state)
{
    static const char *const heads[] = {"fc.0",        "fc.1",
                                        "head",        "classifier",
                                        "last_linear", "module.classifier.3"};
    static struct list l;
    struct rn_model *model = make("resnet8", 'B'), *back;
    struct rn_error err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(heads); i++) {
        list_ours(&l, model, "");
        rename_layer(&l, "fc", heads[i]);
        write_pth(&l, "h.pth");
        OK(import(&back, in_folder("h.pth"), NULL, &err));
        check_same_params(model->graph, back->graph, heads[i]);
        rn_model_destroy(back);
    }
    list_ours(&l, model, "backbone.");
    rename_layer(&l, "backbone.fc", "cls_head");
    write_pth(&l, "h.pth");
    OK(import(&back, in_folder("h.pth"), NULL, &err));
    check_same_params(model->graph, back->graph, "a head beside");
    rn_model_destroy(back);
    /* Two layers make another head. */
    const size_t dim[2] = {10, 10};
    const float numbers[100] = {0};
    list_ours(&l, model, "");
    rename_layer(&l, "fc", "fc.0");
    l.tensors[l.count++] =
        (struct rn_st_out){"fc.2.weight", 2, dim, numbers, RN_F32};
    write_pth(&l, "h.pth");
    assert_refused("h.pth", NULL, "several linear layers ('fc.0.weight' and");
    rn_model_destroy(model);
}

/* Whole numbers where weights should be have a scale that nobody tells. */
static void whole_numbers_are_no_weights(void **state)
{
    static struct list l;
    struct rn_model *model = make("resnet8", 'B');
    struct rn_error err = {0};
    uint8_t *bytes;
    size_t size;

    (void)state;
    list_ours(&l, model, "");
    write_sorted(&l, "i.safetensors");
    OK(rn_file_read(in_folder("i.safetensors"), 1 << 30, &bytes, &size, &err));
    char *name = strstr((char *)bytes + 8, "\"fc.weight\"");
    assert_non_null(name);
    memcpy(strstr(name, "F32"), "I32", 3);
    FILE *file = fopen(in_folder("i.safetensors"), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    rn_free(bytes);
    assert_refused("i.safetensors", NULL,
                   "fc.weight is I32 [10,64], expected F32 [10,64]");
    rn_model_destroy(model);
}

static void bias_of_the_head(void **state)
{
    static struct list l;
    struct rn_model *model = make("resnet8", 'B'), *back;
    struct rn_error err = {0};

    (void)state;
    list_ours(&l, model, "");
    l.count--;
    write_pth(&l, "h.pth");
    OK(import(&back, in_folder("h.pth"), NULL, &err));
    assert_non_null(strstr(said, "its classifier has no bias, zeros taken"));
    for (int i = 0; i < 10; i++)
        assert_true(rn_graph_param(back->graph, "fc.bias")->data[i] == 0);
    rn_model_destroy(back);
    rn_model_destroy(model);
}

static void backbones(void **state)
{
    static struct list l;
    const struct rn_import_options headless = {.headless = 1};
    struct rn_model *model = make("resnet8", 'B'), *back;
    struct rn_error err = {0};

    (void)state;
    list_ours(&l, model, "module.");
    l.count -= 2;
    write_pth(&l, "b.pth");
    assert_refused("b.pth", NULL, "a resnet8 without its classifier");
    OK(import(&back, in_folder("b.pth"), &headless, &err));
    assert_true(back->headless);
    const struct rn_param *last = rn_graph_param(back->graph, "fc.weight");
    assert_true(last->data[0] == 0 && last->data[last->count - 1] == 0);
    rn_model_destroy(back);
    list_style(&l, model->graph, &plain_style, 1);
    l.count -= 2;
    write_pth(&l, "b.pth");
    assert_refused("b.pth", NULL, "a resnet8 without its classifier");
    OK(import(&back, in_folder("b.pth"), &headless, &err));
    assert_true(back->headless);
    rn_model_destroy(back);
    rn_model_destroy(model);
}

/* W x + b before batch norm: the same logits as with the mean less b. */
static void biases_fold(void **state)
{
    static struct list l;
    struct rn_model *model = make("resnet8", 'B'), *back;
    struct rn_graph *g = model->graph;
    const struct rn_param *weight = rn_graph_param(g, "layer2.0.conv1.weight");
    const struct rn_param *mean =
        rn_graph_param(g, "layer2.0.bn1.running_mean");
    const size_t dim[1] = {weight->dim[0]};
    float bias[64];
    struct rn_error err = {0};

    (void)state;
    for (size_t i = 0; i < dim[0]; i++)
        bias[i] = (float)i / 8 - 1;
    for (int unknown = 0; unknown < 2; unknown++) {
        if (unknown)
            list_style(&l, g, &plain_style, 1);
        else
            list_ours(&l, model, "");
        l.tensors[l.count++] =
            (struct rn_st_out){unknown ? "g2.0.c1.bias" : "layer2.0.conv1.bias",
                               1, dim, bias, RN_F32};
        write_pth(&l, "f.pth");
        OK(import(&back, in_folder("f.pth"), NULL, &err));
        assert_non_null(strstr(said, "biases of 1 convolutions put into"));
        const float *folded =
            rn_graph_param(back->graph, "layer2.0.bn1.running_mean")->data;
        for (size_t i = 0; i < dim[0]; i++)
            assert_true(folded[i] == mean->data[i] - bias[i]);
        rn_model_destroy(back);
        /* Of a layer that has none to fold it into. */
        l.tensors[l.count - 1].name = "layer2.0.bn9.bias";
        write_pth(&l, "f.pth");
        assert_refused("f.pth", NULL, "1 unexpected (layer2.0.bn9.bias)");
    }
    rn_model_destroy(model);
}

static void extras_are_passed_over(void **state)
{
    static const char *const prefixes[] = {"", "module.", "student.net.", "q."};
    static struct list l;
    const struct rn_import_options skip = {.skip_extra = 1};
    const size_t dim[1] = {3};
    const float numbers[3] = {1, 1, 1};
    struct rn_model *model = make("resnet8", 'B'), *back;
    struct rn_error err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(prefixes); i++) {
        list_ours(&l, model, prefixes[i]);
        l.tensors[l.count++] =
            (struct rn_st_out){"criterion.weight", 1, dim, numbers, RN_F32};
        l.tensors[l.count++] =
            (struct rn_st_out){"n_averaged", 0, NULL, numbers, RN_F32};
        write_pth(&l, "x.pth");
        assert_refused("x.pth", NULL,
                       "2 unexpected (criterion.weight, n_averaged) in no "
                       "layer: --skip-extra");
        OK(import(&back, in_folder("x.pth"), &skip, &err));
        assert_non_null(strstr(said, "passed over 2 tensors that are in no "
                                     "layer (criterion.weight, n_averaged)"));
        check_same_params(model->graph, back->graph, prefixes[i]);
        rn_model_destroy(back);
    }
    /* Of a layer that normalises, not the mean of a model file of ours. */
    list_ours(&l, model, "");
    l.tensors[l.count++] =
        (struct rn_st_out){"preprocessing.mean", 1, dim, numbers, RN_F32};
    write_pth(&l, "x.pth");
    assert_refused("x.pth", NULL, "1 unexpected (preprocessing.mean) in no");
    /* What may change a layer's numbers is never passed over. */
    list_ours(&l, model, "module.");
    l.tensors[l.count++] =
        (struct rn_st_out){"module.layer1.0.gate", 1, dim, numbers, RN_F32};
    write_pth(&l, "x.pth");
    assert_refused("x.pth", &skip, "1 unexpected (module.layer1.0.gate)");
    rn_model_destroy(model);
}

/* --------------------------------------------------------------- holders */

static void beginnings_of_names(void **state)
{
    static struct list l;
    const struct rn_import_options q = {.holder = "encoder_q"};
    const struct rn_import_options no = {.holder = "encoder_x"};
    struct rn_model *model = make("resnet8", 'B'), *back;
    struct rn_model *other = make("resnet8", 'B');
    struct rn_error err = {0};
    size_t n;

    (void)state;
    rn_model_init(other, 3);
    list_ours(&l, other, "encoder_k.");
    n = l.count;
    for (size_t i = 0; i < model->graph->n_params; i++) {
        char name[120];

        snprintf(name, sizeof(name), "encoder_q.%s",
                 model->graph->params[i].name);
        add(&l, name, &model->graph->params[i]);
    }
    assert_int_equal(l.count, 2 * n);
    write_pth(&l, "q.pth");
    assert_refused("q.pth", NULL, "");
    assert_refused("q.pth", &no, "no tensors are in or under 'encoder_x'");
    OK(import(&back, in_folder("q.pth"), &q, &err));
    check_same_params(model->graph, back->graph, "encoder_q");
    rn_model_destroy(back);
    rn_model_destroy(other);
    rn_model_destroy(model);
}

/* ------------------------------------------------------------------ map */

static void write_text(const char *name, const char *text)
{
    struct rn_error err = {0};

    OK(rn_file_write(in_folder(name), text, strlen(text), &err));
}

/* The file's layer1.0 are blocks in the wrong order by all that is known. */
static const char map_text[] = "\xef\xbb\xbf# ours = theirs\r\n"
                               "\r\n"
                               "conv1 = b.x   # a layer\n"
                               "bn1.weight = b.y.weight\n"
                               "bn1.bias=b.y.bias\n"
                               "  bn1.running_mean =\tb.y.running_mean\n"
                               "bn1.running_var = b.y.running_var\n"
                               "layer1 = z\n"
                               "fc = top";

static void lists_of_names(void **state)
{
    static struct list l;
    char path[500];
    struct rn_model *model = make("resnet8", 'B'), *back;
    struct rn_error err = {0};

    (void)state;
    list_ours(&l, model, "");
    rename_layer(&l, "conv1", "b.x");
    rename_layer(&l, "bn1", "b.y");
    rename_layer(&l, "layer1", "z");
    rename_layer(&l, "fc", "top");
    write_pth(&l, "m.pth");
    write_text("map", map_text);
    snprintf(path, sizeof(path), "%s", in_folder("map"));
    const struct rn_import_options o = {.map = path};
    OK(import(&back, in_folder("m.pth"), &o, &err));
    check_same_params(model->graph, back->graph, "a list of names");
    rn_model_destroy(back);
    write_sorted(&l, "m.safetensors");
    OK(import(&back, in_folder("m.safetensors"), &o, &err));
    check_same_params(model->graph, back->graph, "a list of names");
    rn_model_destroy(back);
    rn_model_destroy(model);
}

static void bad_lists_of_names(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", "has no line, expected OURS = THEIRS"},
        {"\xff\xfe# UTF-16", "UTF-16, expected UTF-8"},
        {"# nothing\n", "has no line"},
        {"conv1\n", "line 1: expected OURS = THEIRS"},
        {"\nconv1 = \n", "line 2: expected OURS = THEIRS"},
        {"= conv1\n", "line 1: expected"},
        {"a = b = c\n", "line 1: expected"},
        {"conv1 = conv1\nconv1 = bn1\n",
         "lines 1 and 2: both name our 'conv1'"},
        {"conv1 = bn1\nbn1 = bn1\n", "both name the file's 'bn1'"},
        {"conv1 = conv1\nbn1 = nothing\n", "line 2: '"},
        {"conv1 = conv1\nbn1 = nothing\n", "no tensor or layer 'nothing'"},
        {"layer1 = layer1\nlayer1.0.bn1 = bn1\n", "are the same in a network"},
        {"layer9 = layer2\nlayer2 = layer1\nlayer1 = layer2.0\n",
         "has no tensor or layer"},
        {"bogus = bn1\n", "line 1: a resnet8 has no tensor 'bogus."},
        {"bogus = fc\n", "without its classifier"},
    };
    static struct list l;
    char path[500];
    struct rn_model *model = make("resnet8", 'B');
    (void)state;
    list_ours(&l, model, "");
    write_pth(&l, "m.pth");
    snprintf(path, sizeof(path), "%s", in_folder("map"));
    const struct rn_import_options o = {.map = path};
    for (size_t i = 0; i < COUNT(cases); i++) {
        write_text("map", cases[i].text);
        assert_refused("m.pth", &o, cases[i].expected);
    }
    /* Files that need no list. */
    struct rn_error err = {0};
    write_text("map", "conv1 = conv1\n");
    OK(rn_model_export(model, in_folder("own.safetensors"), &err));
    OK(rn_model_export(model, in_folder("own.onnx"), &err));
    assert_refused("own.safetensors", &o, "goes with a state dictionary");
    assert_refused("own.onnx", &o, "goes with a state dictionary");
    OK(rn_model_export(model, in_folder("own.pth"), &err));
    assert_refused("own.pth", &o, "own.pth' says itself what its tensors are");
    /* Nor do they need a description. */
    const struct rn_import_options described = {.config = path};
    assert_refused("own.safetensors", &described, "a description goes with");
    assert_refused("own.onnx", &described, "a description goes with");
    assert_refused("own.pth", &described, "but another description was given");
    rn_model_destroy(model);
}

/* Memory that fails anywhere is said, and nothing is lost. */
static void short_of_memory(void **state)
{
    static struct list l;
    char path[500];
    struct rn_model *model = make("resnet8", 'B');

    (void)state;
    list_style(&l, model->graph, &plain_style, 1);
    write_pth(&l, "m.pth");
    write_text("map", map_text);
    snprintf(path, sizeof(path), "%s", in_folder("m.pth"));
    int rc = RN_ERR_MEMORY;
    for (long n = 1; rc == RN_ERR_MEMORY; n++) {
        struct rn_model *back;
        struct rn_error err = {0};

        rn_alloc_fail_after(n);
        rc = rn_model_import(&back, path, NULL, &err);
        rn_alloc_fail_after(-1);
        rn_model_destroy(back);
        if (rc && rc != RN_ERR_MEMORY)
            fail_msg("allocation %ld: %d \"%s\"", n, rc, err.msg);
        assert_true(n < 10000);
    }
    rn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_names),
        cmocka_unit_test(sorted_names),
        cmocka_unit_test(shortcuts_of_other_names),
        cmocka_unit_test(other_family),
        cmocka_unit_test(doubts_are_refused),
        cmocka_unit_test(pools_are_asked_for),
        cmocka_unit_test(heads_have_many_names),
        cmocka_unit_test(whole_numbers_are_no_weights),
        cmocka_unit_test(bias_of_the_head),
        cmocka_unit_test(backbones),
        cmocka_unit_test(biases_fold),
        cmocka_unit_test(extras_are_passed_over),
        cmocka_unit_test(beginnings_of_names),
        cmocka_unit_test(lists_of_names),
        cmocka_unit_test(bad_lists_of_names),
        cmocka_unit_test(short_of_memory),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
