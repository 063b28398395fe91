/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * Graph -> inference plan: batch norm folds into the convolution before it,
 * addition and ReLU into its output, added in place over the shortcut. The
 * values of a dense block are put side by side once, as in training.
 *
 * With a precision less than float32 values have that type where the steps that
 * make them know it, and float32 elsewhere. A step that reads another type than
 * the value has is preceded by one that converts. With int8 a convolution whose
 * weights and input are in 8 bits computes in them, and its value has 8 bits
 * where the model gives it a scale.
 */
#include "core/memory.h"
#include "plan/operations.h"

/** A convolution and what its step includes; nodes or RN_NONE. */
struct chain {
    int conv, bn, add, relu;
    int other; /* the addition's other operand */
};

struct infer_node {
    int buffer;
    int converted; /* the same in another type, or RN_NONE */
    int chain;     /* index of the chain this node is part of, or RN_NONE */
    bool done;     /* a ReLU that the step before includes */
    int block;     /* a dense block's last concatenation: the block's buffer */
    int root;      /* the node that computes the value: another for idle ones */
};

struct rn_inferrer {
    struct rn_plan *plan;
    const struct rn_graph *graph;
    size_t n_nodes; /* without auxiliary heads */
    struct infer_node *nodes;
    struct chain *chains;
    size_t n_chains;
    int *readers;           /* still to come */
    struct rn_dense *dense; /* where values lie in dense blocks, by node */
    struct rn_error *err;
};

static int no_memory(struct rn_inferrer *f)
{
    return rn_fail_memory(f->err, f->plan->n_steps * sizeof(struct rn_step),
                          "the plan");
}

static bool is_idle(const struct rn_inferrer *f, int v)
{
    return rn_op_plan_of(f->graph->nodes[v].op)->infer == rn_infer_idle;
}

static int only_reader(const struct rn_inferrer *f, int v, enum rn_op op)
{
    if (f->readers[v] != 1)
        return RN_NONE;
    for (size_t i = (size_t)v + 1; i < f->n_nodes; i++) {
        const struct rn_node *n = &f->graph->nodes[i];

        if (rn_node_reads(n, v))
            return n->op == op ? (int)i : RN_NONE;
    }
    return RN_NONE;
}

static void claim(struct rn_inferrer *f, int node, int *place, int *end)
{
    *place = node;
    if (node < 0)
        return;
    f->nodes[node].chain = (int)f->n_chains;
    *end = node;
}

static int chain_end(const struct chain *c)
{
    int end = c->conv;

    end = c->bn > end ? c->bn : end;
    end = c->add > end ? c->add : end;
    return c->relu > end ? c->relu : end;
}

/* The value that something is added to. */
static int before_sum(const struct chain *c)
{
    return c->bn >= 0 ? c->bn : c->conv;
}

static bool has_bytes(const struct rn_inferrer *f, int v)
{
    return f->plan->quants && f->plan->quants[v].scale != 0;
}

/* Whether a chain computes in 8 bits: weights and input have them. Its value
 * does where it has a scale, and what is added to it. */
static bool chain_in_bytes(const struct rn_inferrer *f, const struct chain *c,
                           struct rn_conv_config *config)
{
    const struct rn_node *n = &f->graph->nodes[c->conv];
    struct rn_conv_config own = *config;

    if (!has_bytes(f, n->input[0]) ||
        !f->graph->params[n->param[RN_P_WEIGHT]].scales)
        return false;
    own.input = own.plain_input ? RN_F32 : RN_U8;
    own.weights = RN_I8;
    own.output =
        has_bytes(f, chain_end(c)) && (c->add < 0 || has_bytes(f, c->other))
            ? RN_U8
            : RN_F32;
    if (!rn_conv_exists(&own))
        return false;
    *config = own;
    return true;
}

/* A value that is rounded to 8 bits itself is whole: behind it only an
 * addition in 8 bits follows in the same step. */
static int only_reader_of_sums(const struct rn_inferrer *f, int v,
                               enum rn_op op)
{
    return has_bytes(f, v) ? RN_NONE : only_reader(f, v, op);
}

