/* SPDX-License-Identifier: BSD-2-Clause */
/* From a name to a spec, and from a spec to a graph, by asking each family in
 * turn. */
#include "nets/nets.h"

#include "core/locale.h"
#include "core/sized.h"
#include "nets/family.h"
#include "nets/stages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_CLASSES  65535
#define MOST_CHANNELS 65535
#define MOST_PIXELS   65535 /* a side */
#define NEAR_EDITS    2     /* a word further off is another word */
#define WORD_SIZE     24

const char *rn_net_family_name(const struct rn_net_spec *spec)
{
    return spec->family ? spec->family->name : RN_FAMILY_GRAPH;
}

void rn_net_sure(const struct rn_net_spec *spec,
                 const struct rn_net_found *found,
                 const struct rn_net_given *given, rn_net_say *say, void *user)
{
    (void)spec, (void)found, (void)given, (void)say, (void)user;
}

const struct rn_net_start rn_start_usual = {.linear = 0};

/* -------------------------------------------------------- suggestions */

/* Letters up to the first digit, lower case; false when too long. */
static bool first_word(const char *name, char word[WORD_SIZE])
{
    size_t i;

    for (i = 0; name[i] && !rn_is_digit(name[i]); i++) {
        if (i + 1 >= WORD_SIZE)
            return false;
        word[i] = rn_lower(name[i]);
    }
    word[i] = '\0';
    return true;
}

static const struct rn_net_word *nearest_word(const char *text)
{
    const struct rn_net_word *best = NULL;
    const struct rn_family *family;
    int best_edits = NEAR_EDITS + 1;

    for (size_t i = 0; (family = rn_family_at(i)); i++)
        for (const struct rn_net_word *w = family->words; w->text; w++) {
            int edits = rn_spelling_distance(text, w->text);

            if (edits >= 0 && edits < best_edits &&
                2 * edits < (int)strlen(w->text)) {
                best_edits = edits;
                best = w;
            }
        }
    return best;
}

/* The longest word that the name begins with, followed by a digit. */
static const struct rn_net_word *leading_word(const char *name)
{
    const struct rn_net_word *best = NULL;
    const struct rn_family *family;

    for (size_t i = 0; (family = rn_family_at(i)); i++)
        for (const struct rn_net_word *w = family->words; w->text; w++) {
            size_t n = strlen(w->text);

            if (strncmp(name, w->text, n) == 0 && rn_is_digit(name[n]) &&
                (!best || n > strlen(best->text)))
                best = w;
        }
    return best;
}

/* Whether any family has such a network of so many layers. */
static bool has_layers(const char *word, int layers)
{
    const struct rn_family *family;

    for (size_t i = 0; (family = rn_family_at(i)); i++)
        for (const struct rn_net_word *w = family->words; w->text; w++)
            if (strcmp(w->text, word) == 0 && w->has && w->has(layers))
                return true;
    return false;
}

/* The smaller one of two as near. */
static int nearest_layers(const char *word, int layers)
{
    for (int d = 0; d <= RN_NET_LAYERS; d++) {
        if (has_layers(word, layers - d))
            return layers - d;
        if (has_layers(word, layers + d))
            return layers + d;
    }
    return -1;
}

/* The number in a name, at most RN_NET_LAYERS; 20 where there is none. */
static int wanted_layers(const char *digits)
{
    long layers;

    if (!*digits)
        return 20;
    layers = strtol(digits, NULL, 10);
    return layers < RN_NET_LAYERS ? (int)layers : RN_NET_LAYERS;
}

static bool parse(struct rn_net_spec *spec, const char *name);

const char *rn_net_suggest(const char *name, char *buf, size_t size)
{
    char text[WORD_SIZE];
    const struct rn_net_word *word;
    struct rn_net_spec spec;
    int layers, length;

    if (!name || !buf)
        return NULL;
    /* A known name is nearest to itself. */
    if (strlen(name) < size && parse(&spec, name))
        return name == buf ? buf : strcpy(buf, name);
    word = leading_word(name);
    if (word)
        snprintf(text, sizeof(text), "%s", word->text);
    else if (first_word(name, text))
        word = nearest_word(text);
    if (!word)
        return NULL;
    layers = nearest_layers(word->text, wanted_layers(name + strlen(text)));
    length = layers < 0 ? snprintf(buf, size, "%s%s", word->text, word->usual)
                        : snprintf(buf, size, "%s%d%s", word->text, layers,
                                   word->usual);
    return length > 0 && (size_t)length < size ? buf : NULL;
}

const char *rn_net_name(size_t i, const char **description)
{
    size_t count = 0;

    while (rn_family_at(count))
        count++;
    for (size_t k = count; k > 0; k--)
        for (const struct rn_net_listed *l = rn_family_at(k - 1)->listed;
             l->name; l++)
            if (i-- == 0) {
                if (description)
                    *description = l->description;
                return l->name;
            }
    return NULL;
}

/* ---------------------------------------------------------- resolving */

