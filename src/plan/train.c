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
 *
 * Heads. Auxiliary heads are nodes behind the output, each with a loss of its
 * own. All losses stand between forward and backward.
 *
 * Dense blocks. The values of a block lie side by side in one buffer, in which
 * each is put as soon as it is there, and the batch norms in it read as many of
 * the first of them as are theirs. Their gradients are added up in a buffer of
 * the same kind, from which each value's is taken when all its readers are
 * done.
 *
 * Types. With a precision less than float32 values of several pixels have that
 * type, and so have their gradients; images, and what is of one pixel, fc and
 * the loss that is, stay float32. A step that computes in another type stands
 * between steps that convert what it reads and makes.
 */
#include "core/memory.h"
#include "plan/operations.h"

struct train_node {
    struct rn_value value;
    int grad[2], grads;
    int bn, z;  /* batch norm: its state, and the buffer it normalises */
    int fused;  /* addition, convolution: the ReLU its step includes, or NONE */
    int places; /* max pool: buffer of where the largest was */
    bool done;  /* computed by an earlier node's step */
    bool masked;  /* batch norm: gradients are of the ReLU behind it */
    bool reduced; /* batch norm: its sums are taken already */
    int part;     /* in a dense block: what is there of the value */
    /* A dense block's last concatenation: the buffers of the block, and how
     * many of its inputs have a gradient. */
    int block, block_gradient, summed;
};

struct rn_learner {
    struct rn_plan *plan;
    const struct rn_graph *graph;
    struct train_node *nodes;
    int *readers;
    bool *needed; /* whether the gradient of a value is: there is something
                     to be learned in it or below it */
    struct rn_dense *dense; /* where values lie in dense blocks, by node */
    struct rn_error *err;
};

static int no_memory(struct rn_learner *t)
{
    return rn_fail_memory(t->err, t->plan->n_steps * sizeof(struct rn_step),
                          "the plan");
}

static const struct rn_node *node_at(const struct rn_learner *t, int v)
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

/* By node, into an rn_alloc()ed array; see struct rn_learner. */
static bool *find_needed(const struct rn_graph *graph)
{
    bool *needed = rn_alloc(graph->n_nodes, sizeof(*needed));

    for (size_t i = 0; needed && i < graph->n_nodes; i++) {
        needed[i] = learns(graph, (int)i);
        for (int k = 0; k < graph->nodes[i].n_inputs; k++)
            needed[i] |= needed[graph->nodes[i].input[k]];
    }
    return needed;
}

/* ------------------------------------------------------------------ types */

/* The type of value v and of its gradient. */
static enum rn_dtype type_of(const struct rn_learner *t, int v)
{
    const struct rn_node *n = node_at(t, v);

    if (n->op == RN_OP_INPUT || rn_shape_pixels(n->shape) == 1)
        return RN_F32;
    return rn_precision_type(t->plan->options.precision);
}

static enum rn_dtype type_at(const struct rn_learner *t, int buffer)
{
    return buffer < 0 ? RN_F32 : t->plan->buffers[buffer].type;
}

/* A buffer for value v or its gradient. */
static int new_value(struct rn_learner *t, int v)
{
    return rn_new_value(t->plan, type_of(t, v), v);
}

/* *buffer, of v's shape -> the same in another type, unless it has that. */
static int convert(struct rn_learner *t, int v, enum rn_dtype type, int *buffer)
{
    struct rn_step *s;
    int out;

    if (type_at(t, *buffer) == type)
        return RN_OK;
    s = rn_new_step(t->plan, &rn_step_convert, v);
    out = rn_new_value(t->plan, type, v);
    if (!s || out < 0)
        return no_memory(t);
    s->a.buffer = *buffer;
    s->out = out;
    rn_touch_step(t->plan);
    *buffer = out;
    return RN_OK;
}

/* The types of a convolution's pass: v's, where there is an algorithm. Plain
 * images are read as they came. */
static void find_types(const struct rn_learner *t, int v,
                       struct rn_conv_config *config)
{
    config->output = type_of(t, v);
    config->input = config->plain_input ? RN_F32 : config->output;
    if (!rn_conv_exists(config))
        config->input = config->output = RN_F32;
}