/* What is added to a value that is rounded before, all in 8 bits. */
static bool adds_rounded(const struct rn_inferrer *f, struct chain c, int add,
                         int other)
{
    struct rn_conv_config config;

    c.add = add;
    c.other = other;
    c.relu = only_reader_of_sums(f, add, RN_OP_RELU);
    rn_conv_config_of(f->plan, c.conv, &config);
    return chain_in_bytes(f, &c, &config) && config.output == RN_U8;
}

/* Follow what a convolution's step can include. */
static void find_chain(struct rn_inferrer *f, int v)
{
    struct chain c = {v, RN_NONE, RN_NONE, RN_NONE, RN_NONE};
    int end = v, add;

    claim(f, v, &c.conv, &end);
    claim(f, only_reader_of_sums(f, end, RN_OP_BATCH_NORM), &c.bn, &end);
    add = only_reader(f, end, RN_OP_ADD);
    /* Of two convolutions that meet, the later one adds: the other's result
     * is there by then. */
    if (add >= 0) {
        const int *input = f->graph->nodes[add].input;
        int other = input[0] == end ? input[1] : input[0];

        if (other < end && f->nodes[add].chain < 0 &&
            (!has_bytes(f, end) || adds_rounded(f, c, add, other))) {
            claim(f, add, &c.add, &end);
            c.other = other;
        }
    }
    claim(f, only_reader_of_sums(f, end, RN_OP_RELU), &c.relu, &end);
    f->chains[f->n_chains++] = c;
}

static int emit_apply(struct rn_inferrer *f, int node, struct rn_value a,
                      struct rn_value b, bool relu, int out)
{
    struct rn_step *s = rn_new_step(f->plan, &rn_step_apply, node);

    if (!s || out < 0)
        return no_memory(f);
    s->a = a;
    s->b = b;
    s->relu = relu;
    s->out = out;
    rn_touch(f->plan, a.buffer);
    rn_touch(f->plan, b.buffer);
    rn_touch(f->plan, out);
    return RN_OK;
}

/* ------------------------------------------------------------------ types */

/* The type values have where steps know it; in 8 bits they have it one by one.
 */
static enum rn_dtype wanted(const struct rn_inferrer *f)
{
    return rn_precision_type(f->plan->options.precision);
}

static enum rn_dtype type_of(const struct rn_inferrer *f, int v)
{
    int buffer = f->nodes[v].buffer;

    return buffer < 0 ? RN_F32 : f->plan->buffers[buffer].type;
}

static size_t numbers_of(const struct rn_inferrer *f, int v)
{
    const struct rn_shape *s = &f->graph->nodes[v].shape;

    return f->nodes[v].buffer == RN_IMAGES
               ? (size_t)f->plan->options.batch * rn_shape_size(*s)
               : rn_value_count(f->plan, v);
}

/* Value v, into `out` as numbers of another type. */
static int emit_convert(struct rn_inferrer *f, int v, int out)
{
    struct rn_step *s = rn_new_step(f->plan, &rn_step_convert, v);

    if (!s || out < 0)
        return no_memory(f);
    s->a.buffer = f->nodes[v].buffer;
    s->out = out;
    rn_touch_step(f->plan);
    return RN_OK;
}

/* Value v as a step that reads this type has it; RN_NONE is none. Steps that
 * convert it come before the step that is emitted next. */
static int read_as(struct rn_inferrer *f, int v, enum rn_dtype type,
                   struct rn_value *out)
{
    int root = v < 0 ? 0 : f->nodes[v].root, rc;

    *out = (struct rn_value){RN_NONE, RN_NONE, false};
    if (v < 0)
        return RN_OK;
    if (type_of(f, v) == type) {
        out->buffer = f->nodes[v].buffer;
        return RN_OK;
    }
    if (f->nodes[root].converted < 0) {
        int buffer = rn_new_buffer(f->plan, type, numbers_of(f, v));

        rc = emit_convert(f, v, buffer);
        if (rc)
            return rc;
        f->nodes[root].converted = buffer;
    }
    out->buffer = f->nodes[root].converted;
    return RN_OK;
}

