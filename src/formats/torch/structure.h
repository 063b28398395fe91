/* SPDX-License-Identifier: BSD-2-Clause */
/* Which network a state dictionary is of when its names are not known: by the
 * order, kinds and shapes of its tensors. */
#ifndef RN_FORMATS_TORCH_STRUCTURE_H
#define RN_FORMATS_TORCH_STRUCTURE_H

#include "formats/torch/recognise.h"

/* Most convolutions: each is compared with each. Most points in their names:
 * each container is looked through. Most different words in the names of
 * sorted tensors: each order of them is tried. */
#define RN_STRUCTURE_CONVS 2048
#define RN_STRUCTURE_DEEP  16
#define RN_STRUCTURE_WORDS 5
/* Most characters between two points of a name, a number being one. */
#define RN_STRUCTURE_WORD 59

/** Recognise a state (borrowed). Convolutions, each with a batch norm, follow
 *  each other as in the file, or, where its tensors are sorted by name, as the
 *  numbers in their names do and the words may; exactly one network must come
 *  out. `note` becomes what to tell of it. RN_ERR_DATA says what does not fit,
 *  or that several do. */
int rn_structure(struct rn_recognised *r, const struct rn_state *state,
                 char *note, size_t size, struct rn_error *err);

#endif