/* ------------------------------------------------------------ dense blocks
 *
 * The same sums as of concatenations that are copied, in the same order: the
 * same bits. */

static bool is_dense(const struct rn_learner *t, int v)
{
    return t->dense[v].last >= 0;
}

/* Whether a buffer is a part of a block's, which few steps can read. */
static bool is_part(const struct rn_learner *t, int buffer)
{
    return buffer >= 0 && t->plan->buffers[buffer].whole >= 0;
}

/* Value v's part of the block's buffer; of a concatenation that is all there is
 * to do. */
static int set_part(struct rn_learner *t, int v)
{
    const int last = t->dense[v].last;

    t->nodes[v].part = rn_new_part(t->plan, t->nodes[last].block, last, v);
    return t->nodes[v].part < 0 ? no_memory(t) : RN_OK;
}

static int written(struct rn_learner *t, int v, int *buffer);

/* Put v, which has been computed, in its place in the block. */
static int place(struct rn_learner *t, int v)
{
    const struct rn_dense *d = &t->dense[v];
    struct train_node *last = &t->nodes[d->last];
    struct rn_step *s;
    int from, rc = written(t, v, &from);

    if (!rc && last->block < 0)
        last->block = new_value(t, d->last);
    if (!rc)
        rc = set_part(t, v);
    if (rc)
        return rc;
    s = rn_new_step(t->plan, &rn_step_place, d->last);
    if (!s)
        return no_memory(t);
    s->input = d->first;
    s->a.buffer = from;
    s->out = t->nodes[v].part;
    rn_touch_step(t->plan);
    return RN_OK;
}

/* The part of the block's gradient that a summand for v's is to be added to, or
 * to be, the first one; RN_NONE without memory. */
static int gradient_part(struct rn_learner *t, int v, bool *adds)
{
    const struct rn_dense *d = &t->dense[v];
    struct train_node *last = &t->nodes[d->last];

    *adds = last->block_gradient >= 0;
    if (!*adds) {
        last->block_gradient = new_value(t, d->last);
        last->summed = d->count;
    }
    return rn_new_part(t->plan, last->block_gradient, d->last, v);
}

static int contribute(struct rn_learner *t, int v, int buffer);

/* Give v its gradient, all readers of its block behind it being done. */
static int take_gradient(struct rn_learner *t, int v)
{
    const struct rn_dense *d = &t->dense[v];
    const struct train_node *last = &t->nodes[d->last];
    struct rn_step *s;
    int out, part;

    if (!t->needed[v] || last->block_gradient < 0 || d->first >= last->summed)
        return RN_OK;
    s = rn_new_step(t->plan, &rn_step_concat_backward, d->last);
    part = rn_new_part(t->plan, last->block_gradient, d->last, v);
    out = new_value(t, v);
    if (!s || part < 0 || out < 0)
        return no_memory(t);
    s->input = d->first;
    s->dy = part;
    s->out = out;
    rn_touch_step(t->plan);
    return contribute(t, v, out);
}

/* ---------------------------------------------------------------- forward */

static void touch_value(struct rn_learner *t, struct rn_value v)
{
    rn_touch(t->plan, v.buffer);
}

/* out = relu(a + b), b may be empty; into a new buffer. */
static int emit_apply(struct rn_learner *t, int node, struct rn_value a,
                      struct rn_value b, bool relu, int *out)
{
    struct rn_step *s = rn_new_step(t->plan, &rn_step_apply, node);

    *out = rn_new_value(t->plan, type_at(t, a.buffer), node);
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
static int written(struct rn_learner *t, int v, int *buffer)
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

/* Value v as a reader of that type takes it: pending, unless it is of another.
 */
static int read_as(struct rn_learner *t, int v, enum rn_dtype type,
                   struct rn_value *out)
{
    int buffer, rc;

