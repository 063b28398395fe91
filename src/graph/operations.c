/* SPDX-License-Identifier: BSD-2-Clause */
/* The graph's column of each operation: attributes, and the rule that checks
 * them, sets the shape and appends the parameters. */
#include "graph/build.h"

#include "core/count.h"

#include <limits.h>
#include <math.h>

/* He's models and torchvision: the paper states neither. */
#define BN_EPS      1e-5f
#define BN_MOMENTUM 0.1f

#define AT(field)  offsetof(struct rn_node, field)
#define LIST(list) .attributes = (list), .n_attributes = COUNT(list)

/* Lists stand in the order files have them in. */
#define CHANNELS                                                            \
    {                                                                       \
        .name = "channels", .type = RN_ATTRIBUTE_INT, .place = AT(shape.c), \
        .from = 1, .to = 40                                                 \
    }
#define KERNEL                                                              \
    {                                                                       \
        .name = "kernel", .type = RN_ATTRIBUTE_KERNEL, .place = AT(window), \
        .from = 1, .to = 4                                                  \
    }
#define STRIDE                                                              \
    {                                                                       \
        .name = "stride", .type = RN_ATTRIBUTE_STRIDE, .place = AT(window), \
        .from = 1, .to = 3                                                  \
    }
#define DILATION                                           \
    {                                                      \
        .name = "dilation", .type = RN_ATTRIBUTE_DILATION, \
        .place = AT(window), .from = 1, .to = 2            \
    }
#define PADDING                                                               \
    {                                                                         \
        .name = "padding", .type = RN_ATTRIBUTE_PADDING, .place = AT(window), \
        .from = 0, .to = 3                                                    \
    }
#define LOW                                                           \
    {                                                                 \
        .name = "low", .type = RN_ATTRIBUTE_REAL, .place = AT(low),   \
        .otherwise = -INFINITY, .optional = true, .from = -1, .to = 0 \
    }
#define HIGH                                                          \
    {                                                                 \
        .name = "high", .type = RN_ATTRIBUTE_REAL, .place = AT(high), \
        .otherwise = INFINITY, .optional = true, .from = 0, .to = 1   \
    }

static struct rn_shape shape_of(const struct rn_graph *g,
                                const struct rn_node *node)
{
    return rn_node_input(g, node, 0)->shape;
}

bool rn_keep_shape(struct rn_graph *g, const char *name, struct rn_node *node)
{
    (void)name;
    node->shape = shape_of(g, node);
    return true;
}

/* ------------------------------------------------------------------- input */

static bool shape_input(struct rn_graph *g, const char *name,
                        struct rn_node *node)
{
    (void)g, (void)name, (void)node;
    return true;
}

const struct rn_operation rn_operation_input = {
    .name = "input",
    .no_attributes = true,
    .shape = shape_input, /* the caller's */
    .cost = RN_COST_NONE,
};

/* ------------------------------------------------------- conv and linear */

static bool groups_fit(struct rn_graph *g, const char *name, int in, int out,
                       int groups)
{
    if (groups >= 1 && in % groups == 0 && out % groups == 0)
        return true;
    rn_fail(&g->error, RN_ERR_ARG, "'%s' has %d to %d channels in %d groups",
            name, in, out, groups);
    return false;
}

static bool shape_conv(struct rn_graph *g, const char *name,
                       struct rn_node *node)
{
    const struct rn_shape in = shape_of(g, node);
    int channels = node->shape.c;

    if (!rn_check_positive(g, name, channels, "channels") ||
        !groups_fit(g, name, in.c, channels, node->groups) ||
        !rn_window_shape(g, name, &in, &node->window, false, &node->shape) ||
        !rn_shape_ok(g, name, node->shape))
        return false;

    const size_t oihw[4] = {(size_t)channels, (size_t)(in.c / node->groups),
                            (size_t)node->window.kh, (size_t)node->window.kw};
    node->param[RN_P_WEIGHT] =
        rn_param_append(g, name, "weight", RN_PARAM_WEIGHT, 4, oihw);
    if (node->bias)
        node->param[RN_P_BIAS] =
            rn_param_channels(g, name, "bias", RN_PARAM_BIAS, channels);
    return g->error.code == RN_OK;
}