/* ------------------------------------------------------------------ steps */

/* Whether the shortcut's buffer can become the sum: it is ours, nobody reads
 * it later, and the convolution itself does not read it. */
static bool adds_in_place(const struct rn_inferrer *f, const struct chain *c,
                          enum rn_dtype type)
{
    int buffer = f->nodes[c->other].buffer;
    int input = f->graph->nodes[c->conv].input[0];

    return buffer >= 0 && type_of(f, c->other) == type &&
           f->readers[f->nodes[c->other].root] == 1 &&
           buffer != f->nodes[input].buffer;
}

/* The buffer a chain writes: the shortcut's own, a copy of it, a new one. */
static int chain_output(struct rn_inferrer *f, const struct chain *c,
                        enum rn_dtype type, int *out)
{
    const struct rn_value none = {RN_NONE, RN_NONE, false};
    struct rn_value other;
    int rc;

    if (c->add >= 0 && adds_in_place(f, c, type)) {
        *out = f->nodes[c->other].buffer;
        return RN_OK;
    }
    *out = rn_new_buffer(f->plan, type, rn_value_count(f->plan, c->conv));
    if (*out < 0)
        return no_memory(f);
    if (c->add < 0)
        return RN_OK;
    if (type_of(f, c->other) != type || type == RN_U8)
        return emit_convert(f, c->other, *out);
    rc = read_as(f, c->other, type, &other);
    return rc ? rc : emit_apply(f, c->add, other, none, false, *out);
}

/* The last step's own parameters, `weights` floats and a number for each of the
 * node's channels. */
static int new_fold(struct rn_inferrer *f, const struct rn_fold *fold)
{
    struct rn_plan *p = f->plan;

    if (!rn_grow(&p->folds, &p->folds_capacity, p->n_folds, sizeof(*p->folds)))
        return no_memory(f);
    p->steps[p->n_steps - 1].fold = (int)p->n_folds;
    p->folds[p->n_folds++] = *fold;
    return RN_OK;
}

static int add_fold(struct rn_inferrer *f, const struct chain *c,
                    struct rn_conv *conv)
{
    struct rn_plan *p = f->plan;
    const struct rn_node *n = &f->graph->nodes[c->conv];
    size_t plain = f->graph->params[n->param[RN_P_WEIGHT]].count;
    bool bytes = rn_conv_config(conv)->weights == RN_I8;
    size_t channels = rn_channels_padded(n->shape.c);
    const struct rn_fold fold = {
        .node = c->conv,
        .bn = c->bn,
        .primitive = conv,
        .n_weights =
            (rn_conv_packed_bytes(conv) + sizeof(float) - 1) / sizeof(float),
        /* In 8 bits scales and starts of sums stand behind the biases. */
        .n_bias = bytes ? 3 * channels : channels,
        .value = chain_end(c),
        .sum = p->steps[p->n_steps - 1].sum,
        .rounded = p->steps[p->n_steps - 1].rounded,
    };
    int rc = new_fold(f, &fold);

    if (rc)
        return rc;
    /* Weights that are there in plain layout and nothing folds into are packed
     * from where they are: VGG's fc6 alone has 0.4 GB of them. */
    if ((c->bn >= 0 || bytes || !p->store->borrowed) && plain > p->plain_floats)
        p->plain_floats = plain;
    return RN_OK;
}

/* What makes one pixel, fully connected layers that is, has little to do and
 * is near the answer: it stays float32. */
static void chain_config(const struct rn_inferrer *f, const struct chain *c,
                         struct rn_conv_config *config)
{
    rn_conv_config_of(f->plan, c->conv, config);
    config->bias = true;
    config->sum = c->add >= 0;
    config->relu = c->relu >= 0;
    if (chain_in_bytes(f, c, config))
        return;
    if (config->out.h * config->out.w == 1)
        return;
    config->output = wanted(f);
    /* Images are float32, and a first convolution may take them as they are. */
    config->input = type_of(f, f->graph->nodes[c->conv].input[0]);
    if (rn_conv_exists(config))
        return;
    config->input = wanted(f);
    if (!rn_conv_exists(config))
        config->input = config->output = RN_F32;
}