void rn_net_defaults_sized(struct rn_net_options *options, size_t size)
{
    const struct rn_net_options defaults = {.classes = 0};

    RN_GIVE_DEFAULTS(options, size, &defaults);
}

static int fail_unknown(const char *name, struct rn_error *err)
{
    char buf[64];
    const char *near = rn_net_suggest(name, buf, sizeof(buf));

    if (near)
        return rn_fail(err, RN_ERR_ARG,
                       "unknown network '%.60s', did you mean '%s'?", name,
                       near);
    return rn_fail(err, RN_ERR_ARG,
                   "unknown network '%.60s', expected resnet or plain and a "
                   "number of layers, as in 'resnet20'",
                   name);
}

const char *rn_net_read_number(const char *text, size_t digits, int *out)
{
    size_t length = text ? strspn(text, "0123456789") : 0;

    if (length == 0 || length > digits || *text == '0')
        return NULL;
    *out = atoi(text);
    return text + length;
}

const struct rn_net_word *rn_net_read_word(const struct rn_net_word *words,
                                           const char *name, int *layers,
                                           const char **tail)
{
    for (const struct rn_net_word *w = words; w->text; w++) {
        size_t length = strlen(w->text);

        if (strncmp(name, w->text, length) != 0)
            continue;
        *tail = rn_net_read_number(name + length, 5, layers);
        if (*tail && w->has && w->has(*layers))
            return w;
    }
    return NULL;
}

/* `wanted` when given, else the default; within 1..most. */
static int pick(int *out, int wanted, int standard, int most, const char *what,
                struct rn_error *err)
{
    *out = wanted ? wanted : standard;
    if (*out >= 1 && *out <= most)
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG, "%s is %d, expected 1 to %d", what, *out,
                   most);
}

static int resolve_sizes(struct rn_net_spec *spec,
                         const struct rn_net_options *o, struct rn_error *err)
{
    struct rn_shape *in = &spec->input;
    int rc = pick(&spec->classes, o->classes, spec->classes, MOST_CLASSES,
                  "number of classes", err);

    if (rc == RN_OK)
        rc = pick(&in->c, o->channels, in->c, MOST_CHANNELS,
                  "number of input channels", err);
    if (rc == RN_OK)
        rc = pick(&in->h, o->height, in->h, MOST_PIXELS, "image height", err);
    if (rc == RN_OK)
        rc = pick(&in->w, o->width, in->h, MOST_PIXELS, "image width", err);
    return rc;
}

int rn_net_no_blocks(const struct rn_net_spec *spec,
                     const struct rn_net_options *options, struct rn_error *err)
{
    if (options->block)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' leaves no choice of blocks, but `block` %s was "
                       "given",
                       spec->name, options->block);
    if (options->dropout > 0)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' takes no `dropout`, but %g was given", spec->name,
                       options->dropout);
    return RN_OK;
}

int rn_net_no_options(struct rn_net_spec *spec,
                      const struct rn_net_options *options,
                      struct rn_error *err)
{
    int rc = rn_net_no_blocks(spec, options, err);

    if (rc)
        return rc;
    spec->shortcut = '-';
    if (options->shortcut && options->shortcut != '-')
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' has no shortcuts, but `shortcut` '%c' was "
                       "given",
                       spec->name, options->shortcut);
    if (options->stride_v1)
        return rn_fail(err, RN_ERR_ARG,
                       "'%s' has no bottleneck blocks, but their v1 stride was "
                       "given",
                       spec->name);
    return RN_OK;
}

bool rn_net_no_aux(const struct rn_net_spec *spec)
{
    (void)spec;
    return false;
}

int rn_net_fit_side(struct rn_graph *g, int x, int side)
{
    struct rn_pool_options pool = {.window = {.pad = 0}};

    if (g->error.code)
        return -1;
    const struct rn_shape s = g->nodes[x].shape;
    if (s.h % side || s.w % side) {
        rn_fail(&g->error, RN_ERR_ARG,
                "its linear layers take %dx%d pixels or a multiple, but the "
                "input leaves %dx%d",
                side, side, s.h, s.w);
        return -1;
    }
    if (s.h == side && s.w == side)
        return x;
    pool.window.kh = pool.window.stride = s.h / side;
    pool.window.kw = s.w / side;
    pool.window.stride_w = s.w == s.h ? 0 : s.w / side;
    return rn_graph_avg_pool(g, x, "avgpool", &pool);
}

/* The family that knows the name; the spec holds what the name says. */
static bool parse(struct rn_net_spec *spec, const char *name)
{
    const struct rn_family *family;

    for (size_t i = 0; (family = rn_family_at(i)); i++) {
        memset(spec, 0, sizeof(*spec));
        if (family->parse(spec, name)) {
            spec->family = family;
            return true;
        }
    }
    return false;
}

