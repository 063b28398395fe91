/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this folder share. */
#ifndef RN_PLAN_INTERNAL_H
#define RN_PLAN_INTERNAL_H

#include "core/holders.h"
#include "ops/batch_norm.h"
#include "ops/conv/conv.h"
#include "ops/pool.h"
#include "plan/plan.h"
#include "plan/team.h"

/* -------------------------------------------------------------- the store */

/** Where a parameter lies: in the flat arrays, or among the statistics. */
struct rn_place {
    size_t offset, count; /* floats; count includes layout padding */
    int node;             /* graph node it belongs to */
    bool plain_input;     /* weights of a convolution of plain images */
};

struct rn_store {
    struct rn_holders holders;
    const struct rn_graph *graph;
    struct rn_place *places; /* by parameter */
    bool borrowed;           /* values are the graph's own, in plain layout */
    float *memory;           /* value, grad, states, statistics */
    size_t memory_bytes;
    float *value, *grad, *state[RN_STATES_MAX], *statistics;
    int states; /* or RN_STORE_FIXED */
    size_t count, statistics_count;
    struct rn_segment *segments;
    size_t n_segments;
};

/** A store that only knows its sizes, for estimates. */
int rn_store_measure(struct rn_store **out, const struct rn_graph *graph,
                     int states, struct rn_error *err);
/** A store that holds nothing and gives the graph's parameters, which must
 *  stay: enough for folding them into an inference plan. */
int rn_store_borrow(struct rn_store **out, const struct rn_graph *graph,
                    struct rn_error *err);
/** A parameter's values in plain layout: where they are, or put into `plain`.
 */
const float *rn_store_plain(const struct rn_store *store, size_t param,
                            float *plain);
/** The array a parameter lies in; NULL in a store that only measures. */
float *rn_store_at(const struct rn_store *store, enum rn_store_kind kind,
                   int param);

/* ------------------------------------------------------------ the program */

/** An activation, gradient or index array in the arena, alive from the first
 *  to the last step that touches it. */
struct rn_buffer {
    enum rn_dtype type;
    size_t count; /* of numbers; with padding */
    size_t bytes, offset;
    int first, last;
    int users; /* while compiling: gradients read from it later */
    /* A part of `whole`: some of its channels, in its place. Images are so many
     * planes apart; which channels, the step knows. RN_NONE: no part. */
    int whole;
    size_t planes;
};

enum { RN_NONE = -1, RN_IMAGES = -2 /* the caller's images */ };

/** How a value is had: a buffer, with scale and shift of a batch norm and a
 *  ReLU still to be applied by the reader when it is pending. */
struct rn_value {
    int buffer;
    int bn; /* RN_NONE, or batch norm whose scale and shift are pending */
    bool relu;
};

struct rn_step;

/** What a step does. */
struct rn_step_type {
    int (*run)(struct rn_plan *plan, struct rn_step *s, struct rn_error *err);
    const char *pass; /* as printed */
    /** Add to a tally how it shares its work out; of steps/steps.h. */
    void (*shares)(const struct rn_plan *plan, const struct rn_step *s,
                   struct rn_shares *shares);
    bool again; /* running it twice is all it takes to have its output twice */
};
/* steps/ */
extern const struct rn_step_type rn_step_block_images;
extern const struct rn_step_type rn_step_conv;
extern const struct rn_step_type rn_step_conv_backward_data;
extern const struct rn_step_type rn_step_conv_backward_weights;
extern const struct rn_step_type rn_step_bn_statistics;
extern const struct rn_step_type rn_step_apply;
extern const struct rn_step_type rn_step_convert;
extern const struct rn_step_type rn_step_max_pool;
extern const struct rn_step_type rn_step_average;
extern const struct rn_step_type rn_step_subsample_pad;
extern const struct rn_step_type rn_step_avg_pool;
extern const struct rn_step_type rn_step_concat;
extern const struct rn_step_type rn_step_place;
extern const struct rn_step_type rn_step_multiply;
extern const struct rn_step_type rn_step_activate;
extern const struct rn_step_type rn_step_prelu;
extern const struct rn_step_type rn_step_select;
extern const struct rn_step_type rn_step_lrn;
extern const struct rn_step_type rn_step_softmax;
extern const struct rn_step_type rn_step_zero_pad;
extern const struct rn_step_type rn_step_loss;
extern const struct rn_step_type rn_step_mask;
extern const struct rn_step_type rn_step_bn_reduce;
extern const struct rn_step_type rn_step_bn_gradient;
extern const struct rn_step_type rn_step_max_pool_backward;
extern const struct rn_step_type rn_step_average_backward;
extern const struct rn_step_type rn_step_subsample_pad_backward;
extern const struct rn_step_type rn_step_avg_pool_backward;
extern const struct rn_step_type rn_step_highway;
extern const struct rn_step_type rn_step_highway_backward;
extern const struct rn_step_type rn_step_concat_backward;

