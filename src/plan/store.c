/* SPDX-License-Identifier: BSD-2-Clause */
/* Lays parameters out as kernels want them, and translates to and from files'
 * order. */
#include "core/memory.h"
#include "ops/conv/groups.h"
#include "plan/internal.h"

#include <string.h>

/* Arrays start at multiples of a cache line. */
static size_t rounded(size_t floats)
{
    return (floats + 15) / 16 * 16;
}

static bool is_weights(const struct rn_param *p)
{
    return p->kind == RN_PARAM_WEIGHT;
}

/* What the weights of a node see: fc all pixels of its input at once. */
static struct rn_window window_of(const struct rn_node *n,
                                  const struct rn_node *in)
{
    if (n->op == RN_OP_LINEAR)
        return (struct rn_window)RN_WINDOW(in->shape.h, in->shape.w, 1, 0);
    return (struct rn_window)RN_WINDOW(n->window.kh, n->window.kw, 1, 0);
}

/* A convolution whose weights are parameter p, enough to lay them out. */
static struct rn_conv_config config_of(const struct rn_graph *g,
                                       const struct rn_param *p,
                                       const struct rn_place *at)
{
    const struct rn_node *n = &g->nodes[at->node];
    const struct rn_node *in = &g->nodes[n->input[0]];

    return (struct rn_conv_config){
        .in = {in->shape.c, 1, 1},
        .out = {(int)p->dim[0], 1, 1},
        .window = window_of(n, in),
        .groups = n->groups,
        .threads = 1,
        .train = true,
        .plain_input = at->plain_input,
    };
}

static size_t packed_count(const struct rn_graph *g, const struct rn_param *p,
                           const struct rn_place *at)
{
    const struct rn_conv_config c = config_of(g, p, at);

    if (!is_weights(p))
        return rn_channels_padded((int)p->count);
    if (rn_is_grouped(&c))
        return rn_groups_count(&c);
    return rn_conv_weights_count(c.out.c, c.in.c, c.window, c.plain_input);
}

static void place_node(struct rn_store *s, int node)
{
    const struct rn_graph *g = s->graph;
    const struct rn_node *n = &g->nodes[node];

    for (int k = 0; k < 4; k++) {
        if (n->param[k] < 0)
            continue;
        const struct rn_param *p = &g->params[n->param[k]];
        struct rn_place *at = &s->places[n->param[k]];
        bool learned = rn_param_updated(p);
        size_t *end = learned ? &s->count : &s->statistics_count;
        at->node = node;
        at->plain_input = n->op == RN_OP_CONV && rn_is_plain(g, n->input[0]);
        at->offset = *end;
        at->count = rounded(packed_count(g, p, at));
        *end += at->count;
        if (learned)
            s->segments[s->n_segments++] =
                (struct rn_segment){(size_t)n->param[k], at->offset, at->count};
    }
}

/* Flat arrays: values; and of a store that learns gradients and states. */
static size_t arrays(const struct rn_store *s)
{
    return s->states == RN_STORE_FIXED ? 1 : 2 + (size_t)s->states;
}

int rn_store_measure(struct rn_store **out, const struct rn_graph *graph,
                     int states, struct rn_error *err)
{
    struct rn_store *s = rn_alloc(1, sizeof(*s));

    *out = NULL;
    if (s) {
        s->graph = graph;
        s->places = rn_alloc(graph->n_params, sizeof(*s->places));
        s->segments = rn_alloc(graph->n_params, sizeof(*s->segments));
    }
    if (!s || !s->places || !s->segments) {
        rn_store_destroy(s);
        return rn_fail_memory(err, graph->n_params * sizeof(*s->places),
                              "the parameter table");
    }
    for (size_t i = graph->n_nodes; i-- > 0;)
        place_node(s, (int)i);
    s->states = states;
    s->memory_bytes =
        (s->count * arrays(s) + s->statistics_count) * sizeof(float);
    *out = s;
    return RN_OK;
}

int rn_store_borrow(struct rn_store **out, const struct rn_graph *graph,
                    struct rn_error *err)
{
    int rc = rn_store_measure(out, graph, RN_STORE_FIXED, err);

    if (rc)
        return rc;
    (*out)->borrowed = true;
    (*out)->memory_bytes = 0;
    return RN_OK;
}

