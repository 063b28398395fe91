/* SPDX-License-Identifier: BSD-2-Clause */
/* Models of others: recognised by names and shapes, completed by what the
 * caller or a known source says, refused by name when they do not fit. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "folder.h"
#include "foreign.h"

#include "core/file.h"
#include "core/isa.h"
#include "core/memory.h"
#include "data/data.h"
#include "model/file.h"
#include "formats/torch/pth.h"
#include "formats/torch/recognise.h"
#include "nets/blocks.h"
#include "nets/residual.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* ------------------------------------------------------------ made states */

/* A state of shapes alone, as recognition sees it. */
static void shapes_of(struct rn_state *state, const struct rn_graph *g)
{
    struct rn_error err = {0};

    OK(rn_state_start(state, "file.pth", &err));
    for (size_t i = 0; i < g->n_params; i++) {
        const struct rn_param *p = &g->params[i];
        struct rn_state_tensor t = {.dims = p->dims, .count = p->count};

        for (int d = 0; d < p->dims; d++)
            t.dim[d] = p->dim[d];
        OK(rn_state_add(state, &t, p->name, strlen(p->name), &err));
    }
    OK(rn_state_finish(state, &err));
}

static void shapes_of_net(struct rn_state *state, const char *name,
                          const struct rn_net_options *options)
{
    struct rn_model *model;
    struct rn_error err = {0};

    OK(rn_model_create(&model, name, options, &err));
    shapes_of(state, model->graph);
    rn_model_destroy(model);
}

static struct rn_state_tensor *tensor_of(struct rn_state *state,
                                         const char *name)
{
    for (size_t i = 0; i < state->count; i++)
        if (strcmp(state->tensors[i].name, name) == 0)
            return &state->tensors[i];
    fail_msg("no tensor '%s'", name);
    return NULL;
}

static void rename_tensor(struct rn_state_tensor *t, const char *name)
{
    rn_free(t->name);
    t->name = rn_strdup(name);
    assert_non_null(t->name);
}

/* ------------------------------------------------------------ recognition */

static void networks_are_recognised(void **state)
{
    static const struct {
        const char *net;
        struct rn_net_options options;
        char shortcut;
    } cases[] = {
        {"resnet8", {.classes = 3, .channels = 1}, 'A'},
        {"resnet20", {.shortcut = 'B'}, 'B'},
        {"resnet20", {.shortcut = 'C', .classes = 100}, 'C'},
        {"cifar-resnet50", {.shortcut = 'a'}, 'A'},
        {"resnet18", {.channels = 4, .classes = 2}, 'B'},
        {"resnet34", {.shortcut = 'A'}, 'A'},
        {"resnet50", {.shortcut = 'C'}, 'C'},
        {"resnet101", {.stride_v1 = 1}, 'B'},
        {"resnet152", {0}, 'B'},
        {"resnext50_32x4d", {.classes = 7}, 'B'},
        {"resnext101_64x4d", {0}, 'B'},
        {"resnext101_32x8d", {.channels = 1}, 'B'},
        {"wide_resnet50_2", {0}, 'B'},
        {"wide_resnet50_4", {.shortcut = 'C'}, 'C'},
        {"resnet50d", {0}, 'B'},
        {"resnet34d", {.classes = 4}, 'B'},
        {"resnet101c", {.channels = 1}, 'B'},
        {"resnet18-3x3", {.classes = 10}, 'B'},
        {"resnet50-3x3", {.classes = 100, .channels = 1}, 'B'},
        {"preresnet20", {.classes = 10}, 'A'},
        {"preresnet20", {.shortcut = 'B'}, 'B'},
        {"cifar-preresnet11", {.classes = 5}, 'B'},
        {"cifar-preresnet20", {.block = "bottleneck"}, 'B'},
        {"preresnet18", {.classes = 10}, 'B'},
        {"resnetv2_18", {.classes = 10}, 'B'},
        {"wrn-10-2", {.channels = 1}, 'B'},
        {"wrn-16-2", {.shortcut = 'C'}, 'C'},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_state s;
        struct rn_recognised r;
        struct rn_error err = {0};
        const struct rn_net_options *o = &cases[i].options;

        shapes_of_net(&s, cases[i].net, o);
        OK(rn_rename(&r, &s, NULL, &err));
        OK(rn_recognise(&r, &s, &err));
        int channels = o->channels ? o->channels : 3;
        int classes = o->classes                                ? o->classes
                      : r.network.family == &rn_family_imagenet ? 1000
                                                                : 10;
        if (strcmp(r.network.net, cases[i].net) != 0 ||
            r.network.shortcut != cases[i].shortcut || r.channels != channels ||
            r.classes != classes)
            fail_msg("%s: recognised %s, shortcut %c, %d channels, %d classes",
                     cases[i].net, r.network.net, r.network.shortcut,
                     r.channels, r.classes);
        rn_recognised_free(&r);
        rn_state_close(&s);
    }
}

/* Names of others for torchvision's. */
static void names_of_others(void **state)
{
    static const struct {
        const char *from, *to;
        const struct rn_net_source *source;
    } cases[] = {
        {"module.conv1.weight", "conv1.weight", &rn_source_torchvision},
        {"_orig_mod.module.fc.bias", "fc.bias", &rn_source_torchvision},
        {"model.net.bn1.weight", "bn1.weight", &rn_source_torchvision},
        {"linear.weight", "fc.weight", &rn_source_akamaster},
        {"module.layer2.13.shortcut.0.weight", "layer2.13.downsample.0.weight",
         &rn_source_akamaster},
        {"backbone.layer1.0.conv1.weight", "layer1.0.conv1.weight",
         &rn_source_mmpretrain},
        {"head.fc.bias", "fc.bias", &rn_source_mmpretrain},
        {"resnet.embedder.embedder.convolution.weight", "conv1.weight",
         &rn_source_transformers},
        {"resnet.embedder.embedder.normalization.running_mean",
         "bn1.running_mean", &rn_source_transformers},
        {"resnet.encoder.stages.3.layers.22.layer.2.convolution.weight",
         "layer4.22.conv3.weight", &rn_source_transformers},
        {"resnet.encoder.stages.0.layers.0.layer.1.normalization.bias",
         "layer1.0.bn2.bias", &rn_source_transformers},
        {"resnet.encoder.stages.1.layers.0.shortcut.convolution.weight",
         "layer2.0.downsample.0.weight", &rn_source_transformers},
        {"resnet.encoder.stages.1.layers.0.shortcut.normalization.weight",
         "layer2.0.downsample.1.weight", &rn_source_transformers},
        {"resnet.encoder.stages.x.layers.0", "encoder.stages.x.layers.0",
         &rn_source_torchvision},
        {"layer1.0.conv1.weight", "layer1.0.conv1.weight",
         &rn_source_torchvision},
        {"module.features.denseblock3.denselayer24.norm.1.running_var",
         "features.denseblock3.denselayer24.norm1.running_var",
         &rn_source_torchvision},
        {"features.denseblock1.denselayer2.conv.2.weight",
         "features.denseblock1.denselayer2.conv2.weight",
         &rn_source_torchvision},
        {"layer0.conv1.weight", "conv1.weight", &rn_source_cadene},
        {"layer0.bn1.running_mean", "bn1.running_mean", &rn_source_cadene},
        {"layer3.22.se_module.fc2.bias", "layer3.22.se.fc2.bias",
         &rn_source_cadene},
        {"conv1/7x7_s2/bn.weight", "bn1.weight", &rn_source_senet},
        {"conv1_7x7_s2.weight", "conv1.weight", &rn_source_senet},
        {"conv2_1_1x1_reduce.weight", "layer1.0.conv1.weight",
         &rn_source_senet},
        {"conv4_23_3x3/bn.bias", "layer3.22.bn2.bias", &rn_source_senet},
        {"conv5_3_1x1_increase_bn.running_var", "layer4.2.bn3.running_var",
         &rn_source_senet},
        {"conv3_1_1x1_proj_bn.weight", "layer2.0.downsample.1.weight",
         &rn_source_senet},
        {"conv3_2_1x1_down.bias", "layer2.1.se.fc1.bias", &rn_source_senet},
        {"conv3_2_1x1_up.weight", "layer2.1.se.fc2.weight", &rn_source_senet},
        {"conv0_1_3x3.weight", "layer18446744073709551615.0.conv2.weight",
         &rn_source_senet},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_state s;
        struct rn_recognised r;
        struct rn_error err = {0};
        struct rn_state_tensor t = {.dims = 1, .dim = {1}, .count = 1};

        OK(rn_state_start(&s, "file.pth", &err));
        OK(rn_state_add(&s, &t, cases[i].from, strlen(cases[i].from), &err));
        OK(rn_rename(&r, &s, NULL, &err));
        if (!rn_renamed(&r, cases[i].to) || r.source != cases[i].source)
            fail_msg("'%s' became '%s' of %s, expected '%s' of %s",
                     cases[i].from, r.tensors[0].name, r.source->name,
                     cases[i].to, cases[i].source->name);
        rn_recognised_free(&r);
        rn_state_close(&s);
    }
}

static void assert_not_recognised(const struct rn_state *s,
                                  const char *expected)
{
    struct rn_recognised r;
    struct rn_error err = {0};
    int rc = rn_rename(&r, s, NULL, &err);

    if (!rc)
        rc = rn_recognise(&r, s, &err);
    if (rc != RN_ERR_DATA || !strstr(err.msg, expected) ||
        !strstr(err.msg, "'file.pth'"))
        fail_msg("got %d \"%s\", expected \"…%s…\"", rc, err.msg, expected);
    rn_recognised_free(&r);
}

