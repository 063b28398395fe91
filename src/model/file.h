/* SPDX-License-Identifier: BSD-2-Clause */
/* What the writer and the reader of model files share. */
#ifndef RN_MODEL_FILE_H
#define RN_MODEL_FILE_H

#include "model/model.h"

#define RN_MODEL_FORMAT 1
/* Keys of the safetensors metadata. */
#define RN_KEY_MODEL    "resnet"
#define RN_KEY_TRAINING "training"
/* A mean of every pixel is too long for JSON and is a tensor. */
#define RN_MEAN_TENSOR "preprocessing.mean"
#define RN_MEAN_DIMS   3
/* What pixels 0..255 are multiplied with before the mean is taken off. */
#define RN_PIXEL_SCALE "1/255"
/* Order of the network's channels when it is not RGB. */
#define RN_ORDER_BGR "BGR"

/** Whether the metadata hold a model's description. */
bool rn_st_is_model(const struct rn_st_file *f);

/** Shape of a mean of every pixel. */
void rn_pixel_mean_dim(const struct rn_model *model, size_t dim[RN_MEAN_DIMS]);

/** The description of a model, JSON in rn_alloc()ed memory; `whole` when there
 *  is no tensor for a mean of every pixel. `path` is for messages. */
int rn_model_text(char **out, const struct rn_model *model, bool whole,
                  const char *path, struct rn_error *err);
/** A model from a whole description, its parameters zero, if that is plausible
 *  for a file with so many tensors of so many bytes. */
int rn_model_from_text(struct rn_model **out, const char *path,
                       const char *text, size_t tensors, uint64_t bytes,
                       struct rn_error *err);

/** Fill the graph's parameters and the extras from the tensors of their
 *  names; the message of RN_ERR_DATA lists what is missing, misshapen or
 *  unexpected. */
int rn_model_read_tensors(const struct rn_st_file *f, struct rn_graph *g,
                          const struct rn_extra *extras, size_t n_extras,
                          struct rn_error *err);

#endif
