/* SPDX-License-Identifier: BSD-2-Clause */
/* Builder calls: each sets the attributes of a node and appends it. */
#include "graph/build.h"

/* A node of one input, or of two. */
static int append(struct rn_graph *g, const struct rn_node *node, int input,
                  const char *name)
{
    return rn_graph_append(g, node, &input, 1, name);
}

static int append_two(struct rn_graph *g, enum rn_op op, int a, int b,
                      const char *name)
{
    const struct rn_node node = rn_node_new(op);
    const int inputs[] = {a, b};

    return rn_graph_append(g, &node, inputs, 2, name);
}

static int append_plain(struct rn_graph *g, enum rn_op op, int input,
                        const char *name)
{
    const struct rn_node node = rn_node_new(op);

    return append(g, &node, input, name);
}

int rn_graph_input(struct rn_graph *g, struct rn_shape shape)
{
    struct rn_node node = rn_node_new(RN_OP_INPUT);

    node.shape = shape;
    return rn_graph_append(g, &node, NULL, 0, "input");
}

int rn_graph_conv(struct rn_graph *g, int input, const char *name, int channels,
                  struct rn_window window, bool bias)
{
    return rn_graph_conv_groups(g, input, name, channels, window, 1, bias);
}

int rn_graph_conv_groups(struct rn_graph *g, int input, const char *name,
                         int channels, struct rn_window window, int groups,
                         bool bias)
{
    struct rn_node node = rn_node_new(RN_OP_CONV);

    node.shape.c = channels;
    node.window = window;
    node.groups = groups;
    node.bias = bias;
    return append(g, &node, input, name);
}

int rn_graph_batch_norm(struct rn_graph *g, int input, const char *name)
{
    return append_plain(g, RN_OP_BATCH_NORM, input, name);
}

int rn_graph_relu(struct rn_graph *g, int input, const char *name)
{
    return append_plain(g, RN_OP_RELU, input, name);
}

int rn_graph_add(struct rn_graph *g, int a, int b, const char *name)
{
    return append_two(g, RN_OP_ADD, a, b, name);
}

static int pool(struct rn_graph *g, enum rn_op op, int input, const char *name,
                const struct rn_pool_options *options)
{
    struct rn_node node = rn_node_new(op);

    node.window = options->window;
    node.ceil = options->ceil;
    node.count_padding = options->count_padding;
    return append(g, &node, input, name);
}

int rn_graph_max_pool(struct rn_graph *g, int input, const char *name,
                      struct rn_window window)
{
    const struct rn_pool_options options = {.window = window};

    return pool(g, RN_OP_MAX_POOL, input, name, &options);
}

int rn_graph_max_pool_with(struct rn_graph *g, int input, const char *name,
                           const struct rn_pool_options *options)
{
    return pool(g, RN_OP_MAX_POOL, input, name, options);
}

int rn_graph_avg_pool(struct rn_graph *g, int input, const char *name,
                      const struct rn_pool_options *options)
{
    return pool(g, RN_OP_AVG_POOL, input, name, options);
}

int rn_graph_adaptive_avg_pool(struct rn_graph *g, int input, const char *name,
                               int rows, int columns)
{
    struct rn_node node = rn_node_new(RN_OP_ADAPTIVE_AVG_POOL);

    node.window.kh = rows;
    node.window.kw = columns;
    return append(g, &node, input, name);
}

int rn_graph_global_avg_pool(struct rn_graph *g, int input, const char *name)
{
    return append_plain(g, RN_OP_GLOBAL_AVG_POOL, input, name);
}

int rn_graph_linear(struct rn_graph *g, int input, const char *name, int outs)
{
    struct rn_node node = rn_node_new(RN_OP_LINEAR);

    node.shape.c = outs;
    return append(g, &node, input, name);
}

int rn_graph_concat(struct rn_graph *g, int a, int b, const char *name)
{
    return append_two(g, RN_OP_CONCAT, a, b, name);
}