struct rn_step {
    const struct rn_step_type *type;
    int node;  /* that gives the step its name and shapes */
    int value; /* node whose value is whole after it; 0: none (inference) */
    struct rn_value a, b; /* operands of forward steps */
    int out;              /* buffer written */
    int dy, dy2;          /* gradients read by backward steps */
    int input;            /* of the node's, whose gradient it makes */
    int y;                /* output whose sign is the mask, or places; of
                             backward data that makes its gradient from dy and
                             dy2 this gradient, written; of a highway's gate
                             the gradient of its first input, written */
    int bn;
    int scratch;      /* buffer of the convolution's own */
    int packed;       /* training: buffer for weights as the pass reads them */
    int more, n_more; /* buffers read besides: where in plan->lists, how many */
    int sum;          /* node whose value, in 8 bits, the convolution adds to */
    int rounded; /* and node whose value is rounded to 8 bits before that */
    bool relu;
    bool adds;            /* a batch norm's gradient: to what is in `out` */
    bool again;           /* a forward step's second run, for backward */
    struct rn_conv *conv; /* borrowed from the plan's list */
    int weights, bias;    /* parameters, training */
    int fold;             /* in plan->folds, inference, or RN_NONE */
    size_t first;    /* training, of the flat numbers: SIZE_MAX, or the first
                        of parameters that it may have to do with; */
    size_t finished; /* and so many that no step behind it has to do with */
    double flops, bytes;
    double seconds; /* spent since the last reset, when profiling */
};

/** Parameters of an inference step as the plan holds them: weights and bias of
 *  a convolution, its batch norm folded in; as `bias` the slopes of a PReLU,
 *  which has no primitive. */
struct rn_fold {
    int node, bn; /* bn may be RN_NONE */
    struct rn_conv *primitive;
    size_t n_weights, n_bias; /* floats, with padding */
    float *weights, *bias;    /* the plan's own, or of what it is a clone of */
    /* In 8 bits: nodes that it computes, adds, and rounds before it adds. */
    int value, sum, rounded;
};

/** The memory of folds. Clones of an inference plan hold that of the first,
 *  and only read it; what they want in another layout lies in their own. */
struct rn_folded {
    struct rn_holders holders;
    struct rn_folded *of; /* held by a clone's own, or NULL */
    float *memory;
    size_t floats;
};

struct rn_plan {
    const struct rn_model *model; /* held, as the graph is its; or NULL */
    const struct rn_graph *graph;
    struct rn_store *store; /* held */
    struct rn_team team;
    struct rn_plan_options options;
    int keep, kept; /* node whose values the caller wants, and their buffer;
                       RN_NONE */
    const bool *watched; /* by node, the caller's; or NULL: rn_plan_watch() */
    bool dry;
    long runs; /* since the last reset of the profile */

    struct rn_step *steps;
    size_t n_steps, steps_capacity;
    struct rn_buffer *buffers;
    size_t n_buffers, buffers_capacity;
    struct rn_quant *quants; /* by node: how its value lies in buffers of RN_U8;
                                NULL with a precision that has none */
    int *lists; /* buffers of steps that read more than two values */
    size_t n_lists, lists_capacity;
    struct rn_conv **convs; /* each distinct configuration once */
    size_t n_convs, convs_capacity;
    struct rn_batch_norm *bns;
    int *bn_nodes;
    size_t n_bns, bns_capacity, bn_nodes_capacity;
    struct rn_fold *folds;
    size_t n_folds, folds_capacity;

    /* Memory, taken once. */
    uint8_t *arena;
    size_t arena_bytes;
    float *bn_memory;
    size_t bn_floats;
    double *sums;
    size_t sums_count;
    struct rn_folded *shared; /* inference: held */
    size_t folded_floats;     /* of its own */
    bool clone;               /* the others are another plan's */
    float *plain;             /* inference: one layer's weights while folding */
    size_t plain_floats;

    int logits; /* buffer */
    int count;  /* images of the last forward pass */

    float *filled; /* a batch that fewer images fill, or NULL */
    size_t filled_floats;

    /* Arguments of the run under way. */
    const struct rn_tracer *tracer; /* or NULL */
    const struct rn_plan_follower *follower; /* borrowed, or NULL */
    const struct rn_plan_parts *parts; /* or NULL: the batch is whole */
    const float *images;
    struct rn_draw draw;
    struct rn_targets targets;
    struct rn_step_result result;
};

/* build.c: the parts both compilers need. Each returns RN_OK or fails. */

/** Whether sizes of this batch can be counted: no sum or product of buffers'
 *  sizes overflows then. */
int rn_check_sizes(const struct rn_plan *plan, struct rn_error *err);
int rn_new_buffer(struct rn_plan *plan, enum rn_dtype type, size_t count);
/** A buffer for numbers of that type of a value of node's shape. */
int rn_new_value(struct rn_plan *plan, enum rn_dtype type, int node);
/** A part of a buffer, which holds node `of`, for a value of node's shape.
 *  RN_NONE without memory, or of none. */
