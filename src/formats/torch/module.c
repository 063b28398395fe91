/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads torchvision's ResNet as a whole module: a table of which class may
 * stand where. */
#include "formats/torch/module.h"

#include "core/count.h"
#include "core/locale.h"
#include "core/memory.h"
#include "formats/torch/pickle_torch.h"

#include <string.h>

#define RESNET "torchvision.models.resnet"
#define NN     "torch.nn.modules."

/* Which classes may stand where. In a place # is a number. */
static const struct place {
    const char *place, *module, *name;
    enum rn_op op; /* whose attributes count; INPUT: does nothing */
} places[] = {
    {"", RESNET, "ResNet", RN_OP_COUNT},
    {"conv1", NN "conv", "Conv2d", RN_OP_CONV},
    {"bn1", NN "batchnorm", "BatchNorm2d", RN_OP_BATCH_NORM},
    {"relu", NN "activation", "ReLU", RN_OP_RELU},
    {"maxpool", NN "pooling", "MaxPool2d", RN_OP_MAX_POOL},
    {"maxpool", NN "linear", "Identity", RN_OP_INPUT},
    {"avgpool", NN "pooling", "AdaptiveAvgPool2d", RN_OP_GLOBAL_AVG_POOL},
    {"fc", NN "linear", "Linear", RN_OP_LINEAR},
    {"fc", NN "linear", "Identity", RN_OP_INPUT},
    {"fc", NN "container", "Sequential", RN_OP_COUNT},
    {"fc.#", NN "linear", "Linear", RN_OP_LINEAR},
    {"fc.#", NN "dropout", "Dropout", RN_OP_INPUT},
    {"fc.#", NN "linear", "Identity", RN_OP_INPUT},
    {"layer#", NN "container", "Sequential", RN_OP_COUNT},
    {"layer#.#", RESNET, "BasicBlock", RN_OP_COUNT},
    {"layer#.#", RESNET, "Bottleneck", RN_OP_COUNT},
    {"layer#.#.conv#", NN "conv", "Conv2d", RN_OP_CONV},
    {"layer#.#.bn#", NN "batchnorm", "BatchNorm2d", RN_OP_BATCH_NORM},
    {"layer#.#.relu", NN "activation", "ReLU", RN_OP_RELU},
    {"layer#.#.downsample", NN "container", "Sequential", RN_OP_COUNT},
    {"layer#.#.downsample.0", NN "conv", "Conv2d", RN_OP_CONV},
    {"layer#.#.downsample.1", NN "batchnorm", "BatchNorm2d", RN_OP_BATCH_NORM},
};

/* A module to be looked at. */
struct task {
    uint32_t object;
    char name[100];
    int depth;
};

struct walk {
    struct rn_state *state;
    const struct rn_pickle *p;
    struct task *tasks;
    size_t count, room, seen;
};

/* The value of a module's attribute; 0 without one. */
static uint32_t attribute(const struct rn_pickle *p, uint32_t module,
                          const char *name)
{
    const struct rn_pickle_object *o = rn_pickle_get(p, module);

    return o->u.opaque.state ? rn_pickle_lookup(p, o->u.opaque.state, name) : 0;
}

static bool is_dict(const struct rn_pickle *p, uint32_t object)
{
    return object && rn_pickle_get(p, object)->kind == RN_PICKLE_DICT;
}

static bool is_parallel(const struct rn_pickle *p, uint32_t object)
{
    return rn_pickle_opaque_is(p, object, "torch.nn.parallel.data_parallel",
                               "DataParallel");
}

bool rn_module_is(const struct rn_pickle *p, uint32_t object)
{
    return (rn_pickle_opaque_is(p, object, RESNET, "ResNet") ||
            is_parallel(p, object)) &&
           is_dict(p, attribute(p, object, "_modules"));
}

static bool matches(const char *name, const char *place)
{
    for (; *place; place++) {
        if (*place != '#') {
            if (*name++ != *place)
                return false;
            continue;
        }
        if (!rn_is_digit(*name))
            return false;
        while (rn_is_digit(*name))
            name++;
    }
    return *name == '\0';
}

static const struct place *find_place(const struct rn_pickle *p,
                                      const struct task *t)
{
    for (size_t i = 0; i < COUNT(places); i++)
        if (matches(t->name, places[i].place) &&
            rn_pickle_opaque_is(p, t->object, places[i].module, places[i].name))
            return &places[i];
    return NULL;
}

