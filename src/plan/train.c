/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * Graph -> training plan.
 *
 * Forward. Batch norm and ReLU write nothing: their values stay pending on
 * the convolution's output z until a reader needs them written (a
 * convolution) or takes them as they are (an addition, a max pool).
 *
 * Backward. Each value collects at most two gradient buffers, which the step
 * that produced the value adds up while reading them. The ReLU's mask and the
 * two sums of batch norm's gradient are one pass, the gradient a second one.
 */
#include "core/memory.h"
#include "plan/internal.h"

struct train_node {
    struct rn_value value;
    int grad[2], grads;
    int bn;       /* state of a batch norm node */
    int fused;    /* addition: the ReLU node its step includes; else NONE */
    int places;   /* max pool: buffer of where the largest was */
    bool done;    /* computed by an earlier node's step */
    bool masked;  /* batch norm: gradients are of the ReLU behind it */
    bool reduced; /* batch norm: its sums are taken already */
};

struct trainer {
    struct rn_plan *plan;
    const struct rn_graph *graph;
    struct train_node *nodes;
    int *readers;
    bool *needed; /* whether the gradient of a value is: there is something
                     to be learned in it or below it */
    struct rn_error *err;
};

static int no_memory(struct trainer *t)
{
    return rn_fail_memory(t->err, t->plan->n_steps * sizeof(struct rn_step),
                          "the plan");
}

static const struct rn_node *node_at(const struct trainer *t, int v)
{
    return &t->graph->nodes[v];
}

/* Whether training changes a parameter of v. */
static bool learns(const struct rn_graph *graph, int v)
{
    for (int k = 0; k < 4; k++) {
        int p = graph->nodes[v].param[k];

        if (p >= 0 && rn_param_updated(&graph->params[p]))
            return true;
    }
    return false;
}

/* By node, into an rn_alloc()ed array; see struct trainer. */
static bool *find_needed(const struct rn_graph *graph)
{
    bool *needed = rn_alloc(graph->n_nodes, sizeof(*needed));

    for (size_t i = 0; needed && i < graph->n_nodes; i++) {
        needed[i] = learns(graph, (int)i);
        for (int k = 0; k < 2; k++)
            if (graph->nodes[i].input[k] >= 0)
                needed[i] |= needed[graph->nodes[i].input[k]];
    }
    return needed;
}

/* ---------------------------------------------------------------- forward */

static void touch_value(struct trainer *t, struct rn_value v)
{
    rn_touch(t->plan, v.buffer);
}

/* out = relu(a + b), b may be empty; into a new buffer. */
static int emit_apply(struct trainer *t, int node, struct rn_value a,
                      struct rn_value b, bool relu, int *out)
{
    struct rn_step *s = rn_new_step(t->plan, &rn_step_apply, node);

    *out = rn_new_value(t->plan, node);
    if (!s || *out < 0)
        return no_memory(t);
    s->a = a;
    s->b = b;
    s->relu = relu;
    s->out = *out;
    touch_value(t, a);
    touch_value(t, b);
    rn_touch(t->plan, *out);
    return RN_OK;
}

/* Write a pending value, once: readers after this one find it written. */
static int written(struct trainer *t, int v, int *buffer)
{
    const struct rn_value none = {RN_NONE, RN_NONE, false};
    struct rn_value *value = &t->nodes[v].value;
    int rc = RN_OK;

    if (value->bn >= 0 || value->relu) {
        int out;

        rc = emit_apply(t, v, *value, none, false, &out);
        *value = (struct rn_value){out, RN_NONE, false};
    }
    *buffer = value->buffer;
    return rc;
}

static void set_value(struct trainer *t, int v, int buffer)
{
    t->nodes[v].value = (struct rn_value){buffer, RN_NONE, false};
}

static int forward_input(struct trainer *t, int v)
{
    struct rn_step *s;
    int out;

    set_value(t, v, RN_IMAGES);
    if (rn_is_plain(t->graph, v))
        return RN_OK;
    s = rn_new_step(t->plan, &rn_step_block_images, v);
    out = rn_new_value(t->plan, v);
    if (!s || out < 0)
        return no_memory(t);
    s->out = out;
    rn_touch(t->plan, out);
    set_value(t, v, out);
    return RN_OK;
}

