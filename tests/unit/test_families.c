/* SPDX-License-Identifier: BSD-2-Clause */
/* Every family of networks fills in every column of struct rn_family, and the
 * columns agree with each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "foreign.h"

#include "core/memory.h"
#include "formats/torch/recognise.h"
#include "model/file.h"
#include "model/presets.h"
#include "nets/family.h"
#include "nets/stages.h"

#include <stdio.h>
#include <string.h>

/* Walk all examples of all families. */
static void each_example(void (*check)(const struct rn_family *family,
                                       const char *name))
{
    const struct rn_family *family;

    for (size_t i = 0; (family = rn_family_at(i)); i++)
        for (const struct rn_net_listed *l = family->listed; l->name; l++)
            check(family, l->example);
}

static struct rn_graph *build(struct rn_net_spec *spec, const char *name)
{
    struct rn_graph *g = NULL;
    struct rn_error err = {0};

    if (rn_net_resolve(spec, name, NULL, &err) || rn_net_build(&g, spec, &err))
        fail_msg("%s: %s", name, err.msg);
    return g;
}

/* Members are pointers, all of them, so that none can be forgotten here. */
static void no_column_is_empty(void **state)
{
    const struct rn_family *family;

    (void)state;
    for (size_t i = 0; (family = rn_family_at(i)); i++)
        for (size_t at = 0; at < sizeof(*family); at += sizeof(void *)) {
            void *member;

            memcpy(&member, (const char *)family + at, sizeof(member));
            if (!member)
                fail_msg("family %zu: the member at byte %zu is NULL", i, at);
        }
    for (size_t i = 0; (family = rn_family_at(i)); i++) {
        assert_ptr_equal(rn_family_named(family->name), family);
        assert_non_null(family->listed[0].name);
        assert_non_null(family->words[0].text);
        assert_non_null(family->stages[0]);
        assert_non_null(family->weights[0]);
    }
    assert_null(rn_family_named(RN_FAMILY_GRAPH));
}

static bool is_listed(const char *name)
{
    const char *listed;

    for (size_t i = 0; (listed = rn_net_name(i, NULL)); i++)
        if (strcmp(listed, name) == 0)
            return true;
    return false;
}

static void check_name(const struct rn_family *family, const char *name)
{
    struct rn_net_spec spec;
    char near[64];
    bool begins = false;

    assert_int_equal(rn_net_resolve(&spec, name, NULL, NULL), RN_OK);
    if (spec.family != family)
        fail_msg("%s: taken by family %s", name, spec.family->name);
    assert_string_equal(spec.name, name);
    assert_true(spec.depth > 0 && spec.classes > 0 && spec.input.c == 3);
    for (const struct rn_net_word *w = family->words; w->text; w++)
        begins |= strncmp(name, w->text, strlen(w->text)) == 0 &&
                  (!w->has || w->has(spec.depth));
    if (!begins)
        fail_msg("%s: begins with no word of its family", name);
    /* What is suggested for any name is a name. */
    snprintf(near, sizeof(near), "%s?", name);
    assert_non_null(rn_net_suggest(near, near, sizeof(near)));
    assert_int_equal(rn_net_resolve(&spec, near, NULL, NULL), RN_OK);
}

static void names_are_read(void **state)
{
    const struct rn_family *family;

    (void)state;
    each_example(check_name);
    for (size_t i = 0; (family = rn_family_at(i)); i++)
        for (const struct rn_net_listed *l = family->listed; l->name; l++)
            assert_true(is_listed(l->name) && *l->description);
}

static void check_layers(const struct rn_family *family, const char *name)
{
    struct rn_net_spec spec;
    struct rn_graph *g = build(&spec, name);
    const int head = rn_net_head_param(g, RN_P_WEIGHT);
    uint64_t floats = 0;
    char weight[64];

    assert_true(head >= 0);
    snprintf(weight, sizeof(weight), "%s.weight", family->head);
    assert_string_equal(g->params[head].name, weight);
    assert_int_equal(g->params[head].dim[0], spec.classes);
    assert_int_equal(g->nodes[g->output].shape.c, spec.classes);
    assert_ptr_equal(g->stages, family->stages);
    assert_true(rn_stages_count(g) <= RN_STAGES);
    for (size_t i = 0; i < g->n_params; i++) {
        floats += g->params[i].count;
        if (g->params[i].stage < 1 || g->params[i].stage > rn_stages_count(g))
            fail_msg("%s: %s is of no stage", name, g->params[i].name);
    }
    assert_true(family->least_floats(&spec) <= floats);
    rn_graph_destroy(g);
}

static void layers_agree(void **state)
{
    const struct rn_family *family;

    (void)state;
    each_example(check_layers);
    for (size_t i = 0; (family = rn_family_at(i)); i++)
        for (const char *const *stage = family->stages; *stage; stage++) {
            assert_null(strpbrk(*stage, "-,="));
            assert_true(rn_stages_known(*stage, strlen(*stage)));
        }
}

