/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * The plans' column of each operation: how inference and training compile it.
 * A row stands in steps/, beside the steps it names.
 */
#ifndef RN_PLAN_OPERATIONS_H
#define RN_PLAN_OPERATIONS_H

#include "plan/internal.h"

/** Compilers at work, of infer.c and of train.c. */
struct rn_inferrer;
struct rn_learner;

/** What backward reads of forward. */
enum {
    RN_KEEPS_NOTHING = 1,
    RN_KEEPS_INPUT = 2,
    RN_KEEPS_OUTPUT = 4,
    RN_KEEPS_PLACES = 8, /* a byte for each number of the value */
    RN_KEEPS_OTHER = 16, /* for an input's gradient the other of two inputs */
};

struct rn_op_plan {
    /** Emit the steps of node v, which no earlier step includes. */
    int (*infer)(struct rn_inferrer *f, int v);
    const struct rn_step_type *infer_step; /* of rn_infer_step() alone */

    /** The same for training; backward: of v's gradient to those of its
     *  inputs. Where there is no forward, no_training says why. */
    int (*forward)(struct rn_learner *t, int v);
    int (*backward)(struct rn_learner *t, int v);
    const char *no_training, *no_backward;
    unsigned keeps; /* RN_KEEPS_…, or 0 without backward */
    /** What about a node is for inference alone, or NULL; may be NULL. */
    const char *(*untrained)(const struct rn_graph *g, const struct rn_node *n);
    /* Of rn_forward_step() and rn_backward_step() alone: the step that writes
     * the value, and the one that makes an input's gradient of its own. */
    const struct rn_step_type *forward_step, *backward_step;
    /* And the one that makes the gradients of its parameters, of the value's
     * and the input; NULL: it has none. */
    const struct rn_step_type *learn_step;
    /* Their forward step applies what is pending on its input, their backward
     * one adds two gradients up. */
    bool takes_pending;
    bool bf16; /* their steps know bfloat16, too */
    /* And 8 bits: to 8 bits of the same scale, or to float32. */
    enum { RN_BYTES_NOT, RN_BYTES_SAME, RN_BYTES_FLOAT } bytes;
};

#define RN_OPERATION(NAME, name) extern const struct rn_op_plan rn_plan_##name;
#include "graph/operations.def"

/** The row of an operation. */
const struct rn_op_plan *rn_op_plan_of(enum rn_op op);

/* infer.c */
int rn_infer_input(struct rn_inferrer *f, int v);
/** A convolution with all that folds into it, and each node that does. */
int rn_infer_chain(struct rn_inferrer *f, int v);
/** Batch norm, addition or ReLU that no convolution could take in. */
int rn_infer_apply(struct rn_inferrer *f, int v);
/** No step: the value is its input's (rn_operation.idle). */
int rn_infer_idle(struct rn_inferrer *f, int v);
/** One step that reads all inputs and writes the value. */
int rn_infer_step(struct rn_inferrer *f, int v);
/** The same with slopes. */
int rn_infer_prelu(struct rn_inferrer *f, int v);

/* train.c */
int rn_forward_input(struct rn_learner *t, int v);
int rn_forward_conv(struct rn_learner *t, int v);
int rn_backward_conv(struct rn_learner *t, int v);
int rn_forward_batch_norm(struct rn_learner *t, int v);
int rn_backward_batch_norm(struct rn_learner *t, int v);
int rn_forward_relu(struct rn_learner *t, int v);
int rn_backward_relu(struct rn_learner *t, int v);
int rn_forward_add(struct rn_learner *t, int v);
int rn_backward_add(struct rn_learner *t, int v);
/** One step that makes both inputs' gradients. */
int rn_backward_highway(struct rn_learner *t, int v);
/** One step that reads the inputs, and one back to each, and to parameters. */
int rn_forward_step(struct rn_learner *t, int v);
int rn_backward_step(struct rn_learner *t, int v);

#endif
