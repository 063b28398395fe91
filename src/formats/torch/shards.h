/* SPDX-License-Identifier: BSD-2-Clause */
/* State dictionaries of safetensors files: of one, or of several that a JSON
 * index {"weight_map": {tensor: file}} ties together. */
#ifndef RN_FORMATS_TORCH_SHARDS_H
#define RN_FORMATS_TORCH_SHARDS_H

#include "formats/torch/state.h"

/* Files of an index, all open at once. */
#define RN_SHARDS_MOST 256

/** Whether these first bytes can be an index's. */
bool rn_shards_is(const uint8_t *bytes, size_t size);
/** Read an index, and the files beside it that it names, into a started
 *  state. Names with a slash are refused. */
int rn_shards_open(struct rn_state *state, struct rn_error *err);
/** The same of a single file. */
int rn_shards_open_one(struct rn_state *state, struct rn_error *err);

#endif