/* What people who use those names mean by a network. */
static void sources_mean_strides_and_pools(void **state)
{
    static const struct {
        const char *net, *marks; /* a name of theirs for conv1.weight */
        bool stride_v1;
        const char *pool;
    } cases[] = {
        {"se-resnet50", "layer0.conv1.weight", true, NULL},
        {"se-resnext50_32x4d", "layer0.conv1.weight", false, "max-ceil"},
        {"se-resnet50", "conv1/7x7_s2.weight", true, NULL},
        {"se-resnext101_32x4d", "conv1_7x7_s2.weight", false, "max-ceil"},
        {"se-resnet34", "conv1_7x7_s2.weight", false, NULL},
        {"se-resnet20", "layer0.conv1.weight", false, NULL},
        {"resnet50", "conv1_7x7_s2.weight", true, "max-ceil"},
        {"resnet50", "layer0.conv1.weight", false, NULL},
        {"se-resnet50", "conv1.weight", false, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_state s;
        struct rn_recognised r;
        struct rn_error err = {0};

        shapes_of_net(&s, cases[i].net, NULL);
        rename_tensor(tensor_of(&s, "conv1.weight"), cases[i].marks);
        OK(rn_rename(&r, &s, NULL, &err));
        OK(rn_recognise(&r, &s, &err));
        assert_string_equal(r.network.net, cases[i].net);
        const char *pool = r.network.stem_pool ? r.network.stem_pool : "-";
        if (r.network.stride_v1 != cases[i].stride_v1 ||
            strcmp(pool, cases[i].pool ? cases[i].pool : "-") != 0)
            fail_msg("%s, '%s': %s, pool %s", cases[i].net, cases[i].marks,
                     r.network.stride_v1 ? "v1" : "v1.5", pool);
        rn_recognised_free(&r);
        rn_state_close(&s);
    }
}

enum preactivators { TIMM, SZAGORUYKO, XTERNALZ };

/* Their names for one of ours. */
static void name_by(enum preactivators who, const char *ours, char name[100])
{
    static const struct {
        enum preactivators who;
        const char *ours, *theirs;
    } parts[] = {
        {TIMM, "conv1.weight", "stem.conv.weight"},
        {TIMM, "bn.", "norm."},
        {TIMM, "fc.", "head.fc."},
        {SZAGORUYKO, "conv1.weight", "conv0"},
        {XTERNALZ, "bn.", "bn1."},
    };
    int stage, block, number, at = 0, rest = 0;

    snprintf(name, 100, "%s", ours);
    for (size_t i = 0; i < COUNT(parts); i++)
        if (parts[i].who == who &&
            strncmp(ours, parts[i].ours, strlen(parts[i].ours)) == 0)
            snprintf(name, 100, "%s%s", parts[i].theirs,
                     ours + strlen(parts[i].ours));
    if (sscanf(ours, "layer%d.%d.%n", &stage, &block, &at) != 2)
        return;
    ours += at;
    if (who == XTERNALZ && strncmp(ours, "downsample", 10) == 0)
        ours = "convShortcut.weight";
    if (who == XTERNALZ)
        snprintf(name, 100, "block%d.layer.%d.%s", stage, block, ours);
    if (who == TIMM && strncmp(ours, "downsample", 10) == 0)
        ours = "downsample.conv.weight";
    if (who == TIMM)
        snprintf(name, 100, "stages.%d.blocks.%d.%s%s", stage - 1, block,
                 *ours == 'b' ? "norm" : "", ours + (*ours == 'b' ? 2 : 0));
    if (who == SZAGORUYKO && sscanf(ours, "conv%d", &number) == 1)
        snprintf(name, 100, "group%d.block%d.conv%d", stage - 1, block,
                 number - 1);
    else if (who == SZAGORUYKO && sscanf(ours, "bn%d%n", &number, &rest) == 1)
        snprintf(name, 100, "group%d.block%d.bn%d%s", stage - 1, block,
                 number - 1, ours + rest);
    else if (who == SZAGORUYKO)
        snprintf(name, 100, "group%d.block%d.convdim", stage - 1, block);
}

/* The networks of three sources, whose names become ours; without running
 * statistics, or the last batch norm, it is another network. */
static void preactivation_of_others(void **state)
{
    static const struct {
        enum preactivators who;
        const char *net, *source;
    } cases[] = {
        {TIMM, "resnetv2_18", "timm's"},
        {TIMM, "resnetv2_50", "timm's"},
        {SZAGORUYKO, "wrn-16-2", "szagoruyko/wide-residual-networks'"},
        {SZAGORUYKO, "wrn-10-1", "szagoruyko/wide-residual-networks'"},
        {XTERNALZ, "wrn-16-2", "xternalz/WideResNet-pytorch's"},
        {XTERNALZ, "wrn-10-1", "xternalz/WideResNet-pytorch's"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_state s;
        struct rn_recognised r;
        struct rn_error err = {0};
        struct rn_state_tensor *head;
        char name[100];

        shapes_of_net(&s, cases[i].net, NULL);
        for (size_t k = 0; k < s.count; k++) {
            name_by(cases[i].who, s.tensors[k].name, name);
            rename_tensor(&s.tensors[k], name);
        }
        if (cases[i].who == TIMM) { /* a 1x1 convolution */
            head = tensor_of(&s, "head.fc.weight");
            head->dims = 4;
            head->dim[2] = head->dim[3] = 1;
        }
        OK(rn_rename(&r, &s, NULL, &err));
        OK(rn_recognise(&r, &s, &err));
        assert_string_equal(r.network.net, cases[i].net);
        assert_string_equal(r.source->name, cases[i].source);
        assert_false(rn_recognised_stranger(&r));
        rn_recognised_free(&r);
        if (cases[i].who == TIMM) {
            rename_tensor(tensor_of(&s, "stages.0.blocks.0.norm2.running_mean"),
                          "else");
            assert_not_recognised(&s, "no running mean: a residual network");
        }
        rn_state_close(&s);
    }
}

/* One tensor made otherwise. */
static void other_networks_are_named(void **state)
{
    static const struct {
        const char *net, *tensor;
        const char *name; /* its new name, or NULL */
        int dim;          /* its dimension ... */
        uint64_t size;    /* ... and what that becomes, unless 0 */
        const char *expected;
    } cases[] = {
        {"resnet50", "layer1.0.conv2.weight", NULL, 1, 3,
         "3x3 have 64 filters of 3 channels"},
        {"resnext50_32x4d", "layer4.0.conv2.weight", NULL, 0, 512,
         "3x3 have 128 filters of 4 channels"},
        {"wide_resnet50_2", "layer4.0.conv2.weight", "else", 0, 0,
         "3x3 have 128 filters of 128 channels"},
        {"resnet50", "layer1.0.conv2.weight", NULL, 1, 1ull << 40,
         "filters of 1099511627776 channels"},
        {"resnet18", "layer1.0.conv2.weight", NULL, 1, 2, "of 2 channels"},
        {"resnet20", "layer1.0.conv2.weight", NULL, 1, 2, "of 2 channels"},
        {"resnet18", "conv1.weight", NULL, 2, 3, "of 64 3x7"},
        {"resnet18", "conv1.weight", NULL, 2, 5, "of 64 5x7"},
        {"resnet50d", "conv1.0.weight", NULL, 0, 24, "of 24 3x3"},
        {"resnet50d", "conv1.6.weight", "else", 0, 0, "of no network known"},
        {"resnet18", "conv1.weight", "features.0.weight", 0, 0,
         "of no network known"},
        {"densenet121", "features.denseblock3.denselayer24.conv1.weight",
         "else", 0, 0, "blocks of 6, 12, 23 and 16 layers, growth 32"},
        {"densenet-40-12", "features.conv0.weight", NULL, 0, 24,
         "growth 12, 24 channels first"},
        {"densenet-bc-2x3x2x4-4", "features.conv0.weight", NULL, 2, 7,
         "blocks of 2, 3, 2 and 4 layers, growth 4, 8 channels first"},
        {"resnet18", "conv1.weight", "inception3a.x", 0, 0,
         "of no network known"},
        {"resnet18", "bn1.bias", "layer1.0.se.fc1.weight", 0, 0,
         "a resnet18 with squeeze and excitation of a kind that is not known"},
        {"resnet18", "conv1.weight", "stem.weight", 0, 0,
         "of no network known"},
        {"resnet18", "conv1.weight", "else", 0, 0, "of no network known"},
        {"resnet18", "layer4.1.conv1.weight", "else", 0, 0,
         "of 2, 2, 2, 1 basic blocks behind a convolution of 64 7x7"},
        {"resnet20", "layer3.2.conv1.weight", "else", 0, 0,
         "of 3, 3, 2 basic blocks"},
        {"resnet20", "conv1.weight", NULL, 0, 32, "of 32 3x3"},
        {"resnet20", "fc.weight", NULL, 0, 1ull << 40, "too many channels"},
        {"resnet20", "fc.weight", "module.fc.bias", 0, 0,
         "are the same in a network"},
        {"resnet20", "layer1.0.conv1.weight", "else", 0, 0, "of no network"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_state s;
        struct rn_state_tensor *t;

        shapes_of_net(&s, cases[i].net, NULL);
        t = tensor_of(&s, cases[i].tensor);
        if (cases[i].name)
            rename_tensor(t, cases[i].name);
        if (cases[i].size)
            t->dim[cases[i].dim] = cases[i].size;
        assert_not_recognised(&s, cases[i].expected);
        rn_state_close(&s);
    }
}

static void uneven_widths_are_named(void **state)
{
    struct rn_state s;

    (void)state;
    shapes_of_net(&s, "resnet50", NULL);
    tensor_of(&s, "layer1.0.conv1.weight")->dim[0] = 96;
    tensor_of(&s, "layer1.0.conv2.weight")->dim[0] = 96;
    tensor_of(&s, "layer1.0.conv2.weight")->dim[1] = 96;
    assert_not_recognised(&s, "3x3 have 96 filters of 96 channels");
    rn_state_close(&s);
}

/* -------------------------------------------------------------- importing */

/* What was said, all lines. */
static char said[2000];

static void on_message(void *user, const char *text)
{
    (void)user;
    snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s\n", text);
}

static int import(struct rn_model **out, const char *path,
                  struct rn_import_options *o, struct rn_error *err)
{
    struct rn_import_options none;

    rn_import_defaults(&none);
    if (!o)
        o = &none;
    o->message = on_message;
    said[0] = '\0';
    return rn_model_import(out, path, o, err);
}

static void write_text(const char *name, const char *text)
{
    struct rn_error err = {0};

    OK(rn_file_write(in_folder(name), text, strlen(text), &err));
}

static struct rn_model *make_model(const char *net,
                                   const struct rn_net_options *options)
{
    struct rn_model *model;
    struct rn_error err = {0};

    OK(rn_model_create(&model, net, options, &err));
    rn_model_init(model, 7);
    return model;
}

/* The bare tensors, `linear` instead of `fc`, as others write them; the
 * tensor of that number left out, renamed or reshaped. */
struct change {
    const char *tensor, *name;
    int drop;
    size_t dim0;
};

static void write_bare(const struct rn_model *model, const char *name,
                       bool akamaster, const struct change *change)
{
    const struct rn_graph *g = model->graph;
    struct rn_st_out *list = calloc(g->n_params, sizeof(*list));
    size_t n = 0, dim[4];
    struct rn_error err = {0};

    assert_non_null(list);
    for (size_t i = 0; i < g->n_params; i++) {
        const struct rn_param *p = &g->params[i];
        struct rn_st_out t = {p->name, p->dims, p->dim, p->data, RN_F32};

        if (akamaster && strcmp(p->name, "fc.weight") == 0)
            t.name = "module.linear.weight";
        if (akamaster && strcmp(p->name, "fc.bias") == 0)
            t.name = "module.linear.bias";
        if (change && strcmp(p->name, change->tensor) == 0) {
            if (change->drop)
                continue;
            if (change->name)
                t.name = change->name;
            if (change->dim0) {
                memcpy(dim, p->dim, sizeof(dim));
                dim[0] = change->dim0;
                t.dim = dim;
            }
        }
        list[n++] = t;
    }
    OK(rn_pth_write(in_folder(name), list, n, NULL, &err));
    free(list);
}

static void assert_same_tensors(const struct rn_model *a,
                                const struct rn_model *b)
{
    assert_int_equal(a->graph->n_params, b->graph->n_params);
    for (size_t i = 0; i < a->graph->n_params; i++) {
        const struct rn_param *p = &a->graph->params[i];
        const struct rn_param *q = &b->graph->params[i];

        assert_string_equal(p->name, q->name);
        assert_int_equal(p->count, q->count);
        if (memcmp(p->data, q->data, p->count * sizeof(float)) != 0)
            fail_msg("%s differs", p->name);
    }
}

static void assert_said(const char *expected)
{
    if (!strstr(said, expected))
        fail_msg("expected \"…%s…\" among \"%s\"", expected, said);
}

static const struct rn_node *node_of(const struct rn_model *model,
                                     const char *name)
{
    for (size_t i = 0; i < model->graph->n_nodes; i++)
        if (strcmp(model->graph->nodes[i].name, name) == 0)
            return &model->graph->nodes[i];
    return NULL;
}

static void assert_import_fails(const char *name, struct rn_import_options *o,
                                int code, const char *expected)
{
    struct rn_model *model = (struct rn_model *)&code;
    struct rn_error err = {0};
    int rc = import(&model, in_folder(name), o, &err);

    if (rc != code || err.code != rc || !strstr(err.msg, expected))
        fail_msg("got %d \"%s\", expected %d \"…%s…\"", rc, err.msg, code,
                 expected);
    assert_null(model);
}

static void known_sources_have_habits(void **state)
{
    struct rn_model *model = make_model("resnet8", NULL), *back;
    struct rn_error err = {0};
    struct rn_import_options o;

    (void)state;
    write_bare(model, "a.pth", true, NULL);
    OK(import(&back, in_folder("a.pth"), NULL, &err));
    assert_int_equal(back->spec.shortcut, 'a');
    assert_true(fabsf(back->preprocessing.mean[0] - 0.485f) < 1e-6f);
    assert_int_equal(back->preprocessing.resize, 0);
    assert_said("resnet8 for 10 classes under akamaster");
    assert_said("shortcut A-split taken");
    assert_said("preprocessing 'akamaster' taken");
    assert_same_tensors(model, back);
    rn_model_destroy(back);
    /* Said otherwise; then there is less to say. */
    rn_import_defaults(&o);
    o.shortcut = 'A';
    o.preprocess = "cifar";
    o.activation = "relu";
    o.eps = 1e-5;
    OK(import(&back, in_folder("a.pth"), &o, &err));
    assert_int_equal(back->spec.shortcut, 'A');
    assert_true(fabsf(back->preprocessing.std[1] - 0.1994f) < 1e-6f);
    assert_null(strstr(said, "taken"));
    rn_model_destroy(back);
    /* Nobody's names. */
    write_bare(model, "a.pth", false, NULL);
    OK(import(&back, in_folder("a.pth"), NULL, &err));
    assert_int_equal(back->spec.shortcut, 'A');
    assert_null(back->preprocessing.mean);
    assert_said("shortcut A taken");
    assert_said("--preprocess says");
    rn_model_destroy(back);
    rn_model_destroy(model);
}

/* The same tensors under names that `name` makes of ours, their numbers changed
 * by `change` unless NULL. */
static void write_as(const struct rn_model *model, const char *file,
                     void (*name)(const char *ours, char *theirs, size_t size),
                     void (*change)(const struct rn_param *p, float *theirs))
{
    const struct rn_graph *g = model->graph;
    struct rn_st_out *list = calloc(g->n_params, sizeof(*list));
    char(*names)[100] = calloc(g->n_params, sizeof(*names));
    float **data = calloc(g->n_params, sizeof(*data));
    struct rn_error err = {0};

    assert_true(list && names && data);
    for (size_t i = 0; i < g->n_params; i++) {
        const struct rn_param *p = &g->params[i];

        name(p->name, names[i], sizeof(names[i]));
        data[i] = calloc(p->count, sizeof(**data));
        assert_non_null(data[i]);
        memcpy(data[i], p->data, p->count * sizeof(**data));
        if (change)
            change(p, data[i]);
        list[i] =
            (struct rn_st_out){names[i], p->dims, p->dim, data[i], RN_F32};
    }
    OK(rn_pth_write(in_folder(file), list, g->n_params, NULL, &err));
    for (size_t i = 0; i < g->n_params; i++)
        free(data[i]);
    free(data);
    free(names);
    free(list);
}

static void name_as_cadene(const char *ours, char *theirs, size_t size)
{
    const char *se = strstr(ours, ".se.");

    if (strncmp(ours, "conv1.", 6) == 0 || strncmp(ours, "bn1.", 4) == 0)
        snprintf(theirs, size, "layer0.%s", ours);
    else if (se)
        snprintf(theirs, size, "%.*s.se_module.%s", (int)(se - ours), ours,
                 se + 4);
    else if (strncmp(ours, "fc.", 3) == 0)
        snprintf(theirs, size, "last_linear.%s", ours + 3);
    else
        snprintf(theirs, size, "%s", ours);
}

/* Few channels in many groups are as good as 32 of 4. */
static void cadene_pools_as_caffe(void **state)
{
    const struct rn_net_options two = {.classes = 2};
    struct rn_model *model = make_model("se-resnext50_2x1d", &two), *back;
    struct rn_error err = {0};
    struct rn_import_options o;

    (void)state;
    write_as(model, "a.pth", name_as_cadene, NULL);
    OK(import(&back, in_folder("a.pth"), NULL, &err));
    assert_string_equal(back->spec.name, "se-resnext50_2x1d");
    assert_said("first pool taken as max-ceil, as is usual with "
                "Cadene/pretrained-models.pytorch's names");
    assert_true(node_of(back, "maxpool")->ceil);
    assert_int_equal(node_of(back, "maxpool")->window.pad, 0);
    assert_int_equal(back->preprocessing.resize, 256);
    assert_same_tensors(model, back);
    rn_model_destroy(back);
    rn_import_defaults(&o);
    o.stem_pool = "max";
    o.stride = "v1";
    OK(import(&back, in_folder("a.pth"), &o, &err));
    assert_null(strstr(said, "first pool"));
    assert_false(node_of(back, "maxpool")->ceil);
    assert_int_equal(node_of(back, "layer2.0.conv1")->window.stride, 2);
    rn_model_destroy(back);
    rn_model_destroy(model);
}

/* timm's legacy ones have those names, and a description that is understood:
 * the strides and pools that the names alone mean. */
static void timm_describes_legacy_networks(void **state)
{
    static const struct {
        const char *net, *architecture;
        int first_stride; /* of layer2's first 1x1 */
    } cases[] = {
        {"se-resnext50_2x1d", "legacy_seresnext50_2x1d.in1k", 1},
        {"se-resnet50", "legacy_seresnet50", 2},
    };
    const struct rn_net_options two = {.classes = 2};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_model *model, *back;
        struct rn_error err = {0};
        char text[100];

        model = make_model(cases[i].net, &two);
        write_as(model, "a.pth", name_as_cadene, NULL);
        snprintf(text, sizeof(text), "{\"architecture\": \"%s\"}",
                 cases[i].architecture);
        write_text("config.json", text);
        OK(import(&back, in_folder("a.pth"), NULL, &err));
        assert_said("config.json' beside it is read");
        assert_null(strstr(said, "as is usual with Cadene"));
        if (node_of(back, "layer2.0.conv1")->window.stride !=
                cases[i].first_stride ||
            !node_of(back, "maxpool")->ceil ||
            node_of(back, "maxpool")->window.pad != 0)
            fail_msg("%s: stride %d of the first 1x1, expected %d; or a pool "
                     "that rounds down",
                     cases[i].architecture,
                     node_of(back, "layer2.0.conv1")->window.stride,
                     cases[i].first_stride);
        assert_same_tensors(model, back);
        rn_model_destroy(back);
        rn_model_destroy(model);
    }
    unlink(in_folder("config.json"));
}

static void name_as_kuangliu(const char *ours, char *theirs, size_t size)
{
    const char *rest = strrchr(ours, '.');
    int b, i, k;

    if (sscanf(ours, "features.denseblock%d.denselayer%d.norm%d.", &b, &i,
               &k) == 3)
        snprintf(theirs, size, "module.dense%d.%d.bn%d%s", b, i - 1, k, rest);
    else if (sscanf(ours, "features.denseblock%d.denselayer%d.conv%d.", &b, &i,
                    &k) == 3)
        snprintf(theirs, size, "module.dense%d.%d.conv%d%s", b, i - 1, k, rest);
    else if (sscanf(ours, "features.transition%d.", &b) == 1)
        snprintf(theirs, size, "module.trans%d.%s%s", b,
                 strstr(ours, "norm") ? "bn" : "conv", rest);
    else if (strstr(ours, "conv0"))
        snprintf(theirs, size, "module.conv1%s", rest);
    else if (strstr(ours, "norm5"))
        snprintf(theirs, size, "module.bn%s", rest);
    else
        snprintf(theirs, size, "module.linear%s", rest);
}

/* Of densenet-bc-2x3x2x1-3: channels before each block. */
static const int before_blocks[] = {6, 6, 7, 6};
static const int block_layers[] = {2, 3, 2, 1};

/* Channel c of what layers 1 to n of block b make of what goes in, in a file
 * whose layers put theirs first: torch.cat([out, x], 1). */
static int kuangliu_channel(int b, int n, int c)
{
    const int growth = 3, in = before_blocks[b];

    return c < in ? n * growth + c
                  : (n - 1 - (c - in) / growth) * growth + (c - in) % growth;
}

static void newest_first(const struct rn_param *p, float *theirs)
{
    size_t rows = p->dims > 1 ? p->dim[0] : 1, row = p->count / rows, pixels;
    int b, i, n, channels;

    if (sscanf(p->name, "features.denseblock%d.denselayer%d", &b, &i) == 2) {
        if (!strstr(p->name, "norm1") && !strstr(p->name, "conv1"))
            return;
        n = i - 1;
    } else if (sscanf(p->name, "features.transition%d", &b) == 1) {
        n = block_layers[b - 1];
    } else if (strstr(p->name, "norm5") ||
               strcmp(p->name, "classifier.weight") == 0) {
        b = 4;
        n = block_layers[3];
    } else {
        return;
    }
    channels = before_blocks[b - 1] + 3 * n;
    pixels = row / (size_t)channels;
    assert_int_equal(pixels * (size_t)channels, row);
    for (size_t r = 0; r < rows; r++)
        for (int c = 0; c < channels; c++)
            memcpy(theirs + r * row +
                       (size_t)kuangliu_channel(b - 1, n, c) * pixels,
                   p->data + r * row + (size_t)c * pixels,
                   pixels * sizeof(*theirs));
}

/* Their last layer may read several pixels, and what is new lies first. */
static void kuangliu_densenets_are_turned(void **state)
{
    const struct rn_net_options five = {.classes = 5, .height = 64};
    struct rn_model *model = make_model("densenet-bc-2x3x2x1-3", &five), *back;
    struct rn_error err = {0};
    struct rn_import_options o;

    (void)state;
    make_up(model->graph);
    write_as(model, "a.pth", name_as_kuangliu, newest_first);
    OK(import(&back, in_folder("a.pth"), NULL, &err));
    assert_string_equal(back->spec.name, "densenet-bc-2x3x2x1-3");
    assert_string_equal(rn_net_family_name(&back->spec), "densenet");
    assert_int_equal(back->spec.input.h, 64);
    assert_true(back->preprocessing.mean[0] == 0.4914f);
    assert_said("under kuangliu/pytorch-cifar's names");
    assert_said("taken to be 64x64: its last layer fits sides of 64 to 95");
    assert_same_tensors(model, back);
    rn_model_destroy(back);
    rn_import_defaults(&o);
    o.height = 90;
    OK(import(&back, in_folder("a.pth"), &o, &err));
    assert_int_equal(back->spec.input.w, 90);
    assert_null(strstr(said, "sides of"));
    assert_same_tensors(model, back);
    rn_model_destroy(back);
    o.height = 32;
    assert_import_fails("a.pth", &o, RN_ERR_DATA,
                        "linear.weight is F32 [5,36], expected F32 [5,9]");
    rn_model_destroy(model);
}

static void callers_name_networks(void **state)
{
    struct rn_model *model = make_model("plain20", NULL), *back;
    struct rn_error err = {0};
    struct rn_import_options o;

    (void)state;
    write_bare(model, "a.pth", false, NULL);
    rn_import_defaults(&o);
    o.net = "plain20";
    o.height = 40;
    o.width = 24;
    OK(import(&back, in_folder("a.pth"), &o, &err));
    assert_string_equal(back->spec.name, "plain20");
    assert_int_equal(back->spec.input.h, 40);
    assert_int_equal(back->spec.input.w, 24);
    assert_same_tensors(model, back);
    rn_model_destroy(back);
    rn_model_destroy(model);
}

/* ------------------------------------------- what shapes do not tell */

/* Pixel i of a line of `size`, reflected at its ends. */
static int reflect(int i, int size)
{
    i = i < 0 ? -i : i;
    return i < size ? i : 2 * (size - 1) - i;
}

/* 1 2 1 by 1 2 1, sixteenths, of every second pixel. */
static double blurred(const float *image, int h, int w, int y, int x)
{
    double sum = 0;

    for (int dy = -1; dy <= 1; dy++)
        for (int dx = -1; dx <= 1; dx++)
            sum +=
                (2 - abs(dy)) * (2 - abs(dx)) / 16.0 *
                (double)
                    image[reflect(2 * y + dy, h) * w + reflect(2 * x + dx, w)];
    return sum;
}

struct blur_check {
    const float *image;
    int h, w, seen;
};

static int check_blur(void *user, const struct rn_trace *value)
{
    struct blur_check *c = user;

    if (strcmp(value->name, "blur") != 0)
        return RN_OK;
    assert_int_equal(value->height, (c->h + 1) / 2);
    assert_int_equal(value->width, (c->w + 1) / 2);
    const float *at = value->values;
    for (int k = 0; k < value->channels; k++)
        for (int y = 0; y < value->height; y++)
            for (int x = 0; x < value->width; x++) {
                double right =
                    blurred(c->image + k * c->h * c->w, c->h, c->w, y, x);

                if (!(fabs((double)*at++ - right) < 1e-6))
                    fail_msg("%dx%d: channel %d, pixel %d, %d", c->h, c->w, k,
                             y, x);
            }
    c->seen++;
    return RN_OK;
}

/* The blur of timm's resnetblur against its definition. */
static void blurs_are_right(void **state)
{
    static const int sizes[][2] = {{8, 8}, {7, 8}, {8, 5}, {3, 9}, {2, 2}};

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct blur_check c = {.h = sizes[i][0], .w = sizes[i][1]};
        struct rn_graph *g = rn_graph_create();
        struct rn_net_spec spec;
        struct rn_plan_options o;
        struct rn_plan *plan;
        struct rn_error err = {0};
        float image[3 * 81];
        uint32_t seed = 5;

        for (size_t k = 0; k < COUNT(image); k++)
            image[k] = number(&seed);
        assert_non_null(g);
        int x = rn_graph_input(g, (struct rn_shape){3, c.h, c.w});
        x = rn_shrink(g, RN_ANTIALIAS_BLUR, x, "blur");
        x = rn_graph_global_avg_pool(g, x, "avgpool");
        rn_graph_linear(g, x, "fc", 2);
        assert_int_equal(g->error.code, RN_OK);
        rn_net_of_graph(&spec, "small", g);
        struct rn_model *model = rn_model_wrap(&spec, g);
        assert_non_null(model);
        rn_plan_defaults(&o);
        o.batch = o.threads = 1;
        OK(rn_plan_create(&plan, model, &o, &err));
        c.image = image;
        OK(rn_plan_trace(plan, image, check_blur, &c, &err));
        assert_int_equal(c.seen, 1);
        rn_plan_destroy(plan);
        rn_model_destroy(model);
    }
}

/* A stem and an activation that are said are the model's, and stay so. */
static void unusual_networks_are_stored(void **state)
{
    struct rn_model *model = make_model("resnet18-3x3", NULL), *back;
    struct rn_error err = {0};
    struct rn_import_options o;

    (void)state;
    write_bare(model, "a.pth", false, NULL);
    rn_import_defaults(&o);
    o.stem_stride = 2;
    o.stem_pool = "max";
    o.activation = "silu";
    OK(import(&back, in_folder("a.pth"), &o, &err));
    assert_null(strstr(said, "taken to begin"));
    OK(rn_model_save(back, in_folder("m.safetensors"), &err));
    rn_model_destroy(back);
    OK(import(&back, in_folder("m.safetensors"), NULL, &err));
    assert_string_equal(back->spec.name, "resnet18-3x3");
    assert_int_equal(node_of(back, "conv1")->window.stride, 2);
    assert_int_equal(node_of(back, "maxpool")->op, RN_OP_MAX_POOL);
    assert_int_equal(node_of(back, "layer1.0.relu1")->op, RN_OP_MULTIPLY);
    assert_int_equal(node_of(back, "layer1.0.conv1")->shape.h, 8);
    assert_same_tensors(model, back);
    rn_model_destroy(back);
    assert_import_fails("m.safetensors", &o, RN_ERR_ARG,
                        "says itself what its layers are");
    rn_import_defaults(&o);
    OK(import(&back, in_folder("a.pth"), &o, &err));
    assert_said("taken to begin with stride 1 and no pool");
    assert_null(node_of(back, "maxpool"));
    rn_model_destroy(back);
    rn_model_destroy(model);
}

/* An option of its own is refused for the file a.pth. */
#define ASSERT_OPTION_FAILS(option, value, message)             \
    do {                                                        \
        struct rn_import_options o_;                            \
                                                                \
        rn_import_defaults(&o_);                                \
        o_.option = value;                                      \
        assert_import_fails("a.pth", &o_, RN_ERR_ARG, message); \
    } while (0)

/* What a family's builder does not look at is never passed over. */
static void unusual_networks_are_refused(void **state)
{
    static const char *const nets[] = {"nin", "highway-19", "densenet-10-12"};

    (void)state;
    for (size_t i = 0; i < COUNT(nets); i++) {
        struct rn_model *model = make_model(nets[i], NULL);

        write_bare(model, "a.pth", false, NULL);
        rn_model_destroy(model);
        ASSERT_OPTION_FAILS(activation, "silu",
                            "its activations are its own, but another one");
        ASSERT_OPTION_FAILS(stem_stride, 2, "its stem is fixed");
        ASSERT_OPTION_FAILS(stem_pool, "max", "its stem is fixed");
    }
    struct rn_model *model = make_model("nin", NULL);
    write_bare(model, "a.pth", false, NULL);
    rn_model_destroy(model);
    ASSERT_OPTION_FAILS(eps, 1e-3,
                        "an eps of batch norms, of which the network has none");
}

/* Of what no tensor tells, what is taken is said unless it was given. */
static void functions_are_said(void **state)
{
    struct rn_model *model = make_model("resnet8", NULL), *back;
    struct rn_error err = {0};
    struct rn_import_options o;

    (void)state;
    write_bare(model, "a.pth", false, NULL);
    rn_model_destroy(model);
    rn_import_defaults(&o);
    OK(import(&back, in_folder("a.pth"), &o, &err));
    rn_model_destroy(back);
    assert_said("activations taken as relu, batch norms' eps as 1e-05; tensors "
                "do not tell");
    o.eps = 1e-3;
    OK(import(&back, in_folder("a.pth"), &o, &err));
    rn_model_destroy(back);
    assert_said("activations taken as relu; tensors do not tell");
    o.activation = "silu";
    OK(import(&back, in_folder("a.pth"), &o, &err));
    rn_model_destroy(back);
    assert_null(strstr(said, "tensors do not tell"));
    o.eps = 0;
    OK(import(&back, in_folder("a.pth"), &o, &err));
    rn_model_destroy(back);
    assert_said("batch norms' eps taken as 1e-05; tensors do not tell");
}

static void unusual_options_are_checked(void **state)
{
    struct rn_model *model = make_model("resnet8", NULL);

    (void)state;
    write_bare(model, "a.pth", false, NULL);
    rn_model_destroy(model);
    ASSERT_OPTION_FAILS(stem_pool, "min",
                        "but must be none, max, max-ceil, mean or blur");
    ASSERT_OPTION_FAILS(activation, "tanh",
                        "but must be relu, relu6, leaky-relu or silu");
    ASSERT_OPTION_FAILS(stem_stride, 9, "`stem_stride` is 9");
    ASSERT_OPTION_FAILS(eps, 2, "`eps` is 2");
    ASSERT_OPTION_FAILS(channel_order, "gbr", "but must be rgb or bgr");
}

/* Another eps is a matter of variances, another order of where means are. */
static void eps_and_order(void **state)
{
    struct rn_model *model = make_model("resnet8", NULL), *back;
    struct rn_error err = {0};
    struct rn_import_options o;

    (void)state;
    write_bare(model, "a.pth", false, NULL);
    rn_import_defaults(&o);
    o.eps = 1e-3;
    o.preprocess = "cifar";
    o.channel_order = "bgr";
    OK(import(&back, in_folder("a.pth"), &o, &err));
    const float *var = rn_graph_param(back->graph, "bn1.running_var")->data;
    assert_true(fabs((double)var[3] - (1 + 1e-3 - 1e-5)) < 1e-6);
    assert_string_equal(rn_net_family_name(&back->spec), "cifar");
    assert_true(back->preprocessing.bgr);
    assert_true(back->preprocessing.mean[2] == 0.4914f);
    assert_true(back->preprocessing.std[0] == 0.2010f);
    rn_model_destroy(back);
    /* As they are given: in RGB order. */
    const float mean[] = {0.1f, 0.2f, 0.3f};
    o.mean = mean;
    o.means = 3;
    OK(import(&back, in_folder("a.pth"), &o, &err));
    assert_true(back->preprocessing.mean[0] == 0.3f);
    rn_model_destroy(back);
    rn_model_destroy(model);
}

/* What Hugging Face's kinds of preprocessors say of sizes: the network's input
 * is what is cut out, where a size for that is there. */
static void check_cuts(struct rn_import_options *o)
{
#define USUAL                                                           \
    "\"resample\": 2, \"image_mean\": [0.1, 0.2, 0.3], \"image_std\": " \
    "[1, 1, 1], "
    static const struct {
        const char *text;
        int side, resize; /* 0: not taken */
    } cases[] = {
        {"\"size\": {\"shortest_edge\": 256}, \"do_center_crop\": true, "
         "\"crop_size\": {\"height\": 192, \"width\": 192}",
         192, 256},
        {"\"size\": {\"shortest_edge\": 235}, \"crop_size\": 160", 160, 235},
        {"\"size\": {\"shortest_edge\": 448}, \"do_center_crop\": true, "
         "\"crop_size\": 448",
         448, 448},
        {"\"size\": {\"shortest_edge\": 160}, \"crop_pct\": 0.8", 160, 200},
        {"\"size\": {\"shortest_edge\": 256}, \"do_center_crop\": false, "
         "\"crop_size\": 192",
         224, 0},
        {"\"size\": {\"shortest_edge\": 256}", 224, 0},
        {"\"size\": {\"shortest_edge\": 256}, \"do_center_crop\": true", 224,
         0},
        {"\"size\": 256, \"do_center_crop\": true, \"crop_size\": 192", 192, 0},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[400];
        struct rn_model *back;
        struct rn_error err = {0};

        snprintf(text, sizeof(text), "{" USUAL "%s}", cases[i].text);
        write_text("preprocessor_config.json", text);
        OK(import(&back, in_folder("a.pth"), o, &err));
        if (back->spec.input.h != cases[i].side ||
            back->spec.input.w != cases[i].side)
            fail_msg("%s: pictures of %d", cases[i].text, back->spec.input.h);
        if (cases[i].resize && back->preprocessing.resize != cases[i].resize)
            fail_msg("%s: resized to %d", cases[i].text,
                     back->preprocessing.resize);
        assert_true(back->preprocessing.mean[2] == 0.3f);
        if (!cases[i].resize)
            assert_said("mean and std are taken from it");
        rn_model_destroy(back);
    }
}

/* A description beside weights of resnet18 for 3 classes. */
static void descriptions_are_read(void **state)
{
    const struct rn_net_options three = {.classes = 3};
    struct rn_model *model = make_model("resnet18", &three), *back;
    struct rn_error err = {0};
    struct rn_import_options o;

    (void)state;
    write_bare(model, "a.pth", false, NULL);
    rn_model_destroy(model);
    rn_import_defaults(&o);
    OK(import(&back, in_folder("a.pth"), &o, &err));
    assert_said("not by pools as timm's resnetaa18 and resnetblur18");
    rn_model_destroy(back);

    write_text("config.json",
               "{\"architecture\": \"resnetblur18.in1k\", \"num_classes\": 3, "
               "\"label_names\": [\"a\", \"b\", \"c\"], \"pretrained_cfg\": "
               "{\"input_size\": [3, 160, 160], \"crop_pct\": 0.95, "
               "\"crop_mode\": \"center\", \"interpolation\": \"bicubic\", "
               "\"mean\": [0.5, 0.25, 0.125], \"std\": [0.5, 0.4, 0.3]}}");
    OK(import(&back, in_folder("a.pth"), &o, &err));
    assert_said("config.json' beside it is read");
    assert_null(strstr(said, "torchvision' taken"));
    assert_string_equal(back->spec.name, "resnetblur18");
    assert_int_equal(back->spec.input.h, 160);
    assert_int_equal(back->preprocessing.resize, 168); /* 160 / 0.95 */
    assert_int_equal(back->preprocessing.interpolation, RN_BICUBIC);
    assert_true(back->preprocessing.mean[1] == 0.25f);
    assert_true(back->preprocessing.std[2] == 0.3f);
    assert_string_equal(rn_model_class_name(back, 2), "c");
    OK(rn_model_save(back, in_folder("m.safetensors"), &err));
    rn_model_destroy(back);
    OK(import(&back, in_folder("m.safetensors"), NULL, &err));
    assert_string_equal(back->spec.name, "resnetblur18");
    rn_model_destroy(back);
    /* What the caller says goes first; nor need it be read. */
    o.net = "resnet18";
    o.height = 64;
    o.preprocess = "half";
    OK(import(&back, in_folder("a.pth"), &o, &err));
    assert_string_equal(back->spec.name, "resnet18");
    assert_int_equal(back->spec.input.h, 64);
    assert_true(back->preprocessing.mean[1] == 0.5f);
    rn_model_destroy(back);
    rn_import_defaults(&o);
    o.config = "none";
    OK(import(&back, in_folder("a.pth"), &o, &err));
    assert_string_equal(back->spec.name, "resnet18");
    rn_model_destroy(back);

    write_text(
        "config.json",
        "\xef\xbb\xbf{\"model_type\": \"resnet\", \"layer_type\": \"basic\", "
        "\"depths\": [2, 2, 2, 2], \"hidden_act\": \"silu\", "
        "\"id2label\": {\"0\": \"x\", \"1\": \"y\", \"2\": \"z\"}}");
    write_text("preprocessor_config.json",
               "{\"crop_pct\": 0.875, \"size\": 224, \"resample\": 3, "
               "\"image_mean\": [0.1, 0.2, 0.3], \"image_std\": [1, 1, 1]}");
    o.config = NULL;
    OK(import(&back, in_folder("a.pth"), &o, &err));
    assert_int_equal(node_of(back, "layer1.0.relu1")->op, RN_OP_MULTIPLY);
    assert_int_equal(back->preprocessing.resize, 256);
    assert_int_equal(back->preprocessing.interpolation, RN_BICUBIC);
    assert_true(back->preprocessing.mean[2] == 0.3f);
    assert_string_equal(rn_model_class_name(back, 0), "x");
    rn_model_destroy(back);
    check_cuts(&o);
    write_text("preprocessor_config.json",
               "{\"size\": {\"height\": 224, \"width\": 224}}");
    OK(import(&back, in_folder("a.pth"), &o, &err));
    assert_said("in a way that is not ours");
    assert_said("how its images are prepared is not known");
    rn_model_destroy(back);
    write_text("config.json",
               "{\"model_type\": \"resnet\", \"layer_type\": \"basic\", "
               "\"depths\": [2, 2, 2, 2], "
               "\"problem_type\": \"multi_label_classification\"}");
    OK(import(&back, in_folder("a.pth"), &o, &err));
    assert_int_equal(back->graph->kind, RN_OUTPUT_INDEPENDENT_LOGITS);
    rn_model_destroy(back);
    o.head = "softmax";
    OK(import(&back, in_folder("a.pth"), &o, &err));
    assert_int_equal(back->graph->kind, RN_OUTPUT_LOGITS);
    rn_model_destroy(back);
    o.head = NULL;
    static const char *const steps[] = {
        "\"do_normalize\": false", "\"do_rescale\": false",
        "\"do_resize\": false", "\"do_flip_channel_order\": true",
        "\"rescale_factor\": 0.00784"};
    for (size_t i = 0; i < COUNT(steps); i++) {
        char text[300];

        snprintf(text, sizeof(text),
                 "{\"crop_pct\": 0.875, \"size\": 224, \"resample\": 3, "
                 "\"image_mean\": [0.1, 0.2, 0.3], \"image_std\": [1, 1, 1], "
                 "%s}",
                 steps[i]);
        write_text("preprocessor_config.json", text);
        OK(import(&back, in_folder("a.pth"), &o, &err));
        assert_said("in a way that is not ours");
        /* a resize does not change what numbers mean */
        assert_true(!back->preprocessing.mean != (i == 2));
        rn_model_destroy(back);
    }
    unlink(in_folder("preprocessor_config.json"));
    unlink(in_folder("config.json"));
}

/* Strides that only config.json of Hugging Face's tells: in the first 1x1, and
 * in the first stage, too. */
static void strides_are_described(void **state)
{
    const struct rn_net_options three = {.classes = 3};
    struct rn_net_spec spec;
    struct rn_graph *g;
    struct rn_model *model, *back;
    struct rn_error err = {0};

    (void)state;
    OK(rn_net_resolve(&spec, "resnet50", &three, &err));
    spec.first_stride = 2;
    OK(rn_net_build(&g, &spec, &err));
    model = rn_model_wrap(&spec, g);
    assert_non_null(model);
    rn_model_init(model, 3);
    write_bare(model, "a.pth", false, NULL);
    rn_model_destroy(model);
    write_text(
        "config.json",
        "{\"model_type\": \"resnet\", \"downsample_in_bottleneck\": true, "
        "\"downsample_in_first_stage\": true, "
        "\"id2label\": {\"0\": \"LABEL_0\"}}");
    OK(import(&back, in_folder("a.pth"), NULL, &err));
    assert_int_equal(node_of(back, "layer1.0.conv1")->window.stride, 2);
    assert_int_equal(node_of(back, "layer2.0.conv1")->window.stride, 2);
    assert_int_equal(node_of(back, "layer2.0.conv2")->window.stride, 1);
    assert_null(strstr(said, "v1.5"));
    assert_null(rn_model_class_name(back, 0));
    rn_model_destroy(back);
    unlink(in_folder("config.json"));
}

static void strange_descriptions(void **state)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"{\"architecture\": \"resnest50d\"}",
         "its network is a 'resnest50d', which is not known here: --net"},
        {"{\"architecture\": \"legacy_senet154\"}",
         "its network is a 'legacy_senet154', which is not known here"},
        {"{\"architecture\": \"legacy_resnet18\"}", "a 'legacy_resnet18'"},
        {"{\"architecture\": \"resnet18\", \"model_args\": {\"act_layer\": 1}}",
         "made with the argument 'act_layer'"},
        {"{\"architecture\": \"resnet18\", \"global_pool\": \"catavgmax\"}",
         "the pool before its classifier is 'catavgmax', which"},
        {"{\"architecture\": \"resnet18\", \"model_args\": "
         "{\"global_pool\": \"max\"}}",
         "the pool before its classifier is 'max', which"},
        {"{\"architecture\": \"resnet34\", \"global_pool\": \"avg\"}",
         "config.json' says that it is a resnet34, but"},
        {"{\"model_type\": \"convnext\"}", "its network is a 'convnext'"},
        {"{\"model_type\": \"resnet\", \"hidden_act\": \"gelu\"}",
         "activation is 'gelu'"},
        {"{\"model_type\": \"resnet\", \"depths\": [3, 4, 6, 3]}",
         "describes 3, 4, 6, 3  blocks, the weights are of 2, 2, 2, 2 basic"},
        {"{\"model_type\": \"resnet\", \"depths\": [2]}", "list of four"},
        {"{\"model_type\": \"resnet\", \"layer_type\": \"odd\"}",
         "its blocks are 'odd'"},
        {"{\"architecture\": ", "the description"},
    };
    const struct rn_net_options three = {.classes = 3};
    struct rn_model *model = make_model("resnet18", &three), *back;
    struct rn_error err = {0};
    struct rn_import_options o;
    (void)state;
    write_bare(model, "a.pth", false, NULL);
    rn_model_destroy(model);
    for (size_t i = 0; i < COUNT(cases); i++) {
        write_text("config.json", cases[i].text);
        rn_import_defaults(&o);
        assert_import_fails("a.pth", &o, RN_ERR_DATA, cases[i].said);
    }
    /* Numbers that make no sense are none. */
    write_text(
        "config.json",
        "{\"architecture\": \"resnet18\", \"pretrained_cfg\": {\"mean\": "
        "[0, 0, 0], \"std\": [0, 1, 1], \"input_size\": [3, 64, 64], "
        "\"crop_pct\": 1e-300}}");
    rn_import_defaults(&o);
    OK(import(&back, in_folder("a.pth"), &o, &err));
    assert_said("in a way that is not ours");
    assert_null(back->preprocessing.mean);
    rn_model_destroy(back);
    /* Of something else: not ours to read, unless it is given. */
    write_text("config.json", "{\"port\": 8080}");
    OK(import(&back, in_folder("a.pth"), &o, &err));
    assert_null(strstr(said, "config.json"));
    rn_model_destroy(back);
    o.config = in_folder("config.json");
    assert_import_fails("a.pth", &o, RN_ERR_DATA, "is no description of");
    unlink(in_folder("config.json"));
}

