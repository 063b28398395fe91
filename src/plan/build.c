/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts both compilers are made of: buffers, steps, placement. */
#include "core/count.h"
#include "core/memory.h"
#include "plan/internal.h"

#include <stdlib.h>
#include <string.h>

/** What a process can address is 2^47 bytes on x86-64; no plan holds more
 *  than eight buffers of a value's size, made again or not, nor sums over its
 *  images that are larger. */
#define MOST_VALUE_BYTES ((size_t)1 << 44)

int rn_check_sizes(const struct rn_plan *plan, struct rn_error *err)
{
    size_t all = 0;

    for (size_t i = 0; i < plan->graph->n_nodes; i++) {
        const struct rn_node *n = &plan->graph->nodes[i];
        size_t bytes = rn_channels_padded(n->shape.c) * sizeof(float);

        if (!rn_size_mul(bytes, (size_t)n->shape.h, &bytes) ||
            !rn_size_mul(bytes, (size_t)n->shape.w, &bytes) ||
            !rn_size_mul(bytes, (size_t)plan->options.batch, &bytes) ||
            !rn_size_add(all, bytes, &all) || all > MOST_VALUE_BYTES)
            return rn_fail(err, RN_ERR_MEMORY,
                           "batch %d: values up to layer '%s' (%dx%dx%d) take "
                           "more than 2^44 bytes",
                           plan->options.batch, n->name, n->shape.c, n->shape.h,
                           n->shape.w);
    }
    return RN_OK;
}

int rn_new_buffer(struct rn_plan *plan, enum rn_dtype type, size_t count)
{
    size_t bytes = count * rn_dtype_bytes(type);

    if (!rn_grow(&plan->buffers, &plan->buffers_capacity, plan->n_buffers,
                 sizeof(*plan->buffers)))
        return RN_NONE;
    plan->buffers[plan->n_buffers] = (struct rn_buffer){
        .type = type,
        .count = count,
        .bytes = (bytes + RN_ALIGN - 1) / RN_ALIGN * RN_ALIGN,
        .first = -1,
        .whole = RN_NONE,
    };
    return (int)plan->n_buffers++;
}

int rn_new_part(struct rn_plan *plan, int whole, int of, int node)
{
    int part = whole < 0 ? RN_NONE
                         : rn_new_value(plan, plan->buffers[whole].type, node);

    if (part < 0)
        return RN_NONE;
    plan->buffers[part].whole = whole;
    plan->buffers[part].planes = rn_planes_of_node(plan, of).blocks;
    return part;
}

size_t rn_value_count(const struct rn_plan *plan, int node)
{
    struct rn_planes p = rn_planes_of_node(plan, node);

    return rn_planes_count(&p);
}

int rn_new_value(struct rn_plan *plan, enum rn_dtype type, int node)
{
    return rn_new_buffer(plan, type, rn_value_count(plan, node));
}

enum rn_dtype rn_precision_type(int precision)
{
    return precision == RN_PRECISION_BF16 ? RN_BF16 : RN_F32;
}

struct rn_planes rn_planes_of_node(const struct rn_plan *plan, int node)
{
    return rn_planes_of(plan->options.batch, plan->graph->nodes[node].shape,
                        plan->options.threads);
}

struct rn_step *rn_new_step(struct rn_plan *plan,
                            const struct rn_step_type *type, int node)
{
    struct rn_step *s;

    if (!rn_grow(&plan->steps, &plan->steps_capacity, plan->n_steps,
                 sizeof(*plan->steps)))
        return NULL;
    s = &plan->steps[plan->n_steps++];
    *s = (struct rn_step){
        .type = type,
        .node = node,
        .a = {RN_NONE, RN_NONE, false},
        .b = {RN_NONE, RN_NONE, false},
        .out = RN_NONE,
        .dy = RN_NONE,
        .dy2 = RN_NONE,
        .y = RN_NONE,
        .bn = RN_NONE,
        .scratch = RN_NONE,
        .packed = RN_NONE,
        .sum = RN_NONE,
        .rounded = RN_NONE,
        .weights = RN_NONE,
        .bias = RN_NONE,
        .fold = RN_NONE,
    };
    return s;
}

static void extend(struct rn_buffer *b, int step)
{
    if (b->first < 0)
        b->first = step;
    b->last = step;
}

void rn_touch(struct rn_plan *plan, int buffer)
{
    int step = (int)plan->n_steps - 1;

    if (buffer < 0)
        return;
    struct rn_buffer *b = &plan->buffers[buffer];
    extend(b, step);
    if (b->whole >= 0)
        extend(&plan->buffers[b->whole], step);
    plan->steps[step].bytes += (double)b->bytes;
}