static int infer_chain(struct rn_inferrer *f, const struct chain *c)
{
    struct rn_conv_config config;
    const struct rn_node *n = &f->graph->nodes[c->conv];
    struct rn_value in;
    struct rn_conv *conv;
    struct rn_step *s;
    int out;
    int rc;

    chain_config(f, c, &config);
    rc = read_as(f, n->input[0], config.input, &in);
    if (!rc)
        rc = rn_find_conv(f->plan, &config, &conv, f->err);
    if (!rc)
        rc = chain_output(f, c, config.output, &out);
    if (rc)
        return rc;
    s = rn_new_step(f->plan, &rn_step_conv, c->conv);
    if (!s)
        return no_memory(f);
    s->a = in;
    s->out = out;
    s->value = chain_end(c);
    s->sum = c->add >= 0 && config.output == RN_U8 ? c->other : RN_NONE;
    s->rounded =
        s->sum >= 0 && has_bytes(f, before_sum(c)) ? before_sum(c) : RN_NONE;
    s->conv = conv;
    s->flops = 2.0 * (double)n->macs * f->plan->options.batch;
    rn_touch(f->plan, s->a.buffer);
    rn_touch(f->plan, out);
    f->nodes[chain_end(c)].buffer = out;
    return add_fold(f, c, conv);
}

int rn_infer_input(struct rn_inferrer *f, int v)
{
    struct rn_step *s;

    f->nodes[v].buffer = RN_IMAGES;
    if (rn_is_plain(f->graph, v))
        return RN_OK;
    s = rn_new_step(f->plan, &rn_step_block_images, v);
    f->nodes[v].buffer = rn_new_value(f->plan, RN_F32, v);
    if (!s || f->nodes[v].buffer < 0)
        return no_memory(f);
    s->out = f->nodes[v].buffer;
    rn_touch(f->plan, s->out);
    return RN_OK;
}

/* Batch norm and addition take in the ReLU behind them. */
int rn_infer_apply(struct rn_inferrer *f, int v)
{
    const struct rn_node *n = &f->graph->nodes[v];
    enum rn_dtype type = wanted(f);
    int relu =
        n->op == RN_OP_RELU ? RN_NONE : only_reader_of_sums(f, v, RN_OP_RELU);
    int out = rn_new_buffer(f->plan, type, rn_value_count(f->plan, v));
    struct rn_value a, b;
    int rc = read_as(f, n->input[0], type, &a);

    if (!rc)
        rc = read_as(f, n->n_inputs > 1 ? n->input[1] : RN_NONE, type, &b);
    if (rc)
        return rc;
    if (n->op == RN_OP_BATCH_NORM) {
        a.bn = rn_new_bn(f->plan, type, v);
        if (a.bn < 0)
            return no_memory(f);
    }
    f->nodes[v].buffer = out;
    if (relu >= 0) {
        f->nodes[relu].buffer = out;
        f->nodes[relu].done = true;
    }
    rc = emit_apply(f, v, a, b, n->op == RN_OP_RELU || relu >= 0, out);
    if (!rc)
        f->plan->steps[f->plan->n_steps - 1].value = relu >= 0 ? relu : v;
    return rc;
}

int rn_infer_idle(struct rn_inferrer *f, int v)
{
    f->nodes[v].buffer = f->nodes[f->graph->nodes[v].input[0]].buffer;
    return RN_OK;
}

/* The buffers of the inputs behind the second one, into the plan's list. */
static int list_inputs(struct rn_inferrer *f, const struct rn_node *n,
                       enum rn_dtype type)
{
    for (int k = 2; k < n->n_inputs; k++) {
        struct rn_value in;
        int rc = read_as(f, n->input[k], type, &in);

        if (!rc && !rn_list_more(f->plan, in.buffer))
            rc = no_memory(f);
        if (rc)
            return rc;
    }
    return RN_OK;
}