static const struct rn_attribute conv_attributes[] = {
    CHANNELS,
    KERNEL,
    STRIDE,
    DILATION,
    PADDING,
    {.name = "groups",
     .type = RN_ATTRIBUTE_INT,
     .place = AT(groups),
     .otherwise = 1,
     .from = 1,
     .to = 4},
    {.name = "bias",
     .type = RN_ATTRIBUTE_SWITCH,
     .place = AT(bias),
     .makes_up = true,
     .to = 1},
};

const struct rn_operation rn_operation_conv = {
    .name = "conv",
    .inputs_least = 1,
    .inputs_most = 1,
    LIST(conv_attributes),
    .shape = shape_conv,
    .cost = RN_COST_WEIGHTS,
};

static bool shape_linear(struct rn_graph *g, const char *name,
                         struct rn_node *node)
{
    int outs = node->shape.c;
    /* No overflow: a value has at most INT_MAX numbers. */
    const size_t dim[2] = {(size_t)outs, rn_shape_size(shape_of(g, node))};

    if (!rn_check_positive(g, name, outs, "outputs"))
        return false;
    node->shape = (struct rn_shape){outs, 1, 1};
    node->param[RN_P_WEIGHT] =
        rn_param_append(g, name, "weight", RN_PARAM_WEIGHT, 2, dim);
    node->param[RN_P_BIAS] =
        rn_param_channels(g, name, "bias", RN_PARAM_BIAS, outs);
    return g->error.code == RN_OK;
}

static const struct rn_attribute linear_attributes[] = {CHANNELS};

const struct rn_operation rn_operation_linear = {
    .name = "linear",
    .inputs_least = 1,
    .inputs_most = 1,
    LIST(linear_attributes),
    .shape = shape_linear,
    .cost = RN_COST_WEIGHTS,
};

/* -------------------------------------------------------------- batch norm */

static bool shape_batch_norm(struct rn_graph *g, const char *name,
                             struct rn_node *node)
{
    static const struct {
        int place;
        const char *suffix;
        enum rn_param_kind kind;
    } params[] = {
        {RN_P_WEIGHT, "weight", RN_PARAM_BN_WEIGHT},
        {RN_P_BIAS, "bias", RN_PARAM_BN_BIAS},
        {RN_P_MEAN, "running_mean", RN_PARAM_RUNNING_MEAN},
        {RN_P_VAR, "running_var", RN_PARAM_RUNNING_VAR},
    };

    rn_keep_shape(g, name, node);
    node->momentum = BN_MOMENTUM;
    for (size_t i = 0; i < COUNT(params); i++)
        node->param[params[i].place] = rn_param_channels(
            g, name, params[i].suffix, params[i].kind, node->shape.c);
    return g->error.code == RN_OK;
}

/* What training does with it, momentum and fixed, is no part of the network. */
static const struct rn_attribute batch_norm_attributes[] = {
    {.name = "eps",
     .type = RN_ATTRIBUTE_REAL,
     .place = AT(eps),
     .otherwise = BN_EPS,
     .makes_up = true,
     .from = 1e-5f,
     .to = 1e-2f},
};

const struct rn_operation rn_operation_batch_norm = {
    .name = "batch_norm",
    .inputs_least = 1,
    .inputs_most = 1,
    LIST(batch_norm_attributes),
    .shape = shape_batch_norm,
    .cost = RN_COST_NONE,
};

/* --------------------------------------------------- ReLU and its like */

/* Operations that have nothing besides their one input and keep its shape. */
#define PLAIN(op)                                   \
    const struct rn_operation rn_operation_##op = { \
        .name = #op,                                \
        .inputs_least = 1,                          \
        .inputs_most = 1,                           \
        .no_attributes = true,                      \
        .shape = rn_keep_shape,                     \
        .cost = RN_COST_NONE,                       \
    }

PLAIN(relu);
PLAIN(sigmoid);
PLAIN(softmax);
PLAIN(log_softmax);

