/* SPDX-License-Identifier: BSD-2-Clause */
/* The first stage of FitNets (A. Romero et al. 2015, section 2.2): the
 * network's layers up to one of them, the guided layer, learn to predict a
 * layer of the teacher, the hint, through a regressor. What is trained is a
 * network of its own, which ends in the regressor; the run's model takes its
 * parameters back whenever it is saved. */
#include "core/memory.h"
#include "core/option.h"
#include "graph/quantization.h"
#include "train/trainer.h"

#include <inttypes.h>
#include <string.h>

#define REGRESSOR  "hint_regressor"
#define NAME_SIZE  160
#define SUGGESTED  3
#define SHOWN_SIZE 200

/* ----------------------------------------------------------------- layers */

/* "fitnet-19's layer" or "the teacher's": whose layer of what name. */
struct layer {
    const char *whose;
    const struct rn_graph *graph;
    char name[NAME_SIZE];
    int value; /* node */
};

static const struct rn_node *node_of(const struct layer *l)
{
    return &l->graph->nodes[l->value];
}

/* The names of layers that are most like one, the likest first. */
static void list_nearest(const struct layer *l, char list[SHOWN_SIZE])
{
    const size_t end = (size_t)l->graph->output;
    size_t length = 0;
    int shown = 0;

    list[0] = '\0';
    for (int edits = 0; edits < NAME_SIZE && shown < SUGGESTED; edits++)
        for (size_t i = 1; i < end && shown < SUGGESTED; i++) {
            const char *name = l->graph->nodes[i].name;

            if (rn_spelling_distance(l->name, name) != edits ||
                length + strlen(name) + 3 > SHOWN_SIZE)
                continue;
            length += (size_t)snprintf(list + length, SHOWN_SIZE - length,
                                       "%s%s", shown++ ? ", " : "", name);
        }
    if (!shown)
        snprintf(list, SHOWN_SIZE, "%s to %s", l->graph->nodes[1].name,
                 l->graph->nodes[end - 1].name);
}

/* Whether a head's layer, which training alone computes, has the name. */
static bool is_behind(const struct layer *l)
{
    for (size_t i = rn_graph_trunk(l->graph); i < l->graph->n_nodes; i++)
        if (strcmp(l->graph->nodes[i].name, l->name) == 0)
            return true;
    return false;
}

/* The value of that name, which lies between images and output. */
static int find_layer(struct layer *l, const char *hint, struct rn_error *err)
{
    char nearest[SHOWN_SIZE];

    l->value = rn_find_value(l->graph, l->name);
    if (l->value == l->graph->output || (l->value < 0 && is_behind(l)))
        return rn_fail(err, RN_ERR_ARG,
                       "`hint` '%.80s': layer '%.80s' of %s is %s, expected "
                       "one before that",
                       hint, l->name, l->whose,
                       l->value < 0 ? "behind the output" : "the output");
    if (l->value >= 0 && node_of(l)->op != RN_OP_INPUT)
        return RN_OK;
    list_nearest(l, nearest);
    return rn_fail(err, RN_ERR_ARG,
                   "`hint` '%.80s': %s has no layer '%.80s'; expected one such "
                   "as %s",
                   hint, l->whose, l->name, nearest);
}

/* Both layers of the option. */
static int find_layers(const struct rn_trainer *t, const struct rn_model *model,
                       struct layer *guided, struct layer *hint,
                       struct rn_error *err)
{
    const char *colon = strchr(t->o.hint, ':');
    int rc;

    *guided = (struct layer){.whose = model->spec.name, .graph = model->graph};
    *hint = (struct layer){.whose = "the teacher",
                           .graph = t->teacher.model->graph};
    snprintf(guided->name, sizeof(guided->name), "%.*s",
             (int)(colon - t->o.hint), t->o.hint);
    snprintf(hint->name, sizeof(hint->name), "%s", colon + 1);
    rc = find_layer(guided, t->o.hint, err);
    return rc ? rc : find_layer(hint, t->o.hint, err);
}

/* A convolution only takes pixels away. */
static int check_sizes(const struct rn_trainer *t, const struct layer *guided,
                       const struct layer *hint, struct rn_error *err)
{
    const struct rn_shape *g = &node_of(guided)->shape,
                          *h = &node_of(hint)->shape;

    if (h->h <= g->h && h->w <= g->w)
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG,
                   "`hint` '%.80s': layer '%s' of %s has %d x %d pixels, '%s' "
                   "of the teacher %d x %d: a convolution cannot predict more "
                   "pixels than it reads",
                   t->o.hint, node_of(guided)->name, guided->whose, g->h, g->w,
                   node_of(hint)->name, h->h, h->w);
}

/* -------------------------------------------------------------- regressor */

/* The node that gives a value its range: pools and dropout keep it. */
static const struct rn_node *function_of(const struct rn_graph *g, int v)
{
    const struct rn_node *n = &g->nodes[v];

    while (n->op == RN_OP_MAX_POOL || n->op == RN_OP_AVG_POOL ||
           n->op == RN_OP_DROPOUT)
        n = &g->nodes[n->input[0]];
    return n;
}

