/* SPDX-License-Identifier: BSD-2-Clause */
/* Models in state dictionaries: PyTorch's files of tensors, safetensors, and
 * what Hugging Face lays beside them. */
#ifndef RN_FORMATS_TORCH_TORCH_H
#define RN_FORMATS_TORCH_TORCH_H

#include "model/model.h"

/** Whether these first bytes can be such a file's: one of torch.save()'s, a
 *  safetensors file, or the index of several. */
bool rn_torch_is(const char *path, const uint8_t *bytes, size_t size);
/** Read a model whose names or shapes tell the network. */
int rn_torch_import(struct rn_model **out, const char *path,
                    const struct rn_import_options *options,
                    struct rn_error *err);
/** Write a model as torch.save() would its state dictionary, with its
 *  description beside it, so that all of it comes back. */
int rn_torch_export(const struct rn_model *model, const char *path,
                    struct rn_error *err);

#endif