static bool shape_prelu(struct rn_graph *g, const char *name,
                        struct rn_node *node)
{
    rn_keep_shape(g, name, node);
    node->param[RN_P_WEIGHT] =
        rn_param_channels(g, name, "weight", RN_PARAM_SLOPE, node->shape.c);
    return g->error.code == RN_OK;
}

const struct rn_operation rn_operation_prelu = {
    .name = "prelu",
    .inputs_least = 1,
    .inputs_most = 1,
    .no_attributes = true,
    .shape = shape_prelu,
    .cost = RN_COST_NONE,
};

static bool shape_clip(struct rn_graph *g, const char *name,
                       struct rn_node *node)
{
    rn_keep_shape(g, name, node);
    if (node->low <= node->high)
        return true;
    rn_fail(&g->error, RN_ERR_ARG, "'%s' clips to %g..%g", name,
            (double)node->low, (double)node->high);
    return false;
}

static const struct rn_attribute clip_attributes[] = {LOW, HIGH};

const struct rn_operation rn_operation_clip = {
    .name = "clip",
    .inputs_least = 1,
    .inputs_most = 1,
    LIST(clip_attributes),
    .shape = shape_clip,
    .cost = RN_COST_NONE,
};

static bool shape_leaky_relu(struct rn_graph *g, const char *name,
                             struct rn_node *node)
{
    rn_keep_shape(g, name, node);
    if (isfinite(node->slope))
        return true;
    rn_fail(&g->error, RN_ERR_ARG, "'%s' has slope %g", name,
            (double)node->slope);
    return false;
}

static const struct rn_attribute leaky_relu_attributes[] = {
    {.name = "slope",
     .type = RN_ATTRIBUTE_REAL,
     .place = AT(slope),
     .from = -0.5f,
     .to = 1.5f},
};

const struct rn_operation rn_operation_leaky_relu = {
    .name = "leaky_relu",
    .inputs_least = 1,
    .inputs_most = 1,
    LIST(leaky_relu_attributes),
    .shape = shape_leaky_relu,
    .cost = RN_COST_NONE,
};

static bool shape_activation(struct rn_graph *g, const char *name,
                             struct rn_node *node)
{
    bool sane = (unsigned)node->function < RN_FUNCTION_COUNT &&
                isfinite(node->a) && isfinite(node->b) &&
                !(node->function == RN_FUNCTION_CELU && node->a == 0);

    rn_keep_shape(g, name, node);
    if (!sane)
        rn_fail(&g->error, RN_ERR_ARG, "'%s' is %s of %g and %g", name,
                rn_function_name(node->function), (double)node->a,
                (double)node->b);
    return sane;
}

static const struct rn_attribute activation_attributes[] = {
    {.name = "function",
     .type = RN_ATTRIBUTE_FUNCTION,
     .place = AT(function),
     .to = RN_FUNCTION_COUNT - 1},
    {.name = "a",
     .type = RN_ATTRIBUTE_REAL,
     .place = AT(a),
     .from = 0.5f,
     .to = 2},
    {.name = "b",
     .type = RN_ATTRIBUTE_REAL,
     .place = AT(b),
     .from = 0.5f,
     .to = 2},
};

const struct rn_operation rn_operation_activation = {
    .name = "activation",
    .inputs_least = 1,
    .inputs_most = 1,
    LIST(activation_attributes),
    .shape = shape_activation,
    .cost = RN_COST_NONE,
};

static bool shape_quantize(struct rn_graph *g, const char *name,
                           struct rn_node *node)
{
    bool sane = isfinite(node->a) && node->a > 0 && isfinite(node->low) &&
                isfinite(node->high) && node->low <= node->b &&
                node->b <= node->high;

    rn_keep_shape(g, name, node);
    if (!sane)
        rn_fail(&g->error, RN_ERR_ARG,
                "'%s' rounds to steps of %g, zero being %g of %g..%g", name,
                (double)node->a, (double)node->b, (double)node->low,
                (double)node->high);
    return sane;
}