static int forward_conv(struct trainer *t, int v)
{
    const struct rn_node *n = node_at(t, v);
    struct rn_conv_config config;
    struct rn_conv *conv;
    struct rn_step *s;
    int in, out, rc = written(t, n->input[0], &in);

    rn_conv_config_of(t->plan, v, &config);
    if (!rc)
        rc = rn_find_conv(t->plan, &config, &conv, t->err);
    if (rc)
        return rc;
    s = rn_new_step(t->plan, &rn_step_conv, v);
    out = rn_new_value(t->plan, v);
    if (!s || out < 0)
        return no_memory(t);
    s->a.buffer = in;
    s->out = out;
    s->conv = conv;
    s->weights = n->param[RN_P_WEIGHT];
    s->bias = n->param[RN_P_BIAS];
    s->flops = 2.0 * (double)n->macs * t->plan->options.batch;
    rn_touch(t->plan, in);
    rn_touch(t->plan, out);
    set_value(t, v, out);
    return RN_OK;
}

static int forward_batch_norm(struct trainer *t, int v)
{
    struct rn_step *s;
    int z, bn, rc = written(t, node_at(t, v)->input[0], &z);

    if (rc)
        return rc;
    s = rn_new_step(t->plan, &rn_step_bn_statistics, v);
    bn = rn_new_bn(t->plan, v);
    if (!s || bn < 0)
        return no_memory(t);
    s->bn = bn;
    if (!node_at(t, v)->fixed) {
        s->a.buffer = z;
        rn_touch(t->plan, z);
    }
    t->nodes[v].bn = bn;
    t->nodes[v].value = (struct rn_value){z, bn, false};
    return RN_OK;
}

/* Whether a ReLU of v is masked by v's own backward: a batch norm that
 * nothing else reads. */
static bool takes_mask(const struct trainer *t, int v)
{
    return node_at(t, v)->op == RN_OP_BATCH_NORM && t->readers[v] == 1;
}

static int forward_relu(struct trainer *t, int v)
{
    int input = node_at(t, v)->input[0], buffer;

    t->nodes[v].value = t->nodes[input].value;
    t->nodes[v].value.relu = true;
    /* Behind a batch norm that does not take over the ReLU's mask (others
     * read it, or another ReLU lies between), backward needs the ReLU's own
     * output: z has other signs. */
    return t->nodes[v].value.bn >= 0 && !takes_mask(t, input)
               ? written(t, v, &buffer)
               : RN_OK;
}

/* The node that alone reads v, or RN_NONE. */
static int only_reader(const struct trainer *t, int v)
{
    if (t->readers[v] != 1)
        return RN_NONE;
    for (size_t i = (size_t)v + 1; i < t->graph->n_nodes; i++)
        if (t->graph->nodes[i].input[0] == v ||
            t->graph->nodes[i].input[1] == v)
            return (int)i;
    return RN_NONE;
}

static int forward_add(struct trainer *t, int v)
{
    const struct rn_node *n = node_at(t, v);
    int reader = only_reader(t, v), out, rc;
    bool fuse = reader >= 0 && node_at(t, reader)->op == RN_OP_RELU;

    rc = emit_apply(t, v, t->nodes[n->input[0]].value,
                    t->nodes[n->input[1]].value, fuse, &out);
    if (rc)
        return rc;
    set_value(t, v, out);
    if (fuse) {
        set_value(t, reader, out);
        t->nodes[v].fused = reader;
        t->nodes[reader].done = true;
    }
    return RN_OK;
}

static int forward_max_pool(struct trainer *t, int v)
{
    const struct rn_node *n = node_at(t, v);
    struct rn_value in = t->nodes[n->input[0]].value;
    struct rn_step *s = rn_new_step(t->plan, &rn_step_max_pool, v);
    int out = rn_new_value(t->plan, v);
    int places =
        rn_new_buffer(t->plan, rn_value_bytes(t->plan, v) / sizeof(float));

    if (!s || out < 0 || places < 0)
        return no_memory(t);
    s->a = in;
    s->out = out;
    s->y = places;
    touch_value(t, in);
    rn_touch(t->plan, out);
    rn_touch(t->plan, places);
    t->nodes[v].places = places;
    set_value(t, v, out);
    return RN_OK;
}