/* Both are to be the same function's, or one cannot become the other. */
static void append_regressor(struct rn_graph *g, const struct layer *hint)
{
    const struct rn_node *function = function_of(hint->graph, hint->value);
    const struct rn_shape in = g->nodes[g->output].shape;
    const struct rn_shape out = node_of(hint)->shape;
    const struct rn_window window =
        RN_WINDOW(in.h - out.h + 1, in.w - out.w + 1, 1, 0);
    bool maxout = function->op == RN_OP_MAXOUT;
    int pieces = maxout ? function->pieces : 1;
    int x =
        rn_graph_conv(g, g->output, REGRESSOR, pieces * out.c, window, true);

    if (maxout)
        rn_graph_maxout(g, x, REGRESSOR ".maxout", pieces);
    else if (function->op == RN_OP_RELU)
        rn_graph_relu(g, x, REGRESSOR ".relu");
    g->hint = true;
}

/* Parameters as the model has them; the regressor's are drawn. */
static int make_trainee(struct rn_trainer *t, const struct rn_model *model,
                        const struct layer *guided, const struct layer *hint,
                        struct rn_error *err)
{
    struct rn_hint *h = &t->hint;
    struct rn_graph *g;

    h->from = rn_alloc(model->graph->n_params + 1, sizeof(*h->from));
    g = h->from ? rn_graph_below(model->graph, guided->value, h->from) : NULL;
    if (!g)
        return rn_fail_memory(err, model->graph->n_nodes * sizeof(*g->nodes),
                              "the layers that learn a hint");
    h->shared = g->n_params;
    append_regressor(g, hint);
    t->trainee = rn_model_wrap(&model->spec, g);
    if (!t->trainee) {
        rn_graph_destroy(g);
        return rn_fail_memory(err, sizeof(*t->trainee), "a model");
    }
    if (g->error.code)
        return rn_fail(err, g->error.code, "`hint` '%.80s': %s", t->o.hint,
                       g->error.msg);
    rn_model_init(t->trainee, t->o.seed);
    for (size_t i = 0; i < h->shared; i++)
        memcpy(g->params[i].data, model->graph->params[h->from[i]].data,
               g->params[i].count * sizeof(float));
    return RN_OK;
}

static int check_learns(const struct rn_trainer *t, const struct layer *guided,
                        struct rn_error *err)
{
    for (size_t i = 0; i < t->hint.shared; i++)
        if (rn_param_updated(&t->trainee->graph->params[i]))
            return RN_OK;
    return rn_fail(err, RN_ERR_ARG,
                   "`hint` '%.80s': no layer of %s up to '%s' learns",
                   t->o.hint, guided->whose, node_of(guided)->name);
}

static void say_hint(const struct rn_trainer *t, const struct layer *guided,
                     const struct layer *hint)
{
    const struct rn_graph *g = t->trainee->graph;
    const struct rn_shape a = node_of(guided)->shape, b = node_of(hint)->shape;
    uint64_t own = 0;

    for (size_t i = t->hint.shared; i < g->n_params; i++)
        own += g->params[i].count;
    rn_trainer_say(
        t,
        "hint: %s (%d x %d x %d) learns %s of the teacher (%d x %d x "
        "%d) through a regressor of %" PRIu64
        " parameters; layers behind it stay as they are",
        node_of(guided)->name, a.c, a.h, a.w, node_of(hint)->name, b.c, b.h,
        b.w, own);
}

int rn_trainer_take_hint(struct rn_trainer *t, const struct rn_model *model,
                         struct rn_error *err)
{
    struct layer guided, hint;
    int rc;

    if (!t->o.hint)
        return RN_OK;
    if (rn_graph_is_quantized(t->teacher.model->graph))
        return rn_fail(err, RN_ERR_ARG,
                       "`hint` '%.80s': `teacher` '%s' is quantised; expected "
                       "what it was made of",
                       t->o.hint, t->o.teacher);
    rc = find_layers(t, model, &guided, &hint, err);
    if (rc == RN_OK)
        rc = check_sizes(t, &guided, &hint, err);
    if (rc == RN_OK)
        rc = make_trainee(t, model, &guided, &hint, err);
    if (rc == RN_OK)
        rc = check_learns(t, &guided, err);
    if (rc != RN_OK)
        return rc;
    t->hint.shape = node_of(&hint)->shape;
    say_hint(t, &guided, &hint);
    return RN_OK;
}

int rn_trainer_check_hint(const struct rn_trainer *t, struct rn_error *err)
{
    if (!t->o.hint || t->schedule.error_below <= 0)
        return RN_OK;
    return rn_fail(err, RN_ERR_ARG,
                   "`warmup` '%s' waits for a training error, of which a run "
                   "with `hint` has none",
                   t->o.warmup);
}

/* ----------------------------------------------------------------- values */

const char *rn_trainer_hint_layer(const struct rn_trainer *t)
{
    return t->o.hint ? strchr(t->o.hint, ':') + 1 : NULL;
}

int rn_trainer_build_hint(struct rn_trainer *t, struct rn_error *err)
{
    size_t floats = (size_t)t->groups.images * rn_shape_size(t->hint.shape);

    if (!t->o.hint)
        return RN_OK;
    t->hint.values = rn_alloc(floats, sizeof(float));
    return t->hint.values ? RN_OK
                          : rn_fail_memory(err, floats * sizeof(float),
                                           "a teacher's hints");
}

void rn_trainer_return_hint(const struct rn_trainer *t)
{
    const struct rn_graph *from = t->trainee->graph;
    const struct rn_graph *to = t->model->graph;

    for (size_t i = 0; t->o.hint && i < t->hint.shared; i++)
        memcpy(to->params[t->hint.from[i]].data, from->params[i].data,
               from->params[i].count * sizeof(float));
}

void rn_hint_free(struct rn_hint *hint)
{
    rn_free(hint->from);
    rn_free(hint->values);
}