static const struct rn_attribute quantize_attributes[] = {
    LOW,
    HIGH,
    {.name = "unit",
     .type = RN_ATTRIBUTE_REAL,
     .place = AT(a),
     .from = 0.1f,
     .to = 0.5f},
    {.name = "zero", .type = RN_ATTRIBUTE_REAL, .place = AT(b)},
};

const struct rn_operation rn_operation_quantize = {
    .name = "quantize",
    .inputs_least = 1,
    .inputs_most = 1,
    LIST(quantize_attributes),
    .shape = shape_quantize,
    .cost = RN_COST_NONE,
};

/* A sum of squares is never negative, so the base of the power is positive.
 * Where an even size lies, frameworks do not agree on. */
static bool shape_lrn(struct rn_graph *g, const char *name,
                      struct rn_node *node)
{
    const struct rn_lrn *lrn = &node->lrn;
    bool sane = lrn->size >= 1 && lrn->size % 2 == 1 && isfinite(lrn->alpha) &&
                lrn->alpha >= 0 && isfinite(lrn->beta) && isfinite(lrn->k) &&
                lrn->k > 0;

    rn_keep_shape(g, name, node);
    if (!sane)
        rn_fail(&g->error, RN_ERR_ARG,
                "'%s' normalises over %d channels with alpha %g, beta %g, k %g",
                name, lrn->size, (double)lrn->alpha, (double)lrn->beta,
                (double)lrn->k);
    return sane;
}

static const struct rn_attribute lrn_attributes[] = {
    {.name = "size",
     .type = RN_ATTRIBUTE_INT,
     .place = AT(lrn.size),
     .from = 1,
     .to = 7},
    {.name = "alpha",
     .type = RN_ATTRIBUTE_REAL,
     .place = AT(lrn.alpha),
     .from = 0,
     .to = 1},
    {.name = "beta",
     .type = RN_ATTRIBUTE_REAL,
     .place = AT(lrn.beta),
     .from = 0.3f,
     .to = 1},
    {.name = "k",
     .type = RN_ATTRIBUTE_REAL,
     .place = AT(lrn.k),
     .from = 1,
     .to = 2},
};

const struct rn_operation rn_operation_lrn = {
    .name = "lrn",
    .inputs_least = 1,
    .inputs_most = 1,
    LIST(lrn_attributes),
    .shape = shape_lrn,
    .cost = RN_COST_NONE,
};

/* ------------------------------------------------- of two values and more */

/* "'NAME' WHAT 'a' of CxHxW AND 'b' of CxHxW" */
static bool fail_shapes(struct rn_graph *g, const char *name, const char *what,
                        const struct rn_node *x, const char *and,
                        const struct rn_node *y)
{
    rn_fail(&g->error, RN_ERR_ARG,
            "'%s' %s '%s' of %dx%dx%d %s '%s' of %dx%dx%d", name, what, x->name,
            x->shape.c, x->shape.h, x->shape.w, and, y->name, y->shape.c,
            y->shape.h, y->shape.w);
    return false;
}

static bool shape_add(struct rn_graph *g, const char *name,
                      struct rn_node *node)
{
    const struct rn_node *x = rn_node_input(g, node, 0);
    const struct rn_node *y = rn_node_input(g, node, 1);

    node->shape = x->shape;
    return rn_shape_equal(x->shape, y->shape) ||
           fail_shapes(g, name, "adds", x, "and", y);
}

const struct rn_operation rn_operation_add = {
    .name = "add",
    .inputs_least = 2,
    .inputs_most = 2,
    .no_attributes = true,
    .shape = shape_add,
    .cost = RN_COST_NONE,
};

static bool shape_multiply(struct rn_graph *g, const char *name,
                           struct rn_node *node)
{
    const struct rn_node *x = rn_node_input(g, node, 0);
    const struct rn_node *y = rn_node_input(g, node, 1);

    node->shape = x->shape;
    return rn_shape_equal(x->shape, y->shape) ||
           (y->shape.c == x->shape.c && rn_shape_pixels(y->shape) == 1) ||
           fail_shapes(g, name, "multiplies", x, "by", y);
}

const struct rn_operation rn_operation_multiply = {
    .name = "multiply",
    .inputs_least = 2,
    .inputs_most = 2,
    .no_attributes = true,
    .shape = shape_multiply,
    .cost = RN_COST_NONE,
};