/* The type that a step of rn_infer_step() reads. */
static enum rn_dtype step_type(const struct rn_inferrer *f,
                               const struct rn_node *n)
{
    const struct rn_op_plan *o = rn_op_plan_of(n->op);
    enum rn_dtype type = type_of(f, n->input[0]);

    if (type == RN_BF16)
        return o->bf16 ? RN_BF16 : RN_F32;
    if (type == RN_U8 && o->bytes != RN_BYTES_NOT &&
        (o->bytes == RN_BYTES_FLOAT ||
         has_bytes(f, (int)(n - f->graph->nodes))))
        return RN_U8;
    return RN_F32;
}

/* A second input that is a pixel for all of the first one's, as gates are. */
static enum rn_dtype second_type(const struct rn_inferrer *f,
                                 const struct rn_node *n, enum rn_dtype type)
{
    const struct rn_node *nodes = f->graph->nodes;
    bool pixel = rn_shape_pixels(nodes[n->input[1]].shape) == 1 &&
                 rn_shape_pixels(nodes[n->input[0]].shape) > 1;

    return pixel ? RN_F32 : type;
}

int rn_infer_step(struct rn_inferrer *f, int v)
{
    const struct rn_node *n = &f->graph->nodes[v];
    const struct rn_op_plan *o = rn_op_plan_of(n->op);
    enum rn_dtype type = step_type(f, n);
    int more = (int)f->plan->n_lists, out;
    struct rn_value a, b = {RN_NONE, RN_NONE, false};
    struct rn_step *s;
    int rc = read_as(f, n->input[0], type, &a);

    if (!rc && n->n_inputs > 1)
        rc = read_as(f, n->input[1], second_type(f, n, type), &b);
    if (!rc)
        rc = list_inputs(f, n, type);
    if (rc)
        return rc;
    s = rn_new_step(f->plan, o->infer_step, v);
    if (type == RN_U8 && o->bytes == RN_BYTES_FLOAT)
        type = RN_F32;
    out = rn_new_buffer(f->plan, type, rn_value_count(f->plan, v));
    if (!s || out < 0)
        return no_memory(f);
    f->nodes[v].buffer = out;
    s->more = more;
    s->n_more = (int)f->plan->n_lists - more;
    s->a = a;
    s->b = b;
    s->out = out;
    s->value = v;
    rn_touch_step(f->plan);
    return RN_OK;
}

int rn_infer_prelu(struct rn_inferrer *f, int v)
{
    const struct rn_fold fold = {
        .node = v,
        .bn = RN_NONE,
        .n_bias = rn_channels_padded(f->graph->nodes[v].shape.c),
    };
    int rc = rn_infer_step(f, v);

    return rc ? rc : new_fold(f, &fold);
}

static void mark_read(struct rn_inferrer *f, int v)
{
    const struct rn_node *n = &f->graph->nodes[v < 0 ? 0 : v];

    if (v < 0 || is_idle(f, v))
        return;
    for (int k = 0; k < n->n_inputs; k++)
        f->readers[f->nodes[n->input[k]].root]--;
}

/* A chain runs where it ends, and reads only then. */
int rn_infer_chain(struct rn_inferrer *f, int v)
{
    const struct chain *c = &f->chains[f->nodes[v].chain];
    int rc;

    if (chain_end(c) != v)
        return RN_OK;
    rc = infer_chain(f, c);
    mark_read(f, c->conv);
    mark_read(f, c->bn);
    mark_read(f, c->add);
    mark_read(f, c->relu);
    return rc;
}

/* Who reads each value, where those who read an idle node read its input. The
 * caller reads the output, and what the plan keeps or watches, after all
 * others. */