/* Average pool and option A: one written input, one output. */
static int forward_simple(struct trainer *t, int v,
                          const struct rn_step_type *type)
{
    struct rn_step *s;
    int in, out, rc = written(t, node_at(t, v)->input[0], &in);

    if (rc)
        return rc;
    s = rn_new_step(t->plan, type, v);
    out = rn_new_value(t->plan, v);
    if (!s || out < 0)
        return no_memory(t);
    s->a.buffer = in;
    s->out = out;
    rn_touch(t->plan, in);
    rn_touch(t->plan, out);
    set_value(t, v, out);
    return RN_OK;
}

static int forward_average(struct trainer *t, int v)
{
    return forward_simple(t, v, &rn_step_average);
}

static int forward_avg_pool(struct trainer *t, int v)
{
    return forward_simple(t, v, &rn_step_avg_pool);
}

static int forward_subsample_pad(struct trainer *t, int v)
{
    return forward_simple(t, v, &rn_step_subsample_pad);
}

static int emit_loss(struct trainer *t)
{
    int v = t->graph->output, logits, rc = written(t, v, &logits);
    struct rn_step *s;
    int out;

    if (rc)
        return rc;
    s = rn_new_step(t->plan, &rn_step_loss, v);
    out = rn_new_value(t->plan, v);
    if (!s || out < 0)
        return no_memory(t);
    s->a.buffer = logits;
    s->out = out;
    rn_touch(t->plan, logits);
    rn_touch(t->plan, out);
    t->plan->logits = logits;
    if (!t->needed[v])
        return RN_OK;
    t->nodes[v].grad[t->nodes[v].grads++] = out;
    t->plan->buffers[out].users++;
    return RN_OK;
}

/* --------------------------------------------------------------- backward */

/* g = mask(dy + dy2) by the sign of y, RN_NONE for no mask. */
static int emit_mask(struct trainer *t, int node, const int grad[2], int grads,
                     int y, int g)
{
    struct rn_step *s = rn_new_step(t->plan, &rn_step_mask, node);

    if (!s)
        return no_memory(t);
    s->dy = grad[0];
    s->dy2 = grads > 1 ? grad[1] : RN_NONE;
    s->y = y;
    s->out = g;
    rn_touch(t->plan, s->dy);
    rn_touch(t->plan, s->dy2);
    rn_touch(t->plan, y);
    rn_touch(t->plan, g);
    return RN_OK;
}

/* A reader of this gradient is done with it; whether it may be overwritten. */
static bool release(struct trainer *t, int buffer)
{
    return --t->plan->buffers[buffer].users == 0;
}

/* A buffer for a result of node's shape: one of the gradients read, if
 * nobody else needs it, else new. */
static int reuse(struct trainer *t, int node, const int grad[2], int grads)
{
    int free = RN_NONE;

    for (int i = 0; i < grads; i++)
        if (release(t, grad[i]))
            free = grad[i];
    return free >= 0 ? free : rn_new_value(t->plan, node);
}

/* Gradients of v as one buffer, RN_NONE when v has none. */
static int single_gradient(struct trainer *t, int v, int *g)
{
    struct train_node *n = &t->nodes[v];
    int out, rc;

    *g = n->grads ? n->grad[0] : RN_NONE;
    if (n->grads < 2)
        return RN_OK;
    out = reuse(t, v, n->grad, n->grads);
    if (out < 0)
        return no_memory(t);
    rc = emit_mask(t, v, n->grad, n->grads, RN_NONE, out);
    t->plan->buffers[out].users++;
    n->grad[0] = *g = out;
    n->grads = 1;
    return rc;
}

/* v's gradient gets another summand. */
static int contribute(struct trainer *t, int v, int buffer)
{
    struct train_node *n = &t->nodes[v];
    int g, rc;

    /* Counted before two earlier ones are added up: when v has got the same
     * buffer before, their sum must not be written over it. */
    t->plan->buffers[buffer].users++;
    if (n->grads == 2) {
        rc = single_gradient(t, v, &g);
        if (rc)
            return rc;
    }
    n->grad[n->grads++] = buffer;
    return RN_OK;
}

