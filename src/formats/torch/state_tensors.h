/* SPDX-License-Identifier: BSD-2-Clause */
/* The tensors of a recognised state dictionary into a model's parameters. */
#ifndef RN_FORMATS_TORCH_STATE_TENSORS_H
#define RN_FORMATS_TORCH_STATE_TENSORS_H

#include "model/model.h"
#include "formats/torch/recognise.h"

/** Read every parameter. A convolution's bias goes into the running mean of the
 *  batch norm behind it; a classifier without bias has zeros for it; with
 *  options->headless it may be missing, too. RN_ERR_DATA names tensors that
 *  are missing, misshapen or, unless they belong to no layer and
 *  options->skip_extra says so, left over. */
int rn_state_tensors(struct rn_model *model, struct rn_state *state,
                     const struct rn_recognised *found,
                     const struct rn_names_map *map,
                     const struct rn_import_options *options,
                     struct rn_error *err);

/** Whether a tensor has a parameter's shape, and numbers that may be weights.
 */
bool rn_state_fits(const struct rn_state_tensor *t, const struct rn_param *p);

#endif