int rn_store_create(struct rn_store **out, const struct rn_graph *graph,
                    int states, struct rn_error *err)
{
    struct rn_store *s;
    int rc = rn_store_measure(&s, graph, states, err);

    *out = NULL;
    if (rc)
        return rc;
    s->memory = rn_map(s->memory_bytes);
    if (!s->memory) {
        rc = rn_fail_memory(err, s->memory_bytes, "the parameters");
        rn_store_destroy(s);
        return rc;
    }
    s->value = s->memory;
    s->grad = states == RN_STORE_FIXED ? NULL : s->value + s->count;
    for (int k = 0; k < states; k++)
        s->state[k] = s->grad + s->count * (1 + (size_t)k);
    s->statistics = s->value + s->count * arrays(s);
    rn_store_import(s);
    *out = s;
    return RN_OK;
}

struct rn_store *rn_store_hold(struct rn_store *store)
{
    rn_holders_add(&store->holders);
    return store;
}

void rn_store_destroy(struct rn_store *store)
{
    if (!store || !rn_holders_drop(&store->holders))
        return;
    if (store->memory)
        rn_unmap(store->memory, store->memory_bytes);
    rn_free(store->places);
    rn_free(store->segments);
    rn_free(store);
}

float *rn_store_statistics(struct rn_store *store, size_t *count)
{
    *count = store->statistics_count;
    return store->statistics;
}

float *rn_store_at(const struct rn_store *store, enum rn_store_kind kind,
                   int param)
{
    const struct rn_place *at = &store->places[param];
    float *from = kind == RN_STORE_VALUE  ? store->value
                  : kind == RN_STORE_GRAD ? store->grad
                                          : store->state[kind - RN_STORE_STATE];

    if (store->borrowed)
        return kind == RN_STORE_VALUE ? store->graph->params[param].data : NULL;
    if (!rn_param_updated(&store->graph->params[param]))
        from = store->statistics;
    return from ? from + at->offset : NULL;
}

void rn_store_get(const struct rn_store *store, enum rn_store_kind kind,
                  size_t param, float *plain)
{
    const struct rn_param *p = &store->graph->params[param];
    const float *from = rn_store_at(store, kind, (int)param);
    const struct rn_conv_config c =
        config_of(store->graph, p, &store->places[param]);

    if (!is_weights(p))
        memcpy(plain, from, p->count * sizeof(*plain));
    else if (rn_is_grouped(&c))
        rn_groups_unpack(&c, from, plain);
    else
        rn_conv_weights_from_store(from, plain, c.out.c, c.in.c, c.window,
                                   c.plain_input);
}

const float *rn_store_plain(const struct rn_store *store, size_t param,
                            float *plain)
{
    if (store->borrowed)
        return store->graph->params[param].data;
    rn_store_get(store, RN_STORE_VALUE, param, plain);
    return plain;
}

void rn_store_set(struct rn_store *store, enum rn_store_kind kind, size_t param,
                  const float *plain)
{
    const struct rn_param *p = &store->graph->params[param];
    float *to = rn_store_at(store, kind, (int)param);
    const struct rn_conv_config c =
        config_of(store->graph, p, &store->places[param]);

    if (!is_weights(p))
        memcpy(to, plain, p->count * sizeof(*plain));
    else if (rn_is_grouped(&c))
        rn_groups_pack(&c, plain, to);
    else
        rn_conv_weights_to_store(plain, to, c.out.c, c.in.c, c.window,
                                 c.plain_input);
}

bool rn_store_limits(const struct rn_store *store, size_t param)
{
    const struct rn_param *p = &store->graph->params[param];
    const struct rn_conv_config c =
        config_of(store->graph, p, &store->places[param]);

    return is_weights(p) && !rn_is_grouped(&c);
}

void rn_store_limit(struct rn_store *store, size_t param, float most,
                    int threads)
{
    const struct rn_conv_config c = config_of(
        store->graph, &store->graph->params[param], &store->places[param]);

    rn_conv_weights_limit(rn_store_at(store, RN_STORE_VALUE, (int)param),
                          c.out.c, c.in.c, c.window, c.plain_input, most,
                          threads);
}

void rn_store_import(struct rn_store *store)
{
    for (size_t i = 0; i < store->graph->n_params; i++)
        rn_store_set(store, RN_STORE_VALUE, i, store->graph->params[i].data);
}

void rn_store_export(struct rn_store *store, struct rn_graph *graph)
{
    for (size_t i = 0; i < graph->n_params; i++)
        rn_store_get(store, RN_STORE_VALUE, i, graph->params[i].data);
}

void rn_store_flat(struct rn_store *store, struct rn_flat *flat)
{
    *flat = (struct rn_flat){.value = store->value,
                             .grad = store->grad,
                             .count = store->count,
                             .segments = store->segments,
                             .n_segments = store->n_segments};
    memcpy(flat->state, store->state, sizeof(flat->state));
}
