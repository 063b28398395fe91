/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * Graph -> plan. A store holds the packed parameters that one or more plans
 * share: a training plan for the full batch, one for the last smaller batch,
 * an inference plan for evaluation.
 */
#ifndef RN_PLAN_PLAN_H
#define RN_PLAN_PLAN_H

#include "graph/graph.h"
#include "ops/loss.h"

/**
 * Parameters as the kernels want them, in flat ranges. Learned parameters
 * lie in the order backward finishes their gradients (last layer first), so
 * that optimiser steps and reductions work on ranges. Frozen ones lie with
 * the running statistics: they have neither gradient nor state.
 */
struct rn_store;

/** Copies the graph's parameters in. The graph is borrowed: it must outlive
 *  the store and the plans. There is room for gradients and so many states of
 *  an optimiser, zeros at first; with RN_STORE_FIXED for neither. A store is
 *  gone when everybody who holds it has destroyed it. */
int rn_store_create(struct rn_store **out, const struct rn_graph *graph,
                    int states, struct rn_error *err);
struct rn_store *rn_store_hold(struct rn_store *store);
#define RN_STORE_FIXED (-1)
#define RN_STATES_MAX  2
void rn_store_destroy(struct rn_store *store);

/** Graph's parameters (and running statistics) -> store, and back. */
void rn_store_import(struct rn_store *store);
void rn_store_export(struct rn_store *store, struct rn_graph *graph);

/** Which array of the store: kind RN_STORE_STATE + k is the optimiser's k-th
 *  state. Learned parameter `param` (index into the graph's params) is read
 *  and written in plain layout. */
enum rn_store_kind {
    RN_STORE_VALUE,
    RN_STORE_GRAD,
    RN_STORE_STATE,
    RN_STORE_KINDS = RN_STORE_STATE + RN_STATES_MAX,
};
void rn_store_get(const struct rn_store *store, enum rn_store_kind kind,
                  size_t param, float *plain);
void rn_store_set(struct rn_store *store, enum rn_store_kind kind, size_t param,
                  const float *plain);

/** Whether parameter `param` is weights that rn_store_limit() takes: all but
 *  those of groups. */
bool rn_store_limits(const struct rn_store *store, size_t param);
/** Shrink such weights of each output to a norm of `most` where it is larger;
 *  the same bits on any number of threads. */
void rn_store_limit(struct rn_store *store, size_t param, float most,
                    int threads);

/** What has neither gradient nor state, the running statistics above all:
 *  *count floats. */
float *rn_store_statistics(struct rn_store *store, size_t *count);

/** One run of equal weight decay within the flat arrays. */
struct rn_segment {
    size_t param;         /* index into the graph's params */
    size_t offset, count; /* floats, count includes layout padding */
};
struct rn_flat {
    float *value, *grad;
    float *state[RN_STATES_MAX]; /* NULL from the first that is not there */
    size_t count;
    const struct rn_segment *segments; /* in flat order */
    size_t n_segments;
};
/** The flat arrays; grad is NULL with RN_STORE_FIXED. Padding is zero in all
 *  and must stay so. */
void rn_store_flat(struct rn_store *store, struct rn_flat *flat);

/** As rn_plan_create(), but on a shared store, which the plan holds. */
int rn_plan_build(struct rn_plan **out, struct rn_store *store,
                  const struct rn_plan_options *options, struct rn_error *err);

/** As rn_plan_create(), of a plan that computes the values of watched nodes
 *  for themselves and tells of them when rn_plan_watch() runs it: of inference
 *  those of any node, of training those of convolutions, and of batch norms
 *  that take the batch's statistics.
 *
 * @param watched by node; borrowed, and must outlive the plan; or NULL.
 */
int rn_plan_create_watching(struct rn_plan **out, const struct rn_model *model,
                            const struct rn_plan_options *options,
                            const bool *watched, struct rn_error *err);

/** Run such a plan forward and hand out, in the order they are computed, the
 *  mean and biased variance over images and pixels of each channel of the
 *  watched values: the same bits on any number of threads. A nonzero answer
 *  ends the run and is returned. Training plans draw as rn_plan_draw() says;
 *  running statistics of their own store move on. */
int rn_plan_watch(struct rn_plan *plan, const float *images,
                  int (*visit)(void *user, int node, const double *mean,
                               const double *var),
                  void *user, struct rn_error *err);

/** The plan holds the model whose graph it is made of. */
void rn_plan_hold_model(struct rn_plan *plan, const struct rn_model *model);

/** Inference plans of rn_plan_build() that share nothing and whose store is not
 *  a model's: fold the store's present parameters in.
 */
int rn_plan_refresh(struct rn_plan *plan, struct rn_error *err);

/**
 * What random steps of a training plan draw from. The numbers of an image are
 * a function of seed, iteration and its place among the iteration's images, so
 * that a step that is run again, a batch that is cut otherwise and a run that
 * was resumed draw the same.
 */
