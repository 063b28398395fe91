/* SPDX-License-Identifier: BSD-2-Clause */
/* Which network a state dictionary is of, by the names and shapes of its
 * tensors. */
#ifndef RN_FORMATS_TORCH_RECOGNISE_H
#define RN_FORMATS_TORCH_RECOGNISE_H

#include "formats/torch/names_map.h"
#include "formats/torch/state.h"
#include "nets/family.h"

struct rn_named_tensor {
    char name[160]; /* torchvision's for it, or its own */
    const struct rn_state_tensor *tensor;
    bool mapped; /* by the caller */
};

/* Tensors under our names, which are torchvision's, and what they tell. */
struct rn_recognised {
    struct rn_named_tensor *tensors; /* ordered by name */
    size_t count;
    const struct rn_net_source *source; /* whose names they are */
    struct rn_net_found network;
    int channels, classes;
    bool other;    /* by its names a network of another kind */
    bool known;    /* of a kind known here by its names, if not one of it */
    bool headless; /* without a classifier; classes is 0 */
    /* What all convolutions' names begin with: so many characters of this. */
    const char *shared;
    size_t shared_size;
};

/** Rename the tensors of a state (borrowed): as `map` says, unless NULL, else
 *  without what all convolutions' names begin with, and by tables. RN_ERR_DATA
 *  when two become one. */
int rn_rename(struct rn_recognised *r, const struct rn_state *state,
              struct rn_names_map *map, struct rn_error *err);
/** The same of tensors that have our names, as those of files of ours with a
 *  description: each keeps its own. */
int rn_rename_none(struct rn_recognised *r, const struct rn_state *state,
                   struct rn_error *err);
/** A name of the file's without what all convolutions' begin with, and without
 *  what wrappers add. */
const char *rn_bare_name(const struct rn_recognised *r, const char *name);
/** Order the tensors by their names. */
void rn_recognised_sort(struct rn_recognised *r);
/** Fill in the rest; RN_ERR_DATA when it is no network of a family here, with
 *  whose names its tensors have. */
int rn_recognise(struct rn_recognised *r, const struct rn_state *state,
                 struct rn_error *err);
/** Also after a failure, and on a zeroed struct. */
void rn_recognised_free(struct rn_recognised *r);
/** NULL when there is none of that name. */
const struct rn_state_tensor *rn_renamed(const struct rn_recognised *r,
                                         const char *name);

/** Whether a convolution has a name that no network here has. */
bool rn_recognised_stranger(const struct rn_recognised *r);

#endif
