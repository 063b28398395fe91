/* SPDX-License-Identifier: BSD-2-Clause */
/* The names that PyTorch's pickles of tensors use, and the tensors. */
#ifndef RN_FORMATS_TORCH_PICKLE_TORCH_H
#define RN_FORMATS_TORCH_PICKLE_TORCH_H

#include "core/pickle.h"
#include "formats/torch/state.h"

/* For rn_pickle_run(): storages, tensors over them, and their types. */
extern const struct rn_pickle_names rn_torch_names;

/** Add one of a pickle's tensors under a name of `size` characters. */
int rn_torch_add(struct rn_state *state, const struct rn_pickle *p,
                 const char *name, size_t size, uint32_t tensor,
                 struct rn_error *err);

#endif