static int backward_conv_weights(struct trainer *t, int v, int dz)
{
    const struct rn_node *n = node_at(t, v);
    struct rn_conv_config config;
    struct rn_step *s;
    int in = t->nodes[n->input[0]].value.buffer, rc;
    struct rn_conv *conv;

    rn_conv_config_of(t->plan, v, &config);
    config.pass = RN_CONV_BACKWARD_WEIGHTS;
    rc = rn_find_conv(t->plan, &config, &conv, t->err);
    if (rc)
        return rc;
    s = rn_new_step(t->plan, &rn_step_conv_backward_weights, v);
    if (!s)
        return no_memory(t);
    s->a.buffer = in;
    s->dy = dz;
    s->conv = conv;
    s->weights = n->param[RN_P_WEIGHT];
    s->bias = n->param[RN_P_BIAS];
    s->flops = 2.0 * (double)n->macs * t->plan->options.batch;
    rn_touch(t->plan, in);
    rn_touch(t->plan, dz);
    return RN_OK;
}

static int backward_conv_data(struct trainer *t, int v, int dz)
{
    const struct rn_node *n = node_at(t, v);
    struct rn_conv_config config;
    struct rn_conv *conv;
    struct rn_step *s;
    int out, rc;

    rn_conv_config_of(t->plan, v, &config);
    config.pass = RN_CONV_BACKWARD_DATA;
    config.bias = false;
    rc = rn_find_conv(t->plan, &config, &conv, t->err);
    if (rc)
        return rc;
    s = rn_new_step(t->plan, &rn_step_conv_backward_data, v);
    out = rn_new_value(t->plan, n->input[0]);
    if (!s || out < 0)
        return no_memory(t);
    s->dy = dz;
    s->out = out;
    s->conv = conv;
    s->weights = n->param[RN_P_WEIGHT];
    s->flops = 2.0 * (double)n->macs * t->plan->options.batch;
    rn_touch(t->plan, dz);
    rn_touch(t->plan, out);
    return contribute(t, n->input[0], out);
}

static int backward_conv(struct trainer *t, int v)
{
    int dz, rc = single_gradient(t, v, &dz);

    if (!rc && learns(t->graph, v))
        rc = backward_conv_weights(t, v, dz);
    if (!rc && t->needed[node_at(t, v)->input[0]])
        rc = backward_conv_data(t, v, dz);
    release(t, dz);
    return rc;
}

/* One pass: mask, both sums; the masked gradient to g unless RN_NONE. */
static int emit_reduce(struct trainer *t, int v, const int grad[2], int grads,
                       bool relu, int y, int g)
{
    struct rn_step *s = rn_new_step(t->plan, &rn_step_bn_reduce, v);
    int bn = t->nodes[v].bn;

    if (!s)
        return no_memory(t);
    s->dy = grad[0];
    s->dy2 = grads > 1 ? grad[1] : RN_NONE;
    s->relu = relu;
    s->y = y;
    s->a.buffer = t->nodes[node_at(t, v)->input[0]].value.buffer;
    s->bn = bn;
    s->out = g;
    rn_touch(t->plan, s->dy);
    rn_touch(t->plan, s->dy2);
    rn_touch(t->plan, y);
    rn_touch(t->plan, s->a.buffer);
    rn_touch(t->plan, g);
    t->nodes[v].reduced = true;
    return RN_OK;
}

static int backward_batch_norm(struct trainer *t, int v)
{
    struct train_node *n = &t->nodes[v];
    int input = node_at(t, v)->input[0], dz, rc = RN_OK;
    bool relu = n->masked && !n->reduced;
    struct rn_step *s;

    if (!n->reduced)
        rc = emit_reduce(t, v, n->grad, n->grads, relu, RN_NONE, RN_NONE);
    if (rc)
        return rc;
    if (!t->needed[input]) {
        for (int i = 0; i < n->grads; i++)
            release(t, n->grad[i]);
        return RN_OK;
    }
    s = rn_new_step(t->plan, &rn_step_bn_gradient, v);
    dz = reuse(t, v, n->grad, n->grads);
    if (!s || dz < 0)
        return no_memory(t);
    s->dy = n->grad[0];
    s->dy2 = n->grads > 1 ? n->grad[1] : RN_NONE;
    s->relu = relu;
    s->a.buffer = t->nodes[input].value.buffer;
    s->bn = n->bn;
    s->out = dz;
    rn_touch(t->plan, s->dy);
    rn_touch(t->plan, s->dy2);
    rn_touch(t->plan, s->a.buffer);
    rn_touch(t->plan, dz);
    return contribute(t, input, dz);
}