    *out = t->nodes[v].value;
    if (type_at(t, out->buffer) == type)
        return RN_OK;
    rc = written(t, v, &buffer);
    if (!rc)
        rc = convert(t, v, type, &buffer);
    *out = (struct rn_value){buffer, RN_NONE, false};
    return rc;
}

/* What a step has made of v, in v's type from here on. */
static int set_value(struct rn_learner *t, int v, int buffer)
{
    int rc = convert(t, v, type_of(t, v), &buffer);

    t->nodes[v].value = (struct rn_value){buffer, RN_NONE, false};
    return rc;
}

int rn_forward_input(struct rn_learner *t, int v)
{
    struct rn_step *s;
    int out;

    if (rn_is_plain(t->graph, v))
        return set_value(t, v, RN_IMAGES);
    s = rn_new_step(t->plan, &rn_step_block_images, v);
    out = new_value(t, v);
    if (!s || out < 0)
        return no_memory(t);
    s->out = out;
    rn_touch(t->plan, out);
    return set_value(t, v, out);
}

/* The node that alone reads v, or RN_NONE. */
static int only_reader(const struct rn_learner *t, int v)
{
    if (t->readers[v] != 1)
        return RN_NONE;
    for (size_t i = (size_t)v + 1; i < t->graph->n_nodes; i++)
        if (rn_node_reads(node_at(t, (int)i), v))
            return (int)i;
    return RN_NONE;
}

/* The ReLU that alone reads v, which v's step may include; or RN_NONE. */
static int relu_behind(const struct rn_learner *t, int v)
{
    int reader = only_reader(t, v);

    return reader >= 0 && node_at(t, reader)->op == RN_OP_RELU ? reader
                                                               : RN_NONE;
}

/* Whether somebody looks at what v itself is while the plan runs. */
static bool is_watched(const struct rn_learner *t, int v)
{
    return t->plan->watched && t->plan->watched[v];
}

/* v's step has included the ReLU behind it: what it made is that one's. */
static int include_relu(struct rn_learner *t, int v, int relu, int out)
{
    t->nodes[v].fused = relu;
    t->nodes[relu].done = true;
    return set_value(t, relu, out);
}

int rn_forward_conv(struct rn_learner *t, int v)
{
    const struct rn_node *n = node_at(t, v);
    int relu = relu_behind(t, v);
    struct rn_conv_config config;
    struct rn_conv *conv;
    struct rn_step *s;
    int in, out, rc = written(t, n->input[0], &in);

    rn_conv_config_of(t->plan, v, &config);
    find_types(t, v, &config);
    config.relu = relu >= 0 && !is_watched(t, v) &&
                  config.output == type_of(t, v) &&
                  rn_conv_trains_relu(&config);
    if (!rc)
        rc = convert(t, n->input[0], config.input, &in);
    if (!rc)
        rc = rn_find_conv(t->plan, &config, &conv, t->err);
    if (rc)
        return rc;
    s = rn_new_step(t->plan, &rn_step_conv, v);
    out = rn_new_value(t->plan, config.output, v);
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
    rc = set_value(t, v, out);
    return rc || !config.relu ? rc : include_relu(t, v, relu, out);
}

int rn_forward_batch_norm(struct rn_learner *t, int v)
{
    struct rn_step *s;
    int input = node_at(t, v)->input[0], z = t->nodes[input].part, bn;
    int rc = is_dense(t, input) ? RN_OK : written(t, input, &z);

    if (!rc)
        rc = convert(t, input, type_of(t, v), &z);
    if (rc)
        return rc;
    s = rn_new_step(t->plan, &rn_step_bn_statistics, v);
    bn = rn_new_bn(t->plan, type_of(t, v), v);
    if (!s || bn < 0)
        return no_memory(t);
    s->bn = bn;
    if (!rn_norm_is_fixed(node_at(t, v))) {
        s->a.buffer = z;
        rn_touch(t->plan, z);
    }
    t->plan->bns[bn].apart = t->plan->buffers[z].planes;
    t->nodes[v].bn = bn;
    t->nodes[v].z = z;
    t->nodes[v].value = (struct rn_value){z, bn, false};
    return RN_OK;
}

/* Whether a ReLU of v is masked by v's own backward: a batch norm that
 * nothing else reads. */
static bool takes_mask(const struct rn_learner *t, int v)
{
    return node_at(t, v)->op == RN_OP_BATCH_NORM && t->readers[v] == 1;
}

int rn_forward_relu(struct rn_learner *t, int v)
{
    int input = node_at(t, v)->input[0], buffer;
    int rc = read_as(t, input, type_of(t, v), &t->nodes[v].value);

    t->nodes[v].value.relu = true;
    if (rc)
        return rc;
    /* Behind a batch norm that does not take over the ReLU's mask (others
     * read it, or another ReLU lies between), backward needs the ReLU's own
     * output: z has other signs. */
    return t->nodes[v].value.bn >= 0 && !takes_mask(t, input)
               ? written(t, v, &buffer)
               : RN_OK;
}

int rn_forward_add(struct rn_learner *t, int v)
{
    const struct rn_node *n = node_at(t, v);
    int relu = relu_behind(t, v), out;
    struct rn_value a, b;
    int rc = read_as(t, n->input[0], type_of(t, v), &a);

    if (!rc)
        rc = read_as(t, n->input[1], type_of(t, v), &b);
    if (!rc)
        rc = emit_apply(t, v, a, b, relu >= 0, &out);
    if (!rc)
        rc = set_value(t, v, out);
    return rc || relu < 0 ? rc : include_relu(t, v, relu, out);
}

/* The type that a step reads its k-th input in, and makes its gradient in: one
 * for all of several pixels, images among them. */
static enum rn_dtype input_type(const struct rn_learner *t, int v, int k)
{
    const struct rn_node *n = node_at(t, v);