static void misfits_are_listed(void **state)
{
    static const struct {
        struct change change;
        const char *expected;
    } cases[] = {
        {{"layer2.0.bn1.bias", NULL, 1, 0}, "1 missing (layer2.0.bn1.bias)"},
        {{"layer2.0.bn1.bias", "odd", 0, 0},
         "1 missing (layer2.0.bn1.bias); 1 unexpected (odd)"},
        {{"bn1.weight", NULL, 0, 15},
         "(bn1.weight is F32 [15], expected F32 [16])"},
        {{"bn1.weight", "num_batches_tracked.not", 0, 0}, "unexpected"},
    };
    struct rn_model *model = make_model("resnet8", NULL);
    struct rn_import_options o;
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        write_bare(model, "a.pth", true, &cases[i].change);
        assert_import_fails("a.pth", NULL, RN_ERR_DATA, cases[i].expected);
    }
    write_bare(model, "a.pth", true, NULL);
    rn_import_defaults(&o);
    o.shortcut = 'B';
    assert_import_fails("a.pth", &o, RN_ERR_DATA,
                        "10 missing (layer2.0.downsample.0.weight, ");
    rn_model_destroy(model);
}

static void senseless_options_are_refused(void **state)
{
    static const float numbers[4] = {0.5f, 0.5f, 0.5f, 0.5f};
    static const float zero[3] = {0, 1, 1};

    const struct {
        struct rn_import_options o;
        const char *expected;
    } cases[] = {
        {{.net = "resnet9"}, "unknown network 'resnet9'"},
        {{.shortcut = 'X'}, "`shortcut` is 'X'"},
        {{.stride = "first"}, "`stride` is 'first', but must be v1 or v1.5"},
        {{.stride = "v1"}, "has no bottleneck blocks"},
        {{.preprocess = "cafe"}, "unknown preprocessing 'cafe', expected one"},
        {{.preprocess = "none", .mean = numbers, .means = 3},
         "a mean without a std"},
        {{.mean = numbers, .means = 4, .std = numbers, .stds = 3},
         "4 means, 3 stds"},
        {{.std = numbers, .stds = 2}, "2 stds"},
        {{.std = zero, .stds = 3}, "std of channel 0"},
        {{.interpolation = "nearest"}, "`interpolation` is 'nearest'"},
        {{.resize = 20}, "resized to 20 pixels"},
        {{.height = 99999}, "`height` is 99999x0"},
    };
    struct rn_model *model = make_model("resnet8", NULL);
    (void)state;
    write_bare(model, "a.pth", true, NULL);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_import_options o = cases[i].o;

        assert_import_fails("a.pth", &o, RN_ERR_ARG, cases[i].expected);
    }
    rn_model_destroy(model);
}

