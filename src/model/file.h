/* SPDX-License-Identifier: BSD-2-Clause */
/* What the writer and the reader of model files share. */
#ifndef RN_MODEL_FILE_H
#define RN_MODEL_FILE_H

#include "model/model.h"

#include <jansson.h>

#define RN_MODEL_FORMAT 1
/* Keys of the safetensors metadata. */
#define RN_KEY_MODEL    "resnet"
#define RN_KEY_TRAINING "training"
/* Key of a network that is there with its auxiliary heads. */
#define RN_KEY_AUX "aux_heads"
/* A mean of every pixel is too long for JSON and is a tensor. */
#define RN_MEAN_TENSOR "preprocessing.mean"
#define RN_MEAN_DIMS   3
/* So is the triangle of a whitening, in one row. */
#define RN_WHITENING_TENSOR "preprocessing.whitening"
#define RN_WHITENING_DIMS   1
#define RN_WHITENING_ZCA    "zca" /* what it is called */
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

/* quantization.c */

/** Room for the name of the tensor of scales beside weights, and the name. */
enum { RN_SCALES_NAME = 256 };
void rn_scales_name(char name[RN_SCALES_NAME], const char *weights);
/** "quantization" of a quantised model's description; NULL when memory is
 *  short or two layers in 8 bits have one name. */
json_t *rn_quantization_json(const struct rn_model *model);
/** Take the values' scales and zero points; the tensors have been read. */
int rn_quantization_read(struct rn_model *model, const char *path,
                         const json_t *quantization, struct rn_error *err);
/** A quantised parameter's weights in 8 bits, and from there. */
void rn_quant_numbers(const struct rn_param *p, int8_t *out);
int rn_quant_take_numbers(struct rn_graph *g, size_t param,
                          const int8_t *numbers, const float *scales,
                          const char *path, struct rn_error *err);

/** Fill the graph's parameters and the extras from the tensors of their
 *  names; the message of RN_ERR_DATA lists what is missing, misshapen or
 *  unexpected. Where the model is `quantized`, weights may be I8. */
int rn_model_read_tensors(const struct rn_st_file *f, struct rn_graph *g,
                          bool quantized, const struct rn_extra *extras,
                          size_t n_extras, struct rn_error *err);

#endif
