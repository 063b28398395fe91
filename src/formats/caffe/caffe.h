/* SPDX-License-Identifier: BSD-2-Clause */
/* Caffe's networks: a text of layers (.prototxt) and their weights apart
 * (.caffemodel). */
#ifndef RN_FORMATS_CAFFE_CAFFE_H
#define RN_FORMATS_CAFFE_CAFFE_H

#include "formats/caffe/weights.h"
#include "model/model.h"
#include "formats/caffe/prototxt.h"

/* Most parameters of a network without weights: 1 GiB. */
#define RN_CAFFE_PARAMS ((uint64_t)1 << 28)

/** Whether a file of that name and these first bytes can be a network or
 *  weights. */
bool rn_caffe_is(const char *path, const uint8_t *bytes, size_t size);
/** Read a model from either of its two files. */
int rn_caffe_import(struct rn_model **out, const char *path,
                    const struct rn_import_options *options,
                    struct rn_error *err);

/* What a caller says of a network. */
struct rn_caffe_options {
    struct rn_shape size; /* of the input where the text leaves it open; zero
                             where nobody says */
    const char *output;   /* the value that is the answer, or NULL */
};

/** The network of a text with its weights; without them (NULL) parameters are
 *  zero, `params` of them at most. RN_ERR_DATA names the layer that is
 *  not known, or not with what it reads. */
int rn_caffe_graph(struct rn_graph **out, const struct rn_prototxt *net,
                   struct rn_caffe_weights *weights,
                   const struct rn_caffe_options *options, uint64_t params,
                   struct rn_error *err);
/** The layers of a text are of either name, the older one second. Layers for
 *  training alone are left out. */
const struct rn_prototxt_field *
rn_caffe_next_layer(const struct rn_prototxt *net,
                    const struct rn_prototxt_field *after);
/** Whether it has a layer of that name; `any`: be it left out. */
bool rn_caffe_has_layer(const struct rn_prototxt *net, struct rn_pb name,
                        bool any);

#endif