int *rn_step_buffer(const struct rn_plan *plan, struct rn_step *step, int i)
{
    int *const own[] = {&step->a.buffer, &step->b.buffer, &step->dy,
                        &step->dy2,      &step->y,        &step->out};
    const int n = (int)COUNT(own);

    if (i < n)
        return own[i];
    return i < n + step->n_more ? &plan->lists[step->more + i - n] : NULL;
}

int rn_step_read(const struct rn_plan *plan, const struct rn_step *step, int i)
{
    const int own[] = {step->a.buffer, step->b.buffer};
    const int n = (int)COUNT(own);

    return i < n ? own[i] : plan->lists[step->more + i - n];
}

int rn_step_reads(const struct rn_step *step)
{
    return 2 + step->n_more;
}

bool rn_list_more(struct rn_plan *plan, int buffer)
{
    if (!rn_grow(&plan->lists, &plan->lists_capacity, plan->n_lists,
                 sizeof(*plan->lists)))
        return false;
    plan->lists[plan->n_lists++] = buffer;
    return true;
}

void rn_touch_step(struct rn_plan *plan)
{
    struct rn_step *s = &plan->steps[plan->n_steps - 1];
    const int *buffer;

    for (int i = 0; (buffer = rn_step_buffer(plan, s, i)); i++)
        rn_touch(plan, *buffer);
}

/* A buffer that step i alone uses, RN_NONE for no bytes; false without
 * memory. */
static bool new_scratch(struct rn_plan *plan, size_t i, size_t bytes, int *out)
{
    *out = bytes ? rn_new_buffer(plan, RN_U8, bytes) : RN_NONE;
    if (*out >= 0)
        plan->buffers[*out].first = plan->buffers[*out].last = (int)i;
    return *out >= 0 || !bytes;
}

int rn_add_scratch(struct rn_plan *plan, struct rn_error *err)
{
    for (size_t i = 0; i < plan->n_steps; i++) {
        struct rn_step *s = &plan->steps[i];
        bool pack = s->conv && plan->options.mode == RN_MODE_TRAIN &&
                    rn_conv_needs_pack(s->conv);
        size_t bytes = s->conv ? rn_conv_scratch_bytes(s->conv) : 0;
        size_t packed = pack ? rn_conv_packed_bytes(s->conv) : 0;

        if (!new_scratch(plan, i, bytes, &s->scratch) ||
            !new_scratch(plan, i, packed, &s->packed))
            return rn_fail_memory(err, plan->n_buffers * sizeof(*plan->buffers),
                                  "the plan");
    }
    return RN_OK;
}

int rn_find_conv(struct rn_plan *plan, const struct rn_conv_config *config,
                 struct rn_conv **out, struct rn_error *err)
{
    int rc;

    for (size_t i = 0; i < plan->n_convs; i++)
        if (rn_conv_config_equal(rn_conv_config(plan->convs[i]), config)) {
            *out = plan->convs[i];
            return RN_OK;
        }
    if (!rn_grow(&plan->convs, &plan->convs_capacity, plan->n_convs,
                 sizeof(*plan->convs)))
        return rn_fail_memory(err, sizeof(*plan->convs), "a convolution");
    rc = rn_conv_create(out, config, plan->dry, err);
    if (rc)
        return rc;
    plan->convs[plan->n_convs++] = *out;
    return RN_OK;
}

void rn_conv_config_of(const struct rn_plan *plan, int node,
                       struct rn_conv_config *config)
{
    const struct rn_node *n = &plan->graph->nodes[node];
    const struct rn_node *in = &plan->graph->nodes[n->input[0]];

    memset(config, 0, sizeof(*config));
    config->n = plan->options.batch;
    config->in = in->shape;
    config->out = n->shape;
    config->window = n->window;
    config->groups = n->groups;
    /* fc sees all pixels of its input at once. */
    if (n->op == RN_OP_LINEAR)
        config->window =
            (struct rn_window)RN_WINDOW(in->shape.h, in->shape.w, 1, 0);
    config->threads = plan->options.threads;
    config->bias = n->param[RN_P_BIAS] >= 0;
    config->train = plan->options.mode == RN_MODE_TRAIN;
    config->exact = plan->options.exact != 0;
    config->winograd = plan->options.winograd;
    config->plain_input = rn_is_plain(plan->graph, n->input[0]);
}

