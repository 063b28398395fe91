/* SPDX-License-Identifier: BSD-2-Clause */
/* The layers of a state whose names are not known, and what is found out about
 * them, step by step; each step has a file. */
#ifndef RN_STRUCTURE_LAYERS_H
#define RN_STRUCTURE_LAYERS_H

#include "formats/torch/structure.h"

#define MOST_PARTS 3 /* convolutions of a block */
#define STEM       3 /* of the deepest stem */

enum kind { CONV, NORM, LINEAR };

/* A layer: its tensors' common name, without ".weight". */
struct layer {
    enum kind kind;
    const char *name;
    size_t length;
    const struct rn_state_tensor *weight;
    struct layer *other; /* a convolution's batch norm, and the reverse */
    char ours[40];       /* torchvision's name, once it is known */
};

struct structure {
    const struct rn_state *state;
    struct layer *layers; /* in the file's order */
    size_t count;
    struct layer **convs, **norms; /* likewise; convs in the order tried */
    size_t n_convs, n_norms;
    struct layer *head;
    bool sorted; /* the file's order is that of names */
    /* Words in names of sorted convolutions, digits being #. */
    char words[RN_STRUCTURE_WORDS][RN_STRUCTURE_WORD + 1];
    size_t n_words;
    /* How far the best attempt came. */
    size_t reached;
};

/* layers.c */

/** The layers, and of these convolutions and batch norms, in the file's order.
 */
int rn_structure_layers(struct structure *s, struct rn_error *err);
/** The tensor NAME.PART of a layer, or NULL. */
const struct rn_state_tensor *rn_structure_part(const struct structure *s,
                                                const struct layer *l,
                                                const char *part);

/* names.c */

/** Parts are compared by their words, which must be whole for that. */
int rn_structure_check_words(const struct structure *s, struct rn_error *err);
/** Whether the layers' names are in the order of their bytes: a file whose
 *  tensors are sorted, which tells nothing of the network's order. */
bool rn_structure_sorted(const struct structure *s);
/** Where two names part: the order of their numbers, or, with *words true, the
 *  two words, whose order nothing tells. */
int rn_structure_compare(const struct layer *a, const struct layer *b,
                         bool *words, char word_a[RN_STRUCTURE_WORD + 1],
                         char word_b[RN_STRUCTURE_WORD + 1]);
/** In a sorted file, find the words between which the order is to be found;
 *  else numbers must not speak against the file's order. */
int rn_structure_check_names(struct structure *s, struct rn_error *err);
/** The number that ends a name, or -1. */
long rn_structure_last_number(const struct layer *l);

/* pairs.c */

/** Give each convolution its batch norm. */
int rn_structure_pair(struct structure *s, struct rn_error *err);
int rn_structure_check_pairs(const struct structure *s, struct rn_error *err);

/* shape.c */

/** One way to read the convolutions: how many begin the network, how many a
 * block has, and before which of them, or behind all, its shortcut's stands. */
struct reading {
    size_t stem, parts, shortcut;
};

/** Whether all convolutions, in the order they have now, can be read so; `ours`
 *  of each is then its name. */
bool rn_structure_read(struct structure *s, struct reading how);

#endif