int rn_net_resolve(struct rn_net_spec *spec, const char *name,
                   const struct rn_net_options *options, struct rn_error *err)
{
    static const struct rn_net_options defaults;

    memset(spec, 0, sizeof(*spec));
    if (!name)
        return rn_fail(err, RN_ERR_ARG, "no network named");
    if (!options)
        options = &defaults;
    if (strlen(name) >= sizeof(spec->name) || !parse(spec, name))
        return fail_unknown(name, err);
    snprintf(spec->name, sizeof(spec->name), "%s", name);
    int rc = resolve_sizes(spec, options, err);
    if (!rc)
        rc = spec->family->resolve(spec, options, err);
    return rc || !options->aux_heads ? rc : rn_net_want_aux(spec, err);
}

bool rn_net_has_aux(const struct rn_net_spec *spec)
{
    return spec->family && spec->family->has_aux(spec);
}

int rn_net_want_aux(struct rn_net_spec *spec, struct rn_error *err)
{
    spec->aux = rn_net_has_aux(spec);
    return spec->aux ? RN_OK
                     : rn_fail(err, RN_ERR_ARG,
                               "'%s' has no auxiliary heads, but `aux_heads` "
                               "asks for them",
                               spec->name);
}

void rn_net_count_aux(const struct rn_net_spec *spec, size_t *heads,
                      uint64_t *params)
{
    struct rn_net_spec whole = *spec;
    struct rn_graph *g;

    *heads = 0;
    *params = 0;
    whole.aux = rn_net_has_aux(spec);
    if (!whole.aux || rn_net_build(&g, &whole, NULL))
        return;
    *heads = g->n_aux;
    *params = rn_graph_aux_params(g);
    rn_graph_destroy(g);
}

bool rn_net_is_unusual(const struct rn_net_spec *spec)
{
    return spec->stem_stride || spec->first_stride ||
           spec->stem_pool != RN_STEM_POOL_USUAL ||
           spec->activation != RN_ACTIVATION_RELU;
}

/* Nothing that was asked for goes unbuilt. */
static int check_unusual(const struct rn_net_spec *spec, struct rn_error *err)
{
    const enum rn_heeds heeds = spec->family->heeds;
    const bool stem = spec->stem_stride || spec->first_stride ||
                      spec->stem_pool != RN_STEM_POOL_USUAL;

    if (stem && heeds < RN_HEEDS_ALL)
        return rn_fail(err, RN_ERR_ARG,
                       "%s: its stem is fixed, but another stride or pool of "
                       "it was given",
                       spec->name);
    if (spec->activation != RN_ACTIVATION_RELU && heeds < RN_HEEDS_ACTIVATION)
        return rn_fail(err, RN_ERR_ARG,
                       "%s: its activations are its own, but another one was "
                       "given",
                       spec->name);
    return RN_OK;
}

int rn_net_build(struct rn_graph **out, const struct rn_net_spec *spec,
                 struct rn_error *err)
{
    struct rn_graph *g;
    int rc = check_unusual(spec, err);

    *out = NULL;
    if (rc)
        return rc;
    g = rn_graph_create();
    if (!g)
        return rn_fail_memory(err, sizeof(*g), spec->name);
    spec->family->build(g, spec);
    rc = g->error.code;
    if (rc != RN_OK) {
        rn_fail(err, rc, "%s: %.400s", spec->name, g->error.msg);
        rn_graph_destroy(g);
        return rc;
    }
    rn_stages_mark(g, spec);
    *out = g;
    return RN_OK;
}

/* The layer that makes value v, a number for each class: linear, or a
 * convolution whose maps' means they are. */
static const struct rn_node *classifier_of(const struct rn_graph *g, int v)
{
    const struct rn_node *n = &g->nodes[v];

    while (n->op == RN_OP_GLOBAL_AVG_POOL || n->op == RN_OP_RELU)
        n = &g->nodes[n->input[0]];
    return n->op == RN_OP_LINEAR || n->op == RN_OP_CONV ? n : NULL;
}

int rn_net_head_param(const struct rn_graph *g, int place)
{
    const struct rn_node *n = classifier_of(g, g->output);

    return n ? n->param[place] : -1;
}

bool rn_net_counts_classes(const struct rn_graph *g, int param)
{
    for (size_t i = 0; i <= g->n_aux; i++) {
        const struct rn_node *n =
            classifier_of(g, i < g->n_aux ? g->aux[i].value : g->output);

        for (int k = 0; n && k < 4; k++)
            if (n->param[k] == param)
                return true;
    }
    return false;
}

void rn_net_of_graph(struct rn_net_spec *spec, const char *name,
                     struct rn_graph *g)
{
    memset(spec, 0, sizeof(*spec));
    snprintf(spec->name, sizeof(spec->name), "%.31s", name);
    for (size_t i = 0; i < g->n_nodes; i++)
        spec->depth +=
            g->nodes[i].op == RN_OP_CONV || g->nodes[i].op == RN_OP_LINEAR;
    spec->shortcut = '-';
    spec->classes = g->nodes[g->output].shape.c;
    spec->input = g->nodes[0].shape;
    rn_stages_mark(g, spec);
}