/* A ReLU on its own, or behind a batch norm, whose backward then masks. */
static int backward_relu(struct trainer *t, int v)
{
    struct train_node *n = &t->nodes[v];
    int input = node_at(t, v)->input[0], g, rc;

    if (takes_mask(t, input)) {
        t->nodes[input].masked = true;
        for (int i = 0; i < n->grads; i++)
            t->nodes[input].grad[i] = n->grad[i];
        t->nodes[input].grads = n->grads;
        return RN_OK;
    }
    g = reuse(t, v, n->grad, n->grads);
    if (g < 0)
        return no_memory(t);
    rc = emit_mask(t, v, n->grad, n->grads, n->value.buffer, g);
    return rc ? rc : contribute(t, input, g);
}

/* Whether v is a batch norm that only the addition reads, as it stands. */
static bool is_pending_bn(const struct trainer *t, int v)
{
    return node_at(t, v)->op == RN_OP_BATCH_NORM && t->readers[v] == 1;
}

/* The masked gradient of an addition in one buffer, with the sums of the
 * batch norm `bn` (a node, or RN_NONE) taken on the way. */
static int add_gradient(struct trainer *t, int v, int bn, int *g)
{
    bool relu = t->nodes[v].fused >= 0;
    struct train_node *n = &t->nodes[relu ? t->nodes[v].fused : v];
    int y = relu ? n->value.buffer : RN_NONE;

    if (!relu && n->grads == 1) {
        *g = n->grad[0];
        release(t, *g);
        return RN_OK;
    }
    *g = reuse(t, v, n->grad, n->grads);
    if (*g < 0)
        return no_memory(t);
    if (bn >= 0)
        return emit_reduce(t, bn, n->grad, n->grads, relu, y, *g);
    return emit_mask(t, v, n->grad, n->grads, y, *g);
}

static int backward_add(struct trainer *t, int v)
{
    const int *input = node_at(t, v)->input;
    int bn = RN_NONE, g, rc;

    for (int k = 1; k >= 0; k--)
        if (t->needed[input[k]] && is_pending_bn(t, input[k]))
            bn = input[k];
    rc = add_gradient(t, v, bn, &g);
    if (rc)
        return rc;
    /* Both inputs' before either's is added up with others. */
    t->plan->buffers[g].users++;
    for (int k = 0; !rc && k < 2; k++)
        if (t->needed[input[k]])
            rc = contribute(t, input[k], g);
    release(t, g);
    return rc;
}

static int backward_max_pool(struct trainer *t, int v)
{
    struct train_node *n = &t->nodes[v];
    int input = node_at(t, v)->input[0];
    struct rn_step *s = rn_new_step(t->plan, &rn_step_max_pool_backward, v);
    int out = rn_new_value(t->plan, input);

    if (!s || out < 0)
        return no_memory(t);
    s->dy = n->grad[0];
    s->dy2 = n->grads > 1 ? n->grad[1] : RN_NONE;
    s->y = n->places;
    s->out = out;
    rn_touch(t->plan, s->dy);
    rn_touch(t->plan, s->dy2);
    rn_touch(t->plan, s->y);
    rn_touch(t->plan, out);
    for (int i = 0; i < n->grads; i++)
        release(t, n->grad[i]);
    return contribute(t, input, out);
}

static int backward_simple(struct trainer *t, int v,
                           const struct rn_step_type *type)
{
    int input = node_at(t, v)->input[0], dy, out,
        rc = single_gradient(t, v, &dy);
    struct rn_step *s;

    if (rc)
        return rc;
    s = rn_new_step(t->plan, type, v);
    out = rn_new_value(t->plan, input);
    if (!s || out < 0)
        return no_memory(t);
    s->dy = dy;
    s->out = out;
    rn_touch(t->plan, dy);
    rn_touch(t->plan, out);
    release(t, dy);
    return contribute(t, input, out);
}