static bool shape_concat(struct rn_graph *g, const char *name,
                         struct rn_node *node)
{
    const struct rn_node *x = rn_node_input(g, node, 0);
    int64_t channels = 0;

    node->shape = x->shape;
    for (int k = 0; k < node->n_inputs; k++) {
        const struct rn_node *y = rn_node_input(g, node, k);

        if (x->shape.h != y->shape.h || x->shape.w != y->shape.w)
            return fail_shapes(g, name, "joins the channels of", x, "and", y);
        channels += y->shape.c;
    }
    /* Each is at most INT_MAX; so must be their sum. */
    node->shape.c = channels > INT_MAX ? -1 : (int)channels;
    return true;
}

const struct rn_operation rn_operation_concat = {
    .name = "concat",
    .inputs_least = 2,
    .inputs_most = INT_MAX,
    .no_attributes = true,
    .shape = shape_concat,
    .cost = RN_COST_NONE,
};

/* ------------------------------------------------------------------- pools */

static bool is_padded(const struct rn_window *w)
{
    return w->pad || w->top || w->left || w->bottom || w->right;
}

static bool shape_pool(struct rn_graph *g, const char *name,
                       struct rn_node *node)
{
    const struct rn_shape in = shape_of(g, node);

    node->shape.c = in.c;
    if (!rn_window_shape(g, name, &in, &node->window, node->ceil, &node->shape))
        return false;
    /* Where there is no padding it says nothing: one form for equal pools. */
    node->count_padding = node->count_padding && is_padded(&node->window);
    if (rn_window_sees(&node->window, &in, &node->shape))
        return true;
    rn_fail(&g->error, RN_ERR_ARG,
            "'%s' has a window of %dx%d and pad %d, so some see no pixel", name,
            node->window.kh, node->window.kw, node->window.pad);
    return false;
}

static const struct rn_attribute pool_attributes[] = {
    KERNEL,
    STRIDE,
    DILATION,
    PADDING,
    {.name = "ceil", .type = RN_ATTRIBUTE_SWITCH, .place = AT(ceil), .to = 1},
    {.name = "count_padding",
     .type = RN_ATTRIBUTE_SWITCH,
     .place = AT(count_padding),
     .to = 1},
};

const struct rn_operation rn_operation_max_pool = {
    .name = "max_pool",
    .inputs_least = 1,
    .inputs_most = 1,
    LIST(pool_attributes),
    .shape = shape_pool,
    .cost = RN_COST_NONE,
};

const struct rn_operation rn_operation_avg_pool = {
    .name = "avg_pool",
    .inputs_least = 1,
    .inputs_most = 1,
    LIST(pool_attributes),
    .shape = shape_pool,
    .cost = RN_COST_NONE,
};

static bool shape_adaptive(struct rn_graph *g, const char *name,
                           struct rn_node *node)
{
    const struct rn_window *w = &node->window;

    node->shape = (struct rn_shape){shape_of(g, node).c, w->kh, w->kw};
    return rn_check_positive(g, name, w->kh, "rows") &&
           rn_check_positive(g, name, w->kw, "columns");
}

/* Rows and columns of the output stand where others have their window's. */
static const struct rn_attribute adaptive_attributes[] = {
    {.name = "output",
     .type = RN_ATTRIBUTE_KERNEL,
     .place = AT(window),
     .from = 1,
     .to = 5},
};

const struct rn_operation rn_operation_adaptive_avg_pool = {
    .name = "adaptive_avg_pool",
    .inputs_least = 1,
    .inputs_most = 1,
    LIST(adaptive_attributes),
    .shape = shape_adaptive,
    .cost = RN_COST_NONE,
};

static bool shape_global(struct rn_graph *g, const char *name,
                         struct rn_node *node)
{
    (void)name;
    node->shape = (struct rn_shape){shape_of(g, node).c, 1, 1};
    return true;
}