/* -------------------------------------------------- files of our own */

/* All a model holds survives both formats. */
static void exports_are_whole(void **state)
{
    static const char *const names[] = {"e.safetensors", "e.pth", "e.pt",
                                        "e.onnx"};
    const struct rn_net_options options = {
        .classes = 2, .height = 12, .width = 9, .shortcut = 'a'};
    struct rn_model *model = make_model("resnet14", &options), *back;
    struct rn_error err = {0};
    float mean[3 * 12 * 9];
    const float std[3] = {0.25f, 1.0f / 3, 0.1f};

    (void)state;
    for (size_t i = 0; i < COUNT(mean); i++)
        mean[i] = 1.0f / (float)(i + 3);
    OK(rn_model_set_preprocessing(model, true, mean, std, &err));
    OK(rn_model_set_classes(model, (const char *const[]){"a", "ü"}, &err));
    OK(rn_model_set_resize(model, 17, RN_BICUBIC, &err));
    OK(rn_model_set_bgr(model, true, &err));
    for (size_t i = 0; i < COUNT(names); i++) {
        OK(rn_model_export(model, in_folder(names[i]), &err));
        OK(import(&back, in_folder(names[i]), NULL, &err));
        assert_string_equal(said, "");
        assert_same_tensors(model, back);
        assert_memory_equal(back->preprocessing.mean, mean, sizeof(mean));
        assert_memory_equal(back->preprocessing.std, std, sizeof(std));
        assert_true(back->preprocessing.bgr && back->preprocessing.per_pixel);
        assert_int_equal(back->preprocessing.resize, 17);
        assert_int_equal(back->preprocessing.interpolation, RN_BICUBIC);
        assert_int_equal(back->spec.shortcut, 'a');
        assert_string_equal(rn_model_class_name(back, 1), "ü");
        rn_model_destroy(back);
    }
    assert_int_equal(rn_model_export(model, in_folder("e.onxx"), &err),
                     RN_ERR_ARG);
    assert_int_equal(access(in_folder("e.onxx"), F_OK), -1);
    rn_model_destroy(model);
}

