/* SPDX-License-Identifier: BSD-2-Clause */
/* A quantisation under way: what its steps share, in the order they run. */
#ifndef RN_QUANTIZE_QUANTIZER_H
#define RN_QUANTIZE_QUANTIZER_H

#include "data/data.h"
#include "model/model.h"
#include "quantize/ranges.h"

/** A convolution or fc that can be in 8 bits. */
struct rn_quantizer_layer {
    int node, end;       /* and the node of the value that its step makes */
    size_t param;        /* its weights */
    int shifted;         /* parameter that takes the correction, or -1 */
    float *exact, *bias; /* what it and its weights were */
    float *rounded, *corrected, *scales;
    bool on;
    double cost, noise; /* of the logits with this layer alone, of its value */
};

struct rn_quantizer {
    struct rn_model *model;
    struct rn_graph *g;
    struct rn_quantize_options o;
    struct rn_quantizer_layer *layers;
    size_t n_layers;
    bool *marked;            /* by node: a value to be in 8 bits */
    struct rn_stats **stats; /* by node: of values that steps make, or NULL */
    struct rn_range_choice *ranges; /* by node; scale 0 where there is none */
    bool *needed; /* by node: a value in 8 bits for the layers that are on */
    struct rn_plan *plan; /* of the model as it was */
    int batch;
    float *images; /* [batch] of the calibration's first */
    float *logits, *others;
    bool flat;       /* every image so far is of one colour */
    float *compared; /* value by value, of a few images */
    size_t *at;      /* by node: its value's first float there */
    size_t next;     /* float there */
    int few;
    struct rn_error *err;
};

int rn_quantizer_no_memory(struct rn_quantizer *q, size_t bytes);
/** RN_ERR_STOPPED when the caller's progress() says so. */
int rn_quantizer_tell(const struct rn_quantizer *q, const char *what, int done,
                      int all);
/** A plan of the model as it is now. */
int rn_quantizer_plan(struct rn_plan **plan, const struct rn_quantizer *q,
                      int batch, int precision);
/** The node whose value a trace shows. */
size_t rn_quantizer_node(const struct rn_trace *value);

/* layers.c */

/** Find the layers that can be in 8 bits, and the values around them.
 *  RN_ERR_ARG when there is no layer. */
int rn_quantizer_find(struct rn_quantizer *q);
/** Put all of them into 8 bits, after calibration. */
int rn_quantizer_round(struct rn_quantizer *q);
/** Put a layer into 8 bits, or back. */
void rn_quantizer_turn(struct rn_quantizer *q, struct rn_quantizer_layer *l,
                       bool on);
/** Give the values that the layers in 8 bits need their ranges, and no other.
 */
void rn_quantizer_give_ranges(struct rn_quantizer *q);

/* calibrate.c */

/** Calibration images, [count][c][h][w], a batch of them at most. */
int rn_quantizer_calibrate(struct rn_quantizer *q, const float *images,
                           int count);
/** Through so many images of the part, as the seed chooses them. */
int rn_quantizer_calibrate_on(struct rn_quantizer *q,
                              const struct rn_data *data, int images);
/** Choose a range for each value that may be in 8 bits. */
void rn_quantizer_ranges(struct rn_quantizer *q);

/* costs.c */

/** Keep what values are before anything is quantised: they are compared
 *  with. */
int rn_quantizer_keep(struct rn_quantizer *q);
/** What each layer in 8 bits costs alone. */
int rn_quantizer_costs(struct rn_quantizer *q);
/** How far each layer's value now is from those kept. */
int rn_quantizer_compare(struct rn_quantizer *q);

#endif