bool rn_is_plain(const struct rn_graph *graph, int v)
{
    const struct rn_node *in = &graph->nodes[v];

    if (in->op != RN_OP_INPUT || !rn_conv_plain_input(in->shape.c))
        return false;
    for (size_t i = (size_t)v + 1; i < graph->n_nodes; i++) {
        const struct rn_node *n = &graph->nodes[i];

        if (rn_node_reads(n, v) && (n->op != RN_OP_CONV || n->groups > 1 ||
                                    rn_conv_window_grows(&n->window)))
            return false;
    }
    return true;
}

int rn_new_bn(struct rn_plan *plan, enum rn_dtype type, int node)
{
    const struct rn_node *n = &plan->graph->nodes[node];
    struct rn_batch_norm *bn;
    size_t scratch;

    if (!rn_grow(&plan->bns, &plan->bns_capacity, plan->n_bns,
                 sizeof(*plan->bns)) ||
        !rn_grow(&plan->bn_nodes, &plan->bn_nodes_capacity, plan->n_bns,
                 sizeof(*plan->bn_nodes)))
        return RN_NONE;
    plan->bn_nodes[plan->n_bns] = node;
    bn = &plan->bns[plan->n_bns];
    *bn = (struct rn_batch_norm){.planes = rn_planes_of_node(plan, node),
                                 .channels = n->shape.c,
                                 .eps = n->eps,
                                 .momentum = n->momentum,
                                 .fixed = rn_norm_is_fixed(n)};
    bn->planes.type = type;
    scratch = rn_batch_norm_scratch(&bn->planes);
    if (scratch > plan->sums_count)
        plan->sums_count = scratch;
    plan->bn_floats += rn_batch_norm_floats(&bn->planes);
    return (int)plan->n_bns++;
}

int *rn_count_readers(const struct rn_graph *graph)
{
    int *readers = rn_alloc(graph->n_nodes, sizeof(*readers));

    if (!readers)
        return NULL;
    for (size_t i = 0; i < graph->n_nodes; i++)
        for (int k = 0; k < graph->nodes[i].n_inputs; k++)
            readers[graph->nodes[i].input[k]]++;
    readers[graph->output]++;
    for (size_t i = 0; i < graph->n_aux; i++)
        readers[graph->aux[i].value]++;
    return readers;
}

/* -------------------------------------------------------------- placement
 *
 * Greedy by size: the largest buffer first, each at the lowest offset where
 * no buffer alive at the same time lies. Within a few per cent of the bound
 * (the largest sum alive at once) on the networks here. */

static int by_size(const void *a, const void *b)
{
    const struct rn_buffer *x = *(struct rn_buffer *const *)a;
    const struct rn_buffer *y = *(struct rn_buffer *const *)b;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x < y ? -1 : x > y;
}

static bool alive_together(const struct rn_buffer *a, const struct rn_buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Insert at place i of the first n+1 entries, which are by offset. */
static void insert_by_offset(struct rn_buffer **placed, size_t n,
                             struct rn_buffer *b)
{
    size_t i = n;

    for (; i > 0 && placed[i - 1]->offset > b->offset; i--)
        placed[i] = placed[i - 1];
    placed[i] = b;
}

static void place_one(struct rn_buffer **placed, size_t n, struct rn_buffer *b)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        if (!alive_together(placed[i], b))
            continue;
        if (placed[i]->offset >= at + b->bytes)
            break;
        if (placed[i]->offset + placed[i]->bytes > at)
            at = placed[i]->offset + placed[i]->bytes;
    }
    b->offset = at;
    insert_by_offset(placed, n, b);
}

int rn_place_buffers(struct rn_plan *plan, struct rn_error *err)
{
    struct rn_buffer **order = rn_alloc(plan->n_buffers, sizeof(*order));
    struct rn_buffer **placed = rn_alloc(plan->n_buffers, sizeof(*placed));
    size_t n = 0;

    if (!order || !placed) {
        rn_free(order);
        rn_free(placed);
        return rn_fail_memory(err, plan->n_buffers * sizeof(*order),
                              "placing activations");
    }
    for (size_t i = 0; i < plan->n_buffers; i++)
        if (plan->buffers[i].first >= 0 && plan->buffers[i].whole < 0)
            order[n++] = &plan->buffers[i];
    qsort(order, n, sizeof(*order), by_size);
    for (size_t i = 0; i < n; i++) {
        struct rn_buffer *b = order[i];

        place_one(placed, i, b);
        if (b->offset + b->bytes > plan->arena_bytes)
            plan->arena_bytes = b->offset + b->bytes;
    }
    for (size_t i = 0; i < plan->n_buffers; i++)
        if (plan->buffers[i].whole >= 0)
            plan->buffers[i].offset =
                plan->buffers[plan->buffers[i].whole].offset;
    rn_free(order);
    rn_free(placed);
    return RN_OK;
}