static void own_files_stay_what_they_are(void **state)
{
    static const char *const names[] = {"e.safetensors", "e.pth", "e.onnx"};
    static const float numbers[3] = {0.1f, 0.2f, 0.3f};
    struct rn_model *model = make_model("resnet8", NULL), *back;
    struct rn_error err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct rn_import_options o = {.shortcut = 'B'};

        OK(rn_model_export(model, in_folder(names[i]), &err));
        assert_import_fails(names[i], &o, RN_ERR_ARG,
                            "holds a resnet8 with shortcut 'A', not 'B'");
        o = (struct rn_import_options){.net = "resnet20"};
        assert_import_fails(names[i], &o, RN_ERR_ARG, "not a resnet20");
        o = (struct rn_import_options){.stride = "v1"};
        assert_import_fails(names[i], &o, RN_ERR_ARG, "v1 stride");
        o = (struct rn_import_options){.height = 33};
        assert_import_fails(names[i], &o, RN_ERR_DATA, "takes 32 x 32 pixels");
        o = (struct rn_import_options){.preprocess = "caffe",
                                       .mean = numbers,
                                       .means = 3,
                                       .resize = 40,
                                       .interpolation = "box"};
        OK(import(&back, in_folder(names[i]), &o, &err));
        /* Red's mean is the network's third. */
        assert_true(back->preprocessing.bgr);
        assert_true(fabsf(back->preprocessing.mean[2] - 0.1f) < 1e-7f);
        assert_true(fabsf(back->preprocessing.std[2] * 255 - 1) < 1e-6f);
        assert_int_equal(back->preprocessing.resize, 40);
        assert_int_equal(back->preprocessing.interpolation, RN_BOX);
        rn_model_destroy(back);
    }
    rn_model_destroy(model);
}

/* Made-up descriptions in a .pth: refused as those of model files are. */
static void hostile_descriptions(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"{}", "\"format\""},
        {"[[[[[", "not valid JSON"},
        {"{\"format\":1,\"network\":{\"name\":\"cifar-resnet99998\","
         "\"input\":[3,32,32],\"classes\":10,\"shortcut\":\"A\","
         "\"stride\":\"v1.5\",\"family\":\"cifar\",\"depth\":99998,"
         "\"plain\":false}}",
         "cannot be a cifar-resnet99998"},
        {"{\"format\":1,\"network\":{\"name\":\"resnet8\",\"input\":[3,8,8],"
         "\"classes\":10,\"shortcut\":\"a\",\"stride\":\"v1.5\"}}",
         "\"shortcut\""},
        {"{\"format\":1,\"network\":{\"name\":\"resnet8\",\"input\":[3,8,8],"
         "\"classes\":10,\"shortcut\":\"A\",\"stride\":\"v1.5\",\"family\":"
         "\"cifar\",\"depth\":8,\"plain\":false},\"preprocessing\":{\"kind\":"
         "\"pixel\",\"scale\":\"1/255\",\"std\":[1,1,1],\"mean\":[1,2]}}",
         "\"mean\""},
    };
    struct rn_model *model = make_model("resnet8", NULL);
    struct rn_st_out list[100];
    size_t n = model->graph->n_params;
    struct rn_error err = {0};
    (void)state;
    assert_true(n <= COUNT(list));
    for (size_t i = 0; i < n; i++) {
        const struct rn_param *p = &model->graph->params[i];

        list[i] = (struct rn_st_out){p->name, p->dims, p->dim, p->data, RN_F32};
    }
    for (size_t i = 0; i < COUNT(cases); i++) {
        OK(rn_pth_write(in_folder("h.pth"), list, n, cases[i].text, &err));
        assert_import_fails("h.pth", NULL, RN_ERR_DATA, cases[i].expected);
    }
    rn_model_destroy(model);
}

