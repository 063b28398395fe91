/* SPDX-License-Identifier: BSD-2-Clause */
/* Post-training quantisation of models. */
#ifndef RN_QUANTIZE_QUANTIZE_H
#define RN_QUANTIZE_QUANTIZE_H

#include "model/model.h"

/** Quantise all of a model that can be, ranges as these images have them:
 *  [count][c][h][w], as the network takes them. For benchmarks. */
int rn_quantize_for(struct rn_model *model, const float *images, int count,
                    int threads, struct rn_error *err);

#endif