    if (!rn_op_plan_of(n->op)->bf16 ||
        rn_shape_pixels(node_at(t, n->input[k])->shape) == 1)
        return RN_F32;
    for (int j = 0; j < n->n_inputs; j++)
        if (type_of(t, n->input[j]) == RN_BF16)
            return RN_BF16;
    return RN_F32;
}

/* The type that a step makes its value in, and reads its gradient in. */
static enum rn_dtype step_type(const struct rn_learner *t, int v)
{
    return input_type(t, v, 0);
}

/* An input of a step, written unless it applies what is pending; no value where
 * there is none. */
static int step_input(struct rn_learner *t, int v, int k, struct rn_value *in)
{
    const struct rn_node *n = node_at(t, v);
    int rc = RN_OK, buffer;

    *in = (struct rn_value){RN_NONE, RN_NONE, false};
    if (k >= n->n_inputs)
        return RN_OK;
    if (!rn_op_plan_of(n->op)->takes_pending ||
        is_part(t, t->nodes[n->input[k]].value.buffer))
        rc = written(t, n->input[k], &buffer);
    return rc ? rc : read_as(t, n->input[k], input_type(t, v, k), in);
}

/* The inputs behind the second one, into the plan's list. */
static int list_inputs(struct rn_learner *t, int v)
{
    int rc = RN_OK;

    for (int k = 2; !rc && k < node_at(t, v)->n_inputs; k++) {
        struct rn_value in;

        rc = step_input(t, v, k, &in);
        if (!rc && !rn_list_more(t->plan, in.buffer))
            rc = no_memory(t);
    }
    return rc;
}

int rn_forward_step(struct rn_learner *t, int v)
{
    const struct rn_op_plan *o = rn_op_plan_of(node_at(t, v)->op);
    bool places = o->keeps & RN_KEEPS_PLACES;
    struct rn_value a, b;
    struct rn_step *s;
    int more = (int)t->plan->n_lists, out, rc = step_input(t, v, 0, &a);

    if (!rc)
        rc = step_input(t, v, 1, &b);
    if (!rc)
        rc = list_inputs(t, v);
    if (rc)
        return rc;
    s = rn_new_step(t->plan, o->forward_step, v);
    out = rn_new_value(t->plan, step_type(t, v), v);
    if (places)
        t->nodes[v].places =
            rn_new_buffer(t->plan, RN_U8, rn_value_count(t->plan, v));
    if (!s || out < 0 || (places && t->nodes[v].places < 0))
        return no_memory(t);
    s->a = a;
    s->b = b;
    s->more = more;
    s->n_more = (int)t->plan->n_lists - more;
    s->out = out;
    s->y = places ? t->nodes[v].places : RN_NONE;
    rn_touch_step(t->plan);
    return set_value(t, v, out);
}

static int give(struct rn_learner *t, int v, int buffer);

/* Of an output, which is written; a hint's may be of another type than the
 * loss reads. */
static int emit_loss(struct rn_learner *t, int v)
{
    int from = t->nodes[v].value.buffer, out, rc = convert(t, v, RN_F32, &from);
    struct rn_step *s;

    if (rc)
        return rc;
    s = rn_new_step(t->plan, &rn_step_loss, v);
    out = rn_new_value(t->plan, RN_F32, v);
    if (!s || out < 0)
        return no_memory(t);
    s->a.buffer = from;
    s->out = out;
    rn_touch(t->plan, from);
    rn_touch(t->plan, out);
    return t->needed[v] ? give(t, v, out) : RN_OK;
}

/* The losses, one behind the other: the output's, then the heads'. */
static int emit_losses(struct rn_learner *t)
{
    const struct rn_graph *g = t->graph;
    int buffer, rc = written(t, g->output, &t->plan->logits);

    for (size_t i = 0; !rc && i < g->n_aux; i++)
        rc = written(t, g->aux[i].value, &buffer);
    if (!rc)
        rc = emit_loss(t, g->output);
    for (size_t i = 0; !rc && i < g->n_aux; i++)
        rc = emit_loss(t, g->aux[i].value);
    return rc;
}

/* --------------------------------------------------------------- backward */

/* g = mask(dy + dy2) by the sign of y, RN_NONE for no mask. */
static int emit_mask(struct rn_learner *t, int node, const int grad[2],
                     int grads, int y, int g)
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
static bool release(struct rn_learner *t, int buffer)
{
    return --t->plan->buffers[buffer].users == 0;
}

/* A buffer for a result of node's shape: one of the gradients read, if
 * nobody else needs it, else new. */
static int reuse(struct rn_learner *t, int node, const int grad[2], int grads)
{
    int free = RN_NONE;

    for (int i = 0; i < grads; i++)
        if (release(t, grad[i]))
            free = grad[i];
    return free >= 0 ? free : new_value(t, node);
}

/* Gradients of v as one buffer, RN_NONE when v has none. */
static int single_gradient(struct rn_learner *t, int v, int *g)
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
static int contribute(struct rn_learner *t, int v, int buffer)
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

/* The same of a buffer in another type than v's. */
static int give(struct rn_learner *t, int v, int buffer)
{
    int rc = convert(t, v, type_of(t, v), &buffer);

    return rc ? rc : contribute(t, v, buffer);
}

static int backward_conv_weights(struct rn_learner *t, int v, int dz)
{
    const struct rn_node *n = node_at(t, v);
    struct rn_conv_config config;
    struct rn_step *s;
    int in = t->nodes[n->input[0]].value.buffer, rc;
    struct rn_conv *conv;

    rn_conv_config_of(t->plan, v, &config);
    config.pass = RN_CONV_BACKWARD_WEIGHTS;
    find_types(t, v, &config);
    rc = convert(t, n->input[0], config.input, &in);
    if (!rc)
        rc = convert(t, v, config.output, &dz);
    if (!rc)
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

static void data_config(const struct rn_learner *t, int v,
                        struct rn_conv_config *config)
{
    rn_conv_config_of(t->plan, v, config);
    config->pass = RN_CONV_BACKWARD_DATA;
    config->bias = false;
    find_types(t, v, config);
}

/* Whether the gradient of v's output is what the last step, a batch norm's,
 * makes, and the pass to the data can make it on its way: that step is taken
 * back. */
static bool takes_norm(struct rn_learner *t, int v, int dz,
                       struct rn_step *norm)
{
    struct rn_plan *p = t->plan;
    struct rn_conv_config config;

    *norm = p->steps[p->n_steps - 1];
    if (norm->type != &rn_step_bn_gradient || norm->out != dz ||
        !t->needed[node_at(t, v)->input[0]])
        return false;
    data_config(t, v, &config);
    config.normed = true;
    if (config.output != type_at(t, dz) || !rn_conv_exists(&config))
        return false;
    p->n_steps--;
    return true;
}

/* With `norm`, the step of a batch norm that makes dz, or NULL. */
static int backward_conv_data(struct rn_learner *t, int v, int dz,
                              const struct rn_step *norm)
{
    const struct rn_node *n = node_at(t, v);
    struct rn_conv_config config;
    struct rn_conv *conv;
    struct rn_step *s;
    int out, rc;

    data_config(t, v, &config);
    config.normed = norm != NULL;
    rc = convert(t, v, config.output, &dz);
    if (!rc)
        rc = rn_find_conv(t->plan, &config, &conv, t->err);
    if (rc)
        return rc;
    s = rn_new_step(t->plan, &rn_step_conv_backward_data, v);
    out = rn_new_value(t->plan, config.input, n->input[0]);
    if (!s || out < 0)
        return no_memory(t);
    s->dy = dz;
    if (norm) {
        s->dy = norm->dy;
        s->dy2 = norm->dy2;
        s->relu = norm->relu;
        s->a = norm->a;
        s->bn = norm->bn;
        s->y = dz;
    }
    s->out = out;
    s->conv = conv;
    s->weights = n->param[RN_P_WEIGHT];
    s->flops = 2.0 * (double)n->macs * t->plan->options.batch;
    rn_touch_step(t->plan);
    return give(t, n->input[0], out);
}

/* The gradient of a convolution's sums, behind the ReLU in its step masked. */
static int sums_gradient(struct rn_learner *t, int v, int *dz)
{
    const int relu = t->nodes[v].fused;
    const struct train_node *n = &t->nodes[relu < 0 ? v : relu];
    int rc;

    if (relu < 0)
        return single_gradient(t, v, dz);
    *dz = reuse(t, v, n->grad, n->grads);
    if (*dz < 0)
        return no_memory(t);
    rc = emit_mask(t, relu, n->grad, n->grads, n->value.buffer, *dz);
    t->plan->buffers[*dz].users++;
    return rc;
}

int rn_backward_conv(struct rn_learner *t, int v)
{
    int dz, rc = sums_gradient(t, v, &dz);
    struct rn_step norm;
    bool made = !rc && takes_norm(t, v, dz, &norm);

    /* First, for it makes what the weights' pass reads, too. */
    if (made)
        rc = backward_conv_data(t, v, dz, &norm);
    if (!rc && learns(t->graph, v))
        rc = backward_conv_weights(t, v, dz);
    if (!rc && !made && t->needed[node_at(t, v)->input[0]])
        rc = backward_conv_data(t, v, dz, NULL);
    release(t, dz);
    return rc;
}

/* One pass: mask, both sums; the masked gradient to g unless RN_NONE. */
static int emit_reduce(struct rn_learner *t, int v, const int grad[2],
                       int grads, bool relu, int y, int g)
{
    struct rn_step *s = rn_new_step(t->plan, &rn_step_bn_reduce, v);
    int bn = t->nodes[v].bn;

    if (!s)
        return no_memory(t);
    s->dy = grad[0];
    s->dy2 = grads > 1 ? grad[1] : RN_NONE;
    s->relu = relu;
    s->y = y;
    s->a.buffer = t->nodes[v].z;
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

int rn_backward_batch_norm(struct rn_learner *t, int v)
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
    if (s && is_dense(t, input)) {
        dz = gradient_part(t, input, &s->adds);
        for (int i = 0; i < n->grads; i++)
            release(t, n->grad[i]);
    } else {
        dz = reuse(t, v, n->grad, n->grads);
    }
    if (!s || dz < 0)
        return no_memory(t);
    s->dy = n->grad[0];
    s->dy2 = n->grads > 1 ? n->grad[1] : RN_NONE;
    s->relu = relu;
    s->a.buffer = n->z;
    s->bn = n->bn;
    s->out = dz;
    rn_touch(t->plan, s->dy);
    rn_touch(t->plan, s->dy2);
    rn_touch(t->plan, s->a.buffer);
    rn_touch(t->plan, dz);
    return is_dense(t, input) ? RN_OK : contribute(t, input, dz);
}

/* A ReLU on its own, or behind a batch norm, whose backward then masks. */
int rn_backward_relu(struct rn_learner *t, int v)
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
static bool is_pending_bn(const struct rn_learner *t, int v)
{
    return node_at(t, v)->op == RN_OP_BATCH_NORM && t->readers[v] == 1;
}

/* The masked gradient of an addition in one buffer, with the sums of the
 * batch norm `bn` (a node, or RN_NONE) taken on the way. */
static int add_gradient(struct rn_learner *t, int v, int bn, int *g)
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

int rn_backward_add(struct rn_learner *t, int v)
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

/* What a step keeps of forward besides inputs. */
static int kept(const struct rn_learner *t, int v, unsigned keeps)
{
    if (keeps & RN_KEEPS_PLACES)
        return t->nodes[v].places;
    return keeps & RN_KEEPS_OUTPUT ? t->nodes[v].value.buffer : RN_NONE;
}

/* The gradient of one input, of the value's. */
static int backward_input(struct rn_learner *t, int v, int k, const int dy[2])
{
    const struct rn_op_plan *o = rn_op_plan_of(node_at(t, v)->op);
    struct rn_value a = {RN_NONE, RN_NONE, false}, b = a;
    int out, rc = RN_OK;
    struct rn_step *s;

    if (o->keeps & RN_KEEPS_INPUT)
        rc = step_input(t, v, k, &a);
    if (!rc && o->keeps & RN_KEEPS_OTHER)
        rc = step_input(t, v, 1 - k, &b);
    if (rc)
        return rc;
    s = rn_new_step(t->plan, o->backward_step, v);
    out = rn_new_value(t->plan, input_type(t, v, k), node_at(t, v)->input[k]);
    if (!s || out < 0)
        return no_memory(t);
    s->input = k;
    s->dy = dy[0];
    s->dy2 = dy[1];
    s->a = a;
    s->b = b;
    s->y = kept(t, v, o->keeps);
    s->out = out;
    rn_touch_step(t->plan);
    return give(t, node_at(t, v)->input[k], out);
}

/* The gradients of its parameters, of the value's. */
static int backward_learn(struct rn_learner *t, int v, const int dy[2])
{
    struct rn_value a;
    struct rn_step *s;
    int rc = step_input(t, v, 0, &a);

    if (rc)
        return rc;
    s = rn_new_step(t->plan, rn_op_plan_of(node_at(t, v)->op)->learn_step, v);
    if (!s)
        return no_memory(t);
    s->dy = dy[0];
    s->dy2 = dy[1];
    s->a = a;
    rn_touch_step(t->plan);
    return RN_OK;
}

int rn_backward_step(struct rn_learner *t, int v)
{
    const struct rn_node *node = node_at(t, v);
    struct train_node *n = &t->nodes[v];
    int rc = RN_OK, given;

    if (!rn_op_plan_of(node->op)->takes_pending)
        rc = single_gradient(t, v, &given);
    const int grads = n->grads, held[2] = {n->grad[0], n->grad[1]};
    int dy[2] = {held[0], grads > 1 ? held[1] : RN_NONE};

    for (int i = 0; !rc && i < grads; i++)
        rc = convert(t, v, step_type(t, v), &dy[i]);
    if (!rc && rn_op_plan_of(node->op)->learn_step && learns(t->graph, v))
        rc = backward_learn(t, v, dy);
    for (int k = 0; !rc && k < node->n_inputs; k++)
        if (t->needed[node->input[k]])
            rc = backward_input(t, v, k, dy);
    for (int i = 0; !rc && i < grads; i++)
        release(t, held[i]);
    return rc;
}

int rn_backward_highway(struct rn_learner *t, int v)
{
    const int *input = node_at(t, v)->input;
    struct train_node *n = &t->nodes[v];
    struct rn_value z, x;
    struct rn_step *s;
    int dz, dx, rc = step_input(t, v, 0, &z);

    if (!rc)
        rc = step_input(t, v, 1, &x);
    if (rc)
        return rc;
    s = rn_new_step(t->plan, &rn_step_highway_backward, v);
    dx = reuse(t, v, n->grad, n->grads);
    dz = new_value(t, input[0]);
    if (!s || dx < 0 || dz < 0)
        return no_memory(t);
    s->a = z;
    s->b = x;
    s->dy = n->grad[0];
    s->dy2 = n->grads > 1 ? n->grad[1] : RN_NONE;
    s->y = dz;
    s->out = dx;
    rn_touch_step(t->plan);
    if (t->needed[input[0]])
        rc = contribute(t, input[0], dz);
    if (!rc && t->needed[input[1]])
        rc = contribute(t, input[1], dx);
    return rc;
}

/* ------------------------------------------------------------------ whole */

/* Whether backward of v has anything to do. An addition's gradients hang on
 * the ReLU its step includes. */
static bool has_gradient(const struct rn_learner *t, int v)
{
    int at = t->nodes[v].fused >= 0 ? t->nodes[v].fused : v;

    return t->nodes[at].grads > 0 && !t->nodes[v].done;
}

/* What about a node is for inference alone, or NULL. */
static const char *untrainable(const struct rn_learner *t,
                               const struct rn_node *n)
{
    const struct rn_op_plan *o = rn_op_plan_of(n->op);

    if (!o->forward)
        return "its operation";
    return o->untrained ? o->untrained(t->graph, n) : NULL;
}

static int check_trainable(struct rn_learner *t)
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

/* Heads know their losses by name. */
static int check_aux(struct rn_learner *t)
{
    for (size_t i = 0; i < t->graph->n_aux; i++)
        if (!rn_loss_find(t->graph->aux[i].loss))
            return rn_fail(t->err, RN_ERR_ARG,
                           "the auxiliary head '%s' has the loss '%s', which "
                           "is not known",
                           node_at(t, t->graph->aux[i].value)->name,
                           t->graph->aux[i].loss);
    return RN_OK;
}

static int forward(struct rn_learner *t, int v)
{
    int rc = RN_OK;

    if (is_dense(t, v) && t->dense[v].count > 1)
        return set_part(t, v);
    if (!t->nodes[v].done)
        rc = rn_op_plan_of(node_at(t, v)->op)->forward(t, v);
    return !rc && is_dense(t, v) ? place(t, v) : rc;
}

static int backward(struct rn_learner *t, int v)
{
    const struct rn_op_plan *o = rn_op_plan_of(node_at(t, v)->op);
    int rc = RN_OK;

    if (is_dense(t, v) && t->dense[v].count == 1)
        rc = take_gradient(t, v);
    if (!rc && o->backward && has_gradient(t, v))
        rc = o->backward(t, v);
    return rc;
}

static int compile(struct rn_learner *t)
{
    int rc = check_trainable(t);

    if (!rc)
        rc = check_aux(t);
    for (size_t i = 0; i < t->graph->n_nodes; i++) {
        struct train_node *n = &t->nodes[i];

        n->fused = n->bn = n->block = n->block_gradient = RN_NONE;
    }
    for (size_t i = 0; !rc && i < t->graph->n_nodes; i++)
        rc = forward(t, (int)i);
    if (!rc)
        rc = emit_losses(t);
    for (size_t i = t->graph->n_nodes; !rc && i-- > 0;)
        rc = backward(t, (int)i);
    return rc ? rc : rn_recompute(t->plan, t->err);
}

int rn_compile_train(struct rn_plan *plan, struct rn_error *err)
{
    struct rn_learner t = {.plan = plan, .graph = plan->graph, .err = err};
    int rc;

    t.nodes = rn_alloc(plan->graph->n_nodes, sizeof(*t.nodes));
    t.readers = rn_count_readers(plan->graph);
    t.needed = find_needed(plan->graph);
    t.dense = rn_find_dense(plan->graph);
    rc = t.nodes && t.readers && t.needed && t.dense ? compile(&t)
                                                     : no_memory(&t);
    rn_free(t.nodes);
    rn_free(t.readers);
    rn_free(t.needed);
    rn_free(t.dense);
    if (!rc)
        rn_mark_steps(plan);
    return rc;
}