static void short_of_memory(void **state)
{
    struct rn_model *model = make_model("resnet8", NULL);

    (void)state;
    write_bare(model, "m.pth", true, NULL);
    int rc = RN_ERR_MEMORY;
    for (long n = 1; rc == RN_ERR_MEMORY; n++) {
        struct rn_model *back;
        struct rn_error err = {0};

        rn_alloc_fail_after(n);
        rc = rn_model_import(&back, in_folder("m.pth"), NULL, &err);
        rn_alloc_fail_after(-1);
        rn_model_destroy(back);
        if (rc && rc != RN_ERR_MEMORY)
            fail_msg("allocation %ld: %d \"%s\"", n, rc, err.msg);
        assert_true(n < 10000);
    }
    rn_model_destroy(model);
}

/* ----------------------------------------------------------------- labels */

static void class_lists(void **state)
{
    static const struct {
        const char *name, *text;
        const char *expected[3]; /* the third name, its identifier; or NULL and
                                    part of the message */
    } cases[] = {
        {"l.txt",
         "n01440764 tench\nn01443537 goldfish\n"
         "n01484850 great white shark\n",
         {"great white shark", "n01484850"}},
        {"l.txt",
         "cat\r\ndog\r\ngreat white shark",
         {"great white shark", NULL}},
        {"l.txt",
         "n01440764 tench\ngoldfish\nn01484850 shark\n",
         {"n01484850 shark", NULL}},
        {"l.csv",
         "index,name\n0,cat\n1,\"dog, \"\"big\"\"\"\n2,\"a, b\"\n",
         {"a, b", NULL}},
        {"l.csv", "wnid,name\nn1,cat\nn2,dog\nn3,cow\n", {"cow", "n3"}},
        {"l.csv", "0,n1,cat\n1,n2,dog\n2,n3,cow\n", {"cow", "n3"}},
        {"l.csv", "cat\ndog\ncow\n", {"cow", NULL}},
        {"l.json", "[\"cat\",\"dog\",\"cow\"]", {"cow", NULL}},
        {"l.json",
         " [[\"n1\",\"cat\"],[\"n2\",\"dog\"],[\"n3\",\"cow\"]]",
         {"cow", "n3"}},
        {"l.json",
         "{\"0\":\"cat\",\"2\":\"cow\",\"1\":\"dog\"}",
         {"cow", NULL}},
        {"l.json",
         "{\"0\":[\"n1\",\"cat\"],\"1\":[\"n2\",\"dog\"],"
         "\"2\":[\"n3\",\"cow\"]}",
         {"cow", "n3"}},
        {"l.json", "{\"cow\":2,\"cat\":0,\"dog\":1}", {"cow", NULL}},
        {"l.txt", "cat\ndog\n", {NULL, "2 labels for 3 classes"}},
        {"l.txt", "a\nb\nc\nd\ne\n", {NULL, "5 labels for 3 classes"}},
        {"l.json",
         "[\"a\",\"b\",\"c\",\"d\",\"e\"]",
         {NULL, "5 labels for 3 classes"}},
        {"l.txt", "a\n\nc\n", {NULL, "line 2 is empty"}},
        {"l.txt", "a\n\xff\nc\n", {NULL, "line 2 is not a class name"}},
        {"l.txt", "", {NULL, "0 labels"}},
        {"l.csv",
         "0,n1,cat\n5,n2,dog\n2,n3,cow\n",
         {NULL, "from 0 to 2, or from 1 to 3, each once"}},
        {"l.csv", "0,n1,cat,x\n", {NULL, "1 labels for 3 classes"}},
        {"l.csv", "\"cat\ndog\ncow\n", {NULL, "line 1 is not of"}},
        {"l.json",
         "{\"cow\":2,\"cat\":2,\"dog\":1}",
         {NULL, "(2 stands there twice)"}},
        {"l.json", "{\"cow\":3,\"cat\":0,\"dog\":1}", {NULL, "from 0 to 2"}},
        {"l.json",
         "{\"0\":\"cat\",\"3\":\"cow\",\"1\":\"dog\"}",
         {NULL, "from 0 to 2"}},
        {"l.json", "[1,2,3]", {NULL, "no class list"}},
        {"l.json", "{}", {NULL, "no class list"}},
        {"l.json", "[\"cat\"", {NULL, "not valid JSON"}},
        /* Numbers that number nothing. */
        {"l.txt", "0 a\n1 b\n1 c\n", {NULL, "(1 stands there twice)"}},
        {"l.txt", "a 0\nb 1\nc 3\n", {NULL, "from 0 to 2"}},
        {"l.txt", "7: a\n8: b\n9: c\n", {NULL, "from 0 to 2"}},
        {"l.txt", "level 2\nlevel 0\nlevel 1\n", {NULL, "give these as JSON"}},
        {"l.csv", "index,name\n3,a\n4,b\n5,c\n", {NULL, "from 0 to 2"}},
        {"l.csv", "index,name\nx,a\ny,b\nz,c\n", {NULL, "whole numbers"}},
        {"l.csv", "index,id,name\n0,1,a\n1,2,b\n2,0,c\n", {NULL, "each in"}},
        {"l.csv", "4021,robin\n4022,wren\n7,owl\n", {NULL, "from 0 to 2"}},
        {"l.csv", "a,b\nc,d\ne,f\n", {NULL, "not clear"}},
        {"l.csv", "0,1\n1,2\n2,0\n", {NULL, "not clear"}},
        {"l.csv", "class,label\na,b\nc,d\ne,f\n", {NULL, "several columns"}},
        {"l.csv", "bird,kind\n0,a\n1,b\n2,c\n", {"c", NULL}},
        {"l.csv", "bird,kind\na,b\nc,d\ne,f\n", {NULL, "a heading"}},
        {"l.csv", "0,a\n1,b,x\n2,c\n", {NULL, "line 2 is not of 2 fields"}},
        /* What is no list, or says two things. */
        {"l.py", "{0: 'a', 1: 'b', 1: 'c'}", {NULL, "'1' stands there twice"}},
        {"l.py", "{0: 'a', 1: b, 2: 'c'}", {NULL, "line 1: neither JSON nor"}},
        {"l.py", "['a', 'b', 'c'", {NULL, "a closing bracket"}},
        {"l.py", "['a', 'b\n', 'c']", {NULL, "the end of a text"}},
        {"l.py", "['a', '\\ud800', 'c']", {NULL, "behind the backslash"}},
        {"l.py", "['a', 'caf\\351', 'c']", {NULL, "behind the backslash"}},
        {"l.py",
         "['a', '\\N{LATIN SMALL LETTER B}', 'c']",
         {NULL, "behind the backslash"}},
        {"l.py", "[[[[['a']]]]]", {NULL, "fewer brackets"}},
        {"l.py", "['a'] ['b']", {NULL, "nothing behind"}},
        {"config.json",
         "{\"id2label\":{\"0\":\"a\",\"1\":\"b\",\"2\":\"c\"},"
         "\"label2id\":{\"a\":1,\"b\":0,\"c\":2}}",
         {NULL, "another by \"label2id\""}},
        {"config.json",
         "{\"id2label\":{\"0\":\"LABEL_0\",\"1\":\"LABEL_1\","
         "\"2\":\"LABEL_2\"}}",
         {NULL, "only LABEL_0"}},
        {"config.json", "{\"model_type\":\"resnet\"}", {NULL, "no class list"}},
        /* Encodings. */
        {"l.txt",
         "\xff\xfe"
         "a",
         {NULL, "UTF-16, expected UTF-8"}},
    };
    struct rn_model *model =
        make_model("resnet8", &(struct rn_net_options){.classes = 3});
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_error err = {0};
        const char *name = cases[i].expected[0];

        write_text(cases[i].name, cases[i].text);
        int rc = rn_model_label(model, in_folder(cases[i].name), &err);
        if (!name &&
            (rc != RN_ERR_DATA || !strstr(err.msg, cases[i].expected[1])))
            fail_msg("%s: got %d \"%s\", expected \"…%s…\"", cases[i].text, rc,
                     err.msg, cases[i].expected[1]);
        if (!name)
            continue;
        if (rc)
            fail_msg("%s: %s", cases[i].text, err.msg);
        assert_string_equal(rn_model_class_name(model, 2), name);
        if (cases[i].expected[1])
            assert_string_equal(rn_model_class_id(model, 2),
                                cases[i].expected[1]);
        else
            assert_null(rn_model_class_id(model, 2));
    }
    rn_model_destroy(model);
}

/* The three names, whatever order the lines are in; no identifiers. */
static void class_lists_by_number(void **state)
{
    static const char *const cases[][2] = {
        {"l.csv", "index,name\n2,cow\n0,cat\n1,dog\n"},
        {"l.csv", "2,cow\n0,cat\n1,dog\n"},
        {"l.csv", "1,cat\n2,dog\n3,cow\n"},
        {"l.csv", "3,cow\n1,cat\n2,dog\n"},
        {"l.csv", "cow,2\ncat,0\ndog,1\n"},
        {"l.csv", "Name,Class_ID\r\ncow,2\r\ncat,0\r\ndog,1\r\n\r\n"},
        {"l.csv", "id;label\n2;cow\n0;cat\n1;dog\n;\n"},
        {"l.csv", ",label,pictures\n0,cat,7\n1,dog,5\n2,cow,9\n"},
        {"l.csv", "index, name\n0, cat\n1, \"dog\"\n2, cow \n"},
        {"l.tsv", "label\tno\ncow\t3\ncat\t1\ndog\t2\n"},
        {"l.txt", "2 cow\n0 cat\n1 dog\n"},
        {"l.txt", "1 cat\n2 dog\n3 cow\n"},
        {"l.txt", "1. cat\n2. dog\n3. cow\n\n\n"},
        {"l.txt", "0: cat\n2: cow\n1: dog\n"},
        {"l.txt", "2\tcow\n0\tcat\n1\tdog\n"},
        {"l.txt", "0,cat\n2,cow\n1,dog\n"},
        {"l.txt", "cow 2\ncat 0\ndog 1\n"},
        {"l.txt", "cat\t1\ndog\t2\ncow\t3\n"},
        {"l.txt", "\xef\xbb\xbf"
                  "cat\rdog\rcow\r"},
        {"l.json", "{\"3\":\"cow\",\"1\":\"cat\",\"2\":\"dog\"}"},
        {"l.json", "\xef\xbb\xbf[\"cat\",\r\n\"dog\",\r\n\"cow\"]"},
        {"l.json", "{\"cow\":3,\"cat\":1,\"dog\":2}"},
        {"l.txt", "{2: 'cow', 0: 'cat',\n 1: \"dog\"}\n"},
        {"l.py", "# ours\nNAMES = ['cat', u'dog', \"c\\x6fw\",]  # all\n"},
        {"l.py", "names = {0: 'cat', '1': 'd\\u006fg', 2: 'cow'}"},
        {"config.json",
         "{\"model_type\":\"resnet\",\"id2label\":{\"2\":\"cow\",\"0\":"
         "\"cat\",\"1\":\"dog\"},\"label2id\":{\"cow\":2,\"cat\":0,"
         "\"dog\":1}}"},
        {"config.json", "{\"label2id\":{\"cow\":2,\"cat\":0,\"dog\":1}}"},
        {"config.json", "{\"label_names\":[\"cat\",\"dog\",\"cow\"]}"},
    };
    static const char *const names[] = {"cat", "dog", "cow"};
    struct rn_model *model =
        make_model("resnet8", &(struct rn_net_options){.classes = 3});

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_error err = {0};

        write_text(cases[i][0], cases[i][1]);
        if (rn_model_label(model, in_folder(cases[i][0]), &err))
            fail_msg("%s: %s", cases[i][1], err.msg);
        for (int k = 0; k < 3; k++) {
            if (strcmp(rn_model_class_name(model, k), names[k]) != 0)
                fail_msg("%s: class %d is '%s'", cases[i][1], k,
                         rn_model_class_name(model, k));
            assert_null(rn_model_class_id(model, k));
        }
    }
    rn_model_destroy(model);
}

/* Identifiers are what looks like them, or is called so; numbers that are a
 * part of the names stay. */