/* ---------------------------------------------------------- attributes */

static bool get_int(const struct rn_pickle *p, uint32_t object, int *out)
{
    const struct rn_pickle_object *o = object ? rn_pickle_get(p, object) : NULL;

    if (!o || (o->kind != RN_PICKLE_INT && o->kind != RN_PICKLE_BOOL) ||
        o->u.integer < 0 || o->u.integer > 65535)
        return false;
    *out = (int)o->u.integer;
    return true;
}

/* A number, or two equal ones. */
static bool get_side(const struct rn_pickle *p, uint32_t module,
                     const char *name, int *out)
{
    uint32_t value = attribute(p, module, name), side[3];
    int other;

    if (get_int(p, value, out))
        return true;
    return value && rn_pickle_items(p, value, side, 3) == 2 &&
           get_int(p, side[0], out) && get_int(p, side[1], &other) &&
           other == *out;
}

/* A double as pickles have it, the largest byte first. */
static bool get_real(const struct rn_pickle *p, uint32_t module,
                     const char *name, double *out)
{
    uint32_t value = attribute(p, module, name);
    const struct rn_pickle_object *o = value ? rn_pickle_get(p, value) : NULL;
    uint64_t bits = 0;

    if (!o || o->kind != RN_PICKLE_OTHER || o->u.text.size != sizeof(bits))
        return false;
    for (size_t i = 0; i < sizeof(bits); i++)
        bits = bits << 8 | o->u.text.at[i];
    memcpy(out, &bits, sizeof(bits));
    return *out > 0 && *out < 1;
}

/* Whether what a module has beside its class's code changes what it does: a
 * hook, or a forward() of its own. */
static bool is_changed(const struct rn_pickle *p, uint32_t module)
{
    static const char *const hooks[] = {"_forward_hooks", "_forward_pre_hooks"};
    static const char *const methods[] = {"forward", "_forward_impl",
                                          "__class__", "_compiled_call_impl"};

    for (size_t i = 0; i < COUNT(hooks); i++) {
        uint32_t hook = attribute(p, module, hooks[i]);

        if (hook &&
            (!is_dict(p, hook) || rn_pickle_get(p, hook)->u.items.count > 0))
            return true;
    }
    for (size_t i = 0; i < COUNT(methods); i++) {
        uint32_t method = attribute(p, module, methods[i]);

        if (method && rn_pickle_get(p, method)->kind != RN_PICKLE_NONE)
            return true;
    }
    return false;
}

static bool get_conv(const struct rn_pickle *p, uint32_t m,
                     struct rn_state_layer *l)
{
    uint32_t mode = attribute(p, m, "padding_mode");
    int dilation;

    return get_side(p, m, "stride", &l->stride) &&
           get_side(p, m, "padding", &l->padding) &&
           get_side(p, m, "kernel_size", &l->kernel) &&
           get_side(p, m, "dilation", &dilation) && dilation == 1 &&
           get_int(p, attribute(p, m, "groups"), &l->groups) &&
           (!mode || rn_pickle_text_is(p, mode, "zeros"));
}

static bool get_pool(const struct rn_pickle *p, uint32_t m,
                     struct rn_state_layer *l)
{
    int dilation, ceil = 0;
    uint32_t mode = attribute(p, m, "ceil_mode");

    return get_side(p, m, "stride", &l->stride) &&
           get_side(p, m, "padding", &l->padding) &&
           get_side(p, m, "kernel_size", &l->kernel) &&
           get_side(p, m, "dilation", &dilation) && dilation == 1 &&
           (!mode || get_int(p, mode, &ceil)) && !ceil;
}

/* The attributes that count; false when they say what no network here has. */
static bool get_layer(const struct rn_pickle *p, uint32_t m,
                      struct rn_state_layer *l)
{
    int side = 0;

    switch (l->op) {
    case RN_OP_CONV:
        return get_conv(p, m, l);
    case RN_OP_MAX_POOL:
        return get_pool(p, m, l);
    case RN_OP_BATCH_NORM:
        return get_real(p, m, "eps", &l->eps);
    case RN_OP_GLOBAL_AVG_POOL:
        return get_side(p, m, "output_size", &side) && side == 1;
    default:
        return true;
    }
}

/* ---------------------------------------------------------------- walk */