static void count_readers(struct rn_inferrer *f)
{
    const struct rn_graph *g = f->graph;

    for (size_t i = 0; i < f->n_nodes; i++) {
        const struct rn_node *n = &g->nodes[i];
        bool idle = is_idle(f, (int)i);

        f->nodes[i].root = idle ? f->nodes[n->input[0]].root : (int)i;
        for (int k = 0; !idle && k < n->n_inputs; k++)
            f->readers[f->nodes[n->input[k]].root]++;
    }
    f->readers[f->nodes[g->output].root]++;
    if (f->plan->keep >= 0)
        f->readers[f->nodes[f->plan->keep].root]++;
    for (size_t i = 0; f->plan->watched && i < f->n_nodes; i++)
        if (f->plan->watched[i])
            f->readers[f->nodes[i].root]++;
}

bool rn_plan_can_quantize(const struct rn_graph *graph, int node)
{
    struct rn_plan plan = {.graph = graph, .options = {.batch = 1}};
    const struct rn_node *n = &graph->nodes[node];
    struct rn_conv_config config;

    if (n->op != RN_OP_CONV && n->op != RN_OP_LINEAR)
        return false;
    rn_conv_config_of(&plan, node, &config);
    config.input = config.plain_input ? RN_F32 : RN_U8;
    config.weights = RN_I8;
    config.output = RN_F32;
    return rn_conv_exists(&config);
}

bool rn_plan_keeps_scale(const struct rn_graph *graph, int node)
{
    const struct rn_node *n = &graph->nodes[node];
    const struct rn_op_plan *o = rn_op_plan_of(n->op);

    return n->n_inputs == 1 &&
           (o->infer == rn_infer_idle || o->bytes == RN_BYTES_SAME);
}

/* How every value would lie in 8 bits: as the model says, or as its input where
 * the operation leaves it so. What moves zeros in (option A) takes such whose
 * zero point is 0. */
static int settle_quants(struct rn_inferrer *f)
{
    const struct rn_graph *g = f->graph;
    struct rn_quant *q;

    if (f->plan->options.precision != RN_PRECISION_INT8)
        return RN_OK;
    q = f->plan->quants = rn_alloc(g->n_nodes, sizeof(*q));
    if (!q)
        return no_memory(f);
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct rn_node *n = &g->nodes[i];

        q[i] = n->quant;
        if (rn_plan_keeps_scale(g, (int)i))
            q[i] = q[n->input[0]];
        if (n->op == RN_OP_SUBSAMPLE_PAD && q[i].zero != 0)
            q[i].scale = 0;
    }
    return RN_OK;
}

/* A value that has a scale is what 8 bits make of it, whoever reads it, though
 * it was made in float32. Plain images are rounded by those who read them. */
static int round_value(struct rn_inferrer *f, int v)
{
    struct rn_plan *p = f->plan;
    int buffer, rc;

    if (!has_bytes(f, v) || f->nodes[v].buffer == RN_IMAGES ||
        type_of(f, v) != RN_F32)
        return RN_OK;
    buffer = rn_new_buffer(p, RN_U8, rn_value_count(p, v));
    rc = emit_convert(f, v, buffer);
    if (rc)
        return rc;
    f->nodes[v].buffer = buffer;
    /* Of the steps that make the value the last one is this. */
    if (p->n_steps > 1 && p->steps[p->n_steps - 2].value == v) {
        p->steps[p->n_steps - 2].value = 0;
        p->steps[p->n_steps - 1].value = v;
    }
    return RN_OK;
}

/* ------------------------------------------------------------ dense blocks */

static bool is_dense(const struct rn_inferrer *f, int v)
{
    return f->dense[v].last >= 0;
}

/* Values of 8 bits have scales of their own: they are copied. */
static void choose_dense(struct rn_inferrer *f)
{
    for (size_t i = 0; i < f->n_nodes; i++)
        if (f->plan->quants || f->dense[i].last >= (int)f->n_nodes)
            f->dense[i].last = RN_NONE;
}

/* The concatenation that is whole when v is in its place; v for none. */
static int completed(const struct rn_inferrer *f, int v)
{
    const struct rn_dense *d = &f->dense[v];

    for (int u = v + 1; u <= d->last; u++)
        if (f->dense[u].last == d->last && f->dense[u].first == 0 &&
            f->dense[u].count == d->first + 1)
            return u;
    return v;
}

