/* SPDX-License-Identifier: BSD-2-Clause */
/* The names that PyTorch's pickles of tensors use. */
#ifndef RN_FORMATS_TORCH_PICKLE_TORCH_H
#define RN_FORMATS_TORCH_PICKLE_TORCH_H

#include "core/pickle.h"

/* For rn_pickle_run(): storages, tensors over them, and their types. */
extern const struct rn_pickle_names rn_torch_names;

#endif
