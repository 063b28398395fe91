/* SPDX-License-Identifier: BSD-2-Clause */
/* Builder calls for what networks of others have and ours do not. */
#include "graph/build.h"

#include <math.h>
#include <stdio.h>

/* Operations that keep the shape. */
static struct rn_node same_shape(struct rn_graph *g, enum rn_op op, int input,
                                 const char *name)
{
    const struct rn_node *in = rn_node_source(g, input, name);
    struct rn_node node = rn_node_new(op, input, -1);

    if (in)
        node.shape = in->shape;
    return node;
}

static int append(struct rn_graph *g, const struct rn_node *node,
                  const char *name)
{
    return g->error.code == RN_OK ? rn_node_append(g, node, name) : -1;
}

int rn_graph_sigmoid(struct rn_graph *g, int input, const char *name)
{
    struct rn_node node = same_shape(g, RN_OP_SIGMOID, input, name);

    return append(g, &node, name);
}

int rn_graph_softmax(struct rn_graph *g, int input, const char *name)
{
    struct rn_node node = same_shape(g, RN_OP_SOFTMAX, input, name);

    return append(g, &node, name);
}

int rn_graph_log_softmax(struct rn_graph *g, int input, const char *name)
{
    struct rn_node node = same_shape(g, RN_OP_LOG_SOFTMAX, input, name);

    return append(g, &node, name);
}

int rn_graph_clip(struct rn_graph *g, int input, const char *name, float low,
                  float high)
{
    struct rn_node node = same_shape(g, RN_OP_CLIP, input, name);

    node.low = low;
    node.high = high;
    if (g->error.code == RN_OK && !(low <= high))
        rn_fail(&g->error, RN_ERR_ARG, "'%s' clips to %g..%g", name,
                (double)low, (double)high);
    return append(g, &node, name);
}

int rn_graph_leaky_relu(struct rn_graph *g, int input, const char *name,
                        float slope)
{
    struct rn_node node = same_shape(g, RN_OP_LEAKY_RELU, input, name);

    node.slope = slope;
    if (g->error.code == RN_OK && !isfinite(slope))
        rn_fail(&g->error, RN_ERR_ARG, "'%s' has slope %g", name,
                (double)slope);
    return append(g, &node, name);
}

int rn_graph_activation(struct rn_graph *g, int input, const char *name,
                        enum rn_function function, float a, float b)
{
    struct rn_node node = same_shape(g, RN_OP_ACTIVATION, input, name);
    bool sane = (unsigned)function < RN_FUNCTION_COUNT && isfinite(a) &&
                isfinite(b) && !(function == RN_FUNCTION_CELU && a == 0);

    node.function = function;
    node.a = a;
    node.b = b;
    if (g->error.code == RN_OK && !sane)
        rn_fail(&g->error, RN_ERR_ARG, "'%s' is %s of %g and %g", name,
                rn_function_name(function), (double)a, (double)b);
    return append(g, &node, name);
}

int rn_graph_quantize(struct rn_graph *g, int input, const char *name,
                      float step, float zero, float low, float high)
{
    struct rn_node node = same_shape(g, RN_OP_QUANTIZE, input, name);
    bool sane = isfinite(step) && step > 0 && isfinite(low) && isfinite(high) &&
                low <= zero && zero <= high;

    node.a = step;
    node.b = zero;
    node.low = low;
    node.high = high;
    if (g->error.code == RN_OK && !sane)
        rn_fail(&g->error, RN_ERR_ARG,
                "'%s' rounds to steps of %g, zero being %g of %g..%g", name,
                (double)step, (double)zero, (double)low, (double)high);
    return append(g, &node, name);
}

/* Whether each of so many channels is one of the input's. */
static bool selects_channels(const struct rn_selection *p, int channels,
                             int from)
{
    int64_t ends[2], last = channels / (p->inner > 0 ? p->inner : 1) - 1;

    if (channels < 1 || p->inner < 1 || channels % p->inner)
        return false;
    for (int i = 0; i < 2; i++) {
        ends[i] = p->first + (int64_t)(p->inner - 1) * p->step * i;
        if (ends[i] < 0 || ends[i] >= from || ends[i] + last * p->outer < 0 ||
            ends[i] + last * p->outer >= from)
            return false;
    }
    return true;
}

int rn_graph_select(struct rn_graph *g, int input, const char *name,
                    int channels, struct rn_selection selection)
{
    struct rn_node node = same_shape(g, RN_OP_SELECT, input, name);

    if (g->error.code == RN_OK &&
        !selects_channels(&selection, channels, node.shape.c))
        rn_fail(&g->error, RN_ERR_ARG,
                "'%s' selects %d channels, from %d on by %d and %d, of %d",
                name, channels, selection.first, selection.step,
                selection.outer, node.shape.c);
    node.shape.c = channels;
    node.selection = selection;
    return append(g, &node, name);
}

