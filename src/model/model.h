/* SPDX-License-Identifier: BSD-2-Clause */
/* What struct rn_model holds, and the model file (safetensors). */
#ifndef RN_MODEL_MODEL_H
#define RN_MODEL_MODEL_H

#include "core/holders.h"
#include "core/safetensors.h"
#include "graph/graph.h"
#include "model/preprocessing.h"
#include "nets/nets.h"

struct rn_model {
    struct rn_holders holders;
    const struct rn_model *base; /* held, as parameters are read from it; or
                                    NULL */
    struct rn_net_spec spec;
    struct rn_graph *graph;
    struct rn_preprocessing preprocessing;
    char **class_names;   /* spec.classes entries, or NULL */
    char **class_ids;     /* likewise */
    char *trained;        /* JSON object text, or NULL */
    char *path;           /* file it was read from, for messages, or NULL */
    char not_finite[200]; /* see rn_model_not_finite() */
    bool headless;        /* its fc is for the caller to replace */
};

/** The biases of highway networks' gates begin at -RN_GATE_BIAS, as in the
 *  authors' code. */
#define RN_GATE_BIAS 2.0
/** Give all gates this bias; false when there are none. */
bool rn_model_set_gates(struct rn_model *model, double bias);
/** Make zero the weights of each residual block's last batch norm; false when
 *  no block ends in one. */
bool rn_model_zero_gammas(struct rn_model *model);

/** A model around a graph, which it takes over; NULL when memory is short
 *  (the graph stays the caller's). */
struct rn_model *rn_model_wrap(const struct rn_net_spec *spec,
                               struct rn_graph *graph);

/** One holder more, for whoever keeps the model beyond a call;
 *  rn_model_destroy() lets it go. Returns the model. */
const struct rn_model *rn_model_hold(const struct rn_model *model);
/** rn_model_destroy() of a model held. */
void rn_model_drop(const struct rn_model *model);

/** The same network of a family with parameters of its own; without
 *  preprocessing, names and auxiliary heads. RN_ERR_ARG for a graph of others.
 */
int rn_model_copy(struct rn_model **out, const struct rn_model *model,
                  struct rn_error *err);

/** The same network for images of h x w pixels. It reads the parameters of
 *  `model`, which it holds, and knows no preprocessing, no names, no
 *  auxiliary heads.
 *  RN_ERR_ARG for a size it cannot take. */
int rn_model_resized(struct rn_model **out, const struct rn_model *model, int h,
                     int w, struct rn_error *err);

/** An extra named float32 tensor in a model file, for checkpoints
 *  ("optimizer.momentum.conv1.weight"). */
struct rn_extra {
    const char *name;
    int dims;
    size_t dim[4];
    float *data;
};

/**
 * rn_model_save() with extra tensors and an extra JSON text, kept in the
 * metadata under "training" (both may be absent).
 */
int rn_model_save_with(const struct rn_model *model, const char *path,
                       const struct rn_extra *extras, size_t n_extras,
                       const char *training, struct rn_error *err);

/**
 * rn_model_load() that also hands out the metadata text "training"
 * (*training is rn_alloc()ed, or NULL) and fills the data of the extras
 * given; a missing or misshapen extra is RN_ERR_DATA.
 */
int rn_model_load_with(struct rn_model **out, const char *path,
                       const struct rn_extra *extras, size_t n_extras,
                       char **training, struct rn_error *err);

/** The same on an open file. */
int rn_model_read(struct rn_model **out, const struct rn_st_file *f,
                  const struct rn_extra *extras, size_t n_extras,
                  char **training, struct rn_error *err);

/** Leave out auxiliary heads, if there are any. */
int rn_model_drop_aux(struct rn_model *model, struct rn_error *err);

/** Give the model its preprocessing; arrays are copied. RN_ERR_ARG when a
 *  mean is not finite or a std not finite and positive. */
int rn_model_set_preprocessing(struct rn_model *model, bool per_pixel,
                               const float *mean, const float *std,
                               struct rn_error *err);
/** Global contrast normalisation and whitening beside them, 0 and NULL for
 *  none; copied. rn_model_set_preprocessing() takes both away. RN_ERR_ARG for
 *  numbers that make no sense, and images that are too large. */
int rn_model_set_whitening(struct rn_model *model, float contrast,
                           const float *whitening, struct rn_error *err);
/** Whether the network takes blue, green, red. RN_ERR_ARG when it does not
 *  take three channels. */
int rn_model_set_bgr(struct rn_model *model, bool bgr, struct rn_error *err);
/** How a picture becomes an image of the input's size. RN_ERR_ARG when
 *  `resize` is neither 0 nor large enough to cut the input from. */
int rn_model_set_resize(struct rn_model *model, int resize,
                        enum rn_interpolation interpolation,
                        struct rn_error *err);
/** Checksums for telling models apart, behind what `sum` is of: of how pixels
 *  become the network's numbers, and also of how a picture becomes pixels. */
uint64_t rn_model_sum_normalisation(const struct rn_model *model, uint64_t sum);
uint64_t rn_model_sum_preprocessing(const struct rn_model *model, uint64_t sum);
/** Largest `resize`. */
#define RN_RESIZE_MAX 65535
/** Copy `classes` names; NULL removes them. RN_ERR_ARG when one is not
 *  UTF-8. */
int rn_model_set_classes(struct rn_model *model, const char *const *names,
                         struct rn_error *err);
/** The same for the classes' identifiers. */
int rn_model_set_class_ids(struct rn_model *model, const char *const *ids,
                           struct rn_error *err);

/** Text on the first tensor (name, place, value) that is not finite, or NULL.
 *  The text lies in the model until the next call. */
const char *rn_model_not_finite(struct rn_model *model);
/** RN_ERR_DATA, listing them, when weights or statistics are not finite, or a
 *  variance has no root. */
int rn_model_check_numbers(const struct rn_model *model, struct rn_error *err);

#endif
