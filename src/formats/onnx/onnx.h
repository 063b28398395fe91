/* SPDX-License-Identifier: BSD-2-Clause */
/* ONNX models: graphs of operators with their tensors. */
#ifndef RN_FORMATS_ONNX_ONNX_H
#define RN_FORMATS_ONNX_ONNX_H

#include "model/model.h"

/** Key of metadata_props under which a model's description lies. */
#define RN_ONNX_DESCRIPTION "resnet"
/** What we are called as a file's producer. */
#define RN_ONNX_PRODUCER "resnet"

/* Most numbers that operators of a file make (ConstantOfShape and others), and
 * most parameters beyond those it has: 1 GiB each. */
#define RN_ONNX_MADE ((uint64_t)1 << 28)

/** Whether these first bytes can be such a file's. */
bool rn_onnx_is(const char *path, const uint8_t *bytes, size_t size);
/** Read a model: a network of a family where its graph is one, else as its
 *  graph. */
int rn_onnx_import(struct rn_model **out, const char *path,
                   const struct rn_import_options *options,
                   struct rn_error *err);

struct rn_onnx;

/** Choose the output that is the answer: the caller's, or the only one that
 *  can be. RN_ERR_DATA lists those that can, RN_ERR_ARG when there is none of
 *  the caller's name. */
int rn_onnx_choose_output(struct rn_onnx *file,
                          const struct rn_import_options *options,
                          struct rn_error *err);

/** The network of an opened file, as its graph; `size` is that of the input
 *  where the file leaves it open. RN_ERR_DATA names the operator that is not
 *  known, or not with what it reads. */
int rn_onnx_graph(struct rn_graph **out, const struct rn_onnx *file,
                  const struct rn_shape *size, uint64_t made,
                  struct rn_error *err);

/** What is written for the gates of highway networks becomes these again. False
 *  when memory is short. */
bool rn_onnx_join_highways(struct rn_graph *g);

/** Layers that round to 8 bits become scales of the values that they round,
 *  where plans in 8 bits round these alike (rn_onnx_graph() has done that);
 * with `all` wherever nobody else reads the value, as models of our own have
 * it. False when memory is short. */
bool rn_onnx_settle_rounding(struct rn_graph *g, bool all);

struct rn_onnx_rounding {
    size_t layers, in_bytes; /* convolutions and fully connected ones; of them
                                those that plans compute in 8 bits */
    size_t values;           /* rounded by layers of their own, in float32 */
};

void rn_onnx_count_rounding(const struct rn_graph *g,
                            struct rn_onnx_rounding *out);

/** Write a model: opset 17, batch of any size, "input" [batch,C,H,W],
 *  "logits" [batch,classes], or "probabilities", "log_probabilities" where the
 *  model's head makes them; batch norm stays as it is, but is folded into
 * weights in 8 bits; tensors have our names, the description lies in the
 * metadata. RN_ERR_ARG above 2 GiB, which the format does not hold. */
int rn_onnx_write(const struct rn_model *model, const char *path,
                  struct rn_error *err);

#endif
