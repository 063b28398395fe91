/* SPDX-License-Identifier: BSD-2-Clause */
/* The options of a network: the table, and the checks by it. */
#include "nets/nets.h"

#include "core/count.h"
#include "core/option.h"

#define PLACE(field) offsetof(struct rn_net_options, field)

/* clang-format off */
static const struct rn_option options[] = {
    {"classes", "network", RN_OPTION_INT, PLACE(classes), 1, 65535,
     .value = "N", .unset = "the family's", .help = "Number of classes"},
    {"channels", "network", RN_OPTION_INT, PLACE(channels), 1, 65535,
     .value = "N", .unset = "3", .help = "Input channels"},
    {"height", "network", RN_OPTION_SIZE, PLACE(height), 1, 65535,
     .value = "HxW", .unset = "the family's",
     .help = "Input height and width, or N for both"},
    {"shortcut", "network", RN_OPTION_LETTER, PLACE(shortcut),
     .words = RN_SHORTCUT_WORDS, .unset = "the family's",
     .help = RN_SHORTCUT_HELP},
    {"stride_v1", "network", RN_OPTION_INDEX, PLACE(stride_v1),
     .words = RN_STRIDE_WORDS, .preset = "v1.5", .help = RN_STRIDE_HELP},
    {"aux_heads", "network", RN_OPTION_FLAG, PLACE(aux_heads),
     .help = "Take the network with its auxiliary heads, as it is trained"},
    {"block", "network", RN_OPTION_WORD, PLACE(block),
     .words = RN_BLOCK_WORDS, .unset = "the network's own",
     .help = RN_BLOCK_HELP},
    {"dropout", "network", RN_OPTION_REAL, PLACE(dropout), 0, RN_DROPOUT_MOST,
     .value = "X", .unset = "none", .help = RN_DROPOUT_HELP},
};
/* clang-format on */

const struct rn_option *rn_net_option(size_t i)
{
    return i < COUNT(options) ? &options[i] : NULL;
}