const struct rn_operation rn_operation_global_avg_pool = {
    .name = "global_avg_pool",
    .inputs_least = 1,
    .inputs_most = 1,
    .no_attributes = true,
    .shape = shape_global,
    .cost = RN_COST_NONE,
};

/* ------------------------------------------------ channels and pixels moved */

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

static bool shape_select(struct rn_graph *g, const char *name,
                         struct rn_node *node)
{
    const struct rn_shape in = shape_of(g, node);
    const struct rn_selection *p = &node->selection;
    int channels = node->shape.c;

    node->shape = (struct rn_shape){channels, in.h, in.w};
    if (selects_channels(p, channels, in.c))
        return true;
    rn_fail(&g->error, RN_ERR_ARG,
            "'%s' selects %d channels, from %d on by %d and %d, of %d", name,
            channels, p->first, p->step, p->outer, in.c);
    return false;
}

static const struct rn_attribute select_attributes[] = {
    CHANNELS,
    {.name = "first",
     .type = RN_ATTRIBUTE_INT,
     .place = AT(selection.first),
     .to = 20},
    {.name = "inner",
     .type = RN_ATTRIBUTE_INT,
     .place = AT(selection.inner),
     .from = 1,
     .to = 20},
    {.name = "step",
     .type = RN_ATTRIBUTE_SIGNED,
     .place = AT(selection.step),
     .from = -2,
     .to = 3},
    {.name = "outer",
     .type = RN_ATTRIBUTE_SIGNED,
     .place = AT(selection.outer),
     .from = -2,
     .to = 3},
};

const struct rn_operation rn_operation_select = {
    .name = "select",
    .inputs_least = 1,
    .inputs_most = 1,
    LIST(select_attributes),
    .shape = shape_select,
    .cost = RN_COST_NONE,
};

/* A window of one pixel: only its padding, or its stride, does anything. */
static bool shape_one_pixel(struct rn_graph *g, const char *name,
                            struct rn_node *node)
{
    const struct rn_shape in = shape_of(g, node);

    node->window.kh = node->window.kw = 1;
    return rn_window_shape(g, name, &in, &node->window, false, &node->shape);
}

static bool shape_zero_pad(struct rn_graph *g, const char *name,
                           struct rn_node *node)
{
    node->window.stride = 1;
    node->shape.c = shape_of(g, node).c;
    return shape_one_pixel(g, name, node);
}

static const struct rn_attribute zero_pad_attributes[] = {PADDING};

const struct rn_operation rn_operation_zero_pad = {
    .name = "zero_pad",
    .inputs_least = 1,
    .inputs_most = 1,
    LIST(zero_pad_attributes),
    .shape = shape_zero_pad,
    .cost = RN_COST_NONE,
};

static bool shape_subsample_pad(struct rn_graph *g, const char *name,
                                struct rn_node *node)
{
    const int in = shape_of(g, node).c, channels = node->shape.c;

    if (!rn_check_positive(g, name, node->window.stride, "as stride"))
        return false;
    if (channels < in) {
        rn_fail(&g->error, RN_ERR_ARG, "'%s' cannot pad %d channels to %d",
                name, in, channels);
        return false;
    }
    if (node->before < 0 || node->before > channels - in) {
        rn_fail(&g->error, RN_ERR_ARG,
                "'%s' cannot put %d zero channels before %d of %d", name,
                node->before, in, channels);
        return false;
    }
    if (rn_window_stride_w(&node->window) != node->window.stride) {
        rn_fail(&g->error, RN_ERR_ARG, "'%s' has strides %d and %d", name,
                node->window.stride, node->window.stride_w);
        return false;
    }
    /* ceil(size / stride) of the pixels. */
    return shape_one_pixel(g, name, node);
}

static const struct rn_attribute subsample_pad_attributes[] = {
    CHANNELS,
    STRIDE,
    {.name = "before", .type = RN_ATTRIBUTE_INT, .place = AT(before), .to = 10},
};

const struct rn_operation rn_operation_subsample_pad = {
    .name = "subsample_pad",
    .inputs_least = 1,
    .inputs_most = 1,
    LIST(subsample_pad_attributes),
    .shape = shape_subsample_pad,
    .cost = RN_COST_NONE,
};