static void class_lists_with_identifiers(void **state)
{
    static const char *const cases[][4] = {
        /* the third class's name and identifier */
        {"l.txt", "n02119789 1 kit fox\nn02100735 3 setter\nn02096294 2 owl\n",
         "setter", "n02100735"},
        {"l.txt", "0 n01440764 tench\n2 n01484850 shark\n1 n01443537 fish\n",
         "shark", "n01484850"},
        {"l.txt", "a1\ttench\na2\tshark\na3\tgreat ray\n", "great ray", "a3"},
        {"l.csv", "n1,cat\nn2,dog\nn3,cow\n", "cow", "n3"},
        {"l.csv", "cow,2,n3\ncat,0,n1\ndog,1,n2\n", "cow", "n3"},
        {"l.csv", "id,class\nfox,Vulpes\ncat,Felis\ndog,Canis\n", "Canis",
         "dog"},
        {"l.csv", "class,label,name\nn3,2,cow\nn1,0,cat\nn2,1,dog\n", "cow",
         "n3"},
        {"config.json",
         "{\"label_names\":[\"n1\",\"n2\",\"n3\"],\"label_descriptions\":"
         "{\"n3\":\"cow\",\"n1\":\"cat\",\"n2\":\"dog\"}}",
         "cow", "n3"},
        {"l.py", "{0: ('n1', 'cat'), 1: ('n2', 'dog'), 2: ('n3', 'cow')}",
         "cow", "n3"},
        {"l.txt", "golden retriever\nsiamese cat\nday gecko\n", "day gecko",
         NULL},
        {"l.txt", "mp3 player\nmp4 player\nmp5 player\n", "mp5 player", NULL},
        {"l.txt", "level 1\nlevel 2\nlevel 3\n", "level 3", NULL},
        {"l.txt", "10 euro\n20 euro\n50 euro\n", "50 euro", NULL},
        {"l.txt", "707\n737\n747\n", "747", NULL},
        {"l.csv", "name\nlabel\nclass\n", "class", NULL},
        {"l.csv", "name\ncat\ndog\ncow\n", "cow", NULL},
    };
    struct rn_model *model =
        make_model("resnet8", &(struct rn_net_options){.classes = 3});

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_error err = {0};
        const char *id;

        write_text(cases[i][0], cases[i][1]);
        if (rn_model_label(model, in_folder(cases[i][0]), &err))
            fail_msg("%s: %s", cases[i][1], err.msg);
        id = rn_model_class_id(model, 2);
        assert_string_equal(rn_model_class_name(model, 2), cases[i][2]);
        if ((!id) != (cases[i][3] == NULL) ||
            (id && strcmp(id, cases[i][3]) != 0))
            fail_msg("%s: identifier '%s'", cases[i][1], id ? id : "none");
    }
    rn_model_destroy(model);
}

static void class_lists_without_memory(void **state)
{
    static const char *const cases[][2] = {
        {"l.txt", "n0001 1 cat\nn0002 3 dog\nn0003 2 cow\n"},
        {"l.csv", "id,label,no\nn1,cat,0\nn2,dog,2\nn3,cow,1\n"},
        {"l.py", "{0: ('n1', 'cat'), 1: ('n2', 'dog'), 2: ('n3', 'cow')}"},
    };
    struct rn_model *model =
        make_model("resnet8", &(struct rn_net_options){.classes = 3});

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int rc = RN_ERR_MEMORY;

        write_text(cases[i][0], cases[i][1]);
        for (long n = 0; rc && n < 100; n++) {
            struct rn_error err = {0};

            rn_alloc_fail_after(n);
            rc = rn_model_label(model, in_folder(cases[i][0]), &err);
            rn_alloc_fail_after(-1);
            if (rc && rc != RN_ERR_MEMORY)
                fail_msg("%s: %s", cases[i][1], err.msg);
        }
        assert_int_equal(rc, RN_OK);
    }
    rn_model_destroy(model);
}

/* ---------------------------------------------------------- preprocessing */

/* Blue first, 0..255: of Caffe's models; by the model and by the loader. */
static void caffe_order(void **state)
{
    static const double mean[3] = {103.939, 116.779, 123.68};
    struct rn_model *model = make_model("resnet8", NULL);
    struct rn_import_options o = {.preprocess = "caffe"};
    struct rn_model *back;
    struct rn_data *data;
    struct rn_error err = {0};

    enum { PLANE = 32 * 32 };
    static uint8_t pixels[3 * PLANE];
    static float image[3 * PLANE], loaded[3 * PLANE];
    (void)state;
    OK(rn_model_export(model, in_folder("c.pth"), &err));
    OK(import(&back, in_folder("c.pth"), &o, &err));
    OK(rn_data_open(&data, "synthetic:3x32x32:10:20", NULL, &err));
    OK(rn_data_image(data, RN_PART_TRAIN, 3, pixels, NULL, &err));
    OK(rn_model_preprocess(back, pixels, image, &err));
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < PLANE; i++) {
            double wanted = pixels[(2 - c) * PLANE + i] - mean[c];

            if (fabs((double)image[c * PLANE + i] - wanted) > 1e-3)
                fail_msg("channel %zu, pixel %zu: %g, expected %g", c, i,
                         (double)image[c * PLANE + i], wanted);
        }
    const struct rn_loader_config config = {
        .data = data,
        .part = RN_PART_TRAIN,
        .bgr = back->preprocessing.bgr,
        .mean = back->preprocessing.mean,
        .std = back->preprocessing.std,
    };
    rn_image_prepare(&config, (struct rn_pick){.index = 3}, loaded);
    assert_memory_equal(loaded, image, sizeof(image));
    rn_data_close(data);
    rn_model_destroy(back);
    rn_model_destroy(model);
}

static void every_preset(void **state)
{
    const char *name, *description;
    struct rn_model *model = make_model("resnet8", NULL);
    struct rn_model *grey =
        make_model("resnet8", &(struct rn_net_options){.channels = 1});
    struct rn_error err = {0};
    size_t n = 0;

    (void)state;
    OK(rn_model_export(model, in_folder("c.pth"), &err));
    OK(rn_model_export(grey, in_folder("g.pth"), &err));
    for (; (name = rn_preprocess_name(n, &description)); n++) {
        struct rn_import_options o = {.preprocess = name};
        struct rn_model *back;

        OK(import(&back, in_folder("c.pth"), &o, &err));
        if (!back->preprocessing.mean != !strcmp(name, "none"))
            fail_msg("'%s' gave %s", name,
                     back->preprocessing.mean ? "a mean" : "none");
        rn_model_destroy(back);
        int rc = import(&back, in_folder("g.pth"), &o, &err);
        bool any = !strcmp(name, "zero-one") || !strcmp(name, "half") ||
                   !strcmp(name, "googlenet") ||
                   !strcmp(name, "inception-v3") || !strcmp(name, "none");
        if (rc != (any ? RN_OK : RN_ERR_ARG))
            fail_msg("'%s' for one channel: %d", name, rc);
        rn_model_destroy(back);
    }
    assert_true(n >= 8);
    rn_model_destroy(model);
    rn_model_destroy(grey);
}

/* ------------------------------------------------------------- real files */

static const char *shared_file(const char *name)
{
    static char path[500];
    const char *shared = getenv("RN_SHARED");

    snprintf(path, sizeof(path), "%s/data/%s", shared ? shared : "../shared",
             name);
    if (rn_is_file(path))
        return path;
    print_message("no %s: skipped\n", path);
    return NULL;
}

/* The real images: in RN_CIFAR10, or made of ../shared/data. */
static const char *real_cifar10(void)
{
    const char *path = getenv("RN_CIFAR10"), *script;
    char command[800];

    if (path)
        return path;
    script = shared_file("cifar10/cifar10.py");
    if (!script)
        return NULL;
    path = in_folder("cifar10");
    snprintf(command, sizeof(command),
             "/usr/bin/python3 '%s' '%s' >/dev/null 2>&1", script, path);
    if (system(command) == 0)
        return path;
    print_message("%s could not make the images: skipped\n", script);
    return NULL;
}

/* Whether RN_TEST_FAST asks for less work: then the tests of real weights count
 * the first test images alone, in float32. */
static bool fast(void)
{
    return getenv("RN_TEST_FAST") != NULL;
}

enum { FIRST = 1000 };

/* Of real CIFAR-10 what is to be counted. */
static struct rn_data *open_cifar10(const char *path)
{
    static uint8_t pixels[FIRST][3 * 32 * 32];
    static int32_t labels[FIRST];
    struct rn_arrays arrays = {
        .struct_size = sizeof(arrays),
        .channels = 3,
        .height = 32,
        .width = 32,
        .classes = 10,
        .count[RN_PART_TEST] = FIRST,
        .pixels[RN_PART_TEST] = pixels[0],
        .labels[RN_PART_TEST] = labels,
    };
    struct rn_data *data, *first;
    struct rn_error err = {0};

    OK(rn_data_open(&data, path, NULL, &err));
    if (!fast())
        return data;
    for (int i = 0; i < FIRST; i++)
        OK(rn_data_image(data, RN_PART_TEST, i, pixels[i], &labels[i], &err));
    OK(rn_data_from_arrays(&first, &arrays, &err));
    rn_data_close(data);
    return first;
}

/* How many a model gets right of all test images, and of the first. */
struct right {
    int all, first;
};

static double check_right(const struct rn_model *model,
                          const struct rn_data *data, const char *name,
                          const struct right *expected)
{
    int wanted = fast() ? expected->first : expected->all;
    struct rn_eval_result result;
    struct rn_error err;

    OK(rn_eval(model, data, RN_PART_TEST, NULL, &result, &err));
    double right = result.images * (1 - result.top1_error / 100);
    if (lround(right) != wanted)
        fail_msg("%s: %.0f of %d right, expected %d", name, right,
                 result.images, wanted);
    return result.top1_error;
}

/* In bfloat16 within 0.3 points of float32's error. */
static void check_bf16(const struct rn_model *model, const struct rn_data *data,
                       const char *name, double top1_error)
{
    struct rn_eval_options options;
    struct rn_eval_result result;
    struct rn_error err;

    if (!rn_isa()->bf16 || fast())
        return;
    rn_eval_defaults(&options);
    options.precision = RN_PRECISION_BF16;
    OK(rn_eval(model, data, RN_PART_TEST, &options, &result, &err));
    print_message("# %s: %.2f %% in float32, %.2f %% in bfloat16\n", name,
                  top1_error, result.top1_error);
    assert_true(fabs(result.top1_error - top1_error) <= 0.3);
}

/* Quantised, too; and by default nothing but what that costs keeps a layer in
 * float32. */
static void check_int8(struct rn_model *model, const struct rn_data *data,
                       const char *name)
{
    struct rn_quantize_options options;
    struct rn_quantize_result result;
    struct rn_error err;

    if (fast())
        return;
    rn_quantize_defaults(&options);
    OK(rn_quantize(model, data, &options, &result, &err));
    print_message(
        "# %s: %.2f %% in float32, %.2f %% in int8, %d of %d layers\n", name,
        result.error_before, result.error_after, result.quantized,
        result.layers);
    assert_true(result.error_after - result.error_before <= 0.3);
}

/* ../shared/data/README.md: ResNet-20 on the first test image. */
static void check_first_logits(const struct rn_model *model,
                               const struct rn_data *data)
{
    static const double expected[10] = {-5.3097, -0.4958, 0.8773,  23.7305,
                                        -4.105,  4.4637,  -0.2343, -5.4179,
                                        -3.7118, -9.8822};
    static uint8_t pixels[3 * 32 * 32];
    static float image[3 * 32 * 32];
    float logits[10];
    struct rn_plan_options options;
    struct rn_plan *plan;
    struct rn_error err = {0};

    rn_plan_defaults(&options);
    options.batch = 1;
    options.threads = 1;
    OK(rn_plan_create(&plan, model, &options, &err));
    OK(rn_data_image(data, RN_PART_TEST, 0, pixels, NULL, &err));
    OK(rn_model_preprocess(model, pixels, image, &err));
    OK(rn_plan_forward(plan, image, logits, &err));
    for (int i = 0; i < 10; i++)
        if (fabs((double)logits[i] - expected[i]) >
            1e-4 * (1 + fabs(expected[i])))
            fail_msg("logit %d is %.5f, expected %.4f", i, (double)logits[i],
                     expected[i]);
    rn_plan_destroy(plan);
}

/* Others' weights on the test images, right as often as in PyTorch. */
static void real_cifar_weights(void **state)
{
    static const struct {
        const char *file, *net;
        struct right right;
    } cases[] = {
        {"weights/cifar10-akamaster/resnet20-12fca82f.th",
         "resnet20",
         {9173, 915}},
        {"weights/cifar10-akamaster/resnet44-014dd654.th",
         "resnet44",
         {9310, 933}},
    };
    const char *path = real_cifar10();
    struct rn_data *data;
    struct rn_error err = {0};
    (void)state;
    if (!path)
        skip();
    data = open_cifar10(path);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_model *model;
        const char *file = shared_file(cases[i].file);

        if (!file)
            skip();
        OK(import(&model, file, NULL, &err));
        assert_string_equal(model->spec.name, cases[i].net);
        assert_said("A-split");
        double error = check_right(model, data, cases[i].net, &cases[i].right);
        check_bf16(model, data, cases[i].net, error);
        if (i == 0)
            check_first_logits(model, data);
        check_int8(model, data, cases[i].net);
        rn_model_destroy(model);
    }
    rn_data_close(data);
}

/* ---------------------------------------------------------- other files */