/* A part of the block's buffer for value v; RN_NONE without memory. */
static int new_part(struct rn_inferrer *f, int v)
{
    const int last = f->dense[v].last;

    return rn_new_part(f->plan, f->nodes[last].block, last, v);
}

/* Put v, which has been computed, in its place in the block. */
static int place(struct rn_inferrer *f, int v)
{
    const struct rn_dense *d = &f->dense[v];
    const int whole = completed(f, v);
    struct rn_value from;
    struct rn_step *s;
    int part, rc = read_as(f, v, wanted(f), &from);

    if (rc)
        return rc;
    s = rn_new_step(f->plan, &rn_step_place, d->last);
    if (d->first == 0)
        f->nodes[d->last].block = rn_new_value(f->plan, wanted(f), d->last);
    part = new_part(f, whole);
    if (!s || part < 0)
        return no_memory(f);
    if (whole != v || d->first == 0)
        f->nodes[whole].buffer = part;
    s->input = d->first;
    s->a = from;
    s->out = part;
    s->value = whole == v ? 0 : whole;
    rn_touch_step(f->plan);
    s->bytes = 2 * (double)f->plan->buffers[from.buffer].bytes;
    return RN_OK;
}

/* Whether v is a convolution, or included in one's step, which makes another
 * value. */
static bool is_included(const struct rn_inferrer *f, int v)
{
    int chain = f->nodes[v].chain;

    return chain >= 0 && chain_end(&f->chains[chain]) != v;
}

static int compile(struct rn_inferrer *f)
{
    const struct rn_graph *g = f->graph;
    struct rn_value logits;
    int rc = settle_quants(f);

    choose_dense(f);
    count_readers(f);
    for (size_t i = 0; i < f->n_nodes; i++) {
        struct infer_node *n = &f->nodes[i];

        n->chain = n->converted = n->block = n->buffer = RN_NONE;
    }
    for (size_t i = 0; i < f->n_nodes; i++)
        if (rn_op_plan_of(g->nodes[i].op)->infer == rn_infer_chain)
            find_chain(f, (int)i);
    for (size_t i = 0; !rc && i < f->n_nodes; i++) {
        if (f->nodes[i].chain >= 0) {
            rc = rn_infer_chain(f, (int)i);
        } else if (is_dense(f, (int)i) && f->dense[i].count > 1) {
            if (f->nodes[i].buffer < 0)
                f->nodes[i].buffer = new_part(f, (int)i);
            rc = f->nodes[i].buffer < 0 ? no_memory(f) : RN_OK;
            mark_read(f, (int)i);
        } else {
            if (!f->nodes[i].done)
                rc = rn_op_plan_of(g->nodes[i].op)->infer(f, (int)i);
            mark_read(f, (int)i);
        }
        if (!rc && !is_included(f, (int)i))
            rc = round_value(f, (int)i);
        if (!rc && is_dense(f, (int)i) && f->dense[i].count == 1)
            rc = place(f, (int)i);
    }
    if (!rc)
        rc = read_as(f, g->output, RN_F32, &logits);
    if (rc)
        return rc;
    f->plan->logits = logits.buffer;
    if (f->plan->keep >= 0)
        f->plan->kept = f->nodes[f->plan->keep].buffer;
    return rc;
}

int rn_compile_infer(struct rn_plan *plan, struct rn_error *err)
{
    size_t n = plan->graph->n_nodes;
    struct rn_inferrer f = {.plan = plan,
                            .graph = plan->graph,
                            .n_nodes = rn_graph_trunk(plan->graph),
                            .err = err};
    int rc;

    f.nodes = rn_alloc(n, sizeof(*f.nodes));
    f.chains = rn_alloc(n, sizeof(*f.chains));
    f.readers = rn_alloc(n, sizeof(*f.readers));
    f.dense = rn_find_dense(plan->graph);
    rc = f.nodes && f.chains && f.readers && f.dense ? compile(&f)
                                                     : no_memory(&f);
    rn_free(f.nodes);
    rn_free(f.chains);
    rn_free(f.readers);
    rn_free(f.dense);
    return rc;
}
