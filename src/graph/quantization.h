/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * Networks in 8 bits, as data: values are 0 to 255 with a scale and a zero
 * point each (struct rn_quant in their nodes), weights -128 to 127 with a scale
 * for every output channel (rn_param.scales). Parameters stay float32: those in
 * 8 bits are whole multiples of their scales, so that whoever knows nothing of
 * 8 bits computes with what they stand for. Batch norm is applied to sums of
 * products, and is no part of the scales.
 */
#ifndef RN_GRAPH_QUANTIZATION_H
#define RN_GRAPH_QUANTIZATION_H

#include "graph/graph.h"

enum { RN_QUANT_LEAST = -128, RN_QUANT_MOST = 127 /* of weights */ };
/** Most products in a sum: 2^31 / (255 * 128). */
enum { RN_INT8_DEPTH = 65793 };

/** How many parameters are weights in 8 bits, and whether some are. */
size_t rn_graph_quantized(const struct rn_graph *g);
bool rn_graph_is_quantized(const struct rn_graph *g);

/** Whether a convolution or fully connected layer can compute in 8 bits, by its
 *  shape: one group, a regular window, sums of at most RN_INT8_DEPTH products.
 *  Plans compute all of these so (and some more) when weights and input have
 *  scales. */
bool rn_graph_takes_bytes(const struct rn_graph *g, size_t node);
/** Whether its value lies in 8 bits as its input does. */
bool rn_node_keeps_quant(const struct rn_node *n);

/** Why a scale or a zero point can be none, as words, or NULL. A scale is a
 *  positive normal number whose 255-fold is finite. */
const char *rn_scale_fault(float scale);
const char *rn_quant_fault(struct rn_quant q);

/** Take scales for a parameter's weights, one for each of dim[0], and round
 *  the weights to whole multiples, those out of range to the end of it.
 *  RN_ERR_ARG for scales that are none, RN_ERR_MEMORY. */
int rn_graph_quantize_param(struct rn_graph *g, size_t param,
                            const float *scales, struct rn_error *err);
/** The multiple that a weight in 8 bits is. */
int rn_quant_number(float weight, float scale);

#endif