int rn_graph_concat_all(struct rn_graph *g, const int *inputs, int n,
                        const char *name)
{
    const struct rn_node node = rn_node_new(RN_OP_CONCAT);

    if (n < 1 && g->error.code == RN_OK)
        rn_fail(&g->error, RN_ERR_ARG, "'%s' joins no values", name);
    if (g->error.code != RN_OK)
        return -1;
    return n == 1 ? inputs[0] : rn_graph_append(g, &node, inputs, n, name);
}

/* The value of one pixel is the second one. */
int rn_graph_multiply(struct rn_graph *g, int a, int b, const char *name)
{
    const bool known =
        a >= 0 && (size_t)a < g->n_nodes && b >= 0 && (size_t)b < g->n_nodes;
    const bool turn = known && rn_shape_pixels(g->nodes[a].shape) == 1 &&
                      rn_shape_pixels(g->nodes[b].shape) != 1;

    return append_two(g, RN_OP_MULTIPLY, turn ? b : a, turn ? a : b, name);
}

int rn_graph_sigmoid(struct rn_graph *g, int input, const char *name)
{
    return append_plain(g, RN_OP_SIGMOID, input, name);
}

int rn_graph_softmax(struct rn_graph *g, int input, const char *name)
{
    return append_plain(g, RN_OP_SOFTMAX, input, name);
}

int rn_graph_log_softmax(struct rn_graph *g, int input, const char *name)
{
    return append_plain(g, RN_OP_LOG_SOFTMAX, input, name);
}

int rn_graph_clip(struct rn_graph *g, int input, const char *name, float low,
                  float high)
{
    struct rn_node node = rn_node_new(RN_OP_CLIP);

    node.low = low;
    node.high = high;
    return append(g, &node, input, name);
}

int rn_graph_leaky_relu(struct rn_graph *g, int input, const char *name,
                        float slope)
{
    struct rn_node node = rn_node_new(RN_OP_LEAKY_RELU);

    node.slope = slope;
    return append(g, &node, input, name);
}

int rn_graph_activation(struct rn_graph *g, int input, const char *name,
                        enum rn_function function, float a, float b)
{
    struct rn_node node = rn_node_new(RN_OP_ACTIVATION);

    node.function = function;
    node.a = a;
    node.b = b;
    return append(g, &node, input, name);
}

int rn_graph_quantize(struct rn_graph *g, int input, const char *name,
                      float step, float zero, float low, float high)
{
    struct rn_node node = rn_node_new(RN_OP_QUANTIZE);

    node.a = step;
    node.b = zero;
    node.low = low;
    node.high = high;
    return append(g, &node, input, name);
}

int rn_graph_prelu(struct rn_graph *g, int input, const char *name)
{
    return append_plain(g, RN_OP_PRELU, input, name);
}

int rn_graph_select(struct rn_graph *g, int input, const char *name,
                    int channels, struct rn_selection selection)
{
    struct rn_node node = rn_node_new(RN_OP_SELECT);

    node.shape.c = channels;
    node.selection = selection;
    return append(g, &node, input, name);
}

int rn_graph_lrn(struct rn_graph *g, int input, const char *name,
                 struct rn_lrn lrn)
{
    struct rn_node node = rn_node_new(RN_OP_LRN);

    node.lrn = lrn;
    return append(g, &node, input, name);
}

int rn_graph_zero_pad(struct rn_graph *g, int input, const char *name, int top,
                      int left, int bottom, int right)
{
    struct rn_node node = rn_node_new(RN_OP_ZERO_PAD);

    node.window = (struct rn_window){
        .top = top, .left = left, .bottom = bottom, .right = right};
    return append(g, &node, input, name);
}

int rn_graph_subsample_pad(struct rn_graph *g, int input, const char *name,
                           int channels, int before, int stride)
{
    struct rn_node node = rn_node_new(RN_OP_SUBSAMPLE_PAD);

    node.shape.c = channels;
    node.before = before;
    node.window.stride = stride;
    return append(g, &node, input, name);
}
