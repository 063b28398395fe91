/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * A network as data. Every node computes one value; node i reads values of
 * nodes before it, so array order is a valid order of execution. Parameters
 * are plain float32 under their names (torchvision's): convolutions OIHW,
 * fc [out][in]. That form is the truth in files.
 */
#ifndef RN_GRAPH_GRAPH_H
#define RN_GRAPH_GRAPH_H

#include "core/error.h"
#include "core/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** RN_OP_INPUT, RN_OP_CONV, …: graph/operations.def says what each is. */
enum rn_op {
#define RN_OPERATION(NAME, name) RN_OP_##NAME,
#include "graph/operations.def"
    RN_OP_COUNT
};

/** "conv", "batch_norm", … as printed. */
const char *rn_op_name(enum rn_op op);

/** Functions of single elements, with two numbers a and b. */
enum rn_function {
    RN_FUNCTION_ELU,          /* x, or a (e^x - 1) where x is negative */
    RN_FUNCTION_SELU,         /* b times that */
    RN_FUNCTION_CELU,         /* x, or a (e^(x / a) - 1) where negative */
    RN_FUNCTION_GELU,         /* x (1 + erf(x / sqrt 2)) / 2 */
    RN_FUNCTION_GELU_TANH,    /* the same by tanh (D. Hendrycks et al. 2016) */
    RN_FUNCTION_MISH,         /* x tanh(softplus(x)) */
    RN_FUNCTION_SOFTPLUS,     /* log(1 + e^x) */
    RN_FUNCTION_SOFTSIGN,     /* x / (1 + |x|) */
    RN_FUNCTION_HARD_SIGMOID, /* a x + b, within 0..1 */
    RN_FUNCTION_HARD_SWISH,   /* x times that */
    RN_FUNCTION_THRESHOLD,    /* x where it is above a, or 0 */
    RN_FUNCTION_TANH,
    RN_FUNCTION_ERF,
    RN_FUNCTION_EXP,
    RN_FUNCTION_LOG,
    RN_FUNCTION_SQRT,
    RN_FUNCTION_POWER, /* x^a */
    RN_FUNCTION_ABSOLUTE,
    RN_FUNCTION_COUNT
};

/** "elu", "hard_swish", … as files have them. */
const char *rn_function_name(enum rn_function function);

/** Output channel i is the input's first + i % inner * step +
 *  i / inner * outer: runs, flips, and shuffles of groups. */
struct rn_selection {
    int first, inner, step, outer;
};

struct rn_shape {
    int c, h, w;
};

/** Pixels of a channel; numbers of one image's value. */
static inline size_t rn_shape_pixels(struct rn_shape s)
{
    return (size_t)s.h * (size_t)s.w;
}

static inline size_t rn_shape_size(struct rn_shape s)
{
    return (size_t)s.c * rn_shape_pixels(s);
}

enum rn_param_kind {
    RN_PARAM_WEIGHT,       /* convolution OIHW or fc [out][in] */
    RN_PARAM_BIAS,         /* [out] */
    RN_PARAM_BN_WEIGHT,    /* gamma [c] */
    RN_PARAM_BN_BIAS,      /* beta [c] */
    RN_PARAM_RUNNING_MEAN, /* [c] */
    RN_PARAM_RUNNING_VAR,  /* [c], unbiased */
    RN_PARAM_SLOPE,        /* of prelu, [c] */
};

/** A value in 8 bits: q of 0..255 stands for scale * (q - zero). */
struct rn_quant {
    float scale; /* 0: the value is float32 */
    int zero;
};

struct rn_param {
    char *name;
    enum rn_param_kind kind;
    int dims;
    size_t dim[4];
    size_t count;
    float *data;
    float *scales; /* weights in 8 bits: [dim[0]], else NULL; see
                      graph/quantization.h */
    bool frozen;   /* training leaves it as it is */
    int stage;     /* as its node's */
};

/* Places in rn_node.param; -1 where there is none. */
enum { RN_P_WEIGHT = 0, RN_P_BIAS = 1, RN_P_MEAN = 2, RN_P_VAR = 3 };

/** A window moved over an input with a frame of padding. */
struct rn_window {
    int kh, kw, stride, pad; /* stride down and across, pad on all sides */
    /* What windows of others have besides; zero in ours. In a node stride_w
     * is another than stride, or zero, and one of the sides is zero. */
    int stride_w;                 /* across; 0: as down */
    int dilate_h, dilate_w;       /* pixels between neighbouring taps */
    int top, left, bottom, right; /* padding beyond pad */
};
/** Initialiser of a window that has nothing besides. */
#define RN_WINDOW(rows, columns, step, frame)                           \
    {                                                                   \
        .kh = (rows), .kw = (columns), .stride = (step), .pad = (frame) \
    }

/** Most pieces of a maxout: a byte tells which one was largest. */
enum { RN_PIECES_MOST = 256 };

struct rn_lrn {
    int size;
    float alpha, beta, k;
};

/** A pool's window and how it meets the edge, see struct rn_node. */
struct rn_pool_options {
    struct rn_window window;
    bool ceil, count_padding;
};

struct rn_node {
    enum rn_op op;
    char *name;
    int *input;   /* values read, and -1 twice behind them */
    int n_inputs; /* how many values it reads */
    int param[4];
    struct rn_window window; /* conv, pools; stride of subsample_pad */
    int groups;              /* conv: weight [out][in / groups][kh][kw] */
    bool bias;               /* conv: there is one */
    bool ceil;               /* pools: a window may end beyond the padding */
    bool count_padding;      /* avg pool: mean over padding's zeros, too */
    int before;          /* subsample_pad: zero channels before the input's */
    float eps, momentum; /* batch norm; momentum is the new value's share */
    bool fixed;          /* batch norm: training, too, takes the running
                            statistics */
    float low, high;     /* clip */
    float slope;         /* leaky relu */
    int pieces;          /* maxout: of the input's channels */
    enum rn_function function; /* activation, */
    float a, b;                /* and its numbers; quantize: step, zero;
                                  dropout: rate */
    struct rn_selection selection;
    struct rn_lrn lrn;
    struct rn_shape shape; /* of the value, */
    struct rn_quant quant; /* and how it lies in 8 bits */
    uint64_t macs;         /* convolutions and fc, one image */
    int stage; /* place among the graph's stages, from 1; 0: of none */
};

/** Whether a batch norm takes the running statistics in training, too. One
 *  without eps always does: it is an affine layer of others', a factor and an
 *  addend. */
static inline bool rn_norm_is_fixed(const struct rn_node *n)
{
    return n->fixed || n->eps == 0;
}

/** An auxiliary head: a further output, whose loss counts beside the output's
 *  in training. Nothing else computes it. */
struct rn_aux {
    int value;        /* a number for each class */
    float weight;     /* what its loss counts */
    const char *loss; /* its own: static, a name of ops/loss.h; NULL: the
                         output's */
};
#define RN_AUX_MOST 8

struct rn_graph {
    struct rn_node *nodes;
    size_t n_nodes, nodes_capacity;
    struct rn_param *params;
    size_t n_params, params_capacity;
    struct rn_slab values;     /* the parameters' data */
    uint64_t room;             /* floats that more parameters may have: those of
                                  the file that is read, or UINT64_MAX */
    int output;                /* value of the answers, logits mostly */
    enum rn_output kind;       /* what that value is, */
    enum rn_output head;       /* and what its source made of it: see
                                  rn_model_info */
    const char *const *stages; /* names, then NULL; see nets/stages.h */
    struct rn_aux aux[RN_AUX_MOST];
    size_t n_aux; /* where there are any, all nodes behind the output, and none
                     before, are theirs */
    bool hint;    /* the output may be a map, and learns what is told by
                     rn_targets.map: of training plans alone */
    /* First failure of a builder call; later calls then do nothing. */
    struct rn_error error;
};

struct rn_graph *rn_graph_create(void);
void rn_graph_destroy(struct rn_graph *g);

/* Builder calls append a node and return its value, or -1 after a failure,
 * which stays in g->error: build first, check g->error.code once. */

/** A node of that operation whose attributes are those of a new one, and the
 *  call that takes one, its attributes set, in: what all others are made of.
 *  The inputs are copied. */
struct rn_node rn_node_new(enum rn_op op);
int rn_graph_append(struct rn_graph *g, const struct rn_node *node,
                    const int *inputs, int n_inputs, const char *name);

int rn_graph_input(struct rn_graph *g, struct rn_shape shape);
/** Weight NAME.weight, with `bias` also NAME.bias. */
int rn_graph_conv(struct rn_graph *g, int input, const char *name, int channels,
                  struct rn_window window, bool bias);
/** The same in groups: output channel o reads the in / groups channels of
 *  its group alone. */
int rn_graph_conv_groups(struct rn_graph *g, int input, const char *name,
                         int channels, struct rn_window window, int groups,
                         bool bias);
/** Of any value; NAME.weight, .bias, .running_mean, .running_var. The node's
 *  eps may be set afterwards. */
int rn_graph_batch_norm(struct rn_graph *g, int input, const char *name);
int rn_graph_relu(struct rn_graph *g, int input, const char *name);
int rn_graph_add(struct rn_graph *g, int a, int b, const char *name);
int rn_graph_max_pool(struct rn_graph *g, int input, const char *name,
                      struct rn_window window);
/** A window that ends beyond the padding starts within it or the input, as
 *  PyTorch and Caffe have it. */
int rn_graph_max_pool_with(struct rn_graph *g, int input, const char *name,
                           const struct rn_pool_options *options);
int rn_graph_avg_pool(struct rn_graph *g, int input, const char *name,
                      const struct rn_pool_options *options);
/** Pixel i of a side's `rows` is the mean from its i / rows, rounded down, to
 *  (i + 1) / rows, rounded up. */
int rn_graph_adaptive_avg_pool(struct rn_graph *g, int input, const char *name,
                               int rows, int columns);
int rn_graph_global_avg_pool(struct rn_graph *g, int input, const char *name);
/** Weight [outs][c * h * w] of the input, flattened in that order. */
int rn_graph_linear(struct rn_graph *g, int input, const char *name, int outs);
/** The channels of a, then those of b. */
int rn_graph_concat(struct rn_graph *g, int a, int b, const char *name);
/** Of n values, in one node; a single one is what it is. */
int rn_graph_concat_all(struct rn_graph *g, const int *inputs, int n,
                        const char *name);
/** `b` has a's shape, or one pixel and a's channels; or the other way round. */
int rn_graph_multiply(struct rn_graph *g, int a, int b, const char *name);
int rn_graph_sigmoid(struct rn_graph *g, int input, const char *name);
int rn_graph_clip(struct rn_graph *g, int input, const char *name, float low,
                  float high);
int rn_graph_leaky_relu(struct rn_graph *g, int input, const char *name,
                        float slope);
/** a and b are finite, and 0 where the function has none. */
int rn_graph_activation(struct rn_graph *g, int input, const char *name,
                        enum rn_function function, float a, float b);
/** (clip(round(x / step) + zero, low, high) - zero) * step, as a number of few
 *  bits and back; halves round to even. step is above 0. */
int rn_graph_quantize(struct rn_graph *g, int input, const char *name,
                      float step, float zero, float low, float high);
/** Slopes NAME.weight [c]. */
int rn_graph_prelu(struct rn_graph *g, int input, const char *name);
/** So many channels, each of which the input has; inner divides their number.
 */
int rn_graph_select(struct rn_graph *g, int input, const char *name,
                    int channels, struct rn_selection selection);
/** In training each number is 0 with probability `rate`, 0 to less than 1, and
 *  else divided by 1 - rate; otherwise the value is the input. */
int rn_graph_dropout(struct rn_graph *g, int input, const char *name,
                     float rate);
/** z has twice x's channels. Of its first half H = max(0, h) and its second
 * half T = 1 / (1 + e^-t) the value is T H + (1 - T) x. */
int rn_graph_highway(struct rn_graph *g, int z, int x, const char *name);
/** Channel k is the largest of the input's k, k + c, k + 2c, …: so many pieces
 *  of c channels. */
int rn_graph_maxout(struct rn_graph *g, int input, const char *name,
                    int pieces);
int rn_graph_lrn(struct rn_graph *g, int input, const char *name,
                 struct rn_lrn lrn);
int rn_graph_softmax(struct rn_graph *g, int input, const char *name);
int rn_graph_log_softmax(struct rn_graph *g, int input, const char *name);
/** Zeros around the picture; counts of pixels, none negative. */
int rn_graph_zero_pad(struct rn_graph *g, int input, const char *name, int top,
                      int left, int bottom, int right);
/** `before` of the zero channels precede the input's, the others follow. */
int rn_graph_subsample_pad(struct rn_graph *g, int input, const char *name,
                           int channels, int before, int stride);

/** Value aux->value, behind those of earlier heads, ends an auxiliary head
 *  that was appended behind `output`, which stays the graph's output. */
int rn_graph_add_aux(struct rn_graph *g, int output, const struct rn_aux *aux);
/** The head that ends in value v, or NULL. */
const struct rn_aux *rn_graph_aux_of(const struct rn_graph *g, int v);
/** How many nodes there are without the heads'. */
size_t rn_graph_trunk(const struct rn_graph *g);
/** Learned parameters of the heads. */
uint64_t rn_graph_aux_params(const struct rn_graph *g);
/** Leave out the heads; false when memory is short. */
bool rn_graph_drop_aux(struct rn_graph *g);

/** Make g->output a value before it and leave out all that it does not need;
 *  false when memory is short. */
bool rn_graph_cut(struct rn_graph *g, int output);
/** A graph of its own of what value `output` of g needs, which is its output,
 *  with copies of the parameters. NULL when memory is short.
 *
 *  @param from out, [g->n_params]: which of g's each parameter of it is. */
struct rn_graph *rn_graph_below(const struct rn_graph *g, int output,
                                size_t *from);

/** Whether a window has only what ours have: one stride, one padding, no
 *  dilation. */
bool rn_window_regular(const struct rn_window *window);
/** Whether it has no more than padding of its own on each side. */
bool rn_window_only_padded(const struct rn_window *window);
bool rn_window_equal(const struct rn_window *a, const struct rn_window *b);
/** Whether a window more, rounded up, would begin behind the input: pools that
 *  round up do without. */
bool rn_window_drops_last(const struct rn_window *window,
                          const struct rn_shape *in);
/** Stride across; rows and columns from a window's first tap to behind its
 *  last; padding above and left of the input. */
int rn_window_stride_w(const struct rn_window *window);
int rn_window_rows(const struct rn_window *window);
int rn_window_columns(const struct rn_window *window);
int rn_window_top(const struct rn_window *window);
int rn_window_left(const struct rn_window *window);

/** Whether a node reads value v. */
bool rn_node_reads(const struct rn_node *node, int v);

/** Whether a parameter is learned (running statistics are not). */
bool rn_param_trainable(const struct rn_param *p);
/** Whether training changes it: learned, and not frozen. */
bool rn_param_updated(const struct rn_param *p);
/** The parameter of that name, or NULL. */
struct rn_param *rn_graph_param(const struct rn_graph *g, const char *name);
/** Learned parameters of all, those of auxiliary heads too, or of one node. */
uint64_t rn_graph_params(const struct rn_graph *g);
/** Of the parameters, names and numbers, behind those that `sum` is of, 0 being
 *  none: the same whatever file they come from. */
uint64_t rn_graph_checksum(const struct rn_graph *g, uint64_t sum);
/** Likewise of the layers: what each computes of what, whatever its parameters'
 *  numbers are. */
uint64_t rn_graph_sum_layers(const struct rn_graph *g, uint64_t sum);
uint64_t rn_node_params(const struct rn_graph *g, const struct rn_node *node);
/** Without auxiliary heads. */
uint64_t rn_graph_macs(const struct rn_graph *g);

#endif