int rn_new_part(struct rn_plan *plan, int whole, int of, int node);
/** Append a zeroed step of that type for a node; NULL without memory. */
struct rn_step *rn_new_step(struct rn_plan *plan,
                            const struct rn_step_type *type, int node);
/** The last step reads or writes the buffer (RN_NONE and RN_IMAGES do not
 *  count). */
void rn_touch(struct rn_plan *plan, int buffer);
/** Where a step keeps the i-th buffer of those it reads and writes, each of
 *  which may be none; NULL behind the last one. */
int *rn_step_buffer(const struct rn_plan *plan, struct rn_step *step, int i);
/** Buffer i of those that a step of forward reads, RN_NONE for none; and how
 *  many there may be. */
int rn_step_read(const struct rn_plan *plan, const struct rn_step *step, int i);
int rn_step_reads(const struct rn_step *step);
/** Put a buffer at the end of the plan's list, see rn_step.more; false when
 *  memory is short. */
bool rn_list_more(struct rn_plan *plan, int buffer);
/** The last step reads or writes all its buffers. */
void rn_touch_step(struct rn_plan *plan);
int rn_find_conv(struct rn_plan *plan, const struct rn_conv_config *config,
                 struct rn_conv **out, struct rn_error *err);
/** Convolution config of a conv or linear node, all but the pass. */
void rn_conv_config_of(const struct rn_plan *plan, int node,
                       struct rn_conv_config *config);
/** Whether value v is the caller's images as they came: at most three
 *  channels, and nothing but convolutions reads them. */
bool rn_is_plain(const struct rn_graph *graph, int v);
/** A batch norm of values of that type. */
int rn_new_bn(struct rn_plan *plan, enum rn_dtype type, int node);
struct rn_planes rn_planes_of_node(const struct rn_plan *plan, int node);
/** Numbers of a value, padding too. */
size_t rn_value_count(const struct rn_plan *plan, int node);
/** How many nodes read each value, into an rn_alloc()ed array; the graph's
 *  outputs count as read. */
int *rn_count_readers(const struct rn_graph *graph);
/** Give steps the buffers that only they use; all steps are there. */
int rn_add_scratch(struct rn_plan *plan, struct rn_error *err);
/** Choose offsets so that buffers alive at once do not overlap. */
int rn_place_buffers(struct rn_plan *plan, struct rn_error *err);

/** The type of values in a precision, where steps know it. */
enum rn_dtype rn_precision_type(int precision);

/** What bytes of node `sum` are times, to be added to those of `value`. */
float rn_sum_scale(const struct rn_plan *plan, int value, int sum);

/* dense.c */

/** Where a value lies in a dense block: the block's last concatenation, or
 *  RN_NONE; the number of its inputs that the value begins with, and of how
 *  many it consists. */
struct rn_dense {
    int last, first, count;
};
/** By node, in an rn_alloc()ed array; NULL without memory. */
struct rn_dense *rn_find_dense(const struct rn_graph *graph);

/* infer.c, train.c */
int rn_compile_infer(struct rn_plan *plan, struct rn_error *err);
int rn_compile_train(struct rn_plan *plan, struct rn_error *err);

/* keep.c */

/** Set plan->keep as the options say. */
int rn_choose_kept(struct rn_plan *plan, struct rn_error *err);

/** A value of that node in a buffer, as float [count][channels][height]
 *  [width]. */
void rn_plain_values(const struct rn_plan *plan, int node, int buffer,
                     float *values);

/* recompute.c */

/** Have a training plan keep less from forward to backward, as its option
 *  says. */
int rn_recompute(struct rn_plan *plan, struct rn_error *err);

/* follow.c */

/** Set `first` and `finished` of all steps; they are in their order. */
void rn_mark_steps(struct rn_plan *plan);
/** Tell the plan's follower, if it has one, before and after step i of a run;
 *  `forward` is rn_forward_steps(). */
int rn_follow_before(struct rn_plan *plan, size_t i, size_t forward,
                     struct rn_error *err);
int rn_follow_after(struct rn_plan *plan, size_t i, size_t forward,
                    struct rn_error *err);

/* run.c */

/** Who is told of each step that has run (trace.c). */
struct rn_tracer {
    /** Nonzero ends the run, and is returned. */
    int (*step)(const struct rn_plan *plan, const struct rn_step *s);
    int (*visit)(void *user, const struct rn_trace *value);
    void *user;
    float *values; /* room for the largest value */
};

/** Steps up to the logits: all of inference, those before the loss. */
size_t rn_forward_steps(const struct rn_plan *plan);
/** The first `steps` of the plan. */
int rn_run_steps(struct rn_plan *plan, size_t steps, struct rn_error *err);

/* steps/steps.c */

/** Where a buffer lies in the plan's arena; NULL for none. */
void *rn_buffer_at(const struct rn_plan *plan, int buffer);

#endif