struct rn_draw {
    uint64_t seed;
    uint32_t iteration;
    uint64_t first; /* place of the batch's first image */
};
/** For the runs to come; all zero at first. */
void rn_plan_draw(struct rn_plan *plan, const struct rn_draw *draw);


struct rn_step_result {
    double loss; /* sum over the batch of the output's losses */
    int errors;  /* images whose largest logit is not the label's */
    double aux;  /* sum of the auxiliary heads' losses, by their weights */
};

/**
 * Training plan: forward with batch statistics (running ones updated), loss,
 * backward; gradients of the mean loss, that of auxiliary heads included, land
 * in the store. No update.
 *
 * @param labels int32 [batch], each in 0..classes-1 (not checked here).
 */
int rn_plan_train(struct rn_plan *plan, const float *images,
                  const int32_t *labels, float label_smoothing,
                  struct rn_step_result *result, struct rn_error *err);

/** The same for targets of any kind. */
int rn_plan_learn(struct rn_plan *plan, const float *images,
                  const struct rn_targets *targets,
                  struct rn_step_result *result, struct rn_error *err);

/** Who is told, while a training plan learns, how far it is with the flat
 *  arrays, between its steps: which are many. Nonzero ends the run, and is
 *  returned. The thread is the calling one, in the plan's floating-point mode.
 */
struct rn_plan_follower {
    /** In forward: of the values those from number `from` on must be there;
     *  SIZE_MAX: none need be. Last, before backward, with 0: from here on
     *  gradients are written. */
    int (*reads)(void *user, size_t from, struct rn_error *err);
    /** In backward: the first `numbers` gradients are final, and of the values
     *  as many are not read any more. */
    int (*finished)(void *user, size_t numbers, struct rn_error *err);
    void *user;
};
/** For the runs to come; borrowed. NULL: nobody. */
void rn_plan_follow(struct rn_plan *plan,
                    const struct rn_plan_follower *follower);

/** Training plan: forward alone, up to the logits; the batch's share of the
 *  running statistics is `share`. */
int rn_plan_statistics(struct rn_plan *plan, const float *images, double share,
                       struct rn_error *err);

/** What batch norm saw in the last batch, over all channels. */
struct rn_norm_record {
    int node;
    bool fixed; /* the running statistics normalised: nothing else is known */
    double mean, variance; /* of what it read */
    double normed;         /* variance of what it made, before any ReLU */
};
/** Training plan, after a run: the i-th batch norm, in the network's order;
 *  false past the last. */
bool rn_plan_norm(const struct rn_plan *plan, size_t i,
                  struct rn_norm_record *record);

/** A batch in parts of one size, each in the hands of another process, whose
 *  plans take the same steps: batch norm takes its statistics, and the sums of
 *  its gradient, over all parts. */
struct rn_plan_parts {
    int count, own; /* which one this plan has */
    /** Every part's `bytes` into `all`, in order, where this one's lie
     *  already. */
    int (*gather)(void *user, void *all, size_t bytes, struct rn_error *err);
    void *user;
    double *room; /* [count][rn_plan_part_doubles()] */
};
size_t rn_plan_part_doubles(const struct rn_plan *plan);
/** Borrowed for all runs that follow; NULL: the batch is whole. */
void rn_plan_set_parts(struct rn_plan *plan, const struct rn_plan_parts *parts);

/**
 * Batch norm statistics of several batches that make one step together. With
 * rn_plan_set_apart() training leaves the running statistics as they are and
 * writes each batch's own, rn_plan_apart_floats() of them, to `own` (NULL: as
 * at first); rn_plan_join() moves the running ones once, by the mean of those
 * of so many batches, one behind the other.
 */
size_t rn_plan_apart_floats(const struct rn_plan *plan);
void rn_plan_set_apart(struct rn_plan *plan, float *own);
void rn_plan_join(struct rn_plan *plan, const float *own, int batches);

/** Logits [batch][classes] of the last rn_plan_train(). */
void rn_plan_logits(const struct rn_plan *plan, float *logits);

int rn_plan_threads(const struct rn_plan *plan);
/** The node of a stage or layer by that name, as rn_plan_options.keep has it; -1
 *  for none. */
int rn_find_value(const struct rn_graph *g, const char *name);
/** Whether a node can compute in 8 bits: a convolution or fc of some shape. */
bool rn_plan_can_quantize(const struct rn_graph *graph, int node);
/** Whether a node's value lies in 8 bits as its one input does. */
bool rn_plan_keeps_scale(const struct rn_graph *graph, int node);
/** The node whose value a node's step makes, with what it includes; the node
 *  itself where it has no step. Of inference plans. */
int rn_plan_value_of(const struct rn_plan *plan, int node);

#endif