/* A family that cannot be built in an unusual way says so. */
static void check_unusual(const struct rn_family *family, const char *name)
{
    struct rn_net_spec spec;
    struct rn_graph *usual = build(&spec, name), *other = NULL;
    struct rn_error err = {0};

    (void)family;
    spec.activation = RN_ACTIVATION_SILU;
    if (rn_net_build(&other, &spec, &err) == RN_OK)
        assert_true(other->n_nodes > usual->n_nodes);
    else
        assert_non_null(strstr(err.msg, name));
    rn_graph_destroy(usual);
    rn_graph_destroy(other);
}

static void what_is_unusual_is_built_or_refused(void **state)
{
    (void)state;
    each_example(check_unusual);
}

/* A description that is read says again what it said. */
static void check_text(const struct rn_family *family, const char *name,
                       const struct rn_net_options *options)
{
    struct rn_model *model, *back;
    struct rn_error err = {0};
    char *text, *again;

    (void)family;
    if (rn_model_create(&model, name, options, &err))
        return; /* not one of its options */
    OK(rn_model_text(&text, model, true, "file", &err));
    OK(rn_model_from_text(&back, "file", text, 10000, UINT64_C(1) << 40, &err));
    OK(rn_model_text(&again, back, true, "file", &err));
    assert_string_equal(text, again);
    assert_int_equal(back->graph->n_params, model->graph->n_params);
    rn_free(text);
    rn_free(again);
    rn_model_destroy(model);
    rn_model_destroy(back);
}

static void check_description(const struct rn_family *family, const char *name)
{
    static const struct rn_net_options options[] = {
        {0},
        {.classes = 7, .shortcut = 'a'},
        {.shortcut = 'C', .stride_v1 = 1},
        {.stride_v1 = 1},
        {.classes = 5, .aux_heads = 1},
        {.block = "bottleneck"},
        {.dropout = 0.3}};

    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
        check_text(family, name, &options[i]);
}

static void descriptions_are_read_back(void **state)
{
    const struct rn_family *family;

    (void)state;
    each_example(check_description);
    for (size_t i = 0; (family = rn_family_at(i)); i++)
        for (const struct rn_net_attribute *a = family->attributes; a->key; a++)
            assert_true(a->put && a->expected);
}

static void state_of(struct rn_state *s, const struct rn_graph *g)
{
    struct rn_error err = {0};

    OK(rn_state_start(s, "file.pth", &err));
    for (size_t i = 0; i < g->n_params; i++) {
        const struct rn_param *p = &g->params[i];
        struct rn_state_tensor t = {.dims = p->dims, .count = p->count};

        memcpy(t.dim, p->dim, sizeof(p->dim));
        OK(rn_state_add(s, &t, p->name, strlen(p->name), &err));
    }
    OK(rn_state_finish(s, &err));
}

/* By its tensors a network is known as itself, or as one of the same. */
static void check_tensors(const struct rn_family *family, const char *name)
{
    struct rn_net_spec spec;
    struct rn_graph *g = build(&spec, name), *found = NULL;
    struct rn_net_options options = {0};
    struct rn_state s;
    struct rn_recognised r;
    struct rn_error err = {0};

    state_of(&s, g);
    OK(rn_rename(&r, &s, NULL, &err));
    OK(rn_recognise(&r, &s, &err));
    assert_ptr_equal(r.network.family, family);
    assert_false(rn_recognised_stranger(&r));
    assert_int_equal(r.classes, spec.classes);
    assert_int_equal(r.channels, spec.input.c);
    options.shortcut = r.network.shortcut;
    options.block = r.network.block;
    OK(rn_net_resolve(&spec, r.network.net, &options, &err));
    OK(rn_net_build(&found, &spec, &err));
    assert_int_equal(found->n_params, g->n_params);
    for (size_t i = 0; i < g->n_params; i++)
        assert_string_equal(found->params[i].name, g->params[i].name);
    rn_recognised_free(&r);
    rn_state_close(&s);
    rn_graph_destroy(g);
    rn_graph_destroy(found);
}

static void tensors_tell_the_network(void **state)
{
    (void)state;
    each_example(check_tensors);
}

static void habits_are_known(void **state)
{
    const struct rn_family *family;
    const struct rn_preset *preset;
    struct rn_error err = {0};

    (void)state;
    for (size_t i = 0; (family = rn_family_at(i)); i++) {
        for (const struct rn_net_habit *h = family->habits; h->source; h++)
            if (h->preprocess)
                OK(rn_preset_find(h->preprocess, &preset, &err));
        for (const struct rn_net_rule *rule = family->rules; rule->from; rule++)
            assert_true(rule->to && rule->source->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_column_is_empty),
        cmocka_unit_test(names_are_read),
        cmocka_unit_test(layers_agree),
        cmocka_unit_test(what_is_unusual_is_built_or_refused),
        cmocka_unit_test(descriptions_are_read_back),
        cmocka_unit_test(tensors_tell_the_network),
        cmocka_unit_test(habits_are_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