static int fail_module(const struct walk *w, const struct task *t,
                       const char *what, struct rn_error *err)
{
    char class[130];

    return rn_fail(err, RN_ERR_DATA,
                   "'%s': a whole module, in which '%.60s' is an object of %s, "
                   "%s; expected torch.save(model.state_dict())",
                   w->state->path, *t->name ? t->name : "it",
                   rn_pickle_opaque_name(w->p, t->object, class, sizeof(class)),
                   what);
}

static int add_layer(struct walk *w, const struct task *t, enum rn_op op,
                     struct rn_error *err)
{
    struct rn_state *s = w->state;
    struct rn_state_layer l = {.op = op};

    if (!get_layer(w->p, t->object, &l))
        return fail_module(w, t, "with attributes that no network here has",
                           err);
    if (!rn_grow(&s->layers, &s->layers_room, s->n_layers, sizeof(l)))
        return rn_fail_memory(err, sizeof(l), "a layer");
    l.name = rn_strdup(t->name);
    if (!l.name)
        return rn_fail_memory(err, strlen(t->name), "a layer's name");
    s->layers[s->n_layers++] = l;
    return RN_OK;
}

/* "NAME.PART" into out; false when it is too long. */
static bool join(const char *name, const struct rn_pickle_object *part,
                 char *out, size_t size)
{
    return part->kind == RN_PICKLE_TEXT && part->u.text.size < size &&
           snprintf(out, size, "%s%s%.*s", name, *name ? "." : "",
                    (int)part->u.text.size,
                    (const char *)part->u.text.at) < (int)size;
}

/* What a module's dictionary of parameters or buffers has. */
static int add_tensors(struct walk *w, const struct task *t, const char *which,
                       struct rn_error *err)
{
    uint32_t dict = attribute(w->p, t->object, which), key, value;
    uint32_t cell = is_dict(w->p, dict) ? rn_pickle_first(w->p, dict) : 0;
    int rc = is_dict(w->p, dict)
                 ? RN_OK
                 : fail_module(w, t, "without a dictionary of tensors", err);

    while (!rc && rn_pickle_pair(w->p, &cell, &key, &value)) {
        char name[140];
        const struct rn_pickle_object *o = rn_pickle_get(w->p, value);

        if (o->kind == RN_PICKLE_NONE)
            continue;
        if (o->kind != RN_PICKLE_TENSOR ||
            !join(t->name, rn_pickle_get(w->p, key), name, sizeof(name)))
            return fail_module(w, t, "with something else than tensors", err);
        rc = rn_torch_add(w->state, w->p, name, strlen(name), value, err);
    }
    return rc;
}

static int add_task(struct walk *w, const struct task *t, struct rn_error *err)
{
    if (!rn_grow(&w->tasks, &w->room, w->count, sizeof(*t)))
        return rn_fail_memory(err, sizeof(*t), "a module");
    w->tasks[w->count++] = *t;
    return RN_OK;
}

/* Whether the modules are named as they follow each other: a Sequential runs
 * them in its dictionary's order, ours is that of names. */
static bool in_order(const struct rn_pickle *p, uint32_t dict)
{
    uint32_t cell = is_dict(p, dict) ? rn_pickle_first(p, dict) : 0;
    uint32_t key, value;
    char name[16];

    for (unsigned i = 0; rn_pickle_pair(p, &cell, &key, &value); i++) {
        snprintf(name, sizeof(name), "%u", i);
        if (!rn_pickle_text_is(p, key, name))
            return false;
    }
    return true;
}

static int add_children(struct walk *w, const struct task *t,
                        struct rn_error *err)
{
    uint32_t dict = attribute(w->p, t->object, "_modules"), key, value;
    uint32_t cell = is_dict(w->p, dict) ? rn_pickle_first(w->p, dict) : 0;
    int rc = RN_OK;

    if (rn_pickle_opaque_is(w->p, t->object, NN "container", "Sequential") &&
        !in_order(w->p, dict))
        return fail_module(w, t, "whose modules are not called 0, 1, 2 …", err);
    while (!rc && rn_pickle_pair(w->p, &cell, &key, &value)) {
        struct task child = {.object = value, .depth = t->depth + 1};
        enum rn_pickle_kind kind = rn_pickle_get(w->p, value)->kind;

        if (kind == RN_PICKLE_NONE)
            continue;
        if (kind != RN_PICKLE_OPAQUE || child.depth > RN_MODULES_DEEP ||
            w->seen + w->count >= RN_MODULES_MOST ||
            !join(t->name, rn_pickle_get(w->p, key), child.name,
                  sizeof(child.name)))
            return fail_module(w, t, "with too many or strange modules", err);
        rc = add_task(w, &child, err);
    }
    return rc;
}