static int backward_average(struct trainer *t, int v)
{
    return backward_simple(t, v, &rn_step_average_backward);
}

static int backward_avg_pool(struct trainer *t, int v)
{
    return backward_simple(t, v, &rn_step_avg_pool_backward);
}

static int backward_subsample_pad(struct trainer *t, int v)
{
    return backward_simple(t, v, &rn_step_subsample_pad_backward);
}

/* ------------------------------------------------------------------ whole */

static const struct rule {
    int (*forward)(struct trainer *t, int v);
    int (*backward)(struct trainer *t, int v);
} rules[RN_OP_COUNT] = {
    [RN_OP_INPUT] = {forward_input, NULL},
    [RN_OP_CONV] = {forward_conv, backward_conv},
    [RN_OP_BATCH_NORM] = {forward_batch_norm, backward_batch_norm},
    [RN_OP_RELU] = {forward_relu, backward_relu},
    [RN_OP_ADD] = {forward_add, backward_add},
    [RN_OP_MAX_POOL] = {forward_max_pool, backward_max_pool},
    [RN_OP_GLOBAL_AVG_POOL] = {forward_average, backward_average},
    [RN_OP_LINEAR] = {forward_conv, backward_conv},
    [RN_OP_SUBSAMPLE_PAD] = {forward_subsample_pad, backward_subsample_pad},
    [RN_OP_AVG_POOL] = {forward_avg_pool, backward_avg_pool},
};

/* Whether backward of v has anything to do. An addition's gradients hang on
 * the ReLU its step includes. */
static bool has_gradient(const struct trainer *t, int v)
{
    int at = t->nodes[v].fused >= 0 ? t->nodes[v].fused : v;

    return t->nodes[at].grads > 0 && !t->nodes[v].done;
}

/* What about a node is for inference alone, or NULL. */
static const char *untrainable(const struct trainer *t, const struct rn_node *n)
{
    if (!rules[n->op].forward)
        return "its operation";
    if ((n->op == RN_OP_CONV || n->op == RN_OP_MAX_POOL) &&
        !rn_window_regular(&n->window))
        return "its window";
    if (n->op == RN_OP_LINEAR && t->graph->nodes[n->input[0]].shape.h *
                                         t->graph->nodes[n->input[0]].shape.w >
                                     1)
        return "its input of several pixels";
    return NULL;
}

static int check_trainable(struct trainer *t)
{
    for (size_t i = 0; i < t->graph->n_nodes; i++) {
        const struct rn_node *n = node_at(t, (int)i);
        const char *what = untrainable(t, n);

        if (what)
            return rn_fail(t->err, RN_ERR_ARG,
                           "this network cannot be trained here: layer '%s' "
                           "(%s) has no backward pass for %s",
                           n->name, rn_op_name(n->op), what);
    }
    return RN_OK;
}

static int compile(struct trainer *t)
{
    int rc = check_trainable(t);

    for (size_t i = 0; !rc && i < t->graph->n_nodes; i++) {
        t->nodes[i].fused = t->nodes[i].bn = RN_NONE;
        if (!t->nodes[i].done)
            rc = rules[t->graph->nodes[i].op].forward(t, (int)i);
    }
    if (!rc)
        rc = emit_loss(t);
    for (size_t i = t->graph->n_nodes; !rc && i-- > 0;) {
        const struct rule *rule = &rules[t->graph->nodes[i].op];

        if (rule->backward && has_gradient(t, (int)i))
            rc = rule->backward(t, (int)i);
    }
    return rc ? rc : rn_recompute(t->plan, t->err);
}

int rn_compile_train(struct rn_plan *plan, struct rn_error *err)
{
    struct trainer t = {.plan = plan, .graph = plan->graph, .err = err};
    int rc;

    t.nodes = rn_alloc(plan->graph->n_nodes, sizeof(*t.nodes));
    t.readers = rn_count_readers(plan->graph);
    t.needed = find_needed(plan->graph);
    rc = t.nodes && t.readers && t.needed ? compile(&t) : no_memory(&t);
    rn_free(t.nodes);
    rn_free(t.readers);
    rn_free(t.needed);
    return rc;
}
