/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * How convolutions' weights lie in the store: blocked
 * [oc / B][ic / B][kh][kw][B ic][B oc], or [oc / B][kh][kw][ic][B oc] for plain
 * input; zeros in the padding. Those of groups: ops/conv/groups.h.
 */
#ifndef RN_OPS_CONV_WEIGHTS_H
#define RN_OPS_CONV_WEIGHTS_H

#include "graph/graph.h"

#include <stdint.h>

size_t rn_conv_weights_count(int oc, int ic, struct rn_window window,
                             bool plain_input);
void rn_conv_weights_to_store(const float *oihw, float *store, int oc, int ic,
                              struct rn_window window, bool plain_input);
void rn_conv_weights_from_store(const float *store, float *oihw, int oc, int ic,
                                struct rn_window window, bool plain_input);
/** bfloat16 in pairs of input channels, rounded to nearest, tap after tap:
 *  [oc / B][kh][kw][ic / B][B ic / 2][B oc][2]; on so many threads. */
void rn_conv_weights_pack_pairs(const float *oihw, uint16_t *packed, int oc,
                                int ic, struct rn_window window, int threads);
/** The same of the store's weights. */
void rn_conv_weights_store_to_pairs(const float *store, uint16_t *packed,
                                    int oc, int ic, struct rn_window window,
                                    int threads);
/** To the store's layout, on so many threads. */
void rn_conv_weights_pack(const float *oihw, float *store, int oc, int ic,
                          struct rn_window window, bool plain_input,
                          int threads);

/** Shrink the store's weights of each output channel to a norm of `most` where
 *  it is larger; sums are in the order of files, on so many threads. */
void rn_conv_weights_limit(float *store, int oc, int ic,
                           struct rn_window window, bool plain_input,
                           float most, int threads);

#endif