static int visit(struct walk *w, const struct task *t, struct rn_error *err)
{
    const struct place *place = find_place(w->p, t);
    int rc = RN_OK;

    if (!place)
        return fail_module(
            w, t, "whose code is not run and not known in that place", err);
    if (is_changed(w->p, t->object))
        return fail_module(w, t, "with hooks or methods of its own", err);
    if (place->op != RN_OP_COUNT)
        rc = add_layer(w, t, place->op, err);
    if (!rc)
        rc = add_tensors(w, t, "_parameters", err);
    if (!rc)
        rc = add_tensors(w, t, "_buffers", err);
    return rc ? rc : add_children(w, t, err);
}

int rn_module_collect(struct rn_state *state, const struct rn_pickle *p,
                      uint32_t object, struct rn_error *err)
{
    struct walk w = {.state = state, .p = p};
    struct task t = {.object = object};

    if (is_parallel(p, object)) {
        uint32_t inner =
            rn_pickle_lookup(p, attribute(p, object, "_modules"), "module");

        if (is_changed(p, object) || !inner ||
            rn_pickle_get(p, inner)->kind != RN_PICKLE_OPAQUE)
            return fail_module(&w, &t, "with no module in it", err);
        t.object = inner;
    }
    int rc = add_task(&w, &t, err);
    while (!rc && w.count > 0) {
        t = w.tasks[--w.count];
        w.seen++;
        rc = visit(&w, &t, err);
    }
    rn_free(w.tasks);
    return rc ? rc : rn_state_finish(state, err);
}

/* --------------------------------------------------------------- graph */

static const struct rn_state_layer *find_layer(const struct rn_state *state,
                                               const char *name)
{
    for (size_t i = 0; i < state->n_layers; i++)
        if (strcmp(state->layers[i].name, name) == 0)
            return &state->layers[i];
    return NULL;
}

bool rn_module_stride_v1(const struct rn_state *state)
{
    const struct rn_state_layer *first = find_layer(state, "layer2.0.conv1");

    return find_layer(state, "layer2.0.conv3") && first && first->stride == 2;
}

static int check_node(struct rn_node *n, const struct rn_state_layer *l,
                      const char *path, struct rn_error *err)
{
    if (n->op == RN_OP_BATCH_NORM) {
        n->eps = (float)l->eps;
        return RN_OK;
    }
    bool same = rn_window_regular(&n->window) && n->window.kh == l->kernel &&
                n->window.stride == l->stride && n->window.pad == l->padding &&
                !n->ceil;
    if (n->op == RN_OP_CONV)
        same = same && n->groups == l->groups;
    return same ? RN_OK
                : rn_fail(err, RN_ERR_DATA,
                          "'%s': its %s is %dx%d with stride %d, padding %d "
                          "and %d groups, expected %dx%d, %d, %d and %d",
                          path, n->name, l->kernel, l->kernel, l->stride,
                          l->padding, l->groups, n->window.kh, n->window.kw,
                          n->window.stride, n->window.pad, n->groups);
}

int rn_module_check(struct rn_graph *g, const struct rn_state *state,
                    struct rn_error *err)
{
    size_t pools = 0;
    int rc = RN_OK;

    for (size_t i = 0; i < g->n_nodes && !rc && state->n_layers > 0; i++) {
        struct rn_node *n = &g->nodes[i];

        if (n->op != RN_OP_CONV && n->op != RN_OP_BATCH_NORM &&
            n->op != RN_OP_MAX_POOL && n->op != RN_OP_AVG_POOL)
            continue;
        const struct rn_state_layer *l = find_layer(state, n->name);
        pools += n->op == RN_OP_MAX_POOL;
        if (!l || l->op != n->op)
            rc = rn_fail(err, RN_ERR_DATA,
                         "'%s': its modules have no %s '%.60s'", state->path,
                         rn_op_name(n->op), n->name);
        else
            rc = check_node(n, l, state->path, err);
    }
    const struct rn_state_layer *pool = find_layer(state, "maxpool");
    if (!rc && pool && pool->op == RN_OP_MAX_POOL && pools == 0)
        rc = rn_fail(err, RN_ERR_DATA,
                     "'%s': its stem ends in a max pool, that of a network "
                     "with these shapes here in none",
                     state->path);
    return rc;
}
