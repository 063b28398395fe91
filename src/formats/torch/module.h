/* SPDX-License-Identifier: BSD-2-Clause */
/* torch.save(model): a module as an object. What its forward() computes stands
 * in code that is not here, so only torchvision's ResNet and what it is made of
 * are read, each class in the places where torchvision has it; attributes say
 * strides and the like. */
#ifndef RN_FORMATS_TORCH_MODULE_H
#define RN_FORMATS_TORCH_MODULE_H

#include "core/pickle.h"
#include "formats/torch/state.h"
#include "graph/graph.h"

/* Modules of one file, and how deep they lie in each other. */
#define RN_MODULES_MOST 20000
#define RN_MODULES_DEEP 8

/** Whether it is an object of a class read here. */
bool rn_module_is(const struct rn_pickle *p, uint32_t object);
/** Its tensors into a started state, and its layers. RN_ERR_DATA names a
 *  module of another class, or in a place where torchvision has none such. */
int rn_module_collect(struct rn_state *state, const struct rn_pickle *p,
                      uint32_t object, struct rn_error *err);
/** Whether its bottlenecks stride in their first 1x1. */
bool rn_module_stride_v1(const struct rn_state *state);
/** Compare a graph with the layers there are, and give it their eps;
 *  RN_ERR_DATA names a layer that computes something else. */
int rn_module_check(struct rn_graph *g, const struct rn_state *state,
                    struct rn_error *err);

#endif
