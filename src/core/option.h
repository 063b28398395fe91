/* SPDX-License-Identifier: BSD-2-Clause */
/* Options structs by their tables (struct rn_option): defaults, ranges, words.
 * A table is handed on as its rn_*_option() function. */
#ifndef RN_CORE_OPTION_H
#define RN_CORE_OPTION_H

#include "core/error.h"
#include "core/threads.h"

#include <stdbool.h>

/** Most a whole number of a table may be: it survives a double, and JSON. */
#define RN_OPTION_MOST 1000000000
#define RN_SEED_MOST   ((uint64_t)INT64_MAX)

/* What rows of several tables have in common. */
#define RN_BATCH_MOST     65536
#define RN_THREADS_UNSET  "what the machine allows"
#define RN_BIND_HELP      "Bind threads to processors of their own"
#define RN_THREADS_HELP   "Compute with N threads"
#define RN_EXACT_HELP     "Convolve directly only, without Winograd's rounding"
#define RN_AS_STORED_HELP "Do not turn pictures as their EXIF orientation says"
#define RN_CROPS_HELP                                                       \
    "Look at the centre of a picture (1), or at corners, centre and their " \
    "mirror images (10) and average the probabilities"
#define RN_RECOMPUTE_WORDS "auto|none|activations|blocks"
#define RN_RECOMPUTE_HELP                                                 \
    "Make again in backward what training would hold in memory: none, "   \
    "activations (cheap; auto is this) or blocks (most convolutions run " \
    "twice); results stay the same"
#define RN_GRADIENTS_WORDS "fp32|bf16"
#define RN_GRADIENTS_HELP                                                  \
    "Round groups' gradients and their sums: bf16 halves what ranks send"
#define RN_PRECISION_WORDS "auto|fp32|bf16|int8"
#define RN_PRECISION_HELP                                                 \
    "Compute with numbers of this precision; auto: int8 for a quantised " \
    "model, else fp32"
#define RN_EMULATE_HELP \
    "Compute bf16 on a processor without instructions for it, slowly"
#define RN_SHORTCUT_WORDS "A|A-split|B|C"
#define RN_SHORTCUT_HELP                                                      \
    "Shortcuts where sizes change: A pads with zeros (A-split: half of them " \
    "on each side), B projects, C projects everywhere"
#define RN_STRIDE_WORDS "v1.5|v1"
#define RN_STRIDE_HELP                                                      \
    "Where a bottleneck strides: in its first 1x1 (v1, the paper's) or in " \
    "its 3x3"
#define RN_BLOCK_WORDS "basic|bottleneck"
#define RN_BLOCK_HELP                                                 \
    "Blocks of a cifar-preresnet: two 3x3 (basic), or 1x1, 3x3, 1x1 " \
    "(bottleneck)"
#define RN_DROPOUT_MOST 0.99
#define RN_DROPOUT_HELP \
    "Share that a wide ResNet's blocks drop between convolutions in training"

typedef const struct rn_option *rn_option_table(size_t i);

/** Set every field of the table to its default. */
void rn_option_defaults(rn_option_table *table, void *options);

/** Turn zeroes (and NULL) into the defaults that they stand for, and RN_ZERO in
 *  the place of such a zero into zero. */
void rn_option_settle(rn_option_table *table, void *options);

/** RN_TAKE() and rn_option_settle(): options as the library works with them. */
#define RN_TAKE_OPTIONS(table, own, given, name, err) \
    rn_option_take(table, own, sizeof(*(own)), given, name, err)
int rn_option_take(rn_option_table *table, void *own, size_t known,
                   const void *given, const char *name, struct rn_error *err);

/** Refuse a field that is out of its range, not one of its words or not UTF-8;
 *  RN_ERR_ARG names it, what it is and what it must be. */
int rn_option_check(rn_option_table *table, const void *options,
                    struct rn_error *err);

/** Place of a word in "A|B|C", -1: it is none of them. */
int rn_option_word(const char *words, const char *value);
/** The same of a field of type RN_OPTION_WORD by its name; NULL is -1, too. */
int rn_option_choice(rn_option_table *table, const char *name,
                     const char *value);

/** The number in a field of FLAG, INT, LONG, REAL or INDEX. */
double rn_option_number(const struct rn_option *option, const void *options);

#endif
