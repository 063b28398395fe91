/* SPDX-License-Identifier: BSD-2-Clause */
/* A pickle's network among what a training script keeps beside it: the
 * dictionary of tensors that becomes the state. */
#ifndef RN_FORMATS_TORCH_CHECKPOINT_H
#define RN_FORMATS_TORCH_CHECKPOINT_H

#include "core/pickle.h"
#include "formats/torch/state.h"

/* Longest name of a holder, parts joined with '.'; dictionaries looked into,
 * and how deep they lie. */
#define RN_HOLDER_NAME  160
#define RN_HOLDERS_MOST 4096
#define RN_HOLDERS_DEEP 4

/** Fill a started state, whose `wanted` may name a holder, from a pickle's
 *  result. Where several dictionaries hold tensors, state->note says which was
 *  taken. A wanted holder that is none stays in `wanted` as a prefix of names,
 *  else that becomes NULL. RN_ERR_DATA when there are no tensors, when which
 *  to take is not clear, or when one is of a class not known. */
int rn_checkpoint_collect(struct rn_state *state, const struct rn_pickle *p,
                          struct rn_error *err);

#endif