/* What people give instead of a model is called by its name. */
static void files_of_other_kinds_are_named(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t size;
        const char *said;
    } cases[] = {
#define BYTES(text) text, sizeof(text) - 1
        {"a.pth", BYTES("version https://git-lfs.github.com/spec/v1\noid "),
         "a Git LFS pointer to the file, not the file itself; fetch it"},
        {"a.pth", BYTES("\n <!DOCTYPE html><html>"), "a page of the web"},
        {"a.bin", BYTES("\xef\xbb\xbf<HTML>"), "a page of the web"},
        {"a.pth", BYTES(""), "empty (0 bytes)"},
        {"a.h5", BYTES("\x89HDF\r\n\x1a\n\0\0"), "an HDF5 file"},
        {"a.tflite", BYTES("\x1c\0\0\0TFL3"), "a TensorFlow Lite model"},
        {"checkpoint", BYTES("model_checkpoint_path: \"m\"\n"),
         "a TensorFlow checkpoint"},
        {"saved_model.pb", BYTES("\x08\x01\x12\x03"), "SavedModel"},
        {"frozen.pb", BYTES("\x0a\x10\x0a\x01x\x12\x0bPlaceholder"),
         "a graph of TensorFlow's"},
        {"a.npy", BYTES("\x93NUMPY\x01\0"), "a NumPy array"},
        {"a.gguf", BYTES("GGUF\x03\0\0\0"), "a GGUF file"},
        {"a.mlmodel", BYTES("\x08\x03\x12\x05"), "Core ML"},
        {"a.engine", BYTES("ftrt\0\0"), "a TensorRT engine"},
        {"a.ort", BYTES("\x18\0\0\0ORTM"), "ONNX Runtime's own format"},
        {"a.params", BYTES("\x12\x01\0\0\0\0\0\0\0"), "MXNet"},
        {"a.pth.gz", BYTES("\x1f\x8b\x08\0"), "compressed with gzip; unpack"},
        {"a.pth", BYTES("\xff\xd8\xff\xe0"), "a picture (JPEG)"},
        {"a.xml", BYTES("<?xml version=\"1.0\"?><net name=\"m\">"), "OpenVINO"},
        {"a.bmp", BYTES("BM\x36\x0c\0\0\0\0\0\0\x36"), "a picture (BMP)"},
        {"a.txt", BYTES("resnet50 weights\nas of today"),
         "a text that begins 'resnet50 weights'"},
        {"a.bin", BYTES("\x01\x02\xfe"), "its first bytes, 01 02 fe, are of"},
        {"config.json", BYTES("{\"architectures\": [\"ResNet\"]}"),
         "describes a network and holds no weights"},
        {"a.caffemodel", BYTES("version https://git-lfs"), "a Git LFS pointer"},
        {"a.weights", BYTES("<html>"), "a page of the web"},
#undef BYTES
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_model *model;
        struct rn_error err = {0};
        const char *path = in_folder(cases[i].name);

        OK(rn_file_write(path, cases[i].bytes, cases[i].size, &err));
        int rc = rn_model_load(&model, path, &err);
        if (rc != RN_ERR_DATA || !strstr(err.msg, cases[i].said))
            fail_msg("case %zu: %d, '%s', expected '%s'", i, rc, err.msg,
                     cases[i].said);
        assert_null(model);
        unlink(path);
    }
}

/* A header's length may have any first bytes: those of a picture, say. */
static void lengths_are_no_magic(void **state)
{
    const uint8_t bytes[] = {'B', 'M', 0, 0, 0, 0, 0, 0, '{', '}', 0, 0, 0};
    struct rn_model *model;
    struct rn_error err = {0};

    (void)state;
    OK(rn_file_write(in_folder("m.safetensors"), bytes, sizeof(bytes), &err));
    assert_int_equal(rn_model_load(&model, in_folder("m.safetensors"), &err),
                     RN_ERR_DATA);
    assert_null(strstr(err.msg, "picture"));
}

/* Weights nothing can be computed with are listed, and may be looked at. */
static void weights_must_be_numbers(void **state)
{
    static const struct {
        const char *tensor;
        float value;
        const char *said;
    } cases[] = {
        {"fc.weight", NAN, "1 of 640 in fc.weight, the first nan"},
        {"conv1.weight", -INFINITY, "1 of 432 in conv1.weight, the first -inf"},
        {"bn1.running_var", -1, "1 tensor has variances that are not positive"},
    };
    struct rn_import_options o;
    struct rn_model *model, *back;
    struct rn_error err = {0};
    (void)state;
    rn_import_defaults(&o);
    o.message = on_message;
    for (size_t i = 0; i < COUNT(cases); i++) {
        OK(rn_model_create(&model, "resnet8", NULL, &err));
        rn_model_init(model, 1);
        rn_graph_param(model->graph, cases[i].tensor)->data[5] = cases[i].value;
        OK(rn_model_save(model, in_folder("m.safetensors"), &err));
        rn_model_destroy(model);
        int rc = rn_model_load(&back, in_folder("m.safetensors"), &err);
        if (rc != RN_ERR_DATA || !strstr(err.msg, cases[i].said))
            fail_msg("%s: %d, '%s'", cases[i].tensor, rc, err.msg);
        o.not_finite = 1;
        said[0] = '\0';
        OK(rn_model_import(&back, in_folder("m.safetensors"), &o, &err));
        assert_said(cases[i].said);
        rn_model_destroy(back);
    }
}

#define MORE "weights/cifar10-more/"

/* Other people's, as often right as in PyTorch; and one that is no network of
 * ours. */
static void real_cifar_weights_of_others(void **state)
{
    static const float mean[3] = {0.4914f, 0.4822f, 0.4465f};
    static const float std[3] = {0.247f, 0.243f, 0.261f};

    static const struct {
        const char *file;
        struct rn_import_options o;
        const char *said;
        struct right right;
        const char *weights; /* in a file of their own */
    } cases[] = {
        {"theo-resnet20.pth",
         {.preprocess = "akamaster"},
         "A-split",
         {9147, 927},
         NULL},
        {"theo-resnet56.pth",
         {.preprocess = "akamaster"},
         "A-split",
         {9310, 938},
         NULL},
        {"zhengjiakun-resnet20-model.th", {0}, "A-split", {9200, 910}, NULL},
        {"benjames03-resnet20.pth",
         {.mean = mean, .means = 3, .std = std, .stds = 3},
         "resnet20",
         {9156, 921},
         NULL},
        {"amandashi95-resnet20.onnx",
         {.preprocess = "akamaster"},
         "resnet20",
         {9172, 921},
         NULL},
        {"test_ResNet_20.prototxt",
         {.height = 32, .channel_order = "rgb"},
         "resnet20",
         {9223, 931},
         "cifar10_ResNet_20_iter_53500.caffemodel"},
        {"test_SE-ResNet_20.prototxt",
         {.height = 32, .channel_order = "rgb"},
         "files of a se-resnet20 for 10 classes",
         {9251, 933},
         "cifar10_SE-ResNet_20_iter_53000.caffemodel"},
    };
    const char *path = real_cifar10();
    struct rn_data *data;
    struct rn_error err = {0};
    (void)state;
    if (!path || !shared_file(MORE "theo-resnet20.pth"))
        skip();
    data = open_cifar10(path);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_import_options o = cases[i].o;
        struct rn_model *model;
        char name[100], weights[500];

        if (cases[i].weights) {
            snprintf(name, sizeof(name), MORE "%s", cases[i].weights);
            snprintf(weights, sizeof(weights), "%s", shared_file(name));
            o.weights = weights;
        }
        snprintf(name, sizeof(name), MORE "%s", cases[i].file);
        OK(import(&model, shared_file(name), &o, &err));
        assert_said(cases[i].said);
        double error = check_right(model, data, cases[i].file, &cases[i].right);
        check_bf16(model, data, cases[i].file, error);
        check_int8(model, data, cases[i].file);
        rn_model_destroy(model);
    }
    rn_data_close(data);
    path = shared_file(MORE "fattorib-resnet20.pth");
    struct rn_model *model;
    assert_int_equal(import(&model, path, NULL, &err), RN_ERR_DATA);
    assert_non_null(strstr(err.msg, "convolutions and"));
}

/* A DenseNet of kuangliu's for photos of retinas: PyTorch's logits. */
static void a_real_densenet_of_kuangliu(void **state)
{
    static const double logits[] = {4.980845, -3.195030, 2.021495, -2.365750,
                                    -1.341520};
    const char *path = shared_file(MORE "zhuyuze-densenet.pth");
    enum { SIDE = 100 };
    float *image = calloc(3 * SIDE * SIDE, sizeof(*image)), got[5];
    struct rn_plan_options o;
    struct rn_import_options like;
    struct rn_model *model;
    struct rn_plan *plan;
    struct rn_error err = {0};
    uint32_t seed = 9;

    (void)state;
    assert_non_null(image);
    if (!path) {
        free(image);
        skip();
    }
    rn_import_defaults(&like);
    like.height = SIDE;
    OK(import(&model, path, &like, &err));
    assert_said("a densenet-bc-12x14x12x14-12 for 5 classes under kuangliu");
    for (int i = 0; i < 3 * SIDE * SIDE; i++)
        image[i] = number(&seed);
    rn_plan_defaults(&o);
    o.batch = 1;
    OK(rn_plan_create(&plan, model, &o, &err));
    OK(rn_plan_forward(plan, image, got, &err));
    for (size_t i = 0; i < COUNT(logits); i++)
        if (!(fabs((double)got[i] - logits[i]) < 1e-4))
            fail_msg("class %zu: %.6f, expected %.6f", i, (double)got[i],
                     logits[i]);
    rn_plan_destroy(plan);
    rn_model_destroy(model);
    free(image);
}

/* Trained ImageNet networks under torchvision's names. */
static void real_imagenet_weights(void **state)
{
    static const struct {
        const char *file, *net;
        uint64_t params;
    } cases[] = {
        {"weights/imagenet-resnet18/kbits-resnet18.pth", "resnet18", 11689512},
        {"weights/imagenet-resnet50/kbits-resnet50.pth", "resnet50", 25557032},
    };
    char script[500], command[1600];
    const char *path = shared_file("weights/expand.py");
    (void)state;
    if (!path)
        skip();
    snprintf(script, sizeof(script), "%s", path);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rn_model *model;
        struct rn_model_info info;
        struct rn_error err = {0};
        const char *out = in_folder("expanded.safetensors");

        path = shared_file(cases[i].file);
        if (!path)
            skip();
        snprintf(command, sizeof(command),
                 "/usr/bin/python3 '%s' '%s' '%s' >/dev/null 2>&1", script,
                 path, out);
        assert_int_equal(system(command), 0);
        OK(import(&model, out, NULL, &err));
        rn_model_describe(model, &info);
        assert_string_equal(info.net, cases[i].net);
        assert_int_equal(info.params, cases[i].params);
        assert_int_equal(info.classes, 1000);
        assert_int_equal(info.resize, 256);
        assert_said("preprocessing 'torchvision' taken");
        assert_true(!strstr(said, "v1.5") == (i == 0));
        assert_null(rn_model_not_finite(model));
        rn_model_destroy(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_are_recognised),
        cmocka_unit_test(names_of_others),
        cmocka_unit_test(sources_mean_strides_and_pools),
        cmocka_unit_test(preactivation_of_others),
        cmocka_unit_test(other_networks_are_named),
        cmocka_unit_test(uneven_widths_are_named),
        cmocka_unit_test(known_sources_have_habits),
        cmocka_unit_test(cadene_pools_as_caffe),
        cmocka_unit_test(timm_describes_legacy_networks),
        cmocka_unit_test(kuangliu_densenets_are_turned),
        cmocka_unit_test(callers_name_networks),
        cmocka_unit_test(blurs_are_right),
        cmocka_unit_test(unusual_networks_are_stored),
        cmocka_unit_test(unusual_networks_are_refused),
        cmocka_unit_test(functions_are_said),
        cmocka_unit_test(unusual_options_are_checked),
        cmocka_unit_test(eps_and_order),
        cmocka_unit_test(descriptions_are_read),
        cmocka_unit_test(strides_are_described),
        cmocka_unit_test(strange_descriptions),
        cmocka_unit_test(misfits_are_listed),
        cmocka_unit_test(senseless_options_are_refused),
        cmocka_unit_test(exports_are_whole),
        cmocka_unit_test(own_files_stay_what_they_are),
        cmocka_unit_test(hostile_descriptions),
        cmocka_unit_test(short_of_memory),
        cmocka_unit_test(class_lists),
        cmocka_unit_test(class_lists_by_number),
        cmocka_unit_test(class_lists_with_identifiers),
        cmocka_unit_test(class_lists_without_memory),
        cmocka_unit_test(caffe_order),
        cmocka_unit_test(every_preset),
        cmocka_unit_test(files_of_other_kinds_are_named),
        cmocka_unit_test(lengths_are_no_magic),
        cmocka_unit_test(weights_must_be_numbers),
        cmocka_unit_test(real_cifar_weights),
        cmocka_unit_test(real_cifar_weights_of_others),
        cmocka_unit_test(a_real_densenet_of_kuangliu),
        cmocka_unit_test(real_imagenet_weights),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
