/* SPDX-License-Identifier: BSD-2-Clause */
/* PyTorch's files of tensors: a zip archive of a pickle and its storages, or,
 * before PyTorch 1.6, five pickles and the storages behind each other. */
#ifndef RN_FORMATS_TORCH_PTH_H
#define RN_FORMATS_TORCH_PTH_H

#include "formats/torch/state.h"

/* The whole file is held in memory, a deflated storage beside it while its
 * tensor is read (zip.h bounds it), and what pickle.h allows. */
#define RN_PTH_LIMIT ((size_t)64 << 30)

/** Whether these first bytes can be such a file's. */
bool rn_pth_is(const uint8_t *bytes, size_t size);
/** Read such a file into a started state. */
int rn_pth_open(struct rn_state *state, struct rn_error *err);
/** The same on bytes in memory (borrowed; fuzzing), the state's path being for
 *  messages. */
int rn_pth_parse(struct rn_state *state, const uint8_t *bytes, size_t size,
                 struct rn_error *err);
/** The entry with rn_state.description, which PyTorch passes over. */
#define RN_PTH_DESCRIPTION "resnet.json"

/** Write tensors as torch.save() would a state dictionary: a zip file that
 *  torch.load(weights_only=True) takes; and `description`, unless NULL. The
 * file appears whole or not at all. Names must be different. */
int rn_pth_write(const char *path, const struct rn_st_out *tensors,
                 size_t count, const char *description, struct rn_error *err);

#endif
