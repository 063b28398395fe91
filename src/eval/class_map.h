/* SPDX-License-Identifier: BSD-2-Clause */
/* Class activation maps. */
#ifndef RN_EVAL_CLASS_MAP_H
#define RN_EVAL_CLASS_MAP_H

#include "model/model.h"

/** What each place of the last stage adds to the logit of a class: `values`
 *  [channels][places] of it to map[places], whose mean, with fc's bias, is the
 *  logit. RN_ERR_ARG when the network does not end so. */
int rn_class_map(const struct rn_model *model, const float *values, int places,
                 int index, float *map, struct rn_error *err);

#endif