/* A sum of squares is never negative, so the base of the power is positive.
 * Where an even size lies, frameworks do not agree on. */
int rn_graph_lrn(struct rn_graph *g, int input, const char *name,
                 struct rn_lrn lrn)
{
    struct rn_node node = same_shape(g, RN_OP_LRN, input, name);
    bool sane = lrn.size >= 1 && lrn.size % 2 == 1 && isfinite(lrn.alpha) &&
                lrn.alpha >= 0 && isfinite(lrn.beta) && isfinite(lrn.k) &&
                lrn.k > 0;

    node.lrn = lrn;
    if (g->error.code == RN_OK && !sane)
        rn_fail(&g->error, RN_ERR_ARG,
                "'%s' normalises over %d channels with alpha %g, beta %g, k %g",
                name, lrn.size, (double)lrn.alpha, (double)lrn.beta,
                (double)lrn.k);
    return append(g, &node, name);
}

static bool one_pixel(const struct rn_node *n)
{
    return n->shape.h == 1 && n->shape.w == 1;
}

int rn_graph_multiply(struct rn_graph *g, int a, int b, const char *name)
{
    const struct rn_node *x = rn_node_source(g, a, name);
    const struct rn_node *y = rn_node_source(g, b, name);
    struct rn_node node;

    if (!x || !y)
        return -1;
    if (one_pixel(x) && !one_pixel(y))
        return rn_graph_multiply(g, b, a, name);
    node = rn_node_new(RN_OP_MULTIPLY, a, b);
    node.shape = x->shape;
    if (rn_shape_equal(x->shape, y->shape) ||
        (y->shape.c == x->shape.c && one_pixel(y)))
        return append(g, &node, name);
    rn_fail(&g->error, RN_ERR_ARG,
            "'%s' multiplies '%s' of %dx%dx%d by '%s' of %dx%dx%d", name,
            x->name, x->shape.c, x->shape.h, x->shape.w, y->name, y->shape.c,
            y->shape.h, y->shape.w);
    return -1;
}

int rn_graph_concat(struct rn_graph *g, int a, int b, const char *name)
{
    const struct rn_node *x = rn_node_source(g, a, name);
    const struct rn_node *y = rn_node_source(g, b, name);
    struct rn_node node = rn_node_new(RN_OP_CONCAT, a, b);

    if (!x || !y)
        return -1;
    node.shape = x->shape;
    if (x->shape.h == y->shape.h && x->shape.w == y->shape.w) {
        /* Each is at most INT_MAX; so must be their sum. */
        node.shape.c = (int)((unsigned)x->shape.c + (unsigned)y->shape.c);
        return append(g, &node, name);
    }
    rn_fail(&g->error, RN_ERR_ARG,
            "'%s' joins the channels of '%s' of %dx%dx%d and '%s' of %dx%dx%d",
            name, x->name, x->shape.c, x->shape.h, x->shape.w, y->name,
            y->shape.c, y->shape.h, y->shape.w);
    return -1;
}

/* The value of an earlier node that joins a and b, or -1. */
static int joined_before(const struct rn_graph *g, int a, int b)
{
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct rn_node *n = &g->nodes[i];

        if (n->op == RN_OP_CONCAT && n->input[0] == a && n->input[1] == b)
            return (int)i;
    }
    return -1;
}

int rn_graph_concat_all(struct rn_graph *g, const int *inputs, int n,
                        const char *name)
{
    int x = n > 0 ? inputs[0] : -1;

    if (n < 1 && g->error.code == RN_OK)
        rn_fail(&g->error, RN_ERR_ARG, "'%s' joins no values", name);
    for (int i = 1; i < n && g->error.code == RN_OK; i++) {
        char part[RN_NAME_SIZE];
        int before = joined_before(g, x, inputs[i]);

        snprintf(part, sizeof(part), "%.140s.%d", name, i);
        x = before >= 0
                ? before
                : rn_graph_concat(g, x, inputs[i], i + 1 < n ? part : name);
    }
    return g->error.code == RN_OK ? x : -1;
}

int rn_graph_zero_pad(struct rn_graph *g, int input, const char *name, int top,
                      int left, int bottom, int right)
{
    const struct rn_node *in = rn_node_source(g, input, name);
    struct rn_node node = rn_node_new(RN_OP_ZERO_PAD, input, -1);

    if (!in)
        return -1;
    /* The steps of a window of one pixel. */
    node.window = (struct rn_window){.kh = 1,
                                     .kw = 1,
                                     .stride = 1,
                                     .top = top,
                                     .left = left,
                                     .bottom = bottom,
                                     .right = right};
    node.shape.c = in->shape.c;
    if (!rn_window_shape(g, name, &in->shape, &node.window, false, &node.shape))
        return -1;
    return append(g, &node, name);
}
