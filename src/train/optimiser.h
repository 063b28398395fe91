/* SPDX-License-Identifier: BSD-2-Clause */
/* Optimisers: what a file under optimisers/ has to offer, and the step that
 * drives it over all parameters. */
#ifndef RN_TRAIN_OPTIMISER_H
#define RN_TRAIN_OPTIMISER_H

#include "plan/plan.h"

#define RN_OPTIMISER_OPTIONS 4

/** An option of struct rn_train_options that an optimiser takes; its range is
 *  in the table of these. */
struct rn_optimiser_option {
    const char *name;
    size_t place; /* of a double in struct rn_train_options */
    double usual; /* what 0 there stands for; RN_ZERO is 0 itself */
};
#define RN_OPTIMISER_OPTION(field, usual)                       \
    {                                                           \
#field, offsetof(struct rn_train_options, field), usual \
    }

/** Parameters that lie side by side and learn alike. Padding between them is
 *  zero in all arrays and must stay so. */
struct rn_slice {
    float *value;
    const float *grad;
    float *state[RN_STATES_MAX];
    size_t count;
    float lr;    /* with the stage's and the layer's factor */
    float decay; /* weight decay, 0 for parameters that have none */
};

/** A row of the table. All state begins as zeros. */
struct rn_optimiser {
    const char *name;
    double rate; /* its usual learning rate, where that of sgd is 1 */
    /** Names of its states; in a checkpoint "optimizer.NAME.PARAMETER". NULL
     *  ends them. */
    const char *states[RN_STATES_MAX + 1];
    struct rn_optimiser_option options[RN_OPTIMISER_OPTIONS + 1];
    /** Change values and state in place. `option` holds what `options` names,
     *  in its order; `step` counts from 1. Several threads call it at once, for
     *  other ranges. */
    void (*update)(const struct rn_slice *slice, const double *option,
                   long step);
    /** Factor of a layer's learning rate, from the norms of its weights and of
     *  their gradient. NULL: 1 for all. Biases and batch norm have 1. */
    double (*factor)(double weights, double gradient, double decay,
                     const double *option);
};

/** The table: a row for each file. */
/* clang-format off */
#define RN_OPTIMISERS(ROW) \
    ROW(sgd) \
    ROW(nesterov) \
    ROW(adamw) \
    ROW(rmsprop) \
    ROW(lars)
/* clang-format on */

#define RN_OPTIMISER_ROW(name) \
    extern const struct rn_optimiser rn_optimiser_##name;
RN_OPTIMISERS(RN_OPTIMISER_ROW)
#undef RN_OPTIMISER_ROW

/** Pointers to them; NULL ends them. */
extern const struct rn_optimiser *const rn_optimisers[];

/** The update of momentum with the rate inside, whose first option is the
 *  momentum: v <- momentum v + lr (g + decay w); w <- w - v. */
void rn_optimiser_momentum(const struct rn_slice *slice, const double *option,
                           long step);

/** By name, without one the first; NULL for one that is not known. */
const struct rn_optimiser *rn_optimiser_find(const char *name);
int rn_optimiser_states(const struct rn_optimiser *optimiser);

/** RN_ERR_ARG when the optimiser is not known, or an option is given that it
 *  does not take. */
int rn_optimiser_check(const struct rn_train_options *o, struct rn_error *err);

/** How the parameters of a run are updated. */
struct rn_update {
    const struct rn_optimiser *optimiser;
    double option[RN_OPTIMISER_OPTIONS];
    float weight_decay;
    bool decay_all; /* false: weights of convolutions and fc only */
    int threads;
    const float *scale; /* of the learning rate, by segment; NULL: 1 */
    /* Largest norm of the weights into a unit, by segment, 0 for none, and the
     * store that holds them; NULL: none has one. */
    const float *max_norm;
    struct rn_store *store;
    float *factors; /* room for `factor`, by segment, or NULL */
};

/** As the options, checked before, say; rn_update_free() releases it. */
int rn_update_create(struct rn_update *u, const struct rn_train_options *o,
                     const struct rn_flat *flat, struct rn_error *err);
void rn_update_free(struct rn_update *u);

/** Whether layers are updated as a whole, by norms of theirs. */
bool rn_update_by_layer(const struct rn_update *u);
/** A step of so many of the flat numbers from `first` on: of whole layers,
 *  where these are updated as such. In place, in parallel; the result is the
 *  same on any number of threads. `step` counts from 1. */
void rn_update_some(const struct rn_update *u, const struct rn_graph *graph,
                    const struct rn_flat *flat, size_t first, size_t numbers,
                    float lr, long step);
/** Of all of them. */
void rn_update_step(const struct rn_update *u, const struct rn_graph *graph,
                    const struct rn_flat *flat, float lr, long step);

#endif
